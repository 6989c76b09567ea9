//! What a node proves. Checking is the work of `utilidor_proof`, knowing the genesis document alone.

use serde::{Deserialize, Serialize};
use utilidor_proof::{BlockInclusion, EntryInclusion, FinalHeader, StateInclusion};
use utilidor_types::{Cell, CertificationEntry, Key, Receipt, TransactionHash};

/// The proof that a final block holds a transaction and left its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TransactionProof {
    /// The block.
    pub block: FinalHeader,
    /// The transaction.
    pub transaction: TransactionHash,
    /// Its place.
    pub inclusion: BlockInclusion,
    /// What the ledger answered.
    pub receipt: Receipt,
    /// The receipt's place.
    pub receipt_inclusion: BlockInclusion,
}

/// The proof that readings were certified, all against the certification root of one block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertificatesProof {
    /// The block.
    pub block: FinalHeader,
    /// The entries of the certification log that hold the readings.
    pub entries: Vec<CertifiedEntry>,
}

/// An entry of the certification log with its place there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertifiedEntry {
    /// The entry.
    pub entry: CertificationEntry,
    /// Its place.
    pub inclusion: EntryInclusion,
}

/// The proof of what a key of the state held after a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StateProof {
    /// The block.
    pub block: FinalHeader,
    /// The key.
    pub key: Key,
    /// What it held; none: nothing.
    #[serde(default)]
    pub cell: Option<Cell>,
    /// The proof of it.
    pub inclusion: StateInclusion,
}
