//! Keys and signatures of accounts and meters: Ed25519 (ZIP-215 rules, so that single and batched
//! verification always agree) and P-256 (smart cards, HSMs and certified meters). Ed25519 signs the
//! engine's `union_unique(namespace, message)`; P-256 signs SHA-256 of the same bytes, and only low-S
//! signatures count, so that a signature cannot be changed without its key.

use crate::encoding::hex_bytes;
use borsh::{BorshDeserialize, BorshSerialize};
use commonware_cryptography::{BatchEntry, BatchVerifier as _, Signer as _, Verifier as _, ed25519};
use commonware_parallel::Strategy;
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use rand_core::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;
use std::sync::RwLock;

/// A verification key. Bytes that are no point of the curve decode, and then verify nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum PublicKey {
    /// Ed25519.
    Ed25519([u8; 32]),
    /// ECDSA over P-256, in SEC1 compressed form.
    P256([u8; 33]),
}

/// A signature of either kind; which, its public key tells.
#[derive(Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(#[serde(with = "hex_bytes")] pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A signing key. It is shown nowhere: `Debug` prints the public half.
#[derive(Clone)]
pub enum PrivateKey {
    /// Ed25519.
    Ed25519(ed25519::PrivateKey),
    /// ECDSA over P-256.
    P256(p256::ecdsa::SigningKey),
}

/// The text or bytes are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key: write 'ed25519:' or 'p256:' and the key in hex")]
pub struct NotAKey;

/// One signature to be checked.
#[derive(Clone, Copy)]
pub struct SignatureCheck<'a> {
    /// Purpose of the signature.
    pub namespace: &'static [u8],
    /// The signed bytes.
    pub message: &'a [u8],
    /// Who is said to have signed.
    pub key: &'a PublicKey,
    /// The signature.
    pub signature: &'a Signature,
}

/// What P-256 signs; the engine makes the same bytes for Ed25519.
fn payload(namespace: &[u8], message: &[u8]) -> Vec<u8> {
    assert!(namespace.len() < 0x80, "the length of a namespace fits the one byte that stands before it");
    [&[namespace.len() as u8], namespace, message].concat()
}

impl SignatureCheck<'_> {
    /// Whether the signature is good.
    pub fn holds(&self) -> bool {
        match self.key {
            PublicKey::Ed25519(bytes) => ed25519::PublicKey::try_from(bytes)
                .is_ok_and(|key| key.verify(self.namespace, self.message, &ed25519_signature(self.signature))),
            PublicKey::P256(_) => p256_holds(self.key, &payload(self.namespace, self.message), self.signature),
        }
    }
}

/// Whether a P-256 key has signed just these bytes, with a low S. No other key has.
pub(crate) fn p256_holds(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    let PublicKey::P256(bytes) = key else { return false };
    let Ok(key) = p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes) else { return false };
    let Ok(signature) = p256::ecdsa::Signature::from_slice(&signature.0) else { return false };
    signature.normalize_s() == signature && key.verify(message, &signature).is_ok()
}

fn ed25519_signature(signature: &Signature) -> ed25519::Signature {
    ed25519::Signature::try_from(signature.0).expect("any 64 bytes are read as a signature")
}

/// Keys that were read before: an Ed25519 key is a point in compressed form, and to read it costs a third of checking a
/// signature. Bounded: once so many more have been read, those that were not asked for since are forgotten.
#[derive(Debug, Default)]
pub struct KeyRing(RwLock<Keys>);

/// Keys by their compressed form: those read or asked for of late, and those before them.
#[derive(Debug, Default)]
struct Keys {
    recent: HashMap<[u8; 32], ed25519::PublicKey>,
    before: HashMap<[u8; 32], ed25519::PublicKey>,
}

/// Most keys that are recent, and as many before them.
const MAX_RECENT_KEYS: usize = 65_536;

impl KeyRing {
    /// The key, and whether it is recent: one that is not has to be added again to be kept.
    fn find(&self, bytes: &[u8; 32]) -> Option<(ed25519::PublicKey, bool)> {
        let keys = self.0.read().expect("no holder of this lock panics");
        let recent = keys.recent.get(bytes).map(|key| (key, true));
        recent.or_else(|| keys.before.get(bytes).map(|key| (key, false))).map(|(key, recent)| (key.clone(), recent))
    }

    fn add(&self, fresh: impl IntoIterator<Item = ([u8; 32], ed25519::PublicKey)>) {
        let mut keys = self.0.write().expect("no holder of this lock panics");
        for (bytes, key) in fresh {
            if keys.recent.len() >= MAX_RECENT_KEYS {
                keys.before = std::mem::take(&mut keys.recent);
            }
            keys.recent.insert(bytes, key);
        }
    }
}

/// Whether each signature is good, in order. Good Ed25519 signatures are checked together, in parallel; where some
/// are bad, halves are tried until the bad ones are found.
pub fn verify_batch(
    checks: &[SignatureCheck<'_>],
    keys: &KeyRing,
    rng: &mut impl CryptoRng,
    strategy: &impl Strategy,
) -> Vec<bool> {
    let prepared = strategy.map_collect_vec(checks.iter().enumerate(), |(index, check)| match check.key {
        PublicKey::Ed25519(bytes) => {
            let (key, recent) = match keys.find(bytes) {
                Some(known) => known,
                None => (ed25519::PublicKey::try_from(bytes).map_err(|_| (index, false))?, false),
            };
            Ok((BatchItem { index, check: *check, key, signature: ed25519_signature(check.signature) }, recent))
        }
        PublicKey::P256(_) => Err((index, check.holds())),
    });
    let mut holds = vec![false; checks.len()];
    let mut batch = Vec::with_capacity(checks.len());
    let mut fresh = Vec::new();
    for prepared in prepared {
        match prepared {
            Ok((item, recent)) => {
                if !recent && let PublicKey::Ed25519(bytes) = item.check.key {
                    fresh.push((*bytes, item.key.clone()));
                }
                batch.push(item);
            }
            Err((index, alone)) => holds[index] = alone,
        }
    }
    keys.add(fresh);
    mark_good(&batch, &mut holds, rng, strategy);
    holds
}

struct BatchItem<'a> {
    index: usize,
    check: SignatureCheck<'a>,
    key: ed25519::PublicKey,
    signature: ed25519::Signature,
}

fn mark_good(items: &[BatchItem<'_>], holds: &mut [bool], rng: &mut impl CryptoRng, strategy: &impl Strategy) {
    match items {
        [] => {}
        [item] => holds[item.index] = item.key.verify(item.check.namespace, item.check.message, &item.signature),
        _ => {
            if ed25519::PublicKey::verify_batch(rng, items, |_, item| entry(item), strategy) {
                items.iter().for_each(|item| holds[item.index] = true);
            } else {
                let (left, right) = items.split_at(items.len() / 2);
                mark_good(left, holds, rng, strategy);
                mark_good(right, holds, rng, strategy);
            }
        }
    }
}

fn entry<'a>(item: &'a BatchItem<'_>) -> BatchEntry<'a, ed25519::PublicKey> {
    BatchEntry {
        namespace: item.check.namespace,
        message: item.check.message,
        public_key: &item.key,
        signature: &item.signature,
    }
}

impl PrivateKey {
    /// An Ed25519 key from its 32 secret bytes.
    pub fn ed25519(secret: [u8; 32]) -> Self {
        use commonware_codec::DecodeExt as _;
        let key = ed25519::PrivateKey::decode(commonware_codec::Copying(&secret));
        Self::Ed25519(key.expect("any 32 bytes are an Ed25519 secret"))
    }

    /// A P-256 key from its 32 secret bytes, which must be a scalar of the curve other than zero.
    pub fn p256(secret: [u8; 32]) -> Result<Self, NotAKey> {
        p256::ecdsa::SigningKey::from_slice(&secret).map(Self::P256).map_err(|_| NotAKey)
    }

    /// The verification key.
    pub fn public_key(&self) -> PublicKey {
        match self {
            Self::Ed25519(key) => PublicKey::Ed25519(key.public_key().as_ref().try_into().expect("32 bytes")),
            Self::P256(key) => {
                let point = key.verifying_key().to_sec1_point(true);
                PublicKey::P256(point.as_bytes().try_into().expect("a compressed point has 33 bytes"))
            }
        }
    }

    /// Signs `message` for the purpose of `namespace`.
    pub fn sign(&self, namespace: &[u8], message: &[u8]) -> Signature {
        match self {
            Self::Ed25519(key) => Signature(key.sign(namespace, message).as_ref().try_into().expect("64 bytes")),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(&payload(namespace, message));
                Signature(signature.normalize_s().to_bytes().into())
            }
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public_key())
    }
}

impl PublicKey {
    /// A P-256 key as devices show it: in hex, as a point (compressed or not) or as an X.509 key with its usual head.
    pub fn of_device(hex: &str) -> Result<Self, NotAKey> {
        const HEAD: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
        let hex = hex.trim().to_ascii_lowercase();
        let point = hex::decode(hex.strip_prefix(HEAD).unwrap_or(&hex)).map_err(|_| NotAKey)?;
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map_err(|_| NotAKey)?;
        let point = key.to_sec1_point(true);
        Ok(Self::P256(point.as_bytes().try_into().expect("a compressed point has 33 bytes")))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519(bytes) => write!(f, "ed25519:{}", hex::encode(bytes)),
            Self::P256(bytes) => write!(f, "p256:{}", hex::encode(bytes)),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for PublicKey {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        fn bytes<const N: usize>(text: &str) -> Result<[u8; N], NotAKey> {
            let mut bytes = [0; N];
            hex::decode_to_slice(text, &mut bytes).map(|()| bytes).map_err(|_| NotAKey)
        }
        match text.split_once(':') {
            Some(("ed25519", text)) => bytes(text).map(Self::Ed25519),
            Some(("p256", text)) => bytes(text).map(Self::P256),
            _ => Err(NotAKey),
        }
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_keeps_what_is_asked_for_and_stays_bounded() {
        let PrivateKey::Ed25519(private) = PrivateKey::ed25519([7; 32]) else { unreachable!() };
        let (key, ring) = (private.public_key(), KeyRing::default());
        let name = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            bytes
        };
        let add = |numbers: std::ops::Range<usize>| ring.add(numbers.map(|number| (name(number), key.clone())));

        add(0..MAX_RECENT_KEYS + 1);
        assert!(matches!(ring.find(&name(0)), Some((_, false))), "read long ago");
        add(0..1);
        add(MAX_RECENT_KEYS + 1..2 * MAX_RECENT_KEYS);
        assert!(matches!(ring.find(&name(0)), Some((_, false))), "asked for since");
        assert!(ring.find(&name(1)).is_none(), "not asked for since");
        let keys = ring.0.read().unwrap();
        assert!(keys.recent.len() <= MAX_RECENT_KEYS && keys.before.len() <= MAX_RECENT_KEYS);
    }
}
