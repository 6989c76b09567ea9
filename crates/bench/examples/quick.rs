//! Quick figures: `quick LAYER SCALE [SUITE..]`.
use utilidor_bench::play::{Depth, play};
use utilidor_bench::workload::{Suite, workload};
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let scale: f64 = arguments[1].parse().unwrap();
    let suites: Vec<Suite> = match arguments.len() {
        2 => Suite::ALL.to_vec(),
        _ => arguments[2..].iter().map(|suite| suite.parse().unwrap()).collect(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for suite in suites {
        let w = workload(suite, scale, "integrated-energy-1");
        let dir = std::path::Path::new("/tmp/quick-bench");
        let _ = std::fs::remove_dir_all(dir);
        std::fs::create_dir_all(dir).unwrap();
        let p = match arguments[0].as_str() {
            "execute" => utilidor_bench::execute::play(&w),
            "engine" => runtime.block_on(play(&w, Depth::Engine, dir, None)),
            _ => runtime.block_on(play(&w, Depth::Node, dir, None)),
        };
        let units = w.units as f64;
        println!(
            "{:16} {:>10.0} {}/s  {:.1} us cpu  {:?} p50 {:.0} p99 {:.0} ms {:?}",
            suite.name(),
            units / p.timed.wall,
            suite.unit(),
            p.timed.cpu / units * 1e6,
            p.bytes.iter().map(|(name, bytes)| format!("{name} {:.0} B", *bytes as f64 / units)).collect::<Vec<_>>(),
            p.latencies.quantile(0.5).unwrap_or(0.0),
            p.latencies.quantile(0.99).unwrap_or(0.0),
            p.phases
                .iter()
                .map(|(n, s, u)| format!(
                    "{n}:{u}:{:.1}us/{:.1}",
                    s.wall * 1e6 / (*u).max(1) as f64,
                    s.cpu * 1e6 / (*u).max(1) as f64
                ))
                .collect::<Vec<_>>()
        );
    }
}
