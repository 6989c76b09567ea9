//! Profiles as they are written, and what must be there for each protocol and nothing else.

use super::{MAX_ABSENT, Profile, ProfileError, Register, SerialRegisters, Side};
use crate::number::Step;
use crate::protocol::cjt188::UnitPosition;
use crate::protocol::dlt645::Identifier;
use crate::protocol::modbus::{ByteOrder, Description, Function, Kind, WordOrder};
use crate::protocol::{Protocol, json, mbus, sunspec};
use serde::Deserialize;
use utilidor_types::Carrier;

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
    #[serde(default)]
    signed: Option<bool>,
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
        if self.signed.is_some() && protocol != Protocol::Ocpp {
            return Err(not_for("signed"));
        }
        if self.mbus.is_some() && protocol != Protocol::Mbus {
            return Err(not_for("mbus"));
        }
        let register = match protocol {
            Protocol::Ocpp => Register::Ocpp { signed: self.signed.unwrap_or_default() },
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
