//! The demonstration killed at any moment goes on, and ends with the report of an undisturbed run.

mod demonstration;

use demonstration::{begin, block_on, comparable, play, report};
use std::process::Command;
use utilidor_sdk::Client;
use utilidor_types::PrivateKey;

const DAYS: usize = 6;

/// Asks until the chain has come to `height`, or the demonstration has ended.
fn reaches(client: &Client, height: u64) -> bool {
    loop {
        match block_on(client.get::<utilidor_view::NodeStatus>("v1/status")) {
            Ok(status) if status.height >= height => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

#[test]
fn killed_again_and_again_it_ends_with_the_report_of_an_undisturbed_run() {
    let undisturbed = tempfile::tempdir().unwrap();
    let expected = play(undisturbed.path(), DAYS, &[]);
    assert!(expected.run.blocks > 15, "{} blocks", expected.run.blocks);

    let disturbed = tempfile::tempdir().unwrap();
    // In the preparation, among the first subscriptions, at the tenders, at the awards, at the end.
    for height in [1, 2, 3, 5, 6, 8, 11, 14, expected.run.blocks] {
        let demonstration = begin(disturbed.path(), DAYS, &[], &[]);
        assert!(reaches(&demonstration.client(), height), "it runs until it is killed");
        demonstration.kill();
    }
    begin(disturbed.path(), DAYS, &["--exit"], &[]).ends();
    let found = report(disturbed.path());
    assert!(found.holds(), "{:#?}", found.checks);
    assert_eq!(found.run.state_root, expected.run.state_root);
    assert_eq!(comparable(found), comparable(expected));
}

#[test]
fn a_second_run_changes_nothing_and_a_fresh_one_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let first = play(folder.path(), 3, &[]);
    let second = play(folder.path(), 3, &[]);
    assert_eq!(first.run.blocks, second.run.blocks);
    begin(folder.path(), 3, &["--exit", "--fresh"], &[]).ends();
    let fresh = report(folder.path());
    assert_eq!(fresh.run.state_root, first.run.state_root);
    assert_eq!(comparable(first), comparable(second));
}

#[test]
fn one_that_runs_is_not_removed_and_one_whose_time_was_moved_on_is_told_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = begin(folder.path(), 2, &[], &[]);
    running.until_report();
    let first = report(folder.path());
    let mut fresh = Command::new(env!("CARGO_BIN_EXE_utilidor"));
    fresh.args(["demo", "--days", "2", "--wire-days", "0", "--exit", "--fresh", "--listen", "127.0.0.1:0", "--data"]);
    let refused = fresh.arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("stop it first") && !said.contains("--fresh"), "{said}");
    assert!(folder.path().join("report.json").exists() && folder.path().join("chain/lock").exists());

    let client = running.client();
    let status = block_on(client.status()).unwrap();
    let mut moved = Command::new(env!("CARGO_BIN_EXE_utilidor"));
    let later = utilidor_types::Timestamp(status.time_ms.0 + 40 * utilidor_types::time::DAY_MS).to_rfc3339();
    assert!(moved.args(["advance-time", &later, "--node", &running.api]).status().unwrap().success());
    running.kill();
    let again = play(folder.path(), 2, &[]);
    assert!(again.holds());
    assert_eq!(comparable(again), comparable(first));
}

#[test]
fn what_the_demonstration_has_not_made_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let member = serde_json::json!([{
        "name": "member-1", "folder": "member-1", "is_member": true, "http": "127.0.0.1:1", "listen": "127.0.0.1:2",
        "key": PrivateKey::ed25519([1; 32]).public_key(), "account": null
    }]);
    let network = member.to_string();
    std::fs::write(folder.path().join("network.json"), &network).unwrap();
    std::fs::write(folder.path().join("passphrase"), "opens their keys").unwrap();
    for more in [&["--exit"][..], &["--exit", "--fresh"], &["--exit", "--members", "4"]] {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_utilidor"));
        demo.args(["demo", "--days", "14", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path()).args(more);
        let refused = demo.output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains("holds another chain"), "{more:?}: {said}");
        assert_eq!(std::fs::read_to_string(folder.path().join("passphrase")).unwrap(), "opens their keys");
        assert_eq!(std::fs::read_to_string(folder.path().join("network.json")).unwrap(), network);
    }
}
