//! Comparing two sets of tables row by row. Rows are numbered by the fold, so two that were folded from the same blocks are
//! the same in every row.

use super::{faults, open_to_read, table_names};
use rusqlite::types::Value;
use rusqlite::{Connection, Rows, Statement};
use std::path::Path;

/// The first row in which two sets of tables differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The table.
    pub table: String,
    /// The row's place in the table, from 1.
    pub place: u64,
    /// The row in the first set; none if its table ends before.
    pub first: Option<Vec<Value>>,
    /// The row in the second set; none if its table ends before.
    pub second: Option<Vec<Value>>,
}

/// What was compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compared {
    /// Tables.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
}

/// Why two sets of tables could not be compared, or that they differ.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// They differ.
    #[error("row {} of table {} differs: {:?} here, {:?} there", .0.place, .0.table, .0.first, .0.second)]
    Different(Box<Difference>),
    /// One has a table that the other has not.
    #[error("the tables are {first:?} here, {second:?} there")]
    Tables {
        /// The first set's.
        first: Vec<String>,
        /// The second set's.
        second: Vec<String>,
    },
    /// SQLite finds the first set's file damaged: what it looks rows up by may not lead to all of them.
    #[error("the file is damaged: {}", .0.join("; "))]
    Damaged(Vec<String>),
    /// SQLite failed.
    #[error("cannot read the index")]
    Sqlite(#[from] rusqlite::Error),
}

/// Compares the tables in two files, all of them row by row, after SQLite's own check of the first: rows are asked for by more ways
/// than the one by which they are compared. Nobody may write them meanwhile.
pub fn compare(first: &Path, second: &Path) -> Result<Compared, CompareError> {
    let found = faults(first)?;
    if !found.is_empty() {
        return Err(CompareError::Damaged(found));
    }
    let (first, second) = (open_to_read(first)?, open_to_read(second)?);
    let (tables, others) = (table_names(&first)?, table_names(&second)?);
    if tables != others {
        return Err(CompareError::Tables { first: tables, second: others });
    }
    let mut compared = Compared { tables: tables.len() as u64, rows: 0 };
    for table in tables {
        compared.rows += compare_table(&first, &second, &table)?;
    }
    Ok(compared)
}

/// Both stand in the order of their primary keys.
fn compare_table(first: &Connection, second: &Connection, table: &str) -> Result<u64, CompareError> {
    let (mut first, mut second) = (all(first, table)?, all(second, table)?);
    let columns = (first.column_count(), second.column_count());
    let (mut first, mut second) = (first.query([])?, second.query([])?);
    let mut rows = 0;
    loop {
        let (one, other) = (next(&mut first, columns.0)?, next(&mut second, columns.1)?);
        if one != other {
            let difference = Difference { table: table.into(), place: rows + 1, first: one, second: other };
            return Err(CompareError::Different(Box::new(difference)));
        }
        if one.is_none() {
            return Ok(rows);
        }
        rows += 1;
    }
}

fn all<'a>(connection: &'a Connection, table: &str) -> rusqlite::Result<Statement<'a>> {
    connection.prepare(&format!("SELECT * FROM \"{table}\""))
}

fn next(rows: &mut Rows<'_>, columns: usize) -> rusqlite::Result<Option<Vec<Value>>> {
    let Some(row) = rows.next()? else { return Ok(None) };
    (0..columns).map(|column| row.get(column)).collect::<rusqlite::Result<_>>().map(Some)
}
