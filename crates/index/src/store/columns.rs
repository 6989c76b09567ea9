//! How the ledger's values stand in SQLite's columns.

use borsh::{BorshDeserialize, BorshSerialize};
use rusqlite::Row;
use rusqlite::types::Type;
use utilidor_types::carrier::Carrier;
use utilidor_types::{Money, Quantity, Roles, Timestamp, Window, decode, encode};
use utilidor_view::SignedBy;

/// Longest value that a column holds: no encoding on the ledger comes near it.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// An unsigned integer as SQLite keeps it: the same 64 bits.
pub const fn int(value: u64) -> i64 {
    value as i64
}

/// A column of unsigned 64 bits.
pub fn uint(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|value| value as u64)
}

/// A nullable column of unsigned 64 bits.
pub fn maybe_uint(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(column).map(|value| value.map(|value| value as u64))
}

/// A column of money.
pub fn money(row: &Row<'_>, column: &str) -> rusqlite::Result<Money> {
    uint(row, column).map(Money)
}

/// A column of base units.
pub fn quantity(row: &Row<'_>, column: &str) -> rusqlite::Result<Quantity> {
    uint(row, column).map(Quantity)
}

/// A column of Unix milliseconds.
pub fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    uint(row, column).map(Timestamp)
}

/// A nullable column of Unix milliseconds.
pub fn maybe_time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    Ok(maybe_uint(row, column)?.map(Timestamp))
}

/// The columns `from_ms` and `to_ms`.
pub fn window(row: &Row<'_>) -> rusqlite::Result<Window> {
    Ok(Window { from: time(row, "from_ms")?, to: time(row, "to_ms")? })
}

/// The nullable columns `from_ms` and `to_ms`.
pub fn maybe_window(row: &Row<'_>) -> rusqlite::Result<Option<Window>> {
    let (from, to) = (maybe_time(row, "from_ms")?, maybe_time(row, "to_ms")?);
    Ok(from.zip(to).map(|(from, to)| Window { from, to }))
}

/// A column that holds a carrier's number.
pub fn carrier(row: &Row<'_>, column: &str) -> rusqlite::Result<Carrier> {
    let number: u8 = row.get(column)?;
    Carrier::ALL
        .get(usize::from(number))
        .copied()
        .ok_or_else(|| corrupt(row, column, format!("no carrier has number {number}")))
}

/// A column that holds who has signed readings.
pub fn signed_by(row: &Row<'_>, column: &str) -> rusqlite::Result<SignedBy> {
    let number: u8 = row.get(column)?;
    let found = SignedBy::ALL.get(usize::from(number)).copied();
    found.ok_or_else(|| corrupt(row, column, format!("nobody who signs readings has number {number}")))
}

/// A column that holds a set of roles.
pub fn roles(row: &Row<'_>, column: &str) -> rusqlite::Result<Roles> {
    let bits: u8 = row.get(column)?;
    decode(&[bits], 1).map_err(|error| corrupt(row, column, error))
}

/// A column that holds one of a few names.
pub fn named<T: Copy>(row: &Row<'_>, column: &str, all: &[T], name: fn(T) -> &'static str) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    let found = all.iter().copied().find(|one| name(*one) == text);
    found.ok_or_else(|| corrupt(row, column, format!("{text:?} is none of the names that stand there")))
}

/// A column that holds a value's canonical encoding.
pub fn value<T: BorshDeserialize>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let bytes = row.get_ref(column)?.as_blob()?;
    decode(bytes, MAX_BODY_BYTES).map_err(|error| corrupt(row, column, error))
}

/// A nullable column that holds a value's canonical encoding.
pub fn maybe_value<T: BorshDeserialize>(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<T>> {
    let bytes = row.get_ref(column)?.as_blob_or_null()?;
    bytes.map(|bytes| decode(bytes, MAX_BODY_BYTES)).transpose().map_err(|error| corrupt(row, column, error))
}

/// A value's canonical encoding for a column.
pub fn body<T: BorshSerialize>(value: &T) -> Vec<u8> {
    encode(value)
}

/// The error of a column that does not hold what this release writes there.
pub fn corrupt(
    row: &Row<'_>,
    column: &str,
    reason: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or(0);
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, reason.into())
}
