//! A meter's registers at a mark, worked out again from its certified readings.

use utilidor_program::bands;
use utilidor_types::event::MeterSegment;
use utilidor_types::package::Calendar;
use utilidor_types::{Bands, Certificate, Window};

/// Whether the registers at a segment's end follow from those at its begin and the meter's certified readings, which stand
/// by rising time and reach from before the segment's begin to its end or beyond. With the supply's calendar every band is
/// compared, without it all bands together.
pub fn check_segment(
    segment: &MeterSegment,
    calendar: Option<(&Calendar, i16)>,
    certificates: &[&Certificate],
) -> Result<(), String> {
    const RANGE: &str = "the registers leave their range";
    let interval = segment.interval;
    let first = certificates.partition_point(|certificate| certificate.interval.to <= interval.from);
    let mut reached = interval.from;
    let mut passed = Bands::ZERO;
    let flat = Calendar::default();
    let (cut_by, offset) = calendar.unwrap_or((&flat, 0));
    for certificate in &certificates[first..] {
        if reached >= interval.to {
            break;
        }
        if certificate.interval.from > reached {
            return Err(format!("no certified reading covers the time from {reached}"));
        }
        let part = Window { from: reached, to: certificate.interval.to.min(interval.to) };
        let bands = bands::part(cut_by, offset, certificate.interval, certificate.quantity, part);
        passed = passed.checked_add(&bands).ok_or(RANGE)?;
        reached = part.to;
    }
    if reached < interval.to {
        return Err(format!("no certified reading covers the time from {reached}"));
    }
    let claimed = segment.passed().ok_or("its registers go back")?;
    let same = match calendar {
        Some(_) => passed == claimed,
        None => passed.total() == claimed.total(),
    };
    match same {
        true => Ok(()),
        false => Err(format!("the readings add up to {passed:?}, its registers differ by {claimed:?}")),
    }
}
