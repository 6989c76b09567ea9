//! `/metrics`: how the node is, in Prometheus' text format: what it makes of itself under `utilidor_`, and then what the engine
//! under it measures (consensus, network, storage).
//!
//! A gauge that cannot be told is left out, so that an alert on its absence fires.

use crate::problem::Problem;
use crate::state::App;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};
use utilidor_types::genesis::ChainKind;

/// Media type of the answer.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What an answer ends with.
const END: &str = "# EOF\n";

/// What a scrape finds.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    height: u64,
    block_time_seconds: f64,
    /// How long ago the last final block was built, by this machine's clock; none on a development chain.
    block_age_seconds: Option<f64>,
    indexed: u64,
    pooled: u64,
    misconduct: u64,
    free_bytes: Option<u64>,
    open_files: Option<u64>,
    files_limit: Option<u64>,
}

impl Figures {
    fn of(app: &App) -> Self {
        let head = app.chain.head();
        let block_time_seconds = head.time.0 as f64 / 1_000.0;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let follows_the_clock = app.chain.genesis().kind == ChainKind::Production;
        let (open_files, files_limit) = files();
        Self {
            height: head.height,
            block_time_seconds,
            block_age_seconds: follows_the_clock.then(|| (now - block_time_seconds).max(0.0)),
            indexed: *app.indexed.borrow(),
            pooled: head.pooled as u64,
            misconduct: app.chain.misconduct().len() as u64,
            free_bytes: app.chain.free_bytes(),
            open_files,
            files_limit,
        }
    }

    fn text(&self) -> String {
        let mut registry = Registry::with_prefix("utilidor");
        let mut whole = |name: &str, help: &str, value: Option<u64>| {
            if let Some(value) = value {
                let gauge = Gauge::<u64, AtomicU64>::default();
                gauge.set(value);
                registry.register(name, help, gauge);
            }
        };
        whole("height", "Height of the last final block", Some(self.height));
        whole("indexed_height", "Height up to which the read model has come", Some(self.indexed));
        let lag = self.height.saturating_sub(self.indexed);
        whole("index_lag_blocks", "Final blocks that the read model lacks", Some(lag));
        whole("pool_transactions", "Transactions that wait for a block", Some(self.pooled));
        let contradictions = "Pairs of votes of a validator that contradict each other, seen since the node started";
        whole("misconduct_proofs", contradictions, Some(self.misconduct));
        whole("disk_free_bytes", "Bytes free on the disk of the node's folder", self.free_bytes);
        whole("open_files", "Files that the process has open", self.open_files);
        whole("open_files_limit", "Files that the process may open", self.files_limit);
        let mut seconds = |name: &str, help: &str, value: Option<f64>| {
            if let Some(value) = value {
                let gauge = Gauge::<f64, AtomicU64>::default();
                gauge.set(value);
                registry.register(name, help, gauge);
            }
        };
        seconds("block_time_seconds", "Time of the last final block, since 1970", Some(self.block_time_seconds));
        seconds(
            "block_age_seconds",
            "How long ago the last final block was built; grows while the chain stands",
            self.block_age_seconds,
        );
        let mut text = String::new();
        encode(&mut text, &registry).expect("memory takes all that is written");
        text
    }
}

/// Files that the process has open, and how many it may open; none where the system does not tell.
fn files() -> (Option<u64>, Option<u64>) {
    let open = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count() as u64);
    #[cfg(unix)]
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    #[cfg(not(unix))]
    let limit = None;
    (open, limit)
}

/// Two answers in the format as one.
fn together(own: &str, engine: &str) -> String {
    format!("{}{}", own.strip_suffix(END).unwrap_or(own), engine)
}

/// How the node is.
pub(crate) async fn get_metrics(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    let engine = app.chain.engine_metrics().await?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], together(&Figures::of(&app).text(), &engine)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_told_is_left_out_and_the_answer_ends_once() {
        let figures = Figures { height: 7, indexed: 5, misconduct: 1, ..Figures::default() };
        let text = together(&figures.text(), "# TYPE engine_x gauge\nengine_x 1\n# EOF\n");
        assert!(text.contains("utilidor_height 7\n") && text.contains("utilidor_index_lag_blocks 2\n"), "{text}");
        assert!(text.contains("utilidor_misconduct_proofs 1\n"), "{text}");
        assert!(!text.contains("disk_free") && !text.contains("block_age"), "{text}");
        assert_eq!(text.matches(END).count(), 1);
        assert!(text.ends_with(END));
    }
}
