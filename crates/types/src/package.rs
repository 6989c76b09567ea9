//! Energy Packages [M19-M23]: multi-carrier retail products with prepaid, stepped tariffs.
//!
//! A version, once published, never changes; its owner can close it to new subscriptions. A tariff is one carrier's
//! charging rule:
//!
//! * `metered`: prepaid money buys a tranche of energy; the size of the payment sets the tranche's discount.
//! * `metered_by_period`: the same, but the length of the prepaid period sets the discount.
//! * `floor_area`: a season's price per m2, prepaid by month, quarter or year.
//!
//! Prices are net. A unit costs `price x (1 - discount) x band factor + levy`, and value-added tax on that.
//!
//! The band of an instant is decided by the tariff's [`Calendar`] at the package's fixed offset from UTC.

use crate::carrier::Carrier;
use crate::encoding::{Bounded, Text};
use crate::id::{AccountId, Label, PackageId};
use crate::money::{Money, Price};
use crate::quantity::Quantity;
use crate::time::{DAY_MS, Date, Timestamp, Window};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Most tariff options for one carrier.
pub const MAX_TARIFF_OPTIONS: usize = 4;
/// Most steps of a tariff.
pub const MAX_STEPS: usize = 8;
/// Most stretches of a calendar.
pub const MAX_STRETCHES: usize = 32;
/// Most holidays of a calendar.
pub const MAX_HOLIDAYS: usize = 64;
/// Most charges of a package besides its tariffs.
pub const MAX_CHARGES: usize = 8;
/// Longest name of a charge in bytes.
pub const MAX_CHARGE_NAME_BYTES: usize = 32;
/// How many time-of-use bands there are.
pub const BANDS: usize = 5;
/// Largest time-of-use factor, in thousandths.
pub const MAX_FACTOR_PERMILLE: u16 = 10_000;
/// Largest price of a unit, a levy, or anything else that a package charges for: 10,000 of the settlement currency for a
/// unit of quantity. It keeps exact products within 128 bits.
pub const MAX_PRICE: Money = Money::units(10_000);
/// Largest rate of value-added tax, in thousandths.
pub const MAX_VAT_PERMILLE: u16 = 1_000;
/// Farthest offset from UTC in minutes.
pub const MAX_OFFSET_MINUTES: i16 = 14 * 60;
/// Longest notice in days.
pub const MAX_NOTICE_DAYS: u8 = 92;

/// From which payment a discount applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Step {
    /// The smallest payment of this step.
    pub from: Money,
    /// Discount on the unit price in thousandths.
    pub discount_permille: u16,
}

/// Discounts by the length of the prepaid period, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PeriodDiscounts {
    /// For a month.
    pub month_permille: u16,
    /// For three months.
    pub quarter_permille: u16,
    /// For twelve months.
    pub year_permille: u16,
}

/// A prepaid period: from the payment, or from the end of what is paid, to the end of its last calendar month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// Length in calendar months, the one in which it begins included.
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// Deep valley: where there is more than can be used.
    Deep = 4,
}

impl Band {
    /// All bands in their order.
    pub const ALL: [Band; BANDS] = [Self::Flat, Self::Sharp, Self::Peak, Self::Valley, Self::Deep];

    /// The name used in JSON and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Sharp => "sharp",
            Self::Peak => "peak",
            Self::Valley => "valley",
            Self::Deep => "deep",
        }
    }
}

/// A quantity in each band, in the order of [`Band::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bands(pub [Quantity; BANDS]);

impl Bands {
    /// Nothing in any band.
    pub const ZERO: Self = Self([Quantity::ZERO; BANDS]);

    /// The quantity of one band.
    pub const fn of(&self, band: Band) -> Quantity {
        self.0[band as usize]
    }

    /// All bands together; `None` if it leaves the range of a quantity.
    pub fn total(&self) -> Option<Quantity> {
        self.0.iter().try_fold(Quantity::ZERO, |sum, quantity| sum.checked_add(*quantity))
    }

    /// Whether every band is empty.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// Band by band; `None` if one leaves the range of a quantity.
    pub fn checked_add(&self, other: &Self) -> Option<Self> {
        self.zip(other, Quantity::checked_add)
    }

    /// Band by band; `None` if one would be less than nothing.
    pub fn checked_sub(&self, other: &Self) -> Option<Self> {
        self.zip(other, Quantity::checked_sub)
    }

    fn zip(&self, other: &Self, with: impl Fn(Quantity, Quantity) -> Option<Quantity>) -> Option<Self> {
        let mut result = Self::ZERO;
        for ((result, one), other) in result.0.iter_mut().zip(self.0).zip(other.0) {
            *result = with(one, other)?;
        }
        Some(result)
    }

    /// The bands with their quantities, those without any left out.
    pub fn iter(&self) -> impl Iterator<Item = (Band, Quantity)> {
        Band::ALL.into_iter().zip(self.0).filter(|(_, quantity)| *quantity > Quantity::ZERO)
    }
}

/// Days of the week and holidays, as bits: bit 0 is Monday, bit 6 Sunday, bit 7 a holiday, whatever its weekday.
pub const EVERY_DAY: u8 = 0xff;
/// Every month, as bits: bit 0 is January.
pub const EVERY_MONTH: u16 = 0xfff;
/// Half hours in a day.
pub const HALF_HOURS: u8 = 48;

/// A stretch of the day, on some days in some months, that belongs to a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BandStretch {
    /// The band.
    pub band: Band,
    /// Months in which it applies: bit 0 is January.
    pub months: u16,
    /// Days on which it applies: bit 0 is Monday, bit 7 a holiday.
    pub days: u8,
    /// First half hour of the day, 0 to 47.
    pub from_half_hour: u8,
    /// First half hour after, 1 to 48.
    pub to_half_hour: u8,
}

/// Which band an instant belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Calendar {
    /// The first stretch that fits an instant decides its band; none: flat.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<BandStretch>))]
    pub stretches: Bounded<BandStretch, MAX_STRETCHES>,
    /// Holidays, in days after 1970-01-01, rising.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<u16>))]
    pub holidays: Bounded<u16, MAX_HOLIDAYS>,
}

impl Calendar {
    /// The bit that a local day, counted after 1970-01-01 (a Thursday), has in [`BandStretch::days`].
    pub fn day_bit(&self, day: i64) -> u8 {
        let holiday = u16::try_from(day).is_ok_and(|day| self.holidays.binary_search(&day).is_ok());
        if holiday { 1 << 7 } else { 1 << (day + 3).rem_euclid(7) }
    }

    /// The band of an instant at a fixed offset from UTC.
    pub fn band_at(&self, time: Timestamp, offset_minutes: i16) -> Band {
        if self.stretches.is_empty() {
            return Band::Flat;
        }
        let day = local_day(time, offset_minutes);
        let (month, day) = (1 << (Date::from_days(day).month - 1), self.day_bit(day));
        let half_hour = (time.minute_of_day(offset_minutes) / 30) as u8;
        let fits = |stretch: &&BandStretch| {
            stretch.months & month != 0
                && stretch.days & day != 0
                && (stretch.from_half_hour..stretch.to_half_hour).contains(&half_hour)
        };
        self.stretches.iter().find(fits).map_or(Band::Flat, |stretch| stretch.band)
    }
}

/// The local day of an instant, counted after 1970-01-01.
pub fn local_day(time: Timestamp, offset_minutes: i16) -> i64 {
    (time.0 as i64 + i64::from(offset_minutes) * 60_000).div_euclid(DAY_MS as i64)
}

/// A calendar with a factor for each band.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TimeOfUse {
    /// Factor of each band on the unit price, in thousandths, in the order of [`Band::ALL`].
    pub factors_permille: [u16; BANDS],
    /// The bands' times.
    pub calendar: Calendar,
}

impl TimeOfUse {
    /// One band, factor one: a tariff without time-of-use.
    pub const fn none() -> Self {
        Self {
            factors_permille: [1_000; BANDS],
            calendar: Calendar { stretches: Bounded::empty(), holidays: Bounded::empty() },
        }
    }

    /// The factor of a band in thousandths.
    pub const fn factor_permille(&self, band: Band) -> u16 {
        self.factors_permille[band as usize]
    }
}

/// A part of the year, by month and day, both ends included; it may run over the turn of the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
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
    /// Whether a date belongs to the season.
    pub fn holds(self, date: Date) -> bool {
        let day = (date.month, date.day);
        let (from, to) = ((self.from_month, self.from_day), (self.to_month, self.to_day));
        if from <= to { from <= day && day <= to } else { from <= day || day <= to }
    }

    /// Days of the season between two local midnights, at a fixed offset from UTC. At most a few years: it counts days.
    pub fn days_in(self, window: Window, offset_minutes: i16) -> u32 {
        let days = local_day(window.from, offset_minutes)..local_day(window.to, offset_minutes);
        days.filter(|day| self.holds(Date::from_days(*day))).count() as u32
    }

    /// The days, counted after 1970-01-01, of the season that `date` lies in, or that begins next: a leap day counts where
    /// there is one.
    pub fn span(self, date: Date) -> Range<i64> {
        let (from, to) = ((self.from_month, self.from_day), (self.to_month, self.to_day));
        let year = match (self.holds(date), from <= (date.month, date.day)) {
            (true, true) | (false, false) => date.year,
            (true, false) => date.year - 1,
            (false, true) => date.year + 1,
        };
        let begin = Date { year, month: self.from_month, day: self.from_day }.to_days();
        let year = year + i32::from(to < from);
        let end = match to {
            // The month's last day, whether the year has this one or not.
            (2, 29) => Date { year, month: 3, day: 1 }.to_days(),
            (month, day) => Date { year, month, day }.to_days() + 1,
        };
        begin..end.max(begin)
    }

    /// Length in days of the season that `date` lies in, or that begins next.
    pub fn days_of(self, date: Date) -> u32 {
        let days = self.span(date);
        (days.end - days.start) as u32
    }
}

/// A metered tariff whose discount is set by the size of each payment.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeteredTariff {
    /// The undiscounted unit price, net.
    pub price: Price,
    /// Discounts, by rising payment.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Step>))]
    pub steps: Bounded<Step, MAX_STEPS>,
    /// Time-of-use factors.
    pub time_of_use: TimeOfUse,
    /// What may be consumed beyond what is prepaid before supply counts as exhausted.
    pub grace: Quantity,
    /// Levies on each unit, net, without discount or factor.
    pub levy: Money,
}

impl MeteredTariff {
    /// The discount that a payment earns, in thousandths.
    pub fn discount_permille(&self, payment: Money) -> u16 {
        self.steps.iter().rev().find(|step| step.from <= payment).map_or(0, |step| step.discount_permille)
    }
}

/// A metered tariff whose discount is set by the length of the prepaid period.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MeteredByPeriodTariff {
    /// The undiscounted unit price, net.
    pub price: Price,
    /// Discounts by period.
    pub discounts: PeriodDiscounts,
    /// What may be consumed beyond what is prepaid before supply counts as exhausted.
    pub grace: Quantity,
    /// Levies on each unit, net, without discount.
    pub levy: Money,
}

/// A tariff by floor area.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FloorAreaTariff {
    /// Money per m2 for a whole season, net.
    pub per_m2: Money,
    /// The season.
    pub season: Season,
    /// Discounts by period.
    pub discounts: PeriodDiscounts,
}

/// One carrier's charging rule.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tariff {
    /// By meter; discount by payment.
    Metered(MeteredTariff),
    /// By meter; discount by period.
    MeteredByPeriod(MeteredByPeriodTariff),
    /// By floor area; discount by period.
    FloorArea(FloorAreaTariff),
}

impl Tariff {
    /// When its bands are; a tariff without bands has a calendar of one.
    pub const fn calendar(&self) -> Option<&Calendar> {
        match self {
            Self::Metered(tariff) => Some(&tariff.time_of_use.calendar),
            Self::MeteredByPeriod(_) | Self::FloorArea(_) => None,
        }
    }
}

/// A tariff that a user can choose for a carrier.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TariffOption {
    /// The carrier.
    pub carrier: Carrier,
    /// The charging rule.
    pub tariff: Tariff,
    /// Value-added tax on it, in thousandths.
    pub vat_permille: u16,
}

/// Names one option of a version of a package: the number counts the carrier's options.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TariffId {
    /// The package.
    pub package: PackageId,
    /// Its version.
    pub version: u32,
    /// The carrier.
    pub carrier: Carrier,
    /// Which of the carrier's options, counted from 0.
    pub option: u8,
}

/// What a subscription pays besides its tariffs, month by month.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ChargeRule {
    /// So much for a calendar month; for a part of one, its share of the days.
    Fixed {
        /// For a whole month, net.
        per_month: Money,
    },
    /// A month's net charges of the package come to at least so much; for a part of a month, its share of the days.
    Minimum {
        /// For a whole month, net.
        per_month: Money,
    },
    /// For the month's highest mean power between two consecutive certified readings at most an hour apart.
    Demand {
        /// Whose meter; a carrier counted in joules.
        carrier: Carrier,
        /// For a kilowatt in a month, net.
        per_kw: Money,
    },
}

/// A charge of a package.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Charge {
    /// What it is called on the bill.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub name: Text<MAX_CHARGE_NAME_BYTES>,
    /// The rule.
    pub rule: ChargeRule,
    /// Value-added tax on it, in thousandths.
    pub vat_permille: u16,
}

/// What all options of a version share.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PackageTerms {
    /// Fixed offset from UTC for hours, days and months, in minutes.
    pub offset_minutes: i16,
    /// How long before it takes effect the owner gives notice of an end, in days.
    pub notice_days: u8,
    /// What is paid besides the tariffs.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<Charge>))]
    pub charges: Bounded<Charge, MAX_CHARGES>,
}

/// A version of a package, as its owner publishes it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Package {
    /// What the owner calls it; all versions share it.
    pub label: Label,
    /// 1, then 2, ...
    pub version: u32,
    /// What all options share.
    pub terms: PackageTerms,
    /// What can be chosen; a carrier's options are counted in this order.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<TariffOption>))]
    pub options: Bounded<TariffOption, { Carrier::COUNT * MAX_TARIFF_OPTIONS }>,
}

impl Package {
    /// Its id, given its owner.
    pub fn id(&self, owner: AccountId) -> PackageId {
        PackageId::of(owner, self.label)
    }

    /// The options of a carrier, in order.
    pub fn options_of(&self, carrier: Carrier) -> impl Iterator<Item = &TariffOption> {
        self.options.iter().filter(move |option| option.carrier == carrier)
    }
}

/// The undiscounted unit price of a metered tariff and a tranche's discount on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UnitPrice {
    /// The undiscounted unit price, net.
    pub price: Price,
    /// The discount in thousandths.
    pub discount_permille: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEATING: Season = Season { from_month: 11, from_day: 15, to_month: 3, to_day: 15 };
    const COOLING: Season = Season { from_month: 5, from_day: 15, to_month: 9, to_day: 30 };

    #[test]
    fn a_season_may_run_over_the_turn_of_the_year() {
        let year = |year: i32| Date { year, month: 1, day: 1 }.midnight(480).unwrap();
        assert_eq!(HEATING.days_in(Window { from: year(2025), to: year(2026) }, 480), 121);
        assert_eq!(HEATING.days_in(Window { from: year(2024), to: year(2025) }, 480), 122);
    }

    #[test]
    fn a_season_has_its_own_length() {
        let date = |year, month, day| Date { year, month, day };
        for (season, date, days) in [
            (HEATING, date(2026, 11, 15), 121),
            (HEATING, date(2027, 12, 31), 122),
            (HEATING, date(2028, 3, 15), 122),
            (HEATING, date(2027, 7, 1), 122),
            (COOLING, date(2028, 6, 1), 139),
            (Season { from_month: 1, from_day: 1, to_month: 12, to_day: 31 }, date(2028, 6, 1), 366),
            (Season { from_month: 1, from_day: 1, to_month: 12, to_day: 31 }, date(2027, 6, 1), 365),
        ] {
            assert_eq!(season.days_of(date), days, "{season:?} {date:?}");
        }
    }

    #[test]
    fn the_days_of_a_season_are_those_that_counting_finds() {
        let season = |from_month, from_day, to_month, to_day| Season { from_month, from_day, to_month, to_day };
        let seasons = [
            HEATING,
            COOLING,
            season(1, 1, 12, 31),
            season(7, 1, 6, 30),
            season(3, 1, 2, 29),
            season(3, 1, 2, 28),
            season(1, 1, 2, 29),
            season(12, 31, 1, 1),
            season(6, 1, 6, 1),
        ];
        for season in seasons {
            let begins = |day: i64| {
                let date = Date::from_days(day);
                (date.month, date.day) == (season.from_month, season.from_day)
            };
            // From 2023 until 2029.
            for day in 19_358..21_550 {
                let date = Date::from_days(day);
                let begin = match season.holds(date) {
                    true => (day - 366..=day).rev().find(|day| begins(*day)),
                    false => (day..=day + 366).find(|day| begins(*day)),
                };
                let begin = begin.unwrap();
                let is_over = |day: &i64| !season.holds(Date::from_days(*day)) || begins(*day);
                let end = (begin + 1..=begin + 366).find(is_over).unwrap();
                assert_eq!(season.span(date), begin..end, "{season:?} {date:?}");
            }
        }
    }

    #[test]
    fn a_holiday_is_no_weekday() {
        let calendar = Calendar { stretches: Bounded::empty(), holidays: vec![20_089].try_into().unwrap() };
        assert_eq!(calendar.day_bit(20_089), 1 << 7, "1 January 2025 is a holiday here");
        assert_eq!(calendar.day_bit(20_090), 1 << 3, "2 January 2025 is a Thursday");
        assert_eq!(calendar.day_bit(20_093), 1 << 6, "5 January 2025 is a Sunday");
    }
}
