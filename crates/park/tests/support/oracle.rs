//! The bills of the year once more, by separate straightforward code: from the CSV files and the journal's list of
//! agreements and prepayments, in whole numbers, sharing no rule with the ledger.
//!
//! What it knows of tariffs, bands, seasons and discounts is written here a second time, as a tariff sheet would say it.
#![allow(dead_code)] // each test uses a part of it

use std::collections::BTreeMap;
use utilidor_park::scenario::{Deed, Journal, Purchase};
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::Side;
use utilidor_types::package::Period;
use utilidor_types::statement::StatementLine;
use utilidor_types::{AgreementId, Carrier, Statement};

const HOUR: i128 = 3_600_000;
const DAY: i128 = 24 * HOUR;
/// 2025-01-01T00:00+08:00.
const YEAR_BEGIN: i128 = 1_735_660_800_000;
const DAYS_BEFORE_MONTH: [i128; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// Numerator over denominator, rounded half to even.
fn half_even(numerator: i128, denominator: i128) -> i128 {
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    if rest * 2 > denominator || (rest * 2 == denominator && whole % 2 == 1) { whole + 1 } else { whole }
}

/// The begin of a month, counted from January 2025 as 0.
fn month_begin(month: usize) -> i128 {
    YEAR_BEGIN + (DAYS_BEFORE_MONTH[month % 12] + 365 * (month as i128 / 12)) * DAY
}

fn month_of(time: i128) -> usize {
    (0..24).rfind(|month| month_begin(*month) <= time).expect("time is not before 2025")
}

/// Whether a day of the year (from 0) belongs to the season of a carrier.
fn in_season(carrier: Carrier, day: i128) -> bool {
    let day = day % 365;
    let of = |month: usize, date: i128| DAYS_BEFORE_MONTH[month - 1] + date - 1;
    match carrier {
        Carrier::Heating => day <= of(3, 15) || day >= of(11, 15),
        Carrier::Cooling => (of(5, 15)..=of(9, 30)).contains(&day),
        _ => panic!("{carrier} has no season"),
    }
}

fn season_days(carrier: Carrier, from: i128, to: i128) -> i128 {
    ((from - YEAR_BEGIN) / DAY..(to - YEAR_BEGIN) / DAY).filter(|day| in_season(carrier, *day)).count() as i128
}

fn season_length(carrier: Carrier) -> i128 {
    if carrier == Carrier::Heating { 121 } else { 139 }
}

/// Band (0 flat, 1 sharp, 2 peak, 3 valley) and factor of an hour of the year.
fn band(carrier: Carrier, version: u32, hour: usize) -> (usize, i128) {
    if carrier != Carrier::Electricity {
        return (0, 1_000);
    }
    let month = month_of(YEAR_BEGIN + hour as i128 * HOUR) + 1;
    match hour % 24 {
        11 | 12 | 16 if month == 7 || month == 8 => (1, 1_750),
        10..=14 | 18..=20 => (2, 1_600),
        0..=6 | 23 => (3, if version == 1 { 400 } else { 300 }),
        _ => (0, 1_000),
    }
}

/// Millionths per unit, and the base units in it.
fn unit_price(carrier: Carrier, version: u32) -> (i128, i128) {
    match carrier {
        Carrier::Electricity if version == 1 => (800_000, 3_600_000),
        Carrier::Electricity => (820_000, 3_600_000),
        Carrier::Heating => (360_000, 3_600_000),
        Carrier::Cooling => (480_000, 3_600_000),
        Carrier::HotWater => (28_000_000, 1_000_000),
        Carrier::Gas => (3_200_000, 1_000_000),
        Carrier::Water => (9_500_000, 1_000_000),
    }
}

fn per_m2(carrier: Carrier) -> i128 {
    if carrier == Carrier::Heating { 43_000_000 } else { 38_000_000 }
}

fn step_discount(carrier: Carrier, payment: i128) -> i128 {
    match (carrier, payment / 1_000_000) {
        (Carrier::Electricity | Carrier::HotWater, 500_000..) => 80,
        (Carrier::Electricity | Carrier::HotWater, 200_000..) => 60,
        (Carrier::Electricity | Carrier::HotWater, 50_000..) => 40,
        (Carrier::Electricity | Carrier::HotWater, 10_000..) => 20,
        _ => 0,
    }
}

fn period_terms(period: Period) -> (usize, i128) {
    match period {
        Period::Month => (1, 0),
        Period::Quarter => (3, 30),
        Period::Year => (12, 80),
    }
}

/// What a statement must come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    pub agreement: AgreementId,
    pub number: u32,
    /// Consumption by carrier and band.
    pub usage: BTreeMap<(Carrier, usize), i128>,
    /// Charges by carrier and tranche.
    pub charges: BTreeMap<(Carrier, u32), i128>,
    /// What goes back, and what is withheld, by carrier and tranche.
    pub refunds: BTreeMap<(Carrier, u32), (i128, i128)>,
    /// Purchase: delivered and its amount.
    pub delivery: Option<(i128, i128)>,
    /// Purchase: forfeited by the owner and by the user.
    pub forfeits: [i128; 2],
    /// What the user pays the owner, forfeits not included.
    pub paid: i128,
}

impl Expected {
    /// What the ledger's statement comes to, in the same form.
    pub fn of(statement: &Statement) -> Self {
        let mut found = Self { agreement: statement.agreement, number: statement.number, ..Self::default() };
        assert_eq!(statement.unpaid.0, 0, "everybody in the park can pay");
        for line in &statement.lines {
            match *line {
                StatementLine::Usage { carrier, band, quantity, .. } => {
                    *found.usage.entry((carrier, band as usize)).or_default() += i128::from(quantity.0);
                }
                StatementLine::Charge { carrier, tranche, amount, .. }
                | StatementLine::FloorArea { carrier, tranche, amount, .. } => {
                    *found.charges.entry((carrier, tranche)).or_default() += i128::from(amount.0);
                }
                StatementLine::OwedCharge { carrier, amount, .. } => {
                    *found.charges.entry((carrier, 0)).or_default() += i128::from(amount.0);
                }
                StatementLine::Owed { carrier, weight, .. } => {
                    panic!("{weight} of {carrier} is owed: nobody in the park owes")
                }
                StatementLine::Refund { carrier, tranche, amount, withheld } => {
                    found.refunds.insert((carrier, tranche), (amount.0.into(), withheld.0.into()));
                }
                StatementLine::Delivery { delivered, amount, .. } => {
                    found.delivery = Some((delivered.0.into(), amount.0.into()));
                }
                StatementLine::Forfeit { by, amount, .. } => {
                    found.forfeits[usize::from(by == Side::User)] += i128::from(amount.0);
                }
            }
        }
        found.charges.retain(|_, amount| *amount != 0);
        found.paid = statement.paid.0.into();
        found
    }
}

/// A prepayment that is not used up.
#[derive(Debug, Clone)]
struct Tranche {
    number: u32,
    paid: i128,
    billed: i128,
    buys: Buys,
}

#[derive(Debug, Clone)]
enum Buys {
    /// Weight at a price of millionths per unit of base units, less a discount; within a time.
    Energy { price: i128, unit: i128, discount: i128, weight: i128, drawn: i128, within: Option<(i128, i128)> },
    /// Days of the season from a time to another.
    Area { discount: i128, from: i128, to: i128 },
}

#[derive(Debug, Clone)]
struct Service {
    by_area: bool,
    by_period: bool,
    area_m2: i128,
    area_paid_until: i128,
    usage: BTreeMap<usize, i128>,
    opened: u32,
    tranches: Vec<Tranche>,
}

#[derive(Debug, Clone)]
struct Contract {
    agreement: AgreementId,
    tenant: String,
    version: u32,
    services: BTreeMap<Carrier, Service>,
    statements: u32,
    /// The month whose statement comes next.
    month: usize,
}

#[derive(Debug, Clone)]
struct Trade {
    purchase: Purchase,
    available: i128,
    taken: i128,
}

/// All bills that should have been issued, in order of agreement and number, and everyone's balance.
pub struct Books {
    pub statements: Vec<Expected>,
    /// Free and reserved money together, by label.
    pub balances: BTreeMap<String, i128>,
    /// What was metered at tenants, by carrier.
    pub supplied: BTreeMap<Carrier, i128>,
    /// What statements account for, by carrier.
    pub billed: BTreeMap<Carrier, i128>,
}

struct Oracle {
    loads: BTreeMap<(Carrier, String), Vec<i128>>,
    generation: BTreeMap<String, Vec<i128>>,
    contracts: Vec<Contract>,
    trades: Vec<Trade>,
    books: Books,
}

fn read_loads() -> BTreeMap<(Carrier, String), Vec<i128>> {
    let files = [
        (Carrier::Electricity, include_str!("../../data/electricity.csv"), 3_600),
        (Carrier::Heating, include_str!("../../data/heating.csv"), 3_600),
        (Carrier::Cooling, include_str!("../../data/cooling.csv"), 3_600),
        (Carrier::HotWater, include_str!("../../data/hot_water.csv"), 1_000),
        (Carrier::Gas, include_str!("../../data/gas.csv"), 1_000),
        (Carrier::Water, include_str!("../../data/water.csv"), 1_000),
    ];
    let mut loads = BTreeMap::new();
    for (carrier, text, factor) in files {
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').skip(1).collect();
        for line in lines {
            for (name, cell) in names.iter().zip(line.split(',').skip(1)) {
                let load: &mut Vec<i128> = loads.entry((carrier, (*name).to_owned())).or_default();
                load.push(cell.parse::<i128>().unwrap() * factor);
            }
        }
    }
    loads
}

/// Recomputes the bills of a journal.
pub fn recompute(journal: &Journal) -> Books {
    let year = utilidor_park::data::Year::load();
    let generation = utilidor_park::cast::ROOFS
        .into_iter()
        .map(|(roof, watts)| {
            let wh = utilidor_park::solar::generation_wh(&year, watts);
            (roof.to_owned(), wh.into_iter().map(|wh| i128::from(wh) * 3_600).collect())
        })
        .collect();
    let balances = journal.endowments.iter().map(|(who, amount)| (who.clone(), i128::from(amount.0))).collect();
    let books = Books { statements: Vec::new(), balances, supplied: BTreeMap::new(), billed: BTreeMap::new() };
    let mut oracle = Oracle { loads: read_loads(), generation, contracts: Vec::new(), trades: Vec::new(), books };
    for entry in &journal.entries {
        let at = i128::from(entry.at.0);
        oracle.fall_due(at);
        oracle.deed(at, &entry.deed);
    }
    oracle.fall_due(journal.end.0.into());
    oracle.books.statements.sort_by_key(|statement| (statement.agreement, statement.number));
    oracle.books
}

impl Oracle {
    fn deed(&mut self, at: i128, deed: &Deed) {
        match deed {
            Deed::Readings { day } => self.read_day(*day),
            Deed::Subscribed { agreement, tenant, version, services } => {
                let services = services.iter().map(|service| {
                    let heat_or_cold = matches!(service.carrier, Carrier::Heating | Carrier::Cooling);
                    let state = Service {
                        by_area: heat_or_cold && service.option == 0,
                        by_period: heat_or_cold && service.option == 1,
                        area_m2: service.floor_area_m2.into(),
                        area_paid_until: month_begin(month_of(at)),
                        usage: BTreeMap::new(),
                        opened: 0,
                        tranches: Vec::new(),
                    };
                    (service.carrier, state)
                });
                self.contracts.push(Contract {
                    agreement: *agreement,
                    tenant: tenant.clone(),
                    version: *version,
                    services: services.collect(),
                    statements: 0,
                    month: month_of(at),
                });
            }
            Deed::Prepaid { agreement, carrier, payment } => self.prepaid(at, *agreement, *carrier, *payment),
            Deed::Concluded(purchase) => {
                let available = if purchase.delivery_meter.is_some() { 0 } else { i128::from(purchase.quantity.0) };
                self.trades.push(Trade { purchase: purchase.clone(), available, taken: 0 });
            }
            Deed::Unsigned(_) => {}
            Deed::Adjusted { agreement, version } => {
                let place = self.place(*agreement);
                self.statement(place, at, false);
                self.contracts[place].version = *version;
                self.contracts[place].month = month_of(at);
            }
            Deed::Ended { agreement } => {
                let place = self.place(*agreement);
                self.statement(place, at, true);
                self.contracts.remove(place);
            }
        }
    }

    fn place(&self, agreement: AgreementId) -> usize {
        self.contracts.iter().position(|contract| contract.agreement == agreement).unwrap()
    }

    // ---- metering -----------------------------------------------------------------------------------------

    fn read_day(&mut self, day: usize) {
        let hours = day * 24..day * 24 + 24;
        for (roof, generation) in &self.generation {
            for hour in hours.clone() {
                let mut rest = generation[hour];
                for trade in &mut self.trades {
                    if trade.purchase.owner == *roof && within(&trade.purchase, hour) {
                        let part = rest.min(i128::from(trade.purchase.quantity.0) - trade.available);
                        trade.available += part;
                        rest -= part;
                    }
                }
            }
        }
        let loads = std::mem::take(&mut self.loads);
        for ((carrier, tenant), load) in &loads {
            for (first, after) in intervals(*carrier, tenant, hours.clone()) {
                let quantity: i128 = load[first..after].iter().sum();
                *self.books.supplied.entry(*carrier).or_default() += quantity;
                let mut rest = quantity;
                for trade in &mut self.trades {
                    let purchase = &trade.purchase;
                    if purchase.user == *tenant && purchase.carrier == *carrier && within(purchase, first) {
                        assert!(within(purchase, after - 1), "no gap of the park lies on a window's edge");
                        let part = rest.min(trade.available - trade.taken);
                        trade.taken += part;
                        rest -= part;
                    }
                }
                self.consume(*carrier, tenant, first, after, rest);
            }
        }
        self.loads = loads;
    }

    fn consume(&mut self, carrier: Carrier, tenant: &str, first: usize, after: usize, quantity: i128) {
        let contract = self.contracts.iter_mut().find(|contract| contract.tenant == tenant).unwrap();
        let version = contract.version;
        let service = contract.services.get_mut(&carrier).unwrap();
        let length = (after - first) as i128;
        let mut weight = 0;
        for hour in first..after {
            // A longer interval is spread evenly: cumulative shares, each rounded down.
            let passed = (hour - first) as i128;
            let part = quantity * (passed + 1) / length - quantity * passed / length;
            let (band, factor) = band(carrier, version, hour);
            if part > 0 {
                *service.usage.entry(band).or_default() += part;
            }
            weight += part * factor;
        }
        if service.by_area {
            return;
        }
        let begin = YEAR_BEGIN + first as i128 * HOUR;
        for tranche in &mut service.tranches {
            let Buys::Energy { weight: bought, drawn, within, .. } = &mut tranche.buys else { continue };
            if within.is_none_or(|(from, to)| (from..to).contains(&begin)) {
                let part = weight.min(*bought - *drawn);
                *drawn += part;
                weight -= part;
            }
        }
        assert_eq!(weight, 0, "{tenant} has consumed more {carrier} than it has prepaid");
    }

    // ---- prepaying ----------------------------------------------------------------------------------------

    fn prepaid(&mut self, at: i128, agreement: AgreementId, carrier: Carrier, payment: Prepayment) {
        let place = self.place(agreement);
        let contract = &mut self.contracts[place];
        let (price, unit) = unit_price(carrier, contract.version);
        let service = contract.services.get_mut(&carrier).unwrap();
        let energy = |paid: i128, discount: i128, within| {
            let weight = paid * unit * 1_000_000 / (price * (1_000 - discount));
            (paid, Buys::Energy { price, unit, discount, weight, drawn: 0, within })
        };
        let (paid, buys) = match payment {
            Prepayment::Amount(amount) => {
                assert!(!service.by_area && !service.by_period);
                energy(amount.0.into(), step_discount(carrier, amount.0.into()), None)
            }
            Prepayment::AmountForPeriod { amount, period } => {
                assert!(service.by_period);
                let (months, discount) = period_terms(period);
                let month = month_of(at);
                energy(amount.0.into(), discount, Some((month_begin(month), month_begin(month + months))))
            }
            Prepayment::Period { period, .. } => {
                assert!(service.by_area);
                let (months, discount) = period_terms(period);
                let from = service.area_paid_until;
                let to = month_begin(month_of(from) + months);
                service.area_paid_until = to;
                let days = season_days(carrier, from, to);
                let exact = per_m2(carrier) * service.area_m2 * days * (1_000 - discount);
                (half_even(exact, season_length(carrier) * 1_000), Buys::Area { discount, from, to })
            }
        };
        service.opened += 1;
        service.tranches.push(Tranche { number: service.opened, paid, billed: 0, buys });
    }

    // ---- what falls due -----------------------------------------------------------------------------------

    fn fall_due(&mut self, now: i128) {
        for place in (0..self.trades.len()).rev() {
            let settles = i128::from(self.trades[place].purchase.window.to.0) + HOUR;
            if settles <= now {
                let trade = self.trades.remove(place);
                self.settle(trade);
            }
        }
        for place in 0..self.contracts.len() {
            while month_begin(self.contracts[place].month + 1) + 6 * HOUR <= now {
                let ends = month_begin(self.contracts[place].month + 1);
                self.statement(place, ends, false);
                self.contracts[place].month += 1;
            }
        }
    }

    fn pay(&mut self, from: &str, to: &str, amount: i128) {
        *self.books.balances.get_mut(from).unwrap() -= amount;
        *self.books.balances.get_mut(to).unwrap() += amount;
    }

    fn settle(&mut self, trade: Trade) {
        let Trade { purchase, available, taken } = trade;
        let (quantity, price) = (i128::from(purchase.quantity.0), i128::from(purchase.price.0));
        let amount = half_even(taken * price, 3_600_000);
        let deposit = half_even(half_even(quantity * price, 3_600_000) * 100, 1_000);
        let tolerated = quantity * 50 / 1_000;
        let forfeit = |shortfall: i128| match shortfall > tolerated {
            true => half_even(deposit * shortfall, quantity),
            false => 0,
        };
        let forfeits = [forfeit(quantity - available), forfeit(available - taken)];
        self.pay(&purchase.user, &purchase.owner, amount + forfeits[1]);
        self.pay(&purchase.owner, &purchase.user, forfeits[0]);
        *self.books.billed.entry(purchase.carrier).or_default() += taken;
        self.books.statements.push(Expected {
            agreement: purchase.agreement,
            number: 1,
            delivery: Some((taken, amount)),
            forfeits,
            paid: amount,
            ..Expected::default()
        });
    }

    fn statement(&mut self, place: usize, ends: i128, last: bool) {
        let contract = &mut self.contracts[place];
        contract.statements += 1;
        let mut bill = Expected { agreement: contract.agreement, number: contract.statements, ..Expected::default() };
        for (carrier, service) in &mut contract.services {
            for (band, quantity) in std::mem::take(&mut service.usage) {
                *self.books.billed.entry(*carrier).or_default() += quantity;
                // By floor area, the bands play no part.
                *bill.usage.entry((*carrier, if service.by_area { 0 } else { band })).or_default() += quantity;
            }
            for tranche in &mut service.tranches {
                let (cost, full_price, over) = match &tranche.buys {
                    Buys::Energy { price, unit, discount, weight, drawn, within } => {
                        let at = |discount: i128| half_even(price * (1_000 - discount) * drawn, unit * 1_000_000);
                        let cost = if drawn == weight { tranche.paid } else { at(*discount) };
                        (cost.min(tranche.paid), at(0), within.is_some_and(|(_, to)| to <= ends))
                    }
                    Buys::Area { discount, from, to } => {
                        let days = season_days(*carrier, *from, *to);
                        let passed = season_days(*carrier, *from, ends.clamp(*from, *to));
                        let full = half_even(tranche.paid * 1_000 * passed, days * (1_000 - discount));
                        (half_even(tranche.paid * passed, days), full, *to <= ends)
                    }
                };
                let charge = cost - tranche.billed;
                if charge != 0 {
                    bill.charges.insert((*carrier, tranche.number), charge);
                    bill.paid += charge;
                }
                tranche.billed = cost;
                let left = tranche.paid - cost;
                if (last || over) && left > 0 {
                    let withheld = if last { (full_price - cost).clamp(0, left) } else { 0 };
                    bill.refunds.insert((*carrier, tranche.number), (left - withheld, withheld));
                    bill.paid += withheld;
                    tranche.billed = tranche.paid;
                }
            }
            service.tranches.retain(|tranche| tranche.billed < tranche.paid);
        }
        let (tenant, paid) = (contract.tenant.clone(), bill.paid);
        self.books.statements.push(bill);
        self.pay(&tenant, "station", paid);
    }
}

fn within(purchase: &Purchase, hour: usize) -> bool {
    let begin = YEAR_BEGIN + hour as i128 * HOUR;
    (i128::from(purchase.window.from.0)..i128::from(purchase.window.to.0)).contains(&begin)
}

/// The metered intervals of a day, as first hour and hour after: single hours, but for the readings that are lost on 20
/// January at the shops.
fn intervals(carrier: Carrier, tenant: &str, hours: std::ops::Range<usize>) -> Vec<(usize, usize)> {
    let lost = 19 * 24 + 9;
    if carrier == Carrier::Electricity && tenant == "shops" && hours.contains(&lost) {
        let mut intervals: Vec<_> = (hours.start..lost).map(|hour| (hour, hour + 1)).collect();
        intervals.push((lost, lost + 5));
        intervals.extend((lost + 5..hours.end).map(|hour| (hour, hour + 1)));
        return intervals;
    }
    hours.map(|hour| (hour, hour + 1)).collect()
}
