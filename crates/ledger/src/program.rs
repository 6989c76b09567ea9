//! Running programs [M15]: what an agreement's program wants is read, it acts, and all its effects are carried out or none.
//!
//! ```text
//! ask (a party's transaction)      ── refused by the program, or an unfit effect ──> the transaction is refused
//! tell (meters, the due calendar)  ── fault, an unfit effect, or more than there is time, work or fuel for
//!                                     ──> ProgramFailed; nothing moves; again an hour later
//!                                     three times in a row ──> stalled, until all agree or the hard end comes
//! ```
//!
//! What a program is told while it fails waits in a backlog, in order. What it is told while some program is at work (a
//! purchase that settles gives back to a supply) waits until that one is done, so that no record is changed under a
//! rule's hands.
//!
//! Deliberately absent: which programs there are. That is `utilidor_program::native`'s.

use crate::context::Ledger;
use crate::effect::Unfit;
use crate::record::{AgreementRecord, AgreementState, BacklogRecord, PackageHead, SlotRecord};
use crate::store::{MAX_RECORD_BYTES, Ruled, Stop};
use crate::work::{MAX_TOLD_WORK, Work};
use std::collections::BTreeMap;
use std::sync::Arc;
use utilidor_program::backlog;
use utilidor_program::contract::{MAX_EFFECTS, MAX_SLOTS};
use utilidor_program::wasm::EVENT_FUEL;
use utilidor_program::{Case, Effect, Event, Facts, Fault, State, Step, Wants};
use utilidor_types::agreement::{AgreementTerms, Party, Status};
use utilidor_types::event::{self, MAX_EVENTS};
use utilidor_types::package::{PackageTerms, TariffOption};
use utilidor_types::time::{HOUR_MS, MAX_TIMESTAMP};
use utilidor_types::{Agreement, AgreementId, Bounded, DueItem, MemberId, Money, PackageId, Refusal, Timestamp};

/// After so many failures in a row an agreement is stalled.
pub const MAX_FAILURES: u8 = 3;
/// A program that has failed is tried again after this time.
pub const RETRY_MS: u64 = HOUR_MS;

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Refused(match fault {
            Fault::Refused(refusal) => refusal,
            Fault::Failed(code) => Refusal::ProgramFault { code },
        })
    }
}

/// The code that stands for a failure in an event of the ledger.
const fn code_of(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::ProgramFault { code } | Refusal::UnfitEffect { code } => *code,
        _ => Unfit::Refused.code(),
    }
}

/// Whether an event brings new terms.
const fn is_new(event: &Event) -> bool {
    matches!(event, Event::Signed | Event::Amended { .. })
}

pub(crate) fn without_slots(state: &AgreementState) -> State {
    State { head: state.head.clone(), slots: BTreeMap::new() }
}

/// Asking and telling.
impl Ledger<'_> {
    /// A member's transaction brings about an event. What the program refuses, and what it cannot have, refuses it; and so does a
    /// day's fuel that is spent, of who pays for the event or of who asks, for whom it counts if it is refused.
    pub fn ask(&mut self, by: MemberId, id: AgreementId, event: &Event) -> Ruled<()> {
        let state = self.store.view::<AgreementState>(&id)?.ok_or(Refusal::UnknownAgreement { agreement: id })?;
        if state.failures > 0 && !matches!(event, Event::Amended { .. }) {
            return Err(Refusal::ProgramFault { code: Unfit::Waiting.code() }.into());
        }
        drop(state);
        let record = self.agreement(id)?;
        if self.has_hard_ended(&record.agreement.terms) {
            return Err(Unfit::Time.into());
        }
        self.need_fuel(&record.agreement.terms, event, by)?;
        self.act(id, event)?;
        self.tell_waiting()
    }

    /// Tells an agreement what happened to it. This refuses nothing: at worst the program fails.
    ///
    /// Who calls it has put all its records back, and looks them up again afterwards.
    pub fn told(&mut self, id: AgreementId, event: Event) -> Ruled<()> {
        if self.is_running {
            self.to_tell.push_back((id, event));
            return Ok(());
        }
        self.tell(id, &event)?;
        self.tell_waiting()
    }

    /// Tells what waits. If something is missing for one, what all need is asked for at once.
    fn tell_waiting(&mut self) -> Ruled<()> {
        while let Some((id, event)) = self.to_tell.pop_front() {
            let told = self.tell(id, &event);
            if matches!(told, Err(Stop::Unfetched)) {
                let waiting = std::mem::take(&mut self.to_tell);
                std::iter::once((id, event)).chain(waiting).for_each(|(id, event)| self.want_used(id, &event));
            }
            told?;
        }
        Ok(())
    }

    fn tell(&mut self, id: AgreementId, event: &Event) -> Ruled<()> {
        let Some(state) = self.store.view::<AgreementState>(&id)? else { return Ok(()) };
        if state.halted {
            return Ok(());
        }
        let failures = state.failures;
        drop(state);
        let record = self.agreement(id)?;
        if self.has_hard_ended(&record.agreement.terms) {
            return Ok(());
        }
        if failures > 0 {
            return self.put_off(id, [event.clone()]);
        }
        let mark = self.store.mark();
        let (events, to_tell) = (self.events.len(), self.to_tell.len());
        let code = match self.attempt_if_paid(id, &record.agreement.terms, event) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(code)) => code,
            Err(Stop::Unfetched) if self.is_late => {
                self.store.undo(mark);
                self.events.truncate(events);
                self.to_tell.truncate(to_tell);
                self.is_running = false;
                Unfit::Records.code()
            }
            Err(stop) => return Err(stop),
        };
        self.put_off(id, [event.clone()])?;
        self.note_failure(id, code, 1)
    }

    /// All of an event or nothing, unless no fuel is left for it in the unit or, of its owner's, on this day. Gives the code of a failure.
    fn attempt_if_paid(&mut self, id: AgreementId, terms: &AgreementTerms, event: &Event) -> Ruled<Result<(), u16>> {
        let waits = self.waits_for_fuel(terms);
        if matches!(waits, Err(Stop::Unfetched)) {
            self.want_used(id, event);
        }
        let is_paid = waits?.is_none() && !(terms.program.is_written() && self.has_told_enough());
        if is_paid { self.attempt(id, event) } else { Ok(Err(Unfit::Fuel.code())) }
    }

    /// Whether programs that are told something have used so much of the unit's work that others are told later.
    fn has_told_enough(&mut self) -> bool {
        let from = self.told_bytes.0.min(self.events.len());
        let bytes: usize =
            self.events[from..].iter().map(|event| borsh::object_length(event).unwrap_or(MAX_RECORD_BYTES)).sum();
        self.told_bytes = (self.events.len(), self.told_bytes.1.saturating_add(bytes as u64));
        let used = Work { receipt_bytes: self.told_bytes.1, ..self.store.spent_so_far() };
        !used.is_within(&MAX_TOLD_WORK) || self.events.len() > MAX_EVENTS / 2
    }

    /// All of an event or nothing. Gives the code of a failure.
    fn attempt(&mut self, id: AgreementId, event: &Event) -> Ruled<Result<(), u16>> {
        let mark = self.store.mark();
        let (events, to_tell) = (self.events.len(), self.to_tell.len());
        match self.act(id, event) {
            Ok(()) => Ok(Ok(())),
            Err(Stop::Refused(refusal)) if refusal != Refusal::TooMuchWork => {
                self.store.undo(mark);
                self.events.truncate(events);
                self.to_tell.truncate(to_tell);
                // What a program that fails has used is not asked: as much as an event may.
                let record = self.agreement(id)?;
                self.use_fuel(&record.agreement.terms, event, EVENT_FUEL)?;
                Ok(Err(code_of(&refusal)))
            }
            Err(stop) => Err(stop),
        }
    }

    /// Keeps events for a program that fails.
    fn put_off(&mut self, id: AgreementId, events: impl IntoIterator<Item = Event>) -> Ruled<()> {
        let mut backlog = self.store.find::<BacklogRecord>(&id)?.unwrap_or_default();
        for event in events {
            backlog::wait(&mut backlog.events, event);
        }
        self.store.put(&id, backlog);
        Ok(())
    }

    pub fn note_failure(&mut self, id: AgreementId, code: u16, failures: u8) -> Ruled<()> {
        let mut state: AgreementState = self.store.known(&id)?;
        state.failures = failures;
        self.events.push(event::Event::ProgramFailed { agreement: id, code, failures });
        if failures >= MAX_FAILURES && state.is_over() {
            // Nothing of it is reserved any more, and nobody can amend it.
            state.halted = true;
            self.store.delete::<BacklogRecord>(&id);
        } else if failures >= MAX_FAILURES {
            self.set_status(id, &mut state, Status::Stalled);
        }
        self.call_again(id, &mut state);
        self.store.put(&id, state);
        Ok(())
    }

    /// The agreement's time has come: what its program missed while it failed, then what it has scheduled.
    pub fn call_program(&mut self, id: AgreementId, mut state: AgreementState) -> Ruled<()> {
        let failures = std::mem::take(&mut state.failures);
        let is_due = state.scheduled.is_some_and(|at| at <= self.now);
        state.called = None;
        let mut backlog = Vec::new();
        if failures > 0 {
            // What it missed may have been its meters, one at a time.
            self.want_metered(id);
            backlog = self.store.find::<BacklogRecord>(&id)?.unwrap_or_default().events.into_vec();
            self.store.delete::<BacklogRecord>(&id);
        }
        self.store.put(&id, state);
        match self.attempt_all(id, backlog, is_due)? {
            // What its program did last has entered it into the calendar.
            Ok(()) if is_due => {}
            Ok(()) => {
                let mut state: AgreementState = self.store.known(&id)?;
                self.call_again(id, &mut state);
                self.store.put(&id, state);
            }
            Err(code) => self.note_failure(id, code, failures.saturating_add(1))?,
        }
        self.tell_waiting()
    }

    /// The agreement's time has come on a day on which no fuel is left for it. Its hard end waits for nothing.
    pub fn wait_until(&mut self, id: AgreementId, mut state: AgreementState, at: Timestamp) {
        state.called = Some(at.min(state.ends));
        self.note_due(DueItem::Agreement(id));
        self.store.put(&id, state);
    }

    /// Whether the time has come at which a program that parties have written is told nothing any more, whatever is still owed: its
    /// parties have signed it.
    pub fn has_hard_ended(&self, terms: &AgreementTerms) -> bool {
        terms.program.is_written() && utilidor_program::hard_end(terms, self.now).at <= self.now
    }

    /// Forgets what a program has missed.
    pub fn drop_backlog(&mut self, id: AgreementId) -> Ruled<()> {
        if self.store.view::<BacklogRecord>(&id)?.is_some() {
            self.store.delete::<BacklogRecord>(&id);
        }
        Ok(())
    }

    /// Tells a program nothing any more that is over. What is owed can still be paid.
    pub fn halt(&mut self, id: AgreementId, mut state: AgreementState) -> Ruled<()> {
        self.drop_backlog(id)?;
        (state.halted, state.scheduled, state.failures) = (true, None, 0);
        self.call_again(id, &mut state);
        self.store.put(&id, state);
        Ok(())
    }

    /// Tells what waits, and that the program's own time has come. What comes after a failure goes on waiting.
    fn attempt_all(&mut self, id: AgreementId, backlog: Vec<Event>, is_due: bool) -> Ruled<Result<(), u16>> {
        let mut events = backlog.into_iter();
        while let Some(event) = events.next() {
            if let Err(code) = self.attempt(id, &event)? {
                self.put_off(id, std::iter::once(event).chain(events))?;
                return Ok(Err(code));
            }
        }
        if is_due { self.attempt(id, &Event::Due) } else { Ok(Ok(())) }
    }

    /// Notes when an agreement is to be called next: there is one such time.
    pub fn call_again(&mut self, id: AgreementId, state: &mut AgreementState) {
        let ends = (state.ends < MAX_TIMESTAMP && !(state.is_over() && state.debt > Money::ZERO)).then_some(state.ends);
        let retries = (state.failures > 0).then(|| self.now.checked_add_ms(RETRY_MS)).flatten();
        let at = match state.status {
            _ if state.halted => ends,
            Status::Active | Status::Settled | Status::Defaulted | Status::Terminated => {
                [retries.or(state.scheduled), ends].into_iter().flatten().min()
            }
            Status::Stalled => ends,
            Status::Proposed | Status::Declined | Status::Expired => None,
        };
        // What should have been done already is done in the next block; nothing is due any more at the end of the calendar.
        let at = at.map(|at| at.max(Timestamp(self.now.0.saturating_add(1))));
        state.called = at.filter(|at| *at <= MAX_TIMESTAMP);
        self.note_due(DueItem::Agreement(id));
    }
}

/// Acting.
impl Ledger<'_> {
    /// Lets an agreement's program act, and carries out what it asks for. If anything is missing, all that is known to be
    /// needed is asked for at once.
    fn act(&mut self, id: AgreementId, event: &Event) -> Ruled<()> {
        let done = self.act_on_what_is_there(id, event);
        if matches!(done, Err(Stop::Unfetched)) {
            self.want_used(id, event);
        }
        done
    }

    fn act_on_what_is_there(&mut self, id: AgreementId, event: &Event) -> Ruled<()> {
        let record = self.agreement(id)?;
        let agreement = &record.agreement;
        let mut present = self.state(id)?;
        let mut wants = utilidor_program::wants(&agreement.terms.program, event, &without_slots(&present))?;
        if !wants.read.is_empty() {
            // What comes back to a meter's supply is told later, and asked for now.
            wants.read.iter().for_each(|(_, meter)| self.want_served(*meter));
            for (binding, meter) in &wants.read {
                self.read_meter(*meter, (id, *binding))?;
            }
            let read = self.state(id)?;
            if read.failures > present.failures {
                return Err(Unfit::Waiting.into());
            }
            // Most meters have nothing to close.
            if !Arc::ptr_eq(&present, &read) {
                present = read;
                wants = utilidor_program::wants(&agreement.terms.program, event, &without_slots(&present))?;
            }
        }
        self.want_fuel(&agreement.terms, event);
        let state = Arc::unwrap_or_clone(present);
        let before = self.read_state(id, &state, &wants)?;
        let facts = self.facts(agreement, &state, event, wants)?;
        let case = Case { agreement: id, terms: &agreement.terms, state: &before, facts: &facts };
        let step = self.run_program(case, event)?;

        self.is_running = true;
        let done = self.carry_out(agreement, state, event, &step, &facts);
        self.is_running = false;
        done
    }

    fn state(&mut self, id: AgreementId) -> Ruled<Arc<AgreementState>> {
        Ok(self.store.view::<AgreementState>(&id)?.ok_or(Refusal::UnknownAgreement { agreement: id })?)
    }

    /// Before an event: what the program will want and, once all that is there, what carrying out its answer will read. A
    /// published program runs only when it is paid for.
    pub fn want_for(&mut self, agreement: &Agreement, state: &AgreementState, event: &Event) {
        let Some(wants) = self.want_told(agreement, state, event) else { return };
        wants.read.iter().for_each(|(_, meter)| self.want_served(*meter));
        let Ok(before) = self.read_state(agreement.id, state, &wants) else { return };
        let Ok(facts) = self.facts(agreement, state, event, wants) else { return };
        if facts.module.is_some() {
            return;
        }
        let case = Case { agreement: agreement.id, terms: &agreement.terms, state: &before, facts: &facts };
        if let Ok(step) = utilidor_program::act(event, case) {
            if step.effects.iter().any(|effect| matches!(effect, Effect::Schedule(_) | Effect::Finish(_))) {
                self.want_left(state.due);
            }
            step.effects.iter().for_each(|effect| self.want_effect(agreement, effect));
        }
    }

    /// Before an event: what the program will want, as far as it is known.
    pub fn want_told(&mut self, agreement: &Agreement, state: &AgreementState, event: &Event) -> Option<Wants> {
        self.want_parties(&agreement.terms);
        let wants = utilidor_program::wants(&agreement.terms.program, event, &without_slots(state)).ok()?;
        self.want_wanted(agreement, &wants);
        self.want_fuel(&agreement.terms, event);
        if is_new(event) {
            wants.packages.iter().for_each(|(package, _)| self.store.want::<PackageHead>(package));
        }
        Some(wants)
    }

    /// Asks for all meters that a party's own program can reach.
    fn want_metered(&mut self, id: AgreementId) {
        if let Ok(Some(record)) = self.store.view::<AgreementRecord>(&id) {
            record.agreement.terms.program.reached().iter().for_each(|metered| self.want_meter(metered.meter));
        }
    }

    /// Asks for all that a program wants, at once.
    fn want_wanted(&mut self, agreement: &Agreement, wants: &Wants) {
        if let Some(program) = wants.program {
            self.want_program(program);
        }
        wants.slots.iter().for_each(|slot| self.store.want::<SlotRecord>(&(agreement.id, *slot)));
        wants.tariffs.iter().for_each(|tariff| self.store.want::<TariffOption>(tariff));
        for version in &wants.packages {
            self.store.want::<PackageTerms>(version);
        }
        wants.indices.iter().for_each(|(index, _, period)| self.want_index(*index, *period));
        wants.follows.iter().for_each(|(meter, _)| self.want_meter(*meter));
        let summed = wants.sums.iter().filter(|sum| !wants.read.contains(sum));
        wants.read.iter().chain(summed).for_each(|(_, meter)| self.want_meter(*meter));
    }

    fn read_state(&mut self, id: AgreementId, state: &AgreementState, wants: &Wants) -> Ruled<State> {
        let mut read = without_slots(state);
        for slot in &wants.slots {
            self.read_slot(id, state.slots, *slot, &mut read)?;
        }
        Ok(read)
    }

    fn read_slot(&mut self, id: AgreementId, slots: u16, slot: u8, into: &mut State) -> Ruled<()> {
        if usize::from(slot) < MAX_SLOTS
            && slots & 1 << slot != 0
            && let Some(record) = self.store.view::<SlotRecord>(&(id, slot))?
        {
            into.slots.insert(slot, record.bytes.clone());
        }
        Ok(())
    }

    fn facts(&mut self, agreement: &Agreement, state: &AgreementState, event: &Event, wants: Wants) -> Ruled<Facts> {
        let terms = &agreement.terms;
        let available = Vec::with_capacity(terms.parties.len());
        let mut facts = Facts { now: self.now, debt: state.debt, available, ..Facts::default() };
        let allowances = utilidor_program::allowances(&terms.program);
        for (number, account) in (0u8..).zip(&terms.parties) {
            let left = state.allowance_left(&allowances, Party(number), self.now);
            let free = if left > Money::ZERO { self.free(*account)? } else { Money::ZERO };
            facts.available.push(left.min(free));
        }
        if let Some(program) = wants.program {
            facts.module = Some(self.module(program)?);
        }
        facts.pots = state.pots.iter().map(|pot| (pot.party, pot.purpose, pot.money)).collect();
        for tariff in wants.tariffs {
            let (carrier, option) = (tariff.carrier, tariff.option);
            let found: Arc<TariffOption> =
                self.store.view(&tariff)?.ok_or(Refusal::NoSuchOption { carrier, option })?;
            facts.tariffs.insert(tariff, found);
        }
        for (package, version) in wants.packages {
            if is_new(event) {
                self.need_sellers_package(agreement, package, version)?;
            }
            let terms = self.store.view::<PackageTerms>(&(package, version))?;
            let terms = terms.ok_or(Refusal::UnknownPackage { package, version })?;
            facts.packages.insert((package, version), terms);
        }
        for (index, unit, period) in wants.indices {
            facts.indices.push(self.read_index(index, unit, period)?);
        }
        for (meter, window) in wants.follows {
            facts.follower = facts.follower.or(self.follower(agreement, meter, window)?);
        }
        for (binding, meter) in wants.sums {
            // A program may end what it has bound before it acts again.
            if state.bindings.iter().any(|bound| bound.number == binding && bound.fills) {
                facts.sums.push(self.sums(agreement.id, binding, meter)?);
            }
        }
        Ok(facts)
    }

    /// Nobody sells by another's package.
    fn need_sellers_package(&mut self, agreement: &Agreement, package: PackageId, version: u32) -> Ruled<()> {
        let head = self.store.view::<PackageHead>(&package)?.ok_or(Refusal::UnknownPackage { package, version })?;
        if Some(head.owner) != agreement.terms.owner() {
            return Err(Refusal::NotPackageOwner { package }.into());
        }
        Ok(())
    }

    /// Carries out a step: all of it, or what it has done is undone by who called.
    fn carry_out(
        &mut self,
        agreement: &Agreement,
        mut state: AgreementState,
        event: &Event,
        step: &Step,
        facts: &Facts,
    ) -> Ruled<()> {
        if step.effects.len() > MAX_EFFECTS {
            return Err(Unfit::Effects.into());
        }
        if matches!(event, Event::Due) {
            state.scheduled = None;
        }
        if is_new(event) {
            state.ends = utilidor_program::hard_end(&agreement.terms, self.now).at;
        }
        let written_before = self.store.spent_so_far().cells_written;
        let issues = step.effects.iter().any(|effect| matches!(effect, Effect::Issue(_)));
        let is_signed = matches!(event, Event::Signed);
        let written = self.write_state(agreement.id, &mut state, step, issues || is_signed)?;
        let now = self.now;
        state.bindings.retain(|bound| bound.until > now);
        let (before, available) = (self.events.len(), facts.available(Party::USER));
        for effect in &step.effects {
            let done = self.carry_out_one(agreement, &mut state, effect, available);
            if matches!(done, Err(Stop::Unfetched)) {
                step.effects.iter().for_each(|effect| self.want_effect(agreement, effect));
            }
            done?;
        }
        if state.is_over() {
            if !state.pots.is_empty() {
                return Err(Unfit::Status.into());
            }
            if agreement.terms.program.is_written() {
                self.let_meters_go(agreement, &mut state)?;
            }
        }
        if let Some(written) = written {
            self.complete_statements(before, &agreement.terms, &mut state, &written);
        }
        self.call_again(agreement.id, &mut state);
        self.store.put(&agreement.id, state);
        let written = self.store.spent_so_far().cells_written.saturating_sub(written_before);
        self.pay_for_cells(&agreement.terms, event, written)
    }

    /// Writes what a step changes of the program's state. Gives all of it, if it is wanted.
    fn write_state(
        &mut self,
        id: AgreementId,
        state: &mut AgreementState,
        step: &Step,
        all: bool,
    ) -> Ruled<Option<State>> {
        let mut whole = without_slots(state);
        if all {
            for slot in 0..MAX_SLOTS as u8 {
                self.read_slot(id, state.slots, slot, &mut whole)?;
            }
        }
        step.apply_to(&mut whole).map_err(|_| Unfit::State)?;
        for (slot, bytes) in &step.slots {
            let bit = 1u16.checked_shl(u32::from(*slot)).ok_or(Unfit::State)?;
            let key = (id, *slot);
            let is_there = state.slots & bit != 0;
            if is_there {
                self.store.find::<SlotRecord>(&key)?;
            }
            match bytes {
                Some(bytes) => {
                    let record = SlotRecord { bytes: Bounded::new(bytes.clone()).map_err(|_| Unfit::State)? };
                    match is_there {
                        true => self.store.put(&key, record),
                        false => self.store.create_unread(&key, record),
                    }
                    state.slots |= bit;
                }
                None if is_there => {
                    self.store.delete::<SlotRecord>(&key);
                    state.slots &= !bit;
                }
                None => {}
            }
        }
        state.head = whole.head.clone();
        Ok(all.then_some(whole))
    }
}

impl Ledger<'_> {
    /// The agreement.
    pub fn agreement(&mut self, id: AgreementId) -> Ruled<Arc<AgreementRecord>> {
        Ok(self.store.view::<AgreementRecord>(&id)?.ok_or(Refusal::UnknownAgreement { agreement: id })?)
    }

    /// Notes a change of status.
    pub fn set_status(&mut self, agreement: AgreementId, state: &mut AgreementState, status: Status) {
        state.status = status;
        self.events.push(event::Event::AgreementStatus { agreement, status });
    }
}
