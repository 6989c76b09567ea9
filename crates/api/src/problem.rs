//! What the interface answers when it does not do what was asked: RFC 9457 problem documents with stable codes.
//!
//! A transaction that the ledger refuses is no problem in this sense: it is in a block, and its receipt carries the refusal.

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utilidor_chain::{AdvanceTimeRefused, Inadmissible, PoolRefused, ReadError, SubmitRefused};
use utilidor_index::PagingRefused;
use utilidor_types::DecodeError;
use utilidor_types::transaction::VerifyError;
use utoipa::openapi::{RefOr, ResponseBuilder, content::ContentBuilder, schema::Ref};
use utoipa::{IntoResponses, ToSchema};

/// Media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Where the code is explained.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The rule in words, the same for every problem of this code.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong this time.
    pub detail: String,
    /// The stable code.
    pub code: Cow<'static, str>,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $status:literal, $code:literal, $title:literal;)*) => {
        /// Every kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[doc = $doc])* $name,)*
        }

        impl Code {
            /// All codes with their HTTP status and title, for the reference.
            pub const REFERENCE: &'static [(&'static str, u16, &'static str)] = &[$(($code, $status, $title),)*];

            const fn parts(self) -> (u16, &'static str, &'static str, &'static str) {
                match self {
                    $(Self::$name => ($status, $code, $title, concat!("/v1/problems#", $code)),)*
                }
            }
        }
    };
}

codes! {
    /// The path, query or body is not what the endpoint takes.
    Malformed = 400, "request/malformed", "the request is not what this endpoint takes";
    /// The cursor or limit is none of this list's.
    BadPage = 400, "request/bad-page", "the cursor or the limit is not one of this list";
    /// The client asks to wait longer than allowed.
    WaitTooLong = 400, "request/wait-too-long", "the wait is longer than allowed";
    /// The body is longer than allowed.
    TooLarge = 413, "request/too-large", "the body is longer than allowed";
    /// The body holds more transactions than allowed.
    TooMany = 413, "request/too-many-transactions", "the body holds more transactions than allowed";
    /// The body's media type is not understood.
    MediaType = 415, "request/media-type", "the body's media type is not understood";
    /// No such endpoint.
    UnknownRoute = 404, "route/unknown", "there is no such endpoint";
    /// The endpoint does not take the method.
    Method = 405, "route/method", "the endpoint does not take this method";
    /// What was asked for is not on the chain, or not yet in the index.
    NotFound = 404, "not-found", "there is no such thing on the chain";
    /// The node does not hold what is needed.
    NotHeld = 404, "node/not-held", "this node does not hold the blocks that are needed";
    /// The chain follows the clocks of its members.
    NotDevelopment = 409, "development/not-a-development-chain", "only a development chain's time can be advanced";
    /// Time does not go back.
    TimeInPast = 409, "development/time-in-past", "time only moves forward";
    /// As many clients as allowed wait or listen.
    TooManyClients = 503, "node/too-many-clients", "as many clients as allowed are being served";
    /// The answer took too long.
    Timeout = 504, "node/timeout", "the answer took too long";
    /// The node is stopping.
    Stopping = 503, "node/stopping", "the node is stopping";
    /// The node failed.
    Internal = 500, "node/internal", "the node failed to answer";
    /// The bytes are no transaction.
    TransactionMalformed = 400, "transaction/malformed", "the bytes are no transaction";
    /// The transaction is longer than allowed.
    TransactionOversize = 400, "transaction/oversize", "the transaction is longer than allowed";
    /// The transaction is for another chain.
    TransactionChain = 400, "transaction/wrong-chain", "the transaction is for another chain";
    /// The signature is not the signer's.
    TransactionSignature = 400, "transaction/bad-signature", "the signature is not that of the signer";
    /// A meter's signature is not that meter's.
    MeterSignature = 400, "transaction/bad-meter-signature", "a run's signature is not that of its meter";
    /// The batch holds more readings than allowed.
    TooManyReadings = 400, "transaction/too-many-readings", "the batch holds more readings than allowed";
    /// The signer has no account.
    TransactionAccount = 409, "transaction/unknown-account", "the signer's account is not open";
    /// The nonce is not the account's next any more.
    TransactionNonce = 409, "transaction/wrong-nonce", "the account's nonce has moved past the transaction's";
    /// The last height at which the transaction may stand in a block has passed, or lies too far ahead.
    TransactionExpired = 409, "transaction/expired", "the transaction's last height is over, or too far ahead";
    /// The pool is full.
    PoolFull = 503, "pool/full", "the pool is full; try again later";
    /// The account has as many transactions waiting as it may.
    PoolAccountFull = 429, "pool/account-full", "the account has as many transactions waiting as it may";
    /// Another transaction of the account waits with this nonce.
    PoolDuplicateNonce = 409, "pool/duplicate-nonce", "another transaction of the account waits with this nonce";
    /// The nonce is used.
    PoolNonceTooOld = 409, "pool/nonce-too-old", "the account has used this nonce";
}

impl Problem {
    /// A problem of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let (status, code, title, kind) = code.parts();
        Self { kind: kind.into(), title: title.into(), status, detail: detail.into(), code: code.into() }
    }

    /// Something that the chain does not hold.
    pub fn not_found(what: impl std::fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("there is no {what}"))
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
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
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
        Self::internal(&error)
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
            ReadError::Storage(_) => return Self::internal(&error),
        };
        Self::new(code, error.to_string())
    }
}

impl From<AdvanceTimeRefused> for Problem {
    fn from(refused: AdvanceTimeRefused) -> Self {
        let code = match refused {
            AdvanceTimeRefused::Production => Code::NotDevelopment,
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
            SubmitRefused::Unverified(VerifyError::TooManyReadings { .. }) => Code::TooManyReadings,
            SubmitRefused::Pool(PoolRefused::Full { .. } | PoolRefused::FullBytes { .. }) => Code::PoolFull,
            SubmitRefused::Pool(PoolRefused::AccountFull { .. }) => Code::PoolAccountFull,
            SubmitRefused::Pool(PoolRefused::DuplicateNonce { .. }) => Code::PoolDuplicateNonce,
            SubmitRefused::Pool(PoolRefused::NonceTooOld { .. }) => Code::PoolNonceTooOld,
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

/// The problems that every endpoint may answer with, for the OpenAPI document.
pub struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let problem = |description: &str| {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
            RefOr::T(ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build())
        };
        BTreeMap::from([
            ("400".into(), problem("`request/malformed`, `request/bad-page`: the request cannot be understood")),
            ("404".into(), problem("`not-found`, `node/not-held`: there is no such thing")),
            ("500".into(), problem("`node/internal`: the node failed")),
            ("503".into(), problem("`node/too-many-clients`, `node/stopping`: try again later")),
        ])
    }
}
