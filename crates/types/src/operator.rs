//! What the operator of a development chain tells its nodes outside the ledger: signed, so that nobody else can.
//!
//! The operator is who holds the key of a validator of the genesis document, or the key of an account to which that gives the
//! role of a validator. A statement that is heard twice does no harm: time only moves forward.

use crate::encoding::encode;
use crate::genesis::Genesis;
use crate::id::{AccountId, ChainId};
use crate::key::{PrivateKey, PublicKey, Signature, SignatureCheck};
use crate::member::Role;
use crate::time::Timestamp;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Purpose of the signature.
pub const ADVANCE_TIME_NAMESPACE: &[u8] = b"utilidor/advance-time";

/// The wish that a development chain's time be `to`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AdvanceTime {
    /// The chain.
    pub chain: ChainId,
    /// The time.
    #[serde(rename = "to_ms")]
    pub to: Timestamp,
    /// Whose wish it is.
    pub signer: PublicKey,
    /// The signer's signature under the namespace `utilidor/advance-time` over the chain's 16 bytes and the time's 8, little-endian.
    pub signature: Signature,
}

/// Why an operator's statement does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OperatorRefused {
    /// It is about another chain.
    #[error("the statement is for chain {stated}, this is chain {chain}")]
    WrongChain {
        /// In the statement.
        stated: ChainId,
        /// The node's.
        chain: ChainId,
    },
    /// The key is none of the operator's.
    #[error(
        "{0} is no operator's key: it is neither a validator's of the genesis document nor of an account that began as one"
    )]
    NotTheOperator(PublicKey),
    /// The signature is not the signer's.
    #[error("the signature is not that of {0}")]
    BadSignature(PublicKey),
}

impl AdvanceTime {
    /// Signs the wish.
    pub fn sign(chain: ChainId, to: Timestamp, key: &PrivateKey) -> Self {
        let signature = key.sign(ADVANCE_TIME_NAMESPACE, &message(chain, to));
        Self { chain, to, signer: key.public_key(), signature }
    }

    /// Checks that it is the wish of the operator of the chain of `genesis`.
    pub fn verify(&self, genesis: &Genesis) -> Result<(), OperatorRefused> {
        let Self { chain: stated, to, signer, signature } = self;
        let chain = genesis.chain();
        if *stated != chain {
            return Err(OperatorRefused::WrongChain { stated: *stated, chain });
        }
        let account = AccountId::of(signer);
        let is_founder =
            genesis.members.iter().any(|first| first.account == account && first.roles.has(Role::Validator));
        if !genesis.has_validator(signer) && !is_founder {
            return Err(OperatorRefused::NotTheOperator(*signer));
        }
        let message = message(chain, *to);
        let check = SignatureCheck { namespace: ADVANCE_TIME_NAMESPACE, message: &message, key: signer, signature };
        if !check.holds() {
            return Err(OperatorRefused::BadSignature(*signer));
        }
        Ok(())
    }
}

fn message(chain: ChainId, to: Timestamp) -> Vec<u8> {
    encode(&(chain, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genesis::{ChainKind, GenesisMember, Limits};
    use crate::member::Roles;

    #[test]
    fn only_the_validator_and_founding_validators_move_time_and_only_of_their_chain() {
        let [validator, founder, issuer, stranger] = [1, 2, 3, 4].map(|secret| PrivateKey::ed25519([secret; 32]));
        let member = |key: &PrivateKey, role| GenesisMember {
            account: AccountId::of(&key.public_key()),
            roles: Roles::of(&[role]),
        };
        let members = vec![member(&founder, Role::Validator), member(&issuer, Role::Issuer)].try_into().unwrap();
        let key = validator.public_key();
        let genesis = Genesis::alone(ChainKind::Development, Timestamp(0), key, members, Limits::DEFAULT);
        let chain = genesis.chain();
        let by = |key: &PrivateKey| AdvanceTime::sign(chain, Timestamp(7), key);

        for key in [&validator, &founder] {
            let good = by(key);
            assert_eq!(good.verify(&genesis), Ok(()));
            let later = AdvanceTime { to: Timestamp(8), ..good };
            assert_eq!(later.verify(&genesis), Err(OperatorRefused::BadSignature(key.public_key())));
        }
        for key in [&issuer, &stranger] {
            assert_eq!(by(key).verify(&genesis), Err(OperatorRefused::NotTheOperator(key.public_key())));
        }
        let stated = ChainId([9; 16]);
        let foreign = AdvanceTime::sign(stated, Timestamp(7), &validator);
        assert_eq!(foreign.verify(&genesis), Err(OperatorRefused::WrongChain { stated, chain }));
    }
}
