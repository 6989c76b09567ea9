//! The genesis document: what a chain begins with. Its hash gives the chain its id.

use crate::council::Threshold;
use crate::encoding::Bounded;
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, ChainId, MemberId};
use crate::key::PublicKey;
use crate::member::{Role, Roles};
use crate::program::Fuel;
use crate::time::Timestamp;
use crate::validator::{ENDLESS_EPOCH, Epochs, MIN_EPOCH_LENGTH, Roster, Validator};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub use crate::validator::MAX_VALIDATORS;

/// Most members in a genesis document.
pub const MAX_GENESIS_MEMBERS: usize = 1_024;

/// How a chain keeps time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// The validators' clocks.
    Production,
    /// Begins at the genesis time and moves when its operator advances it.
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
    /// Motions of a member that are open.
    pub motions: u32,
    /// Agreements on programs that parties have written, with a member as owner: from the last signature until they leave the state.
    pub written_agreements: u32,
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
        motions: 64,
        written_agreements: 4_096,
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
    /// The first validators.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Validator>))]
    pub validators: Bounded<Validator, MAX_VALIDATORS>,
    /// Blocks of an epoch: the validators can change after the block of height `n * epoch_length - 1`. The largest number, which
    /// JSON leaves out: never.
    #[serde(default = "endless", skip_serializing_if = "is_endless")]
    pub epoch_length: u64,
    /// How much of the council must be in favour of a motion.
    pub threshold: Threshold,
    /// The first members.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<GenesisMember>))]
    pub members: Bounded<GenesisMember, MAX_GENESIS_MEMBERS>,
    /// What one member can ask of the others.
    pub limits: Limits,
}

/// Why no chain can begin with a genesis document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisRefused {
    /// There is no validator.
    #[error("a chain needs at least one validator")]
    NoValidator,
    /// A validator's key stands there twice.
    #[error("validator key {0} stands in the document twice")]
    KeyTwice(PublicKey),
    /// A validator's key is of another kind.
    #[error("validator key {0} is no Ed25519 key")]
    KeyKind(PublicKey),
    /// A member has two validators.
    #[error("member {0} has two validators, each can have one")]
    ValidatorTwice(MemberId),
    /// A validator's member is not in the council.
    #[error("validator {key} is of member {member}, which the document gives no role 'validator'")]
    NotInCouncil {
        /// The validator's key.
        key: PublicKey,
        /// The member.
        member: MemberId,
    },
    /// Of several validators, one has no address.
    #[error("validator {0} has no address, at which the others could reach it")]
    NoAddress(PublicKey),
    /// More members have a seat in the council than it has.
    #[error("{seats} members have the role 'validator', the council has {MAX_VALIDATORS} seats")]
    CouncilTooLarge {
        /// How many.
        seats: usize,
    },
    /// A member stands there twice.
    #[error("account {0} stands in the document twice")]
    MemberTwice(AccountId),
    /// A decision could be carried against another.
    #[error("a threshold of {0} is not more than a half and at most all of the council")]
    Threshold(Threshold),
    /// The epochs are too short.
    #[error("an epoch of {length} blocks is shorter than {MIN_EPOCH_LENGTH}")]
    EpochLength {
        /// In the document.
        length: u64,
    },
    /// The epochs are too short for so many validators to show themselves in.
    #[error(
        "in an epoch of {length} blocks at most {most} validators can show that they are there, the document names {validators}"
    )]
    ManyForEpoch {
        /// In the document.
        length: u64,
        /// How many it names.
        validators: usize,
        /// How many it may name.
        most: usize,
    },
}

const fn endless() -> u64 {
    ENDLESS_EPOCH
}

const fn is_endless(length: &u64) -> bool {
    *length == ENDLESS_EPOCH
}

impl Genesis {
    /// A chain of one validator, which is the first council member's, and whose validators never change.
    pub fn alone(
        kind: ChainKind,
        time: Timestamp,
        key: PublicKey,
        members: Bounded<GenesisMember, MAX_GENESIS_MEMBERS>,
        limits: Limits,
    ) -> Self {
        let in_council = |first: &&GenesisMember| first.roles.has(Role::Validator);
        let member = members.iter().find(in_council).map_or_else(MemberId::default, GenesisMember::member);
        let validators = Bounded::new(vec![Validator { key, member, address: None }]).expect("one is within the bound");
        let (epoch_length, threshold) = (ENDLESS_EPOCH, Threshold::TWO_THIRDS);
        Self { kind, time, validators, epoch_length, threshold, members, limits }
    }

    /// Checks what a chain rests on.
    pub fn check(&self) -> Result<(), GenesisRefused> {
        if self.validators.is_empty() {
            return Err(GenesisRefused::NoValidator);
        }
        let mut accounts = BTreeSet::new();
        if let Some(twice) = self.members.iter().find(|first| !accounts.insert(first.account)) {
            return Err(GenesisRefused::MemberTwice(twice.account));
        }
        let council: BTreeSet<MemberId> = self.council().collect();
        if council.len() > MAX_VALIDATORS {
            return Err(GenesisRefused::CouncilTooLarge { seats: council.len() });
        }
        let (mut keys, mut members) = (BTreeSet::new(), BTreeSet::new());
        for Validator { key, member, address } in &self.validators {
            if !matches!(key, PublicKey::Ed25519(_)) {
                return Err(GenesisRefused::KeyKind(*key));
            }
            if !keys.insert(key) {
                return Err(GenesisRefused::KeyTwice(*key));
            }
            if !members.insert(member) {
                return Err(GenesisRefused::ValidatorTwice(*member));
            }
            if !council.contains(member) {
                return Err(GenesisRefused::NotInCouncil { key: *key, member: *member });
            }
            if address.is_none() && self.validators.len() > 1 {
                return Err(GenesisRefused::NoAddress(*key));
            }
        }
        if !self.threshold.is_sound() {
            return Err(GenesisRefused::Threshold(self.threshold));
        }
        if self.epoch_length < MIN_EPOCH_LENGTH {
            return Err(GenesisRefused::EpochLength { length: self.epoch_length });
        }
        let (length, validators, most) = (self.epoch_length, self.validators.len(), self.epochs().most_validators());
        if validators > most {
            return Err(GenesisRefused::ManyForEpoch { length, validators, most });
        }
        Ok(())
    }

    /// The members that have a seat in the council, in the document's order.
    pub fn council(&self) -> impl Iterator<Item = MemberId> {
        self.members.iter().filter(|first| first.roles.has(Role::Validator)).map(GenesisMember::member)
    }

    /// Whether it is the key of one of the first validators.
    pub fn has_validator(&self, key: &PublicKey) -> bool {
        self.validators.iter().any(|validator| validator.key == *key)
    }

    /// The validators of the first epoch.
    pub fn roster(&self) -> Roster {
        Roster::new(0, self.validators.clone())
    }

    /// The chain's epochs.
    pub const fn epochs(&self) -> Epochs {
        Epochs { length: self.epoch_length }
    }

    /// Hash of the document.
    pub fn digest(&self) -> Digest {
        hash_of("utilidor/genesis", self)
    }

    /// The chain's id.
    pub fn chain(&self) -> ChainId {
        ChainId(self.digest().0[..ChainId::BYTES].try_into().expect("a digest is longer than an id"))
    }
}
