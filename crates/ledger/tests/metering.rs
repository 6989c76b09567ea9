//! Meters and readings: every refusal, rollovers, exchanges, gaps.

mod world;

use utilidor_types::meter::MeterAuthority;
use utilidor_types::*;
use world::*;

const METER: &str = "alice/electricity";

fn certified(events: &[Event]) -> u32 {
    match &events[0] {
        Event::Certified { count, refused, .. } => {
            assert!(refused.is_empty(), "{refused:?}");
            *count
        }
        other => panic!("expected certificates, got {other:?}"),
    }
}

#[test]
fn refuses_meters_that_could_not_measure_in_this_order() {
    let check = |code: &str, change: &dyn Fn(&mut Meter)| {
        let mut world = World::new();
        let mut meter = Meter { id: meter_id("m"), ..world.meter("alice", Carrier::Gas) };
        change(&mut meter);
        assert_eq!(world.refused("operator", Action::RegisterMeter(meter)).code(), code);
    };
    check("id/taken", &|meter| meter.id = meter_id(METER));
    check("account/unknown", &|meter| meter.holder = account("stranger"));
    check("meter/without-range", &|meter| meter.register_modulus = Quantity(0));
    check("meter/without-range", &|meter| meter.capacity_per_hour = Quantity(0));
    check("reading/register-too-wide", &|meter| meter.register = meter.register_modulus);
    check("meter/in-future", &|meter| meter.since = at(1, 2, 0));
    let mut world = World::new();
    let meter = Meter { id: meter_id("m"), ..world.meter("alice", Carrier::Gas) };
    assert_eq!(world.refused("alice", Action::RegisterMeter(meter.clone())).code(), "member/missing-role");
    world.done("operator", Action::RegisterMeter(meter.clone()));
    assert_eq!(world.done("operator", Action::RegisterMeter(meter)), vec![], "a retry gives the first result");
}

#[test]
fn refuses_readings_in_this_order() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    let read = |world: &World, time, register| world.readings(METER, &[(time, register)]);
    let modulus = 1_000_000_000 * KWH;
    certified(&world.done("gateway", read(&world, at(1, 1, 10), 100 * KWH)));

    let action = world.readings("x", &[(at(1, 1, 11), 0)]);
    assert_eq!(world.reading_refused(action).code(), "meter/unknown");
    let cases = [
        ("reading/register-too-wide", at(1, 1, 11), modulus),
        ("reading/replayed", at(1, 1, 10), 100 * KWH),
        ("reading/out-of-order", at(1, 1, 10), 101 * KWH),
        ("reading/out-of-order", at(1, 1, 9), 101 * KWH),
        ("reading/from-future", at(1, 2, 1), 101 * KWH),
        ("reading/went-back", at(1, 1, 11), 99 * KWH),
        ("reading/beyond-capacity", at(1, 1, 11), 10_101 * KWH),
    ];
    for (code, time, register) in cases {
        let action = read(&world, time, register);
        assert_eq!(world.reading_refused(action).code(), code);
    }
    certified(&world.done("gateway", read(&world, at(1, 1, 11), 10_100 * KWH)));
}

#[test]
fn a_reading_counts_only_with_the_signature_of_its_meters_authority() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    let reading = [(at(1, 1, 10), KWH)];
    let action = world.signed_readings(METER, "meter", &reading);
    assert_eq!(world.reading_refused(action).code(), "reading/not-authority");
    let authority = MeterAuthority::Meter(key("meter").public_key());
    world.done("operator", Action::RotateMeterKey { meter: meter_id(METER), authority });
    let action = world.readings(METER, &reading);
    assert_eq!(world.reading_refused(action).code(), "reading/not-authority");
    let action = world.signed_readings(METER, "other", &reading);
    assert_eq!(world.reading_refused(action).code(), "reading/not-authority");
    let action = world.signed_readings(METER, "meter", &reading);
    certified(&world.done("gateway", action));
    assert_eq!(world.refused("alice", world.readings(METER, &reading)).code(), "member/missing-role");
}

#[test]
fn a_refused_reading_stops_nothing_and_is_listed() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    let readings = [(at(1, 1, 1), KWH), (at(1, 1, 1), KWH), (at(1, 1, 2), 2 * KWH)];
    let events = world.done("gateway", world.readings(METER, &readings));
    let Event::Certified { first, count, refused } = &events[0] else { panic!("{events:?}") };
    assert_eq!((first.0, *count, refused.len(), refused[0].index), (0, 2, 1, 1));
    let events = world.done("gateway", world.readings(METER, &[(at(1, 1, 3), 2 * KWH)]));
    assert!(matches!(events[0], Event::Certified { first: CertificateId(2), count: 1, .. }));
}

#[test]
fn a_register_that_rolls_over_goes_on_from_zero() {
    let mut world = World::new();
    let meter = Meter {
        id: meter_id("m"),
        register_modulus: Quantity(1_000 * KWH),
        register: Quantity(990 * KWH),
        ..world.meter("alice", Carrier::Electricity)
    };
    let meter = Meter { capacity_per_hour: Quantity(100 * KWH), ..meter };
    world.done("operator", Action::RegisterMeter(meter));
    world.now = at(1, 2, 0);
    let transaction = world.sign("gateway", world.readings("m", &[(at(1, 1, 1), 5 * KWH)]));
    assert_eq!(world.block(vec![transaction]).certificates().next().unwrap().quantity, Quantity(15 * KWH));
}

#[test]
fn a_gap_is_recorded_not_hidden() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    let events = world.done("gateway", world.readings(METER, &[(at(1, 1, 5), KWH)]));
    let interval = Window { from: at(1, 1, 0), to: at(1, 1, 5) };
    assert_eq!(events[1], Event::Gap { meter: meter_id(METER), interval });
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
fn an_interval_over_a_windows_edge_counts_by_its_share_of_the_time() {
    let mut world = World::new();
    world.trade("alice");
    world.now = at(1, 10, 1);
    world.done("gateway", world.readings(METER, &[(at(1, 9, 21), 0)]));
    let transaction = world.sign("gateway", world.readings(METER, &[(at(1, 10, 1), 100 * KWH)]));
    let certificate = world.block(vec![transaction]).certificates().next().unwrap();
    assert_eq!(certificate.purchases[0].quantity, Quantity(25 * KWH));
    assert_eq!(certificate.rest(), Quantity(75 * KWH));
}
