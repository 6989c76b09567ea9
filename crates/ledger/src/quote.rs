//! Sealed quotes and awards [M11, M12].

use crate::execution::Ledger;
use crate::member::Caller;
use crate::offer::need_some;
use crate::record::{OfferRecord, QuoteRecord};
use crate::store::Ruled;
use utilidor_types::action::AwardedQuote;
use utilidor_types::agreement::{AgreementTerms, Origin};
use utilidor_types::quote::sealed_bytes;
use utilidor_types::{Agreement, AgreementId, OfferId, Program, Refusal, Role, SealedQuote};

impl Ledger<'_> {
    /// Order: role, at least one; then for each quote: offer, own offer, gate, size. A second quote replaces the first.
    pub fn submit_quotes(&mut self, caller: Caller, quotes: &[SealedQuote]) -> Ruled<()> {
        self.need_role(caller, Role::User)?;
        need_some(quotes)?;
        quotes.iter().try_for_each(|quote| self.submit_quote(caller, quote))
    }

    fn submit_quote(&mut self, caller: Caller, quote: &SealedQuote) -> Ruled<()> {
        let record = self.standing_offer(quote.offer)?;
        if record.owner == caller.account {
            return Err(Refusal::OwnOffer.into());
        }
        self.need_open_gate(&record.offer)?;
        let expected = sealed_bytes(record.offer.lots.len());
        if quote.sealed.len() != expected {
            return Err(Refusal::SealedSize { bytes: quote.sealed.len() as u32, expected: expected as u32 }.into());
        }
        let id = (quote.offer, caller.account);
        self.store.find::<QuoteRecord>(&id)?;

        let record = QuoteRecord { commitment: quote.commitment, binding: quote.binding, awarded: false };
        self.store.put(&id, record);
        Ok(())
    }

    /// Order: offer, gate, quote.
    pub fn withdraw_quote(&mut self, caller: Caller, offer: OfferId) -> Ruled<()> {
        let record = self.standing_offer(offer)?;
        self.need_open_gate(&record.offer)?;
        let id = (offer, caller.account);
        self.store.get::<QuoteRecord>(&id, || Refusal::UnknownQuote { offer, bidder: caller.account })?;

        self.store.delete::<QuoteRecord>(&id);
        Ok(())
    }

    /// Order: at least one; then for each award: offer, owner, gate, delivery, quote, awarded before, opening, lines,
    /// lots, and all that a new agreement is checked for. One award that is refused refuses them all.
    pub fn award(&mut self, caller: Caller, awards: &[AwardedQuote]) -> Ruled<()> {
        need_some(awards)?;
        awards.iter().try_for_each(|award| self.award_one(caller, award))
    }

    fn award_one(&mut self, caller: Caller, award: &AwardedQuote) -> Ruled<()> {
        let record = self.standing_offer(award.offer)?;
        let (offer, bidder, opening) = (&record.offer, award.bidder, &award.opening);
        if record.owner != caller.account {
            return Err(Refusal::NotOfferOwner { offer: offer.id }.into());
        }
        let gate = offer.gate_closes;
        if self.now < gate {
            return Err(Refusal::GateOpen { gate, now: self.now }.into());
        }
        if self.now >= offer.window.from {
            return Err(Refusal::DeliveryBegun { from: offer.window.from, now: self.now }.into());
        }
        let id = (offer.id, bidder);
        let mut quote: QuoteRecord = self.store.get(&id, || Refusal::UnknownQuote { offer: offer.id, bidder })?;
        if quote.awarded {
            return Err(Refusal::QuoteAwarded { bidder }.into());
        }
        if opening.commitment(self.chain, offer.id, bidder) != quote.commitment {
            return Err(Refusal::BadOpening { bidder }.into());
        }
        if opening.lines.len() != offer.lots.len() {
            let (lines, lots) = (opening.lines.len() as u32, offer.lots.len() as u32);
            return Err(Refusal::LineCount { lines, lots }.into());
        }
        let mut left = record.left.clone();
        for ((lot, line), left) in offer.lots.iter().zip(&opening.lines).zip(left.as_mut_slice()) {
            let above = Refusal::AboveLot { carrier: lot.carrier, wanted: line.quantity, left: *left };
            *left = left.checked_sub(line.quantity).ok_or(above)?;
        }
        let terms = AgreementTerms {
            owner: record.owner,
            user: bidder,
            program: Program::Purchase(offer.purchase_terms(opening)),
        };
        let signing_ends = self.now.checked_add_ms(offer.terms.signing_ms.into()).ok_or(Refusal::Overflow)?;
        let agreement = Agreement {
            id: award.agreement,
            terms,
            origin: Origin::Award { offer: offer.id },
            sign_by: signing_ends.min(offer.window.from),
        };

        let binding = quote.binding;
        quote.awarded = true;
        self.store.put(&id, quote);
        self.store.put(&offer.id, OfferRecord { left, ..(*record).clone() });
        self.conclude(agreement, binding)
    }

    /// Puts what an award took back into the offer's lots, when its agreement was not signed.
    pub fn return_lots(&mut self, offer: OfferId, agreement: AgreementId, program: &Program) -> Ruled<()> {
        let Program::Purchase(terms) = program else { unreachable!("{agreement} is a purchase: it was awarded") };
        let mut record: OfferRecord = self.store.known(&offer)?;
        for (lot, left) in record.offer.lots.iter().zip(record.left.as_mut_slice()) {
            for bought in terms.lots.iter().filter(|bought| bought.carrier == lot.carrier) {
                *left = left.checked_add(bought.quantity).expect("what goes back was in the lot before");
            }
        }
        self.store.put(&offer, record);
        Ok(())
    }
}
