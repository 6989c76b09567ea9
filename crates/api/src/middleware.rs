//! What every request passes: an id, the bound on requests in work, a line in the log, the bound on time. The log names
//! method, path, status and duration; never bodies, queries or headers.

use crate::peer::Peer;
use crate::problem::{Code, Problem};
use crate::state::App;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An id that no other request of this node has, also after a restart.
fn request_id() -> String {
    static STARTED: OnceLock<u64> = OnceLock::new();
    static REQUESTS: AtomicU64 = AtomicU64::new(0);
    let started = STARTED
        .get_or_init(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64));
    format!("{started:x}-{:x}", REQUESTS.fetch_add(1, Ordering::Relaxed))
}

/// Bounds requests in work, and logs each under an id that the answer carries.
pub(crate) async fn bound_and_log(State(app): State<App>, peer: Peer, request: Request, next: Next) -> Response {
    let id = request_id();
    let span = tracing::info_span!("request", id, method = %request.method(), path = request.uri().path());
    let mut response = async move {
        let begun = Instant::now();
        let response = match app.request_place(peer) {
            Ok(_place) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
        let (status, elapsed_ms) = (response.status().as_u16(), begun.elapsed().as_millis() as u64);
        match status {
            500.. => tracing::warn!(status, elapsed_ms, "answered"),
            _ => tracing::debug!(status, elapsed_ms, "answered"),
        }
        response
    }
    .instrument(span)
    .await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// Answers with a problem when an answer takes longer than `limit`. The request is dropped then, and what it held is free.
pub(crate) async fn time_limit(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!(
                "no answer within {} s: ask for less, with a smaller limit or a shorter time, or again later",
                limit.as_secs()
            );
            Problem::new(Code::Timeout, detail).into_response()
        }
    }
}
