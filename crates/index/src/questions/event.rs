//! What receipts tell of agreements and meters, read out of them.

use super::{CAUSE, CAUSE_JOIN, Questions, Read, cause};
use crate::fold::{PLACE_BITS, agreements_of, cursor};
use crate::page::Paging;
use crate::store::columns::{corrupt, int, value};
use rusqlite::params;
use std::collections::HashSet;
use utilidor_types::session::Category;
use utilidor_types::{AccountId, AgreementId, Event, MeterId, Receipt, Timestamp, Window};
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

/// Whether people want to hear of it unasked.
const fn is_news(kind: EventKind) -> bool {
    !matches!(
        kind,
        EventKind::Moved
            | EventKind::Certified
            | EventKind::Segment
            | EventKind::Returned
            | EventKind::LevelReached
            | EventKind::Adjusted
    )
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
    ) -> Read<Option<Page<EventView>>> {
        if !self.sees_agreement(agreement)? {
            return Ok(None);
        }
        let (reaches, order) = (paging.reaches("it.receipt"), paging.by("it.receipt"));
        let sql = format!(
            "SELECT it.receipt AS receipt, body, {CAUSE} FROM agreement_receipts AS it {CAUSE_JOIN}
             WHERE it.agreement = (SELECT MAX(id) FROM agreements WHERE agreement = ?2) AND {reaches} {order}"
        );
        let mut statement = self.prepare(&sql)?;
        let mut receipts = statement.query(params![paging.after() >> PLACE_BITS, agreement.0])?;
        let mut page = Vec::new();
        while let Some(row) = receipts.next()? {
            let (receipt, cause) = (row.get("receipt")?, cause(row)?);
            if !within(filter, cause.time_ms) {
                continue;
            }
            for (place, event) in paging.in_order(concerning(value(row, "body")?, agreement).collect()) {
                let (cursor, kind) = (cursor(receipt, place), EventKind::of(&event));
                let wanted = filter.kind.map_or_else(|| stands_alone(kind), |wanted| wanted == kind);
                if paging.passes(cursor) && wanted {
                    let event = self.reduced(event)?;
                    page.push((cursor, EventView { event, cause: cause.clone() }));
                }
            }
            if page.len() >= paging.fetch() as usize {
                break;
            }
        }
        let mut page = paging.page(page);
        self.withhold(page.items.iter_mut().map(|row| &mut row.cause))?;
        Ok(Some(page))
    }

    /// What happened to an account's agreements and to the meters that it holds, one list of all. Movements, readings and segments
    /// have lists of their own. None if the account's things are not seen.
    pub fn events_of_account(
        &self,
        account: AccountId,
        filter: &EventFilter,
        paging: Paging,
    ) -> Read<Option<Page<EventView>>> {
        if !self.sees_account(Category::Trade, account) || !self.reads_meters() {
            return Ok(None);
        }
        let sql = "SELECT id FROM accounts WHERE account = ?";
        let Some(row) = self.find(sql, [account.0], |row| row.get::<_, i64>("id"))? else { return Ok(None) };
        let sql = "SELECT agreements.agreement AS id FROM agreement_parties AS it
                   JOIN agreements ON agreements.id = it.agreement WHERE it.account = ?";
        let agreements: HashSet<_> = self.all(sql, [row], |row| row.get("id").map(AgreementId))?.into_iter().collect();
        let sql = "SELECT meters.meter AS id FROM meter_holders AS it JOIN meters ON meters.id = it.meter
                   WHERE it.account = ?";
        let meters: HashSet<_> = self.all(sql, [row], |row| row.get("id").map(MeterId))?.into_iter().collect();
        let (reaches, order) = (paging.reaches("receipt"), paging.by("it.receipt"));
        let sql = format!(
            "SELECT it.receipt AS receipt, body, {CAUSE} FROM
             (SELECT receipt FROM agreement_receipts WHERE {reaches}
              AND agreement IN (SELECT agreement FROM agreement_parties WHERE account = ?2)
              UNION SELECT receipt FROM meter_events WHERE {reaches}
              AND meter IN (SELECT meter FROM meter_holders WHERE account = ?2)) AS it {CAUSE_JOIN} {order}"
        );
        let mut statement = self.prepare(&sql)?;
        let mut receipts = statement.query(params![paging.after() >> PLACE_BITS, row])?;
        let mut page = Vec::new();
        while let Some(row) = receipts.next()? {
            let (receipt, cause) = (row.get("receipt")?, cause(row)?);
            if !within(filter, cause.time_ms) {
                continue;
            }
            let events = value::<Receipt>(row, "body")?.events().to_vec();
            for (place, event) in paging.in_order((0..).zip(events).collect()) {
                let (cursor, kind) = (cursor(receipt, place), EventKind::of(&event));
                let wanted = filter.kind.map_or_else(|| is_news(kind), |wanted| wanted == kind);
                if paging.passes(cursor) && wanted && self.happens_to(&event, &agreements, &meters)? {
                    let event = self.reduced(event)?;
                    page.push((cursor, EventView { event, cause: cause.clone() }));
                }
            }
            if page.len() >= paging.fetch() as usize {
                break;
            }
        }
        let mut page = paging.page(page);
        self.withhold(page.items.iter_mut().map(|row| &mut row.cause))?;
        Ok(Some(page))
    }

    fn happens_to(&self, event: &Event, agreements: &HashSet<AgreementId>, meters: &HashSet<MeterId>) -> Read<bool> {
        let mut found = false;
        agreements_of(event, |of| found |= agreements.contains(&of));
        match event {
            Event::Gap { meter, interval }
            | Event::Unsupplied { meter, interval, .. }
            | Event::Corrected { meter, interval, .. } => {
                Ok(meters.contains(meter) && self.meter_seen(*meter)?.iter().any(|seen| seen.shows(*interval)))
            }
            _ => Ok(found),
        }
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
        self.withhold(notices.iter_mut().map(|row| &mut row.cause))?;
        Ok(notices)
    }

    /// What receipts tell of a meter: segments, gaps, corrections, and what nobody was supplied with. None if the meter is not
    /// seen.
    pub fn events_of_meter(
        &self,
        meter: MeterId,
        filter: &EventFilter,
        paging: Paging,
    ) -> Read<Option<Page<EventView>>> {
        let seen = self.meter_seen(meter)?;
        if seen.is_empty() {
            return Ok(None);
        }
        let (reaches, order) = (paging.reaches("it.receipt"), paging.by_two("it.receipt", "it.place"));
        let sql = format!(
            "SELECT it.receipt AS receipt, it.place AS place, body, {CAUSE} FROM meter_events AS it {CAUSE_JOIN}
             WHERE it.meter = (SELECT id FROM meters WHERE meters.meter = ?2)
             AND {reaches} AND (?3 IS NULL OR it.kind = ?3) AND (?4 IS NULL OR blocks.time_ms >= ?4)
             AND (?5 IS NULL OR blocks.time_ms < ?5) {order}"
        );
        let (kind, from, to) = (
            filter.kind.map(EventKind::name),
            filter.from_ms.map(|from| int(from.0)),
            filter.to_ms.map(|to| int(to.0)),
        );
        let mut statement = self.prepare(&sql)?;
        let mut rows = statement.query(params![paging.after() >> PLACE_BITS, meter.0, kind, from, to])?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            let (receipt, place): (i64, usize) = (row.get("receipt")?, row.get::<_, i64>("place")? as usize);
            let event = value::<Receipt>(row, "body")?.events().get(place).cloned();
            let event = event.ok_or_else(|| corrupt(row, "body", "the receipt has no such event"))?;
            let cursor = cursor(receipt, place as i64);
            let shown = interval_of(&event).is_none_or(|interval| seen.iter().any(|seen| seen.shows(interval)));
            if !shown || !paging.passes(cursor) {
                continue;
            }
            page.push((cursor, EventView { event: self.reduced(event)?, cause: cause(row)? }));
            if page.len() >= paging.fetch() as usize {
                break;
            }
        }
        let mut page = paging.page(page);
        self.withhold(page.items.iter_mut().map(|row| &mut row.cause))?;
        Ok(Some(page))
    }
}

/// When it was what an event of a meter tells of.
const fn interval_of(event: &Event) -> Option<Window> {
    match event {
        Event::Segment(segment) => Some(segment.interval),
        Event::Gap { interval, .. } | Event::Unsupplied { interval, .. } | Event::Corrected { interval, .. } => {
            Some(*interval)
        }
        _ => None,
    }
}
