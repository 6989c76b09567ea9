//! Charging stations over WebSocket on loopback, with messages that real ones sent.

#[path = "ocpp/signed.rs"]
mod signed;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::Message;
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::config::Config;
use utilidor_gateway::journal::{ClockState, Entry, Filter, Journal};
use utilidor_gateway::kept::{Registration, Registrations, Shared, begin_stretch};
use utilidor_gateway::ocpp::Central;
use utilidor_gateway::protocol::ocpp::Version;
use utilidor_gateway::simulate::station::{self as simulate, Showing, StationError};
use utilidor_gateway::writer::Writer;
use utilidor_types::{MeterId, OcmfRecord, PublicKey, Timestamp};

/// 2022-09-04T18:39:12Z, the time of the published registers.
const PUBLISHED_MS: u64 = 1_662_316_752_000;
const WATT_HOUR: u64 = 3_600;
const METER: MeterId = MeterId([1; 16]);
/// How long the tests wait for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A TEISON station starts: lbbrhzn/ocpp, issue 1617.
const BOOT: &str = r#"[2, "0800000d-6800-726a-04b1-df5f18587e8a", "BootNotification", {"chargePointModel":"TeisonMe@7KW","chargePointSerialNumber":"0312209102324480672","chargePointVendor":"TEISON","firmwareVersion":"V1.5@25238bf+100,F8.gl,ws,ESP32,RN8213@V31","iccid":"","imsi":""}]"#;
/// An ABL station is done: evcc-io/evcc, issue 7458.
const STATUS: &str = r#"[2, "27393929", "StatusNotification" ,{"connectorId":1,"status":"Finishing","errorCode":"NoError","info":"none","timestamp":"2023-04-15T11:04:45.659+00:00","vendorId":"ABL","vendorErrorCode":"none"}]"#;
/// A station's register among its power: lbbrhzn/ocpp, issue 609, to the first value that the log breaks off in.
const VALUES: &str = r#"[2,"16086","MeterValues",{"connectorId":1,"transactionId":1662160391,"meterValue":[{"timestamp":"2022-09-04T18:39:12Z","sampledValue":[{"value":"3058620.000","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","location":"Outlet","unit":"Wh"},{"value":"0.000","context":"Sample.Periodic","measurand":"Power.Active.Import","location":"Outlet","unit":"W"},{"value":"0.000","context":"Sample.Periodic","measurand":"Power.Active.Import","location":"Outlet","unit":"W","phase":"L1"}]}]}]"#;
/// A KEBA station's signed record: test data of S.A.F.E.'s Transparenzsoftware, Copyright 2023 S.A.F.E. e.V., Apache License 2.0.
const KEBA: &str = r#"OCMF|{"FV":"1.0","GI":"KEBA_KCP30","GS":"17619300","GV":"2.8.5","PG":"T32","IS":false,"IL":"NONE","IF":["RFID_NONE","OCPP_NONE","ISO15118_NONE","PLMN_NONE"],"IT":"NONE","ID":"","RD":[{"TM":"2019-08-13T10:03:15,000+0000 I","TX":"B","EF":"","ST":"G","RV":0.2596,"RI":"1-b:1.8.0","RU":"kWh"},{"TM":"2019-08-13T10:03:36,000+0000 R","TX":"E","EF":"","ST":"G","RV":0.2597,"RI":"1-b:1.8.0","RU":"kWh"}]}|{"SD":"304502200E2F107C987A300AC1695CA89EA149A8CDFA16188AF0A33EE64B67964AA943F9022100889A72B6D65364BEA8562E7F6A0253157ACFF84FE4929A93B5964D23C4265699"}"#;

struct Site {
    folder: tempfile::TempDir,
    address: String,
    clock: SetClock,
    shared: Shared,
}

impl Site {
    async fn new(profile: &str, password: Option<&str>) -> Self {
        Self::with_tokens(profile, password, "tokens = [\"T\"]").await
    }

    async fn with_tokens(profile: &str, password: Option<&str>, tokens: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut login = String::new();
        if let Some(password) = password {
            std::fs::write(folder.path().join("password"), format!("{password}\n")).unwrap();
            login = "password_file = \"password\"\n".into();
        }
        let text = format!(
            "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"ocpp\"\naddress = \"127.0.0.1:1\"\n{login}{tokens}\n[[meter]]\nid = \
             \"{METER}\"\nbus = \"b\"\nunit = \"CHHome-1/1\"\nprofile = \"{profile}\"\n"
        );
        let config = Config::read(&text, folder.path()).unwrap();
        let clock = SetClock::at(PUBLISHED_MS + 16_000);
        let watch = Watch::new(Arc::new(clock.clone()));
        let (writer, _) = Writer::start(Journal::open(&folder.path().join("journal.sqlite")).unwrap());
        begin_stretch(&watch, &writer).await.unwrap();
        let registrations = Registrations::default();
        let known = Registration {
            modulus: 1_000_000_000 * WATT_HOUR,
            capacity_per_hour: 22_000 * WATT_HOUR,
            last_ms: PUBLISHED_MS - 900_000,
            register: 3_058_600 * WATT_HOUR,
            devices: 1,
            key: None,
        };
        registrations.write().unwrap().insert(METER, known);
        let shared = Shared { watch, writer, registrations, interval_ms: 900_000, metrics: Default::default() };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let central =
            Central::new(config.buses[0].clone(), config.meters, &folder.path().join("signed"), shared.clone());
        tokio::spawn(central.serve(listener));
        Self { folder, address, clock, shared }
    }

    /// A station of this name; the status of the answer if it is not let in.
    async fn station(&self, path: &str, protocol: &str, login: Option<&str>) -> Result<Station, u16> {
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
        if let Some(login) = login {
            let basic = format!("Basic {}", BASE64_STANDARD.encode(login));
            request.headers_mut().insert("Authorization", basic.parse().unwrap());
        }
        let stream = TcpStream::connect(&self.address).await.unwrap();
        match tokio_tungstenite::client_async(request, stream).await {
            Ok((socket, answer)) => {
                let first = protocol.split(',').find(|protocol| !protocol.contains("2.1")).unwrap();
                assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], *first, "what the station likes best");
                Ok(Station(socket))
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn entries(&self) -> Vec<Entry> {
        self.shared.writer.call(|journal| journal.entries(&Filter::default(), 100)).await.unwrap()
    }

    async fn registers(&self) -> Vec<u64> {
        self.entries().await.into_iter().map(|entry| entry.reading.register / WATT_HOUR).collect()
    }

    async fn codes(&self) -> Vec<String> {
        let events = self.shared.writer.call(|journal| journal.events(100)).await.unwrap();
        assert!(events.iter().all(|event| event.detail.is_in_both()), "{events:?}");
        events.into_iter().rev().map(|event| event.code).collect()
    }
}

struct Station(WebSocketStream<TcpStream>);

impl Station {
    /// The answer to a message.
    async fn says(&mut self, text: &str) -> Value {
        self.0.send(Message::text(text)).await.unwrap();
        let answer = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("it answers").unwrap().unwrap();
        serde_json::from_str(answer.to_text().unwrap()).unwrap()
    }

    async fn calls(&mut self, action: &str, payload: Value) -> Value {
        let answer = self.says(&json!([2, "7", action, payload]).to_string()).await;
        assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("7")), "{answer}");
        answer[2].clone()
    }
}

#[tokio::test]
async fn published_messages_are_answered_and_their_register_is_in_the_journal_before_the_answer() {
    let site = Site::new("ocpp", None).await;
    let mut station = site.station("/ocpp/CHHome-1", "ocpp1.6", None).await.unwrap();
    let boot = station.says(BOOT).await;
    assert_eq!((&boot[0], &boot[1]), (&json!(3), &json!("0800000d-6800-726a-04b1-df5f18587e8a")));
    assert_eq!((&boot[2]["status"], &boot[2]["currentTime"]), (&json!("Accepted"), &json!("2022-09-04T18:39:28.000Z")));
    assert_eq!(station.says(STATUS).await, json!([3, "27393929", {}]));
    assert_eq!(station.says(VALUES).await, json!([3, "16086", {}]));
    let entries = site.entries().await;
    assert_eq!(entries.len(), 1);
    let reading = &entries[0].reading;
    assert_eq!((reading.meter, reading.time_ms), (METER, PUBLISHED_MS));
    assert_eq!(reading.register, 3_058_620 * WATT_HOUR);
    assert_eq!((reading.protocol.as_str(), reading.answer.as_slice()), ("ocpp", VALUES.as_bytes()));
    // Sent again, as a station does that has seen no answer.
    assert_eq!(station.says(VALUES).await, json!([3, "16086", {}]));
    assert_eq!(site.entries().await.len(), 1);
    assert_eq!(site.codes().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_transactions_begin_and_end_are_readings_and_a_repeated_or_strange_end_is_none() {
    let site = Site::new("ocpp", None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    let start = json!({ "connectorId": 1, "idTag": "T", "meterStart": 3_058_620, "timestamp": "2022-09-04T18:30:00Z" });
    let started = station.calls("StartTransaction", start.clone()).await;
    assert_eq!(started["idTagInfo"]["status"], "Accepted");
    let number = started["transactionId"].as_i64().unwrap();
    assert!(i32::try_from(number).is_ok_and(|number| number > 0), "{number}");
    assert_eq!(station.calls("StartTransaction", start).await["transactionId"], number, "the same once more");
    // EVerest/libocpp, issue 495: a transaction that began offline ends with number -1.
    for other in [-1, number + 1, number + 64] {
        let stop = json!({ "transactionId": other, "meterStop": 3_059_000, "timestamp": "2022-09-04T18:35:00Z" });
        assert_eq!(station.calls("StopTransaction", stop).await, json!({}));
    }
    let stop = json!({ "transactionId": number, "meterStop": 3_059_620, "timestamp": "2022-09-04T18:39:00Z" });
    for _ in 0..2 {
        // A station that starts again in between sends its end again.
        station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
        assert_eq!(station.calls("StopTransaction", stop.clone()).await, json!({}));
    }
    assert_eq!(site.registers().await, [3_058_620, 3_059_620]);
}

#[tokio::test]
async fn a_station_whose_register_begins_at_nothing_with_each_transaction_is_held() {
    // ChargeTimeEU/Java-OCA-OCPP, issue 331: there are stations that set their meter to 0 on each transaction.
    let site = Site::new("ocpp", None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    for minute in [30, 34, 38] {
        let timestamp = format!("2022-09-04T18:{minute}:00Z");
        let start = json!({ "connectorId": 1, "idTag": "T", "meterStart": 0, "timestamp": timestamp });
        station.calls("StartTransaction", start).await;
    }
    assert_eq!(site.registers().await, Vec::<u64>::new());
    assert!(site.codes().await.contains(&"reading/went-back".into()));
}

#[tokio::test]
async fn only_stations_that_name_themselves_and_know_the_password_are_let_in() {
    let site = Site::new("ocpp", Some("secret")).await;
    let status = async |path: &str, protocol: &str, login| site.station(path, protocol, login).await.err();
    assert_eq!(status("/CHHome-1", "ocpp1.6", Some("CHHome-1:secret")).await, None);
    assert_eq!(status("/CHHome-1", "ocpp2.0.1, ocpp1.6", Some("CHHome-1:secret")).await, None);
    assert_eq!(status("/CHHome-1", "ocpp1.6", None).await, Some(401));
    assert_eq!(status("/CHHome-1", "ocpp1.6", Some("CHHome-1:secre")).await, Some(401));
    assert_eq!(status("/CHHome-1", "ocpp1.6", Some("CHHome-2:secret")).await, Some(401), "each by its own name");
    assert_eq!(status("/CHHome-1", "ocpp2.0.1", Some("CHHome-1:secret")).await, None);
    assert_eq!(status("/CHHome-1", "ocpp2.1", Some("CHHome-1:secret")).await, Some(400));
    assert_eq!(status("/", "ocpp1.6", Some(":secret")).await, Some(404));
}

#[tokio::test]
async fn connections_that_say_nothing_and_strange_stations_keep_no_station_out() {
    let site = Site::new("ocpp", None).await;
    let address = site.address.to_string();
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    let mut strange = Vec::new();
    for number in 0..40 {
        strange.extend(site.station(&format!("/X{number}"), "ocpp1.6", None).await);
    }
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    assert!(station.calls("Heartbeat", json!({})).await["currentTime"].is_string());
    // The same station again: the newer connection is the one that it has.
    let mut again = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    assert!(again.calls("Heartbeat", json!({})).await["currentTime"].is_string());
    let ended = tokio::time::timeout(PATIENCE, station.0.next()).await.expect("the older one ends");
    assert!(!matches!(ended, Some(Ok(Message::Text(_)))));
}

#[tokio::test]
async fn a_station_that_connects_again_and_again_to_say_nonsense_is_told_once() {
    let site = Site::new("ocpp", None).await;
    for name in ["/CHHome-1", "/X1"] {
        for _ in 0..5 {
            let mut station = site.station(name, "ocpp1.6", None).await.unwrap();
            station.says(r#"[2,"1","MeterValues",{"connectorId":"one"}]"#).await;
        }
    }
    assert_eq!(site.codes().await.len(), 1, "{:?}", site.codes().await);
}

#[tokio::test]
async fn a_station_that_takes_no_answer_in_makes_room_for_its_next_connection() {
    let site = Site::new("ocpp", None).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(site.address.parse().unwrap()).await.unwrap();
    let mut request = format!("ws://{}/CHHome-1", site.address).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "ocpp1.6".parse().unwrap());
    let (mut deaf, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let connected = tasks();
    let heartbeat = Message::text("[2,\"7\",\"Heartbeat\",{}]");
    // Until nothing goes any more, either way.
    while let Ok(Ok(())) = tokio::time::timeout(Duration::from_millis(500), deaf.send(heartbeat.clone())).await {}
    let mut again = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    assert!(again.calls("Heartbeat", json!({})).await["currentTime"].is_string());
    let gone = async {
        while tasks() > connected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Sooner than it would be given up.
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the older connection ends");
    drop(deaf);
}

#[tokio::test]
async fn of_the_answers_to_pings_no_more_are_kept_for_a_station_than_wait_to_be_read() {
    // 32 MiB of answers, of which the machine itself keeps some.
    const PINGS: usize = 256 * 1_024;
    let site = Site::new("ocpp", None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    for _ in 0..PINGS {
        station.0.send(Message::Ping(vec![7; 125].into())).await.unwrap();
    }
    station.0.send(Message::text("[2,\"7\",\"Heartbeat\",{}]")).await.unwrap();
    let mut answers = 0;
    while let Some(Ok(Message::Pong(_))) = tokio::time::timeout(PATIENCE, station.0.next()).await.expect("it goes on") {
        answers += 1;
    }
    assert!(answers < PINGS, "{answers}");
}

#[tokio::test]
async fn what_devices_sign_is_kept_byte_for_byte_and_once_and_their_plain_register_is_not_recorded() {
    let site = Site::new("ocpp-signed", None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    // As the paper of the Open Charge Alliance wraps it, and bare as others send it.
    let wrapped = json!({ "signedMeterData": BASE64_STANDARD.encode(KEBA), "encodingMethod": "OCMF", "publicKey": "" });
    for value in [wrapped.to_string(), KEBA.to_string()] {
        let sampled = json!([
            { "value": value, "format": "SignedData", "context": "Transaction.End" },
            { "value": "3058620" },
        ]);
        let values = json!([{ "timestamp": "2022-09-04T18:39:12Z", "sampledValue": sampled }]);
        station.calls("MeterValues", json!({ "connectorId": 1, "meterValue": values })).await;
    }
    let kept = std::fs::read_to_string(site.folder.path().join(format!("signed/{METER}.ocmf"))).unwrap();
    assert_eq!(kept, format!("{KEBA}\n"));
    assert_eq!(site.registers().await, Vec::<u64>::new());
    let sampled = json!([{ "value": "OCMF|{}|{}", "format": "SignedData" }]);
    let values = json!([{ "timestamp": "2022-09-04T18:39:12Z", "sampledValue": sampled }]);
    station.calls("MeterValues", json!({ "connectorId": 1, "meterValue": values })).await;
    assert!(site.codes().await.iter().any(|code| code.starts_with("ocmf/")), "what is no record is told");
}

#[tokio::test]
async fn a_signed_record_that_does_not_follow_from_the_registration_is_kept_and_told_once() {
    let site = Site::new("ocpp-signed", None).await;
    let mut station = simulated(&site, Version::V16, true);
    station.online().await.unwrap();
    // In five minutes 22 kW bring no 50 kWh.
    station.begin("T", showing(5, 50_000)).await.unwrap();
    station.end(showing(9, 51_000)).await.unwrap();
    assert_eq!(site.codes().await, ["meter/other-begin"]);
    let kept = std::fs::read_to_string(site.folder.path().join("signed").join(format!("{METER}.ocmf"))).unwrap();
    assert!(kept.lines().count() >= 1);
}

#[tokio::test]
async fn a_signed_record_that_cannot_be_kept_is_not_acknowledged() {
    let site = Site::new("ocpp-signed", None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    // Nothing can be written where the folder should be.
    std::fs::write(site.folder.path().join("signed"), "").unwrap();
    let sampled = json!([{ "value": KEBA, "format": "SignedData", "context": "Transaction.End" }]);
    let values = json!([{ "timestamp": "2022-09-04T18:39:12Z", "sampledValue": sampled }]);
    let call = json!([2, "1", "MeterValues", { "connectorId": 1, "meterValue": values }]);
    // Each time: the operator is told once, the station as often as it says it.
    for _ in 0..2 {
        let answer = station.says(&call.to_string()).await;
        assert_eq!((&answer[0], &answer[2]), (&json!(4), &json!("InternalError")), "{answer}");
    }
    assert_eq!(site.codes().await.iter().filter(|code| *code == "ocmf/not-kept").count(), 1);
}

#[tokio::test]
async fn to_a_file_of_signed_records_nothing_is_added_that_does_not_stand_on_a_line_of_its_own() {
    let site = Site::new("ocpp-signed", None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    let path = site.folder.path().join(format!("signed/{METER}.ocmf"));
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let sampled = json!([{ "value": KEBA, "format": "SignedData", "context": "Transaction.End" }]);
    let values = json!([{ "timestamp": "2022-09-04T18:39:12Z", "sampledValue": sampled }]);
    let call = json!([2, "1", "MeterValues", { "connectorId": 1, "meterValue": values }]).to_string();
    // More than is ever read: nothing is added.
    let full = vec![b' '; 8 * 1_024 * 1_024 + 1];
    std::fs::write(&path, &full).unwrap();
    assert_eq!(station.says(&call).await[2], "InternalError");
    assert!(std::fs::read(&path).unwrap() == full);
    // Nothing, what a power cut has left of another line or of this one, and a line whose end an editor has lost.
    let half = &KEBA[..KEBA.len() / 2];
    for left in [&b""[..], b"OCMF|{\"FV\":", half.as_bytes(), b"OCMF|{\"GI\":\"S\xc3", &[0xff; 10], KEBA.as_bytes()] {
        std::fs::write(&path, left).unwrap();
        assert_eq!(station.says(&call).await[0], 3);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{KEBA}\n"));
        // What stands there stays, whatever it is.
        std::fs::write(&path, [b"another\n", left].concat()).unwrap();
        assert_eq!(station.says(&call).await[0], 3);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("another\n{KEBA}\n"));
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_told_once_and_the_next_call_is_answered() {
    let site = Site::new("ocpp", None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    station.0.send(Message::text("no json")).await.unwrap();
    for text in ["[2,\"1\",\"MeterValues\",{}]", "[2,\"1\",{}]"] {
        let refused = station.says(text).await;
        assert_eq!((&refused[0], &refused[1], &refused[2]), (&json!(4), &json!("1"), &json!("FormationViolation")));
    }
    assert!(station.calls("Heartbeat", json!({})).await["currentTime"].is_string());
    assert_eq!(site.codes().await, ["register/invalid"]);
    let refused = station.says("[2,\"9\",\"Dance\",{}]").await;
    assert_eq!((&refused[0], &refused[2]), (&json!(4), &json!("NotImplemented")));
    // Longer than any message: the connection ends, and another one is taken.
    let _ = station.0.send(Message::text("x".repeat(64 * 1_024))).await;
    assert!(!matches!(
        tokio::time::timeout(PATIENCE, station.0.next()).await.expect("it ends"),
        Some(Ok(Message::Text(_)))
    ));
    assert!(site.station("/CHHome-1", "ocpp1.6", None).await.is_ok());
}

#[tokio::test]
async fn who_says_nothing_that_can_be_understood_is_hung_up_on() {
    let site = Site::new("ocpp", None).await;
    let mut station = site.station("/CHHome-1", "ocpp2.0.1", None).await.unwrap();
    for _ in 0..100 {
        assert_eq!(station.says("[]").await[1], "-1");
    }
    assert!(station.calls("Heartbeat", json!({})).await["currentTime"].is_string(), "a call begins it anew");
    for _ in 0..100 {
        assert_eq!(station.says("[]").await[1], "-1");
    }
    station.0.send(Message::text("[]")).await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, station.0.next()).await.expect("it ends");
    assert!(!matches!(ended, Some(Ok(Message::Text(_)))));
    assert!(site.station("/CHHome-1", "ocpp2.0.1", None).await.is_ok());
}

fn simulated(site: &Site, version: Version, signs: bool) -> simulate::Station {
    simulate::Station::new("CHHome-1", version, &site.address, None, signs.then_some([7; 32])).unwrap()
}

/// So many minutes after the last certified register, with so many watt-hours more.
const fn showing(minutes: u64, more: u64) -> Showing {
    Showing { connector: 1, time_ms: PUBLISHED_MS - 900_000 + minutes * 60_000, watt_hours: 3_058_600 + more }
}

#[tokio::test]
async fn a_session_is_read_from_its_begin_to_its_end_and_nothing_twice() {
    for version in Version::ALL {
        let site = Site::new("ocpp", None).await;
        let mut station = simulated(&site, version, false);
        station.online().await.unwrap();
        station.begin("T", showing(1, 0)).await.unwrap();
        station.replay().await.unwrap();
        station.value(showing(5, 500)).await.unwrap();
        station.replay().await.unwrap();
        station.end(showing(9, 1_000)).await.unwrap();
        station.replay().await.unwrap();
        assert_eq!(site.registers().await, [3_058_600, 3_059_100, 3_059_600], "{version:?}");
        assert_eq!(site.codes().await, Vec::<String>::new(), "{version:?}");
    }
}

#[tokio::test]
async fn a_station_that_is_not_heard_for_four_intervals_is_silent_and_a_signed_record_ends_that_as_a_reading_does() {
    for signs in [false, true] {
        let site = Site::new(if signs { "ocpp-signed" } else { "ocpp" }, None).await;
        tokio::time::timeout(PATIENCE, site.clock.awaited()).await.expect("it waits for the next interval");
        site.clock.advance_to(PUBLISHED_MS + 3_700_000);
        let told = async {
            while site.codes().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("silence is told");
        let mut station = simulated(&site, Version::V16, signs);
        station.online().await.unwrap();
        station.begin("T", showing(70, 0)).await.unwrap();
        station.value(showing(72, 100)).await.unwrap();
        station.end(showing(75, 200)).await.unwrap();
        assert_eq!(site.codes().await, ["meter/silent", "meter/recovered"], "signs: {signs}");
    }
}

#[tokio::test]
async fn a_station_that_is_heard_is_not_silent_between_its_sessions() {
    let site = Site::new("ocpp", None).await;
    let mut station = site.station("/CHHome-1", "ocpp1.6", None).await.unwrap();
    for quarter in 1..=8 {
        tokio::time::timeout(PATIENCE, site.clock.awaited()).await.expect("it waits for the next interval");
        site.clock.advance_to(PUBLISHED_MS + quarter * 900_000);
        station.calls("Heartbeat", json!({})).await;
    }
    assert_eq!(site.codes().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_begin_of_a_session_after_idle_hours_is_a_reading_like_any_other() {
    for version in Version::ALL {
        let site = Site::new("ocpp", None).await;
        let idle =
            Registration { last_ms: PUBLISHED_MS - 6 * 3_600_000, ..site.shared.registrations.read().unwrap()[&METER] };
        site.shared.registrations.write().unwrap().insert(METER, idle);
        let mut station = simulated(&site, version, false);
        station.online().await.unwrap();
        station.begin("T", showing(1, 0)).await.unwrap();
        assert_eq!(site.registers().await, [3_058_600], "{version:?}");
    }
}

#[tokio::test]
async fn what_waited_in_a_station_that_was_offline_comes_late_with_its_own_times() {
    for version in Version::ALL {
        let site = Site::new("ocpp", None).await;
        let mut station = simulated(&site, version, false);
        station.begin("T", showing(1, 0)).await.unwrap();
        station.value(showing(5, 500)).await.unwrap();
        station.end(showing(9, 1_000)).await.unwrap();
        assert_eq!(site.registers().await, Vec::<u64>::new());
        station.online().await.unwrap();
        // Gone and back again in the middle of a session.
        station.begin("T", showing(10, 1_000)).await.unwrap();
        station.offline();
        station.value(showing(12, 1_100)).await.unwrap();
        station.online().await.unwrap();
        station.end(showing(14, 1_200)).await.unwrap();
        let entries = site.entries().await;
        let minutes: Vec<_> =
            entries.iter().map(|entry| (entry.reading.time_ms + 900_000 - PUBLISHED_MS) / 60_000).collect();
        assert_eq!(minutes, [1, 5, 9, 10, 12, 14], "{version:?}");
        assert_eq!(site.registers().await.last(), Some(&3_059_800), "{version:?}");
    }
}

#[tokio::test]
async fn what_a_station_tells_while_the_gateways_clock_is_slow_counts_when_it_is_right() {
    let site = Site::new("ocpp", None).await;
    site.clock.set(PUBLISHED_MS - 3_600_000);
    let mut station = simulated(&site, Version::V16, false);
    station.online().await.unwrap();
    station.begin("T", showing(1, 0)).await.unwrap();
    station.end(showing(9, 1_000)).await.unwrap();
    assert_eq!(site.registers().await, Vec::<u64>::new());
    site.clock.set(PUBLISHED_MS);
    station.begin("T", showing(12, 1_000)).await.unwrap();
    assert_eq!(site.registers().await, [3_058_600, 3_059_600, 3_059_600]);
    assert_eq!(site.codes().await, ["reading/early", "meter/recovered"]);
}

#[tokio::test]
async fn whoever_is_not_named_may_not_charge_and_the_operator_reads_what_to_write() {
    for version in Version::ALL {
        let site = Site::with_tokens("ocpp", None, "").await;
        let mut station = simulated(&site, version, false);
        station.online().await.unwrap();
        for _ in 0..2 {
            let refused = station.begin("04A2", showing(1, 0)).await;
            assert!(matches!(refused, Err(StationError::NotAuthorized { .. })), "{refused:?}");
        }
        let events = site.shared.writer.call(|journal| journal.events(100)).await.unwrap();
        assert_eq!(events.len(), 1, "once a token");
        assert_eq!(events[0].code, "ocpp/unknown-token");
        assert!(events[0].detail.en.contains("add \"04A2\" to the tokens of [[bus]] \"b\""), "{}", events[0].detail);
        assert_eq!(site.registers().await, Vec::<u64>::new());
        // What a station has delivered while it was offline counts, whoever charged.
        station.offline();
        station.begin("04A2", showing(1, 0)).await.unwrap();
        station.end(showing(2, 100)).await.unwrap();
        station.online().await.unwrap();
        assert_eq!(site.registers().await, [3_058_600, 3_058_700], "{version:?}");
        let open = Site::with_tokens("ocpp", None, "tokens = \"any\"").await;
        let mut station = simulated(&open, version, false);
        station.online().await.unwrap();
        station.begin("04a2", showing(1, 0)).await.unwrap();
    }
}

#[tokio::test]
async fn what_a_simulated_device_signs_is_kept_and_is_signed_with_its_key() {
    for version in Version::ALL {
        let site = Site::new("ocpp-signed", None).await;
        let mut station = simulated(&site, version, true);
        let key = PublicKey::of_device(&station.key().unwrap()).unwrap();
        station.online().await.unwrap();
        station.begin("T", showing(1, 0)).await.unwrap();
        station.value(showing(5, 500)).await.unwrap();
        station.end(showing(9, 1_000)).await.unwrap();
        station.replay().await.unwrap();
        let kept = std::fs::read_to_string(site.folder.path().join(format!("signed/{METER}.ocmf"))).unwrap();
        assert_eq!(kept.lines().count(), 3, "{version:?}");
        for record in kept.lines() {
            OcmfRecord::new(record).unwrap().verify(&key).unwrap();
        }
        assert_eq!(site.registers().await, Vec::<u64>::new());
        assert_eq!(site.codes().await, Vec::<String>::new(), "{version:?}");
    }
}

#[tokio::test]
async fn what_a_station_of_2_0_1_says_wrongly_is_answered_with_an_error_and_told_once() {
    let site = Site::new("ocpp", None).await;
    let mut station = site.station("/CHHome-1", "ocpp2.0.1", None).await.unwrap();
    for text in ["[2,\"9\",\"TransactionEvent\",{}]", "[2,\"9\",\"MeterValues\",{\"evseId\":1}]"] {
        let refused = station.says(text).await;
        assert_eq!((&refused[0], &refused[1], &refused[2]), (&json!(4), &json!("9"), &json!("FormatViolation")));
    }
    assert_eq!(site.codes().await, ["register/invalid"]);
    let report = json!({ "requestId": 1, "generatedAt": "2022-09-04T18:39:12Z", "seqNo": 0 });
    let refused = station.says(&json!([2, "9", "NotifyReport", report]).to_string()).await;
    assert_eq!((&refused[0], &refused[2]), (&json!(4), &json!("NotSupported")));
    assert_eq!(station.says("[2,\"9\",\"Dance\",{}]").await[2], "NotImplemented");
    let refused = station.says("no json").await;
    assert_eq!((&refused[1], &refused[2]), (&json!("-1"), &json!("RpcFrameworkError")));
    assert!(station.calls("Heartbeat", json!({})).await["currentTime"].is_string());
}
