//! Blocks that the ledger executed, without a chain under them, and an index over them.
#![allow(dead_code)] // every test file uses a part of it

use commonware_parallel::Sequential;
use rusqlite::types::Value;
use std::collections::HashMap;
use tempfile::TempDir;
use utilidor_index::{Applied, Index, Paging, Questions, Reader};
use utilidor_ledger::memory::Memory;
use utilidor_types::action::{AwardBasis, AwardedQuote, NewAccount, Prepayment};
use utilidor_types::agreement::*;
use utilidor_types::block::{FinalBlock, FinalTransaction, Header, Log, Round};
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::hash::tagged_hash;
use utilidor_types::meter::{CertifiedRun, MeterAuthority, MeterRun};
use utilidor_types::offer::{AwardRule, Seal};
use utilidor_types::package::*;
use utilidor_types::quote::{QuoteLine, sealed_bytes};
use utilidor_types::time::{Date, HOUR_MS};
use utilidor_types::transaction::verify_batch;
use utilidor_types::*;
use utilidor_view::{Page, PageQuery, Viewer};

pub const KWH: u64 = 3_600_000;
pub const ELECTRICITY: Carrier = Carrier::Electricity;
pub const ACTORS: [&str; 6] = ["station", "alice", "bob", "gateway", "issuer", "other"];

pub fn at(month: u8, day: u8, hour: u64) -> Timestamp {
    Timestamp(Date { year: 2025, month, day }.midnight(0).unwrap().0 + hour * HOUR_MS)
}

pub fn key(label: &str) -> PrivateKey {
    PrivateKey::ed25519(tagged_hash("test key", &[label.as_bytes()]).0)
}

pub fn account(label: &str) -> AccountId {
    AccountId::of(&key(label).public_key())
}

/// What somebody calls something.
pub fn label(text: &str) -> Label {
    Label::of_text(text)
}

/// The agreement that the station calls after its bidder.
pub fn awarded(bidder: &str) -> AgreementId {
    AgreementId::of(account("station"), label(bidder))
}

/// Bob's subscription.
pub fn subscription() -> AgreementId {
    AgreementId::of(account("bob"), label("s"))
}

pub fn offer_id(text: &str) -> OfferId {
    OfferId::of(account("station"), label(text))
}

pub fn meter(holder: &str) -> MeterId {
    MeterId::of(account("gateway"), label(holder))
}

pub fn meter_document(holder: &str) -> Meter {
    Meter {
        label: label(holder),
        carrier: ELECTRICITY,
        holder: account(holder),
        authority: MeterAuthority::Gateway(account("gateway")),
        register_modulus: Quantity(1_000_000 * KWH),
        capacity_per_hour: Quantity(1_000 * KWH),
        register: Quantity(0),
        since: at(1, 1, 0),
    }
}

pub fn genesis() -> Genesis {
    use Role::*;
    let members = [
        ("station", &[Owner, Validator][..]),
        ("alice", &[User]),
        ("bob", &[User]),
        ("gateway", &[MeterOperator]),
        ("issuer", &[Issuer]),
    ];
    let members = members.map(|(label, roles)| GenesisMember { account: account(label), roles: Roles::of(roles) });
    let members = members.to_vec().try_into().unwrap();
    Genesis::alone(ChainKind::Development, at(1, 1, 0), key("validator").public_key(), members, Limits::DEFAULT)
}

/// An offer of electricity for 10 January: 1,000 kWh at 0.50, user-metered.
pub fn offer(text: &str) -> Offer {
    Offer {
        label: label(text),
        lots: vec![Lot {
            carrier: ELECTRICITY,
            quantity: Quantity(1_000 * KWH),
            asking_price: Price::micro_per_kwh(500_000),
            delivery_meter: None,
            user_metered: true,
        }]
        .try_into()
        .unwrap(),
        window: Window { from: at(1, 10, 0), to: at(1, 11, 0) },
        gate_closes: at(1, 5, 0),
        lapses: at(1, 10, 0),
        seal: Seal::Owner([9; 32]),
        terms: OfferTerms {
            deposit_permille: 200,
            guarantee_permille: 500,
            tolerance_permille: 50,
            grace_ms: 3_600_000,
            substitute: Substitute::Nothing,
            signing_ms: 24 * 3_600_000,
            bond: Money::units(10),
            award_rule: AwardRule::Free,
        },
        notice: Text::default(),
    }
}

/// A chain without consensus: blocks are executed, given a header, and kept.
pub struct Chain {
    pub state: Memory,
    pub now: Timestamp,
    nonces: HashMap<String, u64>,
    pub blocks: Vec<FinalBlock>,
}

impl Chain {
    pub fn new() -> Self {
        Self::on(genesis())
    }

    pub fn on(genesis: Genesis) -> Self {
        Self { now: genesis.time, state: Memory::new(genesis), nonces: HashMap::new(), blocks: Vec::new() }
    }

    pub fn sign(&mut self, actor: &str, action: Action) -> SignedTransaction {
        let nonce = self.nonces.entry(actor.into()).or_default();
        let (signer, chain) = (key(actor).public_key(), self.state.genesis().chain());
        let transaction = Transaction { chain, signer, nonce: *nonce, expires: 10_000, action };
        *nonce += 1;
        transaction.sign(&key(actor))
    }

    pub fn block(&mut self, transactions: Vec<SignedTransaction>) -> &FinalBlock {
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
            validators: genesis().roster().id(),
            next_validators: genesis().roster().id(),
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
    pub fn runs(&self) -> impl Iterator<Item = (u64, &CertifiedRun)> {
        self.blocks.iter().flat_map(|block| {
            let first = block.header.certification.end - 1 - block.certified.len() as u64;
            (first..).zip(block.certified.iter().map(|entry| entry.run()))
        })
    }

    pub fn act(&mut self, actor: &str, action: Action) -> Receipt {
        let signed = self.sign(actor, action);
        self.block(vec![signed]).receipts.last().unwrap().clone()
    }

    pub fn done(&mut self, actor: &str, action: Action) {
        let name = action.name();
        assert_eq!(self.act(actor, action).refusal(), None, "{name} by {actor}");
    }

    pub fn pass_to(&mut self, time: Timestamp) {
        self.now = time;
        self.block(vec![]);
    }

    pub fn readings(&self, holder: &str, readings: &[(Timestamp, u64)]) -> Action {
        let readings = readings.iter().map(|(time, kwh)| Reading { time: *time, register: Quantity(kwh * KWH) });
        let readings = Bounded::new(readings.collect()).unwrap();
        let run = MeterRun { meter: meter(holder), readings, signature: None };
        Action::RecordReadings { runs: vec![run].try_into().unwrap() }
    }

    pub fn opening(&self, bidder: &str, quantity: Quantity, micro_per_kwh: u64) -> Opening {
        let line = QuoteLine { quantity, price: Money(micro_per_kwh), user_meter: meter(bidder) };
        Opening { salt: [3; 32], lines: vec![line].try_into().unwrap() }
    }

    pub fn quote(&self, offer: &str, bidder: &str, opening: &Opening, binding: bool) -> Action {
        let offer = offer_id(offer);
        let commitment = opening.commitment(self.state.genesis().chain(), offer, account(bidder));
        let published = self.state.read::<utilidor_ledger::record::OfferRecord>(&offer);
        let offered = published.map(|record| record.offer.digest()).unwrap_or_default();
        Action::submit_quote(SealedQuote { offer, offered, commitment, sealed: vec![1; sealed_bytes(1)], binding })
    }

    pub fn award(&self, offer: &str, bidder: &str, opening: &Opening) -> AwardedQuote {
        let (offer, bidder, label) = (offer_id(offer), account(bidder), label(bidder));
        AwardedQuote { offer, bidder, label, opening: opening.clone(), basis: AwardBasis::Choice }
    }

    /// Members with money, meters and capacity.
    pub fn settle_in(&mut self) {
        let reference = || Text::new("bank 1").unwrap();
        for label in ["station", "alice", "bob", "issuer"] {
            let amount = Money::units(100_000);
            self.done("issuer", Action::Issue { to: account(label), amount, reference: reference() });
        }
        self.done("issuer", Action::Redeem { amount: Money::units(7), reference: reference() });
        let other = NewAccount::sign(self.state.genesis().chain(), MemberId::of(account("alice")), &key("other"));
        self.done("alice", Action::OpenAccount { account: other });
        self.done("alice", Action::Transfer { to: account("other"), amount: Money(5), reference: reference() });
        let per_hour = Quantity(1_000_000 * KWH);
        self.done(
            "station",
            Action::decide(Decision::DeclareCapacity { owner: account("station"), carrier: ELECTRICITY, per_hour }),
        );
        for holder in ["alice", "bob"] {
            self.done("gateway", Action::RegisterMeter(meter_document(holder)));
        }
    }

    /// Everything that the ledger knows, a little of each.
    pub fn play(&mut self) {
        self.settle_in();
        // A refused transaction, and one refused reading in a batch.
        let redeem = Action::Redeem { amount: Money(1), reference: Text::default() };
        assert!(self.act("bob", redeem).refusal().is_some());
        self.now = at(1, 1, 2);
        let readings = self.readings("bob", &[(at(1, 1, 1), 10), (at(1, 1, 1), 10), (at(1, 1, 2), 20)]);
        self.done("gateway", readings);
        self.play_trade();
        self.play_subscription();
    }

    /// A replaced quote, a binding one, one that must be signed and is not, and an award that cannot be concluded.
    fn play_trade(&mut self) {
        self.done("station", Action::publish_offer(offer("o")));
        let first = self.opening("alice", Quantity(KWH), 600_000);
        let alice = self.opening("alice", Quantity(600 * KWH), 600_000);
        let bob = self.opening("bob", Quantity(400 * KWH), 600_000);
        for (bidder, opening, binding) in [("alice", &first, true), ("alice", &alice, true), ("bob", &bob, false)] {
            let quote = self.quote("o", bidder, opening, binding);
            self.done(bidder, quote);
        }
        self.now = at(1, 5, 0);
        let wrong = AwardedQuote { label: label("wrong"), ..self.award("o", "bob", &first) };
        let awards = vec![self.award("o", "alice", &alice), self.award("o", "bob", &bob), wrong];
        self.done("station", Action::Award { awards: awards.try_into().unwrap() });
        self.pass_to(at(1, 6, 1));
        self.now = at(1, 11, 0);
        let hours: Vec<_> = (0..=24).map(|hour| (at(1, 10, hour), 20 + hour * 20)).collect();
        let readings = self.readings("alice", &hours);
        self.done("gateway", readings);
        self.pass_to(at(1, 11, 2));
    }

    /// A prepayment, an exchange of the meter, a month's statement, a correction, an amendment and an early end.
    fn play_subscription(&mut self) {
        self.done("station", Action::PublishPackage(package(1)));
        let label = label("s");
        self.done("bob", Action::Subscribe { label, terms: terms(Quantity(KWH)) });
        let payment = Prepayment::Amount(Money::units(80));
        self.done("bob", Action::Prepay { subscription: subscription(), carrier: ELECTRICITY, payment });
        self.now = at(1, 20, 0);
        let exchange = Action::ExchangeMeter {
            meter: meter("bob"),
            last: Reading { time: at(1, 20, 0), register: Quantity(70 * KWH) },
            authority: MeterAuthority::Gateway(account("gateway")),
            register_modulus: Quantity(1_000 * KWH),
            register: Quantity(0),
        };
        self.done("gateway", exchange);
        self.now = at(2, 1, 0);
        let readings = self.readings("bob", &[(at(1, 21, 0), 10), (at(2, 1, 0), 40)]);
        self.done("gateway", readings);
        self.pass_to(at(2, 1, 7));
        let correction = Action::CorrectReadings {
            meter: meter("bob"),
            interval: Window { from: at(1, 21, 0), to: at(2, 1, 0) },
            certified: Quantity(30 * KWH),
            right: Quantity(20 * KWH),
            reason: Text::new("read from the neighbour's register").unwrap(),
        };
        self.done("gateway", correction);
        let program = Program::Subscription(terms(Quantity(2 * KWH)));
        let amended = AgreementTerms::between(account("station"), account("bob"), program.clone());
        let from = self.now;
        self.done("bob", Action::ProposeAmendment { agreement: subscription(), program, from });
        let signed = amended.amendment_digest(from);
        self.done("station", Action::SignAmendment { agreement: subscription(), terms: signed });
        self.done("bob", Action::Terminate { agreement: subscription() });
        self.pass_to(at(2, 1, 14));
        self.done("station", Action::ClosePackage { package: package(1).id(account("station")), version: 1 });
    }
}

/// Electricity at 0.80.
pub fn package(version: u32) -> Package {
    let tariff = Tariff::Metered(MeteredTariff {
        price: Price::micro_per_kwh(800_000),
        steps: Bounded::empty(),
        time_of_use: TimeOfUse::none(),
        grace: Quantity(0),
        levy: Money::ZERO,
    });
    let options = vec![TariffOption { carrier: ELECTRICITY, tariff, vat_permille: 0 }].try_into().unwrap();
    let terms = PackageTerms { offset_minutes: 0, notice_days: 14, charges: Bounded::empty() };
    Package { label: label("p"), version, terms, options }
}

/// Bob's choice.
pub fn terms(low_balance: Quantity) -> SubscriptionTerms {
    let service = Service {
        carrier: ELECTRICITY,
        option: 0,
        meter: Some(meter("bob")),
        floor_area: utilidor_types::Area(0),
        low_balance,
    };
    SubscriptionTerms {
        package: package(1).id(account("station")),
        version: 1,
        services: vec![service].try_into().unwrap(),
        allowance: Money::units(1_000),
    }
}

/// An index with its reader.
pub struct Fixture {
    pub dir: TempDir,
    pub index: Index,
    pub reader: Reader,
}

impl Fixture {
    pub fn empty() -> Self {
        Self::on(&genesis())
    }

    pub fn on(genesis: &Genesis) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let index = Index::open(dir.path().join("index.sqlite"), genesis).unwrap();
        let reader = index.reader().unwrap();
        Self { dir, index, reader }
    }

    /// The index of a chain; money is conserved after each of its blocks.
    pub fn of(chain: &Chain) -> Self {
        let mut fixture = Self::on(chain.state.genesis());
        for block in &chain.blocks {
            assert_eq!(fixture.index.apply(block).unwrap(), Applied::Now);
            let money = fixture.ask().summary().unwrap().money;
            assert!(money.conserved, "block {}: {money:?}", block.header.height);
        }
        fixture
    }

    pub fn ask(&self) -> Questions<'_> {
        self.reader.questions(Viewer::Operator).unwrap()
    }

    /// Every row of every table.
    pub fn dump(&self) -> Vec<(String, Vec<Vec<Value>>)> {
        let connection = rusqlite::Connection::open(self.index.path()).unwrap();
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
}

pub fn played() -> (Chain, Fixture) {
    let mut chain = Chain::new();
    chain.play();
    let fixture = Fixture::of(&chain);
    (chain, fixture)
}

pub fn all<T>(page: Page<T>) -> Vec<T> {
    assert_eq!(page.next, None);
    page.items
}

pub fn whole() -> Paging {
    let query = PageQuery { limit: Some(utilidor_view::limits::MAX_PAGE_ITEMS), ..PageQuery::default() };
    Paging::of(&query).unwrap()
}

pub fn paging(cursor: Option<&str>, limit: u32) -> Paging {
    Paging::of(&PageQuery { cursor: cursor.map(Into::into), limit: Some(limit), order: None, format: None }).unwrap()
}
