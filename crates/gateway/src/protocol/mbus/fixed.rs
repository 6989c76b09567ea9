//! The fixed structure of answers (CI 73), which old meters use: who, two counters, and one byte for the unit of each.
//!
//! ```text
//! identification(4)  access  status  unit 1  unit 2  counter 1(4)  counter 2(4)
//! ```
//!
//! Bit 0 of the status says that the counters are binary, else they are decimal digits; bit 1 that they were stored at a date
//! and are not of now. The two highest bits of both units together are the medium.

use super::{binary, digits};
use crate::number::Unit;
use crate::protocol::{Content, Record, Refused};
use utilidor_types::Carrier;
use utilidor_types::carrier::BaseUnit;

/// Bytes of the structure.
const LENGTH: usize = 16;
/// The counters are binary numbers.
const IS_BINARY: u8 = 0x01;
/// The counters were stored at a date.
const IS_STORED: u8 = 0x02;
/// The second counter shows what the first one did at a date.
const SAME_BUT_STORED: u8 = 0x3e;

/// What an answer says.
pub(super) fn read(data: &[u8]) -> Result<(Option<Carrier>, Vec<Record>), Refused> {
    let [id0, id1, id2, id3, _access, status, first, second, counters @ ..] = data else {
        return Err(wrong_length(data));
    };
    let (Some(counter_1), Some(counter_2), LENGTH) = (counters.get(..4), counters.get(4..8), data.len()) else {
        return Err(wrong_length(data));
    };
    let medium = (second >> 6) << 2 | first >> 6;
    // Those of mode 2 send the highest byte first, in a telegram of another kind than this.
    if (0x0a..=0x0e).contains(&medium) {
        return Err(Refused::Unknown { what: "medium of the fixed structure", value: medium.into() });
    }
    let carrier = match medium {
        2 => Some(Carrier::Electricity),
        3 => Some(Carrier::Gas),
        4 => Some(Carrier::Heating),
        6 => Some(Carrier::HotWater),
        7 => Some(Carrier::Water),
        _ => None,
    };
    let mut records = vec![
        Record::new("identification", Content::Text(hex::encode([*id3, *id2, *id1, *id0]))),
        Record::new("medium", Content::Text(format!("{medium:02X}"))),
        Record::new("status", Content::Text(format!("{status:02X}"))),
    ];
    let (first, second) = (first & 0x3f, second & 0x3f);
    let is_stored = status & IS_STORED != 0;
    records.push(record(counter_1, *status, first, is_stored, carrier));
    let (unit, is_stored) = if second == SAME_BUT_STORED { (first, true) } else { (second, is_stored) };
    records.push(record(counter_2, *status, unit, is_stored, carrier));
    Ok((carrier, records))
}

fn wrong_length(data: &[u8]) -> Refused {
    Refused::WrongLength { what: "fixed structure".into(), bytes: data.len(), expected: LENGTH }
}

fn record(counter: &[u8], status: u8, unit: u8, is_stored: bool, carrier: Option<Carrier>) -> Record {
    let number = if status & IS_BINARY == 0 { digits(counter) } else { binary(counter) };
    let (what, unit, power) = meaning(unit);
    let content = match number {
        Err(reason) => Content::Invalid(reason),
        Ok(number) => match (unit, number.times_ten_to(power)) {
            (Some(unit), Some(number)) => Content::Number { number, unit },
            _ => Content::Text(hex::encode(counter)),
        },
    };
    let measures = match carrier.map(Carrier::base_unit) {
        Some(BaseUnit::Joule) => what == "energy",
        Some(BaseUnit::Millilitre) => what == "volume",
        None => false,
    };
    Record { is_register: measures && !is_stored, storage: is_stored.into(), ..Record::new(what, content) }
}

/// What a counter counts, in which unit, times which power of ten.
const fn meaning(unit: u8) -> (&'static str, Option<Unit>, i8) {
    let place = unit as i8;
    match unit {
        0x02..=0x0a => ("energy", Some(Unit::WattHour), place - 0x02),
        0x0b..=0x13 => ("energy", Some(Unit::Kilojoule), place - 0x0b),
        0x14..=0x1c => ("power", Some(Unit::Watt), place - 0x14),
        0x1d..=0x25 => ("power", Some(Unit::JoulePerHour), place - 0x1d + 3),
        0x26..=0x2e => ("volume", Some(Unit::Millilitre), place - 0x26),
        // Millilitres an hour.
        0x2f..=0x37 => ("flow", Some(Unit::LitrePerHour), place - 0x2f - 3),
        0x38 => ("temperature", Some(Unit::Celsius), -3),
        0x39 => ("heat_cost_units", Some(Unit::One), 0),
        0x3f => ("dimensionless", Some(Unit::One), 0),
        _ => ("counter", None, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{from_hex, mbus};

    fn shown(frame: &str) -> (Option<Carrier>, Vec<String>, Option<String>) {
        let telegram = mbus::decode(&from_hex(frame).unwrap()).unwrap();
        let register = telegram.register().map(|record| record.content.to_string());
        let counters = telegram.records[3..].iter().map(|record| format!("{}={}", record.what, record.content));
        (telegram.carrier, counters.collect(), register)
    }

    #[test]
    fn two_published_answers_show_their_counters() {
        // libmbus, test/test-frames: sen_pollusonic_2 and manual_frame2, whose second counter is the first one's of a date.
        let heat = shown("68131368080173939291901000056931650000690000003f16");
        assert_eq!(heat.0, Some(Carrier::Heating));
        assert_eq!(heat.1, ["energy=6531000 Wh", "volume=69000 mL"]);
        assert_eq!(heat.2.as_deref(), Some("6531000 Wh"));
        let water = shown("68131368080573785634120a00e97e01000000350100003c16");
        assert_eq!(water.0, Some(Carrier::Water));
        assert_eq!(water.1, ["volume=1000 mL", "volume=135000 mL"]);
        assert_eq!(water.2.as_deref(), Some("1000 mL"));
    }

    #[test]
    fn what_was_stored_at_a_date_is_no_register_and_binary_counters_are_read_as_such() {
        let data = |status| [1, 0, 0, 0, 9, status, 0x05, 0x69, 0x10, 0x01, 0, 0, 0, 0, 0, 0];
        let energy = |status| read(&data(status)).unwrap().1[3].clone();
        assert_eq!(energy(0).content.to_string(), "110000 Wh");
        assert_eq!(energy(IS_BINARY).content.to_string(), "272000 Wh");
        assert!(energy(0).is_register && !energy(IS_STORED).is_register);
        assert_eq!(energy(IS_STORED).storage, 1);
    }
}
