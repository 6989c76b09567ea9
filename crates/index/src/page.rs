//! Lists in pages. A cursor names the last row of the page before, so that rows added meanwhile neither
//! repeat nor hide others.

use serde::{Deserialize, Serialize};

/// Rows of a page unless the caller says otherwise.
pub const DEFAULT_LIMIT: u32 = 100;
/// Most rows of a page.
pub const MAX_LIMIT: u32 = 1_000;

/// Which page is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    after: i64,
    limit: u32,
}

impl Default for Paging {
    fn default() -> Self {
        Self { after: i64::MIN, limit: DEFAULT_LIMIT }
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
    /// The limit is zero or above [`MAX_LIMIT`].
    #[error("a page has 1 to {MAX_LIMIT} items, {limit} were asked for")]
    Limit {
        /// Items asked for.
        limit: u32,
    },
}

impl Paging {
    /// The page after `cursor`, or the first one, with at most `limit` rows.
    pub fn new(cursor: Option<&str>, limit: Option<u32>) -> Result<Self, PagingRefused> {
        let refused = |cursor: &str| PagingRefused::Cursor { cursor: cursor.into() };
        let after = cursor.map(|cursor| cursor.parse().map_err(|_| refused(cursor))).transpose()?;
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 || limit > MAX_LIMIT {
            return Err(PagingRefused::Limit { limit });
        }
        Ok(Self { after: after.unwrap_or(i64::MIN), limit })
    }

    /// The largest first page.
    pub const fn largest() -> Self {
        Self { after: i64::MIN, limit: MAX_LIMIT }
    }

    /// The key that the page's rows come after.
    pub(crate) const fn after(self) -> i64 {
        self.after
    }

    /// Rows to fetch: one more than the page holds tells whether another page follows.
    pub(crate) const fn fetch(self) -> i64 {
        self.limit as i64 + 1
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Cursor of the next page; none on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Makes the page of the rows that were fetched with their keys.
    pub(crate) fn of(mut rows: Vec<(i64, T)>, paging: Paging) -> Self {
        let more = rows.len() > paging.limit as usize;
        rows.truncate(paging.limit as usize);
        let next = rows.last().filter(|_| more).map(|(key, _)| key.to_string());
        Self { items: rows.into_iter().map(|(_, row)| row).collect(), next }
    }
}
