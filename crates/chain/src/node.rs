//! A node's life: start, run in threads of its own, stop.

use crate::{
    application,
    clock::Clock,
    config::{self, Config, Peer, Role},
    directory::{Directory, DirectoryError},
    disk::{self, DiskFull},
    engine::{self, STACK_BYTES},
    guard::{Files, Guard, GuardError},
    handle::Handle,
    history::{self, History},
    latest, network,
    pace::Pace,
    reader::Reader,
    relay::{self, Relay},
    scheme::Voter,
};
use commonware_codec::DecodeExt as _;
use commonware_cryptography::{Signer as _, ed25519};
use commonware_runtime::{Runner as _, Spawner as _, Strategizer as _, Supervisor as _, tokio as engine_runtime};
use commonware_utils::ordered::Set;
use futures::future::Either;
use std::{
    any::Any,
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    sync::{Arc, mpsc as blocking},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;
use utilidor_proof::{ProofError, members::keys};
use utilidor_types::genesis::{ChainKind, GenesisRefused};
use utilidor_types::{Header, block::consensus_namespace};

/// Threads that drive the node.
const DRIVERS: usize = 2;
/// Height of the chain from which synchronising is quicker than executing all blocks.
const WORTH_SYNCHRONISING: u64 = 256;
/// How long a clean stop may take before tasks are cut off; nothing final is lost by that.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("could not open the data directory")]
    Directory(#[from] DirectoryError),
    /// No chain can begin with the genesis document.
    #[error("no chain can begin with the genesis document")]
    Genesis(#[from] GenesisRefused),
    /// The genesis document names a validator whose key cannot sign.
    #[error("the genesis document's validators cannot be used")]
    Validators(#[source] ProofError),
    /// A peer's key is no Ed25519 key.
    #[error("the key of the peer {key} is not an Ed25519 key")]
    PeerKey {
        /// The key, in hexadecimal digits.
        key: String,
    },
    /// The vote guard cannot be used.
    #[error("the vote guard cannot be used")]
    Guard(#[from] GuardError),
    /// A member among several has no vote guard.
    #[error(
        "a validator of a chain with {validators} validators needs a vote guard: name the one that was made with its key"
    )]
    NoGuard {
        /// Validators of the genesis document.
        validators: usize,
    },
    /// There is too little room on the disk.
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    /// The engine failed while it recovered.
    #[error(
        "the node could not read or write its data: {0}. Check the disk. If data is damaged, take the folder from a copy, or, where \
         the chain has other members, move it away and start again: the node fetches it anew. Leave the vote guard where it is"
    )]
    Failed(String),
}

/// The node ended by a failure of its machine or a bug, not because it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeFailed {
    /// There was too little room on the disk. It stopped cleanly, or where a write failed; either way nothing final is lost.
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    /// A task failed.
    #[error("the node failed: {reason}")]
    Failed {
        /// What the failing task said.
        reason: String,
    },
}

/// A running node. Dropping it stops it.
pub struct Node {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    ended: latest::Receiver<bool>,
    thread: Option<JoinHandle<Result<(), NodeFailed>>>,
    folder: PathBuf,
    keep_free: u64,
}

/// Starts a node and returns once it has recovered what is on disk. Blocks the calling thread for that long.
pub fn start(config: Config) -> Result<Node, StartError> {
    config.genesis.check()?;
    let validators = keys(&config.genesis.roster()).map_err(StartError::Validators)?;
    let key = ed25519::PrivateKey::decode(commonware_codec::Copying(config.key.as_slice()))
        .expect("any 32 bytes are an Ed25519 secret");
    let hexadecimal = |peer: Peer| peer.key.iter().map(|byte| format!("{byte:02x}")).collect();
    let known = network::known(&config.peers).map_err(|peer| StartError::PeerKey { key: hexadecimal(peer) })?;
    let (voter, without_guard) = voter(&config, &key, &validators)?;
    let directory = Directory::open(&config.data_dir, &config.genesis)?;
    let (folder, keep_free) = (config.data_dir.clone(), config.keep_free);
    disk::check(&folder, keep_free)?;

    let (stop, stopped) = oneshot::channel();
    let (started_sender, started) = blocking::sync_channel(1);
    let (ended_sender, ended) = latest::channel(false);
    let thread = std::thread::Builder::new()
        .name("utilidor-chain".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let _ended = Ended(ended_sender);
            run(config, directory, Identity { key, voter, without_guard, known }, started_sender, stopped)
        })
        .map_err(|error| StartError::Failed(error.to_string()))?;
    match started.recv() {
        Ok(handle) => Ok(Node { handle, stop: Some(stop), ended, thread: Some(thread), folder, keep_free }),
        Err(_) => Err(match (thread.join(), disk::check(&folder, keep_free)) {
            (Ok(Err(NodeFailed::DiskFull(full))), _) | (_, Err(full)) => full.into(),
            (Ok(Err(NodeFailed::Failed { reason })), _) => StartError::Failed(reason),
            (Ok(Ok(())), _) => StartError::Failed("it ended at once".into()),
            (Err(panic), _) => StartError::Failed(reason(&*panic)),
        }),
    }
}

/// Who signs for a node, and whether it may although its guard is lost.
fn voter(
    config: &Config,
    key: &ed25519::PrivateKey,
    validators: &Set<ed25519::PublicKey>,
) -> Result<(Option<Voter>, bool), StartError> {
    let Role::Member { guard, without_guard } = &config.role else { return Ok((None, false)) };
    let guard = match guard {
        Some(path) => {
            let public = key.public_key().as_ref().try_into().expect("an ed25519 public key has 32 bytes");
            Some(Arc::new(Guard::open(Box::new(Files::at(path)), path, public, config.genesis.chain())?))
        }
        None if validators.len() == 1 => None,
        None => return Err(StartError::NoGuard { validators: validators.len() }),
    };
    Ok((Some(Voter { key: key.clone(), guard }), *without_guard))
}

/// Who a node is, and whom it knows.
struct Identity {
    key: ed25519::PrivateKey,
    voter: Option<Voter>,
    without_guard: bool,
    known: network::Known,
}

/// Says that the node's thread is over, however it came to that.
struct Ended(latest::Sender<bool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

fn run(
    config: Config,
    directory: Directory,
    identity: Identity,
    started: blocking::SyncSender<Handle>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), NodeFailed> {
    let (folder, keep_free) = (config.data_dir.clone(), config.keep_free);
    let cache_bytes = config.cache_bytes.unwrap_or_else(|| disk::cache_bytes(&directory.storage));
    let runtime = engine_runtime::Config::new().with_worker_threads(DRIVERS).with_storage_directory(&directory.storage);
    let ended = engine_runtime::Runner::new(runtime).start(|context| async move {
        let genesis = Arc::new(config.genesis);
        let clock = Arc::new(Clock::new(config::development_start(&genesis)));
        let Identity { key, voter, without_guard, known } = identity;
        let (namespace, me) = (consensus_namespace(genesis.chain()), key.public_key());
        let network = network::start(&context, &namespace, &key, config.listen, known, &genesis);
        let network::RealParts { ends: network, transactions, history, connections } = network;
        let blocker = network.blocker.clone();
        let workers = NonZeroUsize::new(config.workers).unwrap_or(NonZeroUsize::MIN);
        let engine = engine::start(
            context.child("engine"),
            network,
            engine::Config {
                genesis: genesis.clone(),
                me: me.clone(),
                voter,
                without_guard,
                epoch_length: NonZeroU64::new(genesis.epoch_length).unwrap_or(NonZeroU64::MAX),
                council: application::by_ledger(),
                connections: Box::new(connections),
                clock: clock.clone(),
                pace: Pace {
                    idle: (genesis.kind == ChainKind::Production).then_some(config.idle_interval),
                    gather: config.gather,
                    longest_pause: config.longest_pause,
                },
                pool: config.pool,
                synchronise: config.synchronise.then_some(WORTH_SYNCHRONISING),
                strategy: context.strategy(workers),
                partition: "chain".into(),
                cache_bytes,
            },
        )
        .await;
        let (relay_queue, submitted) = relay::queue();
        let (asking, asked) = history::queue();
        let reader = Reader::start(context.child("reading"), &engine, asking);
        let past = History {
            context: context.child("past"),
            sets: engine.sets.clone(),
            me: me.clone(),
            reader: reader.clone(),
            blocker: blocker.clone(),
            sender: history.0,
        };
        past.start(history.1, asked);
        let handle = Handle::new(genesis, &folder, clock, &engine, reader, relay_queue);
        let relay = Relay {
            context: context.child("relay"),
            handle: handle.clone(),
            me,
            status: engine.status.clone(),
            blocker,
        };
        relay.start(transactions, submitted);
        if started.send(handle).is_err() {
            return Ok(());
        }
        let full = until_full(engine.head.clone(), &folder, keep_free);
        futures::pin_mut!(full);
        // A dropped sender asks for a stop as well.
        let asked = futures::future::select(stopped, engine.consensus);
        let ended = match futures::future::select(asked, full).await {
            Either::Left(_) => Ok(()),
            Either::Right((full, _)) => {
                tracing::error!(%full, "the node stops");
                Err(full.into())
            }
        };
        if let Err(error) = context.stop(0, Some(STOP_TIMEOUT)).await {
            tracing::warn!(%error, "some tasks did not stop in time");
        }
        ended
    });
    drop(directory);
    ended
}

/// Returns once a final block has left too little room on the disk.
async fn until_full(mut head: latest::Receiver<Header>, folder: &Path, keep_free: u64) -> DiskFull {
    loop {
        if let Err(full) = disk::check(folder, keep_free) {
            return full;
        }
        if head.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Node {
    /// The way to use the node.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until the node has ended, be it by a failure.
    pub async fn wait(&self) {
        let mut ended = self.ended.clone();
        // The sender is dropped after it has said that the node ended.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Stops the node and waits until all its threads have ended. Blocks the calling thread for that long.
    pub fn stop(mut self) -> Result<(), NodeFailed> {
        self.end()
    }

    fn end(&mut self) -> Result<(), NodeFailed> {
        drop(self.stop.take());
        match self.thread.take().map(JoinHandle::join) {
            // A task of the engine that cannot write panics; why, the disk tells.
            Some(Err(panic)) => {
                disk::check(&self.folder, self.keep_free)?;
                Err(NodeFailed::Failed { reason: reason(&*panic) })
            }
            Some(Ok(ended)) => ended,
            None => Ok(()),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::error!(%error, "the node did not stop cleanly");
        }
    }
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".into())
}
