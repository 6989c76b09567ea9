//! Hostile programs, for long: modules that lie, loop, recurse, grow and trap, the repository's contracts with bytes changed, and lists
//! of effects of every kind, published, signed and run by the ledger as everyone's are.
//!
//! A short play runs always. `make hostile-programs EXECUTIONS=10000000` plays on from `SEED`: it tells how far it is, and reports what
//! was reached. A finding names its seed: `make hostile-programs EXECUTIONS=1 SEED=<seed>` plays it again.

mod effects;
mod modules;
mod play;

use modules::Contracts;
use play::{Tally, play};
use std::time::Instant;

/// After how many executions the long play tells how far it is.
const EXECUTIONS_PER_REPORT: u64 = 50_000;

/// Plays seeds one after the other until programs have run so often.
fn play_on(first_seed: u64, executions: u64) -> Tally {
    let (contracts, mut tally) = (Contracts::read(), Tally::default());
    let (begin, mut told) = (Instant::now(), 0);
    for seed in first_seed.. {
        if tally.executions >= executions {
            break;
        }
        let played = std::panic::catch_unwind(|| play(seed, &contracts));
        tally.add(played.unwrap_or_else(|_| panic!("the play of seed {seed} ended in a panic")));
        if tally.executions / EXECUTIONS_PER_REPORT > told {
            told = tally.executions / EXECUTIONS_PER_REPORT;
            let rate = tally.executions as f64 / begin.elapsed().as_secs_f64();
            let left = executions.saturating_sub(tally.executions) as f64 / rate / 60.0;
            println!(
                "{} of {executions} executions, seeds {first_seed} to {seed}, {rate:.0} a second, {left:.0} min left",
                tally.executions
            );
        }
    }
    tally
}

#[test]
fn hostile_programs_neither_stop_the_ledger_nor_move_what_was_not_put_under_them() {
    let tally = play_on(0, 3_000);
    for reached in [
        "moved Reserve",
        "moved Release",
        "moved Pay",
        "moved Forfeit",
        "moved FallBack",
        "status Active",
        "status Stalled",
        "status Terminated",
        "event StatementIssued",
        "event ProgramRan",
        "event Returned",
        "a meter that has filled",
        "failed 0x7001",
        "failed 0x7002",
        "failed 0x7003",
        "failed 0x7004",
        "failed 0x7005",
        "published contract",
        "published generated",
    ] {
        assert!(tally.reached.contains_key(reached), "no play reaches {reached:?}: {:#?}", tally.reached);
    }
}

#[test]
#[ignore = "runs for as long as HOSTILE_EXECUTIONS says"]
fn hostile_programs_for_long() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a whole number"));
    let begin = Instant::now();
    let tally = play_on(number("HOSTILE_SEED").unwrap_or(0), number("HOSTILE_EXECUTIONS").unwrap_or(100_000));
    for (what, count) in &tally.reached {
        println!("{what}: {count}");
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "{} executions of hostile programs without a finding, {} blocks, {:.0} executions a second on one core",
        tally.executions,
        tally.blocks,
        tally.executions as f64 / seconds
    );
}
