//! Quantities and times as people write them, quantities and prices as they read them. All conversions are exact; what is not a whole number of base units is
//! refused, not rounded.

use crate::said;
use crate::sentence::Said;
use crate::vocabulary::spoken;
use jiff::SignedDuration;
use utilidor_types::carrier::BaseUnit;
use utilidor_types::quantity::{JOULES_PER_KILOWATT_HOUR, JOULES_PER_WATT_HOUR};
use utilidor_types::time::MAX_TIMESTAMP;
use utilidor_types::{Area, Carrier, Quantity, Timestamp};
pub use utilidor_view::show::{index_value, power, price, price_unit, quantity, shown};

/// Units of quantities: name, base unit, base units in one.
const UNITS: [(&str, BaseUnit, u64); 11] = [
    ("J", BaseUnit::Joule, 1),
    ("kJ", BaseUnit::Joule, 1_000),
    ("MJ", BaseUnit::Joule, 1_000_000),
    ("GJ", BaseUnit::Joule, 1_000_000_000),
    ("Wh", BaseUnit::Joule, JOULES_PER_WATT_HOUR),
    ("kWh", BaseUnit::Joule, JOULES_PER_KILOWATT_HOUR),
    ("MWh", BaseUnit::Joule, 1_000 * JOULES_PER_KILOWATT_HOUR),
    ("mL", BaseUnit::Millilitre, 1),
    ("L", BaseUnit::Millilitre, 1_000),
    ("m3", BaseUnit::Millilitre, 1_000_000),
    ("m³", BaseUnit::Millilitre, 1_000_000),
];

/// What registers and quantities of a carrier are counted in, as JSON has them.
pub const fn base_unit(carrier: Carrier) -> &'static str {
    match carrier.base_unit() {
        BaseUnit::Joule => "J",
        BaseUnit::Millilitre => "mL",
    }
}

/// A decimal number with a sign as a whole number of the last of so many decimals; more decimals are none.
pub fn decimal(text: &str, decimals: usize) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > decimals {
        return None;
    }
    format!("{whole}{part:0<decimals$}").parse::<i64>().ok().map(|value| sign * value)
}

/// A unit of quantities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    name: &'static str,
    base: BaseUnit,
    scale: u64,
}

impl std::str::FromStr for Unit {
    type Err = Said;
    fn from_str(text: &str) -> Result<Self, Said> {
        let known = UNITS.into_iter().find(|(name, ..)| *name == text.trim());
        let (name, base, scale) = known.ok_or_else(|| {
            said!(
                "{text:?} is no unit; units are J, kJ, MJ, GJ, Wh, kWh, MWh, mL, L and m3",
                "{text:?} 不是单位；单位有 J、kJ、MJ、GJ、Wh、kWh、MWh、mL、L 和 m3"
            )
        })?;
        Ok(Self { name, base, scale })
    }
}

/// A quantity with its unit, such as `120kWh`, `3.5 GJ` or `12m3`. Only nothing, `0`, needs no unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    quantity: Quantity,
    unit: Option<Unit>,
}

impl Amount {
    /// The quantity in the carrier's base unit, if that is what the unit measures.
    pub fn of(self, carrier: Carrier) -> Result<Quantity, Said> {
        match self.unit {
            Some(unit) if unit.base != carrier.base_unit() => {
                let units = if carrier.base_unit() == BaseUnit::Joule {
                    said!("kWh, GJ or J", "kWh、GJ 或 J")
                } else {
                    said!("m3, L or mL", "m3、L 或 mL")
                };
                let (carrier, name) = (spoken(carrier), unit.name);
                Err(said!("{carrier} is measured in {units}, not in {name}", "{carrier}以 {units} 计量，而不是 {name}"))
            }
            _ => Ok(self.quantity),
        }
    }

    /// Reads a quantity; where it names no unit, it is in `unit`.
    pub fn read(text: &str, unit: Option<Unit>) -> Result<Self, Said> {
        let text = text.trim();
        let digits = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
        let (number, rest) = (&text[..digits], text[digits..].trim());
        if rest.starts_with(',') {
            return Err(said!(
                "{text:?} has a comma: write decimals with a point, such as 17.5kWh",
                "{text:?} 含有逗号：小数请用点，如 17.5kWh"
            ));
        }
        let named = if rest.is_empty() { None } else { Some(rest.parse::<Unit>()?) };
        let unit = named.or(unit);
        match (exact(number, unit.map_or(1, |unit| unit.scale)), unit) {
            (Err(Inexact::NoNumber), _) => {
                Err(said!("{text:?} is no quantity; write for example 120kWh", "{text:?} 不是数量；例如写 120kWh"))
            }
            (Ok(0), None) => Ok(Self { quantity: Quantity::ZERO, unit }),
            (_, None) => Err(said!(
                "{text:?} has no unit: write for example {text}kWh or {text}m3",
                "{text:?} 没有单位：例如写 {text}kWh 或 {text}m3"
            )),
            (Ok(quantity), Some(_)) => Ok(Self { quantity: Quantity(quantity), unit }),
            (Err(Inexact::NotWhole), Some(unit)) => {
                let base = if unit.base == BaseUnit::Joule {
                    said!("joules", "焦耳")
                } else {
                    said!("millilitres", "毫升")
                };
                Err(said!("{text:?} is no whole number of {base}", "{text:?} 不是整数{base}"))
            }
            (Err(Inexact::TooLarge), Some(_)) => {
                Err(said!("{text:?} is more than a quantity holds", "{text:?} 超出数量的取值范围"))
            }
        }
    }
}

impl std::str::FromStr for Amount {
    type Err = Said;
    fn from_str(text: &str) -> Result<Self, Said> {
        Self::read(text, None)
    }
}

/// Why a decimal number times a scale is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inexact {
    NoNumber,
    NotWhole,
    TooLarge,
}

/// A decimal number times `scale`, if that is whole and fits.
fn exact(number: &str, scale: u64) -> Result<u64, Inexact> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || number.ends_with('.') || !is_number(whole) || !is_number(decimals) {
        return Err(Inexact::NoNumber);
    }
    // Zeros at its end say nothing.
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > 18 {
        return Err(Inexact::NotWhole);
    }
    let digits: u128 = format!("{whole}{decimals}").parse().map_err(|_| Inexact::TooLarge)?;
    let divisor = 10u128.pow(decimals.len() as u32);
    let product = digits.checked_mul(scale.into()).ok_or(Inexact::TooLarge)?;
    if product % divisor != 0 {
        return Err(Inexact::NotWhole);
    }
    u64::try_from(product / divisor).map_err(|_| Inexact::TooLarge)
}

/// A quantity for people, or the bare number if it is not known, or not said, of which carrier.
pub fn quantity_of(quantity: Quantity, carrier: Option<Carrier>) -> String {
    carrier.map_or_else(|| quantity.to_string(), |carrier| self::quantity(quantity, carrier))
}

/// A quantity with a unit in which it is whole to the last joule or millilitre, as it can be read again.
pub fn exactly(quantity: Quantity, carrier: Carrier) -> String {
    let shown = self::quantity(quantity, carrier);
    let is_exact = shown.parse::<Amount>().is_ok_and(|amount| amount.quantity == quantity);
    match carrier.base_unit() {
        _ if is_exact => shown,
        BaseUnit::Joule => format!("{quantity} J"),
        BaseUnit::Millilitre => format!("{quantity} mL"),
    }
}

/// A floor area in m2 with at most two decimals, such as `2400` or `84.25`.
pub fn area(text: &str) -> Result<Area, Said> {
    let bad = || {
        said!(
            "{text:?} is no floor area: write m2 with at most two decimals, such as 84.25",
            "{text:?} 不是建筑面积：以 m2 为单位，最多两位小数，如 84.25"
        )
    };
    exact(text, Area::PER_M2.into()).ok().and_then(|area| u32::try_from(area).ok()).map(Area).ok_or_else(bad)
}

/// An instant: RFC 3339 such as `2025-01-31T08:00:00+08:00`, or Unix milliseconds.
pub fn time(text: &str) -> Result<Timestamp, Said> {
    let bad = || {
        said!(
            "{text:?} is no time: write 2025-01-31T08:00:00+08:00 or Unix milliseconds",
            "{text:?} 不是时间：请写 2025-01-31T08:00:00+08:00 或 Unix 毫秒"
        )
    };
    let time = text.parse::<u64>().ok().map(Timestamp).or_else(|| written_time(text));
    if time.is_none()
        && let Ok(local) = text.parse::<jiff::civil::DateTime>()
    {
        // Whose midnight is meant is not guessed: eight hours off is another day's tariff.
        return Err(said!(
            "{text:?} does not say at which offset from UTC: write {local}+08:00, or {local}Z for UTC",
            "{text:?} 没有说明与 UTC 的偏移：请写 {local}+08:00，UTC 则写 {local}Z"
        ));
    }
    time.filter(|time| *time <= MAX_TIMESTAMP).ok_or_else(bad)
}

/// An instant in RFC 3339.
pub fn written_time(text: &str) -> Option<Timestamp> {
    let ms = text.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    u64::try_from(ms).ok().map(Timestamp).filter(|time| *time <= MAX_TIMESTAMP)
}

/// An offset from UTC such as `+08:00`, in minutes.
pub fn offset(text: &str) -> Result<i16, Said> {
    let bad = || {
        said!("{text:?} is no offset from UTC: write for example +08:00", "{text:?} 不是与 UTC 的偏移：例如写 +08:00")
    };
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(bad()),
    };
    let (hours, minutes) = rest.split_once(':').ok_or_else(bad)?;
    let (hours, minutes): (i16, i16) = (hours.parse().map_err(|_| bad())?, minutes.parse().map_err(|_| bad())?);
    if !(0..=18).contains(&hours) || !(0..60).contains(&minutes) {
        return Err(bad());
    }
    Ok(sign * (hours * 60 + minutes))
}

/// A duration such as `90m`, `36h` or `7d`, in milliseconds.
pub fn duration_ms(text: &str) -> Result<u64, Said> {
    let bad = || {
        said!("{text:?} is no duration: write for example 90m, 36h or 7d", "{text:?} 不是时长：例如写 90m、36h 或 7d")
    };
    if let Some(days) = text.strip_suffix('d') {
        return days.parse::<u64>().ok().and_then(|days| days.checked_mul(86_400_000)).ok_or_else(bad);
    }
    let duration: SignedDuration = text.parse().map_err(|_| bad())?;
    u64::try_from(duration.as_millis()).map_err(|_| bad())
}

/// A duration as [`duration_ms`] reads it, in the largest unit of which it is a whole number.
pub fn duration(ms: u64) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let whole = units.into_iter().find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_exactly_or_not_at_all() {
        let joules = |text: &str| text.parse::<Amount>().unwrap().of(Carrier::Electricity);
        assert_eq!(joules("120kWh"), Ok(Quantity(432_000_000)));
        assert_eq!(joules("0.001 kWh"), Ok(Quantity(3_600)));
        assert_eq!(joules("3.5GJ"), Ok(Quantity(3_500_000_000)));
        assert_eq!(joules("7J"), Ok(Quantity(7)));
        assert_eq!(joules("0"), Ok(Quantity::ZERO));
        assert!(joules("1m3").is_err());
        assert_eq!("1.5m3".parse::<Amount>().unwrap().of(Carrier::Gas), Ok(Quantity(1_500_000)));
        assert_eq!(joules("1.500000000000000000000kWh"), Ok(Quantity(5_400_000)));
        for (text, told) in [
            ("5124095576030432 kWh", "more than a quantity holds"),
            ("999999999999999999999999999999999999999999kWh", "more than a quantity holds"),
            ("0.5J", "no whole number of joules"),
            ("0.0000001m3", "no whole number of millilitres"),
            ("kWh", "no quantity"),
        ] {
            assert!(text.parse::<Amount>().unwrap_err().to_string().contains(told), "{text}");
        }
        for text in ["", ".", "1.", "-1kWh", "1 kwh", "0.0000001 m3", "99999999999999999999", "1e3", "0.1", "1,5kWh"] {
            assert!(text.parse::<Amount>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_quantity_without_a_unit_is_none_unless_its_unit_was_said_before() {
        let told = "100".parse::<Amount>().unwrap_err().to_string();
        assert_eq!(told, "\"100\" has no unit: write for example 100kWh or 100m3");
        let unit = |text: &str| Some(text.parse::<Unit>().unwrap());
        let joules = |text, unit| {
            let amount = Amount::read(text, unit).unwrap();
            amount.of(Carrier::Electricity).map_err(|error| error.to_string())
        };
        assert_eq!(joules("100", unit("kWh")), Ok(Quantity(360_000_000)));
        assert_eq!(joules("100 Wh", unit("kWh")), Ok(Quantity(360_000)), "what it says itself counts");
        assert_eq!(joules("1", unit("m3")), Err("electricity is measured in kWh, GJ or J, not in m3".into()));
        assert!("kwh".parse::<Unit>().is_err());
    }

    #[test]
    fn floor_areas_have_two_decimals() {
        assert_eq!(area("2400"), Ok(Area(240_000)));
        assert_eq!(area("84.25"), Ok(Area(8_425)));
        for text in ["", "84.255", "-1", "84,25", "99999999.99"] {
            assert!(area(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn offsets_are_read() {
        assert_eq!((offset("+08:00"), offset("-03:30")), (Ok(480), Ok(-210)));
        for text in ["", "8", "+8", "+19:00", "+08:60", "+-8:00"] {
            assert!(offset(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn times_and_durations_are_read() {
        assert_eq!(time("2025-01-01T00:00:00+08:00"), Ok(Timestamp(1_735_660_800_000)));
        assert_eq!(time("1735660800000"), Ok(Timestamp(1_735_660_800_000)));
        assert!(time("yesterday").is_err());
        assert_eq!(
            time("2026-11-27").unwrap_err().to_string(),
            "\"2026-11-27\" does not say at which offset from UTC: write 2026-11-27T00:00:00+08:00, or 2026-11-27T00:00:00Z for UTC"
        );
        assert!(time("2026-11-27 00:01").unwrap_err().to_string().contains("2026-11-27T00:01:00+08:00"));
        assert_eq!(time("2026-11-27 00:01+08:00"), time("2026-11-27T00:01:00+08:00"));
        assert_eq!(duration_ms("90m"), Ok(5_400_000));
        assert_eq!(duration_ms("7d"), Ok(604_800_000));
        assert!(duration_ms("-1h").is_err());
    }
}
