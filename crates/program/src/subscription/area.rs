//! Floor area: what days of the season cost. A day costs the season's price over the days of that very season; it belongs to
//! whoever is there at its end, and is charged by the terms in force then.

use super::account::Account;
use super::bill::Bill;
use super::frame::Frame;
use super::head::TariffRef;
use super::tranche::{Stage, Tranche};
use crate::contract::{BAD_STATE, Fault, OVERFLOW};
use crate::exact::{money_half_even, plus, share_floor, times};
use utilidor_types::package::{FloorAreaTariff, Season, TariffOption, local_day};
use utilidor_types::statement::StatementLine;
use utilidor_types::time::Date;
use utilidor_types::{Area, Money, Tariff, Timestamp, Window};

const PERMILLE: u128 = 1_000;

/// The floor-area tariff of an option.
pub(super) fn tariff(option: &TariffOption) -> Option<&FloorAreaTariff> {
    match &option.tariff {
        Tariff::FloorArea(tariff) => Some(tariff),
        Tariff::Metered(_) | Tariff::MeteredByPeriod(_) => None,
    }
}

/// Days that follow each other in one season, counted after 1970-01-01: `from` belongs to them, `to` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Days {
    /// The first one.
    pub from: i64,
    /// The first one after.
    pub to: i64,
    /// Length of their season.
    season: u32,
}

impl Days {
    /// The season's days from `from` until before `to`, season by season.
    pub fn of(season: Season, from: i64, to: i64) -> Vec<Self> {
        let (mut runs, mut day) = (Vec::new(), from);
        while day < to {
            let date = Date::from_days(day);
            if !season.holds(date) {
                day += 1;
                continue;
            }
            let all = season.span(date);
            let end = all.end.clamp(day + 1, to);
            runs.push(Self { from: day, to: end, season: (all.end - all.start) as u32 });
            day = end;
        }
        runs
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        // Both are days of the ledger's calendar.
        (self.to - self.from) as u32
    }

    /// Net cost at a discount, over [`net_denominator`].
    fn net(self, tariff: &FloorAreaTariff, area: Area, discount_permille: u16) -> Result<u128, Fault> {
        let lengths = lengths(tariff.season);
        let weight =
            lengths.checked_div(u128::from(self.season)).filter(|weight| weight * u128::from(self.season) == lengths);
        let rate = times(tariff.per_m2.0.into(), PERMILLE.saturating_sub(discount_permille.into()))?;
        let a_day = times(times(rate, area.0)?, weight.ok_or(BAD_STATE)?)?;
        times(a_day, self.count())
    }

    /// Cost at a discount with tax, over [`denominator`].
    pub fn gross(self, option: &TariffOption, area: Area, discount_permille: u16) -> Result<u128, Fault> {
        let tariff = tariff(option).ok_or(BAD_STATE)?;
        times(self.net(tariff, area, discount_permille)?, PERMILLE + u128::from(option.vat_permille))
    }
}

/// A season has a certain number of days, or one more in some years: the product of both.
fn lengths(season: Season) -> u128 {
    let in_common_year = |month: u8, day: u8| if (month, day) == (2, 29) { 28 } else { day };
    let wraps = (season.to_month, season.to_day) < (season.from_month, season.from_day);
    let begin = Date { year: 2025, month: season.from_month, day: season.from_day };
    let to_day = in_common_year(season.to_month, season.to_day);
    let end = Date { year: 2025 + i32::from(wraps), month: season.to_month, day: to_day };
    let days = u128::from((end.to_days() - begin.to_days() + 1).unsigned_abs());
    days * (days + 1)
}

fn net_denominator(tariff: &FloorAreaTariff) -> u128 {
    // Two lengths of at most 366 days: below 2^35.
    u128::from(Area::PER_M2) * PERMILLE * lengths(tariff.season)
}

/// What costs with tax are over: below 2^45.
pub(super) fn denominator(tariff: &FloorAreaTariff) -> u128 {
    net_denominator(tariff) * PERMILLE
}

/// What the season's days of a period cost with tax, at a discount.
pub(super) fn price_half_even(
    account: &Account,
    option: &TariffOption,
    window: Window,
    discount_permille: u16,
    offset_minutes: i16,
) -> Result<Money, Fault> {
    let tariff = tariff(option).ok_or(BAD_STATE)?;
    let (mut day, to) = (local_day(window.from, offset_minutes), local_day(window.to, offset_minutes));
    let mut cost = 0;
    while day < to {
        let (area, until) = area_on(account, day, offset_minutes)?;
        let end = until.min(to);
        for days in Days::of(tariff.season, day, end) {
            cost = plus(cost, days.gross(option, area, discount_permille)?)?;
        }
        day = end;
    }
    money_half_even(cost, denominator(tariff))
}

/// The floor area on a day, and until when it stays.
fn area_on(account: &Account, day: i64, offset_minutes: i16) -> Result<(Area, i64), Fault> {
    let begins = |from: Timestamp| local_day(from, offset_minutes);
    let area = account.epochs.iter().rev().find(|epoch| begins(epoch.from) <= day).or(account.epochs.first());
    let next = account.epochs.iter().map(|epoch| begins(epoch.from)).find(|begin| *begin > day);
    Ok((area.ok_or(BAD_STATE)?.area, next.unwrap_or(i64::MAX)))
}

/// Charges the days of a floor area up to `until`: those that are prepaid to their tranches, the others at list price.
pub(super) fn charge(account: &mut Account, frame: &Frame<'_>, until: Timestamp, bill: &mut Bill) -> Result<(), Fault> {
    let offset = frame.head.offset_minutes;
    let (mut day, to) = (local_day(account.area_until, offset), local_day(until, offset));
    while day < to {
        let holds = |tranche: &Tranche| {
            let period = tranche.period.filter(|_| matches!(tranche.stage, Stage::Area { .. }));
            period.map(|period| (local_day(period.from, offset), local_day(period.to, offset)))
        };
        let (area, area_until) = area_on(account, day, offset)?;
        let epoch = account.epochs.iter().rev().find(|epoch| local_day(epoch.from, offset) <= day);
        let tariff = epoch.or(account.epochs.first()).ok_or(BAD_STATE)?.tariff;
        let periods: Vec<_> = account.tranches.iter().map(holds).collect();
        let place = periods.iter().position(|period| period.is_some_and(|(from, to)| from <= day && day < to));
        let edges = periods.iter().flatten().flat_map(|(from, to)| [*from, *to]);
        let end = edges.chain([area_until, to]).filter(|edge| *edge > day).min().unwrap_or(to);

        match place.and_then(|place| account.tranches.as_mut_slice().get_mut(place)) {
            Some(tranche) => prepaid(tranche, tariff, frame, Chunk { from: day, to: end, area }, bill)?,
            None => listed(frame, frame.option(tariff)?, Chunk { from: day, to: end, area }, bill)?,
        }
        day = end;
    }
    account.area_until = account.area_until.max(until);
    Ok(())
}

/// Days with one floor area.
#[derive(Debug, Clone, Copy)]
struct Chunk {
    from: i64,
    to: i64,
    area: Area,
}

impl Chunk {
    fn window(from: i64, to: i64, frame: &Frame<'_>) -> Window {
        let midnight = |day| Date::from_days(day).midnight(frame.head.offset_minutes).unwrap_or(frame.head.opened);
        Window { from: midnight(from), to: midnight(to) }
    }
}

/// Charges days to their tranche. What it does not reach, because the floor area or the season has grown, is at the list price
/// in force.
fn prepaid(
    tranche: &mut Tranche,
    in_force: TariffRef,
    frame: &Frame<'_>,
    chunk: Chunk,
    bill: &mut Bill,
) -> Result<(), Fault> {
    let option = frame.option(tranche.tariff)?;
    let list = frame.option(in_force)?;
    let season = tariff(option).ok_or(BAD_STATE)?.season;
    for from in chunk.from..chunk.to {
        let is_beyond = |day: i64| !season.holds(Date::from_days(day));
        if is_beyond(from) && (from == chunk.from || !is_beyond(from - 1)) {
            let to = (from..chunk.to).find(|day| !is_beyond(*day)).unwrap_or(chunk.to);
            listed(frame, list, Chunk { from, to, ..chunk }, bill)?;
        }
    }
    let whole = denominator(tariff(option).ok_or(BAD_STATE)?);
    let Tranche { paid, discount_permille, number, tariff: tariff_ref, .. } = *tranche;
    let Stage::Area { cost, charged } = &mut tranche.stage else { return Err(BAD_STATE) };
    for days in Days::of(season, chunk.from, chunk.to) {
        let wanted = days.gross(option, chunk.area, discount_permille)?;
        let room = times(paid.0.into(), whole)?.saturating_sub(*cost);
        // What was paid is what its days cost, half to even: the last of them may cost half a millionth more.
        let covered = if wanted <= plus(room, whole / 2)? {
            days.count()
        } else {
            share_floor(days.count().into(), room, wanted) as u32
        };
        *cost = plus(*cost, wanted)?;
        let now = money_half_even(*cost, whole)?.min(paid).max(*charged);
        let gross = now.saturating_sub(*charged);
        *charged = now;
        let end = days.from + i64::from(covered);
        let amount = bill.prepaid(option.vat_permille, gross)?;
        if covered > 0 || amount > Money::ZERO {
            bill.lines.push(StatementLine::FloorArea {
                carrier: frame.carrier,
                period: Chunk::window(days.from, end.max(days.from), frame),
                tranche: number,
                area: chunk.area,
                days: covered,
                discount_permille,
                amount,
            });
        }
        if covered < days.count() {
            let excess = wanted - room.min(wanted);
            let amount = match in_force == tariff_ref {
                true => {
                    let undone = PERMILLE.saturating_sub(discount_permille.into())
                        * (PERMILLE + u128::from(option.vat_permille));
                    money_half_even(times(excess, PERMILLE)?, times(whole / PERMILLE, undone)?)?
                }
                false => {
                    let beyond = Days { from: end, ..days };
                    let listed = listed_net(list, chunk.area, beyond)?;
                    let whole = beyond.gross(option, chunk.area, discount_permille)?;
                    Money(share_floor(listed.0, excess, whole))
                }
            };
            *cost = times(paid.0.into(), whole)?;
            bill.owed(list.vat_permille, amount)?;
            bill.lines.push(StatementLine::FloorArea {
                carrier: frame.carrier,
                period: Chunk::window(end, days.to, frame),
                tranche: 0,
                area: chunk.area,
                days: days.count() - covered,
                discount_permille: 0,
                amount,
            });
        }
    }
    Ok(())
}

/// What such days cost net at list price, where the option's season has them.
fn listed_net(option: &TariffOption, area: Area, days: Days) -> Result<Money, Fault> {
    let tariff = tariff(option).ok_or(BAD_STATE)?;
    let mut net = 0;
    for days in Days::of(tariff.season, days.from, days.to) {
        net = plus(net, days.net(tariff, area, 0)?)?;
    }
    money_half_even(net, net_denominator(tariff))
}

fn listed(frame: &Frame<'_>, option: &TariffOption, chunk: Chunk, bill: &mut Bill) -> Result<(), Fault> {
    let tariff = tariff(option).ok_or(BAD_STATE)?;
    for days in Days::of(tariff.season, chunk.from, chunk.to) {
        let amount = money_half_even(days.net(tariff, chunk.area, 0)?, net_denominator(tariff))?;
        bill.owed(option.vat_permille, amount)?;
        bill.lines.push(StatementLine::FloorArea {
            carrier: frame.carrier,
            period: Chunk::window(days.from, days.to, frame),
            tranche: 0,
            area: chunk.area,
            days: days.count(),
            discount_permille: 0,
            amount,
        });
    }
    Ok(())
}

/// What the days that a tranche has paid would have cost without its discount, tax included.
pub(super) fn undiscounted(tranche: &Tranche, option: &TariffOption) -> Result<Money, Fault> {
    let Stage::Area { cost, .. } = tranche.stage else { return Ok(Money::ZERO) };
    let whole = times(
        denominator(tariff(option).ok_or(BAD_STATE)?),
        PERMILLE.saturating_sub(tranche.discount_permille.into()),
    )?;
    money_half_even(times(cost, PERMILLE)?, whole)
}

/// Where a period begins that is prepaid now: with the day of payment, or with the end of what is paid, in the first month
/// that has days of the season; and where it ends.
pub(super) fn prepaid_period(
    account: &Account,
    frame: &Frame<'_>,
    season: Season,
    months: u32,
) -> Result<Option<Window>, Fault> {
    let offset = frame.head.offset_minutes;
    let today = frame.facts.now.date(offset).midnight(offset).unwrap_or(frame.facts.now);
    let mut from = today.max(account.paid_until);
    // Within a year every season comes round.
    for _ in 0..=12 {
        let next = frame.head.month_begin(from, 1).ok_or(OVERFLOW)?;
        let (first, last) = (local_day(from, offset), local_day(next, offset));
        if (first..last).any(|day| season.holds(Date::from_days(day))) {
            return Ok(frame.head.month_begin(from, months).map(|to| Window { from, to }));
        }
        from = next;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINTER: Season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };
    const YEAR: Season = Season { from_month: 1, from_day: 1, to_month: 12, to_day: 31 };

    fn day(year: i32, month: u8, day: u8) -> i64 {
        Date { year, month, day }.to_days()
    }

    #[test]
    fn days_are_told_apart_by_the_length_of_their_season() {
        let runs = |season, from, to| -> Vec<(u32, u32)> {
            Days::of(season, from, to).iter().map(|days| (days.count(), days.season)).collect()
        };
        assert_eq!(runs(WINTER, day(2027, 1, 1), day(2028, 1, 1)), [(74, 121), (47, 122)]);
        assert_eq!(runs(YEAR, day(2027, 12, 1), day(2028, 2, 1)), [(31, 365), (31, 366)]);
        assert_eq!(runs(WINTER, day(2027, 4, 1), day(2027, 11, 15)), []);
    }

    #[test]
    fn a_season_has_one_length_or_one_day_more() {
        assert_eq!(lengths(WINTER), 121 * 122);
        assert_eq!(lengths(YEAR), 365 * 366);
        assert_eq!(lengths(Season { from_month: 11, from_day: 1, to_month: 2, to_day: 29 }), 120 * 121);
        assert_eq!(lengths(Season { from_month: 6, from_day: 1, to_month: 6, to_day: 1 }), 2);
    }
}
