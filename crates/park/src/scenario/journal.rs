//! What was done, as it is kept: what a bill can be recomputed from.

use crate::adviser::Advice;
use crate::tender::Tender;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utilidor_types::{
    AgreementId, Carrier, Money, Price, Quantity, Timestamp, Window, action::Prepayment, agreement::Service,
};

/// A purchase as it was awarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// The agreement.
    pub agreement: AgreementId,
    /// The tender's label.
    pub tender: String,
    /// The seller's label.
    pub owner: String,
    /// The buyer's label.
    pub user: String,
    /// The carrier.
    pub carrier: Carrier,
    /// The volume.
    pub quantity: Quantity,
    /// Money per kWh.
    pub price: Money,
    /// Label of the meter that proves what is made available, if any.
    pub delivery_meter: Option<String>,
    /// Label of the meter that proves what is taken.
    pub take_meter: String,
    /// When it is delivered.
    pub window: Window,
    /// Whether the contracted quantity stands in for readings that do not come in time.
    pub substitute: bool,
}

/// A thing done, on which bills depend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// The readings of a day, counted from 0, are recorded.
    Readings {
        /// The day.
        day: usize,
    },
    /// A tenant subscribes.
    Subscribed {
        /// The subscription.
        agreement: AgreementId,
        /// The tenant's name.
        tenant: String,
        /// The package's version.
        version: u32,
        /// What it chose.
        services: Vec<Service>,
        /// What may be taken from the tenant's balance beyond what is prepaid.
        allowance: Money,
    },
    /// A tenant pays ahead.
    Prepaid {
        /// The subscription.
        agreement: AgreementId,
        /// The service.
        carrier: Carrier,
        /// What it pays.
        payment: Prepayment,
    },
    /// A purchase is signed by both sides.
    Concluded(Purchase),
    /// An award is never signed.
    Unsigned(Purchase),
    /// Both sides of a subscription agree to another version of the package.
    Adjusted {
        /// The subscription.
        agreement: AgreementId,
        /// The version.
        version: u32,
        /// From when on.
        from: Timestamp,
    },
    /// A tenant ends its subscription.
    Ended {
        /// The subscription.
        agreement: AgreementId,
    },
    /// A tenant pays what it owes under a subscription.
    DebtPaid {
        /// The subscription.
        agreement: AgreementId,
        /// How much.
        amount: Money,
    },
    /// The meter operator corrects what was certified of an hour.
    Corrected {
        /// The tenant's name.
        tenant: String,
        /// What the meter measures.
        carrier: Carrier,
        /// The hour, counted from the year's begin.
        hour: usize,
        /// What was certified.
        certified: Quantity,
        /// What is right.
        right: Quantity,
    },
}

/// A deed with the time of its block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub deed: Deed,
}

/// A tenant's choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The agreement.
    pub agreement: AgreementId,
    /// The tenant's name.
    pub tenant: String,
    /// The day from which it runs.
    pub from_day: usize,
    /// What the adviser says, by carrier.
    pub advice: Vec<Advice>,
}

/// What passed a tenant's meter while no supply was open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unbilled {
    /// The carrier.
    pub carrier: Carrier,
    /// When.
    pub interval: Window,
    /// How much.
    pub quantity: Quantity,
}

/// What a later statement puts right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The carrier.
    pub carrier: Carrier,
    /// When it flowed.
    pub flowed: Timestamp,
    /// When the statement is made that puts it right.
    pub billed: Timestamp,
    /// How much it adds to what is billed.
    pub base_units: i64,
}

/// All that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Days that were played.
    pub days: usize,
    /// The deeds, in order.
    pub entries: Vec<Entry>,
    /// The subscriptions, in the order of their beginning.
    pub subscriptions: Vec<Subscription>,
    /// The money that everyone brought, by label.
    pub endowments: Vec<(String, Money)>,
    /// The tenders, in order.
    pub tenders: Vec<Tender>,
    /// Readings sent in that should be certified.
    pub readings: u64,
    /// Actions that should be refused, by code.
    pub refusals: BTreeMap<String, u64>,
    /// Notices of a low balance.
    pub low_balances: u64,
    /// Notices of exhausted supply.
    pub exhausted: u64,
    /// Intervals longer than usual.
    pub gaps: u64,
    /// What passed tenants' meters while no supply was open.
    pub unbilled: Vec<Unbilled>,
    /// What later statements put right.
    pub pending: Vec<Pending>,
    /// The last instant that time was advanced to.
    pub end: Timestamp,
}

impl Purchase {
    /// The price as the ledger has it.
    pub const fn unit_price(&self) -> Price {
        Price::micro_per_kwh(self.price.0)
    }
}
