//! What people read of the figures: a table, with ratios to a peer's where its figures are given.

use crate::figure::{Figure, Layer};
use crate::workload::Suite;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A peer's units a second, by suite.
pub type Peer = BTreeMap<String, f64>;

/// Reads a peer's figures: a JSON object of suites and units a second. Names that begin with `_` are notes.
pub fn read_peer(json: &str) -> Result<Peer, serde_json::Error> {
    let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(json)?;
    Ok(all.into_iter().filter_map(|(suite, figure)| Some((suite, figure.as_f64()?))).collect())
}

/// How the figures were made.
pub const METHOD: &str = "Medians of the runs named, after one that does not count. Transactions are signed before \
the clock starts; every one must be applied, and what settlements pay is compared with the workload's own sum. `execute`: the \
rules alone, state in memory. `engine`: the chain in this process, from bytes to durable blocks: decode, verify, execute, all \
roots, one flush to disk a block. `node`: the whole node over HTTP on the loopback, the index caught up when the clock stops. \
Processor time is that of the whole process, so `node` includes the client. Time to finality is measured at half of the \
measured speed, open loop; in `settlement` it is that of payments, 200 a second, made while the agreements are worked off. \
`verify` is the machine's bare batch verification: the limit.";

/// The figures as Markdown.
pub fn markdown(figures: &[Figure], peer: Option<&Peer>) -> String {
    let mut text = String::from("# Benchmark\n\n");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let _ = writeln!(text, "{} cores, {} {}.\n\n{METHOD}\n", cores, std::env::consts::OS, std::env::consts::ARCH);
    text.push_str(
        "| suite | layer | units/s (min-max) | to the peer | CPU us/unit | chain B/unit | index B/unit | p50 ms | p99 ms | \
         peak MiB | scale | runs |\n|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for figure in figures {
        let Figure { suite, layer, unit, units_per_s, cpu_us_per_unit, scale, runs, .. } = figure;
        let dash = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.0}"));
        let _ = writeln!(
            text,
            "| {suite} | {layer} | {:.0} {unit}/s ({:.0}-{:.0}) | {} | {cpu_us_per_unit:.1} | {} | {} | {} | {} | {} | {scale} | \
             {runs} |",
            units_per_s.median,
            units_per_s.min,
            units_per_s.max,
            ratio(figure, peer).map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}x")),
            dash(figure.bytes_per_unit),
            dash(figure.index_bytes_per_unit),
            dash(figure.p50_ms),
            dash(figure.p99_ms),
            figure.peak_mib.map_or_else(|| "-".into(), |mib| mib.to_string()),
        );
    }
    text.push_str("\n## Where the time goes\n\nMicroseconds a step, on the wall (of all processors).\n\n");
    for figure in figures.iter().filter(|figure| figure.phases.len() > 1) {
        let phase = |phase: &crate::figure::PhaseFigure| {
            format!("{} {:.1} ({:.1})", phase.name, phase.us_per_step, phase.cpu_us_per_step)
        };
        let phases: Vec<_> = figure.phases.iter().map(phase).collect();
        let _ = writeln!(text, "- {} on {}: {}", figure.suite, figure.layer, phases.join(", "));
    }
    if let Some(seed) = figures.first().map(|figure| &figure.seed) {
        let _ = writeln!(text, "\nSeed `{seed}`.");
    }
    text
}

/// How a figure compares with the peer's: the engine with its engine, and a whole node with nothing but itself.
pub fn ratio(figure: &Figure, peer: Option<&Peer>) -> Option<f64> {
    let comparable = figure.layer != Layer::Execute.name();
    peer.filter(|_| comparable)?.get(&figure.suite).map(|theirs| figure.units_per_s.median / theirs)
}

/// What `all` measures: every suite on every layer that it has.
pub fn all() -> Vec<(Suite, Layer)> {
    let layers = |suite: Suite| if suite == Suite::Verify { &Layer::ALL[..1] } else { &Layer::ALL[..] };
    Suite::ALL.into_iter().flat_map(|suite| layers(suite).iter().map(move |layer| (suite, *layer))).collect()
}
