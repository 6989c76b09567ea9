//! The cells that state is kept in: fixed keys, fixed width (docs/adr/0005). A record takes as many cells as
//! its encoding needs: the first begins with the record's length, so that absence and emptiness differ.

use crate::hash::tagged_hash;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Width of a cell in bytes.
pub const CELL_BYTES: usize = 128;
/// Bytes of the length that a record's first cell begins with.
pub const LENGTH_BYTES: usize = 2;

/// A cell's key. It consists of parts of hashes, so that keys spread evenly whatever clients choose as labels; and cells that
/// change together are neighbours: those of a record, and those of records whose ids begin alike (an offer and its quotes).
///
/// ```text
/// family (8)  of the id | record (6) of table and id | cell number (2), big-endian | record, continued (16)
/// ```
///
/// Most ids are hashes: of an agreement, a meter, an offer, an account, a member. Such an id is not hashed again: its first
/// 8 bytes are the family; the table's number and as much as there is room for of its other bytes, 8 or 21, the record. Ids that
/// begin with one of those (a quote's: offer and bidder) have its family and a hash as record. The short ones, of the calendar
/// and of what there is but one of, are hashed for both.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Key(#[serde(with = "crate::encoding::hex_bytes")] pub [u8; 32]);

/// Lengths of ids that are hashes: halves, and an account's whole one. No other ids have them, and longer ones begin with one.
const HASH_BYTES: [usize; 2] = [16, 32];
/// Bytes of a key's record.
const RECORD_BYTES: usize = 22;

impl Key {
    /// The key of the first cell of the record `id` in `table`.
    pub fn of(table: u8, id: &[u8]) -> Self {
        let family = match id.first_chunk::<8>() {
            Some(begin) if id.len() >= HASH_BYTES[0] => *begin,
            _ => *tagged_hash("family", &[id]).0.first_chunk().expect("a hash has 32 bytes"),
        };
        let mut record = [0; RECORD_BYTES];
        if HASH_BYTES.contains(&id.len()) {
            let rest = &id[8..id.len().min(8 + RECORD_BYTES - 1)];
            record[0] = table;
            record[1..=rest.len()].copy_from_slice(rest);
        } else {
            // With the longest id there is, a quote's, this is hashed in one go.
            record.copy_from_slice(&tagged_hash("cell", &[&[table], id]).0[..RECORD_BYTES]);
        }
        let mut key = [0; 32];
        key[..8].copy_from_slice(&family);
        key[8..14].copy_from_slice(&record[..6]);
        key[16..].copy_from_slice(&record[6..]);
        Self(key)
    }

    /// The key of the same record's cell of this number; the first is number 0.
    pub const fn cell(mut self, number: u16) -> Self {
        let number = number.to_be_bytes();
        (self.0[14], self.0[15]) = (number[0], number[1]);
        self
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
pub fn to_cells(record: &[u8]) -> impl ExactSizeIterator<Item = Cell> + '_ {
    let len = u16::try_from(record.len()).expect("records are bounded far below 64 KiB");
    (0..cells_for(record.len())).map(move |number| {
        let mut cell = [0; CELL_BYTES];
        let (head, body) = cell.split_at_mut(if number == 0 { LENGTH_BYTES } else { 0 });
        if number == 0 {
            head.copy_from_slice(&len.to_le_bytes());
        }
        let rest = &record[(number * CELL_BYTES).saturating_sub(LENGTH_BYTES)..];
        let part = &rest[..rest.len().min(body.len())];
        body[..part.len()].copy_from_slice(part);
        Cell(cell)
    })
}

/// The length of the record that begins with `first`.
pub fn record_len(first: &Cell) -> usize {
    usize::from(u16::from_le_bytes([first.0[0], first.0[1]]))
}

/// Puts a record's encoding together again, without a copy where it is in one cell; `None` if cells are missing or left over.
pub fn from_cells<'a>(cells: impl IntoIterator<Item = &'a Cell, IntoIter: ExactSizeIterator>) -> Option<Cow<'a, [u8]>> {
    let mut cells = cells.into_iter();
    let count = cells.len();
    let first = cells.next()?;
    let len = record_len(first);
    if count != cells_for(len) {
        return None;
    }
    if count == 1 {
        return Some(Cow::Borrowed(&first.0[LENGTH_BYTES..][..len]));
    }
    let mut bytes = Vec::with_capacity(count * CELL_BYTES);
    bytes.extend_from_slice(&first.0[LENGTH_BYTES..]);
    cells.for_each(|cell| bytes.extend_from_slice(&cell.0));
    bytes.truncate(len);
    Some(Cow::Owned(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_family_are_neighbours_and_all_keys_differ() {
        let (offer, other) = ([1; 16], [2; 16]);
        let quote = |offer: [u8; 16], bidder: u8| Key::of(8, &[&offer[..], &[bidder; 32]].concat());
        let family = [Key::of(6, &offer), Key::of(6, &offer).cell(1), quote(offer, 1), quote(offer, 2)];
        let strangers = [Key::of(6, &other), quote(other, 1), Key::of(7, &[1; 3])];
        // The last byte that counts of an id that is not hashed again.
        let mut account = [1; 32];
        account[28] = 2;
        let accounts = [Key::of(6, &[1; 32]), Key::of(6, &account), Key::of(7, &[1; 32])];

        assert!(family.iter().all(|key| key.0[..8] == family[0].0[..8]));
        assert!(strangers.iter().all(|key| key.0[..8] != family[0].0[..8]));
        assert!(family[0] < family[1] && family[0].0[..14] == family[1].0[..14]);
        let all: std::collections::BTreeSet<Key> = family.into_iter().chain(strangers).chain(accounts).collect();
        assert_eq!(all.len(), 10);
    }

    #[test]
    fn a_record_of_any_length_survives_its_cells() {
        for len in 0..300 {
            let record: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
            let cells: Vec<Cell> = to_cells(&record).collect();
            assert_eq!(cells.len(), cells_for(len));
            assert_eq!(from_cells(&cells).as_deref(), Some(&*record));
        }
    }
}
