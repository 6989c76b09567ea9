//! How a subscription begins, and how other terms replace its own.

use super::account::{Account, Epoch, Position};
use super::frame::Frame;
use super::head::{Charged, Head, TariffRef};
use super::work::Work;
use crate::contract::{BAD_STATE, Binding, Effect, Facts, Fault, Sum};
use utilidor_types::agreement::Service;
use utilidor_types::package::{ChargeRule, PackageTerms, TariffId, TariffOption};
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{Bounded, Carrier, MeterId, Party, Refusal, SubscriptionTerms, Tariff, Timestamp, Window};

/// What a service of these terms is charged by.
pub(super) fn tariff_id(terms: &SubscriptionTerms, service: &Service) -> TariffId {
    TariffId { package: terms.package, version: terms.version, carrier: service.carrier, option: service.option }
}

fn package<'a>(terms: &SubscriptionTerms, facts: &'a Facts) -> Result<&'a PackageTerms, Fault> {
    let (package, version) = (terms.package, terms.version);
    let known = facts.packages.get(&(package, version));
    known.map(|package| &**package).ok_or(Refusal::UnknownPackage { package, version }.into())
}

fn option<'a>(terms: &SubscriptionTerms, service: &Service, facts: &'a Facts) -> Result<&'a TariffOption, Fault> {
    let (carrier, option) = (service.carrier, service.option);
    let known = facts.tariffs.get(&tariff_id(terms, service));
    known.map(|option| &**option).ok_or(Refusal::NoSuchOption { carrier, option }.into())
}

/// Order: option, area, meter.
fn check_service(service: &Service, option: &TariffOption) -> Result<(), Refusal> {
    let carrier = service.carrier;
    match &option.tariff {
        Tariff::FloorArea(_) if service.floor_area.0 == 0 => Err(Refusal::ServiceNeedsArea { carrier }),
        Tariff::Metered(_) | Tariff::MeteredByPeriod(_) if service.meter.is_none() => {
            Err(Refusal::ServiceNeedsMeter { carrier })
        }
        _ => Ok(()),
    }
}

/// A demand charge needs the meter of its carrier, if that is one of the services.
fn check_charges(terms: &SubscriptionTerms, package: &PackageTerms) -> Result<(), Refusal> {
    for charge in &package.charges {
        let ChargeRule::Demand { carrier, .. } = charge.rule else { continue };
        if terms.services.iter().any(|service| service.carrier == carrier && service.meter.is_none()) {
            return Err(Refusal::ServiceNeedsMeter { carrier });
        }
    }
    Ok(())
}

fn sum(id: TariffId, option: &TariffOption, offset_minutes: i16) -> Sum {
    let banded = option.tariff.calendar().is_some_and(|calendar| !calendar.stretches.is_empty());
    Sum::Rest { tariff: banded.then_some(id), offset_minutes }
}

/// The event `signed`. Order: version; then for each service its option, area, meter; demand charges.
pub(super) fn signed<'a>(terms: &'a SubscriptionTerms, facts: &'a Facts) -> Result<Work<'a>, Fault> {
    let package = package(terms, facts)?;
    let now = facts.now;
    for service in &terms.services {
        check_service(service, option(terms, service, facts)?)?;
    }
    check_charges(terms, package)?;

    let head = Head {
        opened: now,
        offset_minutes: package.offset_minutes,
        period_from: now,
        ending: None,
        finished: false,
        versions: Bounded::empty(),
        charged: Bounded::empty(),
        tariffs: Bounded::empty(),
        supplies: Bounded::empty(),
        minimums: Bounded::empty(),
    };
    let mut work = Work::new(terms, facts, head);
    let version = work.head.version_number(terms.package, terms.version).ok_or(BAD_STATE)?;
    work.head.charged.push(Charged { from: now, version }).map_err(|_| BAD_STATE)?;
    for service in &terms.services {
        let tariff = TariffRef { version, option: service.option };
        if !work.head.note_tariff(service.carrier, tariff) {
            return Err(BAD_STATE);
        }
        work.accounts.insert(service.carrier, Account::new(now, tariff, service.floor_area));
        if let Some(meter) = service.meter {
            work.bind(service.carrier, meter, now)?;
        }
    }
    for service in &terms.services {
        work.look(service.carrier)?;
    }
    work.schedule();
    Ok(work)
}

impl Work<'_> {
    /// Binds a service's meter from a time on, by the terms that are then in force.
    pub(super) fn bind(&mut self, carrier: Carrier, meter: MeterId, from: Timestamp) -> Result<(), Fault> {
        let full = Refusal::BadAmendmentTime { from };
        let number = self.head.new_supply(carrier, meter, from).ok_or(full.clone())?;
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        let position = Position { binding: number, from, to: None, at: from };
        account.meters.push(position).map_err(|_| full)?;
        let effect = self.binding(carrier, meter, position)?;
        self.effects.push(effect);
        Ok(())
    }

    /// Asks for a meter in the time of a position, by the terms that are then in force.
    pub(super) fn binding(&self, carrier: Carrier, meter: MeterId, position: Position) -> Result<Effect, Fault> {
        let Position { binding: number, from, to, .. } = position;
        let tariff = self.accounts.get(&carrier).ok_or(BAD_STATE)?.epoch_at(from)?.tariff;
        let frame = Frame::new(&self.head, self.facts, carrier);
        let sum = sum(self.head.tariff_id(carrier, tariff)?, frame.option(tariff)?, self.head.offset_minutes);
        let window = Window { from, to: to.unwrap_or(MAX_TIMESTAMP) };
        Ok(Effect::Bind(Binding { number, meter, carrier, party: Party::USER, window, sum }))
    }

    /// Other terms from `from` on: what flows before is charged by those before. Versions, options, areas, meters and notices
    /// may change; carriers, kinds of tariff and the offset from UTC stay. Order: end, time, version, what stays; then
    /// as for signing; room.
    pub(super) fn amended(&mut self, before: &SubscriptionTerms, from: Timestamp) -> Result<(), Fault> {
        if let Some(at) = self.head.end() {
            return Err(Refusal::AlreadyEnding { at }.into());
        }
        let untimely = Refusal::BadAmendmentTime { from };
        let comes_first = self.last_change().is_some_and(|last| last >= from && last > self.head.opened);
        if comes_first || from < self.facts.now || from >= MAX_TIMESTAMP {
            return Err(untimely.into());
        }
        let (terms, facts) = (self.terms, self.facts);
        let package = package(terms, facts)?;
        if package.offset_minutes != self.head.offset_minutes || before.services.len() != terms.services.len() {
            return Err(Refusal::AmendmentKind.into());
        }
        for (old, new) in before.services.iter().zip(&terms.services) {
            let option = option(terms, new, facts)?;
            let present = self.accounts.get(&new.carrier).and_then(|account| account.epochs.last().copied());
            let present = present.ok_or(Refusal::AmendmentKind)?;
            let kind = &Frame::new(&self.head, facts, new.carrier).option(present.tariff)?.tariff;
            if old.carrier != new.carrier || std::mem::discriminant(kind) != std::mem::discriminant(&option.tariff) {
                return Err(Refusal::AmendmentKind.into());
            }
            check_service(new, option)?;
        }
        check_charges(terms, package)?;

        if !self.says_the_same(before) {
            self.make_room();
        }
        let version = self.head.version_number(terms.package, terms.version).ok_or(untimely.clone())?;
        if self.head.charged.last().is_none_or(|last| last.version != version) {
            self.head.charged.push(Charged { from, version }).map_err(|_| untimely.clone())?;
        }
        for (old, new) in before.services.iter().zip(&terms.services) {
            let tariff = TariffRef { version, option: new.option };
            if !self.head.note_tariff(new.carrier, tariff) {
                return Err(untimely.into());
            }
            self.replace(old, new, tariff, from)?;
        }
        for service in &terms.services {
            self.run(service.carrier)?;
            self.look(service.carrier)?;
            if !self.has_room(service.carrier) {
                return Err(untimely.into());
            }
        }
        Ok(())
    }

    /// From when on the last terms count that were agreed on, as far as they have left a trace.
    fn last_change(&self) -> Option<Timestamp> {
        let of = |account: &'_ Account| {
            let epochs = account.epochs.iter().map(|epoch| epoch.from);
            epochs.chain(account.meters.iter().map(|position| position.from)).max()
        };
        let charged = self.head.charged.last().map(|charged| charged.from);
        self.accounts.values().map(of).chain([charged]).flatten().max()
    }

    /// Whether the terms have the tariffs, floor areas and meters of the last ones: they need no room.
    fn says_the_same(&self, before: &SubscriptionTerms) -> bool {
        let terms = self.terms;
        let version = self.head.known_version(terms.package, terms.version);
        let is_charged = self.head.charged.last().map(|charged| charged.version) == version;
        is_charged
            && terms.services.iter().zip(&before.services).all(|(service, before)| {
                let last = self.accounts.get(&service.carrier).and_then(|account| account.epochs.last());
                let last = last.map(|epoch| (Some(epoch.tariff.version), epoch.tariff.option, epoch.area));
                last == Some((version, service.option, service.floor_area)) && service.meter == before.meter
            })
    }

    fn replace(&mut self, old: &Service, new: &Service, tariff: TariffRef, from: Timestamp) -> Result<(), Fault> {
        let (terms, facts) = (self.terms, self.facts);
        let carrier = new.carrier;
        let frame = Frame::new(&self.head, facts, carrier);
        let account = self.accounts.get_mut(&carrier).ok_or(BAD_STATE)?;
        let present = account.epochs.last().ok_or(BAD_STATE)?.tariff;
        let offset_minutes = self.head.offset_minutes;
        let sum_before = sum(self.head.tariff_id(carrier, present)?, frame.option(present)?, offset_minutes);
        let sum_after = sum(tariff_id(terms, new), option(terms, new, facts)?, offset_minutes);
        let epoch = Epoch { from, tariff, area: new.floor_area };
        let is_same = old.meter == new.meter && account.epochs.last().is_some_and(|last| last.says_the_same(&epoch));
        if !is_same && !account.amend(epoch) {
            return Err(Refusal::BadAmendmentTime { from }.into());
        }
        if (old.meter, sum_before) == (new.meter, sum_after) {
            return Ok(());
        }
        self.end_bindings(carrier, from)?;
        match new.meter {
            Some(meter) => self.bind(carrier, meter, from),
            None => Ok(()),
        }
    }
}
