//! Statements: the lines that justify what an agreement pays. A statement follows from the agreement's terms and what its
//! program was told since the one before it; whoever has those runs the program again and compares.
//!
//! A line whose period lies before the statement's own is a correction: it is for what came after that period had its
//! statement.

use crate::agreement::Party;
use crate::carrier::Carrier;
use crate::encoding::{Bounded, Text};
use crate::hash::Digest;
use crate::id::AgreementId;
use crate::money::{Money, Price};
use crate::package::{Band, Bands, MAX_CHARGE_NAME_BYTES, UnitPrice};
use crate::quantity::{Area, Quantity};
use crate::time::{HOUR_MS, Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most prepaid tranches of a service that are open, or wait for their meter, at a time.
pub const MAX_TRANCHES: usize = 16;
/// Most lines of a statement.
pub const MAX_LINES: usize = 512;

/// A month's statement is made this long after the month's end, so that its last readings are in it.
pub const STATEMENT_GRACE_MS: u64 = 6 * HOUR_MS;
/// How long after the end of a supply late readings still make a supplementary statement: 31 days.
pub const SUPPLEMENTARY_MS: u64 = 31 * 24 * HOUR_MS;

/// A line of a statement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StatementLine {
    /// Purchase: what was delivered of a lot; the user pays `amount`.
    Delivery {
        /// The carrier.
        carrier: Carrier,
        /// The agreed volume.
        contracted: Quantity,
        /// What the owner made available over the window.
        available: Quantity,
        /// What the user took over the window.
        taken: Quantity,
        /// The smaller of both; substituted quantity included.
        delivered: Quantity,
        /// What of `delivered` no reading proves: the substitute rule's part.
        substituted: Quantity,
        /// The price.
        price: Price,
        /// Delivered times price.
        amount: Money,
    },
    /// Purchase: a meter brought no reading at all for the window.
    NoReading {
        /// The carrier.
        carrier: Carrier,
        /// Whose meter.
        party: Party,
    },
    /// A deposit forfeited in proportion to a shortfall beyond the tolerance.
    Forfeit {
        /// The carrier.
        carrier: Carrier,
        /// The party that did not perform and loses `amount`.
        by: Party,
        /// What is missing.
        shortfall: Quantity,
        /// Of this volume.
        contracted: Quantity,
        /// The lot's share of the deposit.
        deposit: Money,
        /// What is forfeited.
        amount: Money,
    },
    /// A deposit forfeited because its party could not pay.
    DefaultForfeit {
        /// The party that loses it.
        by: Party,
        /// What is forfeited.
        amount: Money,
    },
    /// Package: what was consumed in a band; no money by itself.
    Usage {
        /// The carrier.
        carrier: Carrier,
        /// When it flowed.
        period: Window,
        /// The band.
        band: Band,
        /// The band's factor in thousandths; 0 where the quantity is not charged.
        factor_permille: u16,
        /// What was consumed.
        quantity: Quantity,
    },
    /// Package: consumption charged to a tranche, or at list price; the user pays `amount`.
    Energy {
        /// The carrier.
        carrier: Carrier,
        /// When it flowed.
        period: Window,
        /// The tranche, numbered from 1 for each service; 0: nothing prepaid covered it.
        tranche: u32,
        /// The undiscounted price and the discount.
        price: UnitPrice,
        /// What is charged, by band.
        bands: Bands,
        /// The amount, net.
        amount: Money,
    },
    /// Package: levies on what was consumed; the user pays `amount`.
    Levy {
        /// The carrier.
        carrier: Carrier,
        /// When it flowed.
        period: Window,
        /// On each unit.
        price: Price,
        /// On so much.
        quantity: Quantity,
        /// The amount, net.
        amount: Money,
    },
    /// Package: days of the season that have passed for a floor area; the user pays `amount`.
    FloorArea {
        /// The carrier.
        carrier: Carrier,
        /// The days.
        period: Window,
        /// The tranche, numbered from 1 for each service; 0: the days were not prepaid.
        tranche: u32,
        /// The floor area.
        area: Area,
        /// Season's days charged.
        days: u32,
        /// Discount in thousandths.
        discount_permille: u16,
        /// The amount, net.
        amount: Money,
    },
    /// Package: a fixed charge; the user pays `amount`.
    Fixed {
        /// What it is called.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        name: Text<MAX_CHARGE_NAME_BYTES>,
        /// The days it is for.
        period: Window,
        /// For a whole month, net.
        per_month: Money,
        /// The amount, net.
        amount: Money,
    },
    /// Package: what is missing from a minimum charge; the user pays `amount`.
    Minimum {
        /// What it is called.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        name: Text<MAX_CHARGE_NAME_BYTES>,
        /// The days it is for.
        period: Window,
        /// What the period's net charges come to at least.
        least: Money,
        /// What they come to.
        charged: Money,
        /// The difference, net.
        amount: Money,
    },
    /// Package: a demand charge; the user pays `amount`.
    Demand {
        /// What it is called.
        #[cfg_attr(feature = "schema", schema(value_type = String))]
        name: Text<MAX_CHARGE_NAME_BYTES>,
        /// The month.
        period: Window,
        /// The carrier.
        carrier: Carrier,
        /// The highest mean power was this quantity ...
        quantity: Quantity,
        /// ... in so many milliseconds.
        ms: u32,
        /// For a kilowatt in a month, net.
        per_kw: Money,
        /// The amount, net.
        amount: Money,
    },
    /// Package: what was charged before for a corrected quantity goes back; `amount` lowers what is due.
    Credit {
        /// The carrier.
        carrier: Carrier,
        /// When it was said to have flowed.
        period: Window,
        /// The price at which it was charged.
        price: UnitPrice,
        /// What is taken back, by band.
        bands: Bands,
        /// The amount, net; levies included.
        amount: Money,
    },
    /// Package: value-added tax at one rate.
    Tax {
        /// The rate in thousandths.
        permille: u16,
        /// On this net amount: charges less credits.
        base: Money,
        /// The tax.
        amount: Money,
    },
    /// A program of the parties' own: what a clause comes to; one party owes `amount` to another.
    Clause {
        /// The clause's number in the program's manifest.
        clause: u16,
        /// The time that it is about.
        period: Window,
        /// The carrier, if it is about one.
        carrier: Option<Carrier>,
        /// The quantity; of no carrier: a number that the clause explains.
        quantity: Quantity,
        /// The price that was applied, if one was.
        price: Option<Price>,
        /// Who pays.
        from: Party,
        /// Who is paid.
        to: Party,
        /// How much.
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

impl StatementLine {
    /// The carrier that the line is about, if it is about one.
    pub const fn carrier(&self) -> Option<Carrier> {
        match self {
            Self::Delivery { carrier, .. }
            | Self::NoReading { carrier, .. }
            | Self::Forfeit { carrier, .. }
            | Self::Usage { carrier, .. }
            | Self::Energy { carrier, .. }
            | Self::Levy { carrier, .. }
            | Self::FloorArea { carrier, .. }
            | Self::Demand { carrier, .. }
            | Self::Credit { carrier, .. }
            | Self::Refund { carrier, .. } => Some(*carrier),
            Self::Clause { carrier, .. } => *carrier,
            Self::DefaultForfeit { .. } | Self::Fixed { .. } | Self::Minimum { .. } | Self::Tax { .. } => None,
        }
    }

    /// What the user pays by this line; what a credit gives back and what a deposit loses are none of it.
    pub const fn due(&self) -> Money {
        match self {
            Self::Clause { from: Party::USER, to: Party::OWNER, amount, .. } => *amount,
            Self::Clause { .. } => Money::ZERO,
            Self::Delivery { amount, .. }
            | Self::Energy { amount, .. }
            | Self::Levy { amount, .. }
            | Self::FloorArea { amount, .. }
            | Self::Fixed { amount, .. }
            | Self::Minimum { amount, .. }
            | Self::Demand { amount, .. }
            | Self::Tax { amount, .. }
            | Self::Refund { withheld: amount, .. } => *amount,
            Self::NoReading { .. }
            | Self::Forfeit { .. }
            | Self::DefaultForfeit { .. }
            | Self::Usage { .. }
            | Self::Credit { .. } => Money::ZERO,
        }
    }

    /// The time that the line is about, if it says one.
    pub const fn period(&self) -> Option<Window> {
        match self {
            Self::Usage { period, .. }
            | Self::Energy { period, .. }
            | Self::Levy { period, .. }
            | Self::FloorArea { period, .. }
            | Self::Fixed { period, .. }
            | Self::Minimum { period, .. }
            | Self::Demand { period, .. }
            | Self::Clause { period, .. }
            | Self::Credit { period, .. } => Some(*period),
            _ => None,
        }
    }
}

/// What a statement closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Closing {
    /// A period that is followed by another one.
    Period,
    /// The agreement.
    End,
    /// What came after the end.
    Supplement,
}

/// A statement of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Statement {
    /// The agreement.
    pub agreement: AgreementId,
    /// 1, then 2, ... for each agreement.
    pub number: u32,
    /// What it closes.
    pub closing: Closing,
    /// The time it is about.
    pub period: Window,
    /// The block time at which it was made.
    pub issued: Timestamp,
    /// The lines.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<StatementLine>))]
    pub lines: Bounded<StatementLine, MAX_LINES>,
    /// Whether a substitute rule stood in for readings.
    pub substituted: bool,
    /// Paid by the user to the owner with this statement, forfeits not included.
    pub paid: Money,
    /// What of this statement the user could not pay: a debt.
    pub unpaid: Money,
    /// All that the user owes under the agreement after this statement.
    pub debt: Money,
    /// What the user's allowance and free balance could give when it was made: with it the program's run can be repeated.
    pub available: Money,
    /// Digest of what the program went on from: its state, and what the agreement held, after the statement before this one or
    /// after signing.
    pub state_before: Digest,
    /// The same after this statement.
    pub state_after: Digest,
}
