//! Programs that parties have published, behind the interface of all programs.
//!
//! What such a program can reach stands in the terms that all have signed: parties' money by [`Grant`]s, meters by their
//! place in a list. So what it needs to know is known without running it, and what it asks for is translated, checked
//! against the terms, and then checked by the ledger as everyone's is.
//!
//! * Slot `n` of its state belongs to meter `n`: an event of a meter touches that slot alone.
//! * A statement's lines say what the same step moves between each two parties, no more and no less. What a statement says is
//!   paid and owed is taken from the effects, not from the program's word.
//!
//! [`Grant`]: utilidor_types::program::Grant

pub(crate) mod answer;
pub(crate) mod input;

use crate::contract::{Case, Event, Fault, State, Step, Sum, Wants};
use crate::native::Contract;
use crate::purchase::check_sold;
use crate::wasm;
use utilidor_program_sdk as wire;
use utilidor_types::agreement::{Allowance, CodedTerms, Fallback, HardEnd, Party};
use utilidor_types::program::{CodedMeter, Metered};
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{AgreementTerms, MeterId, Money, Quantity, Refusal, Timestamp};

/// The meters with their numbers.
fn numbered(terms: &CodedTerms) -> impl Iterator<Item = (u8, &CodedMeter)> {
    (0u8..).zip(&terms.meters)
}

fn check_reach(terms: &CodedTerms, parties: usize) -> Result<(), Refusal> {
    let is_party = |party: Party| usize::from(party.0) < parties;
    for (place, grant) in terms.grants.iter().enumerate() {
        let twice = terms.grants[..place].iter().any(|other| other.party == grant.party);
        if twice || !is_party(grant.party) {
            return Err(Refusal::BadReach);
        }
    }
    for (place, meter) in terms.meters.iter().enumerate() {
        let twice = terms.meters[..place].iter().any(|other| other.meter == meter.meter);
        let is_nothing = meter.metered == Metered::Fill(Quantity::ZERO) || meter.window.is_empty();
        if twice || is_nothing || !is_party(meter.party) || meter.window.to > MAX_TIMESTAMP {
            return Err(Refusal::BadReach);
        }
        if matches!(meter.metered, Metered::Fill(_)) {
            check_sold(meter.window)?;
        }
    }
    Ok(())
}

impl Contract for CodedTerms {
    /// Order: hard end, reach. Whether the program is published is the ledger's to look up.
    fn check(&self, terms: &AgreementTerms) -> Result<(), Refusal> {
        if terms.hard_end.is_none() {
            return Err(Refusal::BadHardEnd);
        }
        check_reach(self, terms.parties.len())
    }

    /// Meters can come to the list; those that are there keep their places, for what is bound is known by its place.
    fn check_amendment(&self, before: &AgreementTerms, _: Timestamp) -> Result<(), Refusal> {
        let utilidor_types::Program::Coded(before) = &before.program else { return Err(Refusal::AmendmentKind) };
        let whose = |meter: &CodedMeter| (meter.meter, meter.carrier, meter.party);
        let is_kept =
            |(number, meter): (u8, &CodedMeter)| self.meters.get(usize::from(number)).map(whose) == Some(whose(meter));
        if numbered(before).all(is_kept) { Ok(()) } else { Err(Refusal::BadReach) }
    }

    fn allowances(&self) -> Vec<Allowance> {
        let grants = self.grants.iter();
        grants.map(|grant| Allowance { party: grant.party, cap: grant.allowance, renews: grant.renews }).collect()
    }

    fn reserve(&self, party: Party) -> Option<Allowance> {
        let grant = self.grant(party);
        let (cap, renews) = grant.map_or((Money::ZERO, false), |grant| (grant.reserve, grant.renews));
        Some(Allowance { party, cap, renews })
    }

    fn hard_end(&self, _: Timestamp) -> HardEnd {
        HardEnd { at: MAX_TIMESTAMP, fallback: Fallback::GiveBack }
    }

    fn wants(&self, event: &Event, _: &State) -> Result<Wants, Fault> {
        let program = match self.code {
            utilidor_types::agreement::ProgramCode::Published(program) => Some(program),
            utilidor_types::agreement::ProgramCode::Native(_) => None,
        };
        let meters = || numbered(self).map(|(number, meter)| (number, meter.meter)).collect::<Vec<(u8, MeterId)>>();
        let fills = || numbered(self).filter(|(_, meter)| matches!(meter.metered, Metered::Fill(_)));
        let all = (0..self.meters.len() as u8).collect();
        Ok(match event {
            Event::Segment { binding, .. }
            | Event::Returned { binding, .. }
            | Event::Level { binding, .. }
            | Event::Corrected { binding, .. } => Wants { program, slots: vec![*binding], ..Wants::default() },
            Event::Signed | Event::EndingWithdrawn { .. } => Wants { program, slots: all, ..Wants::default() },
            Event::Due
            | Event::Prepaid { .. }
            | Event::Command { .. }
            | Event::Amended { .. }
            | Event::Ending { .. } => {
                let sums = fills().map(|(number, meter)| (number, meter.meter)).collect();
                Wants { program, slots: all, read: meters(), sums, ..Wants::default() }
            }
        })
    }

    fn act(&self, event: &Event, case: Case<'_>) -> Result<Step, Fault> {
        let module = case.facts.module.as_ref().ok_or(wasm::UNTOLD)?;
        respond(self, event, case, &**module)
    }
}

/// What answers bytes with bytes: a compiled module, or in a contract's own tests its function.
pub trait Respond {
    /// Answers.
    fn run(&self, input: &[u8]) -> Result<wasm::Ran, Fault>;
}

impl Respond for wasm::Module {
    fn run(&self, input: &[u8]) -> Result<wasm::Ran, Fault> {
        wasm::Module::run(self, input)
    }
}

/// A program's function, run natively: it uses no fuel.
#[derive(Debug, Clone, Copy)]
pub struct Native(pub fn(&[u8]) -> Vec<u8>);

impl Respond for Native {
    fn run(&self, input: &[u8]) -> Result<wasm::Ran, Fault> {
        Ok(wasm::Ran { fuel: 0, answer: self.0(input) })
    }
}

/// Lets a program answer, and holds the answer against the terms.
pub(crate) fn respond(terms: &CodedTerms, event: &Event, case: Case<'_>, run: &impl Respond) -> Result<Step, Fault> {
    let input = input::input(terms, event, case)?;
    let input = borsh::to_vec(&input).map_err(|_| wasm::UNTOLD)?;
    let wasm::Ran { fuel, answer } = run.run(&input)?;
    match borsh::from_slice::<wire::Answer>(&answer) {
        Ok(wire::Answer::Done(done)) => {
            let step = answer::step(terms, done, case)?;
            Ok(Step { fuel, ..step })
        }
        Ok(wire::Answer::Fault(wire::Fault(code))) if code < wasm::ENGINE_CODES => Err(Fault::Failed(code)),
        Ok(wire::Answer::Fault(_)) | Err(_) => Err(wasm::BAD_ANSWER),
    }
}

/// How the ledger sums a meter.
const fn sum_of(metered: Metered) -> Sum {
    match metered {
        Metered::Fill(volume) => Sum::Fill(volume),
        Metered::Rest => Sum::Rest { tariff: None, offset_minutes: 0 },
    }
}
