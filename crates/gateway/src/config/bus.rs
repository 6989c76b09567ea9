//! Buses: what is spoken where, with whom, and how patiently.

use super::place::Place;
use super::{ConfigError, VIRTUAL_BUS, within};
use crate::causes;
use crate::protocol::Protocol;
use crate::protocol::modbus::Framing;
use crate::reason::{Reason, reason};
use crate::serial::SerialPort;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Most tokens of a bus's charging stations.
pub const MAX_TOKENS: usize = 10_000;
/// Longest token.
const MAX_TOKEN: usize = 36;
/// Most further tries of a read.
const MAX_RETRIES: u32 = 10;
/// How long an answer may take where nothing is said, and no longer than the interval.
const TIMEOUT: Duration = Duration::from_secs(3);

/// A line or a connection that meters share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bus {
    /// Its name.
    pub name: String,
    /// What is spoken on it.
    pub protocol: BusProtocol,
    /// Where it is.
    pub place: Place,
    /// How long an answer may take.
    pub timeout: Duration,
    /// How often a read is tried again.
    pub retries: u32,
    /// How long the line rests between two requests.
    pub pause: Duration,
    /// Whether the line gives back what is sent on it.
    pub echo: bool,
    /// User and password at an MQTT broker; of charging stations, whose name is the user, the password alone.
    pub login: Option<(String, String)>,
    /// Who may charge at its stations.
    pub tokens: Tokens,
}

/// Who may charge: the tokens that stations read from cards or are told otherwise. Upper and lower case are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tokens {
    /// Whoever shows one of these.
    These(BTreeSet<String>),
    /// Whoever shows anything.
    Any,
}

impl Tokens {
    /// Whether whoever shows this may charge.
    pub fn accept(&self, token: &str) -> bool {
        match self {
            Self::These(tokens) => tokens.contains(&token.to_ascii_lowercase()),
            Self::Any => true,
        }
    }
}

/// What is spoken on a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BusProtocol {
    /// DL/T 645-2007, at a serial port or through a serial server.
    Dlt645,
    /// CJ/T 188, at a serial port or through a serial server.
    Cjt188,
    /// M-Bus through a level converter, at a serial port or behind a serial server.
    Mbus,
    /// Modbus TCP.
    ModbusTcp,
    /// Modbus RTU frames, at a serial port or through a serial server.
    ModbusRtu,
    /// JSON documents over MQTT.
    Mqtt,
    /// Charging stations that connect to the bus's address, by OCPP 1.6 or 2.0.1.
    Ocpp,
}

impl BusProtocol {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Dlt645, Self::Cjt188, Self::Mbus, Self::ModbusTcp, Self::ModbusRtu, Self::Mqtt, Self::Ocpp];

    /// The name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dlt645 => "dlt645",
            Self::Cjt188 => "cjt188",
            Self::Mbus => "mbus",
            Self::ModbusTcp => "modbus-tcp",
            Self::ModbusRtu => "modbus-rtu",
            Self::Mqtt => "mqtt",
            Self::Ocpp => "ocpp",
        }
    }

    /// The protocol of its frames.
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Dlt645 => Protocol::Dlt645,
            Self::Cjt188 => Protocol::Cjt188,
            Self::Mbus => Protocol::Mbus,
            Self::ModbusTcp | Self::ModbusRtu => Protocol::Modbus,
            Self::Mqtt => Protocol::Json,
            Self::Ocpp => Protocol::Ocpp,
        }
    }

    /// How frames of Modbus are framed on it.
    pub const fn framing(self) -> Framing {
        match self {
            Self::ModbusTcp => Framing::Tcp,
            _ => Framing::Rtu,
        }
    }

    /// Whether its meters tell their registers without being asked.
    pub const fn is_told(self) -> bool {
        matches!(self, Self::Mqtt | Self::Ocpp)
    }
}

impl fmt::Display for BusProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenBus {
    name: String,
    protocol: String,
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    serial: Option<SerialPort>,
    #[serde(default)]
    timeout: Option<String>,
    #[serde(default = "default_retries")]
    retries: u32,
    #[serde(default = "default_pause")]
    pause: String,
    #[serde(default)]
    echo: bool,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password_file: Option<PathBuf>,
    #[serde(default)]
    tokens: Option<WrittenTokens>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "tokens are a word in quotes, or a list of such")]
pub(super) enum WrittenTokens {
    Word(String),
    List(Vec<String>),
}

fn default_pause() -> String {
    "0s".into()
}

const fn default_retries() -> u32 {
    2
}

/// Reads a bus of a site whose meters are read in this interval.
pub(super) fn read_bus(place: usize, bus: WrittenBus, folder: &Path, interval: Duration) -> Result<Bus, ConfigError> {
    let value = |field: &str, reason| ConfigError::Value { place: format!("bus[{place}].{field}"), reason };
    let field = |field: &str| format!("bus[{place}].{field}");
    let Some(protocol) = BusProtocol::ALL.into_iter().find(|protocol| protocol.name() == bus.protocol) else {
        let reason = reason!(
            "no protocol is called {:?}; there are dlt645, cjt188, mbus, modbus-tcp, modbus-rtu, mqtt and ocpp",
            "没有名为 {:?} 的协议；可用 dlt645、cjt188、mbus、modbus-tcp、modbus-rtu、mqtt 和 ocpp",
            bus.protocol
        );
        return Err(value("protocol", reason));
    };
    let place = Place::read(protocol, bus.address, bus.serial).map_err(|(field, reason)| value(field, reason))?;
    if bus.name.trim().is_empty() {
        return Err(value("name", reason!("it is empty: meters name their bus by it", "为空：表计以此名称指明其总线")));
    }
    if bus.name == VIRTUAL_BUS {
        let reason = reason!(
            "{VIRTUAL_BUS} is the name of meters that are computed: write another",
            "{VIRTUAL_BUS} 是计算所得表计的名称：请另写一个"
        );
        return Err(value("name", reason));
    }
    if bus.retries > MAX_RETRIES {
        let reason =
            reason!("{} are more than the {MAX_RETRIES} allowed", "{} 次，超过允许的 {MAX_RETRIES} 次", bus.retries);
        return Err(value("retries", reason));
    }
    let together = || reason!("it is missing: user and password go together", "缺少此项：用户名和口令须一并写明");
    let password = |file: PathBuf| read_password(&folder.join(file)).map_err(|reason| value("password_file", reason));
    let login = match (bus.user, bus.password_file) {
        (None, None) => None,
        (Some(_), _) | (_, Some(_)) if !protocol.is_told() => {
            return Err(value("user", reason!("a {protocol} bus has no login", "{protocol} 总线没有登录")));
        }
        // A station's name is its user.
        (Some(_), _) if protocol == BusProtocol::Ocpp => {
            let reason = reason!(
                "each station logs in by its own name: write password_file alone",
                "各充电桩以自己的名称登录：只写 password_file"
            );
            return Err(value("user", reason));
        }
        (None, Some(file)) if protocol == BusProtocol::Ocpp => Some((String::new(), password(file)?)),
        // A file of its own, so that the configuration can be shown to others.
        (Some(user), Some(file)) => Some((user, password(file)?)),
        (Some(_), None) => return Err(value("password_file", together())),
        (None, Some(_)) => return Err(value("user", together())),
    };
    if protocol == BusProtocol::Ocpp && login.is_none() && !is_loopback(&place) {
        let reason = reason!(
            "it is missing: whoever reaches the address could pretend to be a station",
            "缺少此项：能访问该地址的任何人都可冒充充电桩"
        );
        return Err(value("password_file", reason));
    }
    let tokens = read_tokens(protocol, bus.tokens).map_err(|reason| value("tokens", reason))?;
    let timeout = match &bus.timeout {
        Some(text) => within(&field("timeout"), text, Duration::from_millis(10), Duration::from_secs(60))?,
        None => TIMEOUT.min(interval),
    };
    if timeout > interval {
        let reason = reason!(
            "an answer may take {timeout:?}, and meters are read every {interval:?}: one silent meter takes the others' time",
            "应答可等 {timeout:?}，而每 {interval:?} 抄读一次：一块不应答的表会占去其他表的时间";
            "write a timeout no longer than the interval of [site]",
            "请写不长于 [site] 的 interval 的 timeout"
        );
        return Err(value("timeout", reason));
    }
    Ok(Bus {
        login,
        tokens,
        timeout,
        pause: within(&field("pause"), &bus.pause, Duration::ZERO, Duration::from_secs(60))?,
        name: bus.name,
        protocol,
        place,
        retries: bus.retries,
        echo: bus.echo,
    })
}

/// Who may charge at a bus's stations.
fn read_tokens(protocol: BusProtocol, written: Option<WrittenTokens>) -> Result<Tokens, Reason> {
    match written {
        Some(_) if protocol != BusProtocol::Ocpp => {
            Err(reason!("nobody charges at a {protocol} bus", "{protocol} 总线上没有人充电"))
        }
        None => Ok(Tokens::These(BTreeSet::new())),
        Some(WrittenTokens::Word(word)) if word == "any" => Ok(Tokens::Any),
        Some(WrittenTokens::Word(word)) => Err(reason!(
            "{word:?} is no list: write tokens = [{word:?}], or \"any\"",
            "{word:?} 不是列表：请写 tokens = [{word:?}]，或 \"any\""
        )),
        Some(WrittenTokens::List(tokens)) => {
            let count = tokens.len();
            if count > MAX_TOKENS {
                return Err(reason!(
                    "{count} are more than the {MAX_TOKENS} allowed",
                    "{count} 个，超过允许的 {MAX_TOKENS} 个"
                ));
            }
            if let Some(token) = tokens.iter().find(|token| token.is_empty() || token.len() > MAX_TOKEN) {
                return Err(reason!(
                    "{token:?} is no token: it has 1 to {MAX_TOKEN} characters",
                    "{token:?} 不是令牌：须有 1 至 {MAX_TOKEN} 个字符"
                ));
            }
            Ok(Tokens::These(tokens.into_iter().map(|token| token.to_ascii_lowercase()).collect()))
        }
    }
}

/// The password in a file of its own.
fn read_password(path: &Path) -> Result<String, Reason> {
    let shown = path.display();
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(reason!("{shown} is no file", "{shown} 不是普通文件"));
    }
    let password = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        // It may be the password itself.
        std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidFilename | std::io::ErrorKind::InvalidInput => {
            reason!(
                "there is no file of the name that stands here",
                "没有此处所写名称的文件";
                "write the name of a file that holds the password alone, beside the configuration",
                "请写只含口令的文件的名称，放在配置旁边"
            )
        }
        _ => {
            let error = causes::told(&error);
            reason!("could not read {shown}: {error}", "无法读取 {shown}：{error}")
        }
    })?;
    let password = password.trim_end();
    if password.is_empty() {
        return Err(reason!("{shown} is empty: it holds the password alone", "{shown} 为空：其中只写口令"));
    }
    Ok(password.to_string())
}

/// Whether an address is reached from this machine alone.
fn is_loopback(place: &Place) -> bool {
    match place {
        Place::Tcp(address) => {
            address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
                || address.starts_with("localhost:")
        }
        Place::Serial(_) => true,
    }
}
