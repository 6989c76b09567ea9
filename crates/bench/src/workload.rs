//! The side-by-side workload: the same seeded trades that the peer plays, signed with our keys.
//!
//! The numbers (sellers, buyers, volumes, prices, winners, shortfalls) come from the peer's own seeded sequence, so
//! that both systems play the same trades; [`Totals`] proves it. What differs is named here: every trade has a meter
//! of its own on the seller's side, because our meters' times strictly rise; a device is an account, so that the
//! signature of a single reading's transaction is the device's.

use crate::keccak::Sequence;
use crate::spool::Spool;
use commonware_parallel::{Rayon, Strategy as _};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use utilidor_sdk::core::seal::{SealKey, seal_quote};
use utilidor_types::action::{AwardBasis, AwardedQuote, NewAccount, Prepayment};
use utilidor_types::agreement::{
    CodedTerms, Fallback, HardEnd, Party, ProgramCode, Service, SubscriptionTerms, Substitute,
};
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::hash::tagged_hash;
use utilidor_types::key::PrivateKey;
use utilidor_types::meter::{
    MAX_CAPACITY_PER_HOUR, MeterAuthority, MeterRun, MeterSignature, READING_NAMESPACE, run_message,
};
use utilidor_types::offer::AwardRule;
use utilidor_types::package::{
    FloorAreaTariff, MeteredTariff, PackageTerms, Period, PeriodDiscounts, Season, Step, TariffOption, TimeOfUse,
};
use utilidor_types::program::{Fuel, Grant, Publication};
use utilidor_types::quote::{QuoteLine, SALT_BYTES};
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;

/// 2026-01-01T00:00:00Z, where the workload begins.
pub const START: Timestamp = Timestamp(1_767_225_600_000);
const GATE: Timestamp = Timestamp(START.0 + HOUR_MS);
const WINDOW: Window = Window { from: Timestamp(START.0 + 2 * HOUR_MS), to: Timestamp(START.0 + 3 * HOUR_MS) };
const GRACE_MS: u32 = 900_000;
/// Quotes on each offer.
pub const QUOTES: usize = 3;
/// Readings of each trade.
pub const READINGS: usize = 4;
/// Offers, quotes or awards of one account under one signature, where nothing else is asked for.
pub const TOGETHER: usize = action::MAX_TOGETHER;
/// Readings in a batch.
pub const BATCH: usize = 200;
/// Gateways that read the meters of packages.
const PACKAGE_GATEWAYS: usize = 4;
/// Payments that are ready to be made beside settlements, and the accounts that make them.
const PAYMENTS_BESIDE: usize = 20_000;
const PAYERS: usize = 100;
const DEPOSIT_PERMILLE: u16 = 200;
const SEAL_SECRET: [u8; 32] = [7; 32];
const CREDIT: Money = Money(1_000_000_000_000);
/// Far enough ahead for all blocks of a run.
const EXPIRES: u64 = utilidor_types::transaction::MAX_EXPIRY_BLOCKS;
const CARRIERS: [Carrier; 4] = [Carrier::Electricity, Carrier::Cooling, Carrier::Heating, Carrier::HotWater];

/// A stretch of transactions that is measured together.
#[derive(Debug)]
pub struct Phase {
    /// What its transactions do.
    pub name: &'static str,
    /// Whether it counts.
    pub timed: bool,
    /// Chain time to set before it; waiting for the clock is not part of a measurement.
    pub at: Timestamp,
    /// How many steps it carries: offers, quotes, readings, and so on.
    pub steps: u64,
    /// Its transactions, signed. None: the ledger acts by itself when time is set.
    pub transactions: Spool,
}

/// A suite, ready to be played.
#[derive(Debug)]
pub struct Workload {
    /// The chain that it is signed for.
    pub genesis: Genesis,
    /// The keys of its validators. The first one's is the operator's, who moves the time.
    pub validators: Vec<[u8; 32]>,
    /// Its phases in order.
    pub phases: Vec<Phase>,
    /// Payments to be made while the ledger works off what is due, to see how long they take.
    pub beside: Spool,
    /// How many units its timed phases come to.
    pub units: u64,
    /// What settlements must come to, if the suite settles.
    pub totals: Option<Totals>,
}

/// What all settlements together come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Paid by buyers, half to even by trade: what our ledger must give.
    pub paid: u64,
    /// Forfeited by sellers, half to even by trade.
    pub forfeited: u64,
    /// Paid by buyers, rounded down by trade: what the peer's definition names.
    pub paid_floor: u64,
    /// Forfeited by sellers, rounded down by trade.
    pub forfeited_floor: u64,
}

/// All accounts belong to one member, which may have as much as a run needs.
const LIMITS: Limits = Limits {
    accounts: u32::MAX,
    offers: u32::MAX,
    quotes: u32::MAX,
    proposals: u32::MAX,
    meters: u32::MAX,
    packages: u32::MAX,
    subscriptions: u32::MAX,
    programs: u32::MAX,
    daily_fuel: Fuel(u64::MAX),
    pooled: u32::MAX,
    motions: u32::MAX,
    written_agreements: u32::MAX,
};

/// An account of the workload with its next nonce.
struct Actor {
    key: PrivateKey,
    account: AccountId,
    nonce: u64,
}

impl Actor {
    fn new(seed: &str, label: &str) -> Self {
        let key = PrivateKey::ed25519(tagged_hash("utilidor/bench key", &[seed.as_bytes(), b"/", label.as_bytes()]).0);
        Self { account: AccountId::of(&key.public_key()), key, nonce: 0 }
    }
}

struct Quote {
    buyer: usize,
    price: u64,
    opening: Opening,
}

struct Trade {
    number: usize,
    seller: usize,
    carrier: Carrier,
    volume: u64,
    ask: u64,
    quotes: Vec<Quote>,
    win: usize,
    readings: [u64; READINGS],
}

impl Trade {
    /// What its offer, its agreement and its meter are called.
    fn label(&self) -> Label {
        Label::of_text(&format!("trade {}", self.number))
    }
    fn price(&self, micro: u64) -> Price {
        match self.carrier {
            Carrier::HotWater => Price::micro_per_m3(micro),
            _ => Price::micro_per_kwh(micro),
        }
    }
}

/// Thousandths of a kWh or m3 in the carrier's base unit.
fn base(carrier: Carrier, thousandths: u64) -> Quantity {
    match carrier {
        Carrier::HotWater => Quantity(thousandths * 1_000),
        _ => Quantity(thousandths * 3_600),
    }
}

/// The suites of the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Payments.
    Transfer,
    /// The whole trade, every step its own transaction.
    CyclePlain,
    /// The whole trade, the cheapest way.
    CycleLean,
    /// One certified reading a transaction.
    ReadingSingle,
    /// Batches of readings under one gateway's signature.
    ReadingGateway,
    /// Batches of readings with their meters' own signatures.
    ReadingSigned,
    /// Agreements that fall due together.
    Settlement,
    /// Subscriptions, prepayments, metered consumption; the consumption counts.
    Package,
    /// Signatures of payments, and nothing else: what the machine can do at most.
    Verify,
}

impl Suite {
    /// All suites.
    pub const ALL: [Suite; 9] = [
        Self::Transfer,
        Self::CyclePlain,
        Self::CycleLean,
        Self::ReadingSingle,
        Self::ReadingGateway,
        Self::ReadingSigned,
        Self::Settlement,
        Self::Package,
        Self::Verify,
    ];

    /// Its name in commands and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::CyclePlain => "cycle-plain",
            Self::CycleLean => "cycle-lean",
            Self::ReadingSingle => "reading-single",
            Self::ReadingGateway => "reading-gateway",
            Self::ReadingSigned => "reading-signed",
            Self::Settlement => "settlement",
            Self::Package => "package",
            Self::Verify => "verify",
        }
    }

    /// What one unit is.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Transfer => "payment",
            Self::CyclePlain | Self::CycleLean => "trade",
            Self::ReadingSingle | Self::ReadingGateway | Self::ReadingSigned | Self::Package => "reading",
            Self::Settlement => "agreement",
            Self::Verify => "signature",
        }
    }

    /// Units (trades for trade suites, users for packages) at scale 1.
    pub const fn size(self) -> usize {
        match self {
            Self::Transfer | Self::Verify => 40_000,
            Self::CyclePlain | Self::Package => 3_000,
            Self::CycleLean => 6_000,
            _ => 8_000,
        }
    }
}

impl std::str::FromStr for Suite {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|suite| suite.name() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|suite| suite.name()).collect();
            format!("no suite is called {text:?}; suites are {}", names.join(", "))
        })
    }
}

/// Makes a suite's workload: `scale` multiplies its size, `seed` decides all numbers and keys. Offers, quotes and awards of one
/// account stand `together` under one signature, save in the plain cycle.
pub fn workload(suite: Suite, scale: f64, seed: &str, together: usize) -> Workload {
    workload_for(suite, scale, seed, together, &[])
}

/// The same for a chain whose validators are reached at `places`; without any there is one, which nobody has to reach.
pub fn workload_for(suite: Suite, scale: f64, seed: &str, together: usize, places: &[NodeAddress]) -> Workload {
    let size = ((suite.size() as f64 * scale).round() as usize).max(8);
    let maker = Maker::new(seed, places);
    let lean = Way { gateways: true, binding: true, signed: false, together, timed: ALL_STEPS };
    let way = match suite {
        Suite::Transfer | Suite::Verify => return maker.transfers(size),
        Suite::Package => return maker.packages(size),
        Suite::CyclePlain => Way { gateways: false, binding: false, together: 1, ..lean },
        Suite::CycleLean => lean,
        Suite::ReadingSingle => Way { gateways: false, timed: &["reading"], ..lean },
        Suite::ReadingGateway => Way { timed: &["reading"], ..lean },
        Suite::ReadingSigned => Way { signed: true, timed: &["reading"], ..lean },
        Suite::Settlement => Way { timed: &["settlement"], ..lean },
    };
    maker.trades(size, way)
}

/// So many agreements on a program of the parties' own that fall due in the same second, as those of [`Suite::Settlement`] do.
/// Each must pay `amount` then.
pub fn contracts(count: usize, seed: &str, publication: Publication, due: Timestamp, amount: Money) -> Workload {
    Maker::new(seed, &[]).contracts(count, publication, due, amount)
}

const ALL_STEPS: &[&str] = &["offer", "quote", "award", "sign", "reading", "settlement"];

/// How a trade suite goes.
struct Way {
    /// Readings in batches instead of one by one.
    gateways: bool,
    /// Quotes are binding: an award concludes.
    binding: bool,
    /// Each reading carries its meter's own signature.
    signed: bool,
    /// Most offers, quotes or awards under one signature.
    together: usize,
    /// The steps that count.
    timed: &'static [&'static str],
}

struct Maker {
    seed: String,
    sequence: Sequence,
    genesis: Genesis,
    chain: ChainId,
    operator: Actor,
    /// The other members of the council.
    council: Vec<Actor>,
    validators: Vec<[u8; 32]>,
    phases: Vec<Phase>,
    beside: Spool,
}

impl Maker {
    fn new(seed: &str, places: &[NodeAddress]) -> Self {
        use Role::*;
        let operator = Actor::new(seed, "operator");
        let roles = Roles::of(&[Owner, User, MeterOperator, Issuer, Validator]);
        let secret = |label: &str| tagged_hash("utilidor/bench key", &[seed.as_bytes(), b"/", label.as_bytes()]).0;
        let mut members = vec![GenesisMember { account: operator.account, roles }];
        let mut validators = vec![secret("validator")];
        let mut council = Vec::new();
        for number in 1..places.len() {
            let label = format!("validator/{number}");
            let member = Actor::new(seed, &label);
            members.push(GenesisMember { account: member.account, roles: Roles::of(&[Validator]) });
            council.push(member);
            validators.push(secret(&label));
        }
        let key = |secret: &[u8; 32]| PrivateKey::ed25519(*secret).public_key();
        let seats: Vec<utilidor_types::Validator> = places
            .iter()
            .zip(&validators)
            .zip(&members)
            .map(|((place, secret), member)| utilidor_types::Validator {
                key: key(secret),
                member: member.member(),
                address: Some(place.clone()),
            })
            .collect();
        let members = members.try_into().expect("there are few members");
        let mut genesis = Genesis::alone(ChainKind::Development, START, key(&validators[0]), members, LIMITS);
        if !seats.is_empty() {
            genesis.validators = seats.try_into().expect("there are few validators");
        }
        let chain = genesis.chain();
        let sequence = Sequence::new(seed);
        let (seed, phases, beside) = (seed.into(), Vec::new(), spool());
        let mut maker = Self { seed, sequence, genesis, chain, operator, council, validators, phases, beside };
        maker.phase("register", false, START);
        maker
    }

    fn phase(&mut self, name: &'static str, timed: bool, at: Timestamp) {
        self.phases.push(Phase { name, timed, at, steps: 0, transactions: spool() });
    }

    fn put(&mut self, signed: SignedTransaction, steps: u64) {
        let phase = self.phases.last_mut().expect("a phase is open");
        phase.transactions.push(&signed).expect("the temporary folder has room");
        phase.steps += steps;
    }

    fn act(&mut self, actor: &mut Actor, action: Action, steps: u64) {
        let signed = sign(self.chain, actor, action);
        self.put(signed, steps);
    }

    fn operate(&mut self, action: Action) {
        let signed = sign(self.chain, &mut self.operator, action);
        self.put(signed, 1);
    }

    /// The operator moves for decisions; the others of the council vote for them, as many as it takes.
    fn decide(&mut self, decisions: Vec<Decision>) {
        let motions: Vec<Motion> = decisions.into_iter().map(Motion::of).collect();
        let moved: Vec<(MotionId, Digest)> =
            motions.iter().map(|motion| (MotionId::of(self.operator.account, motion.label), motion.digest())).collect();
        motions.into_iter().for_each(|motion| self.operate(Action::ProposeMotion(motion)));
        let votes = self.genesis.threshold.needed(1 + self.council.len()) - 1;
        if votes == 0 {
            return;
        }
        self.phase("votes", false, START);
        let mut council = std::mem::take(&mut self.council);
        for member in &mut council[..votes] {
            for (motion, digest) in &moved {
                self.act(member, Action::VoteOnMotion { motion: *motion, digest: *digest, in_favour: true }, 1);
            }
        }
        self.council = council;
    }

    fn accounts(&mut self, label: &str, count: usize, credit: Money) -> Vec<Actor> {
        let actors: Vec<Actor> =
            (0..count).map(|number| Actor::new(&self.seed, &format!("{label}/{number}"))).collect();
        for actor in &actors {
            let account = NewAccount::sign(self.chain, MemberId::of(self.operator.account), &actor.key);
            self.operate(Action::OpenAccount { account });
            if credit > Money::ZERO {
                self.operate(Action::Issue { to: actor.account, amount: credit, reference: Text::default() });
            }
        }
        actors
    }

    fn finish(self, totals: Option<Totals>) -> Workload {
        let Self { genesis, validators, mut phases, mut beside, .. } = self;
        for spool in phases.iter_mut().map(|phase| &mut phase.transactions).chain([&mut beside]) {
            spool.flush().expect("the temporary folder has room");
        }
        let units = phases.iter().filter(|phase| phase.timed).map(|phase| phase.steps).sum();
        Workload { genesis, validators, phases, beside, units, totals }
    }

    fn transfers(mut self, count: usize) -> Workload {
        // A thousand, and more for a larger suite.
        let mut accounts = self.accounts("acct", (count / 40).max(1_000), CREDIT);
        self.phase("transfer", true, START);
        for number in 0..count {
            let signed = self.payment(&mut accounts, number);
            self.put(signed, 1);
        }
        self.finish(None)
    }

    fn payment(&mut self, accounts: &mut [Actor], number: usize) -> SignedTransaction {
        let count = accounts.len();
        let to = accounts[(number * 7 + 1 + self.sequence.below(500) as usize) % count].account;
        let amount = Money(1 + self.sequence.below(1_000_000));
        sign(self.chain, &mut accounts[number % count], Action::Transfer { to, amount, reference: Text::default() })
    }

    fn trades(mut self, count: usize, way: Way) -> Workload {
        let mut sellers = self.accounts("seller", count.div_ceil(20).max(4), CREDIT);
        let mut buyers = self.accounts("buyer", count.div_ceil(5).max(8), CREDIT);
        let trades = self.population(count, sellers.len(), buyers.len());
        let mut payers = self.accounts("payer", if way.timed == ["settlement"] { PAYERS } else { 0 }, CREDIT);
        let per_hour = Quantity(u64::MAX / 4);
        let capacity = |owner| CARRIERS.map(|carrier| Decision::DeclareCapacity { owner, carrier, per_hour });
        self.decide(sellers.iter().flat_map(|seller| capacity(seller.account)).collect());
        // Single readings come from each trade's own device; batches from two gateways for each carrier.
        let gateways = if way.gateways { 8 } else { count };
        let mut devices = self.accounts("device", gateways, Money::ZERO);
        let device_of = |trade: &Trade| if way.gateways { trade.number % 8 } else { trade.number };
        let meter_key = |trade: &Trade| Actor::new("meter", &trade.number.to_string()).key;
        let operator = self.operator.account;
        let meter_of = |trade: &Trade| MeterId::of(operator, trade.label());
        for trade in &trades {
            let authority = match way.signed {
                true => MeterAuthority::Meter(meter_key(trade).public_key()),
                false => MeterAuthority::Gateway(devices[device_of(trade)].account),
            };
            self.operate(Action::RegisterMeter(Meter {
                label: trade.label(),
                carrier: trade.carrier,
                holder: sellers[trade.seller].account,
                authority,
                register_modulus: Quantity(1 << 60),
                capacity_per_hour: MAX_CAPACITY_PER_HOUR,
                register: Quantity::ZERO,
                since: START,
            }));
        }
        // Devices read their registers when the window begins, so that an interval is 15 minutes.
        self.phase("first readings", false, WINDOW.from);
        let reading_runs = |trade: &Trade, step: usize, chain: ChainId| {
            let register = base(trade.carrier, trade.readings[..step].iter().sum());
            let time = Timestamp(WINDOW.from.0 + step as u64 * 900_000);
            let readings = Bounded::new(vec![Reading { time, register }]).expect("one reading");
            let signature = way.signed.then(|| {
                let key = meter_key(trade);
                let signature = key.sign(READING_NAMESPACE, &run_message(chain, meter_of(trade), &readings));
                MeterSignature::Run { key: key.public_key(), signature }
            });
            MeterRun { meter: meter_of(trade), readings, signature }
        };
        let first = self.phases.pop().expect("it was just opened");

        let timed = |step: &str| way.timed.contains(&step);
        self.phase("offer", timed("offer"), START);
        let offer = |trade: &Trade| Offer {
            label: trade.label(),
            lots: vec![Lot {
                carrier: trade.carrier,
                quantity: base(trade.carrier, trade.volume),
                asking_price: trade.price(trade.ask),
                delivery_meter: Some(meter_of(trade)),
                user_metered: false,
            }]
            .try_into()
            .expect("one lot"),
            window: WINDOW,
            gate_closes: GATE,
            lapses: WINDOW.from,
            seal: SealKey::from_secret(&SEAL_SECRET).seal(),
            terms: OfferTerms {
                deposit_permille: DEPOSIT_PERMILLE,
                guarantee_permille: 0,
                tolerance_permille: 0,
                grace_ms: GRACE_MS,
                substitute: Substitute::Nothing,
                signing_ms: HOUR_MS as u32,
                bond: Money::ZERO,
                award_rule: AwardRule::Free,
            },
            notice: Text::default(),
        };
        let mut by_seller: Vec<&Trade> = trades.iter().collect();
        by_seller.sort_by_key(|trade| trade.seller);
        for part in by_seller.chunk_by(|one, other| one.seller == other.seller) {
            for part in part.chunks(way.together) {
                let offers = part.iter().map(|trade| offer(trade)).collect::<Vec<_>>();
                let offers = offers.try_into().expect("so many may stand together");
                self.act(&mut sellers[part[0].seller], Action::PublishOffers { offers }, part.len() as u64);
            }
        }
        let owners: Vec<AccountId> = sellers.iter().map(|seller| seller.account).collect();
        let offer_of = |trade: &Trade| OfferId::of(owners[trade.seller], trade.label());
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let strategy = Rayon::new(cores).expect("threads can be started");
        self.phase("quote", timed("quote"), START);
        let mut by_buyer: Vec<(&Trade, &Quote)> =
            (0..QUOTES).flat_map(|place| trades.iter().map(move |trade| (trade, &trade.quotes[place]))).collect();
        by_buyer.sort_by_key(|(_, quote)| quote.buyer);
        for part in by_buyer.chunk_by(|one, other| one.1.buyer == other.1.buyer) {
            for part in part.chunks(way.together) {
                let buyer = part[0].1.buyer;
                let bidder = buyers[buyer].account;
                let chain = self.chain;
                let seal = |(trade, quote): &(&Trade, &Quote)| {
                    let sealed =
                        seal_quote(&quote.opening, (owners[trade.seller], &offer(trade)), chain, bidder, way.binding);
                    sealed.expect("the key is good")
                };
                let quotes = strategy.map_collect_vec(part, seal);
                let quotes = quotes.try_into().expect("so many may stand together");
                self.act(&mut buyers[buyer], Action::SubmitQuotes { quotes }, part.len() as u64);
            }
        }
        self.phase("award", timed("award"), GATE);
        for part in by_seller.chunk_by(|one, other| one.seller == other.seller) {
            for part in part.chunks(way.together) {
                let award = |trade: &&Trade| {
                    let win = &trade.quotes[trade.win];
                    AwardedQuote {
                        offer: offer_of(trade),
                        bidder: buyers[win.buyer].account,
                        label: trade.label(),
                        opening: win.opening.clone(),
                        basis: AwardBasis::Choice,
                    }
                };
                let awards = part.iter().map(award).collect::<Vec<_>>().try_into().expect("so many may stand together");
                self.act(&mut sellers[part[0].seller], Action::Award { awards }, part.len() as u64);
            }
        }
        if !way.binding {
            self.phase("sign", timed("sign"), GATE);
            for trade in &trades {
                let win = &trade.quotes[trade.win];
                let (owner, user) = (sellers[trade.seller].account, buyers[win.buyer].account);
                let terms = offer(trade).agreement_terms(owner, user, &win.opening).digest();
                let action = Action::SignAgreement { agreement: AgreementId::of(owner, trade.label()), terms };
                self.act(&mut buyers[win.buyer], action, 1);
            }
        }
        self.phases.push(first);
        self.readings(&trades, &mut devices, &device_of, 0, true, &reading_runs);
        self.phase("reading", timed("reading"), WINDOW.to);
        for step in 1..=READINGS {
            self.readings(&trades, &mut devices, &device_of, step, way.gateways, &reading_runs);
        }
        self.phase("settlement", timed("settlement"), Timestamp(WINDOW.to.0 + u64::from(GRACE_MS)));
        self.phases.last_mut().expect("it was just opened").steps = count as u64;
        if !payers.is_empty() {
            for number in 0..PAYMENTS_BESIDE {
                let signed = self.payment(&mut payers, number);
                self.beside.push(&signed).expect("the temporary folder has room");
            }
        }
        let mut workload = self.finish(Some(totals(&trades)));
        if way.timed == ALL_STEPS {
            workload.units = count as u64;
        }
        workload
    }

    fn readings(
        &mut self,
        trades: &[Trade],
        devices: &mut [Actor],
        device_of: &impl Fn(&Trade) -> usize,
        step: usize,
        batches: bool,
        run: &impl Fn(&Trade, usize, ChainId) -> MeterRun,
    ) {
        let mut by_device = BTreeMap::<usize, Vec<&Trade>>::new();
        trades.iter().for_each(|trade| by_device.entry(device_of(trade)).or_default().push(trade));
        for (device, trades) in by_device {
            for part in trades.chunks(if batches { BATCH } else { 1 }) {
                let runs: Vec<MeterRun> = part.iter().map(|trade| run(trade, step, self.chain)).collect();
                let steps = runs.len() as u64;
                let runs = Bounded::new(runs).expect("a batch is bounded");
                let signed = sign(self.chain, &mut devices[device], Action::RecordReadings { runs });
                self.put(signed, steps);
            }
        }
    }

    fn population(&mut self, count: usize, sellers: usize, buyers: usize) -> Vec<Trade> {
        (0..count)
            .map(|number| {
                let carrier = CARRIERS[number % 4];
                let volume = 10_000 + self.sequence.below(490_000);
                let ask = 60_000 + self.sequence.below(90_000);
                let quotes = (0..QUOTES)
                    .map(|place| {
                        let buyer = (number * QUOTES + place * 7 + number / buyers) % buyers;
                        let price = ask - self.sequence.below(ask / 10);
                        let label = format!("{}/salt/{number}/{place}", self.seed);
                        let salt: [u8; SALT_BYTES] = tagged_hash("utilidor/bench salt", &[label.as_bytes()]).0;
                        let line = QuoteLine {
                            quantity: base(carrier, volume),
                            price: Money(price),
                            user_meter: MeterId::default(),
                        };
                        let lines = vec![line].try_into().expect("one line");
                        Quote { buyer, price, opening: Opening { salt, lines } }
                    })
                    .collect();
                let win = self.sequence.below(QUOTES as u64) as usize;
                // One trade in ten delivers between 50 and 90 %.
                // The peer's generator computes the share in floating point; so do we, to get its very numbers.
                let short =
                    if self.sequence.below(10) == 0 { 0.5 + self.sequence.below(400) as f64 / 1_000.0 } else { 1.0 };
                let until = |reading: u64| (volume as f64 * short * reading as f64 / READINGS as f64).floor() as u64;
                let readings = std::array::from_fn(|reading| until(reading as u64 + 1) - until(reading as u64));
                Trade { number, seller: number % sellers, carrier, volume, ask, quotes, win, readings }
            })
            .collect()
    }

    fn contracts(mut self, count: usize, publication: Publication, due: Timestamp, amount: Money) -> Workload {
        let mut sellers = self.accounts("seller", count.div_ceil(20).max(4), CREDIT);
        let mut buyers = self.accounts("buyer", count.div_ceil(5).max(8), CREDIT);
        let program = publication.id();
        self.phase("publish", false, START);
        self.operate(Action::PublishProgram(Box::new(publication)));
        let label = |number: usize| Label::of_text(&format!("contract {number}"));
        let grant = |party| Grant { party, reserve: amount, allowance: Money::ZERO, renews: false };
        let terms = |owner, user| {
            let coded = CodedTerms {
                code: ProgramCode::Published(program),
                grants: vec![grant(Party::USER)].try_into().expect("one grant"),
                meters: Bounded::empty(),
                parameters: Bounded::empty(),
            };
            let hard_end = HardEnd { at: Timestamp(due.0 + HOUR_MS), fallback: Fallback::GiveBack };
            let terms = AgreementTerms::between(owner, user, Program::Coded(coded));
            AgreementTerms { hard_end: Some(hard_end), ..terms }
        };
        let (owners, users) = (sellers.len(), buyers.len());
        let between = |number: usize| (number % owners, number % users);
        let parties: Vec<(AccountId, AccountId)> =
            (0..count).map(between).map(|(owner, user)| (sellers[owner].account, buyers[user].account)).collect();
        self.phase("propose", false, START);
        for (number, (owner, user)) in parties.iter().enumerate() {
            let terms = terms(*owner, *user);
            let proposal = Action::ProposeAgreement { label: label(number), terms, signing_ms: HOUR_MS as u32 };
            self.act(&mut sellers[between(number).0], proposal, 1);
        }
        self.phase("sign", false, START);
        for (number, (owner, user)) in parties.iter().enumerate() {
            let agreement = AgreementId::of(*owner, label(number));
            let terms = terms(*owner, *user).digest();
            self.act(&mut buyers[between(number).1], Action::SignAgreement { agreement, terms }, 1);
        }
        self.phase("settlement", true, due);
        self.phases.last_mut().expect("it was just opened").steps = count as u64;
        let paid = amount.0 * count as u64;
        self.finish(Some(Totals { paid, paid_floor: paid, ..Totals::default() }))
    }

    fn packages(mut self, users: usize) -> Workload {
        let mut provider = self.accounts("provider", 1, Money::ZERO).remove(0);
        let mut accounts = self.accounts("user", users, CREDIT);
        let mut gateways = self.accounts("pgate", PACKAGE_GATEWAYS, Money::ZERO);
        let operator = self.operator.account;
        let label = |number: usize| Label::of_text(&format!("package meter {number}"));
        let meter = |number: usize| MeterId::of(operator, label(number));
        for (number, account) in accounts.iter().enumerate() {
            self.operate(Action::RegisterMeter(Meter {
                label: label(number),
                carrier: Carrier::Electricity,
                holder: account.account,
                authority: MeterAuthority::Gateway(gateways[number % PACKAGE_GATEWAYS].account),
                register_modulus: Quantity(1 << 60),
                capacity_per_hour: MAX_CAPACITY_PER_HOUR,
                register: Quantity::ZERO,
                since: START,
            }));
        }
        let step = |units, discount_permille| Step { from: Money::units(units), discount_permille };
        let called = Label::of_text("package");
        let package = PackageId::of(provider.account, called);
        let season = Season { from_month: 1, from_day: 1, to_month: 12, to_day: 31 };
        let options = vec![
            TariffOption {
                carrier: Carrier::Electricity,
                tariff: Tariff::Metered(MeteredTariff {
                    price: Price::micro_per_kwh(780_000),
                    steps: vec![step(100, 320), step(500, 385)].try_into().expect("two steps"),
                    time_of_use: TimeOfUse::none(),
                    grace: Quantity::ZERO,
                    levy: Money::ZERO,
                }),
                vat_permille: 0,
            },
            TariffOption {
                carrier: Carrier::Heating,
                tariff: Tariff::FloorArea(FloorAreaTariff {
                    per_m2: Money::units(72),
                    season,
                    discounts: PeriodDiscounts { month_permille: 0, quarter_permille: 50, year_permille: 120 },
                }),
                vat_permille: 0,
            },
        ];
        let options = options.try_into().expect("two options");
        // The provider's account is opened before.
        self.phase("publish", false, START);
        self.act(
            &mut provider,
            Action::PublishPackage(Package {
                label: called,
                version: 1,
                terms: PackageTerms { offset_minutes: 0, notice_days: 14, charges: Bounded::empty() },
                options,
            }),
            1,
        );

        let subscribed = Label::of_text("subscription");
        self.phase("open", false, START);
        for (number, account) in accounts.iter_mut().enumerate() {
            let area = 50 + self.sequence.below(500) as u32;
            let service = |carrier, meter, square_metres| Service {
                carrier,
                option: 0,
                meter,
                floor_area: Area::square_metres(square_metres).expect("the areas are small"),
                low_balance: Quantity::ZERO,
            };
            let services =
                vec![service(Carrier::Electricity, Some(meter(number)), 0), service(Carrier::Heating, None, area)];
            let services = services.try_into().expect("two");
            let terms = SubscriptionTerms { package, version: 1, services, allowance: CREDIT };
            let signed = sign(self.chain, account, Action::Subscribe { label: subscribed, terms });
            self.put(signed, 0);
        }
        self.phase("prepay", false, START);
        for account in &mut accounts {
            let amount = Money(20_000_000 + self.sequence.below(700_000_000));
            let subscription = AgreementId::of(account.account, subscribed);
            let carrier = Carrier::Electricity;
            let payment = Prepayment::Amount(amount);
            let signed = sign(self.chain, account, Action::Prepay { subscription, carrier, payment });
            self.put(signed, 0);
        }
        self.phase("prepay a term", false, START);
        for account in &mut accounts {
            let period = [Period::Month, Period::Quarter, Period::Year][self.sequence.below(3) as usize];
            let subscription = AgreementId::of(account.account, subscribed);
            let carrier = Carrier::Heating;
            let payment = Prepayment::Period { period, at_most: CREDIT };
            let signed = sign(self.chain, account, Action::Prepay { subscription, carrier, payment });
            self.put(signed, 0);
        }
        self.phase("consume", true, Timestamp(START.0 + 6 * HOUR_MS));
        let mut registers = vec![0u64; users];
        for hour in 1..=4u64 {
            for (place, gateway) in gateways.iter_mut().enumerate() {
                let mine: Vec<usize> = (place..users).step_by(PACKAGE_GATEWAYS).collect();
                for part in mine.chunks(BATCH) {
                    let runs: Vec<MeterRun> = part
                        .iter()
                        .map(|number| {
                            registers[*number] += 3_600 * (500 + self.sequence.below(3_000));
                            let time = Timestamp(START.0 + hour * HOUR_MS);
                            let reading = Reading { time, register: Quantity(registers[*number]) };
                            let readings = Bounded::new(vec![reading]).expect("one reading");
                            MeterRun { meter: meter(*number), readings, signature: None }
                        })
                        .collect();
                    let steps = runs.len() as u64;
                    let runs = Bounded::new(runs).expect("a batch is bounded");
                    let signed = sign(self.chain, gateway, Action::RecordReadings { runs });
                    self.put(signed, steps);
                }
            }
        }
        self.finish(None)
    }
}

fn spool() -> Spool {
    Spool::new().expect("a temporary file can be made")
}

fn sign(chain: ChainId, actor: &mut Actor, action: Action) -> SignedTransaction {
    let signer = actor.key.public_key();
    let transaction = Transaction { chain, signer, nonce: actor.nonce, expires: EXPIRES, action };
    actor.nonce += 1;
    transaction.sign(&actor.key)
}

fn totals(trades: &[Trade]) -> Totals {
    let even = |numerator: u128, denominator: u128| {
        money::ratio_half_even(numerator, denominator).expect("the workload's amounts are small")
    };
    let mut totals = Totals::default();
    for trade in trades {
        let price = u128::from(trade.quotes[trade.win].price);
        let (volume, delivered) = (u128::from(trade.volume), u128::from(trade.readings.iter().sum::<u64>()));
        let value = even(volume * price, 1_000);
        let deposit = even(u128::from(value) * u128::from(DEPOSIT_PERMILLE), 1_000);
        totals.paid += even(delivered * price, 1_000);
        totals.forfeited += even(u128::from(deposit) * (volume - delivered), volume);
        totals.paid_floor += (delivered * price / 1_000) as u64;
        let deposit = volume * price / 1_000 * u128::from(DEPOSIT_PERMILLE) / 1_000;
        totals.forfeited_floor += (deposit * (volume - delivered) / volume) as u64;
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trades_are_the_peers_own() {
        let totals = workload(Suite::CyclePlain, 1.0, "integrated-energy-1", TOGETHER).totals.unwrap();
        assert_eq!((totals.paid_floor, totals.forfeited_floor), (74_233_886_979, 495_722_329));
    }
}
