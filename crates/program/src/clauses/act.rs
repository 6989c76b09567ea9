//! The program: what a sheet does with an event.
//!
//! ```text
//! signed ──> reserve, bind, mark ──> segments fill slots by period and band ──> due: expressions, statement, payment ──> next
//!                                                                                 \── absent: again a day later
//! ```
//!
//! Sums are signed, and only added to: so the order in which readings and corrections come decides nothing. When a period is
//! settled, what is below nothing in one of its bands is taken off its others; what belongs to periods that are settled
//! already counts in it by its own band; and what is still below nothing goes on to the next period. The last one is settled
//! with what there is, below nothing or not: then the owner pays back, and what it cannot pay is what it owes.
//!
//! What comes after that is settled by *supplements*: the last period is worked out anew with it, and the difference is paid.
//! The ledger tells a program that has ended for as long as it keeps the agreement, 31 days and one more, but not after its hard end.

use super::eval::{Brought, Known, evaluate};
use super::{Sheet, check};
use crate::coded;
use crate::contract::{BAD_STATE, Case, Event, Fault, OVERFLOW, STATE_TOO_LARGE, State, Step, UNEXPECTED, Wants};
use crate::native::Contract;
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_program_sdk as wire;
use utilidor_types::agreement::{Allowance, CodedTerms, Fallback, HardEnd};
use utilidor_types::program::CLAUSES;
use utilidor_types::time::{DAY_MS, MAX_TIMESTAMP};
use utilidor_types::{AgreementTerms, Program, Refusal, Timestamp, Window};
use wire::{Account, Closing, Done, Effect, Input, Line, Meter, Money, Party, Purpose, Quantity, Statement};

/// A period that cannot be settled yet is tried again after this time.
pub const AGAIN_MS: u64 = DAY_MS;
/// Most periods of which a meter's quantities are kept before they are settled.
const MAX_OPEN: usize = 64;
/// Most parts that one interval of a meter is cut into: ten years of days.
const MAX_PARTS: usize = 4_096;

/// What it counts as fuel: for an event, for a part of an expression, for a part of an interval.
const EVENT_FUEL: u64 = 1_000;
const NODE_FUEL: u64 = 20;
const PART_FUEL: u64 = 20;

/// The head of the state.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
struct Head {
    /// The period that is settled next.
    period: u32,
    /// What the user owes the owner from one statement to the next; below zero the other way round.
    owed: i64,
    /// What the definitions came to in the period settled before; once the last is settled, in the one before it.
    before: Vec<Option<i64>>,
    /// What the payments of the last period have come to, once it is settled.
    charged: Vec<i64>,
    /// Whether a supplement is due.
    supplements: bool,
}

/// The period of a head whose contract has ended early: nothing is settled any more.
const ENDED_EARLY: u32 = u32::MAX;

impl Head {
    fn of(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.is_empty() { Ok(Self::default()) } else { borsh::from_slice(bytes).map_err(|_| BAD_STATE) }
    }

    fn bytes(&self) -> Result<Vec<u8>, Fault> {
        borsh::to_vec(self).map_err(|_| STATE_TOO_LARGE)
    }
}

/// A meter's slot.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
struct Slot {
    /// What belongs to periods that are settled, and is not settled itself.
    late: Brought,
    /// What it has brought by period, of periods that are not settled; once the last is settled, what that was settled with.
    open: Vec<(u32, Brought)>,
}

impl Slot {
    fn of(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.is_empty() { Ok(Self::default()) } else { borsh::from_slice(bytes).map_err(|_| BAD_STATE) }
    }

    fn bytes(&self) -> Result<Vec<u8>, Fault> {
        borsh::to_vec(self).map_err(|_| STATE_TOO_LARGE)
    }

    /// The sums of a period that is not settled, for a change.
    fn period(&mut self, period: u32) -> Result<&mut Brought, Fault> {
        let place = match self.open.binary_search_by_key(&period, |(of, _)| *of) {
            Ok(place) => place,
            Err(_) if self.open.len() >= MAX_OPEN => return Err(STATE_TOO_LARGE),
            Err(place) => {
                self.open.insert(place, (period, Brought::default()));
                place
            }
        };
        self.open.get_mut(place).map(|(_, sums)| sums).ok_or(BAD_STATE)
    }

    /// Takes out what counts in a period that is settled now. What is below nothing waits for the next one, unless it is the last.
    fn settle(&mut self, period: u32, is_last: bool) -> Result<Brought, Fault> {
        let own = self.open.iter().find(|(of, _)| *of == period).map_or(Brought::default(), |(_, sums)| *sums);
        let mut counts = plus(&offset(&own)?, &self.late)?;
        self.open.retain(|(of, _)| *of > period);
        self.late = Brought::default();
        if is_last {
            self.open = vec![(period, counts)];
        } else {
            for (sum, late) in counts.iter_mut().zip(&mut self.late) {
                *late = (*sum).min(0);
                *sum = (*sum).max(0);
            }
        }
        Ok(counts)
    }
}

fn plus(one: &Brought, other: &Brought) -> Result<Brought, Fault> {
    let mut sums = *one;
    for (sum, other) in sums.iter_mut().zip(other) {
        *sum = sum.checked_add(*other).ok_or(OVERFLOW)?;
    }
    Ok(sums)
}

/// What is below nothing in one band is taken off the others, in proportion, and adds up: a correction is spread by time over an
/// interval, in which the readings were not.
fn offset(sums: &Brought) -> Result<Brought, Fault> {
    let size = |above: bool| {
        let of = sums.iter().filter(move |sum| (**sum > 0) == above).map(|sum| u128::from(sum.unsigned_abs()));
        of.sum::<u128>()
    };
    let sizes = [size(false), size(true)];
    let taken = u64::try_from(sizes[0].min(sizes[1])).map_err(|_| OVERFLOW)?;
    let (mut so_far, mut given) = ([0u128; 2], [0u64; 2]);
    let mut offset = *sums;
    for sum in offset.iter_mut().filter(|sum| **sum != 0) {
        let side = usize::from(*sum > 0);
        so_far[side] += u128::from(sum.unsigned_abs());
        let upto = crate::exact::share_floor(taken, so_far[side], sizes[side]);
        let part = i64::try_from(upto - std::mem::replace(&mut given[side], upto)).map_err(|_| OVERFLOW)?;
        // A part is no more than the sum that it comes off.
        *sum = if side == 1 { *sum - part } else { *sum + part };
    }
    Ok(offset)
}

fn wire_fault(fault: wire::Fault) -> Fault {
    Fault::Failed(fault.0)
}

fn total(bands: &[Quantity; wire::BANDS]) -> Result<i64, Fault> {
    i64::try_from(wire::total(bands).map_err(wire_fault)?.0).map_err(|_| OVERFLOW)
}

/// Terms whose parameters are a sheet.
pub(crate) struct ClauseTerms<'a>(pub &'a CodedTerms);

fn coded_terms(terms: &AgreementTerms) -> Result<&CodedTerms, Refusal> {
    match &terms.program {
        Program::Coded(coded) => Ok(coded),
        _ => Err(Refusal::BadTerms { code: CLAUSES }),
    }
}

impl Contract for ClauseTerms<'_> {
    /// Order: what is checked of every program of its own, then the sheet, then whether the terms fit it.
    fn check(&self, terms: &AgreementTerms) -> Result<(), Refusal> {
        self.0.check(terms)?;
        let sheet = Sheet::of(self.0)?;
        let checked = check::check_sheet(&sheet).and_then(|()| check::check_terms(&sheet, self.0, terms));
        checked.map_err(|_| Refusal::BadTerms { code: CLAUSES })
    }

    fn check_amendment(&self, _: &AgreementTerms, _: Timestamp) -> Result<(), Refusal> {
        Err(Refusal::AmendmentKind)
    }

    fn allowances(&self) -> Vec<Allowance> {
        self.0.allowances()
    }

    fn reserve(&self, party: utilidor_types::agreement::Party) -> Option<Allowance> {
        self.0.reserve(party)
    }

    fn hard_end(&self, _: Timestamp) -> HardEnd {
        HardEnd { at: MAX_TIMESTAMP, fallback: Fallback::GiveBack }
    }

    fn wants(&self, event: &Event, state: &State) -> Result<Wants, Fault> {
        let mut wants = self.0.wants(event, state)?;
        if matches!(event, Event::Due) {
            let sheet = Sheet::of(self.0)?;
            // After the last statement supplements are worked out for the last period.
            let last = u32::from(sheet.periods.count).saturating_sub(1);
            let period = sheet.periods.window(Head::of(&state.head)?.period.min(last))?;
            let asked =
                sheet.indices.iter().map(|used| Ok((used.index, used.unit.of_index().ok_or(BAD_STATE)?, period)));
            wants.indices = asked.collect::<Result<_, Fault>>()?;
        }
        Ok(wants)
    }

    fn act(&self, event: &Event, case: Case<'_>) -> Result<Step, Fault> {
        let sheet = Sheet::of(coded_terms(case.terms)?)?;
        let head = Head::of(&case.state.head)?;
        let input = coded::input::input(self.0, event, case)?;
        let mut run = Run { sheet: &sheet, head, input: &input, case, fuel: EVENT_FUEL };
        let done = run.act()?;
        let fuel = run.fuel;
        let step = coded::answer::step(self.0, done, case)?;
        Ok(Step { fuel, ..step })
    }
}

struct Run<'a> {
    sheet: &'a Sheet,
    head: Head,
    input: &'a Input,
    case: Case<'a>,
    fuel: u64,
}

impl Run<'_> {
    fn act(&mut self) -> Result<Done, Fault> {
        let effects = match &self.input.event {
            wire::Event::Segment(meter, segment) => {
                let next = self.sheet.edge_after(Timestamp(segment.interval.to.0))?;
                let mark = next.map(|next| Effect::Mark(*meter, Some(wire::Time(next.0))));
                return self.brought(*meter, segment.interval, total(&segment.bands)?, mark);
            }
            wire::Event::Returned(meter, segment) => {
                return self.brought(*meter, segment.interval, total(&segment.bands)?, None);
            }
            wire::Event::Corrected(meter, more, less) => {
                let change = total(&more.bands)?.checked_sub(total(less)?).ok_or(OVERFLOW)?;
                return self.brought(*meter, more.interval, change, None);
            }
            wire::Event::Signed => self.signed()?,
            wire::Event::Due => return self.settle(),
            wire::Event::Ending(Some(Party::OWNER | Party::USER), true) => {
                self.head.period = ENDED_EARLY;
                self.input.end_early().map_err(wire_fault)?
            }
            wire::Event::Ending(..) | wire::Event::EndingWithdrawn(_) => Vec::new(),
            _ => return Err(UNEXPECTED),
        };
        Ok(Done { head: Some(self.head.bytes()?), slots: Vec::new(), effects })
    }

    fn signed(&self) -> Result<Vec<Effect>, Fault> {
        let periods = &self.sheet.periods;
        let from = Timestamp(self.input.facts.now.0).max(periods.begin);
        let reserves = [Party::OWNER, Party::USER].into_iter().zip(self.sheet.reserves);
        let reserves = reserves.filter(|(_, money)| money.0 > 0);
        let mut effects: Vec<Effect> =
            reserves.map(|(party, money)| Effect::Reserve(party, Purpose::Guarantee, Money(money.0))).collect();
        for meter in (0..self.sheet.meters.len() as u8).map(Meter) {
            effects.push(Effect::Bind(meter));
            let mark = self.sheet.edge_after(from)?;
            effects.push(Effect::Mark(meter, mark.map(|mark| wire::Time(mark.0))));
        }
        effects.push(self.schedule(periods.settles(0)?));
        Ok(effects)
    }

    /// What has been due is done at once.
    fn schedule(&self, at: Timestamp) -> Effect {
        Effect::Schedule(wire::Time(at.0.max(self.input.facts.now.0.saturating_add(1))))
    }

    /// What a meter brought in an interval, or did not after all, goes into its slot. After the last statement a supplement follows
    /// a day later, with what else comes until then.
    fn brought(
        &mut self,
        meter: Meter,
        interval: wire::Window,
        quantity: i64,
        mark: Option<Effect>,
    ) -> Result<Done, Fault> {
        let slot = self.with(meter, interval, quantity)?;
        let mut effects: Vec<Effect> = mark.into_iter().collect();
        let mut head = None;
        if quantity != 0 && !self.head.supplements && self.head.period == u32::from(self.sheet.periods.count) {
            self.head.supplements = true;
            head = Some(self.head.bytes()?);
            effects.push(self.again());
        }
        Ok(Done { head, slots: vec![(meter.0, Some(slot.bytes()?))], effects })
    }

    fn again(&self) -> Effect {
        self.schedule(Timestamp(self.input.facts.now.0.saturating_add(AGAIN_MS)))
    }

    /// A meter's slot with what it brought in an interval, or did not after all: by period and band, by shares of time that add
    /// up to it.
    fn with(&mut self, meter: Meter, interval: wire::Window, change: i64) -> Result<Slot, Fault> {
        let mut slot = Slot::of(self.input.slot(meter.0))?;
        let quantity = change.unsigned_abs();
        let periods = &self.sheet.periods;
        let end = periods.end()?;
        let (from, to) = (Timestamp(interval.from.0).max(periods.begin), Timestamp(interval.to.0).min(end));
        let whole = interval.to.0.saturating_sub(interval.from.0);
        let mut at = from;
        for _ in 0..MAX_PARTS {
            if at >= to {
                break;
            }
            self.fuel += PART_FUEL;
            let next = self.sheet.edge_after(at)?.unwrap_or(to).min(to);
            let upto = crate::exact::share_floor(quantity, next.0.saturating_sub(interval.from.0).into(), whole.into());
            let before = crate::exact::share_floor(quantity, at.0.saturating_sub(interval.from.0).into(), whole.into());
            let part = i64::try_from(upto.saturating_sub(before)).map_err(|_| OVERFLOW)?;
            let period = periods.period_of(at);
            let sums = if period < self.head.period { &mut slot.late } else { slot.period(period)? };
            let sum = sums.get_mut(usize::from(self.sheet.band_at(at))).ok_or(BAD_STATE)?;
            *sum = if change < 0 { sum.checked_sub(part) } else { sum.checked_add(part) }.ok_or(OVERFLOW)?;
            at = next;
        }
        if at < to {
            return Err(OVERFLOW);
        }
        Ok(slot)
    }

    fn slots(&self) -> Result<Vec<Slot>, Fault> {
        (0..self.sheet.meters.len() as u8).map(|meter| Slot::of(self.input.slot(meter))).collect()
    }

    /// What the definitions and the payments of a period come to; none if something that a payment needs is absent.
    fn work_out(&mut self, period: Window, brought: &[Brought]) -> Result<Option<(Vec<Option<i64>>, Vec<i64>)>, Fault> {
        let mut known = Known {
            period,
            brought,
            indices: &self.case.facts.indices,
            before: &self.head.before,
            defined: Vec::new(),
        };
        for definition in &self.sheet.definitions {
            self.fuel += NODE_FUEL * definition.value.len() as u64;
            let value = evaluate(self.sheet, &known, &definition.value)?;
            known.defined.push(value);
        }
        let mut amounts = Vec::with_capacity(self.sheet.payments.len());
        for payment in &self.sheet.payments {
            self.fuel += NODE_FUEL * payment.amount.len() as u64;
            let Some(amount) = evaluate(self.sheet, &known, &payment.amount)? else { return Ok(None) };
            amounts.push(amount);
        }
        Ok(Some((known.defined, amounts)))
    }

    fn settle(&mut self) -> Result<Done, Fault> {
        let (number, count) = (self.head.period, u32::from(self.sheet.periods.count));
        if number == ENDED_EARLY {
            return Ok(Done::default());
        }
        if number >= count {
            return self.supplement();
        }
        let period = self.sheet.periods.window(number)?;
        let is_last = number.saturating_add(1) >= count;
        let mut slots = self.slots()?;
        let brought = slots.iter_mut().map(|slot| slot.settle(number, is_last));
        let brought = brought.collect::<Result<Vec<Brought>, Fault>>()?;
        let Some((defined, amounts)) = self.work_out(period, &brought)? else {
            return Ok(Done { head: None, slots: Vec::new(), effects: vec![self.again()] });
        };
        self.head.period = number.saturating_add(1);
        let closing = if is_last { Closing::End } else { Closing::Period };
        let mut effects = self.pay(closing, period, &amounts, &brought)?;
        if is_last {
            self.head.charged = amounts;
            self.input.finish(&mut effects, self.head.owed != 0).map_err(wire_fault)?;
        } else {
            self.head.before = defined;
            effects.push(self.schedule(self.sheet.periods.settles(self.head.period)?));
        }
        self.done(&slots, effects)
    }

    /// The last period anew, with what has come since its statement: the difference is paid.
    fn supplement(&mut self) -> Result<Done, Fault> {
        let number = u32::from(self.sheet.periods.count).saturating_sub(1);
        let period = self.sheet.periods.window(number)?;
        let mut slots = self.slots()?;
        let late: Vec<Brought> = slots.iter().map(|slot| slot.late).collect();
        let mut brought = Vec::with_capacity(slots.len());
        for slot in &mut slots {
            let late = std::mem::take(&mut slot.late);
            let sums = slot.period(number)?;
            *sums = plus(sums, &late)?;
            brought.push(*sums);
        }
        let Some((_, amounts)) = self.work_out(period, &brought)? else {
            return Ok(Done { head: None, slots: Vec::new(), effects: vec![self.again()] });
        };
        let before = std::mem::replace(&mut self.head.charged, amounts.clone());
        let difference = |(place, amount): (usize, i64)| {
            let before = before.get(place).ok_or(BAD_STATE)?;
            amount.checked_sub(*before).ok_or(OVERFLOW)
        };
        let differences = amounts.into_iter().enumerate().map(difference).collect::<Result<Vec<i64>, Fault>>()?;
        self.head.supplements = false;
        let mut effects = self.pay(Closing::Supplement, period, &differences, &late)?;
        let is_open = self.head.owed != 0 || self.input.facts.debt > Money(0);
        self.input.finish(&mut effects, is_open).map_err(wire_fault)?;
        self.done(&slots, effects)
    }

    /// The statement, and what is paid.
    fn pay(
        &mut self,
        closing: Closing,
        period: Window,
        amounts: &[i64],
        brought: &[Brought],
    ) -> Result<Vec<Effect>, Fault> {
        let payments = (0u16..).zip(&self.sheet.payments).zip(amounts);
        let lines = payments.map(|((clause, payment), amount)| self.line(clause, payment, *amount, period, brought));
        let mut lines = lines.collect::<Result<Vec<Line>, Fault>>()?;
        let wire_period = wire::Window { from: wire::Time(period.from.0), to: wire::Time(period.to.0) };
        let mut account = Account { one: Party::USER, other: Party::OWNER, owed: self.head.owed };
        let carried = (self.sheet.carried_clause(), wire_period);
        let is_end = closing != Closing::Period;
        let mut effects = account.settle(self.input, &mut lines, carried, is_end).map_err(wire_fault)?;
        self.head.owed = account.owed;
        effects.push(Effect::Issue(Statement { closing, period: wire_period, lines, substituted: false }));
        Ok(effects)
    }

    fn done(&self, slots: &[Slot], effects: Vec<Effect>) -> Result<Done, Fault> {
        let slots = (0u8..).zip(slots).map(|(meter, slot)| Ok((meter, Some(slot.bytes()?))));
        Ok(Done { head: Some(self.head.bytes()?), slots: slots.collect::<Result<_, Fault>>()?, effects })
    }

    fn line(
        &self,
        clause: u16,
        payment: &super::Payment,
        amount: i64,
        period: Window,
        brought: &[Brought],
    ) -> Result<Line, Fault> {
        let payer = Party(payment.from.0);
        let payee = Party(payment.from.other().0);
        let (from, to) = if amount < 0 { (payee, payer) } else { (payer, payee) };
        let meter = payment.meter.map(usize::from);
        let sum = meter
            .and_then(|meter| brought.get(meter))
            .map_or(Some(0), |sum| sum.iter().try_fold(0i64, |all, part| all.checked_add(*part)));
        let carrier = meter.and_then(|meter| self.input.terms.meters.get(meter)).map(|meter| meter.carrier);
        Ok(Line {
            clause,
            period: wire::Window { from: wire::Time(period.from.0), to: wire::Time(period.to.0) },
            carrier,
            quantity: Quantity(sum.ok_or(OVERFLOW)?.unsigned_abs()),
            price: None,
            from,
            to,
            amount: Money(amount.unsigned_abs()),
        })
    }
}
