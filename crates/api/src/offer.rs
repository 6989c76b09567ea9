//! Offers and the quotes on them.

use crate::extract::{PageQuery, Path, Query, paging};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use serde::Deserialize;
use utilidor_index::Page;
use utilidor_index::offer::{OfferFilter, OfferRow, OfferStatus, QuoteRow};
use utilidor_types::{AccountId, OfferId};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(offers)).routes(routes!(offer)).routes(routes!(quotes))
}

/// Which offers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OffersQuery {
    /// Where they stand.
    #[param(inline)]
    status: Option<OfferStatus>,
    /// Whose: an account in hex.
    #[param(value_type = Option<String>)]
    owner: Option<AccountId>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Most items: 1 to 1000, 100 unless given.
    limit: Option<u32>,
}

/// Offers in the order of publication.
#[utoipa::path(
    get, path = "/v1/offers", tag = "trade", params(OffersQuery),
    responses((status = 200, body = Page<OfferRow>), Problems)
)]
async fn offers(
    State(app): State<App>,
    Query(query): Query<OffersQuery>,
) -> Result<axum::Json<Page<OfferRow>>, Problem> {
    let paging = paging(query.cursor.as_deref(), query.limit)?;
    let filter = OfferFilter { owner: query.owner, status: query.status };
    Ok(axum::Json(app.read(move |reader| reader.offers(filter, paging)).await?))
}

/// An offer.
#[utoipa::path(
    get, path = "/v1/offers/{offer}", tag = "trade",
    params(("offer" = String, Path, description = "16 bytes in hex")),
    responses((status = 200, body = OfferRow), Problems)
)]
async fn offer(State(app): State<App>, Path(offer): Path<OfferId>) -> Result<axum::Json<OfferRow>, Problem> {
    let row = app.read(move |reader| reader.offer(offer)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("offer {offer}")))
}

/// Quotes on an offer in the order of submission, replaced and withdrawn ones included: commitments and sealed bytes, and the
/// content of those that the owner has awarded.
#[utoipa::path(
    get, path = "/v1/offers/{offer}/quotes", tag = "trade",
    params(("offer" = String, Path, description = "16 bytes in hex"), PageQuery),
    responses((status = 200, body = Page<QuoteRow>), Problems)
)]
async fn quotes(
    State(app): State<App>,
    Path(offer): Path<OfferId>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<QuoteRow>>, Problem> {
    let paging = page.paging()?;
    Ok(axum::Json(app.read(move |reader| reader.quotes(offer, paging)).await?))
}
