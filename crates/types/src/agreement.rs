//! An agreement: the contract between its parties, and the program that executes it.
//!
//! ```text
//! proposed --sign--> active --due--> settled | defaulted
//!    |                  |\--ended early--> terminated
//!    |                  \--its program fails three times--> stalled --both agree, or hard end--> terminated
//!    \--decline--> declined     \--signing time over--> expired
//! ```
//!
//! Nothing in it changes once all have signed, save by an amendment that all sign.

use crate::carrier::Carrier;
use crate::encoding::{Bounded, hex_bytes};
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, AgreementId, MeterId, OfferId, PackageId, ProgramId};
use crate::money::{Money, Price};
use crate::offer::MAX_LOTS;
use crate::program::{CLAUSES, CodedMeter, Grant, MAX_CODED_METERS, MAX_PARAMETER_BYTES};
use crate::quantity::{Area, Quantity};
use crate::time::{DAY_MS, Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest delivery window in hours: 31 days, and the hour that a clock change can add.
pub const MAX_WINDOW_HOURS: u64 = 31 * 24 + 1;
/// Most parties of an agreement.
pub const MAX_PARTIES: usize = 16;
/// An allowance that renews does so after this time: 30 days.
pub const ALLOWANCE_PERIOD_MS: u64 = 30 * DAY_MS;

/// A party of an agreement, by its number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Party(pub u8);

impl Party {
    /// The seller.
    pub const OWNER: Self = Self(0);
    /// The buyer.
    pub const USER: Self = Self(1);

    /// The other one of an owner and a user.
    pub const fn other(self) -> Self {
        Self(1 - self.0 % 2)
    }

    /// The party in a set of parties, which has a bit for each; nobody beyond the sixteen that there can be.
    pub const fn bit(self) -> u16 {
        match 1u16.checked_shl(self.0 as u32) {
            Some(bit) => bit,
            None => 0,
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OWNER => f.pad("owner"),
            Self::USER => f.pad("user"),
            Self(number) => f.pad(&format!("party {number}")),
        }
    }
}

/// Which meters prove a delivery. With both, what counts is the smaller of what they show over the window; with the
/// delivery meter alone all that is available counts as taken; with the user's alone all counts as available.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Metering {
    /// Meter of what the owner makes available.
    pub delivery: Option<MeterId>,
    /// Meter of what the user takes.
    pub take: Option<MeterId>,
}

/// What counts for the part of a window without readings when the grace time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Substitute {
    /// Nothing: what no reading proves was not delivered.
    Nothing,
    /// The missing time's share of the volume, rounded down.
    ProRata,
}

/// A carrier's part of a purchase.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PurchaseTerms {
    /// What is bought; each carrier at most once.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<PurchaseLot>))]
    pub lots: Bounded<PurchaseLot, MAX_LOTS>,
    /// When it is delivered; whole hours.
    pub window: Window,
    /// Deposit of each side, in thousandths of the value.
    pub deposit_permille: u16,
    /// Payment guarantee of the user, in thousandths of the value. The rest of the value is the user's allowance.
    pub guarantee_permille: u16,
    /// Deviation without consequence, in thousandths of the volume.
    pub tolerance_permille: u16,
    /// Time after the window in which late readings still count, in milliseconds.
    pub grace_ms: u32,
    /// What counts for time without readings.
    pub substitute: Substitute,
}

impl PurchaseTerms {
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Service {
    /// The carrier; each at most once in a subscription.
    pub carrier: Carrier,
    /// Which of the package's tariff options for the carrier, counted from 0.
    pub option: u8,
    /// The user's meter. Needed by metered tariffs; with a floor-area tariff its readings are certified, not charged.
    pub meter: Option<MeterId>,
    /// Floor area; used by floor-area tariffs.
    pub floor_area: Area,
    /// A low-balance notice is given when less than this is prepaid, at the tariff's unit price.
    pub low_balance: Quantity,
}

/// Terms of the native program `subscription`: a user's choice from a published package.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubscriptionTerms {
    /// The package.
    pub package: PackageId,
    /// Its version, which stays with the subscription until both sides agree on another.
    pub version: u32,
    /// The chosen services.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Service>))]
    pub services: Bounded<Service, { Carrier::COUNT }>,
    /// The most that statements may take from the user's free balance within 30 days, beyond what is prepaid.
    pub allowance: Money,
}

/// What a program beyond the native ones is called by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ProgramCode {
    /// A native program, by its number.
    Native(u16),
    /// A program that parties have published.
    Published(ProgramId),
}

/// Terms of a program beyond those that have terms of their own.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CodedTerms {
    /// Which program.
    pub code: ProgramCode,
    /// What it can reach of the parties' money; nothing of a party that is not named.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Grant>))]
    pub grants: Bounded<Grant, MAX_PARTIES>,
    /// The meters that it can reach.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<CodedMeter>))]
    pub meters: Bounded<CodedMeter, MAX_CODED_METERS>,
    /// What it alone reads.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub parameters: Bounded<u8, MAX_PARAMETER_BYTES>,
}

impl CodedTerms {
    /// Terms of a program that reaches neither money nor meters.
    pub fn bare(code: ProgramCode, parameters: Bounded<u8, MAX_PARAMETER_BYTES>) -> Self {
        Self { code, grants: Bounded::empty(), meters: Bounded::empty(), parameters }
    }

    /// What it can reach of a party's money.
    pub fn grant(&self, party: Party) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.party == party)
    }
}

/// The program that an agreement runs, with its terms.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A volume in a window.
    Purchase(PurchaseTerms),
    /// A multi-carrier retail package.
    Subscription(SubscriptionTerms),
    /// A program whose parameters it alone reads.
    Coded(CodedTerms),
}

impl Program {
    /// The name used in JSON, tables and commands.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Purchase(_) => "purchase",
            Self::Subscription(_) => "subscription",
            Self::Coded(_) => "coded",
        }
    }

    /// The meters that serve it by its terms, and when, where the terms say so. One that measures several lots is there several
    /// times. None of a program that parties have written: its terms can name anybody's meter, or none that there is, and only what
    /// it binds serves it, which the ledger allows of a party's meter alone.
    pub fn meters(&self) -> Vec<(MeterId, Option<Window>)> {
        match self {
            Self::Purchase(terms) => terms.meters().map(|meter| (meter, Some(terms.window))).collect(),
            Self::Subscription(terms) => {
                terms.services.iter().filter_map(|service| service.meter).map(|meter| (meter, None)).collect()
            }
            Self::Coded(_) => Vec::new(),
        }
    }

    /// The version of a package that its terms name, if they name one.
    pub const fn package(&self) -> Option<(PackageId, u32)> {
        match self {
            Self::Subscription(terms) => Some((terms.package, terms.version)),
            Self::Purchase(_) | Self::Coded(_) => None,
        }
    }

    /// Whether receipts say of each of its runs what it knew and used ([`crate::Event::ProgramRan`]), whose quota that counts for: of
    /// every program that parties have written, in code or as a clause sheet.
    pub const fn is_written(&self) -> bool {
        matches!(self, Self::Coded(CodedTerms { code: ProgramCode::Published(_) | ProgramCode::Native(CLAUSES), .. }))
    }

    /// The meters that a program which parties have written can reach.
    pub fn reached(&self) -> &[CodedMeter] {
        match self {
            Self::Coded(terms) => &terms.meters,
            Self::Purchase(_) | Self::Subscription(_) => &[],
        }
    }

    /// The published program that it is, if it is one.
    pub const fn published(&self) -> Option<ProgramId> {
        match self {
            Self::Coded(CodedTerms { code: ProgramCode::Published(program), .. }) => Some(*program),
            _ => None,
        }
    }
}

/// What becomes of an agreement's money when its hard end comes before its program has finished.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fallback {
    /// Everybody gets back what it has reserved.
    GiveBack,
    /// All that is reserved is shared out in thousandths, a number for each party that add up to 1,000; what rounding
    /// leaves goes to the first.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<u16>))]
    Split(Bounded<u16, MAX_PARTIES>),
    /// All that is reserved goes to this account, which decides outside.
    Arbiter(AccountId),
}

/// When an agreement ends whatever its program does, and how.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct HardEnd {
    /// When.
    pub at: Timestamp,
    /// How.
    pub fallback: Fallback,
}

/// What a party lets an agreement take from its free balance, by signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Allowance {
    /// The party.
    pub party: Party,
    /// The most.
    pub cap: Money,
    /// Whether the cap is for each [`ALLOWANCE_PERIOD_MS`], or for all time.
    pub renews: bool,
}

/// What the parties sign.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AgreementTerms {
    /// The parties by their numbers: the owner, the user, further ones.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<AccountId>))]
    pub parties: Bounded<AccountId, MAX_PARTIES>,
    /// What is agreed.
    pub program: Program,
    /// The hard end; a native program has one of its own where there is none.
    pub hard_end: Option<HardEnd>,
}

impl AgreementTerms {
    /// Terms between an owner and a user, with the program's own hard end.
    pub fn between(owner: AccountId, user: AccountId, program: Program) -> Self {
        let parties = Bounded::new(vec![owner, user]).expect("there is room for two parties");
        Self { parties, program, hard_end: None }
    }

    /// The digest that a signature names.
    pub fn digest(&self) -> Digest {
        hash_of("utilidor/agreement", self)
    }

    /// The digest that a signature under an amendment names: of the terms that result, and from when on they count.
    pub fn amendment_digest(&self, from: Timestamp) -> Digest {
        hash_of("utilidor/amendment", &(self, from))
    }

    /// A party's account, if there is such a party.
    pub fn account(&self, party: Party) -> Option<AccountId> {
        self.parties.get(usize::from(party.0)).copied()
    }

    /// The seller's account; `None` in terms without parties, which no agreement has.
    pub fn owner(&self) -> Option<AccountId> {
        self.account(Party::OWNER)
    }

    /// The buyer's account; `None` in terms with one party, which no agreement has.
    pub fn user(&self) -> Option<AccountId> {
        self.account(Party::USER)
    }

    /// Which party an account is, if it is one.
    pub fn party_of(&self, account: AccountId) -> Option<Party> {
        (0u8..).zip(&self.parties).find(|(_, party)| **party == account).map(|(number, _)| Party(number))
    }
}

/// Where an agreement comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// An award on an offer.
    Award {
        /// The offer.
        offer: OfferId,
    },
    /// A proposal by one party.
    Proposal {
        /// Who proposed.
        by: Party,
    },
    /// A subscription to a published package.
    Package,
}

/// Where an agreement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a signature.
    Proposed,
    /// Signed by all; deposits are reserved.
    Active,
    /// Its program has failed too often: its money is frozen until the parties agree or its hard end comes.
    Stalled,
    /// Executed as agreed.
    Settled,
    /// Ended with an obligation that could not be paid.
    Defaulted,
    /// Ended early.
    Terminated,
    /// Refused by a party that was to sign.
    Declined,
    /// Not signed in time.
    Expired,
}

impl Status {
    /// All statuses, in the order in which an agreement passes them.
    pub const ALL: [Self; 8] = [
        Self::Proposed,
        Self::Active,
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
            Self::Active => "active",
            Self::Stalled => "stalled",
            Self::Settled => "settled",
            Self::Defaulted => "defaulted",
            Self::Terminated => "terminated",
            Self::Declined => "declined",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// An agreement as the ledger keeps it; its changing part is the ledger's own record.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Agreement {
    /// The hash of its creator and the creator's label.
    pub id: AgreementId,
    /// What all sign.
    pub terms: AgreementTerms,
    /// Where it comes from.
    pub origin: Origin,
    /// Signed by all before this time.
    pub sign_by: Timestamp,
}
