//! Finding an id by its beginning.

use crate::extract::{Asked, Path};
use crate::problem::{Code, Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_view::FoundIds;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Fewest digits of a beginning.
const MIN_DIGITS: usize = 4;
/// Digits of the longest ids.
const MAX_DIGITS: usize = 64;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(find_ids))
}

/// Ids of accounts, members, offers, agreements, meters, packages and transactions that begin with these digits, as far as one
/// may see what they are of.
#[utoipa::path(
    get, path = "/v1/ids/{beginning}", tag = "node",
    params(("beginning" = String, Path, description = "4 to 64 hex digits")),
    responses((status = 200, body = FoundIds), Problems)
)]
async fn find_ids(
    State(app): State<App>,
    Asked(viewer): Asked,
    Path(beginning): Path<String>,
) -> Result<axum::Json<FoundIds>, Problem> {
    let digits = beginning.to_ascii_lowercase();
    let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !are_digits || !(MIN_DIGITS..=MAX_DIGITS).contains(&digits.len()) {
        let detail = format!("an id begins with {MIN_DIGITS} to {MAX_DIGITS} hex digits, not with {beginning:?}");
        return Err(Problem::new(Code::Malformed, detail));
    }
    Ok(axum::Json(FoundIds { items: app.ask(viewer, move |questions| questions.ids_beginning(&digits)).await? }))
}
