//! Published indices and their values.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::page::Paging;
use crate::store::columns::{time, value};
use rusqlite::{Row, params};
use utilidor_types::{AccountId, PriceIndexId, Window};
use utilidor_view::{IndexValueView, Page, PriceIndexView};

const INDEX: &str = "SELECT it.id AS id, it.price_index AS price_index, it.body AS body,
    accounts.account AS publisher_id,
    (SELECT MAX(ends) FROM index_values WHERE index_values.price_index = it.price_index) AS until_ms";

fn index_view(row: &Row<'_>) -> rusqlite::Result<(i64, PriceIndexView)> {
    let index = PriceIndexView {
        id: PriceIndexId(row.get("price_index")?),
        index: value(row, "body")?,
        publisher: AccountId(row.get("publisher_id")?),
        until_ms: time(row, "until_ms")?,
        cause: cause(row)?,
    };
    Ok((row.get("id")?, index))
}

fn value_view(row: &Row<'_>) -> rusqlite::Result<(i64, IndexValueView)> {
    let value = IndexValueView {
        period: Window { from: time(row, "begins")?, to: time(row, "ends")? },
        micro: row.get("micro")?,
        cause: cause(row)?,
    };
    Ok((row.get("id")?, value))
}

impl Questions<'_> {
    /// All published indices, in the order of their first value.
    pub fn price_indices(&self, paging: Paging) -> Read<Page<PriceIndexView>> {
        let sql = format!(
            "{INDEX}, {CAUSE} FROM price_indices AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.publisher
             WHERE {} {} LIMIT ?2",
            paging.beyond("it.id"),
            paging.by("it.id")
        );
        Ok(paging.page(self.all(&sql, [paging.after(), paging.fetch()], index_view)?))
    }

    /// An index.
    pub fn price_index(&self, index: PriceIndexId) -> Read<Option<PriceIndexView>> {
        let sql = format!(
            "{INDEX}, {CAUSE} FROM price_indices AS it {CAUSE_JOIN} JOIN accounts ON accounts.id = it.publisher
             WHERE it.price_index = ?"
        );
        Ok(self.find(&sql, [index.0], index_view)?.map(|(_, index)| index))
    }

    /// An index's values, in the order of publication, which is that of their periods; none if there is no such index.
    pub fn index_values(&self, index: PriceIndexId, paging: Paging) -> Read<Option<Page<IndexValueView>>> {
        if self.price_index(index)?.is_none() {
            return Ok(None);
        }
        let sql = format!(
            "SELECT it.id AS id, it.begins AS begins, it.ends AS ends, it.micro AS micro, {CAUSE}
             FROM index_values AS it {CAUSE_JOIN} WHERE {} AND it.price_index = ?3 {} LIMIT ?2",
            paging.beyond("it.id"),
            paging.by("it.id")
        );
        let values = params![paging.after(), paging.fetch(), index.0];
        Ok(Some(paging.page(self.all(&sql, values, value_view)?)))
    }
}
