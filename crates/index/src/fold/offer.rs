//! Offers and the quotes on them. Of a quote the read model knows what the ledger does: its commitment and its sealed bytes,
//! and its content once the owner has awarded it.
//!
//! An offer that has lapsed or was withdrawn leaves the ledger, and its id can be used again: then another row stands for it,
//! and the last one counts.

use super::{
    Award, Before, Closed, Fold, FoldError, Folded, NewOffer, NewQuote, OfferRow, QuoteChange, RefusedWhat, Row,
    StandingQuote, diverged,
};
use std::sync::Arc;
use utilidor_types::action::AwardedQuote;
use utilidor_types::{AccountId, Offer, OfferId, Quantity, Refusal, SealedQuote};
use utilidor_view::QuoteStatus;

impl<'a, B: Before> Fold<'a, '_, B> {
    fn known_offer(&mut self, offer: OfferId) -> Folded<Option<&OfferRow>, B> {
        let known = self.known.offers.get(offer, || self.before.offer(offer)).map_err(FoldError::Before)?;
        Ok(known.as_ref())
    }

    pub fn offer(&mut self, offer: OfferId) -> Folded<&OfferRow, B> {
        self.known_offer(offer)?.ok_or_else(|| diverged(format!("offer {offer} was never published")))
    }

    /// An offer that still stands under its id is published again without effect; so is one that has lapsed, as long as the
    /// ledger keeps it. One that was withdrawn can be published anew.
    pub fn publish_offer(&mut self, by: AccountId, offer: &'a Offer) -> Folded<(), B> {
        let (id, now) = (offer.id(by), self.now);
        let repeated = self
            .known_offer(id)?
            .is_some_and(|present| present.closed.is_none() || (*present.offer == *offer && now >= offer.gate_closes));
        if repeated {
            return Ok(());
        }
        let owner = self.account(by)?.row;
        self.changes.totals.offers += 1;
        let row = self.changes.totals.offers as Row;
        let awarded = vec![Quantity::ZERO; offer.lots.len()];
        let state = OfferRow { row, owner: by, offer: Arc::new(offer.clone()), awarded, closed: None };
        self.known.offers.put(id, Some(state));
        self.changes.offers.push(NewOffer { row, id, owner, receipt: self.receipt, offer });
        Ok(())
    }

    pub fn withdraw_offer(&mut self, offer: OfferId) -> Folded<(), B> {
        self.close_offer(offer, Closed::Withdrawn)
    }

    pub fn offer_lapsed(&mut self, offer: OfferId) -> Folded<(), B> {
        self.close_offer(offer, Closed::Lapsed)
    }

    fn close_offer(&mut self, id: OfferId, closed: Closed) -> Folded<(), B> {
        let row = OfferRow { closed: Some(closed), ..self.offer(id)?.clone() };
        self.changes.quotes_lapsed.push(row.row);
        self.known.offers.put(id, Some(row));
        Ok(())
    }

    /// Notes the quote at a place in the present transaction. It replaces the bidder's quote that stands.
    pub fn submit_quote(&mut self, by: AccountId, place: Row, quote: &SealedQuote) -> Folded<(), B> {
        let offer = self.offer(quote.offer)?.row;
        let bidder = self.account(by)?.row;
        self.end_quote(offer, bidder, QuoteStatus::Replaced)?;
        let (receipt, binding) = (self.receipt, quote.binding);
        self.changes.quotes.push(NewQuote { key: (offer, bidder, receipt, place), binding });
        self.known.quotes.note((offer, bidder), Some(StandingQuote { receipt, place, binding }));
        Ok(())
    }

    pub fn withdraw_quote(&mut self, by: AccountId, offer: OfferId) -> Folded<(), B> {
        let offer = self.offer(offer)?.row;
        let bidder = self.account(by)?.row;
        self.end_quote(offer, bidder, QuoteStatus::Withdrawn)
    }

    /// The bidder's quote that stands on an offer that is not over.
    fn standing_quote(&mut self, offer: Row, bidder: Row) -> Folded<Option<StandingQuote>, B> {
        let ask = || self.before.standing_quote(offer, bidder);
        Ok(*self.known.quotes.get((offer, bidder), ask).map_err(FoldError::Before)?)
    }

    fn end_quote(&mut self, offer: Row, bidder: Row, status: QuoteStatus) -> Folded<(), B> {
        if let Some(StandingQuote { receipt, place, .. }) = self.standing_quote(offer, bidder)? {
            let key = (offer, bidder, receipt, place);
            self.changes.quotes_changed.push(QuoteChange { key, status, awarded: None, refusal: None });
            self.known.quotes.note((offer, bidder), None);
        }
        Ok(())
    }

    /// Notes that an agreement came of a quote. Gives what it took, and the quote's receipt if it was binding: submitting it
    /// was its bidder's signature.
    pub fn award_quote(&mut self, award: &AwardedQuote, agreement: Row) -> Folded<(Award, Option<Row>), B> {
        let id = award.offer;
        let mut offer = self.offer(id)?.clone();
        let bidder = self.account(award.bidder)?.row;
        let quote = self.standing_quote(offer.row, bidder)?;
        let quote = quote.ok_or_else(|| diverged(format!("{} has no quote on offer {id}", award.bidder)))?;
        let key = (offer.row, bidder, quote.receipt, quote.place);
        let awarded = Some((agreement, award.opening.clone()));
        let status = QuoteStatus::Awarded;
        self.changes.quotes_changed.push(QuoteChange { key, status, awarded, refusal: None });
        self.known.quotes.note((offer.row, bidder), None);

        let lots: Vec<Quantity> = award.opening.lines.iter().map(|line| line.quantity).collect();
        for (awarded, taken) in offer.awarded.iter_mut().zip(&lots) {
            let sum = awarded.checked_add(*taken);
            *awarded = sum.ok_or_else(|| diverged(format!("more is awarded than the lots of offer {id} can hold")))?;
        }
        let award = Award { offer: id, row: offer.row, lots };
        self.known.offers.put(id, Some(offer));
        Ok((award, quote.binding.then_some(quote.receipt)))
    }

    /// What was awarded with an agreement that was not signed can be awarded again.
    pub fn return_lots(&mut self, award: &Award) -> Folded<(), B> {
        let mut offer = self.offer(award.offer)?.clone();
        // The id may have been used again since.
        if offer.row == award.row {
            for (awarded, back) in offer.awarded.iter_mut().zip(&award.lots) {
                *awarded = awarded.saturating_sub(*back);
            }
            self.known.offers.put(award.offer, Some(offer));
        }
        Ok(())
    }

    /// An award could not be concluded. Whose money did not suffice for its binding quote has lost its bond with it.
    pub fn award_refused(&mut self, offer: OfferId, bidder: AccountId, refusal: &Refusal) -> Folded<(), B> {
        self.refuse(refusal.clone(), RefusedWhat::Award { offer, bidder });
        // The owner may have named what is not there, or is over: that is what was refused then.
        let standing = self.known_offer(offer)?.filter(|offer| offer.closed.is_none());
        let Some(offer) = standing.map(|offer| offer.row) else { return Ok(()) };
        let known = self.known.accounts.get(bidder, || self.before.account(bidder)).map_err(FoldError::Before)?;
        let Some(bidder_row) = known.map(|account| account.row) else { return Ok(()) };
        let Some(quote) = self.standing_quote(offer, bidder_row)? else { return Ok(()) };
        let forfeited = matches!(refusal, Refusal::InsufficientFunds { account, .. } if *account == bidder);
        let status = if forfeited { QuoteStatus::Forfeited } else { QuoteStatus::Submitted };
        let key = (offer, bidder_row, quote.receipt, quote.place);
        let refusal = Some(refusal.clone());
        self.changes.quotes_changed.push(QuoteChange { key, status, awarded: None, refusal });
        if forfeited {
            self.known.quotes.note((offer, bidder_row), None);
        }
        Ok(())
    }
}
