//! What a meter gateway costs: devices of DL/T 645 on lines in memory, read by the gateway's own pollers, journalled on the
//! disk, signed into transactions, and answered for by a ledger that takes everything. Devices and gateway run in one process on one
//! processor: what is measured is more than a gateway alone would need.

use crate::measure::{Stopwatch, peak_mib, reset_peak};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::config::Config;
use utilidor_gateway::journal::{Batch, Journal, NewBatch, Waiting};
use utilidor_gateway::kept::{Registration, Shared, begin_stretch};
use utilidor_gateway::line::{Line, Patience};
use utilidor_gateway::poller::{Poller, Turn};
use utilidor_gateway::sender::{Sender, Step};
use utilidor_gateway::simulate::Simulator;
use utilidor_gateway::uplink::{Answer, ChainNow, LedgerMeter, Uplink, UplinkError};
use utilidor_gateway::writer::Writer;
use utilidor_sdk::Signer;
use utilidor_sdk::core::readings::gateway_run;
use utilidor_types::{Action, ChainId, MeterId, PrivateKey, Quantity, Reading, Timestamp};

/// Meters of one line.
const METERS_OF_BUS: u64 = 100;
/// Meters of one file of the configuration's folder: reading takes as much memory as one file does.
const METERS_OF_FILE: u64 = 10_000;
/// How often they are read.
const INTERVAL: Duration = Duration::from_secs(900);
const BEGIN_MS: u64 = 1_800_000_000_000;
const KWH: u64 = 3_600_000;

/// What a gateway took.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatewayFigure {
    /// Meters.
    pub meters: u64,
    /// Lines.
    pub buses: u64,
    /// Rounds that count: every meter read, journalled, sent and answered for.
    pub rounds: u32,
    /// Readings certified in them.
    pub certified: u64,
    /// Seconds that a round takes.
    pub seconds: f64,
    /// Processor time in microseconds for each reading, the devices' own included.
    pub cpu_us: f64,
    /// Percent of one processor that is idle where every meter is read each quarter of an hour.
    pub idle_percent: f64,
    /// Most memory that the process had until all meters were known, in MiB, reading the configuration included. 0 where the system
    /// does not tell.
    pub start_mib: u64,
    /// Most memory that it had in the rounds that count.
    pub peak_mib: u64,
    /// Bytes of the journal for each reading.
    pub journal_bytes: f64,
}

/// A ledger that certifies everything; transactions are signed as for a real one.
#[derive(Clone)]
struct Taking {
    signer: Signer,
    nonce: Arc<AtomicU64>,
    certified: Arc<AtomicU64>,
    clock: SetClock,
}

impl Uplink for Taking {
    async fn chain(&self) -> Result<ChainNow, UplinkError> {
        use utilidor_gateway::clock::Clock as _;
        Ok(ChainNow { time_ms: self.clock.now_ms(), height: 1 })
    }

    async fn is_development(&self) -> Result<bool, UplinkError> {
        Ok(true)
    }

    async fn sign(&self, readings: &[Waiting]) -> Result<NewBatch, UplinkError> {
        let runs = readings.chunk_by(|a, b| a.meter == b.meter).map(|run| {
            let readings =
                run.iter().map(|it| Reading { time: Timestamp(it.time_ms), register: Quantity(it.register) });
            gateway_run(run[0].meter, readings.collect()).expect("a round's readings of a meter are few")
        });
        let runs = runs.collect::<Vec<_>>().try_into().expect("a batch is no longer than a transaction may be");
        let nonce = self.nonce.fetch_add(1, Ordering::Relaxed);
        let signed = self.signer.sign(&self.signer.transaction(Action::RecordReadings { runs }, nonce, 100));
        self.certified.fetch_add(readings.len() as u64, Ordering::Relaxed);
        Ok(NewBatch { hash: signed.hash().0.to_vec(), bytes: signed.bytes().to_vec(), expires: 100 })
    }

    async fn submit(&self, _: &Batch) -> Result<Answer, UplinkError> {
        Ok(Answer::Final { height: 1, refused: Vec::new() })
    }

    async fn meters(&self, _: &[MeterId]) -> Result<BTreeMap<MeterId, LedgerMeter>, UplinkError> {
        Ok(BTreeMap::new())
    }

    async fn certified(&self, _: MeterId, _: u64) -> Result<Option<u64>, UplinkError> {
        Ok(None)
    }
}

fn id(number: u64) -> MeterId {
    let mut id = [1; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    MeterId(id)
}

/// Writes the configuration of a site with so many meters, and their folder.
fn write_site(meters: u64, folder: &Path) -> io::Result<PathBuf> {
    let path = folder.join("gateway.toml");
    std::fs::write(&path, "[site]\nkey = \"gateway\"\nmeters = \"meters.d\"\n")?;
    let files = folder.join("meters.d");
    std::fs::create_dir(&files)?;
    for file in 0..meters.div_ceil(METERS_OF_FILE) {
        let mut text = String::new();
        for meter in file * METERS_OF_FILE..meters.min((file + 1) * METERS_OF_FILE) {
            let bus = meter / METERS_OF_BUS;
            if meter % METERS_OF_BUS == 0 {
                let _ = write!(
                    text,
                    "[[bus]]\nname = \"b{bus}\"\nprotocol = \"dlt645\"\naddress = \"bus-{bus}:1\"\ntimeout = \"60s\"\n"
                );
            }
            let _ = write!(
                text,
                "[[meter]]\nid = \"{}\"\nbus = \"b{bus}\"\nunit = \"{meter}\"\ncarrier = \"electricity\"\nprofile = \"dlt645-2007\"\n",
                id(meter)
            );
        }
        std::fs::write(files.join(format!("{file:04}.toml")), text)?;
    }
    Ok(path)
}

/// Reads `meters` simulated meters in so many rounds, after one that does not count.
pub async fn measure(
    meters: u64,
    rounds: u32,
    folder: &Path,
    mut progress: impl FnMut(&str),
) -> io::Result<GatewayFigure> {
    progress("making the site");
    let folder = tempfile::tempdir_in(folder)?;
    let config = Config::load(&write_site(meters, folder.path())?).map_err(io::Error::other)?;
    let clock = SetClock::at(BEGIN_MS);
    let simulator = Simulator::new(&config, Arc::new(clock.clone()), 1_000 * KWH, 10 * KWH);
    let path = folder.path().join("journal.sqlite");
    let (writer, thread) = Writer::start(Journal::open(&path).map_err(io::Error::other)?);
    let watch = Watch::new(Arc::new(clock.clone()));
    begin_stretch(&watch, &writer).await.map_err(io::Error::other)?;
    let known = Registration {
        modulus: 1_000_000 * KWH,
        capacity_per_hour: 100 * KWH,
        last_ms: BEGIN_MS,
        register: 1_000 * KWH,
        devices: 1,
        key: None,
    };
    let shared = Shared {
        watch,
        writer: writer.clone(),
        registrations: Default::default(),
        interval_ms: INTERVAL.as_millis() as u64,
        metrics: Default::default(),
    };
    shared.registrations.write().expect("nobody else holds it").extend((0..meters).map(|number| (id(number), known)));
    let mut by_bus = Config::meters_by_bus(config.meters);
    let patience = Patience { timeout: Duration::from_secs(60), pause: Duration::ZERO, echo: false };
    let mut pollers: Vec<_> = config
        .buses
        .iter()
        .map(|bus| {
            let meters = by_bus.remove(&bus.name).unwrap_or_default();
            Poller::new(bus.clone(), meters, Line::new(simulator.dial(bus), patience), shared.clone())
        })
        .collect();
    let signer = Signer::new(ChainId([1; 16]), PrivateKey::ed25519([7; 32]));
    let ledger = Taking { signer, nonce: Arc::default(), certified: Arc::default(), clock: clock.clone() };
    let mut sender = Sender::new(ledger.clone(), shared);

    let start_mib = peak_mib().unwrap_or_default();
    let mut stopwatch = Stopwatch::start();
    let mut before = 0;
    for round in 0..=rounds {
        if round == 1 {
            // The first round asks each device for its number and looks twice.
            (stopwatch, before) = (Stopwatch::start(), ledger.certified.load(Ordering::Relaxed));
            reset_peak();
        }
        progress(&format!("round {round} of {rounds}"));
        clock.advance_to(BEGIN_MS + u64::from(round + 1) * INTERVAL.as_millis() as u64);
        for turns in futures::future::join_all(pollers.iter_mut().map(|poller| poller.round())).await {
            let turns = turns.map_err(io::Error::other)?;
            if let Some((meter, turn)) = turns.iter().find(|(_, turn)| !matches!(turn, Turn::Recorded { .. })) {
                return Err(io::Error::other(format!("meter {meter} was not read: {turn:?}")));
            }
        }
        while sender.step().await.map_err(io::Error::other)? != Step::Idle {}
    }
    let took = stopwatch.read();
    let certified = ledger.certified.load(Ordering::Relaxed) - before;
    let journal = std::fs::metadata(&path)?.len();
    drop((sender, pollers, writer));
    let _ = thread.join();
    let cpu_round = took.cpu / f64::from(rounds.max(1));
    Ok(GatewayFigure {
        meters,
        buses: config.buses.len() as u64,
        rounds,
        certified,
        seconds: took.wall / f64::from(rounds.max(1)),
        cpu_us: took.cpu * 1e6 / certified.max(1) as f64,
        idle_percent: 100.0 * (1.0 - cpu_round / INTERVAL.as_secs_f64()),
        start_mib,
        peak_mib: peak_mib().unwrap_or_default(),
        journal_bytes: journal as f64 / (meters * u64::from(rounds + 1)).max(1) as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_meter_is_read_and_certified_in_every_round() {
        let folder = tempfile::tempdir().unwrap();
        let figure = measure(250, 2, folder.path(), |_| {}).await.unwrap();
        assert_eq!((figure.meters, figure.buses, figure.certified), (250, 3, 500));
        assert!(figure.cpu_us > 0.0 && figure.journal_bytes > 0.0, "{figure:?}");
    }
}
