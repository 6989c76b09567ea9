//! The genesis document: what a chain begins with. Its hash gives the chain its id.

use crate::encoding::Bounded;
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, ChainId, MemberId};
use crate::key::PublicKey;
use crate::member::Roles;
use crate::time::Timestamp;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most validators of a chain.
pub const MAX_VALIDATORS: usize = 64;
/// Most members in a genesis document.
pub const MAX_GENESIS_MEMBERS: usize = 1_024;

/// How a chain keeps time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// The validators' clocks.
    Production,
    /// Begins at the genesis time and moves when its operator advances it. For one validator only.
    Development,
}

/// A member from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct GenesisMember {
    /// The member.
    pub member: MemberId,
    /// Its first account.
    pub account: AccountId,
    /// What it may do.
    pub roles: Roles,
}

/// The genesis document.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Genesis {
    /// How the chain keeps time.
    pub kind: ChainKind,
    /// The timestamp that the first block follows.
    pub time: Timestamp,
    /// Consensus keys (Ed25519) of the validators.
    pub validators: Bounded<PublicKey, MAX_VALIDATORS>,
    /// The first members.
    pub members: Bounded<GenesisMember, MAX_GENESIS_MEMBERS>,
}

impl Genesis {
    /// Hash of the document.
    pub fn digest(&self) -> Digest {
        hash_of("utilidor/genesis", self)
    }

    /// The chain's id.
    pub fn chain(&self) -> ChainId {
        ChainId(self.digest().0[..ChainId::BYTES].try_into().expect("a digest is longer than an id"))
    }
}
