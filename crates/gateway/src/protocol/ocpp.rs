//! OCPP in JSON, the fields of 1.6 in [`v16`] and of 2.0.1 in [`v201`]: what charging stations tell their central system, and what it answers.
//!
//! ```text
//! [2, "id", "MeterValues", {...}]     a call            [3, "id", {...}]              its answer
//!                                                       [4, "id", code, text, {}]     its refusal
//! ```
//!
//! Read are the registers: of `MeterValues` the imported active energy at the outlet over all phases, of `StartTransaction` and
//! `StopTransaction` their counters. A number's own digits are what counts; no float is made of it. Signed values are handed on byte
//! for byte. Everything else that a station says is answered so that it goes on, and not kept.
//!
//! The types are our own, of the fields that are read: the crate *rust-ocpp 3.0.4* has all messages and brings 28 crates with it
//! that nothing else here needs, a JSON Schema engine among them.

mod refusal;
mod v16;
mod v201;

pub use refusal::refusal;

use super::json::{invalid, no_json, no_time, read_time};
use super::{Content, Direction, Protocol, Record, Refused, Telegram};
use crate::number::{Number, Unit};
use crate::reason::{Sentence, sentence};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use utilidor_types::{Carrier, Timestamp};

/// Longest message: with the station's name it fits into a reading's evidence.
pub const MAX_MESSAGE: usize = 7 * 1024;
/// Most values of a message that are looked at.
const MAX_VALUES: usize = 256;
/// Longest id of a call.
const MAX_ID: usize = 36;
/// Longest name of a station.
const MAX_STATION: usize = 48;
/// The longest for which a station may be asked to say nothing, in seconds.
const MAX_HEARTBEAT_SECONDS: u64 = 300;

/// Whether a station can have this name: it stands in the address that the station connects to.
pub fn is_station(name: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'*' | b'=');
    !name.is_empty() && name.len() <= MAX_STATION && name.bytes().all(is_name)
}

/// What a station speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// OCPP 1.6.
    V16,
    /// OCPP 2.0.1.
    V201,
}

impl Version {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::V16, Self::V201];

    /// The WebSocket subprotocol.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
        }
    }
}

/// A station's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What its answer must carry.
    pub id: String,
    /// What it says.
    pub said: Said,
}

/// What a station says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It has started.
    Boot,
    /// It is there.
    Heartbeat,
    /// Somebody wants to charge.
    Authorize {
        /// What he shows: the number of a card, or another name.
        token: String,
    },
    /// A transaction has begun.
    Start {
        /// Who charges.
        token: String,
        /// The register at its begin.
        shown: Shown,
    },
    /// A transaction has begun, goes on or has ended, by 2.0.1.
    Event {
        /// The station's own name for it.
        transaction: String,
        /// Where, if that is said: it need not be said again after its begin.
        connector: Option<u32>,
        /// Whether it has begun.
        begins: bool,
        /// Who charges, if that is said.
        token: Option<String>,
        /// Registers and signed values; their connector is the transaction's.
        values: Vec<Shown>,
    },
    /// A transaction has ended.
    Stop {
        /// Which.
        transaction: i64,
        /// The register at its end; the connector is the transaction's.
        end: Shown,
        /// Registers and signed values of it.
        values: Vec<Shown>,
    },
    /// Registers and signed values.
    Values(Vec<Shown>),
    /// What needs no more than an answer.
    Other,
    /// What a station sends only to whoever asks for it, and nobody did.
    Unasked {
        /// Its name.
        action: String,
    },
    /// What this central system does not know.
    Unknown {
        /// Its name.
        action: String,
    },
}

/// A register, or a signed value, at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The connector, by 2.0.1 the EVSE; 0 is the station's main meter.
    pub connector: u32,
    /// When, by the station.
    pub time_ms: u64,
    /// What it showed.
    pub value: ShownValue,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownValue {
    /// A register.
    Register {
        /// How much.
        number: Number,
        /// Of what.
        unit: Unit,
    },
    /// What the device has signed, as it was signed.
    Signed(String),
    /// A text that is neither.
    Invalid(Sentence),
}

impl Shown {
    /// What the register says, as a telegram of `station`; none if it is a signed value.
    pub fn telegram(&self, station: &str) -> Option<Telegram> {
        let content = match &self.value {
            ShownValue::Register { number, unit } => Content::Number { number: *number, unit: *unit },
            ShownValue::Invalid(reason) => Content::Invalid(reason.clone()),
            ShownValue::Signed(_) => return None,
        };
        let record = Record { is_register: true, ..Record::new("forward_active_energy", content) };
        Some(telegram(format!("{station}/{}", self.connector), sentence!("register", "表底"), vec![record]))
    }
}

/// What was shown at a time; the versions differ in how they write one value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MeterValue<S> {
    timestamp: String,
    sampled_value: Vec<S>,
}

fn time(text: &str) -> Result<u64, Refused> {
    read_time(text).ok_or_else(|| invalid("timestamp", no_time(text)))
}

/// Reads a station's call. None if it answers a question of ours; nothing is asked. Order: length, form, action, its fields.
pub fn call(text: &str, version: Version) -> Result<Option<Call>, Refused> {
    if text.len() > MAX_MESSAGE {
        return Err(Refused::Oversize { bytes: text.len(), most: MAX_MESSAGE });
    }
    let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(|error| invalid("message", no_json(&error)))?;
    let [kind, id, action, payload] = parts[..] else {
        let is_answer = parts.first().is_some_and(|kind| matches!(kind.get(), "3" | "4"));
        return if is_answer {
            Ok(None)
        } else {
            Err(invalid("message", sentence!("it is no call of four parts", "不是由四部分组成的调用")))
        };
    };
    match kind.get() {
        "2" => {}
        "3" | "4" => return Ok(None),
        other => return Err(invalid("message", sentence!("{other} is no kind of message", "没有消息类型 {other}"))),
    }
    let id: String = serde_json::from_str(id.get()).map_err(|error| invalid("id", no_json(&error)))?;
    if id.len() > MAX_ID {
        let count = id.len();
        let reason = sentence!(
            "it has {count} characters, at most {MAX_ID} are allowed",
            "有 {count} 个字符，最多允许 {MAX_ID} 个"
        );
        return Err(invalid("id", reason));
    }
    let action: String = serde_json::from_str(action.get()).map_err(|error| invalid("action", no_json(&error)))?;
    if !payload.get().starts_with('{') {
        return Err(invalid("payload", sentence!("it is no object", "不是对象")));
    }
    let said = match (action.as_str(), version) {
        ("BootNotification", _) => Some(Said::Boot),
        ("Heartbeat", _) => Some(Said::Heartbeat),
        (_, Version::V16) => v16::said(&action, payload.get())?,
        (_, Version::V201) => v201::said(&action, payload.get())?,
    };
    let said = said.unwrap_or_else(|| Said::Unknown { action: action.chars().take(MAX_ID).collect() });
    Ok(Some(Call { id, said }))
}

/// An answer that says what is wrong, in at most 255 characters.
fn error(id: &str, code: &str, text: &str) -> String {
    let text = json!(text.chars().take(255).collect::<String>());
    Value::from(vec![json!(4), json!(id), json!(code), text, json!({})]).to_string()
}

/// What was shown at a connector; `shown_in` says what of it a sampled value is.
fn values<S, V: IntoIterator<Item = ShownValue>>(
    connector: u32,
    told: &[MeterValue<S>],
    shown_in: impl Fn(&S) -> Result<V, Refused>,
) -> Result<Vec<Shown>, Refused> {
    let count: usize = told.iter().map(|told| told.sampled_value.len()).sum();
    if count > MAX_VALUES {
        let reason = sentence!(
            "{count} values are more than the {MAX_VALUES} allowed",
            "有 {count} 个值，最多允许 {MAX_VALUES} 个"
        );
        return Err(invalid("meterValue", reason));
    }
    let mut shown = Vec::new();
    for told in told {
        let time_ms = time(&told.timestamp)?;
        for sampled in &told.sampled_value {
            shown.extend(shown_in(sampled)?.into_iter().map(|value| Shown { connector, time_ms, value }));
        }
    }
    Ok(shown)
}

/// Whether a field says `meant`, which it need not say.
fn is(field: Option<&str>, meant: &str) -> bool {
    field.is_none_or(|field| field == meant)
}

/// The imported active energy at the outlet over all phases: what is a register.
fn is_register(measurand: Option<&str>, location: Option<&str>, phase: Option<&str>) -> bool {
    is(measurand, "Energy.Active.Import.Register") && is(location, "Outlet") && phase.is_none()
}

/// A register in the unit that is said; `number` says why it is none otherwise.
fn register(unit: Option<&str>, number: Result<Number, Sentence>) -> ShownValue {
    let unit = match unit {
        None | Some("Wh") => Unit::WattHour,
        Some("kWh") => Unit::KilowattHour,
        Some(other) => {
            return ShownValue::Invalid(sentence!("{other:?} is no unit of a register", "{other:?} 不是表底的单位"));
        }
    };
    number.map_or_else(ShownValue::Invalid, |number| ShownValue::Register { number, unit })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedMeterValue {
    signed_meter_data: String,
    encoding_method: String,
}

/// What the device has signed, out of the document that the Open Charge Alliance's paper on signed values (1.0) puts around it; what
/// comes without one is taken as it is.
fn signed(text: String) -> String {
    let within = |document: SignedMeterValue| {
        let bytes = BASE64_STANDARD.decode(document.signed_meter_data).ok()?;
        String::from_utf8(bytes).ok().filter(|_| document.encoding_method == "OCMF")
    };
    serde_json::from_str(&text).ok().and_then(within).unwrap_or(text)
}

/// What the gateway knows when it answers a call.
#[derive(Debug, Clone, Copy)]
pub struct Answering {
    /// The time.
    pub now_ms: u64,
    /// How often its meters are read: a station that was heard in each interval is not silent.
    pub interval_ms: u64,
    /// The number of the transaction that begins.
    pub transaction: i64,
    /// Whether whoever charges may.
    pub is_known: bool,
}

/// The answer to a call.
pub fn answer(call: &Call, version: Version, knows: Answering) -> String {
    let Answering { now_ms, interval_ms, transaction, is_known } = knows;
    let status = json!({ "status": if is_known { "Accepted" } else { "Invalid" } });
    let now = Timestamp(now_ms).to_rfc3339();
    let payload = match &call.said {
        Said::Boot => {
            let heartbeat = (interval_ms / 1_000).clamp(1, MAX_HEARTBEAT_SECONDS);
            json!({ "status": "Accepted", "currentTime": now, "interval": heartbeat })
        }
        Said::Heartbeat => json!({ "currentTime": now }),
        Said::Authorize { .. } if version == Version::V201 => json!({ "idTokenInfo": status }),
        Said::Authorize { .. } => json!({ "idTagInfo": status }),
        Said::Start { .. } => json!({ "idTagInfo": status, "transactionId": transaction }),
        Said::Event { token: Some(_), .. } => json!({ "idTokenInfo": status }),
        Said::Event { .. } | Said::Stop { .. } | Said::Values(_) | Said::Other => json!({}),
        Said::Unasked { action } => {
            return error(&call.id, "NotSupported", &format!("no {action} was asked for, and none is kept"));
        }
        Said::Unknown { action } => {
            return error(&call.id, "NotImplemented", &format!("{action} is not known here"));
        }
    };
    Value::from(vec![json!(3), json!(call.id), payload]).to_string()
}

/// The answer to a call of which something could not be kept: the station says it again.
pub fn not_kept(call: &Call) -> String {
    error(&call.id, "InternalError", "not all of it could be kept: say it again later")
}

fn telegram(address: String, subject: Sentence, records: Vec<Record>) -> Telegram {
    Telegram {
        protocol: Protocol::Ocpp,
        direction: Direction::Reply,
        address,
        carrier: Some(Carrier::Electricity),
        subject,
        records,
    }
}

/// What a message says, without knowing who sent it.
pub fn decode(bytes: &[u8]) -> Result<Telegram, Refused> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| invalid("message", sentence!("{error}", "不是 UTF-8 文本")))?;
    // Some calls have the same name in both; their fields differ.
    let said = match call(text, Version::V16) {
        Ok(Some(Call { said: Said::Unknown { .. }, .. })) | Err(_) => match call(text, Version::V201) {
            Ok(Some(Call { said: Said::Unknown { .. }, .. })) | Err(_) => call(text, Version::V16),
            known => known,
        },
        known => known,
    };
    let Some(call) = said? else {
        return Err(invalid("message", sentence!("it is an answer, not a call", "是应答，不是调用")));
    };
    let (subject, shown) = match call.said {
        Said::Start { shown, .. } => (sentence!("a transaction begins", "交易开始"), vec![shown]),
        Said::Event { values, .. } => (sentence!("a transaction", "交易"), values),
        Said::Stop { end, values, .. } => (sentence!("a transaction ends", "交易结束"), [vec![end], values].concat()),
        Said::Values(shown) => (sentence!("registers", "表底"), shown),
        Said::Boot
        | Said::Heartbeat
        | Said::Authorize { .. }
        | Said::Other
        | Said::Unasked { .. }
        | Said::Unknown { .. } => (sentence!("no register", "无表底"), Vec::new()),
    };
    let connector = shown.first().map_or(String::new(), |shown| shown.connector.to_string());
    let records = shown.into_iter().flat_map(|shown| {
        let time = Record::new("time", Content::Text(Timestamp(shown.time_ms).to_rfc3339()));
        let record = match (&shown.value, shown.telegram("")) {
            (ShownValue::Signed(text), _) => Some(Record::new("signed", Content::Text(text.clone()))),
            (_, telegram) => telegram.and_then(|mut telegram| telegram.records.pop()),
        };
        [Some(time), record]
    });
    Ok(telegram(connector, subject, records.flatten().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let telegram = decode(text.as_bytes()).unwrap();
        telegram.records.iter().map(|record| format!("{}={}", record.what, record.content)).collect()
    }

    #[test]
    fn only_the_imported_energy_at_the_outlet_over_all_phases_is_a_register() {
        let with = |fields: &str| {
            format!(
                "[2,\"1\",\"MeterValues\",{{\"connectorId\":1,\"meterValue\":[{{\"timestamp\":\"2024-05-01T10:00:00Z\",\
                 \"sampledValue\":[{{\"value\":\"12.5\"{fields}}}]}}]}}]"
            )
        };
        let time = "time=2024-05-01T10:00:00.000Z".to_string();
        for (fields, expected) in [
            ("", "forward_active_energy=12.5 Wh"),
            (",\"unit\":\"kWh\",\"context\":\"Sample.Clock\"", "forward_active_energy=12.5 kWh"),
            (",\"unit\":\"varh\"", "forward_active_energy=invalid: \"varh\" is no unit of a register"),
            (",\"format\":\"SignedData\"", "signed=12.5"),
        ] {
            assert_eq!(shown(&with(fields)), [time.clone(), expected.into()], "{fields}");
        }
        for fields in [
            ",\"measurand\":\"Power.Active.Import\"",
            ",\"measurand\":\"Energy.Active.Export.Register\"",
            ",\"phase\":\"L1\"",
            ",\"location\":\"Inlet\"",
        ] {
            assert_eq!(shown(&with(fields)), Vec::<String>::new(), "{fields}");
        }
    }

    #[test]
    fn what_is_no_call_is_refused_and_answers_are_passed_over() {
        for text in [
            "",
            "{}",
            "[]",
            "[2]",
            "[5,\"1\",\"Heartbeat\",{}]",
            "[2,1,\"Heartbeat\",{}]",
            "[2,\"1\",\"MeterValues\",{}]",
        ] {
            assert!(call(text, Version::V16).is_err(), "{text}");
        }
        assert!(matches!(call(&" ".repeat(MAX_MESSAGE + 1), Version::V16), Err(Refused::Oversize { .. })));
        assert_eq!(call("[3,\"1\",{}]", Version::V16), Ok(None));
        assert_eq!(call("[4,\"1\",\"InternalError\",\"\",{}]", Version::V16), Ok(None));
    }

    const KNOWS: Answering =
        Answering { now_ms: 1_800_000_000_000, interval_ms: 900_000, transaction: 1, is_known: true };

    #[test]
    fn every_call_is_answered_with_its_own_id() {
        for (action, expected) in [
            ("Heartbeat", r#"[3,"7",{"currentTime":"2027-01-15T08:00:00.000Z"}]"#),
            ("StatusNotification", r#"[3,"7",{}]"#),
            ("Authorize", r#"[3,"7",{"idTagInfo":{"status":"Accepted"}}]"#),
            ("Dance", r#"[4,"7","NotImplemented","Dance is not known here",{}]"#),
        ] {
            let call = call(&format!("[2,\"7\",\"{action}\",{{}}]"), Version::V16).unwrap().unwrap();
            assert_eq!(answer(&call, Version::V16, KNOWS), expected);
        }
    }

    #[test]
    fn a_station_is_heard_in_each_interval() {
        let boot = call("[2,\"7\",\"BootNotification\",{}]", Version::V16).unwrap().unwrap();
        for (interval_ms, seconds) in [(10_000, 10), (1_500, 1), (900_000, 300)] {
            let answer = answer(&boot, Version::V16, Answering { interval_ms, ..KNOWS });
            assert!(answer.contains(&format!("\"interval\":{seconds},")), "{interval_ms}: {answer}");
        }
    }
}
