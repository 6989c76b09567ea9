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
