//! Statements.

use crate::extract::{AsksReadings, AsksTrade, Listed, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_types::AgreementId;
use utilidor_view::{CertificateView, Page, PageQuery, StatementFilter, StatementView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_statements))
        .routes(routes!(get_statement))
        .routes(routes!(list_statement_readings))
}

/// Statements of one's own agreements in the order of issue.
#[utoipa::path(
    get, path = "/v1/statements", tag = "statements", params(StatementFilter, PageQuery),
    security(("token" = ["trade"])),
    responses((status = 200, body = Page<StatementView>), Problems)
)]
async fn list_statements(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Query(filter): Query<StatementFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<StatementView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.statements(&filter, paging)).await?))
}

/// A statement.
#[utoipa::path(
    get, path = "/v1/statements/{agreement}/{number}", tag = "statements",
    params(
        ("agreement" = AgreementId, Path, description = "The agreement"),
        ("number" = u32, Path, description = "1, then 2, ... for each agreement")
    ),
    security(("token" = ["trade"])),
    responses((status = 200, body = StatementView), Problems)
)]
async fn get_statement(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path((agreement, number)): Path<(AgreementId, u32)>,
) -> Result<axum::Json<StatementView>, Problem> {
    let row = app.ask(viewer, move |questions| questions.statement(agreement, number)).await?;
    row.map(axum::Json).ok_or_else(|| unknown(agreement, number))
}

/// Certified readings of the agreement's meters in a statement's period, in the order of the certification log.
#[utoipa::path(
    get, path = "/v1/statements/{agreement}/{number}/readings", tag = "statements",
    params(
        ("agreement" = AgreementId, Path, description = "The agreement"),
        ("number" = u32, Path, description = "1, then 2, ... for each agreement"),
        PageQuery
    ),
    security(("token" = ["trade", "meters"])),
    responses((status = 200, body = Page<CertificateView>), Problems)
)]
async fn list_statement_readings(
    State(app): State<App>,
    AsksReadings(viewer): AsksReadings,
    Path((agreement, number)): Path<(AgreementId, u32)>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<CertificateView>>, Problem> {
    let question = app.ask(viewer, move |questions| questions.certificates_of_statement(agreement, number, paging));
    question.await?.map(axum::Json).ok_or_else(|| unknown(agreement, number))
}

pub(crate) fn unknown(agreement: AgreementId, number: u32) -> Problem {
    Problem::not_found(format!("statement {number} of agreement {agreement}"))
}
