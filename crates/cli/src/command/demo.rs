//! `utilidor demo`: a year of the Huadian business park on an embedded chain of one member.

use super::node::{VALIDATOR, serve_signal, start_log, warn_beyond_loopback, write_durably};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{note, print};
use crate::t;
use crate::text::Lang;
use clap::Args;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use utilidor_api::{Settings, process};
use utilidor_park::{Options, Report};
use utilidor_sdk::{KeyKind, Keystore, Passphrase, WorkFactor};

/// What opens the demonstration's key, which protects nothing.
const PASSPHRASE: &str = "demonstration";

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
  utilidor demo --fresh                # from the beginning")]
pub struct Arguments {
    /// Days of the year to play, 1 to 365
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..=365))]
    days: u16,
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
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4680")]
    listen: SocketAddr,
}

/// Does it.
pub async fn run(arguments: Arguments, context: Context) -> Result<(), Failure> {
    let Arguments { days, exit, fresh, data, listen } = arguments;
    start_log();
    let genesis = utilidor_park::genesis();
    if fresh {
        remove_earlier_run(&data, &genesis)?;
    }
    let failed = |what: &str, error: &dyn std::error::Error| Failure::from_error("demo", what, error);
    std::fs::create_dir_all(&data).map_err(|error| failed("the data folder could not be created", &error))?;
    let document = serde_json::to_string_pretty(&genesis).expect("a genesis document is plain data");
    write_durably(&data.join("genesis.json"), document.as_bytes())
        .map_err(|error| failed("the genesis document could not be written", &error))?;
    keep_key(&data)?;

    let stop = serve_signal()?;
    tokio::pin!(stop);
    let chain = utilidor_chain::Config::alone(data.join("chain"), genesis, utilidor_park::validator_secret());
    let seats = utilidor_park::seats::Seats::of_the_park().to_json();
    let settings = Settings { seats: Some(seats.into()), ..Settings::default() };
    let config = process::Config { chain, index: data.join("index.sqlite"), listen, settings };
    let mut process = process::start(config).await.map_err(|error| {
        Failure::from_error("node/start", "the demonstration's node did not start", &error)
            .next("choose another address with --listen, another folder with --data, or start over with --fresh")
    })?;
    warn_beyond_loopback(process.address());
    // The demonstration plays through the address that it listens on, or, if that is every address, through this machine's own.
    let mut own = process.address();
    if own.ip().is_unspecified() {
        own.set_ip(if own.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let api = format!("http://{own}");
    if !context.out.json {
        note(&format!("{} {api}, {}", context.out.word(t!("listening")), data.display()));
    }
    let lang = match context.out.lang {
        Lang::En => utilidor_park::Lang::En,
        Lang::Zh => utilidor_park::Lang::Zh,
    };
    let options = Options { api, data_dir: data.clone(), days: days.into(), progress: !context.out.json, lang };
    let played = tokio::select! {
        report = utilidor_park::run(&options) => report.map_err(|error| failed("the demonstration stopped", &error)),
        () = &mut stop => Err(Failure::new("demo/interrupted", "the demonstration was interrupted")
            .next("the same command goes on where it stopped")),
        () = process.failed() => Err(Failure::new("node/failed", "the demonstration's node ended by itself")),
    };
    let held = played.map(|report| show(&report, lang, &context, &data));
    if matches!(held, Ok(true)) && !exit {
        if !context.out.json {
            // By its name: a browser gives passkeys and cryptography to `localhost`, not to every address.
            let port = own.port();
            note(&format!("{} http://localhost:{port}/", context.out.word(t!("app"))));
        }
        tokio::select! {
            () = &mut stop => {}
            () = process.failed() => {}
        }
    }
    let stopped = process.stop().await.map_err(|error| Failure::from_error("node/failed", "the node failed", &error));
    // Why the node ended by itself says more than that it did.
    stopped?;
    match held? {
        true => Ok(()),
        false => Err(Failure::new("demo/checks", "not every check of the report held")
            .next(format!("see \"checks\" in {}", data.join(utilidor_park::REPORT_FILE).display()))),
    }
}

/// Puts the key of the demonstration's node where every node has its own, for the commands that work on a node's folder.
fn keep_key(data: &Path) -> Result<(), Failure> {
    let keystore = Keystore::open(data.join("keys"))?;
    if keystore.info(VALIDATOR).is_err() {
        let (passphrase, secret) = (Passphrase::new(PASSPHRASE), utilidor_park::validator_secret());
        keystore.import(VALIDATOR, KeyKind::Ed25519, &secret, &passphrase, WorkFactor::LIGHT)?;
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

/// Removes what an earlier run left, save its key, which is the same for every run. Nothing else is removed: a folder that holds
/// another chain is not touched.
fn remove_earlier_run(data: &Path, genesis: &utilidor_types::Genesis) -> Result<(), Failure> {
    if !data.join("genesis.json").exists() {
        return Ok(());
    }
    if super::node::read_genesis(data)?.chain() != genesis.chain() {
        return Err(Failure::new(
            "demo/other-chain",
            format!("{} holds another chain: nothing is removed", data.display()),
        )
        .next("choose another folder with --data"));
    }
    let files = [
        "index.sqlite",
        "index.sqlite-wal",
        "index.sqlite-shm",
        utilidor_park::REPORT_FILE,
        utilidor_park::JOURNAL_FILE,
        "genesis.json",
    ];
    let chain = std::fs::remove_dir_all(data.join("chain"));
    let removed = files.iter().map(|file| std::fs::remove_file(data.join(file)));
    for result in std::iter::once(chain).chain(removed) {
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::from_error("demo", "an earlier run could not be removed", &error));
            }
            _ => {}
        }
    }
    Ok(())
}
