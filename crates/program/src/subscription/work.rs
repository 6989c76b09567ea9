//! One step of the program: what it has read, what it changes, and what it asks for.

use super::account::{Account, Position};
use super::frame::Frame;
use super::head::{Due, Head, MAX_CHARGED, MAX_TARIFFS, MAX_VERSIONS, Supply, TariffRef};
use super::level;
use super::minimum::Minimum;
use super::statement;
use super::usage::MAX_GROUPS;
use crate::contract::{BAD_STATE, Effect, Facts, Fault, MAX_SLOT_BYTES, Segment, State, Step};
use std::collections::BTreeMap;
use utilidor_types::statement::{Closing, SUPPLEMENTARY_MS};
use utilidor_types::{Bands, Carrier, SubscriptionTerms, Timestamp, Window, decode, encode};

/// A prepayment or an amendment is refused if it leaves less than this of a slot: room for what the stretches that follow add.
const RESERVE_BYTES: usize = 600;

/// The same for groups of usage: list prices of terms that follow each other, and a correction.
const RESERVE_GROUPS: usize = 4;

/// What flowed, and how it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// The meter has come so far.
    Segment,
    /// A purchase gives it back.
    Returned,
}

/// What only late readings can need.
#[derive(Debug, Clone, Copy)]
enum Replaced {
    /// A service's oldest terms.
    Terms(Carrier),
    /// A service's price that ended then.
    Price(Carrier, Timestamp),
    /// The minimums of a period.
    Minimums(Window),
}

/// One step of the program.
#[derive(Debug)]
pub(super) struct Work<'a> {
    /// What both have signed.
    pub terms: &'a SubscriptionTerms,
    /// What is known.
    pub facts: &'a Facts,
    /// What all services share.
    pub head: Head,
    /// The services that were read.
    pub accounts: BTreeMap<Carrier, Account>,
    /// What is asked for.
    pub effects: Vec<Effect>,
    /// Bindings that end by now, by this step.
    pub ended: Vec<u8>,
}

impl<'a> Work<'a> {
    /// A step that begins with this head.
    pub fn new(terms: &'a SubscriptionTerms, facts: &'a Facts, head: Head) -> Self {
        Self { terms, facts, head, accounts: BTreeMap::new(), effects: Vec::new(), ended: Vec::new() }
    }

    /// Reads the head and these slots.
    pub fn read(terms: &'a SubscriptionTerms, facts: &'a Facts, state: &State, slots: &[u8]) -> Result<Self, Fault> {
        let mut work = Self::new(terms, facts, read_head(state)?);
        for slot in slots {
            let bytes = state.slots.get(slot).ok_or(BAD_STATE)?;
            let carrier = Carrier::ALL.into_iter().find(|carrier| *carrier as u8 == *slot).ok_or(BAD_STATE)?;
            work.accounts.insert(carrier, decode(bytes, MAX_SLOT_BYTES).map_err(|_| BAD_STATE)?);
        }
        Ok(work)
    }

    /// The answer: what has changed, and what is asked for.
    pub fn answer(self, state: &State) -> Result<Step, Fault> {
        let head = encode(&self.head);
        let mut step = Step { effects: self.effects, ..Step::default() };
        if *state.head != *head {
            step.head = Some(head);
        }
        for (carrier, account) in &self.accounts {
            let bytes = encode(account);
            if state.slots.get(&(*carrier as u8)).is_none_or(|present| **present != *bytes) {
                step.slots.insert(*carrier as u8, Some(bytes));
            }
        }
        Ok(step)
    }

    /// Whether there is room in a service's slot for what its stretches can still come to.
    pub fn has_room(&self, carrier: Carrier) -> bool {
        self.accounts.get(&carrier).is_none_or(|account| {
            encode(account).len() <= MAX_SLOT_BYTES - RESERVE_BYTES && account.prices() + RESERVE_GROUPS <= MAX_GROUPS
        })
    }

    /// Asks to act again when the next thing falls due.
    pub fn schedule(&mut self) {
        // What should have been done already is done as soon as can be.
        let soonest = Timestamp(self.facts.now.0.saturating_add(1));
        self.effects.extend(self.head.next_due().map(|(at, _)| Effect::Schedule(at.max(soonest))));
    }

    /// Closes what a service's meters have passed.
    pub fn run(&mut self, carrier: Carrier) -> Result<(), Fault> {
        let mut frame = Frame::new(&self.head, self.facts, carrier);
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        account.run(&mut frame)?;
        self.effects.extend(frame.notices.into_iter().map(Effect::Notify));
        Ok(())
    }

    /// Sets the marks and the level of a service anew.
    pub fn look(&mut self, carrier: Carrier) -> Result<(), Fault> {
        self.look_beyond(carrier, &Bands::ZERO)?;
        let frame = Frame::new(&self.head, self.facts, carrier);
        let account = self.accounts.get(&carrier).ok_or(BAD_STATE)?;
        let end = self.head.end();
        // One that has just been ended may be gone already; its mark stands.
        let there = |position: &&Position| position.serves(end) && !self.ended.contains(&position.binding);
        for position in account.meters.iter().filter(there) {
            let (binding, meter) = (position.binding, self.head.supply(position.binding).ok_or(BAD_STATE)?.meter);
            // The end of a binding is a mark by itself.
            let at = account.next_boundary(&frame, position.at.max(position.from));
            let at = at.filter(|at| position.until(end).is_none_or(|until| *at < until));
            self.effects.push(Effect::Mark { binding, meter, at });
        }
        Ok(())
    }

    pub fn look_at_all(&mut self) -> Result<(), Fault> {
        let carriers: Vec<Carrier> = self.accounts.keys().copied().collect();
        carriers.into_iter().try_for_each(|carrier| self.look(carrier))
    }

    /// Sets the level anew, now that the meter has brought `brought` since its last segment.
    pub fn look_beyond(&mut self, carrier: Carrier, brought: &Bands) -> Result<(), Fault> {
        let service = self.terms.services.iter().find(|service| service.carrier == carrier);
        let low_balance = service.map(|service| service.low_balance).unwrap_or_default();
        let mut frame = Frame::new(&self.head, self.facts, carrier);
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        let (now, end) = (self.facts.now, self.head.end());
        let serves = |of: &&Position| of.from <= now && of.until(end).is_none_or(|until| now < until);
        let Some(position) = account.meters.iter().find(serves).copied() else { return Ok(()) };
        if !frame.is_charged(account.epoch_at(now)?.tariff)? {
            return Ok(());
        }
        let at = level::watch(account, &mut frame, low_balance, brought)?;
        self.effects.extend(frame.notices.into_iter().map(Effect::Notify));
        let meter = self.head.supply(position.binding).ok_or(BAD_STATE)?.meter;
        self.effects.push(Effect::Level { binding: position.binding, meter, at });
        Ok(())
    }

    /// Whether a supplement can still be made, or the supply has not ended. The last one is made of what its meters are read for.
    pub fn takes_flows(&self) -> bool {
        let last = self.head.end().filter(|_| self.head.finished).map(|end| end.0.saturating_add(SUPPLEMENTARY_MS));
        last.is_none_or(|last| self.facts.now.0 <= last) || self.head.next_due().is_some()
    }

    /// The events `segment` and `returned`.
    pub fn flow(&mut self, binding: u8, segment: &Segment, how: Flow) -> Result<(), Fault> {
        let supply = *self.head.supply(binding).ok_or(BAD_STATE)?;
        let carrier = supply.carrier;
        let mut frame = Frame::new(&self.head, self.facts, carrier);
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        account.peak(&frame, segment.interval.to, segment.peak);
        account.flow(&mut frame, segment.interval, &segment.bands)?;
        let mut over = false;
        if how == Flow::Segment {
            over = account.pass(binding, segment.interval.to, self.head.end());
        }
        self.effects.extend(frame.notices.into_iter().map(Effect::Notify));
        self.run(carrier)?;
        let passed = self.head.month_end(supply.passed).min(self.head.end().unwrap_or(Timestamp(u64::MAX)));
        if how == Flow::Segment
            && (over || segment.interval.to >= passed)
            && let Some(supply) = self.head.supply_mut(binding)
        {
            (supply.passed, supply.over) = (segment.interval.to, over);
        }
        self.after(carrier, over || how == Flow::Returned)
    }

    /// The event `corrected`.
    pub fn corrected(&mut self, binding: u8, more: &Segment, less: &Bands) -> Result<(), Fault> {
        let carrier = self.head.supply(binding).ok_or(BAD_STATE)?.carrier;
        let mut frame = Frame::new(&self.head, self.facts, carrier);
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        account.flow(&mut frame, more.interval, &more.bands)?;
        account.take_back(&frame, more.interval, less)?;
        self.effects.extend(frame.notices.into_iter().map(Effect::Notify));
        self.after(carrier, true)
    }

    /// After the end a supplement, before it new marks and levels.
    fn after(&mut self, carrier: Carrier, complete: bool) -> Result<(), Fault> {
        if self.head.finished && complete { self.supplement(carrier) } else { self.look(carrier) }
    }

    fn supplement(&mut self, carrier: Carrier) -> Result<(), Fault> {
        let mut minimums = self.head.minimums.clone();
        let frame = Frame::new(&self.head, self.facts, carrier);
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        statement::supplement(account, &frame, &mut minimums, &mut self.effects)?;
        self.head.minimums = minimums;
        Ok(())
    }

    /// The event `due`: the next thing, if its time has come.
    pub fn due(&mut self) -> Result<(), Fault> {
        let Some((_, due)) = self.head.next_due().filter(|(at, _)| *at <= self.facts.now) else {
            self.schedule();
            return Ok(());
        };
        match due {
            Due::Statement(ends) => self.statement(ends, Closing::Period)?,
            Due::Final(ends) => {
                self.statement(ends, Closing::End)?;
                self.let_go_of_all(ends)?;
            }
            // One service at a time: what one takes is not there for the next.
            Due::Last(_) => {
                let open = |supply: &&Supply| !supply.over;
                let carrier = self.head.supplies.iter().find(open).ok_or(BAD_STATE)?.carrier;
                self.supplement(carrier)?;
                let of_it = |supply: &&mut Supply| supply.carrier == carrier;
                self.head.supplies.as_mut_slice().iter_mut().filter(of_it).for_each(|supply| supply.over = true);
            }
        }
        self.schedule();
        Ok(())
    }

    fn statement(&mut self, ends: Timestamp, closing: Closing) -> Result<(), Fault> {
        let before: Vec<_> = self.accounts.iter().map(|(of, account)| (*of, account.tranches.clone())).collect();
        statement::make(&mut self.head, &mut self.accounts, self.facts, ends, closing, &mut self.effects)?;
        // Marks stand: no boundary has come or gone. What is left has changed where tranches have opened or are over.
        let changed =
            |(of, tranches): &(Carrier, _)| self.accounts.get(of).is_some_and(|now| now.tranches != *tranches);
        let changed: Vec<_> = before.into_iter().filter(changed).map(|(of, _)| of).collect();
        changed.into_iter().try_for_each(|carrier| self.look_beyond(carrier, &Bands::ZERO))
    }

    /// Makes room for other terms: what nothing refers to any more is forgotten, and if need be what only late readings would, the
    /// oldest first. What can still come onto a supplement is not.
    pub fn make_room(&mut self) {
        self.head.forget(&self.used());
        for account in self.accounts.values_mut() {
            while account.is_full() && account.join_terms() {}
        }
        while let Some((_, replaced)) = self.oldest_replaced() {
            match replaced {
                Replaced::Terms(of) => self.accounts.get_mut(&of).into_iter().for_each(Account::forget_terms),
                Replaced::Price(of, until) => {
                    self.accounts.get_mut(&of).into_iter().for_each(|account| account.forget_price(until));
                }
                Replaced::Minimums(period) => self.head.minimums.retain(|minimum| minimum.period != period),
            }
            self.head.forget(&self.used());
        }
        if self.head.charged.len() == MAX_CHARGED || self.lacks_names() {
            self.head.forget_replaced(&self.used());
        }
    }

    /// What was replaced first of what takes the room that other terms need, and when.
    fn oldest_replaced(&self) -> Option<(Timestamp, Replaced)> {
        let lacks_names = self.lacks_names();
        let accounts = || self.accounts.iter().filter(move |(_, account)| lacks_names || account.is_full());
        let offset_minutes = self.head.offset_minutes;
        let terms =
            accounts().filter_map(|(of, account)| Some((account.replaced(offset_minutes)?, Replaced::Terms(*of))));
        let prices = accounts().filter(|_| lacks_names).filter_map(|(of, account)| {
            let until = account.oldest_price()?;
            Some((until, Replaced::Price(*of, until)))
        });
        let is_replaced = |minimum: &&Minimum| self.head.charged.iter().all(|of| of.version != minimum.version);
        let minimums = self.head.minimums.iter().filter(|_| lacks_names).filter(is_replaced);
        let minimums = minimums.map(|minimum| (minimum.period.to, Replaced::Minimums(minimum.period)));
        let is_past = |time: Timestamp| time.0.saturating_add(SUPPLEMENTARY_MS) <= self.facts.now.0;
        terms.chain(prices).chain(minimums).filter(|(time, _)| is_past(*time)).min_by_key(|(time, _)| *time)
    }

    /// Whether there is no room for the names of other terms' tariffs.
    fn lacks_names(&self) -> bool {
        let Head { versions, tariffs, .. } = &self.head;
        versions.len() == MAX_VERSIONS || tariffs.len() + self.accounts.len() > MAX_TARIFFS
    }

    fn used(&self) -> Vec<(Carrier, TariffRef)> {
        let accounts = self.accounts.iter();
        accounts.flat_map(|(of, account)| account.tariffs().map(|tariff| (*of, tariff))).collect()
    }
}

/// Reads the head.
pub(super) fn read_head(state: &State) -> Result<Head, Fault> {
    decode(&state.head, crate::contract::MAX_HEAD_BYTES).map_err(|_| BAD_STATE)
}
