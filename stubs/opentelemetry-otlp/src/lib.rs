//! What the engine's runtime names of the exporter of traces: see `stubs/README.md`. Asked for an exporter, it says that there is
//! none.
#![forbid(unsafe_code)]

use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter as Export},
};
use std::{convert::Infallible, fmt, time::Duration};

/// There is no exporter.
#[derive(Debug)]
pub struct ExporterBuildError;

impl fmt::Display for ExporterBuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this build exports no traces: see stubs/README.md")
    }
}

impl std::error::Error for ExporterBuildError {}

/// An exporter, of which there is none.
#[derive(Debug)]
pub struct SpanExporter(Infallible);

/// Asks for an exporter.
#[derive(Debug, Default)]
pub struct SpanExporterBuilder;

impl SpanExporter {
    /// Asks for one.
    pub const fn builder() -> SpanExporterBuilder {
        SpanExporterBuilder
    }
}

impl SpanExporterBuilder {
    /// Over HTTP.
    pub const fn with_http(self) -> Self {
        self
    }

    /// Says that there is none.
    pub const fn build(self) -> Result<SpanExporter, ExporterBuildError> {
        Err(ExporterBuildError)
    }
}

/// Where an exporter would send to.
pub trait WithExportConfig: Sized {
    /// To this address.
    fn with_endpoint(self, _: impl Into<String>) -> Self {
        self
    }

    /// For so long.
    fn with_timeout(self, _: Duration) -> Self {
        self
    }
}

impl WithExportConfig for SpanExporterBuilder {}

impl Export for SpanExporter {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        match self.0 {}
    }
}
