//! Movements of money: issue, redemption, transfers, bonds of quotes, and what agreements do with money put under them.

use serde::{Deserialize, Serialize};
use utilidor_types::event::{Purpose, Source};
use utilidor_types::{AccountId, AgreementId, DueItem, Money, OfferId, Timestamp, TransactionHash};

/// The receipt behind something, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CauseView {
    /// The block's height.
    pub height: u64,
    /// The receipt's place among the block's receipts.
    pub receipt: u32,
    /// The block's time.
    pub time_ms: Timestamp,
    /// The transaction, if it was one.
    #[serde(default)]
    pub transaction: Option<TransactionHash>,
    /// What was due, if it was that. Neither: it was the genesis document.
    #[serde(default)]
    pub due: Option<DueView>,
}

/// Work that was due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DueView {
    /// Of what.
    pub item: DueItem,
    /// When.
    pub at_ms: Timestamp,
}

/// How money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    /// The issuer brought it into circulation.
    Issue,
    /// The issuer took it out of circulation.
    Redeem,
    /// An account paid another one.
    Transfer,
    /// Free money became reserved.
    Reserve,
    /// Reserved money became free.
    Release,
    /// A party of an agreement paid another one.
    Pay,
    /// Reserved money went to the other side because its owner did not perform.
    Forfeit,
    /// Reserved money was given out at an agreement's hard end.
    FallBack,
}

impl MovementKind {
    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Redeem => "redeem",
            Self::Transfer => "transfer",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Pay => "pay",
            Self::Forfeit => "forfeit",
            Self::FallBack => "fall_back",
        }
    }
}

/// What reserved money is or was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// The margin of a party.
    Deposit,
    /// A party's guarantee that it can pay.
    Guarantee,
    /// Money paid ahead for a service.
    Prepayment,
    /// The bond of a quote.
    Bond,
}

impl From<Purpose> for Held {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Deposit => Self::Deposit,
            Purpose::Guarantee => Self::Guarantee,
            Purpose::Prepayment => Self::Prepayment,
        }
    }
}

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MovementView {
    /// How.
    pub kind: MovementKind,
    /// What reserved money is or was for, if it was reserved before or after.
    #[serde(default)]
    pub held: Option<Held>,
    /// Where an agreement's payment came from.
    #[serde(default)]
    pub source: Option<Source>,
    /// Who gave it; none for an issue. Reserving and releasing stay within one account.
    #[serde(default)]
    pub from: Option<AccountId>,
    /// Who got it; none for a redemption.
    #[serde(default)]
    pub to: Option<AccountId>,
    /// How much.
    pub amount: Money,
    /// The agreement that it is for.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
    /// The offer, if it is a bond.
    #[serde(default)]
    pub offer: Option<OfferId>,
    /// The issuer's or payer's reference.
    #[serde(default)]
    pub reference: Option<String>,
    /// Where it happened.
    pub cause: CauseView,
}
