//! Buses and meters as they come together from the configuration file and the files of its folder of meters.

use super::bus::{WrittenBus, read_bus};
use super::meter::{WrittenMeter, read_meter};
use super::{
    Bus, BusProtocol, ConfigError, MAX_BUSES, MAX_CONFIG_BYTES, MAX_FILES, MAX_METERS, MAX_SITE_BYTES, Meter, Place,
    UnitAddress, computed, limit,
};
use crate::profile::{Profile, Profiles};
use crate::protocol::mbus::Secondary;
use crate::reason::{Reason, reason};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;
use utilidor_types::MeterId;

/// A file of the folder of meters: meters, and buses where they have some of their own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    bus: Vec<WrittenBus>,
    #[serde(default)]
    meter: Vec<WrittenMeter>,
}

/// What was read until now.
pub(super) struct Collected<'a> {
    profiles: &'a Profiles,
    /// Where relative paths begin.
    folder: &'a Path,
    buses: Vec<Bus>,
    /// The places of buses, by name.
    by_name: HashMap<String, usize>,
    meters: Vec<Meter>,
    /// The places of meters.
    by_id: HashMap<MeterId, usize>,
    /// What is read already: bus, address and topic there, profile.
    addresses: HashSet<(usize, UnitAddress, Option<String>, &'a str)>,
    /// M-Bus devices that are called by what is printed on them: bus, identification.
    printed: HashMap<(usize, u64), Vec<Secondary>>,
    /// Where buses are already.
    places: HashMap<String, usize>,
    /// For each bus the one that says where its meters are: of those that share a broker, the first.
    shared: Vec<usize>,
    /// For each profile the first that reads the same register.
    registers: HashMap<&'a str, &'a str>,
    interval: Duration,
}

impl<'a> Collected<'a> {
    pub(super) fn new(profiles: &'a Profiles, folder: &'a Path, interval: Duration) -> Self {
        let first = |profile: &'a Profile| {
            let mut same = profiles.iter().filter(|other| other.register.is_same_as(&profile.register));
            (profile.name.as_str(), same.next().unwrap_or(profile).name.as_str())
        };
        let registers = profiles.iter().map(first).collect();
        let (buses, meters) = (Vec::new(), Vec::new());
        let (by_name, by_id, addresses, printed, places, shared) = Default::default();
        Self {
            profiles,
            folder,
            buses,
            by_name,
            meters,
            by_id,
            addresses,
            printed,
            places,
            shared,
            registers,
            interval,
        }
    }

    pub(super) fn into_parts(self) -> (Vec<Bus>, Vec<Meter>) {
        (self.buses, self.meters)
    }

    /// Adds what stands in one file; its meters are on its buses, or on those that were read before.
    pub(super) fn add(&mut self, buses: Vec<WrittenBus>, meters: Vec<WrittenMeter>) -> Result<(), ConfigError> {
        limit("bus", self.buses.len() + buses.len(), MAX_BUSES)?;
        limit("meter", self.meters.len() + meters.len(), MAX_METERS)?;
        for (place, bus) in buses.into_iter().enumerate() {
            let bus = read_bus(place, bus, self.folder, self.interval)?;
            let name = &bus.name;
            if self.by_name.insert(name.clone(), self.buses.len()).is_some() {
                let reason = reason!("a bus called {name:?} stands before", "前面已有名为 {name:?} 的总线");
                return Err(ConfigError::Value { place: format!("bus[{place}].name"), reason });
            }
            let shared = self
                .take_place(&bus)
                .map_err(|(field, reason)| ConfigError::Value { place: format!("bus[{place}].{field}"), reason })?;
            self.shared.push(shared);
            self.buses.push(bus);
        }
        self.meters.reserve(meters.len());
        for (place, meter) in meters.into_iter().enumerate() {
            self.add_meter(place, meter)?;
        }
        Ok(())
    }

    /// The first bus at this one's place. Only a broker is shared: of two buses at another place, the answers of one would be taken for
    /// those of the other.
    fn take_place(&mut self, bus: &Bus) -> Result<usize, (&'static str, Reason)> {
        let next = self.buses.len();
        let Some(key) = bus.place.key() else { return Ok(next) };
        let first = *self.places.entry(key).or_insert(next);
        let Some(other) = self.buses.get(first) else { return Ok(next) };
        if (bus.protocol, other.protocol) == (BusProtocol::Mqtt, BusProtocol::Mqtt) {
            return Ok(first);
        }
        let (field, shown) = match &bus.place {
            Place::Tcp(address) => ("address", address.clone()),
            Place::Serial(port) => ("serial", port.path.display().to_string()),
        };
        let name = &other.name;
        let reason = reason!(
            "{shown} is where bus {name:?} is already: two that ask on one line take each other's answers",
            "{shown} 已是总线 {name:?} 的位置：同一线路上的两个主站会互相误收应答";
            "put the meters of both on bus {name:?}, or write the address of the other line",
            "请将两者的表计都放到总线 {name:?}，或写另一线路的地址"
        );
        Err((field, reason))
    }

    fn add_meter(&mut self, place: usize, meter: WrittenMeter) -> Result<(), ConfigError> {
        let value = |field: &str, reason| ConfigError::Value { place: format!("meter[{place}].{field}"), reason };
        let Some(&bus) = self.by_name.get(&meter.bus) else {
            let known = self.buses.iter().map(|bus| bus.name.as_str()).collect::<Vec<_>>().join(", ");
            let name = &meter.bus;
            let reason =
                reason!("no bus is called {name:?}; there are {known}", "没有名为 {name:?} 的总线；现有 {known}");
            return Err(value("bus", reason));
        };
        let profiles = self.profiles;
        let meter = read_meter(place, meter, &self.buses[bus], profiles)?;
        let id = meter.id;
        if self.by_id.insert(id, self.meters.len()).is_some() {
            return Err(value("id", reason!("meter {id} stands before", "表计 {id} 已在前面出现")));
        }
        let (address, name) = (meter.address(), &meter.bus);
        let read_already = || {
            reason!(
                "what {address} on bus {name} shows is read for another meter already: it would count twice",
                "总线 {name} 上 {address} 的表底已由另一表计抄读：会重复计入";
                "take one of them out, or give it a profile that reads another register",
                "请删去其一，或为其指定读取另一表底的设备档案"
            )
        };
        let register = profiles.get(&meter.profile.name).and_then(|profile| self.registers.get(profile.name.as_str()));
        // Two meters may share a device only if they read different registers of it.
        if !self.addresses.insert((
            self.shared[bus],
            meter.unit,
            meter.topic.clone(),
            register.copied().unwrap_or_default(),
        )) {
            return Err(value("unit", read_already()));
        }
        if let UnitAddress::MbusSecondary(device) = meter.unit {
            let printed = self.printed.entry((bus, device.number().into())).or_default();
            // The same device under the same name may have further registers.
            if printed.iter().any(|other| *other != device && (other.means(device) || device.means(*other))) {
                let reason = reason!(
                    "{address} on bus {name} calls a device that another meter calls by another address",
                    "总线 {name} 上的 {address} 与另一表计以不同地址呼叫同一设备";
                    "write all sixteen digits for both: identification, maker, version and medium",
                    "请为两者写全十六位：标识号、厂商、版本和介质"
                );
                return Err(value("unit", reason));
            }
            if !printed.contains(&device) {
                printed.push(device);
            }
        }
        self.meters.push(meter);
        Ok(())
    }

    /// Adds what stands in the files of a folder whose names end in `.toml`, in the order of their names; `bytes` were read before.
    pub(super) fn add_folder(&mut self, folder: &Path, mut bytes: u64) -> Result<(), ConfigError> {
        for path in files(folder)? {
            let text = read_file(&path)?;
            bytes += text.len() as u64;
            if bytes > MAX_SITE_BYTES {
                return Err(ConfigError::TooLongTogether { path, bytes });
            }
            let written = toml::from_str(&text).map_err(|error| ConfigError::syntax(error, &text));
            drop(text);
            written
                .and_then(|Written { bus, meter }| self.add(bus, meter))
                .map_err(|error| ConfigError::In { path, source: Box::new(error) })?;
        }
        Ok(())
    }

    /// Adds the virtual meters, when all others are there.
    pub(super) fn add_computed(&mut self, written: &[computed::WrittenVirtual]) -> Result<(), ConfigError> {
        limit("meter", self.meters.len() + written.len(), MAX_METERS)?;
        for (place, virtual_meter) in written.iter().enumerate() {
            let find = |id: &MeterId| self.by_id.get(id).map(|place| &self.meters[*place]);
            let meter = computed::read(place, virtual_meter, find)?;
            self.by_id.insert(meter.id, self.meters.len());
            self.meters.push(meter);
        }
        Ok(())
    }
}

/// The files of a folder of meters, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: folder.into(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
            limit("site.meters", files.len(), MAX_FILES)?;
        }
    }
    if files.is_empty() {
        let reason =
            reason!("{} has no file whose name ends in .toml", "{} 中没有以 .toml 结尾的文件", folder.display());
        return Err(ConfigError::Value { place: "site.meters".into(), reason });
    }
    files.sort();
    Ok(files)
}

/// The text of a configuration file.
pub(super) fn read_file(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read as _;
    let unreadable = |source| ConfigError::Unreadable { path: path.into(), source };
    // Opening a pipe already waits until somebody writes into it.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(ConfigError::NotAFile { path: path.into() });
    }
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLong { path: path.into(), bytes });
    }
    let mut text = String::new();
    // It may grow while it is read.
    file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    match text.len() as u64 {
        bytes if bytes > MAX_CONFIG_BYTES => Err(ConfigError::TooLong { path: path.into(), bytes }),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, ConfigError, MAX_CONFIG_BYTES};
    use crate::reason::Sentence;
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;

    const SITE: &str = "[site]\nkey = \"g\"\nmeters = \"meters.d\"\n";

    fn bus(name: &str) -> String {
        format!("[[bus]]\nname = \"{name}\"\nprotocol = \"dlt645\"\naddress = \"{name}:1\"\n")
    }

    fn meter(number: u64, bus: &str) -> String {
        format!("[[meter]]\nid = \"{number:032x}\"\nbus = \"{bus}\"\nunit = \"{number}\"\nprofile = \"dlt645-2007\"\n")
    }

    /// The site whose folder of meters has these files.
    fn site(main: &str, files: &[(&str, String)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("meters.d")).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join("meters.d").join(name), text).unwrap();
        }
        let path = folder.path().join("gateway.toml");
        fs::write(&path, main).unwrap();
        Config::load(&path).map_err(|error| said(&error))
    }

    fn said(error: &ConfigError) -> String {
        let cause = std::error::Error::source(error).map_or(String::new(), |cause| format!(": {cause}"));
        format!("{error}{cause}")
    }

    #[test]
    fn the_meters_of_a_folder_are_read_file_by_file_in_the_order_of_their_names() {
        let config = site(
            &[SITE, &bus("b"), &meter(9, "b")].concat(),
            &[
                ("2.toml", meter(1, "b") + &meter(2, "own")),
                ("1.toml", bus("own") + &meter(3, "own")),
                ("notes.txt", "not read".into()),
            ],
        );
        let config = config.unwrap();
        let units: Vec<_> = config.meters.iter().map(|meter| meter.unit.to_string()).collect();
        assert_eq!(units, ["000000000009", "000000000003", "000000000001", "000000000002"]);
        let mut by_bus = Config::meters_by_bus(config.meters);
        assert_eq!(["b", "own"].map(|bus| by_bus.remove(bus).unwrap().len()), [2, 2]);
    }

    #[test]
    fn what_is_wrong_in_a_file_of_the_folder_is_said_with_the_files_name() {
        let main = SITE.to_owned() + &bus("b") + &meter(1, "b");
        for (files, expected) in [
            (vec![("a.toml", meter(1, "b"))], "a.toml: meter[0].id: meter 0000"),
            (vec![("a.toml", meter(2, "b")), ("b.toml", meter(2, "b"))], "b.toml: meter[0].id: meter 0000"),
            (vec![("a.toml", meter(2, "c"))], "a.toml: meter[0].bus: no bus is called \"c\""),
            (vec![("a.toml", bus("b"))], "a.toml: bus[0].name: a bus called \"b\" stands before"),
            (vec![("a.toml", SITE.into())], "unknown field `site`"),
            (
                vec![("a.toml", " ".repeat(MAX_CONFIG_BYTES as usize + 1))],
                "put its [[meter]] tables into several files",
            ),
            (vec![("a.txt", meter(2, "b"))], "has no file whose name ends in .toml"),
        ] {
            let error = site(&main, &files).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = said(&Config::read(SITE, Path::new("/nowhere")).unwrap_err());
        assert!(error.contains("could not read /nowhere/meters.d"), "{error}");
    }

    #[test]
    fn what_is_no_file_in_the_folder_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let meters = folder.path().join("meters.d");
        fs::create_dir_all(meters.join("folder.toml")).unwrap();
        let error = said(&Config::read(SITE, folder.path()).unwrap_err());
        assert!(error.contains("folder.toml: it is no file"), "{error}");
        fs::remove_dir(meters.join("folder.toml")).unwrap();
        // Nobody will ever write into it.
        let pipe = meters.join("pipe.toml");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let error = said(&Config::read(SITE, folder.path()).unwrap_err());
        assert!(error.contains("pipe.toml: it is no file"), "{error}");
        // Nor where it is the configuration itself, or what a bus logs in with.
        for path in [&pipe, &meters] {
            let error = Config::load(path).unwrap_err();
            assert!(matches!(error, ConfigError::NotAFile { .. }), "{error:?}");
            let Sentence { en, zh } = error.sentence();
            assert_eq!(en, format!("could not read {}: it is no file", path.display()));
            assert_eq!(zh, format!("无法读取 {}：不是普通文件", path.display()));
        }
        let login = "[site]\nkey = \"g\"\n[[bus]]\nname = \"b\"\nprotocol = \"mqtt\"\naddress = \"h:1\"\nuser = \"u\"\n\
                     password_file = \"pipe.toml\"\n";
        let Sentence { en, zh } = Config::read(login, &meters).unwrap_err().sentence();
        assert!(en.contains("bus[0].password_file: ") && en.ends_with("pipe.toml is no file"), "{en}");
        assert!(zh.ends_with("pipe.toml 不是普通文件"), "{zh}");
    }

    /// Most memory that this process ever had, in MiB.
    fn peak_mib() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// Reads this many meters in files of 10,000.
    fn read_many(meters: u64) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("meters.d")).unwrap();
        for file in 0..meters.div_ceil(10_000) {
            let mut text = String::new();
            for number in file * 10_000..((file + 1) * 10_000).min(meters) {
                if number % 100 == 0 {
                    let _ = write!(text, "{}", bus(&format!("b{}", number / 100)));
                }
                let _ = write!(text, "{}", meter(number, &format!("b{}", number / 100)));
            }
            fs::write(folder.path().join(format!("meters.d/{file:03}.toml")), text).unwrap();
        }
        let began = std::time::Instant::now();
        let config = Config::read(SITE, folder.path()).unwrap();
        assert_eq!(config.meters.len() as u64, meters);
        println!("{meters} meters: {} MiB at most, {:?}", peak_mib(), began.elapsed());
    }

    #[test]
    #[ignore = "measures the whole process: run it alone"]
    fn reading_a_hundred_thousand_meters_takes_less_than_150_megabytes() {
        read_many(100_000);
        assert!(peak_mib() < 150, "{} MiB", peak_mib());
    }

    #[test]
    #[ignore = "measures the whole process: run it alone"]
    fn a_million_meters_are_read() {
        read_many(1_000_000);
    }
}
