//! How long a follower that has nothing takes to reach a long chain. A member in this process makes the chain, a block for each
//! payment; then a whole node with an empty folder is started, and waited for until it serves what the member has.

use crate::consortium::following;
use crate::drive::{Pace, load};
use crate::measure::folder_bytes;
use crate::play::Direct;
use crate::workload::{Suite, TOGETHER, workload_for};
use serde::{Deserialize, Serialize};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};
use utilidor_api::process;
use utilidor_chain::{Config, Peer, PoolLimits};
use utilidor_sdk::Client;
use utilidor_types::{NodeAddress, PrivateKey, PublicKey};

/// Secret of the follower.
const FOLLOWER: [u8; 32] = [9; 32];
/// How often the follower is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// How often it is told how many blocks there are.
const NOTE_EVERY: u64 = 1_000;

/// What a follower took to reach a chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowerFigure {
    /// Blocks of the chain, each with transactions.
    pub blocks: u64,
    /// Bytes of the member's chain.
    pub chain_bytes: u64,
    /// Seconds in which it was made.
    pub made_seconds: f64,
    /// Seconds from the follower's start until it had the member's head and state.
    pub reached_seconds: f64,
    /// Seconds until its interface answered with all that it has.
    pub served_seconds: f64,
    /// The first block that it holds: it has fetched the state as it was before.
    pub first_block: u64,
    /// Bytes that it has fetched and written, its index included.
    pub follower_bytes: u64,
}

/// Measures. `note` is told what is being done.
///
/// # Panics
///
/// Panics if the follower comes to another state than the member.
pub async fn measure(blocks: u64, seed: &str, folder: &Path, note: impl Fn(&str)) -> io::Result<FollowerFigure> {
    note("signing");
    let listen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let scale = blocks as f64 / Suite::Transfer.size() as f64;
    let (named, places) = (seed.to_owned(), [NodeAddress::from(listen)]);
    let workload =
        tokio::task::spawn_blocking(move || workload_for(Suite::Transfer, scale, &named, TOGETHER, &places)).await;
    let workload = workload.expect("making a workload does not panic");
    let secret = PrivateKey::ed25519(FOLLOWER);
    let PublicKey::Ed25519(key) = secret.public_key() else { unreachable!("it was made as one") };

    let dir = tempfile::tempdir_in(folder)?;
    let mut config = Config::alone(dir.path().join("member"), workload.genesis.clone(), workload.validators[0]);
    config.listen = listen;
    config.peers = vec![Peer { key, address: None }];
    config.pool = PoolLimits::default().one_member();
    let member = tokio::task::spawn_blocking(move || utilidor_chain::start(config)).await;
    let member = member.expect("starting does not panic").map_err(io::Error::other)?;
    let chain = member.handle();
    let began = Instant::now();
    chain.reached(1).await.map_err(io::Error::other)?;
    let saturated = Pace::Saturated { batch: 1_024, connections: 1 };
    for phase in &workload.phases {
        if !phase.timed {
            load(&chain, &Direct(chain.clone()), phase.transactions.read(), saturated).await;
            continue;
        }
        for transaction in phase.transactions.read() {
            let height = chain.head().height;
            if height >= blocks {
                break;
            }
            if height.is_multiple_of(NOTE_EVERY) {
                note(&format!("{height} of {blocks} blocks"));
            }
            let taken = chain.submit(vec![transaction]).await;
            assert!(taken.iter().all(Result::is_ok), "the member takes what the workload signs: {taken:?}");
            chain.reached(height + 1).await.map_err(io::Error::other)?;
        }
    }
    let (height, digest) = chain.state_digest().await.map_err(io::Error::other)?;
    let made_seconds = began.elapsed().as_secs_f64();

    note("the follower begins");
    let place = dir.path().join("follower");
    std::fs::create_dir(&place)?;
    let config = following(&place, &workload.genesis, FOLLOWER);
    let config = process::Config {
        chain: config,
        index: place.join("index.sqlite"),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        settings: Default::default(),
    };
    let began = Instant::now();
    let follower = process::start(config).await.map_err(io::Error::other)?;
    let following = follower.chain();
    following.reached(height).await.map_err(io::Error::other)?;
    let reached = following.state_digest().await.map_err(io::Error::other)?;
    let reached_seconds = began.elapsed().as_secs_f64();
    assert_eq!(reached, (height, digest), "the follower has the member's state");
    let client = Client::new(&format!("http://{}", follower.address())).map_err(io::Error::other)?;
    while client.status().await.map_err(io::Error::other)?.indexed_height < height {
        tokio::time::sleep(LOOK).await;
    }
    let served_seconds = began.elapsed().as_secs_f64();
    let first_block = following.first_held().await.map_err(io::Error::other)?;
    follower.stop().await.map_err(io::Error::other)?;
    tokio::task::spawn_blocking(|| member.stop()).await.expect("stopping does not panic").map_err(io::Error::other)?;
    Ok(FollowerFigure {
        blocks: height,
        chain_bytes: folder_bytes(&dir.path().join("member")),
        made_seconds,
        reached_seconds,
        served_seconds,
        first_block,
        follower_bytes: folder_bytes(&place),
    })
}
