//! The read model: finalized blocks folded into SQL tables (SQLite).
//!
//! ```text
//! finalized block --Index::apply (one SQL transaction)--> tables --Reader (any number, read-only)--> rows in pages
//! ```
//!
//! An index holds nothing that the blocks do not say: it can be dropped and built again from block 1 at any time
//! ([`Index::reset`]), and gives the same rows. Block 0 is the genesis document, which it is opened with. There is one
//! [`Index`], which writes, and any number of [`Reader`]s; each row struct stands in the file of its noun.
//!
//! After each block the index compares what all accounts hold with what was issued less what was redeemed; see
//! [`summary::MoneySummary`].
//!
//! Deliberately absent: rules. What the ledger decided is taken as it is; what contradicts the blocks before is a
//! divergence and stops the index.

pub mod agreement;
pub mod block;
mod fold;
pub mod member;
pub mod meter;
pub mod money;
pub mod offer;
pub mod package;
mod page;
pub mod refusal;
pub mod search;
mod sql;
pub mod statement;
pub mod summary;
pub mod trace;

pub use page::{DEFAULT_LIMIT, MAX_LIMIT, Page, Paging, PagingRefused};

use crate::fold::{Fold, Rows};
use crate::sql::int;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::path::{Path, PathBuf};
use utilidor_types::{ChainId, Digest, Genesis, block::FinalBlock};

/// Version of the tables. A file of another version is emptied when it is opened.
pub const SCHEMA_VERSION: i32 = 4;

/// Statements that a connection keeps prepared.
const CACHED_STATEMENTS: usize = 128;

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

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite failed, or a column does not hold what this release writes there.
    #[error("cannot read the index")]
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
    connection: Connection,
    path: PathBuf,
    genesis: Genesis,
    height: u64,
    digest: Digest,
    rows: Rows,
}

impl Index {
    /// Opens the index of a chain, or begins one. A file of another schema version is emptied.
    pub fn open(path: impl AsRef<Path>, genesis: &Genesis) -> Result<Self, OpenError> {
        let path = path.as_ref().to_path_buf();
        let connection = Connection::open(&path)?;
        // A lost tail of the log costs nothing: those blocks are folded again.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        // Pages of the log before it is folded into the file: with few, every block waits for the disk.
        connection.pragma_update(None, "wal_autocheckpoint", 16_384)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        let (digest, rows) = (Digest::default(), Rows::default());
        let mut index = Self { connection, path, genesis: genesis.clone(), height: 0, digest, rows };
        let version: i32 = index.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != SCHEMA_VERSION {
            index.reset()?;
        }
        let sql = "SELECT chain, height, digest FROM meta";
        let (chain, height, digest) = index
            .connection
            .query_row(sql, [], |row| Ok((ChainId(row.get(0)?), row.get::<_, i64>(1)? as u64, Digest(row.get(2)?))))?;
        if chain != genesis.chain() {
            return Err(OpenError::OtherChain { found: chain, expected: genesis.chain() });
        }
        (index.height, index.digest) = (height, digest);
        Ok(index)
    }

    /// Empties the index, to be built again from block 1.
    pub fn reset(&mut self) -> Result<(), OpenError> {
        let transaction = self.connection.transaction()?;
        let tables = {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
            let mut statement = transaction.prepare(sql)?;
            let names = statement.query_map([], |row| row.get::<_, String>(0))?;
            names.collect::<Result<Vec<_>, _>>()?
        };
        for table in tables {
            transaction.execute_batch(&format!("DROP TABLE \"{table}\""))?;
        }
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction.execute(
            "INSERT INTO meta (only_row, chain, height, time_ms, digest, issued, redeemed, balances, transactions,
             certificates, statements) VALUES (1, ?, 0, ?, ?, 0, 0, 0, 0, 0, 0)",
            params![self.genesis.chain().0, int(self.genesis.time.0), Digest::default().0],
        )?;
        Fold::genesis(&transaction, &self.genesis).map_err(|error| match error {
            fold::FoldError::Sqlite(source) => OpenError::Sqlite(source),
            fold::FoldError::Diverged(reason) => OpenError::Genesis { reason },
        })?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()?;
        (self.height, self.digest, self.rows) = (0, Digest::default(), Rows::default());
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
            let sql = "SELECT digest FROM blocks WHERE height = ?";
            let folded = self.connection.prepare_cached(sql)?.query_row([int(height)], |row| row.get(0).map(Digest));
            let same = folded.optional()?.is_none_or(|folded| folded == digest);
            return if same { Ok(Applied::Before) } else { Err(ApplyError::Fork { height }) };
        }
        if height != self.height + 1 {
            return Err(ApplyError::Gap { height: self.height, found: height });
        }
        if block.header.chain != self.genesis.chain() || (self.height > 0 && block.header.parent != self.digest) {
            return Err(ApplyError::Fork { height });
        }

        self.fold(block)?;
        (self.height, self.digest) = (height, digest);
        Ok(Applied::Now)
    }

    /// Folds the log beside the file into it, so that the file alone holds all rows. Waits for readers that are at work.
    pub fn checkpoint(&self) -> Result<(), ReadError> {
        // The answer tells whether readers kept it from that; then the next one that opens the file does it.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
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

/// The index, to read. Each call sees the state after a whole block.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the index in a file that exists.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(Self { connection })
    }

    /// Bytes of the tables. The write-ahead log beside them is bounded and comes to nothing when it has been folded in.
    pub fn bytes(&self) -> Result<u64, ReadError> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((pragma("page_count")? * pragma("page_size")?) as u64)
    }

    /// One state for several queries.
    pub(crate) fn snapshot(&self) -> Result<rusqlite::Transaction<'_>, ReadError> {
        Ok(self.connection.unchecked_transaction()?)
    }
}
