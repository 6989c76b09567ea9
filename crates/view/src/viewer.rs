//! Who asks, and how far what they may see is narrowed. What each may see of each noun is decided in one place, the index's
//! `sight`; ADR 0023 says why.

use serde::{Deserialize, Serialize};
use utilidor_types::session::{Category, Subject};
use utilidor_types::{AccountId, Digest, MemberId, Roles, Timestamp};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Whoever can reach the node.
    Public,
    /// Who holds an account's key, or a program that it has let in.
    Holder {
        /// The account.
        account: AccountId,
        /// How far.
        scope: Scope,
    },
    /// A supervisor that has said why [M8].
    Supervisor {
        /// Its account.
        account: AccountId,
        /// Which kind it may see now.
        category: Category,
        /// Of whom or what.
        subject: Subject,
    },
    /// Who runs the node: its disk holds everything.
    Operator,
}

impl Viewer {
    /// Whether this kind of what is not for everybody is within its scope.
    pub fn may_ask_for(&self, category: Category) -> bool {
        match self {
            Self::Public => false,
            Self::Holder { scope, .. } => scope.has(category),
            Self::Supervisor { category: allowed, .. } => *allowed == category,
            Self::Operator => true,
        }
    }
}

/// What a read token is narrowed to. A session is narrowed to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    categories: u8,
    /// Only what this account may see, and not its member's others.
    pub this_account_only: bool,
}

impl Scope {
    /// All that the account's member may see.
    pub fn whole() -> Self {
        Self::of(&Category::ALL, false)
    }

    /// These categories.
    pub fn of(categories: &[Category], this_account_only: bool) -> Self {
        Self { categories: categories.iter().fold(0, |bits, category| bits | 1 << *category as u8), this_account_only }
    }

    /// Whether a category is in it.
    pub const fn has(self, category: Category) -> bool {
        self.categories & (1 << category as u8) != 0
    }

    /// The categories in it.
    pub fn categories(self) -> Vec<Category> {
        Category::ALL.into_iter().filter(|category| self.has(*category)).collect()
    }
}

/// A challenge to be signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ChallengeView {
    /// What is to be signed, with the chain and the node's name.
    pub challenge: utilidor_types::session::Challenge,
    /// The chain.
    pub chain: utilidor_types::ChainId,
    /// Until when it is taken, by the node's clock.
    pub ends_ms: Timestamp,
}

/// What kind of token somebody asks with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// A short one that a key has signed in for.
    Session,
    /// One that an account has made for a program.
    Program,
    /// One that a supervisor has given a reason for.
    Oversight,
}

/// Who somebody is to the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SessionView {
    /// Which kind of token it is.
    pub kind: TokenKind,
    /// The account.
    pub account: AccountId,
    /// Its member; none if the account is not on the chain.
    #[serde(default)]
    pub member: Option<MemberId>,
    /// What its member may do.
    pub roles: Roles,
    /// Whether it may see everything, as who runs a validator's node does anyway.
    pub sees_everything: bool,
    /// What it may see of what is not for everybody.
    pub categories: Vec<Category>,
    /// Until when, by the node's clock.
    pub ends_ms: Timestamp,
}

/// A token that was just made. It is told once: the node keeps its hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct NewToken {
    /// To be sent as `Authorization: Bearer TOKEN`.
    pub token: String,
    /// Whom it shows.
    #[serde(flatten)]
    pub session: SessionView,
}

/// A read token for a program, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TokenWish {
    /// What its maker calls it: 1 to 64 bytes.
    pub name: String,
    /// What it may read; at least one.
    pub categories: Vec<Category>,
    /// Only of the account that makes it, and not of its member's others.
    #[serde(default)]
    pub this_account_only: bool,
    /// Until when, by the node's clock; at most 400 days ahead.
    pub ends_ms: Timestamp,
}

/// A read token for a program, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenView {
    /// What it is revoked by: the hash of the token.
    pub id: Digest,
    /// What its maker calls it.
    pub name: String,
    /// The account that made it.
    pub account: AccountId,
    /// What it may read.
    pub categories: Vec<Category>,
    /// Only of that account.
    pub this_account_only: bool,
    /// When it was made.
    pub made_ms: Timestamp,
    /// Until when.
    pub ends_ms: Timestamp,
}

/// An entry of the log of oversight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OversightView {
    /// Its place in the log, from 1.
    pub number: u64,
    /// When, by the node's clock.
    pub at_ms: Timestamp,
    /// Who looked.
    pub supervisor: AccountId,
    /// At which kind.
    pub category: Category,
    /// At whom or what; only those whom it concerns, supervisors and who runs the node are told.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// Whether it concerns who asks.
    pub concerns_you: bool,
    /// Why, in the supervisor's words; told with the subject.
    #[serde(default)]
    pub reason: Option<String>,
    /// Digest of the entry: the next one names it.
    pub digest: Digest,
    /// Digest of the entry before.
    pub after: Digest,
}
