//! A meter that tells its register by itself: published over MQTT, or sent by a charging station.
//!
//! Nobody can ask it again, so that a register that needs a second look gets it from what comes next. When a message arrives says
//! nothing: a reading is of the time that the device gives it, which must be neither in the future nor long ago.

use crate::guard::{Doubt, Seen, Verdict};
use crate::journal::{JournalError, Recorded};
use crate::kept::Kept;
use crate::protocol::Refused;

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

/// A meter that tells.
#[derive(Debug)]
pub struct Told {
    /// The meter.
    pub kept: Kept,
    /// A register that the next message must confirm.
    doubted: Option<(Seen, Doubt)>,
}

impl Told {
    /// A meter of which nothing is in doubt.
    pub const fn new(kept: Kept) -> Self {
        Self { kept, doubted: None }
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
        let last = self.kept.last().await?;
        if last == Some(seen) {
            return Ok(Taken::Known);
        }
        let limits = self.kept.limits();
        let verdict = match self.doubted.take() {
            Some((first, doubt)) if first.time_ms < seen.time_ms => limits.second_look(last, first, seen, doubt),
            _ => limits.first_look(last, seen),
        };
        match verdict {
            Verdict::Take => Ok(match self.kept.record(seen, epoch, about.to_vec(), message.to_vec()).await? {
                Recorded::New => Taken::Recorded { time_ms: seen.time_ms, register: seen.register },
                Recorded::Known => Taken::Known,
            }),
            Verdict::LookAgain(doubt) => {
                self.doubted = Some((seen, doubt));
                Ok(Taken::Doubted(doubt))
            }
            Verdict::Hold(doubt) => {
                // An older message than the last says nothing new, and is no reason to tell anybody.
                if !matches!(doubt, Doubt::TimeNotRising { .. }) {
                    self.kept
                        .tell(doubt.code(), doubt.sentence(self.kept.meter.carrier), Some(message.to_vec()))
                        .await?;
                }
                Ok(Taken::Held(doubt))
            }
        }
    }
}
