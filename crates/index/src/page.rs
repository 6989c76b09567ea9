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

    /// The page of a list whose items are numbered from 1 to `last`: the numbers of its items.
    pub fn page_of_numbers(self, last: u64) -> Page<u64> {
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        let fetch = self.fetch() as usize;
        let numbers: Vec<i64> = if self.is_newest_first() {
            (1..=last.min(self.after.saturating_sub(1))).rev().take(fetch).collect()
        } else {
            (self.after.saturating_add(1).max(1)..=last).take(fetch).collect()
        };
        self.page(numbers.into_iter().map(|number| (number, number.cast_unsigned())).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_numbered_list_follow_each_other_in_both_orders() {
        let read = |order: Order, last: u64| {
            let (mut cursor, mut all) = (None, Vec::new());
            loop {
                let query =
                    PageQuery { cursor: cursor.clone(), limit: Some(3), order: Some(order), ..PageQuery::default() };
                let page = Paging::of(&query).unwrap().page_of_numbers(last);
                assert!(page.items.len() <= 3);
                all.extend(page.items);
                cursor = page.next;
                if cursor.is_none() {
                    return all;
                }
            }
        };
        assert_eq!(read(Order::Oldest, 7), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(read(Order::Newest, 7), [7, 6, 5, 4, 3, 2, 1]);
        assert_eq!((read(Order::Oldest, 0), read(Order::Newest, 0)), (vec![], vec![]));
        assert_eq!(read(Order::Newest, 3), [3, 2, 1]);
    }
}
