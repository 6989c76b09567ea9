//! A node's life: start, run in threads of its own, stop.

use crate::{
    clock::Clock,
    config::{self, Config},
    directory::{Directory, DirectoryError},
    disk::{self, DiskFull},
    engine,
    handle::Handle,
    network,
    pace::Pace,
    reader::Reader,
};
use commonware_codec::DecodeExt as _;
use commonware_cryptography::ed25519;
use commonware_runtime::{Runner as _, Spawner as _, Strategizer as _, Supervisor as _, tokio as engine_runtime};
use commonware_utils::ordered::Set;
use futures::future::Either;
use std::{
    any::Any,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::{Arc, mpsc as blocking},
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::{oneshot, watch};
use utilidor_proof::inclusion::{ProofError, validator};
use utilidor_types::{Header, block::consensus_namespace, genesis::ChainKind};

/// Threads that drive the node.
const DRIVERS: usize = 2;
/// Stack of the thread that a node is put together on: unoptimised, that takes more than the 2 MiB a thread gets by default.
pub(crate) const STACK_BYTES: usize = 16 << 20;
/// How long a clean stop may take before tasks are cut off; nothing final is lost by that.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error("could not open the data directory")]
    Directory(#[from] DirectoryError),
    /// The genesis document names no usable validators.
    #[error("the genesis document's validators cannot be used")]
    Validators(#[source] ProofError),
    /// The genesis document names no validator, or one twice.
    #[error("a chain needs at least one validator, and each only once")]
    Roster,
    /// A development chain has exactly one validator, whose operator controls time.
    #[error("a development chain has one validator, the genesis document names {validators}")]
    DevelopmentMembers {
        /// Validators named.
        validators: usize,
    },
    /// A peer's key is no Ed25519 key.
    #[error("the key of the peer at {address} is not an Ed25519 key")]
    PeerKey {
        /// The peer's address.
        address: std::net::SocketAddr,
    },
    /// There is too little room on the disk.
    #[error(transparent)]
    DiskFull(#[from] DiskFull),
    /// The engine failed while it recovered.
    #[error("the node could not read or write its data: {0}")]
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
    ended: watch::Receiver<bool>,
    thread: Option<JoinHandle<Result<(), NodeFailed>>>,
    folder: PathBuf,
    keep_free: u64,
}

/// Starts a node and returns once it has recovered what is on disk. Blocks the calling thread for that long.
pub fn start(config: Config) -> Result<Node, StartError> {
    let validators = config
        .genesis
        .validators
        .iter()
        .map(|one| validator(&one.key))
        .collect::<Result<Vec<_>, _>>()
        .map_err(StartError::Validators)?;
    let validators = Set::try_from(validators).map_err(|_| StartError::Roster)?;
    if validators.is_empty() {
        return Err(StartError::Roster);
    }
    if config.genesis.kind == ChainKind::Development && validators.len() != 1 {
        return Err(StartError::DevelopmentMembers { validators: validators.len() });
    }
    let key = ed25519::PrivateKey::decode(commonware_codec::Copying(config.key.as_slice()))
        .expect("any 32 bytes are an Ed25519 secret");
    let peers = config
        .peers
        .iter()
        .map(|(key, address)| {
            ed25519::PublicKey::decode(commonware_codec::Copying(key.as_slice()))
                .map(|key| (key, *address))
                .map_err(|_| StartError::PeerKey { address: *address })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let directory = Directory::open(&config.data_dir, &config.genesis)?;
    let (folder, keep_free) = (config.data_dir.clone(), config.keep_free);
    disk::check(&folder, keep_free)?;

    let (stop, stopped) = oneshot::channel();
    let (started_sender, started) = blocking::sync_channel(1);
    let (ended_sender, ended) = watch::channel(false);
    let thread = std::thread::Builder::new()
        .name("utilidor-chain".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let _ended = Ended(ended_sender);
            run(config, directory, validators, key, peers, started_sender, stopped)
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

/// Says that the node's thread is over, however it came to that.
struct Ended(watch::Sender<bool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

fn run(
    config: Config,
    directory: Directory,
    validators: Set<ed25519::PublicKey>,
    key: ed25519::PrivateKey,
    peers: Vec<(ed25519::PublicKey, std::net::SocketAddr)>,
    started: blocking::SyncSender<Handle>,
    stopped: oneshot::Receiver<()>,
) -> Result<(), NodeFailed> {
    let (folder, keep_free) = (config.data_dir.clone(), config.keep_free);
    let runtime = engine_runtime::Config::new().with_worker_threads(DRIVERS).with_storage_directory(&directory.storage);
    let ended = engine_runtime::Runner::new(runtime).start(|context| async move {
        let genesis = Arc::new(config.genesis);
        let clock = Arc::new(Clock::new(config::development_start(&genesis)));
        let members = u32::try_from(validators.len()).expect("the number of validators is bounded");
        let namespace = consensus_namespace(genesis.chain());
        let network = network::start(&context, &namespace, &key, config.listen, &peers, members);
        let workers = NonZeroUsize::new(config.workers).unwrap_or(NonZeroUsize::MIN);
        let engine = engine::start(
            context.child("engine"),
            network,
            engine::Config {
                genesis: genesis.clone(),
                validators,
                key,
                clock: clock.clone(),
                pace: Pace {
                    idle: (genesis.kind == ChainKind::Production).then_some(config.idle_interval),
                    gather: config.gather,
                    patience: config.idle_interval * 4,
                },
                pool: config.pool,
                synchronise: config.synchronise,
                strategy: context.strategy(workers),
                partition: "chain".into(),
            },
        )
        .await;
        let handle = Handle {
            genesis,
            folder: config.data_dir.as_path().into(),
            clock,
            pool: engine.pool.clone(),
            verifier: engine.verifier.clone(),
            head: engine.head.clone(),
            reader: Reader::start(context.child("reading"), &engine),
        };
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
async fn until_full(mut head: watch::Receiver<Header>, folder: &Path, keep_free: u64) -> DiskFull {
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
