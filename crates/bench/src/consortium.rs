//! Layer `consortium`: members that are processes of their own on this machine, loaded over HTTP.
//!
//! ```text
//! clients ──HTTP──> member 1 ... member n   (each a process; between them, on request, a line that delays)
//!                        └── blocks ──> a follower in this process, which tells what is final
//! ```
//!
//! The follower executes every block as well, so that the figures are a little below what the members alone would reach.

use crate::drive::Entrance;
use crate::line::Line;
use crate::workload::Workload;
use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use utilidor_chain::{Config, Node, Peer};
use utilidor_sdk::Client;
use utilidor_types::{AccountId, Genesis, NodeAddress, PrivateKey, PublicKey, SignedTransaction};

/// Secret of the follower that watches.
const WATCHER: [u8; 32] = [9; 32];
/// How long a member that has no room is left alone before it is asked again.
const REST: Duration = Duration::from_millis(20);
/// How often a member is asked before a run is given up: some two minutes.
const PATIENCE: usize = 6_000;

/// What a run's members are to be like.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// Members.
    pub members: usize,
    /// Members of them that are down throughout: the last ones.
    pub down: usize,
    /// Whether what members tell each other is delayed now and then.
    pub delays: bool,
}

/// A member's node before it is started.
#[derive(Debug, Clone)]
pub struct Seat {
    /// Secret of its consensus key.
    pub secret: [u8; 32],
    /// Where it listens for the other nodes.
    pub listen: SocketAddr,
    /// Where its interface listens.
    pub http: SocketAddr,
}

/// Who starts the members' processes.
pub trait Machines: Send + Sync {
    /// Starts the processes of these members, which know the `watcher`, in folders below `folder`. They end when what is
    /// returned is dropped.
    fn start(
        &self,
        folder: &Path,
        genesis: &Genesis,
        seats: &[Seat],
        watcher: (&PublicKey, SocketAddr),
    ) -> io::Result<Box<dyn Any>>;
}

/// Where the members of a run are: the workload's genesis document names these places, so they are the same for all runs.
#[derive(Debug)]
pub struct Places {
    setup: Setup,
    /// What the genesis document says: where they are reached.
    reached: Vec<SocketAddr>,
    /// Where they listen: elsewhere, if what they are told is delayed.
    listen: Vec<SocketAddr>,
    http: Vec<SocketAddr>,
    watcher: SocketAddr,
}

impl Places {
    /// Free ones.
    pub fn find(setup: Setup) -> io::Result<Self> {
        // All are held until all are known, so that none is given twice.
        let count = 3 * setup.members + 1;
        let held: Vec<_> = (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<_, _>>()?;
        let mut free = held.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?.into_iter();
        let mut take = |count| free.by_ref().take(count).collect::<Vec<_>>();
        let (reached, other, http) = (take(setup.members), take(setup.members), take(setup.members));
        let watcher = take(1)[0];
        let listen = if setup.delays { other } else { reached.clone() };
        Ok(Self { setup, reached, listen, http, watcher })
    }

    /// What the genesis document is to name.
    pub fn reached(&self) -> Vec<NodeAddress> {
        self.reached.iter().copied().map(NodeAddress::from).collect()
    }
}

/// A node in `dir` that follows the chain, and knows the genesis document's validators.
pub(crate) fn following(dir: &Path, genesis: &Genesis, secret: [u8; 32]) -> Config {
    let peers = genesis.validators.iter().filter_map(|validator| match validator.key {
        PublicKey::Ed25519(key) => Some(Peer { key, address: validator.address.clone() }),
        PublicKey::P256(_) => None,
    });
    Config { peers: peers.collect(), ..Config::follower(dir.join("chain"), genesis.clone(), secret) }
}

/// A consortium that runs.
pub struct Consortium {
    /// Follows the chain in this process.
    pub watcher: Node,
    /// The members that run, over HTTP.
    pub members: Members,
    _lines: Vec<Line>,
    _processes: Box<dyn Any>,
}

impl Consortium {
    /// Begins the workload's chain.
    pub async fn start(workload: &Workload, places: &Places, machines: &dyn Machines, dir: &Path) -> io::Result<Self> {
        let setup = places.setup;
        let mut lines = Vec::new();
        if setup.delays {
            for (from, to) in places.reached.iter().zip(&places.listen) {
                lines.push(Line::open(*from, *to).await?);
            }
        }
        let seats = workload.validators.iter().zip(&places.listen).zip(&places.http);
        let seats: Vec<Seat> =
            seats.map(|((secret, listen), http)| Seat { secret: *secret, listen: *listen, http: *http }).collect();
        let up = &seats[..setup.members - setup.down];
        let key = PrivateKey::ed25519(WATCHER).public_key();
        let processes = machines.start(dir, &workload.genesis, up, (&key, places.watcher))?;

        let mut config = following(dir, &workload.genesis, WATCHER);
        config.listen = places.watcher;
        config.cache_bytes = Some(64 << 20);
        let watcher = tokio::task::spawn_blocking(move || utilidor_chain::start(config)).await;
        let watcher = watcher.expect("starting does not panic").map_err(io::Error::other)?;
        let clients = up.iter().map(|seat| Client::new(&format!("http://{}", seat.http)));
        let members = Members::of(clients.collect::<Result<_, _>>().map_err(io::Error::other)?);
        members.answer().await;
        Ok(Self { watcher, members, _lines: lines, _processes: processes })
    }
}

/// The members' interfaces. An account keeps to one member, as people do, which takes its transactions in their order.
#[derive(Clone)]
pub struct Members(Arc<Vec<Mutex<Client>>>);

impl Members {
    fn of(clients: Vec<Client>) -> Self {
        Self(Arc::new(clients.into_iter().map(Mutex::new).collect()))
    }

    /// Waits until all answer.
    async fn answer(&self) {
        for member in self.0.iter() {
            let member = member.lock().await;
            while member.status().await.is_err() {
                tokio::time::sleep(REST).await;
            }
        }
    }

    /// Whose account signed.
    fn of_signer(&self, transaction: &[u8]) -> usize {
        let transaction = SignedTransaction::decode(transaction).expect("the workload's transactions are sound");
        let account = AccountId::of(&transaction.transaction.signer);
        usize::from(account.0[0]) % self.0.len()
    }

    async fn hand_in(&self, member: usize, mut transactions: Vec<Vec<u8>>) {
        let client = self.0[member].lock().await;
        for _ in 0..PATIENCE {
            let encoded: Vec<&[u8]> = transactions.iter().map(Vec::as_slice).collect();
            let answers = client.submit_encoded(&encoded, 0).await.expect("the member answers");
            let problem = answers.iter().find_map(|answer| answer.problem.clone());
            let mut answers = answers.into_iter();
            transactions.retain(|_| answers.next().is_some_and(|answer| answer.problem.is_some()));
            let Some(problem) = problem else { return };
            // A full pool has room again after the next block, and a member that lags knows the account once it has caught up; anything
            // else would stay refused.
            let passes = matches!(problem.status, 429 | 503) || problem.code == "transaction/unknown-account";
            assert!(passes, "the member takes what the workload signs: {problem:?}");
            tokio::time::sleep(REST).await;
        }
        panic!("member {} has had no room for too long", member + 1);
    }
}

impl Entrance for Members {
    async fn submit(&self, transactions: Vec<Vec<u8>>) {
        let mut shares: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
        for transaction in transactions {
            shares.entry(self.of_signer(&transaction)).or_default().push(transaction);
        }
        futures::future::join_all(shares.into_iter().map(|(member, share)| self.hand_in(member, share))).await;
    }
}
