//! A node over HTTP.
//!
//! | file | answers |
//! |---|---|
//! | [`client`] | one typed method per endpoint, with retries where a repetition is harmless |
//! | `identity` | who the client is to its node: sessions, read tokens, oversight |
//! | [`stream`] | blocks and receipts as they become final, resumed after an interruption |
//! | [`account`] | a key that acts: nonces, expiry, signing, submission |
//! | [`top_up`] | paying ahead by itself, within what was granted |
//! | [`trade`] | the verbs of a trader: publish, quote, award, sign, record, prepay |
//! | [`council`] | motions and votes, validators |
//! | [`quotes`] | the quotes on an offer, opened by its owner |
//! | [`trace`] | a trade from offer to payment, its lists read to their ends |
//!
//! What a node answers is defined in `utilidor_view`.

pub mod account;
pub mod client;
pub mod council;
mod identity;
pub mod quotes;
pub mod stream;
pub mod top_up;
pub mod trace;
pub mod trade;
