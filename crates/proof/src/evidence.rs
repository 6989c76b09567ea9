//! Parts of a proof. Several may stand under one header, so a proof holds each header once and its parts name it by number.

use crate::bill::BillError;
use crate::inclusion::{BlockInclusion, EntryInclusion, FinalHeader};
use crate::members::Members;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::BTreeSet;
use utilidor_types::key::SignatureCheck;
use utilidor_types::receipt::{Cause, Receipt};
use utilidor_types::transaction::{SignedTransaction, TRANSACTION_NAMESPACE};
use utilidor_types::{CertificationEntry, Header, Timestamp, encode};

/// A receipt of a final block, with the transaction that it answers where that says more than the receipt.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReceiptEvidence {
    /// Which of the proof's headers.
    pub header: u32,
    /// The receipt.
    pub receipt: Receipt,
    /// The receipt's place among the block's receipts.
    pub inclusion: BlockInclusion,
    /// The transaction that it answers.
    pub transaction: Option<TransactionEvidence>,
}

/// A transaction in a final block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TransactionEvidence {
    /// The transaction.
    pub signed: SignedTransaction,
    /// Its place among the block's transactions.
    pub inclusion: BlockInclusion,
}

/// Certified readings under the certification root of one final block.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReadingsEvidence {
    /// Which of the proof's headers.
    pub header: u32,
    /// Entries of the certification log by rising ids, with their places in the log.
    pub entries: Vec<(CertificationEntry, EntryInclusion)>,
}

/// Where something happened: receipts stand in the order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The block.
    pub height: u64,
    /// The receipt in the block.
    pub receipt: u32,
}

/// A receipt, and when and where it was left.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// Where.
    pub place: Place,
    /// The block's time.
    pub time: Timestamp,
    /// The receipt.
    pub receipt: &'a Receipt,
    /// The transaction that it answers, where it is at hand.
    pub transaction: Option<&'a SignedTransaction>,
}

/// A proof's headers, verified, and which of them have served a part.
pub(crate) struct Headers<'a> {
    headers: Vec<&'a Header>,
    used: RefCell<BTreeSet<u32>>,
}

impl<'a> Headers<'a> {
    /// Verifies all of them; they stand by rising height.
    pub fn verify(headers: &'a [FinalHeader], members: &Members) -> Result<Self, BillError> {
        let mut verified: Vec<&Header> = Vec::with_capacity(headers.len());
        for (number, header) in headers.iter().enumerate() {
            let part = || format!("header {}", number + 1);
            let header = header.verify(members).map_err(|source| BillError::NotProven { part: part(), source })?;
            if verified.last().is_some_and(|last| header.height <= last.height) {
                return Err(BillError::incoherent(part(), "headers stand by rising height"));
            }
            verified.push(header);
        }
        Ok(Self { headers: verified, used: RefCell::default() })
    }

    /// A header by its number.
    pub fn get(&self, part: &str, number: u32) -> Result<&'a Header, BillError> {
        let header = self.headers.get(number as usize).copied();
        self.used.borrow_mut().insert(number);
        header.ok_or_else(|| BillError::incoherent(part, format!("the proof has no header number {number}")))
    }

    /// Refuses headers that serve nothing: they could be changed unnoticed.
    pub fn all_used(&self) -> Result<(), BillError> {
        match self.used.borrow().len() == self.headers.len() {
            true => Ok(()),
            false => Err(BillError::incoherent("the headers", "one of them serves no part of the proof")),
        }
    }

    /// Verifies that a receipt, and its transaction where it has one, stand in a final block.
    pub fn happened<'e>(&self, part: &str, evidence: &'e ReceiptEvidence) -> Result<Happened<'e>, BillError> {
        let not_proven = |source| BillError::NotProven { part: part.into(), source };
        let header = self.get(part, evidence.header)?;
        evidence.inclusion.verify_receipt(header, &evidence.receipt).map_err(not_proven)?;
        if let Some(refusal) = evidence.receipt.refusal() {
            return Err(BillError::incoherent(part, format!("it was refused: {refusal}")));
        }
        if let Some(TransactionEvidence { signed, inclusion }) = &evidence.transaction {
            let hash = signed.hash();
            inclusion.verify_transaction(header, hash).map_err(not_proven)?;
            if evidence.receipt.cause != Cause::Transaction(hash) {
                return Err(BillError::incoherent(part, "the receipt answers another transaction"));
            }
            check_signature(part, signed)?;
        }
        Ok(Happened {
            place: Place { height: header.height, receipt: evidence.inclusion.index },
            time: header.time,
            receipt: &evidence.receipt,
            transaction: evidence.transaction.as_ref().map(|transaction| &transaction.signed),
        })
    }
}

fn check_signature(part: &str, signed: &SignedTransaction) -> Result<(), BillError> {
    let signature = SignatureCheck {
        namespace: TRANSACTION_NAMESPACE,
        message: &encode(&signed.transaction),
        key: &signed.transaction.signer,
        signature: &signed.signature,
    };
    if signature.holds() { Ok(()) } else { Err(BillError::incoherent(part, "the signature is not its signer's")) }
}
