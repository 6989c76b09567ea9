//! Those meters of the week that the gateway's own pollers read from simulated devices, and those that tell by themselves over MQTT.

use crate::{BEGIN, Dice, MODULUS, QUARTER, STEP, registration};
use rumqttc::{Publish, QoS};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use utilidor_gateway::clock::SetClock;
use utilidor_gateway::config::{Config, Meter};
use utilidor_gateway::guard::Doubt;
use utilidor_gateway::journal::Waiting;
use utilidor_gateway::kept::{Registration, Shared};
use utilidor_gateway::line::{Line, Patience};
use utilidor_gateway::mqtt::{Subscriber, Taken};
use utilidor_gateway::poller::{Poller, Turn};
use utilidor_gateway::simulate::{Fault, Simulator};
use utilidor_types::MeterId;

const BUSES: u64 = 4;
/// How long a poller waits for an answer.
const TIMEOUT: Duration = Duration::from_millis(40);
/// Rounds in which nothing is told wrongly yet: a first register has none before it to be compared with, and one meter tells once a day.
const FIRST_ROUNDS: u64 = 2 * 96;
/// How many rounds lie between two messages of a meter: a quarter of an hour, an hour, a little more than three, a day.
const PERIODS: [u64; 4] = [1, 4, 13, 96];

/// Rounds in which the chain stands; in those after it its time passes twice as fast as the clock's, until it has caught up.
const STANDS: std::ops::Range<u64> = 450..454;
const CATCHES_UP: std::ops::Range<u64> = 454..457;
/// A round in which the gateway is killed: it starts while the chain stands.
pub const KILLED_MEANWHILE: u64 = 452;

/// How many rounds the chain is behind.
pub const fn behind(round: u64) -> u64 {
    if STANDS.start <= round && round < STANDS.end {
        round + 1 - STANDS.start
    } else if CATCHES_UP.start <= round && round < CATCHES_UP.end {
        CATCHES_UP.end - round
    } else {
        0
    }
}

/// What pollers and subscriber do in one life of the gateway.
pub struct Readers {
    pollers: Vec<Poller>,
    subscriber: Subscriber,
}

/// The devices, which outlive the gateway.
pub struct Live {
    config: Config,
    simulator: Simulator,
    /// The devices' own time.
    world: SetClock,
    polled: Vec<(MeterId, u64)>,
    told: Vec<(MeterId, u64)>,
    /// Messages that the next must confirm.
    doubted: BTreeMap<MeterId, Waiting>,
    /// Messages that stand in the journal until the gateway's clock has come to their time.
    early: Vec<Waiting>,
    /// How many were told rightly, and how many of these are in the journal.
    pub messages: u64,
    pub messages_kept: u64,
    /// How many readings pollers have taken.
    pub turns_recorded: u64,
}

fn meter_id(kind: u8, number: u64) -> MeterId {
    let mut id = [kind; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    MeterId(id)
}

/// Where a device's register stands first; one of each ten is about to start again.
const fn first_steps(number: u64) -> u64 {
    if number.is_multiple_of(10) { MODULUS - 500 } else { 1_000 + number * 31 }
}

const fn is_about_to_start_again(number: u64) -> bool {
    number.is_multiple_of(10)
}

impl Live {
    /// So many meters of each kind.
    pub fn new(count: u64) -> Self {
        let mut text = "[site]\nkey = \"g\"\n[[bus]]\nname = \"told\"\nprotocol = \"mqtt\"\naddress = \"127.0.0.1:1\"\n[[profile]]\nname = \
                        \"told\"\nprotocol = \"json\"\njson = { value = \"/v\", time = \"/t\", step = \"0.01kWh\" }\n"
            .to_string();
        for bus in 0..BUSES {
            text += &format!(
                "[[bus]]\nname = \"hall-{bus}\"\nprotocol = \"dlt645\"\naddress = \"127.0.0.1:{}\"\nretries = 0\n",
                bus + 2
            );
        }
        let (mut polled, mut told) = (Vec::new(), Vec::new());
        for number in 0..count {
            polled.push((meter_id(8, number), first_steps(number)));
            told.push((meter_id(9, number), first_steps(number)));
            text += &format!(
                "[[meter]]\nid = \"{}\"\nbus = \"hall-{}\"\nunit = \"{:012}\"\nprofile = \"dlt645-2007\"\ncarrier = \
                 \"electricity\"\n[[meter]]\nid = \"{}\"\nbus = \"told\"\nunit = \"{}\"\nprofile = \"told\"\ncarrier = \"electricity\"\n",
                polled[number as usize].0,
                number % BUSES,
                number + 1,
                told[number as usize].0,
                topic(number as usize),
            );
        }
        let config = Config::read(&text, Path::new("")).unwrap();
        let world = SetClock::at(BEGIN);
        let simulator = Simulator::new(&config, Arc::new(world.clone()), 0, 0);
        let (messages, messages_kept, turns_recorded) = (0, 0, 0);
        let doubted = BTreeMap::new();
        let early = Vec::new();
        Self { config, simulator, world, polled, told, doubted, early, messages, messages_kept, turns_recorded }
    }

    /// What the ledger has of them from the beginning: all but one of each five, of which it says nothing before their first reading.
    pub fn registrations(&self) -> impl Iterator<Item = (MeterId, Registration)> {
        let all = [8, 9].into_iter().flat_map(|kind| (0..self.told.len() as u64).map(move |number| (kind, number)));
        all.filter(|(_, number)| number % 5 != 1).map(|(kind, number)| {
            let register = first_steps(number) * STEP;
            (meter_id(kind, number), registration(BEGIN - QUARTER, register))
        })
    }

    pub fn ids(&self) -> Vec<MeterId> {
        self.config.meters.iter().map(|meter| meter.id).collect()
    }

    pub fn readers(&self, shared: &Shared) -> Readers {
        let patience = Patience { timeout: TIMEOUT, pause: Duration::ZERO, echo: false };
        let of = |name: &str| -> Vec<Meter> { self.config.meters_of(name).cloned().collect() };
        let (told, halls): (Vec<_>, Vec<_>) = self.config.buses.iter().partition(|bus| bus.name == "told");
        let pollers = halls.into_iter().map(|bus| {
            Poller::new(bus.clone(), of(&bus.name), Line::new(self.simulator.dial(bus), patience), shared.clone())
        });
        Readers { pollers: pollers.collect(), subscriber: Subscriber::new(told[0].clone(), of("told"), shared.clone()) }
    }

    /// A round at `now_ms`: what has come into the journal.
    pub async fn round(
        &mut self,
        readers: &mut Readers,
        (round, now_ms): (u64, u64),
        is_right: bool,
        dice: &mut Dice,
    ) -> Vec<Waiting> {
        self.world.advance_to(now_ms);
        let mut recorded = Vec::new();
        for place in 0..self.polled.len() {
            let (id, steps) = &mut self.polled[place];
            *steps += dice.roll(40);
            let is_low = dice.roll(50) == 0;
            self.simulator.set(*id, if is_low { 0 } else { *steps * STEP });
            let fault = match dice.roll(100) {
                0 => Some(Fault::Silent),
                1 => Some(Fault::Late(2 * TIMEOUT)),
                2 | 3 => Some(Fault::Noise),
                _ => None,
            };
            self.simulator.set_fault(*id, fault);
        }
        let turns = futures::future::join_all(readers.pollers.iter_mut().map(Poller::round)).await;
        for (meter, turn) in turns.into_iter().flat_map(Result::unwrap) {
            if let Turn::Recorded { time_ms, register } = turn {
                recorded.push(Waiting { meter, time_ms, register });
                self.turns_recorded += 1;
            }
        }
        readers.subscriber.look_after().await.unwrap();
        if is_right {
            self.messages_kept += self.early.len() as u64;
            recorded.append(&mut self.early);
        }
        for place in 0..self.told.len() {
            self.told[place].1 += dice.roll(40);
            let period = PERIODS[place % PERIODS.len()];
            if (round + place as u64).is_multiple_of(period) {
                self.tell(place, &mut readers.subscriber, (round, now_ms), is_right, dice, &mut recorded).await;
            }
        }
        recorded
    }

    /// A message of a meter, now and then wrong, and now and then twice.
    async fn tell(
        &mut self,
        place: usize,
        subscriber: &mut Subscriber,
        (round, now_ms): (u64, u64),
        is_right: bool,
        dice: &mut Dice,
        recorded: &mut Vec<Waiting>,
    ) {
        let (meter, steps) = self.told[place];
        let is_low = !is_about_to_start_again(place as u64) && round > FIRST_ROUNDS && dice.roll(50) == 0;
        let steps = if is_low { 0 } else { steps % MODULUS };
        let message = Publish::new(topic(place), QoS::AtLeastOnce, format!("{{\"v\":{steps},\"t\":{now_ms}}}"));
        self.messages += u64::from(!is_low);
        for _ in 0..1 + dice.roll(10) / 9 {
            let taken = subscriber.take(&message).await.unwrap().remove(0);
            match taken {
                Taken::Recorded { time_ms, register } => {
                    let confirmed = self.doubted.remove(&meter).into_iter();
                    let all = confirmed.chain([Waiting { meter, time_ms, register }]);
                    recorded.extend(all.inspect(|_| self.messages_kept += 1));
                }
                Taken::Doubted(Doubt::First | Doubt::Rollover { .. }) => {
                    self.doubted.insert(meter, Waiting { meter, time_ms: now_ms, register: steps * STEP });
                }
                // By the gateway's clock it is of the future.
                Taken::Early => {
                    assert!(!is_right, "it is of now");
                    let waiting = Waiting { meter, time_ms: now_ms, register: steps * STEP };
                    if !is_low && self.early.last() != Some(&waiting) {
                        self.early.push(waiting);
                    }
                }
                Taken::Doubted(_) | Taken::Held(_) => assert!(is_low, "{taken:?}"),
                Taken::Stopped => panic!("every meter begins as it was registered"),
                Taken::Refused(_) | Taken::LeftOut => panic!("each is a reading, and there are few: {taken:?}"),
                Taken::Known | Taken::Retained | Taken::Strange => {}
            }
        }
    }

    /// How many messages wait for one that confirms them.
    pub fn doubted(&self) -> u64 {
        self.doubted.len() as u64
    }
}

fn topic(place: usize) -> String {
    format!("meter/{place}")
}
