//! The rules alone, a minute after they were changed: `cargo run --release --no-default-features --example rules SCALE [SUITE..]`.
use utilidor_bench::workload::{Suite, TOGETHER, workload};
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let scale: f64 = arguments[0].parse().unwrap();
    let suites: Vec<Suite> = match arguments.len() {
        1 => Suite::ALL.to_vec(),
        _ => arguments[1..].iter().map(|suite| suite.parse().unwrap()).collect(),
    };
    for suite in suites {
        let w = workload(suite, scale, "integrated-energy-1", TOGETHER);
        let p = if suite == Suite::Verify {
            utilidor_bench::execute::play_verification(&w)
        } else {
            utilidor_bench::execute::play(&w)
        };
        let units = w.units as f64;
        println!(
            "{:16} {:>10.0} {}/s  {:?}",
            suite.name(),
            units / p.timed.wall,
            suite.unit(),
            p.phases
                .iter()
                .map(|phase| format!("{} {:.2} us", phase.name, phase.seconds.wall * 1e6 / phase.steps.max(1) as f64))
                .collect::<Vec<_>>()
        );
    }
}
