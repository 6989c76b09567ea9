//! A trade from offer to payment [M18].

use crate::agreement::AgreementView;
use crate::event::EventView;
use crate::meter::CertificateView;
use crate::money::{CauseView, MovementView};
use crate::offer::{OfferView, QuoteView};
use crate::package::PackageView;
use crate::page::Page;
use crate::statement::StatementView;
use serde::{Deserialize, Serialize};
use utilidor_types::{AccountId, Digest, PublicKey, Signature};

/// Everything that led to an agreement and came of it. Long lists begin here and go on in their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Trace {
    /// The agreement with its steps.
    pub agreement: AgreementView,
    /// The offer that it was awarded on.
    #[serde(default)]
    pub offer: Option<OfferView>,
    /// All quotes on that offer: commitments, and of this agreement's and other awarded ones the content. It goes on at
    /// `/v1/offers/{offer}/quotes`.
    #[serde(default)]
    pub quotes: Option<Page<QuoteView>>,
    /// The package that it subscribes to.
    #[serde(default)]
    pub package: Option<PackageView>,
    /// Who signed what.
    pub signatures: Vec<SignatureView>,
    /// Certified readings of its meters in its time. It goes on at `/v1/agreements/{agreement}/readings`.
    pub readings: Page<CertificateView>,
    /// What its meters brought and its parties were told. It goes on at `/v1/agreements/{agreement}/events`.
    pub events: Page<EventView>,
    /// Its statements. It goes on at `/v1/agreements/{agreement}/statements`.
    pub statements: Page<StatementView>,
    /// Every movement of its money. It goes on at `/v1/agreements/{agreement}/movements`.
    pub movements: Page<MovementView>,
}

/// A signature on terms: that of the transaction by which the account agreed to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SignatureView {
    /// Who signed.
    pub account: AccountId,
    /// Digest of the terms.
    pub terms: Digest,
    /// The key that signed.
    pub signer: PublicKey,
    /// The signature over the transaction.
    pub signature: Signature,
    /// By which action: awarding, quoting bindingly, proposing, signing, publishing a package or subscribing.
    pub action: String,
    /// The transaction.
    pub cause: CauseView,
}
