//! Four members over real connections on one machine: they agree, outlive the loss of one, and take it back. And what a block
//! costs them.

mod common;

use common::{START, advance, genesis, issuer, transaction, validator_key};
use std::{
    net::{SocketAddr, TcpListener},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use utilidor_chain::{AdvanceTimeRefused, Config, Handle, Node, Part, Peer, StartError, create_guard, start};
use utilidor_proof::Members;
use utilidor_types::{
    Genesis, PrivateKey, PublicKey, Timestamp, TransactionHash,
    genesis::ChainKind,
    operator::{AdvanceTime, OperatorRefused},
};

const MEMBERS: u8 = 4;

struct Consortium {
    genesis: Genesis,
    addresses: Vec<SocketAddr>,
    dirs: Vec<TempDir>,
}

impl Consortium {
    fn new() -> Self {
        Self::of(ChainKind::Production)
    }

    fn of(kind: ChainKind) -> Self {
        let listeners: Vec<_> = (0..=MEMBERS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        Self {
            genesis: genesis(kind, MEMBERS),
            addresses: listeners.iter().map(|listener| listener.local_addr().unwrap()).collect(),
            dirs: (0..=MEMBERS).map(|_| tempfile::tempdir().unwrap()).collect(),
        }
    }

    /// Starts a member, or, as number [`MEMBERS`], a follower.
    fn start(&self, index: u8) -> Node {
        let place = usize::from(index);
        let (folder, key) = (self.dirs[place].path(), validator_key(index));
        let (data, guard) = (folder.join("chain"), folder.join("guard"));
        let mut config = if index < MEMBERS {
            if !data.exists() {
                create_guard(&guard, &public_key(index)).unwrap();
            }
            Config::member(data, self.genesis.clone(), key, guard)
        } else {
            Config::follower(data, self.genesis.clone(), key)
        };
        config.listen = self.addresses[place];
        let address = |peer: u8| (peer < MEMBERS).then(|| self.addresses[usize::from(peer)].into());
        let peer = |peer| Peer { key: public_key(peer), address: address(peer) };
        config.peers = (0..=MEMBERS).filter(|peer| *peer != index).map(peer).collect();
        config.idle_interval = Duration::from_millis(200);
        config.longest_pause = config.idle_interval;
        start(config).unwrap()
    }
}

fn public_key(index: u8) -> [u8; 32] {
    match PrivateKey::ed25519(validator_key(index)).public_key() {
        PublicKey::Ed25519(key) => key,
        PublicKey::P256(_) => unreachable!("validators sign with Ed25519"),
    }
}

/// Waits until a final block of `handle`'s node holds the transaction, searching from `height`.
async fn find(handle: &Handle, mut height: u64, hash: TransactionHash) -> u64 {
    loop {
        handle.reached(height).await.unwrap();
        let block = handle.finalized(height).await.unwrap().unwrap();
        if block.transactions.iter().any(|transaction| transaction.hash == hash) {
            return height;
        }
        height += 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn four_members_agree_lose_one_and_take_it_back() {
    let consortium = Consortium::new();
    let mut nodes: Vec<Option<Node>> = (0..MEMBERS).map(|index| Some(consortium.start(index))).collect();
    let handles: Vec<Handle> = nodes.iter().flatten().map(Node::handle).collect();
    let members = Members::of(&consortium.genesis).unwrap();

    // Any member takes a transaction, once it is its turn to propose; all have it.
    let mut height = 1;
    for nonce in 0..4 {
        let taken = handles[nonce as usize].submit(vec![transaction(&consortium.genesis, nonce)]).await;
        let hash = taken.into_iter().next().unwrap().unwrap();
        for handle in &handles {
            height = find(handle, height, hash).await;
        }
    }
    let agreed = handles[0].finalized(height).await.unwrap().unwrap();
    for handle in &handles {
        assert_eq!(handle.finalized(height).await.unwrap().unwrap().header, agreed.header);
        handle.final_header(height).await.unwrap().verify(&members).unwrap();
    }

    // Three of four go on.
    nodes[3].take().unwrap().stop().unwrap();
    let hash = handles[0].submit(vec![transaction(&consortium.genesis, 4)]).await.remove(0).unwrap();
    for handle in &handles[..3] {
        height = find(handle, height, hash).await;
    }
    let missed = handles[0].finalized(height).await.unwrap().unwrap();

    // The fourth comes back and catches up.
    nodes[3] = Some(consortium.start(3));
    let back = nodes[3].as_ref().unwrap().handle();
    back.reached(height).await.unwrap();
    assert_eq!(back.finalized(height).await.unwrap().unwrap().header, missed.header);
    let hash = back.submit(vec![transaction(&consortium.genesis, 5)]).await.remove(0).unwrap();
    for handle in &handles[..3] {
        height = find(handle, height, hash).await;
    }
    drop(nodes);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_takes_transactions_and_holds_what_the_members_hold() {
    let consortium = Consortium::new();
    let nodes: Vec<Node> = (0..MEMBERS).map(|index| consortium.start(index)).collect();
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    handles[0].reached(5).await.unwrap();
    let follower = consortium.start(MEMBERS);
    let following = follower.handle();

    let mut height = 1;
    for nonce in 0..3 {
        let taken = following.submit(vec![transaction(&consortium.genesis, nonce)]).await;
        let hash = taken.into_iter().next().unwrap().unwrap();
        height = find(&handles[2], height, hash).await;
        assert_eq!(find(&following, height, hash).await, height);
    }
    let members = Members::of(&consortium.genesis).unwrap();
    for height in 1..=height {
        let (told, held) = (following.finalized(height).await.unwrap(), handles[1].finalized(height).await.unwrap());
        assert_eq!(told, held);
        following.final_header(height).await.unwrap().verify_newest(&members).unwrap();
    }
    assert_eq!(following.consensus().unwrap().part, Part::Follows);
    assert!(handles.iter().all(|handle| handle.consensus().unwrap().part == Part::Votes));
    drop((follower, nodes));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_moves_the_time_of_all_members_of_a_development_chain_by_one_of_them() {
    let consortium = Consortium::of(ChainKind::Development);
    let mut nodes: Vec<Option<Node>> = (0..MEMBERS).map(|index| Some(consortium.start(index))).collect();
    let mut handles: Vec<Handle> = nodes.iter().flatten().map(Node::handle).collect();
    let after = |hours: u64| Timestamp(START.0 + hours * 3_600_000);
    // All, of those that are given, come to the time that was asked for, and to no other.
    let all_are_at = async |handles: &[Handle], time: Timestamp| {
        for handle in handles {
            let header = handle.subscribe().wait_for(|head| head.time >= time).await.unwrap().clone();
            assert_eq!(header.time, time);
        }
    };

    // One who may not is refused, and nothing moves.
    let stranger = AdvanceTime::sign(consortium.genesis.chain(), after(1), &issuer());
    let refused = OperatorRefused::NotTheOperator(issuer().public_key());
    assert_eq!(handles[0].advance_time(&stranger).await, Err(AdvanceTimeRefused::Operator(refused)));
    let forged = AdvanceTime { signer: PrivateKey::ed25519(validator_key(0)).public_key(), ..stranger };
    let refused = OperatorRefused::BadSignature(forged.signer);
    assert_eq!(handles[0].advance_time(&forged).await, Err(AdvanceTimeRefused::Operator(refused)));
    for handle in &handles {
        assert!(handle.reached(1).await.unwrap().time < Timestamp(START.0 + 1_000));
    }

    // The wish is given to one node only, whichever it is.
    for (handle, hours) in handles.iter().zip(1..) {
        assert_eq!(advance(handle, after(hours)).await, Ok(after(hours)));
        all_are_at(&handles, after(hours)).await;
    }

    // A node that was away has heard of no wish. Once another is gone nothing goes on without its vote: it catches up, and hears
    // of the next one.
    nodes[3].take().unwrap().stop().unwrap();
    assert_eq!(advance(&handles[0], after(5)).await, Ok(after(5)));
    all_are_at(&handles[..3], after(5)).await;
    nodes[3] = Some(consortium.start(3));
    handles[3] = nodes[3].as_ref().unwrap().handle();
    all_are_at(&handles[3..], after(5)).await;
    nodes[2].take().unwrap().stop().unwrap();
    handles.remove(2);
    assert_eq!(advance(&handles[0], after(6)).await, Ok(after(6)));
    all_are_at(&handles, after(6)).await;

    // Between wishes a block is a millisecond later than the one before it.
    let hash = handles[2].submit(vec![transaction(&consortium.genesis, 0)]).await.remove(0).unwrap();
    let height = find(&handles[0], 1, hash).await;
    let block = handles[0].finalized(height).await.unwrap().unwrap();
    assert_eq!(block.header.time, Timestamp(after(6).0 + 1));
    drop(nodes);
}

#[test]
fn a_member_among_several_does_not_start_without_a_vote_guard() {
    let consortium = Consortium::new();
    let alone = Config::alone(consortium.dirs[0].path(), consortium.genesis.clone(), validator_key(0));
    assert!(matches!(start(alone), Err(StartError::NoGuard { validators: 4 })));
}

/// Processor time of this process so far, all threads and both modes; Linux counts it in hundredths of a second.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("processor time is read from Linux's /proc");
    // The second field is the program's name in parentheses; user and system time are the 14th and 15th.
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    Duration::from_millis((ticks(14) + ticks(15)) * 10)
}

/// A measurement for docs/adr/0002-bft-not-puzzles.md.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and takes a minute"]
async fn cost_of_agreement() {
    use sha2::{Digest as _, Sha256};
    const BLOCKS: u64 = 300;
    let consortium = Consortium::new();
    let nodes: Vec<Node> = (0..MEMBERS).map(|index| consortium.start(index)).collect();
    let handles: Vec<Handle> = nodes.iter().map(Node::handle).collect();
    let all_reached = async |height| {
        for handle in &handles {
            handle.reached(height).await.unwrap();
        }
    };

    let settled = 20;
    all_reached(settled).await;
    let (begun, before) = (Instant::now(), processor_time());
    all_reached(settled + BLOCKS).await;
    let (elapsed, spent) = (begun.elapsed(), processor_time() - before);
    let head = handles[0].finalized(settled + BLOCKS).await.unwrap().unwrap();
    assert!(head.transactions.is_empty());
    for node in nodes {
        node.stop().unwrap();
    }

    // A puzzle trial as in the paper's time: SHA-256 twice over an 80-byte header.
    const TRIALS: u32 = 2_000_000;
    let mut header = [7u8; 80];
    let before = processor_time();
    for nonce in 0..TRIALS {
        header[76..].copy_from_slice(&nonce.to_le_bytes());
        std::hint::black_box(Sha256::digest(Sha256::digest(header)));
    }
    let trials_a_second = f64::from(TRIALS) / (processor_time() - before).as_secs_f64();

    let block = spent.as_secs_f64() / (BLOCKS as f64 * f64::from(MEMBERS));
    println!(
        "an empty block of {MEMBERS} members costs each {:.2} ms of processor time (mean of {BLOCKS} blocks, one every {:.0} ms)",
        block * 1_000.0,
        elapsed.as_secs_f64() * 1_000.0 / BLOCKS as f64
    );
    println!(
        "the same time buys {:.0} puzzle trials at {:.2} million a second",
        block * trials_a_second,
        trials_a_second / 1e6
    );
}
