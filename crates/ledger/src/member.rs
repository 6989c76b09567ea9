//! Members and their accounts [M3, M4].

use crate::execution::Ledger;
use crate::record::{AccountRecord, MemberRecord};
use crate::store::Ruled;
use utilidor_types::{AccountId, MemberId, Money, Refusal, Role, Roles};

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub account: AccountId,
    pub member: MemberId,
}

impl AccountRecord {
    /// An account without money.
    pub fn of(member: MemberId) -> Self {
        Self { member, nonce: 0, free: Money::ZERO, reserved: Money::ZERO }
    }
}

impl Ledger<'_> {
    /// Refuses a caller without `role`.
    pub fn need_role(&mut self, caller: Caller, role: Role) -> Ruled<()> {
        if !self.store.known::<MemberRecord>(&caller.member)?.roles.has(role) {
            return Err(Refusal::MissingRole { role }.into());
        }
        Ok(())
    }

    /// Refuses an account whose member is without `role`.
    pub fn account_needs_role(&mut self, account: AccountId, role: Role) -> Ruled<()> {
        let member = self.store.get::<AccountRecord>(&account, || Refusal::UnknownAccount { account })?.member;
        self.need_role(Caller { account, member }, role)
    }

    /// Order: role, id, account.
    pub fn admit_member(&mut self, caller: Caller, member: MemberId, account: AccountId, roles: Roles) -> Ruled<()> {
        self.need_role(caller, Role::Validator)?;
        let present = self.store.find::<MemberRecord>(&member)?;
        let holder = self.store.find::<AccountRecord>(&account)?;
        if let Some(present) = present {
            let same = present.roles == roles && holder.is_some_and(|holder| holder.member == member);
            return if same { Ok(()) } else { Err(Refusal::IdTaken.into()) };
        }
        if holder.is_some() {
            return Err(Refusal::AccountExists { account }.into());
        }

        self.store.put(&member, MemberRecord { roles });
        self.store.put(&account, AccountRecord::of(member));
        Ok(())
    }

    /// Order: role, member.
    pub fn change_roles(&mut self, caller: Caller, member: MemberId, roles: Roles) -> Ruled<()> {
        self.need_role(caller, Role::Validator)?;
        self.store.get::<MemberRecord>(&member, || Refusal::UnknownMember { member })?;

        self.store.put(&member, MemberRecord { roles });
        Ok(())
    }

    /// Order: account.
    pub fn open_account(&mut self, caller: Caller, account: AccountId) -> Ruled<()> {
        match self.store.find::<AccountRecord>(&account)? {
            Some(present) if present.member == caller.member => return Ok(()),
            Some(_) => return Err(Refusal::AccountExists { account }.into()),
            None => {}
        }

        self.store.put(&account, AccountRecord::of(caller.member));
        Ok(())
    }
}
