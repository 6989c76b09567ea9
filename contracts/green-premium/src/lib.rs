//! A premium on certified renewable volume, on top of a reference price.
//!
//! The owner supplies the user, and has a renewable plant. Meters: the plant's (the owner's) first, then the user's. For a
//! period:
//!
//! * all that the user takes costs the reference price (clause 0), which the named party brings by a command for each period;
//!   where none has come, the one before it counts;
//! * `certified = the smallest of what is wanted and what both meters show at the same time`, interval by interval; it costs
//!   the premium besides (clause 1);
//! * the owner guarantees a certified volume, or all that the user takes if that is less. For what is missing it pays a
//!   compensation (clause 2).
//!
//! What comes of periods that are settled, late or by a correction, counts in the first interval of the period settled next; what
//! is less than nothing of that, in the next one. At the end what the user was charged too much is paid back at the reference
//! price; certified volume stays as it was settled.
//!
//! What cannot be paid is carried to the next statement (clause 3).

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{vec, vec::Vec};
use utilidor_program_sdk::*;

const PLANT: Meter = Meter(0);
const TAKEN: Meter = Meter(1);
/// Most intervals of a period and its grace time, so that the slots hold what runs already as well.
const MAX_INTERVALS: u64 = 240;

const CLAUSE_ENERGY: u16 = 0;
const CLAUSE_PREMIUM: u16 = 1;
const CLAUSE_COMPENSATION: u16 = 2;
const CLAUSE_CARRIED: u16 = 3;

/// The contract.
pub struct GreenPremium;

/// What the parties have agreed.
struct Agreed {
    carrier: Carrier,
    periods: Periods,
    intervals: Grid,
    /// Intervals of a period.
    each: u64,
    /// Who brings the reference price, and the one that counts at first.
    publisher: Party,
    reference: i64,
    premium: i64,
    /// Certified volume of a period: at most, and at least.
    wanted: Quantity,
    guaranteed: Quantity,
    compensation: i64,
    guarantees: [Money; 2],
}

impl Agreed {
    fn of(input: &Input) -> Result<Self, Fault> {
        let mut read = Parameters::new(&input.terms.parameters);
        let periods = Periods::new(read.time()?, read.number()?, read.number()?, read.number()?)?;
        let (intervals, each) = periods.divide(read.number()?, MAX_INTERVALS)?;
        let publisher = u8::try_from(read.number()?).map_err(|_| Fault::PARAMETERS)?;
        let (reference, premium) = (read.integer()?, read.integer()?);
        let (wanted, guaranteed) = (read.quantity()?, read.quantity()?);
        let compensation = read.integer()?;
        let guarantees = [read.money()?, read.money()?];
        read.end()?;

        let [plant, taken] = &*input.terms.meters else { return Err(Fault::PARAMETERS) };
        let is_metered = (plant.party, taken.party) == (Party::OWNER, Party::USER)
            && plant.carrier == taken.carrier
            && (plant.fills, taken.fills) == (None, None);
        let is_sound = publisher < input.terms.parties && premium >= 0 && compensation >= 0 && guaranteed <= wanted;
        if !is_metered || !is_sound {
            return Err(Fault::PARAMETERS);
        }
        let (carrier, publisher) = (plant.carrier, Party(publisher));
        Ok(Self {
            carrier,
            periods,
            intervals,
            each,
            publisher,
            reference,
            premium,
            wanted,
            guaranteed,
            compensation,
            guarantees,
        })
    }
}

/// What the contract remembers besides what the meters have shown, which stands in their slots.
struct Kept {
    /// The period that is settled next.
    period: u64,
    /// What the user owes the owner; below zero the other way round.
    owed: i64,
    references: Values,
}

impl Kept {
    fn of(head: &[u8], agreed: &Agreed) -> Result<Self, Fault> {
        if head.is_empty() {
            return Ok(Self { period: 0, owed: 0, references: Values::new(agreed.reference) });
        }
        let mut read = Parameters::new(head);
        let kept = Self { period: read.number()?, owed: read.integer()?, references: Values::of(&mut read)? };
        read.end()?;
        Ok(kept)
    }

    fn head(&self) -> Vec<u8> {
        bytes_of([self.period as i64, self.owed].into_iter().chain(self.references.numbers()))
    }
}

impl Program for GreenPremium {
    fn act(input: Input) -> Result<Done, Fault> {
        let agreed = Agreed::of(&input)?;
        if let Some(done) = Series::keep(&input, agreed.intervals, agreed.periods.end()?, u64::MAX)? {
            return Ok(done);
        }
        let mut kept = Kept::of(&input.state.head, &agreed)?;
        let mut slots = Vec::new();
        let effects = match &input.event {
            Event::Signed => sign(&agreed, input.facts.now)?,
            Event::Command(by, bytes) if *by == agreed.publisher => {
                let periods = agreed.periods.grid().part_of(agreed.periods.end()?);
                kept.references.bring(bytes, periods)?;
                Vec::new()
            }
            Event::Command(..) => return Err(Fault::COMMAND),
            Event::Due => settle(&agreed, &mut kept, &input, &mut slots)?,
            // Another one's wish would count as that of the other side.
            Event::Ending(Some(by), _) if *by > Party::USER => return Err(Fault::COMMAND),
            Event::Ending(Some(_), true) => input.end_early()?,
            Event::Ending(..) | Event::EndingWithdrawn(_) => Vec::new(),
            _ => return Err(Fault::UNEXPECTED),
        };
        Ok(Done { head: Some(kept.head()), slots, effects })
    }
}

fn sign(agreed: &Agreed, now: Time) -> Result<Vec<Effect>, Fault> {
    let mark = agreed.intervals.mark_after(now.max(agreed.periods.begin()), agreed.periods.end()?)?;
    let mut effects = vec![
        Effect::Reserve(Party::OWNER, Purpose::Guarantee, agreed.guarantees[0]),
        Effect::Reserve(Party::USER, Purpose::Guarantee, agreed.guarantees[1]),
    ];
    effects.extend([PLANT, TAKEN].into_iter().flat_map(|meter| [Effect::Bind(meter), Effect::Mark(meter, mark)]));
    effects.push(Effect::Schedule(agreed.periods.settles(0)?));
    Ok(effects)
}

/// What the user takes in so many intervals from one on, and what of it the plant brings at the same time.
fn taken_and_matched(series: &[Series; 2], first: u64, each: u64) -> Result<(Quantity, Quantity), Fault> {
    let [plant, taken] = series;
    let intervals = first..first.saturating_add(each);
    intervals.into_iter().try_fold((Quantity::ZERO, Quantity::ZERO), |(all, matched), interval| {
        let one = taken.get(interval);
        Ok((all.plus(one)?, matched.plus(one.min(plant.get(interval)))?))
    })
}

fn settle(
    agreed: &Agreed,
    kept: &mut Kept,
    input: &Input,
    slots: &mut Vec<(u8, Option<Vec<u8>>)>,
) -> Result<Vec<Effect>, Fault> {
    let period = agreed.periods.window(kept.period)?;
    let is_last = agreed.periods.is_last(kept.period);
    let first = agreed.intervals.part_of(period.from);
    let mut series = [Series::of_meter(input, PLANT)?, Series::of_meter(input, TAKEN)?];
    for series in &mut series {
        series.count_late(first, agreed.each)?;
    }
    let (taken, matched) = taken_and_matched(&series, first, agreed.each)?;
    let certified = matched.min(agreed.wanted);
    let missing = agreed.guaranteed.min(taken).less(certified);

    let unit = agreed.carrier.price_unit();
    let line = |clause, quantity, price: i64| {
        let (from, to) = (Party::USER, Party::OWNER);
        let carrier = Some(agreed.carrier);
        let line = Line { clause, period, carrier, quantity, price: None, from, to, amount: Money::ZERO };
        line.at(price, unit)
    };
    let mut lines = vec![
        line(CLAUSE_ENERGY, taken, kept.references.get(kept.period))?,
        line(CLAUSE_PREMIUM, certified, agreed.premium)?,
    ];
    if missing > Quantity::ZERO {
        lines.push(line(CLAUSE_COMPENSATION, missing, agreed.compensation.saturating_neg())?);
    }
    if is_last && series[1].late() < 0 {
        let quantity = Quantity(series[1].late().unsigned_abs());
        let line = line(CLAUSE_ENERGY, quantity, kept.references.get(kept.period))?;
        lines.push(Line { from: line.to, to: line.from, ..line });
    }
    let mut account = Account { one: Party::USER, other: Party::OWNER, owed: kept.owed };
    let mut effects = account.settle(input, &mut lines, (CLAUSE_CARRIED, period), is_last)?;
    kept.owed = account.owed;
    let closing = if is_last { Closing::End } else { Closing::Period };
    effects.push(Effect::Issue(Statement { closing, period, lines, substituted: false }));

    for (meter, series) in [PLANT, TAKEN].into_iter().zip(&mut series) {
        series.forget_before(first.saturating_add(agreed.each));
        slots.push((meter.0, Some(series.slot())));
    }
    kept.period += 1;
    kept.references.forget_before(kept.period);
    if is_last {
        input.finish(&mut effects, account.is_open())?;
    } else {
        effects.push(Effect::Schedule(agreed.periods.settles(kept.period)?));
    }
    Ok(effects)
}

contract!(GreenPremium);
