//! Exact arithmetic. Everything gives `None`, or a fault, rather than a number that is not right.

use crate::wire::{Fault, Money, Price, Quantity};

/// `numerator / denominator`, half to even; `None` if the denominator is zero or the result is too large.
pub fn ratio_half_even(numerator: u128, denominator: u128) -> Option<u64> {
    if denominator == 0 {
        return None;
    }
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    let twice = rest.checked_mul(2)?;
    let up = twice > denominator || (twice == denominator && whole % 2 == 1);
    u64::try_from(whole.checked_add(u128::from(up))?).ok()
}

/// `value * part / whole`, half to even.
pub fn share_half_even(value: u64, part: u64, whole: u64) -> Option<u64> {
    ratio_half_even(u128::from(value) * u128::from(part), u128::from(whole))
}

/// `value * part / whole`, rounded down.
pub fn share_floor(value: u64, part: u64, whole: u64) -> Option<u64> {
    let product = u128::from(value) * u128::from(part);
    u64::try_from(product.checked_div(u128::from(whole))?).ok()
}

impl Price {
    /// What a quantity costs, half to even.
    pub fn of(self, quantity: Quantity) -> Result<Money, Fault> {
        let product = u128::from(self.money.0) * u128::from(quantity.0);
        ratio_half_even(product, self.unit.base_units().into()).map(Money).ok_or(Fault::OVERFLOW)
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
    use crate::wire::PriceUnit;

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
    fn a_price_is_for_a_unit_of_many_base_units() {
        let price = Price { money: Money(250_000), unit: PriceUnit::KilowattHour };
        assert_eq!(price.of(Quantity(20 * 3_600_000)), Ok(Money(5_000_000)));
        assert_eq!(Price { money: Money(u64::MAX), ..price }.of(Quantity(u64::MAX)), Err(Fault::OVERFLOW));
    }
}
