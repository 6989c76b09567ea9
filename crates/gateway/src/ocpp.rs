//! Charging stations that tell their meters by OCPP 1.6 or 2.0.1 over WebSocket: their central system, as far as meters need one.
//!
//! ```text
//! station ──ws://gateway/STATION──> call ──> readings in the journal ──> answer
//! ```
//!
//! A call is answered when its readings are on the disk, and not before: what is not answered a station sends again. The same
//! reading twice stands once. The meter at a connector (by 2.0.1: at an EVSE) is `unit = "STATION/CONNECTOR"`; 0 is the station's main
//! meter.
//!
//! Where devices sign, their records are kept byte for byte, one a line, in a file that `utilidor reading record --ocmf` takes; the
//! plain register of such a meter is not recorded beside them.
//!
//! Whoever can reach the port could pretend to be a station, so that it is this machine's alone or asks for a password (Basic
//! authentication, the security profile 1 of OCPP). Nothing is ever asked of a station or set in it. Who may charge stands in the
//! configuration; what a station delivers to others all the same is a reading like any other.

mod places;

use self::places::{Held, Places};
use crate::causes;
use crate::config::{Bus, Meter, Place};
use crate::guard::Seen;
use crate::journal::JournalError;
use crate::kept::{Kept, SILENT_INTERVALS, Shared};
use crate::poller::next_due;
use crate::profile;
use crate::protocol::ocpp::{self, Answering, Call, Said, Shown, ShownValue, Version};
use crate::reason::sentence;
use crate::signed;
use crate::told::{Taken, Told};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::{SinkExt as _, StreamExt as _};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};

/// How long a station may take to open its connection, and to take an answer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a station may say nothing: twice the heartbeat that it is asked for, and a little.
const SILENCE: Duration = Duration::from_secs(660);
/// Most that waits for a station to read it, the library's answers to its pings among it.
const MAX_UNREAD: usize = 8 * ocpp::MAX_MESSAGE;
/// How long nothing more is told of what a station says and nobody understands.
const TOLD_AGAIN_MS: u64 = 3_600_000;
/// Messages one after the other that cannot be understood, after which a connection ends.
const MAX_STRANGE_MESSAGES: u32 = 100;
/// Most unknown tokens that are told of, each once.
const MAX_TOLD_TOKENS: usize = 256;
/// Connectors that a transaction's number can tell apart.
const CONNECTORS: i64 = crate::config::CONNECTORS as i64;

/// The central system of one bus.
pub struct Central {
    bus: Bus,
    /// Each by itself: while one is written to the disk, all others are heard.
    meters: BTreeMap<String, Mutex<Told>>,
    /// Where the signed records of a meter go, by its unit. Whoever writes one holds its lock.
    signed: BTreeMap<String, Arc<Mutex<PathBuf>>>,
    /// Tokens that nobody has named, and of which the operator was told.
    told_tokens: std::sync::Mutex<BTreeSet<String>>,
    /// When each station that a meter names was heard last by the monotonic clock, were it only its heart.
    heard: std::sync::Mutex<BTreeMap<String, u64>>,
    /// When it was told last, by the same clock, of each station that a meter names that nobody understands it.
    told_strange: std::sync::Mutex<BTreeMap<String, u64>>,
    shared: Shared,
}

impl Central {
    /// A central system of `bus` for its `meters`; signed records go into the folder `signed`.
    pub fn new(bus: Bus, meters: Vec<Meter>, signed: &Path, shared: Shared) -> Self {
        let file = |meter: &Meter| Arc::new(Mutex::new(signed::file(signed, meter.id)));
        let signed =
            meters.iter().filter(|meter| signed::signs(meter)).map(|meter| (meter.address(), file(meter))).collect();
        let told = meters.into_iter().map(|meter| {
            let unit = meter.address();
            (unit, Mutex::new(Told::new(Kept::new(meter, bus.protocol.name(), shared.clone()))))
        });
        Self {
            meters: told.collect(),
            bus,
            signed,
            told_tokens: Default::default(),
            heard: Default::default(),
            told_strange: Default::default(),
            shared,
        }
    }

    /// Listens at the bus's address and serves until the journal fails.
    pub async fn run(self) -> JournalError {
        let Place::Tcp(address) = self.bus.place.clone() else {
            unreachable!("a configuration puts charging stations at an address")
        };
        let mut was_told = false;
        let listener = loop {
            match TcpListener::bind(&address).await {
                Ok(listener) => break listener,
                Err(error) => {
                    if !std::mem::replace(&mut was_told, true) {
                        let error = causes::told(&error);
                        let detail = sentence!(
                            "stations cannot be heard at {address}: {error}",
                            "无法在 {address} 接听充电桩：{error}"
                        );
                        tracing::warn!(bus = self.bus.name, "{detail}");
                        if let Err(error) = self.shared.note(None, "line/no-connection", detail, None).await {
                            return error;
                        }
                    }
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
        };
        self.serve(listener).await
    }

    /// Serves the stations that come, until the journal fails.
    pub async fn serve(self, listener: TcpListener) -> JournalError {
        let password = self.bus.login.clone().map(|(_, password)| password);
        let central = Arc::new(self);
        let places = Places::default();
        // They end with this: each of them has the journal.
        let mut stations = JoinSet::new();
        let clock = central.shared.watch.clock().clone();
        let next = || next_due(clock.now_ms(), central.shared.interval_ms, 0);
        let began_ms = clock.monotonic_ms();
        let mut due_ms = next();
        if let Err(error) = central.remember_signed().await {
            return error;
        }
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = clock.until(due_ms) => {
                    due_ms = next();
                    if let Err(error) = central.look_after(began_ms).await {
                        return error;
                    }
                    continue;
                }
                Some(ended) = stations.join_next() => match ended {
                    Ok(Err(error)) => return error,
                    // It is gone, or a bug has ended it and no other.
                    Ok(Ok(())) | Err(_) => continue,
                },
            };
            let Ok((stream, _)) = accepted else {
                // Too many open files: whoever comes next is heard later.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let (place, central, password) = (places.open(), central.clone(), password.clone());
            stations.spawn(async move { station(&central, stream, password, place).await });
        }
    }

    /// Remembers the newest records that were signed before this start.
    async fn remember_signed(&self) -> Result<(), JournalError> {
        for (unit, file) in &self.signed {
            let file = file.lock().await.clone();
            let newest = move || signed::records(&file).ok().and_then(|records| signed::newest(records.last()?));
            let newest = tokio::task::spawn_blocking(newest).await.ok().flatten();
            if let Some((seen, told)) = newest.zip(self.meters.get(unit)) {
                told.lock().await.kept.kept_signed(seen).await?;
            }
        }
        Ok(())
    }

    /// Takes what waited for its time to come, and tells the operator of the meters of stations that were not heard for long, or not
    /// since `began_ms`. Between sessions a heart is enough.
    async fn look_after(&self, began_ms: u64) -> Result<(), JournalError> {
        let now_ms = self.shared.watch.clock().monotonic_ms();
        let long_ms = self.shared.interval_ms.saturating_mul(SILENT_INTERVALS);
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (unit, told) in &self.meters {
            let mut told = told.lock().await;
            told.take_due().await?;
            let station = unit.rsplit_once('/').map_or(unit.as_str(), |(station, _)| station);
            let heard_ms = heard.get(station).copied().unwrap_or(began_ms);
            if now_ms.saturating_sub(heard_ms) >= long_ms {
                // What counts is whether the station is heard, not how its sessions lie.
                told.kept.usual_ms = 0;
                told.kept.tell_silence().await?;
            }
        }
        Ok(())
    }

    /// Remembers that a station that a meter names was heard.
    fn is_heard(&self, station: &str) {
        let now_ms = self.shared.watch.clock().monotonic_ms();
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(station.into(), now_ms);
    }

    /// Whether the operator is to be told that nobody understands a station: anybody can be one that no meter names, and one that
    /// sends again what is not answered, or connects again, would drive all else from the journal's events.
    fn is_told_strange(&self, station: &str) -> bool {
        let now_ms = self.shared.watch.clock().monotonic_ms();
        let mut told = self.told_strange.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = told.get(station).is_none_or(|told_ms| now_ms.saturating_sub(*told_ms) >= TOLD_AGAIN_MS);
        if is_due {
            told.insert(station.into(), now_ms);
        }
        is_due
    }

    /// Whether a meter is at one of a station's connectors.
    fn names(&self, station: &str) -> bool {
        self.meters.keys().any(|unit| unit.rsplit_once('/').is_some_and(|(of, _)| of == station))
    }

    /// Takes a call of a station. What is signed is left to whoever asks.
    async fn hear(&self, station: &str, call: &Call, text: &str) -> Result<Heard, JournalError> {
        let mut signed = Vec::new();
        let mut taken = Vec::new();
        let mut transaction = 0;
        let mut is_known = true;
        match &call.said {
            Said::Authorize { token } => is_known = self.knows(station, token).await?,
            Said::Start { token, shown } => {
                is_known = self.knows(station, token).await?;
                transaction = number(shown);
                taken.push(self.take_value(station, shown, text, &mut signed).await?);
                self.open(station, shown.connector, transaction.to_string()).await?;
            }
            Said::Event { transaction, connector, begins, token, values } => {
                if let Some(token) = token {
                    is_known = self.knows(station, token).await?;
                }
                if let (true, Some(connector)) = (*begins, *connector) {
                    self.open(station, connector, transaction.clone()).await?;
                }
                let connector = match connector {
                    Some(connector) => Some(*connector),
                    None => self.connector_of(station, transaction).await?,
                };
                for value in values {
                    taken.push(match connector {
                        Some(connector) => {
                            let value = Shown { connector, ..value.clone() };
                            self.take_value(station, &value, text, &mut signed).await?
                        }
                        None => Taken::Strange,
                    });
                }
            }
            Said::Stop { transaction, end, values } => {
                // The call names no connector: it is the one whose open transaction has this number.
                let connector = u32::try_from(transaction.rem_euclid(CONNECTORS)).unwrap_or_default();
                let key = open_key(station, connector);
                let open = self.shared.writer.call(move |journal| journal.belonging(&key)).await?;
                if open == Some(transaction.to_string()) {
                    for value in values.iter().chain([end]) {
                        let value = Shown { connector, ..value.clone() };
                        taken.push(self.take_value(station, &value, text, &mut signed).await?);
                    }
                } else {
                    taken.push(Taken::Strange);
                }
            }
            Said::Values(values) => {
                for value in values {
                    taken.push(self.take_value(station, value, text, &mut signed).await?);
                }
            }
            Said::Boot | Said::Heartbeat | Said::Other | Said::Unasked { .. } | Said::Unknown { .. } => {}
        }
        Ok(Heard { taken, signed, transaction, is_known, now_ms: self.shared.watch.clock().now_ms() })
    }

    /// Whether whoever shows this token may charge. The operator is told once of one who may not.
    async fn knows(&self, station: &str, token: &str) -> Result<bool, JournalError> {
        if self.bus.tokens.accept(token) {
            return Ok(true);
        }
        let is_new = {
            let mut told = self.told_tokens.lock().unwrap_or_else(PoisonError::into_inner);
            told.len() < MAX_TOLD_TOKENS && told.insert(token.into())
        };
        if is_new {
            let detail = sentence!(
                "station {station}: {token:?} may not charge: add {token:?} to the tokens of [[bus]] {:?}, or write tokens = \"any\"",
                "充电桩 {station}：{token:?} 不得充电：请将 {token:?} 加入 [[bus]] {:?} 的 tokens，或写 tokens = \"any\"",
                self.bus.name
            );
            tracing::warn!(bus = self.bus.name, "{detail}");
            self.shared.note(None, "ocpp/unknown-token", detail, None).await?;
        }
        Ok(false)
    }

    /// Remembers which transaction is open at a connector with a meter.
    async fn open(&self, station: &str, connector: u32, transaction: String) -> Result<(), JournalError> {
        if self.meters.contains_key(&format!("{station}/{connector}")) {
            let key = open_key(station, connector);
            self.shared.writer.call(move |journal| journal.remember(&key, &transaction)).await?;
        }
        Ok(())
    }

    /// The connector with a meter where this transaction is open.
    async fn connector_of(&self, station: &str, transaction: &str) -> Result<Option<u32>, JournalError> {
        let of_station = self.meters.keys().filter_map(|unit| unit.rsplit_once('/'));
        let connectors = of_station.filter(|(name, _)| *name == station);
        let connectors: Vec<u32> = connectors.filter_map(|(_, connector)| connector.parse().ok()).collect();
        for connector in connectors {
            let key = open_key(station, connector);
            let open = self.shared.writer.call(move |journal| journal.belonging(&key)).await?;
            if open.as_deref() == Some(transaction) {
                return Ok(Some(connector));
            }
        }
        Ok(None)
    }

    async fn take_value(
        &self,
        station: &str,
        shown: &Shown,
        text: &str,
        signed: &mut Vec<Signed>,
    ) -> Result<Taken, JournalError> {
        let unit = format!("{station}/{}", shown.connector);
        let Some(told) = self.meters.get(&unit) else { return Ok(Taken::Strange) };
        let file = self.signed.get(&unit);
        match (&shown.value, file) {
            (ShownValue::Signed(record), Some(file)) => {
                signed.push(Signed { unit, file: file.clone(), record: record.clone() });
                return Ok(Taken::Known);
            }
            // Either counts, and never both.
            (ShownValue::Signed(_), None) | (_, Some(_)) => return Ok(Taken::Strange),
            (_, None) => {}
        }
        let mut told = told.lock().await;
        let meter = &told.kept.meter;
        let telegram = shown.telegram(station).expect("a value that is not signed is a register");
        let seen = profile::quantity_floor(&telegram, meter.carrier, meter.ratio)
            .map(|quantity| Seen { time_ms: shown.time_ms, register: quantity.0 });
        told.take(seen, station.as_bytes(), text.as_bytes()).await
    }
}

/// What was heard in a call.
struct Heard {
    /// What became of its values.
    taken: Vec<Taken>,
    /// What is still to be kept of them.
    signed: Vec<Signed>,
    /// The number of the transaction that begins.
    transaction: i64,
    /// Whether whoever charges may.
    is_known: bool,
    now_ms: u64,
}

/// A signed record of the meter at `unit`, and its file.
struct Signed {
    unit: String,
    file: Arc<Mutex<PathBuf>>,
    record: String,
}

/// Takes a call of a station: what became of its values, and the answer.
async fn take(
    central: &Central,
    station: &str,
    version: Version,
    call: &Call,
    text: &str,
) -> Result<(Vec<Taken>, String), JournalError> {
    let Heard { mut taken, signed, transaction, is_known, now_ms } = central.hear(station, call, text).await?;
    for Signed { unit, file, record } in signed {
        let Some(told) = central.meters.get(&unit) else { continue };
        taken.push(told.lock().await.take_signed(record, &file).await?);
    }
    let is_kept = !taken.iter().any(|taken| matches!(taken, Taken::Refused(code) if signed::comes_again(code)));
    let answer = match is_kept {
        true => {
            let interval_ms = central.shared.interval_ms;
            ocpp::answer(call, version, Answering { now_ms, interval_ms, transaction, is_known })
        }
        false => ocpp::not_kept(call),
    };
    Ok((taken, answer))
}

/// The number of a transaction: its second, and its connector. A start that is sent again gets the same.
fn number(start: &Shown) -> i64 {
    /// A year and more of seconds, so that the number has 31 bits.
    const SECONDS: u64 = 1 << 25;
    let second = i64::try_from(start.time_ms / 1_000 % SECONDS).unwrap_or_default();
    second * CONNECTORS + i64::from(start.connector) % CONNECTORS
}

fn open_key(station: &str, connector: u32) -> String {
    format!("transaction {station}/{connector}")
}

/// Who a station says it is and what it speaks, if it may: the last part of the path, and the password where there is one.
fn identify(request: &Request, password: Option<&str>) -> Result<(String, Version), StatusCode> {
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    if !ocpp::is_station(name) {
        return Err(StatusCode::NOT_FOUND);
    }
    let asked = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    let mut asked = asked.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    // The first of those that it offers: it offers what it likes best first.
    let known = |offered: &str| Version::ALL.into_iter().find(|version| version.subprotocol() == offered.trim());
    let version = asked.find_map(known).ok_or(StatusCode::BAD_REQUEST)?;
    if let Some(password) = password {
        let expected = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
        let given = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
        // Compared whole whatever it is, so that the time says nothing of how much was right.
        let differ = given
            .iter()
            .zip(expected.as_bytes())
            .fold(given.len() ^ expected.len(), |differ, (a, b)| differ | usize::from(a ^ b));
        if differ != 0 {
            return Err(StatusCode::UNAUTHORIZED);
        }
    }
    Ok((name.into(), version))
}

/// Serves one station until it goes, or somebody newer has its place. Fails only if the journal does.
async fn station(
    central: &Central,
    stream: TcpStream,
    password: Option<String>,
    mut place: Held,
) -> Result<(), JournalError> {
    let mut identified = None;
    #[expect(clippy::result_large_err, reason = "the library's own answer")]
    let callback = |request: &Request, mut response: Response| match identify(request, password.as_deref()) {
        Ok(found) => {
            let protocol = HeaderValue::from_static(found.1.subprotocol());
            identified = Some(found);
            response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, protocol);
            Ok(response)
        }
        Err(status) => {
            let mut refused = ErrorResponse::new(None);
            *refused.status_mut() = status;
            Err(refused)
        }
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(2 * ocpp::MAX_MESSAGE))
        .max_frame_size(Some(2 * ocpp::MAX_MESSAGE))
        .write_buffer_size(ocpp::MAX_MESSAGE)
        .max_write_buffer_size(MAX_UNREAD);
    let opening = tokio_tungstenite::accept_hdr_async_with_config(stream, callback, Some(config));
    // Whoever does not come to an opened connection is simply gone.
    let opened = tokio::select! {
        opened = tokio::time::timeout(HANDSHAKE, opening) => opened,
        _ = &mut place.displaced => return Ok(()),
    };
    let Ok(Ok(mut socket)) = opened else { return Ok(()) };
    let Some((name, version)) = identified else { return Ok(()) };
    let is_named = central.names(&name);
    if !place.settle(&name, is_named) {
        central.shared.metrics.failed("ocpp/full");
        tracing::warn!(station = name, "no meter names the station, and there are too many of these");
        return Ok(());
    }
    let mut strange = 0;
    loop {
        let heard = tokio::select! {
            heard = tokio::time::timeout(SILENCE, socket.next()) => heard,
            _ = &mut place.displaced => return Ok(()),
        };
        let Ok(Some(Ok(message))) = heard else { return Ok(()) };
        if is_named {
            central.is_heard(&name);
        }
        let text = match &message {
            Message::Text(text) => text.as_str(),
            Message::Close(_) => return Ok(()),
            // The library answers pings.
            _ => continue,
        };
        let answer = match ocpp::call(text, version) {
            Ok(None) => continue,
            Ok(Some(call)) => {
                let (taken, answer) = take(central, &name, version, &call, text).await?;
                tracing::debug!(station = name, ?taken, "a station has spoken");
                strange = 0;
                answer
            }
            Err(refused) => {
                let (code, bytes) = (refused.code(), text.as_bytes().to_vec());
                central.shared.metrics.failed(code);
                if is_named && central.is_told_strange(&name) {
                    let refused = refused.sentence();
                    let detail = sentence!("station {name}: {refused}", "充电桩 {name}：{refused}");
                    central.shared.note(None, code, detail, Some(bytes)).await?;
                }
                // Whatever else it says may be a reading; who says nothing else speaks something else.
                strange += 1;
                if strange > MAX_STRANGE_MESSAGES {
                    return Ok(());
                }
                match ocpp::refusal(text, version, &refused) {
                    Some(answer) => answer,
                    None => continue,
                }
            }
        };
        // Whoever takes nothing in would keep its place, and all that was said for it, for ever.
        let sent = tokio::select! {
            sent = tokio::time::timeout(HANDSHAKE, socket.send(Message::text(answer))) => sent,
            _ = &mut place.displaced => return Ok(()),
        };
        let Ok(Ok(())) = sent else { return Ok(()) };
    }
}

impl std::fmt::Debug for Central {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let meters = self.meters.len();
        f.debug_struct("Central").field("bus", &self.bus.name).field("meters", &meters).finish_non_exhaustive()
    }
}
