//! The gateway's clock, and when its stamps can be trusted.
//!
//! After a power cut a machine can wake up in 1970, and a clock that is set back while the gateway runs would turn the order of
//! readings round. So time is cut into *stretches* (`epoch` in the journal): a new one begins at each start, and whenever wall clock
//! and monotonic clock have drifted apart by more than [`JUMP_MS`]. A stretch is trusted once it was compared with the
//! chain's time; its readings wait in the journal until then, so that a start without uplink loses nothing. What a trusted stretch has
//! stamped counts, whatever a later comparison says: without a jump a clock only drifts, by a minute in two weeks. A jump says how far the
//! clock was off before it, once the clock after it was found right.
//!
//! The chain's time is that of its last block, so that it can be old: while consensus stands, while a node catches up, and always where
//! a node follows the others late. A clock that is behind it from a start or a jump on is wrong. Of one ahead of it, or of one that was
//! found right before and has not jumped, nothing follows: what it stamps from then on waits until the two are together again, or
//! somebody has set it.

use crate::journal::ClockState;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// How far the wall clock may move against the monotonic one before it has jumped.
pub const JUMP_MS: u64 = 60_000;
/// How far clock and chain may be apart before readings are held.
pub const HOLD_MS: u64 = 60_000;
/// How far the clock may be behind before the operator is told.
pub const WARN_BEHIND_MS: u64 = 5_000;
/// How far it may be ahead: longer than a chain without traffic takes from block to block.
pub const WARN_AHEAD_MS: u64 = 15_000;
/// The stretch of all that devices have stamped by clocks of their own: it counts whatever the gateway's clock was like.
pub const DEVICES: i64 = 0;

/// Waits for an instant.
pub type Until = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Unix time in milliseconds.
    fn now_ms(&self) -> u64;
    /// Milliseconds since some instant, never set back.
    fn monotonic_ms(&self) -> u64;
    /// Returns when [`Clock::now_ms`] has reached `ms`, or when it was set back by more than [`JUMP_MS`]: what was due by the old
    /// time is reckoned anew.
    fn until(&self, ms: u64) -> Until;
}

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Duration,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { started: since_boot() }
    }
}

/// Since the machine was started, with the time that it has slept: a machine that wakes up has set no clock.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Since this was asked first.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Duration {
    static FIRST: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    FIRST.elapsed()
}

/// How far a wall clock is ahead of the monotonic one.
fn ahead_ms(wall_ms: u64, monotonic_ms: u64) -> i128 {
    i128::from(wall_ms) - i128::from(monotonic_ms)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map(millis).unwrap_or_default()
    }

    fn monotonic_ms(&self) -> u64 {
        millis(since_boot().saturating_sub(self.started))
    }

    fn until(&self, ms: u64) -> Until {
        // A wall clock can be set while somebody waits for it: look again at least once a minute.
        const LOOK: u64 = 60_000;
        let clock = self.clone();
        let began = ahead_ms(self.now_ms(), self.monotonic_ms());
        Box::pin(async move {
            while let Some(left) = ms.checked_sub(clock.now_ms()).filter(|left| *left > 0) {
                if began - ahead_ms(clock.now_ms(), clock.monotonic_ms()) > i128::from(JUMP_MS) {
                    return;
                }
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
        let began = ahead_ms(self.now_ms(), self.monotonic_ms());
        let has_come = move |(wall, monotonic): &(u64, u64)| {
            *wall >= ms || began - ahead_ms(*wall, *monotonic) > i128::from(JUMP_MS)
        };
        Box::pin(async move {
            // The sender lives in the clock that this was asked of; if it is gone, nobody will move it any more.
            if now.wait_for(has_come).await.is_err() {
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
    /// What follows for it; none where the clock is ahead of the chain's last block: that may be old.
    pub state: Option<ClockState>,
    /// How far the clock is ahead.
    pub offset_ms: i64,
    /// How far it was ahead when the stretch began: clocks are put right by less than a jump, too.
    pub began_ms: i64,
    /// How far it was ahead at worst since then.
    pub worst_ms: i64,
}

impl Comparison {
    /// Compares a clock with the chain's time; none if the clock has jumped.
    pub fn of(watch: &Watch, chain_ms: u64) -> Option<Self> {
        let Stamp { time_ms, epoch } = watch.stamp()?;
        let offset = i128::from(time_ms) - i128::from(chain_ms);
        let [began_ms, least_ms, most_ms] = watch.apart()?.map(|apart| saturated(offset + apart));
        let worst_ms = if least_ms.unsigned_abs() > most_ms.unsigned_abs() { least_ms } else { most_ms };
        let offset_ms = saturated(offset);
        let state = match (is_within(offset_ms), is_within(worst_ms)) {
            (true, true) => Some(ClockState::Trusted),
            (true, false) => Some(ClockState::Wrong),
            (false, _) if offset_ms < 0 => Some(ClockState::Wrong),
            (false, _) => None,
        };
        Some(Self { epoch, state, offset_ms, began_ms, worst_ms })
    }

    /// Whether the clock is right now, whatever it was before.
    pub const fn is_right(&self) -> bool {
        is_within(self.offset_ms)
    }

    /// Whether the operator should be told.
    pub const fn is_worth_a_warning(&self) -> bool {
        let most = if self.offset_ms < 0 { WARN_BEHIND_MS } else { WARN_AHEAD_MS };
        self.offset_ms.unsigned_abs() > most
    }
}

/// Whether a clock that is so far ahead counts as right.
pub const fn is_within(ahead_ms: i64) -> bool {
    ahead_ms.unsigned_abs() <= HOLD_MS
}

fn saturated(ms: i128) -> i64 {
    i64::try_from(ms).unwrap_or(if ms < 0 { i64::MIN } else { i64::MAX })
}

#[derive(Debug, Clone, Copy)]
struct Stretch {
    epoch: i64,
    /// Wall time less monotonic time when it began.
    base: i128,
    /// The least and the most that this was when it was stamped with.
    least: i128,
    most: i128,
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
        ahead_ms(self.clock.now_ms(), self.clock.monotonic_ms())
    }

    /// Begins the stretch `epoch`.
    pub fn begin(&self, epoch: i64) {
        let mut stretch = self.stretch.lock().expect("no holder of this lock panics");
        // Two may have noticed one jump: the later stretch stays.
        if stretch.is_none_or(|known| known.epoch < epoch) {
            let base = self.base();
            *stretch = Some(Stretch { epoch, base, least: base, most: base });
        }
    }

    /// The time now; none if the clock has jumped since its stretch began, or no stretch has begun.
    pub fn stamp(&self) -> Option<Stamp> {
        let mut stretch = self.stretch.lock().expect("no holder of this lock panics");
        let stretch = stretch.as_mut()?;
        let base = self.base();
        if (base - stretch.base).unsigned_abs() > u128::from(JUMP_MS) {
            return None;
        }
        (stretch.least, stretch.most) = (stretch.least.min(base), stretch.most.max(base));
        Some(Stamp { time_ms: self.clock.now_ms(), epoch: stretch.epoch })
    }

    /// The stretch that is or was the last, and how far its clock was ahead, when it began, of what the clock is now.
    pub fn ended(&self) -> Option<(i64, i64)> {
        let stretch = (*self.stretch.lock().expect("no holder of this lock panics"))?;
        Some((stretch.epoch, saturated(stretch.base - self.base())))
    }

    /// How far the stretch's clock was ahead of what the clock is now: when it began, at least and at most.
    fn apart(&self) -> Option<[i128; 3]> {
        let stretch = (*self.stretch.lock().expect("no holder of this lock panics"))?;
        let now = self.base();
        Some([stretch.base, stretch.least, stretch.most].map(|base| base - now))
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
        assert_eq!((watch.stamp(), Comparison::of(&watch, 90_000_000)), (None, None));
        watch.begin(2);
        assert_eq!(watch.stamp(), Some(Stamp { time_ms: 1_000, epoch: 2 }));
    }

    #[test]
    fn a_clock_counts_as_right_within_a_minute_of_the_chain() {
        let watch = Watch::new(Arc::new(SetClock::at(10_000_000)));
        watch.begin(1);
        for (chain, state, warns) in [
            (10_000_000, Some(ClockState::Trusted), false),
            (10_000_000 - WARN_AHEAD_MS, Some(ClockState::Trusted), false),
            (10_000_000 - WARN_AHEAD_MS - 1, Some(ClockState::Trusted), true),
            (10_000_000 + WARN_BEHIND_MS, Some(ClockState::Trusted), false),
            (10_000_000 + WARN_BEHIND_MS + 1, Some(ClockState::Trusted), true),
            (10_000_000 + HOLD_MS, Some(ClockState::Trusted), true),
            (10_000_000 + HOLD_MS + 1, Some(ClockState::Wrong), true),
            (1_800_000_000_000, Some(ClockState::Wrong), true),
            (10_000_000 - HOLD_MS, Some(ClockState::Trusted), true),
            (10_000_000 - HOLD_MS - 1, None, true),
        ] {
            let comparison = Comparison::of(&watch, chain).unwrap();
            assert_eq!((comparison.state, comparison.is_worth_a_warning()), (state, warns), "{chain}");
        }
    }

    #[test]
    fn a_stretch_was_right_if_its_clock_was_at_worst() {
        const BEGIN: u64 = 10_000_000;
        // Set once more by less than a jump, and so far ahead of the chain afterwards.
        for (set_ms, ahead_ms, worst_ms, state) in [
            (50_000, 0, -50_000, ClockState::Trusted),
            (50_000, -20_000, -70_000, ClockState::Wrong),
            (-50_000, 20_000, 70_000, ClockState::Wrong),
            (-50_000, -20_000, 30_000, ClockState::Trusted),
        ] {
            let clock = SetClock::at(BEGIN);
            let watch = Watch::new(Arc::new(clock.clone()));
            watch.begin(1);
            let now_ms = BEGIN.saturating_add_signed(set_ms);
            clock.set(now_ms);
            let comparison = Comparison::of(&watch, now_ms.saturating_add_signed(-ahead_ms)).unwrap();
            assert_eq!((comparison.worst_ms, comparison.state), (worst_ms, Some(state)), "{set_ms} {ahead_ms}");
            assert!(comparison.is_right());
        }
    }

    #[test]
    fn a_jump_says_how_far_the_clock_was_off_before_it() {
        let clock = SetClock::at(10_000_000);
        let watch = Watch::new(Arc::new(clock.clone()));
        assert_eq!(watch.ended(), None);
        watch.begin(1);
        clock.advance_to(20_000_000);
        clock.set(20_600_000);
        assert_eq!((watch.stamp(), watch.ended()), (None, Some((1, -600_000))));
        clock.set(19_400_000);
        assert_eq!(watch.ended(), Some((1, 600_000)));
    }

    #[tokio::test]
    async fn whoever_waits_for_a_time_goes_on_when_the_clock_is_set_back() {
        let clock = SetClock::at(8 * 3_600_000);
        let until = clock.until(8 * 3_600_000 + 900_000);
        clock.set(0);
        until.await;
    }

    #[test]
    fn of_two_that_notice_one_jump_the_later_stretch_stays() {
        let watch = Watch::new(Arc::new(SetClock::at(0)));
        for epoch in [1, 3, 2] {
            watch.begin(epoch);
        }
        assert_eq!(watch.stamp(), Some(Stamp { time_ms: 0, epoch: 3 }));
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
