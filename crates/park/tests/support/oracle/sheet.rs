//! The tariff sheet and the calendar of the demonstration's year, as a person would write them down: bands, seasons, prices and
//! discounts, a second time and in whole numbers.

use utilidor_types::Carrier;
use utilidor_types::package::Period;

pub const HOUR: i128 = 3_600_000;
pub const DAY: i128 = 24 * HOUR;
/// 2025-01-01T00:00+08:00.
pub const YEAR_BEGIN: i128 = 1_735_660_800_000;
const DAYS_BEFORE_MONTH: [i128; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

/// Quantities by band: flat, sharp, peak, valley, deep valley.
pub type Bands = [i128; 5];

/// Numerator over denominator, rounded half to even.
pub fn half_even(numerator: i128, denominator: i128) -> i128 {
    let (whole, rest) = (numerator / denominator, numerator % denominator);
    if rest * 2 > denominator || (rest * 2 == denominator && whole % 2 == 1) { whole + 1 } else { whole }
}

/// The begin of a month, counted from January 2025 as 0.
pub fn month_begin(month: usize) -> i128 {
    YEAR_BEGIN + (DAYS_BEFORE_MONTH[month % 12] + 365 * (month as i128 / 12)) * DAY
}

/// The month of a time, counted from January 2025 as 0.
pub fn month_of(time: i128) -> usize {
    (0..36).rfind(|month| month_begin(*month) <= time).expect("time is not before 2025")
}

/// The day of a time, counted from 1 January 2025 as 0.
pub fn day_of(time: i128) -> i128 {
    (time - YEAR_BEGIN).div_euclid(DAY)
}

/// Whether a day belongs to the season of a carrier.
pub fn in_season(carrier: Carrier, day: i128) -> bool {
    let day = day % 365;
    let of = |month: usize, date: i128| DAYS_BEFORE_MONTH[month - 1] + date - 1;
    match carrier {
        Carrier::Heating => day <= of(3, 15) || day >= of(11, 15),
        Carrier::Cooling => (of(5, 15)..=of(9, 30)).contains(&day),
        _ => panic!("{carrier} has no season"),
    }
}

/// Days of the season from one day until before another.
pub fn season_days(carrier: Carrier, from: i128, to: i128) -> i128 {
    (from..to).filter(|day| in_season(carrier, *day)).count() as i128
}

/// What days of the season cost a floor area at a discount in thousandths.
pub fn area_cost(carrier: Carrier, area_m2: i128, days: i128, discount: i128) -> i128 {
    let (per_m2, season) = if carrier == Carrier::Heating { (43_000_000, 121) } else { (38_000_000, 139) };
    half_even(per_m2 * area_m2 * days * (1_000 - discount), season * 1_000)
}

/// The band of an hour of the year.
pub fn band(carrier: Carrier, hour: usize) -> usize {
    if carrier != Carrier::Electricity {
        return 0;
    }
    let month = month_of(YEAR_BEGIN + hour as i128 * HOUR) % 12 + 1;
    match hour % 24 {
        11 | 12 | 16 if month == 7 || month == 8 => 1,
        10..=14 | 18..=20 => 2,
        0..=6 | 23 => 3,
        _ => 0,
    }
}

/// Millionths per unit, and the base units in it.
fn unit_price(carrier: Carrier, version: u32) -> (i128, i128) {
    match carrier {
        Carrier::Electricity if version == 1 => (800_000, 3_600_000),
        Carrier::Electricity => (820_000, 3_600_000),
        Carrier::Heating => (360_000, 3_600_000),
        Carrier::Cooling => (480_000, 3_600_000),
        Carrier::HotWater => (28_000_000, 1_000_000),
        Carrier::Gas => (3_200_000, 1_000_000),
        Carrier::Water => (9_500_000, 1_000_000),
    }
}

fn factors(carrier: Carrier, version: u32) -> Bands {
    match (carrier, version) {
        (Carrier::Electricity, 1) => [1_000, 1_750, 1_600, 400, 400],
        (Carrier::Electricity, _) => [1_000, 1_750, 1_600, 300, 300],
        _ => [1_000; 5],
    }
}

/// A price at which energy is charged: a version of the package at a discount in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    pub carrier: Carrier,
    pub version: u32,
    pub discount: i128,
}

impl Price {
    /// What a base unit costs in each band, in parts of a millionth; see [`Self::parts`].
    pub fn units(&self) -> Bands {
        let (money, _) = unit_price(self.carrier, self.version);
        factors(self.carrier, self.version).map(|factor| money * (1_000 - self.discount) * factor)
    }

    /// Parts of a millionth.
    pub fn parts(&self) -> i128 {
        unit_price(self.carrier, self.version).1 * 1_000_000
    }

    /// The exact cost, in parts of a millionth.
    pub fn cost(&self, bands: &Bands) -> i128 {
        self.units().iter().zip(bands).map(|(unit, quantity)| unit * quantity).sum()
    }

    /// The cost in millionths.
    pub fn money(&self, bands: &Bands) -> i128 {
        half_even(self.cost(bands), self.parts())
    }
}

/// The discount that a payment's size earns.
pub fn step_discount(carrier: Carrier, payment: i128) -> i128 {
    match (carrier, payment / 1_000_000) {
        (Carrier::Electricity | Carrier::HotWater, 500_000..) => 80,
        (Carrier::Electricity | Carrier::HotWater, 200_000..) => 60,
        (Carrier::Electricity | Carrier::HotWater, 50_000..) => 40,
        (Carrier::Electricity | Carrier::HotWater, 10_000..) => 20,
        _ => 0,
    }
}

/// Months of a period, and the discount that it earns.
pub fn period_terms(period: Period) -> (usize, i128) {
    match period {
        Period::Month => (1, 0),
        Period::Quarter => (3, 30),
        Period::Year => (12, 80),
    }
}
