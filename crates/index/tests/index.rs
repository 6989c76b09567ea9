//! The index over blocks that the ledger executed, without a chain under them.

use commonware_parallel::Sequential;
use rusqlite::types::Value;
use std::collections::HashMap;
use tempfile::TempDir;
use utilidor_index::agreement::{AgreementFilter, AgreementRow};
use utilidor_index::meter::CertificateRow;
use utilidor_index::offer::OfferFilter;
use utilidor_index::statement::StatementFilter;
use utilidor_index::{Applied, ApplyError, Index, OpenError, Page, Paging, Reader};
use utilidor_ledger::memory::Memory;
use utilidor_ledger::record::AccountRecord;
use utilidor_types::action::{AwardedQuote, Prepayment};
use utilidor_types::agreement::*;
use utilidor_types::block::{FinalBlock, FinalTransaction, Header, Log, Round};
use utilidor_types::genesis::{ChainKind, GenesisMember};
use utilidor_types::hash::tagged_hash;
use utilidor_types::meter::{CertifiedReading, MeterAuthority, MeterRun};
use utilidor_types::package::*;
use utilidor_types::quote::{QuoteLine, sealed_bytes};
use utilidor_types::time::{Date, HOUR_MS};
use utilidor_types::transaction::verify_batch;
use utilidor_types::*;

const KWH: u64 = 3_600_000;
const ELECTRICITY: Carrier = Carrier::Electricity;
const ACTORS: [&str; 6] = ["station", "alice", "bob", "gateway", "issuer", "other"];

fn at(month: u8, day: u8, hour: u64) -> Timestamp {
    Timestamp(Date { year: 2025, month, day }.midnight(0).unwrap().0 + hour * HOUR_MS)
}

fn half(label: &str) -> [u8; 16] {
    tagged_hash("test", &[label.as_bytes()]).0[..16].try_into().unwrap()
}

fn key(label: &str) -> PrivateKey {
    PrivateKey::ed25519(tagged_hash("test key", &[label.as_bytes()]).0)
}

fn account(label: &str) -> AccountId {
    AccountId::of(&key(label).public_key())
}

fn agreement(label: &str) -> AgreementId {
    AgreementId(half(label))
}

fn meter(holder: &str) -> MeterId {
    MeterId(half(&format!("{holder}'s meter")))
}

fn genesis() -> Genesis {
    use Role::*;
    let members = [
        ("station", &[Owner, Validator][..]),
        ("alice", &[User]),
        ("bob", &[User]),
        ("gateway", &[MeterOperator]),
        ("issuer", &[Issuer]),
    ];
    let members = members.map(|(label, roles)| GenesisMember {
        member: MemberId(half(label)),
        account: account(label),
        roles: Roles::of(roles),
    });
    Genesis {
        kind: ChainKind::Development,
        time: at(1, 1, 0),
        validators: vec![key("validator").public_key()].try_into().unwrap(),
        members: members.to_vec().try_into().unwrap(),
    }
}

/// A chain without consensus: blocks are executed, given a header, and kept.
struct Chain {
    state: Memory,
    now: Timestamp,
    nonces: HashMap<String, u64>,
    blocks: Vec<FinalBlock>,
}

impl Chain {
    fn new() -> Self {
        let genesis = genesis();
        Self { now: genesis.time, state: Memory::new(genesis), nonces: HashMap::new(), blocks: Vec::new() }
    }

    fn sign(&mut self, actor: &str, action: Action) -> SignedTransaction {
        let nonce = self.nonces.entry(actor.into()).or_default();
        let (signer, chain) = (key(actor).public_key(), self.state.genesis().chain());
        let transaction = Transaction { chain, signer, nonce: *nonce, expires: 10_000, action };
        *nonce += 1;
        transaction.sign(&key(actor))
    }

    fn block(&mut self, transactions: Vec<SignedTransaction>) -> &FinalBlock {
        let chain = self.state.genesis().chain();
        let mut rng: rand::rngs::StdRng = rand::SeedableRng::seed_from_u64(1);
        let verified = verify_batch(chain, transactions.clone(), &mut rng, &Sequential);
        let verified = verified.into_iter().map(Result::unwrap).collect();
        let outcome = self.state.execute(self.now, verified);
        assert_eq!(outcome.inadmissible, vec![]);
        let log = Log { root: Digest::default(), start: 0, end: 0 };
        // One commit stands in the log for the genesis block, and one for each block since.
        let end = self.blocks.last().map_or(1, |block| block.header.certification.end);
        let certification = Log { end: end + outcome.certified.len() as u64 + 1, ..log };
        let header = Header {
            version: Header::VERSION,
            chain,
            height: self.state.height(),
            time: self.now,
            parent: self.blocks.last().map_or(Digest::default(), |block| block.header.digest()),
            proposer: [0; 32],
            round: Round::default(),
            transaction_count: transactions.len() as u32,
            receipt_count: outcome.receipts.len() as u32,
            transactions_root: Digest::default(),
            receipts_root: Digest::default(),
            state_root: Digest::default(),
            state_operations: log,
            certification,
            receipts: log,
            next_due: None,
        };
        let transactions = transactions
            .into_iter()
            .map(|signed| FinalTransaction { hash: signed.hash(), signed: signed.into() })
            .collect();
        let (receipts, certified) = (outcome.receipts, outcome.certified);
        self.blocks.push(FinalBlock { header, transactions, receipts, certified });
        self.blocks.last().unwrap()
    }

    /// All certified runs, with their places in the certification log.
    fn runs(&self) -> impl Iterator<Item = (u64, &CertifiedRun)> {
        self.blocks.iter().flat_map(|block| {
            let first = block.header.certification.end - 1 - block.certified.len() as u64;
            (first..).zip(&block.certified)
        })
    }

    fn act(&mut self, actor: &str, action: Action) -> Receipt {
        let signed = self.sign(actor, action);
        self.block(vec![signed]).receipts.last().unwrap().clone()
    }

    fn done(&mut self, actor: &str, action: Action) {
        let name = action.name();
        assert_eq!(self.act(actor, action).refusal(), None, "{name} by {actor}");
    }

    fn pass_to(&mut self, time: Timestamp) {
        self.now = time;
        self.block(vec![]);
    }

    fn readings(&self, holder: &str, readings: &[(Timestamp, u64)]) -> Action {
        let readings = readings.iter().map(|(time, kwh)| Reading { time: *time, register: Quantity(kwh * KWH) });
        let readings = Bounded::new(readings.collect()).unwrap();
        let run = MeterRun { meter: meter(holder), readings, signature: None };
        Action::RecordReadings { runs: vec![run].try_into().unwrap() }
    }

    fn content(&self, bidder: &str, kwh: u64) -> QuoteContent {
        let line = QuoteLine { quantity: Quantity(kwh * KWH), price: Money(600_000), user_meter: meter(bidder) };
        QuoteContent { salt: [3; 32], lines: vec![line].try_into().unwrap() }
    }

    fn quote(&self, bidder: &str, content: &QuoteContent, binding: bool) -> Action {
        let offer = OfferId(half("o"));
        let commitment = content.commitment(self.state.genesis().chain(), offer, account(bidder));
        Action::submit_quote(SealedQuote { offer, commitment, sealed: vec![1; sealed_bytes(1)], binding })
    }

    /// Everything that the ledger knows, a little of each.
    fn play(&mut self) {
        let reference = || Text::new("bank 1").unwrap();
        for label in ["station", "alice", "bob", "issuer"] {
            let amount = Money::units(100_000);
            self.done("issuer", Action::Issue { to: account(label), amount, reference: reference() });
        }
        self.done("issuer", Action::Redeem { amount: Money::units(7), reference: reference() });
        self.done("alice", Action::OpenAccount { account: account("other") });
        self.done("alice", Action::Transfer { to: account("other"), amount: Money(5), reference: reference() });
        let per_hour = Quantity(1_000_000 * KWH);
        self.done("station", Action::DeclareCapacity { owner: account("station"), carrier: ELECTRICITY, per_hour });
        for holder in ["alice", "bob"] {
            self.done(
                "gateway",
                Action::RegisterMeter(Meter {
                    id: meter(holder),
                    carrier: ELECTRICITY,
                    holder: account(holder),
                    authority: MeterAuthority::Gateway(account("gateway")),
                    register_modulus: Quantity(1_000_000 * KWH),
                    capacity_per_hour: Quantity(1_000 * KWH),
                    register: Quantity(0),
                    since: at(1, 1, 0),
                }),
            );
        }
        // A refused transaction, and one refused reading in a batch.
        assert!(self.act("bob", Action::Redeem { amount: Money(1), reference: reference() }).refusal().is_some());
        self.now = at(1, 1, 2);
        let readings = self.readings("bob", &[(at(1, 1, 1), 10), (at(1, 1, 1), 10), (at(1, 1, 2), 20)]);
        self.done("gateway", readings);

        // The trade: a replaced quote, a binding one, one that must be signed and is not.
        let lot = Lot {
            carrier: ELECTRICITY,
            quantity: Quantity(1_000 * KWH),
            asking_price: Price::micro_per_kwh(500_000),
            delivery_meter: None,
            user_metered: true,
        };
        let terms = OfferTerms {
            deposit_permille: 200,
            guarantee_permille: 500,
            tolerance_permille: 50,
            grace_ms: 3_600_000,
            substitute: Substitute::Nothing,
            signing_ms: 24 * 3_600_000,
        };
        self.done(
            "station",
            Action::publish_offer(Offer {
                id: OfferId(half("o")),
                lots: vec![lot].try_into().unwrap(),
                window: Window { from: at(1, 10, 0), to: at(1, 11, 0) },
                gate_closes: at(1, 5, 0),
                seal_key: [9; 32],
                terms,
                notice: Text::default(),
            }),
        );
        let (first, alice, bob) = (self.content("alice", 1), self.content("alice", 600), self.content("bob", 400));
        for (bidder, content, binding) in [("alice", &first, true), ("alice", &alice, true), ("bob", &bob, false)] {
            let quote = self.quote(bidder, content, binding);
            self.done(bidder, quote);
        }
        self.now = at(1, 5, 0);
        let award = |bidder: &str, opening: &QuoteContent| AwardedQuote {
            offer: OfferId(half("o")),
            bidder: account(bidder),
            agreement: agreement(bidder),
            opening: opening.clone(),
        };
        let awards = vec![award("alice", &alice), award("bob", &bob)].try_into().unwrap();
        self.done("station", Action::Award { awards });
        self.pass_to(at(1, 6, 1));
        self.now = at(1, 11, 0);
        let hours: Vec<_> = (0..=24).map(|hour| (at(1, 10, hour), 20 + hour * 20)).collect();
        let readings = self.readings("alice", &hours);
        self.done("gateway", readings);
        self.pass_to(at(1, 11, 2));

        // A subscription with a prepayment, an exchange of its meter, a month's statement, and an early end.
        let tariff = Tariff::Metered(MeteredTariff {
            price: Price::micro_per_kwh(800_000),
            steps: Bounded::empty(),
            time_of_use: TimeOfUse::none(),
            grace: Quantity(0),
        });
        let options = vec![TariffOption { carrier: ELECTRICITY, tariff }].try_into().unwrap();
        let package = Package { id: PackageId(half("p")), version: 1, offset_minutes: 0, options };
        self.done("station", Action::PublishPackage(package));
        let service = Service {
            carrier: ELECTRICITY,
            option: 0,
            meter: Some(meter("bob")),
            floor_area_m2: 0,
            low_balance: Quantity(KWH),
        };
        let services = vec![service.clone()].try_into().unwrap();
        let terms = SubscriptionTerms { package: PackageId(half("p")), version: 1, services };
        self.done("bob", Action::Subscribe { id: agreement("s"), terms: terms.clone() });
        let payment = Prepayment::Amount(Money::units(80));
        self.done("bob", Action::Prepay { subscription: agreement("s"), carrier: ELECTRICITY, payment });
        self.now = at(1, 20, 0);
        self.done(
            "gateway",
            Action::ExchangeMeter {
                meter: meter("bob"),
                last: Reading { time: at(1, 20, 0), register: Quantity(70 * KWH) },
                authority: MeterAuthority::Gateway(account("gateway")),
                register_modulus: Quantity(1_000 * KWH),
                register: Quantity(0),
            },
        );
        self.now = at(2, 1, 0);
        let readings = self.readings("bob", &[(at(1, 21, 0), 10), (at(2, 1, 0), 40)]);
        self.done("gateway", readings);
        self.pass_to(at(2, 1, 7));
        let services = vec![Service { low_balance: Quantity(2 * KWH), ..service }].try_into().unwrap();
        let program = Program::Subscription(SubscriptionTerms { services, ..terms });
        let amended = AgreementTerms { owner: account("station"), user: account("bob"), program: program.clone() };
        self.done("bob", Action::ProposeAmendment { agreement: agreement("s"), program });
        self.done("station", Action::SignAmendment { agreement: agreement("s"), terms: amended.digest() });
        self.done("bob", Action::Terminate { agreement: agreement("s") });
    }
}

struct Fixture {
    _dir: TempDir,
    index: Index,
    reader: Reader,
}

fn empty() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let index = Index::open(dir.path().join("index.sqlite"), &genesis()).unwrap();
    let reader = index.reader().unwrap();
    Fixture { _dir: dir, index, reader }
}

fn played() -> (Chain, Fixture) {
    let mut chain = Chain::new();
    chain.play();
    let mut fixture = empty();
    for block in &chain.blocks {
        assert_eq!(fixture.index.apply(block).unwrap(), Applied::Now);
        let money = fixture.reader.summary().unwrap().money;
        assert!(money.conserved, "block {}: {money:?}", block.header.height);
    }
    (chain, fixture)
}

fn all<T>(page: Page<T>) -> Vec<T> {
    assert_eq!(page.next, None);
    page.items
}

fn page() -> Paging {
    Paging::largest()
}

/// Every row of every table.
fn dump(fixture: &Fixture) -> Vec<(String, Vec<Vec<Value>>)> {
    let connection = rusqlite::Connection::open(fixture.index.path()).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut tables = connection.prepare(sql).unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let rows = |table: String| {
        let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
        let rows = rows.map(Result::unwrap).collect();
        (table, rows)
    };
    tables.into_iter().map(rows).collect()
}

#[test]
fn balances_and_nonces_are_the_ledgers_own() {
    let (chain, fixture) = played();
    for label in ACTORS {
        let ledger: AccountRecord = chain.state.read(&account(label)).unwrap();
        let row = fixture.reader.account(account(label)).unwrap().unwrap();
        assert_eq!((row.free, row.reserved, row.nonce), (ledger.free, ledger.reserved, ledger.nonce), "{label}");
    }
    let accounts = all(fixture.reader.accounts(page()).unwrap());
    assert_eq!(accounts.len(), ACTORS.len());
    let alice = &all(fixture.reader.members(page()).unwrap())[1];
    assert_eq!(alice.accounts, [account("alice"), account("other")]);
}

#[test]
fn the_movements_of_an_account_add_up_to_its_balance() {
    let (_, fixture) = played();
    for label in ACTORS {
        let row = fixture.reader.account(account(label)).unwrap().unwrap();
        let mut sum = 0i128;
        for movement in all(fixture.reader.movements_of_account(account(label), page()).unwrap()) {
            let amount = i128::from(movement.amount.0);
            sum += if movement.to == Some(account(label)) { amount } else { 0 };
            sum -= if movement.from == Some(account(label)) { amount } else { 0 };
        }
        assert_eq!(sum, i128::from(row.free.0) + i128::from(row.reserved.0), "{label}");
    }
}

#[test]
fn a_trade_can_be_traced_from_offer_to_payment() {
    let (_, fixture) = played();
    let trace = fixture.reader.trace(agreement("alice"), page()).unwrap().unwrap();
    let offer = trace.offer.unwrap();
    // Bob did not sign in time, so his part of the lot was given back.
    assert_eq!((offer.awarded, offer.quotes), (vec![Quantity(600 * KWH)], 2));
    let quotes = all(trace.quotes.unwrap());
    let statuses: Vec<_> = quotes.iter().map(|quote| (&*quote.status, quote.opening.is_some())).collect();
    assert_eq!(statuses, [("replaced", false), ("awarded", true), ("awarded", true)]);
    let steps: Vec<_> = trace.agreement.steps.iter().map(|step| &*step.step).collect();
    assert_eq!(steps, ["signed", "proposed", "signed", "active", "settled"]);
    let signers: Vec<_> = trace.signatures.iter().map(|row| (row.account, &*row.action)).collect();
    assert_eq!(signers, [(account("alice"), "submit_quotes"), (account("station"), "award")]);
    let readings = all(trace.readings);
    assert_eq!(readings.len(), 24);
    let attributed = |row: &CertificateRow| row.certificate.purchases[0].quantity.0;
    assert_eq!(readings.iter().map(attributed).sum::<u64>(), 480 * KWH);
    let statement = &all(trace.statements)[0].statement;
    assert_eq!(statement.paid, Money(480 * 600_000));
    let paid = all(trace.movements).into_iter().filter(|movement| movement.kind.starts_with("pay"));
    assert_eq!(paid.map(|movement| movement.amount).sum::<Money>(), statement.paid);

    let bob = fixture.reader.agreement(agreement("bob")).unwrap().unwrap();
    assert_eq!(bob.status, Status::Expired);
    let filter = AgreementFilter { account: Some(account("bob")), ..Default::default() };
    assert_eq!(all(fixture.reader.agreements(&filter, page()).unwrap()).len(), 2);
    let of = |owner: &str| OfferFilter { owner: Some(account(owner)), ..Default::default() };
    let offers = |filter| all(fixture.reader.offers(filter, page()).unwrap()).len();
    assert_eq!((offers(OfferFilter::default()), offers(of("station")), offers(of("alice"))), (1, 1, 0));
    let agreements = all(fixture.reader.agreements(&AgreementFilter::default(), page()).unwrap());
    for counted in fixture.reader.summary().unwrap().agreements {
        let alike = |row: &&AgreementRow| (&*row.kind, row.status.name()) == (&*counted.kind, &*counted.status);
        assert_eq!(agreements.iter().filter(alike).count() as u64, counted.count, "{counted:?}");
    }
}

#[test]
fn certificates_come_back_as_they_were_certified_with_their_height() {
    let (chain, fixture) = played();
    let reader = &fixture.reader;
    let mut count = 0;
    for (position, run) in chain.runs() {
        let height = chain.blocks.iter().find(|block| position < block.header.certification.end).unwrap().header.height;
        for certificate in run.certificates() {
            let row = reader.certificate(certificate.id).unwrap().unwrap();
            assert_eq!((row.certificate, row.height), (certificate, height));
            assert_eq!(reader.position_of_certificate(CertificateId(count)).unwrap(), Some(position));
            count += 1;
        }
    }
    assert_eq!(reader.certificate(CertificateId(count)).unwrap(), None);
    assert_eq!(reader.position_of_certificate(CertificateId(count)).unwrap(), None);
    assert_eq!(reader.summary().unwrap().certificates, count);
    let bob = fixture.reader.meter(meter("bob")).unwrap().unwrap();
    assert_eq!((bob.devices, bob.certificates, bob.register), (2, 5, Quantity(40 * KWH)));
    assert_eq!(bob.gaps.len(), 3);
    let window = (Some(at(1, 10, 3).0), Some(at(1, 10, 6).0));
    let rows = all(fixture.reader.certificates_of_meter(meter("alice"), window.0, window.1, page()).unwrap());
    assert_eq!(rows.len(), 3);
}

#[test]
fn a_subscription_shows_its_tranches_notices_and_statements() {
    let (chain, fixture) = played();
    let subscription = fixture.reader.subscription(agreement("s")).unwrap().unwrap();
    let tranche = &subscription.tranches[0];
    assert_eq!(tranche.paid, Money::units(80));
    assert_eq!(Money(tranche.charged.0 + tranche.refunded.0 + tranche.withheld.0), tranche.paid);
    assert_eq!(tranche.charged, Money(90 * 800_000));
    let filter = StatementFilter { agreement: Some(agreement("s")), ..Default::default() };
    let statements = all(fixture.reader.statements(filter, page()).unwrap());
    assert_eq!(statements.iter().map(|row| row.statement.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(fixture.reader.last_statement_on_tranche(agreement("s"), 2, ELECTRICITY, 1).unwrap(), Some(1));
    let terms = fixture.reader.terms_of_statement(agreement("s"), 1).unwrap().unwrap();
    let counted = fixture.reader.runs_of_statement(&terms, &statements[0].statement).unwrap();
    let charged =
        chain.runs().filter(|(position, _)| counted.contains(position)).flat_map(|(_, run)| run.certificates());
    let charged: Vec<_> = charged.map(|certificate| (certificate.id.0, certificate.subscription)).collect();
    assert_eq!(charged, [27, 28, 29].map(|id| (id, Some(agreement("s")))));
    // The second statement closes what was owed on the old terms.
    let low_balance = |terms: &AgreementTerms| match &terms.program {
        Program::Subscription(terms) => terms.services[0].low_balance,
        Program::Purchase(_) => panic!("a purchase"),
    };
    let in_force = |number| fixture.reader.terms_of_statement(agreement("s"), number).unwrap().unwrap();
    let low_balances = [1, 2, 3].map(|number| low_balance(&in_force(number)));
    assert_eq!(low_balances, [Quantity(KWH), Quantity(KWH), Quantity(2 * KWH)]);
    assert_eq!(subscription.agreement.terms, in_force(3));
    assert_eq!(subscription.agreement.statements, 3);
    assert_eq!(subscription.agreement.status, Status::Terminated);
}

#[test]
fn refusals_of_transactions_and_of_readings_are_kept_apart() {
    let (_, fixture) = played();
    let refusals = all(fixture.reader.refusals(page()).unwrap());
    let codes: Vec<_> = refusals.iter().map(|row| (&*row.code, row.reading.is_some())).collect();
    assert_eq!(codes, [("member/missing-role", false), ("reading/replayed", true)]);
    let counts = fixture.reader.refusal_counts().unwrap();
    let replayed = counts.iter().find(|count| count.code == "reading/replayed").unwrap();
    assert_eq!((replayed.transactions, replayed.readings), (0, 1));
}

#[test]
fn an_index_built_again_has_the_same_rows() {
    let (chain, mut fixture) = played();
    let before = dump(&fixture);
    assert!(before.iter().filter(|(_, rows)| !rows.is_empty()).count() > 15);
    fixture.index.reset().unwrap();
    assert_ne!(dump(&fixture), before);
    for block in &chain.blocks {
        fixture.index.apply(block).unwrap();
    }
    assert_eq!(dump(&fixture), before);
}

#[test]
fn refuses_a_gap_and_another_chains_block_and_knows_what_it_has() {
    let (chain, mut fixture) = played();
    let height = chain.blocks.len() as u64;
    let before = dump(&fixture);
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
    assert_eq!(dump(&fixture), before);

    let path = fixture.index.path().to_path_buf();
    let mut genesis = genesis();
    genesis.time.0 += 1;
    assert!(matches!(Index::open(&path, &genesis), Err(OpenError::OtherChain { .. })));
}

#[test]
fn a_block_that_contradicts_the_ones_before_stops_the_index_and_leaves_it_as_it_was() {
    let mut chain = Chain::new();
    chain.play();
    let mut fixture = empty();
    // The second block issues money to an account; a copy of it that pays from an empty one cannot be.
    fixture.index.apply(&chain.blocks[0]).unwrap();
    let before = dump(&fixture);
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
    for block in [poor, twice, unanswered] {
        assert!(matches!(fixture.index.apply(&block), Err(ApplyError::Diverged { height: 2, .. })));
        assert_eq!(dump(&fixture), before);
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
fn an_index_goes_on_where_it_was_left() {
    let mut chain = Chain::new();
    chain.play();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index.sqlite");
    for block in &chain.blocks {
        let mut index = Index::open(&path, &genesis()).unwrap();
        assert_eq!(index.height() + 1, block.header.height);
        index.apply(block).unwrap();
    }
    let whole = played().1;
    let parts = Index::open(&path, &genesis()).unwrap();
    let reader = parts.reader().unwrap();
    assert_eq!(dump(&Fixture { _dir: dir, index: parts, reader }), dump(&whole));
}

/// A list is the same whatever the size of its pages.
fn same_in_pages<T: PartialEq + std::fmt::Debug>(list: impl Fn(Paging) -> Page<T>) {
    let whole = all(list(page()));
    assert!(whole.len() > 2);
    for limit in 1..5 {
        let mut cursor: Option<String> = None;
        let mut seen = Vec::new();
        loop {
            let page = list(Paging::new(cursor.as_deref(), Some(limit)).unwrap());
            assert!(page.items.len() <= limit as usize);
            seen.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(seen, whole);
    }
}

#[test]
fn pages_neither_repeat_nor_skip() {
    let (_, Fixture { reader, .. }) = played();
    same_in_pages(|paging| reader.movements_of_account(account("alice"), paging).unwrap());
    same_in_pages(|paging| reader.movements_of_agreement(agreement("alice"), paging).unwrap());
    same_in_pages(|paging| reader.quotes(OfferId(half("o")), paging).unwrap());
    same_in_pages(|paging| reader.certificates_of_agreement(agreement("alice"), None, paging).unwrap());
    same_in_pages(|paging| reader.certificates_of_meter(meter("alice"), None, None, paging).unwrap());
    for hours in [(5, 9), (5, 24), (0, 7)] {
        let window = Window { from: at(1, 10, hours.0), to: at(1, 10, hours.1) };
        let begins_inside = |row: &&CertificateRow| (window.from..window.to).contains(&row.certificate.interval.from);
        let of = |window, paging| reader.certificates_of_agreement(agreement("alice"), window, paging).unwrap();
        let inside: Vec<_> = all(of(None, page())).into_iter().filter(|row| begins_inside(&row)).collect();
        assert_eq!(all(of(Some(window), page())), inside);
        same_in_pages(|paging| of(Some(window), paging));
        let (from, to) = (Some(window.from.0), Some(window.to.0));
        same_in_pages(|paging| reader.certificates_of_meter(meter("alice"), from, to, paging).unwrap());
    }
    assert!(Paging::new(None, Some(0)).is_err());
    assert!(Paging::new(None, Some(1_001)).is_err());
    assert!(Paging::new(Some("x"), None).is_err());
}

/// Not a limit but a guard against an accidental quadratic: a demonstration year has 600,000 certificates.
#[test]
fn a_batch_of_certificates_is_folded_quickly_and_found_by_its_meter() {
    let mut chain = Chain::new();
    let mut fixture = empty();
    chain.done(
        "gateway",
        Action::RegisterMeter(Meter {
            id: meter("alice"),
            carrier: ELECTRICITY,
            holder: account("alice"),
            authority: MeterAuthority::Gateway(account("gateway")),
            register_modulus: Quantity(u64::MAX),
            capacity_per_hour: Quantity(u64::MAX),
            register: Quantity(0),
            since: at(1, 1, 0),
        }),
    );
    fixture.index.apply(&chain.blocks[0]).unwrap();
    const READINGS: usize = 24;
    let reading = |id| CertifiedReading {
        reading: Reading { time: at(1, 1, id + 1), register: Quantity(id) },
        quantity: Quantity(1),
        purchases: Bounded::empty(),
    };
    let batches = 50;
    let began = std::time::Instant::now();
    for batch in 0..batches {
        let ids: Vec<u64> = (batch * 2_000..(batch + 1) * 2_000).collect();
        let runs = ids.chunks(READINGS).map(|ids| CertifiedRun {
            first: CertificateId(ids[0]),
            meter: meter("alice"),
            from: at(1, 1, ids[0]),
            subscription: None,
            readings: Bounded::new(ids.iter().map(|id| reading(*id)).collect()).unwrap(),
        });
        let runs: Vec<_> = runs.collect();
        let certified =
            Event::Certified { first: CertificateId(batch * 2_000), count: 2_000, refused: Bounded::empty() };
        let signed = chain.sign("gateway", Action::RecordReadings { runs: Bounded::empty() });
        let mut block = chain.blocks.last().unwrap().clone();
        block.header.parent = block.header.digest();
        block.header.height += 1;
        block.header.transaction_count = 1;
        block.receipts = vec![Receipt {
            cause: receipt::Cause::Transaction(signed.hash()),
            verdict: receipt::Verdict::Applied(vec![certified].try_into().unwrap()),
        }];
        block.transactions = vec![FinalTransaction { hash: signed.hash(), signed: signed.into() }];
        block.header.certification.end += runs.len() as u64 + 1;
        block.certified = runs;
        fixture.index.apply(&block).unwrap();
        chain.blocks.push(block);
    }
    let each = began.elapsed() / (batches as u32 * 2_000);
    println!("{each:?} a certificate");
    assert_eq!(fixture.reader.meter(meter("alice")).unwrap().unwrap().certificates, batches * 2_000);
    let from = at(1, 1, 70_000).0;
    let rows = fixture.reader.certificates_of_meter(meter("alice"), Some(from), None, Paging::default()).unwrap();
    assert_eq!(rows.items[0].certificate.id, CertificateId(70_000));
    assert_eq!(rows.items[0].height, 2 + 35);
}
