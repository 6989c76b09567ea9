//! Founding a consortium: each organisation makes its own keys and hands over public parts only.
//!
//! ```text
//! organisation: card (its public keys, signed by both) --> coordinator: genesis document from all cards
//! organisation: checks the document, signs its digest  --> everybody: the document with all signatures
//! ```
//!
//! An organisation takes in a document that says of it what its card says and that all founders have signed, those without a
//! seat in the council too. Whoever joins later compares the chain's id with one from a source that it trusts.

use crate::encoding::encode;
use crate::genesis::{Genesis, GenesisMember};
use crate::hash::Digest;
use crate::id::AccountId;
use crate::key::{PrivateKey, PublicKey, Signature, SignatureCheck};
use crate::member::{Role, Roles};
use crate::validator::{NodeAddress, Validator};
use serde::{Deserialize, Serialize};

/// Purpose of the signatures on a card.
pub const CARD_NAMESPACE: &[u8] = b"utilidor/founder-card";
/// Purpose of the signatures on a genesis document.
pub const GENESIS_NAMESPACE: &[u8] = b"utilidor/genesis-signature";

/// An organisation's node, on its card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CardNode {
    /// Its consensus key (Ed25519).
    pub key: PublicKey,
    /// Where the others are to reach it.
    pub address: NodeAddress,
    /// The key's signature over the card.
    pub signature: Signature,
}

/// What an organisation hands over to found a consortium with others. Nothing on it is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FounderCard {
    /// Key of its first account.
    pub account_key: PublicKey,
    /// What it wants to do.
    pub roles: Roles,
    /// Its node; none for a member without a seat in the council.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<CardNode>,
    /// The account key's signature over the card.
    pub signature: Signature,
}

/// An organisation's word that a chain is to begin with a genesis document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisSignature {
    /// Digest of the document.
    pub genesis: Digest,
    /// Key of the organisation's first account.
    pub key: PublicKey,
    /// Its signature over the digest.
    pub signature: Signature,
}

/// Why a card or a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FoundingRefused {
    /// A signature on the card is not its key's.
    #[error("the card's signature by key {0} is not good: it was changed, or is not this organisation's")]
    BadCard(PublicKey),
    /// The card gives the role of a validator without a node, or a node without the role.
    #[error("a card has a node exactly if its roles hold 'validator'")]
    NodeAndRole,
    /// The document does not say of the organisation what its card does.
    #[error("the document does not say of account {account} what its card says: {what}")]
    NotAsOnTheCard {
        /// The organisation's account.
        account: AccountId,
        /// What differs.
        what: &'static str,
    },
    /// The signature is for another document.
    #[error("the signature is for document {signed}, this one is {digest}")]
    OtherDocument {
        /// Signed.
        signed: Digest,
        /// The document's.
        digest: Digest,
    },
    /// The signature is not its key's.
    #[error("the signature by key {0} is not good")]
    BadSignature(PublicKey),
    /// A founder has not signed.
    #[error("account {0}, a founder, has not signed")]
    Unsigned(AccountId),
}

fn card_message(account: &PublicKey, roles: Roles, node: Option<(&PublicKey, &NodeAddress)>) -> Vec<u8> {
    encode(&(account, roles, node.map(|(key, address)| (*key, address.clone()))))
}

impl FounderCard {
    /// A card, signed by the account's key and, if there is one, the node's.
    pub fn sign(account: &PrivateKey, roles: Roles, node: Option<(&PrivateKey, NodeAddress)>) -> Self {
        let (account_key, node_key) = (account.public_key(), node.as_ref().map(|(key, _)| key.public_key()));
        let named = node_key.as_ref().zip(node.as_ref().map(|(_, address)| address));
        let message = card_message(&account_key, roles, named);
        let signature = account.sign(CARD_NAMESPACE, &message);
        let node = node.map(|(key, address)| CardNode {
            key: key.public_key(),
            address,
            signature: key.sign(CARD_NAMESPACE, &message),
        });
        Self { account_key, roles, node, signature }
    }

    /// Checks the signatures, and that node and roles fit together.
    pub fn check(&self) -> Result<(), FoundingRefused> {
        if self.roles.has(Role::Validator) != self.node.is_some() {
            return Err(FoundingRefused::NodeAndRole);
        }
        let named = self.node.as_ref().map(|node| (&node.key, &node.address));
        let message = card_message(&self.account_key, self.roles, named);
        let node = self.node.as_ref().map(|node| (&node.key, &node.signature));
        for (key, signature) in [(&self.account_key, &self.signature)].into_iter().chain(node) {
            if !(SignatureCheck { namespace: CARD_NAMESPACE, message: &message, key, signature }).holds() {
                return Err(FoundingRefused::BadCard(*key));
            }
        }
        Ok(())
    }

    /// The organisation's first account.
    pub fn account(&self) -> AccountId {
        AccountId::of(&self.account_key)
    }

    /// The organisation in the genesis document.
    pub fn member(&self) -> GenesisMember {
        GenesisMember { account: self.account(), roles: self.roles }
    }

    /// Its validator in the genesis document.
    pub fn validator(&self) -> Option<Validator> {
        let member = self.member().member();
        self.node.as_ref().map(|node| Validator { key: node.key, member, address: Some(node.address.clone()) })
    }

    /// Checks that a genesis document says of the organisation what the card says.
    pub fn check_in(&self, genesis: &Genesis) -> Result<(), FoundingRefused> {
        let account = self.account();
        let differs = |what| Err(FoundingRefused::NotAsOnTheCard { account, what });
        let Some(member) = genesis.members.iter().find(|first| first.account == account) else {
            return differs("it is no member");
        };
        if member.roles != self.roles {
            return differs("its roles");
        }
        let id = member.member();
        if genesis.validators.iter().find(|validator| validator.member == id) != self.validator().as_ref() {
            return differs("its node's key or address");
        }
        Ok(())
    }
}

impl GenesisSignature {
    /// Signs a document.
    pub fn sign(genesis: &Genesis, account: &PrivateKey) -> Self {
        let digest = genesis.digest();
        let signature = account.sign(GENESIS_NAMESPACE, &digest.0);
        Self { genesis: digest, key: account.public_key(), signature }
    }

    /// Checks it against a document.
    pub fn check(&self, genesis: &Genesis) -> Result<(), FoundingRefused> {
        let (digest, key) = (genesis.digest(), self.key);
        if self.genesis != digest {
            return Err(FoundingRefused::OtherDocument { signed: self.genesis, digest });
        }
        let check = SignatureCheck {
            namespace: GENESIS_NAMESPACE,
            message: &digest.0,
            key: &self.key,
            signature: &self.signature,
        };
        if check.holds() { Ok(()) } else { Err(FoundingRefused::BadSignature(key)) }
    }

    /// Checks that every founder has signed a document.
    pub fn check_all(signatures: &[Self], genesis: &Genesis) -> Result<(), FoundingRefused> {
        signatures.iter().try_for_each(|signature| signature.check(genesis))?;
        let signed = |account: AccountId| signatures.iter().any(|signature| AccountId::of(&signature.key) == account);
        match genesis.members.iter().map(|first| first.account).find(|account| !signed(*account)) {
            Some(account) => Err(FoundingRefused::Unsigned(account)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::council::Threshold;
    use crate::genesis::{ChainKind, Limits};
    use crate::time::Timestamp;

    fn key(byte: u8) -> PrivateKey {
        PrivateKey::ed25519([byte; 32])
    }

    fn card(byte: u8) -> FounderCard {
        let address = format!("node{byte}.example:4700").parse().unwrap();
        FounderCard::sign(&key(byte), Roles::of(&[Role::Validator]), Some((&key(byte + 100), address)))
    }

    fn genesis(cards: &[FounderCard]) -> Genesis {
        Genesis {
            kind: ChainKind::Production,
            time: Timestamp(1),
            validators: cards.iter().filter_map(FounderCard::validator).collect::<Vec<_>>().try_into().unwrap(),
            epoch_length: 300,
            threshold: Threshold::TWO_THIRDS,
            members: cards.iter().map(FounderCard::member).collect::<Vec<_>>().try_into().unwrap(),
            limits: Limits::DEFAULT,
        }
    }

    #[test]
    fn a_card_that_was_changed_is_refused() {
        let good = card(1);
        assert_eq!(good.check(), Ok(()));
        let other = FounderCard { roles: Roles::of(&[Role::Validator, Role::Issuer]), ..good.clone() };
        assert_eq!(other.check(), Err(FoundingRefused::BadCard(good.account_key)));
        let node = CardNode { address: "evil.example:1".parse().unwrap(), ..good.node.clone().unwrap() };
        let moved = FounderCard { node: Some(node), ..good.clone() };
        assert_eq!(moved.check(), Err(FoundingRefused::BadCard(good.account_key)));
        let stolen = FounderCard { node: card(2).node, ..good.clone() };
        assert!(stolen.check().is_err(), "a node's key goes with its own organisation");
        assert_eq!(FounderCard { node: None, ..good }.check(), Err(FoundingRefused::NodeAndRole));
    }

    #[test]
    fn an_organisation_notices_what_the_coordinator_has_changed() {
        let cards = [card(1), card(2), card(3)];
        let good = genesis(&cards);
        assert_eq!(cards[0].check_in(&good), Ok(()));
        assert!(cards[0].check_in(&genesis(&cards[1..])).is_err());
        let mut other = good.clone();
        other.members.as_mut_slice()[0].roles = Roles::of(&[Role::Validator, Role::Issuer]);
        assert!(cards[0].check_in(&other).is_err());
        let mut other = good;
        other.validators.as_mut_slice()[0].address = "evil.example:1".parse().ok();
        assert!(cards[0].check_in(&other).is_err());
    }

    #[test]
    fn a_document_counts_when_all_founders_have_signed_it_those_without_a_seat_too() {
        let cards = [card(1), card(2), FounderCard::sign(&key(3), Roles::of(&[Role::MeterOperator]), None)];
        let document = genesis(&cards);
        let mut signatures: Vec<_> = (1..=3).map(|byte| GenesisSignature::sign(&document, &key(byte))).collect();
        assert_eq!(GenesisSignature::check_all(&signatures, &document), Ok(()));
        let third = signatures.pop().unwrap();
        let unsigned = FoundingRefused::Unsigned(cards[2].account());
        assert_eq!(GenesisSignature::check_all(&signatures, &document), Err(unsigned));
        let forged = GenesisSignature { signature: signatures[0].signature, ..third };
        assert_eq!(forged.check(&document), Err(FoundingRefused::BadSignature(third.key)));
        let other = Genesis { epoch_length: 301, ..document };
        assert!(matches!(third.check(&other), Err(FoundingRefused::OtherDocument { .. })));
    }
}
