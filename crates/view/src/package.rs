//! Packages, and subscriptions with what was prepaid for them.

use crate::agreement::AgreementView;
use crate::event::EventView;
use crate::money::CauseView;
use serde::{Deserialize, Serialize};
use utilidor_types::{AccountId, Carrier, Money, Package, PackageId, Window};

/// A published version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PackageView {
    /// The package's id; all versions share it.
    pub id: PackageId,
    /// The version as its owner published it.
    pub package: Package,
    /// Who offers it.
    pub owner: AccountId,
    /// Where it was published.
    pub cause: CauseView,
    /// Where it was closed to new subscriptions, if it was.
    #[serde(default)]
    pub closed: Option<CauseView>,
}

/// What a user paid ahead for a service with one payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TrancheView {
    /// The carrier.
    pub carrier: Carrier,
    /// The tranche, numbered from 1 for each carrier.
    pub tranche: u32,
    /// What was paid.
    pub paid: Money,
    /// The period it is for, if its tariff has periods.
    #[serde(default)]
    pub period: Option<Window>,
    /// Where it was paid.
    pub cause: CauseView,
    /// What it bought; none until its meter has passed the time of payment.
    #[serde(default)]
    pub opened: Option<TrancheOpened>,
    /// What statements have charged to it, net.
    pub charged: Money,
    /// What went back to the user.
    pub refunded: Money,
    /// What the owner kept of it at an early end: the discount on what was consumed.
    pub withheld: Money,
}

/// What a payment bought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TrancheOpened {
    /// What went to what had been consumed before.
    pub debt_paid: Money,
    /// What was left for the tranche.
    pub left: Money,
    /// The discount that this has earned, in thousandths.
    pub discount_permille: u16,
    /// Where it was opened.
    pub cause: CauseView,
}

/// A subscription with its prepayments. Tranches hold what statements have charged; consumption since the last statement is
/// not in them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SubscriptionView {
    /// The agreement; its terms name the package, its version and the services.
    pub agreement: AgreementView,
    /// The last tranches of each carrier, oldest first.
    pub tranches: Vec<TrancheView>,
    /// The last notices about what is left, missing readings and failures of its program, oldest first. All of them are among
    /// `/v1/agreements/{agreement}/events`.
    pub notices: Vec<EventView>,
}
