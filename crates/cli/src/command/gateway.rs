//! `utilidor gateway`: meters in, signed readings out.

mod search;

use crate::chinese;
use crate::context::Context;
use crate::failure::{Failure, Next};
use crate::next;
use crate::output::{or_dash, print};
use crate::text::{Lang, lang};
use crate::units;
use crate::{t, units::time};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::BufRead as _;
use std::path::PathBuf;
use std::sync::Arc;
use utilidor_gateway::clock::SystemClock;
use utilidor_gateway::config::{BusProtocol, Config, ConfigError, Meter, Place, UnitAddress, VIRTUAL_BUS};
use utilidor_gateway::journal::{Entry, Filter, Journal, JournalError, State};
use utilidor_gateway::line::Patience;
use utilidor_gateway::probe::{self, Exchange, Question};
use utilidor_gateway::profile::{Profile, Profiles, Ratio, Register};
use utilidor_gateway::protocol::modbus::{self, Function};
use utilidor_gateway::protocol::ocpp::Version;
use utilidor_gateway::protocol::{Protocol, Refused, from_hex};
use utilidor_gateway::reason::{Reason, Sentence};
use utilidor_gateway::run::{self, GatewayClock, RunError};
use utilidor_gateway::sender::sentence;
use utilidor_gateway::serial::{PlayedPort, SerialPort};
use utilidor_gateway::simulate::Simulator;
use utilidor_gateway::simulate::stations::Stations;
use utilidor_gateway::uplink::{HttpUplink, Uplink as _, UplinkError};
use utilidor_gateway::view::TelegramView;
use utilidor_gateway::{check, protocol};
use utilidor_types::{Carrier, MeterId, Timestamp};

/// Milliseconds that an answer to a probe may take.
const TIMEOUT_MS: u64 = 3_000;

/// What is asked.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what a frame says, with unit and carrier, or why it is refused; fails too where its register gives no reading
    #[command(after_help = "\
Examples:
  utilidor gateway decode dlt645 6861010000000068910833333433593333338a16
  utilidor gateway decode modbus 01040486a00001132e --profile carlo-gavazzi-em340
  utilidor gateway decode mbus 68131368080173939291901000056931650000690000003f16")]
    Decode {
        /// dlt645, cjt188, mbus, modbus, json, ocpp, virtual
        protocol: Protocol,
        /// The frame in hexadecimal; for json, ocpp and virtual, the document
        frame: String,
        /// Whose registers a Modbus frame carries, or how a CJ/T 188 meter writes its units
        #[arg(long)]
        profile: Option<String>,
        #[command(flatten)]
        file: OptionalFile,
    },
    /// List the device profiles
    Profiles {
        #[command(flatten)]
        file: OptionalFile,
    },
    /// Compare a configuration with the ledger
    Check {
        #[command(flatten)]
        file: File,
    },
    /// Ask a device all that is needed to take it into service
    #[command(after_help = "\
Examples:
  utilidor gateway probe --protocol dlt645 --address 127.0.0.1:4001
  utilidor gateway probe --protocol modbus-rtu --serial /dev/ttyUSB0,9600,8N1 --unit 1 --profile eastron-sdm630
  utilidor gateway probe --protocol modbus-tcp --address 127.0.0.1:502 --unit 1 --registers 4:0x0034:2
  utilidor gateway probe --protocol modbus-tcp --address 127.0.0.1:502 --unit 1 --profile sunspec-inverter
  utilidor gateway probe --protocol mbus --serial /dev/ttyUSB0,2400,8E1 --unit 12345678
  utilidor gateway probe --protocol mbus --serial /dev/ttyUSB0,2400,8E1 --search")]
    Probe(Box<Probe>),
    /// Read meters and send their readings until stopped
    Run {
        #[command(flatten)]
        file: File,
    },
    /// Show where the readings of a gateway stand
    Status {
        #[command(flatten)]
        file: File,
    },
    /// List the readings that are neither certified nor refused
    Backlog {
        #[command(flatten)]
        file: File,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show what was asked and answered for a meter's readings, byte for byte
    Evidence {
        /// The meter: its id, or a beginning that is no other's in the configuration
        meter: String,
        #[command(flatten)]
        file: File,
        /// From this time on
        #[arg(long, value_parser = time)]
        from: Option<Timestamp>,
        /// Before this time
        #[arg(long, value_parser = time)]
        to: Option<Timestamp>,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Let a stopped meter go on with the device that answers now; the gateway must not be running
    Accept {
        /// The meter: its id, or a beginning that is no other's in the configuration
        meter: String,
        #[command(flatten)]
        file: File,
    },
    /// Play the devices of a configuration at its buses' addresses; faults are commanded on standard input. For a bus at a serial
    /// port a port is made and named; charging stations connect to the gateway's address
    #[command(after_help = "\
Commands on standard input, METER being an id or BUS/UNIT:
  set METER 1200kWh    rate METER 10kWh    silence METER    late METER 5s    swap METER
  noise METER          exchange METER      rollover METER   well METER
Of a charging station, METER being an id or BUS/STATION/CONNECTOR:
  begin METER TOKEN    tell METER          end METER        again METER
  offline METER        online METER        key METER")]
    Simulate {
        #[command(flatten)]
        file: File,
        /// What charging stations speak: 1.6 or 2.0.1
        #[arg(long, value_name = "VERSION", default_value = "1.6", value_parser = ocpp_version)]
        ocpp: Version,
    },
}

/// The configuration file.
#[derive(Debug, Args)]
pub struct File {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "gateway.toml")]
    config: PathBuf,
}

impl File {
    fn load(&self) -> Result<Config, Failure> {
        Config::load(&self.config).map_err(|error| bad_config(&error))
    }

    /// The configuration of who reads devices: where nobody can be reached, it is refused.
    fn load_to_read(&self) -> Result<Config, Failure> {
        let config = self.load()?;
        config.check_places().map_err(|error| bad_config(&error))?;
        Ok(config)
    }
}

/// The configuration file, where it is only for its profiles.
#[derive(Debug, Args)]
pub struct OptionalFile {
    /// A configuration file with profiles of its own
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl OptionalFile {
    fn profiles(&self) -> Result<Profiles, Failure> {
        match &self.config {
            Some(path) => Ok(Config::load(path).map_err(|error| bad_config(&error))?.profiles),
            None => Ok(Profiles::builtin()),
        }
    }
}

/// What to probe.
#[derive(Debug, Args)]
pub struct Probe {
    /// dlt645, cjt188, mbus, modbus-tcp, modbus-rtu
    #[arg(long, value_parser = bus_protocol)]
    protocol: BusProtocol,
    /// Host and port of the device or of its serial server
    #[arg(long, required_unless_present = "serial")]
    address: Option<String>,
    /// The serial port that it is wired to: device, speed and format, such as /dev/ttyUSB0,2400,8E1
    #[arg(long)]
    serial: Option<SerialPort>,
    /// The device's address on its bus [default: it is asked]
    #[arg(long)]
    unit: Option<String>,
    /// What it measures [default: the device or its profile says it]
    #[arg(long)]
    carrier: Option<Carrier>,
    /// How it is read
    #[arg(long)]
    profile: Option<String>,
    /// Ratio of the current transformers before it: 200/5 A is 40
    #[arg(long, default_value_t = 1)]
    ct: u32,
    /// Ratio of the voltage transformers before it
    #[arg(long, default_value_t = 1)]
    pt: u32,
    /// Modbus registers to look at in every way: FUNCTION:FIRST:COUNT, such as 4:0x0034:2
    #[arg(long, value_parser = registers)]
    registers: Option<(Function, u16, u16)>,
    /// Find all devices of an M-Bus by what is printed on them
    #[arg(long, conflicts_with_all = ["unit", "carrier", "profile", "registers"])]
    search: bool,
    /// How long an answer may take, in milliseconds [default: 3000, in a search 500]
    #[arg(long)]
    timeout_ms: Option<u64>,
    /// The name that its bus has in the configuration
    #[arg(long, default_value = "bus-1")]
    bus: String,
    #[command(flatten)]
    file: OptionalFile,
}

fn bus_protocol(text: &str) -> Result<BusProtocol, String> {
    let found = BusProtocol::ALL.into_iter().find(|protocol| protocol.name() == text);
    found.ok_or_else(|| {
        format!("no protocol is called {text:?}; there are dlt645, cjt188, mbus, modbus-tcp, modbus-rtu")
    })
}

fn ocpp_version(text: &str) -> Result<Version, String> {
    let found = Version::ALL.into_iter().find(|version| version.subprotocol().strip_prefix("ocpp") == Some(text));
    found.ok_or_else(|| format!("{text:?} is no version of OCPP that is played: write 1.6 or 2.0.1"))
}

fn registers(text: &str) -> Result<(Function, u16, u16), String> {
    let bad = || format!("{text:?} are no registers: write FUNCTION:FIRST:COUNT, such as 4:0x0034:2");
    let number = |part: &str| match part.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).map_err(|_| bad()),
        None => part.parse().map_err(|_| bad()),
    };
    let [function, first, count] = text.split(':').collect::<Vec<_>>()[..] else { return Err(bad()) };
    let function = Function::try_from(function.parse::<u8>().map_err(|_| bad())?)?;
    let count = number(count)?;
    if count == 0 || usize::from(count) > modbus::MAX_REGISTERS {
        return Err(format!("1 to {} registers can be read at once", modbus::MAX_REGISTERS));
    }
    let first = number(first)?;
    if u32::from(first) + u32::from(count) > u32::from(u16::MAX) + 1 {
        return Err(format!("{count} registers from {first} on reach beyond 65535, the last that there is"));
    }
    Ok((function, first, count))
}

fn bad_config(error: &ConfigError) -> Failure {
    let next = match error.next() {
        Some(next) => Next::of(next.en.clone(), next.zh.clone()),
        None => next!("see docs/guide/meters.md for a configuration", "配置示例见 docs/guide/meters.md"),
    };
    Failure::usage(told(&error.sentence())).next(next)
}

/// What somebody has written on the command line and cannot be meant.
fn bad_value(option: &str, reason: &Reason) -> Failure {
    let failure = Failure::usage(format!("--{option}: {}", told(&reason.what)));
    match &reason.next {
        Some(next) => failure.next(Next::of(next.en.clone(), next.zh.clone())),
        None => failure,
    }
}

/// A sentence in this process's language.
fn told(sentence: &Sentence) -> String {
    match lang() {
        Lang::En => sentence.en.clone(),
        Lang::Zh => sentence.zh.clone(),
    }
}

fn refused(error: &Refused) -> Failure {
    Failure::new(error.code(), format!("the frame is refused ({}): {error}", error.code()))
}

fn damaged() -> Next {
    next!(
        "put a copy of the journal back, or set its files aside and begin a new one: \
         what is certified stays so, and meters that keep a log are read again",
        "恢复日志的副本，或移开其文件并启用新日志：已认证的读数不变，自存记录的表计会重新读取"
    )
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let failure = Self::new("gateway/journal", sentence(&error));
        match error {
            JournalError::Foreign { .. } => failure.next(next!(
                "name a journal of its own in the configuration, or run with the node and key that \
                 this one began with",
                "在配置中另行指定日志，或以此日志最初的节点和密钥运行"
            )),
            JournalError::Held { .. } => failure.next(next!(
                "stop the gateway that runs, or name another journal",
                "停止正在运行的网关，或指定另一日志"
            )),
            JournalError::NotAFile { .. } | JournalError::Strange { .. } => failure.next(next!(
                "write another name under journal in [site], such as gateway.sqlite: the first run makes it",
                "在 [site] 的 journal 中另写一个文件名，如 gateway.sqlite：首次运行时会建立"
            )),
            JournalError::SecondName { .. } => failure.next(next!(
                "remove the other name, or name another journal; find it with: find / -samefile JOURNAL",
                "删除另一个名称，或指定另一日志；查找：find / -samefile JOURNAL"
            )),
            JournalError::ReadOnly { .. } => failure.next(next!(
                "look as the user whose gateway it is, or copy its files, -wal and all, into a folder of your own",
                "以运行网关的用户身份查看，或将其文件（含 -wal）复制到自己的文件夹"
            )),
            other if other.is_newer() => failure.next(next!(
                "run the release that has written it, or a newer one",
                "运行写入它的版本或更新的版本"
            )),
            JournalError::Layout { .. } => failure.next(next!(
                "its layout is none that a release has written: put a copy of the journal back, or set its files aside and begin a \
                 new one",
                "没有任何版本写过此布局：恢复日志的副本，或移开其文件并启用新日志"
            )),
            other if other.is_damaged() => failure.next(damaged()),
            _ => failure,
        }
    }
}

impl From<UplinkError> for Failure {
    fn from(error: UplinkError) -> Self {
        let UplinkError::Node(source) = error else { return Self::new("node/unreachable", error.to_string()) };
        match source.downcast::<utilidor_sdk::ClientError>() {
            Ok(error) => (*error).into(),
            Err(source) => Self::new("gateway/uplink", sentence(&*source)),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let failure = Self::new("gateway/stopped", sentence(&error));
        match &error {
            RunError::Journal(journal) if journal.is_disk_full() => failure.next(next!(
                "make room on the disk; the readings until now are safe in the journal",
                "请腾出磁盘空间；此前的读数已妥善保存在日志中"
            )),
            RunError::Journal(journal) if journal.is_damaged() => failure.next(damaged()),
            _ => failure,
        }
    }
}

/// Does it.
pub async fn run(command: Command, context: Context) -> Result<(), Failure> {
    match command {
        Command::Decode { protocol, frame, profile, file } => {
            decode(protocol, &frame, profile.as_deref(), &file.profiles()?, &context)
        }
        Command::Profiles { file } => {
            let profiles = file.profiles()?;
            let row = |profile: &Profile| {
                let protocol = profile.register.protocol().to_string();
                [
                    profile.name.clone(),
                    protocol,
                    or_dash(profile.carrier.map(|carrier| match context.out.json {
                        true => carrier.to_string(),
                        false => context.out.say(carrier),
                    })),
                    told(&profile.device),
                    told(&profile.source),
                ]
            };
            let rows: Vec<_> = profiles.iter().map(row).collect();
            let headings = [t!("name"), t!("protocol"), t!("carrier"), t!("device"), t!("written_in")];
            let documents: Vec<Value> = rows
                .iter()
                .map(|[name, protocol, carrier, device, source]| {
                    json!({ "name": name, "protocol": protocol, "carrier": carrier, "device": device, "source": source })
                })
                .collect();
            context.out.show(&documents, |out| out.table(headings, rows));
            Ok(())
        }
        Command::Check { file } => check_config(&file.load_to_read()?, &context).await,
        Command::Probe(arguments) => probe_device(*arguments, &context).await,
        Command::Run { file } => run_gateway(file.load_to_read()?, &context).await,
        Command::Status { file } => status(&file.load()?, &context),
        Command::Backlog { file, limit } => {
            let filter = Filter { open_only: true, ..Filter::default() };
            list(&file.load()?, &filter, limit, &context)
        }
        Command::Evidence { meter, file, from, to, limit } => {
            let config = file.load()?;
            let filter = Filter {
                meter: Some(configured(&config, &meter)?),
                from_ms: from.map_or(0, |from| from.0),
                to_ms: to.map(|to| to.0),
                ..Filter::default()
            };
            list(&config, &filter, limit, &context)
        }
        Command::Accept { meter, file } => {
            let config = file.load()?;
            let meter = configured(&config, &meter)?;
            let mut journal = Journal::open(&config.site.journal)?;
            if !journal.accept(meter)? {
                return Err(Failure::new("gateway/not-stopped", format!("meter {meter} is not stopped")));
            }
            context.out.show(&json!({ "meter": meter }), |out| out.facts(vec![(t!("meter"), meter.to_string())]));
            Ok(())
        }
        Command::Simulate { file, ocpp } => simulate(&file.load()?, ocpp, &context).await,
    }
}

/// A meter by its id, which may have left the configuration, or by the beginning of an id that stands in it.
fn configured(config: &Config, text: &str) -> Result<MeterId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let beginning = text.trim_end_matches("...").to_ascii_lowercase();
    let mut found = config.meters.iter().map(|meter| meter.id).filter(|id| id.to_string().starts_with(&beginning));
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id),
        (Some(_), Some(_)) => Err(Failure::usage(format!("several meters begin with {text}"))
            .next(next!("write more of the digits", "请多写几位"))),
        (None, _) => {
            let what = format!("{text:?} is neither a meter's id nor the beginning of one in the configuration");
            Err(Failure::usage(what)
                .next(next!("list them: utilidor gateway status", "列出表计：utilidor gateway status")))
        }
    }
}

fn named(profiles: &Profiles, name: &str) -> Result<Arc<Profile>, Failure> {
    profiles.get(name).cloned().ok_or_else(|| {
        Failure::usage(format!("no profile is called {name:?}"))
            .next(next!("list them: utilidor gateway profiles", "列出设备档案：utilidor gateway profiles"))
    })
}

fn decode(
    protocol: Protocol,
    frame: &str,
    profile: Option<&str>,
    profiles: &Profiles,
    context: &Context,
) -> Result<(), Failure> {
    // A document is written as it is, a frame in hexadecimal.
    let bytes = match protocol {
        Protocol::Json | Protocol::Ocpp | Protocol::Virtual => frame.as_bytes().to_vec(),
        _ => from_hex(frame).map_err(|error| refused(&error))?,
    };
    let profile = profile.map(|name| named(profiles, name)).transpose()?;
    let telegram = match profile.as_ref().map(|profile| (&profile.register, profile.carrier)) {
        None => protocol.decode(&bytes),
        Some((Register::Modbus { description, .. }, carrier)) if protocol == Protocol::Modbus => {
            modbus::decode_described(&bytes, description).map(|telegram| protocol::Telegram { carrier, ..telegram })
        }
        Some((Register::Mbus { selector: Some(selector) }, _)) if protocol == Protocol::Mbus => {
            protocol.decode(&bytes).map(|mut telegram| {
                selector.apply(&mut telegram);
                telegram
            })
        }
        Some((Register::SunSpec(wanted), _)) if protocol == Protocol::Modbus => {
            protocol::sunspec::decode(&bytes, *wanted)
        }
        Some((Register::Json(description), carrier)) if protocol == Protocol::Json => {
            protocol::json::decode(&bytes, "", description)
                .map(|document| protocol::Telegram { carrier, ..document.telegram })
        }
        Some((Register::Cjt188 { units }, _)) if protocol == Protocol::Cjt188 => {
            protocol::cjt188::decode(&bytes, *units)
        }
        Some((register, _)) if register.protocol() == protocol => protocol.decode(&bytes),
        Some((register, _)) => {
            return Err(Failure::usage(format!("the profile is for {}, the frame is {protocol}", register.protocol())));
        }
    };
    let telegram = telegram.map_err(|error| refused(&error))?;
    let view = TelegramView::of(&telegram);
    context.out.show(&view, |out| {
        let facts = out.facts(vec![
            (t!("protocol"), view.protocol.into()),
            (t!("kind"), view.direction.into()),
            (t!("address"), view.address.clone()),
            (t!("carrier"), or_dash(view.carrier.map(|carrier| out.say(carrier)))),
            (t!("detail"), view.subject.clone()),
        ]);
        if view.records.is_empty() {
            return facts;
        }
        let rows = view.records.iter().map(|record| {
            let value = record.value.clone().or_else(|| record.without.clone()).unwrap_or_default();
            let mark = if record.register { "*" } else { "" };
            [
                format!("{}{mark}", record.what),
                value,
                or_dash(record.unit),
                record.tariff.to_string(),
                record.storage.to_string(),
            ]
        });
        let headings = [t!("name"), t!("value"), t!("unit"), t!("tariff"), t!("storage")];
        let table = out.table(headings, rows.collect());
        match view.records.iter().any(|record| record.register) {
            true => format!("{facts}\n{table}\n* {}", out.word(t!("is_register"))),
            false => format!("{facts}\n{table}"),
        }
    });
    // What the frame says is shown; who reads it by a program must not take such a register for a reading.
    telegram.check_register().map_err(|error| {
        Failure::new(error.code(), format!("the frame is read, and its register gives no reading: {error}"))
    })
}

/// The context with the node and the key that the configuration names, unless the command line names others.
async fn uplink(config: &Config, context: &Context) -> Result<HttpUplink, Failure> {
    let key = context.signing_key(&config.site.key)?;
    let client = utilidor_sdk::Client::new(&config.site.node)?;
    Ok(HttpUplink::new(utilidor_sdk::Account::open(client, key).await?))
}

/// Refuses a gateway whose account is none yet: it would see no meter, and sign for none.
async fn has_account(uplink: &HttpUplink, key: &str) -> Result<(), Failure> {
    let account = uplink.account();
    match account.client().account(account.id()).await {
        Err(error) if error.is_not_found() => {
            let what =
                format!("the gateway's key {key} has no account on the ledger: it sees no meter and signs for none");
            Err(Failure::new("gateway/no-account", what).next(next!(
                "as the meter operator, once: utilidor account open --account {key} --as OPERATOR",
                "由表计运营方执行一次：utilidor account open --account {key} --as OPERATOR"
            )))
        }
        answer => Ok(answer.map(drop)?),
    }
}

async fn check_config(config: &Config, context: &Context) -> Result<(), Failure> {
    // It comes into being with the first run.
    if config.site.journal.exists() {
        Journal::look(&config.site.journal)?.examine()?;
    }
    let uplink = uplink(config, context).await?;
    has_account(&uplink, &config.site.key).await?;
    let ids: Vec<_> = config.meters.iter().map(|meter| meter.id).collect();
    let findings = check::check(config, &uplink.meters(&ids).await?);
    let document = json!({
        "account": uplink.account().id(),
        "buses": config.buses.len(),
        "meters": config.meters.len(),
        "findings": findings
            .iter()
            .map(|finding| json!({
                "meter": finding.meter, "code": finding.code, "what": finding.what, "next": finding.next
            }))
            .collect::<Vec<_>>(),
    });
    context.out.show(&document, |out| {
        let facts = out.facts(vec![
            (t!("account"), uplink.account().id().to_string()),
            (t!("meters"), config.meters.len().to_string()),
        ]);
        if findings.is_empty() {
            return format!("{facts}\n{}", out.word(t!("agrees")));
        }
        let rows = findings.iter().map(|finding| {
            [finding.meter.to_string(), finding.code.into(), finding.what.clone(), finding.next.clone()]
        });
        let headings = [t!("meter"), t!("code"), t!("detail"), t!("next")];
        format!("{facts}\n{}", out.table(headings, rows.collect()))
    });
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::new("gateway/check", format!("{} of {} meters would be refused", findings.len(), config.meters.len())))
}

async fn probe_device(arguments: Probe, context: &Context) -> Result<(), Failure> {
    let profiles = arguments.file.profiles()?;
    let profile = arguments.profile.as_deref().map(|name| named(&profiles, name)).transpose()?;
    if let Some(profile) = &profile
        && !probe::is_for(profile, arguments.protocol)
    {
        return Err(Failure::usage(format!("{} is not for {}", profile.name, arguments.protocol)));
    }
    let unit = arguments.unit.as_deref().map(|unit| UnitAddress::read(arguments.protocol, unit)).transpose();
    let question = Question {
        protocol: arguments.protocol,
        unit: unit.map_err(|reason| bad_value("unit", &reason))?,
        carrier: arguments.carrier,
        profile,
        ratio: Ratio { ct: arguments.ct.max(1), pt: arguments.pt.max(1) },
        registers: arguments.registers,
    };
    if arguments.search && arguments.protocol != BusProtocol::Mbus {
        return Err(Failure::usage(format!(
            "only the devices of an M-Bus can be searched, not those of {}",
            arguments.protocol
        )));
    }
    let patient_ms = if arguments.search { search::TIMEOUT_MS } else { TIMEOUT_MS };
    let timeout = std::time::Duration::from_millis(arguments.timeout_ms.unwrap_or(patient_ms));
    let patience = Patience { timeout, pause: std::time::Duration::ZERO, echo: false };
    let place = Place::read(arguments.protocol, arguments.address, arguments.serial);
    let place = place.map_err(|(option, reason)| bad_value(option, &reason))?;
    place.check_port().map_err(|reason| bad_value("address", &reason))?;
    let mut line = run::line_at(&place, patience);
    if arguments.search {
        return search::find(&mut line, &arguments.bus, context).await;
    }
    let builtin = |name: &str| Profiles::builtin().get(name).expect("the built-in profiles are tested").clone();
    let report = probe::probe(&mut line, &arguments.bus, &question, builtin).await;

    let registration = report.carrier.zip(report.least_capacity).zip(report.looks.last()).map(
        |((carrier, capacity), register)| {
            let modulus = report.modulus.map_or("MODULUS".into(), |modulus| probe::in_usual_unit(modulus, carrier));
            let unit = report.unit.as_deref().unwrap_or_default();
            format!(
                "utilidor meter register --label {}-{unit} --carrier {carrier} --holder HOLDER --gateway GATEWAY --modulus {modulus} \
                 --capacity CAPACITY --register {}  # CAPACITY {} {}",
                arguments.bus,
                probe::in_usual_unit(*register, carrier),
                context.out.word(t!("at_least")),
                probe::in_usual_unit(capacity, carrier)
            )
        },
    );
    let exchange = |exchange: &Exchange| {
        json!({
            "asked": exchange.asked.sentence().en,
            "request": hex::encode(&exchange.request),
            "answer": exchange.answer.as_ref().map(hex::encode),
            "says": exchange.telegram.as_ref().map(TelegramView::of),
            "refused": exchange.refused.as_ref().map(|(_, sentence)| sentence),
        })
    };
    let looks: Option<Vec<String>> =
        report.carrier.map(|carrier| report.looks.iter().map(|look| probe::in_usual_unit(*look, carrier)).collect());
    let document = json!({
        "unit": report.unit,
        "carrier": report.carrier,
        "looks": looks,
        "number": report.number,
        "clock": report.clock,
        "findings": report.findings.iter().map(told).collect::<Vec<_>>(),
        "meter": report.meter,
        "register": registration,
        "exchanges": report.exchanges.iter().map(exchange).collect::<Vec<_>>(),
    });
    context.out.show(&document, |out| {
        let mut text = vec![];
        for exchange in &report.exchanges {
            text.push(format!("{}\n  > {}", told(&exchange.asked.sentence()), hex::encode(&exchange.request)));
            if let Some(answer) = &exchange.answer {
                text.push(format!("  < {}", hex::encode(answer)));
            }
            for record in exchange.telegram.iter().flat_map(|telegram| &telegram.records) {
                text.push(format!("    {} = {}", record.what, record.content));
            }
            let refused = exchange.refused.as_ref();
            text.extend(refused.map(|(code, refused)| format!("    {}", chinese::frame(code, refused, out.lang))));
        }
        text.push(out.facts(vec![
            (t!("address"), or_dash(report.unit.as_ref())),
            (t!("carrier"), or_dash(report.carrier.map(|carrier| out.say(carrier)))),
            (t!("register"), looks.clone().unwrap_or_default().join(", ")),
            (t!("meter_number"), or_dash(report.number.as_ref())),
            (t!("time"), or_dash(report.clock.as_ref())),
        ]));
        text.extend(report.findings.iter().map(|finding| format!("{}: {}", out.word(t!("note")), told(finding))));
        text.extend(report.meter.iter().cloned());
        text.extend(registration.iter().cloned());
        text.join("\n")
    });
    if report.is_good() {
        return Ok(());
    }
    let refused = report.exchanges.iter().rev().find_map(|exchange| exchange.refused.as_ref());
    let reason = refused.map(|(code, refused)| chinese::frame(code, refused, lang()));
    let reason = reason.or_else(|| report.findings.last().map(told));
    let what = match lang() {
        Lang::En => "the device cannot be taken into service yet: ",
        Lang::Zh => "设备尚不能投入使用：",
    };
    let nothing = context.out.word(t!("nothing_read"));
    Err(Failure::new("gateway/probe", format!("{what}{}", reason.unwrap_or_else(|| nothing.into()))))
}

async fn run_gateway(config: Config, context: &Context) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,utilidor_gateway=info")),
        )
        .with_writer(std::io::stderr)
        .init();
    let mut journal = Journal::open(&config.site.journal)?;
    let key = context.signing_key(&config.site.key)?;
    let client = utilidor_sdk::Client::new(&config.site.node)?;
    // Which chain a key signs for is asked once; a gateway that starts without uplink finds it in its journal.
    let account = match journal.belonging("chain")? {
        Some(chain) => {
            let chain = chain.parse().map_err(|_| Failure::new("gateway/journal", "the journal names no chain"))?;
            utilidor_sdk::Account::on_chain(client, chain, key)
        }
        None => utilidor_sdk::Account::open(client, key).await?,
    };
    journal.belongs_to("chain", &account.chain().to_string())?;
    journal.belongs_to("account", &account.id().to_string())?;
    let uplink = HttpUplink::new(account);
    let clock = GatewayClock::of(&uplink).await;
    let document =
        json!({ "account": uplink.account().id(), "buses": config.buses.len(), "meters": config.meters.len() });
    context.out.show(&document, |out| {
        out.facts(vec![
            (t!("account"), uplink.account().id().to_string()),
            (t!("meters"), config.meters.len().to_string()),
        ])
    });
    let stop = async {
        // Where the signal cannot be waited for, whoever wants to stop kills: the journal holds.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    Ok(run::run(config, journal, uplink, clock, stop).await?)
}

fn status(config: &Config, context: &Context) -> Result<(), Failure> {
    let journal = Journal::look(&config.site.journal)?;
    let mut of_meters = journal.counts_by_meter()?;
    let counts = journal.counts()?;
    let events = journal.events(20)?;
    let stopped = journal.stopped()?;
    let mut meters = Vec::new();
    for meter in &config.meters {
        let last = journal.last_reading(meter.id)?;
        meters.push((meter, last, of_meters.remove(&meter.id).unwrap_or_default()));
    }
    let document = json!({
        "read": counts.read,
        "unverified": counts.unverified,
        "in_transaction": counts.in_transaction,
        "final": counts.final_,
        "refused": counts.refused,
        "oldest_open": counts.oldest_open_ms.map(|ms| Timestamp(ms).to_rfc3339()),
        "stopped": stopped.iter().map(|(meter, reason)| json!({ "meter": meter, "reason": reason })).collect::<Vec<_>>(),
        "meters": meters.iter().map(|(meter, last, counts)| json!({
            "meter": meter.id,
            "bus": meter.bus,
            "unit": meter.address(),
            "computed_from": formula(meter),
            "time": last.map(|last| Timestamp(last.time_ms).to_rfc3339()),
            "register": last.map(|last| last.register.to_string()),
            "open": counts.read + counts.in_transaction,
            "final": counts.final_,
            "refused": counts.refused,
        })).collect::<Vec<_>>(),
        "events": events.iter().map(|event| json!({
            "time": Timestamp(event.time_ms).to_rfc3339(),
            "meter": event.meter,
            "code": event.code,
            "detail": event.detail,
            "answer": event.answer.as_ref().map(hex::encode),
        })).collect::<Vec<_>>(),
    });
    context.out.show(&document, |out| {
        let facts = out.facts(vec![
            (t!("waiting"), counts.read.to_string()),
            (t!("on_the_way"), counts.in_transaction.to_string()),
            (t!("readings"), counts.final_.to_string()),
            (t!("refused"), counts.refused.to_string()),
            (t!("oldest"), or_dash(counts.oldest_open_ms.map(Timestamp))),
        ]);
        let rows = meters.iter().map(|(meter, last, counts)| {
            let register = last.map(|last| units::quantity(utilidor_types::Quantity(last.register), meter.carrier));
            let stopped = stopped.iter().find(|(id, _)| *id == meter.id).map(|(_, reason)| reason.clone());
            [
                meter.id.to_string(),
                formula(meter).unwrap_or_else(|| format!("{}/{}", meter.bus, meter.address())),
                or_dash(register),
                or_dash(last.map(|last| Timestamp(last.time_ms))),
                (counts.read + counts.in_transaction).to_string(),
                or_dash(stopped),
            ]
        });
        let headings = [t!("meter"), t!("address"), t!("register"), t!("read"), t!("waiting"), t!("stopped_meter")];
        let rows = out.table(headings, rows.collect());
        let events = events.iter().map(|event| {
            [Timestamp(event.time_ms).to_rfc3339(), or_dash(event.meter), event.code.clone(), event.detail.clone()]
        });
        let events = out.table([t!("time"), t!("meter"), t!("code"), t!("detail")], events.collect());
        format!("{facts}\n{rows}\n{events}")
    });
    Ok(())
}

/// What a virtual meter is computed from.
fn formula(meter: &Meter) -> Option<String> {
    match &meter.profile.register {
        Register::Computed(formula) => Some(formula.to_string()),
        _ => None,
    }
}

fn list(config: &Config, filter: &Filter, limit: usize, context: &Context) -> Result<(), Failure> {
    let entries = Journal::look(&config.site.journal)?.entries(filter, limit)?;
    let carrier = |id: MeterId| config.meters.iter().find(|meter| meter.id == id).map(|meter| meter.carrier);
    let documents: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "meter": entry.reading.meter,
                "time": Timestamp(entry.reading.time_ms).to_rfc3339(),
                "register": entry.reading.register.to_string(),
                "state": entry.state.name(),
                "bus": entry.reading.bus,
                "protocol": entry.reading.protocol,
                "request": hex::encode(&entry.reading.request),
                "answer": hex::encode(&entry.reading.answer),
                "computed": computed(entry),
                "transaction": entry.hash.as_ref().map(hex::encode),
                "height": entry.height,
                "refusal": entry.refusal.as_ref().map(|(code, detail)| json!({ "code": code, "detail": detail })),
            })
        })
        .collect();
    context.out.show(&documents, |out| {
        let rows = entries.iter().map(|entry| {
            let register = utilidor_types::Quantity(entry.reading.register);
            let register = units::quantity_of(register, carrier(entry.reading.meter));
            let state = match (&entry.refusal, entry.state) {
                (Some((code, _)), State::Refused) => format!("{} ({code})", entry.state.name()),
                _ => entry.state.name().into(),
            };
            [
                entry.reading.meter.to_string(),
                out.time(Timestamp(entry.reading.time_ms)),
                register,
                state,
                match computed(entry) {
                    Some(document) => document.to_string(),
                    // What a device tells by itself was not asked for.
                    None => [&entry.reading.request, &entry.reading.answer]
                        .into_iter()
                        .filter(|bytes| !bytes.is_empty())
                        .map(hex::encode)
                        .collect::<Vec<_>>()
                        .join("\n"),
                },
                or_dash(entry.height),
            ]
        });
        let headings = [t!("meter"), t!("time"), t!("register"), t!("status"), t!("answer"), t!("block")];
        out.table(headings, rows.collect())
    });
    Ok(())
}

/// What a virtual meter's reading was computed from.
fn computed(entry: &Entry) -> Option<Value> {
    let is_virtual = entry.reading.protocol == Protocol::Virtual.name();
    is_virtual.then(|| serde_json::from_slice(&entry.reading.answer).unwrap_or_default())
}

async fn simulate(config: &Config, ocpp: Version, context: &Context) -> Result<(), Failure> {
    let simulator = Simulator::new(config, Arc::new(SystemClock::default()), 0, 0);
    // What is computed has no device.
    for meter in config.meters.iter().filter(|meter| meter.bus != VIRTUAL_BUS) {
        let (begin, rate) = match meter.carrier {
            Carrier::Electricity | Carrier::Heating | Carrier::Cooling => ("1000kWh", "10kWh"),
            Carrier::HotWater | Carrier::Gas | Carrier::Water => ("1000m3", "1m3"),
        };
        for command in [format!("set {} {begin}", meter.id), format!("rate {} {rate}", meter.id)] {
            simulator.command(&command).expect("every meter of the configuration is simulated");
        }
    }
    let mut buses = tokio::task::JoinSet::new();
    let mut listening = Vec::new();
    // Whoever publishes over MQTT needs a broker, and is not played here; a charging station connects by itself.
    for bus in config.buses.iter().filter(|bus| !bus.protocol.is_told()) {
        let failed = |error: std::io::Error| {
            let what = format!("the devices of bus {} could not be put at {}", bus.name, bus.place);
            Failure::from_error("gateway/simulate", &what, &error)
        };
        let (simulator, bus) = (simulator.clone(), bus.clone());
        match &bus.place {
            Place::Tcp(address) => {
                let listener = tokio::net::TcpListener::bind(address).await.map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?.to_string();
                listening.push((bus.name.clone(), address));
                buses.spawn(async move { simulator.serve(&bus, listener).await });
            }
            Place::Serial(port) => {
                let played = PlayedPort::new().map_err(failed)?;
                let port = SerialPort { path: played.path.clone(), ..port.clone() };
                listening.push((bus.name.clone(), port.to_string()));
                buses.spawn(async move { simulator.serve_port(&bus, played).await });
            }
        }
    }
    let documents: Vec<Value> =
        listening.iter().map(|(bus, address)| json!({ "bus": bus, "address": address })).collect();
    context.out.show(&documents, |out| {
        out.table(
            [t!("name"), t!("listening")],
            listening.iter().map(|(bus, address)| [bus.clone(), address.clone()]).collect(),
        )
    });
    let mut stations = Stations::new(config, simulator.clone(), ocpp);
    for (station, reason) in stations.online().await {
        print(&format!("{station}: {reason}"));
    }
    // A thread of its own: reading standard input cannot be cut off, and must not keep the process from ending.
    let (lines, mut commands) = tokio::sync::mpsc::channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok).filter(|line| !line.trim().is_empty()) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
            Some(Ok(error)) = buses.join_next() => {
                return Err(Failure::from_error("gateway/simulate", "a bus has stopped", &error));
            }
            Some(line) = commands.recv() => {
                let done = match stations.command(&line).await {
                    Some(done) => done,
                    None => simulator.command(&line),
                };
                match done {
                    Ok(done) => print(&done),
                    Err(error) => print(&format!("error: {error}")),
                }
            }
        }
    }
}
