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
