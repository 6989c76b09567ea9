//! A meter that tells its register by itself: published over MQTT, or sent by a charging station.
//!
//! Nobody can ask it again, so that a register that needs a second look gets it from what comes next. Until then its message stands
//! in the journal, since its device was answered and will not say it again; once it is confirmed both count. When a message arrives says
//! nothing: a reading is of the time that the device gives it, and counts whatever the gateway's clock was like.
//!
//! A message from the future was sent by a device whose clock is ahead, or came to a gateway whose clock is behind. Which of the two,
//! nobody knows, and whoever was answered does not say it again: it stands in the journal until its time has come. Only a clock that
//! was found right refuses a time that is a day ahead, or more than a week ago.

use crate::clock::{DEVICES, Stamp};
use crate::guard::{Doubt, Limits, Seen, Verdict};
use crate::journal::{ClockState, Journal, JournalError, Recorded};
use crate::kept::Kept;
use crate::protocol::Refused;
use crate::reason::{Sentence, sentence};
use crate::signed;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::sync::Mutex;
use utilidor_types::hash::hash_of;
use utilidor_types::{Digest, MeterId, Timestamp};

/// How far ahead of the gateway's clock a device's may be for its message to count at once.
pub const MOST_AHEAD_MS: u64 = 60_000;
/// How far ahead it may be at all.
pub const MOST_EARLY_MS: u64 = 86_400_000;
/// How old a message may be: what was kept through an outage is as good as what comes at once.
pub const MOST_OLD_MS: u64 = 7 * 86_400_000;
/// Most messages of a meter that stand in the journal until their time has come.
pub const MAX_EARLY: usize = 1_000;

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
    /// It waits for its time to come.
    Early,
    /// It is left out: as many as may wait for their time to come, and what it counted counts with a later one.
    LeftOut,
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

/// What the time of a message says beside the gateway's.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Age {
    /// It is now, or was.
    Come,
    /// It is to come.
    Early,
    /// It is none.
    Never(Refused),
}

/// The age of a message. Of a clock that was not found right, a time far away says nothing.
fn age(time_ms: u64, now_ms: u64, is_right: bool) -> Age {
    let never = |reason: Sentence| Age::Never(Refused::Invalid { what: "time".into(), reason });
    if is_right && time_ms > now_ms.saturating_add(MOST_EARLY_MS) {
        return never(sentence!(
            "{time_ms} is more than a day in the future: it is {now_ms}",
            "{time_ms} 超前一天以上：现在是 {now_ms}"
        ));
    }
    if is_right && time_ms < now_ms.saturating_sub(MOST_OLD_MS) {
        return never(sentence!(
            "{time_ms} is more than a week ago: it is {now_ms}",
            "{time_ms} 已过去一周以上：现在是 {now_ms}"
        ));
    }
    if time_ms > now_ms.saturating_add(MOST_AHEAD_MS) { Age::Early } else { Age::Come }
}

/// A message that stands in the journal before it counts: the next must confirm its register, or its time is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Standing {
    time_ms: u64,
    register: u64,
    /// In hex, as is the message.
    about: String,
    message: String,
    /// Of all that: what changes on the disk while it waits is found. None of what an earlier release wrote.
    sum: Option<Digest>,
}

/// What has changed on the disk since it was written.
struct Changed;

impl Standing {
    fn new(Seen { time_ms, register }: Seen, about: &[u8], message: &[u8]) -> Self {
        let standing = Self { time_ms, register, about: hex::encode(about), message: hex::encode(message), sum: None };
        Self { sum: Some(standing.digest()), ..standing }
    }

    fn digest(&self) -> Digest {
        hash_of("utilidor/journal-message", &(self.time_ms, self.register, &self.about, &self.message))
    }

    const fn seen(&self) -> Seen {
        Seen { time_ms: self.time_ms, register: self.register }
    }

    /// What it is about, and the message.
    fn evidence(&self) -> [Vec<u8>; 2] {
        [&self.about, &self.message].map(|text| hex::decode(text).unwrap_or_default())
    }

    fn text(&self) -> String {
        serde_json::to_string(self).expect("numbers and text are JSON")
    }

    /// What another release wrote is not known.
    fn read(text: Option<String>) -> Result<Option<Self>, Changed> {
        let Some(text) = text else { return Ok(None) };
        let standing: Self = serde_json::from_str(&text).map_err(|_| Changed)?;
        if standing.sum.is_some_and(|sum| sum != standing.digest()) { Err(Changed) } else { Ok(Some(standing)) }
    }
}

/// Where a meter's doubted message stands among what the journal knows of itself.
fn doubted_key(meter: MeterId) -> String {
    format!("doubted {meter}")
}

/// Before the times of a meter's messages that are to come, among what the journal knows of itself.
fn early_key(meter: MeterId) -> String {
    format!("early {meter} ")
}

/// Where the distance of a meter's messages stands among what the journal knows of itself.
fn pace_key(meter: MeterId) -> String {
    format!("pace {meter}")
}

/// A meter that tells.
#[derive(Debug)]
pub struct Told {
    /// The meter.
    pub kept: Kept,
    /// The message that the next must confirm, if there is one; not known before the journal was asked.
    doubted: Option<Option<Standing>>,
    /// The times of the messages whose time is to come; not known before the journal was asked.
    early: Option<BTreeSet<u64>>,
    /// The newest time that a message had.
    newest_ms: Option<u64>,
    /// How far apart its messages are by what the journal remembers, none where that is no more than an interval; not known before
    /// the journal was asked.
    pace_ms: Option<u64>,
}

impl Told {
    /// A meter of which the journal was not asked yet.
    pub fn new(kept: Kept) -> Self {
        Self { kept, doubted: None, early: None, newest_ms: None, pace_ms: None }
    }

    /// Takes what a message says of the meter. `about` and `message` are kept as evidence.
    pub async fn take(
        &mut self,
        seen: Result<Seen, Refused>,
        about: &[u8],
        message: &[u8],
    ) -> Result<Taken, JournalError> {
        let seen = match seen {
            Ok(seen) => seen,
            Err(refused) => return self.refuse(&refused, message).await,
        };
        self.note_pace(seen.time_ms).await?;
        self.take_due().await?;
        match self.age(seen.time_ms).await? {
            Age::Come => self.count(seen, about, message).await,
            Age::Early => self.keep_early(Standing::new(seen, about, message)).await,
            Age::Never(refused) => self.refuse(&refused, message).await,
        }
    }

    /// Keeps a record that its device has signed in the meter's file, if the ledger could take it: one that the meter's key has not signed,
    /// or whose time will not come for long, would take the place of others.
    pub async fn take_signed(&mut self, record: String, file: &Mutex<PathBuf>) -> Result<Taken, JournalError> {
        let key = self.kept.registration().and_then(|known| known.key);
        let kept = match signed::verified(&record, key.as_ref()) {
            Ok(newest) if self.is_far_ahead(newest.time_ms).await? => {
                let time = Timestamp(newest.time_ms);
                let detail = sentence!(
                    "a signed record is of {time}, and is not kept: see the station's clock",
                    "签名记录的时间为 {time}，不予保存：请检查充电桩的时钟"
                );
                Err((signed::EARLY, detail))
            }
            Ok(newest) => signed::keep(file.lock().await.as_path(), &record, key.as_ref()).await.map(|()| newest),
            Err(refused) => Err(refused),
        };
        match kept {
            Ok(newest) => self.kept.kept_signed(newest).await.map(|()| Taken::Known),
            Err((code, detail)) => {
                self.kept.tell(code, detail, Some(record.into_bytes())).await?;
                Ok(Taken::Refused(code))
            }
        }
    }

    /// Whether a time is so far ahead that it is none.
    async fn is_far_ahead(&self, time_ms: u64) -> Result<bool, JournalError> {
        let now_ms = self.kept.shared().watch.clock().now_ms();
        Ok(time_ms > now_ms && matches!(self.age(time_ms).await?, Age::Never(_)))
    }

    /// Takes the messages whose time has come.
    pub async fn take_due(&mut self) -> Result<(), JournalError> {
        while let Some(time_ms) = self.early().await?.first().copied() {
            let age = self.age(time_ms).await?;
            if age == Age::Early {
                return Ok(());
            }
            let key = format!("{}{time_ms:020}", early_key(self.kept.meter.id));
            let found = key.clone();
            let text = self.kept.shared().writer.call(move |journal| journal.belonging(&found)).await?;
            if let Some(standing) = self.unchanged(Standing::read(text)).await? {
                let [about, message] = standing.evidence();
                match age {
                    Age::Never(refused) => self.refuse(&refused, &message).await?,
                    Age::Come | Age::Early => self.count(standing.seen(), &about, &message).await?,
                };
            }
            // If the machine stops before this, it is known already when its time comes again.
            self.kept.shared().writer.call(move |journal| journal.forget(&key)).await?;
            self.early.get_or_insert_default().remove(&time_ms);
        }
        Ok(())
    }

    /// What stood in the journal, unless it has changed there.
    async fn unchanged(
        &mut self,
        standing: Result<Option<Standing>, Changed>,
    ) -> Result<Option<Standing>, JournalError> {
        if let Ok(standing) = standing {
            return Ok(standing);
        }
        let detail = sentence!(
            "a message that waited in the journal has changed on the disk: it is left out, and what the meter counted until then \
             counts with a later one",
            "网关日志中等待的一条消息在磁盘上已改变：予以略去，此前的用量计入以后的读数"
        );
        self.kept.tell("reading/left-out", detail, None).await?;
        Ok(None)
    }

    async fn refuse(&mut self, refused: &Refused, message: &[u8]) -> Result<Taken, JournalError> {
        let code = refused.code();
        self.kept.tell(code, refused.sentence(), Some(message.to_vec())).await?;
        Ok(Taken::Refused(code))
    }

    async fn age(&self, time_ms: u64) -> Result<Age, JournalError> {
        let shared = self.kept.shared();
        let Stamp { time_ms: now_ms, epoch } = shared.stamp().await?;
        match age(time_ms, now_ms, true) {
            Age::Never(refused) => {
                let state = shared.writer.call(move |journal| journal.clock_state(epoch)).await?;
                let is_right = state == ClockState::Trusted;
                Ok(if is_right { Age::Never(refused) } else { age(time_ms, now_ms, false) })
            }
            age => Ok(age),
        }
    }

    /// Keeps a message until its time has come.
    async fn keep_early(&mut self, standing: Standing) -> Result<Taken, JournalError> {
        let time_ms = standing.time_ms;
        let now_ms = self.kept.shared().watch.clock().now_ms();
        let ahead_s = time_ms.saturating_sub(now_ms) / 1_000;
        let early = self.early().await?;
        // Whoever sent it may be waited for by all others of its line, so that it cannot be left with its sender.
        let full = early.len() >= MAX_EARLY && !early.contains(&time_ms);
        let left_out = early.last().filter(|_| full).map(|newest| time_ms.min(*newest));
        if let Some(left_out) = left_out {
            let detail = sentence!(
                "{MAX_EARLY} messages wait already for their time to come: that of {} is left out, and what the meter counted \
                 until then counts with a later one",
                "已有 {MAX_EARLY} 条消息在等待其时间到来：{} 的一条略去，此前的用量计入以后的读数",
                Timestamp(left_out)
            );
            self.kept.tell("reading/left-out", detail, None).await?;
            if left_out == time_ms {
                return Ok(Taken::LeftOut);
            }
        }
        let key = |time_ms: u64| format!("{}{time_ms:020}", early_key(self.kept.meter.id));
        let (key, text, left_out_key) = (key(time_ms), standing.text(), left_out.map(key));
        let keep = move |journal: &mut Journal| {
            journal.remember(&key, &text)?;
            left_out_key.map_or(Ok(()), |key| journal.forget(&key))
        };
        self.kept.shared().writer.call(keep).await?;
        let early = self.early.get_or_insert_default();
        early.insert(time_ms);
        left_out.map(|time_ms| early.remove(&time_ms));
        let detail = sentence!(
            "a message is of {}, {ahead_s} s ahead of this machine's clock: it is kept, and counts when its time has come",
            "消息的时间为 {}，比本机时钟快 {ahead_s} 秒：先予保存，到时再计入",
            Timestamp(time_ms)
        );
        let [_, message] = standing.evidence();
        self.kept.tell("reading/early", detail, Some(message)).await?;
        Ok(Taken::Early)
    }

    /// The times of the messages whose time is to come.
    async fn early(&mut self) -> Result<&BTreeSet<u64>, JournalError> {
        if self.early.is_none() {
            let prefix = early_key(self.kept.meter.id);
            let find = move |journal: &mut Journal| Ok::<_, JournalError>((journal.remembered(&prefix)?, prefix));
            let (keys, prefix) = self.kept.shared().writer.call(find).await?;
            self.early = Some(keys.iter().filter_map(|key| key.strip_prefix(&prefix)?.parse().ok()).collect());
        }
        Ok(self.early.get_or_insert_default())
    }

    /// Takes a message whose time is none to come.
    async fn count(&mut self, seen: Seen, about: &[u8], message: &[u8]) -> Result<Taken, JournalError> {
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
            let [about, message] = first.evidence();
            if self.kept.record(first.seen(), DEVICES, about, message).await?.is_ok() {
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
                Ok(match self.kept.record(seen, DEVICES, about.to_vec(), message.to_vec()).await? {
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
                    self.set_doubted(Some(Standing::new(seen, about, message))).await?;
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

    /// Notes how far apart its messages are by its device's time: a single silence is forgotten with the next that comes as usual. The
    /// next start knows it to within the half, where that is longer than an interval.
    async fn note_pace(&mut self, time_ms: u64) -> Result<(), JournalError> {
        /// What is closer together is of one moment.
        const ONE_MOMENT_MS: u64 = 1_000;
        let remembered_ms = self.pace_ms().await?;
        let before = self.newest_ms;
        self.newest_ms = before.max(Some(time_ms));
        let apart_ms = before.and_then(|before| time_ms.checked_sub(before));
        let Some(apart_ms) = apart_ms.filter(|apart_ms| *apart_ms >= ONE_MOMENT_MS) else { return Ok(()) };
        self.kept.usual_ms = apart_ms;
        let longer_ms = if apart_ms > self.kept.shared().interval_ms { apart_ms } else { 0 };
        if longer_ms / 2 > remembered_ms || longer_ms < remembered_ms / 2 {
            let key = pace_key(self.kept.meter.id);
            self.kept.shared().writer.call(move |journal| journal.remember(&key, &longer_ms.to_string())).await?;
            self.pace_ms = Some(longer_ms);
        }
        Ok(())
    }

    /// How far apart its messages were before this start.
    async fn pace_ms(&mut self) -> Result<u64, JournalError> {
        if let Some(pace_ms) = self.pace_ms {
            return Ok(pace_ms);
        }
        let key = pace_key(self.kept.meter.id);
        let text = self.kept.shared().writer.call(move |journal| journal.belonging(&key)).await?;
        let pace_ms = text.and_then(|text| text.parse().ok()).unwrap_or_default();
        (self.pace_ms, self.kept.usual_ms) = (Some(pace_ms), pace_ms);
        Ok(pace_ms)
    }

    /// Tells the operator, once, that it has told nothing for long.
    pub async fn tell_silence(&mut self) -> Result<(), JournalError> {
        self.pace_ms().await?;
        self.kept.tell_silence().await
    }

    async fn hold(&mut self, doubt: Doubt, message: &[u8]) -> Result<Taken, JournalError> {
        let detail = doubt.sentence(self.kept.meter.carrier);
        self.kept.tell(doubt.code(), detail, Some(message.to_vec())).await?;
        self.kept.stop_at_first(doubt).await?;
        Ok(Taken::Held(doubt))
    }

    /// The message that the next must confirm.
    async fn doubted(&mut self) -> Result<Option<Standing>, JournalError> {
        if self.doubted.is_none() {
            let key = doubted_key(self.kept.meter.id);
            let text = self.kept.shared().writer.call(move |journal| journal.belonging(&key)).await?;
            self.doubted = Some(self.unchanged(Standing::read(text)).await?);
        }
        Ok(self.doubted.clone().flatten())
    }

    /// Keeps a message until the next confirms it, or keeps none any more.
    async fn set_doubted(&mut self, doubted: Option<Standing>) -> Result<(), JournalError> {
        let key = doubted_key(self.kept.meter.id);
        let text = doubted.as_ref().map(Standing::text);
        let keep = move |journal: &mut Journal| match text {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_has_changed_while_it_stood_is_found() {
        let standing = Standing::new(Seen { time_ms: 7, register: 3_603_600_000 }, b"topic", b"{\"v\":1001}");
        assert!(Standing::read(Some(standing.text())).is_ok_and(|read| read == Some(standing.clone())));
        let changed = standing.text().replace("3603600000", "3607600000");
        assert!(Standing::read(Some(changed)).is_err());
        assert!(Standing::read(Some("{".into())).is_err());
        assert!(Standing::read(None).is_ok_and(|read| read.is_none()));
    }
}
