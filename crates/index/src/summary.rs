//! The chain in figures.

use crate::refusal::RefusalCount;
use crate::sql::{maybe_uint, uint};
use crate::{ReadError, Reader};
use serde::{Deserialize, Serialize};
use utilidor_types::Money;

/// Totals since the first block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Summary {
    /// Blocks, the genesis block not counted.
    pub blocks: u64,
    /// Time of the last block.
    pub time_ms: u64,
    /// Transactions in blocks, refused ones included.
    pub transactions: u64,
    /// Refused transactions and readings by code.
    pub refused: Vec<RefusalCount>,
    /// Readings certified.
    pub certificates: u64,
    /// Statements issued.
    pub statements: u64,
    /// Members admitted.
    pub members: u64,
    /// Accounts opened.
    pub accounts: u64,
    /// Meters registered.
    pub meters: u64,
    /// Offers published.
    pub offers: u64,
    /// Agreements by kind and status.
    pub agreements: Vec<AgreementCount>,
    /// Money.
    pub money: MoneySummary,
}

/// How many agreements of a kind have a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AgreementCount {
    /// `purchase` or `subscription`.
    pub kind: String,
    /// The status.
    pub status: String,
    /// How many.
    pub count: u64,
}

/// Money issued, redeemed and held. Conservation: what all accounts hold, free and reserved, is what was issued less what
/// was redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MoneySummary {
    /// Issued.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub issued: Money,
    /// Redeemed.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub redeemed: Money,
    /// Issued less redeemed.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub circulating: Money,
    /// The sum of all accounts' free money, added up for this answer.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub free: Money,
    /// The sum of all accounts' reserved money, added up for this answer.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub reserved: Money,
    /// Whether free and reserved together are what circulates, now and after every block so far.
    pub conserved: bool,
    /// The first block after which they were not.
    pub first_violation: Option<u64>,
}

impl Reader {
    /// Height of the last folded block.
    pub fn height(&self) -> Result<u64, ReadError> {
        let mut statement = self.connection.prepare_cached("SELECT height FROM meta")?;
        Ok(statement.query_row([], |row| uint(row, "height"))?)
    }

    /// The chain in figures.
    pub fn summary(&self) -> Result<Summary, ReadError> {
        let snapshot = self.snapshot()?;
        let count = |table: &str| {
            let sql = format!("SELECT COUNT(*) AS count FROM {table}");
            snapshot.prepare_cached(&sql)?.query_row([], |row| uint(row, "count"))
        };
        let sql = "SELECT kind, status, count FROM agreement_counts WHERE count > 0 ORDER BY kind, status";
        let mut statement = snapshot.prepare_cached(sql)?;
        let agreements = statement.query_map([], |row| {
            Ok(AgreementCount { kind: row.get("kind")?, status: row.get("status")?, count: uint(row, "count")? })
        })?;
        let agreements = agreements.collect::<Result<_, _>>()?;
        let (free, reserved) = balances(&snapshot)?;
        let summary = snapshot.prepare_cached("SELECT * FROM meta")?.query_row([], |row| {
            let (issued, redeemed) = (uint(row, "issued")?, uint(row, "redeemed")?);
            let first_violation = maybe_uint(row, "unbalanced_at")?;
            let holds = free + reserved == u128::from(issued) - u128::from(redeemed);
            let sum = |sum: u128| Money(u64::try_from(sum).unwrap_or(u64::MAX));
            Ok(Summary {
                blocks: uint(row, "height")?,
                time_ms: uint(row, "time_ms")?,
                transactions: uint(row, "transactions")?,
                refused: Vec::new(),
                certificates: uint(row, "certificates")?,
                statements: uint(row, "statements")?,
                members: count("members")?,
                accounts: count("accounts")?,
                meters: count("meters")?,
                offers: count("offers")?,
                agreements,
                money: MoneySummary {
                    issued: Money(issued),
                    redeemed: Money(redeemed),
                    circulating: Money(issued - redeemed),
                    free: sum(free),
                    reserved: sum(reserved),
                    conserved: holds && first_violation.is_none(),
                    first_violation,
                },
            })
        })?;
        drop(statement);
        drop(snapshot);
        Ok(Summary { refused: self.refusal_counts()?, ..summary })
    }
}

/// All free and all reserved money, added up.
fn balances(snapshot: &rusqlite::Transaction<'_>) -> Result<(u128, u128), ReadError> {
    let mut statement = snapshot.prepare_cached("SELECT free, reserved FROM accounts")?;
    let mut rows = statement.query([])?;
    let mut sums = (0, 0);
    while let Some(row) = rows.next()? {
        sums.0 += u128::from(uint(row, "free")?);
        sums.1 += u128::from(uint(row, "reserved")?);
    }
    Ok(sums)
}
