//! How a node is set up, and what it takes from the genesis document.

use crate::disk::KEEP_FREE_BYTES;
use crate::pool::PoolLimits;
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use utilidor_types::{Genesis, Timestamp, genesis::ChainKind};

/// Everything a node is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder that holds all of the node's data. Created if missing; one node at a time uses it.
    pub data_dir: PathBuf,
    /// The chain's first page: every member has the same.
    pub genesis: Genesis,
    /// Ed25519 secret key of this node. Among the genesis validators' keys it votes; any other key only follows.
    pub key: [u8; 32],
    /// Address to listen on for other members. Port 0 takes any free port, which suits a chain of one member.
    pub listen: SocketAddr,
    /// The other members' nodes: ed25519 public key and address.
    pub peers: Vec<([u8; 32], SocketAddr)>,
    /// Time between blocks of a production chain while nothing happens.
    pub idle_interval: Duration,
    /// Time a leader that has waited gathers transactions after the first.
    pub gather: Duration,
    /// Bounds of the pool.
    pub pool: PoolLimits,
    /// Whether a node without data fetches a recent state from its peers instead of executing every block.
    pub synchronise: bool,
    /// Bytes that are to stay free on the disk: with less, the node stops, or does not start.
    pub keep_free: u64,
    /// Threads that verify signatures and hash, besides the two that drive the node.
    pub workers: usize,
}

impl Config {
    /// A node of a chain of one member, reachable by nobody.
    pub fn alone(data_dir: impl Into<PathBuf>, genesis: Genesis, key: [u8; 32]) -> Self {
        let pool = pool_limits(&genesis);
        Self {
            data_dir: data_dir.into(),
            genesis,
            key,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            peers: Vec::new(),
            idle_interval: Duration::from_secs(1),
            gather: Duration::from_millis(2),
            pool,
            synchronise: false,
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
