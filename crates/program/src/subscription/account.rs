//! The accounts of a service, in its slot: the timeline of what flowed, its tranches, and what waits for the statement.
//!
//! ```text
//! opened ──stretch──┬──stretch──┬──stretch──┬─ ─ ─          boundaries: prepayments, amendments, months' ends,
//!             prepayment    month's end   amendment                    the end of the supply
//! ```
//!
//! Between two boundaries nothing matters but how much flowed, by band. A *stretch* is closed, and charged, when all meters
//! concerned have passed its end, or when a statement is made for it. What comes later for a closed stretch is *late*: it is
//! charged at the price that the stretch ended with. So the order in which readings arrive plays no part.

use super::frame::Frame;
use super::head::TariffRef;
use super::rate::total;
use super::tranche::{Stage, Tranche};
use super::usage::{Ended, Group, MAX_GROUPS, MAX_HISTORY, Pays, Priced};
use crate::contract::{BAD_STATE, Fault, Notice, OVERFLOW};
use crate::exact::{add, share_floor};
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::statement::MAX_TRANCHES;
use utilidor_types::{Area, Bands, Bounded, Money, Quantity, Timestamp, Window};

/// Most terms of a service that follow each other and can still be needed.
pub(super) const MAX_EPOCHS: usize = 4;
/// Most meters of a service that have not passed their end.
pub(super) const MAX_METERS: usize = 3;
/// Most stretches that are not closed.
const MAX_STRETCHES: usize = 4;
/// Most months whose peaks a service remembers.
const MAX_PEAKS: usize = 4;

/// Terms of a service from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Epoch {
    /// From when on.
    pub from: Timestamp,
    /// The tariff.
    pub tariff: TariffRef,
    /// The floor area.
    pub area: Area,
}

/// How far a meter of the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Position {
    /// Its binding.
    pub binding: u8,
    /// When it begins to serve.
    pub from: Timestamp,
    /// When it ends, if that is known.
    pub to: Option<Timestamp>,
    /// Up to where its segments have come.
    pub at: Timestamp,
}

/// What has flowed since a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Stretch {
    /// The boundary.
    pub from: Timestamp,
    /// How much.
    #[borsh(serialize_with = "super::sparse::write", deserialize_with = "super::sparse::read")]
    pub bands: Bands,
}

/// The highest mean power in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Peak {
    /// The month's end.
    pub month: Timestamp,
    /// Quantity and milliseconds.
    pub highest: (Quantity, u32),
    /// What a statement has charged already.
    pub charged: (Quantity, u32),
}

/// The accounts of a service.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Account {
    /// Its terms, by rising time. The first ones are in force where the oldest stretch begins.
    pub epochs: Bounded<Epoch, MAX_EPOCHS>,
    /// Its meters that have not passed their end.
    pub meters: Bounded<Position, MAX_METERS>,
    /// Up to where stretches are closed.
    pub closed: Timestamp,
    /// What has flowed since, by rising time.
    pub stretches: Bounded<Stretch, MAX_STRETCHES>,
    /// How many tranches there have been.
    pub numbered: u32,
    /// Tranches that wait or are open, oldest first.
    pub tranches: Bounded<Tranche, MAX_TRANCHES>,
    /// Usage that waits for its statement.
    pub groups: Bounded<Group, MAX_GROUPS>,
    /// Prices that closed stretches ended with, by rising time.
    pub history: Bounded<Ended, MAX_HISTORY>,
    /// Peaks of months.
    pub peaks: Bounded<Peak, MAX_PEAKS>,
    /// What nothing prepaid has covered since the last prepayment.
    pub uncovered: Quantity,
    /// Whether it has been said that little is left.
    pub low_noticed: bool,
    /// Whether it has been said that nothing is left.
    pub exhausted_noticed: bool,
    /// Up to where days of a floor area are charged.
    pub area_until: Timestamp,
    /// Up to where periods are prepaid.
    pub paid_until: Timestamp,
}

impl Account {
    /// The accounts of a service that begins at `from`.
    pub fn new(from: Timestamp, tariff: TariffRef, area: Area) -> Self {
        let mut epochs = Bounded::empty();
        // There is room for the first one.
        let _ = epochs.push(Epoch { from, tariff, area });
        Self {
            epochs,
            meters: Bounded::empty(),
            closed: from,
            stretches: Bounded::empty(),
            numbered: 0,
            tranches: Bounded::empty(),
            groups: Bounded::empty(),
            history: Bounded::empty(),
            peaks: Bounded::empty(),
            uncovered: Quantity::ZERO,
            low_noticed: false,
            exhausted_noticed: false,
            area_until: from,
            paid_until: from,
        }
    }

    /// The terms in force at `time`, or the first ones.
    pub fn epoch_at(&self, time: Timestamp) -> Result<Epoch, Fault> {
        let begun = self.epochs.iter().rev().find(|epoch| epoch.from <= time);
        begun.or(self.epochs.first()).copied().ok_or(BAD_STATE)
    }

    /// Other terms from a time on that is not past. What has flowed is of the period before it, whenever that was known.
    pub fn amend(&mut self, epoch: Epoch) -> bool {
        for group in self.groups.as_mut_slice() {
            if group.period.from < epoch.from {
                group.period.to = group.period.to.min(epoch.from);
            }
        }
        self.epochs.push(epoch).is_ok()
    }

    /// The part of the month around `time` in which its terms are in force.
    fn period_at(&self, frame: &Frame<'_>, time: Timestamp) -> Window {
        let begun = self.epochs.iter().rev().find(|epoch| epoch.from <= time).map(|epoch| epoch.from);
        let next = self.epochs.iter().find(|epoch| epoch.from > time).map(|epoch| epoch.from);
        let month = frame.head.month_begin(time, 0).unwrap_or(Timestamp(0));
        let from = month.max(begun.unwrap_or(month)).max(frame.head.opened);
        let to = frame.head.month_end(time);
        Window { from, to: next.map_or(to, |next| next.min(to)) }
    }

    /// The first time after `time` at which something changes: a closed stretch's end, a month's end, a prepayment, an
    /// amendment, or the end of the supply.
    pub fn next_boundary(&self, frame: &Frame<'_>, time: Timestamp) -> Option<Timestamp> {
        let prepaid = self.tranches.iter().filter_map(Tranche::waits_for);
        let amended = self.epochs.iter().map(|epoch| epoch.from);
        let closed = self.history.iter().map(|ended| ended.until);
        let month = frame.head.month_begin(time, 1);
        prepaid.chain(amended).chain(closed).chain(month).chain(frame.head.end()).filter(|at| *at > time).min()
    }

    /// What flowed in `interval`, in parts between boundaries: by its share of time, the cumulative share rounded down. A
    /// meter's own segments end at every boundary and are one part.
    fn parts(&self, frame: &Frame<'_>, interval: Window, bands: &Bands) -> Vec<(Window, Bands)> {
        let (mut parts, mut given, mut from) = (Vec::new(), Bands::ZERO, interval.from);
        loop {
            let boundary = self.next_boundary(frame, from).filter(|at| *at < interval.to);
            let to = boundary.unwrap_or(interval.to);
            let mut part = Bands::ZERO;
            for (band, quantity) in bands.0.iter().enumerate() {
                let passed = u128::from(to.0.saturating_sub(interval.from.0));
                let share =
                    if boundary.is_none() { quantity.0 } else { share_floor(quantity.0, passed, interval.ms().into()) };
                part.0[band] = Quantity(share.saturating_sub(given.0[band].0));
                given.0[band] = Quantity(share);
            }
            parts.push((Window { from, to }, part));
            if boundary.is_none() {
                return parts;
            }
            from = to;
        }
    }

    /// Notes what flowed: in a stretch that is not closed, or late.
    pub fn flow(&mut self, frame: &mut Frame<'_>, interval: Window, bands: &Bands) -> Result<(), Fault> {
        for (part, bands) in self.parts(frame, interval, bands) {
            if bands.is_zero() {
                continue;
            }
            if part.from < self.closed {
                self.late(frame, part.from, &bands)?;
            } else {
                self.add_to_stretch(frame, part.from, &bands)?;
            }
        }
        Ok(())
    }

    fn stretch_begin(&self, frame: &Frame<'_>, time: Timestamp) -> Timestamp {
        let mut begin = self.closed;
        while let Some(next) = self.next_boundary(frame, begin).filter(|next| *next <= time) {
            begin = next;
        }
        begin
    }

    fn add_to_stretch(&mut self, frame: &mut Frame<'_>, time: Timestamp, bands: &Bands) -> Result<(), Fault> {
        let from = self.stretch_begin(frame, time);
        if let Some(stretch) = self.stretches.as_mut_slice().iter_mut().find(|stretch| stretch.from == from) {
            stretch.bands = stretch.bands.checked_add(bands).ok_or(OVERFLOW)?;
            return Ok(());
        }
        while self.stretches.len() == MAX_STRETCHES {
            // A meter that has been silent for months while another one went on: it is late from now on.
            let next = self.next_boundary(frame, self.closed).ok_or(BAD_STATE)?;
            self.close(frame, next)?;
            self.open_waiting(frame)?;
        }
        if from < self.closed {
            return self.late(frame, time, bands);
        }
        self.stretches.push(Stretch { from, bands: *bands }).map_err(|_| BAD_STATE)?;
        self.stretches.as_mut_slice().sort_by_key(|stretch| stretch.from);
        Ok(())
    }

    /// Takes back what was corrected: out of a stretch that is not closed, else as a credit at the price that it ended with.
    pub fn take_back(&mut self, frame: &Frame<'_>, interval: Window, bands: &Bands) -> Result<(), Fault> {
        for (part, mut bands) in self.parts(frame, interval, bands) {
            if part.from >= self.closed {
                let from = self.stretch_begin(frame, part.from);
                let stretches = self.stretches.as_mut_slice();
                if let Some(stretch) = stretches.iter_mut().find(|stretch| stretch.from == from) {
                    for (there, less) in stretch.bands.0.iter_mut().zip(&mut bands.0) {
                        let taken = (*there).min(*less);
                        *there = there.saturating_sub(taken);
                        *less = less.saturating_sub(taken);
                    }
                }
            }
            let priced = self.ended_with(part.from)?;
            if !bands.is_zero() && frame.is_charged(priced.tariff)? {
                let period = self.period_at(frame, part.from);
                self.group(Group { period, priced, bands, pays: Pays::Credit(None) })?;
            }
        }
        Ok(())
    }

    /// Notes a peak of the month in which it ended.
    pub fn peak(&mut self, frame: &Frame<'_>, ended: Timestamp, peak: (Quantity, u32)) {
        if peak.0 == Quantity::ZERO || peak.1 == 0 {
            return;
        }
        let month = frame.head.month_end(Timestamp(ended.0.saturating_sub(1)));
        if let Some(present) = self.peaks.as_mut_slice().iter_mut().find(|present| present.month == month) {
            if is_higher(peak, present.highest) {
                present.highest = peak;
            }
            return;
        }
        if self.peaks.len() == MAX_PEAKS {
            let oldest = self.peaks.iter().map(|peak| peak.month).min();
            self.peaks.retain(|peak| Some(peak.month) != oldest);
        }
        // The oldest has made room.
        let _ = self.peaks.push(Peak { month, highest: peak, charged: (Quantity::ZERO, 0) });
    }

    /// Notes that a meter is at `at`; `true` if it has passed its end.
    pub fn pass(&mut self, binding: u8, at: Timestamp) -> bool {
        let mut over = false;
        for meter in self.meters.as_mut_slice().iter_mut().filter(|meter| meter.binding == binding) {
            meter.at = meter.at.max(at);
            over = meter.to.is_some_and(|to| to <= meter.at);
        }
        if over {
            self.meters.retain(|meter| meter.binding != binding);
        }
        over
    }

    /// Closes all stretches that the service's meters have passed.
    pub fn run(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        self.open_waiting(frame)?;
        while let Some(next) = self.next_boundary(frame, self.closed) {
            let passed = |meter: &Position| meter.from >= next || meter.at >= meter.to.map_or(next, |to| to.min(next));
            if self.meters.is_empty() || next > frame.facts.now || !self.meters.iter().all(passed) {
                break;
            }
            self.close(frame, next)?;
            self.open_waiting(frame)?;
        }
        Ok(())
    }

    /// Closes all stretches up to `to` with what is known of them: their statement is made.
    pub fn close_until(&mut self, frame: &mut Frame<'_>, to: Timestamp) -> Result<(), Fault> {
        self.open_waiting(frame)?;
        while let Some(next) = self.next_boundary(frame, self.closed).filter(|next| *next <= to) {
            self.close(frame, next)?;
            self.open_waiting(frame)?;
        }
        Ok(())
    }

    /// Closes the oldest stretch, which ends at `to`: tranches are drawn oldest first, the rest is owed at list price.
    fn close(&mut self, frame: &Frame<'_>, to: Timestamp) -> Result<(), Fault> {
        let from = self.closed;
        let bands = self.stretches.iter().find(|stretch| stretch.from == from).map_or(Bands::ZERO, |of| of.bands);
        self.stretches.retain(|stretch| stretch.from != from);
        let tariff = self.epoch_at(from)?.tariff;
        let list = Priced { tranche: 0, tariff, discount_permille: 0 };
        let period = self.period_at(frame, from);
        if !frame.is_charged(tariff)? {
            self.group(Group { period, priced: list, bands, pays: Pays::Shown })?;
        } else {
            let rest = self.draw(frame, period, from, bands, None)?;
            self.uncovered = self.uncovered.checked_add(total(&rest)?).ok_or(OVERFLOW)?;
            self.group(Group { period, priced: list, bands: rest, pays: Pays::Owed(Money::ZERO) })?;
        }
        let next = self.open_at(frame, from)?;
        self.remember(Ended { until: to, priced: next.unwrap_or(list) });
        self.drop_used_up();
        self.closed = to;
        Ok(())
    }

    /// Draws `bands`, which flowed from `at` on, from the tranches that cover them, or from `only` one. What is left is
    /// given back.
    fn draw(
        &mut self,
        frame: &Frame<'_>,
        period: Window,
        at: Timestamp,
        bands: Bands,
        only: Option<u32>,
    ) -> Result<Bands, Fault> {
        let (mut rest, mut groups) = (bands, Vec::new());
        for tranche in self.tranches.as_mut_slice() {
            if !tranche.covers(at) || only.is_some_and(|only| only != tranche.number) {
                continue;
            }
            let Some(rates) = frame.rates(tranche.tariff)? else { continue };
            let drawn = tranche.draw(&rates, &rest)?;
            rest = rest.checked_sub(&drawn.bands).ok_or(BAD_STATE)?;
            let (tranche, tariff, discount_permille) = (tranche.number, tranche.tariff, tranche.discount_permille);
            let priced = Priced { tranche, tariff, discount_permille };
            groups.push(Group { period, priced, bands: drawn.bands, pays: Pays::Prepaid(drawn.gross) });
        }
        groups.into_iter().try_for_each(|group| self.group(group))?;
        Ok(rest)
    }

    /// The price at which the next unit would be drawn.
    fn open_at(&self, frame: &Frame<'_>, at: Timestamp) -> Result<Option<Priced>, Fault> {
        for tranche in self.tranches.iter().filter(|tranche| tranche.covers(at)) {
            let Some(rates) = frame.rates(tranche.tariff)? else { continue };
            if tranche.buys(&rates)? {
                let (tariff, discount_permille) = (tranche.tariff, tranche.discount_permille);
                return Ok(Some(Priced { tranche: tranche.number, tariff, discount_permille }));
            }
        }
        Ok(None)
    }

    fn drop_used_up(&mut self) {
        self.tranches.retain(|tranche| match tranche.stage {
            Stage::Energy { charged, .. } => charged < tranche.paid,
            Stage::Waits { .. } | Stage::Area { .. } => true,
        });
    }

    fn ended_with(&self, at: Timestamp) -> Result<Priced, Fault> {
        let ended = self.history.iter().find(|ended| ended.until > at).map(|ended| ended.priced);
        let list = |epoch: Epoch| Priced { tranche: 0, tariff: epoch.tariff, discount_permille: 0 };
        ended.map_or_else(|| self.epoch_at(at).map(list), Ok)
    }

    /// What comes late: charged at the price that its stretch ended with, to that price's tranche if it still has money.
    fn late(&mut self, frame: &Frame<'_>, at: Timestamp, bands: &Bands) -> Result<(), Fault> {
        let (priced, period) = (self.ended_with(at)?, self.period_at(frame, at));
        if !frame.is_charged(priced.tariff)? {
            return self.group(Group { period, priced, bands: *bands, pays: Pays::Shown });
        }
        let rest = self.draw(frame, period, at, *bands, Some(priced.tranche))?;
        self.drop_used_up();
        self.group(Group { period, priced, bands: rest, pays: Pays::Owed(Money::ZERO) })
    }

    fn remember(&mut self, ended: Ended) {
        if let Some(last) = self.history.as_mut_slice().last_mut().filter(|last| last.priced == ended.priced) {
            last.until = ended.until;
            return;
        }
        if self.history.len() == MAX_HISTORY {
            // The oldest is the least likely to be asked for: the one after it answers in its place.
            let oldest = self.history[0].until;
            self.history.retain(|ended| ended.until != oldest);
        }
        // The oldest has made room.
        let _ = self.history.push(ended);
    }

    /// Notes usage that waits for its statement.
    pub fn group(&mut self, group: Group) -> Result<(), Fault> {
        if group.bands.is_zero() && group.pays.money() == Money::ZERO {
            return Ok(());
        }
        let same = |present: &&mut Group| present.priced == group.priced;
        if self.groups.as_mut_slice().iter_mut().filter(same).any(|present| present.merge(&group)) {
            return Ok(());
        }
        if self.groups.len() == MAX_GROUPS {
            self.merge_groups()?;
        }
        self.groups.push(group).map_err(|_| OVERFLOW)
    }

    /// Makes room by putting together what has the same price: tranches first, then periods.
    fn merge_groups(&mut self) -> Result<(), Fault> {
        for periods in [false, true] {
            let mut merged: Vec<Group> = Vec::new();
            for group in &self.groups {
                let fits = |present: &mut Group| {
                    let mut as_present = *group;
                    if periods {
                        as_present.period = present.period;
                    }
                    let (one, other) = (present.priced, group.priced);
                    (one.tariff, one.discount_permille) == (other.tariff, other.discount_permille)
                        && present.merge(&as_present)
                };
                match merged.iter_mut().find_map(|present| fits(present).then_some(present)) {
                    Some(present) => present.priced.tranche = group.priced.tranche.max(present.priced.tranche),
                    None => merged.push(*group),
                }
            }
            self.groups = Bounded::new(merged).map_err(|_| BAD_STATE)?;
            if self.groups.len() < MAX_GROUPS {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Opens what waits for a time that is closed: what was used before is paid first, the remainder sets the discount.
    fn open_waiting(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        let closed = self.closed;
        let due = |tranche: &Tranche| tranche.waits_for().is_some_and(|at| at <= closed);
        while let Some(place) = self.tranches.iter().position(due) {
            let mut tranche = self.tranches[place].clone();
            let Stage::Waits { debt_paid, .. } = tranche.stage else { return Err(BAD_STATE) };
            let paid = self.cover(frame, tranche.paid)?;
            tranche.paid = tranche.paid.saturating_sub(paid);
            tranche.discount_permille = frame.discount(&tranche)?;
            tranche.stage = Stage::Energy { drawn: Bands::ZERO, charged: Money::ZERO };
            frame.notices.push(Notice::TrancheOpened {
                carrier: frame.carrier,
                tranche: tranche.number,
                debt_paid: add(debt_paid, paid)?,
                paid: tranche.paid,
                discount_permille: tranche.discount_permille,
                period: tranche.period,
            });
            self.tranches.as_mut_slice()[place] = tranche;
            self.tranches.retain(|tranche| tranche.paid > Money::ZERO);
        }
        Ok(())
    }

    /// Pays out of `money` what the user owes for usage that has no statement yet, oldest first; how much that is.
    fn cover(&mut self, frame: &Frame<'_>, money: Money) -> Result<Money, Fault> {
        let mut left = money;
        let mut all = true;
        for group in self.groups.as_mut_slice() {
            let Pays::Owed(covered) = group.pays else { continue };
            let Some(rates) = frame.rates(group.priced.tariff)? else { continue };
            let cost = rates.gross_half_even(group.priced.discount_permille, &group.bands)?;
            let owed = cost.saturating_sub(covered);
            let pays = owed.min(left);
            left = left.saturating_sub(pays);
            all &= pays == owed;
            // What is covered as a whole has its price for good, tax included.
            group.pays = if pays == owed { Pays::Prepaid(cost) } else { Pays::Owed(add(covered, pays)?) };
        }
        if all {
            self.uncovered = Quantity::ZERO;
        }
        Ok(money.saturating_sub(left))
    }

    /// What is owed for usage that has no statement yet, and not covered, tax included.
    pub fn owed(&self, frame: &Frame<'_>) -> Result<Money, Fault> {
        let mut owed = Money::ZERO;
        for group in &self.groups {
            let Pays::Owed(covered) = group.pays else { continue };
            let Some(rates) = frame.rates(group.priced.tariff)? else { continue };
            let cost = rates.gross_half_even(group.priced.discount_permille, &group.bands)?;
            owed = add(owed, cost.saturating_sub(covered))?;
        }
        Ok(owed)
    }

    /// How many different prices its usage can come to before the next statement: each needs a place among the groups.
    pub fn prices(&self) -> usize {
        let kind = |pays: Pays| match pays {
            Pays::Prepaid(_) => 0u8,
            Pays::Owed(_) => 1,
            Pays::Shown => 2,
            Pays::Credit(_) => 3,
        };
        let groups = self.groups.iter().map(|of| (of.priced.tariff, of.priced.discount_permille, kind(of.pays)));
        let open = self.tranches.iter().filter(|tranche| tranche.waits_for().is_none());
        let open = open.map(|tranche| (tranche.tariff, tranche.discount_permille, 0));
        let waiting = self.tranches.iter().filter(|tranche| tranche.waits_for().is_some()).count();
        groups.chain(open).collect::<std::collections::BTreeSet<_>>().len() + waiting
    }

    /// Forgets terms that nothing can refer to any more.
    pub fn forget(&mut self, offset_minutes: i16) {
        use utilidor_types::package::local_day;
        let day = |time| local_day(time, offset_minutes);
        let reached = self.closed.min(self.area_until);
        let kept = self.epochs.iter().rposition(|epoch| epoch.from <= self.closed && day(epoch.from) <= day(reached));
        let mut place = 0;
        self.epochs.retain(|_| {
            place += 1;
            place > kept.unwrap_or(0)
        });
    }

    /// The tariffs that its accounts refer to.
    pub fn tariffs(&self) -> impl Iterator<Item = TariffRef> {
        let epochs = self.epochs.iter().map(|epoch| epoch.tariff);
        let tranches = self.tranches.iter().map(|tranche| tranche.tariff);
        let groups = self.groups.iter().map(|group| group.priced.tariff);
        epochs.chain(tranches).chain(groups).chain(self.history.iter().map(|ended| ended.priced.tariff))
    }
}

/// Whether a mean power is higher than another one.
fn is_higher(one: (Quantity, u32), other: (Quantity, u32)) -> bool {
    // Each product is of 64 and 32 bits.
    u128::from(one.0.0) * u128::from(other.1.max(1)) > u128::from(other.0.0) * u128::from(one.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::MAX_SLOT_BYTES;
    use utilidor_types::encode;

    fn full<T: Clone, const MAX: usize>(item: T) -> Bounded<T, MAX> {
        Bounded::new(vec![item; MAX]).ok().unwrap()
    }

    #[test]
    fn a_full_account_fits_its_slot() {
        let tariff = TariffRef { version: 0, option: 0 };
        let (bands, time) = (Bands([Quantity(u64::MAX); 5]), Timestamp(0));
        let period = Window { from: time, to: time };
        let priced = Priced { tranche: 0, tariff, discount_permille: 0 };
        let stage = Stage::Energy { drawn: bands, charged: Money::ZERO };
        let (number, paid, discount_permille) = (0, Money::ZERO, 0);
        let peak = (Quantity::ZERO, 0);
        let account = Account {
            epochs: full(Epoch { from: time, tariff, area: Area(0) }),
            meters: full(Position { binding: 0, from: time, to: Some(time), at: time }),
            stretches: full(Stretch { from: time, bands }),
            tranches: full(Tranche { number, paid, tariff, discount_permille, period: Some(period), stage }),
            groups: full(Group { period, priced, bands, pays: Pays::Credit(Some(Money::ZERO)) }),
            history: full(Ended { until: time, priced }),
            peaks: full(Peak { month: time, highest: peak, charged: peak }),
            ..Account::new(time, tariff, Area(0))
        };
        let bytes = encode(&account).len();
        assert!(bytes <= MAX_SLOT_BYTES, "{bytes}");
        assert!(encode(&Account::new(time, tariff, Area(0))).len() <= 128, "a new account fits a cell");
    }
}
