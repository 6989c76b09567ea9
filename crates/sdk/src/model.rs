//! What the node's HTTP interface answers, as Rust values. Values of the ledger are `utilidor_types` in their own JSON form;
//! around them stand the structures of the interface: money as decimal strings, quantities as decimal strings of base
//! units, ids and hashes in hex, times in Unix milliseconds (`_ms`). Unknown fields are ignored, so that a newer node can say
//! more.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utilidor_types::agreement::{Origin, Side, Status};
use utilidor_types::event::Purpose;
use utilidor_types::genesis::ChainKind;
use utilidor_types::package::Package;
use utilidor_types::{
    AccountId, Action, AgreementId, AgreementTerms, Carrier, Certificate, ChainId, Digest, Header, MemberId,
    MeterAuthority, MeterId, Money, Offer, Quantity, QuoteContent, Receipt, Roles, SealedQuote, Statement, Timestamp,
    TransactionHash, Window,
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
    /// What was asked.
    pub action: Action,
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
    /// Number of transactions.
    pub transactions: u32,
    /// Number of receipts.
    pub receipts: u32,
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
}

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MovementRecord {
    /// The block that it happened in.
    pub height: u64,
    /// The block's time.
    pub time_ms: Timestamp,
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
}

impl QuoteRecord {
    /// Whether it can still be awarded, once the gate has closed.
    pub fn stands(&self) -> bool {
        self.status == "submitted"
    }

    /// The quote as its bidder submitted it.
    pub fn sealed_quote(&self, _offer: utilidor_types::OfferId) -> SealedQuote {
        self.quote.clone()
    }
}

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementRecord {
    /// The agreement.
    pub agreement: AgreementId,
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
}

/// A statement with the parties of its agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementRecord {
    /// The block that issued it.
    pub height: u64,
    /// The seller.
    pub owner: AccountId,
    /// The buyer.
    pub user: AccountId,
    /// The statement.
    pub statement: Statement,
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
    /// Whether it is out of service.
    pub retired: bool,
}

/// A certified reading with the block that certified it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRecord {
    /// The block.
    pub height: u64,
    /// The certificate.
    #[serde(flatten)]
    pub certificate: Certificate,
}

/// A published version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRecord {
    /// Who published it.
    pub owner: AccountId,
    /// The version.
    pub package: Package,
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
    /// What statements have charged to it.
    #[serde(default)]
    pub charged: Money,
    /// What went back to the user.
    #[serde(default)]
    pub refunded: Money,
}

/// A subscription: its agreement, and what was prepaid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriptionRecord {
    /// The agreement.
    #[serde(flatten)]
    pub agreement: AgreementRecord,
    /// The tranches of all its services, oldest first.
    #[serde(default)]
    pub tranches: Vec<TrancheRecord>,
}

/// A refusal: of a transaction, or of one reading in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalRecord {
    /// The block.
    pub height: u64,
    /// The block's time.
    pub time_ms: Timestamp,
    /// The transaction.
    #[serde(default)]
    pub transaction: Option<TransactionHash>,
    /// The stable code.
    pub code: String,
    /// The sentence.
    #[serde(default)]
    pub detail: String,
    /// The meter of a refused reading.
    #[serde(default)]
    pub meter: Option<MeterId>,
}

/// Money in circulation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoneySummary {
    /// Issued in all.
    pub issued: Money,
    /// Redeemed in all.
    pub redeemed: Money,
    /// Issued less redeemed.
    pub in_circulation: Money,
    /// Sum of all balances, free and reserved.
    pub balances: Money,
    /// Whether the two are equal.
    pub conserved: bool,
}

/// Totals of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Final blocks.
    pub blocks: u64,
    /// Final transactions.
    pub transactions: u64,
    /// Refusals by code.
    #[serde(default)]
    pub refused: BTreeMap<String, u64>,
    /// Readings certified.
    pub readings_certified: u64,
    /// Statements issued.
    pub statements: u64,
    /// Agreements by kind and status.
    #[serde(default)]
    pub agreements: BTreeMap<String, BTreeMap<String, u64>>,
    /// Money.
    pub money: MoneySummary,
}

/// One signature on an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureRecord {
    /// Whose.
    pub account: AccountId,
    /// On which side.
    pub side: Side,
    /// The transaction that carries it.
    pub transaction: TransactionHash,
    /// The block.
    pub height: u64,
    /// The block's time.
    pub time_ms: Timestamp,
}

/// The block event of the stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockEvent {
    /// Its height.
    pub height: u64,
    /// Its time.
    pub time_ms: Timestamp,
    /// Number of transactions.
    pub transactions: u32,
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
