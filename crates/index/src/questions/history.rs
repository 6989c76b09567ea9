//! An agreement's whole past, for those who prove its bills.

use super::{Questions, Read};
use crate::store::columns::{maybe_value, time, uint, value};
use std::collections::BTreeSet;
use utilidor_types::{
    Action, AgreementId, Event, MeterId, PackageId, ProgramId, Receipt, SignedTransaction, Timestamp,
};
use utilidor_view::EventKind;

/// A receipt that concerns an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// The block.
    pub height: u64,
    /// The block's time.
    pub time: Timestamp,
    /// The receipt's place among the block's receipts.
    pub receipt_index: u32,
    /// The receipt.
    pub receipt: Receipt,
    /// The transaction that it answers, with its place among the block's transactions. Batches of readings are left out:
    /// what they say of an agreement stands in the receipt.
    pub transaction: Option<(u32, SignedTransaction)>,
}

impl Questions<'_> {
    /// All receipts that concern an agreement, in the order of execution: what made it, the publications and quotes that its
    /// terms rest on, what its program was told, and what corrected readings of its meters. Empty if there is no such agreement.
    pub fn history(&self, agreement: AgreementId) -> Read<Vec<Happening>> {
        if !self.sees_agreement(agreement)? {
            return Ok(Vec::new());
        }
        let number = "SELECT MAX(id) AS id FROM agreements WHERE agreement = ?";
        let Some(row) = self.one(number, [agreement.0], |row| row.get::<_, Option<i64>>("id"))? else {
            return Ok(Vec::new());
        };
        let mut receipts = self.receipts_of(row)?;
        let history = receipts.iter().map(|receipt| self.happening(*receipt)).collect::<Read<Vec<_>>>()?;
        let mut others = self.publications(row, &history)?;
        others.extend(self.corrections(agreement, &history)?);
        if others.is_subset(&receipts) {
            return Ok(history);
        }
        receipts.extend(others);
        receipts.into_iter().map(|receipt| self.happening(receipt)).collect()
    }

    fn receipts_of(&self, agreement: i64) -> Read<BTreeSet<i64>> {
        let sql = "SELECT receipt FROM agreement_receipts WHERE agreement = ?";
        Ok(self.all(sql, [agreement], |row| row.get("receipt"))?.into_iter().collect())
    }

    /// Where the documents were published that its terms refer to: its offer and quote, and its packages.
    fn publications(&self, agreement: i64, history: &[Happening]) -> Read<BTreeSet<i64>> {
        let sql = "SELECT offers.receipt AS offer, quotes.receipt AS quote FROM agreements
                   JOIN offers ON offers.id = agreements.offer
                   JOIN quotes ON quotes.offer = offers.id AND quotes.agreement = agreements.id
                   WHERE agreements.id = ?";
        let awarded: Option<[i64; 2]> =
            self.find(sql, [agreement], |row| Ok([row.get("offer")?, row.get("quote")?]))?;
        let mut receipts: BTreeSet<i64> = awarded.into_iter().flatten().collect();
        let sql = "SELECT receipt FROM packages WHERE package = ? AND version = ?";
        for (package, version) in packages(history) {
            receipts.extend(self.find(sql, rusqlite::params![package.0, version], |row| row.get::<_, i64>("receipt"))?);
        }
        for program in programs(history) {
            let sql = "SELECT receipt FROM programs WHERE program = ?";
            receipts.extend(self.find(sql, [program.0], |row| row.get::<_, i64>("receipt"))?);
        }
        Ok(receipts)
    }

    /// Where readings of the meters were corrected of which it was told.
    fn corrections(&self, agreement: AgreementId, history: &[Happening]) -> Read<BTreeSet<i64>> {
        let events = history.iter().flat_map(|happening| happening.receipt.events());
        let meters = events.filter_map(|event| match event {
            Event::Segment(segment) if segment.is_of(agreement) => Some(segment.meter),
            _ => None,
        });
        let mut receipts = BTreeSet::new();
        let sql = "SELECT receipt FROM meter_events JOIN meters ON meters.id = meter_events.meter
                   WHERE meters.meter = ? AND kind = ?";
        for meter in meters.collect::<BTreeSet<MeterId>>() {
            let kind = EventKind::Corrected.name();
            receipts.extend(self.all(sql, rusqlite::params![meter.0, kind], |row| row.get::<_, i64>("receipt"))?);
        }
        Ok(receipts)
    }

    fn happening(&self, receipt: i64) -> Read<Happening> {
        let sql = "SELECT receipts.height AS height, blocks.time_ms AS time_ms, place, transaction_place, body, signed
                   FROM receipts JOIN blocks ON blocks.height = receipts.height WHERE receipts.id = ?";
        self.one(sql, [receipt], |row| {
            let place: Option<u32> = row.get("transaction_place")?;
            let signed: Option<SignedTransaction> = maybe_value(row, "signed")?;
            let batch = |signed: &SignedTransaction| matches!(signed.transaction.action, Action::RecordReadings { .. });
            Ok(Happening {
                height: uint(row, "height")?,
                time: time(row, "time_ms")?,
                receipt_index: row.get("place")?,
                receipt: value(row, "body")?,
                transaction: place.zip(signed.filter(|signed| !batch(signed))),
            })
        })
    }
}

/// The published programs that an agreement's terms name, or have named.
fn programs(history: &[Happening]) -> BTreeSet<ProgramId> {
    let actions = history.iter().filter_map(|happening| happening.transaction.as_ref());
    let named = actions.filter_map(|(_, signed)| match &signed.transaction.action {
        Action::ProposeAgreement { terms, .. } => terms.program.published(),
        Action::ProposeAmendment { program, .. } => program.published(),
        _ => None,
    });
    named.collect()
}

/// The versions of packages that an agreement's terms name, or have named.
fn packages(history: &[Happening]) -> BTreeSet<(PackageId, u32)> {
    let actions = history.iter().filter_map(|happening| happening.transaction.as_ref());
    let named = actions.filter_map(|(_, signed)| match &signed.transaction.action {
        Action::Subscribe { terms, .. } => Some((terms.package, terms.version)),
        Action::ProposeAgreement { terms, .. } => terms.program.package(),
        Action::ProposeAmendment { program, .. } => program.package(),
        _ => None,
    });
    named.collect()
}
