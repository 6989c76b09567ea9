//! Time in equal parts: the hours of a key, the months of a bill.

use crate::wire::{Fault, Time, Window};

/// Milliseconds of a minute.
pub const MINUTE_MS: u64 = 60_000;
/// Milliseconds of an hour.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
/// Milliseconds of a day.
pub const DAY_MS: u64 = 24 * HOUR_MS;

/// Day of the week of a time in UTC, 0 for Monday: 1 January 1970 was a Thursday.
pub const fn weekday(time: Time) -> u64 {
    (time.0 / DAY_MS + 3) % 7
}

/// Equal parts of time, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    begin: Time,
    part_ms: u64,
}

impl Grid {
    /// From a begin on; a fault if the parts have no length.
    pub const fn new(begin: Time, part_ms: u64) -> Result<Self, Fault> {
        if part_ms == 0 { Err(Fault::PARAMETERS) } else { Ok(Self { begin, part_ms }) }
    }

    /// Begin of a part.
    pub fn begin_of(&self, part: u64) -> Result<Time, Fault> {
        let ms = part.checked_mul(self.part_ms).ok_or(Fault::OVERFLOW)?;
        self.begin.0.checked_add(ms).map(Time).ok_or(Fault::OVERFLOW)
    }

    /// A part.
    pub fn window(&self, part: u64) -> Result<Window, Fault> {
        Ok(Window { from: self.begin_of(part)?, to: self.begin_of(part.saturating_add(1))? })
    }

    /// The part in which a time lies; what lies before the begin counts to the first one.
    pub const fn part_of(&self, time: Time) -> u64 {
        time.0.saturating_sub(self.begin.0) / self.part_ms
    }

    /// The first begin of a part, or end of one, after a time.
    pub fn next_after(&self, time: Time) -> Result<Time, Fault> {
        if time < self.begin { Ok(self.begin) } else { self.begin_of(self.part_of(time).saturating_add(1)) }
    }

    /// The mark that follows a time: the next begin of a part; none after an end.
    pub fn mark_after(&self, time: Time, end: Time) -> Result<Option<Time>, Fault> {
        let next = self.next_after(time)?;
        Ok((next <= end).then_some(next))
    }

    /// How many parts a time is long; a fault if they are not whole ones, or none.
    pub const fn parts_in(&self, ms: u64) -> Result<u64, Fault> {
        if ms > 0 && ms.is_multiple_of(self.part_ms) { Ok(ms / self.part_ms) } else { Err(Fault::PARAMETERS) }
    }
}

/// Periods of a contract, each settled when the grace time for late readings after it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Periods {
    grid: Grid,
    count: u64,
    grace_ms: u64,
}

impl Periods {
    /// So many from a begin on; a fault if there is none.
    pub fn new(begin: Time, period_ms: u64, count: u64, grace_ms: u64) -> Result<Self, Fault> {
        let periods = Self { grid: Grid::new(begin, period_ms)?, count, grace_ms };
        if count == 0 { Err(Fault::PARAMETERS) } else { Ok(periods) }
    }

    /// The periods without their number.
    pub const fn grid(&self) -> Grid {
        self.grid
    }

    /// Begin of the first.
    pub const fn begin(&self) -> Time {
        self.grid.begin
    }

    /// How long one is.
    pub const fn period_ms(&self) -> u64 {
        self.grid.part_ms
    }

    /// How long after its end one is settled.
    pub const fn grace_ms(&self) -> u64 {
        self.grace_ms
    }

    /// Begin of a period, counted from 0.
    pub fn begin_of(&self, period: u64) -> Result<Time, Fault> {
        self.grid.begin_of(period)
    }

    /// A period.
    pub fn window(&self, period: u64) -> Result<Window, Fault> {
        self.grid.window(period)
    }

    /// End of the last.
    pub fn end(&self) -> Result<Time, Fault> {
        self.grid.begin_of(self.count)
    }

    /// When a period is settled.
    pub fn settles(&self, period: u64) -> Result<Time, Fault> {
        self.window(period)?.to.0.checked_add(self.grace_ms).map(Time).ok_or(Fault::OVERFLOW)
    }

    /// Whether no period follows.
    pub const fn is_last(&self, period: u64) -> bool {
        period.saturating_add(1) >= self.count
    }

    /// The mark that follows a time: the next begin of a period, or the end of the last; none after that.
    pub fn mark_after(&self, time: Time) -> Result<Option<Time>, Fault> {
        self.grid.mark_after(time, self.end()?)
    }

    /// Equal parts of the periods, and how many each has. A fault if they do not divide a period, or if a period and its grace
    /// time have more than so many.
    pub fn divide(&self, part_ms: u64, most: u64) -> Result<(Grid, u64), Fault> {
        let parts = Grid::new(self.begin(), part_ms)?;
        let each = parts.parts_in(self.period_ms())?;
        let open = each.saturating_add(self.grace_ms.div_ceil(part_ms));
        if open > most { Err(Fault::PARAMETERS) } else { Ok((parts, each)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_the_part_that_begins_with_it() {
        let grid = Grid::new(Time(100), 10).unwrap();
        assert_eq!([99, 100, 109, 110].map(|time| grid.part_of(Time(time))), [0, 0, 0, 1]);
        assert_eq!(
            [99, 100, 109, 110].map(|time| grid.next_after(Time(time))),
            [100, 110, 110, 120].map(|t| Ok(Time(t)))
        );
        assert_eq!(grid.begin_of(u64::MAX), Err(Fault::OVERFLOW));
        assert_eq!(
            (grid.parts_in(30), grid.parts_in(35), grid.parts_in(0)),
            (Ok(3), Err(Fault::PARAMETERS), Err(Fault::PARAMETERS))
        );
    }

    #[test]
    fn periods_have_a_length_and_a_number_and_no_mark_after_the_last() {
        assert_eq!(Periods::new(Time(0), 0, 1, 0), Err(Fault::PARAMETERS));
        assert_eq!(Periods::new(Time(0), 1, 0, 0), Err(Fault::PARAMETERS));
        let periods = Periods::new(Time(100), 10, 2, 5).unwrap();
        assert_eq!((periods.settles(1), periods.is_last(0), periods.is_last(1)), (Ok(Time(125)), false, true));
        assert_eq!(periods.mark_after(Time(119)), Ok(Some(Time(120))));
        assert_eq!(periods.mark_after(Time(120)), Ok(None));
        assert_eq!(periods.divide(5, 3), Ok((Grid::new(Time(100), 5).unwrap(), 2)));
        assert_eq!(periods.divide(5, 2), Err(Fault::PARAMETERS), "the grace time counts");
        assert_eq!(periods.divide(4, 9), Err(Fault::PARAMETERS));
    }

    #[test]
    fn the_first_of_july_2019_was_a_monday() {
        assert_eq!(weekday(Time(1_561_939_200_000)), 0);
    }
}
