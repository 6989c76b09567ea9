//! The due calendar: what acts at a time of its own, and when. Who is called for an item is not known here.
//!
//! Times are whole seconds, rounded up. The seconds of the calendar are the leaves of a tree of bitmaps, 256
//! children a node, four levels deep. It is read level by level, all nodes of a level together, so that many seconds are
//! found in as few passes as one. A second's items stand in pages, in the order in which they were scheduled.
//!
//! A block looks up what is due once, before it works anything off. What is scheduled for a time that has come while it
//! does so waits for the next block.
//!
//! An item has one entry. Whose time changes notes it ([`Ledger::note_due`]), however often; once a unit has done everything
//! else, the calendar is changed for all of them together: entries that count no more are taken out, new ones put in, and who
//! is meant keeps the place. So what a unit reads of the calendar is found in the same few passes whatever it does, and nothing idle
//! is kept. The place of an item that was taken out stays empty ([`IDLE`]), so that the others keep theirs; a page without items goes. A block
//! passes empty places without counting them as work, but not without a bound.

use crate::context::Ledger;
use crate::record::{AgreementState, DUE_PAGE_ITEMS, DueBucket, DueNode, DuePage, DuePlace, MotionRecord, OfferRecord};
use crate::store::{Ruled, Stop};
use std::ops::Range;
use utilidor_types::time::{MAX_TIMESTAMP, SECOND_MS};
use utilidor_types::{Bounded, DueItem, Refusal, Timestamp};

/// Levels of bitmaps: 256^4 seconds.
const LEVELS: u8 = 4;
/// Stands where an item was taken out. An epoch ends with a block and stands in no calendar: nothing is done for it.
const IDLE: DueItem = DueItem::Epoch(0);
/// How many nodes of a level are asked for in the first pass, between what the parent left as due and now. A longer
/// backlog is found a pass later.
const NODES_AHEAD: u32 = 64;

/// How many places of the calendar a block looks at for each item that it may take: those of items that were taken out are empty.
const PLACES_AN_ITEM: usize = 32;

/// What is due in a second, as far as a block takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueSecond {
    pub second: u32,
    /// The places that were looked at.
    pub places: Range<u32>,
    /// The items, each with its place.
    pub items: Vec<(u32, DueItem)>,
}

impl DueSecond {
    pub fn at(&self) -> Timestamp {
        time_of(self.second)
    }
}

/// What is due.
#[derive(Debug, Default)]
pub(crate) struct DuePlan {
    pub seconds: Vec<DueSecond>,
    /// Whether all of it has been read.
    pub is_whole: bool,
}

impl DueNode {
    fn set(&mut self, child: u8, on: bool) {
        let bit = 1 << (child % 8);
        let byte = &mut self.children[usize::from(child / 8)];
        *byte = if on { *byte | bit } else { *byte & !bit };
    }

    fn children(&self) -> impl Iterator<Item = u8> {
        (0..=u8::MAX).filter(|child| self.children[usize::from(child / 8)] & 1 << (child % 8) != 0)
    }

    fn first(&self) -> Option<u8> {
        self.children().next()
    }
}

/// The node of `level` above a second, and the second's child in it.
fn place(second: u32, level: u8) -> ((u8, u32), u8) {
    let above = u64::from(second) >> (8 * u32::from(level));
    ((level, (above >> 8) as u32), above as u8)
}

fn time_of(second: u32) -> Timestamp {
    Timestamp(u64::from(second) * SECOND_MS)
}

/// The last second that has come.
fn second_at(now: Timestamp) -> u32 {
    u32::try_from(now.0 / SECOND_MS).unwrap_or(u32::MAX)
}

/// The pages that hold items of these numbers.
fn pages(items: Range<u32>) -> Range<u32> {
    items.start / DUE_PAGE_ITEMS as u32..items.end.div_ceil(DUE_PAGE_ITEMS as u32)
}

/// Who is due when.
#[derive(Debug, Default)]
pub(crate) struct DueNotes {
    /// Whose time may have changed.
    changed: Vec<DueItem>,
    /// What has gone, with its place.
    gone: Vec<(DueItem, DuePlace)>,
}

impl DueNotes {
    pub fn clear(&mut self) {
        self.changed.clear();
        self.gone.clear();
    }
}

/// The second at which what is due at a time is worked off.
fn second_of(at: Timestamp) -> Option<u32> {
    if at > MAX_TIMESTAMP { None } else { u32::try_from(at.0.div_ceil(SECOND_MS)).ok() }
}

/// Changing the calendar.
impl Ledger<'_> {
    /// Notes that an item's time may have changed: it is entered when the unit is done.
    pub fn note_due(&mut self, item: DueItem) {
        if !self.calendar.changed.contains(&item) {
            self.calendar.changed.push(item);
        }
    }

    /// The same of what is new. Refuses what lies beyond the calendar.
    pub fn note_new_due(&mut self, item: DueItem, at: Timestamp) -> Result<(), Refusal> {
        second_of(at).ok_or(Refusal::Overflow)?;
        self.note_due(item);
        Ok(())
    }

    /// Notes that an item has gone: its entry is taken out when the unit is done.
    pub fn note_gone(&mut self, item: DueItem, place: Option<DuePlace>) {
        if let Some(place) = place {
            self.calendar.gone.push((item, place));
        }
    }

    /// Enters an item.
    pub fn schedule(&mut self, item: DueItem, at: Timestamp) -> Ruled<DuePlace> {
        let second = second_of(at).ok_or(Refusal::Overflow)?;
        self.want_due(at);
        self.enter(item, second)
    }

    /// Enters an item whose entry has come and could not be worked off. Nothing is due any more at the end of the calendar.
    pub fn schedule_again(&mut self, item: DueItem, at: Timestamp) -> Ruled<()> {
        if second_of(at).is_none() {
            return Ok(());
        }
        let place = self.schedule(item, at)?;
        self.keep_place(item, Some(place))
    }

    /// Changes the calendar for all that was noted. All that is missing for it is asked for at once.
    pub fn keep_calendar(&mut self) -> Ruled<()> {
        if self.calendar.changed.is_empty() && self.calendar.gone.is_empty() {
            return Ok(());
        }
        let mut leaving = std::mem::take(&mut self.calendar.gone);
        let mut entering = Vec::new();
        for item in std::mem::take(&mut self.calendar.changed) {
            let (at, place) = self.due_of(item)?;
            let second = at.and_then(second_of);
            if second != place.map(|place| place.second) {
                leaving.extend(place.map(|place| (item, place)));
                entering.push((item, second));
            }
        }
        // What has come is worked off, and does nothing.
        let come = second_at(self.now);
        leaving.retain(|(_, place)| place.second > come);
        leaving.iter().for_each(|(_, place)| self.want_left(Some(*place)));
        entering.iter().filter_map(|(_, second)| *second).for_each(|second| self.want_due(time_of(second)));
        leaving.into_iter().try_for_each(|(item, place)| self.leave(item, place))?;
        for (item, second) in entering {
            let place = second.map(|second| self.enter(item, second)).transpose()?;
            self.keep_place(item, place)?;
        }
        Ok(())
    }

    /// When an item is to be called, and where it stands in the calendar.
    fn due_of(&mut self, item: DueItem) -> Ruled<(Option<Timestamp>, Option<DuePlace>)> {
        Ok(match item {
            DueItem::Agreement(id) => match self.store.view::<AgreementState>(&id)? {
                Some(state) => (state.called, state.due),
                None => (None, None),
            },
            DueItem::Offer(id) => match self.store.view::<OfferRecord>(&id)? {
                Some(record) => ((!record.lapsed).then_some(record.offer.lapses), record.due),
                None => (None, None),
            },
            DueItem::Motion(id) => match self.store.view::<MotionRecord>(&id)? {
                Some(record) => (Some(record.closes), record.due),
                None => (None, None),
            },
            DueItem::Epoch(_) => (None, None),
        })
    }

    fn keep_place(&mut self, item: DueItem, due: Option<DuePlace>) -> Ruled<()> {
        match item {
            DueItem::Agreement(id) => {
                let state = self.store.known::<AgreementState>(&id)?;
                self.store.put(&id, AgreementState { due, ..state });
            }
            DueItem::Offer(id) => {
                let record = self.store.known::<OfferRecord>(&id)?;
                self.store.put(&id, OfferRecord { due, ..record });
            }
            DueItem::Motion(id) => {
                let record = self.store.known::<MotionRecord>(&id)?;
                self.store.put(&id, MotionRecord { due, ..record });
            }
            DueItem::Epoch(_) => {}
        }
        Ok(())
    }

    fn enter(&mut self, item: DueItem, second: u32) -> Ruled<DuePlace> {
        for level in 0..LEVELS {
            let (id, child) = place(second, level);
            let present = self.store.find::<DueNode>(&id)?;
            let mut node = present.unwrap_or_default();
            node.set(child, true);
            if present != Some(node) {
                self.store.put(&id, node);
            }
            // A node that holds something is known to all nodes above it.
            if present.is_some() {
                break;
            }
        }
        let mut bucket = self.store.find::<DueBucket>(&second)?.unwrap_or_default();
        let place = DuePlace { second, number: bucket.count };
        let page_id = place.page();
        if bucket.count.is_multiple_of(DUE_PAGE_ITEMS as u32) {
            let items = Bounded::new(vec![item]).expect("a page has room for one");
            self.store.create_unread(&page_id, DuePage { items });
        } else {
            let mut page: DuePage = self.store.known(&page_id)?;
            page.items.push(item).expect("the bucket's count says that the page has room");
            self.store.put(&page_id, page);
        }
        bucket.count = bucket.count.checked_add(1).ok_or(Refusal::Overflow)?;
        bucket.left = bucket.left.saturating_add(1);
        self.store.put(&second, bucket);
        Ok(place)
    }

    /// Takes an item out before its time.
    fn leave(&mut self, item: DueItem, place: DuePlace) -> Ruled<()> {
        let Some(mut bucket) = self.store.find::<DueBucket>(&place.second)? else { return Ok(()) };
        let Some(mut page) = self.store.find::<DuePage>(&place.page())? else { return Ok(()) };
        let of_page = place.number as usize % DUE_PAGE_ITEMS;
        match page.items.as_mut_slice().get_mut(of_page) {
            Some(present) if *present == item => *present = IDLE,
            _ => return Ok(()),
        }
        bucket.left = bucket.left.saturating_sub(1);
        self.put_page(place.page(), page);
        if bucket.left == 0 {
            return self.clear_second(place.second, &bucket);
        }
        self.store.put(&place.second, bucket);
        Ok(())
    }

    /// Writes a page, or forgets it if nothing can come of it any more.
    fn put_page(&mut self, id: (u32, u32), page: DuePage) {
        match page.items.len() == DUE_PAGE_ITEMS && page.items.iter().all(|item| *item == IDLE) {
            true => self.store.delete::<DuePage>(&id),
            false => self.store.put(&id, page),
        }
    }
}

/// Reading the calendar.
impl Ledger<'_> {
    /// Asks for the calendar's way to a time, as far as the calendar reaches.
    pub fn want_due(&mut self, at: Timestamp) {
        let Ok(second) = u32::try_from(at.0.div_ceil(SECOND_MS)) else { return };
        for level in 0..LEVELS {
            self.store.want::<DueNode>(&place(second, level).0);
        }
        // Once it is known how far its pages reach, the last one is written on.
        if let Ok(Some(bucket)) = self.store.view::<DueBucket>(&second)
            && !bucket.count.is_multiple_of(DUE_PAGE_ITEMS as u32)
        {
            self.store.want::<DuePage>(&(second, bucket.count / DUE_PAGE_ITEMS as u32));
        }
    }

    /// Asks for the calendar where an entry is to be taken out.
    pub fn want_left(&mut self, place: Option<DuePlace>) {
        if let Some(place) = place.filter(|place| place.second > second_at(self.now)) {
            self.want_due(time_of(place.second));
            self.store.want::<DuePage>(&place.page());
        }
    }

    /// Asks for what lies between the time at which something is due first, and now.
    pub fn want_backlog(&mut self, first: Timestamp) {
        self.want_due(first);
        let (first, now) = (second_at(first), second_at(self.now));
        if first > now {
            return;
        }
        self.store.want::<DuePage>(&(first, 0));
        for level in 1..LEVELS {
            let ((_, from), _) = place(first, level);
            let ((_, to), _) = place(now, level);
            for above in from..=to.min(from.saturating_add(NODES_AHEAD)) {
                self.store.want::<DueNode>(&(level, above));
            }
        }
    }

    /// What is due by now, in order: `most` items, or all. As long as it is not whole, what was read of it can be looked
    /// at ahead.
    pub fn due_plan(&mut self, most: usize) -> Ruled<DuePlan> {
        let now = second_at(self.now);
        let mut is_whole = true;
        let mut nodes = vec![0];
        for level in (0..LEVELS).rev() {
            let mut below = Vec::new();
            for above in nodes {
                match self.store.view::<DueNode>(&(level, above)) {
                    Ok(Some(node)) => below.extend(node.children().map(|child| above << 8 | u32::from(child))),
                    Ok(None) => {}
                    Err(Stop::Unfetched) => is_whole = false,
                    Err(refused) => return Err(refused),
                }
                // A node that holds something holds an item at least.
                if below.len() > most {
                    break;
                }
            }
            below.truncate(most);
            let come = below.partition_point(|child| u64::from(*child) << (8 * u32::from(level)) <= u64::from(now));
            // What comes next is looked at while it is on the way: the header names it.
            if let Some(next) = below.get(come)
                && level > 0
            {
                self.store.want::<DueNode>(&(level - 1, *next));
            }
            below.truncate(come);
            nodes = below;
        }
        let mut plan = DuePlan { seconds: Vec::with_capacity(nodes.len()), is_whole };
        let mut left = most;
        let mut places = most.saturating_mul(PLACES_AN_ITEM);
        for second in nodes {
            match self.due_in(second, &mut left, &mut places) {
                Ok(due) => plan.seconds.push(due),
                Err(Stop::Unfetched) => plan.is_whole = false,
                Err(refused) => return Err(refused),
            }
            if left == 0 || places == 0 {
                break;
            }
        }
        Ok(plan)
    }

    /// The items of a second, as far as a block still takes items and looks at places. Both become less by what the second has, also
    /// while its pages are on the way.
    fn due_in(&mut self, second: u32, left: &mut usize, places: &mut usize) -> Ruled<DueSecond> {
        // Few seconds hold more than a page.
        self.store.want::<DuePage>(&(second, 0));
        let (most, most_places) = (*left, *places);
        (*left, *places) = (most.saturating_sub(1), most_places.saturating_sub(1));
        let bucket: DueBucket = self.store.known(&second)?;
        let from = bucket.done;
        let number = |most| u32::try_from(most).unwrap_or(u32::MAX);
        let empty = bucket.count.saturating_sub(from).saturating_sub(bucket.left);
        // Among so many there are `most` items, or all.
        let enough = number(most).saturating_add(empty).min(number(most_places));
        let mut until = bucket.count.min(from.saturating_add(enough));
        let pages = pages(from..until);
        for page in pages.clone() {
            self.store.want::<DuePage>(&(second, page));
        }
        let looked_at = (until - from) as usize;
        (*left, *places) = (most.saturating_sub(looked_at.min(bucket.left as usize)), most_places - looked_at);
        let mut items = Vec::new();
        for number in pages {
            let Some(page) = self.store.view::<DuePage>(&(second, number))? else { continue };
            let numbered = (number * DUE_PAGE_ITEMS as u32..).zip(page.items.iter().copied());
            items.extend(numbered.filter(|(number, item)| (from..until).contains(number) && *item != IDLE));
        }
        if let Some((number, _)) = items.get(most) {
            until = *number;
            items.truncate(most);
        }
        (*left, *places) = (most - items.len(), most_places - (until - from) as usize);
        Ok(DueSecond { second, places: from..until, items })
    }

    /// Takes a second's items before a place off the calendar. Others may have been scheduled for it meanwhile.
    pub fn take_off(&mut self, due: &DueSecond, until: u32) -> Ruled<()> {
        let mut bucket: DueBucket = self.store.known(&due.second)?;
        bucket.done = until;
        for number in pages(due.places.start..until) {
            let id = (due.second, number);
            let Some(mut page) = self.store.find::<DuePage>(&id)? else { continue };
            let numbered = (number * DUE_PAGE_ITEMS as u32..).zip(page.items.as_mut_slice());
            let taken = numbered.filter(|(number, item)| *number < bucket.done && **item != IDLE);
            let taken = taken.map(|(_, item)| *item = IDLE).count();
            bucket.left = bucket.left.saturating_sub(taken as u32);
            self.put_page(id, page);
        }
        if bucket.left == 0 {
            return self.clear_second(due.second, &bucket);
        }
        self.store.put(&due.second, bucket);
        Ok(())
    }

    /// Nothing is left of a second.
    fn clear_second(&mut self, second: u32, bucket: &DueBucket) -> Ruled<()> {
        // Only its last page can still be there, if it is not full.
        let last = DuePlace { second, number: bucket.count };
        if last.number % DUE_PAGE_ITEMS as u32 != 0 && self.store.find::<DuePage>(&last.page())?.is_some() {
            self.store.delete::<DuePage>(&last.page());
        }
        self.store.delete::<DueBucket>(&second);
        for level in 0..LEVELS {
            let (id, child) = place(second, level);
            let mut node: DueNode = self.store.known(&id)?;
            node.set(child, false);
            if node.first().is_some() {
                self.store.put(&id, node);
                return Ok(());
            }
            self.store.delete::<DueNode>(&id);
        }
        Ok(())
    }

    /// The earliest time at which something is due.
    pub fn next_due(&mut self) -> Ruled<Option<Timestamp>> {
        let mut above = 0u32;
        for level in (0..LEVELS).rev() {
            match self.store.view::<DueNode>(&(level, above))?.and_then(|node| node.first()) {
                Some(child) => above = above << 8 | u32::from(child),
                None => return Ok(None),
            }
        }
        Ok(Some(time_of(above)))
    }
}
