//! The platform as a running node offers it, through the Rust client.

use crate::cast;
use crate::platform::{Executed, Platform, PlatformError};
use utilidor_sdk::{Client, ClientError};
use utilidor_types::{
    AccountId, ChainId, OfferId, PrivateKey, SealedQuote, SignedTransaction, Timestamp, TransactionHash,
};
use utilidor_view::{QuoteStatus, limits::MAX_WAIT_MS};

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

    async fn executed_in_time(&self, transaction: TransactionHash) -> Result<Executed, PlatformError> {
        let mut waits = 1;
        loop {
            match self.client.transaction(transaction, MAX_WAIT_MS).await {
                Ok(record) => return Ok(Executed { receipt: record.receipt, time: record.time_ms }),
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

    async fn submit(&self, transactions: Vec<SignedTransaction>) -> Result<Vec<Executed>, PlatformError> {
        let mut all = Vec::with_capacity(transactions.len());
        let mut block: Option<(u64, Timestamp)> = None;
        for submission in self.client.submit(&transactions, MAX_WAIT_MS).await? {
            let executed = match (submission.receipt, submission.height, submission.hash, submission.problem) {
                (Some(receipt), Some(height), _, _) => {
                    // Those of a batch mostly stand in one block.
                    let time = match block.filter(|(of, _)| *of == height) {
                        Some((_, time)) => time,
                        None => self.client.block(height).await?.header.time,
                    };
                    block = Some((height, time));
                    Executed { receipt, time }
                }
                (_, _, Some(hash), _) => self.executed_in_time(hash).await?,
                (_, _, None, Some(problem)) => return Err(PlatformError(problem.into())),
                (_, _, None, None) => return Err(PlatformError("a submission without an answer".into())),
            };
            all.push(executed);
        }
        Ok(all)
    }

    async fn executed(&self, transaction: TransactionHash) -> Result<Executed, PlatformError> {
        let record = self.client.transaction(transaction, 0).await?;
        Ok(Executed { receipt: record.receipt, time: record.time_ms })
    }

    async fn quotes(&self, offer: OfferId) -> Result<Vec<(AccountId, SealedQuote)>, PlatformError> {
        // Awarded ones are in the list when the demonstration is taken up again after an award.
        let standing = |status| matches!(status, QuoteStatus::Submitted | QuoteStatus::Awarded | QuoteStatus::Lapsed);
        let quotes = self.client.quotes(offer).await?.into_iter().filter(|quote| standing(quote.status));
        let mut quotes: Vec<_> = quotes.map(|quote| (quote.bidder, quote.quote)).collect();
        quotes.sort_by_key(|(bidder, _)| *bidder);
        Ok(quotes)
    }
}
