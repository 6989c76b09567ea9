//! What the demonstration asks of the platform: the few verbs of any customer's client.
//!
//! [`crate::node`] answers them over HTTP with the Rust client. Tests answer them from the ledger alone.

use std::future::Future;
use utilidor_types::{
    AccountId, ChainId, OfferId, Receipt, SealedQuote, SignedTransaction, Timestamp, TransactionHash,
};

/// Why the platform did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct PlatformError(#[from] pub Box<dyn std::error::Error + Send + Sync>);

/// What the platform made of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// What it answered.
    pub receipt: Receipt,
    /// The time of its block.
    pub time: Timestamp,
}

/// A platform to play on.
pub trait Platform {
    /// The chain.
    fn chain(&self) -> ChainId;
    /// The time of the last block.
    fn time(&self) -> impl Future<Output = Result<Timestamp, PlatformError>>;
    /// The number of an account's next transaction; 0 for an account that is not open yet.
    fn next_nonce(&self, account: AccountId) -> impl Future<Output = Result<u64, PlatformError>>;
    /// Moves development time forward, and waits for the block that carries it.
    fn advance(&self, to: Timestamp) -> impl Future<Output = Result<(), PlatformError>>;
    /// Submits transactions together and waits until they are final: what became of them, in order.
    fn submit(
        &self,
        transactions: Vec<SignedTransaction>,
    ) -> impl Future<Output = Result<Vec<Executed>, PlatformError>>;
    /// What became of a final transaction.
    fn executed(&self, transaction: TransactionHash) -> impl Future<Output = Result<Executed, PlatformError>>;
    /// Those who decide beside the station have their say on what it has moved. On a chain of one member there is nobody.
    fn council_votes(&self) -> impl Future<Output = Result<(), PlatformError>> {
        async { Ok(()) }
    }
    /// A day of so many is over: whatever happens besides the play happens now.
    fn day_is_over(&self, _day: usize, _days: usize) -> impl Future<Output = Result<(), PlatformError>> {
        async { Ok(()) }
    }
    /// The standing quotes on an offer, sealed, in the order of their bidders' accounts.
    fn quotes(&self, offer: OfferId) -> impl Future<Output = Result<Vec<(AccountId, SealedQuote)>, PlatformError>>;
}
