//! The network between nodes: authenticated, encrypted connections to addresses known beforehand.
//!
//! Every connection is between keys that know each other. *primary* the validators of the present epoch: they are called.
//! *secondary* the others that this node is set up to know, members of other epochs and followers: they call. Addresses are not
//! compared with where a connection comes from; the key is what counts.

use crate::{
    clock::CLOCK_ERROR,
    config::Peer,
    engine::{CHANNELS, Ends, Network, QUOTA, Runtime, max_message_bytes},
    epochs::Connections,
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
use commonware_utils::{Hostname, NZUsize, ordered::Map};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
};
use tracing::warn;
use utilidor_proof::members as proof;
use utilidor_types::validator::MAX_VALIDATORS;
use utilidor_types::{Genesis, NodeAddress, PublicKey, Roster};

/// Validators that a node has room for at once: those of an epoch, and as many of those before and after it that are others. Three sets
/// that have nobody in common would be more; then some of the other epochs' have to wait for their own.
const MOST_VALIDATORS: usize = 2 * MAX_VALIDATORS;
/// Sets of peers that are kept at once. Each names the validators of the epochs before and after its own, too.
const TRACKED_SETS: NonZeroUsize = NZUsize!(2);

/// Most peers that a node has to do with at a time: those that it is set up with, itself, and whoever the council can make a
/// validator while it runs. One that is alone for ever has none; whoever opens such a chain's folder to look at it, one.
const fn most_peers(known: usize, validators: usize, endless: bool) -> usize {
    if known == 0 && validators == 1 && endless { 2 } else { known + 1 + MOST_VALIDATORS }
}

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
    pub connections: RealConnections,
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

/// An address as the engine takes it. A name that the engine does not take is no address.
fn address(address: &NodeAddress) -> Option<Address> {
    if let Some(socket) = address.socket() {
        return Some(socket.into());
    }
    let (host, port) = address.parts();
    let host = Hostname::new(host).ok()?;
    // Where it calls from is not compared.
    let egress = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    Some(Address::Asymmetric { ingress: Ingress::Dns { host, port }, egress })
}

/// The address of who calls and is never called.
fn nowhere() -> Address {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()
}

/// Tells the network whom to connect with, epoch by epoch.
pub(crate) struct RealConnections {
    me: ed25519::PublicKey,
    /// What this node is set up with: it comes before what the ledger says of where a validator is.
    known: Known,
    most: usize,
    oracle: Oracle<ed25519::PublicKey>,
}

impl RealConnections {
    fn track(&mut self, id: u64, validators: &Roster, others: &[Roster]) {
        let mut addresses = Known::new();
        for validator in others.iter().chain([validators]).flat_map(|roster| roster.validators.iter()) {
            // A key that is none stands in no set that could sign.
            let Ok(key) = proof::validator(&validator.key) else { continue };
            addresses.insert(key, validator.address.as_ref().and_then(address).unwrap_or_else(nowhere));
        }
        addresses.extend(self.known.iter().map(|(key, address)| (key.clone(), address.clone())));
        let votes = |key: &ed25519::PublicKey| validators.keys().any(|validator| named(validator, key));
        let (primary, mut secondary): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|(key, _)| votes(key));
        // Whom this node is set up with comes first, should there be no room for all.
        secondary.sort_by_key(|(key, _)| !self.known.contains_key(key));
        for (key, address) in &primary {
            if *address == nowhere() && *key != self.me {
                warn!(?key, "a validator's address is not known: it has to call this node");
            }
        }
        let primary = Map::from_iter_dedup(primary.into_iter().take(self.most));
        let room = self.most - primary.len();
        let secondary = Map::from_iter_dedup(secondary.into_iter().take(room));
        self.oracle.track(id, AddressableTrackedPeers::new(primary, secondary));
    }
}

impl Connections for RealConnections {
    fn enter(&mut self, epoch: Epoch, validators: &Roster, others: &[Roster]) {
        self.track(epoch.get().saturating_add(1), validators, others);
    }
}

/// Whether it is the same key.
fn named(validator: &PublicKey, key: &ed25519::PublicKey) -> bool {
    matches!(validator, PublicKey::Ed25519(bytes) if bytes.as_slice() == key.as_ref())
}

/// Connects with `known`, listens for them, and begins with the validators of the genesis document.
pub(crate) fn start<E: Runtime + RuntimeNetwork + Resolver>(
    context: &E,
    namespace: &[u8],
    key: &ed25519::PrivateKey,
    listen: SocketAddr,
    known: Known,
    genesis: &Genesis,
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
    let validators = genesis.roster();
    let most = most_peers(known.len(), validators.keys().len(), !genesis.epochs().end());
    let mut config = lookup::Config::local(
        handshake,
        &[namespace, b"/network"].concat(),
        listen,
        NonZeroUsize::new(most).expect("one more than any number is not zero"),
        max_message_bytes(),
        NZUsize!(1_024),
    );
    config.bypass_ip_check = true;
    config.tracked_peer_sets = TRACKED_SETS;
    let (mut network, oracle) = lookup::Network::new(context.child("network"), config);
    let mut connections = RealConnections { me: key.public_key(), known, most, oracle: oracle.clone() };
    connections.track(0, &validators, &[]);
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
    RealParts { ends, transactions, history, connections }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_room_for_all_that_it_was_told_of_and_for_two_full_sets_of_validators() {
        assert_eq!(most_peers(0, 1, true), 2, "alone, with epochs that never end");
        for (known, validators, endless) in [(0, 1, false), (0, 4, true), (3, 4, false), (9, MAX_VALIDATORS, false)] {
            let sets = [MAX_VALIDATORS; 2].iter().sum::<usize>();
            assert_eq!(most_peers(known, validators, endless), known + 1 + sets, "{known} {validators} {endless}");
        }
    }
}
