//! Corrections of certified readings: the operator says what is right, both sides see it, and what is wrong on bills is put
//! right by lines of the next statements.
//!
//! The difference is spread over the interval by time and cut where bands change. What of it belongs to the meter's open
//! segment changes the cumulative registers, and is shared out with the segment. What belongs to segments that are worked
//! out already goes the way that it would have gone: what comes more first to what is to absorb it, then to purchases that
//! are not settled, up to their volume, and the rest to the supply of that time; what comes less is taken from the supply
//! first, as far as purchases had left it anything, then from purchases that are not settled, the last signed first. A
//! purchase that is settled stays as it is: what it took is not credited by the supply, which has never billed it, and comes
//! to it first if it is found to have flowed after all (see `settled`). A supply never credits more than it has charged in all:
//! what is beyond that, where a correction spans both, is what was bought in the correction's interval. What no supply was
//! open for stays on nobody's bill.
//!
//! Where the interval ends with the last reading, the device itself shows the right register from then on: the last register
//! moves too, so that later readings fit. That goes for what the present device has brought; the register of one that is
//! gone is nobody's any more. A demand that a wrong reading has caused is not found out by this.

use crate::context::{Caller, Ledger};
use crate::meter_record::{
    Device, Filling, MeterBindings, MeterRecord, MeterState, PastSupply, Summed, Supply, SupplyId, Take, total,
};
use crate::segment::Flow;
use crate::share::common;
use crate::store::Ruled;
use std::collections::BTreeMap;
use utilidor_program::bands::share;
use utilidor_types::meter::{MAX_REASON_BYTES, corrected_register};
use utilidor_types::{Bands, Event, MeterId, Quantity, Refusal, TariffOption, Text, Timestamp, Window};

/// What a correction changes for one agreement's binding.
#[derive(Debug, Clone, Copy)]
struct Adjusted {
    interval: Window,
    more: Bands,
    less: Bands,
}

/// The difference that a correction makes.
#[derive(Debug, Clone, Copy)]
struct Difference {
    flow: Flow,
    is_less: bool,
}

/// A part of what is worked out already, in which neither the supply nor the purchases change.
struct Part {
    window: Window,
    supply: Option<PastSupply>,
}

impl Difference {
    /// Order: the interval, whether it changes anything; what can have passed.
    fn of(
        meter: MeterId,
        record: &MeterRecord,
        last: Timestamp,
        interval: Window,
        [certified, right]: [Quantity; 2],
    ) -> Result<Self, Refusal> {
        let in_service = Window { from: record.meter.since, to: last };
        if interval.is_empty() || common(interval, in_service) != Some(interval) || certified == right {
            return Err(Refusal::BadCorrection { meter });
        }
        let quantity = Quantity(certified.0.abs_diff(right.0));
        let most = record.limits().most_in(interval.ms());
        if right > most || quantity > most {
            return Err(Refusal::CorrectionOutOfRange { meter });
        }
        Ok(Self { flow: Flow { interval, quantity }, is_less: right < certified })
    }
}

impl Filling {
    /// Takes up to its volume more of what flowed in an interval.
    fn take_more(&mut self, supply: Option<SupplyId>, interval: Window, bands: &Bands) -> Option<Bands> {
        let part = share(bands, self.room());
        let near = self.takes.as_mut_slice().iter_mut().find(|take| common(take.interval, interval).is_some());
        match near {
            Some(take) => take.bands = take.bands.checked_add(&part)?,
            None if part.is_zero() => {}
            None => self.take(Take { supply, interval, bands: part, closed: true })?,
        }
        Some(part)
    }

    /// Has up to `quantity` less of what flowed in an interval; gives how much less.
    fn take_less(&mut self, interval: Window, quantity: Quantity) -> Option<Bands> {
        let mut less = Bands::ZERO;
        for take in self.takes.as_mut_slice().iter_mut().filter(|take| common(take.interval, interval).is_some()) {
            let left = quantity.saturating_sub(total(&less));
            let part = share(&take.bands, left);
            take.bands = take.bands.checked_sub(&part)?;
            less = less.checked_add(&part)?;
        }
        Some(less)
    }
}

impl MeterBindings {
    /// The supplies that the meter remembers, up to its last mark.
    fn supplies(&self) -> impl Iterator<Item = PastSupply> {
        let base = self.base;
        let open = self.bindings.iter().filter_map(move |binding| {
            let supply = binding.supply()?;
            let window = Window { to: binding.window.to.min(base), ..binding.window };
            let Supply { tariff, offset_minutes, passed, charged, .. } = *supply;
            Some(PastSupply { supply: binding.id(), window, tariff, offset_minutes, passed, charged })
        });
        self.past.iter().copied().chain(open).filter(|supply| !supply.window.is_empty())
    }

    /// Cuts an interval before the last mark where supplies and windows begin and end.
    fn parts(&self, interval: Window) -> Vec<Part> {
        let windows = self.bindings.iter().map(|binding| binding.window);
        let windows = windows.chain(self.supplies().map(|supply| supply.window));
        let windows = windows.chain(self.settled.iter().map(|(window, _)| *window));
        let mut cuts: Vec<Timestamp> = windows.flat_map(|window| [window.from, window.to]).collect();
        cuts.retain(|cut| interval.from < *cut && *cut < interval.to);
        cuts.extend([interval.from, interval.to]);
        cuts.sort();
        cuts.dedup();
        let parts = cuts.windows(2).map(|pair| Window { from: pair[0], to: pair[1] });
        let supply_of = |window| self.supplies().find(|supply| common(supply.window, window) == Some(window));
        parts.map(|window| Part { window, supply: supply_of(window) }).collect()
    }

    /// What comes more in a part: how much is left for the supply.
    fn take_more(&mut self, part: &Part, bands: Bands, adjusted: &mut BTreeMap<SupplyId, Adjusted>) -> Option<Bands> {
        let supply = part.supply.map(|supply| supply.supply);
        let mut bands = bands;
        for settled in self.settled_in(part.window) {
            bands = bands.checked_sub(&settled.take(&bands))?;
        }
        let taken = self.share_out(bands, part.window);
        let left = total(&taken.rest);
        for (place, bands) in taken.taken {
            let binding = &mut self.bindings.as_mut_slice()[place];
            let id = binding.id();
            match &mut binding.sum {
                Summed::Fill(filling) => {
                    filling.take_more(supply, part.window, &bands)?;
                    filling.left_over = filling.left_over.checked_add(left)?;
                    note(adjusted, id, part.window, &bands, &Bands::ZERO)?;
                }
                // What is missing of those was taken first.
                Summed::Absorb(_) | Summed::Rest(_) => {}
            }
        }
        for settled in self.settled_in(part.window) {
            settled.left = settled.left.checked_add(left)?;
        }
        Some(taken.rest)
    }

    /// What comes less in a part: how much of it the supply loses.
    fn take_less(&mut self, part: &Part, bands: Bands, adjusted: &mut BTreeMap<SupplyId, Adjusted>) -> Option<Bands> {
        let mut left: Vec<Quantity> = self.settled_in(part.window).map(|settled| settled.left).collect();
        let serving = self.bindings.as_mut_slice().iter_mut().filter(|binding| binding.holds(part.window));
        let fillings = serving.filter_map(|binding| match &mut binding.sum {
            Summed::Fill(filling) => Some(filling),
            Summed::Absorb(_) | Summed::Rest(_) => None,
        });
        let fillings: Vec<&mut Filling> = fillings.collect();
        // Each has seen what was left for the supply in its own window.
        left.extend(fillings.iter().map(|filling| filling.left_over));
        let Some(left) = left.into_iter().min() else { return Some(bands) };
        let of_supply = share(&bands, left);
        for filling in fillings {
            filling.left_over = filling.left_over.saturating_sub(total(&of_supply));
        }
        for settled in self.settled_in(part.window) {
            settled.left = settled.left.saturating_sub(total(&of_supply));
        }
        let rest = self.take_bought(part.window, bands.checked_sub(&of_supply)?, adjusted)?;
        of_supply.checked_add(&rest)
    }

    /// What comes less of what was bought in a part: first of purchases that are not settled, the last signed first; gives what
    /// is nobody's of these.
    fn take_bought(
        &mut self,
        part: Window,
        bands: Bands,
        adjusted: &mut BTreeMap<SupplyId, Adjusted>,
    ) -> Option<Bands> {
        let mut rest = bands;
        for binding in self.bindings.as_mut_slice().iter_mut().rev().filter(|binding| binding.holds(part)) {
            let id = binding.id();
            let Summed::Fill(filling) = &mut binding.sum else { continue };
            let less = filling.take_less(part, total(&rest))?;
            note(adjusted, id, part, &Bands::ZERO, &less)?;
            rest = rest.checked_sub(&share(&rest, total(&less)))?;
        }
        self.miss(part, rest)
    }
}

fn note(
    adjusted: &mut BTreeMap<SupplyId, Adjusted>,
    id: SupplyId,
    interval: Window,
    more: &Bands,
    less: &Bands,
) -> Option<()> {
    if more.is_zero() && less.is_zero() {
        return Some(());
    }
    let sum = adjusted.entry(id).or_insert(Adjusted { interval, more: Bands::ZERO, less: Bands::ZERO });
    sum.interval = Window { from: sum.interval.from.min(interval.from), to: sum.interval.to.max(interval.to) };
    sum.more = sum.more.checked_add(more)?;
    sum.less = sum.less.checked_add(less)?;
    Some(())
}

impl MeterState {
    /// The registers of the open segment, changed: what passed in it then. `None`: that would be less than nothing, or more
    /// than a register can be.
    fn correct(&mut self, before: &Bands, bands: &Bands, is_less: bool) -> Option<Bands> {
        self.registers = match is_less {
            false => self.registers.checked_add(bands)?,
            true => self.registers.checked_sub(bands)?,
        };
        self.registers.checked_sub(before)
    }
}

/// What is read.
impl Ledger<'_> {
    /// What the supplies need that can be told of a correction, and by whose tariffs it is cut.
    pub fn want_corrected(&mut self, meter: MeterId, interval: Window) {
        let Ok(Some(bound)) = self.store.view::<MeterBindings>(&meter) else { return };
        for supply in bound.supplies() {
            let Some(interval) = common(supply.window, interval) else { continue };
            if let Some(tariff) = supply.tariff {
                self.store.want::<TariffOption>(&tariff);
            }
            let (agreement, binding) = supply.supply;
            let more = utilidor_program::Segment { interval, bands: Bands::ZERO, peak: (Quantity::ZERO, 0) };
            self.want_used(agreement, &utilidor_program::Event::Corrected { binding, more, less: Bands::ZERO });
        }
    }
}

impl Ledger<'_> {
    /// Order: role, meter, operator; the interval, whether it changes anything, what can have passed in it, and in the open
    /// segment; what has passed in a supply's time: corrections take back no more in all, and make no more of it than the meter can
    /// have shown.
    pub fn correct_readings(
        &mut self,
        caller: Caller,
        meter: MeterId,
        interval: Window,
        certified: Quantity,
        right: Quantity,
        reason: &Text<MAX_REASON_BYTES>,
    ) -> Ruled<()> {
        let (record, place, mut state) = self.once_operated_meter(caller, meter)?;
        let bound = self.store.find_at::<MeterBindings>(&meter)?;
        let difference = Difference::of(meter, &record, state.last.time, interval, [certified, right])?;
        let (base, before) =
            bound.as_ref().map_or((record.meter.since, Bands::ZERO), |(_, bound)| (bound.base, bound.registers));
        let open = common(interval, Window { from: base, to: state.last.time });
        if let Some(part) = open {
            let bands = self.bands_of(&difference.flow, part, state.tariff, state.offset_minutes)?;
            let most = record.limits().most_in(state.last.time.0.saturating_sub(base.0));
            let corrected = state.correct(&before, &bands, difference.is_less);
            let passed = corrected.filter(|passed| difference.is_less || total(passed) <= most);
            passed.ok_or(Refusal::CorrectionOutOfRange { meter })?;
        }

        if interval.to == state.last.time {
            let Device { since, register_modulus, .. } = record.device;
            state.last.register =
                corrected_register(state.last.register, (since, register_modulus), interval, [certified, right]);
        }
        self.events.push(Event::Corrected { meter, interval, certified, right, reason: reason.clone() });
        let mut adjusted = BTreeMap::new();
        if let Some((bound_place, mut bound)) = bound {
            if let Some(closed) = common(interval, Window { from: Timestamp(0), to: base }) {
                adjusted = self.adjust((meter, &record), &mut bound, &difference, closed)?;
            }
            bound.let_go();
            bound.refresh(&mut state);
            self.store.put_at(bound_place, bound);
        }
        self.store.put_at(place, state);
        self.tell_adjusted(meter, adjusted)
    }

    /// Shares out what a correction changes of segments that are worked out already.
    fn adjust(
        &mut self,
        (meter, record): (MeterId, &MeterRecord),
        bound: &mut MeterBindings,
        difference: &Difference,
        closed: Window,
    ) -> Ruled<BTreeMap<SupplyId, Adjusted>> {
        let mut adjusted = BTreeMap::new();
        let parts = bound.parts(closed);
        let mut beyond: BTreeMap<SupplyId, Bands> = BTreeMap::new();
        for part in &parts {
            let (tariff, offset_minutes) =
                part.supply.map_or((None, 0), |supply| (supply.tariff, supply.offset_minutes));
            let bands = self.bands_of(&difference.flow, part.window, tariff, offset_minutes)?;
            let supplys = match difference.is_less {
                false => bound.take_more(part, bands, &mut adjusted),
                true => bound.take_less(part, bands, &mut adjusted),
            };
            let supplys = supplys.ok_or(Refusal::Overflow)?;
            let Some(supply) = part.supply else { continue };
            let out_of_range = Refusal::CorrectionOutOfRange { meter };
            let (passed, charged) = bound.passed_mut(supply.supply).ok_or(out_of_range.clone())?;
            let all = match difference.is_less {
                false => {
                    passed.checked_add(total(&bands)).filter(|all| *all <= record.limits().most_in(supply.window.ms()))
                }
                true => passed.checked_sub(total(&bands)),
            };
            *passed = all.ok_or(out_of_range)?;
            let (more, less) = match difference.is_less {
                false => (supplys, Bands::ZERO),
                true => (Bands::ZERO, share(&supplys, *charged)),
            };
            *charged = charged.checked_add(total(&more)).ok_or(Refusal::Overflow)?.saturating_sub(total(&less));
            note(&mut adjusted, supply.supply, part.window, &more, &less).ok_or(Refusal::Overflow)?;
            if difference.is_less {
                let rest = supplys.checked_sub(&less).ok_or(Refusal::Overflow)?;
                let sum = beyond.entry(supply.supply).or_insert(Bands::ZERO);
                *sum = sum.checked_add(&rest).ok_or(Refusal::Overflow)?;
            }
        }

        for (supply, mut rest) in beyond.into_iter().filter(|(_, rest)| !rest.is_zero()) {
            let of_supply = |part: &&Part| part.supply.is_some_and(|of| of.supply == supply);
            for part in parts.iter().filter(of_supply) {
                rest = bound.take_bought(part.window, rest, &mut adjusted).ok_or(Refusal::Overflow)?;
            }
            if !rest.is_zero() {
                return Err(Refusal::CorrectionOutOfRange { meter }.into());
            }
        }
        Ok(adjusted)
    }

    /// Tells supplies. What purchases have filled is theirs to ask for when they settle.
    fn tell_adjusted(&mut self, meter: MeterId, adjusted: BTreeMap<SupplyId, Adjusted>) -> Ruled<()> {
        let bound = self.store.view::<MeterBindings>(&meter)?;
        let fills = |id: SupplyId| {
            let fills = |bound: &MeterBindings| {
                let binding = bound.place_of(id).map(|place| &bound.bindings[place]);
                binding.is_some_and(|binding| binding.supply().is_none())
            };
            bound.as_deref().is_some_and(fills)
        };
        self.each(adjusted, |ledger, ((agreement, binding), Adjusted { interval, more, less })| {
            ledger.events.push(Event::Adjusted { agreement, binding, interval, more, less });
            if fills((agreement, binding)) {
                return Ok(());
            }
            let more = utilidor_program::Segment { interval, bands: more, peak: (Quantity::ZERO, 0) };
            ledger.told(agreement, utilidor_program::Event::Corrected { binding, more, less })
        })
    }
}
