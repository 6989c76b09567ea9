//! Registers in JSON documents, as collectors publish them over MQTT.
//!
//! A document is read without floats: a number's own digits are what counts, as a JSON number or as a string of one. A reading needs
//! the time that the device gives it; when a broker hands it on says nothing.

use super::{Content, Direction, Protocol, Record, Refused, Telegram};
use crate::number::{Number, Step};
use crate::reason::{Sentence, sentence};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use utilidor_types::Timestamp;

/// Longest document.
pub const MAX_DOCUMENT: usize = 4_096;
/// Most steps of a pointer.
pub const MAX_DEPTH: usize = 8;
/// How deep a document may be nested.
const MAX_NESTING: usize = 64;
/// Most characters of a field's name that are told.
const MAX_NAME: usize = 64;
/// Most digits of a number.
const MAX_DIGITS: usize = 18;
/// What is smaller by more than a register's digits is none.
const LEAST_EXPONENT: i8 = -(MAX_DIGITS as i8);

/// Where a document has its register and its time: names joined by `/`, such as `/meter/energy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The register.
    pub value: String,
    /// The time: RFC 3339, or Unix seconds or milliseconds.
    pub time: String,
    /// How much one counts.
    pub step: Step,
}

/// A register and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it says.
    pub telegram: Telegram,
    /// When the register showed it, in Unix milliseconds.
    pub time_ms: u64,
}

/// What a document says. `topic` is who says it.
pub fn decode(bytes: &[u8], topic: &str, description: &Description) -> Result<Document, Refused> {
    if bytes.len() > MAX_DOCUMENT {
        return Err(Refused::Oversize { bytes: bytes.len(), most: MAX_DOCUMENT });
    }
    let document: &RawValue = serde_json::from_slice(bytes).map_err(|error| invalid("document", no_json(&error)))?;
    refuse_twice(document, MAX_NESTING)?;
    let value = scalar(document, &description.value)?;
    let time = scalar(document, &description.time)?;
    let time_ms = read_time(&time).ok_or_else(|| invalid("time", no_time(&time)))?;
    let content = match value.as_str() {
        "null" | "" => Content::Absent,
        text => {
            let number = decimal(text).and_then(|number| number.times(description.step.number));
            let number = number.ok_or_else(|| invalid("register", no_decimal(text)))?;
            Content::Number { number, unit: description.step.unit }
        }
    };
    let telegram = Telegram {
        protocol: Protocol::Json,
        direction: Direction::Reply,
        address: topic.into(),
        carrier: None,
        subject: sentence!("register of {}", "{} 的表底", Timestamp(time_ms).to_rfc3339()),
        records: vec![Record { is_register: true, ..Record::new("register", content) }],
    };
    Ok(Document { telegram, time_ms })
}

pub(super) fn invalid(what: &str, reason: Sentence) -> Refused {
    Refused::Invalid { what: what.into(), reason }
}

/// Why a text is not the document that it should be; what the reader of JSON says of it is English.
pub(super) fn no_json(error: &serde_json::Error) -> Sentence {
    use serde_json::error::Category;
    match error.classify() {
        Category::Eof => sentence!("{error}", "JSON 不完整"),
        Category::Syntax | Category::Io => {
            let (line, column) = (error.line(), error.column());
            sentence!("{error}", "第 {line} 行第 {column} 列不合 JSON 语法")
        }
        Category::Data => sentence!("{error}", "JSON 的字段不符（{error}）"),
    }
}

/// A text that is no time.
pub(super) fn no_time(text: &str) -> Sentence {
    sentence!("{text:?} is no time", "{text:?} 不是时间")
}

/// A text that is no number.
pub(super) fn no_decimal(text: &str) -> Sentence {
    sentence!("{text:?} is no decimal number", "{text:?} 不是十进制数")
}

/// Refuses a document in which a field stands twice, wherever: readers of JSON differ in which of them counts. Order: the document's.
fn refuse_twice(document: &RawValue, deeper: usize) -> Result<(), Refused> {
    let text = document.get();
    if deeper == 0 {
        return Err(invalid(
            "document",
            sentence!("it is nested more than {MAX_NESTING} deep", "嵌套超过 {MAX_NESTING} 层"),
        ));
    }
    let read = |error: serde_json::Error| invalid("document", no_json(&error));
    match text.as_bytes().first() {
        Some(b'{') => {
            let Fields(fields) = serde_json::from_str(text).map_err(read)?;
            let mut names = BTreeSet::new();
            for (name, value) in fields {
                if !names.insert(name.clone()) {
                    return Err(Refused::FieldTwice { field: name.chars().take(MAX_NAME).collect() });
                }
                refuse_twice(value, deeper - 1)?;
            }
            Ok(())
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(read)?;
            items.into_iter().try_for_each(|item| refuse_twice(item, deeper - 1))
        }
        _ => Ok(()),
    }
}

/// An object's fields as they stand there.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

/// The number, string or null that a pointer leads to, as text.
fn scalar(document: &RawValue, pointer: &str) -> Result<String, Refused> {
    let missing = || invalid(pointer, sentence!("the document does not hold it", "文档中没有"));
    let mut value = document;
    for name in pointer.trim_start_matches('/').split('/').take(MAX_DEPTH) {
        let fields: BTreeMap<String, &RawValue> = serde_json::from_str(value.get()).map_err(|_| missing())?;
        value = fields.get(name).copied().ok_or_else(missing)?;
    }
    let text = value.get();
    if text.starts_with('"') {
        return serde_json::from_str(text).map_err(|_| missing());
    }
    if text.starts_with(['{', '[', 't', 'f']) {
        return Err(invalid(pointer, sentence!("it is neither a number nor a text", "既不是数值也不是文本")));
    }
    Ok(text.into())
}

/// The exact number of a decimal text, with or without an exponent.
pub(super) fn decimal(text: &str) -> Option<Number> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i8>().ok().filter(|it| *it >= LEAST_EXPONENT)?),
        None => (text, 0),
    };
    let (sign, magnitude) = mantissa.strip_prefix('-').map_or((1, mantissa), |magnitude| (-1, magnitude));
    let (whole, decimals) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() + decimals.len() > MAX_DIGITS || !is_number(whole) || !is_number(decimals) {
        return None;
    }
    let digits: i64 = format!("{whole}{decimals}").parse().ok()?;
    Number::decimal(sign * digits, decimals.len() as u8).times_ten_to(exponent)
}

/// Unix seconds, Unix milliseconds or RFC 3339.
pub(super) fn read_time(text: &str) -> Option<u64> {
    /// Beyond this a whole number counts milliseconds: as seconds it would be in the year 5138.
    const MOST_SECONDS: u64 = 100_000_000_000;
    match text.parse::<u64>() {
        Ok(seconds) if seconds < MOST_SECONDS => seconds.checked_mul(1_000),
        Ok(ms) => Some(ms),
        Err(_) => u64::try_from(text.parse::<jiff::Timestamp>().ok()?.as_millisecond()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::Carrier;

    fn description() -> Description {
        Description { value: "/meter/volume".into(), time: "/ts".into(), step: "1m3".parse().unwrap() }
    }

    fn read(document: &str) -> Result<Document, Refused> {
        decode(document.as_bytes(), "site/water-1", &description())
    }

    #[test]
    fn numbers_are_their_own_digits_and_never_floats() {
        // As a float this is 90071992547.40993 or so.
        let document = read(r#"{"meter":{"volume":90071992547.409931},"ts":1800000000}"#).unwrap();
        assert_eq!(document.telegram.register().unwrap().content.to_string(), "90071992547.409931 m3");
        assert_eq!(document.time_ms, 1_800_000_000_000);
        for (value, shown) in [("12", "12 m3"), ("\"12.50\"", "12.50 m3"), ("1.25e1", "12.5 m3"), ("null", "absent")] {
            let document = read(&format!(r#"{{"meter":{{"volume":{value}}},"ts":"2027-01-15T08:00:00Z"}}"#)).unwrap();
            assert_eq!(document.telegram.register().unwrap().content.to_string(), shown);
            assert_eq!(document.time_ms, 1_800_000_000_000);
        }
        let low = read(r#"{"meter":{"volume":-1},"ts":1800000000}"#).unwrap();
        assert!(low.telegram.quantity_floor(Carrier::Water).is_err());
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_by_its_name_wherever_it_is() {
        for (document, field) in [
            (r#"{"meter":{"volume":1,"volume":2},"ts":1800000000}"#, "volume"),
            (r#"{"meter":{"volume":1},"ts":1800000000,"ts":1800000001}"#, "ts"),
            (r#"{"meter":{"volume":1},"meter":{"volume":1},"ts":1800000000}"#, "meter"),
            // The same name, written otherwise.
            (r#"{"meter":{"volume":1,"vol\u0075me":2},"ts":1800000000}"#, "volume"),
            (r#"{"meter":{"volume":1},"ts":1800000000,"rest":[[{"a":1,"a":1}]]}"#, "a"),
        ] {
            assert_eq!(read(document).unwrap_err(), Refused::FieldTwice { field: field.into() }, "{document}");
        }
        assert!(read(r#"{"meter":{"volume":1,"a":1},"a":[{"a":1},{"a":2}],"ts":1800000000}"#).is_ok());
        // Deep, and as long as a document may be.
        let deep =
            format!(r#"{{"meter":{{"volume":1}},"ts":1800000000,"x":{}{}}}"#, "[".repeat(1_900), "]".repeat(1_900));
        assert!(read(&deep).is_err());
    }

    #[test]
    fn refuses_documents_without_register_or_time() {
        for document in [
            "",
            "[]",
            "{}",
            r#"{"meter":{"volume":1}}"#,
            r#"{"meter":{"volume":1},"ts":null}"#,
            r#"{"meter":{"volume":1},"ts":"soon"}"#,
            r#"{"meter":{"volume":true},"ts":1800000000}"#,
            r#"{"meter":{"volume":{}},"ts":1800000000}"#,
            r#"{"meter":{"volume":"1,5"},"ts":1800000000}"#,
            r#"{"meter":{"volume":1e99},"ts":1800000000}"#,
            r#"{"meter":{"volume":1E-30},"ts":1800000000}"#,
            r#"{"meter":{"volume":1E-19},"ts":1800000000}"#,
            r#"{"meter":[1],"ts":1800000000}"#,
            r#"{"meter":{"volume":1},"ts":1800000000} x"#,
        ] {
            assert!(read(document).is_err(), "{document}");
        }
        assert!(matches!(read(&" ".repeat(MAX_DOCUMENT + 1)), Err(Refused::Oversize { .. })));
        // A document that is nothing but depth.
        assert!(read(&"[".repeat(4_000)).is_err());
    }
}
