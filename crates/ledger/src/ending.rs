//! How agreements end early: by the word of a party or of a meter's operator, which the program hears; and without the
//! program, when it is stalled and all agree, or when the hard end comes.

use crate::agreement::everybody;
use crate::context::{Caller, Ledger};
use crate::record::{AgreementState, AmendmentRecord, Bound, MemberRecord, MeterRecord, Pot};
use crate::store::{Ruled, Stop};
use utilidor_program::Event as Told;
use utilidor_types::agreement::{AgreementTerms, Fallback, Origin, Party, Status};
use utilidor_types::event::Movement;
use utilidor_types::refusal::Limited;
use utilidor_types::{AccountId, Agreement, AgreementId, Money, Quantity, Refusal, Role};

impl Ledger<'_> {
    /// Order: agreement, party or operator, status; then what the program checks. A stalled agreement ends when all parties
    /// want it.
    pub fn terminate(&mut self, caller: Caller, id: AgreementId) -> Ruled<()> {
        self.store.want::<AgreementState>(&id);
        let record = self.agreement(id)?;
        let agreement = &record.agreement;
        let mut state: AgreementState = self.store.known(&id)?;
        let by = agreement.terms.party_of(caller.account);
        if by.is_none() && !self.operates_meter_of(caller, &state)? {
            return Err(Refusal::NotParty { agreement: id }.into());
        }
        let wish = by.map_or(0, Party::bit);
        match state.status {
            Status::Active => {
                let agreed = by.is_some() && state.ending & !wish != 0;
                state.ending |= wish;
                self.store.put(&id, state);
                self.ask(caller.member, id, &Told::Ending { by, agreed })?;
            }
            Status::Stalled if by.is_some() => {
                state.ending |= wish;
                if state.ending == everybody(&agreement.terms) {
                    return self.end_without_program(agreement, state);
                }
                self.store.put(&id, state);
            }
            status => return Err(Refusal::WrongStatus { status }.into()),
        }
        Ok(())
    }

    /// Order: agreement, party, status, wish; then what the program checks.
    pub fn withdraw_termination(&mut self, caller: Caller, id: AgreementId) -> Ruled<()> {
        let (_, mut state, by) = self.party(caller, id)?;
        if !matches!(state.status, Status::Active | Status::Stalled) {
            return Err(Refusal::WrongStatus { status: state.status }.into());
        }
        if state.ending & by.bit() == 0 {
            return Err(Refusal::NotEnding { agreement: id }.into());
        }
        let is_active = state.status == Status::Active;
        state.ending &= !by.bit();
        self.store.put(&id, state);
        if is_active { self.ask(caller.member, id, &Told::EndingWithdrawn { by }) } else { Ok(()) }
    }

    fn operates_meter_of(&mut self, caller: Caller, state: &AgreementState) -> Ruled<bool> {
        if !self.store.known::<MemberRecord>(&caller.member)?.roles.has(Role::MeterOperator) {
            return Ok(false);
        }
        for bound in &state.bindings {
            self.store.want::<MeterRecord>(&bound.meter);
        }
        for bound in &state.bindings {
            if self.store.view::<MeterRecord>(&bound.meter)?.is_some_and(|meter| meter.operator == caller.account) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn want_end(&mut self, agreement: &Agreement) {
        if agreement.origin == Origin::Package {
            self.want_members(agreement.terms.user());
        }
    }

    /// An agreement is over: what was kept for it is kept no more.
    pub fn end(&mut self, agreement: &Agreement, state: &mut AgreementState) -> Ruled<()> {
        if std::mem::take(&mut state.amending) {
            self.store.view::<AmendmentRecord>(&agreement.id)?;
            self.store.delete::<AmendmentRecord>(&agreement.id);
        }
        if agreement.origin == Origin::Package
            && let Some(user) = agreement.terms.user()
        {
            let member = self.member_of(user)?;
            self.keep_no_more(member, Limited::Subscriptions)?;
        }
        Ok(())
    }

    /// Lets go of the meters that an agreement still has, and of the hours that it has sold and that are to come.
    pub fn let_meters_go(&mut self, agreement: &Agreement, state: &mut AgreementState) -> Ruled<()> {
        let bindings = std::mem::take(&mut state.bindings);
        bindings.iter().for_each(|bound| self.want_meter(bound.meter));
        bindings.iter().try_for_each(|bound| self.free_meter(agreement, bound))
    }

    /// Lets a meter go. What a purchase took of it goes back to its supply. A meter that is free already is no reason not to
    /// end.
    fn free_meter(&mut self, agreement: &Agreement, bound: &Bound) -> Ruled<()> {
        let mark = self.store.mark();
        let events = self.events.len();
        match self.end_or_settle(agreement, bound) {
            Err(Stop::Refused(refusal)) if refusal != Refusal::TooMuchWork => {
                self.store.undo(mark);
                self.events.truncate(events);
                Ok(())
            }
            other => other,
        }
    }

    fn end_or_settle(&mut self, agreement: &Agreement, &Bound { number, meter, fills, .. }: &Bound) -> Ruled<()> {
        let (id, nothing) = (agreement.id, Quantity::ZERO);
        if !fills {
            return self.end_binding(id, number, meter, self.now).map(drop);
        }
        self.return_sold(agreement, number, meter)?;
        self.settle_binding(id, number, meter, nothing, nothing)
    }

    /// Ends an agreement as its parties have signed it for this case. Its program is told nothing more.
    pub fn end_without_program(&mut self, agreement: &Agreement, mut state: AgreementState) -> Ruled<()> {
        let id = agreement.id;
        let fallback = utilidor_program::hard_end(&agreement.terms, self.now).fallback;
        for (movement, amount) in fall_back(&agreement.terms, &state.pots, &fallback) {
            self.move_money(agreement, &mut state, movement, amount)?;
        }
        // Nor is it told of the segments that are closed here.
        state.halted = true;
        self.store.put(&id, state.clone());
        self.let_meters_go(agreement, &mut state)?;
        self.drop_backlog(id)?;
        self.end(agreement, &mut state)?;
        self.set_status(id, &mut state, Status::Terminated);
        (state.scheduled, state.ends) = (None, self.kept_until());
        self.call_again(id, &mut state);
        self.store.put(&id, state);
        Ok(())
    }
}

/// Where all that is reserved goes.
fn fall_back(terms: &AgreementTerms, pots: &[Pot], fallback: &Fallback) -> Vec<(Movement, Money)> {
    match fallback {
        Fallback::GiveBack => pots.iter().map(|pot| (release(pot), pot.money)).collect(),
        Fallback::Arbiter(account) => pots.iter().map(|pot| (give(terms, pot, *account), pot.money)).collect(),
        Fallback::Split(shares) => split(terms, pots, shares),
    }
}

fn release(pot: &Pot) -> Movement {
    Movement::Release { party: pot.party, purpose: pot.purpose }
}

fn give(terms: &AgreementTerms, pot: &Pot, to: AccountId) -> Movement {
    match terms.account(pot.party) == Some(to) {
        true => release(pot),
        false => Movement::FallBack { party: pot.party, purpose: pot.purpose, to },
    }
}

/// Shares the pots out in order, rounded down; what rounding leaves goes to the first party.
fn split(terms: &AgreementTerms, pots: &[Pot], shares: &[u16]) -> Vec<(Movement, Money)> {
    let total: u128 = pots.iter().map(|pot| u128::from(pot.money.0)).sum();
    let mut due: Vec<u128> = shares.iter().map(|share| total * u128::from(*share) / 1_000).collect();
    let left = total.saturating_sub(due.iter().sum());
    if let Some(first) = due.first_mut() {
        *first += left;
    }
    let mut movements = Vec::new();
    let mut parties = (0u8..).zip(due).filter_map(|(number, due)| Some((terms.account(Party(number))?, due)));
    let mut next = parties.next();
    for pot in pots {
        let mut held = u128::from(pot.money.0);
        while held > 0
            && let Some((account, due)) = next
        {
            let part = held.min(due);
            // A part of a pot is no more than the pot, which is 64 bits.
            let amount = Money(u64::try_from(part).unwrap_or(pot.money.0));
            if part > 0 {
                movements.push((give(terms, pot, account), amount));
            }
            held -= part;
            next = if due > part { Some((account, due - part)) } else { parties.next() };
        }
    }
    movements
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::Bounded;
    use utilidor_types::Program;
    use utilidor_types::agreement::{CodedTerms, ProgramCode};
    use utilidor_types::event::Purpose;

    #[test]
    fn what_is_reserved_is_shared_out_to_the_last_millionth() {
        let program = Program::Coded(CodedTerms::bare(ProgramCode::Native(0), Bounded::empty()));
        let terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), program);
        let (owner, user) = (Party::OWNER, Party::USER);
        let pot = |party, purpose, money| Pot { party, purpose, money: Money(money) };
        let pots =
            [pot(owner, Purpose::Deposit, 10), pot(user, Purpose::Deposit, 10), pot(user, Purpose::Guarantee, 7)];
        let moved = split(&terms, &pots, &[500, 500]);
        let to_owner = AccountId([1; 32]);
        assert_eq!(
            moved,
            [
                (release(&pots[0]), Money(10)),
                (give(&terms, &pots[1], to_owner), Money(4)),
                (release(&pots[1]), Money(6)),
                (release(&pots[2]), Money(7)),
            ],
            "27 in halves: 13 and 13, and what is left to the first"
        );
    }
}
