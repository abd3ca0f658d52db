//! `/livez`, `/readyz` and `/metrics` over HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::metrics::Metrics;
use crate::net::bind::bind;
use crate::readiness::Readiness;
use crate::tasks::Tasks;

/// What is told over HTTP; it exists before the broker does, so that a start can be watched.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    /// Why the broker does not serve.
    pub readiness: Arc<Readiness>,
    /// What is measured.
    pub metrics: Arc<Metrics>,
}

/// Serves the probes on `address` until the tasks stop; returns the address with its port.
///
/// # Errors
/// The address cannot be listened on.
pub async fn serve(tasks: &Tasks, probes: Probes, address: SocketAddr) -> io::Result<SocketAddr> {
    let listener = bind(address)?.listen(BACKLOG)?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(probes);
    let stopping = tasks.stopping().clone();
    tasks.spawn("health", async move {
        tokio::select! { biased;
            () = stopping.cancelled() => {}
            result = axum::serve(listener, router) => {
                if let Err(error) = result {
                    tracing::error!(%address, %error, "health is not served any more");
                }
            }
        }
    });
    Ok(address)
}

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 128;

/// How long a start may stand still before the broker counts as stuck.
const START_STALL_MAX: Duration = Duration::from_secs(600);

/// That this runs at all is the answer: the event loop is alive. A start that recovers is alive as
/// long as it moves, however long it takes.
async fn livez(State(probes): State<Probes>) -> (StatusCode, String) {
    let stalled = probes.readiness.stalled();
    if stalled < START_STALL_MAX {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let reasons = probes.readiness.reasons();
    let text = format!("the start has not moved for {} s\n{reasons}", stalled.as_secs());
    (StatusCode::SERVICE_UNAVAILABLE, text)
}

async fn readyz(State(probes): State<Probes>) -> (StatusCode, String) {
    match probes.readiness.reasons() {
        reasons if reasons.is_empty() => (StatusCode::OK, "ok\n".to_owned()),
        reasons => (StatusCode::SERVICE_UNAVAILABLE, reasons),
    }
}

async fn metrics(State(probes): State<Probes>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], probes.metrics.text())
}
