//! The configuration file: which node, which buses, which meters. TOML; unknown fields are refused, and every error says where
//! it is.
//!
//! A site with many meters has them in a folder of such files beside it, which are read one after the other: reading takes as much
//! memory as the longest file does, however many there are.
//!
//! The file does not say what the ledger knows: a meter's register width, capacity and last reading come from its registration.

mod computed;
mod error;
mod folder;
mod unit;

pub use self::error::ConfigError;
pub use self::unit::UnitAddress;

use self::folder::Collected;
use crate::profile::{Profile, Profiles, Ratio, Side, WrittenProfile};
use crate::protocol::Protocol;
use crate::protocol::modbus::Framing;
use crate::reason::{Reason, reason};
use crate::serial::SerialPort;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use utilidor_types::{Carrier, MeterId};

/// Longest configuration file that is read, in bytes: some 50,000 meters. Reading takes some 25 times as much memory.
pub const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;
/// Most bytes of all files together: [`MAX_METERS`], each in a table of 250 bytes.
pub const MAX_SITE_BYTES: u64 = 256 * 1024 * 1024;
/// Most files of a folder of meters.
pub const MAX_FILES: usize = 20_000;
/// Most meters.
pub const MAX_METERS: usize = 1_000_000;
/// Most buses.
pub const MAX_BUSES: usize = 10_000;
/// Most tokens of a bus's charging stations.
pub const MAX_TOKENS: usize = 10_000;
/// Longest token.
const MAX_TOKEN: usize = 36;
/// Most further tries of a read.
const MAX_RETRIES: u32 = 10;
/// Longest topic.
pub const MAX_TOPIC_BYTES: usize = 256;
/// The connectors of a charging station are numbered below this: the number of a transaction says whose it is.
pub const CONNECTORS: u32 = 64;
/// The bus of meters that are computed: no line has its name.
pub const VIRTUAL_BUS: &str = "virtual";
/// How long an answer may take where nothing is said, and no longer than the interval.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Shortest interval between two readings of a meter.
pub const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// Longest interval between two readings of a meter.
pub const MAX_INTERVAL: Duration = Duration::from_secs(31 * 86_400);

/// A gateway's configuration, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The site.
    pub site: Site,
    /// Its buses.
    pub buses: Vec<Bus>,
    /// Its meters.
    pub meters: Vec<Meter>,
    /// The profiles, built-in and own.
    pub profiles: Profiles,
}

/// The site as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Address of the node that readings are sent through.
    pub node: String,
    /// Name of the key that signs.
    pub key: String,
    /// How often each meter is read.
    pub interval: Duration,
    /// The journal.
    pub journal: PathBuf,
    /// How long certified readings are kept in the journal.
    pub keep: Duration,
    /// Where a monitoring system on this machine is answered.
    pub metrics: Option<SocketAddr>,
}

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
            address.rsplit_once(':').is_some_and(|(host, _)| !host.is_empty()) && port_of(address).is_some()
        };
        match (address, serial) {
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
    fn key(&self) -> Option<String> {
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

/// A meter and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// Its id on the ledger.
    pub id: MeterId,
    /// The name of its bus.
    pub bus: String,
    /// Its address there.
    pub unit: UnitAddress,
    /// The topic that its collector publishes on, or the station and the connector that it is at.
    pub topic: Option<String>,
    /// What it measures.
    pub carrier: Carrier,
    /// How it is read: one for all meters of its kind.
    pub profile: Arc<Profile>,
    /// The transformers before it.
    pub ratio: Ratio,
}

impl Meter {
    /// Its address on its bus, as it stands in the configuration.
    pub fn address(&self) -> String {
        self.topic.clone().unwrap_or_else(|| self.unit.to_string())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    site: WrittenSite,
    #[serde(default)]
    bus: Vec<WrittenBus>,
    #[serde(default)]
    meter: Vec<WrittenMeter>,
    #[serde(default)]
    profile: Vec<WrittenProfile>,
    #[serde(default, rename = "virtual")]
    computed: Vec<computed::WrittenVirtual>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSite {
    #[serde(default = "default_node")]
    node: String,
    key: String,
    #[serde(default = "default_interval")]
    interval: String,
    #[serde(default = "default_journal")]
    journal: PathBuf,
    #[serde(default = "default_keep")]
    keep: String,
    #[serde(default)]
    metrics: Option<SocketAddr>,
    #[serde(default)]
    meters: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBus {
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
#[serde(untagged)]
enum WrittenTokens {
    Word(String),
    List(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMeter {
    id: String,
    bus: String,
    unit: String,
    #[serde(default)]
    carrier: Option<String>,
    profile: String,
    #[serde(default)]
    ratio: Option<Ratio>,
}

fn default_node() -> String {
    "http://127.0.0.1:4680".into()
}

fn default_interval() -> String {
    "15min".into()
}

fn default_journal() -> PathBuf {
    "gateway.sqlite".into()
}

fn default_keep() -> String {
    "30d".into()
}

fn default_pause() -> String {
    "0s".into()
}

const fn default_retries() -> u32 {
    2
}

impl Config {
    /// Reads a configuration file and those that it names; relative paths in it begin at the file's folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = folder::read_file(path)?;
        Self::read(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads a configuration; relative paths in it begin at `folder`.
    pub fn read(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let written: Written = toml::from_str(text).map_err(|error| ConfigError::Syntax(Box::new(error)))?;
        let mut profiles = Profiles::builtin();
        profiles.add(written.profile)?;
        let site = Site {
            interval: within("site.interval", &written.site.interval, MIN_INTERVAL, MAX_INTERVAL)?,
            keep: within("site.keep", &written.site.keep, Duration::from_secs(86_400), Duration::MAX)?,
            node: written.site.node,
            key: written.site.key,
            metrics: written.site.metrics,
            journal: folder.join(written.site.journal),
        };
        if let Some(address) = site.metrics
            && !address.ip().is_loopback()
        {
            let reason = reason!(
                "{address} can be reached by others: write an address of this machine, such as 127.0.0.1:9464",
                "{address} 可被其他机器访问：请写本机地址，如 127.0.0.1:9464"
            );
            return Err(ConfigError::Value { place: "site.metrics".into(), reason });
        }
        let mut collected = Collected::new(&profiles, folder, site.interval);
        collected.add(written.bus, written.meter)?;
        if let Some(meters) = written.site.meters {
            collected.add_folder(&folder.join(meters), text.len() as u64)?;
        }
        collected.add_computed(&written.computed)?;
        let (buses, meters) = collected.into_parts();
        let config = Self { site, buses, meters, profiles };
        config.check_pauses()?;
        Ok(config)
    }

    /// Refuses buses that rest longer than they have: their meters could not all be read in an interval.
    fn check_pauses(&self) -> Result<(), ConfigError> {
        let resting = self.buses.iter().filter(|bus| !bus.pause.is_zero() && !bus.protocol.is_told());
        for bus in resting {
            let requests = self.meters_of(&bus.name).map(|meter| meter.profile.register.requests());
            let requests = requests.fold(0, u32::saturating_add);
            let meters = self.meters_of(&bus.name).count();
            let (rest, interval) = (bus.pause.saturating_mul(requests), self.site.interval);
            if rest > interval {
                let (name, pause) = (&bus.name, bus.pause);
                let reason = reason!(
                    "with {requests} requests to {meters} meters the line rests for {rest:?} in each interval of {interval:?}: they \
                     cannot all be read",
                    "对 {meters} 块表的 {requests} 次询问使线路在每个 {interval:?} 的周期内静默 {rest:?}，无法全部读到";
                    "write a pause shorter than {pause:?}, a longer interval, or put meters on another bus",
                    "请写短于 {pause:?} 的 pause、更长的 interval，或将部分表计移到另一总线"
                );
                return Err(ConfigError::Value { place: format!("bus {name:?}: pause"), reason });
            }
        }
        Ok(())
    }

    /// Refuses places that nobody reaches: what a gateway checks that reads devices, and one that plays them does not.
    pub fn check_places(&self) -> Result<(), ConfigError> {
        for bus in &self.buses {
            bus.place
                .check_port()
                .map_err(|reason| ConfigError::Value { place: format!("bus {:?}: address", bus.name), reason })?;
        }
        if let Some(address) = self.site.metrics {
            Place::Tcp(address.to_string())
                .check_port()
                .map_err(|reason| ConfigError::Value { place: "site.metrics".into(), reason })?;
        }
        Ok(())
    }

    /// The meters by the name of their bus.
    pub fn meters_by_bus(meters: Vec<Meter>) -> HashMap<String, Vec<Meter>> {
        let mut by_bus: HashMap<String, Vec<Meter>> = HashMap::new();
        for meter in meters {
            match by_bus.get_mut(&meter.bus) {
                Some(of_bus) => of_bus.push(meter),
                None => drop(by_bus.insert(meter.bus.clone(), vec![meter])),
            }
        }
        by_bus
    }

    /// The meters of a bus.
    pub fn meters_of<'a>(&'a self, bus: &'a str) -> impl Iterator<Item = &'a Meter> {
        self.meters.iter().filter(move |meter| meter.bus == bus)
    }
}

fn limit(place: &str, count: usize, most: usize) -> Result<(), ConfigError> {
    if count <= most {
        return Ok(());
    }
    let reason = reason!("{count} are more than the {most} allowed", "{count} 个，超过允许的 {most} 个");
    Err(ConfigError::Value { place: place.into(), reason })
}

/// Reads a bus of a site whose meters are read in this interval.
fn read_bus(place: usize, bus: WrittenBus, folder: &Path, interval: Duration) -> Result<Bus, ConfigError> {
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
    let password = std::fs::read_to_string(path)
        .map_err(|error| reason!("could not read {shown}: {error}", "无法读取 {shown}：{error}"))?;
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

fn read_meter(place: usize, meter: WrittenMeter, bus: &Bus, profiles: &Profiles) -> Result<Meter, ConfigError> {
    let value = |field: &str, reason| ConfigError::Value { place: format!("meter[{place}].{field}"), reason };
    let id: MeterId = meter.id.parse().map_err(|_| value("id", no_id(&meter.id)))?;
    let Some(profile) = profiles.get(&meter.profile) else {
        let known = profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ");
        let reason = reason!(
            "no profile is called {:?}; there are {known}",
            "没有名为 {:?} 的设备档案；现有 {known}",
            meter.profile
        );
        return Err(value("profile", reason));
    };
    let (name, bus_name, speaks) = (&profile.name, &bus.name, bus.protocol);
    if profile.register.protocol() != bus.protocol.protocol() {
        let reason = reason!(
            "{name} is for {}, bus {bus_name} speaks {speaks}",
            "{name} 用于 {}，总线 {bus_name} 使用 {speaks}",
            profile.register.protocol()
        );
        return Err(value("profile", reason));
    }
    let unit = UnitAddress::read(bus.protocol, &meter.unit).map_err(|reason| value("unit", reason))?;
    let carrier = meter.carrier.map(|carrier| carrier.parse::<Carrier>()).transpose();
    let carrier = carrier.map_err(|error| value("carrier", no_carrier(&error)))?;
    let carrier = match (carrier, profile.carrier) {
        (Some(carrier), Some(other)) if carrier != other => {
            let reason = reason!("{name} measures {other}, not {carrier}", "{name} 计量 {other}，不计量 {carrier}");
            return Err(value("carrier", reason));
        }
        (Some(carrier), _) | (None, Some(carrier)) => carrier,
        (None, None) => {
            let reason = reason!("{name} does not say what the meter measures", "{name} 没有说明表计计量什么");
            return Err(value("carrier", reason));
        }
    };
    let ratio = meter.ratio.unwrap_or_default();
    if ratio.factor() == 0 {
        return Err(value("ratio", reason!("a transformer's ratio is at least 1", "互感器变比至少为 1")));
    }
    // A device that reckons its transformers in by itself would have them reckoned in twice.
    if profile.side == Side::Primary && ratio.factor() != 1 {
        let reason = reason!(
            "{name} shows what flows: its device has reckoned the transformers in already",
            "{name} 显示一次侧电量：设备已计入互感器变比"
        );
        return Err(value("ratio", reason));
    }
    profile.measures(carrier).map_err(|(_, reason)| value("profile", reason))?;
    let topic = (unit == UnitAddress::Topic).then_some(meter.unit);
    Ok(Meter { id, bus: meter.bus, unit, topic, carrier, profile: profile.clone(), ratio })
}

/// A text that is no meter's id.
fn no_id(text: &str) -> Reason {
    reason!("{text:?} is no meter: an id has 32 hex digits", "“{text}”不是表计：标识有 32 位十六进制数字")
}

/// A text that names no carrier.
pub(crate) fn no_carrier(error: &impl fmt::Display) -> Reason {
    let names = Carrier::ALL.map(|carrier| carrier.to_string()).join(", ");
    reason!("{error}", "没有这样的能源；有 {names}")
}

/// A duration such as `15min`, `2s`, `500ms` or `30d`, within bounds.
fn within(place: &str, text: &str, least: Duration, most: Duration) -> Result<Duration, ConfigError> {
    let value = |reason| ConfigError::Value { place: place.into(), reason };
    let duration = match text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        Some(days) => Duration::from_secs(u64::from(days) * 86_400),
        None => {
            let duration = text.parse::<jiff::SignedDuration>().ok();
            if duration.is_some_and(|duration| duration.is_negative()) {
                return Err(value(reason!("{text} is less than no time", "{text} 小于零")));
            }
            duration.and_then(|duration| Duration::try_from(duration).ok()).ok_or_else(|| {
                value(reason!(
                    "{text:?} is no duration: write for example 15min, 2s, 500ms or 30d",
                    "{text:?} 不是时长：请写如 15min、2s、500ms 或 30d"
                ))
            })?
        }
    };
    if duration < least || duration > most {
        return Err(value(reason!(
            "{text} is not between {least:?} and {most:?}",
            "{text} 不在 {least:?} 与 {most:?} 之间"
        )));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[site]
key = "gateway"
interval = "15min"

[[bus]]
name = "hall-3"
protocol = "dlt645"
address = "10.0.3.7:4001"

[[bus]]
name = "roof"
protocol = "modbus-tcp"
address = "[::1]:502"
timeout = "500ms"

[[meter]]
id = "9a400000000000000000000000000001"
bus = "hall-3"
unit = "161"
carrier = "electricity"
profile = "dlt645-2007"
ratio = { ct = 40, pt = 1 }

[[meter]]
id = "9a400000000000000000000000000002"
bus = "roof"
unit = "7"
profile = "x"

[[profile]]
name = "x"
carrier = "electricity"
register = { address = 0x0034, function = 4, type = "i32", words = "low-first", step = "0.1kWh", absent = ["0x7fffffff"] }
"#;

    #[test]
    fn a_site_is_read_whole() {
        let config = Config::read(GOOD, Path::new("site")).unwrap();
        assert_eq!(config.site.interval, Duration::from_secs(900));
        assert_eq!(config.site.journal, Path::new("site/gateway.sqlite"));
        assert_eq!(config.buses[1].timeout, Duration::from_millis(500));
        assert_eq!(config.meters[0].unit.to_string(), "000000000161");
        assert_eq!(config.meters[0].ratio.factor(), 40);
        assert_eq!(config.meters[1].carrier, Carrier::Electricity);
        assert_eq!(config.meters_of("roof").count(), 1);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place() {
        for (from, to, said) in [
            ("interval = \"15min\"", "interval = \"soon\"", "site.interval: \"soon\" is no duration"),
            (
                "interval = \"15min\"",
                "metrics = \"0.0.0.0:9464\"",
                "site.metrics: 0.0.0.0:9464 can be reached by others",
            ),
            ("interval = \"15min\"", "interval = \"1ms\"", "site.interval: 1ms is not between"),
            ("interval = \"15min\"", "intervall = \"15min\"", "unknown field `intervall`"),
            ("protocol = \"dlt645\"", "protocol = \"knx\"", "bus[0].protocol: no protocol is called"),
            ("name = \"roof\"", "name = \"hall-3\"", "bus[1].name: a bus called"),
            ("name = \"roof\"", "name = \"virtual\"", "bus[1].name: virtual is the name"),
            ("interval = \"15min\"", "interval = \"0s\"", "site.interval: 0s is not between"),
            ("interval = \"15min\"", "interval = \"-15min\"", "site.interval: -15min is less than no time"),
            ("10.0.3.7:4001", "10.0.3.7", "bus[0].address"),
            ("[::1]:502", "10.0.3.7:4001", "bus[1].address: 10.0.3.7:4001 is where bus \"hall-3\" is already"),
            ("name = \"roof\"", "name = \"\"", "bus[1].name: it is empty"),
            ("interval = \"15min\"", "interval = \"1s\"\nkeep = \"0d\"", "site.keep: 0d is not between"),
            ("timeout = \"500ms\"", "timeout = \"0s\"", "bus[1].timeout: 0s is not between"),
            ("timeout = \"500ms\"", "timeout = \"-1s\"", "bus[1].timeout: -1s is less than no time"),
            ("timeout = \"500ms\"", "pause = \"-1s\"", "bus[1].pause: -1s is less than no time"),
            ("unit = \"161\"", "unit = \"999999999999\"", "meter[0].unit: 999999999999 calls all meters"),
            ("unit = \"7\"", "unit = \"0\"", "meter[1].unit: 0 calls all devices"),
            ("protocol = \"dlt645\"", "protocol = \"ocpp\"", "bus[0].password_file: it is missing: whoever reaches"),
            ("protocol = \"dlt645\"", "protocol = \"ocpp\"\nuser = \"u\"", "bus[0].user: each station logs in"),
            ("address = \"10.0.3.7:4001\"", "", "bus[0].address: it is missing"),
            ("address = \"10.0.3.7:4001\"", "serial = \"/dev/tty\"", "is no serial port"),
            ("address = \"[::1]:502\"", "serial = \"/dev/tty,9600,8N1\"", "bus[1].serial: a modbus-tcp bus"),
            ("timeout = \"500ms\"", "serial = \"/dev/tty,9600,8N1\"", "bus[1].serial: a bus is at an address or"),
            ("timeout = \"500ms\"", "timeout = \"5h\"", "bus[1].timeout: 5h is not between"),
            (
                "bus = \"hall-3\"",
                "bus = \"hall-4\"",
                "meter[0].bus: no bus is called \"hall-4\"; there are hall-3, roof",
            ),
            ("00000000000000000001\"", "1\"", "meter[0].id"),
            ("00000000000000000002\"", "00000000000000000001\"", "meter[1].id: meter 9a4"),
            ("unit = \"161\"", "unit = \"x\"", "meter[0].unit: \"x\" is no address of a DL/T 645 meter"),
            ("unit = \"7\"", "unit = \"248\"", "meter[1].unit"),
            (
                "carrier = \"electricity\"\nprofile = \"dlt",
                "carrier = \"gas\"\nprofile = \"dlt",
                "meter[0].carrier: dlt645-2007 measures",
            ),
            (
                "profile = \"dlt645-2007\"",
                "profile = \"abb-b23\"",
                "meter[0].profile: abb-b23 is for modbus, bus hall-3",
            ),
            ("ct = 40", "ct = 0", "meter[0].ratio"),
            ("unit = \"7\"", "unit = \"7\"\nratio = { ct = 2 }", "meter[1].ratio: x shows what flows"),
            ("0.1kWh", "0.1m3", "profile \"x\": register.step: x counts in m3"),
            ("name = \"x\"\ncarrier = \"electricity\"", "name = \"x\"", "meter[1].carrier: x does not say"),
            (
                "unit = \"7\"\nprofile = \"x\"",
                "unit = \"7\"\ncarrier = \"water\"\nprofile = \"x\"",
                "meter[1].carrier: x measures",
            ),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Config::read(&GOOD.replace(from, to), Path::new("")).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }

    fn refused(text: &str) -> String {
        Config::read(text, Path::new("")).unwrap_err().to_string()
    }

    #[test]
    fn an_answer_may_not_take_longer_than_the_interval_and_takes_no_longer_where_nothing_is_said() {
        let often = GOOD.replace("15min", "2s");
        let config = Config::read(&often, Path::new("")).unwrap();
        assert_eq!(config.buses[0].timeout, Duration::from_secs(2), "not three");
        let error = refused(&often.replace("500ms", "5s"));
        assert!(error.contains("bus[1].timeout: an answer may take 5s"), "{error}");
        let error = refused(&often.replace("timeout = \"500ms\"", "pause = \"5s\""));
        assert!(error.contains("bus \"roof\": pause: with 1 requests to 1 meters the line rests for 5s"), "{error}");
        // A DL/T 645 meter is asked for its number and for its register.
        let hall = |pause: &str| {
            GOOD.replace("address = \"10.0.3.7:4001\"", &format!("address = \"h:1\"\npause = \"{pause}\""))
        };
        assert!(Config::read(&hall("30s").replace("15min", "60s"), Path::new("")).is_ok());
        let error = refused(&hall("31s").replace("15min", "60s"));
        assert!(error.contains("bus \"hall-3\": pause: with 2 requests to 1 meters the line rests for 62s"), "{error}");
    }

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

    #[test]
    fn no_register_is_counted_for_two_meters() {
        let meter = |number: u32, bus: &str, unit: &str, profile: &str| {
            format!(
                "[[meter]]\nid = \"{number:032x}\"\nbus = \"{bus}\"\nunit = \"{unit}\"\ncarrier = \"water\"\nprofile = \
                 \"{profile}\"\n"
            )
        };
        let site = "[site]\nkey = \"g\"\n\
            [[bus]]\nname = \"m\"\nprotocol = \"mbus\"\naddress = \"h:1\"\n\
            [[bus]]\nname = \"q\"\nprotocol = \"mqtt\"\naddress = \"h:1883\"\n\
            [[bus]]\nname = \"r\"\nprotocol = \"mqtt\"\naddress = \"h:1883\"\n\
            [[bus]]\nname = \"c\"\nprotocol = \"cjt188\"\naddress = \"h:2\"\n\
            [[bus]]\nname = \"t\"\nprotocol = \"modbus-tcp\"\naddress = \"h:502\"\n\
            [[profile]]\nname = \"a\"\nprotocol = \"json\"\njson = { value = \"/v\", time = \"/t\", step = \"1m3\" }\n\
            [[profile]]\nname = \"b\"\nprotocol = \"json\"\njson = { value = \"/v\", time = \"/u\", step = \"1L\" }\n\
            [[profile]]\nname = \"other\"\nprotocol = \"json\"\njson = { value = \"/w\", time = \"/t\", step = \"1m3\" }\n\
            [[profile]]\nname = \"x\"\nregister = { address = 1, function = 3, type = \"u16\", step = \"1m3\" }\n\
            [[profile]]\nname = \"y\"\nregister = { address = 1, function = 3, type = \"i16\", step = \"1L\" }\n";
        let read = |one: &str, other: &str| Config::read(&format!("{site}{one}{other}"), Path::new(""));
        for (one, other) in [
            (meter(1, "q", "t/1", "a"), meter(2, "q", "t/1", "a")),
            (meter(1, "q", "t/1", "a"), meter(2, "q", "t/1", "b")),
            (meter(1, "q", "t/1", "a"), meter(2, "r", "t/1", "a")),
            (meter(1, "c", "1", "cjt188"), meter(2, "c", "00000000000001", "cjt188-unit-after")),
            (meter(1, "t", "1", "x"), meter(2, "t", "1", "y")),
            (meter(1, "m", "12345678", "mbus"), meter(2, "m", "1234567824400107", "mbus")),
        ] {
            let error = read(&one, &other).unwrap_err().to_string();
            assert!(error.starts_with("meter[1].unit: "), "{error}");
        }
        for (one, other) in [
            (meter(1, "q", "t/1", "a"), meter(2, "q", "t/1", "other")),
            (meter(1, "m", "1234567824400106", "mbus"), meter(2, "m", "1234567824400107", "mbus")),
        ] {
            assert!(read(&one, &other).is_ok(), "{other}");
        }
    }
}
