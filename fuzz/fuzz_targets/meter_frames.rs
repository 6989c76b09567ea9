//! Bytes as every frame and document that a device can send: reading them never panics, says the same twice, and asks for no
//! more than a frame can have. The bytes are tried as they are, with their checksum made right, and dripping in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::str::FromStr as _;
use utilidor_gateway::number::Step;
use utilidor_gateway::profile::{Profiles, Register};
use utilidor_gateway::protocol::modbus::Framing;
use utilidor_gateway::protocol::{Arrival, Protocol, Refused, cjt188, dlt645, json, mbus, modbus, sunspec};
use utilidor_gateway::view::TelegramView;
use utilidor_types::Carrier;

/// More than any frame of any protocol has.
const MAX_FRAME: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    for protocol in [Protocol::Dlt645, Protocol::Cjt188, Protocol::Mbus, Protocol::Modbus] {
        read(&mended(protocol, bytes.to_vec()));
    }
});

fn read(bytes: &[u8]) {
    for protocol in Protocol::ALL {
        let telegram = protocol.decode(bytes);
        assert_eq!(telegram, protocol.decode(bytes), "the same bytes say the same");
        let Ok(telegram) = telegram else { continue };
        let _ = TelegramView::of(&telegram);
        for carrier in Carrier::ALL {
            let _ = telegram.quantity_floor(carrier);
        }
    }
    for profile in Profiles::builtin().iter() {
        match &profile.register {
            Register::Modbus { description, .. } => drop(modbus::decode_described(bytes, description)),
            Register::SunSpec(wanted) => drop(sunspec::decode(bytes, *wanted)),
            _ => {}
        }
    }
    for position in [cjt188::UnitPosition::After, cjt188::UnitPosition::Before] {
        let _ = cjt188::decode(bytes, position);
    }
    let step = Step::from_str("1kWh").expect("it is a step");
    let description = json::Description { value: "/a".into(), time: "/b".into(), step };
    let _ = json::decode(bytes, "topic", &description);
    drip(bytes, dlt645::arrival);
    drip(bytes, cjt188::arrival);
    drip(bytes, mbus::arrival);
    for framing in [Framing::Rtu, Framing::Tcp] {
        drip(bytes, |bytes| modbus::arrival(framing, bytes));
        drip(bytes, |bytes| modbus::request_arrival(framing, bytes));
    }
}

/// As a line receives: it reads what is said to be missing, until a frame is whole or refused.
fn drip(bytes: &[u8], arrival: impl Fn(&[u8]) -> Result<Arrival, Refused>) {
    let mut came = 0;
    loop {
        match arrival(&bytes[..came]) {
            Ok(Arrival::Needs(more)) => {
                assert!(more > 0 && came + more <= MAX_FRAME, "{came} bytes, {more} more");
                came += more;
                if came > bytes.len() {
                    return;
                }
            }
            Ok(Arrival::Whole(whole)) => return assert!(whole <= came, "{whole} of {came}"),
            Err(_) => return,
        }
    }
}

/// Makes a frame's checksum and end hold, so that what lies behind them is reached.
fn mended(protocol: Protocol, mut frame: Vec<u8>) -> Vec<u8> {
    let len = frame.len();
    let sum = |bytes: &[u8]| bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    match protocol {
        Protocol::Dlt645 | Protocol::Cjt188 if len > 2 => {
            let sum = sum(&frame[..len - 2]);
            frame[len - 2..].copy_from_slice(&[sum, 0x16]);
        }
        Protocol::Mbus if (7..=261).contains(&len) => {
            let inner = (len - 6) as u8;
            frame[..4].copy_from_slice(&[0x68, inner, inner, 0x68]);
            let sum = sum(&frame[4..len - 2]);
            frame[len - 2..].copy_from_slice(&[sum, 0x16]);
        }
        Protocol::Modbus if len > 4 => {
            let crc = modbus::crc(&frame[..len - 2]);
            frame[len - 2..].copy_from_slice(&crc.to_le_bytes());
        }
        _ => {}
    }
    frame
}
