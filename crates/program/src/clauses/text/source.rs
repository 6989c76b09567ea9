//! The source form of a sheet: what is parsed again is the same sheet.

use super::super::tree::Node;
use super::super::{Cadence, Label, Named, Sheet};
use super::{is_in_heat, number, stretches, unit_word};
use std::fmt::Write as _;
use utilidor_types::agreement::Party;

/// How tightly parts hold together; a part that holds less tightly stands in brackets.
const ELSE: u8 = 0;
const SUM: u8 = 1;
const PRODUCT: u8 = 2;
const ATOM: u8 = 3;

/// A sheet's source.
pub fn source(sheet: &Sheet) -> String {
    let mut text = String::from("clauses 1;\n");
    let label = |label: &Label| format!("\"{}\" \"{}\"", &*label.en, &*label.zh);
    let named = |named: &Named| (named.name.to_string(), label(&named.label));
    let mut line = |line: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{line};");
    };
    line(format!("title {}", label(&sheet.title)));
    let periods = &sheet.periods;
    let date = periods.begin.date(periods.offset_minutes);
    let cadence = match periods.cadence {
        Cadence::Day => "day",
        Cadence::Month => "month",
    };
    let (sign, minutes) =
        (if periods.offset_minutes < 0 { '-' } else { '+' }, u32::from(periods.offset_minutes.unsigned_abs()));
    line(format!(
        "periods {cadence} from {:04}-{:02}-{:02} at {sign}{:02}:{:02}, {} times, settled after {} hours",
        date.year,
        date.month,
        date.day,
        minutes / 60,
        minutes % 60,
        periods.count,
        periods.grace_hours
    ));
    let [owner, user] = sheet.reserves.map(|money| super::decimal(i64::try_from(money.0).unwrap_or(i64::MAX), 6));
    line(format!("reserve owner {owner} money, user {user} money"));
    for meter in &sheet.meters {
        let (name, label) = named(&meter.named);
        line(format!("meter {name} {} {label}", meter.carrier));
    }
    for band in &sheet.bands {
        let (name, label) = named(&band.named);
        let hours: Vec<String> = stretches(band.hours).iter().map(|(from, to)| format!("{from}-{to}")).collect();
        line(format!("band {name} {} {label}", hours.join(" ")));
    }
    for index in &sheet.indices {
        let (name, label) = named(&index.named);
        line(format!("index {name} {} {} {label}", index.index, unit_word(index.unit)));
    }
    for definition in &sheet.definitions {
        let (name, label) = named(&definition.named);
        let value = expression(sheet, &definition.value);
        line(format!("let {name} {} {label} = {value}", unit_word(definition.unit)));
    }
    for payment in &sheet.payments {
        let payer = if payment.from == Party::OWNER { "owner" } else { "user" };
        let meter = payment.meter.and_then(|meter| sheet.meters.get(usize::from(meter)));
        let meter = meter.map_or_else(String::new, |meter| format!(" for {}", &*meter.named.name));
        line(format!("pay {payer} {}{meter} = {}", label(&payment.label), expression(sheet, &payment.amount)));
    }
    text
}

/// An expression's source. One that was not checked shows `?` where something is missing.
fn expression(sheet: &Sheet, nodes: &[Node]) -> String {
    let mut waiting: Vec<(String, u8)> = Vec::new();
    for node in nodes {
        let operands = waiting.split_off(waiting.len().saturating_sub(node.operands()));
        waiting.push(written(sheet, node, &operands));
    }
    waiting.pop().map_or_else(|| "?".into(), |(text, _)| text)
}

fn written(sheet: &Sheet, node: &Node, operands: &[(String, u8)]) -> (String, u8) {
    let text = |place: usize| operands.get(place).map_or("?", |(text, _)| text);
    let held = |place: usize, holds: u8| {
        let (text, own) = operands.get(place).map_or(("?", ATOM), |(text, own)| (text, *own));
        if own < holds { format!("({text})") } else { text.to_owned() }
    };
    let both = |sign: &str, holds: u8| (format!("{} {sign} {}", held(0, holds), held(1, holds + 1)), holds);
    let meter = |place: u8| sheet.meters.get(usize::from(place)).map_or("?", |one| &one.named.name);
    let index = |place: u8| sheet.indices.get(usize::from(place)).map_or("?", |one| &one.named.name);
    let definition = |place: u8| sheet.definitions.get(usize::from(place)).map_or("?", |one| &one.named.name);
    let call = |name: &str| {
        let operands: Vec<&str> = operands.iter().map(|(text, _)| text.as_str()).collect();
        (format!("{name}({})", operands.join(", ")), ATOM)
    };
    let in_heat = is_in_heat(sheet);
    match node {
        Node::Number(value, unit) => (number(*value, *unit, in_heat), ATOM),
        Node::Sum { meter: of, band: None } => (format!("sum({})", meter(*of)), ATOM),
        Node::Sum { meter: of, band: Some(band) } => {
            let found = usize::from(*band).checked_sub(1).map(|place| sheet.bands.get(place));
            let band = found.map_or("other", |band| band.map_or("?", |band| &band.named.name));
            (format!("sum({}, {band})", meter(*of)), ATOM)
        }
        Node::Index { index: of, notice_hours: 0 } => (format!("index({})", index(*of)), ATOM),
        Node::Index { index: of, notice_hours } => {
            (format!("index({}, notice {notice_hours} hours)", index(*of)), ATOM)
        }
        Node::Defined(place) => (definition(*place).into(), ATOM),
        Node::Before(place) => (format!("before({})", definition(*place)), ATOM),
        Node::Length => ("length".into(), ATOM),
        Node::Add => both("+", SUM),
        Node::Subtract => both("-", SUM),
        Node::Times => both("*", PRODUCT),
        Node::Else => both("else", ELSE),
        Node::Min => call("min"),
        Node::Max => call("max"),
        Node::Share => call("share"),
        Node::Table { of, rows, above, unit } => {
            let rows = rows.iter().map(|(limit, value)| {
                format!(", up to {}: {}", number(*limit, *of, in_heat), number(*value, *unit, in_heat))
            });
            (format!("table({}{}, above: {})", text(0), rows.collect::<String>(), number(*above, *unit, in_heat)), ATOM)
        }
    }
}
