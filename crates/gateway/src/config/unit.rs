//! A device's address on its bus.

use super::{BusProtocol, CONNECTORS, MAX_TOPIC_BYTES};
use crate::protocol::{cjt188, dlt645, mbus, ocpp};
use crate::reason::{Reason, reason};
use std::fmt;

/// A device's address on its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnitAddress {
    /// Twelve digits.
    Dlt645(dlt645::Address),
    /// Fourteen digits.
    Cjt188(cjt188::Address),
    /// 0 to 250, as it is set in the device.
    Mbus(u8),
    /// Eight or sixteen digits, as they are printed on the device.
    MbusSecondary(mbus::Secondary),
    /// 1 to 247, or 255 for the only device behind a TCP connection.
    Modbus(u8),
    /// On a topic.
    Topic,
    /// Nowhere: it is computed.
    Computed,
}

impl UnitAddress {
    /// Reads what is printed on the device, or set in it. What calls several devices, or none, is refused.
    pub fn read(protocol: BusProtocol, text: &str) -> Result<Self, Reason> {
        let calls_any = |width: usize| text.len() == width && text.bytes().all(|byte| byte.eq_ignore_ascii_case(&b'a'));
        match protocol {
            BusProtocol::Dlt645 if calls_any(12) => Err(any(text)),
            BusProtocol::Dlt645 => match text.parse() {
                Ok(dlt645::Address::ALL) => Err(broadcast(text)),
                Ok(address) => Ok(Self::Dlt645(address)),
                Err(error) => Err(reason!("{error}", "“{text}”不是 DL/T 645 表地址：请写表上印的十二位数字")),
            },
            BusProtocol::Cjt188 if calls_any(14) => Err(any(text)),
            BusProtocol::Cjt188 => text
                .parse()
                .map(Self::Cjt188)
                .map_err(|error| reason!("{error}", "“{text}”不是 CJ/T 188 表地址：请写十四位数字，厂商代码在前")),
            BusProtocol::Mbus if text.len() > 3 => text.parse().map(Self::MbusSecondary).map_err(|error| {
                reason!("{error}", "“{text}”不是二级地址：请写八位标识号，或含厂商、版本和介质的十六位")
            }),
            BusProtocol::Mbus => match text.parse::<u8>() {
                Ok(unit @ 0..=250) => Ok(Self::Mbus(unit)),
                Ok(unit @ (mbus::SELECTED..=255)) => Err(reason!(
                    "{unit} calls whoever was selected, or every device of an M-Bus: it is none's own address",
                    "{unit} 呼叫已被选中的设备或 M-Bus 上的所有设备，不是某台设备自己的地址";
                    "write the number that is set in the device, 0 to 250, or the eight digits that are printed on it",
                    "请写设备中设定的号码（0 至 250），或设备上印的八位数字"
                )),
                _ => Err(not_a_number(text, protocol, 0, 250)),
            },
            BusProtocol::ModbusTcp | BusProtocol::ModbusRtu => match text.parse::<u8>() {
                Ok(unit @ 1..=247) => Ok(Self::Modbus(unit)),
                Ok(unit @ 255) if protocol == BusProtocol::ModbusTcp => Ok(Self::Modbus(unit)),
                Ok(0) => Err(reason!(
                    "0 calls all devices of a Modbus line at once, and none answers",
                    "0 同时呼叫 Modbus 线路上的所有设备，没有设备应答";
                    "write the unit that is set in the device, 1 to 247; 255 is the only device behind a TCP connection",
                    "请写设备中设定的单元号（1 至 247）；255 是 TCP 连接后唯一的设备"
                )),
                _ => Err(not_a_number(text, protocol, 1, 247)),
            },
            BusProtocol::Mqtt if !is_topic(text) => {
                Err(reason!("{text:?} is no topic of one device", "“{text}”不是单台设备的主题"))
            }
            BusProtocol::Mqtt => Ok(Self::Topic),
            BusProtocol::Ocpp => match text.rsplit_once('/') {
                Some((station, connector)) if ocpp::is_station(station) && is_connector(connector) => Ok(Self::Topic),
                _ => Err(reason!(
                    "{text:?} is no connector: write STATION/CONNECTOR, such as CP-1/1, with a number below {CONNECTORS}",
                    "“{text}”不是连接器：请写 充电桩/连接器，如 CP-1/1，连接器号小于 {CONNECTORS}"
                )),
            },
        }
    }
}

/// Whether one device can publish there. A wildcard would be several devices, `$` begins what brokers tell of themselves, and what
/// nobody sees is a slip.
fn is_topic(text: &str) -> bool {
    let is_usual = !text.is_empty() && text.len() <= MAX_TOPIC_BYTES && text.trim() == text;
    is_usual && !text.starts_with('$') && !text.contains(['+', '#']) && !text.contains(char::is_control)
}

/// Whether a station could call a connector so.
fn is_connector(text: &str) -> bool {
    text.parse::<u32>().is_ok_and(|connector| connector < CONNECTORS && connector.to_string() == text)
}

fn any(text: &str) -> Reason {
    reason!(
        "{text} asks any meter on the line: it is none's own address",
        "{text} 询问线路上的任一表计，不是某块表自己的地址";
        "ask it for its own: utilidor gateway probe, where it is the only one on the line",
        "线路上只有它一块表时，可询问其地址：utilidor gateway probe"
    )
}

fn broadcast(text: &str) -> Reason {
    reason!(
        "{text} calls all meters on the line at once, and none answers",
        "{text} 同时呼叫线路上的所有表计，没有表计应答";
        "write the twelve digits that are printed on the meter",
        "请写表上印的十二位数字"
    )
}

fn not_a_number(text: &str, protocol: BusProtocol, least: u8, most: u8) -> Reason {
    reason!(
        "{text:?} is no address of a {protocol} device: write a number from {least} to {most}",
        "“{text}”不是 {protocol} 设备的地址：请写 {least} 至 {most} 的数字"
    )
}

impl fmt::Display for UnitAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dlt645(address) => address.fmt(f),
            Self::Cjt188(address) => address.fmt(f),
            Self::MbusSecondary(address) => address.fmt(f),
            Self::Mbus(unit) | Self::Modbus(unit) => unit.fmt(f),
            Self::Topic => f.write_str("topic"),
            Self::Computed => f.write_str("computed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_calls_several_devices_or_none_is_no_address_and_the_reason_is_said_in_both_languages() {
        use BusProtocol::{Cjt188, Dlt645, Mbus, ModbusRtu, ModbusTcp, Ocpp};
        for (protocol, text, said) in [
            (ModbusTcp, "0", "calls all devices"),
            (ModbusRtu, "0", "calls all devices"),
            (ModbusTcp, "248", "from 1 to 247"),
            (ModbusTcp, "254", "from 1 to 247"),
            (ModbusRtu, "255", "from 1 to 247"),
            (ModbusTcp, "-1", "from 1 to 247"),
            (ModbusTcp, "256", "from 1 to 247"),
            (Dlt645, "999999999999", "calls all meters"),
            (Dlt645, "AAAAAAAAAAAA", "asks any meter"),
            (Dlt645, "9999999999999", "twelve digits"),
            (Cjt188, "aaaaaaaaaaaaaa", "asks any meter"),
            (Mbus, "251", "from 0 to 250"),
            (Mbus, "253", "none's own address"),
            (Mbus, "254", "none's own address"),
            (Mbus, "255", "none's own address"),
            (Mbus, "1234567f", "secondary address"),
            (Ocpp, "CP 1/1", "no connector"),
            (Ocpp, "CP-1/01", "no connector"),
            (Ocpp, "CP-1/+1", "no connector"),
            (Ocpp, "CP-1/64", "no connector"),
        ] {
            let reason = UnitAddress::read(protocol, text).unwrap_err();
            assert!(reason.what.en.contains(said), "{reason}");
            assert!(reason.what.zh.chars().any(|char| ('一'..='鿿').contains(&char)), "{reason:?}");
        }
        for (protocol, text) in
            [(ModbusTcp, "255"), (ModbusRtu, "247"), (Dlt645, "161"), (Mbus, "0"), (Mbus, "12345678"), (Ocpp, "CP-1/0")]
        {
            assert!(UnitAddress::read(protocol, text).is_ok(), "{text}");
        }
    }
}
