//! Programs that parties have published: what an event costs through the adapter, and what blocks full of such events cost
//! beside as many settlements of native purchases.
//!
//! Both programs are small, some hundred bytes: what is measured is the adapter and the ledger around it. The first reads its
//! input and keeps a sum in its state; the second pays out of a deposit when it falls due, and ends, as a purchase does.

use crate::execute;
use crate::measure::{Spread, Stopwatch};
use crate::workload::{START, Suite, TOGETHER, contracts, workload};
use serde::Serialize;
use std::sync::Arc;
use utilidor_program::wasm::Module;
use utilidor_program::{Case, Event, Facts, State};
use utilidor_program_sdk as wire;
use utilidor_types::agreement::{CodedTerms, Fallback, HardEnd, Party, ProgramCode};
use utilidor_types::program::{Code, CodedMeter, Grant, Manifest, Metered, Publication};
use utilidor_types::time::HOUR_MS;
use utilidor_types::{AccountId, AgreementId, AgreementTerms, Bounded, Carrier, MeterId, Money, Program, ProgramId};
use utilidor_types::{Timestamp, Window};

/// Events of a run.
pub const EVENTS: u64 = 20_000;

/// A module that answers every event with no effects and a head of eight bytes, the input's length.
pub fn small_module() -> Vec<u8> {
    const TEXT: &str = r#"(module
        (memory (export "memory") 3)
        (global (export "buffer") i32 (i32.const 0))
        (data (i32.const 131072) "\00\01\08\00\00\00")
        (func (export "act") (param $len i32) (result i64) (local $sum i64) (local $at i32)
          (loop $next
            (local.set $sum (i64.add (local.get $sum) (i64.load8_u (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $at) (local.get $len))))
          (i64.store (i32.const 131078) (local.get $sum))
          (i64.const 562949953421334)))"#;
    // The answer: done, a head of eight bytes, no slots, no effects: 22 bytes at 131,072.
    wat::parse_str(TEXT).expect("the module is well formed")
}

/// Agreements that fall due together.
pub const DUE_TOGETHER: u64 = 10_000;
/// When they do.
const DUE: Timestamp = Timestamp(START.0 + HOUR_MS);
/// What each pays.
const PAID: Money = Money(1_000_000);

/// A program that reserves a deposit of the user's when all have signed, and pays it to the owner when it falls due.
fn settling_program() -> Publication {
    let answer = |effects| {
        let done = wire::Done { effects, ..wire::Done::default() };
        borsh::to_vec(&wire::Answer::Done(done)).expect("memory is written to")
    };
    let amount = wire::Money(PAID.0);
    let (user, deposit) = (wire::Party::USER, wire::Purpose::Deposit);
    let signed = answer(vec![wire::Effect::Reserve(user, deposit, amount), wire::Effect::Schedule(wire::Time(DUE.0))]);
    let paid = wire::Effect::Pay { from: user, source: wire::Source::Pot(deposit), to: wire::Party::OWNER, amount };
    let due = answer(vec![paid, wire::Effect::Finish(wire::End::Settled)]);
    let [signed, due] = [(131_072_u64, signed), (135_168, due)].map(|(place, bytes)| {
        let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        (format!("(data (i32.const {place}) \"{text}\")"), place << 32 | bytes.len() as u64)
    });
    // The first byte of the input is the event's number: 0 signed.
    let text = format!(
        r#"(module (memory (export "memory") 3) (global (export "buffer") i32 (i32.const 0)) {} {}
           (func (export "act") (param i32) (result i64)
             (if (i32.eqz (i32.load8_u (i32.const 0))) (then (return (i64.const {}))))
             (i64.const {})))"#,
        signed.0, due.0, signed.1, due.1
    );
    let code = wat::parse_str(text).expect("the module is well formed");
    let code = Code::new(code).expect("the module is small");
    Publication { engine: utilidor_program::wasm::ENGINE, code, manifest: Manifest::default() }
}

/// What blocks of due agreements cost on the `execute` layer: native purchases and a program of the parties' own, in turn.
#[derive(Debug, Clone, Serialize)]
pub struct Due {
    /// Agreements that fall due in the same second.
    pub agreements: u64,
    /// Microseconds of processor time for a native purchase.
    pub native_us: Spread,
    /// The same for the program.
    pub program_us: Spread,
    /// The median of the runs' ratios, program to native.
    pub ratio: Spread,
}

/// Settles so many native purchases and as many contracts on a program, in turn.
pub fn measure_due(agreements: u64, seed: &str, runs: usize) -> Due {
    let scale = agreements as f64 / Suite::Settlement.size() as f64;
    let native = workload(Suite::Settlement, scale, seed, TOGETHER);
    let program = contracts(agreements as usize, seed, settling_program(), DUE, PAID);
    let us = |workload| execute::play(workload).timed.cpu * 1e6 / agreements as f64;
    let both: Vec<(f64, f64)> = (0..runs.max(1)).map(|_| (us(&native), us(&program))).collect();
    Due {
        agreements,
        native_us: Spread::of(both.iter().map(|(native, _)| *native).collect()),
        program_us: Spread::of(both.iter().map(|(_, program)| *program).collect()),
        ratio: Spread::of(both.iter().map(|(native, program)| program / native).collect()),
    }
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// Bytes of the module.
    pub bytes: usize,
    /// Milliseconds to admit and compile it.
    pub compile_ms: f64,
    /// Fuel of an event.
    pub fuel: u64,
    /// Events a second through the adapter, on one core.
    pub events_per_second: Spread,
    /// Nanoseconds for a unit of fuel.
    pub ns_per_fuel: f64,
}

fn terms() -> AgreementTerms {
    let grant = Grant { party: Party::USER, reserve: Money::units(1), allowance: Money::units(1), renews: true };
    let meter = CodedMeter {
        meter: MeterId([1; 16]),
        carrier: Carrier::Electricity,
        party: Party::USER,
        window: Window { from: Timestamp(0), to: Timestamp(1_000) },
        metered: Metered::Rest,
    };
    let coded = CodedTerms {
        code: ProgramCode::Published(ProgramId::default()),
        grants: Bounded::new(vec![grant]).expect("one grant is within the bound"),
        meters: Bounded::new(vec![meter]).expect("one meter is within the bound"),
        parameters: Bounded::new(vec![7; 64]).expect("64 bytes are within the bound"),
    };
    let hard_end = HardEnd { at: Timestamp(1_000), fallback: Fallback::GiveBack };
    let terms = AgreementTerms::between(AccountId([1; 32]), AccountId([2; 32]), Program::Coded(coded));
    AgreementTerms { hard_end: Some(hard_end), ..terms }
}

/// Measures a module on an event that it takes.
pub fn measure(code: &[u8], event: &Event, runs: usize) -> Figures {
    let stopwatch = Stopwatch::start();
    let module = Arc::new(Module::compile(code).expect("the benchmark's own module is admitted"));
    let compile_ms = stopwatch.read().wall * 1_000.0;
    let terms = terms();
    let facts = Facts { available: vec![Money::units(1); 2], module: Some(module), ..Facts::default() };
    let state = State { head: Bounded::new(vec![0; 48]).expect("48 bytes are within the bound"), ..State::default() };
    let case = Case { agreement: AgreementId::default(), terms: &terms, state: &state, facts: &facts };
    let fuel = utilidor_program::act(event, case).expect("the module takes the event").fuel;
    let mut speeds = Vec::with_capacity(runs);
    for _ in 0..runs.max(1) {
        let stopwatch = Stopwatch::start();
        for _ in 0..EVENTS {
            std::hint::black_box(utilidor_program::act(event, case)).expect("the module takes the event");
        }
        speeds.push(EVENTS as f64 / stopwatch.read().cpu);
    }
    let events_per_second = Spread::of(speeds);
    let ns_per_fuel = 1e9 / events_per_second.median / fuel.max(1) as f64;
    Figures { bytes: code.len(), compile_ms, fuel, events_per_second, ns_per_fuel }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_small_module_answers_with_what_it_was_told() {
        let figures = measure(&small_module(), &Event::Due, 1);
        assert!(figures.fuel > 1_000 && figures.events_per_second.median > 0.0);
    }

    #[test]
    fn as_many_contracts_pay_as_fall_due() {
        let due = measure_due(100, "integrated-energy-1", 1);
        assert!(due.native_us.median > 0.0 && due.program_us.median > 0.0);
    }
}
