//! The configuration file: which node, which buses, which meters. TOML; unknown fields are refused, and every error says where
//! it is.
//!
//! A site with many meters has them in a folder of such files beside it, which are read one after the other: reading takes as much
//! memory as the longest file does, however many there are.
//!
//! The file does not say what the ledger knows: a meter's register width, capacity and last reading come from its registration.

mod computed;
mod folder;

use self::folder::Collected;
use crate::profile::{Profile, ProfileError, Profiles, Ratio, Register, Side, WrittenProfile};
use crate::protocol::{Protocol, cjt188, dlt645, mbus};
use crate::serial::SerialPort;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::SocketAddr;
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
/// Longest topic.
pub const MAX_TOPIC_BYTES: usize = 256;
/// The connectors of a charging station are numbered below this: the number of a transaction says whose it is.
pub const CONNECTORS: u32 = 64;
/// The bus of meters that are computed: no line has its name.
pub const VIRTUAL_BUS: &str = "virtual";
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
    /// User and password of an MQTT broker.
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
    ) -> Result<Self, (&'static str, String)> {
        let is_address = |address: &str| {
            address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        match (address, serial) {
            (Some(address), None) if is_address(&address) => Ok(Self::Tcp(address)),
            (Some(address), None) => {
                Err(("address", format!("{address:?} is no address: write host:port, such as 10.0.3.7:4001")))
            }
            (None, Some(_)) if protocol == BusProtocol::ModbusTcp || protocol.is_told() => {
                Err(("serial", format!("a {protocol} bus is at an address, not at a serial port")))
            }
            (None, Some(port)) => Ok(Self::Serial(port)),
            (Some(_), Some(_)) => Err(("serial", "a bus is at an address or at a serial port, not at both".into())),
            (None, None) => {
                let what = "it is missing: write address = \"10.0.3.7:4001\" or serial = \"/dev/ttyUSB0,2400,8E1\"";
                Err(("address", what.into()))
            }
        }
    }
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
    /// DL/T 645-2007 through a serial server.
    Dlt645,
    /// CJ/T 188 through a serial server.
    Cjt188,
    /// M-Bus through a level converter with a serial server.
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
    /// The topic that its collector publishes on.
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
    /// 0 to 247, or 255 for the only device behind a TCP connection.
    Modbus(u8),
    /// On a topic.
    Topic,
    /// Nowhere: it is computed.
    Computed,
}

impl UnitAddress {
    /// Reads what is printed on the device, or set in it.
    pub fn read(protocol: Protocol, text: &str) -> Result<Self, String> {
        let small = |most: u8| match text.parse::<u8>() {
            Ok(unit) if unit <= most || (unit == 255 && protocol == Protocol::Modbus) => Ok(unit),
            _ => Err(format!("{text:?} is no address of a {protocol} device: write a number from 0 to {most}")),
        };
        match protocol {
            Protocol::Dlt645 => text.parse().map(Self::Dlt645).map_err(|error| format!("{error}")),
            Protocol::Cjt188 => text.parse().map(Self::Cjt188).map_err(|error| format!("{error}")),
            Protocol::Mbus if text.len() > 3 => text.parse().map(Self::MbusSecondary),
            Protocol::Mbus => small(250).map(Self::Mbus),
            Protocol::Modbus => small(247).map(Self::Modbus),
            // A topic with a wildcard would be several devices.
            Protocol::Json if text.is_empty() || text.len() > MAX_TOPIC_BYTES || text.contains(['+', '#', '\0']) => {
                Err(format!("{text:?} is no topic of one device"))
            }
            Protocol::Ocpp => match text.rsplit_once('/') {
                Some((station, connector))
                    if !station.is_empty()
                        && connector.parse::<u32>().is_ok_and(|connector| connector < CONNECTORS) =>
                {
                    Ok(Self::Topic)
                }
                _ => Err(format!(
                    "{text:?} is no connector: write STATION/CONNECTOR, such as CP-1/1, with a number below {CONNECTORS}"
                )),
            },
            Protocol::Json => Ok(Self::Topic),
            Protocol::Virtual => Err("a virtual meter has no address".into()),
        }
    }
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

/// Why a configuration is not one.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("could not read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is longer than any configuration.
    #[error(
        "{} has {bytes} bytes, one file has at most {MAX_CONFIG_BYTES}: put its [[meter]] tables into several files of a folder, and \
         write meters = \"FOLDER\" under [site]",
        path.display()
    )]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// The files of a site are longer together than those of any.
    #[error("the site's files up to {} have {bytes} bytes together, at most {MAX_SITE_BYTES} are read", path.display())]
    TooLongTogether {
        /// The file that is too much.
        path: PathBuf,
        /// Their length with it.
        bytes: u64,
    },
    /// A file of the folder of meters is wrong.
    #[error("in {}", path.display())]
    In {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<ConfigError>,
    },
    /// It is not TOML, or a field is unknown, missing or of another type.
    #[error("{0}")]
    Syntax(Box<toml::de::Error>),
    /// A profile is wrong.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A value cannot be meant.
    #[error("{place}: {reason}")]
    Value {
        /// The field, with the place of its table: `meter[2].unit`.
        place: String,
        /// What is wrong.
        reason: String,
    },
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
    #[serde(default = "default_timeout")]
    timeout: String,
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

fn default_timeout() -> String {
    "3s".into()
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
            let reason =
                format!("{address} can be reached by others: write an address of this machine, such as 127.0.0.1:9464");
            return Err(ConfigError::Value { place: "site.metrics".into(), reason });
        }
        let mut collected = Collected::new(&profiles, folder);
        collected.add(written.bus, written.meter)?;
        if let Some(meters) = written.site.meters {
            collected.add_folder(&folder.join(meters), text.len() as u64)?;
        }
        collected.add_computed(&written.computed)?;
        let (buses, meters) = collected.into_parts();
        Ok(Self { site, buses, meters, profiles })
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
    Err(ConfigError::Value { place: place.into(), reason: format!("{count} are more than the {most} allowed") })
}

fn read_bus(place: usize, bus: WrittenBus, folder: &Path) -> Result<Bus, ConfigError> {
    let value = |field: &str, reason| ConfigError::Value { place: format!("bus[{place}].{field}"), reason };
    let field = |field: &str| format!("bus[{place}].{field}");
    let Some(protocol) = BusProtocol::ALL.into_iter().find(|protocol| protocol.name() == bus.protocol) else {
        let reason = format!(
            "no protocol is called {:?}; there are dlt645, cjt188, mbus, modbus-tcp, modbus-rtu, mqtt and ocpp",
            bus.protocol
        );
        return Err(value("protocol", reason));
    };
    let place = Place::read(protocol, bus.address, bus.serial).map_err(|(field, reason)| value(field, reason))?;
    if bus.name == VIRTUAL_BUS {
        return Err(value("name", format!("{VIRTUAL_BUS} is the name of meters that are computed: write another")));
    }
    if bus.retries > 10 {
        return Err(value("retries", format!("{} are more than the 10 allowed", bus.retries)));
    }
    let login = match (bus.user, bus.password_file) {
        (None, None) => None,
        (Some(_), _) | (_, Some(_)) if !protocol.is_told() => {
            return Err(value("user", format!("a {protocol} bus has no login")));
        }
        // A station's name is its user.
        (Some(_), _) if protocol == BusProtocol::Ocpp => {
            return Err(value("user", "each station logs in by its own name: write password_file alone".into()));
        }
        (None, Some(file)) if protocol == BusProtocol::Ocpp => {
            let password = read_password(&folder.join(file)).map_err(|reason| value("password_file", reason))?;
            Some((String::new(), password))
        }
        (Some(user), Some(file)) => {
            // A file of its own, so that the configuration can be shown to others.
            Some((user, read_password(&folder.join(file)).map_err(|reason| value("password_file", reason))?))
        }
        (Some(_), None) => return Err(value("password_file", "it is missing: user and password go together".into())),
        (None, Some(_)) => return Err(value("user", "it is missing: user and password go together".into())),
    };
    if protocol == BusProtocol::Ocpp && login.is_none() && !is_loopback(&place) {
        let reason = "it is missing: whoever reaches the address could pretend to be a station".into();
        return Err(value("password_file", reason));
    }
    let tokens = match bus.tokens {
        Some(_) if protocol != BusProtocol::Ocpp => {
            return Err(value("tokens", format!("nobody charges at a {protocol} bus")));
        }
        None => Tokens::These(BTreeSet::new()),
        Some(WrittenTokens::Word(word)) if word == "any" => Tokens::Any,
        Some(WrittenTokens::Word(word)) => {
            return Err(value("tokens", format!("{word:?} is no list: write tokens = [{word:?}], or \"any\"")));
        }
        Some(WrittenTokens::List(tokens)) => {
            if tokens.len() > MAX_TOKENS {
                return Err(value("tokens", format!("{} are more than the {MAX_TOKENS} allowed", tokens.len())));
            }
            if let Some(token) = tokens.iter().find(|token| token.is_empty() || token.len() > MAX_TOKEN) {
                return Err(value("tokens", format!("{token:?} is no token: it has 1 to {MAX_TOKEN} characters")));
            }
            Tokens::These(tokens.into_iter().map(|token| token.to_ascii_lowercase()).collect())
        }
    };
    Ok(Bus {
        login,
        tokens,
        timeout: within(&field("timeout"), &bus.timeout, Duration::from_millis(10), Duration::from_secs(60))?,
        pause: within(&field("pause"), &bus.pause, Duration::ZERO, Duration::from_secs(60))?,
        name: bus.name,
        protocol,
        place,
        retries: bus.retries,
        echo: bus.echo,
    })
}

/// The password in a file of its own.
fn read_password(path: &Path) -> Result<String, String> {
    let password =
        std::fs::read_to_string(path).map_err(|error| format!("could not read {}: {error}", path.display()))?;
    Ok(password.trim_end().to_string())
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
    let id: MeterId =
        meter.id.parse().map_err(|_| value("id", format!("{:?} is no meter: an id has 32 hex digits", meter.id)))?;
    let Some(profile) = profiles.get(&meter.profile) else {
        let known: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        let reason = format!("no profile is called {:?}; there are {}", meter.profile, known.join(", "));
        return Err(value("profile", reason));
    };
    if profile.register.protocol() != bus.protocol.protocol() {
        let reason = format!(
            "{} is for {}, bus {} speaks {}",
            profile.name,
            profile.register.protocol(),
            bus.name,
            bus.protocol
        );
        return Err(value("profile", reason));
    }
    let unit = UnitAddress::read(bus.protocol.protocol(), &meter.unit).map_err(|reason| value("unit", reason))?;
    let carrier = meter.carrier.map(|carrier| carrier.parse::<Carrier>()).transpose();
    let carrier = carrier.map_err(|error| value("carrier", error.to_string()))?;
    let carrier = match (carrier, profile.carrier) {
        (Some(carrier), Some(other)) if carrier != other => {
            return Err(value("carrier", format!("{} measures {other}, not {carrier}", profile.name)));
        }
        (Some(carrier), _) | (None, Some(carrier)) => carrier,
        (None, None) => return Err(value("carrier", format!("{} does not say what the meter measures", profile.name))),
    };
    let ratio = meter.ratio.unwrap_or_default();
    if ratio.factor() == 0 {
        return Err(value("ratio", "a transformer's ratio is at least 1".into()));
    }
    // A device that reckons its transformers in by itself would have them reckoned in twice.
    if profile.side == Side::Primary && ratio.factor() != 1 {
        let reason = format!("{} shows what flows: its device has reckoned the transformers in already", profile.name);
        return Err(value("ratio", reason));
    }
    let step = match &profile.register {
        Register::Modbus { description, .. } => Some(description.step),
        Register::Json(description) => Some(description.step),
        _ => None,
    };
    if let Some(step) = step
        && step.number.quantity_floor(step.unit, carrier).is_err()
    {
        return Err(value(
            "profile",
            format!("{} counts in {}, which does not measure {carrier}", profile.name, step.unit),
        ));
    }
    let topic = (unit == UnitAddress::Topic).then_some(meter.unit);
    Ok(Meter { id, bus: meter.bus, unit, topic, carrier, profile: profile.clone(), ratio })
}

/// A duration such as `15min`, `2s`, `500ms` or `30d`, within bounds.
fn within(place: &str, text: &str, least: Duration, most: Duration) -> Result<Duration, ConfigError> {
    let value = |reason| ConfigError::Value { place: place.into(), reason };
    let duration = match text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()) {
        Some(days) => Duration::from_secs(u64::from(days) * 86_400),
        None => text
            .parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .ok_or_else(|| value(format!("{text:?} is no duration: write for example 15min, 2s, 500ms or 30d")))?,
    };
    if duration < least || duration > most {
        return Err(value(format!("{text} is not between {least:?} and {most:?}")));
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
            ("10.0.3.7:4001", "10.0.3.7", "bus[0].address"),
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
            ("0.1kWh", "0.1m3", "meter[1].profile: x counts in m3"),
            ("name = \"x\"\ncarrier = \"electricity\"", "name = \"x\"", "meter[1].carrier: x does not say"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let error = Config::read(&GOOD.replace(from, to), Path::new("")).unwrap_err().to_string();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
