//! Money and prices (docs/adr/0003).
//!
//! Money is a whole number of millionths of the settlement currency. A price is an exact fraction: money
//! per kWh, GJ or m3. Rounding happens once, where a line of a statement becomes money, half to even, in
//! [`Price::amount_half_even`] or [`ratio_half_even`].

use crate::carrier::{BaseUnit, Carrier};
use crate::quantity::Quantity;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::iter::Sum;

/// Millionths in one unit of the settlement currency.
pub const MICRO: u64 = 1_000_000;

/// Millionths of the settlement currency, never negative. JSON: a decimal string such as `"12.500000"`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, BorshSerialize, BorshDeserialize)]
pub struct Money(pub u64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Whole units of the settlement currency. Panics above 18 trillion: for constants only.
    pub const fn units(units: u64) -> Self {
        Self(units * MICRO)
    }

    /// `self + other`, or `None` on overflow.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// `self - other`, or `None` below zero.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `self - other`, at least zero.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self * part / whole`, half to even; `None` on overflow or a zero `whole`.
    pub fn share_half_even(self, part: u64, whole: u64) -> Option<Self> {
        ratio_half_even(u128::from(self.0) * u128::from(part), u128::from(whole)).map(Self)
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        Self(iter.map(|money| money.0).sum())
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:06}", self.0 / MICRO, self.0 % MICRO))
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({self})")
    }
}

/// The text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an amount: write units with at most six decimals, such as 12.5")]
pub struct NotMoney(pub String);

impl std::str::FromStr for Money {
    type Err = NotMoney;
    fn from_str(text: &str) -> Result<Self, NotMoney> {
        let not_money = || NotMoney(text.into());
        let (units, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(units) || !digits(decimals) || decimals.len() > 6 {
            return Err(not_money());
        }
        let micro: u64 = format!("{decimals:0<6}").parse().map_err(|_| not_money())?;
        let units: u64 = units.parse().map_err(|_| not_money())?;
        units.checked_mul(MICRO).and_then(|money| money.checked_add(micro)).map(Self).ok_or_else(not_money)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a price is per.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[borsh(use_discriminant = true)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum PriceUnit {
    /// 3,600,000 J.
    KilowattHour = 0,
    /// 1,000,000,000 J.
    Gigajoule = 1,
    /// 1,000,000 mL.
    CubicMetre = 2,
}

impl PriceUnit {
    /// Base units in one price unit.
    pub const fn base_units(self) -> u64 {
        match self {
            Self::KilowattHour => 3_600_000,
            Self::Gigajoule => 1_000_000_000,
            Self::CubicMetre => 1_000_000,
        }
    }

    /// The unit that prices of `carrier` are most often given in.
    pub const fn of(carrier: Carrier) -> Self {
        match carrier.base_unit() {
            BaseUnit::Joule => Self::KilowattHour,
            BaseUnit::Millilitre => Self::CubicMetre,
        }
    }

    /// Whether prices of `carrier` can be given per this unit.
    pub const fn fits(self, carrier: Carrier) -> bool {
        matches!(
            (self, carrier.base_unit()),
            (Self::KilowattHour | Self::Gigajoule, BaseUnit::Joule) | (Self::CubicMetre, BaseUnit::Millilitre)
        )
    }
}

/// Money per kWh, GJ or m3: an exact fraction.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Price {
    /// Money for one unit.
    pub money: Money,
    /// The unit.
    pub per: PriceUnit,
}

impl Price {
    /// A price per kWh in millionths.
    pub const fn micro_per_kwh(micro: u64) -> Self {
        Self { money: Money(micro), per: PriceUnit::KilowattHour }
    }

    /// A price per m3 in millionths.
    pub const fn micro_per_m3(micro: u64) -> Self {
        Self { money: Money(micro), per: PriceUnit::CubicMetre }
    }

    /// Price times quantity, half to even; `None` if money cannot hold it.
    pub fn amount_half_even(self, quantity: Quantity) -> Option<Money> {
        ratio_half_even(u128::from(self.money.0) * u128::from(quantity.0), u128::from(self.per.base_units())).map(Money)
    }
}

/// `numerator / denominator`, half to even; `None` if it exceeds 64 bits or the denominator is zero.
pub fn ratio_half_even(numerator: u128, denominator: u128) -> Option<u64> {
    let floor = numerator.checked_div(denominator)?;
    let rest = numerator % denominator;
    let up = match (rest).cmp(&(denominator - rest)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => floor & 1,
    };
    u64::try_from(floor + up).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_half_to_even() {
        for (numerator, expected) in [(5, 0), (15, 2), (25, 2), (35, 4), (14, 1), (16, 2)] {
            assert_eq!(ratio_half_even(numerator, 10), Some(expected), "{numerator} / 10");
        }
        assert_eq!(ratio_half_even(1, 0), None);
        assert_eq!(ratio_half_even(u128::MAX, 1), None);
        assert_eq!(ratio_half_even(u128::from(u64::MAX) * 2 + 1, 2), None);
    }

    #[test]
    fn money_reads_and_writes_decimals() {
        for text in ["0.000000", "12.500000", "18446744073709.551615"] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), text);
        }
        for text in ["", ".", "1.", "-1", "+1", "1.0000001", "18446744073709.551616", "1e3", "1,5"] {
            assert!(text.parse::<Money>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn one_kilowatt_hour_costs_its_price() {
        let price = Price::micro_per_kwh(800_000);
        assert_eq!(price.amount_half_even(Quantity(3_600_000)), Some(Money(800_000)));
        assert_eq!(Price::micro_per_kwh(u64::MAX).amount_half_even(Quantity(u64::MAX)), None);
    }
}
