//! What a meter has brought, part by part of a grid, kept in its slot: for what is compared hour by hour.
//!
//! A correction is spread by time over an interval, in which the readings were not. So what a part cannot give is taken off the
//! other parts of the interval; and what none of them can give, and what belongs to parts that are forgotten, is *late*: it is
//! kept as one signed sum, until the contract lets it count, with [`Series::count_late`] or otherwise. Nothing is dropped.

use crate::math::share_floor;
use crate::time::Grid;
use crate::wire::{Done, Effect, Event, Fault, Input, Meter, Quantity, Time, Window, total};
use alloc::vec::Vec;

/// Bytes before the quantities: the first part's number, how far readings reach, and what is late.
const HEAD_BYTES: usize = 24;
const QUANTITY_BYTES: usize = 8;
/// Most parts that a slot holds.
pub const MAX_PARTS: usize = (4_096 - HEAD_BYTES) / QUANTITY_BYTES;

/// Quantities by part, from a first one on. It stays the bytes that it is kept as, so that an event touches what it changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Series {
    first: u64,
    until: Time,
    late: i64,
    quantities: Vec<u8>,
}

impl Series {
    /// Of a slot; an empty one has nothing.
    pub fn of(slot: &[u8]) -> Result<Self, Fault> {
        if slot.is_empty() {
            return Ok(Self::default());
        }
        let (first, rest) = slot.split_first_chunk::<8>().ok_or(Fault::STATE)?;
        let (until, rest) = rest.split_first_chunk::<8>().ok_or(Fault::STATE)?;
        let (late, quantities) = rest.split_first_chunk::<8>().ok_or(Fault::STATE)?;
        if !quantities.len().is_multiple_of(QUANTITY_BYTES) {
            return Err(Fault::STATE);
        }
        let (first, until) = (u64::from_le_bytes(*first), Time(u64::from_le_bytes(*until)));
        Ok(Self { first, until, late: i64::from_le_bytes(*late), quantities: quantities.to_vec() })
    }

    /// Of a meter's slot.
    pub fn of_meter(input: &Input, meter: Meter) -> Result<Self, Fault> {
        Self::of(input.slot(meter.0))
    }

    /// Keeps what a meter's event brings in the meter's slot, and after a segment asks to be told of the next part, until an
    /// end. What lies so many parts before it is forgotten. What comes of forgotten parts is late. None if the event is not a meter's.
    pub fn keep(input: &Input, parts: Grid, end: Time, history: u64) -> Result<Option<Done>, Fault> {
        let (meter, segment) = match &input.event {
            Event::Segment(meter, segment) | Event::Returned(meter, segment) => (*meter, segment),
            Event::Corrected(meter, more, _) => (*meter, more),
            _ => return Ok(None),
        };
        let mut series = Self::of_meter(input, meter)?;
        series.forget_before(parts.part_of(segment.interval.to).saturating_sub(history));
        series.add(parts, segment.interval, total(&segment.bands)?)?;
        let mut effects = Vec::new();
        match &input.event {
            Event::Segment(..) => {
                let next = parts.mark_after(segment.interval.to, end)?;
                effects.extend(next.map(|next| Effect::Mark(meter, Some(next))));
            }
            Event::Corrected(_, _, less) => series.take_off(parts, segment.interval, total(less)?)?,
            _ => {}
        }
        Ok(Some(Done { head: None, slots: Vec::from([(meter.0, Some(series.slot()))]), effects }))
    }

    /// For a slot.
    pub fn slot(&self) -> Vec<u8> {
        let mut slot = Vec::with_capacity(HEAD_BYTES + self.quantities.len());
        slot.extend_from_slice(&self.first.to_le_bytes());
        slot.extend_from_slice(&self.until.0.to_le_bytes());
        slot.extend_from_slice(&self.late.to_le_bytes());
        slot.extend_from_slice(&self.quantities);
        slot
    }

    /// The first part that is not forgotten.
    pub const fn first(&self) -> u64 {
        self.first
    }

    /// How far readings reach.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// What has come of forgotten parts, less what no part could give. Below zero it is to be credited.
    pub const fn late(&self) -> i64 {
        self.late
    }

    /// Lets what is late count in so many parts from one on: in the first of them, or taken off them in proportion to what they
    /// have. What is more than they have stays late.
    pub fn count_late(&mut self, first: u64, count: u64) -> Result<(), Fault> {
        let late = Quantity(self.late.unsigned_abs());
        if count == 0 || self.late == 0 {
            return Ok(());
        }
        if self.late > 0 {
            self.set(first, self.get(first).plus(late)?)?;
            self.late = 0;
            return Ok(());
        }
        let left = self.take_in_proportion(first, first.saturating_add(count), late)?;
        self.late = negative(left)?;
        Ok(())
    }

    /// What a part has brought; nothing of a part that is forgotten, or that nothing was read of.
    pub fn get(&self, part: u64) -> Quantity {
        let quantity = self.place(part).and_then(|place| self.quantities.get(place..)?.first_chunk());
        quantity.map_or(Quantity::ZERO, |bytes| Quantity(u64::from_le_bytes(*bytes)))
    }

    /// What so many parts from one on have brought, as [`Self::get`] gives it.
    pub fn list(&self, first: u64, count: u64) -> Result<Vec<Quantity>, Fault> {
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_PARTS).ok_or(Fault::OVERFLOW)?;
        let before = self.first.saturating_sub(first).min(count as u64) as usize;
        let mut list = Vec::with_capacity(count);
        list.resize(before, Quantity::ZERO);
        let place =
            usize::try_from(first.saturating_sub(self.first)).ok().and_then(|place| place.checked_mul(QUANTITY_BYTES));
        let kept = place.and_then(|place| self.quantities.get(place..)).unwrap_or(&[]);
        let (chunks, _) = kept.as_chunks::<QUANTITY_BYTES>();
        list.extend(chunks.iter().take(count - before).map(|bytes| Quantity(u64::from_le_bytes(*bytes))));
        list.resize(count, Quantity::ZERO);
        Ok(list)
    }

    /// Adds what came in a window, shared over its parts by time; the shares add up to it. What falls into forgotten parts is
    /// late. A fault if it would need more than [`MAX_PARTS`].
    pub fn add(&mut self, grid: Grid, window: Window, quantity: Quantity) -> Result<(), Fault> {
        let late = self.change(grid, window, quantity, |kept, more| Ok((kept.plus(more)?, Quantity::ZERO)))?;
        self.note_late(late.0, false)?;
        self.until = self.until.max(window.to);
        Ok(())
    }

    /// Takes off what did not come in a window after all, as [`Self::add`] adds it. What a part cannot give is taken off the
    /// others of the window, in proportion to what they have left; what none can give is late.
    pub fn take_off(&mut self, grid: Grid, window: Window, quantity: Quantity) -> Result<(), Fault> {
        let (late, short) = self.change(grid, window, quantity, |kept, less| Ok((kept.less(less), less.less(kept))))?;
        self.note_late(late, true)?;
        if short > Quantity::ZERO {
            let end = grid.part_of(Time(window.to.0 - 1)).saturating_add(1);
            let left = self.take_in_proportion(grid.part_of(window.from), end, short)?;
            self.note_late(left, true)?;
        }
        Ok(())
    }

    /// Forgets what lies before a part.
    pub fn forget_before(&mut self, part: u64) {
        let past = part.saturating_sub(self.first).saturating_mul(QUANTITY_BYTES as u64);
        let past = usize::try_from(past).map_or(self.quantities.len(), |past| past.min(self.quantities.len()));
        self.quantities.drain(..past);
        self.first = self.first.max(part);
    }

    fn place(&self, part: u64) -> Option<usize> {
        usize::try_from(part.checked_sub(self.first)?).ok()?.checked_mul(QUANTITY_BYTES)
    }

    fn note_late(&mut self, quantity: Quantity, is_less: bool) -> Result<(), Fault> {
        let more = if is_less { negative(quantity)? } else { negative(quantity)?.saturating_neg() };
        self.late = self.late.checked_add(more).ok_or(Fault::OVERFLOW)?;
        Ok(())
    }

    /// Takes off parts from one on up to another in proportion to what they have; gives what they do not have.
    #[cold]
    #[inline(never)]
    fn take_in_proportion(&mut self, first: u64, end: u64, quantity: Quantity) -> Result<Quantity, Fault> {
        // Parts beyond those that are kept have nothing.
        let kept = self.first.saturating_add((self.quantities.len() / QUANTITY_BYTES) as u64);
        let parts = first.max(self.first)..end.min(kept);
        let whole = parts.clone().try_fold(Quantity::ZERO, |sum, part| sum.plus(self.get(part)))?;
        let taken = whole.min(quantity);
        let (mut upto, mut given) = (Quantity::ZERO, 0);
        for part in parts {
            let has = self.get(part);
            if has == Quantity::ZERO {
                continue;
            }
            upto = upto.plus(has)?;
            let due = share_floor(taken.0, upto.0, whole.0).ok_or(Fault::OVERFLOW)?;
            self.set(part, has.minus(Quantity(due - core::mem::replace(&mut given, due)))?)?;
        }
        quantity.minus(taken)
    }

    /// Changes each part of a window by its share: what it is then, and what of the share it could not take. Gives what falls
    /// into forgotten parts, and what could not be taken.
    fn change(
        &mut self,
        grid: Grid,
        window: Window,
        quantity: Quantity,
        change: impl Fn(Quantity, Quantity) -> Result<(Quantity, Quantity), Fault>,
    ) -> Result<(Quantity, Quantity), Fault> {
        let length = window.to.0.checked_sub(window.from.0).filter(|length| *length > 0).ok_or(Fault::STATE)?;
        let last = grid.part_of(Time(window.to.0 - 1));
        let upto = |time: Time| {
            let passed = time.min(window.to).0.saturating_sub(window.from.0);
            share_floor(quantity.0, passed, length).map(Quantity).ok_or(Fault::OVERFLOW)
        };
        // What is forgotten is passed over at once, however long it was.
        let first = grid.part_of(window.from).max(self.first);
        let mut so_far = if first == grid.part_of(window.from) { Quantity::ZERO } else { upto(grid.begin_of(first)?)? };
        let (forgotten, mut short) = (so_far, Quantity::ZERO);
        for part in first..=last {
            let by_end = upto(grid.begin_of(part.saturating_add(1))?)?;
            let share = by_end.minus(core::mem::replace(&mut so_far, by_end))?;
            let (changed, missing) = change(self.get(part), share)?;
            short = short.plus(missing)?;
            self.set(part, changed)?;
        }
        Ok((forgotten, short))
    }

    fn set(&mut self, part: u64, quantity: Quantity) -> Result<(), Fault> {
        let place = self.place(part).filter(|place| *place < MAX_PARTS * QUANTITY_BYTES).ok_or(Fault::OVERFLOW)?;
        if self.quantities.len() < place + QUANTITY_BYTES {
            self.quantities.resize(place + QUANTITY_BYTES, 0);
        }
        let bytes = self.quantities.get_mut(place..place + QUANTITY_BYTES).ok_or(Fault::STATE)?;
        bytes.copy_from_slice(&quantity.0.to_le_bytes());
        Ok(())
    }
}

/// A quantity below zero.
fn negative(quantity: Quantity) -> Result<i64, Fault> {
    i64::try_from(quantity.0).map(|quantity| -quantity).map_err(|_| Fault::OVERFLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid::new(Time(100), 10).unwrap()
    }

    fn window(from: u64, to: u64) -> Window {
        Window { from: Time(from), to: Time(to) }
    }

    #[test]
    fn what_spans_several_parts_is_shared_by_time_and_adds_up() {
        let mut series = Series::default();
        series.add(grid(), window(105, 125), Quantity(7)).unwrap();
        assert_eq!([0, 1, 2, 3].map(|part| series.get(part).0), [1, 4, 2, 0]);
        assert_eq!(series.until(), Time(125));
    }

    #[test]
    fn what_is_kept_in_a_slot_is_the_same_again() {
        let mut series = Series::default();
        series.add(grid(), window(100, 130), Quantity(9)).unwrap();
        series.forget_before(1);
        let again = Series::of(&series.slot()).unwrap();
        assert_eq!((&again, again.get(0), again.get(1)), (&series, Quantity(0), Quantity(3)));
        assert_eq!([8, 17, 25].map(|length| Series::of(&alloc::vec![0; length])), [const { Err(Fault::STATE) }; 3]);
    }

    #[test]
    fn what_is_forgotten_stands_still_and_what_comes_of_it_is_late() {
        let mut series = Series::default();
        series.forget_before(1);
        series.add(grid(), window(100, 120), Quantity(8)).unwrap();
        assert_eq!(([0, 1].map(|part| series.get(part).0), series.late()), ([0, 4], 4));
        series.forget_before(9);
        assert_eq!(series.get(1), Quantity(0));
    }

    #[test]
    fn a_list_is_what_each_part_has_brought() {
        let mut series = Series::default();
        series.add(grid(), window(100, 150), Quantity(50)).unwrap();
        series.forget_before(2);
        for (first, count) in [(0, 9), (2, 3), (3, 1), (4, 4), (9, 2), (0, 1), (u64::MAX, 2)] {
            let expected: Vec<Quantity> = (0..count).map(|part| series.get(first.saturating_add(part))).collect();
            assert_eq!(series.list(first, count), Ok(expected), "{count} from {first} on");
        }
        assert_eq!(series.list(0, 1 << 40), Err(Fault::OVERFLOW));
    }

    #[test]
    fn what_did_not_come_is_taken_off_and_what_is_less_than_nothing_is_late() {
        let mut series = Series::default();
        series.add(grid(), window(100, 110), Quantity(8)).unwrap();
        series.take_off(grid(), window(100, 110), Quantity(9)).unwrap();
        assert_eq!((series.get(0), series.late()), (Quantity(0), -1));
        series.add(grid(), window(110, 130), Quantity(4)).unwrap();
        series.count_late(1, 2).unwrap();
        assert_eq!([1, 2].map(|part| series.get(part).0), [2, 1]);
        assert_eq!(series.late(), 0);
    }

    #[test]
    fn what_a_part_cannot_give_is_taken_off_the_others_of_its_window() {
        // Twelve hours of a thousand and twelve of nothing, which a correction spreads over evenly.
        for (less, day) in [(12_000, 0), (6_000, 500), (2_400, 800)] {
            let mut series = Series::default();
            series.add(grid(), window(100, 220), Quantity(12_000)).unwrap();
            series.add(grid(), window(220, 340), Quantity(0)).unwrap();
            series.add(grid(), window(340, 350), Quantity(7)).unwrap();
            series.take_off(grid(), window(100, 340), Quantity(less)).unwrap();
            assert_eq!(series.list(0, 12), Ok(Vec::from([Quantity(day); 12])), "{less} less");
            assert_eq!((series.list(12, 12), series.late()), (Ok(Vec::from([Quantity(0); 12])), 0));
            assert_eq!(series.get(24), Quantity(7), "what lies outside of it stays");
        }
    }

    #[test]
    fn corrections_add_up_in_whatever_order_they_come() {
        let of = |order: [(u64, u64, u64); 3]| {
            let mut series = Series::default();
            series.add(grid(), window(100, 140), Quantity(40)).unwrap();
            order.into_iter().for_each(|(from, to, less)| {
                series.take_off(grid(), window(from, to), Quantity(less)).unwrap();
            });
            (series.list(0, 4).unwrap().iter().map(|part| part.0).sum::<u64>() as i64, series.late())
        };
        let [a, b, c] = [(100, 140, 20), (100, 110, 10), (130, 140, 9)];
        let all = [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]].map(of);
        assert!(all.iter().all(|(kept, late)| kept + late == 1), "{all:?}");
    }

    #[test]
    fn what_comes_of_forgotten_parts_is_late_and_counts_where_the_contract_says() {
        let mut series = Series::default();
        series.add(grid(), window(100, 120), Quantity(20)).unwrap();
        series.forget_before(1);
        series.take_off(grid(), window(100, 120), Quantity(8)).unwrap();
        assert_eq!((series.get(1), series.late()), (Quantity(6), -4));
        series.add(grid(), window(100, 110), Quantity(9)).unwrap();
        assert_eq!(series.late(), 5);
        series.count_late(1, 1).unwrap();
        assert_eq!((series.get(1), series.late()), (Quantity(11), 0));
        series.take_off(grid(), window(100, 110), Quantity(15)).unwrap();
        series.count_late(1, 1).unwrap();
        assert_eq!((series.get(1), series.late()), (Quantity(0), -4), "what is more than there is waits on");
        assert_eq!(Series::of(&series.slot()), Ok(series));
    }

    #[test]
    fn more_than_a_slot_holds_is_a_fault() {
        let mut series = Series::default();
        let last = 100 + 10 * MAX_PARTS as u64;
        series.add(grid(), window(last - 10, last), Quantity(1)).unwrap();
        assert_eq!(series.slot().len(), 4_096);
        assert_eq!(series.add(grid(), window(last, last + 10), Quantity(1)), Err(Fault::OVERFLOW));
        assert_eq!(series.add(grid(), window(110, 110), Quantity(1)), Err(Fault::STATE));
    }
}
