//! What programs may use, and that everybody counts the same.

use crate::support::{NOW, act, act_with, asking, module};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use utilidor_program::wasm::{self, EVENT_FUEL, Module, OUT_OF_FUEL, TRAPPED, operators};
use utilidor_program::{Event, Segment, State};
use utilidor_types::{Bands, Digest, Quantity, Timestamp, Window};

/// Engine 1's instructions and their cost. Another table is another engine: add one, and keep this.
const ENGINE_1: &str = "0d56937a9e23c59e03002d5171d4f85cb7927614d5fc778b21974ed343b6862e";

#[test]
fn a_changed_fuel_table_is_another_engine() {
    let mut hasher = Sha256::new();
    for (name, cost) in operators::REFERENCE {
        hasher.update(format!("{name} {cost}\n"));
    }
    assert_eq!(wasm::ENGINE, 1);
    assert_eq!(hex::encode(hasher.finalize()), ENGINE_1);
}

#[test]
fn endless_programs_run_out_of_fuel_soon() {
    let call = "(func $deep (local i64 i64 i64 i64 i64 i64 i64 i64)) ";
    let bomb = format!("(func $deep (local{}))", " i64".repeat(256));
    let endless = [
        ("empty loop", "", "(loop (br 0)) (unreachable)"),
        ("calls", call, "(loop (call $deep) (br 0)) (unreachable)"),
        ("calls of many locals", &*bomb, "(loop (call $deep) (br 0)) (unreachable)"),
        ("divisions", "", "(loop (drop (i64.div_u (i64.const 9) (i64.const 7))) (br 0)) (unreachable)"),
        ("fills", "", "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 200000)) (br 0)) (unreachable)"),
        ("copies", "", "(loop (memory.copy (i32.const 0) (i32.const 9) (i32.const 200000)) (br 0)) (unreachable)"),
        ("growing", "", "(loop (drop (memory.grow (i32.const 0))) (br 0)) (unreachable)"),
        ("nothing", "", "(loop (nop) (nop) (drop (i32.const 0)) (br 0)) (unreachable)"),
    ];
    for (name, more, body) in endless {
        let module = Arc::new(Module::compile(&module(more, body)).unwrap());
        let begin = Instant::now();
        assert_eq!(act_with(module, &Event::Signed, State::default()), Err(OUT_OF_FUEL), "{name}");
        // It takes half a millisecond in a release; this finds what is out by orders of magnitude.
        assert!(begin.elapsed() < Duration::from_secs(1), "{name} took {:?}", begin.elapsed());
    }
}

#[test]
fn a_trap_is_a_fault() {
    let traps = [
        ("", "(unreachable)"),
        ("", "(i64.div_u (i64.const 1) (i64.const 0))"),
        ("", "(i64.load (i32.const -8))"),
        ("(table 1 funcref) (type $t (func))", "(call_indirect (type $t) (i32.const 0)) (i64.const 0)"),
        ("(func $f (call $f))", "(call $f) (i64.const 0)"),
        (
            "(func $f (param i32) (result i32) (call $f (i32.add (local.get 0) (i32.const 1))))",
            "(drop (call $f (i32.const 0))) (i64.const 0)",
        ),
        ("", "(loop (drop (memory.grow (i32.const 1))) (br 0)) (unreachable)"),
    ];
    for (more, body) in traps {
        assert_eq!(act(&module(more, body), &Event::Signed), Err(TRAPPED), "{more} {body}");
    }
}

#[test]
fn cold_and_warm_programs_use_the_same_fuel() {
    let code = asking(Vec::new());
    let digest = Digest([9; 32]);
    let load = || wasm::load(wasm::ENGINE, digest, || code.clone()).unwrap();
    let fuel = |module| act_with(module, &Event::Due, State::default()).unwrap().fuel;
    let cold = fuel(load());
    let warm: Vec<u64> = (0..3).map(|_| fuel(load())).collect();
    wasm::forget_all();
    let restarted = fuel(load());
    assert!(cold > 0 && cold < EVENT_FUEL);
    assert_eq!((warm, restarted), (vec![cold; 3], cold));
    assert_eq!(act(&code, &Event::Due).unwrap().fuel, cold, "who compiles it anew counts the same");
}

#[test]
fn who_is_told_more_pays_for_it() {
    let module = Arc::new(Module::compile(&asking(Vec::new())).unwrap());
    let with_head = |len: usize| {
        let state = State { head: vec![0; len].try_into().unwrap(), ..State::default() };
        act_with(module.clone(), &Event::Due, state).unwrap().fuel
    };
    assert!(with_head(1_000) > with_head(0));
}

#[test]
fn a_program_sees_the_slots_of_what_it_is_told_of_whatever_else_is_at_hand() {
    let module = Arc::new(Module::compile(&asking(Vec::new())).unwrap());
    let fuel = |event: &Event, slots: &[u8]| {
        let slots = slots.iter().map(|number| (*number, vec![7; 400].try_into().unwrap()));
        let state = State { slots: slots.collect(), ..State::default() };
        act_with(module.clone(), event, state).unwrap().fuel
    };
    let interval = Window { from: NOW, to: Timestamp(NOW.0 + 1) };
    let segment = Segment { interval, bands: Bands::default(), peak: (Quantity::ZERO, 0) };
    let brought = Event::Segment { binding: 1, segment };
    assert_eq!(fuel(&brought, &[0, 1]), fuel(&brought, &[1]), "who proves a bill has all slots, the ledger reads one");
    assert!(fuel(&brought, &[1]) > fuel(&brought, &[0]));
    assert!(fuel(&Event::Due, &[0, 1]) > fuel(&Event::Due, &[1]), "at its time it is told all");
}
