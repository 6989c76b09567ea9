//! Subscribing [M20]: a published package is a standing offer, so that a user's word concludes the agreement. Of a user that
//! owes the owner something, it is only a proposal: the owner signs or does not. And who has followed whom on a meter.

use crate::agreement::same_as;
use crate::context::{Caller, Ledger};
use crate::meter_record::MeterBindings;
use crate::record::{AgreementRecord, DebtRecord, PackageHead, PackageVersion, PastAgreement};
use crate::store::Ruled;
use utilidor_types::agreement::{AgreementTerms, Origin, Party, Program, SubscriptionTerms};
use utilidor_types::package::{PackageTerms, TariffId, TariffOption};
use utilidor_types::refusal::Limited;
use utilidor_types::time::DAY_MS;
use utilidor_types::{Agreement, AgreementId, Label, MeterId, Refusal, Role, Timestamp, Window};

/// How long an owner may take to sign the subscription of a user that owes it something.
pub const CONSENT_MS: u64 = 14 * DAY_MS;

/// What is read.
impl Ledger<'_> {
    pub fn want_subscribing(&mut self, id: AgreementId, terms: &SubscriptionTerms) {
        self.want_agreement(id);
        self.store.want::<PastAgreement>(&id);
        self.want_package(terms.package, terms.version);
    }

    /// The package's terms and the tariffs that are chosen: with them it is known what signing needs.
    pub fn want_chosen(&mut self, terms: &SubscriptionTerms) {
        let (package, version) = (terms.package, terms.version);
        self.store.want::<PackageTerms>(&(package, version));
        for service in &terms.services {
            let (carrier, option) = (service.carrier, service.option);
            self.store.want::<TariffOption>(&TariffId { package, version, carrier, option });
        }
    }

    /// What the agreement needs that subscribing concludes.
    pub fn want_subscribed(&mut self, caller: Caller, terms: &SubscriptionTerms) {
        let Ok(Some(head)) = self.store.view::<PackageHead>(&terms.package) else { return };
        self.store.want::<DebtRecord>(&(head.owner, caller.member));
        let program = Program::Subscription(terms.clone());
        self.want_signing(AgreementTerms::between(head.owner, caller.account, program));
    }
}

impl Ledger<'_> {
    /// Order: role, package, id, closed; limit; then as for every new agreement. The same subscription again
    /// gives the first result.
    pub fn subscribe(&mut self, caller: Caller, label: Label, terms: &SubscriptionTerms) -> Ruled<()> {
        self.need_role(caller, Role::User)?;
        let (package, version) = (terms.package, terms.version);
        let unknown = || Refusal::UnknownPackage { package, version };
        let id = AgreementId::of(caller.account, label);
        self.want_subscribing(id, terms);
        let head = self.store.view::<PackageHead>(&package)?.ok_or_else(unknown)?;
        let published = self.store.view::<PackageVersion>(&(package, version))?.ok_or_else(unknown)?;
        let terms = AgreementTerms::between(head.owner, caller.account, Program::Subscription(terms.clone()));
        if let Some(present) = self.store.view::<AgreementRecord>(&id)? {
            return same_as(&present.agreement, &terms, Origin::Package);
        }
        if published.closed {
            return Err(Refusal::PackageClosed { package, version }.into());
        }
        let needs_consent = self.owes(head.owner, caller.member)?;
        let sign_by = match needs_consent {
            true => self.now.checked_add_ms(CONSENT_MS).ok_or(Refusal::Overflow)?,
            false => self.now,
        };
        if !needs_consent {
            self.keep(caller.member, Limited::Subscriptions)?;
        }
        let user = Party::USER.bit();
        let signed = if needs_consent { user } else { user | Party::OWNER.bit() };
        self.conclude(caller.member, Agreement { id, terms, origin: Origin::Package, sign_by }, signed)
    }

    /// A subscription that its owner has signed counts among those of its user's member.
    pub fn keep_subscription(&mut self, terms: &AgreementTerms) -> Ruled<()> {
        let member = self.member_of(terms.user().ok_or(Refusal::BadParties)?)?;
        self.keep(member, Limited::Subscriptions)
    }
}

/// Following.
impl Ledger<'_> {
    /// Whose supply has begun in this time on a meter of `agreement`, on terms that cover its own, as both were in force then.
    pub fn follower(&mut self, agreement: &Agreement, meter: MeterId, window: Window) -> Ruled<Option<AgreementId>> {
        let Some(bindings) = self.store.view::<MeterBindings>(&meter)? else { return Ok(None) };
        let now = self.now;
        let has_begun = |begin: Timestamp| window.from <= begin && begin < window.to && begin <= now;
        let others = bindings.supplies_with_begin().filter(|(id, begin)| *id != agreement.id && has_begun(*begin));
        let others: Vec<_> = others.collect();
        drop(bindings);
        others.iter().for_each(|(id, _)| self.store.want::<AgreementRecord>(id));
        let ended = self.store.view::<AgreementRecord>(&agreement.id)?;
        let Some(ended) = ended.map(|record| record.in_force(window.from)) else { return Ok(None) };
        for (id, begin) in others {
            if let Some(record) = self.store.view::<AgreementRecord>(&id)?
                && utilidor_program::subscription::covers(&record.in_force(begin), &ended)
            {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }
}
