//! A meter as the gateway keeps it: what was last known of it, what can be believed, and what its operator was told.

use crate::clock::{Stamp, Watch};
use crate::config::Meter;
use crate::guard::{Doubt, Limits, Seen, Verdict};
use crate::journal::{Event, Journal, JournalError, JournalReading, Known, Recorded, Waiting};
use crate::metrics::Metrics;
use crate::number::{Number, Unit};
use crate::profile::Register;
use crate::reason::{Sentence, sentence};
use crate::writer::{HandedIn, Writer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock};
use utilidor_types::carrier::BaseUnit;
use utilidor_types::time::HOUR_MS;
use utilidor_types::{MeterId, PublicKey, Timestamp};

/// Intervals without a reading after which a meter is called silent.
pub const SILENT_INTERVALS: u64 = 4;

/// Most conditions of a meter that are told between two of its readings.
const MAX_CONDITIONS: usize = 8;

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
    /// The key that its readings are signed with, where its device signs.
    #[serde(default)]
    pub key: Option<PublicKey>,
}

/// What the ledger knows of all meters, as far as it was asked.
pub type Registrations = Arc<RwLock<HashMap<MeterId, Registration>>>;

/// What all meters of a gateway share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The clock.
    pub watch: Watch,
    /// The journal.
    pub writer: Writer,
    /// What the ledger knows.
    pub registrations: Registrations,
    /// How often each meter is read.
    pub interval_ms: u64,
    /// How it does.
    pub metrics: Arc<Metrics>,
}

impl Shared {
    /// The time; a new stretch of the clock begins if it has jumped.
    pub async fn stamp(&self) -> Result<Stamp, JournalError> {
        loop {
            if let Some(stamp) = self.watch.stamp() {
                return Ok(stamp);
            }
            begin_stretch(&self.watch, &self.writer).await?;
        }
    }

    /// What the ledger knows of a meter, if it was asked.
    pub fn registration(&self, meter: MeterId) -> Option<Registration> {
        self.registrations.read().expect("no holder of this lock panics").get(&meter).copied()
    }

    /// Notes what an operator should see.
    pub async fn note(
        &self,
        meter: Option<MeterId>,
        code: &str,
        detail: Sentence,
        answer: Option<Vec<u8>>,
    ) -> Result<(), JournalError> {
        let time_ms = self.watch.clock().now_ms();
        let event = Event { time_ms, meter, code: code.into(), detail, answer };
        self.writer.call(move |journal| journal.note(&event)).await
    }
}

/// Begins a stretch of the clock in the journal, unless one goes on: two may have noticed one jump.
pub async fn begin_stretch(watch: &Watch, writer: &Writer) -> Result<(), JournalError> {
    let watch = watch.clone();
    let begin = move |journal: &mut Journal| match watch.stamp() {
        Some(_) => Ok(()),
        None => next_stretch(&watch, journal).map(drop),
    };
    writer.call(begin).await
}

/// Ends a stretch of the clock though it has not jumped, unless it is over. Returns the stretch that goes on from it.
pub async fn end_stretch(watch: &Watch, writer: &Writer, epoch: i64) -> Result<Option<i64>, JournalError> {
    let watch = watch.clone();
    let end = move |journal: &mut Journal| match watch.ended() {
        Some((last, _)) if last == epoch && watch.stamp().is_some() => next_stretch(&watch, journal).map(Some),
        _ => Ok(None),
    };
    writer.call(end).await
}

fn next_stretch(watch: &Watch, journal: &mut Journal) -> Result<i64, JournalError> {
    if let Some((ended, ahead_ms)) = watch.ended() {
        journal.end_clock(ended, ahead_ms)?;
    }
    let epoch = journal.begin_clock(watch.clock().now_ms())?;
    watch.begin(epoch);
    Ok(epoch)
}

/// A meter.
#[derive(Debug)]
pub struct Kept {
    /// The meter.
    pub meter: Meter,
    protocol: &'static str,
    shared: Shared,
    /// What the operator was told since its last reading; each condition is told once, and no more than [`MAX_CONDITIONS`].
    told: BTreeSet<String>,
    /// Its newest reading that stands in no journal: its device signs, and its records are kept in a file.
    signed: Option<Seen>,
    /// Whether its first signed reading was held against its registration.
    begin_seen: bool,
    /// Whether the operator knows that it is silent.
    silence_told: bool,
    /// Since when it is heard or asked, by the monotonic clock.
    since_ms: u64,
    /// How long it is mostly silent, where that is longer than an interval: whoever tells by itself does so when it likes.
    pub(crate) usual_ms: u64,
    /// What its device reported last though its register counts.
    warned: Option<Sentence>,
}

impl Kept {
    /// A meter that is read over `protocol`.
    pub fn new(meter: Meter, protocol: &'static str, shared: Shared) -> Self {
        let since_ms = shared.watch.clock().monotonic_ms();
        Self {
            meter,
            protocol,
            shared,
            told: BTreeSet::new(),
            signed: None,
            begin_seen: false,
            silence_told: false,
            since_ms,
            usual_ms: 0,
            warned: None,
        }
    }

    /// What it shares with the others.
    pub const fn shared(&self) -> &Shared {
        &self.shared
    }

    /// What the ledger knows of it, if it was asked.
    pub fn registration(&self) -> Option<Registration> {
        self.shared.registration(self.meter.id)
    }

    /// What the journal knows of it.
    pub async fn known(&self) -> Result<Known, JournalError> {
        let id = self.meter.id;
        self.shared.writer.call(move |journal| journal.known(id)).await
    }

    /// The last that is known of its register: in the journal, or on the ledger where that is newer.
    pub async fn last(&self) -> Result<Option<Seen>, JournalError> {
        Ok(self.last_of(self.known().await?.last))
    }

    /// The same, where the journal has been asked already.
    pub fn last_of(&self, journal: Option<Waiting>) -> Option<Seen> {
        self.newest(journal).into_iter().chain(self.signed).max_by_key(|seen| seen.time_ms)
    }

    /// The newer of what the journal and the ledger know of its register.
    pub fn newest(&self, journal: Option<Waiting>) -> Option<Seen> {
        let journal = journal.map(|last| Seen { time_ms: last.time_ms, register: last.register });
        let ledger = self.registration().map(|known| Seen { time_ms: known.last_ms, register: known.register });
        journal.into_iter().chain(ledger).max_by_key(|seen| seen.time_ms)
    }

    /// Stops a meter whose first reading is beyond what it was registered with: it began from another register than the registration
    /// says, and with time its capacity would let all of that count. Somebody must look.
    pub(crate) async fn stop_at_first(&self, doubt: Doubt) -> Result<(), JournalError> {
        if !matches!(doubt, Doubt::BeyondCapacity { .. }) {
            return Ok(());
        }
        let id = self.meter.id;
        if self.shared.writer.call(move |journal| journal.has_readings(id)).await? {
            return Ok(());
        }
        let reason = sentence!(
            "its first reading does not follow from its registration: {}",
            "首个读数与登记不相衔接：{}",
            doubt.sentence(self.meter.carrier)
        );
        let stopped = reason.clone();
        self.shared.writer.call(move |journal| journal.stop_meter(id, &stopped)).await?;
        self.shared.note(Some(id), "meter/other-begin", reason, None).await
    }

    /// What can be believed of it.
    pub fn limits(&self) -> Limits {
        limits(&self.meter, self.registration(), self.shared.interval_ms)
    }

    /// Puts a reading into the journal, with what was asked and answered.
    pub async fn record(
        &mut self,
        seen: Seen,
        epoch: i64,
        request: Vec<u8>,
        answer: Vec<u8>,
    ) -> Result<Result<Recorded, Doubt>, JournalError> {
        let evidence = answer.clone();
        let recorded = self.hand_in(seen, epoch, request, answer).await.recorded().await;
        self.recorded(seen, recorded, Some(evidence)).await
    }

    /// Hands a reading in for the journal, with what was asked and answered. It counts once [`Self::recorded`] was told of it.
    pub async fn hand_in(&self, seen: Seen, epoch: i64, request: Vec<u8>, answer: Vec<u8>) -> HandedIn {
        let reading = JournalReading {
            meter: self.meter.id,
            time_ms: seen.time_ms,
            register: seen.register,
            epoch,
            bus: self.meter.bus.clone(),
            protocol: self.protocol.into(),
            request,
            answer,
        };
        self.shared.writer.hand_in(reading).await
    }

    /// Takes note that a reading is in the journal. Where another one stands in its place, that is told: it is about this meter, and ends
    /// no gateway.
    pub async fn recorded(
        &mut self,
        seen: Seen,
        recorded: Result<Recorded, JournalError>,
        evidence: Option<Vec<u8>>,
    ) -> Result<Result<Recorded, Doubt>, JournalError> {
        let recorded = match recorded {
            Err(JournalError::Contradiction { time_ms, known, register, .. }) => {
                let doubt = Doubt::Contradicts { time_ms, known, register };
                self.tell(doubt.code(), doubt.sentence(self.meter.carrier), evidence).await?;
                return Ok(Err(doubt));
            }
            recorded => recorded?,
        };
        if recorded == Recorded::New {
            self.shared.metrics.read(seen.time_ms);
        }
        self.recover().await?;
        Ok(Ok(recorded))
    }

    /// Takes note that a reading is kept in a file of records that the device has signed. An older one than is known says nothing new.
    pub async fn kept_signed(&mut self, seen: Seen) -> Result<(), JournalError> {
        if self.last().await?.is_some_and(|last| last.time_ms >= seen.time_ms) {
            return Ok(());
        }
        self.signed = Some(seen);
        self.recover().await?;
        match self.registration() {
            Some(known) if !self.begin_seen => self.tell_other_begin(known, seen).await,
            _ => Ok(()),
        }
    }

    /// Tells the operator where a signed reading does not follow from what the ledger has of the meter. Its record is kept all the same: what
    /// becomes of it is not the gateway's matter.
    async fn tell_other_begin(&mut self, known: Registration, seen: Seen) -> Result<(), JournalError> {
        self.begin_seen = true;
        let Some(doubt) = other_begin(&self.meter, known, seen, self.shared.interval_ms) else { return Ok(()) };
        let detail = sentence!(
            "its device's signed record does not follow from what the ledger has of it: {}",
            "设备的签名记录与账本所记的表底不相衔接：{}",
            doubt.sentence(self.meter.carrier)
        );
        self.shared.note(Some(self.meter.id), "meter/other-begin", detail, None).await
    }

    /// Tells the operator that all is well again, if it was told of anything.
    async fn recover(&mut self) -> Result<(), JournalError> {
        let was_silent = std::mem::take(&mut self.silence_told);
        if std::mem::take(&mut self.told).is_empty() && !was_silent {
            return Ok(());
        }
        let detail = sentence!("readings are taken again", "已恢复抄读");
        self.shared.note(Some(self.meter.id), "meter/recovered", detail, None).await
    }

    /// Tells the operator, once, that a meter has had no reading for long, whatever the reasons were. Whoever has just started knows of none.
    pub(crate) async fn tell_silence(&mut self) -> Result<(), JournalError> {
        if self.silence_told {
            return Ok(());
        }
        let Some(last) = self.last().await? else { return Ok(()) };
        let clock = self.shared.watch.clock();
        let heard_ms = clock.monotonic_ms().saturating_sub(self.since_ms);
        let silence_ms = clock.now_ms().saturating_sub(last.time_ms).min(heard_ms);
        if silence_ms < self.shared.interval_ms.max(self.usual_ms).saturating_mul(SILENT_INTERVALS) {
            return Ok(());
        }
        self.silence_told = true;
        let since = Timestamp(last.time_ms);
        tracing::warn!(meter = %self.meter.id, bus = self.meter.bus, %since, "the meter is silent");
        let detail = sentence!(
            "no reading since {since}: what it counts meanwhile is billed by a substitute rule",
            "自 {since} 起没有读数：其间的用量按替代规则计费"
        );
        self.shared.note(Some(self.meter.id), "meter/silent", detail, None).await
    }

    /// Tells the operator what the device reports of itself though its register counts, once as long as it does.
    pub async fn warn(&mut self, warning: Option<Sentence>, answer: &[u8]) -> Result<(), JournalError> {
        if warning == self.warned {
            return Ok(());
        }
        self.warned = warning;
        let Some(detail) = self.warned.clone() else { return Ok(()) };
        tracing::warn!(meter = %self.meter.id, bus = self.meter.bus, "{detail}");
        self.shared.note(Some(self.meter.id), "meter/warning", detail, Some(answer.to_vec())).await
    }

    /// Tells the operator of a condition, once as long as it lasts.
    pub async fn tell(&mut self, code: &str, detail: Sentence, answer: Option<Vec<u8>>) -> Result<(), JournalError> {
        self.shared.metrics.failed(code);
        self.tell_silence().await?;
        // Of two details that differ in their figures alone the second says nothing new.
        let condition = format!("{code} {}", detail.en.replace(|character: char| character.is_ascii_digit(), ""));
        if self.told.len() == MAX_CONDITIONS || !self.told.insert(condition) {
            return Ok(());
        }
        let (id, unit) = (self.meter.id, self.meter.address());
        tracing::warn!(meter = %id, bus = self.meter.bus, %unit, code, "{detail}");
        self.shared.note(Some(id), code, detail, answer).await
    }
}

/// Why a reading that a device has signed does not follow from what the ledger has of its meter: with time the capacity would let it count.
pub fn other_begin(meter: &Meter, known: Registration, seen: Seen, interval_ms: u64) -> Option<Doubt> {
    let last = Seen { time_ms: known.last_ms, register: known.register };
    match limits(meter, Some(known), interval_ms).told_look(Some(last), seen) {
        Verdict::LookAgain(doubt @ (Doubt::BeyondCapacity { .. } | Doubt::WentBack { .. } | Doubt::TooWide { .. })) => {
            Some(doubt)
        }
        _ => None,
    }
}

/// What can be believed of a meter of which the ledger knows so much.
pub fn limits(meter: &Meter, known: Option<Registration>, interval_ms: u64) -> Limits {
    Limits {
        modulus: known.map(|known| known.modulus).or_else(|| modulus(meter)),
        capacity_per_hour: known.map(|known| known.capacity_per_hour),
        step: step(meter),
        interval_ms,
    }
}

/// Where a meter's register starts again, in base units, where its profile says so.
pub fn modulus(meter: &Meter) -> Option<u64> {
    let modulus = meter.profile.modulus?;
    let quantity = modulus.number.quantity_floor(modulus.unit, meter.carrier).ok()?;
    quantity.0.checked_mul(meter.ratio.factor())
}

/// What can pass in a time, in base units.
pub fn most_in(capacity_per_hour: u64, ms: u64) -> u64 {
    let most = u128::from(capacity_per_hour) * u128::from(ms) / u128::from(HOUR_MS);
    u64::try_from(most).unwrap_or(u64::MAX)
}

/// The least capacity, in base units an hour, that lets one step of a meter's register pass in an interval.
pub fn least_capacity(meter: &Meter, interval_ms: u64) -> u64 {
    let least = (u128::from(step(meter)) * u128::from(HOUR_MS)).div_ceil(u128::from(interval_ms.max(1)));
    u64::try_from(least).unwrap_or(u64::MAX)
}

/// A register's step in base units, rounded up: it moves by at least this.
pub fn step(meter: &Meter) -> u64 {
    let (number, unit) = match &meter.profile.register {
        Register::Modbus { description, .. } => (description.step.number, description.step.unit),
        Register::Json(description) => (description.step.number, description.step.unit),
        // A station tells as many decimals as it likes; whole watt-hours are what its transactions count in.
        Register::Ocpp { .. } => (Number::whole(1), Unit::WattHour),
        Register::Computed(formula) => return formula.step.max(1),
        Register::Dlt645 { .. } => (Number::decimal(1, 2), Unit::KilowattHour),
        // Their unit stands in the answer: the coarsest that is usual.
        Register::Cjt188 { .. } | Register::Mbus { .. } | Register::SunSpec(_) => match meter.carrier.base_unit() {
            BaseUnit::Joule => (Number::whole(1), Unit::KilowattHour),
            BaseUnit::Millilitre => (Number::decimal(1, 2), Unit::CubicMetre),
        },
    };
    let step = number.quantity_floor(unit, meter.carrier).map_or(1, |quantity| quantity.0.max(1));
    step.saturating_mul(meter.ratio.factor())
}
