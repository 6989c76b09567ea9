//! Messages over MQTT: what is taken, what is passed over, and a broker that restarts without its sessions.

use bytes::BytesMut;
use rumqttc::QoS;
use rumqttc::mqttbytes::Error;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, Publish, SubAck, SubscribeReasonCode};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::config::Config;
use utilidor_gateway::guard::Doubt;
use utilidor_gateway::journal::{Filter, Journal, JournalError};
use utilidor_gateway::kept::{Registration, Registrations, Shared, begin_stretch};
use utilidor_gateway::mqtt::{Subscriber, Taken};
use utilidor_gateway::writer::Writer;
use utilidor_types::MeterId;

const BEGIN: u64 = 1_800_000_000_000;
const MINUTE: u64 = 60_000;
const M3: u64 = 1_000_000;
const METER: MeterId = MeterId([1; 16]);
const TOPIC: &str = "site/water-1";

async fn site(address: &str) -> (tempfile::TempDir, SetClock, Shared, Subscriber) {
    let text = format!(
        "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"mqtt\"\naddress = \"{address}\"\n[[meter]]\nid = \"{METER}\"\n\
         bus = \"b\"\nunit = \"{TOPIC}\"\nprofile = \"lora\"\ncarrier = \"water\"\n[[profile]]\nname = \"lora\"\nprotocol = \"json\"\n\
         json = {{ value = \"/volume\", time = \"/ts\", step = \"1m3\" }}\n"
    );
    let config = Config::read(&text, Path::new("")).unwrap();
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
    };
    registrations.write().unwrap().insert(METER, known);
    let shared = Shared { watch, writer, registrations, interval_ms: 15 * MINUTE, metrics: Default::default() };
    let subscriber = Subscriber::new(config.buses[0].clone(), config.meters.clone(), shared.clone());
    (folder, clock, shared, subscriber)
}

/// A gateway that subscribes at a broker's address, half an hour later.
async fn running() -> (TcpListener, tempfile::TempDir, Shared, JoinHandle<JournalError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (folder, clock, shared, subscriber) = site(&listener.local_addr().unwrap().to_string()).await;
    clock.advance_to(BEGIN + 30 * MINUTE);
    (listener, folder, shared, tokio::spawn(subscriber.run()))
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

#[tokio::test]
async fn what_is_old_or_no_reading_is_passed_over() {
    let (_folder, _clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    let retained = Publish { retain: true, ..message("100.5", BEGIN) };
    assert_eq!(subscriber.take(&retained).await.unwrap(), [Taken::Retained]);
    let strange = Publish { topic: "site/other".into(), ..message("100.5", BEGIN) };
    assert_eq!(subscriber.take(&strange).await.unwrap(), [Taken::Strange]);
    for (volume, time, code) in [
        ("100.5", BEGIN + 2 * MINUTE, "register/invalid"),
        ("100.5", BEGIN - 8 * 86_400_000, "register/invalid"),
        ("null", BEGIN, "register/absent"),
        ("-1", BEGIN, "register/negative"),
    ] {
        assert_eq!(subscriber.take(&message(volume, time)).await.unwrap(), [Taken::Refused(code)], "{volume} {time}");
    }
    assert_eq!(shared.writer.call(|journal| journal.counts()).await.unwrap().read, 0);
}

#[tokio::test]
async fn a_doubted_register_counts_once_the_next_message_confirms_it() {
    let (_folder, clock, shared, mut subscriber) = site("127.0.0.1:1").await;
    clock.advance_to(BEGIN + 200 * MINUTE);
    // A long silence: 30 m3 could have passed.
    let first = subscriber.take(&message("120", BEGIN + 180 * MINUTE)).await.unwrap();
    assert!(matches!(first[..], [Taken::Doubted(Doubt::AfterSilence { .. })]), "{first:?}");
    let second = subscriber.take(&message("121", BEGIN + 195 * MINUTE)).await.unwrap();
    assert!(matches!(second[..], [Taken::Recorded { register, .. }] if register == 121 * M3), "{second:?}");
    // A low value, twice: held and told, and what follows is compared with the last good one.
    for (time, held) in [(196, false), (197, true)] {
        let taken = subscriber.take(&message("0", BEGIN + time * MINUTE)).await.unwrap();
        assert_eq!(matches!(taken[..], [Taken::Held(Doubt::WentBack { .. })]), held, "{taken:?}");
    }
    let good = subscriber.take(&message("121.1", BEGIN + 198 * MINUTE)).await.unwrap();
    assert!(matches!(good[..], [Taken::Recorded { .. }]), "{good:?}");
    let events = shared.writer.call(|journal| journal.events(10)).await.unwrap();
    let codes: Vec<_> = events.into_iter().rev().map(|event| event.code).collect();
    assert_eq!(codes, ["reading/went-back", "meter/recovered"]);
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
    let (listener, _folder, shared, gateway) = running().await;

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
async fn a_message_that_is_too_long_is_refused_or_given_up_and_the_next_one_counts() {
    let (listener, _folder, shared, gateway) = running().await;

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
async fn two_gateways_with_a_bus_of_the_same_name_are_two_to_their_broker_and_each_stays_the_same() {
    let (listener, _folder, _shared, gateway) = running().await;
    let first = Connection::accept(&listener).await.id;
    assert_eq!(Connection::accept(&listener).await.id, first, "its session is there when it comes back");
    gateway.abort();
    let (listener, _folder, _shared, gateway) = running().await;
    assert_ne!(Connection::accept(&listener).await.id, first);
    gateway.abort();
}

#[tokio::test]
async fn what_a_broker_remembers_of_an_earlier_configuration_is_unsubscribed_once() {
    let (listener, _folder, _shared, gateway) = running().await;
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
