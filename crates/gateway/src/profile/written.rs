//! Profiles as they are written, and what must be there for each protocol and nothing else.

use super::{MAX_ABSENT, Profile, ProfileError, Register, SerialRegisters, Side};
use crate::config::no_carrier;
use crate::number::{Number, Step};
use crate::protocol::cjt188::UnitPosition;
use crate::protocol::dlt645::Identifier;
use crate::protocol::modbus::{ByteOrder, Description, Function, Kind, WordOrder, in_makers_notation};
use crate::protocol::{Protocol, json, mbus, sunspec};
use crate::reason::{Reason, Sentence, reason};
use serde::Deserialize;
use utilidor_types::Carrier;

/// A profile as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenProfile {
    name: String,
    #[serde(default)]
    device: WrittenSentence,
    #[serde(default = "modbus")]
    protocol: String,
    #[serde(default)]
    carrier: Option<String>,
    #[serde(default = "primary")]
    side: Side,
    #[serde(default)]
    modulus: Option<String>,
    #[serde(default)]
    source: WrittenSentence,
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

/// A text in both languages, or one for both.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum WrittenSentence {
    One(String),
    Both { en: String, zh: String },
}

impl Default for WrittenSentence {
    fn default() -> Self {
        Self::One(String::new())
    }
}

impl From<WrittenSentence> for Sentence {
    fn from(written: WrittenSentence) -> Self {
        match written {
            WrittenSentence::One(text) => Self { en: text.clone(), zh: text },
            WrittenSentence::Both { en, zh } => Self { en, zh },
        }
    }
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
    #[serde(deserialize_with = "register_address")]
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
        let wrong = |field, reason: Reason| ProfileError::Field { profile: name.clone(), field, reason };
        let protocol: Protocol = self.protocol.parse().map_err(|error| {
            wrong(
                "protocol",
                reason!("{error}", "没有这样的协议；有 dlt645、cjt188、mbus、modbus、json、ocpp 和 virtual"),
            )
        })?;
        let carrier = self.carrier.map(|carrier| carrier.parse::<Carrier>()).transpose();
        let carrier = carrier.map_err(|error| wrong("carrier", no_carrier(&error)))?;
        let step = |field, text: &str| {
            let step = text.parse::<Step>().map_err(|error| {
                wrong(field, reason!("{error}", "“{text}”不是带单位的数：请写如 0.01kWh、1 Wh、0.001GJ 或 0.001m3"))
            })?;
            check_step(step).map_err(|reason| wrong(field, reason))?;
            Ok(step)
        };
        let modulus = self.modulus.as_deref().map(|text| step("modulus", text)).transpose()?;
        let identifier = |field, text: &str| match u32::from_str_radix(text, 16) {
            Ok(identifier) if text.len() == 8 => Ok(Identifier(identifier)),
            _ => Err(wrong(
                field,
                reason!(
                    "{text:?} is no data identifier: write its eight hexadecimal digits",
                    "“{text}”不是数据标识：请写其八位十六进制数字"
                ),
            )),
        };
        let not_for = |field| wrong(field, reason!("it is not for {protocol}", "不用于 {protocol}"));
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
            let reason = reason!("it is not between 1 and {}", "不在 1 与 {} 之间", sunspec::MAX_NTH);
            return Err(wrong("sunspec.nth", reason));
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
                let reason = reason!(
                    "no device is virtual: write the meter under [[virtual]]",
                    "没有虚拟的设备：请将表计写在 [[virtual]] 下"
                );
                return Err(wrong("protocol", reason));
            }
            Protocol::Json => {
                let Some(written) = self.json else {
                    let reason =
                        reason!("it is missing: say value, time and step", "缺少此项：请写明 value、time 和 step");
                    return Err(wrong("json", reason));
                };
                for (field, pointer) in [("json.value", &written.value), ("json.time", &written.time)] {
                    let depth = pointer.split('/').count() - 1;
                    if !pointer.starts_with('/') || depth > json::MAX_DEPTH {
                        let reason = reason!(
                            "{pointer:?} is no pointer: write it as /meter/energy",
                            "“{pointer}”不是指针：请写如 /meter/energy"
                        );
                        return Err(wrong(field, reason));
                    }
                }
                if written.value == written.time {
                    let reason = reason!(
                        "it is where the register is: the device's own time is another field",
                        "与表底为同一字段：设备自己的时间应在另一字段"
                    );
                    return Err(wrong("json.time", reason));
                }
                let step = step("json.step", &written.step)?;
                Register::Json(json::Description { value: written.value, time: written.time, step })
            }
            Protocol::Dlt645 => Register::Dlt645 {
                identifier: match &self.identifier {
                    Some(text) => identifier("identifier", text)?,
                    None => {
                        let reason = reason!(
                            "it is missing: 00010000 is forward active energy",
                            "缺少此项：00010000 为正向有功总电能"
                        );
                        return Err(wrong("identifier", reason));
                    }
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
                    let reason = reason!(
                        "it is missing: say address, function, type, words and step",
                        "缺少此项：请写明 address、function、type、words 和 step"
                    );
                    return Err(wrong("register", reason));
                };
                // One register has no order of words; for several, a guess would be a guess at the bill.
                let words = match written.words {
                    Some(words) => words,
                    None if written.kind.registers() == 1 => WordOrder::HighFirst,
                    None => {
                        let reason = reason!(
                            "it is missing: write high-first or low-first",
                            "缺少此项：请写 high-first 或 low-first"
                        );
                        return Err(wrong("register.words", reason));
                    }
                };
                if written.absent.len() > MAX_ABSENT {
                    let count = written.absent.len();
                    let reason = reason!(
                        "{count} patterns are more than the {MAX_ABSENT} allowed",
                        "{count} 个样式，超过允许的 {MAX_ABSENT} 个"
                    );
                    return Err(wrong("register.absent", reason));
                }
                let pattern = |text: &String| {
                    let digits = text.strip_prefix("0x").unwrap_or_default();
                    let bits = u64::from_str_radix(digits, 16).map_err(|_| {
                        let reason = reason!(
                            "{text:?} is no pattern: write it as 0x7fffffff",
                            "“{text}”不是样式：请写如 0x7fffffff"
                        );
                        wrong("register.absent", reason)
                    })?;
                    let (kind, width) = (written.kind.name(), 16 * u32::from(written.kind.registers()));
                    if bits.checked_shr(width).unwrap_or_default() != 0 {
                        let reason = reason!(
                            "{text} is wider than {kind}: no register ever shows it",
                            "{text} 比 {kind} 更宽：表底不会出现此值"
                        );
                        return Err(wrong("register.absent", reason));
                    }
                    Ok(bits)
                };
                let absent = written.absent.iter().map(pattern).collect::<Result<_, _>>()?;
                if let Some(serial) = self.serial
                    && !(1..=16).contains(&serial.count)
                {
                    let reason = reason!("a device's number has 1 to 16 registers", "设备编号占 1 至 16 个寄存器");
                    return Err(wrong("serial.count", reason));
                }
                reach(written.address, written.kind.registers()).map_err(|reason| wrong("register.address", reason))?;
                if let Some(serial) = self.serial {
                    reach(serial.address, serial.count).map_err(|reason| wrong("serial.address", reason))?;
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
        let profile = Profile {
            name: self.name,
            device: self.device.into(),
            carrier,
            side: self.side,
            modulus,
            source: self.source.into(),
            register,
        };
        // Also where no meter uses it: whoever writes the first one reads what is wrong here, and not there.
        let electric = profile.register.protocol().is_of_electricity().then_some(Carrier::Electricity);
        if let Some(carrier) = carrier.or(electric) {
            profile.measures(carrier).map_err(|(field, reason)| wrong(field, reason))?;
        }
        Ok(profile)
    }
}

/// Refuses a step of nothing, and one of what is no carrier's quantity.
fn check_step(step: Step) -> Result<(), Reason> {
    let unit = step.unit;
    if step.number == Number::ZERO {
        return Err(reason!(
            "{step} is no step: every register would show nothing",
            "{step} 不是步长：任何表底都会显示为零";
            "write what one of the last digit counts, such as 0.01kWh",
            "请写末位数字每进一所计的量，如 0.01kWh"
        ));
    }
    if unit.base().is_none() {
        return Err(reason!(
            "{step} is no step of a register: {unit} measures no carrier",
            "{step} 不是表底的步长：{unit} 不计量任何能源";
            "write a unit of energy or volume, such as kWh, GJ or m3",
            "请写能量或体积的单位，如 kWh、GJ 或 m3"
        ));
    }
    Ok(())
}

/// Refuses registers beyond the last one that Modbus has.
fn reach(first: u16, count: u16) -> Result<(), Reason> {
    if u32::from(first) + u32::from(count) <= u32::from(u16::MAX) + 1 {
        return Ok(());
    }
    Err(reason!(
        "its {count} registers from {first} on reach beyond 65535, the last that there is",
        "自 {first} 起的 {count} 个寄存器超出最后一个寄存器 65535";
        "write the address of its first register, counted from 0",
        "请写其首个寄存器的地址（从 0 计）"
    ))
}
/// The address of a register. One in makers' notation is named with what it is.
pub(super) fn register_address<'de, D: serde::Deserializer<'de>>(written: D) -> Result<u16, D::Error> {
    let number = i64::deserialize(written)?;
    u16::try_from(number).map_err(|_| {
        serde::de::Error::custom(match in_makers_notation(&number.to_string()) {
            Some((function, first)) => format!(
                "{number} is a maker's number of a register: write function = {}, address = {first:#06x}",
                u8::from(function)
            ),
            None => format!("{number} is no address of a register: 0 to 65535"),
        })
    })
}
