//! Terms that follow each other, time and again, and what was prepaid or given notice of meanwhile; each with the value that is
//! right by the rules.

use crate::capabilities::charge;
use crate::further::{period, version};
use crate::world::*;
use utilidor_program::Event;
use utilidor_types::agreement::{Service, Status};
use utilidor_types::package::{Charge, ChargeRule, FloorAreaTariff, Period, Season, TimeOfUse};
use utilidor_types::statement::StatementLine;
use utilidor_types::time::HOUR_MS;
use utilidor_types::{Carrier, Party, SubscriptionTerms, Tariff, Timestamp};

fn terms(world: &World, version: u32, services: Vec<Service>) -> SubscriptionTerms {
    SubscriptionTerms { version, ..world.terms(services, "1000000") }
}

#[test]
fn a_price_that_both_agree_on_anew_each_month_is_taken_for_years() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let services = || vec![electricity(0, 1), area(100)];
    let a = world.subscribe(services(), "1000000", "1000000").unwrap();
    for month in 1..=36u32 {
        let (year, next) = (2026 + month as i32 / 12, (month % 12 + 1) as u8);
        let begins = at(year, next, 1, 0, 0);
        world.publish(&version(&package(), month + 1, 800_000 + 10_000 * u64::from(month), TimeOfUse::none()));
        let terms = terms(&world, month + 1, services());
        assert_eq!(world.amend(a, terms, begins), Ok(()), "for month {}", month + 1);
        world.until(begins);
        world.read(1, begins, kwh(100 * u64::from(month)));
        world.until(at(year, next, 1, 6, 0));
        let energy = world.agreements[a].last().draft.lines.iter().filter_map(|line| match line {
            StatementLine::Energy { amount, .. } => Some(*amount),
            _ => None,
        });
        assert_eq!(energy.collect::<Vec<_>>(), [money(&(79 + month).to_string())], "month {month}");
    }
}

/// By 20 January meter 1 has brought 100 kWh, and meter 2 brings 70 by the month's end.
#[test]
fn a_notice_that_was_to_end_with_an_amendment_leaves_it_when_it_is_taken_back() {
    // It ends a day before the amendment, with it, and a day after.
    for day in [5, 6, 7] {
        let mut world = World::new(on(1, 1, 0), &package());
        world.meter(1, on(1, 1, 0));
        world.meter(2, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
        world.until(on(1, 2, 0));
        let other = world.terms(vec![electricity(0, 2)], "1000");
        world.amend(a, other, on(1, 20, 0)).unwrap();
        world.until(on(1, day, 0));
        world.end(a, Some(Party::OWNER)).unwrap();
        world.until(on(1, 8, 0));
        world.ask(a, Event::EndingWithdrawn { by: Party::OWNER }).unwrap();
        world.until(on(1, 20, 0));
        world.read(1, on(1, 20, 0), kwh(100));
        world.read(2, on(1, 20, 0), kwh(0));
        world.until(on(2, 1, 0));
        world.read(1, on(2, 1, 0), kwh(150));
        world.read(2, on(2, 1, 0), kwh(70));
        world.until(on(2, 1, 6));
        assert_eq!(world.agreements[a].last().used(), kwh(170), "notice of {day} January");
    }
}

/// January of 100 m2 is prepaid at 1 a day. From the 11th a day costs 2: of 200 m2 the tranche reaches 2,100 of 4,200 m2-days, and the
/// others cost what is in force; of 100 m2 it reaches all.
#[test]
fn days_that_a_tranche_does_not_reach_cost_what_is_in_force() {
    for (m2, right) in [(200, "7300"), (100, "3100"), (50, "2050")] {
        let mut world = World::new(on(1, 1, 0), &package());
        let mut second = package();
        second.version = 2;
        second.options.as_mut_slice()[3] = option(Carrier::Heating, Tariff::FloorArea(by_area("242")));
        world.publish(&second);
        let a = world.subscribe(vec![area(100)], "100000", "100000").unwrap();
        world.prepay(a, Carrier::Heating, period(Period::Month, "3100")).unwrap();
        world.until(on(1, 5, 0));
        let terms = terms(&world, 2, vec![area(m2)]);
        world.amend(a, terms, on(1, 11, 0)).unwrap();
        world.until(on(2, 1, 6));
        assert_eq!(world.agreements[a].charged(), money(right), "{m2} m2");
    }
}

/// 74 days of a quarter at 3 % off; from March on the season has 16 days more, at 1 a day as the others.
#[test]
fn days_of_a_season_that_was_made_longer_are_nobody_s_gift() {
    let mut world = World::new(on(1, 1, 0), &package());
    let mut second = package();
    second.version = 2;
    let season = Season { to_day: 31, ..WINTER };
    let longer = FloorAreaTariff { per_m2: money("137"), season, discounts: DISCOUNTS };
    second.options.as_mut_slice()[3] = option(Carrier::Heating, Tariff::FloorArea(longer));
    world.publish(&second);
    let a = world.subscribe(vec![area(100)], "100000", "100000").unwrap();
    world.prepay(a, Carrier::Heating, period(Period::Quarter, "7178")).unwrap();
    world.until(on(2, 5, 0));
    let terms = terms(&world, 2, vec![area(100)]);
    world.amend(a, terms, on(3, 1, 0)).unwrap();
    world.until(on(4, 1, 6));
    assert_eq!(world.agreements[a].charged(), money("8778"));
}

/// 100 kWh, 80.00, until meter 1 is replaced on 16 January by an amendment of the same version, and nothing or 40 kWh after it.
#[test]
fn a_minimum_is_one_for_the_month_whatever_meter_is_replaced_within_it() {
    for (before, after, right) in [(100, 0, "100"), (140, 0, "112"), (100, 40, "112"), (0, 0, "100")] {
        let mut package = package();
        let least = Charge { vat_permille: 0, ..charge("least", ChargeRule::Minimum { per_month: money("100") }) };
        package.terms.charges = vec![least].try_into().unwrap();
        let mut world = World::new(on(1, 1, 0), &package);
        world.meter(1, on(1, 1, 0));
        world.meter(2, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
        world.until(on(1, 5, 0));
        let other = world.terms(vec![electricity(0, 2)], "10000");
        world.amend(a, other, on(1, 16, 0)).unwrap();
        world.until(on(1, 16, 0));
        world.read(1, on(1, 16, 0), kwh(before));
        world.read(2, on(1, 16, 0), kwh(0));
        world.until(on(2, 1, 0));
        world.read(2, on(2, 1, 0), kwh(after));
        world.until(on(2, 1, 6));
        assert_eq!(world.agreements[a].charged(), money(right), "{before} and {after} kWh");
    }
}

#[test]
fn an_owner_that_gives_notice_and_takes_it_back_time_and_again_keeps_its_subscription() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    for day in 2..=12 {
        world.until(on(1, day, 0));
        world.end(a, Some(Party::OWNER)).unwrap();
        world.until(on(1, day, 1));
        assert_eq!(world.ask(a, Event::EndingWithdrawn { by: Party::OWNER }), Ok(()), "{day} January");
    }
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(310));
    world.until(on(2, 1, 6));
    assert_eq!(world.agreements[a].charged(), money("248"));
}

#[test]
fn a_floor_area_changes_seven_times_in_a_month_and_in_every_year() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1), area(100)], "1000000", "1000000").unwrap();
    let mut m2 = 100;
    let mut change = |world: &mut World, at| {
        m2 += 1;
        let terms = world.terms(vec![electricity(0, 1), area(m2)], "1000000");
        assert_eq!(world.amend(a, terms, at), Ok(()), "{m2} m2");
    };
    for day in 2..=8 {
        world.until(on(1, day, 0));
        change(&mut world, on(1, day, 0));
    }
    for year in 2027..=2037 {
        world.until(at(year, 6, 1, 0, 0));
        change(&mut world, at(year, 6, 1, 0, 0));
    }
}

#[test]
fn an_owner_does_not_take_back_what_the_meters_operator_wants() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(1, 2, 0));
    world.end(a, Some(Party::OWNER)).unwrap();
    world.until(on(1, 3, 0));
    assert_eq!(world.end(a, None), Ok(()), "beside the owner's");
    assert!(world.ask(a, Event::EndingWithdrawn { by: Party::OWNER }).is_err());
    world.until(on(1, 17, 0));
    world.until(on(1, 17, 6));
    assert_eq!(world.agreements[a].status, Status::Terminated);
}

/// 1,000 m2 at 1,000 a day and a rent of 31 a month: each day begins and ends with another subscription of the same user.
#[test]
fn whoever_comes_and_goes_within_a_week_has_had_the_day_of_its_end() {
    let mut package = package();
    package.terms.charges =
        vec![Charge { vat_permille: 0, ..charge("rent", ChargeRule::Fixed { per_month: money("31") }) }]
            .try_into()
            .unwrap();
    let mut world = World::new(on(1, 1, 0), &package);
    for day in 1..=10 {
        world.until(at(2026, 1, day, 0, 1));
        let a = world.subscribe(vec![area(1_000)], "100000", "100000").unwrap();
        world.until(at(2026, 1, day, 23, 59));
        world.end(a, Some(Party::USER)).unwrap();
        world.until(at(2026, 1, day + 1, 6, 0));
        assert_eq!(world.agreements[a].charged(), money("1001"), "{day} January");
    }
    // So has who goes within a week; who stays longer does not pay the day of the end, and nobody does who goes at midnight.
    for (from, to, days) in
        [(11, on(1, 12, 23), 2), (14, on(1, 20, 23), 7), (21, on(1, 28, 23), 7), (29, on(1, 31, 0), 2)]
    {
        world.until(on(1, from, 6));
        let b = world.subscribe(vec![area(1_000)], "100000", "100000").unwrap();
        world.until(to);
        world.end(b, Some(Party::USER)).unwrap();
        world.until(Timestamp(to.0 + 7 * HOUR_MS));
        assert_eq!(world.agreements[b].charged(), money(&(1_001 * days).to_string()), "from the {from}th");
    }
}

/// Six services, a new version each month: more tariffs than a subscription can hold at a time.
#[test]
fn a_whole_package_is_amended_each_month_too() {
    let whole = |version: u32| {
        let mut package = package();
        package.version = version;
        let options = Carrier::ALL.map(|carrier| option(carrier, Tariff::FloorArea(by_area("121"))));
        package.options = options.to_vec().try_into().unwrap();
        package
    };
    let services = || Carrier::ALL.map(|carrier| Service { carrier, option: 0, ..area(100) }).to_vec();
    let mut world = World::new(on(1, 1, 0), &whole(1));
    let a = world.subscribe(services(), "1000000", "1000000").unwrap();
    for month in 1..=24u32 {
        let (year, next) = (2026 + month as i32 / 12, (month % 12 + 1) as u8);
        world.publish(&whole(month + 1));
        let terms = terms(&world, month + 1, services());
        assert_eq!(world.amend(a, terms, at(year, next, 1, 0, 0)), Ok(()), "for month {}", month + 1);
        world.until(at(year, next, 1, 6, 0));
    }
}
