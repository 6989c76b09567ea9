//! How a subscription ends: at once by its user, with notice by its owner or the operator of one of its meters. The meters
//! are freed at the end, the final statement follows, and what comes later makes a supplement.

use super::head::{Ending, Supply};
use super::work::Work;
use crate::contract::{BAD_STATE, Effect, Fault, Notice};
use utilidor_types::time::{DAY_MS, MAX_TIMESTAMP};
use utilidor_types::{AgreementId, Carrier, Party, Refusal, Timestamp};

impl Work<'_> {
    /// The event `ending`. Order: whether it ends already; then it ends.
    pub(super) fn ending(&mut self, by: Option<Party>, agreed: bool) -> Result<(), Fault> {
        let now = self.facts.now;
        let at_once = by == Some(Party::USER) || agreed;
        if let Some(present) = self.head.ending
            && (!at_once || present.at <= now)
        {
            if by.is_some() || present.by.is_none() || present.at <= now {
                return Err(Refusal::AlreadyEnding { at: present.at }.into());
            }
            // The operator's wish stands beside the owner's, who cannot take it back with its own.
            self.head.ending = Some(Ending { at: present.at, by });
            return Ok(());
        }
        let at = if at_once { now } else { self.notice()? };
        self.head.ending = Some(Ending { at, by });
        self.free_meters(at)?;
        self.effects.push(Effect::Notify(Notice::Ending(at)));
        self.look_at_all()?;
        self.schedule();
        Ok(())
    }

    /// When the package's notice is over.
    fn notice(&self) -> Result<Timestamp, Fault> {
        let in_force = self.head.charged.iter().rev().find(|charged| charged.from <= self.facts.now);
        let number = in_force.or(self.head.charged.first()).ok_or(BAD_STATE)?.version;
        let version = self.head.versions.iter().find(|version| version.number == number).ok_or(BAD_STATE)?;
        let package = self.facts.packages.get(&(version.package, version.version)).ok_or(BAD_STATE)?;
        let notice_ms = u64::from(package.notice_days) * DAY_MS;
        Ok(self.facts.now.checked_add_ms(notice_ms).unwrap_or(MAX_TIMESTAMP))
    }

    /// The event `ending withdrawn`: by whoever gave the notice, before it has had an effect. The meters are bound again from
    /// that time on, if nobody else has been promised them.
    pub(super) fn ending_withdrawn(&mut self, agreement: AgreementId, by: Party) -> Result<(), Fault> {
        let given = self.head.ending.filter(|ending| ending.at > self.facts.now && ending.by == Some(by));
        let Some(Ending { at, .. }) = given else { return Err(Refusal::NotEnding { agreement }.into()) };
        self.head.ending = None;
        let terms = self.terms;
        for service in &terms.services {
            let account = self.accounts.get(&service.carrier).ok_or(BAD_STATE)?;
            let ended = account.meters.iter().find(|position| position.to == Some(at)).copied();
            let amended = account.epochs.iter().find(|epoch| epoch.from >= at).map(|epoch| epoch.from);
            // With other terms from that very time on, what they name serves.
            if let Some(ended) = ended.filter(|_| amended != Some(at)) {
                let meter = self.head.supply(ended.binding).ok_or(BAD_STATE)?.meter;
                // One that has not begun is put in its own place, so that notices given and taken back leave nothing behind.
                let from = if ended.from > self.facts.now { ended.from } else { at };
                self.end_bindings(service.carrier, from)?;
                self.bind(service.carrier, meter, from)?;
            }
            if let Some(from) = amended {
                self.end_bindings(service.carrier, from)?;
                service.meter.map_or(Ok(()), |meter| self.bind(service.carrier, meter, from))?;
            }
        }
        self.look_at_all()?;
        self.schedule();
        Ok(())
    }

    /// Frees all meters: the bindings end at `at`.
    fn free_meters(&mut self, at: Timestamp) -> Result<(), Fault> {
        let carriers: Vec<Carrier> = self.accounts.keys().copied().collect();
        for carrier in carriers {
            self.end_bindings(carrier, at)?;
            self.run(carrier)?;
        }
        Ok(())
    }

    /// Ends a service's bindings at `at`, or before they have begun.
    pub(super) fn end_bindings(&mut self, carrier: Carrier, at: Timestamp) -> Result<(), Fault> {
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        let mut over = Vec::new();
        for position in account.meters.as_mut_slice() {
            let end = at.max(position.from);
            if position.to.is_some_and(|to| to <= end) {
                continue;
            }
            position.to = Some(end);
            let meter = self.head.supply(position.binding).ok_or(BAD_STATE)?.meter;
            self.effects.push(Effect::EndBinding { binding: position.binding, meter, at: end });
            if end <= self.facts.now {
                self.ended.push(position.binding);
            }
            if position.at >= end {
                over.push(position.binding);
            }
        }
        account.meters.retain(|position| !over.contains(&position.binding));
        let ended = |supply: &&mut Supply| over.contains(&supply.number);
        self.head.supplies.as_mut_slice().iter_mut().filter(ended).for_each(|supply| supply.over = true);
        Ok(())
    }
}
