//! Reading and writing records.
//!
//! Rules read whatever they need, where they need it. If a record is not there yet, the read notes it and stops the
//! rule with [`Stop::Unfetched`]; [`crate::Execution`] then asks for all that was noted at once and goes on from the
//! first unit that did not finish (docs/adr/0005). So which cells a rule reads is written once: in the rule.
//!
//! *unit* a due item or a transaction: all of it is done or nothing. Its writes go to a journal until it is finished; a
//! refused one is undone. *looking ahead* units after one that did not finish are run to find out what they will read;
//! the end of the pass undoes them all. *sees* a unit sees a record from the pass after the one in which it, or a unit before
//! it, has asked for it. Whether somebody later in the block has asked makes no difference, even if the cells are there
//! already: so in which pass a unit finishes depends on what stands before it only, and a block that is cut off behind it
//! comes to the same.

use crate::record::Record;
use crate::work::{MAX_BLOCK_WORK, Work};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::any::Any;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
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
    /// A record is not there yet; the unit will be run again.
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

/// Room for a record's name and, in the last byte, its length: whole words, which are compared and hashed faster than bytes.
const NAME_BYTES: usize = 64;
/// The longest name.
const MAX_NAME_BYTES: usize = NAME_BYTES - 1;

/// A record's table and id, encoded in place. What they leave of the room is zero.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Name([u8; NAME_BYTES]);

impl Name {
    #[inline]
    fn of<R: Record>(id: &R::Id) -> Self {
        let mut bytes = [0; NAME_BYTES];
        bytes[0] = R::TABLE;
        let mut rest = &mut bytes[1..MAX_NAME_BYTES];
        borsh::BorshSerialize::serialize(id, &mut rest).expect("ids are shorter than the room for them");
        bytes[MAX_NAME_BYTES] = (MAX_NAME_BYTES - rest.len()) as u8;
        Self(bytes)
    }

    fn table(&self) -> u8 {
        self.0[0]
    }

    fn key(&self) -> Key {
        Key::of(self.table(), &self.as_slice()[1..])
    }

    fn as_slice(&self) -> &[u8] {
        &self.0[..usize::from(self.0[MAX_NAME_BYTES])]
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_chunks().0.iter().for_each(|word| state.write_u128(u128::from_le_bytes(*word)));
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_slice()))
    }
}

/// What a [`Store`] does with all records of a kind.
#[derive(Debug)]
struct Kind {
    usual_cells: u16,
    encode: fn(&Value, &mut Vec<u8>),
    decode: fn(&[u8]) -> Value,
    len: fn(&Value) -> usize,
}

struct KindOf<R>(PhantomData<R>);

impl<R: Record> KindOf<R> {
    const KIND: &'static Kind = &Kind {
        usual_cells: R::USUAL_CELLS,
        encode: |value, bytes| typed::<R>(&**value).serialize(bytes).expect("memory takes all that is written"),
        decode: |bytes| Arc::new(stored::<R>(bytes)),
        len: |value| {
            borsh::object_length(typed::<R>(&**value)).expect("lists are bounded within their length's prefix")
        },
    };
}

/// No unit: it comes after all of them.
const NOBODY: u32 = u32::MAX;

/// A record before the block and now. It is decoded when it is first read, and encoded when the block is done.
#[derive(Debug)]
struct Entry {
    name: Name,
    kind: &'static Kind,
    asked: Asked,
    /// The first unit that sees it.
    seen_from: u32,
    /// The first unit that has asked for it in the present pass and does not see it.
    asked_by: u32,
    /// The last run of a unit that has read it.
    read_in: u64,
    before: Option<Value>,
    now: Option<Value>,
    /// The last step that wrote it; 0: none has.
    written_in: u64,
    /// Whether `before` has been decoded from its cells.
    decoded: bool,
    /// Written without having been read: that there was none follows from records that the unit has read or changed.
    assumed_new: bool,
    /// Whether a finished unit of the block has been charged for reading it as a shared record.
    is_paid: bool,
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

impl Entry {
    fn is_changed(&self) -> bool {
        match (&self.before, &self.now) {
            (None, None) => false,
            (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
            _ => true,
        }
    }

    /// How many cells it takes now; one for its deletion.
    fn cells_now(&self) -> u64 {
        self.now.as_ref().map_or(1, |now| cells_for((self.kind.len)(now)) as u64)
    }
}

/// Where a record of a kind stands in a [`Store`], so that it need not be looked for again.
#[derive(Debug)]
pub struct Place<R> {
    place: usize,
    kind: PhantomData<R>,
}

impl<R> Clone for Place<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Place<R> {}

impl<R> Place<R> {
    /// Its number among all places of the store.
    pub(crate) const fn number(self) -> usize {
        self.place
    }
}

/// A point in a unit to which it can be undone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    written: usize,
    assumed: usize,
}

/// The state as far as a block has read and written it.
#[derive(Debug, Default)]
pub struct Store {
    /// The records' places by the hash of their names; the hash stands beside the place, so that a look-up touches one record.
    places: HashTable<(u64, u32)>,
    hasher: RandomState,
    records: Vec<Entry>,
    /// Records written since the last unit that is finished for good: their place and what they held.
    journal: Vec<(usize, Option<Value>)>,
    /// Records assumed to be new since then.
    assumed: Vec<usize>,
    /// Where the present unit begins in the journal.
    begin: Mark,
    /// What a step writes is journaled once. Steps begin with 1.
    step: u64,
    /// The present unit's place in the block.
    unit: u32,
    /// Counts the runs of units.
    run: u64,
    /// What the present run has taken so far.
    spent: Work,
    /// How much of the journal was counted in the present run, and to how many cells.
    counted: (usize, u64),
    /// Shared records that the present run is charged for.
    paying: Vec<usize>,
    /// Those of them whose use it is charged for already.
    charged: Vec<usize>,
    /// Whether the present run has asked for something that it does not see.
    has_missed: bool,
    /// Whether what units do is undone at the end of the pass.
    ahead: bool,
    /// Records asked for in the present pass that who asked does not see.
    missed: Vec<usize>,
    /// Records whose first cells are on their way.
    coming: Vec<usize>,
    /// Keys of the cells that were asked for.
    keys: Vec<Key>,
    /// What was supplied of them so far, in the same order.
    cells: Vec<Option<Cell>>,
}

/// Passes and units: what an execution does with its store.
impl Store {
    /// A store with room for so many records.
    pub(crate) fn with_room(records: usize) -> Self {
        let mut store = Self::default();
        store.make_room(records);
        store
    }

    /// Makes room for so many more records.
    pub(crate) fn make_room(&mut self, records: usize) {
        self.places.reserve(records, |(hash, _)| *hash);
        self.records.reserve(records);
        self.missed.reserve(records);
        self.coming.reserve(records);
        self.keys.reserve(records);
    }

    /// Supplies cells that are wanted, in the order of [`Self::wanted`]. Those left out stay wanted.
    ///
    /// # Panics
    ///
    /// Panics if more cells are supplied than were wanted.
    pub fn supply(&mut self, cells: impl IntoIterator<Item = Option<Cell>>) {
        self.cells.reserve_exact(self.keys.len() - self.cells.len());
        self.cells.extend(cells);
        assert!(self.cells.len() <= self.keys.len(), "no more cells are supplied than were wanted");
    }

    /// The keys of cells that were asked for and have not been supplied, each once.
    pub fn wanted(&self) -> &[Key] {
        &self.keys[self.cells.len()..]
    }

    /// Asks for the rest of records that are longer than usual, once their first cells are there.
    pub(crate) fn ask_for_rests(&mut self) {
        if !self.wanted().is_empty() {
            return;
        }
        for place in std::mem::take(&mut self.coming) {
            let first = self.records[place].asked.usual.start;
            if let Some(first) = &self.cells[first as usize] {
                self.ask(place, cells_for(record_len(first)));
            }
        }
    }

    /// Begins a pass: undoes what was looked ahead, and shows what has come to those who asked for it.
    pub(crate) fn begin_pass(&mut self) {
        self.undo(Mark::default());
        self.begin = Mark::default();
        self.ahead = false;
        for place in self.missed.drain(..) {
            let entry = &mut self.records[place];
            entry.seen_from = entry.seen_from.min(entry.asked_by);
            entry.asked_by = NOBODY;
        }
    }

    /// How many places there are.
    pub(crate) const fn places(&self) -> usize {
        self.records.len()
    }

    /// Lets nobody see anything: the block begins anew. Cells that were supplied are kept, to be shown when they are asked
    /// for again. Nothing may have been written.
    pub(crate) fn forget(&mut self) {
        self.missed.clear();
        for entry in &mut self.records {
            (entry.seen_from, entry.asked_by) = (NOBODY, NOBODY);
        }
    }

    /// From now on until the end of the pass, what units do is undone in the end.
    pub(crate) fn look_ahead(&mut self) {
        self.ahead = true;
    }

    /// Whether what units do is undone at the end of the pass.
    pub(crate) const fn is_ahead(&self) -> bool {
        self.ahead
    }

    /// Begins a unit.
    pub(crate) fn begin(&mut self, unit: u32) {
        self.unit = unit;
        self.run += 1;
        self.step += 1;
        self.spent = Work::default();
        self.counted = (0, 0);
        self.paying.clear();
        self.charged.clear();
        self.has_missed = false;
    }

    /// Ends a unit. Its writes are kept; for the pass only, where it was looked ahead.
    pub(crate) fn finish(&mut self) {
        if !self.ahead {
            for place in self.paying.drain(..) {
                self.records[place].is_paid = true;
            }
            self.journal.clear();
            self.assumed.clear();
        }
        self.begin = Mark { written: self.journal.len(), assumed: self.assumed.len() };
    }

    /// Undoes a unit.
    pub(crate) fn abandon(&mut self) {
        self.undo(self.begin);
    }

    /// The present point of a unit.
    pub(crate) fn mark(&mut self) -> Mark {
        self.step += 1;
        Mark { written: self.journal.len(), assumed: self.assumed.len() }
    }

    /// Takes the writes since a point back.
    pub(crate) fn undo(&mut self, to: Mark) {
        while self.journal.len() > to.written
            && let Some((place, value)) = self.journal.pop()
        {
            self.records[place].now = value;
        }
        // What was undone has been done, and stays counted.
        self.counted.0 = self.counted.0.min(self.journal.len());
        for place in self.assumed.drain(to.assumed..) {
            // What it holds is decoded when somebody sees it.
            let entry = &mut self.records[place];
            (entry.assumed_new, entry.decoded, entry.read_in) = (false, false, 0);
        }
        self.step += 1;
    }

    /// What the present run of a unit takes besides reading and writing.
    pub(crate) fn spend(&mut self, work: Work) {
        self.spent += work;
    }

    /// What the present run of a unit has taken so far, the cells that it has written included.
    pub(crate) fn spent(&self) -> Work {
        let written =
            self.journal[self.begin.written..].iter().map(|(place, _)| self.records[*place].cells_now()).sum();
        Work { cells_written: written, ..self.spent }
    }

    /// The same in the middle of a run, at little cost however often: what was written is counted where it was written first.
    pub(crate) fn spent_so_far(&mut self) -> Work {
        let from = self.counted.0.clamp(self.begin.written, self.journal.len());
        let written: u64 = self.journal[from..].iter().map(|(place, _)| self.records[*place].cells_now()).sum();
        self.counted = (self.journal.len(), self.counted.1.saturating_add(written));
        Work { cells_written: self.counted.1, ..self.spent }
    }

    /// How many records the present run has looked up.
    pub(crate) const fn look_ups(&self) -> u64 {
        self.spent.look_ups
    }

    /// Whether the present run has asked for something that it does not see.
    pub(crate) const fn has_missed(&self) -> bool {
        self.has_missed
    }

    /// Whether the block has made a record, or has read that there is one.
    pub(crate) fn has_made<R: Record>(&self, id: &R::Id) -> bool {
        let name = Name::of::<R>(id);
        self.find_place(self.hash(&name), &name).is_some_and(|place| self.records[place].now.is_some())
    }

    /// Whether the present run has read more than a unit may.
    #[inline]
    pub(crate) const fn has_read_too_much(&self) -> bool {
        self.spent.look_ups > MAX_BLOCK_WORK.look_ups || self.spent.cells_read > MAX_BLOCK_WORK.cells_read
    }
}

/// Reading and writing: what rules do.
impl Store {
    /// Asks for a record ahead of its reading, without stopping.
    pub fn want<R: Record>(&mut self, id: &R::Id) {
        let _ = self.read::<R>(id);
    }

    /// The record, if there is one.
    pub fn find<R: Record>(&mut self, id: &R::Id) -> Ruled<Option<R>> {
        Ok(self.find_at(id)?.map(|(_, record)| record))
    }

    /// The record, if there is one, with its place: to be written again by [`Self::put_at`].
    pub fn find_at<R: Record>(&mut self, id: &R::Id) -> Ruled<Option<(Place<R>, R)>> {
        let place = self.read::<R>(id)?;
        let record = self.records[place].now.as_deref().map(|value| typed::<R>(value).clone());
        Ok(record.map(|record| (Place { place, kind: PhantomData }, record)))
    }

    /// The record at a place, if it is still there.
    pub(crate) fn at<R: Record>(&mut self, Place { place, .. }: Place<R>) -> Ruled<Option<R>> {
        self.look(place)?;
        Ok(self.records[place].now.as_deref().map(|value| typed::<R>(value).clone()))
    }

    /// A record that must exist, by the ledger's own bookkeeping, with its place.
    pub fn known_at<R: Record>(&mut self, id: &R::Id) -> Ruled<(Place<R>, R)> {
        Ok(self.find_at(id)?.expect("a record that another one refers to exists"))
    }

    /// The record, if there is one, to look at: it is not copied.
    pub fn view<R: Record>(&mut self, id: &R::Id) -> Ruled<Option<Arc<R>>> {
        let place = self.read::<R>(id)?;
        let value = self.records[place].now.clone();
        Ok(value.map(|value| value.downcast().expect("a table holds one kind of record")))
    }

    /// The same of a record that many units of a block read and none changes: the first one that finishes is charged for its
    /// cells.
    pub fn view_shared<R: Record>(&mut self, id: &R::Id) -> Ruled<Option<Arc<R>>> {
        let cells = self.spent.cells_read;
        let place = self.read::<R>(id)?;
        if self.records[place].is_paid {
            self.spent.cells_read = cells;
        } else if !self.paying.contains(&place) {
            self.paying.push(place);
        }
        let value = self.records[place].now.clone();
        Ok(value.map(|value| value.downcast().expect("a table holds one kind of record")))
    }

    /// Spends what it costs to make a shared record usable, unless a unit of the block has: once for each unit that is charged.
    pub(crate) fn spend_once<R: Record>(&mut self, id: &R::Id, work: Work) {
        let place = self.place_of::<R>(id);
        if self.paying.contains(&place) && !self.charged.contains(&place) {
            self.charged.push(place);
            self.spent += work;
        }
    }

    /// The record, or `refusal` if there is none.
    pub fn get<R: Record>(&mut self, id: &R::Id, refusal: impl FnOnce() -> Refusal) -> Ruled<R> {
        self.find(id)?.ok_or_else(|| refusal().into())
    }

    /// The place of a record that has been looked for before.
    pub fn place_of_known<R: Record>(&self, id: &R::Id) -> Place<R> {
        Place { place: self.place_of::<R>(id), kind: PhantomData }
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
        let place = self.place(&Name::of::<R>(id), KindOf::<R>::KIND);
        let entry = &mut self.records[place];
        if entry.seen_from <= self.unit {
            if !entry.decoded {
                self.decode(place);
            }
        } else if !entry.assumed_new {
            entry.assumed_new = true;
            self.assumed.push(place);
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
        // What the present step has written already is overwritten in place: what was there before it is journaled.
        if entry.written_in == self.step
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

    #[inline]
    fn find_place(&self, hash: u64, name: &Name) -> Option<usize> {
        let is_it = |&(of, place): &(u64, u32)| of == hash && self.records[place as usize].name == *name;
        self.places.find(hash, is_it).map(|(_, place)| *place as usize)
    }

    fn hash(&self, name: &Name) -> u64 {
        self.hasher.hash_one(name)
    }

    fn write_at(&mut self, place: usize, value: Option<Value>) {
        let entry = &mut self.records[place];
        assert!(entry.decoded || entry.assumed_new, "a rule looks for a record before it writes it");
        let previous = std::mem::replace(&mut entry.now, value);
        if entry.written_in != self.step {
            entry.written_in = self.step;
            self.journal.push((place, previous));
        }
    }

    /// Where the record stands among those of the block.
    fn place(&mut self, name: &Name, kind: &'static Kind) -> usize {
        let hash = self.hash(name);
        self.find_place(hash, name).unwrap_or_else(|| self.add(hash, name, kind))
    }

    /// Gives a record its place.
    #[cold]
    fn add(&mut self, hash: u64, name: &Name, kind: &'static Kind) -> usize {
        let place = self.records.len();
        self.records.push(Entry {
            name: *name,
            kind,
            asked: Asked::default(),
            seen_from: NOBODY,
            asked_by: NOBODY,
            read_in: 0,
            before: None,
            now: None,
            written_in: 0,
            decoded: false,
            assumed_new: false,
            is_paid: false,
        });
        self.places.insert_unique(hash, (hash, place as u32), |(hash, _)| *hash);
        place
    }

    /// Where the record stands, if the present unit sees it. A unit that has read too much sees nothing more.
    #[inline]
    fn read<R: Record>(&mut self, id: &R::Id) -> Ruled<usize> {
        self.read_named(&Name::of::<R>(id), KindOf::<R>::KIND)
    }

    fn read_named(&mut self, name: &Name, kind: &'static Kind) -> Ruled<usize> {
        if self.has_read_too_much() {
            return Err(Refusal::TooMuchWork.into());
        }
        let place = self.place(name, kind);
        self.look(place)?;
        Ok(place)
    }

    /// Looks at the record at a place, for the present unit.
    #[inline]
    fn look(&mut self, place: usize) -> Ruled<()> {
        self.spent.look_ups += 1;
        if self.records[place].read_in == self.run {
            return Ok(());
        }
        self.look_first(place)
    }

    #[inline]
    fn look_first(&mut self, place: usize) -> Ruled<()> {
        let entry = &self.records[place];
        let is_seen = entry.seen_from <= self.unit;
        if is_seen && !entry.decoded {
            self.decode(place);
        } else if !is_seen && !entry.assumed_new {
            self.miss(place);
            return Err(Stop::Unfetched);
        }
        let entry = &mut self.records[place];
        entry.read_in = self.run;
        self.spent.cells_read += if is_seen { entry.asked.len() as u64 } else { 1 };
        Ok(())
    }

    /// Decodes a record whose cells are there: it is seen from the pass after they have come.
    #[cold]
    fn decode(&mut self, place: usize) {
        let entry = &self.records[place];
        let cell = |number: usize| self.cells[number].as_ref();
        let bytes = cell(entry.asked.usual.start as usize).map(|first| {
            let cells = entry.asked.numbers(cells_for(record_len(first)));
            let cells = cells.map(|number| cell(number).expect("a record's cells are written together"));
            from_cells(cells).expect("a record's cells are written together")
        });
        let before = bytes.map(|bytes| (entry.kind.decode)(&bytes));
        let entry = &mut self.records[place];
        entry.decoded = true;
        // What was assumed to be new was not there before, and stays as it was written.
        if !entry.assumed_new {
            (entry.now, entry.before) = (before.clone(), before);
        }
    }

    #[cold]
    fn miss(&mut self, place: usize) {
        self.has_missed = true;
        let entry = &mut self.records[place];
        if entry.asked_by == NOBODY {
            self.missed.push(place);
        }
        entry.asked_by = entry.asked_by.min(self.unit);
        if entry.asked.len() == 0 {
            let usual = entry.kind.usual_cells.into();
            self.ask(place, usual);
            self.coming.push(place);
        }
    }

    /// Asks for the first `count` cells of a record, as far as they were not asked for before.
    fn ask(&mut self, place: usize, count: usize) {
        let Entry { name, asked, .. } = &mut self.records[place];
        let before = asked.len();
        if before >= count {
            return;
        }
        let first = asked.numbers(before).next();
        let key = first.map_or_else(|| name.key(), |first| self.keys[first]);
        let begin = self.keys.len() as u32;
        self.keys.extend((before..count).map(|number| key.cell(number as u16)));
        let range = if before == 0 { &mut asked.usual } else { &mut asked.rest };
        *range = begin..self.keys.len() as u32;
    }

    /// The cells that differ from before the block, once all that was asked for is supplied.
    pub fn changes(&self) -> Vec<Change> {
        let changed = || self.records.iter().filter(|entry| entry.is_changed());
        let cells = changed().map(|entry| entry.asked.len().max(entry.kind.usual_cells.into()));
        let mut changes = Vec::with_capacity(cells.sum());
        let mut bytes = Vec::new();
        for entry in changed() {
            let mut asked = entry.asked.numbers(entry.asked.len());
            let before = entry.before.iter().flat_map(|_| entry.asked.numbers(entry.asked.len()));
            let mut before = before.map_while(|number| self.cells[number].as_ref());
            bytes.clear();
            if let Some(now) = &entry.now {
                (entry.kind.encode)(now, &mut bytes);
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
