//! How a key shows a node that it is there: it signs the node's challenge. And what a supervisor signs before it looks at what
//! is not its own [M8].
//!
//! Both name the node as its client calls it. So a challenge that another node hands on is answered for that other node, and
//! a wish that it hands on is for its own log: they open nothing here.

use crate::encoding::{Text, encode, hex_bytes};
use crate::hash::{Digest, hash_of};
use crate::id::{AccountId, AgreementId, ChainId, MeterId};
use crate::key::{PrivateKey, PublicKey, Signature, SignatureCheck};
use crate::time::Timestamp;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Purpose of a sign-in's signature.
pub const SESSION_NAMESPACE: &[u8] = b"utilidor/session";
/// Purpose of a supervisor's signature.
pub const OVERSIGHT_NAMESPACE: &[u8] = b"utilidor/oversight";
/// Longest name of a node in bytes.
pub const MAX_NODE_BYTES: usize = 255;
/// Longest reason of a supervisor in bytes.
pub const MAX_OVERSIGHT_REASON_BYTES: usize = 512;

/// What a node asks to be signed: its own 32 bytes, which it takes back once.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Challenge(#[serde(with = "hex_bytes")] pub [u8; 32]);

/// The answer to a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The node as its client calls it: host and port of its address, as in the request's `Host`.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub node: Text<MAX_NODE_BYTES>,
    /// The node's challenge.
    pub challenge: Challenge,
    /// Who signs in.
    pub signer: PublicKey,
    /// The signer's signature under the namespace `utilidor/session` over the Borsh encoding of chain, node and challenge.
    pub signature: Signature,
}

impl SignIn {
    /// Answers a challenge.
    pub fn sign(chain: ChainId, node: Text<MAX_NODE_BYTES>, challenge: Challenge, key: &PrivateKey) -> Self {
        let signature = key.sign(SESSION_NAMESPACE, &encode(&(chain, &node, challenge)));
        Self { node, challenge, signer: key.public_key(), signature }
    }

    /// Whether its signer has signed it for `chain`.
    pub fn holds(&self, chain: ChainId) -> bool {
        let message = encode(&(chain, &self.node, self.challenge));
        let (key, signature) = (&self.signer, &self.signature);
        SignatureCheck { namespace: SESSION_NAMESPACE, message: &message, key, signature }.holds()
    }
}

/// A kind of what is not for everybody.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Balances and movements of accounts, and what was refused to them.
    Accounts,
    /// Quotes, agreements, statements and all that happens under them, save readings.
    Trade,
    /// Meters and their readings.
    Meters,
}

impl Category {
    /// All categories.
    pub const ALL: [Self; 3] = [Self::Accounts, Self::Trade, Self::Meters];

    /// The name used in JSON and in commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Trade => "trade",
            Self::Meters => "meters",
        }
    }
}

impl std::fmt::Display for Category {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no category.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no category is called {0:?}; categories are accounts, trade and meters")]
pub struct UnknownCategory(pub String);

impl std::str::FromStr for Category {
    type Err = UnknownCategory;
    fn from_str(text: &str) -> Result<Self, UnknownCategory> {
        Self::ALL.into_iter().find(|category| category.name() == text).ok_or_else(|| UnknownCategory(text.into()))
    }
}

/// Whom or what a supervisor looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// All of the category.
    Everything,
    /// An account: this one, and none of its member's others.
    Account(AccountId),
    /// An agreement.
    Agreement(AgreementId),
    /// A meter.
    Meter(MeterId),
}

/// A supervisor's wish to see what is not its own, signed: what the log of oversight keeps.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OversightWish {
    /// The node that is to show it, as its client calls it: host and port of its address, as in the request's `Host`.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub node: Text<MAX_NODE_BYTES>,
    /// Which kind.
    pub category: Category,
    /// Of whom or what.
    pub subject: Subject,
    /// Why; for members to read.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub reason: Text<MAX_OVERSIGHT_REASON_BYTES>,
    /// The digest of the last entry of the log that the supervisor saw; zero if there is none. So a signature serves once.
    pub after: Digest,
    /// The supervisor's key.
    pub signer: PublicKey,
    /// Its signature under the namespace `utilidor/oversight` over the Borsh encoding of chain, node, category, subject, reason
    /// and `after`.
    pub signature: Signature,
}

impl OversightWish {
    /// Signs a wish.
    pub fn sign(
        chain: ChainId,
        node: Text<MAX_NODE_BYTES>,
        (category, subject): (Category, Subject),
        reason: Text<MAX_OVERSIGHT_REASON_BYTES>,
        after: Digest,
        key: &PrivateKey,
    ) -> Self {
        let signature = key.sign(OVERSIGHT_NAMESPACE, &encode(&(chain, &node, category, subject, &reason, after)));
        Self { node, category, subject, reason, after, signer: key.public_key(), signature }
    }

    /// Whether its signer has signed it for `chain`.
    pub fn holds(&self, chain: ChainId) -> bool {
        let message = encode(&(chain, &self.node, self.category, self.subject, &self.reason, self.after));
        let (key, signature) = (&self.signer, &self.signature);
        SignatureCheck { namespace: OVERSIGHT_NAMESPACE, message: &message, key, signature }.holds()
    }

    /// The digest of the log's entry that it makes at a time: what the next wish names.
    pub fn entry_digest(&self, at: Timestamp) -> Digest {
        hash_of("utilidor/oversight-entry", &(self, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_holds_for_its_chain_its_node_and_its_challenge_only() {
        let (key, chain) = (PrivateKey::ed25519([3; 32]), ChainId([1; 16]));
        let node = |text: &str| Text::new(text).unwrap();
        let good = SignIn::sign(chain, node("localhost:4680"), Challenge([2; 32]), &key);
        assert!(good.holds(chain));
        assert!(!good.holds(ChainId([2; 16])));
        assert!(!SignIn { node: node("evil.example:4680"), ..good.clone() }.holds(chain));
        assert!(!SignIn { challenge: Challenge([3; 32]), ..good.clone() }.holds(chain));
        assert!(!SignIn { signer: PrivateKey::ed25519([4; 32]).public_key(), ..good }.holds(chain));
    }

    #[test]
    fn a_wish_holds_for_what_it_says_only() {
        let (key, chain) = (PrivateKey::ed25519([3; 32]), ChainId([1; 16]));
        let reason = Text::new("complaint 7").unwrap();
        let what = (Category::Meters, Subject::Meter(MeterId([1; 16])));
        let node = |text: &str| Text::new(text).unwrap();
        let good = OversightWish::sign(chain, node("localhost:4680"), what, reason, Digest::default(), &key);
        assert!(good.holds(chain));
        let elsewhere = OversightWish { node: node("evil.example:4680"), ..good.clone() };
        assert!(!elsewhere.holds(chain));
        assert_ne!(elsewhere.entry_digest(Timestamp(1)), good.entry_digest(Timestamp(1)));
        assert!(!OversightWish { category: Category::Trade, ..good.clone() }.holds(chain));
        assert!(!OversightWish { subject: Subject::Everything, ..good.clone() }.holds(chain));
        assert!(!OversightWish { after: Digest([1; 32]), ..good }.holds(chain));
    }

    #[test]
    fn a_category_has_one_name() {
        for category in Category::ALL {
            assert_eq!(serde_json::to_value(category).unwrap(), category.name());
            assert_eq!(category.name().parse(), Ok(category));
        }
    }
}
