//! A sheet as people write and read it. Nothing here takes part in consensus: what is signed is the sheet, and both the source
//! and the two readings are printed from it.
//!
//! ```text
//! clauses 1;
//! title "Export credit" "上网电费";
//! periods month from 2024-01-01 at +01:00, 12 times, settled after 72 hours;
//! meter export electricity "power fed in" "上网电量";
//! index market 00112233445566778899aabbccddeeff money/kWh "monthly market value" "月度市场价值";
//! let price money/kWh "price" "单价" = max(index(market), 0.03 money/kWh);
//! pay owner "power fed in" "上网电费" for export = price * sum(export);
//! ```
//!
//! * Numbers are exact decimals with a unit: `12.5 money`, `0.4 money/kWh`, `100 kWh`, `5 m3`, `12.5%`, `30 days`. There are no
//!   floats, lists or macros.
//! * `+`, `-`, `*`, `min(a, b)`, `max(a, b)`, `share(a, b, c)` (a times b for each of c), `a else b`, `sum(meter)`,
//!   `sum(meter, band)`, `index(name)`, `index(name, notice 720 hours)`, `before(name)`, `length`,
//!   `table(a, up to 100 kWh: 0.5 money/kWh, above: 0.4 money/kWh)`.

#[cfg(feature = "sheets")]
mod parse;
mod prose;
mod source;

#[cfg(feature = "sheets")]
pub use parse::{NotASheet, parse};
pub use prose::{Language, prose};
pub use source::source;

use super::Sheet;
use super::tree::Unit;
use utilidor_types::{Carrier, PriceUnit};

/// A whole number of the last of so many decimals, as short as it can be written exactly.
pub fn decimal(value: i64, decimals: u32) -> String {
    let one = 10u64.pow(decimals);
    let (sign, value) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
    let text = format!("{sign}{}.{:0width$}", value / one, value % one, width = decimals as usize);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// What a price is for.
const fn per(unit: PriceUnit) -> &'static str {
    match unit {
        PriceUnit::KilowattHour => "kWh",
        PriceUnit::Gigajoule => "GJ",
        PriceUnit::CubicMetre => "m3",
    }
}

/// A number with its unit, as the source has it. `in_heat`: energy that is whole in both is of GJ rather than of kWh.
fn number(value: i64, unit: Unit, in_heat: bool) -> String {
    match unit {
        Unit::Money => format!("{} money", decimal(value, 6)),
        Unit::Price(unit) => format!("{} money/{}", decimal(value, 6), per(unit)),
        Unit::Energy => energy(value, in_heat),
        Unit::Volume => format!("{} m3", decimal(value, 6)),
        Unit::Share => format!("{}%", decimal(value, 4)),
        Unit::Time if value % 86_400_000 == 0 && value != 0 => format!("{} days", value / 86_400_000),
        Unit::Time if value % 3_600_000 == 0 => format!("{} hours", value / 3_600_000),
        Unit::Time => format!("{value} ms"),
    }
}

/// Energy in kWh or GJ, whichever needs fewer decimals; in joules where neither is exact.
fn energy(joules: i64, in_heat: bool) -> String {
    // A millionth of a kWh is 3.6 J, one of a GJ is 1,000 J.
    let kwh = (joules % 18 == 0).then(|| decimal(joules / 18 * 5, 6));
    let gj = (joules % 1_000 == 0).then(|| decimal(joules / 1_000, 6));
    let decimals = |text: &str| text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    match (kwh, gj) {
        (Some(kwh), Some(gj)) if decimals(&gj) < decimals(&kwh) => format!("{gj} GJ"),
        (Some(kwh), Some(gj)) if in_heat && decimals(&gj) == decimals(&kwh) => format!("{gj} GJ"),
        (Some(kwh), _) => format!("{kwh} kWh"),
        (None, Some(gj)) => format!("{gj} GJ"),
        (None, None) => format!("{joules} J"),
    }
}

/// Whether a sheet measures heat or cold, of which people speak in GJ.
fn is_in_heat(sheet: &Sheet) -> bool {
    sheet.meters.iter().any(|meter| matches!(meter.carrier, Carrier::Heating | Carrier::Cooling))
}

/// What a unit is called in the source.
pub const fn unit_word(unit: Unit) -> &'static str {
    match unit {
        Unit::Money => "money",
        Unit::Price(PriceUnit::KilowattHour) => "money/kWh",
        Unit::Price(PriceUnit::Gigajoule) => "money/GJ",
        Unit::Price(PriceUnit::CubicMetre) => "money/m3",
        Unit::Energy => "energy",
        Unit::Volume => "volume",
        Unit::Share => "share",
        Unit::Time => "time",
    }
}

#[cfg(feature = "sheets")]
/// All units, by which their words are read.
const UNITS: [Unit; 8] = [
    Unit::Price(PriceUnit::KilowattHour),
    Unit::Price(PriceUnit::Gigajoule),
    Unit::Price(PriceUnit::CubicMetre),
    Unit::Money,
    Unit::Energy,
    Unit::Volume,
    Unit::Share,
    Unit::Time,
];

/// Stretches of whole hours of a day.
fn stretches(hours: u32) -> Vec<(u32, u32)> {
    let is_in = |hour: u32| hour < 24 && hours >> hour & 1 == 1;
    let begins = (0..24).filter(|hour| is_in(*hour) && !(*hour > 0 && is_in(hour - 1)));
    begins.map(|from| (from, (from..=24).find(|hour| !is_in(*hour)).unwrap_or(24))).collect()
}
