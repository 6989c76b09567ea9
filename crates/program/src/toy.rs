//! A program for tests: each command pays the owner as much of the user's deposit as the terms say. It shows that a new
//! native program touches this crate alone.

use crate::contract::{Case, Effect, Event, Fault, State, Step, UNEXPECTED, Wants};
use crate::native::Contract;
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::agreement::{Allowance, CodedTerms, Fallback, HardEnd, Party, ProgramCode, Status};
use utilidor_types::event::{Movement, Purpose, Source};
use utilidor_types::program::MAX_PARAMETER_BYTES;
use utilidor_types::time::{DAY_MS, HOUR_MS, MAX_TIMESTAMP};
use utilidor_types::{AgreementTerms, Money, Program, Refusal, Timestamp, decode, encode};

/// The program's number.
pub const CODE: u16 = u16::MAX;

/// Its terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Terms {
    /// What the user reserves.
    pub deposit: Money,
    /// What a command costs. It is not checked against the deposit: a program may ask for what it cannot have.
    pub fare: Money,
}

impl Terms {
    /// As a program of an agreement.
    pub fn program(&self) -> Program {
        let terms = encode(self).try_into().expect("two amounts are shorter than terms may be");
        Program::Coded(CodedTerms::bare(ProgramCode::Native(CODE), terms))
    }

    fn of(terms: &AgreementTerms) -> Result<Self, Refusal> {
        match &terms.program {
            Program::Coded(CodedTerms { parameters, .. }) => {
                decode(parameters, MAX_PARAMETER_BYTES).map_err(|_| Refusal::BadTerms { code: CODE })
            }
            _ => Err(Refusal::BadTerms { code: CODE }),
        }
    }
}

/// The program.
pub struct Toy;

impl Contract for Toy {
    fn check(&self, terms: &AgreementTerms) -> Result<(), Refusal> {
        Terms::of(terms).map(|_| ())
    }

    fn check_amendment(&self, _: &AgreementTerms, _: Timestamp) -> Result<(), Refusal> {
        Ok(())
    }

    fn allowances(&self) -> Vec<Allowance> {
        Vec::new()
    }

    fn hard_end(&self, signed: Timestamp) -> HardEnd {
        let at = signed.checked_add_ms(DAY_MS).unwrap_or(MAX_TIMESTAMP);
        HardEnd { at, fallback: Fallback::GiveBack }
    }

    fn wants(&self, _: &Event, _: &State) -> Result<Wants, Fault> {
        Ok(Wants::default())
    }

    fn act(&self, event: &Event, case: Case<'_>) -> Result<Step, Fault> {
        let terms = Terms::of(case.terms)?;
        let (party, purpose) = (Party::USER, Purpose::Deposit);
        let fare = Movement::Pay { from: party, source: Source::Pot(purpose), to: Party::OWNER };
        let effects = match event {
            Event::Signed => {
                let at = case.facts.now.checked_add_ms(HOUR_MS).ok_or(Refusal::Overflow)?;
                vec![Effect::Move(Movement::Reserve { party, purpose }, terms.deposit), Effect::Schedule(at)]
            }
            Event::Command { .. } | Event::Due => vec![Effect::Move(fare, terms.fare)],
            Event::Ending { .. } => {
                let left = case.facts.pot(party, purpose);
                vec![Effect::Move(Movement::Release { party, purpose }, left), Effect::Finish(Status::Terminated)]
            }
            _ => return Err(UNEXPECTED),
        };
        Ok(Step { effects, ..Step::default() })
    }
}
