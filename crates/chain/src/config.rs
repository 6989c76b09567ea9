//! How a node is set up, and what it takes from the genesis document.

use crate::disk::KEEP_FREE_BYTES;
use crate::pool::PoolLimits;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use utilidor_types::{Genesis, NodeAddress, Timestamp, genesis::ChainKind};

/// What becomes of the time between two blocks of a production chain in which nothing happens, unless a node is set up otherwise.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What a node does for its chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Votes in every epoch whose set of validators holds its key, and follows in the others: so an organisation's node can run
    /// before the others have admitted it.
    Member {
        /// Where its vote guard is: two files of this name, with endings `.1` and `.2`, that belong beside the key and not into
        /// the data folder. [`create_guard`](crate::create_guard) makes them together with the key. None: nothing is
        /// remembered outside of the data folder, which only a chain of one validator allows.
        guard: Option<PathBuf>,
        /// Whether the operators have agreed that this node may vote although its guard is lost, without waiting until that is
        /// safe. Only for a chain that stands because too many guards are lost at once.
        without_guard: bool,
    },
    /// Never votes.
    Follower,
}

/// Another node that this one may be connected with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its Ed25519 public key.
    pub key: [u8; 32],
    /// Where it listens. None: it calls, and is never called; so are followers behind a firewall.
    pub address: Option<NodeAddress>,
}

/// Everything a node is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder that holds all of the node's data. Created if missing; one node at a time uses it.
    pub data_dir: PathBuf,
    /// The chain's first page: every member has the same.
    pub genesis: Genesis,
    /// Ed25519 secret key of this node.
    pub key: [u8; 32],
    /// Whether it votes.
    pub role: Role,
    /// Address to listen on for other members. Port 0 takes any free port, which suits a chain of one member.
    pub listen: SocketAddr,
    /// Other nodes: followers that may connect, and validators that are to be reached elsewhere than the genesis document and
    /// the ledger say. A node that is not named here, and no validator, is refused.
    pub peers: Vec<Peer>,
    /// Time after which a production chain gets a block although nothing happened.
    pub idle_interval: Duration,
    /// Most that this time becomes: it doubles with each block in which nothing happened. What is due is still done on time.
    pub longest_pause: Duration,
    /// Time a leader that has waited gathers transactions after the first.
    pub gather: Duration,
    /// Bounds of the pool.
    pub pool: PoolLimits,
    /// Whether a node without data fetches a recent state from its peers instead of executing every block.
    pub synchronise: bool,
    /// Bytes of memory for pages that were read. None: half of what the data takes on the disk when the node starts, within 16
    /// and 256 MiB.
    pub cache_bytes: Option<usize>,
    /// Bytes that are to stay free on the disk: with less, the node stops, or does not start.
    pub keep_free: u64,
    /// Threads that verify signatures and hash, besides the two that drive the node.
    pub workers: usize,
}

impl Config {
    /// A node of a chain of one member, reachable by nobody.
    pub fn alone(data_dir: impl Into<PathBuf>, genesis: Genesis, key: [u8; 32]) -> Self {
        Self::new(data_dir.into(), genesis, key, Role::Member { guard: None, without_guard: false })
    }

    /// A member's node among several, with its vote guard at `guard`. Set [`Self::listen`].
    pub fn member(data_dir: impl Into<PathBuf>, genesis: Genesis, key: [u8; 32], guard: impl Into<PathBuf>) -> Self {
        let role = Role::Member { guard: Some(guard.into()), without_guard: false };
        Self { synchronise: true, ..Self::new(data_dir.into(), genesis, key, role) }
    }

    /// A node that follows a chain. Set [`Self::listen`].
    pub fn follower(data_dir: impl Into<PathBuf>, genesis: Genesis, key: [u8; 32]) -> Self {
        Self { synchronise: true, ..Self::new(data_dir.into(), genesis, key, Role::Follower) }
    }

    fn new(data_dir: PathBuf, genesis: Genesis, key: [u8; 32], role: Role) -> Self {
        let pool = pool_limits(&genesis);
        Self {
            data_dir,
            genesis,
            key,
            role,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            peers: Vec::new(),
            idle_interval: Duration::from_secs(1),
            longest_pause: LONGEST_PAUSE,
            gather: Duration::from_millis(2),
            pool,
            synchronise: false,
            cache_bytes: None,
            keep_free: KEEP_FREE_BYTES,
            workers: std::thread::available_parallelism().map_or(2, usize::from),
        }
    }
}

/// Bounds of the pool of a chain's node. How many transactions of a member wait, the members have set.
pub(crate) fn pool_limits(genesis: &Genesis) -> PoolLimits {
    let member_transactions = usize::try_from(genesis.limits.pooled).unwrap_or(usize::MAX);
    let limits = PoolLimits { member_transactions, ..PoolLimits::default() };
    match genesis.kind {
        ChainKind::Production => limits,
        ChainKind::Development => limits.without_hourly_share(),
    }
}

/// Start of a development chain; `None` for a production chain.
pub(crate) fn development_start(genesis: &Genesis) -> Option<Timestamp> {
    match genesis.kind {
        ChainKind::Production => None,
        ChainKind::Development => Some(genesis.time),
    }
}
