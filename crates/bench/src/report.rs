//! What people read of the figures: a table, with ratios to a peer's where its figures are given.

use crate::figure::{Figure, Layer, PhaseFigure};
use crate::measure::Spread;
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
`consortium`: \
several nodes in processes of their own on this machine and a follower in this one, which tells what is final; processor time, \
bytes and memory are the load's and the follower's alone. `verify` is the machine's bare batch verification: the limit.";

/// Columns of a table of figures.
pub const COLUMNS: usize = 11;

/// A figure's row: suite, layer, speed with its unit, least and most, ratio to the peer, processor time, bytes of the chain and
/// of the index, time to finality (median and 99 of 100), memory.
pub fn row(figure: &Figure, peer: Option<&Peer>) -> [String; COLUMNS] {
    let whole = |value: Option<f64>| value.map_or_else(|| "-".into(), |value| format!("{value:.0}"));
    let Spread { median, min, max } = figure.units_per_s;
    [
        figure.suite.clone(),
        figure.layer.clone(),
        format!("{median:.0} {}/s", figure.unit),
        format!("{min:.0}-{max:.0}"),
        ratio(figure, peer).map_or_else(|| "-".into(), |ratio| format!("{ratio:.2}x")),
        format!("{:.1}", figure.cpu_us_per_unit),
        whole(figure.bytes_per_unit),
        whole(figure.index_bytes_per_unit),
        whole(figure.p50_ms),
        whole(figure.p99_ms),
        figure.peak_mib.map_or_else(|| "-".into(), |mib| mib.to_string()),
    ]
}

/// The figures as Markdown, under the table's `headings`, with charts that a viewer of Mermaid draws.
pub fn markdown(figures: &[Figure], headings: [&str; COLUMNS], peer: Option<&Peer>) -> String {
    let mut text = String::from("# Benchmark\n\n");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let _ = writeln!(text, "{} cores, {} {}.", cores, std::env::consts::OS, std::env::consts::ARCH);
    if let Some(Figure { seed, scale, runs, .. }) = figures.first() {
        let _ = writeln!(text, "Seed `{seed}`, scale {scale}, {runs} runs.");
    }
    let _ = writeln!(text, "\n{METHOD}\n");
    let mut line = |cells: &[String]| text.push_str(&format!("| {} |\n", cells.join(" | ")));
    line(&headings.map(String::from));
    line(&std::array::from_fn::<_, COLUMNS, _>(|column| if column < 2 { "---".into() } else { "---:".into() }));
    figures.iter().for_each(|figure| line(&row(figure, peer)));

    let on = |layer: Layer| figures.iter().filter(move |figure| figure.layer == layer.name());
    let beside = on(Layer::Engine).filter_map(|figure| Some((&*figure.suite, ratio(figure, peer)?)));
    text.push_str(&chart("engine: times as fast as the peer", beside.collect()));
    let kept = on(Layer::Node).filter_map(|node| {
        let engine = on(Layer::Engine).find(|engine| engine.suite == node.suite)?;
        Some((&*node.suite, 100.0 * node.units_per_s.median / engine.units_per_s.median))
    });
    text.push_str(&chart("node: % of the engine's speed", kept.collect()));

    text.push_str("\n## Where the time goes\n\nMicroseconds a step, on the wall (of all processors).\n\n");
    for figure in figures.iter().filter(|figure| figure.phases.len() > 1) {
        let phase =
            |phase: &PhaseFigure| format!("{} {:.1} ({:.1})", phase.name, phase.us_per_step, phase.cpu_us_per_step);
        let phases: Vec<_> = figure.phases.iter().map(phase).collect();
        let _ = writeln!(text, "- {} on {}: {}", figure.suite, figure.layer, phases.join(", "));
    }
    text
}

/// A bar for each suite; nothing where there are none.
fn chart(title: &str, bars: Vec<(&str, f64)>) -> String {
    if bars.is_empty() {
        return String::new();
    }
    let (suites, values): (Vec<_>, Vec<_>) =
        bars.into_iter().map(|(suite, value)| (format!("\"{suite}\""), format!("{value:.2}"))).unzip();
    let (suites, values) = (suites.join(", "), values.join(", "));
    format!("\n```mermaid\nxychart-beta\n    title \"{title}\"\n    x-axis [{suites}]\n    bar [{values}]\n```\n")
}

/// How a figure compares with the peer's: the engine with its engine, and a whole node with nothing but itself.
pub fn ratio(figure: &Figure, peer: Option<&Peer>) -> Option<f64> {
    let comparable = figure.layer != Layer::Execute.name();
    peer.filter(|_| comparable)?.get(&figure.suite).map(|theirs| figure.units_per_s.median / theirs)
}

/// What `all` measures: every suite on every layer that it has; a consortium only payments and whole trades, since it takes long.
pub fn all() -> Vec<(Suite, Layer)> {
    let layers = |suite: Suite| match suite {
        Suite::Verify => &Layer::ALL[..1],
        Suite::Transfer | Suite::CycleLean => &Layer::ALL[..],
        _ => &Layer::ALL[..3],
    };
    Suite::ALL.into_iter().flat_map(|suite| layers(suite).iter().map(move |layer| (suite, *layer))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(layer: Layer, median: f64) -> Figure {
        Figure {
            suite: "transfer".into(),
            layer: layer.name().into(),
            unit: "payment".into(),
            runs: 5,
            units_per_s: Spread { median, min: median - 1.0, max: median + 1.0 },
            cpu_us_per_unit: 16.4,
            bytes_per_unit: Some(446.2),
            index_bytes_per_unit: None,
            p50_ms: Some(31.0),
            p99_ms: None,
            peak_mib: Some(700),
            scale: 1.0,
            seed: "seed".into(),
            together: 32,
            phases: Vec::new(),
        }
    }

    #[test]
    fn a_report_holds_a_row_a_figure_and_charts_of_what_can_be_compared() {
        let figures = [figure(Layer::Execute, 900.0), figure(Layer::Engine, 100.0), figure(Layer::Node, 61.0)];
        let headings = ["heading"; COLUMNS];
        let peer = read_peer(r#"{"_note": "another system", "transfer": 40}"#).unwrap();

        let text = markdown(&figures, headings, Some(&peer));
        assert!(
            text.contains("| transfer | engine | 100 payment/s | 99-101 | 2.50x | 16.4 | 446 | - | 31 | - | 700 |")
        );
        assert!(
            text.contains("| transfer | execute | 900 payment/s | 899-901 | - |"),
            "rules alone are compared with nothing"
        );
        let bars: Vec<_> = text.lines().filter(|line| line.trim_start().starts_with("bar")).map(str::trim).collect();
        assert_eq!(bars, ["bar [2.50]", "bar [61.00]"]);

        let alone = markdown(&figures[..1], headings, None);
        assert!(!alone.contains("mermaid"), "there is nothing to draw");
    }
}
