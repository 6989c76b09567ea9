//! Load that is shed when it is called, measured against a baseline.
//!
//! The owner calls by a command, some time ahead, for whole hours of one day; the user's meter (the first one) says what was
//! taken in them. Of the last days before it that count (called days do not, nor weekends if so agreed) those with the highest
//! load in the called hours are chosen; their mean, hour by hour and half to even, is the *baseline*: "10 of 10" and "5 of 10"
//! are published methods of this kind. For a call:
//!
//! * `shed = sum over the hours of what the load stayed below the baseline`;
//! * from the least share of what was committed on, the owner pays the bonus for what was shed, up to the most (clause 0);
//! * below the least share there is no bonus, and the user pays the penalty for what is missing from the commitment, which
//!   may be nothing (clause 1).
//!
//! An hour without readings up to its end sheds nothing. With too few days for a baseline nobody pays (clause 2). What cannot
//! be paid is carried to the next statement (clause 3).

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{vec, vec::Vec};
use utilidor_program_sdk::*;

const METER: Meter = Meter(0);
const HOURS_A_DAY: u64 = DAY_MS / HOUR_MS;
/// Days that are remembered, hour by hour: what a slot holds.
const DAYS_KEPT: u64 = 20;
/// A command of the owner that calls begins so; the begin in milliseconds and the number of hours follow.
const CALL: u8 = 1;

const CLAUSE_BONUS: u16 = 0;
const CLAUSE_PENALTY: u16 = 1;
const CLAUSE_NO_BASELINE: u16 = 2;
const CLAUSE_CARRIED: u16 = 3;

/// The contract.
pub struct InterruptibleLoad;

/// What the parties have agreed.
struct Agreed {
    days: Periods,
    hours: Grid,
    last_day: u64,
    notice_ms: u64,
    /// Days of the baseline that are looked at, and how many of them with the highest load are taken.
    looked_at: u64,
    taken: u64,
    weekdays_only: bool,
    calls: u64,
    hours_a_call: u64,
    /// Shed in each hour of a call.
    committed: Quantity,
    bonus: Price,
    penalty: Price,
    /// Of the commitment: from which on there is a bonus, and up to which.
    least_permille: u64,
    most_permille: u64,
    guarantees: [Money; 2],
}

impl Agreed {
    fn of(input: &Input) -> Result<Self, Fault> {
        let mut read = Parameters::new(&input.terms.parameters);
        let (begin, count) = (read.time()?, read.number()?);
        let (grace_ms, notice_ms) = (read.number()?, read.number()?);
        let (looked_at, taken, weekdays_only) = (read.number()?, read.number()?, read.number()? > 0);
        let (calls, hours_a_call) = (read.number()?, read.number()?);
        let (committed, bonus) = (read.quantity()?, read.price(PriceUnit::KilowattHour)?);
        let penalty = read.price(PriceUnit::KilowattHour)?;
        let (least_permille, most_permille) = (read.number()?, read.number()?);
        let guarantees = [read.money()?, read.money()?];
        read.end()?;

        let is_metered = input.terms.meters.first().is_some_and(|meter| {
            meter.party == Party::USER && meter.carrier == Carrier::Electricity && meter.fills.is_none()
        });
        let is_baseline = 0 < taken && taken <= looked_at && looked_at <= days_before(grace_ms, weekdays_only);
        if !is_metered || !is_baseline || input.terms.parties != 2 || hours_a_call > HOURS_A_DAY {
            return Err(Fault::PARAMETERS);
        }
        let (days, hours) = (Periods::new(begin, DAY_MS, count, grace_ms)?, Grid::new(begin, HOUR_MS)?);
        Ok(Self {
            days,
            hours,
            last_day: count - 1,
            notice_ms,
            looked_at,
            taken,
            weekdays_only,
            calls,
            hours_a_call,
            committed,
            bonus,
            penalty,
            least_permille,
            most_permille,
            guarantees,
        })
    }

    /// Whether a day, counted from 0, is one on which can be called.
    fn counts(&self, day: u64) -> Result<bool, Fault> {
        // Days begin at the local midnight, so the day of the week is that of its noon.
        let noon = self.days.begin_of(day)?.0.saturating_add(DAY_MS / 2);
        Ok(!self.weekdays_only || weekday(Time(noon)) < 5)
    }
}

/// How many days that count there always are before a call among those that are still remembered when it is settled: the day of
/// the call and the grace time go off.
fn days_before(grace_ms: u64, weekdays_only: bool) -> u64 {
    const WEEK: u64 = 7;
    const WORKING: u64 = 5;
    let remembered = (DAYS_KEPT - 1).saturating_sub(grace_ms.div_ceil(DAY_MS));
    if !weekdays_only {
        return remembered;
    }
    let working = |day: u64| (1..=remembered).filter(|back| (day + WEEK * DAYS_KEPT - back) % WEEK < WORKING).count();
    (0..WORKING).map(working).min().unwrap_or(0) as u64
}

/// A call: its first hour, counted from the begin of the contract, and how many there are; none without hours.
#[derive(Clone, Copy)]
struct Call {
    first: u64,
    hours: u64,
}

impl Call {
    const fn end(&self) -> u64 {
        self.first.saturating_add(self.hours)
    }

    fn window(&self, agreed: &Agreed) -> Result<Window, Fault> {
        Ok(Window { from: agreed.hours.begin_of(self.first)?, to: agreed.hours.begin_of(self.end())? })
    }

    fn settles(&self, agreed: &Agreed) -> Result<Time, Fault> {
        let end = agreed.hours.begin_of(self.end())?;
        end.0.checked_add(agreed.days.grace_ms().max(1)).map(Time).ok_or(Fault::OVERFLOW)
    }
}

/// What the contract remembers besides the hours, which stand in the meter's slot.
struct Kept {
    /// The first day that is measured from its begin on.
    since: u64,
    called: u64,
    owed: i64,
    open: Call,
    /// Days with a call, of those that are remembered.
    days: Vec<u64>,
}

impl Kept {
    fn of(head: &[u8]) -> Result<Self, Fault> {
        if head.is_empty() {
            return Ok(Self { since: 0, called: 0, owed: 0, open: Call { first: 0, hours: 0 }, days: Vec::new() });
        }
        let mut read = Parameters::new(head);
        let (since, called, owed) = (read.number()?, read.number()?, read.integer()?);
        let open = Call { first: read.number()?, hours: read.number()? };
        let days = (0..read.number()?).map(|_| read.number()).collect::<Result<Vec<u64>, Fault>>()?;
        read.end()?;
        Ok(Self { since, called, owed, open, days })
    }

    fn head(&self) -> Vec<u8> {
        let days = self.days.len() as u64;
        let fixed = [self.since, self.called, self.owed as u64, self.open.first, self.open.hours, days];
        bytes_of(fixed.into_iter().chain(self.days.iter().copied()).map(|number| number as i64))
    }
}

impl Program for InterruptibleLoad {
    fn act(input: Input) -> Result<Done, Fault> {
        let agreed = Agreed::of(&input)?;
        if let Some(done) = Series::keep(&input, agreed.hours, agreed.days.end()?, DAYS_KEPT * HOURS_A_DAY)? {
            return Ok(done);
        }
        let mut kept = Kept::of(&input.state.head)?;
        let effects = match &input.event {
            Event::Signed => sign(&agreed, &mut kept, input.facts.now)?,
            Event::Command(Party::OWNER, bytes) => call(&agreed, &mut kept, bytes, input.facts.now)?,
            Event::Command(..) => return Err(Fault::COMMAND),
            Event::Due => settle(&agreed, &mut kept, &input)?,
            Event::Ending(_, false) | Event::EndingWithdrawn(_) => Vec::new(),
            Event::Ending(_, true) => input.end_early()?,
            _ => return Err(Fault::UNEXPECTED),
        };
        Ok(Done { head: Some(kept.head()), effects, ..Done::default() })
    }
}

fn sign(agreed: &Agreed, kept: &mut Kept, now: Time) -> Result<Vec<Effect>, Fault> {
    let from = now.max(agreed.days.begin());
    let first = agreed.days.grid().part_of(from);
    kept.since = if agreed.days.begin_of(first)? == from { first } else { first.saturating_add(1) };
    Ok(vec![
        Effect::Reserve(Party::OWNER, Purpose::Guarantee, agreed.guarantees[0]),
        Effect::Reserve(Party::USER, Purpose::Guarantee, agreed.guarantees[1]),
        Effect::Bind(METER),
        Effect::Mark(METER, agreed.hours.mark_after(from, agreed.days.end()?)?),
        Effect::Schedule(agreed.days.settles(agreed.last_day)?),
    ])
}

/// The owner calls for whole hours of one day. One call at a time: another one can follow when it is settled.
fn call(agreed: &Agreed, kept: &mut Kept, bytes: &[u8], now: Time) -> Result<Vec<Effect>, Fault> {
    let Some(([CALL], rest)) = bytes.split_first_chunk() else { return Err(Fault::COMMAND) };
    let Some((begin, &[hours])) = rest.split_first_chunk::<8>() else { return Err(Fault::COMMAND) };
    let begin = Time(u64::from_le_bytes(*begin));
    let call = Call { first: agreed.hours.part_of(begin), hours: hours.into() };
    let day = call.first / HOURS_A_DAY;
    let is_whole = agreed.hours.begin_of(call.first)? == begin && call.end() <= (day + 1).saturating_mul(HOURS_A_DAY);
    let is_ahead = begin.0 >= now.0.saturating_add(agreed.notice_ms) && begin >= now;
    let has_room = kept.open.hours == 0 && kept.called < agreed.calls && day <= agreed.last_day;
    if !is_whole
        || !is_ahead
        || !has_room
        || call.hours == 0
        || call.hours > agreed.hours_a_call
        || !agreed.counts(day)?
    {
        return Err(Fault::COMMAND);
    }

    kept.called += 1;
    kept.open = call;
    kept.days.retain(|called| called.saturating_add(DAYS_KEPT) >= day);
    if !kept.days.contains(&day) {
        kept.days.push(day);
    }
    Ok(vec![Effect::Schedule(call.settles(agreed)?)])
}

/// What would have been taken in each hour of a call; none if too few days before it count.
fn baseline(agreed: &Agreed, kept: &Kept, series: &Series, call: Call) -> Result<Option<Vec<Quantity>>, Fault> {
    let day = call.first / HOURS_A_DAY;
    let oldest = kept.since.max(day.saturating_sub(DAYS_KEPT - 1));
    // With the load in the hours of the call, the last day first.
    let mut days: Vec<(Quantity, u64)> = Vec::new();
    for other in (oldest..day).rev() {
        let first = call.first - (day - other) * HOURS_A_DAY;
        let is_read = series.until() >= agreed.hours.begin_of(first.saturating_add(call.hours))?;
        // What was forgotten is no day without load.
        let is_kept = first >= series.first();
        if is_kept && is_read && !kept.days.contains(&other) && agreed.counts(other)? {
            let load = (0..call.hours).try_fold(Quantity::ZERO, |sum, hour| sum.plus(series.get(first + hour)))?;
            days.push((load, first));
        }
        if days.len() as u64 == agreed.looked_at {
            break;
        }
    }
    if (days.len() as u64) < agreed.looked_at {
        return Ok(None);
    }
    // Of days with the same load the later one.
    days.sort_by(|one, other| other.cmp(one));
    days.truncate(agreed.taken as usize);
    let mean = |hour| {
        let sum = days.iter().try_fold(Quantity::ZERO, |sum, (_, first)| sum.plus(series.get(first + hour)))?;
        sum.share(1, agreed.taken)
    };
    (0..call.hours).map(mean).collect::<Result<Vec<Quantity>, Fault>>().map(Some)
}

/// What the load stayed below the baseline, hour by hour; an hour that is not read to its end sheds nothing.
fn shed(agreed: &Agreed, series: &Series, call: Call, baseline: &[Quantity]) -> Result<Quantity, Fault> {
    let mut shed = Quantity::ZERO;
    for (hour, expected) in (call.first..).zip(baseline) {
        if series.until() >= agreed.hours.window(hour)?.to {
            shed = shed.plus(expected.less(series.get(hour)))?;
        }
    }
    Ok(shed)
}

/// What a call comes to.
fn line_of(agreed: &Agreed, kept: &Kept, series: &Series, call: Call) -> Result<Line, Fault> {
    let period = call.window(agreed)?;
    let line = |clause, quantity, price: Option<Price>, from, to| -> Result<Line, Fault> {
        let amount = price.map_or(Ok(Money::ZERO), |price| price.of(quantity))?;
        Ok(Line { clause, period, carrier: Some(Carrier::Electricity), quantity, price, from, to, amount })
    };
    let Some(baseline) = baseline(agreed, kept, series, call)? else {
        return line(CLAUSE_NO_BASELINE, Quantity::ZERO, None, Party::OWNER, Party::USER);
    };
    let shed = shed(agreed, series, call, &baseline)?;
    let committed = agreed.committed.0.checked_mul(call.hours).map(Quantity).ok_or(Fault::OVERFLOW)?;
    if shed >= committed.part(agreed.least_permille, 1_000)? {
        let counted = shed.min(committed.part(agreed.most_permille, 1_000)?);
        line(CLAUSE_BONUS, counted, Some(agreed.bonus), Party::OWNER, Party::USER)
    } else {
        line(CLAUSE_PENALTY, committed.less(shed), Some(agreed.penalty), Party::USER, Party::OWNER)
    }
}

/// Settles the open call, and ends the contract when its time is over.
fn settle(agreed: &Agreed, kept: &mut Kept, input: &Input) -> Result<Vec<Effect>, Fault> {
    let series = Series::of_meter(input, METER)?;
    let ends = agreed.days.settles(agreed.last_day)?;
    let is_end = input.facts.now >= ends;
    let mut lines = Vec::new();
    let mut period = agreed.days.window(agreed.last_day)?;
    if kept.open.hours > 0 {
        period = kept.open.window(agreed)?;
        lines.push(line_of(agreed, kept, &series, kept.open)?);
        kept.open.hours = 0;
    }
    let mut account = Account { one: Party::OWNER, other: Party::USER, owed: kept.owed };
    let mut effects = account.settle(input, &mut lines, (CLAUSE_CARRIED, period), is_end)?;
    kept.owed = account.owed;
    if !lines.is_empty() || !effects.is_empty() {
        let closing = if is_end { Closing::End } else { Closing::Period };
        effects.push(Effect::Issue(Statement { closing, period, lines, substituted: false }));
    }
    if is_end {
        input.finish(&mut effects, account.is_open())?;
    } else {
        effects.push(Effect::Schedule(ends));
    }
    Ok(effects)
}

contract!(InterruptibleLoad);
