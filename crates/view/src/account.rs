//! Members, their accounts and balances.

use serde::{Deserialize, Serialize};
use utilidor_types::genesis::Limits;
use utilidor_types::{AccountId, Carrier, MemberId, Money, Quantity, Roles};

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberView {
    /// The member.
    pub member: MemberId,
    /// What it may do.
    pub roles: Roles,
    /// Whether the council has removed it.
    #[serde(default)]
    pub removed: bool,
    /// Its own limits, if the council has given it some in place of the genesis document's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Its accounts, in the order of opening; the chain's limits bound their number.
    pub accounts: Vec<AccountId>,
    /// Height of the block that admitted it; 0 is the genesis document.
    pub height: u64,
}

/// An account with its balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct AccountView {
    /// The account.
    pub account: AccountId,
    /// Whose it is.
    pub member: MemberId,
    /// What its member may do.
    pub roles: Roles,
    /// Money that it can spend.
    pub free: Money,
    /// Money that its agreements and quotes have set aside.
    pub reserved: Money,
    /// Nonce of its next transaction.
    pub nonce: u64,
    /// What it can supply, if the council has declared it.
    #[serde(default)]
    pub capacities: Vec<CapacityView>,
    /// Height of the block that opened it; 0 is the genesis document.
    pub height: u64,
}

/// The most that an owner can supply of a carrier in an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CapacityView {
    /// The carrier.
    pub carrier: Carrier,
    /// Base units per hour.
    pub per_hour: Quantity,
}
