//! `utilidor gateway`: meters in, signed readings out.

mod hint;
mod names;
mod search;
mod standing;
mod words;

use self::names::called;
use self::words::WORDS;
use crate::causes::{causes, told};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{note, or_dash, print};
use crate::sentence::Said;
use crate::{said, t, units::time};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::io::BufRead as _;
use std::path::PathBuf;
use std::sync::Arc;
use utilidor_gateway::clock::SystemClock;
use utilidor_gateway::config::{BusProtocol, Config, ConfigError, Meter, Place, UnitAddress, VIRTUAL_BUS};
use utilidor_gateway::journal::{Filter, Journal, JournalError};
use utilidor_gateway::line::Patience;
use utilidor_gateway::number::in_usual_unit;
use utilidor_gateway::probe::{self, Exchange, Question};
use utilidor_gateway::profile::{Profile, Profiles, Ratio, Register};
use utilidor_gateway::protocol::modbus::{self, Function};
use utilidor_gateway::protocol::ocpp::Version;
use utilidor_gateway::protocol::{Direction, Protocol, Refused};
use utilidor_gateway::reason::{Reason, Sentence};
use utilidor_gateway::run::{self, GatewayClock, RunError};
use utilidor_gateway::serial::{PlayedPort, SerialPort};
use utilidor_gateway::simulate::Simulator;
use utilidor_gateway::simulate::stations::Stations;
use utilidor_gateway::uplink::{HttpUplink, Uplink as _, UplinkError};
use utilidor_gateway::view::{self, TelegramView};
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
        /// The frame in hexadecimal; for json, ocpp and virtual, the document, or its bytes in hexadecimal as evidence has them
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
    #[arg(long)]
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

/// Whom a probe can ask.
const ASKED: &str = "dlt645, cjt188, mbus, modbus-tcp, modbus-rtu";

fn bus_protocol(text: &str) -> Result<BusProtocol, Said> {
    let found = BusProtocol::ALL.into_iter().find(|protocol| protocol.name() == text);
    let found = found.ok_or_else(|| {
        said!("no protocol is called {text:?}; there are {ASKED}", "没有名为 {text:?} 的协议；有 {ASKED}")
    })?;
    match found.is_told() {
        true => Err(said!(
            "devices that speak {text} tell by themselves and are not asked; there are {ASKED}",
            "使用 {text} 的设备自行上报，不能询问；有 {ASKED}"
        )),
        false => Ok(found),
    }
}

fn ocpp_version(text: &str) -> Result<Version, Said> {
    let found = Version::ALL.into_iter().find(|version| version.subprotocol().strip_prefix("ocpp") == Some(text));
    found.ok_or_else(|| {
        said!(
            "{text:?} is no version of OCPP that is played: write 1.6 or 2.0.1",
            "{text:?} 不是可模拟的 OCPP 版本：请写 1.6 或 2.0.1"
        )
    })
}

fn registers(text: &str) -> Result<(Function, u16, u16), Said> {
    let bad = || {
        said!(
            "{text:?} are no registers: write FUNCTION:FIRST:COUNT, such as 4:0x0034:2",
            "{text:?} 不是寄存器：请写 FUNCTION:FIRST:COUNT（功能码:起始:数量），如 4:0x0034:2"
        )
    };
    let number = |part: &str| {
        match part.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).map_err(|_| bad()),
        None => part.parse().map_err(|_| match modbus::in_makers_notation(part) {
            Some((function, first)) => {
                let function = function as u8;
                said!(
                    "{part} is {first:#06x} of function {function} in makers' notation: write {function}:{first:#06x}:COUNT",
                    "{part} 是厂家记法，即功能码 {function} 的 {first:#06x}：请写 {function}:{first:#06x}:COUNT"
                )
            }
            None => bad(),
        }),
    }
    };
    let [function, first, count] = text.split(':').collect::<Vec<_>>()[..] else { return Err(bad()) };
    let function = Function::try_from(function.parse::<u8>().map_err(|_| bad())?);
    let function = function.map_err(|error| said!("{error}", "不支持该功能码（{error}）"))?;
    let count = number(count)?;
    if count == 0 || usize::from(count) > modbus::MAX_REGISTERS {
        return Err(said!("1 to {} registers can be read at once", "一次可读 1 至 {} 个寄存器", modbus::MAX_REGISTERS));
    }
    let first = number(first)?;
    if u32::from(first) + u32::from(count) > u32::from(u16::MAX) + 1 {
        return Err(said!(
            "{count} registers from {first} on reach beyond 65535, the last that there is",
            "自 {first} 起的 {count} 个寄存器超出最后一个，即 65535"
        ));
    }
    Ok((function, first, count))
}

fn bad_config(error: &ConfigError) -> Failure {
    let next = match error.next() {
        Some(next) => both(next),
        None => said!("see docs/guide/meters.md for a configuration", "配置示例见 docs/guide/meters.md"),
    };
    Failure::usage(both(&error.sentence())).next(next)
}

/// What somebody has written on the command line and cannot be meant.
fn bad_value(option: &str, reason: &Reason) -> Failure {
    let what = both(&reason.what);
    let failure = Failure::usage(said!("--{option}: {what}", "--{option}：{what}"));
    match &reason.next {
        Some(next) => failure.next(both(next)),
        None => failure,
    }
}

/// A sentence of the gateway's.
fn both(Sentence { en, zh }: &Sentence) -> Said {
    said!("{en}", "{zh}")
}

fn refused(error: &Refused) -> Failure {
    let (code, error) = (error.code(), both(&error.sentence()));
    Failure::new(code, said!("the frame is refused ({code}): {error}", "该帧被拒绝（{code}）：{error}"))
}

fn damaged() -> Said {
    said!(
        "put a copy of the journal back, or set its files aside and begin a new one: \
         what is certified stays so, and meters that keep a log are read again",
        "恢复日志的副本，或移开其文件并启用新日志：已认证的读数不变，自存记录的表计会重新读取"
    )
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        let failure = Self::new("gateway/journal", told(&error));
        match error {
            JournalError::Foreign { .. } => failure.next(said!(
                "name a journal of its own in the configuration, or run with the node and key that \
                 this one began with",
                "在配置中另行指定日志，或以此日志最初的节点和密钥运行"
            )),
            JournalError::Missing { .. } => failure.next(said!(
                "run it: utilidor gateway run --config GATEWAY.toml",
                "运行网关：utilidor gateway run --config GATEWAY.toml"
            )),
            JournalError::Held { .. } => failure.next(said!(
                "stop the gateway that runs, or name another journal",
                "停止正在运行的网关，或指定另一日志"
            )),
            JournalError::NotAFile { .. } | JournalError::Strange { .. } => failure.next(said!(
                "write another name under journal in [site], such as gateway.sqlite: the first run makes it",
                "在 [site] 的 journal 中另写一个文件名，如 gateway.sqlite：首次运行时会建立"
            )),
            JournalError::SecondName { .. } => failure.next(said!(
                "remove the other name, or name another journal; find it with: find / -samefile JOURNAL",
                "删除另一个名称，或指定另一日志；查找：find / -samefile JOURNAL"
            )),
            JournalError::ReadOnly { .. } => failure.next(said!(
                "look as the user whose gateway it is, or copy its files, -wal and all, into a folder of your own",
                "以运行网关的用户身份查看，或将其文件（含 -wal）复制到自己的文件夹"
            )),
            other if other.is_newer() => failure.next(said!(
                "run the release that has written it, or a newer one",
                "运行写入它的版本或更新的版本"
            )),
            other if other.is_older() => failure.next(said!(
                "start the gateway of this release: it takes the journal on as it is",
                "启动本版本的网关：它会原样接续此日志"
            )),
            JournalError::Layout { .. } => failure.next(said!(
                "its layout is none that a release has written: put a copy of the journal back, or set its files aside and begin a \
                 new one",
                "没有任何版本写过此布局：恢复日志的副本，或移开其文件并启用新日志"
            )),
            other if other.is_damaged() => failure.next(damaged()),
            _ => failure.next(said!(
                "see the disk and the folder of the journal, and whether this user may write there",
                "检查磁盘和日志所在文件夹，以及当前用户是否可以写入"
            )),
        }
    }
}

impl From<UplinkError> for Failure {
    fn from(error: UplinkError) -> Self {
        let UplinkError::Node(source) = error else { return Self::new("node/unreachable", told(&error)) };
        match source.downcast::<utilidor_sdk::ClientError>() {
            // Its node stands in its configuration.
            Ok(error) if matches!(*error, utilidor_sdk::ClientError::Unreachable { .. }) => {
                Self::from(*error).next(said!(
                    "start that node, or name another as node in [site] of the configuration",
                    "启动该节点，或在配置 [site] 的 node 中指定另一节点"
                ))
            }
            Ok(error) => (*error).into(),
            Err(source) => Self::new("gateway/uplink", told(&*source)),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let failure = Self::new("gateway/stopped", said!("{}", "网关已停止：{}", causes(&error)));
        match &error {
            RunError::Journal(journal) if journal.is_disk_full() => failure.next(said!(
                "make room on the disk; the readings until now are safe in the journal",
                "请腾出磁盘空间；此前的读数已妥善保存在日志中"
            )),
            RunError::Journal(journal) if journal.is_damaged() => failure.next(damaged()),
            RunError::Journal(_) => failure.next(said!(
                "see the disk and the folder of the journal, then start the gateway again: the readings until now are safe",
                "检查磁盘和日志所在文件夹，然后重新启动网关：此前的读数安全无损"
            )),
            RunError::Metrics { .. } => failure.next(said!(
                "write another port as site.metrics, or stop what listens there",
                "在 site.metrics 写另一端口，或停止占用该端口的程序"
            )),
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
                    both(&profile.device).to_string(),
                    both(&profile.source).to_string(),
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
        Command::Status { file } => standing::status(&file.load()?, &context),
        Command::Backlog { file, limit } => {
            let filter = Filter { open_only: true, ..Filter::default() };
            standing::list(&file.load()?, &filter, limit, &context)
        }
        Command::Evidence { meter, file, from, to, limit } => {
            let config = file.load()?;
            let filter = Filter {
                meter: Some(configured(&config, &meter)?),
                from_ms: from.map_or(0, |from| from.0),
                to_ms: to.map(|to| to.0),
                ..Filter::default()
            };
            standing::list(&config, &filter, limit, &context)
        }
        Command::Accept { meter, file } => {
            let config = file.load()?;
            let meter = configured(&config, &meter)?;
            let mut journal = Journal::open(&config.site.journal)?;
            if !journal.accept(meter)? {
                let failure =
                    Failure::new("gateway/not-stopped", said!("meter {meter} is not stopped", "表计 {meter} 没有停止"));
                return Err(failure.next(said!(
                    "nothing is to be done: it is read. Those that are stopped: utilidor gateway status",
                    "无需处理：该表计正常抄读。查看已停止的表计：utilidor gateway status"
                )));
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
        (Some(_), Some(_)) => Err(Failure::usage(said!("several meters begin with {text}", "多块表计以 {text} 开头"))
            .next(said!("write more of the digits", "请多写几位"))),
        (None, _) => {
            let what = said!(
                "{text:?} is neither a meter's id nor the beginning of one in the configuration",
                "{text:?} 既不是表计标识，也不是配置中某个标识的开头"
            );
            Err(Failure::usage(what)
                .next(said!("list them: utilidor gateway status", "列出表计：utilidor gateway status")))
        }
    }
}

fn named(profiles: &Profiles, name: &str) -> Result<Arc<Profile>, Failure> {
    profiles.get(name).cloned().ok_or_else(|| {
        Failure::usage(said!("no profile is called {name:?}", "没有名为 {name:?} 的设备档案"))
            .next(said!("list them: utilidor gateway profiles", "列出设备档案：utilidor gateway profiles"))
    })
}

/// A profile was named that is for devices of another protocol.
fn other_protocol(profile: &Profile, protocol: &dyn std::fmt::Display) -> Failure {
    let (name, of) = (&profile.name, profile.register.protocol());
    let what =
        said!("profile {name} is for {of}, not for {protocol}", "设备档案 {name} 用于 {of}，不适用于 {protocol}");
    Failure::usage(what).next(said!(
        "leave out --profile, or name one for it: utilidor gateway profiles",
        "去掉 --profile，或指定适用的设备档案：utilidor gateway profiles"
    ))
}

fn decode(
    protocol: Protocol,
    frame: &str,
    profile: Option<&str>,
    profiles: &Profiles,
    context: &Context,
) -> Result<(), Failure> {
    let bytes = view::message(protocol, frame).map_err(|error| refused(&error))?;
    let profile = profile.map(|name| named(profiles, name)).transpose()?;
    let telegram = match profile.as_deref().map(|profile| (&profile.register, profile)) {
        None => protocol.decode(&bytes),
        Some((Register::Modbus { description, .. }, profile)) if protocol == Protocol::Modbus => {
            modbus::decode_described(&bytes, description)
                .map(|telegram| protocol::Telegram { carrier: profile.carrier, ..telegram })
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
        Some((Register::Json(description), profile)) if protocol == Protocol::Json => {
            protocol::json::decode(&bytes, "", description)
                .map(|document| protocol::Telegram { carrier: profile.carrier, ..document.telegram })
        }
        Some((Register::Cjt188 { units }, _)) if protocol == Protocol::Cjt188 => {
            protocol::cjt188::decode(&bytes, *units)
        }
        Some((register, _)) if register.protocol() == protocol => protocol.decode(&bytes),
        Some((_, profile)) => return Err(other_protocol(profile, &protocol)),
    };
    let telegram = telegram.map_err(|error| refused(&error))?;
    let view = TelegramView::of(&telegram);
    let direction = match telegram.direction {
        Direction::Request => t!("direction_request"),
        Direction::Reply => t!("direction_reply"),
    };
    context.out.show(&view, |out| {
        let facts = out.facts(vec![
            (t!("protocol"), view.protocol.into()),
            (t!("kind"), out.word(direction).into()),
            (t!("address"), view.address.clone()),
            (t!("carrier"), or_dash(view.carrier.map(|carrier| out.say(carrier)))),
            (t!("detail"), both(&view.subject).to_string()),
        ]);
        if view.records.is_empty() {
            return facts;
        }
        let rows = view.records.iter().map(|record| {
            let value = record.value.as_ref().or(record.without.as_ref()).map(both);
            let mark = if record.register { "*" } else { "" };
            [
                format!("{}{mark}", called(&record.what)),
                or_dash(value),
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
        let (code, error) = (error.code(), both(&error.sentence()));
        let what = said!(
            "the frame is read, and its register gives no reading: {error}",
            "该帧已读取，但其表底不构成读数：{error}"
        );
        Failure::new(code, what)
    })
}

/// The context with the node and the key that the configuration names, unless the command line names others.
async fn uplink(config: &Config, context: &Context) -> Result<HttpUplink, Failure> {
    let key = context.signing_key(&config.site.key)?;
    let client = utilidor_sdk::Client::new(&config.site.node)?;
    Ok(HttpUplink::new(utilidor_sdk::Account::open(client, key).await?, WORDS))
}

/// Refuses a gateway whose account is none yet: it would see no meter, and sign for none.
async fn has_account(uplink: &HttpUplink, key: &str) -> Result<(), Failure> {
    let account = uplink.account();
    match account.client().account(account.id()).await {
        Err(error) if error.is_not_found() => {
            let what = said!(
                "the gateway's key {key} has no account on the ledger: it sees no meter and signs for none",
                "网关的密钥 {key} 在账本上没有账户：看不到任何表计，也不能签名"
            );
            Err(Failure::new("gateway/no-account", what).next(said!(
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
                "meter": finding.meter, "code": finding.code, "what": both(&finding.what), "next": both(&finding.next)
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
            let [what, next] = [&finding.what, &finding.next].map(both);
            [finding.meter.to_string(), finding.code.into(), what.to_string(), next.to_string()]
        });
        let headings = [t!("meter"), t!("code"), t!("detail"), t!("next")];
        format!("{facts}\n{}", out.table(headings, rows.collect()))
    });
    if findings.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        "gateway/check",
        said!("{} of {} meters would be refused", "{1} 块表计中有 {0} 块会被拒绝", findings.len(), config.meters.len()),
    )
    .next(said!("what to do stands beside each meter above", "处理办法见上表中各表计旁")))
}

async fn probe_device(arguments: Probe, context: &Context) -> Result<(), Failure> {
    let profiles = arguments.file.profiles()?;
    let profile = arguments.profile.as_deref().map(|name| named(&profiles, name)).transpose()?;
    if let Some(profile) = &profile
        && profile.register.protocol() != arguments.protocol.protocol()
    {
        return Err(other_protocol(profile, &arguments.protocol));
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
        return Err(Failure::usage(said!(
            "only the devices of an M-Bus can be searched, not those of {}",
            "只能搜索 M-Bus 上的设备，不能搜索 {} 的设备",
            arguments.protocol
        )));
    }
    let patient_ms = if arguments.search { search::TIMEOUT_MS } else { TIMEOUT_MS };
    let timeout = std::time::Duration::from_millis(arguments.timeout_ms.unwrap_or(patient_ms));
    let patience = Patience { timeout, pause: std::time::Duration::ZERO, echo: false };
    if arguments.address.is_none() && arguments.serial.is_none() {
        return Err(Failure::usage(said!("where is the device?", "设备在哪里？")).next(said!(
            "name its address, --address 10.0.3.7:4001, or its serial port, --serial /dev/ttyUSB0,2400,8E1",
            "写明地址 --address 10.0.3.7:4001，或串口 --serial /dev/ttyUSB0,2400,8E1"
        )));
    }
    let place = Place::read(arguments.protocol, arguments.address, arguments.serial);
    let place = place.map_err(|(option, reason)| bad_value(option, &reason))?;
    place.check_port().map_err(|reason| bad_value("address", &reason))?;
    let is_modbus = matches!(arguments.protocol, BusProtocol::ModbusTcp | BusProtocol::ModbusRtu);
    if is_modbus && question.unit.is_none() && question.registers.is_none() {
        return Err(Failure::usage(said!(
            "a Modbus device cannot be asked for its address",
            "无法询问 Modbus 设备的地址"
        ))
        .next(said!("name its unit, such as --unit 1", "写明其单元号，如 --unit 1")));
    }
    let mut line = run::line_at(&place, patience);
    if arguments.search {
        return search::find(&mut line, &arguments.bus, context).await;
    }
    let builtin = |name: &str| Profiles::builtin().get(name).expect("the built-in profiles are tested").clone();
    let report = probe::probe(&mut line, &arguments.bus, &question, builtin).await;

    let registration = report.carrier.zip(report.least_capacity).zip(report.looks.last()).map(
        |((carrier, capacity), register)| {
            let modulus = report.modulus.map_or("MODULUS".into(), |modulus| in_usual_unit(modulus, carrier));
            let unit = report.unit.as_deref().unwrap_or_default();
            format!(
                "utilidor meter register --label {}-{unit} --carrier {carrier} --holder HOLDER --gateway GATEWAY --modulus {modulus} \
                 --capacity CAPACITY --register {}  # CAPACITY {} {}",
                arguments.bus,
                in_usual_unit(*register, carrier),
                context.out.word(t!("at_least")),
                in_usual_unit(capacity, carrier)
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
        report.carrier.map(|carrier| report.looks.iter().map(|look| in_usual_unit(*look, carrier)).collect());
    let document = json!({
        "unit": report.unit,
        "carrier": report.carrier,
        "looks": looks,
        "number": report.number,
        "clock": report.clock,
        "findings": report.findings.iter().map(both).collect::<Vec<_>>(),
        "meter": report.meter,
        "register": registration,
        "exchanges": report.exchanges.iter().map(exchange).collect::<Vec<_>>(),
    });
    context.out.show(&document, |out| {
        let mut text = vec![];
        for exchange in &report.exchanges {
            text.push(format!("{}\n  > {}", both(&exchange.asked.sentence()), hex::encode(&exchange.request)));
            if let Some(answer) = &exchange.answer {
                text.push(format!("  < {}", hex::encode(answer)));
            }
            for record in exchange.telegram.iter().flat_map(|telegram| &telegram.records) {
                text.push(format!("    {} = {}", record.what, both(&record.content.sentence())));
            }
            let refused = exchange.refused.as_ref();
            text.extend(refused.map(|(_, refused)| format!("    {}", both(refused))));
        }
        text.push(out.facts(vec![
            (t!("address"), or_dash(report.unit.as_ref())),
            (t!("carrier"), or_dash(report.carrier.map(|carrier| out.say(carrier)))),
            (t!("register"), looks.clone().unwrap_or_default().join(", ")),
            (t!("meter_number"), or_dash(report.number.as_ref())),
            (t!("time"), or_dash(report.clock.as_ref())),
        ]));
        text.extend(report.findings.iter().map(|finding| format!("{}: {}", out.word(t!("note")), both(finding))));
        text.extend(report.meter.iter().cloned());
        text.extend(registration.iter().cloned());
        text.join("\n")
    });
    // Whoever names no profile has asked for nothing more than a look.
    if report.is_good() || (question.profile.is_none() && report.has_shown_registers()) {
        return Ok(());
    }
    let refused = report.exchanges.iter().rev().find_map(|exchange| exchange.refused.as_ref());
    let reason = refused.map(|(_, refused)| both(refused));
    let reason = reason.or_else(|| report.findings.last().map(both));
    let reason = reason.unwrap_or_else(|| said!("nothing was read", "没有读到任何内容"));
    let failure = Failure::new(
        "gateway/probe",
        said!(
            "the device at {place} cannot be taken into service yet: {reason}",
            "{place} 的设备尚不能投入使用：{reason}"
        ),
    );
    Err(match report.exchanges.iter().any(|exchange| exchange.answer.is_some()) {
        true => failure.next(said!(
            "see what it answered above; its protocol, profile and unit: utilidor gateway profiles",
            "查看上面的应答；核对协议、设备档案和单元号：utilidor gateway profiles"
        )),
        false => failure.next(said!(
            "see the cable, the address, the speed of the serial port or server, and that nothing else, such as a gateway, \
             has the line",
            "检查接线、地址、串口或串口服务器的速率，并确认线路未被网关等其他程序占用"
        )),
    })
}

async fn run_gateway(config: Config, context: &Context) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env()
                .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn,utilidor_gateway=info")),
        )
        .with_ansi(crate::log::has_colours())
        .with_writer(std::io::stderr)
        .init();
    let mut journal = Journal::open(&config.site.journal)?;
    let key = context.signing_key(&config.site.key)?;
    let client = utilidor_sdk::Client::new(&config.site.node)?;
    // Which chain a key signs for is asked once; a gateway that starts without uplink finds it in its journal.
    let account = match journal.belonging("chain")? {
        Some(chain) => {
            let chain = chain.parse().map_err(|_| {
                Failure::new("gateway/journal", said!("the journal names no chain", "网关日志没有写明链"))
                    .next(damaged())
            })?;
            utilidor_sdk::Account::on_chain(client, chain, key)
        }
        None => utilidor_sdk::Account::open(client, key).await?,
    };
    journal.belongs_to("chain", &account.chain().to_string())?;
    journal.belongs_to("account", &account.id().to_string())?;
    let uplink = HttpUplink::new(account, WORDS);
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

async fn simulate(config: &Config, ocpp: Version, context: &Context) -> Result<(), Failure> {
    let simulator = Simulator::new(config, Arc::new(SystemClock::default()), 0, 0);
    // What is computed has no device, and whoever publishes over MQTT needs a broker, and is not played here.
    let published: Vec<&str> =
        config.buses.iter().filter(|bus| bus.protocol == BusProtocol::Mqtt).map(|bus| bus.name.as_str()).collect();
    let is_played = |meter: &&Meter| meter.bus != VIRTUAL_BUS && !published.contains(&meter.bus.as_str());
    for meter in config.meters.iter().filter(is_played) {
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
    // A charging station connects by itself.
    for bus in config.buses.iter().filter(|bus| !bus.protocol.is_told()) {
        let failed = |error: std::io::Error| {
            let what = said!(
                "the devices of bus {} could not be put at {}",
                "无法将总线 {} 的设备置于 {}",
                bus.name,
                bus.place
            );
            Failure::from_error("gateway/simulate", what, &error)
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
    for meter in config.meters.iter().filter(|meter| published.contains(&meter.bus.as_str())) {
        let (bus, topic) = (&meter.bus, meter.address());
        note(&said!(
            "{bus}/{topic} is not played: publish at its broker, with mosquitto_pub for example",
            "{bus}/{topic} 不模拟：请向其代理服务器发布，例如用 mosquitto_pub"
        ));
    }
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
                return Err(Failure::from_error("gateway/simulate", said!("a bus has stopped", "一条总线已停止"), &error));
            }
            Some(line) = commands.recv() => {
                let done = match stations.command(&line).await {
                    Some(done) => done,
                    None => simulator.command(&line),
                };
                match done {
                    Ok(done) => print(&done),
                    Err(error) => print(&said!("error: {error}", "错误：{error}").to_string()),
                }
            }
        }
    }
}
