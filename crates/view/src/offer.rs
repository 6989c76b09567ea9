//! Offers and the quotes on them. Of a quote everybody sees its commitment and its sealed bytes, and its content once the
//! owner has awarded it.

use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::{AccountId, AgreementId, Offer, OfferId, Opening, Quantity, Refusal, SealedQuote};

/// Where an offer stands at the time of the last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OfferStatus {
    /// It takes quotes.
    Open,
    /// Its gate has closed; the owner may award.
    Awarding,
    /// It has lapsed: nothing more of it can be awarded.
    Closed,
    /// Its owner withdrew it.
    Withdrawn,
}

impl OfferStatus {
    /// All statuses.
    pub const ALL: [Self; 4] = [Self::Open, Self::Awarding, Self::Closed, Self::Withdrawn];

    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Awarding => "awarding",
            Self::Closed => "closed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// An offer with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OfferView {
    /// The offer's id.
    pub id: OfferId,
    /// The offer as its owner published it.
    pub offer: Offer,
    /// Who sells.
    pub owner: AccountId,
    /// Where it stands.
    pub status: OfferStatus,
    /// What of each lot is awarded, in the order of the lots.
    pub awarded: Vec<Quantity>,
    /// Quotes that stand or are awarded.
    pub quotes: u32,
    /// Where it was published.
    pub cause: CauseView,
}

/// Where a quote stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuoteStatus {
    /// It stands: it can be awarded once the gate has closed.
    Submitted,
    /// Its bidder put another one in its place.
    Replaced,
    /// Its bidder took it back.
    Withdrawn,
    /// The owner awarded it.
    Awarded,
    /// The owner awarded it, and its bidder could not fund it.
    Forfeited,
    /// The offer lapsed or was withdrawn without an award of it.
    Lapsed,
}

impl QuoteStatus {
    /// All statuses.
    pub const ALL: [Self; 6] =
        [Self::Submitted, Self::Replaced, Self::Withdrawn, Self::Awarded, Self::Forfeited, Self::Lapsed];

    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Replaced => "replaced",
            Self::Withdrawn => "withdrawn",
            Self::Awarded => "awarded",
            Self::Forfeited => "forfeited",
            Self::Lapsed => "lapsed",
        }
    }
}

/// A quote as everybody may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct QuoteView {
    /// Who quotes.
    pub bidder: AccountId,
    /// The quote: offer, commitment and sealed bytes.
    #[serde(flatten)]
    pub quote: SealedQuote,
    /// Where it stands.
    pub status: QuoteStatus,
    /// The agreement that an award made of it.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
    /// Its content, once awarded; never of another quote.
    #[serde(default)]
    pub opening: Option<Opening>,
    /// Why an award of it could not be concluded.
    #[serde(default)]
    pub refusal: Option<Refusal>,
    /// Where it was submitted.
    pub cause: CauseView,
}

impl QuoteView {
    /// Whether it can still be awarded, once the gate has closed.
    pub fn stands(&self) -> bool {
        self.status == QuoteStatus::Submitted
    }
}

/// Which offers are wanted; what is absent does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct OfferFilter {
    /// Where they stand.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<OfferStatus>,
    /// Whose: an account in hex.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountId>,
}
