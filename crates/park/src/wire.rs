//! The park's meters over the wire: the year's first days are read as a gateway reads meters.
//!
//! ```text
//! data ──> simulated device ──TCP on loopback──> poller ──> guard ──> journal (wire.sqlite) ──> register of the reading
//! ```
//!
//! Electricity is read by DL/T 645, heat, cold, hot water and gas by CJ/T 188, generation by Modbus TCP: with the pollers,
//! decoders, guards and the journal of `utilidor gateway`, whose commands read what is left behind (`wire.toml`). Water's collectors
//! publish over MQTT where this machine has a broker (`broker`); where it has none, water is read like heat.
//!
//! *display* what a device shows: its register in its own steps (10 Wh, 10 l), starting again where its digits end. What stands on
//! the ledger goes on by what has passed on the display; its digits below a step are the data's, so that energy and money are those
//! of a run from the files, to the last joule. *fault* what goes wrong on command, in the hours before readings are taken after all:
//! what a reading says never depends on it.
//!
//! The journal is what a run goes on from that was interrupted: what stands in it is not read again.

mod broker;
mod device;
mod story;

pub use broker::BROKER_FILE;
pub use story::{ByProtocol, Kind, Met, Story};

use crate::data::{hour_begin, year_begin};
use crate::meters::{HAS_GAP, IS_EXCHANGED, ParkMeter, tenant_meter};
use broker::{Broker, Collected};
use device::{MQTT, Wired, bus, configuration};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use story::FAULTS;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::config::{BusProtocol, Config, ConfigError};
use utilidor_gateway::journal::{Filter, Journal, JournalError};
use utilidor_gateway::kept::{Shared, begin_stretch};
use utilidor_gateway::poller::{Poller, Turn};
use utilidor_gateway::run::line_to;
use utilidor_gateway::simulate::{Fault, Simulator};
use utilidor_gateway::writer::Writer;
use utilidor_types::{Carrier, MeterId, time::HOUR_MS};

/// The gateway's configuration in the data folder.
pub const CONFIG_FILE: &str = "wire.toml";
/// Its journal.
pub const JOURNAL_FILE: &str = "wire.sqlite";
/// Under which what was met is remembered in the journal.
const MET_KEY: &str = "demonstration met";
/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// How often an hour's meters are asked until each has answered.
const TRIES: usize = 6;
/// The hour of the day of the first fault; the others follow, one an hour. By then the sun shines.
const FIRST_FAULT_HOUR: usize = 10;
/// Most events of the journal that are looked through for an alarm.
const EVENTS: usize = 200;

/// Why the wire gives no readings.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The journal cannot be used.
    #[error("the gateway's journal cannot be used")]
    Journal(#[from] JournalError),
    /// The configuration that was made is not one.
    #[error("the configuration of the park's gateway is not one")]
    Config(#[from] ConfigError),
    /// A file or a port cannot be used.
    #[error("{what} cannot be used")]
    Io {
        /// What.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A meter gave no reading that can be taken.
    #[error(
        "{meter} gave no reading for {at} in {TRIES} rounds, at last: {last}; --wire-days 0 takes all from the files"
    )]
    NoReading {
        /// Its label.
        meter: String,
        /// The time of the reading.
        at: String,
        /// What became of its last turn.
        last: String,
    },
}

/// The park's meters behind their buses, and the gateway that reads them.
pub struct Wire {
    days: usize,
    faults: bool,
    meters: Vec<Wired>,
    simulator: Simulator,
    clock: SetClock,
    shared: Shared,
    pollers: Vec<Poller>,
    /// Water's collectors, where there is a broker.
    collected: Option<Collected>,
    /// What displays showed, by meter and time.
    displays: BTreeMap<(MeterId, u64), u64>,
    /// Registers on the ledger, by meter and hour.
    registers: BTreeMap<(MeterId, usize), u64>,
    met: Vec<Met>,
    /// The buses; they go with it.
    _serving: JoinSet<()>,
    journal: std::thread::JoinHandle<()>,
}

impl Wire {
    /// Hangs the meters on buses on this machine and opens the gateway's journal in `folder`.
    pub async fn start(meters: Vec<ParkMeter>, days: usize, faults: bool, folder: &Path) -> Result<Self, WireError> {
        let used = |what: &Path| {
            let what = what.display().to_string();
            move |source| WireError::Io { what, source }
        };
        std::fs::create_dir_all(folder).map_err(used(folder))?;
        let broker = if days == 0 { None } else { Broker::start(folder).await };
        let meters: Vec<Wired> = meters.into_iter().map(|meter| Wired::new(meter, broker.is_some())).collect();
        let mut listeners = BTreeMap::new();
        for wired in meters.iter().filter(|wired| wired.protocol != MQTT) {
            if let std::collections::btree_map::Entry::Vacant(place) = listeners.entry(bus(&wired.meter)) {
                let listener = TcpListener::bind("127.0.0.1:0").await;
                place.insert((listener.map_err(used(Path::new("a port of this machine")))?, wired.protocol));
            }
        }
        let address = broker.as_ref().map(|broker| broker.address.as_str());
        let text = configuration(&meters, &listeners, address).map_err(used(Path::new("a port of this machine")))?;
        let path: PathBuf = folder.join(CONFIG_FILE);
        std::fs::write(&path, &text).map_err(used(&path))?;
        let config = Config::read(&text, folder)?;

        let journal = Journal::open(&config.site.journal)?;
        let entries = journal.entries(&Filter::default(), usize::MAX)?;
        let displays =
            entries.into_iter().map(|entry| ((entry.reading.meter, entry.reading.time_ms), entry.reading.register));
        let displays = displays.collect();
        let met: Vec<Met> =
            journal.belonging(MET_KEY)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let clock = SetClock::at(year_begin().0);
        let (writer, journal) = Writer::start(journal);
        let watch = Watch::new(Arc::new(clock.clone()));
        begin_stretch(&watch, &writer).await?;
        let registrations = meters.iter().map(|wired| (wired.meter.id, wired.registration(year_begin().0)));
        let registrations = Arc::new(std::sync::RwLock::new(registrations.collect()));
        let shared = Shared { watch, writer, registrations, interval_ms: HOUR_MS, metrics: Arc::default() };

        let simulator = Simulator::new(&config, Arc::new(clock.clone()), 0, 0);
        let mut serving = JoinSet::new();
        let mut pollers = Vec::new();
        let mut told = Vec::new();
        for bus in &config.buses {
            let polled = config.meters_of(&bus.name).cloned().collect();
            if bus.protocol == BusProtocol::Mqtt {
                told.push((bus.clone(), polled));
                continue;
            }
            let (listener, _) = listeners.remove(&bus.name).expect("each bus has its listener");
            let (simulator, served) = (simulator.clone(), bus.clone());
            serving.spawn(async move {
                // Without listener the bus's meters are silent, and whoever reads them says so.
                let _ = simulator.serve(&served, listener).await;
            });
            pollers.push(Poller::new(bus.clone(), polled, line_to(bus), shared.clone()));
        }
        let collected = match broker {
            Some(broker) => {
                let started = Collected::start(broker, told, &shared).await;
                Some(started.map_err(used(Path::new("the broker")))?)
            }
            None => None,
        };
        // The devices that were put in place before are there still.
        let exchanged = met.iter().filter(|met| met.kind == Kind::Exchange && met.commanded);
        for met in exchanged {
            if let Some(wired) = meters.iter().find(|wired| wired.meter.label == met.meter) {
                simulator.exchange(wired.meter.id);
            }
        }
        let registers = BTreeMap::new();
        Ok(Self {
            days,
            faults,
            meters,
            simulator,
            clock,
            shared,
            pollers,
            collected,
            displays,
            registers,
            met,
            _serving: serving,
            journal,
        })
    }

    /// Lets go of the journal.
    pub async fn close(self) {
        let Self { shared, pollers, collected, journal, .. } = self;
        // Its thread ends with the last that could hand it something.
        drop((shared, pollers));
        if let Some(collected) = collected {
            collected.close().await;
        }
        let _ = journal.join();
    }

    /// The register that was read at the end of an hour.
    pub fn register(&self, meter: MeterId, hour: usize) -> Option<u64> {
        self.registers.get(&(meter, hour)).copied()
    }

    /// Reads the meters at the ends of a day's hours, if the day is one of the wire's.
    pub async fn read_day(&mut self, day: usize) -> Result<(), WireError> {
        if day < self.days {
            for hour in day * 24..day * 24 + 24 {
                self.read_hour(hour).await?;
            }
        }
        Ok(())
    }

    async fn read_hour(&mut self, hour: usize) -> Result<(), WireError> {
        let at = hour_begin(hour + 1).0;
        self.clock.advance_to(at);
        for place in 0..self.meters.len() {
            self.hang(place, hour);
        }
        let wanted: BTreeSet<MeterId> = self
            .meters
            .iter()
            .filter(|wired| !wired.meter.missing.contains(&hour))
            .map(|wired| wired.meter.id)
            .filter(|id| !self.displays.contains_key(&(*id, at)))
            .collect();
        if !wanted.is_empty() {
            self.command_fault(hour).await?;
            self.miss(hour).await?;
            self.read_all(wanted, hour).await?;
        }
        for wired in &mut self.meters {
            if let Some(display) = self.displays.get(&(wired.meter.id, at)) {
                let before = wired.last.0;
                let register = wired.complete(*display, hour);
                self.registers.insert((wired.meter.id, hour), register);
                // A register that has gone back is taken only as one that has started again.
                let (kind, code) = (Kind::DigitsEnd, "reading/rollover".to_owned());
                let met = Met { kind, commanded: false, meter: wired.meter.label.clone(), hour, code };
                if *display < before && !self.met.contains(&met) {
                    self.met.push(met);
                }
            }
        }
        Ok(())
    }

    /// Lets a device show what it does at the end of an hour; at the hour of an exchange, another one hangs there.
    fn hang(&mut self, place: usize, hour: usize) {
        let wired = &mut self.meters[place];
        let id = wired.meter.id;
        if !wired.is_exchanged && wired.meter.exchanged.is_some_and(|exchanged| hour >= exchanged) {
            debug_assert_eq!(wired.meter.label, tenant_meter(IS_EXCHANGED, Carrier::Electricity), "one is exchanged");
            wired.is_exchanged = true;
            wired.last = (0, 0);
            self.simulator.exchange(id);
            let known = wired.registration(hour_begin(hour).0);
            self.shared.registrations.write().expect("no holder of this lock panics").insert(id, known);
        }
        self.simulator.set(id, wired.meter.register_at_end(hour) + wired.ahead);
    }

    /// Asks until each has answered. What is right is taken in the end, whatever was in its way.
    async fn read_all(&mut self, mut wanted: BTreeSet<MeterId>, hour: usize) -> Result<(), WireError> {
        let at = hour_begin(hour + 1).0;
        let mut last = None;
        for _ in 0..TRIES {
            for (meter, turn) in self.poll(&wanted).await? {
                match turn {
                    Turn::Recorded { register, .. } => {
                        self.displays.insert((meter, at), register);
                        wanted.remove(&meter);
                    }
                    // Whoever exchanged the device says so.
                    Turn::Stopped(_) => {
                        self.shared.writer.call(move |journal| journal.accept(meter)).await?;
                        last = Some(turn);
                    }
                    Turn::Held(_) | Turn::Failed(_) => last = Some(turn),
                }
            }
            if wanted.is_empty() {
                return Ok(());
            }
        }
        let meter = self.meters.iter().find(|wired| wanted.contains(&wired.meter.id));
        let meter = meter.map_or(String::new(), |wired| wired.meter.label.clone());
        let last = last.as_ref().map_or("nothing", code).into();
        Err(WireError::NoReading { meter, at: hour_begin(hour + 1).to_rfc3339(), last })
    }

    /// Reads those of the meters once that are wanted, all buses at the same time.
    async fn poll(&mut self, wanted: &BTreeSet<MeterId>) -> Result<Vec<(MeterId, Turn)>, WireError> {
        let is_told = |wired: &&Wired| wired.protocol == MQTT && wanted.contains(&wired.meter.id);
        let published: BTreeSet<MeterId> = self.meters.iter().filter(is_told).map(|wired| wired.meter.id).collect();
        let wanted = Arc::new(wanted.clone());
        let mut tasks = JoinSet::new();
        for mut poller in std::mem::take(&mut self.pollers) {
            let wanted = wanted.clone();
            tasks.spawn(async move {
                let turns = poller.round_of(|meter| wanted.contains(&meter)).await;
                (poller, turns)
            });
        }
        let mut all = Vec::with_capacity(wanted.len());
        // What is published comes while the others are asked.
        if let Some(collected) = self.collected.as_mut().filter(|_| !published.is_empty()) {
            let turns = collected.publish(&self.meters, &published, &self.simulator).await;
            all.extend(turns.map_err(|source| WireError::Io { what: "the broker".into(), source })?);
        }
        while let Some(joined) = tasks.join_next().await {
            let (poller, turns) = joined.unwrap_or_else(|bug| std::panic::resume_unwind(bug.into_panic()));
            self.pollers.push(poller);
            all.extend(turns?);
        }
        Ok(all)
    }

    /// Lets the next fault happen that is commanded for this hour of the day, unless it has.
    async fn command_fault(&mut self, hour: usize) -> Result<(), WireError> {
        let place = (hour % 24).checked_sub(FIRST_FAULT_HOUR).filter(|place| self.faults && *place < FAULTS.len());
        let Some((kind, label)) = place.map(|place| FAULTS[place]) else { return Ok(()) };
        if self.met.iter().any(|met| met.commanded && met.kind == kind) {
            return Ok(());
        }
        let place = self.meters.iter().position(|wired| wired.meter.label == label);
        let place = place.expect("faults are of the park's meters");
        let id = self.meters[place].meter.id;
        match kind {
            Kind::Silence => self.simulator.set_fault(id, Some(Fault::Silent)),
            Kind::LateAnswer => self.simulator.set_fault(id, Some(Fault::Late(2 * TIMEOUT))),
            Kind::SwappedWords => self.simulator.set_fault(id, Some(Fault::SwappedWords)),
            Kind::Exchange => self.simulator.exchange(id),
            Kind::Rollover => self.simulator.rollover(id),
            Kind::DigitsEnd | Kind::Gap => unreachable!("these are the year's own"),
        }
        let mut turns = self.poll(&BTreeSet::from([id])).await?;
        if matches!(turns[..], [(_, Turn::Held(_))]) && kind == Kind::Exchange {
            // A register that went back makes the gateway ask who answers.
            turns = self.poll(&BTreeSet::from([id])).await?;
        }
        let code = turns.pop().map_or("", |(_, turn)| code(&turn)).to_owned();
        self.simulator.set_fault(id, None);
        // Whoever put another device there set it to where the old one stood.
        self.hang(place, hour);
        self.met.push(Met { kind, commanded: true, meter: label.into(), hour, code });
        self.remember().await
    }

    /// Asks the meters whose readings of the hour do not come.
    async fn miss(&mut self, hour: usize) -> Result<(), WireError> {
        let silent = self.meters.iter().filter(|wired| wired.meter.missing.contains(&hour));
        let silent: Vec<(MeterId, String)> = silent.map(|wired| (wired.meter.id, wired.meter.label.clone())).collect();
        for (id, label) in silent {
            debug_assert_eq!(label, tenant_meter(HAS_GAP, Carrier::Electricity), "one has a gap");
            self.simulator.set_fault(id, Some(Fault::Silent));
            let turns = self.poll(&BTreeSet::from([id])).await?;
            self.simulator.set_fault(id, None);
            let events = self.shared.writer.call(|journal| journal.events(EVENTS)).await?;
            let is_told = events.iter().any(|event| event.meter == Some(id) && event.code == "meter/silent");
            let code = if is_told { "meter/silent" } else { turns.first().map_or("", |(_, turn)| code(turn)) };
            self.met.retain(|met| (met.kind, &met.meter) != (Kind::Gap, &label));
            let code = code.to_owned();
            self.met.push(Met { kind: Kind::Gap, commanded: false, meter: label, hour, code });
            self.remember().await?;
        }
        Ok(())
    }

    /// Remembers what was met, for a run that goes on from here.
    async fn remember(&self) -> Result<(), WireError> {
        let text = serde_json::to_string(&self.met).expect("what was met is plain data");
        self.shared.writer.call(move |journal| journal.remember(MET_KEY, &text)).await?;
        Ok(())
    }

    /// What came over the wire, of so many readings in all.
    pub fn story(&self, days: usize, readings: u64) -> Story {
        let mut protocols: BTreeMap<&str, ByProtocol> = BTreeMap::new();
        for wired in &self.meters {
            let range = (wired.meter.id, 0)..=(wired.meter.id, usize::MAX);
            let protocol = wired.protocol.to_owned();
            let by = protocols.entry(wired.protocol).or_insert(ByProtocol { protocol, meters: 0, readings: 0 });
            by.meters += 1;
            by.readings += self.registers.range(range).count() as u64;
        }
        let protocols: Vec<ByProtocol> = protocols.into_values().collect();
        let over: u64 = protocols.iter().map(|by| by.readings).sum();
        let mut met: Vec<Met> = self.met.iter().filter(|met| met.hour < days * 24).cloned().collect();
        met.sort_by(|a, b| (a.hour, a.kind, &a.meter).cmp(&(b.hour, b.kind, &b.meter)));
        let from_files = readings.saturating_sub(over);
        let broker = self.collected.is_some();
        Story { days: self.days.min(days), protocols, from_files, broker, commanded: self.faults, met }
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("days", &self.days).field("read", &self.registers.len()).finish_non_exhaustive()
    }
}

/// What a turn comes to, in the gateway's code.
const fn code(turn: &Turn) -> &'static str {
    match turn {
        Turn::Recorded { .. } => "taken",
        Turn::Held(doubt) => doubt.code(),
        Turn::Failed(code) => *code,
        Turn::Stopped(_) => "meter/device-changed",
    }
}

#[cfg(test)]
mod tests;
