//! What WebAssembly a program may be.

use crate::support::module;
use std::time::{Duration, Instant};
use utilidor_program::wasm::admission::{MAX_FUNCTIONS, MAX_LOCALS, check};
use utilidor_program::wasm::{BAD_ANSWER, BadCode, Module, floats};
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
fn who_explains_a_refusal_finds_the_float() {
    let found = |more: &str| floats::first(&module(more, NOTHING)).map(|float| (float.function, float.instruction));
    assert_eq!(found(""), None);
    assert_eq!(found("(func (drop (i32.const 1)))"), None);
    assert_eq!(found("(global f32 (f32.const 0))"), Some((None, None)));
    assert_eq!(found("(func (local f64))"), Some((Some(0), None)));
    let second = "(func) (func (param f64) (drop (f64.mul (local.get 0) (f64.const 2))))";
    assert_eq!(found(second), Some((Some(1), Some("F64Const".into()))), "an instruction says more than a type");
    assert_eq!(found("(func (drop (i64.reinterpret_f64 (f64.const 1))))").unwrap().0, Some(0));
    assert_eq!(floats::first(b"no module"), None);
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
fn refuses_exports_that_are_of_another_kind_or_there_twice() {
    let (memory, buffer) = (r#"(memory (export "memory") 4)"#, r#"(global (export "buffer") i32 (i32.const 0))"#);
    let act = r#"(func (export "act") (param i32) (result i64) (i64.const 0))"#;
    for (text, expected) in [
        (format!(r#"(module (memory 4) (func (export "memory")) {buffer} {act})"#), Rule::Exports),
        (format!(r#"(module (memory 4) (global (export "memory") i32 (i32.const 0)) {buffer} {act})"#), Rule::NoMemory),
        (format!(r#"(module (memory (export "memory") (export "buffer") 4) {act})"#), Rule::Exports),
        (format!(r#"(module {memory} (global (export "buffer") i64 (i64.const 0)) {act})"#), Rule::NoBuffer),
        (format!(r#"(module {memory} (global (export "buffer") (mut i32) (i32.const 0)) {act})"#), Rule::NoBuffer),
        (format!(r#"(module {memory} {buffer} (global (export "act") i32 (i32.const 0)))"#), Rule::NoAct),
        (
            format!(r#"(module {memory} {buffer} (func (export "act") (param i32) (result i32) (i32.const 0)))"#),
            Rule::NoAct,
        ),
        (format!(r#"(module {memory} {buffer} {act} (func (export "")))"#), Rule::Exports),
    ] {
        assert_eq!(rule(&text), expected, "{text}");
    }
    let constant = |name: &str| format!(r#"(global (export "{name}") i32 (i32.const 0))"#);
    let mut twice = module(&(constant("end") + &constant("End")), NOTHING);
    check(&twice).unwrap();
    let place = twice.windows(3).position(|name| name == b"End").unwrap();
    twice[place] = b'e';
    assert_eq!(refused(&twice).rule, Rule::NoModule);
}

#[test]
fn refuses_segments_that_lie_outside_of_the_memory_or_the_table_in_which_each_event_would_end() {
    let data = |at: u32, bytes: usize| {
        let code = module(&format!("(data (i32.const {at}) \"{}\")", "a".repeat(bytes)), NOTHING);
        check(&code).map(drop).map_err(|bad| (bad.rule, bad.found, bad.allowed))
    };
    let end = 4 * 65_536;
    assert_eq!(data(end - 3, 3), Ok(()));
    assert_eq!(data(end, 0), Ok(()));
    assert_eq!(data(end - 3, 4), Err((Rule::MemoryPages, 5, 4)), "it reaches into a fifth page");
    assert_eq!(data(end + 1, 0), Err((Rule::MemoryPages, 5, 4)), "it ends nowhere in the memory");
    assert_eq!(data(u32::MAX, 2), Err((Rule::MemoryPages, 65_537, 4)));
    let elements = |at: u32, count: usize| {
        let code =
            module(&format!("(table 9 funcref) (func $f) (elem (i32.const {at}) {})", "$f ".repeat(count)), NOTHING);
        check(&code).map(drop).map_err(|bad| (bad.rule, bad.found, bad.allowed))
    };
    assert_eq!(elements(7, 2), Ok(()));
    assert_eq!(elements(9, 0), Ok(()));
    assert_eq!(elements(7, 3), Err((Rule::TableEntries, 10, 9)));
    assert_eq!(elements(10, 0), Err((Rule::TableEntries, 10, 9)));
    assert_eq!(elements(u32::MAX, 1), Err((Rule::TableEntries, u32::MAX, 9)));
    // With every module that is admitted, an instance begins.
    for (more, fault) in
        [("(data (i32.const 262141) \"abc\")", BAD_ANSWER), ("(table 1 funcref) (elem (i32.const 1))", BAD_ANSWER)]
    {
        let begun = Module::compile(&module(more, "(i64.const -1)")).unwrap().run(&[]);
        assert_eq!(begun.map(|ran| ran.answer), Err(fault), "{more}");
    }
}

#[test]
fn refuses_references_wherever_they_stand() {
    assert_eq!(with("(table 1 externref)"), Rule::Instruction);
    assert_eq!(with("(type (func (param externref)))"), Rule::Instruction);
    assert_eq!(with("(type (func (result funcref)))"), Rule::Instruction);
    assert_eq!(with("(func (local externref))"), Rule::Instruction);
    assert_eq!(with("(global externref (ref.null extern))"), Rule::Instruction);
    assert_eq!(with("(func $f) (global funcref (ref.func $f))"), Rule::Instruction);
    assert_eq!(with("(func $f) (table 1 funcref) (elem (i32.const 0) funcref (ref.func $f))"), Rule::Instruction);
    for block in ["block", "loop", "if"] {
        for ty in ["externref", "funcref"] {
            let condition = if block == "if" { "(i32.const 1)" } else { "" };
            let then = if block == "if" { "(then (unreachable)) (else (unreachable))" } else { "(unreachable)" };
            assert_eq!(with(&format!("(func ({block} (result {ty}) {condition} {then}) drop)")), Rule::Instruction);
        }
    }
    refused(&module("(table 1 funcref (ref.null func))", NOTHING));
    refused(&module("(table i64 1 funcref)", NOTHING));
}

#[test]
fn refuses_places_that_are_not_written_down_as_a_number() {
    for place in [
        "(global $g i32 (i32.const 0)) (data (global.get $g) \"a\")",
        "(data (i32.add (i32.const 1) (i32.const 2)) \"a\")",
        "(table 1 funcref) (func $f) (global $g i32 (i32.const 0)) (elem (global.get $g) $f)",
        "(global $g i32 (i32.const 0)) (global i32 (global.get $g))",
    ] {
        assert_eq!(with(place), Rule::Instruction, "{place}");
    }
    assert_eq!(with("(data (i64.const 0) \"a\")"), Rule::NoModule);
}

#[test]
fn refuses_much_that_no_engine_reads_names_included() {
    assert_eq!(with(&format!("(@custom \"notes\" \"{}\")", "a".repeat(2_000))), Rule::Custom);
    assert_eq!(with(&format!("(@custom \"{}\" \"\")", "a".repeat(2_000))), Rule::Custom);
    assert_eq!(with(&"(@custom \"\" \"\")".repeat(2_000)), Rule::Custom, "each has a name, if only an empty one");
    check(&module(&format!("(@custom \"producers\" \"{}\")", "a".repeat(1_000)), NOTHING)).unwrap();
}

#[test]
fn every_contract_of_this_repository_is_admitted_and_begins() {
    let contracts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts");
    let folders = std::fs::read_dir(contracts).unwrap().map(|entry| entry.unwrap().path());
    let modules =
        folders.flat_map(|folder| ["contract.wasm", "assemblyscript/contract.wasm"].map(|file| folder.join(file)));
    let mut seen = 0;
    for path in modules.filter(|path| path.is_file()) {
        let code =
            Module::compile(&std::fs::read(&path).unwrap()).unwrap_or_else(|bad| panic!("{}: {bad}", path.display()));
        let answer = code.run(&[]).unwrap_or_else(|fault| panic!("{}: {fault}", path.display())).answer;
        assert!(!answer.is_empty(), "{} says that it cannot read nothing", path.display());
        seen += 1;
    }
    assert!(seen >= 7, "{seen} modules");
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
