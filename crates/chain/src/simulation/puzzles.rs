//! Blocks won by solving puzzles on the same simulated network: what agreement by votes is held against [M9] (ADR 0002).
//!
//! Miners as in the paper's time: each works on the longest chain that it knows, a puzzle is solved at random times, and a longer
//! chain replaces the shorter one. Only the puzzle itself is left out: when it is solved is drawn.

use super::*;
use commonware_glue::simulate::action::{Action as Event, Crash, Schedule};
use commonware_p2p::{Receiver as _, Recipients, Sender as _, simulated::Link};
use commonware_utils::probability;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A block is taken for settled when so many stand on it, itself counted, as is the custom where puzzles are solved.
const CONFIRMATIONS: u64 = 6;
/// Blocks that a message carries, so that who was cut off learns what it has missed.
const CARRIED: usize = 64;

/// A block's id, which is drawn.
type Id = u64;

#[derive(Clone, Copy)]
struct Mined {
    parent: Id,
    height: u64,
    found: u64,
}

/// What a run came to, over all nodes.
#[derive(Default)]
struct Outcome {
    /// Milliseconds from a block's begin until a node took it for settled.
    settled_ms: Vec<u64>,
    /// How many blocks a node took back at a time.
    taken_back: BTreeMap<u64, u64>,
    /// Blocks that a node had taken for settled, and took back.
    settled_and_taken_back: u64,
}

type Shared = Arc<Mutex<Outcome>>;

/// What a miner knows.
struct Chain {
    blocks: BTreeMap<Id, Mined>,
    tip: Id,
    outcome: Shared,
}

impl Chain {
    fn height(&self) -> u64 {
        self.blocks[&self.tip].height
    }

    /// The ids from a block down.
    fn down(&self, from: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(Some(from), |id| (*id != 0).then(|| self.blocks[id].parent))
    }

    /// Goes over to a longer chain.
    fn adopt(&mut self, tip: Id, now: u64) {
        if self.blocks[&tip].height <= self.height() {
            return;
        }
        let (before, height) = (self.tip, self.height());
        let new: BTreeSet<Id> = self.down(tip).collect();
        let stays = self.down(before).find(|id| new.contains(id)).map_or(0, |id| self.blocks[&id].height);
        self.tip = tip;
        let settled = height.saturating_sub(CONFIRMATIONS - 1);
        let mut outcome = self.outcome.lock().unwrap();
        if stays < height {
            *outcome.taken_back.entry(height - stays).or_default() += 1;
            outcome.settled_and_taken_back += settled.saturating_sub(stays);
        }
        let newly = self.height().saturating_sub(CONFIRMATIONS - 1);
        let since = self.down(tip).map(|id| self.blocks[&id]).filter(|block| block.height <= newly);
        let newly_settled = since.take_while(|block| block.height > settled.min(stays) && block.height > 0);
        outcome.settled_ms.extend(newly_settled.map(|block| now - block.found));
    }

    fn encode(&self) -> Vec<u8> {
        let newest = self.down(self.tip).filter(|id| *id != 0).take(CARRIED).map(|id| (id, self.blocks[&id]));
        newest
            .flat_map(|(id, block)| [id, block.parent, block.height, block.found])
            .flat_map(u64::to_be_bytes)
            .collect()
    }

    /// Takes in what another miner sent, oldest first. What stands on nothing known waits for a message that carries more.
    fn take(&mut self, message: &[u8], now: u64) {
        let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        for block in message.chunks_exact(32).rev() {
            let [id, parent, height, found] = [0, 8, 16, 24].map(|at| number(&block[at..at + 8]));
            if self.blocks.contains_key(&parent) {
                self.blocks.entry(id).or_insert(Mined { parent, height, found });
                self.adopt(id, now);
            }
        }
    }
}

/// Members that solve puzzles.
#[derive(Clone)]
struct Miners {
    /// Mean time between two blocks of all together.
    interval: Duration,
    outcome: Shared,
    seed: u64,
}

struct Miner(Arc<AtomicU64>);

impl ProcessedHeight for Miner {
    async fn processed_height(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl EngineDefinition for Miners {
    type PublicKey = PublicKey;
    type Engine = TaskHandle<()>;
    type State = Miner;

    fn participants(&self) -> Vec<PublicKey> {
        (0..MEMBERS).map(|index| key(index).public_key()).collect()
    }

    fn channels(&self) -> Vec<(u64, Quota)> {
        vec![(0, QUOTA)]
    }

    fn max_message_size(&self) -> u32 {
        max_message_bytes()
    }

    async fn init(&self, simulated: InitContext<'_, PublicKey>) -> (TaskHandle<()>, Miner) {
        let InitContext { context, index, mut channels, .. } = simulated;
        let (mut sender, mut receiver) = channels.remove(0);
        let height = Arc::new(AtomicU64::new(0));
        let (told, miners) = (height.clone(), self.clone());
        let life = context.spawn(move |context| async move {
            let mut draw = StdRng::seed_from_u64(miners.seed << 8 | index as u64);
            let genesis = Mined { parent: 0, height: 0, found: milliseconds(&context) };
            let outcome = miners.outcome.clone();
            let mut chain = Chain { blocks: BTreeMap::from([(0, genesis)]), tip: 0, outcome };
            let each = miners.interval.as_secs_f64() * f64::from(MEMBERS);
            let pause = |draw: &mut StdRng| Duration::from_secs_f64(-(1.0 - draw.random::<f64>()).ln() * each);
            let mut next = context.current() + pause(&mut draw);
            loop {
                tokio::select! {
                    biased;
                    received = receiver.recv() => {
                        let Ok((_, message)) = received else { return };
                        chain.take(message.as_ref(), milliseconds(&context));
                    }
                    () = context.sleep_until(next) => {
                        let (id, found) = (draw.random::<u64>().max(1), milliseconds(&context));
                        chain.blocks.insert(id, Mined { parent: chain.tip, height: chain.height() + 1, found });
                        chain.adopt(id, found);
                        let _ = sender.send(Recipients::All, chain.encode(), true);
                        next = context.current() + pause(&mut draw);
                    }
                }
                told.store(chain.height(), Ordering::Relaxed);
            }
        });
        (life, Miner(height))
    }

    fn start(engine: TaskHandle<()>) -> TaskHandle<()> {
        engine
    }
}

fn milliseconds(context: &impl commonware_runtime::Clock) -> u64 {
    u64::try_from(context.current().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The same members with votes, and when each node takes a block for settled: as soon as it is told that it is final.
#[derive(Clone)]
struct Voters {
    consortium: Consortium,
    outcome: Shared,
}

impl EngineDefinition for Voters {
    type PublicKey = PublicKey;
    type Engine = TaskHandle<()>;
    type State = Member;

    fn participants(&self) -> Vec<PublicKey> {
        self.consortium.participants()
    }

    fn channels(&self) -> Vec<(u64, Quota)> {
        self.consortium.channels()
    }

    fn max_message_size(&self) -> u32 {
        self.consortium.max_message_size()
    }

    async fn init(&self, simulated: InitContext<'_, PublicKey>) -> (TaskHandle<()>, Member) {
        let watch = simulated.context.child("watch");
        let (life, member) = self.consortium.init(simulated).await;
        let (mut head, outcome) = (member.now().head, self.outcome.clone());
        watch.spawn(move |context| async move {
            while head.changed().await.is_ok() {
                let begun = head.borrow_and_update().time.0 - u64::try_from(EPOCH_MS).unwrap();
                outcome.lock().unwrap().settled_ms.push(milliseconds(&context).saturating_sub(begun));
            }
        });
        (life, member)
    }

    fn start(engine: TaskHandle<()>) -> TaskHandle<()> {
        engine
    }
}

/// The networks that both are played on.
fn networks() -> [(&'static str, Link, bool); 3] {
    let link = |latency, jitter, success_rate| Link {
        latency: Duration::from_millis(latency),
        jitter: Duration::from_millis(jitter),
        success_rate,
    };
    [
        ("a park: 10 ms, nothing lost", link(10, 5, probability!(1.0)), false),
        ("slow lines: 100 ms, one message of five lost", link(100, 80, probability!(0.8)), false),
        ("a park, cut in two for a minute", link(10, 5, probability!(1.0)), true),
    ]
}

/// Two and two cannot reach each other for a minute.
fn cut(link: &Link) -> Schedule<PublicKey> {
    let lost = Link { success_rate: probability!(0.0), ..link.clone() };
    let members: Vec<PublicKey> = (0..MEMBERS).map(|index| key(index).public_key()).collect();
    let pairs = [(0, 2), (0, 3), (1, 2), (1, 3)].into_iter().flat_map(|(one, other)| [(one, other), (other, one)]);
    let cuts = pairs.fold(Schedule::new(), |schedule, (from, to)| {
        let cut = Event::UpdateLink { from: members[from].clone(), to: members[to].clone(), link: lost.clone() };
        schedule.at(Duration::from_secs(2), cut)
    });
    cuts.at(Duration::from_secs(62), Event::Heal(link.clone()))
}

/// Plays one way to agree on a network until all nodes have so many blocks.
fn played<D: EngineDefinition<PublicKey = PublicKey>>(
    definition: D,
    seed: u64,
    blocks: u64,
    network: &(&str, Link, bool),
) -> Result<(), String> {
    let (_, link, is_cut) = network;
    let plan = PlanBuilder::new(definition)
        .timeout(Duration::from_secs(864_000))
        .exit_condition(ProcessedHeightAtLeast::new(blocks))
        .link(link.clone());
    let plan = if *is_cut { plan.crash(Crash::Schedule(cut(link))) } else { plan };
    plan.seeds([seed]).run().map(drop)
}

/// A hundredth of all, in order.
fn percentile(sorted: &[u64], hundredth: usize) -> u64 {
    sorted.get((sorted.len() * hundredth / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Plays both on every network; prints a row each.
fn compare(blocks: u64) {
    println!(
        "{:<46} {:<18} {:>9} {:>9} {:>11} {:>8} {:>8}",
        "network", "way", "p50 ms", "p99 ms", "taken back", "deepest", "settled"
    );
    for network in networks() {
        let intervals = [None, Some(1), Some(10), Some(600)];
        for interval in intervals {
            let outcome = Shared::default();
            let way = match interval {
                None => {
                    played(Voters { consortium: Consortium::new(), outcome: outcome.clone() }, 11, blocks, &network)
                        .unwrap();
                    "votes".to_owned()
                }
                Some(seconds) => {
                    let interval = Duration::from_secs(seconds);
                    played(Miners { interval, outcome: outcome.clone(), seed: 11 }, 11, blocks, &network).unwrap();
                    format!("puzzles, {seconds} s")
                }
            };
            let mut outcome = outcome.lock().unwrap();
            outcome.settled_ms.sort_unstable();
            let taken_back: u64 = outcome.taken_back.iter().map(|(depth, times)| depth * times).sum();
            let deepest = outcome.taken_back.keys().next_back().copied().unwrap_or_default();
            println!(
                "{:<46} {way:<18} {:>9} {:>9} {taken_back:>11} {deepest:>8} {:>8}",
                network.0,
                percentile(&outcome.settled_ms, 50),
                percentile(&outcome.settled_ms, 99),
                outcome.settled_and_taken_back
            );
            if interval.is_none() {
                assert!(
                    !outcome.settled_ms.is_empty() && taken_back == 0,
                    "what was voted for is taken back by nobody"
                );
            }
        }
    }
}

#[test]
fn puzzles_take_back_what_was_settled_where_votes_wait() {
    on_a_stack(|| {
        let [.., cut] = networks();
        let (mined, voted) = (Shared::default(), Shared::default());
        played(Miners { interval: Duration::from_secs(2), outcome: mined.clone(), seed: 11 }, 11, 60, &cut).unwrap();
        played(Voters { consortium: Consortium::new(), outcome: voted.clone() }, 11, 60, &cut).unwrap();
        assert!(mined.lock().unwrap().settled_and_taken_back > 0, "both halves went on by themselves");
        let mut voted = voted.lock().unwrap();
        voted.settled_ms.sort_unstable();
        assert!(voted.settled_ms.len() > 100 && voted.taken_back.is_empty());
        let median = percentile(&voted.settled_ms, 50);
        assert!(median < 2_000, "a vote takes some messages: {median} ms");
    });
}

/// The table of ADR 0002.
#[test]
#[ignore = "prints a table for the ADR"]
fn both_ways_to_agree_on_the_same_networks() {
    on_a_stack(|| compare(400));
}
