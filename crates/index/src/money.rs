//! Movements of money: issue, redemption, transfers, and what agreements do with money put under them.
//!
//! A movement has no row of its own: the index knows which receipts moved an account's or an agreement's money, and reads
//! what was moved out of them.

use crate::agreement::parties;
use crate::fold::{Fold, FoldError, diverged};
use crate::page::{Page, Paging};
use crate::sql::{maybe_uint, maybe_value, uint, value};
use crate::{ReadError, Reader};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utilidor_types::agreement::Side;
use utilidor_types::event::{Event, Movement, Purpose};
use utilidor_types::{AccountId, Action, AgreementId, Money, Receipt, SignedTransaction, TransactionHash};

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
    blocks.time_ms AS cause_time_ms, receipts.hash AS cause_transaction, receipts.due_ms AS cause_due_ms";

/// The tables behind [`CAUSE`], for a table with a column `receipt` called `it`.
pub(crate) const CAUSE_JOIN: &str = "JOIN receipts ON receipts.id = it.receipt
    JOIN blocks ON blocks.height = receipts.height";

/// Reads the columns of [`CAUSE`].
pub(crate) fn cause(row: &Row<'_>) -> rusqlite::Result<CauseRow> {
    Ok(CauseRow {
        height: uint(row, "cause_height")?,
        receipt: row.get("cause_place")?,
        time_ms: uint(row, "cause_time_ms")?,
        transaction: row.get::<_, Option<[u8; 32]>>("cause_transaction")?.map(TransactionHash),
        due_ms: maybe_uint(row, "cause_due_ms")?,
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

/// The sides of an agreement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parties {
    pub owner: AccountId,
    pub user: AccountId,
}

impl Parties {
    fn of(self, side: Side) -> AccountId {
        if side == Side::Owner { self.owner } else { self.user }
    }
}

/// A movement as a receipt or its transaction tells it.
pub(crate) struct Entry<'a> {
    kind: &'static str,
    purpose: Option<Purpose>,
    from: Option<(AccountId, Balance)>,
    to: Option<(AccountId, Balance)>,
    amount: Money,
    agreement: Option<AgreementId>,
    reference: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// What an action that was applied moves by itself.
    pub fn of_action(by: AccountId, action: &'a Action) -> Option<Self> {
        let free = |account| Some((account, Balance::Free));
        let (kind, from, to, amount, reference) = match action {
            Action::Issue { to, amount, reference } => ("issue", None, free(*to), *amount, reference),
            Action::Redeem { amount, reference } => ("redeem", free(by), None, *amount, reference),
            Action::Transfer { to, amount, reference } => ("transfer", free(by), free(*to), *amount, reference),
            _ => return None,
        };
        Some(Self { kind, purpose: None, from, to, amount, agreement: None, reference: Some(reference) })
    }

    /// An agreement's movement, by the meaning that [`Movement`] gives it.
    fn of_agreement(agreement: AgreementId, parties: Parties, movement: Movement, amount: Money) -> Self {
        use Balance::{Free, Reserved};
        let of = |side| parties.of(side);
        let (kind, purpose, from, to) = match movement {
            Movement::Reserve { side, purpose } => ("reserve", Some(purpose), (of(side), Free), (of(side), Reserved)),
            Movement::Release { side, purpose } => ("release", Some(purpose), (of(side), Reserved), (of(side), Free)),
            Movement::PayFromReserve { purpose } => {
                ("pay_from_reserve", Some(purpose), (parties.user, Reserved), (parties.owner, Free))
            }
            Movement::Pay => ("pay", None, (parties.user, Free), (parties.owner, Free)),
            Movement::Forfeit { by } => ("forfeit", Some(Purpose::Deposit), (of(by), Reserved), (of(by.other()), Free)),
        };
        let agreement = Some(agreement);
        Self { kind, purpose, from: Some(from), to: Some(to), amount, agreement, reference: None }
    }

    fn touches(&self, account: AccountId) -> bool {
        [self.from, self.to].into_iter().flatten().any(|(touched, _)| touched == account)
    }

    fn row(self, cause: CauseRow) -> MovementRow {
        MovementRow {
            kind: self.kind.into(),
            purpose: self.purpose.map(|purpose| purpose_name(purpose).into()),
            from: self.from.map(|(account, _)| account),
            to: self.to.map(|(account, _)| account),
            amount: self.amount,
            agreement: self.agreement,
            reference: self.reference.map(Into::into),
            cause,
        }
    }
}

impl Fold<'_> {
    pub fn issued(&mut self, amount: Money) -> Result<(), FoldError> {
        let issued = self.totals.issued.checked_add(amount.0);
        self.totals.issued = issued.ok_or_else(|| diverged("all money issued leaves the range of money"))?;
        Ok(())
    }

    pub fn redeemed(&mut self, amount: Money) -> Result<(), FoldError> {
        let redeemed = self.totals.redeemed.checked_add(amount.0);
        self.totals.redeemed = redeemed.ok_or_else(|| diverged("all money redeemed leaves the range of money"))?;
        Ok(())
    }

    /// A movement of an agreement's money.
    pub fn moved(&mut self, agreement: AgreementId, movement: Movement, amount: Money) -> Result<(), FoldError> {
        let party = self.party(agreement)?;
        self.late.agreement_receipts.push((party.id, self.receipt));
        self.enter(&Entry::of_agreement(agreement, party.parties, movement, amount))
    }

    pub fn enter(&mut self, entry: &Entry<'_>) -> Result<(), FoldError> {
        entry.from.map(|from| self.change(from, |held| held.checked_sub(entry.amount.0))).transpose()?;
        entry.to.map(|to| self.change(to, |held| held.checked_add(entry.amount.0))).transpose()?;
        Ok(())
    }

    fn change(
        &mut self,
        (account, balance): (AccountId, Balance),
        change: impl FnOnce(u64) -> Option<u64>,
    ) -> Result<(), FoldError> {
        let row = self.change_account(account, |state| {
            let held = match balance {
                Balance::Free => &mut state.free,
                Balance::Reserved => &mut state.reserved,
            };
            *held = change(*held).ok_or_else(|| {
                diverged(format!("a movement takes more from account {account} than {}", Money(*held)))
            })?;
            Ok::<_, FoldError>(state.id)
        })??;
        self.late.account_receipts.push((row, self.receipt));
        Ok(())
    }
}

/// Bits of a place within a receipt, in a cursor that names both.
pub(crate) const PLACE_BITS: u32 = 20;

const _: () = assert!(utilidor_types::event::MAX_EVENTS < 1 << PLACE_BITS, "a cursor must name every movement");

/// The cursor of something in a receipt.
pub(crate) const fn cursor(receipt: i64, place: i64) -> i64 {
    (receipt << PLACE_BITS) | place
}

/// The movements that a receipt and its transaction tell of, in order.
fn movements<'a>(
    receipt: &'a Receipt,
    signed: Option<&'a SignedTransaction>,
    mut parties: impl FnMut(AgreementId) -> Result<Parties, ReadError>,
) -> Result<Vec<Entry<'a>>, ReadError> {
    let applied = signed.filter(|_| receipt.refusal().is_none());
    let action = applied.and_then(|signed| Entry::of_action(signed.transaction.account(), &signed.transaction.action));
    let mut entries: Vec<_> = action.into_iter().collect();
    for event in receipt.events() {
        if let Event::Moved { agreement, movement, amount } = event {
            entries.push(Entry::of_agreement(*agreement, parties(*agreement)?, *movement, *amount));
        }
    }
    Ok(entries)
}

impl Reader {
    /// Movements of an account's money, oldest first.
    pub fn movements_of_account(&self, account: AccountId, paging: Paging) -> Result<Page<MovementRow>, ReadError> {
        let of = ("account_receipts", "it.account = (SELECT id FROM accounts WHERE account = ?1)");
        self.movements(of, &account.0, paging, |entry| entry.touches(account))
    }

    /// Movements of an agreement's money, oldest first.
    pub fn movements_of_agreement(
        &self,
        agreement: AgreementId,
        paging: Paging,
    ) -> Result<Page<MovementRow>, ReadError> {
        let of = ("agreement_receipts", "it.agreement = (SELECT id FROM agreements WHERE agreement = ?1)");
        self.movements(of, &agreement.0, paging, |entry| entry.agreement == Some(agreement))
    }

    fn movements(
        &self,
        (table, of): (&str, &str),
        id: &[u8],
        paging: Paging,
        wanted: impl Fn(&Entry<'_>) -> bool,
    ) -> Result<Page<MovementRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!(
            "SELECT receipts.id AS id, body, signed, {CAUSE} FROM {table} AS it {CAUSE_JOIN}
             WHERE {of} AND it.receipt >= ?2 ORDER BY it.receipt"
        );
        let mut statement = snapshot.prepare_cached(&sql)?;
        let mut receipts = statement.query(params![id, paging.after() >> PLACE_BITS])?;
        let mut known = HashMap::new();
        let mut page = Vec::new();
        while let Some(row) = receipts.next()? {
            let (id, receipt, signed) = (row.get("id")?, value(row, "body")?, maybe_value(row, "signed")?);
            let entries = movements(&receipt, signed.as_ref(), |agreement| {
                if let Some(parties) = known.get(&agreement) {
                    return Ok(*parties);
                }
                let found = parties(&snapshot, agreement)?;
                known.insert(agreement, found);
                Ok(found)
            })?;
            let cause = cause(row)?;
            for (place, entry) in entries.into_iter().enumerate() {
                let cursor = cursor(id, place as i64);
                if cursor > paging.after() && wanted(&entry) {
                    page.push((cursor, entry.row(cause.clone())));
                }
            }
            if page.len() >= paging.fetch() as usize {
                break;
            }
        }
        Ok(Page::of(page, paging))
    }
}
