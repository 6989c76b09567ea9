//! Quick figures of the execute layer.
use utilidor_bench::workload::{Suite, workload};
fn main() {
    let scale: f64 = std::env::args().nth(1).map_or(0.2, |s| s.parse().unwrap());
    for suite in Suite::ALL {
        let w = workload(suite, scale, "integrated-energy-1");
        let p = utilidor_bench::execute::play(&w);
        println!(
            "{:16} {:>10.0} units/s  {:?}",
            suite.name(),
            p.units as f64 / p.timed.wall,
            p.phases
                .iter()
                .map(|(n, s, u)| format!("{n}:{u}:{:.1}us", s * 1e6 / (*u).max(1) as f64))
                .collect::<Vec<_>>()
        );
    }
}
