//! The cells that state is kept in: fixed keys, fixed width (docs/adr/0005). A record takes as many cells as
//! its encoding needs: the first begins with the record's length, so that absence and emptiness differ.

use crate::hash::tagged_hash;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Width of a cell in bytes.
pub const CELL_BYTES: usize = 128;
/// Bytes of the length that a record's first cell begins with.
pub const LENGTH_BYTES: usize = 2;

/// A cell's key: a hash, so that keys spread evenly whatever clients choose as ids.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Key(#[serde(with = "crate::encoding::hex_bytes")] pub [u8; 32]);

impl Key {
    /// The key of cell number `cell` of the record `id` in `table`.
    pub fn of(table: u8, id: &[u8], cell: u16) -> Self {
        Self(tagged_hash("cell", &[&[table], &cell.to_le_bytes(), id]).0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", hex::encode(self.0))
    }
}

/// A cell's content.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Cell(#[serde(with = "crate::encoding::hex_bytes")] pub [u8; CELL_BYTES]);

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cell({})", hex::encode(self.0))
    }
}

/// How many cells a record of `len` bytes takes.
pub const fn cells_for(len: usize) -> usize {
    (LENGTH_BYTES + len).div_ceil(CELL_BYTES)
}

/// Cuts a record's encoding into cells; the last one is filled with zeros.
pub fn to_cells(record: &[u8]) -> Vec<Cell> {
    let len = u16::try_from(record.len()).expect("records are bounded far below 64 KiB");
    let mut cells = vec![Cell([0; CELL_BYTES]); cells_for(record.len())];
    let (first, rest) = record.split_at(record.len().min(CELL_BYTES - LENGTH_BYTES));
    cells[0].0[..LENGTH_BYTES].copy_from_slice(&len.to_le_bytes());
    cells[0].0[LENGTH_BYTES..][..first.len()].copy_from_slice(first);
    for (cell, chunk) in cells[1..].iter_mut().zip(rest.chunks(CELL_BYTES)) {
        cell.0[..chunk.len()].copy_from_slice(chunk);
    }
    cells
}

/// The length of the record that begins with `first`.
pub fn record_len(first: &Cell) -> usize {
    usize::from(u16::from_le_bytes([first.0[0], first.0[1]]))
}

/// Puts a record's encoding together again; `None` if cells are missing or left over.
pub fn from_cells<'a>(cells: impl IntoIterator<Item = &'a Cell, IntoIter: ExactSizeIterator>) -> Option<Vec<u8>> {
    let mut cells = cells.into_iter();
    let count = cells.len();
    let first = cells.next()?;
    let len = record_len(first);
    if count != cells_for(len) {
        return None;
    }
    let mut bytes = Vec::with_capacity(count * CELL_BYTES);
    bytes.extend_from_slice(&first.0[LENGTH_BYTES..]);
    cells.for_each(|cell| bytes.extend_from_slice(&cell.0));
    bytes.truncate(len);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_any_length_survives_its_cells() {
        for len in 0..300 {
            let record: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            let cells = to_cells(&record);
            assert_eq!(cells.len(), cells_for(len));
            assert_eq!(from_cells(&cells), Some(record));
        }
    }
}
