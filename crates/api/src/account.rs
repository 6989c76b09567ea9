//! Members, accounts and movements of money.

use crate::extract::{Asked, Listed, Path};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_types::AccountId;
use utilidor_view::{AccountView, MemberView, MovementView, Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_members))
        .routes(routes!(list_accounts))
        .routes(routes!(get_account))
        .routes(routes!(list_account_movements))
}

/// Members in the order of admission.
#[utoipa::path(
    get, path = "/v1/members", tag = "accounts", params(PageQuery),
    responses((status = 200, body = Page<MemberView>), Problems)
)]
async fn list_members(
    State(app): State<App>,
    Asked(asker): Asked,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<MemberView>>, Problem> {
    Ok(axum::Json(app.ask(asker, move |questions| questions.members(paging)).await?))
}

/// Accounts in the order of opening.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", params(PageQuery),
    responses((status = 200, body = Page<AccountView>), Problems)
)]
async fn list_accounts(
    State(app): State<App>,
    Asked(asker): Asked,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<AccountView>>, Problem> {
    Ok(axum::Json(app.ask(asker, move |questions| questions.accounts(paging)).await?))
}

/// An account with its balance.
#[utoipa::path(
    get, path = "/v1/accounts/{account}", tag = "accounts",
    params(("account" = AccountId, Path, description = "The account")),
    responses((status = 200, body = AccountView), Problems)
)]
async fn get_account(
    State(app): State<App>,
    Asked(asker): Asked,
    Path(account): Path<AccountId>,
) -> Result<axum::Json<AccountView>, Problem> {
    let row = app.ask(asker, move |questions| questions.account(account)).await?;
    row.map(axum::Json).ok_or_else(|| Problem::not_found(format!("account {account}")))
}

/// Movements of an account's money, oldest first. An account that is not open has none.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/movements", tag = "accounts",
    params(("account" = AccountId, Path, description = "The account"), PageQuery),
    responses((status = 200, body = Page<MovementView>), Problems)
)]
async fn list_account_movements(
    State(app): State<App>,
    Asked(asker): Asked,
    Path(account): Path<AccountId>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<MovementView>>, Problem> {
    Ok(axum::Json(app.ask(asker, move |questions| questions.movements_of_account(account, paging)).await?))
}
