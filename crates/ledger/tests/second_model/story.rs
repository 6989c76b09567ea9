//! A story: what happens to one subscription in some weeks, told to the ledger and to the second model alike.

use crate::model::{Bill, DAY, HOUR, MINUTE, Model, Tariff as ModelTariff};
use crate::world::*;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::{AgreementTerms, SubscriptionTerms};
use utilidor_types::package::{Charge, ChargeRule, Package, Tariff};
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const METER: &str = "alice/electricity";
/// Millionths for a kW in a month.
const PER_KW: u64 = 30_000_000;
/// What rounding can make of a statement's money, in millionths, and of its shares, in joules.
const ROUNDING_MICRO: f64 = 100.0;
const ROUNDING_JOULES: f64 = 50.0;

/// What somebody does.
#[derive(Debug, Clone, Copy)]
enum Deed {
    /// What was read up to a time is sent in.
    Deliver(i64),
    Prepay(u64),
    /// To a version, from so much later on.
    Amend(u32, i64),
    /// The reading at this place among those that were sent in ended with so many thousandths more or less than was shown.
    Correct(usize, i64),
    End,
}

struct Story {
    seed: u64,
    world: World,
    model: Model,
    /// Times, and what flowed before each.
    readings: Vec<(i64, i64)>,
    delivered: usize,
    register: i64,
    corrected: Vec<usize>,
    allowance: Money,
    /// What came after the final statement, by the ledger.
    supplements: Vec<Statement>,
    /// By the model and by the ledger.
    credits: BTreeMap<(i64, usize), i64>,
    credits_said: BTreeMap<(i64, usize), i64>,
    log: Vec<String>,
}

fn random_deeds(rng: &mut StdRng, from: i64, until: i64) -> Vec<(i64, Deed)> {
    let minute = |rng: &mut StdRng| from + rng.random_range(1..(until - from) / MINUTE) * MINUTE;
    let mut deeds = Vec::new();
    for _ in 0..rng.random_range(0..7) {
        let amount = [5, 50, 300, 2_000, 9_000, 12_000, 60_000][rng.random_range(0..7)];
        deeds.push((minute(rng), Deed::Prepay(amount * 1_000_000 + rng.random_range(0..1_000_000))));
    }
    for version in 0..rng.random_range(0..3) {
        let later = [0, 90 * MINUTE, 3 * DAY][rng.random_range(0..3)];
        deeds.push((minute(rng), Deed::Amend(version + 2, later)));
    }
    for _ in 0..rng.random_range(0..4) {
        let thousandths = rng.random_range(-400..400);
        deeds.push((minute(rng), Deed::Correct(rng.random_range(0..1_000), thousandths)));
    }
    let mut at = from;
    while at < until + 10 * DAY {
        at += [HOUR, 7 * HOUR, DAY, 4 * DAY][rng.random_range(0..4)] + rng.random_range(0..60) * MINUTE;
        let lag = [0, 0, HOUR, 9 * HOUR, 3 * DAY][rng.random_range(0..5)];
        deeds.push((at, Deed::Deliver(at - lag)));
    }
    deeds.push((until, Deed::End));
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

/// Readings at any minute, and mostly at the ends of months and hours.
fn random_readings(rng: &mut StdRng, from: i64, until: i64) -> Vec<(i64, i64)> {
    let (mut readings, mut at) = (Vec::new(), from);
    let months: Vec<i64> = [(2, 1), (3, 1)].map(|(month, day)| crate::world::at(month, day, 0).0 as i64).into();
    while at < until {
        let gap = [20 * MINUTE, HOUR, HOUR, HOUR, 5 * HOUR, 25 * HOUR, 2 * DAY][rng.random_range(0..7)];
        let odd = if rng.random_bool(0.3) { rng.random_range(0..30) * MINUTE } else { 0 };
        let mut next = at + gap + odd;
        if let Some(month) = months.iter().find(|month| at < **month && **month < next).filter(|_| rng.random_bool(0.7))
        {
            next = *month;
        }
        let kwh_per_hour = [0, 1, 7, 120][rng.random_range(0..4)];
        let flowed = kwh_per_hour * ((next - at) / MINUTE) * 60_000 + rng.random_range(0..100_000);
        readings.push((next, flowed));
        at = next;
    }
    readings
}

fn packages(world: &World, vat_permille: u16) -> [Package; 3] {
    [1, 2, 3].map(|version| {
        let mut package = world.package(version);
        let option = &mut package.options.as_mut_slice()[0];
        option.vat_permille = vat_permille;
        let Tariff::Metered(tariff) = &mut option.tariff else { unreachable!() };
        tariff.price.money = Money([800_000, 937_500, 611_111][version as usize - 1]);
        tariff.levy = Money([0, 27_000, 31_415][version as usize - 1]);
        let charge = Charge {
            name: "demand".parse().unwrap(),
            rule: ChargeRule::Demand { carrier: ELECTRICITY, per_kw: Money(PER_KW) },
            vat_permille,
        };
        package.terms.charges = vec![charge].try_into().unwrap();
        package
    })
}

fn tariff_of(package: &Package) -> ModelTariff {
    let Tariff::Metered(tariff) = &package.options[0].tariff else { unreachable!() };
    let steps = tariff.steps.iter().map(|step| (step.from.0 as f64, f64::from(step.discount_permille) / 1_000.0));
    ModelTariff {
        price: tariff.price.money.0 as f64,
        night: f64::from(tariff.time_of_use.factors_permille[3]) / 1_000.0,
        levy: tariff.levy.0 as f64,
        steps: steps.collect(),
    }
}

/// Plays the story of a seed.
pub fn play(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new();
    let vat_permille = if rng.random_bool(0.5) { 130 } else { 0 };
    let packages = packages(&world, vat_permille);
    for package in &packages {
        world.done("station", Action::PublishPackage(package.clone()));
    }
    let begin = world.now.0 as i64;
    let opened = begin + 37 * MINUTE;
    let until = opened + rng.random_range(10 * DAY / MINUTE..70 * DAY / MINUTE) * MINUTE;
    let allowance = if rng.random_bool(0.5) { Money::ZERO } else { Money::units(100_000) };
    world.now = Timestamp(opened as u64);
    let terms =
        SubscriptionTerms { allowance, ..world.subscription_terms(vec![world.service("alice", ELECTRICITY, 0)]) };
    world.done("alice", Action::Subscribe { label: label("s"), terms });
    let tariffs = packages.iter().map(tariff_of).collect();
    let model = Model::new(tariffs, f64::from(vat_permille) / 1_000.0, PER_KW as f64, (begin, 0), opened);
    let mut story = Story {
        seed,
        world,
        model,
        readings: random_readings(&mut rng, begin, until + 5 * DAY),
        delivered: 0,
        register: 0,
        corrected: Vec::new(),
        allowance,
        supplements: Vec::new(),
        credits: BTreeMap::new(),
        credits_said: BTreeMap::new(),
        log: Vec::new(),
    };
    for (at, deed) in random_deeds(&mut rng, opened, until) {
        story.fall_due(at);
        story.world.pass_to(Timestamp(at as u64));
        story.log.push(format!("{at} {deed:?}"));
        story.happens(at, deed);
    }
    story.fall_due(until + 11 * DAY);
    assert!(story.model.next_statement().is_none(), "its end has come");
    story.compare_supplements();
}

impl Story {
    fn fall_due(&mut self, until: i64) {
        while let Some(due) = self.model.next_statement().filter(|due| *due <= until) {
            let receipts = self.world.pass_to(Timestamp(due as u64));
            let issued: Vec<Statement> = receipts.iter().flat_map(|receipt| issued(receipt.events())).collect();
            self.log.push(format!("{due} statement {issued:#?}"));
            let [statement] = &issued[..] else { panic!("seed {}: {} statements at {due}", self.seed, issued.len()) };
            let bill = self.model.statement();
            self.compare(&bill, statement);
            self.model.debt = statement.debt.0 as f64;
        }
    }

    fn acts(&mut self, who: &str, action: Action) -> bool {
        match self.world.try_do(who, action) {
            Verdict::Applied(events) => {
                self.supplements.extend(issued(&events));
                true
            }
            Verdict::Refused(refusal) => {
                self.log.push(format!("refused: {refusal}"));
                false
            }
        }
    }

    fn happens(&mut self, at: i64, deed: Deed) {
        match deed {
            Deed::Deliver(until) => self.deliver(until),
            Deed::Prepay(amount) => {
                let action = self.world.prepay(ELECTRICITY, Prepayment::Amount(Money(amount)));
                if self.acts("alice", action) {
                    self.model.prepay(at, amount as f64);
                }
            }
            Deed::Amend(version, later) => self.amend(version, at + later),
            Deed::Correct(place, thousandths) => self.correct(place, thousandths),
            Deed::End => {
                assert!(self.acts("alice", Action::Terminate { agreement: subscription_id() }));
                self.model.end(at);
            }
        }
    }

    fn deliver(&mut self, until: i64) {
        let mut batch = Vec::new();
        while let Some((time, flowed)) = self.readings.get(self.delivered).copied().filter(|(time, _)| *time <= until) {
            self.register += flowed;
            batch.push((Timestamp(time as u64), self.register as u64));
            self.delivered += 1;
        }
        for batch in batch.chunks(64) {
            assert!(self.acts("gateway", self.world.readings(METER, batch)));
        }
        batch.iter().for_each(|(time, register)| self.model.read(time.0 as i64, *register as i64));
    }

    fn amend(&mut self, version: u32, from: i64) {
        let services = vec![self.world.service("alice", ELECTRICITY, 0)];
        let terms = SubscriptionTerms { version, allowance: self.allowance, ..self.world.subscription_terms(services) };
        let program = Program::Subscription(terms);
        let terms = AgreementTerms::between(account("station"), account("alice"), program.clone());
        let (agreement, from_ms) = (subscription_id(), Timestamp(from as u64));
        if !self.acts("station", Action::ProposeAmendment { agreement, program, from: from_ms }) {
            return;
        }
        let terms = terms.amendment_digest(from_ms);
        if self.acts("alice", Action::SignAmendment { agreement, terms }) {
            self.model.amend(from, version as usize - 1);
        }
    }

    fn correct(&mut self, place: usize, thousandths: i64) {
        if self.delivered == 0 || thousandths == 0 {
            return;
        }
        let place = place % self.delivered;
        let begin = at(1, 1, 0).0 as i64;
        let from = place.checked_sub(1).map_or(begin, |before| self.readings[before].0);
        let (to, certified) = self.readings[place];
        let right = certified + certified / 1_000 * thousandths;
        if certified < 1_000_000 || self.corrected.contains(&place) {
            return;
        }
        let interval = Window { from: Timestamp(from as u64), to: Timestamp(to as u64) };
        let [shown, is] = [certified, right].map(|joules| Quantity(joules as u64));
        let (meter, reason) = (meter_id(METER), Text::default());
        let action = Action::CorrectReadings { meter, interval, certified: shown, right: is, reason };
        if self.acts("operator", action) {
            self.corrected.push(place);
            self.model.correct((from, to), certified, right);
            if place + 1 == self.delivered {
                self.register += right - certified;
            }
        }
    }

    fn compare_supplements(&mut self) {
        let supplements = std::mem::take(&mut self.supplements);
        let mut said = Said::default();
        for supplement in &supplements {
            assert_eq!(supplement.closing, Closing::Supplement, "seed {}", self.seed);
            said.add(supplement);
        }
        let bill = self.model.supplements();
        self.log.push(format!("{supplements:#?}"));
        self.note_credits(&bill, &said);
        self.compare_said(&bill, &said);
        let rounding = ROUNDING_MICRO * (1 + supplements.len()) as f64;
        self.about(said.demand, bill.demand, rounding, "demand", &bill);
        self.must(self.credits == self.credits_said, &format!("credits {:?}", self.credits_said), &bill);
    }

    fn compare(&mut self, bill: &Bill, statement: &Statement) {
        let closing = if bill.is_final { Closing::End } else { Closing::Period };
        self.must(statement.closing == closing, "closing", bill);
        self.must(statement.period.to.0 as i64 == bill.ends, "end of the period", bill);
        let mut said = Said::default();
        said.add(statement);
        self.note_credits(bill, &said);
        self.compare_said(bill, &said);
        self.about(said.demand, bill.demand, ROUNDING_MICRO, "demand", bill);
        self.about(said.refund, bill.refund, ROUNDING_MICRO, "refund", bill);
        let due = (bill.net + bill.demand - said.credit) * (1.0 + self.model.vat) + bill.withheld;
        if due >= 0.0 && (bill.credited.is_empty() || !bill.is_final) {
            self.about((statement.paid.0 + statement.unpaid.0) as f64, due, ROUNDING_MICRO, "due", bill);
        }
        if said.credit == 0.0 && !bill.is_final {
            let unpaid = if self.allowance == Money::ZERO { bill.owed } else { 0.0 };
            self.about(statement.unpaid.0 as f64, unpaid, ROUNDING_MICRO, "unpaid", bill);
        }
    }

    /// A credit that is more than what is due waits: when it stands on a statement is not compared, but that it does.
    fn note_credits(&mut self, bill: &Bill, said: &Said) {
        for (credits, new) in [(&mut self.credits, &bill.credited), (&mut self.credits_said, &said.credited)] {
            new.iter().for_each(|(key, joules)| *credits.entry(*key).or_default() += joules);
        }
    }

    fn compare_said(&self, bill: &Bill, said: &Said) {
        self.must(said.used == bill.used, &format!("usage {:?}", said.used), bill);
        self.about(said.at_list, bill.at_list, ROUNDING_JOULES, "at list price", bill);
        self.about(said.prepaid, bill.prepaid, ROUNDING_JOULES, "prepaid", bill);
        self.about(said.net, bill.net, ROUNDING_MICRO, "net", bill);
    }

    fn about(&self, found: f64, expected: f64, rounding: f64, what: &str, bill: &Bill) {
        self.must((found - expected).abs() <= rounding, &format!("{what}: {found}, expected {expected}"), bill);
    }

    fn must(&self, holds: bool, what: &str, bill: &Bill) {
        if !holds {
            self.log.iter().for_each(|line| println!("{line}"));
            panic!("seed {}: {what}\n{bill:#?}", self.seed);
        }
    }
}

/// What statements say, in the model's words.
#[derive(Debug, Default)]
struct Said {
    used: BTreeMap<(i64, usize), i64>,
    credited: BTreeMap<(i64, usize), i64>,
    at_list: f64,
    prepaid: f64,
    net: f64,
    demand: f64,
    credit: f64,
    refund: f64,
}

impl Said {
    fn add(&mut self, statement: &Statement) {
        let split = |bands: &Bands| [bands.0[0].0 as i64, bands.0[3].0 as i64];
        for line in &statement.lines {
            match line {
                StatementLine::Usage { period, band, quantity, .. } => {
                    let band = usize::from(*band as u8 == 3);
                    *self.used.entry((period.from.0 as i64, band)).or_default() += quantity.0 as i64;
                }
                StatementLine::Energy { tranche, bands, amount, .. } => {
                    let quantity = split(bands).iter().sum::<i64>() as f64;
                    *(if *tranche > 0 { &mut self.prepaid } else { &mut self.at_list }) += quantity;
                    self.net += amount.0 as f64;
                }
                StatementLine::Levy { amount, .. } => self.net += amount.0 as f64,
                StatementLine::Demand { amount, .. } => self.demand += amount.0 as f64,
                StatementLine::Credit { period, bands, amount, .. } => {
                    self.credit += amount.0 as f64;
                    for (band, joules) in split(bands).into_iter().enumerate().filter(|(_, joules)| *joules > 0) {
                        *self.credited.entry((period.from.0 as i64, band)).or_default() += joules;
                    }
                }
                StatementLine::Refund { amount, .. } => self.refund += amount.0 as f64,
                StatementLine::Tax { .. } => {}
                other => panic!("no such line is expected: {other:?}"),
            }
        }
    }
}

fn issued(events: &[Event]) -> Vec<Statement> {
    let statements = events.iter().filter_map(|event| match event {
        Event::StatementIssued(statement) => Some(statement.clone()),
        _ => None,
    });
    statements.collect()
}
