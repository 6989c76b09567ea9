//! Frames of real devices: each gives the value that its source states, or its refusal.

use proptest::prelude::*;
use std::collections::BTreeMap;
use utilidor_gateway::number::Unit;
use utilidor_gateway::protocol::{
    Content, Protocol, Refused, Telegram, cjt188, dlt645, from_hex, json, mbus, modbus, sunspec,
};
use utilidor_types::Carrier;

/// Columns: protocol, frame, what, expected, source, whether the source states the value.
const FRAMES: &str = include_str!("data/frames.tsv");
const LIBMBUS: &str = include_str!("data/libmbus.tsv");
const LIBMBUS_ERRORS: &str = include_str!("data/libmbus-errors.tsv");

fn frames() -> Vec<(Protocol, Vec<u8>, &'static str, &'static str)> {
    let rows = FRAMES.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| {
        let protocol = if row[0].starts_with("DL/T") { Protocol::Dlt645 } else { Protocol::Cjt188 };
        (protocol, from_hex(row[1]).unwrap(), row[2], row[3])
    })
    .collect()
}

fn shown(telegram: &Telegram, what: &str) -> String {
    telegram
        .records
        .iter()
        .find(|record| record.what == what)
        .map(|record| record.content.to_string())
        .unwrap_or_default()
}

#[test]
fn every_frame_of_the_table_gives_its_value_or_its_refusal() {
    let names = BTreeMap::from([
        ("forward active energy, kWh", ("forward_active_energy", "kWh")),
        ("reverse active energy, kWh", ("reverse_active_energy", "kWh")),
        ("combined reactive energy 1, kvarh", ("combined_reactive_energy_1", "kvarh")),
        ("combined reactive energy 2, kvarh", ("combined_reactive_energy_2", "kvarh")),
        ("voltage A, V", ("phase_a_voltage", "V")),
        ("voltage C, V", ("phase_c_voltage", "V")),
        ("frequency, Hz", ("frequency", "Hz")),
        ("water", ("volume", "m3")),
    ]);
    let mut checked = 0;
    for (protocol, frame, what, expected) in frames() {
        let decoded = protocol.decode(&frame);
        match expected {
            "refuse: checksum, right is da (states 239.4)" => {
                assert_eq!(decoded, Err(Refused::Checksum { found: 0xb6, computed: 0xda, digits: 1 }));
            }
            "refuse: byte 0E is not BCD" => {
                assert!(matches!(decoded, Err(Refused::NotDecimal { byte: 0x0e, .. })), "{decoded:?}");
            }
            _ if what == "heat" => {
                let telegram = decoded.unwrap();
                assert_eq!(telegram.carrier, Some(Carrier::Heating));
                assert_eq!(telegram.register().unwrap().content.to_string(), "0.02 MWh");
                assert_eq!(shown(&telegram, "volume"), "10.34 m3");
                assert_eq!(shown(&telegram, "supply_temperature"), "25.35 °C");
                assert_eq!(shown(&telegram, "return_temperature"), "25.66 °C");
                assert_eq!(shown(&telegram, "clock"), "2015-07-10T12:00:53");
            }
            _ => {
                let (name, unit) = names[what];
                let telegram = decoded.unwrap();
                let value = expected.split(' ').next().unwrap();
                assert_eq!(shown(&telegram, name), format!("{value} {unit}"), "{}", hex::encode(&frame));
                let carrier = if what == "water" { Carrier::Water } else { Carrier::Electricity };
                assert_eq!(telegram.carrier, Some(carrier));
                let is_register = ["forward_active_energy", "volume"].contains(&name);
                assert_eq!(telegram.register().is_some(), is_register, "{what}");
            }
        }
        checked += 1;
    }
    assert_eq!(checked, 22);
}

#[test]
fn fields_that_a_meter_does_not_keep_are_absent() {
    let frame = from_hex("6810454110051533788116901faa005959002cffffffff2cffffffffffffff0000c216").unwrap();
    let telegram = Protocol::Cjt188.decode(&frame).unwrap();
    assert_eq!(telegram.records[1].content, Content::Absent);
    assert_eq!(shown(&telegram, "clock"), "absent");
}

#[test]
fn a_register_that_gives_no_reading_is_refused_whatever_else_the_frame_says() {
    for (protocol, frame, code) in [
        (Protocol::Dlt645, "6861010000000068910833333433323232326016", "register/absent"),
        (Protocol::Mbus, "681515680801727856341224400107550000000c13050000f06416", "register/negative"),
        (Protocol::Mbus, "681515680801727856341224400107550000000c130500a0001416", "register/invalid"),
    ] {
        let telegram = protocol.decode(&from_hex(frame).unwrap()).unwrap();
        assert_eq!(telegram.check_register().unwrap_err().code(), code, "{frame}");
    }
    // Every published frame that says a register says one that is a reading, and one without says nothing of any.
    for (protocol, frame) in good_frames() {
        let telegram = protocol.decode(&frame).unwrap();
        let has_none = protocol == Protocol::Mbus
            && telegram.subject == mbus::values()
            && !telegram.records.iter().any(|record| record.is_register);
        let checked = telegram.check_register().map_err(|refused| refused.code());
        let expected = if has_none { Err("register/none") } else { Ok(()) };
        assert_eq!(checked, expected, "{protocol} {}", hex::encode(&frame));
    }
    // Acknowledged, and asked: neither has values.
    for frame in ["e5", "107b058016"] {
        let telegram = mbus::decode(&from_hex(frame).unwrap()).unwrap();
        assert_eq!(telegram.check_register(), Ok(()), "{frame}");
    }
}

#[test]
fn the_published_frame_with_a_wrong_checksum_is_refused() {
    let frame = from_hex("68104433221100337881161f9000007766552c007766552c3101221105152021840816").unwrap();
    assert_eq!(Protocol::Cjt188.decode(&frame), Err(Refused::Checksum { found: 0x08, computed: 0x13, digits: 1 }));
}

/// Frames that are taken, of every protocol.
fn good_frames() -> Vec<(Protocol, Vec<u8>)> {
    let mut good: Vec<_> = frames()
        .into_iter()
        .filter(|(protocol, frame, ..)| protocol.decode(frame).is_ok())
        .map(|(protocol, frame, ..)| (protocol, frame))
        .collect();
    good.extend(
        libmbus().into_iter().filter(|(_, frame, _)| frame.len() < 60).map(|(_, frame, _)| (Protocol::Mbus, frame)),
    );
    good.retain(|(protocol, frame)| protocol.decode(frame).is_ok());
    for framing in [modbus::Framing::Rtu, modbus::Framing::Tcp] {
        good.push((Protocol::Modbus, modbus::answer(framing, 1, 1, modbus::Function::Holding, &[0x1234, 0x5678])));
    }
    good
}

#[test]
fn every_truncation_and_every_added_byte_is_refused() {
    for (protocol, frame) in good_frames() {
        for end in 0..frame.len() {
            assert!(protocol.decode(&frame[..end]).is_err(), "{protocol} {} cut at {end}", hex::encode(&frame));
        }
        let longer = [frame.clone(), vec![0]].concat();
        assert!(protocol.decode(&longer).is_err(), "{protocol} {}", hex::encode(&longer));
        let oversize = [frame.clone(), vec![0; 4_096]].concat();
        assert!(protocol.decode(&oversize).is_err(), "{protocol}");
    }
}

#[test]
fn every_frame_with_one_byte_changed_is_refused() {
    for (protocol, frame) in good_frames() {
        // A TCP frame has no checksum of its own: TCP's is its only one.
        if protocol == Protocol::Modbus && modbus::parse(modbus::Framing::Rtu, &frame).is_err() {
            continue;
        }
        for place in 0..frame.len() {
            for change in [1u8, 0x10, 0x33, 0x80, 0xff] {
                let mut changed = frame.clone();
                changed[place] = changed[place].wrapping_add(change);
                let decoded = protocol.decode(&changed);
                assert!(decoded.is_err(), "{protocol} {} changed at {place}: {decoded:?}", hex::encode(&changed));
            }
        }
    }
}

#[test]
fn an_answer_of_another_address_is_refused() {
    for (protocol, frame) in good_frames() {
        let refused = match protocol {
            Protocol::Dlt645 => {
                let parsed = dlt645::parse(&frame).unwrap();
                dlt645::decode_answer(&frame, "999999999999".parse().unwrap(), parsed.identifier().unwrap())
            }
            Protocol::Cjt188 => {
                let parsed = cjt188::parse(&frame).unwrap();
                let serial = parsed.serial().unwrap();
                cjt188::decode_answer(&frame, "9".parse().unwrap(), serial, cjt188::UnitPosition::Found)
            }
            Protocol::Mbus => mbus::decode_answer(&frame, 249),
            Protocol::Modbus | Protocol::Json | Protocol::Ocpp | Protocol::Virtual => continue,
        };
        let is_refused = matches!(refused, Err(Refused::WrongAddress { .. } | Refused::WrongSubject { .. }));
        assert!(is_refused, "{protocol} {}: {refused:?}", hex::encode(&frame));
    }
}

/// Name, frame, and rows of function, storage, tariff, device, unit, quantity and value.
fn libmbus() -> Vec<(&'static str, Vec<u8>, Vec<Vec<&'static str>>)> {
    let mut frames: Vec<(&str, Vec<u8>, Vec<Vec<&str>>)> = Vec::new();
    for line in LIBMBUS.lines().filter(|line| !line.starts_with('#')) {
        let row: Vec<_> = line.split('\t').collect();
        match row[0] {
            "F" => frames.push((row[1], from_hex(row[2]).unwrap(), Vec::new())),
            _ => frames.last_mut().unwrap().2.push(row[1..].to_vec()),
        }
    }
    frames
}

/// A number with six decimals, rounded half away from zero as libmbus prints it, of a number that prints exactly.
fn six_decimals(text: &str) -> String {
    let (sign, magnitude) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (whole, decimals) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let padded = format!("{decimals:0<7}");
    let mut digits: u128 = format!("{whole}{}", &padded[..6]).parse().unwrap();
    if padded.as_bytes()[6] >= b'5' {
        digits += 1;
    }
    format!("{sign}{}.{:06}", digits / 1_000_000, digits % 1_000_000)
}

/// What libmbus calls a number of ours: seconds for all durations, one unit for each measure.
fn as_libmbus(content: &Content) -> Option<(String, &'static str)> {
    let Content::Number { number, unit } = content else { return None };
    let (factor, name) = match unit {
        Unit::WattHour => (0, "Wh"),
        Unit::MegawattHour => (6, "Wh"),
        Unit::Joule => (0, "J"),
        Unit::Gigajoule => (9, "J"),
        Unit::CubicMetre => (0, "m^3"),
        Unit::Watt => (0, "W"),
        Unit::CubicMetrePerHour => (0, "m^3/h"),
        Unit::Celsius => (0, "°C"),
        Unit::Kelvin => (0, "K"),
        Unit::Volt => (0, "V"),
        Unit::Ampere => (0, "A"),
        _ => return None,
    };
    Some((six_decimals(&number.times_ten_to(factor)?.to_string()), name))
}

#[test]
fn frames_of_real_m_bus_devices_agree_with_libmbus() {
    let (mut frames, mut fixed, mut agreeing) = (0, 0, 0);
    let mut differences = Vec::new();
    let mut refused = Vec::new();
    for (name, frame, expected) in libmbus() {
        frames += 1;
        let telegram = match mbus::decode(&frame) {
            Ok(telegram) => telegram,
            Err(error) => {
                refused.push(format!("{name}: {}", error.code()));
                continue;
            }
        };
        // The fixed structure has other names at libmbus; a test beside its decoder holds its values to these.
        if telegram.records.len() == 5 && frame[6] == 0x73 {
            fixed += 1;
            continue;
        }
        // The head's five records are ours alone.
        let records = &telegram.records[5..];
        if records.len() != expected.len() {
            differences.push(format!("{name}: {} records, not {}", records.len(), expected.len()));
            continue;
        }
        for (record, row) in records.iter().zip(&expected) {
            let Some((value, unit)) = as_libmbus(&record.content) else { continue };
            let theirs: &str = row[6];
            // libmbus computes in floating point: the last decimals of long numbers are its own.
            let close = |a: &str, b: &str| {
                let digits = |text: &str| text.replace('.', "").parse::<i128>().unwrap_or(i128::MAX);
                let (a, b) = (digits(a), digits(b));
                (a - b).unsigned_abs() <= 1 + a.unsigned_abs() / 1_000_000_000
            };
            if row[4] != unit || !close(&value, theirs) || record.storage.to_string() != row[1] {
                differences.push(format!("{name}: {} is {value} {unit}, not {theirs} {}", record.what, row[4]));
            }
            agreeing += 1;
        }
    }
    assert_eq!(frames, 76);
    assert_eq!(differences, Vec::<String>::new());
    assert!(agreeing > 500, "{agreeing}");
    assert_eq!((refused, fixed), (Vec::<String>::new(), 2));
}

#[test]
fn frames_that_m_bus_devices_send_in_error_are_refused() {
    for line in LIBMBUS_ERRORS.lines() {
        let (name, frame) = line.split_once('\t').unwrap();
        let decoded = from_hex(frame).and_then(|frame| mbus::decode(&frame));
        if name == "svm_f22_telegram2" {
            // Its maker's own bytes begin at once, and libmbus reads records in them. A telegram without a register is none's harm.
            assert!(decoded.is_ok_and(|telegram| telegram.register().is_none()), "{name}");
            continue;
        }
        assert!(decoded.is_err(), "{name}: {decoded:?}");
    }
}

/// Decodes in every way there is. What matters is that it returns.
fn decode_all(bytes: &[u8]) {
    for protocol in Protocol::ALL {
        if let Ok(telegram) = protocol.decode(bytes) {
            for carrier in Carrier::ALL {
                let _ = telegram.quantity_floor(carrier);
            }
            for record in &telegram.records {
                let _ = record.content.to_string();
            }
        }
    }
    let description = json::Description { value: "/a".into(), time: "/b".into(), step: "1kWh".parse().unwrap() };
    let _ = json::decode(bytes, "topic", &description);
    let registers: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    for energy in [sunspec::Energy::Produced, sunspec::Energy::Imported, sunspec::Energy::Exported] {
        let wanted = sunspec::Wanted { energy, nth: 1 };
        let _ = sunspec::decode(bytes, wanted);
        let _ = sunspec::records(&registers, wanted);
        let mut walk = sunspec::Walk::from(40_000, wanted);
        let _ = walk.common(&registers);
        for header in registers.chunks(2) {
            if walk.header(header).is_err() {
                break;
            }
        }
    }
    let _ = dlt645::arrival(bytes);
    let _ = cjt188::arrival(bytes);
    let _ = mbus::arrival(bytes);
    for framing in [modbus::Framing::Rtu, modbus::Framing::Tcp] {
        let _ = modbus::arrival(framing, bytes);
        let _ = modbus::request_arrival(framing, bytes);
    }
    for position in [cjt188::UnitPosition::After, cjt188::UnitPosition::Before] {
        let _ = cjt188::decode(bytes, position);
    }
}

/// Makes the frame's checksum and end hold, so that what lies behind them is reached.
fn mended(protocol: Protocol, mut frame: Vec<u8>) -> Vec<u8> {
    let len = frame.len();
    match protocol {
        Protocol::Dlt645 | Protocol::Cjt188 if len > 2 => {
            let sum = frame[..len - 2].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            frame[len - 2..].copy_from_slice(&[sum, 0x16]);
        }
        Protocol::Mbus if len > 6 => {
            let sum = frame[4..len - 2].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
            frame[len - 2..].copy_from_slice(&[sum, 0x16]);
        }
        _ => {}
    }
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn no_change_of_a_good_frame_makes_a_decoder_panic(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let good = good_frames();
        let (protocol, mut frame) = good[which.index(good.len())].clone();
        for (place, byte) in changes {
            let place = place.index(frame.len());
            frame[place] = byte;
        }
        decode_all(&frame);
        decode_all(&mended(protocol, frame));
    }

    #[test]
    fn no_records_make_the_m_bus_decoder_panic(records in proptest::collection::vec(any::<u8>(), 0..240)) {
        let mut data = vec![0x08, 1, 0x72, 0x78, 0x56, 0x34, 0x12, 0x24, 0x40, 1, 7, 0x55, 0, 0, 0];
        data.extend(records);
        data.truncate(255);
        let length = data.len() as u8;
        let frame = [vec![0x68, length, length, 0x68], data, vec![0, 0]].concat();
        decode_all(&mended(Protocol::Mbus, frame));
    }

    #[test]
    fn what_arrives_in_pieces_is_a_frame_only_when_it_is_whole(which in any::<prop::sample::Index>()) {
        use utilidor_gateway::protocol::Arrival;
        let good = good_frames();
        let (protocol, frame) = &good[which.index(good.len())];
        let arrival = |bytes: &[u8]| match protocol {
            Protocol::Dlt645 => dlt645::arrival(bytes),
            Protocol::Cjt188 => cjt188::arrival(bytes),
            Protocol::Mbus => mbus::arrival(bytes),
            Protocol::Modbus if modbus::parse(modbus::Framing::Rtu, frame).is_ok() => modbus::arrival(modbus::Framing::Rtu, bytes),
            Protocol::Modbus | Protocol::Json | Protocol::Ocpp | Protocol::Virtual => modbus::arrival(modbus::Framing::Tcp, bytes),
        };
        for end in 0..frame.len() {
            let arrived = arrival(&frame[..end]);
            let is_waiting = matches!(arrived, Ok(Arrival::Needs(more)) if more > 0 && more <= frame.len() - end);
            prop_assert!(is_waiting, "{} of {}: {arrived:?}", end, hex::encode(frame));
        }
        prop_assert_eq!(arrival(frame), Ok(Arrival::Whole(frame.len())));
    }
}
