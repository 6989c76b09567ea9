//! What happened besides what the action itself says: the consequences that the read model, the event
//! stream and proofs need. A transfer has none; a settlement has many.

use crate::agreement::{Party, Status};
use crate::carrier::Carrier;
use crate::council::{Decision, MotionEnd};
use crate::encoding::{Bounded, Text};
use crate::hash::Digest;
use crate::id::{AccountId, AgreementId, CertificateId, MemberId, MeterId, MotionId, OfferId};
use crate::meter::{MAX_BATCH_READINGS, MAX_METER_AGREEMENTS, MAX_REASON_BYTES, Register};
use crate::money::Money;
use crate::package::{BANDS, Bands};
use crate::price_index::{IndexRead, MAX_INDICES_READ};
use crate::quantity::Quantity;
use crate::refusal::Refusal;
use crate::statement::Statement;
use crate::time::{Timestamp, Window};
use crate::validator::Roster;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What reserved money is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The margin of a party.
    Deposit,
    /// A party's guarantee that it can pay.
    Guarantee,
    /// Money paid ahead for a service.
    Prepayment,
}

/// Where a payment comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// What the payer has reserved under the agreement.
    Pot(Purpose),
    /// The payer's free balance, up to the allowance that it granted by signing.
    Allowance,
    /// The payer's free balance, by an action of its own that pays a debt.
    Debt,
}

/// How a movement pays or keeps money. Issue, redeem and transfer are actions and need no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Free money of a party becomes reserved.
    Reserve {
        /// Whose.
        party: Party,
        /// What for.
        purpose: Purpose,
    },
    /// Reserved money of a party becomes free.
    Release {
        /// Whose.
        party: Party,
        /// What it was for.
        purpose: Purpose,
    },
    /// A party pays another.
    Pay {
        /// Who pays.
        from: Party,
        /// Out of what.
        source: Source,
        /// Who is paid.
        to: Party,
    },
    /// A party's deposit goes to another party.
    Forfeit {
        /// Who loses it.
        by: Party,
        /// Who gets it.
        to: Party,
    },
    /// At the hard end, what a party has reserved goes to the arbiter's account or to another party.
    FallBack {
        /// Whose it was.
        party: Party,
        /// What it was for.
        purpose: Purpose,
        /// Who gets it.
        to: AccountId,
    },
}

/// What becomes of the bond that a bidder has reserved with its quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BondMovement {
    /// The bidder's free money is reserved.
    Reserved,
    /// It is free again.
    Released,
    /// The offer's owner gets it: the award could not be funded.
    Forfeited,
}

/// A reading that was not certified.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusedReading {
    /// Its place in the batch, counted over all runs from 0.
    pub index: u16,
    /// Its meter.
    pub meter: MeterId,
    /// Why.
    pub refusal: Refusal,
}

/// What a purchase took of a segment of a meter, by its binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Fill {
    /// The agreement.
    pub agreement: AgreementId,
    /// Which of the agreement's bindings.
    pub binding: u8,
    /// How much, by band.
    pub bands: Bands,
}

/// What a binding with a volume has filled so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Filled {
    /// The binding.
    pub binding: u8,
    /// How much, by band.
    pub bands: Bands,
    /// How far the meter's certified readings reach.
    pub until: Timestamp,
}

/// A stretch of a meter's time between two marks, worked out: what passed in it is the difference of the cumulative
/// registers at its ends. Agreements are told of segments, not of readings.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeterSegment {
    /// The meter.
    pub meter: MeterId,
    /// The segment.
    pub interval: Window,
    /// The cumulative registers by band at its begin.
    pub before: [Register; BANDS],
    /// The cumulative registers by band at its end, interpolated and rounded down.
    pub after: [Register; BANDS],
    /// What purchases took, in the order of their signing.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Fill>))]
    pub fills: Bounded<Fill, MAX_METER_AGREEMENTS>,
    /// The supply that the rest is charged to, by agreement and binding, if one was open.
    pub supply: Option<(AgreementId, u8)>,
    /// The highest mean power between two certified readings at most an hour apart that ended in it: quantity and milliseconds.
    pub peak: (Quantity, u32),
}

impl MeterSegment {
    /// Whether the agreement's program is told of it, or its purchases fill from it.
    pub fn is_of(&self, agreement: AgreementId) -> bool {
        self.supply.is_some_and(|(of, _)| of == agreement) || self.fills.iter().any(|fill| fill.agreement == agreement)
    }

    /// What passed in it, by band.
    pub fn passed(&self) -> Option<Bands> {
        Bands(self.after.map(Register::quantity)).checked_sub(&Bands(self.before.map(Register::quantity)))
    }

    /// What purchases left of it, by band.
    pub fn rest(&self) -> Option<Bands> {
        self.fills.iter().try_fold(self.passed()?, |rest, fill| rest.checked_sub(&fill.bands))
    }
}

/// A consequence.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Money of an agreement moved.
    Moved {
        /// The agreement.
        agreement: AgreementId,
        /// How.
        movement: Movement,
        /// How much.
        amount: Money,
    },
    /// An agreement came into being, waiting for a signature.
    AgreementProposed {
        /// The agreement.
        agreement: AgreementId,
        /// The parties by their numbers.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<AccountId>))]
        parties: Bounded<AccountId, { crate::agreement::MAX_PARTIES }>,
        /// Digest of the terms, to be signed.
        terms: Digest,
        /// Signed before this time.
        sign_by: Timestamp,
    },
    /// An agreement changed its status.
    AgreementStatus {
        /// The agreement.
        agreement: AgreementId,
        /// The new status.
        status: Status,
    },
    /// An amendment took effect.
    AgreementAmended {
        /// The agreement.
        agreement: AgreementId,
        /// Digest of the new terms.
        terms: Digest,
    },
    /// A batch of readings was worked through.
    Certified {
        /// Id of the first certificate; the others follow.
        first: CertificateId,
        /// How many there are.
        count: u32,
        /// Readings that were refused.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<RefusedReading>))]
        refused: Bounded<RefusedReading, MAX_BATCH_READINGS>,
    },
    /// An interval longer than the meter's usual one was certified: readings are missing in it.
    Gap {
        /// The meter.
        meter: MeterId,
        /// The interval.
        interval: Window,
    },
    /// A statement was issued.
    StatementIssued(Statement),
    /// A meter passed a mark, or was asked how far it is.
    Segment(MeterSegment),
    /// A purchase has settled, and what it had taken beyond what was delivered goes back to the supply.
    Returned {
        /// The supply's agreement.
        agreement: AgreementId,
        /// Its binding.
        binding: u8,
        /// When it flowed.
        interval: Window,
        /// How much, by band.
        bands: Bands,
    },
    /// A supply's meter has reached a level that its program had set.
    LevelReached {
        /// The supply's agreement.
        agreement: AgreementId,
        /// Its binding.
        binding: u8,
        /// What the meter brought since the last segment, by band.
        bands: Bands,
    },
    /// A correction changes what a supply has been told.
    Adjusted {
        /// The supply's agreement.
        agreement: AgreementId,
        /// Its binding.
        binding: u8,
        /// When it flowed.
        interval: Window,
        /// How much more, by band.
        more: Bands,
        /// How much less, by band.
        less: Bands,
    },
    /// What passed a meter while no supply was open is on nobody's bill.
    Unsupplied {
        /// The meter.
        meter: MeterId,
        /// When.
        interval: Window,
        /// How much.
        quantity: Quantity,
    },
    /// A certified quantity was corrected by the meter's operator.
    Corrected {
        /// The meter.
        meter: MeterId,
        /// When it was said to have flowed.
        interval: Window,
        /// What was certified.
        certified: Quantity,
        /// What is right.
        right: Quantity,
        /// The operator's reason.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        reason: Text<MAX_REASON_BYTES>,
    },
    /// A user paid ahead. What it buys is settled when the meter has passed this time: a debt is paid first, and the remainder sets the discount.
    Prepaid {
        /// The subscription.
        subscription: AgreementId,
        /// The carrier.
        carrier: Carrier,
        /// The tranche, numbered from 1 for each service.
        tranche: u32,
        /// What was paid.
        paid: Money,
        /// The period it is for, if its tariff has periods.
        period: Option<Window>,
    },
    /// A prepayment opened a tranche.
    TrancheOpened {
        /// The subscription.
        subscription: AgreementId,
        /// The carrier.
        carrier: Carrier,
        /// The tranche, numbered from 1 for each service.
        tranche: u32,
        /// What went to what had been consumed before.
        debt_paid: Money,
        /// What is left for the tranche.
        paid: Money,
        /// Discount in thousandths.
        discount_permille: u16,
        /// The period it is for, if its tariff has periods.
        period: Option<Window>,
    },
    /// An agreement's program failed: nothing of the event that it was told took effect.
    ProgramFailed {
        /// The agreement.
        agreement: AgreementId,
        /// The program's own code, or the ledger's for effects that it cannot have.
        code: u16,
        /// How often in a row.
        failures: u8,
    },
    /// A program that parties have published has acted, knowing this besides what other events say.
    ProgramRan {
        /// The agreement.
        agreement: AgreementId,
        /// What it used.
        fuel: u32,
        /// What each party's allowance could have given.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<Money>))]
        available: Bounded<Money, { crate::agreement::MAX_PARTIES }>,
        /// What meters with a volume had filled.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<Filled>))]
        sums: Bounded<Filled, { crate::program::MAX_CODED_METERS }>,
    },
    /// What a party owes under an agreement has changed.
    Debt {
        /// The agreement.
        agreement: AgreementId,
        /// Who owes.
        party: Party,
        /// How much it owes now.
        owes: Money,
    },
    /// An agreement ends at this time, by the word of one side.
    Ending {
        /// The agreement.
        agreement: AgreementId,
        /// When.
        at: Timestamp,
    },
    /// The bond of a quote moved.
    Bond {
        /// The offer.
        offer: OfferId,
        /// The bidder.
        bidder: AccountId,
        /// How.
        movement: BondMovement,
        /// How much.
        amount: Money,
    },
    /// One of several awards could not be concluded; the others stand.
    AwardRefused {
        /// The offer.
        offer: OfferId,
        /// The bidder.
        bidder: AccountId,
        /// Why.
        refusal: Refusal,
    },
    /// An offer has lapsed: what was not awarded of it no longer can be, and its bonds are released.
    OfferLapsed {
        /// The offer.
        offer: OfferId,
    },
    /// Readings of a meter are missing: at this time something is settled without them, or has been. A purchase says so before,
    /// a subscription with its statement, for what comes later is a correction.
    ReadingsMissing {
        /// The agreement.
        agreement: AgreementId,
        /// The meter.
        meter: MeterId,
        /// When it is settled.
        at: Timestamp,
    },
    /// A motion is open to the council's votes.
    MotionOpened {
        /// The motion.
        motion: MotionId,
        /// Its digest: what is voted on.
        digest: Digest,
        /// It lapses at this time.
        closes: Timestamp,
    },
    /// A council member has voted.
    Voted {
        /// The motion.
        motion: MotionId,
        /// Who.
        member: MemberId,
        /// For or against.
        in_favour: bool,
    },
    /// A motion was carried, and its decision took effect.
    Decided {
        /// The motion.
        motion: MotionId,
        /// What was decided.
        decision: Decision,
    },
    /// A motion is over without effect.
    MotionEnded {
        /// The motion.
        motion: MotionId,
        /// Why.
        end: MotionEnd,
    },
    /// The node of an appointed validator has shown that it is ready.
    ValidatorReady {
        /// The member.
        member: MemberId,
        /// The epoch in which.
        epoch: u64,
    },
    /// The validators of the next epoch are others than those of the present one.
    ValidatorsChanged {
        /// The next epoch.
        epoch: u64,
        /// Its validators.
        set: Roster,
    },
    /// The validators stay as they are for another epoch, although the council has decided otherwise: too few of those it wants
    /// are known to be there.
    ValidatorsKept {
        /// The next epoch.
        epoch: u64,
        /// How many of the wanted ones are known to be there: they have proposed a block of this epoch, or shown that they are ready.
        live: u8,
        /// How many must be.
        needed: u8,
    },
    /// Little is left of what was prepaid.
    LowBalance {
        /// The subscription.
        subscription: AgreementId,
        /// The carrier.
        carrier: Carrier,
    },
    /// What was prepaid and the grace quantity are used up.
    Exhausted {
        /// The subscription.
        subscription: AgreementId,
        /// The carrier.
        carrier: Carrier,
    },
    /// A program is about to act, and knows these values of indices. What it does with them stands in the events that follow.
    IndicesRead {
        /// The agreement.
        agreement: AgreementId,
        /// The values.
        #[cfg_attr(feature = "schema", schema(value_type = Vec<IndexRead>))]
        values: Bounded<IndexRead, MAX_INDICES_READ>,
    },
    /// The operator of a meter wants an agreement to end too: it does at this time at the latest, and its parties cannot put that off
    /// any more.
    EndingStands {
        /// The agreement.
        agreement: AgreementId,
        /// When.
        at: Timestamp,
    },
    /// A subscription came and went within one day, and another one has taken its meter over on that day: the day is the other's.
    DayPassedOn {
        /// The subscription that has ended.
        subscription: AgreementId,
        /// The one that has the day.
        to: AgreementId,
    },
}

/// Most events of one receipt. Execution stops an action or a due item that would have more.
pub const MAX_EVENTS: usize = 4 * MAX_BATCH_READINGS;
