//! How much can be asked for at once.

/// Items of a page unless the caller says otherwise.
pub const DEFAULT_PAGE_ITEMS: u32 = 100;
/// Most items of a page.
pub const MAX_PAGE_ITEMS: u32 = 1_000;
/// Most transactions in one submission.
pub const MAX_SUBMISSION_TRANSACTIONS: usize = 4_096;
/// Most bytes of the transactions in one submission.
pub const MAX_SUBMISSION_BYTES: usize = 8 * 1024 * 1024;
/// Longest wait that a client may ask for, in milliseconds.
pub const MAX_WAIT_MS: u64 = 30_000;
/// Most steps of a series: 400 days of hours.
pub const MAX_SERIES_POINTS: usize = 9_600;
/// Most years of a series.
pub const MAX_SERIES_YEARS: u64 = 10;
/// Most rows of a list that is read as a table in one go.
pub const MAX_TABLE_ROWS: usize = 200_000;
