//! A meter's registers at a mark, worked out again from its certified readings and what corrected them.

use utilidor_program::bands;
use utilidor_program::contract::{higher_demand, is_higher_power};
use utilidor_types::event::{Event, MeterSegment};
use utilidor_types::package::Calendar;
use utilidor_types::{Bands, Certificate, MeterId, Quantity, Timestamp, Window};

/// A correction of what was certified for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// The meter.
    pub meter: MeterId,
    /// The time.
    pub interval: Window,
    /// What was certified.
    pub certified: Quantity,
    /// What is right.
    pub right: Quantity,
}

impl Correction {
    /// The correction that an event tells of.
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Corrected { meter, interval, certified, right, .. } => {
                Some(Self { meter: *meter, interval: *interval, certified: *certified, right: *right })
            }
            _ => None,
        }
    }

    /// Whether it changes the registers at a segment's end, if it came before the segment was told.
    pub fn changes(&self, segment: &MeterSegment) -> bool {
        self.meter == segment.meter && overlap(self.interval, segment.interval).is_some()
    }
}

fn overlap(one: Window, other: Window) -> Option<Window> {
    let both = Window { from: one.from.max(other.from), to: one.to.min(other.to) };
    (!both.is_empty()).then_some(both)
}

/// Whether the registers at a segment's end follow from those at its begin, the meter's certified readings, which stand by rising time
/// and reach from before the segment's begin to its end or beyond, and the corrections that came before it was told. With the
/// supply's calendar every band is compared, without it all bands together. The highest demand follows from the readings too.
pub fn check_segment(
    segment: &MeterSegment,
    calendar: Option<(&Calendar, i16)>,
    certificates: &[&Certificate],
    corrections: &[Correction],
) -> Result<(), String> {
    const RANGE: &str = "the registers leave their range";
    let interval = segment.interval;
    let first = certificates.partition_point(|certificate| certificate.interval.to <= interval.from);
    let mut reached = interval.from;
    let mut passed = Bands::ZERO;
    let mut demand = (Quantity::ZERO, 0);
    let flat = Calendar::default();
    let (cut_by, offset) = calendar.unwrap_or((&flat, 0));
    for certificate in &certificates[first..] {
        if reached >= interval.to {
            break;
        }
        if certificate.interval.from > reached {
            return Err(uncovered(reached));
        }
        let part = Window { from: reached, to: certificate.interval.to.min(interval.to) };
        let bands = bands::part(cut_by, offset, certificate.interval, certificate.quantity, part);
        passed = passed.checked_add(&bands).ok_or(RANGE)?;
        reached = part.to;
        if certificate.interval.to == reached {
            demand = higher_demand(demand, certificate.quantity, certificate.interval.ms());
        }
    }
    if reached < interval.to {
        return Err(uncovered(reached));
    }
    for Correction { interval: of, certified, right, .. } in
        corrections.iter().filter(|each| each.meter == segment.meter)
    {
        let Some(part) = overlap(*of, interval) else { continue };
        let bands = bands::part(cut_by, offset, *of, Quantity(certified.0.abs_diff(right.0)), part);
        let corrected = if right > certified { passed.checked_add(&bands) } else { passed.checked_sub(&bands) };
        passed = corrected.ok_or(RANGE)?;
    }
    let claimed = segment.passed().ok_or("its registers go back")?;
    let same = match calendar {
        Some(_) => passed == claimed,
        None => passed.total() == claimed.total(),
    };
    if !same {
        let [passed, claimed] = [passed, claimed].map(|bands| bands.0.map(|band| band.0.to_string()).join(", "));
        return Err(format!("by band the readings add up to {passed} (J or mL), its registers differ by {claimed}"));
    }
    if !interval.is_empty() && (is_higher_power(demand, segment.peak) || is_higher_power(segment.peak, demand)) {
        let told = |(quantity, ms): (Quantity, u32)| format!("{} J or mL in {ms} ms", quantity.0);
        return Err(format!("the highest demand read is {}, it says {}", told(demand), told(segment.peak)));
    }
    Ok(())
}

fn uncovered(from: Timestamp) -> String {
    format!("no certified reading covers the time from {from}")
}
