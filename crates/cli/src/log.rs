//! What a node tells while it runs: its log on standard error, and, where it is asked to, traces by OpenTelemetry.
//!
//! ```text
//! request                         method and path of an answer over HTTP
//!   submission                    how many transactions one request brings
//!     admission                   until each is taken or refused
//!     finality                    until all are final, if the client waits for that
//! block                           a block executed: height, transactions
//! ```
//!
//! Traces go to a collector over OTLP, as protobuf over HTTP, and leave out what the log leaves out: bodies, queries, headers. A
//! collector that is not there costs the node nothing but the attempt.

use crate::failure::Failure;
use crate::said;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use std::io::IsTerminal as _;
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// What is logged unless RUST_LOG says otherwise. The engine's storage warns of every journal that it finds new or cuts back to
/// its last whole entry, which is how a node starts and restarts.
const DEFAULT_LOG: &str = "warn,commonware_storage=error";
/// How the names of the places begin that are traced: the engine's own spans are many, and say little to an operator.
const TRACED: &str = "utilidor";
/// What a collector calls the node.
const SERVICE: &str = "utilidor";
/// How long a collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The node's log goes to standard error; RUST_LOG says how much of it.
pub fn start() {
    start_with(None);
}

/// Traces on their way to a collector.
pub struct Traces(Option<SdkTracerProvider>);

/// The same, with traces to the collector at `endpoint`, if there is one.
pub fn start_traced(endpoint: Option<&str>) -> Result<Traces, Failure> {
    let Some(endpoint) = endpoint else {
        start();
        return Ok(Traces(None));
    };
    if !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
        return Err(Failure::usage(said!(
            "{endpoint:?} is no address of a collector of traces",
            "{endpoint:?} 不是追踪收集器的地址"
        ))
        .next(said!("a valid one: http://127.0.0.1:4318/v1/traces", "有效示例：http://127.0.0.1:4318/v1/traces")));
    }
    let exporter = SpanExporter::builder().with_http().with_endpoint(endpoint).with_timeout(PATIENCE).build();
    let exporter = exporter.map_err(|error| {
        Failure::from_error("traces", said!("traces cannot be sent to the collector", "无法向收集器发送追踪"), &error)
    })?;
    let resource = Resource::builder_empty().with_service_name(SERVICE).build();
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    start_with(Some(&provider));
    Ok(Traces(Some(provider)))
}

impl Traces {
    /// Sends what is left. Blocks the calling thread until the collector has it, or does not answer.
    pub fn finish(self) {
        if let Some(provider) = self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces did not reach the collector");
        }
    }
}

/// Whether a log has colours: where a person looks on, and has not asked for none.
pub fn has_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

fn start_with(traces: Option<&SdkTracerProvider>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    let log = fmt::layer().with_writer(std::io::stderr).with_ansi(has_colours()).with_filter(filter);
    let traces = traces.map(|provider| {
        let wanted = Targets::new().with_target(TRACED, Level::INFO);
        tracing_opentelemetry::layer().with_tracer(provider.tracer(SERVICE)).with_filter(wanted)
    });
    // A second start of the log in one process changes nothing.
    let _ = tracing_subscriber::registry().with(log).with(traces).try_init();
}
