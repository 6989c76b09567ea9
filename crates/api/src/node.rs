//! Where the node stands: status, genesis, totals, development time, state proofs, and the reference of codes.

use crate::extract::{Json, Path};
use crate::problem::{Code, PROBLEM_JSON, Problem, Problems};
use crate::state::App;
use axum::extract::State;
use serde::Serialize;
use utilidor_chain::{AdvanceTimeRefused, StateProof};
use utilidor_index::summary::Summary;
use utilidor_types::genesis::ChainKind;
use utilidor_types::operator::AdvanceTime;
use utilidor_types::{ChainId, Digest, Genesis, Key, Refusal};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(genesis))
        .routes(routes!(summary))
        .routes(routes!(state_proof))
        .routes(routes!(problems))
}

/// Apart from the others: its answer may take longer.
pub(crate) fn development_router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(advance_time))
}

/// Where the node stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NodeStatus {
    /// The chain.
    #[schema(value_type = String)]
    chain: ChainId,
    /// How it keeps time: `production` or `development`.
    #[schema(value_type = String)]
    kind: ChainKind,
    /// Height of the last final block.
    height: u64,
    /// Its time.
    time_ms: u64,
    /// Its digest.
    #[schema(value_type = String)]
    block: Digest,
    /// Root of the state after it.
    #[schema(value_type = String)]
    state_root: Digest,
    /// Transactions that wait.
    pool: usize,
    /// Height up to which this interface reads. It follows the chain a moment later.
    indexed_height: u64,
    /// The node's release.
    version: &'static str,
}

/// Where the node stands.
#[utoipa::path(get, path = "/v1/status", tag = "node", responses((status = 200, body = NodeStatus), Problems))]
async fn status(State(app): State<App>) -> axum::Json<NodeStatus> {
    let (head, genesis) = (app.chain.head(), app.chain.genesis());
    axum::Json(NodeStatus {
        chain: genesis.chain(),
        kind: genesis.kind,
        height: head.height,
        time_ms: head.time.0,
        block: head.digest,
        state_root: head.state_root,
        pool: head.pooled,
        indexed_height: *app.indexed.borrow(),
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// The genesis document: what every proof starts from. Compare its hash with one from a source that you trust.
#[utoipa::path(
    get, path = "/v1/genesis", tag = "node",
    responses((status = 200, description = "The genesis document", body = Object), Problems)
)]
async fn genesis(State(app): State<App>) -> axum::Json<Genesis> {
    axum::Json(app.chain.genesis().clone())
}

/// The chain in figures, with the check that money is conserved.
#[utoipa::path(get, path = "/v1/summary", tag = "node", responses((status = 200, body = Summary), Problems))]
async fn summary(State(app): State<App>) -> Result<axum::Json<Summary>, Problem> {
    Ok(axum::Json(app.read(|reader| reader.summary()).await?))
}

/// What a key of the state holds after the last final block, or that it holds nothing, with its proof.
#[utoipa::path(
    get, path = "/v1/state/{key}/proof", tag = "proofs",
    params(("key" = String, Path, description = "The cell's key: 32 bytes in hex")),
    responses((status = 200, description = "The cell, the block, and the path between them", body = Object), Problems)
)]
async fn state_proof(State(app): State<App>, Path(key): Path<Key>) -> Result<axum::Json<StateProof>, Problem> {
    Ok(axum::Json(app.chain.prove_state(key).await?))
}

/// A time to advance to, as the chain's operator signs it: the holder of the validator's key, or of an account that the genesis
/// document gives the role of a validator.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
#[schema(as = AdvanceTime)]
pub(crate) struct SignedAdvanceTime {
    /// The chain: 16 bytes in hex.
    chain: String,
    /// Unix time in milliseconds.
    to_ms: u64,
    /// The operator's public key, such as `ed25519:` and 32 bytes in hex.
    signer: String,
    /// Signature under the namespace `utilidor/advance-time` over the chain's 16 bytes and the time's 8, little-endian; in hex.
    signature: String,
}

/// The chain's time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChainTime {
    /// Unix time in milliseconds.
    time_ms: u64,
}

/// Moves the time of a development chain. Answers when the block that carries it can be read from this interface; due work
/// that did not fit into that block follows in the next ones.
#[utoipa::path(
    post, path = "/v1/development/time", tag = "node", request_body = SignedAdvanceTime,
    responses(
        (status = 200, body = ChainTime),
        (status = 403, description = "`development/not-the-operator`", body = Problem, content_type = PROBLEM_JSON),
        (status = 409, description = "`development/not-a-development-chain`, `development/time-in-past`", body = Problem,
            content_type = PROBLEM_JSON),
        Problems
    )
)]
async fn advance_time(State(app): State<App>, Json(wish): Json<AdvanceTime>) -> Result<axum::Json<ChainTime>, Problem> {
    if wish.to > utilidor_types::time::MAX_TIMESTAMP {
        return Err(Problem::new(Code::Malformed, format!("{} is beyond the ledger's calendar", wish.to)));
    }
    if app.chain.genesis().kind == ChainKind::Production {
        return Err(AdvanceTimeRefused::Production.into());
    }
    wish.verify(app.chain.genesis()).map_err(|refused| Problem::new(Code::NotTheOperator, refused.to_string()))?;
    let time = app.chain.advance_time(wish.to).await?;
    app.indexed(app.chain.head().height).await?;
    Ok(axum::Json(ChainTime { time_ms: time.0 }))
}

/// The reference of codes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Codes {
    /// Codes of problem documents.
    problems: Vec<ProblemCode>,
    /// Codes of refusals, which stand in receipts.
    refusals: Vec<RefusalCode>,
}

/// A code of problem documents.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemCode {
    /// The code.
    code: &'static str,
    /// The HTTP status.
    status: u16,
    /// What it means.
    title: &'static str,
}

/// A code of refusals.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RefusalCode {
    /// The code.
    code: &'static str,
    /// The rule.
    rule: &'static str,
}

/// All codes: of problem documents, and of refusals in receipts.
#[utoipa::path(get, path = "/v1/problems", tag = "node", responses((status = 200, body = Codes), Problems))]
async fn problems() -> axum::Json<Codes> {
    let problems =
        Code::REFERENCE.iter().map(|(code, status, title)| ProblemCode { code, status: *status, title }).collect();
    let refusals = Refusal::REFERENCE.iter().map(|(code, rule)| RefusalCode { code, rule: rule.trim() }).collect();
    axum::Json(Codes { problems, refusals })
}
