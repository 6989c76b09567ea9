//! What the fold knows of the blocks before: rows as far as they were looked up or changed.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use utilidor_types::agreement::Status;
use utilidor_types::genesis::Limits;
use utilidor_types::{
    AccountId, AgreementId, AgreementTerms, Carrier, Digest, MemberId, MeterAuthority, MeterId, Money, MotionId, Offer,
    OfferId, PackageId, ProgramId, Quantity, Roles, Timestamp, Window,
};
use utilidor_view::Kind;

/// Number of a row in its table.
pub type Row = i64;

/// Running sums of the chain; numbers of things are also the numbers of their last rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// All money issued, in millionths.
    pub issued: u64,
    /// All money redeemed, in millionths.
    pub redeemed: u64,
    /// What all accounts hold, free and reserved.
    pub balances: u64,
    /// Transactions in blocks.
    pub transactions: u64,
    /// Receipts.
    pub receipts: u64,
    /// Readings certified.
    pub certificates: u64,
    /// Statements issued.
    pub statements: u64,
    /// Members admitted.
    pub members: u64,
    /// Accounts opened.
    pub accounts: u64,
    /// Meters registered.
    pub meters: u64,
    /// Offers published.
    pub offers: u64,
    /// Agreements proposed.
    pub agreements: u64,
    /// Motions opened.
    pub motions: u64,
}

/// A member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its row.
    pub row: Row,
    /// What it may do.
    pub roles: Roles,
    /// Whether the council has removed it.
    pub removed: bool,
    /// Its own limits.
    pub limits: Option<Limits>,
}

/// An account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Its row.
    pub row: Row,
    /// Its member's row.
    pub member: Row,
    /// Money that it can spend.
    pub free: u64,
    /// Money that is set aside.
    pub reserved: u64,
    /// Nonce of its next transaction.
    pub nonce: u64,
}

impl Account {
    /// All that it holds.
    pub fn held(&self) -> u128 {
        u128::from(self.free) + u128::from(self.reserved)
    }
}

/// Why an offer takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Its owner withdrew it.
    Withdrawn,
    /// It lapsed.
    Lapsed,
}

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferRow {
    /// Its row.
    pub row: Row,
    /// Who sells.
    pub owner: AccountId,
    /// What was published.
    pub offer: Arc<Offer>,
    /// What of each lot is awarded.
    pub awarded: Vec<Quantity>,
    /// Whether it is over, and why.
    pub closed: Option<Closed>,
}

/// Where a quote was submitted, and whether it is binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StandingQuote {
    /// The receipt's row.
    pub receipt: Row,
    /// Its place in the transaction.
    pub place: Row,
    /// Whether an award alone concludes the agreement.
    pub binding: bool,
}

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// Its row.
    pub row: Row,
    /// Its parties by their numbers.
    pub parties: Arc<[AccountId]>,
    /// Which kind of program it runs.
    pub kind: Kind,
    /// Where it stands.
    pub status: Status,
    /// When it ends by the word of one side.
    pub ends: Option<Timestamp>,
    /// Whether a meter serves it without an end.
    pub open: bool,
    /// What was awarded with it, as long as it waits for a signature: it may go back to the lots.
    pub award: Option<Award>,
}

/// What an award took from an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Award {
    /// The offer.
    pub offer: OfferId,
    /// Its row.
    pub row: Row,
    /// So much of each lot.
    pub lots: Vec<Quantity>,
}

/// Other terms that wait for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// The terms that result.
    pub terms: Arc<AgreementTerms>,
    /// From when on they count.
    pub from: Timestamp,
    /// Who proposed them.
    pub by: AccountId,
    /// The receipt's row.
    pub receipt: Row,
}

impl Amendment {
    /// What a signature names.
    pub fn digest(&self) -> Digest {
        self.terms.amendment_digest(self.from)
    }
}

/// Whether a gateway signs in a meter's place.
pub const fn is_gateway(authority: MeterAuthority) -> bool {
    matches!(authority, MeterAuthority::Gateway(_))
}

/// A meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeterRow {
    /// Its row.
    pub row: Row,
    /// The register at its last reading.
    pub register: Quantity,
    /// When that was.
    pub read: Timestamp,
    /// Readings certified.
    pub certificates: u64,
    /// Intervals in which readings are missing.
    pub gaps: u32,
    /// Corrections.
    pub corrections: u32,
    /// Whether a gateway signs for it.
    pub gateway: bool,
    /// Since when its device is in its place, and where the device's register starts again.
    pub device: (Timestamp, Quantity),
}

/// A version of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageRow {
    /// Its row.
    pub row: Row,
    /// The row of the receipt that published it.
    pub receipt: Row,
}

/// What was paid ahead with one payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tranche {
    /// What was paid.
    pub paid: Money,
    /// For which period.
    pub period: Option<Window>,
    /// The receipt's row.
    pub receipt: Row,
    /// What it bought.
    pub opened: Option<Opened>,
    /// What statements have charged to it.
    pub charged: Money,
    /// What went back.
    pub refunded: Money,
    /// What the owner kept of it.
    pub withheld: Money,
}

/// What a payment bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// What went to earlier consumption.
    pub debt_paid: Money,
    /// The rest.
    pub left: Money,
    /// Its discount in thousandths.
    pub discount_permille: u16,
    /// The receipt's row.
    pub receipt: Row,
}

/// A tranche's place: the agreement's row, carrier and number.
pub type TrancheKey = (Row, Carrier, u32);

/// What stood before a block. A fold asks for each row at most once.
pub trait Before {
    /// Why it cannot be told.
    type Error;

    /// A member.
    fn member(&mut self, member: MemberId) -> Result<Option<Member>, Self::Error>;
    /// The last motion under an id.
    fn motion(&mut self, motion: MotionId) -> Result<Option<Row>, Self::Error>;
    /// An account.
    fn account(&mut self, account: AccountId) -> Result<Option<Account>, Self::Error>;
    /// The last offer that was published under an id.
    fn offer(&mut self, offer: OfferId) -> Result<Option<OfferRow>, Self::Error>;
    /// The quote of a bidder on an offer that can still be awarded.
    fn standing_quote(&mut self, offer: Row, bidder: Row) -> Result<Option<StandingQuote>, Self::Error>;
    /// The last agreement that was proposed under an id.
    fn agreement(&mut self, agreement: AgreementId) -> Result<Option<Agreement>, Self::Error>;
    /// The terms of an agreement in force.
    fn terms(&mut self, agreement: Row) -> Result<Option<AgreementTerms>, Self::Error>;
    /// The amendment of an agreement that waits for signatures.
    fn amendment(&mut self, agreement: Row) -> Result<Option<Amendment>, Self::Error>;
    /// A meter.
    fn meter(&mut self, meter: MeterId) -> Result<Option<MeterRow>, Self::Error>;
    /// When a meter serves or served an agreement.
    fn serves(&mut self, agreement: Row, meter: Row) -> Result<Option<Window>, Self::Error>;
    /// A version of a package.
    fn package(&mut self, package: PackageId, version: u32) -> Result<Option<PackageRow>, Self::Error>;
    /// A published program.
    fn program(&mut self, program: ProgramId) -> Result<Option<Row>, Self::Error>;
    /// A tranche.
    fn tranche(&mut self, tranche: TrancheKey) -> Result<Option<Tranche>, Self::Error>;
}

/// Rows of one kind, remembered from block to block: most are asked for again soon.
#[derive(Debug)]
pub struct Rows<K, V> {
    rows: HashMap<K, Option<V>>,
    changed: BTreeSet<K>,
}

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Self { rows: HashMap::new(), changed: BTreeSet::new() }
    }
}

impl<K: Copy + Eq + Hash + Ord, V> Rows<K, V> {
    /// A row, asked for if it is not known.
    pub fn get<E>(&mut self, key: K, ask: impl FnOnce() -> Result<Option<V>, E>) -> Result<&mut Option<V>, E> {
        match self.rows.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::hash_map::Entry::Vacant(entry) => Ok(entry.insert(ask()?)),
        }
    }

    /// Notes a row as it is now.
    pub fn put(&mut self, key: K, row: Option<V>) {
        self.rows.insert(key, row);
        self.changed.insert(key);
    }

    /// Notes a row as it is now, which is written another way.
    pub fn note(&mut self, key: K, row: Option<V>) {
        self.rows.insert(key, row);
    }

    /// Rows that have changed since this was last asked, in the order of their keys.
    pub fn take_changed(&mut self) -> Vec<(K, Option<V>)>
    where
        V: Clone,
    {
        let rows = &self.rows;
        let changed = std::mem::take(&mut self.changed).into_iter();
        changed.map(|key| (key, rows.get(&key).cloned().flatten())).collect()
    }

    /// Forgets all if they have become too many.
    fn trim(&mut self, max: usize) {
        if self.rows.len() > max {
            self.rows.clear();
        }
    }
}

/// Rows of a kind that are remembered: those with documents in them, and the others.
const MAX_DOCUMENTS: usize = 1 << 14;
const MAX_ROWS: usize = 1 << 17;

/// All rows that are remembered.
#[derive(Debug, Default)]
pub struct Known {
    pub(super) members: Rows<MemberId, Member>,
    pub(super) motions: Rows<MotionId, Row>,
    pub(super) accounts: Rows<AccountId, Account>,
    pub(super) offers: Rows<OfferId, OfferRow>,
    pub(super) quotes: Rows<(Row, Row), StandingQuote>,
    pub(super) agreements: Rows<AgreementId, Agreement>,
    pub(super) amendments: Rows<Row, Amendment>,
    pub(super) meters: Rows<MeterId, MeterRow>,
    pub(super) serves: Rows<(Row, Row), Window>,
    pub(super) packages: Rows<(PackageId, u32), PackageRow>,
    pub(super) programs: Rows<ProgramId, Row>,
    pub(super) tranches: Rows<TrancheKey, Tranche>,
}

impl Known {
    /// Forgets what has become too much. What a block has changed must have been written before.
    pub fn trim(&mut self) {
        self.members.trim(MAX_ROWS);
        self.motions.trim(MAX_ROWS);
        self.accounts.trim(MAX_ROWS);
        self.offers.trim(MAX_DOCUMENTS);
        self.quotes.trim(MAX_ROWS);
        self.agreements.trim(MAX_ROWS);
        self.amendments.trim(MAX_DOCUMENTS);
        self.meters.trim(MAX_ROWS);
        self.serves.trim(MAX_ROWS);
        self.packages.trim(MAX_ROWS);
        self.programs.trim(MAX_ROWS);
        self.tranches.trim(MAX_ROWS);
    }
}
