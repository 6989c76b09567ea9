//! What flowed by hour, day or month, and the same as a document for other programs.

use crate::extract::{AsksMeters, AsksReadings, Path, Query};
use crate::problem::{Code, Problem, Problems};
use crate::state::App;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use utilidor_index::questions::SeriesRefused;
use utilidor_types::carrier::{BaseUnit, Carrier};
use utilidor_types::{AccountId, AgreementId};
use utilidor_view::{Known, SeriesQuery, SeriesView, Step};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Media type of usage documents.
const ATOM: &str = "application/atom+xml";

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_account_series))
        .routes(routes!(get_account_usage))
        .routes(routes!(get_agreement_series))
}

fn refused(refused: SeriesRefused) -> Problem {
    Problem::new(Code::Malformed, refused.to_string())
}

async fn of_account(
    app: &App,
    viewer: utilidor_view::Viewer,
    account: AccountId,
    carrier: Carrier,
    query: SeriesQuery,
) -> Result<SeriesView, Problem> {
    let series = app.ask(viewer, move |questions| questions.series_of_account(account, carrier, &query)).await?;
    series.ok_or_else(|| Problem::not_found(format!("account {account}")))?.map_err(refused)
}

/// What flowed through the meters of a carrier that an account holds or has held, by hour, day or month of the tariff's own
/// time. What is not known is marked, and what a substitute rule has settled.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/series/{carrier}", tag = "meters",
    params(
        ("account" = AccountId, Path, description = "The account"),
        ("carrier" = Carrier, Path, description = "The carrier"),
        SeriesQuery
    ),
    security(("token" = ["meters"])),
    responses((status = 200, body = SeriesView), Problems)
)]
async fn get_account_series(
    State(app): State<App>,
    AsksMeters(viewer): AsksMeters,
    Path((account, carrier)): Path<(AccountId, Carrier)>,
    Query(query): Query<SeriesQuery>,
) -> Result<axum::Json<SeriesView>, Problem> {
    Ok(axum::Json(of_account(&app, viewer, account, carrier, query).await?))
}

/// The same of the meters that serve an agreement, in the time that they do, for its parties.
#[utoipa::path(
    get, path = "/v1/agreements/{agreement}/series/{carrier}", tag = "trade",
    params(
        ("agreement" = AgreementId, Path, description = "The agreement"),
        ("carrier" = Carrier, Path, description = "The carrier"),
        SeriesQuery
    ),
    security(("token" = ["trade", "meters"])),
    responses((status = 200, body = SeriesView), Problems)
)]
async fn get_agreement_series(
    State(app): State<App>,
    AsksReadings(viewer): AsksReadings,
    Path((agreement, carrier)): Path<(AgreementId, Carrier)>,
    Query(query): Query<SeriesQuery>,
) -> Result<axum::Json<SeriesView>, Problem> {
    let series = app.ask(viewer, move |questions| questions.series_of_agreement(agreement, carrier, &query)).await?;
    let series = series.ok_or_else(|| Problem::not_found(format!("agreement {agreement}")))?;
    Ok(axum::Json(series.map_err(refused)?))
}

/// The same as a Green Button document (ESPI usage information in an Atom feed), by hour or day: Wh or litres, with the quality
/// of each step. Steps of which nothing is known are left out.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/usage/{carrier}", tag = "meters",
    params(
        ("account" = AccountId, Path, description = "The account"),
        ("carrier" = Carrier, Path, description = "The carrier"),
        SeriesQuery
    ),
    security(("token" = ["meters"])),
    responses((status = 200, description = "The feed", body = String, content_type = ATOM), Problems)
)]
async fn get_account_usage(
    State(app): State<App>,
    AsksMeters(viewer): AsksMeters,
    Path((account, carrier)): Path<(AccountId, Carrier)>,
    Query(query): Query<SeriesQuery>,
) -> Result<impl IntoResponse, Problem> {
    let series = of_account(&app, viewer, account, carrier, query).await?;
    let name = format!("attachment; filename=\"usage-{carrier}.xml\"");
    Ok(([(header::CONTENT_TYPE, ATOM.to_owned()), (header::CONTENT_DISPOSITION, name)], feed(account, &series)))
}

/// Codes of the ESPI standard: unit of measure (72 Wh, 134 l), quality of reading (0 valid, 7 manually edited, 8 estimated
/// using reference day, 9 estimated using linear interpolation, 14 raw), kind of service (0 electricity, 1 gas, 2 water, 5 heat,
/// 6 cold).
fn feed(account: AccountId, series: &SeriesView) -> String {
    let (unit, base) = match series.carrier.base_unit() {
        BaseUnit::Joule => (72, 3_600),
        BaseUnit::Millilitre => (134, 1_000),
    };
    let service = match series.carrier {
        Carrier::Electricity => 0,
        Carrier::Gas => 1,
        Carrier::Water | Carrier::HotWater => 2,
        Carrier::Heating => 5,
        Carrier::Cooling => 6,
    };
    let length = match series.step {
        Step::Hour => 3_600,
        Step::Day => 86_400,
        Step::Month => 2_592_000,
    };
    let mut readings = String::new();
    for point in series.points.iter().filter(|point| point.known != Known::Missing || point.quantity.0 > 0) {
        let quality = match (point.known, point.corrected) {
            (_, true) => 7,
            (Known::Measured, _) => 0,
            (Known::Spread, _) => 9,
            (Known::Missing, _) => 14,
        };
        let (start, seconds) = (point.from_ms.0 / 1_000, (point.to_ms.0 - point.from_ms.0) / 1_000);
        readings.push_str(&format!(
            "<IntervalReading><ReadingQuality><quality>{quality}</quality></ReadingQuality><timePeriod>\
             <duration>{seconds}</duration><start>{start}</start></timePeriod><value>{}</value></IntervalReading>\n",
            point.quantity.0 / base
        ));
    }
    let updated = series
        .points
        .last()
        .map_or_else(|| utilidor_types::Timestamp(0).to_rfc3339(), |point| point.to_ms.to_rfc3339());
    let (from, to) =
        series.points.first().zip(series.points.last()).map_or((0, 0), |(first, last)| (first.from_ms.0, last.to_ms.0));
    let period = format!("<duration>{}</duration><start>{}</start>", (to - from) / 1_000, from / 1_000);
    let offset = i32::from(series.offset_minutes) * 60;
    let entry = |id: &str, content: &str| {
        format!(
            "<entry><id>urn:utilidor:{account}:{carrier}:{id}</id><title>{carrier}</title><updated>{updated}</updated>\
             <content type=\"application/xml\">{content}</content></entry>\n",
            carrier = series.carrier
        )
    };
    let espi = "xmlns=\"http://naesb.org/espi\"";
    let point = entry(
        "usage-point",
        &format!("<UsagePoint {espi}><ServiceCategory><kind>{service}</kind></ServiceCategory></UsagePoint>"),
    );
    let time = entry(
        "time",
        &format!(
            "<LocalTimeParameters {espi}><dstOffset>0</dstOffset><tzOffset>{offset}</tzOffset></LocalTimeParameters>"
        ),
    );
    let kind = entry(
        "reading-type",
        &format!(
            "<ReadingType {espi}><accumulationBehaviour>4</accumulationBehaviour><flowDirection>1</flowDirection>\
             <intervalLength>{length}</intervalLength><powerOfTenMultiplier>0</powerOfTenMultiplier><uom>{unit}</uom></ReadingType>"
        ),
    );
    let block = entry(
        "interval-block",
        &format!("<IntervalBlock {espi}><interval>{period}</interval>\n{readings}</IntervalBlock>"),
    );
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"><id>urn:utilidor:{account}:{}</id>\
         <title>usage</title><updated>{updated}</updated>\n{time}{point}{kind}{block}</feed>\n",
        series.carrier
    )
}
