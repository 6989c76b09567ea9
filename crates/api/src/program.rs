//! Programs that parties have published.

use crate::extract::{Asked, Listed, Path};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_types::ProgramId;
use utilidor_types::program::Publication;
use utilidor_view::{Page, PageQuery, ProgramView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_programs)).routes(routes!(get_program)).routes(routes!(get_publication))
}

/// All published programs, in the order of publication.
#[utoipa::path(
    get, path = "/v1/programs", tag = "programs", params(PageQuery),
    responses((status = 200, body = Page<ProgramView>), Problems)
)]
async fn list_programs(
    State(app): State<App>,
    Asked(asker): Asked,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<ProgramView>>, Problem> {
    Ok(axum::Json(app.ask(asker, move |questions| questions.programs(paging)).await?))
}

/// A published program: what it does in both languages, its parameters, its code's digest.
#[utoipa::path(
    get, path = "/v1/programs/{program}", tag = "programs",
    params(("program" = ProgramId, Path, description = "The program")),
    responses((status = 200, body = ProgramView), Problems)
)]
async fn get_program(
    State(app): State<App>,
    Asked(asker): Asked,
    Path(program): Path<ProgramId>,
) -> Result<axum::Json<ProgramView>, Problem> {
    let found = app.ask(asker, move |questions| questions.program(program)).await?;
    found.map(axum::Json).ok_or_else(|| unknown(program))
}

/// All that was published of a program, its code included. Its hash is the program's id.
#[utoipa::path(
    get, path = "/v1/programs/{program}/publication", tag = "programs",
    params(("program" = ProgramId, Path, description = "The program")),
    responses((status = 200, body = Publication), Problems)
)]
async fn get_publication(
    State(app): State<App>,
    Asked(asker): Asked,
    Path(program): Path<ProgramId>,
) -> Result<axum::Json<Publication>, Problem> {
    let found = app.ask(asker, move |questions| questions.publication(program)).await?;
    found.map(axum::Json).ok_or_else(|| unknown(program))
}

fn unknown(program: ProgramId) -> Problem {
    Problem::not_found(format!("program {program}"))
}
