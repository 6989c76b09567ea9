//! Agreements, their traces, and subscriptions.

use crate::extract::{AsksReadings, AsksTrade, Listed, Path, Query};
use crate::problem::{Code, Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_index::Paging;
use utilidor_types::AgreementId;
use utilidor_view::{
    AgreementFilter, AgreementView, CertificateView, EventFilter, EventView, MovementView, Page, PageQuery,
    StatementView, SubscriptionView, TimeFilter, Trace,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_agreements))
        .routes(routes!(get_agreement))
        .routes(routes!(get_agreement_trace))
        .routes(routes!(list_agreement_readings))
        .routes(routes!(list_agreement_events))
        .routes(routes!(list_agreement_movements))
        .routes(routes!(list_agreement_statements))
        .routes(routes!(get_subscription))
}

/// One's own agreements in the order in which they were proposed.
#[utoipa::path(
    get, path = "/v1/agreements", tag = "trade", params(AgreementFilter, PageQuery),
    security(("token" = ["trade"])),
    responses((status = 200, body = Page<AgreementView>), Problems)
)]
async fn list_agreements(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Query(filter): Query<AgreementFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<AgreementView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.agreements(&filter, paging)).await?))
}

/// An agreement with its terms, signatures, debts and steps.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}", tag = "trade",
    params(("agreement" = AgreementId, Path, description = "The agreement")),
    security(("token" = ["trade"])),
    responses((status = 200, body = AgreementView), Problems)
)]
async fn get_agreement(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path(agreement): Path<AgreementId>,
) -> Result<axum::Json<AgreementView>, Problem> {
    let row = app.ask(viewer, move |questions| questions.agreement(agreement)).await?;
    row.map(axum::Json).ok_or_else(|| unknown(agreement))
}

/// A trade from offer to payment: offer, quotes' commitments, award, signatures, certified readings, what its meters brought
/// and its parties were told, statements, and every movement of money. Each list begins with its first page; the rest is at
/// its own address.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/trace", tag = "trade",
    params(("agreement" = AgreementId, Path, description = "The agreement"), PageQuery),
    security(("token" = ["trade"])),
    responses((status = 200, body = Trace), Problems)
)]
async fn get_agreement_trace(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path(agreement): Path<AgreementId>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Trace>, Problem> {
    if page.cursor.is_some() {
        return Err(Problem::new(
            Code::BadPage,
            "a trace has no cursor of its own: its lists go on at their own addresses",
        ));
    }
    let paging = Paging::of(&page)?;
    let trace = app.ask(viewer, move |questions| questions.trace(agreement, paging)).await?;
    trace.map(axum::Json).ok_or_else(|| unknown(agreement))
}

/// Certified readings of the meters that serve or served an agreement, in that time, in the order of the certification log.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/readings", tag = "trade",
    params(("agreement" = AgreementId, Path, description = "The agreement"), TimeFilter, PageQuery),
    security(("token" = ["trade", "meters"])),
    responses((status = 200, body = Page<CertificateView>), Problems)
)]
async fn list_agreement_readings(
    State(app): State<App>,
    AsksReadings(viewer): AsksReadings,
    Path(agreement): Path<AgreementId>,
    Query(filter): Query<TimeFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<CertificateView>>, Problem> {
    let question = app.ask(viewer, move |questions| questions.certificates_of_agreement(agreement, &filter, paging));
    question.await?.map(axum::Json).ok_or_else(|| unknown(agreement))
}

/// What an agreement's meters brought and what its parties were told, oldest first: segments, corrections, prepayments, debts,
/// notices, failures of its program. Movements, statements and steps have lists of their own; a kind that is asked for is
/// listed whichever it is.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/events", tag = "trade",
    params(("agreement" = AgreementId, Path, description = "The agreement"), EventFilter, PageQuery),
    security(("token" = ["trade"])),
    responses((status = 200, body = Page<EventView>), Problems)
)]
async fn list_agreement_events(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path(agreement): Path<AgreementId>,
    Query(filter): Query<EventFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<EventView>>, Problem> {
    let page = app.ask(viewer, move |questions| questions.events_of_agreement(agreement, &filter, paging)).await?;
    page.map(axum::Json).ok_or_else(|| unknown(agreement))
}

/// Movements of an agreement's money, oldest first.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/movements", tag = "trade",
    params(("agreement" = AgreementId, Path, description = "The agreement"), PageQuery),
    security(("token" = ["trade"])),
    responses((status = 200, body = Page<MovementView>), Problems)
)]
async fn list_agreement_movements(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path(agreement): Path<AgreementId>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<MovementView>>, Problem> {
    let page = app.ask(viewer, move |questions| questions.movements_of_agreement(agreement, paging)).await?;
    page.map(axum::Json).ok_or_else(|| unknown(agreement))
}

/// Statements of an agreement in the order of issue.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/statements", tag = "statements",
    params(("agreement" = AgreementId, Path, description = "The agreement"), PageQuery),
    security(("token" = ["trade"])),
    responses((status = 200, body = Page<StatementView>), Problems)
)]
async fn list_agreement_statements(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path(agreement): Path<AgreementId>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<StatementView>>, Problem> {
    let page = app.ask(viewer, move |questions| questions.statements_of_agreement(agreement, paging)).await?;
    page.map(axum::Json).ok_or_else(|| unknown(agreement))
}

/// A subscription with its prepaid tranches, as far as statements have charged them, and its notices.
#[utoipa::path(
    get, path = "/v1/subscriptions/{agreement}", tag = "packages",
    params(("agreement" = AgreementId, Path, description = "The subscription's agreement")),
    security(("token" = ["trade"])),
    responses((status = 200, body = SubscriptionView), Problems)
)]
async fn get_subscription(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path(agreement): Path<AgreementId>,
) -> Result<axum::Json<SubscriptionView>, Problem> {
    let row = app.ask(viewer, move |questions| questions.subscription(agreement)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("subscription {agreement}")))
}

fn unknown(agreement: AgreementId) -> Problem {
    Problem::not_found(format!("agreement {agreement}"))
}
