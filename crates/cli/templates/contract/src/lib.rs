//! A fixed price with a least quantity.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{vec, vec::Vec};
use utilidor_program_sdk::*;

/// The first meter in the terms.
const METER: Meter = Meter(0);
/// A period is settled so long after its end, so that late readings are in it.
const GRACE_MS: u64 = 6 * HOUR_MS;

/// The contract.
pub struct Contract;

/// What the parties have agreed, in the order of the manifest.
struct Agreed {
    price: Price,
    least: Quantity,
    periods: Periods,
}

impl Agreed {
    fn of(input: &Input) -> Result<Self, Fault> {
        let mut read = Parameters::new(&input.terms.parameters);
        let (price, least) = (read.price(PriceUnit::KilowattHour)?, read.quantity()?);
        let periods = Periods::new(read.time()?, read.number()?, read.number()?, GRACE_MS)?;
        read.end()?;
        // A meter that fills brings no segments, and only two periods are open at a time.
        let is_metered = input.terms.meters.first().is_some_and(|meter| {
            meter.carrier == Carrier::Electricity && meter.fills.is_none()
        });
        if !is_metered || periods.period_ms() < GRACE_MS {
            return Err(Fault::PARAMETERS);
        }
        Ok(Self { price, least, periods })
    }
}

/// What the contract remembers: the period that is settled next, and what was taken in it and in the one that runs already.
#[derive(Default)]
struct Kept {
    period: u64,
    taken: [Quantity; 2],
}

impl Kept {
    fn of(head: &[u8]) -> Result<Self, Fault> {
        if head.is_empty() {
            return Ok(Self::default());
        }
        let mut read = Parameters::new(head);
        let kept = Self { period: read.number()?, taken: [read.quantity()?, read.quantity()?] };
        read.end()?;
        Ok(kept)
    }

    fn head(&self) -> Vec<u8> {
        [self.period, self.taken[0].0, self.taken[1].0].into_iter().flat_map(u64::to_le_bytes).collect()
    }
}

impl Program for Contract {
    fn act(input: Input) -> Result<Done, Fault> {
        let agreed = Agreed::of(&input)?;
        let mut kept = Kept::of(&input.state.head)?;
        let effects = match &input.event {
            Event::Signed => vec![
                Effect::Bind(METER),
                Effect::Mark(METER, Some(agreed.periods.begin_of(1)?)),
                Effect::Schedule(agreed.periods.settles(0)?),
            ],
            Event::Segment(METER, segment) => {
                took(&agreed, &mut kept, segment)?;
                // Past the last period the meter serves no more.
                let next = agreed.periods.mark_after(segment.interval.to)?;
                next.map(|next| Effect::Mark(METER, Some(next))).into_iter().collect()
            }
            // What a purchase gives back can be of a time that the meter has long passed.
            Event::Returned(METER, segment) => took(&agreed, &mut kept, segment).map(|_| Vec::new())?,
            // So can what the meter's operator puts right. Of a period that is settled it counts in the next one.
            Event::Corrected(METER, more, less) => {
                let place = took(&agreed, &mut kept, more)?;
                kept.taken[place] = kept.taken[place].less(total(less)?);
                Vec::new()
            }
            Event::Due => settle(&agreed, &mut kept, &input)?,
            Event::Ending(_, true) => vec![Effect::EndBinding(METER, input.facts.now), Effect::Finish(End::Terminated)],
            Event::Ending(_, false) | Event::EndingWithdrawn(_) => Vec::new(),
            _ => return Err(Fault::UNEXPECTED),
        };
        Ok(Done { head: Some(kept.head()), effects, ..Done::default() })
    }
}

/// What was taken, in the period that is settled next or in the one that runs already: each period begins with a mark. Gives which.
fn took(agreed: &Agreed, kept: &mut Kept, segment: &Segment) -> Result<usize, Fault> {
    let place = usize::from(segment.interval.from >= agreed.periods.begin_of(kept.period + 1)?);
    kept.taken[place] = kept.taken[place].plus(total(&segment.bands)?)?;
    Ok(place)
}

fn settle(agreed: &Agreed, kept: &mut Kept, input: &Input) -> Result<Vec<Effect>, Fault> {
    let period = agreed.periods.window(kept.period)?;
    let taken = kept.taken[0];
    let line = |clause, quantity: Quantity| -> Result<Line, Fault> {
        Ok(Line {
            clause,
            period,
            carrier: Some(Carrier::Electricity),
            quantity,
            price: Some(agreed.price),
            from: Party::USER,
            to: Party::OWNER,
            amount: agreed.price.of(quantity)?,
        })
    };
    let mut lines = vec![line(0, taken)?];
    let missing = agreed.least.less(taken);
    if missing > Quantity::ZERO {
        lines.push(line(1, missing)?);
    }
    let due = lines.iter().try_fold(Money::ZERO, |sum, line| sum.plus(line.amount))?;
    let paid = due.min(input.available(Party::USER));
    let owed = due.less(paid);
    let is_last = agreed.periods.is_last(kept.period);

    let mut effects = vec![
        Effect::Pay { from: Party::USER, source: Source::Allowance, to: Party::OWNER, amount: paid },
        Effect::Owe(owed),
        Effect::Issue(Statement {
            closing: if is_last { Closing::End } else { Closing::Period },
            period,
            lines,
            substituted: false,
        }),
    ];
    *kept = Kept { period: kept.period + 1, taken: [kept.taken[1], Quantity::ZERO] };
    effects.push(match is_last {
        true => Effect::Finish(if owed > Money::ZERO { End::Defaulted } else { End::Settled }),
        false => Effect::Schedule(agreed.periods.settles(kept.period)?),
    });
    Ok(effects)
}

contract!(Contract);
