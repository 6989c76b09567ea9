//! What bills of real retailers need: charges, levies and taxes, areas that change, meters that are replaced, corrections,
//! notices, debts.

use crate::world::*;
use utilidor_program::{Event, Notice, Segment};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::Status;
use utilidor_types::package::{Charge, ChargeRule, Package, Period, TimeOfUse, UnitPrice};
use utilidor_types::statement::{Closing, StatementLine};
use utilidor_types::{
    Area, Bands, Carrier, Money, Party, Price, Quantity, Refusal, SubscriptionTerms, Tariff, Text, Window,
};

pub const NO_PEAK: (Quantity, u32) = (Quantity::ZERO, 0);

pub fn charge(name: &str, rule: ChargeRule) -> Charge {
    Charge { name: Text::new(name).unwrap(), rule, vat_permille: 130 }
}

/// Electricity at 0.80 and a levy of 0.02, with value-added tax of 13 %.
pub fn taxed(charges: Vec<Charge>) -> Package {
    let mut package = package();
    let mut tariff = metered(800_000, TimeOfUse::none());
    tariff.levy = money("0.02");
    package.options.as_mut_slice()[0] = option(Carrier::Electricity, Tariff::Metered(tariff));
    package.options.as_mut_slice()[0].vat_permille = 130;
    package.terms.charges = some(charges);
    package
}

pub fn flat(quantity: Quantity) -> Bands {
    let mut bands = Bands::ZERO;
    bands.0[0] = quantity;
    bands
}

pub fn amounts(issued: &Issued) -> Vec<(&'static str, Money)> {
    let of = |line: &&StatementLine| match line {
        StatementLine::Energy { amount, .. } => ("energy", *amount),
        StatementLine::Levy { amount, .. } => ("levy", *amount),
        StatementLine::FloorArea { amount, .. } => ("area", *amount),
        StatementLine::Fixed { amount, .. } => ("fixed", *amount),
        StatementLine::Minimum { amount, .. } => ("minimum", *amount),
        StatementLine::Demand { amount, .. } => ("demand", *amount),
        StatementLine::Credit { amount, .. } => ("credit", *amount),
        StatementLine::Tax { amount, .. } => ("tax", *amount),
        StatementLine::Refund { amount, .. } => ("refund", *amount),
        other => panic!("{other:?}"),
    };
    issued.charges().iter().map(of).collect()
}

#[test]
fn charges_levies_and_tax_are_lines_of_their_own() {
    let package = taxed(vec![charge("meter rent", ChargeRule::Fixed { per_month: money("30") })]);
    let mut world = World::new(on(1, 1, 0), &package);
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(100));
    world.until(on(2, 1, 6));
    let expected = [("energy", money("80")), ("levy", money("2")), ("fixed", money("30")), ("tax", money("14.56"))];
    assert_eq!(amounts(world.agreements[a].last()), expected);
    assert_eq!(world.free[&OWNER], money("126.56"));
}

#[test]
fn a_tranche_buys_at_the_gross_price_and_the_statement_shows_the_split() {
    let mut world = World::new(on(1, 1, 0), &taxed(vec![]));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    world.pay(a, "92.66");
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(50));
    world.until(on(2, 1, 6));
    let expected = [("energy", money("40")), ("levy", money("1")), ("tax", money("5.33"))];
    assert_eq!(amounts(world.agreements[a].last()), expected);
    assert_eq!(world.agreements[a].pot, money("46.33"));
    world.until(on(2, 20, 0));
    world.read(1, on(2, 20, 0), kwh(100));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(2, 20, 6));
    assert_eq!(world.agreements[a].charged(), money("92.66"), "100 kWh, and nothing is left");
}

#[test]
fn fixed_charges_and_minimums_are_for_the_days_that_were_served() {
    let charges = vec![
        charge("meter rent", ChargeRule::Fixed { per_month: money("31") }),
        charge("minimum", ChargeRule::Minimum { per_month: money("62") }),
    ];
    let mut world = World::new(on(1, 17, 0), &taxed(charges));
    world.meter(1, on(1, 17, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(10));
    world.until(on(2, 1, 6));
    let expected = [
        ("energy", money("8")),
        ("levy", money("0.2")),
        ("fixed", money("15")),
        ("minimum", money("6.8")),
        ("tax", money("3.9")),
    ];
    assert_eq!(amounts(world.agreements[a].last()), expected, "15 of 31 days");
}

#[test]
fn a_demand_charge_is_for_the_highest_mean_power_of_an_hour() {
    let demand = ChargeRule::Demand { carrier: Carrier::Electricity, per_kw: money("40") };
    let mut world = World::new(on(1, 1, 0), &taxed(vec![charge("demand", demand)]));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(2, 1, 0));
    for (time, register) in [(on(1, 1, 1), 2), (on(1, 1, 2), 12), (on(1, 2, 2), 512), (on(2, 1, 0), 512)] {
        world.read(1, time, kwh(register));
    }
    world.until(on(2, 1, 6));
    let line = world.agreements[a].last().draft.lines.iter().find_map(|line| match line {
        StatementLine::Demand { quantity, ms, amount, .. } => Some((*quantity, *ms, *amount)),
        _ => None,
    });
    assert_eq!(line, Some((kwh(10), 3_600_000, money("400"))), "500 kWh in a day are no hour");
}

#[test]
fn a_demand_charge_needs_the_meter_of_its_carrier() {
    let demand = ChargeRule::Demand { carrier: Carrier::Heating, per_kw: money("40") };
    let mut world = World::new(on(1, 1, 0), &taxed(vec![charge("demand", demand)]));
    world.meter(1, on(1, 1, 0));
    let refused = world.subscribe(vec![area(10)], "0", "0").unwrap_err();
    assert_eq!(refused, Refusal::ServiceNeedsMeter { carrier: Carrier::Heating });
    world.subscribe(vec![electricity(0, 1)], "0", "0").unwrap();
}

#[test]
fn an_area_has_two_decimals_and_changes_at_a_date() {
    for prepaid in [false, true] {
        let mut world = World::new(on(1, 1, 0), &package());
        let mut service = area(0);
        service.floor_area = Area(10_050);
        let a = world.subscribe(vec![service.clone()], "10000", "10000").unwrap();
        if prepaid {
            let payment = Prepayment::Period { period: Period::Month, at_most: money("3115.50") };
            world.prepay(a, Carrier::Heating, payment).unwrap();
        }
        world.until(on(1, 5, 0));
        service.floor_area = Area(20_025);
        let terms = world.terms(vec![service], "10000");
        world.amend(a, terms, on(1, 11, 0)).unwrap();
        world.until(on(2, 1, 6));
        assert_eq!(world.agreements[a].charged(), money("5210.25"), "10 days of 100.50 m2, 21 of 200.25");
        let lines = amounts(world.agreements[a].last());
        let expected: &[_] = if prepaid {
            &[("area", money("1005")), ("area", money("2110.50")), ("area", money("2094.75"))]
        } else {
            &[("area", money("1005")), ("area", money("4205.25"))]
        };
        assert_eq!(lines, expected);
        assert_eq!(world.agreements[a].pot, Money::ZERO);
    }
}

#[test]
fn a_smaller_area_leaves_money_that_goes_back_when_the_period_is_over() {
    let mut world = World::new(on(1, 1, 0), &package());
    let a = world.subscribe(vec![area(100)], "3100", "0").unwrap();
    let payment = Prepayment::Period { period: Period::Month, at_most: money("3100") };
    world.prepay(a, Carrier::Heating, payment).unwrap();
    let terms = world.terms(vec![area(50)], "0");
    world.amend(a, terms, on(1, 11, 0)).unwrap();
    world.until(on(2, 1, 6));
    assert_eq!(
        amounts(world.agreements[a].last()),
        [("area", money("1000")), ("area", money("1050")), ("refund", money("1050"))]
    );
    assert_eq!(world.free_of(a), money("1050"));
}

#[test]
fn a_meter_is_replaced_and_both_count_for_their_own_time() {
    for old_is_late in [false, true] {
        let mut world = World::new(on(1, 1, 0), &package());
        world.meter(1, on(1, 1, 0));
        world.meter(2, on(1, 1, 0));
        let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
        world.pay(a, "800");
        world.until(on(1, 15, 0));
        let terms = world.terms(vec![electricity(0, 2)], "0");
        world.amend(a, terms, on(1, 15, 12)).unwrap();
        world.until(on(2, 1, 0));
        if old_is_late {
            world.read(2, on(1, 15, 12), kwh(5));
            world.read(2, on(2, 1, 0), kwh(105));
            world.read(1, on(1, 15, 12), kwh(50));
            world.read(1, on(1, 16, 12), kwh(70));
        } else {
            world.read(1, on(1, 15, 12), kwh(50));
            world.read(1, on(1, 16, 12), kwh(70));
            world.read(2, on(1, 15, 12), kwh(5));
            world.read(2, on(2, 1, 0), kwh(105));
        }
        world.until(on(2, 1, 6));
        assert_eq!(world.agreements[a].last().used(), kwh(150));
        assert_eq!(world.agreements[a].last().paid(), money("120"));
        assert_eq!(world.agreements[a].last().used_in(|period| period.to == on(1, 15, 12)), kwh(50));
    }
}

#[test]
fn corrections_of_an_open_period_simply_count_and_never_below_nothing() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.foreign_marks = vec![on(1, 10, 0)];
    world.until(on(1, 10, 0));
    world.read(1, on(1, 10, 0), kwh(100));
    let interval = Window { from: on(1, 2, 0), to: on(1, 3, 0) };
    let more = |bands| Segment { interval, bands, peak: NO_PEAK };
    world.tell(a, Event::Corrected { binding: 0, more: more(flat(kwh(5))), less: Bands::ZERO });
    world.tell(a, Event::Corrected { binding: 0, more: more(Bands::ZERO), less: flat(kwh(15)) });
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(100));
    world.until(on(2, 1, 6));
    assert_eq!(world.agreements[a].last().used(), kwh(90));
    assert_eq!(amounts(world.agreements[a].last()), [("energy", money("72"))]);
}

/// 100 kWh in January at list price, and its statement.
fn january() -> (World, usize) {
    let mut world = World::new(on(1, 1, 0), &taxed(vec![]));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(100));
    world.until(on(2, 2, 0));
    (world, a)
}

fn on_the_third(more: Bands) -> Segment {
    Segment { interval: Window { from: on(1, 3, 0), to: on(1, 4, 0) }, bands: more, peak: NO_PEAK }
}

#[test]
fn what_a_correction_adds_to_a_closed_period_is_a_line_that_names_it() {
    for returned in [false, true] {
        let (mut world, a) = january();
        let segment = on_the_third(flat(kwh(10)));
        world.tell(
            a,
            match returned {
                true => Event::Returned { binding: 0, segment },
                false => Event::Corrected { binding: 0, more: segment, less: Bands::ZERO },
            },
        );
        world.until(on(3, 1, 0));
        world.read(1, on(3, 1, 0), kwh(101));
        world.until(on(3, 1, 6));
        let statement = world.agreements[a].last();
        assert_eq!(statement.used_in(|period| period.to == on(2, 1, 0)), kwh(10));
        assert_eq!(
            amounts(statement),
            [
                ("energy", money("8")),
                ("energy", money("0.8")),
                ("levy", money("0.2")),
                ("levy", money("0.02")),
                ("tax", money("1.1726")),
            ]
        );
    }
}

#[test]
fn what_a_correction_takes_back_lowers_the_next_statements() {
    let (mut world, a) = january();
    world.tell(a, Event::Corrected { binding: 0, more: on_the_third(Bands::ZERO), less: flat(kwh(50)) });
    for (month, register) in [(3, 110), (4, 200)] {
        world.until(on(month, 1, 0));
        world.read(1, on(month, 1, 0), kwh(register));
        world.until(on(month, 1, 6));
    }
    let [_, february, march] = &world.agreements[a].statements[..] else { panic!("three statements") };
    // 50 kWh come to 41.00 net; February has 8.20 to lower, the rest waits for March.
    assert_eq!(amounts(february), [("energy", money("8")), ("levy", money("0.2")), ("credit", money("8.2"))]);
    assert_eq!(february.paid(), Money::ZERO);
    let credit = february.draft.lines.iter().find(|line| matches!(line, StatementLine::Credit { .. })).unwrap();
    let price = UnitPrice { price: Price::micro_per_kwh(800_000), discount_permille: 0 };
    let expected = StatementLine::Credit {
        carrier: Carrier::Electricity,
        period: Window { from: on(1, 1, 0), to: on(2, 1, 0) },
        price,
        bands: flat(kwh(50)),
        amount: money("8.2"),
    };
    assert_eq!(*credit, expected);
    assert_eq!(
        amounts(march),
        [("energy", money("72")), ("levy", money("1.8")), ("credit", money("32.8")), ("tax", money("5.33"))]
    );
    assert_eq!(march.paid(), money("46.33"));
}

#[test]
fn a_credit_on_prepaid_usage_goes_back_to_the_user() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    world.pay(a, "800");
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(100));
    world.until(on(2, 2, 0));
    world.tell(a, Event::Corrected { binding: 0, more: on_the_third(Bands::ZERO), less: flat(kwh(10)) });
    world.until(on(3, 1, 0));
    world.read(1, on(3, 1, 0), kwh(200));
    world.until(on(3, 1, 6));
    assert_eq!(world.agreements[a].last().paid(), money("72"));
    assert_eq!((world.free_of(a), world.agreements[a].pot), (money("208"), money("640")));
}

#[test]
fn little_and_nothing_left_is_said_once_and_again_after_a_prepayment() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let mut service = electricity(0, 1);
    service.low_balance = kwh(50);
    let a = world.subscribe(vec![service], "1000", "0").unwrap();
    world.pay(a, "80");
    let mut told = Vec::new();
    let mut read = |world: &mut World, day, register| {
        world.until(on(1, day, 0));
        world.read(1, on(1, day, 0), kwh(register));
        let notices = world.agreements[a].notices.iter().map(|(_, notice)| notice);
        let said: Vec<_> = notices.filter(|of| matches!(of, Notice::Low(_) | Notice::Exhausted(_))).cloned().collect();
        let new = said[told.len()..].to_vec();
        told = said;
        new
    };
    let (low, exhausted) = (Notice::Low(Carrier::Electricity), Notice::Exhausted(Carrier::Electricity));
    assert_eq!(read(&mut world, 2, 49), []);
    assert_eq!(read(&mut world, 3, 51), vec![low.clone()]);
    assert_eq!(read(&mut world, 4, 199), []);
    assert_eq!(read(&mut world, 5, 202), vec![exhausted]);
    assert_eq!(read(&mut world, 6, 300), []);
    world.pay(a, "240");
    assert_eq!(read(&mut world, 7, 340), [], "200 went to what was used, 50 are left");
    assert_eq!(read(&mut world, 8, 360), [low]);
    assert!(world.steps < 20, "{} steps: a steady reading tells a program nothing", world.steps);
}

#[test]
fn a_notice_can_be_taken_back_and_no_energy_is_lost() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    let withdraw = |world: &mut World, by| world.ask(a, Event::EndingWithdrawn { by });
    let not_ending = Err(Refusal::NotEnding { agreement: world.agreements[a].id });
    assert_eq!(withdraw(&mut world, Party::OWNER), not_ending);
    world.until(on(1, 2, 0));
    world.end(a, Some(Party::OWNER)).unwrap();
    assert_eq!(withdraw(&mut world, Party::USER), not_ending);
    world.until(on(1, 8, 0));
    world.read(1, on(1, 8, 0), kwh(10));
    withdraw(&mut world, Party::OWNER).unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(100));
    world.until(on(2, 1, 6));
    assert_eq!((world.agreements[a].last().used(), world.agreements[a].status), (kwh(100), Status::Active));

    world.end(a, Some(Party::OWNER)).unwrap();
    world.until(on(2, 10, 0));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(2, 10, 6));
    assert_eq!(world.agreements[a].status, Status::Terminated, "the user need not wait");
}

#[test]
fn a_meter_that_is_promised_to_the_next_tenant_stays_so() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    world.end(a, None).unwrap();
    world.until(on(1, 15, 0));
    world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    let refused = world.ask(a, Event::EndingWithdrawn { by: Party::OWNER });
    assert!(matches!(refused, Err(Refusal::NotEnding { .. })));
}

fn second(package: &Package, change: impl FnOnce(&mut Package)) -> Package {
    let mut second = package.clone();
    second.version = 2;
    change(&mut second);
    second
}

#[test]
fn an_amendment_keeps_carriers_kinds_and_the_offset_and_has_its_time() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.publish(&second(&package(), |of| of.terms.offset_minutes = 0));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    let kind = Err(Refusal::AmendmentKind);
    let services = |services| SubscriptionTerms { services: some(services), ..world.terms(vec![], "0") };
    let (other_carrier, none) = (services(vec![area(1)]), services(vec![electricity(0, 1), area(1)]));
    let other_offset = SubscriptionTerms { version: 2, ..services(vec![electricity(0, 1)]) };
    let banded = services(vec![electricity(1, 1)]);
    for terms in [other_carrier, none, other_offset] {
        assert_eq!(world.amend(a, terms, on(2, 1, 0)), kind);
    }
    world.amend(a, banded.clone(), on(2, 1, 0)).unwrap();
    let from = on(1, 20, 0);
    assert_eq!(world.amend(a, banded.clone(), from), Err(Refusal::BadAmendmentTime { from }), "one waits already");
    world.end(a, Some(Party::USER)).unwrap();
    assert_eq!(world.amend(a, banded, on(3, 1, 0)), Err(Refusal::AlreadyEnding { at: on(1, 1, 0) }));
}

#[test]
fn bands_change_with_the_amendment_and_each_part_has_its_own_price() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "10000", "10000").unwrap();
    world.until(on(1, 5, 0));
    let terms = world.terms(vec![electricity(1, 1)], "10000");
    world.amend(a, terms, on(1, 11, 0)).unwrap();
    world.until(on(2, 1, 0));
    // 1 kWh an hour: 240 before the amendment, 504 after it, 147 of these at night.
    world.read(1, on(2, 1, 0), kwh(744));
    world.until(on(2, 1, 6));
    let list = 240 * 800_000 + 357 * 800_000 + 147 * 320_000;
    assert_eq!(world.agreements[a].last().paid(), Money(list));
}

#[test]
fn fixed_charges_follow_the_version_in_force() {
    let first = taxed(vec![charge("rent", ChargeRule::Fixed { per_month: money("31") })]);
    let mut world = World::new(on(1, 1, 0), &first);
    world.publish(&second(&first, |of| {
        of.terms.charges.as_mut_slice()[0].rule = ChargeRule::Fixed { per_month: money("62") }
    }));
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "1000").unwrap();
    let terms = SubscriptionTerms { version: 2, ..world.terms(vec![electricity(0, 1)], "1000") };
    world.amend(a, terms, on(1, 11, 0)).unwrap();
    world.until(on(2, 1, 6));
    assert_eq!(amounts(world.agreements[a].last())[..2], [("fixed", money("10")), ("fixed", money("42"))]);
    world.until(on(3, 1, 6));
    assert_eq!(amounts(world.agreements[a].last())[0], ("fixed", money("62")));
}

#[test]
fn a_debt_is_shown_and_paid_out_of_what_goes_back_at_the_end() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1), area(1)], "1000", "0").unwrap();
    world.until(on(2, 1, 0));
    world.read(1, on(2, 1, 0), kwh(100));
    world.until(on(2, 1, 6));
    assert_eq!(
        (world.agreements[a].last().draft.unpaid, world.agreements[a].last().debt),
        (money("111"), money("111"))
    );
    // The price of the period and the debt.
    let pay = |at_most| Prepayment::Period { period: Period::Month, at_most: money(at_most) };
    let refused = world.prepay(a, Carrier::Heating, pay("138")).unwrap_err();
    assert_eq!(refused, Refusal::AboveAtMost { amount: money("139"), at_most: money("138") });
    world.prepay(a, Carrier::Heating, pay("139")).unwrap();
    assert_eq!((world.agreements[a].debt, world.agreements[a].pot), (Money::ZERO, money("28")));
    world.until(on(2, 10, 0));
    world.read(1, on(2, 10, 0), kwh(110));
    world.end(a, Some(Party::USER)).unwrap();
    world.until(on(2, 10, 6));
    let last = world.agreements[a].last();
    assert_eq!(last.draft.closing, Closing::End);
    // 9 days and 10 kWh; the 19 that go back pay the 8.
    assert_eq!((last.paid(), last.draft.unpaid), (money("17"), Money::ZERO));
    assert_eq!((world.agreements[a].status, world.free_of(a)), (Status::Terminated, money("872")));
}

#[test]
fn payments_of_the_wrong_kind_or_for_nothing_are_refused() {
    let mut world = World::new(on(6, 1, 0), &package());
    world.meter(1, on(6, 1, 0));
    world.meter(2, on(6, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1), heating(2)], "1000", "0").unwrap();
    let refused = |world: &mut World, carrier, payment| world.prepay(a, carrier, payment).unwrap_err();
    let (power, heat) = (Carrier::Electricity, Carrier::Heating);
    let amount = |amount| Prepayment::Amount(money(amount));
    assert_eq!(refused(&mut world, Carrier::Gas, amount("1")), Refusal::NoSuchService { carrier: Carrier::Gas });
    assert_eq!(refused(&mut world, heat, amount("1")), Refusal::PaymentKind { carrier: heat });
    assert_eq!(refused(&mut world, power, amount("0")), Refusal::ZeroAmount);
    assert!(matches!(refused(&mut world, power, amount("1001")), Refusal::InsufficientFunds { .. }));
}

#[test]
fn as_many_prepayments_can_wait_as_there_are_places() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let a = world.subscribe(vec![electricity(0, 1)], "1000", "0").unwrap();
    for hour in 1..=16 {
        world.until(on(1, 1, hour));
        world.pay(a, "8");
    }
    let more = world.prepay(a, Carrier::Electricity, Prepayment::Amount(money("8")));
    assert_eq!(more, Err(Refusal::TooManyTranches { max: 16 }));
    world.until(on(1, 2, 0));
    world.read(1, on(1, 2, 0), kwh(24));
    world.pay(a, "8");
}

#[test]
fn a_subscription_needs_services_that_are_there_with_what_they_need() {
    let mut world = World::new(on(1, 1, 0), &package());
    world.meter(1, on(1, 1, 0));
    let mut refused = |services| world.subscribe(services, "0", "0").unwrap_err();
    assert_eq!(refused(vec![]), Refusal::NoServices);
    let carrier = Carrier::Electricity;
    assert_eq!(refused(vec![electricity(0, 1), electricity(0, 1)]), Refusal::DuplicateCarrier { carrier });
    assert_eq!(refused(vec![electricity(2, 1)]), Refusal::NoSuchOption { carrier, option: 2 });
    let mut unmetered = electricity(0, 1);
    unmetered.meter = None;
    assert_eq!(refused(vec![unmetered]), Refusal::ServiceNeedsMeter { carrier });
    assert_eq!(refused(vec![area(0)]), Refusal::ServiceNeedsArea { carrier: Carrier::Heating });
}
