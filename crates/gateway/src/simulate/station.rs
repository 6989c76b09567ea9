//! A simulated charging station: it connects to its central system by itself, by OCPP 1.6 or 2.0.1, and tells what its meters show.
//!
//! *told* a begin, a value or an end of a session, of the time and register that it is given. While the station is offline what it has
//! to tell waits, and goes out in its order with its own times when it is online again: late, and true. Where it signs, each of them
//! carries a record in OCMF (P-256, transaction pagination).

use crate::protocol::ocpp::Version;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::{SinkExt as _, StreamExt as _};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::Message;
use utilidor_types::Timestamp;

/// How long the central system may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most that waits while the station is offline.
const MAX_WAITING: usize = 10_000;
/// What stands before the point in a device's key in hex: an X.509 key of P-256.
const KEY_HEAD: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/// Why a station gets no further.
#[derive(Debug, thiserror::Error)]
pub enum StationError {
    /// The central system cannot be reached, or has gone.
    #[error("the central system is not there: {0}")]
    Gone(String),
    /// It has refused what the station said.
    #[error("the central system refuses it: {code}: {text}")]
    Refused {
        /// The error's code.
        code: String,
        /// Its text.
        text: String,
    },
    /// Whoever wants to charge may not.
    #[error("{token:?} may not charge")]
    NotAuthorized {
        /// What was shown.
        token: String,
    },
    /// More waits than a station keeps.
    #[error("{MAX_WAITING} messages wait already")]
    Full,
}

/// What a station's meter shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Showing {
    /// The connector, by 2.0.1 the EVSE.
    pub connector: u32,
    /// When, by the station.
    pub time_ms: u64,
    /// The register.
    pub watt_hours: u64,
}

#[derive(Debug, Clone)]
enum What {
    Begin { token: String },
    Value,
    End,
}

/// A station.
pub struct Station {
    name: String,
    version: Version,
    address: String,
    password: Option<String>,
    key: Option<SigningKey>,
    socket: Option<WebSocketStream<TcpStream>>,
    waiting: VecDeque<(Showing, What)>,
    /// Calls made, events told, records signed.
    calls: u64,
    events: u64,
    pages: u64,
    /// The open transaction of each connector.
    transactions: BTreeMap<u32, String>,
    /// What was said last.
    last: Option<String>,
}

impl Station {
    /// A station that is offline. `secret` is the key of the device that signs in it, if one does.
    pub fn new(
        name: &str,
        version: Version,
        address: &str,
        password: Option<String>,
        secret: Option<[u8; 32]>,
    ) -> Option<Self> {
        let key = match secret {
            Some(secret) => Some(SigningKey::from_slice(&secret).ok()?),
            None => None,
        };
        Some(Self {
            name: name.into(),
            version,
            address: address.into(),
            password,
            key,
            socket: None,
            waiting: VecDeque::new(),
            calls: 0,
            events: 0,
            pages: 0,
            transactions: BTreeMap::new(),
            last: None,
        })
    }

    /// The public key of its device, in hex as it stands in the register of charging stations.
    pub fn key(&self) -> Option<String> {
        let point = self.key.as_ref()?.verifying_key().to_sec1_point(false);
        Some(format!("{KEY_HEAD}{}", hex::encode(point.as_bytes())))
    }

    /// Goes online: connects, says that it has started, and tells what waits.
    pub async fn online(&mut self) -> Result<(), StationError> {
        let gone = |error: &dyn std::fmt::Display| StationError::Gone(error.to_string());
        let mut request =
            format!("ws://{}/{}", self.address, self.name).into_client_request().map_err(|error| gone(&error))?;
        let protocol = HeaderValue::from_static(self.version.subprotocol());
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
        if let Some(password) = &self.password {
            let login = format!("Basic {}", BASE64_STANDARD.encode(format!("{}:{password}", self.name)));
            let login = HeaderValue::from_str(&login).map_err(|error| gone(&error))?;
            request.headers_mut().insert("Authorization", login);
        }
        let opening = async {
            let stream = TcpStream::connect(&self.address).await.map_err(|error| gone(&error))?;
            tokio_tungstenite::client_async(request, stream).await.map_err(|error| gone(&error))
        };
        let opened = tokio::time::timeout(PATIENCE, opening).await.map_err(|error| gone(&error))?;
        self.socket = Some(opened?.0);
        let boot = match self.version {
            Version::V16 => json!({ "chargePointVendor": "Utilidor", "chargePointModel": "simulated" }),
            Version::V201 => {
                json!({ "reason": "PowerUp", "chargingStation": { "vendorName": "Utilidor", "model": "simulated" } })
            }
        };
        self.call("BootNotification", boot).await?;
        self.tell_waiting().await
    }

    /// Goes offline. What it has to tell waits.
    pub fn offline(&mut self) {
        self.socket = None;
    }

    /// Whether it is online.
    pub const fn is_online(&self) -> bool {
        self.socket.is_some()
    }

    /// Begins a session. Online, whoever shows the token is asked about first; offline, the station lets him charge.
    pub async fn begin(&mut self, token: &str, showing: Showing) -> Result<(), StationError> {
        if self.is_online() {
            let shown = match self.version {
                Version::V16 => json!({ "idTag": token }),
                Version::V201 => json!({ "idToken": id_token(token) }),
            };
            let answer = self.call("Authorize", shown).await?;
            accepted(&answer, token)?;
        }
        self.tell(showing, What::Begin { token: token.into() }).await
    }

    /// Tells a register.
    pub async fn value(&mut self, showing: Showing) -> Result<(), StationError> {
        self.tell(showing, What::Value).await
    }

    /// Ends a session.
    pub async fn end(&mut self, showing: Showing) -> Result<(), StationError> {
        self.tell(showing, What::End).await
    }

    /// Says once more what it said last, as a station does that has seen no answer.
    pub async fn replay(&mut self) -> Result<Value, StationError> {
        let text = self.last.clone().ok_or_else(|| StationError::Gone("nothing was said yet".into()))?;
        self.say(text).await
    }

    async fn tell(&mut self, showing: Showing, what: What) -> Result<(), StationError> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(StationError::Full);
        }
        self.waiting.push_back((showing, what));
        if self.is_online() { self.tell_waiting().await } else { Ok(()) }
    }

    async fn tell_waiting(&mut self) -> Result<(), StationError> {
        while let Some((showing, what)) = self.waiting.front().cloned() {
            match self.version {
                Version::V16 => self.tell_v16(showing, &what).await?,
                Version::V201 => self.tell_v201(showing, &what).await?,
            }
            self.waiting.pop_front();
        }
        Ok(())
    }

    async fn tell_v16(&mut self, showing: Showing, what: &What) -> Result<(), StationError> {
        let Showing { connector, time_ms, watt_hours } = showing;
        let timestamp = Timestamp(time_ms).to_rfc3339();
        let mut sampled = vec![json!({
            "value": watt_hours.to_string(), "measurand": "Energy.Active.Import.Register", "unit": "Wh"
        })];
        if let Some(record) = self.record(showing, what) {
            let document = json!({ "signedMeterData": BASE64_STANDARD.encode(record), "encodingMethod": "OCMF" });
            sampled.push(json!({ "value": document.to_string(), "format": "SignedData" }));
        }
        let values = json!([{ "timestamp": timestamp, "sampledValue": sampled }]);
        let transaction = self.transactions.get(&connector).and_then(|number| number.parse::<i64>().ok());
        match what {
            What::Begin { token } => {
                let begin = json!({ "connectorId": connector, "idTag": token, "meterStart": watt_hours, "timestamp": timestamp });
                let answer = self.call("StartTransaction", begin).await?;
                self.transactions.insert(connector, answer["transactionId"].to_string());
                if self.key.is_some() {
                    let values = json!({ "connectorId": connector, "meterValue": values });
                    self.call("MeterValues", values).await?;
                }
            }
            What::Value => {
                let mut told = json!({ "connectorId": connector, "meterValue": values });
                if let Some(transaction) = transaction {
                    told["transactionId"] = json!(transaction);
                }
                self.call("MeterValues", told).await?;
            }
            What::End => {
                let end = json!({
                    "transactionId": transaction.unwrap_or(-1), "meterStop": watt_hours, "timestamp": timestamp,
                    "transactionData": values,
                });
                self.call("StopTransaction", end).await?;
                self.transactions.remove(&connector);
            }
        }
        Ok(())
    }

    async fn tell_v201(&mut self, showing: Showing, what: &What) -> Result<(), StationError> {
        let Showing { connector, time_ms, watt_hours } = showing;
        let timestamp = Timestamp(time_ms).to_rfc3339();
        let mut sampled = json!({ "value": watt_hours, "measurand": "Energy.Active.Import.Register" });
        if let Some(record) = self.record(showing, what) {
            sampled["signedMeterValue"] = json!({
                "signedMeterData": BASE64_STANDARD.encode(record), "signingMethod": "ECDSA-secp256r1-SHA256",
                "encodingMethod": "OCMF", "publicKey": "",
            });
        }
        let values = json!([{ "timestamp": timestamp, "sampledValue": [sampled] }]);
        let (kind, reason) = match what {
            What::Begin { .. } => ("Started", "Authorized"),
            What::Value => ("Updated", "MeterValuePeriodic"),
            What::End => ("Ended", "StopAuthorized"),
        };
        if let What::Begin { .. } = what {
            self.transactions.insert(connector, format!("{time_ms}-{connector}"));
        }
        let Some(transaction) = self.transactions.get(&connector).cloned() else {
            let values = json!({ "evseId": connector, "meterValue": values });
            self.call("MeterValues", values).await?;
            return Ok(());
        };
        let mut event = json!({
            "eventType": kind, "timestamp": timestamp, "triggerReason": reason, "seqNo": self.events,
            "transactionInfo": { "transactionId": transaction }, "meterValue": values,
        });
        // Where, is said at the begin, and need not be said again.
        if let What::Begin { token } = what {
            event["evse"] = json!({ "id": connector, "connectorId": 1 });
            event["idToken"] = id_token(token);
        }
        self.events += 1;
        self.call("TransactionEvent", event).await?;
        if let What::End = what {
            self.transactions.remove(&connector);
        }
        Ok(())
    }

    /// What the device signs, if it does.
    fn record(&mut self, showing: Showing, what: &What) -> Option<String> {
        let key = self.key.as_ref()?;
        self.pages += 1;
        let kind = match what {
            What::Begin { .. } => "B",
            What::Value => "C",
            What::End => "E",
        };
        let time = Timestamp(showing.time_ms).to_rfc3339().replace('.', ",").replace('Z', "+0000");
        let (whole, rest) = (showing.watt_hours / 1_000, showing.watt_hours % 1_000);
        let payload = format!(
            "{{\"FV\":\"1.0\",\"GI\":\"simulated\",\"GS\":\"{}\",\"PG\":\"T{}\",\"MS\":\"{}/{}\",\"IS\":false,\"IT\":\"NONE\",\"RD\":[{{\"TM\":\
             \"{time} S\",\"TX\":\"{kind}\",\"RV\":{whole}.{rest:03},\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\",\"EF\":\"\",\"ST\":\
             \"G\"}}]}}",
            self.name, self.pages, self.name, showing.connector
        );
        let signature: Signature = key.sign(payload.as_bytes());
        Some(format!("OCMF|{payload}|{{\"SD\":\"{}\"}}", hex::encode(signature.to_der().as_bytes())))
    }

    async fn call(&mut self, action: &str, payload: Value) -> Result<Value, StationError> {
        self.calls += 1;
        let id = self.calls.to_string();
        self.say(Value::from(vec![json!(2), json!(id), json!(action), payload]).to_string()).await
    }

    /// Says something and waits for its answer. Whatever fails on the line puts the station offline.
    async fn say(&mut self, text: String) -> Result<Value, StationError> {
        let Some(mut socket) = self.socket.take() else {
            return Err(StationError::Gone("the station is offline".into()));
        };
        self.last = Some(text.clone());
        let exchange = async {
            socket.send(Message::text(text)).await.map_err(|error| StationError::Gone(error.to_string()))?;
            loop {
                match socket.next().await {
                    Some(Ok(Message::Text(answer))) => return Ok(answer.to_string()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(StationError::Gone(error.to_string())),
                    None => return Err(StationError::Gone("it has hung up".into())),
                }
            }
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await;
        let answer = answer.map_err(|_| StationError::Gone("it does not answer".into()))??;
        self.socket = Some(socket);
        let answer: Vec<Value> =
            serde_json::from_str(&answer).map_err(|error| StationError::Gone(format!("it answers {error}")))?;
        match &answer[..] {
            [kind, _, payload] if kind == 3 => Ok(payload.clone()),
            [_, _, code, text, ..] => {
                let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                Err(StationError::Refused { code: text_of(code), text: text_of(text) })
            }
            _ => Err(StationError::Gone("it answers what is no answer".into())),
        }
    }
}

fn id_token(token: &str) -> Value {
    json!({ "idToken": token, "type": "ISO14443" })
}

/// Whether an answer lets whoever shows the token charge.
fn accepted(answer: &Value, token: &str) -> Result<(), StationError> {
    let status = ["idTagInfo", "idTokenInfo"].iter().find_map(|info| answer[*info]["status"].as_str());
    if status == Some("Accepted") { Ok(()) } else { Err(StationError::NotAuthorized { token: token.into() }) }
}

impl std::fmt::Debug for Station {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Station")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("online", &self.is_online())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
