//! The time a new block gets.
//!
//! A *production* chain follows the system clock. A *development* chain begins at an instant of its own and moves only when its
//! operator advances it; between advances each block is one millisecond later than its parent. The chain's time is its last
//! block's: an advance that no block carries yet is lost by a restart, and is simply repeated. Each node of the chain has a
//! clock of its own and learns from the others what the operator asked for ([`crate::relay`]).

use crate::latest;
use crate::pace::MAX_DRIFT_MS;
use commonware_runtime::Clock as RuntimeClock;
use std::{
    future::pending,
    time::{Duration, UNIX_EPOCH},
};
use utilidor_types::{Timestamp, operator::OperatorRefused};

/// How far two nodes' clocks may be apart, for them to connect.
pub(crate) const CLOCK_ERROR: Duration = Duration::from_secs(5);

/// How far a leader steps back from its own clock while views fail, in milliseconds: further than clocks are apart that may connect,
/// and not so far that a voter whose clock is ahead of this one by as much lets the block pass for being late
/// ([`crate::pace::MAX_LAG_MS`]).
const STEP_BACK_MS: u64 = 15_000;

/// Why time was not advanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdvanceTimeRefused {
    /// Only a development chain has an operator that controls time.
    #[error("a production chain follows its members' clocks; its time cannot be advanced")]
    Production,
    /// It is not the operator's wish.
    #[error(transparent)]
    Operator(#[from] OperatorRefused),
    /// No block could have a time after it.
    #[error("{to} is beyond the ledger's calendar, which ends at {latest}")]
    BeyondTheCalendar {
        /// The time asked for.
        to: Timestamp,
        /// The last one that there is.
        latest: Timestamp,
    },
    /// Time does not go back.
    #[error("time can only move forward: asked for {to}, the chain is at {now}")]
    InThePast {
        /// The time asked for.
        to: Timestamp,
        /// Time of the last block.
        now: Timestamp,
    },
    /// The node stopped before a block carried the new time.
    #[error("the node stopped before a block carried the new time")]
    Stopped,
}

/// Source of the time of new blocks. It asks the runtime for the time instead of holding on to it: handles hold the clock and
/// may outlive the node, while whoever holds a runtime keeps the node's storage from being opened again.
pub(crate) enum Clock {
    /// The runtime's clock: the system's, or a simulation's.
    Production,
    /// The operator's clock: the latest time asked for.
    Development(latest::Sender<Timestamp>),
}

impl Clock {
    /// The clock of a chain: the operator's if it has a development start, else the runtime's.
    pub fn new(development_start: Option<Timestamp>) -> Self {
        development_start.map_or(Self::Production, |start| Self::Development(latest::Sender::new(start)))
    }

    /// The clock's reading.
    pub fn now(&self, runtime: &impl RuntimeClock) -> Timestamp {
        match self {
            Self::Production => {
                let elapsed = runtime.current().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(u64::try_from(elapsed.as_millis()).expect("milliseconds since 1970 fit in 64 bits"))
            }
            Self::Development(asked) => *asked.borrow(),
        }
    }

    /// Time of a block on a parent of time `parent`.
    pub fn after(&self, runtime: &impl RuntimeClock, parent: Timestamp) -> Timestamp {
        let earliest = Timestamp(parent.0.checked_add(1).expect("the chain's time fits in 64 bits"));
        earliest.max(self.now(runtime))
    }

    /// Time of a block on a parent of time `parent` while views fail: on a production chain one that those may vote on as well
    /// whose clocks are behind this one, by up to [`STEP_BACK_MS`]. With the clock's own time they would hold back for longer
    /// than the view lasts, each time that this member leads.
    pub fn stepping_back(&self, runtime: &impl RuntimeClock, parent: Timestamp) -> Timestamp {
        match self {
            Self::Production => {
                let now = self.now(runtime);
                // Whoever has taken the parent waits no longer than that for this clock's own time.
                if now.0 <= parent.0.saturating_add(MAX_DRIFT_MS) {
                    return self.after(runtime, parent);
                }
                let earliest = Timestamp(parent.0.checked_add(1).expect("the chain's time fits in 64 bits"));
                earliest.max(Timestamp(now.0.saturating_sub(STEP_BACK_MS)))
            }
            Self::Development(_) => self.after(runtime, parent),
        }
    }

    /// Whether time alone is a reason for a block on a parent of time `parent` that left work for `due`: the parent carried
    /// some over, or the operator asked for a time that only a new block can carry.
    pub fn wants_block_after(&self, parent: Timestamp, due: Option<Timestamp>) -> bool {
        let carried_over = due.is_some_and(|due| due <= parent);
        carried_over
            || match self {
                Self::Production => false,
                Self::Development(asked) => *asked.borrow() > parent,
            }
    }

    /// Moves a development clock forward to `to`. Tells whether it was behind.
    pub fn advance(&self, to: Timestamp) -> Result<bool, AdvanceTimeRefused> {
        match self {
            Self::Production => Err(AdvanceTimeRefused::Production),
            Self::Development(asked) => Ok(asked.send_if_modified(|asked| {
                let is_later = to > *asked;
                *asked = to.max(*asked);
                is_later
            })),
        }
    }

    /// Returns once a development clock has been moved to `time` or beyond.
    pub async fn moved_to(&self, time: Timestamp) {
        match self {
            Self::Production => pending().await,
            Self::Development(asked) => {
                let mut asked = asked.subscribe();
                // The clock holds the sender: this cannot fail while it is waited for.
                let _ = asked.wait_for(|asked| *asked >= time).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_runtime::{Runner as _, deterministic};
    use std::time::Duration;

    #[test]
    fn development_time_moves_one_millisecond_a_block_unless_advanced() {
        deterministic::Runner::default().start(|context| async move {
            let clock = Clock::new(Some(Timestamp(1_000)));

            assert_eq!(clock.after(&context, Timestamp(1_000)), Timestamp(1_001));
            assert!(!clock.wants_block_after(Timestamp(1_001), Some(Timestamp(4_000))));
            assert!(clock.wants_block_after(Timestamp(1_001), Some(Timestamp(1_001))), "work was carried over");

            assert_eq!(clock.advance(Timestamp(5_000)), Ok(true));
            assert_eq!(clock.advance(Timestamp(4_000)), Ok(false), "it does not go back");
            assert!(clock.wants_block_after(Timestamp(1_001), None));
            assert_eq!(clock.after(&context, Timestamp(1_001)), Timestamp(5_000));
            assert_eq!(clock.after(&context, Timestamp(5_000)), Timestamp(5_001));
        });
    }

    #[test]
    fn who_waits_for_a_time_is_woken_when_the_operator_has_asked_for_it_and_not_before() {
        deterministic::Runner::default().start(|_| async move {
            let clock = Clock::new(Some(Timestamp(1_000)));
            let waits = clock.moved_to(Timestamp(5_000));
            futures::pin_mut!(waits);

            assert!(futures::poll!(&mut waits).is_pending());
            clock.advance(Timestamp(4_999)).unwrap();
            assert!(futures::poll!(&mut waits).is_pending());
            clock.advance(Timestamp(6_000)).unwrap();
            assert!(futures::poll!(&mut waits).is_ready());
            clock.moved_to(Timestamp(6_000)).await;
        });
    }

    #[test]
    fn production_time_follows_the_runtime_and_cannot_be_advanced() {
        deterministic::Runner::default().start(|context| async move {
            let clock = Clock::new(None);
            let before = clock.now(&context);
            context.sleep(Duration::from_millis(1_500)).await;

            assert_eq!(clock.now(&context).0, before.0 + 1_500);
            assert_eq!(clock.after(&context, Timestamp(before.0 + 9_000)), Timestamp(before.0 + 9_001));
            assert_eq!(clock.advance(Timestamp(u64::MAX)), Err(AdvanceTimeRefused::Production));
        });
    }

    #[test]
    fn a_leader_steps_back_from_its_clock_but_not_behind_its_parent_nor_so_far_that_voters_let_it_pass() {
        /// What a block takes on its way.
        const LATENCY_MS: u64 = 2_500;
        let apart = 2 * CLOCK_ERROR.as_millis() as u64;
        assert!(STEP_BACK_MS + apart + LATENCY_MS <= crate::pace::MAX_LAG_MS);
        deterministic::Runner::default().start(|context| async move {
            context.sleep(Duration::from_secs(100)).await;
            let clock = Clock::new(None);
            assert_eq!(clock.stepping_back(&context, Timestamp(95_000)), Timestamp(95_001), "right after its parent");
            assert_eq!(clock.stepping_back(&context, Timestamp(10_000)), Timestamp(100_000 - STEP_BACK_MS));
            assert_eq!(clock.stepping_back(&context, Timestamp(109_000)), Timestamp(109_001));
            assert_eq!(clock.stepping_back(&context, Timestamp(99_500)), Timestamp(100_000), "no need to");

            let asked = Clock::new(Some(Timestamp(50_000)));
            assert_eq!(asked.stepping_back(&context, Timestamp(40_000)), Timestamp(50_000), "as its operator asks");
        });
    }
}
