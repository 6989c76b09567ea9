//! What two parties owe each other under a contract, kept in its state from one statement to the next.
//!
//! ```text
//! owed before + lines of the period ──> paid out of the allowance, at the end out of the guarantee too ──> owed after
//! ```
//!
//! The ledger keeps a debt of the user to the owner alone, and only a party of two can have one. This is for all others, and both
//! ways: what could not be paid is taken off the statement by a line of its own, and stands on the next one.

use crate::wire::{Effect, End, Fault, Input, Line, Meter, Money, Party, Purpose, Quantity, Source, Window};
use alloc::vec::Vec;

/// Two parties' account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// The one.
    pub one: Party,
    /// The other.
    pub other: Party,
    /// What the one owes the other; below zero the other way round.
    pub owed: i64,
}

impl Account {
    /// Pays what was owed before and what the lines between the two come to. Adds a line of the clause for the difference
    /// that is owed afterwards. At the end the guarantee serves as well, and what the user then still owes the owner becomes a
    /// debt on the ledger as far as its grant lets it owe. A party pays by one account in an answer.
    pub fn settle(
        &mut self,
        input: &Input,
        lines: &mut Vec<Line>,
        (clause, period): (u16, Window),
        is_end: bool,
    ) -> Result<Vec<Effect>, Fault> {
        let before = i128::from(self.owed);
        let due = lines.iter().fold(before, |due, line| due + self.signed(line));
        let (from, to) = self.direction(due);
        let due = money(due)?;
        let from_allowance = due.min(input.available(from));
        let left = due.less(from_allowance);
        let from_pot = if is_end { left.min(input.pot(from, Purpose::Guarantee)) } else { Money::ZERO };
        let left = left.less(from_pot);
        let is_debt = is_end && (from, to) == (Party::USER, Party::OWNER);
        let debt = if is_debt { left.min(input.can_owe()) } else { Money::ZERO };

        let pay = |source, amount| Effect::Pay { from, source, to, amount };
        let mut effects = Vec::from([
            pay(Source::Allowance, from_allowance),
            pay(Source::Pot(Purpose::Guarantee), from_pot),
            Effect::Owe(debt),
        ]);
        effects.retain(|effect| !matches!(effect, Effect::Pay { amount: Money(0), .. } | Effect::Owe(Money(0))));
        let left = i64::try_from(left.less(debt).0).map_err(|_| Fault::OVERFLOW)?;
        self.owed = if from == self.one { left } else { -left };
        let carried = before - i128::from(self.owed);
        if carried != 0 {
            let (from, to) = self.direction(carried);
            let amount = money(carried)?;
            lines.push(Line { clause, period, carrier: None, quantity: Quantity::ZERO, price: None, from, to, amount });
        }
        Ok(effects)
    }

    /// Whether either owes the other something.
    pub const fn is_open(&self) -> bool {
        self.owed != 0
    }

    fn direction(&self, amount: i128) -> (Party, Party) {
        if amount >= 0 { (self.one, self.other) } else { (self.other, self.one) }
    }

    /// What a line lets the one pay the other; nothing if it is about others.
    fn signed(&self, line: &Line) -> i128 {
        match (line.from, line.to) {
            pair if pair == (self.one, self.other) => i128::from(line.amount.0),
            pair if pair == (self.other, self.one) => -i128::from(line.amount.0),
            _ => 0,
        }
    }
}

fn money(amount: i128) -> Result<Money, Fault> {
    u64::try_from(amount.unsigned_abs()).map(Money).map_err(|_| Fault::OVERFLOW)
}

/// What an effect pays out of a pot.
#[inline(never)]
fn out_of_pot(effect: &Effect) -> Option<(Party, Purpose, Money)> {
    match effect {
        Effect::Pay { from, source: Source::Pot(purpose), amount, .. } => Some((*from, *purpose, *amount)),
        _ => None,
    }
}

impl Input {
    /// Gives back all that is reserved and that these effects do not pay out.
    pub fn release_all(&self, paid: &[Effect]) -> Result<Vec<Effect>, Fault> {
        // Few effects pay out of a pot, and there may be many of both.
        let used: Vec<(Party, Purpose, Money)> = paid.iter().filter_map(out_of_pot).collect();
        let mut released = Vec::with_capacity(self.facts.pots.len());
        for &(party, purpose, pot) in &self.facts.pots {
            let own = used.iter().filter(|used| (used.0, used.1) == (party, purpose));
            let rest = own.map(|used| used.2).try_fold(pot, Money::minus)?;
            released.push(Effect::Release(party, purpose, rest));
        }
        Ok(released)
    }

    /// The end as agreed: what is reserved and not paid out is free again. With an `Owe`, even of nothing, it is a default.
    pub fn finish(&self, effects: &mut Vec<Effect>, is_open: bool) -> Result<(), Fault> {
        let owes = is_open || effects.iter().any(|effect| matches!(effect, Effect::Owe(_)));
        effects.extend(self.release_all(effects)?);
        effects.push(Effect::Finish(if owes { End::Defaulted } else { End::Settled }));
        Ok(())
    }

    /// Ends early, without another statement: everybody has its own again, meters included.
    pub fn end_early(&self) -> Result<Vec<Effect>, Fault> {
        let meters = (0..self.terms.meters.len() as u8).map(Meter);
        let mut effects: Vec<Effect> = meters.map(|meter| Effect::EndBinding(meter, self.facts.now)).collect();
        effects.extend(self.release_all(&[])?);
        effects.push(Effect::Finish(End::Terminated));
        Ok(effects)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Event, Facts, Grant, MAX_OWED, State, Terms, Time};

    const PERIOD: Window = Window { from: Time(0), to: Time(1) };
    const ONE: Party = Party::USER;
    const OTHER: Party = Party::OWNER;

    fn input(available: [u64; 2], guarantee: u64) -> Input {
        let terms = Terms {
            agreement: [0; 16],
            parties: 2,
            hard_end: Time(9),
            grants: Vec::from([Grant { party: ONE, reserve: Money(4), allowance: Money(1), renews: false }]),
            meters: Vec::new(),
            parameters: Vec::new(),
        };
        let pots = Vec::from([(ONE, Purpose::Guarantee, Money(guarantee))]);
        let facts = Facts { available: available.map(Money).to_vec(), pots, ..Facts::default() };
        Input { event: Event::Due, terms, state: State::default(), facts }
    }

    fn line(from: Party, to: Party, amount: u64) -> Line {
        let (quantity, amount) = (Quantity::ZERO, Money(amount));
        Line { clause: 0, period: PERIOD, carrier: None, quantity, price: None, from, to, amount }
    }

    /// Settles lines, and gives what was paid, what the ledger notes as debt, what is owed afterwards and the last line.
    fn settle(owed: i64, lines: &[Line], input: &Input, is_end: bool) -> (u64, u64, i64, Option<Line>) {
        let (mut account, mut lines) = (Account { one: ONE, other: OTHER, owed }, lines.to_vec());
        let effects = account.settle(input, &mut lines, (7, PERIOD), is_end).unwrap();
        let paid =
            effects.iter().map(|effect| if let Effect::Pay { amount, .. } = effect { amount.0 } else { 0 }).sum();
        let debt = effects.iter().map(|effect| if let Effect::Owe(amount) = effect { amount.0 } else { 0 }).sum();
        (paid, debt, account.owed, lines.pop().filter(|line| line.clause == 7))
    }

    #[test]
    fn what_can_be_paid_is_paid_and_nothing_is_carried() {
        assert_eq!(settle(0, &[line(ONE, OTHER, 10)], &input([0, 10], 0), false), (10, 0, 0, None));
        let both = [line(ONE, OTHER, 10), line(OTHER, ONE, 4)];
        assert_eq!(settle(0, &both, &input([0, 10], 0), false), (6, 0, 0, None));
    }

    #[test]
    fn what_cannot_be_paid_is_carried_by_a_line_and_paid_with_the_next_statement() {
        let back = Line { clause: 7, ..line(OTHER, ONE, 4) };
        assert_eq!(settle(0, &[line(ONE, OTHER, 10)], &input([0, 6], 99), false), (6, 0, 4, Some(back)));
        let later = Line { clause: 7, ..line(ONE, OTHER, 4) };
        assert_eq!(settle(4, &[line(ONE, OTHER, 1)], &input([0, 9], 99), false), (5, 0, 0, Some(later)));
    }

    #[test]
    fn it_works_the_other_way_round_as_well() {
        let carried = Line { clause: 7, ..line(ONE, OTHER, 3) };
        assert_eq!(settle(0, &[line(OTHER, ONE, 10)], &input([7, 0], 0), false), (7, 0, -3, Some(carried)));
        assert_eq!(settle(-3, &[line(ONE, OTHER, 3)], &input([0, 0], 0), false).2, 0);
    }

    #[test]
    fn at_the_end_the_guarantee_serves_and_the_rest_is_a_debt_on_the_ledger() {
        assert_eq!(settle(2, &[line(ONE, OTHER, 10)], &input([0, 5], 4), true).0, 9);
        assert_eq!(settle(2, &[line(ONE, OTHER, 10)], &input([0, 5], 4), true).1, 3);
    }

    #[test]
    fn what_the_grant_does_not_let_the_user_owe_is_taken_off_the_last_statement() {
        let back = Line { clause: 7, ..line(OTHER, ONE, 6) };
        assert_eq!(settle(0, &[line(ONE, OTHER, 20)], &input([0, 5], 4), true), (9, 5, 6, Some(back)));
    }

    #[test]
    fn a_grant_that_renews_counts_twelve_times_and_what_is_owed_already_is_less() {
        let mut input = input([0, 0], 0);
        input.terms.grants[0].renews = true;
        input.facts.debt = Money(59);
        assert_eq!(input.can_owe(), Money(1));
        input.facts.debt = Money(61);
        assert_eq!(input.can_owe(), Money::ZERO);
        input.terms.grants[0].allowance = Money(u64::MAX);
        assert_eq!(input.can_owe(), MAX_OWED.less(Money(61)));
        input.terms.grants.clear();
        assert_eq!(input.can_owe(), Money::ZERO);
    }

    #[test]
    fn what_is_not_paid_out_of_a_pot_is_released() {
        let input = input([0, 0], 9);
        let paid = Effect::Pay { from: ONE, source: Source::Pot(Purpose::Guarantee), to: OTHER, amount: Money(4) };
        assert_eq!(input.release_all(&[paid]), Ok(Vec::from([Effect::Release(ONE, Purpose::Guarantee, Money(5))])));
    }
}
