//! What a node answers when it does not do what was asked: RFC 9457 problem documents with stable codes.
//!
//! A transaction that the ledger refuses is no problem in this sense: it is in a block, and its receipt carries the refusal.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Media type of problem documents.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem document. What a node leaves out is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[error("{}", self.sentence())]
pub struct Problem {
    /// Where the code is explained.
    #[serde(default, rename = "type")]
    pub kind: Cow<'static, str>,
    /// The rule in words, the same for every problem of this code.
    #[serde(default)]
    pub title: Cow<'static, str>,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What was wrong this time.
    #[serde(default)]
    pub detail: String,
    /// The stable code.
    #[serde(default)]
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

            /// The stable code.
            pub const fn code(self) -> &'static str {
                self.parts().1
            }

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
    /// The body took too long to come.
    TooSlow = 408, "request/too-slow", "the body took too long to come";
    /// The body holds more transactions than allowed.
    TooMany = 413, "request/too-many-transactions", "the body holds more transactions than allowed";
    /// The body's media type is not understood.
    MediaType = 415, "request/media-type", "the body's media type is not understood";
    /// The request names another host.
    UnknownHost = 421, "request/unknown-host", "the node does not go by this name";
    /// A page of another site asks.
    ForeignOrigin = 403, "request/foreign-origin", "pages of other sites may not use the node";
    /// Nobody in particular asks.
    NotSignedIn = 401, "access/not-signed-in", "this is not for everybody: sign in";
    /// The token is none, or is over.
    BadToken = 401, "access/bad-token", "the token is not one of this node, or it has ended";
    /// The sign-in shows no key.
    BadSignIn = 401, "access/bad-sign-in", "the sign-in does not show the key";
    /// The token is not for this.
    OutOfScope = 403, "access/out-of-scope", "the token is not for this";
    /// The role is missing.
    MissingRole = 403, "access/missing-role", "the account's member does not have the role";
    /// A proof would show what is others'.
    MixedEvidence = 403, "access/mixed-evidence", "the proof would show what is others' as well";
    /// As many tokens as allowed.
    TooManyTokens = 409, "access/too-many-tokens", "the account has as many tokens as allowed";
    /// The log has gone on.
    LogMoved = 409, "access/log-moved", "the wish does not follow the last entry of the log of oversight";
    /// Only the operator may ask for this.
    NotTheOperator = 403, "development/not-the-operator", "only the chain's operator moves its time";
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
    /// A device's record is not signed by the key beside it, is not understood, or says other readings.
    MeterRecord = 400, "transaction/bad-meter-record", "a run's record is not that of its meter";
    /// The signature of a new account's key is not its own.
    AccountSignature = 400, "transaction/bad-account-signature", "the signature is not that of the new account's key";
    /// A node's word that it is ready is not signed by its key.
    NodeSignature = 400, "transaction/bad-node-signature", "the signature is not that of the node's key";
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
    /// The member has as many transactions waiting as it may.
    PoolMemberFull = 429, "pool/member-full", "the member has as many transactions waiting as it may";
    /// An earlier nonce is missing, and as many of the member's transactions wait so as may.
    PoolTooFarAhead = 429, "pool/too-far-ahead", "too many of the member's transactions wait for earlier nonces";
    /// The member has used up its share of the hour.
    PoolShareUsed = 429, "pool/share-used", "the member has used up its share of the hour";
    /// The transaction waited for an earlier nonce, and the pool needed the room.
    PoolDisplaced = 503, "pool/displaced", "the transaction waited for an earlier nonce and made room for others";
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

    /// Whether it is of this code.
    pub fn is(&self, code: Code) -> bool {
        self.code == code.code()
    }

    fn sentence(&self) -> &str {
        if self.detail.is_empty() { &self.title } else { &self.detail }
    }
}
