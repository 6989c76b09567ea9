//! Secrets and their public halves. Secrets live in memory that is wiped when they are dropped; no `Debug`, error or log
//! shows one.

use super::seal::SealKey;
use serde::{Deserialize, Serialize};
use std::fmt;
use utilidor_types::{AccountId, PrivateKey};
use zeroize::Zeroizing;

/// Bytes of every kind of secret.
pub const SECRET_BYTES: usize = 32;

/// The secret half of a key, wiped when dropped.
pub type Secret = Zeroizing<[u8; SECRET_BYTES]>;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Signs for an account, a meter or a validator: Ed25519.
    Ed25519,
    /// Signs for an account or a meter: ECDSA over P-256.
    P256,
    /// Opens quotes that were sealed to an offer: X25519.
    Seal,
}

impl KeyKind {
    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::P256 => "p256",
            Self::Seal => "seal",
        }
    }

    /// The public half of a secret, as it stands in a key file; `None` for bytes that are no secret of this kind.
    pub fn public(self, secret: &[u8; SECRET_BYTES]) -> Option<String> {
        match self {
            Self::Ed25519 | Self::P256 => signing_key(self, secret).map(|key| key.public_key().to_string()),
            Self::Seal => Some(format!("x25519:{}", hex::encode(SealKey::from_secret(secret).public_key()))),
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The public half of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Its name, in the keystore or wherever it is kept.
    pub name: String,
    /// What it is for.
    pub kind: KeyKind,
    /// The public key: `ed25519:...`, `p256:...` or, for a seal key, `x25519:...`.
    pub public: String,
    /// The account that it controls; none for a seal key.
    pub account: Option<AccountId>,
}

/// The signing key of a secret; `None` if the kind signs nothing, or the bytes are no secret of it.
pub fn signing_key(kind: KeyKind, secret: &[u8; SECRET_BYTES]) -> Option<PrivateKey> {
    match kind {
        KeyKind::Ed25519 => Some(PrivateKey::ed25519(*secret)),
        KeyKind::P256 => PrivateKey::p256(*secret).ok(),
        KeyKind::Seal => None,
    }
}
