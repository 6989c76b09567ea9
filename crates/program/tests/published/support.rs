//! Small modules, and an agreement that runs them.

use std::fmt::Write as _;
use std::sync::Arc;
use utilidor_program::wasm::Module;
use utilidor_program::{Case, Event, Facts, Fault, State, Step};
use utilidor_program_sdk as wire;
use utilidor_types::agreement::{CodedTerms, Fallback, HardEnd, ProgramCode};
use utilidor_types::program::{CodedMeter, Grant, Metered};
use utilidor_types::*;

/// Where answers stand in the modules: behind the input's buffer.
pub const ANSWER_AT: u32 = 2 * 64 * 1024;

/// A module with this body of `act`, and whatever else.
pub fn module(more: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 4) (global (export "buffer") i32 (i32.const 0)) {more}
           (func (export "act") (param i32) (result i64) {body}))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A module that always answers with these bytes.
pub fn answering(answer: &[u8]) -> Vec<u8> {
    let mut bytes = String::new();
    answer.iter().for_each(|byte| write!(bytes, "\\{byte:02x}").unwrap());
    let place = u64::from(ANSWER_AT) << 32 | answer.len() as u64;
    module(&format!(r#"(data (i32.const {ANSWER_AT}) "{bytes}")"#), &format!("(i64.const {place})"))
}

/// A module that asks for these effects.
pub fn asking(effects: Vec<wire::Effect>) -> Vec<u8> {
    answering(&borsh::to_vec(&wire::Answer::Done(wire::Done { effects, ..wire::Done::default() })).unwrap())
}

pub const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// What both parties put under the agreement: 100 to be reserved, 50 to be taken; a meter each.
pub fn terms() -> AgreementTerms {
    let grant = |party| Grant { party, reserve: Money::units(100), allowance: Money::units(50), renews: false };
    let meter = |id: u8, party, metered| CodedMeter {
        meter: MeterId([id; 16]),
        carrier: Carrier::Electricity,
        party,
        window: Window { from: NOW, to: Timestamp(NOW.0 + 3_600_000) },
        metered,
    };
    let coded = CodedTerms {
        code: ProgramCode::Published(ProgramId([7; 32])),
        grants: vec![grant(Party::OWNER), grant(Party::USER)].try_into().unwrap(),
        meters: vec![meter(1, Party::OWNER, Metered::Rest), meter(2, Party::USER, Metered::Fill(Quantity(1_000)))]
            .try_into()
            .unwrap(),
        parameters: Bounded::empty(),
    };
    let hard_end = HardEnd { at: Timestamp(NOW.0 + 86_400_000), fallback: Fallback::GiveBack };
    let parties = vec![AccountId([1; 32]), AccountId([2; 32])].try_into().unwrap();
    AgreementTerms { parties, program: Program::Coded(coded), hard_end: Some(hard_end) }
}

/// Lets a module act on an event.
pub fn act(code: &[u8], event: &Event) -> Result<Step, Fault> {
    let module = Module::compile(code).unwrap_or_else(|error| panic!("{error}"));
    act_with(Arc::new(module), event, State::default())
}

/// The same with a compiled module, on a state.
pub fn act_with(module: Arc<Module>, event: &Event, state: State) -> Result<Step, Fault> {
    let terms = terms();
    let facts = Facts {
        now: NOW,
        module: Some(module),
        available: vec![Money::units(50); 2],
        debt: Money::units(3),
        pots: vec![(Party::USER, event::Purpose::Deposit, Money::units(60))],
        ..Facts::default()
    };
    utilidor_program::act(event, Case { agreement: AgreementId([3; 16]), terms: &terms, state: &state, facts: &facts })
}
