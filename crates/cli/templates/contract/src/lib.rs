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

/// What the contract remembers: the period that is settled next, and what was taken in it and in the one that runs already; once all
/// are settled, what the last one was settled with, and what has come since. What was put right can be less than nothing.
#[derive(Default)]
struct Kept {
    period: u64,
    taken: [i64; 2],
}

impl Kept {
    fn of(head: &[u8]) -> Result<Self, Fault> {
        if head.is_empty() {
            return Ok(Self::default());
        }
        let mut read = Parameters::new(head);
        let kept = Self { period: read.number()?, taken: [read.integer()?, read.integer()?] };
        read.end()?;
        Ok(kept)
    }

    fn head(&self) -> Vec<u8> {
        bytes_of([self.period as i64, self.taken[0], self.taken[1]])
    }

    /// Whether all periods are settled.
    fn is_over(&self, agreed: &Agreed) -> bool {
        self.period > 0 && agreed.periods.is_last(self.period - 1)
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
                let mut effects = took(&agreed, &mut kept, &input, segment, Quantity::ZERO)?;
                // Past the last period the meter serves no more.
                let next = agreed.periods.mark_after(segment.interval.to)?;
                effects.extend(next.map(|next| Effect::Mark(METER, Some(next))));
                effects
            }
            // What a purchase gives back can be of a time that the meter has long passed.
            Event::Returned(METER, segment) => took(&agreed, &mut kept, &input, segment, Quantity::ZERO)?,
            // So can what the meter's operator puts right.
            Event::Corrected(METER, more, less) => took(&agreed, &mut kept, &input, more, total(less)?)?,
            Event::Due => settle(&agreed, &mut kept, &input)?,
            Event::Ending(_, true) => vec![Effect::EndBinding(METER, input.facts.now), Effect::Finish(End::Terminated)],
            Event::Ending(_, false) | Event::EndingWithdrawn(_) => Vec::new(),
            _ => return Err(Fault::UNEXPECTED),
        };
        Ok(Done { head: Some(kept.head()), effects, ..Done::default() })
    }
}

/// What was taken, or was not after all, counts in the period that is settled next or in the one that runs already: each period begins
/// with a mark. So what is of a settled period counts in the next one; what comes after the last, a day later in a supplement.
fn took(agreed: &Agreed, kept: &mut Kept, input: &Input, more: &Segment, less: Quantity) -> Result<Vec<Effect>, Fault> {
    let is_over = kept.is_over(agreed);
    let place = usize::from(is_over || more.interval.from >= agreed.periods.begin_of(kept.period + 1)?);
    let change = signed(total(&more.bands)?)? - signed(less)?;
    kept.taken[place] = kept.taken[place].checked_add(change).ok_or(Fault::OVERFLOW)?;
    let supplement = Effect::Schedule(Time(input.facts.now.0 + DAY_MS));
    Ok(if is_over { vec![supplement] } else { Vec::new() })
}

/// A quantity that may be less than nothing.
fn signed(quantity: Quantity) -> Result<i64, Fault> {
    i64::try_from(quantity.0).map_err(|_| Fault::OVERFLOW)
}

/// Settles the period, or after the last one what has come since: what the user is to pay for it anew, less what its statement was for.
fn settle(agreed: &Agreed, kept: &mut Kept, input: &Input) -> Result<Vec<Effect>, Fault> {
    let is_over = kept.is_over(agreed);
    let number = kept.period - u64::from(is_over);
    let (period, is_last) = (agreed.periods.window(number)?, agreed.periods.is_last(number));
    let least = signed(agreed.least)?;
    let missing = |taken: i64| least - taken.clamp(0, least);
    let (quantities, closing) = match (is_over, is_last) {
        // It was taken back since.
        (true, _) if kept.taken[1] == 0 => return Ok(Vec::new()),
        (true, _) => {
            let [before, since] = kept.taken;
            let now = before.checked_add(since).ok_or(Fault::OVERFLOW)?;
            *kept = Kept { taken: [now, 0], ..*kept };
            ([since, missing(now) - missing(before)], Closing::Supplement)
        }
        (false, true) => {
            let taken = kept.taken[0];
            *kept = Kept { period: number + 1, taken: [taken, 0] };
            ([taken, missing(taken)], Closing::End)
        }
        (false, false) => {
            // What is less than nothing waits for the next period.
            let [taken, next] = [kept.taken[0].max(0), kept.taken[1] + kept.taken[0].min(0)];
            *kept = Kept { period: number + 1, taken: [next, 0] };
            ([taken, missing(taken)], Closing::Period)
        }
    };

    let mut lines = Vec::new();
    let mut due = 0;
    for (clause, quantity) in (0..).zip(quantities).filter(|(clause, quantity)| *clause == 0 || *quantity != 0) {
        let (from, to) = payer_and_payee(quantity);
        let quantity = Quantity(quantity.unsigned_abs());
        let amount = agreed.price.of(quantity)?;
        due += if from == Party::USER { i128::from(amount.0) } else { -i128::from(amount.0) };
        let (carrier, price) = (Some(Carrier::Electricity), Some(agreed.price));
        lines.push(Line { clause, period, carrier, quantity, price, from, to, amount });
    }
    // What the user cannot pay it owes. The owner gives back all of it: while it cannot, this fails and is tried again.
    let due = i64::try_from(due).map_err(|_| Fault::OVERFLOW)?;
    let (from, to) = payer_and_payee(due);
    let amount = Money(due.unsigned_abs());
    let paid = if from == Party::USER { amount.min(input.available(from)) } else { amount };
    let owed = amount.less(paid);
    let mut effects = vec![Effect::Pay { from, source: Source::Allowance, to, amount: paid }];
    if owed > Money::ZERO {
        effects.push(Effect::Owe(owed));
    }
    effects.push(Effect::Issue(Statement { closing, period, lines, substituted: false }));
    let owes = owed > Money::ZERO || input.facts.debt > Money::ZERO;
    effects.push(match is_last {
        true => Effect::Finish(if owes { End::Defaulted } else { End::Settled }),
        false => Effect::Schedule(agreed.periods.settles(kept.period)?),
    });
    Ok(effects)
}

/// Who pays for so much, and whom: the owner gives back what is less than nothing.
fn payer_and_payee(signed: i64) -> (Party, Party) {
    if signed < 0 { (Party::OWNER, Party::USER) } else { (Party::USER, Party::OWNER) }
}

contract!(Contract);
