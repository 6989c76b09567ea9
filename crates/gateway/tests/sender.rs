//! From the journal to the ledger with everything going wrong in between: the sum of the journal is the sum certified, and
//! nothing is certified twice.

#[path = "sender/clock.rs"]
mod clock;
#[path = "sender/signed.rs"]
mod signed;

use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::journal::{Batch, ClockState, Event, Filter, Journal, JournalReading, NewBatch, State, Waiting};
use utilidor_gateway::kept::{Registration, Registrations, Shared, begin_stretch};
use utilidor_gateway::reason::Sentence;
use utilidor_gateway::sender::{Sender, Step};
use utilidor_gateway::uplink::{Answer, ChainNow, LedgerMeter, Uplink, UplinkError};
use utilidor_gateway::writer::Writer;
use utilidor_types::{Carrier, MeterId};

const BEGIN: u64 = 1_800_000_000_000;

/// What happens to the next submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// It enters a block, and the answer comes.
    Fine,
    /// There is no way to the node.
    Down,
    /// It enters a block, and the answer is lost.
    AnswerLost,
    /// It waits in the pool.
    Slow,
    /// The pool is full.
    Full,
    /// It is dropped, and its time is over.
    Expired,
    /// The gateway has no role.
    NoRole,
}

#[derive(Debug, Default)]
struct Ledger {
    weather: Option<Weather>,
    time_ms: u64,
    height: u64,
    nonce: u64,
    /// Certified registers by meter and time.
    certified: BTreeMap<(MeterId, u64), u64>,
    /// Transactions in blocks, by hash.
    blocks: HashMap<Vec<u8>, Answer>,
    /// How often a batch that is in a block came again.
    repeated: u64,
    /// Batches with a reading of one of these meters are refused whole.
    poison: Vec<MeterId>,
    /// Whoever asks for meters has no answer.
    hides_meters: bool,
    /// What it says of meters.
    meters: BTreeMap<MeterId, LedgerMeter>,
}

fn told(en: &str, zh: &str) -> Sentence {
    Sentence { en: en.into(), zh: zh.into() }
}

impl Ledger {
    /// Executes a batch once; a transaction whose nonce is used can never enter a block.
    fn execute(&mut self, bytes: &[u8], hash: &[u8]) -> Answer {
        if let Some(answer) = self.blocks.get(hash) {
            self.repeated += 1;
            return answer.clone();
        }
        let (nonce, readings): (u64, Vec<([u8; 16], u64, u64)>) = serde_json::from_slice(bytes).unwrap();
        if nonce != self.nonce {
            return Answer::Never;
        }
        self.nonce += 1;
        self.height += 1;
        if readings.iter().any(|(meter, ..)| self.poison.contains(&MeterId(*meter))) {
            let answer = Answer::RefusedWhole {
                code: "transaction/too-much-work".into(),
                detail: told("too much", "工作量过大"),
            };
            self.blocks.insert(hash.to_vec(), answer.clone());
            return answer;
        }
        let mut refused = Vec::new();
        for (place, (meter, time, register)) in readings.into_iter().enumerate() {
            let meter = MeterId(meter);
            let last = self.certified.range((meter, 0)..=(meter, u64::MAX)).next_back().map(|((_, time), _)| *time);
            match last {
                Some(last) if last == time => {
                    refused.push((place, "reading/replayed".into(), told("replayed", "已经认证")))
                }
                Some(last) if last > time => {
                    refused.push((place, "reading/out-of-order".into(), told("out of order", "次序有误")))
                }
                _ => {
                    self.certified.insert((meter, time), register);
                }
            }
        }
        let answer = Answer::Final { height: self.height, refused };
        self.blocks.insert(hash.to_vec(), answer.clone());
        answer
    }
}

#[derive(Debug, Clone, Default)]
struct Fake(Arc<Mutex<Ledger>>);

impl Fake {
    fn at(time_ms: u64) -> Self {
        Self(Arc::new(Mutex::new(Ledger { time_ms, ..Ledger::default() })))
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.0.lock().unwrap()
    }

    fn set(&self, weather: Weather) {
        self.ledger().weather = Some(weather);
    }

    fn is_down(&self) -> bool {
        self.ledger().weather == Some(Weather::Down)
    }
}

impl Uplink for Fake {
    async fn chain(&self) -> Result<ChainNow, UplinkError> {
        if self.is_down() {
            return Err(UplinkError::Down);
        }
        let ledger = self.ledger();
        Ok(ChainNow { time_ms: ledger.time_ms, height: ledger.height })
    }

    async fn sign(&self, readings: &[Waiting]) -> Result<NewBatch, UplinkError> {
        if self.is_down() {
            return Err(UplinkError::Down);
        }
        assert!(readings.is_sorted(), "a batch stands by meter and time");
        let ledger = self.ledger();
        let rows: Vec<_> =
            readings.iter().map(|reading| (reading.meter.0, reading.time_ms, reading.register)).collect();
        let bytes = serde_json::to_vec(&(ledger.nonce, rows)).unwrap();
        Ok(NewBatch { hash: bytes.clone(), bytes, expires: ledger.height + 10 })
    }

    async fn submit(&self, batch: &Batch) -> Result<Answer, UplinkError> {
        let mut ledger = self.ledger();
        if batch.bytes != batch.hash {
            let found = ledger.blocks.get(&batch.hash).cloned();
            return Ok(found.unwrap_or(Answer::Spoilt { detail: told("damaged", "已损坏") }));
        }
        match ledger.weather.take().unwrap_or(Weather::Fine) {
            Weather::Down => {
                ledger.weather = Some(Weather::Down);
                Err(UplinkError::Down)
            }
            Weather::AnswerLost => {
                ledger.execute(&batch.bytes, &batch.hash);
                Err(UplinkError::Down)
            }
            Weather::Slow => Ok(Answer::Pending),
            Weather::NoRole => {
                ledger.nonce += 1;
                Ok(Answer::RefusedWhole {
                    code: "member/missing-role".into(), detail: told("no operator", "缺少角色")
                })
            }
            Weather::Full => Ok(Answer::NotTaken { code: "pool/full".into(), detail: told("full", "已满") }),
            // Certain only for what is in no block: a node looks before it says so.
            Weather::Expired if !ledger.blocks.contains_key(&batch.hash) => {
                ledger.nonce += 1;
                Ok(Answer::Never)
            }
            Weather::Expired | Weather::Fine => Ok(ledger.execute(&batch.bytes, &batch.hash)),
        }
    }

    async fn meters(&self, _: &[MeterId]) -> Result<BTreeMap<MeterId, LedgerMeter>, UplinkError> {
        let ledger = self.ledger();
        if ledger.hides_meters { Err(UplinkError::Down) } else { Ok(ledger.meters.clone()) }
    }

    async fn certified(&self, meter: MeterId, time_ms: u64) -> Result<Option<u64>, UplinkError> {
        Ok(self.ledger().certified.get(&(meter, time_ms)).copied())
    }
}

fn copy(from: &Path, to: &Path) {
    for part in ["", "-wal"] {
        let source = PathBuf::from(format!("{}{part}", from.display()));
        if source.exists() {
            std::fs::copy(source, format!("{}{part}", to.display())).unwrap();
        }
    }
}

/// A gateway that can crash: its journal goes on from what was on the disk.
struct Gateway {
    folder: tempfile::TempDir,
    lives: u32,
    clock: SetClock,
    fake: Fake,
    writer: Writer,
    sender: Sender<Fake>,
    shared: Shared,
}

impl Gateway {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = SetClock::at(BEGIN);
        let fake = Fake::at(BEGIN);
        let (writer, sender, shared) = Self::start(&folder.path().join("life-0.sqlite"), &clock, &fake).await;
        Self { folder, lives: 0, clock, fake, writer, sender, shared }
    }

    async fn start(path: &Path, clock: &SetClock, fake: &Fake) -> (Writer, Sender<Fake>, Shared) {
        let (writer, _) = Writer::start(Journal::open(path).unwrap());
        let watch = Watch::new(Arc::new(clock.clone()));
        begin_stretch(&watch, &writer).await.unwrap();
        let shared = Shared {
            watch,
            writer: writer.clone(),
            registrations: Registrations::default(),
            interval_ms: 900_000,
            metrics: Default::default(),
        };
        let sender = Sender::new(fake.clone(), shared.clone());
        (writer, sender, shared)
    }

    /// The stretch of the clock.
    fn epoch(&self) -> i64 {
        self.shared.watch.stamp().unwrap().epoch
    }

    async fn crash(&mut self) {
        let before = self.folder.path().join(format!("life-{}.sqlite", self.lives));
        self.lives += 1;
        let after = self.folder.path().join(format!("life-{}.sqlite", self.lives));
        copy(&before, &after);
        (self.writer, self.sender, self.shared) = Self::start(&after, &self.clock, &self.fake).await;
    }

    async fn read(&self, meter: u8, register: u64) {
        let reading = JournalReading {
            meter: MeterId([meter; 16]),
            time_ms: utilidor_gateway::clock::Clock::now_ms(&self.clock),
            register,
            epoch: self.epoch(),
            bus: "hall".into(),
            protocol: "dlt645".into(),
            request: vec![1],
            answer: vec![2],
        };
        self.writer.record(reading).await.unwrap();
    }

    fn pass(&self, ms: u64) {
        let now = utilidor_gateway::clock::Clock::now_ms(&self.clock) + ms;
        self.clock.advance_to(now);
        self.fake.ledger().time_ms = now;
    }

    async fn step(&mut self) -> Step {
        self.sender.step().await.unwrap()
    }

    /// Goes on until nothing waits.
    async fn settle(&mut self) {
        self.fake.ledger().weather = None;
        for _ in 0..1_000 {
            if self.step().await == Step::Idle {
                let events = self.writer.call(|journal| journal.events(1_000)).await.unwrap();
                assert!(events.iter().all(|event| event.detail.is_in_both()), "{events:?}");
                return;
            }
        }
        panic!("it never comes to rest");
    }

    async fn states(&self) -> BTreeMap<(MeterId, u64), (u64, State)> {
        let entries = self.writer.call(|journal| journal.entries(&Filter::default(), 100_000)).await.unwrap();
        let rows = entries
            .into_iter()
            .map(|entry| ((entry.reading.meter, entry.reading.time_ms), (entry.reading.register, entry.state)));
        rows.collect()
    }

    /// The journal and the ledger say the same.
    async fn assert_agreement(&self) {
        let journal = self.states().await;
        assert!(journal.values().all(|(_, state)| *state == State::Final), "{journal:?}");
        let journal: BTreeMap<_, _> = journal.into_iter().map(|(key, (register, _))| (key, register)).collect();
        assert_eq!(journal, self.fake.ledger().certified);
    }
}

#[tokio::test]
async fn readings_are_sealed_then_sent_then_final() {
    let mut gateway = Gateway::new().await;
    assert_eq!(gateway.step().await, Step::Idle);
    gateway.read(1, 5).await;
    assert_eq!(gateway.step().await, Step::Sealed { readings: 1 });
    assert!(gateway.fake.ledger().certified.is_empty(), "nothing is sent before it is sealed");
    assert_eq!(gateway.step().await, Step::Closed { certified: 1, refused: 0 });
    gateway.assert_agreement().await;
}

#[tokio::test]
async fn thirteen_hours_without_uplink_lose_nothing() {
    let mut gateway = Gateway::new().await;
    gateway.step().await;
    gateway.fake.set(Weather::Down);
    for quarter in 1..=52 {
        gateway.pass(900_000);
        for meter in 1..=20 {
            gateway.read(meter, quarter).await;
        }
        assert!(matches!(gateway.step().await, Step::Down { .. }));
    }
    assert_eq!(gateway.writer.call(|journal| journal.counts()).await.unwrap().read, 52 * 20);
    gateway.settle().await;
    gateway.assert_agreement().await;
    assert_eq!(gateway.fake.ledger().certified.len(), 52 * 20);
    let events = gateway.writer.call(|journal| journal.events(10)).await.unwrap();
    let codes: Vec<_> = events.iter().rev().map(|event| event.code.as_str()).collect();
    assert_eq!(codes, ["uplink/down", "uplink/up"], "an outage is told once");
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_bytes() {
    let mut gateway = Gateway::new().await;
    gateway.read(1, 5).await;
    gateway.step().await;
    gateway.fake.set(Weather::AnswerLost);
    assert!(matches!(gateway.step().await, Step::Down { .. }));
    gateway.crash().await;
    assert_eq!(gateway.step().await, Step::Closed { certified: 1, refused: 0 });
    assert_eq!(gateway.fake.ledger().repeated, 1);
    gateway.assert_agreement().await;
}

#[tokio::test]
async fn a_meter_for_which_the_ledger_refuses_a_whole_batch_stops_no_other_meter() {
    let mut gateway = Gateway::new().await;
    let poison = MeterId([7; 16]);
    gateway.fake.ledger().poison = vec![poison];
    for quarter in 1..=3 {
        gateway.pass(900_000);
        for meter in 1..=20 {
            gateway.read(meter, quarter).await;
        }
    }
    let mut steps = 0;
    while gateway.step().await != Step::TooEarly {
        steps += 1;
        assert!(steps < 60, "it goes on for ever");
    }
    assert_eq!(gateway.fake.ledger().certified.len(), 3 * 19, "all others are certified");
    let events = gateway.writer.call(|journal| journal.events(10)).await.unwrap();
    let told: Vec<_> = events.iter().map(|event| (event.meter, event.code.as_str())).collect();
    assert_eq!(told, [(Some(poison), "uplink/set-aside")], "the operator sees which, once");

    // Meanwhile the others go on, and its readings are kept. An hour later it is tried again.
    gateway.pass(900_000);
    for meter in 1..=20 {
        gateway.read(meter, 4).await;
    }
    while gateway.step().await != Step::TooEarly {}
    assert_eq!(gateway.fake.ledger().certified.len(), 4 * 19);
    gateway.fake.ledger().poison.clear();
    gateway.pass(3_600_000);
    gateway.settle().await;
    assert_eq!(gateway.fake.ledger().certified.len(), 4 * 20, "nothing of it is lost");
    gateway.assert_agreement().await;
}

#[tokio::test]
async fn what_was_wrong_with_the_way_before_a_restart_is_told_to_be_over_after_it() {
    let mut gateway = Gateway::new().await;
    gateway.fake.set(Weather::Down);
    assert!(matches!(gateway.step().await, Step::Down { .. }));
    gateway.crash().await;
    gateway.fake.set(Weather::Down);
    assert!(matches!(gateway.step().await, Step::Down { .. }));
    gateway.settle().await;
    gateway.crash().await;
    gateway.settle().await;
    let events = gateway.writer.call(|journal| journal.events(10)).await.unwrap();
    let codes: Vec<_> = events.iter().rev().map(|event| event.code.as_str()).collect();
    assert_eq!(codes, ["uplink/down", "uplink/up"], "each once");
}

#[tokio::test]
async fn a_rule_about_the_gateway_itself_splits_nothing() {
    let mut gateway = Gateway::new().await;
    gateway.read(1, 5).await;
    gateway.read(2, 5).await;
    gateway.step().await;
    gateway.fake.set(Weather::NoRole);
    assert!(matches!(gateway.step().await, Step::NotTaken { .. }));
    assert_eq!(gateway.step().await, Step::Sealed { readings: 2 });
    gateway.settle().await;
    gateway.assert_agreement().await;
}

#[tokio::test]
async fn a_ledger_that_does_not_say_what_it_knows_of_meters_is_told_once_though_it_answers_all_else() {
    let mut gateway = Gateway::new().await;
    for hides in [true, true, false] {
        gateway.fake.ledger().hides_meters = hides;
        assert_eq!(gateway.sender.refresh(&[]).await.unwrap().is_err(), hides);
        for _ in 0..2 {
            assert_eq!(gateway.step().await, Step::Idle);
        }
    }
    let events = gateway.writer.call(|journal| journal.events(10)).await.unwrap();
    let codes: Vec<_> = events.iter().rev().map(|event| event.code.as_str()).collect();
    assert_eq!(codes, ["uplink/down", "uplink/up"]);
}

#[tokio::test]
async fn a_last_reading_that_is_to_come_is_not_believed() {
    let mut gateway = Gateway::new().await;
    let meter = |last_ms| {
        let registration =
            Registration { modulus: 100, capacity_per_hour: 10, last_ms, register: 5, devices: 1, key: None };
        LedgerMeter { carrier: Carrier::Water, registration, is_ours: true, retired: false }
    };
    let [right, wrong] = [1, 2].map(|number| MeterId([number; 16]));
    gateway.fake.ledger().meters = BTreeMap::from([(right, meter(BEGIN)), (wrong, meter(BEGIN + 1))]);
    gateway.sender.refresh(&[right, wrong]).await.unwrap().unwrap();
    let known: Vec<MeterId> = gateway.shared.registrations.read().unwrap().keys().copied().collect();
    assert_eq!(known, [right]);
    gateway.step().await;
    let events = gateway.writer.call(|journal| journal.events(10)).await.unwrap();
    assert!(events[0].detail.en.contains("is to come by the chain's own time"), "{events:?}");
}

#[tokio::test]
async fn a_bit_that_changes_in_an_open_batch_stops_nothing() {
    for was_sent in [false, true] {
        let mut gateway = Gateway::new().await;
        gateway.read(1, 5).await;
        gateway.step().await;
        if was_sent {
            gateway.fake.set(Weather::AnswerLost);
            gateway.step().await;
        }
        let path = gateway.folder.path().join("life-0.sqlite");
        let damaged = "UPDATE batch SET bytes = zeroblob(length(bytes))";
        rusqlite::Connection::open(path).unwrap().execute(damaged, []).unwrap();
        gateway.read(2, 7).await;
        let expected = match was_sent {
            true => Step::Closed { certified: 1, refused: 0 },
            false => Step::Spoilt { readings: 1, detail: told("damaged", "已损坏") },
        };
        assert_eq!(gateway.step().await, expected);
        gateway.settle().await;
        gateway.assert_agreement().await;
        assert_eq!(gateway.fake.ledger().certified.len(), 2, "what stands behind it is sent, too");
        let events = gateway.writer.call(|journal| journal.events(10)).await.unwrap();
        let codes: Vec<_> = events.iter().rev().map(|event| event.code.as_str()).collect();
        assert_eq!(codes, [if was_sent { "uplink/down" } else { "uplink/spoilt" }, "uplink/up"]);
    }
}

#[tokio::test]
async fn an_expired_batch_is_signed_anew() {
    let mut gateway = Gateway::new().await;
    gateway.read(1, 5).await;
    gateway.step().await;
    gateway.fake.set(Weather::Expired);
    assert_eq!(gateway.step().await, Step::TakenBack { readings: 1 });
    gateway.settle().await;
    gateway.assert_agreement().await;
}

#[tokio::test]
async fn a_batch_that_is_on_its_way_for_long_is_told_once() {
    let mut gateway = Gateway::new().await;
    gateway.read(1, 5).await;
    gateway.step().await;
    for _ in 0..20 {
        gateway.pass(60_000);
        gateway.fake.set(Weather::Slow);
        assert_eq!(gateway.step().await, Step::Pending);
    }
    gateway.settle().await;
    gateway.assert_agreement().await;
    let codes = |events: Vec<Event>| events.into_iter().rev().map(|event| event.code).collect::<Vec<_>>();
    let events = gateway.writer.call(|journal| journal.events(100)).await.unwrap();
    assert_eq!(codes(events), ["uplink/pending", "uplink/up"]);

    // Each batch by itself, and whatever else the node answers meanwhile.
    gateway.read(1, 6).await;
    gateway.step().await;
    for minute in 0..20 {
        gateway.pass(60_000);
        gateway.fake.set(if minute % 5 == 4 { Weather::Full } else { Weather::Slow });
        gateway.step().await;
        let events = gateway.writer.call(|journal| journal.events(100)).await.unwrap();
        let told = codes(events).iter().filter(|code| *code == "uplink/pending").count();
        assert_eq!(told > 1, minute >= 10, "minute {minute}");
    }
}

#[tokio::test]
async fn what_is_certified_already_is_final_and_what_contradicts_it_is_refused() {
    let mut gateway = Gateway::new().await;
    gateway.read(1, 5).await;
    gateway.read(2, 5).await;
    // Another way brought meter 1 the same reading, meter 2 another one.
    gateway.fake.ledger().certified.insert((MeterId([1; 16]), BEGIN), 5);
    gateway.fake.ledger().certified.insert((MeterId([2; 16]), BEGIN), 6);
    gateway.settle().await;
    let states: Vec<_> = gateway.states().await.into_values().map(|(_, state)| state).collect();
    assert_eq!(states, [State::Final, State::Refused]);
}

#[tokio::test]
async fn a_reading_waits_for_the_chains_time_and_keeps_its_own() {
    let mut gateway = Gateway::new().await;
    gateway.pass(1_000);
    gateway.read(1, 5).await;
    gateway.fake.ledger().time_ms = BEGIN;
    assert_eq!(gateway.step().await, Step::TooEarly);
    gateway.fake.ledger().time_ms = BEGIN + 2_000;
    gateway.settle().await;
    assert_eq!(gateway.fake.ledger().certified.keys().next().unwrap().1, BEGIN + 1_000);
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Read(u8),
    Step,
    Crash,
    Weather(Weather),
}

fn act() -> impl Strategy<Value = Act> {
    let weather = prop_oneof![
        Just(Weather::Fine),
        Just(Weather::Down),
        Just(Weather::AnswerLost),
        Just(Weather::Slow),
        Just(Weather::Full),
        Just(Weather::Expired),
    ];
    prop_oneof![
        4 => (1u8..4).prop_map(Act::Read),
        5 => Just(Act::Step),
        1 => Just(Act::Crash),
        3 => weather.prop_map(Act::Weather),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_happens_the_journal_and_the_ledger_agree_in_the_end(acts in proptest::collection::vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut gateway = Gateway::new().await;
            let mut read = 0;
            for act in acts {
                match act {
                    Act::Read(meter) => {
                        gateway.pass(1_000);
                        gateway.read(meter, read).await;
                        read += 1;
                    }
                    Act::Step => {
                        gateway.step().await;
                    }
                    Act::Crash => gateway.crash().await,
                    Act::Weather(weather) => gateway.fake.set(weather),
                }
            }
            gateway.settle().await;
            gateway.assert_agreement().await;
            assert_eq!(gateway.fake.ledger().certified.len() as u64, read, "nothing is lost");
        });
    }
}
