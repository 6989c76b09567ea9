//! Bytes as a play of blocks, on the ledger and on the naive model of its tests: they agree, and the invariants hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/ledger/tests/model/play.rs"]
mod play;
#[path = "../../crates/ledger/tests/model/rules.rs"]
mod rules;

fuzz_target!(|bytes: &[u8]| {
    play::play(bytes, &mut play::Coverage::new());
});
