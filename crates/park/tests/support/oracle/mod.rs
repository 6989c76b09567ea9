//! The bills of the year once more, by separate straightforward code: from the CSV files and the journal's list of
//! agreements and prepayments, in whole numbers, sharing no rule with the ledger.
//!
//! *stretch* what a service uses between two boundaries: prepayments, months' ends, amendments, the end. *take* what a purchase
//! has taken out of one stretch.
//!
//! | file | what it is |
//! |---|---|
//! | `sheet` | calendar, bands, prices, discounts |
//! | `meter` | what passed each meter until when |
//! | `service` | the accounts of one service |
#![allow(dead_code)] // each test uses a part of it

mod meter;
mod service;
mod sheet;

use meter::Meter;
use service::{Kind, Part, Service, add};
use sheet::*;
use std::collections::BTreeMap;
use utilidor_park::scenario::{Deed, Journal, Purchase};
use utilidor_types::statement::StatementLine;
use utilidor_types::{AgreementId, Carrier, Party, Statement};

/// What a statement must come to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expected {
    pub agreement: AgreementId,
    pub number: u32,
    /// Consumption by carrier, period and band.
    pub usage: BTreeMap<(Carrier, (i128, i128), usize), i128>,
    /// Charges for energy by carrier and tranche; 0 stands for list price.
    pub energy: BTreeMap<(Carrier, u32), i128>,
    /// Charges for floor areas by carrier and tranche.
    pub area: BTreeMap<(Carrier, u32), i128>,
    /// What goes back, and what is withheld, by carrier and tranche.
    pub refunds: BTreeMap<(Carrier, u32), (i128, i128)>,
    /// Purchase: delivered and its amount.
    pub delivery: Option<(i128, i128)>,
    /// Purchase: forfeited by the owner and by the user.
    pub forfeits: [i128; 2],
    /// What a correction gives back by carrier: how much, and for how much.
    pub credits: BTreeMap<Carrier, (i128, i128)>,
    /// What the user pays the owner, forfeits not included.
    pub paid: i128,
    /// What it cannot pay.
    pub unpaid: i128,
}

impl Expected {
    /// What the ledger's statement comes to, in the same form.
    pub fn of(statement: &Statement) -> Self {
        let mut found = Self { agreement: statement.agreement, number: statement.number, ..Self::default() };
        for line in &statement.lines {
            match line {
                StatementLine::Usage { carrier, period, band, quantity, .. } => {
                    let period = (period.from.0.into(), period.to.0.into());
                    let usage = found.usage.entry((*carrier, period, *band as usize)).or_default();
                    *usage += i128::from(quantity.0);
                }
                StatementLine::Energy { carrier, tranche, amount, .. } => {
                    *found.energy.entry((*carrier, *tranche)).or_default() += i128::from(amount.0);
                }
                StatementLine::FloorArea { carrier, tranche, amount, .. } => {
                    *found.area.entry((*carrier, *tranche)).or_default() += i128::from(amount.0);
                }
                StatementLine::Refund { carrier, tranche, amount, withheld } => {
                    found.refunds.insert((*carrier, *tranche), (amount.0.into(), withheld.0.into()));
                }
                StatementLine::Delivery { delivered, amount, .. } => {
                    found.delivery = Some((delivered.0.into(), amount.0.into()));
                }
                StatementLine::Forfeit { by, amount, .. } => {
                    found.forfeits[usize::from(*by == Party::USER)] += i128::from(amount.0);
                }
                StatementLine::Credit { carrier, bands, amount, .. } => {
                    let quantity = bands.0.iter().map(|quantity| i128::from(quantity.0)).sum();
                    found.credits.insert(*carrier, (quantity, amount.0.into()));
                }
                StatementLine::NoReading { .. } => {}
                other => panic!("the park's bills have no such line: {other:?}"),
            }
        }
        (found.paid, found.unpaid) = (statement.paid.0.into(), statement.unpaid.0.into());
        found.without_nothing()
    }

    /// Leaves out what comes to nothing.
    fn without_nothing(mut self) -> Self {
        self.usage.retain(|_, quantity| *quantity != 0);
        self.energy.retain(|_, amount| *amount != 0);
        self.area.retain(|_, amount| *amount != 0);
        self
    }

    fn add(&mut self, carrier: Carrier, part: Part) {
        self.usage.extend(part.usage.into_iter().map(|((from, to, band), used)| ((carrier, (from, to), band), used)));
        self.paid += part.energy.values().chain(part.area.values()).sum::<i128>();
        self.paid += part.refunds.values().map(|(_, withheld)| withheld).sum::<i128>();
        if part.credit.0 > 0 {
            self.paid -= part.credit.1;
            self.credits.insert(carrier, part.credit);
        }
        self.unpaid += part.owed;
        self.energy.extend(part.energy.into_iter().map(|(tranche, amount)| ((carrier, tranche), amount)));
        self.area.extend(part.area.into_iter().map(|(tranche, amount)| ((carrier, tranche), amount)));
        self.refunds.extend(part.refunds.into_iter().map(|(tranche, refund)| ((carrier, tranche), refund)));
    }
}

/// A subscription.
#[derive(Debug, Clone)]
struct Contract {
    agreement: AgreementId,
    tenant: String,
    opened: i128,
    ends: Option<i128>,
    /// Whether nothing may be taken beyond what is prepaid.
    prepaid_only: bool,
    is_final: bool,
    services: BTreeMap<Carrier, Service>,
    statements: u32,
    /// The month whose statement comes next.
    month: usize,
}

/// What a purchase has taken of a stretch.
#[derive(Debug, Clone)]
struct Take {
    contract: usize,
    stretch: i128,
    bands: Bands,
}

#[derive(Debug, Clone)]
struct Trade {
    purchase: Purchase,
    available: i128,
    takes: Vec<Take>,
    settled: bool,
    /// What was counted without a reading, and has not come since.
    absorbs: i128,
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
    /// What passed while no supply was open, by carrier.
    pub unbilled: BTreeMap<Carrier, i128>,
}

struct Oracle {
    meters: Vec<Meter>,
    generation: BTreeMap<String, Vec<i128>>,
    contracts: Vec<Contract>,
    /// In the order of their signing.
    trades: Vec<Trade>,
    books: Books,
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
    let books = Books {
        statements: Vec::new(),
        balances: journal.endowments.iter().map(|(who, amount)| (who.clone(), i128::from(amount.0))).collect(),
        supplied: BTreeMap::new(),
        billed: BTreeMap::new(),
        unbilled: BTreeMap::new(),
    };
    let (contracts, trades) = (Vec::new(), Vec::new());
    let mut oracle = Oracle { meters: meter::meters(), generation, contracts, trades, books };
    for entry in &journal.entries {
        if let Deed::Corrected { tenant, carrier, hour, certified, right } = &entry.deed {
            let is_meant = |meter: &&mut Meter| (meter.carrier, &meter.tenant) == (*carrier, tenant);
            let meter = oracle.meters.iter_mut().find(is_meant).unwrap();
            meter.misread(*hour, i128::from(certified.0) - i128::from(right.0));
        }
    }
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
            Deed::Subscribed { agreement, tenant, version, services, allowance } => {
                let services = services.iter().map(|service| {
                    let kind = match (service.carrier, service.option) {
                        (Carrier::Heating | Carrier::Cooling, 0) => Kind::ByArea,
                        (Carrier::Heating | Carrier::Cooling, _) => Kind::ByPeriod,
                        _ => Kind::TopUps,
                    };
                    let area_m2 = i128::from(service.floor_area.0) / 100;
                    (service.carrier, Service::new(service.carrier, kind, area_m2, at, *version))
                });
                self.contracts.push(Contract {
                    agreement: *agreement,
                    tenant: tenant.clone(),
                    opened: at,
                    ends: None,
                    prepaid_only: allowance.0 == 0,
                    is_final: false,
                    services: services.collect(),
                    statements: 0,
                    month: month_of(at),
                });
            }
            Deed::Prepaid { agreement, carrier, payment } => {
                let contract = self.contract(*agreement);
                contract.services.get_mut(carrier).unwrap().prepaid(at, *payment);
            }
            Deed::Concluded(purchase) => {
                let available = if purchase.delivery_meter.is_some() { 0 } else { i128::from(purchase.quantity.0) };
                self.trades.push(Trade {
                    purchase: purchase.clone(),
                    available,
                    takes: Vec::new(),
                    settled: false,
                    absorbs: 0,
                });
            }
            Deed::Unsigned(_) => {}
            Deed::Adjusted { agreement, version, from } => {
                for service in self.contract(*agreement).services.values_mut() {
                    service.versions.push((from.0.into(), *version));
                }
            }
            Deed::DebtPaid { agreement, amount } => {
                let tenant = self.contract(*agreement).tenant.clone();
                self.pay(&tenant, "station", amount.0.into());
            }
            Deed::Corrected { tenant, carrier, hour, certified, right } => {
                let from = YEAR_BEGIN + *hour as i128 * HOUR;
                let mut less = [0; 5];
                less[band(*carrier, *hour)] = i128::from(certified.0) - i128::from(right.0);
                let contract =
                    self.contracts.iter_mut().find(|contract| contract.tenant == *tenant && contract.serves(from));
                contract.unwrap().services.get_mut(carrier).unwrap().correct(from, &less);
                *self.books.supplied.entry(*carrier).or_default() -= less.iter().sum::<i128>();
            }
            Deed::Ended { agreement } => {
                let contract = self.contract(*agreement);
                contract.ends = Some(at);
                contract.services.values_mut().for_each(|service| service.ends = Some(at));
            }
        }
    }

    fn contract(&mut self, agreement: AgreementId) -> &mut Contract {
        self.contracts.iter_mut().find(|contract| contract.agreement == agreement).unwrap()
    }

    // ---- metering -----------------------------------------------------------------------------------------

    fn read_day(&mut self, day: usize) {
        for (roof, generation) in &self.generation {
            for hour in day * 24..day * 24 + 24 {
                let begin = YEAR_BEGIN + hour as i128 * HOUR;
                let mut rest = generation[hour];
                for trade in self.trades.iter_mut().filter(|trade| trade.purchase.owner == *roof) {
                    if trade.window().contains(&begin) {
                        let part = rest.min(i128::from(trade.purchase.quantity.0) - trade.available);
                        trade.available += part;
                        rest -= part;
                    }
                }
            }
        }
        let mut meters = std::mem::take(&mut self.meters);
        for meter in &mut meters {
            meter.read = meter.last_reading(day * 24 + 24);
            loop {
                let next = self.next_mark(meter);
                if next > meter.read {
                    break;
                }
                self.segment(meter, next);
            }
        }
        self.meters = meters;
    }

    /// Works out what has passed a tenant's meters up to the last reading, where no purchase can take of it any more.
    fn read_up(&mut self, place: usize, ends: i128) {
        let tenant = self.contracts[place].tenant.clone();
        let mut meters = std::mem::take(&mut self.meters);
        for meter in meters.iter_mut().filter(|meter| meter.tenant == tenant) {
            let read = meter.read;
            let mut trades = self.trades.iter().filter(|trade| trade.takes_from(meter));
            let is_fillable = trades.any(|trade| trade.window().start < read && meter.base < trade.window().end);
            if meter.base < read && meter.base < ends && !is_fillable {
                self.segment(meter, read);
            }
        }
        self.meters = meters;
    }

    /// The next time that matters for what passes a meter.
    fn next_mark(&self, meter: &Meter) -> i128 {
        let trades = self.trades.iter().filter(|trade| trade.is_of(meter) && (!trade.settled || trade.absorbs > 0));
        let edges = trades.flat_map(|trade| [trade.window().start, trade.window().end]);
        let contracts = self.contracts.iter().filter(|contract| contract.tenant == meter.tenant);
        let supplies = contracts.flat_map(|contract| {
            let service = &contract.services[&meter.carrier];
            // A month's statement does not wait for late readings, and what they bring belongs to its month all the same.
            let month = month_begin(month_of(meter.base) + 1);
            let boundary = if contract.is_final { None } else { Some(service.next_boundary().min(month)) };
            [Some(contract.opened), contract.ends, boundary].into_iter().flatten()
        });
        edges.chain(supplies).filter(|mark| *mark > meter.base).min().unwrap_or(i128::MAX)
    }

    /// Shares out what passes a meter up to a time: purchases fill in the order of signing, the rest is the supply's.
    fn segment(&mut self, meter: &mut Meter, to: i128) {
        let (from, carrier) = (std::mem::replace(&mut meter.base, to), meter.carrier);
        let mut rest = meter.between(from, to);
        *self.books.supplied.entry(carrier).or_default() += rest.iter().sum::<i128>();
        let supplied =
            self.contracts.iter().position(|contract| contract.tenant == meter.tenant && contract.serves(from));
        for trade in self.trades.iter_mut().filter(|trade| trade.is_of(meter) && trade.window().contains(&from)) {
            let part = share(&rest, trade.absorbs);
            rest.iter_mut().zip(&part).for_each(|(rest, part)| *rest -= part);
            trade.absorbs -= part.iter().sum::<i128>();
        }
        for trade in self.trades.iter_mut().filter(|trade| trade.takes_from(meter) && trade.window().contains(&from)) {
            let contract = supplied.expect("nobody buys without a subscription in the park");
            let stretch = self.contracts[contract].services[&carrier].closed;
            let part = share(&rest, i128::from(trade.purchase.quantity.0) - trade.taken());
            rest.iter_mut().zip(&part).for_each(|(rest, part)| *rest -= part);
            match trade.takes.last_mut().filter(|take| (take.contract, take.stretch) == (contract, stretch)) {
                Some(take) => add(&mut take.bands, &part),
                None => trade.takes.push(Take { contract, stretch, bands: part }),
            }
        }
        let Some(contract) = supplied.map(|place| &mut self.contracts[place]) else {
            *self.books.unbilled.entry(carrier).or_default() += rest.iter().sum::<i128>();
            return;
        };
        let service = contract.services.get_mut(&carrier).unwrap();
        service.flow(from, &rest);
        if contract.is_final {
            if contract.ends == Some(to) {
                let part = service.used();
                self.issue_supplement(supplied.unwrap(), carrier, part);
            }
        } else if service.closed < to && service.next_boundary() == to {
            service.close(to);
        }
    }

    // ---- what falls due -----------------------------------------------------------------------------------

    fn fall_due(&mut self, now: i128) {
        for place in 0..self.trades.len() {
            let trade = &mut self.trades[place];
            if !trade.settled && trade.window().end + HOUR <= now {
                trade.settled = true;
                self.settle(place);
            }
        }
        for place in 0..self.contracts.len() {
            while let Some((ends, last)) = self.contracts[place].next_statement().filter(|(at, _)| at + 6 * HOUR <= now)
            {
                self.statement(place, ends, last);
            }
        }
    }

    fn pay(&mut self, from: &str, to: &str, amount: i128) {
        *self.books.balances.get_mut(from).unwrap() -= amount;
        *self.books.balances.get_mut(to).unwrap() += amount;
    }

    fn settle(&mut self, place: usize) {
        let trade = &self.trades[place];
        let purchase = trade.purchase.clone();
        let (quantity, price) = (i128::from(purchase.quantity.0), i128::from(purchase.price.0));
        let (available, filled, window) = (trade.available, trade.taken(), trade.window());
        let meter = self.meters.iter().find(|meter| trade.is_of(meter)).unwrap();
        let missing = if purchase.substitute { window.end - meter.read.clamp(window.start, window.end) } else { 0 };
        let taken = (filled + quantity * missing / (window.end - window.start)).min(quantity);
        let delivered = available.min(taken);
        self.trades[place].absorbs = delivered - filled.min(delivered);
        let amount = half_even(delivered * price, 3_600_000);
        let deposit = half_even(half_even(quantity * price, 3_600_000) * 100, 1_000);
        let tolerated = quantity * 50 / 1_000;
        let forfeit = |shortfall: i128| match shortfall > tolerated {
            true => half_even(deposit * shortfall, quantity),
            false => 0,
        };
        let forfeits = [forfeit(quantity - available), forfeit(available - delivered)];
        self.give_back(place, filled - filled.min(delivered));
        self.pay(&purchase.user, &purchase.owner, amount + forfeits[1]);
        self.pay(&purchase.owner, &purchase.user, forfeits[0]);
        *self.books.billed.entry(purchase.carrier).or_default() += delivered;
        self.books.statements.push(Expected {
            agreement: purchase.agreement,
            number: 1,
            delivery: Some((delivered, amount)),
            forfeits,
            paid: amount,
            ..Expected::default()
        });
    }

    /// What a purchase has taken too much goes back to the stretches that it was taken of, in proportion: cumulative shares over
    /// stretches and bands, each rounded down.
    fn give_back(&mut self, place: usize, excess: i128) {
        let trade = &self.trades[place];
        let (taken, carrier, takes) = (trade.taken(), trade.purchase.carrier, trade.takes.clone());
        let (mut passed, mut given) = (0, 0);
        for take in takes {
            let back = take.bands.map(|quantity| {
                passed += quantity;
                let upto = if taken == 0 { 0 } else { excess * passed / taken };
                upto - std::mem::replace(&mut given, upto)
            });
            if back != [0; 5] {
                let service = self.contracts[take.contract].services.get_mut(&carrier).unwrap();
                service.flow(take.stretch, &back);
            }
        }
    }

    fn statement(&mut self, place: usize, ends: i128, last: bool) {
        self.read_up(place, ends);
        let contract = &mut self.contracts[place];
        contract.statements += 1;
        contract.month += 1;
        contract.is_final = last;
        let mut bill = Expected { agreement: contract.agreement, number: contract.statements, ..Expected::default() };
        for (carrier, service) in &mut contract.services {
            bill.add(*carrier, service.statement(ends, last));
        }
        self.issue(place, bill);
    }

    fn issue_supplement(&mut self, place: usize, carrier: Carrier, part: Part) {
        if part.usage.is_empty() {
            return;
        }
        let contract = &mut self.contracts[place];
        contract.statements += 1;
        let mut bill = Expected { agreement: contract.agreement, number: contract.statements, ..Expected::default() };
        bill.add(carrier, part);
        self.issue(place, bill);
    }

    fn issue(&mut self, place: usize, mut bill: Expected) {
        for ((carrier, _, _), quantity) in &bill.usage {
            *self.books.billed.entry(*carrier).or_default() += quantity;
        }
        let tenant = self.contracts[place].tenant.clone();
        for (carrier, (quantity, _)) in &bill.credits {
            *self.books.billed.entry(*carrier).or_default() -= quantity;
        }
        // Whoever may be taken from can pay.
        bill.unpaid = if self.contracts[place].prepaid_only { bill.unpaid } else { 0 };
        bill.paid -= bill.unpaid;
        self.pay(&tenant, "station", bill.paid);
        self.books.statements.push(bill.without_nothing());
    }
}

impl Contract {
    /// Whether it is there for what flows from a time on.
    fn serves(&self, from: i128) -> bool {
        self.opened <= from && self.ends.is_none_or(|ends| from < ends)
    }

    /// What the next statement goes up to, and whether it is the last one.
    fn next_statement(&self) -> Option<(i128, bool)> {
        let month_end = month_begin(self.month + 1);
        match self.ends {
            _ if self.is_final => None,
            Some(ends) if ends <= month_end => Some((ends, true)),
            _ => Some((month_end, false)),
        }
    }
}

impl Trade {
    fn window(&self) -> std::ops::Range<i128> {
        i128::from(self.purchase.window.from.0)..i128::from(self.purchase.window.to.0)
    }

    fn is_of(&self, meter: &Meter) -> bool {
        (self.purchase.carrier, &self.purchase.user) == (meter.carrier, &meter.tenant)
    }

    fn takes_from(&self, meter: &Meter) -> bool {
        !self.settled && self.is_of(meter)
    }

    fn taken(&self) -> i128 {
        self.takes.iter().flat_map(|take| take.bands).sum()
    }
}

/// A part of what lies in several bands, in proportion: cumulative shares, each rounded down.
fn share(bands: &Bands, part: i128) -> Bands {
    let whole: i128 = bands.iter().sum();
    if part >= whole {
        return *bands;
    }
    let (mut passed, mut given) = (0, 0);
    bands.map(|quantity| {
        passed += quantity;
        let upto = part * passed / whole;
        upto - std::mem::replace(&mut given, upto)
    })
}
