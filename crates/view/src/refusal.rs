//! Refused transactions, readings and awards.

use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::{AccountId, MeterId, OfferId, Refusal};

/// A refusal: of a transaction, or of one reading or one award among others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusalView {
    /// The stable code.
    pub code: String,
    /// The rule in a sentence, with the values that were compared.
    pub message: String,
    /// The refusal with its values.
    pub refusal: Refusal,
    /// Whose transaction it was, or carried the reading or the award.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// The transaction's action.
    #[serde(default)]
    pub action: Option<String>,
    /// The reading, if only that was refused and the rest of its batch was done.
    #[serde(default)]
    pub reading: Option<RefusedReadingView>,
    /// The award, if only that was refused and the others of its action were done.
    #[serde(default)]
    pub award: Option<RefusedAwardView>,
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

/// Which of several awards was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusedAwardView {
    /// The offer.
    pub offer: OfferId,
    /// Whose quote was chosen.
    pub bidder: AccountId,
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
    /// Awards refused.
    pub awards: u64,
}
