//! What a run costs: wall time, the process's processor time, peak memory.

use crate::workload::Phase;
use std::time::Instant;

/// A stopwatch over wall and processor time.
#[derive(Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: cpu_time::ProcessTime,
}

/// Seconds that passed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seconds {
    /// On the wall.
    pub wall: f64,
    /// On all processors, by this process.
    pub cpu: f64,
}

impl std::ops::AddAssign for Seconds {
    fn add_assign(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
    }
}

impl Stopwatch {
    /// Starts.
    pub fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time::ProcessTime::now() }
    }

    /// Seconds since the start.
    pub fn read(&self) -> Seconds {
        Seconds { wall: self.wall.elapsed().as_secs_f64(), cpu: self.cpu.elapsed().as_secs_f64() }
    }
}

/// Peak resident memory of this process in MiB, where the system tells (Linux).
pub fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib / 1024)
}

/// Median, smallest and largest of some figures.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of at least one figure.
    pub fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let (lower, upper) = (figures[(figures.len() - 1) / 2], figures[figures.len() / 2]);
        Self { median: (lower + upper) / 2.0, min: figures[0], max: figures[figures.len() - 1] }
    }
}

/// Bytes of a file, or of all files below a folder; 0 if there is none.
pub fn folder_bytes(path: &std::path::Path) -> u64 {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let Ok(entries) = std::fs::read_dir(path) else { return 0 };
            entries.flatten().map(|entry| folder_bytes(&entry.path())).sum()
        }
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    }
}

/// Begins the count of [`peak_mib`] anew, where the system can (Linux).
pub fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// What a phase took.
#[derive(Debug, Clone, Copy)]
pub struct PlayedPhase {
    /// Its name.
    pub name: &'static str,
    /// Its time.
    pub seconds: Seconds,
    /// Its steps.
    pub steps: u64,
    /// Its transactions.
    pub transactions: usize,
    /// Blocks that the chain made of it; known where a chain really runs.
    pub blocks: Option<u64>,
}

/// What playing a workload once gave.
#[derive(Debug, Default)]
pub struct Played {
    /// Time of the phases that count.
    pub timed: Seconds,
    /// Every phase that counts.
    pub phases: Vec<PlayedPhase>,
    /// Bytes that the phases that count left on disk; known where a chain really runs.
    pub bytes: Option<Bytes>,
    /// Time to finality.
    pub latencies: Latencies,
    /// How often a block asked for cells, at most; known where state is in memory.
    pub rounds: usize,
}

impl Played {
    /// Takes a phase that counts.
    pub fn count(&mut self, phase: &Phase, seconds: Seconds, blocks: Option<u64>) {
        let (name, steps, transactions) = (phase.name, phase.steps, phase.transactions.len());
        self.phases.push(PlayedPhase { name, seconds, steps, transactions, blocks });
        self.timed += seconds;
    }
}

/// Bytes on disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bytes {
    /// The chain's.
    pub chain: u64,
    /// The index's.
    pub index: u64,
}

impl Bytes {
    /// With what has come on top of `before` by now.
    pub fn plus(self, before: Self, now: Self) -> Self {
        let grown = |sum: u64, before: u64, now: u64| sum + now.saturating_sub(before);
        Self { chain: grown(self.chain, before.chain, now.chain), index: grown(self.index, before.index, now.index) }
    }
}

/// Milliseconds from handing in a transaction until its block is final and durable.
#[derive(Debug, Clone, Default)]
pub struct Latencies(Vec<(f64, usize)>);

impl Latencies {
    /// Latencies with how many transactions had each.
    pub fn of(counted: Vec<(f64, usize)>) -> Self {
        Self(counted)
    }

    /// Takes the other's as well.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The latency that a share of all transactions stays below.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
        let total: usize = sorted.iter().map(|(_, count)| count).sum();
        let mut left = (total as f64 * share).ceil() as usize;
        sorted.into_iter().find_map(|(ms, count)| {
            left = left.saturating_sub(count);
            (left == 0).then_some(ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_an_even_number_of_figures_lies_between_two() {
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
    }

    #[test]
    fn a_quantile_counts_transactions_and_not_submissions() {
        let latencies = Latencies::of(vec![(10.0, 98), (20.0, 1), (30.0, 1)]);
        assert_eq!(latencies.quantile(0.5), Some(10.0));
        assert_eq!(latencies.quantile(0.99), Some(20.0));
        assert_eq!(latencies.quantile(1.0), Some(30.0));
        assert_eq!(Latencies::default().quantile(0.5), None);
    }
}
