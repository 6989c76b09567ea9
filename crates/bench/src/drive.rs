//! Loads a running chain and watches what it is given become final and durable.

use crate::measure::Latencies;
use std::future::Future;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use utilidor_chain::{Handle, ReadError};
use utilidor_types::Timestamp;

/// Transactions on their way to being final, at most: below what a pool holds.
const IN_FLIGHT: usize = 16_384;
/// Their bytes, at most.
const IN_FLIGHT_BYTES: usize = 8 * 1024 * 1024;
/// How often an open-loop load sends.
const TICK: Duration = Duration::from_millis(10);

/// Where transactions are handed in.
pub trait Entrance: Clone + Send + Sync + 'static {
    /// Hands transactions in. All of them must be taken.
    fn submit(&self, transactions: Vec<Vec<u8>>) -> impl Future<Output = ()> + Send;
}

/// How fast transactions are handed in.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As fast as they become final: so many in one submission, so many submissions at once.
    Saturated {
        /// Transactions in a submission.
        batch: usize,
        /// Submissions at once.
        connections: usize,
    },
    /// So many a second, whatever becomes of them.
    Open {
        /// Transactions a second.
        per_second: f64,
    },
}

/// Transactions in final blocks so far, and when that was first seen.
type Marks = Vec<(usize, Instant)>;

/// Follows the chain from its present head on.
struct Follower {
    handle: Handle,
    height: u64,
    marks: Marks,
}

impl Follower {
    fn new(handle: Handle) -> Self {
        Self { height: handle.head().height, marks: vec![(0, Instant::now())], handle }
    }

    fn done(&self) -> usize {
        self.marks.last().expect("it begins with a mark").0
    }

    /// Follows until `enough` is said, and tells how many transactions are final.
    ///
    /// # Panics
    ///
    /// Panics if the node drops a transaction: it would never be final.
    async fn follow(mut self, tell: watch::Sender<usize>, enough: oneshot::Receiver<()>) -> Result<Marks, ReadError> {
        let mut drops = self.handle.drops();
        tokio::pin!(enough);
        loop {
            let head = tokio::select! {
                head = self.handle.reached(self.height + 1) => head?,
                dropped = drops.changed() => {
                    dropped.expect("the handle keeps the pool");
                    panic!("the node dropped a transaction of the workload");
                }
                _ = &mut enough => return Ok(self.marks),
            };
            let seen = Instant::now();
            let mut done = self.done() + head.transaction_count as usize;
            // Blocks that became durable together are seen by the last of them.
            for height in self.height + 1..head.height {
                done += self.handle.final_header(height).await?.header.transaction_count as usize;
            }
            self.height = head.height;
            self.marks.push((done, seen));
            tell.send_replace(done);
        }
    }
}

/// Hands transactions in at a pace, and returns when all are final.
///
/// # Panics
///
/// Panics if the node stops.
pub async fn load(
    handle: &Handle,
    entrance: &impl Entrance,
    mut transactions: impl Iterator<Item = Vec<u8>>,
    pace: Pace,
) -> Latencies {
    let (tell, mut told) = watch::channel(0);
    let (enough, stop) = oneshot::channel();
    let following = tokio::spawn(Follower::new(handle.clone()).follow(tell, stop));
    // How many transactions, and how many bytes, had been sent with each submission, and when.
    let mut sent: Vec<(usize, usize, Instant)> = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    let mut open = tokio::task::JoinSet::new();
    let start = Instant::now();
    let mut exhausted = false;
    while !exhausted {
        let (wanted, connections) = match pace {
            Pace::Saturated { batch, connections } => (batch, connections),
            Pace::Open { per_second } => {
                // The first is due at once.
                if count > 0 {
                    tokio::time::sleep(TICK).await;
                }
                let due = 1 + (start.elapsed().as_secs_f64() * per_second) as usize;
                (due.saturating_sub(count), usize::MAX)
            }
        };
        let batch: Vec<_> = transactions.by_ref().take(wanted).collect();
        exhausted = batch.len() < wanted;
        if batch.is_empty() {
            continue;
        }
        count += batch.len();
        bytes += batch.iter().map(Vec::len).sum::<usize>();
        sent.push((count, bytes, Instant::now()));
        let entrance = entrance.clone();
        open.spawn(async move { entrance.submit(batch).await });
        while open.len() >= connections {
            open.join_next().await.expect("there are some").expect("a submission does not panic");
        }
        if matches!(pace, Pace::Saturated { .. }) {
            let has_room = |done: &usize| {
                let submissions = sent.partition_point(|(count, ..)| count <= done);
                let final_bytes = submissions.checked_sub(1).map_or(0, |last| sent[last].1);
                done + IN_FLIGHT >= count && final_bytes + IN_FLIGHT_BYTES >= bytes
            };
            told.wait_for(has_room).await.map(drop).expect("the node runs and drops nothing");
        }
    }
    open.join_all().await;
    told.wait_for(|done| *done >= count).await.map(drop).expect("the node runs and drops nothing");
    enough.send(()).expect("it follows until it is told");
    let marks = following.await.expect("following does not panic").expect("the node runs");

    let mut before = 0;
    let latency = |(until, _, at): (usize, usize, Instant)| {
        let place = marks.partition_point(|(done, _)| *done < until);
        let latency = marks[place].1.saturating_duration_since(at);
        let count = until - std::mem::replace(&mut before, until);
        (latency.as_secs_f64() * 1_000.0, count)
    };
    Latencies::of(sent.into_iter().map(latency).collect())
}

/// Lets the chain do what is due until `time`, and returns when it has.
///
/// # Panics
///
/// Panics if the node stops.
pub async fn work_off(handle: &Handle, time: Timestamp) {
    let mut head = handle.subscribe();
    let done = head.wait_for(|head| head.time >= time && head.next_due.is_none_or(|due| due > head.time)).await;
    done.expect("the node runs");
}
