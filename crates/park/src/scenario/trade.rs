//! Tenders: offers, sealed quotes, awards and signatures.

use super::*;

impl<P: Platform> Player<'_, P> {
    pub(super) async fn publish_tenders(&mut self, month: u8) -> Result<(), PlayError> {
        let tenders = tenders_of_month(self.year, &self.meters, month);
        let batch =
            tenders.iter().map(|tender| self.plan(&tender.owner, Action::publish_offer(tender.offer()))).collect();
        self.submit(batch).await?;

        let chain = self.platform.chain();
        let mut batch = Vec::new();
        for tender in &tenders {
            for bid in &tender.bids {
                let quote = tender.quote(&self.cast, chain, bid);
                batch.push(self.plan(&bid.bidder, quote));
            }
        }
        self.submit(batch).await?;
        self.awaiting_signature = tenders.into_iter().map(|tender| (tender, Vec::new())).collect();
        Ok(())
    }

    /// The owners open their quotes and award; who must sign, signs; who is late, is refused.
    pub(super) async fn award_tenders(&mut self) -> Result<(), PlayError> {
        let chain = self.platform.chain();
        let mut batch = Vec::new();
        let mut concluded = Vec::new();
        let mut to_sign = Vec::new();
        let mut late = Vec::new();
        for (tender, _) in std::mem::take(&mut self.awaiting_signature) {
            let (offer, key) = (tender.id(), tender.seal_key());
            let mut quotes = Vec::new();
            for (bidder, quote) in self.platform.quotes(offer).await? {
                // A quote that does not open could not be awarded.
                if let Ok(content) = key.open_quote(&quote, chain, bidder) {
                    quotes.push(((bidder, quote.binding), content));
                }
            }
            let chosen = choose(tender.quantity, quotes);
            let mut awards = Vec::new();
            for ((bidder, binding), opening) in chosen {
                let user = self.cast.label(bidder).expect("only participants quote").to_owned();
                let purchase = purchase_of(&tender, &user, &opening);
                let signs = tender.bids.iter().any(|bid| bid.bidder == user && bid.signs);
                let terms = tender.offer().agreement_terms(self.cast.account(&tender.owner), bidder, &opening);
                let (label, basis) = (tender.agreement_label(&user), AwardBasis::Choice);
                awards.push(AwardedQuote { offer, bidder, label, opening, basis });
                match (binding, signs) {
                    (true, _) => concluded.push(Deed::Concluded(purchase)),
                    (false, true) => to_sign.push((purchase, terms.digest())),
                    (false, false) => concluded.push(Deed::Unsigned(purchase)),
                }
            }
            self.settlements.push(tender.settles_at());
            let awards = awards.try_into().expect("a tender has few winners");
            batch.push(self.plan(&tender.owner, Action::Award { awards }));
            if let Some(bidder) = &tender.late {
                let price = tender.ask;
                let quantity = tender.bids[0].quantity;
                let bid = crate::tender::Bid { bidder: bidder.clone(), quantity, price, binding: true, signs: true };
                late.push((bidder.clone(), tender.quote(&self.cast, chain, &bid)));
            }
            self.journal.tenders.push(tender);
        }
        self.submit(batch).await?;
        concluded.into_iter().for_each(|deed| self.done(deed));

        let mut batch = Vec::new();
        for (purchase, terms) in &to_sign {
            let action = Action::SignAgreement { agreement: purchase.agreement, terms: *terms };
            batch.push(self.plan(&purchase.user, action));
        }
        for (bidder, quote) in late {
            let mut planned = self.plan(&bidder, quote);
            planned.refused = Some("offer/gate-closed");
            batch.push(planned);
        }
        if !batch.is_empty() {
            self.submit(batch).await?;
        }
        to_sign.into_iter().for_each(|(purchase, _)| self.done(Deed::Concluded(purchase)));
        Ok(())
    }
}

fn purchase_of(tender: &Tender, user: &str, opening: &utilidor_types::Opening) -> Purchase {
    Purchase {
        agreement: tender.agreement(user),
        tender: tender.label.clone(),
        owner: tender.owner.clone(),
        user: user.into(),
        carrier: tender.carrier,
        quantity: opening.lines[0].quantity,
        price: opening.lines[0].price,
        delivery_meter: tender.delivery_meter.clone(),
        take_meter: tenant_meter(user, tender.carrier),
        window: tender.window,
        substitute: false,
    }
}
