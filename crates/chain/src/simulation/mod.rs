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
//! | `behaviours`, `hostile` | a member that does not play by the rules |
//! | `life`, `properties` | a node from its start to its end; what must hold at the end of every run |
//! | `puzzles` | the same members, if blocks were won by solving puzzles |
//! | `coverage` | which faults, behaviours and actions really occurred |
//! | `clients` | members' clients ask for whatever the ledger offers, and execute every block anew |
//! | `lasting`, `heads` | cuts of minutes and hours; when blocks were told to be final, and how soon after a cut |
//! | `scenario`, `suite` | everything at once, drawn from a seed: some seeds as a test, more with `make simulate` |

mod agreement;
mod behaviours;
mod clients;
mod context;
mod coverage;
mod crashes;
mod followers;
mod heads;
mod hostile;
mod lasting;
mod life;
mod properties;
mod puzzles;
mod scenario;
mod succession;
mod suite;
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
use clients::Clients;
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
use coverage::{Coverage, Kind};
use heads::{Heads, TrueTime};
use life::{Life, Loss, Now, Place, Rot};
use properties::{NoContradiction, NobodyBlocked, OneHistory, Verdict};
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
    time::{Duration, SystemTime},
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
const MAX_NODES: usize = 13;
/// Time between two transactions of the simulated client.
const CLIENT_PAUSE: Duration = Duration::from_millis(70);
/// Time at which the simulated clocks begin, in milliseconds: so late that a clock can be slow by a day, and an hour after the
/// time from which on the clients register meters.
const EPOCH_MS: i64 = 1_735_664_400_000;
/// How nodes pace their blocks, unless something is to last long.
const PACE: Pace = Pace {
    idle: Some(Duration::from_millis(300)),
    longest_pause: Duration::from_millis(300),
    gather: Duration::from_millis(5),
};
const SEEDS: [u64; 2] = [11, 12];

/// A consortium to simulate.
#[derive(Clone)]
struct Consortium {
    genesis: Arc<Genesis>,
    /// How many sign.
    members: u8,
    /// All nodes. In the first epoch the first of them sign.
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
    /// Nodes that need not get anywhere, and whose history does not count.
    hostile: BTreeSet<u8>,
    /// What befalls a node's disk while it is down.
    rot: [Option<Rot>; MAX_NODES],
    /// How long each of a node's storage operations takes.
    slow: [Option<Duration>; MAX_NODES],
    /// Clients that ask for whatever the ledger offers, instead of the one that only issues money.
    clients: Option<Clients>,
    coverage: Coverage,
    /// How far each clock is ahead, in milliseconds.
    skew: [i64; MAX_NODES],
    pace: Pace,
    /// What honest nodes have told to be final.
    heads: Heads,
}

/// One node, as the properties see it. Holds no database, so that a crashed node's can be opened again.
#[derive(Clone)]
struct Member {
    index: usize,
    honest: bool,
    /// The present life.
    now: latest::Receiver<Option<Now>>,
    places: Arc<[Place; MAX_NODES]>,
    oracle: Oracle<PublicKey, deterministic::Context>,
}

impl Member {
    fn now(&self) -> Now {
        self.now.borrow().clone().expect("a node is told once it has started")
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
            members: MEMBERS,
            nodes: MEMBERS,
            stride: 0,
            epoch_length: u64::MAX,
            synchronise: None,
            loss: [Loss::Nothing; MAX_NODES],
            client_at_last: false,
            places: Arc::default(),
            conduct: std::array::from_fn(|_| Arc::new(Honest) as Arc<dyn Conduct>),
            hostile: BTreeSet::new(),
            rot: [None; MAX_NODES],
            slow: [None; MAX_NODES],
            clients: None,
            coverage: Coverage::default(),
            skew: [0; MAX_NODES],
            pace: PACE,
            heads: Heads::default(),
        }
    }

    /// The indices of those who sign an epoch.
    fn signers(&self, epoch: u64) -> impl Iterator<Item = u8> + use<> {
        let (nodes, first) = (u64::from(self.nodes), epoch * u64::from(self.stride));
        (0..self.members).map(move |member| u8::try_from((first + u64::from(member)) % nodes).unwrap())
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
            pace: self.pace,
            pool: PoolLimits::default(),
            synchronise: self.synchronise.filter(|_| delayed || wiped),
            strategy,
            partition: format!("member-{index}-{}", if wiped { life } else { 0 }),
            cache_bytes: 1 << 20,
        }
    }
}

impl ProcessedHeight for Member {
    async fn processed_height(&self) -> u64 {
        match self.honest {
            false => u64::MAX,
            // What it held in its last life is not there yet.
            true if !self.places[self.index].is_up() => 0,
            true => self.now.borrow().as_ref().map_or(0, |now| now.head.borrow().height),
        }
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
        let honest = !self.hostile.contains(&u8::try_from(index).unwrap());
        let first = self.places[index].lives.load(Ordering::Relaxed) == 0;
        let node = Life { consortium: self.clone(), index, delayed, oracle: oracle.clone(), monitor, started: sender };
        // A crash ends this task, and with it all that was started in its context; nothing of the node is left to go on.
        let life = context.spawn(move |context| node.supervise(context, channels));
        // At the begin nodes start one after the other. Who comes back may need others for it, and the plan brings those back that it
        // has let down only if it does not wait here.
        if first && !delayed {
            started.wait_for(Option::is_some).await.unwrap();
        }
        let (places, oracle) = (self.places.clone(), oracle.clone());
        let member = Member { index, honest, now: started, places, oracle };
        (life, member)
    }

    fn start(engine: TaskHandle<()>) -> TaskHandle<()> {
        engine
    }
}

fn plan(consortium: Consortium, height: u64) -> PlanBuilder<Consortium> {
    let places = consortium.places.clone();
    PlanBuilder::new(consortium)
        .timeout(Duration::from_secs(600))
        .exit_condition(ProcessedHeightAtLeast::new(height))
        .property(OneHistory { height, from: 1 })
        .property(NobodyBlocked { except: BTreeSet::new() })
        .property(NoContradiction { places })
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

/// Runs on a thread with the stack that a node has, and with the name of the test. `RUST_LOG` lets the engine speak.
fn on_a_stack(work: impl FnOnce() + Send + 'static) {
    if let Ok(said) = tracing_subscriber::EnvFilter::try_from_default_env() {
        // Another test of the process may have done it.
        let _ = tracing_subscriber::fmt().with_env_filter(said).with_writer(std::io::stderr).try_init();
    }
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    let running = std::thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(work).unwrap();
    if let Err(panic) = running.join() {
        std::panic::resume_unwind(panic);
    }
}
