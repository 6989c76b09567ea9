//! A small world to test rules in: a station, a solar roof, three users, a meter operator and an issuer, on a
//! state in memory. One action is one block; time stands still until a test moves it.
#![allow(dead_code)] // every test file uses a part of it

pub mod puppet;

use commonware_parallel::Sequential;
use std::collections::HashMap;
use utilidor_ledger::Outcome;
use utilidor_ledger::memory::Memory;
use utilidor_ledger::record::{AccountRecord, AgreementState, OfferRecord, Totals};
use utilidor_types::action::{AwardBasis, AwardedQuote, NewAccount, Prepayment};
use utilidor_types::agreement::*;
use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
use utilidor_types::hash::tagged_hash;
use utilidor_types::key::PrivateKey;
use utilidor_types::meter::{MeterAuthority, MeterRun, MeterSignature, READING_NAMESPACE, run_message};
use utilidor_types::offer::{AwardRule, Seal};
use utilidor_types::package::*;
use utilidor_types::quote::{QuoteLine, SALT_BYTES, sealed_bytes};
use utilidor_types::time::{Date, HOUR_MS};
use utilidor_types::transaction::verify_batch;
use utilidor_types::*;

/// Where the world is: Beijing.
pub const OFFSET: i16 = 480;
/// A kilowatt-hour in joules.
pub const KWH: u64 = 3_600_000;

/// The instant of an hour of a day of 2025, in local time.
pub fn at(month: u8, day: u8, hour: u64) -> Timestamp {
    let midnight = Date { year: 2025, month, day }.midnight(OFFSET).unwrap();
    Timestamp(midnight.0 + hour * HOUR_MS)
}

/// What somebody calls something.
pub fn label(text: &str) -> Label {
    Label::of_text(text)
}
/// The station's offer of this label.
pub fn offer_id(text: &str) -> OfferId {
    OfferId::of(account("station"), label(text))
}
/// The agreement that somebody has given this label.
pub fn agreement_of(creator: &str, text: &str) -> AgreementId {
    AgreementId::of(account(creator), label(text))
}
/// The station's agreement of this label; awards are called after the bidder.
pub fn agreement_id(text: &str) -> AgreementId {
    agreement_of("station", text)
}
/// Alice's subscription `s`.
pub fn subscription_id() -> AgreementId {
    agreement_of("alice", "s")
}
/// The operator's meter of this label.
pub fn meter_id(text: &str) -> MeterId {
    MeterId::of(account("operator"), label(text))
}
/// The station's package of this label.
pub fn package_id(text: &str) -> PackageId {
    PackageId::of(account("station"), label(text))
}
/// The key of an actor.
pub fn key(label: &str) -> PrivateKey {
    PrivateKey::ed25519(tagged_hash("test key", &[label.as_bytes()]).0)
}
/// The account of an actor.
pub fn account(label: &str) -> AccountId {
    AccountId::of(&key(label).public_key())
}
/// The member of an actor.
pub fn member(label: &str) -> MemberId {
    MemberId::of(account(label))
}

/// The world.
pub struct World {
    pub state: Memory,
    pub now: Timestamp,
    nonces: HashMap<String, u64>,
    rng: rand::rngs::StdRng,
}

impl World {
    /// A world at 2025-01-01T00:00 local time in which every user and owner has 1,000,000.
    pub fn new() -> Self {
        Self::with_limits(Limits::DEFAULT)
    }

    /// The same with other limits for its members.
    pub fn with_limits(limits: Limits) -> Self {
        use Role::*;
        let members = [
            ("station", &[Owner, Validator][..]),
            ("roof", &[Owner]),
            ("alice", &[User]),
            ("bob", &[User]),
            ("carol", &[User]),
            ("operator", &[MeterOperator]),
            ("gateway", &[MeterOperator]),
            ("issuer", &[Issuer]),
            ("nobody", &[]),
        ];
        let members = members.map(|(label, roles)| GenesisMember { account: account(label), roles: Roles::of(roles) });
        let members = members.to_vec().try_into().unwrap();
        let key = key("validator").public_key();
        Self::on(Genesis::alone(ChainKind::Development, at(1, 1, 0), key, members, limits))
    }

    /// The same on another genesis document, in which the station decides alone.
    pub fn on(genesis: Genesis) -> Self {
        let mut world = Self::bare(genesis);
        for label in ["station", "roof", "alice", "bob", "carol"] {
            let action =
                Action::Issue { to: account(label), amount: Money::units(1_000_000), reference: Text::default() };
            world.done("issuer", action);
        }
        for owner in ["station", "roof"] {
            for carrier in Carrier::ALL {
                let per_hour = Quantity(1_000_000 * KWH);
                world.done(
                    "station",
                    Action::decide(Decision::DeclareCapacity { owner: account(owner), carrier, per_hour }),
                );
            }
        }
        for (holder, carrier) in [
            ("roof", Carrier::Electricity),
            ("alice", Carrier::Electricity),
            ("alice", Carrier::Heating),
            ("alice", Carrier::HotWater),
            ("bob", Carrier::Electricity),
        ] {
            world.done("operator", Action::RegisterMeter(world.meter(holder, carrier)));
        }
        world
    }

    /// A world in which nothing has happened yet.
    pub fn bare(genesis: Genesis) -> Self {
        Self {
            now: genesis.time,
            state: Memory::new(genesis),
            nonces: HashMap::new(),
            rng: rand::SeedableRng::seed_from_u64(1),
        }
    }

    /// A meter document: gateway-signed, named `holder/carrier`.
    pub fn meter(&self, holder: &str, carrier: Carrier) -> Meter {
        Meter {
            label: label(&format!("{holder}/{carrier}")),
            carrier,
            holder: account(holder),
            authority: MeterAuthority::Gateway(account("gateway")),
            register_modulus: Quantity(1_000_000_000 * KWH),
            capacity_per_hour: Quantity(10_000 * KWH),
            register: Quantity(0),
            since: self.now,
        }
    }

    /// Signs an action of an actor as its next transaction.
    pub fn sign(&mut self, actor: &str, action: Action) -> SignedTransaction {
        let nonce = self.nonces.entry(actor.into()).or_default();
        let transaction = Transaction {
            chain: self.state.genesis().chain(),
            signer: key(actor).public_key(),
            nonce: *nonce,
            expires: self.state.height() + 1_000,
            action,
        };
        *nonce += 1;
        transaction.sign(&key(actor))
    }

    /// Executes a block with these transactions at the present time.
    pub fn block(&mut self, transactions: Vec<SignedTransaction>) -> Outcome {
        let chain = self.state.genesis().chain();
        let verified = verify_batch(chain, transactions, &mut self.rng, &Sequential);
        let verified = verified.into_iter().map(|verified| verified.expect("the test signs well")).collect();
        let outcome = self.state.execute(self.now, verified);
        self.check_money();
        outcome
    }

    /// Applies one action and gives its verdict.
    pub fn try_do(&mut self, actor: &str, action: Action) -> Verdict {
        let transaction = self.sign(actor, action);
        let outcome = self.block(vec![transaction]);
        assert_eq!(outcome.inadmissible, vec![]);
        outcome.receipts.into_iter().next_back().unwrap().verdict
    }

    /// Applies one action that must succeed, and gives its events.
    pub fn done(&mut self, actor: &str, action: Action) -> Vec<Event> {
        match self.try_do(actor, action.clone()) {
            Verdict::Applied(events) => events.into_vec(),
            Verdict::Refused(refusal) => panic!("{} by {actor} was refused: {refusal}", action.name()),
        }
    }

    /// Applies one action that must be refused, and checks that nothing but the nonce has changed, and what the member's programs have
    /// used.
    pub fn refused(&mut self, actor: &str, action: Action) -> Refusal {
        let mut before = self.state.clone();
        let Verdict::Refused(refusal) = self.try_do(actor, action.clone()) else {
            panic!("{} by {actor} was not refused", action.name())
        };
        let mut account_after = self.state.read::<AccountRecord>(&account(actor)).unwrap();
        account_after.nonce -= 1;
        assert_eq!(before.read::<AccountRecord>(&account(actor)).unwrap(), account_after);
        before.execute(self.now, vec![]);
        let nonce_cell = utilidor_types::Key::of(3, &encode(&account(actor)));
        let others = |state: &Memory| {
            let mut cells = state.cells().clone();
            cells.remove(&nonce_cell);
            cells.remove(&utilidor_types::Key::of(28, &encode(&member(actor))));
            cells
        };
        assert_eq!(others(&before), others(&self.state), "a refused action changes nothing");
        refusal
    }

    /// Moves time and lets an empty block pass; gives its due receipts.
    pub fn pass_to(&mut self, time: Timestamp) -> Vec<Receipt> {
        self.now = time;
        self.block(vec![]).receipts
    }

    /// What an account has free and reserved.
    pub fn balance(&self, label: &str) -> (Money, Money) {
        let record: AccountRecord = self.state.read(&account(label)).unwrap();
        (record.free, record.reserved)
    }

    /// Where an agreement of the station's stands.
    pub fn status(&self, label: &str) -> Status {
        self.agreement(agreement_id(label)).status
    }

    /// What changes about an agreement.
    pub fn agreement(&self, id: AgreementId) -> AgreementState {
        self.state.read(&id).expect("there is such an agreement")
    }

    /// Whether there is an agreement.
    pub fn has_agreement(&self, id: AgreementId) -> bool {
        self.state.read::<AgreementState>(&id).is_some()
    }

    /// A new account for a member, signed by its key.
    pub fn new_account(&self, label: &str, of: &str) -> NewAccount {
        NewAccount::sign(self.state.genesis().chain(), member(of), &key(label))
    }

    /// Moves money.
    pub fn transfer(&mut self, from: &str, to: &str, amount: Money) {
        self.done(from, Action::Transfer { to: account(to), amount, reference: Text::default() });
    }

    /// Money is conserved: over all accounts, not just the changed ones.
    pub fn check_money(&self) {
        let totals: Totals = self.state.read(&()).unwrap();
        let labels = [
            "station", "roof", "alice", "bob", "carol", "operator", "gateway", "issuer", "nobody", "new", "north",
            "east", "south", "west",
        ];
        let sum: u64 = labels
            .iter()
            .filter_map(|label| self.state.read::<AccountRecord>(&account(label)))
            .map(|account| account.free.0 + account.reserved.0)
            .sum();
        assert_eq!(sum, totals.issued.0 - totals.redeemed.0, "money is conserved");
    }

    /// An offer of electricity by the station for 10 January: 1,000 kWh at 0.50, user-metered.
    pub fn offer(&self, label: &str) -> Offer {
        Offer {
            label: self::label(label),
            lots: vec![Lot {
                carrier: Carrier::Electricity,
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

    /// A quote of one line with the bidder's electricity meter.
    pub fn content(&self, bidder: &str, kwh: u64, micro_per_kwh: u64) -> Opening {
        let user_meter = meter_id(&format!("{bidder}/electricity"));
        let line = QuoteLine { quantity: Quantity(kwh * KWH), price: Money(micro_per_kwh), user_meter };
        Opening { salt: [3; SALT_BYTES], lines: vec![line].try_into().unwrap() }
    }

    /// A quote with that content; the ledger never looks into the sealed bytes.
    pub fn quote(&self, offer: &str, bidder: &str, content: &Opening, binding: bool) -> Action {
        let (chain, offer) = (self.state.genesis().chain(), offer_id(offer));
        let offered = self.state.read::<OfferRecord>(&offer).map(|record| record.offer.digest());
        Action::submit_quote(SealedQuote {
            offer,
            offered: offered.unwrap_or_default(),
            commitment: content.commitment(chain, offer, account(bidder)),
            sealed: vec![0; sealed_bytes(content.lines.len())],
            binding,
        })
    }

    /// An award of one quote; the agreement has the bidder's name.
    pub fn award(&self, offer: &str, bidder: &str, content: &Opening) -> Action {
        Action::Award { awards: vec![self.awarded(offer, bidder, bidder, content)].try_into().unwrap() }
    }

    /// A quote that is awarded; the agreement is called `called`.
    pub fn awarded(&self, offer: &str, bidder: &str, called: &str, content: &Opening) -> AwardedQuote {
        let (offer, bidder, label) = (offer_id(offer), account(bidder), label(called));
        AwardedQuote { offer, bidder, label, opening: content.clone(), basis: AwardBasis::Choice }
    }

    /// The reason why an award's only quote could not be concluded.
    pub fn award_refused(&mut self, actor: &str, award: Action) -> Refusal {
        let events = self.done(actor, award);
        match events.last() {
            Some(Event::AwardRefused { refusal, .. }) => refusal.clone(),
            other => panic!("the award was concluded: {other:?}"),
        }
    }

    /// Plays the trade up to an active agreement: offer `o`, a binding quote of 1,000 kWh at 0.60 by `bidder`.
    pub fn trade(&mut self, bidder: &str) {
        self.done("station", Action::publish_offer(self.offer("o")));
        let content = self.content(bidder, 1_000, 600_000);
        self.done(bidder, self.quote("o", bidder, &content, true));
        self.now = at(1, 5, 0);
        self.done("station", self.award("o", bidder, &content));
    }

    /// A gateway's batch of one meter's readings.
    pub fn readings(&self, meter: &str, readings: &[(Timestamp, u64)]) -> Action {
        let readings = readings.iter().map(|(time, register)| Reading { time: *time, register: Quantity(*register) });
        let run =
            MeterRun { meter: meter_id(meter), readings: Bounded::new(readings.collect()).unwrap(), signature: None };
        Action::RecordReadings { runs: vec![run].try_into().unwrap() }
    }

    /// A batch signed by a meter's own key.
    pub fn signed_readings(&self, meter: &str, signer: &str, readings: &[(Timestamp, u64)]) -> Action {
        let Action::RecordReadings { runs } = self.readings(meter, readings) else { unreachable!() };
        let mut run = runs.into_vec().remove(0);
        let message = run_message(self.state.genesis().chain(), run.meter, &run.readings);
        run.signature = Some(MeterSignature::Run {
            key: key(signer).public_key(),
            signature: key(signer).sign(READING_NAMESPACE, &message),
        });
        Action::RecordReadings { runs: vec![run].try_into().unwrap() }
    }

    /// The refusal of a batch's only reading.
    pub fn reading_refused(&mut self, action: Action) -> Refusal {
        match &self.done("gateway", action)[0] {
            Event::Certified { count: 0, refused, .. } if refused.len() == 1 => refused[0].refusal.clone(),
            other => panic!("expected one refused reading, got {other:?}"),
        }
    }

    /// A package: electricity 0.80 with steps and night at 40 %, heating by period or by area, hot water 28/m3.
    pub fn package(&self, version: u32) -> Package {
        let steps = |steps: &[(u64, u16)]| {
            let step = |&(units, discount_permille): &(u64, u16)| Step { from: Money::units(units), discount_permille };
            Bounded::new(steps.iter().map(step).collect()).unwrap()
        };
        let night = BandStretch {
            band: Band::Valley,
            months: EVERY_MONTH,
            days: EVERY_DAY,
            from_half_hour: 0,
            to_half_hour: 14,
        };
        let discounts = PeriodDiscounts { month_permille: 0, quarter_permille: 30, year_permille: 80 };
        let options = vec![
            TariffOption {
                carrier: Carrier::Electricity,
                tariff: Tariff::Metered(MeteredTariff {
                    price: Price::micro_per_kwh(800_000),
                    steps: steps(&[(10_000, 20), (50_000, 40)]),
                    time_of_use: TimeOfUse {
                        factors_permille: [1_000, 1_750, 1_600, 400, 400],
                        calendar: Calendar { stretches: vec![night].try_into().unwrap(), holidays: Bounded::empty() },
                    },
                    grace: Quantity(100 * KWH),
                    levy: Money::ZERO,
                }),
                vat_permille: 0,
            },
            TariffOption {
                carrier: Carrier::Heating,
                tariff: Tariff::MeteredByPeriod(MeteredByPeriodTariff {
                    price: Price::micro_per_kwh(360_000),
                    discounts,
                    grace: Quantity(100 * KWH),
                    levy: Money::ZERO,
                }),
                vat_permille: 0,
            },
            TariffOption {
                carrier: Carrier::Heating,
                tariff: Tariff::FloorArea(FloorAreaTariff {
                    per_m2: Money::units(43),
                    season: Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 },
                    discounts,
                }),
                vat_permille: 0,
            },
            TariffOption {
                carrier: Carrier::HotWater,
                tariff: Tariff::Metered(MeteredTariff {
                    price: Price::micro_per_m3(28_000_000),
                    steps: steps(&[(10_000, 20)]),
                    time_of_use: TimeOfUse::none(),
                    grace: Quantity(0),
                    levy: Money::ZERO,
                }),
                vat_permille: 0,
            },
        ];
        let terms = PackageTerms { offset_minutes: OFFSET, notice_days: 7, charges: Bounded::empty() };
        Package { label: label("p"), version, terms, options: options.try_into().unwrap() }
    }

    /// A service of a subscription.
    pub fn service(&self, user: &str, carrier: Carrier, option: u8) -> Service {
        Service {
            carrier,
            option,
            meter: Some(meter_id(&format!("{user}/{carrier}"))),
            floor_area: Area::square_metres(1_000).unwrap(),
            low_balance: Quantity(10 * KWH),
        }
    }

    /// Publishes the package and subscribes alice to these services as agreement `s`.
    pub fn subscribe(&mut self, services: Vec<Service>) {
        self.done("station", Action::PublishPackage(self.package(1)));
        self.done("alice", self.subscription(services));
    }

    /// A subscription to version 1, called `s`.
    pub fn subscription(&self, services: Vec<Service>) -> Action {
        Action::Subscribe { label: label("s"), terms: self.subscription_terms(services) }
    }

    /// A choice from version 1, with an allowance of 100,000 in 30 days.
    pub fn subscription_terms(&self, services: Vec<Service>) -> SubscriptionTerms {
        let (package, allowance) = (package_id("p"), Money::units(100_000));
        SubscriptionTerms { package, version: 1, services: services.try_into().unwrap(), allowance }
    }

    /// The station and a user agree on other terms of a subscription.
    pub fn amend(&mut self, agreement: AgreementId, user: &str, program: Program, from: Timestamp) {
        let terms = AgreementTerms::between(account("station"), account(user), program.clone());
        self.done("station", Action::ProposeAmendment { agreement, program, from });
        self.done(user, Action::SignAmendment { agreement, terms: terms.amendment_digest(from) });
    }

    /// A prepayment on alice's subscription `s`.
    pub fn prepay(&self, carrier: Carrier, payment: Prepayment) -> Action {
        Action::Prepay { subscription: subscription_id(), carrier, payment }
    }
}

/// The statement among events.
pub fn statement(events: &[Event]) -> &Statement {
    let statement = events.iter().find_map(|event| match event {
        Event::StatementIssued(statement) => Some(statement),
        _ => None,
    });
    statement.expect("a statement was issued")
}
