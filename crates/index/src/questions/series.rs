//! What flowed, in steps of time, out of certified readings.
//!
//! An interval that reaches across the steps' ends is shared by time, so that all steps add up to what was certified. What a
//! correction changed is taken at its right value. What no reading covers is marked and never guessed.

use super::sight::Seen;
use super::{Questions, Read};
use crate::store::columns::{carrier, int, quantity, value, window};
use rusqlite::params;
use utilidor_types::statement::StatementLine;
use utilidor_types::time::{DAY_MS, Date, HOUR_MS, MAX_TIMESTAMP};
use utilidor_types::{AccountId, AgreementId, Carrier, Event, MeterId, Program, Quantity, Receipt, Timestamp, Window};
use utilidor_view::limits::{MAX_SERIES_POINTS, MAX_SERIES_YEARS};
use utilidor_view::{Known, SeriesPoint, SeriesQuery, SeriesView, Step};

/// Longest interval between readings that is usual.
const USUAL_MS: u64 = HOUR_MS;
/// Furthest offset from UTC in minutes.
const MAX_OFFSET_MINUTES: i16 = 18 * 60;

/// Why there is no series of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SeriesRefused {
    /// It begins after its end.
    #[error("the series ends before it begins")]
    Backwards,
    /// It is too long.
    #[error("the series has more than the {MAX_SERIES_POINTS} steps allowed: ask for a shorter time or longer steps")]
    TooLong,
    /// It is of too long a time: each of its readings would have to be read.
    #[error("the series is of more than the {MAX_SERIES_YEARS} years allowed: ask for a shorter time")]
    TooManyYears,
    /// No place on earth has this offset.
    #[error("an offset from UTC has at most {MAX_OFFSET_MINUTES} minutes")]
    Offset,
}

/// A meter in the time in which it counts.
#[derive(Debug, Clone, Copy)]
struct Counted {
    row: i64,
    meter: MeterId,
    time: Window,
    /// Whether it serves a contract then, which counts its share of what begins before and reaches into the time.
    serves: bool,
}

/// A quantity that flowed in an interval; a correction takes one away and puts another in its place.
#[derive(Debug, Clone, Copy)]
struct Flow {
    interval: Window,
    quantity: i128,
    corrects: bool,
}

impl Flow {
    /// What of it flowed before a time.
    fn before(&self, time: Timestamp) -> i128 {
        let passed = Window { to: time.min(self.interval.to), ..self.interval }.ms();
        match self.interval.ms() {
            0 => 0,
            whole => self.quantity * i128::from(passed) / i128::from(whole),
        }
    }
}

/// The steps' boundaries from the one that holds `from` to the first that is not before `to`.
fn boundaries(step: Step, offset: i16, from: Timestamp, to: Timestamp) -> Result<Vec<Timestamp>, SeriesRefused> {
    if from >= to {
        return Err(SeriesRefused::Backwards);
    }
    let local = |time: Timestamp| time.0 as i64 + i64::from(offset) * 60_000;
    let back = |local: i64| Timestamp((local - i64::from(offset) * 60_000).max(0) as u64);
    let mut ends = Vec::new();
    let mut push = |time: Timestamp| {
        ends.push(time);
        if ends.len() > MAX_SERIES_POINTS + 1 { Err(SeriesRefused::TooLong) } else { Ok(time < to) }
    };
    match step {
        Step::Hour | Step::Day => {
            let length = (if step == Step::Hour { HOUR_MS } else { DAY_MS }) as i64;
            let mut next = local(from).div_euclid(length) * length;
            while push(back(next))? {
                next += length;
            }
        }
        Step::Month => {
            let mut first = Date { day: 1, ..from.date(offset) };
            while push(back(first.to_days() * DAY_MS as i64).min(MAX_TIMESTAMP))? {
                first = first.first_of_month_after(1);
            }
        }
    }
    Ok(ends)
}

impl Questions<'_> {
    /// What flowed through the meters of a carrier that an account holds, while it held them. None if its meters are not seen.
    pub fn series_of_account(
        &self,
        account: AccountId,
        of: Carrier,
        query: &SeriesQuery,
    ) -> Read<Option<Result<SeriesView, SeriesRefused>>> {
        if !self.sees_account(utilidor_types::session::Category::Meters, account)
            || self.find("SELECT 1 FROM accounts WHERE account = ?", [account.0], |_| Ok(()))?.is_none()
        {
            return Ok(None);
        }
        let sql = "SELECT it.meter AS row, meters.meter AS meter_id, from_ms, to_ms, since_ms FROM meter_holders AS it
                   JOIN meters ON meters.id = it.meter WHERE meters.carrier = ?2
                   AND it.account = (SELECT id FROM accounts WHERE account = ?1) ORDER BY it.meter, from_ms";
        let counted = self.all(sql, params![account.0, of as u8], |row| {
            let held = window(row)?;
            let since = crate::store::columns::time(row, "since_ms")?;
            let time = Window { from: held.from.max(since), ..held };
            Ok(Counted { row: row.get("row")?, meter: MeterId(row.get("meter_id")?), time, serves: false })
        })?;
        let agreements = "SELECT agreements.agreement AS id FROM agreement_parties AS it
                          JOIN agreements ON agreements.id = it.agreement
                          WHERE it.account = (SELECT id FROM accounts WHERE account = ?) ORDER BY it.agreement DESC";
        let agreements = self.all(agreements, [account.0], |row| row.get("id").map(AgreementId))?;
        self.series(of, query, &counted, &agreements).map(Some)
    }

    /// What flowed through the meters of a carrier that serve an agreement, in the time that they do. None if it is not seen.
    pub fn series_of_agreement(
        &self,
        agreement: AgreementId,
        of: Carrier,
        query: &SeriesQuery,
    ) -> Read<Option<Result<SeriesView, SeriesRefused>>> {
        if !self.sees_agreement(agreement)? || !self.reads_meters() {
            return Ok(None);
        }
        let sql = "SELECT it.meter AS row, meters.meter AS meter_id, meters.carrier AS carrier, from_ms, to_ms
                   FROM agreement_meters AS it JOIN meters ON meters.id = it.meter
                   WHERE it.agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?) ORDER BY it.meter";
        let all = self.all(sql, [agreement.0], |row| {
            let (meter, time) = (MeterId(row.get("meter_id")?), window(row)?);
            Ok((carrier(row, "carrier")?, Counted { row: row.get("row")?, meter, time, serves: true }))
        })?;
        let counted: Vec<_> = all.into_iter().filter(|(carrier, _)| *carrier == of).map(|(_, meter)| meter).collect();
        self.series(of, query, &counted, &[agreement]).map(Some)
    }

    fn series(
        &self,
        of: Carrier,
        query: &SeriesQuery,
        counted: &[Counted],
        agreements: &[AgreementId],
    ) -> Read<Result<SeriesView, SeriesRefused>> {
        let now = self.one("SELECT time_ms FROM meta", [], |row| crate::store::columns::time(row, "time_ms"))?;
        let offset_minutes = match query.offset_minutes {
            Some(offset) => offset,
            None => self.tariff_offset(agreements)?.unwrap_or(0),
        };
        if offset_minutes.unsigned_abs() > MAX_OFFSET_MINUTES.unsigned_abs() {
            return Ok(Err(SeriesRefused::Offset));
        }
        let to = query.to_ms.unwrap_or(now).min(MAX_TIMESTAMP);
        let usual = match query.step {
            Step::Hour => 2 * DAY_MS,
            Step::Day => 31 * DAY_MS,
            Step::Month => 365 * DAY_MS,
        };
        let from = query.from_ms.unwrap_or(Timestamp(to.0.saturating_sub(usual))).min(MAX_TIMESTAMP);
        let ends = match boundaries(query.step, offset_minutes, from, to) {
            Ok(ends) => ends,
            Err(refused) => return Ok(Err(refused)),
        };
        let whole = Window { from: ends[0], to: *ends.last().unwrap_or(&ends[0]) };
        if whole.ms() > MAX_SERIES_YEARS * 366 * DAY_MS {
            return Ok(Err(SeriesRefused::TooManyYears));
        }
        let mut points: Vec<_> = ends.windows(2).map(|ends| blank(ends[0], ends[1])).collect();
        let mut sums = vec![0i128; points.len()];
        for meter in counted {
            let flows = self.flows(*meter, whole)?;
            add(&mut points, &mut sums, &flows, meter.time, now);
        }
        self.mark_substituted(of, agreements, &mut points)?;
        for (point, sum) in points.iter_mut().zip(&sums) {
            point.quantity = Quantity(u64::try_from(*sum).unwrap_or(if *sum < 0 { 0 } else { u64::MAX }));
        }
        let total = sums.iter().sum::<i128>();
        let mut meters: Vec<_> = counted.iter().map(|meter| meter.meter).collect();
        meters.dedup();
        let total = Quantity(u64::try_from(total).unwrap_or(0));
        Ok(Ok(SeriesView { carrier: of, step: query.step, offset_minutes, meters, points, total }))
    }

    /// What flowed through a meter in a time, by its readings, and as corrections have it.
    fn flows(&self, meter: Counted, whole: Window) -> Read<Vec<Flow>> {
        let time = Window { from: meter.time.from.max(whole.from), to: meter.time.to.min(whole.to) };
        if time.is_empty() {
            return Ok(Vec::new());
        }
        let seen = if meter.serves { Seen::serving(meter.time) } else { Seen::within(meter.time) };
        let mut flows = Vec::new();
        for certificate in self.certified_in(meter.row, time)? {
            if seen.shows(certificate.interval) {
                let (interval, quantity) = (certificate.interval, i128::from(certificate.quantity.0));
                flows.push(Flow { interval, quantity, corrects: false });
            }
        }
        let sql = "SELECT from_ms, to_ms, certified, correct FROM corrections
                   WHERE meter = ?1 AND from_ms < ?3 AND to_ms > ?2 ORDER BY from_ms, receipt, place";
        let corrections = self.all(sql, params![meter.row, int(whole.from.0), int(whole.to.0)], |row| {
            let (certified, right) = (quantity(row, "certified")?, quantity(row, "correct")?);
            Ok((window(row)?, i128::from(right.0) - i128::from(certified.0)))
        })?;
        for (interval, quantity) in corrections.into_iter().filter(|(interval, _)| seen.shows(*interval)) {
            flows.push(Flow { interval, quantity, corrects: true });
        }
        Ok(flows)
    }

    /// The offset of the newest subscription's tariff.
    fn tariff_offset(&self, agreements: &[AgreementId]) -> Read<Option<i16>> {
        let sql = "SELECT terms FROM agreements WHERE agreement = ? ORDER BY id DESC LIMIT 1";
        for agreement in agreements {
            let terms = self.find(sql, [agreement.0], |row| value::<utilidor_types::AgreementTerms>(row, "terms"))?;
            if let Some(Program::Subscription(terms)) = terms.map(|terms| terms.program)
                && let Some(package) = self.package(terms.package, terms.version)?
            {
                return Ok(Some(package.package.terms.offset_minutes));
            }
        }
        Ok(None)
    }

    /// Marks what statements have settled by a substitute rule.
    fn mark_substituted(&self, of: Carrier, agreements: &[AgreementId], points: &mut [SeriesPoint]) -> Read<()> {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return Ok(()) };
        let (from, to) = (int(first.from_ms.0), int(last.to_ms.0));
        // A receipt is read only where a step is missing that it could tell of.
        let sql = "SELECT it.place AS place, it.from_ms AS from_ms, it.to_ms AS to_ms, it.receipt AS receipt FROM statements AS it
                   WHERE it.to_ms > ?2 AND it.from_ms < ?3
                   AND it.agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?1)";
        let told = "SELECT body FROM receipts WHERE id = ?";
        for agreement in agreements {
            let statements = self.all(sql, params![agreement.0, from, to], |row| {
                Ok((window(row)?, row.get::<_, i64>("receipt")?, row.get::<_, i64>("place")? as usize))
            })?;
            for (period, receipt, place) in statements {
                let missing = |point: &SeriesPoint| {
                    point.known == Known::Missing && point.from_ms < period.to && point.to_ms > period.from
                };
                if !points.iter().any(missing) {
                    continue;
                }
                let event =
                    self.one(told, [receipt], |row| Ok(value::<Receipt>(row, "body")?.events().get(place).cloned()))?;
                let Some(event) = event else { continue };
                let Event::StatementIssued(statement) = event else { continue };
                let substituted = statement.lines.iter().any(|line| match line {
                    StatementLine::Delivery { carrier, substituted, .. } => *carrier == of && substituted.0 > 0,
                    _ => false,
                });
                for point in points.iter_mut().filter(|point| substituted && missing(point)) {
                    point.substituted = true;
                }
            }
        }
        Ok(())
    }
}

const fn blank(from_ms: Timestamp, to_ms: Timestamp) -> SeriesPoint {
    let quantity = Quantity(0);
    SeriesPoint { from_ms, to_ms, quantity, known: Known::Measured, substituted: false, corrected: false }
}

/// Adds to the steps what of a meter's flows passed in the time in which it counts, and marks what they do not cover of it.
fn add(points: &mut [SeriesPoint], sums: &mut [i128], flows: &[Flow], counts: Window, now: Timestamp) {
    let mut covered = vec![0u64; points.len()];
    for flow in flows {
        let begin = points.partition_point(|point| point.to_ms <= flow.interval.from);
        for (place, point) in points.iter_mut().enumerate().skip(begin) {
            if point.from_ms >= flow.interval.to {
                break;
            }
            let step = Window { from: point.from_ms.max(counts.from), to: point.to_ms.min(counts.to) };
            if step.is_empty() {
                continue;
            }
            sums[place] += flow.before(step.to) - flow.before(step.from);
            if flow.corrects {
                point.corrected = true;
                continue;
            }
            covered[place] += flow.interval.overlap_ms(step);
            let across = flow.interval.from < point.from_ms || flow.interval.to > point.to_ms;
            if across && flow.interval.ms() > USUAL_MS && point.known == Known::Measured {
                point.known = Known::Spread;
            }
        }
    }
    for (point, covered) in points.iter_mut().zip(covered) {
        let step = Window { from: point.from_ms, to: point.to_ms.min(now) };
        // What has not come yet is missing as well: nobody knows it.
        let wanted = if point.to_ms > now { Window { to: point.to_ms, ..step } } else { step };
        if covered < wanted.overlap_ms(counts) {
            point.known = Known::Missing;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = HOUR_MS;

    fn at(hours: u64) -> Timestamp {
        Timestamp(hours * HOUR)
    }

    fn flow(from: u64, to: u64, quantity: i128) -> Flow {
        Flow { interval: Window { from: at(from), to: at(to) }, quantity, corrects: false }
    }

    fn hours(count: u64, flows: &[Flow], counts: Window) -> Vec<(i128, Known)> {
        let ends = boundaries(Step::Hour, 0, at(0), at(count)).unwrap();
        let mut points: Vec<_> = ends.windows(2).map(|ends| blank(ends[0], ends[1])).collect();
        let mut sums = vec![0; points.len()];
        add(&mut points, &mut sums, flows, counts, at(count));
        sums.into_iter().zip(points.iter().map(|point| point.known)).collect()
    }

    #[test]
    fn zero_a_gap_and_what_is_missing_look_different() {
        use Known::{Measured, Missing, Spread};
        let flows = [flow(0, 1, 5), flow(1, 2, 0), flow(2, 5, 10)];
        let always = Window { from: at(0), to: at(1_000) };
        let found = hours(6, &flows, always);
        assert_eq!(found, [(5, Measured), (0, Measured), (3, Spread), (3, Spread), (4, Spread), (0, Missing)]);
    }

    #[test]
    fn of_what_reaches_into_the_time_that_counts_its_share_is_counted() {
        let counts = Window { from: Timestamp(HOUR / 2), to: at(1_000) };
        assert_eq!(hours(2, &[flow(0, 1, 8), flow(1, 2, 3)], counts), [(4, Known::Measured), (3, Known::Measured)]);
    }

    #[test]
    fn what_lies_outside_of_the_time_that_counts_is_not_missing() {
        let counts = Window { from: at(2), to: at(3) };
        let known: Vec<_> = hours(4, &[flow(2, 3, 1)], counts).into_iter().map(|(_, known)| known).collect();
        assert_eq!(known, [Known::Measured; 4]);
    }

    #[test]
    fn days_and_months_begin_by_the_offset() {
        let midnight = |day| Date { year: 2025, month: 1, day }.midnight(480).unwrap();
        let days = boundaries(Step::Day, 480, Timestamp(midnight(2).0 + HOUR), midnight(4)).unwrap();
        assert_eq!(days, [midnight(2), midnight(3), midnight(4)]);
        let months = boundaries(Step::Month, 480, midnight(2), midnight(4)).unwrap();
        let february = Date { year: 2025, month: 2, day: 1 }.midnight(480).unwrap();
        assert_eq!(months, [midnight(1), february]);
        let march = Date { year: 1970, month: 3, day: 1 }.midnight(480).unwrap();
        let first = boundaries(Step::Month, 480, at(0), march).unwrap();
        assert_eq!(first, [at(0), Timestamp(march.0 - 28 * DAY_MS), march], "time begins within the first month");
        assert_eq!(boundaries(Step::Hour, 0, at(1), at(1)), Err(SeriesRefused::Backwards));
        assert_eq!(boundaries(Step::Hour, 0, at(0), at(1_000_000)), Err(SeriesRefused::TooLong));
    }
}
