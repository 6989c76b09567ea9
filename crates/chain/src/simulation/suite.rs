//! Scenarios drawn from seeds: some as a test, more for as long as one likes.
//!
//! `make simulate HOURS=8` (or `BLOCKS=200000`) plays on from `SEED`, tells how far it is, and ends with a report of what
//! occurred: by SIGINT as well. With `REPORT=file` the report is kept there too, as JSON, after every run. A failure names its
//! seed; `make simulate SEED=<seed> RUNS=1` plays it again. With `CUTS=1` every run has a cut of minutes to hours.

use super::behaviours::BEHAVIOURS;
use super::clients::Tally;
use super::coverage::{Coverage, Kind};
use super::lasting::CUTS;
use super::scenario::{FAULTS, Played, SIZES, Scenario};
use super::*;
use serde_json::json;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::AtomicBool,
    time::Instant,
};

/// Seeds of the standing suite: few that reach everything, and one in which a fault of the node was found. What is drawn
/// otherwise from a seed needs others.
const STANDING: [u64; 22] =
    [25, 32, 59, 76, 79, 81, 82, 95, 98, 99, 105, 110, 171, 174, 180, 196, 197, 203, 206, 209, 240, 1256];
/// How often the long play tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(30);
/// What the clients of the standing suite must get done.
const ACTIONS: [&str; 11] = [
    "propose_motion applied",
    "vote_on_motion applied",
    "open_account applied",
    "issue applied",
    "redeem applied",
    "transfer applied",
    "register_meter applied",
    "record_readings applied",
    "publish_package applied",
    "publish_offers applied",
    "subscribe applied",
];

/// Many runs together.
#[derive(Default)]
struct Report {
    first_seed: u64,
    /// Whether a cut of every run lasts.
    cuts: bool,
    runs: u64,
    tally: Tally,
    coverage: Coverage,
    failures: Vec<(u64, String)>,
}

impl Report {
    /// Plays a seed and counts it.
    fn play(&mut self, seed: u64) {
        let played = catch_unwind(AssertUnwindSafe(|| {
            let scenario = Scenario::of(seed, self.cuts);
            println!("seed {seed}: {}", scenario.described);
            let lasts = scenario.lasts();
            let played = scenario.play(seed);
            if lasts {
                let Tally { went_on, caught_up, .. } = played.tally;
                println!("seed {seed}: went on {went_on:.1?} after a cut, all held a new block after {caught_up:.1?}");
            }
            played
        }));
        self.runs += 1;
        match played {
            Ok(Played { tally, coverage, .. }) => {
                self.tally.blocks += tally.blocks;
                self.tally.with_transactions += tally.with_transactions;
                self.tally.transactions += tally.transactions;
                self.tally.elapsed += tally.elapsed;
                self.tally.went_on = self.tally.went_on.max(tally.went_on);
                self.tally.caught_up = self.tally.caught_up.max(tally.caught_up);
                self.coverage.merge(&coverage);
            }
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                let text = text.unwrap_or_else(|| "a panic without words".into());
                let cuts = if self.cuts { " CUTS=1" } else { "" };
                println!("FAILED seed {seed}: {text}\nrepeat: make simulate SEED={seed} RUNS=1{cuts}");
                self.failures.push((seed, text));
            }
        }
    }

    /// What must be reached and was not.
    fn missing(&self) -> Vec<String> {
        let names = |kind, names: Vec<&str>| {
            let coverage = self.coverage.clone();
            let missing = names.into_iter().filter(move |name| !coverage.has(kind, name)).map(str::to_owned);
            missing.collect::<Vec<_>>()
        };
        let behaviours = BEHAVIOURS.iter().map(|(name, _)| *name).collect();
        let mut missing = names(Kind::Consortium, SIZES.to_vec());
        missing.extend(names(Kind::Fault, FAULTS.to_vec()));
        missing.extend(names(Kind::Fault, CUTS.to_vec()));
        missing.extend(names(Kind::Behaviour, behaviours));
        missing.extend(names(Kind::Ledger, ACTIONS.to_vec()));
        missing
    }

    fn progress(&self) -> String {
        let Tally { blocks, with_transactions, transactions, elapsed, went_on, caught_up } = self.tally;
        let hours = elapsed.as_secs_f64() / 3_600.0;
        format!(
            "{} runs from seed {}: {hours:.2} simulated hours, {blocks} blocks, {with_transactions} with transactions, \
             {transactions} transactions, {} failures; after a cut that lasted a new block within {went_on:.1?}, on all nodes \
             within {caught_up:.1?}",
            self.runs,
            self.first_seed,
            self.failures.len()
        )
    }

    fn text(&self, commit: &str) -> String {
        let missing = self.missing();
        let missing = if missing.is_empty() { "nothing".into() } else { missing.join("; ") };
        let failed: Vec<String> = self.failures.iter().map(|(seed, text)| format!("seed {seed}: {text}")).collect();
        let failed = if failed.is_empty() { "none".into() } else { failed.join("\n") };
        let (table, progress) = (self.coverage.table(), self.progress());
        format!("{table}\nnot reached: {missing}\nfailures: {failed}\ncommit {commit}, {progress}")
    }

    fn json(&self, commit: &str) -> serde_json::Value {
        let Tally { blocks, with_transactions, transactions, elapsed, went_on, caught_up } = self.tally;
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let counts = Kind::ALL.map(|(kind, title)| (title.to_owned(), json!(self.coverage.of(kind))));
        let failures: Vec<_> = self.failures.iter().map(|(seed, text)| json!({"seed": seed, "text": text})).collect();
        json!({
            "commit": commit,
            "first_seed": self.first_seed,
            "runs": self.runs,
            "simulated_ms": milliseconds(elapsed),
            "went_on_ms": milliseconds(went_on),
            "caught_up_ms": milliseconds(caught_up),
            "blocks": blocks,
            "blocks_with_transactions": with_transactions,
            "transactions": transactions,
            "counts": serde_json::Map::from_iter(counts),
            "not_reached": self.missing(),
            "failures": failures,
        })
    }
}

#[test]
#[ignore = "some minutes: make simulate plays the same and more"]
fn the_standing_seeds_reach_every_fault_behaviour_and_action_and_nothing_fails() {
    on_a_stack(|| {
        let mut report = Report { first_seed: STANDING[0], ..Report::default() };
        STANDING.into_iter().for_each(|seed| report.play(seed));
        println!("{}", report.text("this one"));
        assert!(report.failures.is_empty(), "see above how to repeat them");
        let missing = report.missing();
        assert!(missing.is_empty(), "no run of the standing seeds reaches: {missing:?}");
    });
}

#[test]
fn a_seed_repeats_its_scenario() {
    on_a_stack(|| {
        let play = || Scenario::of(3, false).play(3);
        let (one, other) = (play(), play());
        assert_eq!(one.state, other.state);
        assert_eq!(one.coverage.table(), other.coverage.table());
    });
}

#[test]
#[ignore = "runs for as long as SIMULATE_HOURS, SIMULATE_BLOCKS or SIMULATE_RUNS say"]
fn the_consortium_for_long() {
    let named = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let number =
        |name: &str| named(name).map(|text| text.parse::<f64>().unwrap_or_else(|_| panic!("{name} is a number")));
    let (hours, blocks, runs) = (number("SIMULATE_HOURS"), number("SIMULATE_BLOCKS"), number("SIMULATE_RUNS"));
    let first_seed = named("SIMULATE_SEED").map_or(0, |text| text.parse().expect("SIMULATE_SEED is a whole number"));
    let cuts = named("SIMULATE_CUTS").is_some_and(|text| !matches!(text.as_str(), "0" | "no"));
    let (commit, file) = (named("SIMULATE_COMMIT").unwrap_or_default(), named("SIMULATE_REPORT"));
    let stop = stopped();

    on_a_stack(move || {
        let (begin, mut told) = (Instant::now(), Instant::now());
        let mut report = Report { first_seed, cuts, ..Report::default() };
        for seed in first_seed.. {
            report.play(seed);
            if let Some(file) = &file {
                std::fs::write(file, format!("{:#}\n", report.json(&commit))).expect("the report can be written");
            }
            if told.elapsed() > TELL_EVERY {
                told = Instant::now();
                println!("{}", report.progress());
            }
            let done = hours.is_some_and(|hours| begin.elapsed().as_secs_f64() >= hours * 3_600.0)
                || blocks.is_some_and(|blocks| report.tally.with_transactions as f64 >= blocks)
                || runs.is_some_and(|runs| report.runs as f64 >= runs)
                || (hours, blocks, runs) == (None, None, None)
                || stop.load(Ordering::Relaxed);
            if done {
                break;
            }
        }
        println!("{}", report.text(&commit));
        assert!(report.failures.is_empty(), "see above how to repeat them");
    });
}

/// Becomes true with the first SIGINT: the run in progress still ends.
fn stopped() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            told.store(true, Ordering::Relaxed);
        }
    });
    stop
}
