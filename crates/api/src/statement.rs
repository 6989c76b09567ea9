//! Statements.

use crate::extract::{Path, Query, paging};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use serde::Deserialize;
use utilidor_index::Page;
use utilidor_index::statement::{StatementFilter, StatementRow};
use utilidor_types::{AccountId, AgreementId};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(statements)).routes(routes!(statement))
}

/// Which statements.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatementsQuery {
    /// Of agreements with this account as a party.
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// Whose period ends after this time.
    from_ms: Option<u64>,
    /// Whose period begins before this time.
    to_ms: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most items: 1 to 1000, 100 unless given.
    limit: Option<u32>,
}

/// Statements in the order of issue.
#[utoipa::path(
    get, path = "/v1/statements", tag = "statements", params(StatementsQuery),
    responses((status = 200, body = Page<StatementRow>), Problems)
)]
async fn statements(
    State(app): State<App>,
    Query(query): Query<StatementsQuery>,
) -> Result<axum::Json<Page<StatementRow>>, Problem> {
    let paging = paging(query.cursor.as_deref(), query.limit)?;
    let filter =
        StatementFilter { account: query.account, agreement: None, from_ms: query.from_ms, to_ms: query.to_ms };
    Ok(axum::Json(app.read(move |reader| reader.statements(filter, paging)).await?))
}

/// A statement.
#[utoipa::path(
    get, path = "/v1/statements/{agreement}/{number}", tag = "statements",
    params(
        ("agreement" = String, Path, description = "16 bytes in hex"),
        ("number" = u32, Path, description = "1, then 2, ... for each agreement")
    ),
    responses((status = 200, body = StatementRow), Problems)
)]
async fn statement(
    State(app): State<App>,
    Path((agreement, number)): Path<(AgreementId, u32)>,
) -> Result<axum::Json<StatementRow>, Problem> {
    let row = app.read(move |reader| reader.statement(agreement, number)).await?;
    row.map(axum::Json).ok_or_else(|| unknown(agreement, number))
}

pub(crate) fn unknown(agreement: AgreementId, number: u32) -> Problem {
    Problem::not_found(format!("statement {number} of agreement {agreement}"))
}
