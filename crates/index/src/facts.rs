//! What the index is told of a block: the finalized facts, without anything of the consensus engine.

use utilidor_types::block::Header;
use utilidor_types::{CertifiedRun, Receipt, SignedTransaction, TransactionHash};

/// A finalized block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockFacts {
    /// The header.
    pub header: Header,
    /// The transactions with their hashes, in the block's order.
    pub transactions: Vec<(TransactionHash, SignedTransaction)>,
    /// The receipts, in the block's order.
    pub receipts: Vec<Receipt>,
    /// What the block added to the certification log, in order.
    pub certified: Vec<CertifiedRun>,
}
