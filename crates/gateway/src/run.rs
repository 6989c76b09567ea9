//! The gateway as a whole: a poller for each bus, one sender, one journal.

use crate::clock::{Clock, SetClock, SystemClock, Watch};
use crate::computed::Computer;
use crate::config::{Bus, BusProtocol, Config, Place};
use crate::journal::{Journal, JournalError};
use crate::kept::{Registration, Registrations, Shared, begin_stretch};
use crate::line::{self, Line, Patience};
use crate::metrics;
use crate::mqtt::Subscriber;
use crate::ocpp::Central;
use crate::poller::Poller;
use crate::sender::signed::Signed;
use crate::sender::{Sender, Step};
use crate::serial;
use crate::uplink::Uplink;
use crate::writer::Writer;
use futures::FutureExt as _;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use utilidor_types::MeterId;

/// The shortest wait after trouble with the uplink.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);
/// How long the sender rests when nothing waits.
const REST: Duration = Duration::from_secs(1);
/// How often the ledger is asked what it knows of the meters.
const REFRESH_MS: u64 = 60_000;
/// How soon it is asked again where it has not answered; each time later, up to that.
const FIRST_RETRY_MS: u64 = 2_000;
/// How often what is long certified is deleted from the journal.
const PRUNE_MS: u64 = 3_600_000;

/// Why a gateway stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The journal has failed: nothing is read any more, so that nothing is lost without a word.
    #[error("the journal failed, so nothing is read any more")]
    Journal(#[from] JournalError),
    /// The monitoring system cannot be answered.
    #[error("could not listen on {address} for the monitoring system")]
    Metrics {
        /// Where.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Which clock a chain's readings are stamped with.
#[derive(Debug, Clone)]
pub enum GatewayClock {
    /// The machine's, compared with the chain's.
    Machine(SystemClock),
    /// The chain's own: a development chain's operator moves it.
    Chain(SetClock),
}

impl GatewayClock {
    /// The clock for a chain. Without uplink it is the machine's: only a development chain has another, and that is on hand.
    pub async fn of(uplink: &impl Uplink) -> Self {
        if !matches!(uplink.is_development().await, Ok(true)) {
            return Self::Machine(SystemClock::default());
        }
        match uplink.chain().await {
            Ok(chain) => {
                tracing::info!("the chain is for development: its time is what readings are stamped with");
                Self::Chain(SetClock::at(chain.time_ms))
            }
            Err(_) => Self::Machine(SystemClock::default()),
        }
    }

    fn clock(&self) -> Arc<dyn Clock> {
        match self {
            Self::Machine(clock) => Arc::new(clock.clone()),
            Self::Chain(clock) => Arc::new(clock.clone()),
        }
    }
}

/// A line to a bus.
pub fn line_to(bus: &Bus) -> Line {
    line_at(&bus.place, Patience { timeout: bus.timeout, pause: bus.pause, echo: bus.echo })
}

/// A line to a place. At a serial port it rests between two frames as long as devices need to tell them apart.
pub fn line_at(place: &Place, patience: Patience) -> Line {
    match place {
        Place::Tcp(address) => Line::new(line::tcp(address.clone(), patience.timeout), patience),
        Place::Serial(port) => {
            let patience = Patience { pause: patience.pause.max(port.rest()), ..patience };
            Line::new(serial::dial(port.clone()), patience)
        }
    }
}

/// When in its interval each of `buses` begins: spread evenly, so that they do not all begin at once.
const fn offset_ms(place: usize, buses: usize, interval_ms: u64) -> u64 {
    // Within the first tenth: readings stay near the begins of intervals.
    if buses == 0 { 0 } else { interval_ms / 10 * place as u64 / buses as u64 }
}

/// What the ledger knew of the meters when it was last asked.
fn remembered(journal: &Journal) -> Result<Registrations, JournalError> {
    let known = journal.registrations()?;
    let known = known.into_iter().filter_map(|(id, text)| {
        // What another release wrote is asked for anew.
        serde_json::from_str::<Registration>(&text).ok().map(|registration| (id, registration))
    });
    Ok(Arc::new(RwLock::new(known.collect())))
}

/// Runs a gateway until `stop` returns or the journal fails.
pub async fn run<U: Uplink>(
    config: Config,
    journal: Journal,
    uplink: U,
    clock: GatewayClock,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let registrations = remembered(&journal)?;
    let path = journal.path();
    let (writer, thread) = Writer::start(journal);
    let interval_ms = u64::try_from(config.site.interval.as_millis()).unwrap_or(u64::MAX);
    let metrics = Arc::default();
    let shared = Shared { watch: Watch::new(clock.clock()), writer, registrations, interval_ms, metrics };
    begin_stretch(&shared.watch, &shared.writer).await?;

    // One that has nothing to do goes here, and with it its handle to the journal's thread.
    let computer = Some(Computer::new(&config.meters, &shared)).filter(|computer| !computer.is_empty());
    let ids = config.meters.iter().map(|meter| meter.id).collect();
    let folder = crate::signed::folder(&config.site.journal);
    let signing = config.meters.iter().filter(|meter| crate::signed::signs(meter));
    let signed = Signed::new(signing.map(|meter| (meter.id, crate::signed::file(&folder, meter.id))).collect());
    let mut by_bus = Config::meters_by_bus(config.meters);
    let mut tasks = tokio::task::JoinSet::new();
    for (place, bus) in config.buses.iter().enumerate() {
        let meters = by_bus.remove(&bus.name).unwrap_or_default();
        if bus.protocol == BusProtocol::Mqtt {
            tasks.spawn(Subscriber::new(bus.clone(), meters, shared.clone()).run());
        } else if bus.protocol == BusProtocol::Ocpp {
            tasks.spawn(Central::new(bus.clone(), meters, &folder, shared.clone()).run());
        } else {
            let poller = Poller::new(bus.clone(), meters, line_to(bus), shared.clone());
            tasks.spawn(poller.run(offset_ms(place, config.buses.len(), interval_ms)));
        }
    }
    if let Some(computer) = computer {
        tasks.spawn(computer.run());
    }
    if let Some(address) = config.site.metrics {
        let listener = metrics::listen(address).await.map_err(|source| RunError::Metrics { address, source })?;
        tasks.spawn(metrics::serve(listener, shared.clone()));
    }
    // The last handle to the journal's thread goes with the tasks.
    let follows = match clock {
        GatewayClock::Chain(clock) => Some(clock),
        GatewayClock::Machine(_) => None,
    };
    let sender = Sender::new(uplink, shared).with_clock(follows);
    let keep_ms = u64::try_from(config.site.keep.as_millis()).unwrap_or(u64::MAX);
    tasks.spawn(async move {
        // Meters are read meanwhile: a journal of many gigabytes takes minutes.
        match examined(path).await {
            Ok(()) => send(sender, ids, signed, keep_ms).await,
            Err(error) => error,
        }
    });

    let ended = tokio::select! {
        () = stop => None,
        ended = tasks.join_next() => ended,
    };
    // Whoever is in the middle of a read is cut off: what is not in the journal was never read.
    tasks.shutdown().await;
    // What the tasks had begun ends on this runtime: its thread is not the one that waits.
    let _ = tokio::task::spawn_blocking(|| thread.join()).await;
    match ended {
        None => Ok(()),
        Some(Ok(error)) => Err(error.into()),
        Some(Err(bug)) => std::panic::resume_unwind(bug.into_panic()),
    }
}

/// Looks through the journal for damage, before anything is signed from it.
async fn examined(path: PathBuf) -> Result<(), JournalError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    // A thread of its own that nobody waits for: whoever stops the gateway meanwhile need not see the end of it.
    std::thread::spawn(move || {
        let began = Instant::now();
        let found = Journal::look(&path).and_then(|journal| journal.examine());
        if found.is_ok() {
            tracing::info!(seconds = began.elapsed().as_secs(), "the journal is whole");
        }
        let _ = answer.send(found);
    });
    answered.await.expect("the thread answers")
}

/// Sends what waits, until the journal fails. A fault of what sends ends no poller: readings wait in the journal, and after a while it
/// begins again.
async fn send<U: Uplink>(mut sender: Sender<U>, ids: Vec<MeterId>, mut signed: Signed, keep_ms: u64) -> JournalError {
    loop {
        match AssertUnwindSafe(send_on(&mut sender, &ids, &mut signed, keep_ms)).catch_unwind().await {
            Ok(error) => return error,
            Err(_) => {
                if let Err(error) = sender.tell_fault().await {
                    return error;
                }
                tokio::time::sleep(jittered(LONGEST_BACKOFF)).await;
            }
        }
    }
}

async fn send_on<U: Uplink>(
    sender: &mut Sender<U>,
    ids: &[MeterId],
    signed: &mut Signed,
    keep_ms: u64,
) -> JournalError {
    let monotonic = SystemClock::default();
    let mut backoff = FIRST_BACKOFF;
    let (mut refresh_ms, mut retry_ms) = (0, FIRST_RETRY_MS);
    let mut pruned_ms = 0;
    loop {
        sender.follow().await;
        let now_ms = monotonic.monotonic_ms();
        if now_ms >= refresh_ms {
            match sender.refresh(ids).await {
                Ok(Ok(_)) => {
                    (refresh_ms, retry_ms) = (now_ms + REFRESH_MS, FIRST_RETRY_MS);
                    if let Err(error) = sender.ask_of_signed(signed).await {
                        return error;
                    }
                }
                // The step that follows tells it.
                Ok(Err(_)) => (refresh_ms, retry_ms) = (now_ms + retry_ms, (2 * retry_ms).min(REFRESH_MS)),
                Err(error) => return error,
            }
        }
        if now_ms - pruned_ms >= PRUNE_MS {
            pruned_ms = now_ms;
            if let Err(error) = sender.prune(keep_ms).await {
                return error;
            }
        }
        let step = match sender.step().await {
            Ok(step) => step,
            Err(error) => return error,
        };
        if let Step::Sealed { .. } = step {
            // What becomes of it, the next step says.
        } else if step.goes_on() {
            backoff = FIRST_BACKOFF;
        } else if step.is_trouble() {
            tokio::time::sleep(jittered(backoff)).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        } else {
            backoff = FIRST_BACKOFF;
            tokio::time::sleep(REST).await;
        }
        if let Step::Closed { certified, refused } = step {
            tracing::info!(certified, refused, "the ledger has answered");
        }
    }
}

/// A wait between half of `wait` and all of it, so that gateways that lost the same node do not all come back at once.
fn jittered(wait: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let share = RandomState::new().hash_one(0u8) % 512;
    wait / 2 + wait * share as u32 / 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buses_begin_one_after_the_other_near_the_intervals_begin() {
        assert_eq!([0, 1, 2, 3].map(|place| offset_ms(place, 4, 900_000)), [0, 22_500, 45_000, 67_500]);
        for _ in 0..100 {
            let wait = jittered(LONGEST_BACKOFF);
            assert!((LONGEST_BACKOFF / 2..=LONGEST_BACKOFF).contains(&wait), "{wait:?}");
        }
    }
}
