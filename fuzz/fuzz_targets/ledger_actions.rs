//! Bytes as a play of blocks, of hostile members: no panic, and the invariants hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/ledger/tests/hostile/play.rs"]
mod play;

fuzz_target!(|bytes: &[u8]| {
    play::play(bytes, &mut play::Coverage::new());
});
