//! What all services of a subscription share: its head. It says which packages, tariffs and meters the services refer to,
//! so that what an event needs is known before any slot is read, and what is due next.

use super::minimum::Minimums;
use crate::contract::{BAD_STATE, Facts, Fault};
use borsh::{BorshDeserialize, BorshSerialize};
use utilidor_types::package::{PackageTerms, TariffId, local_day};
use utilidor_types::statement::{Closing, STATEMENT_GRACE_MS, SUPPLEMENTARY_MS};
use utilidor_types::time::{Date, MAX_TIMESTAMP};
use utilidor_types::{AgreementId, Bounded, Carrier, MeterId, PackageId, Party, Timestamp, Window};

/// Most versions of packages that a subscription can still need.
pub(super) const MAX_VERSIONS: usize = 8;
/// Most tariffs that its services can still need.
pub(super) const MAX_TARIFFS: usize = 32;
/// Most amendments whose charges can wait.
pub(super) const MAX_CHARGED: usize = 8;
/// Most meters that serve it, or have served it.
pub(super) const MAX_SUPPLIES: usize = crate::contract::MAX_BINDINGS as usize;

/// A version of a package, by a number that stays with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Version {
    /// The number.
    pub number: u8,
    /// The package.
    pub package: PackageId,
    /// Its version.
    pub version: u32,
}

/// One of a carrier's tariffs, by the number of its version and its option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(super) struct TariffRef {
    /// The number of its version.
    pub version: u8,
    /// Which of the carrier's options.
    pub option: u8,
}

/// From when on a version's charges are paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Charged {
    /// From when on.
    pub from: Timestamp,
    /// The number of the version.
    pub version: u8,
}

/// A meter that serves, or has served, a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Supply {
    /// The binding's number.
    pub number: u8,
    /// The service.
    pub carrier: Carrier,
    /// The meter.
    pub meter: MeterId,
    /// The last end of a month that the meter has passed: it need not be read for that month's statement.
    pub passed: Timestamp,
    /// Whether the meter has passed the binding's end.
    pub over: bool,
}

/// Who goes sooner has had the day on which it goes.
const DAYS_OF_A_WEEK: i64 = 7;

/// How a subscription ends early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Ending {
    /// When.
    pub at: Timestamp,
    /// By whom; none: by a meter's operator.
    pub by: Option<Party>,
}

/// What falls due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The statement of the month that ended then.
    Statement(Timestamp),
    /// The final statement of a subscription that ended then.
    Final(Timestamp),
    /// The last supplement of a subscription that ended then: what its meters have brought, though they have not passed the end.
    Last(Timestamp),
}

/// The head of a subscription's state.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Head {
    /// When it began.
    pub opened: Timestamp,
    /// The fixed offset of its local time.
    pub offset_minutes: i16,
    /// Where the period begins that has no statement yet.
    pub period_from: Timestamp,
    /// Its early end.
    pub ending: Option<Ending>,
    /// Whether the final statement is made.
    pub finished: bool,
    /// Versions that its services or charges refer to.
    pub versions: Bounded<Version, MAX_VERSIONS>,
    /// Whose charges are paid from when on.
    pub charged: Bounded<Charged, MAX_CHARGED>,
    /// Tariffs that its services refer to.
    pub tariffs: Bounded<(Carrier, TariffRef), MAX_TARIFFS>,
    /// Its meters.
    pub supplies: Bounded<Supply, MAX_SUPPLIES>,
    /// Minimums of periods that have their statement.
    pub minimums: Minimums,
}

impl Head {
    /// The local midnight at which the month begins that is `months` after the one of `time`; none beyond the calendar.
    pub fn month_begin(&self, time: Timestamp, months: u32) -> Option<Timestamp> {
        time.date(self.offset_minutes).first_of_month_after(months).midnight(self.offset_minutes)
    }

    /// The end of the local month of `time`.
    pub fn month_end(&self, time: Timestamp) -> Timestamp {
        self.month_begin(time, 1).unwrap_or(MAX_TIMESTAMP)
    }

    /// When the supply ends, if that is known.
    pub fn end(&self) -> Option<Timestamp> {
        self.ending.map(|ending| ending.at)
    }

    /// The next thing that falls due, and when.
    pub fn next_due(&self) -> Option<(Timestamp, Due)> {
        if self.finished {
            let last = self.end()?;
            let at = last.checked_add_ms(SUPPLEMENTARY_MS).unwrap_or(MAX_TIMESTAMP);
            return self.supplies.iter().any(|supply| !supply.over).then_some((at, Due::Last(last)));
        }
        let late = |time: Timestamp| time.checked_add_ms(STATEMENT_GRACE_MS).unwrap_or(MAX_TIMESTAMP);
        let ends = self.month_begin(self.period_from, 1).filter(|ends| self.end().is_none_or(|end| *ends < end));
        let statement = ends.map(|ends| (late(ends), Due::Statement(ends)));
        let closing = self.end().map(|end| (late(end), Due::Final(end)));
        [statement, closing].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// The service of a binding.
    pub fn supply(&self, binding: u8) -> Option<&Supply> {
        self.supplies.iter().find(|supply| supply.number == binding)
    }

    /// Changes what is known of a binding.
    pub fn supply_mut(&mut self, binding: u8) -> Option<&mut Supply> {
        self.supplies.as_mut_slice().iter_mut().find(|supply| supply.number == binding)
    }

    /// Notes that the meters of these bindings have passed their ends.
    pub fn are_over(&mut self, bindings: &[u8]) {
        let over = |supply: &&mut Supply| bindings.contains(&supply.number);
        self.supplies.as_mut_slice().iter_mut().filter(over).for_each(|supply| supply.over = true);
    }

    /// A number for a new binding: a fresh one, or the one of a binding that is over.
    pub fn new_supply(&mut self, carrier: Carrier, meter: MeterId, from: Timestamp) -> Option<u8> {
        let mut number = (0..MAX_SUPPLIES as u8).find(|number| self.supply(*number).is_none());
        if self.supply(carrier as u8).is_none() {
            number = Some(carrier as u8);
        }
        if number.is_none() {
            let over = self.supplies.iter().find(|supply| supply.over)?.number;
            self.supplies.retain(|supply| supply.number != over);
            number = Some(over);
        }
        let number = number?;
        self.supplies.push(Supply { number, carrier, meter, passed: from, over: false }).ok()?;
        Some(number)
    }

    /// The number of a version that is noted already.
    pub fn known_version(&self, package: PackageId, version: u32) -> Option<u8> {
        let same = |of: &&Version| (of.package, of.version) == (package, version);
        self.versions.iter().find(same).map(|version| version.number)
    }

    /// The number of a version, which is noted if it is new; none if there is no room.
    pub fn version_number(&mut self, package: PackageId, version: u32) -> Option<u8> {
        if let Some(number) = self.known_version(package, version) {
            return Some(number);
        }
        let number = (0u8..=u8::MAX).find(|number| self.versions.iter().all(|of| of.number != *number))?;
        self.versions.push(Version { number, package, version }).ok()?;
        Some(number)
    }

    /// Notes that a carrier refers to a tariff; `false` if there is no room.
    pub fn note_tariff(&mut self, carrier: Carrier, tariff: TariffRef) -> bool {
        self.tariffs.contains(&(carrier, tariff)) || self.tariffs.push((carrier, tariff)).is_ok()
    }

    /// The full name of a tariff.
    pub fn tariff_id(&self, carrier: Carrier, tariff: TariffRef) -> Result<TariffId, Fault> {
        let version = self.versions.iter().find(|of| of.number == tariff.version).ok_or(BAD_STATE)?;
        Ok(TariffId { package: version.package, version: version.version, carrier, option: tariff.option })
    }

    /// The tariffs of a carrier that can still be needed; of all carriers for `None`.
    pub fn tariff_ids(&self, carrier: Option<Carrier>) -> Vec<TariffId> {
        let wanted = self.tariffs.iter().filter(|(of, _)| carrier.is_none_or(|carrier| carrier == *of));
        wanted.filter_map(|(carrier, tariff)| self.tariff_id(*carrier, *tariff).ok()).collect()
    }

    /// The versions whose charges can still be needed.
    pub fn charged_versions(&self) -> Vec<(PackageId, u32)> {
        let remembered = |of: &&Version| self.minimums.iter().any(|minimum| minimum.version == of.number);
        let charged = |of: &&Version| self.charged.iter().any(|charged| charged.version == of.number);
        let versions = self.versions.iter().filter(|version| charged(version) || remembered(version));
        versions.map(|version| (version.package, version.version)).collect()
    }

    /// What a version of a package says that all its services share.
    pub fn terms_of<'a>(&self, facts: &'a Facts, version: u8) -> Result<&'a PackageTerms, Fault> {
        let version = self.versions.iter().find(|of| of.number == version).ok_or(BAD_STATE)?;
        facts.packages.get(&(version.package, version.version)).map(|terms| &**terms).ok_or(BAD_STATE)
    }

    /// Forgets charges that were replaced before the open period, save the last of them: a demand of the period before can
    /// still come late. And tariffs and versions that `used` does not hold.
    pub fn forget(&mut self, used: &[(Carrier, TariffRef)]) {
        self.forget_save(1, used);
    }

    /// The same, those that can only be needed for what comes late too: an amendment needs their room.
    pub fn forget_replaced(&mut self, used: &[(Carrier, TariffRef)]) {
        self.forget_save(0, used);
    }

    fn forget_save(&mut self, replaced: usize, used: &[(Carrier, TariffRef)]) {
        let begun = self.charged.iter().filter(|charged| charged.from <= self.period_from).count();
        let mut place = 0;
        self.charged.retain(|_| {
            place += 1;
            place + replaced >= begun
        });
        self.tariffs.retain(|of| used.contains(of));
        let mut charged: Vec<u8> = self.charged.iter().map(|charged| charged.version).collect();
        if replaced == 0 {
            self.minimums.retain(|minimum| charged.contains(&minimum.version));
        }
        charged.extend(self.minimums.iter().map(|minimum| minimum.version));
        let used = |number: u8| charged.contains(&number) || used.iter().any(|(_, tariff)| tariff.version == number);
        self.versions.retain(|version| used(version.number));
    }

    /// Up to where days are charged on a statement up to `ends`. A day belongs to whoever is there at its end; who goes within a week has
    /// had the day on which it goes, or coming and going again and again would cost little, unless somebody else has followed on it.
    pub fn days_end(&self, ends: Timestamp, closing: Closing, follower: Option<AgreementId>) -> Timestamp {
        let rest = self.rest_of_its_day(ends).filter(|_| closing == Closing::End && follower.is_none());
        rest.map_or(ends, |rest| rest.to)
    }

    /// The rest of the last day of a subscription that ends at `ends`, if that day has begun, and it has come and gone within a week.
    fn rest_of_its_day(&self, ends: Timestamp) -> Option<Window> {
        let (begun, over) = (local_day(self.opened, self.offset_minutes), local_day(ends, self.offset_minutes));
        let midnight = |day| Date::from_days(day).midnight(self.offset_minutes);
        let has_begun = self.opened < ends && midnight(over)? < ends;
        (has_begun && over - begun < DAYS_OF_A_WEEK).then_some(Window { from: ends, to: midnight(over + 1)? })
    }

    /// On which meters, and when, somebody else can have followed a subscription that ends at `ends` and has come and gone within a week.
    pub fn followed_within(&self, ends: Timestamp) -> Vec<(MeterId, Window)> {
        let rest = self.rest_of_its_day(ends).filter(|_| self.end() == Some(ends) && !self.finished);
        let meters = |rest: Window| self.supplies.iter().map(move |supply| (supply.meter, rest));
        rest.into_iter().flat_map(meters).collect()
    }

    /// The period that a statement up to `ends` is about.
    pub fn period(&self, ends: Timestamp) -> Window {
        Window { from: self.period_from, to: ends.max(self.period_from) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::MAX_HEAD_BYTES;
    use crate::subscription::minimum::Minimum;
    use utilidor_types::{Money, encode};

    fn full<T: Clone, const MAX: usize>(item: T) -> Bounded<T, MAX> {
        Bounded::new(vec![item; MAX]).ok().unwrap()
    }

    #[test]
    fn a_full_head_fits() {
        let (time, meter, carrier) = (Timestamp(0), MeterId([0; 16]), Carrier::Water);
        let head = Head {
            opened: time,
            offset_minutes: 0,
            period_from: time,
            ending: Some(Ending { at: time, by: Some(Party::USER) }),
            finished: true,
            versions: full(Version { number: 0, package: PackageId([0; 16]), version: 0 }),
            charged: full(Charged { from: time, version: 0 }),
            tariffs: full((carrier, TariffRef { version: 0, option: 0 })),
            supplies: full(Supply { number: 0, carrier, meter, passed: time, over: false }),
            minimums: full(Minimum {
                period: Window { from: time, to: time },
                version: 0,
                charge: 0,
                others: Money::ZERO,
                charged: Money::ZERO,
            }),
        };
        let bytes = encode(&head).len();
        assert!(bytes <= MAX_HEAD_BYTES, "{bytes}");
    }
}
