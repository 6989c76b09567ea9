//! The platform as a running node offers it, through the Rust client.

use crate::cast;
use crate::platform::{Platform, PlatformError};
use utilidor_sdk::{Client, ClientError, client::MAX_WAIT_MS};
use utilidor_types::{
    AccountId, ChainId, OfferId, PrivateKey, Receipt, SealedQuote, SignedTransaction, Timestamp, TransactionHash,
};

/// How often a transaction is waited for, [`MAX_WAIT_MS`] each time.
const MAX_WAITS: u32 = 4;

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// The client.
    pub client: Client,
    chain: ChainId,
}

impl Node {
    /// A node whose chain is known.
    pub const fn new(client: Client, chain: ChainId) -> Self {
        Self { client, chain }
    }

    async fn receipt_in_time(&self, transaction: TransactionHash) -> Result<Receipt, PlatformError> {
        let mut waits = 1;
        loop {
            match self.client.transaction(transaction, MAX_WAIT_MS).await {
                Ok(record) => return Ok(record.receipt),
                Err(error) if error.is_not_found() && waits < MAX_WAITS => waits += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl From<ClientError> for PlatformError {
    fn from(error: ClientError) -> Self {
        Self(error.into())
    }
}

impl Platform for Node {
    fn chain(&self) -> ChainId {
        self.chain
    }

    async fn time(&self) -> Result<Timestamp, PlatformError> {
        Ok(self.client.status().await?.time_ms)
    }

    async fn next_nonce(&self, account: AccountId) -> Result<u64, PlatformError> {
        match self.client.account(account).await {
            Ok(record) => Ok(record.nonce),
            Err(error) if error.is_not_found() => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    async fn advance(&self, to: Timestamp) -> Result<(), PlatformError> {
        self.client.advance_time(self.chain, to, &PrivateKey::ed25519(cast::validator_secret())).await?;
        Ok(())
    }

    async fn submit(&self, transactions: Vec<SignedTransaction>) -> Result<Vec<Receipt>, PlatformError> {
        let mut receipts = Vec::with_capacity(transactions.len());
        for submission in self.client.submit(&transactions, MAX_WAIT_MS).await? {
            let receipt = match (submission.receipt, submission.hash, submission.problem) {
                (Some(receipt), _, _) => receipt,
                (None, Some(hash), _) => self.receipt_in_time(hash).await?,
                (None, None, Some(problem)) => return Err(PlatformError(problem.into())),
                (None, None, None) => return Err(PlatformError("a submission without an answer".into())),
            };
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    async fn receipt(&self, transaction: TransactionHash) -> Result<Receipt, PlatformError> {
        Ok(self.client.transaction(transaction, 0).await?.receipt)
    }

    async fn quotes(&self, offer: OfferId) -> Result<Vec<(AccountId, SealedQuote)>, PlatformError> {
        // Awarded ones are in the list when the demonstration is taken up again after an award.
        let standing = |status: &str| matches!(status, "submitted" | "awarded");
        let quotes = self.client.quotes(offer).await?.into_iter().filter(|quote| standing(&quote.status));
        let mut quotes: Vec<_> = quotes.map(|quote| (quote.bidder, quote.quote)).collect();
        quotes.sort_by_key(|(bidder, _)| *bidder);
        Ok(quotes)
    }
}
