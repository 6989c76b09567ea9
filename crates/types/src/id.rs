//! Identifiers. An account is the hash of a public key, a member's id the hash of its first account. Everything else that
//! an account creates is named by the hash of kind, creator and the creator's label: nobody can take another's id, and a
//! retry under the same label is recognised. A certificate's id is its place in the log.

use crate::encoding::{decimal_string, hex_bytes};
use crate::hash::tagged_hash;
use crate::key::PublicKey;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $bytes:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(#[serde(with = "hex_bytes")] pub [u8; $bytes]);

        impl $name {
            /// Length in bytes.
            pub const BYTES: usize = $bytes;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), hex::encode(self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = hex::FromHexError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; $bytes];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }
    };
}

byte_id!(
    /// A chain: the first half of its genesis document's hash. Every signature binds it.
    ChainId, 16
);
byte_id!(
    /// An account: the hash of its public key. It is a pseudonym; its member may hold several.
    AccountId, 32
);
byte_id!(
    /// An admitted organisation or person.
    MemberId, 16
);
byte_id!(
    /// An offer.
    OfferId, 16
);
byte_id!(
    /// An agreement: a purchase or a subscription.
    AgreementId, 16
);
byte_id!(
    /// A package; its versions are numbered from 1.
    PackageId, 16
);
byte_id!(
    /// A meter.
    MeterId, 16
);

byte_id!(
    /// A motion of the council.
    MotionId, 16
);

byte_id!(
    /// A program that parties have written: the hash of what was published.
    ProgramId, 32
);

byte_id!(
    /// A published index: the hash of its publisher, name and unit.
    PriceIndexId, 16
);

byte_id!(
    /// What a creator calls the thing that it creates: unique among its things of one kind.
    Label, 16
);

impl Label {
    /// The label that stands for a text of any length.
    pub fn of_text(text: &str) -> Self {
        Self(first_half("utilidor/label", &[text.as_bytes()]))
    }
}

fn first_half(tag: &'static str, parts: &[&[u8]]) -> [u8; 16] {
    let hash = tagged_hash(tag, parts).0;
    hash[..16].try_into().expect("a hash has 32 bytes")
}

macro_rules! created {
    ($($name:ident by $tag:literal;)*) => {
        $(impl $name {
            /// The id of what `creator` calls `label`.
            pub fn of(creator: AccountId, label: Label) -> Self {
                Self(first_half($tag, &[&creator.0, &label.0]))
            }
        })*
    };
}

created! {
    OfferId by "utilidor/offer-id";
    AgreementId by "utilidor/agreement-id";
    PackageId by "utilidor/package-id";
    MeterId by "utilidor/meter-id";
    MotionId by "utilidor/motion-id";
}

impl PriceIndexId {
    /// The index that `publisher` describes so.
    pub(crate) fn of_index(publisher: AccountId, index: &[u8]) -> Self {
        Self(first_half("utilidor/price-index", &[&publisher.0, index]))
    }
}

impl MemberId {
    /// The member whose first account this is.
    pub fn of(first: AccountId) -> Self {
        Self(first_half("utilidor/member-id", &[&first.0]))
    }
}

impl AccountId {
    /// The account that `key` controls.
    pub fn of(key: &PublicKey) -> Self {
        Self(tagged_hash("utilidor/account", &[&crate::encode(key)]).0)
    }
}

/// How many readings were certified before: a certified reading's unique trading id.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CertificateId(#[serde(with = "decimal_string")] pub u64);

impl fmt::Display for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CertificateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateId({})", self.0)
    }
}
