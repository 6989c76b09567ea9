//! Clause sheets: contracts that a lawyer and an engineer read alike [M15].
//!
//! ```text
//! source ──parse (outside consensus)──> Sheet, typed and bounded ──> parameters of the terms: what all sign
//!                                          |── printed in English and Chinese: what all read
//!                                          \── evaluated once a period: quantities, index values ──> lines, money
//! ```
//!
//! A sheet is a native program's parameters. It settles period by period between an owner and a user: each definition is an
//! expression of whole numbers with units, each payment an expression that comes to money. There are no loops, jumps or texts to
//! compute with; expressions are bounded in size and depth, and evaluated with checked arithmetic: what leaves its range is a
//! fault, and moves nothing.
//!
//! * *absent*: an index has no value for the period, or it was published too late. What needs it is absent too, unless an `else`
//!   says what counts instead. A period with an absent payment waits, and is tried again a day later.
//! * *before*: what a definition came to in the period settled before; absent in the first.
//! * What is measured of a period that is settled already, late or by a correction, counts in the period settled next; what is
//!   less than nothing of that one, in the one after it; and what comes after the last statement makes a supplement.
//!
//! | file | what it is |
//! |---|---|
//! | [`tree`] | expressions, their units and limits |
//! | `check` | what a sheet must be |
//! | `eval` | what an expression comes to |
//! | `calendar` | periods, and the hours of bands |
//! | `act` | the program |
//! | [`text`] | the source form, and how it is read in both languages |

mod act;
mod calendar;
mod check;
mod eval;
pub mod text;
pub mod tree;

pub(crate) use act::ClauseTerms;
pub use check::{BadSheet, check_sheet, check_terms};
pub use eval::{Known, evaluate};
pub use tree::{Node, Unit};

use borsh::{BorshDeserialize, BorshSerialize};
use tree::Expression;
use utilidor_types::agreement::{CodedTerms, Party, ProgramCode};
use utilidor_types::price_index::MAX_INDICES_READ;
use utilidor_types::program::{CLAUSES, CodedMeter, Grant, MAX_CODED_METERS, MAX_PARAMETER_BYTES};
use utilidor_types::{Bounded, Carrier, Money, PriceIndexId, Refusal, Text, Timestamp, decode, encode};

/// Longest name in bytes.
pub const MAX_NAME: usize = 32;
/// Longest text of a language in bytes.
pub const MAX_LABEL: usize = 128;
/// Most bands beside the hours that are in none.
pub const MAX_BANDS: usize = 4;
/// Most definitions.
pub const MAX_DEFINITIONS: usize = 32;
/// Most payments.
pub const MAX_PAYMENTS: usize = 16;
/// Most periods of a sheet: a hundred years of months.
pub const MAX_PERIODS: u16 = 1_200;
/// Longest time after a period's end until it is settled, in hours: 90 days.
pub const MAX_GRACE_HOURS: u16 = 90 * 24;

/// A name, by which expressions call a thing, and what people call it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Named {
    /// Lower-case letters, digits and `_`, beginning with a letter.
    pub name: Text<MAX_NAME>,
    /// What it is called.
    pub label: Label,
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Label {
    /// English.
    pub en: Text<MAX_LABEL>,
    /// Chinese.
    pub zh: Text<MAX_LABEL>,
}

/// How long a period is, by the local calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Cadence {
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

/// When it settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Periods {
    /// How long a period is.
    pub cadence: Cadence,
    /// Offset of local time from UTC.
    pub offset_minutes: i16,
    /// Begin of the first: local midnight, of a month's first day where periods are months.
    pub begin: Timestamp,
    /// How many there are.
    pub count: u16,
    /// Hours after a period's end until it is settled.
    pub grace_hours: u16,
}

/// A meter of the terms, in their order.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MeterUse {
    /// What it is called.
    pub named: Named,
    /// What it measures.
    pub carrier: Carrier,
}

/// Local hours of the day that are told apart.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BandHours {
    /// What they are called.
    pub named: Named,
    /// Bit `n` is the hour from `n` to `n + 1`.
    pub hours: u32,
}

/// An index that the sheet follows.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct IndexUse {
    /// What it is called.
    pub named: Named,
    /// The index.
    pub index: PriceIndexId,
    /// What its numbers are. One of another unit has no value here.
    pub unit: Unit,
}

/// Something that is worked out once a period.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Definition {
    /// What it is called.
    pub named: Named,
    /// What its number is.
    pub unit: Unit,
    /// What it comes to.
    pub value: Expression,
}

/// Something that is paid once a period.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Payment {
    /// What it is for.
    pub label: Label,
    /// Who pays the other one; below zero it is the other way round.
    pub from: Party,
    /// The meter whose quantity the line shows, by its place.
    pub meter: Option<u8>,
    /// How much.
    pub amount: Expression,
}

/// A clause sheet.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Sheet {
    /// What it is called.
    pub title: Label,
    /// When it settles.
    pub periods: Periods,
    /// What the owner and the user reserve when they sign, for the end.
    pub reserves: [Money; 2],
    /// The meters of the terms, in their order.
    pub meters: Bounded<MeterUse, MAX_CODED_METERS>,
    /// The bands.
    pub bands: Bounded<BandHours, MAX_BANDS>,
    /// The indices.
    pub indices: Bounded<IndexUse, MAX_INDICES_READ>,
    /// The definitions, each of which may use those before it.
    pub definitions: Bounded<Definition, MAX_DEFINITIONS>,
    /// The payments; a statement's lines name them by their place.
    pub payments: Bounded<Payment, MAX_PAYMENTS>,
}

impl Sheet {
    /// The sheet in the terms of an agreement.
    pub fn of(terms: &CodedTerms) -> Result<Self, Refusal> {
        decode(&terms.parameters, MAX_PARAMETER_BYTES).map_err(|_| Refusal::BadTerms { code: CLAUSES })
    }

    /// Its terms. The refusal is that of a sheet that is too long.
    pub fn terms(
        &self,
        grants: Bounded<Grant, { utilidor_types::agreement::MAX_PARTIES }>,
        meters: Bounded<CodedMeter, MAX_CODED_METERS>,
    ) -> Result<CodedTerms, BadSheet> {
        let parameters = encode(self).try_into().map_err(|_| BadSheet::TooLong)?;
        Ok(CodedTerms { code: ProgramCode::Native(CLAUSES), grants, meters, parameters })
    }

    /// What a carried debt's line is called by: the number after the last payment's.
    pub fn carried_clause(&self) -> u16 {
        self.payments.len() as u16
    }
}
