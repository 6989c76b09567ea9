//! Refused transactions and readings.

use crate::extract::{Query, paging};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use serde::Deserialize;
use utilidor_index::Page;
use utilidor_index::refusal::{RefusalCount, RefusalRow};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(refusals)).routes(routes!(refusal_counts))
}

/// Which refusals.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RefusalsQuery {
    /// The same as a cursor.
    after: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most items: 1 to 1000, 100 unless given.
    limit: Option<u32>,
}

/// Refused transactions and readings, oldest first.
#[utoipa::path(
    get, path = "/v1/refusals", tag = "refusals", params(RefusalsQuery),
    responses((status = 200, body = Page<RefusalRow>), Problems)
)]
async fn refusals(
    State(app): State<App>,
    Query(query): Query<RefusalsQuery>,
) -> Result<axum::Json<Page<RefusalRow>>, Problem> {
    let paging = paging(query.cursor.or(query.after).as_deref(), query.limit)?;
    Ok(axum::Json(app.read(move |reader| reader.refusals(paging)).await?))
}

/// How often each rule refused something. There are few codes, so this is one page.
#[utoipa::path(
    get, path = "/v1/refusals/summary", tag = "refusals",
    responses((status = 200, body = Page<RefusalCount>), Problems)
)]
async fn refusal_counts(State(app): State<App>) -> Result<axum::Json<Page<RefusalCount>>, Problem> {
    let items = app.read(|reader| reader.refusal_counts()).await?;
    Ok(axum::Json(Page { items, next: None }))
}
