//! The Huadian demonstration [M24-M26]: a year of an industrial park on the platform, as its customers would use it.
//!
//! | file | answers |
//! |---|---|
//! | [`data`], [`solar`], [`meters`] | what is consumed and generated in each hour, and what the meters show |
//! | [`tariff`], [`adviser`] | what the station offers, and what each tenant chooses |
//! | [`tender`] | what is put up each month, and who quotes what |
//! | [`cast`], [`seats`] | who takes part, under which keys and ids; whose place somebody can take in the client app |
//! | [`contracts`] | contracts in the parties' own code, and what their statements must say |
//! | [`consortium`] | the same on several members: a node is killed, an organisation joins |
//! | [`scenario`] | what everybody does, day by day; the journal |
//! | [`wire`] | the first days' registers, read over simulated buses as a gateway reads meters |
//! | [`platform`], [`node`] | what is asked of the platform, and the running node that answers |
//! | [`report`], [`render`] | what the year came to, and whether it holds together |
//!
//! [`run`] plays on a running node whose chain was begun with [`cast::genesis`]. It can be interrupted at any moment: run
//! again on the same chain, it goes on, and ends with the same report.
//!
//! Deliberately absent: the rules of the ledger, keys worth protecting, randomness, clocks and floats in what is played.

pub mod adviser;
pub mod cast;
pub mod consortium;
pub mod contracts;
pub mod data;
pub mod meters;
pub mod node;
pub mod platform;
pub mod render;
pub mod report;
pub mod scenario;
pub mod seats;
pub mod solar;
pub mod tariff;
pub mod tender;
pub mod wire;

pub use cast::{genesis, validator_secret};
pub use render::{Lang, render};
pub use report::Report;

use consortium::{Consortium, Machines};
use data::{DAYS, Year};
use indicatif::{ProgressBar, ProgressStyle};
use node::Node;
use platform::Platform;
use report::{Books, Run};
use scenario::{Journal, PlayError, Progress};
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Instant;
use utilidor_sdk::{Client, ClientError};
use utilidor_types::time::HOUR_MS;
use utilidor_types::{ChainId, Genesis, PrivateKey};
use utilidor_view::{AgreementFilter, MeterFilter, StatementFilter};
use wire::Wire;

/// The report's file in the data folder.
pub const REPORT_FILE: &str = "report.json";
/// The journal's file in the data folder: what was done, from which every bill can be recomputed.
pub const JOURNAL_FILE: &str = "journal.json";

/// What to play, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the running node, such as `http://127.0.0.1:4680`.
    pub api: String,
    /// Folder for the report and the journal; its size is reported as the demonstration's.
    pub data_dir: PathBuf,
    /// Days of the year, 1 to 365.
    pub days: usize,
    /// Days of the year, from the first on, whose readings come over the wire; 0 takes all from the files.
    pub wire_days: usize,
    /// Whether things go wrong on the wire.
    pub wire_faults: bool,
    /// Whether progress is told on standard error: as a bar, or, where it is no terminal, in lines.
    pub progress: bool,
    /// Language of the progress bar.
    pub lang: Lang,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The year of the data is over before.
    #[error("the demonstration has 1 to {DAYS} days, not {days}")]
    Days {
        /// Days asked for.
        days: usize,
    },
    /// The chain was not begun by the demonstration.
    #[error("the node's chain is {found}; the demonstration plays on its own, {expected}")]
    OtherChain {
        /// The node's.
        found: ChainId,
        /// The demonstration's.
        expected: ChainId,
    },
    /// Playing stopped.
    #[error(transparent)]
    Play(#[from] PlayError),
    /// The node did not answer.
    #[error("the node did not tell how the demonstration went")]
    Client(#[from] ClientError),
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// Plays the demonstration to its report, which is also written to the data folder; one that was played out is told again from
/// there. Boxed, so that it is compiled with this crate.
pub fn run(options: &Options) -> Pin<Box<dyn Future<Output = Result<Report, RunError>> + '_>> {
    Box::pin(async move {
        let node = connect(options, cast::chain()).await?;
        if let Some(report) = played_out(options, &node.client).await? {
            write_json(&options.data_dir.join(REPORT_FILE), &report)?;
            return Ok(report);
        }
        let (journal, report) = playing(options, &node, &node.client).await?;
        keep(options, &journal, &report)?;
        Ok(report)
    })
}

/// The same on the several members of a chain that was begun with [`consortium::genesis_of`]. `alone` is the report of a run of as
/// many days on one member, to be compared with.
pub async fn run_on_members(
    options: &Options,
    genesis: &Genesis,
    machines: &impl Machines,
    alone: Option<&Report>,
) -> Result<Report, RunError> {
    let node = connect(options, genesis.chain()).await?;
    let consortium = Consortium::new(node.clone(), machines, genesis.validators.len());
    consortium.begun().await.map_err(PlayError::from)?;
    let (journal, mut report) = playing(options, &consortium, &node.client).await?;
    let mut story = consortium.end().await.map_err(PlayError::from)?;
    story.differs_from_one_member = alone.map(|alone| report.differences(alone));
    report.on_members(genesis.chain(), story);
    keep(options, &journal, &report)?;
    Ok(report)
}

/// The node that is played on, if its chain is the one expected.
async fn connect(options: &Options, expected: ChainId) -> Result<Node, RunError> {
    // Who runs the node reads the books of all of them for the report.
    let client = Client::new(&options.api)?.acting_as(PrivateKey::ed25519(cast::validator_secret()));
    let found = client.status().await?.chain;
    if found != expected {
        return Err(RunError::OtherChain { found, expected });
    }
    Ok(Node::new(client, found))
}

/// The report of a run that has come to its end on this chain, if as much was asked for. Afterwards the chain's time may have been
/// moved on, and people may have traded on it: it is not played over that.
async fn played_out(options: &Options, client: &Client) -> Result<Option<Report>, ClientError> {
    let journal: Option<Journal> = read_json(&options.data_dir.join(JOURNAL_FILE));
    let report: Option<Report> = read_json(&options.data_dir.join(REPORT_FILE));
    let (Some(journal), Some(mut report)) = (journal, report) else { return Ok(None) };
    let status = client.status().await?;
    let is_over = journal.days == options.days
        && report.days == options.days
        && report.chain == status.chain.to_string()
        && journal.end <= status.time_ms;
    if !is_over {
        return Ok(None);
    }
    let as_read = report.wire.as_ref().map_or((0, false), |wire| (wire.days, wire.commanded));
    let asked = (options.wire_days.min(options.days), options.wire_faults && options.wire_days > 0);
    // Read in another way, the same days are played again, where the chain stands at their end.
    if as_read != asked && status.time_ms.0 - journal.end.0 < HOUR_MS {
        return Ok(None);
    }
    report.run.api = client.address().into();
    report.run.data_dir = options.data_dir.display().to_string();
    Ok(Some(report))
}

/// Writes journal and report to the data folder.
fn keep(options: &Options, journal: &Journal, report: &Report) -> Result<(), RunError> {
    write_json(&options.data_dir.join(JOURNAL_FILE), journal)?;
    write_json(&options.data_dir.join(REPORT_FILE), report)
}

async fn playing(options: &Options, platform: &impl Platform, client: &Client) -> Result<(Journal, Report), RunError> {
    let began = Instant::now();
    if !(1..=DAYS).contains(&options.days) {
        return Err(RunError::Days { days: options.days });
    }
    let year = Year::load();
    let bar = options.progress.then(|| progress_bar(options.days, options.lang));
    let mut progress = |Progress { day, days }: Progress| match &bar {
        Some(bar) if bar.is_hidden() => tell_progress(day, days, options.lang),
        Some(bar) => bar.set_position(day as u64),
        None => {}
    };
    let mut wire = match options.wire_days {
        0 => None,
        days => {
            let wire = Wire::start(meters::park_meters(&year), days, options.wire_faults, &options.data_dir);
            Some(wire.await.map_err(PlayError::from)?)
        }
    };
    let journal = scenario::play_over(wire.as_mut(), platform, &year, options.days, &mut progress).await?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }

    let books = read_books(client, &journal).await?;
    let run = Run {
        blocks: books.summary.blocks,
        duration_ms: began.elapsed().as_millis() as u64,
        disk_bytes: bytes_under(&options.data_dir),
        state_root: client.status().await?.state_root.to_string(),
        api: client.address().into(),
        data_dir: options.data_dir.display().to_string(),
    };
    let mut report = Report::new(&journal, &year, &books, run);
    if let Some(wire) = wire {
        report.over_the_wire(wire.story(options.days, journal.readings));
    }
    Ok((journal, report))
}

fn progress_bar(days: usize, lang: Lang) -> ProgressBar {
    let template = match lang {
        Lang::En => "{bar:40} day {pos} of {len}, {elapsed} ({eta} left)",
        Lang::Zh => "{bar:40} 第 {pos} 天，共 {len} 天，已用 {elapsed}（剩余 {eta}）",
    };
    let style = ProgressStyle::with_template(template).expect("the template is well formed");
    let bar = ProgressBar::new(days as u64).with_style(style);
    // The first day comes only after all members, meters and packages are there.
    bar.tick();
    bar
}

/// Says how far it is, about ten times in all, where there is no terminal for a bar.
fn tell_progress(day: usize, days: usize, lang: Lang) {
    if !day.is_multiple_of(days.div_ceil(10)) && day != days {
        return;
    }
    let line = match lang {
        Lang::En => format!("day {day} of {days}"),
        Lang::Zh => format!("第 {day} 天，共 {days} 天"),
    };
    // Nothing can be done where even standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

async fn read_books(client: &Client, journal: &Journal) -> Result<Books, ClientError> {
    let mut quotes = Vec::new();
    for tender in &journal.tenders {
        let offer = tender.id();
        quotes.extend(client.quotes(offer).await?);
    }
    let mut blocks = Vec::new();
    loop {
        let page = client
            .blocks_after(blocks.last().map_or(0, |block: &utilidor_view::BlockView| block.height), 1_000)
            .await?;
        if page.items.is_empty() {
            break;
        }
        blocks.extend(page.items);
    }
    Ok(Books {
        summary: client.summary().await?,
        statements: client.statements(&StatementFilter::default()).await?,
        agreements: client.agreements(&AgreementFilter::default()).await?,
        meters: client.meters(&MeterFilter::default()).await?,
        accounts: client.accounts().await?,
        quotes,
        blocks,
    })
}

/// Bytes of all files under a folder; what cannot be read counts as nothing.
fn bytes_under(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_under(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// What a file says; nothing where there is none, or where it is of another release.
fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes a value beside its place first, so that an interruption leaves no half of it.
fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), RunError> {
    let failed = |source| RunError::Write { path: path.into(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let json = serde_json::to_vec_pretty(value).expect("reports and journals are plain data");
    let beside = path.with_extension("json.new");
    std::fs::write(&beside, json).map_err(failed)?;
    std::fs::rename(&beside, path).map_err(failed)
}
