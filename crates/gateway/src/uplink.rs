//! The way to the ledger, as the sender sees it. What transactions are and how a node is spoken to stands in [`http`] alone.

#[cfg(feature = "http")]
pub mod http;

#[cfg(feature = "http")]
pub use http::{HttpUplink, Words};

use crate::causes;
use crate::journal::{Batch, NewBatch, Waiting};
use crate::kept::Registration;
use crate::reason::Sentence;
use std::collections::BTreeMap;
use std::future::Future;
use utilidor_types::meter::MAX_BATCH_READINGS;
use utilidor_types::{Carrier, MeterId};

/// Most readings in one transaction.
pub const MAX_READINGS: usize = MAX_BATCH_READINGS;

/// Where the chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainNow {
    /// Time of its last block.
    pub time_ms: u64,
    /// Height of its last block.
    pub height: u64,
}

/// A meter as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerMeter {
    /// What it measures.
    pub carrier: Carrier,
    /// What a gateway needs to know beforehand.
    pub registration: Registration,
    /// Whether this gateway's account signs its readings.
    pub is_ours: bool,
    /// Whether it is out of service.
    pub retired: bool,
}

/// What the ledger says to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is in a block; of its readings these are refused, by their place among the batch's readings.
    Final {
        /// The block.
        height: u64,
        /// Place, stable code, sentence.
        refused: Vec<(usize, String, Sentence)>,
    },
    /// It is in a block, and a rule forbids all of it: nothing was certified.
    RefusedWhole {
        /// The stable code.
        code: String,
        /// The sentence.
        detail: Sentence,
    },
    /// It is on its way.
    Pending,
    /// It is in no block and can never be in one.
    Never,
    /// Its bytes are none that a block can take, and it is in none.
    Spoilt {
        /// The sentence.
        detail: Sentence,
    },
    /// The node does not take it now.
    NotTaken {
        /// The stable code.
        code: String,
        /// The sentence.
        detail: Sentence,
    },
}

/// Why the ledger could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// The node does not answer as it should, or the readings could not be put into a transaction.
    #[error("the node could not be asked")]
    Node(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There is no way.
    #[error("there is no uplink")]
    Down,
}

impl UplinkError {
    /// The same in Chinese, without its cause.
    pub(crate) fn chinese(&self) -> &'static str {
        match self {
            Self::Node(_) => "无法向节点查询",
            Self::Down => "没有通往节点的连接",
        }
    }
}

/// The way to the ledger.
pub trait Uplink: Send + Sync + 'static {
    /// Where the chain stands.
    fn chain(&self) -> impl Future<Output = Result<ChainNow, UplinkError>> + Send;

    /// Whether it is a development chain, whose operator moves its time. That is not believed on a node's word.
    fn is_development(&self) -> impl Future<Output = Result<bool, UplinkError>> + Send {
        async { Ok(false) }
    }

    /// Signs a batch of readings, which stand by meter and time. Sends nothing.
    fn sign(&self, readings: &[Waiting]) -> impl Future<Output = Result<NewBatch, UplinkError>> + Send;

    /// Sends a batch, for the first time or again.
    fn submit(&self, batch: &Batch) -> impl Future<Output = Result<Answer, UplinkError>> + Send;

    /// The meters that the ledger has, of those asked for.
    fn meters(
        &self,
        ids: &[MeterId],
    ) -> impl Future<Output = Result<BTreeMap<MeterId, LedgerMeter>, UplinkError>> + Send;

    /// The register that is certified for a meter at a time.
    fn certified(&self, meter: MeterId, time_ms: u64) -> impl Future<Output = Result<Option<u64>, UplinkError>> + Send;

    /// Why it could not be asked, in a sentence.
    fn says(&self, error: &UplinkError) -> Sentence {
        causes::told(error)
    }
}
