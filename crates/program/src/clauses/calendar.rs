//! Periods by the local calendar, and which hours of the day belong to which band.

use super::{Cadence, Periods, Sheet};
use crate::contract::{Fault, OVERFLOW};
use utilidor_types::time::{DAY_MS, Date, HOUR_MS, MAX_TIMESTAMP};
use utilidor_types::{Timestamp, Window};

impl Periods {
    /// Begin of a period, counted from 0; the one after the last begins with the end.
    pub fn begin_of(&self, period: u32) -> Result<Timestamp, Fault> {
        match self.cadence {
            Cadence::Day => u64::from(period).checked_mul(DAY_MS).and_then(|ms| self.begin.checked_add_ms(ms)),
            Cadence::Month => {
                let first = self.begin.date(self.offset_minutes);
                first.first_of_month_after(period).midnight(self.offset_minutes)
            }
        }
        .ok_or(OVERFLOW)
    }

    /// A period.
    pub fn window(&self, period: u32) -> Result<Window, Fault> {
        let next = period.checked_add(1).ok_or(OVERFLOW)?;
        Ok(Window { from: self.begin_of(period)?, to: self.begin_of(next)? })
    }

    /// The end of the last.
    pub fn end(&self) -> Result<Timestamp, Fault> {
        self.begin_of(self.count.into())
    }

    /// When a period is settled.
    pub fn settles(&self, period: u32) -> Result<Timestamp, Fault> {
        let end = self.window(period)?.to;
        end.checked_add_ms(u64::from(self.grace_hours) * HOUR_MS).ok_or(OVERFLOW)
    }

    /// The period in which a time lies; what lies before the first counts to it, what comes after the last to the last.
    pub fn period_of(&self, time: Timestamp) -> u32 {
        let time = time.max(self.begin);
        let period = match self.cadence {
            Cadence::Day => u32::try_from((time.0 - self.begin.0) / DAY_MS).unwrap_or(u32::MAX),
            Cadence::Month => {
                let months = |date: Date| i64::from(date.year) * 12 + i64::from(date.month);
                let passed = months(time.date(self.offset_minutes)) - months(self.begin.date(self.offset_minutes));
                u32::try_from(passed).unwrap_or(0)
            }
        };
        period.min(u32::from(self.count).saturating_sub(1))
    }
}

impl Sheet {
    /// The band of an hour of the day: 0 is none.
    fn band_of_hour(&self, hour: u16) -> u8 {
        let band = (1u8..).zip(&self.bands).find(|(_, band)| band.hours >> hour & 1 == 1);
        band.map_or(0, |(place, _)| place)
    }

    /// The band in which a time lies.
    pub(super) fn band_at(&self, time: Timestamp) -> u8 {
        self.band_of_hour(time.minute_of_day(self.periods.offset_minutes) / 60)
    }

    /// The next time at which a period or a band ends, up to the end of the last period; none from there on.
    pub(super) fn edge_after(&self, time: Timestamp) -> Result<Option<Timestamp>, Fault> {
        let periods = &self.periods;
        if time < periods.begin {
            return Ok(Some(periods.begin));
        }
        let end = periods.end()?;
        if time >= end {
            return Ok(None);
        }
        let period = periods.window(periods.period_of(time))?.to;
        if self.bands.is_empty() {
            return Ok(Some(period));
        }
        let (band, minute) = (self.band_at(time), time.minute_of_day(periods.offset_minutes));
        let into_hour = u64::from(minute % 60) * 60_000 + time.0 % 60_000;
        let next = (1u16..=24).find(|hours| self.band_of_hour((minute / 60 + hours) % 24) != band);
        let edge = next.map(|hours| time.0 - into_hour + u64::from(hours) * HOUR_MS);
        Ok(Some(Timestamp(edge.unwrap_or(MAX_TIMESTAMP.0)).min(period)))
    }
}
