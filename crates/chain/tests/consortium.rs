//! Four members over real connections on one machine: they agree, outlive the loss of one, and take it back.

mod common;

use common::{genesis, transaction, validator_key};
use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};
use tempfile::TempDir;
use utilidor_chain::{Config, Handle, Node, start};
use utilidor_types::{Genesis, PrivateKey, PublicKey, TransactionHash, genesis::ChainKind, proof::Members};

const MEMBERS: u8 = 4;

struct Consortium {
    genesis: Genesis,
    addresses: Vec<SocketAddr>,
    dirs: Vec<TempDir>,
}

impl Consortium {
    fn new() -> Self {
        let listeners: Vec<_> = (0..=MEMBERS).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        Self {
            genesis: genesis(ChainKind::Production, MEMBERS),
            addresses: listeners.iter().map(|listener| listener.local_addr().unwrap()).collect(),
            dirs: (0..=MEMBERS).map(|_| tempfile::tempdir().unwrap()).collect(),
        }
    }

    fn start(&self, index: u8) -> Node {
        let place = usize::from(index);
        let mut config = Config::alone(self.dirs[place].path(), self.genesis.clone(), validator_key(index));
        config.listen = self.addresses[place];
        config.peers = (0..MEMBERS)
            .filter(|peer| *peer != index)
            .map(|peer| (public_key(peer), self.addresses[usize::from(peer)]))
            .collect();
        config.idle_interval = Duration::from_millis(200);
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
