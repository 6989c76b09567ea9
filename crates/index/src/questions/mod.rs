//! What can be asked of the read model.
//!
//! ```text
//! reader --who asks--> questions (one state of the tables) --> answers
//! ```
//!
//! All answers that one [`Questions`] gives are of the state after the same whole block.

mod agreement;
mod block;
mod council;
mod event;
mod history;
mod member;
mod meter;
mod money;
mod offer;
mod package;
mod price_index;
mod program;
mod refusal;
mod search;
mod series;
mod sight;
mod statement;
mod summary;
mod told;
mod trace;

pub use block::Outcome;
pub use history::Happening;
pub use series::SeriesRefused;

use crate::store::columns::{maybe_value, time, uint};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, Row, Transaction};
use std::path::Path;
use utilidor_types::{DueItem, Timestamp, TransactionHash};
use utilidor_view::{CauseView, DueView, Page, Viewer};

use crate::page::Paging;
use sight::Sight;

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite failed, or a column does not hold what this release writes there.
    #[error("cannot read the index")]
    Sqlite(#[from] rusqlite::Error),
}

/// The index, to read.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens the index in a file that exists.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let connection = crate::store::open_to_read(path.as_ref())?;
        sight::prepare(&connection)?;
        Ok(Self { connection })
    }

    /// The present state of the index, as `viewer` may see it.
    pub fn questions(&self, viewer: Viewer) -> Result<Questions<'_>, ReadError> {
        let sql = self.connection.unchecked_transaction()?;
        let sight = Sight::of(&sql, viewer)?;
        Ok(Questions { sql, sight })
    }

    /// Bytes of the tables. The write-ahead log beside them is bounded and comes to nothing when it has been folded in.
    pub fn bytes(&self) -> Result<u64, ReadError> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((pragma("page_count")? * pragma("page_size")?) as u64)
    }
}

/// One state of the index, and what of it whoever asks may see. What they may not see is not there.
#[derive(Debug)]
pub struct Questions<'a> {
    sql: Transaction<'a>,
    sight: Sight,
}

type Read<T> = Result<T, ReadError>;

impl Questions<'_> {
    /// Height of the last folded block.
    pub fn height(&self) -> Read<u64> {
        self.one("SELECT height FROM meta", [], |row| uint(row, "height"))
    }

    fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.sql.prepare_cached(sql)
    }

    /// The row that is there.
    fn one<T>(&self, sql: &str, values: impl Params, read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>) -> Read<T> {
        Ok(self.prepare(sql)?.query_row(values, read)?)
    }

    /// The row, if there is one.
    fn find<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Option<T>> {
        Ok(self.prepare(sql)?.query_row(values, read).optional()?)
    }

    /// All rows.
    fn all<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Vec<T>> {
        Ok(self.prepare(sql)?.query_map(values, read)?.collect::<rusqlite::Result<_>>()?)
    }

    /// A page of rows with their keys.
    fn page<T>(
        &self,
        paging: Paging,
        sql: &str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<(i64, T)>,
    ) -> Read<Page<T>> {
        Ok(paging.page(self.all(sql, values, read)?))
    }
}

/// Columns of a [`CauseView`], for a query that joins [`CAUSE_JOIN`].
const CAUSE: &str = "receipts.height AS cause_height, receipts.place AS cause_place,
    blocks.time_ms AS cause_time_ms, receipts.hash AS cause_transaction, receipts.due AS cause_due";

/// The tables behind [`CAUSE`], for a table with a column `receipt` called `it`.
const CAUSE_JOIN: &str = "JOIN receipts ON receipts.id = it.receipt JOIN blocks ON blocks.height = receipts.height";

/// Reads the columns of [`CAUSE`].
fn cause(row: &Row<'_>) -> rusqlite::Result<CauseView> {
    let due: Option<(DueItem, Timestamp)> = maybe_value(row, "cause_due")?;
    Ok(CauseView {
        height: uint(row, "cause_height")?,
        receipt: row.get("cause_place")?,
        time_ms: time(row, "cause_time_ms")?,
        transaction: row.get::<_, Option<[u8; 32]>>("cause_transaction")?.map(TransactionHash),
        due: due.map(|(item, at_ms)| DueView { item, at_ms }),
    })
}

impl Questions<'_> {
    /// The cause that a receipt is.
    fn cause_of(&self, receipt: i64) -> Read<CauseView> {
        let sql = format!("SELECT {CAUSE} FROM (SELECT ? AS receipt) AS it {CAUSE_JOIN}");
        self.one(&sql, [receipt], cause)
    }
}
