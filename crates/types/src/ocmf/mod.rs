//! OCMF: readings that a device has signed in a public format, kept byte for byte, so that anybody's verifier can check them
//! [M17].
//!
//! ```text
//! OCMF|{payload}|{signature}
//!       what is signed: these bytes as they were sent
//! ```
//!
//! Source: Open Charge Metering Format 1.4.1 (S.A.F.E. e.V.); records carry format version 1.0 to 1.4. Taken is ECDSA over P-256 with
//! SHA-256, in DER and hex, which is the format's default. A signature whose S is high is taken too: the record is known by its
//! bytes, and its readings count once. What is no usable reading of a cumulative energy register (an entry that the device itself
//! marks as wrong or whose clock it does not know, another quantity) is passed over; a record in which two different registers
//! could be meant is refused.
//!
//! Deliberately absent: whether pages follow each other without a gap. The counter is shown; the ledger's own rules say whether
//! time and register rise.

mod json;

use crate::carrier::Carrier;
use crate::encoding::{Bounded, Text, TooLong};
use crate::key::{PublicKey, Signature, p256_holds};
use crate::meter::{MAX_RUN_READINGS, Reading};
use crate::quantity::{JOULES_PER_KILOWATT_HOUR, JOULES_PER_WATT_HOUR, Quantity};
use crate::time::{DAY_MS, Date, MAX_TIMESTAMP, Timestamp};
use borsh::{BorshDeserialize, BorshSerialize};
use json::{Json, NotJson};
use serde::{Deserialize, Serialize};

/// Longest record in bytes.
pub const MAX_OCMF_BYTES: usize = 4_096;
/// The one signature algorithm that is taken.
const ALGORITHM: &str = "ECDSA-secp256r1-SHA256";
/// Most digits of a register.
const MAX_DIGITS: usize = 20;

/// A record as its device signed it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OcmfRecord(Text<MAX_OCMF_BYTES>);

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcmfContents<'a> {
    /// The signed bytes.
    pub payload: &'a str,
    /// The signature, with its S made low.
    pub signature: Signature,
    /// Within transactions of a charging station, or apart from them.
    pub context: OcmfContext,
    /// The record's number in its context.
    pub page: u64,
    /// The meter's serial number, or that of the station that it is built into.
    pub serial: String,
    /// Which register was read, by its OBIS code; empty where the record does not say.
    pub register: String,
    /// The readings, in their order; registers are rounded down to whole joules.
    pub readings: Bounded<Reading, MAX_RUN_READINGS>,
}

/// What a record's number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OcmfContext {
    /// Readings at charging.
    Transaction,
    /// Readings apart from charging.
    Fiscal,
}

/// Why a record is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcmfError {
    /// It is longer than any.
    #[error("the record has {bytes} bytes, at most {MAX_OCMF_BYTES} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is none.
    #[error("the record is not OCMF|payload|signature")]
    NotARecord,
    /// A section is no JSON object.
    #[error("the record's {section} is not understood: {what} at byte {at}")]
    NotJson {
        /// `payload` or `signature`.
        section: &'static str,
        /// Where in the section.
        at: usize,
        /// What stands there.
        what: &'static str,
    },
    /// A field is missing, or says what is not taken.
    #[error("the record's field {field}: {what}")]
    Field {
        /// Its name.
        field: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// No entry is a reading that can count.
    #[error("the record holds no usable reading of an energy register")]
    NoReading,
    /// It holds readings of several registers.
    #[error("the record holds readings of several registers")]
    SeveralRegisters,
    /// The signature is not that of the key over the payload.
    #[error("the record's signature is not that of its meter's key")]
    BadSignature,
    /// Readings that are said to be the record's are not.
    #[error("the readings are not those of the record")]
    OtherReadings,
}

impl OcmfError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "ocmf/too-long",
            Self::NotARecord => "ocmf/not-a-record",
            Self::NotJson { .. } => "ocmf/not-json",
            Self::Field { .. } => "ocmf/field",
            Self::NoReading => "ocmf/no-reading",
            Self::SeveralRegisters => "ocmf/several-registers",
            Self::BadSignature => "ocmf/bad-signature",
            Self::OtherReadings => "ocmf/other-readings",
        }
    }
}

const fn field(field: &'static str, what: &'static str) -> OcmfError {
    OcmfError::Field { field, what }
}

impl OcmfRecord {
    /// A record of this text, not yet read.
    pub fn new(text: impl Into<String>) -> Result<Self, OcmfError> {
        Text::new(text).map(Self).map_err(|TooLong { len: bytes, .. }| OcmfError::TooLong { bytes })
    }

    /// The text, byte for byte.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Reads it, strictly. Checks no signature.
    pub fn read(&self) -> Result<OcmfContents<'_>, OcmfError> {
        let mut sections = self.text().split('|');
        let (Some("OCMF"), Some(payload), Some(signature), None) =
            (sections.next(), sections.next(), sections.next(), sections.next())
        else {
            return Err(OcmfError::NotARecord);
        };
        let signature = read_signature(&object("signature", signature)?)?;
        let data = object("payload", payload)?;
        if let Some(version) = text(&data, "FV")?
            && !matches!(version, "1.0" | "1.1" | "1.2" | "1.3" | "1.4")
        {
            return Err(field("FV", "the format version is not 1.0 to 1.4"));
        }
        let (context, page) = pagination(text(&data, "PG")?.ok_or(field("PG", "it is missing"))?)?;
        let serial = [text(&data, "MS")?, text(&data, "GS")?];
        let serial = serial.into_iter().flatten().find(|serial| !serial.is_empty());
        let serial = serial.ok_or(field("MS", "it is missing, and GS too"))?.to_owned();
        let Some(Json::List(entries)) = data.get("RD") else { return Err(field("RD", "it is no list")) };
        let (register, readings) = read_entries(entries)?;
        Ok(OcmfContents { payload, signature, context, page, serial, register, readings })
    }

    /// What it says, if `key` has signed it.
    pub fn verify(&self, key: &PublicKey) -> Result<OcmfContents<'_>, OcmfError> {
        let contents = self.read()?;
        let holds = p256_holds(key, contents.payload.as_bytes(), &contents.signature);
        if holds { Ok(contents) } else { Err(OcmfError::BadSignature) }
    }

    /// What a record can carry: OCMF has units of energy only.
    pub fn can_carry(carrier: Carrier) -> bool {
        carrier.base_unit() == crate::carrier::BaseUnit::Joule
    }
}

fn object<'a>(section: &'static str, text: &'a str) -> Result<Json<'a>, OcmfError> {
    match Json::read(text) {
        Ok(value @ Json::Object(_)) => Ok(value),
        Ok(_) => Err(OcmfError::NotJson { section, at: 0, what: "no object" }),
        Err(NotJson { at, what }) => Err(OcmfError::NotJson { section, at, what }),
    }
}

/// A field that is a text, if it is there.
fn text<'a>(object: &'a Json<'_>, name: &'static str) -> Result<Option<&'a str>, OcmfError> {
    match object.get(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text)),
        Some(_) => Err(field(name, "it is no text")),
    }
}

fn read_signature(section: &Json<'_>) -> Result<Signature, OcmfError> {
    for (name, only, what) in [
        ("SA", ALGORITHM, "only ECDSA-secp256r1-SHA256 is taken"),
        ("SE", "hex", "only hex is taken"),
        ("SM", "application/x-der", "only application/x-der is taken"),
    ] {
        if text(section, name)?.is_some_and(|value| value != only) {
            return Err(field(name, what));
        }
    }
    let data = text(section, "SD")?.ok_or(field("SD", "it is missing"))?;
    let bytes = hex::decode(data).map_err(|_| field("SD", "it is no hex"))?;
    let signature =
        p256::ecdsa::Signature::from_der(&bytes).map_err(|_| field("SD", "it is no ECDSA signature in DER"))?;
    Ok(Signature(signature.normalize_s().to_bytes().into()))
}

fn pagination(text: &str) -> Result<(OcmfContext, u64), OcmfError> {
    const WRONG: OcmfError = field("PG", "it is not T or F and a number");
    let (context, number) = match text.as_bytes().first() {
        Some(b'T') => (OcmfContext::Transaction, &text[1..]),
        Some(b'F') => (OcmfContext::Fiscal, &text[1..]),
        _ => return Err(WRONG),
    };
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || (number.len() > 1 && number.starts_with('0')) {
        return Err(WRONG);
    }
    Ok((context, number.parse().map_err(|_| WRONG)?))
}

/// What an entry takes over from the one before it unless it says otherwise.
#[derive(Clone, Copy, Default)]
struct Said<'a> {
    time: Option<&'a str>,
    register: Option<&'a str>,
    unit: Option<&'a str>,
    errors: Option<&'a str>,
    status: Option<&'a str>,
}

/// The register that was read, and its usable readings.
fn read_entries(entries: &[Json<'_>]) -> Result<(String, Bounded<Reading, MAX_RUN_READINGS>), OcmfError> {
    let mut said = Said::default();
    let mut register: Option<&str> = None;
    let mut readings = Bounded::empty();
    for entry in entries {
        if !matches!(entry, Json::Object(_)) {
            return Err(field("RD", "an entry is no object"));
        }
        said = Said {
            time: text(entry, "TM")?.or(said.time),
            register: text(entry, "RI")?.or(said.register),
            unit: text(entry, "RU")?.or(said.unit),
            errors: text(entry, "EF")?.or(said.errors),
            status: text(entry, "ST")?.or(said.status),
        };
        let Some(value) = entry.get("RV") else { continue };
        let Json::Number(value) = value else { return Err(field("RV", "it is no number")) };
        let joules = match said.unit {
            Some("kWh") => JOULES_PER_KILOWATT_HOUR,
            Some("Wh") => JOULES_PER_WATT_HOUR,
            Some(_) => continue,
            None => return Err(field("RU", "it is missing")),
        };
        let (time, is_known) = time(said.time.ok_or(field("TM", "it is missing"))?)?;
        let is_good = said.status.ok_or(field("ST", "it is missing"))? == "G" && said.errors.unwrap_or("").is_empty();
        if !is_good || !is_known {
            continue;
        }
        let this = said.register.unwrap_or("");
        if register.is_some_and(|register| register != this) {
            return Err(OcmfError::SeveralRegisters);
        }
        register = Some(this);
        let register = register_floor(value, joules)?;
        readings.push(Reading { time, register }).map_err(|_| field("RD", "it has more than 96 readings"))?;
    }
    match register {
        Some(register) => Ok((register.to_owned(), readings)),
        None => Err(OcmfError::NoReading),
    }
}

/// A time such as `2018-07-24T13:22:04,000+0200 S`, and whether the device's clock knew it.
fn time(text: &str) -> Result<(Timestamp, bool), OcmfError> {
    const WRONG: OcmfError = field("TM", "it is no time such as 2018-07-24T13:22:04,000+0200 S");
    const SHAPE: &[u8] = b"0000-00-00T00:00:00,000+0000 S";
    let bytes = text.as_bytes();
    let fits = |(shape, byte): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        b'+' => matches!(byte, b'+' | b'-'),
        b'S' => matches!(byte, b'S' | b'I' | b'R' | b'U'),
        other => byte == other,
    };
    if bytes.len() != SHAPE.len() || !SHAPE.iter().zip(bytes).all(fits) {
        return Err(WRONG);
    }
    let number = |from: usize, digits: usize| {
        bytes[from..from + digits].iter().fold(0i64, |number, digit| number * 10 + i64::from(digit - b'0'))
    };
    let date = Date { year: number(0, 4) as i32, month: number(5, 2) as u8, day: number(8, 2) as u8 };
    let (hour, minute, second) = (number(11, 2), number(14, 2), number(17, 2));
    let (offset_hour, offset_minute) = (number(24, 2), number(26, 2));
    let is_date = (1..=12).contains(&date.month) && Date::from_days(date.to_days()) == date;
    if !is_date || hour > 23 || minute > 59 || second > 59 || offset_hour > 14 || offset_minute > 59 {
        return Err(WRONG);
    }
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000 + number(20, 3);
    let offset = (offset_hour * 60 + offset_minute) * 60_000;
    let offset = if bytes[23] == b'-' { -offset } else { offset };
    let ms = date.to_days() * DAY_MS as i64 + of_day - offset;
    let time = u64::try_from(ms).ok().map(Timestamp).filter(|time| *time <= MAX_TIMESTAMP).ok_or(WRONG)?;
    Ok((time, bytes[29] != b'U'))
}

/// A number of units in whole joules, rounded down.
fn register_floor(number: &str, joules: u64) -> Result<Quantity, OcmfError> {
    const WRONG: OcmfError = field("RV", "it is no register");
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.starts_with('-') || whole.len() + fraction.len() > MAX_DIGITS {
        return Err(WRONG);
    }
    let exponent: i32 = exponent.parse().map_err(|_| WRONG)?;
    let exponent = exponent.checked_sub(fraction.len() as i32).ok_or(WRONG)?;
    let digits = format!("{whole}{fraction}").parse::<u128>().map_err(|_| WRONG)?;
    let power = 10u128.checked_pow(exponent.unsigned_abs()).ok_or(WRONG)?;
    let exact = digits.checked_mul(u128::from(joules)).ok_or(WRONG)?;
    let joules = if exponent < 0 { exact / power } else { exact.checked_mul(power).ok_or(WRONG)? };
    u64::try_from(joules).map(Quantity).map_err(|_| WRONG)
}
