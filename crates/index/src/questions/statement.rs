//! Statements, read out of the receipts that issue them.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::page::Paging;
use crate::store::columns::{corrupt, int, named, value};
use rusqlite::{Row, params};
use utilidor_types::{AgreementId, AgreementTerms, Event, Receipt};
use utilidor_view::{Kind, Page, StatementFilter, StatementView};

const STATEMENT: &str = "SELECT it.id AS id, it.place AS place, agreements.kind AS kind, agreements.terms AS terms,
    receipts.body AS body";
const STATEMENT_JOIN: &str = "JOIN agreements ON agreements.id = it.agreement";

fn statement_view(row: &Row<'_>) -> rusqlite::Result<(i64, StatementView)> {
    let terms: AgreementTerms = value(row, "terms")?;
    let receipt: Receipt = value(row, "body")?;
    let Some(Event::StatementIssued(statement)) = receipt.events().get(row.get::<_, i64>("place")? as usize) else {
        return Err(corrupt(row, "body", "the receipt issues no such statement"));
    };
    let (Some(owner), Some(user)) = (terms.owner(), terms.user()) else {
        return Err(corrupt(row, "terms", "an agreement has an owner and a user"));
    };
    let kind = named(row, "kind", &Kind::ALL, Kind::name)?;
    Ok((row.get("id")?, StatementView { statement: statement.clone(), owner, user, kind, cause: cause(row)? }))
}

impl Questions<'_> {
    /// Statements in the order of issue.
    pub fn statements(&self, filter: &StatementFilter, paging: Paging) -> Read<Page<StatementView>> {
        self.statements_of(None, filter, paging)
    }

    /// Statements of an agreement in the order of issue.
    pub fn statements_of_agreement(&self, agreement: AgreementId, paging: Paging) -> Read<Option<Page<StatementView>>> {
        if !self.sees_agreement(agreement)? {
            return Ok(None);
        }
        self.statements_of(Some(agreement), &StatementFilter::default(), paging).map(Some)
    }

    fn statements_of(
        &self,
        agreement: Option<AgreementId>,
        filter: &StatementFilter,
        paging: Paging,
    ) -> Read<Page<StatementView>> {
        let of_account = match filter.account {
            Some(_) => {
                "it.id IN (SELECT statements.id FROM agreement_parties
                 JOIN statements ON statements.agreement = agreement_parties.agreement
                 WHERE agreement_parties.account = (SELECT id FROM accounts WHERE account = ?5))"
            }
            None => "?5 IS NULL",
        };
        let of_agreement = match agreement {
            Some(_) => "it.agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?6)",
            None => "?6 IS NULL",
        };
        let (beyond, order, seen) = (paging.beyond("it.id"), paging.by("it.id"), self.agreements_seen("it.agreement"));
        let sql = format!(
            "{STATEMENT}, {CAUSE} FROM statements AS it {CAUSE_JOIN} {STATEMENT_JOIN}
             WHERE {beyond} AND (?3 IS NULL OR it.to_ms > ?3) AND (?4 IS NULL OR it.from_ms < ?4)
             AND {of_account} AND {of_agreement} AND {seen} {order} LIMIT ?2"
        );
        let values = params![
            paging.after(),
            paging.fetch(),
            filter.from_ms.map(|from| int(from.0)),
            filter.to_ms.map(|to| int(to.0)),
            filter.account.map(|account| account.0),
            agreement.map(|agreement| agreement.0),
        ];
        let mut page = self.page(paging, &sql, values, statement_view)?;
        self.withhold(page.items.iter_mut().map(|row| &mut row.cause))?;
        Ok(page)
    }

    /// One statement.
    pub fn statement(&self, agreement: AgreementId, number: u32) -> Read<Option<StatementView>> {
        if !self.sees_agreement(agreement)? {
            return Ok(None);
        }
        let sql = format!(
            "{STATEMENT}, {CAUSE} FROM statements AS it {CAUSE_JOIN} {STATEMENT_JOIN}
             WHERE it.agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?) AND it.number = ?"
        );
        let Some((_, mut found)) = self.find(&sql, params![agreement.0, number], statement_view)? else {
            return Ok(None);
        };
        self.withhold([&mut found.cause])?;
        Ok(Some(found))
    }
}
