//! The monitoring system's page over TCP: what is asked for is answered once, and nobody holds a place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use utilidor_gateway::clock::{SetClock, Watch};
use utilidor_gateway::journal::Journal;
use utilidor_gateway::kept::{Registrations, Shared};
use utilidor_gateway::metrics;
use utilidor_gateway::writer::Writer;

/// How long the test waits for what takes seconds at most.
const PATIENCE: Duration = Duration::from_secs(60);

async fn served() -> (tempfile::TempDir, SocketAddr) {
    let folder = tempfile::tempdir().unwrap();
    let (writer, _) = Writer::start(Journal::open(&folder.path().join("journal.sqlite")).unwrap());
    let watch = Watch::new(Arc::new(SetClock::at(1_800_000_000_000)));
    let (registrations, metrics) = (Registrations::default(), Arc::<metrics::Metrics>::default());
    metrics.failed("line/silent");
    let shared = Shared { watch, writer, registrations, interval_ms: 900_000, metrics };
    let listener = metrics::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(metrics::serve(listener, shared));
    (folder, address)
}

/// All that is answered to some bytes, until the connection ends.
async fn asked(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever is refused in the middle of its request may find the connection gone.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
    let _ = read.await.expect("the connection ends");
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_page_is_answered_and_nothing_else() {
    let (_folder, address) = served().await;
    let page = asked(address, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.to_ascii_lowercase().contains("content-type: text/plain; version=0.0.4\r\n"), "{page}");
    assert!(page.contains("utilidor_gateway_read_failures_total{code=\"line/silent\"} 1\n"), "{page}");
    let old = asked(address, b"GET /metrics HTTP/1.0\r\n\r\n").await;
    assert!(old.contains(" 200 OK\r\n") && old.contains("utilidor_gateway_backlog 0\n"), "{old}");
    for request in ["GET / HTTP/1.1", "GET /metrics/x HTTP/1.1", "POST /metrics HTTP/1.1"] {
        let other = asked(address, format!("{request}\r\nHost: localhost\r\n\r\n").as_bytes()).await;
        assert!(
            other.starts_with("HTTP/1.1 404 Not Found\r\n") && other.contains("GET /metrics"),
            "{request}: {other}"
        );
    }
}

#[tokio::test]
async fn a_request_that_is_too_long_or_none_is_not_answered_with_the_page() {
    let (_folder, address) = served().await;
    let long = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(16 * 1_024));
    let many = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(100));
    for request in [long.as_bytes(), many.as_bytes(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"] {
        let answer = asked(address, request).await;
        assert!(!answer.contains("utilidor_gateway"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_sends_no_whole_request_is_cut_off() {
    let (_folder, address) = served().await;
    // It waits for an end that never comes; the server does not.
    assert_eq!(asked(address, b"GET /metrics HTTP/1.1\r\nHost: loc").await.find("utilidor_gateway"), None);
}
