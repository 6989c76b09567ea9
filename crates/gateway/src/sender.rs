//! From the journal to the ledger: one batch at a time, oldest readings first, nothing twice.
//!
//! ```text
//!            ┌────────── a batch is open ──────────┐
//! step:  submit its bytes again            readings wait ──> sign ──> seal ──> (next step submits)
//!        │ final    ──> close with each reading's fate
//!        │ pending  ──> later, the same bytes
//!        ├ never    ──> take back: its readings wait again
//!        ├ spoilt   ──> take back: its readings are as good as before
//!        └ refused whole ──> take back, and send it in parts (`split`)
//! ```
//!
//! Whatever happens between two steps, the next begins with what the journal says. A reading that the ledger calls replayed or out
//! of order may be one whose receipt was never seen: it is compared with what is certified.

pub mod signed;
mod split;

use self::split::{Narrowed, Split};
use crate::causes::sentence;
use crate::clock::{Comparison, HOLD_MS, SetClock};
use crate::journal::{Batch, ClockState, Event, Fate, JournalError, Waiting};
use crate::kept::{Shared, begin_stretch, end_stretch};
use crate::uplink::{Answer, ChainNow, MAX_READINGS, Uplink, UplinkError};
use utilidor_types::MeterId;

/// What a step did.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing waits.
    Idle,
    /// Readings wait for the chain's time to reach them, or for the clock to be compared.
    TooEarly,
    /// A batch is in the journal and will be sent.
    Sealed {
        /// How many readings it carries.
        readings: usize,
    },
    /// The ledger has answered for a batch.
    Closed {
        /// How many of its readings are certified.
        certified: usize,
        /// How many are refused.
        refused: usize,
    },
    /// A batch is on its way.
    Pending,
    /// A batch can never enter a block: its readings wait again.
    TakenBack {
        /// How many.
        readings: u64,
    },
    /// The bytes of a batch are none that a block can take: its readings wait again.
    Spoilt {
        /// How many.
        readings: u64,
        /// The sentence.
        detail: String,
    },
    /// The ledger has refused a batch whole: its readings wait again, and are sent in smaller ones.
    Split {
        /// How many.
        readings: usize,
    },
    /// The ledger has refused a meter's reading whole: the meter's readings wait, and stop no other meter's.
    SetAside {
        /// Whose.
        meter: MeterId,
    },
    /// The node, or a rule about the gateway itself, does not let a batch through.
    NotTaken {
        /// The stable code.
        code: String,
        /// The sentence.
        detail: String,
    },
    /// The ledger could not be asked.
    Down {
        /// Why.
        reason: String,
    },
}

impl Step {
    /// Whether the next step may follow at once.
    pub const fn goes_on(&self) -> bool {
        matches!(self, Self::Sealed { .. } | Self::Closed { .. } | Self::Split { .. } | Self::SetAside { .. })
    }

    /// Whether something is wrong with the way.
    pub const fn is_trouble(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::NotTaken { .. } | Self::TakenBack { .. } | Self::Spoilt { .. })
    }
}

/// Takes readings from the journal to the ledger.
#[derive(Debug)]
pub struct Sender<U> {
    uplink: U,
    shared: Shared,
    /// The clock that is moved with the chain's time, before the two are compared.
    follows: Option<SetClock>,
    last_trouble: Option<String>,
    /// Why the ledger was not asked of its meters, where that failed the last time.
    unasked: Option<String>,
    warned: bool,
    split: Split,
    /// Since when the batch that was sealed last is on its way, by the monotonic clock.
    pending_since_ms: Option<u64>,
    /// The stretch of the clock that goes on, without a jump, from one that was found right.
    goes_on: Option<i64>,
}

/// How long a batch may be on its way before the operator is told.
const LONG_PENDING_MS: u64 = 600_000;

/// Whether what refuses a batch is a rule about the gateway, such as a role that it lacks: another batch would fare no better.
fn is_about_the_gateway(code: &str) -> bool {
    code.starts_with("member/") || code.starts_with("account/")
}

impl<U: Uplink> Sender<U> {
    /// A sender over `uplink`.
    pub fn new(uplink: U, shared: Shared) -> Self {
        let split = Split::default();
        Self {
            uplink,
            shared,
            follows: None,
            last_trouble: None,
            unasked: None,
            warned: false,
            split,
            pending_since_ms: None,
            goes_on: None,
        }
    }

    /// The same with a clock that follows the chain's time: a development chain's.
    #[must_use]
    pub fn with_clock(self, follows: Option<SetClock>) -> Self {
        Self { follows, ..self }
    }

    /// Moves a clock that follows the chain. Whether the chain answers is what the next step finds out.
    pub async fn follow(&self) {
        if self.follows.is_some() {
            let _ = self.chain().await;
        }
    }

    /// Where the chain stands; a clock that follows it is there, too.
    async fn chain(&self) -> Result<ChainNow, UplinkError> {
        let chain = self.uplink.chain().await?;
        if let Some(clock) = &self.follows {
            clock.advance_to(chain.time_ms);
        }
        Ok(chain)
    }

    /// Does what comes next. Only the journal's failures are errors: the ledger's are waited out.
    pub async fn step(&mut self) -> Result<Step, JournalError> {
        let step = match self.try_step().await {
            Ok(step) => step?,
            Err(error) => Step::Down { reason: sentence(&error) },
        };
        self.tell(&step).await?;
        Ok(step)
    }

    async fn try_step(&mut self) -> Result<Result<Step, JournalError>, UplinkError> {
        let open = match self.shared.writer.call(|journal| journal.open_batches()).await {
            Ok(open) => open,
            Err(error) => return Ok(Err(error)),
        };
        match open.first() {
            Some(batch) => self.submit(batch).await,
            None => self.seal().await,
        }
    }

    async fn seal(&mut self) -> Result<Result<Step, JournalError>, UplinkError> {
        let chain = self.chain().await?;
        if let Err(error) = self.compare_clock(chain).await {
            return Ok(Err(error));
        }
        let is_waiting = match self.shared.writer.call(|journal| journal.has_waiting()).await {
            Ok(is_waiting) => is_waiting,
            Err(error) => return Ok(Err(error)),
        };
        if !is_waiting {
            return Ok(Ok(Step::Idle));
        }
        self.split.pass_to(self.shared.watch.clock().now_ms());
        let mut waiting = loop {
            let split = self.split.clone();
            let oldest = move |journal: &mut crate::journal::Journal| {
                journal.oldest_waiting_of(MAX_READINGS, |meter| split.sends(meter))
            };
            let mut waiting = match self.shared.writer.call(oldest).await {
                Ok(waiting) => waiting,
                Err(error) => return Ok(Err(error)),
            };
            // A reading keeps its time: the chain's comes after it soon.
            waiting.retain(|reading| reading.time_ms <= chain.time_ms);
            if self.split.narrow(&mut waiting) {
                break waiting;
            }
        };
        if waiting.is_empty() {
            return Ok(Ok(Step::TooEarly));
        }
        waiting.sort_unstable();
        let batch = self.uplink.sign(&waiting).await?;
        let now_ms = self.shared.watch.clock().now_ms();
        let readings = waiting.len();
        let sealed = self.shared.writer.call(move |journal| journal.seal(&waiting, &batch, now_ms)).await;
        Ok(sealed.map(|_| Step::Sealed { readings }))
    }

    async fn submit(&mut self, batch: &Batch) -> Result<Result<Step, JournalError>, UplinkError> {
        let id = batch.id;
        match self.uplink.submit(batch).await? {
            Answer::Pending => Ok(Ok(Step::Pending)),
            Answer::NotTaken { code, detail } => Ok(Ok(Step::NotTaken { code, detail })),
            Answer::Never => {
                let taken_back = self.shared.writer.call(move |journal| journal.take_back(id)).await;
                Ok(taken_back.map(|readings| Step::TakenBack { readings }))
            }
            Answer::Spoilt { detail } => {
                let taken_back = self.shared.writer.call(move |journal| journal.take_back(id)).await;
                Ok(taken_back.map(|readings| Step::Spoilt { readings, detail }))
            }
            // Its readings are as good as before.
            Answer::RefusedWhole { code, detail } if is_about_the_gateway(&code) => {
                let taken_back = self.shared.writer.call(move |journal| journal.take_back(id)).await;
                Ok(taken_back.map(|_| Step::NotTaken { code, detail }))
            }
            Answer::RefusedWhole { code, detail } => Ok(self.split(id, code, detail).await),
            Answer::Final { height, refused } => {
                let readings = match self.shared.writer.call(move |journal| journal.batch_readings(id)).await {
                    Ok(readings) => readings,
                    Err(error) => return Ok(Err(error)),
                };
                let fates = self.fates(&readings, refused).await?;
                let certified = fates.iter().filter(|(_, fate)| *fate == Fate::Final).count();
                let refused = fates.len() - certified;
                self.shared.metrics.certified(certified);
                for (_, fate) in &fates {
                    if let Fate::Refused { code, .. } = fate {
                        self.shared.metrics.refused(code);
                    }
                }
                let events = refusal_events(&fates, self.shared.watch.clock().now_ms());
                self.split.is_answered();
                let closed = self.shared.writer.call(move |journal| {
                    journal.close(id, height, &fates)?;
                    events.iter().try_for_each(|event| journal.note(event))
                });
                Ok(closed.await.map(|()| Step::Closed { certified, refused }))
            }
        }
    }

    /// A batch was refused whole for something in it: it is sent in parts, until it is known for which meter. Of that one the operator is
    /// told.
    async fn split(&mut self, id: i64, code: String, detail: String) -> Result<Step, JournalError> {
        let readings = self.shared.writer.call(move |journal| journal.batch_readings(id)).await?;
        self.shared.writer.call(move |journal| journal.take_back(id)).await?;
        match self.split.is_refused(&readings, self.shared.watch.clock().now_ms()) {
            None => Ok(Step::NotTaken { code, detail }),
            Some(Narrowed::Halved) => Ok(Step::Split { readings: readings.len() }),
            Some(Narrowed::Aside(meter)) => {
                let detail = format!("{code}: {detail}; its readings wait, and are tried again in an hour");
                tracing::warn!(%meter, code = "uplink/set-aside", "{detail}");
                self.shared.note(Some(meter), "uplink/set-aside", detail, None).await?;
                Ok(Step::SetAside { meter })
            }
        }
    }

    /// What became of each reading. One that is certified already by a batch whose receipt was never seen is final.
    async fn fates(
        &self,
        readings: &[Waiting],
        refused: Vec<(usize, String, String)>,
    ) -> Result<Vec<(Waiting, Fate)>, UplinkError> {
        let mut fates: Vec<_> = readings.iter().map(|reading| (*reading, Fate::Final)).collect();
        for (place, code, detail) in refused {
            let Some((reading, fate)) = fates.get_mut(place) else { continue };
            let may_be_certified = matches!(code.as_str(), "reading/replayed" | "reading/out-of-order");
            if may_be_certified
                && self.uplink.certified(reading.meter, reading.time_ms).await? == Some(reading.register)
            {
                continue;
            }
            *fate = Fate::Refused { code, detail };
        }
        Ok(fates)
    }

    /// Compares the clock with the chain's time, and says so in the journal where something follows from it.
    pub async fn compare_clock(&mut self, chain: ChainNow) -> Result<Option<Comparison>, JournalError> {
        let Some(comparison) = Comparison::of(&self.shared.watch, chain.time_ms) else {
            begin_stretch(&self.shared.watch, &self.shared.writer).await?;
            return Ok(None);
        };
        let offset_ms = comparison.offset_ms;
        self.shared.metrics.compared(offset_ms);
        // Of a clock that counts: the chain's last block may be some time old.
        self.judge(comparison, chain.time_ms.saturating_add_signed(offset_ms)).await?;
        if comparison.is_worth_a_warning() != self.warned {
            self.warned = comparison.is_worth_a_warning();
            let code = if self.warned { "clock/apart" } else { "clock/together" };
            let detail = match offset_ms {
                ..0 => format!("the clock is {} ms behind the chain's time", offset_ms.unsigned_abs()),
                // Which of them it is, nobody can say who sees the one node alone.
                _ if self.warned => {
                    format!(
                        "the chain's last block is {offset_ms} ms old: it stands, the node is behind, or the clock is ahead; beyond \
                         {HOLD_MS} ms readings wait until the two are together"
                    )
                }
                _ => format!("the clock is {offset_ms} ms ahead of the chain's time"),
            };
            self.shared.note(None, code, detail, None).await?;
        }
        Ok(Some(comparison))
    }

    /// Says what a comparison has shown of a stretch of the clock, and of those before it.
    async fn judge(&mut self, comparison: Comparison, now_ms: u64) -> Result<(), JournalError> {
        use ClockState::{Trusted, Unverified, Wrong};
        let Comparison { epoch, state, began_ms, worst_ms, .. } = comparison;
        let writer = &self.shared.writer;
        let known = writer.call(move |journal| journal.clock_state(epoch)).await?;
        match (known, state) {
            // It was right and has not jumped: either it has drifted a little in a long time, or it is the chain's time that is
            // wrong. So what it has stamped counts. What it stamps from now on is a stretch of its own, which waits until the two are
            // together again, or until somebody sets the clock.
            (Trusted, None | Some(Wrong)) if !comparison.is_right() => {
                self.goes_on = end_stretch(&self.shared.watch, writer, epoch).await?;
                return Ok(());
            }
            (Unverified, Some(Wrong)) if !comparison.is_right() && self.goes_on == Some(epoch) => {}
            (Unverified, Some(Wrong)) => {
                writer.call(move |journal| journal.judge_clock(epoch, Wrong, worst_ms)).await?;
            }
            (Unverified, Some(Trusted)) => {
                writer.call(move |journal| journal.judge_clock(epoch, Trusted, began_ms)).await?;
            }
            (Wrong, Some(Trusted)) => {
                let forgiven = writer.call(move |journal| journal.forgive_clock(epoch, began_ms)).await?;
                let detail =
                    format!("the clock was right after all, and not the chain's time: {forgiven} readings count again");
                self.shared.note(None, "clock/was-right", detail, None).await?;
            }
            _ => {}
        }
        if known != Trusted && state == Some(Trusted) {
            let judge = move |journal: &mut crate::journal::Journal| journal.judge_earlier_clocks(epoch, now_ms);
            let (counting, refused) = writer.call(judge).await?;
            if counting + refused > 0 {
                let detail = format!(
                    "{counting} readings count, {refused} are refused, that were stamped before the clock was last set or started: it \
                     was not compared with the chain's time then"
                );
                self.shared.note(None, "clock/earlier-start", detail, None).await?;
            }
        }
        if known != Trusted && state == Some(Wrong) && comparison.is_right() {
            // It was put right by less than a jump at a time: what it stamps from now on counts.
            end_stretch(&self.shared.watch, writer, epoch).await?;
        }
        Ok(())
    }

    /// Asks the ledger what it knows of meters, for the pollers and for the time without uplink. The next step tells it where that fails.
    pub async fn refresh(&mut self, ids: &[MeterId]) -> Result<Result<usize, UplinkError>, JournalError> {
        let found = match self.uplink.meters(ids).await {
            Ok(found) => found,
            Err(error) => {
                self.unasked = Some(format!("the ledger could not be asked of its meters: {}", sentence(&error)));
                return Ok(Err(error));
            }
        };
        self.unasked = None;
        let count = found.len();
        let mut changed = Vec::new();
        {
            let mut known = self.shared.registrations.write().expect("no holder of this lock panics");
            for (id, meter) in found {
                if known.insert(id, meter.registration) != Some(meter.registration) {
                    changed.push((id, serde_json::to_string(&meter.registration).expect("numbers are JSON")));
                }
            }
        }
        self.shared
            .writer
            .call(move |journal| changed.iter().try_for_each(|(id, text)| journal.set_registration(*id, text)))
            .await?;
        Ok(Ok(count))
    }

    /// Deletes from the journal what was certified or refused, and is older than `keep_ms`.
    pub async fn prune(&self, keep_ms: u64) -> Result<u64, JournalError> {
        let before_ms = self.shared.watch.clock().now_ms().saturating_sub(keep_ms);
        self.shared.writer.call(move |journal| journal.prune(before_ms)).await
    }

    /// Tells the operator that this program has a fault.
    pub async fn tell_fault(&mut self) -> Result<(), JournalError> {
        self.shared.metrics.uplink(false);
        let detail =
            "what sends has ended by a fault of this program, which its log names; it begins again in some minutes";
        tracing::error!(code = "uplink/fault", "{detail}");
        if self.last_trouble.as_deref() != Some("uplink/fault") {
            self.shared.note(None, "uplink/fault", detail.into(), None).await?;
            self.last_trouble = Some("uplink/fault".into());
        }
        Ok(())
    }

    async fn tell(&mut self, step: &Step) -> Result<(), JournalError> {
        self.shared.metrics.uplink(!matches!(step, Step::Down { .. }) && self.unasked.is_none());
        let now_ms = self.shared.watch.clock().monotonic_ms();
        match step {
            Step::Sealed { .. } => self.pending_since_ms = None,
            Step::Pending => self.pending_since_ms = self.pending_since_ms.or(Some(now_ms)),
            _ => {}
        }
        let pending_ms = self.pending_since_ms.map_or(0, |since_ms| now_ms.saturating_sub(since_ms));
        let trouble = match step {
            Step::Pending if pending_ms >= LONG_PENDING_MS => {
                let detail = "a batch is with the node and comes into no block: the chain stands, or the node told another nonce than \
                              the account's when the batch was signed; it is signed anew once it has expired";
                Some(("uplink/pending", detail.into()))
            }
            Step::Down { reason } => Some(("uplink/down", reason.clone())),
            Step::NotTaken { code, detail } => Some(("uplink/not-taken", format!("{code}: {detail}"))),
            Step::TakenBack { readings } => Some(("uplink/taken-back", format!("{readings} readings are signed anew"))),
            Step::Spoilt { readings, detail } => {
                Some(("uplink/spoilt", format!("{detail}; {readings} readings are signed anew")))
            }
            // What becomes of it, the next step says.
            Step::Sealed { .. } => return Ok(()),
            _ => self.unasked.clone().map(|reason| ("uplink/down", reason)),
        };
        match trouble {
            Some((code, detail)) => {
                if self.last_trouble.as_deref() != Some(code) {
                    tracing::warn!(code, "{detail}");
                    self.shared.note(None, code, detail, None).await?;
                    self.last_trouble = Some(code.into());
                }
            }
            None => {
                if self.last_trouble.take().is_some() {
                    self.shared.note(None, "uplink/up", "the ledger answers again".into(), None).await?;
                }
            }
        }
        Ok(())
    }
}

/// Events about readings that are refused; one for each meter and code of a batch.
fn refusal_events(fates: &[(Waiting, Fate)], time_ms: u64) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for (reading, fate) in fates {
        let Fate::Refused { code, detail } = fate else { continue };
        let is_told = events.last().is_some_and(|event| event.meter == Some(reading.meter) && event.code == *code);
        if !is_told {
            let (code, detail) = (code.clone(), detail.clone());
            events.push(Event { time_ms, meter: Some(reading.meter), code, detail, answer: None });
        }
    }
    events
}
