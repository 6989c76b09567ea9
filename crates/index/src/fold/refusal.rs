//! Refused transactions, readings and awards.

use super::{Fold, NewRefusal, RefusedWhat};
use utilidor_types::Refusal;

impl<B> Fold<'_, '_, B> {
    pub fn refuse(&mut self, refusal: Refusal, of: RefusedWhat) {
        let counts = self.changes.refusal_counts.entry(refusal.code()).or_default();
        match of {
            RefusedWhat::Transaction => counts.transactions += 1,
            RefusedWhat::Reading { .. } => counts.readings += 1,
            RefusedWhat::Award { .. } => counts.awards += 1,
        }
        let (receipt, place) = (self.receipt, self.refused);
        self.refused += 1;
        let transaction = self.changes.receipts.last().and_then(|receipt| receipt.transaction);
        let account = transaction.map(|transaction| transaction.signed.transaction.account());
        self.changes.refusals.push(NewRefusal { receipt, place, account, refusal, of });
    }
}
