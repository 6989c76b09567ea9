//! Proofs as files: each says what it proves and in which version of the format, so that nobody has to guess.

use crate::bill::{Before, BillProof};
use crate::evidence::{ReadingsEvidence, ReceiptEvidence, TransactionEvidence};
use crate::inclusion::{BlockInclusion, EntryInclusion, FinalHeader, ProofError, StateInclusion};
use crate::members::Members;
use serde::{Deserialize, Serialize};
use utilidor_types::handover::Handover;
use utilidor_types::receipt::{Cause, Receipt};
use utilidor_types::{AgreementId, Cell, CertificationEntry, Genesis, Header, Key};

/// The version that this release writes and reads.
pub const VERSION: u32 = 3;

/// A proof with its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(try_from = "Fields")]
pub struct ProofDocument {
    /// The version of the format: [`VERSION`].
    pub version: u32,
    /// What it proves.
    #[serde(flatten)]
    pub proof: Proof,
}

/// A proof by its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// The fields of all kinds of proof, as they are read: in any order and at once. A bill proof is long, and serde would hold a
/// second copy of it until it has met the kind.
#[derive(Deserialize)]
struct Fields {
    version: u32,
    kind: String,
    #[serde(default)]
    handovers: Vec<Handover>,
    // Of a bill.
    genesis: Option<Genesis>,
    headers: Option<Vec<FinalHeader>>,
    agreement: Option<AgreementId>,
    number: Option<u32>,
    made: Option<Vec<ReceiptEvidence>>,
    before: Option<Before>,
    told: Option<Vec<ReceiptEvidence>>,
    #[serde(default)]
    corrected: Vec<ReceiptEvidence>,
    readings: Option<ReadingsEvidence>,
    // Of a transaction, and of certificates.
    block: Option<FinalHeader>,
    transaction: Option<TransactionEvidence>,
    receipt: Option<Receipt>,
    receipt_inclusion: Option<BlockInclusion>,
    entries: Option<Vec<(CertificationEntry, EntryInclusion)>>,
}

impl TryFrom<Fields> for ProofDocument {
    type Error = String;

    fn try_from(fields: Fields) -> Result<Self, String> {
        fn there<T>(name: &str, field: Option<T>) -> Result<T, String> {
            field.ok_or_else(|| format!("the field {name} is missing"))
        }
        let Fields { version, kind, handovers, .. } = fields;
        let proof = match &*kind {
            "bill" => Proof::Bill(BillProof {
                genesis: there("genesis", fields.genesis)?,
                handovers,
                headers: there("headers", fields.headers)?,
                agreement: there("agreement", fields.agreement)?,
                number: there("number", fields.number)?,
                made: there("made", fields.made)?,
                before: there("before", fields.before)?,
                told: there("told", fields.told)?,
                corrected: fields.corrected,
                readings: fields.readings,
            }),
            "transaction" => Proof::Transaction(TransactionProof {
                handovers,
                block: there("block", fields.block)?,
                transaction: there("transaction", fields.transaction)?,
                receipt: there("receipt", fields.receipt)?,
                receipt_inclusion: there("receipt_inclusion", fields.receipt_inclusion)?,
            }),
            "certificates" => Proof::Certificates(CertificatesProof {
                handovers,
                block: there("block", fields.block)?,
                entries: there("entries", fields.entries)?,
            }),
            other => return Err(format!("{other:?} is no kind of proof: bill, transaction or certificates")),
        };
        Ok(Self { version, proof })
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
    /// The transaction as it was signed, with its place: its hash follows from it.
    pub transaction: TransactionEvidence,
    /// What the ledger answered.
    pub receipt: Receipt,
    /// The receipt's place.
    pub receipt_inclusion: BlockInclusion,
}

impl TransactionProof {
    /// The header of the block that holds both, if the members made it final.
    pub fn verify(&self, members: &Members) -> Result<&Header, ProofError> {
        let header = self.block.verify(&members.clone().following(&self.handovers)?)?;
        let hash = self.transaction.signed.hash();
        self.transaction.inclusion.verify_transaction(header, hash)?;
        self.receipt_inclusion.verify_receipt(header, &self.receipt)?;
        if self.receipt.cause != Cause::Transaction(hash) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use utilidor_types::genesis::{ChainKind, Limits};
    use utilidor_types::{Bounded, PrivateKey, Timestamp};

    #[test]
    fn a_document_is_read_as_it_is_written_whatever_the_order_of_its_fields() {
        let node = PrivateKey::ed25519([4; 32]).public_key();
        let genesis = Genesis::alone(ChainKind::Development, Timestamp(0), node, Bounded::empty(), Limits::DEFAULT);
        let bill = BillProof {
            genesis,
            handovers: Vec::new(),
            headers: Vec::new(),
            agreement: AgreementId([7; 16]),
            number: 1,
            made: Vec::new(),
            before: Before { state: vec![1, 2], pots: Vec::new(), debt: utilidor_types::Money(3), ending: 0 },
            told: Vec::new(),
            corrected: Vec::new(),
            readings: Some(ReadingsEvidence { header: 0, entries: Vec::new() }),
        };
        let document = Proof::Bill(bill).document();
        let written = serde_json::to_value(&document).unwrap();
        assert_eq!((&written["version"], &written["kind"]), (&json!(VERSION), &json!("bill")));
        assert_eq!(
            serde_json::from_str::<ProofDocument>(&serde_json::to_string(&document).unwrap()).unwrap(),
            document
        );
        // A JSON value's fields stand by their names: the kind comes after what it is of.
        assert_eq!(serde_json::from_value::<ProofDocument>(written.clone()).unwrap(), document);

        let refused = |change: fn(&mut serde_json::Value)| {
            let mut changed = written.clone();
            change(&mut changed);
            serde_json::from_value::<ProofDocument>(changed).unwrap_err().to_string()
        };
        assert!(refused(|document| drop(document["told"].take())).contains("the field told is missing"));
        assert!(refused(|document| document["kind"] = json!("receipt")).contains("no kind of proof"));
        assert!(refused(|document| document["kind"] = json!("certificates")).contains("the field block is missing"));
    }
}
