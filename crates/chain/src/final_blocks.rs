//! The last final blocks, as this node has executed them: who follows the chain need not read them from the disk.

use commonware_cryptography::sha256;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
};
use utilidor_types::block::FinalBlock;

/// Blocks of either kind that are kept: a full one takes some 20 MB.
const MAX_BLOCKS: usize = 4;

/// Blocks in memory.
#[derive(Default)]
pub(crate) struct FinalBlocks(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Those that may become final.
    executed: VecDeque<(sha256::Digest, FinalBlock)>,
    /// Those that have.
    finals: VecDeque<Arc<FinalBlock>>,
}

impl FinalBlocks {
    /// Keeps a block that was executed, until it or another one of its height is final.
    pub fn executed(&self, digest: sha256::Digest, block: FinalBlock) {
        let mut kept = self.kept();
        if kept.executed.len() == MAX_BLOCKS {
            kept.executed.pop_front();
        }
        kept.executed.push_back((digest, block));
    }

    /// The block `digest` is final. Says whether it was executed before.
    pub fn finalized(&self, digest: &sha256::Digest, height: u64) -> bool {
        let mut kept = self.kept();
        let place = kept.executed.iter().position(|(of, _)| of == digest);
        let block = place.and_then(|place| kept.executed.remove(place));
        let executed = block.is_some();
        kept.finals.extend(block.map(|(_, block)| Arc::new(block)));
        kept.executed.retain(|(_, block)| block.header.height > height);
        executed
    }

    /// Takes out the oldest final block if there are too many. Freeing a full one takes time: the
    /// caller does so without holding anything.
    pub fn forget(&self) -> Option<Arc<FinalBlock>> {
        let mut kept = self.kept();
        (kept.finals.len() > MAX_BLOCKS).then(|| kept.finals.pop_front())?
    }

    /// The final block at `height`, if it is among those that are kept.
    pub fn at(&self, height: u64) -> Option<Arc<FinalBlock>> {
        self.kept().finals.iter().find(|block| block.header.height == height).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
