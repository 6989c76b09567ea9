//! Refused transactions, readings and awards.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::page::Paging;
use crate::store::columns::{maybe_value, uint, value};
use rusqlite::{Row, params};
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
        let sql = format!(
            "SELECT it.*, receipts.signed AS signed, {CAUSE} FROM refusals AS it {CAUSE_JOIN}
             WHERE {} AND {} {} LIMIT ?2",
            paging.beyond("it.id"),
            self.refusals_seen(paging),
            paging.by("it.id")
        );
        let mut page = self.page(paging, &sql, params![paging.after(), paging.fetch()], refusal_view)?;
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

    /// The condition that the refusal `it` is seen. Whoever sees a part asks each account, meter and offer for its own of the page,
    /// so that others' refusals cost nothing.
    fn refusals_seen(&self, paging: Paging) -> String {
        let own = "SELECT account AS whose FROM accounts WHERE id IN (SELECT account FROM temp.sight)";
        let meters = format!("SELECT meter AS whose FROM meters WHERE {}", self.meters_seen("meters.id"));
        let offers = "SELECT DISTINCT offer AS whose FROM offers WHERE owner IN (SELECT account FROM temp.sight)";
        let ways = [
            (Category::Accounts, "account", own, "IS NOT NULL"),
            (Category::Meters, "meter", &meters, "IN (SELECT meter FROM meters)"),
            (Category::Trade, "bidder", own, "IS NOT NULL"),
            (Category::Trade, "offer", offers, "IS NOT NULL"),
        ];
        let ways = ways.into_iter().filter(|(category, ..)| self.sight.viewer.may_ask_for(*category));
        if self.sees_everything() {
            let any: Vec<_> = ways.map(|(_, column, _, any)| format!("it.{column} {any}")).collect();
            return if any.is_empty() { "0".into() } else { format!("({})", any.join(" OR ")) };
        }
        let (beyond, order) = (paging.beyond("id"), paging.by("id"));
        let each: Vec<_> = ways
            .map(|(_, column, whose, _)| {
                format!(
                    "SELECT theirs.id AS id FROM ({whose}) JOIN refusals AS theirs ON theirs.id IN
                 (SELECT id FROM refusals WHERE {column} = whose AND {beyond} {order} LIMIT ?2)"
                )
            })
            .collect();
        if each.is_empty() { "0".into() } else { format!("it.id IN ({})", each.join(" UNION ")) }
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
