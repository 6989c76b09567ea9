//! A `select` decides by its own condition, whatever was computed before: the interpreter alone does not (engine 1 puts a barrier before it).

use crate::support::module;
use utilidor_program::wasm::Module;

/// What a function of two numbers and a third local variable answers.
fn answers(body: &str, x: i32, y: i32) -> i32 {
    let more = format!("(func $f (param i32 i32) (result i32) (local i32) {body})");
    let act = format!("(i32.store (i32.const 0) (call $f (i32.const {x}) (i32.const {y}))) (i64.const 4)");
    let ran = Module::compile(&module(&more, &act)).unwrap().run(&[]).unwrap();
    i32::from_le_bytes(ran.answer.try_into().unwrap())
}

#[test]
fn a_select_decides_by_its_own_condition() {
    let before = "local.get 1 i32.const 7 i32.add local.set 2";
    let conditions: [(&str, fn(i32) -> bool); 8] = [
        ("i32.eqz", |x| x == 0),
        ("i32.const 0 i32.eq", |x| x == 0),
        ("i32.const 0 i32.ne", |x| x != 0),
        ("i32.eqz i32.eqz", |x| x != 0),
        ("i32.eqz i32.eqz i32.eqz", |x| x == 0),
        ("i32.const 0 i32.ne i32.eqz nop", |x| x == 0),
        ("i32.const 0 i32.const 1 drop i32.eq", |x| x == 0),
        ("", |x| x != 0),
    ];
    for (condition, holds) in conditions {
        for (x, y) in [(0, 1), (0, -7), (3, 1), (3, -7), (i32::MIN, 0), (-1, -8)] {
            let found = answers(&format!("{before} i32.const 1 local.get 1 local.get 0 {condition} select"), x, y);
            assert_eq!(found, if holds(x) { 1 } else { y }, "{condition} of {x}, after {y} + 7");
            let found = answers(&format!("{before} local.get 2 i32.const 5 local.get 0 {condition} select"), x, y);
            assert_eq!(found, if holds(x) { y + 7 } else { 5 }, "{condition} of {x}, with {y} + 7");
            let found = answers(&format!("i32.const 1 i32.const 2 local.get 0 {condition} select"), x, y);
            assert_eq!(found, if holds(x) { 1 } else { 2 }, "{condition} of {x}, after nothing");
        }
    }
}
