//! What flowed between two readings, as far as anybody knows: a straight line (docs/adr/0012).
//!
//! The value at any time is interpolated and rounded down, and what flowed in a part is the difference of the values at its
//! ends. So parts add up, and a further reading that lies exactly on the line changes none of them.

use utilidor_types::package::{Band, Calendar, HALF_HOURS, local_day};
use utilidor_types::time::DAY_MS;
use utilidor_types::{Bands, Quantity, Timestamp, Window};

/// Milliseconds in half an hour.
const HALF_HOUR_MS: u64 = DAY_MS / HALF_HOURS as u64;

/// What flowed in an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// The interval.
    pub interval: Window,
    /// All that flowed in it.
    pub quantity: Quantity,
}

impl Line {
    /// What has flowed up to a time, rounded down.
    pub fn up_to(&self, time: Timestamp) -> Quantity {
        let (ms, whole) = (time.0.saturating_sub(self.interval.from.0), self.interval.ms());
        if ms >= whole { self.quantity } else { self.quantity.share_floor(ms, whole) }
    }

    /// What flowed in a part.
    pub fn in_part(&self, part: Window) -> Quantity {
        self.up_to(part.to).saturating_sub(self.up_to(part.from))
    }

    /// What flowed in a part, in one band.
    pub fn flat(&self, part: Window) -> Bands {
        let mut bands = Bands::ZERO;
        bands.0[Band::Flat as usize] = self.in_part(part);
        bands
    }

    /// What flowed in a part, by the bands of a calendar: it is cut wherever the band changes. Takes as long as the part has
    /// days.
    pub fn bands(&self, part: Window, calendar: &Calendar, offset_minutes: i16) -> Bands {
        let mut bands = Bands::ZERO;
        let mut from = part.from;
        while from < part.to {
            let band = calendar.band_at(from, offset_minutes);
            let to = next_edge(calendar, from, offset_minutes).min(part.to);
            let quantity = self.in_part(Window { from, to });
            let sum = &mut bands.0[band as usize];
            *sum = Quantity(sum.0.saturating_add(quantity.0));
            from = to;
        }
        bands
    }
}

/// The next time at which a stretch of a calendar begins or ends, or a day does.
fn next_edge(calendar: &Calendar, time: Timestamp, offset_minutes: i16) -> Timestamp {
    let day = local_day(time, offset_minutes);
    let midnight = i128::from(day) * i128::from(DAY_MS) - i128::from(offset_minutes) * 60_000;
    let in_day = i128::from(time.0) - midnight;
    let edges = calendar.stretches.iter().flat_map(|stretch| [stretch.from_half_hour, stretch.to_half_hour]);
    let edges = edges.chain([HALF_HOURS]).map(|edge| i128::from(edge) * i128::from(HALF_HOUR_MS));
    let next = edges.filter(|edge| *edge > in_day).min().unwrap_or(i128::from(DAY_MS));
    Timestamp(u64::try_from(midnight + next).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::package::{BandStretch, EVERY_DAY, EVERY_MONTH};
    use utilidor_types::time::HOUR_MS;

    fn window(from: u64, to: u64) -> Window {
        Window { from: Timestamp(from), to: Timestamp(to) }
    }

    fn night_until_seven() -> Calendar {
        let night = BandStretch {
            band: Band::Valley,
            months: EVERY_MONTH,
            days: EVERY_DAY,
            from_half_hour: 0,
            to_half_hour: 14,
        };
        Calendar { stretches: vec![night].try_into().unwrap(), ..Calendar::default() }
    }

    #[test]
    fn parts_add_up_wherever_a_line_is_cut() {
        let line = Line { interval: window(1_000, 8_000), quantity: Quantity(1_001) };
        for cut in 1_000..=8_000 {
            let parts = line.in_part(window(1_000, cut)).0 + line.in_part(window(cut, 8_000)).0;
            assert_eq!(parts, 1_001);
        }
    }

    #[test]
    fn a_gap_of_twenty_five_hours_has_eight_at_night() {
        let line = Line { interval: window(0, 25 * HOUR_MS), quantity: Quantity(25) };
        let bands = line.bands(line.interval, &night_until_seven(), 0);
        assert_eq!((bands.of(Band::Valley), bands.of(Band::Flat)), (Quantity(8), Quantity(17)));
    }

    #[test]
    fn night_ends_at_half_past_one_in_utc_where_the_offset_is_half_an_hour() {
        // 6:00 to 8:00 at +5:30.
        let line = Line { interval: window(DAY_MS + HOUR_MS / 2, DAY_MS + 5 * HOUR_MS / 2), quantity: Quantity(100) };
        let bands = line.bands(line.interval, &night_until_seven(), 330);
        assert_eq!((bands.of(Band::Valley), bands.of(Band::Flat)), (Quantity(50), Quantity(50)));
    }
}
