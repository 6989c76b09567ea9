//! Where the node stands: status, genesis, totals, development time, state proofs, and the reference of codes.

use crate::extract::{AsksTotals, Json, Path};
use crate::problem::{PROBLEM_JSON, Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_types::operator::AdvanceTime;
use utilidor_types::{Genesis, Key};
use utilidor_view::{ChainTime, Codes, NodeStatus, StateProof, Summary};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_status))
        .routes(routes!(get_genesis))
        .routes(routes!(get_summary))
        .routes(routes!(prove_state))
        .routes(routes!(list_problems))
}

/// Apart from the others: its answer may take longer.
pub(crate) fn development_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(advance_time))
}

/// Where the node stands.
#[utoipa::path(get, path = "/v1/status", tag = "node", responses((status = 200, body = NodeStatus), Problems))]
async fn get_status(State(app): State<App>) -> axum::Json<NodeStatus> {
    let (head, genesis) = (app.chain.head(), app.chain.genesis());
    axum::Json(NodeStatus {
        chain: genesis.chain(),
        kind: genesis.kind,
        height: head.height,
        time_ms: head.time,
        block: head.digest,
        state_root: head.state_root,
        pool: head.pooled as u64,
        indexed_height: *app.indexed.borrow(),
        misconduct: app.chain.misconduct().len() as u64,
        version: env!("CARGO_PKG_VERSION").into(),
    })
}

/// The genesis document: what every proof starts from. Compare its hash with one from a source that you trust.
#[utoipa::path(
    get, path = "/v1/genesis", tag = "node",
    responses((status = 200, description = "The genesis document", body = Genesis), Problems)
)]
async fn get_genesis(State(app): State<App>) -> axum::Json<Genesis> {
    axum::Json(app.chain.genesis().clone())
}

/// The chain in figures, with the check that money is conserved.
#[utoipa::path(get, path = "/v1/summary", tag = "node", responses((status = 200, body = Summary), Problems))]
async fn get_summary(State(app): State<App>, AsksTotals(viewer): AsksTotals) -> Result<axum::Json<Summary>, Problem> {
    Ok(axum::Json(app.ask(viewer, |questions| questions.summary()).await?))
}

/// What a key of the state holds after the last final block, or that it holds nothing, with its proof. Keys are told of one's own
/// accounts, agreements, offers and meters.
#[utoipa::path(
    get, path = "/v1/state/{key}/proof", tag = "proofs",
    params(("key" = Key, Path, description = "The cell's key")),
    security(("token" = [])),
    responses((status = 200, body = StateProof), Problems)
)]
async fn prove_state(
    State(app): State<App>,
    AsksTotals(viewer): AsksTotals,
    Path(key): Path<Key>,
) -> Result<axum::Json<StateProof>, Problem> {
    if !app.ask(viewer, move |questions| questions.sees_key(key)).await? {
        return Err(Problem::not_found(format!("key {} of yours", utilidor_types::Digest(key.0))));
    }
    Ok(axum::Json(app.chain.prove_state(key).await?))
}

/// Moves the time of a development chain. Answers when the block that carries it can be read from this interface; due work
/// that did not fit into that block follows in the next ones.
#[utoipa::path(
    post, path = "/v1/development/time", tag = "node", request_body = AdvanceTime,
    responses(
        (status = 200, body = ChainTime),
        (status = 403, description = "`development/not-the-operator`", body = utilidor_view::Problem,
            content_type = PROBLEM_JSON),
        (status = 409, description = "`development/not-a-development-chain`, `development/time-in-past`",
            body = utilidor_view::Problem,
            content_type = PROBLEM_JSON),
        Problems
    )
)]
async fn advance_time(State(app): State<App>, Json(wish): Json<AdvanceTime>) -> Result<axum::Json<ChainTime>, Problem> {
    let time = app.chain.advance_time(&wish).await?;
    app.indexed(app.chain.head().height).await?;
    Ok(axum::Json(ChainTime { time_ms: time }))
}

/// All codes: of problem documents, and of refusals in receipts.
#[utoipa::path(get, path = "/v1/problems", tag = "node", responses((status = 200, body = Codes), Problems))]
async fn list_problems() -> axum::Json<Codes> {
    axum::Json(Codes::all())
}
