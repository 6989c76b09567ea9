//! Members, accounts and movements of money.

use crate::extract::{AsksAccounts, AsksReadings, AsksTotals, Listed, Path, Query};
use crate::problem::{Problem, Problems};
use crate::state::App;
use axum::extract::State;
use utilidor_ledger::record::{AccountRecord, Record as _};
use utilidor_types::cell::from_cells;
use utilidor_types::{AccountId, CELL_BYTES, Key, decode, encode};
use utilidor_view::{AccountView, EventFilter, EventView, MemberView, MovementView, Page, PageQuery};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_members))
        .routes(routes!(list_accounts))
        .routes(routes!(get_account))
        .routes(routes!(list_account_movements))
        .routes(routes!(list_account_events))
}

/// Members in the order of admission. Which accounts are a member's is told to that member only.
#[utoipa::path(
    get, path = "/v1/members", tag = "accounts", params(PageQuery),
    security(("token" = [])),
    responses((status = 200, body = Page<MemberView>), Problems)
)]
async fn list_members(
    State(app): State<App>,
    AsksTotals(viewer): AsksTotals,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<MemberView>>, Problem> {
    Ok(axum::Json(app.ask(viewer, move |questions| questions.members(paging)).await?))
}

/// One's own accounts in the order of opening.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", params(PageQuery),
    security(("token" = ["accounts"])),
    responses((status = 200, body = Page<AccountView>), Problems)
)]
async fn list_accounts(
    State(app): State<App>,
    AsksAccounts(viewer): AsksAccounts,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<AccountView>>, Problem> {
    let mut page = app.ask(viewer, move |questions| questions.accounts(paging)).await?;
    by_the_state(&app, &mut page.items).await?;
    Ok(axum::Json(page))
}

/// Takes balances and nonces from the state after the last final block: people act on them, and the index is a copy that a bad
/// disk can falsify unseen.
async fn by_the_state(app: &App, accounts: &mut [AccountView]) -> Result<(), Problem> {
    let keys = accounts.iter().map(|of| Key::of(AccountRecord::TABLE, &encode(&of.account))).collect();
    for (view, cell) in accounts.iter_mut().zip(app.chain.state(keys).await?) {
        let bytes = cell.as_ref().and_then(|cell| from_cells([cell]));
        let bytes = bytes.ok_or_else(|| Problem::not_found(format!("account {} in the state", view.account)))?;
        let record: AccountRecord = decode(&bytes, CELL_BYTES).map_err(|error| Problem::internal(&error))?;
        (view.free, view.reserved, view.nonce) = (record.free, record.reserved, record.nonce);
    }
    Ok(())
}

/// An account with its balance.
#[utoipa::path(
    get, path = "/v1/accounts/{account}", tag = "accounts",
    params(("account" = AccountId, Path, description = "The account")),
    security(("token" = ["accounts"])),
    responses((status = 200, body = AccountView), Problems)
)]
async fn get_account(
    State(app): State<App>,
    AsksAccounts(viewer): AsksAccounts,
    Path(account): Path<AccountId>,
) -> Result<axum::Json<AccountView>, Problem> {
    let row = app.ask(viewer, move |questions| questions.account(account)).await?;
    let mut row = row.ok_or_else(|| Problem::not_found(format!("account {account}")))?;
    by_the_state(&app, std::slice::from_mut(&mut row)).await?;
    Ok(axum::Json(row))
}

/// Movements of an account's money.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/movements", tag = "accounts",
    params(("account" = AccountId, Path, description = "The account"), PageQuery),
    security(("token" = ["accounts"])),
    responses((status = 200, body = Page<MovementView>), Problems)
)]
async fn list_account_movements(
    State(app): State<App>,
    AsksAccounts(viewer): AsksAccounts,
    Path(account): Path<AccountId>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<MovementView>>, Problem> {
    let page = app.ask(viewer, move |questions| questions.movements_of_account(account, paging)).await?;
    page.map(axum::Json).ok_or_else(|| Problem::not_found(format!("account {account}")))
}

/// What happened to an account's agreements and to the meters that it holds: proposals, changes of status, statements, prepayments,
/// notices, gaps, corrections, debts. Movements, readings and segments have lists of their own; a kind that is asked for is
/// listed whichever it is.
#[utoipa::path(
    get, path = "/v1/accounts/{account}/events", tag = "accounts",
    params(("account" = AccountId, Path, description = "The account"), EventFilter, PageQuery),
    security(("token" = ["trade", "meters"])),
    responses((status = 200, body = Page<EventView>), Problems)
)]
async fn list_account_events(
    State(app): State<App>,
    AsksReadings(viewer): AsksReadings,
    Path(account): Path<AccountId>,
    Query(filter): Query<EventFilter>,
    Listed(paging): Listed,
) -> Result<axum::Json<Page<EventView>>, Problem> {
    let page = app.ask(viewer, move |questions| questions.events_of_account(account, &filter, paging)).await?;
    page.map(axum::Json).ok_or_else(|| Problem::not_found(format!("account {account}")))
}
