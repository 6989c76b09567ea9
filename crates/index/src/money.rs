//! Movements of money: issue, redemption, transfers, and what agreements do with money put under them.

use crate::fold::{Fold, FoldError, diverged};
use crate::page::{Page, Paging};
use crate::sql::{int, money, uint};
use crate::{ReadError, Reader};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::agreement::Side;
use utilidor_types::event::{Movement, Purpose};
use utilidor_types::{AccountId, AgreementId, Money, TransactionHash};

/// A movement of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MovementRow {
    /// `issue`, `redeem`, `transfer`, or for agreements `reserve`, `release`, `pay_from_reserve`, `pay`, `forfeit`.
    pub kind: String,
    /// What reserved money is or was for: `deposit`, `guarantee` or `prepayment`.
    pub purpose: Option<String>,
    /// Who gave it; none for an issue. Reserving and releasing stay within one account.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub from: Option<AccountId>,
    /// Who got it; none for a redemption.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub to: Option<AccountId>,
    /// How much.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub amount: Money,
    /// The agreement it is for.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub agreement: Option<AgreementId>,
    /// The issuer's or payer's reference.
    pub reference: Option<String>,
    /// Where it happened.
    pub cause: CauseRow,
}

/// The receipt behind a row, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CauseRow {
    /// The block's height.
    pub height: u64,
    /// The receipt's place in the block.
    pub receipt: u32,
    /// The block's time.
    pub time_ms: u64,
    /// The transaction, unless it was due work.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub transaction: Option<TransactionHash>,
    /// When the work was due, unless it was a transaction.
    pub due_ms: Option<u64>,
}

/// Columns of a [`CauseRow`], for a query that joins [`CAUSE_JOIN`].
pub(crate) const CAUSE: &str = "receipts.height AS cause_height, receipts.place AS cause_place,
    blocks.time_ms AS cause_time_ms, transactions.hash AS cause_transaction, receipts.due_ms AS cause_due_ms";

/// The tables behind [`CAUSE`], for a table with a column `receipt` called `it`.
pub(crate) const CAUSE_JOIN: &str = "JOIN receipts ON receipts.id = it.receipt
    JOIN blocks ON blocks.height = receipts.height
    LEFT JOIN transactions ON transactions.id = receipts.\"transaction\"";

/// Reads the columns of [`CAUSE`].
pub(crate) fn cause(row: &Row<'_>) -> rusqlite::Result<CauseRow> {
    Ok(CauseRow {
        height: uint(row, "cause_height")?,
        receipt: row.get("cause_place")?,
        time_ms: uint(row, "cause_time_ms")?,
        transaction: row.get::<_, Option<[u8; 32]>>("cause_transaction")?.map(TransactionHash),
        due_ms: crate::sql::maybe_uint(row, "cause_due_ms")?,
    })
}

/// Free or reserved money of an account.
#[derive(Clone, Copy)]
enum Balance {
    Free,
    Reserved,
}

const fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Deposit => "deposit",
        Purpose::Guarantee => "guarantee",
        Purpose::Prepayment => "prepayment",
    }
}

struct Entry<'a> {
    kind: &'a str,
    purpose: Option<Purpose>,
    from: Option<(AccountId, Balance)>,
    to: Option<(AccountId, Balance)>,
    amount: Money,
    agreement: Option<i64>,
    reference: Option<&'a str>,
}

impl Fold<'_> {
    pub fn issue(&mut self, to: AccountId, amount: Money, reference: &str) -> Result<(), FoldError> {
        let issued = self.totals.issued.checked_add(amount.0);
        self.totals.issued = issued.ok_or_else(|| diverged("all money issued leaves the range of money"))?;
        let to = Some((to, Balance::Free));
        let reference = Some(reference);
        self.enter(Entry { kind: "issue", purpose: None, from: None, to, amount, agreement: None, reference })
    }

    pub fn redeem(&mut self, by: AccountId, amount: Money, reference: &str) -> Result<(), FoldError> {
        let redeemed = self.totals.redeemed.checked_add(amount.0);
        self.totals.redeemed = redeemed.ok_or_else(|| diverged("all money redeemed leaves the range of money"))?;
        let from = Some((by, Balance::Free));
        let reference = Some(reference);
        self.enter(Entry { kind: "redeem", purpose: None, from, to: None, amount, agreement: None, reference })
    }

    pub fn transfer(
        &mut self,
        from: AccountId,
        to: AccountId,
        amount: Money,
        reference: &str,
    ) -> Result<(), FoldError> {
        self.enter(Entry {
            kind: "transfer",
            purpose: None,
            from: Some((from, Balance::Free)),
            to: Some((to, Balance::Free)),
            amount,
            agreement: None,
            reference: Some(reference),
        })
    }

    /// A movement of an agreement's money, by the meaning that [`Movement`] gives it.
    pub fn moved(&mut self, agreement: AgreementId, movement: Movement, amount: Money) -> Result<(), FoldError> {
        use Balance::{Free, Reserved};
        let party = self.party(agreement)?;
        let of = |side: Side| if side == Side::Owner { party.owner } else { party.user };
        let (kind, purpose, from, to) = match movement {
            Movement::Reserve { side, purpose } => ("reserve", Some(purpose), (of(side), Free), (of(side), Reserved)),
            Movement::Release { side, purpose } => ("release", Some(purpose), (of(side), Reserved), (of(side), Free)),
            Movement::PayFromReserve { purpose } => {
                ("pay_from_reserve", Some(purpose), (party.user, Reserved), (party.owner, Free))
            }
            Movement::Pay => ("pay", None, (party.user, Free), (party.owner, Free)),
            Movement::Forfeit { by } => ("forfeit", Some(Purpose::Deposit), (of(by), Reserved), (of(by.other()), Free)),
        };
        let agreement = Some(party.id);
        self.enter(Entry { kind, purpose, from: Some(from), to: Some(to), amount, agreement, reference: None })
    }

    fn enter(&mut self, entry: Entry<'_>) -> Result<(), FoldError> {
        let from = entry.from.map(|from| self.change(from, |held| held.checked_sub(entry.amount.0))).transpose()?;
        let to = entry.to.map(|to| self.change(to, |held| held.checked_add(entry.amount.0))).transpose()?;
        self.sql
            .prepare_cached(
                "INSERT INTO movements (receipt, kind, purpose, from_account, to_account, amount, agreement, reference)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                self.receipt,
                entry.kind,
                entry.purpose.map(purpose_name),
                from,
                to,
                int(entry.amount.0),
                entry.agreement,
                entry.reference,
            ])?;
        Ok(())
    }

    fn change(
        &mut self,
        (account, balance): (AccountId, Balance),
        change: impl FnOnce(u64) -> Option<u64>,
    ) -> Result<i64, FoldError> {
        let state = self.account(account)?;
        let held = match balance {
            Balance::Free => &mut state.free,
            Balance::Reserved => &mut state.reserved,
        };
        *held = change(*held)
            .ok_or_else(|| diverged(format!("a movement takes more from account {account} than {}", Money(*held))))?;
        state.changed = true;
        Ok(state.id)
    }
}

fn movement_row(row: &Row<'_>) -> rusqlite::Result<(i64, MovementRow)> {
    let movement = MovementRow {
        kind: row.get("kind")?,
        purpose: row.get("purpose")?,
        from: row.get::<_, Option<[u8; 32]>>("from_id")?.map(AccountId),
        to: row.get::<_, Option<[u8; 32]>>("to_id")?.map(AccountId),
        amount: money(row, "amount")?,
        agreement: row.get::<_, Option<[u8; 16]>>("agreement_id")?.map(AgreementId),
        reference: row.get("reference")?,
        cause: cause(row)?,
    };
    Ok((row.get("id")?, movement))
}

fn movements_sql(ids: &str) -> String {
    format!(
        "SELECT it.id AS id, it.kind AS kind, it.purpose AS purpose, it.amount AS amount, it.reference AS reference,
         source.account AS from_id, target.account AS to_id,
         agreements.agreement AS agreement_id, {CAUSE}
         FROM movements AS it {CAUSE_JOIN}
         LEFT JOIN accounts AS source ON source.id = it.from_account
         LEFT JOIN accounts AS target ON target.id = it.to_account
         LEFT JOIN agreements ON agreements.id = it.agreement
         WHERE it.id IN ({ids}) ORDER BY it.id"
    )
}

impl Reader {
    /// Movements of an account's money, oldest first.
    pub fn movements_of_account(&self, account: AccountId, paging: Paging) -> Result<Page<MovementRow>, ReadError> {
        let sql = movements_sql(
            "SELECT id FROM (
               SELECT * FROM (SELECT id FROM movements WHERE id > ?2
                 AND from_account = (SELECT id FROM accounts WHERE account = ?1) ORDER BY id LIMIT ?3)
               UNION
               SELECT * FROM (SELECT id FROM movements WHERE id > ?2
                 AND to_account = (SELECT id FROM accounts WHERE account = ?1) ORDER BY id LIMIT ?3)
             ) ORDER BY id LIMIT ?3",
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![account.0, paging.after(), paging.fetch()], movement_row)?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// Movements of an agreement's money, oldest first.
    pub fn movements_of_agreement(
        &self,
        agreement: AgreementId,
        paging: Paging,
    ) -> Result<Page<MovementRow>, ReadError> {
        let sql = movements_sql(
            "SELECT id FROM movements WHERE id > ?2
             AND agreement = (SELECT id FROM agreements WHERE agreement = ?1) ORDER BY id LIMIT ?3",
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![agreement.0, paging.after(), paging.fetch()], movement_row)?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }
}
