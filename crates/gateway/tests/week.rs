//! A week of meters, read every quarter of an hour, with all that goes wrong in a week: devices that are silent,
//! garbled, late, absent or wrong for a moment, a node that is away for thirteen hours, lost answers, expired batches, a clock that
//! is set back, a chain that stands for an hour and a node that catches up after it, a full disk, and a gateway that is killed again and
//! again. What is in the journal is what is certified, once.
//!
//! A thousand meters with every run of the tests, half as many without optimisation; ten thousand by `make week`. Most are looked at here,
//! as pollers do, so that so many take minutes and not hours; a few dozen are read by the pollers themselves, and as many tell ([`live`]).

#[path = "week/live.rs"]
mod live;

use live::{KILLED_MEANWHILE, Live, Readers, behind};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use utilidor_gateway::clock::{Clock as _, SetClock, Watch};
use utilidor_gateway::guard::{Limits, Seen, Verdict};
use utilidor_gateway::journal::{Batch, Journal, JournalReading, NewBatch, Recorded, Waiting};
use utilidor_gateway::kept::{Registration, Registrations, Shared, begin_stretch};
use utilidor_gateway::protocol::dlt645::{self, Address, FORWARD_ACTIVE};
use utilidor_gateway::reason::Sentence;
use utilidor_gateway::sender::{Sender, Step};
use utilidor_gateway::uplink::{Answer, ChainNow, LedgerMeter, Uplink, UplinkError};
use utilidor_gateway::writer::Writer;
use utilidor_types::{Carrier, MeterId};

const BEGIN: u64 = 1_800_000_000_000;
const QUARTER: u64 = 900_000;
const ROUNDS: u64 = 7 * 96;
/// Hundredths of a kilowatt-hour, in joules: what a register counts.
const STEP: u64 = 36_000;
const MODULUS: u64 = 100_000_000;
/// The most that can pass in an hour.
const CAPACITY: u64 = 1_000 * STEP;
/// Readings that are written together.
const GROUP: usize = 512;

/// Rounds in which the node is away: thirteen hours.
const OUTAGE: std::ops::Range<u64> = 200..252;
/// Rounds in which the gateway's clock is an hour slow.
const SET_BACK: std::ops::Range<u64> = 300..303;
/// The round in which the disk is full.
const DISK_FULL: u64 = 10;
/// What the ledger knows of a meter.
const fn registration(last_ms: u64, register: u64) -> Registration {
    Registration { modulus: MODULUS * STEP, capacity_per_hour: CAPACITY, last_ms, register, devices: 1, key: None }
}

/// Numbers that look random and are the same every time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// How many readings, and a sum over all of them that is the same for the same readings in any order.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    count: u64,
    sum: u64,
}

impl Sum {
    fn add(&mut self, reading: Waiting) {
        let number = u64::from_be_bytes(reading.meter.0[8..].try_into().unwrap());
        let mut mixed = Dice(number ^ reading.time_ms.rotate_left(20) ^ reading.register.rotate_left(40));
        self.count += 1;
        self.sum = self.sum.wrapping_add(mixed.roll(u64::MAX));
    }
}

#[derive(Debug, Default)]
struct Ledger {
    is_away: bool,
    time_ms: u64,
    height: u64,
    nonce: u64,
    last: HashMap<MeterId, (u64, u64)>,
    certified: Sum,
    blocks: BTreeMap<u64, Answer>,
    refused: u64,
}

impl Ledger {
    /// Executes a batch once; a transaction whose nonce is used can never enter a block.
    fn execute(&mut self, bytes: &[u8]) -> Answer {
        let nonce = u64::from_be_bytes(bytes[..8].try_into().unwrap());
        if let Some(answer) = self.blocks.get(&nonce) {
            return answer.clone();
        }
        if nonce != self.nonce {
            return Answer::Never;
        }
        (self.nonce, self.height) = (self.nonce + 1, self.height + 1);
        let mut refused = Vec::new();
        for (place, reading) in bytes[8..].chunks(32).enumerate() {
            let meter = MeterId(reading[..16].try_into().unwrap());
            let time_ms = u64::from_be_bytes(reading[16..24].try_into().unwrap());
            let register = u64::from_be_bytes(reading[24..].try_into().unwrap());
            assert!(time_ms <= self.time_ms, "nothing is certified before its time");
            let last = self.last.entry(meter).or_insert((0, register));
            let passed = if register < last.1 { MODULUS * STEP - last.1 + register } else { register - last.1 };
            if last.0 >= time_ms {
                refused.push((
                    place,
                    "reading/out-of-order".into(),
                    Sentence::alike(format!("{last:?}, then {time_ms} {register}")),
                ));
            } else if last.0 > 0 && passed > CAPACITY / 4 * (time_ms - last.0).div_ceil(QUARTER) + STEP {
                refused.push((place, "reading/beyond-capacity".into(), Sentence::alike(format!("{passed} passed"))));
            } else {
                *last = (time_ms, register);
                self.certified.add(Waiting { meter, time_ms, register });
            }
        }
        self.refused += refused.len() as u64;
        let answer = Answer::Final { height: self.height, refused };
        self.blocks.insert(nonce, answer.clone());
        answer
    }
}

#[derive(Debug, Clone)]
struct Node(Arc<Mutex<(Ledger, u64)>>);

impl Node {
    fn with<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        change(&mut self.0.lock().unwrap().0)
    }

    fn roll(&self, sides: u64) -> u64 {
        let mut held = self.0.lock().unwrap();
        let mut dice = Dice(held.1);
        let rolled = dice.roll(sides);
        held.1 = dice.0;
        rolled
    }

    fn reachable(&self) -> Result<(), UplinkError> {
        if self.with(|ledger| ledger.is_away) { Err(UplinkError::Down) } else { Ok(()) }
    }
}

impl Uplink for Node {
    async fn chain(&self) -> Result<ChainNow, UplinkError> {
        self.reachable()?;
        Ok(self.with(|ledger| ChainNow { time_ms: ledger.time_ms, height: ledger.height }))
    }

    async fn sign(&self, readings: &[Waiting]) -> Result<NewBatch, UplinkError> {
        self.reachable()?;
        let nonce = self.with(|ledger| ledger.nonce);
        let mut bytes = nonce.to_be_bytes().to_vec();
        for Waiting { meter, time_ms, register } in readings {
            bytes.extend(meter.0.iter().copied().chain(time_ms.to_be_bytes()).chain(register.to_be_bytes()));
        }
        Ok(NewBatch { hash: nonce.to_be_bytes().to_vec(), bytes, expires: 0 })
    }

    async fn submit(&self, batch: &Batch) -> Result<Answer, UplinkError> {
        self.reachable()?;
        match self.roll(50) {
            0 => Err(UplinkError::Down),
            1 => {
                self.with(|ledger| ledger.execute(&batch.bytes));
                Err(UplinkError::Down)
            }
            2 => Ok(Answer::Pending),
            3 => Ok(Answer::NotTaken { code: "pool/full".into(), detail: Sentence::alike("full") }),
            // Its place was taken by another transaction of the account.
            4 => {
                self.with(|ledger| ledger.nonce += u64::from(!ledger.blocks.contains_key(&ledger.nonce)));
                Ok(self.with(|ledger| ledger.execute(&batch.bytes)))
            }
            _ => Ok(self.with(|ledger| ledger.execute(&batch.bytes))),
        }
    }

    async fn meters(&self, ids: &[MeterId]) -> Result<BTreeMap<MeterId, LedgerMeter>, UplinkError> {
        self.reachable()?;
        let known = |id: &MeterId| {
            let (last_ms, register) = self.with(|ledger| ledger.last.get(id).copied())?;
            let registration = registration(last_ms, register);
            let carrier = Carrier::Electricity;
            Some((*id, LedgerMeter { carrier, registration, is_ours: true, retired: false }))
        };
        Ok(ids.iter().filter_map(known).collect())
    }

    async fn certified(&self, meter: MeterId, time_ms: u64) -> Result<Option<u64>, UplinkError> {
        let last = self.with(|ledger| ledger.last.get(&meter).copied());
        Ok(last.filter(|(last_ms, _)| *last_ms == time_ms).map(|(_, register)| register))
    }
}

struct Device {
    id: MeterId,
    address: Address,
    steps: u64,
    last: Option<Seen>,
    /// Whether it was ever read by a clock that was wrong.
    was_wrong: bool,
}

impl Device {
    fn new(number: u64) -> Self {
        let mut id = [7; 16];
        id[8..].copy_from_slice(&number.to_be_bytes());
        let address = format!("{number:012}").parse().unwrap();
        // Some are about to start again.
        let steps = if number.is_multiple_of(50) { MODULUS - 500 } else { number * 31 };
        Self { id: MeterId(id), address, steps, last: None, was_wrong: false }
    }

    fn answer(&self, steps: u64) -> Vec<u8> {
        dlt645::read_answer(self.address, FORWARD_ACTIVE, steps % MODULUS, 4)
    }

    /// What it answers: mostly the truth.
    fn asked(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let mut answer = self.answer(self.steps);
        match dice.roll(100) {
            0 => return None,
            1 => {
                let place = dice.roll(answer.len() as u64) as usize;
                answer[place] ^= 1 << dice.roll(8);
            }
            // The answer to an earlier question, to another device.
            2 => {
                let other = format!("{}", dice.roll(1_000_000)).parse().unwrap();
                answer = dlt645::read_answer(other, FORWARD_ACTIVE, self.steps % MODULUS, 4);
            }
            3 => answer = self.answer(0),
            4 => answer.truncate(dice.roll(answer.len() as u64) as usize),
            _ => {}
        }
        Some(answer)
    }
}

fn register(answer: &[u8], address: Address) -> Option<u64> {
    let telegram = dlt645::decode_answer(answer, address, FORWARD_ACTIVE).ok()?;
    telegram.quantity_floor(Carrier::Electricity).ok().map(|quantity| quantity.0)
}

struct Gateway {
    path: PathBuf,
    clock: SetClock,
    node: Node,
    live: Live,
    life: Option<(Writer, Sender<Node>, Watch, std::thread::JoinHandle<()>)>,
    readers: Option<Readers>,
    /// What was read by a clock that was right.
    journalled: Sum,
    /// What was read by one that was not.
    of_wrong_clock: u64,
}

impl Gateway {
    async fn start(&mut self, pages: Option<u32>) {
        self.stop().await;
        let mut journal = Journal::open(&self.path).unwrap();
        if let Some(pages) = pages {
            journal.limit_pages(pages).unwrap();
        }
        let (writer, thread) = Writer::start(journal);
        let watch = Watch::new(Arc::new(self.clock.clone()));
        // On a full disk not even this can be written; a gateway ends here, and tells why.
        let began = begin_stretch(&watch, &writer).await;
        assert!(began.is_ok() || pages.is_some(), "{began:?}");
        let registrations = Registrations::default();
        {
            let remembered = writer.call(|journal| journal.registrations()).await.unwrap();
            let remembered = remembered.into_iter().map(|(id, text)| (id, serde_json::from_str(&text).unwrap()));
            registrations.write().unwrap().extend(self.live.registrations().chain(remembered));
        }
        let shared = Shared {
            watch: watch.clone(),
            writer: writer.clone(),
            registrations,
            interval_ms: QUARTER,
            metrics: Default::default(),
        };
        self.readers = Some(self.live.readers(&shared));
        self.life = Some((writer, Sender::new(self.node.clone(), shared), watch, thread));
    }

    /// Ends as by a kill: what is not in the journal is gone.
    async fn stop(&mut self) {
        self.readers = None;
        if let Some((writer, sender, _, thread)) = self.life.take() {
            drop((writer, sender));
            tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
        }
    }

    /// Reads every device once. Whether all could be written.
    async fn round(&mut self, devices: &mut [Device], is_right: bool, dice: &mut Dice) -> bool {
        let (writer, _, watch, _) = self.life.as_ref().unwrap();
        let writer = writer.clone();
        if watch.stamp().is_none() && begin_stretch(watch, &writer).await.is_err() {
            return false;
        }
        let stamp = watch.stamp().unwrap();
        let limits = Limits {
            modulus: Some(MODULUS * STEP),
            capacity_per_hour: Some(CAPACITY),
            step: STEP,
            interval_ms: QUARTER,
        };
        for group in devices.chunks_mut(GROUP) {
            let mut places = Vec::with_capacity(GROUP);
            let mut readings = Vec::with_capacity(GROUP);
            for (place, device) in group.iter().enumerate() {
                let Some((seen, answer)) = look(device, limits, stamp.time_ms, dice) else { continue };
                places.push((place, seen));
                readings.push(JournalReading {
                    meter: device.id,
                    time_ms: seen.time_ms,
                    register: seen.register,
                    epoch: stamp.epoch,
                    bus: "hall".into(),
                    protocol: "dlt645".into(),
                    request: dlt645::read_request(device.address, FORWARD_ACTIVE),
                    answer,
                });
            }
            let Ok(recorded) = writer.call(move |journal| journal.record(&readings)).await else { return false };
            assert!(recorded.iter().all(|recorded| *recorded == Recorded::New));
            if !is_right {
                self.of_wrong_clock += recorded.len() as u64;
                for (place, _) in places {
                    group[place].was_wrong = true;
                }
                continue;
            }
            for (place, seen) in places {
                group[place].last = Some(seen);
                let meter = group[place].id;
                self.journalled.add(Waiting { meter, time_ms: seen.time_ms, register: seen.register });
            }
        }
        true
    }

    /// Those meters that the gateway reads itself, and those that tell.
    async fn live_round(&mut self, round: (u64, u64), is_right: bool, dice: &mut Dice) {
        let recorded = self.live.round(self.readers.as_mut().unwrap(), round, is_right, dice).await;
        if is_right {
            recorded.into_iter().for_each(|reading| self.journalled.add(reading));
        } else {
            self.of_wrong_clock += recorded.len() as u64;
        }
    }
}

/// A meter's turn: a doubtful register is looked at twice.
fn look(device: &Device, limits: Limits, time_ms: u64, dice: &mut Dice) -> Option<(Seen, Vec<u8>)> {
    let answer = device.asked(dice)?;
    let first = Seen { time_ms, register: register(&answer, device.address)? };
    let (seen, answer) = match limits.first_look(device.last, first) {
        Verdict::Take => (first, answer),
        Verdict::Hold(_) => return None,
        Verdict::LookAgain(doubt) => {
            let answer = device.asked(dice)?;
            let second = Seen { time_ms, register: register(&answer, device.address)? };
            match limits.second_look(device.last, first, second, doubt) {
                Verdict::Take => (second, answer),
                _ => return None,
            }
        }
    };
    Some((seen, answer))
}

fn page_count(path: &Path) -> u32 {
    (std::fs::metadata(path).unwrap().len() / 4_096) as u32
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_of_meters_with_faults_is_certified_as_it_was_read() {
    week(if cfg!(debug_assertions) { 500 } else { 1_000 }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make week"]
async fn a_week_of_ten_thousand_meters_is_certified_as_it_was_read() {
    week(10_000).await;
}

async fn week(meters: u64) {
    let folder = tempfile::tempdir().unwrap();
    let node = Node(Arc::new(Mutex::new((Ledger { time_ms: BEGIN, ..Ledger::default() }, 42))));
    let mut gateway = Gateway {
        path: folder.path().join("journal.sqlite"),
        clock: SetClock::at(BEGIN),
        node: node.clone(),
        // So many that they take seconds: a silence on the line takes its time.
        live: Live::new((meters / 25).min(40)),
        life: None,
        readers: None,
        journalled: Sum::default(),
        of_wrong_clock: 0,
    };
    let mut devices: Vec<_> = (1..=meters).map(Device::new).collect();
    let mut dice = Dice(7);
    gateway.start(None).await;
    for round in 0..ROUNDS {
        let now_ms = BEGIN + (round + 1) * QUARTER;
        let is_right = !SET_BACK.contains(&round);
        let chain_ms = now_ms - behind(round) * QUARTER;
        node.with(|ledger| (ledger.time_ms, ledger.is_away) = (chain_ms, OUTAGE.contains(&round)));
        // A quarter passes; then somebody may set the clock.
        gateway.clock.advance_to(gateway.clock.now_ms() + QUARTER);
        gateway.clock.set(if is_right { now_ms } else { now_ms - 4 * QUARTER });
        if round == DISK_FULL {
            gateway.stop().await;
            let full = page_count(&gateway.path);
            gateway.start(Some(full)).await;
        } else if dice.roll(40) == 0 || round == KILLED_MEANWHILE {
            gateway.start(None).await;
            gateway.assert_remembers(&devices).await;
        }
        for device in &mut devices {
            device.steps += dice.roll(40);
        }
        let is_written = gateway.round(&mut devices, is_right, &mut dice).await;
        assert_eq!(is_written, round != DISK_FULL, "a full disk stops a gateway, and nothing else does");
        if !is_written {
            gateway.start(None).await;
            gateway.assert_remembers(&devices).await;
        }
        gateway.live_round((round, now_ms), is_right, &mut dice).await;
        let (writer, sender, ..) = gateway.life.as_mut().unwrap();
        // What does not go now goes later, as what a node that is away knows is asked for later.
        let _ = sender.refresh(&gateway.live.ids()).await.unwrap();
        loop {
            let step = sender.step().await.unwrap();
            assert!(!matches!(step, Step::Closed { refused: 1.., .. }), "the ledger takes all that is sent");
            if !step.goes_on() {
                break;
            }
        }
        if round == SET_BACK.end {
            let counts = writer.call(|journal| journal.counts()).await.unwrap();
            assert_eq!(counts.refused, gateway.of_wrong_clock, "what a wrong clock has stamped is evidence");
        }
        if round % 24 == 23 {
            sender.prune(24 * QUARTER).await.unwrap();
        }
    }

    let (writer, sender, ..) = gateway.life.as_mut().unwrap();
    let mut steps = 0;
    while sender.step().await.unwrap() != Step::Idle {
        steps += 1;
        assert!(steps < 100_000, "it never comes to rest");
    }
    let counts = writer.call(|journal| journal.counts()).await.unwrap();
    assert_eq!((counts.read, counts.in_transaction), (0, 0), "all of it came through");
    assert_eq!(
        counts.refused, 0,
        "nothing that was read by a right clock is refused, and what was not is deleted by now"
    );
    let certified = node.with(|ledger| ledger.certified);
    assert_eq!(certified, gateway.journalled, "the sum of the journal is the sum certified");
    let rounds = ROUNDS - (SET_BACK.end - SET_BACK.start);
    assert!(certified.count > meters * rounds * 9 / 10, "{certified:?} of {} reads", meters * rounds);
    let live = &gateway.live;
    assert_eq!(live.messages_kept + live.doubted(), live.messages, "what was told rightly is never lost");
    let turns = live.ids().len() as u64 / 2 * rounds;
    assert!(live.turns_recorded > turns * 8 / 10, "{} of {turns} turns", live.turns_recorded);
}

impl Gateway {
    /// What a new start knows of each meter is what was recorded last.
    async fn assert_remembers(&self, devices: &[Device]) {
        let (writer, ..) = self.life.as_ref().unwrap();
        let ids: Vec<_> = devices.iter().map(|device| device.id).collect();
        let last = writer
            .call(move |journal| ids.iter().map(|id| journal.last_reading(*id).unwrap()).collect::<Vec<_>>())
            .await;
        for (device, last) in devices.iter().zip(last).filter(|(device, _)| !device.was_wrong) {
            assert_eq!(last.map(|last| Seen { time_ms: last.time_ms, register: last.register }), device.last);
        }
    }
}
