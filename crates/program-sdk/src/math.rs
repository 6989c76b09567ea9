//! Exact arithmetic. Everything gives `None`, or a fault, rather than a number that is not right.

use crate::wire::{Carrier, Fault, Line, Money, Price, PriceUnit, Quantity};
use alloc::vec::Vec;
use core::cmp::Ordering;

/// `numerator / denominator`, half to even; `None` if the denominator is zero or the result is too large.
pub fn ratio_half_even(numerator: u128, denominator: u128) -> Option<u64> {
    if denominator == 0 {
        return None;
    }
    let (whole, rest) = match (u64::try_from(numerator), u64::try_from(denominator)) {
        (Ok(numerator), Ok(denominator)) => (u128::from(numerator / denominator), u128::from(numerator % denominator)),
        _ => divide(numerator, denominator),
    };
    // Twice the rest against the denominator.
    let up = match rest.cmp(&(denominator - rest)) {
        Ordering::Less => false,
        Ordering::Equal => whole % 2 == 1,
        Ordering::Greater => true,
    };
    u64::try_from(whole).ok()?.checked_add(up.into())
}

/// A division of 64 bits is one instruction of a module, and one of 128 bits some thousand. It stands on its own, since a loop
/// costs fuel for all that stands in it, whether it is done or not.
#[cold]
#[inline(never)]
fn divide(numerator: u128, denominator: u128) -> (u128, u128) {
    (numerator / denominator, numerator % denominator)
}

/// The product, which fits. Overflow checks stand in a module as some hundred instructions for each product of 128 bits, and
/// here there is nothing to check.
fn product(one: u64, other: u64) -> u128 {
    u128::from(one).wrapping_mul(u128::from(other))
}

/// `value * part / whole`, half to even.
pub fn share_half_even(value: u64, part: u64, whole: u64) -> Option<u64> {
    ratio_half_even(product(value, part), u128::from(whole))
}

/// `value * part / whole`, rounded down.
pub fn share_floor(value: u64, part: u64, whole: u64) -> Option<u64> {
    // Where the product surely fits, a module needs no arithmetic of 128 bits.
    if (value | part) >> 32 == 0 {
        return value.wrapping_mul(part).checked_div(whole);
    }
    large_share_floor(value, part, whole)
}

#[cold]
#[inline(never)]
fn large_share_floor(value: u64, part: u64, whole: u64) -> Option<u64> {
    u64::try_from(product(value, part).checked_div(whole.into())?).ok()
}

/// Splits something in proportion to parts, so that the shares add up to the whole exactly: each is what the running sum of the
/// parts is due, rounded down, less what came before. So a share is its exact one, rounded down or up. Without any part nobody
/// has anything.
pub fn split(whole: u64, parts: &[u64]) -> Result<Vec<u64>, Fault> {
    let mut shares = Vec::with_capacity(parts.len());
    split_into(whole, parts, &mut shares)?;
    Ok(shares)
}

/// As [`split`], into a list that is used again.
pub fn split_into(whole: u64, parts: &[u64], shares: &mut Vec<u64>) -> Result<(), Fault> {
    shares.clear();
    let sum = parts.iter().try_fold(0u64, |sum, part| sum.checked_add(*part)).ok_or(Fault::OVERFLOW)?;
    let (mut upto, mut given) = (0, 0);
    for part in parts {
        upto += part;
        let due = if sum == 0 { 0 } else { share_floor(whole, upto, sum).ok_or(Fault::OVERFLOW)? };
        shares.push(due - core::mem::replace(&mut given, due));
    }
    Ok(())
}

impl Carrier {
    /// What its prices are for.
    pub const fn price_unit(self) -> PriceUnit {
        match self {
            Self::Electricity | Self::Heating | Self::Cooling => PriceUnit::KilowattHour,
            Self::HotWater | Self::Gas | Self::Water => PriceUnit::CubicMetre,
        }
    }
}

impl Price {
    /// What a quantity costs, half to even.
    pub fn of(self, quantity: Quantity) -> Result<Money, Fault> {
        let product = product(self.money.0, quantity.0);
        ratio_half_even(product, self.unit.base_units().into()).map(Money).ok_or(Fault::OVERFLOW)
    }
}

impl Line {
    /// The same line at a price for a unit that may be below zero: then who is paid pays.
    pub fn at(self, price: i64, unit: PriceUnit) -> Result<Self, Fault> {
        let (from, to) = if price < 0 { (self.to, self.from) } else { (self.from, self.to) };
        let price = Price { money: Money(price.unsigned_abs()), unit };
        Ok(Self { price: Some(price), from, to, amount: price.of(self.quantity)?, ..self })
    }
}

macro_rules! checked {
    ($($amount:ident),*) => {
        $(impl $amount {
            /// Nothing.
            pub const ZERO: Self = Self(0);

            /// The sum.
            pub fn plus(self, other: Self) -> Result<Self, Fault> {
                self.0.checked_add(other.0).map(Self).ok_or(Fault::OVERFLOW)
            }

            /// The difference; a fault below zero.
            pub fn minus(self, other: Self) -> Result<Self, Fault> {
                self.0.checked_sub(other.0).map(Self).ok_or(Fault::OVERFLOW)
            }

            /// The difference, at least nothing.
            pub const fn less(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// `self * part / whole`, half to even.
            pub fn share(self, part: u64, whole: u64) -> Result<Self, Fault> {
                share_half_even(self.0, part, whole).map(Self).ok_or(Fault::OVERFLOW)
            }

            /// `self * part / whole`, rounded down.
            pub fn part(self, part: u64, whole: u64) -> Result<Self, Fault> {
                share_floor(self.0, part, whole).map(Self).ok_or(Fault::OVERFLOW)
            }
        })*
    };
}

checked!(Money, Quantity);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Party, Time, Window};

    #[test]
    fn a_share_is_rounded_half_to_even() {
        let halves = [(1, 2, 0), (3, 2, 2), (5, 2, 2), (7, 2, 4), (7, 4, 2), (5, 4, 1)];
        for (numerator, denominator, expected) in halves {
            assert_eq!(ratio_half_even(numerator, denominator), Some(expected), "{numerator} / {denominator}");
        }
        assert_eq!(ratio_half_even(1, 0), None);
        assert_eq!(ratio_half_even(u128::MAX, 1), None);
    }

    #[test]
    fn large_numbers_are_divided_as_small_ones() {
        let large = u128::from(u64::MAX) + 1;
        assert_eq!(ratio_half_even(large * 3, large * 2), Some(2));
        assert_eq!(share_floor(u64::MAX, u64::MAX, u64::MAX), Some(u64::MAX));
        assert_eq!((share_floor(u64::MAX, 2, 1), share_floor(1, 1, 0)), (None, None));
    }

    #[test]
    fn at_a_price_below_zero_who_is_paid_pays() {
        let line = Line {
            clause: 0,
            period: Window { from: Time(0), to: Time(1) },
            carrier: None,
            quantity: Quantity(3_600_000),
            price: None,
            from: Party::USER,
            to: Party::OWNER,
            amount: Money::ZERO,
        };
        let above = line.clone().at(5, PriceUnit::KilowattHour).unwrap();
        assert_eq!((above.from, above.to, above.amount), (Party::USER, Party::OWNER, Money(5)));
        let below = line.at(-5, PriceUnit::KilowattHour).unwrap();
        assert_eq!((below.from, below.to, below.amount), (Party::OWNER, Party::USER, Money(5)));
    }

    #[test]
    fn shares_add_up_to_the_whole_and_none_is_off_by_one() {
        assert_eq!(split(100, &[1, 1, 1]), Ok(Vec::from([33, 33, 34])));
        assert_eq!(split(7, &[0, 5, 0, 5]), Ok(Vec::from([0, 3, 0, 4])));
        assert_eq!(split(7, &[0, 0]), Ok(Vec::from([0, 0])));
        assert_eq!(split(1, &[u64::MAX, 1]), Err(Fault::OVERFLOW));
        for whole in 0..200u64 {
            let parts = [whole % 7, 3, whole % 5, 11, whole % 13];
            let sum: u64 = parts.iter().sum();
            let shares = split(whole, &parts).unwrap();
            assert_eq!(shares.iter().sum::<u64>(), whole);
            for (share, part) in shares.iter().zip(parts) {
                let exact = whole * part;
                assert!(*share == exact / sum || *share == exact.div_ceil(sum), "{share} of {exact} / {sum}");
            }
        }
    }

    #[test]
    fn a_price_is_for_a_unit_of_many_base_units() {
        let price = Price { money: Money(250_000), unit: PriceUnit::KilowattHour };
        assert_eq!(price.of(Quantity(20 * 3_600_000)), Ok(Money(5_000_000)));
        assert_eq!(Price { money: Money(u64::MAX), ..price }.of(Quantity(u64::MAX)), Err(Fault::OVERFLOW));
    }
}
