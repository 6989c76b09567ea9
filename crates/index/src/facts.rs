//! What the index is told of a block: the finalized facts, without anything of the consensus engine.

use utilidor_types::block::Header;
use utilidor_types::{Certificate, Receipt, SignedTransaction, TransactionHash};

/// A finalized block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockFacts {
    /// The header.
    pub header: Header,
    /// The transactions with their hashes, in the block's order.
    pub transactions: Vec<(TransactionHash, SignedTransaction)>,
    /// The receipts, in the block's order.
    pub receipts: Vec<Receipt>,
    /// The readings certified in the block, in the log's order.
    pub certificates: Vec<Certificate>,
}
