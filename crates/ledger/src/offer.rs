//! Offers [M10]: publish, withdraw, lapse.
//!
//! An offer that is withdrawn or has lapsed leaves the state with its quotes and its list of bidders; their bonds are
//! released. It stays, without quotes, as long as agreements from it wait for a signature, because their lots may come back.

use crate::context::{Caller, Ledger};
use crate::record::{AccountRecord, BidderPage, OfferRecord, PAGE_BIDDERS, Published, QuoteRecord};
use crate::store::{Ruled, Stop};
use std::sync::Arc;
use utilidor_program::purchase::check_delivery;
use utilidor_types::event::BondMovement;
use utilidor_types::refusal::Limited;
use utilidor_types::{
    AccountId, Bounded, DueItem, Event, Money, Offer, OfferId, Program, Quantity, Refusal, Role, Timestamp,
};

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
    let (gate, from, lapses) = (offer.gate_closes, offer.window.from, offer.lapses);
    if gate <= now {
        return Err(Refusal::GateInPast { gate, now });
    }
    if gate >= from {
        return Err(Refusal::GateAfterDelivery { gate, from });
    }
    if lapses <= gate || lapses > from {
        return Err(Refusal::BadLapse { lapses, gate, from });
    }
    Ok(())
}

/// What is read.
impl Ledger<'_> {
    pub fn want_offers(&mut self, offers: &[Offer], ids: &[OfferId]) {
        for (offer, id) in offers.iter().zip(ids) {
            self.store.want::<OfferRecord>(id);
            self.want_due(offer.lapses);
        }
    }

    /// An offer with all its bidders, as far as they are known.
    pub fn want_offer_closed(&mut self, offer: OfferId) {
        let Ok(Some(record)) = self.store.view::<OfferRecord>(&offer) else { return };
        for page in 0..pages(record.bidders) {
            let Ok(Some(page)) = self.store.view::<BidderPage>(&(offer, page)) else { continue };
            for bidder in &page.bidders {
                self.store.want::<QuoteRecord>(&(offer, *bidder));
                self.store.want::<AccountRecord>(bidder);
            }
            self.want_members(page.bidders.iter().copied());
        }
        self.want_members([record.owner]);
    }
}

/// How many pages hold so many bidders.
pub(crate) const fn pages(bidders: u8) -> u8 {
    bidders.div_ceil(PAGE_BIDDERS as u8)
}

impl Ledger<'_> {
    /// Order: role, at least one; then for each offer: id, terms, gate, lapse, limit. A repeated publication gives the
    /// first result.
    pub fn publish_offers(&mut self, caller: Caller, offers: &[Offer], ids: &[OfferId]) -> Ruled<()> {
        self.need_role(caller, Role::Owner)?;
        need_some(offers)?;
        self.each(offers.iter().zip(ids), |ledger, (offer, id)| ledger.publish_offer(caller, offer, *id))
    }

    fn publish_offer(&mut self, caller: Caller, offer: &Offer, id: OfferId) -> Ruled<()> {
        if let Some(present) = self.store.view::<OfferRecord>(&id)? {
            return if *present.offer == *offer { Ok(()) } else { Err(Refusal::IdTaken.into()) };
        }
        check(offer, self.now)?;
        self.keep(caller.member, Limited::Offers)?;
        let mut left = Bounded::empty();
        for lot in &offer.lots {
            left.push(lot.quantity).map_err(|_| Refusal::Overflow)?;
        }

        let (owner, offer) = (caller.account, Published::from(offer.clone()));
        self.note_new_due(DueItem::Offer(id), offer.lapses)?;
        let record = OfferRecord { lapsed: false, bidders: 0, unsigned: 0, due: None, left, owner, offer };
        self.store.put(&id, record);
        Ok(())
    }

    /// The offer, refused if there is none or it has lapsed.
    pub fn standing_offer(&mut self, offer: OfferId) -> Ruled<Arc<OfferRecord>> {
        let record = self.store.view::<OfferRecord>(&offer)?.ok_or(Refusal::UnknownOffer { offer })?;
        let lapsed = record.offer.lapses;
        if record.lapsed || self.now >= lapsed {
            return Err(Refusal::OfferLapsed { lapsed, now: self.now }.into());
        }
        Ok(record)
    }

    /// Order: offer, lapse, owner, gate.
    pub fn withdraw_offer(&mut self, caller: Caller, offer: OfferId) -> Ruled<()> {
        let record = self.standing_offer(offer)?;
        if record.owner != caller.account {
            return Err(Refusal::NotOfferOwner { offer }.into());
        }
        self.need_open_gate(&record.offer)?;

        self.close_offer(offer, Arc::unwrap_or_clone(record))
    }

    /// Refuses when the gate has closed.
    pub fn need_open_gate(&self, offer: &Offer) -> Result<(), Refusal> {
        if self.now >= offer.gate_closes {
            return Err(Refusal::GateClosed { gate: offer.gate_closes, now: self.now });
        }
        Ok(())
    }

    /// An offer's time has come. `false` if it was withdrawn before.
    pub fn offer_due(&mut self, offer: OfferId) -> Ruled<bool> {
        let Some(record) = self.store.view::<OfferRecord>(&offer)? else { return Ok(false) };
        if record.lapsed || self.now < record.offer.lapses {
            return Ok(false);
        }
        self.events.push(Event::OfferLapsed { offer });
        self.close_offer(offer, Arc::unwrap_or_clone(record))?;
        Ok(true)
    }

    /// Releases all bonds, and forgets what nobody needs any more.
    fn close_offer(&mut self, offer: OfferId, record: OfferRecord) -> Ruled<()> {
        let done = self.close_what_is_there(offer, record);
        if matches!(done, Err(Stop::Unfetched)) {
            self.want_offer_closed(offer);
        }
        done
    }

    fn close_what_is_there(&mut self, offer: OfferId, mut record: OfferRecord) -> Ruled<()> {
        for number in 0..pages(record.bidders) {
            let page = self.store.find::<BidderPage>(&(offer, number))?.unwrap_or_default();
            for bidder in &page.bidders {
                if let Some(quote) = self.store.find::<QuoteRecord>(&(offer, *bidder))? {
                    self.release_bond(offer, *bidder, quote.bond)?;
                    self.store.delete::<QuoteRecord>(&(offer, *bidder));
                }
                let member = self.member_of(*bidder)?;
                self.keep_no_more(member, Limited::Quotes)?;
            }
            self.store.delete::<BidderPage>(&(offer, number));
        }
        record.bidders = 0;
        record.lapsed = true;
        let member = self.member_of(record.owner)?;
        self.keep_no_more(member, Limited::Offers)?;
        self.put_offer(offer, record);
        Ok(())
    }

    /// Writes an offer, or forgets it if it has lapsed and nothing from it waits for a signature.
    fn put_offer(&mut self, offer: OfferId, mut record: OfferRecord) {
        if record.lapsed {
            self.note_gone(DueItem::Offer(offer), record.due.take());
        }
        match record.lapsed && record.unsigned == 0 {
            true => self.store.delete::<OfferRecord>(&offer),
            false => self.store.put(&offer, record),
        }
    }

    pub fn release_bond(&mut self, offer: OfferId, bidder: AccountId, amount: Money) -> Ruled<()> {
        if amount > Money::ZERO {
            self.release(bidder, amount)?;
            self.events.push(Event::Bond { offer, bidder, movement: BondMovement::Released, amount });
        }
        Ok(())
    }

    /// An agreement from an offer is signed: its lots do not come back.
    pub fn lots_are_sold(&mut self, offer: OfferId) -> Ruled<()> {
        if let Some(mut record) = self.store.find::<OfferRecord>(&offer)? {
            record.unsigned = record.unsigned.saturating_sub(1);
            self.put_offer(offer, record);
        }
        Ok(())
    }

    /// Puts what an award took back into the offer's lots, when its agreement was not signed.
    pub fn return_lots(&mut self, offer: OfferId, program: &Program) -> Ruled<()> {
        let Some(mut record) = self.store.find::<OfferRecord>(&offer)? else { return Ok(()) };
        let volumes = utilidor_program::volumes(program);
        for (lot, left) in record.offer.lots.iter().zip(record.left.as_mut_slice()) {
            let back = volumes.iter().filter(|volume| volume.carrier == lot.carrier);
            *left = back.fold(*left, |left, volume| Quantity(left.0.saturating_add(volume.quantity.0)));
        }
        record.unsigned = record.unsigned.saturating_sub(1);
        self.put_offer(offer, record);
        Ok(())
    }
}

/// The list of an offer's bidders.
impl Ledger<'_> {
    /// Appends a bidder.
    pub fn list_bidder(&mut self, offer: OfferId, record: &mut OfferRecord, bidder: AccountId) -> Ruled<()> {
        let number = record.bidders;
        if usize::from(number) >= utilidor_types::offer::MAX_BIDDERS {
            return Err(Refusal::TooManyBidders { max: utilidor_types::offer::MAX_BIDDERS as u32 }.into());
        }
        let key = (offer, number / PAGE_BIDDERS as u8);
        let mut page = match number.is_multiple_of(PAGE_BIDDERS as u8) {
            true => BidderPage::default(),
            false => self.store.known::<BidderPage>(&key)?,
        };
        page.bidders.push(bidder).map_err(|_| Refusal::Overflow)?;
        record.bidders += 1;
        match page.bidders.len() {
            1 => self.store.create_unread(&key, page),
            _ => self.store.put(&key, page),
        }
        Ok(())
    }

    /// Takes a bidder out of the list; the last one takes its place.
    pub fn unlist_bidder(&mut self, offer: OfferId, record: &mut OfferRecord, bidder: AccountId) -> Ruled<()> {
        self.want_bidders(offer, record);
        let Some(last) = pages(record.bidders).checked_sub(1) else { return Ok(()) };
        let mut bidders = self.store.known::<BidderPage>(&(offer, last))?.bidders.into_vec();
        let Some(moved) = bidders.pop() else { return Ok(()) };
        match bidders.is_empty() {
            true => self.store.delete::<BidderPage>(&(offer, last)),
            false => {
                let bidders = Bounded::new(bidders).map_err(|_| Refusal::Overflow)?;
                self.store.put(&(offer, last), BidderPage { bidders });
            }
        }
        record.bidders -= 1;
        if moved == bidder {
            return Ok(());
        }
        for number in 0..=last {
            let mut page = self.store.find::<BidderPage>(&(offer, number))?.unwrap_or_default();
            if let Some(place) = page.bidders.as_mut_slice().iter_mut().find(|place| **place == bidder) {
                *place = moved;
                self.store.put(&(offer, number), page);
                break;
            }
        }
        Ok(())
    }

    pub fn want_bidders(&mut self, offer: OfferId, record: &OfferRecord) {
        for page in 0..pages(record.bidders) {
            self.store.want::<BidderPage>(&(offer, page));
        }
    }
}
