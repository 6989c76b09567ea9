//! Members, their accounts and balances.

use super::{Questions, Read};
use crate::page::Paging;
use crate::store::columns::{carrier, maybe_value, money, quantity, roles, uint};
use rusqlite::Row;
use utilidor_types::session::Category;
use utilidor_types::{AccountId, MemberId};
use utilidor_view::{AccountView, CapacityView, MemberView, Page};

fn account_view(row: &Row<'_>) -> rusqlite::Result<(i64, AccountView)> {
    let account = AccountView {
        account: AccountId(row.get("account")?),
        member: MemberId(row.get("member")?),
        roles: roles(row, "roles")?,
        free: money(row, "free")?,
        reserved: money(row, "reserved")?,
        nonce: uint(row, "nonce")?,
        capacities: Vec::new(),
        height: uint(row, "height")?,
    };
    Ok((row.get("id")?, account))
}

const ACCOUNT: &str = "SELECT accounts.id AS id, account, members.member AS member, roles, free, reserved, nonce,
    accounts.height AS height FROM accounts JOIN members ON members.id = accounts.member";

impl Questions<'_> {
    /// Members in the order of admission, told to members. Which accounts are one member's is told to that member only [M3].
    pub fn members(&self, paging: Paging) -> Read<Page<MemberView>> {
        let (beyond, order) = (paging.beyond("id"), paging.by("id"));
        let sql = format!("SELECT * FROM members WHERE {beyond} AND {} {order} LIMIT ?2", self.members_seen());
        let mut page = self.page(paging, &sql, [paging.after(), paging.fetch()], |row| {
            let member = MemberView {
                member: MemberId(row.get("member")?),
                roles: roles(row, "roles")?,
                removed: row.get("removed")?,
                limits: maybe_value(row, "limits")?,
                accounts: Vec::new(),
                height: uint(row, "height")?,
            };
            Ok((row.get("id")?, member))
        })?;
        let sql = format!(
            "SELECT account FROM accounts WHERE member = (SELECT id FROM members WHERE members.member = ?) AND {}
             ORDER BY id",
            self.accounts_seen("accounts.id")
        );
        for member in &mut page.items {
            member.accounts = self.all(&sql, [member.member.0], |row| row.get("account").map(AccountId))?;
        }
        Ok(page)
    }

    /// Accounts in the order of opening.
    pub fn accounts(&self, paging: Paging) -> Read<Page<AccountView>> {
        let sql = format!(
            "{ACCOUNT} WHERE {} AND {} {} LIMIT ?2",
            paging.beyond("accounts.id"),
            self.accounts_seen("accounts.id"),
            paging.by("accounts.id")
        );
        let mut rows = self.all(&sql, [paging.after(), paging.fetch()], account_view)?;
        for (id, account) in &mut rows {
            account.capacities = self.capacities(*id)?;
        }
        Ok(paging.page(rows))
    }

    /// One account.
    pub fn account(&self, account: AccountId) -> Read<Option<AccountView>> {
        if !self.sees_account(Category::Accounts, account) {
            return Ok(None);
        }
        let row = self.find(&format!("{ACCOUNT} WHERE account = ?"), [account.0], account_view)?;
        let Some((id, mut row)) = row else { return Ok(None) };
        row.capacities = self.capacities(id)?;
        Ok(Some(row))
    }

    fn capacities(&self, account: i64) -> Read<Vec<CapacityView>> {
        self.all("SELECT carrier, per_hour FROM capacities WHERE owner = ?", [account], |row| {
            Ok(CapacityView { carrier: carrier(row, "carrier")?, per_hour: quantity(row, "per_hour")? })
        })
    }
}
