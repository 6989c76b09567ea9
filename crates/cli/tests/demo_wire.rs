//! The demonstration over the wire is the demonstration from the files: the same chain state, the same report.

mod demonstration;

use demonstration::{begin, block_on, comparable, report};
use utilidor_park::Report;
use utilidor_park::wire::{CONFIG_FILE, Kind};

const DAYS: usize = 3;

fn play(folder: &std::path::Path, options: &[&str]) -> Report {
    begin(folder, DAYS, &[options, &["--exit"]].concat(), &[]).ends();
    let report = report(folder);
    assert!(report.holds(), "{:#?}", report.checks);
    report
}

/// What does not tell of the wire.
fn without_wire(report: Report) -> Report {
    let mut report = Report { wire: None, ..comparable(report) };
    report.checks.retain(|check| !check.name.contains("on the wire"));
    report
}

#[test]
fn read_over_the_wire_with_all_that_goes_wrong_it_ends_with_the_state_of_a_run_from_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let files = play(&folder.path().join("files"), &["--wire-days", "0"]);
    assert_eq!(files.wire, None);
    let wire = play(&folder.path().join("wire"), &["--wire-days", "2", "--wire-faults"]);
    let story = wire.wire.clone().unwrap();
    assert_eq!((story.days, story.protocols.iter().map(|by| by.readings).sum::<u64>()), (2, 73 * 48));
    assert_eq!(story.from_files, 73 * 24);
    for kind in [Kind::Silence, Kind::LateAnswer, Kind::SwappedWords, Kind::Exchange, Kind::Rollover, Kind::DigitsEnd] {
        assert!(story.met.iter().any(|met| met.kind == kind && met.is_met()), "{kind:?}: {:#?}", story.met);
    }
    assert_eq!(wire.run.state_root, files.run.state_root);
    assert_eq!(without_wire(wire), without_wire(files));
}

#[test]
fn killed_among_its_faults_it_goes_on_and_tells_what_an_undisturbed_run_tells() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--wire-days", "2", "--wire-faults"];
    let expected = play(&folder.path().join("undisturbed"), &options);
    let disturbed = folder.path().join("disturbed");
    for height in [3, 4] {
        let demonstration = begin(&disturbed, DAYS, &options, &[]);
        let client = demonstration.client();
        let reached = || block_on(client.get::<utilidor_view::NodeStatus>("v1/status")).unwrap().height >= height;
        while !reached() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        // The first day's readings come over the wire now, or are certified.
        demonstration.kill();
    }
    let found = play(&disturbed, &options);
    assert_eq!(found.run.state_root, expected.run.state_root);
    assert_eq!(comparable(found), comparable(expected));
    // What was asked and answered can be looked at like any gateway's.
    let evidence = std::process::Command::new(env!("CARGO_BIN_EXE_utilidor"))
        .args(["gateway", "evidence", "--json", "--limit", "1", "--config"])
        .arg(disturbed.join(CONFIG_FILE))
        .arg(utilidor_park::cast::meter_id("office-1/electricity").to_string())
        .output()
        .unwrap();
    assert!(evidence.status.success(), "{evidence:?}");
    assert!(String::from_utf8_lossy(&evidence.stdout).contains("dlt645"), "{evidence:?}");
}
