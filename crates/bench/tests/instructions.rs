//! The ledger's hot paths, counted in processor instructions: a count does not depend on what else the machine does.
//!
//! Needs valgrind; `.ci/run` installs it and runs this. A count more than 5 % above the one in `instructions.txt` fails. One
//! that is far below asks to be written down: `UPDATE_INSTRUCTIONS=1` does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use utilidor_bench::execute::play;
use utilidor_bench::workload::{Suite, TOGETHER, workload};

const CHILD: &str = "UTILIDOR_INSTRUCTIONS_SUITE";
/// The measured suites: each of the rules' hot paths is in one of them.
const SUITES: [Suite; 5] =
    [Suite::Transfer, Suite::CycleLean, Suite::ReadingGateway, Suite::Settlement, Suite::Package];
const SCALE: f64 = 0.01;
/// Thousandths that a count may exceed the one written down.
const TOLERANCE_PERMILLE: u64 = 50;

/// Plays one suite, in the process that valgrind watches.
#[test]
fn child_of_the_count() {
    let Ok(suite) = std::env::var(CHILD) else { return };
    let suite: Suite = suite.parse().unwrap();
    play(&workload(suite, SCALE, "integrated-energy-1", TOGETHER));
}

/// Instructions inside `Execution::pass`, for each step of a suite: all of the rules, and no waiting for cells. What calls it may
/// be part of its own caller in the program.
fn count(suite: Suite) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg("--toggle-collect=*utilidor_ledger*execution*Execution*pass*")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_of_the_count", "--test-threads", "1"])
        .env(CHILD, suite.name())
        .output()
        .expect("valgrind is installed: see .ci/run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1)).expect("callgrind tells its count");
    let collected: u64 = collected.trim().parse().unwrap();
    assert!(collected > 0, "Execution::pass was not found in the program");
    let steps: u64 =
        workload(suite, SCALE, "integrated-energy-1", TOGETHER).phases.iter().map(|phase| phase.steps.max(1)).sum();
    collected / steps
}

#[test]
#[ignore = "needs valgrind; .ci/run installs it"]
fn no_hot_path_takes_many_more_instructions_than_written_down() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("instructions.txt");
    let counts = SUITES.map(|suite| (suite.name(), count(suite)));
    if std::env::var_os("UPDATE_INSTRUCTIONS").is_some() {
        let mut text =
            String::from("# Instructions of the rules for each step of a suite (scale 0.01), setting up included.\n");
        counts.iter().for_each(|(suite, count)| writeln!(text, "{suite} {count}").unwrap());
        std::fs::write(&path, text).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let known: BTreeMap<&str, u64> =
        lines.map(|line| line.split_once(' ').unwrap()).map(|(suite, count)| (suite, count.parse().unwrap())).collect();
    for (suite, count) in counts {
        let most = known[suite] + known[suite] * TOLERANCE_PERMILLE / 1_000;
        println!("{suite}: {count} instructions a step, {} written down", known[suite]);
        assert!(count <= most, "{suite} takes {count} instructions a step, {most} are allowed");
    }
}
