//! A service's timeline: what flows between two boundaries is a stretch, which is closed and charged as a whole.

use super::account::{Account, Epoch, MAX_STRETCHES, Position, Stretch};
use super::frame::Frame;
use super::rate::total;
use super::tranche::Tranche;
use super::usage::{Ended, Group, MAX_HISTORY, Pays, Priced};
use crate::contract::{BAD_STATE, Fault, OVERFLOW};
use crate::exact::share_floor;
use utilidor_types::package::Calendar;
use utilidor_types::{Bands, Money, Quantity, Timestamp, Window};

impl Account {
    /// The part of the month around `time` in which its terms are in force. Where they are forgotten, no other period's that was charged
    /// a minimum.
    fn period_at(&self, frame: &Frame<'_>, time: Timestamp) -> Window {
        let begun = self.epochs.iter().rev().find(|epoch| epoch.from <= time).map(|epoch| epoch.from);
        let next = self.epochs.iter().find(|epoch| epoch.from > time).map(|epoch| epoch.from);
        let month = frame.head.month_begin(time, 0).unwrap_or(Timestamp(0));
        let charged = frame.head.minimums.iter().flat_map(|minimum| [minimum.period.from, minimum.period.to]);
        let charged = charged.filter(|edge| begun.is_none() && *edge <= time).max();
        let from = month.max(begun.or(charged).unwrap_or(month)).max(frame.head.opened);
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

    /// What flowed in `interval`, in parts between boundaries: of each band by its share of that band's time, the cumulative
    /// share rounded down. A meter's own segments end at every boundary and are one part.
    fn parts(&self, frame: &Frame<'_>, interval: Window, bands: &Bands) -> Result<Vec<(Window, Bands)>, Fault> {
        let boundary_after = |from| self.next_boundary(frame, from).filter(|at| *at < interval.to);
        if boundary_after(interval.from).is_none() {
            return Ok(vec![(interval, *bands)]);
        }
        let tariff = &frame.option(self.epoch_at(interval.from)?.tariff)?.tariff;
        let (one_band, offset_minutes) = (Calendar::default(), frame.head.offset_minutes);
        let calendar = tariff.calendar().unwrap_or(&one_band);
        // As many units as milliseconds: what is in a band is its time.
        let time_in = |part| crate::bands::part(calendar, offset_minutes, interval, Quantity(interval.ms()), part);
        let all = time_in(interval);
        let (mut parts, mut passed, mut given, mut from) = (Vec::new(), Bands::ZERO, Bands::ZERO, interval.from);
        while from < interval.to {
            let to = boundary_after(from).unwrap_or(interval.to);
            passed = passed.checked_add(&time_in(Window { from, to })).ok_or(OVERFLOW)?;
            let mut until = *bands;
            if to < interval.to {
                let in_all = u128::from(to.0.saturating_sub(interval.from.0));
                for (band, quantity) in until.0.iter_mut().enumerate() {
                    let (passed, all) = match all.0[band] {
                        // None of the band's time lies in the interval: it is shared out over all of it.
                        Quantity::ZERO => (in_all, interval.ms().into()),
                        all => (passed.0[band].0.into(), all.0.into()),
                    };
                    *quantity = Quantity(share_floor(quantity.0, passed, all));
                }
            }
            parts.push((Window { from, to }, until.checked_sub(&given).ok_or(OVERFLOW)?));
            (given, from) = (until, to);
        }
        Ok(parts)
    }

    /// Notes what flowed: in a stretch that is not closed, or late.
    pub fn flow(&mut self, frame: &mut Frame<'_>, interval: Window, bands: &Bands) -> Result<(), Fault> {
        for (part, bands) in self.parts(frame, interval, bands)? {
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
        for (part, mut bands) in self.parts(frame, interval, bands)? {
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

    /// Closes all stretches that the service's meters have passed.
    pub fn run(&mut self, frame: &mut Frame<'_>) -> Result<(), Fault> {
        self.open_waiting(frame)?;
        while let Some(next) = self.next_boundary(frame, self.closed) {
            let end = frame.head.end();
            let passed = |meter: &Position| {
                meter.from >= next || meter.at >= meter.until(end).map_or(next, |until| until.min(next))
            };
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
            // Its days are charged with its energy.
            self.area_until = self.area_until.max(to);
        }
        let next = self.open_at(frame, from)?;
        self.remember(Ended { until: to, priced: next.unwrap_or(list) });
        self.drop_used_up();
        self.closed = to;
        Ok(())
    }

    fn remember(&mut self, ended: Ended) {
        if let Some(last) = self.history.as_mut_slice().last_mut().filter(|last| last.priced == ended.priced) {
            last.until = ended.until;
            return;
        }
        if self.history.len() == MAX_HISTORY {
            // The one after it answers in its place: best for one of the same price whose tranche is gone, else for the oldest, which is
            // the least likely to be asked for.
            let price = |ended: &Ended| (ended.priced.tariff, ended.priced.discount_permille);
            let is_gone = |ended: &Ended| self.tranches.iter().all(|tranche| tranche.number != ended.priced.tranche);
            let same = self.history.windows(2).find(|two| price(&two[0]) == price(&two[1]) && is_gone(&two[0]));
            let until = same.map_or(self.history[0].until, |two| two[0].until);
            self.forget_price(until);
        }
        // The oldest has made room.
        let _ = self.history.push(ended);
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
}
