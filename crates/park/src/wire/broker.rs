//! Water by MQTT, where this machine has a broker: mosquitto is started for the demonstration alone, water's collectors publish to it, and
//! the gateway's subscriber takes their messages.

use super::device::{Wired, document};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use utilidor_gateway::config::{Bus, Meter};
use utilidor_gateway::journal::JournalError;
use utilidor_gateway::kept::Shared;
use utilidor_gateway::mqtt::{Heard, Subscriber};
use utilidor_gateway::poller::Turn;
use utilidor_gateway::reason::Sentence;
use utilidor_gateway::simulate::Simulator;
use utilidor_gateway::simulate::collector::Collector;
use utilidor_gateway::told::Taken;
use utilidor_types::MeterId;

/// The broker's configuration in the data folder.
pub const BROKER_FILE: &str = "wire.mosquitto.conf";
/// The broker's program.
const PROGRAM: &str = "mosquitto";
/// Where it is beside the folders of `PATH`: programs that serve are not everybody's there.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"];
/// How long it may take until it listens, and until a message has come through it.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether it listens.
const LOOK: Duration = Duration::from_millis(20);
/// Runs the broker until standard input ends: it goes with the demonstration, however that ends.
const KEEPER: &str = "\"$1\" -c \"$2\" </dev/null & broker=$!; read -r end; kill $broker; wait $broker";

/// A broker of the demonstration's own.
#[derive(Debug)]
pub(super) struct Broker {
    keeper: Child,
    /// Where it listens.
    pub(super) address: String,
}

impl Broker {
    /// Starts one, if its program is on this machine and comes up.
    pub(super) async fn start(folder: &Path) -> Option<Self> {
        let program = program()?;
        let file = folder.join(BROKER_FILE);
        // Whichever port is free now; should another program take it first, there is no broker.
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_dest none\n");
        std::fs::write(&file, text).ok()?;
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).args([program.as_os_str(), file.as_os_str()]);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // An interrupt at the terminal is the demonstration's: it stops the broker itself.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut keeper, 0);
        let broker = Self { keeper: keeper.spawn().ok()?, address: format!("127.0.0.1:{port}") };
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if tokio::net::TcpStream::connect(&broker.address).await.is_ok() {
                return Some(broker);
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Its keeper sees the end of this, stops the broker that it has started, and ends.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(PROGRAM)).find(|program| program.is_file())
}

/// Water's collectors, the broker between them and the gateway, and what the gateway hears.
pub(super) struct Collected {
    collector: Collector,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// The gateway's sides of the buses.
    subscribers: JoinSet<JournalError>,
    /// It goes last.
    _broker: Broker,
}

impl Collected {
    /// Connects both sides to a broker; what is published from now on is heard.
    pub(super) async fn start(broker: Broker, buses: Vec<(Bus, Vec<Meter>)>, shared: &Shared) -> io::Result<Self> {
        let (listener, mut heard) = mpsc::unbounded_channel();
        let mut subscribers = JoinSet::new();
        for (bus, meters) in &buses {
            let subscriber = Subscriber::new(bus.clone(), meters.clone(), shared.clone());
            subscribers.spawn(subscriber.heard_by(listener.clone()).run());
        }
        let collector = Collector::connect(&broker.address, "utilidor-park-collectors").await?;
        for _ in &buses {
            match tokio::time::timeout(PATIENCE, heard.recv()).await {
                Ok(Some(Heard::Subscribed)) => {}
                _ => return Err(io::Error::other("the broker does not take the gateway's subscriptions")),
            }
        }
        Ok(Self { collector, heard, subscribers, _broker: broker })
    }

    /// Lets the collectors of `wanted` publish what their displays show at a time, and says what became of each message.
    pub(super) async fn publish(
        &mut self,
        meters: &[Wired],
        wanted: &BTreeSet<MeterId>,
        simulator: &Simulator,
    ) -> io::Result<Vec<(MeterId, Turn)>> {
        let time_ms = simulator.now_ms();
        let mut published = BTreeMap::new();
        for wired in meters.iter().filter(|wired| wanted.contains(&wired.meter.id)) {
            let display = simulator.shows(wired.meter.id).unwrap_or_default() % wired.width;
            let steps = display / wired.step;
            self.collector.publish(&wired.topic(), &document(steps, time_ms)).await?;
            published.insert(wired.meter.id, steps * wired.step);
        }
        let mut turns = Vec::with_capacity(published.len());
        while !published.is_empty() {
            match tokio::time::timeout(PATIENCE, self.heard.recv()).await {
                Ok(Some(Heard::Message(meter, taken))) => {
                    // A message that the broker brings again is of a meter that has had its turn.
                    if let Some(register) = published.remove(&meter) {
                        turns.push((meter, turn(taken, time_ms, register)));
                    }
                }
                Ok(Some(Heard::Subscribed)) => {}
                Ok(None) | Err(_) => {
                    turns.extend(published.keys().map(|meter| (*meter, Turn::Failed("line/silent"))));
                    break;
                }
            }
        }
        Ok(turns)
    }

    /// Ends both sides, so that none of them holds the journal any more.
    pub(super) async fn close(mut self) {
        self.subscribers.shutdown().await;
    }
}

/// What a message came to, as a turn of a meter that is asked; it said `register` at `time_ms`.
fn turn(taken: Taken, time_ms: u64, register: u64) -> Turn {
    match taken {
        // Where it was heard too late the last time, it stands in the journal since.
        Taken::Recorded { .. } | Taken::Known => Turn::Recorded { time_ms, register },
        Taken::Doubted(doubt) | Taken::Held(doubt) => Turn::Held(doubt),
        Taken::Refused(code) => Turn::Failed(code),
        Taken::Early => Turn::Failed("reading/early"),
        Taken::LeftOut => Turn::Failed("reading/left-out"),
        Taken::Retained => Turn::Failed("message/retained"),
        Taken::Stopped => {
            Turn::Stopped(Sentence { en: "nobody has looked at it since".into(), zh: "此后无人查看".into() })
        }
        Taken::Strange => Turn::Failed("message/strange"),
    }
}
