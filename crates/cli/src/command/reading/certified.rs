//! What is certified already: a file that is handed in again says nothing new, and is no mistake.

use crate::sentence::Said;
use crate::{chinese, said, units};
use std::collections::BTreeMap;
use utilidor_sdk::{Client, ClientError};
use utilidor_types::{Carrier, Quantity, Reading, Refusal, Timestamp};
use utilidor_view::{MeterView, TimeFilter};

/// The registers that are certified of a meter, by their times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certified(BTreeMap<Timestamp, Quantity>);

impl Certified {
    /// Those at the times of `readings`, as far as the ledger has come.
    pub async fn of(
        client: &Client,
        meter: &MeterView,
        readings: impl IntoIterator<Item = Reading>,
    ) -> Result<Self, ClientError> {
        let times = readings.into_iter().map(|reading| reading.time).filter(|time| *time <= meter.read_ms);
        let Some((first, last)) = times.fold(None, |ends: Option<(Timestamp, Timestamp)>, time| {
            Some(ends.map_or((time, time), |(first, last)| (first.min(time), last.max(time))))
        }) else {
            return Ok(Self::default());
        };
        // The node lists what ends after the one and begins before the other.
        let around = TimeFilter { from_ms: Some(Timestamp(first.0.saturating_sub(1))), to_ms: Some(last) };
        let certificates = client.meter_certificates(meter.meter, &around).await?.into_iter();
        Ok(Self(certificates.map(|it| (it.certificate.interval.to, it.certificate.register)).collect()))
    }

    /// Whether this very reading is certified: one that shows something else at its time is not.
    pub fn has(&self, reading: &Reading) -> bool {
        self.at(reading.time) == Some(reading.register)
    }

    /// What is certified of a time.
    pub fn at(&self, time: Timestamp) -> Option<Quantity> {
        self.0.get(&time).copied()
    }

    /// How many of `readings` are certified.
    pub fn count<'a>(&self, readings: impl IntoIterator<Item = &'a Reading>) -> usize {
        readings.into_iter().filter(|reading| self.has(reading)).count()
    }
}

/// What is said of a reading that shows something else than what is certified of its time.
fn unlike_certified(known: Quantity, register: Quantity, carrier: Option<Carrier>) -> Said {
    let [known, register] = [known, register].map(|quantity| units::quantity_of(quantity, carrier));
    said!("of this time {known} is certified, not {register}", "此时间已认证的表底为 {known}，而非 {register}")
}

/// Why a reading is refused, of whose very time `known` is certified. It comes too late, but more is known of it than that.
pub fn why_refused(refusal: &Refusal, known: Option<Quantity>, register: Quantity, carrier: Option<Carrier>) -> Said {
    match (refusal, known) {
        (Refusal::OutOfOrder { .. }, Some(known)) => unlike_certified(known, register, carrier),
        _ => chinese::refusal_of(refusal, carrier),
    }
}

/// What is said of readings of which none was submitted.
pub fn sentence(count: usize) -> Said {
    said!(
        "all {count} readings are certified already: nothing was submitted",
        "全部 {count} 条读数此前已认证：未提交任何内容"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_certified_already_if_its_register_at_its_time_is() {
        let reading = |time, register| Reading { time: Timestamp(time), register: Quantity(register) };
        let certified = Certified([(Timestamp(1), Quantity(10)), (Timestamp(2), Quantity(20))].into());
        let file = [reading(1, 10), reading(2, 21), reading(3, 20), reading(2, 20)];
        assert_eq!(file.each_ref().map(|reading| certified.has(reading)), [true, false, false, true]);
        assert_eq!(certified.count(&file), 2);
    }
}
