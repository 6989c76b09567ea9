//! The chain in figures.

use crate::agreement::Kind;
use crate::refusal::RefusalCount;
use serde::{Deserialize, Serialize};
use utilidor_types::agreement::Status;
use utilidor_types::{Money, Timestamp};

/// Totals since the first block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Summary {
    /// Blocks, the genesis block not counted.
    pub blocks: u64,
    /// Time of the last block.
    pub time_ms: Timestamp,
    /// Transactions in blocks, refused ones included.
    pub transactions: u64,
    /// Refused transactions and readings by code.
    pub refused: Vec<RefusalCount>,
    /// Readings certified.
    pub certificates: u64,
    /// Statements issued.
    pub statements: u64,
    /// Members admitted.
    pub members: u64,
    /// Accounts opened.
    pub accounts: u64,
    /// Meters registered.
    pub meters: u64,
    /// Offers published.
    pub offers: u64,
    /// Agreements by kind and status.
    pub agreements: Vec<AgreementCount>,
    /// Money.
    pub money: MoneySummary,
}

/// How many agreements of a kind have a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AgreementCount {
    /// The kind.
    pub kind: Kind,
    /// The status.
    pub status: Status,
    /// How many.
    pub count: u64,
}

/// Money issued, redeemed and held. Conservation: what all accounts hold, free and reserved, is what was issued less what
/// was redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MoneySummary {
    /// Issued.
    pub issued: Money,
    /// Redeemed.
    pub redeemed: Money,
    /// Issued less redeemed.
    pub circulating: Money,
    /// The sum of all accounts' free money, added up for this answer.
    pub free: Money,
    /// The sum of all accounts' reserved money, added up for this answer.
    pub reserved: Money,
    /// Whether free and reserved together are what circulates, now and after every block so far.
    pub conserved: bool,
    /// The first block after which they were not.
    #[serde(default)]
    pub first_violation: Option<u64>,
}
