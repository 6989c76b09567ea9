//! How money moves [M7]: issue, redeem, transfer, and the effects of programs on what an agreement holds.
//! There is no other way. Amounts are taken before they are given, so a transfer to oneself changes nothing.

use crate::execution::Ledger;
use crate::member::Caller;
use crate::record::{AccountRecord, AgreementState, Escrow, Totals};
use crate::store::Ruled;
use utilidor_types::agreement::{AgreementTerms, Side};
use utilidor_types::event::{Movement, Purpose};
use utilidor_types::{AccountId, AgreementId, Event, Money, Refusal, Role};

fn add(to: &mut Money, amount: Money) -> Result<(), Refusal> {
    *to = to.checked_add(amount).ok_or(Refusal::Overflow)?;
    Ok(())
}

fn take(from: &mut Money, amount: Money) {
    *from = from.checked_sub(amount).expect("no more is released or paid than is reserved");
}

/// Takes what the account must have at its disposal.
fn take_free(account: AccountId, record: &mut AccountRecord, amount: Money) -> Result<(), Refusal> {
    let short = Refusal::InsufficientFunds { account, free: record.free, needed: amount };
    record.free = record.free.checked_sub(amount).ok_or(short)?;
    Ok(())
}

impl Escrow {
    fn pot(&mut self, side: Side, purpose: Purpose) -> &mut Money {
        match (side, purpose) {
            (Side::Owner, Purpose::Deposit) => &mut self.owner_deposit,
            (Side::User, Purpose::Deposit) => &mut self.user_deposit,
            (Side::User, Purpose::Guarantee) => &mut self.guarantee,
            (Side::User, Purpose::Prepayment) => &mut self.prepaid,
            (Side::Owner, _) => unreachable!("an owner reserves deposits only"),
        }
    }
}

impl Ledger<'_> {
    fn account(&mut self, account: AccountId) -> Ruled<AccountRecord> {
        self.store.get(&account, || Refusal::UnknownAccount { account })
    }

    /// Changes an account that must exist, by the ledger's own bookkeeping.
    fn change_account(
        &mut self,
        account: AccountId,
        change: impl FnOnce(&mut AccountRecord) -> Result<(), Refusal>,
    ) -> Ruled<()> {
        let (place, mut record) = self.store.known_at::<AccountRecord>(&account)?;
        change(&mut record)?;
        self.store.put_at(place, record);
        Ok(())
    }

    /// What an account has at its disposal.
    pub fn free(&mut self, account: AccountId) -> Ruled<Money> {
        Ok(self.account(account)?.free)
    }

    fn credit(&mut self, account: AccountId, amount: Money) -> Ruled<()> {
        let mut record = self.account(account)?;
        add(&mut record.free, amount)?;
        self.store.put(&account, record);
        Ok(())
    }

    fn debit(&mut self, account: AccountId, amount: Money) -> Ruled<()> {
        let mut record = self.account(account)?;
        take_free(account, &mut record, amount)?;
        self.store.put(&account, record);
        Ok(())
    }

    /// Order: role, amount, account, overflow.
    pub fn issue(&mut self, caller: Caller, to: AccountId, amount: Money) -> Ruled<()> {
        self.need_role(caller, Role::Issuer)?;
        if amount == Money::ZERO {
            return Err(Refusal::ZeroAmount.into());
        }
        let mut totals: Totals = self.store.known(&())?;
        self.credit(to, amount)?;
        add(&mut totals.issued, amount)?;
        self.store.put(&(), totals);
        Ok(())
    }

    /// Order: role, amount, funds.
    pub fn redeem(&mut self, caller: Caller, amount: Money) -> Ruled<()> {
        self.need_role(caller, Role::Issuer)?;
        if amount == Money::ZERO {
            return Err(Refusal::ZeroAmount.into());
        }
        let mut totals: Totals = self.store.known(&())?;
        self.debit(caller.account, amount)?;
        add(&mut totals.redeemed, amount)?;
        self.store.put(&(), totals);
        Ok(())
    }

    /// Order: amount, receiver, funds, overflow.
    pub fn transfer(&mut self, caller: Caller, to: AccountId, amount: Money) -> Ruled<()> {
        if amount == Money::ZERO {
            return Err(Refusal::ZeroAmount.into());
        }
        self.account(to)?;
        self.debit(caller.account, amount)?;
        self.credit(to, amount)
    }

    /// Moves money of an agreement and notes it. A movement of nothing is none.
    pub fn move_money(
        &mut self,
        agreement: AgreementId,
        terms: &AgreementTerms,
        state: &mut AgreementState,
        movement: Movement,
        amount: Money,
    ) -> Ruled<()> {
        if amount == Money::ZERO {
            return Ok(());
        }
        match movement {
            Movement::Reserve { side, purpose } => {
                let account = terms.party(side);
                self.change_account(account, |record| {
                    take_free(account, record, amount)?;
                    add(&mut record.reserved, amount)
                })?;
                add(state.escrow.pot(side, purpose), amount)?;
            }
            Movement::Release { side, purpose } => {
                take(state.escrow.pot(side, purpose), amount);
                self.change_account(terms.party(side), |record| {
                    take(&mut record.reserved, amount);
                    add(&mut record.free, amount)
                })?;
            }
            Movement::PayFromReserve { purpose } => {
                take(state.escrow.pot(Side::User, purpose), amount);
                self.unreserve(terms.user, amount)?;
                self.credit(terms.owner, amount)?;
            }
            Movement::Pay => {
                self.debit(terms.user, amount)?;
                self.credit(terms.owner, amount)?;
            }
            Movement::Forfeit { by } => {
                take(state.escrow.pot(by, Purpose::Deposit), amount);
                self.unreserve(terms.party(by), amount)?;
                self.credit(terms.party(by.other()), amount)?;
            }
        }
        self.events.push(Event::Moved { agreement, movement, amount });
        Ok(())
    }

    fn unreserve(&mut self, account: AccountId, amount: Money) -> Ruled<()> {
        self.change_account(account, |record| {
            take(&mut record.reserved, amount);
            Ok(())
        })
    }
}
