//! Connections: accepting them, reading frames, keeping answers in order, sending files.
//!
//! Knows nothing of any API: a frame goes to a [`service::Service`], an answer comes back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::config::broker::NetworkConfig;
use millrace_core::limits;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub mod admission;
pub mod bind;
pub mod budget;
pub mod connection;
pub mod frame;
pub mod listener;
pub mod outbox;
mod owed;
mod refusal_log;
pub mod service;
pub mod transport;

use crate::metrics::{Metrics, gauge_value};
use admission::Admission;
use budget::Budget;
use refusal_log::RefusalLog;

/// The name of a listener, in capitals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerName(pub Arc<str>);

impl fmt::Display for ListenerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What bounds the connections of a broker.
#[derive(Clone, Copy, Debug)]
pub struct NetOptions {
    /// Kafka's `socket.request.max.bytes`.
    pub frame_bytes_max: usize,
    /// Kafka's `queued.max.request.bytes`.
    pub requests_bytes_max: usize,
    /// Kafka's `connections.max.idle.ms`; for ever if `None`.
    pub idle_max: Option<Duration>,
    /// Kafka's `max.connections`.
    pub connections_max: usize,
    /// Kafka's `max.connections.per.ip`.
    pub connections_per_ip_max: usize,
}

impl Default for NetOptions {
    fn default() -> NetOptions {
        NetOptions {
            frame_bytes_max: 100 * 1024 * 1024,
            requests_bytes_max: limits::REQUESTS_BYTES_DEFAULT,
            idle_max: Some(Duration::from_mins(10)),
            connections_max: usize::MAX,
            connections_per_ip_max: usize::MAX,
        }
    }
}

impl NetOptions {
    /// The bounds that the configs ask for.
    pub fn of(config: &NetworkConfig) -> NetOptions {
        let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        NetOptions {
            frame_bytes_max: whole(config.request_bytes_max),
            requests_bytes_max: config
                .queued_bytes_max
                .map_or(limits::REQUESTS_BYTES_DEFAULT, whole),
            idle_max: config.connections_max_idle_ms.map(Duration::from_millis),
            connections_max: whole(config.max_connections.into()),
            connections_per_ip_max: whole(config.max_connections_per_ip.into()),
        }
    }
}

/// What all connections of a broker share.
#[derive(Debug)]
pub struct Net {
    options: NetOptions,
    budget: Arc<Budget>,
    admission: Arc<Admission>,
    refusals: RefusalLog,
    draining: CancellationToken,
    aborting: CancellationToken,
    connections: TaskTracker,
}

impl Net {
    /// No connections yet. More than `descriptors_max` are never let in.
    pub fn new(options: NetOptions, descriptors_max: usize) -> Net {
        let NetOptions { connections_max, connections_per_ip_max, .. } = options;
        Net {
            options,
            budget: Budget::new(options.requests_bytes_max),
            admission: Admission::new(descriptors_max, connections_max, connections_per_ip_max),
            refusals: RefusalLog::default(),
            draining: CancellationToken::new(),
            aborting: CancellationToken::new(),
            connections: TaskTracker::new(),
        }
    }

    /// Has `metrics` read what the connections take.
    pub fn measure(&self, metrics: &Metrics) {
        let (budget, admission) = (Arc::clone(&self.budget), Arc::clone(&self.admission));
        metrics.sample_with(move |sampled| {
            sampled.connections.set(gauge_value(admission.connections()));
            sampled.requests_in_flight_bytes.set(gauge_value(budget.received_bytes()));
        });
    }

    /// The bounds.
    pub fn options(&self) -> &NetOptions {
        &self.options
    }

    /// The memory of requests in flight.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Who is connected.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// Is cancelled when connections are to finish what is in flight and take nothing more.
    pub fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Stops accepting, lets the connections finish what is in flight, and ends those that do not
    /// get ready within [`limits::SHUTDOWN_DRAIN_MS_MAX`].
    pub async fn close(&self) {
        self.draining.cancel();
        self.connections.close();
        let grace = Duration::from_millis(limits::SHUTDOWN_DRAIN_MS_MAX);
        if tokio::time::timeout(grace, self.connections.wait()).await.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                grace_ms = limits::SHUTDOWN_DRAIN_MS_MAX,
                "connections did not finish in time and are cut"
            );
            self.aborting.cancel();
            self.connections.wait().await;
        }
    }
}
