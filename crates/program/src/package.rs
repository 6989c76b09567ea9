//! What a package must satisfy to be published. A published version never changes, so whatever a program computes from
//! one can rely on this.

use utilidor_types::carrier::BaseUnit;
use utilidor_types::package::{Charge, TariffOption};
use utilidor_types::package::{
    ChargeRule, FloorAreaTariff, HALF_HOURS, MAX_FACTOR_PERMILLE, MAX_NOTICE_DAYS, MAX_OFFSET_MINUTES, MAX_PRICE,
    MAX_TARIFF_OPTIONS, MAX_VAT_PERMILLE, MeteredTariff, PeriodDiscounts, Season, Step, TimeOfUse,
};
use utilidor_types::time::Date;
use utilidor_types::{Carrier, Money, Package, Price, Refusal, Tariff};

/// Checks a package. Order: options, offset, notice, charges, options of each carrier; then for each option its value-added
/// tax, price, levy, steps or discounts, calendar or season.
pub fn check(package: &Package) -> Result<(), Refusal> {
    if package.options.is_empty() {
        return Err(Refusal::NoOptions);
    }
    let terms = &package.terms;
    if !(-MAX_OFFSET_MINUTES..=MAX_OFFSET_MINUTES).contains(&terms.offset_minutes) {
        return Err(Refusal::BadOffset { offset_minutes: terms.offset_minutes });
    }
    if !(1..=MAX_NOTICE_DAYS).contains(&terms.notice_days) {
        return Err(Refusal::BadNotice { days: terms.notice_days, max: MAX_NOTICE_DAYS });
    }
    (0u8..).zip(&terms.charges).try_for_each(|(number, charge)| check_charge(number, charge))?;
    for carrier in Carrier::ALL {
        if package.options_of(carrier).count() > MAX_TARIFF_OPTIONS {
            return Err(Refusal::TooManyOptions { carrier, max: MAX_TARIFF_OPTIONS as u32 });
        }
    }
    package.options.iter().try_for_each(check_option)
}

fn check_charge(number: u8, charge: &Charge) -> Result<(), Refusal> {
    let (price, possible) = match &charge.rule {
        ChargeRule::Fixed { per_month } | ChargeRule::Minimum { per_month } => (*per_month, true),
        ChargeRule::Demand { carrier, per_kw } => (*per_kw, carrier.base_unit() == BaseUnit::Joule),
    };
    if charge.name.is_empty() || !possible || price == Money::ZERO || price > MAX_PRICE {
        return Err(Refusal::BadCharge { charge: number });
    }
    check_vat(charge.vat_permille)
}

fn check_vat(permille: u16) -> Result<(), Refusal> {
    if permille > MAX_VAT_PERMILLE { Err(Refusal::RateTooHigh { permille, max: MAX_VAT_PERMILLE }) } else { Ok(()) }
}

fn check_option(option: &TariffOption) -> Result<(), Refusal> {
    let carrier = option.carrier;
    check_vat(option.vat_permille)?;
    match &option.tariff {
        Tariff::Metered(tariff) => check_metered(carrier, tariff),
        Tariff::MeteredByPeriod(tariff) => {
            check_price(carrier, tariff.price)?;
            check_money(carrier, tariff.levy)?;
            check_discounts(&tariff.discounts)
        }
        Tariff::FloorArea(tariff) => check_floor_area(carrier, tariff),
    }
}

fn check_money(carrier: Carrier, money: Money) -> Result<(), Refusal> {
    if money > MAX_PRICE { Err(Refusal::PriceTooHigh { carrier, max: MAX_PRICE }) } else { Ok(()) }
}

fn check_price(carrier: Carrier, price: Price) -> Result<(), Refusal> {
    if price.money == Money::ZERO {
        return Err(Refusal::ZeroPrice { carrier });
    }
    if !price.per.fits(carrier) {
        return Err(Refusal::PriceUnit { carrier });
    }
    check_money(carrier, price.money)
}

fn check_discount(permille: u16) -> Result<(), Refusal> {
    if permille >= 1_000 { Err(Refusal::RateTooHigh { permille, max: 999 }) } else { Ok(()) }
}

fn check_discounts(discounts: &PeriodDiscounts) -> Result<(), Refusal> {
    [discounts.month_permille, discounts.quarter_permille, discounts.year_permille]
        .into_iter()
        .try_for_each(check_discount)
}

fn check_metered(carrier: Carrier, tariff: &MeteredTariff) -> Result<(), Refusal> {
    check_price(carrier, tariff.price)?;
    check_money(carrier, tariff.levy)?;
    tariff.steps.iter().try_for_each(|step| check_discount(step.discount_permille))?;
    let rising = |pair: &[Step]| pair[0].from < pair[1].from && pair[0].discount_permille < pair[1].discount_permille;
    if !tariff.steps.windows(2).all(rising) {
        return Err(Refusal::StepsNotRising { carrier });
    }
    check_time_of_use(carrier, &tariff.time_of_use)
}

fn check_time_of_use(carrier: Carrier, time_of_use: &TimeOfUse) -> Result<(), Refusal> {
    let calendar = &time_of_use.calendar;
    let factors = time_of_use.factors_permille.iter().all(|factor| (1..=MAX_FACTOR_PERMILLE).contains(factor));
    let stretches = calendar.stretches.iter().all(|stretch| {
        stretch.from_half_hour < stretch.to_half_hour
            && stretch.to_half_hour <= HALF_HOURS
            && (1..1 << 12).contains(&stretch.months)
            && stretch.days != 0
    });
    let holidays = calendar.holidays.windows(2).all(|pair| pair[0] < pair[1]);
    if factors && stretches && holidays { Ok(()) } else { Err(Refusal::BadTimeOfUse { carrier }) }
}

fn check_floor_area(carrier: Carrier, tariff: &FloorAreaTariff) -> Result<(), Refusal> {
    if tariff.per_m2 == Money::ZERO {
        return Err(Refusal::ZeroPrice { carrier });
    }
    check_money(carrier, tariff.per_m2)?;
    check_discounts(&tariff.discounts)?;
    if is_season(&tariff.season) { Ok(()) } else { Err(Refusal::BadSeason { carrier }) }
}

/// Whether both ends are days of the calendar. It can end on a 29 February, which is the month's end in every year, but not
/// begin on one: most years have no such day.
fn is_season(season: &Season) -> bool {
    let is_day = |year: i32, month: u8, day: u8| {
        let date = Date { year, month, day };
        (1..=12).contains(&month) && (1..=31).contains(&day) && Date::from_days(date.to_days()) == date
    };
    is_day(2025, season.from_month, season.from_day) && is_day(2024, season.to_month, season.to_day)
}
