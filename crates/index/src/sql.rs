//! How the ledger's values stand in SQLite's columns.

use borsh::{BorshDeserialize, BorshSerialize};
use rusqlite::Row;
use rusqlite::types::Type;
use utilidor_types::carrier::Carrier;
use utilidor_types::{Money, Quantity, decode, encode};

/// Longest value that a column holds: no encoding on the ledger comes near it.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// An unsigned integer as SQLite keeps it: the same 64 bits.
pub(crate) const fn int(value: u64) -> i64 {
    value as i64
}

/// A column of unsigned 64 bits.
pub(crate) fn uint(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|value| value as u64)
}

/// A nullable column of unsigned 64 bits.
pub(crate) fn maybe_uint(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(column).map(|value| value.map(|value| value as u64))
}

/// A column of money.
pub(crate) fn money(row: &Row<'_>, column: &str) -> rusqlite::Result<Money> {
    uint(row, column).map(Money)
}

/// A column of base units.
pub(crate) fn quantity(row: &Row<'_>, column: &str) -> rusqlite::Result<Quantity> {
    uint(row, column).map(Quantity)
}

/// A column that holds a carrier's number.
pub(crate) fn carrier(row: &Row<'_>, column: &str) -> rusqlite::Result<Carrier> {
    let number: u8 = row.get(column)?;
    Carrier::ALL
        .get(usize::from(number))
        .copied()
        .ok_or_else(|| corrupt(row, column, format!("no carrier has number {number}")))
}

/// A column that holds a value's canonical encoding.
pub(crate) fn value<T: BorshDeserialize>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let bytes = row.get_ref(column)?.as_blob()?;
    decode(bytes, MAX_BODY_BYTES).map_err(|error| corrupt(row, column, error))
}

/// A nullable column that holds a value's canonical encoding.
pub(crate) fn maybe_value<T: BorshDeserialize>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let bytes = row.get_ref(column)?.as_blob_or_null()?;
    bytes.map(|bytes| decode(bytes, MAX_BODY_BYTES)).transpose().map_err(|error| corrupt(row, column, error))
}

/// A value's canonical encoding for a column.
pub(crate) fn body<T: BorshSerialize>(value: &T) -> Vec<u8> {
    encode(value)
}

/// The error of a column that does not hold what this release writes there.
pub(crate) fn corrupt(
    row: &Row<'_>,
    column: &str,
    reason: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or(0);
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, reason.into())
}
