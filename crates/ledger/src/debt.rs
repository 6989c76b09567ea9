//! Debts: what a user owes an owner under an agreement, because neither its pots nor the allowance covered it. A debt stands
//! on every statement and can be paid at any time; who owes an owner needs its signature to subscribe again.

use crate::context::{Caller, Ledger};
use crate::record::{AgreementState, DebtRecord};
use crate::store::Ruled;
use utilidor_types::agreement::Party;
use utilidor_types::event::{Movement, Source};
use utilidor_types::{AccountId, Agreement, AgreementId, Event, MemberId, Money, Refusal};

impl Ledger<'_> {
    /// Order: amount, agreement, party, what is owed, funds.
    pub fn pay_debt(&mut self, caller: Caller, id: AgreementId, amount: Money) -> Ruled<()> {
        if amount == Money::ZERO {
            return Err(Refusal::ZeroAmount.into());
        }
        let (record, mut state, party) = self.party(caller, id)?;
        let agreement = &record.agreement;
        let owed = if party == Party::USER { state.debt } else { Money::ZERO };
        let left = owed.checked_sub(amount).ok_or(Refusal::AboveDebt { owed, amount })?;

        let movement = Movement::Pay { from: party, source: Source::Debt, to: Party::OWNER };
        self.move_money(agreement, &mut state, movement, amount)?;
        self.set_debt(agreement, &mut state, left)?;
        if state.is_over() {
            // Who owes nothing more need not be kept any longer.
            self.call_again(id, &mut state);
        }
        self.store.put(&id, state);
        Ok(())
    }

    /// Notes what the user owes under an agreement now.
    pub fn set_debt(&mut self, agreement: &Agreement, state: &mut AgreementState, owes: Money) -> Ruled<()> {
        let before = std::mem::replace(&mut state.debt, owes);
        if before == owes {
            return Ok(());
        }
        let key = self.debt_key(agreement)?;
        let all = self.store.find::<DebtRecord>(&key)?.unwrap_or_default().owed;
        let owed = all.saturating_sub(before).checked_add(owes).ok_or(Refusal::Overflow)?;
        if owed > Money::ZERO {
            self.store.put(&key, DebtRecord { owed });
        } else {
            self.store.delete::<DebtRecord>(&key);
        }
        self.events.push(Event::Debt { agreement: agreement.id, party: Party::USER, owes });
        Ok(())
    }

    fn debt_key(&mut self, agreement: &Agreement) -> Ruled<(AccountId, MemberId)> {
        let (owner, user) = agreement.terms.owner().zip(agreement.terms.user()).ok_or(Refusal::BadParties)?;
        Ok((owner, self.member_of(user)?))
    }

    /// Whether a member owes an owner anything.
    pub fn owes(&mut self, owner: AccountId, member: MemberId) -> Ruled<bool> {
        Ok(self.store.view::<DebtRecord>(&(owner, member))?.is_some())
    }
}
