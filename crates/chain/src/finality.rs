//! Reports a block as final once it is durable.
//!
//! The engine hands over final blocks in order, and acknowledges each after its state is on disk. This stands in between:
//! the head that the rest of the node sees moves at that acknowledgement, never before.

use crate::block::Block;
use commonware_actor::Feedback;
use commonware_consensus::{Reporter, marshal::Update};
use commonware_runtime::Spawner;
use commonware_utils::{
    Acknowledgement as _,
    acknowledgement::{Exact, ExactWaiter},
};
use tokio::sync::{mpsc, watch};
use utilidor_types::block::Header;

struct Pending {
    header: Header,
    durable: ExactWaiter,
    acknowledgement: Exact,
}

/// Passes final blocks on to `R` and moves the head as they become durable.
#[derive(Clone)]
pub(crate) struct DurableReporter<R> {
    inner: R,
    // Bounded by the number of blocks the engine delivers before it waits for an acknowledgement.
    pending: mpsc::UnboundedSender<Pending>,
}

impl<R> DurableReporter<R> {
    /// Wraps `inner`; `head` follows the durable blocks.
    pub fn start<E: Spawner>(context: E, inner: R, head: watch::Sender<Header>) -> Self {
        let (pending, mut blocks) = mpsc::unbounded_channel::<Pending>();
        context.spawn(|_| async move {
            while let Some(block) = blocks.recv().await {
                if block.durable.await.is_err() {
                    // The node is stopping: the block is delivered again after the restart.
                    return;
                }
                head.send_if_modified(|head| {
                    let newer = block.header.height > head.height;
                    if newer {
                        *head = block.header;
                    }
                    newer
                });
                block.acknowledgement.acknowledge();
            }
        });
        Self { inner, pending }
    }
}

impl<R: Reporter<Activity = Update<Block>>> Reporter for DurableReporter<R> {
    type Activity = Update<Block>;

    fn report(&mut self, update: Update<Block>) -> Feedback {
        let update = match update {
            Update::Block(block, acknowledgement) => {
                let (durable, waiter) = Exact::handle();
                let header = block.inner().header().clone();
                let pending = Pending { header, durable: waiter, acknowledgement };
                if self.pending.send(pending).is_err() {
                    return Feedback::Closed;
                }
                Update::Block(block, durable)
            }
            tip @ Update::Tip(..) => tip,
        };
        self.inner.report(update)
    }
}
