//! Hostile members, for long: every action, every number over its edges, through chains of some ten to some thousand blocks.
//!
//! A short play runs always. `make hostile ACTIONS=10000000` plays on from `SEED`: it tells how far it is, reports which
//! actions, refusals and events were reached, and which refusals were not. A finding names its seed: `make hostile ACTIONS=1
//! SEED=<seed>` plays it again.

mod play;

use play::{Coverage, play};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::time::Instant;
use utilidor_types::Refusal;

/// Bytes of a play, some hundred blocks; a play of `hostile_members_for_long` is half to eight times as long.
const PLAY_BYTES: usize = 8 * 1024;
/// After how many actions the long play tells how far it is.
const ACTIONS_PER_REPORT: u64 = 100_000;

fn bytes_of(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Plays seeds one after the other until that many actions are played; `length` says how many bytes a seed's play has.
fn play_on(first_seed: u64, actions: u64, length: fn(u64) -> usize) -> (u64, Coverage) {
    let (mut done, mut coverage) = (0, Coverage::new());
    let (begin, mut told) = (Instant::now(), 0);
    for seed in first_seed.. {
        if done >= actions {
            break;
        }
        let played = std::panic::catch_unwind(|| {
            let mut coverage = Coverage::new();
            let actions = play(&bytes_of(seed, length(seed)), &mut coverage);
            (actions, coverage)
        });
        let (count, reached) = played.unwrap_or_else(|_| panic!("the play of seed {seed} ended in a panic"));
        done += count;
        for (name, count) in reached {
            *coverage.entry(name).or_default() += count;
        }
        if done / ACTIONS_PER_REPORT > told {
            told = done / ACTIONS_PER_REPORT;
            let rate = done as f64 / begin.elapsed().as_secs_f64();
            let left = actions.saturating_sub(done) as f64 / rate / 60.0;
            println!(
                "{done} of {actions} actions, seeds {first_seed} to {seed}, {rate:.0} actions/s, {left:.0} min left"
            );
        }
    }
    (done, coverage)
}

/// What was reached, by kind of action, and what no play reached.
fn report(coverage: &Coverage) -> String {
    let mut actions: BTreeMap<&str, (u64, BTreeMap<&str, u64>)> = BTreeMap::new();
    let mut events = Vec::new();
    for (key, count) in coverage {
        if let Some(event) = key.strip_prefix("event ") {
            events.push(format!("{event} {count}"));
        } else if let Some((name, code)) = key.split_once(" refused: ") {
            *actions.entry(name).or_default().1.entry(code).or_default() += count;
        } else if let Some(name) = key.strip_suffix(" applied") {
            actions.entry(name).or_default().0 += count;
        }
    }
    let mut lines = Vec::new();
    for (name, (applied, refused)) in &actions {
        lines.push(format!("{name}: {applied} applied, {} refused", refused.values().sum::<u64>()));
        lines.extend(refused.iter().map(|(code, count)| format!("    {code} {count}")));
    }
    let seen = |code: &str| actions.values().any(|(_, refused)| refused.contains_key(code));
    let missing: Vec<&str> = Refusal::REFERENCE.iter().map(|(code, _)| *code).filter(|code| !seen(code)).collect();
    lines.push(format!("events: {}", events.join(", ")));
    lines.push(format!(
        "{} kinds of actions, {} of {} refusals reached; not reached: {}",
        actions.len(),
        Refusal::REFERENCE.len() - missing.len(),
        Refusal::REFERENCE.len(),
        missing.join(", ")
    ));
    lines.join("\n")
}

#[test]
fn hostile_members_neither_stop_the_ledger_nor_make_money() {
    let (actions, coverage) = play_on(0, 20_000, |_| PLAY_BYTES);
    assert!(actions >= 20_000);
    for reached in [
        "subscribe applied",
        "prepay applied",
        "record_readings applied",
        "submit_quotes applied",
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
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a whole number"));
    let (first_seed, actions) = (number("HOSTILE_SEED").unwrap_or(0), number("HOSTILE_ACTIONS").unwrap_or(1_000_000));
    let (done, coverage) = play_on(first_seed, actions, |seed| (PLAY_BYTES / 2) << (seed % 5));
    println!("{}", report(&coverage));
    println!("{done} hostile actions without a finding");
}
