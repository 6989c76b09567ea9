//! Agreements: their parties, terms, signatures, and debts.

use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::agreement::{Origin, Party, Status};
use utilidor_types::{AccountId, AgreementId, AgreementTerms, Digest, Money, OfferId, Program, Timestamp};

/// Which kind of program an agreement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A volume in a window.
    Purchase,
    /// A multi-carrier retail package.
    Subscription,
    /// A program whose parameters it alone reads.
    Coded,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Purchase, Self::Subscription, Self::Coded];

    /// The kind of a program.
    pub const fn of(program: &Program) -> Self {
        match program {
            Program::Purchase(_) => Self::Purchase,
            Program::Subscription(_) => Self::Subscription,
            Program::Coded(_) => Self::Coded,
        }
    }

    /// The name used in JSON, tables and commands; the same as the program's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Subscription => "subscription",
            Self::Coded => "coded",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AgreementView {
    /// The agreement.
    pub agreement: AgreementId,
    /// The seller.
    pub owner: AccountId,
    /// The buyer.
    pub user: AccountId,
    /// Which kind of program it runs.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// Where it comes from.
    pub origin: Origin,
    /// The terms in force.
    pub terms: AgreementTerms,
    /// Digest of the terms in force: what is signed.
    pub terms_digest: Digest,
    /// Signed before this time.
    pub sign_by_ms: Timestamp,
    /// When it ends by the word of one side, if one has spoken.
    #[serde(default)]
    pub ends_ms: Option<Timestamp>,
    /// Statements issued so far.
    pub statements: u32,
    /// What its parties owe under it, those that owe nothing left out.
    #[serde(default)]
    pub debts: Vec<DebtView>,
    /// Other terms that wait for signatures.
    #[serde(default)]
    pub amendment: Option<AmendmentView>,
    /// Every signature and change of status, in order.
    #[serde(default)]
    pub steps: Vec<StepView>,
}

/// Other terms for an agreement, as a party has proposed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AmendmentView {
    /// The terms that result.
    pub terms: AgreementTerms,
    /// From when on they count; once signed, at once if this is past.
    pub from_ms: Timestamp,
    /// What a signature names: the digest of both.
    pub digest: Digest,
    /// Who proposed them.
    pub by: AccountId,
    /// Where.
    pub cause: CauseView,
}

/// What a party owes under an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DebtView {
    /// The party.
    pub party: Party,
    /// Its account.
    pub account: AccountId,
    /// How much it owes now.
    pub owes: Money,
    /// Where it last changed.
    pub cause: CauseView,
}

/// What can happen to an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// It waits for signatures.
    Proposed,
    /// A party signed terms.
    Signed,
    /// All have signed.
    Active,
    /// A party proposed other terms.
    AmendmentProposed,
    /// Other terms took effect.
    Amended,
    /// A party wants to end it.
    TerminationRequested,
    /// A party took back its wish to end it.
    TerminationWithdrawn,
    /// It was said when it ends.
    Ending,
    /// Its program has failed too often.
    Stalled,
    /// It was executed as agreed.
    Settled,
    /// It ended with an obligation that could not be paid.
    Defaulted,
    /// It ended early.
    Terminated,
    /// A party refused to sign.
    Declined,
    /// It was not signed in time.
    Expired,
}

impl StepKind {
    /// All kinds of steps.
    pub const ALL: [Self; 14] = [
        Self::Proposed,
        Self::Signed,
        Self::Active,
        Self::AmendmentProposed,
        Self::Amended,
        Self::TerminationRequested,
        Self::TerminationWithdrawn,
        Self::Ending,
        Self::Stalled,
        Self::Settled,
        Self::Defaulted,
        Self::Terminated,
        Self::Declined,
        Self::Expired,
    ];

    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Signed => "signed",
            Self::Active => "active",
            Self::AmendmentProposed => "amendment_proposed",
            Self::Amended => "amended",
            Self::TerminationRequested => "termination_requested",
            Self::TerminationWithdrawn => "termination_withdrawn",
            Self::Ending => "ending",
            Self::Stalled => "stalled",
            Self::Settled => "settled",
            Self::Defaulted => "defaulted",
            Self::Terminated => "terminated",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }
}

impl From<Status> for StepKind {
    fn from(status: Status) -> Self {
        match status {
            Status::Proposed => Self::Proposed,
            Status::Active => Self::Active,
            Status::Stalled => Self::Stalled,
            Status::Settled => Self::Settled,
            Status::Defaulted => Self::Defaulted,
            Status::Terminated => Self::Terminated,
            Status::Declined => Self::Declined,
            Status::Expired => Self::Expired,
        }
    }
}

impl std::fmt::Display for StepKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Something that happened to an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StepView {
    /// What.
    pub step: StepKind,
    /// Who did it, where an account did.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Digest of the terms that were signed, proposed or took effect.
    #[serde(default)]
    pub terms: Option<Digest>,
    /// When it takes effect, where that is said: an amendment, an end.
    #[serde(default)]
    pub at_ms: Option<Timestamp>,
    /// Where it happened.
    pub cause: CauseView,
}

/// Which agreements are wanted; what is absent does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct AgreementFilter {
    /// With this account as a party.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Where they stand.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Which kind of program they run.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// From an award on this offer.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<OfferId>,
}
