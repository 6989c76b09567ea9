//! When blocks were told to be final, and how soon a chain goes on once a cut is over.

use super::*;
use std::{collections::BTreeMap, sync::Mutex};

/// Within what time of the end of a cut the first new block is final, whatever has lasted how long (docs/simulation.md).
pub const GOES_ON: Duration = Duration::from_secs(300);
/// Within what time every honest node holds a new block.
pub const CAUGHT_UP: Duration = Duration::from_secs(600);

/// What honest nodes have told to be final. Clones share everything.
#[derive(Clone, Default)]
pub struct Heads(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// When each height was first told, and the block's time.
    first: BTreeMap<u64, (Duration, u64)>,
    heals: Vec<Heal>,
}

/// What came after the end of a cut.
#[derive(Clone)]
pub struct Heal {
    pub at: Duration,
    /// The last height that had been told before.
    height: u64,
    /// How long after it each node first told a later one.
    beyond: BTreeMap<usize, Duration>,
}

impl Heal {
    /// How long it took until a new block was final.
    pub fn went_on(&self) -> Option<Duration> {
        self.beyond.values().min().copied()
    }

    /// How long it took until so many nodes held one.
    pub fn caught_up(&self, nodes: usize) -> Option<Duration> {
        self.beyond.values().max().copied().filter(|_| self.beyond.len() >= nodes)
    }

    /// What did not hold when so much time had passed since the run began.
    fn verdict(&self, now: Duration, nodes: usize) -> Result<(), String> {
        let passed = now.saturating_sub(self.at);
        let at = self.at.as_secs_f64();
        if self.went_on().unwrap_or(passed) > GOES_ON {
            return Err(format!("no new block within {GOES_ON:?} of {at:.1} s, when a cut was over"));
        }
        if self.caught_up(nodes).unwrap_or(passed) > CAUGHT_UP {
            let held = self.beyond.keys();
            return Err(format!("{CAUGHT_UP:?} after {at:.1} s, when a cut was over, only {held:?} held a new block"));
        }
        Ok(())
    }
}

impl Heads {
    /// A cut ends at this time.
    pub fn heals_at(&self, at: Duration) {
        self.0.lock().unwrap().heals.push(Heal { at, height: 0, beyond: BTreeMap::new() });
    }

    /// An honest node tells that a block is final.
    pub fn tell(&self, at: Duration, node: usize, header: &Header) {
        let mut inner = self.0.lock().unwrap();
        inner.first.entry(header.height).or_insert((at, header.time.0));
        for heal in &mut inner.heals {
            if at <= heal.at {
                heal.height = heal.height.max(header.height);
            } else if header.height > heal.height {
                heal.beyond.entry(node).or_insert(at - heal.at);
            }
        }
    }

    /// When each height was first told, and the block's time.
    pub fn first(&self) -> BTreeMap<u64, (Duration, u64)> {
        self.0.lock().unwrap().first.clone()
    }

    pub fn heals(&self) -> Vec<Heal> {
        self.0.lock().unwrap().heals.clone()
    }

    /// Whether so many honest nodes have gone on after each cut; an error if it took too long.
    pub fn settled(&self, now: Duration, nodes: usize) -> Result<bool, String> {
        let inner = self.0.lock().unwrap();
        inner.heals.iter().try_for_each(|heal| heal.verdict(now, nodes))?;
        Ok(inner.heals.iter().all(|heal| heal.caught_up(nodes).is_some()))
    }
}

/// Blocks have the time of the honest clocks, whichever of them tells them first: no further ahead than a voter lets pass, and where
/// it says so no further behind than that and a view.
#[derive(Clone)]
pub struct TrueTime {
    pub heads: Heads,
    /// How far the honest clock that is furthest ahead is so, in milliseconds.
    pub ahead: i64,
    /// Whether blocks do not wait for a cut to end before they are final.
    pub on_time: bool,
}

/// How long a view lasts at most, in milliseconds, and what makes its block final: of the pace that runs of this kind have.
const VIEW_MS: u64 = 6_000;

impl TrueTime {
    pub fn of(consortium: &Consortium, on_time: bool) -> Self {
        let honest = (0..consortium.nodes).filter(|node| !consortium.hostile.contains(node));
        let ahead = honest.map(|node| consortium.skew[usize::from(node)]).max().expect("somebody is honest");
        Self { heads: consortium.heads.clone(), ahead, on_time }
    }

    fn judge(&self, (height, (at, time)): (u64, (Duration, u64))) -> Result<(), String> {
        let clock = EPOCH_MS.saturating_add_unsigned(u64::try_from(at.as_millis()).unwrap());
        let furthest = u64::try_from(clock + self.ahead).unwrap();
        let told = format!("block {height} is of {time}, and was told when the honest clocks were at {furthest}");
        if time > furthest + crate::pace::MAX_DRIFT_MS {
            return Err(format!("{told}: it is ahead"));
        }
        if self.on_time && time + crate::pace::MAX_LAG_MS + VIEW_MS < furthest {
            return Err(format!("{told}: it is behind"));
        }
        Ok(())
    }
}

impl Property<PublicKey, Member> for TrueTime {
    fn name(&self) -> &str {
        "true_time"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, _: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move { self.heads.first().into_iter().try_for_each(|told| self.judge(told)) })
    }
}
