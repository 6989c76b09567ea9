//! Members and their accounts [M3, M4].

use crate::context::{Caller, Ledger};
use crate::record::{AccountRecord, Kept, MemberRecord};
use crate::store::Ruled;
use utilidor_types::action::NewAccount;
use utilidor_types::genesis::Limits;
use utilidor_types::refusal::Limited;
use utilidor_types::{AccountId, MemberId, Money, Refusal, Role, Roles};

impl AccountRecord {
    /// An account without money.
    pub fn of(member: MemberId) -> Self {
        Self { member, nonce: 0, free: Money::ZERO, reserved: Money::ZERO }
    }
}

impl MemberRecord {
    /// A member with its first account.
    pub fn of(roles: Roles) -> Self {
        Self { roles, kept: Kept { accounts: 1, ..Kept::default() }, removed: false, limits: None }
    }
}

/// What the actions name.
impl Ledger<'_> {
    pub fn want_new_account(&mut self, member: MemberId, account: AccountId) {
        self.store.want::<MemberRecord>(&member);
        self.store.want::<AccountRecord>(&account);
    }

    /// An account and, once that is there, its member.
    pub fn want_account(&mut self, account: AccountId) {
        if let Ok(Some(record)) = self.store.view::<AccountRecord>(&account) {
            self.store.want::<MemberRecord>(&record.member);
        }
    }
}

impl Ledger<'_> {
    /// Refuses a caller without `role`.
    pub fn need_role(&mut self, caller: Caller, role: Role) -> Ruled<()> {
        let member = caller.member;
        let record = self.store.view::<MemberRecord>(&member)?.ok_or(Refusal::UnknownMember { member })?;
        if !record.roles.has(role) {
            return Err(Refusal::MissingRole { role }.into());
        }
        Ok(())
    }

    /// Refuses an account whose member is without `role`.
    pub fn account_needs_role(&mut self, account: AccountId, role: Role) -> Ruled<()> {
        let member = self.member_of(account)?;
        self.need_role(Caller { account, member }, role)
    }

    /// Whose account it is.
    pub fn member_of(&mut self, account: AccountId) -> Ruled<MemberId> {
        Ok(self.store.view::<AccountRecord>(&account)?.ok_or(Refusal::UnknownAccount { account })?.member)
    }

    /// Order: member, id, account, seats. The same admission again gives the first result; a member that was removed is admitted
    /// again with what the others keep for it.
    pub fn admit_member(&mut self, first: &NewAccount, roles: Roles) -> Ruled<()> {
        let account = first.account();
        let (signed, expected) = (first.member, MemberId::of(account));
        if signed != expected {
            return Err(Refusal::WrongMember { signed, expected }.into());
        }
        let present = self.store.find::<MemberRecord>(&expected)?;
        let holder = self.store.find::<AccountRecord>(&account)?;
        if let Some(present) = present {
            return match present {
                MemberRecord { removed: true, .. } => {
                    self.seat(expected, MemberRecord { removed: false, ..present }, roles)
                }
                _ if present.roles == roles => Ok(()),
                _ => Err(Refusal::IdTaken.into()),
            };
        }
        if holder.is_some() {
            return Err(Refusal::AccountExists { account }.into());
        }

        self.seat(expected, MemberRecord::of(Roles::default()), roles)?;
        self.store.put(&account, AccountRecord::of(expected));
        Ok(())
    }

    /// Order: member, whether it belongs, seats.
    pub fn change_roles(&mut self, member: MemberId, roles: Roles) -> Ruled<()> {
        let record = self.belonging(member)?;
        self.seat(member, record, roles)
    }

    /// Order: member, whether it belongs, seats.
    pub fn remove_member(&mut self, member: MemberId) -> Ruled<()> {
        let record = self.belonging(member)?;
        self.seat(member, MemberRecord { removed: true, ..record }, Roles::default())
    }

    /// Order: member, whether it belongs.
    pub fn change_limits(&mut self, member: MemberId, limits: Option<Limits>) -> Ruled<()> {
        let record = self.belonging(member)?;

        self.store.put(&member, MemberRecord { limits, ..record });
        Ok(())
    }

    fn belonging(&mut self, member: MemberId) -> Ruled<MemberRecord> {
        let record = self.store.get::<MemberRecord>(&member, || Refusal::UnknownMember { member })?;
        if record.removed { Err(Refusal::MemberRemoved { member }.into()) } else { Ok(record) }
    }

    /// Gives a member its roles, and with the role of a validator a seat in the council.
    fn seat(&mut self, member: MemberId, record: MemberRecord, roles: Roles) -> Ruled<()> {
        if record.roles.has(Role::Validator) != roles.has(Role::Validator) {
            self.change_seat(member, roles.has(Role::Validator))?;
        }
        self.store.put(&member, MemberRecord { roles, ..record });
        Ok(())
    }

    /// Order: member, whether it belongs, account, limit. An account that is the member's already is no error.
    pub fn open_account(&mut self, caller: Caller, signed: MemberId, account: AccountId) -> Ruled<()> {
        let expected = caller.member;
        if signed != expected {
            return Err(Refusal::WrongMember { signed, expected }.into());
        }
        self.belonging(expected)?;
        match self.store.view::<AccountRecord>(&account)? {
            Some(present) if present.member == caller.member => return Ok(()),
            Some(_) => return Err(Refusal::AccountExists { account }.into()),
            None => {}
        }
        self.keep(caller.member, Limited::Accounts)?;

        self.store.put(&account, AccountRecord::of(caller.member));
        Ok(())
    }
}
