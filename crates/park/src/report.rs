//! The end report: what the year came to, read back from the node, and whether it holds together.
//!
//! *bill* what a tenant paid by its statements: its subscription's charges and its purchases. *baseline* what the same
//! consumption costs in today's one mode for all [M25]: electricity, hot water, gas and water by meter at the undiscounted
//! price (electricity with its time-of-use factors), heating and cooling by floor area. *complete months* the months that are
//! over and billed; bills, baseline and supply are compared over them. *check* something that must hold, with what was found.
//!
//! All of it follows from data and chain alone, save [`Report::run`]: how long it took, and where.

mod bill;
mod check;
mod contract;
mod occasion;

pub use bill::{baseline, mode_name, saved_permille};
pub use contract::{ClauseReport, ContractReport};

use crate::adviser::{Mode, area_charge};
use crate::cast::{Cast, ROOFS, STATION};
use crate::consortium::Story;
use crate::data::{DAYS, HOURS, OFFSET_MINUTES, Year, day_begin, hour_begin, midnight, year_begin};
use crate::meters::park_meters;
use crate::scenario::{ADJUSTS, Deed, Journal, LEAVES, Unbilled};
use crate::tariff::{BY_AREA, GRAMS_PER_KWH, GRAMS_PER_M3_GAS, version_1};
use crate::wire;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utilidor_types::{
    AccountId, Bands, Carrier, ChainId, Money, Program, Quantity, Statement, Tariff, Timestamp, Window,
    agreement::{Party, Status},
    encoding::decimal_string,
    money::ratio_half_even,
    statement::{Closing, STATEMENT_GRACE_MS, StatementLine},
    time::{Date, HOUR_MS},
};
use utilidor_view::{AccountView, AgreementView, BlockView, Kind, MeterView, QuoteView, StatementView, Summary};

/// What the node tells at the end.
#[derive(Debug, Clone)]
pub struct Books {
    /// Totals.
    pub summary: Summary,
    /// All statements.
    pub statements: Vec<StatementView>,
    /// All agreements.
    pub agreements: Vec<AgreementView>,
    /// All meters.
    pub meters: Vec<MeterView>,
    /// All accounts.
    pub accounts: Vec<AccountView>,
    /// The quotes on all offers.
    pub quotes: Vec<QuoteView>,
    /// All blocks, in order.
    pub blocks: Vec<BlockView>,
}

/// A carrier on a tenant's bill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierBill {
    /// The carrier.
    pub carrier: Carrier,
    /// How the tenant is charged.
    pub mode: String,
    /// What it consumed in the complete months, in base units.
    pub consumed: Quantity,
    /// What of it came by purchases.
    pub purchased: Quantity,
    /// Today's charging.
    pub baseline: Money,
    /// Charges of the subscription.
    pub subscription: Money,
    /// Payments for purchases.
    pub purchases: Money,
}

/// A tenant's year.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantReport {
    /// Its name.
    pub tenant: String,
    /// Its account.
    #[serde(default)]
    pub account: AccountId,
    /// Its category in Table I of the paper.
    pub category: String,
    /// Floor area in m2.
    pub floor_area_m2: u32,
    /// By carrier.
    pub carriers: Vec<CarrierBill>,
    /// Sum of the baseline.
    pub baseline: Money,
    /// Sum of what was paid.
    pub package: Money,
    /// Thousandths of the baseline that were saved, deposits lost and gained included; negative if it cost more.
    pub saved_permille: i64,
    /// Deposits lost to others.
    pub forfeited: Money,
    /// Deposits gained from others.
    pub compensated: Money,
    /// Electricity, in kWh.
    #[serde(with = "decimal_string")]
    pub electricity_kwh: u64,
    /// Electricity bought from the roofs, in kWh.
    #[serde(with = "decimal_string")]
    pub solar_kwh: u64,
    /// Heat and cold, in kWh.
    #[serde(with = "decimal_string")]
    pub thermal_kwh: u64,
    /// Carbon dioxide of grid electricity and gas, in kg. Heat and cold are made from the station's own gas, which no
    /// tenant's meter measures.
    #[serde(with = "decimal_string")]
    pub carbon_kg: u64,
    /// What is still prepaid.
    pub prepaid: Money,
}

/// What an owner earned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revenue {
    /// Whose.
    pub owner: String,
    /// By subscriptions.
    pub subscriptions: Money,
    /// By purchases.
    pub purchases: Money,
    /// By contracts in the parties' own code: gained less paid, in millionths.
    #[serde(default)]
    pub contracts_micro: i64,
    /// Deposits gained less deposits lost, in millionths.
    pub forfeits_micro: i64,
}

/// A carrier's balance over the complete months, in base units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarrierBalance {
    /// The carrier.
    pub carrier: Carrier,
    /// What passed the tenants' meters.
    pub supplied: Quantity,
    /// What subscriptions' statements account for.
    pub by_subscription: Quantity,
    /// What purchases' statements account for.
    pub by_purchase: Quantity,
    /// What passed a meter while no supply was open: the moments before a subscription's begin.
    pub unbilled: Quantity,
    /// What statements to come will add to what is billed of these months, or take off it.
    pub pending: i64,
}

/// From the end of delivery to payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryToPayment {
    /// Purchases that were paid.
    pub purchases: u64,
    /// The shortest time on the chain, in milliseconds.
    pub least_ms: u64,
    /// The mean.
    pub mean_ms: u64,
    /// The longest.
    pub most_ms: u64,
    /// The most blocks in between.
    pub most_blocks: u64,
}

/// Something that the scenario does once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occasion {
    /// What.
    pub name: String,
    /// On which day its outcome shows.
    pub on: String,
    /// Whether that day was played.
    pub reached: bool,
    /// Whether the chain shows it.
    pub observed: bool,
}

/// Something that must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it does.
    pub held: bool,
    /// What was found.
    pub found: String,
}

/// What may differ from run to run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Run {
    /// Blocks on the chain.
    pub blocks: u64,
    /// Wall-clock time of this run, in milliseconds.
    pub duration_ms: u64,
    /// Bytes in the data folder.
    pub disk_bytes: u64,
    /// Root of the state at the end.
    pub state_root: String,
    /// Where the interface of the running node is.
    pub api: String,
    /// Where the data are.
    pub data_dir: String,
}

/// The end report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The chain.
    pub chain: String,
    /// Days that were played.
    pub days: usize,
    /// Months that are over and billed.
    pub complete_months: u32,
    /// By tenant.
    pub tenants: Vec<TenantReport>,
    /// By owner: the station first.
    pub revenue: Vec<Revenue>,
    /// Agreements by kind and status.
    pub agreements: BTreeMap<String, BTreeMap<String, u64>>,
    /// Purchases that executed by themselves.
    pub contracts_executed: u64,
    /// Contracts in the parties' own code.
    #[serde(default)]
    pub contracts: Vec<ContractReport>,
    /// Tenders held.
    pub tenders: u64,
    /// Sealed quotes.
    pub quotes: u64,
    /// Quotes that were never awarded, and so never opened.
    pub quotes_unopened: u64,
    /// Readings certified.
    pub readings_certified: u64,
    /// Statements issued.
    pub statements_issued: u64,
    /// Refused transactions and readings, by code.
    pub refused: BTreeMap<String, u64>,
    /// Low-balance notices that were given.
    pub low_balance_notices: u64,
    /// From delivery to payment.
    pub delivery_to_payment: Option<DeliveryToPayment>,
    /// Supplied and billed.
    pub balances: Vec<CarrierBalance>,
    /// Money issued.
    pub issued: Money,
    /// Money that everyone has together.
    pub held: Money,
    /// Transactions on the chain.
    pub transactions: u64,
    /// What happens once.
    pub occasions: Vec<Occasion>,
    /// What must hold.
    pub checks: Vec<Check>,
    /// How the members fared, if there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consortium: Option<Story>,
    /// What came over the wire, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wire: Option<wire::Story>,
    /// What may differ from run to run.
    pub run: Run,
}

impl Report {
    /// Whether every check held.
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.held)
    }

    /// Draws up the report.
    pub fn new(journal: &Journal, year: &Year, books: &Books, run: Run) -> Self {
        let cast = Cast::new(year);
        let months = complete_months(journal.days);
        let until = month_end(months);
        let scope = Scope { year, journal, books, cast: &cast, until };
        let purchases = scope.settled();
        let mut report = Self {
            chain: crate::cast::chain().to_string(),
            days: journal.days,
            complete_months: months,
            tenants: (0..year.tenants().len()).map(|tenant| scope.tenant(tenant)).collect(),
            revenue: std::iter::once(STATION)
                .chain(ROOFS.map(|(roof, _)| roof))
                .map(|owner| scope.revenue(owner))
                .collect(),
            agreements: scope.agreements(),
            contracts_executed: purchases.len() as u64,
            contracts: scope.contracts(),
            tenders: journal.tenders.len() as u64,
            quotes: books.quotes.len() as u64,
            quotes_unopened: books.quotes.iter().filter(|quote| quote.opening.is_none()).count() as u64,
            readings_certified: books.summary.certificates,
            statements_issued: books.summary.statements,
            refused: scope.refused(),
            low_balance_notices: journal.low_balances,
            delivery_to_payment: scope.delivery_to_payment(),
            balances: Carrier::ALL.into_iter().map(|carrier| scope.balance(carrier)).collect(),
            issued: books.summary.money.issued,
            held: Money(books.summary.money.free.0 + books.summary.money.reserved.0),
            transactions: books.summary.transactions,
            occasions: scope.occasions(),
            checks: Vec::new(),
            consortium: None,
            wire: None,
            run,
        };
        report.checks = scope.checks(&report);
        report
    }

    /// Tells of the several members that the demonstration was played on.
    pub fn on_members(&mut self, chain: ChainId, story: Story) {
        self.chain = chain.to_string();
        self.checks.extend(check::of_members(&story));
        self.consortium = Some(story);
    }

    /// Tells of what came over the wire.
    pub fn over_the_wire(&mut self, story: wire::Story) {
        self.checks.push(check::of_wire(&story));
        self.wire = Some(story);
    }

    /// What bills, energy, money and carbon say otherwise than another report, by the names of its parts. How long things took and
    /// how many blocks and transactions it needed is not compared: several members also decide.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let same = [
            ("days", self.days == other.days),
            ("tenants", self.tenants == other.tenants),
            ("revenue", self.revenue == other.revenue),
            ("agreements", self.agreements == other.agreements),
            ("contracts_executed", self.contracts_executed == other.contracts_executed),
            ("contracts", self.contracts == other.contracts),
            ("quotes", (self.quotes, self.quotes_unopened) == (other.quotes, other.quotes_unopened)),
            ("readings_certified", self.readings_certified == other.readings_certified),
            ("statements_issued", self.statements_issued == other.statements_issued),
            ("refused", self.refused == other.refused),
            ("low_balance_notices", self.low_balance_notices == other.low_balance_notices),
            ("balances", self.balances == other.balances),
            ("issued", self.issued == other.issued),
            ("held", self.held == other.held),
            ("occasions", self.occasions == other.occasions),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name.into()).collect()
    }
}

/// Months of the year that are over after `days` days.
fn complete_months(days: usize) -> u32 {
    (1..=12).rfind(|months| month_end(*months) <= day_begin(days)).unwrap_or(0)
}

/// The end of the first `months` months.
fn month_end(months: u32) -> Timestamp {
    let date = Date { year: crate::data::YEAR, month: 1, day: 1 }.first_of_month_after(months);
    date.midnight(OFFSET_MINUTES).expect("the data's year is in the ledger's calendar")
}

struct Scope<'a> {
    year: &'a Year,
    journal: &'a Journal,
    books: &'a Books,
    cast: &'a Cast,
    until: Timestamp,
}

impl Scope<'_> {
    /// Statements of purchases that are over.
    fn settled(&self) -> Vec<&StatementView> {
        let over: BTreeSet<_> = self
            .books
            .agreements
            .iter()
            .filter(|agreement| agreement.status == Status::Settled)
            .map(|a| a.agreement)
            .collect();
        let of_purchase =
            |record: &&StatementView| record.kind == Kind::Purchase && over.contains(&record.statement.agreement);
        self.books.statements.iter().filter(of_purchase).collect()
    }

    /// Statements about the complete months.
    fn complete(&self) -> impl Iterator<Item = &StatementView> {
        self.books.statements.iter().filter(move |record| record.statement.period.to <= self.until)
    }

    fn agreements(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut counts: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for agreement in &self.books.agreements {
            let kind = agreement.kind.name().to_owned();
            *counts.entry(kind).or_default().entry(agreement.status.name().into()).or_default() += 1;
        }
        counts
    }

    fn refused(&self) -> BTreeMap<String, u64> {
        let counts = self.books.summary.refused.iter();
        counts.map(|count| (count.code.clone(), count.transactions + count.readings)).collect()
    }

    fn delivery_to_payment(&self) -> Option<DeliveryToPayment> {
        let settled = self.settled();
        let times: Vec<u64> =
            settled.iter().map(|record| record.statement.issued.0 - record.statement.period.to.0).collect();
        let blocks = settled.iter().map(|record| {
            let first = self.books.blocks.partition_point(|block| block.time_ms < record.statement.period.to);
            record.cause.height - self.books.blocks.get(first).map_or(record.cause.height, |block| block.height)
        });
        Some(DeliveryToPayment {
            purchases: times.len() as u64,
            least_ms: *times.iter().min()?,
            mean_ms: times.iter().sum::<u64>() / times.len() as u64,
            most_ms: *times.iter().max()?,
            most_blocks: blocks.max()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_complete_when_its_last_day_was_played() {
        assert_eq!([30, 31, 32, 58, 59, 364, 365].map(complete_months), [0, 1, 1, 1, 2, 11, 12]);
    }

    #[test]
    fn the_baseline_charges_a_year_of_heating_by_floor_area() {
        let year = Year::load();
        let office = year.tenant("office-1");
        let whole = baseline(&year, Carrier::Heating, office, day_begin(365));
        assert_eq!(whole, Money::units(43 * 21_480));
        // January has 31 of the season's 121 days.
        let january = baseline(&year, Carrier::Heating, office, day_begin(31));
        assert_eq!(january, whole.share_half_even(31, 121).unwrap());
        assert_eq!(baseline(&year, Carrier::Gas, office, day_begin(365)), Money::ZERO);
    }
}
