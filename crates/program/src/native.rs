//! Which program an agreement runs. This is the one place that tells programs apart.

use crate::clauses::ClauseTerms;
use crate::contract::{Case, Event, Fault, State, Step, Volume, Wants};
use utilidor_types::agreement::{Allowance, HardEnd, Party, ProgramCode};
use utilidor_types::program::CLAUSES;
use utilidor_types::{AgreementTerms, Program, Refusal, Timestamp};

/// A program, for terms of its kind.
pub trait Contract {
    /// Checks that the terms can be executed, as far as they alone tell. Parties are distinct already.
    fn check(&self, terms: &AgreementTerms) -> Result<(), Refusal>;

    /// Checks at `now` that these terms may replace `before`, as far as they alone tell.
    fn check_amendment(&self, before: &AgreementTerms, now: Timestamp) -> Result<(), Refusal>;

    /// What the parties let it take from their free balances.
    fn allowances(&self) -> Vec<Allowance>;

    /// The most that it may hold reserved of a party together with what others were given of it; `None`: what its terms say is all
    /// that it asks for.
    fn reserve(&self, _: Party) -> Option<Allowance> {
        None
    }

    /// When it ends whatever it does, if the terms name no hard end, for an agreement signed at `signed`.
    fn hard_end(&self, signed: Timestamp) -> HardEnd;

    /// What the owner delivers under it, for offers that are awarded in parts.
    fn volumes(&self) -> Vec<Volume> {
        Vec::new()
    }

    /// What must be known before it can act.
    fn wants(&self, event: &Event, state: &State) -> Result<Wants, Fault>;

    /// Acts.
    fn act(&self, event: &Event, case: Case<'_>) -> Result<Step, Fault>;
}

/// Does something with the program of its kind.
fn with<T>(program: &Program, what: impl FnOnce(&dyn Contract) -> T) -> Result<T, Refusal> {
    Ok(match program {
        Program::Purchase(terms) => what(terms),
        Program::Subscription(terms) => what(terms),
        Program::Coded(terms) => match terms.code {
            ProgramCode::Published(_) => what(terms),
            ProgramCode::Native(CLAUSES) => what(&ClauseTerms(terms)),
            #[cfg(feature = "toy")]
            ProgramCode::Native(crate::toy::CODE) => what(&crate::toy::Toy),
            ProgramCode::Native(code) => return Err(Refusal::UnknownProgram { code }),
        },
    })
}

/// Checks that terms can be executed, as far as they alone tell. Order: parties, program, its terms, hard end.
pub fn check(terms: &AgreementTerms, now: Timestamp) -> Result<(), Refusal> {
    let parties = &terms.parties;
    let twice = parties.iter().enumerate().any(|(place, party)| parties[..place].contains(party));
    if parties.len() == 2 && twice {
        return Err(Refusal::SelfDealing);
    }
    if parties.len() < 2 || twice {
        return Err(Refusal::BadParties);
    }
    with(&terms.program, |contract| contract.check(terms))??;
    terms.hard_end.as_ref().map_or(Ok(()), |end| check_hard_end(end, parties.len(), now))
}

fn check_hard_end(end: &HardEnd, parties: usize, now: Timestamp) -> Result<(), Refusal> {
    use utilidor_types::agreement::Fallback;
    let adds_up = match &end.fallback {
        Fallback::Split(shares) => {
            shares.len() == parties && shares.iter().map(|share| u32::from(*share)).sum::<u32>() == 1_000
        }
        Fallback::GiveBack | Fallback::Arbiter(_) => true,
    };
    let in_time = end.at > now && end.at <= utilidor_types::time::MAX_TIMESTAMP;
    if adds_up && in_time { Ok(()) } else { Err(Refusal::BadHardEnd) }
}

/// Checks that `terms` may replace `before`. Order: kind of program, terms, what the program keeps.
pub fn check_amendment(terms: &AgreementTerms, before: &AgreementTerms, now: Timestamp) -> Result<(), Refusal> {
    if std::mem::discriminant(&terms.program) != std::mem::discriminant(&before.program) {
        return Err(Refusal::AmendmentKind);
    }
    check(terms, now)?;
    with(&terms.program, |contract| contract.check_amendment(before, now))?
}

/// What the parties let the program take from their free balances.
pub fn allowances(program: &Program) -> Vec<Allowance> {
    with(program, |contract| contract.allowances()).unwrap_or_default()
}

/// The most that the program may hold reserved of a party together with what others were given of it, if its terms bound it.
pub fn reserve(program: &Program, party: Party) -> Option<Allowance> {
    with(program, |contract| contract.reserve(party)).ok().flatten()
}

/// When an agreement signed at `signed` ends whatever its program does, and how.
pub fn hard_end(terms: &AgreementTerms, signed: Timestamp) -> HardEnd {
    use utilidor_types::agreement::Fallback;
    let own = || with(&terms.program, |contract| contract.hard_end(signed));
    let never = HardEnd { at: utilidor_types::time::MAX_TIMESTAMP, fallback: Fallback::GiveBack };
    terms.hard_end.clone().unwrap_or_else(|| own().unwrap_or(never))
}

/// What the owner delivers, for offers that are awarded in parts.
pub fn volumes(program: &Program) -> Vec<Volume> {
    with(program, |contract| contract.volumes()).unwrap_or_default()
}

/// What must be known before the program can act.
pub fn wants(program: &Program, event: &Event, state: &State) -> Result<Wants, Fault> {
    with(program, |contract| contract.wants(event, state))?
}

/// Lets the program act.
pub fn act(event: &Event, case: Case<'_>) -> Result<Step, Fault> {
    with(&case.terms.program, |contract| contract.act(event, case))?
}
