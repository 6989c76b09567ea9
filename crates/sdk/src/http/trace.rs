//! A trade from offer to payment, its lists read to their ends.

use super::client::{Client, ClientError};
use serde::{Deserialize, Serialize};
use utilidor_types::AgreementId;
use utilidor_view::{
    AgreementView, CertificateView, EventView, MovementView, OfferView, PackageView, QuoteView, SignatureView,
    StatementView, Trace,
};

/// Everything that led to an agreement and came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullTrace {
    /// The agreement with its steps.
    pub agreement: AgreementView,
    /// The offer that it was awarded on.
    pub offer: Option<OfferView>,
    /// All quotes on that offer: commitments, and the content of awarded ones.
    pub quotes: Vec<QuoteView>,
    /// The package that it subscribes to.
    pub package: Option<PackageView>,
    /// Who signed what.
    pub signatures: Vec<SignatureView>,
    /// Certified readings of its meters in its time.
    pub readings: Vec<CertificateView>,
    /// What its meters brought and its parties were told.
    pub events: Vec<EventView>,
    /// Its statements.
    pub statements: Vec<StatementView>,
    /// Every movement of its money.
    pub movements: Vec<MovementView>,
}

impl Client {
    /// Everything that led to an agreement and followed from it.
    pub async fn trace(&self, agreement: AgreementId) -> Result<FullTrace, ClientError> {
        let path = format!("v1/agreements/{agreement}");
        let trace: Trace = self.get_first(&format!("{path}/trace")).await?;
        let quotes = match (trace.quotes, &trace.offer) {
            (Some(page), Some(offer)) => self.rest(&format!("v1/offers/{}/quotes", offer.id), page).await?,
            _ => Vec::new(),
        };
        Ok(FullTrace {
            agreement: trace.agreement,
            offer: trace.offer,
            quotes,
            package: trace.package,
            signatures: trace.signatures,
            readings: self.rest(&format!("{path}/readings"), trace.readings).await?,
            events: self.rest(&format!("{path}/events"), trace.events).await?,
            statements: self.rest(&format!("{path}/statements"), trace.statements).await?,
            movements: self.rest(&format!("{path}/movements"), trace.movements).await?,
        })
    }
}
