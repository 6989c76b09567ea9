//! The client app, which the binary carries: what `make web` left in `web/dist`.
//!
//! Every address outside `/v1` that a reader can land on is the app's front page; the app decides what it shows. Its scripts and
//! styles have their digest in their name, so that they are kept for ever and the front page is asked for each time. A release
//! build carries the files; a debug build reads them from where it was built, so that working on the app needs no new binary.
//!
//! Deliberately absent: anything that the app could do only on its own node. Another server can serve the same files.

use crate::problem::{Code, Problem};
use crate::state::App;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use axum::routing::get;
use flate2::{Compression, write::GzEncoder};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(RustEmbed)]
#[folder = "../../web/dist"]
struct Files;

/// The front page.
const INDEX: &str = "index.html";
/// Files whose names change with their content.
const UNCHANGING: &str = "assets/";
/// Below this, compressing saves nothing.
const MIN_COMPRESSED_BYTES: usize = 1_024;

/// The app takes scripts, styles and data from its own node alone, runs the WebAssembly that it brings, and stands in no frame.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The files as compressed, each once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Compressed(Arc<Mutex<HashMap<String, Bytes>>>);

impl Compressed {
    fn of(&self, path: &str, file: &EmbeddedFile) -> Bytes {
        // A debug build's files change while it runs: the digest tells them apart.
        let key = format!("{path} {}", tag(file));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = kept.entry(key).or_insert_with(|| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            let bytes = encoder.write_all(&file.data).and_then(|()| encoder.finish());
            bytes.expect("writing to memory cannot fail").into()
        });
        bytes.clone()
    }
}

pub(crate) fn router() -> Router<App> {
    Router::new().route("/", get(page)).route("/seats.json", get(seats))
}

/// Whoever has taken a seat acts with a throw-away key of the demonstration; other nodes have none: `null`.
async fn seats(State(app): State<App>) -> impl IntoResponse {
    let seats = app.seats.as_deref().unwrap_or("null").to_owned();
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], seats)
}

async fn page(State(app): State<App>, headers: HeaderMap) -> Result<Response<Body>, Problem> {
    serve(&app, INDEX, &headers).ok_or_else(|| Problem::new(Code::NotFound, "this build carries no client app"))
}

/// A file of the app, or its front page for an address within it.
pub(crate) async fn fallback(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Response<Body> {
    let unknown =
        || Problem::new(Code::UnknownRoute, format!("{method} {} is no endpoint", uri.path())).into_response();
    let path = uri.path().trim_start_matches('/');
    let reads = method == Method::GET || method == Method::HEAD;
    if !reads || path == "v1" || path.starts_with("v1/") {
        return unknown();
    }
    // An address within the app has no dot; a file that is not there is not the front page.
    let path = if path.contains('.') { path } else { INDEX };
    serve(&app, path, &headers).unwrap_or_else(unknown)
}

fn serve(app: &App, path: &str, asked: &HeaderMap) -> Option<Response<Body>> {
    let file = Files::get(path)?;
    let tag = format!("\"{}\"", tag(&file));
    let kept = if path.starts_with(UNCHANGING) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| {
        headers.insert(name, HeaderValue::from_str(value).expect("the app's headers are ASCII"));
    };
    set(header::ETAG, &tag);
    set(header::CACHE_CONTROL, kept);
    set(header::VARY, "accept-encoding");
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if names(asked, &header::IF_NONE_MATCH, &tag) {
        return Some((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    set(header::CONTENT_TYPE, &content_type(&file));
    if file.data.len() >= MIN_COMPRESSED_BYTES && names(asked, &header::ACCEPT_ENCODING, "gzip") {
        set(header::CONTENT_ENCODING, "gzip");
        return Some((headers, app.compressed.of(path, &file)).into_response());
    }
    Some((headers, file.data.into_owned()).into_response())
}

fn tag(file: &EmbeddedFile) -> String {
    hex::encode(&file.metadata.sha256_hash()[..12])
}

fn content_type(file: &EmbeddedFile) -> String {
    match file.metadata.mimetype() {
        text if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        other => other.to_owned(),
    }
}

/// Whether a header's list names a value.
fn names(headers: &HeaderMap, name: &HeaderName, value: &str) -> bool {
    let lists = headers.get_all(name).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| item.split(';').next().unwrap_or_default().trim() == value)
}
