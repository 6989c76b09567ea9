//! A device that nobody knows yet is looked at.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use utilidor_gateway::clock::SetClock;
use utilidor_gateway::config::{BusProtocol, Config, UnitAddress};
use utilidor_gateway::line::{Line, Patience};
use utilidor_gateway::probe::{self, Question};
use utilidor_gateway::profile::{Profiles, Ratio};
use utilidor_gateway::protocol::modbus::Function;
use utilidor_gateway::simulate::Simulator;

#[tokio::test]
async fn registers_that_nothing_is_known_of_are_shown_and_what_comes_next_is_said() {
    let text = "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"modbus-tcp\"\naddress = \"127.0.0.1:502\"\n[[meter]]\nid = \
                \"01010101010101010101010101010101\"\nbus = \"b\"\nunit = \"1\"\nprofile = \"carlo-gavazzi-em340\"\n";
    let config = Config::read(text, Path::new("")).unwrap();
    let simulator = Simulator::new(&config, Arc::new(SetClock::at(1_800_000_000_000)), 36_000_000, 0);
    let patience = Patience { timeout: Duration::from_secs(60), pause: Duration::ZERO, echo: false };
    let mut line = Line::new(simulator.dial(&config.buses[0]), patience);
    let mut question = Question {
        protocol: BusProtocol::ModbusTcp,
        unit: Some(UnitAddress::Modbus(1)),
        carrier: None,
        profile: None,
        ratio: Ratio { ct: 1, pt: 1 },
        registers: Some((Function::Input, 0x0034, 2)),
    };
    let builtin = |name: &str| Profiles::builtin().get(name).unwrap().clone();
    let report = probe::probe(&mut line, "b", &question, builtin).await;
    assert!(report.has_shown_registers() && !report.is_good());
    assert!(report.findings.last().unwrap().en.contains("write a profile with its address"), "{:?}", report.findings);
    question.registers = None;
    let report = probe::probe(&mut line, "b", &question, builtin).await;
    assert!(!report.has_shown_registers());
    assert!(report.findings.last().unwrap().en.contains("or look at some registers"), "{:?}", report.findings);
}
