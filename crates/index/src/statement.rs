//! Statements and their lines.

use crate::fold::{Fold, FoldError};
use crate::money::{CAUSE, CAUSE_JOIN, CauseRow, cause};
use crate::package::Draw;
use crate::page::{Page, Paging};
use crate::sql::{body, int, value};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::statement::StatementLine;
use utilidor_types::{AccountId, AgreementId, AgreementTerms, Carrier, CertificateId, Money, Program, Statement};

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

/// Kind, carrier, tranche, quantity or weight, and amount of a line, as columns.
fn columns(line: &StatementLine) -> (&'static str, Carrier, Option<u32>, Option<u64>, Option<Money>) {
    use StatementLine as Line;
    match *line {
        Line::Delivery { carrier, delivered, amount, .. } => {
            ("delivery", carrier, None, Some(delivered.0), Some(amount))
        }
        Line::Forfeit { carrier, shortfall, amount, .. } => ("forfeit", carrier, None, Some(shortfall.0), Some(amount)),
        Line::Usage { carrier, quantity, .. } => ("usage", carrier, None, Some(quantity.0), None),
        Line::Charge { carrier, tranche, weight, amount, .. } => {
            ("charge", carrier, Some(tranche), Some(weight), Some(amount))
        }
        Line::Owed { carrier, weight } => ("owed", carrier, None, Some(weight), None),
        Line::OwedCharge { carrier, weight, amount, .. } => ("owed_charge", carrier, None, Some(weight), Some(amount)),
        Line::FloorArea { carrier, tranche, amount, .. } => ("floor_area", carrier, Some(tranche), None, Some(amount)),
        Line::Refund { carrier, tranche, amount, .. } => ("refund", carrier, Some(tranche), None, Some(amount)),
    }
}

impl Fold<'_> {
    pub fn statement_issued(&mut self, statement: &Statement) -> Result<(), FoldError> {
        let party = self.party(statement.agreement)?;
        let (owner, user) = (self.account(party.owner)?.id, self.account(party.user)?.id);
        self.sql
            .prepare_cached(
                "INSERT INTO statements (agreement, number, owner, user, from_ms, to_ms, issued_ms, paid, unpaid,
                 substituted, terms, receipt, body)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, terms, ?11, ?12 FROM agreements WHERE id = ?1",
            )?
            .execute(params![
                party.id,
                statement.number,
                owner,
                user,
                int(statement.period.from.0),
                int(statement.period.to.0),
                int(statement.issued.0),
                int(statement.paid.0),
                int(statement.unpaid.0),
                statement.substituted,
                self.receipt,
                body(statement),
            ])?;
        let row = self.sql.last_insert_rowid();
        self.totals.statements += 1;
        let sql = "UPDATE agreements SET statements = statements + 1 WHERE id = ?";
        self.sql.prepare_cached(sql)?.execute([party.id])?;

        let sql = "INSERT INTO statement_lines (statement, line, kind, carrier, tranche, quantity, amount)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let mut lines = self.sql.prepare_cached(sql)?;
        for (place, line) in statement.lines.iter().enumerate() {
            let (kind, carrier, tranche, quantity, amount) = columns(line);
            let amount = amount.map(|amount| int(amount.0));
            lines.execute(params![row, place as i64, kind, carrier as u8, tranche, quantity.map(int), amount])?;
            let draw = match *line {
                StatementLine::Charge { weight, amount, .. } => Draw { weight, charged: amount, ..Draw::default() },
                StatementLine::FloorArea { amount, .. } => Draw { charged: amount, ..Draw::default() },
                StatementLine::Refund { amount, withheld, .. } => {
                    Draw { refunded: amount, withheld, ..Draw::default() }
                }
                _ => continue,
            };
            if let Some(tranche) = tranche {
                self.draw(party.id, carrier, tranche, draw)?;
            }
        }
        Ok(())
    }
}

const STATEMENT: &str = "SELECT it.id AS id, it.body AS body, sells.account AS owner_id, buys.account AS user_id,
    agreements.kind AS kind";
const STATEMENT_JOIN: &str = "JOIN agreements ON agreements.id = it.agreement
    JOIN accounts AS sells ON sells.id = it.owner JOIN accounts AS buys ON buys.id = it.user";

fn statement_row(row: &Row<'_>) -> rusqlite::Result<(i64, StatementRow)> {
    let statement = StatementRow {
        statement: value(row, "body")?,
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
        let sql = "SELECT statements.terms AS terms FROM statements
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
        let sql = "SELECT MAX(statements.number) FROM statements
                   JOIN agreements ON agreements.id = statements.agreement
                   JOIN statement_lines ON statement_lines.statement = statements.id
                   WHERE agreements.agreement = ? AND statements.number < ? AND statement_lines.carrier = ?
                   AND statement_lines.tranche = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row(params![agreement.0, number, carrier as u8, tranche], |row| row.get(0))?)
    }

    /// The certificates that a statement counts, by rising id: for a purchase those of its meters that overlap its window, for
    /// a subscription those charged to it, each within the range of the log that the statement names.
    pub fn certificates_of_statement(
        &self,
        terms: &AgreementTerms,
        statement: &Statement,
    ) -> Result<Vec<CertificateId>, ReadError> {
        let snapshot = self.snapshot()?;
        let range = [int(statement.first_certificate.0), int(statement.end_certificate.0)];
        let mut ids: Vec<i64> = Vec::new();
        match &terms.program {
            Program::Purchase(terms) => {
                let meters = terms.lots.iter().flat_map(|lot| [lot.metering.delivery, lot.metering.take]).flatten();
                let sql = "SELECT id FROM certificates WHERE meter = (SELECT id FROM meters WHERE meters.meter = ?1)
                           AND from_ms < ?2 AND to_ms > ?3 AND id >= ?4 AND id < ?5";
                let mut query = snapshot.prepare_cached(sql)?;
                let (from, to) = (int(terms.window.from.0), int(terms.window.to.0));
                for meter in meters.collect::<std::collections::BTreeSet<_>>() {
                    let rows =
                        query.query_map(params![meter.0, to, from, range[0], range[1]], |row| row.get::<_, i64>(0))?;
                    ids.extend(rows.collect::<Result<Vec<_>, _>>()?);
                }
            }
            Program::Subscription(_) => {
                let sql = "SELECT certificates.id FROM subscription_meters
                           JOIN certificates ON certificates.meter = subscription_meters.meter
                             AND certificates.subscription = subscription_meters.subscription
                           WHERE subscription_meters.subscription = (SELECT id FROM agreements WHERE agreement = ?1)
                           AND certificates.id >= ?2 AND certificates.id < ?3";
                let mut query = snapshot.prepare_cached(sql)?;
                let rows =
                    query.query_map(params![statement.agreement.0, range[0], range[1]], |row| row.get::<_, i64>(0))?;
                ids.extend(rows.collect::<Result<Vec<_>, _>>()?);
            }
        }
        ids.sort_unstable();
        Ok(ids.into_iter().map(|id| CertificateId(id as u64)).collect())
    }
}
