//! A metered subscription once more, by separate and naive code, from the rules of retail alone (docs/adr/0012): what passes a
//! meter is cut by its share of time, charged under what was in force when it flowed, drawn from what was prepaid, oldest first.
//!
//! It shares no rule and no arithmetic with the ledger: quantities are cut in whole joules, money is a real number, and is
//! compared within what rounding can make of it.

use std::collections::BTreeMap;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// Local time is so much ahead.
pub const OFFSET: i64 = 8 * HOUR;
/// A statement is made so long after what it is about.
pub const GRACE: i64 = 6 * HOUR;

/// Joules by day and by night.
pub type Split = [i64; 2];

/// A version's price for electricity.
#[derive(Debug, Clone)]
pub struct Tariff {
    /// Millionths for a kWh by day.
    pub price: f64,
    /// Share of the price by night, from 0:00 to 7:00.
    pub night: f64,
    /// Millionths for a kWh.
    pub levy: f64,
    /// Smallest payments in millionths, and their discounts.
    pub steps: Vec<(f64, f64)>,
}

/// What a unit costs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Price {
    version: usize,
    discount: f64,
    /// 0: nothing prepaid.
    tranche: usize,
}

#[derive(Debug, Clone)]
struct Tranche {
    price: Price,
    /// Money with tax.
    left: f64,
    used: [f64; 2],
}

/// Usage with its price.
#[derive(Debug, Clone)]
#[allow(dead_code)] // shown where a bill differs
pub struct Charge {
    period: i64,
    is_prepaid: bool,
    quantity: f64,
    net: f64,
    /// With tax: what nothing prepaid has paid of it yet.
    owed: f64,
}

/// What a statement should say.
#[derive(Debug, Clone, Default)]
pub struct Bill {
    pub ends: i64,
    pub is_final: bool,
    /// By beginning of the period and band.
    pub used: BTreeMap<(i64, usize), i64>,
    pub credited: BTreeMap<(i64, usize), i64>,
    /// Joules at list price, and prepaid.
    pub at_list: f64,
    pub prepaid: f64,
    /// Without tax, levies included.
    pub net: f64,
    pub demand: f64,
    /// With tax, beyond what is prepaid.
    pub owed: f64,
    pub refund: f64,
    pub withheld: f64,
    pub charges: Vec<Charge>,
}

/// The subscription.
#[derive(Debug)]
pub struct Model {
    pub tariffs: Vec<Tariff>,
    pub vat: f64,
    /// Millionths for a kW in a month.
    pub per_kw: f64,
    pub debt: f64,
    opened: i64,
    ends: Option<i64>,
    is_finished: bool,
    terms: Vec<(i64, usize)>,
    last: (i64, i64),
    /// Up to where the meter is known.
    passed: i64,
    billed: i64,
    closed: i64,
    flowing: BTreeMap<i64, Split>,
    payments: Vec<i64>,
    waiting: Vec<(i64, usize, f64)>,
    tranches: Vec<Tranche>,
    closings: Vec<(i64, Price)>,
    charges: Vec<Charge>,
    used: BTreeMap<(i64, usize), i64>,
    credited: BTreeMap<(i64, usize), i64>,
    /// By the month's end: the highest mean power in kW, and what of it is charged.
    peaks: BTreeMap<i64, (f64, f64)>,
}

/// Days from 1970 to the first of a month of 2025, counted from 0.
fn month_begin(month: i64) -> i64 {
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days: i64 = (0..month).map(|of| lengths[of as usize % 12]).sum();
    (20_089 + days) * DAY - OFFSET
}

fn month_of(time: i64) -> i64 {
    (0..12).rfind(|month| month_begin(*month) <= time).expect("2025")
}

fn is_night(time: i64) -> bool {
    (time + OFFSET).rem_euclid(DAY) < 7 * HOUR
}

/// When the band changes next.
fn next_band(time: i64) -> i64 {
    let midnight = (time + OFFSET).div_euclid(DAY) * DAY - OFFSET;
    if is_night(time) { midnight + 7 * HOUR } else { midnight + DAY }
}

/// What a flow brings in a part of its interval: the difference of the register's values at the ends, rounded down.
fn part(interval: (i64, i64), quantity: i64, from: i64, to: i64) -> Split {
    let value = |at: i64| {
        let (passed, all) = (i128::from(at - interval.0), i128::from(interval.1 - interval.0));
        (i128::from(quantity) * passed / all) as i64
    };
    let (mut split, mut at) = ([0; 2], from);
    while at < to {
        let next = next_band(at).min(to);
        split[usize::from(is_night(at))] += value(next) - value(at);
        at = next;
    }
    split
}

impl Model {
    pub fn new(tariffs: Vec<Tariff>, vat: f64, per_kw: f64, read: (i64, i64), opened: i64) -> Self {
        Self {
            tariffs,
            vat,
            per_kw,
            debt: 0.0,
            opened,
            ends: None,
            is_finished: false,
            terms: vec![(opened, 0)],
            last: read,
            passed: read.0,
            billed: opened,
            closed: opened,
            flowing: BTreeMap::new(),
            payments: Vec::new(),
            waiting: Vec::new(),
            tranches: Vec::new(),
            closings: Vec::new(),
            charges: Vec::new(),
            used: BTreeMap::new(),
            credited: BTreeMap::new(),
            peaks: BTreeMap::new(),
        }
    }

    fn version_at(&self, time: i64) -> usize {
        self.terms.iter().rev().find(|(from, _)| *from <= time).expect("it has begun").1
    }

    /// The part of the month that has the same terms begins here.
    fn period_of(&self, time: i64) -> i64 {
        let begun = self.terms.iter().rev().find(|(from, _)| *from <= time).expect("it has begun").0;
        begun.max(month_begin(month_of(time)))
    }

    fn next_boundary(&self, after: i64) -> i64 {
        let amended = self.terms.iter().map(|(from, _)| *from);
        let all = self.payments.iter().copied().chain(amended).chain(self.ends);
        all.chain([month_begin(month_of(after) + 1)]).filter(|at| *at > after).min().expect("a month's end follows")
    }

    fn cost(&self, price: Price, joules: [f64; 2]) -> f64 {
        let tariff = &self.tariffs[price.version];
        let unit = |factor: f64| tariff.price * (1.0 - price.discount) * factor + tariff.levy;
        (joules[0] * unit(1.0) + joules[1] * unit(tariff.night)) / 3.6e6
    }

    /// A reading: what flowed since the one before, cut at every boundary.
    pub fn read(&mut self, time: i64, register: i64) {
        let (interval, quantity) = ((self.last.0, time), register - self.last.1);
        if time - self.last.0 <= HOUR {
            self.peak(time, quantity as f64 / (time - self.last.0) as f64);
        }
        self.last = (time, register);
        for (from, to, bands) in self.parts(interval, quantity) {
            self.flow(from, bands);
            self.passed = to;
            self.run();
        }
        self.passed = time;
        self.run();
    }

    /// It counts for whom, and for the month, in which it ends.
    fn peak(&mut self, time: i64, power: f64) {
        if self.opened < time && self.ends.is_none_or(|ends| time <= ends) {
            let peak = &mut self.peaks.entry(month_begin(month_of(time - 1) + 1)).or_default().0;
            *peak = peak.max(power);
        }
    }

    fn parts(&self, interval: (i64, i64), quantity: i64) -> Vec<(i64, i64, Split)> {
        let (mut at, to) = (interval.0.max(self.opened), self.ends.unwrap_or(i64::MAX).min(interval.1));
        let mut parts = Vec::new();
        while at < to {
            let next = self.next_boundary(at).min(to);
            parts.push((at, next, part(interval, quantity, at, next)));
            at = next;
        }
        parts
    }

    fn stretch_of(&self, time: i64) -> i64 {
        let mut begin = self.closed;
        while self.next_boundary(begin) <= time {
            begin = self.next_boundary(begin);
        }
        begin
    }

    fn flow(&mut self, from: i64, bands: Split) {
        if from >= self.closed {
            let stretch = self.flowing.entry(self.stretch_of(from)).or_default();
            (0..2).for_each(|band| stretch[band] += bands[band]);
            return;
        }
        let (price, period) = (self.price_that_ended(from), self.period_of(from));
        self.note_used(period, bands);
        let mut rest = bands.map(|joules| joules as f64);
        if price.tranche > 0 {
            rest = self.draw(period, rest, Some(price.tranche));
        }
        self.owe(period, price, rest);
    }

    fn price_that_ended(&self, at: i64) -> Price {
        self.closings.iter().find(|(until, _)| *until > at).expect("its stretch is closed").1
    }

    fn note_used(&mut self, period: i64, bands: Split) {
        for (band, joules) in bands.into_iter().enumerate().filter(|(_, joules)| *joules > 0) {
            *self.used.entry((period, band)).or_default() += joules;
        }
    }

    /// Takes from what is prepaid, oldest first, or from one tranche alone; what is not covered.
    fn draw(&mut self, period: i64, mut rest: [f64; 2], only: Option<usize>) -> [f64; 2] {
        for place in 0..self.tranches.len() {
            let Tranche { price, left, .. } = self.tranches[place].clone();
            if only.is_some_and(|only| only != price.tranche) || left <= 0.0 {
                continue;
            }
            let gross = self.cost(price, rest) * (1.0 + self.vat);
            let share = if gross <= left { 1.0 } else { left / gross };
            let taken = rest.map(|joules| joules * share);
            let net = self.cost(price, taken);
            let quantity = taken[0] + taken[1];
            self.charges.push(Charge { period, is_prepaid: true, quantity, net, owed: 0.0 });
            let tranche = &mut self.tranches[place];
            tranche.left = if share < 1.0 { 0.0 } else { left - gross };
            (0..2).for_each(|band| tranche.used[band] += taken[band]);
            (0..2).for_each(|band| rest[band] -= taken[band]);
        }
        rest
    }

    fn owe(&mut self, period: i64, price: Price, joules: [f64; 2]) {
        let (net, quantity) = (self.cost(price, joules), joules[0] + joules[1]);
        let owed = net * (1.0 + self.vat);
        self.charges.push(Charge { period, is_prepaid: price.tranche > 0, quantity, net, owed });
    }

    /// Closes what the meter has passed.
    fn run(&mut self) {
        self.open_waiting();
        while self.ends.is_none_or(|ends| self.closed < ends) && self.next_boundary(self.closed) <= self.passed {
            self.close();
        }
    }

    fn close(&mut self) {
        let (from, to) = (self.closed, self.next_boundary(self.closed));
        let bands = self.flowing.remove(&from).unwrap_or_default();
        let (version, period) = (self.version_at(from), self.period_of(from));
        self.note_used(period, bands);
        let rest = self.draw(period, bands.map(|joules| joules as f64), None);
        let list = Price { version, discount: 0.0, tranche: 0 };
        self.owe(period, list, rest);
        let next = self.tranches.iter().find(|tranche| tranche.left > 0.0).map(|tranche| tranche.price);
        self.closings.push((to, next.unwrap_or(list)));
        self.closed = to;
        self.open_waiting();
    }

    /// A prepayment opens when all before it is known: what was used before is paid first, the remainder sets the step.
    fn open_waiting(&mut self) {
        while let Some(place) = self.waiting.iter().position(|(at, _, _)| *at <= self.closed) {
            let (at, number, mut money) = self.waiting.remove(place);
            for charge in &mut self.charges {
                let pays = charge.owed.min(money);
                charge.owed -= pays;
                money -= pays;
            }
            let version = self.version_at(at);
            let steps = self.tariffs[version].steps.iter();
            let discount = steps.rev().find(|(from, _)| *from <= money).map_or(0.0, |(_, discount)| *discount);
            let price = Price { version, discount, tranche: number };
            self.tranches.push(Tranche { price, left: money, used: [0.0; 2] });
        }
    }

    pub fn prepay(&mut self, now: i64, amount: f64) {
        let debt = self.debt.min(amount);
        self.debt -= debt;
        if amount == debt {
            // It opens nothing, and bounds nothing.
            return;
        }
        self.payments.push(now);
        self.waiting.push((now, self.payments.len(), amount - debt));
        self.run();
    }

    pub fn amend(&mut self, from: i64, version: usize) {
        self.terms.push((from, version));
        self.run();
    }

    pub fn end(&mut self, now: i64) {
        self.ends = Some(now);
        self.run();
    }

    /// The operator says what has really flowed between two readings.
    pub fn correct(&mut self, interval: (i64, i64), certified: i64, right: i64) {
        for (from, _, bands) in self.parts(interval, (right - certified).abs()) {
            if right > certified {
                self.flow(from, bands);
                continue;
            }
            if from >= self.closed {
                let stretch = self.flowing.get_mut(&self.stretch_of(from)).expect("it flowed");
                (0..2).for_each(|band| stretch[band] -= bands[band]);
                continue;
            }
            let period = self.period_of(from);
            for (band, joules) in bands.into_iter().enumerate().filter(|(_, joules)| *joules > 0) {
                *self.credited.entry((period, band)).or_default() += joules;
            }
        }
        // Where it ends with the last reading, the device shows the right register from then on.
        if interval.1 == self.last.0 {
            self.last.1 += right - certified;
        }
    }

    /// When the next statement is made.
    pub fn next_statement(&self) -> Option<i64> {
        let month_ends = month_begin(month_of(self.billed) + 1);
        (!self.is_finished).then(|| self.ends.unwrap_or(i64::MAX).min(month_ends) + GRACE)
    }

    /// The statement whose time has come.
    pub fn statement(&mut self) -> Bill {
        let ends = self.next_statement().expect("one is due") - GRACE;
        while self.closed < ends {
            self.close();
        }
        self.open_waiting();
        let mut bill = self.bill(ends);
        bill.is_final = self.ends == Some(ends);
        bill.demand = self.demand(ends);
        bill.owed += bill.demand * (1.0 + self.vat);
        self.billed = ends;
        if bill.is_final {
            self.finish(&mut bill);
        }
        bill
    }

    /// What months up to one have shown and no statement has charged.
    fn demand(&mut self, ends: i64) -> f64 {
        let month_ends = month_begin(month_of(ends - 1) + 1);
        let mut demand = 0.0;
        for (_, (highest, charged)) in self.peaks.range_mut(..=month_ends) {
            demand += (*highest - *charged) * self.per_kw;
            *charged = *highest;
        }
        demand
    }

    /// What has come since the final statement.
    pub fn supplements(&mut self) -> Bill {
        let demand = self.demand(self.ends.expect("it has ended"));
        Bill { demand, ..self.bill(i64::MAX) }
    }

    /// What is left goes back, less the discount on what was used.
    fn finish(&mut self, bill: &mut Bill) {
        self.is_finished = true;
        for tranche in std::mem::take(&mut self.tranches) {
            let list = Price { discount: 0.0, ..tranche.price };
            let discount = self.cost(list, tranche.used) - self.cost(tranche.price, tranche.used);
            let withheld = (discount * (1.0 + self.vat)).min(tranche.left);
            bill.withheld += withheld;
            bill.refund += tranche.left - withheld;
            // What comes later costs what the rest cost in the end.
            let same = self.closings.iter_mut().filter(|(_, price)| price.tranche == tranche.price.tranche);
            same.for_each(|(_, price)| *price = Price { tranche: 0, ..list });
        }
    }

    /// What has come since, up to a time: the end of a period, or everything.
    fn bill(&mut self, until: i64) -> Bill {
        let mut bill = Bill { ends: until, ..Bill::default() };
        let (due, kept) =
            std::mem::take(&mut self.charges).into_iter().partition::<Vec<Charge>, _>(|of| of.period < until);
        self.charges = kept;
        for charge in &due {
            *(if charge.is_prepaid { &mut bill.prepaid } else { &mut bill.at_list }) += charge.quantity;
            bill.net += charge.net;
            bill.owed += charge.owed;
        }
        bill.charges = due;
        bill.used = take_before(&mut self.used, until);
        bill.credited = take_before(&mut self.credited, i64::MAX);
        bill
    }
}

fn take_before(map: &mut BTreeMap<(i64, usize), i64>, until: i64) -> BTreeMap<(i64, usize), i64> {
    let later = map.split_off(&(until, 0));
    std::mem::replace(map, later)
}
