//! Where the node stands, and the reference of codes.

use crate::problem::Code;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use utilidor_types::genesis::ChainKind;
use utilidor_types::{ChainId, Digest, Refusal, Timestamp};

/// Where the node stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NodeStatus {
    /// The chain.
    pub chain: ChainId,
    /// How it keeps time.
    pub kind: ChainKind,
    /// Height of the last final block.
    pub height: u64,
    /// Its time.
    pub time_ms: Timestamp,
    /// Its digest.
    pub block: Digest,
    /// Root of the state after it.
    pub state_root: Digest,
    /// Transactions that wait.
    pub pool: u64,
    /// Height up to which the read model has come. It follows the chain a moment later.
    pub indexed_height: u64,
    /// Pairs of votes that contradict each other, signed by the same validator, which the node has seen since it started. The
    /// votes, which are the proof, stand in its log.
    #[serde(default)]
    pub misconduct: u64,
    /// The node's release.
    pub version: String,
}

/// The chain's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ChainTime {
    /// The last block's time.
    pub time_ms: Timestamp,
}

/// The reference of codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Codes {
    /// Codes of problem documents.
    pub problems: Vec<ProblemCode>,
    /// Codes of refusals, which stand in receipts.
    pub refusals: Vec<RefusalCode>,
}

impl Codes {
    /// All of them.
    pub fn all() -> Self {
        let problem = |(code, status, title): &(&'static str, u16, &'static str)| ProblemCode {
            code: (*code).into(),
            status: *status,
            title: (*title).into(),
        };
        let refusal = |(code, rule): &(&'static str, &'static str)| RefusalCode {
            code: (*code).into(),
            rule: rule.trim().into(),
        };
        Self {
            problems: Code::REFERENCE.iter().map(problem).collect(),
            refusals: Refusal::REFERENCE.iter().map(refusal).collect(),
        }
    }
}

/// A code of problem documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProblemCode {
    /// The code.
    pub code: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What it means.
    pub title: Cow<'static, str>,
}

/// A code of refusals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusalCode {
    /// The code.
    pub code: Cow<'static, str>,
    /// The rule.
    pub rule: Cow<'static, str>,
}
