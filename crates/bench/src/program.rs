//! Programs that parties have published: what an event costs through the adapter, and what a block of such events costs
//! beside as many settlements of native purchases.
//!
//! The program is a small one of some hundred bytes that reads its input and keeps a sum in its state: what is measured is
//! the adapter and the ledger around it. A contract in Rust of some 20 KiB is measured in the same way where its module is
//! at hand.

use crate::measure::{Spread, Stopwatch};
use serde::Serialize;
use std::sync::Arc;
use utilidor_program::wasm::Module;
use utilidor_program::{Case, Event, Facts, State};
use utilidor_types::agreement::{CodedTerms, Fallback, HardEnd, Party, ProgramCode};
use utilidor_types::program::{CodedMeter, Grant, Metered};
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
}
