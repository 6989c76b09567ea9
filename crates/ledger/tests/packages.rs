//! Energy Packages: publishing, subscribing, prepaying, consuming, statements, refunds.

mod world;

use utilidor_types::action::Prepayment;
use utilidor_types::agreement::*;
use utilidor_types::package::*;
use utilidor_types::statement::StatementLine;
use utilidor_types::*;
use world::*;

const ELECTRICITY: Carrier = Carrier::Electricity;
const HEATING: Carrier = Carrier::Heating;

#[test]
fn refuses_packages_in_this_order() {
    let check = |code: &str, change: &dyn Fn(&mut Package)| {
        let mut world = World::new();
        let mut package = world.package(1);
        change(&mut package);
        assert_eq!(world.refused("station", Action::PublishPackage(package)).code(), code);
    };
    fn metered(package: &mut Package) -> &mut MeteredTariff {
        let Tariff::Metered(tariff) = &mut package.options.as_mut_slice()[0].tariff else { unreachable!() };
        tariff
    }
    fn area(package: &mut Package) -> &mut FloorAreaTariff {
        let Tariff::FloorArea(tariff) = &mut package.options.as_mut_slice()[2].tariff else { unreachable!() };
        tariff
    }
    check("package/version-order", &|package| package.version = 2);
    check("package/no-options", &|package| package.options = Bounded::empty());
    check("package/bad-offset", &|package| package.offset_minutes = 841);
    check("package/too-many-options", &|package| {
        for _ in 0..MAX_TARIFF_OPTIONS {
            package.options.push(package.options[0].clone()).unwrap();
        }
    });
    check("package/zero-price", &|package| metered(package).price.money = Money::ZERO);
    check("terms/price-unit", &|package| metered(package).price.per = PriceUnit::CubicMetre);
    check("terms/rate-too-high", &|package| metered(package).steps.as_mut_slice()[1].discount_permille = 1_000);
    check("package/steps-not-rising", &|package| metered(package).steps.as_mut_slice()[1].from = Money::units(10_000));
    check("package/bad-time-of-use", &|package| metered(package).time_of_use.factors_permille[0] = 0);
    check("package/bad-time-of-use", &|package| {
        metered(package).time_of_use.stretches.as_mut_slice()[0].to_hour = 25;
    });
    check("package/zero-price", &|package| area(package).per_m2 = Money::ZERO);
    check("package/bad-season", &|package| area(package).season.from_month = 13);
    check("terms/rate-too-high", &|package| area(package).discounts.year_permille = 1_000);

    let mut world = World::new();
    let publish = |world: &World, version| Action::PublishPackage(world.package(version));
    assert_eq!(world.refused("alice", publish(&world, 1)).code(), "member/missing-role");
    world.done("station", publish(&world, 1));
    world.done("station", publish(&world, 1));
    assert_eq!(world.refused("roof", publish(&world, 2)).code(), "package/not-owner");
    let mut changed = world.package(1);
    changed.offset_minutes = 0;
    assert_eq!(world.refused("station", Action::PublishPackage(changed)).code(), "package/version-order");
    world.done("station", publish(&world, 2));
}

#[test]
fn refuses_subscriptions_in_this_order() {
    let mut world = World::new();
    let good = world.service("alice", ELECTRICITY, 0);
    let subscription = |world: &World, service: &Service| world.subscription(vec![service.clone()]);
    assert_eq!(world.refused("station", subscription(&world, &good)).code(), "member/missing-role");
    assert_eq!(world.refused("alice", subscription(&world, &good)).code(), "package/unknown");
    world.done("station", Action::PublishPackage(world.package(1)));
    let none = world.subscription(vec![]);
    assert_eq!(world.refused("alice", none).code(), "subscription/no-services");
    let twice = world.subscription(vec![good.clone(), good.clone()]);
    assert_eq!(world.refused("alice", twice).code(), "terms/duplicate-carrier");
    let cases = [
        ("package/no-such-option", Service { option: 1, ..good.clone() }),
        ("subscription/needs-meter", Service { meter: None, ..good.clone() }),
        ("meter/unknown", Service { meter: Some(meter_id("x")), ..good.clone() }),
        ("meter/carrier", Service { meter: Some(meter_id("alice/heating")), ..good.clone() }),
        ("meter/holder", Service { meter: Some(meter_id("bob/electricity")), ..good.clone() }),
        ("subscription/needs-area", Service { floor_area_m2: 0, ..world.service("alice", HEATING, 1) }),
    ];
    for (code, service) in cases {
        assert_eq!(world.refused("alice", subscription(&world, &service)).code(), code);
    }
    world.done("alice", subscription(&world, &good));
    world.done("alice", subscription(&world, &good));
    let Action::Subscribe { terms, .. } = subscription(&world, &good) else { unreachable!() };
    let again = Action::Subscribe { id: agreement_id("t"), terms };
    assert_eq!(world.refused("alice", again).code(), "meter/subscribed");
}

#[test]
fn refuses_prepayments_in_this_order() {
    let mut world = World::new();
    world.subscribe(vec![
        world.service("alice", ELECTRICITY, 0),
        Service { meter: None, ..world.service("alice", HEATING, 1) },
    ]);
    let amount = |units| Prepayment::Amount(Money::units(units));
    let period = |period, at_most| Prepayment::Period { period, at_most: Money::units(at_most) };
    let prepay = |world: &World, payment| world.prepay(ELECTRICITY, payment);
    assert_eq!(world.refused("bob", prepay(&world, amount(1))).code(), "agreement/not-party");
    assert_eq!(world.refused("station", prepay(&world, amount(1))).code(), "agreement/not-party");
    let gas = world.prepay(Carrier::Gas, amount(1));
    assert_eq!(world.refused("alice", gas).code(), "subscription/no-such-service");
    assert_eq!(world.refused("alice", prepay(&world, period(Period::Month, 1))).code(), "prepayment/kind");
    assert_eq!(world.refused("alice", prepay(&world, amount(0))).code(), "money/zero-amount");
    assert_eq!(world.refused("alice", prepay(&world, amount(1_000_001))).code(), "money/insufficient-funds");
    let huge = Prepayment::Amount(Money(u64::MAX));
    assert_eq!(world.refused("alice", prepay(&world, huge)).code(), "arithmetic/overflow");
    let year = world.prepay(HEATING, period(Period::Year, 39_559));
    assert_eq!(world.refused("alice", year).code(), "prepayment/above-at-most");
    // 1,000 m2 at 43 for the whole season, less 8 %.
    world.done("alice", world.prepay(HEATING, period(Period::Year, 39_560)));
    for _ in 0..statement::MAX_TRANCHES {
        world.done("alice", prepay(&world, amount(1)));
    }
    assert_eq!(world.refused("alice", prepay(&world, amount(1))).code(), "prepayment/too-many-tranches");
}

#[test]
fn a_period_begins_with_the_next_month_of_the_season() {
    let mut world = World::new();
    world.now = at(3, 10, 0);
    world.subscribe(vec![Service { meter: None, ..world.service("alice", HEATING, 1) }]);
    let payment = || Prepayment::Period { period: Period::Month, at_most: Money::units(1_000_000) };
    let periods = [(); 3].map(|()| {
        let events = world.done("alice", world.prepay(HEATING, payment()));
        events.into_iter().find_map(|event| match event {
            Event::TrancheOpened { period, .. } => period,
            _ => None,
        })
    });
    let month = |month| Some(Window { from: at(month, 1, 0), to: at(month + 1, 1, 0) });
    assert_eq!(periods[..2], [month(3), month(11)]);
    assert_eq!(periods[2].unwrap().from, at(12, 1, 0));
}

#[test]
fn a_period_whose_cost_rounds_to_nothing_buys_nothing() {
    let mut world = World::new();
    let mut package = world.package(1);
    let Tariff::FloorArea(tariff) = &mut package.options.as_mut_slice()[2].tariff else { unreachable!() };
    tariff.per_m2 = Money(1);
    world.done("station", Action::PublishPackage(package));
    let service = Service { meter: None, floor_area_m2: 1, ..world.service("alice", HEATING, 1) };
    world.done("alice", world.subscription(vec![service]));
    let payment = Prepayment::Period { period: Period::Month, at_most: Money::units(1) };
    assert_eq!(world.refused("alice", world.prepay(HEATING, payment)), Refusal::BuysNothing);
}

#[test]
fn a_discounted_period_cannot_run_beside_another() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", HEATING, 0)]);
    let pay = |period| Prepayment::AmountForPeriod { amount: Money::units(100), period };
    world.done("alice", world.prepay(HEATING, pay(Period::Quarter)));
    let year = world.prepay(HEATING, pay(Period::Year));
    assert_eq!(world.refused("alice", year), Refusal::PeriodRuns { until: at(4, 1, 0) });
    world.done("alice", world.prepay(HEATING, pay(Period::Month)));
}

/// Lines of alice's statement for January, after these electricity readings.
fn january(world: &mut World, readings: &[(Timestamp, u64)]) -> Statement {
    world.now = at(1, 31, 23);
    if !readings.is_empty() {
        world.done("gateway", world.readings("alice/electricity", readings));
    }
    let receipts = world.pass_to(at(2, 1, 6));
    statement(receipts.last().unwrap().events()).clone()
}

#[test]
fn consumption_draws_tranches_first_in_first_out_at_their_own_price() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(80))));
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(10_000))));
    assert_eq!(world.balance("alice"), (Money::units(989_920), Money::units(10_080)));
    // 150 kWh at noon: 100 from the first tranche at 0.80, 50 from the second at 0.784.
    let statement = january(&mut world, &[(at(1, 10, 12), 0), (at(1, 10, 13), 150 * KWH)]);
    assert_eq!(statement.paid, Money(80_000_000 + 39_200_000));
    assert_eq!(statement.period, Window { from: at(1, 1, 0), to: at(2, 1, 0) });
    assert_eq!((statement.first_certificate.0, statement.end_certificate.0), (0, 2));
    assert_eq!(world.balance("station").0, Money(Money::units(1_000_119).0 + 200_000));
    assert_eq!(world.balance("alice").1, Money(Money::units(10_080).0 - 119_200_000));
}

#[test]
fn night_energy_weighs_less() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(1_000))));
    // From 6 to 8: half valley at 40 %, half flat.
    let statement = january(&mut world, &[(at(1, 10, 6), 0), (at(1, 10, 8), 100 * KWH)]);
    assert_eq!(statement.paid, Money(50 * 800_000 + 50 * 320_000));
    let quantity = Quantity(50 * KWH);
    let usage = |band, factor_permille| StatementLine::Usage { carrier: ELECTRICITY, band, factor_permille, quantity };
    assert_eq!(statement.lines[..2], [usage(Band::Flat, 1_000), usage(Band::Valley, 400)]);
}

#[test]
fn what_nothing_covers_is_owed_and_drawn_first_from_the_next_tranche() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let statement = january(&mut world, &[(at(1, 10, 12), 0), (at(1, 10, 13), 150 * KWH)]);
    assert_eq!(statement.paid, Money::ZERO);
    assert_eq!(statement.lines[1], StatementLine::Owed { carrier: ELECTRICITY, weight: 150 * KWH * 1_000 });
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(200))));
    let receipts = world.pass_to(at(3, 1, 6));
    assert_eq!(world::statement(receipts[0].events()).paid, Money(150 * 800_000));
}

#[test]
fn low_balance_and_exhaustion_are_told_once() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(80))));
    world.now = at(1, 10, 20);
    let (subscription, carrier) = (agreement_id("s"), ELECTRICITY);
    let mut told = Vec::new();
    for (hour, kwh) in [(10, 0), (11, 50), (12, 91), (13, 95), (14, 205), (15, 210)] {
        let events = world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, hour), kwh * KWH)]));
        told.extend(events.into_iter().filter(|event| !matches!(event, Event::Certified { .. } | Event::Gap { .. })));
    }
    assert_eq!(told, [Event::LowBalance { subscription, carrier }, Event::Exhausted { subscription, carrier }]);
}

#[test]
fn a_used_up_tranche_has_cost_exactly_what_was_paid() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let odd = Money(10_000_000_007);
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(odd)));
    let statement = january(&mut world, &[(at(1, 10, 10), 0), (at(1, 20, 13), 20_000 * KWH)]);
    assert_eq!(statement.paid, odd);
    assert_eq!(world.balance("alice").1, Money::ZERO);
}

#[test]
fn a_floor_area_period_is_earned_by_the_seasons_days() {
    let mut world = World::new();
    world.subscribe(vec![Service { meter: None, ..world.service("alice", HEATING, 1) }]);
    let payment = Prepayment::Period { period: Period::Quarter, at_most: Money::units(1_000_000) };
    world.done("alice", world.prepay(HEATING, payment));
    // January to March have 74 of the season's 121 days; the quarter is 3 % cheaper.
    let paid = Money(25_508_595_041);
    assert_eq!(world.balance("alice").1, paid);
    let statement = january(&mut world, &[]);
    assert_eq!(statement.paid, paid.share_half_even(31, 74).unwrap());
    world.pass_to(at(3, 1, 6));
    world.pass_to(at(4, 1, 6));
    assert_eq!(world.balance("alice").1, Money::ZERO);
    assert_eq!(world.balance("station").0, Money(Money::units(1_000_000).0 + paid.0));
}

#[test]
fn what_is_left_of_a_metered_period_goes_back_when_it_is_over() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", HEATING, 0)]);
    let payment = Prepayment::AmountForPeriod { amount: Money::units(360), period: Period::Month };
    world.done("alice", world.prepay(HEATING, payment));
    world.now = at(1, 31, 0);
    world.done("gateway", world.readings("alice/heating", &[(at(1, 30, 0), 100 * KWH)]));
    let receipts = world.pass_to(at(2, 1, 6));
    let statement = statement(receipts[0].events());
    assert_eq!(statement.paid, Money::units(36));
    let refund =
        StatementLine::Refund { carrier: HEATING, tranche: 1, amount: Money::units(324), withheld: Money::ZERO };
    assert_eq!(statement.lines.last(), Some(&refund));
    assert_eq!(world.balance("alice"), (Money::units(999_964), Money::ZERO));
}

#[test]
fn early_termination_refunds_at_the_undiscounted_price() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(10_000))));
    world.now = at(1, 20, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 12), 0), (at(1, 10, 13), 100 * KWH)]));
    let terminate = || Action::Terminate { agreement: agreement_id("s") };
    world.done("station", terminate());
    assert_eq!(world.status("s"), Status::Active, "an owner alone cannot end a subscription");
    let events = world.done("alice", terminate());
    // 100 kWh cost 78.40 with the discount of 2 %, 80 without it.
    assert_eq!(statement(&events).paid, Money::units(80));
    assert_eq!(world.balance("alice"), (Money::units(999_920), Money::ZERO));
    assert_eq!(world.status("s"), Status::Terminated);
    let prepay = world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(1)));
    assert_eq!(world.refused("alice", prepay).code(), "agreement/wrong-status");
    let Action::Subscribe { terms, .. } = world.subscription(vec![world.service("alice", ELECTRICITY, 0)]) else {
        unreachable!()
    };
    world.done("alice", Action::Subscribe { id: agreement_id("again"), terms });
}

#[test]
fn ending_with_unpaid_consumption_charges_the_free_balance_and_then_defaults() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.now = at(1, 20, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 12), 0), (at(1, 10, 13), 100 * KWH)]));
    let keep = Money::units(30);
    let amount = Money(world.balance("alice").0.0 - keep.0);
    world.done("alice", Action::Transfer { to: account("bob"), amount, reference: Text::default() });
    let events = world.done("alice", Action::Terminate { agreement: agreement_id("s") });
    let statement = statement(&events);
    assert_eq!((statement.paid, statement.unpaid), (keep, Money::units(50)));
    assert_eq!(world.status("s"), Status::Defaulted);
}

#[test]
fn a_tariff_changes_for_a_subscription_only_when_both_agree() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(100))));
    let mut cheaper = world.package(2);
    let Tariff::Metered(tariff) = &mut cheaper.options.as_mut_slice()[0].tariff else { unreachable!() };
    tariff.price = Price::micro_per_kwh(700_000);
    world.done("station", Action::PublishPackage(cheaper));
    let services = Bounded::new(vec![world.service("alice", ELECTRICITY, 0)]).unwrap();
    let program =
        Program::Subscription(SubscriptionTerms { package: package_id("p"), version: 2, services: services.clone() });
    let terms = AgreementTerms { owner: account("station"), user: account("alice"), program: program.clone() };
    world.now = at(1, 15, 0);
    let agreement = agreement_id("s");
    world.done("station", Action::ProposeAmendment { agreement, program });
    let events = world.done("alice", Action::SignAmendment { agreement, terms: terms.digest() });
    assert_eq!(statement(&events).period, Window { from: at(1, 1, 0), to: at(1, 15, 0) });
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(70))));
    // The old tranche keeps its price: 125 kWh at 0.80, then 100 kWh at 0.70.
    let statement = january(&mut world, &[(at(1, 20, 12), 0), (at(1, 20, 13), 225 * KWH)]);
    assert_eq!(statement.paid, Money::units(170));

    let other = Bounded::new(vec![Service { floor_area_m2: 5, ..services[0].clone() }]).unwrap();
    let program = Program::Subscription(SubscriptionTerms { package: package_id("p"), version: 2, services: other });
    let terms = AgreementTerms { program: program.clone(), ..terms };
    world.done("alice", Action::ProposeAmendment { agreement, program });
    let sign = Action::SignAmendment { agreement, terms: terms.digest() };
    assert_eq!(world.refused("station", sign), Refusal::AmendmentKind);
}

#[test]
fn months_that_pass_at_once_each_get_their_statement() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    let receipts = world.pass_to(at(4, 15, 0));
    let periods: Vec<Window> = receipts.iter().map(|receipt| statement(receipt.events()).period).collect();
    let month = |month| Window { from: at(month, 1, 0), to: at(month + 1, 1, 0) };
    assert_eq!(periods, [month(1), month(2), month(3)]);
}

#[test]
fn a_purchase_is_filled_before_the_package() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", ELECTRICITY, 0)]);
    world.done("alice", world.prepay(ELECTRICITY, Prepayment::Amount(Money::units(10_000))));
    world.trade("alice");
    world.now = at(1, 11, 0);
    world.done("gateway", world.readings("alice/electricity", &[(at(1, 10, 12), 0), (at(1, 10, 13), 1_500 * KWH)]));
    let statement = january(&mut world, &[]);
    assert_eq!(
        statement.lines[0],
        StatementLine::Usage {
            carrier: ELECTRICITY,
            band: Band::Flat,
            factor_permille: 1_000,
            quantity: Quantity(500 * KWH)
        }
    );
}
