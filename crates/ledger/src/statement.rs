//! Statements: a program's draft becomes a statement with its number, what the user's allowance could have given, what is
//! owed in all, and the digests of the program's state that let anybody run the program again.

use crate::context::Ledger;
use crate::effect::Unfit;
use crate::record::AgreementState;
use crate::store::Ruled;
use utilidor_program::Draft;
use utilidor_types::{AgreementId, Bounded, Digest, Event, Money, Statement};

/// What all statements of a step show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shows {
    /// What the user's allowance could have given.
    pub available: Money,
    /// What is owed after the step.
    pub debt: Money,
    /// Digest of the program's state after the step.
    pub after: Digest,
}

impl Ledger<'_> {
    pub fn issue_statement(
        &mut self,
        agreement: AgreementId,
        state: &mut AgreementState,
        draft: &Draft,
        shows: Shows,
    ) -> Ruled<()> {
        let Shows { available, debt, after } = shows;
        let lines = Bounded::new(draft.lines.clone()).map_err(|_| Unfit::Lines)?;
        state.statements = state.statements.checked_add(1).ok_or(Unfit::Lines)?;
        let state_before = std::mem::replace(&mut state.digest, after);
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
            debt,
            available,
            state_before,
            state_after: after,
        }));
        Ok(())
    }
}
