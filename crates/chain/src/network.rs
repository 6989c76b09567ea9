//! The network between nodes: authenticated, encrypted connections to addresses known beforehand.
//!
//! Every connection is between keys that know each other. *primary* the validators of the present epoch: they are called.
//! *secondary* the others that this node is set up to know, members of other epochs and followers: they call. Addresses are not
//! compared with where a connection comes from; the key is what counts.

use crate::{
    config::{Peer, PeerAddress},
    engine::{CHANNELS, Ends, Network, QUOTA, Runtime, max_message_bytes},
    epochs::Roster,
};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_consensus::types::Epoch;
use commonware_cryptography::{ChaCha20Poly1305, Signer as _, ed25519};
use commonware_p2p::{
    Address, AddressableManager as _, AddressableTrackedPeers, Ingress,
    authenticated::lookup::{self, Oracle, Receiver, Sender},
};
use commonware_runtime::{Network as RuntimeNetwork, Resolver};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{
    Hostname, NZUsize,
    ordered::{Map, Set},
};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    time::Duration,
};
use tracing::warn;

/// How far two nodes' clocks may be apart, for them to connect.
const CLOCK_ERROR: Duration = Duration::from_secs(5);
/// Peers besides those that a node is set up with: members that are admitted while it runs.
const SPARE_PEERS: usize = 8;

/// The ends of every channel on a real network.
pub(crate) type RealNetwork<E> = Network<
    Sender<ed25519::PublicKey, E>,
    Receiver<ed25519::PublicKey>,
    Oracle<ed25519::PublicKey>,
    Oracle<ed25519::PublicKey>,
>;

/// The ends of one channel on a real network.
pub(crate) type RealEnds<E> = Ends<Sender<ed25519::PublicKey, E>, Receiver<ed25519::PublicKey>>;

/// A network that is started.
pub(crate) struct RealParts<E: Runtime> {
    pub ends: RealNetwork<E>,
    pub transactions: RealEnds<E>,
    pub history: RealEnds<E>,
    pub roster: RealRoster,
}

/// The peers that a node knows, with their addresses.
pub(crate) type Known = BTreeMap<ed25519::PublicKey, Address>;

/// The peers of a configuration; fails with the one whose key is no Ed25519 key.
pub(crate) fn known(peers: &[Peer]) -> Result<Known, Peer> {
    let known = |peer: &Peer| {
        let key = ed25519::PublicKey::decode(Copying(peer.key.as_slice())).map_err(|_| peer.clone())?;
        Ok((key, peer.address.as_ref().and_then(address).unwrap_or_else(nowhere)))
    };
    peers.iter().map(known).collect()
}

/// An address as the engine takes it. A name was checked when it was read; one that is none has no address.
fn address(address: &PeerAddress) -> Option<Address> {
    match address {
        PeerAddress::Socket(socket) => Some((*socket).into()),
        PeerAddress::Name { host, port } => {
            let host = Hostname::new(host.clone()).ok()?;
            // Where it calls from is not compared.
            let egress = SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port));
            Some(Address::Asymmetric { ingress: Ingress::Dns { host, port: *port }, egress })
        }
    }
}

/// The address of who calls and is never called.
fn nowhere() -> Address {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()
}

/// Tells the network whom to connect with, epoch by epoch.
pub(crate) struct RealRoster {
    me: ed25519::PublicKey,
    known: Known,
    most: usize,
    oracle: Oracle<ed25519::PublicKey>,
}

impl RealRoster {
    fn track(&mut self, id: u64, validators: &Set<ed25519::PublicKey>, others: &Set<ed25519::PublicKey>) {
        let address = |key: &ed25519::PublicKey| {
            let known = self.known.get(key).cloned();
            if known.is_none() && *key != self.me {
                warn!(?key, "a validator's address is not known: it has to call this node");
            }
            (key.clone(), known.unwrap_or_else(nowhere))
        };
        let primary: Vec<_> = validators.iter().map(address).take(self.most).collect();
        let room = self.most - primary.len();
        let known = self.known.iter().map(|(key, address)| (key.clone(), address.clone()));
        let secondary = others.iter().map(address).chain(known).filter(|(key, _)| validators.position(key).is_none());
        let secondary: BTreeMap<_, _> = secondary.collect();
        let secondary = Map::from_iter_dedup(secondary.into_iter().take(room));
        self.oracle.track(id, AddressableTrackedPeers::new(Map::from_iter_dedup(primary), secondary));
    }
}

impl Roster for RealRoster {
    fn enter(&mut self, epoch: Epoch, validators: &Set<ed25519::PublicKey>, others: &Set<ed25519::PublicKey>) {
        self.track(epoch.get().saturating_add(1), validators, others);
    }
}

/// Connects with `known`, listens for them, and begins with `validators` as those that vote.
pub(crate) fn start<E: Runtime + RuntimeNetwork + Resolver>(
    context: &E,
    namespace: &[u8],
    key: &ed25519::PrivateKey,
    listen: SocketAddr,
    known: Known,
    validators: &Set<ed25519::PublicKey>,
) -> RealParts<E> {
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: key.clone(),
            synchrony_bound: CLOCK_ERROR,
            max_handshake_age: 2 * CLOCK_ERROR,
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let alone = known.is_empty() && validators.len() == 1;
    let most = if alone { 1 } else { known.len().max(validators.len()) + 1 + SPARE_PEERS };
    let mut config = lookup::Config::local(
        handshake,
        &[namespace, b"/network"].concat(),
        listen,
        NonZeroUsize::new(most).expect("one more than any number is not zero"),
        max_message_bytes(),
        NZUsize!(1_024),
    );
    config.bypass_ip_check = true;
    let (mut network, oracle) = lookup::Network::new(context.child("network"), config);
    let mut roster = RealRoster { me: key.public_key(), known, most, oracle: oracle.clone() };
    roster.track(0, validators, &Set::default());
    let mut channels = (0..CHANNELS).map(|channel| network.register(channel, QUOTA)).collect::<Vec<_>>().into_iter();
    let mut channel = || channels.next().expect("as many channels are registered as are used");
    let ends = Network {
        votes: channel(),
        certificates: channel(),
        resolver: channel(),
        backfill: channel(),
        broadcast: channel(),
        synchronisation: channel(),
        probe: channel(),
        handovers: channel(),
        peers: oracle.clone(),
        blocker: oracle,
    };
    let (transactions, history) = (channel(), channel());
    network.start();
    RealParts { ends, transactions, history, roster }
}
