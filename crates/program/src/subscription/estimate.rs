//! What consumption comes to before it has a statement, by the statement's own arithmetic: for whoever looks at a running month,
//! or compares tariffs on what its meters have shown.
//!
//! An estimate is no promise: readings may be corrected, and a line of a statement is rounded for itself.

use super::area::{self, Days};
use super::rate::Rates;
use crate::bands::split;
use crate::contract::{Fault, OVERFLOW};
use crate::exact::{money_half_even, plus};
use utilidor_types::package::local_day;
use utilidor_types::{Area, Bands, Money, Quantity, Tariff, TariffOption, Window};

/// What flowed in each of some intervals, by band of the tariff.
pub fn by_band(
    option: &TariffOption,
    offset_minutes: i16,
    flowed: impl IntoIterator<Item = (Window, Quantity)>,
) -> Result<Bands, Fault> {
    let one_band = Default::default();
    let calendar = option.tariff.calendar().unwrap_or(&one_band);
    flowed.into_iter().try_fold(Bands::ZERO, |sum, (interval, quantity)| {
        sum.checked_add(&split(calendar, offset_minutes, interval, quantity)).ok_or(OVERFLOW)
    })
}

/// What energy costs at a discount, with levy and tax; nothing where the tariff is by floor area.
pub fn energy(option: &TariffOption, discount_permille: u16, bands: &Bands) -> Result<Money, Fault> {
    Rates::of(option).map_or(Ok(Money::ZERO), |rates| rates.gross_half_even(discount_permille, bands))
}

/// What a floor area costs for the season's days in a window, with tax; nothing where the tariff is by meter.
pub fn floor_area(
    option: &TariffOption,
    offset_minutes: i16,
    discount_permille: u16,
    floor_area: Area,
    window: Window,
) -> Result<Money, Fault> {
    let Tariff::FloorArea(tariff) = &option.tariff else { return Ok(Money::ZERO) };
    let (from, to) = (local_day(window.from, offset_minutes), local_day(window.to, offset_minutes));
    let cost = Days::of(tariff.season, from, to)
        .into_iter()
        .try_fold(0, |sum, days| plus(sum, days.gross(option, floor_area, discount_permille)?))?;
    money_half_even(cost, area::denominator(tariff))
}

#[cfg(test)]
mod tests {
    use super::*;
    use utilidor_types::package::{MeteredTariff, PeriodDiscounts, Season, TimeOfUse};
    use utilidor_types::time::{DAY_MS, Date, HOUR_MS};
    use utilidor_types::{Bounded, Carrier, Price, Timestamp};

    fn at(day: u8, hour: u64) -> Timestamp {
        let days = Date { year: 2026, month: 1, day }.to_days() as u64;
        Timestamp(days * DAY_MS + hour * HOUR_MS)
    }

    #[test]
    fn energy_costs_what_its_bands_say_with_tax() {
        let tariff = Tariff::Metered(MeteredTariff {
            price: Price::micro_per_kwh(800_000),
            steps: Bounded::empty(),
            time_of_use: TimeOfUse::none(),
            grace: Quantity::ZERO,
            levy: Money(50_000),
        });
        let option = TariffOption { carrier: Carrier::Electricity, tariff, vat_permille: 130 };
        let hour = Window { from: at(1, 0), to: at(1, 1) };
        let bands = by_band(&option, 480, [(hour, Quantity(3_600_000)), (hour, Quantity(7_200_000))]).unwrap();
        assert_eq!(bands.total(), Some(Quantity(10_800_000)));
        // 3 kWh at 0.80 less a tenth, 0.05 levy each, and 13 % on it.
        assert_eq!(energy(&option, 100, &bands), Ok(Money(2_610_300)));
        assert_eq!(floor_area(&option, 480, 0, Area(100), hour), Ok(Money::ZERO));
    }

    #[test]
    fn a_floor_area_costs_its_share_of_the_season() {
        let season = Season { from_month: 1, from_day: 1, to_month: 1, to_day: 10 };
        let discounts = PeriodDiscounts { month_permille: 0, quarter_permille: 0, year_permille: 0 };
        let tariff =
            Tariff::FloorArea(utilidor_types::package::FloorAreaTariff { per_m2: Money::units(10), season, discounts });
        let option = TariffOption { carrier: Carrier::Heating, tariff, vat_permille: 0 };
        let days = Window { from: at(3, 0), to: at(5, 0) };
        assert_eq!(floor_area(&option, 0, 0, Area(7 * Area::PER_M2), days), Ok(Money::units(14)));
        assert_eq!(energy(&option, 0, &Bands::ZERO), Ok(Money::ZERO));
    }
}
