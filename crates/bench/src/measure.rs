//! What a run costs: wall time, the process's processor time, peak memory.

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
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
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
        Self { median: figures[figures.len() / 2], min: figures[0], max: figures[figures.len() - 1] }
    }
}
