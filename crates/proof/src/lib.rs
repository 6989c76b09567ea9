//! What convinces somebody who trusts no node: headers and the signatures that make them final, inclusion under their roots,
//! and whole bills, each checked from a chain's genesis document alone.
//!
//! | file | what it is |
//! |---|---|
//! | [`members`] | whose signatures count, across changes of the set of validators |
//! | [`inclusion`] | signatures on headers; the path from a transaction, receipt, certification entry or cell to its root |
//! | [`evidence`] | parts of a proof that share headers |
//! | [`replay`] | an agreement's program, run again on what receipts say it was told |
//! | `run` | one receipt's worth of a program's runs |
//! | [`readings`] | a meter's registers at a mark, from its certified readings |
//! | [`select`] | what a bill proof must contain |
//! | [`bill`] | what justifies a statement; checking it |
//! | [`document`] | proofs as files, with their kind and version |
//!
//! Deliberately absent: the rules of any program. A bill is verified by running its program again.

pub mod bill;
mod compare;
pub mod document;
pub mod evidence;
pub mod inclusion;
pub mod members;
pub mod readings;
pub mod replay;
mod run;
pub mod select;

pub use bill::{BillError, BillProof, VerifiedBill};
pub use document::ProofDocument;
pub use inclusion::{BlockInclusion, EntryInclusion, FinalHeader, ProofError, StateInclusion};
pub use members::Members;
