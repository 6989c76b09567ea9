//! Offers and the quotes on them.

use crate::extract::{Asked, AsksTrade, Listed, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_types::OfferId;
use utilidor_view::{OfferFilter, OfferView, Page, PageQuery, QuoteView};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_offers)).routes(routes!(get_offer)).routes(routes!(list_quotes))
}

/// Offers in the order of publication.
#[utoipa::path(
    get, path = "/v1/offers", tag = "trade", params(OfferFilter, PageQuery),
    responses((status = 200, body = Page<OfferView>), Problems)
)]
async fn list_offers(
    State(app): State<App>,
    Asked(viewer): Asked,
    Query(filter): Query<OfferFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<OfferView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.offers(&filter, paging)).await?))
}

/// An offer. Where an id was used again once its offer was over, the last one.
#[utoipa::path(
    get, path = "/v1/offers/{offer}", tag = "trade",
    params(("offer" = OfferId, Path, description = "The offer")),
    responses((status = 200, body = OfferView), Problems)
)]
async fn get_offer(
    State(app): State<App>,
    Asked(viewer): Asked,
    Path(offer): Path<OfferId>,
) -> Result<axum::Json<OfferView>, Problem> {
    let row = app.ask(viewer, move |questions| questions.offer(offer)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("offer {offer}")))
}

/// Quotes on an offer in the order of submission, those included that stand no more: commitments and sealed bytes, and the
/// content of those that the owner has awarded. The offer's owner sees all of them, a bidder its own.
#[utoipa::path(
    get, path = "/v1/offers/{offer}/quotes", tag = "trade",
    params(("offer" = OfferId, Path, description = "The offer"), PageQuery),
    security(("token" = ["trade"])),
    responses((status = 200, body = Page<QuoteView>), Problems)
)]
async fn list_quotes(
    State(app): State<App>,
    AsksTrade(viewer): AsksTrade,
    Path(offer): Path<OfferId>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<QuoteView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.quotes(offer, paging)).await?))
}
