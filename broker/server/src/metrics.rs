//! What is measured, as Prometheus reads it. Handles are made once; counting is one atomic add.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use millrace_types::ErrorCode;
use millrace_wire::ApiKey;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;

use crate::measured_disk::DiskFigures;

/// What is measured of a request.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The API.
    pub key: ApiKey,
    /// Length of the request, in bytes.
    pub request_bytes: usize,
    /// When it was complete.
    pub received_at: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabel {
    api: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    api: &'static str,
    error: &'static str,
}

/// The figures of one API.
#[derive(Debug)]
struct OfApi {
    key: ApiKey,
    requests: Counter,
    request_bytes: Counter,
    response_bytes: Counter,
    seconds: Histogram,
}

/// All figures of a broker.
pub struct Metrics {
    registry: Registry,
    apis: Vec<OfApi>,
    errors: Family<ErrorLabels, Counter>,
    refused: Counter,
    disk: DiskFigures,
    /// Figures that are looked up when they are asked for.
    pub sampled: Sampled,
    samplers: Mutex<Vec<Sampler>>,
}

/// Looks figures up and puts them where they are read.
type Sampler = Box<dyn Fn(&Sampled) + Send + Sync>;

/// Figures that others keep; see [`Metrics::sample_with`].
#[derive(Debug, Default)]
pub struct Sampled {
    /// Connections of all listeners.
    pub connections: Gauge,
    /// Bytes of requests in flight.
    pub requests_in_flight_bytes: Gauge,
    /// Tasks that run.
    pub tasks: Gauge,
    /// Partitions that are open.
    pub partitions: Gauge,
    /// Bytes of all logs.
    pub logs_bytes: Gauge,
    /// Bytes that may still be written to the volume.
    pub usable_bytes: Gauge,
    /// Partitions that the disk has let down.
    pub partitions_offline: Gauge,
    /// Partitions whose last compaction failed.
    pub partitions_uncompactable: Gauge,
    /// Groups that this broker coordinates.
    pub groups: Gauge,
    /// Coordinators that still read their logs.
    pub coordinators_loading: Gauge,
    /// Fetch sessions that are remembered.
    pub fetch_sessions: Gauge,
}

impl Sampled {
    fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register_with_unit(
            "requests_in_flight",
            "Memory of requests that are not answered yet",
            Unit::Bytes,
            self.requests_in_flight_bytes.clone(),
        );
        registry.register("tasks", "Tasks that run", self.tasks.clone());
        registry.register("partitions", "Open partitions", self.partitions.clone());
        registry.register_with_unit(
            "logs",
            "Size of all logs",
            Unit::Bytes,
            self.logs_bytes.clone(),
        );
        registry.register_with_unit(
            "disk_usable",
            "What may still be written to the volume of the logs",
            Unit::Bytes,
            self.usable_bytes.clone(),
        );
        for (name, help, gauge) in [
            (
                "partitions_offline",
                "Partitions that the disk has let down and that are tried again",
                &self.partitions_offline,
            ),
            (
                "partitions_uncompactable",
                "Partitions whose last compaction failed; the log says why",
                &self.partitions_uncompactable,
            ),
            ("groups", "Groups that this broker coordinates", &self.groups),
            (
                "coordinators_loading",
                "Partitions of __consumer_offsets whose groups are not known yet",
                &self.coordinators_loading,
            ),
            ("fetch_sessions", "Fetch sessions that are remembered", &self.fetch_sessions),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }
}

/// A count for a gauge.
pub fn gauge_value(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// All figures at zero.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("millrace");
        let requests = Family::<ApiLabel, Counter>::default();
        let request_bytes = Family::<ApiLabel, Counter>::default();
        let response_bytes = Family::<ApiLabel, Counter>::default();
        let seconds = Family::<ApiLabel, Histogram>::new_with_constructor(|| {
            // 100 us to 1.6 s and beyond.
            Histogram::new(exponential_buckets(0.0001, 4.0, 8))
        });
        registry.register("requests", "Requests answered", requests.clone());
        registry.register_with_unit(
            "request_size",
            "Bytes of requests answered",
            Unit::Bytes,
            request_bytes.clone(),
        );
        registry.register_with_unit(
            "response_size",
            "Bytes of responses",
            Unit::Bytes,
            response_bytes.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from the last byte of a request to the first of its answer",
            Unit::Seconds,
            seconds.clone(),
        );
        let of_api = |key: ApiKey| {
            let label = ApiLabel { api: key.name() };
            OfApi {
                key,
                requests: requests.get_or_create_owned(&label),
                request_bytes: request_bytes.get_or_create_owned(&label),
                response_bytes: response_bytes.get_or_create_owned(&label),
                seconds: seconds.get_or_create_owned(&label),
            }
        };
        let apis = ApiKey::ALL.iter().map(|&key| of_api(key)).collect();
        let errors = Family::<ErrorLabels, Counter>::default();
        registry.register("request_errors", "Error codes answered", errors.clone());
        let refused = Counter::default();
        registry.register(
            "connections_refused",
            "Connections closed because the client broke a rule or a limit was reached",
            refused.clone(),
        );
        let disk = DiskFigures::new(&mut registry);
        let sampled = Sampled::default();
        sampled.register(&mut registry);
        Metrics { registry, apis, errors, refused, disk, sampled, samplers: Mutex::default() }
    }

    /// Counts a request that was answered now, with `response_bytes` bytes.
    pub fn answered(&self, stamp: &Stamp, response_bytes: usize) {
        let place = self.apis.binary_search_by_key(&stamp.key, |of_api| of_api.key);
        if let Some(of_api) = place.ok().and_then(|place| self.apis.get(place)) {
            of_api.requests.inc();
            of_api.request_bytes.inc_by(stamp.request_bytes as u64);
            of_api.response_bytes.inc_by(response_bytes as u64);
            of_api.seconds.observe(stamp.received_at.elapsed().as_secs_f64());
        }
    }

    /// Counts an error that a request, or a part of it, was answered with; success is not counted.
    pub fn failed(&self, key: ApiKey, error: ErrorCode) {
        if !error.is_none() {
            let labels = ErrorLabels { api: key.name(), error: error.name() };
            self.errors.get_or_create(&labels).inc();
        }
    }

    /// Counts a connection that was closed from our side for a reason.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// The figures of the disk.
    pub fn disk(&self) -> &DiskFigures {
        &self.disk
    }

    /// Has `sampler` look figures up each time before they are read.
    pub fn sample_with(&self, sampler: impl Fn(&Sampled) + Send + Sync + 'static) {
        self.samplers.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(sampler));
    }

    /// Everything as text, in the format of OpenMetrics.
    pub fn text(&self) -> String {
        for sampler in self.samplers.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            sampler(&self.sampled);
        }
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            // A `String` takes all that is written to it.
            Err(fmt::Error) => String::new(),
        }
    }
}
