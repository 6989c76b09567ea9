//! The council: the members with the role `validator`, who decide together who belongs to the consortium and what each may do.
//!
//! *motion* what one of them asks all to decide. *vote* a member's word on a motion; one member, one vote, and the last one
//! counts. *threshold* the part of the council that must be in favour. A motion is carried with the vote that reaches the
//! threshold, and its decision takes effect at once; it is rejected as soon as the threshold is out of reach; and it lapses
//! when its time is up.
//!
//! Votes on blocks are no votes of the council: those are given by nodes, these by people.

use crate::action::NewAccount;
use crate::carrier::Carrier;
use crate::encoding::Text;
use crate::genesis::Limits;
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, Label, MemberId};
use crate::key::PublicKey;
use crate::member::Roles;
use crate::quantity::Quantity;
use crate::refusal::Refusal;
use crate::time::DAY_MS;
use crate::validator::NodeAddress;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Longest reason of a motion in bytes.
pub const MAX_MOTION_REASON_BYTES: usize = 256;
/// Longest time that a motion can be open.
pub const MAX_OPEN_MS: u64 = 90 * DAY_MS;
/// For how long a motion is open unless it says otherwise.
pub const DEFAULT_OPEN_MS: u64 = 7 * DAY_MS;

/// The part of the council that must be in favour: at least `votes` of every `of` members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// So many ...
    pub votes: u8,
    /// ... of so many.
    pub of: u8,
}

impl Threshold {
    /// Two thirds.
    pub const TWO_THIRDS: Self = Self { votes: 2, of: 3 };

    /// Whether it is more than a half and not more than all, so that no two contrary decisions can be carried.
    pub const fn is_sound(self) -> bool {
        self.votes <= self.of && 2 * (self.votes as u16) > self.of as u16
    }

    /// How many of a council of `members` must be in favour, rounded up; never none.
    pub const fn needed(self, members: usize) -> usize {
        let of = if self.of == 0 { 1 } else { self.of as usize };
        let needed = (members * self.votes as usize).div_ceil(of);
        if needed == 0 { 1 } else { needed }
    }
}

impl std::fmt::Display for Threshold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.votes, self.of)
    }
}

/// What the council decides.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A member is admitted with its first account, or one that was removed is admitted again.
    AdmitMember {
        /// The member's first account.
        account: NewAccount,
        /// What it may do.
        roles: Roles,
    },
    /// A member is removed: it loses its roles, its seat and its validator. Its accounts keep their money, and its agreements
    /// run to their end.
    RemoveMember {
        /// The member.
        member: MemberId,
    },
    /// A member may do other things from now on. With the role `validator` it gets a seat in the council, without it loses it.
    ChangeRoles {
        /// The member.
        member: MemberId,
        /// What it may do from now on.
        roles: Roles,
    },
    /// A member's quotas change.
    ChangeLimits {
        /// The member.
        member: MemberId,
        /// Its limits from now on; none: those of the genesis document.
        limits: Option<Limits>,
    },
    /// A council member's node takes part in consensus with this key at this address: a first one, another key in place of the
    /// present one, or the same key at another address. A new key counts from the first epoch before which its node has shown
    /// that it is ready.
    AppointValidator {
        /// The member.
        member: MemberId,
        /// The node's consensus key (Ed25519).
        key: PublicKey,
        /// Where the others reach it; none where there are no others.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<NodeAddress>,
    },
    /// A member's node takes part in consensus no longer, from the next epoch on.
    DismissValidator {
        /// The member.
        member: MemberId,
    },
    /// The most that an owner can supply of a carrier in an hour.
    DeclareCapacity {
        /// The owner's account.
        owner: AccountId,
        /// The carrier.
        carrier: Carrier,
        /// Base units per hour.
        per_hour: Quantity,
    },
    /// The meters of an operator that is gone are handed to another, which takes them over by an action of its own.
    HandOverMeters {
        /// The account that operates them.
        from: AccountId,
        /// The account that is to.
        to: AccountId,
    },
}

impl Decision {
    /// The decision's name in JSON and tables.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AdmitMember { .. } => "admit_member",
            Self::RemoveMember { .. } => "remove_member",
            Self::ChangeRoles { .. } => "change_roles",
            Self::ChangeLimits { .. } => "change_limits",
            Self::AppointValidator { .. } => "appoint_validator",
            Self::DismissValidator { .. } => "dismiss_validator",
            Self::DeclareCapacity { .. } => "declare_capacity",
            Self::HandOverMeters { .. } => "hand_over_meters",
        }
    }
}

/// A motion.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Motion {
    /// What its proposer calls it.
    pub label: Label,
    /// What is to be decided.
    pub decision: Decision,
    /// Why, for all to read.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub reason: Text<MAX_MOTION_REASON_BYTES>,
    /// How long it is open, in milliseconds.
    pub open_ms: u64,
}

impl Motion {
    /// A motion for a decision, open for the usual time, called after the decision.
    pub fn of(decision: Decision) -> Self {
        let label =
            Label(hash_of("utilidor/decision", &decision).0[..Label::BYTES].try_into().expect("a digest is longer"));
        Self { label, decision, reason: Text::default(), open_ms: DEFAULT_OPEN_MS }
    }

    /// Digest of the motion: what is voted on.
    pub fn digest(&self) -> Digest {
        hash_of("utilidor/motion", self)
    }
}

/// What became of a motion that was not carried, or whose decision could not take effect.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MotionEnd {
    /// The threshold is out of reach.
    Rejected,
    /// Its time was up.
    Lapsed,
    /// The threshold was reached, and a rule forbids the decision.
    Failed(Refusal),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_rounds_up_and_is_more_than_a_half() {
        let needed: Vec<usize> = (1..=7).map(|members| Threshold::TWO_THIRDS.needed(members)).collect();
        assert_eq!(needed, [1, 2, 2, 3, 4, 4, 5]);
        assert!(Threshold::TWO_THIRDS.is_sound() && Threshold { votes: 1, of: 1 }.is_sound());
        for (votes, of) in [(1, 2), (0, 0), (0, 1), (4, 3), (100, 255)] {
            assert!(!Threshold { votes, of }.is_sound(), "{votes}/{of}");
            assert!(Threshold { votes, of }.needed(1) > 0, "nothing is decided without a vote");
        }
    }
}
