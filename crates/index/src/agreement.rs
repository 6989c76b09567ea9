//! Agreements: their parties, terms, signatures and steps.

use crate::fold::{Fold, FoldError, diverged};
use crate::money::{CAUSE, CAUSE_JOIN, CauseRow, Parties, cause};
use crate::page::{Page, Paging};
use crate::sql::{body, int, uint, value};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, Transaction, params};
use serde::{Deserialize, Serialize};
use utilidor_types::action::{Action, AwardedQuote};
use utilidor_types::agreement::{AgreementTerms, Origin, Program, Side, Status};
use utilidor_types::{AccountId, AgreementId, Digest, OfferId, Timestamp};

/// An agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AgreementRow {
    /// The agreement.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub agreement: AgreementId,
    /// The seller.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub owner: AccountId,
    /// The buyer.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub user: AccountId,
    /// `purchase` or `subscription`.
    pub kind: String,
    /// Where it stands.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub status: Status,
    /// Where it comes from.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub origin: Origin,
    /// The terms in force.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub terms: AgreementTerms,
    /// Digest of the terms in force: what is signed.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub terms_digest: Digest,
    /// Signed before this time.
    pub sign_by_ms: u64,
    /// Statements issued so far.
    pub statements: u32,
    /// Every signature and change of status, in order.
    pub steps: Vec<StepRow>,
}

/// Something that happened to an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StepRow {
    /// `signed`, `amendment_proposed`, `amended`, `termination_requested`, or the status that was reached: `proposed`,
    /// `active`, `settled`, `defaulted`, `terminated`, `declined`, `expired`.
    pub step: String,
    /// Who did it, where an account did.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub account: Option<AccountId>,
    /// Digest of the terms that were signed, proposed or took effect.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub terms: Option<Digest>,
    /// Where it happened.
    pub cause: CauseRow,
}

/// Which agreements are wanted; what is `None` does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgreementFilter {
    /// With this account as a party.
    pub account: Option<AccountId>,
    /// With this status.
    pub status: Option<Status>,
    /// `purchase` or `subscription`.
    pub kind: Option<String>,
    /// From an award on this offer.
    pub offer: Option<OfferId>,
}

/// An agreement while a block is folded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party {
    pub id: i64,
    pub parties: Parties,
    kind: &'static str,
    status: Status,
}

/// A step on its way into the table.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Step {
    agreement: i64,
    receipt: i64,
    place: i64,
    step: &'static str,
    account: Option<i64>,
    terms: Option<Digest>,
}

const PURCHASE: &str = "purchase";
const SUBSCRIPTION: &str = "subscription";

const fn kind(program: &Program) -> &'static str {
    match program {
        Program::Purchase(_) => PURCHASE,
        Program::Subscription(_) => SUBSCRIPTION,
    }
}

impl Fold<'_> {
    /// The row of an agreement and its parties.
    pub fn party(&mut self, agreement: AgreementId) -> Result<Party, FoldError> {
        if let Some(party) = self.rows.agreements.get(&agreement) {
            return Ok(*party);
        }
        let sql = "SELECT it.id AS id, sells.account AS owner, buys.account AS user, kind, status FROM agreements AS it
                   JOIN accounts AS sells ON sells.id = it.owner JOIN accounts AS buys ON buys.id = it.user
                   WHERE it.agreement = ?";
        let party = self.sql.prepare_cached(sql)?.query_row([agreement.0], |row| {
            let kind = if row.get_ref("kind")?.as_str()? == PURCHASE { PURCHASE } else { SUBSCRIPTION };
            let parties = parties_of(row)?;
            Ok(Party { id: row.get("id")?, parties, kind, status: status_of(row)? })
        });
        let party = party.optional()?;
        let party = party.ok_or_else(|| diverged(format!("agreement {agreement} was never proposed")))?;
        self.rows.agreements.insert(agreement, party);
        Ok(party)
    }

    pub fn agreement_proposed(
        &mut self,
        agreement: AgreementId,
        (owner, user): (AccountId, AccountId),
        digest: Digest,
        sign_by: Timestamp,
        request: Option<(AccountId, &Action)>,
    ) -> Result<(), FoldError> {
        let proposed = self.proposed_terms(agreement, (owner, user), request)?;
        let Proposed { terms, origin, offer, award } = proposed
            .ok_or_else(|| diverged(format!("the receipt proposes agreement {agreement}, its action does not")))?;
        if terms.digest() != digest {
            return Err(diverged(format!("the terms of agreement {agreement} are not those that its receipt names")));
        }
        let sql = "INSERT INTO agreements (agreement, owner, user, kind, status, origin, offer, terms, sign_by_ms)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let (kind, status) = (kind(&terms.program), Status::Proposed);
        let (owner_row, user_row) = (self.account(owner)?.id, self.account(user)?.id);
        self.sql.prepare_cached(sql)?.execute(params![
            agreement.0,
            owner_row,
            user_row,
            kind,
            status.name(),
            body(&origin),
            offer,
            body(&terms),
            int(sign_by.0),
        ])?;
        let id = self.sql.last_insert_rowid();
        self.rows.agreements.insert(agreement, Party { id, parties: Parties { owner, user }, kind, status });
        *self.late.counts.entry((kind, status.name())).or_default() += 1;

        self.step(agreement, "proposed", None, Some(digest))?;
        match origin {
            Origin::Award { .. } => {
                self.signed(agreement, owner, digest)?;
                let quote = match (offer, award) {
                    (Some(offer), Some(award)) => self.award_quote(offer, id, award)?,
                    _ => None,
                };
                // Submitting a binding quote was the user's signature.
                if let Some((submitted, true)) = quote {
                    self.signed_at(submitted, id, user, digest)?;
                }
            }
            Origin::Proposal { by } => self.signed(agreement, terms.party(by), digest)?,
            Origin::Package => {
                if let Program::Subscription(subscription) = &terms.program {
                    // Publishing the package was the owner's signature.
                    let published = self.package(subscription.package, subscription.version)?.0;
                    self.signed_at(published, id, owner, digest)?;
                }
                self.signed(agreement, user, digest)?;
            }
        }
        Ok(())
    }

    /// What the action proposes under this id, worked out as the ledger does.
    fn proposed_terms<'r>(
        &mut self,
        agreement: AgreementId,
        (owner, user): (AccountId, AccountId),
        request: Option<(AccountId, &'r Action)>,
    ) -> Result<Option<Proposed<'r>>, FoldError> {
        let Some((by, action)) = request else { return Ok(None) };
        Ok(match action {
            Action::Award { awards } => {
                let Some(award) = awards.iter().find(|award| award.agreement == agreement) else { return Ok(None) };
                let (row, published) = self.offer(award.offer)?;
                let program = Program::Purchase(published.purchase_terms(&award.opening));
                let terms = AgreementTerms { owner, user, program };
                let origin = Origin::Award { offer: award.offer };
                Some(Proposed { terms, origin, offer: Some(row), award: Some(award) })
            }
            Action::ProposeAgreement { id, terms, .. } if *id == agreement => {
                let by = if by == terms.owner { Side::Owner } else { Side::User };
                Some(Proposed { terms: terms.clone(), origin: Origin::Proposal { by }, offer: None, award: None })
            }
            Action::Subscribe { id, terms } if *id == agreement => {
                let terms = AgreementTerms { owner, user, program: Program::Subscription(terms.clone()) };
                Some(Proposed { terms, origin: Origin::Package, offer: None, award: None })
            }
            _ => None,
        })
    }

    pub fn agreement_status(&mut self, agreement: AgreementId, status: Status) -> Result<(), FoldError> {
        let party = self.party(agreement)?;
        *self.late.counts.entry((party.kind, party.status.name())).or_default() -= 1;
        *self.late.counts.entry((party.kind, status.name())).or_default() += 1;
        self.late.statuses.insert(party.id, status.name());
        self.rows.agreements.insert(agreement, Party { status, ..party });
        if matches!(status, Status::Declined | Status::Expired) {
            self.return_lots(party.id)?;
        }
        self.step(agreement, status.name(), None, None)
    }

    pub fn propose_amendment(
        &mut self,
        by: AccountId,
        agreement: AgreementId,
        program: &Program,
    ) -> Result<(), FoldError> {
        let party = self.party(agreement)?;
        let Parties { owner, user } = party.parties;
        let terms = AgreementTerms { owner, user, program: program.clone() };
        let digest = terms.digest();
        let sql = "INSERT OR IGNORE INTO amendments (agreement, digest, terms) VALUES (?, ?, ?)";
        self.sql.prepare_cached(sql)?.execute(params![party.id, digest.0, body(&terms)])?;
        self.step(agreement, "amendment_proposed", Some(by), Some(digest))?;
        self.signed(agreement, by, digest)
    }

    pub fn agreement_amended(&mut self, agreement: AgreementId, digest: Digest) -> Result<(), FoldError> {
        let party = self.party(agreement)?;
        // Statements so far were made on the terms so far.
        let sql = "UPDATE statements SET terms = agreements.terms FROM agreements
                   WHERE agreements.id = ?1 AND statements.agreement = ?1 AND statements.terms IS NULL";
        self.sql.prepare_cached(sql)?.execute([party.id])?;
        let sql = "UPDATE agreements SET terms = amendments.terms FROM amendments
                   WHERE agreements.id = ?1 AND amendments.agreement = ?1 AND amendments.digest = ?2";
        if self.sql.prepare_cached(sql)?.execute(params![party.id, digest.0])? != 1 {
            return Err(diverged(format!("agreement {agreement} is amended to terms that nobody proposed")));
        }
        self.step(agreement, "amended", None, Some(digest))
    }

    /// A party signs terms with the present transaction.
    pub fn signed(&mut self, agreement: AgreementId, by: AccountId, terms: Digest) -> Result<(), FoldError> {
        let party = self.party(agreement)?;
        self.signed_at(self.receipt, party.id, by, terms)
    }

    /// A party signed terms with the transaction of a receipt.
    fn signed_at(&mut self, receipt: i64, agreement: i64, by: AccountId, terms: Digest) -> Result<(), FoldError> {
        let account = Some(self.account(by)?.id);
        self.push_step(Step { agreement, receipt, place: 0, step: "signed", account, terms: Some(terms) });
        Ok(())
    }

    pub fn step(
        &mut self,
        agreement: AgreementId,
        step: &'static str,
        by: Option<AccountId>,
        terms: Option<Digest>,
    ) -> Result<(), FoldError> {
        let agreement = self.party(agreement)?.id;
        let account = by.map(|by| self.account(by).map(|account| account.id)).transpose()?;
        self.push_step(Step { agreement, receipt: self.receipt, place: 0, step, account, terms });
        Ok(())
    }

    fn push_step(&mut self, step: Step) {
        let place = self.late.steps.len() as i64;
        self.late.steps.push(Step { place, ..step });
    }

    /// Writes what the block did to agreements.
    pub fn write_agreements(&mut self) -> Result<(), FoldError> {
        let mut update = self.sql.prepare_cached("UPDATE agreements SET status = ? WHERE id = ?")?;
        for (agreement, status) in std::mem::take(&mut self.late.statuses) {
            update.execute(params![status, agreement])?;
        }
        let sql = "INSERT INTO agreement_counts (kind, status, count) VALUES (?1, ?2, ?3)
                   ON CONFLICT (kind, status) DO UPDATE SET count = count + ?3";
        let mut count = self.sql.prepare_cached(sql)?;
        for ((kind, status), change) in std::mem::take(&mut self.late.counts) {
            count.execute(params![kind, status, change])?;
        }
        let sql =
            "INSERT INTO agreement_steps (agreement, receipt, place, step, account, terms) VALUES (?, ?, ?, ?, ?, ?)";
        let mut insert = self.sql.prepare_cached(sql)?;
        let mut steps = std::mem::take(&mut self.late.steps);
        steps.sort_unstable();
        for Step { agreement, receipt, place, step, account, terms } in steps {
            insert.execute(params![agreement, receipt, place, step, account, terms.map(|terms| terms.0)])?;
        }
        Ok(())
    }
}

struct Proposed<'r> {
    terms: AgreementTerms,
    origin: Origin,
    offer: Option<i64>,
    award: Option<&'r AwardedQuote>,
}

fn agreement_row(row: &Row<'_>) -> rusqlite::Result<(i64, AgreementRow)> {
    let terms: AgreementTerms = value(row, "terms")?;
    let agreement = AgreementRow {
        agreement: AgreementId(row.get("agreement")?),
        owner: terms.owner,
        user: terms.user,
        kind: row.get("kind")?,
        status: status_of(row)?,
        origin: value(row, "origin")?,
        terms_digest: terms.digest(),
        terms,
        sign_by_ms: uint(row, "sign_by_ms")?,
        statements: row.get("statements")?,
        steps: Vec::new(),
    };
    Ok((row.get("id")?, agreement))
}

/// All statuses, in the order in which a summary lists them.
pub const STATUSES: [Status; 7] = [
    Status::Proposed,
    Status::Active,
    Status::Settled,
    Status::Defaulted,
    Status::Terminated,
    Status::Declined,
    Status::Expired,
];

/// The status of a name.
pub fn status(name: &str) -> Option<Status> {
    STATUSES.into_iter().find(|status| status.name() == name)
}

fn status_of(row: &Row<'_>) -> rusqlite::Result<Status> {
    status(row.get_ref("status")?.as_str()?).ok_or_else(|| crate::sql::corrupt(row, "status", "no such status"))
}

fn parties_of(row: &Row<'_>) -> rusqlite::Result<Parties> {
    Ok(Parties { owner: AccountId(row.get("owner")?), user: AccountId(row.get("user")?) })
}

/// The parties of an agreement that is there.
pub(crate) fn parties(snapshot: &Transaction<'_>, agreement: AgreementId) -> Result<Parties, ReadError> {
    let sql = "SELECT sells.account AS owner, buys.account AS user FROM agreements
               JOIN accounts AS sells ON sells.id = owner JOIN accounts AS buys ON buys.id = user WHERE agreement = ?";
    Ok(snapshot.prepare_cached(sql)?.query_row([agreement.0], parties_of)?)
}

/// All columns of an agreement, and how many statements it has.
const AGREEMENT: &str = "SELECT *, (SELECT COUNT(*) FROM statements WHERE statements.agreement = agreements.id)
    AS statements FROM agreements";

impl Reader {
    /// Agreements in the order in which they were proposed.
    pub fn agreements(&self, filter: &AgreementFilter, paging: Paging) -> Result<Page<AgreementRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let mut conditions = vec!["id > ?1"];
        if filter.account.is_some() {
            conditions.push(
                "id IN (SELECT id FROM agreements WHERE owner = (SELECT id FROM accounts WHERE account = ?3)
                 UNION SELECT id FROM agreements WHERE user = (SELECT id FROM accounts WHERE account = ?3))",
            );
        }
        conditions.push("(?4 IS NULL OR status = ?4) AND (?5 IS NULL OR kind = ?5)");
        conditions.push("(?6 IS NULL OR offer = (SELECT id FROM offers WHERE offers.offer = ?6))");
        conditions.push("(?3 IS NULL OR 1)");
        let sql = format!("{AGREEMENT} WHERE {} ORDER BY id LIMIT ?2", conditions.join(" AND "));
        let mut statement = snapshot.prepare_cached(&sql)?;
        let values = params![
            paging.after(),
            paging.fetch(),
            filter.account.map(|account| account.0),
            filter.status.map(Status::name),
            filter.kind,
            filter.offer.map(|offer| offer.0),
        ];
        let rows = statement.query_map(values, agreement_row)?;
        let mut rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        for (id, agreement) in &mut rows {
            agreement.steps = steps(&snapshot, *id)?;
        }
        Ok(Page::of(rows, paging))
    }

    /// One agreement.
    pub fn agreement(&self, agreement: AgreementId) -> Result<Option<AgreementRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{AGREEMENT} WHERE agreement = ?");
        let row = snapshot.prepare_cached(&sql)?.query_row([agreement.0], agreement_row).optional()?;
        let Some((id, mut row)) = row else { return Ok(None) };
        row.steps = steps(&snapshot, id)?;
        Ok(Some(row))
    }
}

fn steps(snapshot: &rusqlite::Transaction<'_>, agreement: i64) -> Result<Vec<StepRow>, ReadError> {
    let sql = format!(
        "SELECT step, accounts.account AS account_id, terms, {CAUSE} FROM agreement_steps AS it {CAUSE_JOIN}
         LEFT JOIN accounts ON accounts.id = it.account WHERE it.agreement = ? ORDER BY it.receipt, it.place"
    );
    let mut statement = snapshot.prepare_cached(&sql)?;
    let rows = statement.query_map([agreement], |row| {
        Ok(StepRow {
            step: row.get("step")?,
            account: row.get::<_, Option<[u8; 32]>>("account_id")?.map(AccountId),
            terms: row.get::<_, Option<[u8; 32]>>("terms")?.map(Digest),
            cause: cause(row)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
