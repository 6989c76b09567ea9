//! Further cases of the kinds that `cases` and `capabilities` hold: at other boundaries, in other orders, each with the value
//! that is right by the rules.

use crate::capabilities::{NO_PEAK, amounts, charge, flat, taxed};
use crate::cases::heat;
use crate::world::*;
use utilidor_program::{Event, Segment};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::{Service, Status};
use utilidor_types::package::{
    Band, BandStretch, Calendar, Charge, ChargeRule, EVERY_DAY, EVERY_MONTH, Package, Period, TimeOfUse,
};
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::time::Date;
use utilidor_types::{Area, Carrier, Money, Party, Price, Quantity, SubscriptionTerms, Tariff, Window};

pub(crate) fn period(period: Period, at_most: &str) -> Prepayment {
    Prepayment::Period { period, at_most: money(at_most) }
}

pub(crate) fn version(package: &Package, version: u32, price: u64, time_of_use: TimeOfUse) -> Package {
    let mut next = package.clone();
    next.version = version;
    let Tariff::Metered(tariff) = &mut next.options.as_mut_slice()[0].tariff else { unreachable!() };
    (tariff.price, tariff.time_of_use) = (Price::micro_per_kwh(price), time_of_use);
    next
}

fn to_version(world: &World, version: u32, allowance: &str) -> SubscriptionTerms {
    SubscriptionTerms { version, ..world.terms(vec![electricity(0, 1)], allowance) }
}

#[test]
fn a_quarter_over_new_year_costs_list_price_if_it_is_not_served_to_its_end() {
    for (end, charged) in
        [(at(2027, 1, 10, 0, 0), "51000"), (at(2027, 2, 1, 0, 0), "70810"), (at(2027, 2, 1, 3, 0), "70810")]
    {
        let mut world = World::new(at(2026, 11, 20, 0, 0), &package());
        let a = world.subscribe(vec![area(1_000)], "100000", "0").unwrap();
        world.prepay(a, Carrier::Heating, period(Period::Quarter, "70810")).unwrap();
        assert_eq!(world.agreements[a].pot, money("70810"));
        world.until(end);
        world.end(a, Some(Party::USER)).unwrap();
        world.until(at(2027, 2, 2, 0, 0));
        assert_eq!(world.agreements[a].charged(), money(charged), "{end:?}");
        assert_eq!(world.free_of(a).0, money("100000").0 - money(charged).0);
    }
}

#[test]
fn a_leap_day_costs_its_share_of_a_leap_season() {
    let mut world = World::new(at(2028, 2, 29, 13, 30), &package());
    let a = world.subscribe(vec![area(1_000)], "100000", "0").unwrap();
    world.until(at(2028, 2, 29, 20, 0));
    world.prepay(a, Carrier::Heating, period(Period::Month, "991.803279")).unwrap();
    assert_eq!(world.agreements[a].pot, money("991.803279"));
    world.until(at(2028, 3, 1, 0, 0));
    world.prepay(a, Carrier::Heating, period(Period::Month, "20000")).unwrap();
    assert_eq!(world.agreements[a].pot, money("15868.852459"), "14,877.049180 more");
    world.until(at(2028, 4, 1, 6, 0));
    assert_eq!(world.agreements[a].charged(), money("15868.852459"));
}

#[test]
fn an_area_that_changes_and_changes_back_counts_day_by_day() {
    for prepaid in [false, true] {
        let mut world = World::new(on(1, 1, 0), &package());
        let a = world.subscribe(vec![area(100)], "10000", "10000").unwrap();
        if prepaid {
            world.prepay(a, Carrier::Heating, period(Period::Month, "3100")).unwrap();
        }
        let (more, less) = (world.terms(vec![area(200)], "10000"), world.terms(vec![area(100)], "10000"));
        world.until(on(1, 5, 0));
        world.amend(a, more, on(1, 11, 0)).unwrap();
        world.until(on(1, 12, 0));
        world.amend(a, less, on(1, 21, 0)).unwrap();
        world.until(on(2, 1, 6));
        assert_eq!(world.agreements[a].charged(), money("4100"));
        world.until(on(3, 1, 6));
        assert_eq!(world.agreements[a].charged(), money("6900"));
    }
}

#[test]
fn a_rent_that_changes_in_a_leap_february_is_for_twenty_nine_days() {
    let rent = |units: &str| vec![charge("rent", ChargeRule::Fixed { per_month: money(units) })];
    let first = taxed(rent("29"));
    let mut world = World::new(at(2028, 2, 1, 0, 0), &first);
    let mut second = first.clone();
    second.version = 2;
    second.terms.charges = some(rent("58"));
    world.publish(&second);
    world.meter(1, at(2028, 2, 1, 0, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    let terms = to_version(&world, 2, "1000");
    world.amend(a, terms, at(2028, 2, 15, 0, 0)).unwrap();
    world.until(at(2028, 3, 1, 6, 0));
    assert_eq!(amounts(world.agreements[a].last())[..2], [("fixed", money("14")), ("fixed", money("30"))]);
}

#[test]
fn a_handover_within_a_band_shares_that_band_too() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(1, 1)], "1000", "1000").unwrap();
    world.until(on(1, 10, 5));
    world.read(1, on(1, 10, 5), kwh(0));
    world.until(at(2026, 1, 10, 6, 30));
    world.end(a, Some(Party::USER)).unwrap();
    let b = world.subscribe(vec![electricity(1, 1)], "1000", "1000").unwrap();
    world.until(on(1, 10, 9));
    world.read(1, on(1, 10, 9), kwh(240));
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(240));
    world.until(on(2, 1, 6));
    assert_eq!(world.agreements[a].charged(), money("28.8"));
    assert_eq!(world.agreements[b].charged(), money("105.6"));
}

#[test]
fn a_supply_that_ends_with_the_month_has_one_statement() {
    for read_first in [true, false] {
        let mut world = World::new(on(1, 1, 0), &package());
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
        world.until(on(2, 1, 0));
        if read_first {
            world.read(1, on(2, 1, 0), kwh(100));
        }
        world.end(a, Some(Party::USER)).unwrap();
        if !read_first {
            world.read(1, on(2, 1, 0), kwh(100));
        }
        world.until(on(2, 1, 7));
        assert_eq!(world.agreements[a].charged(), money("80"));
        assert_eq!(world.agreements[a].status, Status::Terminated);
    }
}

#[test]
fn a_supply_that_ends_before_the_month_does_has_its_final_statement_after_it() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(1, 31, 20));
    world.read(1, on(1, 31, 19), kwh(0));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(at(2026, 2, 1, 1, 59));
    world.read(1, on(1, 31, 21), kwh(20));
    world.until(on(3, 1, 7));
    assert_eq!(world.agreements[a].charged(), money("8"));
    assert_eq!(world.agreements[a].statements.len(), 1);
}

#[test]
fn a_price_that_changes_between_two_silent_months_counts_in_the_second() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.publish(&version(&package(), 2, 900_000, TimeOfUse::none()));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(1, 5, 0));
    let second = to_version(&world, 2, "10000");
    world.amend(a, second, on(2, 1, 0)).unwrap();
    world.until(on(3, 10, 0));
    world.read(1, on(3, 10, 0), kwh(68 * 24));
    world.until(on(4, 1, 0));
    world.read(1, on(4, 1, 0), kwh(68 * 24));
    world.until(on(4, 1, 6));
    assert_eq!(world.agreements[a].charged(), Money((744 * 800_000) + (672 + 216) * 900_000));
}

#[test]
fn prices_that_follow_each_other_without_a_reading_share_it_by_time() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.publish(&version(&package(), 2, 900_000, TimeOfUse::none()));
    world.publish(&version(&package(), 3, 1_000_000, TimeOfUse::none()));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(1, 5, 0));
    let (second, third) = (to_version(&world, 2, "10000"), to_version(&world, 3, "10000"));
    world.amend(a, second, on(1, 11, 0)).unwrap();
    world.until(on(1, 12, 0));
    world.amend(a, third, on(1, 21, 0)).unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(744));
    world.until(on(2, 1, 6));
    assert_eq!(world.agreements[a].charged(), money("672"));
}

#[test]
fn who_ends_before_an_amendment_never_has_its_price() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.publish(&version(&package(), 2, 900_000, TimeOfUse::none()));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    let second = to_version(&world, 2, "10000");
    world.amend(a, second, on(1, 20, 0)).unwrap();
    world.until(on(1, 15, 0));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(1, 25, 0));
    world.read(1, on(1, 25, 0), kwh(240));
    assert_eq!(world.agreements[a].charged(), money("112"), "14 of 24 days");
}

#[test]
fn a_price_that_changes_within_a_band_cuts_it() {
    let mut first = package();
    first.options.as_mut_slice()[0] = option(Carrier::Electricity, Tariff::Metered(metered(800_000, night())));
    let mut world = World::new(on(1, 1, 0), &first);
    world.publish(&version(&first, 2, 900_000, night()));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    let second = to_version(&world, 2, "10000");
    world.amend(a, second, at(2026, 1, 10, 3, 30)).unwrap();
    world.until(on(1, 10, 8));
    world.read(1, on(1, 10, 0), kwh(0));
    world.read(1, on(1, 10, 7), kwh(70));
    world.end(a, Some(Party::USER)).unwrap();
    world.read(1, on(1, 10, 8), kwh(70));
    world.until(on(1, 10, 14));
    assert_eq!(world.agreements[a].charged(), money("23.8"));
}

#[test]
fn a_quarter_that_is_paid_within_an_interval_covers_its_second_part() {
    let mut world = World::new(on(2, 1, 0), &package());
    world.meter(1, on(2, 1, 0));
    let a = world.subscribe(vec![heating(1)], "720", "0").unwrap();
    world.until(on(2, 10, 0));
    world.read(1, on(2, 10, 0), kwh(0));
    world.until(on(2, 10, 12));
    world.prepay(a, Carrier::Heating, heat("360", Period::Quarter)).unwrap();
    world.until(on(2, 11, 0));
    world.read(1, on(2, 11, 0), kwh(240));
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(240));
    world.until(on(3, 1, 6));
    assert_eq!(world.agreements[a].charged(), money("85.104"));
    assert_eq!((world.agreements[a].pot, world.agreements[a].debt), (money("274.896"), Money::ZERO));
}

#[test]
fn a_quarter_that_is_paid_on_the_last_day_of_a_month_has_that_day_as_its_first_month() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![heating(1)], "1000", "0").unwrap();
    world.until(on(1, 31, 12));
    world.read(1, on(1, 31, 0), kwh(0));
    world.prepay(a, Carrier::Heating, heat("36", Period::Quarter)).unwrap();
    world.until(on(4, 1, 0));
    world.read(1, on(2, 1, 0), kwh(10));
    world.read(1, on(3, 31, 0), kwh(10));
    world.read(1, on(4, 1, 0), kwh(20));
    world.until(on(4, 1, 6));
    // 5 at list, 5 and 10 at 3 % off: the quarter ends with March.
    assert_eq!(world.agreements[a].charged(), money("7.038"));
    assert_eq!(world.agreements[a].pot, Money::ZERO);
}

#[test]
fn three_payments_are_used_up_one_after_the_other_over_four_months() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "100000", "0").unwrap();
    for amount in ["10000", "50000", "100"] {
        world.pay(a, amount);
    }
    let paid = [("9408", "0"), ("9228.081633", "0"), ("30720", "0"), ("10743.918367", "12.585034")];
    for ((month, register), (paid, unpaid)) in
        [(2, 12_000), (3, 24_000), (4, 64_000), (5, 78_000)].into_iter().zip(paid)
    {
        world.until(on(month, 1, 0));
        world.read(1, on(month, 1, 0), kwh(register));
        world.until(on(month, 1, 6));
        let last = world.agreements[a].last();
        assert_eq!((last.paid(), last.draft.unpaid), (money(paid), money(unpaid)), "{month}");
    }
    assert_eq!(world.agreements[a].pot, Money::ZERO);
}

#[test]
fn a_millionth_decides_whether_the_remainder_reaches_its_step() {
    for (paid, permille_paid) in [("10079.999999", "8"), ("10080", "7.84")] {
        let mut world = World::new(on(1, 1, 0), &package());
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "100000", "0").unwrap();
        world.until(on(1, 10, 0));
        world.read(1, on(1, 10, 0), kwh(100));
        world.pay(a, paid);
        world.until(on(2, 1, 0));
        world.read(1, on(2, 1, 0), kwh(110));
        world.until(on(2, 1, 6));
        assert_eq!(world.agreements[a].charged().0, money("80").0 + money(permille_paid).0);
    }
}

fn five_bands() -> TimeOfUse {
    let day = |year, month, day| Date { year, month, day }.to_days() as u16;
    let weekdays = 0b1_1111;
    let holidays = 1 << 7;
    let stretch = |band, months, days, from_half_hour, to_half_hour| BandStretch {
        band,
        months,
        days,
        from_half_hour,
        to_half_hour,
    };
    let stretches = vec![
        stretch(Band::Deep, EVERY_MONTH, holidays, 24, 28),
        stretch(Band::Sharp, 0b1000_0000_0001, weekdays, 38, 42),
        stretch(Band::Peak, EVERY_MONTH, weekdays, 17, 23),
        stretch(Band::Valley, EVERY_MONTH, EVERY_DAY, 0, 14),
        stretch(Band::Valley, 1 << 10, EVERY_DAY, 47, 48),
    ];
    TimeOfUse {
        factors_permille: [1_000, 1_800, 1_500, 400, 200],
        calendar: Calendar { stretches: some(stretches), holidays: some(vec![day(2027, 1, 1)]) },
    }
}

#[test]
fn new_years_day_is_a_holiday_in_five_bands() {
    let mut first = package();
    first.options.as_mut_slice()[0] = option(Carrier::Electricity, Tariff::Metered(metered(800_000, five_bands())));
    let mut world = World::new(on(12, 31, 18), &first);
    world.meter(1, on(12, 31, 18));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(at(2027, 1, 1, 5, 0));
    world.until(at(2027, 1, 1, 15, 0));
    world.read(1, at(2027, 1, 1, 15, 0), kwh(21));
    world.until(at(2027, 2, 1, 0, 0));
    world.read(1, at(2027, 2, 1, 0, 0), kwh(21));
    world.until(at(2027, 2, 1, 6, 0));
    assert_eq!(world.agreements[a].charged(), money("13.44"));
    let last = world.agreements[a].last();
    assert_eq!(last.used_in_band(Band::Deep), kwh(2));
    assert_eq!(last.used_in_band(Band::Valley), kwh(7));
    assert_eq!(last.used_in_band(Band::Sharp), kwh(2));
    assert_eq!(last.used_in_band(Band::Flat), kwh(10));
}

#[test]
fn a_stretch_of_some_months_ends_with_its_month() {
    let mut first = package();
    first.options.as_mut_slice()[0] = option(Carrier::Electricity, Tariff::Metered(metered(800_000, five_bands())));
    let mut world = World::new(on(11, 30, 19), &first);
    world.meter(1, on(11, 30, 19));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(12, 1, 21));
    // Monday 30 November, no sharp yet: 4.5 flat, 0.5 valley; Tuesday 1 December: 7 valley, 1.5 flat, 3 peak, 7.5 flat, 2 sharp.
    world.read(1, on(12, 1, 21), kwh(26));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(12, 2, 6));
    let half = |number: u64| Quantity::watt_hours(number * 500).unwrap();
    let used = |band| world.agreements[a].statements.iter().map(|of| of.used_in_band(band).0).sum::<u64>();
    let all = [Band::Flat, Band::Sharp, Band::Peak, Band::Valley, Band::Deep].map(used);
    assert_eq!(all, [half(27).0, half(4).0, half(6).0, half(15).0, 0]);
}

fn january(package: &Package) -> (World, usize) {
    let mut world = World::new(on(1, 1, 0), package);
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(100));
    world.until(on(2, 2, 0));
    (world, a)
}

fn corrected(from: utilidor_types::Timestamp, to: utilidor_types::Timestamp, more: u64, less: u64) -> Event {
    let interval = Window { from, to };
    Event::Corrected {
        binding: 0,
        more: Segment { interval, bands: flat(kwh(more)), peak: NO_PEAK },
        less: flat(kwh(less)),
    }
}

#[test]
fn what_is_corrected_and_corrected_back_a_month_later_comes_to_nothing() {
    let (mut world, a) = january(&taxed(vec![]));
    world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 0, 50));
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(110));
    world.until(on(3, 2, 0));
    world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 50, 0));
    world.until(on(4, 1, 0));
    world.read(1, on(4, 1, 0), kwh(120));
    world.until(on(4, 1, 6));
    // Jan 100, Feb 10, March 10: 120 kWh x 0.82 x 1.13.
    assert_eq!(world.agreements[a].charged(), money("111.192"));
}

#[test]
fn a_correction_of_a_closed_month_has_both_its_prices() {
    for (more, less, paid) in [(20, 0, "17"), (0, 20, "0")] {
        let mut world = World::new(on(1, 1, 0), &package());
        world.publish(&version(&package(), 2, 900_000, TimeOfUse::none()));
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
        let second = to_version(&world, 2, "10000");
        world.amend(a, second, on(1, 16, 0)).unwrap();
        world.until(on(2, 1, 0));
        world.read(1, on(2, 1, 0), kwh(744));
        world.until(on(2, 2, 0));
        assert_eq!(world.agreements[a].charged(), Money(360 * 800_000 + 384 * 900_000));
        world.tell(a, corrected(on(1, 15, 12), on(1, 16, 12), more, less));
        world.until(on(3, 1, 0));
        world.read(1, on(3, 1, 0), kwh(844));
        world.until(on(3, 1, 6));
        let expected = if more > 0 { money("107") } else { money("73") };
        assert_eq!(world.agreements[a].last().paid(), expected, "{paid}");
    }
}

/// 100 kWh, and the final statement for them.
fn ended(allowance: &str) -> (World, usize) {
    let mut world = World::new(on(1, 1, 0), &taxed(vec![]));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", allowance).unwrap();
    world.until(on(1, 20, 0));
    world.read(1, on(1, 20, 0), kwh(100));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(1, 20, 7));
    assert_eq!(world.agreements[a].charged(), money("92.66"));
    (world, a)
}

#[test]
fn what_is_corrected_there_and_back_after_the_end_is_paid_once() {
    let (mut world, a) = ended("1000");
    let mut correct = |more, less| {
        world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), more, less));
        let last = world.agreements[a].last();
        assert_eq!(last.draft.closing, Closing::Supplement);
        (amounts(last), last.paid())
    };
    let (energy, levy) = (("energy", money("8")), ("levy", money("0.2")));
    assert_eq!(correct(10, 0), (vec![energy, levy, ("tax", money("1.066"))], money("9.266")));
    assert_eq!(correct(0, 10), (vec![("credit", money("8.2"))], Money::ZERO));
    assert_eq!(correct(10, 0), (vec![energy, levy, ("credit", money("8.2"))], Money::ZERO));
    assert_eq!(correct(10, 0), (vec![energy, levy, ("tax", money("1.066"))], money("9.266")), "nothing of it is left");
}

#[test]
fn what_a_correction_gives_back_after_a_default_lowers_the_debt() {
    let (mut world, a) = ended("0");
    assert_eq!((world.agreements[a].status, world.agreements[a].debt), (Status::Defaulted, money("92.66")));
    for (less, debt) in [(50, "46.33"), (30, "18.532")] {
        world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 0, less));
        assert_eq!((world.agreements[a].debt, world.agreements[a].last().debt), (money(debt), money(debt)));
    }
    world.pay_debt(a, money("18.532"));
    world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 20, 0));
    assert_eq!(world.agreements[a].debt, money("18.532"));
}

fn peaks(issued: &Issued) -> Vec<(Window, Quantity, u32, Money)> {
    issued
        .draft
        .lines
        .iter()
        .filter_map(|line| match line {
            StatementLine::Demand { period, quantity, ms, amount, .. } => Some((*period, *quantity, *ms, *amount)),
            _ => None,
        })
        .collect()
}

fn demand(units: &str) -> Vec<Charge> {
    vec![charge("demand", ChargeRule::Demand { carrier: Carrier::Electricity, per_kw: money(units) })]
}

#[test]
fn a_demand_that_shows_late_is_the_difference_and_names_its_month() {
    let mut world = World::new(on(1, 1, 0), &taxed(demand("40")));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(1, 1, 1), kwh(10));
    world.read(1, on(1, 31, 22), kwh(10));
    world.until(on(2, 3, 0));
    assert_eq!(peaks(world.agreements[a].last()).iter().map(|of| of.3).sum::<Money>(), money("400"));
    world.read(1, on(1, 31, 23), kwh(30));
    world.read(1, on(2, 1, 0), kwh(35));
    world.read(1, on(2, 1, 1), kwh(43));
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(43));
    world.until(on(3, 1, 6));
    let of: Vec<_> = peaks(world.agreements[a].last()).iter().map(|of| (of.0.to, of.1, of.3)).collect();
    assert_eq!(of, [(on(2, 1, 0), kwh(20), money("400")), (on(3, 1, 0), kwh(8), money("320"))]);
}

#[test]
fn a_demand_that_shows_late_has_the_price_of_its_month() {
    for late in [false, true] {
        let first = taxed(demand("40"));
        let mut world = World::new(on(1, 1, 0), &first);
        let mut second = first.clone();
        second.version = 2;
        second.terms.charges = some(demand("60"));
        world.publish(&second);
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
        let terms = to_version(&world, 2, "10000");
        world.amend(a, terms, on(2, 1, 0)).unwrap();
        world.until(on(2, 1, 0));
        world.read(1, on(1, 1, 1), kwh(10));
        world.read(1, on(1, 31, 22), kwh(10));
        if late {
            world.until(on(2, 3, 0));
        }
        world.read(1, on(1, 31, 23), kwh(30));
        world.read(1, on(2, 1, 0), kwh(30));
        world.until(on(3, 1, 0));
        world.read(1, on(2, 3, 1), kwh(30));
        world.read(1, on(2, 3, 2), kwh(38));
        world.read(1, on(3, 1, 0), kwh(38));
        world.until(on(3, 1, 6));
        let sum: Money = world.agreements[a].statements.iter().flat_map(peaks).map(|of| of.3).sum();
        // 20 kW at 40 for January, 8 kW at 60 for February.
        assert_eq!(sum, money("1280"), "late {late}");
    }
}

#[test]
fn the_hour_that_ends_with_the_month_is_of_that_month() {
    let mut world = World::new(on(1, 1, 0), &taxed(demand("40")));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(2, 1, 1));
    world.read(1, on(1, 31, 23), kwh(0));
    world.read(1, on(2, 1, 0), kwh(20));
    world.read(1, on(2, 1, 1), kwh(25));
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(25));
    world.until(on(3, 1, 6));
    let of: Vec<_> =
        world.agreements[a].statements.iter().map(|of| peaks(of).iter().map(|of| of.3).sum::<Money>()).collect();
    assert_eq!(of, [money("800"), money("200")]);
}

#[test]
fn a_demand_is_of_quarters_and_hours_and_not_of_an_hour_and_a_minute() {
    let mut world = World::new(on(1, 1, 0), &taxed(demand("40")));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(2, 1, 0));
    let mut register = 0;
    for (minutes_from, minutes_to, more) in [(0u64, 60u64, 7), (120, 181, 100), (240, 255, 5)] {
        let time = |minutes: u64| at(2026, 1, 5, 0, 0).0 + minutes * 60_000;
        world.read(1, utilidor_types::Timestamp(time(minutes_from)), kwh(register));
        register += more;
        world.read(1, utilidor_types::Timestamp(time(minutes_to)), kwh(register));
    }
    world.read(1, on(2, 1, 0), kwh(register));
    world.until(on(2, 1, 6));
    let of: Vec<_> = peaks(world.agreements[a].last()).iter().map(|of| (of.1, of.2, of.3)).collect();
    assert_eq!(of, [(kwh(5), 900_000, money("800"))]);
}

#[test]
fn a_demand_is_of_the_tenant_who_was_there() {
    let mut world = World::new(on(1, 1, 0), &taxed(demand("40")));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(1, 10, 12));
    world.read(1, on(1, 10, 11), kwh(0));
    world.read(1, on(1, 10, 12), kwh(100));
    world.end(a, Some(Party::USER)).unwrap();
    let b = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(1, 10, 13));
    world.read(1, on(1, 10, 13), kwh(103));
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(103));
    world.until(on(2, 1, 6));
    let of = |number: usize| world.agreements[number].statements.iter().flat_map(peaks).map(|of| of.3).sum::<Money>();
    assert_eq!((of(a), of(b)), (money("4000"), money("120")));
}

#[test]
fn an_allowance_gives_up_to_its_cap_in_thirty_days_and_the_rest_is_owed() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "50").unwrap();
    for (month, register, paid, unpaid, debt) in
        [(2, 100, "50", "30", "30"), (3, 110, "0", "8", "38"), (4, 200, "50", "22", "60")]
    {
        world.until(on(month, 1, 0));
        world.read(1, on(month, 1, 0), kwh(register));
        world.until(on(month, 1, 6));
        let last = world.agreements[a].last();
        assert_eq!((last.paid(), last.draft.unpaid, last.debt), (money(paid), money(unpaid), money(debt)), "{month}");
    }
    let late = world.agreements[a].debt;
    world.pay(a, "60");
    assert_eq!((world.agreements[a].debt, world.agreements[a].pot, late), (Money::ZERO, Money::ZERO, money("60")));
}

#[test]
fn a_month_that_is_paid_within_a_paid_quarter_begins_when_the_quarter_is_over() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![heating(1)], "1000", "0").unwrap();
    world.prepay(a, Carrier::Heating, heat("360", Period::Quarter)).unwrap();
    world.prepay(a, Carrier::Heating, heat("100", Period::Month)).unwrap();
    for (month, register) in [(2, 0), (3, 0), (4, 100), (5, 150)] {
        world.until(on(month, 1, 0));
        world.read(1, on(month, 1, 0), kwh(register));
    }
    world.until(on(5, 1, 6));
    // 100 kWh in March at 3 % off, 50 in April at the month's price.
    let paid: Vec<_> = world.agreements[a].statements.iter().map(|of| (of.paid(), of.draft.unpaid)).collect();
    let (nothing, none) = (Money::ZERO, (Money::ZERO, Money::ZERO));
    assert_eq!(paid, [none, none, (money("34.92"), nothing), (money("18"), nothing)]);
    assert_eq!((world.agreements[a].debt, world.agreements[a].pot), (nothing, nothing), "the rest of both went back");
    assert_eq!(world.free_of(a), money("947.08"));
}

#[test]
fn a_second_month_that_is_paid_within_the_first_is_the_next_one() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![heating(1)], "1000", "0").unwrap();
    world.prepay(a, Carrier::Heating, heat("18", Period::Month)).unwrap();
    world.until(on(1, 20, 0));
    world.read(1, on(1, 20, 0), kwh(60));
    world.prepay(a, Carrier::Heating, heat("36", Period::Month)).unwrap();
    for (month, register) in [(2, 70), (3, 110)] {
        world.until(on(month, 1, 0));
        world.read(1, on(month, 1, 0), kwh(register));
    }
    world.until(on(3, 1, 6));
    let paid: Vec<_> = world.agreements[a].statements.iter().map(|of| (of.paid(), of.draft.unpaid)).collect();
    // January has 18.00, and 20 kWh at list price: 10 used before the payment, which pays them, and 10 that are owed. February
    // has the other 32.40 for 40 kWh.
    assert_eq!(paid, [(money("21.6"), money("3.6")), (money("14.4"), Money::ZERO)]);
    assert_eq!((world.agreements[a].debt, world.free_of(a)), (money("3.6"), money("964")));
}

/// A subscription that ended on 20 January, an hour of which was not read in time; its demand is 40 a kilowatt, and 60 since
/// the 10th where that was signed.
fn ended_with_an_hour_unread(amended: bool, in_time: bool) -> (World, usize) {
    let first = taxed(demand("40"));
    let mut world = World::new(on(1, 1, 0), &first);
    let mut second = first.clone();
    second.version = 2;
    second.terms.charges = some(demand("60"));
    world.publish(&second);
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    if amended {
        let terms = to_version(&world, 2, "10000");
        world.amend(a, terms, on(1, 10, 0)).unwrap();
    }
    world.until(on(1, 20, 0));
    world.read(1, on(1, 1, 1), kwh(10));
    world.read(1, on(1, 19, 23), kwh(10));
    world.end(a, Some(Party::USER)).unwrap();
    if !in_time {
        world.until(on(1, 22, 0));
    }
    world.read(1, on(1, 20, 0), kwh(30));
    world.until(on(1, 23, 0));
    (world, a)
}

#[test]
fn a_demand_that_shows_after_the_final_statement_is_the_difference_on_a_supplement() {
    for amended in [false, true] {
        let [expected, found] = [true, false].map(|in_time| {
            let (world, a) = ended_with_an_hour_unread(amended, in_time);
            (world.agreements[a].charged(), world.agreements[a].debt)
        });
        // 30 kWh at 0.82, and 20 kW, with 13 % tax.
        assert_eq!(expected, (money(if amended { "1383.798" } else { "931.798" }), Money::ZERO));
        assert_eq!(found, expected, "amended {amended}");
    }
    let (world, a) = ended_with_an_hour_unread(false, false);
    let last = world.agreements[a].last();
    assert_eq!((last.draft.closing, last.draft.period.to), (Closing::Supplement, on(1, 20, 0)));
    let january = Window { from: on(1, 1, 0), to: on(1, 20, 0) };
    assert_eq!(peaks(last), [(january, kwh(20), 3_600_000, money("400"))]);
}

#[test]
fn a_demand_that_shows_after_the_final_statement_has_the_price_of_its_month() {
    let first = taxed(demand("40"));
    let mut world = World::new(on(1, 1, 0), &first);
    let mut second = first.clone();
    second.version = 2;
    second.terms.charges = some(demand("60"));
    world.publish(&second);
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    let terms = to_version(&world, 2, "10000");
    world.amend(a, terms, on(2, 1, 0)).unwrap();
    world.until(on(2, 10, 0));
    world.read(1, on(1, 31, 22), kwh(0));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(2, 11, 0));
    world.read(1, on(1, 31, 23), kwh(20));
    world.read(1, on(2, 1, 1), kwh(20));
    world.read(1, on(2, 1, 2), kwh(28));
    world.read(1, on(2, 10, 0), kwh(28));
    let of: Vec<_> = peaks(world.agreements[a].last()).iter().map(|of| (of.0.to, of.3)).collect();
    assert_eq!(of, [(on(2, 1, 0), money("800")), (on(2, 10, 0), money("480"))]);
    let again = world.agreements[a].charged();
    world.tell(a, corrected(on(2, 3, 0), on(2, 4, 0), 1, 0));
    assert_eq!(world.agreements[a].charged().0 - again.0, money("0.9266").0, "a demand is charged once");
}

fn at_least(units: &str) -> Package {
    taxed(vec![charge("minimum", ChargeRule::Minimum { per_month: money(units) })])
}

/// So much in January and February; January read in time, or on 3 February.
fn with_a_minimum(package: &Package, january: u64, february: u64, late: bool) -> (World, usize) {
    let mut world = World::new(on(1, 1, 0), package);
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(if late { on(2, 3, 0) } else { on(2, 1, 0) });
    world.read(1, on(2, 1, 0), kwh(january));
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(january + february));
    world.until(on(3, 1, 6));
    (world, a)
}

#[test]
fn a_minimum_that_was_charged_is_set_off_against_what_comes_late_for_its_period() {
    for (january, february, charged) in
        [(50, 100, "162.72"), (100, 100, "185.32"), (0, 100, "162.72"), (10, 10, "140.12"), (80, 0, "144.188")]
    {
        for late in [false, true] {
            let (world, a) = with_a_minimum(&at_least("62"), january, february, late);
            assert_eq!(world.agreements[a].charged(), money(charged), "{january} {february} {late}");
        }
    }
    let (world, a) = with_a_minimum(&at_least("62"), 50, 100, true);
    let expected = [
        ("energy", money("40")),
        ("energy", money("80")),
        ("levy", money("1")),
        ("levy", money("2")),
        ("credit", money("41")),
        ("tax", money("10.66")),
    ];
    assert_eq!(amounts(world.agreements[a].last()), expected);
    let credit = world.agreements[a].last().draft.lines.iter().find_map(|line| match line {
        StatementLine::Credit { carrier, period, bands, .. } => Some((*carrier, *period, *bands)),
        _ => None,
    });
    let january = Window { from: on(1, 1, 0), to: on(2, 1, 0) };
    assert_eq!(credit, Some((Carrier::Electricity, january, flat(kwh(0)))));
}

#[test]
fn what_comes_late_in_parts_is_set_off_until_nothing_of_the_minimum_is_left() {
    let mut world = World::new(on(1, 1, 0), &at_least("62"));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(2, 2, 0));
    for (month, more) in [(3, 50), (4, 50), (5, 50)] {
        world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), more, 0));
        world.until(on(month, 1, 0));
        world.read(1, on(month, 1, 0), kwh(0));
        world.until(on(month, 1, 6));
    }
    let of: Vec<_> = world.agreements[a].statements.iter().map(|of| of.paid()).collect();
    // The minimum of each month, and of January's 41.00 each time what is beyond its 62.
    assert_eq!(of, ["70.06", "70.06", "92.66", "116.39"].map(money));
}

#[test]
fn what_a_correction_takes_back_raises_the_minimum_of_its_period_again() {
    for (january, less, february, charged) in
        [(100, 50, 100, "162.72"), (100, 20, 100, "166.788"), (50, 20, 100, "162.72"), (100, 50, 0, "140.12")]
    {
        let (mut world, a) = january_of(&at_least("62"), january);
        world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 0, less));
        world.until(on(3, 1, 0));
        world.read(1, on(3, 1, 0), kwh(january + february));
        world.until(on(3, 1, 6));
        assert_eq!(world.agreements[a].charged(), money(charged), "{january} {less} {february}");
    }
    let (mut world, a) = january_of(&at_least("62"), 100);
    world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 0, 50));
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(200));
    world.until(on(3, 1, 6));
    world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 50, 0));
    world.until(on(4, 1, 0));
    world.read(1, on(4, 1, 0), kwh(300));
    world.until(on(4, 1, 6));
    // 100 kWh in each of three months: there and back is nothing.
    assert_eq!(world.agreements[a].charged(), money("277.98"));
}

fn january_of(package: &Package, quantity: u64) -> (World, usize) {
    let mut world = World::new(on(1, 1, 0), package);
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(quantity));
    world.until(on(2, 2, 0));
    (world, a)
}

#[test]
fn a_correction_counts_for_the_minimum_whether_a_prepayment_has_closed_its_stretch_or_not() {
    for paid_first in [false, true] {
        let mut world = World::new(on(1, 1, 0), &at_least("62"));
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
        world.until(on(1, 10, 0));
        world.read(1, on(1, 10, 0), kwh(100));
        if paid_first {
            world.pay(a, "1");
        } else {
            world.foreign_marks = vec![on(1, 10, 0)];
        }
        world.until(on(1, 11, 0));
        world.read(1, on(1, 11, 0), kwh(100));
        world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 0, 50));
        world.until(on(2, 1, 0));
        world.read(1, on(2, 1, 0), kwh(100));
        world.until(on(2, 1, 6));
        assert_eq!(world.agreements[a].charged(), money("70.06"), "paid {paid_first}");
    }
}

#[test]
fn a_minimum_is_set_off_on_a_supplement_too() {
    for in_time in [true, false] {
        let mut world = World::new(on(1, 1, 0), &at_least("62"));
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
        world.until(on(1, 17, 0));
        world.end(a, Some(Party::USER)).unwrap();
        world.until(if in_time { on(1, 17, 1) } else { on(1, 18, 0) });
        world.read(1, on(1, 17, 0), kwh(50));
        world.until(on(1, 19, 0));
        // At least 32 for sixteen days; 50 kWh are 41.
        assert_eq!(world.agreements[a].charged(), money("46.33"), "{in_time}");
        world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 0, 30));
        // 20 kWh are 16.40, so that 32 are due again.
        assert_eq!(world.agreements[a].charged().0 + world.agreements[a].debt.0, money("46.33").0);
        world.tell(a, corrected(on(1, 3, 0), on(1, 4, 0), 30, 0));
        assert_eq!(world.agreements[a].charged(), money("46.33"), "{in_time}");
    }
}

/// Three months, each read in time or three days late; what they come to after the end of April.
fn three_months(package: &Package, used: [u64; 3], late: [bool; 3], prepaid: Option<&str>) -> Money {
    let mut world = World::new(on(1, 1, 0), package);
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    if let Some(amount) = prepaid {
        world.pay(a, amount);
    }
    let mut register = 0;
    for ((month, used), late) in (2..).zip(used).zip(late) {
        register += used;
        world.until(on(month, if late { 4 } else { 1 }, 0));
        world.read(1, on(month, 1, 0), kwh(register));
    }
    world.until(on(5, 1, 0));
    world.end(a, Some(Party::USER)).unwrap();
    world.read(1, on(5, 1, 0), kwh(register));
    world.until(on(5, 2, 0));
    assert_eq!((world.agreements[a].debt, world.agreements[a].pot), (Money::ZERO, Money::ZERO));
    assert_eq!(world.free_of(a).0, money("10000").0 - world.agreements[a].charged().0);
    world.agreements[a].charged()
}

#[test]
fn minimums_come_to_the_same_in_time_and_late() {
    let minimum = |units: &str, vat_permille| Charge {
        vat_permille,
        ..charge("minimum", ChargeRule::Minimum { per_month: money(units) })
    };
    let packages = [
        taxed(vec![minimum("62", 130)]),
        taxed(vec![minimum("62", 0)]),
        taxed(vec![minimum("20", 0), minimum("62", 130), charge("rent", ChargeRule::Fixed { per_month: money("7") })]),
    ];
    for package in packages {
        for used in [[50, 100, 0], [0, 30, 60], [100, 20, 100], [70, 10, 80]] {
            for prepaid in [None, Some("30"), Some("10000")] {
                let expected = three_months(&package, used, [false; 3], prepaid);
                for late in [[true, false, false], [true, true, true], [false, true, false]] {
                    assert_eq!(three_months(&package, used, late, prepaid), expected, "{used:?} {late:?} {prepaid:?}");
                }
            }
        }
    }
}

/// What January and February come to where an hour of 10 kW at the end of January is read in time, and where it is read late.
fn demand_in_time_and_late(package: &Package, service: &Service) -> (Money, Money) {
    let [in_time, late] = [false, true].map(|late| {
        let mut world = World::new(on(1, 1, 0), package);
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![service.clone()], "10000", "10000").unwrap();
        world.until(on(2, 1, 0));
        world.read(1, on(1, 31, 22), kwh(0));
        world.until(if late { on(2, 3, 0) } else { on(2, 1, 1) });
        world.read(1, on(1, 31, 23), kwh(10));
        world.read(1, on(2, 1, 1), kwh(10));
        world.until(on(3, 1, 0));
        world.read(1, on(3, 1, 0), kwh(1_000));
        world.until(on(3, 1, 6));
        world.agreements[a].charged()
    });
    (in_time, late)
}

#[test]
fn a_demand_that_shows_late_is_set_off_against_the_minimum_of_its_month() {
    let mut charges = demand("40");
    charges.push(charge("minimum", ChargeRule::Minimum { per_month: money("500") }));
    let charged = demand_in_time_and_late(&taxed(charges), &electricity(0, 1));
    // 500 for January, which 10 kWh and 10 kW do not reach, and 990 kWh.
    assert_eq!(charged, (money("1482.334"), money("1482.334")));
}

#[test]
fn a_demand_that_shows_late_is_set_off_against_the_minimum_of_a_floor_area() {
    let mut package = package();
    package.options = some(vec![option(Carrier::Cooling, Tariff::FloorArea(by_area("0.01")))]);
    let demand = ChargeRule::Demand { carrier: Carrier::Cooling, per_kw: money("40") };
    let least = ChargeRule::Minimum { per_month: money("500") };
    package.terms.charges = some(vec![charge("demand", demand), charge("minimum", least)]);
    let area = Area::square_metres(1).unwrap();
    let service = Service { carrier: Carrier::Cooling, floor_area: area, ..electricity(0, 1) };
    let (in_time, late) = demand_in_time_and_late(&package, &service);
    assert_eq!(in_time, late);
}

#[test]
fn a_minimum_of_each_part_of_a_month_is_set_off_by_its_own_version() {
    let first = at_least("62");
    let mut second = first.clone();
    second.version = 2;
    second.terms.charges = some(vec![charge("minimum", ChargeRule::Minimum { per_month: money("124") })]);
    let [in_time, late] = [false, true].map(|late| {
        let mut world = World::new(on(1, 1, 0), &first);
        world.publish(&second);
        world.meter(1, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
        let terms = to_version(&world, 2, "10000");
        world.amend(a, terms, on(1, 16, 0)).unwrap();
        world.until(if late { on(2, 3, 0) } else { on(2, 1, 0) });
        world.read(1, on(1, 16, 0), kwh(30));
        world.read(1, on(2, 1, 0), kwh(130));
        world.until(on(3, 1, 0));
        world.read(1, on(3, 1, 0), kwh(330));
        world.until(on(3, 1, 6));
        world.agreements[a].charged()
    });
    // 30 for fifteen days, 82 for 100 kWh in sixteen of which 64 is the least, 164.
    assert_eq!((in_time, late), (money("311.88"), money("311.88")));
}
