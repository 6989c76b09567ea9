//! Hostile members, for long: every action, every number over its edges, through long chains.
//!
//! The short play runs always. `HOSTILE_ACTIONS=10000000 cargo test --release -p utilidor-ledger --test hostile -- --ignored
//! --nocapture` plays on, prints what it reached and the seed of each thousandth play, and ends with the number of actions.

mod play;

use play::{Coverage, play};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Bytes of a play: some hundred blocks.
const PLAY_BYTES: usize = 8 * 1024;

fn bytes_of(seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; PLAY_BYTES];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn play_on(actions: u64) -> (u64, Coverage) {
    let (mut done, mut coverage) = (0, Coverage::new());
    for seed in 0.. {
        if done >= actions {
            break;
        }
        if seed % 1_000 == 0 {
            println!("seed {seed}: {done} of {actions} actions");
        }
        // A panic names the seed by the last line printed and the test's own message.
        let bytes = bytes_of(seed);
        let played = std::panic::catch_unwind(|| {
            let mut coverage = Coverage::new();
            let actions = play(&bytes, &mut coverage);
            (actions, coverage)
        });
        let (count, reached) = played.unwrap_or_else(|_| panic!("the play of seed {seed} ended in a panic"));
        done += count;
        for (name, count) in reached {
            *coverage.entry(name).or_default() += count;
        }
    }
    (done, coverage)
}

#[test]
fn hostile_members_neither_stop_the_ledger_nor_make_money() {
    let (actions, coverage) = play_on(20_000);
    assert!(actions >= 20_000);
    for reached in [
        "subscribe applied",
        "prepay applied",
        "record_readings applied",
        "award applied",
        "event Segment",
        "event Decided",
        "event MotionEnded",
        "take_over_meters applied",
        "due applied",
    ] {
        assert!(coverage.contains_key(reached), "no play reaches {reached:?}: {coverage:#?}");
    }
}

#[test]
#[ignore = "runs for as long as HOSTILE_ACTIONS says"]
fn hostile_members_for_long() {
    let actions = std::env::var("HOSTILE_ACTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let (done, coverage) = play_on(actions);
    println!("{coverage:#?}");
    println!("{done} hostile actions without a finding");
}
