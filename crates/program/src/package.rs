//! What a package must satisfy to be published. A published version never changes, so whatever a program computes from
//! one can rely on this.

use utilidor_types::carrier::BaseUnit;
use utilidor_types::package::{
    Charge, ChargeRule, FloorAreaTariff, HALF_HOURS, MAX_FACTOR_PERMILLE, MAX_NOTICE_DAYS, MAX_OFFSET_MINUTES,
    MAX_PRICE, MAX_TARIFF_OPTIONS, MAX_VAT_PERMILLE, MeteredTariff, PeriodDiscounts, Season, Step, TariffOption,
    TimeOfUse,
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

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::money::PriceUnit;
    use utilidor_types::package::{
        Band, BandStretch, Calendar, EVERY_DAY, EVERY_MONTH, MAX_CHARGES, MeteredByPeriodTariff, PackageTerms,
    };
    use utilidor_types::{Bounded, Label, Quantity, Text};

    fn some<T, const MAX: usize>(items: Vec<T>) -> Bounded<T, MAX> {
        Bounded::new(items).ok().unwrap()
    }

    fn metered() -> MeteredTariff {
        let night = BandStretch {
            band: Band::Valley,
            months: EVERY_MONTH,
            days: EVERY_DAY,
            from_half_hour: 0,
            to_half_hour: 14,
        };
        MeteredTariff {
            price: Price::micro_per_kwh(800_000),
            steps: some(vec![
                Step { from: Money::units(10_000), discount_permille: 20 },
                Step { from: Money::units(50_000), discount_permille: 40 },
            ]),
            time_of_use: TimeOfUse {
                factors_permille: [1_000, 1_800, 1_500, 400, 1],
                calendar: Calendar { stretches: some(vec![night]), holidays: some(vec![20_454, 20_455]) },
            },
            grace: Quantity(u64::MAX),
            levy: Money(27_000),
        }
    }

    fn area() -> FloorAreaTariff {
        let discounts = PeriodDiscounts { month_permille: 0, quarter_permille: 30, year_permille: 999 };
        let season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };
        FloorAreaTariff { per_m2: Money::units(43), season, discounts }
    }

    fn charge(rule: ChargeRule) -> Charge {
        Charge { name: Text::new("meter rent").unwrap(), rule, vat_permille: 130 }
    }

    fn package() -> Package {
        let heating = MeteredByPeriodTariff {
            price: Price { money: MAX_PRICE, per: PriceUnit::Gigajoule },
            discounts: area().discounts,
            grace: Quantity(0),
            levy: MAX_PRICE,
        };
        let option = |carrier, tariff| TariffOption { carrier, tariff, vat_permille: MAX_VAT_PERMILLE };
        Package {
            label: Label([1; 16]),
            version: 1,
            terms: PackageTerms {
                offset_minutes: MAX_OFFSET_MINUTES,
                notice_days: MAX_NOTICE_DAYS,
                charges: some(vec![charge(ChargeRule::Fixed { per_month: Money(1) })]),
            },
            options: some(vec![
                option(Carrier::Electricity, Tariff::Metered(metered())),
                option(Carrier::Heating, Tariff::MeteredByPeriod(heating)),
                option(Carrier::Heating, Tariff::FloorArea(area())),
            ]),
        }
    }

    fn with(change: impl FnOnce(&mut Package)) -> Result<(), Refusal> {
        let mut package = package();
        change(&mut package);
        check(&package)
    }

    fn with_metered(change: impl FnOnce(&mut MeteredTariff)) -> Result<(), Refusal> {
        with(|package| {
            let mut tariff = metered();
            change(&mut tariff);
            package.options.as_mut_slice()[0].tariff = Tariff::Metered(tariff);
        })
    }

    fn with_area(change: impl FnOnce(&mut FloorAreaTariff)) -> Result<(), Refusal> {
        with(|package| {
            let mut tariff = area();
            change(&mut tariff);
            package.options.as_mut_slice()[2].tariff = Tariff::FloorArea(tariff);
        })
    }

    fn with_charge(rule: ChargeRule) -> Result<(), Refusal> {
        with(|package| package.terms.charges = some(vec![charge(rule)]))
    }

    #[test]
    fn refuses_each_number_over_its_edge_and_takes_it_at_its_edge() {
        assert_eq!(check(&package()), Ok(()));
        assert_eq!(with(|of| of.options = Bounded::empty()), Err(Refusal::NoOptions));
        for offset_minutes in [i16::MIN, -MAX_OFFSET_MINUTES - 1, MAX_OFFSET_MINUTES + 1, i16::MAX] {
            let refused = Err(Refusal::BadOffset { offset_minutes });
            assert_eq!(with(|of| of.terms.offset_minutes = offset_minutes), refused);
        }
        assert_eq!(with(|of| of.terms.offset_minutes = -MAX_OFFSET_MINUTES), Ok(()));
        for days in [0, MAX_NOTICE_DAYS + 1, u8::MAX] {
            let refused = Err(Refusal::BadNotice { days, max: MAX_NOTICE_DAYS });
            assert_eq!(with(|of| of.terms.notice_days = days), refused);
        }
        assert_eq!(with(|of| of.terms.notice_days = 1), Ok(()));
        let carrier = Carrier::Electricity;
        assert_eq!(
            with(|of| of.options = some(vec![of.options[0].clone(); MAX_TARIFF_OPTIONS + 1])),
            Err(Refusal::TooManyOptions { carrier, max: MAX_TARIFF_OPTIONS as u32 })
        );
        assert_eq!(with(|of| of.options = some(vec![of.options[0].clone(); MAX_TARIFF_OPTIONS])), Ok(()));
        let permille = MAX_VAT_PERMILLE + 1;
        let too_high = Err(Refusal::RateTooHigh { permille, max: MAX_VAT_PERMILLE });
        assert_eq!(with(|of| of.options.as_mut_slice()[0].vat_permille = permille), too_high);
    }

    #[test]
    fn refuses_charges_that_charge_nothing_or_the_impossible() {
        let refused = Err(Refusal::BadCharge { charge: 0 });
        let above = Money(MAX_PRICE.0 + 1);
        assert_eq!(with_charge(ChargeRule::Fixed { per_month: Money::ZERO }), refused);
        assert_eq!(with_charge(ChargeRule::Minimum { per_month: above }), refused);
        assert_eq!(with_charge(ChargeRule::Minimum { per_month: MAX_PRICE }), Ok(()));
        for (carrier, expected) in [(Carrier::Electricity, Ok(())), (Carrier::Gas, refused.clone())] {
            assert_eq!(with_charge(ChargeRule::Demand { carrier, per_kw: MAX_PRICE }), expected);
        }
        assert_eq!(with(|of| of.terms.charges.as_mut_slice()[0].name = Text::new("").unwrap()), refused);
        let permille = u16::MAX;
        let too_high = Err(Refusal::RateTooHigh { permille, max: MAX_VAT_PERMILLE });
        assert_eq!(with(|of| of.terms.charges.as_mut_slice()[0].vat_permille = permille), too_high);
        let last = |of: &mut Package| {
            let mut charges = vec![charge(ChargeRule::Fixed { per_month: Money(1) }); MAX_CHARGES];
            charges[MAX_CHARGES - 1].rule = ChargeRule::Fixed { per_month: Money::ZERO };
            of.terms.charges = some(charges);
        };
        assert_eq!(with(last), Err(Refusal::BadCharge { charge: MAX_CHARGES as u8 - 1 }));
    }

    #[test]
    fn refuses_prices_that_exact_products_could_not_hold() {
        let carrier = Carrier::Electricity;
        let (above, too_high) = (Money(MAX_PRICE.0 + 1), Err(Refusal::PriceTooHigh { carrier, max: MAX_PRICE }));
        assert_eq!(with_metered(|of| of.price.money = Money::ZERO), Err(Refusal::ZeroPrice { carrier }));
        assert_eq!(with_metered(|of| of.price.per = PriceUnit::CubicMetre), Err(Refusal::PriceUnit { carrier }));
        assert_eq!(with_metered(|of| of.price.money = above), too_high);
        assert_eq!(with_metered(|of| of.levy = Money(u64::MAX)), too_high);
        assert_eq!(with_metered(|of| (of.price.money, of.levy) = (MAX_PRICE, MAX_PRICE)), Ok(()));
        let carrier = Carrier::Heating;
        assert_eq!(with_area(|of| of.per_m2 = Money::ZERO), Err(Refusal::ZeroPrice { carrier }));
        assert_eq!(with_area(|of| of.per_m2 = above), Err(Refusal::PriceTooHigh { carrier, max: MAX_PRICE }));
    }

    #[test]
    fn refuses_steps_and_discounts_that_do_not_rise_or_give_all_away() {
        let carrier = Carrier::Electricity;
        let step = |from, discount_permille| Step { from: Money(from), discount_permille };
        let all = Err(Refusal::RateTooHigh { permille: 1_000, max: 999 });
        assert_eq!(with_metered(|of| of.steps = some(vec![step(1, 1_000)])), all);
        for second in [step(10, 30), step(9, 30), step(11, 20)] {
            let refused = Err(Refusal::StepsNotRising { carrier });
            assert_eq!(with_metered(|of| of.steps = some(vec![step(10, 20), second])), refused);
        }
        assert_eq!(with_metered(|of| of.steps = some(vec![step(0, 0), step(u64::MAX, 999)])), Ok(()));
        assert_eq!(with_area(|of| of.discounts.month_permille = 1_000), all);
    }

    #[test]
    fn refuses_calendars_without_sense() {
        let refused = Err(Refusal::BadTimeOfUse { carrier: Carrier::Electricity });
        let stretch = |change: fn(&mut BandStretch)| {
            with_metered(|of| change(&mut of.time_of_use.calendar.stretches.as_mut_slice()[0]))
        };
        assert_eq!(stretch(|of| of.to_half_hour = 49), refused);
        assert_eq!(stretch(|of| of.from_half_hour = 14), refused);
        assert_eq!(stretch(|of| of.months = 0), refused);
        assert_eq!(stretch(|of| of.months = 1 << 12), refused);
        assert_eq!(stretch(|of| of.days = 0), refused);
        assert_eq!(stretch(|of| (of.to_half_hour, of.days, of.months) = (48, 1, 1)), Ok(()));
        for factor in [0, MAX_FACTOR_PERMILLE + 1] {
            assert_eq!(with_metered(|of| of.time_of_use.factors_permille[4] = factor), refused);
        }
        assert_eq!(with_metered(|of| of.time_of_use.factors_permille = [MAX_FACTOR_PERMILLE; 5]), Ok(()));
        for holidays in [vec![2, 1], vec![1, 1]] {
            assert_eq!(with_metered(|of| of.time_of_use.calendar.holidays = some(holidays)), refused);
        }
    }

    #[test]
    fn refuses_seasons_that_are_no_part_of_the_year() {
        let refused = Err(Refusal::BadSeason { carrier: Carrier::Heating });
        for season in [
            (0, 1, 3, 1),
            (13, 1, 3, 1),
            (11, 0, 3, 1),
            (11, 31, 3, 1),
            (2, 29, 3, 1),
            (11, 1, 2, 30),
            (1, 1, 255, 255),
        ] {
            let (from_month, from_day, to_month, to_day) = season;
            let season = Season { from_month, from_day, to_month, to_day };
            assert_eq!(with_area(|of| of.season = season), refused, "{season:?}");
        }
        for season in [(11, 1, 2, 29), (1, 1, 12, 31), (3, 1, 2, 28), (6, 1, 6, 1)] {
            let (from_month, from_day, to_month, to_day) = season;
            let season = Season { from_month, from_day, to_month, to_day };
            assert_eq!(with_area(|of| of.season = season), Ok(()), "{season:?}");
        }
    }
}
