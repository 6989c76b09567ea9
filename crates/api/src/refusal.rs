//! Refused transactions, readings and awards.

use crate::extract::{AsksAccounts, AsksTotals, Listed};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_view::{Page, PageQuery, RefusalCount, RefusalView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_refusals)).routes(routes!(count_refusals))
}

/// What was refused to one: transactions, readings of one's meters, awards on one's offers and of one's quotes.
#[utoipa::path(
    get, path = "/v1/refusals", tag = "refusals", params(PageQuery),
    security(("token" = ["accounts"])),
    responses((status = 200, body = Page<RefusalView>), Problems)
)]
async fn list_refusals(
    State(app): State<App>,
    AsksAccounts(viewer): AsksAccounts,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<RefusalView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.refusals(paging)).await?))
}

/// How often each rule refused something. There are few codes, so this is one page.
#[utoipa::path(
    get, path = "/v1/refusals/summary", tag = "refusals",
    security(("token" = [])),
    responses((status = 200, body = Page<RefusalCount>), Problems)
)]
async fn count_refusals(
    State(app): State<App>,
    AsksTotals(viewer): AsksTotals,
) -> Result<axum::Json<Page<RefusalCount>>, Problem> {
    let items = app.ask(viewer, |questions| questions.refusal_counts()).await?;
    Ok(axum::Json(Page { items, next: None }))
}
