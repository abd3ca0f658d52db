//! What the operator measures.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// A write to the API.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    verb: &'static str,
    kind: &'static str,
}

/// The outcome of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Work {
    of: &'static str,
    outcome: &'static str,
}

/// What the operator measures.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    writes: Family<Write, Counter>,
    reconciles: Family<Work, Counter>,
    seconds: Histogram,
    clusters: Gauge,
    topics: Gauge,
    is_leader: Gauge,
    changes: Counter<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let metrics = Metrics {
            registry: Registry::with_prefix("millrace_operator"),
            writes: Family::default(),
            reconciles: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
            clusters: Gauge::default(),
            topics: Gauge::default(),
            is_leader: Gauge::default(),
            changes: Counter::default(),
        };
        metrics.registered()
    }
}

impl Metrics {
    fn registered(mut self) -> Metrics {
        let registry = &mut self.registry;
        registry.register("writes", "Writes to the API of Kubernetes", self.writes.clone());
        registry.register("reconciles", "Clusters looked at", self.reconciles.clone());
        registry.register(
            "reconcile_seconds",
            "Time to look at a cluster, or at its topics",
            self.seconds.clone(),
        );
        registry.register("clusters", "Cluster resources that are known", self.clusters.clone());
        registry.register("topics", "Topic resources that are known", self.topics.clone());
        registry.register("leader", "Whether this operator acts", self.is_leader.clone());
        registry.register("topic_changes", "Topics changed at brokers", self.changes.clone());
        self
    }

    /// Counts a write to the API.
    pub fn write(&self, verb: &'static str, kind: &'static str) {
        self.writes.get_or_create(&Write { verb, kind }).inc();
    }

    /// Counts a look at something and how long it took.
    pub fn looked(&self, of: &'static str, succeeded: bool, seconds: f64) {
        let outcome = if succeeded { "done" } else { "failed" };
        self.reconciles.get_or_create(&Work { of, outcome }).inc();
        self.seconds.observe(seconds);
    }

    /// Counts changes of topics at brokers.
    pub fn changed_topics(&self, count: usize) {
        self.changes.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Notes how many resources are known.
    pub fn known(&self, clusters: usize, topics: usize) {
        self.clusters.set(i64::try_from(clusters).unwrap_or(i64::MAX));
        self.topics.set(i64::try_from(topics).unwrap_or(i64::MAX));
    }

    /// Notes whether this operator acts.
    pub fn leads(&self, leads: bool) {
        self.is_leader.set(i64::from(leads));
    }

    /// All of it as Prometheus reads it.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
