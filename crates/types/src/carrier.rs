//! The forms of energy that are traded together [M1].

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A form of energy (or water) with its own meters, prices and tariffs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[borsh(use_discriminant = true)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Carrier {
    /// Electric energy; base unit joule.
    Electricity = 0,
    /// Heat for space heating; base unit joule.
    Heating = 1,
    /// Cold for air conditioning; base unit joule.
    Cooling = 2,
    /// Domestic hot water; base unit millilitre.
    HotWater = 3,
    /// Natural gas; base unit millilitre (at reference conditions).
    Gas = 4,
    /// Cold drinking water; base unit millilitre.
    Water = 5,
}

/// What a carrier is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BaseUnit {
    /// Energy in joules.
    Joule,
    /// Volume in millilitres.
    Millilitre,
}

impl Carrier {
    /// How many carriers there are; also the most lines a multi-carrier document can have.
    pub const COUNT: usize = 6;

    /// All carriers in their order.
    pub const ALL: [Carrier; Self::COUNT] =
        [Self::Electricity, Self::Heating, Self::Cooling, Self::HotWater, Self::Gas, Self::Water];

    /// The integer unit of this carrier's quantities.
    pub const fn base_unit(self) -> BaseUnit {
        match self {
            Self::Electricity | Self::Heating | Self::Cooling => BaseUnit::Joule,
            Self::HotWater | Self::Gas | Self::Water => BaseUnit::Millilitre,
        }
    }

    /// The name used in JSON, tables and commands.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Electricity => "electricity",
            Self::Heating => "heating",
            Self::Cooling => "cooling",
            Self::HotWater => "hot_water",
            Self::Gas => "gas",
            Self::Water => "water",
        }
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no carrier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no carrier is called {0:?}; carriers are electricity, heating, cooling, hot_water, gas and water")]
pub struct UnknownCarrier(pub String);

impl std::str::FromStr for Carrier {
    type Err = UnknownCarrier;
    fn from_str(text: &str) -> Result<Self, UnknownCarrier> {
        Self::ALL.into_iter().find(|carrier| carrier.name() == text).ok_or_else(|| UnknownCarrier(text.into()))
    }
}
