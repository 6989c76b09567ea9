//! The whole consortium in one deterministic run: the same engine, a simulated network, disk and clock.
//!
//! A failure prints its seed, and the seed replays it: everything runs on one thread, hashing and verification included.
//!
//! | file | what it is |
//! |---|---|
//! | `context` | a node's machine: a clock that may be wrong, a disk that may end it |
//! | `wire` | what a node sends, and what becomes of it |
//! | `agreement` | members agree while they crash, are cut off and lose messages |
//! | `succession` | the set of validators changes |
//! | `crashes` | a node's machine ends at a storage operation |
//! | `voters` | a voter loses its disk or its vote guard |
//! | `followers` | nodes without a vote |
//! | `hostile` | a member that does not play by the rules |

mod agreement;
mod context;
mod crashes;
mod followers;
mod hostile;
mod succession;
mod voters;
mod wire;

use crate::{
    application::Council,
    block::Block,
    clock::Clock,
    engine::{self, Network, QUOTA, Running, STACK_BYTES, max_message_bytes},
    epochs::{Connections, ConsensusStatus},
    guard::{Guard, tests::InMemory},
    handle::Handle,
    history::{self, History},
    latest,
    pace::Pace,
    pool::PoolLimits,
    reader::Reader,
    relay::{self, Relay},
    scheme::{Scheme, Voter},
};
use commonware_consensus::{
    marshal::{Identifier, core::Mailbox as MarshalMailbox, standard::Standard},
    types::{Epoch, Height, Round, View},
};
use commonware_cryptography::{Digestible as _, Signer as _, ed25519};
use commonware_glue::simulate::{
    engine::{EngineDefinition, InitContext},
    exit::ProcessedHeightAtLeast,
    plan::{PlanBuilder, PlanResult},
    processed::ProcessedHeight,
    property::Property,
    tracker::{FinalizationUpdate, ProgressTracker},
};
use commonware_p2p::{
    Manager as _, TrackedPeers,
    simulated::{self, Manager, Oracle},
};
use commonware_runtime::{
    Clock as _, Handle as TaskHandle, Quota, Spawner as _, Strategizer as _, Supervisor as _, deterministic,
};
use commonware_utils::{NZUsize, channel::mpsc, ordered::Set};
use context::{Machine, Node};
use std::{
    collections::BTreeSet,
    future::Future,
    net::SocketAddr,
    num::NonZeroU64,
    path::Path,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use utilidor_proof::members::keys;
use utilidor_types::{
    AccountId, Action, Bounded, Genesis, Money, PrivateKey, PublicKey as AccountKey, Role, Roles, Roster,
    SignedTransaction, Text, Timestamp, Transaction, Validator,
    block::Header,
    council::Threshold,
    encode,
    genesis::{ChainKind, GenesisMember, Limits},
    validator::ENDLESS_EPOCH,
};
use wire::{Conduct, Honest, Wire};

pub type PublicKey = ed25519::PublicKey;

const MEMBERS: u8 = 4;
/// Nodes of a simulation at most.
const MAX_NODES: usize = 10;
/// Time between two transactions of the simulated client.
const CLIENT_PAUSE: Duration = Duration::from_millis(70);
/// Time at which the simulated clocks begin, in milliseconds: so late that a clock can be slow by a day.
const EPOCH_MS: i64 = 1_000_000_000_000;
const SEEDS: [u64; 2] = [11, 12];

/// What a node keeps besides its data, in all its lives.
#[derive(Default)]
struct Place {
    machine: Arc<Machine>,
    guard: InMemory,
    lives: AtomicU64,
    /// The last height that it has told to be final.
    told: AtomicU64,
}

/// What a node finds when it starts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Loss {
    /// All that it wrote.
    #[default]
    Nothing,
    /// No data, but its vote guard.
    Data,
    /// Its data, but no vote guard.
    Guard,
    /// Neither.
    Everything,
}

/// A consortium to simulate.
#[derive(Clone)]
struct Consortium {
    genesis: Arc<Genesis>,
    /// All nodes. In the first epoch the first [`MEMBERS`] sign.
    nodes: u8,
    /// How far the set of validators moves along the nodes with each epoch.
    stride: u8,
    epoch_length: u64,
    /// Height of the chain from which nodes that begin without data synchronise their state.
    synchronise: Option<u64>,
    /// What nodes find when they start again.
    loss: [Loss; MAX_NODES],
    /// Whether the client gives its transactions to the last node only.
    client_at_last: bool,
    places: Arc<[Place; MAX_NODES]>,
    conduct: [Arc<dyn Conduct>; MAX_NODES],
    /// A node that need not get anywhere, and whose history does not count.
    hostile: Option<u8>,
    /// How far each clock is ahead, in milliseconds.
    skew: [i64; MAX_NODES],
}

/// One node, as the properties see it. Holds no database, so that a crashed node's can be opened again.
#[derive(Clone)]
struct Member {
    index: usize,
    honest: bool,
    /// The present life.
    now: latest::Receiver<Option<Now>>,
    oracle: Oracle<PublicKey, deterministic::Context>,
}

/// A node in one of its lives.
#[derive(Clone)]
struct Now {
    head: latest::Receiver<Header>,
    marshal: MarshalMailbox<Scheme, Standard<Block>>,
    status: latest::Receiver<Option<ConsensusStatus>>,
    handle: Handle,
}

impl Member {
    fn now(&self) -> Now {
        self.now.borrow().clone().expect("a node is told once it has started")
    }
}

type Ends = (simulated::Sender<PublicKey, deterministic::Context>, simulated::Receiver<PublicKey>);

/// What lives on while a node's machine ends it and starts it again.
struct Life {
    consortium: Consortium,
    index: usize,
    delayed: bool,
    oracle: Oracle<PublicKey, deterministic::Context>,
    monitor: mpsc::UnboundedSender<FinalizationUpdate<PublicKey>>,
    started: latest::Sender<Option<Now>>,
}

impl Life {
    /// Runs the node, again and again if its machine ends it.
    async fn supervise(self, context: deterministic::Context, mut channels: Vec<Ends>) {
        let machine = self.consortium.places[self.index].machine.clone();
        let node = Arc::new(self);
        loop {
            let ended = machine.ended.notified();
            futures::pin_mut!(ended);
            ended.as_mut().enable();
            let (life, ends) = (node.clone(), std::mem::take(&mut channels));
            let number = node.consortium.places[node.index].lives.load(Ordering::Relaxed);
            let mut running = context
                .child("life")
                .with_attribute("life", number)
                .spawn(move |context| async move { life.live(context, ends).await });
            tokio::select! {
                biased;
                _ = &mut running => return,
                () = &mut ended => {}
            }
            running.abort();
            let _ = running.await;
            context.sleep(Duration::from_millis(500)).await;
            let control = node.oracle.control(key(u8::try_from(node.index).unwrap()).public_key());
            for channel in 0..engine::CHANNELS {
                channels.push(control.register(channel, QUOTA).await.unwrap());
            }
        }
    }

    /// One life.
    async fn live(&self, context: deterministic::Context, channels: Vec<Ends>) {
        let Self { consortium, index, delayed, oracle, monitor, started } = self;
        let (index, place) = (*index, &consortium.places[*index]);
        let me = key(u8::try_from(index).unwrap()).public_key();
        let conduct = consortium.conduct[index].clone();
        let mut channels = channels.into_iter().zip(wire::CHANNELS);
        let mut channel = || {
            let ((inner, receiver), channel) = channels.next().unwrap();
            (Wire { inner, channel, conduct: conduct.clone() }, receiver)
        };
        let network = Network {
            votes: channel(),
            certificates: channel(),
            resolver: channel(),
            backfill: channel(),
            broadcast: channel(),
            synchronisation: channel(),
            probe: channel(),
            handovers: channel(),
            peers: oracle.manager(),
            blocker: oracle.control(me.clone()),
        };
        let transactions = channel();
        let (past_sender, received_past) = channel();
        let everybody = Set::from_iter_dedup(consortium.participants());
        let connections = SimulatedConnections { manager: oracle.manager(), everybody };
        place.machine.revive();
        place.machine.set_skew(EPOCH_MS + consortium.skew[index]);
        let strategy = context.strategy(NZUsize!(1));
        let context = Node { inner: context, machine: place.machine.clone() };
        let life = place.lives.fetch_add(1, Ordering::Relaxed);
        let config = consortium.engine(index, life, Box::new(connections), strategy, *delayed);
        let clock = config.clock.clone();
        let running = engine::start(context.child("engine"), network, config).await;

        // What was told to be final is there again, and its state as well, before anybody is answered.
        let told = place.told.load(Ordering::Relaxed);
        assert!(running.head.borrow().height >= told, "a final block is lost");
        assert!(running.applied.borrow().height >= told, "the state lacks a final block");

        let (places, public_key, monitor) = (consortium.places.clone(), me.clone(), monitor.clone());
        let mut head = running.head.clone();
        context.child("monitor").spawn(move |_| async move {
            while head.changed().await.is_ok() {
                let header = head.borrow_and_update().clone();
                places[index].told.fetch_max(header.height, Ordering::Relaxed);
                let update = FinalizationUpdate {
                    pk: public_key.clone(),
                    round: Round::new(Epoch::new(header.round.epoch), View::new(header.round.view)),
                    height: Height::new(header.height),
                    block_digest: header.digest().0.to_vec(),
                };
                if monitor.send(update).is_err() {
                    return;
                }
            }
        });
        let (asking, asked) = history::queue();
        let reader = Reader::start(context.child("reading"), &running, asking);
        let past = History {
            context: context.child("past"),
            sets: running.sets.clone(),
            me: me.clone(),
            reader: reader.clone(),
            blocker: oracle.control(me.clone()),
            sender: past_sender,
        };
        past.start(received_past, asked);
        let (queue, submitted) = relay::queue();
        let handle = Handle::new(consortium.genesis.clone(), Path::new("."), clock, &running, reader, queue);
        let relay = Relay {
            context: context.child("relay"),
            handle: handle.clone(),
            me: me.clone(),
            status: running.status.clone(),
            blocker: oracle.control(me),
        };
        relay.start(transactions, submitted);
        // The client sends every transaction to every node, or all to the last one.
        if !consortium.client_at_last || index + 1 == usize::from(consortium.nodes) {
            let (handle, consortium) = (handle.clone(), consortium.clone());
            context.child("client").spawn(move |context| async move {
                let account = AccountId::of(&client().public_key());
                let _ = handle.reached(1).await;
                let mut nonce = 0;
                loop {
                    // A node that comes back has lost its pool: its client goes on where the chain stands.
                    let standing = handle.standings(&[account]).await.unwrap_or_default();
                    nonce = standing.into_iter().flatten().map(|standing| standing.nonce).fold(nonce, u64::max);
                    let _ = handle.submit(vec![consortium.transaction(nonce)]).await;
                    nonce += 1;
                    context.sleep(CLIENT_PAUSE).await;
                }
            });
        }
        let Running { head, marshal, consensus, status, .. } = running;
        started.send_replace(Some(Now { head, marshal, status, handle }));
        let _ = consensus.await;
    }
}

fn key(index: u8) -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(u64::from(index))
}

fn account_key(index: u8) -> AccountKey {
    AccountKey::Ed25519(key(index).public_key().as_ref().try_into().unwrap())
}

/// The organisation whose node has this number.
fn member(index: u8) -> GenesisMember {
    GenesisMember { account: AccountId::of(&account_key(index)), roles: Roles::of(&[Role::Validator]) }
}

fn validator(index: u8) -> Validator {
    let address = SocketAddr::from(([127, 0, 0, 1], 4_700 + u16::from(index))).into();
    Validator { key: account_key(index), member: member(index).member(), address: Some(address) }
}

fn client() -> PrivateKey {
    PrivateKey::ed25519([77; 32])
}

impl Consortium {
    /// Four members, no others, one set of validators.
    fn new() -> Self {
        let issuer =
            GenesisMember { account: AccountId::of(&client().public_key()), roles: Roles::of(&[Role::Issuer]) };
        let seated = (0..MEMBERS).map(member);
        let genesis = Genesis {
            kind: ChainKind::Production,
            time: Timestamp(0),
            validators: Bounded::new((0..MEMBERS).map(validator).collect()).unwrap(),
            epoch_length: ENDLESS_EPOCH,
            threshold: Threshold::TWO_THIRDS,
            members: Bounded::new(std::iter::once(issuer).chain(seated).collect()).unwrap(),
            limits: Limits::DEFAULT,
        };
        Self {
            genesis: Arc::new(genesis),
            nodes: MEMBERS,
            stride: 0,
            epoch_length: u64::MAX,
            synchronise: None,
            loss: [Loss::Nothing; MAX_NODES],
            client_at_last: false,
            places: Arc::default(),
            conduct: std::array::from_fn(|_| Arc::new(Honest) as Arc<dyn Conduct>),
            hostile: None,
            skew: [0; MAX_NODES],
        }
    }

    /// The indices of those who sign an epoch.
    fn signers(&self, epoch: u64) -> impl Iterator<Item = u8> + use<> {
        let (nodes, first) = (u64::from(self.nodes), epoch * u64::from(self.stride));
        (0..MEMBERS).map(move |member| u8::try_from((first + u64::from(member)) % nodes).unwrap())
    }

    fn set(&self, epoch: u64) -> Set<PublicKey> {
        Set::from_iter_dedup(self.signers(epoch).map(|index| key(index).public_key()))
    }

    fn council(&self) -> Council {
        let consortium = self.clone();
        Arc::new(move |parent, _| {
            let next = (parent.height + 1) / consortium.epoch_length + 1;
            let version = parent.next_validators.version;
            let signers = Bounded::new(consortium.signers(next).map(validator).collect()).unwrap();
            let mut next = Roster::new(version, signers);
            let changes = next.id() != parent.next_validators;
            next.version += 1;
            changes.then_some(next)
        })
    }

    fn transaction(&self, nonce: u64) -> Vec<u8> {
        let signer = client().public_key();
        let to = AccountId::of(&signer);
        let action = Action::Issue { to, amount: Money(1_000), reference: Text::new("simulated").unwrap() };
        let chain = self.genesis.chain();
        encode(&Transaction { chain, signer, nonce, expires: 50_000, action }.sign(&client()))
    }

    fn engine(
        &self,
        index: usize,
        life: u64,
        connections: Box<dyn Connections>,
        strategy: commonware_parallel::Rayon,
        delayed: bool,
    ) -> engine::Config {
        let place = &self.places[index];
        let loss = if life == 0 { Loss::Nothing } else { self.loss[index] };
        let key = key(u8::try_from(index).unwrap());
        let public: [u8; 32] = key.public_key().as_ref().try_into().unwrap();
        if life == 0 {
            *place.guard.0.lock().unwrap() = InMemory::new(public).0.lock().unwrap().clone();
        }
        if matches!(loss, Loss::Guard | Loss::Everything) {
            place.guard.lose();
        }
        let wiped = matches!(loss, Loss::Data | Loss::Everything);
        if wiped {
            place.told.store(0, Ordering::Relaxed);
        }
        let copies = Box::new(place.guard.clone());
        let guard = Guard::open(copies, Path::new("simulated"), public, self.genesis.chain()).unwrap();
        engine::Config {
            genesis: self.genesis.clone(),
            me: key.public_key(),
            voter: Some(Voter { key, guard: Some(Arc::new(guard)) }),
            without_guard: false,
            epoch_length: NonZeroU64::new(self.epoch_length).unwrap(),
            council: self.council(),
            connections,
            clock: Arc::new(Clock::new(None)),
            pace: Pace {
                idle: Some(Duration::from_millis(300)),
                longest_pause: Duration::from_millis(300),
                gather: Duration::from_millis(5),
            },
            pool: PoolLimits::default(),
            synchronise: self.synchronise.filter(|_| delayed || wiped),
            strategy,
            partition: format!("member-{index}-{}", if wiped { life } else { 0 }),
            cache_bytes: 1 << 20,
        }
    }
}

/// The peers of a simulated network: those who sign, and everybody else. All nodes share them, so the first to enter an epoch
/// changes them for all.
struct SimulatedConnections {
    manager: Manager<PublicKey, deterministic::Context>,
    everybody: Set<PublicKey>,
}

impl Connections for SimulatedConnections {
    fn enter(&mut self, epoch: Epoch, validators: &Roster, _: &[Roster]) {
        if epoch.get() > 0 {
            let peers = TrackedPeers::new(keys(validators).unwrap(), self.everybody.clone());
            let _ = self.manager.track(epoch.get(), peers);
        }
    }
}

impl ProcessedHeight for Member {
    async fn processed_height(&self) -> u64 {
        if self.honest { self.now().head.borrow().height } else { u64::MAX }
    }
}

impl EngineDefinition for Consortium {
    type PublicKey = PublicKey;
    type Engine = TaskHandle<()>;
    type State = Member;

    fn participants(&self) -> Vec<PublicKey> {
        (0..self.nodes).map(|index| key(index).public_key()).collect()
    }

    fn channels(&self) -> Vec<(u64, Quota)> {
        (0..engine::CHANNELS).map(|channel| (channel, QUOTA)).collect()
    }

    fn max_message_size(&self) -> u32 {
        max_message_bytes()
    }

    async fn init(&self, simulated: InitContext<'_, PublicKey>) -> (TaskHandle<()>, Member) {
        let InitContext { context, index, delayed, oracle, channels, monitor, .. } = simulated;
        let (sender, mut started) = latest::channel(None);
        let honest = self.hostile.map(usize::from) != Some(index);
        let node = Life { consortium: self.clone(), index, delayed, oracle: oracle.clone(), monitor, started: sender };
        // A crash ends this task, and with it all that was started in its context; nothing of the node is left to go on.
        let life = context.spawn(move |context| node.supervise(context, channels));
        started.wait_for(Option::is_some).await.unwrap();
        let member = Member { index, honest, now: started, oracle: oracle.clone() };
        (life, member)
    }

    fn start(engine: TaskHandle<()>) -> TaskHandle<()> {
        engine
    }
}

/// All nodes hold the same block at every height up to `height`, and the client's transactions are in them once, in order.
#[derive(Clone)]
struct OneHistory {
    height: u64,
    from: u64,
}

/// What a property says of the nodes.
type Verdict<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

impl Property<PublicKey, Member> for OneHistory {
    fn name(&self) -> &str {
        "one_history"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let mut nonces = Vec::new();
            let honest: Vec<_> = members.iter().filter(|member| member.honest).collect();
            for height in self.from..=self.height {
                let mut agreed = None;
                for (place, member) in honest.iter().enumerate() {
                    let identifier = Identifier::Height(Height::new(height));
                    let Some(block) = member.now().marshal.get_block(identifier).await else {
                        return Err(format!("node {} lacks block {height}", member.index));
                    };
                    let digest = block.digest();
                    if *agreed.get_or_insert(digest) != digest {
                        return Err(format!("nodes disagree about block {height}"));
                    }
                    if place == 0 {
                        let bodies = block.inner().transactions().iter();
                        let signed = bodies.map(|body| SignedTransaction::decode(&body.bytes).unwrap());
                        nonces.extend(signed.map(|signed| signed.transaction.nonce));
                    }
                }
            }
            if nonces.is_empty() {
                return Err("no transaction entered a block".into());
            }
            if nonces.windows(2).any(|pair| pair[1] != pair[0] + 1) {
                return Err(format!("the client's transactions are not there once and in order: {nonces:?}"));
            }
            Ok(())
        })
    }
}

/// Nobody blocks an honest node.
#[derive(Clone)]
struct NobodyBlocked {
    /// Nodes that are not honest.
    except: BTreeSet<PublicKey>,
}

impl Property<PublicKey, Member> for NobodyBlocked {
    fn name(&self) -> &str {
        "nobody_blocked"
    }

    fn check<'a>(&'a self, _: &'a ProgressTracker<PublicKey>, members: &'a [&'a Member]) -> Verdict<'a> {
        Box::pin(async move {
            let index = |of: &PublicKey| (0..u8::MAX).find(|index| key(*index).public_key() == *of);
            let blocked = members[0].oracle.blocked().await.unwrap();
            let honest: Vec<_> = blocked
                .iter()
                .filter(|(by, whom)| !self.except.contains(by) && !self.except.contains(whom))
                .map(|(by, whom)| (index(by), index(whom)))
                .collect();
            if honest.is_empty() { Ok(()) } else { Err(format!("honest nodes are blocked (by, whom): {honest:?}")) }
        })
    }
}

fn plan(consortium: Consortium, height: u64) -> PlanBuilder<Consortium> {
    PlanBuilder::new(consortium)
        .timeout(Duration::from_secs(600))
        .exit_condition(ProcessedHeightAtLeast::new(height))
        .property(OneHistory { height, from: 1 })
        .property(NobodyBlocked { except: BTreeSet::new() })
}

/// Runs a plan with each seed, on a thread with the stack that a node has.
fn run(plan: impl Fn() -> PlanBuilder<Consortium> + Send + 'static) {
    on_a_stack(move || SEEDS.into_iter().for_each(|seed| drop(run_one(seed, plan()))));
}

/// Runs a plan with a seed, or with the one that the environment names. A failure says how to repeat it.
fn run_one(seed: u64, plan: PlanBuilder<Consortium>) -> PlanResult<Consortium> {
    let named = std::env::var("UTILIDOR_SEED").ok().and_then(|named| named.parse().ok());
    let seed = named.unwrap_or(seed);
    let thread = std::thread::current();
    let _repeat = Repeat { seed, test: thread.name().unwrap_or_default().to_owned() };
    match plan.seeds([seed]).run() {
        Ok(mut results) => results.remove(0),
        Err(reason) => panic!("{reason}"),
    }
}

/// Says on the way out of a panic how to repeat the run.
struct Repeat {
    seed: u64,
    test: String,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("repeat: UTILIDOR_SEED={} cargo test -p utilidor-chain --lib {}", self.seed, self.test);
        }
    }
}

/// Runs on a thread with the stack that a node has, and with the name of the test.
fn on_a_stack(work: impl FnOnce() + Send + 'static) {
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let running = std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(work).unwrap();
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
    }
}
