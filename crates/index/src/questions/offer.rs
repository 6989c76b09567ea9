//! Offers with their quotes.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::fold::{PLACE_BITS, cursor};
use crate::page::Paging;
use crate::store::columns::{corrupt, maybe_value, named, value};
use rusqlite::{Row, params};
use utilidor_types::{AccountId, Action, AgreementId, OfferId, Quantity, SealedQuote, SignedTransaction};
use utilidor_view::{OfferFilter, OfferStatus, OfferView, Page, QuoteStatus, QuoteView};

/// The quote at a place in a transaction.
fn sealed_quote(signed: SignedTransaction, place: i64) -> Option<SealedQuote> {
    match signed.transaction.action {
        Action::SubmitQuotes { quotes } => quotes.into_vec().into_iter().nth(usize::try_from(place).ok()?),
        _ => None,
    }
}

const STATUS: &str = "CASE WHEN closed = 'withdrawn' THEN 'withdrawn'
    WHEN closed IS NOT NULL OR (SELECT time_ms FROM meta) >= lapses_ms THEN 'closed'
    WHEN (SELECT time_ms FROM meta) < gate_ms THEN 'open' ELSE 'awarding' END";

fn offers_sql(condition: &str) -> String {
    format!(
        "SELECT it.id AS id, it.offer AS offer, it.body AS body, it.awarded AS awarded, accounts.account AS owner_id,
         {STATUS} AS status,
         (SELECT COUNT(*) FROM quotes WHERE quotes.offer = it.id AND quotes.status IN ('submitted', 'awarded')) AS quotes,
         {CAUSE} FROM offers AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.owner WHERE {condition}"
    )
}

fn offer_view(row: &Row<'_>) -> rusqlite::Result<(i64, OfferView)> {
    let offer = OfferView {
        id: OfferId(row.get("offer")?),
        offer: value(row, "body")?,
        owner: AccountId(row.get("owner_id")?),
        status: named(row, "status", &OfferStatus::ALL, OfferStatus::name)?,
        awarded: value::<Vec<Quantity>>(row, "awarded")?,
        quotes: row.get("quotes")?,
        cause: cause(row)?,
    };
    Ok((row.get("id")?, offer))
}

fn quote_view(row: &Row<'_>) -> rusqlite::Result<(i64, QuoteView)> {
    let (receipt, place): (i64, i64) = (row.get("receipt")?, row.get("place")?);
    let quote = sealed_quote(value(row, "signed")?, place);
    let quote = QuoteView {
        bidder: AccountId(row.get("bidder_id")?),
        quote: quote.ok_or_else(|| corrupt(row, "signed", "the transaction has no such quote"))?,
        status: named(row, "status", &QuoteStatus::ALL, QuoteStatus::name)?,
        agreement: row.get::<_, Option<[u8; 16]>>("agreement_id")?.map(AgreementId),
        opening: maybe_value(row, "opening")?,
        refusal: maybe_value(row, "refusal")?,
        cause: cause(row)?,
    };
    Ok((cursor(receipt, place), quote))
}

impl Questions<'_> {
    /// Offers in the order of publication.
    pub fn offers(&self, filter: &OfferFilter, paging: Paging) -> Read<Page<OfferView>> {
        let of_owner = match filter.owner {
            Some(_) => "it.owner = (SELECT id FROM accounts WHERE account = ?3)",
            None => "?3 IS NULL",
        };
        let (beyond, order) = (paging.beyond("it.id"), paging.by("it.id"));
        let condition = format!("{beyond} AND {of_owner} AND (?4 IS NULL OR status = ?4) {order} LIMIT ?2");
        let (owner, status) = (filter.owner.map(|owner| owner.0), filter.status.map(OfferStatus::name));
        let values = params![paging.after(), paging.fetch(), owner, status];
        self.page(paging, &offers_sql(&condition), values, offer_view)
    }

    /// One offer.
    pub fn offer(&self, offer: OfferId) -> Read<Option<OfferView>> {
        let sql = offers_sql("it.offer = ? ORDER BY it.id DESC LIMIT 1");
        Ok(self.find(&sql, [offer.0], offer_view)?.map(|(_, offer)| offer))
    }

    /// Quotes on an offer in the order of submission, those included that stand no more: all of them for the offer's owner, for
    /// others their own.
    pub fn quotes(&self, offer: OfferId, paging: Paging) -> Read<Page<QuoteView>> {
        let number = format!("(it.receipt << {PLACE_BITS} | it.place)");
        let (beyond, order) = (paging.beyond(&number), paging.by_two("it.receipt", "it.place"));
        let sql = format!(
            "SELECT it.receipt AS receipt, it.place AS place, accounts.account AS bidder_id, it.status AS status,
             agreements.agreement AS agreement_id, opening, refusal, receipts.signed AS signed, {CAUSE}
             FROM quotes AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.bidder
             JOIN offers ON offers.id = it.offer LEFT JOIN agreements ON agreements.id = it.agreement
             WHERE it.offer = (SELECT MAX(id) FROM offers WHERE offer = ?3) AND {beyond}
             AND ({} OR {}) {order} LIMIT ?2",
            self.traders_seen("it.bidder"),
            self.traders_seen("offers.owner")
        );
        let mut page = self.page(paging, &sql, params![paging.after(), paging.fetch(), offer.0], quote_view)?;
        self.withhold(page.items.iter_mut().map(|quote| &mut quote.cause))?;
        Ok(page)
    }
}
