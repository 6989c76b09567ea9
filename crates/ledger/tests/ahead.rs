//! What a rule reads is asked for ahead: who runs a unit finds all of it, and runs the unit once. Each run of a unit that misses
//! something is as dear as the one that finishes it, and the blocks of a park are made of these.

mod world;

use utilidor_types::action::Prepayment;
use utilidor_types::time::HOUR_MS;
use utilidor_types::*;
use world::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const METER: &str = "alice/electricity";
/// What is named, what that refers to, what that is found by, what that serves; and the run.
const NAMED_FOUND_AND_RUN: u32 = 5;

#[test]
fn an_award_that_lets_go_of_days_that_are_past_is_run_once() {
    let mut world = World::new();
    world.done("station", Action::publish_offer(world.offer("o")));
    let content = world.content("alice", 1_000, 600_000);
    world.done("alice", world.quote("o", "alice", &content, true));
    world.now = at(1, 5, 0);
    world.done("station", world.award("o", "alice", &content));
    assert_eq!(world.state.passes(), NAMED_FOUND_AND_RUN);
}

#[test]
fn a_purchase_is_settled_in_the_pass_after_its_meters_have_come() {
    let mut world = World::new();
    world.trade("alice");
    world.pass_to(at(1, 10, 1));
    let receipts = world.pass_to(at(1, 11, 2));
    assert!(format!("{receipts:?}").contains("StatementIssued"), "{receipts:?}");
    // The calendar, the agreement, what it refers to; and the run.
    assert_eq!(world.state.passes(), 4);
}

#[test]
fn a_reading_that_passes_a_mark_or_reaches_a_level_is_run_once() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.pass_to(Timestamp(world.state.time().0 + 5_000));
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(10))));
    let hour = Timestamp((world.state.time().0 / HOUR_MS + 1) * HOUR_MS);
    world.pass_to(Timestamp(hour.0 + 3 * HOUR_MS));
    let mut events = Vec::new();
    for (number, kwh) in [(0, 2), (1, 40)] {
        let reading = (Timestamp(hour.0 + number * HOUR_MS), kwh * KWH);
        events.extend(world.done("gateway", world.readings(METER, &[reading])));
        assert!(world.state.passes() <= NAMED_FOUND_AND_RUN + 1, "{} passes", world.state.passes());
    }
    let names = format!("{events:?}");
    assert!(names.contains("TrancheOpened") && names.contains("LevelReached"), "{names}");
}
