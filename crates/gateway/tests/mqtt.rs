//! Messages over MQTT: what is taken, what is passed over, and a broker that restarts without its sessions.

#[path = "mqtt/early.rs"]
mod early;
#[path = "mqtt/refused.rs"]
mod refused;

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, Publish, SubAck, SubscribeReasonCode};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::config::Config;
use utilidor_gateway::guard::Doubt;
use utilidor_gateway::journal::{ClockState, Fate, Filter, Journal, JournalError, NewBatch};
use utilidor_gateway::kept::{Registration, Registrations, Shared, begin_stretch};
use utilidor_gateway::mqtt::{Subscriber, Taken};
use utilidor_gateway::reason::Sentence;
use utilidor_gateway::writer::Writer;
use utilidor_types::MeterId;

const BEGIN: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;
const M3: u64 = 1_000_000;
const METER: MeterId = MeterId([1; 16]);
const TOPIC: &str = "site/water-1";

fn subscriber_of(shared: &Shared, address: &str) -> Subscriber {
    let text = format!(
        "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"mqtt\"\naddress = \"{address}\"\n[[meter]]\nid = \"{METER}\"\n\
         bus = \"b\"\nunit = \"{TOPIC}\"\nprofile = \"lora\"\ncarrier = \"water\"\n[[profile]]\nname = \"lora\"\nprotocol = \"json\"\n\
         json = {{ value = \"/volume\", time = \"/ts\", step = \"1m3\" }}\n"
    );
    let config = Config::read(&text, Path::new("")).unwrap();
    Subscriber::new(config.buses[0].clone(), config.meters.clone(), shared.clone())
}

async fn site(address: &str) -> (tempfile::TempDir, SetClock, Shared, Subscriber) {
    let folder = tempfile::tempdir().unwrap();
    let clock = SetClock::at(BEGIN);
    let watch = Watch::new(Arc::new(clock.clone()));
    let (writer, _) = Writer::start(Journal::open(&folder.path().join("journal.sqlite")).unwrap());
    begin_stretch(&watch, &writer).await.unwrap();
    let registrations = Registrations::default();
    let known = Registration {
        modulus: 1_000_000 * M3,
        capacity_per_hour: 10 * M3,
        last_ms: BEGIN - 15 * MINUTE,
        register: 100 * M3,
        devices: 1,
        key: None,
    };
    registrations.write().unwrap().insert(METER, known);
    let shared = Shared { watch, writer, registrations, interval_ms: 15 * MINUTE, metrics: Default::default() };
    let subscriber = subscriber_of(&shared, address);
    (folder, clock, shared, subscriber)
}

/// A gateway that subscribes at a broker's address, half an hour later.
async fn running() -> (TcpListener, tempfile::TempDir, SetClock, Shared, JoinHandle<JournalError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (folder, clock, shared, subscriber) = site(&listener.local_addr().unwrap().to_string()).await;
    clock.advance_to(BEGIN + 30 * MINUTE);
    (listener, folder, clock, shared, tokio::spawn(subscriber.run()))
}

fn message(volume: &str, time_ms: u64) -> Publish {
    Publish::new(TOPIC, QoS::AtLeastOnce, format!(r#"{{"volume":{volume},"ts":{time_ms}}}"#))
}

#[tokio::test]
async fn a_message_counts_with_the_devices_own_time() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    clock.advance_to(BEGIN + 15 * MINUTE);
    // Older readings that a collector kept come first and count.
    for (volume, time) in [("100.5", BEGIN), ("101.125", BEGIN + 15 * MINUTE)] {
        let taken = subscriber.take(&message(volume, time)).await.unwrap();
        assert!(matches!(taken[..], [Taken::Recorded { time_ms, .. }] if time_ms == time), "{taken:?}");
    }
    // The broker brings what was not acknowledged again.
    let again = subscriber.take(&message("101.125", BEGIN + 15 * MINUTE)).await.unwrap();
    assert_eq!(again, [Taken::Known]);
    let older = subscriber.take(&message("100.5", BEGIN)).await.unwrap();
    assert!(matches!(older[..], [Taken::Held(Doubt::TimeNotRising { .. })]), "{older:?}");
    let entries = shared.writer.call(|journal| journal.entries(&Filter::default(), 10)).await.unwrap();
    let registers: Vec<_> = entries.iter().map(|entry| entry.reading.register).collect();
    assert_eq!(registers, [100_500_000, 101_125_000]);
    assert_eq!(entries[0].reading.request, TOPIC.as_bytes());
}

/// A comparison with the chain has shown so much of the gateway's clock.
async fn judge(shared: &Shared, state: ClockState) -> u64 {
    let epoch = shared.stamp().await.unwrap().epoch;
    shared.writer.call(move |journal| journal.judge_clock(epoch, state, 0)).await.unwrap()
}

#[tokio::test]
async fn what_is_old_or_no_reading_is_passed_over() {
    let (_folder, _clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    judge(&shared, ClockState::Trusted).await;
    let retained = Publish { retain: true, ..message("100.5", BEGIN) };
    assert_eq!(subscriber.take(&retained).await.unwrap(), [Taken::Retained]);
    let strange = Publish { topic: "site/other".into(), ..message("100.5", BEGIN) };
    assert_eq!(subscriber.take(&strange).await.unwrap(), [Taken::Strange]);
    for (volume, time, code) in [
        ("100.5", BEGIN + 25 * 60 * MINUTE, "register/invalid"),
        ("100.5", BEGIN - 8 * 86_400_000, "register/invalid"),
        ("null", BEGIN, "register/absent"),
        ("-1", BEGIN, "register/negative"),
    ] {
        assert_eq!(subscriber.take(&message(volume, time)).await.unwrap(), [Taken::Refused(code)], "{volume} {time}");
    }
    assert_eq!(shared.writer.call(|journal| journal.counts()).await.unwrap().read, 0);
}

async fn registers(shared: &Shared) -> Vec<u64> {
    let entries = shared.writer.call(|journal| journal.entries(&Filter::default(), 100)).await.unwrap();
    entries.iter().map(|entry| entry.reading.register).collect()
}

async fn codes(shared: &Shared) -> Vec<String> {
    let events = shared.writer.call(|journal| journal.events(10)).await.unwrap();
    events.into_iter().rev().map(|event| event.code).collect()
}

#[tokio::test]
async fn a_meter_that_tells_once_an_hour_or_once_a_day_loses_nothing() {
    for pause in [60, 24 * 60] {
        let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
        for turn in 1..=10 {
            let time = BEGIN + turn * pause * MINUTE;
            clock.advance_to(time);
            let taken = subscriber.take(&message(&format!("{}", 100 + turn), time)).await.unwrap();
            assert!(matches!(taken[..], [Taken::Recorded { .. }]), "{turn}: {taken:?}");
        }
        assert_eq!(registers(&shared).await.len(), 10);
        assert_eq!(codes(&shared).await, Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_a_silence_does_not_explain_is_doubted_and_what_follows_is_compared_with_the_last_good_one() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    clock.advance_to(BEGIN + 200 * MINUTE);
    // Half an hour: 5 m3 could have passed, and a step.
    let leap = subscriber.take(&message("120", BEGIN + 15 * MINUTE)).await.unwrap();
    assert!(matches!(leap[..], [Taken::Doubted(Doubt::BeyondCapacity { .. })]), "{leap:?}");
    // A slip: the next one fits.
    let good = subscriber.take(&message("121", BEGIN + 195 * MINUTE)).await.unwrap();
    assert!(matches!(good[..], [Taken::Recorded { .. }]), "{good:?}");
    // A low value, twice: held and told, and what follows is compared with the last good one.
    for (time, held) in [(196, false), (197, true)] {
        let taken = subscriber.take(&message("0", BEGIN + time * MINUTE)).await.unwrap();
        assert_eq!(matches!(taken[..], [Taken::Held(Doubt::WentBack { .. })]), held, "{taken:?}");
    }
    let good = subscriber.take(&message("121.1", BEGIN + 198 * MINUTE)).await.unwrap();
    assert!(matches!(good[..], [Taken::Recorded { .. }]), "{good:?}");
    assert_eq!(codes(&shared).await, ["reading/went-back", "meter/recovered"]);
    assert_eq!(registers(&shared).await, [121_000_000, 121_100_000]);
}

#[tokio::test]
async fn a_first_message_counts_once_the_next_confirms_it_also_after_a_new_start() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    // The ledger was never asked.
    shared.registrations.write().unwrap().clear();
    clock.advance_to(BEGIN + 60 * MINUTE);
    for _ in 0..2 {
        // The broker brings it again where it has not seen that it was taken.
        let first = subscriber.take(&message("100", BEGIN)).await.unwrap();
        assert_eq!(first, [Taken::Doubted(Doubt::First)]);
    }
    let mut subscriber = subscriber_of(&shared, "127.0.0.1:1");
    let second = subscriber.take(&message("101", BEGIN + 15 * MINUTE)).await.unwrap();
    assert!(matches!(second[..], [Taken::Recorded { .. }]), "{second:?}");
    assert_eq!(registers(&shared).await, [100 * M3, 101 * M3]);
    let entries = shared.writer.call(|journal| journal.entries(&Filter::default(), 10)).await.unwrap();
    assert_eq!(entries[0].reading.answer, message("100", BEGIN).payload, "with its own evidence");
    assert_eq!(shared.writer.call(|journal| journal.belonging(&format!("doubted {METER}"))).await.unwrap(), None);
}

#[tokio::test]
async fn a_first_message_that_the_next_does_not_confirm_is_told_and_the_next_waits_in_its_place() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    shared.registrations.write().unwrap().clear();
    clock.advance_to(BEGIN + 60 * MINUTE);
    for (volume, minute) in [("900000", 0), ("100", 15), ("101", 30)] {
        subscriber.take(&message(volume, BEGIN + minute * MINUTE)).await.unwrap();
    }
    assert_eq!(registers(&shared).await, [100 * M3, 101 * M3]);
    assert_eq!(codes(&shared).await, ["reading/unsteady", "meter/recovered"]);
}

#[tokio::test]
async fn a_register_that_starts_again_counts_from_the_message_that_shows_it_first() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    let high = Registration { register: 999_999 * M3, ..shared.registrations.read().unwrap()[&METER] };
    shared.registrations.write().unwrap().insert(METER, high);
    clock.advance_to(BEGIN + 60 * MINUTE);
    let first = subscriber.take(&message("0.5", BEGIN)).await.unwrap();
    assert!(matches!(first[..], [Taken::Doubted(Doubt::Rollover { .. })]), "{first:?}");
    let second = subscriber.take(&message("1", BEGIN + 15 * MINUTE)).await.unwrap();
    assert!(matches!(second[..], [Taken::Recorded { .. }]), "{second:?}");
    assert_eq!(registers(&shared).await, [M3 / 2, M3]);
    assert_eq!(codes(&shared).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_message_that_contradicts_a_refused_one_of_the_same_time_is_held_and_ends_no_gateway() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    clock.advance_to(BEGIN + 30 * MINUTE);
    subscriber.take(&message("101", BEGIN)).await.unwrap();
    let refuse = |journal: &mut Journal| {
        let waiting = journal.oldest_waiting(10)?;
        let id = journal.seal(&waiting, &NewBatch { bytes: vec![1], hash: vec![1; 32], expires: 100 }, BEGIN)?;
        let fate = Fate::Refused { code: "reading/beyond-capacity".into(), detail: Sentence::alike("too much") };
        journal.close(id, 7, &[(waiting[0], fate)])
    };
    shared.writer.call(refuse).await.unwrap();
    for _ in 0..2 {
        let taken = subscriber.take(&message("101.5", BEGIN)).await.unwrap();
        assert!(matches!(taken[..], [Taken::Held(Doubt::Contradicts { .. })]), "{taken:?}");
    }
    assert_eq!(codes(&shared).await, ["reading/contradiction"]);
    assert_eq!(registers(&shared).await, [101 * M3], "what was recorded stays as it was");
}

#[tokio::test]
async fn silence_is_measured_by_how_often_a_meter_tells() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    for hour in 0..3 {
        clock.advance_to(BEGIN + hour * 60 * MINUTE);
        subscriber.take(&message(&format!("{}", 100 + hour), BEGIN + hour * 60 * MINUTE)).await.unwrap();
        // What its collector had kept comes at once, and is nothing to go by.
        subscriber.take(&message(&format!("{}.5", 100 + hour), BEGIN + hour * 60 * MINUTE + 1)).await.unwrap();
    }
    for (hour, silent) in [(3, 0), (5, 0), (6, 1), (7, 1)] {
        clock.advance_to(BEGIN + hour * 60 * MINUTE + 1);
        subscriber.look_after().await.unwrap();
        assert_eq!(codes(&shared).await.len(), silent, "{hour}");
    }
    assert_eq!(codes(&shared).await, ["meter/silent"]);
}

#[tokio::test]
async fn after_a_start_a_meter_that_tells_once_a_day_is_not_silent_before_four_of_its_days() {
    const HOUR: u64 = 60 * MINUTE;
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    for day in 0..2 {
        clock.advance_to(BEGIN + day * 24 * HOUR);
        subscriber.take(&message(&format!("{}", 100 + day), BEGIN + day * 24 * HOUR)).await.unwrap();
    }
    clock.advance_to(BEGIN + 40 * HOUR);
    let mut subscriber = subscriber_of(&shared, "127.0.0.1:1");
    for (hour, silent) in [(40, 0), (41, 0), (47, 0), (135, 0), (137, 1)] {
        clock.advance_to(BEGIN + hour * HOUR);
        subscriber.look_after().await.unwrap();
        assert_eq!(codes(&shared).await.len(), silent, "{hour}");
    }
    // Of one of which nothing is known yet the interval is all that there is to go by, and it has not been heard before the start.
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    clock.advance_to(BEGIN + 10 * HOUR);
    let mut later = subscriber_of(&shared, "127.0.0.1:1");
    later.look_after().await.unwrap();
    assert_eq!(codes(&shared).await, Vec::<String>::new());
    subscriber.look_after().await.unwrap();
    assert_eq!(codes(&shared).await, ["meter/silent"]);
}

#[tokio::test]
async fn a_collector_whose_time_stands_still_while_its_meter_goes_on_is_told() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    clock.advance_to(BEGIN + 30 * MINUTE);
    // The step of its register is 1 m3.
    for volume in ["100.5", "100.5", "101"] {
        subscriber.take(&message(volume, BEGIN)).await.unwrap();
    }
    assert_eq!(codes(&shared).await, Vec::<String>::new());
    for volume in ["101.5", "102"] {
        subscriber.take(&message(volume, BEGIN)).await.unwrap();
    }
    assert_eq!(codes(&shared).await, ["reading/time-not-rising"]);
    assert_eq!(registers(&shared).await, [100_500_000]);
}

/// A connection of a broker that remembers nobody.
struct Connection {
    stream: TcpStream,
    /// What the gateway calls itself.
    id: String,
    bytes: BytesMut,
}

impl Connection {
    async fn accept(listener: &TcpListener) -> Self {
        Self::accept_asking(listener, false).await
    }

    /// Accepts a connection that asks for a session, or to have its session forgotten.
    async fn accept_asking(listener: &TcpListener, to_forget: bool) -> Self {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = Self { stream, id: String::new(), bytes: BytesMut::new() };
        let Packet::Connect(asked) = connection.next().await else { panic!("it connects first") };
        assert_eq!(asked.clean_session, to_forget);
        connection.id = asked.client_id;
        let accepted = ConnAck::new(ConnectReturnCode::Success, false);
        connection.send(|bytes| accepted.write(bytes).map(|_| ())).await;
        connection
    }

    async fn next(&mut self) -> Packet {
        loop {
            match Packet::read(&mut self.bytes, 65_536) {
                Ok(packet) => return packet,
                Err(Error::InsufficientBytes(_)) => {
                    assert_ne!(self.stream.read_buf(&mut self.bytes).await.unwrap(), 0, "the gateway has hung up");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn send(&mut self, write: impl FnOnce(&mut BytesMut) -> Result<(), Error>) {
        let mut bytes = BytesMut::new();
        write(&mut bytes).unwrap();
        self.stream.write_all(&bytes).await.unwrap();
    }

    /// Waits for the subscription, and answers it.
    async fn subscribed(&mut self) {
        let Packet::Subscribe(asked) = self.next().await else { panic!("it subscribes first") };
        assert_eq!(asked.filters[0].path, TOPIC);
        let granted = SubAck::new(asked.pkid, vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)]);
        self.send(|bytes| granted.write(bytes).map(|_| ())).await;
    }

    async fn publish(&mut self, message: Publish) {
        let message = Publish { pkid: 1, ..message };
        self.send(|bytes| message.write(bytes).map(|_| ())).await;
    }

    async fn acknowledged(&mut self) {
        assert!(matches!(self.next().await, Packet::PubAck(_)));
    }
}

#[tokio::test]
async fn after_a_brokers_restart_without_sessions_the_gateway_subscribes_again() {
    let (listener, _folder, _clock, shared, gateway) = running().await;

    let mut first = Connection::accept(&listener).await;
    first.subscribed().await;
    first.publish(message("100.5", BEGIN)).await;
    first.acknowledged().await;
    // Acknowledged is on the disk.
    assert_eq!(shared.writer.call(|journal| journal.counts()).await.unwrap().read, 1);
    // A message that the broker hands on and the gateway does not live to acknowledge comes again.
    drop(first);

    let mut second = Connection::accept(&listener).await;
    second.subscribed().await;
    second.publish(Publish { retain: true, ..message("100.5", BEGIN) }).await;
    second.acknowledged().await;
    second.publish(message("101", BEGIN + 15 * MINUTE)).await;
    second.acknowledged().await;
    assert_eq!(shared.writer.call(|journal| journal.counts()).await.unwrap().read, 2);
    gateway.abort();
    let events = shared.writer.call(|journal| journal.events(10)).await.unwrap();
    let codes: Vec<_> = events.into_iter().rev().map(|event| event.code).collect();
    assert_eq!(codes, ["line/no-connection", "line/restored"]);
}

#[tokio::test]
async fn a_collector_that_falls_silent_is_told_once_and_again_when_it_speaks() {
    let (listener, _folder, clock, shared, gateway) = running().await;
    let mut broker = Connection::accept(&listener).await;
    broker.subscribed().await;
    broker.publish(message("100.5", BEGIN + 30 * MINUTE)).await;
    broker.acknowledged().await;
    for quarter in 3..=8 {
        clock.advance_to(BEGIN + quarter * 15 * MINUTE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let told = async {
        while codes(&shared).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("silence is told");
    broker.publish(message("101", BEGIN + 120 * MINUTE)).await;
    broker.acknowledged().await;
    gateway.abort();
    assert_eq!(codes(&shared).await, ["meter/silent", "meter/recovered"]);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_or_given_up_and_the_next_one_counts() {
    let (listener, _folder, _clock, shared, gateway) = running().await;

    // Longer than any document, and read: refused by name, acknowledged, and never brought again.
    let mut first = Connection::accept(&listener).await;
    first.subscribed().await;
    first.publish(Publish::new(TOPIC, QoS::AtLeastOnce, "[".repeat(200_000))).await;
    first.acknowledged().await;
    // Too long to be read: the broker would bring it again and again.
    first.publish(Publish::new(TOPIC, QoS::AtLeastOnce, "[".repeat(2_000_000))).await;
    drop(Connection::accept_asking(&listener, true).await);
    let mut second = Connection::accept(&listener).await;
    second.subscribed().await;
    second.publish(message("100.5", BEGIN)).await;
    second.acknowledged().await;
    gateway.abort();
    assert_eq!(shared.writer.call(|journal| journal.counts()).await.unwrap().read, 1);
    let events = shared.writer.call(|journal| journal.events(10)).await.unwrap();
    let codes: Vec<_> = events.into_iter().rev().map(|event| event.code).collect();
    assert_eq!(codes, ["frame/oversize", "line/oversize", "meter/recovered"]);
}

#[tokio::test]
async fn each_reason_why_messages_are_no_readings_is_told_once_and_all_of_them_again_after_a_reading() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    clock.advance_to(BEGIN + 15 * MINUTE);
    let bad = [r#"{"volume":1}"#, r#"{"volume":"15,5","ts":1}"#, "hello", r#"{"volume":1,"ts":"2027-01-15T08:00:00"}"#];
    for round in 1..=2 {
        for document in bad.iter().chain(&bad) {
            subscriber.take(&Publish::new(TOPIC, QoS::AtLeastOnce, *document)).await.unwrap();
        }
        let events = shared.writer.call(|journal| journal.events(100)).await.unwrap();
        let told = events.iter().filter(|event| event.code != "meter/recovered").count();
        assert_eq!(told, round * bad.len(), "{events:?}");
        assert!(events.iter().all(|event| event.detail.is_in_both()), "{events:?}");
        let time = BEGIN + (round as u64 - 1) * 15 * MINUTE;
        subscriber.take(&message(&format!("10{round}"), time)).await.unwrap();
    }
}

#[tokio::test]
async fn two_gateways_with_a_bus_of_the_same_name_are_two_to_their_broker_and_each_stays_the_same() {
    let (listener, _folder, _clock, _shared, gateway) = running().await;
    let first = Connection::accept(&listener).await.id;
    assert_eq!(Connection::accept(&listener).await.id, first, "its session is there when it comes back");
    gateway.abort();
    let (listener, _folder, _clock, _shared, gateway) = running().await;
    assert_ne!(Connection::accept(&listener).await.id, first);
    gateway.abort();
}

#[tokio::test]
async fn what_a_broker_remembers_of_an_earlier_configuration_is_unsubscribed_once() {
    let (listener, _folder, _clock, _shared, gateway) = running().await;
    let mut broker = Connection::accept(&listener).await;
    broker.subscribed().await;
    for _ in 0..2 {
        broker.publish(Publish { topic: "site/other".into(), ..message("100.5", BEGIN) }).await;
    }
    let mut unsubscribed = Vec::new();
    for acknowledged in [false, true, true] {
        match broker.next().await {
            Packet::Unsubscribe(asked) if !acknowledged => unsubscribed.extend(asked.topics),
            Packet::PubAck(_) if acknowledged => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(unsubscribed, ["site/other"]);
    gateway.abort();
}

#[test]
fn a_topic_that_no_device_publishes_on_is_refused() {
    let read = |topic: &str| {
        let text = format!(
            "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"mqtt\"\naddress = \"h:1883\"\n[[meter]]\nid = \"{METER}\"\n\
             bus = \"b\"\nunit = {}\nprofile = \"lora\"\ncarrier = \"water\"\n[[profile]]\nname = \"lora\"\nprotocol = \"json\"\n\
             json = {{ value = \"/volume\", time = \"/ts\", step = \"1m3\" }}\n",
            serde_json::to_string(topic).unwrap()
        );
        Config::read(&text, Path::new(""))
    };
    for topic in ["site/water 1", "/a//b", "园区/水表"] {
        assert!(read(topic).is_ok(), "{topic}");
    }
    for topic in ["", " ", "a ", "$SYS/x", "s/\0w", "s/\u{7}w", "s\nw", "s/+", "s/#"] {
        assert!(read(topic).is_err(), "{topic:?}");
    }
}
