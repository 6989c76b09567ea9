//! The devices of an M-Bus are found by what is printed on them, however much their numbers are alike.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use utilidor_gateway::clock::SetClock;
use utilidor_gateway::config::Config;
use utilidor_gateway::line::{Line, Patience};
use utilidor_gateway::search::{Findings, search};
use utilidor_gateway::simulate::{Fault, Simulator};
use utilidor_types::MeterId;

const BEGIN: u64 = 1_800_000_000_000;

/// The devices at `units` on one bus; a device that is only numbered has its place as number.
fn bus(units: &[&str]) -> (Simulator, Line) {
    let mut text = "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"mbus\"\naddress = \"h:1\"\n".to_string();
    for (place, unit) in units.iter().enumerate() {
        text.push_str(&format!(
            "[[meter]]\nid = \"{}\"\nbus = \"b\"\nunit = \"{unit}\"\ncarrier = \"water\"\nprofile = \"mbus\"\n",
            meter(place)
        ));
    }
    let config = Config::read(&text, Path::new("")).unwrap();
    let simulator = Simulator::new(&config, Arc::new(SetClock::at(BEGIN)), 1_000_000, 0);
    let dial = simulator.dial(&config.buses[0]);
    // Only silence is waited for, and time stands still meanwhile: see the tests' clock.
    let patience = Patience { timeout: Duration::from_millis(500), pause: Duration::ZERO, echo: false };
    (simulator, Line::new(dial, patience))
}

fn meter(place: usize) -> MeterId {
    MeterId([place as u8 + 1; 16])
}

fn identifications(findings: &Findings) -> Vec<String> {
    findings.found.iter().map(|found| found.device.to_string()[..8].to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn every_device_is_found_once_whatever_digits_they_share() {
    for units in [
        &[][..],
        &["12345678"],
        &["12345678", "12345679"],
        &["00000000", "10000000", "99999999"],
        &["12345678", "12345670", "12355670", "92345678", "12345600"],
    ] {
        let (_simulator, mut line) = bus(units);
        let findings = search(&mut line).await.unwrap();
        let mut expected = units.to_vec();
        expected.sort_unstable();
        assert_eq!(
            (identifications(&findings), findings.indistinct.len()),
            (expected.iter().map(|it| (*it).to_string()).collect(), 0)
        );
        for found in &findings.found {
            let telegram = found.telegram.as_ref().unwrap();
            assert_eq!(telegram.register().unwrap().content.to_string(), "1.000 m3");
            // What is found can be written into a configuration as it is.
            assert_eq!(found.device.to_string().len(), 16);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_search_asks_no_more_than_the_digits_in_which_devices_differ() {
    let (_simulator, mut line) = bus(&[]);
    assert_eq!(search(&mut line).await.unwrap().selections, 1, "nobody answers to all digits open");
    let (_simulator, mut line) = bus(&["12345678"]);
    assert_eq!(search(&mut line).await.unwrap().selections, 1, "one alone says who it is");
    let (_simulator, mut line) = bus(&["12345678", "92345678"]);
    assert_eq!(search(&mut line).await.unwrap().selections, 1 + 10);
    let (_simulator, mut line) = bus(&["12345678", "12345679"]);
    assert_eq!(search(&mut line).await.unwrap().selections, 1 + 8 * 10);
}

#[tokio::test(start_paused = true)]
async fn devices_that_share_their_whole_number_are_told_and_hide_nobody_else() {
    let (_simulator, mut line) = bus(&["1234567824400107", "1234567824400207", "12345679"]);
    let findings = search(&mut line).await.unwrap();
    assert_eq!(identifications(&findings), ["12345679"]);
    assert_eq!(findings.indistinct, ["12345678"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_device_is_not_found_and_a_noisy_one_is_told() {
    let (simulator, mut line) = bus(&["12345678", "22345678", "32345678"]);
    simulator.set_fault(meter(0), Some(Fault::Silent));
    simulator.set_fault(meter(1), Some(Fault::Noise));
    let findings = search(&mut line).await.unwrap();
    assert_eq!(identifications(&findings), ["32345678"]);
    // Its acknowledgement is garbled each time, so that nothing tells it from several devices.
    assert_eq!(findings.indistinct, ["22345678"]);
    simulator.set_fault(meter(0), None);
    simulator.set_fault(meter(1), None);
    assert_eq!(identifications(&search(&mut line).await.unwrap()).len(), 3);
}
