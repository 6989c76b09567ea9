//! Statements: a program's draft becomes a statement with its number, what the user's allowance could have given, what is
//! owed in all, and the digests of what the program went on from that let anybody run it again.

use crate::context::Ledger;
use crate::effect::Unfit;
use crate::record::AgreementState;
use crate::store::Ruled;
use utilidor_program::{Draft, Standing, State};
use utilidor_types::{AgreementId, AgreementTerms, Bounded, Digest, Event, Money, Statement};

impl Ledger<'_> {
    /// Issues a statement without what stands only when all of its step is done.
    pub fn issue_statement(
        &mut self,
        agreement: AgreementId,
        state: &mut AgreementState,
        draft: &Draft,
        available: Money,
    ) -> Ruled<()> {
        let lines = Bounded::new(draft.lines.clone()).map_err(|_| Unfit::Lines)?;
        state.statements = state.statements.checked_add(1).ok_or(Unfit::Lines)?;
        self.events.push(Event::StatementIssued(Statement {
            agreement,
            number: state.statements,
            closing: draft.closing,
            period: draft.period,
            issued: self.now,
            lines,
            substituted: draft.substituted,
            paid: draft.paid,
            unpaid: draft.unpaid,
            debt: state.debt,
            available,
            state_before: state.digest,
            state_after: state.digest,
        }));
        Ok(())
    }

    /// Says in the statements of a step, which are among the events from `first` on, what stands now that all of it is done:
    /// what is owed, and the digest. `written`: the program's state.
    pub fn complete_statements(
        &mut self,
        first: usize,
        terms: &AgreementTerms,
        state: &mut AgreementState,
        written: &State,
    ) {
        let after = self.standing(terms, state, written);
        for event in self.events.iter_mut().skip(first) {
            if let Event::StatementIssued(statement) = event {
                statement.debt = state.debt;
                statement.state_before = std::mem::replace(&mut state.digest, after);
                statement.state_after = after;
            }
        }
        state.digest = after;
    }

    /// Digest of what stands. What is looked ahead is undone, and nothing follows from a digest: there it is not worked out.
    fn standing(&self, terms: &AgreementTerms, state: &AgreementState, written: &State) -> Digest {
        if self.store.is_ahead() {
            return Digest::default();
        }
        let pots = state.pots.iter().map(|pot| ((pot.party, pot.purpose), pot.money)).collect();
        let (terms, written) = (terms.digest(), written.digest());
        Standing { terms, state: written, pots, debt: state.debt, ending: state.ending }.digest()
    }
}
