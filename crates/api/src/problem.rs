//! What the interface answers when it does not do what was asked: the problem documents of `utilidor_view`, as HTTP answers,
//! and what each failure of the node becomes.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::collections::BTreeMap;
use utilidor_chain::{AdvanceTimeRefused, Dropped, Inadmissible, PoolRefused, ReadError, SubmitRefused};
use utilidor_index::PagingRefused;
use utilidor_types::DecodeError;
use utilidor_types::transaction::VerifyError;
pub use utilidor_view::problem::{Code, PROBLEM_JSON};
use utoipa::IntoResponses;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::schema::{ObjectBuilder, Ref, Schema, Type};
use utoipa::openapi::{RefOr, ResponseBuilder, content::ContentBuilder};

/// A problem document on its way to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem(pub utilidor_view::Problem);

impl Problem {
    /// A problem of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(utilidor_view::Problem::new(code, detail))
    }

    /// Something that the chain does not hold.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self(utilidor_view::Problem::not_found(what))
    }

    /// A failure of the node. The cause goes to the log, not to the client.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            causes = format!("{causes}: {cause}");
            source = cause.source();
        }
        tracing::error!(error = causes, "failed to answer a request");
        Self::new(Code::Internal, "the node's log says more, under the answer's x-request-id")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(problem) = self;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        // The rest of a body that was refused is not read, so nothing else can follow on its connection.
        if matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<utilidor_index::ReadError> for Problem {
    fn from(error: utilidor_index::ReadError) -> Self {
        match error {
            utilidor_index::ReadError::GivenUp => Self::new(Code::Timeout, error.to_string()),
            utilidor_index::ReadError::Sqlite(_) => Self::internal(&error),
        }
    }
}

impl From<PagingRefused> for Problem {
    fn from(refused: PagingRefused) -> Self {
        Self::new(Code::BadPage, refused.to_string())
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::new(Code::Malformed, rejection.body_text())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(Code::Malformed, rejection.body_text())
    }
}

impl From<BytesRejection> for Problem {
    fn from(rejection: BytesRejection) -> Self {
        let code = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Code::TooLarge } else { Code::Malformed };
        Self::new(code, rejection.body_text())
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        let code = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Code::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::MediaType,
            _ => Code::Malformed,
        };
        Self::new(code, rejection.body_text())
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        let code = match &error {
            ReadError::Stopped => Code::Stopping,
            ReadError::NotHeld { .. } => Code::NotHeld,
            ReadError::NotFinal { .. } | ReadError::NoSuchItem { .. } | ReadError::NoSuchRun { .. } => Code::NotFound,
            ReadError::Storage(_) | ReadError::Damaged { .. } => return Self::internal(&error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<AdvanceTimeRefused> for Problem {
    fn from(refused: AdvanceTimeRefused) -> Self {
        let code = match refused {
            AdvanceTimeRefused::Production => Code::NotDevelopment,
            AdvanceTimeRefused::Operator(_) => Code::NotTheOperator,
            AdvanceTimeRefused::BeyondTheCalendar { .. } => Code::Malformed,
            AdvanceTimeRefused::InThePast { .. } => Code::TimeInPast,
            AdvanceTimeRefused::Stopped => Code::Stopping,
        };
        Self::new(code, refused.to_string())
    }
}

impl From<SubmitRefused> for Problem {
    fn from(refused: SubmitRefused) -> Self {
        let code = match &refused {
            SubmitRefused::Malformed(DecodeError::Oversize { .. }) => Code::TransactionOversize,
            SubmitRefused::Malformed(DecodeError::Malformed { .. }) => Code::TransactionMalformed,
            SubmitRefused::Unverified(VerifyError::WrongChain { .. }) => Code::TransactionChain,
            SubmitRefused::Unverified(VerifyError::BadSignature { .. }) => Code::TransactionSignature,
            SubmitRefused::Unverified(VerifyError::BadMeterSignature { .. }) => Code::MeterSignature,
            SubmitRefused::Unverified(VerifyError::BadMeterRecord { .. }) => Code::MeterRecord,
            SubmitRefused::Unverified(VerifyError::BadAccountSignature { .. }) => Code::AccountSignature,
            SubmitRefused::Unverified(VerifyError::BadNodeSignature { .. }) => Code::NodeSignature,
            SubmitRefused::Unverified(VerifyError::TooManyReadings { .. }) => Code::TooManyReadings,
            SubmitRefused::Pool(PoolRefused::Full { .. } | PoolRefused::FullBytes { .. }) => Code::PoolFull,
            SubmitRefused::Pool(PoolRefused::MemberFull { .. } | PoolRefused::MemberFullBytes { .. }) => {
                Code::PoolMemberFull
            }
            SubmitRefused::Pool(PoolRefused::TooFarAhead { .. }) => Code::PoolTooFarAhead,
            SubmitRefused::Pool(PoolRefused::ShareUsed { .. }) => Code::PoolShareUsed,
            SubmitRefused::Pool(PoolRefused::DuplicateNonce { .. }) => Code::PoolDuplicateNonce,
            SubmitRefused::Pool(PoolRefused::NonceTooOld { .. }) => Code::PoolNonceTooOld,
            SubmitRefused::Pool(PoolRefused::Inadmissible(reason)) => return reason.clone().into(),
            SubmitRefused::Unread(error) => return error.clone().into(),
        };
        Self::new(code, refused.to_string())
    }
}

impl From<Inadmissible> for Problem {
    fn from(reason: Inadmissible) -> Self {
        let code = match &reason {
            Inadmissible::UnknownAccount(_) => Code::TransactionAccount,
            Inadmissible::WrongNonce { .. } => Code::TransactionNonce,
            Inadmissible::Expired { .. } => Code::TransactionExpired,
            // It stays in the pool, so nobody is told that it was dropped.
            Inadmissible::NotThisBlock => Code::Internal,
        };
        Self::new(code, reason.to_string())
    }
}

impl From<Dropped> for Problem {
    fn from(reason: Dropped) -> Self {
        match reason {
            Dropped::Inadmissible(reason) => reason.into(),
            Dropped::Displaced { .. } => Self::new(Code::PoolDisplaced, reason.to_string()),
        }
    }
}

fn described(description: &str) -> RefOr<utoipa::openapi::Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    RefOr::T(ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build())
}

/// Says of an operation that answers with a list that it answers with a table as well.
pub(crate) fn add_table(operation: &mut Operation) {
    let asks_for_pages = |parameter: &RefOr<Parameter>| match parameter {
        RefOr::T(parameter) => parameter.name == "cursor",
        RefOr::Ref(_) => false,
    };
    if !operation.parameters.as_ref().is_some_and(|parameters| parameters.iter().any(asks_for_pages)) {
        return;
    }
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut("200") {
        let text: RefOr<Schema> = RefOr::T(ObjectBuilder::new().schema_type(Type::String).into());
        response.content.insert("text/csv".into(), RefOr::T(ContentBuilder::new().schema(Some(text)).build()));
    }
}

/// Adds to an operation's answers those to whoever has not signed in, or with a token that is for something else.
pub(crate) fn add_access_problems(responses: &mut utoipa::openapi::Responses) {
    let access = [
        ("401", "`access/not-signed-in`, `access/bad-token`: sign in"),
        ("403", "`access/out-of-scope`: the token is not for this"),
    ];
    for (status, description) in access {
        responses.responses.entry(status.into()).or_insert_with(|| described(description));
    }
}

/// The problems that every endpoint may answer with, for the OpenAPI document.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        BTreeMap::from([
            ("400".into(), described("`request/malformed`, `request/bad-page`: the request cannot be understood")),
            ("404".into(), described("`not-found`, `node/not-held`: there is no such thing")),
            ("500".into(), described("`node/internal`: the node failed")),
            ("503".into(), described("`node/too-many-clients`, `node/stopping`: try again later")),
        ])
    }
}
