//! One poller a bus: reads its meters one after the other, each interval, and puts the readings into the journal. It knows
//! nothing of the uplink: an outage of any length changes nothing here.

use crate::clock::{Stamp, Watch};
use crate::config::{Bus, Meter};
use crate::device::{self, Look, LookError, Numbers};
use crate::guard::{Doubt, Limits, Seen, Verdict};
use crate::journal::{Event, JournalError, JournalReading, Recorded};
use crate::line::Line;
use crate::profile::Register;
use crate::writer::Writer;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use utilidor_types::MeterId;

/// What the ledger knows of a meter, kept in the journal for the time without uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Where its register starts again, in base units.
    pub modulus: u64,
    /// The most that can pass in an hour, in base units.
    pub capacity_per_hour: u64,
    /// Time of its last certified reading.
    pub last_ms: u64,
    /// Its register then.
    pub register: u64,
    /// How many devices there have been in its place.
    pub devices: u32,
}

/// What the ledger knows of all meters, as far as it was asked.
pub type Registrations = Arc<RwLock<HashMap<MeterId, Registration>>>;

/// What became of one meter's turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// A reading is in the journal.
    Recorded {
        /// When.
        time_ms: u64,
        /// What it showed.
        register: u64,
    },
    /// The register cannot be believed.
    Held(Doubt),
    /// There was no answer that could be taken.
    Failed(&'static str),
    /// The meter is stopped until somebody has looked.
    Stopped(String),
}

struct Polled {
    meter: Meter,
    /// Whether the device's number is to be asked for before the next look.
    check_device: bool,
    /// What the operator was told last; each condition is told once.
    condition: Option<String>,
}

/// Reads the meters of a bus.
pub struct Poller {
    bus: Bus,
    polled: Vec<Polled>,
    line: Line,
    numbers: Numbers,
    watch: Watch,
    writer: Writer,
    registrations: Registrations,
    interval_ms: u64,
}

impl Poller {
    /// A poller of `bus` for its `meters`.
    pub fn new(
        bus: Bus,
        meters: Vec<Meter>,
        line: Line,
        watch: Watch,
        writer: Writer,
        registrations: Registrations,
        interval_ms: u64,
    ) -> Self {
        let polled = meters.into_iter().map(|meter| Polled { meter, check_device: true, condition: None }).collect();
        Self { bus, polled, line, numbers: Numbers::default(), watch, writer, registrations, interval_ms }
    }

    /// Reads all meters each interval, `offset_ms` after its begin, until the journal fails.
    pub async fn run(mut self, offset_ms: u64) -> JournalError {
        loop {
            let due = next_due(self.watch.clock().now_ms(), self.interval_ms, offset_ms);
            self.watch.clock().until(due).await;
            if let Err(error) = self.round().await {
                return error;
            }
        }
    }

    /// Reads all meters once.
    pub async fn round(&mut self) -> Result<Vec<(MeterId, Turn)>, JournalError> {
        let mut turns = Vec::with_capacity(self.polled.len());
        for place in 0..self.polled.len() {
            let turn = self.turn(place).await?;
            turns.push((self.polled[place].meter.id, turn));
        }
        Ok(turns)
    }

    async fn turn(&mut self, place: usize) -> Result<Turn, JournalError> {
        let id = self.polled[place].meter.id;
        let (device, stopped) = self.writer.call(move |journal| journal.meter(id)).await?;
        if let Some(reason) = stopped {
            return Ok(Turn::Stopped(reason));
        }
        if self.polled[place].check_device {
            let mut answered = Ok(None);
            for _ in 0..=self.bus.retries {
                let meter = &self.polled[place].meter;
                answered = device::number(&mut self.line, self.bus.protocol, meter, &mut self.numbers).await;
                if answered.is_ok() {
                    break;
                }
            }
            match answered {
                Ok(number) => {
                    if let Some(turn) = self.known_device(place, device.as_deref(), number).await? {
                        return Ok(turn);
                    }
                }
                Err(error) => return self.failed(place, error).await,
            }
            self.polled[place].check_device = false;
        }
        let (first, first_seen, stamp) = match self.look(place).await? {
            Ok(look) => look,
            Err(error) => return self.failed(place, error).await,
        };
        if let Some(number) = device::number_in(&first.telegram)
            && let Some(turn) = self.known_device(place, device.as_deref(), Some(number)).await?
        {
            return Ok(turn);
        }
        let last = self.last(id).await?;
        let limits = self.limits(place);
        let (look, seen, stamp) = match limits.first_look(last, first_seen) {
            Verdict::Take => (first, first_seen, stamp),
            Verdict::Hold(doubt) => return self.held(place, doubt, &first).await,
            Verdict::LookAgain(doubt) => {
                let (second, second_seen, stamp) = match self.look(place).await? {
                    Ok(look) => look,
                    Err(error) => return self.failed(place, error).await,
                };
                match limits.second_look(last, first_seen, second_seen, doubt) {
                    Verdict::Take => (second, second_seen, stamp),
                    Verdict::LookAgain(doubt) | Verdict::Hold(doubt) => return self.held(place, doubt, &second).await,
                }
            }
        };
        let reading = JournalReading {
            meter: id,
            time_ms: seen.time_ms,
            register: seen.register,
            epoch: stamp.epoch,
            bus: self.bus.name.clone(),
            protocol: self.bus.protocol.name().into(),
            request: look.request,
            answer: look.answer,
        };
        let _: Recorded = self.writer.record(reading).await?;
        if self.polled[place].condition.take().is_some() {
            self.note(Some(id), "meter/recovered", "readings are taken again".into(), None).await?;
        }
        Ok(Turn::Recorded { time_ms: seen.time_ms, register: seen.register })
    }

    /// Looks at the register, again if there is no answer, and stamps what came when it came.
    async fn look(&mut self, place: usize) -> Result<Result<(Look, Seen, Stamp), LookError>, JournalError> {
        let mut tries = 0;
        let look = loop {
            let meter = &self.polled[place].meter;
            match device::look(&mut self.line, self.bus.protocol, meter, &mut self.numbers).await {
                Ok(look) => break look,
                Err(_) if tries < self.bus.retries => tries += 1,
                Err(error) => return Ok(Err(error)),
            }
        };
        let stamp = self.stamp().await?;
        let seen = Seen { time_ms: stamp.time_ms, register: look.quantity.0 };
        Ok(Ok((look, seen, stamp)))
    }

    /// The time; a new stretch of the clock begins if it has jumped.
    async fn stamp(&self) -> Result<Stamp, JournalError> {
        loop {
            if let Some(stamp) = self.watch.stamp() {
                return Ok(stamp);
            }
            begin_stretch(&self.watch, &self.writer).await?;
        }
    }

    /// The last that is known of a meter's register: in the journal, or on the ledger where that is newer.
    async fn last(&self, id: MeterId) -> Result<Option<Seen>, JournalError> {
        let journal = self.writer.call(move |journal| journal.last_reading(id)).await?;
        let journal = journal.map(|last| Seen { time_ms: last.time_ms, register: last.register });
        let ledger = self
            .registrations
            .read()
            .expect("no holder of this lock panics")
            .get(&id)
            .map(|known| Seen { time_ms: known.last_ms, register: known.register });
        Ok(journal.into_iter().chain(ledger).max_by_key(|seen| seen.time_ms))
    }

    fn limits(&self, place: usize) -> Limits {
        let meter = &self.polled[place].meter;
        let known = self.registrations.read().expect("no holder of this lock panics").get(&meter.id).copied();
        let of_profile = meter.profile.modulus.and_then(|modulus| {
            let quantity = modulus.number.quantity_floor(modulus.unit, meter.carrier).ok()?;
            quantity.0.checked_mul(meter.ratio.factor())
        });
        Limits {
            modulus: known.map(|known| known.modulus).or(of_profile),
            capacity_per_hour: known.map(|known| known.capacity_per_hour),
            step: step(meter),
            interval_ms: self.interval_ms,
        }
    }

    /// Compares the device's number with the one before. Another device stops the meter: its register is another one.
    async fn known_device(
        &mut self,
        place: usize,
        before: Option<&str>,
        number: Option<String>,
    ) -> Result<Option<Turn>, JournalError> {
        let id = self.polled[place].meter.id;
        match (before, number) {
            (_, None) => Ok(None),
            (Some(before), Some(number)) if before == number => Ok(None),
            (None, Some(number)) => {
                self.writer.call(move |journal| journal.set_device(id, &number)).await?;
                Ok(None)
            }
            (Some(before), Some(number)) => {
                let reason = format!("device {number} answers where {before} did");
                let stopped = reason.clone();
                self.writer.call(move |journal| journal.stop_meter(id, &stopped)).await?;
                self.polled[place].check_device = true;
                let detail = format!(
                    "{reason}: record the exchange with 'utilidor meter exchange', then 'utilidor gateway accept'"
                );
                self.note(Some(id), "meter/device-changed", detail, None).await?;
                Ok(Some(Turn::Stopped(reason)))
            }
        }
    }

    async fn failed(&mut self, place: usize, error: LookError) -> Result<Turn, JournalError> {
        // Whoever is silent may be another one when it speaks again.
        self.polled[place].check_device = true;
        let code = error.code();
        self.tell(place, code, error.sentence(), error.answer().map(<[u8]>::to_vec)).await?;
        Ok(Turn::Failed(code))
    }

    async fn held(&mut self, place: usize, doubt: Doubt, look: &Look) -> Result<Turn, JournalError> {
        self.polled[place].check_device = true;
        self.tell(place, doubt.code(), doubt.to_string(), Some(look.answer.clone())).await?;
        Ok(Turn::Held(doubt))
    }

    /// Tells the operator of a condition, once as long as it lasts.
    async fn tell(
        &mut self,
        place: usize,
        code: &'static str,
        detail: String,
        answer: Option<Vec<u8>>,
    ) -> Result<(), JournalError> {
        let polled = &mut self.polled[place];
        if polled.condition.as_deref() == Some(code) {
            return Ok(());
        }
        polled.condition = Some(code.into());
        let (id, unit) = (polled.meter.id, polled.meter.unit);
        tracing::warn!(meter = %id, bus = self.bus.name, %unit, code, "{detail}");
        self.note(Some(id), code, detail, answer).await
    }

    async fn note(
        &self,
        meter: Option<MeterId>,
        code: &str,
        detail: String,
        answer: Option<Vec<u8>>,
    ) -> Result<(), JournalError> {
        let time_ms = self.watch.clock().now_ms();
        let event = Event { time_ms, meter, code: code.into(), detail, answer };
        self.writer.call(move |journal| journal.note(&event)).await
    }
}

/// Begins a stretch of the clock in the journal.
pub async fn begin_stretch(watch: &Watch, writer: &Writer) -> Result<(), JournalError> {
    let now_ms = watch.clock().now_ms();
    let epoch = writer.call(move |journal| journal.begin_clock(now_ms)).await?;
    watch.begin(epoch);
    Ok(())
}

/// When the next round begins: the first begin of an interval, `offset_ms` later, that is after now.
pub const fn next_due(now_ms: u64, interval_ms: u64, offset_ms: u64) -> u64 {
    let offset_ms = offset_ms % interval_ms;
    let shifted = now_ms.saturating_sub(offset_ms);
    if now_ms < offset_ms { offset_ms } else { shifted - shifted % interval_ms + interval_ms + offset_ms }
}

/// A register's step in base units, rounded up: it moves by at least this.
pub fn step(meter: &Meter) -> u64 {
    use crate::number::{Number, Unit};
    use utilidor_types::carrier::BaseUnit;
    let (number, unit) = match &meter.profile.register {
        Register::Modbus { description, .. } => (description.step.number, description.step.unit),
        Register::Dlt645 { .. } => (Number::decimal(1, 2), Unit::KilowattHour),
        // Their unit stands in the answer: the coarsest that is usual.
        Register::Cjt188 { .. } | Register::Mbus => match meter.carrier.base_unit() {
            BaseUnit::Joule => (Number::whole(1), Unit::KilowattHour),
            BaseUnit::Millilitre => (Number::decimal(1, 2), Unit::CubicMetre),
        },
    };
    let step = number.quantity_floor(unit, meter.carrier).map_or(1, |quantity| quantity.0.max(1));
    step.saturating_mul(meter.ratio.factor())
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Poller").field("bus", &self.bus).field("meters", &self.polled.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_begin_at_the_begins_of_intervals_and_each_bus_has_its_offset() {
        assert_eq!(next_due(0, 900, 0), 900);
        assert_eq!(next_due(899, 900, 0), 900);
        assert_eq!(next_due(900, 900, 0), 1_800);
        assert_eq!(next_due(900, 900, 30), 930);
        assert_eq!(next_due(930, 900, 30), 1_830);
        assert_eq!(next_due(10, 900, 30), 30);
        // A clock that was set back a day: the next round is not a day away.
        assert_eq!(next_due(50, 900, 930), 930);
    }
}
