//! Published indices: values that contracts follow, such as the monthly mean of a spot market.
//!
//! ```text
//! account + name + unit ──> id of the index;  PublishIndex(value for a period) ──> state ──> programs that name the id
//! ```
//!
//! An index belongs to the account that its id was made of: nobody else can publish under it, and its unit is a part of the id,
//! so that parties who name an index have signed what its numbers mean. Periods are published in their order, each once; a value
//! never changes. What was published wrongly is corrected by the parties of the contracts that used it, not by the index.

use crate::encoding::{Text, decimal_string, encode};
use crate::id::{AccountId, PriceIndexId};
use crate::money::PriceUnit;
use crate::program::MAX_NAME_BYTES;
use crate::time::{DAY_MS, Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Periods of an index begin and end on whole quarters of an hour.
pub const INDEX_GRID_MS: u64 = 15 * 60_000;
/// Longest period of an index: a leap year.
pub const MAX_INDEX_PERIOD_MS: u64 = 366 * DAY_MS;
/// Values are known to programs for at least this long after the begin of their period; each index has a record for every
/// step of the grid in this time, and a later value takes the place of an older one.
pub const INDEX_KEPT_MS: u64 = 100 * DAY_MS;
/// Most indices of a member.
pub const MAX_INDICES: u16 = 16;
/// Largest value of an index in either direction, in millionths: a billion.
pub const MAX_INDEX_MICRO: i64 = 1_000_000_000_000_000;
/// Most values of indices that one event of a program may ask for.
pub const MAX_INDICES_READ: usize = 16;

/// What the numbers of an index are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum IndexUnit {
    /// Millionths of the settlement currency for each of these.
    Price(PriceUnit),
    /// Millionths of the settlement currency.
    Money,
    /// Millionths of one: a factor.
    Share,
}

/// What an index is called and what its numbers are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PriceIndex {
    /// What its publisher calls it.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub name: Text<MAX_NAME_BYTES>,
    /// What its numbers are.
    pub unit: IndexUnit,
}

impl PriceIndex {
    /// The index that this publisher calls so.
    pub fn id(&self, publisher: AccountId) -> PriceIndexId {
        PriceIndexId::of_index(publisher, &encode(self))
    }
}

/// A value of an index for a period, as it is published.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct IndexValue {
    /// The index.
    pub index: PriceIndex,
    /// The period.
    pub period: Window,
    /// The value in millionths; it may be below zero.
    #[serde(with = "decimal_string")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub micro: i64,
}

/// A value of an index that a program has asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct IndexRead {
    /// The index.
    pub index: PriceIndexId,
    /// The period.
    pub period: Window,
    /// Its value; none: none is published for exactly this period.
    pub value: Option<PublishedValue>,
}

/// A value with the time at which it was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PublishedValue {
    /// The value in millionths.
    #[serde(with = "decimal_string")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub micro: i64,
    /// The time of the block in which it was published.
    pub published: Timestamp,
}

/// The place of a period's value among the records of its index.
pub const fn index_slot(from: Timestamp) -> u16 {
    // 9,600 places.
    (from.0 / INDEX_GRID_MS % (INDEX_KEPT_MS / INDEX_GRID_MS)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_another_one_with_another_publisher_name_or_unit() {
        let index = |name: &str, unit| PriceIndex { name: Text::new(name).unwrap(), unit };
        let kwh = IndexUnit::Price(PriceUnit::KilowattHour);
        let (one, other) = (AccountId([1; 32]), AccountId([2; 32]));
        let ids = [
            index("spot", kwh).id(one),
            index("spot", kwh).id(other),
            index("spot", IndexUnit::Price(PriceUnit::Gigajoule)).id(one),
            index("heat", kwh).id(one),
        ];
        for (place, id) in ids.iter().enumerate() {
            assert!(!ids[..place].contains(id));
        }
    }

    #[test]
    fn two_periods_share_a_place_only_when_the_older_one_is_no_longer_kept() {
        let at = |steps: u64| index_slot(Timestamp(steps * INDEX_GRID_MS));
        let places = INDEX_KEPT_MS / INDEX_GRID_MS;
        assert_eq!((at(7), at(7 + places)), (7, 7));
        assert!((1..places).all(|steps| at(7 + steps) != 7));
    }
}
