//! Reading and writing records.
//!
//! Rules read whatever they need, where they need it. If a cell has not been supplied, the read notes the key
//! and stops the rule with [`Stop::Unfetched`]; [`crate::Execution`] then asks for all noted keys at once and
//! runs the block again from its beginning (docs/adr/0005). So which cells a rule reads is written once: in
//! the rule. Writes go to a journal until the transaction is done; a refused one is rolled back.

use crate::record::Record;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::any::Any;
use std::fmt;
use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use utilidor_types::cell::{cells_for, from_cells, record_len, to_cells};
use utilidor_types::{Cell, Key, Refusal, decode};

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

/// A record of some kind, as the rules work on it.
type Value = Arc<dyn Any + Send + Sync>;

/// Longest encoding of a table's number and a record's id.
const MAX_ID_BYTES: usize = 49;

/// A record's table and id, encoded in place.
#[derive(Clone, Copy)]
struct Name {
    len: u8,
    bytes: [u8; MAX_ID_BYTES],
}

impl Name {
    fn of<R: Record>(id: &R::Id) -> Self {
        let mut bytes = [0; MAX_ID_BYTES];
        bytes[0] = R::TABLE;
        let mut rest = &mut bytes[1..];
        borsh::BorshSerialize::serialize(id, &mut rest).expect("ids are shorter than the room for them");
        let len = (MAX_ID_BYTES - rest.len()) as u8;
        Self { len, bytes }
    }

    fn table(&self) -> u8 {
        self.bytes[0]
    }

    fn key(&self) -> Key {
        Key::of(self.table(), &self.as_slice()[1..])
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_slice()))
    }
}

/// A record before the block and now. It is decoded when it is first read, and encoded when the block is done.
#[derive(Debug)]
struct Entry {
    name: Name,
    encode: fn(&(dyn Any + Send + Sync), &mut Vec<u8>),
    asked: Asked,
    before: Option<Value>,
    now: Option<Value>,
    /// The last unit that wrote it; 0: none has.
    written_by: u64,
    known: Known,
}

/// Which cells of a record were asked for, from its first on: their numbers among all that were. A record is asked for at most
/// twice, for as many cells as is usual for its kind and for the rest.
#[derive(Debug, Default)]
struct Asked {
    usual: Range<u32>,
    rest: Range<u32>,
}

impl Asked {
    fn len(&self) -> usize {
        self.usual.len() + self.rest.len()
    }

    /// The numbers of the record's first `count` cells.
    fn numbers(&self, count: usize) -> impl ExactSizeIterator<Item = usize> {
        let usual = self.usual.len();
        (0..count).map(move |cell| match cell.checked_sub(usual) {
            None => self.usual.start as usize + cell,
            Some(beyond) => self.rest.start as usize + beyond,
        })
    }
}

/// A cell that a block changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its key.
    pub key: Key,
    /// What it holds now; `None`: it is deleted.
    pub cell: Option<Cell>,
    /// Its number among the cells that were supplied; `None`: it did not exist, and nobody asked.
    pub supplied: Option<usize>,
}

/// What is known of the record that was there before the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Its cells, or that there are none.
    Read,
    /// Nobody has looked: that there was none follows from records that this pass has read or changed.
    AssumedNew,
    /// Nothing: what was assumed went with its pass.
    Nothing,
}

impl Entry {
    fn is_changed(&self) -> bool {
        match (&self.before, &self.now) {
            (None, None) => false,
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
            _ => true,
        }
    }
}

/// Where a record of a kind stands in a [`Store`], so that it need not be looked for again.
#[derive(Debug)]
pub struct Place<R> {
    place: usize,
    kind: PhantomData<R>,
}

/// The state as far as a block has read and written it.
#[derive(Debug, Default)]
pub struct Store {
    /// The records' places by the hash of their names; the hash stands beside the place, so that a look-up touches one record.
    places: HashTable<(u64, u32)>,
    hasher: RandomState,
    records: Vec<Entry>,
    /// Records written since the last commit: their place and what they held.
    journal: Vec<(usize, Option<Value>)>,
    /// Number of the present transaction or due item: the writes since the last commit. Runs begin with 1.
    unit: u64,
    /// Keys of the cells that were asked for.
    keys: Vec<Key>,
    /// What was supplied of them so far, in the same order.
    cells: Vec<Option<Cell>>,
}

impl Store {
    /// Supplies cells that are wanted, in the order of [`Self::wanted`]. Those left out stay wanted.
    pub fn supply(&mut self, cells: impl IntoIterator<Item = Option<Cell>>) {
        self.cells.reserve_exact(self.keys.len() - self.cells.len());
        self.cells.extend(cells);
        assert!(self.cells.len() <= self.keys.len(), "no more cells are supplied than were wanted");
    }

    /// The keys that reads have missed, each once.
    pub fn wanted(&self) -> &[Key] {
        &self.keys[self.cells.len()..]
    }

    /// Forgets all writes, to run the block again. What was read stays. What was assumed does not: a pass that misses
    /// cells may have assumed it wrongly.
    pub fn restart(&mut self) {
        self.commit();
        for entry in &mut self.records {
            entry.now.clone_from(&entry.before);
            if entry.known == Known::AssumedNew {
                entry.known = Known::Nothing;
            }
        }
    }

    /// Makes the writes since the last call final for this block.
    pub fn commit(&mut self) {
        self.journal.clear();
        self.unit += 1;
    }

    /// Takes the writes since the last commit back.
    pub fn roll_back(&mut self) {
        while let Some((place, value)) = self.journal.pop() {
            self.records[place].now = value;
        }
        self.unit += 1;
    }

    /// Asks for a record ahead of its reading, without stopping.
    pub fn want<R: Record>(&mut self, id: &R::Id) {
        let _ = self.read::<R>(Name::of::<R>(id));
    }

    /// The record, if there is one.
    pub fn find<R: Record>(&mut self, id: &R::Id) -> Ruled<Option<R>> {
        Ok(self.find_at(id)?.map(|(_, record)| record))
    }

    /// The record, if there is one, with its place: to be written again by [`Self::put_at`].
    pub fn find_at<R: Record>(&mut self, id: &R::Id) -> Ruled<Option<(Place<R>, R)>> {
        let place = self.read::<R>(Name::of::<R>(id))?;
        let record = self.records[place].now.as_deref().map(|value| typed::<R>(value).clone());
        Ok(record.map(|record| (Place { place, kind: PhantomData }, record)))
    }

    /// A record that must exist, by the ledger's own bookkeeping, with its place.
    pub fn known_at<R: Record>(&mut self, id: &R::Id) -> Ruled<(Place<R>, R)> {
        Ok(self.find_at(id)?.expect("a record that another one refers to exists"))
    }

    /// The record, if there is one, to look at: it is not copied.
    pub fn view<R: Record>(&mut self, id: &R::Id) -> Ruled<Option<Arc<R>>> {
        let place = self.read::<R>(Name::of::<R>(id))?;
        let value = self.records[place].now.clone();
        Ok(value.map(|value| value.downcast().expect("a table holds one kind of record")))
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
    pub fn create<R: Record>(&mut self, id: &R::Id, record: R) -> Ruled<()> {
        assert!(self.find::<R>(id)?.is_none(), "a new record's place is free");
        self.put(id, record);
        Ok(())
    }

    /// Writes a record that cannot exist, by the ledger's own bookkeeping, without looking for it.
    pub fn create_unread<R: Record>(&mut self, id: &R::Id, record: R) {
        let place = self.place::<R>(Name::of::<R>(id));
        if self.records[place].known == Known::Nothing {
            self.records[place].known = Known::AssumedNew;
        }
        self.write_at(place, Some(Arc::new(record)));
    }

    /// Writes a record. It must have been read (or looked for) before.
    pub fn put<R: Record>(&mut self, id: &R::Id, record: R) {
        let place = self.place_of::<R>(id);
        self.put_at(Place { place, kind: PhantomData }, record);
    }

    /// Writes a record at its place.
    pub fn put_at<R: Record>(&mut self, Place { place, .. }: Place<R>, record: R) {
        let entry = &mut self.records[place];
        // What the present transaction has written already is overwritten in place: what was there before it is journaled.
        if entry.written_by == self.unit
            && let Some(now) = entry.now.as_mut().and_then(Arc::get_mut)
        {
            *now.downcast_mut().expect("a table holds one kind of record") = record;
        } else {
            self.write_at(place, Some(Arc::new(record)));
        }
    }

    /// Deletes a record. It must have been read before.
    pub fn delete<R: Record>(&mut self, id: &R::Id) {
        let place = self.place_of::<R>(id);
        self.write_at(place, None);
    }

    fn place_of<R: Record>(&self, id: &R::Id) -> usize {
        let name = Name::of::<R>(id);
        self.find_place(self.hash(&name), &name).expect("a record is looked for before it is written")
    }

    fn find_place(&self, hash: u64, name: &Name) -> Option<usize> {
        let is_it =
            |&(of, place): &(u64, u32)| of == hash && self.records[place as usize].name.as_slice() == name.as_slice();
        self.places.find(hash, is_it).map(|(_, place)| *place as usize)
    }

    fn hash(&self, name: &Name) -> u64 {
        self.hasher.hash_one(name.as_slice())
    }

    fn write_at(&mut self, place: usize, value: Option<Value>) {
        let entry = &mut self.records[place];
        assert_ne!(entry.known, Known::Nothing, "a record is looked for before it is written");
        let previous = std::mem::replace(&mut entry.now, value);
        if entry.written_by != self.unit {
            entry.written_by = self.unit;
            self.journal.push((place, previous));
        }
    }

    /// Where the record stands among those of the block.
    fn place<R: Record>(&mut self, name: Name) -> usize {
        let hash = self.hash(&name);
        if let Some(place) = self.find_place(hash, &name) {
            return place;
        }
        let place = self.records.len();
        self.records.push(Entry {
            name,
            encode: |value, bytes| typed::<R>(value).serialize(bytes).expect("memory takes all that is written"),
            asked: Asked::default(),
            before: None,
            now: None,
            written_by: 0,
            known: Known::Nothing,
        });
        self.places.insert_unique(hash, (hash, place as u32), |(hash, _)| *hash);
        place
    }

    /// Where the record stands, once its cells are there.
    fn read<R: Record>(&mut self, name: Name) -> Ruled<usize> {
        let place = self.place::<R>(name);
        if self.records[place].known == Known::Nothing {
            let before = self.load::<R>(place)?.map(|record| Arc::new(record) as Value);
            let entry = &mut self.records[place];
            (entry.now, entry.before, entry.known) = (before.clone(), before, Known::Read);
        }
        Ok(place)
    }

    fn load<R: Record>(&mut self, place: usize) -> Ruled<Option<R>> {
        self.ask(place, R::USUAL_CELLS.into());
        let first = self.records[place].asked.usual.start;
        let Some(first) = self.cells.get(first as usize) else { return Err(Stop::Unfetched) };
        let Some(first) = first else { return Ok(None) };
        let count = cells_for(record_len(first));
        self.ask(place, count);
        let numbers = || self.records[place].asked.numbers(count);
        if numbers().any(|number| number >= self.cells.len()) {
            return Err(Stop::Unfetched);
        }
        let cells = numbers().map(|number| self.cells[number].as_ref().expect("a record's cells are all there"));
        Ok(Some(stored(&from_cells(cells).expect("a record's cells fit together"))))
    }

    /// Asks for the first `count` cells of a record, as far as they were not asked for before.
    fn ask(&mut self, place: usize, count: usize) {
        let Entry { name, asked, .. } = &mut self.records[place];
        let before = asked.len();
        if before >= count {
            return;
        }
        let key = asked.numbers(before).next().map_or_else(|| name.key(), |first| self.keys[first]);
        let begin = self.keys.len() as u32;
        self.keys.extend((before..count).map(|number| key.cell(number as u16)));
        let range = if before == 0 { &mut asked.usual } else { &mut asked.rest };
        assert_eq!(range.len(), 0, "a record is asked for at most twice");
        *range = begin..self.keys.len() as u32;
    }

    /// The cells that differ from before the block, once all that was asked for is supplied.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut bytes = Vec::new();
        for entry in self.records.iter().filter(|entry| entry.is_changed()) {
            let mut asked = entry.asked.numbers(entry.asked.len());
            let before = entry.before.iter().flat_map(|_| entry.asked.numbers(entry.asked.len()));
            let mut before = before.map_while(|number| self.cells[number].as_ref());
            bytes.clear();
            if let Some(now) = &entry.now {
                (entry.encode)(&**now, &mut bytes);
            }
            let mut now = entry.now.iter().flat_map(|_| to_cells(&bytes));
            for number in 0.. {
                let (before, now, asked) = (before.next(), now.next(), asked.next());
                if before.is_none() && now.is_none() {
                    break;
                }
                if before != now.as_ref() {
                    let key = asked.map_or_else(|| entry.name.key().cell(number), |asked| self.keys[asked]);
                    changes.push(Change { key, cell: now, supplied: asked });
                }
            }
        }
        changes
    }

    /// Records of a kind that the block has written: before and now.
    pub fn changed<R: Record>(&self) -> impl Iterator<Item = (Option<&R>, Option<&R>)> {
        let changed = self.records.iter().filter(|entry| entry.name.table() == R::TABLE && entry.is_changed());
        changed.map(|entry| (entry.before.as_deref().map(typed), entry.now.as_deref().map(typed)))
    }
}

fn typed<R: Record>(value: &(dyn Any + Send + Sync)) -> &R {
    value.downcast_ref().expect("a table holds one kind of record")
}

/// Reads a record from the bytes that the ledger itself has stored.
pub(crate) fn stored<R: Record>(bytes: &[u8]) -> R {
    decode(bytes, MAX_RECORD_BYTES).expect("records are stored as encoded")
}
