//! Reading ahead: asking for records in few rounds instead of one by one.
//!
//! A rule reads whatever it needs, where it needs it, and the block is run again whenever cells are missing. So nothing here
//! decides anything: what is not asked for ahead is asked for when a rule reads it, one round later.

use crate::execution::Ledger;
use crate::record::{
    AccountRecord, AgreementRecord, AgreementState, AmendmentRecord, CapacityRecord, DueBucket, MemberRecord,
    MeterRecord, MeterState, OfferRecord, PackageHead, PackageVersion, QuoteRecord, ServiceState, SoldDay,
    TariffRecord, Totals,
};
use crate::store::{Ruled, Stop};
use utilidor_types::time::SECOND_MS;
use utilidor_types::{
    AccountId, Action, Agreement, AgreementId, Carrier, MeterId, Program, PurchaseTerms, SubscriptionTerms, Timestamp,
    VerifiedTransaction,
};

impl Ledger<'_> {
    /// First round: what the transactions name, and what is due first.
    pub fn read_ahead_named(&mut self, transactions: &[VerifiedTransaction], next_due: Option<Timestamp>) {
        self.store.want::<Totals>(&());
        self.want_due(next_due.unwrap_or(self.now));
        for transaction in transactions {
            self.store.want::<AccountRecord>(&transaction.account());
            self.want_named(transaction.account(), &transaction.transaction().action);
        }
    }

    /// Second round: what the records of the first refer to. Gives the services that readings are charged to.
    pub fn read_ahead_found(&mut self, transactions: &[VerifiedTransaction]) -> Vec<(AgreementId, Carrier)> {
        let mut services = Vec::new();
        for transaction in transactions {
            let caller = transaction.account();
            if let Ok(Some(account)) = self.store.find::<AccountRecord>(&caller) {
                self.store.want::<MemberRecord>(&account.member);
            }
            self.want_found(caller, &transaction.transaction().action, &mut services);
        }
        services
    }

    /// Third round: the tariffs of services.
    pub fn read_ahead_tariffs(&mut self, services: &[(AgreementId, Carrier)]) {
        services.iter().for_each(|(subscription, carrier)| self.want_service(*subscription, *carrier));
    }

    fn want_found(&mut self, caller: AccountId, action: &Action, services: &mut Vec<(AgreementId, Carrier)>) {
        match action {
            Action::Award { awards } => {
                for award in awards {
                    let Ok(Some(record)) = self.store.view::<OfferRecord>(&award.offer) else { continue };
                    if award.opening.lines.len() == record.offer.lots.len() {
                        self.want_purchase(caller, &record.offer.purchase_terms(&award.opening));
                    }
                }
            }
            Action::SignAgreement { agreement, .. } | Action::Terminate { agreement } => {
                if let Ok(Some(record)) = self.store.view::<AgreementRecord>(agreement) {
                    self.want_used_by(&record.agreement);
                }
            }
            Action::RecordReadings { runs } => {
                for run in runs {
                    if let Ok(Some(state)) = self.store.view::<MeterState>(&run.meter) {
                        services.extend(self.want_served(&state, run.meter));
                    }
                }
            }
            Action::Prepay { subscription, carrier, .. } => self.want_service(*subscription, *carrier),
            _ => {}
        }
    }

    /// What readings of a meter are charged to, and under which tariff. Gives the service, if there is one.
    pub fn want_served(&mut self, state: &MeterState, meter: MeterId) -> Option<(AgreementId, Carrier)> {
        for binding in &state.bindings {
            self.store.want::<AgreementState>(&binding.agreement);
        }
        let subscription = state.subscription?;
        let carrier = self.store.view::<MeterRecord>(&meter).ok()??.meter.carrier;
        self.want_service(subscription, carrier);
        Some((subscription, carrier))
    }

    /// A subscription's service and, once that is there, its tariff.
    fn want_service(&mut self, subscription: AgreementId, carrier: Carrier) {
        let Ok(Some(service)) = self.store.view::<ServiceState>(&(subscription, carrier)) else { return };
        let (package, version, option) = service.tariff;
        self.store.want::<TariffRecord>(&(package, version, carrier, option));
    }

    fn want_named(&mut self, caller: AccountId, action: &Action) {
        match action {
            Action::AdmitMember { member, account, .. } => {
                self.store.want::<MemberRecord>(member);
                self.store.want::<AccountRecord>(account);
            }
            Action::ChangeRoles { member, .. } => self.store.want::<MemberRecord>(member),
            Action::OpenAccount { account } => self.store.want::<AccountRecord>(account),
            Action::DeclareCapacity { owner, carrier, .. } => {
                self.store.want::<AccountRecord>(owner);
                self.store.want::<CapacityRecord>(&(*owner, *carrier));
            }
            Action::Issue { to, .. } | Action::Transfer { to, .. } => self.store.want::<AccountRecord>(to),
            Action::Redeem { .. } => {}
            Action::PublishOffers { offers } => {
                offers.iter().for_each(|offer| self.store.want::<OfferRecord>(&offer.id))
            }
            Action::WithdrawOffer { offer } => self.store.want::<OfferRecord>(offer),
            Action::SubmitQuotes { quotes } => {
                for quote in quotes {
                    self.store.want::<OfferRecord>(&quote.offer);
                    self.store.want::<QuoteRecord>(&(quote.offer, caller));
                }
            }
            Action::WithdrawQuote { offer } => {
                self.store.want::<OfferRecord>(offer);
                self.store.want::<QuoteRecord>(&(*offer, caller));
            }
            Action::Award { awards } => {
                for award in awards {
                    self.store.want::<OfferRecord>(&award.offer);
                    self.store.want::<QuoteRecord>(&(award.offer, award.bidder));
                    self.store.want::<AccountRecord>(&award.bidder);
                    self.want_agreement(award.agreement);
                }
            }
            Action::ProposeAgreement { id, terms, .. } => {
                self.want_agreement(*id);
                self.store.want::<AccountRecord>(&terms.owner);
                self.store.want::<AccountRecord>(&terms.user);
            }
            Action::SignAgreement { agreement, .. }
            | Action::DeclineAgreement { agreement }
            | Action::Terminate { agreement } => self.want_agreement(*agreement),
            Action::ProposeAmendment { agreement, .. } | Action::SignAmendment { agreement, .. } => {
                self.want_agreement(*agreement);
                self.store.want::<AmendmentRecord>(agreement);
            }
            Action::RegisterMeter(meter) => {
                self.want_meter(meter.id);
                self.store.want::<AccountRecord>(&meter.holder);
            }
            Action::BindMeter { meter, holder } => {
                self.want_meter(*meter);
                self.store.want::<AccountRecord>(holder);
            }
            Action::RotateMeterKey { meter, .. }
            | Action::ExchangeMeter { meter, .. }
            | Action::RetireMeter { meter } => self.want_meter(*meter),
            Action::RecordReadings { runs } => runs.iter().for_each(|run| self.want_meter(run.meter)),
            Action::PublishPackage(package) => {
                self.store.want::<PackageHead>(&package.id);
                self.store.want::<PackageVersion>(&(package.id, package.version));
            }
            Action::Subscribe { id, terms } => {
                self.want_agreement(*id);
                self.store.want::<PackageHead>(&terms.package);
                self.want_subscription(*id, terms);
            }
            Action::Prepay { subscription, carrier, .. } => {
                self.want_agreement(*subscription);
                self.store.want::<ServiceState>(&(*subscription, *carrier));
            }
        }
    }

    fn want_agreement(&mut self, agreement: AgreementId) {
        self.store.want::<AgreementRecord>(&agreement);
        self.store.want::<AgreementState>(&agreement);
    }

    fn want_meter(&mut self, meter: MeterId) {
        self.store.want::<MeterRecord>(&meter);
        self.store.want::<MeterState>(&meter);
    }

    /// The result; and where cells were missing for it, `want` asks for the others that it would have missed next.
    pub fn or_want<T>(&mut self, result: Ruled<T>, want: impl FnOnce(&mut Self)) -> Ruled<T> {
        if matches!(result, Err(Stop::Unfetched)) {
            want(self);
        }
        result
    }

    /// Before an agreement begins or acts: its parties, and what its program uses.
    pub fn want_used_by(&mut self, agreement: &Agreement) {
        self.store.want::<AccountRecord>(&agreement.terms.owner);
        self.store.want::<AccountRecord>(&agreement.terms.user);
        match &agreement.terms.program {
            Program::Purchase(terms) => self.want_purchase(agreement.terms.owner, terms),
            Program::Subscription(terms) => self.want_subscription(agreement.id, terms),
        }
    }

    fn want_purchase(&mut self, owner: AccountId, terms: &PurchaseTerms) {
        let before_delivery = self.now < terms.window.from;
        for lot in &terms.lots {
            for meter in [lot.metering.delivery, lot.metering.take].into_iter().flatten() {
                match before_delivery {
                    true => self.want_meter(meter),
                    false => self.store.want::<MeterState>(&meter),
                }
            }
            if before_delivery {
                self.store.want::<CapacityRecord>(&(owner, lot.carrier));
                for day in crate::capacity::days(terms.window) {
                    self.store.want::<SoldDay>(&(owner, lot.carrier, day));
                }
            }
        }
        if let Some(at) = terms.settles_at().filter(|at| *at > self.now) {
            self.want_due(at);
        }
    }

    fn want_subscription(&mut self, id: AgreementId, terms: &SubscriptionTerms) {
        self.store.want::<PackageVersion>(&(terms.package, terms.version));
        for service in &terms.services {
            self.store.want::<ServiceState>(&(id, service.carrier));
            self.store.want::<TariffRecord>(&(terms.package, terms.version, service.carrier, service.option));
            if let Some(meter) = service.meter {
                self.want_meter(meter);
            }
        }
    }

    /// The calendar's way to a time, as far as the calendar reaches.
    pub fn want_due(&mut self, at: Timestamp) {
        let Ok(second) = u32::try_from(at.0.div_ceil(SECOND_MS)) else { return };
        self.want_due_nodes(second);
        self.store.want::<DueBucket>(&second);
    }
}
