//! What devices say: bytes in, values with unit and carrier out, or a refusal with its reason.
//!
//! | file | answers |
//! |---|---|
//! | [`dlt645`] | electricity meters by DL/T 645-2007 |
//! | [`cjt188`] | water, heat, cold and gas meters by CJ/T 188-2004 and -2018 |
//! | [`mbus`] | heat and water meters by wired M-Bus, EN 13757-2 and -3 |
//! | [`modbus`] | registers by Modbus, in TCP and RTU frames |
//! | [`sunspec`] | devices that describe their registers themselves, over Modbus |
//! | [`ocpp`] | what charging stations tell, by OCPP 1.6 and 2.0.1 |
//! | [`json`] | registers in JSON documents, as collectors publish them |
//! | [`computed`] | what a virtual meter's readings are computed from |
//! | `refused` | why a frame is not taken, in both languages |
//!
//! A *frame* is what stands on the line between its start and its end, a *telegram* what it says, a *record* one value in
//! it. Decoders are pure and strict: a frame is taken whole or refused; nothing is skipped, guessed or repaired. Every length
//! is bounded before anything is allocated for it.

pub mod cjt188;
pub mod computed;
pub mod dlt645;
pub mod json;
pub mod mbus;
pub mod modbus;
pub mod ocpp;
mod refused;
pub mod sunspec;

pub use refused::Refused;

use crate::number::{Number, Unit};
use crate::reason::{Sentence, sentence};
use std::fmt;
use utilidor_types::{Carrier, Quantity};

/// Longest text of a frame in hexadecimal that is read, in characters.
const MAX_HEX_CHARACTERS: usize = 4_096;

/// A protocol that frames are read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// DL/T 645-2007.
    Dlt645,
    /// CJ/T 188.
    Cjt188,
    /// Wired M-Bus.
    Mbus,
    /// Modbus.
    Modbus,
    /// JSON documents.
    Json,
    /// Calls of charging stations.
    Ocpp,
    /// Documents of virtual meters.
    Virtual,
}

impl Protocol {
    /// All protocols.
    pub const ALL: [Self; 7] =
        [Self::Dlt645, Self::Cjt188, Self::Mbus, Self::Modbus, Self::Json, Self::Ocpp, Self::Virtual];

    /// The name used in JSON and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dlt645 => "dlt645",
            Self::Cjt188 => "cjt188",
            Self::Mbus => "mbus",
            Self::Modbus => "modbus",
            Self::Json => "json",
            Self::Ocpp => "ocpp",
            Self::Virtual => "virtual",
        }
    }

    /// Whether its devices count electricity, and nothing else.
    pub const fn is_of_electricity(self) -> bool {
        matches!(self, Self::Dlt645 | Self::Ocpp)
    }

    /// What its frame says, as far as that needs no description of the device.
    pub fn decode(self, frame: &[u8]) -> Result<Telegram, Refused> {
        match self {
            Self::Dlt645 => dlt645::decode(frame),
            Self::Cjt188 => cjt188::decode(frame, cjt188::UnitPosition::Found),
            Self::Mbus => mbus::decode(frame),
            Self::Modbus => modbus::decode(frame),
            Self::Json => Err(Refused::NeedsProfile { protocol: self }),
            Self::Ocpp => ocpp::decode(frame),
            Self::Virtual => computed::decode(frame),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no protocol is called {0:?}; protocols are dlt645, cjt188, mbus, modbus, json, ocpp and virtual")]
pub struct UnknownProtocol(pub String);

impl std::str::FromStr for Protocol {
    type Err = UnknownProtocol;
    fn from_str(text: &str) -> Result<Self, UnknownProtocol> {
        Self::ALL.into_iter().find(|protocol| protocol.name() == text).ok_or_else(|| UnknownProtocol(text.into()))
    }
}

/// Whether a frame asks or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the gateway to the device.
    Request,
    /// From the device to the gateway.
    Reply,
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telegram {
    /// The protocol it is written in.
    pub protocol: Protocol,
    /// Whether it asks or answers.
    pub direction: Direction,
    /// The device's address on its bus, as it is printed on the device.
    pub address: String,
    /// What the device measures, where the protocol says so.
    pub carrier: Option<Carrier>,
    /// What is asked or answered, in words.
    pub subject: Sentence,
    /// The values.
    pub records: Vec<Record>,
}

/// One value of a telegram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What it is, in words joined by underlines: `forward_active_energy`.
    pub what: String,
    /// The value.
    pub content: Content,
    /// Whether it is the device's cumulative register of its carrier, of now and over all tariffs: what can be certified.
    pub is_register: bool,
    /// The tariff whose part it is; 0 is all of them.
    pub tariff: u32,
    /// How many settlements ago it was stored; 0 is now.
    pub storage: u64,
}

impl Record {
    /// A record of now, over all tariffs, that is not the register.
    pub fn new(what: impl Into<String>, content: Content) -> Self {
        Self { what: what.into(), content, is_register: false, tariff: 0, storage: 0 }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A number with its unit.
    Number {
        /// The number.
        number: Number,
        /// Its unit.
        unit: Unit,
    },
    /// The device's clock, or a date that it keeps.
    Time(LocalTime),
    /// A text or a row of bytes in hexadecimal.
    Text(String),
    /// What the device says of itself, in words.
    Told(Sentence),
    /// The field is there and says that it holds no value.
    Absent,
    /// The field holds what is no value of its kind.
    Invalid(Sentence),
}

impl Content {
    /// The value, or why there is none.
    pub fn sentence(&self) -> Sentence {
        match self {
            Self::Number { number, unit: Unit::One } => Sentence::alike(number.to_string()),
            Self::Number { number, unit } => Sentence::alike(format!("{number} {unit}")),
            Self::Time(time) => Sentence::alike(time.to_string()),
            Self::Text(text) => Sentence::alike(text),
            Self::Told(told) => told.clone(),
            Self::Absent => sentence!("absent", "无值"),
            Self::Invalid(reason) => sentence!("invalid: {reason}", "无效：{reason}"),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

/// A time as a device's clock shows it. It has no zone: the device does not know one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTime {
    /// Year, month, day.
    pub date: Option<(u16, u8, u8)>,
    /// Hour, minute, second.
    pub time: Option<(u8, u8, u8)>,
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((year, month, day)) = self.date {
            write!(f, "{year:04}-{month:02}-{day:02}")?;
        }
        if self.date.is_some() && self.time.is_some() {
            f.write_str("T")?;
        }
        if let Some((hour, minute, second)) = self.time {
            write!(f, "{hour:02}:{minute:02}:{second:02}")?;
        }
        Ok(())
    }
}

/// A date that the calendar has.
fn date(year: u16, month: u8, day: u8) -> Option<(u16, u8, u8)> {
    let days = match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    (1..=days).contains(&day).then_some((year, month, day))
}

/// A time that the clock has.
fn time_of_day(hour: u8, minute: u8, second: u8) -> Option<(u8, u8, u8)> {
    (hour < 24 && minute < 60 && second < 60).then_some((hour, minute, second))
}

impl Telegram {
    /// The device's cumulative register, if the telegram holds exactly one.
    pub fn register(&self) -> Option<&Record> {
        let mut registers = self.records.iter().filter(|record| record.is_register);
        registers.next().filter(|_| registers.next().is_none())
    }

    /// Refuses a telegram whose one register gives no reading: absent, invalid, below zero, more than any, or of a device that is
    /// broken. An M-Bus device's values without any register give none either. Other telegrams without a register, or with
    /// several, say nothing of a reading.
    pub fn check_register(&self) -> Result<(), Refused> {
        // Protocols that are asked for one value at a time answer with it; M-Bus answers with all that there is.
        let has_values = self.protocol == Protocol::Mbus && self.subject == mbus::values();
        if has_values && self.direction == Direction::Reply && !self.records.iter().any(|record| record.is_register) {
            return Err(Refused::NoRegister { address: self.address.clone() });
        }
        match (self.register(), self.carrier) {
            (Some(_), Some(carrier)) => self.quantity_floor(carrier).map(drop),
            _ => Ok(()),
        }
    }

    /// The quantity that the register shows, in base units of `carrier`, rounded down.
    pub fn quantity_floor(&self, carrier: Carrier) -> Result<Quantity, Refused> {
        let Some(register) = self.register() else {
            return Err(Refused::NoRegister { address: self.address.clone() });
        };
        mbus::check_status(self)?;
        match &register.content {
            Content::Number { number, unit } => Ok(number.quantity_floor(*unit, carrier)?),
            Content::Absent => Err(Refused::Absent { what: register.what.clone() }),
            Content::Invalid(reason) => Err(Refused::Invalid { what: register.what.clone(), reason: reason.clone() }),
            Content::Time(_) | Content::Text(_) | Content::Told(_) => {
                Err(Refused::NoRegister { address: self.address.clone() })
            }
        }
    }
}

/// How far a frame has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// At least this many more bytes belong to it.
    Needs(usize),
    /// The first so many bytes are a frame.
    Whole(usize),
}

/// The bytes of a frame written in hexadecimal; blanks, colons and `0x` may stand between bytes.
pub fn from_hex(text: &str) -> Result<Vec<u8>, Refused> {
    if text.len() > MAX_HEX_CHARACTERS {
        return Err(Refused::Oversize { bytes: text.len() / 2, most: MAX_HEX_CHARACTERS / 2 });
    }
    let words = text.split(|character: char| character.is_whitespace() || matches!(character, ':' | ',' | '-'));
    let digits: String =
        words.map(|word| word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word)).collect();
    hex::decode(digits).map_err(|error| {
        let reason = match error {
            hex::FromHexError::InvalidHexCharacter { c, index } => {
                sentence!("character {c:?} at position {index}", "第 {index} 位是字符 {c:?}")
            }
            hex::FromHexError::OddLength => sentence!("an odd number of digits", "位数为奇数"),
            hex::FromHexError::InvalidStringLength => sentence!("a wrong number of digits", "位数有误"),
        };
        Refused::NotHex { reason }
    })
}

/// The number that bytes of two decimal digits each show, the highest first; the byte that is none otherwise.
fn decimal_digits<'a>(bytes: impl IntoIterator<Item = &'a u8>) -> Result<u64, u8> {
    bytes.into_iter().try_fold(0u64, |number, byte| {
        let (high, low) = (byte >> 4, byte & 0x0f);
        if high > 9 || low > 9 {
            return Err(*byte);
        }
        // Eight bytes are sixteen digits: below 64 bits.
        number.checked_mul(100).map(|number| number + u64::from(high * 10 + low)).ok_or(*byte)
    })
}

/// The bytes of `len` two-digit bytes that show `number`, the lowest first; the digits that do not fit are cut, as a
/// register does that starts again.
fn to_decimal_digits(mut number: u64, len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len);
    for _ in 0..len {
        let pair = (number % 100) as u8;
        bytes.push(pair / 10 << 4 | pair % 10);
        number /= 100;
    }
    bytes
}

/// The sum of bytes, modulo 256.
fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte))
}

/// Checks that a byte is the one that must stand there.
fn expect_byte(what: &'static str, frame: &[u8], place: usize, expected: u8) -> Result<(), Refused> {
    match frame.get(place) {
        Some(found) if *found == expected => Ok(()),
        Some(found) => Err(Refused::WrongByte { what, place, found: *found, expected }),
        None => Err(Refused::Truncated { bytes: frame.len(), needed: place + 1 }),
    }
}

/// Checks that bytes are one whole frame and no more, and gives its length. Order: length, what `arrival` refuses, truncation,
/// bytes that follow.
fn whole_frame(
    bytes: &[u8],
    most: usize,
    arrival: impl Fn(&[u8]) -> Result<Arrival, Refused>,
) -> Result<usize, Refused> {
    if bytes.len() > most {
        return Err(Refused::Oversize { bytes: bytes.len(), most });
    }
    match arrival(bytes)? {
        Arrival::Needs(more) => Err(Refused::Truncated { bytes: bytes.len(), needed: bytes.len() + more }),
        Arrival::Whole(whole) if bytes.len() > whole => Err(Refused::Trailing { bytes: bytes.len() - whole }),
        Arrival::Whole(whole) => Ok(whole),
    }
}

/// Checks a checksum of one byte, which is the sum of what it covers.
fn expect_sum(found: u8, covered: &[u8]) -> Result<(), Refused> {
    let computed = sum(covered);
    if found == computed {
        return Ok(());
    }
    Err(Refused::Checksum { found: found.into(), computed: computed.into(), digits: 1 })
}

/// Refuses the address of an answer that is not in decimal digits: `AA` asks for any meter, and says not whose value it is.
fn expect_decimal_address(address: &[u8]) -> Result<(), Refused> {
    let is_decimal = |byte: &u8| byte >> 4 <= 9 && byte & 0x0f <= 9;
    match address.iter().find(|byte| !is_decimal(byte)) {
        Some(byte) => Err(Refused::NotDecimal { what: "address".into(), byte: *byte }),
        None => Ok(()),
    }
}

/// The bytes of an address that is written in decimal digits, two a byte, leading zeros left out or not.
fn address_of<const BYTES: usize>(digits: &str) -> Option<[u8; BYTES]> {
    let width = 2 * BYTES;
    if digits.is_empty() || digits.len() > width || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut bytes = [0; BYTES];
    hex::decode_to_slice(format!("{digits:0>width$}"), &mut bytes).ok()?;
    Some(bytes)
}
