//! Transactions: an action in a signed envelope.
//!
//! ```text
//! bytes --decode (bounded, strict)--> SignedTransaction --verify (signatures)--> VerifiedTransaction --> pool, blocks
//! ```
//!
//! A [`VerifiedTransaction`] can only come from [`verify_batch`], so whoever holds one need not check again.

use crate::action::{ACCOUNT_NAMESPACE, Action, NewAccount};
use crate::council::{Decision, Motion};
use crate::derived::Derived;
use crate::encoding::{DecodeError, decode, encode, hex_bytes};
use crate::hash::tagged_hash;
use crate::id::{AccountId, ChainId};
use crate::key::{KeyRing, PrivateKey, PublicKey, Signature, SignatureCheck, verify_batch as verify_signatures};
use crate::meter::{MAX_BATCH_READINGS, MeterSignature, READING_NAMESPACE, run_message};
use crate::ocmf::OcmfError;
use crate::validator::READY_NAMESPACE;
use borsh::{BorshDeserialize, BorshSerialize};
use commonware_parallel::Strategy;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Longest transaction in bytes: room for a full batch of readings, each with its meter's signature.
pub const MAX_TRANSACTION_BYTES: usize = 320 * 1024;
/// How far ahead of the present height a transaction may expire.
pub const MAX_EXPIRY_BLOCKS: u64 = 100_000;
/// What an account signs is signed for this purpose.
pub const TRANSACTION_NAMESPACE: &[u8] = b"utilidor/transaction";

/// What an account signs.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Transaction {
    /// The chain it is for.
    pub chain: ChainId,
    /// The signer's key; its hash is the account.
    pub signer: PublicKey,
    /// The account's number of transactions before this one.
    pub nonce: u64,
    /// The last height at which it may enter a block.
    pub expires: u64,
    /// What is asked.
    pub action: Action,
}

impl Transaction {
    /// The account that asks.
    pub fn account(&self) -> AccountId {
        AccountId::of(&self.signer)
    }

    /// Signs with the signer's key.
    pub fn sign(self, key: &PrivateKey) -> SignedTransaction {
        let signature = key.sign(TRANSACTION_NAMESPACE, &encode(&self));
        SignedTransaction { transaction: self, signature }
    }

    /// Signs with the signer's key: the canonical bytes of the [`SignedTransaction`], for which the transaction is encoded once.
    pub fn sign_to_bytes(&self, key: &PrivateKey) -> Vec<u8> {
        // The signed encoding is the message followed by the signature.
        let mut bytes = encode(self);
        let signature = key.sign(TRANSACTION_NAMESPACE, &bytes);
        bytes.extend_from_slice(&signature.0);
        bytes
    }
}

/// A transaction's hash: a leaf of the block's transactions tree.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct TransactionHash(#[serde(with = "hex_bytes")] pub [u8; 32]);

impl fmt::Display for TransactionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for TransactionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TransactionHash({self})")
    }
}

impl std::str::FromStr for TransactionHash {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// A transaction with its signature, not yet verified.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SignedTransaction {
    /// What is signed.
    pub transaction: Transaction,
    /// The signature of `transaction.signer`.
    pub signature: Signature,
}

impl SignedTransaction {
    /// Reads a transaction from bytes, strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes, MAX_TRANSACTION_BYTES)
    }

    /// The hash over envelope and signature.
    pub fn hash(&self) -> TransactionHash {
        hash_bytes(&encode(self))
    }
}

fn hash_bytes(bytes: &[u8]) -> TransactionHash {
    TransactionHash(tagged_hash("utilidor/transaction", &[bytes]).0)
}

/// Why a decoded transaction is not taken, before any state is looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It was signed for another chain.
    #[error("the transaction is for chain {found}, this is chain {expected}")]
    WrongChain {
        /// The chain in the envelope.
        found: ChainId,
        /// This chain.
        expected: ChainId,
    },
    /// The envelope's signature is not its signer's.
    #[error("the signature is not that of {signer}")]
    BadSignature {
        /// The key in the envelope.
        signer: PublicKey,
    },
    /// A meter's signature is not that meter's.
    #[error("the signature of run {run} is not that of its meter's key")]
    BadMeterSignature {
        /// The run's place in the batch.
        run: usize,
    },
    /// A device's record is not signed by the key beside it, or is not understood, or says other readings.
    #[error("the record of run {run} is refused: {reason}")]
    BadMeterRecord {
        /// The run's place in the batch.
        run: usize,
        /// Why.
        reason: OcmfError,
    },
    /// The signature of a new account's key is not its own.
    #[error("the signature of the new account {account} is not that of its key")]
    BadAccountSignature {
        /// The account.
        account: AccountId,
    },
    /// A node's word that it is ready is not signed by its key.
    #[error("the word of the node with key {key} is not signed by it")]
    BadNodeSignature {
        /// The node's key.
        key: PublicKey,
    },
    /// The batch holds more readings than one transaction may.
    #[error("{readings} readings are more than the {max} allowed in a batch")]
    TooManyReadings {
        /// Readings in all runs.
        readings: usize,
        /// The limit.
        max: usize,
    },
}

/// A transaction whose chain and signatures, its meters' included, have been checked. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedTransaction {
    signed: Arc<SignedTransaction>,
    hash: TransactionHash,
    account: AccountId,
    bytes: usize,
    /// None where nothing is derived.
    derived: Option<Arc<Derived>>,
}

impl VerifiedTransaction {
    /// The transaction.
    pub fn transaction(&self) -> &Transaction {
        &self.signed.transaction
    }

    /// The transaction with its signature.
    pub fn signed(&self) -> &SignedTransaction {
        &self.signed
    }

    /// The same, to keep.
    pub fn shared(&self) -> Arc<SignedTransaction> {
        self.signed.clone()
    }

    /// Its hash.
    pub const fn hash(&self) -> TransactionHash {
        self.hash
    }

    /// Who asks.
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// What follows from its action by hashing.
    pub fn derived(&self) -> &Derived {
        const NOTHING: &Derived = &Derived::NOTHING;
        self.derived.as_deref().unwrap_or(NOTHING)
    }

    /// Length of its encoding.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Checks chain and signatures of many transactions together, on the processors that `strategy` uses. The
/// random numbers weigh the signatures of a batch against each other; the verdicts do not depend on them.
pub fn verify_batch(
    chain: ChainId,
    transactions: Vec<SignedTransaction>,
    rng: &mut impl CryptoRng,
    strategy: &impl Strategy,
) -> Vec<Result<VerifiedTransaction, VerifyError>> {
    verify_batch_with(&KeyRing::default(), chain, transactions, rng, strategy)
}

/// The same for one who verifies again and again: keys that were read before are not read again.
pub fn verify_batch_with(
    keys: &KeyRing,
    chain: ChainId,
    transactions: Vec<SignedTransaction>,
    rng: &mut impl CryptoRng,
    strategy: &impl Strategy,
) -> Vec<Result<VerifiedTransaction, VerifyError>> {
    let prepared: Vec<Result<_, VerifyError>> = strategy.map_collect_vec(transactions, |signed| {
        check_shape(chain, &signed.transaction)?;
        // The signed encoding is the message followed by the signature.
        let mut bytes = encode(&signed.transaction);
        let message = bytes.len();
        bytes.extend_from_slice(&signed.signature.0);
        let (hash, account) = (hash_bytes(&bytes), signed.transaction.account());
        let inner = inner_signatures(&signed.transaction);
        let records = check_records(&signed.transaction);
        let derived = Derived::of(account, &signed.transaction.action).map(Arc::new);
        let verified = VerifiedTransaction { hash, account, bytes: bytes.len(), derived, signed: Arc::new(signed) };
        bytes.truncate(message);
        Ok((verified, bytes, inner, records))
    });
    let mut checks = Vec::with_capacity(prepared.len());
    for (verified, message, inner, _) in prepared.iter().flatten() {
        let signed = &verified.signed;
        checks.push(SignatureCheck {
            namespace: TRANSACTION_NAMESPACE,
            message,
            key: &signed.transaction.signer,
            signature: &signed.signature,
        });
        checks.extend(inner.iter().map(InnerSignature::check));
    }
    let mut holds = verify_signatures(&checks, keys, rng, strategy).into_iter();
    drop(checks);

    let mut next = || holds.next().expect("there is a verdict for every check");
    prepared
        .into_iter()
        .map(|prepared| {
            let (verified, _, inner, records) = prepared?;
            let good = next();
            let bad = inner.iter().fold(None, |bad, inner| if next() { bad } else { bad.or(Some(inner.wrong())) });
            if !good {
                return Err(VerifyError::BadSignature { signer: verified.signed.transaction.signer });
            }
            records?;
            bad.map_or(Ok(verified), Err)
        })
        .collect()
}

fn check_shape(chain: ChainId, transaction: &Transaction) -> Result<(), VerifyError> {
    if transaction.chain != chain {
        return Err(VerifyError::WrongChain { found: transaction.chain, expected: chain });
    }
    if let Action::RecordReadings { runs } = &transaction.action {
        let readings = runs.iter().map(|run| run.readings.len()).sum();
        if readings > MAX_BATCH_READINGS {
            return Err(VerifyError::TooManyReadings { readings, max: MAX_BATCH_READINGS });
        }
    }
    Ok(())
}

/// Checks the records that devices have signed in a format of their own: alone, since nothing is gained by checking such
/// signatures together.
fn check_records(transaction: &Transaction) -> Result<(), VerifyError> {
    let Action::RecordReadings { runs } = &transaction.action else { return Ok(()) };
    for (run, of_meter) in runs.iter().enumerate() {
        if let Some(MeterSignature::Ocmf(signed)) = &of_meter.signature {
            signed.says(&of_meter.readings).map_err(|reason| VerifyError::BadMeterRecord { run, reason })?;
        }
    }
    Ok(())
}

/// A signature inside an action, besides the envelope's.
struct InnerSignature {
    namespace: &'static [u8],
    message: Vec<u8>,
    key: PublicKey,
    signature: Signature,
    of: Signatory,
}

/// Whose signature it is.
enum Signatory {
    Run(usize),
    Account(AccountId),
    Node(PublicKey),
}

impl InnerSignature {
    fn check(&self) -> SignatureCheck<'_> {
        let Self { namespace, message, key, signature, .. } = self;
        SignatureCheck { namespace, message, key, signature }
    }

    fn wrong(&self) -> VerifyError {
        match self.of {
            Signatory::Run(run) => VerifyError::BadMeterSignature { run },
            Signatory::Account(account) => VerifyError::BadAccountSignature { account },
            Signatory::Node(key) => VerifyError::BadNodeSignature { key },
        }
    }
}

/// The signatures that meters and new accounts have put inside an action, with what they signed.
fn inner_signatures(transaction: &Transaction) -> Vec<InnerSignature> {
    let chain = transaction.chain;
    let of_account = |account: &NewAccount| InnerSignature {
        namespace: ACCOUNT_NAMESPACE,
        message: account.message(chain),
        key: account.key,
        signature: account.signature,
        of: Signatory::Account(account.account()),
    };
    match &transaction.action {
        Action::RecordReadings { runs } => {
            let signed = runs.iter().enumerate().filter_map(|(index, run)| {
                let MeterSignature::Run { key, signature } = run.signature.as_ref()? else { return None };
                let (key, signature) = (*key, *signature);
                let message = run_message(chain, run.meter, &run.readings);
                Some(InnerSignature {
                    namespace: READING_NAMESPACE,
                    message,
                    key,
                    signature,
                    of: Signatory::Run(index),
                })
            });
            signed.collect()
        }
        Action::ProposeMotion(Motion { decision: Decision::AdmitMember { account, .. }, .. })
        | Action::OpenAccount { account } => vec![of_account(account)],
        Action::ProveReady(readiness) => vec![InnerSignature {
            namespace: READY_NAMESPACE,
            message: readiness.message(chain),
            key: readiness.key,
            signature: readiness.signature,
            of: Signatory::Node(readiness.key),
        }],
        _ => Vec::new(),
    }
}
