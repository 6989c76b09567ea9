//! The parties' own numbers: integers of eight bytes, little-endian, in the order of the manifest's schema.

use crate::wire::{Fault, Money, Price, PriceUnit, Quantity, Time};
use alloc::vec::Vec;

/// Width of a parameter in bytes.
const BYTES: usize = 8;

/// Numbers as [`Parameters`] reads them, such as for the head of a state.
pub fn bytes_of(numbers: impl IntoIterator<Item = i64>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32 * BYTES);
    numbers.into_iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
    bytes
}

/// Parameters, or the head of a state, to read in turn.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a>(&'a [u8]);

impl<'a> Parameters<'a> {
    /// Of these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next number.
    pub fn integer(&mut self) -> Result<i64, Fault> {
        let (number, rest) = self.0.split_first_chunk::<BYTES>().ok_or(Fault::PARAMETERS)?;
        self.0 = rest;
        Ok(i64::from_le_bytes(*number))
    }

    /// The next number, which is not below nothing.
    pub fn number(&mut self) -> Result<u64, Fault> {
        u64::try_from(self.integer()?).map_err(|_| Fault::PARAMETERS)
    }

    /// The next number as money.
    pub fn money(&mut self) -> Result<Money, Fault> {
        self.number().map(Money)
    }

    /// The next number as a quantity.
    pub fn quantity(&mut self) -> Result<Quantity, Fault> {
        self.number().map(Quantity)
    }

    /// The next number as a time.
    pub fn time(&mut self) -> Result<Time, Fault> {
        self.number().map(Time)
    }

    /// The next number as a price for such a unit.
    pub fn price(&mut self, unit: PriceUnit) -> Result<Price, Fault> {
        Ok(Price { money: self.money()?, unit })
    }

    /// Whether all have been read; a fault if not.
    pub fn end(self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::PARAMETERS) }
    }
}
