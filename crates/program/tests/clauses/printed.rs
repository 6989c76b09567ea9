//! What is signed is what is read: every sheet is printed so that reading it gives the same sheet.

use super::support::*;
use proptest::prelude::*;
use utilidor_program::clauses::text::{Language, parse, prose, source as printed};
use utilidor_program::clauses::tree::{Expression, MAX_NODES};
use utilidor_program::clauses::{Node, Sheet, Unit, check_sheet};
use utilidor_types::*;

const PER: PriceUnit = PriceUnit::KilowattHour;

/// Bytes that choices are made by; none left means the simplest choice.
struct Choices(std::vec::IntoIter<u8>);

impl Choices {
    fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }

    fn number(&mut self) -> i64 {
        i64::from_le_bytes(std::array::from_fn(|_| self.byte())) >> (self.byte() % 64)
    }

    /// An expression of a unit, as its parts.
    fn expression(&mut self, unit: Unit, depth: u8) -> Vec<Node> {
        let other = |unit| match unit {
            Unit::Money => Some((Unit::Price(PER), Unit::Energy)),
            _ => None,
        };
        let choice = if depth == 0 { self.byte() % 3 } else { self.byte() % 12 };
        let mut operands = |units: &[Unit], node: Node| {
            let parts = units.iter().flat_map(|unit| self.expression(*unit, depth - 1)).collect::<Vec<Node>>();
            [parts, vec![node]].concat()
        };
        match choice {
            1 if unit == Unit::Energy => {
                vec![Node::Sum { meter: 0, band: [None, Some(0), Some(1)][depth as usize % 3] }]
            }
            1 if unit == Unit::Time => vec![Node::Length],
            1 if unit == Unit::Price(PER) => {
                vec![Node::Index { index: 0, notice_hours: u32::from(self.byte()) }]
            }
            2 if unit == Unit::Money => vec![Node::Before(0)],
            3 => operands(&[unit, unit], Node::Add),
            4 => operands(&[unit, unit], Node::Subtract),
            5 => operands(&[unit, unit], Node::Min),
            6 => operands(&[unit, unit], Node::Max),
            7 => operands(&[unit, unit], Node::Else),
            8 => operands(&[unit, Unit::Share], Node::Times),
            9 => operands(&[Unit::Share, unit], Node::Times),
            10 => operands(&[unit, Unit::Time, Unit::Time], Node::Share),
            11 if other(unit).is_some() => operands(&[Unit::Price(PER), Unit::Energy], Node::Times),
            11 => {
                let (first, second) = (self.number() >> 2, i64::from(self.byte()) + 1);
                let rows = vec![(first, self.number()), (first + second, self.number())];
                let mut parts = self.expression(Unit::Energy, depth - 1);
                let (rows, above) = (rows.try_into().unwrap(), self.number());
                parts.push(Node::Table { of: Unit::Energy, rows, above, unit });
                parts
            }
            _ => vec![Node::Number(self.number(), unit)],
        }
    }
}

fn any_sheet(choices: Vec<u8>) -> Option<Sheet> {
    let mut choices = Choices(choices.into_iter());
    let mut sheet = sheet(
        "band peak 8-11 18-24 \"peak\" \"峰段\"; let a money \"a\" \"甲\" = 1 money; pay user \"a {1}\" \"a（\" = a;",
    );
    let units = [Unit::Money, Unit::Price(PER), Unit::Energy, Unit::Volume, Unit::Share, Unit::Time];
    sheet.definitions.as_mut_slice()[0].value = whole(choices.expression(Unit::Money, 3))?;
    for (number, unit) in units.into_iter().enumerate() {
        let mut definition = sheet.definitions[0].clone();
        definition.named.name = Text::new(format!("d{number}")).unwrap();
        (definition.unit, definition.value) = (unit, whole(choices.expression(unit, 3))?);
        sheet.definitions.push(definition).unwrap();
    }
    sheet.payments.as_mut_slice()[0].amount = whole(choices.expression(Unit::Money, 4))?;
    Some(sheet)
}

/// The parts, if they are as few as an expression may have.
fn whole(parts: Vec<Node>) -> Option<Expression> {
    (parts.len() <= MAX_NODES).then(|| parts.try_into().unwrap())
}

proptest! {
    #[test]
    fn what_is_printed_is_read_again_as_the_same_sheet(choices in prop::collection::vec(any::<u8>(), 0..900)) {
        let Some(sheet) = any_sheet(choices) else { return Ok(()) };
        prop_assert_eq!(check_sheet(&sheet), Ok(()));
        let source = printed(&sheet);
        prop_assert_eq!(parse(&source).map_err(|error| format!("{error}\n{source}")), Ok(sheet.clone()));
        for language in [Language::En, Language::Zh] {
            let text = prose(&sheet, language);
            let is_whole = !text.contains('?') && text.contains("a {1}") == (language == Language::En);
            prop_assert!(is_whole, "{}", text);
        }
    }
}

#[test]
fn both_readings_say_the_same_from_what_is_signed() {
    let sheet = sheet(
        "let price money/kWh \"the price\" \"单价\" = min(max(index(spot), 0.2 money/kWh), 0.6 money/kWh);
         pay user \"power\" \"电费\" for taken = price * sum(taken);",
    );
    let english = prose(&sheet, Language::En);
    let chinese = prose(&sheet, Language::Zh);
    for sentence in [
        "What is called the price is the smaller of (the larger of spot price and 0.2 per kWh) and 0.6 per kWh.",
        "For power the user pays the owner the price times power taken; below zero the owner pays.",
        "It is settled for each calendar month from 2025-01-01 (UTC+08:00) on, 3 times, 6 hours after its end.",
    ] {
        assert!(english.contains(sentence), "{english}");
    }
    for sentence in [
        "单价等于（现货价与0.2/kWh中较大者）与0.6/kWh中较小者。",
        "用能方就电费向供能方支付单价乘以用电量；为负时由供能方支付。",
    ] {
        assert!(chinese.contains(sentence), "{chinese}");
    }
    assert_eq!(english.lines().count(), chinese.lines().count());
}

#[test]
fn energy_is_printed_in_the_unit_in_which_people_speak_of_it() {
    let printed_as = |carrier: &str, amount: &str| {
        let text = source(&format!("pay user \"a\" \"a\" = share(1 money, sum(taken), {amount});"));
        let sheet = parse(&text.replace("taken electricity", &format!("taken {carrier}"))).unwrap();
        assert_eq!(parse(&printed(&sheet)), Ok(sheet.clone()), "{amount}");
        let (_, after) = printed(&sheet).split_once("sum(taken), ").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let shown = after.split(')').next().unwrap().to_owned();
        assert!(prose(&sheet, Language::En).contains(&format!("divided by {shown}")), "{shown}");
        shown
    };
    for (amount, electricity, heating) in [
        ("2 GJ", "2 GJ", "2 GJ"),
        ("9 GJ", "2500 kWh", "9 GJ"),
        ("0 kWh", "0 kWh", "0 GJ"),
        ("100 kWh", "100 kWh", "100 kWh"),
        ("1.5 MWh", "1500 kWh", "1500 kWh"),
        ("0.001 GJ", "0.001 GJ", "0.001 GJ"),
        ("7 J", "7 J", "7 J"),
    ] {
        assert_eq!(printed_as("electricity", amount), electricity);
        assert_eq!(printed_as("heating", amount), heating);
    }
}
