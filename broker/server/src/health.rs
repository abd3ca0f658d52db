//! `/livez`, `/readyz` and `/metrics` over HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::metrics::Metrics;
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
    let listener = TcpListener::bind(address).await?;
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

/// That this runs at all is the answer: the event loop is alive.
async fn livez() -> &'static str {
    "ok\n"
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
