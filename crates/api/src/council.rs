//! The council: who decides, what is and was decided, and who the validators are.

use crate::extract::{Asked, AsksAccounts, Listed, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_types::MotionId;
use utilidor_view::{CouncilView, MotionFilter, MotionView, Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_council)).routes(routes!(list_motions)).routes(routes!(get_motion))
}

/// The council and the validators.
#[utoipa::path(get, path = "/v1/council", tag = "council", responses((status = 200, body = CouncilView), Problems))]
async fn get_council(State(app): State<App>, Asked(asker): Asked) -> Result<axum::Json<CouncilView>, Problem> {
    let genesis = app.chain.genesis().clone();
    Ok(axum::Json(app.ask(asker, move |questions| questions.council(&genesis)).await?))
}

/// Motions of the council in the order of being proposed, with the votes on each. One that names an account is shown to the council and to
/// whom the account is.
#[utoipa::path(
    get, path = "/v1/motions", tag = "council", params(MotionFilter, PageQuery),
    security(("token" = ["accounts"])),
    responses((status = 200, body = Page<MotionView>), Problems)
)]
async fn list_motions(
    State(app): State<App>,
    AsksAccounts(asker): AsksAccounts,
    Query(filter): Query<MotionFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<MotionView>>, Problem> {
    Ok(axum::Json(app.ask(asker, move |questions| questions.motions(filter, paging)).await?))
}

/// A motion with the votes on it. Of several under one label, the last one.
#[utoipa::path(
    get, path = "/v1/motions/{motion}", tag = "council",
    params(("motion" = MotionId, Path, description = "The motion")),
    security(("token" = ["accounts"])),
    responses((status = 200, body = MotionView), Problems)
)]
async fn get_motion(
    State(app): State<App>,
    AsksAccounts(asker): AsksAccounts,
    Path(motion): Path<MotionId>,
) -> Result<axum::Json<MotionView>, Problem> {
    let row = app.ask(asker, move |questions| questions.motion(motion)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("motion {motion}")))
}
