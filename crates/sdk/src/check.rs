//! What a client checks by itself, knowing the genesis document alone. The work is done by `utilidor_types::proof`, the same
//! code that every member runs; this file gives it the names of the interface.

use serde::{Deserialize, Serialize};
use utilidor_types::proof::{BlockInclusion, CertificateInclusion, FinalHeader, Members, ProofError};
use utilidor_types::{Cause, Certificate, ChainId, Genesis, Header, Receipt, TransactionHash};

/// The proof that a final block holds a transaction and left its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionProof {
    /// The block.
    pub block: FinalHeader,
    /// The transaction.
    pub transaction: TransactionHash,
    /// Its place.
    pub inclusion: BlockInclusion,
    /// What the ledger answered.
    pub receipt: Receipt,
    /// The receipt's place.
    pub receipt_inclusion: BlockInclusion,
}

/// The proof that readings are in the certification log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatesProof {
    /// The block whose certification root is meant.
    pub block: FinalHeader,
    /// The certificates with their places.
    pub certificates: Vec<(Certificate, CertificateInclusion)>,
}

/// Why a transaction's proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionProofError {
    /// A step from the members' signatures to the transaction or receipt fails.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The receipt answers something else.
    #[error("the receipt is not that of transaction {transaction}")]
    OtherReceipt {
        /// The transaction.
        transaction: TransactionHash,
    },
}

/// Checks proofs of one chain.
#[derive(Clone)]
pub struct Checker {
    chain: ChainId,
    members: Members,
}

impl Checker {
    /// A checker for the chain that begins with `genesis`. Take that document from where you trust it: a node that forges
    /// blocks would forge it too.
    pub fn new(genesis: &Genesis) -> Result<Self, ProofError> {
        Ok(Self { chain: genesis.chain(), members: Members::of(genesis)? })
    }

    /// The chain.
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// The members whose signatures count.
    pub const fn members(&self) -> &Members {
        &self.members
    }

    /// Whether the members made the block final that holds the transaction and left its receipt. Gives the block's header.
    pub fn transaction<'a>(&self, proof: &'a TransactionProof) -> Result<&'a Header, TransactionProofError> {
        let header = proof.block.verify(&self.members)?;
        proof.inclusion.verify_transaction(header, proof.transaction)?;
        proof.receipt_inclusion.verify_receipt(header, &proof.receipt)?;
        if proof.receipt.cause != Cause::Transaction(proof.transaction) {
            return Err(TransactionProofError::OtherReceipt { transaction: proof.transaction });
        }
        Ok(header)
    }

    /// Whether the certificates are in the log that a final block commits to. Gives the block's header.
    pub fn certificates<'a>(&self, proof: &'a CertificatesProof) -> Result<&'a Header, ProofError> {
        let header = proof.block.verify(&self.members)?;
        for (certificate, inclusion) in &proof.certificates {
            inclusion.verify(header, certificate)?;
        }
        Ok(header)
    }
}
