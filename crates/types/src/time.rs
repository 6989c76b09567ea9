//! Time on the ledger: the block's timestamp, in Unix milliseconds, and the little calendar arithmetic
//! that tariffs need. Offsets are fixed and written in the tariff: time zones never reach the rules.

use crate::encoding::invalid;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::io;

/// Milliseconds in a second.
pub const SECOND_MS: u64 = 1_000;
/// Milliseconds in an hour.
pub const HOUR_MS: u64 = 3_600_000;
/// Milliseconds in a day.
pub const DAY_MS: u64 = 24 * HOUR_MS;
/// The last instant that the ledger's calendar reaches: 2106-02-07, when whole seconds fill 32 bits.
pub const MAX_TIMESTAMP: Timestamp = Timestamp((u32::MAX as u64) * SECOND_MS);

/// Unix time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, BorshSerialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The largest whole number that every reader of JSON holds exactly. The ledger's calendar ends long before.
    pub const LARGEST: Self = Self((1 << 53) - 1);

    /// `self + ms`, or `None` beyond [`MAX_TIMESTAMP`].
    pub fn checked_add_ms(self, ms: u64) -> Option<Self> {
        self.0.checked_add(ms).map(Self).filter(|time| *time <= MAX_TIMESTAMP)
    }

    /// The civil date at a fixed offset from UTC.
    pub fn date(self, offset_minutes: i16) -> Date {
        let local = self.0 as i64 + i64::from(offset_minutes) * 60_000;
        Date::from_days(local.div_euclid(DAY_MS as i64))
    }

    /// Minutes since local midnight at a fixed offset from UTC.
    pub fn minute_of_day(self, offset_minutes: i16) -> u16 {
        let local = self.0 as i64 + i64::from(offset_minutes) * 60_000;
        (local.rem_euclid(DAY_MS as i64) / 60_000) as u16
    }

    /// RFC 3339 text in UTC.
    pub fn to_rfc3339(self) -> String {
        let date = self.date(0);
        let ms = self.0 % DAY_MS;
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year,
            date.month,
            date.day,
            ms / HOUR_MS,
            ms / 60_000 % 60,
            ms / 1_000 % 60,
            ms % 1_000
        )
    }
}

/// What is decoded is at most [`Timestamp::LARGEST`], so that every time that stands in a block is an exact number in JSON, in
/// refused actions too.
impl BorshDeserialize for Timestamp {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let time = Self(u64::deserialize_reader(reader)?);
        if time > Self::LARGEST {
            return Err(invalid(format_args!("{} ms is no time, at most {} is", time.0, Self::LARGEST.0)));
        }
        Ok(time)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.to_rfc3339())
    }
}

/// A half-open stretch of time: `from` belongs to it, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Window {
    /// First instant.
    pub from: Timestamp,
    /// First instant after.
    pub to: Timestamp,
}

impl Window {
    /// Length in milliseconds; zero for a window that ends before it begins.
    pub fn ms(self) -> u64 {
        self.to.0.saturating_sub(self.from.0)
    }

    /// Whether no instant belongs to the window.
    pub fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// The common part, in milliseconds.
    pub fn overlap_ms(self, other: Self) -> u64 {
        let from = self.from.max(other.from);
        let to = self.to.min(other.to);
        to.0.saturating_sub(from.0)
    }
}

/// A civil date of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// Year.
    pub year: i32,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
}

impl Date {
    /// The date `days` after 1970-01-01. Years are counted from March, so that the leap day comes last.
    pub fn from_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * march_month + 2) / 5 + 1) as u8;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 } as u8;
        let year = (year_of_era + era * 400 + i64::from(month <= 2)) as i32;
        Self { year, month, day }
    }

    /// Days after 1970-01-01.
    pub fn to_days(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let march_month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * march_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The first day of the month `months` later.
    pub fn first_of_month_after(self, months: u32) -> Self {
        let month = i64::from(self.year) * 12 + i64::from(self.month) - 1 + i64::from(months);
        Self { year: month.div_euclid(12) as i32, month: (month.rem_euclid(12) + 1) as u8, day: 1 }
    }

    /// Local midnight at the beginning of this date, at a fixed offset from UTC; `None` outside the ledger's calendar.
    pub fn midnight(self, offset_minutes: i16) -> Option<Timestamp> {
        let ms = self.to_days() * DAY_MS as i64 - i64::from(offset_minutes) * 60_000;
        u64::try_from(ms).ok().map(Timestamp).filter(|time| *time <= MAX_TIMESTAMP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_to_days_and_back() {
        for days in (-800_000..800_000).step_by(17) {
            assert_eq!(Date::from_days(days).to_days(), days);
        }
        assert_eq!(Date { year: 1970, month: 1, day: 1 }.to_days(), 0);
        assert_eq!(Date { year: 2000, month: 3, day: 1 }.to_days(), 11_017);
        assert_eq!(Date { year: 2025, month: 1, day: 1 }.to_days(), 20_089);
    }

    #[test]
    fn a_local_day_begins_before_the_utc_day_east_of_greenwich() {
        let midnight = Date { year: 2025, month: 1, day: 1 }.midnight(480).unwrap();
        assert_eq!(midnight.to_rfc3339(), "2024-12-31T16:00:00.000Z");
        assert_eq!(midnight.date(480), Date { year: 2025, month: 1, day: 1 });
        assert_eq!(midnight.minute_of_day(480), 0);
    }

    #[test]
    fn a_time_that_json_cannot_hold_is_not_decoded() {
        let decoded = |time: Timestamp| crate::encoding::decode::<Timestamp>(&crate::encoding::encode(&time), 8);
        assert_eq!(decoded(Timestamp::LARGEST).unwrap(), Timestamp::LARGEST);
        assert!(decoded(Timestamp(Timestamp::LARGEST.0 + 1)).is_err());
        assert!(decoded(Timestamp(u64::MAX)).is_err());
    }

    #[test]
    fn months_carry_into_the_next_year() {
        assert_eq!(
            Date { year: 2025, month: 11, day: 30 }.first_of_month_after(3),
            Date { year: 2026, month: 2, day: 1 }
        );
    }
}
