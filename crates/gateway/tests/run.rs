//! The gateway as a whole, without uplink: it reads all the same, and stops with the journal in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use utilidor_gateway::clock::SetClock;
use utilidor_gateway::config::Config;
use utilidor_gateway::journal::{Batch, ClockState, Journal, JournalReading, NewBatch, Waiting};
use utilidor_gateway::protocol::ocpp::Version;
use utilidor_gateway::run::{GatewayClock, RunError, run};
use utilidor_gateway::simulate::Simulator;
use utilidor_gateway::simulate::station::{Showing, Station};
use utilidor_gateway::uplink::{Answer, ChainNow, LedgerMeter, Uplink, UplinkError};
use utilidor_types::MeterId;

const BEGIN: u64 = 1_800_000_000_000;
const INTERVAL: u64 = 900_000;
/// How long the test waits for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that never answers, or whose answers this program does not bear.
enum Node {
    Down,
    Broken,
}

impl Uplink for Node {
    async fn chain(&self) -> Result<ChainNow, UplinkError> {
        match self {
            Self::Down => Err(UplinkError::Down),
            Self::Broken => panic!("the test wants it so"),
        }
    }
    async fn sign(&self, _: &[Waiting]) -> Result<NewBatch, UplinkError> {
        Err(UplinkError::Down)
    }
    async fn submit(&self, _: &Batch) -> Result<Answer, UplinkError> {
        Err(UplinkError::Down)
    }
    async fn meters(&self, _: &[MeterId]) -> Result<BTreeMap<MeterId, LedgerMeter>, UplinkError> {
        Err(UplinkError::Down)
    }
    async fn certified(&self, _: MeterId, _: u64) -> Result<Option<u64>, UplinkError> {
        Err(UplinkError::Down)
    }
}

#[tokio::test]
async fn a_gateway_with_a_station_connected_ends_when_it_is_told_to_and_when_its_journal_fails() {
    for fails in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        let text = format!(
            "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"ocpp\"\naddress = \"{address}\"\ntokens = \"any\"\n[[meter]]\n\
             id = \"{}\"\nbus = \"b\"\nunit = \"CP-1/1\"\nprofile = \"ocpp\"\n",
            MeterId([1; 16])
        );
        let config = Config::read(&text, folder.path()).unwrap();
        let mut journal = Journal::open(&config.site.journal).unwrap();
        if fails {
            // SQLite's own bound on pages stands for the disk's.
            journal.limit_pages(40).unwrap();
        }
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopping = async {
            let _ = stopped.await;
        };
        let clock = GatewayClock::Chain(SetClock::at(BEGIN));
        let gateway = tokio::spawn(run(config, journal, Node::Down, clock, stopping));
        let mut station = Station::new("CP-1", Version::V16, &address, None, None).unwrap();
        let online = async {
            while station.online().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, online).await.expect("it listens");
        if fails {
            let writes = async {
                let mut minute = 0;
                let shows = |minute| Showing {
                    connector: 1,
                    time_ms: BEGIN - 86_400_000 + minute * 60_000,
                    watt_hours: minute,
                };
                while station.value(shows(minute)).await.is_ok() {
                    minute += 1;
                }
            };
            tokio::time::timeout(PATIENCE, writes).await.expect("the disk is full after a while");
        } else {
            stop.send(()).unwrap();
        }
        let ended = tokio::time::timeout(PATIENCE, gateway).await.expect("it ends though the station stays").unwrap();
        assert_eq!(matches!(&ended, Err(RunError::Journal(error)) if error.is_disk_full()), fails, "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_uplink_every_interval_is_read_and_a_new_start_goes_on_in_the_same_journal() {
    assert_eq!(every_interval_is_read(|| Node::Down).await, ["uplink/down"], "a new start knows it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_what_sends_ends_no_poller() {
    assert_eq!(every_interval_is_read(|| Node::Broken).await, ["uplink/fault"], "a new start knows it");
}

/// Reads six intervals in two starts; what the operator was told meanwhile.
async fn every_interval_is_read<U: Uplink>(uplink: impl Fn() -> U) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!(
        "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"cjt188\"\naddress = \"{}\"\ntimeout = \"60s\"\n[[meter]]\nid = \
         \"{}\"\nbus = \"b\"\nunit = \"7\"\nprofile = \"cjt188\"\ncarrier = \"gas\"\n",
        listener.local_addr().unwrap(),
        MeterId([1; 16])
    );
    let config = Config::read(&text, folder.path()).unwrap();
    let clock = SetClock::at(BEGIN);
    let simulator = Simulator::new(&config, Arc::new(clock.clone()), 5_000_000, 1_000_000);
    let bus = config.buses[0].clone();
    tokio::spawn(async move { simulator.serve(&bus, listener).await });

    let mut quarters = 0;
    for _ in 0..2 {
        let journal = Journal::open(&config.site.journal).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let stopping = async {
            let _ = stopped.await;
        };
        let gateway =
            tokio::spawn(run(config.clone(), journal, uplink(), GatewayClock::Chain(clock.clone()), stopping));
        for _ in 0..3 {
            quarters += 1;
            tokio::time::timeout(PATIENCE, clock.awaited()).await.expect("the poller waits for the next interval");
            // Later than the begin of a round by any bus's offset.
            clock.advance_to(BEGIN + quarters * INTERVAL + INTERVAL / 2);
            let in_journal = async {
                while Journal::look(&config.site.journal).unwrap().counts().unwrap().read < quarters {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(PATIENCE, in_journal).await.expect("the interval is read");
        }
        stop.send(()).unwrap();
        gateway.await.unwrap().unwrap();
    }
    let journal = Journal::look(&config.site.journal).unwrap();
    assert_eq!(journal.counts().unwrap().read, 6);
    journal.events(10).unwrap().into_iter().map(|event| event.code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_stops_at_a_damaged_page_before_anything_is_signed() {
    /// A node that is there; nothing may come to it.
    struct There;
    impl Uplink for There {
        async fn chain(&self) -> Result<ChainNow, UplinkError> {
            Ok(ChainNow { height: 1, time_ms: BEGIN })
        }
        async fn is_development(&self) -> Result<bool, UplinkError> {
            Ok(true)
        }
        async fn sign(&self, _: &[Waiting]) -> Result<NewBatch, UplinkError> {
            panic!("nothing is signed from a damaged journal")
        }
        async fn submit(&self, _: &Batch) -> Result<Answer, UplinkError> {
            panic!("nothing is sent from a damaged journal")
        }
        async fn meters(&self, _: &[MeterId]) -> Result<BTreeMap<MeterId, LedgerMeter>, UplinkError> {
            Ok(BTreeMap::new())
        }
        async fn certified(&self, _: MeterId, _: u64) -> Result<Option<u64>, UplinkError> {
            Ok(None)
        }
    }
    const PAGE: usize = 4_096;
    let folder = tempfile::tempdir().unwrap();
    let config = Config::read("[site]\nkey = \"g\"\n", folder.path()).unwrap();
    let mut journal = Journal::open(&config.site.journal).unwrap();
    let epoch = journal.begin_clock(BEGIN).unwrap();
    journal.judge_clock(epoch, ClockState::Trusted, 0).unwrap();
    let reading = |number: u64| JournalReading {
        meter: MeterId([1; 16]),
        time_ms: BEGIN - 10_000 + number,
        register: number,
        epoch,
        bus: "b".into(),
        protocol: "dlt645".into(),
        request: vec![1; 50],
        answer: vec![2; 50],
    };
    journal.record(&(0..2_000).map(reading).collect::<Vec<_>>()).unwrap();
    drop(journal);
    let mut bytes = std::fs::read(&config.site.journal).unwrap();
    let middle = bytes.len() / PAGE / 2 * PAGE;
    bytes[middle..middle + PAGE].fill(0);
    std::fs::write(&config.site.journal, bytes).unwrap();

    let journal = Journal::open(&config.site.journal).unwrap();
    let clock = GatewayClock::Chain(SetClock::at(BEGIN));
    let gateway = run(config, journal, There, clock, std::future::pending());
    let ended = tokio::time::timeout(PATIENCE, gateway).await.expect("it ends").unwrap_err();
    assert!(matches!(&ended, RunError::Journal(error) if error.is_damaged()), "{ended:?}");
}
