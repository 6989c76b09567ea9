//! `utilidor bench`: how fast this platform is on this machine.

mod consortium;

use crate::command::network::local::stop;
use crate::command::node::serve_signal;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Word, warn};
use crate::sentence::Said;
use crate::{said, t};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use utilidor_bench::consortium::Setup;
use utilidor_bench::figure::{Figure, Layer, Options, measure};
use utilidor_bench::program;
use utilidor_bench::report::{COLUMNS, METHOD, Peer, all, markdown, read_peer, row};
use utilidor_bench::workload::{Suite, TOGETHER};

/// The seed of the demonstrations and of the peers' figures.
const SEED: &str = "integrated-energy-1";

/// Meters of the gateway's measurement.
const GATEWAY_METERS: f64 = 100_000.0;
/// Blocks of the chain that a follower is to reach.
const FOLLOWED_BLOCKS: f64 = 100_000.0;

/// What is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Suites: transfer, cycle-plain, cycle-lean, reading-single, reading-gateway, reading-signed, settlement, package, and verify,
which measures nothing but the machine's signature verification; gateway, which reads 100,000 simulated meters every quarter of an
hour; program, which measures how many events a second a small program of the parties' own takes, and blocks full of them beside
native purchases; and follower, which makes a chain of 100,000 blocks and tells how long a follower that has nothing takes to reach
it. `all` measures every suite on every layer, each in a process of its own, and writes bench.json and bench.md into the folder.

Layers: execute (the rules alone), engine (from bytes to durable blocks), node (the whole node over HTTP), consortium (members
that are processes of their own on this machine, and a follower that watches them).

Examples:
  utilidor bench transfer
  utilidor bench cycle-lean --layer node --json
  utilidor bench follower --scale 0.1
  utilidor bench transfer --layer consortium --down 1 --delays   # one of four members down, slow lines between them
  utilidor bench all --peer limit.json      # with ratios to another system's figures: {\"transfer\": 37000, ...}")]
pub struct Arguments {
    /// The suite, or all
    #[arg(value_name = "SUITE")]
    suite: Wanted,
    /// The layer
    #[arg(long, default_value = "engine")]
    layer: Layer,
    /// Members of the consortium
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    members: u8,
    /// Members of the consortium that are down throughout
    #[arg(long, value_name = "N", default_value_t = 0)]
    down: u8,
    /// Delay one in twenty pieces of what the consortium's nodes tell each other by 200 ms
    #[arg(long)]
    delays: bool,
    /// Multiplies the suite's size
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Decides all numbers and keys
    #[arg(long, default_value = SEED)]
    seed: String,
    /// Offers, quotes or awards of one account under one signature, at most (the plain cycle has 1)
    #[arg(long, value_name = "N", default_value_t = TOGETHER as u16, value_parser = clap::value_parser!(u16).range(1..=TOGETHER as i64))]
    together: u16,
    /// Runs that count
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    runs: u16,
    /// Folder for the runs' chains, on the disk that is to be measured, and for the reports
    #[arg(long, value_name = "FOLDER", default_value = "utilidor-bench")]
    data: PathBuf,
    /// Another system's units a second by suite, to compare with
    #[arg(long, value_name = "FILE")]
    peer: Option<PathBuf>,
}

impl Arguments {
    fn setup(&self) -> Setup {
        Setup { members: self.members.into(), down: self.down.into(), delays: self.delays }
    }

    /// Checks that the members that are up can decide.
    fn check(&self) -> Result<(), Failure> {
        let spare = self.members.saturating_sub(1) / 3;
        if self.down > spare {
            let what = said!(
                "of {} members {spare} can be down at most: fewer than two thirds decide nothing",
                "{} 个成员中最多可停 {spare} 个：不足三分之二时无法作出决定",
                self.members
            );
            return Err(Failure::usage(what));
        }
        Ok(())
    }
}

/// One suite, the meter gateway, the adapter of parties' own programs, a follower, or all suites.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    One(Suite),
    Program,
    All,
    Gateway,
    Follower,
}

impl std::str::FromStr for Wanted {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "gateway" => Ok(Self::Gateway),
            "program" => Ok(Self::Program),
            "follower" => Ok(Self::Follower),
            suite => suite.parse().map(Self::One),
        }
    }
}

fn scale(text: &str) -> Result<f64, Said> {
    let scale: f64 = text.parse().map_err(|_| said!("{text:?} is no number", "{text:?} 不是数字"))?;
    let bound = || said!("a scale is above 0 and at most 1000", "倍数须大于 0 且不超过 1000");
    if scale > 0.0 && scale <= 1_000.0 { Ok(scale) } else { Err(bound()) }
}

/// Measures.
pub async fn run(arguments: Arguments, context: Context) -> Result<(), Failure> {
    arguments.check()?;
    let failed = |what: Said, error: &(dyn std::error::Error + 'static)| Failure::from_error("bench", what, error);
    let peer = match &arguments.peer {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| failed(said!("the peer's figures could not be read", "无法读取对照系统的数据"), &e))?;
            Some(read_peer(&text).map_err(|e| {
                failed(said!("the peer's figures are not what was expected", "对照系统的数据不符合预期"), &e)
            })?)
        }
    };
    std::fs::create_dir_all(&arguments.data)
        .map_err(|e| failed(said!("the folder could not be created", "无法建立文件夹"), &e))?;
    match arguments.suite {
        Wanted::One(suite) => {
            // Dropped when interrupted, so that no member's process goes on.
            let interrupted = pin!(serve_signal()?);
            let figure = tokio::select! {
                figure = one(&arguments, suite) => figure.map_err(|e| failed(said!("the runs' folder could not be used", "无法使用运行文件夹"), &e))?,
                () = interrupted => return Err(interruption()),
            };
            context.out.show(&figure, |out| {
                format!("{}\n\n{METHOD}", table(out, std::slice::from_ref(&figure), peer.as_ref()))
            });
        }
        Wanted::Gateway => gateway(&arguments, &context).await?,
        Wanted::Follower => {
            let interrupted = pin!(serve_signal()?);
            tokio::select! {
                done = follower(&arguments, &context) => done?,
                () = interrupted => return Err(interruption()),
            }
        }
        Wanted::Program => {
            let code = program::small_module();
            let figures = program::measure(&code, &utilidor_program::Event::Due, arguments.runs.into());
            let agreements = (program::DUE_TOGETHER as f64 * arguments.scale).max(1.0) as u64;
            let due = program::measure_due(agreements, &arguments.seed, arguments.runs.into());
            context.out.show(&serde_json::json!({ "adapter": figures, "due": due }), |out| {
                let speed = figures.events_per_second;
                let facts = out.facts(vec![
                    (t!("bytes"), figures.bytes.to_string()),
                    (t!("speed"), format!("{:.0}", speed.median)),
                    (t!("range"), format!("{:.0} - {:.0}", speed.min, speed.max)),
                    (t!("fuel"), format!("{}, {:.2} ns", figures.fuel, figures.ns_per_fuel)),
                ]);
                format!(
                    "{facts}\n\n{} agreements due together, processor time of each: a native purchase {:.1} us, on the program {:.1} us, \
                     {:.2} times ({:.2} - {:.2})",
                    due.agreements, due.native_us.median, due.program_us.median, due.ratio.median, due.ratio.min, due.ratio.max
                )
            });
        }
        Wanted::All => {
            let (figures, failed_ones) = every(&arguments, pin!(serve_signal()?)).await?;
            let json = serde_json::to_string_pretty(&figures).expect("figures are plain data");
            let headings = HEADINGS.map(|heading| context.out.word(heading));
            for (file, text) in [("bench.json", json), ("bench.md", markdown(&figures, headings, peer.as_ref()))] {
                std::fs::write(arguments.data.join(file), text)
                    .map_err(|e| failed(said!("a report could not be written", "无法写入报告"), &e))?;
            }
            context.out.show(&figures, |out| {
                let folder = arguments.data.display();
                format!("{}\n\n{METHOD}\n\n{folder}/bench.json\n{folder}/bench.md", table(out, &figures, peer.as_ref()))
            });
            if !failed_ones.is_empty() {
                return Err(Failure::new(
                    "bench",
                    said!("not measured, for the reasons above: {}", "因上述原因未能测量：{}", failed_ones.join(", ")),
                ));
            }
        }
    }
    Ok(())
}

async fn one(arguments: &Arguments, suite: Suite) -> std::io::Result<Figure> {
    let options = Options {
        suite,
        layer: if suite == Suite::Verify { Layer::Execute } else { arguments.layer },
        scale: arguments.scale,
        seed: arguments.seed.clone(),
        together: arguments.together.into(),
        runs: arguments.runs.into(),
        folder: arguments.data.clone(),
        setup: arguments.setup(),
        machines: Arc::new(consortium::Processes),
    };
    let bar = spinner();
    let name = format!("{} on {}", suite.name(), options.layer.name());
    let figure = measure(&options, |what| bar.set_message(format!("{name}: {what}"))).await;
    bar.finish_and_clear();
    figure
}

/// Reads simulated meters as a gateway does.
async fn gateway(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let bar = spinner();
    let meters = (GATEWAY_METERS * arguments.scale).max(1.0) as u64;
    let (folder, rounds) = (arguments.data.clone(), arguments.runs.into());
    let message = bar.clone();
    // A thread of its own, and one alone: the figure is for one processor.
    let measured = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(utilidor_bench::gateway::measure(meters, rounds, &folder, |what| {
            message.set_message(what.to_owned())
        }))
    });
    let figure = measured
        .await
        .map_err(|error| Failure::from_error("bench", said!("the measurement ended early", "测量提前结束"), &error))?;
    let figure = figure
        .map_err(|error| Failure::from_error("bench", said!("the meters could not be read", "无法读取表计"), &error))?;
    bar.finish_and_clear();
    context.out.show(&figure, |out| {
        out.facts(vec![
            (t!("meters"), figure.meters.to_string()),
            (t!("certified"), figure.certified.to_string()),
            (t!("speed"), format!("{:.1} s", figure.seconds)),
            (t!("cpu_us"), format!("{:.1}", figure.cpu_us)),
            (t!("idle"), format!("{:.2} %", figure.idle_percent)),
            (t!("start_peak"), format!("{} MiB", figure.start_mib)),
            (t!("peak"), format!("{} MiB", figure.peak_mib)),
            (t!("journal_bytes"), format!("{:.0}", figure.journal_bytes)),
        ])
    });
    Ok(())
}

/// Lets a follower that has nothing reach a long chain.
async fn follower(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let bar = spinner();
    let blocks = (FOLLOWED_BLOCKS * arguments.scale).max(1.0) as u64;
    let measured = utilidor_bench::follower::measure(blocks, &arguments.seed, &arguments.data, |what| {
        bar.set_message(what.to_owned());
    });
    let figure = measured.await.map_err(|error| {
        Failure::from_error("bench", said!("the chain could not be followed", "无法跟随该链"), &error)
    })?;
    bar.finish_and_clear();
    context.out.show(&figure, |out| {
        out.facts(vec![
            (t!("blocks"), figure.blocks.to_string()),
            (t!("bytes"), figure.chain_bytes.to_string()),
            (t!("made_in"), format!("{:.1} s", figure.made_seconds)),
            (t!("reached_in"), format!("{:.1} s", figure.reached_seconds)),
            (t!("served_in"), format!("{:.1} s", figure.served_seconds)),
            (t!("first_block"), figure.first_block.to_string()),
            (t!("follower_bytes"), figure.follower_bytes.to_string()),
        ])
    });
    Ok(())
}

/// Each measurement in a process of its own: none sees the memory or the threads of another. One that fails ends no other; returns
/// the names of those that did, beside what was measured.
async fn every(
    arguments: &Arguments,
    mut interrupted: Pin<&mut impl Future<Output = ()>>,
) -> Result<(Vec<Figure>, Vec<String>), Failure> {
    let failed = |what: Said, error: &(dyn std::error::Error + 'static)| Failure::from_error("bench", what, error);
    let program = std::env::current_exe()
        .map_err(|e| failed(said!("this program's own file was not found", "找不到本程序的文件"), &e))?;
    let all = all();
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}").expect("a template");
    let bar = ProgressBar::new(all.len() as u64).with_style(style);
    let (mut figures, mut failed_ones) = (Vec::with_capacity(all.len()), Vec::new());
    for (suite, layer) in all {
        let name = format!("{} on {}", suite.name(), layer.name());
        bar.set_message(name.clone());
        let (scale, runs) = (arguments.scale.to_string(), arguments.runs.to_string());
        let mut command = tokio::process::Command::new(&program);
        command.args(["bench", suite.name(), "--layer", layer.name(), "--scale", &scale, "--runs", &runs]);
        let together = arguments.together.to_string();
        command.args(["--together", &together, "--seed", &arguments.seed, "--json", "--data"]).arg(&arguments.data);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child =
            command.spawn().map_err(|e| failed(said!("a measurement could not be started", "无法开始一项测量"), &e))?;
        let (mut said, mut warned) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let (mut answer, mut warnings) = (Vec::new(), Vec::new());
        let reading = async { tokio::join!(said.read_to_end(&mut answer), warned.read_to_end(&mut warnings)) };
        tokio::select! {
            _ = reading => {}
            () = interrupted.as_mut() => {
                stop(&mut child).await;
                return Err(interruption());
            }
        }
        let status =
            child.wait().await.map_err(|e| failed(said!("a measurement did not end", "一项测量没有结束"), &e))?;
        match serde_json::from_slice(&answer) {
            Ok(figure) if status.success() => figures.push(figure),
            _ => {
                let warnings = String::from_utf8_lossy(&warnings);
                let warnings = warnings.trim_end();
                bar.suspend(|| warn(&said!("{name}: {status}\n{warnings}", "{name}：{status}\n{warnings}")));
                failed_ones.push(name);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok((figures, failed_ones))
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}").expect("a template");
    let bar = ProgressBar::new_spinner().with_style(style);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn interruption() -> Failure {
    Failure::new(
        "bench/interrupted",
        said!("interrupted: what this measurement has found is lost", "已中断：此次测量的结果已丢失"),
    )
}

fn table(out: &crate::output::Output, figures: &[Figure], peer: Option<&Peer>) -> String {
    let mut text = out.table(HEADINGS, figures.iter().map(|figure| row(figure, peer)).collect());
    for figure in figures.iter().filter(|figure| figure.phases.len() > 1) {
        let phases: Vec<_> = figure.phases.iter().map(|p| format!("{} {:.1} us", p.name, p.us_per_step)).collect();
        text.push_str(&format!("\n{} ({}): {}", figure.suite, figure.layer, phases.join(", ")));
    }
    text
}

const HEADINGS: [Word; COLUMNS] = [
    t!("suite"),
    t!("layer"),
    t!("speed"),
    t!("range"),
    t!("to_peer"),
    t!("cpu_us"),
    t!("chain_bytes"),
    t!("index_bytes"),
    t!("p50"),
    t!("p99"),
    t!("peak"),
];
