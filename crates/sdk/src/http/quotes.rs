//! The quotes on an offer, opened by its owner. None is left out: one that does not open, by its bidder's mistake or malice,
//! is told as such. It could not be awarded; the bidder can be asked for its opening, which then shows whose fault it is
//! ([`crate::core::seal::seals_to`]).

use super::client::{Client, ClientError};
use crate::core::seal::{OpenError, SealKey};
use utilidor_types::offer::Seal;
use utilidor_types::{OfferId, Opening};
use utilidor_view::{OfferView, QuoteView};

/// An offer with its quotes that can be awarded once the gate has closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedQuotes {
    /// The offer.
    pub offer: OfferView,
    /// Its standing quotes.
    pub quotes: Vec<OpenedQuote>,
}

/// A quote, opened or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedQuote {
    /// The quote as everyone sees it.
    pub quote: QuoteView,
    /// What it says, or why it does not open.
    pub opening: Result<Opening, OpenError>,
}

/// Why the quotes on an offer could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenQuotesError {
    /// The node could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The offer's quotes are sealed to another key.
    #[error("the quotes on offer {offer} are sealed to another key")]
    OtherKey {
        /// The offer.
        offer: OfferId,
        /// What they are sealed to.
        seal: Seal,
    },
}

impl Client {
    /// Opens the standing quotes on an offer with its owner's key.
    pub async fn open_quotes(&self, offer: OfferId, key: &SealKey) -> Result<OpenedQuotes, OpenQuotesError> {
        let record = self.offer(offer).await?;
        let seal = record.offer.seal;
        if seal != key.seal() {
            return Err(OpenQuotesError::OtherKey { offer, seal });
        }
        let chain = self.status().await?.chain;
        let standing = self.quotes(offer).await?.into_iter().filter(QuoteView::stands);
        let open = |quote: QuoteView| {
            let opening = key.open_quote(&quote.quote, chain, quote.bidder);
            OpenedQuote { quote, opening }
        };
        Ok(OpenedQuotes { offer: record, quotes: standing.map(open).collect() })
    }
}
