//! Offers with their lots and quotes. Of a quote the index knows what the ledger does: its commitment and its sealed
//! bytes, and its content once the owner has awarded it.

use crate::fold::{Fold, FoldError};
use crate::money::{CAUSE, CAUSE_JOIN, CauseRow, PLACE_BITS, cause, cursor};
use crate::page::{Page, Paging};
use crate::sql::{body, corrupt, int, maybe_value, quantity, value};
use crate::{ReadError, Reader};
use rusqlite::{OptionalExtension as _, Row, params};
use serde::{Deserialize, Serialize};
use utilidor_types::action::AwardedQuote;
use utilidor_types::{
    AccountId, Action, AgreementId, Digest, Offer, OfferId, Quantity, QuoteContent, SealedQuote, SignedTransaction,
};

/// Where an offer stands at the time of the last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OfferStatus {
    /// It takes quotes.
    Open,
    /// Its gate has closed; the owner may award.
    Awarding,
    /// Delivery has begun.
    Closed,
    /// Its owner withdrew it.
    Withdrawn,
}

/// An offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct OfferRow {
    /// The offer as its owner published it.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub offer: Offer,
    /// Who sells.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub owner: AccountId,
    /// Where it stands.
    pub status: OfferStatus,
    /// What of each lot is awarded, in the order of the lots.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub awarded: Vec<Quantity>,
    /// Quotes that stand: neither replaced nor withdrawn.
    pub quotes: u32,
    /// Where it was published.
    pub cause: CauseRow,
}

/// A quote as everybody may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct QuoteRow {
    /// The offer it answers.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub offer: OfferId,
    /// Who quotes.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub bidder: AccountId,
    /// Commitment to the content.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub commitment: Digest,
    /// The content, sealed to the offer's key; hex.
    pub sealed: String,
    /// Whether an award alone concludes the agreement.
    pub binding: bool,
    /// `submitted`, `replaced`, `withdrawn` or `awarded`.
    pub status: String,
    /// The agreement that resulted, if it was awarded.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub agreement: Option<AgreementId>,
    /// The content that the owner published with its award; of other quotes never.
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub opening: Option<QuoteContent>,
    /// Where it was submitted.
    pub cause: CauseRow,
}

/// Which offers are wanted; what is `None` does not restrict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfferFilter {
    /// Of this owner.
    pub owner: Option<AccountId>,
    /// With this status.
    pub status: Option<OfferStatus>,
}

impl Fold<'_> {
    pub fn publish_offer(&mut self, by: AccountId, offer: &Offer) -> Result<(), FoldError> {
        let owner = self.account(by)?.id;
        let inserted = self
            .sql
            .prepare_cached(
                "INSERT OR IGNORE INTO offers (offer, owner, gate_ms, from_ms, to_ms, receipt, body)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute(params![
                offer.id.0,
                owner,
                int(offer.gate_closes.0),
                int(offer.window.from.0),
                int(offer.window.to.0),
                self.receipt,
                body(offer),
            ])?;
        if inserted == 0 {
            return Ok(());
        }
        let row = self.sql.last_insert_rowid();
        self.rows.offers.insert(offer.id, row);
        let sql = "INSERT INTO lots (offer, lot, carrier, quantity, awarded) VALUES (?, ?, ?, ?, 0)";
        let mut statement = self.sql.prepare_cached(sql)?;
        for (place, lot) in offer.lots.iter().enumerate() {
            statement.execute(params![row, place as i64, lot.carrier as u8, int(lot.quantity.0)])?;
        }
        Ok(())
    }

    pub fn withdraw_offer(&mut self, offer: OfferId) -> Result<(), FoldError> {
        let sql = "UPDATE offers SET withdrawn = COALESCE(withdrawn, ?) WHERE offer = ?";
        self.sql.prepare_cached(sql)?.execute(params![self.receipt, offer.0])?;
        Ok(())
    }

    fn offer_row(&mut self, offer: OfferId) -> Result<i64, FoldError> {
        if let Some(row) = self.rows.offers.get(&offer) {
            return Ok(*row);
        }
        let row = self.row_of("SELECT id FROM offers WHERE offer = ?", &offer.0, "offer")?;
        self.rows.offers.insert(offer, row);
        Ok(row)
    }

    /// The row of an offer, and the offer.
    pub fn offer(&mut self, offer: OfferId) -> Result<(i64, Offer), FoldError> {
        let row = self.offer_row(offer)?;
        let sql = "SELECT body FROM offers WHERE id = ?";
        Ok((row, self.sql.prepare_cached(sql)?.query_row([row], |row| value(row, "body"))?))
    }

    /// Notes the quote at a place in the present transaction.
    pub fn submit_quote(&mut self, by: AccountId, place: i64, quote: &SealedQuote) -> Result<(), FoldError> {
        let offer = self.offer_row(quote.offer)?;
        let bidder = self.account(by)?.id;
        if let Some(standing) = self.standing_quote(offer, bidder)? {
            let sql = "SELECT signed FROM receipts WHERE id = ?";
            let signed: SignedTransaction =
                self.sql.prepare_cached(sql)?.query_row([standing.receipt], |row| value(row, "signed"))?;
            if sealed_quote(&signed, standing.place) == Some(quote) {
                return Ok(());
            }
            self.end_quote(offer, bidder, "replaced")?;
        }
        let sql = "INSERT INTO quotes (offer, bidder, receipt, place, binding, status)
                   VALUES (?, ?, ?, ?, ?, 'submitted')";
        self.sql.prepare_cached(sql)?.execute(params![offer, bidder, self.receipt, place, quote.binding])?;
        Ok(())
    }

    /// A bidder's quote on an offer that is neither replaced nor withdrawn nor awarded.
    fn standing_quote(&self, offer: i64, bidder: i64) -> Result<Option<StandingQuote>, FoldError> {
        let sql = "SELECT receipt, place, binding FROM quotes WHERE offer = ? AND bidder = ? AND status = 'submitted'";
        let quote = self.sql.prepare_cached(sql)?.query_row([offer, bidder], |row| {
            Ok(StandingQuote { receipt: row.get("receipt")?, place: row.get("place")?, binding: row.get("binding")? })
        });
        Ok(quote.optional()?)
    }

    pub fn withdraw_quote(&mut self, by: AccountId, offer: OfferId) -> Result<(), FoldError> {
        let offer = self.offer_row(offer)?;
        let bidder = self.account(by)?.id;
        self.end_quote(offer, bidder, "withdrawn")
    }

    fn end_quote(&self, offer: i64, bidder: i64, status: &str) -> Result<(), FoldError> {
        let sql = "UPDATE quotes SET status = ? WHERE offer = ? AND bidder = ? AND status = 'submitted'";
        self.sql.prepare_cached(sql)?.execute(params![status, offer, bidder])?;
        Ok(())
    }

    /// Notes that a quote was awarded. Gives the receipt of its submission and whether it is binding.
    pub fn award_quote(
        &mut self,
        offer: i64,
        agreement: i64,
        award: &AwardedQuote,
    ) -> Result<Option<(i64, bool)>, FoldError> {
        let bidder = self.account(award.bidder)?.id;
        let Some(StandingQuote { receipt, place, binding }) = self.standing_quote(offer, bidder)? else {
            return Ok(None);
        };
        let sql = "UPDATE quotes SET status = 'awarded', agreement = ?, opening = ?
                   WHERE offer = ? AND bidder = ? AND receipt = ? AND place = ?";
        let values = params![agreement, body(&award.opening), offer, bidder, receipt, place];
        self.sql.prepare_cached(sql)?.execute(values)?;
        let mut lots = self.sql.prepare_cached("UPDATE lots SET awarded = awarded + ? WHERE offer = ? AND lot = ?")?;
        for (place, line) in award.opening.lines.iter().enumerate() {
            lots.execute(params![int(line.quantity.0), offer, place as i64])?;
        }
        Ok(Some((receipt, binding)))
    }

    /// What was awarded with an agreement that was not signed can be awarded again.
    pub fn return_lots(&self, agreement: i64) -> Result<(), FoldError> {
        let sql = "SELECT quotes.offer AS offer, opening FROM agreements
                   JOIN quotes ON quotes.offer = agreements.offer AND quotes.agreement = agreements.id
                   WHERE agreements.id = ?";
        let quote = self
            .sql
            .prepare_cached(sql)?
            .query_row([agreement], |row| Ok((row.get::<_, i64>("offer")?, value::<QuoteContent>(row, "opening")?)));
        let Some((offer, opening)) = quote.optional()? else { return Ok(()) };
        let mut lots = self.sql.prepare_cached("UPDATE lots SET awarded = awarded - ? WHERE offer = ? AND lot = ?")?;
        for (place, line) in opening.lines.iter().enumerate() {
            lots.execute(params![int(line.quantity.0), offer, place as i64])?;
        }
        Ok(())
    }
}

/// Where a quote was submitted, and whether it is binding.
struct StandingQuote {
    receipt: i64,
    place: i64,
    binding: bool,
}

/// The quote at a place in a transaction.
fn sealed_quote(signed: &SignedTransaction, place: i64) -> Option<&SealedQuote> {
    match &signed.transaction.action {
        Action::SubmitQuotes { quotes } => quotes.get(usize::try_from(place).ok()?),
        _ => None,
    }
}

const OFFER_STATUS: &str = "CASE WHEN withdrawn IS NOT NULL THEN 'withdrawn'
    WHEN (SELECT time_ms FROM meta) < gate_ms THEN 'open'
    WHEN (SELECT time_ms FROM meta) < from_ms THEN 'awarding' ELSE 'closed' END";

const fn status_name(status: OfferStatus) -> &'static str {
    match status {
        OfferStatus::Open => "open",
        OfferStatus::Awarding => "awarding",
        OfferStatus::Closed => "closed",
        OfferStatus::Withdrawn => "withdrawn",
    }
}

fn offer_of(row: &Row<'_>) -> rusqlite::Result<(i64, OfferRow)> {
    let status = match row.get_ref("status")?.as_str()? {
        "open" => OfferStatus::Open,
        "awarding" => OfferStatus::Awarding,
        "closed" => OfferStatus::Closed,
        _ => OfferStatus::Withdrawn,
    };
    let offer = OfferRow {
        offer: value(row, "body")?,
        owner: AccountId(row.get("owner_id")?),
        status,
        awarded: Vec::new(),
        quotes: row.get("quotes")?,
        cause: cause(row)?,
    };
    Ok((row.get("id")?, offer))
}

fn offers_sql(condition: &str) -> String {
    format!(
        "SELECT it.id AS id, it.body AS body, accounts.account AS owner_id, {OFFER_STATUS} AS status,
         (SELECT COUNT(*) FROM quotes WHERE quotes.offer = it.id AND quotes.status IN ('submitted', 'awarded')) AS quotes,
         {CAUSE} FROM offers AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.owner WHERE {condition}"
    )
}

/// A quote, for a query with a table `quotes` called `it`, on the conditions to come.
fn quotes_sql(condition: &str) -> String {
    format!(
        "SELECT it.receipt AS receipt, it.place AS place, offers.offer AS offer_id, accounts.account AS bidder_id,
         it.status AS status, agreements.agreement AS agreement_id, opening, receipts.signed AS signed, {CAUSE}
         FROM quotes AS it {CAUSE_JOIN} JOIN offers ON offers.id = it.offer JOIN accounts ON accounts.id = it.bidder
         LEFT JOIN agreements ON agreements.id = it.agreement WHERE {condition}"
    )
}

fn quote_row(row: &Row<'_>) -> rusqlite::Result<(i64, QuoteRow)> {
    let (receipt, place): (i64, i64) = (row.get("receipt")?, row.get("place")?);
    let signed: SignedTransaction = value(row, "signed")?;
    let quote = sealed_quote(&signed, place);
    let quote = quote.ok_or_else(|| corrupt(row, "signed", "the transaction has no such quote"))?;
    let quote = QuoteRow {
        offer: OfferId(row.get("offer_id")?),
        bidder: AccountId(row.get("bidder_id")?),
        commitment: quote.commitment,
        sealed: quote.sealed.iter().map(|byte| format!("{byte:02x}")).collect(),
        binding: quote.binding,
        status: row.get("status")?,
        agreement: row.get::<_, Option<[u8; 16]>>("agreement_id")?.map(AgreementId),
        opening: maybe_value(row, "opening")?,
        cause: cause(row)?,
    };
    Ok((cursor(receipt, place), quote))
}

impl Reader {
    /// Offers in the order of publication.
    pub fn offers(&self, filter: OfferFilter, paging: Paging) -> Result<Page<OfferRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let of_owner = match filter.owner {
            Some(_) => "it.owner = (SELECT id FROM accounts WHERE account = ?3)",
            None => "?3 IS NULL",
        };
        let sql =
            offers_sql(&format!("it.id > ?1 AND {of_owner} AND (?4 IS NULL OR status = ?4) ORDER BY it.id LIMIT ?2"));
        let owner = filter.owner.map(|owner| owner.0);
        let status = filter.status.map(status_name);
        let mut statement = snapshot.prepare_cached(&sql)?;
        let rows = statement.query_map(params![paging.after(), paging.fetch(), owner, status], offer_of)?;
        let mut rows: Vec<_> = rows.collect::<Result<_, _>>()?;
        for (id, offer) in &mut rows {
            offer.awarded = awarded(&snapshot, *id)?;
        }
        Ok(Page::of(rows, paging))
    }

    /// One offer.
    pub fn offer(&self, offer: OfferId) -> Result<Option<OfferRow>, ReadError> {
        let snapshot = self.snapshot()?;
        let sql = offers_sql("it.offer = ?");
        let row = snapshot.prepare_cached(&sql)?.query_row([offer.0], offer_of).optional()?;
        let Some((id, mut row)) = row else { return Ok(None) };
        row.awarded = awarded(&snapshot, id)?;
        Ok(Some(row))
    }

    /// Quotes on an offer in the order of submission, replaced and withdrawn ones included.
    pub fn quotes(&self, offer: OfferId, paging: Paging) -> Result<Page<QuoteRow>, ReadError> {
        let sql = quotes_sql(&format!(
            "offers.offer = ?1 AND (it.receipt << {PLACE_BITS} | it.place) > ?2 ORDER BY it.receipt, it.place LIMIT ?3"
        ));
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params![offer.0, paging.after(), paging.fetch()], quote_row)?;
        Ok(Page::of(rows.collect::<Result<_, _>>()?, paging))
    }

    /// The agreement's own quote, if it came from an award.
    pub fn quote_of_agreement(&self, agreement: AgreementId) -> Result<Option<QuoteRow>, ReadError> {
        let sql = quotes_sql("agreements.agreement = ?1 AND it.offer = agreements.offer");
        let row = self.connection.prepare_cached(&sql)?.query_row([agreement.0], quote_row).optional()?;
        Ok(row.map(|(_, quote)| quote))
    }
}

fn awarded(snapshot: &rusqlite::Transaction<'_>, offer: i64) -> Result<Vec<Quantity>, ReadError> {
    let mut statement = snapshot.prepare_cached("SELECT awarded FROM lots WHERE offer = ? ORDER BY lot")?;
    let rows = statement.query_map([offer], |row| quantity(row, "awarded"))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
