//! Proofs as files: each says what it proves and in which version of the format, so that nobody has to guess.

use crate::bill::BillProof;
use crate::inclusion::{BlockInclusion, EntryInclusion, FinalHeader, ProofError, StateInclusion};
use crate::members::Members;
use serde::{Deserialize, Serialize};
use utilidor_types::handover::Handover;
use utilidor_types::receipt::{Cause, Receipt};
use utilidor_types::transaction::TransactionHash;
use utilidor_types::{Cell, CertificationEntry, Header, Key};

/// The version that this release writes and reads.
pub const VERSION: u32 = 1;

/// A proof with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ProofDocument {
    /// The version of the format: [`VERSION`].
    pub version: u32,
    /// What it proves.
    #[serde(flatten)]
    pub proof: Proof,
}

/// A proof by its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Proof {
    /// That a statement is right.
    Bill(BillProof),
    /// That a transaction is final, and what the ledger answered.
    Transaction(TransactionProof),
    /// That readings are certified.
    Certificates(CertificatesProof),
}

impl Proof {
    /// As a document of this release's version.
    pub fn document(self) -> ProofDocument {
        ProofDocument { version: VERSION, proof: self }
    }

    /// The kind's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Bill(_) => "bill",
            Self::Transaction(_) => "transaction",
            Self::Certificates(_) => "certificates",
        }
    }
}

/// A transaction and its receipt in a final block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TransactionProof {
    /// What leads from the genesis document to the validators of the block; empty while those of the document still sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// The block's header.
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

impl TransactionProof {
    /// The header of the block that holds both, if the members made it final.
    pub fn verify(&self, members: &Members) -> Result<&Header, ProofError> {
        let header = self.block.verify(&members.clone().following(&self.handovers)?)?;
        self.inclusion.verify_transaction(header, self.transaction)?;
        self.receipt_inclusion.verify_receipt(header, &self.receipt)?;
        if self.receipt.cause != Cause::Transaction(self.transaction) {
            return Err(ProofError::NotIncluded { item: "receipt", root: "receipts", height: header.height });
        }
        Ok(header)
    }
}

/// Entries of the certification log as of a final block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CertificatesProof {
    /// What leads from the genesis document to the validators of the block; empty while those of the document still sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// The block's header.
    pub block: FinalHeader,
    /// The entries with their places.
    pub entries: Vec<(CertificationEntry, EntryInclusion)>,
}

impl CertificatesProof {
    /// The header as of which all are in the log, if the members made it final.
    pub fn verify(&self, members: &Members) -> Result<&Header, ProofError> {
        let header = self.block.verify(&members.clone().following(&self.handovers)?)?;
        for (entry, inclusion) in &self.entries {
            inclusion.verify(header, entry)?;
            entry.check().map_err(ProofError::BadRecord)?;
        }
        Ok(header)
    }
}

/// The proof of what a key of the state held after a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StateProof {
    /// What leads from the genesis document to the validators of the block; empty while those of the document still sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub handovers: Vec<Handover>,
    /// The block.
    pub block: FinalHeader,
    /// The key.
    pub key: Key,
    /// What it held; none: nothing.
    #[serde(default)]
    pub cell: Option<Cell>,
    /// The proof of it.
    pub inclusion: StateInclusion,
}

impl StateProof {
    /// The header of the block after which the key held this, if the members made it final and have not been replaced since,
    /// as far as is known: that `members` know, or the proof says. Beside it the members known now: what to keep, so that an
    /// older set is refused from then on.
    pub fn verify_newest(&self, members: Members) -> Result<(&Header, Members), ProofError> {
        let members = members.following(&self.handovers)?;
        let header = self.block.verify_newest(&members)?;
        self.inclusion.verify(header, self.key, self.cell.as_ref())?;
        Ok((header, members))
    }
}
