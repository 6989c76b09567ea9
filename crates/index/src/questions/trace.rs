//! A trade from offer to payment [M18].

use super::agreement::causes;
use super::{Questions, Read};
use crate::page::Paging;
use utilidor_types::AgreementId;
use utilidor_types::agreement::Origin;
use utilidor_view::{AgreementView, EventFilter, SignatureView, StepKind, TimeFilter, Trace};

impl Questions<'_> {
    /// An agreement's trace.
    pub fn trace(&self, agreement: AgreementId, paging: Paging) -> Read<Option<Trace>> {
        let Some(mut row) = self.whole_agreement(agreement)? else { return Ok(None) };
        let mut signatures = self.signatures(&row)?;
        self.withhold(causes(&mut row).chain(signatures.iter_mut().map(|row| &mut row.cause)))?;
        let (offer, quotes) = match row.origin {
            Origin::Award { offer } => (self.offer(offer)?, Some(self.quotes(offer, paging)?)),
            Origin::Proposal { .. } | Origin::Package => (None, None),
        };
        let package = match row.terms.program.package() {
            Some((package, version)) => self.package(package, version)?,
            None => None,
        };
        Ok(Some(Trace {
            offer,
            quotes,
            package,
            signatures,
            readings: self.certificates_of_agreement(agreement, &TimeFilter::default(), paging)?.unwrap_or_default(),
            events: self.events_of_agreement(agreement, &EventFilter::default(), paging)?.unwrap_or_default(),
            statements: self.statements_of_agreement(agreement, paging)?.unwrap_or_default(),
            movements: self.movements_of_agreement(agreement, paging)?.unwrap_or_default(),
            agreement: row,
        }))
    }

    fn signatures(&self, agreement: &AgreementView) -> Read<Vec<SignatureView>> {
        let mut signatures = Vec::new();
        for step in agreement.steps.iter().filter(|step| step.step == StepKind::Signed) {
            let (Some(account), Some(terms), Some(hash)) = (step.account, step.terms, step.cause.transaction) else {
                continue;
            };
            if let Some(signed) = self.signed_transaction(hash)? {
                signatures.push(SignatureView {
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
