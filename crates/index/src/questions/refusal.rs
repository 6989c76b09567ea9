//! Refused transactions, readings and awards.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::page::Paging;
use crate::store::columns::{maybe_value, uint, value};
use rusqlite::Row;
use utilidor_types::session::Category;
use utilidor_types::{AccountId, MeterId, OfferId, Refusal, SignedTransaction};
use utilidor_view::{Page, RefusalCount, RefusalView, RefusedAwardView, RefusedReadingView};

fn refusal_view(row: &Row<'_>) -> rusqlite::Result<(i64, RefusalView)> {
    let refusal: Refusal = value(row, "body")?;
    let signed: Option<SignedTransaction> = maybe_value(row, "signed")?;
    let transaction = signed.map(|signed| signed.transaction);
    let (index, meter): (Option<u16>, Option<[u8; 16]>) = (row.get("place")?, row.get("meter")?);
    let (offer, bidder): (Option<[u8; 16]>, Option<[u8; 32]>) = (row.get("offer")?, row.get("bidder")?);
    let award = offer.zip(bidder);
    let refusal = RefusalView {
        code: row.get("code")?,
        message: refusal.to_string(),
        refusal,
        account: transaction.as_ref().map(|transaction| transaction.account()),
        action: transaction.map(|transaction| transaction.action.name().into()),
        reading: index.zip(meter).map(|(index, meter)| RefusedReadingView { index, meter: MeterId(meter) }),
        award: award.map(|(offer, bidder)| RefusedAwardView { offer: OfferId(offer), bidder: AccountId(bidder) }),
        cause: cause(row)?,
    };
    Ok((row.get("id")?, refusal))
}

impl Questions<'_> {
    /// Refusals: of one's own transactions, of readings of one's meters, of awards on one's offers and of one's quotes.
    pub fn refusals(&self, paging: Paging) -> Read<Page<RefusalView>> {
        let (beyond, order) = (paging.beyond("it.id"), paging.by("it.id"));
        let sql = format!(
            "SELECT it.*, receipts.signed AS signed, {CAUSE} FROM refusals AS it {CAUSE_JOIN} WHERE {beyond} {order}"
        );
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query([paging.after()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, refusal) = refusal_view(row)?;
            if self.sees_refusal(&refusal)? {
                found.push((id, refusal));
            }
            if found.len() >= paging.fetch() as usize {
                break;
            }
        }
        let mut page = paging.page(found);
        for row in &mut page.items {
            self.withhold([&mut row.cause])?;
            // Who sent in a batch of others' readings is not told with one of them.
            if row.cause.transaction.is_none()
                && !row.account.is_some_and(|by| self.sees_account(Category::Accounts, by))
            {
                row.account = None;
            }
        }
        Ok(page)
    }

    fn sees_refusal(&self, refusal: &RefusalView) -> Read<bool> {
        if refusal.account.is_some_and(|account| self.sees_account(Category::Accounts, account)) {
            return Ok(true);
        }
        match (&refusal.reading, &refusal.award) {
            (Some(reading), _) => self.sees_meter_now(reading.meter),
            (None, Some(award)) => {
                Ok(self.sees_account(Category::Trade, award.bidder) || self.owns_offer(award.offer)?)
            }
            (None, None) => Ok(false),
        }
    }

    /// Refusals counted by code, in the codes' order.
    pub fn refusal_counts(&self) -> Read<Vec<RefusalCount>> {
        self.all("SELECT * FROM refusal_counts ORDER BY code", [], |row| {
            Ok(RefusalCount {
                code: row.get("code")?,
                transactions: uint(row, "transactions")?,
                readings: uint(row, "readings")?,
                awards: uint(row, "awards")?,
            })
        })
    }
}
