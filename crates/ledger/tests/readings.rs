//! Readings: every refusal, signatures, rollovers, gaps; and what a steady reading changes.

mod world;

use utilidor_ledger::record::{MeterBindings, MeterState};
use utilidor_types::meter::{MeterAuthority, MeterRun, MeterSignature, SignedRecord};
use utilidor_types::package::Band;
use utilidor_types::*;
use world::*;

const METER: &str = "alice/electricity";
/// Another meter of electricity.
const OTHER: &str = "bob/electricity";

fn certified(events: &[Event]) -> u32 {
    match &events[0] {
        Event::Certified { count, refused, .. } => {
            assert!(refused.is_empty(), "{refused:?}");
            *count
        }
        other => panic!("expected certificates, got {other:?}"),
    }
}

fn state_of(world: &World, meter: &str) -> MeterState {
    world.state.read(&meter_id(meter)).unwrap()
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
fn refuses_a_batch_with_a_run_that_has_no_readings() {
    let mut world = World::new();
    let run = MeterRun { meter: meter_id("x"), readings: Bounded::empty(), signature: None };
    let batch = || Action::RecordReadings { runs: vec![run.clone()].try_into().unwrap() };
    assert_eq!(world.refused("alice", batch()).code(), "member/missing-role");
    assert_eq!(world.refused("gateway", batch()).code(), "reading/empty-run");
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

/// A device's key, and its record of an electricity register of 2025-01-01, with the hours and kilowatt-hours of its entries.
fn device_record(entries: &[(u64, u64)]) -> SignedRecord {
    record_of("7", "1-b:1.8.0", entries)
}

/// The same of a device of this serial number and a register of this code, all with the same key.
fn record_of(serial: &str, register: &str, entries: &[(u64, u64)]) -> SignedRecord {
    use p256::ecdsa::signature::Signer as _;
    let key = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let entry = |(hour, kwh): &(u64, u64)| {
        format!(r#"{{"TM":"2025-01-01T{hour:02}:00:00,000+0800 S","RV":{kwh},"RI":"{register}","RU":"kWh","ST":"G"}}"#)
    };
    let entries: Vec<_> = entries.iter().map(entry).collect();
    let payload = format!(r#"{{"FV":"1.0","PG":"F1","MS":"{serial}","RD":[{}]}}"#, entries.join(","));
    let signature: p256::ecdsa::Signature = key.sign(payload.as_bytes());
    let text = format!(r#"OCMF|{payload}|{{"SD":"{}"}}"#, hex::encode(signature.to_der().as_bytes()));
    let key = PublicKey::of_device(&hex::encode(key.verifying_key().to_sec1_point(true).as_bytes())).unwrap();
    SignedRecord { key, record: OcmfRecord::new(text).unwrap() }
}

fn record_run(meter: &str, signed: SignedRecord) -> Action {
    let readings = signed.record.read().unwrap().readings;
    let run = MeterRun { meter: meter_id(meter), readings, signature: Some(MeterSignature::Ocmf(signed)) };
    Action::RecordReadings { runs: vec![run].try_into().unwrap() }
}

#[test]
fn a_devices_record_counts_with_the_registered_key_and_stays_in_the_log_byte_for_byte() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    let signed = device_record(&[(1, 1), (2, 3)]);
    assert_eq!(refusals(&world.done("gateway", record_run(METER, signed.clone()))), ["reading/not-authority"; 2]);
    let authority = MeterAuthority::Meter(signed.key);
    world.done("operator", Action::RotateMeterKey { meter: meter_id(METER), authority });
    let transaction = world.sign("gateway", record_run(METER, signed.clone()));
    let outcome = world.block(vec![transaction]);
    let CertificationEntry::Ocmf { run, signed: kept } = &outcome.certified[0] else { panic!("{outcome:?}") };
    assert_eq!((run.readings.len(), kept), (2, &signed));
    assert_eq!(outcome.certified[0].check(), Ok(()));

    // A record that says more than is new: what is certified already is refused, the rest counts.
    let longer = device_record(&[(2, 3), (3, 4)]);
    let transaction = world.sign("gateway", record_run(METER, longer));
    let outcome = world.block(vec![transaction]);
    let entry = &outcome.certified[0];
    assert_eq!((entry.run().readings.len(), entry.check()), (1, Ok(())));

    // Another's readings beside it are noticed.
    let CertificationEntry::Ocmf { run, .. } = entry.clone() else { unreachable!() };
    let forged = CertificationEntry::Ocmf { run, signed };
    assert_eq!(forged.check().unwrap_err().code(), "ocmf/other-readings");
}

#[test]
fn a_devices_records_count_for_one_meter_and_a_meter_takes_those_of_one_device() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    const IMPORT: &str = "1-b:1.8.0";
    let key = MeterAuthority::Meter(device_record(&[(1, 1)]).key);
    let rotate = |world: &mut World, meter, authority| {
        world.done("operator", Action::RotateMeterKey { meter: meter_id(meter), authority });
    };
    // What a meter says to a device's record of so many kilowatt-hours at the hour of that number.
    let told = |world: &mut World, meter, serial, register, kwh| {
        let record = record_of(serial, register, &[(kwh, kwh)]);
        let refused = refusals(&world.done("gateway", record_run(meter, record)));
        refused.first().copied().unwrap_or("certified")
    };
    rotate(&mut world, METER, key);
    rotate(&mut world, OTHER, key);
    assert_eq!(told(&mut world, METER, "7", IMPORT, 1), "certified");
    assert_eq!(told(&mut world, OTHER, "7", IMPORT, 1), "reading/device-of-another");
    assert_eq!(told(&mut world, METER, "8", IMPORT, 2), "reading/other-device");
    assert_eq!(told(&mut world, METER, "7", "1-b:2.8.0", 2), "reading/other-device");
    assert_eq!(told(&mut world, OTHER, "7", "1-b:2.8.0", 2), "certified", "another register of the same device");
    assert_eq!(told(&mut world, METER, "7", IMPORT, 3), "certified");

    // The same key again changes nothing; another lets the device go.
    rotate(&mut world, METER, key);
    assert_eq!(told(&mut world, METER, "9", IMPORT, 4), "reading/other-device");
    for meter in [METER, OTHER] {
        rotate(&mut world, meter, MeterAuthority::Gateway(account("gateway")));
        rotate(&mut world, meter, key);
    }
    assert_eq!(told(&mut world, METER, "9", IMPORT, 4), "certified");
    assert_eq!(told(&mut world, OTHER, "7", IMPORT, 5), "certified");
    let (meter, last) = (meter_id(OTHER), state_of(&world, OTHER).last);
    let modulus = Quantity(1_000_000_000 * KWH);
    let exchange =
        Action::ExchangeMeter { meter, last, authority: key, register_modulus: modulus, register: last.register };
    world.done("operator", exchange);
    assert_eq!(told(&mut world, OTHER, "10", IMPORT, 6), "certified", "a device in the other's place");
    assert_eq!(told(&mut world, METER, "10", IMPORT, 7), "reading/other-device");
    world.done("operator", Action::RetireMeter { meter });
    rotate(&mut world, METER, MeterAuthority::Gateway(account("gateway")));
    rotate(&mut world, METER, key);
    assert_eq!(told(&mut world, METER, "10", IMPORT, 8), "certified", "a meter out of service has no device");
}

#[test]
fn a_record_of_energy_counts_for_no_meter_of_water() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    let signed = device_record(&[(1, 1)]);
    let meter = meter_id("alice/hot_water");
    world.done("operator", Action::RotateMeterKey { meter, authority: MeterAuthority::Meter(signed.key) });
    assert_eq!(world.reading_refused(record_run("alice/hot_water", signed)).code(), "reading/record-of-energy");
}

fn refusals(events: &[Event]) -> Vec<&'static str> {
    let Event::Certified { refused, .. } = &events[0] else { panic!("{events:?}") };
    refused.iter().map(|refused| refused.refusal.code()).collect()
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
fn places_in_a_batch_are_counted_over_all_its_runs() {
    let mut world = World::new();
    world.now = at(1, 2, 0);
    let run = |meter: &str, hours: &[u64]| {
        let readings = hours.iter().map(|hour| Reading { time: at(1, 1, *hour), register: Quantity(hour * KWH) });
        MeterRun { meter: meter_id(meter), readings: Bounded::new(readings.collect()).unwrap(), signature: None }
    };
    let runs = vec![run(METER, &[1, 2]), run("x", &[1, 2]), run("bob/electricity", &[1, 1, 3])];
    let events = world.done("gateway", Action::RecordReadings { runs: runs.try_into().unwrap() });
    let Event::Certified { count, refused, .. } = &events[0] else { panic!("{events:?}") };
    let refused: Vec<(u16, &str)> = refused.iter().map(|refused| (refused.index, refused.refusal.code())).collect();
    assert_eq!(*count, 4);
    assert_eq!(refused, [(2, "meter/unknown"), (3, "meter/unknown"), (5, "reading/replayed")]);
}

#[test]
fn a_register_that_rolls_over_goes_on_from_zero() {
    let mut world = World::new();
    let meter = Meter {
        label: label("m"),
        register_modulus: Quantity(1_000 * KWH),
        register: Quantity(990 * KWH),
        capacity_per_hour: Quantity(100 * KWH),
        ..world.meter("alice", Carrier::Electricity)
    };
    world.done("operator", Action::RegisterMeter(meter));
    world.now = at(1, 2, 0);
    let transaction = world.sign("gateway", world.readings("m", &[(at(1, 1, 1), 5 * KWH)]));
    assert_eq!(world.block(vec![transaction]).certificates().next().unwrap().quantity, Quantity(15 * KWH));
    assert_eq!(state_of(&world, "m").total(), Quantity(15 * KWH), "the cumulative register goes on");
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
fn a_gap_of_twenty_five_hours_has_eight_hours_of_night() {
    let mut world = World::new();
    world.now = at(1, 10, 0);
    certified(&world.done("gateway", world.readings(METER, &[(at(1, 10, 0), 0)])));
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    world.now = at(1, 12, 0);
    certified(&world.done("gateway", world.readings(METER, &[(at(1, 11, 1), 25 * KWH)])));
    let registers = state_of(&world, METER).registers;
    let kwh = |band| registers.of(band).0 / KWH;
    assert_eq!([kwh(Band::Valley), kwh(Band::Flat)], [8, 17]);
}

/// Cells that a block changes besides its account's nonce and the chain's totals.
fn cells_changed(world: &mut World, action: Action) -> Vec<Key> {
    let transaction = world.sign("gateway", action);
    let outcome = world.block(vec![transaction]);
    let nonce = Key::of(3, &encode(&account("gateway")));
    let totals = Key::of(1, &[]);
    let keys = outcome.cells.iter().map(|change| change.key);
    keys.filter(|key| *key != nonce && *key != totals).collect()
}

#[test]
fn a_steady_reading_changes_one_cell() {
    let mut world = World::new();
    world.trade("alice");
    world.done("gateway", world.readings(METER, &[(at(1, 5, 0), 0)]));
    world.subscribe(vec![world.service("alice", Carrier::Electricity, 0)]);
    let serves: MeterBindings = world.state.read(&meter_id(METER)).unwrap();
    assert_eq!(serves.bindings.len(), 2, "a supply with bands, and a purchase");

    world.now = at(1, 5, 1);
    world.done("gateway", world.readings(METER, &[(at(1, 5, 1), KWH)]));
    world.now = at(1, 5, 3);
    let readings = world.readings(METER, &[(at(1, 5, 2), 2 * KWH), (at(1, 5, 3), 3 * KWH)]);
    assert_eq!(cells_changed(&mut world, readings), [Key::of(13, &meter_id(METER).0)]);
    let registers = state_of(&world, METER).registers;
    assert_eq!(registers.of(Band::Valley), Quantity(3 * KWH));
}

#[test]
fn a_batch_of_steady_readings_changes_one_cell_for_each_meter() {
    let mut world = World::new();
    world.now = at(1, 1, 2);
    let run = |meter: &str| {
        let readings = vec![Reading { time: at(1, 1, 1), register: Quantity(KWH) }];
        MeterRun { meter: meter_id(meter), readings: readings.try_into().unwrap(), signature: None }
    };
    let runs = ["alice/electricity", "alice/heating", "bob/electricity", "roof/electricity"].map(run);
    let batch = Action::RecordReadings { runs: runs.to_vec().try_into().unwrap() };
    assert_eq!(cells_changed(&mut world, batch).len(), 4);
}
