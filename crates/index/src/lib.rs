//! The read model: finalized blocks folded into SQL tables (SQLite).
//!
//! ```text
//! final block --fold (pure)--> changes of rows --store (one SQL transaction)--> tables --questions--> answers in pages
//! ```
//!
//! | folder | answers |
//! |---|---|
//! | `fold` | what a block changes, given what stood before; knows no SQL |
//! | `store` | how rows stand in SQLite, and that two sets of tables are the same |
//! | [`questions`] | what can be asked, each question of one state of the tables, by whoever asks |
//!
//! An index holds nothing that the blocks do not say: it can be dropped and built again from block 1 at any time
//! ([`Index::reset`]), and gives the same rows ([`compare`]). Block 0 is the genesis document, which it is opened with. There
//! is one [`Index`], which writes, and any number of [`Reader`]s. The answers themselves are `utilidor_view`'s.
//!
//! After each block the index compares what all accounts hold with what was issued less what was redeemed.
//!
//! Deliberately absent: rules. What the ledger decided is taken as it is; what contradicts the blocks before is a
//! divergence and stops the index. And versions of single tables: rows of one name rows of others by their numbers, so a
//! change of any rebuilds all.

mod fold;
mod page;
pub mod questions;
mod store;

pub use page::{Paging, PagingRefused};
pub use questions::{Interest, Questions, ReadError, Reader};
pub use store::{
    CompareError, Compared, Difference, SCHEMA_VERSION, Standing, compare, copy, faults, is_of_the_machine, standing,
};

use crate::fold::{FoldError, Known};
use crate::store::Store;
use std::path::{Path, PathBuf};
use utilidor_types::{ChainId, Digest, Genesis, block::FinalBlock};

/// Why an index could not be opened or emptied.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is another chain's.
    #[error("the index is of chain {found}, the genesis document is of chain {expected}")]
    OtherChain {
        /// In the file.
        found: ChainId,
        /// By the genesis document.
        expected: ChainId,
    },
    /// The genesis document names a member or an account that cannot be entered.
    #[error("the genesis document cannot be entered: {reason}")]
    Genesis {
        /// What was met.
        reason: String,
    },
    /// SQLite failed.
    #[error("cannot open the index")]
    Sqlite(#[from] rusqlite::Error),
    /// A file of it that is to be begun anew cannot be removed.
    #[error("cannot remove {}", path.display())]
    NotRemoved {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Why a block was not folded. The index is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A block between is missing.
    #[error("the index is at height {height}, block {found} does not follow")]
    Gap {
        /// The index's height.
        height: u64,
        /// The block's.
        found: u64,
    },
    /// Another block of this height was folded, or the block follows another one.
    #[error("block {height} is not on the chain that the index has folded")]
    Fork {
        /// The block's height.
        height: u64,
    },
    /// The block's receipts contradict the blocks before.
    #[error("block {height} contradicts the blocks before: {reason}")]
    Diverged {
        /// The block's height.
        height: u64,
        /// The contradiction.
        reason: String,
    },
    /// SQLite failed.
    #[error("cannot write the index")]
    Sqlite(#[from] rusqlite::Error),
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was folded.
    Now,
    /// It had been folded before.
    Before,
}

/// The index, to write.
#[derive(Debug)]
pub struct Index {
    store: Store,
    path: PathBuf,
    genesis: Genesis,
    height: u64,
    digest: Digest,
    known: Known,
}

impl Index {
    /// Opens the index of a chain, or begins one. A file of another schema version is emptied.
    pub fn open(path: impl AsRef<Path>, genesis: &Genesis) -> Result<Self, OpenError> {
        let path = path.as_ref().to_path_buf();
        let (store, known) = (Store::open(&path)?, Known::default());
        let mut index = Self { store, path, genesis: genesis.clone(), height: 0, digest: Digest::default(), known };
        if !index.store.is_current()? {
            index.reset()?;
        }
        let head = index.store.head()?;
        if head.chain != genesis.chain() {
            return Err(OpenError::OtherChain { found: head.chain, expected: genesis.chain() });
        }
        (index.height, index.digest) = (head.height, head.digest);
        Ok(index)
    }

    /// Begins an index anew, whatever the file holds: it is removed, and the log beside it, for damage can outlive what empties it.
    /// Nobody may have it open.
    pub fn anew(path: impl AsRef<Path>, genesis: &Genesis) -> Result<Self, OpenError> {
        let path = path.as_ref();
        match Self::open(path, genesis) {
            Err(OpenError::Sqlite(error)) if store::is_kept_out(&error) => return Err(error.into()),
            Err(error @ OpenError::Genesis { .. }) => return Err(error),
            // Everything else is damage, such as a table that is gone or another chain's name.
            Ok(_) | Err(_) => {}
        }
        // The logs first: an old one beside a new file would be played into it.
        for suffix in ["-wal", "-shm", ""] {
            let mut beside = path.as_os_str().to_owned();
            beside.push(suffix);
            match std::fs::remove_file(&beside) {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    return Err(OpenError::NotRemoved { path: beside.into(), source });
                }
                _ => {}
            }
        }
        Self::open(path, genesis)
    }

    /// Empties the index, to be built again from block 1.
    pub fn reset(&mut self) -> Result<(), OpenError> {
        let changes = fold::genesis(&self.genesis).map_err(|reason| OpenError::Genesis { reason })?;
        self.store.reset(&self.genesis, &changes)?;
        (self.height, self.digest, self.known) = (0, Digest::default(), Known::default());
        Ok(())
    }

    /// Height of the last folded block; 0 is the genesis document.
    pub const fn height(&self) -> u64 {
        self.height
    }

    /// Folds the next block. A block that was folded before changes nothing.
    pub fn apply(&mut self, block: &FinalBlock) -> Result<Applied, ApplyError> {
        let (height, digest) = (block.header.height, block.header.digest());
        if height <= self.height {
            let same = self.store.digest_at(height)?.is_none_or(|folded| folded == digest);
            return if same { Ok(Applied::Before) } else { Err(ApplyError::Fork { height }) };
        }
        if height != self.height + 1 {
            return Err(ApplyError::Gap { height: self.height, found: height });
        }
        if block.header.chain != self.genesis.chain() || (self.height > 0 && block.header.parent != self.digest) {
            return Err(ApplyError::Fork { height });
        }

        // What a block that fails has made is not there: it must not be remembered.
        let mut known = std::mem::take(&mut self.known);
        self.store.apply(block, &mut known).map_err(|error| match error {
            FoldError::Before(source) => ApplyError::Sqlite(source),
            FoldError::Diverged(reason) => ApplyError::Diverged { height, reason },
        })?;
        known.trim();
        self.known = known;
        (self.height, self.digest) = (height, digest);
        Ok(Applied::Now)
    }

    /// Folds the log beside the file into it, so that the file alone holds all rows. Waits for readers that are at work.
    pub fn checkpoint(&self) -> Result<(), ReadError> {
        Ok(self.store.checkpoint()?)
    }

    /// A reader of this index.
    pub fn reader(&self) -> Result<Reader, ReadError> {
        Reader::open(&self.path)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
