//! Published indices: whose they are, in which order, and that what was published stands.

mod world;

use utilidor_ledger::record::{IndexValueRecord, PriceIndexRecord};
use utilidor_types::price_index::*;
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::*;

const BEGIN: u64 = 20_000 * DAY_MS;

fn spot() -> PriceIndex {
    PriceIndex { name: Text::new("spot").unwrap(), unit: IndexUnit::Price(PriceUnit::KilowattHour) }
}

fn hours(from: u64, to: u64) -> Window {
    Window { from: Timestamp(BEGIN + from * HOUR_MS), to: Timestamp(BEGIN + to * HOUR_MS) }
}

fn value(period: Window, micro: i64) -> IndexValue {
    IndexValue { index: spot(), period, micro }
}

fn publish(period: Window, micro: i64) -> Action {
    Action::PublishIndex(value(period, micro))
}

fn stored(world: &World, publisher: &str, period: Window) -> Option<IndexValueRecord> {
    world.state.read::<IndexValueRecord>(&(spot().id(account(publisher)), index_slot(period.from)))
}

#[test]
fn a_value_stands_in_the_state_with_the_time_at_which_it_was_published() {
    let mut world = World::new();
    world.done("station", publish(hours(0, 1), -20_000));
    let record = stored(&world, "station", hours(0, 1)).unwrap();
    assert_eq!((record.period, record.micro, record.published), (hours(0, 1), -20_000, world.now));
    let index: PriceIndexRecord = world.state.read(&spot().id(account("station"))).unwrap();
    assert_eq!((index.publisher, index.until), (account("station"), hours(0, 1).to));
}

#[test]
fn nobody_publishes_under_anothers_index() {
    let mut world = World::new();
    world.done("station", publish(hours(0, 1), 1));
    world.done("alice", publish(hours(0, 1), 2));
    assert_ne!(spot().id(account("station")), spot().id(account("alice")), "the same name is another index");
    assert_eq!(stored(&world, "station", hours(0, 1)).unwrap().micro, 1);
}

#[test]
fn a_value_is_published_once_and_never_changes() {
    let mut world = World::new();
    world.done("station", publish(hours(0, 1), 1));
    let before = stored(&world, "station", hours(0, 1));
    world.done("station", publish(hours(0, 1), 1));
    assert_eq!(stored(&world, "station", hours(0, 1)), before, "published again, the first result stands");
    for changed in [publish(hours(0, 1), 2), publish(hours(0, 2), 1)] {
        assert_eq!(world.refused("station", changed).code(), "index/not-in-order");
    }
    world.done("station", publish(hours(3, 4), 3));
    assert_eq!(world.refused("station", publish(hours(1, 2), 2)).code(), "index/not-in-order", "nor is a gap filled");
}

#[test]
fn refuses_a_period_or_a_value_that_none_can_be() {
    let mut world = World::new();
    let window = |from: u64, to: u64| Window { from: Timestamp(from), to: Timestamp(to) };
    let year = BEGIN + 367 * DAY_MS;
    let periods = [window(BEGIN, BEGIN), window(BEGIN + 1, BEGIN + HOUR_MS), window(BEGIN, year), window(HOUR_MS, 0)];
    for period in periods {
        assert_eq!(world.refused("station", publish(period, 1)).code(), "index/bad-period");
    }
    for micro in [MAX_INDEX_MICRO + 1, -MAX_INDEX_MICRO - 1, i64::MIN] {
        assert_eq!(world.refused("station", publish(hours(0, 1), micro)).code(), "index/out-of-range");
    }
}

#[test]
fn a_member_has_so_many_indices_and_of_each_a_bounded_past() {
    let mut world = World::new();
    for number in 0..MAX_INDICES {
        let index = PriceIndex { name: Text::new(format!("index {number}")).unwrap(), ..spot() };
        world.done("station", Action::PublishIndex(IndexValue { index, ..value(hours(0, 1), 1) }));
    }
    assert_eq!(world.refused("station", publish(hours(0, 1), 1)).code(), "index/too-many");

    world.done("alice", publish(hours(0, 1), 1));
    let kept_hours = INDEX_KEPT_MS / HOUR_MS;
    world.done("alice", publish(hours(kept_hours - 1, kept_hours), 2));
    assert_eq!(stored(&world, "alice", hours(0, 1)).unwrap().micro, 1, "it is kept for a hundred days");
    let cells = world.state.cells().len();
    let later = publish(hours(kept_hours, kept_hours + 1), 3);
    assert_eq!(world.refused("alice", later.clone()).code(), "index/value-kept", "a later one does not push it out");
    world.now = Timestamp(BEGIN + INDEX_KEPT_MS);
    world.done("alice", later);
    assert_eq!(stored(&world, "alice", hours(0, 1)).unwrap().micro, 3, "after that one takes its place");
    assert_eq!(world.state.cells().len(), cells);
}
