//! How a journal's tables are laid out, and how those of earlier releases become so.
//!
//! | layout | what is new in it |
//! |---|---|
//! | 2 | |
//! | 3 | a waiting reading has a sum of what is signed of it |
//! | 4 | what an operator is told stands in English and in Chinese |

use super::{JournalError, from_sql, sum_of, to_sql};
use rusqlite::{Connection, Row, params};
use std::path::Path;
use utilidor_types::MeterId;

/// Layout of the tables; a journal of another that no step leads from is not opened.
pub(super) const SCHEMA_VERSION: i32 = 4;
/// The oldest layout that is taken on.
pub(super) const OLDEST: i32 = 2;
const SCHEMA: &str = include_str!("schema.sql");

/// The layout of a journal.
pub(super) fn of(connection: &Connection) -> Result<i32, JournalError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

/// Refuses layouts that are not read, and databases of something else: a new one has no tables.
pub(super) fn expect(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    match of(connection)? {
        // Others number their layouts as well.
        OLDEST..=SCHEMA_VERSION => {
            let sql =
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('reading', 'batch', 'clock')";
            let own: i64 = connection.query_row(sql, [], |row| row.get(0))?;
            if own == 3 { Ok(()) } else { Err(JournalError::Strange { path: path.into() }) }
        }
        0 => {
            let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables == 0 { Ok(()) } else { Err(JournalError::Strange { path: path.into() }) }
        }
        found => Err(JournalError::Layout { found }),
    }
}

/// Gives a new journal its tables, and takes an earlier layout on, step by step.
pub(super) fn take_on(connection: &mut Connection) -> Result<(), JournalError> {
    loop {
        match of(connection)? {
            0 => {
                let transaction = connection.transaction()?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
                transaction.commit()?;
            }
            2 => add_sums(connection)?,
            3 => add_chinese(connection)?,
            SCHEMA_VERSION => return Ok(()),
            found => return Err(JournalError::Layout { found }),
        }
    }
}

/// Gives the readings that are still to be signed their sums: layout 2 had none.
fn add_sums(connection: &mut Connection) -> Result<(), JournalError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "ALTER TABLE reading ADD COLUMN sum INTEGER;
         DROP INDEX reading_waiting;
         CREATE INDEX reading_waiting ON reading (time_ms, meter, epoch, register, sum)
             WHERE batch IS NULL AND code IS NULL;",
    )?;
    {
        let mut open = transaction.prepare(
            "SELECT time_ms, meter, register, epoch FROM reading
             WHERE code IS NULL AND (batch IS NULL OR batch IN (SELECT id FROM batch WHERE open = 1))",
        )?;
        let read =
            |row: &Row<'_>| Ok((from_sql(row.get(0)?)?, MeterId(row.get(1)?), from_sql(row.get(2)?)?, row.get(3)?));
        let open = open.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
        let mut set = transaction.prepare("UPDATE reading SET sum = ?3 WHERE time_ms = ?1 AND meter = ?2")?;
        for (time_ms, meter, register, epoch) in open {
            set.execute(params![to_sql(time_ms), meter.0, sum_of(meter, time_ms, register, epoch)])?;
        }
    }
    transaction.pragma_update(None, "user_version", 3)?;
    transaction.commit()?;
    Ok(())
}

/// Keeps what an operator is told in Chinese, too: layout 3 had it in English alone, and what it had stays so in both.
fn add_chinese(connection: &mut Connection) -> Result<(), JournalError> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(
        "ALTER TABLE reading ADD COLUMN detail_zh TEXT;
         UPDATE reading SET detail_zh = detail WHERE detail IS NOT NULL;
         ALTER TABLE meter ADD COLUMN stopped_zh TEXT;
         UPDATE meter SET stopped_zh = stopped WHERE stopped IS NOT NULL;
         ALTER TABLE event ADD COLUMN detail_zh TEXT NOT NULL DEFAULT '';
         UPDATE event SET detail_zh = detail;",
    )?;
    transaction.pragma_update(None, "user_version", 4)?;
    transaction.commit()?;
    Ok(())
}
