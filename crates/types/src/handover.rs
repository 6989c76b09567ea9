//! How whoever checks blocks learns which validators sign them, from one set to the next.
//!
//! *set* a [`Roster`]: the validators that sign for as long as it is in force. The genesis document's has version 0, and each
//! change counts one. *boundary* the last block of an epoch: it names the set of the next one. *handover* a boundary with its
//! signatures and the set that it names: whoever knows a set learns the next from it, and so all of them from the genesis
//! document alone.

use crate::block::Header;
use crate::encoding::hex_bytes;
use crate::hash::{Digest, hash_of};
use crate::validator::{MAX_ROSTER_BYTES, MAX_VALIDATORS, Roster};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Names a set of validators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SetId {
    /// How many changes led to it.
    pub version: u64,
    /// Hash of the set.
    pub digest: Digest,
}

impl Roster {
    /// Its name.
    pub fn id(&self) -> SetId {
        SetId { version: self.version, digest: hash_of("utilidor/validators", self) }
    }
}

/// The last block of an epoch, with the signatures that make it final and the set that it names for the next epoch.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Handover {
    /// The block's header; `next_validators` names the set.
    pub header: Header,
    /// The finalization of this very block by the set of its epoch.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub finalization: Vec<u8>,
    /// The set of the next epoch.
    pub set: Roster,
}

/// Bound on the encoding of a handover in bytes.
pub const MAX_HANDOVER_BYTES: usize = 1_024 + 16 + MAX_VALIDATORS * 72 + MAX_ROSTER_BYTES;
