//! Blocks.

use crate::extract::{Asked, Listed, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_view::{BlockDetail, BlockFilter, BlockView, Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_blocks)).routes(routes!(get_block))
}

/// Blocks by rising height. The genesis block, height 0, is not among them.
#[utoipa::path(
    get, path = "/v1/blocks", tag = "blocks", params(BlockFilter, PageQuery),
    responses((status = 200, body = Page<BlockView>), Problems)
)]
async fn list_blocks(
    State(app): State<App>,
    Asked(viewer): Asked,
    Query(filter): Query<BlockFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<BlockView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.blocks(&filter, paging)).await?))
}

/// A block, with those of its transactions' hashes and receipts of which one may see all.
#[utoipa::path(
    get, path = "/v1/blocks/{height}", tag = "blocks",
    params(("height" = u64, Path, description = "1 or more")),
    responses((status = 200, body = BlockDetail), Problems)
)]
async fn get_block(
    State(app): State<App>,
    Asked(viewer): Asked,
    Path(height): Path<u64>,
) -> Result<axum::Json<BlockDetail>, Problem> {
    let block = app.ask(viewer, move |questions| questions.block(height)).await?;
    block.map(axum::Json).ok_or_else(|| Problem::not_found(format!("block {height}")))
}
