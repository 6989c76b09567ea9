//! Why a number cannot be what was asked of it.

use super::{Bits, Number, Unit};
use crate::reason::{Sentence, carrier_word, sentence};
use std::fmt;
use utilidor_types::Carrier;

/// A number that cannot be what was asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberError {
    /// A cumulative register below zero.
    Negative {
        /// What was sent.
        number: Number,
    },
    /// Larger than any quantity.
    TooLarge {
        /// What was sent.
        number: Number,
        /// Its unit.
        unit: Unit,
    },
    /// The unit does not measure the carrier.
    WrongUnit {
        /// The unit.
        unit: Unit,
        /// The carrier.
        carrier: Carrier,
        /// Units that would.
        expected: [&'static str; 3],
    },
    /// An IEEE 754 pattern that is no number, or none that a register shows.
    NotFinite {
        /// The pattern.
        bits: Bits,
        /// Why.
        reason: NotFinite,
    },
}

/// Why an IEEE 754 pattern is no register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFinite {
    /// It stands for infinity or for no number.
    NoNumber,
    /// It is too small.
    TooSmall,
    /// It is too large.
    TooLarge,
    /// Times the step of its register it is too large.
    TooLargeInSteps,
}

impl NotFinite {
    fn sentence(self) -> Sentence {
        match self {
            Self::NoNumber => sentence!("it stands for infinity or for no number", "它表示无穷大或非数"),
            Self::TooSmall => sentence!(
                "it is smaller than anything a register shows; are its words swapped?",
                "它小于任何表底：是否字序颠倒？"
            ),
            Self::TooLarge => sentence!(
                "it is larger than anything a register shows; are its words swapped?",
                "它大于任何表底：是否字序颠倒？"
            ),
            Self::TooLargeInSteps => sentence!("times its step it is too large", "乘以步长后过大"),
        }
    }
}

impl NumberError {
    /// Why, in a sentence.
    pub fn sentence(&self) -> Sentence {
        match *self {
            Self::Negative { number } => sentence!(
                "the register is negative ({number}); a cumulative register counts from zero up",
                "表底为负（{number}）；累计表底从零向上累计"
            ),
            Self::TooLarge { number, unit } => {
                sentence!("{number} {unit} are more than a quantity holds", "{number} {unit} 超出数量的上限")
            }
            Self::WrongUnit { unit, carrier, expected: [first, second, third] } => {
                let carrier = carrier_word(carrier);
                sentence!(
                    "{unit} does not measure {carrier}, which is counted in {first}, {second} or {third}",
                    "{unit} 不能计量{carrier}，后者以 {first}、{second} 或 {third} 计"
                )
            }
            Self::NotFinite { bits, reason } => {
                let reason = reason.sentence();
                sentence!(
                    "{bits} is no register value in IEEE 754: {reason}",
                    "{bits} 不是 IEEE 754 格式的表底：{reason}"
                )
            }
        }
    }
}

impl fmt::Display for NumberError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sentence().fmt(f)
    }
}

impl std::error::Error for NumberError {}
