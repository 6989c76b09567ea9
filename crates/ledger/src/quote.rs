//! Sealed quotes [M11]. A bidder reserves the offer's bond with its quote, the same for all bidders: a bond that followed the
//! price would tell it.

use crate::context::{Caller, Ledger};
use crate::offer::need_some;
use crate::record::{BidderPage, OfferRecord, PAGE_BIDDERS, QuoteRecord};
use crate::store::Ruled;
use std::sync::Arc;
use utilidor_types::event::BondMovement;
use utilidor_types::quote::sealed_bytes;
use utilidor_types::refusal::Limited;
use utilidor_types::{AccountId, Digest, Event, Money, OfferId, Refusal, Role, SealedQuote};

/// What is read.
impl Ledger<'_> {
    pub fn want_quote(&mut self, offer: OfferId, bidder: AccountId) {
        self.store.want::<OfferRecord>(&offer);
        self.store.want::<QuoteRecord>(&(offer, bidder));
    }

    /// The last page of the offer's bidders, to which a new quote is added.
    pub fn want_last_page(&mut self, offer: OfferId) {
        if let Ok(Some(record)) = self.store.view::<OfferRecord>(&offer)
            && !record.bidders.is_multiple_of(PAGE_BIDDERS as u8)
        {
            self.store.want::<BidderPage>(&(offer, record.bidders / PAGE_BIDDERS as u8));
        }
    }

    pub fn want_quote_withdrawn(&mut self, offer: OfferId) {
        if let Ok(Some(record)) = self.store.view::<OfferRecord>(&offer) {
            self.want_bidders(offer, &record);
        }
    }
}

impl Ledger<'_> {
    /// Order: role, at least one; then for each quote: offer, lapse, own offer, gate, what was offered, size; for a first one limit, room, funds.
    /// A second quote replaces the first, whose bond stays.
    pub fn submit_quotes(&mut self, caller: Caller, quotes: &[SealedQuote], sealed: &[Digest]) -> Ruled<()> {
        self.need_role(caller, Role::User)?;
        need_some(quotes)?;
        self.each(quotes.iter().zip(sealed), |ledger, (quote, sealed)| ledger.submit_quote(caller, quote, *sealed))
    }

    fn submit_quote(&mut self, caller: Caller, quote: &SealedQuote, sealed: Digest) -> Ruled<()> {
        self.want_last_page(quote.offer);
        let record = self.standing_offer(quote.offer)?;
        if record.owner == caller.account {
            return Err(Refusal::OwnOffer.into());
        }
        self.need_open_gate(&record.offer)?;
        let published = record.offer.digest();
        if quote.offered != published {
            return Err(Refusal::OtherOffer { quoted: quote.offered, published }.into());
        }
        let expected = sealed_bytes(record.offer.lots.len());
        if quote.sealed.len() != expected {
            return Err(Refusal::SealedSize { bytes: quote.sealed.len() as u32, expected: expected as u32 }.into());
        }
        let id = (quote.offer, caller.account);
        let bond = match self.store.view::<QuoteRecord>(&id)? {
            Some(present) => present.bond,
            None => self.admit_bidder(caller, quote.offer, Arc::unwrap_or_clone(record))?,
        };

        let (commitment, binding) = (quote.commitment, quote.binding);
        self.store.put(&id, QuoteRecord { commitment, sealed, binding, awarded: false, bond });
        Ok(())
    }

    /// A first quote: the bidder is listed, and its bond reserved.
    fn admit_bidder(&mut self, caller: Caller, offer: OfferId, mut record: OfferRecord) -> Ruled<Money> {
        let (bidder, bond) = (caller.account, record.offer.terms.bond);
        self.keep(caller.member, Limited::Quotes)?;
        self.list_bidder(offer, &mut record, bidder)?;
        if bond > Money::ZERO {
            self.reserve(bidder, bond)?;
            self.events.push(Event::Bond { offer, bidder, movement: BondMovement::Reserved, amount: bond });
        }
        self.store.put(&offer, record);
        Ok(bond)
    }

    /// Order: offer, lapse, gate, quote.
    pub fn withdraw_quote(&mut self, caller: Caller, offer: OfferId) -> Ruled<()> {
        let record = self.standing_offer(offer)?;
        self.need_open_gate(&record.offer)?;
        let bidder = caller.account;
        let id = (offer, bidder);
        let quote: QuoteRecord = self.store.get(&id, || Refusal::UnknownQuote { offer, bidder })?;

        let mut record = Arc::unwrap_or_clone(record);
        self.unlist_bidder(offer, &mut record, bidder)?;
        self.store.put(&offer, record);
        self.release_bond(offer, bidder, quote.bond)?;
        self.store.delete::<QuoteRecord>(&id);
        self.keep_no_more(caller.member, Limited::Quotes)
    }
}
