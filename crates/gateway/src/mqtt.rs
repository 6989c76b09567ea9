//! Meters whose collectors publish over MQTT: a subscriber, and nothing else.
//!
//! What users of other gateways lost, and what is done here: after a broker's restart without its sessions nobody is
//! subscribed any more, so all topics are subscribed anew with every connection; a retained message is old, so it is passed
//! over; a message is acknowledged when its reading is on the disk, and not before, so that the broker brings it again; when the
//! broker hands a message on says nothing, so that the document must carry the device's own time. A register that needs a
//! second look gets it from the next message. The broker knows a gateway by its bus and its journal's own number: of two that it
//! took for one, each would throw the other out and take its messages. A message too long to be read would come again with every
//! connection and stand before all others: then what the broker has kept is given up, once, and that is told. A collector that falls
//! silent says nothing of it, so that once an interval each meter's last reading is looked at.

use crate::causes;
use crate::config::{Bus, Meter};
use crate::guard::Seen;
use crate::journal::JournalError;
use crate::kept::{Kept, Shared};
use crate::poller::next_due;
use crate::profile::{self, Register};
use crate::protocol::{Refused, json};
use crate::reason::{Sentence, sentence};
pub use crate::told::Taken;
use crate::told::Told;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, Publish, QoS, StateError, SubscribeFilter,
    SubscribeReasonCode, mqttbytes,
};
use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;
use tokio::sync::mpsc;
use utilidor_types::MeterId;

/// Requests that wait for the connection: acknowledgements and one subscription.
const WAITING: usize = 1_024;
/// How often the connection is tried again.
const RECONNECT: Duration = Duration::from_secs(1);
/// How long a connection may be silent before it counts as broken.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// Bytes of a message besides its document.
const HEAD_BYTES: usize = 1_024;
/// Most topics of which the broker is told that they are not wanted any more.
const MAX_STRANGE: usize = 256;
/// Longest message that is read, to be refused by name where it is longer than a document. A longer one ends the connection.
const MAX_MESSAGE: usize = 1 << 20;

struct Subscribed {
    told: Told,
    topic: String,
}

/// What a subscriber tells who listens to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The broker has its subscriptions: what is published now arrives.
    Subscribed,
    /// What became of a message for a meter.
    Message(MeterId, Taken),
}

/// Takes the messages of a broker.
pub struct Subscriber {
    bus: Bus,
    subscribed: Vec<Subscribed>,
    /// What the broker brings though it is no meter's: topics of an earlier configuration, whose subscription it remembers.
    strange: BTreeSet<String>,
    /// Topics that the broker did not give when it was asked last.
    refused: BTreeSet<String>,
    shared: Shared,
    /// When it is looked next which meters are silent.
    due_ms: u64,
    /// Who is told of all that is heard.
    listener: Option<mpsc::UnboundedSender<Heard>>,
}

impl Subscriber {
    /// A subscriber of `bus` for its `meters`.
    pub fn new(bus: Bus, meters: Vec<Meter>, shared: Shared) -> Self {
        let subscribed = meters.into_iter().map(|meter| {
            let topic = meter.address();
            let told = Told::new(Kept::new(meter, bus.protocol.name(), shared.clone()));
            Subscribed { told, topic }
        });
        let due_ms = next_due(shared.watch.clock().now_ms(), shared.interval_ms, 0);
        let (strange, refused) = (BTreeSet::new(), BTreeSet::new());
        Self { subscribed: subscribed.collect(), strange, refused, bus, shared, due_ms, listener: None }
    }

    /// The same, telling `listener` of all that it hears; for who plays both sides.
    #[must_use]
    pub fn heard_by(self, listener: mpsc::UnboundedSender<Heard>) -> Self {
        Self { listener: Some(listener), ..self }
    }

    fn tell(&self, heard: Heard) {
        if let Some(listener) = &self.listener {
            // Whoever does not listen any more need not be told.
            let _ = listener.send(heard);
        }
    }

    /// Takes messages until the journal fails.
    pub async fn run(mut self) -> JournalError {
        let mut was_lost = false;
        let number = match self.shared.writer.call(|journal| journal.number()).await {
            Ok(number) => number,
            Err(error) => return error,
        };
        let id = format!("utilidor-gateway-{}-{number}", self.bus.name);
        loop {
            // A new client for each connection: whatever state the last one was left in is gone with it. The broker keeps what
            // comes while the gateway is away.
            let (client, mut events) = self.client(&id, false);
            let lost = loop {
                match self.next(&client, &mut events).await {
                    Ok(Ok(true)) if was_lost => {
                        was_lost = false;
                        if let Err(error) = self.note("line/restored", restored()).await {
                            return error;
                        }
                    }
                    Ok(Ok(_)) => {}
                    Ok(Err(lost)) => break lost,
                    Err(error) => return error,
                }
            };
            if let Some(bytes) = oversize(&lost) {
                let detail = sentence!(
                    "a message of {bytes} bytes came, {MAX_MESSAGE} are the most: what the broker at {} had kept for the gateway is \
                     given up with it",
                    "收到 {bytes} 字节的消息，最多 {MAX_MESSAGE} 字节：{} 的代理为网关保留的内容随之放弃",
                    self.bus.place
                );
                tracing::warn!(bus = self.bus.name, "{detail}");
                if let Err(error) = self.note("line/oversize", detail).await {
                    return error;
                }
                self.give_up_kept(&id).await;
            } else if !was_lost {
                was_lost = true;
                let lost = causes::told_with(&lost, in_chinese);
                let detail = sentence!(
                    "no connection to the broker at {}: {lost}",
                    "无法连接 {} 的代理：{lost}",
                    self.bus.place
                );
                tracing::warn!(bus = self.bus.name, "{detail}");
                if let Err(error) = self.note("line/no-connection", detail).await {
                    return error;
                }
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    /// Lets the broker forget what it has kept for the gateway: a connection without a session of its own ends the one before.
    async fn give_up_kept(&self, id: &str) {
        let (_client, mut events) = self.client(id, true);
        let forgotten =
            async { while !matches!(events.poll().await, Ok(Event::Incoming(Incoming::ConnAck(_))) | Err(_)) {} };
        let _ = tokio::time::timeout(KEEP_ALIVE, forgotten).await;
    }

    /// A client that connects with its first event.
    fn client(&self, id: &str, forgets: bool) -> (AsyncClient, EventLoop) {
        let address = self.bus.place.to_string();
        let (host, port) = address.rsplit_once(':').unwrap_or((address.as_str(), "1883"));
        let port = port.parse().unwrap_or(1_883);
        let mut options = MqttOptions::new(id, host.trim_start_matches('[').trim_end_matches(']'), port);
        options
            .set_keep_alive(KEEP_ALIVE)
            .set_clean_session(forgets)
            .set_manual_acks(true)
            .set_max_packet_size(MAX_MESSAGE, self.subscription_bytes());
        if let Some((user, password)) = &self.bus.login {
            options.set_credentials(user, password);
        }
        AsyncClient::new(options, WAITING)
    }

    fn subscription_bytes(&self) -> usize {
        HEAD_BYTES + self.subscribed.iter().map(|subscribed| subscribed.topic.len() + 8).sum::<usize>()
    }

    /// Takes the next event of a connection.
    async fn next(
        &mut self,
        client: &AsyncClient,
        events: &mut EventLoop,
    ) -> Result<Result<bool, ConnectionError>, JournalError> {
        let mut polled = std::pin::pin!(events.poll());
        let event = loop {
            let clock = self.shared.watch.clock().clone();
            tokio::select! {
                event = &mut polled => break event,
                () = clock.until(self.due_ms) => {
                    self.due_ms = next_due(clock.now_ms(), self.shared.interval_ms, 0);
                    self.look_after().await?;
                }
            }
        };
        let event = match event {
            Ok(event) => event,
            Err(error) => return Ok(Err(error)),
        };
        match event {
            // With every connection, whether the broker says that it remembers or not.
            Event::Incoming(Incoming::ConnAck(_)) => {
                let filters = self.topics().into_iter().map(|topic| SubscribeFilter::new(topic, QoS::AtLeastOnce));
                let queued = client.try_subscribe_many(filters);
                debug_assert!(
                    queued.is_ok() || self.subscribed.is_empty(),
                    "a new connection's queue has room for its subscription"
                );
            }
            Event::Incoming(Incoming::SubAck(answer)) => {
                let answers = self.topics().into_iter().zip(answer.return_codes);
                let refused = answers.filter(|(_, code)| *code == SubscribeReasonCode::Failure).map(|(topic, _)| topic);
                self.refused(refused.collect()).await?;
                self.tell(Heard::Subscribed);
                return Ok(Ok(true));
            }
            Event::Incoming(Incoming::Publish(message)) => {
                let taken = self.take(&message).await?;
                if taken == [Taken::Strange]
                    && self.strange.len() < MAX_STRANGE
                    && self.strange.insert(message.topic.clone())
                {
                    tracing::warn!(bus = self.bus.name, topic = message.topic, "no meter publishes there any more");
                    let _ = client.try_unsubscribe(&message.topic);
                }
                let _ = client.try_ack(&message);
            }
            _ => {}
        }
        Ok(Ok(false))
    }

    /// The topics of its meters, each once, in the order in which they are asked for.
    fn topics(&self) -> Vec<String> {
        let topics: BTreeSet<_> = self.subscribed.iter().map(|subscribed| subscribed.topic.clone()).collect();
        topics.into_iter().collect()
    }

    /// Tells the operator of topics that the broker gives to nobody by this name, once of each.
    async fn refused(&mut self, topics: BTreeSet<String>) -> Result<(), JournalError> {
        let new: Vec<_> = topics.difference(&self.refused).map(Sentence::alike).collect();
        if !new.is_empty() {
            let detail = sentence!(
                "the broker at {} refuses the subscription to {}",
                "{} 的代理拒绝订阅 {}",
                self.bus.place,
                Sentence::joined(&new)
            );
            tracing::warn!(bus = self.bus.name, "{detail}");
            self.note("line/not-subscribed", detail).await?;
        }
        self.refused = topics;
        Ok(())
    }

    /// Takes what waited for its time to come, and tells the operator of the meters that have told nothing for long.
    pub async fn look_after(&mut self) -> Result<(), JournalError> {
        for subscribed in &mut self.subscribed {
            subscribed.told.take_due().await?;
            subscribed.told.tell_silence().await?;
        }
        Ok(())
    }

    /// Takes a message: for each meter on its topic what became of it.
    pub async fn take(&mut self, message: &Publish) -> Result<Vec<Taken>, JournalError> {
        if message.retain {
            return Ok(vec![Taken::Retained]);
        }
        let mut taken = Vec::new();
        for place in 0..self.subscribed.len() {
            if self.subscribed[place].topic == message.topic {
                let of_meter = self.take_for(place, message).await?;
                self.tell(Heard::Message(self.subscribed[place].told.kept.meter.id, of_meter.clone()));
                taken.push(of_meter);
            }
        }
        if taken.is_empty() {
            taken.push(Taken::Strange);
        }
        Ok(taken)
    }

    async fn take_for(&mut self, place: usize, message: &Publish) -> Result<Taken, JournalError> {
        let told = &mut self.subscribed[place].told;
        let seen = read(&told.kept.meter, message);
        told.take(seen, message.topic.as_bytes(), &message.payload).await
    }

    async fn note(&self, code: &str, detail: Sentence) -> Result<(), JournalError> {
        self.shared.note(None, code, detail, None).await
    }
}

/// The broker answers after it did not.
fn restored() -> Sentence {
    sentence!("the broker answers again", "代理恢复应答")
}

/// Why there is no connection, in Chinese: what follows from it for whoever sets the gateway up.
fn in_chinese(error: &(dyn Error + 'static)) -> Option<String> {
    use rumqttc::ConnectReturnCode as Code;
    if let Some(error) = error.downcast_ref::<StateError>() {
        return match error {
            StateError::AwaitPingResp => Some("代理不再应答".into()),
            StateError::ConnectionAborted => Some("代理关闭了连接".into()),
            StateError::Io(_) => Some("网络故障".into()),
            _ => None,
        };
    }
    let told = match error.downcast_ref::<ConnectionError>()? {
        ConnectionError::ConnectionRefused(code) => match code {
            Code::BadUserNamePassword => "代理拒绝连接：用户名或口令有误",
            Code::NotAuthorized => "代理拒绝连接：未获授权",
            Code::ServiceUnavailable => "代理拒绝连接：服务不可用",
            Code::BadClientId => "代理拒绝连接：不接受网关的名称",
            Code::RefusedProtocolVersion => "代理拒绝连接：不支持此协议版本",
            Code::Success => return None,
        },
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => "超时",
        ConnectionError::Io(_) => "网络故障",
        ConnectionError::NotConnAck(_) => "对方的应答不是 MQTT",
        ConnectionError::MqttState(_) => "连接已中断",
        _ => return None,
    };
    Some(told.into())
}

/// The length of a message for which a connection was given up.
const fn oversize(lost: &ConnectionError) -> Option<usize> {
    match lost {
        ConnectionError::MqttState(StateError::Deserialization(mqttbytes::Error::PayloadSizeLimitExceeded(bytes))) => {
            Some(*bytes)
        }
        _ => None,
    }
}

/// The register that a message shows, and the device's time of it.
fn read(meter: &Meter, message: &Publish) -> Result<Seen, Refused> {
    let Register::Json(description) = &meter.profile.register else {
        unreachable!("a configuration gives each meter a profile of its bus's protocol")
    };
    let document = json::decode(&message.payload, &message.topic, description)?;
    let quantity = profile::quantity_floor(&document.telegram, meter.carrier, meter.ratio)?;
    Ok(Seen { time_ms: document.time_ms, register: quantity.0 })
}

impl std::fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let meters = self.subscribed.len();
        f.debug_struct("Subscriber").field("bus", &self.bus.name).field("meters", &meters).finish_non_exhaustive()
    }
}
