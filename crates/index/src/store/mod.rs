//! The tables, in SQLite.

mod before;
pub mod columns;
mod compare;
mod write;

pub use before::tranche;
pub use compare::{CompareError, Compared, Difference, compare};

use crate::fold::{Changes, Closed, FoldError, Known, fold};
use before::Stored;
use columns::{int, value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params};
use std::path::Path;
use std::time::Duration;
use utilidor_types::block::{FinalBlock, Header};
use utilidor_types::{ChainId, Digest, Genesis};

/// Version of the tables. A file of another version is emptied when it is opened.
pub const SCHEMA_VERSION: i32 = 11;

/// Statements that a connection keeps prepared.
const CACHED_STATEMENTS: usize = 128;
/// How long a connection waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why an offer is over, as its column says it.
const fn closed_name(closed: Closed) -> &'static str {
    match closed {
        Closed::Withdrawn => "withdrawn",
        Closed::Lapsed => "lapsed",
    }
}

/// The last block that was folded into an index's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The chain.
    pub chain: ChainId,
    /// The block's height; 0 is the genesis document.
    pub height: u64,
    /// Its digest; zero for the genesis document.
    pub digest: Digest,
    /// Root of the state after it; none for the genesis document.
    pub state_root: Option<Digest>,
}

/// The tables, to write.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
}

/// How far the tables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The chain.
    pub chain: ChainId,
    /// The last block's height.
    pub height: u64,
    /// Its digest; zero for the genesis document.
    pub digest: Digest,
}

impl Store {
    /// Opens the tables in a file, which is made if it is not there.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        // A lost tail of the log costs nothing: those blocks are folded again.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "cache_size", -65_536)?;
        // Pages of the log before it is folded into the file: with few, every block waits for the disk.
        connection.pragma_update(None, "wal_autocheckpoint", 16_384)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.busy_timeout(PATIENCE)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(Self { connection })
    }

    /// Whether the tables are those of this release.
    pub fn is_current(&self) -> rusqlite::Result<bool> {
        let version: i32 = self.connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok(version == SCHEMA_VERSION)
    }

    /// Empties the tables, and enters what the genesis document says.
    pub fn reset(&mut self, genesis: &Genesis, changes: &Changes<'_>) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        for table in table_names(&transaction)? {
            transaction.execute_batch(&format!("DROP TABLE \"{table}\""))?;
        }
        transaction.execute_batch(include_str!("schema.sql"))?;
        transaction.execute(
            "INSERT INTO meta (only_row, chain, height, time_ms, digest, issued, redeemed, balances, transactions, receipts,
             certificates, statements, members, accounts, meters, offers, agreements, motions)
             VALUES (1, ?, 0, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
            params![genesis.chain().0, int(genesis.time.0), Digest::default().0],
        )?;
        write::write(&transaction, changes)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
        transaction.commit()
    }

    /// How far the tables are.
    pub fn head(&self) -> rusqlite::Result<Head> {
        self.connection.query_row("SELECT chain, height, digest FROM meta", [], |row| {
            let height: i64 = row.get("height")?;
            Ok(Head { chain: ChainId(row.get("chain")?), height: height as u64, digest: Digest(row.get("digest")?) })
        })
    }

    /// The digest of a block that was folded.
    pub fn digest_at(&self, height: u64) -> rusqlite::Result<Option<Digest>> {
        let sql = "SELECT digest FROM blocks WHERE height = ?";
        self.connection.prepare_cached(sql)?.query_row([int(height)], |row| row.get(0).map(Digest)).optional()
    }

    /// Folds a block and writes what it changes, in one SQL transaction. After a failure `known` is not to be used again.
    pub fn apply(&mut self, block: &FinalBlock, known: &mut Known) -> Result<(), FoldError<rusqlite::Error>> {
        let transaction = self.connection.transaction().map_err(FoldError::Before)?;
        {
            let mut before = Stored(&transaction);
            let totals = before.totals().map_err(FoldError::Before)?;
            let changes = fold(block, totals, known, &mut before)?;
            write::write(&transaction, &changes).map_err(FoldError::Before)?;
        }
        transaction.commit().map_err(FoldError::Before)
    }

    /// Folds the log beside the file into it.
    pub fn checkpoint(&self) -> rusqlite::Result<()> {
        // The answer tells whether readers kept it from that; then the next one that opens the file does it.
        self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }
}

/// A connection to tables that exist, to read.
pub fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    Ok(connection)
}

/// What SQLite finds wrong with a file when it reads all of it; nothing, if it is sound. Nobody may write it meanwhile.
pub fn faults(path: &Path) -> rusqlite::Result<Vec<String>> {
    let connection = open_to_read(path)?;
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(if lines == ["ok"] { Vec::new() } else { lines })
}

/// Writes all rows of one moment into a new file, those that stand in the log beside the file too. A node may be writing meanwhile.
pub fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    // A path is whatever the file system takes for one, which need not be UTF-8.
    let to = ToSqlOutput::Borrowed(ValueRef::Text(to.as_os_str().as_encoded_bytes()));
    open_to_read(from)?.execute("VACUUM INTO ?1", [to]).map(drop)
}

/// Whether the machine does not let the file be used, so that nothing is known of it: a full disk, a folder that may not be written.
pub(crate) fn is_kept_out(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, PermissionDenied, ReadOnly,
    };
    let code = error.sqlite_error_code();
    matches!(
        code,
        Some(CannotOpen | DatabaseBusy | DatabaseLocked | DiskFull | OutOfMemory | PermissionDenied | ReadOnly)
    )
}

/// Whether it is the machine that failed: the same, or reading and writing did, which a damaged file can bring about too.
pub fn is_of_the_machine(error: &rusqlite::Error) -> bool {
    is_kept_out(error) || error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)
}

/// How far the tables in a file are, if they are of this release's schema.
pub fn standing(path: &Path) -> rusqlite::Result<Option<Standing>> {
    let store = Store { connection: open_to_read(path)? };
    if !store.is_current()? {
        return Ok(None);
    }
    let head = store.head()?;
    let sql = "SELECT header FROM blocks WHERE height = ?";
    let header =
        store.connection.query_row(sql, [int(head.height)], |row| value::<Header>(row, "header")).optional()?;
    let state_root = header.map(|header| header.state_root);
    Ok(Some(Standing { chain: head.chain, height: head.height, digest: head.digest, state_root }))
}

/// The names of all tables.
fn table_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}
