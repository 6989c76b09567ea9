//! The program: what a sheet does with an event.
//!
//! ```text
//! signed ──> reserve, bind, mark ──> segments fill slots by period and band ──> due: expressions, statement, payment ──> next
//!                                                                                 \── absent: again a day later
//! ```

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
    /// What the definitions came to in the period settled before.
    before: Vec<Option<i64>>,
}

impl Head {
    fn of(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.is_empty() { Ok(Self::default()) } else { borsh::from_slice(bytes).map_err(|_| BAD_STATE) }
    }

    fn bytes(&self) -> Result<Vec<u8>, Fault> {
        borsh::to_vec(self).map_err(|_| STATE_TOO_LARGE)
    }
}

/// A meter's slot: what it has brought by period and band, of periods that are not settled.
type Open = Vec<(u32, Brought)>;

fn open_of(bytes: &[u8]) -> Result<Open, Fault> {
    if bytes.is_empty() { Ok(Vec::new()) } else { borsh::from_slice(bytes).map_err(|_| BAD_STATE) }
}

fn wire_fault(fault: wire::Fault) -> Fault {
    Fault::Failed(fault.0)
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
            let period = sheet.periods.window(Head::of(&state.head)?.period)?;
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
                let quantity = wire::total(&segment.bands).map_err(wire_fault)?;
                let slot = self.with(*meter, segment.interval, quantity.0, true)?;
                let next = self.sheet.edge_after(Timestamp(segment.interval.to.0))?;
                let mark = next.map(|next| Effect::Mark(*meter, Some(wire::Time(next.0))));
                return Ok(Done { head: None, slots: vec![slot], effects: mark.into_iter().collect() });
            }
            wire::Event::Returned(meter, segment) => {
                let quantity = wire::total(&segment.bands).map_err(wire_fault)?;
                let slot = self.with(*meter, segment.interval, quantity.0, true)?;
                return Ok(Done { head: None, slots: vec![slot], effects: Vec::new() });
            }
            wire::Event::Corrected(meter, more, less) => {
                let [more_of, less_of] = [&more.bands, less].map(wire::total);
                let (more_of, less_of) = (more_of.map_err(wire_fault)?, less_of.map_err(wire_fault)?);
                let added = more_of.0 >= less_of.0;
                let slot = self.with(*meter, more.interval, more_of.0.abs_diff(less_of.0), added)?;
                return Ok(Done { head: None, slots: vec![slot], effects: Vec::new() });
            }
            wire::Event::Signed => self.signed()?,
            wire::Event::Due => return self.settle(),
            wire::Event::Ending(Some(Party::OWNER | Party::USER), true) => {
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

    /// A meter's slot with what it brought in an interval, or without what it did not after all: by period and band, by shares of
    /// time that add up to it. What belongs to a period that is settled counts in the next one.
    fn with(
        &mut self,
        meter: Meter,
        interval: wire::Window,
        quantity: u64,
        added: bool,
    ) -> Result<(u8, Option<Vec<u8>>), Fault> {
        let mut open = open_of(self.input.slot(meter.0))?;
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
            let part = upto.saturating_sub(before);
            let period = periods.period_of(at).max(self.head.period);
            change(&mut open, period, self.sheet.band_at(at), part, added)?;
            at = next;
        }
        if at < to {
            return Err(OVERFLOW);
        }
        Ok((meter.0, Some(borsh::to_vec(&open).map_err(|_| STATE_TOO_LARGE)?)))
    }

    fn settle(&mut self) -> Result<Done, Fault> {
        let number = self.head.period;
        let period = self.sheet.periods.window(number)?;
        let is_last = number.saturating_add(1) >= u32::from(self.sheet.periods.count);
        let mut opens = Vec::with_capacity(self.sheet.meters.len());
        let mut brought: Vec<Brought> = Vec::with_capacity(self.sheet.meters.len());
        for meter in 0..self.sheet.meters.len() as u8 {
            let open = open_of(self.input.slot(meter))?;
            brought.push(open.iter().find(|(of, _)| *of == number).map_or([0; 1 + super::MAX_BANDS], |(_, sum)| *sum));
            opens.push(open);
        }
        let mut known = Known {
            period,
            brought: &brought,
            indices: &self.case.facts.indices,
            before: &self.head.before,
            defined: Vec::new(),
        };
        for definition in &self.sheet.definitions {
            self.fuel += NODE_FUEL * definition.value.len() as u64;
            let value = evaluate(self.sheet, &known, &definition.value)?;
            known.defined.push(value);
        }
        let mut lines = Vec::new();
        for (clause, payment) in (0u16..).zip(&self.sheet.payments) {
            self.fuel += NODE_FUEL * payment.amount.len() as u64;
            let Some(amount) = evaluate(self.sheet, &known, &payment.amount)? else {
                let again = Timestamp(self.input.facts.now.0.saturating_add(AGAIN_MS));
                return Ok(Done { head: None, slots: Vec::new(), effects: vec![self.schedule(again)] });
            };
            lines.push(self.line(clause, payment, amount, period, &brought)?);
        }
        let defined = known.defined;

        let wire_period = wire::Window { from: wire::Time(period.from.0), to: wire::Time(period.to.0) };
        let mut account = Account { one: Party::USER, other: Party::OWNER, owed: self.head.owed };
        let carried = (self.sheet.carried_clause(), wire_period);
        let mut effects = account.settle(self.input, &mut lines, carried, is_last).map_err(wire_fault)?;
        let closing = if is_last { Closing::End } else { Closing::Period };
        effects.push(Effect::Issue(Statement { closing, period: wire_period, lines, substituted: false }));
        self.head = Head { period: number.saturating_add(1), owed: account.owed, before: defined };
        if is_last {
            self.input.finish(&mut effects, account.is_open()).map_err(wire_fault)?;
        } else {
            effects.push(self.schedule(self.sheet.periods.settles(self.head.period)?));
        }
        let slots = (0u8..).zip(opens).map(|(meter, mut open)| {
            open.retain(|(of, _)| *of > number);
            Ok((meter, Some(borsh::to_vec(&open).map_err(|_| STATE_TOO_LARGE)?)))
        });
        let slots: Result<Vec<_>, Fault> = slots.collect();
        Ok(Done { head: Some(self.head.bytes()?), slots: slots?, effects })
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
            .map_or(Some(0), |sum| sum.iter().try_fold(0u64, |all, part| all.checked_add(*part)));
        let carrier = meter.and_then(|meter| self.input.terms.meters.get(meter)).map(|meter| meter.carrier);
        Ok(Line {
            clause,
            period: wire::Window { from: wire::Time(period.from.0), to: wire::Time(period.to.0) },
            carrier,
            quantity: Quantity(sum.ok_or(OVERFLOW)?),
            price: None,
            from,
            to,
            amount: Money(amount.unsigned_abs()),
        })
    }
}

/// Adds to a period's band, or takes off, at least down to nothing.
fn change(open: &mut Open, period: u32, band: u8, part: u64, added: bool) -> Result<(), Fault> {
    let place = match open.binary_search_by_key(&period, |(of, _)| *of) {
        Ok(place) => place,
        Err(_) if open.len() >= MAX_OPEN => return Err(STATE_TOO_LARGE),
        Err(place) => {
            open.insert(place, (period, [0; 1 + super::MAX_BANDS]));
            place
        }
    };
    let sum = open[place].1.get_mut(usize::from(band)).ok_or(BAD_STATE)?;
    *sum = if added { sum.checked_add(part).ok_or(OVERFLOW)? } else { sum.saturating_sub(part) };
    Ok(())
}
