//! Members, accounts and movements of money.

use crate::extract::{PageQuery, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_index::Page;
use utilidor_index::member::{AccountRow, MemberRow};
use utilidor_index::money::MovementRow;
use utilidor_types::AccountId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(members))
        .routes(routes!(accounts))
        .routes(routes!(account))
        .routes(routes!(movements))
}

/// Members in the order of admission.
#[utoipa::path(
    get, path = "/v1/members", tag = "accounts", params(PageQuery),
    responses((status = 200, body = Page<MemberRow>), Problems)
)]
async fn members(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<MemberRow>>, Problem> {
    let paging = page.paging()?;
    Ok(axum::Json(app.read(move |reader| reader.members(paging)).await?))
}

/// Accounts in the order of opening.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", params(PageQuery),
    responses((status = 200, body = Page<AccountRow>), Problems)
)]
async fn accounts(
    State(app): State<App>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<AccountRow>>, Problem> {
    let paging = page.paging()?;
    Ok(axum::Json(app.read(move |reader| reader.accounts(paging)).await?))
}

/// An account with its balance.
#[utoipa::path(
    get, path = "/v1/accounts/{account}", tag = "accounts",
    params(("account" = String, Path, description = "32 bytes in hex")),
    responses((status = 200, body = AccountRow), Problems)
)]
async fn account(State(app): State<App>, Path(account): Path<AccountId>) -> Result<axum::Json<AccountRow>, Problem> {
    let row = app.read(move |reader| reader.account(account)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("account {account}")))
}

/// Movements of an account's money, oldest first. An account that is not open has none.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/movements", tag = "accounts",
    params(("account" = String, Path, description = "32 bytes in hex"), PageQuery),
    responses((status = 200, body = Page<MovementRow>), Problems)
)]
async fn movements(
    State(app): State<App>,
    Path(account): Path<AccountId>,
    Query(page): Query<PageQuery>,
) -> Result<axum::Json<Page<MovementRow>>, Problem> {
    let paging = page.paging()?;
    Ok(axum::Json(app.read(move |reader| reader.movements_of_account(account, paging)).await?))
}
