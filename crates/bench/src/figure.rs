//! A suite's figures on a layer: several runs, their spread, and the time to finality at half the speed.

use crate::consortium::{Machines, Places, Setup};
use crate::execute;
use crate::measure::{Bytes, Played, Spread, peak_mib, reset_peak};
use crate::play::{Depth, play};
use crate::workload::{Suite, Workload, workload_for};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of the platform plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// The rules alone: signatures known, state in memory.
    Execute,
    /// The chain in this process: decode, verify, execute, all roots, durable.
    Engine,
    /// The whole node over HTTP, with its index.
    Node,
    /// Several whole nodes in processes of their own, which agree.
    Consortium,
}

impl Layer {
    /// All layers, the lowest first.
    pub const ALL: [Self; 4] = [Self::Execute, Self::Engine, Self::Node, Self::Consortium];

    /// Its name in commands and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Engine => "engine",
            Self::Node => "node",
            Self::Consortium => "consortium",
        }
    }
}

impl std::str::FromStr for Layer {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|layer| layer.name() == text)
            .ok_or_else(|| format!("no layer is called {text:?}; layers are {names}"))
    }
}

/// What is to be measured, and how.
#[derive(Clone)]
pub struct Options {
    /// The suite.
    pub suite: Suite,
    /// The layer.
    pub layer: Layer,
    /// Multiplies the suite's size.
    pub scale: f64,
    /// Decides all numbers and keys.
    pub seed: String,
    /// Offers, quotes or awards of one account under one signature, at most.
    pub together: usize,
    /// Runs that count; one smaller run before them does not.
    pub runs: usize,
    /// Folder for the chains of the runs, on the disk that is to be measured. What is left in it is removed.
    pub folder: PathBuf,
    /// What the members are like, where there are several.
    pub setup: Setup,
    /// Who starts the members' processes.
    pub machines: Arc<dyn Machines>,
}

/// What was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    /// The suite's name.
    pub suite: String,
    /// The layer's name.
    pub layer: String,
    /// What one unit is.
    pub unit: String,
    /// Runs that counted.
    pub runs: usize,
    /// Units a second, on the wall.
    pub units_per_s: Spread,
    /// Processor time of the process, load included, in microseconds a unit; the median of the runs.
    pub cpu_us_per_unit: f64,
    /// Bytes of the chain's data a unit: blocks, receipts, certification log, state.
    pub bytes_per_unit: Option<f64>,
    /// Bytes of the index a unit.
    pub index_bytes_per_unit: Option<f64>,
    /// Milliseconds to finality, at half of the measured speed: the median.
    pub p50_ms: Option<f64>,
    /// The same, for 99 of 100.
    pub p99_ms: Option<f64>,
    /// Most memory that the process held, in MiB.
    pub peak_mib: Option<u64>,
    /// As asked.
    pub scale: f64,
    /// As asked.
    pub seed: String,
    /// As asked.
    pub together: usize,
    /// Where the time goes, step by step.
    pub phases: Vec<PhaseFigure>,
}

/// A phase of a suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PhaseFigure {
    /// Its name.
    pub name: String,
    /// Steps in a run.
    pub steps: u64,
    /// Microseconds a step, on the wall; the median of the runs.
    pub us_per_step: f64,
    /// Processor microseconds a step; the median of the runs.
    pub cpu_us_per_step: f64,
    /// Blocks that the chain made of it, where one really runs; the median of the runs.
    pub blocks: Option<f64>,
}

/// Scale of the run that does not count, at most. It is large enough for the process to have its memory.
const WARM_UP: f64 = 1.0;

/// Measures. `note` is told what is being done.
///
/// # Panics
///
/// Panics if anything of the workload fails: a figure of wrong results would be worthless.
pub async fn measure(options: &Options, note: impl Fn(&str)) -> std::io::Result<Figure> {
    let Options { suite, layer, scale, seed, together, runs, folder, setup, machines } = options;
    let places = if *layer == Layer::Consortium { Some(Places::find(*setup)?) } else { None };
    let reached = places.as_ref().map(Places::reached).unwrap_or_default();
    let depth = match (layer, suite, &places) {
        (_, Suite::Verify, _) | (Layer::Execute, ..) => None,
        (Layer::Engine, ..) => Some(Depth::Engine),
        (Layer::Node, ..) => Some(Depth::Node),
        (Layer::Consortium, _, places) => {
            Some(Depth::Consortium(places.as_ref().expect("they were found above"), &**machines))
        }
    };
    let run = async |workload: &Workload, rate| run(workload, *suite, depth, folder, rate).await;
    note("signing");
    let prepare = async |scale: f64| {
        let (suite, seed, together, reached) = (*suite, seed.clone(), *together, reached.clone());
        let made = tokio::task::spawn_blocking(move || workload_for(suite, scale, &seed, together, &reached)).await;
        made.expect("making a workload does not panic")
    };
    let workload = prepare(*scale).await;
    let smaller = if *scale > WARM_UP { Some(prepare(WARM_UP).await) } else { None };
    note("warming up");
    run(smaller.as_ref().unwrap_or(&workload), None).await?;
    drop(smaller);
    reset_peak();
    let mut played = Vec::with_capacity(*runs);
    for number in 1..=*runs {
        note(&format!("run {number} of {runs}"));
        played.push(run(&workload, None).await?);
    }
    let peak_mib = peak_mib();
    let latencies = match layer {
        Layer::Execute => None,
        Layer::Engine | Layer::Node | Layer::Consortium => {
            note("at half the speed");
            let rates: Vec<(String, f64)> = (0..played[0].phases.len())
                .map(|place| {
                    let phase = &played[0].phases[place];
                    let wall = median(played.iter().map(|played| played.phases[place].seconds.wall));
                    (phase.name.to_owned(), phase.transactions as f64 / wall / 2.0)
                })
                .collect();
            let rate = move |name: &str| rates.iter().find(|(phase, _)| phase == name).expect("it was played").1;
            Some(run(&workload, Some(&rate as &crate::play::Rate)).await?.latencies)
        }
    };

    let units = workload.units as f64;
    let bytes = |of: fn(Bytes) -> u64| {
        let bytes: Vec<f64> = played.iter().filter_map(|played| played.bytes.map(|bytes| of(bytes) as f64)).collect();
        (!bytes.is_empty()).then(|| median(bytes) / units)
    };
    let phase = |place: usize| {
        let first = &played[0].phases[place];
        let steps = first.steps.max(1) as f64;
        let seconds = |played: &Played| played.phases[place].seconds;
        PhaseFigure {
            name: first.name.into(),
            steps: first.steps,
            us_per_step: median(played.iter().map(|played| seconds(played).wall)) / steps * 1e6,
            cpu_us_per_step: median(played.iter().map(|played| seconds(played).cpu)) / steps * 1e6,
            blocks: first.blocks.map(|_| {
                median(played.iter().filter_map(|played| played.phases[place].blocks).map(|blocks| blocks as f64))
            }),
        }
    };
    let quantile = |share| latencies.as_ref().and_then(|latencies| latencies.quantile(share));
    Ok(Figure {
        suite: suite.name().into(),
        layer: layer.name().into(),
        unit: suite.unit().into(),
        runs: *runs,
        units_per_s: Spread::of(played.iter().map(|played| units / played.timed.wall).collect()),
        cpu_us_per_unit: median(played.iter().map(|played| played.timed.cpu)) / units * 1e6,
        bytes_per_unit: bytes(|bytes| bytes.chain),
        index_bytes_per_unit: bytes(|bytes| bytes.index).filter(|_| *layer == Layer::Node),
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        peak_mib,
        scale: *scale,
        seed: seed.clone(),
        together: *together,
        phases: (0..played[0].phases.len()).map(phase).collect(),
    })
}

fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    Spread::of(figures.into_iter().collect()).median
}

async fn run(
    workload: &Workload,
    suite: Suite,
    depth: Option<Depth<'_>>,
    folder: &Path,
    rate: Option<&crate::play::Rate>,
) -> std::io::Result<Played> {
    let Some(depth) = depth else {
        let played = if suite == Suite::Verify { execute::play_verification } else { execute::play };
        return Ok(played(workload));
    };
    // The folder is locked until this function ends.
    let lock = std::fs::File::open(folder)?;
    lock.try_lock().map_err(|_| {
        std::io::Error::other(
            "another benchmark is at work in this folder: wait for it, or name another one with --data",
        )
    })?;
    let dir = folder.join("run");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    std::fs::create_dir_all(&dir)?;
    let played = play(workload, depth, &dir, rate).await;
    std::fs::remove_dir_all(&dir)?;
    Ok(played)
}
