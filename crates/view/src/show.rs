//! Quantities, prices and times as people read them. What is shown is cut, never rounded up.

use utilidor_types::carrier::BaseUnit;
use utilidor_types::money::{Price, PriceUnit};
use utilidor_types::price_index::IndexUnit;
use utilidor_types::quantity::JOULES_PER_WATT_HOUR;
use utilidor_types::{Carrier, Quantity, Timestamp};

/// A price for people.
pub fn price(price: Price) -> String {
    format!("{}/{}", price.money, price_unit(price.per))
}

/// What a price is for.
pub const fn price_unit(unit: PriceUnit) -> &'static str {
    match unit {
        PriceUnit::KilowattHour => "kWh",
        PriceUnit::Gigajoule => "GJ",
        PriceUnit::CubicMetre => "m3",
    }
}

/// A value of an index with its unit: `0.3921/kWh`, `12.5`, `103.5%`.
pub fn index_value(micro: i64, unit: IndexUnit) -> String {
    match unit {
        IndexUnit::Price(per) => format!("{}/{}", decimal(micro, 6), price_unit(per)),
        IndexUnit::Money => decimal(micro, 6),
        IndexUnit::Share => format!("{}%", decimal(micro, 4)),
    }
}

/// A whole number of the last of so many decimals, as short as it can be written exactly.
fn decimal(value: i64, decimals: u32) -> String {
    let one = 10u64.pow(decimals);
    let (sign, value) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    let text = format!("{sign}{}.{:0width$}", value / one, value % one, width = decimals as usize);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// A quantity for people, in kWh or m3. One that these do not hold in three or six decimals begins with `~`.
pub fn quantity(quantity: Quantity, carrier: Carrier) -> String {
    match carrier.base_unit() {
        BaseUnit::Joule => {
            let watt_hours = quantity.0 / JOULES_PER_WATT_HOUR;
            let about = if quantity.0.is_multiple_of(JOULES_PER_WATT_HOUR) { "" } else { "~" };
            format!("{about}{}.{:03} kWh", watt_hours / 1_000, watt_hours % 1_000)
        }
        BaseUnit::Millilitre => format!("{}.{:06} m3", quantity.0 / 1_000_000, quantity.0 % 1_000_000),
    }
}

/// Mean power for people, in kW, rounded down to watts: so many joules in so many milliseconds.
pub fn power(quantity: Quantity, ms: u32) -> String {
    let watts = u128::from(quantity.0) * 1_000 / u128::from(ms.max(1));
    format!("{}.{:03} kW", watts / 1_000, watts % 1_000)
}

/// A time for people: RFC 3339 at a fixed offset, to the second where it is one.
pub fn shown(time: Timestamp, offset_minutes: i16) -> String {
    let local = Timestamp(time.0.saturating_add_signed(i64::from(offset_minutes) * 60_000)).to_rfc3339();
    let local = local.trim_end_matches('Z');
    let local = local.strip_suffix(".000").unwrap_or(local);
    match offset_minutes {
        0 => format!("{local}Z"),
        offset => {
            let sign = if offset < 0 { '-' } else { '+' };
            format!("{local}{sign}{:02}:{:02}", offset.unsigned_abs() / 60, offset.unsigned_abs() % 60)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kilowatt_hour_in_an_hour_is_a_kilowatt() {
        assert_eq!(power(Quantity(3_600_000), 3_600_000), "1.000 kW");
        assert_eq!(power(Quantity(1), 0), "1.000 kW", "a time of nothing divides nothing");
    }

    #[test]
    fn prices_name_their_unit() {
        assert_eq!(price(Price::micro_per_m3(3_500_000)), "3.500000/m3");
        assert_eq!(price(Price::micro_per_kwh(1)), "0.000001/kWh");
    }

    #[test]
    fn quantities_are_shown_with_a_mark_where_decimals_are_cut() {
        assert_eq!(quantity(Quantity(3_600_000), Carrier::Heating), "1.000 kWh");
        assert_eq!(quantity(Quantity(3_601), Carrier::Heating), "~0.001 kWh");
        assert_eq!(quantity(Quantity(1_000_001), Carrier::Water), "1.000001 m3");
    }

    #[test]
    fn times_are_shown_by_the_offset() {
        let time = Timestamp(1_735_660_800_000);
        assert_eq!(shown(time, 480), "2025-01-01T00:00:00+08:00");
        assert_eq!(shown(time, 0), "2024-12-31T16:00:00Z");
        assert_eq!(shown(Timestamp(time.0 + 1), -210), "2024-12-31T12:30:00.001-03:30");
    }
}
