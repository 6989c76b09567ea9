//! Meters and certified readings.

use crate::extract::{Path, Query, paging};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use serde::Deserialize;
use utilidor_chain::CertificatesProof;
use utilidor_index::Page;
use utilidor_index::meter::{CertificateRow, MeterRow};
use utilidor_types::{AccountId, CertificateId, MeterId};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(meters))
        .routes(routes!(meter))
        .routes(routes!(certificates))
        .routes(routes!(certificate))
        .routes(routes!(certificate_proof))
}

/// Which meters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MetersQuery {
    /// Whose consumption or generation they measure: an account in hex.
    #[param(value_type = Option<String>)]
    holder: Option<AccountId>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most items: 1 to 1000, 100 unless given.
    limit: Option<u32>,
}

/// Meters in the order of registration.
#[utoipa::path(
    get, path = "/v1/meters", tag = "meters", params(MetersQuery),
    responses((status = 200, body = Page<MeterRow>), Problems)
)]
async fn meters(
    State(app): State<App>,
    Query(query): Query<MetersQuery>,
) -> Result<axum::Json<Page<MeterRow>>, Problem> {
    let paging = paging(query.cursor.as_deref(), query.limit)?;
    Ok(axum::Json(app.read(move |reader| reader.meters(query.holder, paging)).await?))
}

/// A meter.
#[utoipa::path(
    get, path = "/v1/meters/{meter}", tag = "meters",
    params(("meter" = String, Path, description = "16 bytes in hex")),
    responses((status = 200, body = MeterRow), Problems)
)]
async fn meter(State(app): State<App>, Path(meter): Path<MeterId>) -> Result<axum::Json<MeterRow>, Problem> {
    let row = app.read(move |reader| reader.meter(meter)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("meter {meter}")))
}

/// A stretch of time.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CertificatesQuery {
    /// Intervals that end after this time.
    from_ms: Option<u64>,
    /// Intervals that begin before this time.
    to_ms: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most items: 1 to 1000, 100 unless given.
    limit: Option<u32>,
}

/// Certified readings of a meter, oldest first.
#[utoipa::path(
    get, path = "/v1/meters/{meter}/certificates", tag = "meters",
    params(("meter" = String, Path, description = "16 bytes in hex"), CertificatesQuery),
    responses((status = 200, body = Page<CertificateRow>), Problems)
)]
async fn certificates(
    State(app): State<App>,
    Path(meter): Path<MeterId>,
    Query(query): Query<CertificatesQuery>,
) -> Result<axum::Json<Page<CertificateRow>>, Problem> {
    let paging = paging(query.cursor.as_deref(), query.limit)?;
    let (from, to) = (query.from_ms, query.to_ms);
    Ok(axum::Json(app.read(move |reader| reader.certificates_of_meter(meter, from, to, paging)).await?))
}

/// A certified reading.
#[utoipa::path(
    get, path = "/v1/certificates/{id}", tag = "meters",
    params(("id" = String, Path, description = "The trading id: a decimal number")),
    responses((status = 200, body = CertificateRow), Problems)
)]
async fn certificate(
    State(app): State<App>,
    Path(id): Path<CertificateId>,
) -> Result<axum::Json<CertificateRow>, Problem> {
    let row = app.read(move |reader| reader.certificate(id)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("certificate {id}")))
}

/// The proof that a reading is in the certification log, as of the last final block.
#[utoipa::path(
    get, path = "/v1/certificates/{id}/proof", tag = "proofs",
    params(("id" = String, Path, description = "The trading id: a decimal number")),
    responses((status = 200, description = "The block, the run that holds the reading, and its path", body = Object), Problems)
)]
async fn certificate_proof(
    State(app): State<App>,
    Path(id): Path<CertificateId>,
) -> Result<axum::Json<CertificatesProof>, Problem> {
    let position = app.read(move |reader| reader.position_of_certificate(id)).await?;
    let position = position.ok_or_else(|| Problem::not_found(format!("certificate {id}")))?;
    Ok(axum::Json(app.chain.prove_certified(vec![position], None).await?))
}
