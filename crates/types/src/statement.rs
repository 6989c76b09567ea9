//! Statements: the lines that justify what an agreement pays. Every line can be computed again from the
//! agreement's terms and its certificates; `utilidor verify` does so.

use crate::agreement::Side;
use crate::carrier::Carrier;
use crate::encoding::Bounded;
use crate::id::{AgreementId, CertificateId};
use crate::money::{Money, Price};
use crate::package::{BANDS, MAX_TARIFF_OPTIONS, TranchePrice};
use crate::quantity::Quantity;
use crate::time::{HOUR_MS, Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most prepaid tranches of a service at a time.
pub const MAX_TRANCHES: usize = 8;
/// Most lines of a statement.
pub const MAX_LINES: usize = Carrier::COUNT * (MAX_TRANCHES * 2 + BANDS + MAX_TARIFF_OPTIONS);

/// A month's statement is made this long after the month's end, so that its last readings are in it.
pub const STATEMENT_GRACE_MS: u64 = 6 * HOUR_MS;

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StatementLine {
    /// Purchase: what was delivered of a lot; the user pays `amount`.
    Delivery {
        /// The carrier.
        carrier: Carrier,
        /// The agreed volume.
        contracted: Quantity,
        /// What the owner made available.
        available: Quantity,
        /// What counts as delivered; substituted quantity included.
        delivered: Quantity,
        /// What of `delivered` no reading proves: the substitute rule's part.
        substituted: Quantity,
        /// The price.
        price: Price,
        /// Delivered times price.
        amount: Money,
    },
    /// Purchase: a deposit forfeited in proportion to a shortfall beyond the tolerance.
    Forfeit {
        /// The carrier.
        carrier: Carrier,
        /// The side that did not perform and loses `amount`.
        by: Side,
        /// What is missing.
        shortfall: Quantity,
        /// Of this volume.
        contracted: Quantity,
        /// The lot's share of the deposit.
        deposit: Money,
        /// What is forfeited.
        amount: Money,
    },
    /// Package: what was consumed in a band; no money by itself.
    Usage {
        /// The carrier.
        carrier: Carrier,
        /// The band, by its number.
        band: crate::package::Band,
        /// The band's factor in thousandths.
        factor_permille: u16,
        /// What was consumed.
        quantity: Quantity,
    },
    /// Package: consumption drawn from a prepaid tranche; the user pays `amount`.
    Charge {
        /// The carrier.
        carrier: Carrier,
        /// The tranche, numbered from 1 for each service.
        tranche: u32,
        /// Its price.
        price: TranchePrice,
        /// Weight drawn before this statement (base units x thousandths).
        weight_before: u64,
        /// Weight drawn in this statement.
        weight: u64,
        /// Cumulative amount less what earlier statements charged.
        amount: Money,
    },
    /// Package: consumption that nothing prepaid covers yet; carried to the next prepayment.
    Owed {
        /// The carrier.
        carrier: Carrier,
        /// Weight owed (base units x thousandths).
        weight: u64,
    },
    /// Package: consumption beyond all prepayments, charged at the end at the undiscounted price.
    OwedCharge {
        /// The carrier.
        carrier: Carrier,
        /// The undiscounted price.
        price: Price,
        /// Weight charged (base units x thousandths).
        weight: u64,
        /// The amount.
        amount: Money,
    },
    /// Package: the part of a prepaid floor-area period that has passed; the user pays `amount`.
    FloorArea {
        /// The carrier.
        carrier: Carrier,
        /// The tranche, numbered from 1 for each service.
        tranche: u32,
        /// Season's days passed since the period began.
        days_passed: u32,
        /// Season's days in the whole period.
        days: u32,
        /// Cumulative amount less what earlier statements charged.
        amount: Money,
    },
    /// Package: what is left of a tranche goes back to the user.
    Refund {
        /// The carrier.
        carrier: Carrier,
        /// The tranche.
        tranche: u32,
        /// What goes back.
        amount: Money,
        /// What the owner keeps: the discount on what was consumed, on early termination.
        withheld: Money,
    },
}

/// A statement of an agreement. What a user or owner pays is the sum of its lines.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Statement {
    /// The agreement.
    pub agreement: AgreementId,
    /// 1, then 2, ... for each agreement.
    pub number: u32,
    /// The time it is about.
    pub period: Window,
    /// The block time at which it was made.
    pub issued: Timestamp,
    /// It counts the certificates of its meters from this id ...
    pub first_certificate: CertificateId,
    /// ... to the one before this id.
    pub end_certificate: CertificateId,
    /// The lines.
    pub lines: Bounded<StatementLine, MAX_LINES>,
    /// Paid by the user to the owner, forfeits not included.
    pub paid: Money,
    /// Whether a substitute rule stood in for readings.
    pub substituted: bool,
    /// What the user could not pay; the agreement is in default if it is more than nothing.
    pub unpaid: Money,
}
