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
use rusqlite::{CachedStatement, Connection, ErrorCode, OptionalExtension as _, Params, Row, Transaction};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use utilidor_types::{DueItem, Timestamp, TransactionHash};
use utilidor_view::{CauseView, DueView, Page, Viewer};

use crate::page::Paging;
use sight::Sight;

/// Why rows could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nobody waits for the answer any more.
    #[error("the question was given up before it was answered: ask for less, or again later")]
    GivenUp,
    /// SQLite failed, or a column does not hold what this release writes there.
    #[error("cannot read the index")]
    Sqlite(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Self::GivenUp,
            _ => Self::Sqlite(error),
        }
    }
}

/// Whether somebody still waits for an answer. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Interest(Arc<AtomicBool>);

impl Interest {
    /// Somebody does.
    pub fn new() -> Self {
        Self::default()
    }

    /// Nobody does any more: the question ends as soon as may be.
    pub fn lose(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_lost(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Steps of SQLite's machine between two looks at whether somebody still waits: well under a millisecond's.
const STEPS_BETWEEN_LOOKS: i32 = 10_000;

/// The index, to read.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    /// In the answer to the present question.
    interest: Arc<Mutex<Interest>>,
}

impl Reader {
    /// Opens the index in a file that exists.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let mut connection = crate::store::open_to_read(path.as_ref())?;
        sight::prepare(&connection)?;
        let interest = Arc::<Mutex<Interest>>::default();
        let present = Arc::clone(&interest);
        let is_lost = move || present.lock().is_ok_and(|interest| interest.is_lost());
        connection.progress_handler(STEPS_BETWEEN_LOOKS, Some(is_lost))?;
        Ok(Self { connection, interest })
    }

    /// The present state of the index, as `viewer` may see it.
    pub fn questions(&self, viewer: Viewer) -> Result<Questions<'_>, ReadError> {
        self.questions_while(&Interest::new(), viewer)
    }

    /// The same, for as long as somebody waits for the answer.
    pub fn questions_while(&self, interest: &Interest, viewer: Viewer) -> Result<Questions<'_>, ReadError> {
        if interest.is_lost() {
            return Err(ReadError::GivenUp);
        }
        *self.interest.lock().expect("no holder of this lock panics") = interest.clone();
        let sql = self.connection.unchecked_transaction()?;
        let sight = Sight::of(&sql, viewer)?;
        Ok(Questions { sql, sight, interest: interest.clone() })
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
    interest: Interest,
}

type Read<T> = Result<T, ReadError>;

impl Questions<'_> {
    /// Height of the last folded block.
    pub fn height(&self) -> Read<u64> {
        self.one("SELECT height FROM meta", [], |row| uint(row, "height"))
    }

    /// A long answer can be made of many short statements, so each is one more place to end at.
    fn prepare(&self, sql: &str) -> Read<CachedStatement<'_>> {
        match self.interest.is_lost() {
            true => Err(ReadError::GivenUp),
            false => Ok(self.sql.prepare_cached(sql)?),
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Index;
    use utilidor_types::genesis::{ChainKind, GenesisMember, Limits};
    use utilidor_types::{AccountId, Genesis, PrivateKey, Role, Roles};

    #[test]
    fn a_question_ends_when_nobody_waits_for_its_answer_and_the_reader_answers_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.sqlite");
        let [founder, node] = [3, 4].map(|seed| PrivateKey::ed25519([seed; 32]).public_key());
        let member = GenesisMember { account: AccountId::of(&founder), roles: Roles::of(&[Role::Validator]) };
        let (members, begins) = (vec![member].try_into().unwrap(), Timestamp(1_735_660_800_000));
        let genesis = Genesis::alone(ChainKind::Development, begins, node, members, Limits::DEFAULT);
        let _index = Index::open(&path, &genesis).unwrap();
        let reader = Reader::open(&path).unwrap();

        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
        let one_long_statement = |questions: &Questions<'_>| questions.one(endless, [], |row| row.get::<_, i64>(0));
        let many_short_ones = |questions: &Questions<'_>| loop {
            if let Err(error) = questions.height() {
                return Err(error);
            }
        };
        for question in [&one_long_statement as &dyn Fn(&Questions<'_>) -> Read<i64>, &many_short_ones] {
            let interest = Interest::new();
            let questions = reader.questions_while(&interest, Viewer::Operator).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| interest.lose());
                assert!(matches!(question(&questions), Err(ReadError::GivenUp)));
            });
            drop(questions);
            assert!(matches!(reader.questions_while(&interest, Viewer::Operator), Err(ReadError::GivenUp)));
            assert_eq!(reader.questions(Viewer::Operator).unwrap().height().unwrap(), 0);
        }
    }
}
