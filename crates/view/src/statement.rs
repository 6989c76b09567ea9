//! Statements.

use crate::agreement::Kind;
use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::{AccountId, Statement, Timestamp};

/// A statement with the parties of its agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StatementView {
    /// The statement.
    pub statement: Statement,
    /// Who is paid.
    pub owner: AccountId,
    /// Who pays.
    pub user: AccountId,
    /// Which kind of program the agreement runs.
    pub kind: Kind,
    /// Where it was issued.
    pub cause: CauseView,
}

/// Which statements are wanted; what is absent does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
pub struct StatementFilter {
    /// Of agreements with this account as owner or user.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Whose period ends after this time.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<Timestamp>,
    /// Whose period begins before this time.
    #[cfg_attr(feature = "schema", param(inline))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_ms: Option<Timestamp>,
}
