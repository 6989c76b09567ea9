//! Agreements, their traces, and subscriptions.

use crate::extract::{PageQuery, Path, Query, paging};
use crate::problem::{Code, Problem, Problems};
use crate::state::App;
use axum::extract::State;
use serde::Deserialize;
use utilidor_index::Page;
use utilidor_index::agreement::{AgreementFilter, AgreementRow, STATUSES, status};
use utilidor_index::meter::CertificateRow;
use utilidor_index::money::MovementRow;
use utilidor_index::package::SubscriptionRow;
use utilidor_index::statement::{StatementFilter, StatementRow};
use utilidor_index::trace::Trace;
use utilidor_types::{AccountId, AgreementId, OfferId};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(agreements))
        .routes(routes!(agreement))
        .routes(routes!(trace))
        .routes(routes!(readings))
        .routes(routes!(movements))
        .routes(routes!(statements))
        .routes(routes!(subscription))
}

/// Which agreements.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AgreementsQuery {
    /// With this account as a party.
    #[param(value_type = Option<String>)]
    account: Option<AccountId>,
    /// `proposed`, `active`, `settled`, `defaulted`, `terminated`, `declined` or `expired`.
    status: Option<String>,
    /// `purchase` or `subscription`.
    kind: Option<String>,
    /// From an award on this offer.
    #[param(value_type = Option<String>)]
    offer: Option<OfferId>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most items: 1 to 1000, 100 unless given.
    limit: Option<u32>,
}

/// Agreements in the order in which they were proposed.
#[utoipa::path(
    get, path = "/v1/agreements", tag = "trade", params(AgreementsQuery),
    responses((status = 200, body = Page<AgreementRow>), Problems)
)]
async fn agreements(
    State(app): State<App>,
    Query(query): Query<AgreementsQuery>,
) -> Result<axum::Json<Page<AgreementRow>>, Problem> {
    let paging = paging(query.cursor.as_deref(), query.limit)?;
    let unknown_status = |name: &str| {
        let names: Vec<_> = STATUSES.iter().map(|status| status.name()).collect();
        Problem::new(Code::Malformed, format!("no status is called {name:?}; they are {}", names.join(", ")))
    };
    let status = query.status.map(|name| status(&name).ok_or_else(|| unknown_status(&name))).transpose()?;
    if let Some(kind) = query.kind.as_deref().filter(|kind| !["purchase", "subscription"].contains(kind)) {
        let detail = format!("no kind of agreement is called {kind:?}; they are purchase and subscription");
        return Err(Problem::new(Code::Malformed, detail));
    }
    let filter = AgreementFilter { account: query.account, status, kind: query.kind, offer: query.offer };
    Ok(axum::Json(app.read(move |reader| reader.agreements(&filter, paging)).await?))
}

/// An agreement with its terms, signatures and steps.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}", tag = "trade",
    params(("agreement" = String, Path, description = "16 bytes in hex")),
    responses((status = 200, body = AgreementRow), Problems)
)]
async fn agreement(
    State(app): State<App>,
    Path(agreement): Path<AgreementId>,
) -> Result<axum::Json<AgreementRow>, Problem> {
    let row = app.read(move |reader| reader.agreement(agreement)).await?;
    row.map(axum::Json).ok_or_else(|| unknown(agreement))
}

/// A trade from offer to payment: offer, quotes' commitments, award, signatures, readings with their certificates' ids,
/// statements, and every movement of money. Each list begins with its first page; the rest is at its own address.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/trace", tag = "trade",
    params(("agreement" = String, Path, description = "16 bytes in hex"), PageQuery),
    responses((status = 200, body = Trace), Problems)
)]
async fn trace(
    State(app): State<App>,
    Path(agreement): Path<AgreementId>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Trace>, Problem> {
    if page.cursor.is_some() {
        return Err(Problem::new(
            Code::BadPage,
            "a trace has no cursor of its own: its lists go on at their own addresses",
        ));
    }
    let paging = page.paging()?;
    let trace = app.read(move |reader| reader.trace(agreement, paging)).await?;
    trace.map(axum::Json).ok_or_else(|| unknown(agreement))
}

/// Certified readings that count for an agreement, in the order of the certification log.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/readings", tag = "trade",
    params(("agreement" = String, Path, description = "16 bytes in hex"), PageQuery),
    responses((status = 200, body = Page<CertificateRow>), Problems)
)]
async fn readings(
    State(app): State<App>,
    Path(agreement): Path<AgreementId>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<CertificateRow>>, Problem> {
    let paging = page.paging()?;
    Ok(axum::Json(app.read(move |reader| reader.certificates_of_agreement(agreement, None, paging)).await?))
}

/// Movements of an agreement's money, oldest first.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/movements", tag = "trade",
    params(("agreement" = String, Path, description = "16 bytes in hex"), PageQuery),
    responses((status = 200, body = Page<MovementRow>), Problems)
)]
async fn movements(
    State(app): State<App>,
    Path(agreement): Path<AgreementId>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<MovementRow>>, Problem> {
    let paging = page.paging()?;
    Ok(axum::Json(app.read(move |reader| reader.movements_of_agreement(agreement, paging)).await?))
}

/// Statements of an agreement in the order of issue.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/statements", tag = "statements",
    params(("agreement" = String, Path, description = "16 bytes in hex"), PageQuery),
    responses((status = 200, body = Page<StatementRow>), Problems)
)]
async fn statements(
    State(app): State<App>,
    Path(agreement): Path<AgreementId>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<StatementRow>>, Problem> {
    let paging = page.paging()?;
    let filter = StatementFilter { agreement: Some(agreement), ..Default::default() };
    Ok(axum::Json(app.read(move |reader| reader.statements(filter, paging)).await?))
}

/// A subscription with its prepaid tranches, as far as statements have charged them, and its notices.
#[utoipa::path(
    get, path = "/v1/subscriptions/{agreement}", tag = "packages",
    params(("agreement" = String, Path, description = "16 bytes in hex")),
    responses((status = 200, body = SubscriptionRow), Problems)
)]
async fn subscription(
    State(app): State<App>,
    Path(agreement): Path<AgreementId>,
) -> Result<axum::Json<SubscriptionRow>, Problem> {
    let row = app.read(move |reader| reader.subscription(agreement)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("subscription {agreement}")))
}

fn unknown(agreement: AgreementId) -> Problem {
    Problem::not_found(format!("agreement {agreement}"))
}
