//! Published indices and their values.

use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::encoding::decimal_string;
use utilidor_types::price_index::PriceIndex;
use utilidor_types::{AccountId, PriceIndexId, Timestamp, Window};

/// A published index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PriceIndexView {
    /// The index: the hash of its publisher, name and unit.
    pub id: PriceIndexId,
    /// What it is called, and what its numbers are.
    pub index: PriceIndex,
    /// Who publishes it.
    pub publisher: AccountId,
    /// The end of the last period for which there is a value.
    pub until_ms: Timestamp,
    /// Where its first value was published.
    pub cause: CauseView,
}

/// A value of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct IndexValueView {
    /// The period.
    pub period: Window,
    /// The value in millionths.
    #[serde(with = "decimal_string")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub micro: i64,
    /// Where it was published.
    pub cause: CauseView,
}
