//! Refused transactions, readings and awards.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::page::Paging;
use crate::store::columns::{maybe_value, uint, value};
use rusqlite::Row;
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
    /// Refusals, oldest first.
    pub fn refusals(&self, paging: Paging) -> Read<Page<RefusalView>> {
        let sql = format!(
            "SELECT it.*, receipts.signed AS signed, {CAUSE} FROM refusals AS it {CAUSE_JOIN}
             WHERE it.id > ? ORDER BY it.id LIMIT ?"
        );
        self.page(paging, &sql, [paging.after(), paging.fetch()], refusal_view)
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
