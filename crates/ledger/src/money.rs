//! How money moves [M7]: issue, redeem, transfer, the bonds of quotes, and what agreements hold. There is no other way.
//! Amounts are taken before they are given, so a transfer to oneself changes nothing.
//!
//! A credit cannot overflow: all balances together are what was issued, whose sum is a checked 64-bit number.

use crate::context::{Caller, Ledger};
use crate::effect::Unfit;
use crate::record::{AccountRecord, AgreementState, Drawn, Pot, Totals};
use crate::store::Ruled;
use utilidor_types::agreement::{ALLOWANCE_PERIOD_MS, AgreementTerms, Allowance, Party};
use utilidor_types::event::{Movement, Purpose, Source};
use utilidor_types::{AccountId, Agreement, Event, Money, Refusal, Role, Timestamp};

fn add(to: &mut Money, amount: Money) -> Result<(), Refusal> {
    *to = to.checked_add(amount).ok_or(Refusal::Overflow)?;
    Ok(())
}

fn take(from: &mut Money, amount: Money, short: Refusal) -> Result<(), Refusal> {
    *from = from.checked_sub(amount).ok_or(short)?;
    Ok(())
}

/// Takes what the account must have at its disposal.
fn take_free(account: AccountId, record: &mut AccountRecord, amount: Money) -> Result<(), Refusal> {
    let short = Refusal::InsufficientFunds { account, needed: amount };
    take(&mut record.free, amount, short)
}

impl Ledger<'_> {
    fn change_account(
        &mut self,
        account: AccountId,
        change: impl FnOnce(&mut AccountRecord) -> Result<(), Refusal>,
    ) -> Ruled<()> {
        let (place, mut record) =
            self.store.find_at::<AccountRecord>(&account)?.ok_or(Refusal::UnknownAccount { account })?;
        change(&mut record)?;
        self.store.put_at(place, record);
        Ok(())
    }

    /// What an account has at its disposal.
    pub fn free(&mut self, account: AccountId) -> Ruled<Money> {
        Ok(self.store.view::<AccountRecord>(&account)?.ok_or(Refusal::UnknownAccount { account })?.free)
    }

    fn credit(&mut self, account: AccountId, amount: Money) -> Ruled<()> {
        self.change_account(account, |record| add(&mut record.free, amount))
    }

    fn debit(&mut self, account: AccountId, amount: Money) -> Ruled<()> {
        self.change_account(account, |record| take_free(account, record, amount))
    }

    /// Free money becomes reserved.
    pub fn reserve(&mut self, account: AccountId, amount: Money) -> Ruled<()> {
        self.change_account(account, |record| {
            take_free(account, record, amount)?;
            add(&mut record.reserved, amount)
        })
    }

    /// Reserved money becomes free.
    pub fn release(&mut self, account: AccountId, amount: Money) -> Ruled<()> {
        self.change_account(account, |record| {
            take(&mut record.reserved, amount, Refusal::Overflow)?;
            add(&mut record.free, amount)
        })
    }

    /// Reserved money of one account becomes free money of another.
    pub fn hand_over(&mut self, from: AccountId, to: AccountId, amount: Money) -> Ruled<()> {
        self.change_account(from, |record| take(&mut record.reserved, amount, Refusal::Overflow))?;
        self.credit(to, amount)
    }

    /// Free money of one account becomes free money of another.
    pub fn pay(&mut self, from: AccountId, to: AccountId, amount: Money) -> Ruled<()> {
        self.debit(from, amount)?;
        self.credit(to, amount)
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
        self.free(to)?;
        self.pay(caller.account, to, amount)
    }

    /// Moves money of an agreement and notes it. A movement of nothing is none. What the agreement or the allowance does not
    /// hold is refused.
    pub fn move_money(
        &mut self,
        agreement: &Agreement,
        state: &mut AgreementState,
        movement: Movement,
        amount: Money,
    ) -> Ruled<()> {
        if amount == Money::ZERO {
            return Ok(());
        }
        let terms = &agreement.terms;
        let account = |party| terms.account(party).ok_or(Unfit::Party);
        match movement {
            Movement::Reserve { party, purpose } => {
                state.within_reserve(terms, party, amount, self.now)?;
                self.reserve(account(party)?, amount)?;
                state.put_in(party, purpose, amount)?;
            }
            Movement::Release { party, purpose } => {
                state.take_out(party, purpose, amount)?;
                self.release(account(party)?, amount)?;
            }
            Movement::Pay { from, source, to } => {
                let (payer, paid) = (account(from)?, account(to)?);
                match source {
                    Source::Pot(purpose) => {
                        state.take_out(from, purpose, amount)?;
                        state.give_away(terms, from, amount, self.now)?;
                        self.hand_over(payer, paid, amount)?;
                    }
                    Source::Allowance => {
                        state.draw(terms, from, amount, self.now)?;
                        self.pay(payer, paid, amount)?;
                    }
                    Source::Debt => self.pay(payer, paid, amount)?,
                }
            }
            Movement::Forfeit { by, to } => {
                let (loses, gets) = (account(by)?, account(to)?);
                state.take_out(by, Purpose::Deposit, amount)?;
                state.give_away(terms, by, amount, self.now)?;
                self.hand_over(loses, gets, amount)?;
            }
            Movement::FallBack { party, purpose, to } => {
                state.take_out(party, purpose, amount)?;
                self.hand_over(account(party)?, to, amount)?;
            }
        }
        self.events.push(Event::Moved { agreement: agreement.id, movement, amount });
        Ok(())
    }
}

/// Pots.
impl AgreementState {
    fn put_in(&mut self, party: Party, purpose: Purpose, amount: Money) -> Result<(), Refusal> {
        let of = |pot: &&mut Pot| (pot.party, pot.purpose) == (party, purpose);
        match self.pots.as_mut_slice().iter_mut().find(of) {
            Some(pot) => add(&mut pot.money, amount),
            None => self.pots.push(Pot { party, purpose, money: amount }).map_err(|_| Unfit::Party.into()),
        }
    }

    fn take_out(&mut self, party: Party, purpose: Purpose, amount: Money) -> Result<(), Refusal> {
        let of = |pot: &&mut Pot| (pot.party, pot.purpose) == (party, purpose);
        let pot = self.pots.as_mut_slice().iter_mut().find(of).ok_or(Unfit::Pot)?;
        take(&mut pot.money, amount, Unfit::Pot.into())?;
        self.pots.retain(|pot| pot.money > Money::ZERO);
        Ok(())
    }
}

fn of_party(allowances: &[Allowance], party: Party) -> Option<&Allowance> {
    allowances.iter().find(|allowance| allowance.party == party)
}

/// Whether what was drawn counts no more, because the allowance has been renewed since.
fn is_renewed(allowance: &Allowance, drawn: &Drawn, now: Timestamp) -> bool {
    allowance.renews && now.0.saturating_sub(drawn.since.0) >= ALLOWANCE_PERIOD_MS
}

/// Allowances, and what can be reserved. The period of one that renews begins with what is drawn first.
impl AgreementState {
    /// What a party's allowance can still give now, whatever its account holds.
    pub fn allowance_left(&self, allowances: &[Allowance], party: Party, now: Timestamp) -> Money {
        let left = |allowance: &Allowance| allowance.cap.saturating_sub(self.drawn_of(allowance, false, now));
        of_party(allowances, party).map_or(Money::ZERO, left)
    }

    fn drawn_of(&self, allowance: &Allowance, reserved: bool, now: Timestamp) -> Money {
        let is_of = |drawn: &&Drawn| (drawn.party, drawn.reserved) == (allowance.party, reserved);
        let drawn = self.drawn.iter().find(is_of).filter(|drawn| !is_renewed(allowance, drawn, now));
        drawn.map_or(Money::ZERO, |drawn| drawn.money)
    }

    fn draw(&mut self, terms: &AgreementTerms, party: Party, amount: Money, now: Timestamp) -> Result<(), Refusal> {
        let allowances = utilidor_program::allowances(&terms.program);
        let allowance = of_party(&allowances, party).ok_or(Unfit::Allowance)?;
        if amount > self.allowance_left(&allowances, party, now) {
            return Err(Unfit::Allowance.into());
        }
        self.note_drawn(allowance, false, amount, now)
    }

    fn note_drawn(
        &mut self,
        allowance: &Allowance,
        reserved: bool,
        amount: Money,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let is_of = |drawn: &Drawn| (drawn.party, drawn.reserved) == (allowance.party, reserved);
        self.drawn.retain(|drawn| !is_of(drawn) || !is_renewed(allowance, drawn, now));
        match self.drawn.as_mut_slice().iter_mut().find(|drawn| is_of(drawn)) {
            Some(drawn) => add(&mut drawn.money, amount),
            None => {
                let drawn = Drawn { party: allowance.party, reserved, since: now, money: amount };
                self.drawn.push(drawn).map_err(|_| Unfit::Party.into())
            }
        }
    }

    /// Whether so much more can be reserved. What pots have given away counts as if it were still there: reserved again and
    /// again, more than was granted would be gone.
    fn within_reserve(
        &self,
        terms: &AgreementTerms,
        party: Party,
        amount: Money,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let Some(reserve) = utilidor_program::reserve(&terms.program, party) else { return Ok(()) };
        let pots = self.pots.iter().filter(|pot| pot.party == party).map(|pot| pot.money);
        let given = self.drawn_of(&reserve, true, now);
        let wanted = pots.chain([given, amount]).try_fold(Money::ZERO, Money::checked_add);
        if wanted.is_some_and(|wanted| wanted <= reserve.cap) { Ok(()) } else { Err(Unfit::Reserve.into()) }
    }

    fn give_away(
        &mut self,
        terms: &AgreementTerms,
        party: Party,
        amount: Money,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let reserve = utilidor_program::reserve(&terms.program, party);
        reserve.map_or(Ok(()), |reserve| self.note_drawn(&reserve, true, amount, now))
    }

    /// A party pays ahead: what was given away of it can be reserved once more, up to so much.
    pub fn pay_ahead(&mut self, party: Party, amount: Money) {
        for drawn in self.drawn.as_mut_slice().iter_mut().filter(|drawn| drawn.party == party && drawn.reserved) {
            drawn.money = drawn.money.saturating_sub(amount);
        }
    }
}
