//! The native program `package`: Energy Packages, their subscriptions and prepayments [M19-M23].
//!
//! A prepayment opens a tranche. Consumption draws the tranches of its service first in, first out, in weight
//! (base units x the time-of-use factor in thousandths); what nothing covers is owed, and drawn first from the
//! next tranche. A statement a month charges what was drawn: the cumulative amount, half to even, less what was
//! charged before; a tranche that is used up has cost exactly what was paid for it.

use crate::execution::Ledger;
use crate::member::Caller;
use crate::program::{Draft, Effect, Facts};
use crate::record::{
    AgreementRecord, AgreementState, MeterState, PackageHead, PackageVersion, ProgramState, ServiceState, TariffRecord,
    Tranche, TrancheOf,
};
use crate::store::Ruled;
use std::collections::BTreeSet;
use utilidor_types::action::Prepayment;
use utilidor_types::agreement::{Agreement, AgreementTerms, Origin, Service, Side, Status, SubscriptionTerms};
use utilidor_types::event::{Movement, Purpose};
use utilidor_types::hash::hash_of;
use utilidor_types::money::ratio_half_even;
use utilidor_types::package::{
    Band, FloorAreaTariff, MAX_FACTOR_PERMILLE, MAX_TARIFF_OPTIONS, MeteredTariff, Period, PeriodDiscounts, TimeOfUse,
    TranchePrice,
};
use utilidor_types::statement::{MAX_TRANCHES, STATEMENT_GRACE_MS, StatementLine};
use utilidor_types::{
    AgreementId, Bounded, Carrier, Event, Money, Package, Price, Program, Quantity, Refusal, Role, Tariff, Timestamp,
    Window,
};

/// Stands for an amount that money cannot hold: it is more than anyone has, and what exceeds the balance stays unpaid.
const BEYOND_MONEY: Money = Money(u64::MAX);
/// Farthest offset from UTC in minutes.
const MAX_OFFSET_MINUTES: i16 = 14 * 60;

// ---- publishing -------------------------------------------------------------------------------------------

fn check_discount(permille: u16) -> Result<(), Refusal> {
    if permille >= 1_000 { Err(Refusal::RateTooHigh { permille, max: 999 }) } else { Ok(()) }
}

fn check_discounts(discounts: &PeriodDiscounts) -> Result<(), Refusal> {
    [discounts.month_permille, discounts.quarter_permille, discounts.year_permille]
        .into_iter()
        .try_for_each(check_discount)
}

fn check_price(carrier: Carrier, price: Price) -> Result<(), Refusal> {
    if price.money == Money::ZERO {
        return Err(Refusal::ZeroPrice { carrier });
    }
    if !price.per.fits(carrier) {
        return Err(Refusal::PriceUnit { carrier });
    }
    Ok(())
}

fn check_time_of_use(carrier: Carrier, calendar: &TimeOfUse) -> Result<(), Refusal> {
    let factors = calendar.factors_permille.iter().all(|factor| (1..=MAX_FACTOR_PERMILLE).contains(factor));
    let stretches = calendar.stretches.iter().all(|stretch| {
        stretch.from_hour < stretch.to_hour && stretch.to_hour <= 24 && (1..1 << 12).contains(&stretch.months)
    });
    if factors && stretches { Ok(()) } else { Err(Refusal::BadTimeOfUse { carrier }) }
}

fn check_metered(carrier: Carrier, tariff: &MeteredTariff) -> Result<(), Refusal> {
    check_price(carrier, tariff.price)?;
    tariff.steps.iter().try_for_each(|step| check_discount(step.discount_permille))?;
    let rising = |pair: &[utilidor_types::package::Step]| {
        pair[0].from < pair[1].from && pair[0].discount_permille < pair[1].discount_permille
    };
    if !tariff.steps.windows(2).all(rising) {
        return Err(Refusal::StepsNotRising { carrier });
    }
    check_time_of_use(carrier, &tariff.time_of_use)
}

fn check_floor_area(carrier: Carrier, tariff: &FloorAreaTariff) -> Result<(), Refusal> {
    if tariff.per_m2 == Money::ZERO {
        return Err(Refusal::ZeroPrice { carrier });
    }
    let season = &tariff.season;
    let ends = [(season.from_month, season.from_day), (season.to_month, season.to_day)];
    if !ends.iter().all(|(month, day)| (1..=12).contains(month) && (1..=31).contains(day)) || season.days() == 0 {
        return Err(Refusal::BadSeason { carrier });
    }
    check_discounts(&tariff.discounts)
}

/// Order: options, offset; then for each option its number, price, steps, calendar or season, discounts.
fn check_package(package: &Package) -> Result<(), Refusal> {
    if package.options.is_empty() {
        return Err(Refusal::NoOptions);
    }
    if package.offset_minutes.abs() > MAX_OFFSET_MINUTES {
        return Err(Refusal::BadOffset { offset_minutes: package.offset_minutes });
    }
    for carrier in Carrier::ALL {
        if package.options_of(carrier).count() > MAX_TARIFF_OPTIONS {
            return Err(Refusal::TooManyOptions { carrier, max: MAX_TARIFF_OPTIONS as u32 });
        }
    }
    package.options.iter().try_for_each(|option| match &option.tariff {
        Tariff::Metered(tariff) => check_metered(option.carrier, tariff),
        Tariff::MeteredByPeriod(tariff) => {
            check_price(option.carrier, tariff.price)?;
            check_discounts(&tariff.discounts)
        }
        Tariff::FloorArea(tariff) => check_floor_area(option.carrier, tariff),
    })
}

impl Ledger<'_> {
    /// Order: role, owner, version, tariffs. A repeated publication gives the first result.
    pub fn publish_package(&mut self, caller: Caller, package: &Package) -> Ruled<()> {
        self.need_role(caller, Role::Owner)?;
        let document = hash_of("utilidor/package", package);
        let head = self.store.find::<PackageHead>(&package.id)?;
        if head.as_ref().is_some_and(|head| head.owner != caller.account) {
            return Err(Refusal::NotPackageOwner { package: package.id }.into());
        }
        let version_id = (package.id, package.version);
        if self.store.find::<PackageVersion>(&version_id)?.is_some_and(|present| present.document == document) {
            return Ok(());
        }
        let expected = head.map_or(0, |head| head.version) + 1;
        if package.version != expected {
            return Err(Refusal::VersionOrder { version: package.version, expected }.into());
        }
        check_package(package)?;

        self.store.put(&package.id, PackageHead { owner: caller.account, version: package.version });
        self.store.put(&version_id, PackageVersion { document, offset_minutes: package.offset_minutes });
        for carrier in Carrier::ALL {
            for (option, tariff) in (0u8..).zip(package.options_of(carrier)) {
                let id = (package.id, package.version, carrier, option);
                self.store.create(&id, TariffRecord { tariff: tariff.clone() })?;
            }
        }
        Ok(())
    }
}

// ---- subscribing ------------------------------------------------------------------------------------------

/// Local midnight at the beginning of the month `months` after the one of `time`.
fn month_begin(time: Timestamp, months: u32, offset_minutes: i16) -> Result<Timestamp, Refusal> {
    time.date(offset_minutes).first_of_month_after(months).midnight(offset_minutes).ok_or(Refusal::Overflow)
}

impl Ledger<'_> {
    /// Order: role, package, id; then as for every new agreement.
    pub fn subscribe(&mut self, caller: Caller, id: AgreementId, terms: &SubscriptionTerms) -> Ruled<()> {
        self.need_role(caller, Role::User)?;
        let (package, version) = (terms.package, terms.version);
        let head: PackageHead = self.store.get(&package, || Refusal::UnknownPackage { package, version })?;
        let program = Program::Subscription(terms.clone());
        let terms = AgreementTerms { owner: head.owner, user: caller.account, program };
        let agreement = Agreement { id, terms, origin: Origin::Package, sign_by: Timestamp(0) };
        if let Some(present) = self.store.find::<AgreementRecord>(&id)? {
            let same = present.agreement.terms == agreement.terms && present.agreement.origin == agreement.origin;
            return if same { Ok(()) } else { Err(Refusal::IdTaken.into()) };
        }
        self.conclude(Agreement { sign_by: self.now, ..agreement }, true)
    }

    fn tariff(&mut self, package: (utilidor_types::PackageId, u32), service: &Service) -> Ruled<Tariff> {
        let (carrier, option) = (service.carrier, service.option);
        let id = (package.0, package.1, carrier, option);
        Ok(self.store.get::<TariffRecord>(&id, || Refusal::NoSuchOption { carrier, option })?.tariff)
    }

    /// The program's event `signed`. Order: version, services; then for each its carrier, option, area, meter.
    pub fn open_subscription(&mut self, agreement: &Agreement, terms: &SubscriptionTerms) -> Ruled<ProgramState> {
        let (package, version) = (terms.package, terms.version);
        let offset_minutes = self
            .store
            .get::<PackageVersion>(&(package, version), || Refusal::UnknownPackage { package, version })?
            .offset_minutes;
        if terms.services.is_empty() {
            return Err(Refusal::NoServices.into());
        }
        let mut seen = BTreeSet::new();
        for service in &terms.services {
            let carrier = service.carrier;
            if !seen.insert(carrier) {
                return Err(Refusal::DuplicateCarrier { carrier }.into());
            }
            match self.tariff((package, version), service)? {
                Tariff::FloorArea(_) if service.floor_area_m2 == 0 => {
                    return Err(Refusal::ServiceNeedsArea { carrier }.into());
                }
                Tariff::Metered(_) | Tariff::MeteredByPeriod(_) if service.meter.is_none() => {
                    return Err(Refusal::ServiceNeedsMeter { carrier }.into());
                }
                _ => {}
            }
            if let Some(meter) = service.meter {
                let mut state = self.serving_meter(meter, carrier, agreement.terms.user)?;
                if let Some(subscription) = state.subscription {
                    return Err(Refusal::MeterSubscribed { meter, subscription }.into());
                }
                state.subscription = Some(agreement.id);
                self.store.put(&meter, state);
            }
            let state = ServiceState {
                tariff: (package, version, service.option),
                offset_minutes,
                floor_area_m2: service.floor_area_m2,
                area_paid_until: month_begin(self.now, 0, offset_minutes)?,
                low_balance: service.low_balance,
                low_noticed: false,
                exhausted_noticed: false,
                tranches_opened: 0,
                usage: Default::default(),
                owed_weight: 0,
                tranches: Bounded::empty(),
            };
            self.store.create(&(agreement.id, carrier), state)?;
        }
        self.schedule_statement(agreement.id, offset_minutes)?;
        Ok(ProgramState::Subscription { period_from: self.now })
    }

    fn schedule_statement(&mut self, subscription: AgreementId, offset_minutes: i16) -> Ruled<()> {
        let ends = month_begin(self.now, 1, offset_minutes)?;
        self.schedule(subscription, ends.checked_add_ms(STATEMENT_GRACE_MS).ok_or(Refusal::Overflow)?)
    }
}

// ---- prepaying --------------------------------------------------------------------------------------------

impl Ledger<'_> {
    /// Order: agreement, party, status, program, service; payment's kind, amount, period; room for a tranche;
    /// what it buys; funds.
    pub fn prepay(
        &mut self,
        caller: Caller,
        subscription: AgreementId,
        carrier: Carrier,
        payment: Prepayment,
    ) -> Ruled<()> {
        self.store.want::<ServiceState>(&(subscription, carrier));
        let (agreement, mut state, side) = self.party(caller, subscription)?;
        if side != Side::User {
            return Err(Refusal::NotParty { agreement: subscription }.into());
        }
        if state.status != Status::Active {
            return Err(Refusal::WrongStatus { status: state.status }.into());
        }
        if !matches!(agreement.terms.program, Program::Subscription(_)) {
            return Err(Refusal::WrongProgram.into());
        }
        let id = (subscription, carrier);
        let mut service: ServiceState = self.store.get(&id, || Refusal::NoSuchService { carrier })?;
        let tariff = self.service_tariff(carrier, &service)?;
        let (paid, buys) = what_it_buys(carrier, &service, &tariff, payment, self.now)?;
        service.tranches_opened += 1;
        let mut tranche = Tranche { number: service.tranches_opened, paid, billed: Money::ZERO, buys };
        let (discount_permille, period) = match &mut tranche.buys {
            TrancheOf::Energy { price, weight, drawn, period, .. } => {
                *drawn = service.owed_weight.min(*weight);
                service.owed_weight -= *drawn;
                (price.discount_permille, *period)
            }
            TrancheOf::Area { period, discount_permille, .. } => {
                service.area_paid_until = period.to;
                (*discount_permille, Some(*period))
            }
        };
        service.low_noticed = false;
        service.exhausted_noticed = false;
        service.tranches.push(tranche).map_err(|_| Refusal::TooManyTranches { max: MAX_TRANCHES as u32 })?;

        let movement = Movement::Reserve { side: Side::User, purpose: Purpose::Prepayment };
        self.move_money(subscription, &agreement.terms, &mut state, movement, paid)?;
        self.store.put(&subscription, state);
        self.store.put(&id, service);
        let tranche = tranche.number;
        self.events.push(Event::TrancheOpened { subscription, carrier, tranche, paid, discount_permille, period });
        Ok(())
    }

    fn service_tariff(&mut self, carrier: Carrier, service: &ServiceState) -> Ruled<Tariff> {
        let (package, version, option) = service.tariff;
        Ok(self.store.known::<TariffRecord>(&(package, version, carrier, option))?.tariff)
    }
}

/// What a payment costs and buys.
fn what_it_buys(
    carrier: Carrier,
    service: &ServiceState,
    tariff: &Tariff,
    payment: Prepayment,
    now: Timestamp,
) -> Result<(Money, TrancheOf), Refusal> {
    let offset = service.offset_minutes;
    let energy = |amount: Money, price: TranchePrice, period: Option<Window>| {
        if amount == Money::ZERO {
            return Err(Refusal::ZeroAmount);
        }
        let weight = price.weight_floor(amount).ok_or(Refusal::Overflow)?;
        if weight == 0 {
            return Err(Refusal::BuysNothing);
        }
        // What is charged in the end must be computable: the whole tranche, without its discount too.
        price.undiscounted().amount_half_even(weight).ok_or(Refusal::Overflow)?;
        Ok((amount, TrancheOf::Energy { price, weight, drawn: 0, drawn_billed: 0, period }))
    };
    match (tariff, payment) {
        (Tariff::Metered(tariff), Prepayment::Amount(amount)) => {
            let discount_permille = tariff.discount_permille(amount);
            energy(amount, TranchePrice { price: tariff.price, discount_permille }, None)
        }
        (Tariff::MeteredByPeriod(tariff), Prepayment::AmountForPeriod { amount, period }) => {
            let window = Window { from: month_begin(now, 0, offset)?, to: month_begin(now, period.months(), offset)? };
            let runs = service.tranches.iter().find_map(|tranche| match tranche.buys {
                TrancheOf::Energy { period: Some(Window { to, .. }), price, .. } => {
                    (price.discount_permille > 0 && to > now).then_some(to)
                }
                _ => None,
            });
            if let Some(until) = runs.filter(|_| period != Period::Month) {
                return Err(Refusal::PeriodRuns { until });
            }
            let discount_permille = tariff.discounts.permille(period);
            energy(amount, TranchePrice { price: tariff.price, discount_permille }, Some(window))
        }
        (Tariff::FloorArea(tariff), Prepayment::Period { period, at_most }) => {
            let from = next_month_in_season(tariff, service.area_paid_until, offset)?;
            let window = Window { from, to: month_begin(from, period.months(), offset)? };
            let days = tariff.season.days_in(window, offset);
            let discount_permille = tariff.discounts.permille(period);
            let amount =
                tariff.amount_half_even(service.floor_area_m2, days, discount_permille).ok_or(Refusal::Overflow)?;
            if amount == Money::ZERO {
                return Err(Refusal::BuysNothing);
            }
            if amount > at_most {
                return Err(Refusal::AboveAtMost { amount, at_most });
            }
            Ok((amount, TrancheOf::Area { period: window, season: tariff.season, days, discount_permille }))
        }
        _ => Err(Refusal::PaymentKind { carrier }),
    }
}

/// The first month from `from` on that has days of the tariff's season: where its next period begins.
fn next_month_in_season(tariff: &FloorAreaTariff, from: Timestamp, offset: i16) -> Result<Timestamp, Refusal> {
    let mut month = from;
    loop {
        let next = month_begin(month, 1, offset)?;
        if tariff.season.days_in(Window { from: month, to: next }, offset) > 0 {
            return Ok(month);
        }
        month = next;
    }
}

// ---- consuming --------------------------------------------------------------------------------------------

impl Ledger<'_> {
    /// The program's event `reading certified`: charges `quantity` of `interval` to the service.
    pub fn consume(
        &mut self,
        subscription: AgreementId,
        carrier: Carrier,
        interval: Window,
        quantity: Quantity,
    ) -> Ruled<()> {
        let id = (subscription, carrier);
        let mut service: ServiceState = self.store.known(&id)?;
        let tariff = self.service_tariff(carrier, &service)?;
        let notices = consumed(&mut service, &tariff, interval, quantity)?;

        self.store.put(&id, service);
        for notice in notices.into_iter().flatten() {
            self.events.push(match notice {
                Notice::Low => Event::LowBalance { subscription, carrier },
                Notice::Exhausted => Event::Exhausted { subscription, carrier },
            });
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    Low,
    Exhausted,
}

fn consumed(
    service: &mut ServiceState,
    tariff: &Tariff,
    interval: Window,
    quantity: Quantity,
) -> Result<[Option<Notice>; 2], Refusal> {
    let calendar = TimeOfUse::none();
    let (calendar, grace) = match tariff {
        Tariff::Metered(tariff) => (&tariff.time_of_use, Some(tariff.grace)),
        Tariff::MeteredByPeriod(tariff) => (&calendar, Some(tariff.grace)),
        Tariff::FloorArea(_) => (&calendar, None),
    };
    let bands = calendar.split(interval, quantity, service.offset_minutes);
    let mut weight = 0u64;
    for (band, quantity) in Band::ALL.into_iter().zip(bands) {
        let usage = &mut service.usage[band as usize];
        *usage = usage.checked_add(quantity).ok_or(Refusal::Overflow)?;
        let part = quantity.0.checked_mul(calendar.factor_permille(band).into()).ok_or(Refusal::Overflow)?;
        weight = weight.checked_add(part).ok_or(Refusal::Overflow)?;
    }
    let Some(grace) = grace else { return Ok([None; 2]) };

    let mut left = 0u64;
    for tranche in service.tranches.as_mut_slice() {
        let TrancheOf::Energy { weight: bought, drawn, period, .. } = &mut tranche.buys else { continue };
        if period.is_some_and(|period| interval.from < period.from || period.to <= interval.from) {
            continue;
        }
        let draw = weight.min(*bought - *drawn);
        *drawn += draw;
        weight -= draw;
        left = left.saturating_add(*bought - *drawn);
    }
    service.owed_weight = service.owed_weight.checked_add(weight).ok_or(Refusal::Overflow)?;

    let below = |quantity: Quantity| quantity.0.saturating_mul(1_000);
    let low = !service.low_noticed && left < below(service.low_balance);
    let exhausted = !service.exhausted_noticed && service.owed_weight > below(grace);
    service.low_noticed |= low;
    service.exhausted_noticed |= exhausted;
    Ok([low.then_some(Notice::Low), exhausted.then_some(Notice::Exhausted)])
}

// ---- statements -------------------------------------------------------------------------------------------

/// Whether a statement closes a month or ends the subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closing {
    Month,
    End,
}

/// What a statement comes to.
#[derive(Debug, Default)]
struct Bill {
    lines: Vec<StatementLine>,
    from_prepaid: Money,
    refunded: Money,
    owed: Money,
}

impl Ledger<'_> {
    /// The program's event `time reached`: makes the statement of a month that is over, and schedules the next.
    /// `false` if no month is over.
    pub fn month_over(&mut self, agreement: &Agreement, state: &mut AgreementState) -> Ruled<bool> {
        let period_from = period_from(state);
        let offset = self.subscription_offset(agreement)?;
        let Some(ends) = month_begin(period_from, 1, offset).ok() else { return Ok(false) };
        if ends.checked_add_ms(STATEMENT_GRACE_MS).is_none_or(|at| at > self.now) {
            return Ok(false);
        }
        self.make_statement(agreement, state, ends, Closing::Month)?;
        // The last month of the ledger's calendar has no next one.
        let next = month_begin(ends, 1, offset).ok().and_then(|ends| ends.checked_add_ms(STATEMENT_GRACE_MS));
        if let Some(next) = next {
            self.schedule(agreement.id, next)?;
        }
        Ok(true)
    }

    fn subscription_offset(&mut self, agreement: &Agreement) -> Ruled<i16> {
        let terms = subscription_terms(&agreement.terms.program);
        Ok(self.store.known::<PackageVersion>(&(terms.package, terms.version))?.offset_minutes)
    }

    /// Ends a subscription: everything is charged up to now, what is left is refunded, meters are freed.
    pub fn end_subscription(&mut self, agreement: &Agreement, state: &mut AgreementState) -> Ruled<()> {
        self.make_statement(agreement, state, self.now, Closing::End)?;
        for service in &subscription_terms(&agreement.terms.program).services {
            self.store.delete::<ServiceState>(&(agreement.id, service.carrier));
            if let Some(meter) = service.meter {
                let mut meter_state: MeterState = self.store.known(&meter)?;
                meter_state.subscription = None;
                self.store.put(&meter, meter_state);
            }
        }
        Ok(())
    }

    /// Other terms for a subscription, signed by both: what was consumed is charged by the old ones. Carriers, meters,
    /// floor areas, kinds of tariff and the offset from UTC stay; versions, options and notices may change.
    pub fn amend_subscription(
        &mut self,
        agreement: &Agreement,
        state: &mut AgreementState,
        terms: &SubscriptionTerms,
    ) -> Ruled<()> {
        let present = subscription_terms(&agreement.terms.program);
        let (package, version) = (terms.package, terms.version);
        let unknown = || Refusal::UnknownPackage { package, version };
        let offset_minutes = self.store.get::<PackageVersion>(&(package, version), unknown)?.offset_minutes;
        if self.store.get::<PackageHead>(&package, unknown)?.owner != agreement.terms.owner {
            return Err(Refusal::NotPackageOwner { package }.into());
        }
        if present.services.len() != terms.services.len() || offset_minutes != self.subscription_offset(agreement)? {
            return Err(Refusal::AmendmentKind.into());
        }
        for (old, new) in present.services.iter().zip(&terms.services) {
            let (old_tariff, new_tariff) =
                (self.tariff((present.package, present.version), old)?, self.tariff((package, version), new)?);
            let same = std::mem::discriminant(&old_tariff) == std::mem::discriminant(&new_tariff);
            let alike = |service: &Service| (service.carrier, service.meter, service.floor_area_m2);
            if !same || alike(old) != alike(new) {
                return Err(Refusal::AmendmentKind.into());
            }
        }
        self.make_statement(agreement, state, self.now, Closing::Month)?;
        for new in &terms.services {
            let id = (agreement.id, new.carrier);
            let mut service: ServiceState = self.store.known(&id)?;
            service.tariff = (package, version, new.option);
            service.low_balance = new.low_balance;
            self.store.put(&id, service);
        }
        self.schedule_statement(agreement.id, offset_minutes)
    }

    fn make_statement(
        &mut self,
        agreement: &Agreement,
        state: &mut AgreementState,
        ends: Timestamp,
        closing: Closing,
    ) -> Ruled<()> {
        let mut bill = Bill::default();
        for service in &subscription_terms(&agreement.terms.program).services {
            self.store.want::<ServiceState>(&(agreement.id, service.carrier));
        }
        for service in &subscription_terms(&agreement.terms.program).services {
            let id = (agreement.id, service.carrier);
            let mut service_state: ServiceState = self.store.known(&id)?;
            let tariff = self.service_tariff(service.carrier, &service_state)?;
            close(service.carrier, &mut service_state, &tariff, ends, closing, &mut bill);
            self.store.put(&id, service_state);
        }
        let facts = Facts { user_free: self.free(agreement.terms.user)? };
        let period = Window { from: period_from(state), to: ends };
        state.program = ProgramState::Subscription { period_from: ends };
        self.carry_out(agreement, state, effects(bill, period, facts, closing))
    }
}

fn subscription_terms(program: &Program) -> &SubscriptionTerms {
    match program {
        Program::Subscription(terms) => terms,
        Program::Purchase(_) => unreachable!("the caller has looked at the program"),
    }
}

fn period_from(state: &AgreementState) -> Timestamp {
    match state.program {
        ProgramState::Subscription { period_from } => period_from,
        _ => unreachable!("an active subscription has a subscription's state"),
    }
}

fn effects(bill: Bill, period: Window, facts: Facts, closing: Closing) -> Vec<Effect> {
    let owed_paid = bill.owed.min(Money(facts.user_free.0 + bill.refunded.0));
    let unpaid = bill.owed.saturating_sub(owed_paid);
    let paid = Money(bill.from_prepaid.0 + owed_paid.0);
    let mut effects = vec![
        Effect::Move(Movement::PayFromReserve { purpose: Purpose::Prepayment }, bill.from_prepaid),
        Effect::Move(Movement::Release { side: Side::User, purpose: Purpose::Prepayment }, bill.refunded),
        Effect::Move(Movement::Pay, owed_paid),
        Effect::Issue(Draft { period, lines: bill.lines, paid, unpaid, substituted: false }),
    ];
    if closing == Closing::End {
        effects.push(Effect::Finish(if unpaid > Money::ZERO { Status::Defaulted } else { Status::Terminated }));
    }
    effects
}

/// Closes a service's accounts at `ends`: notes usage, charges what was drawn or has passed, and gives back what
/// is over (a period's leftover; at the end of the subscription everything, less the discount on what was used).
fn close(
    carrier: Carrier,
    service: &mut ServiceState,
    tariff: &Tariff,
    ends: Timestamp,
    closing: Closing,
    bill: &mut Bill,
) {
    let none = TimeOfUse::none();
    let (calendar, charged) = match tariff {
        Tariff::Metered(tariff) => (&tariff.time_of_use, true),
        Tariff::MeteredByPeriod(_) => (&none, true),
        Tariff::FloorArea(_) => (&none, false),
    };
    for (band, quantity) in Band::ALL.into_iter().zip(std::mem::take(&mut service.usage)) {
        if quantity > Quantity::ZERO {
            let factor_permille = if charged { calendar.factor_permille(band) } else { 0 };
            bill.lines.push(StatementLine::Usage { carrier, band, factor_permille, quantity });
        }
    }
    let offset = service.offset_minutes;
    for tranche in service.tranches.as_mut_slice() {
        charge(carrier, tranche, ends, offset, bill);
        if closing == Closing::End || is_over(tranche, ends) {
            refund(carrier, tranche, ends, offset, closing, bill);
        }
    }
    service.tranches.retain(|tranche| tranche.billed < tranche.paid);
    if service.owed_weight > 0 {
        bill.lines.push(StatementLine::Owed { carrier, weight: service.owed_weight });
    }
    if closing == Closing::End {
        charge_owed(carrier, service, tariff, ends, bill);
    }
}

fn is_over(tranche: &Tranche, at: Timestamp) -> bool {
    match tranche.buys {
        TrancheOf::Energy { period, .. } => period.is_some_and(|period| period.to <= at),
        TrancheOf::Area { period, .. } => period.to <= at,
    }
}

/// Season's days of an area tranche that have passed.
fn days_passed(tranche_of: &TrancheOf, at: Timestamp, offset: i16) -> u32 {
    match tranche_of {
        TrancheOf::Energy { .. } => 0,
        TrancheOf::Area { period, season, .. } => {
            season.days_in(Window { from: period.from, to: at.clamp(period.from, period.to) }, offset)
        }
    }
}

/// What a tranche has cost so far: never more than was paid, and exactly that when it is used up.
fn cost_so_far(tranche: &Tranche, at: Timestamp, offset: i16) -> Money {
    let cost = match tranche.buys {
        TrancheOf::Energy { weight, drawn, .. } if drawn == weight => tranche.paid,
        TrancheOf::Energy { price, drawn, .. } => {
            price.amount_half_even(drawn).expect("the whole tranche was computable")
        }
        TrancheOf::Area { days, .. } => {
            let passed = days_passed(&tranche.buys, at, offset);
            tranche.paid.share_half_even(passed.into(), days.into()).expect("a share of money is money")
        }
    };
    cost.min(tranche.paid).max(tranche.billed)
}

fn charge(carrier: Carrier, tranche: &mut Tranche, at: Timestamp, offset: i16, bill: &mut Bill) {
    let cost = cost_so_far(tranche, at, offset);
    let amount = cost.saturating_sub(tranche.billed);
    let number = tranche.number;
    match &mut tranche.buys {
        TrancheOf::Energy { price, drawn, drawn_billed, .. } => {
            if *drawn > *drawn_billed {
                let (weight_before, weight) = (*drawn_billed, *drawn - *drawn_billed);
                let price = *price;
                let line = StatementLine::Charge { carrier, tranche: number, price, weight_before, weight, amount };
                bill.lines.push(line);
                *drawn_billed = *drawn;
            }
        }
        TrancheOf::Area { days, .. } => {
            let days = *days;
            if amount > Money::ZERO {
                let days_passed = days_passed(&tranche.buys, at, offset);
                bill.lines.push(StatementLine::FloorArea { carrier, tranche: number, days_passed, days, amount });
            }
        }
    }
    tranche.billed = cost;
    bill.from_prepaid.0 += amount.0;
}

/// Gives back what is left of a tranche. At the end of the subscription the discount on what was used is withheld.
fn refund(carrier: Carrier, tranche: &mut Tranche, at: Timestamp, offset: i16, closing: Closing, bill: &mut Bill) {
    let left = tranche.paid.saturating_sub(tranche.billed);
    if left == Money::ZERO {
        return;
    }
    let undiscounted = match tranche.buys {
        TrancheOf::Energy { price, drawn, .. } => price.undiscounted().amount_half_even(drawn),
        TrancheOf::Area { days, discount_permille, .. } => {
            let passed = days_passed(&tranche.buys, at, offset);
            let whole = u128::from(days) * u128::from(1_000 - discount_permille);
            ratio_half_even(u128::from(tranche.paid.0) * 1_000 * u128::from(passed), whole).map(Money)
        }
    };
    let withheld = match closing {
        Closing::Month => Money::ZERO,
        Closing::End => undiscounted.unwrap_or(tranche.paid).saturating_sub(tranche.billed).min(left),
    };
    let amount = left.saturating_sub(withheld);
    bill.lines.push(StatementLine::Refund { carrier, tranche: tranche.number, amount, withheld });
    bill.from_prepaid.0 += withheld.0;
    bill.refunded.0 += amount.0;
    tranche.billed = tranche.paid;
}

/// At the end of the subscription: what nothing prepaid covers, at the undiscounted price.
fn charge_owed(carrier: Carrier, service: &mut ServiceState, tariff: &Tariff, ends: Timestamp, bill: &mut Bill) {
    let price = match tariff {
        Tariff::Metered(tariff) => tariff.price,
        Tariff::MeteredByPeriod(tariff) => tariff.price,
        Tariff::FloorArea(tariff) => {
            let unpaid = Window { from: service.area_paid_until, to: ends };
            let days = tariff.season.days_in(unpaid, service.offset_minutes);
            let amount = tariff.amount_half_even(service.floor_area_m2, days, 0).unwrap_or(BEYOND_MONEY);
            if amount > Money::ZERO {
                let line = StatementLine::FloorArea { carrier, tranche: 0, days_passed: days, days, amount };
                bill.lines.push(line);
                bill.owed.0 = bill.owed.0.saturating_add(amount.0);
            }
            return;
        }
    };
    let weight = std::mem::take(&mut service.owed_weight);
    if weight == 0 {
        return;
    }
    let undiscounted = TranchePrice { price, discount_permille: 0 };
    let amount = undiscounted.amount_half_even(weight).unwrap_or(BEYOND_MONEY);
    bill.lines.push(StatementLine::OwedCharge { carrier, price, weight, amount });
    bill.owed.0 = bill.owed.0.saturating_add(amount.0);
}
