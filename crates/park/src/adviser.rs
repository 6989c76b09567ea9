//! The package adviser: for each tenant and carrier it compares what the package offers on the tenant's own load, and
//! chooses the cheapest.
//!
//! *forecast* the tenant's load by day: here the year's data themselves. *candidate* one way to be charged and to prepay: by
//! floor area or by meter for a month, quarter or year; or by meter with top-ups of some size. *charge* what a candidate
//! pays for the forecast. *capital* what it costs to have money lie prepaid: 40 thousandths a year on what is paid and not yet
//! used, day by day. The cheapest is the one with the least charge and capital together; of equals, the first.
//!
//! The adviser estimates, in whole millionths rounded down each day; the ledger computes the bills.

use crate::data::{DAYS, OFFSET_MINUTES, Year, day_begin};
use crate::tariff::{BY_AREA, BY_METER};
use serde::{Deserialize, Serialize};
use utilidor_types::{
    Carrier, Money, Package, Quantity, Tariff, Window,
    action::Prepayment,
    money::ratio_half_even,
    package::{FloorAreaTariff, MeteredByPeriodTariff, MeteredTariff, Period},
    time::Date,
};

/// What prepaid money costs its owner in a year, in thousandths.
pub const CAPITAL_PERMILLE_PER_YEAR: u64 = 40;
/// What a prepayment by period adds to its forecast, in thousandths, so that it does not run out before its end.
const PERIOD_MARGIN_PERMILLE: u64 = 20;
/// What the last top-up of the year adds to the forecast of what is left, in thousandths.
const TOP_UP_MARGIN_PERMILLE: u64 = 10;
/// A top-up is made when less than this many of the busiest days is prepaid.
const RESERVE_DAYS: u64 = 3;

/// How a candidate prepays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// By floor area.
    FloorArea(Period),
    /// By meter, prepaid by period.
    Metered(Period),
    /// By meter, with top-ups of this size.
    TopUps(Money),
}

/// A way to be charged for a carrier, with what it costs on the forecast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// How.
    pub mode: Mode,
    /// What is paid for the forecast.
    pub charge: Money,
    /// What the prepaid money costs.
    pub capital: Money,
    /// Prepayments in the time.
    pub payments: u32,
}

impl Candidate {
    fn cost(&self) -> u64 {
        self.charge.0 + self.capital.0
    }
}

/// What the adviser says about a carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The carrier.
    pub carrier: Carrier,
    /// What was compared.
    pub candidates: Vec<Candidate>,
    /// Which is the cheapest.
    pub chosen: usize,
}

impl Advice {
    /// The chosen mode.
    pub fn mode(&self) -> Mode {
        self.candidates[self.chosen].mode
    }

    /// The tariff option that the chosen mode needs.
    pub fn option(&self) -> u8 {
        match self.mode() {
            Mode::FloorArea(_) => BY_AREA,
            Mode::Metered(_) => BY_METER,
            Mode::TopUps(_) => 0,
        }
    }
}

/// The adviser of one tenant under one version of the package, from a day on.
#[derive(Debug, Clone, Copy)]
pub struct Adviser<'a> {
    /// The data that stand in for a forecast.
    pub year: &'a Year,
    /// The package.
    pub package: &'a Package,
    /// The tenant.
    pub tenant: usize,
}

impl Adviser<'_> {
    /// Compares the candidates for a carrier from day `from` to the end of the year.
    pub fn advise(&self, carrier: Carrier, from: usize) -> Advice {
        let mut candidates = Vec::new();
        for option in self.package.options_of(carrier) {
            match &option.tariff {
                Tariff::Metered(tariff) => candidates.extend(self.top_up_candidates(carrier, tariff, from)),
                Tariff::MeteredByPeriod(tariff) => {
                    let candidate = |period| self.metered_candidate(carrier, tariff, period, from);
                    candidates.extend(periods(from).map(candidate));
                }
                Tariff::FloorArea(tariff) => {
                    candidates.extend(periods(from).map(|period| self.area_candidate(tariff, period, from)));
                }
            }
        }
        let chosen = (0..candidates.len()).min_by_key(|index| (candidates[*index].cost(), *index));
        Advice { carrier, chosen: chosen.expect("the package offers every carrier"), candidates }
    }

    /// The quantity at which a low-balance notice is useful, for a mode.
    pub fn low_balance(&self, carrier: Carrier, mode: Mode) -> Quantity {
        match mode {
            Mode::TopUps(_) => {
                let tariff = self.metered(carrier);
                Quantity(self.reserve_weight(carrier, tariff) / 1_000)
            }
            Mode::FloorArea(_) | Mode::Metered(_) => Quantity::ZERO,
        }
    }

    /// The first top-up, on day `day`: the mode's size, or less if the rest of the year needs less. `None` if nothing is
    /// needed, or the mode has no top-ups.
    pub fn first_top_up(&self, carrier: Carrier, mode: Mode, day: usize) -> Option<Money> {
        self.top_up_besides(carrier, mode, day, 0)
    }

    /// The top-up that answers a low-balance notice on day `day`. At least the reserve less the busiest day is prepaid
    /// still.
    pub fn next_top_up(&self, carrier: Carrier, mode: Mode, day: usize) -> Option<Money> {
        let Mode::TopUps(_) = mode else { return None };
        let reserve = self.reserve_weight(carrier, self.metered(carrier));
        self.top_up_besides(carrier, mode, day, reserve / RESERVE_DAYS * (RESERVE_DAYS - 1))
    }

    fn top_up_besides(&self, carrier: Carrier, mode: Mode, day: usize, prepaid_weight: u64) -> Option<Money> {
        let Mode::TopUps(size) = mode else { return None };
        let tariff = self.metered(carrier);
        let rest: u128 = self.weights(carrier, tariff)[day.min(DAYS)..].iter().map(|weight| u128::from(*weight)).sum();
        next_top_up(tariff, size, undiscounted(tariff, rest.saturating_sub(prepaid_weight.into())))
    }

    /// The prepayment to make on the first day of a month (`day`), if the mode's period begins then. The periods are counted from
    /// the month of day `from`.
    pub fn period_payment(&self, carrier: Carrier, mode: Mode, from: usize, day: usize) -> Option<Prepayment> {
        let (Mode::FloorArea(period) | Mode::Metered(period)) = mode else { return None };
        let days = period_days(from, period).into_iter().find(|days| days.start == day)?;
        match (mode, self.tariff_of(carrier, mode)) {
            (Mode::FloorArea(_), Tariff::FloorArea(tariff)) => {
                let amount = self.area_payment(tariff, period, days);
                (amount > 0).then_some(Prepayment::Period { period, at_most: Money(amount) })
            }
            (Mode::Metered(_), Tariff::MeteredByPeriod(tariff)) => {
                let amount = self.metered_payment(carrier, tariff, period, days);
                (amount > 0).then_some(Prepayment::AmountForPeriod { amount: Money(amount), period })
            }
            _ => unreachable!("a mode comes from its own tariff"),
        }
    }

    fn tariff_of(&self, carrier: Carrier, mode: Mode) -> &Tariff {
        let option = match mode {
            Mode::Metered(_) => BY_METER,
            Mode::FloorArea(_) | Mode::TopUps(_) => 0,
        };
        let option = self.package.options_of(carrier).nth(option.into());
        &option.expect("a mode comes from an option of the package").tariff
    }

    fn metered(&self, carrier: Carrier) -> &MeteredTariff {
        match self.tariff_of(carrier, Mode::TopUps(Money::ZERO)) {
            Tariff::Metered(tariff) => tariff,
            _ => unreachable!("top-ups are for metered tariffs"),
        }
    }

    fn load(&self, carrier: Carrier) -> &[u64] {
        self.year.load_of(carrier, self.tenant).expect("advice is asked for carriers that the tenant has")
    }

    /// Weight consumed on each day: base units times the band's factor in thousandths.
    fn weights(&self, carrier: Carrier, tariff: &MeteredTariff) -> Vec<u64> {
        let hour_weight = |hour: usize, quantity: u64| {
            let band = tariff.time_of_use.calendar.band_at(crate::data::hour_begin(hour), OFFSET_MINUTES);
            quantity * u64::from(tariff.time_of_use.factor_permille(band))
        };
        let hours: Vec<u64> =
            self.load(carrier).iter().enumerate().map(|(hour, quantity)| hour_weight(hour, *quantity)).collect();
        hours.chunks(24).map(|day| day.iter().sum()).collect()
    }

    fn reserve_weight(&self, carrier: Carrier, tariff: &MeteredTariff) -> u64 {
        self.weights(carrier, tariff).into_iter().max().unwrap_or(0) * RESERVE_DAYS
    }

    fn top_up_candidates(&self, carrier: Carrier, tariff: &MeteredTariff, from: usize) -> Vec<Candidate> {
        let weights = self.weights(carrier, tariff);
        let total = undiscounted(tariff, weights[from..].iter().map(|weight| u128::from(*weight)).sum());
        let months = (12 * (DAYS - from)).div_ceil(DAYS).max(1) as u64;
        // A month's need, rounded up to a hundred; the steps; everything at once.
        let hundred = Money::units(100).0;
        let mut sizes = vec![Money((total / months).div_ceil(hundred).max(1) * hundred)];
        sizes.extend(tariff.steps.iter().map(|step| step.from).filter(|size| size.0 < total));
        sizes.push(Money(total.div_ceil(hundred).max(1) * hundred));
        sizes.sort_unstable();
        sizes.dedup();
        let reserve = undiscounted(tariff, self.reserve_weight(carrier, tariff).into());
        let daily: Vec<u64> = weights.iter().map(|weight| undiscounted(tariff, (*weight).into())).collect();
        // More than one payment a week is nobody's wish.
        let fits = |candidate: &Candidate| candidate.payments <= 52;
        sizes.into_iter().map(|size| simulate_top_ups(tariff, size, reserve, &daily[from..])).filter(fits).collect()
    }

    fn metered_candidate(
        &self,
        carrier: Carrier,
        tariff: &MeteredByPeriodTariff,
        period: Period,
        from: usize,
    ) -> Candidate {
        let keep = 1_000 - u128::from(tariff.discounts.permille(period));
        let hour = |quantity: u64| {
            let money = u128::from(tariff.price.money.0) * u128::from(quantity) * keep;
            (money / (u128::from(tariff.price.per.base_units()) * 1_000)) as u64
        };
        let charges: Vec<u64> = self.load(carrier).chunks(24).map(|day| hour(day.iter().sum())).collect();
        let payments: Vec<(usize, u64)> = period_days(from, period)
            .into_iter()
            .map(|days| (days.start, self.metered_payment(carrier, tariff, period, days)))
            .collect();
        candidate(Mode::Metered(period), from, &charges, &payments)
    }

    fn metered_payment(
        &self,
        carrier: Carrier,
        tariff: &MeteredByPeriodTariff,
        period: Period,
        days: std::ops::Range<usize>,
    ) -> u64 {
        let load = self.load(carrier);
        let quantity: u128 = load[days.start * 24..days.end.min(DAYS) * 24].iter().map(|load| u128::from(*load)).sum();
        let keep = 1_000 - u128::from(tariff.discounts.permille(period));
        let margin = 1_000 + u128::from(PERIOD_MARGIN_PERMILLE);
        let money = u128::from(tariff.price.money.0) * quantity * keep * margin;
        let exact = money / (u128::from(tariff.price.per.base_units()) * 1_000_000);
        // Whole hundreds, as a person would pay.
        (exact as u64).div_ceil(Money::units(100).0) * Money::units(100).0
    }

    fn area_candidate(&self, tariff: &FloorAreaTariff, period: Period, from: usize) -> Candidate {
        let charges: Vec<u64> = (0..DAYS).map(|day| self.area_payment(tariff, period, day..day + 1)).collect();
        let payments: Vec<(usize, u64)> = period_days(from, period)
            .into_iter()
            .map(|days| (days.start, self.area_payment(tariff, period, days)))
            .collect();
        candidate(Mode::FloorArea(period), from, &charges, &payments)
    }

    fn area_payment(&self, tariff: &FloorAreaTariff, period: Period, days: std::ops::Range<usize>) -> u64 {
        let window = Window { from: day_begin(days.start), to: day_begin(days.end) };
        let area = self.year.tenants()[self.tenant].floor_area_m2;
        area_charge(tariff, area, window, tariff.discounts.permille(period)).0
    }
}

/// What a floor area costs in a window of whole days, half to even: all seasons of the data's year are equally long.
pub(crate) fn area_charge(tariff: &FloorAreaTariff, area_m2: u32, window: Window, discount_permille: u16) -> Money {
    let days = tariff.season.days_in(window, OFFSET_MINUTES);
    let season = tariff.season.days_of(window.from.date(OFFSET_MINUTES));
    let whole = u128::from(tariff.per_m2.0) * u128::from(area_m2) * u128::from(days);
    let charge = ratio_half_even(whole * u128::from(1_000 - discount_permille), u128::from(season) * 1_000);
    Money(charge.expect("a season's price is far below what money holds"))
}

/// The periods that can be chosen from a day on: a whole year only at its begin.
fn periods(from: usize) -> impl Iterator<Item = Period> {
    [Period::Month, Period::Quarter, Period::Year]
        .into_iter()
        .filter(move |period| *period != Period::Year || from == 0)
}

/// The periods' days, counted from the month of day `from` to the year's end. The first one begins with that day; the last one
/// may reach beyond the year.
fn period_days(from: usize, period: Period) -> Vec<std::ops::Range<usize>> {
    let first = day_begin(from).date(OFFSET_MINUTES);
    let day_of = |date: Date| (date.to_days() - Date { year: crate::data::YEAR, month: 1, day: 1 }.to_days()) as usize;
    let begin = |index: u32| first.first_of_month_after(index * period.months());
    (0..)
        .map(|index| day_of(begin(index)).max(from)..day_of(begin(index + 1)))
        .take_while(|days| days.start < DAYS)
        .collect()
}

fn undiscounted(tariff: &MeteredTariff, weight: u128) -> u64 {
    (u128::from(tariff.price.money.0) * weight / (u128::from(tariff.price.per.base_units()) * 1_000)) as u64
}

/// The payment that covers `rest` (undiscounted money) and its margin, or the size if that is smaller.
fn next_top_up(tariff: &MeteredTariff, size: Money, rest: u64) -> Option<Money> {
    if rest == 0 {
        return None;
    }
    let wanted = rest + rest * TOP_UP_MARGIN_PERMILLE / 1_000;
    let keep = |payment: Money| 1_000 - u64::from(tariff.discount_permille(payment));
    // The discount depends on the payment: take it from the undiscounted need, then from the payment itself.
    let first = Money(wanted * keep(Money(wanted)) / 1_000);
    let last = Money(wanted * keep(first) / 1_000);
    let hundred = Money::units(100).0;
    let payment = Money(last.0.div_ceil(hundred).max(1) * hundred);
    Some(size.min(payment))
}

fn simulate_top_ups(tariff: &MeteredTariff, size: Money, reserve: u64, daily: &[u64]) -> Candidate {
    let mut credit = 0u64; // undiscounted money that is prepaid
    let mut worth = 0u64; // what was paid for it
    let mut rest: u64 = daily.iter().sum();
    let (mut charge, mut capital, mut payments) = (0u64, 0u128, 0u32);
    for need in daily {
        while credit < reserve.min(rest) {
            let Some(payment) = next_top_up(tariff, size, rest - credit.min(rest)) else { break };
            let keep = 1_000 - u64::from(tariff.discount_permille(payment));
            credit += payment.0 * 1_000 / keep;
            worth += payment.0;
            payments += 1;
        }
        let part =
            if credit == 0 { 0 } else { u128::from(worth) * u128::from(*need.min(&credit)) / u128::from(credit) };
        charge += part as u64;
        worth -= part as u64;
        credit = credit.saturating_sub(*need);
        rest -= need;
        capital += u128::from(worth) * u128::from(CAPITAL_PERMILLE_PER_YEAR);
    }
    let capital = Money((capital / 1_000 / DAYS as u128) as u64);
    Candidate { mode: Mode::TopUps(size), charge: Money(charge), capital, payments }
}

fn candidate(mode: Mode, from: usize, charges: &[u64], payments: &[(usize, u64)]) -> Candidate {
    let mut balance = 0u64;
    let mut capital = 0u128;
    for (day, charge) in charges.iter().enumerate().skip(from) {
        balance += payments.iter().filter(|(paid_on, _)| *paid_on == day).map(|(_, payment)| payment).sum::<u64>();
        balance = balance.saturating_sub(*charge);
        capital += u128::from(balance) * u128::from(CAPITAL_PERMILLE_PER_YEAR);
    }
    Candidate {
        mode,
        charge: Money(charges[from..].iter().sum()),
        capital: Money((capital / 1_000 / DAYS as u128) as u64),
        payments: payments.iter().filter(|(_, payment)| *payment > 0).count() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tariff::version_1;

    fn advice(name: &str, carrier: Carrier) -> Advice {
        let (year, package) = (Year::load(), version_1());
        Adviser { year: &year, package: &package, tenant: year.tenant(name) }.advise(carrier, 0)
    }

    #[test]
    fn whoever_needs_little_heat_for_its_area_is_charged_by_meter() {
        assert_eq!(advice("office-1", Carrier::Heating).mode(), Mode::Metered(Period::Year));
        assert!(matches!(advice("shops", Carrier::Heating).mode(), Mode::FloorArea(_)));
        assert!(matches!(advice("shops", Carrier::Cooling).mode(), Mode::FloorArea(_)));
    }

    #[test]
    fn the_chosen_candidate_is_the_cheapest() {
        for carrier in Carrier::ALL {
            let advice = advice("hotel", carrier);
            let least = advice.candidates.iter().map(Candidate::cost).min().unwrap();
            assert_eq!(advice.candidates[advice.chosen].cost(), least, "{carrier}");
            assert!(advice.candidates.len() > 1, "{carrier}: there is something to compare");
        }
    }

    #[test]
    fn the_last_top_up_covers_the_rest_of_the_year() {
        let (year, package) = (Year::load(), version_1());
        let adviser = Adviser { year: &year, package: &package, tenant: year.tenant("office-9") };
        let mode = Mode::TopUps(Money::units(500_000));
        assert_eq!(adviser.first_top_up(Carrier::Electricity, mode, 0), Some(Money::units(500_000)));
        let december = adviser.next_top_up(Carrier::Electricity, mode, 350).unwrap();
        assert!(december < Money::units(50_000), "{december}");
        assert_eq!(adviser.next_top_up(Carrier::Electricity, mode, DAYS - 1), None);
    }
}
