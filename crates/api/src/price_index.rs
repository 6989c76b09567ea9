//! Published indices and their values.

use crate::extract::{Asked, Listed, Path};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_types::PriceIndexId;
use utilidor_view::{IndexValueView, Page, PageQuery, PriceIndexView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_price_indices))
        .routes(routes!(get_price_index))
        .routes(routes!(list_index_values))
}

/// All published indices, in the order of their first value.
#[utoipa::path(
    get, path = "/v1/price-indices", tag = "indices", params(PageQuery),
    responses((status = 200, body = Page<PriceIndexView>), Problems)
)]
async fn list_price_indices(
    State(app): State<App>,
    Asked(asker): Asked,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<PriceIndexView>>, Problem> {
    Ok(axum::Json(app.ask(asker, move |questions| questions.price_indices(paging)).await?))
}

/// A published index: whose it is, and what its numbers are.
#[utoipa::path(
    get, path = "/v1/price-indices/{index}", tag = "indices",
    params(("index" = PriceIndexId, Path, description = "The index")),
    responses((status = 200, body = PriceIndexView), Problems)
)]
async fn get_price_index(
    State(app): State<App>,
    Asked(asker): Asked,
    Path(index): Path<PriceIndexId>,
) -> Result<axum::Json<PriceIndexView>, Problem> {
    let found = app.ask(asker, move |questions| questions.price_index(index)).await?;
    found.map(axum::Json).ok_or_else(|| unknown(index))
}

/// An index's values in the order of their periods. Once published a value never changes.
#[utoipa::path(
    get, path = "/v1/price-indices/{index}/values", tag = "indices",
    params(("index" = PriceIndexId, Path, description = "The index"), PageQuery),
    responses((status = 200, body = Page<IndexValueView>), Problems)
)]
async fn list_index_values(
    State(app): State<App>,
    Asked(asker): Asked,
    Path(index): Path<PriceIndexId>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<IndexValueView>>, Problem> {
    let found = app.ask(asker, move |questions| questions.index_values(index, paging)).await?;
    found.map(axum::Json).ok_or_else(|| unknown(index))
}

fn unknown(index: PriceIndexId) -> Problem {
    Problem::not_found(format!("index {index}"))
}
