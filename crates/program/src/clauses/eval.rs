//! What an expression comes to. Nothing here rounds but halves to even, and nothing overflows silently.

use super::tree::{Node, Unit};
use crate::contract::{BAD_STATE, Fault, OVERFLOW};
use utilidor_types::Window;
use utilidor_types::money::ratio_half_even;
use utilidor_types::price_index::{IndexRead, PublishedValue};
use utilidor_types::time::HOUR_MS;

/// Quantities of a period: the hours in no band first. Less than nothing is what is credited.
pub type Brought = [i64; 1 + super::MAX_BANDS];

/// What expressions of a period are worked out from.
#[derive(Debug, Clone)]
pub struct Known<'a> {
    /// The period.
    pub period: Window,
    /// What each meter has brought.
    pub brought: &'a [Brought],
    /// The values of the sheet's indices, in its order.
    pub indices: &'a [IndexRead],
    /// What the definitions came to before.
    pub before: &'a [Option<i64>],
    /// What the definitions so far come to.
    pub defined: Vec<Option<i64>>,
}

/// The unit is carried with the number where a product needs it.
type Value = (Option<i64>, Unit);

/// What an expression comes to; none: it is absent. It has been checked; one that has not is a fault at worst.
pub fn evaluate(sheet: &super::Sheet, known: &Known<'_>, expression: &[Node]) -> Result<Option<i64>, Fault> {
    let mut waiting: Vec<Value> = Vec::new();
    for node in expression {
        let operands = waiting.split_off(waiting.len().checked_sub(node.operands()).ok_or(BAD_STATE)?);
        waiting.push(value_of(sheet, known, node, &operands)?);
    }
    match *waiting {
        [(value, _)] => Ok(value),
        _ => Err(BAD_STATE),
    }
}

fn value_of(sheet: &super::Sheet, known: &Known<'_>, node: &Node, operands: &[Value]) -> Result<Value, Fault> {
    let both = |one: Option<i64>, other: Option<i64>, what: fn(i64, i64) -> Option<i64>| {
        let Some((one, other)) = one.zip(other) else { return Ok(None) };
        what(one, other).map(Some).ok_or(OVERFLOW)
    };
    let definition = |place: u8| sheet.definitions.get(usize::from(place)).map(|one| one.unit).ok_or(BAD_STATE);
    Ok(match (node, operands) {
        (Node::Number(number, unit), _) => (Some(*number), *unit),
        (Node::Sum { meter, band }, _) => {
            let used = sheet.meters.get(usize::from(*meter)).ok_or(BAD_STATE)?;
            let brought = known.brought.get(usize::from(*meter)).ok_or(BAD_STATE)?;
            let sum = match band {
                Some(band) => *brought.get(usize::from(*band)).ok_or(BAD_STATE)?,
                None => brought.iter().try_fold(0i64, |sum, part| sum.checked_add(*part)).ok_or(OVERFLOW)?,
            };
            (Some(sum), Unit::of_base(used.carrier.base_unit()))
        }
        (Node::Index { index, notice_hours }, _) => {
            let used = sheet.indices.get(usize::from(*index)).ok_or(BAD_STATE)?;
            let read = known.indices.get(usize::from(*index)).ok_or(BAD_STATE)?;
            let notice_ms = u64::from(*notice_hours) * HOUR_MS;
            let in_time = |value: &PublishedValue| {
                notice_ms == 0 || value.published.0.saturating_add(notice_ms) <= known.period.from.0
            };
            (read.value.filter(in_time).map(|value| value.micro), used.unit)
        }
        (Node::Defined(place), _) => {
            let value = known.defined.get(usize::from(*place)).ok_or(BAD_STATE)?;
            (*value, definition(*place)?)
        }
        (Node::Before(place), _) => {
            let value = known.before.get(usize::from(*place)).copied().flatten();
            (value, definition(*place)?)
        }
        (Node::Length, _) => (Some(i64::try_from(known.period.ms()).map_err(|_| OVERFLOW)?), Unit::Time),
        (Node::Add, [(one, unit), (other, _)]) => (both(*one, *other, i64::checked_add)?, *unit),
        (Node::Subtract, [(one, unit), (other, _)]) => (both(*one, *other, i64::checked_sub)?, *unit),
        (Node::Min, [(one, unit), (other, _)]) => (both(*one, *other, |one, other| Some(one.min(other)))?, *unit),
        (Node::Max, [(one, unit), (other, _)]) => (both(*one, *other, |one, other| Some(one.max(other)))?, *unit),
        (Node::Times, [(one, unit), (other, by)]) => {
            let (unit, divisor) = unit.times(*by).ok_or(BAD_STATE)?;
            let Some((one, other)) = one.zip(*other) else { return Ok((None, unit)) };
            (Some(quotient(one, other, divisor)?), unit)
        }
        (Node::Share, [(value, unit), (part, _), (whole, _)]) => {
            let Some(((value, part), whole)) = value.zip(*part).zip(*whole) else { return Ok((None, *unit)) };
            let share = if whole == 0 { 0 } else { quotient(value, part, whole.unsigned_abs())? };
            (Some(if whole < 0 { share.checked_neg().ok_or(OVERFLOW)? } else { share }), *unit)
        }
        (Node::Else, [(one, unit), (other, _)]) => (one.or(*other), *unit),
        (Node::Table { rows, above, unit, .. }, [(size, _)]) => {
            let row = |size: i64| rows.iter().find(|(limit, _)| size <= *limit).map_or(*above, |(_, value)| *value);
            (size.map(row), *unit)
        }
        _ => return Err(BAD_STATE),
    })
}

/// `one * other / divisor`, half to even, whatever their signs.
fn quotient(one: i64, other: i64, divisor: u64) -> Result<i64, Fault> {
    let product = u128::from(one.unsigned_abs()) * u128::from(other.unsigned_abs());
    let size = ratio_half_even(product, divisor.into()).and_then(|size| i64::try_from(size).ok()).ok_or(OVERFLOW)?;
    Ok(if (one < 0) != (other < 0) { -size } else { size })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_is_rounded_half_to_even_on_both_sides_of_zero() {
        for (one, other, divisor, expected) in
            [(1, 5, 2, 2), (1, 7, 2, 4), (-1, 5, 2, -2), (1, -7, 2, -4), (-3, -5, 10, 2), (0, -5, 7, 0)]
        {
            assert_eq!(quotient(one, other, divisor), Ok(expected), "{one} * {other} / {divisor}");
        }
        assert_eq!(quotient(i64::MAX, i64::MIN, u64::MAX), Ok(-4_611_686_018_427_387_904));
        assert_eq!(quotient(i64::MAX, 2, 1), Err(OVERFLOW));
        assert_eq!(quotient(1, 1, 0), Err(OVERFLOW));
    }
}
