//! The HTTP interface of a node: submission, reads from the index, proofs from the chain, and the event stream.
//!
//! ```text
//! client --HTTP--> middleware (request id, bounds, log) --> handlers, a file per noun --> index (reads)
//!                                                                                    \--> chain (submit, prove)
//!                        chain --final blocks--> indexer --> index
//! ```
//!
//! What the interface looks like stands in its OpenAPI document, `/v1/openapi.json`, which is made from the handlers and
//! compared with `openapi.json` in this crate's folder by a test. Lists come in pages; amounts are decimal strings; what
//! cannot be done is answered with a problem document ([`problem`]).
//!
//! Who asks is shown by a token: a key signs in for one (`session`), or makes one for a program. What is for whom is decided by
//! the index (`sight`), and said in ADR 0023 and, endpoint by endpoint, in `docs/access.md`.
//!
//! Deliberately absent: rules, keys, passwords, and anything that only an operator may do, save advancing a development chain's
//! time, which he signs.

mod access;
mod account;
mod admission;
mod agreement;
mod bill;
mod block;
mod council;
mod events;
mod extract;
pub mod indexer;
mod meter;
mod metrics;
mod middleware;
mod node;
mod offer;
mod oversight;
mod package;
mod paper;
mod peer;
mod price_index;
pub mod problem;
pub mod process;
mod program;
mod refusal;
mod search;
mod series;
mod server;
mod session;
pub mod state;
mod statement;
mod table;
mod transaction;
mod web;
mod words;

pub use indexer::{IndexerFailed, catch_up};
pub use server::ConnectionLimits;

use crate::problem::{Code, Problem};
use crate::state::{App, MAX_ADVANCE_TIME, MAX_ANSWER_TIME, MAX_BODY_BYTES};
pub use crate::state::{ClientLimits, check_kept};
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use axum::{Json, Router, routing::get};
use futures::future::BoxFuture;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use utilidor_chain::Handle;
use utilidor_index::{Index, ReadError};
use utilidor_types::session::Category;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi as Document, RefOr};
use utoipa_axum::router::OpenApiRouter;

/// Why the interface stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The index could not be opened for reading.
    #[error("cannot open the index for reading")]
    Readers(#[source] ReadError),
    /// What the node keeps beside the index could not be read.
    #[error("cannot read {}", path.display())]
    Kept {
        /// The file.
        path: std::path::PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The index no longer follows the chain.
    #[error("the index no longer follows the chain")]
    Indexer(#[source] IndexerFailed),
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Utilidor",
        description = "Energy trading on a consortium ledger: the HTTP interface of a node.\n\n\
            Money is a decimal string with six decimals, quantities are decimal strings of base units (joules for \
            electricity, heating and cooling; millilitres for hot water, gas and water), ids and hashes are hex, times are \
            Unix milliseconds. Lists come in pages: give `next` as `cursor` to read on. What is not for everybody is for who has \
            signed in (`/v1/session`): what one may not see is answered as if it were not there. What cannot be done is answered with \
            `application/problem+json`; its codes, and those of refusals in receipts, are listed at `/v1/problems`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(utilidor_view::Problem, utilidor_types::CertifiedRun)),
    tags(
        (name = "node", description = "Where the node and its chain stand"),
        (name = "access", description = "Signing in, read tokens for programs, and the log of oversight"),
        (name = "transactions", description = "Submitting signed transactions, and what became of them"),
        (name = "blocks", description = "Blocks, and the event stream of blocks and receipts"),
        (name = "accounts", description = "Members, accounts and movements of money"),
        (name = "council", description = "What the members decide together, and who the validators are"),
        (name = "trade", description = "Offers, quotes and agreements"),
        (name = "statements", description = "What was delivered and paid"),
        (name = "meters", description = "Meters and certified readings"),
        (name = "programs", description = "Programs that parties have written and published"),
        (name = "indices", description = "Values that contracts follow"),
        (name = "packages", description = "Energy packages and subscriptions"),
        (name = "refusals", description = "What the ledger refused, and why"),
        (name = "proofs", description = "Proofs that a client can check with the genesis document alone")
    )
)]
struct Api;

fn routers() -> (OpenApiRouter<App>, OpenApiRouter<App>) {
    let ordinary = OpenApiRouter::with_openapi(Api::openapi())
        .merge(node::router())
        .merge(transaction::router())
        .merge(block::router())
        .merge(events::router())
        .merge(account::router())
        .merge(council::router())
        .merge(offer::router())
        .merge(agreement::router())
        .merge(statement::router())
        .merge(bill::router())
        .merge(meter::router())
        .merge(package::router())
        .merge(program::router())
        .merge(price_index::router())
        .merge(refusal::router())
        .merge(search::router())
        .merge(paper::router())
        .merge(series::router())
        .merge(session::router())
        .merge(oversight::router());
    (ordinary, node::development_router())
}

/// The OpenAPI document (3.1).
pub fn openapi() -> Document {
    let (ordinary, slow) = routers();
    let mut document = ordinary.merge(slow).into_openapi();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "The token of a session (`POST /v1/session`), of a program (`POST /v1/tokens`) or of a supervisor \
         (`POST /v1/oversight`)",
    ));
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    // OpenAPI wants every response described; what an operation does also says what its answer is.
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten() {
            problem::add_table(operation);
            if operation.security.is_some() {
                problem::add_access_problems(&mut operation.responses);
            }
            let does = operation.summary.clone().unwrap_or_default();
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response
                    && response.description.is_empty()
                {
                    response.description.clone_from(&does);
                }
            }
        }
    }
    document
}

fn router(app: App) -> Router {
    let document = Arc::new(openapi());
    let (ordinary, slow) = routers();
    let time_limit = |limit| axum::middleware::from_fn_with_state(limit, middleware::time_limit);
    let ordinary = ordinary.layer(time_limit(MAX_ANSWER_TIME)).split_for_parts().0;
    let slow = slow.layer(time_limit(MAX_ADVANCE_TIME)).split_for_parts().0;
    let lists = ordinary.merge(slow);
    let all = (app.clone(), lists.clone().with_state(app.clone()));
    lists
        .layer(axum::middleware::from_fn_with_state(all, table::as_table))
        .route("/v1/openapi.json", get(move || async move { Json(document.as_ref().clone()) }))
        .route("/metrics", get(metrics::get_metrics))
        .merge(web::router())
        .fallback(web::fallback)
        .method_not_allowed_fallback(|method: Method, uri: axum::http::Uri| async move {
            Problem::new(Code::Method, format!("{} does not take {method}", uri.path()))
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(axum::middleware::from_fn_with_state(app.clone(), access::only_for_this_node))
        .layer(axum::middleware::from_fn_with_state(app.clone(), middleware::bound_and_log))
        .with_state(app)
}

/// How the interface is served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names that the node goes by, besides addresses and `localhost`.
    pub names: Vec<String>,
    /// Bounds on connections.
    pub connections: ConnectionLimits,
    /// Bounds on what clients hold.
    pub clients: ClientLimits,
    /// Whose seats the client app offers, in JSON: a demonstration's people with their throw-away keys.
    pub seats: Option<Arc<str>>,
    /// The categories that supervisors may ask for, each time with a reason.
    pub oversight: Vec<Category>,
}

impl Default for Settings {
    fn default() -> Self {
        let (connections, clients) = (ConnectionLimits::default(), ClientLimits::default());
        Self { names: Vec::new(), connections, clients, seats: None, oversight: Category::ALL.to_vec() }
    }
}

/// Serves the node's interface on `listener` until `shutdown` completes, and keeps the index abreast of the chain. Answers
/// that clients wait for are cut short at the end; the index is left after a whole block.
pub fn serve<'a>(
    listener: TcpListener,
    chain: Handle,
    index: Index,
    settings: &'a Settings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> BoxFuture<'a, Result<(), ServeError>> {
    serve_until(listener, chain, index, settings, Box::pin(shutdown))
}

/// Boxed, as what starts a node is: so the server is compiled with this crate, and not again with whoever starts one.
fn serve_until<'a>(
    listener: TcpListener,
    chain: Handle,
    index: Index,
    settings: &'a Settings,
    shutdown: BoxFuture<'static, ()>,
) -> BoxFuture<'a, Result<(), ServeError>> {
    Box::pin(async move {
        let (indexed_sender, indexed) = watch::channel(index.height());
        let (stop, stopping) = watch::channel(false);
        let stop = Arc::new(stop);
        let app = App::new(chain.clone(), index.path(), settings, indexed, stopping.clone())?;

        let indexer = tokio::spawn({
            let (stop, stopping) = (Arc::clone(&stop), stopping.clone());
            async move {
                let ended = indexer::follow(chain, index, indexed_sender, stopping).await;
                if let Err(error) = &ended {
                    tracing::error!(error = %with_causes(error), "the index no longer follows the chain");
                }
                stop.send_replace(true);
                ended
            }
        });
        tokio::spawn({
            let stop = Arc::clone(&stop);
            async move {
                shutdown.await;
                stop.send_replace(true);
            }
        });
        server::serve(listener, router(app), settings.connections, stopping).await;
        stop.send_replace(true);
        let ended = indexer.await.expect("the indexer does not panic");
        let closed = match ended {
            Ok(index) => indexer::close(index).await,
            Err(error) => Err(error),
        };
        closed.map_err(ServeError::Indexer)
    })
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
