//! What a node proves. A proof is a document that says its kind and version; checking it is the work of `utilidor_proof`,
//! knowing the genesis document alone.

use serde::{Deserialize, Serialize};
pub use utilidor_proof::ProofDocument;
use utilidor_proof::{FinalHeader, StateInclusion};
use utilidor_types::{Cell, Key};

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
