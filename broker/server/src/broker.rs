//! The broker: what it is made of, and the order in which that is opened and closed.

use std::sync::Arc;

use crate::env::Env;
use crate::metrics::Metrics;
use crate::net::{Net, NetOptions};

/// One running broker.
///
/// Opened from the inside out, closed from the outside in: the metadata log first and last, then
/// partitions, groups, and at last the connections.
#[derive(Debug)]
pub struct Broker {
    env: Env,
    net: Net,
    metrics: Metrics,
}

impl Broker {
    /// Opens all that is behind the connections. [`crate::net::listener`] opens the doors.
    pub fn open(env: Env, net: NetOptions) -> Arc<Broker> {
        Arc::new(Broker { env, net: Net::new(net), metrics: Metrics::new() })
    }

    /// Closes in order: no connection is left when this returns, no task runs, all is flushed.
    pub async fn close(&self) {
        self.net.close().await;
        self.env.tasks.stop().await;
    }

    /// The world of this broker.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// What the connections share.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// What is measured.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Counts the changes of the cluster's features; never goes back.
    pub fn features_epoch(&self) -> i64 {
        0
    }
}
