//! An agreement: the contract between an owner and a user, and the program that executes it.
//!
//! ```text
//! proposed --sign--> active --due--> settled | defaulted
//!    |                  \--both agree--> terminated
//!    \--decline--> declined     \--signing time over--> expired
//! ```
//!
//! Nothing in it changes once both have signed, save by an amendment that both sign.

use crate::carrier::Carrier;
use crate::encoding::Bounded;
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, AgreementId, MeterId, OfferId, PackageId};
use crate::money::{Money, Price};
use crate::offer::MAX_LOTS;
use crate::quantity::Quantity;
use crate::time::{Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Longest delivery window in hours: 31 days.
pub const MAX_WINDOW_HOURS: u64 = 31 * 24;

/// One side of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The seller.
    Owner,
    /// The buyer.
    User,
}

impl Side {
    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Owner => Self::User,
            Self::User => Self::Owner,
        }
    }
}

/// Which meters prove a delivery. With both, the user takes from what has been made available; with the
/// delivery meter alone all that is available counts as taken; with the user's alone all counts as available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Metering {
    /// Meter of what the owner makes available.
    pub delivery: Option<MeterId>,
    /// Meter of what the user takes.
    pub take: Option<MeterId>,
}

/// What counts for the part of a window without readings when the grace time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Substitute {
    /// Nothing: what no reading proves was not delivered.
    Nothing,
    /// The missing time's share of the volume, rounded down.
    ProRata,
}

/// A carrier's part of a purchase.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct PurchaseLot {
    /// The carrier.
    pub carrier: Carrier,
    /// The volume over the whole window.
    pub quantity: Quantity,
    /// The price.
    pub price: Price,
    /// The meters that prove it.
    pub metering: Metering,
}

/// Terms of the native program `purchase`: deliver a volume in a window, settle after a grace time.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct PurchaseTerms {
    /// What is bought; each carrier at most once.
    pub lots: Bounded<PurchaseLot, MAX_LOTS>,
    /// When it is delivered; whole hours.
    pub window: Window,
    /// Deposit of each side, in thousandths of the value.
    pub deposit_permille: u16,
    /// Payment guarantee of the user, in thousandths of the value.
    pub guarantee_permille: u16,
    /// Deviation without consequence, in thousandths of the volume.
    pub tolerance_permille: u16,
    /// Time after the window in which late readings still count, in milliseconds.
    pub grace_ms: u32,
    /// What counts for time without readings.
    pub substitute: Substitute,
}

impl PurchaseTerms {
    /// Volume times price over all lots; `None` if money cannot hold it.
    pub fn value(&self) -> Option<Money> {
        self.lots.iter().try_fold(Money::ZERO, |sum, lot| sum.checked_add(lot.price.amount_half_even(lot.quantity)?))
    }

    /// The meters that measure its lots; one that measures several is there several times.
    pub fn meters(&self) -> impl Iterator<Item = MeterId> {
        self.lots.iter().flat_map(|lot| [lot.metering.delivery, lot.metering.take]).flatten()
    }

    /// When the purchase settles.
    pub fn settles_at(&self) -> Option<Timestamp> {
        self.window.to.checked_add_ms(self.grace_ms.into())
    }
}

/// A service chosen in a subscription.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Service {
    /// The carrier; each at most once in a subscription.
    pub carrier: Carrier,
    /// Which of the package's tariff options for the carrier, counted from 0.
    pub option: u8,
    /// The user's meter. Needed by metered tariffs; with a floor-area tariff its readings are certified, not charged.
    pub meter: Option<MeterId>,
    /// Floor area in m2; used by floor-area tariffs.
    pub floor_area_m2: u32,
    /// A low-balance notice is given when less than this is prepaid, at the tariff's unit price.
    pub low_balance: Quantity,
}

/// Terms of the native program `package`: a user's choice from a published package.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SubscriptionTerms {
    /// The package.
    pub package: PackageId,
    /// Its version, which stays with the subscription until both sides agree on another.
    pub version: u32,
    /// The chosen services.
    pub services: Bounded<Service, { Carrier::COUNT }>,
}

/// The program that an agreement runs, with its terms. Parties' own programs get a variant here.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A volume in a window.
    Purchase(PurchaseTerms),
    /// A multi-carrier retail package.
    Subscription(SubscriptionTerms),
}

/// What the parties sign.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct AgreementTerms {
    /// The seller.
    pub owner: AccountId,
    /// The buyer.
    pub user: AccountId,
    /// What is agreed.
    pub program: Program,
}

impl AgreementTerms {
    /// The digest that a signature names.
    pub fn digest(&self) -> Digest {
        hash_of("utilidor/agreement", self)
    }

    /// The account on one side.
    pub const fn party(&self, side: Side) -> AccountId {
        match side {
            Side::Owner => self.owner,
            Side::User => self.user,
        }
    }

    /// The side of an account, if it is a party.
    pub fn side_of(&self, account: AccountId) -> Option<Side> {
        match account {
            account if account == self.owner => Some(Side::Owner),
            account if account == self.user => Some(Side::User),
            _ => None,
        }
    }
}

/// Where an agreement comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An award on an offer.
    Award {
        /// The offer.
        offer: OfferId,
    },
    /// A bilateral proposal by one side.
    Proposal {
        /// Who proposed.
        by: Side,
    },
    /// A subscription to a published package.
    Package,
}

/// Where an agreement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a signature.
    Proposed,
    /// Signed by both; deposits are reserved.
    Active,
    /// Executed as agreed.
    Settled,
    /// Ended with an obligation that could not be paid.
    Defaulted,
    /// Ended early by both sides.
    Terminated,
    /// Refused by the side that was to sign.
    Declined,
    /// Not signed in time.
    Expired,
}

impl Status {
    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::Settled => "settled",
            Self::Defaulted => "defaulted",
            Self::Terminated => "terminated",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// An agreement as the ledger keeps it; its changing part is the ledger's own record.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Agreement {
    /// Chosen by the side that created it.
    pub id: AgreementId,
    /// What both sign.
    pub terms: AgreementTerms,
    /// Where it comes from.
    pub origin: Origin,
    /// The other side signs before this time.
    pub sign_by: Timestamp,
}
