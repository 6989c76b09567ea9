//! Numbers as devices send them: exact ratios of integers, never floats, with their unit.
//!
//! A *number* is a numerator over a denominator. Decimal registers have a power of ten below, IEEE 754 registers a power of
//! two, and the ratio of a meter's transformers multiplies both. A number becomes a [`Quantity`] in one place,
//! [`Number::quantity_floor`], rounded down: a cumulative register rounded down never runs ahead of the device.

mod error;

pub use error::{NotFinite, NumberError};

use std::fmt;
use utilidor_types::carrier::BaseUnit;
use utilidor_types::quantity::{JOULES_PER_KILOWATT_HOUR, JOULES_PER_WATT_HOUR};
use utilidor_types::{Carrier, Quantity};

/// Most decimals that are shown. Every power of ten or two that a device sends ends within them.
const MAX_DECIMALS: usize = 64;

/// An exact number.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    numerator: i128,
    denominator: u128,
}

/// A bit pattern, shown in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits(pub u64);

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Number {
    /// Nothing.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };

    /// A whole number.
    pub const fn whole(value: i64) -> Self {
        Self { numerator: value as i128, denominator: 1 }
    }

    /// `digits` with the last `decimals` of them behind the point.
    pub const fn decimal(digits: i64, decimals: u8) -> Self {
        assert!(decimals <= 18, "no device sends more decimals than 64 bits have");
        Self { numerator: digits as i128, denominator: 10u128.pow(decimals as u32) }
    }

    /// An unsigned register.
    pub const fn unsigned(value: u64) -> Self {
        Self { numerator: value as i128, denominator: 1 }
    }

    /// The exact value of an IEEE 754 pattern of 32 bits.
    pub fn binary32(bits: u32) -> Result<Self, NumberError> {
        let mantissa = u64::from(bits & 0x007f_ffff);
        Self::binary(u64::from(bits), bits >> 31 != 0, (bits >> 23 & 0xff) as i32, 0xff, 127, mantissa, 23)
    }

    /// The exact value of an IEEE 754 pattern of 64 bits.
    pub fn binary64(bits: u64) -> Result<Self, NumberError> {
        let mantissa = bits & 0x000f_ffff_ffff_ffff;
        Self::binary(bits, bits >> 63 != 0, (bits >> 52 & 0x7ff) as i32, 0x7ff, 1_023, mantissa, 52)
    }

    fn binary(
        pattern: u64,
        negative: bool,
        exponent: i32,
        special: i32,
        bias: i32,
        mantissa: u64,
        mantissa_bits: i32,
    ) -> Result<Self, NumberError> {
        let refuse = |reason| Err(NumberError::NotFinite { bits: Bits(pattern), reason });
        if exponent == special {
            return refuse(NotFinite::NoNumber);
        }
        if exponent == 0 && mantissa == 0 {
            return Ok(Self::ZERO);
        }
        if exponent == 0 {
            return refuse(NotFinite::TooSmall);
        }
        let mantissa = i128::from(mantissa | 1 << mantissa_bits);
        let power = exponent - bias - mantissa_bits;
        // A register's value fits 64 bits before and after the point; what does not is a pattern read the wrong way.
        let (numerator, denominator) = match power {
            0..=63 => match mantissa.checked_shl(power as u32).filter(|value| *value <= i128::from(u64::MAX)) {
                Some(value) => (value, 1),
                None => return refuse(NotFinite::TooLarge),
            },
            -64..=-1 => (mantissa, 1u128 << (-power)),
            64.. => return refuse(NotFinite::TooLarge),
            _ => return refuse(NotFinite::TooSmall),
        };
        Ok(Self { numerator: if negative { -numerator } else { numerator }, denominator })
    }

    /// This number times 10 to `power`; `None` where that does not fit.
    pub fn times_ten_to(self, power: i8) -> Option<Self> {
        let scale = 10i128.checked_pow(u32::from(power.unsigned_abs()))?;
        if power >= 0 {
            // A decimal register that is scaled up loses decimals before it gains zeros: 0.02 times 100 is 2.
            let shared = self.denominator.min(scale as u128);
            if self.denominator.is_multiple_of(shared) && (scale as u128).is_multiple_of(shared) {
                let numerator = self.numerator.checked_mul(scale / shared as i128)?;
                return Some(Self { numerator, denominator: self.denominator / shared });
            }
            Some(Self { numerator: self.numerator.checked_mul(scale)?, ..self })
        } else {
            Some(Self { denominator: self.denominator.checked_mul(scale as u128)?, ..self })
        }
    }

    /// The same below zero.
    pub const fn negated(self) -> Self {
        // A numerator has 64 bits where it comes from a device, and is never the least of 128.
        Self { numerator: self.numerator.saturating_neg(), ..self }
    }

    /// The product; `None` where it does not fit.
    pub fn times(self, other: Self) -> Option<Self> {
        Some(Self {
            numerator: self.numerator.checked_mul(other.numerator)?,
            denominator: self.denominator.checked_mul(other.denominator)?,
        })
    }

    /// Whether it is below zero.
    pub const fn is_negative(self) -> bool {
        self.numerator < 0
    }

    /// The quantity of `carrier` that a cumulative register of this many `unit` shows, in whole base units, rounded down.
    pub fn quantity_floor(self, unit: Unit, carrier: Carrier) -> Result<Quantity, NumberError> {
        let wrong = NumberError::WrongUnit { unit, carrier, expected: expected_units(carrier) };
        let (base, scale) = unit.base().ok_or(wrong)?;
        if base != carrier.base_unit() {
            return Err(wrong);
        }
        if self.is_negative() {
            return Err(NumberError::Negative { number: self });
        }
        let too_large = NumberError::TooLarge { number: self, unit };
        let scaled = self.numerator.unsigned_abs().checked_mul(scale.into()).ok_or(too_large)?;
        u64::try_from(scaled / self.denominator).map(Quantity).map_err(|_| too_large)
    }

    /// Numerator and denominator without common factors.
    fn reduced(self) -> (i128, u128) {
        let (mut a, mut b) = (self.numerator.unsigned_abs(), self.denominator);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = a.max(1);
        let magnitude = (self.numerator.unsigned_abs() / divisor) as i128;
        (if self.numerator < 0 { -magnitude } else { magnitude }, self.denominator / divisor)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.reduced() == other.reduced()
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    /// The exact decimal; a ratio with a bar where no decimal is exact. A decimal register keeps its zeros: `0.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_decimal = |mut value: u128| {
            while value.is_multiple_of(10) {
                value /= 10;
            }
            value == 1
        };
        let (numerator, denominator) =
            if is_decimal(self.denominator) { (self.numerator, self.denominator) } else { self.reduced() };
        let sign = if numerator < 0 { "-" } else { "" };
        let magnitude = numerator.unsigned_abs();
        let mut rest = magnitude % denominator;
        let mut decimals = String::new();
        let places = if is_decimal(denominator) { denominator.ilog10() as usize } else { MAX_DECIMALS };
        while decimals.len() < places && (rest != 0 || is_decimal(denominator)) {
            let Some(next) = rest.checked_mul(10) else { break };
            decimals.push(char::from(b'0' + (next / denominator) as u8));
            rest = next % denominator;
        }
        if rest != 0 {
            return f.pad(&format!("{sign}{magnitude}/{denominator}"));
        }
        let point = if decimals.is_empty() { "" } else { "." };
        f.pad(&format!("{sign}{}{point}{decimals}", magnitude / denominator))
    }
}

const fn expected_units(carrier: Carrier) -> [&'static str; 3] {
    match carrier.base_unit() {
        BaseUnit::Joule => ["kWh", "GJ", "J"],
        BaseUnit::Millilitre => ["m3", "L", "mL"],
    }
}

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident = $symbol:literal $(, $base:expr)?;)*) => {
        /// What a device counts or measures in.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Unit {
            $($(#[$doc])* $name,)*
        }

        impl Unit {
            /// All units.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The symbol that people write.
            pub const fn symbol(self) -> &'static str {
                match self { $(Self::$name => $symbol,)* }
            }

            /// The base unit of a carrier's quantities and how many of it make one of these; none for what is no quantity.
            pub const fn base(self) -> Option<(BaseUnit, u64)> {
                match self { $(Self::$name => units!(@base $($base)?),)* }
            }
        }
    };
    (@base $base:expr) => { Some($base) };
    (@base) => { None };
}

units! {
    /// Energy.
    Joule = "J", (BaseUnit::Joule, 1);
    /// Energy.
    Kilojoule = "kJ", (BaseUnit::Joule, 1_000);
    /// Energy.
    Megajoule = "MJ", (BaseUnit::Joule, 1_000_000);
    /// Energy.
    Gigajoule = "GJ", (BaseUnit::Joule, 1_000_000_000);
    /// Energy.
    WattHour = "Wh", (BaseUnit::Joule, JOULES_PER_WATT_HOUR);
    /// Energy.
    KilowattHour = "kWh", (BaseUnit::Joule, JOULES_PER_KILOWATT_HOUR);
    /// Energy.
    MegawattHour = "MWh", (BaseUnit::Joule, 1_000 * JOULES_PER_KILOWATT_HOUR);
    /// Energy in a unit that has several sizes.
    Megacalorie = "Mcal";
    /// Volume.
    Millilitre = "mL", (BaseUnit::Millilitre, 1);
    /// Volume.
    Litre = "L", (BaseUnit::Millilitre, 1_000);
    /// Volume.
    CubicMetre = "m3", (BaseUnit::Millilitre, 1_000_000);
    /// Reactive energy.
    KilovarHour = "kvarh";
    /// Apparent energy.
    KilovoltAmpereHour = "kVAh";
    /// Power.
    Watt = "W";
    /// Power.
    Kilowatt = "kW";
    /// Power.
    Megawatt = "MW";
    /// Power.
    JoulePerHour = "J/h";
    /// Reactive power.
    Kilovar = "kvar";
    /// Apparent power.
    KilovoltAmpere = "kVA";
    /// Voltage.
    Volt = "V";
    /// Current.
    Ampere = "A";
    /// Frequency.
    Hertz = "Hz";
    /// Angle between phases.
    Degree = "°";
    /// Flow.
    LitrePerHour = "L/h";
    /// Flow.
    CubicMetrePerHour = "m3/h";
    /// Flow.
    CubicMetrePerMinute = "m3/min";
    /// Flow.
    CubicMetrePerSecond = "m3/s";
    /// Flow of mass.
    KilogramPerHour = "kg/h";
    /// Mass.
    Kilogram = "kg";
    /// Temperature.
    Celsius = "°C";
    /// Difference of temperatures.
    Kelvin = "K";
    /// Pressure.
    Bar = "bar";
    /// Time.
    Second = "s";
    /// Time.
    Minute = "min";
    /// Time.
    Hour = "h";
    /// Time.
    Day = "d";
    /// Relative humidity and shares.
    Percent = "%";
    /// A count, or a ratio without unit.
    One = "1";
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.symbol())
    }
}

/// One step of a register: how much its last digit counts, such as `0.1kWh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How much.
    pub number: Number,
    /// Of what.
    pub unit: Unit,
}

/// A text that is no amount with a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no number with a unit; write for example 0.01kWh, 1 Wh, 0.001GJ or 0.001m3")]
pub struct BadStep(pub String);

impl std::str::FromStr for Step {
    type Err = BadStep;
    fn from_str(text: &str) -> Result<Self, BadStep> {
        let bad = || BadStep(text.into());
        let trimmed = text.trim();
        let end = trimmed.find(|character: char| !character.is_ascii_digit() && character != '.').ok_or_else(bad)?;
        let (number, symbol) = (&trimmed[..end], trimmed[end..].trim());
        let symbol = if symbol == "m³" { "m3" } else { symbol };
        let unit = Unit::ALL.iter().copied().find(|unit| unit.symbol() == symbol).ok_or_else(bad)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || number.ends_with('.') || decimals.len() > 18 || !digits(whole) || !digits(decimals) {
            return Err(bad());
        }
        let digits: i64 = format!("{whole}{decimals}").parse().map_err(|_| bad())?;
        Ok(Self { number: Number::decimal(digits, decimals.len() as u8), unit })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.number, self.unit)
    }
}

/// A quantity in the unit that people register meters in.
pub fn in_usual_unit(quantity: u64, carrier: Carrier) -> String {
    match carrier.base_unit() {
        // Rounded up to whole watt-hours: a capacity that is a little too large refuses nothing.
        BaseUnit::Joule => {
            let watt_hours = quantity.div_ceil(3_600);
            format!("{}.{:03}kWh", watt_hours / 1_000, watt_hours % 1_000)
        }
        BaseUnit::Millilitre => format!("{}.{:06}m3", quantity / 1_000_000, quantity % 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_zeros_and_binaries_are_exact() {
        assert_eq!(Number::decimal(0, 2).to_string(), "0.00");
        assert_eq!(Number::decimal(-10_026, 2).to_string(), "-100.26");
        assert_eq!(Number::binary32(0x3fc0_0000).unwrap().to_string(), "1.5");
        assert_eq!(Number::binary32(0x4640_e6b7).unwrap().to_string(), "12345.6787109375");
        assert_eq!(
            Number::binary64(0x40c8_1cd6_e631_f8a1).unwrap().to_string(),
            "12345.678900000000794534571468830108642578125"
        );
        assert_eq!((Number { numerator: 1, denominator: 3 }).to_string(), "1/3");
        assert_eq!(Number::decimal(2, 2).times_ten_to(2).unwrap().to_string(), "2");
        assert_eq!(Number::whole(5).times_ten_to(-3).unwrap().to_string(), "0.005");
    }

    #[test]
    fn refuses_patterns_that_no_register_shows() {
        for bits in [0x7f80_0000, 0x7fc0_0000, 0xff80_0000, 1, 0x0100_0000, 0x7f00_0000] {
            assert!(matches!(Number::binary32(bits), Err(NumberError::NotFinite { .. })), "{bits:x}");
        }
        assert!(Number::binary64(u64::MAX).is_err());
        assert_eq!(Number::binary32(0x8000_0000), Ok(Number::ZERO));
    }

    #[test]
    fn a_register_becomes_a_quantity_rounded_down_in_the_carriers_base_unit() {
        let kwh = |digits| Number::decimal(digits, 2).quantity_floor(Unit::KilowattHour, Carrier::Electricity);
        assert_eq!(kwh(26), Ok(Quantity(936_000)));
        assert!(matches!(kwh(-1), Err(NumberError::Negative { .. })));
        let third = Number { numerator: 1, denominator: 3 };
        assert_eq!(third.quantity_floor(Unit::CubicMetre, Carrier::Gas), Ok(Quantity(333_333)));
        assert!(matches!(third.quantity_floor(Unit::CubicMetre, Carrier::Heating), Err(NumberError::WrongUnit { .. })));
        assert!(matches!(third.quantity_floor(Unit::Volt, Carrier::Electricity), Err(NumberError::WrongUnit { .. })));
        let most = Number::unsigned(u64::MAX);
        assert!(matches!(most.quantity_floor(Unit::Gigajoule, Carrier::Heating), Err(NumberError::TooLarge { .. })));
    }

    #[test]
    fn steps_are_read_exactly_or_not_at_all() {
        let step: Step = "0.1kWh".parse().unwrap();
        assert_eq!((step.number, step.unit), (Number::decimal(1, 1), Unit::KilowattHour));
        assert_eq!("0.001 m³".parse::<Step>().unwrap().to_string(), "0.001m3");
        for text in ["", "kWh", "1", "1.kWh", ".1kWh", "1e3kWh", "-1kWh", "1kwh", "99999999999999999999kWh"] {
            assert!(text.parse::<Step>().is_err(), "{text:?}");
        }
    }
}
