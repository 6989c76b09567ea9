//! Programs: what agreements run [M15].
//!
//! A program is a pure function of an event, its terms, its state and a few facts; it answers with its new
//! state and a list of effects. The ledger checks and carries out the effects, whoever wrote the program: no
//! program can move what a party has not put under its agreement. The native programs are `purchase` and
//! `package`; parties' own programs will stand behind the same effects.

use crate::execution::Ledger;
use crate::record::AgreementState;
use crate::store::Ruled;
use utilidor_types::agreement::{Agreement, Status};
use utilidor_types::event::Movement;
use utilidor_types::statement::{MAX_LINES, StatementLine};
use utilidor_types::{AgreementId, Bounded, CertificateId, Event, Money, Statement, Timestamp, Window};

/// What a program may know besides its own terms and state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    /// What the user has at its disposal.
    pub user_free: Money,
}

/// What a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Move money of this agreement.
    Move(Movement, Money),
    /// Act again at this time.
    Schedule(Timestamp),
    /// Issue a statement.
    Issue(Draft),
    /// End with this status.
    Finish(Status),
}

/// A statement before the ledger has numbered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    pub period: Window,
    pub lines: Vec<StatementLine>,
    pub paid: Money,
    pub unpaid: Money,
    pub substituted: bool,
}

impl Ledger<'_> {
    /// Carries out effects, in order. The caller writes the agreement's state afterwards.
    pub fn carry_out(&mut self, agreement: &Agreement, state: &mut AgreementState, effects: Vec<Effect>) -> Ruled<()> {
        for effect in effects {
            match effect {
                Effect::Move(movement, amount) => {
                    self.move_money(agreement.id, &agreement.terms, state, movement, amount)?;
                }
                Effect::Schedule(at) => self.schedule(agreement.id, at)?,
                Effect::Issue(draft) => self.issue_statement(agreement.id, state, draft)?,
                Effect::Finish(status) => self.set_status(agreement.id, state, status),
            }
        }
        Ok(())
    }

    /// Notes a change of status.
    pub fn set_status(&mut self, agreement: AgreementId, state: &mut AgreementState, status: Status) {
        state.status = status;
        self.events.push(Event::AgreementStatus { agreement, status });
    }

    fn issue_statement(&mut self, agreement: AgreementId, state: &mut AgreementState, draft: Draft) -> Ruled<()> {
        let first_certificate = state.certificates_from;
        let end_certificate: CertificateId = self.next_certificate()?;
        state.statements += 1;
        state.certificates_from = end_certificate;
        self.events.push(Event::StatementIssued(Statement {
            agreement,
            number: state.statements,
            period: draft.period,
            issued: self.now,
            first_certificate,
            end_certificate,
            lines: Bounded::<_, MAX_LINES>::new(draft.lines).expect("services and tranches are bounded"),
            paid: draft.paid,
            substituted: draft.substituted,
            unpaid: draft.unpaid,
        }));
        Ok(())
    }
}
