//! What is special about a day: what the scenario does once.

use super::supply::subscription_terms;
use super::*;
use crate::meters::{COMES_LATE, IS_SILENT, MISREADS};
use crate::tariff::kilowatt_hours;
use utilidor_types::agreement::{Metering, PurchaseLot, PurchaseTerms, Substitute};

/// The meter whose readings are sent in again.
const REPLAYED: (&str, Carrier) = ("hotel", Carrier::Water);

impl<P: Platform> Player<'_, P> {
    pub(super) async fn special(&mut self, day: usize) -> Result<(), PlayError> {
        match day_begin(day) {
            time if time == midnight(1, 15) => self.replay_readings(day).await,
            time if time == midnight(5, 10) => self.correct_reading().await,
            time if time == midnight(6, 30) => self.adjust_tariff().await,
            time if time == midnight(9, 28) => self.end_and_begin_again(day).await,
            time if time == midnight(12, 27) => self.sell_for_a_day().await,
            _ => Ok(()),
        }
    }

    /// Sends the last day's readings of one meter in once more: each of them is refused.
    async fn replay_readings(&mut self, day: usize) -> Result<(), PlayError> {
        let label = tenant_meter(REPLAYED.0, REPLAYED.1);
        let meter = self.meters.iter().find(|meter| meter.label == label).expect("the meter exists");
        let run = self.run_of(meter, (day - 1) * 24..day * 24).expect("the day has readings");
        let count = run.readings.len() as u64;
        let runs = vec![run].try_into().expect("one run is within the bound");
        let batch = vec![self.plan(GATEWAY, Action::RecordReadings { runs })];
        self.submit(batch).await?;
        // The last of them is the very one that the ledger has as the last; the others are older than it.
        *self.journal.refusals.entry("reading/replayed".into()).or_default() += 1;
        *self.journal.refusals.entry("reading/out-of-order".into()).or_default() += count - 1;
        Ok(())
    }

    /// The station publishes version 2; one tenant and the station agree that it applies to them from the next day on.
    async fn adjust_tariff(&mut self) -> Result<(), PlayError> {
        let package = self.packages[1].clone();
        let batch = vec![self.plan(STATION, Action::PublishPackage(package))];
        self.submit(batch).await?;

        let tenant = self.year.tenant(ADJUSTS);
        let place = self.running.iter().position(|running| running.tenant == tenant).expect("it has a subscription");
        let agreement = self.running[place].agreement;
        let program =
            Program::Subscription(subscription_terms(2, &self.running[place].services, self.running[place].allowance));
        let from = midnight(7, 1);
        let proposal = Action::ProposeAmendment { agreement, program: program.clone(), from };
        let batch = vec![self.plan(STATION, proposal)];
        self.submit(batch).await?;
        let terms = AgreementTerms::between(self.cast.account(STATION), self.cast.account(ADJUSTS), program);
        let terms = terms.amendment_digest(from);
        let batch = vec![self.plan(ADJUSTS, Action::SignAmendment { agreement, terms })];
        self.submit(batch).await?;
        self.running[place].version = 2;
        self.done(Deed::Adjusted { agreement, version: 2, from });
        Ok(())
    }

    /// A tenant ends its subscription at noon, is refunded, and takes a new one for the rest of the year. The readings of the
    /// morning come after its final statement.
    async fn end_and_begin_again(&mut self, day: usize) -> Result<(), PlayError> {
        let tenant = self.year.tenant(LEAVES);
        let place = self.running.iter().position(|running| running.tenant == tenant).expect("it has a subscription");
        let agreement = self.running.remove(place).agreement;
        self.advance(Timestamp(day_begin(day).0 + 12 * HOUR_MS)).await?;
        let batch = vec![self.plan(LEAVES, Action::Terminate { agreement })];
        self.submit(batch).await?;
        self.done(Deed::Ended { agreement });
        self.begin_subscription(tenant, day);
        self.subscribe_new().await
    }

    /// The meter operator has found that a register went on too far in an hour of the month before.
    async fn correct_reading(&mut self) -> Result<(), PlayError> {
        let (tenant, carrier) = MISREADS;
        let label = tenant_meter(tenant, carrier);
        let meter = self.meters.iter().find(|meter| meter.label == label).expect("the meter exists");
        let (hour, extra) = meter.misread.expect("it misreads");
        let (certified, right) = (Quantity(meter.hours[hour] + extra), Quantity(meter.hours[hour]));
        let interval = Window { from: hour_begin(hour), to: hour_begin(hour + 1) };
        let reason = "the register went on too far".parse().expect("a short reason");
        let action = Action::CorrectReadings { meter: meter.id, interval, certified, right, reason };
        let batch = vec![self.plan(METER_OPERATOR, action)];
        self.submit(batch).await?;
        self.done(Deed::Corrected { tenant: tenant.into(), carrier, hour, certified, right });
        Ok(())
    }

    /// The station sells heat for one day, whose readings will not have come when the purchase settles.
    async fn sell_for_a_day(&mut self) -> Result<(), PlayError> {
        let (user, carrier) = IS_SILENT;
        let window = Window { from: midnight(12, 29), to: midnight(12, 30) };
        let load = self.year.total_in(carrier, self.year.tenant(user), window);
        let lump = kilowatt_hours(10).0;
        let quantity = Quantity((load / 2 / lump).max(1) * lump);
        let price = Money(300_000);
        let tender = "2025-12/heat for a day".to_owned();
        let take_meter = tenant_meter(user, carrier);
        let metering = Metering { delivery: None, take: Some(meter_id(&take_meter)) };
        let lot = PurchaseLot { carrier, quantity, price: Price::micro_per_kwh(price.0), metering };
        let program = Program::Purchase(PurchaseTerms {
            lots: vec![lot].try_into().expect("one lot is within the bound"),
            window,
            deposit_permille: 100,
            guarantee_permille: 500,
            tolerance_permille: 50,
            grace_ms: crate::tender::GRACE_MS as u32,
            substitute: Substitute::ProRata,
        });
        let terms = AgreementTerms::between(self.cast.account(STATION), self.cast.account(user), program);
        let (agreement, digest) = (agreement_id(STATION, &tender), terms.digest());
        let proposal = Action::ProposeAgreement { label: Label::of_text(&tender), terms, signing_ms: HOUR_MS as u32 };
        let batch = vec![self.plan(STATION, proposal)];
        self.submit(batch).await?;
        let batch = vec![self.plan(user, Action::SignAgreement { agreement, terms: digest })];
        self.submit(batch).await?;
        self.settlements.push(Timestamp(window.to.0 + crate::tender::GRACE_MS));
        let (owner, user) = (STATION.to_owned(), user.to_owned());
        let delivery_meter = None;
        self.done(Deed::Concluded(Purchase {
            agreement,
            tender,
            owner,
            user,
            carrier,
            quantity,
            price,
            delivery_meter,
            take_meter,
            window,
            substitute: true,
        }));
        Ok(())
    }

    /// Notes what of a day's readings will be put right by the statement of the month after.
    pub(super) fn note_pending(&mut self, day: usize) {
        let hours = day * 24..day * 24 + 24;
        let billed = Timestamp(midnight(6, 1).0 + STATEMENT_GRACE_MS);
        for meter in &self.meters {
            let late = meter
                .delayed
                .clone()
                .filter(|hour| hours.contains(hour) && meter.label == tenant_meter(COMES_LATE.0, COMES_LATE.1));
            let late = late.map(|hour| (hour, meter.hours[hour] as i64));
            let misread = meter.misread.filter(|(hour, _)| hours.contains(hour));
            let misread = misread.map(|(hour, extra)| (hour, -(extra as i64)));
            let pending = late.chain(misread).map(|(hour, base_units)| {
                let (carrier, flowed) = (meter.carrier, hour_begin(hour));
                Pending { carrier, flowed, billed, base_units }
            });
            self.journal.pending.extend(pending);
        }
    }

    /// Tenants pay what they owe.
    pub(super) async fn pay_debts(&mut self) -> Result<(), PlayError> {
        let owed: Vec<(AgreementId, Money)> =
            std::mem::take(&mut self.debts).into_iter().filter(|(_, owes)| *owes > Money::ZERO).collect();
        for (agreement, amount) in owed {
            let subscription = self.journal.subscriptions.iter().find(|known| known.agreement == agreement);
            let Some(who) = subscription.map(|subscription| subscription.tenant.clone()) else { continue };
            let batch = vec![self.plan(&who, Action::PayDebt { agreement, amount })];
            self.submit(batch).await?;
            self.done(Deed::DebtPaid { agreement, amount });
        }
        Ok(())
    }
}
