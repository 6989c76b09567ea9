//! Lists in pages. A cursor names the last row of the page before, so that rows added meanwhile neither repeat nor hide
//! others.

use utilidor_view::limits::{DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS};
use utilidor_view::{Page, PageQuery};

/// Which page is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    after: i64,
    limit: u32,
}

impl Default for Paging {
    fn default() -> Self {
        Self { after: i64::MIN, limit: DEFAULT_PAGE_ITEMS }
    }
}

/// A cursor or limit that no page has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PagingRefused {
    /// The cursor did not come from a page of this list.
    #[error("the cursor {cursor:?} is not one that a list gave")]
    Cursor {
        /// The text.
        cursor: String,
    },
    /// The limit is zero or above [`MAX_PAGE_ITEMS`].
    #[error("a page has 1 to {MAX_PAGE_ITEMS} items, {limit} were asked for")]
    Limit {
        /// Items asked for.
        limit: u32,
    },
}

impl Paging {
    /// The page that a query asks for.
    pub fn of(query: &PageQuery) -> Result<Self, PagingRefused> {
        let refused = |cursor: &str| PagingRefused::Cursor { cursor: cursor.into() };
        let after = query.cursor.as_deref().map(|cursor| cursor.parse().map_err(|_| refused(cursor))).transpose()?;
        let limit = query.limit.unwrap_or(DEFAULT_PAGE_ITEMS);
        if limit == 0 || limit > MAX_PAGE_ITEMS {
            return Err(PagingRefused::Limit { limit });
        }
        Ok(Self { after: after.unwrap_or(i64::MIN), limit })
    }

    /// The largest first page.
    pub const fn largest() -> Self {
        Self { after: i64::MIN, limit: MAX_PAGE_ITEMS }
    }

    /// The same page of the rows after `key`, if that is later.
    pub const fn not_before(self, key: i64) -> Self {
        if key > self.after { Self { after: key, ..self } } else { self }
    }

    /// The key that the page's rows come after.
    pub(crate) const fn after(self) -> i64 {
        self.after
    }

    /// Rows to fetch: one more than the page holds tells whether another page follows.
    pub(crate) const fn fetch(self) -> i64 {
        self.limit as i64 + 1
    }

    /// Makes the page of the rows that were fetched with their keys.
    pub(crate) fn page<T>(self, mut rows: Vec<(i64, T)>) -> Page<T> {
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let next = rows.last().filter(|_| more).map(|(key, _)| key.to_string());
        Page { items: rows.into_iter().map(|(_, row)| row).collect(), next }
    }
}
