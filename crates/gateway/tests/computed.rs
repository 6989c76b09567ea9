//! Virtual meters over simulated devices: a hall's main meter, two tenants' meters behind it, and what is lost between them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use utilidor_gateway::clock::{Clock as _, SetClock, Watch};
use utilidor_gateway::computed::Computer;
use utilidor_gateway::config::Config;
use utilidor_gateway::journal::{Entry, Filter, Journal};
use utilidor_gateway::kept::{Registration, Registrations, Shared, begin_stretch};
use utilidor_gateway::line::{Line, Patience};
use utilidor_gateway::poller::{Poller, Turn};
use utilidor_gateway::protocol::Protocol;
use utilidor_gateway::protocol::computed::Computed;
use utilidor_gateway::simulate::{Fault, Simulator};
use utilidor_gateway::writer::Writer;
use utilidor_types::{Carrier, MeterId, Quantity};

const BEGIN: u64 = 1_800_000_000_000;
const INTERVAL: u64 = 900_000;
const KWH: u64 = 3_600_000;
/// Where the parts' registers start again.
const WIDTH: u64 = 1_000_000 * KWH;

const MAIN: MeterId = MeterId([1; 16]);
const FIRST: MeterId = MeterId([2; 16]);
const SECOND: MeterId = MeterId([3; 16]);
const LOSSES: MeterId = MeterId([8; 16]);
/// Both tenants together with the losses: the main meter again.
const ALL: MeterId = MeterId([9; 16]);

struct Site {
    _folder: tempfile::TempDir,
    config: Config,
    clock: SetClock,
    simulator: Simulator,
    shared: Shared,
    poller: Poller,
    computer: Computer,
}

fn written(virtuals: &str) -> Config {
    let meter = |id: MeterId, unit: u8| {
        format!("[[meter]]\nid = \"{id}\"\nbus = \"b\"\nunit = \"{unit}\"\nprofile = \"dlt645-2007\"\n")
    };
    let text = format!(
        "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"dlt645\"\naddress = \"h:1\"\nretries = 0\n{}{}{}{virtuals}",
        meter(MAIN, 1),
        meter(FIRST, 2),
        meter(SECOND, 3)
    );
    Config::read(&text, Path::new("")).unwrap()
}

fn losses() -> String {
    format!(
        "[[virtual]]\nid = \"{LOSSES}\"\nplus = [\"{MAIN}\"]\nminus = [\"{FIRST}\", \"{SECOND}\"]\n\
         [[virtual]]\nid = \"{ALL}\"\nplus = [\"{LOSSES}\", \"{FIRST}\", \"{SECOND}\"]\n"
    )
}

impl Site {
    async fn new() -> Self {
        let config = written(&losses());
        let folder = tempfile::tempdir().unwrap();
        let clock = SetClock::at(BEGIN);
        let simulator = Simulator::new(&config, Arc::new(clock.clone()), 0, 0);
        for (meter, kwh) in [(MAIN, 5_000), (FIRST, 700), (SECOND, 90)] {
            simulator.set(meter, kwh * KWH);
        }
        let (writer, _) = Writer::start(Journal::open(&folder.path().join("journal.sqlite")).unwrap());
        let watch = Watch::new(Arc::new(clock.clone()));
        begin_stretch(&watch, &writer).await.unwrap();
        let known = |modulus, register| Registration {
            modulus,
            capacity_per_hour: 1_000 * KWH,
            last_ms: BEGIN - INTERVAL,
            register,
            devices: 1,
            key: None,
        };
        let registrations: HashMap<_, _> = [
            (MAIN, known(WIDTH, 5_000 * KWH)),
            (FIRST, known(WIDTH, 700 * KWH)),
            (SECOND, known(WIDTH, 90 * KWH)),
            // Registered with a register of its own, and a width that it will reach.
            (LOSSES, known(50 * KWH, 20 * KWH)),
            (ALL, known(WIDTH, 0)),
        ]
        .into();
        let registrations: Registrations = Arc::new(RwLock::new(registrations));
        let shared = Shared { watch, writer, registrations, interval_ms: INTERVAL, metrics: Default::default() };
        let (poller, computer) = started(&config, &simulator, &shared);
        Self { _folder: folder, config, clock, simulator, shared, poller, computer }
    }

    /// A gateway that starts anew over the same journal.
    fn restart(&mut self) {
        (self.poller, self.computer) = started(&self.config, &self.simulator, &self.shared);
    }

    /// An interval in which so many kilowatt-hours pass at the three meters; what became of the two virtual ones.
    async fn pass(&mut self, kwh: [u64; 3]) -> [Turn; 2] {
        self.clock.advance_to(self.clock.now_ms() + INTERVAL);
        for (meter, kwh) in [MAIN, FIRST, SECOND].into_iter().zip(kwh) {
            self.simulator.set(meter, (self.simulator.shows(meter).unwrap() + kwh * KWH) % WIDTH);
        }
        self.poller.round().await.unwrap();
        let turns = self.computer.round().await.unwrap();
        let [(LOSSES, losses), (ALL, all)] = &turns[..] else { panic!("{turns:?}") };
        [losses.clone(), all.clone()]
    }

    async fn entries(&self, meter: MeterId) -> Vec<Entry> {
        let filter = Filter { meter: Some(meter), ..Filter::default() };
        self.shared.writer.call(move |journal| journal.entries(&filter, 100)).await.unwrap()
    }

    async fn codes(&self) -> Vec<String> {
        let events = self.shared.writer.call(|journal| journal.events(100)).await.unwrap();
        assert!(events.iter().all(|event| event.detail.is_in_both()), "{events:?}");
        events.into_iter().rev().map(|event| event.code).collect()
    }
}

fn started(config: &Config, simulator: &Simulator, shared: &Shared) -> (Poller, Computer) {
    let bus = config.buses[0].clone();
    let patience = Patience { timeout: Duration::from_secs(2), pause: Duration::ZERO, echo: false };
    let line = Line::new(simulator.dial(&bus), patience);
    let meters = config.meters_of(&bus.name).cloned().collect();
    (Poller::new(bus, meters, line, shared.clone()), Computer::new(&config.meters, shared))
}

/// Kilowatt-hours that a turn recorded.
fn recorded(turn: &Turn) -> Option<u64> {
    match turn {
        Turn::Recorded { register, .. } => Some(register / KWH),
        _ => None,
    }
}

#[tokio::test]
async fn what_is_lost_between_the_meters_is_the_difference_and_every_part_can_be_traced() {
    let mut site = Site::new().await;
    let mut shown = Vec::new();
    for kwh in [[10, 6, 3], [12, 8, 4], [9, 4, 2]] {
        let [losses, all] = site.pass(kwh).await;
        shown.push((recorded(&losses).unwrap(), recorded(&all).unwrap()));
    }
    // The first reading is where it begins: from the register that it was registered with.
    assert_eq!(shown, [(20, 0), (20, 12), (23, 21)]);

    for meter in [LOSSES, ALL] {
        for entry in site.entries(meter).await {
            assert_eq!(entry.reading.protocol, "virtual", "it is marked as computed");
            let document = Computed::read(&entry.reading.answer).unwrap();
            assert_eq!(document.now.register.0, entry.reading.register);
            assert_eq!(document.now.time_ms, entry.reading.time_ms);
            let decoded = Protocol::Virtual.decode(&entry.reading.answer).unwrap();
            assert_eq!(decoded.quantity_floor(Carrier::Electricity), Ok(Quantity(entry.reading.register)));
            let formula: String =
                document.parts.iter().map(|part| format!("{}{}", part.sign.symbol(), part.meter)).collect();
            assert_eq!(formula.as_bytes(), entry.reading.request);
            for part in &document.parts {
                // The register of each part stands in the journal, with the bytes that its device sent.
                let readings = site.entries(part.meter).await;
                let found = readings.iter().find(|entry| entry.reading.time_ms == part.now.time_ms).unwrap();
                assert_eq!(found.reading.register, part.now.register.0);
                assert_eq!(found.reading.protocol == "virtual", part.meter == LOSSES);
            }
        }
    }
    assert_eq!(site.codes().await, Vec::<String>::new());
}

#[tokio::test]
async fn where_a_part_is_missing_nothing_is_recorded_and_the_next_reading_shows_both_intervals() {
    let mut site = Site::new().await;
    site.pass([0, 0, 0]).await;
    site.simulator.set_fault(SECOND, Some(Fault::Silent));
    let turns = site.pass([10, 5, 2]).await;
    assert_eq!(turns, [Turn::Failed("virtual/part-missing"), Turn::Failed("virtual/part-missing")]);
    site.simulator.set_fault(SECOND, None);
    let [losses, all] = site.pass([10, 5, 2]).await;
    assert_eq!((recorded(&losses), recorded(&all)), (Some(26), Some(20)));
    assert_eq!(site.entries(LOSSES).await.len(), 2);
    let events = site.shared.writer.call(|journal| journal.events(100)).await.unwrap();
    let missing = events.iter().find(|event| event.meter == Some(LOSSES) && event.code == "virtual/part-missing");
    assert!(missing.unwrap().detail.zh.contains(&SECOND.to_string()), "the part is named");
}

#[tokio::test]
async fn a_difference_below_nothing_is_not_recorded_and_made_good_by_the_next_reading() {
    let mut site = Site::new().await;
    site.pass([0, 0, 0]).await;
    // The tenants' meters were read a moment later than the main one.
    assert_eq!(site.pass([10, 7, 4]).await[0], Turn::Failed("virtual/went-back"));
    let events = site.shared.writer.call(|journal| journal.events(100)).await.unwrap();
    let told = events.iter().find(|event| event.code == "virtual/went-back").unwrap();
    assert!(told.detail.en.starts_with("its parts say that -1.000kWh passed"), "{}", told.detail);
    assert_eq!(recorded(&site.pass([10, 5, 2]).await[0]), Some(22));
}

#[tokio::test]
async fn registers_that_start_again_and_a_gateway_that_starts_again_change_no_sum() {
    let mut site = Site::new().await;
    site.simulator.rollover(FIRST);
    let high = site.simulator.shows(FIRST).unwrap();
    site.shared.registrations.write().unwrap().get_mut(&FIRST).unwrap().register = high;
    site.pass([0, 0, 0]).await;
    // The tenant's register passes its width; what passed is known all the same, to a hundredth of a kilowatt-hour.
    let [losses, all] = site.pass([20, 10, 3]).await;
    let (Some(lost), Some(whole)) = (recorded(&losses), recorded(&all)) else { panic!("{losses:?} {all:?}") };
    assert_eq!((lost, whole), (27, 20));
    assert_eq!(
        Computed::read(&site.entries(LOSSES).await[1].reading.answer).unwrap().parts[1].modulus,
        Some(Quantity(WIDTH))
    );
    site.restart();
    // 27 and 30 kWh more than its own width of 50.
    assert_eq!(recorded(&site.pass([40, 6, 4]).await[0]), Some(7));
    assert_eq!(site.codes().await, Vec::<String>::new());
}

#[tokio::test]
async fn another_device_at_a_part_stops_the_sum_until_somebody_has_looked() {
    let mut site = Site::new().await;
    site.pass([10, 5, 2]).await;
    // The operator has recorded the exchange and let the part go on.
    site.simulator.exchange(FIRST);
    site.clock.advance_to(site.clock.now_ms() + INTERVAL);
    site.restart();
    site.poller.round().await.unwrap();
    assert!(site.shared.writer.call(|journal| journal.accept(FIRST)).await.unwrap());
    let known = Registration {
        devices: 2,
        register: 0,
        last_ms: site.clock.now_ms(),
        ..site.shared.registration(FIRST).unwrap()
    };
    site.shared.registrations.write().unwrap().insert(FIRST, known);
    assert!(matches!(site.pass([10, 5, 2]).await[0], Turn::Stopped(_)));
    assert!(matches!(site.pass([10, 5, 2]).await[0], Turn::Stopped(_)), "it stays so");
    assert!(site.codes().await.contains(&"virtual/part-exchanged".into()));
    let before = site.entries(LOSSES).await.len();
    assert!(site.shared.writer.call(|journal| journal.accept(LOSSES)).await.unwrap());
    // It begins anew from what it showed last.
    assert_eq!(recorded(&site.pass([10, 5, 2]).await[0]), Some(20));
    assert_eq!(recorded(&site.pass([10, 5, 2]).await[0]), Some(23));
    assert_eq!(site.entries(LOSSES).await.len(), before + 2);
}

#[tokio::test]
async fn a_meter_that_is_computed_otherwise_than_before_is_stopped() {
    let mut site = Site::new().await;
    site.pass([10, 5, 2]).await;
    site.config = written(&format!("[[virtual]]\nid = \"{LOSSES}\"\nplus = [\"{MAIN}\"]\nminus = [\"{FIRST}\"]\n"));
    site.restart();
    site.clock.advance_to(site.clock.now_ms() + INTERVAL);
    site.poller.round().await.unwrap();
    let turns = site.computer.round().await.unwrap();
    assert!(matches!(&turns[0].1, Turn::Stopped(reason) if reason.en.contains("otherwise")), "{turns:?}");
}

#[tokio::test]
async fn a_meter_of_which_the_ledger_has_said_nothing_waits() {
    let mut site = Site::new().await;
    site.shared.registrations.write().unwrap().remove(&LOSSES);
    let turns = site.pass([10, 5, 2]).await;
    assert_eq!(turns[0], Turn::Failed("virtual/unregistered"));
    assert_eq!(turns[1], Turn::Failed("virtual/part-missing"), "it needs the other's reading");
}
