//! The records that state consists of, and the table each lives in. A record's key is the hash of table, id
//! and cell number, so a client can compute it and ask for a proof. Tables keep their numbers for ever.

use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_program::backlog::Backlog;
use utilidor_program::contract::{MAX_BINDINGS, MAX_HEAD_BYTES, MAX_SLOT_BYTES};
use utilidor_types::agreement::{AgreementTerms, MAX_PARTIES, Party, Status};
use utilidor_types::event::Purpose;
use utilidor_types::genesis::Limits;
use utilidor_types::offer::MAX_LOTS;
use utilidor_types::package::{PackageTerms, TariffId, TariffOption};
use utilidor_types::price_index::PriceIndex;
use utilidor_types::program::Manifest;
use utilidor_types::quote::Commitment;
use utilidor_types::validator::MAX_VALIDATORS;
use utilidor_types::{
    AccountId, Agreement, AgreementId, Bounded, Carrier, CertificateId, Digest, DueItem, MemberId, MeterId, Money,
    Motion, MotionId, OfferId, PackageId, PriceIndexId, Program, ProgramId, PublicKey, Quantity, Roles, Roster,
    Timestamp, Validator, Window,
};

pub use crate::meter_record::{
    Device, Filling, MeterBinding, MeterBindings, MeterRecord, MeterState, PastSupply, Summed, Supply, Take,
};
pub use crate::published::Published;

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
    6 OfferRecord by OfferId, usually 3 cells;
    7 BidderPage by (OfferId, u8);
    8 QuoteRecord by (OfferId, AccountId);
    9 AgreementRecord by AgreementId, usually 2 cells;
    10 AgreementState by AgreementId, usually 2 cells;
    11 AmendmentRecord by AgreementId, usually 2 cells;
    12 MeterRecord by MeterId, usually 2 cells;
    13 MeterState by MeterId;
    14 PackageHead by PackageId;
    15 PackageVersion by (PackageId, u32);
    16 TariffOption by TariffId, usually 2 cells;
    17 SlotRecord by (AgreementId, u8);
    18 DueNode by (u8, u32);
    19 DueBucket by u32;
    20 DuePage by (u32, u32);
    21 MeterBindings by MeterId, usually 2 cells;
    22 PackageTerms by (PackageId, u32);
    23 DebtRecord by (AccountId, MemberId);
    24 BacklogRecord by AgreementId;
    25 ProgramRecord by ProgramId;
    26 CodeChunk by (Digest, u8), usually 24 cells;
    27 ManifestRecord by ProgramId, usually 8 cells;
    28 FuelRecord by MemberId;
    29 CouncilRecord by (), usually 4 cells;
    30 MotionRecord by MotionId, usually 3 cells;
    31 EpochRecord by ();
    32 PresenceRecord by PublicKey;
    33 SuccessionRecord by AccountId;
    34 PriceIndexRecord by PriceIndexId;
    35 IndexValueRecord by (PriceIndexId, u16);
    36 IndexCount by MemberId;
    37 PastAgreement by AgreementId;
    38 DeviceRecord by MeterId;
    39 DeviceMeter by Digest;
}

/// The device whose records a meter takes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DeviceRecord {
    /// What stands for it ([`SignedRecord::device`](utilidor_types::meter::SignedRecord::device)).
    pub device: Digest,
}

/// The meter that takes a device's records.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DeviceMeter {
    /// The meter.
    pub meter: MeterId,
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
    /// What the others keep for it.
    pub kept: Kept,
    /// Whether the council has removed it.
    pub removed: bool,
    /// Its own limits, if the council has given it some.
    pub limits: Option<Limits>,
}

/// How much of each limited kind the others keep for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct Kept {
    /// Accounts.
    pub accounts: u32,
    /// Offers that have not lapsed.
    pub offers: u32,
    /// Live quotes.
    pub quotes: u32,
    /// Proposals that not all have signed.
    pub proposals: u32,
    /// Meters in service.
    pub meters: u32,
    /// Versions of packages.
    pub packages: u32,
    /// Subscriptions that have not ended.
    pub subscriptions: u32,
    /// Open motions.
    pub motions: u32,
    /// Published programs.
    pub programs: u32,
    /// Agreements on written programs, as their owner.
    pub written_agreements: u32,
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
    /// Money set aside by agreements and quotes.
    pub reserved: Money,
}

/// The council, and the validators.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CouncilRecord {
    /// The members that have a seat, in the order in which they got it.
    pub seats: Bounded<MemberId, MAX_VALIDATORS>,
    /// The validators that the council wants, each of another member.
    pub appointed: Bounded<Appointed, MAX_VALIDATORS>,
    /// The validators of the present epoch; once its last block has begun, those of the next one.
    pub set: Roster,
}

/// A validator that the council wants.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Appointed {
    /// Which.
    pub validator: Validator,
    /// The last epoch in which its node has shown that it is ready.
    pub ready: Option<u64>,
}

/// A motion that is open.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MotionRecord {
    /// Its digest.
    pub digest: Digest,
    /// Whose it is.
    pub proposer: MemberId,
    /// When it lapses.
    pub closes: Timestamp,
    /// Where it stands in the due calendar.
    pub due: Option<DuePlace>,
    /// Who has voted, and how.
    pub votes: Bounded<(MemberId, bool), MAX_VALIDATORS>,
    /// The motion.
    pub motion: Motion,
}

/// The present epoch, on a chain whose validators can change.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EpochRecord {
    /// Its number.
    pub epoch: u64,
    /// Digest of the block that its first one follows.
    pub after: Digest,
}

/// When a validator has been seen last.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PresenceRecord {
    /// The last epoch of which it has proposed a block.
    pub epoch: u64,
}

/// Who may take over an operator's meters.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SuccessionRecord {
    /// The account.
    pub to: AccountId,
}

/// The most an owner can supply of a carrier.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CapacityRecord {
    /// Base units per hour.
    pub per_hour: Quantity,
    /// The UTC day before which nothing is kept of what was sold.
    pub kept_from: u32,
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
    /// Whether it has lapsed. It stays as long as agreements from it wait for a signature, and then goes.
    pub lapsed: bool,
    /// How many bidders have a quote on it; who they are stands in [`BidderPage`]s.
    pub bidders: u8,
    /// How many agreements from it wait for a signature.
    pub unsigned: u8,
    /// Where it stands in the due calendar.
    pub due: Option<DuePlace>,
    /// What is left to award, by lot.
    pub left: Bounded<Quantity, MAX_LOTS>,
    /// Whose it is.
    pub owner: AccountId,
    /// The document as published.
    pub offer: Published,
}

/// Bidders per page, so that a page fills one cell.
pub const PAGE_BIDDERS: usize = 3;

/// A page of the list of an offer's bidders: anyone can show by it that no quote is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct BidderPage {
    /// Bidders; who withdraws is replaced by the last one.
    pub bidders: Bounded<AccountId, PAGE_BIDDERS>,
}

/// A bidder's quote on an offer. Its ciphertext is history, not state.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct QuoteRecord {
    /// The commitment.
    pub commitment: Commitment,
    /// Digest of its sealed bytes.
    pub sealed: Digest,
    /// Whether an award alone concludes the agreement.
    pub binding: bool,
    /// Whether it was awarded, or has lost its bond because it could not be.
    pub awarded: bool,
    /// What is reserved for it.
    pub bond: Money,
}

/// An agreement's document.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AgreementRecord {
    /// The document; its terms change only by an amendment.
    pub agreement: Agreement,
    /// What was agreed first, and until when that is in force, once it has been amended.
    pub first: Option<(Program, Timestamp)>,
}

impl AgreementRecord {
    /// The terms in force at a time: those that were agreed first, or those that were signed last.
    pub fn in_force(&self, time: Timestamp) -> AgreementTerms {
        let mut terms = self.agreement.terms.clone();
        if let Some((program, until)) = &self.first
            && time < *until
        {
            terms.program = program.clone();
        }
        terms
    }
}

/// Most pots of an agreement: one for each party and purpose.
pub const MAX_POTS: usize = 3 * MAX_PARTIES;

/// Money that an agreement holds reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Pot {
    /// Whose.
    pub party: Party,
    /// What for.
    pub purpose: Purpose,
    /// How much, never nothing.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub money: Money,
}

/// What a party has given, of its allowance or out of what is reserved of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Drawn {
    /// Whose.
    pub party: Party,
    /// Whether it was reserved.
    pub reserved: bool,
    /// When its present period began.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub since: Timestamp,
    /// How much in it.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub money: Money,
}

/// A meter that serves an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Bound {
    /// The binding's number.
    pub number: u8,
    /// The meter.
    pub meter: MeterId,
    /// Whether it fills a volume; else it is a supply, or absorbs.
    pub fills: bool,
    /// When it ends; it goes from here when that time has come.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub until: Timestamp,
}

/// What changes about an agreement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AgreementState {
    /// Where it stands.
    pub status: Status,
    /// Who has signed it: bit `n` is party `n`.
    pub signed: u16,
    /// Who wants to end it: bit `n` is party `n`.
    pub ending: u16,
    /// Whether an amendment is proposed: who ends an agreement without one looks for none.
    pub amending: bool,
    /// What it holds.
    pub pots: Bounded<Pot, MAX_POTS>,
    /// What allowances have given, and pots of programs whose grants bound what they can reserve.
    pub drawn: Bounded<Drawn, { 2 * MAX_PARTIES }>,
    /// What the user owes the owner.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub debt: Money,
    /// Statements so far.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub statements: u32,
    /// Digest of what stood after the last statement, or after signing ([`utilidor_program::Standing`]).
    pub digest: Digest,
    /// When its program wants to act.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub scheduled: Option<Timestamp>,
    /// When it is called: the one time that counts.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub called: Option<Timestamp>,
    /// Where it stands in the due calendar.
    pub due: Option<DuePlace>,
    /// Its hard end; of what is over: until when it is kept.
    #[borsh(serialize_with = "crate::compact::write", deserialize_with = "crate::compact::read")]
    pub ends: Timestamp,
    /// How often in a row its program has failed.
    pub failures: u8,
    /// Whether it was ended without its program, which is told nothing more.
    pub halted: bool,
    /// Meters that serve it.
    pub bindings: Bounded<Bound, { MAX_BINDINGS as usize }>,
    /// Which slots its program has: bit `n` is slot `n`.
    pub slots: u16,
    /// The head of the program's state.
    pub head: Bounded<u8, MAX_HEAD_BYTES>,
}

impl AgreementState {
    /// What it holds of a party for a purpose.
    pub fn pot(&self, party: Party, purpose: Purpose) -> Money {
        let of = |pot: &&Pot| (pot.party, pot.purpose) == (party, purpose);
        self.pots.iter().find(of).map_or(Money::ZERO, |pot| pot.money)
    }
}

/// A slot of a program's state.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SlotRecord {
    /// What the program has put there.
    pub bytes: Bounded<u8, MAX_SLOT_BYTES>,
}

/// What an agreement's program could not be told, because it fails: it is told again later, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct BacklogRecord {
    /// What.
    pub events: Backlog,
}

/// A signed agreement that has left the state. Its id names nothing else, so that whose it was, and what its meters brought, stays
/// apart from all that comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PastAgreement {
    /// When it left.
    pub left: Timestamp,
}

/// A proposed change of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct AmendmentRecord {
    /// Who has signed it, its proposer first of all: bit `n` is party `n`.
    pub signed: u16,
    /// From when on it is to count.
    pub from: Timestamp,
    /// The terms that would replace the present ones.
    pub program: Program,
}

impl AmendmentRecord {
    /// The terms that result.
    pub fn terms(&self, present: &AgreementTerms) -> AgreementTerms {
        AgreementTerms { program: self.program.clone(), ..present.clone() }
    }
}

/// What a member owes an owner under all agreements of its accounts: while it owes, it cannot subscribe on its own word.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct DebtRecord {
    /// How much, never nothing.
    pub owed: Money,
}

/// A package's owner and last version.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackageHead {
    /// Whose it is.
    pub owner: AccountId,
    /// The last version.
    pub version: u32,
}

/// A version of a package. What its options share is a record of its own, and so is each option.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PackageVersion {
    /// Digest of the document, by which a repeated publication is recognised.
    pub document: Digest,
    /// Whether it is closed to new subscriptions.
    pub closed: bool,
}

/// A program that a member has published. It never changes, and never goes: agreements name it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ProgramRecord {
    /// The engine that runs it.
    pub engine: u16,
    /// Digest of its code, which stands in [`CodeChunk`]s.
    pub code: Digest,
    /// Length of its code.
    pub bytes: u32,
    /// Who published it.
    pub publisher: AccountId,
    /// When.
    pub published: Timestamp,
}

/// Bytes of code in a record.
pub const CHUNK_BYTES: usize = 15 * 1024;

/// A part of a program's code: part `n` of all code of that digest, whoever has published it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CodeChunk {
    /// The bytes.
    pub bytes: Bounded<u8, CHUNK_BYTES>,
}

/// What people are to know of a program.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ManifestRecord {
    /// The manifest as published.
    pub manifest: Manifest,
}

/// What published programs have used in a day for agreements of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct FuelRecord {
    /// The day, counted from 1970 in UTC.
    pub day: u32,
    /// The fuel.
    pub used: u64,
}

/// A published index. It never goes: contracts name it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PriceIndexRecord {
    /// Whose it is.
    pub publisher: AccountId,
    /// What it is called, and what its numbers are.
    pub index: PriceIndex,
    /// The end of the last period for which there is a value.
    pub until: Timestamp,
}

/// A value of an index, at the place of its period's begin ([`utilidor_types::price_index::index_slot`]). It never changes; a
/// much later one takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IndexValueRecord {
    /// The period.
    pub period: Window,
    /// The value in millionths.
    pub micro: i64,
    /// When it was published.
    pub published: Timestamp,
}

/// How many indices a member's accounts have published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct IndexCount {
    /// How many.
    pub indices: u16,
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
    /// Items that still wait.
    pub left: u32,
}

/// Where an item stands in the due calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct DuePlace {
    /// The second.
    pub second: u32,
    /// Its number among all that were scheduled for the second.
    pub number: u32,
}

impl DuePlace {
    /// The page that it stands on.
    pub const fn page(&self) -> (u32, u32) {
        (self.second, self.number / DUE_PAGE_ITEMS as u32)
    }
}

/// Items per page of a bucket, so that a page fills one cell.
pub const DUE_PAGE_ITEMS: usize = 7;

/// A page of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct DuePage {
    /// Items in the order they were scheduled; what was taken out is epoch 0, which stands in no calendar.
    pub items: Bounded<DueItem, DUE_PAGE_ITEMS>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::cell::cells_for;
    use utilidor_types::encode;

    /// 2100-01-01, and ten million: what is later or more takes a second cell.
    const LATE: Timestamp = Timestamp(4_102_444_800_000);
    const MUCH: Money = Money(10_000_000_000_000);

    #[test]
    fn what_changes_about_a_purchase_fits_one_cell() {
        let pot = |party| Pot { party, purpose: Purpose::Deposit, money: MUCH };
        let bound = Bound { number: 0, meter: MeterId([1; 16]), fills: true, until: LATE };
        let state = AgreementState {
            pots: vec![pot(Party::OWNER), pot(Party::USER)].try_into().unwrap(),
            digest: Digest([1; 32]),
            scheduled: Some(LATE),
            called: Some(LATE),
            due: Some(DuePlace { second: u32::MAX, number: u32::MAX }),
            ends: LATE,
            bindings: vec![bound].try_into().unwrap(),
            ..AgreementState::proposed(3)
        };
        assert_eq!(cells_for(encode(&state).len()), 1);
    }
}
