//! What a record's value is: the tables of VIFs of EN 13757-3, and what qualifies them.

use super::Content;
use crate::number::Unit;
use crate::reason::{Sentence, sentence};

/// What a VIF stands for.
pub(super) struct Value {
    pub(super) what: String,
    pub(super) unit: Unit,
    pub(super) power: i8,
    pub(super) kind: ValueKind,
    /// What the device says in place of the value.
    pub(super) without: Option<Content>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueKind {
    Energy,
    Volume,
    Other,
    Date,
    DateTime,
    /// Digits or bytes without a unit.
    Label,
    /// Not known: shown as bytes.
    Opaque,
}

fn value(what: &str, unit: Unit, power: i8, kind: ValueKind) -> Value {
    Value { what: what.into(), unit, power, kind, without: None }
}

fn opaque(what: String) -> Value {
    Value { what, unit: Unit::One, power: 0, kind: ValueKind::Opaque, without: None }
}

/// What a VIF with its extensions stands for; `name` is what is written out in place of a VIF.
pub(super) fn value_of(vif: u8, name: Option<String>, extensions: &[u8]) -> Value {
    let (mut value, qualifiers) = meaning(vif, name, extensions);
    for qualifier in qualifiers {
        match qualifier & 0x7f {
            0x00 => {}
            0x15 => value.without = Some(Content::Absent),
            code @ 0x01..=0x1f => {
                let error = error(code);
                value.without = Some(Content::Invalid(sentence!(
                    "the device reports error {code:02X}: {error}",
                    "设备报告差错 {code:02X}：{error}"
                )));
            }
            // Only what flowed forward, or only what flowed back.
            0x3b => value.what = format!("forward_{}", value.what),
            0x3c => value.now_another("reverse"),
            // As it flowed, and as it would be at base conditions: of gas, which one is billed is the contract's to say.
            0x3a => value.now_another("uncorrected"),
            0x3e => value.now_another("base_conditions"),
            power @ 0x70..=0x77 => value.power += (power & 7) as i8 - 6,
            0x7d => value.power += 3,
            code => {
                value.what = format!("{}_qualified_{code:02x}", value.what);
                value.kind = ValueKind::Opaque;
                // What follows one of another table, or the maker's own, is not of this one.
                if matches!(code, 0x7c | 0x7f) {
                    break;
                }
            }
        }
    }
    value
}

impl Value {
    /// Makes it a value that is not the register, called by what sets it apart.
    fn now_another(&mut self, apart: &str) {
        self.what = format!("{apart}_{}", self.what);
        if matches!(self.kind, ValueKind::Energy | ValueKind::Volume) {
            self.kind = ValueKind::Other;
        }
    }
}

/// What a device says of a record that it cannot give.
fn error(code: u8) -> Sentence {
    match code {
        0x01 => sentence!("too many extensions of a DIF", "DIF 扩展过多"),
        0x02 => sentence!("no such storage number", "没有该存储号"),
        0x03 => sentence!("no such unit", "没有该单元"),
        0x04 => sentence!("no such tariff", "没有该费率"),
        0x05 => sentence!("no such function", "没有该功能"),
        0x06 => sentence!("no such class of data", "没有该数据类"),
        0x07 => sentence!("no such size", "没有该长度"),
        0x0b => sentence!("too many extensions of a VIF", "VIF 扩展过多"),
        0x0c => sentence!("no such group of VIFs", "没有该 VIF 组"),
        0x0d => sentence!("no such exponent", "没有该指数"),
        0x0e => sentence!("VIF and DIF do not fit", "VIF 与 DIF 不符"),
        0x0f => sentence!("no such action", "没有该动作"),
        0x16 => sentence!("overflow", "上溢"),
        0x17 => sentence!("underflow", "下溢"),
        0x18 => sentence!("the value is in error", "数值有误"),
        0x1c => sentence!("the record ends early", "记录不完整"),
        _ => sentence!("no reason is given", "没有说明原因"),
    }
}

/// What a VIF stands for, and the extensions that qualify it.
fn meaning(vif: u8, name: Option<String>, extensions: &[u8]) -> (Value, &[u8]) {
    match (vif, extensions) {
        (0xfb, [extension, qualifiers @ ..]) => (second_table(extension & 0x7f), qualifiers),
        (0xfd, [extension, qualifiers @ ..]) => (third_table(extension & 0x7f), qualifiers),
        // What follows a maker's own VIF is the maker's own too.
        (0x7f | 0xff, _) => (opaque("maker_specific".into()), &[]),
        (0x7c | 0xfc, qualifiers) => (value(&name.unwrap_or_default(), Unit::One, 0, ValueKind::Label), qualifiers),
        (vif, qualifiers) => {
            let code = vif & 0x7f;
            let n = (code & 7) as i8;
            let m = (code & 3) as i8;
            let found = match code {
                0x00..=0x07 => value("energy", Unit::WattHour, n - 3, ValueKind::Energy),
                0x08..=0x0f => value("energy", Unit::Joule, n, ValueKind::Energy),
                0x10..=0x17 => value("volume", Unit::CubicMetre, n - 6, ValueKind::Volume),
                0x18..=0x1f => value("mass", Unit::Kilogram, n - 3, ValueKind::Other),
                0x20..=0x23 => value("on_time", duration(m), 0, ValueKind::Other),
                0x24..=0x27 => value("operating_time", duration(m), 0, ValueKind::Other),
                0x28..=0x2f => value("power", Unit::Watt, n - 3, ValueKind::Other),
                0x30..=0x37 => value("power", Unit::JoulePerHour, n, ValueKind::Other),
                0x38..=0x3f => value("flow", Unit::CubicMetrePerHour, n - 6, ValueKind::Other),
                0x40..=0x47 => value("flow", Unit::CubicMetrePerMinute, n - 7, ValueKind::Other),
                0x48..=0x4f => value("flow", Unit::CubicMetrePerSecond, n - 9, ValueKind::Other),
                0x50..=0x57 => value("mass_flow", Unit::KilogramPerHour, n - 3, ValueKind::Other),
                0x58..=0x5b => value("supply_temperature", Unit::Celsius, m - 3, ValueKind::Other),
                0x5c..=0x5f => value("return_temperature", Unit::Celsius, m - 3, ValueKind::Other),
                0x60..=0x63 => value("temperature_difference", Unit::Kelvin, m - 3, ValueKind::Other),
                0x64..=0x67 => value("external_temperature", Unit::Celsius, m - 3, ValueKind::Other),
                0x68..=0x6b => value("pressure", Unit::Bar, m - 3, ValueKind::Other),
                0x6c => value("date", Unit::One, 0, ValueKind::Date),
                0x6d => value("time", Unit::One, 0, ValueKind::DateTime),
                0x6e => value("heat_cost_units", Unit::One, 0, ValueKind::Other),
                0x70..=0x73 => value("averaging_duration", duration(m), 0, ValueKind::Other),
                0x74..=0x77 => value("actuality_duration", duration(m), 0, ValueKind::Other),
                0x78 => value("fabrication_number", Unit::One, 0, ValueKind::Label),
                0x79 => value("enhanced_identification", Unit::One, 0, ValueKind::Label),
                0x7a => value("bus_address", Unit::One, 0, ValueKind::Other),
                code => opaque(format!("vif_{code:02x}")),
            };
            (found, qualifiers)
        }
    }
}

const fn duration(place: i8) -> Unit {
    match place {
        0 => Unit::Second,
        1 => Unit::Minute,
        2 => Unit::Hour,
        _ => Unit::Day,
    }
}

/// VIFs after FB.
fn second_table(code: u8) -> Value {
    let n = (code & 1) as i8;
    let m = (code & 3) as i8;
    match code {
        0x00 | 0x01 => value("energy", Unit::MegawattHour, n - 1, ValueKind::Energy),
        0x02 | 0x03 => value("reactive_energy", Unit::KilovarHour, n, ValueKind::Other),
        0x04 | 0x05 => value("apparent_energy", Unit::KilovoltAmpereHour, n, ValueKind::Other),
        0x08 | 0x09 => value("energy", Unit::Gigajoule, n - 1, ValueKind::Energy),
        // How many joules a calorie has is not said: such a register is shown, and refused as a quantity.
        0x0c..=0x0f => value("energy", Unit::Megacalorie, m - 1, ValueKind::Energy),
        0x10 | 0x11 => value("volume", Unit::CubicMetre, n + 2, ValueKind::Volume),
        0x14..=0x17 => value("reactive_power", Unit::Kilovar, m - 3, ValueKind::Other),
        0x18 | 0x19 => value("mass", Unit::Kilogram, n + 5, ValueKind::Other),
        0x1a | 0x1b => value("relative_humidity", Unit::Percent, n - 1, ValueKind::Other),
        0x28 | 0x29 => value("power", Unit::Megawatt, n - 1, ValueKind::Other),
        0x2c..=0x2f => value("frequency", Unit::Hertz, m - 3, ValueKind::Other),
        0x30 | 0x31 => value("power", Unit::JoulePerHour, n + 8, ValueKind::Other),
        0x34..=0x37 => value("apparent_power", Unit::KilovoltAmpere, m - 3, ValueKind::Other),
        code => opaque(format!("vif_fb_{code:02x}")),
    }
}

/// VIFs after FD.
fn third_table(code: u8) -> Value {
    let n = (code & 0x0f) as i8;
    match code {
        0x08 => value("access_number", Unit::One, 0, ValueKind::Other),
        0x0b => value("parameter_set", Unit::One, 0, ValueKind::Label),
        0x0c => value("model", Unit::One, 0, ValueKind::Label),
        0x0d => value("hardware_version", Unit::One, 0, ValueKind::Label),
        0x0e => value("firmware_version", Unit::One, 0, ValueKind::Label),
        0x0f => value("software_version", Unit::One, 0, ValueKind::Label),
        0x10 => value("customer_location", Unit::One, 0, ValueKind::Label),
        0x11 => value("customer", Unit::One, 0, ValueKind::Label),
        0x17 => value("error_flags", Unit::One, 0, ValueKind::Label),
        0x3a => value("dimensionless", Unit::One, 0, ValueKind::Other),
        0x40..=0x4f => value("voltage", Unit::Volt, n - 9, ValueKind::Other),
        0x50..=0x5f => value("current", Unit::Ampere, n - 12, ValueKind::Other),
        0x60 => value("reset_counter", Unit::One, 0, ValueKind::Other),
        code => opaque(format!("vif_fd_{code:02x}")),
    }
}
