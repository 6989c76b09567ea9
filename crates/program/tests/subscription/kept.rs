//! What is kept of terms that have been replaced: what comes late finds its own period, and what is taken back its own price.

use crate::capabilities::charge;
use crate::further::version;
use crate::world::*;
use utilidor_program::{Event, Segment};
use utilidor_types::package::{Charge, ChargeRule, Package, TimeOfUse};
use utilidor_types::{Bands, Carrier, Quantity, SubscriptionTerms, Window};

fn with_minimum(mut package: Package, per_month: &str) -> Package {
    let least = Charge { vat_permille: 0, ..charge("least", ChargeRule::Minimum { per_month: money(per_month) }) };
    package.terms.charges = some(vec![least]);
    package
}

/// A minimum of 310 a month until 11 January, 100 for ten days, in which so much flows; 31 kWh a day from then on, without one. The
/// amendments after the first change a warning alone. The meter tells nothing before February.
fn late_usage_costs(before: u64, in_january: u64, in_february: u64) -> utilidor_types::Money {
    let mut world = World::new(on(1, 1, 0), &with_minimum(package(), "310"));
    world.meter(1, on(1, 1, 0));
    let mut second = package();
    second.version = 2;
    world.publish(&second);
    let a = world.subscribe(vec![electricity(0, 1)], "1000000", "1000000").unwrap();
    let amend = |world: &mut World, kwh_left: u64, from| {
        let mut service = electricity(0, 1);
        service.low_balance = kwh(kwh_left);
        let terms = SubscriptionTerms { version: 2, ..world.terms(vec![service], "1000000") };
        world.amend(a, terms, from).unwrap();
    };
    world.until(on(1, 5, 0));
    amend(&mut world, 1, on(1, 11, 0));
    world.until(on(1, 11, 0));
    for number in 1..in_january {
        world.until(on(1, 11 + number as u8, 0));
        amend(&mut world, 1 + number, on(1, 11 + number as u8, 0));
    }
    world.until(on(2, 1, 6));
    for number in 0..in_february {
        world.until(on(2, 2, number));
        amend(&mut world, 20 + number, on(2, 2, number));
    }
    world.until(on(2, 9, 0));
    world.read(1, on(1, 11, 0), kwh(before));
    world.read(1, on(2, 1, 0), kwh(before + 21 * 31));
    world.read(1, on(2, 9, 0), kwh(before + 21 * 31));
    world.until(on(3, 1, 6));
    world.agreements[a].charged()
}

#[test]
fn late_usage_is_of_its_own_versions_minimum_however_often_terms_were_amended() {
    for in_january in [1, 2, 4, 5, 6, 7] {
        for in_february in [0, 2, 6] {
            for (before, right) in [(0, "620.8"), (50, "620.8"), (150, "640.8")] {
                let charged = late_usage_costs(before, in_january, in_february);
                assert_eq!(charged, money(right), "{in_january} amendments in January, {in_february} in February");
            }
        }
    }
}

/// The same where all terms differ: each day from 12 January on another price is agreed on, 1.00 in the end.
#[test]
fn late_usage_lowers_no_other_versions_minimum_where_its_own_terms_are_forgotten() {
    let mut world = World::new(on(1, 1, 0), &with_minimum(package(), "310"));
    world.meter(1, on(1, 1, 0));
    for number in 2..=16 {
        world.publish(&version(&package(), number, 800_000, TimeOfUse::none()));
    }
    let a = world.subscribe(vec![electricity(0, 1)], "1000000", "1000000").unwrap();
    let amend = |world: &mut World, version, from| {
        let terms = SubscriptionTerms { version, ..world.terms(vec![electricity(0, 1)], "1000000") };
        world.amend(a, terms, from)
    };
    for number in 2..=8u8 {
        world.until(on(1, 9 + number, 0));
        amend(&mut world, number.into(), on(1, 9 + number, 0)).unwrap();
        if number == 2 {
            world.read(1, on(1, 11, 0), kwh(0));
        }
    }
    // So late that what was replaced in January makes room.
    for number in 9..=14u8 {
        world.until(on(2, 9 + number, 0));
        amend(&mut world, number.into(), on(2, 9 + number, 0)).unwrap();
    }
    world.read(1, on(2, 1, 0), kwh(651));
    world.until(on(3, 1, 6));
    assert_eq!(world.agreements[a].charged(), money("620.8"));
}

/// 100 kWh of 1 January, at 0.80, are taken back on 1 February, when prices have been agreed on anew eight times.
#[test]
fn no_price_is_forgotten_while_what_was_charged_at_it_can_be_taken_back() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000000", "1000000").unwrap();
    let amend = |world: &mut World, number: u32, from| {
        world.publish(&version(&package(), number, 800_000 * u64::from(number), TimeOfUse::none()));
        let terms = SubscriptionTerms { version: number, ..world.terms(vec![electricity(0, 1)], "1000000") };
        world.amend(a, terms, from)
    };
    for day in 2..=8u8 {
        world.until(on(1, day, 0));
        world.read(1, on(1, day, 0), kwh(if day == 2 { 100 } else { 101 }));
        amend(&mut world, day.into(), on(1, day, 0)).unwrap();
    }
    world.until(on(2, 1, 7));
    assert!(amend(&mut world, 9, on(2, 1, 7)).is_err(), "the first price can still be asked for");
    let charged = world.agreements[a].charged();
    let interval = Window { from: on(1, 1, 0), to: on(1, 2, 0) };
    let segment = |bands| Segment { interval, bands, peak: (Quantity::ZERO, 0) };
    let mut bands = Bands::ZERO;
    bands.0[0] = kwh(100);
    let event = Event::Corrected { binding: Carrier::Electricity as u8, more: segment(Bands::ZERO), less: bands };
    world.tell(a, event);
    world.until(on(2, 4, 0));
    assert_eq!(amend(&mut world, 9, on(2, 4, 0)), Ok(()), "there is room once one of them cannot");
    world.end(a, Some(utilidor_types::Party::USER)).unwrap();
    world.until(on(2, 4, 6));
    let back = world.agreements[a].last().draft.lines.iter().filter_map(|line| match line {
        utilidor_types::statement::StatementLine::Credit { amount, .. } => Some(*amount),
        _ => None,
    });
    assert_eq!((charged > money("80"), back.collect::<Vec<_>>()), (true, vec![money("80")]));
}
