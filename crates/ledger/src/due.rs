//! The due calendar: what acts at a time of its own, and when. Who is called for an item is not known here.
//!
//! Times are whole seconds, rounded up. The seconds of the calendar are the leaves of a tree of bitmaps, 256
//! children a node, four levels deep. It is read level by level, all nodes of a level together, so that many seconds are
//! found in as few passes as one. A second's items stand in pages, in the order in which they were scheduled.
//!
//! A block looks up what is due once, before it works anything off. What is scheduled for a time that has come while it
//! does so waits for the next block.

use crate::context::Ledger;
use crate::record::{DUE_PAGE_ITEMS, DueBucket, DueNode, DuePage};
use crate::store::{Ruled, Stop};
use std::ops::Range;
use utilidor_types::time::{MAX_TIMESTAMP, SECOND_MS};
use utilidor_types::{Bounded, DueItem, Refusal, Timestamp};

/// Levels of bitmaps: 256^4 seconds.
const LEVELS: u8 = 4;
/// How many nodes of a level are asked for in the first pass, between what the parent left as due and now. A longer
/// backlog is found a pass later.
const NODES_AHEAD: u32 = 64;

/// What is due in a second, as far as a block takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DueSecond {
    pub second: u32,
    /// The first item's number among all that were scheduled for the second.
    pub from: u32,
    pub items: Vec<DueItem>,
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

impl Ledger<'_> {
    /// Schedules an item. Several times may be scheduled for one; those that have become idle do nothing.
    pub fn schedule(&mut self, item: DueItem, at: Timestamp) -> Ruled<()> {
        if at > MAX_TIMESTAMP {
            return Err(Refusal::Overflow.into());
        }
        let second = at.0.div_ceil(SECOND_MS) as u32;
        self.want_due(at);
        self.enter(item, second)
    }

    fn enter(&mut self, item: DueItem, second: u32) -> Ruled<()> {
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
        let page_id = (second, bucket.count / DUE_PAGE_ITEMS as u32);
        if bucket.count.is_multiple_of(DUE_PAGE_ITEMS as u32) {
            let items = Bounded::new(vec![item]).expect("a page has room for one");
            self.store.create_unread(&page_id, DuePage { items });
        } else {
            let mut page: DuePage = self.store.known(&page_id)?;
            page.items.push(item).expect("the bucket's count says that the page has room");
            self.store.put(&page_id, page);
        }
        bucket.count = bucket.count.checked_add(1).ok_or(Refusal::Overflow)?;
        self.store.put(&second, bucket);
        Ok(())
    }

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
        for second in nodes {
            match self.due_in(second, left) {
                Ok(due) => {
                    left -= due.items.len();
                    plan.seconds.push(due);
                }
                Err(Stop::Unfetched) => plan.is_whole = false,
                Err(refused) => return Err(refused),
            }
            if left == 0 {
                break;
            }
        }
        Ok(plan)
    }

    fn due_in(&mut self, second: u32, most: usize) -> Ruled<DueSecond> {
        // Few seconds hold more than a page.
        self.store.want::<DuePage>(&(second, 0));
        let bucket: DueBucket = self.store.known(&second)?;
        let from = bucket.done;
        let until = bucket.count.min(from.saturating_add(u32::try_from(most).unwrap_or(u32::MAX)));
        let pages = pages(from..until);
        for page in pages.clone() {
            self.store.want::<DuePage>(&(second, page));
        }
        let mut items = Vec::with_capacity((until - from) as usize);
        for number in pages {
            let page = self.store.known::<DuePage>(&(second, number))?;
            let numbered = (number * DUE_PAGE_ITEMS as u32..).zip(page.items.iter().copied());
            items.extend(numbered.filter(|(number, _)| (from..until).contains(number)).map(|(_, item)| item));
        }
        Ok(DueSecond { second, from, items })
    }

    /// Takes the first `count` items of a second off the calendar. Others may have been scheduled for it meanwhile.
    pub fn take_off(&mut self, due: &DueSecond, count: u32) -> Ruled<()> {
        let mut bucket: DueBucket = self.store.known(&due.second)?;
        bucket.done = due.from + count;
        let is_empty = bucket.done == bucket.count;
        let mut done = pages(due.from..bucket.done);
        if !is_empty {
            done.end = bucket.done / DUE_PAGE_ITEMS as u32;
        }
        for page in done {
            self.store.delete::<DuePage>(&(due.second, page));
        }
        if is_empty {
            return self.clear_second(due.second);
        }
        self.store.put(&due.second, bucket);
        Ok(())
    }

    fn clear_second(&mut self, second: u32) -> Ruled<()> {
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
