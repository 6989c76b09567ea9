//! What tenants subscribe to, and what they pay ahead.

use super::*;

impl<P: Platform> Player<'_, P> {
    pub(super) async fn answer_notices(&mut self, day: usize, receipts: Vec<Receipt>) -> Result<(), PlayError> {
        let mut batch = Vec::new();
        let mut deeds = Vec::new();
        for event in receipts.iter().flat_map(Receipt::events) {
            let Event::LowBalance { subscription, carrier } = *event else { continue };
            let Some(running) = self.running.iter().find(|running| running.agreement == subscription) else { continue };
            let adviser = self.adviser(running);
            let Some(amount) = adviser.next_top_up(carrier, running.modes[&carrier], day) else { continue };
            let who = self.year.tenants()[running.tenant].name.clone();
            let payment = Prepayment::Amount(amount);
            batch.push(self.plan(&who, Action::Prepay { subscription, carrier, payment }));
            deeds.push(Deed::Prepaid { agreement: subscription, carrier, payment });
        }
        if !batch.is_empty() {
            self.submit(batch).await?;
            deeds.into_iter().for_each(|deed| self.done(deed));
        }
        Ok(())
    }

    pub(super) fn adviser(&self, running: &Running) -> Adviser<'_> {
        Adviser { year: self.year, package: &self.packages[running.version as usize - 1], tenant: running.tenant }
    }

    /// Chooses a tenant's services from `day` on; [`Self::subscribe_new`] signs for them.
    pub(super) fn begin_subscription(&mut self, tenant: usize, day: usize) {
        let record = &self.year.tenants()[tenant];
        let version = 1;
        let adviser = Adviser { year: self.year, package: &self.packages[0], tenant };
        let advice: Vec<Advice> = self.year.carriers_of(tenant).map(|carrier| adviser.advise(carrier, day)).collect();
        let services: Vec<Service> = advice
            .iter()
            .map(|advice| Service {
                carrier: advice.carrier,
                option: advice.option(),
                meter: Some(meter_id(&tenant_meter(&record.name, advice.carrier))),
                floor_area: Area::square_metres(record.floor_area_m2).expect("an area of the park is small"),
                low_balance: adviser.low_balance(advice.carrier, advice.mode()),
            })
            .collect();
        let label = format!("subscription from day {day}");
        let agreement = agreement_id(&record.name, &label);
        let modes = advice.iter().map(|advice| (advice.carrier, advice.mode())).collect();
        let label = Label::of_text(&label);
        let allowance = if record.name == LEAVES && day == 0 { Money::ZERO } else { ALLOWANCE };
        self.running.push(Running { agreement, label, tenant, from_day: day, version, modes, services, allowance });
        let tenant = record.name.clone();
        self.journal.subscriptions.push(Subscription { agreement, tenant, from_day: day, advice });
    }

    /// Signs the subscriptions that were begun and not signed yet, and makes their first prepayments.
    pub(super) async fn subscribe_new(&mut self) -> Result<(), PlayError> {
        let day = hour_at(self.at) / 24;
        let mut subscriptions = Vec::new();
        let mut payments = Vec::new();
        for running in self.running.iter().filter(|running| running.from_day == day) {
            let (agreement, version, services) = (running.agreement, running.version, running.services.clone());
            let who = self.year.tenants()[running.tenant].name.clone();
            let allowance = running.allowance;
            let terms = subscription_terms(version, &services, allowance);
            subscriptions.push((who.clone(), Action::Subscribe { label: running.label, terms }));
            payments.push((running.tenant, Deed::Subscribed { agreement, tenant: who, version, services, allowance }));
            let adviser = self.adviser(running);
            for (carrier, mode) in &running.modes {
                let top_up = adviser.first_top_up(*carrier, *mode, day).map(Prepayment::Amount);
                let period = adviser.period_payment(*carrier, *mode, running.from_day, day);
                let payment = top_up.or(period);
                let deed = |payment| Deed::Prepaid { agreement, carrier: *carrier, payment };
                payments.extend(payment.map(|payment| (running.tenant, deed(payment))));
            }
        }
        // A subscription and its first payments enter one block, so that nothing is consumed before it is paid for.
        let mut batch: Vec<Planned> = subscriptions.into_iter().map(|(who, action)| self.plan(&who, action)).collect();
        for (tenant, deed) in &payments {
            let Deed::Prepaid { agreement, carrier, payment } = deed else { continue };
            let action = Action::Prepay { subscription: *agreement, carrier: *carrier, payment: *payment };
            let who = self.year.tenants()[*tenant].name.clone();
            batch.push(self.plan(&who, action));
        }
        self.submit(batch).await?;
        payments.into_iter().for_each(|(_, deed)| self.done(deed));
        Ok(())
    }

    pub(super) async fn prepay(
        &mut self,
        payments: Vec<(AgreementId, usize, Carrier, Prepayment)>,
    ) -> Result<(), PlayError> {
        let mut batch = Vec::new();
        for (subscription, tenant, carrier, payment) in &payments {
            let who = self.year.tenants()[*tenant].name.clone();
            let action = Action::Prepay { subscription: *subscription, carrier: *carrier, payment: *payment };
            batch.push(self.plan(&who, action));
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.submit(batch).await?;
        for (agreement, _, carrier, payment) in payments {
            self.done(Deed::Prepaid { agreement, carrier, payment });
        }
        Ok(())
    }

    /// The prepayments of periods that begin on this first day of a month.
    pub(super) async fn pay_periods(&mut self, day: usize) -> Result<(), PlayError> {
        let mut payments = Vec::new();
        for running in self.running.iter().filter(|running| running.from_day < day) {
            let adviser = self.adviser(running);
            for (carrier, mode) in &running.modes {
                if let Some(payment) = adviser.period_payment(*carrier, *mode, running.from_day, day) {
                    payments.push((running.agreement, running.tenant, *carrier, payment));
                }
            }
        }
        self.prepay(payments).await
    }
}

pub(super) fn subscription_terms(version: u32, services: &[Service], allowance: Money) -> SubscriptionTerms {
    let services = services.to_vec().try_into().expect("a service for each carrier is within the bound");
    SubscriptionTerms { package: package_id(), version, services, allowance }
}
