//! Blocks and receipts.

use serde::{Deserialize, Serialize};
use utilidor_types::block::Header;
use utilidor_types::{CertificateId, Digest, Receipt, Timestamp, TransactionHash};

/// A block in a list, and the data of the event stream's `block` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BlockView {
    /// Height.
    pub height: u64,
    /// The block's time.
    pub time_ms: Timestamp,
    /// Digest of the header.
    pub block: Digest,
    /// Root of the state after it.
    pub state_root: Digest,
    /// Number of transactions.
    pub transactions: u32,
    /// Number of receipts.
    pub receipts: u32,
    /// The id of the first certificate after this block: how many there are.
    pub certificates: CertificateId,
}

/// A block with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BlockDetail {
    /// Digest of the header.
    pub block: Digest,
    /// The header.
    pub header: Header,
    /// Hashes of the transactions, in order, as far as whoever asks may see all of each.
    pub transactions: Vec<TransactionHash>,
    /// The receipts, in order, as far as whoever asks may see all of each.
    pub receipts: Vec<Receipt>,
    /// Whether some were left out.
    #[serde(default)]
    pub partial: bool,
}

/// A receipt with its place, and the data of the event stream's `receipt` event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReceiptView {
    /// Height of the block.
    pub height: u64,
    /// Place among the block's receipts.
    pub index: u32,
    /// The receipt.
    pub receipt: Receipt,
}

/// Which blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct BlockFilter {
    /// Blocks above this height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}
