//! The block header: what the members sign, and all that a light client needs to check anything else.
//!
//! *header* plain data; its SHA-256 is the block's digest, so a block is known by its header alone. *root* the commitment of
//! one tree: transactions and receipts are binary Merkle trees of one block, the state and the two logs are the
//! authenticated databases after the block. *round* where in consensus the block was proposed.
//!
//! A block's transactions are bound to its header by `transactions_root`. Nothing here knows the consensus engine; the
//! conversions live in the chain, the verification of proofs in `proof`.
//!
//! *final block* what the chain tells of a block once it is final: its header with all that it did.

use crate::encoding::{encode, hex_bytes};
use crate::handover::SetId;
use crate::hash::{Digest, tagged_hash};
use crate::id::ChainId;
use crate::meter::CertificationEntry;
use crate::receipt::Receipt;
use crate::time::Timestamp;
use crate::transaction::{SignedTransaction, TransactionHash, VerifiedTransaction};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The consensus round of a block. The round's leader is the header's `proposer`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Round {
    /// Counts runs of blocks of the chain's epoch length; the set of validators stays the same within one.
    pub epoch: u64,
    /// Counts proposals within the epoch; grows from block to block, with gaps where a proposal failed.
    pub view: u64,
    /// The view in which the parent was proposed; 0 for the first block of an epoch.
    pub parent_view: u64,
}

/// The commitment to an append-only log of operations after a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Log {
    /// Root over the operations `0..end`.
    pub root: Digest,
    /// First operation that a node which synchronises to this block has to fetch.
    pub start: u64,
    /// Number of operations: the position of the next block's first one.
    pub end: u64,
}

/// What the members sign.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Header {
    /// Format of this header: [`Header::VERSION`].
    pub version: u8,
    /// The chain that this block belongs to.
    pub chain: ChainId,
    /// 0 for the genesis block, then one more than the parent's.
    pub height: u64,
    /// The block's time; later than the parent's.
    pub time: Timestamp,
    /// Digest of the parent's header; zero for the genesis block.
    pub parent: Digest,
    /// Consensus key (Ed25519) of the member that proposed the block.
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub proposer: [u8; 32],
    /// Where in consensus the block was proposed.
    pub round: Round,
    /// The set of validators of this block's epoch: whose signatures make it final.
    pub validators: SetId,
    /// The set of the next block's epoch: another one only in an epoch's last block.
    pub next_validators: SetId,
    /// Number of transactions.
    pub transaction_count: u32,
    /// Number of receipts.
    pub receipt_count: u32,
    /// Binary Merkle root over the transactions' hashes, in order.
    pub transactions_root: Digest,
    /// Binary Merkle root over the receipts' hashes, in order.
    pub receipts_root: Digest,
    /// Root of the state: each key's present cell.
    pub state_root: Digest,
    /// The operations that lead to the state; what a synchronising node fetches.
    pub state_operations: Log,
    /// The certification log; its root is the certification root.
    pub certification: Log,
    /// The log of receipts, one entry a block.
    pub receipts: Log,
    /// When due work waits next; not after `time` if some was carried over, and the next block is built at once.
    pub next_due: Option<Timestamp>,
}

impl Header {
    /// The format written by this release.
    pub const VERSION: u8 = 2;

    /// The block's digest: SHA-256 of the header's encoding.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(encode(self)).into())
    }
}

/// A transaction of a final block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalTransaction {
    /// Its hash.
    pub hash: TransactionHash,
    /// The transaction.
    pub signed: Arc<SignedTransaction>,
}

impl From<&VerifiedTransaction> for FinalTransaction {
    fn from(transaction: &VerifiedTransaction) -> Self {
        Self { hash: transaction.hash(), signed: transaction.shared() }
    }
}

/// A final block with all that it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalBlock {
    /// The header.
    pub header: Header,
    /// The transactions, in order.
    pub transactions: Vec<FinalTransaction>,
    /// The receipts, in the order of execution: genesis (in block 1), due work, then one for each transaction.
    pub receipts: Vec<Receipt>,
    /// What was added to the certification log, in order.
    pub certified: Vec<CertificationEntry>,
}

/// A transaction's hash from its canonical bytes, the signature included.
pub fn transaction_hash(bytes: &[u8]) -> TransactionHash {
    TransactionHash(tagged_hash("utilidor/transaction", &[bytes]).0)
}

/// The purpose for which the members of `chain` sign votes: votes of one chain say nothing on another.
pub fn consensus_namespace(chain: ChainId) -> Vec<u8> {
    [b"utilidor/consensus/".as_slice(), &chain.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::decode;

    fn header() -> Header {
        let log = |byte| Log { root: Digest([byte; 32]), start: 0, end: 10 };
        let set = |version| SetId { version, digest: Digest([17; 32]) };
        Header {
            version: Header::VERSION,
            chain: ChainId([1; 16]),
            height: 3,
            time: Timestamp(4),
            parent: Digest([5; 32]),
            proposer: [6; 32],
            round: Round { epoch: 0, view: 7, parent_view: 6 },
            validators: set(18),
            next_validators: set(19),
            transaction_count: 8,
            receipt_count: 9,
            transactions_root: Digest([10; 32]),
            receipts_root: Digest([11; 32]),
            state_root: Digest([12; 32]),
            state_operations: log(13),
            certification: log(14),
            receipts: log(15),
            next_due: Some(Timestamp(16)),
        }
    }

    #[test]
    fn every_field_of_a_header_moves_its_digest() {
        let header = header();
        let bytes = encode(&header);
        assert_eq!(decode::<Header>(&bytes, 1_024).unwrap(), header);
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            if let Ok(changed) = decode::<Header>(&changed, 1_024) {
                assert_ne!(changed.digest(), header.digest(), "byte {index} is not covered");
            }
        }
    }
}
