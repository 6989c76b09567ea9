//! What every run is held to: each transaction applied, each reading certified, and settlements that come to the penny to
//! what the workload says.

use crate::workload::{Totals, Workload};
use utilidor_types::event::Movement;
use utilidor_types::{Event, Receipt};

/// What the receipts of a run add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    paid: u64,
    forfeited: u64,
}

impl Tally {
    /// Adds the receipts of one block.
    ///
    /// # Panics
    ///
    /// Panics at a refusal: every unit of a benchmark must succeed.
    pub fn add(&mut self, receipts: &[Receipt]) {
        for receipt in receipts {
            if let Some(refusal) = receipt.refusal() {
                panic!("{:?} was refused: {refusal}", receipt.cause);
            }
            for event in receipt.events() {
                match event {
                    Event::Certified { refused, .. } => assert!(refused.is_empty(), "refused: {:?}", refused.first()),
                    Event::Moved { movement: Movement::Pay { .. }, amount, .. } => self.paid += amount.0,
                    Event::Moved { movement: Movement::Forfeit { .. }, amount, .. } => self.forfeited += amount.0,
                    Event::AwardRefused { refusal, .. } => panic!("an award was refused: {refusal}"),
                    Event::ProgramFailed { agreement, code, .. } => panic!("{agreement} failed with code {code}"),
                    _ => {}
                }
            }
        }
    }

    /// Compares with what the workload comes to.
    ///
    /// # Panics
    ///
    /// Panics if they differ.
    pub fn check(&self, workload: &Workload) {
        if let Some(Totals { paid, forfeited, .. }) = workload.totals {
            assert_eq!((self.paid, self.forfeited), (paid, forfeited), "paid and forfeited by all settlements");
        }
    }
}
