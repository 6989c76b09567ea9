//! A trade from offer to payment [M18].

use crate::agreement::AgreementRow;
use crate::meter::CertificateRow;
use crate::money::{CauseRow, MovementRow};
use crate::offer::{OfferRow, QuoteRow};
use crate::package::PackageRow;
use crate::page::{Page, Paging};
use crate::statement::{StatementFilter, StatementRow};
use crate::{ReadError, Reader};
use serde::{Deserialize, Serialize};
use utilidor_types::agreement::{Origin, Program};
use utilidor_types::{AccountId, AgreementId, Digest, PublicKey, Signature};

/// Everything that led to an agreement and came of it. Long lists begin here and go on in their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Trace {
    /// The agreement with its steps.
    pub agreement: AgreementRow,
    /// The offer that it was awarded on.
    pub offer: Option<OfferRow>,
    /// All quotes on that offer: commitments, and of this agreement's and other awarded ones the content.
    pub quotes: Option<Page<QuoteRow>>,
    /// The package that it subscribes to.
    pub package: Option<PackageRow>,
    /// Who signed what.
    pub signatures: Vec<SignatureRow>,
    /// Certified readings that count for it. It goes on at `/v1/agreements/{agreement}/readings`.
    pub readings: Page<CertificateRow>,
    /// Its statements. It goes on at `/v1/agreements/{agreement}/statements`.
    pub statements: Page<StatementRow>,
    /// Every movement of its money. It goes on at `/v1/agreements/{agreement}/movements`.
    pub movements: Page<MovementRow>,
}

/// A signature on terms: that of the transaction by which the account agreed to them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct SignatureRow {
    /// Who signed.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub account: AccountId,
    /// Digest of the terms.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub terms: Digest,
    /// The key that signed.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub signer: PublicKey,
    /// The signature over the transaction.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub signature: Signature,
    /// By which action: awarding, quoting bindingly, proposing, signing, publishing a package or subscribing.
    pub action: String,
    /// The transaction.
    pub cause: CauseRow,
}

impl Reader {
    /// An agreement's trace.
    pub fn trace(&self, agreement: AgreementId, paging: Paging) -> Result<Option<Trace>, ReadError> {
        let Some(row) = self.agreement(agreement)? else { return Ok(None) };
        let (offer, quotes) = match row.origin {
            Origin::Award { offer } => (self.offer(offer)?, Some(self.quotes(offer, paging)?)),
            Origin::Proposal { .. } | Origin::Package => (None, None),
        };
        let package = match &row.terms.program {
            Program::Subscription(terms) => self.package(terms.package, terms.version)?,
            Program::Purchase(_) => None,
        };
        let signatures = self.signatures(&row)?;
        let readings = self.certificates_of_agreement(agreement, None, paging)?;
        let statements =
            self.statements(StatementFilter { agreement: Some(agreement), ..Default::default() }, paging)?;
        let movements = self.movements_of_agreement(agreement, paging)?;
        Ok(Some(Trace { agreement: row, offer, quotes, package, signatures, readings, statements, movements }))
    }

    fn signatures(&self, agreement: &AgreementRow) -> Result<Vec<SignatureRow>, ReadError> {
        let mut signatures = Vec::new();
        for step in agreement.steps.iter().filter(|step| step.step == "signed") {
            let (Some(account), Some(terms), Some(hash)) = (step.account, step.terms, step.cause.transaction) else {
                continue;
            };
            if let Some(signed) = self.signed_transaction(hash)? {
                signatures.push(SignatureRow {
                    account,
                    terms,
                    signer: signed.transaction.signer,
                    signature: signed.signature,
                    action: signed.transaction.action.name().into(),
                    cause: step.cause.clone(),
                });
            }
        }
        Ok(signatures)
    }
}
