//! DL/T 645-2007: electricity meters, on RS-485 or behind a serial server.
//!
//! ```text
//! FE*  68  A0..A5  68  C  L  DATA  CS  16
//! ```
//!
//! Address and values are decimal digits, two a byte, lowest byte first. Each byte of DATA is sent plus 33 hex. C says who
//! speaks and what about; L counts DATA; CS is the sum of all bytes from the first 68 on. DATA of an answer is the identifier
//! of what was asked (four bytes) and its value.
//!
//! Only reading is built here, on purpose: a gateway that can write can stop a meter.

use super::{
    Arrival, Content, Direction, LocalTime, Protocol, Record, Refused, Telegram, address_of, date, decimal_digits,
    expect_byte, expect_decimal_address, expect_sum, sum, time_of_day, to_decimal_digits, whole_frame,
};
use crate::number::{Number, Unit};
use crate::reason::{Sentence, sentence};
use utilidor_types::Carrier;

/// Most preamble bytes that are taken before a frame; the standard sends four.
pub const MAX_PREAMBLE: usize = 8;
/// Most bytes of data in an answer.
pub const MAX_DATA: usize = 200;
/// Bytes of a frame besides its data.
const FRAME_BYTES: usize = 12;
/// Longest frame with its preamble.
pub const MAX_FRAME: usize = MAX_PREAMBLE + FRAME_BYTES + MAX_DATA;
/// Wakes the line.
const PREAMBLE: u8 = 0xfe;
const START: u8 = 0x68;
const END: u8 = 0x16;
/// What is added to each byte of data.
const OFFSET: u8 = 0x33;
/// Places of the second start byte, the control code and the length, counted from the first start byte.
const SECOND_START: usize = 7;
const CONTROL: usize = 8;
const LENGTH: usize = 9;

/// Control code: read data.
const READ: u8 = 0x11;
/// Control code: the answer to it.
const READ_ANSWER: u8 = 0x91;
/// Control code: the answer to it, more of which can be asked for.
const READ_ANSWER_MORE: u8 = 0xb1;
/// Control code: an error in place of it.
const READ_ERROR: u8 = 0xd1;
/// Control code: which address do you have?
const READ_ADDRESS: u8 = 0x13;
/// Control code: the answer to it.
const ADDRESS_ANSWER: u8 = 0x93;

/// Forward active energy over all tariffs, now: what can be certified.
pub const FORWARD_ACTIVE: Identifier = Identifier(0x0001_0000);
/// The meter's date and weekday.
pub const DATE: Identifier = Identifier(0x0400_0101);
/// The meter's time of day.
pub const TIME: Identifier = Identifier(0x0400_0102);
/// The meter's number, printed on it.
pub const METER_NUMBER: Identifier = Identifier(0x0400_0402);

/// A meter's address as it is printed: twelve digits, highest first. `AA` bytes stand for any meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Address(pub [u8; 6]);

impl Address {
    /// Any meter: answered where only one is on the line.
    pub const ANY: Self = Self([0xaa; 6]);
    /// All meters at once, and none answers.
    pub const ALL: Self = Self([0x99; 6]);
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of a DL/T 645 meter: write its twelve digits as they are printed on it")]
pub struct BadAddress(pub String);

impl std::str::FromStr for Address {
    type Err = BadAddress;
    fn from_str(text: &str) -> Result<Self, BadAddress> {
        address_of(text).map(Self).ok_or_else(|| BadAddress(text.into()))
    }
}

/// What can be asked: DI3 DI2 DI1 DI0 of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identifier(pub u32);

impl std::fmt::Display for Identifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08X}", self.0)
    }
}

/// What the one value of an identifier counts or measures; none for what is no number, and for what is left of prepaid energy.
pub fn unit_of(identifier: Identifier) -> Option<Unit> {
    if identifier.0 >> 16 == 0x0090 {
        return None;
    }
    // Values of two, three or four bytes: what fits says it.
    let fits = |bytes: usize| records(identifier, &vec![0; bytes]).ok();
    let record = (2..=4).find_map(fits)?.into_iter().next()?;
    match record.content {
        Content::Number { unit, .. } => Some(unit),
        _ => None,
    }
}

/// The request to read `identifier`, with the four preamble bytes of the standard.
pub fn read_request(address: Address, identifier: Identifier) -> Vec<u8> {
    frame(address, READ, &identifier.0.to_le_bytes())
}

/// The request for the address of the only meter on the line.
pub fn address_request() -> Vec<u8> {
    frame(Address::ANY, READ_ADDRESS, &[])
}

/// The answer with a value of `len` bytes in decimal digits.
pub fn read_answer(address: Address, identifier: Identifier, digits: u64, len: usize) -> Vec<u8> {
    let mut data = identifier.0.to_le_bytes().to_vec();
    data.extend(to_decimal_digits(digits, len));
    frame(address, READ_ANSWER, &data)
}

/// The answer that shows the meter's clock at a time of its zone; none to another question.
pub fn clock_answer(address: Address, identifier: Identifier, local: jiff::civil::DateTime) -> Option<Vec<u8>> {
    let two = |number: i8| u64::try_from(number).unwrap_or_default();
    let (digits, len) = match identifier {
        // Weekday, day, month, year; the lowest is sent first, Sunday is 0.
        DATE => {
            let year = u64::try_from(local.year().rem_euclid(100)).unwrap_or_default();
            let weekday = two(local.weekday().to_sunday_zero_offset());
            (((year * 100 + two(local.month())) * 100 + two(local.day())) * 100 + weekday, 4)
        }
        TIME => ((two(local.hour()) * 100 + two(local.minute())) * 100 + two(local.second()), 3),
        _ => return None,
    };
    Some(read_answer(address, identifier, digits, len))
}

/// The answer that the meter does not have what was asked.
pub fn no_data_answer(address: Address) -> Vec<u8> {
    frame(address, READ_ERROR, &[0x02])
}

/// The answer to [`address_request`].
pub fn address_answer(address: Address) -> Vec<u8> {
    let data: Vec<u8> = address.0.iter().rev().copied().collect();
    frame(address, ADDRESS_ANSWER, &data)
}

fn frame(address: Address, control: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![PREAMBLE; 4];
    bytes.push(START);
    bytes.extend(address.0.iter().rev());
    bytes.extend([START, control, data.len() as u8]);
    bytes.extend(data.iter().map(|byte| byte.wrapping_add(OFFSET)));
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
    if frame.len() > SECOND_START {
        expect_byte("second start", bytes, preamble + SECOND_START, START)?;
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
    /// The meter.
    pub address: Address,
    /// The control code.
    pub control: u8,
    /// The data, with the offset taken off.
    pub data: Vec<u8>,
}

impl Parsed {
    /// What is asked or answered.
    pub fn identifier(&self) -> Result<Identifier, Refused> {
        match self.data.first_chunk() {
            Some(bytes) => Ok(Identifier(u32::from_le_bytes(*bytes))),
            None => Err(Refused::WrongLength { what: "data".into(), bytes: self.data.len(), expected: 4 }),
        }
    }

    /// Whether it asks to read.
    pub const fn is_read_request(&self) -> bool {
        self.control == READ
    }

    /// Whether it asks for the address.
    pub const fn is_address_request(&self) -> bool {
        self.control == READ_ADDRESS
    }
}

/// Takes a frame apart. Order: length, start bytes, truncation, bytes that follow, end, checksum.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Refused> {
    let whole = whole_frame(bytes, MAX_FRAME, arrival)?;
    expect_byte("end", bytes, whole - 1, END)?;
    let preamble = bytes.iter().take_while(|byte| **byte == PREAMBLE).count();
    let frame = &bytes[preamble..];
    expect_sum(frame[frame.len() - 2], &frame[..frame.len() - 2])?;
    let mut address: [u8; 6] = frame[1..SECOND_START].try_into().expect("six bytes lie between the start bytes");
    address.reverse();
    let data = frame[LENGTH + 1..frame.len() - 2].iter().map(|byte| byte.wrapping_sub(OFFSET)).collect();
    Ok(Parsed { address: Address(address), control: frame[CONTROL], data })
}

/// What a frame says.
pub fn decode(bytes: &[u8]) -> Result<Telegram, Refused> {
    let parsed = parse(bytes)?;
    if matches!(parsed.control, READ_ANSWER | READ_ANSWER_MORE) {
        expect_decimal_address(&parsed.address.0)?;
    }
    let telegram = |direction, subject: Sentence, records| Telegram {
        protocol: Protocol::Dlt645,
        direction,
        address: parsed.address.to_string(),
        carrier: Some(Carrier::Electricity),
        subject,
        records,
    };
    match parsed.control {
        READ | READ_ANSWER | READ_ANSWER_MORE => {
            let identifier = parsed.identifier()?;
            let subject = sentence!("data {identifier}", "数据标识 {identifier}");
            if parsed.control == READ {
                return Ok(telegram(Direction::Request, subject, Vec::new()));
            }
            Ok(telegram(Direction::Reply, subject, records(identifier, &parsed.data[4..])?))
        }
        READ_ERROR => {
            let code = *parsed.data.first().filter(|_| parsed.data.len() == 1).ok_or_else(|| Refused::WrongLength {
                what: "error".into(),
                bytes: parsed.data.len(),
                expected: 1,
            })?;
            Err(Refused::DeviceError { code: code.into(), meaning: error_meaning(code) })
        }
        READ_ADDRESS => Ok(telegram(Direction::Request, sentence!("address", "地址"), Vec::new())),
        ADDRESS_ANSWER => {
            let bytes = parsed.data.len();
            let mut address: [u8; 6] = parsed.data.as_slice().try_into().map_err(|_| Refused::WrongLength {
                what: "address".into(),
                bytes,
                expected: 6,
            })?;
            address.reverse();
            expect_decimal_address(&address)?;
            let address = Record::new("address", Content::Text(Address(address).to_string()));
            Ok(telegram(Direction::Reply, sentence!("address", "地址"), vec![address]))
        }
        control => Err(Refused::Unknown { what: "control code", value: control.into() }),
    }
}

/// What `address` answers to the question for `identifier`. Order: the frame's own checks, who answers, errors of the meter, to
/// which question.
pub fn decode_answer(bytes: &[u8], address: Address, identifier: Identifier) -> Result<Telegram, Refused> {
    let parsed = parse(bytes)?;
    if address != Address::ANY && parsed.address != address {
        return Err(Refused::WrongAddress {
            expected: Sentence::alike(address.to_string()),
            found: Sentence::alike(parsed.address.to_string()),
        });
    }
    if !matches!(parsed.control, READ_ANSWER | READ_ANSWER_MORE | READ_ERROR) {
        return Err(Refused::Unknown { what: "control code of an answer", value: parsed.control.into() });
    }
    let telegram = decode(bytes)?;
    let found = parsed.identifier()?;
    if found != identifier {
        return Err(Refused::WrongSubject {
            expected: Sentence::alike(identifier.to_string()),
            found: Sentence::alike(found.to_string()),
        });
    }
    Ok(telegram)
}

fn error_meaning(code: u8) -> Sentence {
    // In Chinese in the words of the standard.
    let named: Vec<_> = (0..7u8)
        .filter(|bit| code >> bit & 1 == 1)
        .map(|bit| match bit {
            0 => sentence!("another error", "其他错误"),
            1 => sentence!("no such data", "无请求数据"),
            2 => sentence!("wrong password or no permission", "密码错或未授权"),
            3 => sentence!("baud rate cannot be changed", "通信速率不能更改"),
            4 => sentence!("too many time zones in the year", "年时区数超"),
            5 => sentence!("too many time slots in the day", "日时段数超"),
            _ => sentence!("too many tariffs", "费率数超"),
        })
        .collect();
    if named.is_empty() { sentence!("no reason is given", "没有说明原因") } else { Sentence::joined(&named) }
}

/// How a field is written.
struct Field {
    what: String,
    bytes: usize,
    decimals: u8,
    unit: Unit,
    /// The highest bit of the highest byte says that the number is negative.
    signed: bool,
    is_register: bool,
    tariff: u32,
    storage: u64,
}

impl Field {
    /// A number of now without a sign, over all tariffs.
    fn plain(what: &str, bytes: usize, decimals: u8, unit: Unit) -> Self {
        Self { what: what.into(), bytes, decimals, unit, signed: false, is_register: false, tariff: 0, storage: 0 }
    }
}

/// The fields of `value`, which answers for `identifier`.
fn records(identifier: Identifier, value: &[u8]) -> Result<Vec<Record>, Refused> {
    let [kind, item, part, storage] = identifier.0.to_be_bytes();
    match kind {
        0x00 if item == 0x90 => credit(identifier, value),
        0x00 => energy(identifier, item, part, storage, value),
        0x01 => demand(identifier, item, part, storage, value),
        0x02 => measured(identifier, value),
        0x04 => parameter(identifier, value),
        _ => Err(unknown(identifier)),
    }
}

const fn unknown(identifier: Identifier) -> Refused {
    Refused::Unknown { what: "data identifier", value: identifier.0 }
}

/// What is counted: by its number, and of which phase. The kinds of phase A begin at 15 hex, those of B at 29, those of C at 3D;
/// the combined active one does not exist for a phase.
const fn counted(item: u8) -> Option<(u8, &'static str)> {
    match item {
        0x00..=0x0a => Some((item, "")),
        0x15..=0x1e => Some((item - 0x14, "phase_a_")),
        0x29..=0x32 => Some((item - 0x28, "phase_b_")),
        0x3d..=0x46 => Some((item - 0x3c, "phase_c_")),
        _ => None,
    }
}

/// The kinds by their number, without what is measured of them.
const KINDS: [&str; 11] = [
    "combined_active",
    "forward_active",
    "reverse_active",
    "combined_reactive",
    "combined_reactive",
    "quadrant_1_reactive",
    "quadrant_2_reactive",
    "quadrant_3_reactive",
    "quadrant_4_reactive",
    "forward_apparent",
    "reverse_apparent",
];

/// The name of a kind's energy or demand: of the combined reactive ones there are two.
fn kind_name(phase: &str, kind: u8, measured: &str) -> String {
    let number = match kind {
        0x03 => "_1",
        0x04 => "_2",
        _ => "",
    };
    format!("{phase}{}_{measured}{number}", KINDS[usize::from(kind)])
}

/// Settlements that are kept.
const SETTLEMENTS: u8 = 12;
/// The part of an identifier that asks for the total and all tariffs.
const ALL_PARTS: u8 = 0xff;

/// Energy: a total and up to 63 tariffs, now and at the last twelve settlements.
fn energy(identifier: Identifier, item: u8, part: u8, storage: u8, value: &[u8]) -> Result<Vec<Record>, Refused> {
    const BYTES: usize = 4;
    let Some((kind, phase)) = counted(item).filter(|_| storage <= SETTLEMENTS) else {
        return Err(unknown(identifier));
    };
    let unit = match kind {
        0x00..=0x02 => Unit::KilowattHour,
        0x03..=0x08 => Unit::KilovarHour,
        _ => Unit::KilovoltAmpereHour,
    };
    let field = |tariff: u32| Field {
        what: kind_name(phase, kind, "energy"),
        bytes: BYTES,
        decimals: 2,
        unit,
        signed: matches!(kind, 0x00 | 0x03 | 0x04),
        is_register: identifier == FORWARD_ACTIVE || (part == ALL_PARTS && item == 0x01 && storage == 0 && tariff == 0),
        tariff,
        storage: storage.into(),
    };
    let fields: Vec<Field> = match part {
        0..=63 => vec![field(part.into())],
        ALL_PARTS => (0..value.len().div_ceil(BYTES).clamp(1, 64)).map(|tariff| field(tariff as u32)).collect(),
        _ => return Err(unknown(identifier)),
    };
    read_fields(&fields, value)
}

/// What is left of prepaid energy, or was taken beyond it.
fn credit(identifier: Identifier, value: &[u8]) -> Result<Vec<Record>, Refused> {
    let what = match identifier.0 {
        0x0090_0100 => "remaining_energy",
        0x0090_0101 => "overdrawn_energy",
        _ => return Err(unknown(identifier)),
    };
    read_fields(&[Field::plain(what, 4, 2, Unit::KilowattHour)], value)
}

/// The highest demand and when it was: of the total and of up to 63 tariffs, now and at the last twelve settlements.
fn demand(identifier: Identifier, item: u8, part: u8, storage: u8, value: &[u8]) -> Result<Vec<Record>, Refused> {
    const BYTES: usize = 3;
    const WHEN: usize = 5;
    let Some((kind, phase)) = counted(item).filter(|(kind, _)| *kind != 0 && storage <= SETTLEMENTS) else {
        return Err(unknown(identifier));
    };
    let parts = match part {
        0..=63 => 1,
        ALL_PARTS => value.len().div_ceil(BYTES + WHEN).clamp(1, 64),
        _ => return Err(unknown(identifier)),
    };
    let what = kind_name(phase, kind, "maximum_demand");
    if value.len() != parts * (BYTES + WHEN) {
        return Err(Refused::WrongLength { what, bytes: value.len(), expected: parts * (BYTES + WHEN) });
    }
    let unit = match kind {
        0x01 | 0x02 => Unit::Kilowatt,
        0x03..=0x08 => Unit::Kilovar,
        _ => Unit::KilovoltAmpere,
    };
    let first = if part == ALL_PARTS { 0 } else { part };
    let mut records = Vec::with_capacity(2 * parts);
    for (tariff, bytes) in (u32::from(first)..).zip(value.chunks(BYTES + WHEN)) {
        let (bytes, when) = bytes.split_at(BYTES);
        let field = Field { signed: matches!(kind, 0x03 | 0x04), tariff, ..Field::plain(&what, BYTES, 4, unit) };
        let record = |what: String, content| Record { tariff, storage: storage.into(), ..Record::new(what, content) };
        records.push(record(what.clone(), number(&field, bytes)?));
        records.push(record(format!("{what}_time"), minute(&what, when)?));
    }
    Ok(records)
}

/// Minute, hour, day, month, and the year without its century. A time that never was is 0 or FF throughout.
fn minute(what: &str, bytes: &[u8]) -> Result<Content, Refused> {
    let is_all = |all: u8| bytes.iter().all(|byte| *byte == all);
    if is_all(0) || is_all(0xff) {
        return Ok(Content::Absent);
    }
    let mut parts = [0; 5];
    for (part, byte) in parts.iter_mut().zip(bytes) {
        let digits = decimal_digits([byte]);
        *part = digits.map_err(|byte| Refused::NotDecimal { what: format!("{what}_time"), byte })? as u8;
    }
    let [minute, hour, day, month, year] = parts;
    let (date, time) = (date(2_000 + u16::from(year), month, day), time_of_day(hour, minute, 0));
    Ok(match (date, time) {
        (Some(_), Some(_)) => Content::Time(LocalTime { date, time }),
        _ => Content::Invalid(sentence!("no such date or time", "没有这样的日期或时间")),
    })
}

/// What the meter measures at this moment.
fn measured(identifier: Identifier, value: &[u8]) -> Result<Vec<Record>, Refused> {
    let [_, item, part, _] = identifier.0.to_be_bytes();
    let phases: &[&str] = &["phase_a_", "phase_b_", "phase_c_"];
    let with_total: &[&str] = &["total_", "phase_a_", "phase_b_", "phase_c_"];
    let (what, bytes, decimals, unit, signed, names, first) = match identifier.0 & 0xffff_00ff {
        0x0201_0000 => ("voltage", 2, 1, Unit::Volt, false, phases, 1),
        0x0202_0000 => ("current", 3, 3, Unit::Ampere, true, phases, 1),
        0x0203_0000 => ("active_power", 3, 4, Unit::Kilowatt, true, with_total, 0),
        0x0204_0000 => ("reactive_power", 3, 4, Unit::Kilovar, true, with_total, 0),
        0x0205_0000 => ("apparent_power", 3, 4, Unit::KilovoltAmpere, true, with_total, 0),
        0x0206_0000 => ("power_factor", 2, 3, Unit::One, true, with_total, 0),
        0x0207_0000 => ("phase_angle", 2, 1, Unit::Degree, false, phases, 1),
        0x0208_0000 => ("voltage_distortion", 2, 2, Unit::Percent, false, phases, 1),
        0x0209_0000 => ("current_distortion", 2, 2, Unit::Percent, false, phases, 1),
        _ if item == 0x80 && part == 0 => {
            let (what, bytes, decimals, unit, signed) = match identifier.0 & 0xff {
                0x01 => ("neutral_current", 3, 3, Unit::Ampere, true),
                0x02 => ("frequency", 2, 2, Unit::Hertz, false),
                0x03 => ("average_active_power", 3, 4, Unit::Kilowatt, true),
                0x04 => ("active_demand", 3, 4, Unit::Kilowatt, true),
                0x05 => ("reactive_demand", 3, 4, Unit::Kilovar, true),
                0x06 => ("apparent_demand", 3, 4, Unit::KilovoltAmpere, true),
                0x07 => ("temperature", 2, 1, Unit::Celsius, true),
                0x08 => ("clock_battery_voltage", 2, 2, Unit::Volt, false),
                0x09 => ("reading_battery_voltage", 2, 2, Unit::Volt, false),
                0x0a => ("battery_working_time", 4, 0, Unit::Minute, false),
                _ => return Err(unknown(identifier)),
            };
            let names: &[&str] = &[""];
            (what, bytes, decimals, unit, signed, names, 0)
        }
        _ => return Err(unknown(identifier)),
    };
    let field = |name: &str| Field { signed, ..Field::plain(&format!("{name}{what}"), bytes, decimals, unit) };
    let fields: Vec<Field> = match part {
        0xff => names.iter().map(|name| field(name)).collect(),
        part => {
            let place = usize::from(part).checked_sub(first).filter(|place| *place < names.len());
            vec![field(names[place.ok_or_else(|| unknown(identifier))?])]
        }
    };
    read_fields(&fields, value)
}

/// What the meter is.
fn parameter(identifier: Identifier, value: &[u8]) -> Result<Vec<Record>, Refused> {
    let need = |what: &str, expected: usize| {
        if value.len() == expected {
            return Ok(());
        }
        Err(Refused::WrongLength { what: what.into(), bytes: value.len(), expected })
    };
    let digits = |what: &str, place: usize| {
        decimal_digits([&value[place]])
            .map(|number| number as u8)
            .map_err(|byte| Refused::NotDecimal { what: what.into(), byte })
    };
    let time = |what: &str, time: LocalTime| {
        let is_one = time.date.is_some() || time.time.is_some();
        let content = if is_one {
            Content::Time(time)
        } else {
            Content::Invalid(sentence!("no such date or time", "没有这样的日期或时间"))
        };
        Ok(vec![Record::new(what, content)])
    };
    match identifier {
        DATE => {
            need("date", 4)?;
            // Weekday, day, month, year without its century.
            let [day, month, year] = [digits("date", 1)?, digits("date", 2)?, digits("date", 3)?];
            time("date", LocalTime { date: date(2_000 + u16::from(year), month, day), time: None })
        }
        TIME => {
            need("time", 3)?;
            let [second, minute, hour] = [digits("time", 0)?, digits("time", 1)?, digits("time", 2)?];
            time("time", LocalTime { date: None, time: time_of_day(hour, minute, second) })
        }
        Identifier(0x0400_0401) | METER_NUMBER => {
            let what = if identifier == METER_NUMBER { "meter_number" } else { "address" };
            need(what, 6)?;
            let reversed: Vec<u8> = value.iter().rev().copied().collect();
            Ok(vec![Record::new(what, Content::Text(hex::encode(reversed)))])
        }
        Identifier(0x0400_0306 | 0x0400_0307) => {
            let what =
                if identifier.0 == 0x0400_0306 { "current_transformer_ratio" } else { "voltage_transformer_ratio" };
            read_fields(&[Field::plain(what, 3, 0, Unit::One)], value)
        }
        _ => Err(unknown(identifier)),
    }
}

fn read_fields(fields: &[Field], value: &[u8]) -> Result<Vec<Record>, Refused> {
    let expected: usize = fields.iter().map(|field| field.bytes).sum();
    if value.len() != expected {
        return Err(Refused::WrongLength { what: fields[0].what.clone(), bytes: value.len(), expected });
    }
    let mut rest = value;
    let mut records = Vec::with_capacity(fields.len());
    for field in fields {
        let (bytes, after) = rest.split_at(field.bytes);
        rest = after;
        records.push(Record {
            what: field.what.clone(),
            content: number(field, bytes)?,
            is_register: field.is_register,
            tariff: field.tariff,
            storage: field.storage,
        });
    }
    Ok(records)
}

fn number(field: &Field, bytes: &[u8]) -> Result<Content, Refused> {
    // Fields that a meter does not keep are FF throughout.
    if bytes.iter().all(|byte| *byte == 0xff) {
        return Ok(Content::Absent);
    }
    let mut highest_first: Vec<u8> = bytes.iter().rev().copied().collect();
    let negative = field.signed && highest_first[0] & 0x80 != 0;
    if negative {
        highest_first[0] &= 0x7f;
    }
    let digits =
        decimal_digits(&highest_first).map_err(|byte| Refused::NotDecimal { what: field.what.clone(), byte })?;
    let digits = i64::try_from(digits).expect("a field has at most six bytes");
    let number = Number::decimal(if negative { -digits } else { digits }, field.decimals);
    Ok(Content::Number { number, unit: field.unit })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(frame: &[u8]) -> Record {
        let mut records = decode(frame).unwrap().records;
        assert_eq!(records.len(), 1, "{records:?}");
        records.remove(0)
    }

    fn answer(identifier: u32, value: &[u8]) -> Vec<u8> {
        let mut data = identifier.to_le_bytes().to_vec();
        data.extend(value);
        frame("161".parse().unwrap(), READ_ANSWER, &data)
    }

    #[test]
    fn an_answer_is_read_as_it_was_built() {
        let address: Address = "000000000161".parse().unwrap();
        let bytes = read_answer(address, FORWARD_ACTIVE, 12_345_678, 4);
        let telegram = decode_answer(&bytes, address, FORWARD_ACTIVE).unwrap();
        let register = telegram.register().unwrap();
        assert_eq!(register.content.to_string(), "123456.78 kWh");
        assert_eq!((register.what.as_str(), register.tariff, register.storage), ("forward_active_energy", 0, 0));
    }

    #[test]
    fn refuses_an_answer_of_another_meter_or_to_another_question() {
        let address: Address = "161".parse().unwrap();
        let bytes = read_answer(address, FORWARD_ACTIVE, 1, 4);
        let other = decode_answer(&bytes, "162".parse().unwrap(), FORWARD_ACTIVE);
        assert!(matches!(other, Err(Refused::WrongAddress { .. })), "{other:?}");
        let other = decode_answer(&bytes, address, Identifier(0x0002_0000));
        assert!(matches!(other, Err(Refused::WrongSubject { .. })), "{other:?}");
        let request = read_request(address, FORWARD_ACTIVE);
        assert!(matches!(decode_answer(&request, address, FORWARD_ACTIVE), Err(Refused::Unknown { .. })));
        let error = decode_answer(&no_data_answer(address), address, FORWARD_ACTIVE);
        assert_eq!(error, Err(Refused::DeviceError { code: 2, meaning: sentence!("no such data", "无请求数据") }));
    }

    #[test]
    fn blocks_of_tariffs_stored_values_and_signs_are_read() {
        let block = decode(&answer(0x0001_ff00, &[0x26, 0, 0, 0, 0x11, 0, 0, 0, 0x15, 0, 0, 0])).unwrap();
        assert_eq!(block.records.len(), 3);
        assert_eq!(block.register().unwrap().content.to_string(), "0.26 kWh");
        assert_eq!((block.records[2].tariff, block.records[2].content.to_string().as_str()), (2, "0.15 kWh"));

        let stored = only(&answer(0x0001_0003, &[1, 0, 0, 0]));
        assert_eq!((stored.storage, stored.is_register), (3, false));
        assert_eq!(only(&answer(0x0000_0000, &[0x26, 0, 0, 0x80])).content.to_string(), "-0.26 kWh");
        assert_eq!(only(&answer(0x0203_0000, &[0x34, 0x12, 0x80])).content.to_string(), "-0.1234 kW");
        assert_eq!(only(&answer(0x0206_0100, &[0x00, 0x10])).content.to_string(), "1.000");
        assert_eq!(only(&answer(0x0029_0000, &[1, 0, 0, 0])).what, "phase_b_forward_active_energy");
    }

    #[test]
    fn demands_prepaid_energy_and_what_is_measured_are_read_in_their_units() {
        // 12.3456 kW at 08:15 on 26 November 2026; then the total and one tariff at once.
        let demand = [0x56, 0x34, 0x12, 0x15, 0x08, 0x26, 0x11, 0x26];
        let telegram = decode(&answer(0x0101_0000, &demand)).unwrap();
        let shown: Vec<_> = telegram.records.iter().map(|it| format!("{}={}", it.what, it.content)).collect();
        assert_eq!(
            shown,
            ["forward_active_maximum_demand=12.3456 kW", "forward_active_maximum_demand_time=2026-11-26T08:15:00"]
        );
        assert_eq!(telegram.register(), None);
        let block = decode(&answer(0x0101_ff01, &[demand, demand].concat())).unwrap();
        assert_eq!((block.records[3].tariff, block.records[3].storage), (1, 1));
        let never = decode(&answer(0x0103_0000, &[0x56, 0x34, 0x92, 0, 0, 0, 0, 0])).unwrap();
        assert_eq!(never.records[0].content.to_string(), "-12.3456 kvar");
        assert_eq!(never.records[1].content, Content::Absent);
        assert!(matches!(decode(&answer(0x0101_0000, &demand[..7])), Err(Refused::WrongLength { .. })));
        assert!(matches!(decode(&answer(0x0101_0000, &[0xa0, 0, 0, 1, 1, 1, 1, 1])), Err(Refused::NotDecimal { .. })));

        for (identifier, value, says) in [
            (0x0090_0100, &[0x50, 0x34, 0x12, 0][..], "remaining_energy=1234.50 kWh"),
            (0x0207_0100, &[0x05, 0x12], "phase_a_phase_angle=120.5 °"),
            (0x0208_0200, &[0x05, 0x12], "phase_b_voltage_distortion=12.05 %"),
            (0x0280_0004, &[0x34, 0x12, 0x80], "active_demand=-0.1234 kW"),
            (0x0280_0007, &[0x05, 0x82], "temperature=-20.5 °C"),
            (0x0280_000a, &[1, 0, 0, 0], "battery_working_time=1 min"),
            (0x0400_0306, &[0x40, 0, 0], "current_transformer_ratio=40"),
        ] {
            let record = only(&answer(identifier, value));
            assert_eq!(format!("{}={}", record.what, record.content), says);
            assert!(!record.is_register);
        }
    }

    #[test]
    fn a_field_of_ff_is_absent_and_one_that_is_no_decimal_is_refused() {
        assert_eq!(only(&answer(0x0001_0000, &[0xff; 4])).content, Content::Absent);
        let refused = decode(&answer(0x0001_0000, &[0, 0, 0, 0x0e]));
        assert_eq!(refused, Err(Refused::NotDecimal { what: "forward_active_energy".into(), byte: 0x0e }));
        // Forward energy has no sign: its highest bit is a digit's.
        assert_eq!(only(&answer(0x0001_0000, &[0, 0, 0, 0x80])).content.to_string(), "800000.00 kWh");
    }

    #[test]
    fn the_meters_clock_and_number_are_read() {
        assert_eq!(only(&answer(0x0400_0101, &[0x04, 0x26, 0x11, 0x26])).content.to_string(), "2026-11-26");
        assert_eq!(only(&answer(0x0400_0102, &[0x59, 0x30, 0x23])).content.to_string(), "23:30:59");
        assert!(matches!(only(&answer(0x0400_0101, &[0, 0x30, 0x02, 0x26])).content, Content::Invalid(_)));
        let number = only(&answer(0x0400_0402, &[0x61, 1, 0, 0, 0, 0]));
        assert_eq!(number.content, Content::Text("000000000161".into()));
        assert_eq!(only(&address_answer("161".parse().unwrap())).content, Content::Text("000000000161".into()));
    }

    #[test]
    fn refuses_lengths_that_lie_and_identifiers_that_are_not_known() {
        assert!(matches!(decode(&answer(0x0001_0000, &[0; 5])), Err(Refused::WrongLength { .. })));
        assert!(matches!(decode(&answer(0x0001_ff00, &[0; 5])), Err(Refused::WrongLength { .. })));
        assert!(matches!(decode(&answer(0x0001_ff00, &[])), Err(Refused::WrongLength { .. })));
        for identifier in
            [0x0001_4000, 0x0001_000d, 0x000b_0000, 0x0201_0400, 0x0280_000b, 0x0100_0000, 0x0090_0200, 0x0999_0000]
        {
            assert!(matches!(decode(&answer(identifier, &[0; 4])), Err(Refused::Unknown { .. })), "{identifier:08x}");
        }
        let mut long = frame(Address([1; 6]), READ_ANSWER, &[0; 250]);
        assert!(matches!(decode(&long), Err(Refused::Oversize { .. })));
        long = [vec![PREAMBLE; 9], read_request(Address::ANY, FORWARD_ACTIVE)].concat();
        assert!(matches!(decode(&long), Err(Refused::Oversize { .. })));
        assert!(matches!(decode(&frame(Address::ANY, 0x1c, &[])), Err(Refused::Unknown { .. })));
    }

    #[test]
    fn addresses_are_what_is_printed_on_the_meter() {
        assert_eq!("161".parse::<Address>().unwrap().to_string(), "000000000161");
        for text in ["", "1234567890123", "12ab", "-1"] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_answer_says_in_decimal_digits_whose_it_is() {
        let read = |address: Address| decode(&read_answer(address, FORWARD_ACTIVE, 26, 4));
        assert!(read(Address([1; 6])).is_ok());
        for (address, byte) in [(Address::ANY, 0xaa), (Address([0, 0, 0, 0, 1, 0x6f]), 0x6f)] {
            assert_eq!(read(address), Err(Refused::NotDecimal { what: "address".into(), byte }));
        }
        assert!(decode(&address_answer(Address([1; 6]))).is_ok());
        assert!(decode(&address_answer(Address::ANY)).is_err());
        assert!(decode(&address_request()).is_ok());
    }
}
