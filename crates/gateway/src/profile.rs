//! Device profiles: which register of a device shows its carrier's quantity, and how.
//!
//! Profiles are data, in TOML: the built-in ones in `profiles/builtin.toml`, a site's own in its configuration file, in the
//! same words. A profile of a site takes the place of a built-in one of the same name.

use crate::computed::Formula;
use crate::number::{Number, Step};
use crate::protocol::cjt188::UnitPosition;
use crate::protocol::dlt645::Identifier;
use crate::protocol::modbus::{ByteOrder, Description, Function, Kind, WordOrder};
use crate::protocol::{Content, Protocol, Refused, Telegram, json, mbus, sunspec};
use serde::Deserialize;
use std::collections::BTreeMap;
use utilidor_types::{Carrier, Quantity};

/// The profiles that the gateway brings along.
const BUILTIN: &str = include_str!("../profiles/builtin.toml");
/// Most patterns of a register that say that there is no value.
const MAX_ABSENT: usize = 8;

/// How a device's register is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What a meter's configuration calls it.
    pub name: String,
    /// Whose registers these are.
    pub device: String,
    /// What it measures, if it is always the same.
    pub carrier: Option<Carrier>,
    /// Whether the meter's transformers still have to be reckoned in.
    pub side: Side,
    /// Where the register starts again, if that is the same for all such devices.
    pub modulus: Option<Step>,
    /// Where this is written.
    pub source: String,
    /// The register.
    pub register: Register,
}

/// Which side of its transformers a register counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What flows.
    Primary,
    /// What comes through the transformers: times their ratio it is what flows.
    Secondary,
}

/// Where the register is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Register {
    /// DL/T 645.
    Dlt645 {
        /// The register.
        identifier: Identifier,
        /// The number of the device, to notice its exchange.
        serial: Option<Identifier>,
    },
    /// CJ/T 188.
    Cjt188 {
        /// Where values have their unit.
        units: UnitPosition,
    },
    /// M-Bus.
    Mbus {
        /// Which record is the register; none where the device shows one alone.
        selector: Option<mbus::Selector>,
    },
    /// A JSON document.
    Json(json::Description),
    /// A counter in a SunSpec device's chain of models, over Modbus.
    SunSpec(sunspec::Wanted),
    /// No device's: it is computed.
    Computed(Formula),
    /// Modbus.
    Modbus {
        /// Which registers.
        function: Function,
        /// The first, counted from 0.
        address: u16,
        /// What they show.
        description: Description,
        /// The number of the device, to notice its exchange.
        serial: Option<SerialRegisters>,
    },
}

/// Registers that hold a device's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SerialRegisters {
    /// The first, counted from 0.
    pub address: u16,
    /// Which registers.
    pub function: Function,
    /// How many.
    pub count: u16,
}

impl Register {
    /// The protocol it is read with.
    pub const fn protocol(&self) -> Protocol {
        match self {
            Self::Dlt645 { .. } => Protocol::Dlt645,
            Self::Cjt188 { .. } => Protocol::Cjt188,
            Self::Mbus { .. } => Protocol::Mbus,
            Self::Json(_) => Protocol::Json,
            Self::Computed(_) => Protocol::Virtual,
            Self::Modbus { .. } | Self::SunSpec(_) => Protocol::Modbus,
        }
    }
}

/// The transformers before a meter: what flows is what it counts times both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    /// Current transformers: 200/5 A is 40.
    #[serde(default = "one")]
    pub ct: u32,
    /// Voltage transformers: 10000/100 V is 100.
    #[serde(default = "one")]
    pub pt: u32,
}

const fn one() -> u32 {
    1
}

impl Default for Ratio {
    fn default() -> Self {
        Self { ct: 1, pt: 1 }
    }
}

impl Ratio {
    /// The factor of both.
    pub fn factor(self) -> u64 {
        u64::from(self.ct) * u64::from(self.pt)
    }
}

/// The quantity that a telegram's register shows, the ratio reckoned in, rounded down to base units.
pub fn quantity_floor(telegram: &Telegram, carrier: Carrier, ratio: Ratio) -> Result<Quantity, Refused> {
    // The telegram's own checks come first; the ratio is reckoned in before anything is rounded.
    telegram.quantity_floor(carrier)?;
    let Some(Content::Number { number, unit }) = telegram.register().map(|register| &register.content) else {
        return Err(Refused::NoRegister { address: telegram.address.clone() });
    };
    let factor = Number::unsigned(ratio.factor());
    let number = number.times(factor).ok_or(crate::number::NumberError::TooLarge { number: *number, unit: *unit })?;
    Ok(number.quantity_floor(*unit, carrier)?)
}

/// Why profiles cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// A field is missing, not for this protocol, or not what it should be.
    #[error("profile {profile:?}: {field}: {reason}")]
    Field {
        /// The profile.
        profile: String,
        /// The field.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Two profiles have the same name.
    #[error("profile {profile:?} stands twice")]
    Twice {
        /// The name.
        profile: String,
    },
}

/// A profile as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenProfile {
    name: String,
    #[serde(default)]
    device: String,
    #[serde(default = "modbus")]
    protocol: String,
    #[serde(default)]
    carrier: Option<String>,
    #[serde(default = "primary")]
    side: Side,
    #[serde(default)]
    modulus: Option<String>,
    #[serde(default)]
    source: String,
    #[serde(default)]
    identifier: Option<String>,
    #[serde(default)]
    serial_identifier: Option<String>,
    #[serde(default)]
    units: Option<UnitPosition>,
    #[serde(default)]
    register: Option<WrittenRegister>,
    #[serde(default)]
    serial: Option<SerialRegisters>,
    #[serde(default)]
    json: Option<WrittenJson>,
    #[serde(default)]
    mbus: Option<mbus::Selector>,
    #[serde(default)]
    sunspec: Option<sunspec::Wanted>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenJson {
    value: String,
    time: String,
    step: String,
}

fn modbus() -> String {
    Protocol::Modbus.name().into()
}

const fn primary() -> Side {
    Side::Primary
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRegister {
    address: u16,
    function: Function,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default)]
    words: Option<WordOrder>,
    #[serde(default)]
    bytes: ByteOrder,
    step: String,
    #[serde(default)]
    absent: Vec<String>,
}

impl WrittenProfile {
    /// The profile, if all that it needs is there and nothing else.
    pub fn check(self) -> Result<Profile, ProfileError> {
        let name = self.name.clone();
        let wrong = |field, reason: String| ProfileError::Field { profile: name.clone(), field, reason };
        let protocol: Protocol = self.protocol.parse().map_err(|error| wrong("protocol", format!("{error}")))?;
        let carrier = self.carrier.map(|carrier| carrier.parse::<Carrier>()).transpose();
        let carrier = carrier.map_err(|error| wrong("carrier", error.to_string()))?;
        let step = |field, text: &str| text.parse::<Step>().map_err(|error| wrong(field, error.to_string()));
        let modulus = self.modulus.as_deref().map(|text| step("modulus", text)).transpose()?;
        let identifier = |field, text: &str| match u32::from_str_radix(text, 16) {
            Ok(identifier) if text.len() == 8 => Ok(Identifier(identifier)),
            _ => Err(wrong(field, format!("{text:?} is no data identifier: write its eight hexadecimal digits"))),
        };
        let not_for = |field| wrong(field, format!("it is not for {protocol}"));
        if self.identifier.is_some() && protocol != Protocol::Dlt645 {
            return Err(not_for("identifier"));
        }
        if self.serial_identifier.is_some() && protocol != Protocol::Dlt645 {
            return Err(not_for("serial_identifier"));
        }
        if self.units.is_some() && protocol != Protocol::Cjt188 {
            return Err(not_for("units"));
        }
        if self.register.is_some() && protocol != Protocol::Modbus {
            return Err(not_for("register"));
        }
        if self.serial.is_some() && protocol != Protocol::Modbus {
            return Err(not_for("serial"));
        }
        if self.json.is_some() && protocol != Protocol::Json {
            return Err(not_for("json"));
        }
        if self.sunspec.is_some() && (protocol != Protocol::Modbus || self.register.is_some()) {
            return Err(not_for("sunspec"));
        }
        if self.sunspec.is_some_and(|wanted| wanted.nth == 0 || wanted.nth > sunspec::MAX_NTH) {
            return Err(wrong("sunspec.nth", format!("it is not between 1 and {}", sunspec::MAX_NTH)));
        }
        if self.mbus.is_some() && protocol != Protocol::Mbus {
            return Err(not_for("mbus"));
        }
        let register = match protocol {
            Protocol::Virtual => {
                return Err(wrong("protocol", "no device is virtual: write the meter under [[virtual]]".into()));
            }
            Protocol::Json => {
                let Some(written) = self.json else {
                    return Err(wrong("json", "it is missing: say value, time and step".into()));
                };
                for (field, pointer) in [("json.value", &written.value), ("json.time", &written.time)] {
                    let depth = pointer.split('/').count() - 1;
                    if !pointer.starts_with('/') || depth > json::MAX_DEPTH {
                        let reason = format!("{pointer:?} is no pointer: write it as /meter/energy");
                        return Err(wrong(field, reason));
                    }
                }
                let step = step("json.step", &written.step)?;
                Register::Json(json::Description { value: written.value, time: written.time, step })
            }
            Protocol::Dlt645 => Register::Dlt645 {
                identifier: match &self.identifier {
                    Some(text) => identifier("identifier", text)?,
                    None => return Err(wrong("identifier", "it is missing: 00010000 is forward active energy".into())),
                },
                serial: self
                    .serial_identifier
                    .as_deref()
                    .map(|text| identifier("serial_identifier", text))
                    .transpose()?,
            },
            Protocol::Cjt188 => Register::Cjt188 { units: self.units.unwrap_or(UnitPosition::Found) },
            Protocol::Mbus => Register::Mbus { selector: self.mbus },
            Protocol::Modbus if let Some(wanted) = self.sunspec => Register::SunSpec(wanted),
            Protocol::Modbus => {
                let Some(written) = self.register else {
                    return Err(wrong("register", "it is missing: say address, function, type, words and step".into()));
                };
                // One register has no order of words; for several, a guess would be a guess at the bill.
                let words = match written.words {
                    Some(words) => words,
                    None if written.kind.registers() == 1 => WordOrder::HighFirst,
                    None => {
                        return Err(wrong("register.words", "it is missing: write high-first or low-first".into()));
                    }
                };
                if written.absent.len() > MAX_ABSENT {
                    let reason = format!("{} patterns are more than the {MAX_ABSENT} allowed", written.absent.len());
                    return Err(wrong("register.absent", reason));
                }
                let pattern = |text: &String| {
                    let digits = text.strip_prefix("0x").unwrap_or_default();
                    u64::from_str_radix(digits, 16).map_err(|_| {
                        wrong("register.absent", format!("{text:?} is no pattern: write it as 0x7fffffff"))
                    })
                };
                let absent = written.absent.iter().map(pattern).collect::<Result<_, _>>()?;
                if let Some(serial) = self.serial
                    && !(1..=16).contains(&serial.count)
                {
                    return Err(wrong("serial.count", "a device's number has 1 to 16 registers".into()));
                }
                Register::Modbus {
                    function: written.function,
                    address: written.address,
                    description: Description {
                        what: "register".into(),
                        kind: written.kind,
                        words,
                        bytes: written.bytes,
                        step: step("register.step", &written.step)?,
                        absent,
                        is_register: true,
                    },
                    serial: self.serial,
                }
            }
        };
        Ok(Profile {
            name: self.name,
            device: self.device,
            carrier,
            side: self.side,
            modulus,
            source: self.source,
            register,
        })
    }
}

/// The profiles that there are, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiles(BTreeMap<String, Profile>);

impl Profiles {
    /// Those that the gateway brings along.
    pub fn builtin() -> Self {
        #[derive(Deserialize)]
        struct Written {
            profile: Vec<WrittenProfile>,
        }
        let written: Written = toml::from_str(BUILTIN).expect("a test reads the built-in profiles");
        let mut profiles = Self(BTreeMap::new());
        profiles.add(written.profile).expect("a test checks the built-in profiles");
        profiles
    }

    /// Adds a site's own; they take the place of others of the same name.
    pub fn add(&mut self, written: Vec<WrittenProfile>) -> Result<(), ProfileError> {
        let mut added = BTreeMap::new();
        for profile in written {
            let profile = profile.check()?;
            if let Some(before) = added.insert(profile.name.clone(), profile) {
                return Err(ProfileError::Twice { profile: before.name });
            }
        }
        self.0.extend(added);
        Ok(())
    }

    /// The profile of a name.
    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Unit;
    use crate::protocol::modbus::{self, Framing};

    fn own(text: &str) -> Result<Profile, String> {
        let written: WrittenProfile = toml::from_str(text).map_err(|error| error.to_string())?;
        written.check().map_err(|error| error.to_string())
    }

    #[test]
    fn the_built_in_profiles_are_complete_and_say_their_source() {
        let profiles = Profiles::builtin();
        assert_eq!(profiles.iter().count(), 16);
        for profile in profiles.iter() {
            assert!(!profile.device.is_empty() && !profile.source.is_empty(), "{}", profile.name);
            if let (Some(carrier), Register::Modbus { description, .. }) = (profile.carrier, &profile.register) {
                assert!(description.step.number.quantity_floor(description.step.unit, carrier).is_ok());
            }
        }
    }

    #[test]
    fn a_sites_own_profile_is_written_in_the_same_words_and_takes_the_place_of_a_built_in_one() {
        let text = r#"
            name = "eastron-sdm630"
            carrier = "electricity"
            register = { address = 0x0034, function = 4, type = "i32", words = "low-first", step = "0.1kWh", absent = ["0x7fffffff"] }
        "#;
        let mut profiles = Profiles::builtin();
        profiles.add(vec![toml::from_str(text).unwrap()]).unwrap();
        let Register::Modbus { address: 0x34, description, .. } = &profiles.get("eastron-sdm630").unwrap().register
        else {
            panic!("the site's own profile has register 34")
        };
        let frame = modbus::answer(Framing::Rtu, 0, 1, Function::Input, &[0x86a0, 0x0001]);
        let telegram = modbus::decode_described(&frame, description).unwrap();
        assert_eq!(telegram.register().unwrap().content.to_string(), "10000.0 kWh");
        assert_eq!(description.step.unit, Unit::KilowattHour);
        let ratio = Ratio { ct: 40, pt: 1 };
        let quantity = quantity_floor(&telegram, Carrier::Electricity, ratio).unwrap();
        assert_eq!(quantity, Quantity(400_000 * 3_600_000));
    }

    #[test]
    fn what_is_missing_or_not_meant_is_said_with_its_field() {
        for (text, said) in [
            ("name = 'x'", "register: it is missing"),
            ("name = 'x'\nprotocol = 'knx'", "no protocol is called"),
            ("name = 'x'\nprotocol = 'dlt645'", "identifier: it is missing"),
            ("name = 'x'\nprotocol = 'dlt645'\nidentifier = '1'", "eight hexadecimal digits"),
            ("name = 'x'\nprotocol = 'mbus'\nunits = 'after'", "units: it is not for mbus"),
            ("name = 'x'\ncarrier = 'steam'\nprotocol = 'mbus'", "no carrier is called"),
            ("name = 'x'\ntypo = 1", "unknown field `typo`"),
            ("name = 'x'\nsunspec = { energy = 'produced', nth = 0 }", "sunspec.nth: it is not between"),
            ("name = 'x'\nsunspec = { energy = 'lost' }", "unknown variant `lost`"),
            ("name = 'x'\nprotocol = 'mbus'\nsunspec = { energy = 'produced' }", "sunspec: it is not for mbus"),
            ("name = 'x'\nmbus = { record = 'energy' }", "mbus: it is not for modbus"),
            ("name = 'x'\nprotocol = 'mbus'\nmbus = { tariff = 1 }", "missing field `record`"),
            ("name = 'x'\nprotocol = 'json'", "json: it is missing"),
            ("name = 'x'\nprotocol = 'json'\njson = { value = 'e', time = '/t', step = '1kWh' }", "json.value"),
            ("name = 'x'\nregister = { address = 1, function = 3, type = 'u32', step = '1kWh' }", "register.words"),
            (
                "name = 'x'\nregister = { address = 1, function = 6, type = 'u16', step = '1kWh' }",
                "does not read registers",
            ),
            ("name = 'x'\nregister = { address = 1, function = 3, type = 'u16', step = '1' }", "no number with a unit"),
            (
                "name = 'x'\nregister = { address = 1, function = 3, type = 'u16', step = '1kWh', absent = ['ff'] }",
                "write it as 0x7fffffff",
            ),
        ] {
            let error = own(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
