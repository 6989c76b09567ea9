//! What blocks leave in the tables, and what stops the index.

mod chain;

use chain::*;
use utilidor_index::{Applied, ApplyError, CompareError, Index, OpenError, compare};
use utilidor_types::agreement::Party;
use utilidor_types::block::{FinalBlock, FinalTransaction};
use utilidor_types::meter::{CertificationEntry, CertifiedReading, CertifiedRun};
use utilidor_types::*;
use utilidor_view::{OfferFilter, Scope, TimeFilter, Viewer};

#[test]
fn an_index_built_again_has_the_same_rows() {
    let (chain, mut fixture) = played();
    let before = fixture.dump();
    let empty: Vec<_> = before.iter().filter(|(_, rows)| rows.is_empty()).map(|(table, _)| table.as_str()).collect();
    // What these hold is tested where it is played: amendments and indices in `api`, debts in `park`, programs in `cli`.
    assert_eq!(empty, ["amendments", "debts", "index_values", "price_indices", "programs"]);
    fixture.index.reset().unwrap();
    assert_ne!(fixture.dump(), before);
    for block in &chain.blocks {
        fixture.index.apply(block).unwrap();
    }
    assert_eq!(fixture.dump(), before);
}

#[test]
fn two_indexes_are_compared_row_by_row() {
    let (chain, fixture) = played();
    let other = Fixture::of(&chain);
    let compared = compare(fixture.index.path(), other.index.path()).unwrap();
    let rows: usize = fixture.dump().iter().map(|(_, rows)| rows.len()).sum();
    assert_eq!(compared.rows as usize, rows);
    // Totals would not show it: money has gone from one account to another.
    let connection = rusqlite::Connection::open(other.index.path()).unwrap();
    connection.execute("UPDATE accounts SET free = free - 1 WHERE id = 2", []).unwrap();
    connection.execute("UPDATE accounts SET free = free + 1 WHERE id = 3", []).unwrap();
    let CompareError::Different(difference) = compare(fixture.index.path(), other.index.path()).unwrap_err() else {
        panic!("they differ")
    };
    assert_eq!((&*difference.table, difference.place), ("accounts", 2));
    connection.execute("DELETE FROM accounts WHERE id = 2", []).unwrap();
    connection.execute("DROP TABLE gone", []).unwrap_err();
    assert!(compare(fixture.index.path(), other.index.path()).is_err());
}

#[test]
fn refuses_a_gap_and_another_chains_block_and_knows_what_it_has() {
    let (chain, mut fixture) = played();
    let height = chain.blocks.len() as u64;
    let before = fixture.dump();
    assert_eq!(fixture.index.apply(&chain.blocks[3]).unwrap(), Applied::Before);
    let mut other = chain.blocks[3].clone();
    other.header.time.0 += 1;
    assert!(matches!(fixture.index.apply(&other), Err(ApplyError::Fork { height: 4 })));
    let mut far = chain.blocks[0].clone();
    far.header.height = height + 2;
    let gap = fixture.index.apply(&far);
    assert!(matches!(gap, Err(ApplyError::Gap { height: at, found }) if (at, found) == (height, height + 2)));
    far.header.height = height + 1;
    assert!(matches!(fixture.index.apply(&far), Err(ApplyError::Fork { .. })));
    assert_eq!(fixture.dump(), before);

    let path = fixture.index.path().to_path_buf();
    let mut genesis = genesis();
    genesis.time.0 += 1;
    assert!(matches!(Index::open(&path, &genesis), Err(OpenError::OtherChain { .. })));
}

#[test]
fn a_block_that_contradicts_the_ones_before_stops_the_index_and_leaves_it_as_it_was() {
    let mut chain = Chain::new();
    chain.play();
    let mut fixture = Fixture::empty();
    // The second block issues money to an account; a copy of it that pays from an empty one cannot be.
    fixture.index.apply(&chain.blocks[0]).unwrap();
    let before = fixture.dump();
    let mut poor = chain.blocks[1].clone();
    let transfer = Action::Transfer { to: account("bob"), amount: Money::units(1), reference: Text::default() };
    let signed = Chain::new().sign("gateway", transfer);
    let hash = signed.hash();
    poor.transactions = vec![FinalTransaction { hash, signed: signed.into() }];
    poor.receipts[0].cause = receipt::Cause::Transaction(hash);
    // Nor can one whose receipts answer the same transaction twice, or a transaction not at all.
    let mut twice = chain.blocks[1].clone();
    twice.receipts.push(twice.receipts[0].clone());
    let mut unanswered = chain.blocks[1].clone();
    unanswered.receipts.clear();
    // Nor one that certifies readings out of their order.
    let mut skipping = chain.blocks[1].clone();
    skipping.certified = vec![CertificationEntry::Run(run(7, meter("alice")))];
    for block in [poor, twice, unanswered, skipping] {
        assert!(matches!(fixture.index.apply(&block), Err(ApplyError::Diverged { height: 2, .. })));
        assert_eq!(fixture.dump(), before);
    }
    fixture.index.apply(&chain.blocks[1]).unwrap();
}

#[test]
fn a_file_of_another_schema_version_is_built_again() {
    let (chain, fixture) = played();
    let path = fixture.index.path().to_path_buf();
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 9_999).unwrap();
    let mut index = Index::open(&path, &genesis()).unwrap();
    assert_eq!(index.height(), 0);
    for block in &chain.blocks {
        index.apply(block).unwrap();
    }
    assert_eq!(index.height(), chain.blocks.len() as u64);
}

#[test]
fn a_file_that_an_earlier_release_wrote_is_built_again_by_itself() {
    let (chain, fresh) = played();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute_batch(include_str!("fixtures/schema-6.sql")).unwrap();
    assert_eq!(utilidor_index::standing(&path).unwrap(), None, "its tables are not this release's");
    let mut index = Index::open(&path, &genesis()).unwrap();
    for block in &chain.blocks {
        index.apply(block).unwrap();
    }
    compare(&path, fresh.index.path()).unwrap();
}

#[test]
fn a_file_says_how_far_it_is_and_whether_it_is_sound() {
    let (chain, fixture) = played();
    let path = fixture.index.path().to_path_buf();
    let last = &chain.blocks.last().unwrap().header;
    let standing = utilidor_index::standing(&path).unwrap().unwrap();
    assert_eq!((standing.chain, standing.height, standing.digest), (last.chain, last.height, last.digest()));
    assert_eq!(standing.state_root, Some(last.state_root));
    let copied = path.with_extension("copy");
    utilidor_index::copy(&path, &copied).unwrap();
    compare(&copied, &path).unwrap();
    assert_eq!(utilidor_index::standing(&copied).unwrap(), Some(standing));
    assert_eq!(utilidor_index::faults(&path).unwrap(), Vec::<String>::new());

    // All rows stand in the copy, and none in a log beside it.
    let mut bytes = std::fs::read(&copied).unwrap();
    // The type of the second page: of no kind that there is.
    bytes[4_096] ^= 0x80;
    let damaged = path.with_file_name("damaged.sqlite");
    std::fs::write(&damaged, bytes).unwrap();
    let found = utilidor_index::faults(&damaged);
    assert!(found.is_err() || found.is_ok_and(|faults| !faults.is_empty()));
}

#[test]
fn an_index_that_remembers_nothing_writes_the_same_rows() {
    let mut chain = Chain::new();
    chain.play();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    for block in &chain.blocks {
        let mut index = Index::open(&path, &genesis()).unwrap();
        assert_eq!(index.height() + 1, block.header.height);
        index.apply(block).unwrap();
    }
    let (_, whole) = played();
    compare(&path, whole.index.path()).unwrap();
}

/// The rows of one block must not depend on which blocks they came in.
#[test]
fn what_happens_within_one_block_is_folded_as_if_it_came_in_several() {
    let mut chain = Chain::new();
    chain.settle_in();
    chain.done("station", Action::publish_offer(offer("o")));
    let alice = chain.opening("alice", Quantity(600 * KWH), 600_000);
    let bob = chain.opening("bob", Quantity(400 * KWH), 600_000);
    let quote = |chain: &mut Chain, bidder: &str, opening, binding| {
        let quote = chain.quote("o", bidder, opening, binding);
        chain.sign(bidder, quote)
    };
    let quotes = vec![
        quote(&mut chain, "alice", &bob, true),
        quote(&mut chain, "alice", &alice, false),
        quote(&mut chain, "bob", &bob, false),
    ];
    chain.block(quotes);
    chain.now = at(1, 5, 0);
    let awards = vec![chain.award("o", "alice", &alice), chain.award("o", "bob", &bob)];
    let terms = offer("o").agreement_terms(account("station"), account("alice"), &alice).digest();
    let together = vec![
        chain.sign("station", Action::Award { awards: awards.try_into().unwrap() }),
        chain.sign("bob", Action::DeclineAgreement { agreement: awarded("bob") }),
        chain.sign("alice", Action::SignAgreement { agreement: awarded("alice"), terms }),
    ];
    let refused: Vec<_> = chain.block(together).receipts.iter().filter_map(Receipt::refusal).cloned().collect();
    assert_eq!(refused, []);
    let fixture = Fixture::of(&chain);
    let offers = all(fixture.ask().offers(&OfferFilter::default(), whole()).unwrap());
    assert_eq!(offers[0].awarded, [Quantity(600 * KWH)]);
    let status = |bidder| fixture.ask().agreement(awarded(bidder)).unwrap().unwrap().status;
    assert_eq!((status("alice"), status("bob")), (agreement::Status::Active, agreement::Status::Declined));
}

/// Quotes that do not bind can be of any size: their sum passes 2^63.
#[test]
fn sums_beyond_what_sqlite_counts_to_are_kept() {
    let mut chain = Chain::new();
    chain.settle_in();
    let huge = Quantity(u64::MAX / 2);
    let mut document = offer("huge");
    let mut lots = document.lots.into_vec();
    lots[0].quantity = Quantity(u64::MAX);
    document.lots = lots.try_into().unwrap();
    chain.done("station", Action::publish_offer(document));
    let openings = ["alice", "bob"].map(|bidder| (bidder, chain.opening(bidder, huge, 1)));
    for (bidder, opening) in &openings {
        let quote = chain.quote("huge", bidder, opening, false);
        chain.done(bidder, quote);
    }
    chain.now = at(1, 5, 0);
    let awards: Vec<_> = openings.iter().map(|(bidder, opening)| chain.award("huge", bidder, opening)).collect();
    chain.done("station", Action::Award { awards: awards.try_into().unwrap() });
    let fixture = Fixture::of(&chain);
    let awarded = fixture.ask().offer(offer_id("huge")).unwrap().unwrap().awarded;
    assert_eq!(awarded, [Quantity(u64::MAX - 1)]);
    // Nobody signs: all of it comes back.
    chain.pass_to(at(1, 7, 0));
    let fixture = Fixture::of(&chain);
    assert_eq!(fixture.ask().offer(offer_id("huge")).unwrap().unwrap().awarded, [Quantity::ZERO]);
}

/// An offer that is over leaves the ledger, and its owner may use the label again.
#[test]
fn an_id_that_is_used_again_stands_for_the_last_thing() {
    let mut chain = Chain::new();
    chain.settle_in();
    chain.done("station", Action::publish_offer(offer("o")));
    chain.done("station", Action::publish_offer(offer("o")));
    let opening = chain.opening("alice", Quantity(KWH), 600_000);
    let quote = chain.quote("o", "alice", &opening, true);
    chain.done("alice", quote);
    chain.done("station", Action::WithdrawOffer { offer: offer_id("o") });
    let mut other = offer("o");
    other.notice = Text::new("once more").unwrap();
    chain.done("station", Action::publish_offer(other.clone()));
    let fixture = Fixture::of(&chain);
    let offers = all(fixture.ask().offers(&OfferFilter::default(), whole()).unwrap());
    let statuses: Vec<_> = offers.iter().map(|offer| (offer.status.name(), offer.quotes)).collect();
    assert_eq!(statuses, [("withdrawn", 0), ("open", 0)]);
    assert_eq!(fixture.ask().offer(offer_id("o")).unwrap().unwrap().offer, other);
    assert_eq!(fixture.ask().account(account("alice")).unwrap().unwrap().reserved, Money::ZERO);
}

#[test]
fn who_was_party_of_an_agreement_sees_nothing_of_the_next_one_of_its_id() {
    let mut chain = Chain::new();
    chain.settle_in();
    chain.now = at(1, 1, 2);
    let proposed = |chain: &Chain, to: &str| {
        let opening = chain.opening(to, Quantity(KWH), 600_000);
        let terms = offer("o").agreement_terms(account("station"), account(to), &opening);
        Action::ProposeAgreement { label: label("twice"), terms, signing_ms: 3_600_000 }
    };
    let agreement = AgreementId::of(account("station"), label("twice"));
    let sees = |chain: &Chain, whose: &str| {
        let viewer = Viewer::Holder { account: account(whose), scope: Scope::whole() };
        let fixture = Fixture::of(chain);
        let seen = fixture.reader.questions(viewer).unwrap().agreement(agreement).unwrap();
        seen.map(|view| view.terms.account(Party::USER))
    };
    let to_alice = proposed(&chain, "alice");
    chain.done("station", to_alice);
    assert_eq!(sees(&chain, "alice"), Some(Some(account("alice"))));
    chain.done("alice", Action::DeclineAgreement { agreement });
    let to_bob = proposed(&chain, "bob");
    chain.done("station", to_bob);
    assert_eq!((sees(&chain, "alice"), sees(&chain, "bob")), (None, Some(Some(account("bob")))));
}

const READINGS: u64 = 24;

/// Readings of a meter from a certificate's id on, hour by hour.
fn run(first: u64, meter: MeterId) -> CertifiedRun {
    let reading = |id| CertifiedReading {
        reading: Reading { time: at(1, 1, id + 1), register: Quantity(id) },
        quantity: Quantity(1),
    };
    let readings = Bounded::new((first..first + READINGS).map(reading).collect()).unwrap();
    CertifiedRun { first: CertificateId(first), meter, from: at(1, 1, first), readings }
}

/// Not a limit but a guard against an accidental quadratic: a demonstration year has 600,000 certificates.
#[test]
fn a_batch_of_certificates_is_folded_quickly_and_found_by_its_meter() {
    let mut chain = Chain::new();
    let mut fixture = Fixture::empty();
    chain.done("gateway", Action::RegisterMeter(meter_document("alice")));
    fixture.index.apply(&chain.blocks[0]).unwrap();
    let batch = 83 * READINGS;
    let batches = 50;
    let began = std::time::Instant::now();
    for number in 0..batches {
        let runs: Vec<_> = (0..83).map(|run_of| run(number * batch + run_of * READINGS, meter("alice"))).collect();
        let first = CertificateId(number * batch);
        let certified = Event::Certified { first, count: batch as u32, refused: Bounded::empty() };
        let signed = chain.sign("gateway", Action::RecordReadings { runs: Bounded::empty() });
        let block = following(chain.blocks.last().unwrap(), signed, certified, runs);
        fixture.index.apply(&block).unwrap();
        chain.blocks.push(block);
    }
    println!("{:?} a certificate", began.elapsed() / (batches * batch) as u32);
    assert_eq!(fixture.ask().meter(meter("alice")).unwrap().unwrap().certificates, batches * batch);
    let filter = TimeFilter { from_ms: Some(at(1, 1, 70_000)), to_ms: None };
    let rows = fixture.ask().certificates_of_meter(meter("alice"), &filter, paging(None, 100)).unwrap().unwrap();
    assert_eq!(rows.items[0].certificate.id, CertificateId(70_000));
    assert_eq!(rows.items[0].height, 2 + 70_000 / batch);
}

/// A block after another one, with one transaction, what its receipt says, and runs.
fn following(parent: &FinalBlock, signed: SignedTransaction, event: Event, runs: Vec<CertifiedRun>) -> FinalBlock {
    let mut block = parent.clone();
    block.header.parent = block.header.digest();
    block.header.height += 1;
    block.header.transaction_count = 1;
    block.receipts = vec![Receipt {
        cause: receipt::Cause::Transaction(signed.hash()),
        verdict: receipt::Verdict::Applied(vec![event].try_into().unwrap()),
    }];
    block.transactions = vec![FinalTransaction { hash: signed.hash(), signed: signed.into() }];
    block.header.certification.end += runs.len() as u64 + 1;
    block.certified = runs.into_iter().map(CertificationEntry::Run).collect();
    block
}
