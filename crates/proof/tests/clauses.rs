//! A clause sheet on the ledger that follows a published index, and its bill: whoever has the receipts comes to the same
//! statement, and a changed value of the index is found.

#[path = "../../ledger/tests/world/mod.rs"]
mod world;

use utilidor_program::clauses::{
    Cadence, Definition, IndexUse, Label as Called, MeterUse, Named, Node, Payment, Periods, Sheet, Unit,
};
use utilidor_proof::evidence::{Happened, Place};
use utilidor_proof::select::select;
use utilidor_types::agreement::*;
use utilidor_types::price_index::*;
use utilidor_types::program::{CLAUSES, CodedMeter, Grant, Metered};
use utilidor_types::*;
use world::*;

const PER_KWH: Unit = Unit::Price(PriceUnit::KilowattHour);

fn named(name: &str) -> Named {
    let label = Called { en: Text::new(name).unwrap(), zh: Text::new("甲").unwrap() };
    Named { name: Text::new(name).unwrap(), label }
}

fn spot() -> PriceIndex {
    PriceIndex { name: Text::new("spot").unwrap(), unit: IndexUnit::Price(PriceUnit::KilowattHour) }
}

/// Two days from the new year, at the roof's index and no more than 0.6.
fn sheet() -> Sheet {
    let price = vec![Node::Index { index: 0, notice_hours: 0 }, Node::Number(600_000, PER_KWH), Node::Min];
    let amount = vec![Node::Defined(0), Node::Sum { meter: 0, band: None }, Node::Times];
    let periods =
        Periods { cadence: Cadence::Day, offset_minutes: OFFSET, begin: at(1, 1, 0), count: 2, grace_hours: 6 };
    let used = IndexUse { named: named("spot"), index: spot().id(account("roof")), unit: PER_KWH };
    let definition = Definition { named: named("price"), unit: PER_KWH, value: price.try_into().unwrap() };
    let payment =
        Payment { label: named("x").label, from: Party::USER, meter: Some(0), amount: amount.try_into().unwrap() };
    Sheet {
        title: named("x").label,
        periods,
        reserves: [Money::ZERO; 2],
        meters: vec![MeterUse { named: named("taken"), carrier: Carrier::Electricity }].try_into().unwrap(),
        bands: Bounded::empty(),
        indices: vec![used].try_into().unwrap(),
        definitions: vec![definition].try_into().unwrap(),
        payments: vec![payment].try_into().unwrap(),
    }
}

fn terms() -> AgreementTerms {
    let meter = CodedMeter {
        meter: meter_id("alice/electricity"),
        carrier: Carrier::Electricity,
        party: Party::USER,
        window: Window { from: at(1, 1, 0), to: at(1, 3, 0) },
        metered: Metered::Rest,
    };
    let grant = Grant { party: Party::USER, reserve: Money::ZERO, allowance: Money::units(100), renews: true };
    let coded = sheet().terms(vec![grant].try_into().unwrap(), vec![meter].try_into().unwrap()).unwrap();
    let terms = AgreementTerms::between(account("station"), account("alice"), Program::Coded(coded));
    AgreementTerms { hard_end: Some(HardEnd { at: at(1, 20, 0), fallback: Fallback::GiveBack }), ..terms }
}

fn publish(day: u8, micro: i64) -> Action {
    let period = Window { from: at(1, day, 0), to: at(1, day + 1, 0) };
    Action::PublishIndex(IndexValue { index: spot(), period, micro })
}

/// Receipts in order, with their transactions and times.
type Past = Vec<(Option<SignedTransaction>, Receipt, Timestamp)>;

struct Played {
    world: World,
    past: Past,
}

impl Played {
    fn act(&mut self, actor: &str, action: Action) {
        let signed = self.world.sign(actor, action);
        let outcome = self.world.block(vec![signed.clone()]);
        self.past.push((Some(signed), outcome.receipts.last().unwrap().clone(), self.world.now));
    }

    fn pass_to(&mut self, time: Timestamp) {
        let due = self.world.pass_to(time);
        self.past.extend(due.into_iter().map(|receipt| (None, receipt, time)));
    }
}

/// A day at 0.5, metered with 24 kWh.
fn played() -> Played {
    let mut played = Played { world: World::new(), past: Vec::new() };
    let terms = terms();
    let digest = terms.digest();
    played.act("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    played.act("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    played.act("roof", publish(1, 500_000));
    played.pass_to(at(1, 2, 1));
    let readings = played.world.readings("alice/electricity", &[(at(1, 2, 0), 24 * KWH)]);
    played.act("gateway", readings);
    played.pass_to(at(1, 2, 6));
    played
}

fn prove(chain: ChainId, past: &Past, number: u32) -> Result<usize, String> {
    let happened = past.iter().enumerate().map(|(height, (signed, receipt, time))| Happened {
        place: Place { height: height as u64, receipt: 0 },
        time: *time,
        receipt,
        transaction: signed.as_ref(),
    });
    select(chain, agreement_id("a"), number, happened).map(|selection| selection.told.len())
}

#[test]
fn a_sheet_settles_at_the_published_value_and_its_bill_is_verified_by_running_it_again() {
    let played = played();
    assert_eq!(played.world.balance("alice").0, Money::units(999_988), "24 kWh at 0.5");
    let chain = played.world.state.genesis().chain();
    assert_eq!(prove(chain, &played.past, 1), Ok(2), "the reading and the due time");

    let changed = |change: &dyn Fn(&mut Vec<Event>)| {
        let mut past = played.past.clone();
        let (_, receipt, _) = past.last_mut().unwrap();
        let Verdict::Applied(events) = receipt.verdict.clone() else { unreachable!() };
        let mut events = events.into_vec();
        change(&mut events);
        receipt.verdict = Verdict::Applied(events.try_into().unwrap());
        prove(chain, &past, 1).unwrap_err()
    };
    let value = changed(&|events| {
        for event in events {
            if let Event::IndicesRead { values, .. } = event {
                values.as_mut_slice()[0].value.as_mut().unwrap().micro += 1;
            }
        }
    });
    assert!(value.contains("line 1"), "{value}");
    let index = changed(&|events| {
        for event in events {
            if let Event::IndicesRead { values, .. } = event {
                values.as_mut_slice()[0].index = PriceIndexId::default();
            }
        }
    });
    assert!(index.contains("other indices"), "{index}");
    let silent = changed(&|events| events.retain(|event| !matches!(event, Event::IndicesRead { .. })));
    assert!(silent.contains("does not say what the program knew of indices"), "{silent}");
}

#[test]
fn a_period_waits_for_its_value_and_both_days_are_proven() {
    let mut played = played();
    played.pass_to(at(1, 3, 1));
    let readings = played.world.readings("alice/electricity", &[(at(1, 3, 0), 34 * KWH)]);
    played.act("gateway", readings);
    played.pass_to(at(1, 3, 6));
    assert_eq!(played.world.status("a"), Status::Active, "there is no value for the second day yet");
    played.act("roof", publish(2, 900_000));
    played.pass_to(at(1, 4, 6));
    assert_eq!(played.world.status("a"), Status::Settled);
    assert_eq!(played.world.balance("alice").0, Money::units(999_982), "10 kWh at 0.6");
    let chain = played.world.state.genesis().chain();
    assert_eq!(prove(chain, &played.past, 1), Ok(2));
    assert_eq!(prove(chain, &played.past, 2), Ok(3), "the reading, the day without a value, and the day with it");
}

#[test]
fn the_numbers_of_an_index_of_another_unit_are_none() {
    let mut played = Played { world: World::new(), past: Vec::new() };
    let mut sheet = sheet();
    let other = PriceIndex { unit: IndexUnit::Share, ..spot() };
    sheet.indices.as_mut_slice()[0].index = other.id(account("roof"));
    let Program::Coded(coded) = terms().program else { unreachable!() };
    let coded = sheet.terms(coded.grants, coded.meters).unwrap();
    let terms = AgreementTerms { program: Program::Coded(coded), ..terms() };
    let digest = terms.digest();
    played.act("station", Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 });
    played.act("alice", Action::SignAgreement { agreement: agreement_id("a"), terms: digest });
    let period = Window { from: at(1, 1, 0), to: at(1, 2, 0) };
    played.act("roof", Action::PublishIndex(IndexValue { index: other, period, micro: 500_000 }));
    played.pass_to(at(1, 2, 6));
    assert_eq!(played.world.agreement(agreement_id("a")).statements, 0);
}

#[test]
fn a_sheet_that_its_terms_do_not_fit_is_not_proposed() {
    let mut world = World::new();
    let mut terms = terms();
    let Program::Coded(coded) = &mut terms.program else { unreachable!() };
    coded.meters.as_mut_slice()[0].window.to = at(1, 2, 0);
    let propose = Action::ProposeAgreement { label: label("a"), terms, signing_ms: 1_000 };
    assert_eq!(world.refused("station", propose), Refusal::BadTerms { code: CLAUSES });
}
