//! The Rust client of a Utilidor node.
//!
//! ```text
//! keystore --unlock--> key --> Account::submit(action) --sign--> Client --HTTP--> node
//!                                                    receipt <--          |
//!                              proof, bill <-- verify (members) <---------/
//! ```
//!
//! | file | answers |
//! |---|---|
//! | [`keys`] | how secrets are made, kept in encrypted files and unlocked |
//! | [`seal`] | how a quote is sealed to an offer's key, and opened by its owner |
//! | [`model`] | what the node's HTTP interface answers |
//! | [`client`] | one typed method per endpoint, with retries where a repetition is harmless |
//! | [`stream`] | blocks and receipts as they become final, resumed after an interruption |
//! | [`account`] | a key that acts: nonces, expiry, signing, submission |
//! | [`trade`] | the verbs of a trader: publish, quote, award, sign, record, prepay |
//! | [`check`] | what a client checks by itself, knowing the genesis document alone |
//!
//! Deliberately absent: rules of the ledger (a refusal comes from the node's receipt), any cache besides the account's
//! nonce, and logging: nothing here writes a secret, or anything else, anywhere but where it is told to.

pub mod account;
pub mod check;
pub mod client;
pub mod keys;
pub mod model;
pub mod seal;
pub mod stream;
pub mod trade;

pub use account::{Account, Done, SubmitError};
pub use check::Checker;
pub use client::{Client, ClientError, Problem};
pub use keys::{KeyInfo, KeyKind, Keystore, Passphrase, WorkFactor};
pub use seal::SealKey;
pub use utilidor_types as types;
