//! The council: who decides, what is and was decided, and who the validators are.

use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::council::Threshold;
use utilidor_types::{AccountId, Decision, Digest, MemberId, MotionId, Refusal, Roster, Timestamp, Validator};

/// The council and the validators.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CouncilView {
    /// The members that have a seat, in the order of admission.
    pub seats: Vec<MemberId>,
    /// How much of the council must be in favour of a motion ...
    pub threshold: Threshold,
    /// ... and how many that are now.
    pub needed: u32,
    /// The epoch of the next block, on a chain whose validators can change.
    pub epoch: Option<EpochView>,
    /// The validators of that epoch. Once the last block of an epoch is final, those of the next one.
    pub validators: Roster,
    /// The validators that the council wants.
    pub appointed: Vec<AppointedView>,
}

/// An epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EpochView {
    /// Its number.
    pub number: u64,
    /// Height of its last block, which fixes the validators of the next epoch.
    pub last: u64,
    /// Digest of the block that its first one follows, which a node that is ready names.
    pub after: Digest,
}

/// A validator that the council wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AppointedView {
    /// Which.
    pub validator: Validator,
    /// The last epoch in which its node has shown that it is ready; a validator of the present set need not.
    pub ready_epoch: Option<u64>,
    /// Whether it takes part in consensus.
    pub in_force: bool,
}

/// Where a motion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MotionStatus {
    /// Votes are taken.
    Open,
    /// It was carried, and its decision took effect.
    Carried,
    /// Its threshold is out of reach.
    Rejected,
    /// Its time was up.
    Lapsed,
    /// It was carried, and a rule forbade its decision.
    Failed,
}

impl MotionStatus {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Open, Self::Carried, Self::Rejected, Self::Lapsed, Self::Failed];

    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Carried => "carried",
            Self::Rejected => "rejected",
            Self::Lapsed => "lapsed",
            Self::Failed => "failed",
        }
    }
}

/// A member's last vote on a motion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct VoteView {
    /// Who.
    pub member: MemberId,
    /// For or against.
    pub in_favour: bool,
    /// The transaction that says so.
    pub cause: CauseView,
}

/// A motion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MotionView {
    /// The motion.
    pub motion: MotionId,
    /// Its digest: what is voted on.
    pub digest: Digest,
    /// Whose it is.
    pub proposer: AccountId,
    /// What is to be decided.
    pub decision: Decision,
    /// Why.
    pub reason: String,
    /// Where it stands.
    pub status: MotionStatus,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// When it lapses or would have lapsed.
    pub closes_ms: Timestamp,
    /// Where it was moved.
    pub cause: CauseView,
    /// Where it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<CauseView>,
    /// The last vote of each member that has voted; who has no seat any more does not count.
    pub votes: Vec<VoteView>,
}

/// Which motions are wanted; what is absent does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct MotionFilter {
    /// With this status.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<MotionStatus>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_one_name() {
        for status in MotionStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.name());
        }
    }
}
