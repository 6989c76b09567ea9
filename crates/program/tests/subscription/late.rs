//! What comes late, at the same moment, or not at all.

use crate::capabilities::{NO_PEAK, flat};
use crate::world::*;
use utilidor_program::{Event, Notice, Segment};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::Status;
use utilidor_types::package::Period;
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::{Bands, Carrier, Money, Party, Quantity, Window};

fn with_meter() -> World {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    world
}

#[test]
fn what_comes_after_an_early_end_costs_what_the_rest_cost_in_the_end() {
    let mut world = with_meter();
    let a = world.subscribe(vec![heating(1)], "1000", "1000").unwrap();
    let amount = Prepayment::AmountForPeriod { amount: money("360"), period: Period::Quarter };
    world.prepay(a, Carrier::Heating, amount).unwrap();
    world.until(on(2, 10, 0));
    world.read(1, on(2, 10, 0), kwh(100));
    world.until(on(2, 10, 1));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(2, 12, 0));
    assert_eq!(world.agreements[a].charged(), money("36"), "without the discount");
    world.read(1, on(2, 10, 1), kwh(110));
    let supplement = world.agreements[a].last();
    assert_eq!((supplement.draft.closing, supplement.paid()), (Closing::Supplement, money("3.6")));
}

#[test]
fn what_comes_late_is_paid_by_the_tranche_of_its_price_while_it_has_money() {
    let mut world = with_meter();
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    world.pay(a, "88");
    world.until(on(1, 31, 12));
    world.read(1, on(1, 31, 12), kwh(100));
    world.until(on(2, 2, 0));
    world.read(1, on(2, 1, 0), kwh(120));
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(120));
    world.until(on(3, 1, 6));
    let [january, february] = &world.agreements[a].statements[..] else { panic!("two statements") };
    assert_eq!((january.used(), january.paid()), (kwh(100), money("80")));
    // 10 of the 20 kWh are left in the tranche; the others are owed.
    assert_eq!((february.used(), february.paid(), february.draft.unpaid), (kwh(20), money("8"), money("8")));
    assert_eq!(february.used_in(|period| period.to == on(2, 1, 0)), kwh(20));
}

#[test]
fn a_prepayment_opens_with_its_months_statement_if_the_meter_is_silent() {
    let mut world = with_meter();
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    world.until(on(1, 20, 0));
    world.read(1, on(1, 20, 0), kwh(100));
    world.until(on(1, 25, 0));
    world.pay(a, "200");
    let opened = |world: &World| {
        let notices = world.agreements[a].notices.iter().map(|(_, notice)| notice);
        notices.filter(|of| matches!(of, Notice::TrancheOpened { .. })).count()
    };
    assert_eq!(opened(&world), 0);
    world.until(on(2, 1, 6));
    assert_eq!(opened(&world), 1);
    assert_eq!((world.agreements[a].last().paid(), world.agreements[a].pot), (money("80"), money("120")));
    // The meter speaks again: what flowed until the payment is late at list price, what flowed after it comes of the tranche.
    world.until(on(2, 10, 0));
    world.read(1, on(1, 25, 0), kwh(105));
    world.read(1, on(2, 1, 0), kwh(125));
    world.read(1, on(2, 10, 0), kwh(125));
    world.until(on(3, 1, 6));
    let statement = world.agreements[a].last();
    assert_eq!(statement.used_in(|period| period.to == on(2, 1, 0)), kwh(25));
    assert_eq!(
        (statement.paid(), statement.draft.unpaid, world.agreements[a].pot),
        (money("16"), money("4"), money("104"))
    );
}

#[test]
fn what_happens_in_the_moment_of_a_reading_happens_after_it() {
    let mut world = with_meter();
    let a = world.subscribe(vec![electricity(1, 1)], "1000", "1000").unwrap();
    world.until(on(1, 10, 0));
    world.read(1, on(1, 10, 0), kwh(0));
    let mut register = 0;
    let mut read = |world: &mut World, hour| {
        register += 10;
        world.until(on(1, 10, hour));
        world.read(1, on(1, 10, hour), kwh(register));
    };
    read(&mut world, 8);
    world.pay(a, "40");
    read(&mut world, 9);
    let terms = world.terms(vec![electricity(0, 1)], "1000");
    world.amend(a, terms, on(1, 10, 9)).unwrap();
    read(&mut world, 10);
    world.end(a, Some(Party::OWNER)).unwrap();
    read(&mut world, 11);
    world.end(a, Some(Party::USER)).unwrap();
    let b = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    read(&mut world, 12);
    world.until(on(1, 11, 0));
    // 8.75 kWh by night and 1.25 by day before the payment, 30 by day after it.
    assert_eq!((world.agreements[a].last().used(), world.agreements[a].charged()), (kwh(40), money("27.8")));
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(50));
    world.until(on(2, 1, 6));
    assert_eq!((world.agreements[b].last().used(), world.agreements[b].last().paid()), (kwh(10), money("8")));
}

#[test]
fn what_a_purchase_gives_back_over_a_months_end_goes_to_both_months() {
    let mut world = with_meter();
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(2, 5, 0));
    world.read(1, on(2, 5, 0), kwh(0));
    let interval = Window { from: on(1, 31, 0), to: on(2, 4, 0) };
    let mut bands = Bands::ZERO;
    bands.0[0] = kwh(40);
    world.tell(a, Event::Returned { binding: 0, segment: Segment { interval, bands, peak: (Quantity::ZERO, 0) } });
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(0));
    world.until(on(3, 1, 6));
    let statement = world.agreements[a].last();
    assert_eq!(statement.used_in(|period| period.to == on(2, 1, 0)), kwh(10));
    assert_eq!(statement.used_in(|period| period.to == on(3, 1, 0)), kwh(30));
}

#[test]
fn after_thirty_one_days_nothing_is_charged_any_more() {
    for (day, statements) in [(10, 2), (11, 1)] {
        let mut world = with_meter();
        let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
        world.until(on(1, 10, 0));
        world.end(a, Some(Party::USER)).unwrap();
        world.until(on(2, day, 0));
        world.read(1, on(2, 1, 0), kwh(22 + 9));
        assert_eq!(world.agreements[a].statements.len(), statements);
        assert_eq!(world.agreements[a].status, Status::Terminated);
    }
}

#[test]
fn a_supplement_that_cannot_be_paid_is_a_debt() {
    let mut world = with_meter();
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    world.until(on(1, 10, 0));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(1, 11, 0));
    world.read(1, on(1, 11, 0), kwh(10));
    assert_eq!((world.agreements[a].debt, world.agreements[a].last().debt), (money("7.2"), money("7.2")));
}

#[test]
fn months_without_a_reading_are_cut_when_it_comes() {
    let mut world = with_meter();
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(4, 10, 0));
    assert_eq!(world.agreements[a].statements.len(), 3);
    // 1 kWh an hour over 99 days.
    world.read(1, on(4, 10, 0), kwh(99 * 24));
    world.until(on(5, 1, 0));
    world.read(1, on(5, 1, 0), kwh(99 * 24));
    world.until(on(5, 1, 6));
    let statement = world.agreements[a].last();
    for (month, days) in [(2, 31), (3, 28), (4, 31), (5, 9)] {
        assert_eq!(statement.used_in(|period| period.to == on(month, 1, 0)), kwh(days * 24));
    }
    let lines = statement.charges().iter().filter(|line| matches!(line, StatementLine::Energy { .. })).count();
    assert_eq!(lines, 4);
}

#[test]
fn a_statement_that_is_made_without_readings_says_so_to_both_sides() {
    let mut world = with_meter();
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    let missing = |world: &World| {
        let notices = world.agreements[a].notices.iter();
        let told = notices.filter(|(_, notice)| matches!(notice, Notice::ReadingsMissing { .. }));
        told.map(|(at, _)| *at).collect::<Vec<_>>()
    };
    world.until(on(1, 31, 12));
    world.read(1, on(1, 31, 12), kwh(100));
    world.until(on(2, 1, 6));
    assert_eq!(missing(&world), [on(2, 1, 6)]);
    world.read(1, on(2, 1, 0), kwh(110));
    world.until(on(3, 1, 1));
    world.read(1, on(3, 1, 0), kwh(110));
    world.until(on(3, 1, 6));
    assert_eq!(missing(&world), [on(2, 1, 6)], "February's are there");
}

/// The final statement of 18:00 has nothing; 100 kWh of before the end are certified at 20:00, and then the meter is silent.
#[test]
fn what_a_silent_meter_had_brought_before_the_end_is_on_the_last_supplement() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(1, 10, 0));
    world.read(1, on(1, 10, 0), kwh(0));
    world.until(on(1, 10, 12));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(1, 10, 20));
    world.read(1, on(1, 10, 11), kwh(100));
    assert_eq!(world.agreements[a].charged(), Money::ZERO);
    world.until(on(2, 20, 0));
    assert_eq!(world.agreements[a].charged(), money("80"));
    world.read(1, on(2, 20, 0), kwh(500));
    world.until(on(3, 20, 0));
    assert_eq!(world.agreements[a].charged(), money("80"), "what comes later is on nobody's bill");
}

/// 100 kWh at 2 % off on 1 January, then each day 8.80 are paid and used up at list price. On 1 February the operator finds 10 kWh more of 1 January.
#[test]
fn a_correction_costs_what_its_time_did_however_often_was_paid_since() {
    for days in [10, 31] {
        let mut world = World::new(on(1, 1, 0), &package());
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "100000", "100000").unwrap();
        world.pay(a, "10000");
        let mut register = 12_755;
        world.until(on(1, 2, 0));
        world.read(1, on(1, 2, 0), kwh(100));
        world.pay(a, "8.80");
        for day in 3..=days {
            world.until(on(1, day, 0));
            register += 11;
            world.read(1, on(1, day, 0), kwh(register));
            world.pay(a, "8.80");
        }
        world.until(on(2, 1, 0));
        world.read(1, on(2, 1, 0), kwh(register));
        world.until(on(2, 1, 6));
        let interval = Window { from: on(1, 1, 3), to: on(1, 1, 4) };
        let more = Segment { interval, bands: flat(kwh(10)), peak: NO_PEAK };
        world.tell(a, Event::Corrected { binding: 0, more, less: Bands::ZERO });
        world.until(on(3, 1, 0));
        world.read(1, on(3, 1, 0), kwh(register));
        world.until(on(3, 1, 6));
        assert_eq!(world.agreements[a].last().paid(), money("7.84"), "paid until {days} January");
    }
}
