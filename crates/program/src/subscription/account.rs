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
use super::tranche::Tranche;
use super::usage::{Ended, Group, MAX_GROUPS, MAX_HISTORY};
use crate::contract::{BAD_STATE, Fault, is_higher_power};
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::package::local_day;
use utilidor_types::statement::MAX_TRANCHES;
use utilidor_types::{Area, Bands, Bounded, Quantity, Timestamp};

/// Most terms of a service that follow each other and can still be needed.
pub(super) const MAX_EPOCHS: usize = 8;
/// Most meters of a service that have not passed their end.
pub(super) const MAX_METERS: usize = 3;
/// Most stretches that are not closed.
pub(super) const MAX_STRETCHES: usize = 4;
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

impl Epoch {
    /// Whether other terms only name another meter.
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.tariff, self.area) == (other.tariff, other.area)
    }
}

/// How far a meter of the service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Position {
    /// Its binding.
    pub binding: u8,
    /// When it begins to serve.
    pub from: Timestamp,
    /// When other terms end it. The end of the subscription does not change it, so that a notice can be taken back.
    pub to: Option<Timestamp>,
    /// Up to where its segments have come.
    pub at: Timestamp,
}

impl Position {
    /// Until when it serves, in a subscription that ends at `end`.
    pub fn until(&self, end: Option<Timestamp>) -> Option<Timestamp> {
        [self.to, end].into_iter().flatten().min()
    }

    /// Whether it serves at all, in a subscription that ends at `end`.
    pub fn serves(&self, end: Option<Timestamp>) -> bool {
        self.until(end).is_none_or(|until| self.from < until)
    }
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

    /// Notes a peak of the month in which it ended.
    pub fn peak(&mut self, frame: &Frame<'_>, ended: Timestamp, peak: (Quantity, u32)) {
        if peak.0 == Quantity::ZERO || peak.1 == 0 {
            return;
        }
        let month = frame.head.month_end(Timestamp(ended.0.saturating_sub(1)));
        if let Some(present) = self.peaks.as_mut_slice().iter_mut().find(|present| present.month == month) {
            if is_higher_power(peak, present.highest) {
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

    /// Notes that a meter is at `at`; `true` if it has passed its end, in a subscription that ends at `end`.
    pub fn pass(&mut self, binding: u8, at: Timestamp, end: Option<Timestamp>) -> bool {
        let mut over = false;
        for meter in self.meters.as_mut_slice().iter_mut().filter(|meter| meter.binding == binding) {
            meter.at = meter.at.max(at);
            over = meter.until(end).is_some_and(|until| until <= meter.at);
        }
        if over {
            self.meters.retain(|meter| meter.binding != binding);
        }
        over
    }

    /// Whether there is no room for other terms.
    pub fn is_full(&self) -> bool {
        self.epochs.len() == MAX_EPOCHS
    }

    /// From when on only what comes late could refer to its oldest terms.
    pub fn replaced(&self, offset_minutes: i16) -> Option<Timestamp> {
        let day = |time| local_day(time, offset_minutes);
        let reached = day(self.closed.min(self.area_until));
        let next = self.epochs.get(1).map(|next| next.from);
        next.filter(|next| *next <= self.closed && day(*next) <= reached)
    }

    /// Forgets its oldest terms.
    pub fn forget_terms(&mut self) {
        self.forget_epoch(0);
    }

    /// Forgets where a meter was replaced, the oldest such time that is closed; `false` if there is none.
    pub fn join_terms(&mut self) -> bool {
        let says_the_same = |two: &[Epoch]| two[0].says_the_same(&two[1]) && two[1].from <= self.closed;
        let place = self.epochs.windows(2).position(says_the_same);
        place.into_iter().for_each(|place| self.forget_epoch(place + 1));
        place.is_some()
    }

    fn forget_epoch(&mut self, place: usize) {
        let mut places = 0..;
        self.epochs.retain(|_| places.next() != Some(place));
    }

    /// When the oldest price ended that it remembers.
    pub fn oldest_price(&self) -> Option<Timestamp> {
        self.history.first().map(|ended| ended.until)
    }

    /// Forgets the price that ended then: the one after it answers in its place.
    pub fn forget_price(&mut self, until: Timestamp) {
        self.history.retain(|ended| ended.until != until);
    }

    /// The tariffs that its accounts refer to.
    pub fn tariffs(&self) -> impl Iterator<Item = TariffRef> {
        let epochs = self.epochs.iter().map(|epoch| epoch.tariff);
        let tranches = self.tranches.iter().map(|tranche| tranche.tariff);
        let groups = self.groups.iter().map(|group| group.priced.tariff);
        epochs.chain(tranches).chain(groups).chain(self.history.iter().map(|ended| ended.priced.tariff))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::MAX_SLOT_BYTES;
    use crate::subscription::tranche::Stage;
    use crate::subscription::usage::{Pays, Priced};
    use utilidor_types::{Money, Window, encode};

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
