//! The configuration file: which node, which buses, which meters. TOML; unknown fields are refused, and every error says where
//! it is.
//!
//! A site with many meters has them in a folder of such files beside it, which are read one after the other: reading takes as much
//! memory as the longest file does, however many there are.
//!
//! The file does not say what the ledger knows: a meter's register width, capacity and last reading come from its registration.

mod bus;
mod computed;
mod error;
mod folder;
mod meter;
mod place;
mod unit;
mod unread;

pub use self::bus::{Bus, BusProtocol, MAX_TOKENS, Tokens};
pub use self::error::ConfigError;
pub use self::meter::Meter;
pub(crate) use self::meter::no_carrier;
pub use self::place::Place;
pub use self::unit::UnitAddress;
pub use self::unread::Unread;

use self::bus::WrittenBus;
use self::folder::Collected;
use self::meter::WrittenMeter;
use crate::profile::{Profiles, WrittenProfile};
use crate::reason::reason;
use serde::Deserialize;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

impl Config {
    /// Reads a configuration file and those that it names; relative paths in it begin at the file's folder.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = folder::read_file(path)?;
        Self::read(&text, path.parent().unwrap_or(Path::new("")))
    }

    /// Reads a configuration; relative paths in it begin at `folder`.
    pub fn read(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let written: Written = toml::from_str(text).map_err(|error| ConfigError::syntax(error, text))?;
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
        if place::names_a_login(&site.node) {
            let reason = reason!(
                "a node's address names no user and no password: write it as http://127.0.0.1:4680",
                "节点地址中不写用户名和口令：请写成 http://127.0.0.1:4680"
            );
            return Err(ConfigError::Value { place: "site.node".into(), reason });
        }
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
    use utilidor_types::Carrier;

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
            ("10.0.3.7:4001", "mqtt://10.0.3.7:4001", "bus[0].address: \"mqtt://10.0.3.7:4001\" is no address: write"),
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

    #[test]
    fn no_secret_that_stands_where_it_should_not_is_told_again() {
        for (from, to, said) in [
            (
                "key = \"gateway\"",
                "key = \"gateway\"\nnode = \"http://u:S3CRET@h:1\"",
                "site.node: a node's address names no",
            ),
            ("address = \"", "address = \"u:S3CRET@", ".address: an address names no user"),
            (
                "name = \"roof\"",
                "name = \"roof\"\nPassword = \"S3CRET\"",
                "line 13: unknown field `Password`, expected",
            ),
            ("name = \"roof\"", "name = \"roof\"\npwd = \"S3CRET\"", "line 13: unknown field `pwd`"),
            ("name = \"roof\"", "name = \"roof\"\ntoken = \"S3CRET\"", "line 13: unknown field `token`"),
            ("name = \"roof\"", "name = \"roof\"\nname.x = \"S3CRET\"", "line 13: name.x: "),
            (
                "name = \"roof\"",
                "name = \"roof\"\npassphrase = S3CRET",
                "line 13: passphrase: string values must be quoted",
            ),
            (
                "name = \"roof\"",
                "name = \"roof\"\npassword_file = S3CRET",
                "line 13: password_file: string values must be quoted",
            ),
            (
                "name = \"roof\"",
                "name = \"roof\"\npassword_file = [\"S3CRET\"]",
                "line 13: password_file: invalid type: sequence, expected",
            ),
            (
                "name = \"roof\"",
                "name = \"roof\"\nuser = [\"u@S3CRET\"]",
                "line 13: user: invalid type: sequence, expected a string",
            ),
            (
                "name = \"roof\"",
                "name = \"roof\"\nretries = \"u@S3CRET, expected\"",
                "line 13: retries: invalid type: string, expected u32",
            ),
            ("name = \"roof\"", "name = \"roof\"\nserial = \"u@S3CRET\"", "line 13: serial: it cannot be read"),
            ("name = \"roof\"", "name = \"roof\"\n密码 = \"S3CRET\"", "line 13: 密码: "),
            ("name = \"roof\"", "name = \"roof\"\nurl = \"mqtt://u:pa#S3CRET@h:1\"", "line 13: unknown field `url`"),
            ("name = \"roof\"", "name = \"roof\"\nlogin = { password = \"S3CRET\" }", "line 13: unknown field `login`"),
            (
                "name = \"roof\"",
                "name = \"roof\"\nuser = \"u\" # S3CRET\nuser = \"v\" # S3CRET",
                "line 14: user: duplicate key",
            ),
            ("name = \"roof\"", "name = \"roof\"\nuser = \"\"\"\nS3CRET==\\x\"\"\"", "line 14: "),
            (
                "protocol = \"modbus-tcp\"",
                "protocol = \"mqtt\"\nuser = \"u\"\npassword_file = \"S3CRET\"",
                "bus[1].password_file: there is no file",
            ),
        ] {
            let error = Config::read(&GOOD.replacen(from, to, 1), Path::new("")).unwrap_err();
            let told = format!("{error} {error:?} {:?}", error.sentence());
            assert!(told.contains(said) && !told.contains("S3CRET"), "{told}");
        }
        // What is no secret is shown.
        let of = |line: &str| {
            let error = Config::read(&GOOD.replace("name = \"roof\"", line), Path::new("")).unwrap_err();
            (error.to_string(), error.sentence().zh)
        };
        let (shown, _) = of("name = secretariat");
        assert!(shown.contains("12 | name = secretariat") && shown.contains("must be quoted"), "{shown}");
        let (english, chinese) = of("tokens = [\"alice@example.org\", 5]");
        assert_eq!(english, "line 12: tokens: tokens are a word in quotes, or a list of such");
        assert!(chinese.starts_with("第 12 行：tokens："), "{chinese}");
        let (english, chinese) = of("name = \"secretariat\"  speed = 9600");
        assert!(english.starts_with("line 12: name: unexpected key or value"), "{english}");
        assert!(chinese.starts_with("第 12 行：name："), "{chinese}");
        let (_, chinese) = of("name = \"roof\"\npwd = \"x\"");
        assert!(chinese.starts_with("第 13 行：没有名为 `pwd` 的字段；可用 `name`、"), "{chinese}");
        let (_, chinese) = of("name = 5 # a@b");
        assert_eq!(chinese, "第 12 行：name：此处是整数，应为带引号的文本");
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
}
