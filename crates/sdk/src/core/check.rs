//! What a client checks by itself, trusting no node: only a chain's genesis document or id, taken from where it is trusted.
//! The work is `utilidor_proof`'s, the same code that every member runs.

use serde::Serialize;
use utilidor_proof::document::{CertificatesProof, Proof, TransactionProof, VERSION};
use utilidor_proof::{BillError, Members, ProofDocument, ProofError, VerifiedBill};
use utilidor_types::handover::Handover;
use utilidor_types::{
    AccountId, Certificate, CertificateId, CertificationEntry, ChainId, Genesis, Receipt, Timestamp, Transaction,
    TransactionHash,
};

/// What is trusted.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// Nothing: a bill proof brings a genesis document along, and the chain that it names has to be compared.
    Nothing,
    /// The chain of this id.
    Chain(ChainId),
    /// The chain that begins with this document.
    Genesis(&'a Genesis),
}

impl Trust<'_> {
    /// The chain that is trusted.
    pub fn chain(self) -> Option<ChainId> {
        match self {
            Self::Nothing => None,
            Self::Chain(chain) => Some(chain),
            Self::Genesis(genesis) => Some(genesis.chain()),
        }
    }
}

/// What a proof has shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Checked {
    /// A statement is right.
    Bill(Box<VerifiedBill>),
    /// A transaction is final.
    Transaction {
        /// The chain.
        chain: ChainId,
        /// The block that holds it.
        height: u64,
        /// How many members could make that block final.
        validators: usize,
        /// The block's time.
        time_ms: Timestamp,
        /// The transaction's hash.
        transaction: TransactionHash,
        /// Whose it is.
        account: AccountId,
        /// What was signed.
        said: Box<Transaction>,
        /// What the ledger answered.
        receipt: Receipt,
    },
    /// Readings are certified.
    Certificates {
        /// The chain.
        chain: ChainId,
        /// The block as of which they are in the certification log.
        height: u64,
        /// How many members could make that block final.
        validators: usize,
        /// What they say.
        certificates: Vec<Certificate>,
        /// Those of them that their devices have signed by themselves, in records that hold.
        by_device: Vec<CertificateId>,
    },
}

/// Why a proof does not hold, or cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The proof is of a version that this release does not know.
    #[error("the proof is of version {found}, this release checks version {VERSION}")]
    OtherVersion {
        /// The proof's version.
        found: u32,
    },
    /// Of what is trusted, only the genesis document tells whose signatures count.
    #[error("the proof brings no genesis document along, and none is trusted")]
    NeedsGenesis,
    /// The bill does not hold.
    #[error(transparent)]
    Bill(#[from] BillError),
    /// A step from the members' signatures to what is proven fails.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Checks a proof of any kind.
pub fn check(document: &ProofDocument, trust: Trust<'_>) -> Result<Checked, CheckError> {
    if document.version != VERSION {
        return Err(CheckError::OtherVersion { found: document.version });
    }
    match &document.proof {
        Proof::Bill(bill) => Ok(Checked::Bill(Box::new(bill.verify(trust.chain())?))),
        Proof::Transaction(proof) => check_transaction(proof, trust),
        Proof::Certificates(proof) => check_certificates(proof, trust),
    }
}

fn check_transaction(proof: &TransactionProof, trust: Trust<'_>) -> Result<Checked, CheckError> {
    let members = members(trust, &proof.handovers)?;
    let header = proof.verify(&members)?;
    let signed = &proof.transaction.signed;
    Ok(Checked::Transaction {
        chain: members.chain(),
        height: header.height,
        validators: members.at(header.round.epoch).keys().len(),
        time_ms: header.time,
        transaction: signed.hash(),
        account: signed.transaction.account(),
        said: Box::new(signed.transaction.clone()),
        receipt: proof.receipt.clone(),
    })
}

fn check_certificates(proof: &CertificatesProof, trust: Trust<'_>) -> Result<Checked, CheckError> {
    let members = members(trust, &proof.handovers)?;
    let header = proof.verify(&members)?;
    Ok(Checked::Certificates {
        chain: members.chain(),
        height: header.height,
        validators: members.at(header.round.epoch).keys().len(),
        certificates: proof.entries.iter().flat_map(|(entry, _)| entry.run().certificates()).collect(),
        by_device: signed_by_devices(&proof.entries),
    })
}

/// Those of the readings in a proof that holds which their devices have signed by themselves.
pub fn signed_by_devices<P>(entries: &[(CertificationEntry, P)]) -> Vec<CertificateId> {
    let signed = entries.iter().map(|(entry, _)| entry).filter(|entry| entry.signed().is_some());
    signed.flat_map(|entry| entry.run().certificates()).map(|certificate| certificate.id).collect()
}

/// The members of the trusted chain, as far as a proof leads.
fn members(trust: Trust<'_>, handovers: &[Handover]) -> Result<Members, CheckError> {
    let Trust::Genesis(genesis) = trust else { return Err(CheckError::NeedsGenesis) };
    Ok(Members::of(genesis)?.following(handovers)?)
}
