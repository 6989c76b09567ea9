//! Plays a workload on a running chain: layers `engine`, `node` and `consortium`.
//!
//! ```text
//! engine      chain in this process:     decode, verify, execute, all roots, durable
//! node        whole node over HTTP:      the same, and the interface before it, the index behind it
//! consortium  several whole nodes:       the same, and agreement between them
//! ```

use crate::consortium::{Consortium, Machines, Places};
use crate::drive::{Entrance, Pace, load, work_off};
use crate::measure::{Bytes, Latencies, Played, Stopwatch, folder_bytes};
use crate::tally::Tally;
use crate::workload::Workload;
use futures::future::LocalBoxFuture;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use utilidor_chain::{Handle, PoolLimits};
use utilidor_sdk::Client;
use utilidor_types::operator::AdvanceTime;
use utilidor_types::{PrivateKey, Timestamp};

/// Transactions a second of a phase.
pub type Rate = dyn Fn(&str) -> f64 + Send + Sync;

/// Payments that are made beside what falls due, to see how long they take.
const PAYMENTS_A_SECOND: f64 = 200.0;

/// A layer whose chain really runs.
#[derive(Clone, Copy)]
pub enum Depth<'a> {
    /// The chain in this process.
    Engine,
    /// The whole node, over HTTP.
    Node,
    /// Several whole nodes in processes of their own, over HTTP.
    Consortium(&'a Places, &'a dyn Machines),
}

/// Straight into the chain.
#[derive(Clone)]
pub(crate) struct Direct(pub Handle);

impl Entrance for Direct {
    async fn submit(&self, transactions: Vec<Vec<u8>>) {
        for answer in self.0.submit(transactions).await {
            answer.expect("the pool takes what the workload signs");
        }
    }
}

/// Over HTTP.
#[derive(Clone)]
struct Http(Client);

impl Entrance for Http {
    async fn submit(&self, transactions: Vec<Vec<u8>>) {
        let transactions: Vec<&[u8]> = transactions.iter().map(Vec::as_slice).collect();
        for answer in self.0.submit_encoded(&transactions, 0).await.expect("the node answers") {
            assert!(answer.problem.is_none(), "the node takes what the workload signs: {:?}", answer.problem);
        }
    }
}

fn config(workload: &Workload, dir: &Path) -> utilidor_chain::Config {
    let mut config = utilidor_chain::Config::alone(dir.join("chain"), workload.genesis.clone(), workload.validators[0]);
    config.cache_bytes = Some(256 << 20);
    // All accounts of the workload are one member's, and connections overtake each other.
    config.pool = PoolLimits::default().one_member();
    config
}

/// Plays a workload on a fresh chain in `dir`, an empty folder. `rate` names the transactions a second of the phases that count;
/// without, they are as fast as the chain takes them.
///
/// # Panics
///
/// Panics if anything of the workload fails.
pub fn play<'a>(
    workload: &'a Workload,
    depth: Depth<'a>,
    dir: &'a Path,
    rate: Option<&'a Rate>,
) -> LocalBoxFuture<'a, Played> {
    Box::pin(playing(workload, depth, dir, rate))
}

/// Boxed by [`play`], so that it is compiled with this crate.
async fn playing(workload: &Workload, depth: Depth<'_>, dir: &Path, rate: Option<&Rate>) -> Played {
    let config = config(workload, dir);
    match depth {
        Depth::Engine => {
            let node = tokio::task::spawn_blocking(move || utilidor_chain::start(config).expect("the chain starts"));
            let node = node.await.expect("starting does not panic");
            let entrance = Direct(node.handle());
            let saturated = Pace::Saturated { batch: 1_024, connections: 2 };
            let played = play_on(workload, &node.handle(), &entrance, (saturated, rate), dir, async || ()).await;
            tokio::task::spawn_blocking(|| node.stop().expect("the chain stops"))
                .await
                .expect("stopping does not panic");
            played
        }
        Depth::Node => {
            let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
            let config = utilidor_api::process::Config {
                chain: config,
                index: dir.join("index.sqlite"),
                listen,
                settings: Default::default(),
            };
            let process = utilidor_api::process::start(config).await.expect("the node starts");
            let client = Client::new(&format!("http://{}", process.address())).expect("the address is one");
            let indexed = async || {
                let head = process.chain().head().height;
                while client.status().await.expect("the node answers").indexed_height < head {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let entrance = Http(client.clone());
            let saturated = Pace::Saturated { batch: 1_024, connections: 4 };
            let played = play_on(workload, &process.chain(), &entrance, (saturated, rate), dir, indexed).await;
            process.stop().await.expect("the node stops");
            played
        }
        Depth::Consortium(places, machines) => {
            let running = Consortium::start(workload, places, machines, dir).await.expect("the members start");
            let handle = running.watcher.handle();
            // One submission at a time to each member, so that an account's transactions arrive in their order.
            let saturated = Pace::Saturated { batch: 1_024, connections: 1 };
            play_on(workload, &handle, &running.members, (saturated, rate), dir, async || ()).await
        }
    }
}

async fn play_on(
    workload: &Workload,
    handle: &Handle,
    entrance: &impl Entrance,
    (saturated, rate): (Pace, Option<&Rate>),
    dir: &Path,
    indexed: impl AsyncFn(),
) -> Played {
    let mut played = Played::default();
    let mut tally = Tally::default();
    handle.reached(1).await.expect("the chain runs");
    for (place, phase) in workload.phases.iter().enumerate() {
        let transactions = &phase.transactions;
        // Waiting for the clock is no part of a measurement; what falls due then is, if the ledger acts by itself.
        if !transactions.is_empty() && handle.head().time < phase.at {
            advance(handle, workload, phase.at).await;
        }
        let (bytes, height) = (disk(dir), handle.head().height);
        let stopwatch = Stopwatch::start();
        if transactions.is_empty() {
            match rate {
                None => advance(handle, workload, phase.at).await,
                Some(_) => played.latencies.extend(advance_beside(handle, entrance, workload, phase.at).await),
            }
        } else {
            let rate = rate.filter(|_| phase.timed).map(|rate| rate(phase.name));
            let pace = rate.map_or(saturated, |per_second| Pace::Open { per_second });
            let latencies = load(handle, entrance, transactions.read(), pace).await;
            if phase.timed {
                played.latencies.extend(latencies);
            }
        }
        // A block is final before its state is applied, which goes on beside the next phase. Where that one waits for its time,
        // or one counts and the other doesn't, nothing of this one is left over; processor time is counted to the end.
        indexed().await;
        let next = workload.phases.get(place + 1).filter(|next| next.timed == phase.timed);
        if next.is_some_and(|next| !next.transactions.is_empty() && handle.head().time < next.at) {
            applied(handle).await;
        }
        let mut seconds = stopwatch.read();
        if next.is_none() {
            applied(handle).await;
            seconds.cpu = stopwatch.read().cpu;
        }
        if phase.timed {
            played.count(phase, seconds, Some(handle.head().height - height));
            played.bytes = Some(played.bytes.unwrap_or_default().plus(bytes, disk(dir)));
        }
    }
    for height in 1..=handle.head().height {
        let block = handle.finalized(height).await.expect("the chain runs").expect("not above the head");
        tally.add(&block.receipts);
    }
    tally.check(workload);
    played
}

/// Waits until the state holds what all final blocks did.
async fn applied(handle: &Handle) {
    handle.state(Vec::new()).await.expect("the chain runs");
}

/// Sets the chain's time, and lets the ledger do what is due by then.
async fn advance(handle: &Handle, workload: &Workload, to: Timestamp) {
    let operator = PrivateKey::ed25519(workload.validators[0]);
    let wish = AdvanceTime::sign(handle.genesis().chain(), to, &operator);
    handle.advance_time(&wish).await.expect("time moves forward");
    work_off(handle, to).await;
}

/// The same while payments are made at a steady pace, to see how long those take.
async fn advance_beside(handle: &Handle, entrance: &impl Entrance, workload: &Workload, to: Timestamp) -> Latencies {
    let working = AtomicBool::new(true);
    let payments = workload.beside.read().take_while(|_| working.load(Ordering::Relaxed));
    let worked_off = async {
        advance(handle, workload, to).await;
        working.store(false, Ordering::Relaxed);
    };
    let paid = load(handle, entrance, payments, Pace::Open { per_second: PAYMENTS_A_SECOND });
    tokio::join!(paid, worked_off).0
}

fn disk(dir: &Path) -> Bytes {
    let index = dir.join("index.sqlite");
    let tables = || utilidor_index::Reader::open(&index)?.bytes();
    let index = if index.exists() { tables().expect("the node's index can be read") } else { 0 };
    Bytes { chain: folder_bytes(&dir.join("chain")), index }
}
