//! What tenants paid, what owners earned, and whether what was supplied was billed.

use super::*;

/// What today's charging asks for a load in the time to `until`.
pub fn baseline(year: &Year, carrier: Carrier, tenant: usize, until: Timestamp) -> Money {
    let package = version_1();
    let Some(load) = year.load_of(carrier, tenant) else { return Money::ZERO };
    let hours = crate::data::hours_of(Window { from: year_begin(), to: until });
    let option = package.options_of(carrier).nth(BY_AREA.into()).expect("the package offers every carrier");
    match &option.tariff {
        Tariff::FloorArea(tariff) => {
            let window = Window { from: year_begin(), to: until };
            area_charge(tariff, year.tenants()[tenant].floor_area_m2, window, 0)
        }
        Tariff::Metered(tariff) => {
            let weight = hours.map(|hour| {
                let band = tariff.time_of_use.calendar.band_at(hour_begin(hour), OFFSET_MINUTES);
                u128::from(load[hour]) * u128::from(tariff.time_of_use.factor_permille(band))
            });
            let unit = u128::from(tariff.price.per.base_units()) * 1_000;
            let charge = ratio_half_even(u128::from(tariff.price.money.0) * weight.sum::<u128>(), unit);
            Money(charge.expect("a year's bill is far below what money holds"))
        }
        Tariff::MeteredByPeriod(_) => unreachable!("the first option for heat and cold is by floor area"),
    }
}

/// Thousandths of the baseline that were saved, rounded half up; negative if it cost more. What was lost of deposits is a cost,
/// what others lost to this one is none.
pub fn saved_permille(baseline: Money, package: Money, forfeited: Money, compensated: Money) -> i64 {
    let cost = i128::from(package.0) + i128::from(forfeited.0) - i128::from(compensated.0);
    let whole = i128::from(baseline.0.max(1));
    let saved = (2_000 * (i128::from(baseline.0) - cost) + whole).div_euclid(2 * whole);
    i64::try_from(saved).unwrap_or(i64::MIN)
}

impl Scope<'_> {
    pub(super) fn tenant(&self, tenant: usize) -> TenantReport {
        let record = &self.year.tenants()[tenant];
        let account = self.cast.account(&record.name);
        let advice = self.journal.subscriptions.iter().find(|subscription| subscription.tenant == record.name);
        let mut bills: BTreeMap<Carrier, CarrierBill> = self
            .year
            .carriers_of(tenant)
            .map(|carrier| {
                let advice = advice.and_then(|advice| advice.advice.iter().find(|advice| advice.carrier == carrier));
                let bill = CarrierBill {
                    carrier,
                    mode: advice.map_or(String::new(), |advice| mode_name(advice.mode())),
                    consumed: Quantity::ZERO,
                    purchased: Quantity::ZERO,
                    baseline: baseline(self.year, carrier, tenant, self.until),
                    subscription: Money::ZERO,
                    purchases: Money::ZERO,
                };
                (carrier, bill)
            })
            .collect();
        let (mut forfeited, mut compensated) = (Money::ZERO, Money::ZERO);
        for record in self.complete().filter(|record| record.user == account) {
            for line in &record.statement.lines {
                match *line {
                    StatementLine::Usage { carrier, quantity, .. } => {
                        bill(&mut bills, carrier).consumed.0 += quantity.0
                    }
                    StatementLine::Energy { carrier, amount, .. }
                    | StatementLine::FloorArea { carrier, amount, .. } => {
                        bill(&mut bills, carrier).subscription.0 += amount.0
                    }
                    StatementLine::Credit { carrier, amount, bands, .. } => {
                        let bill = bill(&mut bills, carrier);
                        bill.consumed = bill.consumed.saturating_sub(Quantity(total(&bands)));
                        bill.subscription = bill.subscription.saturating_sub(amount);
                    }
                    StatementLine::Refund { carrier, withheld, .. } => {
                        bill(&mut bills, carrier).subscription.0 += withheld.0
                    }
                    StatementLine::Delivery { carrier, delivered, amount, .. } => {
                        let bill = bill(&mut bills, carrier);
                        bill.consumed.0 += delivered.0;
                        bill.purchased.0 += delivered.0;
                        bill.purchases.0 += amount.0;
                    }
                    StatementLine::Forfeit { by: Party::USER, amount, .. } => forfeited.0 += amount.0,
                    StatementLine::Forfeit { by: Party::OWNER, amount, .. } => compensated.0 += amount.0,
                    StatementLine::Forfeit { .. }
                    | StatementLine::DefaultForfeit { .. }
                    | StatementLine::NoReading { .. }
                    | StatementLine::Levy { .. }
                    | StatementLine::Fixed { .. }
                    | StatementLine::Minimum { .. }
                    | StatementLine::Demand { .. }
                    | StatementLine::Clause { .. }
                    | StatementLine::Tax { .. } => {}
                }
            }
        }
        let carriers: Vec<CarrierBill> = bills.into_values().collect();
        let baseline: Money = carriers.iter().map(|bill| bill.baseline).sum();
        let package: Money = carriers.iter().map(|bill| Money(bill.subscription.0 + bill.purchases.0)).sum();
        let consumed = |carrier| {
            carriers
                .iter()
                .find(|bill| bill.carrier == carrier)
                .map_or((0, 0), |bill| (bill.consumed.0, bill.purchased.0))
        };
        let (electricity, solar) = consumed(Carrier::Electricity);
        let thermal = consumed(Carrier::Heating).0 + consumed(Carrier::Cooling).0;
        let (gas, _) = consumed(Carrier::Gas);
        let grams = u128::from(electricity - solar) * u128::from(GRAMS_PER_KWH) / 3_600_000
            + u128::from(gas) * u128::from(GRAMS_PER_M3_GAS) / 1_000_000;
        TenantReport {
            tenant: record.name.clone(),
            account,
            category: record.category.clone(),
            floor_area_m2: record.floor_area_m2,
            baseline,
            package,
            saved_permille: saved_permille(baseline, package, forfeited, compensated),
            forfeited,
            compensated,
            electricity_kwh: electricity / 3_600_000,
            solar_kwh: solar / 3_600_000,
            thermal_kwh: thermal / 3_600_000,
            carbon_kg: (grams / 1_000) as u64,
            prepaid: self.account(account).map_or(Money::ZERO, |account| account.reserved),
            carriers,
        }
    }

    fn account(&self, account: AccountId) -> Option<&AccountView> {
        self.books.accounts.iter().find(|record| record.account == account)
    }

    pub(super) fn revenue(&self, owner: &str) -> Revenue {
        let account = self.cast.account(owner);
        let (mut subscriptions, mut purchases, mut forfeits) = (Money::ZERO, Money::ZERO, 0i64);
        for record in self.books.statements.iter().filter(|record| record.owner == account) {
            match record.kind {
                Kind::Purchase => purchases.0 += record.statement.paid.0,
                Kind::Subscription => subscriptions.0 += record.statement.paid.0,
                Kind::Coded => {}
            }
            for line in &record.statement.lines {
                match line {
                    StatementLine::Forfeit { by: Party::USER, amount, .. } => forfeits += amount.0 as i64,
                    StatementLine::Forfeit { by: Party::OWNER, amount, .. } => forfeits -= amount.0 as i64,
                    _ => {}
                }
            }
        }
        if owner == STATION {
            subscriptions.0 += self.debts_paid().0;
        }
        let contracts_micro = self.by_contracts(account);
        Revenue { owner: owner.into(), subscriptions, purchases, contracts_micro, forfeits_micro: forfeits }
    }

    /// What tenants have paid later of what they could not pay with a statement.
    pub(super) fn debts_paid(&self) -> Money {
        let paid = self.journal.entries.iter().map(|entry| match entry.deed {
            Deed::DebtPaid { amount, .. } => amount,
            _ => Money::ZERO,
        });
        paid.sum()
    }

    pub(super) fn balance(&self, carrier: Carrier) -> CarrierBalance {
        let window = Window { from: year_begin(), to: self.until };
        let tenants = 0..self.year.tenants().len();
        let supplied = tenants.map(|tenant| self.year.total_in(carrier, tenant, window)).sum();
        let (mut by_subscription, mut by_purchase, mut credited) = (0, 0, 0);
        for line in self.complete().flat_map(|record| record.statement.lines.iter()) {
            match *line {
                StatementLine::Usage { carrier: of, quantity, .. } if of == carrier => by_subscription += quantity.0,
                StatementLine::Delivery { carrier: of, delivered, .. } if of == carrier => by_purchase += delivered.0,
                StatementLine::Credit { carrier: of, bands, .. } if of == carrier => credited += total(&bands),
                _ => {}
            }
        }
        let is_counted = |part: &&Unbilled| part.carrier == carrier && part.interval.to <= self.until;
        let unbilled = self.journal.unbilled.iter().filter(is_counted);
        let pending = self
            .journal
            .pending
            .iter()
            .filter(|part| part.carrier == carrier && part.flowed < self.until && self.journal.end < part.billed);
        CarrierBalance {
            carrier,
            supplied: Quantity(supplied),
            by_subscription: Quantity(by_subscription - credited),
            by_purchase: Quantity(by_purchase),
            unbilled: Quantity(unbilled.map(|part| part.quantity.0).sum()),
            pending: pending.map(|part| part.base_units).sum(),
        }
    }
}

fn total(bands: &Bands) -> u64 {
    bands.0.iter().map(|quantity| quantity.0).sum()
}

fn bill(bills: &mut BTreeMap<Carrier, CarrierBill>, carrier: Carrier) -> &mut CarrierBill {
    bills.get_mut(&carrier).expect("a tenant is billed for carriers that it has")
}

/// What a mode is called in the report.
pub fn mode_name(mode: Mode) -> String {
    let period = |period| match period {
        utilidor_types::package::Period::Month => "month",
        utilidor_types::package::Period::Quarter => "quarter",
        utilidor_types::package::Period::Year => "year",
    };
    match mode {
        Mode::FloorArea(length) => format!("floor area, by the {}", period(length)),
        Mode::Metered(length) => format!("metered, by the {}", period(length)),
        Mode::TopUps(size) => format!("metered, top-ups of {}", size.0 / utilidor_types::money::MICRO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_counts_deposits_lost_and_is_rounded() {
        let saved = |package, forfeited, compensated| {
            saved_permille(Money(30_000), Money(package), Money(forfeited), Money(compensated))
        };
        assert_eq!(saved(27_000, 0, 0), 100);
        assert_eq!(saved(27_000, 300, 0), 90, "a deposit lost is a cost");
        assert_eq!(saved(27_000, 0, 300), 110);
        assert_eq!((saved(26_986, 0, 0), saved(26_984, 0, 0)), (100, 101), "to the nearest thousandth");
        assert_eq!((saved(30_014, 0, 0), saved(30_016, 0, 0)), (0, -1));
    }
}
