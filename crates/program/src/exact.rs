//! Exact integer arithmetic that the programs share: nothing here rounds without saying so, and nothing overflows silently.

use crate::contract::{Fault, OVERFLOW};
use utilidor_types::Money;
use utilidor_types::money::ratio_half_even;

/// `numerator / denominator` as money, half to even.
pub(crate) fn money_half_even(numerator: u128, denominator: u128) -> Result<Money, Fault> {
    ratio_half_even(numerator, denominator).map(Money).ok_or(OVERFLOW)
}

/// `one * other`, or a fault.
pub(crate) fn times(one: u128, other: impl Into<u128>) -> Result<u128, Fault> {
    one.checked_mul(other.into()).ok_or(OVERFLOW)
}

/// `one + other`, or a fault.
pub(crate) fn plus(one: u128, other: u128) -> Result<u128, Fault> {
    one.checked_add(other).ok_or(OVERFLOW)
}

/// `one + other`, or a fault.
pub(crate) fn add(one: Money, other: Money) -> Result<Money, Fault> {
    one.checked_add(other).ok_or(OVERFLOW)
}

/// `value * part / whole`, rounded down, whatever the size of `part` and `whole`; all of `value` from `part = whole` on.
pub(crate) fn share_floor(value: u64, part: u128, whole: u128) -> u64 {
    if part >= whole {
        return value;
    }
    if let Some(product) = part.checked_mul(u128::from(value)) {
        return (product / whole) as u64;
    }
    // Long division, a bit of the value at a time: the rest stays below `whole`, so no product is ever needed.
    let (mut quotient, mut rest) = (0u64, 0u128);
    for bit in (0..64).rev() {
        quotient <<= 1;
        for summand in [rest, if value >> bit & 1 == 1 { part } else { 0 }] {
            // Two numbers below `whole`: their sum is at most one `whole` too large, and is taken without overflow.
            let room = whole - rest;
            if summand >= room {
                rest = summand - room;
                quotient += 1;
            } else {
                rest += summand;
            }
        }
    }
    quotient
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_share_is_rounded_down_whatever_its_size(value in any::<u64>(), part in any::<u128>(), whole in 1u128..) {
            let share = share_floor(value, part, whole);
            if part >= whole {
                prop_assert_eq!(share, value);
            } else {
                // share x whole <= value x part < (share + 1) x whole, in 192 bits.
                let wide = |one: u64, other: u128| {
                    let low = u128::from(one) * (other & u128::from(u64::MAX));
                    let high = u128::from(one) * (other >> 64) + (low >> 64);
                    (high, low as u64)
                };
                prop_assert!(wide(share, whole) <= wide(value, part));
                prop_assert!(share == u64::MAX || wide(value, part) < wide(share + 1, whole));
            }
        }
    }

    #[test]
    fn what_leaves_its_range_is_a_fault() {
        assert_eq!(times(u128::MAX, 2u8), Err(OVERFLOW));
        assert_eq!(plus(u128::MAX, 1), Err(OVERFLOW));
        assert_eq!(add(Money(u64::MAX), Money(1)), Err(OVERFLOW));
        assert_eq!(money_half_even(u128::MAX, 1), Err(OVERFLOW));
        assert_eq!(money_half_even(1, 0), Err(OVERFLOW));
    }
}
