//! What an id's beginning can mean.

use super::{Questions, Read};
use crate::fold::head;
use crate::store::columns::uint;
use rusqlite::params;
use utilidor_types::TransactionHash;
use utilidor_view::{FoundId, IdKind};

/// Most ids of a kind that are found.
const MAX_FOUND: i64 = 10;
/// Most transactions of a beginning that are looked at for such as are seen.
const MAX_LOOKED_AT: i64 = 1_000;

/// Columns of ids by kind: table, column, bytes.
const IDS: [(IdKind, &str, &str, usize); 9] = [
    (IdKind::Account, "accounts", "account", 32),
    (IdKind::Member, "members", "member", 16),
    (IdKind::Offer, "offers", "offer", 16),
    (IdKind::Agreement, "agreements", "agreement", 16),
    (IdKind::Meter, "meters", "meter", 16),
    (IdKind::Package, "packages", "package", 16),
    (IdKind::Motion, "motions", "motion", 16),
    (IdKind::Program, "programs", "program", 32),
    (IdKind::PriceIndex, "price_indices", "price_index", 16),
];

/// Bytes of a transaction's hash.
const HASH_BYTES: usize = 32;

/// The first and the last value of `bytes` bytes that begins with the hex digits. None if those are no hex, or too many.
fn range(digits: &str, bytes: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let rest = (2 * bytes).checked_sub(digits.len())?;
    let fill = |with: &str| hex::decode(format!("{digits}{}", with.repeat(rest))).ok();
    Some((fill("0")?, fill("f")?))
}

impl Questions<'_> {
    /// Ids that begin with hex digits: of each kind no more than ten, in their order.
    pub fn ids_beginning(&self, digits: &str) -> Read<Vec<FoundId>> {
        let mut found = Vec::new();
        for (kind, table, column, bytes) in IDS {
            let Some((first, last)) = range(digits, bytes) else { continue };
            let seen = match kind {
                IdKind::Account => self.accounts_seen("accounts.id"),
                IdKind::Agreement => self.agreements_seen("agreements.id"),
                IdKind::Meter => self.meters_seen("meters.id"),
                IdKind::Member => self.members_seen().into(),
                _ => "1".into(),
            };
            let sql = format!(
                "SELECT DISTINCT {column} AS id FROM {table} WHERE {column} BETWEEN ? AND ? AND {seen}
                 ORDER BY {column} LIMIT ?"
            );
            for one in self.found(kind, &sql, params![first, last, MAX_FOUND])? {
                // A motion is seen by what it decides, which no column says.
                if kind != IdKind::Motion || one.id.parse().map_or(Ok(false), |motion| self.sees_motion(motion))? {
                    found.push(one);
                }
            }
        }
        // Transactions are found by the heads of their hashes, which are signed numbers: those of a beginning have one sign.
        if let Some((first, last)) = range(digits, HASH_BYTES).filter(|_| !digits.is_empty()) {
            let head_of = |hash: &[u8]| head(&TransactionHash(hash.try_into().expect("a range is of whole hashes")));
            let sql = "SELECT hash AS id, height, place FROM transaction_heads
                JOIN receipts ON receipts.id = transaction_heads.receipt
                WHERE head BETWEEN ? AND ? AND hash BETWEEN ? AND ? ORDER BY hash LIMIT ?";
            let heads = [head_of(&first), head_of(&last)];
            let rows = self.all(sql, params![heads[0], heads[1], first, last, MAX_LOOKED_AT], |row| {
                Ok((hex::encode(row.get_ref("id")?.as_blob()?), uint(row, "height")?, row.get("place")?))
            })?;
            let before = found.len();
            for (id, height, place) in rows {
                if found.len() - before < MAX_FOUND as usize && self.sees_receipt_at(height, place)? {
                    found.push(FoundId { kind: IdKind::Transaction, id });
                }
            }
        }
        Ok(found)
    }

    fn found(&self, kind: IdKind, sql: &str, values: impl rusqlite::Params) -> Read<Vec<FoundId>> {
        self.all(sql, values, |row| Ok(FoundId { kind, id: hex::encode(row.get_ref("id")?.as_blob()?) }))
    }
}
