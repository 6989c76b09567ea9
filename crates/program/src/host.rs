//! One agreement on a published program, played without a ledger: for the tests of a contract, and for seeing what it would do
//! with a meter's past before anybody signs it.
//!
//! It does what the ledger does for one agreement, as far as its program can see: time, pots and allowances, marks of meters,
//! sums, the hard end. What the program asks for is translated and checked by [`crate::coded`], as on the ledger.
//!
//! Deliberately absent: other agreements on the same meters, bands, members; that what has ended is forgotten after a month; and
//! capacity: what fills is bound here whatever its owner has declared, while the ledger refuses what is more than the owner can supply
//! in an hour, or all if nothing is declared.

mod setting;
mod text;

pub use setting::Setting;
pub use text::unheld;

use crate::coded::{Respond, respond};
use crate::contract::{Binding, Case, Draft, Effect, Event, Facts, Fault, Segment, State, Sum, Sums, higher_demand};
use crate::wasm::{EVENT_FUEL, OUT_OF_FUEL, Ran};
use std::collections::BTreeMap;
use utilidor_types::action::MAX_COMMAND_BYTES;
use utilidor_types::agreement::{ALLOWANCE_PERIOD_MS, Allowance, CodedTerms, Party, ProgramCode, Status};
use utilidor_types::event::{Movement, Purpose, Source};
use utilidor_types::price_index::{IndexRead, IndexUnit, PublishedValue};
use utilidor_types::program::CLAUSES;
use utilidor_types::statement::StatementLine;
use utilidor_types::time::{MAX_TIMESTAMP, SECOND_MS};
use utilidor_types::{
    AgreementId, AgreementTerms, Bands, Bounded, Money, PriceIndexId, Program, Quantity, Timestamp, Window,
};

/// What the ledger could not let a program have, whatever it is; the ledger says which.
pub const UNFIT: Fault = Fault::Failed(0x8000);

/// How often its own time comes to a program in a play: in a year every few minutes. One that calls itself again and again is called no
/// more.
pub const MAX_CALLS: u32 = 250_000;
/// What the ledger says where programs have used up what they may.
const SPENT: Fault = Fault::Failed(0x800e);

/// Something that the program did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// When.
    pub at: Timestamp,
    /// What it was told.
    pub told: Event,
    /// What it used, also for an answer that could not be carried out; where the program failed, all that it had if that was why, and else
    /// nothing.
    pub fuel: u64,
    /// What it asked for, or why it did not.
    pub answer: Result<Vec<Effect>, Fault>,
}

/// What a line of a statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// The clause.
    pub clause: u16,
    /// Who pays.
    pub from: Party,
    /// Who is paid.
    pub to: Party,
    /// Of how much.
    pub quantity: Quantity,
    /// The money.
    pub amount: Money,
}

/// A meter of the agreement.
#[derive(Debug, Clone, Default)]
struct Played {
    binding: Option<Binding>,
    /// The last reading.
    last: Option<(Timestamp, Quantity)>,
    /// The time and register of the last segment's end.
    base: (Timestamp, Quantity),
    mark: Option<Timestamp>,
    level: Option<Quantity>,
    /// The highest demand since then.
    demand: (Quantity, u32),
    filled: Quantity,
}

impl Played {
    /// Whether what flows since the base is the agreement's: its window begins and ends with marks.
    fn serves(&self) -> bool {
        let base = self.base.0;
        self.binding.is_some_and(|binding| binding.window.from <= base && base < binding.window.to)
    }
}

/// A quantity without bands.
const fn flat(quantity: Quantity) -> Bands {
    Bands([quantity, Quantity::ZERO, Quantity::ZERO, Quantity::ZERO, Quantity::ZERO])
}

/// What a party grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grantable {
    /// What is taken of its free money.
    Allowance,
    /// What others are given of its reserved money.
    Reserve,
}

/// What a host is given for a clause sheet: its program is native, and nothing else answers.
#[derive(Debug, Clone, Copy)]
pub struct Sheets;

impl Respond for Sheets {
    fn run(&self, _: &[u8]) -> Result<Ran, Fault> {
        Err(UNFIT)
    }
}

/// The play.
pub struct Host<R> {
    run: R,
    terms: AgreementTerms,
    now: Timestamp,
    state: State,
    pots: BTreeMap<(Party, Purpose), Money>,
    free: Vec<Money>,
    /// What was taken of each allowance, and of what was reserved, and since when.
    drawn: BTreeMap<(Party, Grantable), (Timestamp, Money)>,
    debt: Money,
    scheduled: Option<Timestamp>,
    calls: u32,
    meters: Vec<Played>,
    indices: BTreeMap<(PriceIndexId, Timestamp), (Window, PublishedValue)>,
    ended: Option<Status>,
    acted: Vec<Acted>,
    statements: Vec<(Timestamp, Draft)>,
}

impl<R: Respond> Host<R> {
    /// An agreement at `now`, not signed yet; each party has `free` money.
    pub fn new(run: R, terms: AgreementTerms, free: Money, now: Timestamp) -> Self {
        let meters = match &terms.program {
            Program::Coded(coded) => vec![Played::default(); coded.meters.len()],
            _ => Vec::new(),
        };
        let parties = terms.parties.len();
        Self {
            run,
            now,
            state: State::default(),
            pots: BTreeMap::new(),
            free: vec![free; parties],
            drawn: BTreeMap::new(),
            debt: Money::ZERO,
            scheduled: None,
            calls: 0,
            meters,
            indices: BTreeMap::new(),
            ended: None,
            acted: Vec::new(),
            statements: Vec::new(),
            terms,
        }
    }

    /// The time.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// What it did, in order.
    pub fn acted(&self) -> &[Acted] {
        &self.acted
    }

    /// Its statements, with the time at which they were issued.
    pub fn statements(&self) -> &[(Timestamp, Draft)] {
        &self.statements
    }

    /// What each of its statements says, line by line.
    pub fn said(&self) -> Vec<Vec<Said>> {
        let said = |line: &StatementLine| match *line {
            StatementLine::Clause { clause, from, to, quantity, amount, .. } => {
                Some(Said { clause, from, to, quantity, amount })
            }
            _ => None,
        };
        self.statements.iter().map(|(_, draft)| draft.lines.iter().filter_map(said).collect()).collect()
    }

    /// What it was told, when, and what it answered: the same of a contract's source and of the module built of it.
    pub fn answers(&self) -> impl Iterator<Item = (Timestamp, &Event, &Result<Vec<Effect>, Fault>)> {
        self.acted.iter().map(|acted| (acted.at, &acted.told, &acted.answer))
    }

    /// How it ended, if it has.
    pub const fn ended(&self) -> Option<Status> {
        self.ended
    }

    /// A party's free money.
    pub fn free(&self, party: Party) -> Money {
        self.free.get(usize::from(party.0)).copied().unwrap_or_default()
    }

    /// What is reserved of a party.
    pub fn reserved(&self, party: Party) -> Money {
        self.pots.iter().filter(|((of, _), _)| *of == party).map(|(_, pot)| *pot).sum()
    }

    /// What the user owes.
    pub const fn debt(&self) -> Money {
        self.debt
    }

    /// The head of the program's state.
    pub fn head(&self) -> &[u8] {
        &self.state.head
    }

    /// When it wants to act.
    pub const fn scheduled(&self) -> Option<Timestamp> {
        self.scheduled
    }

    /// The most fuel that an event has used.
    pub fn most_fuel(&self) -> u64 {
        self.acted.iter().map(|acted| acted.fuel).max().unwrap_or(0)
    }

    /// All have signed.
    pub fn sign(&mut self) -> Result<(), Fault> {
        self.tell(Event::Signed)
    }

    /// A party tells the program something.
    pub fn command(&mut self, by: Party, bytes: &[u8]) -> Result<(), Fault> {
        let bytes: Bounded<u8, MAX_COMMAND_BYTES> = bytes.to_vec().try_into().map_err(|_| UNFIT)?;
        self.ask(Event::Command { by, bytes })
    }

    /// A party wants to end it.
    pub fn terminate(&mut self, by: Party, agreed: bool) -> Result<(), Fault> {
        self.ask(Event::Ending { by: Some(by), agreed })
    }

    fn hard_end(&self) -> Timestamp {
        self.terms.hard_end.as_ref().map_or(MAX_TIMESTAMP, |end| end.at)
    }

    /// Lets time pass: what is due in between is done at its time, the hard end included.
    pub fn pass_to(&mut self, time: Timestamp) {
        loop {
            let end = if self.ended.is_none() { self.hard_end() } else { MAX_TIMESTAMP };
            // The ledger's calendar has whole seconds.
            let called = self.scheduled.filter(|_| self.calls < MAX_CALLS);
            let called = called.map(|at| Timestamp(at.0.next_multiple_of(SECOND_MS)));
            let next = called.unwrap_or(MAX_TIMESTAMP).min(end);
            if next > time || next == MAX_TIMESTAMP {
                break;
            }
            self.now = self.now.max(next);
            if next == end {
                self.fall_back();
            } else {
                self.scheduled = None;
                self.calls += 1;
                // A program that fails is stalled here: what follows is its hard end.
                let _ = self.ask(Event::Due);
                if self.calls == MAX_CALLS {
                    self.acted.push(Acted { at: self.now, told: Event::Due, fuel: 0, answer: Err(SPENT) });
                }
            }
        }
        self.now = self.now.max(time);
    }

    /// A meter's register at a time that has come is certified, now or then. Segments between marks are told; of a meter with a volume
    /// the sum grows.
    pub fn reading(&mut self, meter: u8, time: Timestamp, register: Quantity) -> Result<(), Fault> {
        self.pass_to(time);
        let Some(played) = self.meters.get_mut(usize::from(meter)) else { return Err(UNFIT) };
        let before = played.last.replace((time, register));
        let Some(binding) = played.binding else { return Ok(()) };
        let (from, register_from) = before.unwrap_or((binding.window.from, register));
        if before.is_none() {
            played.base = (time, register);
            return Ok(());
        }
        if let Sum::Fill(volume) = binding.sum {
            let window = binding.window;
            let inside = (from.max(window.from), time.min(window.to));
            let passed = register.saturating_sub(register_from);
            let share = passed.share_floor(inside.1.0.saturating_sub(inside.0.0), time.0.saturating_sub(from.0).max(1));
            played.filled = played.filled.checked_add(share).ok_or(UNFIT)?.min(volume);
            return Ok(());
        }
        self.pass_marks(meter, (from, register_from), (time, register))
    }

    /// A value of an index is published now.
    pub fn publish(&mut self, index: PriceIndexId, period: Window, micro: i64) {
        self.published(index, period, PublishedValue { micro, published: self.now });
    }

    /// A value of an index was published at a time that has come, be it before the signature. The first one for a period counts.
    pub fn published(&mut self, index: PriceIndexId, period: Window, value: PublishedValue) {
        self.indices.entry((index, period.from)).or_insert((period, value));
    }

    /// A meter's operator corrects what was certified for a time: so much more flowed, and so much less.
    pub fn correct(&mut self, meter: u8, interval: Window, more: Quantity, less: Quantity) -> Result<(), Fault> {
        let segment = Segment { interval, bands: flat(more), peak: (Quantity::ZERO, 0) };
        self.tell(Event::Corrected { binding: meter, more: segment, less: flat(less) })
    }

    /// Tells what lies between the marks that an interval of two readings passes.
    fn pass_marks(
        &mut self,
        meter: u8,
        (from, before): (Timestamp, Quantity),
        (to, after): (Timestamp, Quantity),
    ) -> Result<(), Fault> {
        let passed = after.saturating_sub(before);
        let mut counted = false;
        loop {
            let played = &mut self.meters[usize::from(meter)];
            let Some(binding) = played.binding else { return Ok(()) };
            let marks = [Some(binding.window.from), played.mark, Some(binding.window.to)].into_iter().flatten();
            let mark = marks.filter(|mark| *mark > played.base.0).min().filter(|mark| *mark <= to);
            // Its mean counts where the reading's interval ends.
            if !counted && mark.is_none_or(|mark| mark == to) {
                played.demand = higher_demand(played.demand, passed, to.0.saturating_sub(from.0));
                counted = true;
            }
            let Some(mark) = mark else { break };
            let part = passed.share_floor(mark.0.saturating_sub(from.0), to.0.saturating_sub(from.0).max(1));
            let at = before.checked_add(part).ok_or(UNFIT)?;
            self.tell_segment(meter, mark, at)?;
        }
        let played = &mut self.meters[usize::from(meter)];
        let since = after.saturating_sub(played.base.1);
        if played.serves() && played.level.is_some_and(|level| since >= level) {
            played.level = None;
            self.tell(Event::Level { binding: meter, bands: flat(since) })?;
        }
        Ok(())
    }

    /// Passes a mark, and tells what the meter brought since the last one if it served: what came before its window is nobody's.
    fn tell_segment(&mut self, meter: u8, to: Timestamp, register: Quantity) -> Result<(), Fault> {
        let played = &mut self.meters[usize::from(meter)];
        if to <= played.base.0 {
            return Ok(());
        }
        let serves = played.serves();
        played.mark = played.mark.filter(|mark| *mark > to);
        played.binding = played.binding.filter(|binding| binding.window.to > to);
        let (from, before) = std::mem::replace(&mut played.base, (to, register));
        if !serves {
            played.demand = (Quantity::ZERO, 0);
            return Ok(());
        }
        let (bands, peak) = (flat(register.saturating_sub(before)), std::mem::take(&mut played.demand));
        self.tell(Event::Segment { binding: meter, segment: Segment { interval: Window { from, to }, bands, peak } })
    }

    /// Reads the meters first, as the ledger does, and tells.
    fn ask(&mut self, event: Event) -> Result<(), Fault> {
        for number in 0..self.meters.len() as u8 {
            let played = &self.meters[usize::from(number)];
            let reads = played.binding.is_some_and(|binding| matches!(binding.sum, Sum::Rest { .. }));
            if let Some((time, register)) = played.last.filter(|_| reads) {
                self.tell_segment(number, time, register)?;
            }
        }
        self.tell(event)
    }

    fn tell(&mut self, event: Event) -> Result<(), Fault> {
        // As on the ledger: what has ended is told of what comes late, but not after its hard end.
        if self.now >= self.hard_end() {
            return Ok(());
        }
        let mut facts = self.facts();
        let wants = crate::native::wants(&self.terms.program, &event, &self.state)?;
        let value = |index, period: Window| {
            let found = self.indices.get(&(index, period.from)).filter(|(of, _)| *of == period);
            found.map(|(_, value)| *value)
        };
        let read = |(index, _, period): (PriceIndexId, IndexUnit, Window)| IndexRead {
            index,
            period,
            value: value(index, period),
        };
        facts.indices = wants.indices.into_iter().map(read).collect();
        let case = Case { agreement: AgreementId::default(), terms: &self.terms, state: &self.state, facts: &facts };
        let Program::Coded(coded) = &self.terms.program else { return Err(UNFIT) };
        let answer = match coded {
            CodedTerms { code: ProgramCode::Native(CLAUSES), .. } => crate::native::act(&event, case),
            _ => respond(coded, &event, case, &self.run),
        };
        let fuel = match &answer {
            Ok(step) => step.fuel,
            Err(fault) if *fault == OUT_OF_FUEL => EVENT_FUEL,
            Err(_) => 0,
        };
        let done = answer.and_then(|step| self.carry_out(&step).map(|()| step.effects));
        self.acted.push(Acted { at: self.now, told: event, fuel, answer: done.clone() });
        done.map(drop)
    }

    fn facts(&self) -> Facts {
        let parties = (0..self.terms.parties.len() as u8).map(Party);
        let sums = (0u8..).zip(&self.meters).filter_map(|(binding, played)| {
            let bound = played.binding.filter(|bound| matches!(bound.sum, Sum::Fill(_)))?;
            let until = played.last.map_or(bound.window.from, |(time, _)| time);
            let bands = flat(played.filled);
            Some(Sums { binding, bands, until })
        });
        let pots = self.pots.iter().filter(|(_, pot)| **pot > Money::ZERO);
        Facts {
            now: self.now,
            available: parties.map(|party| self.allowance_left(party).min(self.free(party))).collect(),
            debt: self.debt,
            pots: pots.map(|((party, purpose), pot)| (*party, *purpose, *pot)).collect(),
            sums: sums.collect(),
            ..Facts::default()
        }
    }

    /// All of a step or nothing.
    fn carry_out(&mut self, step: &crate::Step) -> Result<(), Fault> {
        let mut state = self.state.clone();
        step.apply_to(&mut state)?;
        let money = (self.pots.clone(), self.free.clone(), self.drawn.clone(), self.debt);
        let rest = (self.scheduled, self.meters.clone(), self.ended, self.statements.len());
        for effect in &step.effects {
            if let Err(fault) = self.carry_out_one(effect) {
                (self.pots, self.free, self.drawn, self.debt) = money;
                (self.scheduled, self.meters, self.ended, _) = rest.clone();
                self.statements.truncate(rest.3);
                return Err(fault);
            }
        }
        self.state = state;
        Ok(())
    }

    fn carry_out_one(&mut self, effect: &Effect) -> Result<(), Fault> {
        match effect {
            Effect::Move(movement, amount) => self.move_money(*movement, *amount)?,
            Effect::Owe(amount) => self.debt = self.debt.checked_add(*amount).ok_or(UNFIT)?,
            Effect::PayDebt(amount) => {
                let (from, to, source) = (Party::USER, Party::OWNER, Source::Pot(Purpose::Prepayment));
                self.move_money(Movement::Pay { from, source, to }, *amount)?;
                self.debt = self.debt.checked_sub(*amount).ok_or(UNFIT)?;
            }
            Effect::LowerDebt(amount) => self.debt = self.debt.checked_sub(*amount).ok_or(UNFIT)?,
            Effect::Schedule(at) if *at > self.now => self.scheduled = Some(*at),
            Effect::Schedule(_) => return Err(UNFIT),
            Effect::Bind(binding) => {
                let now = self.now;
                let played = self.played(binding.number)?;
                if played.binding.is_some_and(|bound| !bound.window.is_empty() && bound.window.to > now) {
                    return Err(UNFIT);
                }
                let base = played.last.unwrap_or((now, Quantity::ZERO));
                *played = Played { binding: Some(*binding), base, last: played.last, ..Played::default() };
            }
            Effect::EndBinding { binding, at, .. } => {
                let played = self.played(*binding)?;
                if let Some(bound) = &mut played.binding {
                    bound.window.to = bound.window.to.min(*at);
                }
            }
            Effect::Resume { binding, until, .. } => {
                if let Some(bound) = &mut self.played(*binding)?.binding {
                    bound.window.to = *until;
                }
            }
            Effect::Settle { binding, keep, absorb, .. } => {
                let played = self.played(*binding)?;
                let bought = keep.checked_add(*absorb).ok_or(UNFIT)?;
                let is_fit = match played.binding.map(|bound| bound.sum) {
                    Some(Sum::Fill(volume)) => *keep <= played.filled && bought <= volume,
                    Some(_) => false,
                    None => *keep == Quantity::ZERO,
                };
                if !is_fit {
                    return Err(UNFIT);
                }
                played.binding = None;
            }
            Effect::Mark { binding, at, .. } => self.played(*binding)?.mark = *at,
            Effect::Level { binding, at, .. } => self.played(*binding)?.level = *at,
            Effect::Issue(draft) => self.statements.push((self.now, draft.clone())),
            Effect::Finish(status) => {
                if self.pots.values().any(|pot| *pot > Money::ZERO) {
                    return Err(UNFIT);
                }
                if self.ended.is_none() {
                    self.scheduled = None;
                }
                self.ended = Some(*status);
            }
            Effect::Sell(..) | Effect::Unsell(..) | Effect::Notify(_) => {}
        }
        Ok(())
    }

    fn played(&mut self, number: u8) -> Result<&mut Played, Fault> {
        self.meters.get_mut(usize::from(number)).ok_or(UNFIT)
    }

    fn take(&mut self, party: Party, purpose: Purpose, amount: Money) -> Result<(), Fault> {
        let pot = self.pots.entry((party, purpose)).or_default();
        *pot = pot.checked_sub(amount).ok_or(UNFIT)?;
        Ok(())
    }

    fn give(&mut self, party: Party, amount: Money) -> Result<(), Fault> {
        let free = self.free.get_mut(usize::from(party.0)).ok_or(UNFIT)?;
        *free = free.checked_add(amount).ok_or(UNFIT)?;
        Ok(())
    }

    fn spend(&mut self, party: Party, amount: Money) -> Result<(), Fault> {
        let free = self.free.get_mut(usize::from(party.0)).ok_or(UNFIT)?;
        *free = free.checked_sub(amount).ok_or(UNFIT)?;
        Ok(())
    }

    /// What a party's allowance can still give now, whatever it has.
    fn allowance_left(&self, party: Party) -> Money {
        let allowances = crate::native::allowances(&self.terms.program);
        let allowance = allowances.iter().find(|one| one.party == party);
        allowance.map_or(Money::ZERO, |one| one.cap.saturating_sub(self.drawn_of(one, Grantable::Allowance)))
    }

    /// What counts of what was taken. As on the ledger, a period of a grant that renews begins with what is taken first, and
    /// when it is over all of it can be taken again.
    fn drawn_of(&self, allowance: &Allowance, of: Grantable) -> Money {
        let drawn = self.drawn.get(&(allowance.party, of));
        let is_over = |since: Timestamp| allowance.renews && self.now.0.saturating_sub(since.0) >= ALLOWANCE_PERIOD_MS;
        drawn.filter(|(since, _)| !is_over(*since)).map_or(Money::ZERO, |(_, money)| *money)
    }

    fn note_drawn(&mut self, allowance: &Allowance, of: Grantable, amount: Money) -> Result<(), Fault> {
        let before = self.drawn_of(allowance, of);
        let drawn = self.drawn.entry((allowance.party, of)).or_insert((self.now, Money::ZERO));
        if before == Money::ZERO {
            drawn.0 = self.now;
        }
        drawn.1 = before.checked_add(amount).ok_or(UNFIT)?;
        Ok(())
    }

    /// As the ledger counts it.
    fn within_reserve(&self, party: Party, amount: Money) -> Result<(), Fault> {
        let Some(reserve) = crate::native::reserve(&self.terms.program, party) else { return Ok(()) };
        let given = self.drawn_of(&reserve, Grantable::Reserve);
        let wanted = [self.reserved(party), given].into_iter().try_fold(amount, Money::checked_add);
        if wanted.is_some_and(|wanted| wanted <= reserve.cap) { Ok(()) } else { Err(UNFIT) }
    }

    fn note_given(&mut self, party: Party, amount: Money) -> Result<(), Fault> {
        let reserve = crate::native::reserve(&self.terms.program, party);
        reserve.map_or(Ok(()), |reserve| self.note_drawn(&reserve, Grantable::Reserve, amount))
    }

    fn move_money(&mut self, movement: Movement, amount: Money) -> Result<(), Fault> {
        if amount == Money::ZERO {
            return Ok(());
        }
        match movement {
            Movement::Reserve { party, purpose } => {
                self.within_reserve(party, amount)?;
                self.spend(party, amount)?;
                let pot = self.pots.entry((party, purpose)).or_default();
                *pot = pot.checked_add(amount).ok_or(UNFIT)?;
                Ok(())
            }
            Movement::Release { party, purpose } => {
                self.take(party, purpose, amount)?;
                self.give(party, amount)
            }
            Movement::Pay { from, source: Source::Pot(purpose), to } => {
                self.take(from, purpose, amount)?;
                self.note_given(from, amount)?;
                self.give(to, amount)
            }
            Movement::Pay { from, source: Source::Allowance, to } => {
                if amount > self.allowance_left(from) {
                    return Err(UNFIT);
                }
                let allowances = crate::native::allowances(&self.terms.program);
                let allowance = allowances.iter().find(|one| one.party == from).ok_or(UNFIT)?;
                self.note_drawn(allowance, Grantable::Allowance, amount)?;
                self.spend(from, amount)?;
                self.give(to, amount)
            }
            Movement::Forfeit { by, to } => {
                self.take(by, Purpose::Deposit, amount)?;
                self.note_given(by, amount)?;
                self.give(to, amount)
            }
            Movement::Pay { source: Source::Debt, .. } | Movement::FallBack { .. } => Err(UNFIT),
        }
    }

    /// The hard end. Here everybody has its own again, whatever the terms say: how it is shared out needs no program.
    fn fall_back(&mut self) {
        for ((party, _), pot) in std::mem::take(&mut self.pots) {
            let _ = self.give(party, pot);
        }
        self.ended = Some(Status::Terminated);
        self.scheduled = None;
    }
}
