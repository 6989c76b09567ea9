//! The task that follows the chain: each final block goes into the index, one SQL transaction a block, off the node's
//! critical path.

use tokio::sync::watch;
use utilidor_chain::{Handle, ReadError};
use utilidor_index::{ApplyError, Index};

/// Why the index no longer follows the chain.
#[derive(Debug, thiserror::Error)]
pub enum IndexerFailed {
    /// The node did not give a block.
    #[error("cannot read block {height} from the node")]
    Read {
        /// The block.
        height: u64,
        /// The cause.
        #[source]
        source: ReadError,
    },
    /// The index did not take a block.
    #[error("cannot fold block {height} into the index")]
    Apply {
        /// The block.
        height: u64,
        /// The cause.
        #[source]
        source: ApplyError,
    },
    /// The index's last rows could not be written into its file at the end. They stand beside it, and are not lost.
    #[error("cannot write the last rows into the index's file")]
    Checkpoint(#[source] utilidor_index::ReadError),
}

/// Ends the work with an index that nobody reads any more: its file alone holds all rows then, and can be copied.
pub(crate) async fn close(index: Index) -> Result<(), IndexerFailed> {
    let closed = tokio::task::spawn_blocking(move || index.checkpoint()).await;
    closed.expect("closing the index does not panic").map_err(IndexerFailed::Checkpoint)
}

/// Follows the chain until `stopping` becomes true or the node stops, and gives the index back. Tells each new height through
/// `indexed`, after its rows can be read.
pub(crate) async fn follow(
    chain: Handle,
    mut index: Index,
    indexed: watch::Sender<u64>,
    mut stopping: watch::Receiver<bool>,
) -> Result<Index, IndexerFailed> {
    loop {
        let height = index.height() + 1;
        let reached = tokio::select! {
            reached = chain.reached(height) => reached,
            _ = stopping.wait_for(|stopping| *stopping) => return Ok(index),
        };
        let block = match reached {
            Ok(_) => chain.finalized(height).await,
            Err(ReadError::Stopped) => return Ok(index),
            Err(source) => return Err(IndexerFailed::Read { height, source }),
        };
        let block = match block {
            Ok(Some(block)) => block,
            // The head said that it is final; it is a moment before it can be read.
            Ok(None) => {
                tokio::task::yield_now().await;
                continue;
            }
            Err(ReadError::Stopped) => return Ok(index),
            Err(source) => return Err(IndexerFailed::Read { height, source }),
        };
        let folded = tokio::task::spawn_blocking(move || {
            let result = index.apply(&block);
            (index, result)
        });
        let (returned, result) = folded.await.expect("folding a block does not panic");
        index = returned;
        result.map_err(|source| IndexerFailed::Apply { height, source })?;
        indexed.send_replace(index.height());
    }
}

/// Folds all blocks up to the chain's present head into the index, calling `progress` with each height.
pub async fn catch_up(chain: &Handle, mut index: Index, mut progress: impl FnMut(u64)) -> Result<Index, IndexerFailed> {
    let head = chain.head().height;
    while index.height() < head {
        let height = index.height() + 1;
        let block = chain.finalized(height).await.map_err(|source| IndexerFailed::Read { height, source })?;
        let missing = ReadError::NotFinal { height, head };
        let block = block.ok_or(IndexerFailed::Read { height, source: missing })?;
        let folded = tokio::task::spawn_blocking(move || {
            let result = index.apply(&block);
            (index, result)
        });
        let (returned, result) = folded.await.expect("folding a block does not panic");
        index = returned;
        result.map_err(|source| IndexerFailed::Apply { height, source })?;
        progress(height);
    }
    Ok(index)
}
