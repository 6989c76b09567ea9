//! Whose votes make blocks final: the set of validators, and how one set hands over to the next.
//!
//! *set* the consensus keys that vote for as long as it is in force, with its *version*: the genesis document's set has version
//! 0, and each change counts one. *epoch* a run of blocks of fixed length, in which the set stays the same. *boundary* the last
//! block of an epoch: it names the set of the next one. *handover* a boundary with its signatures and the set that it names:
//! whoever knows a set learns the next from it, and so all of them from the genesis document alone.

use crate::block::Header;
use crate::encoding::{Bounded, hex_bytes};
use crate::genesis::{Genesis, MAX_VALIDATORS};
use crate::hash::{Digest, hash_of};
use crate::key::PublicKey;
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

impl SetId {
    /// The set that follows this one if `keys` are to vote; none if they do already.
    pub fn followed_by(self, keys: Bounded<PublicKey, MAX_VALIDATORS>) -> Option<ValidatorSet> {
        let same = ValidatorSet { version: self.version, keys: rising(keys) };
        let next = || ValidatorSet { version: self.version.saturating_add(1), ..same.clone() };
        (same.id() != self).then(next)
    }
}

/// The keys that vote.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ValidatorSet {
    /// How many changes led to it.
    pub version: u64,
    /// Consensus keys (Ed25519), rising, each once.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<PublicKey>))]
    pub keys: Bounded<PublicKey, MAX_VALIDATORS>,
}

/// Bound on the encoding of a set in bytes.
pub const MAX_SET_BYTES: usize = 8 + 2 + MAX_VALIDATORS * 34;

impl ValidatorSet {
    /// The set that a chain begins with.
    pub fn genesis(genesis: &Genesis) -> Self {
        Self { version: 0, keys: rising(genesis.validators.clone()) }
    }

    /// The keys, rising.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.keys.iter()
    }

    /// Its name.
    pub fn id(&self) -> SetId {
        SetId { version: self.version, digest: hash_of("utilidor/validators", self) }
    }
}

/// The keys in rising order, each once.
fn rising(keys: Bounded<PublicKey, MAX_VALIDATORS>) -> Bounded<PublicKey, MAX_VALIDATORS> {
    let mut keys = Vec::from(&*keys);
    keys.sort_unstable();
    keys.dedup();
    Bounded::new(keys).expect("there are no more than there were")
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
    pub set: ValidatorSet,
}

/// Bound on the encoding of a handover in bytes.
pub const MAX_HANDOVER_BYTES: usize = 1_024 + 16 + MAX_VALIDATORS * 72 + MAX_SET_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(version: u64, keys: &[u8]) -> ValidatorSet {
        let keys = keys.iter().map(|key| PublicKey::Ed25519([*key; 32])).collect();
        ValidatorSet { version, keys: Bounded::new(keys).unwrap() }
    }

    #[test]
    fn the_order_in_which_keys_are_named_does_not_matter_and_only_a_change_counts() {
        let first = set(0, &[1, 2, 3]);
        assert_eq!(first.id().followed_by(set(0, &[3, 1, 2, 1]).keys), None);
        assert_eq!(first.id().followed_by(set(0, &[4, 2]).keys), Some(set(1, &[2, 4])));
        assert_ne!(first.id().digest, set(1, &[1, 2, 3]).id().digest, "the version is part of the name");
    }
}
