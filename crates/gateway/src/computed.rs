//! Virtual meters: what no device counts and is the sum or difference of what others count. The losses of a network, what a
//! landlord uses beside his tenants' sub-meters, several inverters on one roof.
//!
//! ```text
//! parts' readings of this interval (journal) ──> all there? ──> what passed at each ──> sum ──> journal ──> ledger
//! ```
//!
//! A virtual meter's register goes on from what it showed before by what has passed at its parts since. So it needs no register
//! of a part to begin at a certain number, starts again where its own width says, and a part's missing reading delays and never
//! falsifies it. It is refused where a part has no reading in the interval, and stopped where a part's device was exchanged or the
//! configuration computes it otherwise than before: what passed at that part meanwhile is not known.
//!
//! A part's reading is its own moment's, and parts are not read in the same one. The difference stands in the reading's
//! document, does not grow, and is made good by the next reading. Where a difference of large meters is small, it can come out
//! below nothing for an interval: then nothing is recorded, and the next reading shows both intervals.
//!
//! Deliberately absent: shares, factors and averages. Sharing costs is the agreement's matter.

use crate::clock::DEVICES;
use crate::config::{Meter, VIRTUAL_BUS};
use crate::guard::{Doubt, Seen, Verdict};
use crate::journal::{JournalError, PartReading};
use crate::kept::{self, Kept, Shared};
use crate::number::in_usual_unit;
use crate::poller::{Turn, next_due};
use crate::profile::Register;
use crate::protocol::computed::{At, Computed, MAX_DEVICE, Part, Sign};
use crate::reason::{Sentence, sentence};
use std::collections::BTreeMap;
use std::fmt;
use utilidor_types::{MeterId, Quantity, Timestamp};

/// Which meters a virtual meter is computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formula {
    /// The parts in order.
    pub parts: Vec<(Sign, MeterId)>,
    /// By how much its register moves at least when all parts move, in base units.
    pub step: u64,
}

impl fmt::Display for Formula {
    /// `+A+B-C`, which is also how the journal knows it again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|(sign, meter)| write!(f, "{}{meter}", sign.symbol()))
    }
}

struct Virtual {
    kept: Kept,
    formula: Formula,
}

/// Computes the virtual meters of a gateway.
pub struct Computer {
    meters: Vec<Virtual>,
    /// The meters that can be parts.
    parts: BTreeMap<MeterId, Meter>,
    shared: Shared,
}

impl Computer {
    /// A computer of those of `meters` that are virtual, in their order.
    pub fn new(meters: &[Meter], shared: &Shared) -> Self {
        let virtuals = meters.iter().filter_map(|meter| match &meter.profile.register {
            Register::Computed(formula) => {
                let kept = Kept::new(meter.clone(), VIRTUAL_BUS, shared.clone());
                Some(Virtual { kept, formula: formula.clone() })
            }
            _ => None,
        });
        let virtuals: Vec<_> = virtuals.collect();
        let wanted: std::collections::BTreeSet<_> =
            virtuals.iter().flat_map(|meter| meter.formula.parts.iter().map(|(_, part)| *part)).collect();
        let parts = meters.iter().filter(|meter| wanted.contains(&meter.id));
        let parts = parts.map(|meter| (meter.id, meter.clone())).collect();
        Self { meters: virtuals, parts, shared: shared.clone() }
    }

    /// Whether there is nothing to compute.
    pub const fn is_empty(&self) -> bool {
        self.meters.is_empty()
    }

    /// Computes all of them in each interval, when it is nearly over and every bus has had its turn, until the journal fails.
    pub async fn run(mut self) -> JournalError {
        let interval_ms = self.shared.interval_ms;
        loop {
            let clock = self.shared.watch.clock();
            let due = next_due(clock.now_ms(), interval_ms, interval_ms / 10 * 9);
            clock.until(due).await;
            if let Err(error) = self.round().await {
                return error;
            }
        }
    }

    /// Computes all of them once, from the readings of the interval that is now.
    pub async fn round(&mut self) -> Result<Vec<(MeterId, Turn)>, JournalError> {
        let now_ms = self.shared.watch.clock().now_ms();
        let begin_ms = now_ms - now_ms % self.shared.interval_ms.max(1);
        let mut turns = Vec::with_capacity(self.meters.len());
        for place in 0..self.meters.len() {
            let turn = self.turn(place, begin_ms).await?;
            turns.push((self.meters[place].kept.meter.id, turn));
        }
        Ok(turns)
    }

    /// One meter's turn. Order: stopped, another formula, parts' readings, their clock, their devices, what passed, the register.
    async fn turn(&mut self, place: usize, begin_ms: u64) -> Result<Turn, JournalError> {
        let (id, formula) = (self.meters[place].kept.meter.id, self.meters[place].formula.clone());
        let ids: Vec<_> = formula.parts.iter().map(|(_, part)| *part).collect();
        let (known, readings, before) = self
            .shared
            .writer
            .call(move |journal| {
                Ok::<_, JournalError>((journal.known(id)?, journal.parts(&ids)?, journal.computed(id)?))
            })
            .await?;
        if let Some(reason) = known.stopped {
            return Ok(Turn::Stopped(reason));
        }
        let before = match known.device {
            Some(known) if known == formula.to_string() => before.and_then(|bytes| Computed::read(&bytes).ok()),
            Some(_) => return self.stop(place, "virtual/changed", changed()).await,
            // It begins, or begins anew where an operator has accepted what it was stopped for.
            None => None,
        };

        let mut parts = Vec::with_capacity(formula.parts.len());
        let mut missing = Vec::new();
        let mut epochs = Vec::new();
        for (place, ((sign, meter), reading)) in formula.parts.iter().zip(readings).enumerate() {
            let earlier = before.as_ref().and_then(|before| before.parts.get(place));
            let newest = reading.filter(|reading| reading.time_ms >= begin_ms);
            match newest.filter(|reading| earlier.is_none_or(|earlier| earlier.now.time_ms < reading.time_ms)) {
                Some(reading) => {
                    epochs.push(reading.epoch);
                    parts.push(self.part(*sign, *meter, reading, earlier));
                }
                None => missing.push(Sentence::alike(meter.to_string())),
            }
        }
        if !missing.is_empty() {
            let (since, missing) = (Timestamp(begin_ms), Sentence::joined(&missing));
            let detail =
                sentence!("no reading since {since} of part {missing}", "组成部分 {missing} 自 {since} 起没有读数");
            return self.failed(place, "virtual/part-missing", detail).await;
        }
        let stamp = self.shared.stamp().await?;
        if epochs.iter().any(|epoch| ![stamp.epoch, DEVICES].contains(epoch)) {
            let detail = sentence!(
                "a new stretch of the clock began while its parts were read: the next reading shows both intervals",
                "抄读各组成部分期间时钟有跳变：下一读数包含这两个间隔"
            );
            return self.failed(place, "virtual/clock", detail).await;
        }
        let earlier = before.as_ref().map_or(&[][..], |before| &before.parts);
        if let Some(part) = parts.iter().zip(earlier).find_map(|(part, earlier)| exchanged(part, earlier)) {
            let reason =
                sentence!("another device stands in the place of part {part}", "组成部分 {part} 已换为另一设备");
            return self.stop(place, "virtual/part-exchanged", reason).await;
        }
        if let Some(part) = parts.iter().find(|part| part.passed().is_none()) {
            let part = part.meter;
            let reason = sentence!("the register of part {part} went back", "组成部分 {part} 的表底倒退");
            return self.stop(place, "virtual/part-went-back", reason).await;
        }

        let Some(last) = self.meters[place].kept.last().await? else {
            let detail = sentence!(
                "the ledger has not said yet what it begins from: it is not registered, or was never asked",
                "账本尚未告知其起始表底：该表计未登记，或从未查询"
            );
            return self.failed(place, "virtual/unregistered", detail).await;
        };
        let at = |seen: Seen| At { time_ms: seen.time_ms, register: Quantity(seen.register) };
        let limits = self.meters[place].kept.limits();
        let time_ms = parts.iter().map(|part| part.now.time_ms).max().unwrap_or_default();
        let carrier = self.meters[place].kept.meter.carrier;
        let from = before.map_or(at(last), |before| before.now);
        let mut computed = Computed { carrier, before: from, parts, now: At { time_ms, ..from }, modulus: None };
        let passed = computed.passed().unwrap_or_default();
        let Ok(passed) = u64::try_from(passed) else {
            let less = in_usual_unit(u64::try_from(passed.unsigned_abs()).unwrap_or(u64::MAX), carrier);
            let detail = sentence!(
                "its parts say that -{less} passed: the next reading shows both intervals",
                "按各组成部分计算流过 -{less}：下一读数包含这两个间隔"
            );
            return self.failed(place, "virtual/went-back", detail).await;
        };
        let sum = u128::from(from.register.0) + u128::from(passed);
        let around = limits.modulus.filter(|modulus| sum >= u128::from(*modulus));
        let Ok(register) = u64::try_from(sum - u128::from(around.unwrap_or_default())) else {
            let detail = sentence!(
                "{sum} is more than a register holds: register the meter with a width",
                "{sum} 超出表底的上限：登记该表计时请写明表底翻转处（--modulus）"
            );
            return self.failed(place, "register/too-large", detail).await;
        };
        (computed.now.register, computed.modulus) = (Quantity(register), around.map(Quantity));
        let seen = Seen { time_ms, register };
        // Each part was confirmed where it had to be: a second look would show the same.
        if let Some(doubt) = doubt(limits.first_look(Some(last), seen)) {
            let detail = doubt.sentence(self.meters[place].kept.meter.carrier);
            self.meters[place].kept.tell(doubt.code(), detail, Some(computed.to_bytes())).await?;
            return Ok(Turn::Held(doubt));
        }
        let (document, formula) = (computed.to_bytes(), formula.to_string());
        let kept = &mut self.meters[place].kept;
        if let Err(doubt) = kept.record(seen, stamp.epoch, formula.clone().into_bytes(), document.clone()).await? {
            return Ok(Turn::Held(doubt));
        }
        // If the machine stops between the two, the next reading is computed from the one before: the sum is the same.
        let remember = self.shared.writer.call(move |journal| {
            journal.set_computed(id, &document)?;
            journal.set_device(id, &formula)
        });
        remember.await?;
        Ok(Turn::Recorded { time_ms, register })
    }

    fn part(&self, sign: Sign, meter: MeterId, reading: PartReading, earlier: Option<&Part>) -> Part {
        let registration = self.shared.registration(meter);
        let before = earlier.map(|earlier| earlier.now);
        let modulus = before.filter(|before| before.register.0 > reading.register).and_then(|before| {
            // It went back: it has started again only if so much can have passed.
            let limits = kept::limits(self.parts.get(&meter)?, registration, self.shared.interval_ms);
            let last = Seen { time_ms: before.time_ms, register: before.register.0 };
            let now = Seen { time_ms: reading.time_ms, register: reading.register };
            limits.has_started_again(last, now).then_some(limits.modulus?)
        });
        Part {
            sign,
            meter,
            device: reading.device.filter(|device| device.len() <= MAX_DEVICE),
            devices: registration.map(|registration| registration.devices),
            before,
            now: At { time_ms: reading.time_ms, register: Quantity(reading.register) },
            modulus: modulus.map(Quantity),
        }
    }

    async fn failed(&mut self, place: usize, code: &'static str, detail: Sentence) -> Result<Turn, JournalError> {
        self.meters[place].kept.tell(code, detail, None).await?;
        Ok(Turn::Failed(code))
    }

    async fn stop(&mut self, place: usize, code: &str, reason: Sentence) -> Result<Turn, JournalError> {
        let id = self.meters[place].kept.meter.id;
        let stopped = reason.clone();
        self.shared.writer.call(move |journal| journal.stop_meter(id, &stopped)).await?;
        let detail = sentence!(
            "{reason}: see what it counted meanwhile, then 'utilidor gateway accept' begins anew from there",
            "{reason}：查明其间的用量，再用 'utilidor gateway accept' 由此重新开始"
        );
        self.shared.note(Some(id), code, detail, None).await?;
        Ok(Turn::Stopped(reason))
    }
}

/// Its formula is another than before.
fn changed() -> Sentence {
    sentence!("it is computed otherwise than before", "计算方式与以前不同")
}

/// The part whose device is another one than before. What is not known of either says nothing.
fn exchanged(part: &Part, earlier: &Part) -> Option<MeterId> {
    let differ = part.device.is_some() && earlier.device.is_some() && part.device != earlier.device;
    let counted = part.devices.is_some() && earlier.devices.is_some() && part.devices != earlier.devices;
    (differ || counted).then_some(part.meter)
}

fn doubt(verdict: Verdict) -> Option<Doubt> {
    match verdict {
        Verdict::Take | Verdict::LookAgain(Doubt::First | Doubt::AfterSilence { .. } | Doubt::Rollover { .. }) => None,
        Verdict::LookAgain(doubt) | Verdict::Hold(doubt) => Some(doubt),
    }
}

impl fmt::Debug for Computer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Computer").field("meters", &self.meters.len()).finish_non_exhaustive()
    }
}
