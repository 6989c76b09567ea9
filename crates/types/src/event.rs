//! What happened besides what the action itself says: the consequences that the read model, the event
//! stream and proofs need. A transfer has none; a settlement has many.

use crate::agreement::{Side, Status};
use crate::carrier::Carrier;
use crate::encoding::Bounded;
use crate::hash::Digest;
use crate::id::{AccountId, AgreementId, CertificateId, MeterId};
use crate::meter::MAX_BATCH_READINGS;
use crate::money::Money;
use crate::refusal::Refusal;
use crate::statement::Statement;
use crate::time::{Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// What reserved money is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The margin of a side.
    Deposit,
    /// The user's guarantee that it can pay.
    Guarantee,
    /// Money paid ahead for a service.
    Prepayment,
}

/// How a movement pays or keeps money. Issue, redeem and transfer are actions and need no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// Free money of a side becomes reserved.
    Reserve {
        /// Whose.
        side: Side,
        /// What for.
        purpose: Purpose,
    },
    /// Reserved money of a side becomes free.
    Release {
        /// Whose.
        side: Side,
        /// What it was for.
        purpose: Purpose,
    },
    /// Reserved money of the user goes to the owner as payment.
    PayFromReserve {
        /// What it was for.
        purpose: Purpose,
    },
    /// Free money of the user goes to the owner as payment.
    Pay,
    /// A side's deposit goes to the other side.
    Forfeit {
        /// Who loses it.
        by: Side,
    },
}

/// A reading that was not certified.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct RefusedReading {
    /// Its place in the batch, counted over all runs from 0.
    pub index: u16,
    /// Its meter.
    pub meter: MeterId,
    /// Why.
    pub refusal: Refusal,
}

/// A consequence.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
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
        /// The seller.
        owner: AccountId,
        /// The buyer.
        user: AccountId,
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
    /// A prepayment opened a tranche.
    TrancheOpened {
        /// The subscription.
        subscription: AgreementId,
        /// The carrier.
        carrier: Carrier,
        /// The tranche, numbered from 1 for each service.
        tranche: u32,
        /// What was paid.
        paid: Money,
        /// Discount in thousandths.
        discount_permille: u16,
        /// The period it is for, if its tariff has periods.
        period: Option<Window>,
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
}

/// Most events of one receipt: a full batch of readings, of which each can end a gap, leave little of what was prepaid
/// and use it up, and the batch's own event.
pub const MAX_EVENTS: usize = 3 * MAX_BATCH_READINGS + 1;
