//! Bytes as a hostile program: no panic, the same comes to the same, and nothing beyond the terms.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/program/tests/published/play.rs"]
mod play;
#[path = "../../crates/program/tests/published/support.rs"]
#[allow(dead_code)]
mod support;

fuzz_target!(|bytes: &[u8]| play::play(bytes));
