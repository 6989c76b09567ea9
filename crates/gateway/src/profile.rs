//! Device profiles: which register of a device shows its carrier's quantity, and how.
//!
//! Profiles are data, in TOML: the built-in ones in `profiles/builtin.toml`, a site's own in its configuration file, in the
//! same words. A profile of a site takes the place of a built-in one of the same name.

mod written;

pub use written::WrittenProfile;

use crate::computed::Formula;
use crate::number::{Number, Step, Unit};
use crate::protocol::cjt188::UnitPosition;
use crate::protocol::dlt645::Identifier;
use crate::protocol::modbus::{Description, Function};
use crate::protocol::{Content, Protocol, Refused, Telegram, dlt645, json, mbus, sunspec};
use crate::reason::{Reason, Sentence, reason};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
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
    pub device: Sentence,
    /// What it measures, if it is always the same.
    pub carrier: Option<Carrier>,
    /// Whether the meter's transformers still have to be reckoned in.
    pub side: Side,
    /// Where the register starts again, if that is the same for all such devices.
    pub modulus: Option<Step>,
    /// Where this is written.
    pub source: Sentence,
    /// The register.
    pub register: Register,
}

impl Profile {
    /// Refuses a carrier that its register, or what it says of it, does not measure; with the field that says so.
    pub fn measures(&self, carrier: Carrier) -> Result<(), (&'static str, Reason)> {
        let name = &self.name;
        let is_electric = self.register.protocol().is_of_electricity() || matches!(self.register, Register::SunSpec(_));
        let unit = match &self.register {
            Register::Modbus { description, .. } => Some(("register.step", description.step.unit)),
            Register::Json(description) => Some(("json.step", description.step.unit)),
            Register::Dlt645 { identifier, .. } => {
                let unit = dlt645::unit_of(*identifier).ok_or_else(|| {
                    let reason = reason!(
                        "{identifier} is no register of energy that DL/T 645 knows",
                        "{identifier} 不是 DL/T 645 中的电能表底";
                        "write for example 00010000, forward active energy",
                        "请写如 00010000（正向有功总电能）"
                    );
                    ("identifier", reason)
                })?;
                Some(("identifier", unit))
            }
            // What charging stations and inverters count.
            Register::Ocpp { .. } | Register::SunSpec(_) => Some(("protocol", Unit::KilowattHour)),
            // Their answers say in which unit.
            Register::Cjt188 { .. } | Register::Mbus { .. } | Register::Computed(_) => None,
        };
        if let Some((field, unit)) = unit
            && (unit.base().map(|(base, _)| base) != Some(carrier.base_unit())
                || (is_electric && carrier != Carrier::Electricity))
        {
            let reason = reason!(
                "{name} counts in {unit}, which does not measure {carrier}",
                "{name} 以 {unit} 计数，不能计量 {carrier}";
                "write the unit and the carrier that the device counts",
                "请写设备实际计数的单位和能源"
            );
            return Err((field, reason));
        }
        let other =
            self.modulus.filter(|modulus| modulus.unit.base().map(|(base, _)| base) != Some(carrier.base_unit()));
        match other {
            Some(modulus) => Err((
                "modulus",
                reason!(
                    "{name} begins again at {modulus}, which does not measure {carrier}",
                    "{name} 在 {modulus} 归零，该单位不能计量 {carrier}";
                    "write it in the unit of the register",
                    "请以表底的单位书写"
                ),
            )),
            None => Ok(()),
        }
    }
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
    /// What a charging station tells of a connector.
    Ocpp {
        /// Whether its device signs: then the signed records count, and nothing else.
        signed: bool,
    },
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
    #[serde(deserialize_with = "written::register_address")]
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
            Self::Ocpp { .. } => Protocol::Ocpp,
            Self::Computed(_) => Protocol::Virtual,
            Self::Modbus { .. } | Self::SunSpec(_) => Protocol::Modbus,
        }
    }

    /// How many requests a meter's turn takes at least, as [`device`](crate::device) makes them: the device's number, and all that leads to
    /// the register. A doubtful register is looked at once more, and so is one that does not answer.
    pub const fn requests(&self) -> u32 {
        match self {
            Self::Dlt645 { serial, .. } => 1 + serial.is_some() as u32,
            Self::Modbus { serial, .. } => 1 + serial.is_some() as u32,
            Self::Cjt188 { .. } => 1,
            // It is told to begin anew, or called by its number, and then asked.
            Self::Mbus { .. } => 2,
            // The mark, the common model and its head, the heads up to the model that is wanted, and that.
            Self::SunSpec(wanted) => 4 + wanted.nth as u32,
            // Nobody asks.
            Self::Json(_) | Self::Ocpp { .. } | Self::Computed(_) => 0,
        }
    }

    /// Whether another profile's register is the same one of a device, however it is read.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dlt645 { identifier: one, .. }, Self::Dlt645 { identifier: other, .. }) => one == other,
            (Self::Cjt188 { .. }, Self::Cjt188 { .. }) | (Self::Ocpp { .. }, Self::Ocpp { .. }) => true,
            (Self::Json(one), Self::Json(other)) => one.value == other.value,
            (
                Self::Modbus { function: one, address: first, .. },
                Self::Modbus { function: other, address: second, .. },
            ) => (one, first) == (other, second),
            _ => self == other,
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
        reason: Reason,
    },
    /// Two profiles have the same name.
    #[error("profile {profile:?} stands twice")]
    Twice {
        /// The name.
        profile: String,
    },
}

/// The profiles that there are, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiles(BTreeMap<String, Arc<Profile>>);

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
            if let Some(before) = added.insert(profile.name.clone(), Arc::new(profile)) {
                return Err(ProfileError::Twice { profile: before.name.clone() });
            }
        }
        self.0.extend(added);
        Ok(())
    }

    /// The profile of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<Profile>> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.values().map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::modbus::{self, Framing};

    fn own(text: &str) -> Result<Profile, String> {
        let written: WrittenProfile = toml::from_str(text).map_err(|error| error.to_string())?;
        written.check().map_err(|error| error.to_string())
    }

    #[test]
    fn the_built_in_profiles_are_complete_and_say_their_source() {
        let profiles = Profiles::builtin();
        assert_eq!(profiles.iter().count(), 18);
        for profile in profiles.iter() {
            for said in [&profile.device, &profile.source] {
                assert!(!said.en.is_empty() && !said.zh.is_empty(), "{}", profile.name);
            }
            if let (Some(carrier), Register::Modbus { description, .. }) = (profile.carrier, &profile.register) {
                assert!(description.step.number.quantity_floor(description.step.unit, carrier).is_ok());
            }
        }
    }

    #[test]
    fn a_register_in_makers_notation_is_named_with_what_it_is() {
        for (number, said) in [
            ("400053", "400053 is a maker's number of a register: write function = 3, address = 0x0034"),
            ("300053", "write function = 4, address = 0x0034"),
            ("70000", "70000 is no address of a register: 0 to 65535"),
            ("-1", "-1 is no address"),
        ] {
            let text = format!(
                "name = \"x\"\ncarrier = \"electricity\"\nregister = {{ address = {number}, function = 3, type = \"u32\", words = \
                 \"high-first\", step = \"1Wh\" }}\n"
            );
            let error = own(&text).unwrap_err();
            assert!(error.contains(said), "{number}: {error}");
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
            ("name = 'x'\nsigned = true", "signed: it is not for modbus"),
            ("name = 'x'\nmbus = { record = 'energy' }", "mbus: it is not for modbus"),
            ("name = 'x'\nprotocol = 'mbus'\nmbus = { tariff = 1 }", "missing field `record`"),
            ("name = 'x'\nprotocol = 'json'", "json: it is missing"),
            (
                "name = 'x'\nprotocol = 'json'\njson = { value = '/t', time = '/t', step = '1kWh' }",
                "json.time: it is where the register is",
            ),
            (
                "name = 'x'\nprotocol = 'json'\njson = { value = '/e', time = '/t', step = '0kWh' }",
                "json.step: 0kWh is no step",
            ),
            (
                "name = 'x'\nprotocol = 'json'\ncarrier = 'water'\njson = { value = '/e', time = '/t', step = '1kWh' }",
                "json.step: x counts in kWh, which does not measure water",
            ),
            ("name = 'x'\nprotocol = 'dlt645'\nidentifier = '02010100'", "identifier: x counts in V"),
            ("name = 'x'\nprotocol = 'dlt645'\nidentifier = '00030000'", "identifier: x counts in kvarh"),
            (
                "name = 'x'\nprotocol = 'dlt645'\nidentifier = '04000101'",
                "identifier: 04000101 is no register of energy",
            ),
            (
                "name = 'x'\nprotocol = 'dlt645'\nidentifier = '00010000'\ncarrier = 'heating'",
                "does not measure heating",
            ),
            ("name = 'x'\nprotocol = 'ocpp'\ncarrier = 'water'", "protocol: x counts in kWh"),
            ("name = 'x'\nsunspec = { energy = 'produced' }\ncarrier = 'gas'", "protocol: x counts in kWh"),
            ("name = 'x'\nprotocol = 'mbus'\nmodulus = '0m3'", "modulus: 0m3 is no step"),
            (
                "name = 'x'\nprotocol = 'mbus'\nmodulus = '1000m3'\ncarrier = 'heating'",
                "modulus: x begins again at 1000m3",
            ),
            (
                "name = 'x'\nregister = { address = 1, function = 3, type = 'u16', step = '0.00kWh' }",
                "register.step: 0.00kWh is no step",
            ),
            (
                "name = 'x'\nregister = { address = 1, function = 3, type = 'u16', step = '1kW' }",
                "register.step: 1kW is no step of a register: kW measures no carrier",
            ),
            (
                "name = 'x'\ncarrier = 'electricity'\nregister = { address = 1, function = 3, type = 'u16', step = '1L' }",
                "register.step: x counts in L, which does not measure electricity",
            ),
            (
                "name = 'x'\nregister = { address = 65535, function = 3, type = 'f32', words = 'high-first', step = '1L' }",
                "register.address: its 2 registers from 65535 on reach beyond 65535",
            ),
            (
                "name = 'x'\nregister = { address = 65533, function = 3, type = 'u64', words = 'high-first', step = '1L' }",
                "register.address: its 4 registers from 65533 on reach beyond 65535",
            ),
            (
                "name = 'x'\nregister = { address = 65535, function = 3, type = 'u16', step = '1L' }\nserial = { address = 65530, \
                 function = 3, count = 7 }",
                "serial.address: its 7 registers from 65530 on",
            ),
            (
                "name = 'x'\nregister = { address = 1, function = 3, type = 'u16', step = '1kWh', absent = ['0x7fffffff'] }",
                "register.absent: 0x7fffffff is wider than u16",
            ),
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
