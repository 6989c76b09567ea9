//! `utilidor demo`: a year of the Huadian business park on an embedded chain of one member, or of several: then the other
//! members' nodes are processes of their own ([`members`]).

mod members;

use super::node::{VALIDATOR, serve_signal, warn_beyond_loopback};
use crate::context::Context;
use crate::failure::Failure;
use crate::node_file::listen_address;
use crate::output::{note, print};
use crate::sentence::Said;
use crate::text::Lang;
use crate::{said, t};
use clap::Args;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use utilidor_api::process::StartError;
use utilidor_api::{Settings, process};
use utilidor_chain::{DirectoryError, Held, write_durably};
use utilidor_park::{Options, Report};
use utilidor_sdk::{KeyKind, Keystore, Passphrase, WorkFactor};

/// What opens the demonstration's key, which protects nothing.
pub const PASSPHRASE: &str = "demonstration";
/// What to do about a demonstration that runs.
fn stop_first() -> Said {
    said!("stop it first, or choose another folder with --data", "请先将其停止，或用 --data 另选一个文件夹")
}

/// What is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
The chain, the report (report.json) and the journal of what was played stay in the data folder. Interrupted at any moment and
started again, the demonstration goes on and ends with the same report. Meanwhile and afterwards its HTTP interface answers
every other command: utilidor status, utilidor agreement list, utilidor trace AGREEMENT, ... Its node's key is in the data folder
too, under the passphrase \"demonstration\".

Examples:
  utilidor demo                        # the year, then stays up
  utilidor demo --days 31 --exit       # a month; status 0 only if every check of the report held
  utilidor demo --fresh                # from the beginning
  utilidor demo --days 7 --wire-faults # what goes wrong between a gateway and its meters, and how it is met
  utilidor demo --members 4 --days 31  # on four members: one is killed and comes back, an organisation joins")]
pub struct Arguments {
    /// Days of the year to play, 1 to 365
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=365))]
    days: u16,
    /// Members whose nodes the chain runs on: 1, 4 or 5. With several, one is killed on the way and comes back, and an organisation
    /// joins
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = members::count)]
    members: usize,
    /// Play the same days on one member as well, and check that bills, energy, money and carbon are the same
    #[arg(long)]
    compare: bool,
    /// Days whose readings come over simulated buses, by DL/T 645, CJ/T 188 and Modbus TCP, and water's by MQTT where mosquitto is
    /// installed, with the gateway's own code; the rest is taken from the files, and 0 takes all from there. Energy and money are the same
    #[arg(long, value_name = "N", default_value_t = 31, value_parser = clap::value_parser!(u16).range(0..=365))]
    wire_days: u16,
    /// Let things go wrong on the buses on the first day: silence, a late answer, swapped words, another device, a rollover. The
    /// report tells how each was met
    #[arg(long)]
    wire_faults: bool,
    /// End after the report, instead of staying up
    #[arg(long)]
    exit: bool,
    /// Start over: what an earlier run left in the data folder is removed
    #[arg(long)]
    fresh: bool,
    /// The data folder; created
    #[arg(long, value_name = "FOLDER", default_value = "utilidor-demo")]
    data: PathBuf,
    /// Where the HTTP interface listens; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4680", value_parser = listen_address)]
    listen: SocketAddr,
}

/// Does it.
pub async fn run(arguments: Arguments, context: Context) -> Result<(), Failure> {
    let Arguments { days, members, compare, wire_days, wire_faults, exit, fresh, data, listen } = arguments;
    crate::log::start();
    members::check(members, days.into(), compare)?;
    refuse_other_chain(&data)?;
    if fresh {
        let _held = hold_earlier_run(&data)?;
        remove_earlier_run(&data)?;
    }
    let failed = |what: Said, error: &(dyn std::error::Error + 'static)| Failure::from_error("demo", what, error);
    std::fs::create_dir_all(&data).map_err(|error| {
        failed(said!("the data folder {} could not be created", "无法建立数据文件夹 {}", data.display()), &error)
            .next(said!("choose another folder with --data", "用 --data 另选一个文件夹"))
    })?;
    let others = if members > 1 { Some(members::Others::of(&data, members, listen)?) } else { None };
    let genesis = others.as_ref().map_or_else(utilidor_park::genesis, members::Others::genesis);
    let document = serde_json::to_string_pretty(&genesis).expect("a genesis document is plain data");
    write_durably(&data.join("genesis.json"), document.as_bytes())
        .map_err(|error| failed(said!("the genesis document could not be written", "无法写入创世文件"), &error))?;
    keep_key(&data, VALIDATOR, &utilidor_park::validator_secret())?;
    let alone = if compare { Some(members::on_one_member(&data, days).await?) } else { None };

    let stop = serve_signal()?;
    tokio::pin!(stop);
    let chain = match &others {
        None => utilidor_chain::Config::alone(data.join("chain"), genesis, utilidor_park::validator_secret()),
        Some(others) => others.own_config(&data)?,
    };
    let seats = utilidor_park::seats::Seats::of_the_park().to_json();
    let settings = Settings { seats: Some(seats.into()), ..Settings::default() };
    let config = process::Config { chain, index: data.join("index.sqlite"), listen, settings };
    if let Some(others) = &others {
        others.start_all()?;
    }
    let mut process = process::start(config).await.map_err(|error| {
        let next = match &error {
            StartError::Listen { .. } => {
                said!(
                    "stop what listens there, which may be another demonstration, or choose another \
                     address with --listen",
                    "停止在该地址监听的进程（可能是另一演示），或用 --listen 另选地址"
                )
            }
            // A run that is there is never to be removed.
            StartError::Chain(utilidor_chain::StartError::Directory(DirectoryError::InUse { .. })) => stop_first(),
            _ => said!(
                "choose another folder with --data, or start over with --fresh",
                "用 --data 另选一个文件夹，或用 --fresh 重新开始"
            ),
        };
        Failure::from_error("node/start", said!("the demonstration's node did not start", "演示节点没有启动"), &error)
            .next(next)
    })?;
    warn_beyond_loopback(process.address());
    // The demonstration plays through the address that it listens on, or, if that is every address, through this machine's own.
    let mut own = process.address();
    if own.ip().is_unspecified() {
        own.set_ip(if own.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let api = format!("http://{own}");
    if !context.out.json {
        note(&said!("{} {api}, {}", "{} {api}，{}", context.out.word(t!("listening")), data.display()));
    }
    let lang = match context.out.lang {
        Lang::En => utilidor_park::Lang::En,
        Lang::Zh => utilidor_park::Lang::Zh,
    };
    let options = Options {
        api,
        data_dir: data.clone(),
        days: days.into(),
        wire_days: wire_days.into(),
        wire_faults,
        progress: !context.out.json,
        lang,
    };
    let playing = async {
        match &others {
            None => utilidor_park::run(&options).await,
            Some(others) => utilidor_park::run_on_members(&options, &others.genesis(), others, alone.as_ref()).await,
        }
    };
    let played = tokio::select! {
        report = playing => report.map_err(|error| failed(said!("the demonstration stopped", "演示已停止"), &error)),
        () = &mut stop => Err(Failure::new("demo/interrupted", said!("the demonstration was interrupted", "演示被中断"))
            .next(said!("the same command goes on where it stopped", "再次运行同一命令，将从停止之处继续"))),
        () = process.failed() => Err(Failure::new("node/failed", said!("the demonstration's node ended by itself", "演示节点自行终止"))),
    };
    let held = played.map(|report| show(&report, lang, &context, &data));
    if matches!(held, Ok(true)) && !exit {
        if !context.out.json {
            // By its name: a browser gives passkeys and cryptography to `localhost`, not to every address.
            let port = own.port();
            note(&said!("{} http://localhost:{port}/", "{} http://localhost:{port}/", context.out.word(t!("app"))));
        }
        tokio::select! {
            () = &mut stop => {}
            () = process.failed() => {}
        }
    }
    let stopped = process
        .stop()
        .await
        .map_err(|error| Failure::from_error("node/failed", said!("the node failed", "节点出现故障"), &error));
    if let Some(others) = others {
        others.stop().await?;
    }
    // Why the node ended by itself says more than that it did.
    stopped?;
    match held? {
        true => Ok(()),
        false => {
            Err(Failure::new("demo/checks", said!("not every check of the report held", "报告中并非每项检查都成立"))
                .next(said!(
                    "see \"checks\" in {}",
                    "见 {} 中的 \"checks\"",
                    data.join(utilidor_park::REPORT_FILE).display()
                )))
        }
    }
}

/// Puts a key of the demonstration's where every node has its own, for the commands that work on a node's folder.
pub fn keep_key(data: &Path, name: &str, secret: &[u8; 32]) -> Result<(), Failure> {
    let keystore = Keystore::of_folder(data.join("keys"));
    if keystore.info(name).is_err() {
        keystore.import(name, KeyKind::Ed25519, secret, &Passphrase::new(PASSPHRASE), WorkFactor::LIGHT)?;
    }
    Ok(())
}

/// Shows the report and where it is kept. Tells whether every check held.
fn show(report: &Report, lang: utilidor_park::Lang, context: &Context, data: &Path) -> bool {
    context.out.show(report, |_| utilidor_park::render(report, lang));
    if !context.out.json {
        print(&data.join(utilidor_park::REPORT_FILE).display().to_string());
    }
    report.holds()
}

/// Refuses a folder that holds what the demonstration has not made: it would write over it.
fn refuse_other_chain(data: &Path) -> Result<(), Failure> {
    let is_other = match data.join("genesis.json").exists() {
        true => !utilidor_park::consortium::began_by_the_demonstration(&super::node::read_genesis(data)?),
        false => members::is_other_network(data)?,
    };
    if is_other {
        let what =
            said!("{} holds another chain: nothing in it is changed", "{} 中有另一条链：未作任何改动", data.display());
        return Err(Failure::new("demo/other-chain", what)
            .next(said!("choose another folder with --data", "用 --data 另选一个文件夹")));
    }
    Ok(())
}

/// Holds the chains of an earlier run: what runs is not removed.
fn hold_earlier_run(data: &Path) -> Result<Vec<Held>, Failure> {
    let nodes = std::iter::once(data.to_owned()).chain(members::folders().map(|folder| data.join(folder)));
    let held = nodes.map(|node| match utilidor_chain::hold(&node.join("chain")) {
        Ok(held) => Ok(Some(held)),
        Err(DirectoryError::Missing { .. }) => Ok(None),
        Err(error @ DirectoryError::InUse { .. }) => Err(Failure::from_error(
            "demo/running",
            said!("a demonstration runs in this folder", "此文件夹中有演示正在运行"),
            &error,
        )
        .next(stop_first())),
        Err(error) => {
            Err(Failure::from_error("demo", said!("an earlier run could not be removed", "无法删除先前的运行"), &error))
        }
    });
    held.filter_map(Result::transpose).collect()
}

/// Removes what an earlier run left, save its key, which is the same for every run. Nothing else is removed: a folder that holds
/// another chain is not touched.
fn remove_earlier_run(data: &Path) -> Result<(), Failure> {
    let files = [
        "index.sqlite",
        "index.sqlite-wal",
        "index.sqlite-shm",
        utilidor_park::REPORT_FILE,
        utilidor_park::JOURNAL_FILE,
        utilidor_park::wire::CONFIG_FILE,
        utilidor_park::wire::JOURNAL_FILE,
        utilidor_park::wire::BROKER_FILE,
        "wire.sqlite-wal",
        "wire.sqlite-shm",
        "wire.sqlite.lock",
        "genesis.json",
    ];
    let folders = ["chain".to_owned()].into_iter().chain(members::folders());
    let folders = folders.map(|folder| std::fs::remove_dir_all(data.join(folder)));
    let removed = files.iter().copied().chain(members::files()).map(|file| std::fs::remove_file(data.join(file)));
    for result in folders.chain(removed) {
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::from_error(
                    "demo",
                    said!("an earlier run could not be removed", "无法删除先前的运行"),
                    &error,
                ));
            }
            _ => {}
        }
    }
    Ok(())
}
