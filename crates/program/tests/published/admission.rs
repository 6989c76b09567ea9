//! What WebAssembly a program may be.

use crate::support::module;
use std::time::{Duration, Instant};
use utilidor_program::wasm::admission::{MAX_FUNCTIONS, MAX_LOCALS, check};
use utilidor_program::wasm::{BadCode, Module};
use utilidor_types::program::MAX_CODE_BYTES;
use utilidor_types::refusal::CodeRule as Rule;

const NOTHING: &str = "(i64.const 0)";

fn refused(code: &[u8]) -> BadCode {
    let refused = check(code).expect_err("the code should not be admitted");
    assert_eq!(Module::compile(code).expect_err("what is not admitted is not compiled"), refused);
    refused
}

fn rule(text: &str) -> Rule {
    refused(&wat::parse_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))).rule
}

/// A module with more than the smallest one has.
fn with(more: &str) -> Rule {
    refused(&module(more, NOTHING)).rule
}

#[test]
fn the_smallest_program_is_admitted_and_its_shape_is_known() {
    let shape = check(&module("(data (i32.const 9) \"abc\") (func (local i32 i64))", NOTHING)).unwrap();
    assert_eq!((shape.pages, shape.buffer, shape.data_bytes, shape.locals), (4, 0, 3, 2));
}

#[test]
fn refuses_what_is_no_module_or_packed() {
    assert_eq!(refused(b"").rule, Rule::NoModule);
    assert_eq!(refused(b"\0asm\x01\0\0").rule, Rule::NoModule);
    assert_eq!(
        refused(b"\x28\xb5\x2f\xfd and more").rule,
        Rule::NoModule,
        "a packed module could grow without a bound"
    );
    assert_eq!(refused(b"\x1f\x8b\x08\0").rule, Rule::NoModule);
    assert_eq!(refused(&vec![0; MAX_CODE_BYTES + 1]).found, MAX_CODE_BYTES as u32 + 1);
    let whole = module("", NOTHING);
    for len in 0..whole.len() {
        refused(&whole[..len]);
    }
}

#[test]
fn refuses_imports_so_that_nobody_is_called_and_nobody_calls_back() {
    let imports = ["(func)", "(memory 1)", "(table 1 funcref)", "(global i32)"];
    for import in imports {
        assert_eq!(rule(&format!(r#"(module (import "env" "a" {import}))"#)), Rule::Imports);
    }
}

#[test]
fn refuses_floats_wherever_they_stand() {
    assert_eq!(with("(type (func (param f32)))"), Rule::Instruction);
    assert_eq!(with("(type (func (result f64)))"), Rule::Instruction);
    let places = ["(func (local f64))", "(func (drop (f32.const 1)))", "(global f32 (f32.const 0))"];
    for place in places {
        refused(&module(place, NOTHING));
    }
    refused(&module("(func (param i32) (result i32) (i32.trunc_f32_s (f32.convert_i32_s (local.get 0))))", NOTHING));
}

#[test]
fn refuses_every_newer_instruction() {
    let bodies = [
        "(func (drop (v128.const i64x2 0 0)))",
        "(func (drop (ref.null func)))",
        "(func return_call 0)",
        "(func (drop (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0))) drop)",
        "(func (memory.atomic.notify (i32.const 0) (i32.const 0)) drop)",
        "(tag) (func (throw 0))",
        "(table 1 funcref) (func (drop (table.size 0)))",
        "(table 1 funcref) (func (drop (table.grow 0 (ref.null func) (i32.const 1))))",
        "(data $d \"abc\") (func (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)))",
        "(func (drop (i32.trunc_sat_f32_s (f32.const 0))))",
        "(global i32 (i32.add (i32.const 1) (i32.const 2)))",
        "(func (result i32 i32) (i32.const 0) (i32.const 0))",
    ];
    for body in bodies {
        match wat::parse_str(format!(r#"(module (memory (export "memory") 4) {body})"#)) {
            Ok(code) => drop(refused(&code)),
            Err(error) => panic!("{body}: {error}"),
        }
    }
}

#[test]
fn refuses_the_locals_bomb() {
    let locals = |count: u32| format!("(func (local{}))", " i64".repeat(count as usize));
    assert_eq!(with(&locals(8_000)), Rule::Locals);
    assert_eq!(with(&locals(MAX_LOCALS + 1)), Rule::Locals);
    assert_eq!(check(&module(&locals(MAX_LOCALS), NOTHING)).unwrap().locals, MAX_LOCALS);
    assert_eq!(
        with(&format!("(func (param i32) (local{}))", " i64".repeat(256))),
        Rule::Locals,
        "parameters are locals"
    );
}

#[test]
fn refuses_too_many_functions_types_and_parameters() {
    assert_eq!(with(&"(func)".repeat(MAX_FUNCTIONS as usize)), Rule::Functions, "with act it is one too many");
    let types: String = (0..65).map(|number| format!("(type (func (param{})))", " i32".repeat(number % 17))).collect();
    assert_eq!(with(&types), Rule::Types);
    assert_eq!(with(&format!("(type (func (param{})))", " i64".repeat(17))), Rule::Parameters);
    assert_eq!(with(&format!("(rec {})", "(type (func))".repeat(70))), Rule::Types);
}

#[test]
fn refuses_what_is_too_deep_or_too_wide() {
    let nested = format!("(func {} {})", "block ".repeat(300), "end ".repeat(300));
    assert_eq!(with(&nested), Rule::Nesting);
    let operands = format!("(func {} {})", "i32.const 0 ".repeat(300), "drop ".repeat(300));
    assert_eq!(with(&operands), Rule::Operands);
    assert_eq!(with(&format!("(func {})", "nop ".repeat(33 * 1024))), Rule::Body);
    let targets = format!("(func (block (br_table {} (i32.const 0))))", "0 ".repeat(600));
    assert_eq!(with(&targets), Rule::BranchTargets);
}

#[test]
fn refuses_large_tables_memories_and_segments() {
    assert_eq!(with("(table 1025 funcref)"), Rule::TableEntries);
    assert_eq!(with("(table 1 funcref) (table 1 funcref)"), Rule::Tables);
    assert_eq!(with("(table 1 funcref) (func $f) (elem declare func $f)"), Rule::Instruction);
    let elements = format!("(table 1024 funcref) (func $f) (elem (i32.const 0) {})", "$f ".repeat(1_025));
    assert_eq!(with(&elements), Rule::Elements);
    assert_eq!(rule(r#"(module (memory (export "memory") 17))"#), Rule::MemoryPages);
    assert_eq!(rule("(module (memory 1) (memory 1))"), Rule::Memories);
    assert_eq!(rule("(module (memory i64 1))"), Rule::NoModule);
    assert_eq!(rule("(module (memory 1 1 shared))"), Rule::NoModule);
    assert_eq!(with(&"(data (i32.const 0) \"a\")".repeat(257)), Rule::DataSegments);
    assert_eq!(with(&"(global (mut i32) (i32.const 0))".repeat(64)), Rule::Globals);
}

#[test]
fn refuses_a_start_function_and_foreign_exports() {
    assert_eq!(with("(func $s) (start $s)"), Rule::Start);
    assert_eq!(with(r#"(func (export "other"))"#), Rule::Exports);
    assert_eq!(with(r#"(global (export "counter") (mut i32) (i32.const 0))"#), Rule::Exports);
    assert_eq!(with(r#"(table (export "table") 1 funcref)"#), Rule::Exports);
    let constant = |name: &str| format!(r#"(global (export "{name}") i32 (i32.const 0))"#);
    check(&module(&constant("__heap_base"), NOTHING)).expect("linkers export such globals");
    assert_eq!(with(&(0..5).map(|number| constant(&format!("g{number}"))).collect::<String>()), Rule::Exports);
}

#[test]
fn refuses_a_module_without_its_three_exports() {
    let (memory, buffer) = (r#"(memory (export "memory") 4)"#, r#"(global (export "buffer") i32 (i32.const 0))"#);
    let act = r#"(func (export "act") (param i32) (result i64) (i64.const 0))"#;
    assert_eq!(rule(&format!("(module {buffer} {act})")), Rule::NoMemory);
    assert_eq!(rule(&format!("(module {memory} {buffer})")), Rule::NoAct);
    assert_eq!(rule(&format!("(module {memory} {act})")), Rule::NoBuffer);
    let outside = r#"(global (export "buffer") i32 (i32.const 200000))"#;
    assert_eq!(
        rule(&format!("(module {memory} {outside} {act})")),
        Rule::NoBuffer,
        "the buffer ends within the memory"
    );
    let other = r#"(func (export "act") (param i64) (result i64) (i64.const 0))"#;
    assert_eq!(rule(&format!("(module {memory} {buffer} {other})")), Rule::NoAct);
}

#[test]
fn refuses_much_that_no_engine_reads() {
    assert_eq!(with(&format!("(@custom \"notes\" \"{}\")", "a".repeat(2_000))), Rule::Custom);
}

#[test]
fn the_largest_modules_are_compiled_in_bounded_time_and_room() {
    // Forms that other compilers have been caught with: many small functions, long branch tables, deep blocks, wide calls.
    let many = "(func)".repeat(1_990);
    let tables = format!("(func (block {}))", "(br_table 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 (i32.const 0))".repeat(600));
    let deep = format!("(func {} {})", "block ".repeat(250), "end ".repeat(250)).repeat(100);
    let call = format!("(call $wide{})", " (i64.const 1)".repeat(16));
    let wide = format!("(func $wide (param{})) (func {})", " i64".repeat(16), call.repeat(500));
    for (name, text) in [("many", many), ("tables", tables), ("deep", deep), ("wide", wide)] {
        let code = module(&text, NOTHING);
        let begin = Instant::now();
        Module::compile(&code).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(begin.elapsed() < Duration::from_secs(5), "{name}: {} bytes took {:?}", code.len(), begin.elapsed());
    }
}
