//! The network between members: authenticated, encrypted connections to addresses known beforehand.

use crate::engine::{CHANNELS, Network, QUOTA, Runtime, max_message_bytes};
use commonware_cryptography::{ChaCha20Poly1305, Signer as _, ed25519};
use commonware_p2p::{
    Address, AddressableManager as _,
    authenticated::lookup::{self, Oracle, Receiver, Sender},
};
use commonware_runtime::{Network as RuntimeNetwork, Resolver};
use commonware_stream::{
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{NZUsize, ordered::Map};
use std::{net::SocketAddr, num::NonZeroUsize, time::Duration};

/// The ends of every channel on a real network.
pub(crate) type RealNetwork<E> = Network<
    Sender<ed25519::PublicKey, E>,
    Receiver<ed25519::PublicKey>,
    Oracle<ed25519::PublicKey>,
    Oracle<ed25519::PublicKey>,
>;

/// Connects to `peers`, and listens for them.
pub(crate) fn start<E: Runtime + RuntimeNetwork + Resolver>(
    context: &E,
    namespace: &[u8],
    key: &ed25519::PrivateKey,
    listen: SocketAddr,
    peers: &[(ed25519::PublicKey, SocketAddr)],
    members: u32,
) -> RealNetwork<E> {
    let handshake = Cups::<_, ChaCha20Poly1305>::new(
        Sake {
            signer: key.clone(),
            synchrony_bound: Duration::from_secs(5),
            max_handshake_age: Duration::from_secs(10),
            version: sake::Version::V1,
        },
        cups::Version::V1,
    );
    let set = NonZeroUsize::new(peers.len() + 1).expect("one more than any number is not zero");
    let config = lookup::Config::local(
        handshake,
        &[namespace, b"/network"].concat(),
        listen,
        set,
        max_message_bytes(members),
        NZUsize!(1_024),
    );
    let (mut network, mut oracle) = lookup::Network::new(context.child("network"), config);
    let mut addresses: Vec<(ed25519::PublicKey, Address)> =
        peers.iter().map(|(peer, address)| (peer.clone(), (*address).into())).collect();
    addresses.push((key.public_key(), listen.into()));
    oracle.track(0, Map::from_iter_dedup(addresses));
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
        peers: oracle.clone(),
        blocker: oracle,
    };
    network.start();
    ends
}
