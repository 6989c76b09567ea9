//! Tells that a block is final.
//!
//! The engine hands over final blocks in order, each after the block and its certificate are on disk: from then on it stays,
//! whatever happens to this node. The head moves at once; the state follows, beside the next block. After a crash the engine
//! hands over again what the state does not hold yet.

use crate::{block::Block, final_blocks::FinalBlocks, latest, pool::Pool};
use commonware_actor::Feedback;
use commonware_consensus::{Reporter, marshal::Update};
use commonware_cryptography::Digestible as _;
use std::sync::Arc;
use utilidor_types::block::Header;

/// Moves the head with the final blocks and passes them on to `R`, which applies them.
#[derive(Clone)]
pub(crate) struct FinalityReporter<R> {
    pub inner: R,
    pub blocks: Arc<FinalBlocks>,
    pub pool: Arc<Pool>,
    pub head: latest::Sender<Header>,
}

impl<R: Reporter<Activity = Update<Block>>> Reporter for FinalityReporter<R> {
    type Activity = Update<Block>;

    fn report(&mut self, update: Update<Block>) -> Feedback {
        if let Update::Block(block, _) = &update {
            let (digest, header) = (block.digest(), block.inner().header());
            if self.blocks.finalized(&digest, header.height) {
                self.pool.finalized(&digest, header.height, header.time, || block.inner().spent());
            }
            advance(&self.head, header);
        }
        self.inner.report(update)
    }
}

/// Moves `to` forward to `header`; never back.
pub(crate) fn advance(to: &latest::Sender<Header>, header: &Header) {
    to.send_if_modified(|current| {
        let newer = header.height > current.height;
        if newer {
            current.clone_from(header);
        }
        newer
    });
}
