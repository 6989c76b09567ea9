//! A meter that tells its register by itself: published over MQTT, or sent by a charging station.
//!
//! Nobody can ask it again, so that a register that needs a second look gets it from what comes next. Until then its message stands
//! in the journal, since its device was answered and will not say it again; once it is confirmed both count. When a message arrives says
//! nothing: a reading is of the time that the device gives it, which must be neither in the future nor long ago.

use crate::guard::{Doubt, Limits, Seen, Verdict};
use crate::journal::{JournalError, Recorded};
use crate::kept::Kept;
use crate::protocol::Refused;
use serde::{Deserialize, Serialize};
use utilidor_types::MeterId;

/// How far ahead of the gateway's clock a device's may be.
pub const MOST_AHEAD_MS: u64 = 60_000;
/// How old a message may be: what was kept through an outage is as good as what comes at once.
pub const MOST_OLD_MS: u64 = 7 * 86_400_000;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// Its reading is in the journal.
    Recorded {
        /// When the device read it.
        time_ms: u64,
        /// What it showed.
        register: u64,
    },
    /// It was there already.
    Known,
    /// It waits for the next to confirm it.
    Doubted(Doubt),
    /// The register cannot be believed.
    Held(Doubt),
    /// It is no reading.
    Refused(&'static str),
    /// Nothing is recorded of the meter until somebody has looked.
    Stopped,
    /// The broker kept it: it is old.
    Retained,
    /// Nobody asked for it.
    Strange,
}

/// Refuses a time that a device's message cannot be of.
pub fn check_time(time_ms: u64, now_ms: u64) -> Result<(), Refused> {
    let invalid = |reason: String| Refused::Invalid { what: "time".into(), reason };
    if time_ms > now_ms.saturating_add(MOST_AHEAD_MS) {
        return Err(invalid(format!("{time_ms} is in the future: it is {now_ms}")));
    }
    if time_ms < now_ms.saturating_sub(MOST_OLD_MS) {
        return Err(invalid(format!("{time_ms} is more than a week ago: it is {now_ms}")));
    }
    Ok(())
}

/// A message whose register the next must confirm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Doubted {
    time_ms: u64,
    register: u64,
    /// In hex, as is the message.
    about: String,
    message: String,
}

impl Doubted {
    const fn seen(&self) -> Seen {
        Seen { time_ms: self.time_ms, register: self.register }
    }
}

/// Where a meter's doubted message stands among what the journal knows of itself.
fn doubted_key(meter: MeterId) -> String {
    format!("doubted {meter}")
}

/// A meter that tells.
#[derive(Debug)]
pub struct Told {
    /// The meter.
    pub kept: Kept,
    /// The message that the next must confirm, if there is one; not known before the journal was asked.
    doubted: Option<Option<Doubted>>,
    /// The newest time that a message had.
    newest_ms: Option<u64>,
}

impl Told {
    /// A meter of which the journal was not asked yet.
    pub const fn new(kept: Kept) -> Self {
        Self { kept, doubted: None, newest_ms: None }
    }

    /// Takes what a message says of the meter. `about` and `message` are kept as evidence.
    pub async fn take(
        &mut self,
        seen: Result<Seen, Refused>,
        epoch: i64,
        about: &[u8],
        message: &[u8],
    ) -> Result<Taken, JournalError> {
        let seen = match seen {
            Ok(seen) => seen,
            Err(refused) => {
                let code = refused.code();
                self.kept.tell(code, refused.to_string(), Some(message.to_vec())).await?;
                return Ok(Taken::Refused(code));
            }
        };
        self.note_pace(seen.time_ms);
        let known = self.kept.known().await?;
        let mut last = self.kept.last_of(known.last);
        if last == Some(seen) {
            return Ok(Taken::Known);
        }
        if known.stopped.is_some() {
            return Ok(Taken::Stopped);
        }
        let limits = self.kept.limits();
        let mut before = self.doubted().await?;
        if let Some(first) = &before
            && follows(&limits, last, first.seen(), seen)
        {
            let evidence = [&first.about, &first.message].map(|text| hex::decode(text).unwrap_or_default());
            let [about, message] = evidence;
            if self.kept.record(first.seen(), epoch, about, message).await?.is_ok() {
                last = Some(first.seen());
            }
            self.set_doubted(None).await?;
            before = None;
        }
        match limits.told_look(last, seen) {
            Verdict::Take => {
                // One before it that does not fit was a slip; one after it still waits.
                if before.is_some_and(|first| first.time_ms < seen.time_ms) {
                    self.set_doubted(None).await?;
                }
                Ok(match self.kept.record(seen, epoch, about.to_vec(), message.to_vec()).await? {
                    Ok(Recorded::New) => Taken::Recorded { time_ms: seen.time_ms, register: seen.register },
                    Ok(Recorded::Known) => Taken::Known,
                    Err(doubt) => Taken::Held(doubt),
                })
            }
            Verdict::LookAgain(doubt) => match before {
                // It comes again, or an older one after it.
                Some(first) if first.time_ms >= seen.time_ms => Ok(Taken::Doubted(doubt)),
                Some(_) if !doubt.is_dispelled_by_a_second_look() => {
                    self.set_doubted(None).await?;
                    self.hold(doubt, message).await
                }
                before => {
                    if let Some(first) = before {
                        let unsteady = Doubt::Unsteady { first: first.register, second: seen.register };
                        self.hold(unsteady, message).await?;
                    }
                    let (about, message) = (hex::encode(about), hex::encode(message));
                    let Seen { time_ms, register } = seen;
                    self.set_doubted(Some(Doubted { time_ms, register, about, message })).await?;
                    Ok(Taken::Doubted(doubt))
                }
            },
            // An older message than the last says nothing new, and is no reason to tell anybody; one whose time stands still while its
            // register goes on is. Of one moment, values may differ in their decimals.
            Verdict::Hold(doubt @ Doubt::TimeNotRising { .. }) if !is_stuck(&limits, last, seen) => {
                Ok(Taken::Held(doubt))
            }
            Verdict::Hold(doubt) => self.hold(doubt, message).await,
        }
    }

    /// Notes how far apart its messages are by its device's time: a single silence is forgotten with the next that comes as usual.
    fn note_pace(&mut self, time_ms: u64) {
        /// What is closer together is of one moment.
        const ONE_MOMENT_MS: u64 = 1_000;
        let before = self.newest_ms;
        self.newest_ms = before.max(Some(time_ms));
        let apart_ms = before.and_then(|before| time_ms.checked_sub(before));
        if let Some(apart_ms) = apart_ms.filter(|apart_ms| *apart_ms >= ONE_MOMENT_MS) {
            self.kept.usual_ms = apart_ms;
        }
    }

    async fn hold(&mut self, doubt: Doubt, message: &[u8]) -> Result<Taken, JournalError> {
        let detail = doubt.sentence(self.kept.meter.carrier);
        self.kept.tell(doubt.code(), detail, Some(message.to_vec())).await?;
        self.kept.stop_at_first(doubt).await?;
        Ok(Taken::Held(doubt))
    }

    /// The message that the next must confirm.
    async fn doubted(&mut self) -> Result<Option<Doubted>, JournalError> {
        if self.doubted.is_none() {
            let key = doubted_key(self.kept.meter.id);
            let text = self.kept.shared().writer.call(move |journal| journal.belonging(&key)).await?;
            // What another release wrote is not known.
            self.doubted = Some(text.and_then(|text| serde_json::from_str(&text).ok()));
        }
        Ok(self.doubted.clone().flatten())
    }

    /// Keeps a message until the next confirms it, or keeps none any more.
    async fn set_doubted(&mut self, doubted: Option<Doubted>) -> Result<(), JournalError> {
        let key = doubted_key(self.kept.meter.id);
        let text = doubted.as_ref().map(|doubted| serde_json::to_string(doubted).expect("numbers and text are JSON"));
        let keep = move |journal: &mut crate::journal::Journal| match text {
            Some(text) => journal.remember(&key, &text),
            None => journal.forget(&key),
        };
        self.kept.shared().writer.call(keep).await?;
        self.doubted = Some(doubted);
        Ok(())
    }
}

/// Whether a message has the last one's time and another register.
fn is_stuck(limits: &Limits, last: Option<Seen>, seen: Seen) -> bool {
    last.is_some_and(|last| last.time_ms == seen.time_ms && last.register.abs_diff(seen.register) >= limits.step)
}

/// Whether a message shows that the doubted one before it counts.
fn follows(limits: &Limits, last: Option<Seen>, first: Seen, second: Seen) -> bool {
    let is_steady = first.time_ms < second.time_ms && limits.told_look(Some(first), second) == Verdict::Take;
    match limits.told_look(last, first) {
        // The ledger has said meanwhile what it begins from.
        Verdict::Take => first.time_ms < second.time_ms,
        Verdict::LookAgain(doubt) => is_steady && doubt.is_dispelled_by_a_second_look(),
        Verdict::Hold(_) => false,
    }
}
