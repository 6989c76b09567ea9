//! `utilidor bench`, at a size that takes seconds: every unit succeeds on every layer, and the figures are there.

mod common;

use common::Desk;
use serde_json::Value;

fn figure(desk: &Desk, suite: &str, layer: &str) -> Value {
    desk.json(&format!("bench {suite} --layer {layer} --scale 0.01 --runs 1 --data bench"))
}

#[test]
fn a_suite_is_measured_on_each_layer_with_units_bytes_and_time_to_finality() {
    let desk = Desk::new();
    for layer in ["execute", "engine", "node"] {
        let figure = figure(&desk, "cycle-lean", layer);
        assert_eq!(
            (&figure["suite"], &figure["layer"], &figure["unit"]),
            (&"cycle-lean".into(), &layer.into(), &"trade".into())
        );
        assert!(figure["units_per_s"]["median"].as_f64().unwrap() > 0.0);
        assert!(figure["cpu_us_per_unit"].as_f64().unwrap() > 0.0);
        let phases: Vec<_> = figure["phases"].as_array().unwrap().iter().map(|phase| phase["name"].clone()).collect();
        assert_eq!(phases, ["offer", "quote", "award", "reading", "settlement"]);
        assert_eq!(figure["p99_ms"].is_number(), layer != "execute", "{figure}");
        assert_eq!(figure["bytes_per_unit"].is_number(), layer != "execute", "{figure}");
        assert_eq!(figure["index_bytes_per_unit"].is_number(), layer == "node", "{figure}");
    }
    let left: Vec<_> = std::fs::read_dir(desk.path().join("bench")).unwrap().collect();
    assert!(left.is_empty(), "the runs' chains are removed");
}

#[test]
fn settlements_are_counted_when_all_that_is_due_was_worked_off_and_payments_made_meanwhile_are_timed() {
    let figure = figure(&Desk::new(), "settlement", "engine");
    assert_eq!(figure["unit"], "agreement");
    assert!(figure["units_per_s"]["median"].as_f64().unwrap() > 0.0);
    assert!(figure["p99_ms"].as_f64().unwrap() > 0.0, "{figure}");
}

#[test]
fn an_unknown_suite_or_layer_is_refused_with_those_that_there_are() {
    let desk = Desk::new();
    assert!(desk.run("bench nonsense").failed(2).contains("cycle-lean"));
    assert!(desk.run("bench transfer --layer moon").failed(2).contains("engine"));
    assert!(desk.run("bench transfer --scale 0").failed(2).contains("above 0"));
}

#[test]
fn a_folder_is_one_benchmarks_at_a_time() {
    let desk = Desk::new();
    let folder = desk.path().join("bench");
    std::fs::create_dir(&folder).unwrap();
    let folder = std::fs::File::open(folder).unwrap();
    folder.lock().unwrap();
    let command = "bench transfer --layer engine --scale 0.01 --runs 1 --data bench";
    assert!(desk.run(command).failed(1).contains("another benchmark"));
    folder.unlock().unwrap();
    desk.run(command).ok();
}
