//! Receipts: what the ledger answers to a transaction, and what due work did.

use crate::encoding::Bounded;
use crate::event::{Event, MAX_EVENTS};
use crate::hash::{Digest, hash_of};
use crate::id::{AgreementId, MotionId, OfferId};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::transaction::TransactionHash;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What a receipt answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The genesis document.
    Genesis,
    /// A transaction of the block.
    Transaction(TransactionHash),
    /// A due time.
    Due {
        /// Of what.
        item: DueItem,
        /// When it was due.
        at: Timestamp,
    },
}

/// What can fall due.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DueItem {
    /// An agreement's own time: for its signature, its program, or its hard end.
    Agreement(AgreementId),
    /// An offer lapses.
    Offer(OfferId),
    /// A motion's time is up.
    Motion(MotionId),
    /// The epoch of this number ends, and the validators of the next one are fixed.
    Epoch(u64),
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It was done, with these consequences.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Event>))]
    Applied(Bounded<Event, MAX_EVENTS>),
    /// A rule forbids it; nothing but the nonce has changed.
    Refused(Refusal),
}

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// What it answers.
    pub cause: Cause,
    /// How it went.
    pub verdict: Verdict,
}

impl Receipt {
    /// The leaf of the receipts tree.
    pub fn hash(&self) -> Digest {
        hash_of("utilidor/receipt", self)
    }

    /// The events, none if it was refused.
    pub fn events(&self) -> &[Event] {
        match &self.verdict {
            Verdict::Applied(events) => events,
            Verdict::Refused(_) => &[],
        }
    }

    /// The refusal, if it was refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        match &self.verdict {
            Verdict::Applied(_) => None,
            Verdict::Refused(refusal) => Some(refusal),
        }
    }
}
