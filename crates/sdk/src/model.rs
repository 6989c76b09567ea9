//! What the node's HTTP interface answers, as Rust values. Values of the ledger are `utilidor_types` in their own JSON form;
//! around them stand the structures of the interface: money as decimal strings, quantities as decimal strings of base
//! units, ids and hashes in hex, times in Unix milliseconds (`_ms`). Unknown fields are ignored, so that a newer node can say
//! more.

use serde::{Deserialize, Serialize};
use utilidor_types::agreement::{Origin, Status};
use utilidor_types::event::Purpose;
use utilidor_types::genesis::ChainKind;
use utilidor_types::package::Package;
use utilidor_types::{
    AccountId, Action, AgreementId, AgreementTerms, Carrier, Certificate, ChainId, Digest, Header, MemberId,
    MeterAuthority, MeterId, Money, Offer, PublicKey, Quantity, QuoteContent, Receipt, Refusal, Roles, SealedQuote,
    Signature, Statement, Timestamp, TransactionHash, Window,
};

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<String>,
}

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Height up to which the read model has come.
    pub indexed_height: u64,
    /// The node's release.
    pub version: String,
}

/// What became of one submitted transaction, as the interface says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Its hash, if it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<TransactionHash>,
    /// Where it became final, if that was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// What the ledger answered, if that was waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Why it was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<crate::client::Problem>,
}

/// A final transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionRecord {
    /// Its hash.
    pub hash: TransactionHash,
    /// The block that carries it.
    pub height: u64,
    /// Its place there.
    pub index: u32,
    /// The block's time.
    pub time_ms: Timestamp,
    /// Who asked.
    pub account: AccountId,
    /// The account's number of transactions before this one.
    pub nonce: u64,
    /// What was asked.
    pub action: Action,
    /// The receipt's place among the block's receipts.
    pub receipt_index: u32,
    /// What the ledger answered.
    pub receipt: Receipt,
}

/// A block in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockSummary {
    /// Its height.
    pub height: u64,
    /// Its time.
    pub time_ms: Timestamp,
    /// Its digest.
    pub block: Digest,
    /// Root of the state after it.
    pub state_root: Digest,
    /// Number of transactions.
    pub transactions: u32,
    /// Number of receipts.
    pub receipts: u32,
    /// Certificates after this block: the id of the next one.
    pub certificates: u64,
}

/// A block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its digest.
    pub block: Digest,
    /// Its header.
    pub header: Header,
    /// Its transactions' hashes, in order.
    pub transactions: Vec<TransactionHash>,
    /// Its receipts, in order.
    pub receipts: Vec<Receipt>,
}

/// An admitted member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// The member.
    pub member: MemberId,
    /// What it may do.
    pub roles: Roles,
    /// Its accounts.
    #[serde(default)]
    pub accounts: Vec<AccountId>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRecord {
    /// The account.
    pub account: AccountId,
    /// Whose it is.
    pub member: MemberId,
    /// What its member may do.
    pub roles: Roles,
    /// Money that it can dispose of.
    pub free: Money,
    /// Money that its agreements hold.
    pub reserved: Money,
    /// Its next transaction's number.
    pub nonce: u64,
    /// What it has declared to be able to supply.
    #[serde(default)]
    pub capacities: Vec<CapacityRecord>,
}

/// The most that an owner can supply of a carrier in an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityRecord {
    /// The carrier.
    pub carrier: Carrier,
    /// Base units per hour.
    pub per_hour: Quantity,
}

/// What made something happen: a transaction, or an agreement's due time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseRecord {
    /// The block.
    pub height: u64,
    /// The receipt's place in it.
    pub receipt: u32,
    /// The block's time.
    pub time_ms: Timestamp,
    /// The transaction, if it was one.
    pub transaction: Option<TransactionHash>,
    /// When the agreement was due, if it was that.
    #[serde(default)]
    pub due_ms: Option<Timestamp>,
}

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementRecord {
    /// `issue`, `redeem`, `transfer`, `reserve`, `release`, `pay_from_reserve`, `pay` or `forfeit`.
    pub kind: String,
    /// What reserved money is or was for.
    #[serde(default)]
    pub purpose: Option<Purpose>,
    /// Who gives; none for newly issued money.
    #[serde(default)]
    pub from: Option<AccountId>,
    /// Who gets; none for redeemed money.
    #[serde(default)]
    pub to: Option<AccountId>,
    /// How much.
    pub amount: Money,
    /// The agreement that it is for.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
    /// The reference of an issue, redemption or transfer.
    #[serde(default)]
    pub reference: Option<String>,
    /// What made it happen.
    pub cause: CauseRecord,
}

/// An offer with what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferRecord {
    /// Who published it.
    pub owner: AccountId,
    /// `open`, `awarding`, `closed` or `withdrawn`.
    pub status: String,
    /// What was published.
    pub offer: Offer,
    /// What is awarded of each lot, in the offer's order.
    pub awarded: Vec<Quantity>,
    /// How many quotes stand.
    pub quotes: u32,
    /// Its publication.
    pub cause: CauseRecord,
}

/// A quote as everyone sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteRecord {
    /// Who quoted.
    pub bidder: AccountId,
    /// The quote: commitment and sealed content.
    #[serde(flatten)]
    pub quote: SealedQuote,
    /// `submitted`, `replaced`, `withdrawn` or `awarded`.
    pub status: String,
    /// The agreement that an award made of it.
    #[serde(default)]
    pub agreement: Option<AgreementId>,
    /// Its content, once awarded; never of another quote.
    #[serde(default)]
    pub opening: Option<QuoteContent>,
    /// Its submission.
    pub cause: CauseRecord,
}

impl QuoteRecord {
    /// Whether it can still be awarded, once the gate has closed.
    pub fn stands(&self) -> bool {
        self.status == "submitted"
    }
}

/// What happened to an agreement: a signature or a change of its status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// What it was.
    pub step: String,
    /// Whose doing, if it was an account's.
    pub account: Option<AccountId>,
    /// Digest of the terms that were signed or took effect.
    pub terms: Option<Digest>,
    /// What made it happen.
    pub cause: CauseRecord,
}

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementRecord {
    /// The agreement.
    pub agreement: AgreementId,
    /// The seller.
    pub owner: AccountId,
    /// The buyer.
    pub user: AccountId,
    /// `purchase` or `subscription`.
    pub kind: String,
    /// Where it stands.
    pub status: Status,
    /// Where it comes from.
    pub origin: Origin,
    /// What both sign, amendments included.
    pub terms: AgreementTerms,
    /// Digest of the terms: what a signature names.
    pub terms_digest: Digest,
    /// Signed before this time.
    pub sign_by_ms: Timestamp,
    /// How many statements it has.
    pub statements: u32,
    /// Its signatures and changes of status, in order.
    #[serde(default)]
    pub steps: Vec<StepRecord>,
}

/// A statement with the parties of its agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementRecord {
    /// The statement.
    pub statement: Statement,
    /// The seller.
    pub owner: AccountId,
    /// The buyer.
    pub user: AccountId,
    /// `purchase` or `subscription`.
    pub kind: String,
    /// What made it be issued.
    pub cause: CauseRecord,
}

/// A meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeterRecord {
    /// The meter.
    pub meter: MeterId,
    /// Who registered it.
    pub operator: AccountId,
    /// What it measures.
    pub carrier: Carrier,
    /// Whose consumption or generation.
    pub holder: AccountId,
    /// Who signs its readings.
    pub authority: MeterAuthority,
    /// Its register's width.
    pub register_modulus: Quantity,
    /// The most that can pass in an hour.
    pub capacity_per_hour: Quantity,
    /// Its register at the last reading.
    pub register: Quantity,
    /// When that was.
    pub read_ms: Timestamp,
    /// When it was taken into service.
    pub since_ms: Timestamp,
    /// How many devices there have been in its place.
    pub devices: u32,
    /// How many of its readings are certified.
    pub certificates: u64,
    /// Whether it is out of service.
    pub retired: bool,
    /// Times without readings, where the list of meters says them.
    #[serde(default)]
    pub gaps: Vec<Window>,
}

/// A certified reading with the block that certified it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// The certificate.
    pub certificate: Certificate,
    /// The block.
    pub height: u64,
}

/// A published version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRecord {
    /// Who published it.
    pub owner: AccountId,
    /// The version.
    pub package: Package,
    /// Its publication.
    pub cause: CauseRecord,
}

/// What is known of a prepaid tranche from the receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrancheRecord {
    /// The carrier.
    pub carrier: Carrier,
    /// The tranche, numbered from 1 for each service.
    pub tranche: u32,
    /// What was paid.
    pub paid: Money,
    /// Discount in thousandths.
    pub discount_permille: u16,
    /// The period it is for, if its tariff has periods.
    #[serde(default)]
    pub period: Option<Window>,
    /// Weight drawn so far: base units times thousandths of the time-of-use factor.
    #[serde(with = "utilidor_types::encoding::decimal_string")]
    pub weight: u64,
    /// What statements have charged to it.
    pub charged: Money,
    /// What went back to the user.
    pub refunded: Money,
    /// What the owner kept of it at an early end: the discount on what was consumed.
    pub withheld: Money,
    /// Its payment.
    pub cause: CauseRecord,
}

/// A notice to the user of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRecord {
    /// The carrier.
    pub carrier: Carrier,
    /// `low_balance` or `exhausted`.
    pub kind: String,
    /// What made it be given.
    pub cause: CauseRecord,
}

/// A subscription: its agreement, and what was prepaid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRecord {
    /// The agreement.
    pub agreement: AgreementRecord,
    /// The tranches of all its services, oldest first.
    pub tranches: Vec<TrancheRecord>,
    /// Notices about what is left.
    #[serde(default)]
    pub notices: Vec<NoticeRecord>,
}

/// Which reading of a batch was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedReadingRecord {
    /// Its place in the batch, counted over all runs from 0.
    pub index: u16,
    /// Its meter.
    pub meter: MeterId,
}

/// A refusal: of a transaction, or of one reading in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRecord {
    /// The stable code.
    pub code: String,
    /// The rule in a sentence, with the values that were compared.
    pub message: String,
    /// The refusal with its values.
    pub refusal: Refusal,
    /// Whose transaction it was, or carried the reading.
    pub account: Option<AccountId>,
    /// The transaction's action.
    pub action: Option<String>,
    /// The reading, if only that was refused and the rest of its batch was done.
    pub reading: Option<RefusedReadingRecord>,
    /// Where it happened.
    pub cause: CauseRecord,
}

/// How often a rule forbade something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalCount {
    /// The stable code.
    pub code: String,
    /// Transactions refused.
    pub transactions: u64,
    /// Readings refused.
    pub readings: u64,
}

/// How many agreements of a kind have a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementCount {
    /// `purchase` or `subscription`.
    pub kind: String,
    /// The status.
    pub status: String,
    /// How many.
    pub count: u64,
}

/// Money issued, redeemed and held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneySummary {
    /// Issued in all.
    pub issued: Money,
    /// Redeemed in all.
    pub redeemed: Money,
    /// Issued less redeemed.
    pub circulating: Money,
    /// Sum of all accounts' free money.
    pub free: Money,
    /// Sum of all accounts' reserved money.
    pub reserved: Money,
    /// Whether free and reserved together are what circulates, now and after every block so far.
    pub conserved: bool,
    /// The first block after which they were not.
    #[serde(default)]
    pub first_violation: Option<u64>,
}

/// Totals of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Blocks, the genesis block not counted.
    pub blocks: u64,
    /// Time of the last block.
    pub time_ms: Timestamp,
    /// Transactions in blocks, refused ones included.
    pub transactions: u64,
    /// Refused transactions and readings by code.
    pub refused: Vec<RefusalCount>,
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
    /// Agreements by kind and status.
    pub agreements: Vec<AgreementCount>,
    /// Money.
    pub money: MoneySummary,
}

/// A signature on terms: that of the transaction by which the account agreed to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureRecord {
    /// Who signed.
    pub account: AccountId,
    /// Digest of the terms.
    pub terms: Digest,
    /// The key that signed.
    pub signer: PublicKey,
    /// The signature over the transaction.
    pub signature: Signature,
    /// By which action.
    pub action: String,
    /// The transaction.
    pub cause: CauseRecord,
}

/// Everything that led to an agreement and came of it. Its lists are whole: [`crate::Client::trace`] reads them to their ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The agreement with its steps.
    pub agreement: AgreementRecord,
    /// The offer that it was awarded on.
    pub offer: Option<OfferRecord>,
    /// All quotes on that offer: commitments, and the content of awarded ones.
    pub quotes: Vec<QuoteRecord>,
    /// The package that it subscribes to.
    pub package: Option<PackageRecord>,
    /// Who signed what.
    pub signatures: Vec<SignatureRecord>,
    /// Certified readings that count for it.
    pub readings: Vec<CertificateRecord>,
    /// Its statements.
    pub statements: Vec<StatementRecord>,
    /// Every movement of its money.
    pub movements: Vec<MovementRecord>,
}

/// A trace as the interface answers it: the lists' first pages.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct TracePage {
    pub agreement: AgreementRecord,
    pub offer: Option<OfferRecord>,
    pub quotes: Option<Page<QuoteRecord>>,
    pub package: Option<PackageRecord>,
    pub signatures: Vec<SignatureRecord>,
    pub readings: Page<CertificateRecord>,
    pub statements: Page<StatementRecord>,
    pub movements: Page<MovementRecord>,
}

/// The receipt event of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptEvent {
    /// The block.
    pub height: u64,
    /// The receipt's place in it.
    pub index: u32,
    /// The receipt.
    pub receipt: Receipt,
}
