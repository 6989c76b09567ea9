//! Meters: every refusal, exchanges, capacities, corrections.

mod world;

use utilidor_ledger::record::{MeterRecord, MeterState};
use utilidor_types::agreement::{AgreementTerms, Service, SubscriptionTerms, Substitute};
use utilidor_types::genesis::Limits;
use utilidor_types::meter::{MAX_CAPACITY_PER_HOUR, MeterAuthority};
use utilidor_types::package::{Band, Tariff};
use utilidor_types::time::{DAY_MS, HOUR_MS};
use utilidor_types::*;
use world::*;

const METER: &str = "alice/electricity";

fn state_of(world: &World, meter: &str) -> MeterState {
    world.state.read(&meter_id(meter)).unwrap()
}

#[test]
fn refuses_meters_that_could_not_measure_in_this_order() {
    let check = |code: &str, change: &dyn Fn(&mut Meter)| {
        let mut world = World::new();
        let mut meter = Meter { label: label("m"), ..world.meter("alice", Carrier::Gas) };
        change(&mut meter);
        assert_eq!(world.refused("operator", Action::RegisterMeter(meter)).code(), code);
    };
    check("id/taken", &|meter| meter.label = label(METER));
    check("account/unknown", &|meter| meter.holder = account("stranger"));
    check("meter/without-range", &|meter| meter.register_modulus = Quantity(0));
    check("meter/without-range", &|meter| meter.capacity_per_hour = Quantity(0));
    check("meter/capacity-too-large", &|meter| meter.capacity_per_hour = Quantity(MAX_CAPACITY_PER_HOUR.0 + 1));
    check("reading/register-too-wide", &|meter| meter.register = meter.register_modulus);
    check("meter/in-future", &|meter| meter.since = at(1, 2, 0));
    let mut world = World::new();
    let meter = Meter { label: label("m"), ..world.meter("alice", Carrier::Gas) };
    assert_eq!(world.refused("alice", Action::RegisterMeter(meter.clone())).code(), "member/missing-role");
    world.done("operator", Action::RegisterMeter(meter.clone()));
    assert_eq!(world.done("operator", Action::RegisterMeter(meter)), vec![], "a retry gives the first result");
}

#[test]
fn another_operators_meter_of_the_same_label_is_another_meter() {
    let mut world = World::new();
    let meter = Meter { label: label("m"), ..world.meter("alice", Carrier::Gas) };
    world.done("operator", Action::RegisterMeter(meter.clone()));
    world.done("gateway", Action::RegisterMeter(meter.clone()));
    let operators = ["operator", "gateway"]
        .map(|operator| world.state.read::<MeterRecord>(&meter.id(account(operator))).unwrap().operator);
    assert_eq!(operators, [account("operator"), account("gateway")]);
}

#[test]
fn an_operator_has_as_many_meters_in_service_as_its_limit_allows() {
    let mut world = World::with_limits(Limits { meters: 6, ..Limits::DEFAULT });
    let meter = |text: &str, world: &World| Meter { label: label(text), ..world.meter("alice", Carrier::Gas) };
    let (sixth, seventh) = (meter("6", &world), meter("7", &world));
    world.done("operator", Action::RegisterMeter(sixth));
    assert_eq!(world.refused("operator", Action::RegisterMeter(seventh.clone())).code(), "member/limit-reached");
    world.done("operator", Action::RetireMeter { meter: meter_id("6") });
    world.done("operator", Action::RegisterMeter(seventh));
}

#[test]
fn an_exchanged_meter_certifies_its_last_reading_and_the_new_device_goes_on() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 1), 7 * KWH)]));
    let exchange = |time, register| Action::ExchangeMeter {
        meter: meter_id(METER),
        last: Reading { time, register: Quantity(register) },
        authority: MeterAuthority::Meter(key("new device").public_key()),
        register_modulus: Quantity(100 * KWH),
        register: Quantity(50 * KWH),
    };
    assert_eq!(world.refused("alice", exchange(at(1, 1, 2), 9 * KWH)).code(), "member/missing-role");
    assert_eq!(world.refused("gateway", exchange(at(1, 1, 2), 9 * KWH)).code(), "meter/not-operator");
    assert_eq!(world.refused("operator", exchange(at(1, 1, 0), 0)).code(), "reading/out-of-order");
    assert_eq!(world.refused("operator", exchange(at(1, 2, 1), 9 * KWH)).code(), "reading/from-future");
    let transaction = world.sign("operator", exchange(at(1, 1, 2), 9 * KWH));
    assert_eq!(world.block(vec![transaction]).certificates().next().unwrap().quantity, Quantity(2 * KWH));
    let new = world.signed_readings(METER, "new device", &[(at(1, 1, 3), 53 * KWH)]);
    let transaction = world.sign("gateway", new);
    assert_eq!(world.block(vec![transaction]).certificates().next().unwrap().quantity, Quantity(3 * KWH));
    assert_eq!(state_of(&world, METER).total(), Quantity(12 * KWH), "7 + 2 + 3 have passed");
}

#[test]
fn a_supplys_meter_can_be_exchanged_and_the_supply_goes_on() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.now = at(1, 1, 9);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 8), 10 * KWH)]));
    let exchange = Action::ExchangeMeter {
        meter: meter_id(METER),
        last: Reading { time: at(1, 1, 9), register: Quantity(20 * KWH) },
        authority: MeterAuthority::Gateway(account("gateway")),
        register_modulus: Quantity(1_000 * KWH),
        register: Quantity(500 * KWH),
    };
    world.done("operator", exchange);
    world.now = at(1, 1, 10);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 10), 530 * KWH)]));
    let free = world.balance("alice").0;
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.pass_to(at(1, 1, 16));
    // 50 kWh from 0:00 on: 8.75 of the first 10 at night, at 40 %; the other 41.25 at 0.80.
    assert_eq!(free.0 - world.balance("alice").0.0, 35_800_000);
}

#[test]
fn an_interval_in_which_a_register_rolls_over_its_device_is_exchanged_and_the_price_changes_has_both_prices() {
    for exchanged in [true, false] {
        let mut world = World::new();
        let (label, meter) = (label("m"), meter_id("m"));
        let (modulus, register) = (Quantity(1_000 * KWH), Quantity(990 * KWH));
        let alices = world.meter("alice", Carrier::Electricity);
        world.done("operator", Action::RegisterMeter(Meter { label, register_modulus: modulus, register, ..alices }));
        let service = Service { meter: Some(meter), ..world.service("alice", Carrier::Electricity, 0) };
        world.subscribe(vec![service.clone()]);
        let mut dearer = world.package(2);
        let Tariff::Metered(tariff) = &mut dearer.options.as_mut_slice()[0].tariff else { unreachable!() };
        tariff.price = Price::micro_per_kwh(900_000);
        world.done("station", Action::PublishPackage(dearer));
        let terms = SubscriptionTerms { version: 2, ..world.subscription_terms(vec![service]) };
        let (agreement, program, from) = (subscription_id(), Program::Subscription(terms), at(1, 10, 12));
        let terms = AgreementTerms::between(account("station"), account("alice"), program.clone());
        world.done("station", Action::ProposeAmendment { agreement, program, from });
        world.done("alice", Action::SignAmendment { agreement, terms: terms.amendment_digest(from) });

        world.now = at(1, 10, 14);
        world.done("gateway", world.readings("m", &[(at(1, 10, 10), 990 * KWH)]));
        let free = world.balance("alice").0;
        if exchanged {
            let exchange = Action::ExchangeMeter {
                meter,
                last: Reading { time: at(1, 10, 11), register: Quantity(5 * KWH) },
                authority: MeterAuthority::Gateway(account("gateway")),
                register_modulus: modulus,
                register: Quantity(500 * KWH),
            };
            world.done("operator", exchange);
            world.done("gateway", world.readings("m", &[(at(1, 10, 13), 540 * KWH), (at(1, 10, 14), 540 * KWH)]));
        } else {
            world.done("gateway", world.readings("m", &[(at(1, 10, 14), 30 * KWH)]));
        }
        world.done("alice", Action::Terminate { agreement });
        world.pass_to(at(1, 10, 20));
        let (old, new) = if exchanged { (35, 20) } else { (20, 20) };
        assert_eq!(free.0 - world.balance("alice").0.0, old * 800_000 + new * 900_000);
    }
}

#[test]
fn a_raised_capacity_lets_a_larger_reading_in() {
    let mut world = World::new();
    world.now = at(1, 1, 1);
    let reading = || world.readings(METER, &[(at(1, 1, 1), 15_000 * KWH)]);
    let reading = reading();
    assert_eq!(world.reading_refused(reading.clone()).code(), "reading/beyond-capacity");
    let change = |kwh| Action::ChangeMeterCapacity { meter: meter_id(METER), capacity_per_hour: Quantity(kwh * KWH) };
    assert_eq!(world.refused("alice", change(20_000)).code(), "member/missing-role");
    assert_eq!(world.refused("gateway", change(20_000)).code(), "meter/not-operator");
    assert_eq!(world.refused("operator", change(0)).code(), "meter/without-range");
    assert_eq!(world.refused("operator", change(10_000_000)).code(), "meter/capacity-too-large");
    world.done("operator", change(20_000));
    assert!(matches!(world.done("gateway", reading)[0], Event::Certified { count: 1, .. }));
}

#[test]
fn a_meter_in_use_is_neither_bound_elsewhere_nor_retired() {
    let mut world = World::new();
    world.trade("alice");
    let bind = |holder| Action::BindMeter { meter: meter_id(METER), holder: account(holder) };
    let retire = || Action::RetireMeter { meter: meter_id(METER) };
    assert_eq!(world.refused("operator", bind("stranger")).code(), "account/unknown");
    assert_eq!(world.refused("operator", bind("bob")).code(), "meter/in-use");
    assert_eq!(world.refused("operator", retire()).code(), "meter/in-use");
    world.pass_to(at(1, 12, 0));
    world.done("operator", bind("bob"));
    world.done("operator", retire());
    assert_eq!(world.refused("operator", retire()).code(), "meter/retired");
    let action = world.readings(METER, &[(at(1, 11, 0), KWH)]);
    assert_eq!(world.reading_refused(action).code(), "meter/retired");
}

#[test]
fn a_meter_is_free_as_soon_as_its_supply_has_ended() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.now = at(1, 10, 0);
    let bind = Action::BindMeter { meter: meter_id(METER), holder: account("bob") };
    assert_eq!(world.refused("operator", bind.clone()).code(), "meter/in-use");
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.done("operator", bind);
    world.done("operator", Action::RetireMeter { meter: meter_id(METER) });
}

fn correction(interval: Window, certified: u64, right: u64) -> Action {
    Action::CorrectReadings {
        meter: meter_id(METER),
        interval,
        certified: Quantity(certified),
        right: Quantity(right),
        reason: "a transformer's ratio".parse().unwrap(),
    }
}

/// Hours of a day of January.
fn hours(day: u8, from: u64, to: u64) -> Window {
    Window { from: at(1, day, from), to: at(1, day, to) }
}

#[test]
fn refuses_corrections_in_this_order() {
    let mut world = World::new();
    world.now = at(1, 1, 12);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 10), 0), (at(1, 1, 11), 100 * KWH)]));
    let good = correction(hours(1, 10, 11), 100 * KWH, 40 * KWH);
    assert_eq!(world.refused("alice", good.clone()).code(), "member/missing-role");
    assert_eq!(world.refused("gateway", good.clone()).code(), "meter/not-operator");
    let unknown = Action::CorrectReadings {
        meter: meter_id("x"),
        interval: hours(1, 10, 11),
        certified: Quantity(1),
        right: Quantity(0),
        reason: Text::default(),
    };
    assert_eq!(world.refused("operator", unknown).code(), "meter/unknown");
    for (interval, certified, right) in [
        (hours(1, 11, 11), 100, 40),
        (hours(1, 11, 12), 100, 40),
        (Window { from: Timestamp(0), to: at(1, 1, 11) }, 100, 40),
        (hours(1, 10, 11), 100, 100),
    ] {
        let code = world.refused("operator", correction(interval, certified * KWH, right * KWH)).code();
        assert_eq!(code, "meter/bad-correction");
    }
    for (certified, right) in [(100, 10_001), (20_000, 0), (101, 0)] {
        let wrong = correction(hours(1, 10, 11), certified * KWH, right * KWH);
        assert_eq!(world.refused("operator", wrong).code(), "meter/correction-out-of-range");
    }
    world.done("operator", good);
}

#[test]
fn a_corrected_last_reading_moves_the_register_so_that_later_ones_fit() {
    let mut world = World::new();
    world.now = at(1, 1, 12);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 10), 0), (at(1, 1, 11), 100 * KWH)]));
    let events = world.done("operator", correction(hours(1, 10, 11), 100 * KWH, 40 * KWH));
    assert!(matches!(&events[..], [Event::Corrected { .. }]), "{events:?}");
    let next = world.readings(METER, &[(at(1, 1, 12), 50 * KWH)]);
    let transaction = world.sign("gateway", next);
    assert_eq!(world.block(vec![transaction]).certificates().next().unwrap().quantity, Quantity(10 * KWH));
    assert_eq!(state_of(&world, METER).total(), Quantity(50 * KWH));
}

#[test]
fn a_correction_of_the_open_segment_is_charged_as_what_is_right() {
    let mut world = World::new();
    world.now = at(1, 1, 12);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 12), 0)]));
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.now = at(1, 1, 14);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 13), 100 * KWH), (at(1, 1, 14), 100 * KWH)]));
    world.done("operator", correction(hours(1, 12, 13), 100 * KWH, 40 * KWH));
    let free = world.balance("alice").0;
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.pass_to(at(1, 1, 20));
    assert_eq!(free.0 - world.balance("alice").0.0, 32_000_000, "40 kWh at 0.80");
}

#[test]
fn a_correction_is_cut_where_bands_change() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.now = at(1, 1, 12);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 6), 0), (at(1, 1, 8), 100 * KWH)]));
    world.done("operator", correction(hours(1, 6, 8), 100 * KWH, 60 * KWH));
    let registers = state_of(&world, METER).registers;
    assert_eq!([registers.of(Band::Valley), registers.of(Band::Flat)], [Quantity(30 * KWH); 2]);
}

#[test]
fn a_correction_of_a_closed_month_is_told_to_the_supply_of_that_time() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.pass_to(at(2, 1, 7));
    let february = at(2, 1, 1);
    let readings = [(at(1, 20, 10), 0), (at(1, 20, 11), 100 * KWH), (february, 100 * KWH)];
    world.done("gateway", world.readings(METER, &readings));
    let events = world.done("operator", correction(hours(20, 10, 11), 100 * KWH, 40 * KWH));
    let told = events.iter().find_map(|event| match event {
        Event::Adjusted { agreement, interval, more, less, .. } => Some((*agreement, *interval, *more, *less)),
        _ => None,
    });
    let less = Bands([60 * KWH, 0, 0, 0, 0].map(Quantity));
    assert_eq!(told, Some((subscription_id(), hours(20, 10, 11), Bands::ZERO, less)));
    assert_eq!(
        state_of(&world, METER).total(),
        Quantity(100 * KWH),
        "what is worked out is changed where it was charged"
    );
}

/// January has its statement for 100 kWh in an hour.
fn closed_month(world: &mut World) {
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.now = at(2, 1, 1);
    let readings = [(at(1, 20, 10), 0), (at(1, 20, 11), 100 * KWH), (at(2, 1, 0), 100 * KWH)];
    world.done("gateway", world.readings(METER, &readings));
    world.pass_to(at(2, 1, 7));
}

#[test]
fn a_closed_month_that_is_corrected_again_and_again_comes_to_what_is_right_in_the_end() {
    for exchanged in [true, false] {
        let mut world = World::new();
        let free = world.balance("alice").0;
        closed_month(&mut world);
        let mut register = 100 * KWH;
        if exchanged {
            register = 7 * KWH;
            let exchange = Action::ExchangeMeter {
                meter: meter_id(METER),
                last: Reading { time: at(2, 1, 1), register: Quantity(100 * KWH) },
                authority: MeterAuthority::Gateway(account("gateway")),
                register_modulus: Quantity(1_000 * KWH),
                register: Quantity(register),
            };
            world.done("operator", exchange);
        }
        for [certified, right] in [[100, 40], [40, 10], [10, 100], [100, 130]] {
            world.done("operator", correction(hours(20, 10, 11), certified * KWH, right * KWH));
        }
        world.now = at(3, 1, 0);
        let then = register + 10 * KWH;
        let readings = [(at(2, 20, 10), register), (at(2, 20, 11), then), (at(3, 1, 0), then)];
        world.done("gateway", world.readings(METER, &readings));
        world.pass_to(at(3, 1, 6));
        assert_eq!(free.0 - world.balance("alice").0.0, 140 * 800_000);
        assert_eq!(state_of(&world, METER).last.register, Quantity(then));
    }
}

#[test]
fn what_a_correction_gives_back_at_the_end_lowers_an_earlier_debt() {
    let mut world = World::new();
    let all = world.balance("alice").0;
    world.transfer("alice", "bob", all);
    closed_month(&mut world);
    assert_eq!(world.agreement(subscription_id()).debt, Money::units(80));
    world.done("operator", correction(hours(20, 10, 11), 100 * KWH, 50 * KWH));
    world.now = at(3, 1, 0);
    world.done("gateway", world.readings(METER, &[(at(3, 1, 0), 100 * KWH)]));
    world.pass_to(at(3, 1, 6));
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.pass_to(at(3, 1, 12));
    assert_eq!(world.agreement(subscription_id()).debt, Money::units(40));
    world.done("operator", correction(hours(20, 10, 11), 50 * KWH, 0));
    assert_eq!(world.agreement(subscription_id()).debt, Money::ZERO);
}

#[test]
fn no_more_is_taken_back_than_a_supply_was_charged_in_however_many_corrections() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.pass_to(at(2, 1, 7));
    let readings = [(at(1, 20, 10), 0), (at(1, 20, 11), 100 * KWH), (at(2, 1, 1), 100 * KWH)];
    world.done("gateway", world.readings(METER, &readings));
    let less = || correction(hours(20, 10, 11), 100 * KWH, 40 * KWH);
    world.done("operator", less());
    assert_eq!(world.refused("operator", less()).code(), "meter/correction-out-of-range");
    world.done("operator", correction(hours(20, 10, 11), 40 * KWH, 0));
    assert_eq!(world.refused("operator", less()).code(), "meter/correction-out-of-range");
    let more = || correction(hours(20, 10, 11), 0, 10_000 * KWH);
    let repeated = (0..800).find(|_| matches!(world.try_do("operator", more()), Verdict::Refused(_)));
    assert!(repeated.is_some(), "nor is more charged than the meter can pass in all of the supply's time");
}

#[test]
fn more_than_a_meter_can_pass_is_not_corrected_in_however_many_steps() {
    let mut world = World::new();
    world.now = at(1, 1, 2);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 1), 0), (at(1, 1, 2), 0)]));
    let more = || correction(hours(1, 1, 2), 0, 10_000 * KWH);
    world.done("operator", more());
    world.done("operator", more());
    assert_eq!(world.refused("operator", more()).code(), "meter/correction-out-of-range");
}

#[test]
fn numbers_over_their_edges_are_refused_and_nothing_worse() {
    const EDGES: [u64; 7] = [0, 1, KWH, 10_000_000_000_000, 10_000_000_000_001, u64::MAX - 1, u64::MAX];
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.now = at(1, 1, 12);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 11), KWH)]));
    let meter = meter_id(METER);
    let authority = MeterAuthority::Gateway(account("gateway"));
    for one in EDGES {
        world.try_do("operator", Action::ChangeMeterCapacity { meter, capacity_per_hour: Quantity(one) });
        for other in EDGES {
            let (from, to) = (Timestamp(one), Timestamp(other));
            world.try_do("operator", correction(Window { from, to }, one, other));
            world.try_do("operator", correction(hours(1, 10, 11), one, other));
            world.try_do("operator", correction(Window { from, to: at(1, 1, 11) }, other, one));
            let last = Reading { time: Timestamp(one), register: Quantity(other) };
            let (register_modulus, register) = (Quantity(one), Quantity(other));
            let exchange = Action::ExchangeMeter { meter, last, authority, register_modulus, register };
            world.try_do("operator", exchange);
            world.done("gateway", world.readings(METER, &[(Timestamp(one), other), (at(1, 1, 12), other)]));
            let (since, text) = (Timestamp(one), format!("{one}/{other}"));
            let (label, capacity_per_hour) = (label(&text), Quantity(other));
            let template = world.meter("alice", Carrier::Electricity);
            let new = Meter { label, capacity_per_hour, register_modulus: Quantity(u64::MAX), since, ..template };
            if matches!(world.try_do("operator", Action::RegisterMeter(new)), Verdict::Applied(_)) {
                world.done("gateway", world.readings(&text, &[(Timestamp(other), one), (at(1, 1, 12), u64::MAX - 1)]));
            }
        }
    }
}

/// Alice buys 1,000 kWh of the roof for 10 January, measured by her meter, with a day of grace.
fn purchase(world: &mut World) -> AgreementId {
    bought_of(world, "p", Substitute::Nothing)
}

fn bought_of(world: &mut World, text: &str, substitute: Substitute) -> AgreementId {
    bought_for(world, text, substitute, hours(10, 0, 24))
}

fn bought_for(world: &mut World, text: &str, substitute: Substitute, window: Window) -> AgreementId {
    use utilidor_types::agreement::*;
    let lot = PurchaseLot {
        carrier: Carrier::Electricity,
        quantity: Quantity(1_000 * KWH),
        price: Price::micro_per_kwh(600_000),
        metering: Metering { delivery: None, take: Some(meter_id(METER)) },
    };
    let program = Program::Purchase(PurchaseTerms {
        lots: vec![lot].try_into().unwrap(),
        window,
        deposit_permille: 0,
        guarantee_permille: 0,
        tolerance_permille: 0,
        grace_ms: 86_400_000,
        substitute,
    });
    let terms = AgreementTerms::between(account("roof"), account("alice"), program);
    let agreement = agreement_of("roof", text);
    let proposal = Action::ProposeAgreement { label: label(text), terms: terms.clone(), signing_ms: 3_600_000 };
    world.done("roof", proposal);
    world.done("alice", Action::SignAgreement { agreement, terms: terms.digest() });
    agreement
}

#[test]
fn no_purchase_of_years_ahead_keeps_a_meter_from_its_operator() {
    let (day, alice) = (DAY_MS, account("alice"));
    for (ahead, is_ended) in [(3_650 * day, true), (60 * day, true), (32 * day, true), (20 * day, false)] {
        let mut world = World::new();
        let from = Timestamp(world.now.0 / day * day + ahead);
        let window = Window { from, to: Timestamp(from.0 + HOUR_MS) };
        let agreement = bought_for(&mut world, "far", Substitute::Nothing, window);
        let bob = Action::BindMeter { meter: meter_id(METER), holder: account("bob") };
        assert!(matches!(world.try_do("operator", bob.clone()), Verdict::Refused(_)), "alice's is bound");
        world.done("operator", Action::Terminate { agreement });
        let is_over = world.agreement(agreement).status == utilidor_types::agreement::Status::Terminated;
        assert_eq!(is_over, is_ended, "{} days ahead", ahead / day);
        assert_eq!(matches!(world.try_do("operator", bob), Verdict::Applied(_)), is_ended);
        assert_eq!(world.balance("alice").1, Money::ZERO, "nothing of {alice} is held");
    }
}

/// What a correction changed, by agreement: kWh more and less.
fn adjusted(events: &[Event]) -> Vec<(AgreementId, u64, u64)> {
    let total = |bands: &Bands| bands.total().unwrap().0 / KWH;
    let told = |event: &Event| match event {
        Event::Adjusted { agreement, more, less, .. } => Some((*agreement, total(more), total(less))),
        _ => None,
    };
    let mut told: Vec<_> = events.iter().filter_map(told).collect();
    told.sort();
    told
}

/// A world in which alice has a supply and a purchase of 1,000 kWh, and has taken so much in an hour of its day, all of
/// which is worked out.
fn bought(kwh: u64) -> (World, AgreementId) {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    let purchase = purchase(&mut world);
    world.pass_to(at(1, 11, 0));
    let readings = [(at(1, 10, 10), 0), (at(1, 10, 11), kwh * KWH), (at(1, 11, 0), kwh * KWH)];
    world.done("gateway", world.readings(METER, &readings));
    (world, purchase)
}

#[test]
fn what_comes_more_fills_an_unsettled_purchase_and_the_rest_is_the_supplys() {
    let (mut world, purchase) = bought(900);
    let events = world.done("operator", correction(hours(10, 10, 11), 900 * KWH, 1_300 * KWH));
    let mut expected = [(purchase, 100, 0), (subscription_id(), 300, 0)];
    expected.sort();
    assert_eq!(adjusted(&events), expected);
    let (free, _) = world.balance("roof");
    world.pass_to(at(1, 12, 0));
    assert_eq!(world.balance("roof").0.0 - free.0, 600_000_000, "the purchase settles for all of it");
}

#[test]
fn what_comes_less_is_taken_from_the_supply_before_the_purchase() {
    let (mut world, purchase) = bought(1_300);
    let events = world.done("operator", correction(hours(10, 10, 11), 1_300 * KWH, 900 * KWH));
    let mut expected = [(purchase, 0, 100), (subscription_id(), 0, 300)];
    expected.sort();
    assert_eq!(adjusted(&events), expected);
    let (free, _) = world.balance("roof");
    world.pass_to(at(1, 12, 0));
    assert_eq!(world.balance("roof").0.0 - free.0, 540_000_000, "the purchase settles for what is right");
}

#[test]
fn a_correction_is_shared_by_time_between_the_tenants_of_its_interval() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.now = at(1, 5, 12);
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.done("operator", Action::BindMeter { meter: meter_id(METER), holder: account("bob") });
    world.done("bob", world.subscription(vec![world.service("alice", Carrier::Electricity, 0)]));
    world.now = at(1, 5, 14);
    world.done("gateway", world.readings(METER, &[(at(1, 5, 10), 0), (at(1, 5, 14), 400 * KWH)]));
    let events = world.done("operator", correction(hours(5, 10, 14), 400 * KWH, 200 * KWH));
    assert_eq!(adjusted(&events), [(subscription_id(), 0, 100)], "the present tenant's half is in the open segment");
    world.done("bob", Action::Terminate { agreement: agreement_of("bob", "s") });
    let free = world.balance("bob").0;
    world.pass_to(at(1, 5, 20));
    assert_eq!(free.0 - world.balance("bob").0.0, 80_000_000, "100 kWh at 0.80");
}

/// Six tenants one after the other, each for four days, with packages of two versions; what they used is worked out.
#[test]
fn a_correction_over_the_time_of_many_supplies_is_told_to_all_of_them_in_few_passes() {
    let mut world = World::new();
    world.done("station", Action::PublishPackage(world.package(1)));
    world.done("station", Action::PublishPackage(world.package(2)));
    let tenant = |number: u64| ["alice", "bob", "carol"][number as usize % 3];
    let subscription = |number: u64| agreement_of(tenant(number), &number.to_string());
    let day = |number: u64| at(1, 1 + 4 * number as u8, 12);
    for number in 0..6u64 {
        world.now = day(number);
        if number > 0 {
            world.done(tenant(number - 1), Action::Terminate { agreement: subscription(number - 1) });
            world.done("operator", Action::BindMeter { meter: meter_id(METER), holder: account(tenant(number)) });
        }
        let terms = world.subscription_terms(vec![world.service("alice", Carrier::Electricity, 0)]);
        let terms = agreement::SubscriptionTerms { version: 1 + number as u32 % 2, ..terms };
        world.done(tenant(number), Action::Subscribe { label: label(&number.to_string()), terms });
    }
    world.now = day(6);
    world.done(tenant(5), Action::Terminate { agreement: subscription(5) });
    world.done("gateway", world.readings(METER, &[(day(0), 0), (day(6), 576 * KWH)]));
    world.pass_to(at(1, 26, 12));
    let all = Window { from: day(0), to: day(6) };
    let events = world.done("operator", correction(all, 576 * KWH, 288 * KWH));
    assert!(world.state.passes() <= 12, "{} passes", world.state.passes());
    assert!(!events.iter().any(|event| matches!(event, Event::ProgramFailed { .. })), "{events:?}");
    let mut expected: Vec<_> = (0..6).map(|number| (subscription(number), 0, 48)).collect();
    expected.sort();
    assert_eq!(adjusted(&events), expected, "each is told of its four days");
}

/// What is certified of the meter in all, after it was exchanged at 4:00 for one that begins at 0 and a correction was made
/// of an interval, the new one having brought 10 kWh by 5:00 if it is read.
fn exchanged_and_corrected(interval: Window, [certified, right]: [u64; 2], new_is_read: bool) -> (World, Quantity) {
    let mut world = World::new();
    world.now = at(1, 1, 12);
    world.done("gateway", world.readings(METER, &[(at(1, 1, 1), 0), (at(1, 1, 2), 300 * KWH)]));
    let exchange = Action::ExchangeMeter {
        meter: meter_id(METER),
        last: Reading { time: at(1, 1, 4), register: Quantity(500 * KWH) },
        authority: MeterAuthority::Gateway(account("gateway")),
        register_modulus: Quantity(1_000 * KWH),
        register: Quantity(0),
    };
    world.done("operator", exchange);
    if new_is_read {
        world.done("gateway", world.readings(METER, &[(at(1, 1, 5), 10 * KWH)]));
    }
    world.done("operator", correction(interval, certified * KWH, right * KWH));
    world.done("gateway", world.readings(METER, &[(at(1, 1, 6), 20 * KWH)]));
    let total = state_of(&world, METER).total();
    (world, total)
}

#[test]
fn a_correction_of_what_the_old_device_brought_last_does_not_move_the_new_devices_register() {
    for right in [100, 150, 250] {
        let (_, total) = exchanged_and_corrected(hours(1, 2, 4), [200, right], false);
        assert_eq!(total, Quantity((300 + right + 20) * KWH), "{right} kWh are right");
    }
    let (_, total) = exchanged_and_corrected(hours(1, 1, 4), [500, 200], false);
    assert_eq!(total, Quantity(220 * KWH), "of several of its intervals");
}

#[test]
fn a_correction_over_both_devices_moves_the_new_ones_register_by_its_own_share() {
    // A quarter of the difference is the last hour's: the new device's register goes back from 10 to 5 kWh, or on to 15.
    for (right, total) in [(190, 300 + 190 + 15), (230, 300 + 230 + 5)] {
        let (world, passed) =
            exchanged_and_corrected(Window { from: at(1, 1, 1), to: at(1, 1, 5) }, [210, right], true);
        assert_eq!(passed, Quantity((total) * KWH), "{right} kWh are right");
        assert_eq!(state_of(&world, METER).last.register, Quantity(20 * KWH));
    }
}

#[test]
fn a_settled_purchases_energy_is_not_credited_by_the_supply_that_never_billed_it() {
    let (mut world, _) = bought(900);
    world.pass_to(at(1, 12, 0));
    let balance = world.balance("roof");
    let events = world.done("operator", correction(hours(10, 10, 11), 900 * KWH, 800 * KWH));
    assert_eq!(adjusted(&events), []);
    assert_eq!(world.balance("roof"), balance, "a settled purchase stays as it is");
    world.done("gateway", world.readings(METER, &[(at(1, 11, 12), 1_100 * KWH), (at(1, 12, 0), 1_100 * KWH)]));
    let free = world.balance("alice").0;
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    world.pass_to(at(1, 12, 7));
    let bill = free.0 - world.balance("alice").0.0;
    // Of 200 kWh in twelve hours, those of seven hours at night, at 40 %, and the others at 0.80.
    assert_eq!(bill, 104_000_000, "nothing of it is credited");
}

#[test]
fn what_a_correction_took_off_a_settled_purchase_and_gives_back_is_charged_to_nobody() {
    let (mut world, _) = bought(900);
    world.pass_to(at(1, 12, 0));
    world.done("operator", correction(hours(10, 10, 11), 900 * KWH, 800 * KWH));
    let events = world.done("operator", correction(hours(10, 10, 11), 800 * KWH, 950 * KWH));
    assert_eq!(adjusted(&events), [(subscription_id(), 50, 0)], "100 kWh of it are paid");
    let events = world.done("operator", correction(hours(10, 10, 11), 950 * KWH, 800 * KWH));
    assert_eq!(adjusted(&events), [(subscription_id(), 0, 50)], "and the supply credits what it charged");
}

#[test]
fn a_supply_credits_what_a_settled_purchase_left_it_and_what_it_gave_back() {
    let (mut world, _) = bought(1_300);
    world.pass_to(at(1, 12, 0));
    let events = world.done("operator", correction(hours(10, 10, 11), 1_300 * KWH, 900 * KWH));
    assert_eq!(adjusted(&events), [(subscription_id(), 0, 300)]);
    let events = world.done("operator", correction(hours(10, 10, 11), 900 * KWH, 0));
    assert_eq!(adjusted(&events), [], "all that is left was bought");
}

#[test]
fn a_correction_over_bought_and_supplied_time_credits_no_more_than_the_supply_has_charged() {
    let (mut world, _) = bought(1_000);
    world.pass_to(at(1, 12, 0));
    world.done("gateway", world.readings(METER, &[(at(1, 11, 1), 1_200 * KWH), (at(1, 12, 0), 1_200 * KWH)]));
    world.done("alice", Action::Terminate { agreement: subscription_id() });
    // Half of the 1,200 kWh lie in the purchase's day, by time; the supply has charged 200 kWh of the other half.
    let both = Window { from: at(1, 10, 0), to: at(1, 12, 0) };
    let events = world.done("operator", correction(both, 1_200 * KWH, 0));
    assert_eq!(adjusted(&events), [(subscription_id(), 0, 200)]);
    let again = correction(both, 1_200 * KWH, 0);
    assert_eq!(world.refused("operator", again).code(), "meter/correction-out-of-range", "nothing is left of it");
}

#[test]
fn of_two_settled_purchases_each_keeps_its_own() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    bought_of(&mut world, "p", Substitute::Nothing);
    bought_of(&mut world, "q", Substitute::Nothing);
    world.pass_to(at(1, 11, 0));
    let readings = [(at(1, 10, 10), 0), (at(1, 10, 11), 2_100 * KWH), (at(1, 11, 0), 2_100 * KWH)];
    world.done("gateway", world.readings(METER, &readings));
    world.pass_to(at(1, 12, 0));
    let events = world.done("operator", correction(hours(10, 10, 11), 2_100 * KWH, 500 * KWH));
    assert_eq!(adjusted(&events), [(subscription_id(), 0, 100)]);
    let events = world.done("operator", correction(hours(10, 10, 11), 500 * KWH, 2_200 * KWH));
    assert_eq!(adjusted(&events), [(subscription_id(), 200, 0)]);
}

#[test]
fn what_a_substituted_purchase_counted_is_not_credited_by_the_supply_when_it_came_late_and_is_corrected() {
    let mut world = World::new();
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    bought_of(&mut world, "p", Substitute::ProRata);
    world.pass_to(at(1, 12, 0));
    // All of it was counted without a reading: what comes now is absorbed, up to that.
    let readings = [(at(1, 10, 10), 0), (at(1, 10, 11), 1_100 * KWH), (at(1, 11, 0), 1_100 * KWH)];
    world.done("gateway", world.readings(METER, &readings));
    let events = world.done("operator", correction(hours(10, 10, 11), 1_100 * KWH, 700 * KWH));
    assert_eq!(adjusted(&events), [(subscription_id(), 0, 100)]);
    let events = world.done("operator", correction(hours(10, 10, 11), 700 * KWH, 1_050 * KWH));
    assert_eq!(adjusted(&events), [(subscription_id(), 50, 0)]);
}
