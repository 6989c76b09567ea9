//! Reading requests so that what cannot be read is answered with a problem document.

use crate::admission::Admitted;
use crate::problem::{Code, Problem};
use crate::state::App;
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use utilidor_index::Paging;
use utilidor_types::session::Category;
use utilidor_view::{PageQuery, Viewer};

/// Parameters of the path.
pub(crate) struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(<axum::extract::Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await?.0))
    }
}

/// Parameters of the query.
pub(crate) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(axum::extract::Query::from_request_parts(parts, state).await?.0))
    }
}

/// A JSON body.
pub(crate) struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Ok(Self(axum::Json::from_request(request, state).await?.0))
    }
}

/// Who asks, where everybody may: the holder of the token that the request shows, or nobody in particular.
pub(crate) struct Asked(pub Viewer);

/// Who asks, where only those may who have signed in.
pub(crate) struct SignedIn(pub Admitted);

fn admitted(parts: &Parts, app: &App) -> Result<Option<Admitted>, Problem> {
    let Some(header) = parts.headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = header.to_str().ok().and_then(|header| header.split_once(' '));
    let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let found = token.and_then(|token| app.admission.of(token));
    found.map(Some).ok_or_else(|| Problem::new(Code::BadToken, "sign in again: POST /v1/session/challenge"))
}

impl FromRequestParts<App> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(Self(admitted(parts, app)?.map_or(Viewer::Public, |admitted| admitted.viewer)))
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let not_signed_in = || Problem::new(Code::NotSignedIn, "sign in: POST /v1/session/challenge");
        admitted(parts, app)?.map(Self).ok_or_else(not_signed_in)
    }
}

impl OptionalFromRequestParts<App> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        Ok(admitted(parts, app)?.map(Self))
    }
}

macro_rules! askers {
    ($($(#[doc = $doc:literal])* $name:ident: $($category:ident),*;)*) => {
        $(
            $(#[doc = $doc])*
            pub(crate) struct $name(pub Viewer);

            impl FromRequestParts<App> for $name {
                type Rejection = Problem;

                async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
                    let SignedIn(admitted) = <SignedIn as FromRequestParts<App>>::from_request_parts(parts, app).await?;
                    let categories: &[Category] = &[$(Category::$category),*];
                    for category in categories {
                        if !admitted.viewer.may_ask_for(*category) {
                            let detail = format!("the token is not for the category {category}");
                            return Err(Problem::new(Code::OutOfScope, detail));
                        }
                    }
                    Ok(Self(admitted.viewer))
                }
            }
        )*
    };
}

askers! {
    /// Who asks for totals.
    AsksTotals: ;
    /// Who asks about accounts.
    AsksAccounts: Accounts;
    /// Who asks about trade.
    AsksTrade: Trade;
    /// Who asks about meters.
    AsksMeters: Meters;
    /// Who asks for readings under a contract.
    AsksReadings: Trade, Meters;
}

/// Which page of a list.
pub(crate) struct Listed(pub Paging);

impl<S: Send + Sync> FromRequestParts<S> for Listed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(page) = Query::<PageQuery>::from_request_parts(parts, state).await?;
        Ok(Self(Paging::of(&page)?))
    }
}
