//! Energy Packages [M19-M23]: multi-carrier retail products with prepaid, stepped tariffs.
//!
//! A version, once published, never changes. A tariff is one carrier's charging rule:
//!
//! * `metered`: prepaid money buys a tranche of energy; the size of the payment sets the tranche's discount.
//! * `metered_by_period`: the same, but the length of the prepaid period sets the discount.
//! * `floor_area`: a season's price per m2, prepaid by month, quarter or year.
//!
//! Time-of-use factors multiply. To stay exact, consumption is counted in *weight*: base units times the
//! factor in thousandths. A tranche is a weight too, so that rounding happens only when a statement is made.

use crate::carrier::Carrier;
use crate::encoding::Bounded;
use crate::id::PackageId;
use crate::money::{Money, Price, ratio_half_even};
use crate::quantity::Quantity;
use crate::time::{DAY_MS, Date, Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

/// Most tariff options for one carrier.
pub const MAX_TARIFF_OPTIONS: usize = 4;
/// Most steps of a tariff.
pub const MAX_STEPS: usize = 8;
/// Most stretches of a time-of-use calendar.
pub const MAX_TIME_OF_USE_STRETCHES: usize = 16;
/// How many time-of-use bands there are.
pub const BANDS: usize = 4;
/// Longest interval between two readings that is split into hours for its bands; a longer one is charged at the flat band.
pub const MAX_SPLIT_HOURS: u64 = 24;
/// Largest time-of-use factor, in thousandths.
pub const MAX_FACTOR_PERMILLE: u16 = 10_000;

/// From which payment a discount applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Step {
    /// The smallest payment of this step.
    pub from: Money,
    /// Discount on the unit price in thousandths.
    pub discount_permille: u16,
}

/// Discounts by the length of the prepaid period, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct PeriodDiscounts {
    /// For a month.
    pub month_permille: u16,
    /// For three months.
    pub quarter_permille: u16,
    /// For twelve months.
    pub year_permille: u16,
}

/// A prepaid period. It begins with a calendar month at the package's offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One month.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

impl Period {
    /// Length in months.
    pub const fn months(self) -> u32 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
        }
    }
}

impl PeriodDiscounts {
    /// The discount for `period` in thousandths.
    pub const fn permille(self, period: Period) -> u16 {
        match period {
            Period::Month => self.month_permille,
            Period::Quarter => self.quarter_permille,
            Period::Year => self.year_permille,
        }
    }
}

/// A time-of-use band.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[borsh(use_discriminant = true)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Band {
    /// The ordinary price: wherever no stretch says otherwise.
    Flat = 0,
    /// Sharp peak.
    Sharp = 1,
    /// Peak.
    Peak = 2,
    /// Night.
    Valley = 3,
}

impl Band {
    /// All bands in their order.
    pub const ALL: [Band; BANDS] = [Self::Flat, Self::Sharp, Self::Peak, Self::Valley];

    /// The name used in JSON and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Sharp => "sharp",
            Self::Peak => "peak",
            Self::Valley => "valley",
        }
    }
}

/// A stretch of the day in some months that belongs to a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct BandStretch {
    /// The band.
    pub band: Band,
    /// Months in which it applies: bit 0 is January.
    pub months: u16,
    /// First hour of the day, 0 to 23.
    pub from_hour: u8,
    /// First hour after, 1 to 24.
    pub to_hour: u8,
}

/// A time-of-use calendar.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct TimeOfUse {
    /// Factor of each band on the unit price, in thousandths, in the order of [`Band::ALL`].
    pub factors_permille: [u16; BANDS],
    /// The first stretch that fits an hour decides its band; none: flat.
    pub stretches: Bounded<BandStretch, MAX_TIME_OF_USE_STRETCHES>,
}

impl TimeOfUse {
    /// One band, factor one: a tariff without time-of-use.
    pub const fn none() -> Self {
        Self { factors_permille: [1_000; BANDS], stretches: Bounded::empty() }
    }

    /// The band of an instant at a fixed offset from UTC.
    pub fn band_at(&self, time: Timestamp, offset_minutes: i16) -> Band {
        if self.stretches.is_empty() {
            return Band::Flat;
        }
        let month = 1 << (time.date(offset_minutes).month - 1);
        let hour = (time.minute_of_day(offset_minutes) / 60) as u8;
        let fits = |stretch: &&BandStretch| {
            stretch.months & month != 0 && (stretch.from_hour..stretch.to_hour).contains(&hour)
        };
        self.stretches.iter().find(fits).map_or(Band::Flat, |stretch| stretch.band)
    }

    /// The factor of a band in thousandths.
    pub const fn factor_permille(&self, band: Band) -> u16 {
        self.factors_permille[band as usize]
    }

    /// Divides what was metered in `interval` among the bands. An interval of up to [`MAX_SPLIT_HOURS`] is
    /// spread evenly over its time and cut at the hours; a longer gap is flat.
    pub fn split(&self, interval: Window, quantity: Quantity, offset_minutes: i16) -> [Quantity; BANDS] {
        const HOUR_MS: u64 = crate::time::HOUR_MS;
        let mut bands = [Quantity::ZERO; BANDS];
        if self.stretches.is_empty() || interval.ms() > MAX_SPLIT_HOURS * HOUR_MS {
            bands[Band::Flat as usize] = quantity;
            return bands;
        }
        let mut from = interval.from;
        let mut counted = Quantity::ZERO;
        while from < interval.to {
            let to = Timestamp((from.0 / HOUR_MS + 1) * HOUR_MS).min(interval.to);
            let until = quantity.share_floor(to.0 - interval.from.0, interval.ms());
            bands[self.band_at(from, offset_minutes) as usize].0 += until.0 - counted.0;
            (from, counted) = (to, until);
        }
        bands
    }
}

/// A part of the year, by month and day, both ends included; it may run over the turn of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Season {
    /// First month.
    pub from_month: u8,
    /// First day.
    pub from_day: u8,
    /// Last month.
    pub to_month: u8,
    /// Last day.
    pub to_day: u8,
}

impl Season {
    fn holds(self, date: Date) -> bool {
        let day = (date.month, date.day);
        let (from, to) = ((self.from_month, self.from_day), (self.to_month, self.to_day));
        if from <= to { from <= day && day <= to } else { from <= day || day <= to }
    }

    /// Days of the season between two local midnights, at a fixed offset from UTC. At most a few years: it counts days.
    pub fn days_in(self, window: Window, offset_minutes: i16) -> u32 {
        let day_of = |time: Timestamp| (time.0 as i64 + i64::from(offset_minutes) * 60_000).div_euclid(DAY_MS as i64);
        (day_of(window.from)..day_of(window.to)).filter(|day| self.holds(Date::from_days(*day))).count() as u32
    }

    /// Days of the season in an ordinary year.
    pub fn days(self) -> u32 {
        let new_year = Date { year: 2025, month: 1, day: 1 }.to_days();
        (new_year..new_year + 365).filter(|day| self.holds(Date::from_days(*day))).count() as u32
    }
}

/// A metered tariff whose discount is set by the size of each payment.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct MeteredTariff {
    /// The undiscounted unit price.
    pub price: Price,
    /// Discounts, by rising payment.
    pub steps: Bounded<Step, MAX_STEPS>,
    /// Time-of-use factors.
    pub time_of_use: TimeOfUse,
    /// What may be consumed beyond what is prepaid before supply counts as exhausted.
    pub grace: Quantity,
}

impl MeteredTariff {
    /// The discount that a payment earns, in thousandths.
    pub fn discount_permille(&self, payment: Money) -> u16 {
        self.steps.iter().rev().find(|step| step.from <= payment).map_or(0, |step| step.discount_permille)
    }
}

/// A metered tariff whose discount is set by the length of the prepaid period.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct MeteredByPeriodTariff {
    /// The undiscounted unit price.
    pub price: Price,
    /// Discounts by period.
    pub discounts: PeriodDiscounts,
    /// What may be consumed beyond what is prepaid before supply counts as exhausted.
    pub grace: Quantity,
}

/// A tariff by floor area.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct FloorAreaTariff {
    /// Money per m2 for a whole season.
    pub per_m2: Money,
    /// The season.
    pub season: Season,
    /// Discounts by period.
    pub discounts: PeriodDiscounts,
}

impl FloorAreaTariff {
    /// What `days` of the season cost for `area_m2`, before and after the discount of `permille`, half to even.
    pub fn amount_half_even(&self, area_m2: u32, days: u32, permille: u16) -> Option<Money> {
        let season_days = u128::from(self.season.days());
        let numerator = u128::from(self.per_m2.0)
            .checked_mul(u128::from(area_m2))?
            .checked_mul(u128::from(days) * u128::from(1_000 - permille))?;
        ratio_half_even(numerator, season_days * 1_000).map(Money)
    }
}

/// One carrier's charging rule.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tariff {
    /// By meter; discount by payment.
    Metered(MeteredTariff),
    /// By meter; discount by period.
    MeteredByPeriod(MeteredByPeriodTariff),
    /// By floor area; discount by period.
    FloorArea(FloorAreaTariff),
}

/// A tariff that a user can choose for a carrier.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct TariffOption {
    /// The carrier.
    pub carrier: Carrier,
    /// The charging rule.
    pub tariff: Tariff,
}

/// A version of a package.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Package {
    /// Chosen by the owner.
    pub id: PackageId,
    /// 1, then 2, ...
    pub version: u32,
    /// Fixed offset from UTC for hours, days and months, in minutes.
    pub offset_minutes: i16,
    /// What can be chosen; a carrier's options are counted in this order.
    pub options: Bounded<TariffOption, { Carrier::COUNT * MAX_TARIFF_OPTIONS }>,
}

impl Package {
    /// The options of a carrier, in order.
    pub fn options_of(&self, carrier: Carrier) -> impl Iterator<Item = &Tariff> {
        self.options.iter().filter(move |option| option.carrier == carrier).map(|option| &option.tariff)
    }
}

/// A prepaid tranche's price: the unit price less its discount, an exact fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct TranchePrice {
    /// The undiscounted unit price.
    pub price: Price,
    /// The discount in thousandths.
    pub discount_permille: u16,
}

impl TranchePrice {
    /// Money for `weight` (base units x thousandths), half to even; `None` if money cannot hold it.
    pub fn amount_half_even(self, weight: u64) -> Option<Money> {
        let numerator = u128::from(self.price.money.0)
            .checked_mul(u128::from(1_000 - self.discount_permille))?
            .checked_mul(u128::from(weight))?;
        ratio_half_even(numerator, u128::from(self.price.per.base_units()) * 1_000_000).map(Money)
    }

    /// The weight that `money` buys, rounded down; `None` if it exceeds 64 bits or the price is zero.
    pub fn weight_floor(self, money: Money) -> Option<u64> {
        let numerator = u128::from(money.0) * u128::from(self.price.per.base_units()) * 1_000_000;
        let denominator = u128::from(self.price.money.0) * u128::from(1_000 - self.discount_permille);
        numerator.checked_div(denominator).and_then(|weight| u64::try_from(weight).ok())
    }

    /// The same without its discount.
    pub const fn undiscounted(self) -> Self {
        Self { price: self.price, discount_permille: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEATING: Season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };
    const COOLING: Season = Season { from_month: 5, from_day: 15, to_month: 9, to_day: 30 };

    #[test]
    fn a_season_may_run_over_the_turn_of_the_year() {
        assert_eq!(HEATING.days(), 121);
        assert_eq!(COOLING.days(), 139);
        let year = |year: i32| Date { year, month: 1, day: 1 }.midnight(480).unwrap();
        assert_eq!(HEATING.days_in(Window { from: year(2025), to: year(2026) }, 480), 121);
        assert_eq!(HEATING.days_in(Window { from: year(2024), to: year(2025) }, 480), 122);
    }

    #[test]
    fn splitting_an_interval_loses_nothing() {
        let tou = TimeOfUse {
            factors_permille: [1_000, 1_750, 1_600, 400],
            stretches: vec![
                BandStretch { band: Band::Valley, months: 0xfff, from_hour: 0, to_hour: 7 },
                BandStretch { band: Band::Peak, months: 0xfff, from_hour: 10, to_hour: 15 },
            ]
            .try_into()
            .unwrap(),
        };
        let midnight = Date { year: 2025, month: 1, day: 1 }.midnight(480).unwrap();
        for (hours, quantity) in [(1, 7), (5, 101), (11, 1_000_003), (24, 17)] {
            let interval = Window { from: midnight, to: Timestamp(midnight.0 + hours * 3_600_000) };
            let bands = tou.split(interval, Quantity(quantity), 480);
            assert_eq!(bands.iter().map(|band| band.0).sum::<u64>(), quantity);
        }
        let day = Window { from: midnight, to: Timestamp(midnight.0 + 24 * 3_600_000) };
        assert_eq!(tou.split(day, Quantity(24), 480).map(|band| band.0), [12, 0, 5, 7]);
    }

    #[test]
    fn a_tranche_never_costs_more_than_was_paid() {
        let price = TranchePrice { price: Price::micro_per_kwh(800_000), discount_permille: 20 };
        let weight = price.weight_floor(Money::units(10_000)).unwrap();
        assert!(price.amount_half_even(weight).unwrap() <= Money::units(10_000));
        assert_eq!(weight, 45_918_367_346_938);
    }
}
