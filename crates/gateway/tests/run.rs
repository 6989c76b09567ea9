//! The gateway as a whole, without uplink: it reads all the same, and stops with the journal in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use utilidor_gateway::clock::SetClock;
use utilidor_gateway::config::Config;
use utilidor_gateway::journal::{Batch, Journal, NewBatch, Waiting};
use utilidor_gateway::run::{GatewayClock, run};
use utilidor_gateway::simulate::Simulator;
use utilidor_gateway::uplink::{Answer, ChainNow, LedgerMeter, Uplink, UplinkError};
use utilidor_types::MeterId;

const BEGIN: u64 = 1_800_000_000_000;
const INTERVAL: u64 = 900_000;
/// How long the test waits for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that never answers.
struct Down;

impl Uplink for Down {
    async fn chain(&self) -> Result<ChainNow, UplinkError> {
        Err(UplinkError::Down)
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

#[tokio::test(flavor = "multi_thread")]
async fn without_uplink_every_interval_is_read_and_a_new_start_goes_on_in_the_same_journal() {
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
        let gateway = tokio::spawn(run(config.clone(), journal, Down, GatewayClock::Chain(clock.clone()), stopping));
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
    let codes: Vec<_> = journal.events(10).unwrap().into_iter().map(|event| event.code).collect();
    assert_eq!(codes, ["uplink/down", "uplink/down"], "once for each start");
}
