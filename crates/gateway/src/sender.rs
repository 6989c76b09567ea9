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

mod clock;
pub mod signed;
mod split;

use self::split::{Narrowed, Split};
use crate::clock::SetClock;
use crate::journal::{Batch, Event, Fate, JournalError, Waiting};
use crate::kept::Shared;
use crate::reason::{Sentence, sentence};
use crate::uplink::{Answer, ChainNow, LedgerMeter, MAX_READINGS, Uplink, UplinkError};
use std::collections::BTreeMap;
use utilidor_types::{MeterId, Timestamp};

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
        detail: Sentence,
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
        detail: Sentence,
    },
    /// The ledger could not be asked.
    Down {
        /// Why.
        reason: Sentence,
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
    /// What was last told to be wrong with the way and is not over, once that was looked up: it may have been told before a restart.
    last_trouble: Option<Option<String>>,
    /// Why the ledger was not asked of its meters, where that failed the last time.
    unasked: Option<Sentence>,
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
            Err(error) => Step::Down { reason: self.uplink.says(&error) },
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
    async fn split(&mut self, id: i64, code: String, detail: Sentence) -> Result<Step, JournalError> {
        let readings = self.shared.writer.call(move |journal| journal.batch_readings(id)).await?;
        self.shared.writer.call(move |journal| journal.take_back(id)).await?;
        match self.split.is_refused(&readings, self.shared.watch.clock().now_ms()) {
            None => Ok(Step::NotTaken { code, detail }),
            Some(Narrowed::Halved) => Ok(Step::Split { readings: readings.len() }),
            Some(Narrowed::Aside(meter)) => {
                let detail = sentence!(
                    "{code}: {detail}; its readings wait, and are tried again in an hour",
                    "{code}：{detail}；其读数等待，一小时后重试"
                );
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
        refused: Vec<(usize, String, Sentence)>,
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

    /// Asks the ledger what it knows of meters, for the pollers and for the time without uplink. The next step tells it where that fails.
    pub async fn refresh(&mut self, ids: &[MeterId]) -> Result<Result<usize, UplinkError>, JournalError> {
        let mut found = match self.ask_of(ids).await {
            Ok(found) => found,
            Err(error) => {
                let why = self.uplink.says(&error);
                self.unasked =
                    Some(sentence!("the ledger could not be asked of its meters: {why}", "无法向账本查询表计：{why}"));
                return Ok(Err(error));
            }
        };
        self.unasked = None;
        // What is read after the chain's own time cannot be so: with it no reading would be after the last.
        let (meters, chain) = &mut found;
        let latest = chain.time_ms;
        let is_to_come = |meter: &LedgerMeter| meter.registration.last_ms > latest;
        if let Some((id, meter)) = meters.iter().find(|(_, meter)| is_to_come(meter)) {
            let last = Timestamp(meter.registration.last_ms);
            self.unasked = Some(sentence!(
                "the node says that meter {id} was read at {last}, which is to come by the chain's own time: it is not believed",
                "节点称表计 {id} 于 {last} 抄读，而按链上时间该时刻尚未到来：不予采信"
            ));
        }
        meters.retain(|_, meter| !is_to_come(meter));
        let (found, _) = found;
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

    /// What the ledger knows of meters, and where the chain stands after that.
    async fn ask_of(&self, ids: &[MeterId]) -> Result<(BTreeMap<MeterId, LedgerMeter>, ChainNow), UplinkError> {
        let meters = self.uplink.meters(ids).await?;
        Ok((meters, self.chain().await?))
    }

    /// Deletes from the journal what was certified or refused, and is older than `keep_ms`.
    pub async fn prune(&self, keep_ms: u64) -> Result<u64, JournalError> {
        let before_ms = self.shared.watch.clock().now_ms().saturating_sub(keep_ms);
        self.shared.writer.call(move |journal| journal.prune(before_ms)).await
    }

    /// Tells the operator that this program has a fault.
    pub async fn tell_fault(&mut self) -> Result<(), JournalError> {
        self.shared.metrics.uplink(false);
        let detail = sentence!(
            "what sends has ended by a fault of this program, which its log names; it begins again in some minutes",
            "发送部分因本程序的缺陷而中止，运行日志中有说明；几分钟后重新开始"
        );
        tracing::error!(code = "uplink/fault", "{detail}");
        if self.last_trouble().await?.as_deref() != Some("uplink/fault") {
            self.shared.note(None, "uplink/fault", detail, None).await?;
            *self.last_trouble().await? = Some("uplink/fault".into());
        }
        Ok(())
    }

    /// What was last told to be wrong with the way, unless it is over.
    async fn last_trouble(&mut self) -> Result<&mut Option<String>, JournalError> {
        let known = match self.last_trouble.take() {
            Some(known) => known,
            None => self.shared.writer.call(|journal| journal.trouble_on_the_way()).await?,
        };
        Ok(self.last_trouble.insert(known))
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
                let detail = sentence!(
                    "a batch is with the node and comes into no block: the chain stands, or the node told another nonce than the \
                     account's when the batch was signed; it is signed anew once it has expired",
                    "一批读数已交给节点而未进入区块：链已停止出块，或签名时节点给出的序号不是该账户的；过期后重新签名"
                );
                Some(("uplink/pending", detail))
            }
            Step::Down { reason } => Some(("uplink/down", reason.clone())),
            Step::NotTaken { code, detail } => {
                Some(("uplink/not-taken", sentence!("{code}: {detail}", "{code}：{detail}")))
            }
            Step::TakenBack { readings } => {
                let detail = sentence!("{readings} readings are signed anew", "{readings} 条读数重新签名");
                Some(("uplink/taken-back", detail))
            }
            Step::Spoilt { readings, detail } => {
                let detail =
                    sentence!("{detail}; {readings} readings are signed anew", "{detail}；{readings} 条读数重新签名");
                Some(("uplink/spoilt", detail))
            }
            // What becomes of it, the next step says.
            Step::Sealed { .. } => return Ok(()),
            _ => self.unasked.clone().map(|reason| ("uplink/down", reason)),
        };
        match trouble {
            Some((code, detail)) => {
                if self.last_trouble().await?.as_deref() != Some(code) {
                    tracing::warn!(code, "{detail}");
                    self.shared.note(None, code, detail, None).await?;
                    *self.last_trouble().await? = Some(code.into());
                }
            }
            None => {
                if self.last_trouble().await?.take().is_some() {
                    let detail = sentence!("the ledger answers again", "账本恢复应答");
                    self.shared.note(None, "uplink/up", detail, None).await?;
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
