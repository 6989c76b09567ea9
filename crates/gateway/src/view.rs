//! What a telegram says, for programs: every number a string of its exact decimal, so that no reader makes a float of it.

use crate::number::{Number, Unit};
use crate::protocol::{Content, Direction, Protocol, Record, Refused, Telegram, from_hex};
use crate::reason::Sentence;
use serde::Serialize;
use utilidor_types::carrier::BaseUnit;
use utilidor_types::{Carrier, Quantity};

/// A telegram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TelegramView {
    /// The protocol.
    pub protocol: &'static str,
    /// `request` or `reply`.
    pub direction: &'static str,
    /// Who was asked, or answers.
    pub address: String,
    /// What the device measures, where the protocol says so.
    pub carrier: Option<Carrier>,
    /// What is asked or answered.
    pub subject: Sentence,
    /// The record that matters most: the register, or the only record.
    #[serde(flatten)]
    pub main: Option<RecordView>,
    /// All records.
    pub records: Vec<RecordView>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordView {
    /// What it is.
    pub what: String,
    /// The exact number, the time or the text; null where there is none.
    pub value: Option<Sentence>,
    /// The number's unit.
    pub unit: Option<&'static str>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without: Option<Sentence>,
    /// Whether it is the cumulative register of now, over all tariffs.
    pub register: bool,
    /// The register in whole base units of the carrier, rounded down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// The base unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_unit: Option<&'static str>,
    /// The tariff; 0 is all of them.
    pub tariff: u32,
    /// How many settlements ago it was stored; 0 is now.
    pub storage: u64,
}

impl TelegramView {
    /// The view of a telegram.
    pub fn of(telegram: &Telegram) -> Self {
        let views = |record: &Record| RecordView::of(record, telegram.carrier);
        let only = if telegram.records.len() == 1 { telegram.records.first() } else { None };
        Self {
            protocol: telegram.protocol.name(),
            direction: match telegram.direction {
                Direction::Request => "request",
                Direction::Reply => "reply",
            },
            address: telegram.address.clone(),
            carrier: telegram.carrier,
            subject: telegram.subject.clone(),
            main: telegram.register().or(only).map(views),
            records: telegram.records.iter().map(views).collect(),
        }
    }
}

impl RecordView {
    fn of(record: &Record, carrier: Option<Carrier>) -> Self {
        let (value, unit, without) = match &record.content {
            Content::Number { number, unit } => {
                (Some(Sentence::alike(number.to_string())), Some(*unit).filter(|unit| *unit != Unit::One), None)
            }
            Content::Time(_) | Content::Text(_) | Content::Told(_) => (Some(record.content.sentence()), None, None),
            Content::Absent => (None, None, Some(record.content.sentence())),
            Content::Invalid(reason) => (None, None, Some(reason.clone())),
        };
        let quantity = match &record.content {
            Content::Number { number, unit } if record.is_register => quantity(*number, *unit, carrier),
            _ => None,
        };
        Self {
            what: record.what.clone(),
            value,
            unit: unit.map(Unit::symbol),
            without,
            register: record.is_register,
            quantity,
            base_unit: quantity.and(carrier).map(|carrier| match carrier.base_unit() {
                BaseUnit::Joule => "J",
                BaseUnit::Millilitre => "mL",
            }),
            tariff: record.tariff,
            storage: record.storage,
        }
    }
}

fn quantity(number: Number, unit: Unit, carrier: Option<Carrier>) -> Option<Quantity> {
    number.quantity_floor(unit, carrier?).ok()
}

/// Whether a protocol's messages are documents, which people can read; others' are frames.
const fn is_text(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Json | Protocol::Ocpp | Protocol::Virtual)
}

/// The bytes of a message as it is written: a frame in hexadecimal, a document as it is, or in hexadecimal as evidence has it.
pub fn message(protocol: Protocol, written: &str) -> Result<Vec<u8>, Refused> {
    match from_hex(written) {
        // No document is made of hexadecimal digits alone.
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        _ if is_text(protocol) => Ok(written.as_bytes().to_vec()),
        other => other,
    }
}

/// The bytes of a message for people, of a bus or of records with this name: a document as it is, a virtual meter's with a line for each
/// part, a frame in hexadecimal.
pub fn shown(name: &str, bytes: &[u8]) -> String {
    match (name, str::from_utf8(bytes)) {
        // Between its parts white space says nothing: it is the same document.
        ("virtual", Ok(text)) => text
            .replace(",\"parts\":[", ",\n\"parts\":[\n ")
            .replace("},{\"sign\":", "},\n {\"sign\":")
            .replace("],\"now\":", "],\n\"now\":"),
        ("mqtt" | "ocpp" | "ocmf", Ok(text)) => text.into(),
        _ => hex::encode(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_register_stands_first_with_its_quantity() {
        let frame = from_hex("6861010000000068910833333433593333338a16").unwrap();
        let view = serde_json::to_value(TelegramView::of(&Protocol::Dlt645.decode(&frame).unwrap())).unwrap();
        assert_eq!(view["value"], "0.26");
        assert_eq!((&view["unit"], &view["carrier"]), (&"kWh".into(), &"electricity".into()));
        assert_eq!((&view["quantity"], &view["base_unit"]), (&"936000".into(), &"J".into()));
        assert_eq!(view["address"], "000000000161");
        assert_eq!(view["records"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn a_request_has_no_value() {
        let request = crate::protocol::modbus::Request {
            unit: 1,
            function: crate::protocol::modbus::Function::Holding,
            first: 0,
            count: 2,
        };
        let frame = request.frame(crate::protocol::modbus::Framing::Rtu, 0);
        let view = serde_json::to_value(TelegramView::of(&Protocol::Modbus.decode(&frame).unwrap())).unwrap();
        assert_eq!((&view["direction"], view.get("value")), (&"request".into(), None));
    }

    #[test]
    fn what_evidence_shows_of_a_document_is_decoded_again_as_text_and_in_hexadecimal() {
        let document = r#"[2,"1","MeterValues",{"connectorId":1}]"#;
        for written in [document.to_string(), hex::encode(document), shown("ocpp", document.as_bytes())] {
            assert_eq!(message(Protocol::Ocpp, &written).unwrap(), document.as_bytes(), "{written}");
        }
        let frame = "6861010000000068910833333433593333338a16";
        let bytes = message(Protocol::Dlt645, frame).unwrap();
        assert_eq!(shown("dlt645", &bytes), frame);
        assert_eq!(shown("mqtt", &[0xff, 0x00]), "ff00", "what is no text");
        assert_eq!(shown("mqtt", b"site/water"), "site/water");
        assert!(message(Protocol::Dlt645, "no frame").is_err());
        let part =
            |sign| format!(r#"{{"sign":"{sign}","meter":"{}","now":{{"time_ms":2,"register":"5"}}}}"#, "07".repeat(16));
        let sum = format!(
            r#"{{"carrier":"water","before":{{"time_ms":1,"register":"9"}},"parts":[{},{}],"now":{{"time_ms":2,"register":"9"}}}}"#,
            part('+'),
            part('-')
        );
        let lines = shown("virtual", sum.as_bytes());
        assert_eq!(lines.lines().count(), 5, "a line for each part: {lines}");
        let decoded = |text: &str| Protocol::Virtual.decode(&message(Protocol::Virtual, text).unwrap()).unwrap();
        assert_eq!(decoded(&lines), decoded(&sum), "the same document");
    }
}
