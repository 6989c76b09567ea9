//! Notices that are given and taken back while other terms are agreed on already: everything is as it was before.

use crate::further::version;
use crate::world::*;
use utilidor_program::Event;
use utilidor_types::agreement::Service;
use utilidor_types::{Party, Refusal, SubscriptionTerms};

/// 100 kWh flow on meter 1 until 20 January, 50 on meter 2 until the 25th, and 70 on meter 3 until the month's end; each goes on to
/// count what is no business of the subscription.
fn three_meters(ends_on: u8) -> World {
    let mut world = World::new(on(1, 1, 0), &package());
    for meter in 1..=3 {
        world.meter(meter, on(1, 1, 0));
    }
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(1, 2, 0));
    for (meter, day) in [(2, 20), (3, 25)] {
        let other = world.terms(vec![electricity(0, meter)], "1000");
        world.amend(a, other, on(1, day, 0)).unwrap();
    }
    if ends_on > 0 {
        world.until(on(1, ends_on - 14, 0));
        world.end(a, Some(Party::OWNER)).unwrap();
        world.until(on(1, ends_on - 14, 1));
        world.ask(a, Event::EndingWithdrawn { by: Party::OWNER }).unwrap();
    }
    world.until(on(2, 1, 0));
    let registers = [(1, [100, 101, 102]), (2, [1_000, 1_050, 1_051]), (3, [2_000, 2_001, 2_071])];
    for (meter, [on_20th, on_25th, at_the_end]) in registers {
        world.read(meter, on(1, 20, 0), kwh(on_20th));
        world.read(meter, on(1, 25, 0), kwh(on_25th));
        world.read(meter, on(2, 1, 0), kwh(at_the_end));
    }
    world.until(on(2, 1, 6));
    world
}

#[test]
fn each_of_several_agreed_meters_serves_in_its_time_though_a_notice_was_taken_back() {
    for ends_on in [0, 17, 20, 22, 25, 28] {
        let world = three_meters(ends_on);
        assert_eq!(world.agreements[0].last().used(), kwh(220), "the end would have been on {ends_on} January");
    }
}

/// From 20 January on night counts, from the 25th on it does not any more; 10 kWh flow each night and 10 each day.
#[test]
fn bands_that_were_agreed_on_count_in_their_time_though_a_notice_was_taken_back() {
    let charged = |takes_back: bool| {
        let mut world = World::new(on(1, 1, 0), &package());
        world.meter(1, on(1, 1, 0));
        world.publish(&version(&package(), 2, 800_000, night()));
        world.publish(&version(&package(), 3, 800_000, utilidor_types::package::TimeOfUse::none()));
        let terms = |world: &World, version| {
            let services: Vec<Service> = vec![electricity(0, 1)];
            SubscriptionTerms { version, ..world.terms(services, "1000") }
        };
        let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
        world.until(on(1, 2, 0));
        for (version, day) in [(2, 20), (3, 25)] {
            let other = terms(&world, version);
            world.amend(a, other, on(1, day, 0)).unwrap();
        }
        if takes_back {
            world.end(a, Some(Party::OWNER)).unwrap();
            world.ask(a, Event::EndingWithdrawn { by: Party::OWNER }).unwrap();
        }
        for (register, day) in (1..=31).zip(2..=31) {
            world.until(on(1, day, 0));
            world.read(1, on(1, day, 0), kwh(24 * register));
        }
        world.until(on(2, 1, 0));
        world.read(1, on(2, 1, 0), kwh(24 * 31));
        world.until(on(2, 1, 6));
        world.agreements[a].charged()
    };
    // 744 kWh at 0.80, less 60 % of 7 kWh in each of five nights.
    assert_eq!(charged(false), money("578.4"));
    assert_eq!(charged(true), money("578.4"));
}

/// A silent meter, and a notice that is given and taken back every 36 hours for three months.
#[test]
fn a_notice_is_taken_back_as_often_as_it_is_given_though_the_meter_is_silent() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    world.meter(2, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1), heating(2)], "1000", "1000").unwrap();
    for step in 1..=60u64 {
        let hour = |hour| utilidor_types::Timestamp(on(1, 1, 0).0 + (36 * step + hour) * 3_600_000);
        world.until(hour(0));
        world.end(a, Some(Party::OWNER)).unwrap();
        world.until(hour(1));
        assert_eq!(world.ask(a, Event::EndingWithdrawn { by: Party::OWNER }), Ok(()), "for the {step}th time");
    }
}

#[test]
fn a_notice_is_not_taken_back_when_another_has_been_promised_the_meter() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    world.meter(2, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    let b = world.subscribe(vec![electricity(0, 2)], "1000", "1000").unwrap();
    world.until(on(1, 2, 0));
    world.end(a, Some(Party::OWNER)).unwrap();
    let other = world.terms(vec![electricity(0, 1)], "1000");
    world.amend(b, other, on(1, 20, 0)).unwrap();
    let refused = world.ask(a, Event::EndingWithdrawn { by: Party::OWNER });
    assert!(matches!(refused, Err(Refusal::MeterSubscribed { .. })), "{refused:?}");
    world.until(on(1, 20, 0));
    world.read(1, on(1, 16, 0), kwh(100));
    world.read(1, on(1, 20, 0), kwh(110));
    world.read(2, on(1, 20, 0), kwh(200));
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(140));
    world.until(on(2, 1, 6));
    let used = |number: usize| world.agreements[number].last().used();
    assert_eq!((used(a), used(b)), (kwh(100), kwh(230)));
}
