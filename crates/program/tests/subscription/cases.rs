//! Cases that systems of this kind get wrong, each with the value that is right.

use crate::world::*;
use utilidor_program::Notice;
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::Status;
use utilidor_types::package::{Band, FloorAreaTariff, Period, TimeOfUse};
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::{Carrier, Money, Party, Refusal, Tariff};

fn month(at_most: &str) -> Prepayment {
    Prepayment::Period { period: Period::Month, at_most: money(at_most) }
}

pub fn heat(amount: &str, period: Period) -> Prepayment {
    Prepayment::AmountForPeriod { amount: money(amount), period }
}

#[test]
fn a_month_is_paid_by_those_who_were_there_day_by_day() {
    let mut world = World::new(on(1, 1, 0), &package());
    let a = world.subscribe(vec![area(1_000)], "100000", "0").unwrap();
    world.prepay(a, Carrier::Heating, month("31000")).unwrap();
    assert_eq!(world.agreements[a].pot, money("31000"), "31 days at 1,000");
    world.until(on(1, 20, 0));
    world.end(a, Some(Party::USER)).unwrap();
    let b = world.subscribe(vec![area(1_000)], "100000", "0").unwrap();
    let refused = world.prepay(b, Carrier::Heating, month("11999")).unwrap_err();
    assert_eq!(refused, Refusal::AboveAtMost { amount: money("12000"), at_most: money("11999") });
    world.prepay(b, Carrier::Heating, month("12000")).unwrap();
    world.until(on(2, 1, 6));
    assert_eq!(world.free[&OWNER], money("31000"));
    assert_eq!(world.free_of(a), money("81000"), "19 days");
    assert_eq!(world.agreements[a].status, Status::Terminated);
    assert_eq!(world.free_of(b), money("88000"));
}

#[test]
fn days_before_the_payment_cost_list_price_and_are_owed() {
    let mut world = World::new(on(1, 1, 9), &package());
    let a = world.subscribe(vec![area(1_000)], "100000", "5000").unwrap();
    world.until(on(1, 20, 15));
    world.prepay(a, Carrier::Heating, month("12000")).unwrap();
    world.until(on(2, 1, 6));
    let statement = world.agreements[a].last();
    assert_eq!((statement.draft.paid, statement.draft.unpaid), (money("17000"), money("14000")));
    assert_eq!(statement.debt, money("14000"));
    let days: Vec<_> = statement
        .charges()
        .iter()
        .map(|line| match line {
            StatementLine::FloorArea { tranche, days, amount, .. } => (*tranche, *days, *amount),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(days, [(0, 19, money("19000")), (1, 12, money("12000"))]);
}

#[test]
fn a_handover_without_a_reading_shares_the_interval_by_time() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(1, 10, 12));
    world.read(1, on(1, 10, 12), kwh(0));
    world.until(on(1, 15, 12));
    world.end(a, Some(Party::USER)).unwrap();
    let b = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    world.pay(b, "400");
    world.until(on(1, 15, 18));
    assert_eq!(world.agreements[a].last().draft.closing, Closing::End);
    assert_eq!(world.agreements[a].last().used(), kwh(0));
    assert_eq!(world.agreements[a].status, Status::Terminated);
    world.until(on(1, 20, 12));
    world.read(1, on(1, 20, 12), kwh(1_000));
    let supplement = world.agreements[a].last();
    assert_eq!(supplement.draft.closing, Closing::Supplement);
    assert_eq!((supplement.used(), supplement.paid()), (kwh(500), money("400")));
    assert_eq!(world.free_of(a), money("600"));
    world.until(on(2, 1, 6));
    let statement = world.agreements[b].last();
    assert_eq!((statement.used(), statement.paid()), (kwh(500), money("400")));
}

#[test]
fn a_supply_that_ends_waits_for_its_last_reading() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(1, 10, 12));
    world.read(1, on(1, 10, 11), kwh(0));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(at(2026, 1, 10, 12, 10));
    world.read(1, on(1, 10, 12), kwh(100));
    assert!(world.agreements[a].statements.is_empty());
    world.until(on(1, 10, 18));
    let last = world.agreements[a].last();
    assert_eq!((last.at, last.paid(), last.used()), (on(1, 10, 18), money("80"), kwh(100)));
    assert_eq!(world.agreements[a].status, Status::Terminated);
}

#[test]
fn a_new_price_reaches_back_to_nothing() {
    for (price, ends) in [(900_000, false), (700_000, false), (900_000, true), (700_000, true)] {
        let mut world = World::new(on(1, 1, 0), &package());
        let mut second = package();
        second.version = 2;
        second.options.as_mut_slice()[0] =
            option(Carrier::Electricity, Tariff::Metered(metered(price, TimeOfUse::none())));
        world.publish(&second);
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
        world.until(on(1, 10, 12));
        world.read(1, on(1, 10, 12), kwh(150));
        world.until(on(2, 10, 0));
        world.read(1, on(2, 10, 0), kwh(150));
        let mut terms = world.terms(vec![electricity(0, 1)], "0");
        terms.version = 2;
        world.amend(a, terms, on(2, 10, 0)).unwrap();
        if ends {
            world.end(a, Some(Party::USER)).unwrap();
            world.until(on(2, 10, 6));
            assert_eq!(world.agreements[a].debt, money("120"));
            assert_eq!(world.agreements[a].charged(), money("120"));
            assert_eq!(world.agreements[a].status, Status::Defaulted);
            world.pay_debt(a, money("120"));
            continue;
        }
        world.pay(a, "200");
        assert_eq!(world.free[&OWNER], money("120"), "the debt is paid first");
        assert_eq!(world.agreements[a].pot, money("80"));
        world.until(on(2, 20, 0));
        world.read(1, on(2, 20, 0), kwh(160));
        world.until(on(3, 1, 6));
        let cost = if price == 900_000 { money("9") } else { money("7") };
        assert_eq!(world.agreements[a].last().paid(), cost);
    }
}

#[test]
fn used_up_tranches_hold_no_places() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    for time in 1..=24u8 {
        world.until(on(1, time, 0));
        world.pay(a, "8");
        world.until(on(1, time, 12));
        world.read(1, on(1, time, 12), kwh(10 * u64::from(time)));
    }
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(240));
    world.until(on(2, 1, 6));
    let statement = world.agreements[a].last();
    assert_eq!((statement.used(), statement.paid(), statement.draft.unpaid), (kwh(240), money("192"), Money::ZERO));
}

#[test]
fn an_owner_can_end_with_notice_what_a_silent_user_owes() {
    for (allowance, status, debt) in [("1000", Status::Terminated, "0"), ("0", Status::Defaulted, "120")] {
        let mut world = World::new(on(1, 1, 0), &package());
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "1000", allowance).unwrap();
        world.until(on(1, 10, 12));
        world.read(1, on(1, 10, 12), kwh(150));
        assert!(world.agreements[a].notices.iter().any(|(_, of)| *of == Notice::Exhausted(Carrier::Electricity)));
        world.end(a, Some(Party::OWNER)).unwrap();
        assert_eq!(world.end(a, Some(Party::OWNER)), Err(Refusal::AlreadyEnding { at: on(1, 24, 12) }));
        world.until(on(1, 25, 0));
        world.read(1, on(1, 25, 0), kwh(150));
        assert_eq!(world.agreements[a].last().draft.closing, Closing::End);
        assert_eq!(world.agreements[a].charged(), money("120"));
        assert_eq!((world.agreements[a].status, world.agreements[a].debt), (status, money(debt)));
        let owed = world.agreements[a].debt;
        world.pay_debt(a, owed);
        assert_eq!((world.free[&OWNER], world.free_of(a)), (money("120"), money("880")));
    }
}

#[test]
fn a_term_that_was_served_keeps_its_discount() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![heating(1)], "360", "0").unwrap();
    world.prepay(a, Carrier::Heating, heat("360", Period::Quarter)).unwrap();
    world.until(on(2, 10, 0));
    world.read(1, on(2, 10, 0), kwh(100));
    world.until(on(4, 1, 0));
    world.read(1, on(4, 1, 0), kwh(100));
    world.until(on(4, 1, 3));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(4, 1, 9));
    let agreement = &world.agreements[a];
    assert_eq!(agreement.charged(), money("34.92"));
    assert_eq!(world.free_of(a), money("325.08"));
    let refunds: Vec<_> = agreement
        .statements
        .iter()
        .flat_map(|of| of.charges())
        .filter(|of| matches!(of, StatementLine::Refund { .. }))
        .collect();
    let expected =
        StatementLine::Refund { carrier: Carrier::Heating, tranche: 1, amount: money("325.08"), withheld: Money::ZERO };
    assert_eq!(refunds, [&expected]);
}

#[test]
fn who_ends_within_a_term_pays_back_its_discount() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![heating(1)], "360", "0").unwrap();
    world.prepay(a, Carrier::Heating, heat("360", Period::Quarter)).unwrap();
    world.until(on(2, 10, 0));
    world.read(1, on(2, 10, 0), kwh(100));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(2, 10, 6));
    assert_eq!(world.agreements[a].charged(), money("36"));
    assert_eq!(world.free_of(a), money("324"));
}

#[test]
fn what_flows_in_the_next_month_is_on_the_next_statement() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    world.pay(a, "500");
    world.until(at(2026, 2, 1, 5, 10));
    for (time, register) in [(on(1, 31, 23), 90), (on(2, 1, 0), 100), (on(2, 1, 3), 130), (on(2, 1, 5), 150)] {
        world.read(1, time, kwh(register));
    }
    world.until(on(2, 1, 6));
    assert_eq!(world.agreements[a].last().used(), kwh(100));
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(150));
    world.until(on(3, 1, 6));
    assert_eq!(world.agreements[a].last().used(), kwh(50));
}

#[test]
fn a_reading_that_is_late_keeps_its_discount() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![heating(1)], "720", "0").unwrap();
    world.prepay(a, Carrier::Heating, heat("360", Period::Quarter)).unwrap();
    world.until(on(3, 31, 22));
    world.read(1, on(3, 31, 22), kwh(0));
    world.until(on(4, 1, 7));
    assert_eq!(world.free_of(a), money("720"), "the quarter is over and nothing was used");
    world.read(1, on(3, 31, 23), kwh(100));
    world.prepay(a, Carrier::Heating, heat("100", Period::Month)).unwrap();
    world.until(on(4, 1, 8));
    world.read(1, on(4, 1, 8), kwh(100));
    world.until(on(5, 1, 6));
    let statement = world.agreements[a].last();
    assert_eq!((statement.draft.paid, statement.draft.unpaid), (money("34.92"), Money::ZERO));
    let line = statement.charges()[0];
    assert_eq!(line.period().map(|period| period.to), Some(on(4, 1, 0)), "it names March");
    assert_eq!(world.agreements[a].charged(), money("34.92"));
}

#[test]
fn an_interval_over_the_end_of_a_term_counts_by_its_parts() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![heating(1)], "720", "1000").unwrap();
    world.prepay(a, Carrier::Heating, heat("360", Period::Quarter)).unwrap();
    world.until(on(3, 31, 12));
    world.read(1, on(3, 31, 12), kwh(0));
    world.until(on(4, 1, 12));
    world.read(1, on(4, 1, 12), kwh(100));
    world.until(on(5, 1, 6));
    assert_eq!(world.agreements[a].charged(), money("35.46"));
    assert_eq!(world.agreements[a].last().paid(), money("35.46"), "17.46 for March and 18.00 for April");
}

#[test]
fn a_whole_season_costs_its_price_in_leap_years_too() {
    let mut package = package();
    let tariff = FloorAreaTariff { discounts: NO_DISCOUNTS, ..by_area("43") };
    package.options.as_mut_slice()[3] = option(Carrier::Heating, Tariff::FloorArea(tariff));
    for year in [2026, 2027] {
        let mut world = World::new(at(year, 11, 15, 0, 0), &package);
        let a = world.subscribe(vec![area(1_000)], "100000", "0").unwrap();
        let payment = Prepayment::Period { period: Period::Year, at_most: money("43000") };
        world.prepay(a, Carrier::Heating, payment).unwrap();
        assert_eq!(world.agreements[a].pot, money("43000"), "season from {year}");
        world.until(at(year + 1, 4, 1, 6, 0));
        assert_eq!(world.agreements[a].charged(), money("43000"), "season from {year}");
        assert_eq!(world.agreements[a].pot, Money::ZERO);
    }
}

#[test]
fn twenty_five_hours_at_once_are_eight_of_night_and_seventeen_of_day() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(1, 1)], "1000", "1000").unwrap();
    world.until(on(1, 10, 0));
    world.read(1, on(1, 10, 0), kwh(0));
    world.until(on(1, 11, 1));
    world.read(1, on(1, 11, 1), kwh(25));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(1, 11, 7));
    let last = world.agreements[a].last();
    assert_eq!((last.used_in_band(Band::Valley), last.used_in_band(Band::Flat)), (kwh(8), kwh(17)));
    assert_eq!(last.paid(), money("16.16"));
}

#[test]
fn what_was_used_before_paying_costs_list_price() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "100000", "0").unwrap();
    world.until(on(1, 10, 0));
    world.read(1, on(1, 10, 0), kwh(1_000));
    // 800 go to what was used before; the remainder does not reach the step of 10,000.
    world.pay(a, "10500");
    let opened = |world: &World| {
        world.agreements[a].notices.iter().rev().find_map(|(_, notice)| match notice {
            Notice::TrancheOpened { debt_paid, paid, discount_permille, .. } => {
                Some((*debt_paid, *paid, *discount_permille))
            }
            _ => None,
        })
    };
    world.until(on(1, 10, 1));
    world.read(1, on(1, 10, 1), kwh(1_000));
    assert_eq!(opened(&world), Some((money("800"), money("9700"), 0)));
    world.pay(a, "10000");
    world.until(on(1, 10, 2));
    world.read(1, on(1, 10, 2), kwh(1_000));
    assert_eq!(opened(&world), Some((Money::ZERO, money("10000"), 20)));
    world.until(on(2, 1, 6));
    assert_eq!(world.agreements[a].last().paid(), money("800"));
    assert_eq!(world.agreements[a].last().debt, Money::ZERO);
    assert_eq!(world.agreements[a].pot, money("19700"));
}
