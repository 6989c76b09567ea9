//! Meters and certified readings.

use crate::extract::{AsksMeters, Listed, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_proof::document::Proof;
use utilidor_types::{CertificateId, MeterId};
use utilidor_view::{
    CertificateView, EventFilter, EventView, MeterFilter, MeterView, Page, PageQuery, ProofDocument, TimeFilter,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_meters))
        .routes(routes!(get_meter))
        .routes(routes!(list_meter_certificates))
        .routes(routes!(list_meter_events))
        .routes(routes!(get_certificate))
        .routes(routes!(prove_certificate))
}

/// The meters that one holds, operates, or has a running contract on, in the order of registration.
#[utoipa::path(
    get, path = "/v1/meters", tag = "meters", params(MeterFilter, PageQuery),
    security(("token" = ["meters"])),
    responses((status = 200, body = Page<MeterView>), Problems)
)]
async fn list_meters(
    State(app): State<App>,
    AsksMeters(viewer): AsksMeters,
    Query(filter): Query<MeterFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<MeterView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.meters(&filter, paging)).await?))
}

/// A meter.
#[utoipa::path(
    get, path = "/v1/meters/{meter}", tag = "meters",
    params(("meter" = MeterId, Path, description = "The meter")),
    security(("token" = ["meters"])),
    responses((status = 200, body = MeterView), Problems)
)]
async fn get_meter(
    State(app): State<App>,
    AsksMeters(viewer): AsksMeters,
    Path(meter): Path<MeterId>,
) -> Result<axum::Json<MeterView>, Problem> {
    let row = app.ask(viewer, move |questions| questions.meter(meter)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("meter {meter}")))
}

/// Certified readings of a meter, oldest first.
#[utoipa::path(
    get, path = "/v1/meters/{meter}/certificates", tag = "meters",
    params(("meter" = MeterId, Path, description = "The meter"), TimeFilter, PageQuery),
    security(("token" = ["meters"])),
    responses((status = 200, body = Page<CertificateView>), Problems)
)]
async fn list_meter_certificates(
    State(app): State<App>,
    AsksMeters(viewer): AsksMeters,
    Path(meter): Path<MeterId>,
    Query(filter): Query<TimeFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<CertificateView>>, Problem> {
    let page = app.ask(viewer, move |questions| questions.certificates_of_meter(meter, &filter, paging)).await?;
    page.map(axum::Json).ok_or_else(|| Problem::not_found(format!("meter {meter}")))
}

/// What receipts tell of a meter, oldest first: segments between its marks and who has them, gaps, corrections, and what nobody
/// was supplied with.
#[utoipa::path(
    get, path = "/v1/meters/{meter}/events", tag = "meters",
    params(("meter" = MeterId, Path, description = "The meter"), EventFilter, PageQuery),
    security(("token" = ["meters"])),
    responses((status = 200, body = Page<EventView>), Problems)
)]
async fn list_meter_events(
    State(app): State<App>,
    AsksMeters(viewer): AsksMeters,
    Path(meter): Path<MeterId>,
    Query(filter): Query<EventFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<EventView>>, Problem> {
    let page = app.ask(viewer, move |questions| questions.events_of_meter(meter, &filter, paging)).await?;
    page.map(axum::Json).ok_or_else(|| Problem::not_found(format!("meter {meter}")))
}

/// A certified reading.
#[utoipa::path(
    get, path = "/v1/certificates/{id}", tag = "meters",
    params(("id" = CertificateId, Path, description = "The trading id")),
    security(("token" = ["meters"])),
    responses((status = 200, body = CertificateView), Problems)
)]
async fn get_certificate(
    State(app): State<App>,
    AsksMeters(viewer): AsksMeters,
    Path(id): Path<CertificateId>,
) -> Result<axum::Json<CertificateView>, Problem> {
    let row = app.ask(viewer, move |questions| questions.certificate(id)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("certificate {id}")))
}

/// The proof that a reading is in the certification log, as of the last final block.
#[utoipa::path(
    get, path = "/v1/certificates/{id}/proof", tag = "proofs",
    params(("id" = CertificateId, Path, description = "The trading id")),
    security(("token" = ["meters"])),
    responses((status = 200, body = ProofDocument), Problems)
)]
async fn prove_certificate(
    State(app): State<App>,
    AsksMeters(viewer): AsksMeters,
    Path(id): Path<CertificateId>,
) -> Result<axum::Json<ProofDocument>, Problem> {
    let position = app.ask(viewer, move |questions| questions.position_of_certificate(id)).await?;
    let position = position.ok_or_else(|| Problem::not_found(format!("certificate {id}")))?;
    let proof = app.chain.prove_certified(vec![position], None).await?;
    Ok(axum::Json(Proof::Certificates(proof).document()))
}
