//! Members, their accounts and balances.

use crate::fold::{Fold, FoldError, diverged};
use crate::page::{Page, Paging};
use crate::sql::{body, carrier, int, money, quantity, uint};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::{AccountId, Carrier, MemberId, Money, Quantity, Roles};

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberRow {
    /// The member.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub member: MemberId,
    /// What it may do.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub roles: Roles,
    /// Its accounts, in the order of opening.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub accounts: Vec<AccountId>,
    /// Height of the block that admitted it; 0 is the genesis document.
    pub height: u64,
}

/// An account with its balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccountRow {
    /// The account.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub account: AccountId,
    /// Whose it is.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub member: MemberId,
    /// What its member may do.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub roles: Roles,
    /// Money it can spend.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub free: Money,
    /// Money that its agreements have set aside.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub reserved: Money,
    /// Nonce of its next transaction.
    pub nonce: u64,
    /// What it can supply, if a validator has declared it.
    pub capacities: Vec<CapacityRow>,
    /// Height of the block that opened it; 0 is the genesis document.
    pub height: u64,
}

/// The most that an owner can supply of a carrier in an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CapacityRow {
    /// The carrier.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub carrier: Carrier,
    /// Base units per hour.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub per_hour: Quantity,
}

/// An account as the blocks so far have left it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccountState {
    pub id: i64,
    pub free: u64,
    pub reserved: u64,
    pub nonce: u64,
    /// What it held after the block before, if this one has changed it.
    held_before: Option<u128>,
}

impl AccountState {
    fn held(&self) -> u128 {
        u128::from(self.free) + u128::from(self.reserved)
    }
}

impl Fold<'_> {
    /// An account.
    pub fn account(&mut self, account: AccountId) -> Result<&mut AccountState, FoldError> {
        if !self.rows.accounts.contains_key(&account) {
            let sql = "SELECT id, free, reserved, nonce FROM accounts WHERE account = ?";
            let state = self.sql.prepare_cached(sql)?.query_row([account.0], |row| {
                Ok(AccountState {
                    id: row.get("id")?,
                    free: uint(row, "free")?,
                    reserved: uint(row, "reserved")?,
                    nonce: uint(row, "nonce")?,
                    held_before: None,
                })
            });
            let state = state.optional()?;
            let state = state.ok_or_else(|| diverged(format!("account {account} was never opened")))?;
            self.rows.accounts.insert(account, state);
        }
        Ok(self.rows.accounts.get_mut(&account).expect("it was just put there"))
    }

    /// Changes an account; it is written when the block is done.
    pub fn change_account<T>(
        &mut self,
        account: AccountId,
        change: impl FnOnce(&mut AccountState) -> T,
    ) -> Result<T, FoldError> {
        let state = self.account(account)?;
        let first = state.held_before.is_none();
        state.held_before = state.held_before.or(Some(state.held()));
        let changed = change(state);
        if first {
            self.late.accounts.push(account);
        }
        Ok(changed)
    }

    pub fn admit(&mut self, member: MemberId, account: AccountId, roles: Roles) -> Result<(), FoldError> {
        let sql = "INSERT OR IGNORE INTO members (member, roles, height) VALUES (?, ?, ?)";
        self.sql.prepare_cached(sql)?.execute(params![member.0, body(&roles)[0], int(self.height)])?;
        self.insert_account(member, account)
    }

    pub fn change_roles(&mut self, member: MemberId, roles: Roles) -> Result<(), FoldError> {
        let sql = "UPDATE members SET roles = ? WHERE member = ?";
        self.sql.prepare_cached(sql)?.execute(params![body(&roles)[0], member.0])?;
        Ok(())
    }

    pub fn open_account(&mut self, by: AccountId, account: AccountId) -> Result<(), FoldError> {
        let sql = "SELECT members.member FROM accounts JOIN members ON members.id = accounts.member WHERE account = ?";
        let member = self.sql.prepare_cached(sql)?.query_row([by.0], |row| row.get(0))?;
        self.insert_account(MemberId(member), account)
    }

    fn insert_account(&mut self, member: MemberId, account: AccountId) -> Result<(), FoldError> {
        let member = self.row_of("SELECT id FROM members WHERE member = ?", &member.0, "member")?;
        let sql = "INSERT OR IGNORE INTO accounts (account, member, free, reserved, nonce, height)
                   VALUES (?, ?, 0, 0, 0, ?)";
        self.sql.prepare_cached(sql)?.execute(params![account.0, member, int(self.height)])?;
        Ok(())
    }

    pub fn declare_capacity(
        &mut self,
        owner: AccountId,
        carrier: Carrier,
        per_hour: Quantity,
    ) -> Result<(), FoldError> {
        let owner = self.account(owner)?.id;
        let sql = "INSERT OR REPLACE INTO capacities (owner, carrier, per_hour) VALUES (?, ?, ?)";
        self.sql.prepare_cached(sql)?.execute(params![owner, carrier as u8, int(per_hour.0)])?;
        Ok(())
    }

    /// Writes the accounts that the block changed, and what they hold together.
    pub fn write_accounts(&mut self) -> Result<(), FoldError> {
        let mut update =
            self.sql.prepare_cached("UPDATE accounts SET free = ?, reserved = ?, nonce = ? WHERE id = ?")?;
        let (mut before, mut after) = (0, 0);
        for account in std::mem::take(&mut self.late.accounts) {
            let state = self.rows.accounts.get_mut(&account).expect("what has changed is remembered through its block");
            before += state.held_before.take().unwrap_or_default();
            after += state.held();
            update.execute(params![int(state.free), int(state.reserved), int(state.nonce), state.id])?;
        }
        let balances = u128::from(self.totals.balances) + after;
        let balances = balances.checked_sub(before).and_then(|balances| u64::try_from(balances).ok());
        self.totals.balances = balances.ok_or_else(|| diverged("all balances together leave the range of money"))?;
        Ok(())
    }
}

fn account_row(row: &Row<'_>) -> rusqlite::Result<(i64, AccountRow)> {
    let account = AccountRow {
        account: AccountId(row.get("account")?),
        member: MemberId(row.get("member")?),
        roles: roles(row)?,
        free: money(row, "free")?,
        reserved: money(row, "reserved")?,
        nonce: uint(row, "nonce")?,
        capacities: Vec::new(),
        height: uint(row, "height")?,
    };
    Ok((row.get("id")?, account))
}

fn roles(row: &Row<'_>) -> rusqlite::Result<Roles> {
    let bits: u8 = row.get("roles")?;
    utilidor_types::decode(&[bits], 1).map_err(|error| crate::sql::corrupt(row, "roles", error))
}

const ACCOUNT: &str = "SELECT accounts.id AS id, account, members.member AS member, roles, free, reserved, nonce,
    accounts.height AS height FROM accounts JOIN members ON members.id = accounts.member";

impl Reader {
    /// Members in the order of admission.
    pub fn members(&self, paging: Paging) -> Result<Page<MemberRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let mut members = snapshot.prepare_cached("SELECT * FROM members WHERE id > ? ORDER BY id LIMIT ?")?;
        let mut accounts = snapshot.prepare_cached("SELECT account FROM accounts WHERE member = ? ORDER BY id")?;
        let rows = members.query_map([paging.after(), paging.fetch()], |row| {
            let id: i64 = row.get("id")?;
            let held = accounts.query_map([id], |row| row.get("account").map(AccountId))?;
            let member = MemberRow {
                member: MemberId(row.get("member")?),
                roles: roles(row)?,
                accounts: held.collect::<Result<_, _>>()?,
                height: uint(row, "height")?,
            };
            Ok((id, member))
        })?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// Accounts in the order of opening.
    pub fn accounts(&self, paging: Paging) -> Result<Page<AccountRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{ACCOUNT} WHERE accounts.id > ? ORDER BY accounts.id LIMIT ?");
        let mut statement = snapshot.prepare_cached(&sql)?;
        let rows = statement.query_map([paging.after(), paging.fetch()], account_row)?;
        let mut rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        for (id, account) in &mut rows {
            account.capacities = capacities(&snapshot, *id)?;
        }
        Ok(Page::of(rows, paging))
    }

    /// One account.
    pub fn account(&self, account: AccountId) -> Result<Option<AccountRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = format!("{ACCOUNT} WHERE account = ?");
        let row = snapshot.prepare_cached(&sql)?.query_row([account.0], account_row).optional()?;
        let Some((id, mut row)) = row else { return Ok(None) };
        row.capacities = capacities(&snapshot, id)?;
        Ok(Some(row))
    }
}

fn capacities(snapshot: &rusqlite::Transaction<'_>, account: i64) -> Result<Vec<CapacityRow>, ReadError> {
    let mut statement = snapshot.prepare_cached("SELECT carrier, per_hour FROM capacities WHERE owner = ?")?;
    let rows = statement.query_map([account], |row| {
        Ok(CapacityRow { carrier: carrier(row, "carrier")?, per_hour: quantity(row, "per_hour")? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
