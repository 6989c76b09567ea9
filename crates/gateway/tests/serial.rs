//! Devices at a serial port: the same pollers, over a pseudo-terminal.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::config::{Bus, Config, Place};
use utilidor_gateway::journal::Journal;
use utilidor_gateway::kept::{Registrations, Shared, begin_stretch};
use utilidor_gateway::poller::{Poller, Turn};
use utilidor_gateway::run::line_to;
use utilidor_gateway::serial::PlayedPort;
use utilidor_gateway::simulate::{Fault, Simulator};
use utilidor_gateway::writer::Writer;
use utilidor_types::MeterId;

const BEGIN: u64 = 1_800_000_000_000;
const KWH: u64 = 3_600_000;

/// Two meters of a protocol on one line: bus protocol, first unit, second unit, profile, carrier.
const LINES: [(&str, &str, &str, &str, &str); 5] = [
    ("dlt645", "161", "162", "dlt645-2007", "electricity"),
    ("cjt188", "14132", "14133", "cjt188", "heating"),
    ("mbus", "1", "2", "mbus", "heating"),
    ("mbus", "15094198", "12345678", "mbus", "heating"),
    ("modbus-rtu", "1", "2", "carlo-gavazzi-em340", "electricity"),
];

#[tokio::test(flavor = "multi_thread")]
async fn meters_on_a_serial_line_are_read_one_after_the_other_and_a_fault_of_one_is_its_own() {
    for (protocol, first, second, profile, carrier) in LINES {
        let meter = |byte: u8, unit: &str| {
            let id = MeterId([byte; 16]);
            format!(
                "[[meter]]\nid = \"{id}\"\nbus = \"b\"\nunit = \"{unit}\"\nprofile = \"{profile}\"\ncarrier = \"{carrier}\"\n"
            )
        };
        let text = format!(
            "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"{protocol}\"\nserial = \"/dev/ttyX,9600,8E1\"\n\
             timeout = \"500ms\"\nretries = 0\n{}{}",
            meter(1, first),
            meter(2, second)
        );
        let config = Config::read(&text, Path::new("")).unwrap();
        let clock = SetClock::at(BEGIN);
        let simulator = Simulator::new(&config, Arc::new(clock.clone()), 700 * KWH, 0);
        let played = PlayedPort::new().unwrap();
        let bus = Bus { place: Place::Serial(played.port()), ..config.buses[0].clone() };
        let served = (simulator.clone(), bus.clone());
        tokio::spawn(async move { served.0.serve_port(&served.1, played).await });

        let folder = tempfile::tempdir().unwrap();
        let (writer, _) = Writer::start(Journal::open(&folder.path().join("journal.sqlite")).unwrap());
        let watch = Watch::new(Arc::new(clock.clone()));
        begin_stretch(&watch, &writer).await.unwrap();
        let shared = Shared {
            watch,
            writer,
            registrations: Registrations::default(),
            interval_ms: 900_000,
            metrics: Default::default(),
        };
        let mut poller = Poller::new(bus.clone(), config.meters.clone(), line_to(&bus), shared);
        let turns = poller.round().await.unwrap();
        let recorded = |turn: &Turn| matches!(turn, Turn::Recorded { register, .. } if *register == 700 * KWH);
        assert!(turns.iter().all(|(_, turn)| recorded(turn)), "{protocol}: {turns:?}");

        // One is silent, or answers too late: the other is read all the same, after the line was quiet.
        simulator.set_fault(MeterId([1; 16]), Some(Fault::Late(Duration::from_millis(900))));
        clock.advance_to(BEGIN + 900_000);
        let turns = poller.round().await.unwrap();
        assert_eq!(turns[0].1, Turn::Failed("line/silent"), "{protocol}");
        assert!(recorded(&turns[1].1), "{protocol}: {turns:?}");
    }
}
