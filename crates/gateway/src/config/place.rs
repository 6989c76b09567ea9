//! Where a bus is.

use super::bus::BusProtocol;
use crate::reason::{Reason, reason};
use crate::serial::SerialPort;
use std::fmt;
use std::net::IpAddr;

/// Where a bus is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Behind a TCP port: host and port.
    Tcp(String),
    /// At a serial port of this machine.
    Serial(SerialPort),
}

impl Place {
    /// Reads where a bus is: at an address or at a serial port. On failure, the field and what is wrong with it.
    pub fn read(
        protocol: BusProtocol,
        address: Option<String>,
        serial: Option<SerialPort>,
    ) -> Result<Self, (&'static str, Reason)> {
        let is_address = |address: &str| {
            // Others write a broker's address as a URL.
            address.rsplit_once(':').is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'))
                && port_of(address).is_some()
        };
        match (address, serial) {
            (Some(address), _) if names_a_login(&address) => Err((
                "address",
                reason!(
                    "an address names no user and no password: write host:port, such as 10.0.3.7:4001",
                    "地址中不写用户名和口令：请写 主机:端口，如 10.0.3.7:4001";
                    "what a broker asks for stands in user and password_file",
                    "代理所需的登录信息写在 user 和 password_file 中"
                ),
            )),
            (Some(address), None) if is_address(&address) => Ok(Self::Tcp(address)),
            (Some(address), None) => Err((
                "address",
                reason!(
                    "{address:?} is no address: write host:port, such as 10.0.3.7:4001",
                    "“{address}”不是地址：请写 主机:端口，如 10.0.3.7:4001"
                ),
            )),
            (None, Some(_)) if protocol == BusProtocol::ModbusTcp || protocol.is_told() => Err((
                "serial",
                reason!(
                    "a {protocol} bus is at an address, not at a serial port",
                    "{protocol} 总线位于网络地址，而非串口"
                ),
            )),
            (None, Some(port)) => Ok(Self::Serial(port)),
            (Some(_), Some(_)) => Err((
                "serial",
                reason!(
                    "a bus is at an address or at a serial port, not at both",
                    "总线或位于网络地址，或位于串口，不能兼有"
                ),
            )),
            (None, None) => Err((
                "address",
                reason!(
                    "it is missing: write address = \"10.0.3.7:4001\" or serial = \"/dev/ttyUSB0,2400,8E1\"",
                    "缺少此项：请写 address = \"10.0.3.7:4001\" 或 serial = \"/dev/ttyUSB0,2400,8E1\""
                ),
            )),
        }
    }

    /// Refuses port 0: simulated devices take any free port with it, and nobody finds anything there.
    pub fn check_port(&self) -> Result<(), Reason> {
        match self {
            Self::Tcp(address) if port_of(address) == Some(0) => Err(reason!(
                "{address} has port 0, at which nothing can be reached",
                "{address} 的端口为 0，无法连接到任何设备";
                "write the port of the device or of its serial server, 1 to 65535",
                "请写设备或其串口服务器的端口（1 至 65535）"
            )),
            Self::Tcp(_) | Self::Serial(_) => Ok(()),
        }
    }

    /// The same for two texts that mean one place, as far as can be seen here; none where each gets a place of its own.
    pub(super) fn key(&self) -> Option<String> {
        match self {
            Self::Tcp(address) if port_of(address) == Some(0) => None,
            Self::Tcp(address) => {
                let (host, port) = address.rsplit_once(':')?;
                let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
                let host = if host == "localhost" { "127.0.0.1".into() } else { host };
                let host = host.parse::<IpAddr>().map_or(host, |address| address.to_canonical().to_string());
                Some(format!("{host} {}", port.parse::<u16>().ok()?))
            }
            // An adapter has several names: what a link leads to is the adapter.
            Self::Serial(port) => {
                let path = std::fs::canonicalize(&port.path).unwrap_or_else(|_| port.path.clone());
                Some(path.display().to_string())
            }
        }
    }
}

/// Whether an address holds a user and password. It would be logged and kept with every failure of the line.
pub(super) fn names_a_login(address: &str) -> bool {
    address.contains('@')
}

/// The port of an address.
fn port_of(address: &str) -> Option<u16> {
    address.rsplit_once(':')?.1.parse().ok()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Serial(port) => port.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use std::path::Path;

    #[test]
    fn two_buses_are_not_at_one_place_however_it_is_written_but_may_share_a_broker() {
        let site = |buses: &[&str]| {
            let bus = |(number, fields): (usize, &&str)| format!("[[bus]]\nname = \"b{number}\"\n{fields}\n");
            let text = buses.iter().enumerate().map(bus).collect::<String>();
            Config::read(&format!("[site]\nkey = \"g\"\n{text}"), Path::new("")).map_err(|error| error.to_string())
        };
        let at = |protocol: &str, address: &str| format!("protocol = \"{protocol}\"\naddress = \"{address}\"");
        for (one, other) in [
            (at("dlt645", "h:1"), at("dlt645", "H:1")),
            (at("dlt645", "h:1"), at("modbus-rtu", "h:01")),
            (at("mqtt", "127.0.0.1:1883"), at("modbus-tcp", "localhost:1883")),
            (at("modbus-tcp", "[::1]:502"), at("modbus-tcp", "[0:0:0:0:0:0:0:1]:502")),
            (
                "protocol = \"mbus\"\nserial = \"/dev/null,2400,8E1\"".into(),
                "protocol = \"dlt645\"\nserial = \"/dev/../dev/null,9600,8N1\"".into(),
            ),
        ] {
            let error = site(&[&one, &other]).unwrap_err();
            assert!(error.contains("is where bus \"b0\" is already"), "{error}");
        }
        assert!(site(&[&at("dlt645", "h:1"), &at("dlt645", "h:2")]).is_ok());
        assert!(site(&[&at("mqtt", "h:1883"), &at("mqtt", "h:1883")]).is_ok());
        // Simulated devices take a free port each; who reads devices finds none there.
        let config = site(&[&at("dlt645", "h:0"), &at("dlt645", "h:0")]).unwrap();
        let error = config.check_places().unwrap_err();
        assert_eq!(error.to_string(), "bus \"b0\": address: h:0 has port 0, at which nothing can be reached");
        assert!(error.next().unwrap().zh.contains("65535"));
    }
}
