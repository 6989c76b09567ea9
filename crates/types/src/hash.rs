//! SHA-256 with a tag for each purpose, so that no hash of one kind can stand for another.

use crate::encoding::{encode, hex_bytes};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A SHA-256 digest.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Digest(#[serde(with = "hex_bytes")] pub [u8; 32]);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl std::str::FromStr for Digest {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// Inputs up to this length are gathered before they are hashed.
const SHORT_BYTES: usize = 128;

/// Hash of `parts`, one after another, under a purpose tag. Parts must be self-delimiting or of fixed width.
pub fn tagged_hash(tag: &str, parts: &[&[u8]]) -> Digest {
    // Most inputs are short: gathered in one place, they are hashed in one go.
    let mut short = [0; SHORT_BYTES];
    let len = 1 + tag.len() + parts.iter().map(|part| part.len()).sum::<usize>();
    if let Some(short) = short.get_mut(..len) {
        short[0] = tag.len() as u8;
        let (first, mut rest) = short[1..].split_at_mut(tag.len());
        first.copy_from_slice(tag.as_bytes());
        for part in parts {
            let (place, after) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = after;
        }
        return Digest(Sha256::digest(&*short).into());
    }
    let mut hasher = Sha256::new();
    hasher.update([tag.len() as u8]);
    hasher.update(tag.as_bytes());
    for part in parts {
        hasher.update(part);
    }
    Digest(hasher.finalize().into())
}

/// Hash of a value's canonical encoding under a purpose tag.
pub fn hash_of<T: BorshSerialize>(tag: &str, value: &T) -> Digest {
    tagged_hash(tag, &[&encode(value)])
}
