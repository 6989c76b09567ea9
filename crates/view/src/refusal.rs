//! Refused transactions and refused readings.

use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::{AccountId, MeterId, Refusal};

/// A refusal: of a transaction, or of one reading in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusalView {
    /// The stable code.
    pub code: String,
    /// The rule in a sentence, with the values that were compared.
    pub message: String,
    /// The refusal with its values.
    pub refusal: Refusal,
    /// Whose transaction it was, or carried the reading.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// The transaction's action.
    #[serde(default)]
    pub action: Option<String>,
    /// The reading, if only that was refused and the rest of its batch was done.
    #[serde(default)]
    pub reading: Option<RefusedReadingView>,
    /// Where it happened.
    pub cause: CauseView,
}

/// Which reading of a batch was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusedReadingView {
    /// Its place in the batch, counted over all runs from 0.
    pub index: u16,
    /// Its meter.
    pub meter: MeterId,
}

/// How often a rule forbade something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusalCount {
    /// The stable code.
    pub code: String,
    /// Transactions refused.
    pub transactions: u64,
    /// Readings refused.
    pub readings: u64,
}
