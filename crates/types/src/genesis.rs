//! The genesis document: what a chain begins with. Its hash gives the chain its id.

use crate::encoding::Bounded;
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, ChainId, MemberId};
use crate::key::PublicKey;
use crate::member::Roles;
use crate::program::Fuel;
use crate::time::Timestamp;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most validators of a chain.
pub const MAX_VALIDATORS: usize = 64;
/// Most members in a genesis document.
pub const MAX_GENESIS_MEMBERS: usize = 1_024;

/// How a chain keeps time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// The validators' clocks.
    Production,
    /// Begins at the genesis time and moves when its operator advances it. For one validator only.
    Development,
}

/// A member from the beginning. Its id is the hash of its first account.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GenesisMember {
    /// Its first account.
    pub account: AccountId,
    /// What it may do.
    pub roles: Roles,
}

impl GenesisMember {
    /// The member.
    pub fn member(&self) -> MemberId {
        MemberId::of(self.account)
    }
}

/// How much state one member can make all others keep, and how much it may ask of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Limits {
    /// Accounts of a member.
    pub accounts: u32,
    /// Offers of a member that have not lapsed.
    pub offers: u32,
    /// Live quotes of a member.
    pub quotes: u32,
    /// Agreements that a member has proposed and nobody has signed yet.
    pub proposals: u32,
    /// Meters in service that a member operates.
    pub meters: u32,
    /// Versions of packages that a member has published.
    pub packages: u32,
    /// Subscriptions of a member that have not ended.
    pub subscriptions: u32,
    /// Programs that a member has published.
    pub programs: u32,
    /// Fuel that agreements of a member may use in a day by what is asked of them and what falls due.
    pub daily_fuel: Fuel,
    /// Transactions of a member that wait in a node's pool.
    pub pooled: u32,
}

impl Limits {
    /// For a consortium of organisations.
    pub const DEFAULT: Self = Self {
        accounts: 1_024,
        offers: 1_024,
        quotes: 4_096,
        proposals: 256,
        meters: 100_000,
        packages: 1_024,
        subscriptions: 4_096,
        programs: 256,
        daily_fuel: Fuel(20_000_000_000),
        pooled: 8_192,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The genesis document.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Genesis {
    /// How the chain keeps time.
    pub kind: ChainKind,
    /// The timestamp that the first block follows.
    pub time: Timestamp,
    /// Consensus keys (Ed25519) of the validators.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<PublicKey>))]
    pub validators: Bounded<PublicKey, MAX_VALIDATORS>,
    /// The first members.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<GenesisMember>))]
    pub members: Bounded<GenesisMember, MAX_GENESIS_MEMBERS>,
    /// What one member can ask of the others.
    pub limits: Limits,
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
