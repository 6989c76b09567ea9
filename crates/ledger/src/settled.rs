//! Purchases that are settled, remembered by their meters: a settled purchase stays as it is, so what it took is neither
//! credited by the supply, which has never billed it, nor charged by the supply if it is taken off and comes back.
//!
//! Of each stand its window, as far as the meter had passed it, and three sums: what it took and keeps (*kept*), what passed in
//! its window and was not its own in the end (*left*), and what it has counted though it has not passed the meter (*missing*):
//! counted without a reading, or taken off by a correction later. What comes in its window goes to what is missing first.
//!
//! A meter remembers them as long as it is a meter, and [`MAX_SETTLED`] at a time. Where there are more, the two with the least
//! time between them become one, with both their sums: nothing of what was bought is forgotten, and only when in the two
//! windows it flowed is told apart no more. What lies between two that became one counts as their window.

use crate::meter_record::{Filling, MAX_SETTLED, MeterBindings, Settled, Summed, total};
use utilidor_program::bands::share;
use utilidor_types::{Bands, Bounded, Quantity, Window};

impl Filling {
    /// What is remembered of it when it is over: it keeps so much of what it took.
    pub(crate) fn settled(&self, keep: Quantity, missing: Quantity) -> Settled {
        let returned = self.taken().saturating_sub(keep);
        Settled { kept: keep, left: plus(self.left_over, returned), missing }
    }
}

impl Settled {
    /// Takes of what comes what is missing.
    pub(crate) fn take(&mut self, bands: &Bands) -> Bands {
        let part = share(bands, self.missing);
        self.missing = self.missing.saturating_sub(total(&part));
        self.kept = plus(self.kept, total(&part));
        part
    }

    /// It stays what it is, and so much of it has not passed the meter after all; gives how much.
    fn miss(&mut self, quantity: Quantity) -> Quantity {
        let part = self.kept.min(quantity);
        self.kept = self.kept.saturating_sub(part);
        self.missing = plus(self.missing, part);
        part
    }

    fn is_nothing(&self) -> bool {
        self.kept == Quantity::ZERO && self.missing == Quantity::ZERO
    }

    fn and(&self, other: &Self) -> Self {
        Self {
            kept: plus(self.kept, other.kept),
            left: plus(self.left, other.left),
            missing: plus(self.missing, other.missing),
        }
    }
}

fn plus(one: Quantity, other: Quantity) -> Quantity {
    Quantity(one.0.saturating_add(other.0))
}

impl MeterBindings {
    /// Remembers a purchase that is over. One that nothing was bought by is nothing to remember.
    pub(crate) fn remember(&mut self, window: Window, settled: Settled) {
        if window.is_empty() || settled.is_nothing() {
            return;
        }
        let mut all = std::mem::take(&mut self.settled).into_vec();
        let place = all.partition_point(|(other, _)| (other.from, other.to) <= (window.from, window.to));
        all.insert(place, (window, settled));
        if all.len() > MAX_SETTLED {
            join_nearest(&mut all);
        }
        self.settled = Bounded::new(all).unwrap_or_default();
    }

    /// Those whose window holds a part, the last one last; those whose window is not passed are bindings still.
    pub(crate) fn settled_in(&mut self, part: Window) -> impl DoubleEndedIterator<Item = &mut Settled> {
        let holds = move |window: &Window| window.from <= part.from && part.to <= window.to;
        let over = self.settled.as_mut_slice().iter_mut().filter(move |(window, _)| holds(window));
        let open = self.bindings.as_mut_slice().iter_mut().filter(move |binding| holds(&binding.window));
        let open = open.filter_map(|binding| match &mut binding.sum {
            Summed::Absorb(settled) => Some(settled),
            Summed::Fill(_) | Summed::Rest(_) => None,
        });
        over.map(|(_, settled)| settled).chain(open)
    }

    /// What is less in a part is missing of what was bought there; gives what is not.
    pub(crate) fn miss(&mut self, part: Window, bands: Bands) -> Option<Bands> {
        let mut rest = bands;
        for settled in self.settled_in(part).rev() {
            let missed = settled.miss(total(&rest));
            rest = rest.checked_sub(&share(&rest, missed))?;
        }
        Some(rest)
    }
}

fn join_nearest(all: &mut Vec<(Window, Settled)>) {
    let apart = |pair: &[(Window, Settled)]| pair[1].0.from.0.saturating_sub(pair[0].0.to.0);
    let Some((place, _)) = all.windows(2).map(apart).enumerate().min_by_key(|(_, apart)| *apart) else { return };
    let (window, second) = all.remove(place + 1);
    let (first_window, first) = &mut all[place];
    first_window.to = first_window.to.max(window.to);
    *first = first.and(&second);
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::Timestamp;

    #[test]
    fn nothing_of_what_was_bought_is_forgotten_and_the_nearest_become_one() {
        let mut bindings = MeterBindings {
            base: Timestamp(0),
            registers: Bands::ZERO,
            told_at_base: 0,
            unsupplied_since: Timestamp(0),
            unsupplied: Quantity::ZERO,
            bindings: Bounded::empty(),
            past: Bounded::empty(),
            settled: Bounded::empty(),
        };
        let settled = Settled { kept: Quantity(3), left: Quantity(2), missing: Quantity(1) };
        for number in (0..MAX_SETTLED as u64).rev() {
            let window = Window { from: Timestamp(number * 100), to: Timestamp(number * 100 + 10) };
            bindings.remember(window, settled);
        }
        bindings.remember(Window { from: Timestamp(112), to: Timestamp(120) }, settled);
        assert_eq!(bindings.settled.len(), MAX_SETTLED);
        let window = Window { from: Timestamp(100), to: Timestamp(120) };
        assert_eq!(bindings.settled[1], (window, settled.and(&settled)));
        let all = bindings.settled.iter().fold(0, |sum, (_, settled)| sum + settled.kept.0);
        assert_eq!(all, 3 * (MAX_SETTLED as u64 + 1));
    }
}
