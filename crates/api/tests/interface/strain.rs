//! The interface under strain: clients that hold what others need, and pages that should not be here.

use crate::common::*;
use reqwest::header::{HOST, ORIGIN};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use utilidor_api::{ClientLimits, ConnectionLimits, Settings};
use utilidor_types::genesis::ChainKind;
use utilidor_types::operator::AdvanceTime;
use utilidor_types::*;

fn transfer(amount: u64) -> Action {
    Action::Transfer { to: account("bob"), amount: Money(amount), reference: Text::default() }
}

/// A connection over which `bytes` are sent.
async fn connect(world: &World, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(world.base.strip_prefix("http://").unwrap()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

/// What comes over a connection until the node closes it.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // One that the node closes with unread bytes in it ends with a reset.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_send_no_whole_header_in_time_are_closed() {
    let connections = ConnectionLimits { header: Duration::from_millis(200), ..ConnectionLimits::default() };
    let mut world = World::start_with(ChainKind::Development, Settings { connections, ..Settings::default() }).await;

    assert_eq!(rest(connect(&world, b"").await).await, "");
    assert_eq!(rest(connect(&world, b"GET /v1/status HTTP/1.1\r\nHost: local").await).await, "");
    // A whole request is answered; then the connection is idle, and is closed as well.
    let request = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let answer = rest(connect(&world, request).await).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peers_connections_leave_room_for_others() {
    let connections = ConnectionLimits { connections: 4, ..ConnectionLimits::default() };
    let mut world = World::start_with(ChainKind::Development, Settings { connections, ..Settings::default() }).await;
    let request = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(connect(&world, b"GET").await);
    }

    assert_eq!(rest(connect(&world, request).await).await, "", "three of four is one peer's share");
    drop(held);
    // The node learns a moment later that they are gone.
    while !rest(connect(&world, request).await).await.starts_with("HTTP/1.1 200") {}
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_wait_do_not_stop_trading() {
    let clients = ClientLimits { waiting: (1, 1), waiting_for_unknown: (1, 1), ..ClientLimits::default() };
    let settings = Settings { clients, ..Settings::default() };
    let mut world = World::start_with(ChainKind::Development, settings).await;
    world.settle_in().await;
    let (http, base) = (world.http.clone(), world.base.clone());
    let wait = move |hash: String, ms: u64| {
        let request = http.get(format!("{base}/v1/transactions/{hash}?wait_ms={ms}"));
        async move { request.send().await.unwrap().json::<Value>().await.unwrap()["code"].clone() }
    };
    let full = |code: &Value| code == "node/too-many-clients";
    // Asks again when another question, which only looks whether the place is held, was there first.
    let hold = |hash: String| {
        let wait = wait.clone();
        tokio::spawn(async move { while full(&wait(hash.clone(), 30_000).await) {} })
    };

    // One waits for what nobody has, one for what waits for an earlier nonce: all places are held.
    let nothing = hold(Digest([7; 32]).to_string());
    while !full(&wait(Digest([8; 32]).to_string(), 1).await) {}
    let mut ahead = world.sign("bob", transfer(1)).transaction;
    ahead.nonce += 1;
    let ahead = ahead.sign(&key("bob"));
    assert!(world.submit(std::slice::from_ref(&ahead), 0).await[0]["hash"].is_string());
    let waiting = hold(ahead.hash().to_string());
    while !full(&wait(ahead.hash().to_string(), 1).await) {}

    let signed = world.sign("alice", transfer(1));
    let taken = world.submit(std::slice::from_ref(&signed), 30_000).await.remove(0);
    assert_eq!((&taken["hash"], &taken["problem"]), (&json!(signed.hash()), &Value::Null), "it is taken nevertheless");
    while world.get(&format!("/v1/transactions/{}", signed.hash())).await.0 != 200 {}
    // What is final needs no place.
    let row: Value = world.read(&format!("/v1/transactions/{}?wait_ms=30000", signed.hash())).await;
    assert_eq!(row["hash"], json!(signed.hash()));
    nothing.abort();
    waiting.abort();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_come_slowly_keep_nobody_from_asking() {
    let clients = ClientLimits { requests: (1, 1), receiving: (2, 2), ..ClientLimits::default() };
    let mut world = World::start_with(ChainKind::Development, Settings { clients, ..Settings::default() }).await;
    // Who asks has signed in before.
    assert_eq!(world.get("/v1/status").await.0, 200);
    let half =
        "POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let _slow = [connect(&world, half.as_bytes()).await, connect(&world, half.as_bytes()).await];
    for _ in 0..20 {
        assert_eq!(world.get("/v1/status").await.0, 200);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_large_bodies_are_on_their_way_at_a_time_and_small_ones_pass_them() {
    let clients = ClientLimits { receiving_large: (1, 1), ..ClientLimits::default() };
    let mut world = World::start_with(ChainKind::Development, Settings { clients, ..Settings::default() }).await;
    let slow = connect(&world, b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n{").await;
    let post = |length: usize| world.http.post(format!("{}/v1/session", world.base)).body(" ".repeat(length)).send();
    let mut waiting = None;
    // Until the slow one has its place.
    for _ in 0..100 {
        let mut large = Box::pin(post(70_000));
        if tokio::time::timeout(Duration::from_millis(300), &mut large).await.is_err() {
            waiting = Some(large);
            break;
        }
    }
    let waiting = waiting.expect("a second large body waits for its place");
    assert!(post(60_000).await.unwrap().status().is_client_error(), "a small one does not");
    drop(slow);
    assert!(waiting.await.unwrap().status().is_client_error(), "it has the place that is given back");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_read_one_after_the_other_without_a_refusal() {
    let mut world = World::start(ChainKind::Development).await;
    world.settle_in().await;
    for _ in 0..20 {
        let table = world.http.get(format!("{}/v1/blocks?format=csv", world.base)).send().await.unwrap();
        assert_eq!(table.status(), 200);
        assert!(table.text().await.unwrap().lines().count() > 1);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_peers_event_streams_leave_room_for_others() {
    let clients = ClientLimits { listening: (3, 2), ..ClientLimits::default() };
    let mut world = World::start_with(ChainKind::Development, Settings { clients, ..Settings::default() }).await;
    let listen = || world.http.get(format!("{}/v1/events", world.base)).send();

    let held = [listen().await.unwrap(), listen().await.unwrap()];
    assert!(held.iter().all(|answer| answer.status() == 200));
    let refused = listen().await.unwrap();
    assert_eq!(refused.status(), 503);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["detail"], "this client's address has 2 event streams already");
    drop(held);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_answers_only_under_its_own_names_and_to_no_page_of_another_site() {
    let settings = Settings { names: vec!["energy.example".into()], ..Settings::default() };
    let mut world = World::start_with(ChainKind::Development, settings).await;
    let status = async |header, value: &str| {
        let answer = world.http.get(format!("{}/v1/status", world.base)).header(header, value).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap()["code"].clone())
    };

    assert_eq!(status(HOST, "evil.example").await, (421, json!("request/unknown-host")));
    assert_eq!(status(HOST, "energy.example").await.0, 200);
    assert_eq!(status(ORIGIN, "http://evil.example").await, (403, json!("request/foreign-origin")));
    assert_eq!(status(ORIGIN, &world.base).await.0, 200);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_operator_moves_a_development_chains_time() {
    let mut world = World::start(ChainKind::Development).await;
    let chain = world.genesis.chain();
    let ask = async |body: Value| {
        let request = world.http.post(format!("{}/v1/development/time", world.base)).json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let signed = |actor: &str| json!(AdvanceTime::sign(chain, at(2, 1, 0), &key(actor)));

    assert_eq!(ask(json!({ "to_ms": at(2, 1, 0) })).await.0, 400, "a bare wish is none");
    for actor in ["alice", "stranger"] {
        let (status, problem) = ask(signed(actor)).await;
        assert_eq!((status, &problem["code"]), (403, &json!("development/not-the-operator")), "{actor}");
    }
    let mut altered = signed("validator");
    altered["to_ms"] = json!(at(3, 1, 0));
    assert_eq!(ask(altered).await.0, 403);
    for actor in ["validator", "station"] {
        assert_eq!(ask(signed(actor)).await, (200, json!({ "time_ms": at(2, 1, 0) })), "{actor}");
    }
    world.stop().await;
}
