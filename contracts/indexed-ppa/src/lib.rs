//! Power at the price of an index, between a floor and a cap.
//!
//! The user takes all that the plant brings (the first meter), at a price for each interval:
//!
//! * `price = index x factor + margin`, at least the floor and at most the cap (clause 0);
//! * where the index is below zero, by what has been agreed: the price stays what it is, or it is lowered by as much, and may
//!   then be below zero, so that the owner pays (clause 1), or nothing is paid (clause 2).
//!
//! The contract is told no index of the ledger. The named party brings the values by commands, for one interval or for several; it may
//! bring a value again until the interval's period is settled. Where none has come, the one before it counts.
//!
//! What comes of periods that are settled, late or by a correction, counts in the first interval of the period settled next; what
//! is less than nothing of that, in the next one. At the end it is paid back, at the price of the last period's first interval that
//! has one, else at the last price that was charged. What comes after the last statement is not settled.
//!
//! What cannot be paid is carried to the next statement (clause 3).

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{vec, vec::Vec};
use utilidor_program_sdk::*;

const PLANT: Meter = Meter(0);
/// Most intervals of a period and its grace time: there is room for the values of two such periods.
const MAX_INTERVALS: u64 = 48;

const CLAUSE_POWER: u16 = 0;
const CLAUSE_BELOW_ZERO: u16 = 1;
const CLAUSE_UNPAID: u16 = 2;
const CLAUSE_CARRIED: u16 = 3;

/// The contract.
pub struct IndexedPpa;

/// What becomes of the price where the index is below zero.
#[derive(Clone, Copy)]
enum BelowZero {
    Stays,
    Lowered,
    Unpaid,
}

impl BelowZero {
    fn of(number: u64) -> Result<Self, Fault> {
        Ok(match number {
            0 => Self::Stays,
            1 => Self::Lowered,
            2 => Self::Unpaid,
            _ => return Err(Fault::PARAMETERS),
        })
    }
}

/// What the parties have agreed.
struct Agreed {
    carrier: Carrier,
    periods: Periods,
    intervals: Grid,
    /// Intervals of a period.
    each: u64,
    /// Who brings the index, and the value that counts at first.
    publisher: Party,
    index: i64,
    factor_permille: u64,
    margin: i64,
    floor: i64,
    cap: i64,
    below_zero: BelowZero,
    guarantees: [Money; 2],
}

impl Agreed {
    fn of(input: &Input) -> Result<Self, Fault> {
        let mut read = Parameters::new(&input.terms.parameters);
        let periods = Periods::new(read.time()?, read.number()?, read.number()?, read.number()?)?;
        let (intervals, each) = periods.divide(read.number()?, MAX_INTERVALS)?;
        let publisher = u8::try_from(read.number()?).map_err(|_| Fault::PARAMETERS)?;
        let (index, factor_permille, margin) = (read.integer()?, read.number()?, read.integer()?);
        let (floor, cap) = (read.integer()?, read.integer()?);
        let below_zero = BelowZero::of(read.number()?)?;
        let guarantees = [read.money()?, read.money()?];
        read.end()?;

        let plant = input.terms.meters.first().ok_or(Fault::PARAMETERS)?;
        let is_metered = plant.party == Party::OWNER && plant.fills.is_none();
        if !is_metered || floor > cap || publisher >= input.terms.parties {
            return Err(Fault::PARAMETERS);
        }
        let (carrier, publisher) = (plant.carrier, Party(publisher));
        Ok(Self {
            carrier,
            periods,
            intervals,
            each,
            publisher,
            index,
            factor_permille,
            margin,
            floor,
            cap,
            below_zero,
            guarantees,
        })
    }

    /// The price at an index, half to even; none where nothing is paid.
    fn price_at(&self, index: i64) -> Result<Option<i64>, Fault> {
        let part = math::share_half_even(index.unsigned_abs(), self.factor_permille, 1_000).ok_or(Fault::OVERFLOW)?;
        let part = i64::try_from(part).map_err(|_| Fault::OVERFLOW)?;
        let part = if index < 0 { -part } else { part };
        // A price that leaves its range is beyond the floor or the cap anyway.
        let price = part.saturating_add(self.margin).clamp(self.floor, self.cap);
        Ok(match self.below_zero {
            BelowZero::Unpaid if index < 0 => None,
            BelowZero::Lowered if index < 0 => Some(price.saturating_add(index)),
            _ => Some(price),
        })
    }
}

/// What the contract remembers besides what the plant has brought, which stands in its slot.
struct Kept {
    /// The period that is settled next.
    period: u64,
    /// What the user owes the owner; below zero the other way round.
    owed: i64,
    /// The last price that something was charged at.
    charged: i64,
    index: Values,
}

impl Kept {
    fn of(head: &[u8], agreed: &Agreed) -> Result<Self, Fault> {
        if head.is_empty() {
            return Ok(Self { period: 0, owed: 0, charged: 0, index: Values::new(agreed.index) });
        }
        let mut read = Parameters::new(head);
        let (period, owed, charged) = (read.number()?, read.integer()?, read.integer()?);
        let kept = Self { period, owed, charged, index: Values::of(&mut read)? };
        read.end()?;
        Ok(kept)
    }

    fn head(&self) -> Vec<u8> {
        bytes_of([self.period as i64, self.owed, self.charged].into_iter().chain(self.index.numbers()))
    }
}

impl Program for IndexedPpa {
    fn act(input: Input) -> Result<Done, Fault> {
        let agreed = Agreed::of(&input)?;
        let end = agreed.periods.end()?;
        if let Some(done) = Series::keep(&input, agreed.intervals, end, u64::MAX)? {
            return Ok(done);
        }
        let mut kept = Kept::of(&input.state.head, &agreed)?;
        let mut slots = Vec::new();
        let effects = match &input.event {
            Event::Signed => {
                let from = input.facts.now.max(agreed.periods.begin());
                vec![
                    Effect::Reserve(Party::OWNER, Purpose::Guarantee, agreed.guarantees[0]),
                    Effect::Reserve(Party::USER, Purpose::Guarantee, agreed.guarantees[1]),
                    Effect::Bind(PLANT),
                    Effect::Mark(PLANT, agreed.intervals.mark_after(from, end)?),
                    Effect::Schedule(agreed.periods.settles(0)?),
                ]
            }
            Event::Command(by, bytes) if *by == agreed.publisher => {
                kept.index.bring(bytes, agreed.intervals.part_of(end))?;
                Vec::new()
            }
            Event::Command(..) => return Err(Fault::COMMAND),
            Event::Due => {
                let (effects, series) = settle(&agreed, &mut kept, &input)?;
                slots.push((PLANT.0, Some(series.slot())));
                effects
            }
            // Another one's wish would count as that of the other side.
            Event::Ending(Some(by), _) if *by > Party::USER => return Err(Fault::COMMAND),
            Event::Ending(Some(_), true) => input.end_early()?,
            Event::Ending(..) | Event::EndingWithdrawn(_) => Vec::new(),
            _ => return Err(Fault::UNEXPECTED),
        };
        Ok(Done { head: Some(kept.head()), slots, effects })
    }
}

/// A line for each interval in which something was brought. The last price that is charged is kept.
fn lines_of(agreed: &Agreed, kept: &mut Kept, series: &Series, first: u64) -> Result<Vec<Line>, Fault> {
    let mut lines = Vec::new();
    for interval in first..first.saturating_add(agreed.each) {
        let quantity = series.get(interval);
        if quantity == Quantity::ZERO {
            continue;
        }
        let price = agreed.price_at(kept.index.get(interval))?;
        kept.charged = price.unwrap_or(kept.charged);
        lines.push(line_at(agreed, interval, quantity, price)?);
    }
    Ok(lines)
}

/// What is paid back in the end costs what the first of the last period's intervals with a price does, else what was charged last.
fn price_back(agreed: &Agreed, kept: &Kept, first: u64) -> Result<i64, Fault> {
    for interval in first..first.saturating_add(agreed.each) {
        if let Some(price) = agreed.price_at(kept.index.get(interval))? {
            return Ok(price);
        }
    }
    Ok(kept.charged)
}

/// What a quantity costs in an interval at a price; nothing where there is none.
fn line_at(agreed: &Agreed, interval: u64, quantity: Quantity, price: Option<i64>) -> Result<Line, Fault> {
    let line = Line {
        clause: CLAUSE_UNPAID,
        period: agreed.intervals.window(interval)?,
        carrier: Some(agreed.carrier),
        quantity,
        price: None,
        from: Party::USER,
        to: Party::OWNER,
        amount: Money::ZERO,
    };
    match price {
        None => Ok(line),
        Some(price) => {
            let clause = if price < 0 { CLAUSE_BELOW_ZERO } else { CLAUSE_POWER };
            Line { clause, ..line }.at(price, agreed.carrier.price_unit())
        }
    }
}

fn settle(agreed: &Agreed, kept: &mut Kept, input: &Input) -> Result<(Vec<Effect>, Series), Fault> {
    let period = agreed.periods.window(kept.period)?;
    let is_last = agreed.periods.is_last(kept.period);
    let first = agreed.intervals.part_of(period.from);
    let mut series = Series::of_meter(input, PLANT)?;
    series.count_late(first, agreed.each)?;
    let mut lines = lines_of(agreed, kept, &series, first)?;
    if is_last && series.late() < 0 {
        let price = price_back(agreed, kept, first)?;
        let line = line_at(agreed, first, Quantity(series.late().unsigned_abs()), Some(price))?;
        lines.push(Line { from: line.to, to: line.from, ..line });
    }
    let mut account = Account { one: Party::USER, other: Party::OWNER, owed: kept.owed };
    let mut effects = account.settle(input, &mut lines, (CLAUSE_CARRIED, period), is_last)?;
    kept.owed = account.owed;
    let closing = if is_last { Closing::End } else { Closing::Period };
    effects.push(Effect::Issue(Statement { closing, period, lines, substituted: false }));

    let next = first.saturating_add(agreed.each);
    series.forget_before(next);
    kept.index.forget_before(next);
    kept.period += 1;
    if is_last {
        input.finish(&mut effects, account.is_open())?;
    } else {
        effects.push(Effect::Schedule(agreed.periods.settles(kept.period)?));
    }
    Ok((effects, series))
}

contract!(IndexedPpa);
