//! A key that signs for its account on one chain.

use super::seal::{SealError, seal_quote};
use std::fmt;
use utilidor_types::action::NewAccount;
use utilidor_types::block::transaction_hash;
use utilidor_types::{
    AccountId, Action, ChainId, MemberId, Offer, Opening, PrivateKey, PublicKey, SealedQuote, Transaction,
    TransactionHash,
};

/// A signed transaction in its canonical bytes: what a node takes. It is encoded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBytes {
    bytes: Vec<u8>,
    hash: TransactionHash,
    expires: u64,
}

impl SignedBytes {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The transaction's hash.
    pub const fn hash(&self) -> TransactionHash {
        self.hash
    }

    /// The last height at which the transaction may enter a block.
    pub const fn expires(&self) -> u64 {
        self.expires
    }
}

/// A key that signs for its account on one chain.
#[derive(Clone)]
pub struct Signer {
    chain: ChainId,
    key: PrivateKey,
    public: PublicKey,
    account: AccountId,
}

impl Signer {
    /// The signer of `key`'s account on `chain`.
    pub fn new(chain: ChainId, key: PrivateKey) -> Self {
        let public = key.public_key();
        Self { chain, key, public, account: AccountId::of(&public) }
    }

    /// The chain that it signs for.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// Its public key.
    pub const fn public_key(&self) -> PublicKey {
        self.public
    }

    /// Its account.
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// A transaction of its account that has `nonce` before it and may enter blocks up to the height `expires`.
    pub const fn transaction(&self, action: Action, nonce: u64, expires: u64) -> Transaction {
        Transaction { chain: self.chain, signer: self.public, nonce, expires, action }
    }

    /// Signs a transaction of its account.
    pub fn sign(&self, transaction: &Transaction) -> SignedBytes {
        let bytes = transaction.sign_to_bytes(&self.key);
        SignedBytes { hash: transaction_hash(&bytes), bytes, expires: transaction.expires }
    }

    /// Its account as the first one of a new member, which a validator can then admit.
    pub fn as_first_account(&self) -> NewAccount {
        NewAccount::first(self.chain, &self.key)
    }

    /// Its account as a further one of `member`, which any account of that member can then open.
    pub fn as_account_of(&self, member: MemberId) -> NewAccount {
        NewAccount::sign(self.chain, member, &self.key)
    }

    /// Seals a quote of its account on an offer of `owner`.
    pub fn seal_quote(
        &self,
        owner: AccountId,
        offer: &Offer,
        opening: &Opening,
        binding: bool,
    ) -> Result<SealedQuote, SealError> {
        seal_quote(opening, (owner, offer), self.chain, self.account, binding)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer(of {} on chain {})", self.public, self.chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::key::SignatureCheck;
    use utilidor_types::{Money, SignedTransaction};

    fn signer() -> Signer {
        Signer::new(ChainId([7; 16]), PrivateKey::ed25519([3; 32]))
    }

    #[test]
    fn signed_bytes_are_those_of_the_signed_transaction() {
        let action = Action::Transfer { to: AccountId([9; 32]), amount: Money(1), reference: "rent".parse().unwrap() };
        let transaction = signer().transaction(action, 5, 99);
        let signed = signer().sign(&transaction);
        let decoded = SignedTransaction::decode(signed.bytes()).unwrap();
        assert_eq!(decoded, transaction.sign(&PrivateKey::ed25519([3; 32])));
        assert_eq!(signed.hash(), decoded.hash());
        assert_eq!(signed.expires(), 99);
    }

    #[test]
    fn a_new_account_is_signed_by_its_own_key_for_its_member_and_chain() {
        for account in [signer().as_first_account(), signer().as_account_of(MemberId([1; 16]))] {
            assert_eq!(account.account(), signer().account());
            let holds = |chain| {
                let (message, namespace) = (account.message(chain), utilidor_types::action::ACCOUNT_NAMESPACE);
                let (key, signature) = (&account.key, &account.signature);
                SignatureCheck { namespace, message: &message, key, signature }.holds()
            };
            assert!(holds(signer().chain()));
            assert!(!holds(ChainId([0; 16])), "of another chain");
        }
        assert_eq!(signer().as_first_account().member, MemberId::of(signer().account()));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", signer()).contains(&hex::encode([3; 8])));
    }
}
