//! Signing in, and read tokens for programs.

use crate::access::CalledAs;
use crate::admission::Admitted;
use crate::extract::{Json, Path, SignedIn};
use crate::problem::{Code, PROBLEM_JSON, Problem, Problems};
use crate::state::{App, blocking};
use axum::extract::State;
use std::sync::Arc;
use utilidor_types::session::{Category, SignIn};
use utilidor_types::{AccountId, Digest, Roles};
use utilidor_view::{ChallengeView, NewToken, Page, Scope, SessionView, TokenKind, TokenView, TokenWish, Viewer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(make_challenge))
        .routes(routes!(get_session, sign_in, sign_out))
        .routes(routes!(list_tokens, make_token))
        .routes(routes!(revoke_token))
}

/// Whom a token shows, in full.
pub(crate) async fn described(app: &App, admitted: Admitted) -> Result<SessionView, Problem> {
    let Admitted { kind, account, viewer, ends, .. } = admitted;
    // A supervisor's own member stands behind its token, whatever it looks at.
    let who = match viewer {
        Viewer::Holder { .. } => viewer,
        _ => Viewer::Holder { account, scope: Scope::whole() },
    };
    let (member, sees) = app.ask(who, |questions| Ok((questions.asking_member(), questions.sees_everything()))).await?;
    let categories = Category::ALL.into_iter().filter(|category| viewer.may_ask_for(*category)).collect();
    Ok(SessionView {
        kind,
        account,
        member: member.map(|(member, _)| member),
        roles: member.map_or_else(Roles::default, |(_, roles)| roles),
        sees_everything: sees && kind != TokenKind::Oversight,
        categories,
        ends_ms: ends,
    })
}

/// Whether the chain knows whoever asks: as a member, or as a node that validates.
async fn is_known(app: &App, viewer: Viewer) -> Result<bool, Problem> {
    app.ask(viewer, |questions| Ok(questions.asking_member().is_some() || questions.sees_everything())).await
}

/// A challenge to be signed, good for a minute and for one sign-in.
#[utoipa::path(
    post, path = "/v1/session/challenge", tag = "access",
    responses((status = 200, body = ChallengeView), Problems)
)]
async fn make_challenge(State(app): State<App>) -> Result<axum::Json<ChallengeView>, Problem> {
    Ok(axum::Json(app.admission.challenge()?))
}

/// Signs in with a key: its signature over the chain, the node's name and a challenge. The token lasts an hour.
#[utoipa::path(
    post, path = "/v1/session", tag = "access", request_body = SignIn,
    responses(
        (status = 200, body = NewToken),
        (status = 401, description = "`access/bad-sign-in`", body = utilidor_view::Problem, content_type = PROBLEM_JSON),
        Problems
    )
)]
async fn sign_in(
    State(app): State<App>,
    called: CalledAs,
    Json(answer): Json<SignIn>,
) -> Result<axum::Json<NewToken>, Problem> {
    let viewer = Viewer::Holder { account: AccountId::of(&answer.signer), scope: Scope::whole() };
    let known = is_known(&app, viewer).await?;
    let (token, admitted) = app.admission.sign_in(&answer, &called, known)?;
    Ok(axum::Json(NewToken { token, session: described(&app, admitted).await? }))
}

/// Who the token shows.
#[utoipa::path(
    get, path = "/v1/session", tag = "access", security(("token" = [])),
    responses((status = 200, body = SessionView), Problems)
)]
async fn get_session(State(app): State<App>, SignedIn(admitted): SignedIn) -> Result<axum::Json<SessionView>, Problem> {
    Ok(axum::Json(described(&app, admitted).await?))
}

/// Ends the session, or a supervisor's look. A program's token ends when whoever has made it revokes it.
#[utoipa::path(
    delete, path = "/v1/session", tag = "access", security(("token" = [])),
    responses((status = 200, description = "It has ended", body = SessionView), Problems)
)]
async fn sign_out(State(app): State<App>, SignedIn(admitted): SignedIn) -> Result<axum::Json<SessionView>, Problem> {
    if admitted.kind == TokenKind::Program {
        return Err(Problem::new(
            Code::OutOfScope,
            "a program's token is revoked by whoever made it: DELETE /v1/tokens/{id}",
        ));
    }
    let session = described(&app, admitted).await?;
    app.admission.end(admitted.token);
    Ok(axum::Json(session))
}

/// Only a key that has signed in makes and revokes tokens: a program's token makes no others.
fn by_key(admitted: Admitted) -> Result<Admitted, Problem> {
    match admitted.kind {
        TokenKind::Session => Ok(admitted),
        TokenKind::Program | TokenKind::Oversight => {
            Err(Problem::new(Code::OutOfScope, "only a key that has signed in may do this"))
        }
    }
}

/// The accounts of whoever asks.
async fn own_accounts(app: &App, admitted: Admitted) -> Result<Vec<AccountId>, Problem> {
    let viewer = Viewer::Holder { account: admitted.account, scope: Scope::whole() };
    let mut own = app.ask(viewer, |questions| Ok(questions.own_accounts())).await?;
    if !own.contains(&admitted.account) {
        own.push(admitted.account);
    }
    Ok(own)
}

/// The read tokens that the member's accounts have made for programs, oldest first. There are few, so this is one page.
#[utoipa::path(
    get, path = "/v1/tokens", tag = "access", security(("token" = [])),
    responses((status = 200, body = Page<TokenView>), Problems)
)]
async fn list_tokens(
    State(app): State<App>,
    SignedIn(admitted): SignedIn,
) -> Result<axum::Json<Page<TokenView>>, Problem> {
    let own = own_accounts(&app, by_key(admitted)?).await?;
    Ok(axum::Json(Page { items: app.admission.made_by(|account| own.contains(&account)), next: None }))
}

/// Makes a read token for a program: with it the program reads what the account may, as far as the categories go, until it
/// ends or is revoked. It is told once.
#[utoipa::path(
    post, path = "/v1/tokens", tag = "access", security(("token" = [])), request_body = TokenWish,
    responses(
        (status = 200, body = NewToken),
        (status = 409, description = "`access/too-many-tokens`", body = utilidor_view::Problem,
            content_type = PROBLEM_JSON),
        Problems
    )
)]
async fn make_token(
    State(app): State<App>,
    SignedIn(admitted): SignedIn,
    Json(wish): Json<TokenWish>,
) -> Result<axum::Json<NewToken>, Problem> {
    let Admitted { account, viewer, .. } = by_key(admitted)?;
    // Keys cost nothing: strangers would take all the tokens that there may be.
    if !is_known(&app, viewer).await? {
        let detail = "the key's account is no member's on this chain: ask its council to admit you";
        return Err(Problem::new(Code::OutOfScope, detail));
    }
    let admission = Arc::clone(&app.admission);
    let (token, admitted) = blocking(move || admission.make(account, wish)).await?;
    Ok(axum::Json(NewToken { token, session: described(&app, admitted).await? }))
}

/// Revokes a read token of one of the member's accounts, at once.
#[utoipa::path(
    delete, path = "/v1/tokens/{id}", tag = "access", security(("token" = [])),
    params(("id" = Digest, Path, description = "The token's id, as it is listed")),
    responses((status = 200, description = "The tokens that are left", body = Page<TokenView>), Problems)
)]
async fn revoke_token(
    State(app): State<App>,
    SignedIn(admitted): SignedIn,
    Path(id): Path<Digest>,
) -> Result<axum::Json<Page<TokenView>>, Problem> {
    let own = own_accounts(&app, by_key(admitted)?).await?;
    let admission = Arc::clone(&app.admission);
    let left = blocking(move || {
        let is_own = |account| own.contains(&account);
        Ok(admission.revoke(id, is_own)?.then(|| admission.made_by(is_own)))
    });
    let items = left.await?.ok_or_else(|| Problem::not_found(format!("token {id}")))?;
    Ok(axum::Json(Page { items, next: None }))
}
