//! Statements and their lines.

use crate::fold::{Fold, FoldError};
use crate::meter::{ALWAYS, runs_of_agreement};
use crate::money::{CAUSE, CAUSE_JOIN, CauseRow, cause};
use crate::package::Draw;
use crate::page::{Page, Paging};
use crate::sql::{corrupt, int, value};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::event::Event;
use utilidor_types::statement::StatementLine;
use utilidor_types::{AccountId, AgreementId, AgreementTerms, Carrier, Receipt, Statement};

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StatementRow {
    /// The statement.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub statement: Statement,
    /// Who is paid.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub owner: AccountId,
    /// Who pays.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub user: AccountId,
    /// `purchase` or `subscription`.
    pub kind: String,
    /// Where it was issued.
    pub cause: CauseRow,
}

/// Which statements are wanted; what is `None` does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatementFilter {
    /// Of agreements with this account as a party.
    pub account: Option<AccountId>,
    /// Of this agreement.
    pub agreement: Option<AgreementId>,
    /// Whose period ends after this time.
    pub from_ms: Option<u64>,
    /// Whose period begins before this time.
    pub to_ms: Option<u64>,
}

/// The tranche that a line is about, and what it took from it.
fn drawn(line: &StatementLine) -> Option<(Carrier, u32, Draw)> {
    use StatementLine as Line;
    match *line {
        Line::Charge { carrier, tranche, weight, amount, .. } => {
            Some((carrier, tranche, Draw { weight, charged: amount, ..Draw::default() }))
        }
        Line::FloorArea { carrier, tranche, amount, .. } => {
            Some((carrier, tranche, Draw { charged: amount, ..Draw::default() }))
        }
        Line::Refund { carrier, tranche, amount, withheld, .. } => {
            Some((carrier, tranche, Draw { refunded: amount, withheld, ..Draw::default() }))
        }
        Line::Delivery { .. }
        | Line::Forfeit { .. }
        | Line::Usage { .. }
        | Line::Owed { .. }
        | Line::OwedCharge { .. } => None,
    }
}

impl Fold<'_> {
    pub fn statement_issued(&mut self, statement: &Statement) -> Result<(), FoldError> {
        let party = self.party(statement.agreement)?;
        let (owner, user) = (self.account(party.parties.owner)?.id, self.account(party.parties.user)?.id);
        let sql = "INSERT INTO statements (agreement, number, owner, user, from_ms, to_ms, receipt)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        self.sql.prepare_cached(sql)?.execute(params![
            party.id,
            statement.number,
            owner,
            user,
            int(statement.period.from.0),
            int(statement.period.to.0),
            self.receipt,
        ])?;
        self.totals.statements += 1;
        let sql = "INSERT OR IGNORE INTO tranche_statements (agreement, carrier, tranche, number) VALUES (?, ?, ?, ?)";
        for (carrier, tranche, draw) in statement.lines.iter().filter_map(drawn) {
            self.sql.prepare_cached(sql)?.execute(params![party.id, carrier as u8, tranche, statement.number])?;
            self.draw(party.id, carrier, tranche, draw)?;
        }
        Ok(())
    }
}

const STATEMENT: &str = "SELECT it.id AS id, it.number AS number, agreements.agreement AS agreement_id,
    sells.account AS owner_id, buys.account AS user_id, agreements.kind AS kind, receipts.body AS body";
const STATEMENT_JOIN: &str = "JOIN agreements ON agreements.id = it.agreement
    JOIN accounts AS sells ON sells.id = it.owner JOIN accounts AS buys ON buys.id = it.user";

fn statement_row(row: &Row<'_>) -> rusqlite::Result<(i64, StatementRow)> {
    let (agreement, number) = (AgreementId(row.get("agreement_id")?), row.get("number")?);
    let receipt: Receipt = value(row, "body")?;
    let issued = receipt.events().iter().find_map(|event| match event {
        Event::StatementIssued(issued) if (issued.agreement, issued.number) == (agreement, number) => Some(issued),
        _ => None,
    });
    let issued = issued.ok_or_else(|| corrupt(row, "body", "the receipt issues no such statement"))?;
    let statement = StatementRow {
        statement: issued.clone(),
        owner: AccountId(row.get("owner_id")?),
        user: AccountId(row.get("user_id")?),
        kind: row.get("kind")?,
        cause: cause(row)?,
    };
    Ok((row.get("id")?, statement))
}

impl Reader {
    /// Statements in the order of issue.
    pub fn statements(&self, filter: StatementFilter, paging: Paging) -> Result<Page<StatementRow>, ReadError> {
        let mut conditions = vec!["it.id > ?1", "(?3 IS NULL OR it.to_ms > ?3)", "(?4 IS NULL OR it.from_ms < ?4)"];
        conditions.push(match filter.account {
            Some(_) => {
                "it.id IN (SELECT id FROM statements WHERE owner = (SELECT id FROM accounts WHERE account = ?5)
                 UNION SELECT id FROM statements WHERE user = (SELECT id FROM accounts WHERE account = ?5))"
            }
            None => "?5 IS NULL",
        });
        conditions.push(match filter.agreement {
            Some(_) => "it.agreement = (SELECT id FROM agreements WHERE agreement = ?6)",
            None => "?6 IS NULL",
        });
        let conditions = conditions.join(" AND ");
        let sql = format!(
            "{STATEMENT}, {CAUSE} FROM statements AS it {CAUSE_JOIN} {STATEMENT_JOIN}
             WHERE {conditions} ORDER BY it.id LIMIT ?2"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let values = params![
            paging.after(),
            paging.fetch(),
            filter.from_ms.map(int),
            filter.to_ms.map(int),
            filter.account.map(|account| account.0),
            filter.agreement.map(|agreement| agreement.0),
        ];
        let rows = statement.query_map(values, statement_row)?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// One statement.
    pub fn statement(&self, agreement: AgreementId, number: u32) -> Result<Option<StatementRow>, ReadError> {
        let sql = format!(
            "{STATEMENT}, {CAUSE} FROM statements AS it {CAUSE_JOIN} {STATEMENT_JOIN}
             WHERE agreements.agreement = ? AND it.number = ?"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let row = statement.query_row(params![agreement.0, number], statement_row).optional()?;
        Ok(row.map(|(_, statement)| statement))
    }

    /// The terms that were in force when a statement was issued.
    pub fn terms_of_statement(&self, agreement: AgreementId, number: u32) -> Result<Option<AgreementTerms>, ReadError> {
        let sql = "SELECT COALESCE(statements.terms, agreements.terms) AS terms FROM statements
                   JOIN agreements ON agreements.id = statements.agreement
                   WHERE agreements.agreement = ? AND statements.number = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params![agreement.0, number], |row| value(row, "terms")).optional()?)
    }

    /// The number of the last statement before `number` that has a line on a tranche.
    pub fn last_statement_on_tranche(
        &self,
        agreement: AgreementId,
        number: u32,
        carrier: Carrier,
        tranche: u32,
    ) -> Result<Option<u32>, ReadError> {
        let sql = "SELECT MAX(number) FROM tranche_statements
                   WHERE agreement = (SELECT id FROM agreements WHERE agreements.agreement = ?)
                   AND number < ? AND carrier = ? AND tranche = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params![agreement.0, number, carrier as u8, tranche], |row| row.get(0))?)
    }

    /// Where the certified runs stand in the certification log that a statement counts, by rising place: for a purchase those of
    /// its meters that overlap its window, for a subscription those charged to it, each within the range of ids that the
    /// statement names.
    pub fn runs_of_statement(&self, terms: &AgreementTerms, statement: &Statement) -> Result<Vec<u64>, ReadError> {
        let ids = int(statement.first_certificate.0)..int(statement.end_certificate.0);
        let runs = runs_of_agreement(&self.snapshot()?, (statement.agreement, &terms.program), ALWAYS, ids)?;
        Ok(runs.into_iter().map(|(_, position)| position).collect())
    }
}
