//! What an id's beginning can mean.

use crate::{ReadError, Reader};
use rusqlite::params;
use serde::Serialize;

/// Most ids of a kind that are found.
const MAX_FOUND: i64 = 10;

/// Columns of ids by kind: table, column, bytes.
const IDS: [(&str, &str, &str, usize); 6] = [
    ("account", "accounts", "account", 32),
    ("member", "members", "member", 16),
    ("offer", "offers", "offer", 16),
    ("agreement", "agreements", "agreement", 16),
    ("meter", "meters", "meter", 16),
    ("package", "packages", "package", 16),
];

/// Bytes of a transaction's hash that it is found by.
const HEAD_BYTES: usize = 8;

/// An id, and what it is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FoundId {
    /// `account`, `member`, `offer`, `agreement`, `meter`, `package` or `transaction`.
    pub kind: &'static str,
    /// In hex.
    pub id: String,
}

/// The first and the last value of `bytes` bytes that begins with the hex digits. None if those are no hex, or too many.
fn range(digits: &str, bytes: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    if digits.len() > 2 * bytes {
        return None;
    }
    let fill = |with: char| {
        let rest = 2 * bytes - digits.len();
        hex::decode(digits.chars().chain(std::iter::repeat_n(with, rest)).collect::<String>()).ok()
    };
    Some((fill('0')?, fill('f')?))
}

impl Reader {
    /// Ids that begin with hex digits: of each kind no more than ten, in their order.
    pub fn ids_beginning(&self, digits: &str) -> Result<Vec<FoundId>, ReadError> {
        let snapshot = self.snapshot()?;
        let mut found = Vec::new();
        for (kind, table, column, bytes) in IDS {
            let Some((first, last)) = range(digits, bytes) else { continue };
            let sql = format!(
                "SELECT DISTINCT {column} FROM {table} WHERE {column} BETWEEN ? AND ? ORDER BY {column} LIMIT ?"
            );
            let mut statement = snapshot.prepare_cached(&sql)?;
            let ids = statement.query_map(params![first, last, MAX_FOUND], |row| row.get::<_, Vec<u8>>(0))?;
            for id in ids {
                found.push(FoundId { kind, id: hex::encode(id?) });
            }
        }
        // Of a longer beginning the head is looked up, and the rest compared.
        let Some((first, last)) = range(&digits[..digits.len().min(2 * HEAD_BYTES)], HEAD_BYTES) else {
            return Ok(found);
        };
        let head = |bytes: Vec<u8>| i64::from_be_bytes(bytes.try_into().expect("a head has eight bytes"));
        let sql = "SELECT hash FROM transaction_heads JOIN receipts ON receipts.id = receipt
            WHERE head BETWEEN ? AND ? ORDER BY hash LIMIT ?";
        let mut statement = snapshot.prepare_cached(sql)?;
        let hashes =
            statement.query_map(params![head(first), head(last), MAX_FOUND], |row| row.get::<_, Vec<u8>>(0))?;
        for hash in hashes {
            let id = hex::encode(hash?);
            if id.starts_with(digits) {
                found.push(FoundId { kind: "transaction", id });
            }
        }
        Ok(found)
    }
}
