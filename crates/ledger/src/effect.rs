//! The effects that programs ask for: whether the ledger can let them have, and carrying them out. All of a step is undone by
//! `program` if one is unfit.

use crate::agreement::KEPT_AFTER_END_MS;
use crate::binding::Ended;
use crate::context::Ledger;
use crate::record::{AgreementState, Bound, MeterRecord};
use crate::store::{Ruled, Stop};
use utilidor_program::{Binding, Effect, Notice, Sum, Volume};
use utilidor_types::agreement::{Party, Status};
use utilidor_types::event::{self, Movement, Source};
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{Agreement, AgreementId, MeterId, Money, Quantity, Refusal, Timestamp, Window};

/// Codes from here on are the ledger's own, in [`event::Event::ProgramFailed`] and refusals: what it cannot carry out.
pub const LEDGER_CODES: u16 = 0x8000;

/// What a program asks for and cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Unfit {
    /// A rule of the ledger forbids it: a meter that is busy, money that is not there.
    Refused = LEDGER_CODES,
    /// More effects than a step may have.
    Effects,
    /// A head or slot that is too long, or has no such number.
    State,
    /// A party that the agreement does not have.
    Party,
    /// More than a pot holds.
    Pot,
    /// More than the allowance gives.
    Allowance,
    /// A movement that no program can ask for.
    Movement,
    /// A time that is past, or beyond the calendar.
    Time,
    /// More lines or statements than there may be.
    Lines,
    /// A window that cannot be sold.
    Window,
    /// More capacity given back than was sold.
    Capacity,
    /// A binding that there is already, or is not, or that keeps more than it took or bought.
    Binding,
    /// An end without moving what is reserved, or an end that is none.
    Status,
    /// It has failed before, and what it missed then comes first.
    Waiting,
    /// Programs have used so much in one unit that it is told later.
    Fuel,
    /// More than a party lets it reserve, counting what others were given of it.
    Reserve,
    /// It needs records for which the unit does not wait any longer, or more work than a block may take: it is told or called later.
    Records,
}

impl Unfit {
    pub const fn code(self) -> u16 {
        self as u16
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        Self::UnfitEffect { code: unfit.code() }
    }
}

impl From<Unfit> for Stop {
    fn from(unfit: Unfit) -> Self {
        Self::Refused(unfit.into())
    }
}

/// Whether an agreement of this status has been executed or ended.
pub(crate) const fn is_end(status: Status) -> bool {
    matches!(status, Status::Settled | Status::Defaulted | Status::Terminated)
}

/// Effects.
impl Ledger<'_> {
    /// Asks for what carrying out an effect will read.
    pub fn want_effect(&mut self, agreement: &Agreement, effect: &Effect) {
        match effect {
            Effect::Move(..)
            | Effect::Owe(_)
            | Effect::PayDebt(_)
            | Effect::LowerDebt(_)
            | Effect::Issue(_)
            | Effect::Notify(_) => {}
            Effect::Schedule(at) => self.want_due(*at),
            Effect::Bind(binding) => {
                self.want_meter(binding.meter);
                if let (Some((volume, window)), Some(owner)) =
                    (sold_by_filling(agreement, binding), agreement.terms.owner())
                {
                    self.want_sale(owner, volume.carrier, window);
                }
            }
            Effect::Mark { meter, .. } | Effect::Level { meter, .. } | Effect::Resume { meter, .. } => {
                self.want_meter(*meter);
            }
            Effect::EndBinding { binding, meter, .. } => {
                self.want_meter(*meter);
                self.want_unsold(agreement, *binding, *meter);
            }
            // The meter's supply is told of what comes back to it.
            Effect::Settle { binding, meter, .. } => {
                self.want_meter(*meter);
                self.want_served(*meter);
                self.want_unsold(agreement, *binding, *meter);
            }
            Effect::Sell(volume, window) | Effect::Unsell(volume, window) => {
                if let Some(owner) = agreement.terms.owner() {
                    self.want_sale(owner, volume.carrier, *window);
                }
            }
            Effect::Finish(_) => {
                self.want_end(agreement);
                self.want_due(self.kept_until());
            }
        }
    }

    pub fn carry_out_one(
        &mut self,
        agreement: &Agreement,
        state: &mut AgreementState,
        effect: &Effect,
        available: Money,
    ) -> Ruled<()> {
        let (id, owner) = (agreement.id, agreement.terms.owner().ok_or(Unfit::Party)?);
        match effect {
            Effect::Move(Movement::FallBack { .. } | Movement::Pay { source: Source::Debt, .. }, _) => {
                Err(Unfit::Movement.into())
            }
            Effect::Move(movement, amount) => self.move_money(agreement, state, *movement, *amount),
            Effect::Owe(amount) => {
                let owes = state.debt.checked_add(*amount).ok_or(Refusal::Overflow)?;
                self.set_debt(agreement, state, owes)
            }
            Effect::PayDebt(amount) => {
                let owes = state.debt.checked_sub(*amount).ok_or(Unfit::Pot)?;
                let source = Source::Pot(event::Purpose::Prepayment);
                let pay = Movement::Pay { from: Party::USER, source, to: Party::OWNER };
                self.move_money(agreement, state, pay, *amount)?;
                self.set_debt(agreement, state, owes)
            }
            Effect::LowerDebt(amount) => {
                let owes = state.debt.checked_sub(*amount).ok_or(Unfit::Pot)?;
                self.set_debt(agreement, state, owes)
            }
            Effect::Schedule(at) => {
                state.scheduled = Some(self.future(*at)?);
                Ok(())
            }
            Effect::Bind(binding) => {
                state.bound(binding)?;
                if let Some((volume, window)) = sold_by_filling(agreement, binding) {
                    self.sell_hours(owner, volume, window)?;
                }
                self.bind(agreement, binding)
            }
            &Effect::EndBinding { binding, meter, at } => {
                if let Some((volume, window)) = self.sold_to_come(agreement, binding, meter)?
                    && at <= window.from
                {
                    self.return_hours(owner, volume, window)?;
                }
                // What ends before it begins was never there: its number is free at once.
                match self.end_binding(id, binding, meter, at)? {
                    Ended::BeforeItBegan => state.bindings.retain(|bound| bound.number != binding),
                    Ended::InItsTime => state.bound_until(binding, at),
                }
                Ok(())
            }
            &Effect::Resume { binding, meter, until } => {
                state.bound_until(binding, until);
                self.resume_binding(id, binding, meter, until)
            }
            &Effect::Settle { binding, meter, keep, absorb } => {
                if absorb == Quantity::ZERO {
                    self.return_sold(agreement, binding, meter)?;
                }
                state.bindings.retain(|bound| bound.number != binding);
                self.settle_binding(id, binding, meter, keep, absorb)
            }
            &Effect::Mark { binding, meter, at } => self.set_mark(id, binding, meter, at),
            &Effect::Level { binding, meter, at } => self.set_level(id, binding, meter, at),
            Effect::Sell(volume, window) => self.sell_hours(owner, *volume, *window),
            Effect::Unsell(volume, window) => self.return_hours(owner, *volume, *window),
            Effect::Issue(draft) => self.issue_statement(id, state, draft, available),
            Effect::Notify(notice) => {
                self.events.push(notified(id, notice));
                Ok(())
            }
            Effect::Finish(status) => self.finish(agreement, state, *status),
        }
    }

    /// What a published program has sold by filling from a meter, if the window is still to come and the program has not ended it
    /// within: let go of now, it was never there.
    fn sold_to_come(&mut self, agreement: &Agreement, binding: u8, meter: MeterId) -> Ruled<Option<(Volume, Window)>> {
        if !agreement.terms.program.is_written() {
            return Ok(None);
        }
        let Some((quantity, window)) = self.filling(agreement.id, binding, meter)? else { return Ok(None) };
        let Some(record) = self.store.view::<MeterRecord>(&meter)? else { return Ok(None) };
        let volume = Volume { carrier: record.meter.carrier, quantity };
        Ok(Some((volume, window)).filter(|(_, window)| self.now < window.from))
    }

    /// Gives such hours back.
    pub fn return_sold(&mut self, agreement: &Agreement, binding: u8, meter: MeterId) -> Ruled<()> {
        let owner = agreement.terms.owner().ok_or(Unfit::Party)?;
        match self.sold_to_come(agreement, binding, meter)? {
            Some((volume, window)) => self.return_hours(owner, volume, window),
            None => Ok(()),
        }
    }

    /// Asks for what giving back such hours will read.
    fn want_unsold(&mut self, agreement: &Agreement, binding: u8, meter: MeterId) {
        if let (Ok(Some((volume, window))), Some(owner)) =
            (self.sold_to_come(agreement, binding, meter), agreement.terms.owner())
        {
            self.want_hours(owner, volume.carrier, window);
        }
    }

    fn future(&self, at: Timestamp) -> Result<Timestamp, Refusal> {
        if at > self.now && at <= MAX_TIMESTAMP { Ok(at) } else { Err(Unfit::Time.into()) }
    }

    fn finish(&mut self, agreement: &Agreement, state: &mut AgreementState, status: Status) -> Ruled<()> {
        if !is_end(status) {
            return Err(Unfit::Status.into());
        }
        if !state.is_over() {
            self.end(agreement, state)?;
            state.ends = self.kept_until();
            // Its own time comes no more, unless it asks for another one: a supplement.
            state.scheduled = None;
        }
        if state.status != status {
            self.set_status(agreement.id, state, status);
        }
        Ok(())
    }
}

/// What a published program sells by filling from a meter; a native one asks for that itself.
fn sold_by_filling(agreement: &Agreement, binding: &Binding) -> Option<(Volume, Window)> {
    match binding.sum {
        Sum::Fill(quantity) if agreement.terms.program.is_written() => {
            Some((Volume { carrier: binding.carrier, quantity }, binding.window))
        }
        _ => None,
    }
}

fn notified(agreement: AgreementId, notice: &Notice) -> event::Event {
    use event::Event;
    match *notice {
        Notice::Low(carrier) => Event::LowBalance { subscription: agreement, carrier },
        Notice::Exhausted(carrier) => Event::Exhausted { subscription: agreement, carrier },
        Notice::Prepaid { carrier, tranche, paid, period } => {
            Event::Prepaid { subscription: agreement, carrier, tranche, paid, period }
        }
        Notice::TrancheOpened { carrier, tranche, debt_paid, paid, discount_permille, period } => {
            Event::TrancheOpened {
                subscription: agreement,
                carrier,
                tranche,
                debt_paid,
                paid,
                discount_permille,
                period,
            }
        }
        Notice::ReadingsMissing { meter, at } => Event::ReadingsMissing { agreement, meter, at },
        Notice::Ending(at) => Event::Ending { agreement, at },
        Notice::EndingStands(at) => Event::EndingStands { agreement, at },
    }
}

impl Ledger<'_> {
    /// Until when an agreement is kept that ends now.
    pub fn kept_until(&self) -> Timestamp {
        self.now.checked_add_ms(KEPT_AFTER_END_MS).unwrap_or(MAX_TIMESTAMP)
    }
}

impl AgreementState {
    /// Whether it has been executed or ended.
    pub const fn is_over(&self) -> bool {
        is_end(self.status)
    }
}

/// Bindings.
impl AgreementState {
    fn bound(&mut self, binding: &Binding) -> Result<(), Refusal> {
        let Binding { number, meter, sum, window, .. } = *binding;
        if self.bindings.iter().any(|bound| bound.number == number) {
            return Err(Unfit::Binding.into());
        }
        let fills = matches!(sum, Sum::Fill(_));
        // A purchase holds its meter until it has settled, however long that takes.
        let until = if fills { MAX_TIMESTAMP } else { window.to };
        self.bindings.push(Bound { number, meter, fills, until }).map_err(|_| Unfit::Binding.into())
    }

    fn bound_until(&mut self, number: u8, at: Timestamp) {
        if let Some(bound) = self.bindings.as_mut_slice().iter_mut().find(|bound| bound.number == number) {
            bound.until = at;
        }
    }
}
