//! A service of a subscription, by the rules: what flows between two boundaries is charged at one go, out of what is prepaid,
//! oldest first; what is left is owed at list price.

use super::sheet::*;
use std::collections::BTreeMap;
use utilidor_types::Carrier;
use utilidor_types::action::Prepayment;

/// How a service is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    TopUps,
    ByPeriod,
    ByArea,
}

/// Prepaid money for energy.
#[derive(Debug, Clone)]
struct Tranche {
    number: u32,
    price: Price,
    paid: i128,
    /// The time of payment, until the meter has passed it.
    waits: Option<i128>,
    within: Option<(i128, i128)>,
    drawn: Bands,
    charged: i128,
}

impl Tranche {
    fn covers(&self, at: i128) -> bool {
        self.waits.is_none() && self.within.is_none_or(|(from, to)| from <= at && at < to)
    }

    /// What is left, in parts of a millionth.
    fn room(&self) -> i128 {
        self.paid * self.price.parts() - self.price.cost(&self.drawn)
    }

    fn cheapest(&self) -> i128 {
        self.price.units().into_iter().min().unwrap()
    }

    fn is_open(&self) -> bool {
        self.charged < self.paid && self.room() >= self.cheapest()
    }

    /// Gives what it can: of each band the same share, rounded down, where it does not reach. Takes it off `wanted`, and says
    /// for how much.
    fn draw(&mut self, wanted: &mut Bands) -> i128 {
        if !self.is_open() || *wanted == [0; 5] {
            return 0;
        }
        let (room, cost) = (self.room(), self.price.cost(wanted));
        for (drawn, rest) in self.drawn.iter_mut().zip(wanted) {
            let part = if cost <= room { *rest } else { *rest * room / cost };
            *drawn += part;
            *rest -= part;
        }
        let is_used_up = cost > room || self.room() < self.cheapest();
        let charged = if is_used_up { self.paid } else { self.price.money(&self.drawn) };
        let before = self.charged;
        self.charged = charged.clamp(before, self.paid);
        self.charged - before
    }
}

/// Prepaid days of a floor area.
#[derive(Debug, Clone)]
struct Days {
    number: u32,
    discount: i128,
    paid: i128,
    from: i128,
    to: i128,
    charged: i128,
}

/// What nothing prepaid has covered.
#[derive(Debug, Clone)]
struct Owed {
    period: (i128, i128),
    tranche: u32,
    price: Price,
    bands: Bands,
    covered: i128,
}

/// What a service puts on a statement.
#[derive(Debug, Default)]
pub struct Part {
    /// By period and band.
    pub usage: BTreeMap<(i128, i128, usize), i128>,
    /// By tranche.
    pub energy: BTreeMap<u32, i128>,
    /// By tranche.
    pub area: BTreeMap<u32, i128>,
    /// What of the charges no prepaid money pays.
    pub owed: i128,
    /// What a correction gives back: how much, and for how much.
    pub credit: (i128, i128),
    /// By tranche: what goes back, and what is withheld.
    pub refunds: BTreeMap<u32, (i128, i128)>,
}

/// A service's accounts.
#[derive(Debug, Clone)]
pub struct Service {
    carrier: Carrier,
    kind: Kind,
    area_m2: i128,
    /// When the supply ends.
    pub ends: Option<i128>,
    /// From when on which version of the package counts.
    pub versions: Vec<(i128, u32)>,
    /// The last boundary, and what has flowed since.
    pub closed: i128,
    flowing: Bands,
    numbered: u32,
    tranches: Vec<Tranche>,
    days: Vec<Days>,
    usage: BTreeMap<(i128, i128, usize), i128>,
    energy: BTreeMap<u32, i128>,
    owed: Vec<Owed>,
    credit: (i128, i128),
    /// Where stretches ended, with the price and the tranche of the next unit then.
    ended: Vec<(i128, u32, Price)>,
    paid_until: i128,
    charged_until: i128,
}

impl Service {
    pub fn new(carrier: Carrier, kind: Kind, area_m2: i128, opened: i128, version: u32) -> Self {
        Self {
            carrier,
            kind,
            area_m2,
            ends: None,
            versions: vec![(opened, version)],
            closed: opened,
            flowing: [0; 5],
            numbered: 0,
            tranches: Vec::new(),
            days: Vec::new(),
            usage: BTreeMap::new(),
            energy: BTreeMap::new(),
            owed: Vec::new(),
            credit: (0, 0),
            ended: Vec::new(),
            paid_until: opened,
            charged_until: day_of(opened),
        }
    }

    /// The next boundary: a prepayment of energy, a month's end, an amendment, the end.
    pub fn next_boundary(&self) -> i128 {
        let prepaid = self.tranches.iter().filter_map(|tranche| tranche.waits);
        let amended = self.versions.iter().map(|(from, _)| *from);
        let month = month_begin(month_of(self.closed) + 1);
        prepaid.chain(amended).chain(self.ends).chain([month]).filter(|at| *at > self.closed).min().unwrap()
    }

    fn list(&self, at: i128) -> Price {
        let version = self.versions.iter().rfind(|(from, _)| *from <= at).unwrap().1;
        Price { carrier: self.carrier, version, discount: 0 }
    }

    fn period(&self, at: i128) -> (i128, i128) {
        let month = month_of(at);
        let begun = self.versions.iter().map(|(from, _)| *from).filter(|from| *from <= at).max().unwrap();
        let next = self.versions.iter().map(|(from, _)| *from).find(|from| *from > at);
        let to = next.into_iter().chain(self.ends).fold(month_begin(month + 1), i128::min);
        (month_begin(month).max(begun), to)
    }

    /// What flowed from a time on: in the open stretch, or late, in one that is closed.
    pub fn flow(&mut self, from: i128, bands: &Bands) {
        if from >= self.closed {
            return add(&mut self.flowing, bands);
        }
        let (_, tranche, price) = *self.ended.iter().find(|(until, _, _)| *until > from).unwrap();
        self.charge(from, *bands, Some((tranche, price)));
    }

    /// What flowed from a time on was less than was certified: it goes back at the price that its stretch ended with.
    pub fn correct(&mut self, from: i128, less: &Bands) {
        let (_, _, price) = *self.ended.iter().find(|(until, _, _)| *until > from).expect("the stretch is closed");
        self.credit.0 += less.iter().sum::<i128>();
        self.credit.1 += price.money(less);
    }

    /// The meter has passed a boundary.
    pub fn close(&mut self, at: i128) {
        let (from, bands) = (self.closed, std::mem::take(&mut self.flowing));
        self.charge(from, bands, None);
        let next = self.tranches.iter().find(|tranche| tranche.covers(from) && tranche.is_open());
        let price = next.map_or((0, self.list(from)), |tranche| (tranche.number, tranche.price));
        self.ended.push((at, price.0, price.1));
        self.closed = at;
        self.open_waiting();
    }

    /// Charges what flowed in a stretch: to all tranches and then at list price, or at the one price that it ended with.
    fn charge(&mut self, from: i128, bands: Bands, late: Option<(u32, Price)>) {
        let period = self.period(from);
        note(&mut self.usage, period, &bands);
        if self.kind == Kind::ByArea {
            return;
        }
        let mut rest = bands;
        for tranche in self.tranches.iter_mut().filter(|tranche| tranche.covers(from)) {
            if late.is_none_or(|(number, _)| number == tranche.number) {
                let cost = tranche.draw(&mut rest);
                *self.energy.entry(tranche.number).or_default() += cost;
            }
        }
        let (tranche, price) = late.unwrap_or((0, self.list(from)));
        self.owe(period, tranche, price, &rest);
    }

    fn owe(&mut self, period: (i128, i128), tranche: u32, price: Price, bands: &Bands) {
        if *bands == [0; 5] {
            return;
        }
        let mut owed = self.owed.iter_mut();
        match owed.find(|owed| (owed.period, owed.tranche, owed.price) == (period, tranche, price)) {
            Some(owed) => add(&mut owed.bands, bands),
            None => self.owed.push(Owed { period, tranche, price, bands: *bands, covered: 0 }),
        }
    }

    /// Payments whose time the meter has passed: what was used before is paid first, the rest buys.
    fn open_waiting(&mut self) {
        for tranche in &mut self.tranches {
            if tranche.waits.is_none_or(|at| at > self.closed) {
                continue;
            }
            for owed in &mut self.owed {
                let pays = (owed.price.money(&owed.bands) - owed.covered).min(tranche.paid);
                tranche.paid -= pays;
                owed.covered += pays;
            }
            let energy = &mut self.energy;
            self.owed.retain(|owed| {
                let cost = owed.price.money(&owed.bands);
                if owed.covered == cost {
                    *energy.entry(owed.tranche).or_default() += cost;
                }
                owed.covered < cost
            });
            tranche.waits = None;
            if self.kind == Kind::TopUps {
                tranche.price.discount = step_discount(self.carrier, tranche.paid);
            }
        }
    }

    /// A prepayment.
    pub fn prepaid(&mut self, at: i128, payment: Prepayment) {
        self.numbered += 1;
        let (number, list) = (self.numbered, self.list(at));
        let tranche = |paid: i128, discount, within| {
            let price = Price { discount, ..list };
            Tranche { number, price, paid, waits: Some(at), within, drawn: [0; 5], charged: 0 }
        };
        match payment {
            Prepayment::Amount(amount) => {
                assert_eq!(self.kind, Kind::TopUps);
                self.tranches.push(tranche(amount.0.into(), 0, None));
            }
            Prepayment::AmountForPeriod { amount, period } => {
                assert_eq!(self.kind, Kind::ByPeriod);
                let (months, discount) = period_terms(period);
                let from = at.max(self.paid_until);
                let to = month_begin(month_of(from) + months);
                self.paid_until = self.paid_until.max(to);
                self.tranches.push(tranche(amount.0.into(), discount, Some((from, to))));
            }
            Prepayment::Period { period, .. } => {
                assert_eq!(self.kind, Kind::ByArea);
                let (months, discount) = period_terms(period);
                let mut from = at.max(self.paid_until);
                let has_days = |from: i128| {
                    let month_end = month_begin(month_of(from) + 1);
                    season_days(self.carrier, day_of(from), day_of(month_end)) > 0
                };
                while !has_days(from) {
                    from = month_begin(month_of(from) + 1);
                }
                let to = month_begin(month_of(from) + months);
                self.paid_until = to;
                let (from, to) = (day_of(from), day_of(to));
                let paid = area_cost(self.carrier, self.area_m2, season_days(self.carrier, from, to), discount);
                self.days.push(Days { number, discount, paid, from, to, charged: 0 });
            }
        }
        self.open_waiting();
    }

    /// What goes on the statement up to `ends`, which may be the last one.
    pub fn statement(&mut self, ends: i128, last: bool) -> Part {
        while self.closed < ends {
            self.close(self.next_boundary().min(ends));
        }
        let mut part = self.used();
        part.credit = std::mem::take(&mut self.credit);
        assert!(part.usage.keys().all(|(from, _, _)| *from < ends), "nothing later is closed");
        if self.kind == Kind::ByArea {
            self.area(day_of(ends), &mut part);
            self.refund_days(day_of(ends), last, &mut part);
        }
        for tranche in std::mem::take(&mut self.tranches) {
            let (is_over, left) = (tranche.within.is_some_and(|(_, to)| to <= ends), tranche.paid - tranche.charged);
            if !last && !is_over {
                self.tranches.push(tranche);
                continue;
            }
            let undiscounted = Price { discount: 0, ..tranche.price }.money(&tranche.drawn);
            refund(&mut part, tranche.number, left, if is_over { 0 } else { undiscounted - tranche.charged });
            // What comes later for the end is charged as the rest was: without the discount.
            for (_, number, price) in &mut self.ended {
                if !is_over && *number == tranche.number {
                    (*number, price.discount) = (0, 0);
                }
            }
        }
        self.tranches.retain(|tranche| tranche.charged < tranche.paid);
        part
    }

    fn area(&mut self, until: i128, part: &mut Part) {
        let (carrier, area_m2) = (self.carrier, self.area_m2);
        let charge = |discount, from, to: i128| area_cost(carrier, area_m2, season_days(carrier, from, to), discount);
        let mut prepaid = 0;
        for days in &mut self.days {
            let cost = charge(days.discount, days.from, until.clamp(days.from, days.to));
            *part.area.entry(days.number).or_default() += cost - days.charged;
            days.charged = cost;
            prepaid += season_days(carrier, self.charged_until.max(days.from), until.min(days.to));
        }
        let all = season_days(carrier, self.charged_until, until);
        assert_eq!(all, prepaid, "everybody in the park has paid its floor area ahead");
        self.charged_until = until;
    }

    /// What is left of days whose period is over, or of all of them.
    fn refund_days(&mut self, until: i128, last: bool, part: &mut Part) {
        let (carrier, area_m2) = (self.carrier, self.area_m2);
        self.days.retain(|days| {
            let is_over = days.to <= until;
            if last || is_over {
                let passed = season_days(carrier, days.from, until.clamp(days.from, days.to));
                let more = area_cost(carrier, area_m2, passed, 0) - days.charged;
                refund(part, days.number, days.paid - days.charged, if is_over { 0 } else { more });
            }
            !last && !is_over
        });
    }

    /// Energy that has been charged and not billed.
    pub fn used(&mut self) -> Part {
        let mut part = Part::default();
        for ((from, to, band), quantity) in std::mem::take(&mut self.usage) {
            // A stretch was closed before anybody knew that its period would end with the supply.
            let to = self.ends.map_or(to, |ends| to.min(ends));
            *part.usage.entry((from, to, band)).or_default() += quantity;
        }
        part.energy = std::mem::take(&mut self.energy);
        for owed in std::mem::take(&mut self.owed) {
            let cost = owed.price.money(&owed.bands);
            *part.energy.entry(owed.tranche).or_default() += cost;
            part.owed += cost - owed.covered;
        }
        part
    }
}

fn refund(part: &mut Part, number: u32, left: i128, withheld: i128) {
    if left > 0 {
        let withheld = withheld.clamp(0, left);
        part.refunds.insert(number, (left - withheld, withheld));
    }
}

fn note(usage: &mut BTreeMap<(i128, i128, usize), i128>, period: (i128, i128), bands: &Bands) {
    for (band, quantity) in bands.iter().enumerate().filter(|(_, quantity)| **quantity > 0) {
        *usage.entry((period.0, period.1, band)).or_default() += quantity;
    }
}

pub fn add(sum: &mut Bands, more: &Bands) {
    sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}
