//! The station's Energy Package: version 1, the version 2 that one tenant agrees to, and today's charging as the baseline.
//!
//! The figures are illustrative magnitudes of Beijing's commercial tariffs, not a quotation of any.

use crate::cast::PACKAGE;
use crate::data::OFFSET_MINUTES;
use utilidor_types::{
    Bounded, Carrier, Label, Money, Package, Price, Quantity, Tariff, TariffOption,
    package::{
        Band, BandStretch, Calendar, EVERY_DAY, FloorAreaTariff, MeteredByPeriodTariff, MeteredTariff, PackageTerms,
        PeriodDiscounts, Season, Step, TimeOfUse,
    },
};

/// The option of a heating or cooling service that charges by floor area.
pub const BY_AREA: u8 = 0;
/// The option of a heating or cooling service that charges by metered quantity.
pub const BY_METER: u8 = 1;

/// Grams of carbon dioxide for a kilowatt-hour of grid electricity.
pub const GRAMS_PER_KWH: u64 = 580;
/// Grams of carbon dioxide for a cubic metre of gas.
pub const GRAMS_PER_M3_GAS: u64 = 2_160;

const ALL_YEAR: u16 = 0xfff;
const JULY_AND_AUGUST: u16 = 1 << 6 | 1 << 7;
const HEATING_SEASON: Season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };
const COOLING_SEASON: Season = Season { from_month: 5, from_day: 15, to_month: 9, to_day: 30 };
const PERIOD_DISCOUNTS: PeriodDiscounts =
    PeriodDiscounts { month_permille: 0, quarter_permille: 30, year_permille: 80 };

fn time_of_use(valley_permille: u16) -> TimeOfUse {
    let stretch = |band, months, from_hour: u8, to_hour: u8| {
        let (from_half_hour, to_half_hour) = (2 * from_hour, 2 * to_hour);
        BandStretch { band, months, days: EVERY_DAY, from_half_hour, to_half_hour }
    };
    // The park's grid has no deep valley.
    let factors_permille = [1_000, 1_750, 1_600, valley_permille, valley_permille];
    let stretches = vec![
        stretch(Band::Sharp, JULY_AND_AUGUST, 11, 13),
        stretch(Band::Sharp, JULY_AND_AUGUST, 16, 17),
        stretch(Band::Peak, ALL_YEAR, 10, 15),
        stretch(Band::Peak, ALL_YEAR, 18, 21),
        stretch(Band::Valley, ALL_YEAR, 0, 7),
        stretch(Band::Valley, ALL_YEAR, 23, 24),
    ];
    let stretches = stretches.try_into().expect("six stretches are within the bound");
    TimeOfUse { factors_permille, calendar: Calendar { stretches, ..Calendar::default() } }
}

fn metered(price: Price, stepped: bool, time_of_use: TimeOfUse, grace: Quantity) -> Tariff {
    let step = |units, discount_permille| Step { from: Money::units(units), discount_permille };
    let steps = match stepped {
        true => vec![step(10_000, 20), step(50_000, 40), step(200_000, 60), step(500_000, 80)],
        false => Vec::new(),
    };
    let steps = steps.try_into().expect("four steps are within the bound");
    Tariff::Metered(MeteredTariff { price, steps, time_of_use, grace, levy: Money::ZERO })
}

fn package(version: u32, kwh: Price, valley_permille: u16) -> Package {
    let area = |per_m2, season| {
        Tariff::FloorArea(FloorAreaTariff { per_m2: Money::units(per_m2), season, discounts: PERIOD_DISCOUNTS })
    };
    let by_period = |price| {
        let grace = kilowatt_hours(10_000);
        Tariff::MeteredByPeriod(MeteredByPeriodTariff { price, discounts: PERIOD_DISCOUNTS, grace, levy: Money::ZERO })
    };
    let plain = |price| metered(price, false, TimeOfUse::none(), cubic_metres(2_000));
    let options = [
        (Carrier::Electricity, metered(kwh, true, time_of_use(valley_permille), kilowatt_hours(20_000))),
        (Carrier::Heating, area(43, HEATING_SEASON)),
        (Carrier::Heating, by_period(Price::micro_per_kwh(360_000))),
        (Carrier::Cooling, area(38, COOLING_SEASON)),
        (Carrier::Cooling, by_period(Price::micro_per_kwh(480_000))),
        (Carrier::HotWater, metered(Price::micro_per_m3(28_000_000), true, TimeOfUse::none(), cubic_metres(500))),
        (Carrier::Gas, plain(Price::micro_per_m3(3_200_000))),
        (Carrier::Water, plain(Price::micro_per_m3(9_500_000))),
    ];
    Package {
        label: Label::of_text(PACKAGE),
        version,
        terms: PackageTerms { offset_minutes: OFFSET_MINUTES, notice_days: 14, charges: Bounded::empty() },
        options: options
            .into_iter()
            .map(|(carrier, tariff)| TariffOption { carrier, tariff, vat_permille: 0 })
            .collect::<Vec<_>>()
            .try_into()
            .expect("eight options are within the bound"),
    }
}

/// Joules in `kwh`.
pub const fn kilowatt_hours(kwh: u64) -> Quantity {
    Quantity(kwh * 3_600_000)
}

/// Millilitres in `m3`.
pub const fn cubic_metres(m3: u64) -> Quantity {
    Quantity(m3 * 1_000_000)
}

/// The package as it is published at the beginning.
pub fn version_1() -> Package {
    package(1, Price::micro_per_kwh(800_000), 400)
}

/// The package as it is published in summer: cheaper nights for a dearer day.
pub fn version_2() -> Package {
    package(2, Price::micro_per_kwh(820_000), 300)
}
