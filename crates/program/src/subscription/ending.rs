//! How a subscription ends: at once by its user, with notice by its owner or the operator of one of its meters. The meters
//! are freed at the end, the final statement follows, and what comes later makes a supplement.

use super::account::Position;
use super::head::Ending;
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
            self.effects.push(Effect::Notify(Notice::EndingStands(present.at)));
            return Ok(());
        }
        let at = if at_once { now } else { self.notice()? };
        let before = self.head.end();
        self.head.ending = Some(Ending { at, by });
        self.free_meters(at, before)?;
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

    /// The event `ending withdrawn`: by whoever gave the notice, before it has had an effect. All is as it was before it, if nobody
    /// else has been promised the meters.
    pub(super) fn ending_withdrawn(&mut self, agreement: AgreementId, by: Party) -> Result<(), Fault> {
        let given = self.head.ending.filter(|ending| ending.at > self.facts.now && ending.by == Some(by));
        let Some(Ending { at, .. }) = given else { return Err(Refusal::NotEnding { agreement }.into()) };
        self.head.ending = None;
        let mut effects = Vec::new();
        for (carrier, account) in &self.accounts {
            for position in account.meters.iter().filter(|position| position.until(Some(at)) != position.to) {
                let (binding, meter) = (position.binding, self.head.supply(position.binding).ok_or(BAD_STATE)?.meter);
                effects.push(match position.serves(Some(at)) {
                    true => Effect::Resume { binding, meter, until: position.to.unwrap_or(MAX_TIMESTAMP) },
                    false => self.binding(*carrier, meter, *position)?,
                });
            }
        }
        self.effects.extend(effects);
        self.look_at_all()?;
        self.schedule();
        Ok(())
    }

    /// Frees all meters: the bindings end at `at`, those that would begin later before they have begun. `before` is when they were to
    /// end until now.
    fn free_meters(&mut self, at: Timestamp, before: Option<Timestamp>) -> Result<(), Fault> {
        let carriers: Vec<Carrier> = self.accounts.keys().copied().collect();
        for carrier in carriers {
            let account = self.accounts.get(&carrier).ok_or(BAD_STATE)?;
            let is_later = |position: &&Position| position.until(before).is_none_or(|until| at < until);
            for position in account.meters.iter().filter(|of| of.serves(before)).filter(is_later) {
                let meter = self.head.supply(position.binding).ok_or(BAD_STATE)?.meter;
                let end = at.max(position.from);
                self.effects.push(Effect::EndBinding { binding: position.binding, meter, at: end });
                if end <= self.facts.now {
                    self.ended.push(position.binding);
                }
            }
            if at <= self.facts.now {
                self.let_go(carrier, at)?;
            }
            self.run(carrier)?;
        }
        Ok(())
    }

    /// Lets go of all meters of a subscription that has ended at `end`, save those that have not passed it.
    pub(super) fn let_go_of_all(&mut self, end: Timestamp) -> Result<(), Fault> {
        let carriers: Vec<Carrier> = self.accounts.keys().copied().collect();
        carriers.into_iter().try_for_each(|carrier| self.let_go(carrier, end))
    }

    fn let_go(&mut self, carrier: Carrier, end: Timestamp) -> Result<(), Fault> {
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        let is_over = |position: &&Position| position.until(Some(end)).is_some_and(|until| until <= position.at);
        let over: Vec<u8> = account.meters.iter().filter(is_over).map(|position| position.binding).collect();
        account.meters.retain(|position| !over.contains(&position.binding));
        self.head.are_over(&over);
        Ok(())
    }

    /// Ends a service's bindings at `at`, or before they have begun: by other terms.
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
        self.head.are_over(&over);
        Ok(())
    }
}
