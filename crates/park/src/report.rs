//! The end report: what the year came to, read back from the node, and whether it holds together.
//!
//! *bill* what a tenant paid by its statements: its subscription's charges and its purchases. *baseline* what the same
//! consumption costs in today's one mode for all [M25]: electricity, hot water, gas and water by meter at the undiscounted
//! price (electricity with its time-of-use factors), heating and cooling by floor area. *complete months* the months that are
//! over and billed; bills, baseline and supply are compared over them. *check* something that must hold, with what was found.
//!
//! All of it follows from data and chain alone, save [`Report::run`]: how long it took, and where.

use crate::adviser::{Mode, area_charge};
use crate::cast::{Cast, ROOFS, STATION};
use crate::data::{DAYS, HOURS, OFFSET_MINUTES, Year, day_begin, hour_begin, midnight, year_begin};
use crate::meters::park_meters;
use crate::scenario::{ADJUSTS, Deed, Journal, LEAVES, Unbilled};
use crate::tariff::{BY_AREA, GRAMS_PER_KWH, GRAMS_PER_M3_GAS, version_1};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utilidor_types::{
    AccountId, Carrier, Money, Program, Quantity, Tariff, Timestamp, Window,
    agreement::{Party, Status},
    carrier::BaseUnit,
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
    /// Thousandths of the baseline that were saved; negative if it cost more.
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
            run,
        };
        report.checks = scope.checks(&report);
        report
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

/// What today's charging asks for a load in the time to `until`.
pub fn baseline(year: &Year, carrier: Carrier, tenant: usize, until: Timestamp) -> Money {
    let package = version_1();
    let Some(load) = year.load_of(carrier, tenant) else { return Money::ZERO };
    let hours = crate::data::hours_of(Window { from: year_begin(), to: until });
    let option = package.options_of(carrier).nth(BY_AREA.into()).expect("the package offers every carrier");
    match &option.tariff {
        Tariff::FloorArea(tariff) => {
            let window = Window { from: year_begin(), to: until };
            area_charge(tariff, year.tenants()[tenant].floor_area_m2, window, 0)
        }
        Tariff::Metered(tariff) => {
            let weight = hours.map(|hour| {
                let band = tariff.time_of_use.calendar.band_at(hour_begin(hour), OFFSET_MINUTES);
                u128::from(load[hour]) * u128::from(tariff.time_of_use.factor_permille(band))
            });
            let unit = u128::from(tariff.price.per.base_units()) * 1_000;
            let charge = ratio_half_even(u128::from(tariff.price.money.0) * weight.sum::<u128>(), unit);
            Money(charge.expect("a year's bill is far below what money holds"))
        }
        Tariff::MeteredByPeriod(_) => unreachable!("the first option for heat and cold is by floor area"),
    }
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
        let of_purchase = |record: &&StatementView| over.contains(&record.statement.agreement);
        self.books.statements.iter().filter(of_purchase).collect()
    }

    /// Statements about the complete months.
    fn complete(&self) -> impl Iterator<Item = &StatementView> {
        self.books.statements.iter().filter(move |record| record.statement.period.to <= self.until)
    }

    fn tenant(&self, tenant: usize) -> TenantReport {
        let record = &self.year.tenants()[tenant];
        let account = self.cast.account(&record.name);
        let advice = self.journal.subscriptions.iter().find(|subscription| subscription.tenant == record.name);
        let mut bills: BTreeMap<Carrier, CarrierBill> = self
            .year
            .carriers_of(tenant)
            .map(|carrier| {
                let advice = advice.and_then(|advice| advice.advice.iter().find(|advice| advice.carrier == carrier));
                let bill = CarrierBill {
                    carrier,
                    mode: advice.map_or(String::new(), |advice| mode_name(advice.mode())),
                    consumed: Quantity::ZERO,
                    purchased: Quantity::ZERO,
                    baseline: baseline(self.year, carrier, tenant, self.until),
                    subscription: Money::ZERO,
                    purchases: Money::ZERO,
                };
                (carrier, bill)
            })
            .collect();
        let (mut forfeited, mut compensated) = (Money::ZERO, Money::ZERO);
        for record in self.complete().filter(|record| record.user == account) {
            for line in &record.statement.lines {
                match *line {
                    StatementLine::Usage { carrier, quantity, .. } => {
                        bill(&mut bills, carrier).consumed.0 += quantity.0
                    }
                    StatementLine::Energy { carrier, amount, .. }
                    | StatementLine::FloorArea { carrier, amount, .. } => {
                        bill(&mut bills, carrier).subscription.0 += amount.0
                    }
                    StatementLine::Credit { carrier, amount, .. } => {
                        let paid = &mut bill(&mut bills, carrier).subscription;
                        *paid = paid.saturating_sub(amount);
                    }
                    StatementLine::Refund { carrier, withheld, .. } => {
                        bill(&mut bills, carrier).subscription.0 += withheld.0
                    }
                    StatementLine::Delivery { carrier, delivered, amount, .. } => {
                        let bill = bill(&mut bills, carrier);
                        bill.consumed.0 += delivered.0;
                        bill.purchased.0 += delivered.0;
                        bill.purchases.0 += amount.0;
                    }
                    StatementLine::Forfeit { by: Party::USER, amount, .. } => forfeited.0 += amount.0,
                    StatementLine::Forfeit { by: Party::OWNER, amount, .. } => compensated.0 += amount.0,
                    StatementLine::Forfeit { .. }
                    | StatementLine::DefaultForfeit { .. }
                    | StatementLine::NoReading { .. }
                    | StatementLine::Levy { .. }
                    | StatementLine::Fixed { .. }
                    | StatementLine::Minimum { .. }
                    | StatementLine::Demand { .. }
                    | StatementLine::Clause { .. }
                    | StatementLine::Tax { .. } => {}
                }
            }
        }
        let carriers: Vec<CarrierBill> = bills.into_values().collect();
        let baseline: Money = carriers.iter().map(|bill| bill.baseline).sum();
        let package: Money = carriers.iter().map(|bill| Money(bill.subscription.0 + bill.purchases.0)).sum();
        let consumed = |carrier| {
            carriers
                .iter()
                .find(|bill| bill.carrier == carrier)
                .map_or((0, 0), |bill| (bill.consumed.0, bill.purchased.0))
        };
        let (electricity, solar) = consumed(Carrier::Electricity);
        let thermal = consumed(Carrier::Heating).0 + consumed(Carrier::Cooling).0;
        let (gas, _) = consumed(Carrier::Gas);
        let grams = u128::from(electricity - solar) * u128::from(GRAMS_PER_KWH) / 3_600_000
            + u128::from(gas) * u128::from(GRAMS_PER_M3_GAS) / 1_000_000;
        let saved = (i128::from(baseline.0) - i128::from(package.0)) * 1_000 / i128::from(baseline.0.max(1));
        TenantReport {
            tenant: record.name.clone(),
            category: record.category.clone(),
            floor_area_m2: record.floor_area_m2,
            baseline,
            package,
            saved_permille: saved as i64,
            forfeited,
            compensated,
            electricity_kwh: electricity / 3_600_000,
            solar_kwh: solar / 3_600_000,
            thermal_kwh: thermal / 3_600_000,
            carbon_kg: (grams / 1_000) as u64,
            prepaid: self.account(account).map_or(Money::ZERO, |account| account.reserved),
            carriers,
        }
    }

    fn account(&self, account: AccountId) -> Option<&AccountView> {
        self.books.accounts.iter().find(|record| record.account == account)
    }

    fn revenue(&self, owner: &str) -> Revenue {
        let account = self.cast.account(owner);
        let (mut subscriptions, mut purchases, mut forfeits) = (Money::ZERO, Money::ZERO, 0i64);
        for record in self.books.statements.iter().filter(|record| record.owner == account) {
            match record.kind {
                Kind::Purchase => purchases.0 += record.statement.paid.0,
                _ => subscriptions.0 += record.statement.paid.0,
            }
            for line in &record.statement.lines {
                match line {
                    StatementLine::Forfeit { by: Party::USER, amount, .. } => forfeits += amount.0 as i64,
                    StatementLine::Forfeit { by: Party::OWNER, amount, .. } => forfeits -= amount.0 as i64,
                    _ => {}
                }
            }
        }
        Revenue { owner: owner.into(), subscriptions, purchases, forfeits_micro: forfeits }
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

    fn balance(&self, carrier: Carrier) -> CarrierBalance {
        let window = Window { from: year_begin(), to: self.until };
        let tenants = 0..self.year.tenants().len();
        let supplied = tenants.map(|tenant| self.year.total_in(carrier, tenant, window)).sum();
        let (mut by_subscription, mut by_purchase) = (0, 0);
        for line in self.complete().flat_map(|record| record.statement.lines.iter()) {
            match *line {
                StatementLine::Usage { carrier: of, quantity, .. } if of == carrier => by_subscription += quantity.0,
                StatementLine::Delivery { carrier: of, delivered, .. } if of == carrier => by_purchase += delivered.0,
                _ => {}
            }
        }
        let is_counted = |part: &&Unbilled| part.carrier == carrier && part.interval.to <= self.until;
        let unbilled = self.journal.unbilled.iter().filter(is_counted);
        CarrierBalance {
            carrier,
            supplied: Quantity(supplied),
            by_subscription: Quantity(by_subscription),
            by_purchase: Quantity(by_purchase),
            unbilled: Quantity(unbilled.map(|part| part.quantity.0).sum()),
        }
    }

    // ---- what happens once --------------------------------------------------------------------------------

    fn occasions(&self) -> Vec<Occasion> {
        let lines = || self.books.statements.iter().flat_map(|record| record.statement.lines.iter());
        let forfeit = |side| lines().any(|line| matches!(line, StatementLine::Forfeit { by, .. } if *by == side));
        let status = |status| self.books.agreements.iter().any(|agreement| agreement.status == status);
        let refused = |code: &str| self.books.summary.refused.iter().any(|count| count.code == code);
        let winners = |tender: &str| {
            let of = |entry: &&crate::scenario::Entry| matches!(&entry.deed, Deed::Concluded(purchase) if purchase.tender == tender);
            self.journal.entries.iter().filter(of).count()
        };
        let adjusted = |agreement: &AgreementView| {
            agreement.user == self.cast.account(ADJUSTS)
                && matches!(&agreement.terms.program, Program::Subscription(terms) if terms.version == 2)
        };
        let ended = |agreement: &AgreementView| {
            agreement.user == self.cast.account(LEAVES) && agreement.status == Status::Terminated
        };
        let refunded =
            lines().any(|line| matches!(line, StatementLine::Refund { amount, .. } if *amount > Money::ZERO));
        let meters = park_meters(self.year);
        let exchanged = meters.iter().find(|meter| meter.exchanged.is_some()).expect("one meter is exchanged");
        let devices =
            self.books.meters.iter().find(|meter| meter.meter == exchanged.id).map_or(0, |meter| meter.devices);
        let hours = self.journal.days * 24;
        let rolled_over = meters.iter().any(|meter| {
            let found = self.books.meters.iter().find(|found| found.meter == meter.id);
            meter.rollovers(hours) > 0 && found.is_some_and(|found| found.register.0 < meter.first_register)
        });
        let never_awarded = self.books.quotes.iter().any(|quote| quote.opening.is_none());
        // What somebody does on a day is done while the demonstration goes on; what falls due, or is read, also at its end.
        let acted = |month, day| (midnight(month, day), midnight(month, day) < day_begin(self.journal.days));
        let due = |time: Timestamp| (time, time <= self.journal.end);
        let settled = |month, day| due(Timestamp(midnight(month, day).0 + crate::tender::GRACE_MS));
        let read = |month, day| due(midnight(month, day));
        let expires = due(Timestamp(midnight(1, 3).0 + 12 * HOUR_MS));
        let rolls_over = (0..DAYS).find(|day| meters.iter().any(|meter| meter.rollovers(day * 24) > 0));
        let rolls_over = read_after(rolls_over.expect("a register rolls over in the year"), self.journal.days);
        let several = self.journal.tenders.iter().any(|tender| winners(&tender.label) > 1);
        let adjusted = self.books.agreements.iter().any(adjusted);
        let ended = refunded && self.books.agreements.iter().any(ended);
        let occasion = |name: &str, (time, reached): (Timestamp, bool), observed: bool| {
            let Date { year, month, day } = time.date(OFFSET_MINUTES);
            Occasion { name: name.into(), on: format!("{year:04}-{month:02}-{day:02}"), reached, observed }
        };
        vec![
            occasion("a tender with several winners", acted(1, 3), several),
            occasion("a quote never awarded", acted(1, 3), never_awarded),
            occasion("a quote after the gate, refused", acted(1, 3), refused("offer/gate-closed")),
            occasion("an unsigned award that expires", expires, status(Status::Expired)),
            occasion("a register that rolls over", rolls_over, rolled_over),
            occasion("a replayed reading, refused", acted(1, 15), refused("reading/replayed")),
            occasion("a gap in a meter's readings", read(1, 21), self.journal.gaps > 0),
            occasion("an under-take", settled(2, 25), forfeit(Party::USER)),
            occasion("a meter exchange", read(3, 15), devices > 1),
            occasion("an under-delivery", settled(6, 25), forfeit(Party::OWNER)),
            occasion("a tariff adjusted by consent", due(midnight(7, 1)), adjusted),
            occasion("an early termination with refund", acted(9, 1), ended),
        ]
    }

    // ---- what must hold -----------------------------------------------------------------------------------

    fn checks(&self, report: &Report) -> Vec<Check> {
        let summary = &self.books.summary;
        let check = |name: &str, held: bool, found: String| Check { name: name.into(), held, found };
        let money = &summary.money;
        let mut checks = vec![
            check(
                "money is conserved after every block",
                money.conserved && report.held == money.circulating,
                format!("{} issued, {} redeemed, {} held", money.issued, money.redeemed, report.held),
            ),
            check(
                "every reading is certified",
                summary.certificates == self.journal.readings,
                format!("{} of {}", summary.certificates, self.journal.readings),
            ),
            check(
                "every register on the chain is the meter's",
                self.registers_differing() == 0,
                format!("{} of {} differ", self.registers_differing(), self.books.meters.len()),
            ),
        ];
        for balance in &report.balances {
            let billed = balance.by_subscription.0 + balance.by_purchase.0 + balance.unbilled.0;
            let name = format!("supplied = billed: {}", balance.carrier);
            let (unit, unbilled) = (base_unit(balance.carrier), balance.unbilled);
            let found = format!("{} {unit} and {billed}, of which {unbilled} before a supply began", balance.supplied);
            checks.push(check(&name, balance.supplied.0 == billed, found));
        }
        let months = self.statements_due();
        // What comes after an end makes supplements, as many as meters bring something.
        let is_due = |record: &&StatementView| {
            record.kind == Kind::Subscription && record.statement.closing != Closing::Supplement
        };
        let subscriptions = self.books.statements.iter().filter(is_due).count() as u64;
        checks.push(check(
            "every month is billed to every subscriber",
            subscriptions == months,
            format!("{subscriptions} statements of {months}"),
        ));
        let due = self.purchases_due();
        checks.push(check(
            "every purchase that fell due has executed",
            report.contracts_executed == due,
            format!("{} of {due}", report.contracts_executed),
        ));
        let unpaid: Money = self.books.statements.iter().map(|record| record.statement.unpaid).sum();
        let defaulted = self.books.agreements.iter().filter(|agreement| agreement.status == Status::Defaulted).count();
        checks.push(check(
            "everything is paid",
            unpaid == Money::ZERO && defaulted == 0,
            format!("{unpaid} unpaid, {defaulted} in default"),
        ));
        checks.push(check(
            "no supply is exhausted",
            self.journal.exhausted == 0,
            format!("{} notices", self.journal.exhausted),
        ));
        checks.push(check(
            "refused is what should be refused, and nothing else",
            report.refused == self.journal.refusals,
            format!("{:?}", report.refused),
        ));
        let missing: Vec<&str> = report
            .occasions
            .iter()
            .filter(|occasion| occasion.reached != occasion.observed)
            .map(|occasion| occasion.name.as_str())
            .collect();
        let reached = report.occasions.iter().filter(|occasion| occasion.reached).count();
        checks.push(check(
            "what happens once has happened on its day",
            missing.is_empty(),
            match missing.is_empty() {
                true => format!("{reached} of {} by now", report.occasions.len()),
                false => missing.join(", "),
            },
        ));
        checks
    }

    fn registers_differing(&self) -> usize {
        let expected = park_meters(self.year);
        let hours = (self.journal.days * 24).min(HOURS);
        let right = expected.iter().filter(|meter| {
            let found = self.books.meters.iter().find(|found| found.meter == meter.id);
            found.is_some_and(|found| found.register.0 == meter.register_after(hours))
        });
        expected.len().max(self.books.meters.len()) - right.count()
    }

    /// Statements that subscriptions should have: one for each tenant and complete month, and a final one some hours after each
    /// early end, whose tenant subscribes anew at once.
    fn statements_due(&self) -> u64 {
        let is_final = |entry: &&crate::scenario::Entry| {
            matches!(entry.deed, Deed::Ended { .. }) && entry.at.0 + STATEMENT_GRACE_MS <= self.journal.end.0
        };
        let finals = self.journal.entries.iter().filter(is_final).count() as u64;
        u64::from(complete_months(self.journal.days)) * self.year.tenants().len() as u64 + finals
    }

    /// Purchases whose settlement time has come.
    fn purchases_due(&self) -> u64 {
        let due = |entry: &&crate::scenario::Entry| match &entry.deed {
            Deed::Concluded(purchase) => purchase.window.to.0 + crate::tender::GRACE_MS <= self.journal.end.0,
            _ => false,
        };
        self.journal.entries.iter().filter(due).count() as u64
    }
}

/// The end of the first `day` days, and whether their readings are recorded after `days` days.
fn read_after(day: usize, days: usize) -> (Timestamp, bool) {
    (day_begin(day), day <= days)
}

fn bill(bills: &mut BTreeMap<Carrier, CarrierBill>, carrier: Carrier) -> &mut CarrierBill {
    bills.get_mut(&carrier).expect("a tenant is billed for carriers that it has")
}

/// What a mode is called in the report.
pub fn mode_name(mode: Mode) -> String {
    let period = |period| match period {
        utilidor_types::package::Period::Month => "month",
        utilidor_types::package::Period::Quarter => "quarter",
        utilidor_types::package::Period::Year => "year",
    };
    match mode {
        Mode::FloorArea(length) => format!("floor area, by the {}", period(length)),
        Mode::Metered(length) => format!("metered, by the {}", period(length)),
        Mode::TopUps(size) => format!("metered, top-ups of {}", size.0 / utilidor_types::money::MICRO),
    }
}

const fn base_unit(carrier: Carrier) -> &'static str {
    match carrier.base_unit() {
        BaseUnit::Joule => "J",
        BaseUnit::Millilitre => "mL",
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
