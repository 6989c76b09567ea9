//! Lists in pages. A cursor names the last row of the page before, so that rows added meanwhile neither repeat nor hide
//! others.

use utilidor_view::limits::{DEFAULT_PAGE_ITEMS, MAX_PAGE_ITEMS};
use utilidor_view::{Order, Page, PageQuery};

/// Which page is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    after: i64,
    limit: u32,
    order: Order,
}

impl Default for Paging {
    fn default() -> Self {
        Self::first(DEFAULT_PAGE_ITEMS, Order::Oldest)
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
        let first = Self::first(limit, query.order.unwrap_or_default());
        Ok(Self { after: after.unwrap_or(first.after), ..first })
    }

    /// The largest first page.
    pub const fn largest() -> Self {
        Self::first(MAX_PAGE_ITEMS, Order::Oldest)
    }

    const fn first(limit: u32, order: Order) -> Self {
        let after = match order {
            Order::Oldest => i64::MIN,
            Order::Newest => i64::MAX,
        };
        Self { after, limit, order }
    }

    /// The key that the page's rows come after, in their order.
    pub(crate) const fn after(self) -> i64 {
        self.after
    }

    /// Whether the last row comes first.
    pub(crate) const fn is_newest_first(self) -> bool {
        matches!(self.order, Order::Newest)
    }

    /// The condition that rows come after the parameter `?1` by `key`.
    pub(crate) fn beyond(self, key: &str) -> String {
        format!("{key} {} ?1", if self.is_newest_first() { "<" } else { ">" })
    }

    /// The condition that rows come after, or hold, what the parameter `?1` names by a part of its key.
    pub(crate) fn reaches(self, part: &str) -> String {
        format!("{part} {} ?1", if self.is_newest_first() { "<=" } else { ">=" })
    }

    /// How rows are ordered by `first`, and those of one by `second`.
    pub(crate) fn by_two(self, first: &str, second: &str) -> String {
        let way = if self.is_newest_first() { " DESC" } else { "" };
        format!("ORDER BY {first}{way}, {second}{way}")
    }

    /// How rows are ordered by `key`.
    pub(crate) fn by(self, key: &str) -> String {
        format!("ORDER BY {key}{}", if self.is_newest_first() { " DESC" } else { "" })
    }

    /// Whether a row of this key comes after the page before.
    pub(crate) const fn passes(self, key: i64) -> bool {
        if self.is_newest_first() { key < self.after } else { key > self.after }
    }

    /// Puts what is in the order of coming about into this one.
    pub(crate) fn in_order<T>(self, mut rows: Vec<T>) -> Vec<T> {
        if self.is_newest_first() {
            rows.reverse();
        }
        rows
    }

    /// The page of a list that is at hand, in the order of rising numbers.
    pub fn page_of<T>(self, rows: Vec<T>, number: impl Fn(&T) -> u64) -> Page<T> {
        let numbered = rows.into_iter().map(|row| (number(&row) as i64, row));
        let rows = self.in_order(numbered.collect()).into_iter().filter(|(number, _)| self.passes(*number));
        self.page(rows.take(self.fetch() as usize).collect())
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
