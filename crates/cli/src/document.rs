//! Documents that people write in JSON: read strictly, with what people write instead of what is stored.
//!
//! A field that the document does not have is refused, as is one that stands twice, and every mistake is told with the path of its field. Where a document
//! holds an instant, RFC 3339 such as `2025-01-31T08:00:00+08:00` may stand; where it holds a quantity, one with its unit such
//! as `1200 kWh`; where it holds a number of milliseconds (`..._ms`), a duration such as `90m`. A text stays a text, whatever
//! it says: only what the document cannot take as it stands is read so.

use crate::context::read_file;
use crate::failure::Failure;
use crate::said;
use crate::sentence::Said;
use crate::units::{self, Amount};
use serde::de::{DeserializeOwned, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_path_to_error::{Path as FieldPath, Segment};
use std::fmt;
use std::path::Path;
use utilidor_types::time::DAY_MS;
use utilidor_types::{Carrier, Quantity, Timestamp};
use utilidor_view::show;

/// Fields that hold an instant. In any other field a time would be taken for a number of something else.
const INSTANTS: [&str; 10] =
    ["at", "from", "gate_closes", "issued", "lapses", "published", "sign_by", "since", "time", "to"];
/// The field whose own fields are named by a program.
const PARAMETERS: &str = "parameters";
/// The field that holds days.
const HOLIDAYS: &str = "holidays";
/// Length of a date such as `2025-01-31`.
const DATE_LENGTH: usize = 10;
/// Fields that hold a quantity. Elsewhere, as in a price, one with a unit would be taken for money.
const QUANTITIES: [&str; 9] = [
    "capacity_per_hour",
    "certified",
    "fill",
    "grace",
    "low_balance",
    "per_hour",
    "quantity",
    "register",
    "register_modulus",
];

/// Reads a document; `example` names the command that prints one.
pub fn read<T: DeserializeOwned>(path: &Path, what: Said, example: &str) -> Result<T, Failure> {
    of_value(read_value(path, what.clone(), example)?, path, what, example)
}

/// Reads one that people write, in which quantities have units.
pub fn read_of_people<T: DeserializeOwned>(path: &Path, what: Said, example: &str) -> Result<T, Failure> {
    of_people(read_value(path, what.clone(), example)?, path, what, example)
}

/// Reads a document of which only the form is known: JSON.
pub fn read_value(path: &Path, what: Said, example: &str) -> Result<Value, Failure> {
    let bytes = read_file(path)?;
    // Editors on Windows begin a file with it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(bad(path, what, example, &said!("it is empty", "它是空的")));
    }
    let read: Result<Once, _> = serde_json::from_slice(bytes);
    read.map(|Once(document)| document).map_err(|error| {
        let reason = match error.is_data() {
            true => unfit(&error),
            false => said!("it is no JSON: {error}", "它不是 JSON：{error}"),
        };
        bad(path, what, example, &reason)
    })
}

/// A document in which no field stands twice: of two values nobody knows which was meant.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Once(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(items.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut fields = serde_json::Map::new();
                while let Some((name, Once(value))) = map.next_entry::<String, _>()? {
                    if fields.contains_key(&name) {
                        return Err(Error::custom(format_args!("field {name} stands twice")));
                    }
                    fields.insert(name, value);
                }
                Ok(fields.into())
            }
        }
        from.deserialize_any(Any).map(Self)
    }
}

/// What a document that was read before says.
pub fn of_value<T: DeserializeOwned>(document: Value, path: &Path, what: Said, example: &str) -> Result<T, Failure> {
    parse(document).map_err(|reason| bad(path, what, example, &reason))
}

/// Reads a document that people write, of which only the form is known so far: a quantity without a unit, which what is stored has,
/// would be taken for joules or millilitres.
pub fn of_people<T: DeserializeOwned>(
    mut document: Value,
    path: &Path,
    what: Said,
    example: &str,
) -> Result<T, Failure> {
    let mut bare = None;
    walk(&mut document, None, "", "", &mut |place, field, value, carrier| {
        if let Some(text) = value.as_str().filter(|text| is_bare(field, text)) {
            bare = bare.take().or_else(|| unitless(text, carrier).map(|reason| at(place, &reason)));
        }
    });
    match bare {
        Some(reason) => Err(bad(path, what, example, &reason)),
        None => of_value(document, path, what, example),
    }
}

/// What is stored as people write it: quantities with units, instants and holidays by the calendar.
pub fn for_people<T: Serialize>(stored: &T) -> Value {
    let mut document = serde_json::to_value(stored).expect("documents are plain data");
    walk(&mut document, None, "", "", &mut |_, field, value, carrier| {
        let text: Option<String> = match (&*value, carrier) {
            (Value::String(text), Some(carrier)) if is_bare(field, text) => {
                text.parse().ok().map(|quantity| units::exactly(Quantity(quantity), carrier))
            }
            (Value::Number(number), _) => number.as_u64().and_then(|number| match field {
                HOLIDAYS => {
                    Some(show::shown(Timestamp(number.saturating_mul(DAY_MS)), 0).chars().take(DATE_LENGTH).collect())
                }
                // What is less counts minutes or hours of a day.
                field if INSTANTS.contains(&field) && number >= DAY_MS => Some(show::shown(Timestamp(number), 0)),
                _ => None,
            }),
            _ => None,
        };
        if let Some(text) = text {
            *value = text.into();
        }
    });
    document
}

/// What is wrong with a bare quantity. It may come from what a node stores, so it is told what it would be there.
fn unitless(text: &str, carrier: Option<Carrier>) -> Option<Said> {
    let reason = text.parse::<Amount>().err()?;
    Some(match (carrier, text.parse()) {
        (Some(carrier), Ok(stored)) => {
            let stored = units::exactly(Quantity(stored), carrier);
            said!("{reason}; if a node has stored it, it is {stored}", "{reason}；若取自节点所存，则为 {stored}")
        }
        _ => reason,
    })
}

fn is_bare(field: &str, text: &str) -> bool {
    QUANTITIES.contains(&field) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Shows what stands in a document: each value with its place, as that of a mistake is written, the name of its field, and the carrier
/// beside or above it. What a sheet's parameters are only the program's manifest says, whatever their names.
fn walk(
    value: &mut Value,
    carrier: Option<Carrier>,
    place: &str,
    field: &str,
    see: &mut impl FnMut(&str, &str, &mut Value, Option<Carrier>),
) {
    see(place, field, value, carrier);
    match value {
        Value::Object(fields) => {
            let named = fields.get("carrier").and_then(Value::as_str).and_then(|named| named.parse().ok());
            for (name, value) in fields.iter_mut().filter(|(name, _)| *name != PARAMETERS) {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                walk(value, named.or(carrier), &place, name, see);
            }
        }
        Value::Array(items) => {
            for (number, value) in items.iter_mut().enumerate() {
                walk(value, carrier, &format!("{place}[{number}]"), field, see);
            }
        }
        _ => {}
    }
}

/// A file as people call it.
pub fn named(path: &Path) -> Said {
    match path == Path::new("-") {
        true => said!("standard input", "标准输入"),
        false => said!("{}", "{}", path.display()),
    }
}

fn bad(path: &Path, what: Said, example: &str, reason: &Said) -> Failure {
    let file = named(path);
    Failure::usage(said!("{file} is no {what}: {reason}", "{file} 不是{what}：{reason}"))
        .next(said!("see a valid one: utilidor {example}", "查看有效示例：utilidor {example}"))
}

/// What does not fit, as the reader of documents says it.
fn unfit(error: &serde_json::Error) -> Said {
    said!("{error}", "内容不符（{error}）")
}

fn parse<T: DeserializeOwned>(mut document: Value) -> Result<T, Said> {
    let mut translated = Vec::new();
    loop {
        let mut unknown = Vec::new();
        let mut note = |path: serde_ignored::Path<'_>| unknown.push(written(&path));
        match serde_path_to_error::deserialize(serde_ignored::Deserializer::new(&document, &mut note)) {
            Ok(_) if !unknown.is_empty() => {
                let (fields, have) = if unknown.len() == 1 { ("field", "is") } else { ("fields", "are") };
                let unknown = unknown.join(", ");
                return Err(said!("{fields} {unknown} {have} unknown", "没有字段 {unknown}"));
            }
            Ok(value) => return Ok(value),
            Err(error) => {
                let place = error.path().to_string();
                let told = || match place.as_str() {
                    "." => unfit(error.inner()),
                    place => at(place, &unfit(error.inner())),
                };
                // What has been translated and still does not fit is what is wrong.
                if translated.contains(&place) {
                    return Err(told());
                }
                match translate(&mut document, error.path()) {
                    Some(Ok(())) => translated.push(place),
                    Some(Err(reason)) => return Err(at(&place, &reason)),
                    None => return Err(told()),
                }
            }
        }
    }
}

/// What is wrong, with the path of its field.
fn at(place: &str, reason: &Said) -> Said {
    said!("{place}: {reason}", "{place}：{reason}")
}

/// A field's path as the path of a mistake is written: `lots[0].price`.
fn written(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", written(parent)),
        Path::Map { parent, key } => match written(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => written(parent),
    }
}

/// Puts what is stored in the place of what people write, where a text stands at `path`. None if it is nothing of that kind.
fn translate(document: &mut Value, path: &FieldPath) -> Option<Result<(), Said>> {
    let mut value = document;
    let mut carrier = None;
    let mut field = String::new();
    for segment in path.iter() {
        if let Some(named) = value.get("carrier").and_then(Value::as_str) {
            carrier = named.parse::<Carrier>().ok();
        }
        value = match segment {
            Segment::Seq { index } => value.get_mut(*index)?,
            Segment::Map { key } | Segment::Enum { variant: key } => {
                field.clone_from(key);
                value.get_mut(key.as_str())?
            }
            Segment::Unknown => return None,
        };
    }
    let text = value.as_str()?;
    let field = field.as_str();
    if INSTANTS.contains(&field) {
        *value = units::written_time(text)?.0.into();
        return Some(Ok(()));
    }
    if field == HOLIDAYS {
        let day = units::written_time(&format!("{text}T00:00:00Z"));
        let reason =
            || said!("{text:?} is no day: write for example 2027-01-01", "{text:?} 不是日期：例如写 2027-01-01");
        return Some(day.ok_or_else(reason).map(|day| *value = (day.0 / DAY_MS).into()));
    }
    if field.ends_with("_ms") {
        *value = units::duration_ms(text).ok()?.into();
        return Some(Ok(()));
    }
    if !QUANTITIES.contains(&field) || !text.starts_with(|character: char| character.is_ascii_digit()) {
        return None;
    }
    let quantity = text.parse::<Amount>().and_then(|amount| match carrier {
        Some(carrier) => amount.of(carrier),
        None => Err(said!(
            "a quantity with a unit can stand only beside its carrier",
            "带单位的数量只能写在其能源品种（carrier）旁边"
        )),
    });
    Some(quantity.map(|quantity| *value = quantity.to_string().into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::offer;
    use serde_json::json;
    use utilidor_types::{Offer, Quantity, Timestamp};

    fn example() -> Value {
        json!(offer::example(Timestamp(1_735_660_800_000)))
    }

    #[test]
    fn a_price_takes_no_quantity_and_a_share_no_instant() {
        let refused = |path: &str, value: &str| {
            let mut document = example();
            *document.pointer_mut(path).unwrap() = json!(value);
            parse::<Offer>(document).unwrap_err().to_string()
        };
        assert!(refused("/lots/0/asking_price/money", "1200 kWh").starts_with("lots[0].asking_price"));
        assert!(refused("/terms/deposit_permille", "1970-01-01T00:00:00.100Z").starts_with("terms.deposit_permille"));
        assert!(refused("/terms/grace_ms", "1970-01-01T01:00:00Z").starts_with("terms.grace_ms"));
    }

    #[test]
    fn a_field_that_stands_twice_is_refused_wherever_it_stands() {
        let read = |text: &str| serde_json::from_str::<Once>(text).map(|Once(value)| value);
        let refused = read(r#"{"a": 1, "b": [{"c": 1, "d": {}, "c": 1}]}"#).unwrap_err().to_string();
        assert!(refused.starts_with("field c stands twice at line 1"), "{refused}");
        let text = r#"{"a":[1,-2,true,null,"x",0.5,18446744073709551615],"b":{"a":{}}}"#;
        assert_eq!(read(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn times_quantities_and_durations_stand_as_people_write_them() {
        let mut document = example();
        document["window"] = json!({ "from": "2025-01-01T02:00:00+08:00", "to": "2025-01-01T06:00:00+08:00" });
        document["lots"][0]["quantity"] = json!("1200 kWh");
        document["terms"]["grace_ms"] = json!("90m");
        document["notice"] = json!("2025-01-01T02:00:00+08:00");

        let offer: Offer = parse(document).unwrap();
        assert_eq!(offer.window.from, Timestamp(1_735_668_000_000));
        assert_eq!(offer.lots[0].quantity, Quantity(1_200 * 3_600_000));
        assert_eq!(offer.terms.grace_ms, 5_400_000);
        assert_eq!(offer.notice.to_string(), "2025-01-01T02:00:00+08:00", "a text stays a text");
        assert_eq!(parse::<Offer>(example()).unwrap().label, Default::default(), "what is stored is read as well");
    }

    #[test]
    fn what_is_shown_to_people_is_read_as_what_is_stored_and_a_bare_quantity_is_not() {
        let shown = for_people(&example());
        assert_eq!(shown["window"]["from"], json!("2024-12-31T19:00:00Z"), "{shown}");
        let read = |document| {
            of_people::<Offer>(document, Path::new("offer.json"), said!("offer", "要约文件"), "offer example")
        };
        assert_eq!(read(shown.clone()).unwrap(), parse(example()).unwrap());
        let mut bare = shown;
        bare["lots"][0]["quantity"] = json!("1200");
        let told = read(bare).unwrap_err().what().to_string();
        assert!(told.contains("lots[0].quantity: \"1200\" has no unit"), "{told}");
        assert!(told.ends_with("if a node has stored it, it is 1200 J"), "{told}");
    }

    #[test]
    fn a_programs_own_parameter_may_be_called_as_a_quantity_is() {
        #[derive(Deserialize, Debug, PartialEq)]
        struct Sheet {
            parameters: std::collections::BTreeMap<String, String>,
        }
        let document = json!({ "parameters": { "grace": "3", "fill": "2" } });
        let read: Sheet = of_people(document, Path::new("-"), said!("sheet", "参数表"), "program new").unwrap();
        assert_eq!(read.parameters["grace"], "3");
    }

    #[test]
    fn a_holiday_that_is_no_day_says_how_one_is_written() {
        #[derive(Deserialize, Debug)]
        struct Calendar {
            #[expect(dead_code, reason = "it is not read")]
            holidays: Vec<u16>,
        }
        let told = parse::<Calendar>(json!({ "holidays": ["2027-1-1"] })).unwrap_err().to_string();
        assert_eq!(told, "holidays[0]: \"2027-1-1\" is no day: write for example 2027-01-01");
    }

    #[test]
    fn mistakes_are_told_with_the_path_of_their_field() {
        let told = |path: &str, value: Value| {
            let mut document = example();
            *document.pointer_mut(path).unwrap() = value;
            parse::<Offer>(document).unwrap_err().to_string()
        };
        assert_eq!(
            told("/lots/0/quantity", json!("12 m3")),
            "lots[0].quantity: electricity is measured in kWh, GJ or J, not in m3"
        );
        assert!(told("/lots/0/quantity", json!("12 foo")).starts_with("lots[0].quantity: \"foo\" is no unit"));
        assert!(told("/lots/0/quantity", json!("many")).starts_with("lots[0].quantity: "));
        assert!(told("/gate_closes", json!("tomorrow")).starts_with("gate_closes: invalid type: string"));
        assert!(told("/lots/0/user_metered", json!("12 kWh")).starts_with("lots[0].user_metered: "));
        assert!(told("/window", json!({})).starts_with("window: missing field"));
    }

    #[test]
    fn fields_that_a_document_does_not_have_are_refused() {
        let mut document = example();
        document["terms"]["deposit_permil"] = json!(5);
        document["colour"] = json!("red");
        let told = parse::<Offer>(document).unwrap_err().to_string();
        assert_eq!(told, "fields colour, terms.deposit_permil are unknown");
    }
}
