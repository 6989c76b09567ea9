//! What receipts tell of agreements and meters, read out of them.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::fold::{PLACE_BITS, agreements_of, cursor};
use crate::page::Paging;
use crate::store::columns::{corrupt, int, value};
use rusqlite::params;
use utilidor_types::{AgreementId, Event, MeterId, Receipt, Timestamp};
use utilidor_view::{EventFilter, EventKind, EventView, Page};

/// Most notices of a subscription that are answered with it.
const MAX_NOTICES: usize = 100;

/// Whether an event of an agreement stands in no list of its own: movements, statements and steps do.
const fn stands_alone(kind: EventKind) -> bool {
    !matches!(
        kind,
        EventKind::Moved
            | EventKind::StatementIssued
            | EventKind::AgreementProposed
            | EventKind::AgreementStatus
            | EventKind::AgreementAmended
    )
}

/// Whether an event tells the parties of a subscription to do something.
const fn is_notice(kind: EventKind) -> bool {
    matches!(kind, EventKind::LowBalance | EventKind::Exhausted | EventKind::ReadingsMissing | EventKind::ProgramFailed)
}

/// The events of a receipt that concern an agreement, with their places. A correction concerns whom it adjusts.
fn concerning(receipt: Receipt, agreement: AgreementId) -> impl Iterator<Item = (i64, Event)> {
    let concerns = move |event: &Event| {
        let mut found = false;
        agreements_of(event, |of| found |= of == agreement);
        found
    };
    let adjusts = receipt.events().iter().any(|event| matches!(event, Event::Adjusted { .. }) && concerns(event));
    let events = receipt.events().to_vec();
    (0..).zip(events).filter(move |(_, event)| concerns(event) || (adjusts && matches!(event, Event::Corrected { .. })))
}

fn within(filter: &EventFilter, time: Timestamp) -> bool {
    filter.from_ms.is_none_or(|from| time >= from) && filter.to_ms.is_none_or(|to| time < to)
}

impl Questions<'_> {
    /// What receipts tell of an agreement besides its movements, statements and steps, oldest first.
    pub fn events_of_agreement(
        &self,
        agreement: AgreementId,
        filter: &EventFilter,
        paging: Paging,
    ) -> Read<Page<EventView>> {
        let sql = format!(
            "SELECT it.receipt AS receipt, body, {CAUSE} FROM agreement_receipts AS it {CAUSE_JOIN}
             WHERE it.agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?1) AND it.receipt >= ?2
             ORDER BY it.receipt"
        );
        let mut statement = self.prepare(&sql)?;
        let mut receipts = statement.query(params![agreement.0, paging.after() >> PLACE_BITS])?;
        let mut page = Vec::new();
        while let Some(row) = receipts.next()? {
            let (receipt, cause) = (row.get("receipt")?, cause(row)?);
            if !within(filter, cause.time_ms) {
                continue;
            }
            for (place, event) in concerning(value(row, "body")?, agreement) {
                let (cursor, kind) = (cursor(receipt, place), EventKind::of(&event));
                let wanted = filter.kind.map_or_else(|| stands_alone(kind), |wanted| wanted == kind);
                if cursor > paging.after() && wanted {
                    page.push((cursor, EventView { event, cause: cause.clone() }));
                }
            }
            if page.len() >= paging.fetch() as usize {
                break;
            }
        }
        Ok(paging.page(page))
    }

    /// The last notices of an agreement, oldest first.
    pub(super) fn notices(&self, agreement: AgreementId) -> Read<Vec<EventView>> {
        let sql = format!(
            "SELECT body, {CAUSE} FROM agreement_receipts AS it {CAUSE_JOIN}
             WHERE it.agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?1) ORDER BY it.receipt DESC"
        );
        let mut statement = self.prepare(&sql)?;
        let mut receipts = statement.query([agreement.0])?;
        let mut notices = Vec::new();
        while let Some(row) = receipts.next()? {
            let cause = cause(row)?;
            let told = concerning(value(row, "body")?, agreement).filter(|(_, event)| is_notice(EventKind::of(event)));
            let told: Vec<_> = told.map(|(_, event)| EventView { event, cause: cause.clone() }).collect();
            notices.extend(told.into_iter().rev());
            if notices.len() >= MAX_NOTICES {
                break;
            }
        }
        notices.truncate(MAX_NOTICES);
        notices.reverse();
        Ok(notices)
    }

    /// What receipts tell of a meter: segments, gaps, corrections, and what nobody was supplied with; oldest first.
    pub fn events_of_meter(&self, meter: MeterId, filter: &EventFilter, paging: Paging) -> Read<Page<EventView>> {
        let sql = format!(
            "SELECT it.receipt AS receipt, it.place AS place, body, {CAUSE} FROM meter_events AS it {CAUSE_JOIN}
             WHERE it.meter = (SELECT id FROM meters WHERE meters.meter = ?1)
             AND it.receipt >= ?2 >> {PLACE_BITS} AND (it.receipt << {PLACE_BITS} | it.place) > ?2
             AND (?4 IS NULL OR it.kind = ?4) AND (?5 IS NULL OR blocks.time_ms >= ?5)
             AND (?6 IS NULL OR blocks.time_ms < ?6) ORDER BY it.receipt, it.place LIMIT ?3"
        );
        let (kind, from, to) = (
            filter.kind.map(EventKind::name),
            filter.from_ms.map(|from| int(from.0)),
            filter.to_ms.map(|to| int(to.0)),
        );
        let values = params![meter.0, paging.after(), paging.fetch(), kind, from, to];
        self.page(paging, &sql, values, |row| {
            let (receipt, place): (i64, usize) = (row.get("receipt")?, row.get::<_, i64>("place")? as usize);
            let event = value::<Receipt>(row, "body")?.events().get(place).cloned();
            let event = event.ok_or_else(|| corrupt(row, "body", "the receipt has no such event"))?;
            Ok((cursor(receipt, place as i64), EventView { event, cause: cause(row)? }))
        })
    }
}
