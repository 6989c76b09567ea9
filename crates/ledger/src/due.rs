//! The due calendar: agreements that act at a time of their own.
//!
//! Times are whole seconds, rounded up. The seconds of the calendar are the leaves of a tree of bitmaps, 256
//! children a node, four levels deep; so the first second that holds something is found by reading four cells,
//! however far away it is. A second's items stand in pages, in the order in which they were scheduled. Each
//! block works off at most [`MAX_DUE_PER_BLOCK`] items; the rest waits for the next one.

use crate::execution::Ledger;
use crate::record::{DUE_PAGE_ITEMS, DueBucket, DueNode, DuePage};
use crate::store::{Ruled, Stop};
use utilidor_types::time::{MAX_TIMESTAMP, SECOND_MS};
use utilidor_types::{AgreementId, Bounded, Cause, Event, Receipt, Refusal, Timestamp, Verdict};

/// Most due items that one block works off.
pub const MAX_DUE_PER_BLOCK: usize = 4_096;
/// Statement lines after which a block works off no more items, so that the receipts of due work stay small.
pub const MAX_DUE_LINES_PER_BLOCK: usize = 32_768;
/// How many children of a node are read ahead.
const READ_AHEAD: usize = 8;
/// Levels of bitmaps: 256^4 seconds.
const LEVELS: u8 = 4;

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

impl Ledger<'_> {
    /// Schedules an agreement. Several times may be scheduled for one agreement; those that have become idle do nothing.
    pub fn schedule(&mut self, agreement: AgreementId, at: Timestamp) -> Ruled<()> {
        if at > MAX_TIMESTAMP {
            return Err(Refusal::Overflow.into());
        }
        let second = at.0.div_ceil(SECOND_MS) as u32;
        let entered = self.enter(agreement, second);
        self.or_want(entered, |ledger| ledger.want_due(at))
    }

    fn enter(&mut self, agreement: AgreementId, second: u32) -> Ruled<()> {
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
            let agreements = Bounded::new(vec![agreement]).expect("a page has room for one");
            self.store.create_unread(&page_id, DuePage { agreements });
        } else {
            let mut page: DuePage = self.store.known(&page_id)?;
            page.agreements.push(agreement).expect("the bucket's count says that the page has room");
            self.store.put(&page_id, page);
        }
        bucket.count += 1;
        self.store.put(&second, bucket);
        Ok(())
    }

    /// Asks for the bitmaps on the way to a second.
    pub fn want_due_nodes(&mut self, second: u32) {
        for level in 0..LEVELS {
            self.store.want::<DueNode>(&place(second, level).0);
        }
    }

    fn first_due_second(&mut self) -> Ruled<Option<u32>> {
        let mut above = 0u32;
        for level in (0..LEVELS).rev() {
            let node = self.store.find::<DueNode>(&(level, above))?.unwrap_or_default();
            for child in node.children().take(READ_AHEAD) {
                let below = above << 8 | u32::from(child);
                match level {
                    0 => self.store.want::<DueBucket>(&below),
                    _ => self.store.want::<DueNode>(&(level - 1, below)),
                }
            }
            match node.first() {
                Some(child) => above = above << 8 | u32::from(child),
                None => return Ok(None),
            }
        }
        Ok(Some(above))
    }

    /// The earliest time at which something is due.
    pub fn next_due(&mut self) -> Ruled<Option<Timestamp>> {
        Ok(self.first_due_second()?.map(|second| Timestamp(u64::from(second) * SECOND_MS)))
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

    /// Works off what is due, in order, up to the bound.
    pub fn work_off_due(&mut self, receipts: &mut Vec<Receipt>) -> Ruled<()> {
        let mut left = MAX_DUE_PER_BLOCK;
        let mut lines = 0;
        let mut whole = Ok(());
        while left > 0 && lines < MAX_DUE_LINES_PER_BLOCK {
            let Some(second) = self.first_due_second()? else { break };
            let at = Timestamp(u64::from(second) * SECOND_MS);
            if at > self.now {
                break;
            }
            let mut bucket: DueBucket = self.store.known(&second)?;
            let mut until = bucket.count.min(bucket.done + left as u32);
            let pages = bucket.done / DUE_PAGE_ITEMS as u32..until.div_ceil(DUE_PAGE_ITEMS as u32);
            for page in pages.clone() {
                self.store.want::<DuePage>(&(second, page));
            }
            'pages: for page_number in pages {
                let page: DuePage = match self.store.known(&(second, page_number)) {
                    Ok(page) => page,
                    Err(stop) => {
                        whole = Err(stop);
                        continue;
                    }
                };
                for (place, agreement) in (page_number * DUE_PAGE_ITEMS as u32..).zip(&page.agreements) {
                    if place < bucket.done || place >= until {
                        continue;
                    }
                    if lines >= MAX_DUE_LINES_PER_BLOCK {
                        until = place;
                        break 'pages;
                    }
                    match self.due_item(*agreement, at, receipts) {
                        Ok(added) => lines += added,
                        Err(stop) => whole = Err(stop),
                    }
                }
                if (page_number + 1) * DUE_PAGE_ITEMS as u32 <= until || until == bucket.count {
                    self.store.delete::<DuePage>(&(second, page_number));
                }
            }

            left -= (until - bucket.done) as usize;
            bucket.done = until;
            let now: DueBucket = self.store.known(&second)?;
            assert_eq!(now.count, bucket.count, "working off an item schedules nothing for the same second");
            match bucket.done == bucket.count {
                true => self.clear_second(second)?,
                false => self.store.put(&second, bucket),
            }
            self.store.commit();
        }
        whole
    }

    /// Works off one item, and says how many statement lines that made.
    fn due_item(&mut self, agreement: AgreementId, at: Timestamp, receipts: &mut Vec<Receipt>) -> Ruled<usize> {
        self.events.clear();
        let mut lines = 0;
        match self.agreement_due(agreement) {
            Ok(false) => {}
            Ok(true) => {
                lines = self.events.iter().map(statement_lines).sum();
                let events = std::mem::take(&mut self.events);
                let events = Bounded::new(events).expect("a due item has a bounded number of events");
                receipts.push(Receipt { cause: Cause::Due { agreement, at }, verdict: Verdict::Applied(events) });
            }
            Err(Stop::Unfetched) => {
                self.store.roll_back();
                return Err(Stop::Unfetched);
            }
            Err(Stop::Refused(refusal)) => panic!("due work cannot be refused, but {agreement} was: {refusal}"),
        }
        self.store.commit();
        Ok(lines)
    }
}

fn statement_lines(event: &Event) -> usize {
    match event {
        Event::StatementIssued(statement) => statement.lines.len(),
        _ => 0,
    }
}
