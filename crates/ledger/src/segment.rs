//! Segments: what passes a meter between two marks, and who gets it (docs/adr/0012).
//!
//! *mark* a time at which somebody wants to know a meter's cumulative registers: the begin or the end of a binding's window,
//! or the time that a supply's program waits for. *base* the last mark that the meter has passed. *open segment* what has
//! passed since. *level* the same as a mark, for a quantity that a supply's meter has brought since the base.
//!
//! ```text
//! reading ──reaches no mark──> the cumulative registers go on: one cell changes
//!    \──reaches marks──> at each, in order: registers interpolated ─> segment shared out ─> supply's program told ─> base = mark
//! ```
//!
//! Windows begin and end with marks, so a window holds a segment whole or not at all. Who gets what of it is in `share`.
//!
//! A mark at the last reading itself, which a program may set at the moment when its supply begins, is passed at once, with a
//! segment of no length if there has been a mark at that time already.
//!
//! Where a segment is cut decides how it is shared out by band. So no cut may depend on what has arrived when somebody asks:
//! a meter is read up to its last reading only where no purchase can still fill from the open segment.

use crate::context::Ledger;
use crate::meter_record::{
    MAX_PAST_SUPPLIES, MeterBinding, MeterBindings, MeterState, NO_LEVEL, NO_MARK, PastSupply, Settled, Summed, Supply,
    SupplyId, Take, total,
};
use crate::share::common;
use crate::store::{Place, Ruled};
use crate::work::Work;
use utilidor_program::bands;
use utilidor_program::contract::higher_demand;
use utilidor_types::event::{Fill, MeterSegment};
use utilidor_types::meter::Register;
use utilidor_types::package::{Calendar, TariffId};
use utilidor_types::{
    AgreementId, Bands, Bounded, Event, MeterId, Quantity, Reading, Refusal, TariffOption, Timestamp, Window,
};

/// Most marks that one reading passes. A subscription has one a month and one for each prepayment. A program that sets more is
/// told of the others together, by the next reading.
pub const MAX_MARKS_A_READING: usize = 256;
/// How often a supply's program is told at once that the meter is where it is already. A mark that it sets then is passed by
/// the next reading.
pub(crate) const MAX_TOLD_AT_BASE: u8 = 16;
/// How many days of a calendar are as much work to cut as a reading is otherwise.
const DAYS_PER_READING: u64 = 4;
/// Whom an open segment waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// A purchase can still fill from it: where it is cut decides what the purchase takes.
    ForAPurchase,
    /// Nobody but the supply: it can be read.
    ForItsSupply,
}

/// What a closed segment means for others.
#[derive(Debug, PartialEq, Eq)]
struct Closed {
    segment: MeterSegment,
    rest: Bands,
    unsupplied: Option<(Window, Quantity)>,
}

impl MeterState {
    fn higher_peak(&mut self, quantity: Quantity, ms: u64) {
        self.peak = higher_demand(self.peak, quantity, ms);
    }
}

impl MeterBinding {
    /// Its marks; those of its window after the base, its own one at the base too.
    fn marks(&self, base: Timestamp) -> impl Iterator<Item = Timestamp> {
        let edges = [self.window.from, self.window.to].into_iter().filter(move |edge| *edge > base);
        edges.chain(self.supply().and_then(|supply| supply.mark).filter(move |mark| *mark >= base))
    }
}

impl MeterBindings {
    /// What a meter serves that has served nothing yet.
    pub(crate) fn new(state: &MeterState, since: Timestamp) -> Self {
        Self {
            base: state.last.time,
            registers: state.registers,
            told_at_base: 0,
            unsupplied_since: since,
            unsupplied: state.total(),
            bindings: Bounded::empty(),
            past: Bounded::empty(),
            settled: Bounded::empty(),
        }
    }

    /// A binding's place. A number that is used again names the later one.
    pub(crate) fn place_of(&self, id: SupplyId) -> Option<usize> {
        self.bindings.iter().rposition(|binding| binding.id() == id)
    }

    /// What has passed in the time of a supply that the meter remembers, and what of it was left for the supply.
    pub(crate) fn passed_mut(&mut self, id: SupplyId) -> Option<(&mut Quantity, &mut Quantity)> {
        let present = self.bindings.as_mut_slice().iter_mut().rev().filter(|binding| binding.id() == id);
        let mut present = present.filter_map(|binding| match &mut binding.sum {
            Summed::Rest(supply) => Some((&mut supply.passed, &mut supply.charged)),
            Summed::Fill(_) | Summed::Absorb(_) => None,
        });
        let past = self.past.as_mut_slice().iter_mut().rev();
        present
            .next()
            .or_else(|| past.filter(|past| past.supply == id).map(|past| (&mut past.passed, &mut past.charged)).next())
    }

    pub(crate) fn charged_mut(&mut self, id: SupplyId) -> Option<&mut Quantity> {
        self.passed_mut(id).map(|(_, charged)| charged)
    }

    /// Whether a purchase that has not settled has taken of what flowed for an agreement's supply.
    pub(crate) fn has_takes_of(&self, agreement: AgreementId) -> bool {
        let is_of = |take: &Take| take.supply.is_some_and(|(of, _)| of == agreement);
        let takes =
            |binding: &MeterBinding| matches!(&binding.sum, Summed::Fill(filling) if filling.takes.iter().any(is_of));
        self.bindings.iter().any(takes)
    }

    /// The supply that what comes after the base is charged to.
    pub(crate) fn open_supply(&self) -> Option<&MeterBinding> {
        let mut supplies = self.bindings.iter().filter(|binding| binding.supply().is_some());
        supplies.find(|binding| binding.is_open_at(self.base))
    }

    /// The first mark after the base.
    fn mark_after_base(&self) -> Option<Timestamp> {
        let marks = self.bindings.iter().flat_map(|binding| binding.marks(self.base));
        marks.filter(|mark| *mark > self.base).min()
    }

    /// Whether a supply's program waits for the base itself.
    fn waits_at_base(&self) -> bool {
        let waits = |binding: &MeterBinding| binding.supply().is_some_and(|supply| supply.mark == Some(self.base));
        self.bindings.iter().any(waits)
    }

    /// Writes into the meter's state which reading takes the slow way next, and which register counts.
    pub(crate) fn refresh(&self, state: &mut MeterState) {
        let marks = self.bindings.iter().flat_map(|binding| binding.marks(self.base));
        state.next_mark = marks.min().unwrap_or(NO_MARK);
        let supply = self.open_supply().and_then(MeterBinding::supply);
        state.tariff = supply.and_then(|supply| supply.tariff);
        state.offset_minutes = supply.map_or(0, |supply| supply.offset_minutes);
        // What purchases can still take does not reach the supply.
        let open = self.bindings.iter().filter(|binding| binding.is_open_at(self.base));
        let before =
            open.filter_map(MeterBinding::room).fold(total(&self.registers).0, |sum, room| sum.saturating_add(room.0));
        let level = supply.and_then(|supply| supply.level);
        state.next_level = level.map_or(NO_LEVEL, |level| Quantity(before.saturating_add(level.0)));
    }

    /// Closes the open segment at the time up to which the meter's registers are known.
    fn close(&mut self, meter: MeterId, state: &mut MeterState) -> Option<Closed> {
        let interval = Window { from: self.base, to: state.last.time };
        let passed = state.registers.checked_sub(&self.registers)?;
        let shares = self.share_out(passed, interval);
        let supply = self.bindings.iter().find(|binding| binding.supply().is_some() && binding.holds(interval));
        let fills = shares.taken.iter().filter(|(_, bands)| !bands.is_zero()).map(|(place, bands)| {
            let binding = &self.bindings[*place];
            Fill { agreement: binding.agreement, binding: binding.number, bands: *bands }
        });
        let segment = MeterSegment {
            meter,
            interval,
            before: self.registers.0.map(Register::Clear),
            after: state.registers.0.map(Register::Clear),
            fills: Bounded::new(fills.collect()).ok()?,
            supply: supply.map(MeterBinding::id),
            peak: std::mem::take(&mut state.peak),
        };
        self.note_takes(&shares, interval, supply.cloned())?;
        self.told_at_base = if interval.is_empty() { self.told_at_base.saturating_add(1) } else { 0 };
        (self.base, self.registers) = (state.last.time, state.registers);
        self.pass_base(&passed, &shares.rest, segment.supply);
        let unsupplied = self.note_unsupplied(&shares.rest, segment.supply.is_some());
        self.refresh(state);
        Some(Closed { segment, rest: shares.rest, unsupplied })
    }

    /// Lets go of what the new base has passed.
    fn pass_base(&mut self, passed: &Bands, rest: &Bands, supply: Option<SupplyId>) {
        let base = self.base;
        for binding in self.bindings.as_mut_slice() {
            let id = binding.id();
            let Summed::Rest(waiting) = &mut binding.sum else { continue };
            waiting.mark = waiting.mark.filter(|mark| *mark > base);
            if Some(id) == supply {
                waiting.passed = Quantity(waiting.passed.0.saturating_add(total(passed).0));
                waiting.charged = Quantity(waiting.charged.0.saturating_add(total(rest).0));
                let left = waiting.level.map(|level| level.saturating_sub(total(rest)));
                waiting.level = left.filter(|level| *level > Quantity::ZERO);
            }
        }
        self.let_go();
    }

    /// Lets go of bindings that nothing more can come of. Supplies and what was bought are remembered for corrections.
    pub(crate) fn let_go(&mut self) {
        let base = self.base;
        if !self.bindings.iter().any(|binding| binding.is_over(base)) {
            return;
        }
        let over = self.bindings.iter().filter(|binding| binding.is_over(base));
        let past = over.filter(|binding| !binding.window.is_empty()).filter_map(|binding| {
            let supply = binding.supply()?;
            let Supply { tariff, offset_minutes, passed, charged, .. } = *supply;
            Some(PastSupply { supply: binding.id(), window: binding.window, tariff, offset_minutes, passed, charged })
        });
        let bought = self.bindings.iter().filter(|binding| binding.is_over(base)).filter_map(|binding| {
            let settled = match &binding.sum {
                Summed::Absorb(settled) => *settled,
                Summed::Fill(filling) => filling.settled(filling.taken(), Quantity::ZERO),
                Summed::Rest(_) => return None,
            };
            Some((Window { to: binding.window.to.min(base), ..binding.window }, settled))
        });
        let bought: Vec<(Window, Settled)> = bought.collect();
        let mut all: Vec<PastSupply> = self.past.iter().copied().chain(past).collect();
        let all = all.split_off(all.len().saturating_sub(MAX_PAST_SUPPLIES));
        self.past = Bounded::new(all).unwrap_or_default();
        for (window, settled) in bought {
            self.remember(window, settled);
        }
        self.bindings.retain(|binding| !binding.is_over(base));
    }

    /// Notes what was on nobody's bill, and gives it when a supply begins with the base.
    fn note_unsupplied(&mut self, rest: &Bands, supplied: bool) -> Option<(Window, Quantity)> {
        if supplied {
            (self.unsupplied_since, self.unsupplied) = (self.base, Quantity::ZERO);
            return None;
        }
        self.unsupplied = Quantity(self.unsupplied.0.saturating_add(total(rest).0));
        self.begin_supply()
    }

    /// What was on nobody's bill, if a supply begins with the base.
    pub(crate) fn begin_supply(&mut self) -> Option<(Window, Quantity)> {
        self.open_supply()?;
        let window = Window { from: self.unsupplied_since, to: self.base };
        let quantity = std::mem::take(&mut self.unsupplied);
        self.unsupplied_since = self.base;
        (quantity > Quantity::ZERO).then_some((window, quantity))
    }
}

/// What flowed in an interval, as far as anybody knows: in a straight line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    pub interval: Window,
    pub quantity: Quantity,
}

/// A reading that is certified, with what flowed since the one before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub flow: Flow,
    pub to: Reading,
}

impl Ledger<'_> {
    /// What flowed in a part of an interval, by the bands of a tariff.
    pub fn bands_of(
        &mut self,
        flow: &Flow,
        part: Window,
        tariff: Option<TariffId>,
        offset_minutes: i16,
    ) -> Ruled<Bands> {
        let tariff = match tariff {
            Some(id) => self.store.view::<TariffOption>(&id)?,
            None => None,
        };
        let one_band = Calendar::default();
        let calendar = tariff.as_ref().and_then(|option| option.tariff.calendar()).unwrap_or(&one_band);
        let readings = bands::days(calendar, offset_minutes, part) / DAYS_PER_READING;
        if readings > 0 {
            self.store.spend(Work { readings, ..Work::default() });
        }
        Ok(bands::part(calendar, offset_minutes, flow.interval, flow.quantity, part))
    }

    /// Lets a certified reading count. Nearly always the cumulative registers go on, and that is all; `state` is then
    /// still to be written, to `place`. A reading that reaches a mark or a level has what waits for it told.
    pub fn count(&mut self, meter: MeterId, place: Place<MeterState>, state: &mut MeterState, step: Step) -> Ruled<()> {
        if state.next_mark <= step.to.time {
            self.store.put_at(place, state.clone());
            self.pass_marks(meter, &step)?;
            *state = self.store.known(&meter)?;
        }
        if state.last.time < step.to.time {
            self.go_on(state, &step, step.to.time)?;
        }
        if state.total() >= state.next_level {
            self.store.put_at(place, state.clone());
            self.reach_level(meter)?;
            *state = self.store.known(&meter)?;
        }
        Ok(())
    }

    /// The registers go on up to a time of the reading's interval.
    fn go_on(&mut self, state: &mut MeterState, step: &Step, until: Timestamp) -> Ruled<()> {
        let part = Window { from: state.last.time, to: until };
        let bands = self.bands_of(&step.flow, part, state.tariff, state.offset_minutes)?;
        state.registers = state.registers.checked_add(&bands).ok_or(Refusal::Overflow)?;
        state.last.time = until;
        if until == step.to.time {
            state.last = step.to;
            state.higher_peak(step.flow.quantity, step.flow.interval.ms());
        }
        Ok(())
    }

    /// Passes all marks up to a reading, in order. Programs that are told can set new ones.
    fn pass_marks(&mut self, meter: MeterId, step: &Step) -> Ruled<()> {
        let last = self.store.known::<MeterState>(&meter)?.last.time;
        let bound = self.store.view::<MeterBindings>(&meter)?;
        if bound.is_some_and(|bound| bound.waits_at_base() && bound.base == last) {
            self.close_segment(meter)?;
        }
        for _ in 0..MAX_MARKS_A_READING {
            let (place, mut state) = self.store.known_at::<MeterState>(&meter)?;
            let bound = self.store.view::<MeterBindings>(&meter)?;
            let mark = bound.and_then(|bound| bound.mark_after_base());
            let Some(mark) = mark.filter(|mark| *mark <= step.to.time) else { break };
            if mark > state.last.time {
                self.go_on(&mut state, step, mark)?;
            }
            self.store.put_at(place, state);
            self.close_segment(meter)?;
        }
        Ok(())
    }

    fn reach_level(&mut self, meter: MeterId) -> Ruled<()> {
        let (state_place, mut state) = self.store.known_at::<MeterState>(&meter)?;
        let (place, mut bound) = self.store.known_at::<MeterBindings>(&meter)?;
        let passed = state.registers.checked_sub(&bound.registers).ok_or(Refusal::Overflow)?;
        let bands = bound.share_out(passed, Window { from: bound.base, to: state.last.time }).rest;
        let base = bound.base;
        let told = bound.bindings.as_mut_slice().iter_mut().find_map(|binding| {
            let (id, open) = (binding.id(), binding.is_open_at(base));
            let Summed::Rest(supply) = &mut binding.sum else { return None };
            (open && supply.level.take().is_some()).then_some(id)
        });
        bound.refresh(&mut state);
        self.store.put_at(state_place, state);
        self.store.put_at(place, bound);
        if let Some((agreement, binding)) = told {
            self.events.push(Event::LevelReached { agreement, binding, bands });
            self.told(agreement, utilidor_program::Event::Level { binding, bands })?;
        }
        Ok(())
    }

    /// Closes a meter's open segment at the last time up to which its registers are known, and has it told.
    pub fn close_segment(&mut self, meter: MeterId) -> Ruled<()> {
        let (state_place, mut state) = self.store.known_at::<MeterState>(&meter)?;
        let (place, mut bound) = self.store.known_at::<MeterBindings>(&meter)?;
        let closed = bound.close(meter, &mut state).ok_or(Refusal::Overflow)?;
        self.store.put_at(state_place, state);
        self.store.put_at(place, bound);
        let Closed { segment, rest, unsupplied } = closed;
        let (interval, supply, peak) = (segment.interval, segment.supply, segment.peak);
        self.events.push(Event::Segment(segment));
        self.note_unsupplied(meter, unsupplied);
        if let Some((agreement, binding)) = supply {
            let segment = utilidor_program::Segment { interval, bands: rest, peak };
            self.told(agreement, utilidor_program::Event::Segment { binding, segment })?;
        }
        Ok(())
    }

    pub fn note_unsupplied(&mut self, meter: MeterId, unsupplied: Option<(Window, Quantity)>) {
        if let Some((interval, quantity)) = unsupplied {
            self.events.push(Event::Unsupplied { meter, interval, quantity });
        }
    }

    /// Reads a meter up to its last certified reading for who is bound to it under `id`: closes its open segment there, if no purchase
    /// can fill from it any more. Terms can name a stranger's meter: that is not read.
    pub fn read_meter(&mut self, meter: MeterId, id: SupplyId) -> Ruled<()> {
        match self.unread(meter, id)? {
            Some(Unread::ForItsSupply) => self.close_segment(meter),
            Some(Unread::ForAPurchase) | None => Ok(()),
        }
    }

    /// Whom a meter's open segment waits for, if it has brought anything since its last mark and `id` is bound to it.
    pub fn unread(&mut self, meter: MeterId, id: SupplyId) -> Ruled<Option<Unread>> {
        let Some(bound) = self.store.view::<MeterBindings>(&meter)? else { return Ok(None) };
        let state: MeterState = self.store.known(&meter)?;
        let open = Window { from: bound.base, to: state.last.time };
        let fills =
            |binding: &MeterBinding| matches!(binding.sum, Summed::Fill(_)) && common(binding.window, open).is_some();
        Ok(match open.is_empty() || bound.place_of(id).is_none() {
            true => None,
            false if bound.bindings.iter().any(fills) => Some(Unread::ForAPurchase),
            false => Some(Unread::ForItsSupply),
        })
    }
}
