//! A chain to test with: its genesis document, one issuer, who also operates meters, and transactions of that issuer.

#![allow(dead_code)]

use std::path::Path;
use utilidor_chain::{AdvanceTimeRefused, Config, Handle, Node, start};
use utilidor_types::{
    AccountId, Action, Bounded, Genesis, Money, NodeAddress, PrivateKey, Role, Roles, Text, Timestamp, Transaction,
    Validator,
    council::Threshold,
    encode,
    genesis::{ChainKind, GenesisMember, Limits},
    operator::AdvanceTime,
    validator::ENDLESS_EPOCH,
};

/// Time at which the development chains of the tests begin.
pub const START: Timestamp = Timestamp(1_700_000_000_000);

/// Consensus key of validator number `index`.
pub fn validator_key(index: u8) -> [u8; 32] {
    [index + 1; 32]
}

/// The account that signs the tests' transactions.
pub fn issuer() -> PrivateKey {
    PrivateKey::ed25519([200; 32])
}

/// Genesis document of a chain of `validators` validators and the issuer.
pub fn genesis(kind: ChainKind, validators: u8) -> Genesis {
    let public = |index| PrivateKey::ed25519(validator_key(index)).public_key();
    let account = AccountId::of(&issuer().public_key());
    let issuer = GenesisMember { account, roles: Roles::of(&[Role::Issuer, Role::MeterOperator]) };
    let member = |index| GenesisMember { account: AccountId::of(&public(index)), roles: Roles::of(&[Role::Validator]) };
    let validator = |index| Validator {
        key: public(index),
        member: member(index).member(),
        address: Some(NodeAddress::from(std::net::SocketAddr::from(([127, 0, 0, 1], 4_700 + u16::from(index))))),
    };
    Genesis {
        kind,
        time: START,
        validators: Bounded::new((0..validators).map(validator).collect()).unwrap(),
        epoch_length: ENDLESS_EPOCH,
        threshold: Threshold::TWO_THIRDS,
        members: Bounded::new(std::iter::once(issuer).chain((0..validators).map(member)).collect()).unwrap(),
        limits: Limits::DEFAULT,
    }
}

/// The bytes of the issuer's transaction number `nonce`.
pub fn transaction(genesis: &Genesis, nonce: u64) -> Vec<u8> {
    let to = AccountId::of(&issuer().public_key());
    let action = Action::Issue { to, amount: Money(1_000_000), reference: Text::new(format!("test {nonce}")).unwrap() };
    encode(&signed(genesis, nonce, action))
}

/// The issuer's transaction number `nonce`.
pub fn signed(genesis: &Genesis, nonce: u64, action: Action) -> utilidor_types::SignedTransaction {
    let signer = issuer().public_key();
    Transaction { chain: genesis.chain(), signer, nonce, expires: 90_000, action }.sign(&issuer())
}

/// A development chain of one member in `dir`.
pub fn development(dir: &Path) -> Node {
    start(Config::alone(dir, genesis(ChainKind::Development, 1), validator_key(0))).unwrap()
}

/// Moves a development chain's time as its operator.
pub async fn advance(handle: &Handle, to: Timestamp) -> Result<Timestamp, AdvanceTimeRefused> {
    let operator = PrivateKey::ed25519(validator_key(0));
    handle.advance_time(&AdvanceTime::sign(handle.genesis().chain(), to, &operator)).await
}
