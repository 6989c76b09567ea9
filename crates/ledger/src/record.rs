//! The records that state consists of, and the table each lives in. A record's key is the hash of table, id
//! and cell number, so a client can compute it and ask for a proof. Tables keep their numbers for ever.

use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::agreement::{AgreementTerms, Side, Status};
use utilidor_types::meter::MAX_METER_AGREEMENTS;
use utilidor_types::offer::MAX_LOTS;
use utilidor_types::package::{BANDS, Season, TranchePrice};
use utilidor_types::statement::MAX_TRANCHES;
use utilidor_types::{
    AccountId, Agreement, AgreementId, Bounded, Carrier, CertificateId, Digest, MemberId, Meter, MeterId, Money, Offer,
    OfferId, PackageId, Program, Quantity, Reading, Roles, Tariff, Timestamp, Window,
};

/// A kind of record.
pub trait Record: BorshSerialize + BorshDeserialize + Clone + Send + Sync + 'static {
    /// What names one.
    type Id: BorshSerialize;
    /// The table's number.
    const TABLE: u8;
    /// How many cells one usually takes: so many are read ahead.
    const USUAL_CELLS: u16 = 1;
}

macro_rules! records {
    ($($table:literal $record:ident by $id:ty $(, usually $cells:literal cells)?;)*) => {
        $(impl Record for $record {
            type Id = $id;
            const TABLE: u8 = $table;
            $(const USUAL_CELLS: u16 = $cells;)?
        })*
    };
}

records! {
    1 Totals by ();
    2 MemberRecord by MemberId;
    3 AccountRecord by AccountId;
    4 CapacityRecord by (AccountId, Carrier);
    5 SoldDay by (AccountId, Carrier, u32), usually 2 cells;
    6 OfferRecord by OfferId, usually 2 cells;
    8 QuoteRecord by (OfferId, AccountId);
    9 AgreementRecord by AgreementId, usually 2 cells;
    10 AgreementState by AgreementId;
    11 AmendmentRecord by AgreementId, usually 2 cells;
    12 MeterRecord by MeterId, usually 2 cells;
    13 MeterState by MeterId;
    14 PackageHead by PackageId;
    15 PackageVersion by (PackageId, u32);
    16 TariffRecord by (PackageId, u32, Carrier, u8), usually 2 cells;
    17 ServiceState by (AgreementId, Carrier), usually 2 cells;
    18 DueNode by (u8, u32);
    19 DueBucket by u32;
    20 DuePage by (u32, u32);
}

/// Totals of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct Totals {
    /// Money issued since the beginning.
    pub issued: Money,
    /// Money redeemed since the beginning.
    pub redeemed: Money,
    /// Certificates in the certification log: the next one's id.
    pub certificates: CertificateId,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MemberRecord {
    /// What it may do.
    pub roles: Roles,
}

/// An account. Its balance is `free + reserved`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AccountRecord {
    /// Whose it is.
    pub member: MemberId,
    /// Transactions so far.
    pub nonce: u64,
    /// Money at its holder's disposal.
    pub free: Money,
    /// Money set aside by agreements.
    pub reserved: Money,
}

/// The most an owner can supply of a carrier.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CapacityRecord {
    /// Base units per hour.
    pub per_hour: Quantity,
}

/// What an owner has sold of a carrier in each hour of a UTC day.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct SoldDay {
    /// Base units, by hour.
    pub hours: [u64; 24],
}

/// An offer. What changes about it stands first, so that the first cell alone is written again.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OfferRecord {
    /// Whether it was withdrawn.
    pub withdrawn: bool,
    /// What is left to award, by lot.
    pub left: Bounded<Quantity, MAX_LOTS>,
    /// Whose it is.
    pub owner: AccountId,
    /// The document as published.
    pub offer: Offer,
}

/// A bidder's quote on an offer. Its ciphertext is history, not state.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct QuoteRecord {
    /// The commitment.
    pub commitment: Digest,
    /// Whether an award alone concludes the agreement.
    pub binding: bool,
    /// Whether it was awarded.
    pub awarded: bool,
}

/// An agreement's document.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AgreementRecord {
    /// The document; its terms change only by an amendment.
    pub agreement: Agreement,
}

/// Money that an agreement holds reserved, by side and purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct Escrow {
    /// Deposit of the owner.
    pub owner_deposit: Money,
    /// Deposit of the user.
    pub user_deposit: Money,
    /// Payment guarantee of the user.
    pub guarantee: Money,
    /// Prepayments of the user.
    pub prepaid: Money,
}

impl Escrow {
    /// All that is reserved on one side.
    pub fn of(&self, side: Side) -> Money {
        match side {
            Side::Owner => self.owner_deposit,
            Side::User => [self.user_deposit, self.guarantee, self.prepaid].into_iter().sum(),
        }
    }
}

/// What changes about an agreement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AgreementState {
    /// Where it stands.
    pub status: Status,
    /// What it holds.
    pub escrow: Escrow,
    /// Which side has agreed to end it early.
    pub ending: Option<Side>,
    /// Statements so far.
    pub statements: u32,
    /// The certificates that the next statement counts begin with this id.
    pub certificates_from: CertificateId,
    /// The program's own state.
    pub program: ProgramState,
}

/// The state of an agreement's program.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ProgramState {
    /// Before it is active.
    None,
    /// A purchase: running sums, by lot.
    Purchase(Bounded<LotState, MAX_LOTS>),
    /// A subscription: its services have records of their own.
    Subscription {
        /// Begin of the present statement's period.
        period_from: Timestamp,
    },
}

/// Running sums of a purchase's lot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LotState {
    /// The agreed volume.
    pub contracted: Quantity,
    /// What the owner has made available; the whole volume where no delivery meter measures it.
    pub available: Quantity,
    /// What the user has taken of it; counted only with a user's meter.
    pub taken: Quantity,
    /// Milliseconds of the window that the delivery meter's readings cover.
    pub delivery_covered_ms: u32,
    /// Milliseconds of the window that the user's meter's readings cover.
    pub take_covered_ms: u32,
}

/// A proposed change of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AmendmentRecord {
    /// Who proposed it.
    pub by: Side,
    /// The terms that would replace the present ones.
    pub program: Program,
}

impl AmendmentRecord {
    /// The terms that result.
    pub fn terms(&self, present: &AgreementTerms) -> AgreementTerms {
        AgreementTerms { program: self.program.clone(), ..present.clone() }
    }
}

/// A meter as registered, with its present device.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterRecord {
    /// Who registered it.
    pub operator: AccountId,
    /// The document as first registered, by which a repeated registration is recognised.
    pub registered: Digest,
    /// The present device.
    pub meter: Meter,
}

/// What changes about a meter.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterState {
    /// Its last reading.
    pub last: Reading,
    /// Whether it is out of service.
    pub retired: bool,
    /// The subscription that is charged with what purchases leave.
    pub subscription: Option<AgreementId>,
    /// The purchases it serves, in the order of their signing.
    pub bindings: Bounded<Binding, MAX_METER_AGREEMENTS>,
}

/// A purchase that a meter serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Binding {
    /// The purchase.
    pub agreement: AgreementId,
    /// Its lot.
    pub lot: u8,
    /// Whether it measures what the owner makes available or what the user takes.
    pub side: Side,
    /// The delivery window.
    pub window: Window,
}

/// A package's owner and last version.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackageHead {
    /// Whose it is.
    pub owner: AccountId,
    /// The last version.
    pub version: u32,
}

/// A version of a package.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackageVersion {
    /// Digest of the document, by which a repeated publication is recognised.
    pub document: Digest,
    /// Fixed offset from UTC in minutes.
    pub offset_minutes: i16,
}

/// A tariff of a package's version.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TariffRecord {
    /// The charging rule.
    pub tariff: Tariff,
}

/// A service of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ServiceState {
    /// The package, version and option of its tariff.
    pub tariff: (PackageId, u32, u8),
    /// Fixed offset from UTC in minutes.
    pub offset_minutes: i16,
    /// Floor area in m2.
    pub floor_area_m2: u32,
    /// Up to when a floor-area tariff is prepaid: where its next period begins.
    pub area_paid_until: Timestamp,
    /// Notice is given when less is prepaid.
    pub low_balance: Quantity,
    /// Whether notice of a low balance was given since the last prepayment.
    pub low_noticed: bool,
    /// Whether notice of exhaustion was given since the last prepayment.
    pub exhausted_noticed: bool,
    /// Tranches so far; the last one's number.
    pub tranches_opened: u32,
    /// Consumption since the last statement, by band.
    pub usage: [Quantity; BANDS],
    /// Weight consumed that nothing prepaid covers yet.
    pub owed_weight: u64,
    /// Open tranches, oldest first.
    pub tranches: Bounded<Tranche, MAX_TRANCHES>,
}

/// Money paid ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Tranche {
    /// Numbered from 1 for each service.
    pub number: u32,
    /// What was paid.
    pub paid: Money,
    /// What statements have charged so far.
    pub billed: Money,
    /// What it buys.
    pub buys: TrancheOf,
}

/// What a tranche buys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum TrancheOf {
    /// Metered energy.
    Energy {
        /// At this price.
        price: TranchePrice,
        /// Weight bought (base units x thousandths).
        weight: u64,
        /// Weight drawn so far.
        drawn: u64,
        /// Weight drawn up to the last statement.
        drawn_billed: u64,
        /// Within this period, if the tariff has periods.
        period: Option<Window>,
    },
    /// Supply of a floor area.
    Area {
        /// Within this period.
        period: Window,
        /// Whose days count.
        season: Season,
        /// Season's days in the period.
        days: u32,
        /// Discount in thousandths.
        discount_permille: u16,
    },
}

/// A node of the due calendar: which of its 256 children hold something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct DueNode {
    /// Bit `n` of byte `n / 8` stands for child `n`.
    pub children: [u8; 32],
}

/// What falls due in a second.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct DueBucket {
    /// Items put in.
    pub count: u32,
    /// Items worked off.
    pub done: u32,
}

/// Agreements per page of a bucket, so that a page fills one cell.
pub const DUE_PAGE_ITEMS: usize = 7;

/// A page of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct DuePage {
    /// Agreements in the order they were scheduled.
    pub agreements: Bounded<AgreementId, DUE_PAGE_ITEMS>,
}
