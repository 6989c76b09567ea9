//! Offers [M10]: publish, withdraw, and what all delivery terms have in common.

use crate::execution::Ledger;
use crate::member::Caller;
use crate::record::OfferRecord;
use crate::store::Ruled;
use std::collections::BTreeSet;
use std::sync::Arc;
use utilidor_types::agreement::MAX_WINDOW_HOURS;
use utilidor_types::time::HOUR_MS;
use utilidor_types::{Bounded, Carrier, Offer, OfferId, Price, Quantity, Refusal, Role, Timestamp, Window};

/// The whole, in thousandths.
const WHOLE_PERMILLE: u16 = 1_000;

/// What offers and purchases have in common. Order: lots, then for each its quantity, carrier and price unit;
/// window; rates; grace time.
pub(crate) fn check_delivery(
    lots: impl Iterator<Item = (Carrier, Quantity, Price)>,
    window: Window,
    rates_permille: [u16; 3],
    grace_ms: u32,
) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for (carrier, quantity, price) in lots {
        if quantity == Quantity::ZERO {
            return Err(Refusal::ZeroQuantity { carrier });
        }
        if !seen.insert(carrier) {
            return Err(Refusal::DuplicateCarrier { carrier });
        }
        if !price.per.fits(carrier) {
            return Err(Refusal::PriceUnit { carrier });
        }
    }
    if seen.is_empty() {
        return Err(Refusal::NoLots);
    }
    if window.is_empty() || !window.from.0.is_multiple_of(HOUR_MS) || !window.to.0.is_multiple_of(HOUR_MS) {
        return Err(Refusal::WindowNotWholeHours { from: window.from, to: window.to });
    }
    let hours = window.ms() / HOUR_MS;
    if hours > MAX_WINDOW_HOURS {
        return Err(Refusal::WindowTooLong { hours, max: MAX_WINDOW_HOURS });
    }
    if let Some(permille) = rates_permille.into_iter().find(|rate| *rate > WHOLE_PERMILLE) {
        return Err(Refusal::RateTooHigh { permille, max: WHOLE_PERMILLE });
    }
    window.to.checked_add_ms(grace_ms.into()).ok_or(Refusal::Overflow)?;
    Ok(())
}

/// Refuses a list without anything in it.
pub(crate) fn need_some<T>(asked: &[T]) -> Result<(), Refusal> {
    if asked.is_empty() { Err(Refusal::NothingAsked) } else { Ok(()) }
}

fn check(offer: &Offer, now: Timestamp) -> Result<(), Refusal> {
    let terms = &offer.terms;
    check_delivery(
        offer.lots.iter().map(|lot| (lot.carrier, lot.quantity, lot.asking_price)),
        offer.window,
        [terms.deposit_permille, terms.guarantee_permille, terms.tolerance_permille],
        terms.grace_ms,
    )?;
    if let Some(lot) = offer.lots.iter().find(|lot| lot.delivery_meter.is_none() && !lot.user_metered) {
        return Err(Refusal::Unmetered { carrier: lot.carrier });
    }
    if offer.gate_closes <= now {
        return Err(Refusal::GateInPast { gate: offer.gate_closes, now });
    }
    if offer.gate_closes >= offer.window.from {
        return Err(Refusal::GateAfterDelivery { gate: offer.gate_closes, from: offer.window.from });
    }
    Ok(())
}

impl Ledger<'_> {
    /// Order: role, at least one; then for each offer: id, terms, gate. A repeated publication gives the first result.
    pub fn publish_offers(&mut self, caller: Caller, offers: &[Offer]) -> Ruled<()> {
        self.need_role(caller, Role::Owner)?;
        need_some(offers)?;
        offers.iter().try_for_each(|offer| self.publish_offer(caller, offer))
    }

    fn publish_offer(&mut self, caller: Caller, offer: &Offer) -> Ruled<()> {
        if let Some(present) = self.store.view::<OfferRecord>(&offer.id)? {
            let same = present.owner == caller.account && present.offer == *offer;
            return if same { Ok(()) } else { Err(Refusal::IdTaken.into()) };
        }
        check(offer, self.now)?;
        let left = Bounded::new(offer.lots.iter().map(|lot| lot.quantity).collect()).expect("one per lot");

        let record = OfferRecord { withdrawn: false, left, owner: caller.account, offer: offer.clone() };
        self.store.put(&offer.id, record);
        Ok(())
    }

    /// The offer, refused if it does not exist or was withdrawn.
    pub fn standing_offer(&mut self, offer: OfferId) -> Ruled<Arc<OfferRecord>> {
        let record = self.store.view::<OfferRecord>(&offer)?.ok_or(Refusal::UnknownOffer { offer })?;
        if record.withdrawn {
            return Err(Refusal::OfferWithdrawn { offer }.into());
        }
        Ok(record)
    }

    /// Order: offer, owner, gate.
    pub fn withdraw_offer(&mut self, caller: Caller, offer: OfferId) -> Ruled<()> {
        let record = self.standing_offer(offer)?;
        if record.owner != caller.account {
            return Err(Refusal::NotOfferOwner { offer }.into());
        }
        self.need_open_gate(&record.offer)?;

        self.store.put(&offer, OfferRecord { withdrawn: true, ..Arc::unwrap_or_clone(record) });
        Ok(())
    }

    /// Refuses when the gate has closed.
    pub fn need_open_gate(&self, offer: &Offer) -> Result<(), Refusal> {
        if self.now >= offer.gate_closes {
            return Err(Refusal::GateClosed { gate: offer.gate_closes, now: self.now });
        }
        Ok(())
    }
}
