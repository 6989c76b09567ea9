//! One poller a bus: reads its meters one after the other, each interval, and puts the readings into the journal. It knows
//! nothing of the uplink: an outage of any length changes nothing here.

use crate::clock::Stamp;
use crate::config::{Bus, Meter};
use crate::device::{self, Look, LookError, Numbers};
use crate::guard::{Doubt, Seen, Verdict};
use crate::journal::{JournalError, Known};
use crate::kept::{Kept, Shared};
use crate::line::Line;
use crate::protocol::mbus;
use crate::reason::{Sentence, sentence};
use crate::writer::HandedIn;
use utilidor_types::MeterId;

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
    Stopped(Sentence),
}

/// For how long nobody exchanges a device unseen: its number is asked for again after that, so that in the usual intervals each look
/// begins with it.
const SAME_DEVICE_MS: u64 = 60_000;

struct Polled {
    kept: Kept,
    /// When the device has last said its number, by the monotonic clock; none if it is to be asked for before the next look.
    checked_ms: Option<u64>,
}

/// Reads the meters of a bus.
pub struct Poller {
    bus: Bus,
    polled: Vec<Polled>,
    line: Line,
    numbers: Numbers,
    shared: Shared,
}

impl Poller {
    /// A poller of `bus` for its `meters`.
    pub fn new(bus: Bus, meters: Vec<Meter>, line: Line, shared: Shared) -> Self {
        let polled = meters.into_iter().map(|meter| {
            let kept = Kept::new(meter, bus.protocol.name(), shared.clone());
            Polled { kept, checked_ms: None }
        });
        Self { polled: polled.collect(), bus, line, numbers: Numbers::default(), shared }
    }

    /// Reads all meters each interval, `offset_ms` after its begin, until the journal fails.
    pub async fn run(mut self, offset_ms: u64) -> JournalError {
        loop {
            let clock = self.shared.watch.clock();
            let due = next_due(clock.now_ms(), self.shared.interval_ms, offset_ms);
            clock.until(due).await;
            if let Err(error) = self.round().await {
                return error;
            }
        }
    }

    /// Reads all meters once.
    pub async fn round(&mut self) -> Result<Vec<(MeterId, Turn)>, JournalError> {
        self.round_of(|_| true).await
    }

    /// Reads those of its meters once that are wanted.
    pub async fn round_of(&mut self, wanted: impl Fn(MeterId) -> bool) -> Result<Vec<(MeterId, Turn)>, JournalError> {
        let mut turns = Vec::with_capacity(self.polled.len());
        // The bus does not wait for the disk: while a reading is written, the next meter is asked. The round has ended when all are
        // on the disk.
        let mut handed_in = Vec::new();
        for place in 0..self.polled.len() {
            let id = self.polled[place].kept.meter.id;
            if wanted(id) {
                let (turn, reading) = self.turn(place).await?;
                turns.push((id, turn));
                handed_in.extend(reading.map(|(seen, reading)| (place, seen, reading)));
            }
        }
        for (place, seen, reading) in handed_in {
            let recorded = reading.recorded().await;
            let kept = &mut self.polled[place].kept;
            if let Err(doubt) = kept.recorded(seen, recorded, None).await? {
                let id = kept.meter.id;
                turns.iter_mut().filter(|(meter, _)| *meter == id).for_each(|(_, turn)| *turn = Turn::Held(doubt));
            }
        }
        Ok(turns)
    }

    /// What becomes of a meter's turn, and the reading that is on its way to the disk.
    async fn turn(&mut self, place: usize) -> Result<(Turn, Option<(Seen, HandedIn)>), JournalError> {
        let known = self.polled[place].kept.known().await?;
        match self.seen(place, known).await? {
            Ok((look, seen, stamp)) => {
                self.polled[place].kept.warn(mbus::warning(&look.telegram), &look.answer).await?;
                let reading = self.polled[place].kept.hand_in(seen, stamp.epoch, look.request, look.answer).await;
                let turn = Turn::Recorded { time_ms: seen.time_ms, register: seen.register };
                Ok((turn, Some((seen, reading))))
            }
            Err(turn) => Ok((turn, None)),
        }
    }

    /// What a meter shows that can be believed, or what became of its turn without that.
    async fn seen(&mut self, place: usize, known: Known) -> Result<Result<(Look, Seen, Stamp), Turn>, JournalError> {
        let Known { device, stopped, last } = known;
        if let Some(reason) = stopped {
            return Ok(Err(Turn::Stopped(reason)));
        }
        let now_ms = self.shared.watch.clock().monotonic_ms();
        let checked_ms = self.polled[place].checked_ms;
        if checked_ms.is_none_or(|then| now_ms.saturating_sub(then) >= SAME_DEVICE_MS) {
            if let Some(turn) = self.other_device(place, device.as_deref()).await? {
                return Ok(Err(turn));
            }
        }
        let (first, first_seen, stamp) = match self.look(place).await? {
            Ok(look) => look,
            Err(error) => return self.failed(place, error).await.map(Err),
        };
        // It was asked for again, perhaps over a new connection.
        if self.polled[place].checked_ms.is_none()
            && let Some(turn) = self.other_device(place, device.as_deref()).await?
        {
            return Ok(Err(turn));
        }
        if let Some(number) = device::number_in(&first.telegram)
            && let Some(turn) = self.known_device(place, device.as_deref(), Some(number)).await?
        {
            return Ok(Err(turn));
        }
        let last = self.polled[place].kept.newest(last);
        let limits = self.polled[place].kept.limits();
        match limits.first_look(last, first_seen) {
            Verdict::Take => Ok(Ok((first, first_seen, stamp))),
            Verdict::Hold(doubt) => self.held(place, doubt, first).await.map(Err),
            Verdict::LookAgain(doubt) => {
                let (second, second_seen, stamp) = match self.look(place).await? {
                    Ok(look) => look,
                    Err(error) => return self.failed(place, error).await.map(Err),
                };
                match limits.second_look(last, first_seen, second_seen, doubt) {
                    Verdict::Take => Ok(Ok((second, second_seen, stamp))),
                    Verdict::LookAgain(doubt) | Verdict::Hold(doubt) => self.held(place, doubt, second).await.map(Err),
                }
            }
        }
    }

    /// What becomes of a meter's turn where another device than the one before may answer.
    async fn other_device(&mut self, place: usize, before: Option<&str>) -> Result<Option<Turn>, JournalError> {
        let number = match self.number(place).await {
            Ok(number) => number,
            Err(error) => return self.failed(place, error).await.map(Some),
        };
        let turn = self.known_device(place, before, number).await?;
        if turn.is_none() {
            self.polled[place].checked_ms = Some(self.shared.watch.clock().monotonic_ms());
        }
        Ok(turn)
    }

    /// The device's number, asked for again if there is no answer.
    async fn number(&mut self, place: usize) -> Result<Option<String>, LookError> {
        let mut tries = 0;
        loop {
            let meter = &self.polled[place].kept.meter;
            match device::number(&mut self.line, self.bus.protocol, meter, &mut self.numbers).await {
                Ok(number) => return Ok(number),
                Err(_) if tries < self.bus.retries => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks at the register, again if there is no answer, and stamps what came when it came.
    async fn look(&mut self, place: usize) -> Result<Result<(Look, Seen, Stamp), LookError>, JournalError> {
        let mut tries = 0;
        let look = loop {
            let meter = &self.polled[place].kept.meter;
            match device::look(&mut self.line, self.bus.protocol, meter, &mut self.numbers).await {
                Ok(look) => break look,
                Err(_) if tries < self.bus.retries => {
                    tries += 1;
                    // Over a new connection another one may answer.
                    self.polled[place].checked_ms = None;
                }
                Err(error) => return Ok(Err(error)),
            }
        };
        let stamp = self.shared.stamp().await?;
        let seen = Seen { time_ms: stamp.time_ms, register: look.quantity.0 };
        Ok(Ok((look, seen, stamp)))
    }

    /// Compares the device's number with the one before. Another device stops the meter: its register is another one.
    async fn known_device(
        &mut self,
        place: usize,
        before: Option<&str>,
        number: Option<String>,
    ) -> Result<Option<Turn>, JournalError> {
        let id = self.polled[place].kept.meter.id;
        match (before, number) {
            (_, None) => Ok(None),
            (Some(before), Some(number)) if before == number => Ok(None),
            (None, Some(number)) => {
                self.shared.writer.call(move |journal| journal.set_device(id, &number)).await?;
                Ok(None)
            }
            (Some(before), Some(number)) => {
                let reason =
                    sentence!("device {number} answers where {before} did", "应答的设备是 {number}，此前为 {before}");
                let stopped = reason.clone();
                self.shared.writer.call(move |journal| journal.stop_meter(id, &stopped)).await?;
                self.polled[place].checked_ms = None;
                let detail = sentence!(
                    "{reason}: record the exchange with 'utilidor meter exchange', then 'utilidor gateway accept'",
                    "{reason}：先用 'utilidor meter exchange' 登记换表，再执行 'utilidor gateway accept'"
                );
                self.shared.note(Some(id), "meter/device-changed", detail, None).await?;
                Ok(Some(Turn::Stopped(reason)))
            }
        }
    }

    async fn failed(&mut self, place: usize, error: LookError) -> Result<Turn, JournalError> {
        let polled = &mut self.polled[place];
        // Whoever is silent may be another one when it speaks again.
        polled.checked_ms = None;
        let code = error.code();
        polled.kept.tell(code, error.sentence(), error.answer().map(<[u8]>::to_vec)).await?;
        Ok(Turn::Failed(code))
    }

    async fn held(&mut self, place: usize, doubt: Doubt, look: Look) -> Result<Turn, JournalError> {
        let polled = &mut self.polled[place];
        polled.checked_ms = None;
        polled.kept.tell(doubt.code(), doubt.sentence(polled.kept.meter.carrier), Some(look.answer)).await?;
        polled.kept.stop_at_first(doubt).await?;
        Ok(Turn::Held(doubt))
    }
}

/// When the next round begins: the first begin of an interval, `offset_ms` later, that is after now.
pub const fn next_due(now_ms: u64, interval_ms: u64, offset_ms: u64) -> u64 {
    let offset_ms = offset_ms % interval_ms;
    if now_ms < offset_ms {
        return offset_ms;
    }
    let shifted = now_ms - offset_ms;
    shifted - shifted % interval_ms + interval_ms + offset_ms
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
    }
}
