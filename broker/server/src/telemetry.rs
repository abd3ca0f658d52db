//! Logs: lines for people or JSON for machines, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object.
    Json,
}

/// Why logs cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter makes no sense.
    #[error("log filter {filter:?} cannot be read")]
    Filter {
        /// The filter.
        filter: String,
        /// The cause.
        source: ParseError,
    },
    /// The process has logs already.
    #[error("logs are set up already")]
    SetUpAlready(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts to write logs of `filter`, such as `info` or `info,millrace_server::net=debug`.
///
/// # Errors
/// See [`TelemetryError`].
pub fn start(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let parsed = EnvFilter::try_new(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(TelemetryError::SetUpAlready)
}
