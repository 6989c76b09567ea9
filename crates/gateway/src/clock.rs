//! The gateway's clock, and when its stamps can be trusted.
//!
//! After a power cut a machine can wake up in 1970, and a clock that is set back while the gateway runs would turn the order of
//! readings round. So time is cut into *stretches* (`epoch` in the journal): a new one begins at each start, and whenever wall clock
//! and monotonic clock have drifted apart by more than [`JUMP_MS`]. A stretch is trusted once it was compared with the
//! chain's time; its readings wait in the journal until then, so that a start without uplink loses nothing.

use crate::journal::ClockState;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// How far the wall clock may move against the monotonic one before it has jumped.
pub const JUMP_MS: u64 = 60_000;
/// How far clock and chain may be apart before readings are held.
pub const HOLD_MS: u64 = 60_000;
/// How far they may be apart before the operator is told.
pub const WARN_MS: u64 = 5_000;

/// Waits for an instant.
pub type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Unix time in milliseconds.
    fn now_ms(&self) -> u64;
    /// Milliseconds since some instant, never set back.
    fn monotonic_ms(&self) -> u64;
    /// Returns when [`Clock::now_ms`] has reached `ms`.
    fn until(&self, ms: u64) -> Until;
}

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map(millis).unwrap_or_default()
    }

    fn monotonic_ms(&self) -> u64 {
        millis(self.started.elapsed())
    }

    fn until(&self, ms: u64) -> Until {
        // A wall clock can be set while somebody waits for it: look again at least once a minute.
        const LOOK: u64 = 60_000;
        let clock = self.clone();
        Box::pin(async move {
            while let Some(left) = ms.checked_sub(clock.now_ms()).filter(|left| *left > 0) {
                tokio::time::sleep(Duration::from_millis(left.min(LOOK))).await;
            }
        })
    }
}

/// A clock that somebody else moves: a development chain's operator, or a test.
#[derive(Debug, Clone)]
pub struct SetClock {
    now: Arc<watch::Sender<(u64, u64)>>,
}

impl SetClock {
    /// A clock that stands at `now_ms`.
    pub fn at(now_ms: u64) -> Self {
        Self { now: Arc::new(watch::Sender::new((now_ms, 0))) }
    }

    /// Moves it on to `now_ms`, as time passes.
    pub fn advance_to(&self, now_ms: u64) {
        self.now.send_modify(|(wall, monotonic)| {
            *monotonic += now_ms.saturating_sub(*wall);
            *wall = (*wall).max(now_ms);
        });
    }

    /// Returns when somebody waits for a time: whoever moves the clock before that may move it past what they would wait for.
    pub async fn awaited(&self) {
        while self.now.receiver_count() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Sets it, forward or back, as somebody does who sets a clock.
    pub fn set(&self, now_ms: u64) {
        self.now.send_modify(|(wall, _)| *wall = now_ms);
    }
}

impl Clock for SetClock {
    fn now_ms(&self) -> u64 {
        self.now.borrow().0
    }

    fn monotonic_ms(&self) -> u64 {
        self.now.borrow().1
    }

    fn until(&self, ms: u64) -> Until {
        let mut now = self.now.subscribe();
        Box::pin(async move {
            // The sender lives in the clock that this was asked of; if it is gone, nobody will move it any more.
            if now.wait_for(|(wall, _)| *wall >= ms).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// A time with the stretch of the clock that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Unix time in milliseconds.
    pub time_ms: u64,
    /// The stretch.
    pub epoch: i64,
}

/// What a comparison with the chain's time says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comparison {
    /// The stretch that was compared.
    pub epoch: i64,
    /// What follows for it.
    pub state: ClockState,
    /// How far the clock is ahead.
    pub offset_ms: i64,
}

impl Comparison {
    /// Whether the operator should be told.
    pub const fn is_worth_a_warning(&self) -> bool {
        self.offset_ms.unsigned_abs() > WARN_MS
    }
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    epoch: i64,
    /// Wall time less monotonic time when it began.
    base: i128,
}

/// Gives stamps, and notices when the clock has jumped.
#[derive(Clone)]
pub struct Watch {
    clock: Arc<dyn Clock>,
    stretch: Arc<Mutex<Option<Stretch>>>,
}

impl Watch {
    /// Watches a clock. Nothing is stamped before [`Watch::begin`].
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, stretch: Arc::default() }
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    fn base(&self) -> i128 {
        i128::from(self.clock.now_ms()) - i128::from(self.clock.monotonic_ms())
    }

    /// Begins the stretch `epoch`.
    pub fn begin(&self, epoch: i64) {
        *self.stretch.lock().expect("no holder of this lock panics") = Some(Stretch { epoch, base: self.base() });
    }

    /// The time now; none if the clock has jumped since its stretch began, or no stretch has begun.
    pub fn stamp(&self) -> Option<Stamp> {
        let stretch = (*self.stretch.lock().expect("no holder of this lock panics"))?;
        let has_jumped = (self.base() - stretch.base).unsigned_abs() > u128::from(JUMP_MS);
        (!has_jumped).then(|| Stamp { time_ms: self.clock.now_ms(), epoch: stretch.epoch })
    }

    /// Compares the clock with the chain's time.
    pub fn compare(&self, chain_ms: u64) -> Option<Comparison> {
        let stamp = self.stamp()?;
        let offset = i128::from(stamp.time_ms) - i128::from(chain_ms);
        let offset_ms = i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX });
        let state = if offset_ms.unsigned_abs() <= HOLD_MS { ClockState::Trusted } else { ClockState::Wrong };
        Some(Comparison { epoch: stamp.epoch, state, offset_ms })
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("now_ms", &self.clock.now_ms()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_gives_no_stamp_before_a_new_stretch_begins() {
        let clock = SetClock::at(1_000_000);
        let watch = Watch::new(Arc::new(clock.clone()));
        assert_eq!(watch.stamp(), None);
        watch.begin(1);
        clock.advance_to(90_000_000);
        assert_eq!(watch.stamp(), Some(Stamp { time_ms: 90_000_000, epoch: 1 }));
        clock.set(90_000_000 - JUMP_MS);
        assert!(watch.stamp().is_some(), "clocks are put right by a little all the time");
        clock.set(1_000);
        assert_eq!((watch.stamp(), watch.compare(90_000_000)), (None, None));
        watch.begin(2);
        assert_eq!(watch.stamp(), Some(Stamp { time_ms: 1_000, epoch: 2 }));
    }

    #[test]
    fn a_clock_counts_as_right_within_a_minute_of_the_chain() {
        let watch = Watch::new(Arc::new(SetClock::at(10_000_000)));
        watch.begin(1);
        for (chain, state, warns) in [
            (10_000_000, ClockState::Trusted, false),
            (10_000_000 - WARN_MS - 1, ClockState::Trusted, true),
            (10_000_000 + HOLD_MS, ClockState::Trusted, true),
            (10_000_000 + HOLD_MS + 1, ClockState::Wrong, true),
            (1_800_000_000_000, ClockState::Wrong, true),
        ] {
            let comparison = watch.compare(chain).unwrap();
            assert_eq!((comparison.state, comparison.is_worth_a_warning()), (state, warns), "{chain}");
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_a_time_goes_on_when_it_has_come() {
        let clock = SetClock::at(0);
        let waiting = tokio::spawn(clock.until(5));
        clock.advance_to(4);
        assert!(!waiting.is_finished());
        clock.advance_to(5);
        waiting.await.unwrap();
    }
}
