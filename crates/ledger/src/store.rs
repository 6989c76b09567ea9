//! Reading and writing records.
//!
//! Rules read whatever they need, where they need it. If a cell has not been supplied, the read notes the key
//! and stops the rule with [`Stop::Unfetched`]; [`crate::Execution`] then asks for all noted keys at once and
//! runs the block again from its beginning (docs/adr/0005). So which cells a rule reads is written once: in
//! the rule. Writes go to a journal until the transaction is done; a refused one is rolled back.

use crate::record::Record;
use std::collections::{BTreeSet, HashMap};
use utilidor_types::cell::{cells_for, from_cells, record_len, to_cells};
use utilidor_types::{Cell, Key, Refusal, decode, encode};

/// Largest record in bytes.
pub const MAX_RECORD_BYTES: usize = 16 * 1024;

/// Why a rule did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A cell is missing; the block will be run again.
    Unfetched,
    /// A rule forbids it.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a rule gives.
pub type Ruled<T> = Result<T, Stop>;

/// A record as bytes, before the block and now.
#[derive(Debug)]
struct Entry {
    table: u8,
    id: Vec<u8>,
    before: Option<Vec<u8>>,
    now: Option<Vec<u8>>,
    /// Nobody has looked whether there was one before: it follows from records that this pass has read or changed.
    assumed_new: bool,
}

/// The state as far as a block has read and written it.
#[derive(Debug, Default)]
pub struct Store {
    cells: HashMap<Key, Option<Cell>>,
    records: HashMap<Key, Entry>,
    journal: Vec<(Key, Option<Vec<u8>>)>,
    wanted: BTreeSet<Key>,
}

impl Store {
    /// Supplies cells.
    pub fn supply(&mut self, cells: impl IntoIterator<Item = (Key, Option<Cell>)>) {
        self.cells.extend(cells);
    }

    /// The keys that reads have missed since the last call.
    pub fn take_wanted(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.wanted).into_iter().collect()
    }

    /// Forgets all writes, to run the block again. What was read stays. What was assumed does not: a pass that misses
    /// cells may have assumed it wrongly.
    pub fn restart(&mut self) {
        self.journal.clear();
        self.records.retain(|_, entry| !entry.assumed_new);
        for entry in self.records.values_mut() {
            if entry.now != entry.before {
                entry.now.clone_from(&entry.before);
            }
        }
    }

    /// Makes the writes since the last call final for this block.
    pub fn commit(&mut self) {
        self.journal.clear();
    }

    /// Takes the writes since the last commit back.
    pub fn roll_back(&mut self) {
        while let Some((key, value)) = self.journal.pop() {
            self.records.get_mut(&key).expect("what is journaled is loaded").now = value;
        }
    }

    /// Asks for a record ahead of its reading, without stopping.
    pub fn want<R: Record>(&mut self, id: &R::Id) {
        let id = encode(id);
        if !self.records.contains_key(&Key::of(R::TABLE, &id, 0)) {
            let _ = self.load::<R>(&id);
        }
    }

    /// The record, if there is one.
    pub fn find<R: Record>(&mut self, id: &R::Id) -> Ruled<Option<R>> {
        let id = encode(id);
        let key = Key::of(R::TABLE, &id, 0);
        if !self.records.contains_key(&key) {
            let before = self.load::<R>(&id)?;
            self.records.insert(key, Entry { table: R::TABLE, id, now: before.clone(), before, assumed_new: false });
        }
        let entry = &self.records[&key];
        Ok(entry.now.as_deref().map(stored))
    }

    /// The record, or `refusal` if there is none.
    pub fn get<R: Record>(&mut self, id: &R::Id, refusal: impl FnOnce() -> Refusal) -> Ruled<R> {
        self.find(id)?.ok_or_else(|| refusal().into())
    }

    /// A record that must exist, by the ledger's own bookkeeping.
    pub fn known<R: Record>(&mut self, id: &R::Id) -> Ruled<R> {
        Ok(self.find(id)?.expect("a record that another one refers to exists"))
    }

    /// Writes a record that must not exist yet, by the ledger's own bookkeeping.
    pub fn create<R: Record>(&mut self, id: &R::Id, record: &R) -> Ruled<()> {
        assert!(self.find::<R>(id)?.is_none(), "a new record's place is free");
        self.put(id, record);
        Ok(())
    }

    /// Writes a record that cannot exist, by the ledger's own bookkeeping, without looking for it.
    pub fn create_unread<R: Record>(&mut self, id: &R::Id, record: &R) {
        let id = encode(id);
        let key = Key::of(R::TABLE, &id, 0);
        let assumed = Entry { table: R::TABLE, id, before: None, now: None, assumed_new: true };
        self.records.entry(key).or_insert(assumed);
        self.write_at(key, Some(encode(record)));
    }

    /// Writes a record. It must have been read (or looked for) before.
    pub fn put<R: Record>(&mut self, id: &R::Id, record: &R) {
        self.write::<R>(id, Some(encode(record)));
    }

    /// Deletes a record. It must have been read before.
    pub fn delete<R: Record>(&mut self, id: &R::Id) {
        self.write::<R>(id, None);
    }

    fn write<R: Record>(&mut self, id: &R::Id, value: Option<Vec<u8>>) {
        self.write_at(Key::of(R::TABLE, &encode(id), 0), value);
    }

    fn write_at(&mut self, key: Key, value: Option<Vec<u8>>) {
        let entry = self.records.get_mut(&key).expect("a record is looked for before it is written");
        let previous = std::mem::replace(&mut entry.now, value);
        self.journal.push((key, previous));
    }

    fn load<R: Record>(&mut self, id: &[u8]) -> Ruled<Option<Vec<u8>>> {
        let first = Key::of(R::TABLE, id, 0);
        let count = match self.cells.get(&first) {
            None => {
                let usual = (0..R::USUAL_CELLS).map(|cell| Key::of(R::TABLE, id, cell));
                self.wanted.extend(usual.filter(|key| !self.cells.contains_key(key)));
                return Err(Stop::Unfetched);
            }
            Some(None) => return Ok(None),
            Some(Some(cell)) => cells_for(record_len(cell)),
        };
        let mut cells = Vec::with_capacity(count);
        for cell in 0..count as u16 {
            let key = Key::of(R::TABLE, id, cell);
            match self.cells.get(&key) {
                None => drop(self.wanted.insert(key)),
                Some(content) => cells.push(content.expect("a record's cells are all there")),
            }
        }
        if cells.len() < count {
            return Err(Stop::Unfetched);
        }
        Ok(Some(from_cells(&cells).expect("a record's cells fit together")))
    }

    /// The cells that differ from before the block, sorted by key.
    pub fn changes(&self) -> Vec<(Key, Option<Cell>)> {
        let mut changes = Vec::new();
        for entry in self.records.values().filter(|entry| entry.now != entry.before) {
            let before = entry.before.as_deref().map(to_cells).unwrap_or_default();
            let now = entry.now.as_deref().map(to_cells).unwrap_or_default();
            for cell in 0..before.len().max(now.len()) {
                if before.get(cell) != now.get(cell) {
                    changes.push((Key::of(entry.table, &entry.id, cell as u16), now.get(cell).copied()));
                }
            }
        }
        changes.sort_unstable_by_key(|(key, _)| *key);
        changes
    }

    /// Records of a kind that the block changed: before and now.
    pub fn changed<R: Record>(&self) -> impl Iterator<Item = (Option<R>, Option<R>)> {
        let changed = |entry: &&Entry| entry.table == R::TABLE && entry.now != entry.before;
        let records = self.records.values().filter(changed);
        records.map(|entry| (entry.before.as_deref().map(stored), entry.now.as_deref().map(stored)))
    }
}

/// Reads a record from the bytes that the ledger itself has stored.
pub(crate) fn stored<R: Record>(bytes: &[u8]) -> R {
    decode(bytes, MAX_RECORD_BYTES).expect("records are stored as encoded")
}
