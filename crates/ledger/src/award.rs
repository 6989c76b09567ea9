//! Awards [M12]: the owner opens the quotes that it chooses. Each stands or falls alone; one that falls is an event with its
//! reason. A binding quote that its bidder cannot keep costs it its bond.

use crate::context::{Caller, Ledger};
use crate::offer::need_some;
use crate::record::{AgreementState, OfferRecord, PastAgreement, QuoteRecord};
use crate::store::{Ruled, Stop};
use std::sync::Arc;
use utilidor_program::Event as Told;
use utilidor_types::action::AwardedQuote;
use utilidor_types::agreement::{AgreementTerms, Origin, Party};
use utilidor_types::event::BondMovement;
use utilidor_types::offer::Lot;
use utilidor_types::{Agreement, AgreementId, Event, Money, OfferId, Refusal, Role};

/// What is read.
impl Ledger<'_> {
    pub fn want_awards(&mut self, awards: &[AwardedQuote], ids: &[AgreementId]) {
        for (award, id) in awards.iter().zip(ids) {
            self.want_quote(award.offer, award.bidder);
            self.want_account(award.bidder);
            self.want_agreement(*id);
            self.store.want::<PastAgreement>(id);
        }
    }

    /// What the agreements need that awards conclude.
    pub fn want_awarded(&mut self, caller: Caller, awards: &[AwardedQuote]) {
        for award in awards {
            self.want_members([award.bidder]);
            let Ok(Some(record)) = self.store.view::<OfferRecord>(&award.offer) else { continue };
            let Ok(Some(quote)) = self.store.view::<QuoteRecord>(&(award.offer, award.bidder)) else { continue };
            if award.opening.lines.len() == record.offer.lots.len() && quote.binding {
                let terms = record.offer.agreement_terms(caller.account, award.bidder, &award.opening);
                self.want_signing(terms);
            }
        }
    }
}

impl Ledger<'_> {
    /// Order: role, at least one; then for each award: offer, lapse, owner, gate, quote, awarded before, opening, lines, lots,
    /// and all that a new agreement is checked for.
    pub fn award(&mut self, caller: Caller, awards: &[AwardedQuote], ids: &[AgreementId]) -> Ruled<()> {
        self.need_role(caller, Role::Owner)?;
        need_some(awards)?;
        let mut whole = Ok(());
        for (award, id) in awards.iter().zip(ids) {
            match self.award_or_note(caller, award, *id) {
                Err(Stop::Unfetched) => whole = Err(Stop::Unfetched),
                other => other?,
            }
        }
        whole
    }

    fn award_or_note(&mut self, caller: Caller, award: &AwardedQuote, agreement: AgreementId) -> Ruled<()> {
        let (mark, events) = (self.store.mark(), self.events.len());
        match self.award_one(caller, award, agreement) {
            Err(Stop::Refused(refusal)) if refusal != Refusal::TooMuchWork => {
                self.store.undo(mark);
                self.events.truncate(events);
                self.to_tell.clear();
                self.award_failed(award, refusal)
            }
            other => other,
        }
    }

    fn award_one(&mut self, caller: Caller, award: &AwardedQuote, agreement: AgreementId) -> Ruled<()> {
        let (id, bidder, opening) = (award.offer, award.bidder, &award.opening);
        let record = self.standing_offer(id)?;
        let offer = &record.offer;
        if record.owner != caller.account {
            return Err(Refusal::NotOfferOwner { offer: id }.into());
        }
        let gate = offer.gate_closes;
        if self.now < gate {
            return Err(Refusal::GateOpen { gate, now: self.now }.into());
        }
        let mut quote: QuoteRecord = self.store.get(&(id, bidder), || Refusal::UnknownQuote { offer: id, bidder })?;
        if quote.awarded {
            return Err(Refusal::QuoteAwarded { bidder }.into());
        }
        if opening.commitment(self.chain, id, bidder) != quote.commitment {
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
        let signing_ends = self.now.checked_add_ms(offer.terms.signing_ms.into()).ok_or(Refusal::Overflow)?;
        let agreement = Agreement {
            id: agreement,
            terms: offer.agreement_terms(record.owner, bidder, opening),
            origin: Origin::Award { offer: id },
            sign_by: signing_ends.min(offer.window.from),
        };

        let binding = quote.binding;
        quote.awarded = true;
        // What secured the quote is free to fund the agreement.
        let bond = std::mem::replace(&mut quote.bond, Money::ZERO);
        self.store.put(&(id, bidder), quote);
        self.release_bond(id, bidder, bond)?;
        let unsigned = record.unsigned.checked_add(u8::from(!binding)).ok_or(Refusal::Overflow)?;
        self.store.put(&id, OfferRecord { left, unsigned, ..Arc::unwrap_or_clone(record) });
        let signed = if binding { Party::OWNER.bit() | Party::USER.bit() } else { Party::OWNER.bit() };
        self.conclude(caller.member, agreement, signed)
    }

    /// Notes why an award could not be concluded. Who has bid bindingly what it cannot keep loses its bond.
    fn award_failed(&mut self, award: &AwardedQuote, refusal: Refusal) -> Ruled<()> {
        let (offer, bidder) = (award.offer, award.bidder);
        if self.answers_for(award, &refusal)? {
            self.forfeit_bond(offer, award)?;
        }
        self.events.push(Event::AwardRefused { offer, bidder, refusal });
        Ok(())
    }

    /// Whether an award falls by what the bidder has quoted bindingly or has not: its money, its meters, its lines and prices. What
    /// the owner lacks, and what the owner has awarded to others before, is not the bidder's.
    fn answers_for(&mut self, award: &AwardedQuote, refusal: &Refusal) -> Ruled<bool> {
        let Some(quote) = self.store.view::<QuoteRecord>(&(award.offer, award.bidder))? else { return Ok(false) };
        if !quote.binding || quote.awarded {
            return Ok(false);
        }
        Ok(match refusal {
            Refusal::InsufficientFunds { account, .. } => *account == award.bidder,
            Refusal::UnknownMeter { meter }
            | Refusal::MeterCarrier { meter, .. }
            | Refusal::MeterHolder { meter }
            | Refusal::MeterBusy { meter, .. } => award.opening.lines.iter().any(|line| line.user_meter == *meter),
            // A quote whose lines are all of nothing has no lots.
            Refusal::LineCount { .. } | Refusal::NoLots | Refusal::PriceTooHigh { .. } | Refusal::Overflow => true,
            Refusal::AboveLot { carrier, wanted, .. } => {
                let record = self.store.view::<OfferRecord>(&award.offer)?;
                let exceeds = |lot: &Lot| lot.carrier == *carrier && *wanted > lot.quantity;
                record.is_some_and(|record| record.offer.lots.iter().any(exceeds))
            }
            _ => false,
        })
    }

    fn forfeit_bond(&mut self, offer: OfferId, award: &AwardedQuote) -> Ruled<()> {
        let bidder = award.bidder;
        let Some(mut quote) = self.store.find::<QuoteRecord>(&(offer, bidder))? else { return Ok(()) };
        let Some(record) = self.store.view::<OfferRecord>(&offer)? else { return Ok(()) };
        let amount = std::mem::replace(&mut quote.bond, Money::ZERO);
        quote.awarded = true;
        self.store.put(&(offer, bidder), quote);
        if amount > Money::ZERO {
            self.hand_over(bidder, record.owner, amount)?;
            self.events.push(Event::Bond { offer, bidder, movement: BondMovement::Forfeited, amount });
        }
        Ok(())
    }

    /// What signing terms reads, before there is an agreement.
    pub fn want_signing(&mut self, terms: AgreementTerms) {
        let (id, sign_by) = (AgreementId::default(), self.now);
        let agreement = Agreement { id, terms, origin: Origin::Package, sign_by };
        self.want_for(&agreement, &AgreementState::proposed(0), &Told::Signed);
    }
}
