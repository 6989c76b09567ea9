//! Bytes as a play of hostile members: actions of every kind, each number at and over its edges, in blocks at any pace.
//!
//! A play goes through the ledger as a block does. What must hold whatever is played: no panic, the invariants after every
//! block (money conserved, what is reserved is held), and that due work comes to an end. Plays are steered so that most
//! things that can be named exist: labels, meters and times come from small sets, and every other reading is a plausible one.
//!
//! The simulated consortium (`crates/chain/src/simulation`) takes from it what its members' clients ask for: there the blocks
//! come from the chain, and `memory` follows them.
#![allow(dead_code)] // the test, the fuzz target and the simulation use a part each

use commonware_parallel::Sequential;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use utilidor_ledger::memory::Memory;
use utilidor_ledger::record::{AccountRecord, AgreementRecord, MeterState, OfferRecord, Published};
use utilidor_types::action::{AwardBasis, AwardedQuote, NewAccount, Prepayment};
use utilidor_types::agreement::*;
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::key::{KeyRing, PrivateKey};
use utilidor_types::meter::{MeterAuthority, MeterRun};
use utilidor_types::offer::{AwardRule, Lot, OfferTerms, Seal};
use utilidor_types::package::*;
use utilidor_types::program::Fuel;
use utilidor_types::quote::{Opening, QuoteLine, SALT_BYTES, sealed_bytes};
use utilidor_types::time::{DAY_MS, HOUR_MS, MAX_TIMESTAMP};
use utilidor_types::transaction::verify_batch_with;
use utilidor_types::*;

/// 2025-01-01T00:00 at +08:00.
const BEGIN: Timestamp = Timestamp(1_735_660_800_000);
/// How many accounts there are.
pub const ACCOUNTS: usize = 8;
/// How many things of a kind can be named.
const LABELS: u8 = 4;

/// What plays have reached: actions applied and refused, by name and code, and events by name.
pub type Coverage = BTreeMap<String, u64>;

/// A source of choices.
struct Choices {
    bytes: std::vec::IntoIter<u8>,
}

impl Choices {
    fn of_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec().into_iter() }
    }

    fn is_over(&self) -> bool {
        self.bytes.len() == 0
    }

    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(0)
    }

    fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    fn of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    /// A number of any size, mostly an edge.
    fn number(&mut self) -> u64 {
        const EDGES: [u64; 20] = [
            0,
            1,
            2,
            999,
            1_000,
            1_001,
            3_600_000,
            1_000_000_000,
            3_600_000_000_000,
            10_000_000_000_000,
            10_000_000_000_001,
            u32::MAX as u64,
            u32::MAX as u64 + 1,
            (u32::MAX as u64) * 1_000,
            (u32::MAX as u64) * 1_000 + 1,
            i64::MAX as u64,
            i64::MAX as u64 + 1,
            u64::MAX / 2,
            u64::MAX - 1,
            u64::MAX,
        ];
        match self.below(4) {
            0 => EDGES[self.below(EDGES.len())],
            1 => u64::from(self.byte()) * 1_000_000,
            2 => u64::from(self.byte()) * 3_600_000 * 10,
            _ => u64::from(u16::from_le_bytes([self.byte(), self.byte()])),
        }
    }

    fn short(&mut self) -> u16 {
        let any = u16::from_le_bytes([self.byte(), self.byte()]);
        self.of(&[0, 1, 20, 100, 500, 999, 1_000, 1_001, 10_000, 10_001, u16::MAX, any])
    }

    /// A time: mostly a whole hour near now.
    fn time(&mut self, now: Timestamp) -> Timestamp {
        let hour = now.0 / HOUR_MS * HOUR_MS;
        let near = i64::from(self.byte() as i8) * HOUR_MS as i64;
        match self.below(8) {
            0 => Timestamp(self.number().min(Timestamp::LARGEST.0)),
            1 => MAX_TIMESTAMP,
            2 => now,
            _ => Timestamp(hour.saturating_add_signed(near)),
        }
    }

    fn window(&mut self, now: Timestamp) -> Window {
        if self.chance(8) {
            return Window { from: self.time(now), to: self.time(now) };
        }
        let from = Timestamp((now.0 / HOUR_MS + 1 + self.below(6) as u64) * HOUR_MS);
        Window { from, to: Timestamp(from.0 + (1 + self.below(48) as u64) * HOUR_MS) }
    }

    fn label(&mut self) -> Label {
        Label([self.byte() % LABELS; 16])
    }

    fn carrier(&mut self) -> Carrier {
        if self.chance(3) { self.of(&Carrier::ALL) } else { Carrier::Electricity }
    }
}

/// Who can sign. Keys are worked out once: they would take most of a play's time.
struct Signer {
    key: PrivateKey,
    public: PublicKey,
    account: AccountId,
}

static SIGNERS: LazyLock<Vec<Signer>> = LazyLock::new(|| {
    let signer = |number: u8| {
        let key = PrivateKey::ed25519([number + 1; 32]);
        let public = key.public_key();
        Signer { key, public, account: AccountId::of(&public) }
    };
    (0..100).map(signer).collect()
});

static KEYS: LazyLock<KeyRing> = LazyLock::new(KeyRing::default);

/// The key of an account.
pub fn key(number: usize) -> PrivateKey {
    SIGNERS[number].key.clone()
}

fn account(number: usize) -> AccountId {
    SIGNERS[number].account
}

/// Who has which roles: two owners, three users, two meter operators, the issuer.
fn roles(number: usize) -> Roles {
    use Role::*;
    Roles::of(match number {
        0 => &[Owner, Validator],
        1 => &[Owner, User],
        2..=4 => &[User],
        5 | 6 => &[MeterOperator],
        _ => &[Issuer, Owner, User, MeterOperator, Validator, Supervisor],
    })
}

/// The chain that is played on.
pub fn genesis() -> Genesis {
    let members = (0..ACCOUNTS).map(|number| GenesisMember { account: account(number), roles: roles(number) });
    let limits = Limits {
        accounts: 3,
        offers: 6,
        quotes: 6,
        proposals: 4,
        meters: 6,
        packages: 4,
        subscriptions: 4,
        programs: 4,
        written_agreements: 4,
        daily_fuel: Fuel(1_000_000),
        pooled: 64,
        motions: 3,
    };
    let members = members.collect::<Vec<_>>().try_into().unwrap();
    Genesis::alone(ChainKind::Development, BEGIN, SIGNERS[99].public, members, limits)
}

/// A play.
pub struct Play {
    choices: Choices,
    /// The state that is played on.
    pub memory: Memory,
    chain: ChainId,
    now: Timestamp,
    openings: BTreeMap<(OfferId, AccountId), Opening>,
    agreements: BTreeSet<AgreementId>,
    /// The motions that were opened.
    pub motions: BTreeMap<MotionId, Digest>,
    /// What was reached so far.
    pub coverage: Coverage,
    actions: u64,
}

/// Plays bytes to their end; how many actions that were.
pub fn play(bytes: &[u8], coverage: &mut Coverage) -> u64 {
    let mut play = Play::on(Memory::new(genesis()));
    play.choices = Choices::of_bytes(bytes);
    play.settle_in();
    while !play.choices.is_over() {
        play.step();
    }
    for (name, count) in play.coverage {
        *coverage.entry(name).or_default() += count;
    }
    play.actions
}

impl Play {
    /// A play on a state.
    pub fn on(memory: Memory) -> Self {
        Self {
            choices: Choices::of_bytes(&[]),
            chain: memory.genesis().chain(),
            memory,
            now: BEGIN,
            openings: BTreeMap::new(),
            agreements: BTreeSet::new(),
            motions: BTreeMap::new(),
            coverage: Coverage::new(),
            actions: 0,
        }
    }

    /// What a member asks for next, chosen by bytes, and who it is.
    pub fn next(&mut self, bytes: &[u8]) -> (usize, Action) {
        self.choices = Choices::of_bytes(bytes);
        self.now = self.memory.time();
        let who = self.choices.below(ACCOUNTS);
        self.action(who)
    }

    /// Money, capacities and meters, so that not everything is refused.
    fn settle_in(&mut self) {
        for actions in self.beginning() {
            self.block(actions);
        }
    }

    /// What is asked for first, one block after the other.
    pub fn beginning(&mut self) -> [Vec<(usize, Action)>; 2] {
        self.now = self.now.max(self.memory.time());
        let mut actions: Vec<(usize, Action)> = (0..ACCOUNTS)
            .map(|number| {
                (7, Action::Issue { to: account(number), amount: Money::units(1_000_000), reference: Text::default() })
            })
            .collect();
        for owner in [0, 1] {
            let (owner, per_hour) = (account(owner), Quantity(10_000_000_000_000));
            let declare = |carrier| (0, Action::decide(Decision::DeclareCapacity { owner, carrier, per_hour }));
            actions.extend([Carrier::Electricity, Carrier::Heating].map(declare));
        }
        let vote = |(_, action): &(usize, Action)| match action {
            Action::ProposeMotion(motion) => {
                let id = MotionId::of(account(0), motion.label);
                Some((7, Action::VoteOnMotion { motion: id, digest: motion.digest(), in_favour: true }))
            }
            _ => None,
        };
        let votes: Vec<(usize, Action)> = actions.iter().filter_map(vote).collect();
        for (label, holder) in (0..LABELS).zip([0, 2, 3, 4]) {
            actions.push((5, Action::RegisterMeter(self.meter_document(Label([label; 16]), holder))));
        }
        actions.push((0, Action::PublishPackage(self.plain_package())));
        [actions, votes]
    }

    fn meter_document(&self, label: Label, holder: usize) -> Meter {
        Meter {
            label,
            carrier: Carrier::Electricity,
            holder: account(holder),
            authority: MeterAuthority::Gateway(account(5)),
            register_modulus: Quantity(1_000_000_000_000_000),
            capacity_per_hour: Quantity(3_600_000_000),
            register: Quantity::ZERO,
            since: self.now,
        }
    }

    fn plain_package(&mut self) -> Package {
        let night = BandStretch {
            band: Band::Valley,
            months: EVERY_MONTH,
            days: EVERY_DAY,
            from_half_hour: 0,
            to_half_hour: 14,
        };
        let calendar = Calendar { stretches: vec![night].try_into().unwrap(), ..Calendar::default() };
        let tariff = Tariff::Metered(MeteredTariff {
            price: Price::micro_per_kwh(800_000),
            steps: vec![Step { from: Money::units(10_000), discount_permille: 20 }].try_into().unwrap(),
            time_of_use: TimeOfUse { factors_permille: [1_000, 1_750, 1_600, 400, 200], calendar },
            grace: Quantity(3_600_000_000),
            levy: Money(50_000),
        });
        let area = Tariff::FloorArea(FloorAreaTariff {
            per_m2: Money::units(43),
            season: Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 },
            discounts: PeriodDiscounts { month_permille: 0, quarter_permille: 30, year_permille: 80 },
        });
        let options = vec![
            TariffOption { carrier: Carrier::Electricity, tariff, vat_permille: 130 },
            TariffOption { carrier: Carrier::Heating, tariff: area, vat_permille: 90 },
        ];
        Package {
            label: Label([0; 16]),
            version: 1,
            terms: PackageTerms { offset_minutes: 480, notice_days: 14, charges: Bounded::empty() },
            options: options.try_into().unwrap(),
        }
    }

    /// A block: some time passes, some members act.
    fn step(&mut self) {
        const PACE_MS: [u64; 10] =
            [0, 1, 1_000, 60_000, HOUR_MS / 2, HOUR_MS, 6 * HOUR_MS, DAY_MS, 31 * DAY_MS, 366 * DAY_MS];
        let pace = PACE_MS[self.choices.below(PACE_MS.len()).min(self.choices.below(PACE_MS.len()))];
        self.now = Timestamp((self.now.0 + pace).min(MAX_TIMESTAMP.0));
        let count = self.choices.below(6);
        let actions = (0..count).map(|_| {
            let who = self.choices.below(ACCOUNTS);
            self.action(who)
        });
        let actions = actions.collect();
        self.block(actions);
    }

    fn block(&mut self, actions: Vec<(usize, Action)>) {
        let mut nonces: BTreeMap<usize, u64> = BTreeMap::new();
        let mut signed = Vec::with_capacity(actions.len());
        let names: Vec<&str> = actions.iter().map(|(_, action)| action.name()).collect();
        for (who, action) in actions {
            let present = || self.memory.read::<AccountRecord>(&account(who)).map_or(0, |record| record.nonce);
            let nonce = nonces.entry(who).or_insert_with(present);
            let expires = self.memory.height() + 1_000;
            let Signer { key, public, .. } = &SIGNERS[who];
            let transaction = Transaction { chain: self.chain, signer: *public, nonce: *nonce, expires, action };
            *nonce += 1;
            signed.push(transaction.sign(key));
        }
        let mut rng = StdRng::seed_from_u64(1);
        let verified = verify_batch_with(&KEYS, self.chain, signed, &mut rng, &Sequential);
        let verified: Vec<VerifiedTransaction> = verified.into_iter().flatten().collect();
        self.actions += verified.len() as u64;
        let outcome = self.memory.execute(self.now, verified);
        self.note(&names, &outcome.receipts);
    }

    /// Takes note of what a block with actions of these names did.
    pub fn note(&mut self, names: &[&str], receipts: &[Receipt]) {
        let mut names = names.iter().copied();
        for receipt in receipts {
            let name = match receipt.cause {
                Cause::Transaction(_) => names.next().unwrap_or("?"),
                Cause::Due { .. } => "due",
                Cause::Genesis => "genesis",
            };
            let key = match receipt.refusal() {
                Some(refusal) => format!("{name} refused: {}", refusal.code()),
                None => format!("{name} applied"),
            };
            *self.coverage.entry(key).or_default() += 1;
            for event in receipt.events() {
                self.note_event(event);
            }
        }
    }

    fn note_event(&mut self, event: &Event) {
        let name = format!("{event:?}");
        let name = name.split([' ', '(', '{']).next().unwrap_or_default().to_owned();
        *self.coverage.entry(format!("event {name}")).or_default() += 1;
        match event {
            Event::AgreementProposed { agreement, .. } => drop(self.agreements.insert(*agreement)),
            Event::MotionOpened { motion, digest, .. } => drop(self.motions.insert(*motion, *digest)),
            _ => {}
        }
    }

    // ---- what members ask for ----

    fn any_account(&mut self) -> AccountId {
        let number = self.choices.below(ACCOUNTS + 1);
        account(number)
    }

    fn offer_id(&mut self) -> OfferId {
        let owner = self.choices.below(2);
        OfferId::of(account(owner), self.choices.label())
    }

    fn meter_id(&mut self) -> MeterId {
        let operator = if self.choices.chance(8) { 6 } else { 5 };
        MeterId::of(account(operator), self.choices.label())
    }

    fn agreement_id(&mut self) -> AgreementId {
        let known: Vec<AgreementId> = self.agreements.iter().copied().collect();
        if known.is_empty() || self.choices.chance(16) {
            return AgreementId([self.choices.byte(); 16]);
        }
        // Mostly one that is not over and forgotten.
        let is_there = |play: &Self, id: &AgreementId| play.memory.read::<AgreementRecord>(id).is_some();
        for _ in 0..4 {
            let id = self.choices.of(&known);
            if is_there(self, &id) {
                return id;
            }
            self.agreements.remove(&id);
        }
        self.choices.of(&known)
    }

    /// One of an agreement's parties.
    fn party_of(&mut self, agreement: AgreementId) -> Option<usize> {
        let terms = self.read_terms(agreement)?;
        let party = self.choices.of(&terms.parties);
        (0..ACCOUNTS).find(|number| account(*number) == party)
    }

    fn motion(&mut self) -> Action {
        let number = self.choices.below(ACCOUNTS);
        let member = MemberId::of(account(number));
        let decision = match self.choices.below(5) {
            0 if self.choices.chance(4) => Decision::RemoveMember { member },
            0 | 1 => {
                let limits = Limits { accounts: self.choices.number() as u32, ..genesis().limits };
                Decision::ChangeLimits { member, limits: self.choices.chance(2).then_some(limits) }
            }
            2 if self.choices.chance(2) => Decision::HandOverMeters { from: account(5), to: self.any_account() },
            2 => Decision::HandOverMeters { from: account(5), to: account(6) },
            3 => Decision::DismissValidator { member },
            _ => Decision::AppointValidator { member, key: SIGNERS[number].public, address: None },
        };
        let open_ms = if self.choices.chance(4) { self.choices.number() } else { DAY_MS };
        Action::ProposeMotion(Motion { open_ms, ..Motion::of(decision) })
    }

    fn vote(&mut self) -> Action {
        let open: Vec<(MotionId, Digest)> = self.motions.iter().map(|(id, digest)| (*id, *digest)).collect();
        let (motion, digest) = if open.is_empty() || self.choices.chance(8) {
            (MotionId([self.choices.byte(); 16]), Digest::default())
        } else {
            self.choices.of(&open)
        };
        Action::VoteOnMotion { motion, digest, in_favour: !self.choices.chance(4) }
    }

    fn action(&mut self, who: usize) -> (usize, Action) {
        let action = match self.choices.below(42) {
            0 => {
                let (new, roles) = (key(20 + self.choices.below(4)), Roles::of(&[Role::User]));
                Action::decide(Decision::AdmitMember { account: NewAccount::first(self.chain, &new), roles })
            }
            1 => {
                let number = self.choices.below(ACCOUNTS);
                // Mostly what it has already, so that somebody is left to act.
                let roles = if self.choices.chance(4) { Roles::of(&[Role::User]) } else { roles(number) };
                Action::decide(Decision::ChangeRoles { member: MemberId::of(account(number)), roles })
            }
            2 => {
                let (member, new) = (MemberId::of(account(who)), key(30 + self.choices.below(8)));
                Action::OpenAccount { account: NewAccount::sign(self.chain, member, &new) }
            }
            3 => {
                let (owner, carrier) = (self.any_account(), self.choices.carrier());
                Action::decide(Decision::DeclareCapacity { owner, carrier, per_hour: Quantity(self.choices.number()) })
            }
            4 => {
                let (to, amount) = (self.any_account(), Money(self.choices.number()));
                Action::Issue { to, amount, reference: Text::default() }
            }
            5 => Action::Redeem { amount: Money(self.choices.number()), reference: Text::default() },
            6 => {
                let (to, amount) = (self.any_account(), Money(self.choices.number()));
                Action::Transfer { to, amount, reference: Text::default() }
            }
            7 | 8 if self.choices.chance(3) => Action::publish_offer(self.offer()),
            7 | 8 => return (self.choices.below(2), Action::publish_offer(self.fit_offer())),
            9 => Action::WithdrawOffer { offer: self.offer_id() },
            10 | 11 if self.choices.chance(4) => self.quote(who),
            10 | 11 => return self.fit_quote(who),
            12 => Action::WithdrawQuote { offer: self.offer_id() },
            13 if self.choices.chance(3) => self.award(who),
            13 => return self.fit_award(who),
            14 | 15 => {
                let (label, terms) = (self.choices.label(), self.terms(who));
                Action::ProposeAgreement { label, terms, signing_ms: self.choices.number() as u32 }
            }
            16 => self.sign(),
            17 => Action::DeclineAgreement { agreement: self.agreement_id() },
            18 => {
                let (agreement, program, from) = (self.agreement_id(), self.program(), self.choices.time(self.now));
                Action::ProposeAmendment { agreement, program, from }
            }
            19 => self.sign_amendment(),
            20 => Action::Terminate { agreement: self.agreement_id() },
            21 => Action::WithdrawTermination { agreement: self.agreement_id() },
            22 => {
                let agreement = self.agreement_id();
                Action::PayDebt { agreement, amount: Money(self.choices.number()) }
            }
            23 => {
                let command = vec![self.choices.byte(); self.choices.below(4)].try_into().unwrap();
                Action::Command { agreement: self.agreement_id(), command }
            }
            24 => Action::RegisterMeter(self.meter()),
            25 => {
                let meter = self.meter_id();
                match self.choices.below(4) {
                    0 => Action::BindMeter { meter, holder: self.any_account() },
                    1 => {
                        let authority = MeterAuthority::Gateway(self.any_account());
                        Action::RotateMeterKey { meter, authority }
                    }
                    2 => Action::ChangeMeterCapacity { meter, capacity_per_hour: Quantity(self.choices.number()) },
                    _ => Action::RetireMeter { meter },
                }
            }
            26 => self.exchange(),
            27 => self.correct(),
            28 => Action::PublishPackage(self.package()),
            29 => {
                let owner = account(self.choices.below(2));
                let package = PackageId::of(owner, self.choices.label());
                Action::ClosePackage { package, version: u32::from(self.choices.byte() % 3) }
            }
            30 | 38 => self.subscribe(),
            31 | 39 => {
                let (subscription, carrier) = (self.agreement_id(), self.choices.carrier());
                Action::Prepay { subscription, carrier, payment: self.payment() }
            }
            32..=34 => self.vote(),
            35 => self.motion(),
            36 => {
                let meters = vec![self.meter_id(), self.meter_id()].try_into().unwrap();
                return (6, Action::TakeOverMeters { meters });
            }
            37 => {
                let (epoch, after) = (self.choices.number(), Digest([self.choices.byte(); 32]));
                Action::ProveReady(Readiness::sign(self.chain, epoch, after, &key(who)))
            }
            _ => return (5, self.readings()),
        };
        // Mostly by one who may.
        let who = match &action {
            Action::RegisterMeter(_)
            | Action::BindMeter { .. }
            | Action::RotateMeterKey { .. }
            | Action::ChangeMeterCapacity { .. }
            | Action::ExchangeMeter { .. }
            | Action::RetireMeter { .. }
            | Action::CorrectReadings { .. }
                if !self.choices.chance(8) =>
            {
                5
            }
            Action::PublishPackage(_) | Action::PublishOffers { .. } | Action::Award { .. }
                if !self.choices.chance(8) =>
            {
                who % 2
            }
            Action::SignAgreement { agreement, .. }
            | Action::DeclineAgreement { agreement }
            | Action::ProposeAmendment { agreement, .. }
            | Action::SignAmendment { agreement, .. }
            | Action::Terminate { agreement }
            | Action::WithdrawTermination { agreement }
            | Action::PayDebt { agreement, .. }
            | Action::Command { agreement, .. }
            | Action::Prepay { subscription: agreement, .. }
                if !self.choices.chance(8) =>
            {
                self.party_of(*agreement).unwrap_or(who)
            }
            Action::ProposeMotion(_) | Action::VoteOnMotion { .. } if !self.choices.chance(8) => {
                self.choices.of(&[0, 7])
            }
            _ => who,
        };
        (who, action)
    }

    fn price(&mut self, carrier: Carrier) -> Price {
        let unit = match (self.choices.chance(16), carrier) {
            (false, Carrier::HotWater | Carrier::Gas | Carrier::Water) => PriceUnit::CubicMetre,
            (true, _) => PriceUnit::Gigajoule,
            _ => PriceUnit::KilowattHour,
        };
        let money =
            if self.choices.chance(8) { self.choices.number() } else { 100_000 * u64::from(self.choices.byte()) };
        Price { money: Money(money), per: unit }
    }

    fn quantity(&mut self) -> Quantity {
        Quantity(if self.choices.chance(8) {
            self.choices.number()
        } else {
            3_600_000 * u64::from(self.choices.byte())
        })
    }

    fn offer(&mut self) -> Offer {
        let lots = (0..self.choices.below(3)).map(|_| {
            let carrier = self.choices.carrier();
            Lot {
                carrier,
                quantity: self.quantity(),
                asking_price: self.price(carrier),
                delivery_meter: self.choices.chance(2).then(|| self.meter_id()),
                user_metered: !self.choices.chance(3),
            }
        });
        let lots: Vec<Lot> = lots.collect();
        let window = self.choices.window(self.now);
        let gate_closes =
            if self.choices.chance(4) { self.choices.time(self.now) } else { Timestamp(self.now.0 + 1_000) };
        let lapses = if self.choices.chance(4) { self.choices.time(self.now) } else { window.from };
        Offer {
            label: self.choices.label(),
            lots: lots.try_into().unwrap(),
            window,
            gate_closes,
            lapses,
            seal: Seal::Owner([1; 32]),
            terms: OfferTerms {
                deposit_permille: self.choices.short(),
                guarantee_permille: self.choices.short(),
                tolerance_permille: self.choices.short(),
                grace_ms: self.choices.number() as u32,
                substitute: self.choices.of(&[Substitute::Nothing, Substitute::ProRata]),
                signing_ms: self.choices.number() as u32,
                bond: Money(if self.choices.chance(4) { self.choices.number() } else { 1_000_000 }),
                award_rule: AwardRule::Free,
            },
            notice: Text::default(),
        }
    }

    /// An offer that somebody can quote on.
    fn fit_offer(&mut self) -> Offer {
        let hour = (self.now.0 / HOUR_MS + 26 + self.choices.below(6) as u64) * HOUR_MS;
        let window =
            Window { from: Timestamp(hour), to: Timestamp(hour + HOUR_MS * (1 + self.choices.below(30) as u64)) };
        let lot = Lot {
            carrier: Carrier::Electricity,
            quantity: Quantity(3_600_000 * (1 + u64::from(self.choices.byte()))),
            asking_price: Price::micro_per_kwh(1_000 * u64::from(self.choices.byte())),
            delivery_meter: None,
            user_metered: true,
        };
        let gate_closes = Timestamp(self.now.0 + self.choices.of(&[1_000, 5_000, 20_000, HOUR_MS, DAY_MS]));
        let terms = OfferTerms {
            deposit_permille: self.choices.of(&[0, 100, 1_000]),
            guarantee_permille: self.choices.of(&[0, 500, 1_000]),
            tolerance_permille: self.choices.of(&[0, 50]),
            grace_ms: 60_000,
            substitute: self.choices.of(&[Substitute::Nothing, Substitute::ProRata]),
            signing_ms: HOUR_MS as u32,
            bond: Money(1_000_000),
            award_rule: AwardRule::Free,
        };
        let lots = vec![lot].try_into().unwrap();
        Offer { lots, window, gate_closes, lapses: window.from, terms, ..self.offer() }
    }

    /// An offer that is there, if there is one.
    fn some_offer(&mut self, is_fit: impl Fn(&Offer, Timestamp) -> bool) -> Option<(OfferId, usize, Published)> {
        let ids = [0, 1].into_iter().flat_map(|owner| (0..LABELS).map(move |label| (owner, Label([label; 16]))));
        let there = ids.filter_map(|(owner, label)| {
            let id = OfferId::of(account(owner), label);
            let offer = self.memory.read::<OfferRecord>(&id)?.offer;
            is_fit(&offer, self.now).then_some((id, owner, offer))
        });
        let there: Vec<_> = there.collect();
        (!there.is_empty()).then(|| self.choices.of(&there))
    }

    /// A quote on an offer whose gate is open, of a user with its own meter; if there is none, an offer.
    fn fit_quote(&mut self, who: usize) -> (usize, Action) {
        let Some((id, _, offer)) = self.some_offer(|offer, now| now < offer.gate_closes) else {
            return (who % 2, Action::publish_offer(self.fit_offer()));
        };
        // The meters that are registered first are of the accounts 0, 2, 3 and 4.
        let place = 1 + self.choices.below(3) as u8;
        let bidder = usize::from(place) + 1;
        let line = |quantity: Quantity| QuoteLine {
            quantity,
            price: Money(1_000 * u64::from(self.choices.byte())),
            user_meter: MeterId::of(account(5), Label([place; 16])),
        };
        let lines: Vec<QuoteLine> = offer.lots.iter().map(|lot| lot.quantity).map(line).collect();
        (bidder, self.seal(bidder, id, offer.digest(), lines))
    }

    fn seal(&mut self, bidder: usize, offer: OfferId, offered: Digest, lines: Vec<QuoteLine>) -> Action {
        let sealed = vec![0; sealed_bytes(lines.len())];
        let opening = Opening { salt: [self.choices.byte(); SALT_BYTES], lines: lines.try_into().unwrap() };
        let commitment = opening.commitment(self.chain, offer, account(bidder));
        self.openings.insert((offer, account(bidder)), opening);
        Action::submit_quote(SealedQuote { offer, offered, commitment, sealed, binding: !self.choices.chance(3) })
    }

    /// An award of what was quoted on an offer whose gate is closed.
    fn fit_award(&mut self, who: usize) -> (usize, Action) {
        let Some((offer, owner, _)) = self.some_offer(|offer, now| offer.gate_closes <= now) else {
            return (who, self.award(who));
        };
        let quoted = self.openings.iter().filter(|((of, _), _)| *of == offer);
        let quoted: Vec<(AccountId, Opening)> = quoted.map(|((_, by), opening)| (*by, opening.clone())).collect();
        if quoted.is_empty() {
            return (who, self.award(who));
        }
        let (bidder, opening) = self.choices.of(&quoted);
        let label = self.choices.label();
        self.agreements.insert(AgreementId::of(account(owner), label));
        let award = AwardedQuote { offer, bidder, label, opening, basis: AwardBasis::Choice };
        (owner, Action::Award { awards: vec![award].try_into().unwrap() })
    }

    fn quote(&mut self, who: usize) -> Action {
        let offer = self.offer_id();
        let lines = (0..1 + self.choices.below(2)).map(|_| QuoteLine {
            quantity: self.quantity(),
            price: Money(100_000 * u64::from(self.choices.byte())),
            user_meter: self.meter_id(),
        });
        let lines: Vec<QuoteLine> = lines.collect();
        let published = self.memory.read::<OfferRecord>(&offer).map(|record| record.offer.digest());
        let offered = published.filter(|_| !self.choices.chance(20)).unwrap_or_default();
        self.seal(who, offer, offered, lines)
    }

    fn award(&mut self, who: usize) -> Action {
        let known: Vec<(OfferId, AccountId)> = self.openings.keys().copied().collect();
        let awards = (0..self.choices.below(3)).filter_map(|_| {
            if known.is_empty() {
                return None;
            }
            let (offer, bidder) = self.choices.of(&known);
            let opening = self.openings[&(offer, bidder)].clone();
            let label = self.choices.label();
            self.agreements.insert(AgreementId::of(account(who % 2), label));
            Some(AwardedQuote { offer, bidder, label, opening, basis: AwardBasis::Choice })
        });
        let awards: Vec<AwardedQuote> = awards.collect();
        Action::Award { awards: awards.try_into().unwrap() }
    }

    fn purchase(&mut self) -> PurchaseTerms {
        let lots = (0..self.choices.below(3)).map(|_| {
            let carrier = self.choices.carrier();
            let meter = |choices: &mut Self| choices.choices.chance(2).then(|| choices.meter_id());
            let metering = Metering { delivery: meter(self), take: meter(self) };
            PurchaseLot { carrier, quantity: self.quantity(), price: self.price(carrier), metering }
        });
        let lots: Vec<PurchaseLot> = lots.collect();
        PurchaseTerms {
            lots: lots.try_into().unwrap(),
            window: self.choices.window(self.now),
            deposit_permille: self.choices.short(),
            guarantee_permille: self.choices.short(),
            tolerance_permille: self.choices.short(),
            grace_ms: self.choices.number() as u32,
            substitute: self.choices.of(&[Substitute::Nothing, Substitute::ProRata]),
        }
    }

    fn subscription(&mut self) -> SubscriptionTerms {
        let services = (0..1 + self.choices.below(2)).map(|place| Service {
            carrier: if place == 0 { Carrier::Electricity } else { self.choices.of(&[Carrier::Heating, Carrier::Gas]) },
            option: if self.choices.chance(16) { self.choices.byte() } else { 0 },
            meter: (!self.choices.chance(4)).then(|| self.meter_id()),
            floor_area: Area(self.choices.number() as u32),
            low_balance: self.quantity(),
        });
        let services: Vec<Service> = services.collect();
        let package = PackageId::of(account(0), Label([self.choices.byte() % 2; 16]));
        let version = if self.choices.chance(4) { u32::from(self.choices.byte() % 3) } else { 1 };
        SubscriptionTerms {
            package,
            version,
            services: services.try_into().unwrap(),
            allowance: Money(self.choices.number()),
        }
    }

    fn program(&mut self) -> Program {
        match self.choices.below(5) {
            0 | 1 => Program::Purchase(self.purchase()),
            2 | 3 => Program::Subscription(self.subscription()),
            _ => {
                let terms = vec![self.choices.byte(); self.choices.below(20)].try_into().unwrap();
                let code = self.choices.of(&[0, 1, u16::MAX]);
                Program::Coded(CodedTerms::bare(ProgramCode::Native(code), terms))
            }
        }
    }

    fn terms(&mut self, who: usize) -> AgreementTerms {
        let mut parties = vec![account(who), self.any_account()];
        if self.choices.chance(2) {
            parties.reverse();
        }
        if self.choices.chance(16) {
            parties.push(self.any_account());
        }
        let fallback = match self.choices.below(3) {
            0 => Fallback::GiveBack,
            1 => Fallback::Split(vec![self.choices.short(), self.choices.of(&[0, 500, 1_000])].try_into().unwrap()),
            _ => Fallback::Arbiter(self.any_account()),
        };
        let hard_end = self.choices.chance(4).then(|| HardEnd { at: self.choices.time(self.now), fallback });
        AgreementTerms { parties: parties.try_into().unwrap(), program: self.program(), hard_end }
    }

    fn read_terms(&self, agreement: AgreementId) -> Option<AgreementTerms> {
        self.memory.read::<AgreementRecord>(&agreement).map(|record| record.agreement.terms)
    }

    fn sign(&mut self) -> Action {
        let agreement = self.agreement_id();
        let terms = self.read_terms(agreement).map_or(Digest([1; 32]), |terms| terms.digest());
        Action::SignAgreement { agreement, terms }
    }

    fn sign_amendment(&mut self) -> Action {
        let agreement = self.agreement_id();
        let amendment = self.memory.read::<utilidor_ledger::record::AmendmentRecord>(&agreement);
        let terms = self
            .read_terms(agreement)
            .zip(amendment)
            .map_or(Digest([1; 32]), |(terms, amendment)| amendment.terms(&terms).amendment_digest(amendment.from));
        Action::SignAmendment { agreement, terms }
    }

    fn meter(&mut self) -> Meter {
        let (label, holder) = (self.choices.label(), self.choices.below(ACCOUNTS));
        let mut meter = self.meter_document(label, holder);
        match self.choices.below(6) {
            0 => meter.register_modulus = Quantity(self.choices.number()),
            1 => meter.capacity_per_hour = Quantity(self.choices.number()),
            2 => meter.register = Quantity(self.choices.number()),
            3 => meter.since = self.choices.time(self.now),
            4 => meter.carrier = self.choices.carrier(),
            _ => {}
        }
        meter
    }

    fn reading_of(&mut self, meter: MeterId) -> Reading {
        let last = self.memory.read::<MeterState>(&meter).map(|state| state.last);
        let Some(last) = last.filter(|_| !self.choices.chance(16)) else {
            return Reading { time: self.choices.time(self.now), register: Quantity(self.choices.number()) };
        };
        let ms = self.now.0.saturating_sub(last.time.0);
        let time = Timestamp(last.time.0 + ms / (1 + self.choices.below(3) as u64));
        let most = (time.0 - last.time.0) / 1_000 * 1_000_000;
        let register = last.register.0.saturating_add(most / (1 + u64::from(self.choices.byte())));
        Reading { time, register: Quantity(register % 1_000_000_000_000_000) }
    }

    fn readings(&mut self) -> Action {
        let runs = (0..1 + self.choices.below(3)).map(|_| {
            let meter = self.meter_id();
            let readings = vec![self.reading_of(meter); usize::from(!self.choices.chance(32))];
            MeterRun { meter, readings: readings.try_into().unwrap(), signature: None }
        });
        let runs: Vec<MeterRun> = runs.collect();
        Action::RecordReadings { runs: runs.try_into().unwrap() }
    }

    fn exchange(&mut self) -> Action {
        let meter = self.meter_id();
        Action::ExchangeMeter {
            meter,
            last: self.reading_of(meter),
            authority: MeterAuthority::Gateway(account(5)),
            register_modulus: Quantity(if self.choices.chance(4) {
                self.choices.number()
            } else {
                1_000_000_000_000_000
            }),
            register: Quantity(self.choices.number()),
        }
    }

    fn correct(&mut self) -> Action {
        let meter = self.meter_id();
        let to = self.memory.read::<MeterState>(&meter).map_or(self.now, |state| state.last.time);
        let to = if self.choices.chance(2) { to } else { self.choices.time(self.now) };
        let from = Timestamp(to.0.saturating_sub(u64::from(self.choices.byte()) * HOUR_MS));
        let (certified, right) = (self.quantity(), self.quantity());
        Action::CorrectReadings { meter, interval: Window { from, to }, certified, right, reason: Text::default() }
    }

    fn package(&mut self) -> Package {
        let mut package = self.plain_package();
        package.label = Label([self.choices.byte() % 2; 16]);
        package.version = u32::from(1 + self.choices.byte() % 3);
        match self.choices.below(10) {
            0 => package.terms.offset_minutes = self.choices.of(&[i16::MIN, i16::MAX, -841, 841, 330, -720]),
            1 => package.terms.notice_days = self.choices.byte(),
            2 => {
                let rule = match self.choices.below(3) {
                    0 => ChargeRule::Fixed { per_month: Money(self.choices.number()) },
                    1 => ChargeRule::Minimum { per_month: Money(self.choices.number()) },
                    _ => ChargeRule::Demand { carrier: self.choices.carrier(), per_kw: Money(self.choices.number()) },
                };
                let charge = Charge { name: "charge".parse().unwrap(), rule, vat_permille: self.choices.short() };
                package.terms.charges = vec![charge].try_into().unwrap();
            }
            3 => package.options.as_mut_slice()[0].vat_permille = self.choices.short(),
            place => {
                let (short, number) = (self.choices.short(), self.choices.number());
                let Tariff::Metered(tariff) = &mut package.options.as_mut_slice()[0].tariff else { return package };
                match place {
                    4 => tariff.price.money = Money(number),
                    5 => tariff.levy = Money(number),
                    6 => tariff.time_of_use.factors_permille[3] = short,
                    7 => tariff.steps.as_mut_slice()[0].discount_permille = short,
                    8 => tariff.grace = Quantity(number),
                    _ => {}
                }
            }
        }
        package
    }

    fn subscribe(&mut self) -> Action {
        let (label, mut terms) = (self.choices.label(), self.subscription());
        if !self.choices.chance(4) {
            // The meter of one of the users.
            let meter = MeterId::of(account(5), Label([1 + self.choices.byte() % 3; 16]));
            terms.services.as_mut_slice()[0].meter = Some(meter);
        }
        for user in [2, 3, 4] {
            self.agreements.insert(AgreementId::of(account(user), label));
        }
        Action::Subscribe { label, terms }
    }

    fn payment(&mut self) -> Prepayment {
        let period = self.choices.of(&[Period::Month, Period::Quarter, Period::Year]);
        let amount = Money(if self.choices.chance(4) {
            self.choices.number()
        } else {
            1_000_000 * u64::from(self.choices.byte())
        });
        match self.choices.below(4) {
            0 => Prepayment::AmountForPeriod { amount, period },
            1 => Prepayment::Period { period, at_most: Money(u64::MAX) },
            _ => Prepayment::Amount(amount),
        }
    }
}
