//! Take or pay, with make-up.
//!
//! The user pays for a minimum quantity in each period whether it takes it or not. What it has paid and not taken it may take
//! later, beyond the minimum of a later period, without paying again, for some periods. Days of force majeure that both sides
//! confirm lower the minimum in proportion.
//!
//! For a period, with `minimum = agreed minimum x (days - days of force majeure) / days`, rounded down:
//!
//! * `made_up = the smaller of taken - minimum and what is banked`, oldest first (clause 2);
//! * `deficiency = minimum - taken` is paid and banked (clause 1);
//! * `taken - made_up` is paid (clause 0).
//!
//! What cannot be paid at once is owed.

#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use alloc::{vec, vec::Vec};
use utilidor_program_sdk::*;

const METER: Meter = Meter(0);
/// Most deficiencies that are banked at a time.
const MAX_BANKED: usize = 16;
/// A command that confirms days of force majeure of the present period begins so; their number follows.
const FORCE_MAJEURE: u8 = 1;

const CLAUSE_TAKEN: u16 = 0;
const CLAUSE_DEFICIENCY: u16 = 1;
const CLAUSE_MADE_UP: u16 = 2;
const CLAUSE_BEYOND_GRANT: u16 = 3;

/// The contract.
pub struct TakeOrPay;

/// What the parties have agreed.
struct Agreed {
    price: Price,
    minimum: Quantity,
    periods: Periods,
    make_up_periods: u64,
    guarantee: Money,
}

impl Agreed {
    fn of(input: &Input) -> Result<Self, Fault> {
        let meter = input.terms.meters.first().ok_or(Fault::PARAMETERS)?;
        let carrier = meter.carrier;
        let mut read = Parameters::new(&input.terms.parameters);
        let (price, minimum) = (read.price(carrier.price_unit())?, read.quantity()?);
        let (begin, period_ms, periods) = (read.time()?, read.number()?, read.number()?);
        let (make_up_periods, grace_ms, guarantee) = (read.number()?, read.number()?, read.money()?);
        read.end()?;
        // A meter that fills brings no segments, and only two periods are open at a time.
        let is_metered = meter.fills.is_none() && input.terms.parties == 2;
        if !is_metered || !period_ms.is_multiple_of(DAY_MS) || (periods > 1 && grace_ms > period_ms) {
            return Err(Fault::PARAMETERS);
        }
        let periods = Periods::new(begin, period_ms, periods, grace_ms)?;
        Ok(Self { price, minimum, periods, make_up_periods, guarantee })
    }

    fn days(&self) -> u64 {
        self.periods.period_ms() / DAY_MS
    }
}

/// A deficiency that is paid and not taken yet.
struct Banked {
    period: u64,
    left: Quantity,
}

/// What the contract remembers.
#[derive(Default)]
struct Kept {
    /// The period that is settled next.
    period: u64,
    /// Taken in it, and in the one that runs already.
    taken: [Quantity; 2],
    /// Days of force majeure in it, as each side has said.
    days: [u64; 2],
    banked: Vec<Banked>,
}

impl Kept {
    fn of(head: &[u8]) -> Result<Self, Fault> {
        if head.is_empty() {
            return Ok(Self::default());
        }
        let mut read = Parameters::new(head);
        let mut kept = Self {
            period: read.number()?,
            taken: [read.quantity()?, read.quantity()?],
            days: [read.number()?, read.number()?],
            banked: Vec::new(),
        };
        for _ in 0..read.number()? {
            kept.banked.push(Banked { period: read.number()?, left: read.quantity()? });
        }
        read.end()?;
        Ok(kept)
    }

    fn head(&self) -> Vec<u8> {
        let fixed =
            [self.period, self.taken[0].0, self.taken[1].0, self.days[0], self.days[1], self.banked.len() as u64];
        let banked = self.banked.iter().flat_map(|banked| [banked.period, banked.left.0]);
        fixed.into_iter().chain(banked).flat_map(u64::to_le_bytes).collect()
    }

    /// Days that both sides have confirmed.
    fn force_majeure(&self) -> u64 {
        self.days[0].min(self.days[1])
    }
}

impl Program for TakeOrPay {
    fn act(input: Input) -> Result<Done, Fault> {
        let agreed = Agreed::of(&input)?;
        let mut kept = Kept::of(&input.state.head)?;
        let effects = match &input.event {
            Event::Signed => vec![
                Effect::Reserve(Party::USER, Purpose::Guarantee, agreed.guarantee),
                Effect::Bind(METER),
                Effect::Mark(METER, Some(agreed.periods.begin_of(1)?)),
                Effect::Schedule(agreed.periods.settles(0)?),
            ],
            Event::Segment(METER, segment) => took(&agreed, &mut kept, segment)?,
            Event::Returned(METER, segment) => took(&agreed, &mut kept, segment).map(|_| Vec::new())?,
            Event::Corrected(METER, more, less) => {
                took(&agreed, &mut kept, more)?;
                let place = place_of(&agreed, &kept, more)?;
                kept.taken[place] = kept.taken[place].less(total(less)?);
                Vec::new()
            }
            Event::Command(by, bytes) => {
                confirm(&agreed, &mut kept, *by, bytes)?;
                Vec::new()
            }
            Event::Due => settle(&agreed, &mut kept, &input)?,
            Event::Ending(_, false) | Event::EndingWithdrawn(_) => Vec::new(),
            Event::Ending(_, true) => input.end_early()?,
            _ => return Err(Fault::UNEXPECTED),
        };
        Ok(Done { head: Some(kept.head()), effects, ..Done::default() })
    }
}

/// In which of the two open periods a segment lies.
fn place_of(agreed: &Agreed, kept: &Kept, segment: &Segment) -> Result<usize, Fault> {
    Ok(usize::from(segment.interval.from >= agreed.periods.window(kept.period)?.to))
}

fn took(agreed: &Agreed, kept: &mut Kept, segment: &Segment) -> Result<Vec<Effect>, Fault> {
    let place = place_of(agreed, kept, segment)?;
    kept.taken[place] = kept.taken[place].plus(total(&segment.bands)?)?;
    // Past the last period the meter serves no more.
    let next = agreed.periods.mark_after(segment.interval.to)?;
    Ok(next.map(|next| Effect::Mark(METER, Some(next))).into_iter().collect())
}

/// A side confirms how many days of the present period were days of force majeure.
fn confirm(agreed: &Agreed, kept: &mut Kept, by: Party, bytes: &[u8]) -> Result<(), Fault> {
    let [FORCE_MAJEURE, low, high] = *bytes else { return Err(Fault::COMMAND) };
    let days = u64::from(u16::from_le_bytes([low, high]));
    let side = kept.days.get_mut(usize::from(by.0)).ok_or(Fault::COMMAND)?;
    if days > agreed.days() {
        return Err(Fault::COMMAND);
    }
    *side = days;
    Ok(())
}

/// Takes from what is banked, oldest first.
fn make_up(banked: &mut Vec<Banked>, mut wanted: Quantity) -> Quantity {
    let mut made_up = Quantity::ZERO;
    for one in banked.iter_mut() {
        let part = one.left.min(wanted);
        one.left = one.left.less(part);
        wanted = wanted.less(part);
        made_up = Quantity(made_up.0 + part.0);
    }
    banked.retain(|one| one.left > Quantity::ZERO);
    made_up
}

fn settle(agreed: &Agreed, kept: &mut Kept, input: &Input) -> Result<Vec<Effect>, Fault> {
    let window = agreed.periods.window(kept.period)?;
    let taken = kept.taken[0];
    let days = agreed.days();
    let minimum = agreed.minimum.part(days - kept.force_majeure(), days)?;
    let (period, make_up_periods) = (kept.period, agreed.make_up_periods);
    kept.banked.retain(|banked| period <= banked.period.saturating_add(make_up_periods));
    let made_up = make_up(&mut kept.banked, taken.less(minimum));
    let deficiency = minimum.less(taken);
    if deficiency > Quantity::ZERO {
        if kept.banked.len() == MAX_BANKED {
            kept.banked.remove(0);
        }
        kept.banked.push(Banked { period, left: deficiency });
    }

    let line = |clause, quantity, amount| Line {
        clause,
        period: window,
        carrier: input.terms.meters.first().map(|meter| meter.carrier),
        quantity,
        price: Some(agreed.price),
        from: Party::USER,
        to: Party::OWNER,
        amount,
    };
    let charged = taken.less(made_up);
    let mut lines = vec![line(CLAUSE_TAKEN, charged, agreed.price.of(charged)?)];
    if deficiency > Quantity::ZERO {
        lines.push(line(CLAUSE_DEFICIENCY, deficiency, agreed.price.of(deficiency)?));
    }
    if made_up > Quantity::ZERO {
        lines.push(line(CLAUSE_MADE_UP, made_up, Money::ZERO));
    }
    let due = lines.iter().try_fold(Money::ZERO, |sum, line| sum.plus(line.amount))?;
    let is_last = agreed.periods.is_last(kept.period);
    let (mut effects, left) = pay(input, due, is_last)?;
    let beyond = left.less(input.can_owe());
    if beyond > Money::ZERO {
        let (from, to) = (Party::OWNER, Party::USER);
        lines.push(Line { price: None, from, to, ..line(CLAUSE_BEYOND_GRANT, Quantity::ZERO, beyond) });
    }
    let closing = if is_last { Closing::End } else { Closing::Period };
    effects.push(Effect::Issue(Statement { closing, period: window, lines, substituted: false }));

    *kept = Kept {
        period: kept.period + 1,
        taken: [kept.taken[1], Quantity::ZERO],
        days: [0; 2],
        banked: core::mem::take(&mut kept.banked),
    };
    if is_last {
        effects.push(Effect::Finish(if left > Money::ZERO { End::Defaulted } else { End::Settled }));
    } else {
        effects.push(Effect::Schedule(agreed.periods.settles(kept.period)?));
    }
    Ok(effects)
}

/// Pays out of the allowance; at the end also out of the guarantee, the rest of which is released. What is left is owed as far as
/// the user's grant goes. Gives what is left.
fn pay(input: &Input, due: Money, is_last: bool) -> Result<(Vec<Effect>, Money), Fault> {
    let guarantee = input.pot(Party::USER, Purpose::Guarantee);
    let from_allowance = due.min(input.available(Party::USER));
    let from_guarantee = if is_last { due.less(from_allowance).min(guarantee) } else { Money::ZERO };
    let left = due.less(from_allowance).less(from_guarantee);
    let pay = |source, amount| Effect::Pay { from: Party::USER, source, to: Party::OWNER, amount };
    let mut effects = vec![
        pay(Source::Allowance, from_allowance),
        pay(Source::Pot(Purpose::Guarantee), from_guarantee),
        Effect::Owe(left.min(input.can_owe())),
    ];
    if is_last {
        effects.push(Effect::Release(Party::USER, Purpose::Guarantee, guarantee.minus(from_guarantee)?));
    }
    Ok((effects, left))
}

contract!(TakeOrPay);
