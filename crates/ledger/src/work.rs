//! What it costs to carry something out, counted where it arises: in execution. An action that carries only a digest cannot
//! say what it will cost.
//!
//! A unit (a due item, a transaction) is charged for the run that finished it. Runs that had to be repeated because a
//! record was not there yet are the machine's, and bounded by the number of passes.

use std::ops::AddAssign;
use utilidor_program::wasm::COMPILE_FUEL_PER_BYTE;
use utilidor_types::{Action, Receipt};

/// Work: of a unit, or of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Records looked up, each time.
    pub look_ups: u64,
    /// Cells of the records that were looked up, once a unit.
    pub cells_read: u64,
    /// Cells of the records that were written.
    pub cells_written: u64,
    /// Signatures to be checked: the account's, and those of meters and new accounts.
    pub signatures: u64,
    /// Readings to be worked through, whether they are certified or refused.
    pub readings: u64,
    /// Fuel of programs that parties have published.
    pub fuel: u64,
    /// Length of the receipt.
    pub receipt_bytes: u64,
}

/// Most work of a block's transactions together, and so of one of them: some hundred milliseconds.
pub const MAX_BLOCK_WORK: Work = Work {
    look_ups: 294_912,
    cells_read: 147_456,
    cells_written: 118_784,
    signatures: 32_768,
    readings: 32_768,
    fuel: 100_000_000,
    receipt_bytes: 10 * 1024 * 1024,
};

/// What parties' own programs are told in one unit is put off for an hour once the unit has taken so much: half of what a block
/// has, so that a reading always fits, whatever the programs do that it is told to.
pub const MAX_TOLD_WORK: Work = Work {
    look_ups: MAX_BLOCK_WORK.look_ups / 2,
    cells_read: MAX_BLOCK_WORK.cells_read / 2,
    cells_written: MAX_BLOCK_WORK.cells_written / 2,
    signatures: MAX_BLOCK_WORK.signatures,
    readings: MAX_BLOCK_WORK.readings,
    fuel: MAX_BLOCK_WORK.fuel / 2,
    receipt_bytes: MAX_DUE_WORK.receipt_bytes / 2,
};

/// Most work of a block's due items together. It does not take from what is left for transactions.
pub const MAX_DUE_WORK: Work = Work { receipt_bytes: 5 * 1024 * 1024, ..MAX_BLOCK_WORK };

impl Work {
    /// What it takes to look at a transaction, whatever becomes of it.
    pub(crate) fn of(action: &Action) -> Self {
        match action {
            Action::PublishProgram(publication) => {
                let fuel = COMPILE_FUEL_PER_BYTE * publication.code.len() as u64;
                Self { signatures: 1, fuel, ..Self::default() }
            }
            Action::RecordReadings { runs } => Self {
                signatures: 1 + runs.iter().filter(|run| run.signature.is_some()).count() as u64,
                readings: runs.iter().map(|run| run.readings.len() as u64).sum(),
                ..Self::default()
            },
            Action::ProposeMotion(_) | Action::ProveReady(_) | Action::OpenAccount { .. } => {
                Self { signatures: 2, ..Self::default() }
            }
            _ => Self { signatures: 1, ..Self::default() },
        }
    }

    /// With the length of the receipt.
    pub(crate) fn with_receipt(self, receipt: &Receipt) -> Self {
        let bytes = borsh::object_length(receipt).expect("lists are bounded within their length's prefix");
        Self { receipt_bytes: bytes as u64, ..self }
    }

    /// Whether no part of it exceeds that of `most`.
    pub const fn is_within(&self, most: &Self) -> bool {
        self.look_ups <= most.look_ups
            && self.cells_read <= most.cells_read
            && self.cells_written <= most.cells_written
            && self.signatures <= most.signatures
            && self.readings <= most.readings
            && self.fuel <= most.fuel
            && self.receipt_bytes <= most.receipt_bytes
    }

    /// As much of it as `most`: what is charged to a unit that was refused because it takes more.
    pub(crate) fn at_most(&self, most: &Self) -> Self {
        Self {
            look_ups: self.look_ups.min(most.look_ups),
            cells_read: self.cells_read.min(most.cells_read),
            cells_written: self.cells_written.min(most.cells_written),
            signatures: self.signatures.min(most.signatures),
            readings: self.readings.min(most.readings),
            fuel: self.fuel.min(most.fuel),
            receipt_bytes: self.receipt_bytes.min(most.receipt_bytes),
        }
    }

    /// Both together.
    pub(crate) fn plus(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl AddAssign for Work {
    /// Cannot overflow: every addend is bounded by what one run may read before it sees nothing more.
    #[inline]
    fn add_assign(&mut self, other: Self) {
        self.look_ups += other.look_ups;
        self.cells_read += other.cells_read;
        self.cells_written += other.cells_written;
        self.signatures += other.signatures;
        self.readings += other.readings;
        self.fuel += other.fuel;
        self.receipt_bytes += other.receipt_bytes;
    }
}
