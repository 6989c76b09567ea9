//! What became of transactions.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use utilidor_types::{AccountId, Action, Receipt, Timestamp, TransactionHash};

/// A final transaction with its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TransactionView {
    /// Its hash.
    pub hash: TransactionHash,
    /// Height of its block.
    pub height: u64,
    /// Its place among the block's transactions.
    pub index: u32,
    /// Time of its block.
    pub time_ms: Timestamp,
    /// Who asked.
    pub account: AccountId,
    /// The account's number of transactions before this one.
    pub nonce: u64,
    /// What was asked.
    pub action: Action,
    /// The receipt's place among the block's receipts.
    pub receipt_index: u32,
    /// What the ledger answered.
    pub receipt: Receipt,
}

/// Transactions to be submitted, in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Canonical bytes of signed transactions, in hex.
    pub transactions: Vec<String>,
}

/// What became of the submitted transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Submitted {
    /// One for each, in order.
    pub results: Vec<SubmissionResult>,
}

/// What became of a submitted transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubmissionResult {
    /// Its hash, if it was taken, now or before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<TransactionHash>,
    /// Height of its block, if it became final while the client waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Its receipt, if it became final while the client waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Why it was not taken; beside a hash, why it was dropped while the client waited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}
