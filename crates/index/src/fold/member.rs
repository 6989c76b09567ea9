//! Members, their accounts and balances.

use super::{Account, Before, Fold, FoldError, Folded, Member, NewAccount, NewMember, Row, diverged};
use utilidor_types::action::NewAccount as SignedAccount;
use utilidor_types::{AccountId, Carrier, MemberId, Quantity, Roles};

impl<B: Before> Fold<'_, '_, B> {
    pub fn account(&mut self, account: AccountId) -> Folded<Account, B> {
        let known = self.known.accounts.get(account, || self.before.account(account)).map_err(FoldError::Before)?;
        known.ok_or_else(|| diverged(format!("account {account} was never opened")))
    }

    /// Changes an account; its balance is written when the block is done.
    pub fn change_account<T>(&mut self, account: AccountId, change: impl FnOnce(&mut Account) -> T) -> Folded<T, B> {
        let mut row = self.account(account)?;
        self.held_before.entry(account).or_insert(row.held());
        let changed = change(&mut row);
        self.known.accounts.put(account, Some(row));
        Ok(changed)
    }

    fn member(&mut self, member: MemberId) -> Folded<Option<Member>, B> {
        let known = self.known.members.get(member, || self.before.member(member)).map_err(FoldError::Before)?;
        Ok(*known)
    }

    /// A member is admitted with its first account. Admitting it again changes nothing, unless it was removed.
    pub fn admit(&mut self, account: AccountId, roles: Roles) -> Folded<(), B> {
        let id = MemberId::of(account);
        let member = match self.member(id)? {
            Some(member) => {
                self.known.members.put(id, Some(Member { roles, removed: false, ..member }));
                member.row
            }
            None => {
                self.changes.totals.members += 1;
                let row = self.changes.totals.members as Row;
                self.known.members.note(id, Some(Member { row, roles, removed: false, limits: None }));
                self.changes.members.push(NewMember { row, member: id, roles, height: self.height });
                row
            }
        };
        self.insert_account(member, account)
    }

    /// A member that was admitted.
    pub fn admitted(&mut self, member: MemberId) -> Folded<Member, B> {
        self.member(member)?.ok_or_else(|| diverged(format!("member {member} was never admitted")))
    }

    pub fn change_member(&mut self, member: MemberId, change: impl FnOnce(&mut Member)) -> Folded<(), B> {
        let mut row = self.admitted(member)?;
        change(&mut row);
        self.known.members.put(member, Some(row));
        Ok(())
    }

    pub fn open_account(&mut self, account: &SignedAccount) -> Folded<(), B> {
        let member = self.admitted(account.member)?;
        self.insert_account(member.row, account.account())
    }

    /// Opening an account again changes nothing.
    fn insert_account(&mut self, member: Row, account: AccountId) -> Folded<(), B> {
        let known = self.known.accounts.get(account, || self.before.account(account)).map_err(FoldError::Before)?;
        if known.is_some() {
            return Ok(());
        }
        self.changes.totals.accounts += 1;
        let row = self.changes.totals.accounts as Row;
        self.known.accounts.note(account, Some(Account { row, member, free: 0, reserved: 0, nonce: 0 }));
        self.changes.accounts.push(NewAccount { row, account, member, height: self.height });
        Ok(())
    }

    pub fn declare_capacity(&mut self, owner: AccountId, carrier: Carrier, per_hour: Quantity) -> Folded<(), B> {
        let owner = self.account(owner)?.row;
        self.changes.capacities.insert((owner, carrier), per_hour);
        Ok(())
    }

    /// Notes the balances that the block changed, and what all accounts hold together.
    pub fn balances(&mut self) -> Folded<(), B> {
        let (mut before, mut after) = (0, 0);
        for (account, row) in self.known.accounts.take_changed() {
            let Some(row) = row else { continue };
            before += self.held_before.remove(&account).unwrap_or_default();
            after += row.held();
            self.changes.balances.push(row);
        }
        self.changes.balances.sort_unstable_by_key(|account| account.row);
        let totals = &mut self.changes.totals;
        let balances = (u128::from(totals.balances) + after).checked_sub(before);
        let balances = balances.and_then(|balances| u64::try_from(balances).ok());
        totals.balances = balances.ok_or_else(|| diverged("all balances together leave the range of money"))?;
        self.changes.balanced = totals.issued.checked_sub(totals.redeemed) == Some(totals.balances);
        Ok(())
    }
}
