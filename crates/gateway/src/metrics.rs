//! How the gateway does, for a monitoring system: counters and gauges in the Prometheus text format.
//!
//! Served to this machine alone: it says which meters there are and how they do.

use crate::journal::JournalError;
use crate::kept::Shared;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use tokio::net::TcpListener;

/// Longest request that is read, in bytes; hyper's least.
const MAX_REQUEST: usize = 8 * 1_024;
/// Most headers of a request.
const MAX_HEADERS: usize = 32;
/// How long a client may take for its request and the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most clients at once.
const MAX_CLIENTS: usize = 16;

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    reads: u64,
    newest_ms: Option<u64>,
    failures: BTreeMap<String, u64>,
    certified: u64,
    refused: BTreeMap<String, u64>,
    clock_offset_ms: Option<i64>,
    uplink_up: Option<bool>,
}

impl Metrics {
    fn change(&self, change: impl FnOnce(&mut Counted)) {
        change(&mut self.0.lock().expect("no holder of this lock panics"));
    }

    /// A reading is in the journal.
    pub fn read(&self, time_ms: u64) {
        self.change(|counted| {
            counted.reads += 1;
            counted.newest_ms = counted.newest_ms.max(Some(time_ms));
        });
    }

    /// A meter's turn gave no reading.
    pub fn failed(&self, code: &str) {
        self.change(|counted| *counted.failures.entry(code.into()).or_default() += 1);
    }

    /// The ledger has certified readings.
    pub fn certified(&self, readings: usize) {
        self.change(|counted| counted.certified += readings as u64);
    }

    /// The ledger has refused a reading.
    pub fn refused(&self, code: &str) {
        self.change(|counted| *counted.refused.entry(code.into()).or_default() += 1);
    }

    /// The clock was compared with the chain's time.
    pub fn compared(&self, offset_ms: i64) {
        self.change(|counted| counted.clock_offset_ms = Some(offset_ms));
    }

    /// Whether the ledger answers.
    pub fn uplink(&self, is_up: bool) {
        self.change(|counted| counted.uplink_up = Some(is_up));
    }

    /// All of it as text, with the backlog and the time of its oldest reading.
    pub fn text(&self, now_ms: u64, (backlog, oldest_ms): (u64, Option<u64>)) -> String {
        let counted = self.0.lock().expect("no holder of this lock panics");
        let mut text = String::new();
        let mut metric = |name: &str, kind: &str, help: &str, values: &[(String, i128)]| {
            let _ = writeln!(text, "# HELP utilidor_gateway_{name} {help}\n# TYPE utilidor_gateway_{name} {kind}");
            for (labels, value) in values {
                let _ = writeln!(text, "utilidor_gateway_{name}{labels} {value}");
            }
        };
        let one = |value: i128| vec![(String::new(), value)];
        let maybe = |value: Option<i128>| value.map(one).unwrap_or_default();
        let by_code = |codes: &BTreeMap<String, u64>| -> Vec<_> {
            codes.iter().map(|(code, count)| (format!("{{code=\"{code}\"}}"), i128::from(*count))).collect()
        };
        let age = |ms: Option<u64>| ms.map(|ms| i128::from(now_ms.saturating_sub(ms) / 1_000));
        metric("reads_total", "counter", "Readings put into the journal.", &one(counted.reads.into()));
        metric("read_failures_total", "counter", "Turns of a meter without a reading.", &by_code(&counted.failures));
        metric("certified_total", "counter", "Readings that the ledger has certified.", &one(counted.certified.into()));
        metric("refused_total", "counter", "Readings that the ledger has refused.", &by_code(&counted.refused));
        metric("backlog", "gauge", "Readings neither certified nor refused.", &one(backlog.into()));
        metric("backlog_age_seconds", "gauge", "Age of the oldest of them.", &maybe(age(oldest_ms)));
        metric("last_read_age_seconds", "gauge", "Age of the newest reading.", &maybe(age(counted.newest_ms)));
        let offset = counted.clock_offset_ms.map(i128::from);
        metric("clock_offset_milliseconds", "gauge", "How far the clock is ahead of the chain's.", &maybe(offset));
        metric("uplink_up", "gauge", "Whether the ledger answers.", &maybe(counted.uplink_up.map(i128::from)));
        text
    }
}

/// Listens for a monitoring system on this machine.
pub async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers until the journal fails.
pub async fn serve(listener: TcpListener, shared: Shared) -> JournalError {
    let mut http = http1::Builder::new();
    // One request a connection: a monitoring system asks once a minute, and nobody holds a place.
    http.keep_alive(false).max_buf_size(MAX_REQUEST).max_headers(MAX_HEADERS);
    http.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    let clients = std::sync::Arc::new(tokio::sync::Semaphore::new(MAX_CLIENTS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files: whoever asks is answered later.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let Ok(permit) = clients.clone().try_acquire_owned() else { continue };
        let backlog = match shared.writer.call(|journal| journal.backlog()).await {
            Ok(backlog) => backlog,
            Err(error) => return error,
        };
        let text = shared.metrics.text(shared.watch.clock().now_ms(), backlog);
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answer(&request, &text);
            async move { Ok::<_, Infallible>(answer) }
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            let _permit = permit;
            // A client that is slow or gone has no answer.
            let _ = tokio::time::timeout(PATIENCE, connection).await;
        });
    }
}

fn answer(request: &Request<Incoming>, text: &str) -> Response<String> {
    let is_asked = request.method() == Method::GET && request.uri().path() == "/metrics";
    let (status, body) =
        if is_asked { (StatusCode::OK, text) } else { (StatusCode::NOT_FOUND, "ask for GET /metrics\n") };
    let mut response = Response::new(body.to_string());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_stands_in_the_text() {
        let metrics = Metrics::default();
        metrics.read(90_000);
        metrics.read(80_000);
        metrics.failed("line/silent");
        metrics.certified(2);
        metrics.refused("reading/went-back");
        metrics.compared(-5);
        metrics.uplink(true);
        let text = metrics.text(100_000, (3, Some(40_000)));
        for line in [
            "utilidor_gateway_reads_total 2",
            "utilidor_gateway_read_failures_total{code=\"line/silent\"} 1",
            "utilidor_gateway_certified_total 2",
            "utilidor_gateway_refused_total{code=\"reading/went-back\"} 1",
            "utilidor_gateway_backlog 3",
            "utilidor_gateway_backlog_age_seconds 60",
            "utilidor_gateway_last_read_age_seconds 10",
            "utilidor_gateway_clock_offset_milliseconds -5",
            "utilidor_gateway_uplink_up 1",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is missing:\n{text}");
        }
        assert!(!Metrics::default().text(1, (0, None)).contains("last_read_age_seconds 0"), "nothing is invented");
    }
}
