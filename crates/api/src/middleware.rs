//! What every request passes: an id, its body, the bound on requests in work, a line in the log, the bound on time. The log names
//! method, path, status and duration; never bodies, queries or headers.

use crate::peer::Peer;
use crate::problem::{Code, Problem};
use crate::state::{App, MAX_BODY_BYTES, MAX_BODY_TIME};
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State};
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
        let response = match received(&app, peer, request).await {
            Ok(request) => match app.request_place(peer) {
                Ok(_place) => next.run(request).await,
                Err(problem) => problem.into_response(),
            },
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

/// A request with its whole body. As long as that is on its way, the request holds no place among those in work: what a slow
/// client can hold is the places of bodies.
async fn received(app: &App, peer: Peer, request: Request) -> Result<Request, Problem> {
    if request.body().is_end_stream() {
        return Ok(request);
    }
    let (head, body) = request.into_parts();
    let _place = app.receiving_place(peer, body.size_hint().upper()).await?;
    Ok(Request::from_parts(head, whole(body, MAX_BODY_TIME).await?.into()))
}

async fn whole(body: Body, limit: Duration) -> Result<Bytes, Problem> {
    let mut bare = Request::new(body);
    DefaultBodyLimit::max(MAX_BODY_BYTES).apply(&mut bare);
    let too_slow = |_| {
        let detail = format!("the body was not there after {} s: send it at once", limit.as_secs());
        Problem::new(Code::TooSlow, detail)
    };
    Ok(tokio::time::timeout(limit, Bytes::from_request(bare, &())).await.map_err(too_slow)??)
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::stream;

    #[tokio::test]
    async fn a_body_that_does_not_come_or_does_not_end_is_given_up() {
        const LIMIT: Duration = Duration::from_millis(200);
        let code = async |body| whole(body, LIMIT).await.unwrap_err().0.code.into_owned();
        assert_eq!(whole(Body::from("all of it"), LIMIT).await.unwrap(), "all of it");
        assert_eq!(
            code(Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>())).await,
            "request/too-slow"
        );
        let drips = stream::unfold((), |()| async {
            tokio::time::sleep(LIMIT / 10).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"1")), ()))
        });
        assert_eq!(code(Body::from_stream(drips)).await, "request/too-slow");
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![0; 1 << 20])));
        assert_eq!(code(Body::from_stream(endless)).await, "request/too-large");
    }
}
