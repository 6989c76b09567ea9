//! Wired M-Bus: EN 13757-2 (frames) and EN 13757-3 (records).
//!
//! ```text
//! E5                                        acknowledged
//! 10  C  A  CS  16                          short frame: requests
//! 68  L  L  68  C  A  CI  DATA  CS  16      long frame: answers, and the selection of a device by its number
//! ```
//!
//! DATA of an answer is a head of 12 bytes (who answers) and records: each has DIF and its extensions (how the value is
//! written, since when, for which tariff), VIF and its extensions (what it is, in which unit), and the value. Old meters answer in
//! the fixed structure instead (CI 73): who, and two counters.
//!
//! A device is addressed by the number that is set in it (*primary*), or by what is printed on it (*secondary*): then it is
//! selected first, and answers at [`SELECTED`] until another one is.
//!
//! Every record whose unit or qualifier this file does not know is shown as bytes: it never becomes a register. Answers
//! with the highest byte first (CI 76) or encrypted are refused. Values that do not fit whole
//! numbers of 64 bits do not exist in the protocol, so that nothing here is rounded.
//!
//! | file | answers |
//! |---|---|
//! | `address` | which device is meant |
//! | `fixed` | what the fixed structure says |
//! | `status` | what the device reports of itself |
//! | `value` | what a record's value is, and in which unit |
//! | `time` | dates and times |

mod address;
mod fixed;
mod status;
mod time;
mod value;

pub use address::{DIGITS, Secondary};
pub(super) use status::check as check_status;
pub use status::warning;

use super::{
    Arrival, Content, Direction, LocalTime, Protocol, Record, Refused, Telegram, date, decimal_digits, expect_byte,
    expect_sum, sum, time_of_day, whole_frame,
};
use crate::number::{Number, Unit};
use crate::reason::{Sentence, sentence};
use serde::Deserialize;
use utilidor_types::Carrier;
use utilidor_types::carrier::BaseUnit;
use value::{Value, ValueKind, value_of};

/// Longest frame: a length byte counts to 255.
pub const MAX_FRAME: usize = 255 + 6;
/// Most extension bytes of a DIF or a VIF.
pub const MAX_EXTENSIONS: usize = 10;
const ACKNOWLEDGED: u8 = 0xe5;
/// Control information of a selection.
const SELECT: u8 = 0x52;
const SHORT_START: u8 = 0x10;
const LONG_START: u8 = 0x68;
const END: u8 = 0x16;
const SHORT_BYTES: usize = 5;
/// Bytes of a long frame that its length does not count.
const LONG_EXTRA: usize = 6;
/// Bytes of control, address and CI.
const LONG_HEAD: usize = 3;
/// Bytes of the head of an answer in the variable structure.
const VARIABLE_HEAD: usize = 12;
/// Modes of encryption in the last two bytes of the head. Old devices leave there what they like: other modes than these are theirs.
const ENCRYPTED: [u8; 9] = [2, 3, 4, 5, 7, 8, 9, 10, 13];
/// More extension follows.
const EXTENSION: u8 = 0x80;
/// Any device; answered where only one is on the line.
pub const ANY: u8 = 254;
/// The device that was selected.
pub const SELECTED: u8 = 253;
/// Most telegrams that the values of one device are spread over.
pub const MAX_TELEGRAMS: usize = 16;
/// The name of what follows in the next telegram.
const MORE: &str = "more_records_follow";

/// Which record of a device is the register, where it shows several: both directions, heat and cold, tariffs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selector {
    /// Its name, as `gateway decode` shows it.
    pub record: String,
    /// Its tariff; 0 is all of them.
    #[serde(default)]
    pub tariff: u32,
    /// How many settlements ago it was stored; 0 is now.
    #[serde(default)]
    pub storage: u64,
}

impl Selector {
    /// Makes the records that are meant, and no others, the telegram's registers.
    pub fn apply(&self, telegram: &mut Telegram) {
        for record in &mut telegram.records {
            record.is_register =
                record.what == self.record && record.tariff == self.tariff && record.storage == self.storage;
        }
    }
}

/// The subject of an answer with values.
pub fn values() -> Sentence {
    sentence!("values", "数值")
}

/// Whether the device has more to say in its next telegram.
pub fn is_continued(telegram: &Telegram) -> bool {
    telegram.records.iter().any(|record| record.what == MORE)
}

/// The request for a device's values; `toggle` changes with each request that was answered.
pub fn read_request(primary: u8, toggle: bool) -> Vec<u8> {
    let control = if toggle { 0x7b } else { 0x5b };
    vec![SHORT_START, control, primary, control.wrapping_add(primary), END]
}

/// The request to begin anew.
pub fn reset_request(primary: u8) -> Vec<u8> {
    vec![SHORT_START, 0x40, primary, 0x40u8.wrapping_add(primary), END]
}

/// Selects the device that is meant; it acknowledges, and no other one does.
pub fn select_request(device: Secondary) -> Vec<u8> {
    let data = [&[0x53, SELECTED, SELECT], device.to_bytes().as_slice()].concat();
    long_frame(&data)
}

/// A long frame around control, address, control information and data.
fn long_frame(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u8;
    let mut frame = vec![LONG_START, length, length, LONG_START];
    frame.extend(data);
    frame.extend([sum(data), END]);
    frame
}

/// The device that a request selects.
pub fn selection(parsed: &Parsed<'_>) -> Option<Secondary> {
    match *parsed {
        Parsed::Long { control: 0x53 | 0x73, primary: SELECTED, information: SELECT, data } => {
            Secondary::of_bytes(data)
        }
        _ => None,
    }
}

/// An acknowledgement.
pub fn acknowledgement() -> Vec<u8> {
    vec![ACKNOWLEDGED]
}

/// The answer of a meter whose register shows `value`: Wh for energy, thousandths of a cubic metre for volume.
pub fn answer(primary: u8, identification: u32, carrier: Carrier, value: u32) -> Vec<u8> {
    answer_of(primary, Secondary::numbered(identification.into()), carrier, value)
}

/// The same of a device that may be of a certain maker, version and medium.
pub fn answer_of(primary: u8, device: Secondary, carrier: Carrier, value: u32) -> Vec<u8> {
    let medium = match carrier {
        Carrier::Electricity => 0x02,
        Carrier::Gas => 0x03,
        Carrier::Heating => 0x04,
        Carrier::HotWater => 0x06,
        Carrier::Water => 0x07,
        Carrier::Cooling => 0x0a,
    };
    let vif = match carrier {
        Carrier::Electricity | Carrier::Heating | Carrier::Cooling => 0x03,
        Carrier::HotWater | Carrier::Gas | Carrier::Water => 0x13,
    };
    let mut data = vec![0x08, primary, 0x72];
    data.extend(super::to_decimal_digits(device.number().into(), 4));
    // Maker "UTI", version 1, and an access number, status and signature of 0.
    data.extend(device.kind_or([0x89, 0x56, 0x01, medium]));
    data.extend([0; 4]);
    data.extend([0x04, vif]);
    data.extend(value.to_le_bytes());
    long_frame(&data)
}

/// How far a frame has arrived. Refuses what can become none.
pub fn arrival(bytes: &[u8]) -> Result<Arrival, Refused> {
    match bytes.first() {
        None => Ok(Arrival::Needs(1)),
        Some(&ACKNOWLEDGED) => Ok(Arrival::Whole(1)),
        Some(&SHORT_START) if bytes.len() < SHORT_BYTES => Ok(Arrival::Needs(SHORT_BYTES - bytes.len())),
        Some(&SHORT_START) => Ok(Arrival::Whole(SHORT_BYTES)),
        Some(&LONG_START) => {
            let Some(length) = bytes.get(1) else { return Ok(Arrival::Needs(LONG_EXTRA + LONG_HEAD - 1)) };
            if bytes.len() > 2 {
                expect_byte("second length", bytes, 2, *length)?;
            }
            if bytes.len() > 3 {
                expect_byte("second start", bytes, 3, LONG_START)?;
            }
            if usize::from(*length) < LONG_HEAD {
                let bytes = (*length).into();
                return Err(Refused::WrongLength { what: "long frame".into(), bytes, expected: LONG_HEAD });
            }
            let whole = usize::from(*length) + LONG_EXTRA;
            Ok(if bytes.len() < whole { Arrival::Needs(whole - bytes.len()) } else { Arrival::Whole(whole) })
        }
        Some(_) => {
            expect_byte("start", bytes, 0, LONG_START)?;
            unreachable!("the start byte was looked at above")
        }
    }
}

/// A frame, its checksum checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Acknowledged.
    Acknowledged,
    /// A short frame.
    Short {
        /// What is asked.
        control: u8,
        /// Of whom.
        primary: u8,
    },
    /// A long frame.
    Long {
        /// Who speaks, and what about.
        control: u8,
        /// The device.
        primary: u8,
        /// What the data is.
        information: u8,
        /// The data.
        data: &'a [u8],
    },
}

/// Takes a frame apart. Order: length, start and length bytes, truncation, bytes that follow, end, checksum.
pub fn parse(bytes: &[u8]) -> Result<Parsed<'_>, Refused> {
    let whole = whole_frame(bytes, MAX_FRAME, arrival)?;
    if whole == 1 {
        return Ok(Parsed::Acknowledged);
    }
    expect_byte("end", bytes, whole - 1, END)?;
    let begin = if bytes[0] == SHORT_START { 1 } else { 4 };
    let body = &bytes[begin..whole - 2];
    expect_sum(bytes[whole - 2], body)?;
    Ok(match *body {
        [control, primary] => Parsed::Short { control, primary },
        [control, primary, information, ref data @ ..] => Parsed::Long { control, primary, information, data },
        _ => unreachable!("a short frame has two bytes, a long one at least three"),
    })
}

/// What a frame says.
pub fn decode(bytes: &[u8]) -> Result<Telegram, Refused> {
    let telegram = |direction, primary: u8, carrier, subject, records| Telegram {
        protocol: Protocol::Mbus,
        direction,
        address: primary.to_string(),
        carrier,
        subject,
        records,
    };
    match parse(bytes)? {
        Parsed::Acknowledged => Ok(Telegram {
            protocol: Protocol::Mbus,
            direction: Direction::Reply,
            address: String::new(),
            carrier: None,
            subject: sentence!("acknowledged", "确认"),
            records: Vec::new(),
        }),
        Parsed::Short { control, primary } => {
            let subject = match control {
                0x40 => sentence!("begin anew", "复位"),
                0x5b | 0x7b => values(),
                0x5a | 0x7a => sentence!("alarms", "报警"),
                _ => return Err(Refused::Unknown { what: "control code", value: control.into() }),
            };
            Ok(telegram(Direction::Request, primary, None, subject, Vec::new()))
        }
        ref selecting @ Parsed::Long { control, primary, information, data } => {
            if let Some(device) = selection(selecting) {
                let subject = sentence!("select {device}", "选择 {device}");
                return Ok(telegram(Direction::Request, primary, None, subject, Vec::new()));
            }
            if control & 0xcf != 0x08 {
                return Err(Refused::Unknown { what: "control code of an answer", value: control.into() });
            }
            match information {
                0x70 => {
                    let code = data.first().copied().unwrap_or_default();
                    Err(Refused::DeviceError { code: code.into(), meaning: error_meaning(code) })
                }
                0x72 => {
                    let (carrier, records) = variable(data)?;
                    Ok(telegram(Direction::Reply, primary, carrier, values(), records))
                }
                0x73 => {
                    let (carrier, records) = fixed::read(data)?;
                    Ok(telegram(Direction::Reply, primary, carrier, values(), records))
                }
                _ => Err(Refused::Unknown { what: "control information", value: information.into() }),
            }
        }
    }
}

/// What the device at `primary` answers. Order: the frame's own checks, who answers, errors of the device.
pub fn decode_answer(bytes: &[u8], primary: u8) -> Result<Telegram, Refused> {
    match parse(bytes)? {
        Parsed::Long { primary: found, .. } if found != primary => Err(Refused::WrongAddress {
            expected: Sentence::alike(primary.to_string()),
            found: Sentence::alike(found.to_string()),
        }),
        Parsed::Long { .. } => decode(bytes),
        Parsed::Acknowledged | Parsed::Short { .. } => {
            Err(no_values(sentence!("an acknowledgement or a request", "确认或请求")))
        }
    }
}

/// What the device that was selected answers. Order: the frame's own checks, errors of the device, who answers.
pub fn decode_selected(bytes: &[u8], device: Secondary) -> Result<Telegram, Refused> {
    match parse(bytes)? {
        Parsed::Long { information, data, .. } => {
            let telegram = decode(bytes)?;
            // Two devices that were selected at once would answer in turn.
            match Secondary::of_answer(information, data) {
                Some(found) if device.means(found) => Ok(telegram),
                Some(found) => Err(Refused::WrongAddress {
                    expected: Sentence::alike(device.to_string()),
                    found: Sentence::alike(found.to_string()),
                }),
                None => Err(no_values(sentence!("an answer that does not say whose it is", "未写明设备的应答"))),
            }
        }
        Parsed::Acknowledged | Parsed::Short { .. } => {
            Err(no_values(sentence!("an acknowledgement or a request", "确认或请求")))
        }
    }
}

/// Something else than a device's values.
fn no_values(found: Sentence) -> Refused {
    Refused::WrongSubject { expected: values(), found }
}

fn error_meaning(code: u8) -> Sentence {
    match code {
        0x01 => sentence!("the request is not implemented", "不支持该请求"),
        0x02 => sentence!("the request is too long", "请求过长"),
        0x03 => sentence!("too many records", "记录过多"),
        0x04 => sentence!("the record ends early", "记录不完整"),
        0x05 => sentence!("too many extensions of a DIF", "DIF 扩展过多"),
        0x06 => sentence!("too many extensions of a VIF", "VIF 扩展过多"),
        0x08 => sentence!("the device is busy", "设备忙"),
        0x09 => sentence!("too many readouts", "抄读过于频繁"),
        _ => sentence!("no reason is given", "没有说明原因"),
    }
}

/// The carrier of a medium.
const fn carrier(medium: u8) -> Option<Carrier> {
    Some(match medium {
        0x02 => Carrier::Electricity,
        0x03 => Carrier::Gas,
        // Heat by its outlet or inlet.
        0x04 | 0x0c => Carrier::Heating,
        // Warm and hot water.
        0x06 | 0x15 => Carrier::HotWater,
        // Water, cold water.
        0x07 | 0x16 => Carrier::Water,
        0x0a | 0x0b => Carrier::Cooling,
        _ => return None,
    })
}

/// The answer in the variable structure.
fn variable(data: &[u8]) -> Result<(Option<Carrier>, Vec<Record>), Refused> {
    let Some((head, body)) = data.split_at_checked(VARIABLE_HEAD) else {
        return Err(Refused::WrongLength { what: "head".into(), bytes: data.len(), expected: VARIABLE_HEAD });
    };
    let carrier = carrier(head[7]);
    let mode = head[11] & 0x1f;
    if ENCRYPTED.contains(&mode) {
        return Err(Refused::Encrypted { mode });
    }
    let reversed: Vec<u8> = head[..4].iter().rev().copied().collect();
    let maker = u16::from_le_bytes([head[4], head[5]]);
    let letter = |shift: u16| char::from(b'@' + (maker >> shift & 0x1f) as u8);
    let maker: String = [10, 5, 0].map(letter).iter().collect();
    let mut records = vec![
        Record::new("identification", Content::Text(hex::encode(reversed))),
        Record::new("maker", Content::Text(maker)),
        Record::new("version", Content::Number { number: Number::whole(head[6].into()), unit: Unit::One }),
        Record::new("medium", Content::Text(format!("{:02X}", head[7]))),
        Record::new("status", Content::Text(format!("{:02X}", head[9]))),
    ];
    let mut reader = Reader { rest: body, bytes: VARIABLE_HEAD + body.len() };
    let mut count = 0;
    while let Some(dif) = reader.next_dif() {
        match dif {
            0x0f | 0x1f => {
                let what = if dif == 0x1f { MORE } else { "maker_specific" };
                records.push(Record::new(what, Content::Text(hex::encode(reader.rest))));
                break;
            }
            0x3f | 0x4f | 0x5f | 0x6f | 0x7f => return Err(Refused::Unknown { what: "DIF", value: dif.into() }),
            _ => records.push(reader.record(dif, count, carrier)?),
        }
        count += 1;
    }
    Ok((carrier, records))
}

struct Reader<'a> {
    rest: &'a [u8],
    /// Bytes of the whole, to say where it ended early.
    bytes: usize,
}

impl<'a> Reader<'a> {
    /// The next record's first byte; fillers between records are passed over.
    fn next_dif(&mut self) -> Option<u8> {
        const FILLER: u8 = 0x2f;
        let fillers = self.rest.iter().take_while(|byte| **byte == FILLER).count();
        self.rest = &self.rest[fillers..];
        let (dif, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*dif)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(Refused::Truncated { bytes: self.bytes, needed: self.bytes + count - self.rest.len() });
        };
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Refused> {
        Ok(self.take(1)?[0])
    }

    /// Extension bytes after `first`, if it says that some follow.
    fn extensions(&mut self, first: u8, record: usize) -> Result<Vec<u8>, Refused> {
        let mut extensions = Vec::new();
        let mut last = first;
        while last & EXTENSION != 0 {
            if extensions.len() == MAX_EXTENSIONS {
                return Err(Refused::TooManyExtensions { record, most: MAX_EXTENSIONS });
            }
            last = self.byte()?;
            extensions.push(last);
        }
        Ok(extensions)
    }

    fn record(&mut self, dif: u8, count: usize, carrier: Option<Carrier>) -> Result<Record, Refused> {
        let dif_extensions = self.extensions(dif, count)?;
        let mut storage = u64::from(dif >> 6 & 1);
        let mut tariff = 0u32;
        let mut subunit = 0u32;
        for (place, extension) in dif_extensions.iter().enumerate() {
            // Ten extensions of four, two and one bits: 41, 20 and 10 bits.
            storage |= u64::from(extension & 0x0f) << (1 + 4 * place);
            tariff |= u32::from(extension >> 4 & 3) << (2 * place);
            subunit |= u32::from(extension >> 6 & 1) << place;
        }
        let vif = self.byte()?;
        // Names that are written out stand between the VIF and its extensions.
        let mut name = None;
        if vif & 0x7f == 0x7c {
            let length = self.byte()?;
            let text: String = self.take(length.into())?.iter().rev().map(|byte| char::from(*byte)).collect();
            name = Some(text);
        }
        let vif_extensions = self.extensions(vif, count)?;
        let mut value = value_of(vif, name, &vif_extensions);
        let function = dif >> 4 & 3;
        let prefix = ["", "maximum_", "minimum_", "at_error_"][usize::from(function)];
        let what = format!("{prefix}{}", value.what);
        let content = self.content(dif & 0x0f, &value)?;
        let content = value.without.take().unwrap_or(content);
        let measures = match carrier.map(Carrier::base_unit) {
            Some(BaseUnit::Joule) => value.kind == ValueKind::Energy,
            Some(BaseUnit::Millilitre) => value.kind == ValueKind::Volume,
            None => false,
        };
        let is_now = function == 0 && storage == 0 && tariff == 0 && subunit == 0;
        let what = if subunit == 0 { what } else { format!("{what}_subunit_{subunit}") };
        Ok(Record { what, content, is_register: measures && is_now, tariff, storage })
    }

    fn content(&mut self, coding: u8, value: &Value) -> Result<Content, Refused> {
        let length = match coding {
            0x00 | 0x08 => return Ok(Content::Absent),
            0x01 | 0x09 => 1,
            0x02 | 0x0a => 2,
            0x03 | 0x0b => 3,
            0x04 | 0x05 | 0x0c => 4,
            0x06 | 0x0e => 6,
            0x07 => 8,
            _ => return self.variable_content(value),
        };
        let bytes = self.take(length)?;
        match value.kind {
            ValueKind::Opaque => return Ok(Content::Text(hex::encode(bytes))),
            ValueKind::Date | ValueKind::DateTime => {
                let is_date = value.kind == ValueKind::Date;
                let content = if is_date { time::date_content(bytes) } else { time::date_time_content(bytes) };
                return Ok(content.unwrap_or_else(|| Content::Text(hex::encode(bytes))));
            }
            _ => {}
        }
        let number = match coding {
            0x05 => {
                let bits = u32::from_le_bytes(bytes.try_into().expect("four bytes were taken"));
                match Number::binary32(bits) {
                    Ok(number) => number,
                    Err(error) => return Ok(Content::Invalid(error.sentence())),
                }
            }
            // Flags and numbers of devices have no sign.
            0x01..=0x04 | 0x06 | 0x07 if value.kind == ValueKind::Label => {
                let mut wide = [0; 8];
                wide[..length].copy_from_slice(bytes);
                Number::unsigned(u64::from_le_bytes(wide))
            }
            0x01..=0x07 => match binary(bytes) {
                Ok(number) => number,
                Err(reason) => return Ok(Content::Invalid(reason)),
            },
            _ => match digits(bytes) {
                Ok(number) => number,
                Err(reason) => return Ok(Content::Invalid(reason)),
            },
        };
        if value.kind == ValueKind::Label && coding > 0x08 {
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            return Ok(Content::Text(hex::encode(reversed)));
        }
        Ok(scaled(number, value))
    }

    /// A value whose length stands before it.
    fn variable_content(&mut self, value: &Value) -> Result<Content, Refused> {
        let length = self.byte()?;
        let is_number =
            !matches!(value.kind, ValueKind::Opaque | ValueKind::Label | ValueKind::Date | ValueKind::DateTime);
        match length {
            // Decimal digits, or minus so many of them, and binary numbers: as long as one of 64 bits holds them.
            0xc1..=0xc9 | 0xd1..=0xd9 | 0xe1..=0xe8 if is_number => {
                let bytes = self.take((length & 0x0f).into())?;
                let number = match length >> 4 {
                    0x0c => positive_digits(bytes),
                    0x0d => positive_digits(bytes).map(Number::negated),
                    _ => binary(bytes),
                };
                Ok(number.map_or_else(Content::Invalid, |number| scaled(number, value)))
            }
            0x00..=0xbf => {
                let bytes = self.take(length.into())?;
                let is_text = bytes.iter().all(|byte| (0x20..0x7f).contains(byte));
                let text = || bytes.iter().rev().map(|byte| char::from(*byte)).collect();
                Ok(Content::Text(if is_text { text() } else { hex::encode(bytes) }))
            }
            0xc0..=0xc9 | 0xd0..=0xd9 | 0xe0..=0xef => {
                Ok(Content::Text(hex::encode(self.take((length & 0x0f).into())?)))
            }
            // Binary numbers of more bits than any register: four bytes for each step, then 48 and 64 bytes.
            0xf0..=0xf4 => Ok(Content::Text(hex::encode(self.take(4 * usize::from(length - 0xec))?))),
            0xf5 | 0xf6 => Ok(Content::Text(hex::encode(self.take(if length == 0xf5 { 48 } else { 64 })?))),
            _ => Err(Refused::Unknown { what: "length of a variable value", value: length.into() }),
        }
    }
}

/// A number in the unit of its value.
fn scaled(number: Number, value: &Value) -> Content {
    match number.times_ten_to(value.power) {
        Some(number) => Content::Number { number, unit: value.unit },
        None => Content::Invalid(sentence!(
            "{number} times 10 to {} is beyond any register",
            "{number} 乘以 10 的 {} 次方超出任何表底",
            value.power
        )),
    }
}

/// A binary number of up to 64 bits, lowest byte first, with its sign. The least one says that there is none.
fn binary(bytes: &[u8]) -> Result<Number, Sentence> {
    let (highest, lower) =
        bytes.split_last().ok_or_else(|| sentence!("a number has a byte at least", "数值至少有一个字节"))?;
    if *highest == 0x80 && lower.iter().all(|byte| *byte == 0) {
        return Err(sentence!("{} stands for no value", "{} 表示没有值", hex::encode(bytes)));
    }
    let mut wide = [if highest & 0x80 != 0 { 0xff } else { 0 }; 8];
    wide.get_mut(..bytes.len())
        .ok_or_else(|| sentence!("a number has eight bytes at most", "数值至多有八个字节"))?
        .copy_from_slice(bytes);
    Ok(Number::whole(i64::from_le_bytes(wide)))
}

/// A number in decimal digits, lowest byte first. F in the highest place is a minus sign.
fn digits(bytes: &[u8]) -> Result<Number, Sentence> {
    match bytes.split_last() {
        Some((highest, lower)) if highest >> 4 == 0x0f => {
            let number = positive_digits(&[lower, &[highest & 0x0f]].concat());
            // All that is not decimal is told as it came.
            number
                .map(Number::negated)
                .map_err(|_| sentence!("{} are no decimal digits", "{} 不是十进制数字", hex::encode(bytes)))
        }
        _ => positive_digits(bytes),
    }
}

/// A number in decimal digits, lowest byte first.
fn positive_digits(bytes: &[u8]) -> Result<Number, Sentence> {
    let digits = decimal_digits(bytes.iter().rev())
        .map_err(|byte| sentence!("byte {byte:02X} is no two decimal digits", "字节 {byte:02X} 不是两位十进制数字"))?;
    i64::try_from(digits)
        .map(Number::whole)
        .map_err(|_| sentence!("{digits} is beyond any register", "{digits} 超出任何表底"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(records: &[u8]) -> Result<Telegram, Refused> {
        let mut data = vec![0x08, 1, 0x72, 0x78, 0x56, 0x34, 0x12, 0x24, 0x40, 1, 7, 0x55, 0, 0, 0];
        data.extend(records);
        decode(&long_frame(&data))
    }

    fn last(records: &[u8]) -> String {
        let record = read(records).unwrap().records.pop().unwrap();
        format!("{}: {}", record.what, record.content)
    }

    #[test]
    fn an_answer_is_read_as_it_was_built() {
        for carrier in Carrier::ALL {
            let frame = answer(7, 12_345_678, carrier, 98_765);
            let telegram = decode_answer(&frame, 7).unwrap();
            assert_eq!(telegram.carrier, Some(carrier));
            assert_eq!(telegram.records[0].content, Content::Text("12345678".into()));
            assert!(telegram.quantity_floor(carrier).is_ok(), "{carrier}");
            assert!(matches!(decode_answer(&frame, 8), Err(Refused::WrongAddress { .. })));
        }
        assert_eq!(decode(&read_request(7, true)).unwrap().direction, Direction::Request);
        assert_eq!(decode(&acknowledgement()).unwrap().subject.en, "acknowledged");
    }

    #[test]
    fn only_the_register_of_now_over_all_tariffs_can_be_certified() {
        let register = |records: &[u8]| read(records).unwrap().register().map(|record| record.content.to_string());
        assert_eq!(register(&[0x0c, 0x13, 0x78, 0x56, 0x34, 0x12]), Some("12345.678 m3".into()));
        for other in [
            // Stored, of a tariff, of a subunit, maximum, reverse flow, an unknown qualifier, energy of a water meter.
            &[0x4c, 0x13, 0, 0, 0, 0][..],
            &[0x8c, 0x10, 0x13, 0, 0, 0, 0],
            &[0x8c, 0x40, 0x13, 0, 0, 0, 0],
            &[0x1c, 0x13, 0, 0, 0, 0],
            &[0x0c, 0x93, 0x3c, 0, 0, 0, 0],
            &[0x0c, 0x93, 0x39, 0, 0, 0, 0],
            &[0x0c, 0x03, 0, 0, 0, 0],
        ] {
            assert_eq!(register(other), None, "{other:02x?}");
        }
        // Two registers are none.
        assert_eq!(register(&[0x09, 0x13, 1, 0x09, 0x13, 2]), None);
    }

    #[test]
    fn values_are_exact_and_keep_their_sign() {
        assert_eq!(last(&[0x04, 0x86, 0x7d, 1, 0, 0, 0]), "energy: 1000000 Wh");
        assert_eq!(last(&[0x0b, 0x5a, 0x34, 0x12, 0xf0]), "supply_temperature: -123.4 °C");
        assert_eq!(last(&[0x02, 0x5a, 0xff, 0xff]), "supply_temperature: -0.1 °C");
        assert_eq!(last(&[0x05, 0x2e, 0, 0, 0xc0, 0x3f]), "power: 1500 W");
        assert_eq!(
            last(&[0x05, 0x2e, 0, 0, 0xc0, 0x7f]).split(" in ").next(),
            Some("power: invalid: 0x7fc00000 is no register value")
        );
        assert_eq!(last(&[0x0c, 0x13, 0, 0, 0, 0xa0]), "volume: invalid: byte A0 is no two decimal digits");
        assert_eq!(last(&[0x04, 0x93, 0x15, 0, 0, 0, 0]), "volume: absent");
        assert_eq!(last(&[0x0c, 0x78, 0x23, 0x15, 0x01, 0x09]), "fabrication_number: 09011523");
        assert_eq!(last(&[0x02, 0x6c, 0xbf, 0x1c]), "date: 2013-12-31");
        assert_eq!(last(&[0x02, 0x6c, 0x1e, 0x12]), "date: invalid: 1e12 is no date");
        assert_eq!(last(&[0x04, 0x6d, 0x17, 0x2e, 0xcc, 0x13]), "time: 2014-03-12T14:23:00");
        assert_eq!(last(&[0x06, 0x6d, 0x09, 0x17, 0x2e, 0xcc, 0x13, 0]), "time: 2014-03-12T14:23:09");
        assert_eq!(last(&[0x03, 0x6d, 0, 0, 0]), "time: 00:00:00");
        assert_eq!(last(&[0x03, 0x6d, 0, 0, 24]).split(':').nth(1), Some(" invalid"));
        assert_eq!(last(&[0x02, 0xfd, 0x17, 0x00, 0x80]), "error_flags: 32768");
    }

    /// The kinds of records of EN 13757-3 that meters of energy, volume and electricity send, each in the unit that it states.
    #[test]
    fn every_kind_of_value_has_its_unit_and_its_power_of_ten() {
        for (record, says) in [
            // Energy from thousandths of a watt-hour to gigajoules, in each coding.
            (&[0x01, 0x00, 0x7f][..], "energy: 0.127 Wh"),
            (&[0x02, 0x07, 0x39, 0x30], "energy: 123450000 Wh"),
            (&[0x03, 0x0e, 1, 0, 0], "energy: 1000000 J"),
            (&[0x06, 0x03, 0x15, 0xcd, 0x5b, 0x07, 0, 0], "energy: 123456789 Wh"),
            (&[0x07, 0x03, 0x15, 0xcd, 0x5b, 0x07, 0, 0, 0, 0], "energy: 123456789 Wh"),
            (&[0x05, 0x06, 0, 0, 0xc0, 0x3f], "energy: 1500 Wh"),
            (&[0x0e, 0x03, 0x12, 0x90, 0x78, 0x56, 0x34, 0x12], "energy: 123456789012 Wh"),
            (&[0x0c, 0xfb, 0x00, 0x78, 0x56, 0x34, 0x12], "energy: 1234567.8 MWh"),
            (&[0x0c, 0xfb, 0x01, 0x78, 0x56, 0x34, 0x12], "energy: 12345678 MWh"),
            (&[0x04, 0xfb, 0x09, 5, 0, 0, 0], "energy: 5 GJ"),
            (&[0x04, 0xfb, 0x08, 5, 0, 0, 0], "energy: 0.5 GJ"),
            (&[0x04, 0xfb, 0x0d, 5, 0, 0, 0], "energy: 5 Mcal"),
            (&[0x04, 0xfb, 0x02, 5, 0, 0, 0], "reactive_energy: 5 kvarh"),
            (&[0x04, 0xfb, 0x05, 5, 0, 0, 0], "apparent_energy: 50 kVAh"),
            // Volume, power, flow, electricity.
            (&[0x04, 0x10, 5, 0, 0, 0], "volume: 0.000005 m3"),
            (&[0x04, 0x16, 5, 0, 0, 0], "volume: 5 m3"),
            (&[0x04, 0xfb, 0x10, 5, 0, 0, 0], "volume: 500 m3"),
            (&[0x02, 0xfb, 0x2f, 0x32, 0], "frequency: 50 Hz"),
            (&[0x02, 0x3b, 0xff, 0xff], "flow: -0.001 m3/h"),
            (&[0x02, 0xfd, 0x48, 0x00, 0x09], "voltage: 230.4 V"),
            (&[0x02, 0xfd, 0x59, 0xe8, 0x03], "current: 1.000 A"),
            (&[0x02, 0xfb, 0x14, 0xe8, 0x03], "reactive_power: 1.000 kvar"),
            (&[0x02, 0xfb, 0x37, 5, 0], "apparent_power: 5 kVA"),
            (&[0x0a, 0x5a, 0x54, 0x06], "supply_temperature: 65.4 °C"),
            // Corrected by what qualifies it.
            (&[0x04, 0x90, 0x77, 5, 0, 0, 0], "volume: 0.00005 m3"),
            (&[0x04, 0x83, 0x70, 5, 0, 0, 0], "energy: 0.000005 Wh"),
            (&[0x04, 0x83, 0x3b, 5, 0, 0, 0], "forward_energy: 5 Wh"),
            (&[0x04, 0x93, 0x3a, 5, 0, 0, 0], "uncorrected_volume: 0.005 m3"),
            (&[0x04, 0x93, 0x3e, 5, 0, 0, 0], "base_conditions_volume: 0.005 m3"),
            // What this file does not know, or only its maker does, is bytes; no code of another table is read in it.
            (&[0x04, 0xff, 0x15, 5, 0, 0, 0], "maker_specific: 05000000"),
            (&[0x04, 0x93, 0xff, 0x15, 5, 0, 0, 0], "volume_qualified_7f: 05000000"),
            (&[0x04, 0x93, 0xfc, 0x15, 5, 0, 0, 0], "volume_qualified_7c: 05000000"),
            (&[0x04, 0x6f, 5, 0, 0, 0], "vif_6f: 05000000"),
            // A length before the value: digits, minus digits, a binary number, a text.
            (&[0x0d, 0x13, 0xc4, 0x78, 0x56, 0x34, 0x12], "volume: 12345.678 m3"),
            (&[0x0d, 0x5a, 0xd2, 0x34, 0x12], "supply_temperature: -123.4 °C"),
            (&[0x0d, 0x13, 0xe4, 0xe8, 0x03, 0, 0], "volume: 1.000 m3"),
            (&[0x0d, 0x13, 0xc1, 0x0a], "volume: invalid: byte 0A is no two decimal digits"),
            (&[0x0d, 0xfd, 0x11, 0x02, b'b', b'a'], "customer: ab"),
            // No value.
            (&[0x04, 0x13, 0, 0, 0, 0x80], "volume: invalid: 00000080 stands for no value"),
            (&[0x0c, 0x13, 0xff, 0xff, 0xff, 0xff], "volume: invalid: ffffffff are no decimal digits"),
            (&[0x0c, 0x13, 0x05, 0, 0, 0xf0], "volume: -0.005 m3"),
            (&[0x00, 0x13], "volume: absent"),
            (&[0x04, 0x93, 0x18, 0, 0, 0, 0], "volume: invalid: the device reports error 18: the value is in error"),
            (&[0x0e, 0x07, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99], "energy: 9999999999990000 Wh"),
        ] {
            assert_eq!(last(record), says, "{}", hex::encode(record));
        }
    }

    #[test]
    fn tariffs_storages_and_units_set_a_record_apart() {
        let of = |records: &[u8]| {
            let record = read(records).unwrap().records.pop().unwrap();
            (record.what, record.tariff, record.storage, record.is_register)
        };
        assert_eq!(of(&[0x84, 0x10, 0x13, 1, 0, 0, 0]), ("volume".into(), 1, 0, false));
        assert_eq!(of(&[0x84, 0x20, 0x13, 1, 0, 0, 0]), ("volume".into(), 2, 0, false));
        assert_eq!(of(&[0x84, 0x40, 0x13, 1, 0, 0, 0]), ("volume_subunit_1".into(), 0, 0, false));
        assert_eq!(of(&[0xc4, 0x01, 0x13, 1, 0, 0, 0]), ("volume".into(), 0, 3, false));
        assert_eq!(of(&[0x84, 0x90, 0x10, 0x13, 1, 0, 0, 0]), ("volume".into(), 5, 0, false));
        assert_eq!(of(&[0x14, 0x3b, 1, 0, 0, 0]), ("maximum_flow".into(), 0, 0, false));
        assert_eq!(of(&[0x04, 0x93, 0x3b, 1, 0, 0, 0]), ("forward_volume".into(), 0, 0, true));
    }

    #[test]
    fn encrypted_values_are_refused_by_name_and_what_old_devices_leave_there_is_not_taken_for_it() {
        let read = |configuration: [u8; 2]| {
            let mut data = vec![0x08, 1, 0x72, 0x78, 0x56, 0x34, 0x12, 0x24, 0x40, 1, 7, 0x55, 0];
            data.extend(configuration);
            data.extend([0x04, 0x13, 1, 0, 0, 0]);
            decode(&long_frame(&data))
        };
        for mode in ENCRYPTED {
            assert_eq!(read([0x10, mode]), Err(Refused::Encrypted { mode }));
        }
        for signature in [[0, 0], [0x27, 0xb6], [0xff, 0xff]] {
            assert!(read(signature).is_ok(), "{signature:02x?}");
        }
    }

    #[test]
    fn refuses_what_ends_early_goes_on_for_ever_or_is_not_known() {
        assert!(matches!(read(&[0x04]), Err(Refused::Truncated { .. })));
        assert!(matches!(read(&[0x04, 0x13, 0]), Err(Refused::Truncated { .. })));
        assert!(matches!(read(&[0x84; 12]), Err(Refused::TooManyExtensions { record: 0, .. })));
        assert!(matches!(read(&[[0x04].as_slice(), &[0x93; 12]].concat()), Err(Refused::TooManyExtensions { .. })));
        assert!(matches!(read(&[0x7f]), Err(Refused::Unknown { .. })));
        assert!(matches!(read(&[0x0d, 0x78, 0xff]), Err(Refused::Unknown { .. })));
        let short_head = [0x68, 4, 4, 0x68, 0x08, 1, 0x72, 0, 0x7b, 0x16];
        assert!(matches!(decode(&short_head), Err(Refused::WrongLength { .. })));
        let fixed = [0x68, 3, 3, 0x68, 0x08, 1, 0x73, 0x7c, 0x16];
        assert!(matches!(decode(&fixed), Err(Refused::WrongLength { .. })));
        let highest_first = [0x68, 3, 3, 0x68, 0x08, 1, 0x76, 0x7f, 0x16];
        assert_eq!(decode(&highest_first), Err(Refused::Unknown { what: "control information", value: 0x76 }));
    }
}
