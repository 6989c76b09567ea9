//! Blocks.

use crate::extract::{Path, Query, paging};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use serde::Deserialize;
use utilidor_index::Page;
use utilidor_index::block::{BlockDetail, BlockRow};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(blocks)).routes(routes!(block))
}

/// Which blocks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct BlocksQuery {
    /// Blocks above this height. The same as a cursor.
    after: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most items: 1 to 1000, 100 unless given.
    limit: Option<u32>,
}

/// Blocks by rising height. The genesis block, height 0, is not among them.
#[utoipa::path(
    get, path = "/v1/blocks", tag = "blocks", params(BlocksQuery),
    responses((status = 200, body = Page<BlockRow>), Problems)
)]
async fn blocks(
    State(app): State<App>,
    Query(query): Query<BlocksQuery>,
) -> Result<axum::Json<Page<BlockRow>>, Problem> {
    let cursor = query.cursor.or(query.after.map(|after| after.to_string()));
    let paging = paging(cursor.as_deref(), query.limit)?;
    Ok(axum::Json(app.read(move |reader| reader.blocks(paging)).await?))
}

/// A block with the hashes of its transactions and its receipts.
#[utoipa::path(
    get, path = "/v1/blocks/{height}", tag = "blocks",
    params(("height" = u64, Path, description = "1 or more")),
    responses((status = 200, body = BlockDetail), Problems)
)]
async fn block(State(app): State<App>, Path(height): Path<u64>) -> Result<axum::Json<BlockDetail>, Problem> {
    let block = app.read(move |reader| reader.block(height)).await?;
    block.map(axum::Json).ok_or_else(|| Problem::not_found(format!("block {height}")))
}
