//! Who takes part in consensus: the validators of an epoch, and how a node shows that it is ready to be one.
//!
//! *validator* a member's node that votes on blocks, known by its consensus key. *set* the validators of an epoch; it changes
//! between two epochs only, by decision of the council (see [`crate::council`]). *quorum* how many of a set have to be there.

use crate::encoding::{Bounded, Text, encode, invalid};
use crate::hash::Digest;
use crate::id::{ChainId, MemberId};
use crate::key::{PrivateKey, PublicKey, Signature};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Most validators of a chain.
pub const MAX_VALIDATORS: usize = 64;
/// Longest address of a node in bytes.
pub const MAX_ADDRESS_BYTES: usize = 96;
/// What a node that is ready signs is signed for this purpose.
pub const READY_NAMESPACE: &[u8] = b"utilidor/ready";

/// Where the other members' nodes reach a node: an IP address or a name, and a port other than 0.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize)]
pub struct NodeAddress(Text<MAX_ADDRESS_BYTES>);

/// The text is no address of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no address of a node: write host:port, such as 192.0.2.7:4700, [2001:db8::7]:4700 or node.example:4700")]
pub struct NotAnAddress;

impl NodeAddress {
    /// The address as an IP address with its port; none if it is a name.
    pub fn socket(&self) -> Option<SocketAddr> {
        self.0.parse().ok()
    }

    /// The name or IP address, and the port.
    pub fn parts(&self) -> (&str, u16) {
        split(&self.0).expect("an address was checked when it was made")
    }
}

/// Host and port of a well-formed address.
fn split(text: &str) -> Option<(&str, u16)> {
    if text.len() > MAX_ADDRESS_BYTES {
        return None;
    }
    let (host, port) = text.rsplit_once(':')?;
    let port = port.parse().ok().filter(|number: &u16| *number > 0 && number.to_string() == port)?;
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=63).contains(&label.len()) && label.bytes().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_ip = text.parse::<SocketAddr>().is_ok_and(|socket| socket.to_string() == text);
    // What ends like a number is an IP address or nothing.
    let is_name = host.split('.').all(is_label)
        && host.rsplit('.').next().is_some_and(|last| !last.bytes().all(|byte| byte.is_ascii_digit()));
    (is_ip || is_name).then_some((host, port))
}

impl FromStr for NodeAddress {
    type Err = NotAnAddress;
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        split(text).and_then(|_| Text::new(text).ok()).map(Self).ok_or(NotAnAddress)
    }
}

impl From<SocketAddr> for NodeAddress {
    /// # Panics
    ///
    /// Panics if the port is 0, at which nothing can be reached.
    fn from(address: SocketAddr) -> Self {
        address.to_string().parse().expect("a node is reached at a port other than 0")
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BorshDeserialize for NodeAddress {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let text = Text::<MAX_ADDRESS_BYTES>::deserialize_reader(reader)?;
        text.parse().map_err(|NotAnAddress| invalid("not a node's address"))
    }
}

impl Serialize for NodeAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A validator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Validator {
    /// Its consensus key (Ed25519).
    pub key: PublicKey,
    /// Whose node it is.
    pub member: MemberId,
    /// Where the others reach it; none where there are no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<NodeAddress>,
}

/// The validators of an epoch by rising key: whose they are, and where they are reached.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Roster {
    /// Counts the changes of keys and addresses: 0 is the roster of the genesis document.
    pub version: u64,
    /// The validators, by rising key.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Validator>))]
    pub validators: Bounded<Validator, MAX_VALIDATORS>,
}

/// Bound on the encoding of a roster in bytes: for each validator a key, a member, and perhaps an address.
pub const MAX_ROSTER_BYTES: usize = 8 + 4 + MAX_VALIDATORS * (34 + 16 + 1 + 4 + MAX_ADDRESS_BYTES);

impl Roster {
    /// The roster of these validators, sorted.
    pub fn new(version: u64, validators: Bounded<Validator, MAX_VALIDATORS>) -> Self {
        let mut sorted = validators;
        sorted.as_mut_slice().sort_unstable();
        Self { version, validators: sorted }
    }

    /// The keys, rising.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &PublicKey> {
        self.validators.iter().map(|validator| &validator.key)
    }
}

/// The length of epochs on a chain whose validators never change.
pub const ENDLESS_EPOCH: u64 = u64::MAX;
/// The shortest epoch.
pub const MIN_EPOCH_LENGTH: u64 = 8;

/// How a chain's blocks are divided into epochs: block `height` belongs to epoch `height / length`, the genesis block to the
/// first, which is number 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epochs {
    /// Blocks of an epoch.
    pub length: u64,
}

impl Epochs {
    /// The epoch that a block belongs to.
    pub const fn of(self, height: u64) -> u64 {
        match height.checked_div(self.length) {
            Some(epoch) => epoch,
            None => 0,
        }
    }

    /// Whether a block is the last one of its epoch.
    pub const fn is_last(self, height: u64) -> bool {
        self.of(height.saturating_add(1)) != self.of(height)
    }

    /// Whether a block is the first one of its epoch that is built: the genesis block is not.
    pub const fn is_first(self, height: u64) -> bool {
        height == 1 || height > 0 && self.of(height - 1) != self.of(height)
    }

    /// How many validators can show in an epoch that they are there, which each does by proposing a block: the genesis block is
    /// nobody's, and the last one of an epoch already says who the next validators are. Of more, a chain whose nodes are all
    /// there might never know a quorum to be, and never change its validators.
    pub const fn most_validators(self) -> usize {
        let shown = self.length.saturating_sub(2);
        if shown < MAX_VALIDATORS as u64 { shown as usize } else { MAX_VALIDATORS }
    }

    /// Whether the validators can change at all.
    pub const fn end(self) -> bool {
        self.length != ENDLESS_EPOCH
    }
}

/// How many of `validators` have to be there for a block to become final: all but the less than a third that may fail.
pub const fn quorum(validators: usize) -> usize {
    match validators {
        0 => 0,
        some => some - (some - 1) / 3,
    }
}

/// A node's word that it follows the chain and is ready to take part in consensus. It names the block that ended the last
/// epoch, so it cannot be given before that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// The consensus key.
    pub key: PublicKey,
    /// The epoch in which it is given.
    pub epoch: u64,
    /// Digest of the block that the epoch's first one follows.
    pub after: Digest,
    /// The key's signature under the namespace `utilidor/ready` over the chain's 16 bytes, the epoch's 8, little-endian, and
    /// the digest.
    pub signature: Signature,
}

impl Readiness {
    /// The word of the node whose key this is, signed.
    pub fn sign(chain: ChainId, epoch: u64, after: Digest, key: &PrivateKey) -> Self {
        let signature = key.sign(READY_NAMESPACE, &encode(&(chain, epoch, after)));
        Self { key: key.public_key(), epoch, after, signature }
    }

    /// What its key has signed.
    pub fn message(&self, chain: ChainId) -> Vec<u8> {
        encode(&(chain, self.epoch, self.after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::decode;

    #[test]
    fn an_address_is_read_only_in_one_form() {
        for good in ["192.0.2.7:4700", "[2001:db8::7]:4700", "node.example:1", "localhost:65535", "n-1.a:80"] {
            let address: NodeAddress = good.parse().unwrap();
            assert_eq!(address.to_string(), good);
            assert_eq!(decode::<NodeAddress>(&encode(&address), 200).unwrap(), address);
        }
        let long = format!("{}:1", "a".repeat(MAX_ADDRESS_BYTES));
        for bad in [
            "",
            "node",
            ":1",
            "node:",
            "node:0",
            "node:01",
            "node:+1",
            "node:65536",
            "Node:1",
            "a..b:1",
            "-a:1",
            "a b:1",
            "1.2.3:4",
            "256.0.0.1:1",
            "192.000.2.7:1",
            "[::1:1",
            "2001:db8::7:4700",
            &long,
        ] {
            assert_eq!(bad.parse::<NodeAddress>(), Err(NotAnAddress), "{bad}");
            let bytes = encode(&Text::<200>::new(bad).unwrap());
            assert!(decode::<NodeAddress>(&bytes, 200).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_block_belongs_to_one_epoch_whose_last_block_is_one() {
        let epochs = Epochs { length: 10 };
        let last: Vec<u64> = (0..=40).filter(|height| epochs.is_last(*height)).collect();
        let first: Vec<u64> = (0..=40).filter(|height| epochs.is_first(*height)).collect();
        assert_eq!((last, first), (vec![9, 19, 29, 39], vec![1, 10, 20, 30, 40]));
        assert_eq!([0, 9, 10, 39].map(|height| epochs.of(height)), [0, 0, 1, 3]);
        let endless = Epochs { length: ENDLESS_EPOCH };
        assert!((0..100).all(|height| !endless.is_last(height) && endless.of(height) == 0) && !endless.end());
    }

    #[test]
    fn a_quorum_is_all_but_the_less_than_a_third_that_may_fail() {
        let quorums: Vec<usize> = (0..=10).map(quorum).collect();
        assert_eq!(quorums, [0, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7]);
    }

    #[test]
    fn a_roster_is_the_same_whatever_order_its_validators_are_given_in() {
        let validator =
            |byte| Validator { key: PublicKey::Ed25519([byte; 32]), member: MemberId([9 - byte; 16]), address: None };
        let roster = |bytes: [u8; 3]| Roster::new(1, bytes.map(validator).to_vec().try_into().unwrap());
        assert_eq!(roster([1, 2, 3]), roster([3, 1, 2]));
        assert_ne!(roster([1, 2, 3]), roster([1, 2, 4]));
    }
}
