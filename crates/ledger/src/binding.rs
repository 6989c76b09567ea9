//! What a meter serves: binding it to agreements and letting it go, and the marks and levels at which their programs want to
//! know how far it is (docs/adr/0012).
//!
//! ```text
//! supply:   bind ──> open ──end──> over, once the meter has passed its end
//! purchase: bind ──> fills ──settle──> gone, or absorbs until the meter has passed its window
//! ```
//!
//! Ending a supply frees the meter at once for the next one; the old binding stays until the meter has passed its end.

use crate::context::Ledger;
use crate::effect::Unfit;
use crate::meter_record::{
    Filling, MeterBinding, MeterBindings, MeterState, Settled, Summed, Supply, SupplyId, Take, total,
};
use crate::segment::MAX_TOLD_AT_BASE;
use crate::share::common;
use crate::store::{Place, Ruled};
use utilidor_program::{Binding, Sum, Sums};
use utilidor_types::meter::MAX_METER_AGREEMENTS;
use utilidor_types::{Agreement, AgreementId, Bands, Bounded, Event, MeterId, Quantity, Refusal, Timestamp, Window};

/// A meter's changing records, with their places.
struct Bound {
    state: (Place<MeterState>, MeterState),
    bindings: (Place<MeterBindings>, MeterBindings),
}

/// How a binding has been ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Before it began, so that it was never there.
    BeforeItBegan,
    /// In its time, or it was over already.
    InItsTime,
}

impl Summed {
    fn of(sum: Sum) -> Self {
        match sum {
            Sum::Fill(volume) => {
                Self::Fill(Filling { volume, takes: Bounded::empty(), left_over: Quantity::ZERO, ended: false })
            }
            Sum::Rest { tariff, offset_minutes } => Self::Rest(Supply {
                tariff,
                offset_minutes,
                mark: None,
                level: None,
                passed: Quantity::ZERO,
                charged: Quantity::ZERO,
            }),
            Sum::Absorb(missing) => Self::Absorb(Settled { kept: Quantity::ZERO, left: Quantity::ZERO, missing }),
        }
    }
}

impl MeterBinding {
    /// Whether its number can be used again for a binding from `at` on: it waits only for the meter to pass its end.
    fn is_ended_by(&self, at: Timestamp) -> bool {
        match &self.sum {
            Summed::Absorb(_) => true,
            Summed::Fill(filling) => filling.ended,
            Summed::Rest(_) => self.window.to <= at,
        }
    }
}

impl MeterBindings {
    fn find(&mut self, id: SupplyId) -> Result<&mut MeterBinding, Unfit> {
        let place = self.place_of(id).ok_or(Unfit::Binding)?;
        self.bindings.as_mut_slice().get_mut(place).ok_or(Unfit::Binding)
    }

    fn find_supply(&mut self, id: SupplyId) -> Result<&mut Supply, Unfit> {
        match &mut self.find(id)?.sum {
            Summed::Rest(supply) => Ok(supply),
            Summed::Absorb(_) | Summed::Fill(_) => Err(Unfit::Binding),
        }
    }

    /// Whether a supply is over, and the meter has passed its end.
    fn has_passed(&self, id: SupplyId) -> bool {
        self.place_of(id).is_none() && self.past.iter().any(|past| past.supply == id)
    }

    /// Whose supplies the meter knows, and when they began: also those that it has passed.
    pub(crate) fn supplies_with_begin(&self) -> impl Iterator<Item = (AgreementId, Timestamp)> {
        let past = self.past.iter().map(|past| (past.supply.0, past.window.from));
        let present = self.bindings.iter().filter(|binding| binding.supply().is_some());
        past.chain(present.map(|binding| (binding.agreement, binding.window.from)))
    }

    /// Whether an agreement still counts on the meter: a window that is not over, or a purchase that is not settled.
    pub(crate) fn is_in_use(&self, now: Timestamp) -> bool {
        self.bindings.iter().any(|binding| match &binding.sum {
            Summed::Absorb(_) => false,
            Summed::Fill(filling) => !filling.ended,
            Summed::Rest(_) => binding.window.to > now,
        })
    }

    /// What a purchase gives back when it keeps less than it took: by take, in proportion over takes and bands. What was left
    /// of it is deducted from the takes.
    fn give_back(takes: &[Take], excess: Quantity) -> Vec<Take> {
        let whole = takes.iter().fold(0u64, |sum, take| sum.saturating_add(total(&take.bands).0));
        let (mut so_far, mut given) = (0u64, 0);
        let mut share = |quantity: Quantity| {
            so_far = so_far.saturating_add(quantity.0);
            let upto = if whole == 0 { 0 } else { excess.share_floor(so_far.min(whole), whole).0 };
            Quantity(upto - std::mem::replace(&mut given, upto))
        };
        takes.iter().map(|take| Take { bands: Bands(take.bands.0.map(&mut share)), ..*take }).collect()
    }
}

impl Ledger<'_> {
    fn bound(&mut self, meter: MeterId) -> Ruled<Bound> {
        let bindings = self.store.find_at::<MeterBindings>(&meter)?.ok_or(Unfit::Binding)?;
        Ok(Bound { state: self.store.known_at(&meter)?, bindings })
    }

    fn put_bound(&mut self, bound: Bound) {
        let (place, bindings) = bound.bindings;
        let (state_place, mut state) = bound.state;
        bindings.refresh(&mut state);
        self.store.put_at(place, bindings);
        self.store.put_at(state_place, state);
    }

    /// Closes the open segment at the last reading, if it is not closed there.
    fn cut_here(&mut self, meter: MeterId) -> Ruled<()> {
        let open = self.open_segment(meter)?;
        if open.from < open.to { self.close_segment(meter) } else { Ok(()) }
    }

    /// From a meter's last mark to its last reading.
    fn open_segment(&mut self, meter: MeterId) -> Ruled<Window> {
        let from = self.store.view::<MeterBindings>(&meter)?.ok_or(Unfit::Binding)?.base;
        Ok(Window { from, to: self.store.known::<MeterState>(&meter)?.last.time })
    }

    /// Lets a meter serve an agreement. Order: meter, whether it is in service, carrier, holder, room; for a supply, whether
    /// another one is open.
    pub fn bind(&mut self, agreement: &Agreement, binding: &Binding) -> Ruled<()> {
        let Binding { number, meter, carrier, party, window, sum } = *binding;
        let holder = agreement.terms.account(party).ok_or(Unfit::Party)?;
        let agreement = agreement.id;
        let (record, place, state) = self.metered(meter)?;
        if record.meter.carrier != carrier {
            return Err(Refusal::MeterCarrier { meter, carrier }.into());
        }
        if record.meter.holder != holder {
            return Err(Refusal::MeterHolder { meter }.into());
        }
        let bindings = self.store.find::<MeterBindings>(&meter)?;
        let bindings = bindings.unwrap_or_else(|| MeterBindings::new(&state, record.meter.since));
        let is_supply = matches!(sum, Sum::Rest { .. });
        let busy = Refusal::MeterBusy { meter, max: MAX_METER_AGREEMENTS as u32 };
        if bindings.bindings.len() >= MAX_METER_AGREEMENTS || (is_supply && !bindings.has_room_for_supply(window, 1)) {
            return Err(busy.into());
        }
        let overlaps = |other: &&MeterBinding| other.supply().is_some() && common(other.window, window).is_some();
        if let Some(other) = bindings.bindings.iter().find(overlaps).filter(|_| is_supply) {
            return Err(Refusal::MeterSubscribed { meter, subscription: other.agreement }.into());
        }
        let id = (agreement, number);
        let is_taken = bindings.bindings.iter().any(|other| other.id() == id && !other.is_ended_by(window.from));
        if is_taken || window.is_empty() || window.from < state.last.time {
            return Err(Unfit::Binding.into());
        }

        let cuts = window.from == state.last.time && bindings.base < state.last.time;
        let mut bound = match cuts {
            true => {
                self.close_segment(meter)?;
                self.bound(meter)?
            }
            false => Bound { state: (place, state), bindings: (self.store.place_of_known(&meter), bindings) },
        };
        let added = MeterBinding { agreement, number, window, sum: Summed::of(sum) };
        bound.bindings.1.bindings.push(added).map_err(|_| busy)?;
        let begins = is_supply && window.from == bound.bindings.1.base;
        let unsupplied = if begins { bound.bindings.1.begin_supply() } else { None };
        if begins {
            // The highest demand of before is nobody's that begins now.
            bound.state.1.peak = (Quantity::ZERO, 0);
        }
        self.put_bound(bound);
        self.note_unsupplied(meter, unsupplied);
        Ok(())
    }

    /// The volume and window of a purchase that has been neither settled nor ended.
    pub fn filling(&mut self, agreement: AgreementId, number: u8, meter: MeterId) -> Ruled<Option<(Quantity, Window)>> {
        let Some(bindings) = self.store.view::<MeterBindings>(&meter)? else { return Ok(None) };
        let binding = bindings.place_of((agreement, number)).map(|place| &bindings.bindings[place]);
        Ok(binding.and_then(|binding| match &binding.sum {
            Summed::Fill(filling) if !filling.ended => Some((filling.volume, binding.window)),
            _ => None,
        }))
    }

    /// A binding's window ends at `at`; if certified readings have passed it already without a mark, at the last of them.
    /// What the meter has passed the end of is over already.
    pub fn end_binding(&mut self, agreement: AgreementId, number: u8, meter: MeterId, at: Timestamp) -> Ruled<Ended> {
        let mut bound = self.bound(meter)?;
        let (base, last) = (bound.bindings.1.base, bound.state.1.last.time);
        let Ok(binding) = bound.bindings.1.find((agreement, number)) else { return Ok(Ended::InItsTime) };
        if at < base {
            return Err(Unfit::Time.into());
        }
        let at = if at > base { at.max(last) } else { at };
        binding.window.to = binding.window.to.min(at).max(binding.window.from);
        if let Summed::Fill(filling) = &mut binding.sum {
            filling.ended = true;
        }
        let ended = if binding.window.is_empty() { Ended::BeforeItBegan } else { Ended::InItsTime };
        // Who ends before the begin was never there.
        if ended == Ended::BeforeItBegan {
            let place = bound.bindings.1.place_of((agreement, number)).ok_or(Unfit::Binding)?;
            remove(&mut bound.bindings.1, place);
        }
        bound.bindings.1.let_go();
        self.put_bound(bound);
        if at == last {
            self.cut_here(meter)?;
        }
        Ok(ended)
    }

    /// A supply whose end has not come goes on until `until`, as if it had not been ended. Order: whether it is there; whether another
    /// supply is open, room.
    pub fn resume_binding(
        &mut self,
        agreement: AgreementId,
        number: u8,
        meter: MeterId,
        until: Timestamp,
    ) -> Ruled<()> {
        let mut bound = self.bound(meter)?;
        let bindings = &mut bound.bindings.1;
        let place = bindings.place_of((agreement, number)).ok_or(Unfit::Binding)?;
        let added = Window { from: bindings.bindings[place].window.to, to: until };
        if bindings.bindings[place].supply().is_none() || added.is_empty() || added.from <= self.now {
            return Err(Unfit::Binding.into());
        }
        let overlaps = |other: &&MeterBinding| other.supply().is_some() && common(other.window, added).is_some();
        if let Some(other) = bindings.bindings.iter().find(overlaps) {
            return Err(Refusal::MeterSubscribed { meter, subscription: other.agreement }.into());
        }
        if !bindings.has_room_for_supply(added, 0) {
            return Err(Refusal::MeterBusy { meter, max: MAX_METER_AGREEMENTS as u32 }.into());
        }

        bindings.bindings.as_mut_slice()[place].window.to = until;
        self.put_bound(bound);
        Ok(())
    }

    /// A purchase is over. What it took beyond `keep` goes back to the supplies that it took it of, in proportion over them
    /// and their bands; up to `absorb` of what the meter brings later for the window is nobody's. Both together are no more than its
    /// volume.
    pub fn settle_binding(
        &mut self,
        agreement: AgreementId,
        number: u8,
        meter: MeterId,
        keep: Quantity,
        absorb: Quantity,
    ) -> Ruled<()> {
        let open = self.open_segment(meter)?;
        let bindings = self.store.view::<MeterBindings>(&meter)?.ok_or(Unfit::Binding)?;
        let Some(place) = bindings.place_of((agreement, number)) else {
            // What was ended, and is passed, keeps nothing any more.
            return if keep == Quantity::ZERO { Ok(()) } else { Err(Unfit::Binding.into()) };
        };
        let can_fill = common(bindings.bindings[place].window, open).is_some();
        drop(bindings);
        if can_fill {
            self.cut_here(meter)?;
        }
        let mut bound = self.bound(meter)?;
        let bindings = &mut bound.bindings.1;
        let place = bindings.place_of((agreement, number)).ok_or(Unfit::Binding)?;
        let base = bindings.base;
        let binding = &mut bindings.bindings.as_mut_slice()[place];
        let Summed::Fill(filling) = &binding.sum else { return Err(Unfit::Binding.into()) };
        let excess = filling.taken().checked_sub(keep).ok_or(Unfit::Binding)?;
        // What nobody is to have was bought: others have sold the rest.
        if keep.checked_add(absorb).is_none_or(|bought| bought > filling.volume) {
            return Err(Unfit::Binding.into());
        }
        let returned = MeterBindings::give_back(&filling.takes, excess);
        let settled = filling.settled(keep, absorb);
        if absorb > Quantity::ZERO && binding.window.to > base {
            binding.sum = Summed::Absorb(settled);
        } else {
            // What comes later in its window is not its any more.
            let passed = Window { to: binding.window.to.min(base), ..binding.window };
            remove(bindings, place);
            bindings.remember(passed, settled);
        }
        for take in &returned {
            if let Some(charged) = take.supply.and_then(|supply| bindings.charged_mut(supply)) {
                *charged = Quantity(charged.0.saturating_add(total(&take.bands).0));
            }
        }
        let nobodys = returned.iter().filter(|take| take.supply.is_none()).map(|take| total(&take.bands).0);
        bindings.unsupplied = Quantity(nobodys.fold(bindings.unsupplied.0, u64::saturating_add));
        self.put_bound(bound);
        for take in returned.into_iter().filter(|take| !take.bands.is_zero()) {
            let Some((agreement, binding)) = take.supply else { continue };
            let Take { interval, bands, .. } = take;
            self.events.push(Event::Returned { agreement, binding, interval, bands });
            let segment = utilidor_program::Segment { interval, bands, peak: (Quantity::ZERO, 0) };
            self.told(agreement, utilidor_program::Event::Returned { binding, segment })?;
        }
        Ok(())
    }

    /// A supply's program wants to be told when the meter has passed this time; if it has, at once. A supply that the program has
    /// ended, and whose last segment it is told of, has no marks any more.
    pub fn set_mark(&mut self, agreement: AgreementId, number: u8, meter: MeterId, at: Option<Timestamp>) -> Ruled<()> {
        let mut bound = self.bound(meter)?;
        if bound.bindings.1.has_passed((agreement, number)) {
            return Ok(());
        }
        let (base, last) = (bound.bindings.1.base, bound.state.1.last.time);
        if at.is_some_and(|at| at < base) {
            return Err(Unfit::Time.into());
        }
        let at = at.map(|at| if at > base || last > base { at.max(last) } else { at });
        bound.bindings.1.find_supply((agreement, number))?.mark = at;
        let is_told = base < last || bound.bindings.1.told_at_base < MAX_TOLD_AT_BASE;
        self.put_bound(bound);
        if at == Some(last) && is_told { self.close_segment(meter) } else { Ok(()) }
    }

    /// A supply's program wants to be told when the meter has brought so much since its last segment; as for a mark, if it is over.
    pub fn set_level(&mut self, agreement: AgreementId, number: u8, meter: MeterId, at: Option<Quantity>) -> Ruled<()> {
        let mut bound = self.bound(meter)?;
        if bound.bindings.1.has_passed((agreement, number)) {
            return Ok(());
        }
        bound.bindings.1.find_supply((agreement, number))?.level = at;
        self.put_bound(bound);
        Ok(())
    }

    /// What a purchase's binding has filled so far, the open segment included, and how far the meter's readings reach.
    pub fn sums(&mut self, agreement: AgreementId, number: u8, meter: MeterId) -> Ruled<Sums> {
        let bindings = self.store.view::<MeterBindings>(&meter)?.ok_or(Unfit::Binding)?;
        let state: MeterState = self.store.known(&meter)?;
        let until = state.last.time;
        let open = Window { from: bindings.base, to: until };
        let passed = state.registers.checked_sub(&bindings.registers).ok_or(Refusal::Overflow)?;
        let place = bindings.place_of((agreement, number)).ok_or(Unfit::Binding)?;
        let shares = bindings.share_out(passed, open);
        let filled = match &bindings.bindings[place].sum {
            Summed::Fill(filling) => filling.bands().ok_or(Refusal::Overflow)?,
            Summed::Absorb(_) | Summed::Rest(_) => Bands::ZERO,
        };
        let part = shares.taken.iter().find(|(taker, _)| *taker == place).map_or(Bands::ZERO, |(_, bands)| *bands);
        let bands = filled.checked_add(&part).ok_or(Refusal::Overflow)?;
        Ok(Sums { binding: number, bands, until })
    }
}

fn remove(bindings: &mut MeterBindings, place: usize) {
    let mut places = 0..;
    bindings.bindings.retain(|_| places.next() != Some(place));
}
