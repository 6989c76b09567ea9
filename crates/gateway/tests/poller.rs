//! Pollers against simulated devices on loopback: every protocol, every fault.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::config::{Bus, Config};
use utilidor_gateway::guard::Doubt;
use utilidor_gateway::journal::{Entry, Filter, Journal};
use utilidor_gateway::kept::{Registration, Registrations, Shared, begin_stretch};
use utilidor_gateway::line::{self, Line, Patience};
use utilidor_gateway::poller::{Poller, Turn};
use utilidor_gateway::simulate::{Fault, Simulator};
use utilidor_gateway::writer::Writer;
use utilidor_types::MeterId;

const BEGIN: u64 = 1_800_000_000_000;
const INTERVAL: u64 = 900_000;
const KWH: u64 = 3_600_000;
const M3: u64 = 1_000_000;

/// A meter of every protocol, each on a bus of its own: name, protocol, unit, profile, carrier.
const SITE: [(&str, &str, &str, &str, &str); 9] = [
    ("power", "dlt645", "161", "dlt645-2007", "electricity"),
    ("water", "cjt188", "33001122334455", "cjt188", "water"),
    ("heat", "cjt188", "14132", "cjt188", "heating"),
    ("roof", "modbus-tcp", "1", "schneider-iem3000", "electricity"),
    ("panel", "modbus-rtu", "7", "carlo-gavazzi-em340", "electricity"),
    ("gas", "mbus", "5", "mbus", "gas"),
    ("cellar", "mbus", "1234567889560104", "mbus", "heating"),
    ("sun", "modbus-tcp", "1", "sunspec-inverter", "electricity"),
    ("grid", "modbus-rtu", "3", "sunspec-meter-import", "electricity"),
];

fn meter(place: usize) -> MeterId {
    MeterId([place as u8 + 1; 16])
}

/// Base units in what a meter's register counts well.
fn unit(place: usize) -> u64 {
    if ["water", "gas"].contains(&SITE[place].4) { M3 } else { KWH }
}

struct Site {
    folder: tempfile::TempDir,
    config: Config,
    clock: SetClock,
    watch: Watch,
    simulator: Simulator,
    writer: Writer,
    registrations: Registrations,
    addresses: Vec<String>,
}

impl Site {
    async fn new() -> Self {
        let mut text = "[site]\nkey = \"gateway\"\n".to_string();
        for (place, (name, protocol, unit, profile, carrier)) in SITE.iter().enumerate() {
            text += &format!(
                "[[bus]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:{}\"\n\
                 [[meter]]\nid = \"{}\"\nbus = \"{name}\"\nunit = \"{unit}\"\nprofile = \"{profile}\"\ncarrier = \"{carrier}\"\n",
                place + 1,
                meter(place)
            );
        }
        let config = Config::read(&text, Path::new("")).unwrap();
        let clock = SetClock::at(BEGIN);
        let watch = Watch::new(Arc::new(clock.clone()));
        let simulator = Simulator::new(&config, Arc::new(clock.clone()), 0, 0);
        let mut addresses = Vec::new();
        for (place, bus) in config.buses.iter().enumerate() {
            simulator.set(meter(place), 1_000 * unit(place));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            addresses.push(listener.local_addr().unwrap().to_string());
            let (simulator, bus) = (simulator.clone(), bus.clone());
            tokio::spawn(async move { simulator.serve(&bus, listener).await });
        }
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("journal.sqlite")).unwrap();
        let (writer, _) = Writer::start(journal);
        begin_stretch(&watch, &writer).await.unwrap();
        let registration = |place: usize| Registration {
            modulus: if SITE[place].1.starts_with("modbus") { u64::MAX >> 1 } else { 1_000_000 * unit(place) },
            capacity_per_hour: 400 * unit(place),
            last_ms: BEGIN - INTERVAL,
            register: 1_000 * unit(place),
            devices: 1,
            key: None,
        };
        let registrations: HashMap<_, _> = (0..SITE.len()).map(|place| (meter(place), registration(place))).collect();
        Self {
            folder,
            config,
            clock,
            watch,
            simulator,
            writer,
            registrations: Arc::new(RwLock::new(registrations)),
            addresses,
        }
    }

    fn shared(&self) -> Shared {
        let (watch, writer, registrations) = (self.watch.clone(), self.writer.clone(), self.registrations.clone());
        Shared { watch, writer, registrations, interval_ms: INTERVAL, metrics: Default::default() }
    }

    fn poller(&self, place: usize, timeout: Duration, retries: u32) -> Poller {
        let bus = Bus { retries, ..self.config.buses[place].clone() };
        let patience = Patience { timeout, pause: Duration::ZERO, echo: false };
        let line = Line::new(line::tcp(self.addresses[place].clone(), timeout), patience);
        let meters = self.config.meters_of(&bus.name).cloned().collect();
        Poller::new(bus, meters, line, self.shared())
    }

    /// A poller that waits as long as a busy machine may need.
    fn patient(&self, place: usize) -> Poller {
        self.poller(place, Duration::from_secs(30), 0)
    }

    async fn entries(&self, place: usize) -> Vec<Entry> {
        let filter = Filter { meter: Some(meter(place)), ..Filter::default() };
        self.writer.call(move |journal| journal.entries(&filter, 1_000)).await.unwrap()
    }

    async fn events(&self) -> Vec<String> {
        let events = self.writer.call(|journal| journal.events(100)).await.unwrap();
        assert!(events.iter().all(|event| event.detail.is_in_both()), "{events:?}");
        events.into_iter().rev().map(|event| event.code).collect()
    }

    /// Moves time on by an interval, in which so much flows.
    fn pass(&self, place: usize, flows: u64) {
        let now = self.simulator.shows(meter(place)).unwrap();
        self.clock.advance_to(utilidor_gateway::clock::Clock::now_ms(&self.clock) + INTERVAL);
        self.simulator.set(meter(place), now + flows);
    }
}

async fn turn(poller: &mut Poller) -> Turn {
    poller.round().await.unwrap().remove(0).1
}

#[tokio::test]
async fn a_meter_of_every_protocol_is_read_with_its_evidence() {
    let site = Site::new().await;
    for place in 0..SITE.len() {
        let mut poller = site.patient(place);
        for flows in [0, 10, 25] {
            site.pass(place, flows * unit(place));
            let expected = site.simulator.shows(meter(place)).unwrap();
            match turn(&mut poller).await {
                Turn::Recorded { register, .. } => assert_eq!(register, expected, "{:?}", SITE[place]),
                other => panic!("{:?}: {other:?}", SITE[place]),
            }
        }
        let entries = site.entries(place).await;
        assert_eq!(entries.len(), 3);
        for entry in entries {
            let protocol = site.config.buses[place].protocol.protocol();
            assert!(protocol.decode(&entry.reading.answer).is_ok(), "the evidence can be read again");
            assert!(!entry.reading.request.is_empty());
        }
    }
    assert_eq!(site.events().await, Vec::<String>::new());
    drop(site.folder);
}

/// A line to `address` on which requests are counted: each comes in one piece, and the next when it is answered.
async fn counted(address: String) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicU32::new(0));
    let counter = asked.clone();
    tokio::spawn(async move {
        let (mut gateway, _) = listener.accept().await.unwrap();
        let mut device = TcpStream::connect(address).await.unwrap();
        let (mut from_gateway, mut to_gateway) = gateway.split();
        let (mut from_device, mut to_device) = device.split();
        let asks = async {
            let mut bytes = [0; 1_024];
            while let Ok(length @ 1..) = from_gateway.read(&mut bytes).await {
                counter.fetch_add(1, Ordering::Relaxed);
                to_device.write_all(&bytes[..length]).await.unwrap();
            }
        };
        let _ = tokio::join!(asks, tokio::io::copy(&mut from_device, &mut to_gateway));
    });
    (here, asked)
}

#[tokio::test]
async fn a_meters_turn_takes_as_many_requests_as_its_profile_says() {
    let mut site = Site::new().await;
    for place in 0..SITE.len() {
        let (address, asked) = counted(site.addresses[place].clone()).await;
        site.addresses[place] = address;
        let turn = turn(&mut site.patient(place)).await;
        assert!(matches!(turn, Turn::Recorded { .. }), "{}: {turn:?}", SITE[place].0);
        let (asked, said) = (asked.load(Ordering::Relaxed), site.config.meters[place].profile.register.requests());
        // A SunSpec device may have models before the one that is wanted, or begin elsewhere.
        let is_walked = SITE[place].3.starts_with("sunspec");
        assert!(if is_walked { asked >= said } else { asked == said }, "{}: {asked}, not {said}", SITE[place].0);
    }
}

#[tokio::test]
async fn silence_is_told_once_and_the_register_after_it_is_looked_at_twice() {
    let site = Site::new().await;
    for place in 0..SITE.len() {
        site.simulator.set_fault(meter(place), Some(Fault::Silent));
        let mut poller = site.poller(place, Duration::from_millis(30), 1);
        for _ in 0..5 {
            site.pass(place, 90 * unit(place));
            assert_eq!(turn(&mut poller).await, Turn::Failed("line/silent"));
        }
        site.simulator.set_fault(meter(place), None);
        let mut poller = site.patient(place);
        assert!(matches!(turn(&mut poller).await, Turn::Recorded { .. }), "{:?}", SITE[place]);
    }
    let events = site.events().await;
    for code in ["line/silent", "meter/silent"] {
        assert_eq!(events.iter().filter(|event| *event == code).count(), SITE.len(), "{code}: once for each meter");
    }
    assert_eq!(events.len(), 2 * SITE.len(), "{events:?}");
}

#[tokio::test]
async fn a_gateway_that_has_just_started_calls_no_meter_silent_that_was_not_read_while_it_was_away() {
    let site = Site::new().await;
    for _ in 0..10 {
        site.pass(0, 0);
    }
    site.simulator.set_fault(meter(0), Some(Fault::Silent));
    let mut poller = site.poller(0, Duration::from_millis(30), 1);
    for (turns, events) in [(1, vec!["line/silent"]), (4, vec!["line/silent", "meter/silent"])] {
        for _ in 0..turns {
            assert_eq!(turn(&mut poller).await, Turn::Failed("line/silent"));
            site.pass(0, 0);
        }
        let mut told = site.events().await;
        told.sort();
        assert_eq!(told, events);
    }
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_a_later_one() {
    let site = Site::new().await;
    for place in 0..SITE.len() {
        // The device answers while the next answer is waited for.
        site.simulator.set_fault(meter(place), Some(Fault::Late(Duration::from_millis(400))));
        let mut poller = site.poller(place, Duration::from_millis(300), 0);
        site.pass(place, unit(place));
        assert_eq!(turn(&mut poller).await, Turn::Failed("line/silent"));
        // What it sends now is what it showed then; asked anew, it shows what is now.
        site.simulator.set_fault(meter(place), None);
        site.pass(place, 5 * unit(place));
        let shows = site.simulator.shows(meter(place)).unwrap();
        let mut taken = turn(&mut poller).await;
        // A busy machine may be late by itself.
        while taken == Turn::Failed("line/silent") {
            taken = turn(&mut poller).await;
        }
        assert!(matches!(taken, Turn::Recorded { register, .. } if register == shows), "{:?}: {taken:?}", SITE[place]);
    }
}

#[tokio::test]
async fn swapped_words_and_noise_are_never_recorded() {
    let site = Site::new().await;
    for place in [3, 4, 7, 8] {
        let mut poller = site.patient(place);
        site.pass(place, unit(place));
        assert!(matches!(turn(&mut poller).await, Turn::Recorded { .. }));
        site.simulator.set_fault(meter(place), Some(Fault::SwappedWords));
        site.pass(place, unit(place));
        let held = turn(&mut poller).await;
        assert!(matches!(held, Turn::Held(_) | Turn::Failed(_)), "{held:?}");
        assert_eq!(site.entries(place).await.len(), 1);
    }
    // Modbus TCP has no checksum of its own.
    for place in [0, 1, 2, 4, 5, 6, 8] {
        site.simulator.set_fault(meter(place), Some(Fault::Noise));
        site.pass(place, unit(place));
        let failed = turn(&mut site.poller(place, Duration::from_millis(300), 0)).await;
        assert!(matches!(failed, Turn::Failed(_)), "{:?}: {failed:?}", SITE[place]);
    }
}

#[tokio::test]
async fn another_device_in_its_place_stops_the_meter_until_it_is_accepted() {
    let site = Site::new().await;
    for place in [0, 5, 7] {
        site.pass(place, unit(place));
        assert!(matches!(turn(&mut site.patient(place)).await, Turn::Recorded { .. }));
        site.simulator.exchange(meter(place));
        site.pass(place, 2_000 * unit(place));
        // A gateway that starts again asks who is there.
        let mut poller = site.patient(place);
        assert!(matches!(turn(&mut poller).await, Turn::Stopped(_)), "{:?}", SITE[place]);
        assert!(matches!(turn(&mut poller).await, Turn::Stopped(_)));
        assert_eq!(site.entries(place).await.len(), 1);
        assert!(site.writer.call(move |journal| journal.accept(meter(place))).await.unwrap());
        // The ledger knows of the exchange and the new register by then; here its old one is still the last.
        assert!(matches!(turn(&mut poller).await, Turn::Held(_) | Turn::Recorded { .. }));
    }
    assert!(site.events().await.contains(&"meter/device-changed".into()));
}

#[tokio::test]
async fn a_first_reading_that_does_not_follow_from_the_registration_stops_the_meter() {
    let site = Site::new().await;
    let mut poller = site.patient(0);
    site.pass(0, 1_000 * KWH);
    assert!(matches!(turn(&mut poller).await, Turn::Held(Doubt::BeyondCapacity { .. })));
    // By then its capacity would allow for all of it.
    site.clock.advance_to(utilidor_gateway::clock::Clock::now_ms(&site.clock) + 10_000 * INTERVAL);
    assert!(matches!(turn(&mut poller).await, Turn::Stopped(_)));
    assert_eq!(site.events().await, ["reading/beyond-capacity", "meter/other-begin"]);
    assert_eq!(site.entries(0).await.len(), 0);
}

#[tokio::test]
async fn a_device_exchanged_between_two_rounds_is_noticed_though_its_register_fits() {
    let site = Site::new().await;
    for place in [0, 5, 7] {
        let mut poller = site.patient(place);
        site.pass(place, unit(place));
        assert!(matches!(turn(&mut poller).await, Turn::Recorded { .. }));
        site.simulator.exchange(meter(place));
        // As much more than the one before as can pass in an interval.
        site.pass(place, 1_002 * unit(place));
        assert!(matches!(turn(&mut poller).await, Turn::Stopped(_)), "{:?}", SITE[place]);
        assert_eq!(site.entries(place).await.len(), 1);
    }
    assert_eq!(site.events().await, ["meter/device-changed"; 3]);
}

#[tokio::test]
async fn a_register_that_starts_again_is_taken_and_one_that_goes_back_is_not() {
    let site = Site::new().await;
    for place in [0, 1] {
        let mut poller = site.patient(place);
        site.simulator.rollover(meter(place));
        let high = site.simulator.shows(meter(place)).unwrap();
        let known = Registration { register: high, ..site.registrations.read().unwrap()[&meter(place)] };
        site.registrations.write().unwrap().insert(meter(place), known);
        site.pass(place, 0);
        assert!(matches!(turn(&mut poller).await, Turn::Recorded { register, .. } if register == high));
        site.pass(place, 10 * unit(place));
        let low = turn(&mut poller).await;
        assert!(matches!(low, Turn::Recorded { register, .. } if register < 10 * unit(place)), "{low:?}");

        // evcc-io/evcc#30267: a low value became the beginning of everything after.
        site.pass(place, 10 * unit(place));
        let shows = site.simulator.shows(meter(place)).unwrap();
        site.simulator.set(meter(place), 0);
        assert!(matches!(turn(&mut poller).await, Turn::Held(Doubt::WentBack { .. })));
        assert!(matches!(turn(&mut poller).await, Turn::Held(Doubt::WentBack { .. })));
        site.simulator.set(meter(place), shows);
        assert!(matches!(turn(&mut poller).await, Turn::Recorded { register, .. } if register == shows));
        assert_eq!(site.entries(place).await.len(), 3);
    }
    assert_eq!(site.events().await, ["reading/went-back", "meter/recovered"].repeat(2));
}

#[tokio::test]
async fn a_leap_beyond_the_capacity_is_held() {
    let site = Site::new().await;
    // Half an hour after the registered reading: 200 kWh may have passed, and a step of the register.
    site.pass(0, 201 * KWH);
    let held = turn(&mut site.patient(0)).await;
    assert!(matches!(held, Turn::Held(Doubt::BeyondCapacity { .. })), "{held:?}");
    assert!(site.entries(0).await.is_empty());
}

#[tokio::test]
async fn a_clock_that_is_set_back_begins_a_new_stretch_and_nothing_is_recorded_before_the_last() {
    let site = Site::new().await;
    let mut poller = site.patient(0);
    site.pass(0, KWH);
    assert!(matches!(turn(&mut poller).await, Turn::Recorded { .. }));
    site.clock.set(1_000);
    assert!(matches!(turn(&mut poller).await, Turn::Held(Doubt::TimeNotRising { .. })));
    site.clock.set(BEGIN + 2 * INTERVAL);
    site.simulator.set(meter(0), 1_002 * KWH);
    assert!(matches!(turn(&mut poller).await, Turn::Recorded { .. }));
    let epochs: Vec<_> = site.entries(0).await.iter().map(|entry| entry.reading.epoch).collect();
    assert!(epochs[1] > epochs[0], "{epochs:?}");
}

#[tokio::test]
async fn where_nobody_listens_the_meter_fails_and_the_others_go_on() {
    let mut site = Site::new().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    site.addresses[0] = closed.local_addr().unwrap().to_string();
    drop(closed);
    site.pass(0, KWH);
    assert_eq!(turn(&mut site.patient(0)).await, Turn::Failed("line/no-connection"));
    site.pass(1, M3);
    assert!(matches!(turn(&mut site.patient(1)).await, Turn::Recorded { .. }));
}

#[tokio::test]
async fn simulated_faults_are_commanded_in_words_and_are_what_a_poller_meets() {
    let site = Site::new().await;
    let command = |line: &str| site.simulator.command(line).unwrap();
    let impatient = |place| site.poller(place, Duration::from_millis(100), 0);
    site.pass(0, KWH);
    assert!(matches!(turn(&mut site.patient(0)).await, Turn::Recorded { .. }));
    // As the unit stands in the configuration.
    command("set power/161 1201kWh");
    assert_eq!(site.simulator.shows(meter(0)), Some(1_201 * KWH));
    command("set power/000000000161 1002kWh");
    site.pass(0, 0);
    assert!(matches!(turn(&mut site.patient(0)).await, Turn::Recorded { register, .. } if register == 1_002 * KWH));
    for line in ["silence power/000000000161", "late power/000000000161 5s"] {
        command(line);
        site.pass(0, 0);
        assert_eq!(turn(&mut impatient(0)).await, Turn::Failed("line/silent"), "{line}");
    }
    command("noise power/000000000161");
    // It may be the length that is wrong: then more is waited for.
    let noise = turn(&mut site.poller(0, Duration::from_millis(300), 0)).await;
    assert!(matches!(noise, Turn::Failed(_)), "{noise:?}");
    command("well power/000000000161");
    command("rate power/000000000161 4kWh");
    // Within fewer intervals than a silence is long.
    site.clock.advance_to(utilidor_gateway::clock::Clock::now_ms(&site.clock) + INTERVAL);
    assert!(matches!(turn(&mut site.patient(0)).await, Turn::Recorded { register, .. } if register == 1_003 * KWH));
    command("exchange power/000000000161");
    assert!(matches!(turn(&mut site.patient(0)).await, Turn::Stopped(_)));

    command(&format!("swap {}", meter(3)));
    site.pass(3, unit(3));
    let swapped = turn(&mut site.patient(3)).await;
    assert!(matches!(swapped, Turn::Held(_) | Turn::Failed(_)), "{swapped:?}");

    command(&format!("rollover {}", meter(1)));
    let high = site.simulator.shows(meter(1)).unwrap();
    let known = Registration { register: high, ..site.registrations.read().unwrap()[&meter(1)] };
    site.registrations.write().unwrap().insert(meter(1), known);
    site.pass(1, M3);
    let low = turn(&mut site.patient(1)).await;
    assert!(matches!(low, Turn::Recorded { register, .. } if register < M3), "{low:?}");

    for line in [
        "",
        "explode power/161",
        "set power/162 1kWh",
        "set water/161 1m3",
        "silence nobody",
        "set power/000000000161 5m3",
        "late roof/1 soon",
    ] {
        assert!(site.simulator.command(line).is_err(), "{line}");
    }
}

#[test]
fn what_a_played_device_cannot_do_is_said_and_not_done() {
    let bus = |name: &str, protocol: &str, port: u16| {
        format!("[[bus]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\naddress = \"127.0.0.1:{port}\"\n")
    };
    let meter = |id: u8, bus: &str, unit: &str, profile: &str| {
        let id = format!("{id:02x}").repeat(16);
        format!("[[meter]]\nid = \"{id}\"\nbus = \"{bus}\"\nunit = \"{unit}\"\nprofile = \"{profile}\"\n")
    };
    let text = [
        "[site]\nkey = \"g\"\n".into(),
        bus("a", "dlt645", 4001),
        bus("b", "modbus-tcp", 4002),
        bus("c", "mqtt", 4003),
        bus("d", "ocpp", 4004),
        meter(1, "a", "161", "dlt645-2007"),
        meter(2, "b", "1", "carlo-gavazzi-em340"),
        meter(3, "c", "site/power", "lora"),
        meter(4, "d", "CP/1", "ocpp"),
        "[[profile]]\nname = \"lora\"\nprotocol = \"json\"\ncarrier = \"electricity\"\njson = { value = \"/e\", time = \"/ts\", step = \
         \"1kWh\" }\n"
            .into(),
    ]
    .concat();
    let config = Config::read(&text, Path::new("")).unwrap();
    let simulator = Simulator::new(&config, Arc::new(SetClock::at(BEGIN)), 0, 0);
    let says = |line: &str| simulator.command(line).unwrap_or_else(|error| error.to_string());
    assert_eq!(says("swap b/1"), "done: swap b/1");
    assert!(says("swap a/000000000161").contains("a Modbus device has words"), "{}", says("swap a/000000000161"));
    assert!(says("set c/site/power 5kWh").contains("is not played: publish at its broker"));
    assert!(says("silence d/CP/1").contains("offline METER"));
    assert_eq!(says("set d/CP/1 5kWh"), "done: set d/CP/1 5kWh");
    assert!(says("rollover a/000000000161").contains("it shows 999999.990kWh and starts again"));
}
