//! Quantities: whole base units of a carrier, joules or millilitres.

use crate::encoding::decimal_string;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Joules in a watt-hour.
pub const JOULES_PER_WATT_HOUR: u64 = 3_600;
/// Joules in a kilowatt-hour.
pub const JOULES_PER_KILOWATT_HOUR: u64 = 3_600_000;
/// Millilitres in a litre.
pub const MILLILITRES_PER_LITRE: u64 = 1_000;

/// An amount of a carrier in its base unit. The carrier stands beside it, never inside.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Quantity(#[serde(with = "decimal_string")] pub u64);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Energy given in watt-hours; `None` if it exceeds what a quantity holds.
    pub fn watt_hours(value: u64) -> Option<Self> {
        value.checked_mul(JOULES_PER_WATT_HOUR).map(Self)
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

    /// This quantity times `part / whole`, rounded down. `part` must not exceed `whole`, and `whole` not be zero.
    pub fn share_floor(self, part: u64, whole: u64) -> Self {
        assert!(part <= whole && whole > 0, "a share is at most the whole");
        Self((u128::from(self.0) * u128::from(part) / u128::from(whole)) as u64)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({})", self.0)
    }
}

/// A floor area in hundredths of a square metre.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Area(pub u32);

impl Area {
    /// Hundredths in a square metre.
    pub const PER_M2: u32 = 100;

    /// Whole square metres; `None` if there are too many.
    pub fn square_metres(whole: u32) -> Option<Self> {
        whole.checked_mul(Self::PER_M2).map(Self)
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / Self::PER_M2, self.0 % Self::PER_M2))
    }
}
