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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use utilidor_types::Bounded;
    use utilidor_types::package::{BandStretch, EVERY_DAY, EVERY_MONTH};

    const KWH: u64 = 3_600_000;

    fn at(year: i32, month: u8, day: u8, hour: u64, offset_minutes: i16) -> Timestamp {
        let midnight = Date { year, month, day }.midnight(offset_minutes).unwrap();
        Timestamp(midnight.0 + hour * 2 * HALF_HOUR_MS)
    }

    fn stretch(band: Band, days: u8, from_half_hour: u8, to_half_hour: u8) -> BandStretch {
        BandStretch { band, months: EVERY_MONTH, days, from_half_hour, to_half_hour }
    }

    fn calendar(stretches: Vec<BandStretch>, holidays: Vec<u16>) -> Calendar {
        Calendar { stretches: Bounded::new(stretches).unwrap(), holidays: Bounded::new(holidays).unwrap() }
    }

    fn night() -> Calendar {
        calendar(vec![stretch(Band::Valley, EVERY_DAY, 0, 14)], vec![])
    }

    #[test]
    fn twenty_five_hours_are_cut_at_every_edge() {
        let interval = Window { from: at(2026, 1, 10, 0, 0), to: at(2026, 1, 11, 1, 0) };
        let bands = split(&night(), 0, interval, Quantity(25 * KWH));
        assert_eq!(bands.of(Band::Valley), Quantity(8 * KWH));
        assert_eq!(bands.of(Band::Flat), Quantity(17 * KWH));
        assert_eq!(days(&night(), 0, interval), 2);
        assert_eq!(days(&Calendar::default(), 0, interval), 0);
    }

    #[test]
    fn half_hours_of_the_offset_are_local_ones() {
        let interval = Window { from: at(2026, 1, 10, 6, 330), to: at(2026, 1, 10, 8, 330) };
        let bands = split(&night(), 330, interval, Quantity(100 * KWH));
        assert_eq!((bands.of(Band::Valley), bands.of(Band::Flat)), (Quantity(50 * KWH), Quantity(50 * KWH)));
    }

    #[test]
    fn weekdays_holidays_half_hours_and_five_bands() {
        let weekend = 1 << 5 | 1 << 6;
        // 1 October 2026 is a Thursday and a holiday.
        let holiday = Date { year: 2026, month: 10, day: 1 }.to_days() as u16;
        let stretches = vec![
            stretch(Band::Deep, 1 << 7, 24, 28),
            stretch(Band::Valley, weekend | 1 << 7, 0, 48),
            stretch(Band::Sharp, EVERY_DAY, 37, 39),
            stretch(Band::Peak, EVERY_DAY, 36, 42),
        ];
        let calendar = calendar(stretches, vec![holiday]);
        let of = |day: Date| {
            let (from, to) = (day.midnight(480).unwrap(), Date::from_days(day.to_days() + 1).midnight(480).unwrap());
            split(&calendar, 480, Window { from, to }, Quantity(48)).0.map(|quantity| quantity.0)
        };
        assert_eq!(of(Date { year: 2026, month: 9, day: 30 }), [42, 2, 4, 0, 0], "a Wednesday");
        assert_eq!(of(Date { year: 2026, month: 10, day: 1 }), [0, 0, 0, 44, 4], "a holiday");
        assert_eq!(of(Date { year: 2026, month: 10, day: 3 }), [0, 0, 0, 48, 0], "a Saturday");
    }

    #[test]
    fn no_number_overflows() {
        let ends = [0, 1, MAX_TIMESTAMP.0 - 1, MAX_TIMESTAMP.0, MAX_TIMESTAMP.0 + 1, u64::MAX];
        for (from, to) in ends.iter().flat_map(|from| ends.iter().map(move |to| (*from, *to))) {
            let interval = Window { from: Timestamp(from), to: Timestamp(to) };
            for offset in [i16::MIN, -840, 0, 840, i16::MAX] {
                let bands = split(&night(), offset, interval, Quantity(u64::MAX));
                assert_eq!(bands.total(), Some(Quantity(u64::MAX)), "{from} to {to}");
                value_at(Quantity(1), Quantity(u64::MAX), interval, MAX_TIMESTAMP);
                value_at(Quantity(u64::MAX), Quantity(1), interval, MAX_TIMESTAMP);
                days(&night(), offset, interval);
            }
        }
        let full = Bands([Quantity(u64::MAX); BANDS]);
        assert_eq!(share(&full, Quantity(u64::MAX)).total(), Some(Quantity(u64::MAX)));
    }

    #[test]
    fn an_empty_interval_belongs_to_its_instant() {
        let time = at(2026, 1, 10, 3, 0);
        let bands = split(&night(), 0, Window { from: time, to: time }, Quantity(7));
        assert_eq!(bands.of(Band::Valley), Quantity(7));
    }

    prop_compose! {
        fn any_stretch()(band in 0..BANDS, months in 1u16..1 << 12, days in 1u8.., from in 0u8..48, length in 1u8..48)
            -> BandStretch {
            let to_half_hour = from.saturating_add(length).min(48);
            BandStretch { band: Band::ALL[band], months, days, from_half_hour: from, to_half_hour }
        }
    }

    prop_compose! {
        fn any_calendar()(
            stretches in proptest::collection::vec(any_stretch(), 0..6),
            holidays in proptest::collection::btree_set(20_454u16..20_554, 0..8),
        ) -> Calendar {
            calendar(stretches, holidays.into_iter().collect())
        }
    }

    const BEGIN: u64 = 20_454 * DAY_MS;

    proptest! {
        #[test]
        fn every_half_hour_has_the_band_of_its_instants(
            calendar in any_calendar(), half_hour in 0u64..4_800, offset in -14i16..14, pieces in 1u64..200,
        ) {
            let offset = offset * 30;
            let from = Timestamp(BEGIN + half_hour * HALF_HOUR_MS);
            let interval = Window { from, to: Timestamp(from.0 + pieces * HALF_HOUR_MS) };
            let mut expected = Bands::ZERO;
            for piece in 0..pieces {
                let band = calendar.band_at(Timestamp(from.0 + piece * HALF_HOUR_MS), offset);
                expected.0[band as usize].0 += 3;
            }
            prop_assert_eq!(split(&calendar, offset, interval, Quantity(3 * pieces)), expected);
        }

        #[test]
        fn parts_add_up_and_readings_on_the_line_change_nothing(
            calendar in any_calendar(), from in 0u64..100, ms in 1u64..40 * DAY_MS, quantity in any::<u64>(),
            cuts in proptest::collection::btree_set(0u64..40 * DAY_MS, 0..6), pace in 1u64..1_000, hours in 2u64..900,
        ) {
            let from = Timestamp(BEGIN + from * HALF_HOUR_MS);
            let interval = Window { from, to: Timestamp(from.0 + ms) };
            let whole = split(&calendar, 480, interval, Quantity(quantity));
            prop_assert_eq!(whole.total(), Some(Quantity(quantity)));
            let times: Vec<_> = cuts.iter().map(|cut| Timestamp(from.0 + cut % ms)).collect::<std::collections::BTreeSet<_>>()
                .into_iter().collect();
            let parts = cut(&calendar, 480, interval, Quantity(quantity), &times);
            let sum = parts.iter().try_fold(Bands::ZERO, |sum, part| sum.checked_add(part));
            prop_assert_eq!(sum, Some(whole));

            // A pace of so many units an hour: readings on the hour lie exactly on the line.
            let hour = 2 * HALF_HOUR_MS;
            let at = |hours: u64| Timestamp(from.0 + hours * hour);
            let whole = split(&calendar, 480, Window { from, to: at(hours) }, Quantity(pace * hours));
            let middle = hours / 2;
            let first = split(&calendar, 480, Window { from, to: at(middle) }, Quantity(pace * middle));
            let second = Window { from: at(middle), to: at(hours) };
            let second = split(&calendar, 480, second, Quantity(pace * (hours - middle)));
            prop_assert_eq!(first.checked_add(&second), Some(whole));
        }

        #[test]
        fn shares_add_up_and_are_in_proportion(bands in any::<[u64; BANDS]>(), part in any::<u64>()) {
            let all = Bands(bands.map(Quantity));
            let shares = share(&all, Quantity(part));
            let whole: u128 = bands.iter().map(|quantity| u128::from(*quantity)).sum();
            let sum: u128 = shares.0.iter().map(|quantity| u128::from(quantity.0)).sum();
            prop_assert_eq!(sum, whole.min(part.into()));
            prop_assert!(all.checked_sub(&shares).is_some());
        }
    }
}
