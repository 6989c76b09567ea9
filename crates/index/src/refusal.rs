//! Refused transactions and refused readings.

use crate::fold::{Fold, FoldError};
use crate::money::{CAUSE, CAUSE_JOIN, CauseRow, cause};
use crate::page::{Page, Paging};
use crate::sql::{body, maybe_value, uint, value};
use crate::{ReadError, Reader};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::event::RefusedReading;
use utilidor_types::{AccountId, MeterId, Refusal, SignedTransaction};

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusalRow {
    /// The stable code.
    pub code: String,
    /// The rule in a sentence, with the values that were compared.
    pub message: String,
    /// The refusal with its values.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub refusal: Refusal,
    /// Whose transaction it was, or carried the reading.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub account: Option<AccountId>,
    /// The transaction's action.
    pub action: Option<String>,
    /// The reading, if only that was refused and the rest of its batch was done.
    pub reading: Option<RefusedReadingRow>,
    /// Where it happened.
    pub cause: CauseRow,
}

/// Which reading of a batch was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusedReadingRow {
    /// Its place in the batch, counted over all runs from 0.
    pub index: u16,
    /// Its meter.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub meter: MeterId,
}

/// How often a rule forbade something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RefusalCount {
    /// The stable code.
    pub code: String,
    /// Transactions refused.
    pub transactions: u64,
    /// Readings refused.
    pub readings: u64,
}

impl Fold<'_> {
    pub fn refused_transaction(&mut self, refusal: &Refusal) -> Result<(), FoldError> {
        self.refuse(refusal, None, (1, 0))
    }

    pub fn refused_reading(&mut self, refused: &RefusedReading) -> Result<(), FoldError> {
        self.refuse(&refused.refusal, Some((refused.index, refused.meter)), (0, 1))
    }

    fn refuse(
        &mut self,
        refusal: &Refusal,
        reading: Option<(u16, MeterId)>,
        (transactions, readings): (i64, i64),
    ) -> Result<(), FoldError> {
        let code = refusal.code();
        let sql = "INSERT INTO refusals (receipt, code, place, meter, body) VALUES (?, ?, ?, ?, ?)";
        let (place, meter) = reading.map(|(place, meter)| (place, meter.0)).unzip();
        self.sql.prepare_cached(sql)?.execute(params![self.receipt, code, place, meter, body(refusal)])?;
        let sql = "INSERT INTO refusal_counts (code, transactions, readings) VALUES (?1, ?2, ?3) ON CONFLICT (code)
                   DO UPDATE SET transactions = transactions + ?2, readings = readings + ?3";
        self.sql.prepare_cached(sql)?.execute(params![code, transactions, readings])?;
        Ok(())
    }
}

fn refusal_row(row: &Row<'_>) -> rusqlite::Result<(i64, RefusalRow)> {
    let refusal: Refusal = value(row, "body")?;
    let signed: Option<SignedTransaction> = maybe_value(row, "signed")?;
    let transaction = signed.map(|signed| signed.transaction);
    let (index, meter): (Option<u16>, Option<[u8; 16]>) = (row.get("place")?, row.get("meter")?);
    let refusal = RefusalRow {
        code: row.get("code")?,
        message: refusal.to_string(),
        refusal,
        account: transaction.as_ref().map(|transaction| transaction.account()),
        action: transaction.map(|transaction| transaction.action.name().into()),
        reading: index.zip(meter).map(|(index, meter)| RefusedReadingRow { index, meter: MeterId(meter) }),
        cause: cause(row)?,
    };
    Ok((row.get("id")?, refusal))
}

impl Reader {
    /// Refusals, oldest first.
    pub fn refusals(&self, paging: Paging) -> Result<Page<RefusalRow>, ReadError> {
        let sql = format!(
            "SELECT it.id AS id, it.code AS code, it.place AS place, it.meter AS meter, it.body AS body,
             receipts.signed AS signed, {CAUSE} FROM refusals AS it {CAUSE_JOIN}
             WHERE it.id > ? ORDER BY it.id LIMIT ?"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([paging.after(), paging.fetch()], refusal_row)?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// Refusals counted by code, in the codes' order.
    pub fn refusal_counts(&self) -> Result<Vec<RefusalCount>, ReadError> {
        let mut statement = self.connection.prepare_cached("SELECT * FROM refusal_counts ORDER BY code")?;
        let rows = statement.query_map([], |row| {
            let (transactions, readings) = (uint(row, "transactions")?, uint(row, "readings")?);
            Ok(RefusalCount { code: row.get("code")?, transactions, readings })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
