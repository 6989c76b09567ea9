//! Cutting an interval between two readings at the edges of time-of-use bands, and at any other times.
//!
//! Between two readings a register is taken to have risen in a straight line. Its value at a time is that of the line,
//! rounded down; what flowed in a part of the interval is the difference of the values at the part's ends. So parts add up
//! to the whole, and further readings that lie exactly on the line change nothing.
//!
//! An interval is gone through day by day, and in each day from edge to edge of the stretches that apply on it; its cost
//! is told by [`days`].
//!
//! Deliberately absent: prices and factors.

use crate::exact::share_floor;
use utilidor_types::package::{BANDS, Band, Calendar, local_day};
use utilidor_types::time::{DAY_MS, Date, MAX_TIMESTAMP};
use utilidor_types::{Bands, Quantity, Timestamp, Window};

const HALF_HOUR_MS: u64 = 30 * 60_000;

/// The register at `at`, rounded down, if it went in a straight line from `before` to `after` in `interval`. Outside the
/// interval it is what it was at the nearer end.
pub fn value_at(before: Quantity, after: Quantity, interval: Window, at: Timestamp) -> Quantity {
    if at <= interval.from {
        return before;
    }
    if at >= interval.to {
        return after;
    }
    let passed = at.0 - interval.from.0;
    let risen = share_floor(after.saturating_sub(before).0, passed.into(), interval.ms().into());
    // What has risen is at most the difference, so the sum is at most `after`.
    Quantity(before.0 + risen)
}

/// What of `quantity`, which flowed in `interval`, belongs to which band. All of an empty interval belongs to its instant.
pub fn split(calendar: &Calendar, offset_minutes: i16, interval: Window, quantity: Quantity) -> Bands {
    let mut bands = Bands::ZERO;
    if interval.is_empty() {
        bands.0[band_from(calendar, offset_minutes, interval.from).0 as usize] = quantity;
        return bands;
    }
    part(calendar, offset_minutes, interval, quantity, interval)
}

/// What of `quantity`, which flowed in `interval`, flowed in `part` of it, by band. Parts that follow each other add up.
pub fn part(calendar: &Calendar, offset_minutes: i16, interval: Window, quantity: Quantity, part: Window) -> Bands {
    let value = |at| value_at(Quantity::ZERO, quantity, interval, at).0;
    let mut bands = Bands::ZERO;
    let (mut at, end) = (part.from.max(interval.from), part.to.min(interval.to));
    let mut begin = value(at);
    while at < end {
        let (band, until) = band_from(calendar, offset_minutes, at);
        at = until.min(end);
        let now = value(at);
        // The line never goes down, and all differences together are at most the quantity.
        bands.0[band as usize].0 += now - begin;
        begin = now;
    }
    bands
}

/// What of `quantity`, which flowed in `interval`, flowed before the first of `times`, between each two, and after the
/// last, by band. The times rise.
pub fn cut(
    calendar: &Calendar,
    offset_minutes: i16,
    interval: Window,
    quantity: Quantity,
    times: &[Timestamp],
) -> Vec<Bands> {
    if times.is_empty() {
        return vec![split(calendar, offset_minutes, interval, quantity)];
    }
    let begins = std::iter::once(interval.from).chain(times.iter().copied());
    let ends = times.iter().copied().chain(std::iter::once(interval.to));
    let piece = |(from, to)| part(calendar, offset_minutes, interval, quantity, Window { from, to });
    begins.zip(ends).map(piece).collect()
}

/// How many days are gone through to split an interval: its cost. Nothing where there is but one band.
pub fn days(calendar: &Calendar, offset_minutes: i16, interval: Window) -> u64 {
    if calendar.stretches.is_empty() || interval.is_empty() {
        return 0;
    }
    let last = Timestamp(interval.to.min(MAX_TIMESTAMP).0.saturating_sub(1));
    let days = local_day(last, offset_minutes) - local_day(interval.from.min(MAX_TIMESTAMP), offset_minutes);
    days.max(0) as u64 + 1
}

/// A part of what lies in several bands, in proportion by band: the cumulative share, rounded down, so that the shares add
/// up to the part. All of it from a part of all on.
pub fn share(bands: &Bands, part: Quantity) -> Bands {
    let whole: u128 = bands.0.iter().map(|quantity| u128::from(quantity.0)).sum();
    if u128::from(part.0) >= whole {
        return *bands;
    }
    let (mut shares, mut cumulative, mut given) = (Bands::ZERO, 0u128, 0u64);
    for band in 0..BANDS {
        cumulative += u128::from(bands.0[band].0);
        let share = share_floor(part.0, cumulative, whole);
        shares.0[band] = Quantity(share - given);
        given = share;
    }
    shares
}

/// The band of an instant, and the next instant at which another one may begin. What lies beyond the ledger's calendar
/// belongs to the band of its end.
fn band_from(calendar: &Calendar, offset_minutes: i16, at: Timestamp) -> (Band, Timestamp) {
    const NEVER: Timestamp = Timestamp(u64::MAX);
    if calendar.stretches.is_empty() {
        return (Band::Flat, NEVER);
    }
    if at >= MAX_TIMESTAMP {
        return (calendar.band_at(MAX_TIMESTAMP, offset_minutes), NEVER);
    }
    let day = local_day(at, offset_minutes);
    // Within the ledger's calendar a day is far from the ends of an i64.
    let midnight = day * DAY_MS as i64 - i64::from(offset_minutes) * 60_000;
    let half_hour = ((at.0 as i64 - midnight) as u64 / HALF_HOUR_MS) as u8;
    let (month, day) = (1 << (Date::from_days(day).month - 1), calendar.day_bit(day));
    let (mut band, mut edge) = (None, utilidor_types::package::HALF_HOURS);
    for stretch in calendar.stretches.iter().filter(|of| of.months & month != 0 && of.days & day != 0) {
        if band.is_none() && (stretch.from_half_hour..stretch.to_half_hour).contains(&half_hour) {
            band = Some(stretch.band);
        }
        for end in [stretch.from_half_hour, stretch.to_half_hour] {
            if end > half_hour {
                edge = edge.min(end);
            }
        }
    }
    let until = midnight + i64::from(edge) * HALF_HOUR_MS as i64;
    (band.unwrap_or(Band::Flat), Timestamp(until as u64))
}
