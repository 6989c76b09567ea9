//! What a block changes in the tables: rows to be added, and rows as they are afterwards. Each list stands in the order in
//! which it is written; where a row is added and changed in one block, it is added first.

use super::known::{Account, Agreement, Amendment, Member, MeterRow, OfferRow, Row, Totals, Tranche, TrancheKey};
use std::collections::BTreeMap;
use utilidor_types::agreement::{Origin, Party, Status};
use utilidor_types::meter::{CertifiedRun, SignedRecord};
use utilidor_types::price_index::IndexValue;
use utilidor_types::program::Publication;
use utilidor_types::{
    AccountId, AgreementId, AgreementTerms, Carrier, Digest, Header, MemberId, Meter, MeterAuthority, MeterId, Money,
    Motion, MotionId, Offer, OfferId, Opening, Package, PackageId, PriceIndexId, ProgramId, Quantity, Receipt, Refusal,
    Roles, Roster, SignedTransaction, Statement, Timestamp, TransactionHash, Validator, Window,
};
use utilidor_view::{EventKind, Kind, MotionStatus, QuoteStatus, SignedBy, StepKind};

/// What a block changes.
#[derive(Debug, Default)]
pub struct Changes<'a> {
    /// The block; none for the genesis document.
    pub block: Option<NewBlock<'a>>,
    /// The chain's sums after it.
    pub totals: Totals,
    /// Whether all accounts hold what was issued less what was redeemed.
    pub balanced: bool,
    pub receipts: Vec<NewReceipt<'a>>,
    pub certified: Vec<NewRun<'a>>,
    pub members: Vec<NewMember>,
    pub members_changed: Vec<Member>,
    pub motions: Vec<NewMotion<'a>>,
    /// By motion and member: whether in favour, and the receipt.
    pub votes: BTreeMap<(Row, Row), (bool, Row)>,
    pub motions_ended: Vec<MotionEnded>,
    pub appointed: Vec<AppointedChange>,
    /// Sets of validators with the first epoch they are for.
    pub sets: Vec<(u64, Roster)>,
    pub accounts: Vec<NewAccount>,
    pub balances: Vec<Account>,
    pub capacities: BTreeMap<(Row, Carrier), Quantity>,
    pub offers: Vec<NewOffer<'a>>,
    pub offers_changed: Vec<OfferRow>,
    pub quotes: Vec<NewQuote>,
    pub quotes_changed: Vec<QuoteChange>,
    /// Offers that are over: their standing quotes are.
    pub quotes_lapsed: Vec<Row>,
    pub agreements: Vec<NewAgreement>,
    pub agreements_changed: Vec<Agreement>,
    pub terms: BTreeMap<Row, AgreementTerms>,
    pub counts: BTreeMap<(Kind, &'static str), i64>,
    pub steps: Vec<Step>,
    pub amendments: Vec<(Row, Option<Amendment>)>,
    pub debts: BTreeMap<(Row, Party), Debt>,
    pub meters: Vec<NewMeter<'a>>,
    pub meters_changed: Vec<MeterRow>,
    pub devices: Vec<MeterChange>,
    pub serves: Vec<((Row, Row), Window)>,
    pub meter_events: Vec<MeterEvent>,
    pub corrections: Vec<Correction>,
    pub packages: Vec<NewPackage<'a>>,
    pub programs: Vec<NewProgram<'a>>,
    pub index_values: Vec<NewIndexValue<'a>>,
    pub packages_closed: Vec<(Row, Row)>,
    pub tranches: Vec<(TrancheKey, Tranche)>,
    pub statements: Vec<NewStatement>,
    pub refusals: Vec<NewRefusal>,
    pub refusal_counts: BTreeMap<&'static str, RefusalCounts>,
    /// Tables of keys alone, sorted: transactions by the first bytes of their hashes, and receipts by whose money they moved,
    /// whom they concern.
    pub transaction_heads: Vec<(Row, Row)>,
    pub account_receipts: Vec<(Row, Row)>,
    pub agreement_receipts: Vec<(Row, Row)>,
    /// Agreements by party.
    pub agreement_parties: Vec<(Row, Row)>,
}

/// A block.
#[derive(Debug)]
pub struct NewBlock<'a> {
    pub header: &'a Header,
    pub digest: Digest,
    pub first_receipt: Row,
    pub first_certificate: u64,
}

/// A receipt.
#[derive(Debug)]
pub struct NewReceipt<'a> {
    pub row: Row,
    pub place: u32,
    pub receipt: &'a Receipt,
    pub transaction: Option<AnsweredTransaction<'a>>,
}

/// The transaction that a receipt answers.
#[derive(Debug, Clone, Copy)]
pub struct AnsweredTransaction<'a> {
    pub place: u32,
    pub hash: TransactionHash,
    pub signed: &'a SignedTransaction,
}

/// An entry of the certification log.
#[derive(Debug)]
pub struct NewRun<'a> {
    /// Its place in the log.
    pub position: u64,
    pub meter: Row,
    pub run: &'a CertifiedRun,
    pub signed_by: SignedBy,
    /// The record in which the device has signed it.
    pub signed: Option<&'a SignedRecord>,
}

#[derive(Debug)]
pub struct NewMember {
    pub row: Row,
    pub member: MemberId,
    pub roles: Roles,
    pub height: u64,
}

#[derive(Debug)]
pub struct NewMotion<'a> {
    pub row: Row,
    pub id: MotionId,
    /// The account's row.
    pub proposer: Row,
    pub closes: Timestamp,
    pub receipt: Row,
    pub motion: &'a Motion,
}

/// A motion that is over.
#[derive(Debug)]
pub struct MotionEnded {
    pub motion: Row,
    pub status: MotionStatus,
    pub refusal: Option<Refusal>,
    pub receipt: Row,
}

/// A change of the validators that the council wants. Members are given by their rows.
#[derive(Debug)]
pub enum AppointedChange {
    Appointed { member: Row, validator: Validator },
    Dismissed { member: Row },
    Ready { member: Row, epoch: u64 },
}

#[derive(Debug)]
pub struct NewAccount {
    pub row: Row,
    pub account: AccountId,
    pub member: Row,
    pub height: u64,
}

#[derive(Debug)]
pub struct NewOffer<'a> {
    pub row: Row,
    pub id: OfferId,
    pub owner: Row,
    pub receipt: Row,
    pub offer: &'a Offer,
}

/// A quote. Its key: the offer's and the bidder's rows, the receipt's row and the place in its transaction.
#[derive(Debug)]
pub struct NewQuote {
    pub key: QuoteKey,
    pub binding: bool,
}

/// A quote's key: the offer's and the bidder's rows, the receipt's row and the place in its transaction.
pub type QuoteKey = (Row, Row, Row, Row);

/// What became of a quote.
#[derive(Debug)]
pub struct QuoteChange {
    pub key: QuoteKey,
    pub status: QuoteStatus,
    /// The agreement that an award made of it.
    pub awarded: Option<(Row, Opening)>,
    pub refusal: Option<Refusal>,
}

#[derive(Debug)]
pub struct NewAgreement {
    pub row: Row,
    pub id: AgreementId,
    pub kind: Kind,
    pub origin: Origin,
    pub offer: Option<Row>,
    pub terms: AgreementTerms,
    pub sign_by: Timestamp,
    pub receipt: Row,
}

/// Something that happened to an agreement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    pub agreement: Row,
    pub receipt: Row,
    /// Among the steps of the block that brought it.
    pub place: Row,
    pub step: StepKind,
    pub account: Option<Row>,
    pub terms: Option<Digest>,
    pub at: Option<Timestamp>,
}

/// What a party owes.
#[derive(Debug, Clone, Copy)]
pub struct Debt {
    pub owes: Money,
    pub receipt: Row,
}

#[derive(Debug)]
pub struct NewMeter<'a> {
    pub row: Row,
    pub id: MeterId,
    pub operator: Row,
    pub holder: Row,
    pub meter: &'a Meter,
}

/// A change of what is not read off a meter.
#[derive(Debug)]
pub enum MeterChange {
    Holder { meter: Row, holder: Row },
    Operator { meter: Row, operator: Row },
    Authority { meter: Row, authority: MeterAuthority },
    Capacity { meter: Row, capacity: Quantity },
    Device { meter: Row, authority: MeterAuthority, modulus: Quantity, since: Timestamp },
    Retired { meter: Row, receipt: Row },
}

/// An event that is found by its meter.
#[derive(Debug)]
pub struct MeterEvent {
    pub meter: Row,
    pub receipt: Row,
    /// Among the receipt's events.
    pub place: Row,
    pub kind: EventKind,
}

#[derive(Debug)]
pub struct Correction {
    pub meter: Row,
    pub receipt: Row,
    /// Among the receipt's events.
    pub place: Row,
    pub interval: Window,
    pub certified: Quantity,
    pub right: Quantity,
}

#[derive(Debug)]
pub struct NewPackage<'a> {
    pub row: Row,
    pub id: PackageId,
    pub owner: Row,
    pub receipt: Row,
    pub package: &'a Package,
}

#[derive(Debug)]
pub struct NewProgram<'a> {
    pub row: Row,
    pub id: ProgramId,
    pub publisher: Row,
    pub receipt: Row,
    pub publication: &'a Publication,
}

#[derive(Debug)]
pub struct NewIndexValue<'a> {
    pub row: Row,
    pub id: PriceIndexId,
    pub publisher: Row,
    pub receipt: Row,
    pub value: &'a IndexValue,
}

#[derive(Debug)]
pub struct NewStatement {
    pub row: Row,
    pub agreement: Row,
    pub number: u32,
    pub period: Window,
    pub receipt: Row,
    /// Among the receipt's events.
    pub place: Row,
}

impl NewStatement {
    pub fn of(row: Row, agreement: Row, statement: &Statement, (receipt, place): (Row, Row)) -> Self {
        Self { row, agreement, number: statement.number, period: statement.period, receipt, place }
    }
}

#[derive(Debug)]
pub struct NewRefusal {
    pub receipt: Row,
    /// Among the receipt's refusals.
    pub place: Row,
    /// Who sent the receipt's transaction.
    pub account: Option<AccountId>,
    pub refusal: Refusal,
    pub of: RefusedWhat,
}

/// What was refused.
#[derive(Debug, Clone, Copy)]
pub enum RefusedWhat {
    Transaction,
    Reading { index: u16, meter: MeterId },
    Award { offer: OfferId, bidder: AccountId },
}

/// How often a rule refused something in the block.
#[derive(Debug, Clone, Copy, Default)]
pub struct RefusalCounts {
    pub transactions: i64,
    pub readings: i64,
    pub awards: i64,
}

impl Changes<'_> {
    /// How many agreements more or fewer there are, by kind and status.
    pub fn count(&mut self, kind: Kind, status: Status, change: i64) {
        *self.counts.entry((kind, status.name())).or_default() += change;
    }
}
