//! Agreements with their steps, debts and amendments.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::page::Paging;
use crate::store::columns::{corrupt, int, maybe_time, money, named, time, value};
use rusqlite::{Row, params};
use utilidor_types::agreement::{AgreementTerms, Party, Status};
use utilidor_types::{AccountId, AgreementId, Digest};
use utilidor_view::{
    AgreementFilter, AgreementView, AmendmentView, CauseView, DebtView, Kind, Page, StepKind, StepView,
};

/// All columns of an agreement, and how many statements it has.
const AGREEMENT: &str = "SELECT *, (SELECT COUNT(*) FROM statements WHERE statements.agreement = agreements.id)
    AS statements FROM agreements";

fn agreement_view(row: &Row<'_>) -> rusqlite::Result<(i64, AgreementView)> {
    let terms: AgreementTerms = value(row, "terms")?;
    let (Some(owner), Some(user)) = (terms.owner(), terms.user()) else {
        return Err(corrupt(row, "terms", "an agreement has an owner and a user"));
    };
    let agreement = AgreementView {
        agreement: AgreementId(row.get("agreement")?),
        owner,
        user,
        kind: named(row, "kind", &Kind::ALL, Kind::name)?,
        status: named(row, "status", &Status::ALL, Status::name)?,
        origin: value(row, "origin")?,
        terms_digest: terms.digest(),
        terms,
        sign_by_ms: time(row, "sign_by_ms")?,
        ends_ms: maybe_time(row, "ends_ms")?,
        statements: row.get("statements")?,
        debts: Vec::new(),
        amendment: None,
        steps: Vec::new(),
    };
    Ok((row.get("id")?, agreement))
}

/// The causes that stand in an agreement.
pub(super) fn causes(agreement: &mut AgreementView) -> impl Iterator<Item = &mut CauseView> {
    let steps = agreement.steps.iter_mut().map(|step| &mut step.cause);
    let debts = agreement.debts.iter_mut().map(|debt| &mut debt.cause);
    steps.chain(debts).chain(agreement.amendment.iter_mut().map(|amendment| &mut amendment.cause))
}

impl Questions<'_> {
    /// Agreements in the order in which they were proposed.
    pub fn agreements(&self, filter: &AgreementFilter, paging: Paging) -> Read<Page<AgreementView>> {
        let of_account = match filter.account {
            Some(_) => {
                "id IN (SELECT agreement FROM agreement_parties
                 WHERE account = (SELECT id FROM accounts WHERE accounts.account = ?3))"
            }
            None => "?3 IS NULL",
        };
        let of_offer = match filter.offer {
            Some(_) => "offer IN (SELECT id FROM offers WHERE offers.offer = ?6)",
            None => "?6 IS NULL",
        };
        let sql = format!(
            "{AGREEMENT} WHERE {} AND {of_account} AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR kind = ?5)
             AND {of_offer} AND {} {} LIMIT ?2",
            paging.beyond("id"),
            self.agreements_seen("agreements.id"),
            paging.by("id")
        );
        let values = params![
            paging.after(),
            paging.fetch(),
            filter.account.map(|account| account.0),
            filter.status.map(Status::name),
            filter.kind.map(Kind::name),
            filter.offer.map(|offer| offer.0),
        ];
        let mut rows = self.all(&sql, values, agreement_view)?;
        for (id, agreement) in &mut rows {
            self.complete(*id, agreement)?;
            self.withhold(causes(agreement))?;
        }
        Ok(paging.page(rows))
    }

    /// One agreement.
    pub fn agreement(&self, agreement: AgreementId) -> Read<Option<AgreementView>> {
        let mut found = self.whole_agreement(agreement)?;
        found.as_mut().map(|found| self.withhold(causes(found))).transpose()?;
        Ok(found)
    }

    /// One agreement that is seen, with the causes of all its steps.
    pub(super) fn whole_agreement(&self, agreement: AgreementId) -> Read<Option<AgreementView>> {
        if !self.sees_agreement(agreement)? {
            return Ok(None);
        }
        let sql = format!("{AGREEMENT} WHERE agreement = ? ORDER BY id DESC LIMIT 1");
        let Some((id, mut row)) = self.find(&sql, [agreement.0], agreement_view)? else { return Ok(None) };
        self.complete(id, &mut row)?;
        Ok(Some(row))
    }

    fn complete(&self, id: i64, agreement: &mut AgreementView) -> Read<()> {
        agreement.steps = self.steps(id)?;
        agreement.debts = self.debts(id, &agreement.terms)?;
        agreement.amendment = self.amendment(id)?;
        Ok(())
    }

    fn steps(&self, agreement: i64) -> Read<Vec<StepView>> {
        let sql = format!(
            "SELECT step, accounts.account AS account_id, terms, at_ms, {CAUSE} FROM agreement_steps AS it {CAUSE_JOIN}
             LEFT JOIN accounts ON accounts.id = it.account WHERE it.agreement = ? ORDER BY it.receipt, it.place"
        );
        self.all(&sql, [agreement], |row| {
            Ok(StepView {
                step: named(row, "step", &StepKind::ALL, StepKind::name)?,
                account: row.get::<_, Option<[u8; 32]>>("account_id")?.map(AccountId),
                terms: row.get::<_, Option<[u8; 32]>>("terms")?.map(Digest),
                at_ms: maybe_time(row, "at_ms")?,
                cause: cause(row)?,
            })
        })
    }

    fn debts(&self, agreement: i64, terms: &AgreementTerms) -> Read<Vec<DebtView>> {
        let sql = format!(
            "SELECT party, owes, {CAUSE} FROM debts AS it {CAUSE_JOIN} WHERE it.agreement = ? AND owes <> ? ORDER BY party"
        );
        self.all(&sql, [agreement, int(0)], |row| {
            let party = Party(row.get("party")?);
            let account = terms.account(party).ok_or_else(|| corrupt(row, "party", "there is no such party"))?;
            Ok(DebtView { party, account, owes: money(row, "owes")?, cause: cause(row)? })
        })
    }

    fn amendment(&self, agreement: i64) -> Read<Option<AmendmentView>> {
        let sql = format!(
            "SELECT proposer, from_ms, terms, {CAUSE} FROM amendments AS it {CAUSE_JOIN} WHERE it.agreement = ?"
        );
        self.find(&sql, [agreement], |row| {
            let (terms, from_ms): (AgreementTerms, _) = (value(row, "terms")?, time(row, "from_ms")?);
            let digest = terms.amendment_digest(from_ms);
            Ok(AmendmentView { terms, from_ms, digest, by: AccountId(row.get("proposer")?), cause: cause(row)? })
        })
    }
}
