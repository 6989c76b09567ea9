//! Values that a party brings by commands, part by part of a grid: an index, a reference price.
//!
//! The ledger publishes no index of its own. So the terms name a party whose word all have agreed to take; each value that
//! it brings is a signed command of it, which history keeps.

use crate::parameters::Parameters;
use crate::wire::Fault;
use alloc::vec::Vec;

/// A command that brings values begins so; the number of the first part follows, and then the values, each of eight bytes,
/// little-endian.
pub const VALUES: u8 = 1;
/// Most values that are kept at a time: a head has 1,024 bytes.
pub const MAX_VALUES: usize = 96;
/// Largest value, either way: a million for a unit. No word of a single party can lead a sum out of its range.
pub const MAX_VALUE: i64 = 1_000_000_000_000;
/// Stands for a value that has not come.
const NONE: i64 = i64::MIN;

/// Values by part, from a first one on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values {
    first: u64,
    /// The last one before the first part.
    before: i64,
    values: Vec<i64>,
}

impl Values {
    /// None yet: this one counts until one comes.
    pub const fn new(before: i64) -> Self {
        Self { first: 0, before, values: Vec::new() }
    }

    /// As [`Self::numbers`] has written it.
    pub fn of(read: &mut Parameters<'_>) -> Result<Self, Fault> {
        let (first, before) = (read.number()?, read.integer()?);
        let values = (0..read.number()?).map(|_| read.integer()).collect::<Result<Vec<i64>, Fault>>()?;
        Ok(Self { first, before, values })
    }

    /// For the head of a state.
    pub fn numbers(&self) -> impl Iterator<Item = i64> {
        [self.first as i64, self.before, self.values.len() as i64].into_iter().chain(self.values.iter().copied())
    }

    /// A part's value: its own, or where none has come the last one before it.
    pub fn get(&self, part: u64) -> i64 {
        let upto = part.checked_sub(self.first).and_then(|place| usize::try_from(place).ok()?.checked_add(1));
        let upto = upto.unwrap_or(0).min(self.values.len());
        let known = self.values.iter().take(upto).rev().find(|value| **value != NONE);
        known.copied().unwrap_or(self.before)
    }

    /// Takes the values of a command, for parts before an end. A value can be brought again until its part is settled. A
    /// fault if a part is settled already or lies too far ahead, or if a value is beyond [`MAX_VALUE`].
    pub fn bring(&mut self, command: &[u8], end: u64) -> Result<(), Fault> {
        let Some(([VALUES], rest)) = command.split_first_chunk() else { return Err(Fault::COMMAND) };
        let (first, rest) = rest.split_first_chunk::<8>().ok_or(Fault::COMMAND)?;
        let first = u64::from_le_bytes(*first);
        let (values, rest) = rest.as_chunks::<8>();
        let place = first.checked_sub(self.first).and_then(|place| usize::try_from(place).ok());
        let place = place.filter(|place| *place < MAX_VALUES).ok_or(Fault::COMMAND)?;
        let upto = place + values.len();
        let is_before_end = first.checked_add(values.len() as u64).is_some_and(|upto| upto <= end);
        if values.is_empty() || !rest.is_empty() || upto > MAX_VALUES || !is_before_end {
            return Err(Fault::COMMAND);
        }
        let values = values.iter().map(|bytes| i64::from_le_bytes(*bytes));
        if values.clone().any(|value| value.unsigned_abs() > MAX_VALUE.unsigned_abs()) {
            return Err(Fault::COMMAND);
        }

        self.values.resize(self.values.len().max(upto), NONE);
        self.values.iter_mut().skip(place).zip(values).for_each(|(kept, value)| *kept = value);
        Ok(())
    }

    /// Forgets what lies before a part, save the last value.
    pub fn forget_before(&mut self, part: u64) {
        let Some(last) = part.checked_sub(1).filter(|last| *last >= self.first) else { return };
        self.before = self.get(last);
        let past = usize::try_from(part - self.first).map_or(self.values.len(), |past| past.min(self.values.len()));
        self.values.drain(..past);
        self.first = part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(first: u64, values: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::from([VALUES]);
        bytes.extend(first.to_le_bytes());
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        bytes
    }

    #[test]
    fn where_no_value_has_come_the_one_before_it_counts() {
        let mut values = Values::new(7);
        values.bring(&command(2, &[-5, 9]), 10).unwrap();
        assert_eq!([0, 1, 2, 3, 4, 99].map(|part| values.get(part)), [7, 7, -5, 9, 9, 9]);
        values.bring(&command(3, &[8]), 10).unwrap();
        assert_eq!(values.get(3), 8, "brought again");
        values.forget_before(3);
        assert_eq!([2, 3].map(|part| values.get(part)), [-5, 8]);
        values.forget_before(9);
        assert_eq!(values.get(9), 8);
        let bytes: Vec<u8> = values.numbers().flat_map(i64::to_le_bytes).collect();
        assert_eq!(Values::of(&mut Parameters::new(&bytes)), Ok(values));
    }

    #[test]
    fn a_command_that_makes_no_sense_brings_nothing() {
        let mut values = Values::new(7);
        values.forget_before(4);
        let far = command(MAX_VALUES as u64 + 4, &[1]);
        let many = command(4, &[1; MAX_VALUES + 1]);
        for wrong in [command(3, &[1]), command(4, &[]), command(999, &[1]), far, many, command(4, &[MAX_VALUE + 1])] {
            assert_eq!(values.bring(&wrong, 500), Err(Fault::COMMAND));
        }
        assert_eq!(values.bring(&command(4, &[i64::MIN]), 500), Err(Fault::COMMAND));
        assert_eq!(values.bring(&command(4, &[1, 2]), 5), Err(Fault::COMMAND), "beyond the last part");
        assert_eq!(values.bring(&command(4, &[1])[..16], 500), Err(Fault::COMMAND));
        assert_eq!((values.bring(&[2], 500), values.bring(&[], 500)), (Err(Fault::COMMAND), Err(Fault::COMMAND)));
        assert_eq!(values.get(4), 7);
    }
}
