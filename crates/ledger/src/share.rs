//! Who gets what of a segment: first what statements have counted already without a reading, then purchases in the order of
//! their signing, each up to its volume, and the rest the supply (docs/adr/0012).
//!
//! *take* what a purchase took of one period of a supply: it goes back there if the purchase keeps less in the end.

use crate::meter_record::{Filling, MAX_TAKES, MeterBinding, MeterBindings, Summed, Supply, SupplyId, Take, total};
use utilidor_program::bands::share;
use utilidor_types::{Bands, Bounded, Quantity, Timestamp, Window};

/// How a segment is shared out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shares {
    /// What is taken before the supply, by the binding's place; nothing is left out.
    pub taken: Vec<(usize, Bands)>,
    /// What is left for the supply, or for nobody.
    pub rest: Bands,
}

/// What two windows have in common, if it is anything.
pub(crate) fn common(one: Window, other: Window) -> Option<Window> {
    let window = Window { from: one.from.max(other.from), to: one.to.min(other.to) };
    (!window.is_empty()).then_some(window)
}

impl MeterBinding {
    pub(crate) fn holds(&self, segment: Window) -> bool {
        self.window.from <= segment.from && segment.to <= self.window.to
    }

    /// Whether it serves what comes after `base`.
    pub(crate) fn is_open_at(&self, base: Timestamp) -> bool {
        self.window.from <= base && base < self.window.to
    }

    pub(crate) fn supply(&self) -> Option<&Supply> {
        match &self.sum {
            Summed::Rest(supply) => Some(supply),
            Summed::Absorb(_) | Summed::Fill(_) => None,
        }
    }

    pub(crate) fn id(&self) -> SupplyId {
        (self.agreement, self.number)
    }

    /// What it may still take before the supply; none: it is the supply.
    pub(crate) fn room(&self) -> Option<Quantity> {
        match &self.sum {
            Summed::Absorb(settled) => Some(settled.missing),
            Summed::Fill(filling) => Some(filling.room()),
            Summed::Rest(_) => None,
        }
    }

    /// Absorbing comes before purchases.
    const fn rank(&self) -> u8 {
        match self.sum {
            Summed::Absorb(_) => 0,
            Summed::Fill(_) => 1,
            Summed::Rest(_) => 2,
        }
    }

    /// Whether nothing more can come of it once the meter has passed `base`.
    pub(crate) fn is_over(&self, base: Timestamp) -> bool {
        let passed = self.window.to <= base;
        match &self.sum {
            Summed::Absorb(settled) => passed || settled.missing == Quantity::ZERO,
            Summed::Fill(filling) => passed && filling.ended,
            Summed::Rest(_) => passed,
        }
    }
}

impl Filling {
    /// What it has taken.
    pub(crate) fn taken(&self) -> Quantity {
        let sum = self.takes.iter().fold(0u64, |sum, take| sum.saturating_add(total(&take.bands).0));
        Quantity(sum)
    }

    /// What it may still take.
    pub(crate) fn room(&self) -> Quantity {
        self.volume.saturating_sub(self.taken())
    }

    /// What it has taken, by band.
    pub(crate) fn bands(&self) -> Option<Bands> {
        self.takes.iter().try_fold(Bands::ZERO, |sum, take| sum.checked_add(&take.bands))
    }

    /// Takes a part of a segment. Parts of one period of a supply are kept together. Where there is no room for another
    /// part, two neighbours of one supply become one.
    pub(crate) fn take(&mut self, take: Take) -> Option<()> {
        let full = self.takes.len() == MAX_TAKES;
        let joins = self.takes.last().is_some_and(|last| last.supply == take.supply && (!last.closed || full));
        let mut takes = std::mem::take(&mut self.takes).into_vec();
        if !joins && full {
            join_neighbours(&mut takes)?;
        }
        // No more supplies are bound in a purchase's window than there is room for: two neighbours have become one.
        let joins = joins || takes.len() == MAX_TAKES;
        match takes.last_mut().filter(|_| joins) {
            Some(last) => join(last, &take)?,
            None => takes.push(take),
        }
        self.takes = Bounded::new(takes).ok()?;
        Some(())
    }

    /// Notes that a mark of the supply itself has been passed: what follows is of another period.
    fn close_period(&mut self, supply: Option<SupplyId>) {
        if let Some(last) = self.takes.as_mut_slice().last_mut() {
            last.closed |= last.supply == supply;
        }
    }

    /// How many different supplies stand in its takes, each stretch counted.
    fn stretches(&self) -> usize {
        self.takes.windows(2).filter(|pair| pair[0].supply != pair[1].supply).count()
            + usize::from(!self.takes.is_empty())
    }
}

fn join(into: &mut Take, take: &Take) -> Option<()> {
    into.bands = into.bands.checked_add(&take.bands)?;
    into.interval.to = take.interval.to;
    into.closed = take.closed;
    Some(())
}

fn join_neighbours(takes: &mut Vec<Take>) -> Option<()> {
    let Some(place) = takes.windows(2).position(|pair| pair[0].supply == pair[1].supply) else { return Some(()) };
    let second = takes.remove(place + 1);
    join(&mut takes[place], &second)
}

impl MeterBindings {
    /// Whether so many supplies more find room in what each purchase of that time notes.
    pub(crate) fn has_room_for_supply(&self, window: Window, more: usize) -> bool {
        let supplies = self.bindings.iter().filter(|binding| binding.supply().is_some()).count();
        self.bindings.iter().all(|binding| match &binding.sum {
            // A stretch without a supply may come before each.
            Summed::Fill(filling) if common(binding.window, window).is_some() => {
                filling.stretches() + 2 * (supplies + more) <= MAX_TAKES
            }
            _ => true,
        })
    }

    /// Shares out what has passed in a segment that windows hold whole or not at all.
    pub(crate) fn share_out(&self, passed: Bands, segment: Window) -> Shares {
        let mut shares = Shares { taken: Vec::new(), rest: passed };
        let mut serving: Vec<(usize, &MeterBinding, Quantity)> = (0..)
            .zip(&self.bindings)
            .filter(|(_, binding)| binding.holds(segment))
            .filter_map(|(place, binding)| Some((place, binding, binding.room()?)))
            .collect();
        serving.sort_by_key(|(_, binding, _)| binding.rank());
        for (place, _, room) in serving {
            let part = share(&shares.rest, room);
            shares.rest = shares.rest.checked_sub(&part).unwrap_or(Bands::ZERO);
            shares.taken.push((place, part));
        }
        shares
    }

    pub(crate) fn note_takes(&mut self, shares: &Shares, interval: Window, supply: Option<MeterBinding>) -> Option<()> {
        let id = supply.as_ref().map(MeterBinding::id);
        let closed = supply.is_some_and(|binding| {
            let mark = binding.supply().and_then(|supply| supply.mark);
            binding.window.to == interval.to || mark.is_some_and(|mark| mark <= interval.to)
        });
        let left = total(&shares.rest);
        for (place, bands) in &shares.taken {
            match &mut self.bindings.as_mut_slice()[*place].sum {
                Summed::Absorb(settled) => {
                    settled.left = settled.left.checked_add(left)?;
                    settled.take(bands);
                }
                Summed::Fill(filling) => {
                    filling.left_over = filling.left_over.checked_add(left)?;
                    if !bands.is_zero() {
                        filling.take(Take { supply: id, interval, bands: *bands, closed })?;
                    } else if closed {
                        filling.close_period(id);
                    }
                }
                Summed::Rest(_) => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::AgreementId;

    fn take(supply: u8, from: u64, closed: bool) -> Take {
        let interval = Window { from: Timestamp(from), to: Timestamp(from + 1) };
        let bands = Bands([1, 0, 2, 0, 0].map(Quantity));
        Take { supply: Some((AgreementId([supply; 16]), 0)), interval, bands, closed }
    }

    fn filling() -> Filling {
        Filling { volume: Quantity(1_000), takes: Bounded::empty(), left_over: Quantity::ZERO, ended: false }
    }

    #[test]
    fn what_a_purchase_takes_of_one_period_is_kept_together() {
        let mut filling = filling();
        for (number, closed) in (0..).zip([false, true, false, true, true]) {
            filling.take(take(1, number, closed)).unwrap();
        }
        let intervals: Vec<(u64, u64)> =
            filling.takes.iter().map(|take| (take.interval.from.0, take.interval.to.0)).collect();
        assert_eq!(intervals, [(0, 2), (2, 4), (4, 5)]);
    }

    #[test]
    fn nothing_of_what_a_purchase_takes_is_lost_where_there_is_no_room_for_another_part() {
        let mut filling = filling();
        for number in 0..100 {
            filling.take(take(if number < 90 { 1 } else { 2 }, number, true)).unwrap();
        }
        assert_eq!((filling.takes.len(), filling.taken()), (MAX_TAKES, Quantity(300)));
        let of_first = filling.takes.iter().filter(|take| take.supply == Some((AgreementId([1; 16]), 0)));
        assert_eq!(of_first.map(|take| total(&take.bands).0).sum::<u64>(), 270, "each supply's own");
    }
}
