//! CJ/T 188-2004 and -2018: water, hot water, heat, cold and gas meters.
//!
//! ```text
//! FE*  68  T  A0..A6  C  L  DI0 DI1  SER  DATA  CS  16
//! ```
//!
//! T is the kind of meter, the address decimal digits with the lowest byte first, SER a number that the answer repeats. A value
//! is four bytes of decimal digits and a byte for its unit. The standard puts the unit behind; some heat meters put it before.
//! [`UnitPosition::Found`] takes the frame only if exactly one of the two can be read; a profile can say which it is.
//! The identifier's bytes stand as 90 1F or as 1F 90, by edition and maker.

use super::{
    Arrival, Content, Direction, LocalTime, Protocol, Record, Refused, Telegram, address_of, date, decimal_digits,
    expect_byte, expect_decimal_address, expect_sum, sum, time_of_day, to_decimal_digits, whole_frame,
};
use crate::number::{Number, Unit};
use crate::reason::{Sentence, sentence};
use utilidor_types::Carrier;

/// Most preamble bytes that are taken before a frame.
pub const MAX_PREAMBLE: usize = 8;
/// Most bytes of data: the longest layout known has 46.
pub const MAX_DATA: usize = 100;
/// Bytes of a frame besides its data.
const FRAME_BYTES: usize = 13;
/// Longest frame with its preamble.
pub const MAX_FRAME: usize = MAX_PREAMBLE + FRAME_BYTES + MAX_DATA;
const PREAMBLE: u8 = 0xfe;
const START: u8 = 0x68;
const END: u8 = 0x16;
/// Places in a frame, counted from the start byte.
const KIND: usize = 1;
const ADDRESS: usize = 2;
const CONTROL: usize = 9;
const LENGTH: usize = 10;
const DATA: usize = 11;
/// Bytes of identifier and serial number at the data's begin.
const DATA_HEAD: usize = 3;
/// Bytes of a value with its unit.
const VALUE: usize = 5;

/// Control code: read data.
const READ: u8 = 0x01;
/// Control code: the answer to it.
const READ_ANSWER: u8 = 0x81;
/// Control code: an error in place of it.
const READ_ERROR: u8 = 0xc1;
/// Control code: which address do you have?
const READ_ADDRESS: u8 = 0x03;
/// Control code: the answer to it.
const ADDRESS_ANSWER: u8 = 0x83;

/// What the meter shows now.
pub const NOW: u16 = 0x901f;
/// What it showed at the last settlement; up to 11 more follow for those before.
const FIRST_SETTLEMENT: u16 = 0xd120;
/// Settlements that are kept.
const SETTLEMENTS: u16 = 12;

/// A meter's address as it is printed: fourteen digits, highest first. `AA` bytes stand for any meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(pub [u8; 7]);

impl Address {
    /// Any meter: answered where only one is on the line.
    pub const ANY: Self = Self([0xaa; 7]);
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a CJ/T 188 meter: write its fourteen digits, maker's code first")]
pub struct BadAddress(pub String);

impl std::str::FromStr for Address {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        address_of(text).map(Self).ok_or_else(|| BadAddress(text.into()))
    }
}

/// Kinds of meters: the byte T.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(pub u8);

impl Kind {
    /// Any kind, in a request.
    pub const ANY: Self = Self(0xaa);

    /// The kind of a carrier's meters, for requests and simulated meters.
    pub const fn of(carrier: Carrier) -> Self {
        Self(match carrier {
            Carrier::Water => 0x10,
            Carrier::HotWater => 0x11,
            Carrier::Heating => 0x20,
            Carrier::Cooling => 0x21,
            Carrier::Gas => 0x30,
            Carrier::Electricity => 0x40,
        })
    }

    /// What such a meter measures.
    const fn carrier(self) -> Option<Carrier> {
        Some(match self.0 {
            // Cold, drinking and reclaimed water.
            0x10 | 0x12 | 0x13 => Carrier::Water,
            0x11 => Carrier::HotWater,
            0x20 => Carrier::Heating,
            0x21 => Carrier::Cooling,
            0x30 => Carrier::Gas,
            0x40 => Carrier::Electricity,
            _ => return None,
        })
    }

    const fn is_heat(self) -> bool {
        self.0 >> 4 == 2
    }
}

/// Where a value's unit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitPosition {
    /// Behind the value, as the standard says.
    After,
    /// Before the value.
    Before,
    /// Wherever the frame can be read; refused if it can be read both ways.
    Found,
}

/// The request to read what the meter shows now.
pub fn read_request(kind: Kind, address: Address, serial: u8) -> Vec<u8> {
    let [high, low] = NOW.to_be_bytes();
    frame(kind, address, READ, &[high, low, serial])
}

/// The request for the address of the only meter on the line.
pub fn address_request() -> Vec<u8> {
    let [high, low] = 0x810a_u16.to_be_bytes();
    frame(Kind::ANY, Address::ANY, READ_ADDRESS, &[high, low, 0])
}

/// The answer to [`address_request`].
pub fn address_answer(kind: Kind, address: Address, serial: u8) -> Vec<u8> {
    let [high, low] = 0x810a_u16.to_be_bytes();
    frame(kind, address, ADDRESS_ANSWER, &[high, low, serial])
}

/// The answer of a water, hot water or gas meter whose register shows `hundredths` of a cubic metre.
pub fn volume_answer(kind: Kind, address: Address, serial: u8, hundredths: u64) -> Vec<u8> {
    const CUBIC_METRE: u8 = 0x2c;
    let mut data = head(serial);
    for _ in 0..2 {
        data.extend(to_decimal_digits(hundredths, 4));
        data.push(CUBIC_METRE);
    }
    data.extend([0; 9]);
    frame(kind, address, READ_ANSWER, &data)
}

/// The answer of a heat or cold meter whose register shows `hundredths` of a kilowatt-hour.
pub fn heat_answer(kind: Kind, address: Address, serial: u8, hundredths: u64) -> Vec<u8> {
    const KILOWATT_HOUR: u8 = 0x05;
    const KILOWATT: u8 = 0x17;
    const CUBIC_METRE_PER_HOUR: u8 = 0x35;
    const CUBIC_METRE: u8 = 0x2c;
    let mut data = head(serial);
    for (number, unit) in [
        (hundredths, KILOWATT_HOUR),
        (hundredths, KILOWATT_HOUR),
        (0, KILOWATT),
        (0, CUBIC_METRE_PER_HOUR),
        (0, CUBIC_METRE),
    ] {
        data.extend(to_decimal_digits(number, 4));
        data.push(unit);
    }
    data.extend([0; 9 + 7 + 2]);
    frame(kind, address, READ_ANSWER, &data)
}

fn head(serial: u8) -> Vec<u8> {
    let [high, low] = NOW.to_be_bytes();
    vec![high, low, serial]
}

fn frame(kind: Kind, address: Address, control: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![PREAMBLE; 4];
    bytes.extend([START, kind.0]);
    bytes.extend(address.0.iter().rev());
    bytes.extend([control, data.len() as u8]);
    bytes.extend(data);
    bytes.push(sum(&bytes[4..]));
    bytes.push(END);
    bytes
}

/// How far a frame has arrived. Refuses what can become none.
pub fn arrival(bytes: &[u8]) -> Result<Arrival, Refused> {
    let preamble = bytes.iter().take_while(|byte| **byte == PREAMBLE).count();
    if preamble > MAX_PREAMBLE {
        return Err(Refused::Oversize { bytes: bytes.len(), most: MAX_FRAME });
    }
    let frame = &bytes[preamble..];
    if !frame.is_empty() {
        expect_byte("start", bytes, preamble, START)?;
    }
    let Some(length) = frame.get(LENGTH) else { return Ok(Arrival::Needs(FRAME_BYTES.saturating_sub(frame.len()))) };
    let length = usize::from(*length);
    if length > MAX_DATA {
        return Err(Refused::Oversize { bytes: preamble + FRAME_BYTES + length, most: MAX_FRAME });
    }
    let whole = FRAME_BYTES + length;
    Ok(if frame.len() < whole { Arrival::Needs(whole - frame.len()) } else { Arrival::Whole(preamble + whole) })
}

/// What stands in a frame, its checksum checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The kind of meter.
    pub kind: Kind,
    /// The meter.
    pub address: Address,
    /// The control code.
    pub control: u8,
    /// Identifier, serial number and what follows.
    pub data: Vec<u8>,
}

impl Parsed {
    /// Whether it asks to read.
    pub const fn is_read_request(&self) -> bool {
        self.control == READ
    }

    /// Whether it asks for the address.
    pub const fn is_address_request(&self) -> bool {
        self.control == READ_ADDRESS
    }

    /// The number that the answer repeats.
    pub fn serial(&self) -> Option<u8> {
        self.data.get(DATA_HEAD - 1).copied()
    }
}

/// Takes a frame apart. Order: length, start byte, truncation, bytes that follow, end, checksum.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Refused> {
    let whole = whole_frame(bytes, MAX_FRAME, arrival)?;
    expect_byte("end", bytes, whole - 1, END)?;
    let preamble = bytes.iter().take_while(|byte| **byte == PREAMBLE).count();
    let frame = &bytes[preamble..];
    expect_sum(frame[frame.len() - 2], &frame[..frame.len() - 2])?;
    let mut address: [u8; 7] = frame[ADDRESS..CONTROL].try_into().expect("seven bytes lie before the control code");
    address.reverse();
    Ok(Parsed {
        kind: Kind(frame[KIND]),
        address: Address(address),
        control: frame[CONTROL],
        data: frame[DATA..frame.len() - 2].to_vec(),
    })
}

/// What a frame says.
pub fn decode(bytes: &[u8], position: UnitPosition) -> Result<Telegram, Refused> {
    let parsed = parse(bytes)?;
    if matches!(parsed.control, READ_ANSWER | ADDRESS_ANSWER) {
        expect_decimal_address(&parsed.address.0)?;
    }
    let telegram = |direction, subject: Sentence, records| Telegram {
        protocol: Protocol::Cjt188,
        direction,
        address: parsed.address.to_string(),
        carrier: parsed.kind.carrier(),
        subject,
        records,
    };
    match parsed.control {
        READ => Ok(telegram(Direction::Request, subject(identifier(&parsed.data)?), Vec::new())),
        READ_ANSWER => {
            let identifier = identifier(&parsed.data)?;
            let records = records(parsed.kind, identifier, &parsed.data[DATA_HEAD..], position)?;
            Ok(telegram(Direction::Reply, subject(identifier), records))
        }
        READ_ERROR => {
            // The serial number and two bytes of status.
            let [_, low, high] = parsed.data[..] else {
                let bytes = parsed.data.len();
                return Err(Refused::WrongLength { what: "error".into(), bytes, expected: 3 });
            };
            let code = u16::from_le_bytes([low, high]);
            Err(Refused::DeviceError { code, meaning: sentence!("the meter reports a fault", "表计报告故障") })
        }
        READ_ADDRESS => Ok(telegram(Direction::Request, sentence!("address", "地址"), Vec::new())),
        ADDRESS_ANSWER => {
            let address = Record::new("address", Content::Text(parsed.address.to_string()));
            Ok(telegram(Direction::Reply, sentence!("address", "地址"), vec![address]))
        }
        control => Err(Refused::Unknown { what: "control code", value: control.into() }),
    }
}

/// What `address` answers to the question `serial` for what it shows now. Order: the frame's own checks, who answers, errors of
/// the meter, to which question.
pub fn decode_answer(bytes: &[u8], address: Address, serial: u8, position: UnitPosition) -> Result<Telegram, Refused> {
    let parsed = parse(bytes)?;
    if address != Address::ANY && parsed.address != address {
        return Err(Refused::WrongAddress {
            expected: Sentence::alike(address.to_string()),
            found: Sentence::alike(parsed.address.to_string()),
        });
    }
    if !matches!(parsed.control, READ_ANSWER | READ_ERROR) {
        return Err(Refused::Unknown { what: "control code of an answer", value: parsed.control.into() });
    }
    let telegram = decode(bytes, position)?;
    let found = (identifier(&parsed.data)?, parsed.serial().unwrap_or_default());
    if found != (NOW, serial) {
        let name = |(identifier, serial): (u16, u8)| {
            sentence!("data {identifier:04X} number {serial}", "数据标识 {identifier:04X}，序号 {serial}")
        };
        return Err(Refused::WrongSubject { expected: name((NOW, serial)), found: name(found) });
    }
    Ok(telegram)
}

fn subject(identifier: u16) -> Sentence {
    sentence!("data {identifier:04X}", "数据标识 {identifier:04X}")
}

/// The identifier, whichever of its bytes stands first.
fn identifier(data: &[u8]) -> Result<u16, Refused> {
    let [first, second, _, ..] = data[..] else {
        return Err(Refused::WrongLength { what: "data".into(), bytes: data.len(), expected: DATA_HEAD });
    };
    let settlements = FIRST_SETTLEMENT..FIRST_SETTLEMENT + SETTLEMENTS;
    let is_known = |identifier: &u16| *identifier == NOW || settlements.contains(identifier);
    let (forward, backward) = (u16::from_be_bytes([first, second]), u16::from_le_bytes([first, second]));
    [forward, backward]
        .into_iter()
        .find(is_known)
        .ok_or(Refused::Unknown { what: "data identifier", value: forward.into() })
}

/// What a value is of: which units it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measure {
    Energy,
    Power,
    Flow,
    Volume,
}

/// A value in a layout.
struct Field {
    what: &'static str,
    measure: Measure,
    is_register: bool,
    storage: u64,
}

impl Field {
    const fn now(what: &'static str, measure: Measure) -> Self {
        Self { what, measure, is_register: false, storage: 0 }
    }
}

fn records(kind: Kind, identifier: u16, data: &[u8], position: UnitPosition) -> Result<Vec<Record>, Refused> {
    let register = if kind.is_heat() || kind.carrier() == Some(Carrier::Electricity) {
        Field { is_register: true, ..Field::now("energy", Measure::Energy) }
    } else {
        Field { is_register: true, ..Field::now("volume", Measure::Volume) }
    };
    if kind.carrier().is_none() {
        return Err(Refused::Unknown { what: "kind of meter", value: kind.0.into() });
    }
    if identifier != NOW {
        let settlements = u64::from(identifier - FIRST_SETTLEMENT) + 1;
        return values(&[Field { is_register: false, storage: settlements, ..register }], data, 0, position);
    }
    let stored = Field { is_register: false, storage: 1, ..Field { ..register } };
    if !kind.is_heat() {
        let tail = 7 + 2;
        let mut records = values(&[register, stored], data, tail, position)?;
        records.extend([clock(&data[data.len() - tail..data.len() - 2])?, status(&data[data.len() - 2..])]);
        return Ok(records);
    }

    // Heat meters give the settlement's value first.
    let tail = 3 + 3 + 3 + 7 + 2;
    let fields = [
        stored,
        register,
        Field::now("power", Measure::Power),
        Field::now("flow", Measure::Flow),
        Field::now("volume", Measure::Volume),
    ];
    let mut records = values(&fields, data, tail, position)?;
    let rest = &data[data.len() - tail..];
    for (what, bytes) in [("supply_temperature", &rest[..3]), ("return_temperature", &rest[3..6])] {
        records.push(Record::new(what, plain(what, bytes, 2, Unit::Celsius)?));
    }
    records.push(Record::new("operating_time", plain("operating_time", &rest[6..9], 0, Unit::Hour)?));
    records.extend([clock(&rest[9..16])?, status(&rest[16..])]);
    Ok(records)
}

/// Values with their units, and `tail` further bytes.
fn values(fields: &[Field], data: &[u8], tail: usize, position: UnitPosition) -> Result<Vec<Record>, Refused> {
    let expected = fields.len() * VALUE + tail;
    if data.len() != expected {
        return Err(Refused::WrongLength {
            what: "data".into(),
            bytes: data.len() + DATA_HEAD,
            expected: expected + DATA_HEAD,
        });
    }
    let read = |unit_first: bool| -> Result<Vec<Record>, Refused> {
        fields.iter().zip(data.chunks(VALUE)).map(|(field, bytes)| value(field, bytes, unit_first)).collect()
    };
    match position {
        UnitPosition::After => read(false),
        UnitPosition::Before => read(true),
        UnitPosition::Found => match (read(false), read(true)) {
            (Ok(after), Ok(before)) if after == before => Ok(after),
            (Ok(_), Ok(_)) => Err(Refused::AmbiguousUnits),
            (Err(_), Ok(before)) => Ok(before),
            // What does not follow the standard's order or the other is refused in the standard's words.
            (after, Err(_)) => after,
        },
    }
}

fn value(field: &Field, bytes: &[u8], unit_first: bool) -> Result<Record, Refused> {
    let record = |content| Record {
        what: field.what.into(),
        content,
        is_register: field.is_register,
        tariff: 0,
        storage: field.storage,
    };
    // A field that is not kept may be FF with its unit.
    if bytes.iter().all(|byte| *byte == 0xff) {
        return Ok(record(Content::Absent));
    }
    let (code, digits) = if unit_first { (bytes[0], &bytes[1..]) } else { (bytes[VALUE - 1], &bytes[..VALUE - 1]) };
    let (measure, unit, power) = unit(code).ok_or_else(|| Refused::WrongUnitCode { what: field.what.into(), code })?;
    if measure != field.measure {
        return Err(Refused::WrongUnitCode { what: field.what.into(), code });
    }
    let content = match plain(field.what, digits, 2, unit)? {
        Content::Number { number, unit } => {
            Content::Number { number: number.times_ten_to(power).expect("ten digits times 100 fit"), unit }
        }
        other => other,
    };
    Ok(record(content))
}

/// Units by their code: what they measure, the unit, and the power of ten that it is multiplied with.
const fn unit(code: u8) -> Option<(Measure, Unit, i8)> {
    Some(match code {
        0x01 => (Measure::Energy, Unit::Joule, 0),
        0x02 => (Measure::Energy, Unit::WattHour, 0),
        0x05 => (Measure::Energy, Unit::KilowattHour, 0),
        0x08 => (Measure::Energy, Unit::MegawattHour, 0),
        0x0a => (Measure::Energy, Unit::MegawattHour, 2),
        0x0b => (Measure::Energy, Unit::Kilojoule, 0),
        0x0e => (Measure::Energy, Unit::Megajoule, 0),
        0x11 => (Measure::Energy, Unit::Gigajoule, 0),
        0x13 => (Measure::Energy, Unit::Gigajoule, 2),
        0x14 => (Measure::Power, Unit::Watt, 0),
        0x17 => (Measure::Power, Unit::Kilowatt, 0),
        0x1a => (Measure::Power, Unit::Megawatt, 0),
        0x29 => (Measure::Volume, Unit::Litre, 0),
        0x2c => (Measure::Volume, Unit::CubicMetre, 0),
        0x32 => (Measure::Flow, Unit::LitrePerHour, 0),
        0x35 => (Measure::Flow, Unit::CubicMetrePerHour, 0),
        _ => return None,
    })
}

/// A number in decimal digits, lowest byte first; absent where all bytes are FF.
fn plain(what: &str, bytes: &[u8], decimals: u8, unit: Unit) -> Result<Content, Refused> {
    if bytes.iter().all(|byte| *byte == 0xff) {
        return Ok(Content::Absent);
    }
    let digits = decimal_digits(bytes.iter().rev()).map_err(|byte| Refused::NotDecimal { what: what.into(), byte })?;
    let digits = i64::try_from(digits).expect("a field has at most four bytes");
    Ok(Content::Number { number: Number::decimal(digits, decimals), unit })
}

/// The meter's clock: second, minute, hour, day, month, year in two bytes. A clock that was never set is 0 or FF throughout.
fn clock(bytes: &[u8]) -> Result<Record, Refused> {
    if bytes.iter().all(|byte| *byte == 0xff) || bytes.iter().all(|byte| *byte == 0) {
        return Ok(Record::new("clock", Content::Absent));
    }
    let part = |place: usize| {
        decimal_digits([&bytes[place]])
            .map(|number| number as u8)
            .map_err(|byte| Refused::NotDecimal { what: "clock".into(), byte })
    };
    let year = u16::from(part(6)?) * 100 + u16::from(part(5)?);
    let (day, time) = (date(year, part(4)?, part(3)?), time_of_day(part(2)?, part(1)?, part(0)?));
    let content = match (day, time) {
        (Some(_), Some(_)) => Content::Time(LocalTime { date: day, time }),
        _ => Content::Invalid(sentence!("no such date or time", "没有这样的日期或时间")),
    };
    Ok(Record::new("clock", content))
}

/// The status: two bits for the valve, one for the battery; the rest is each maker's own.
fn status(bytes: &[u8]) -> Record {
    let valve = match bytes[0] & 3 {
        0 => sentence!("valve open", "阀门开"),
        1 => sentence!("valve closed", "阀门关"),
        2 => sentence!("valve state unknown", "阀门状态不明"),
        _ => sentence!("valve faulty", "阀门故障"),
    };
    let battery = (bytes[0] & 4 != 0).then(|| sentence!("battery low", "电池欠压"));
    let told = Sentence::joined(&[Some(valve), battery].into_iter().flatten().collect::<Vec<_>>());
    let bytes = hex::encode(bytes);
    Record::new("status", Content::Told(sentence!("{bytes} ({told})", "{bytes}（{told}）")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heat(fields: [[u8; 5]; 5]) -> Vec<u8> {
        let mut data = head(1);
        data.extend(fields.concat());
        data.extend([0; 18]);
        frame(Kind::of(Carrier::Heating), Address([1; 7]), READ_ANSWER, &data)
    }

    #[test]
    fn answers_are_read_as_they_were_built() {
        let address: Address = "33001122334455".parse().unwrap();
        for carrier in [Carrier::Water, Carrier::HotWater, Carrier::Gas] {
            let bytes = volume_answer(Kind::of(carrier), address, 7, 12_345_678);
            let telegram = decode_answer(&bytes, address, 7, UnitPosition::Found).unwrap();
            assert_eq!(telegram.register().unwrap().content.to_string(), "123456.78 m3");
            assert_eq!((telegram.carrier, telegram.address.as_str()), (Some(carrier), "33001122334455"));
        }
        for carrier in [Carrier::Heating, Carrier::Cooling] {
            let bytes = heat_answer(Kind::of(carrier), address, 9, 101);
            let telegram = decode_answer(&bytes, address, 9, UnitPosition::After).unwrap();
            assert_eq!(telegram.register().unwrap().content.to_string(), "1.01 kWh");
            assert_eq!(telegram.carrier, Some(carrier));
        }
    }

    #[test]
    fn refuses_an_answer_of_another_meter_or_to_another_question() {
        let address: Address = "33001122334455".parse().unwrap();
        let bytes = volume_answer(Kind::of(Carrier::Water), address, 7, 1);
        let other = decode_answer(&bytes, "1".parse().unwrap(), 7, UnitPosition::Found);
        assert!(matches!(other, Err(Refused::WrongAddress { .. })), "{other:?}");
        // A late answer to the question before.
        let other = decode_answer(&bytes, address, 8, UnitPosition::Found);
        assert!(matches!(other, Err(Refused::WrongSubject { .. })), "{other:?}");
        let request = read_request(Kind::ANY, address, 7);
        assert!(matches!(decode_answer(&request, address, 7, UnitPosition::Found), Err(Refused::Unknown { .. })));
        let error = decode(&frame(Kind::ANY, address, READ_ERROR, &[7, 4, 0]), UnitPosition::Found);
        assert!(matches!(error, Err(Refused::DeviceError { code: 4, .. })));
    }

    #[test]
    fn a_frame_that_reads_both_ways_needs_a_profile_to_say_which() {
        // 29 is litres and two decimal digits.
        let mut data = head(1);
        data.extend([0x29, 1, 0, 0, 0x29, 0x29, 1, 0, 0, 0x29]);
        data.extend([0; 9]);
        let bytes = frame(Kind::of(Carrier::Water), Address([1; 7]), READ_ANSWER, &data);
        assert_eq!(decode(&bytes, UnitPosition::Found), Err(Refused::AmbiguousUnits));
        let register = |position| decode(&bytes, position).unwrap().register().unwrap().content.to_string();
        assert_eq!(register(UnitPosition::After), "1.29 L");
        assert_eq!(register(UnitPosition::Before), "290000.01 L");
    }

    #[test]
    fn a_unit_must_measure_what_its_field_is_of() {
        let good = [[1, 0, 0, 0, 0x05], [1, 0, 0, 0, 0x05], [0, 0, 0, 0, 0x17], [0, 0, 0, 0, 0x35], [0, 0, 0, 0, 0x2c]];
        assert!(decode(&heat(good), UnitPosition::Found).is_ok());
        for place in 0..5 {
            let mut bad = good;
            bad[place][4] = if place == 4 { 0x05 } else { 0x2c };
            let refused = decode(&heat(bad), UnitPosition::Found);
            assert!(matches!(refused, Err(Refused::WrongUnitCode { .. })), "{place}: {refused:?}");
        }
        let mut scaled = good;
        scaled[1] = [0x02, 0, 0, 0, 0x0a];
        let telegram = decode(&heat(scaled), UnitPosition::Found).unwrap();
        assert_eq!(telegram.register().unwrap().content.to_string(), "2 MWh");
    }

    #[test]
    fn a_field_that_is_not_kept_is_absent_with_or_without_its_unit() {
        let read = |settlement: [u8; 5]| {
            let mut data = head(1);
            data.extend([0x56, 0x34, 0x12, 0, 0x2c]);
            data.extend(settlement);
            data.extend([0; 9]);
            let frame = frame(Kind::of(Carrier::Water), Address([1; 7]), READ_ANSWER, &data);
            decode(&frame, UnitPosition::Found).unwrap()
        };
        for settlement in [[0xff, 0xff, 0xff, 0xff, 0x2c], [0xff; 5]] {
            let telegram = read(settlement);
            assert_eq!(telegram.register().unwrap().content.to_string(), "1234.56 m3");
            assert_eq!(telegram.records[1].content, Content::Absent);
        }
    }

    #[test]
    fn settlements_before_are_told_apart_from_now() {
        let data = [0x20, 0xd1, 0, 0x50, 0, 0, 0, 0x2c];
        let telegram =
            decode(&frame(Kind::of(Carrier::Gas), Address([1; 7]), READ_ANSWER, &data), UnitPosition::Found).unwrap();
        assert_eq!((telegram.records[0].storage, telegram.register()), (1, None));
        assert_eq!(telegram.records[0].content.to_string(), "0.50 m3");
    }

    #[test]
    fn refuses_kinds_layouts_and_identifiers_that_are_not_known() {
        let read =
            |kind: u8, data: &[u8]| decode(&frame(Kind(kind), Address([1; 7]), READ_ANSWER, data), UnitPosition::Found);
        assert!(matches!(read(0x50, &[0x90, 0x1f, 0, 0]), Err(Refused::Unknown { .. })));
        assert!(matches!(read(0x10, &[0x90, 0x1e, 0]), Err(Refused::Unknown { .. })));
        assert!(matches!(read(0x10, &[0x90, 0x1f]), Err(Refused::WrongLength { .. })));
        assert!(matches!(read(0x10, &[0x90, 0x1f, 0, 1, 2]), Err(Refused::WrongLength { .. })));
        assert!(matches!(read(0x10, &[0; 200]), Err(Refused::Oversize { .. })));
        assert!(matches!(
            decode(&frame(Kind(0x10), Address::ANY, 0x84, &[]), UnitPosition::Found),
            Err(Refused::Unknown { .. })
        ));
    }

    #[test]
    fn an_answer_says_in_decimal_digits_whose_it_is() {
        let read =
            |address: Address| decode(&volume_answer(Kind::of(Carrier::Water), address, 1, 1), UnitPosition::Found);
        assert!(read(Address([0x99; 7])).is_ok());
        for (address, byte) in [(Address::ANY, 0xaa), (Address([0x33, 0, 0, 0, 0, 0, 0x1f]), 0x1f)] {
            assert_eq!(read(address), Err(Refused::NotDecimal { what: "address".into(), byte }));
        }
        assert!(decode(&address_request(), UnitPosition::Found).is_ok());
    }
}
