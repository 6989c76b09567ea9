//! What the ledger keeps of what is over, and for how long: a member cannot make the others keep more and more.

mod world;

use utilidor_ledger::KEPT_AFTER_END_MS;
use utilidor_ledger::record::{AgreementRecord, AgreementState, SlotRecord, SoldDay};
use utilidor_types::agreement::*;
use utilidor_types::time::DAY_MS;
use utilidor_types::*;
use world::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const METER: &str = "alice/electricity";

fn later(time: Timestamp, ms: u64) -> Timestamp {
    Timestamp(time.0 + ms)
}

/// The station sells bob 100 kWh for a day of the year, counted from 0.
fn day_sold(world: &mut World, number: u64) -> AgreementId {
    let called = format!("day {number}");
    let lot = PurchaseLot {
        carrier: ELECTRICITY,
        quantity: Quantity(100 * KWH),
        price: Price::micro_per_kwh(500_000),
        metering: Metering { delivery: None, take: Some(meter_id("bob/electricity")) },
    };
    let from = later(at(1, 1, 0), number * DAY_MS);
    let program = Program::Purchase(PurchaseTerms {
        lots: vec![lot].try_into().unwrap(),
        window: Window { from, to: later(from, DAY_MS) },
        deposit_permille: 0,
        guarantee_permille: 0,
        tolerance_permille: 1_000,
        grace_ms: 0,
        substitute: Substitute::Nothing,
    });
    let terms = AgreementTerms::between(account("station"), account("bob"), program);
    let proposal = Action::ProposeAgreement { label: label(&called), terms: terms.clone(), signing_ms: 3_600_000 };
    world.done("station", proposal);
    let agreement = agreement_of("station", &called);
    world.done("bob", Action::SignAgreement { agreement, terms: terms.digest() });
    agreement
}

#[test]
fn an_agreement_leaves_the_state_once_no_supplement_can_come_any_more() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 10, 0);
    world.done("gateway", world.readings(METER, &[(world.now, 0)]));
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    let ended = at(1, 10, 6);
    world.pass_to(ended);
    assert_eq!(world.agreement(subscription_id()).status, Status::Terminated);
    world.pass_to(later(ended, KEPT_AFTER_END_MS - 1));
    assert!(world.has_agreement(subscription_id()));
    let receipts = world.pass_to(later(ended, KEPT_AFTER_END_MS));
    assert_eq!(receipts, [], "nobody is told");
    assert_eq!(world.state.read::<AgreementState>(&subscription_id()), None);
    assert!(world.state.read::<AgreementRecord>(&subscription_id()).is_none());
    assert!((0..16).all(|slot| world.state.read::<SlotRecord>(&(subscription_id(), slot)).is_none()));
    let again = world.subscription(vec![world.service("alice", ELECTRICITY, 0)]);
    assert_eq!(world.refused("alice", again), Refusal::IdTaken, "its id names nothing else");
}

#[test]
fn an_agreement_that_owes_something_is_kept_until_it_is_paid() {
    let mut world = World::new();
    world.done("station", Action::PublishPackage(world.package(1)));
    let services = vec![world.service("alice", ELECTRICITY, 0)];
    let terms = SubscriptionTerms { allowance: Money::ZERO, ..world.subscription_terms(services) };
    world.done("alice", Action::Subscribe { label: label("s"), terms });
    world.now = at(1, 10, 0);
    world.done("gateway", world.readings(METER, &[(world.now, 100 * KWH)]));
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.pass_to(at(1, 10, 6));
    let owed = world.agreement(subscription_id()).debt;
    assert!(owed > Money::ZERO);
    world.pass_to(later(at(1, 10, 6), 2 * KEPT_AFTER_END_MS));
    world.done("alice", Action::PayDebt { agreement: subscription_id(), amount: owed });
    world.pass_to(later(world.now, 1_000));
    assert!(!world.has_agreement(subscription_id()));
}

#[test]
fn what_a_late_reading_brings_of_the_time_before_is_not_the_later_agreements() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 10, 0);
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.pass_to(at(1, 10, 6));
    let begins = later(world.now, KEPT_AFTER_END_MS);
    world.pass_to(begins);
    let terms = world.subscription_terms(vec![world.service("alice", ELECTRICITY, 0)]);
    world.done("alice", Action::Subscribe { label: label("later"), terms });
    world.now = at(3, 1, 0);
    // Until 10 January, until the new subscription, and then.
    let days = (at(3, 1, 0).0 - at(1, 1, 0).0) / DAY_MS;
    world.done("gateway", world.readings(METER, &[(world.now, days * 24 * KWH)]));
    let receipts = world.pass_to(at(3, 1, 6));
    let events: Vec<Event> = receipts.iter().flat_map(|receipt| receipt.events().to_vec()).collect();
    let lines = &statement(&events).lines;
    let used = lines.iter().map(|line| match line {
        utilidor_types::statement::StatementLine::Usage { period, quantity, .. } => {
            assert!(period.from >= begins);
            quantity.0
        }
        _ => 0,
    });
    let hours = (at(3, 1, 0).0 - begins.0) / 3_600_000;
    assert_eq!(used.sum::<u64>() / KWH, hours);
}

#[test]
fn the_hours_of_past_days_that_were_sold_are_not_kept() {
    let mut world = World::new();
    let mut cells = Vec::new();
    for number in 1..100 {
        world.pass_to(later(at(1, 1, 0), (number - 1) * DAY_MS));
        day_sold(&mut world, number);
        cells.push(world.state.cells().len());
    }
    let kept = |number: u64| {
        let day = (later(at(1, 1, 0), number * DAY_MS).0 / DAY_MS) as u32;
        world.state.read::<SoldDay>(&(account("station"), ELECTRICITY, day)).is_some()
    };
    assert!(kept(99) && !kept(90), "what is past has gone");
    // As many agreements as are kept after their end, and of each past one that its id is used; the calendar's own cells come
    // and go.
    assert!(cells[98] <= cells[60] + 38 + 4, "{} and {}", cells[60], cells[98]);
}
