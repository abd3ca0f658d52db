//! The broker: what it is made of, and the order in which that is opened and closed.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use millrace_core::config::listener::Endpoint;
use millrace_core::config::{BrokerConfig, ConfigError, StaticConfig};
use millrace_core::metadata::Image;
use millrace_types::BrokerId;

use crate::api;
use crate::env::Env;
use crate::health::Probes;
use crate::metrics::{Metrics, gauge_value};
use crate::net::frame::Frame;
use crate::net::service::{ConnectionFacts, Service, Stamp, Started};
use crate::net::{Net, NetOptions};
use crate::readiness::Readiness;
use crate::refusal::Refusal;

/// What a broker is started with.
#[derive(Clone, Debug)]
pub struct BrokerOptions {
    /// The configs of the file, flags and environment.
    pub config: StaticConfig,
    /// Where clients find the broker: one address for each listener that they may use.
    pub advertised: Vec<Endpoint>,
    /// What is told over HTTP.
    pub probes: Probes,
}

/// Why a broker cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configs do not resolve.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// One running broker.
///
/// Opened from the inside out and closed from the outside in: connections end first, then groups,
/// partitions and, last, the metadata.
pub struct Broker {
    env: Env,
    options: BrokerOptions,
    config: ArcSwap<BrokerConfig>,
    image: ArcSwap<Image>,
    net: Net,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("node_id", &self.config().node_id).finish_non_exhaustive()
    }
}

impl Broker {
    /// Opens all that is behind the connections. [`crate::net::listener`] opens the doors.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(env: Env, options: BrokerOptions) -> Result<Arc<Broker>, OpenError> {
        let config = BrokerConfig::resolve(&options.config.layers())?;
        let net = Net::new(NetOptions::of(&config.network));
        net.measure(&options.probes.metrics);
        let tasks = env.tasks.clone();
        options.probes.metrics.sample_with(move |sampled| {
            sampled.tasks.set(gauge_value(tasks.running()));
        });
        let image = ArcSwap::default();
        let broker = Broker { env, options, config: ArcSwap::from_pointee(config), image, net };
        Ok(Arc::new(broker))
    }

    /// Closes in order: when this returns no connection is left, no task runs, all is flushed.
    pub async fn close(&self) {
        self.net.close().await;
        self.env.tasks.stop().await;
    }

    /// The world of this broker.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The number of this broker.
    pub fn id(&self) -> BrokerId {
        self.config().node_id
    }

    /// What the cluster knows about itself at this moment.
    pub fn image(&self) -> Arc<Image> {
        self.image.load_full()
    }

    /// The configs in force; dynamic ones change while the broker runs.
    pub fn config(&self) -> Arc<BrokerConfig> {
        self.config.load_full()
    }

    /// The configs that the broker was started with.
    pub fn static_config(&self) -> &StaticConfig {
        &self.options.config
    }

    /// Where clients find the broker, for each listener.
    pub fn advertised(&self) -> &[Endpoint] {
        &self.options.advertised
    }

    /// What the connections share.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// What is measured.
    pub fn metrics(&self) -> &Metrics {
        &self.options.probes.metrics
    }

    /// Why the broker does not serve.
    pub fn readiness(&self) -> &Readiness {
        &self.options.probes.readiness
    }

    /// Counts the changes of the cluster's features; never goes back.
    pub fn features_epoch(&self) -> i64 {
        0
    }
}

impl Service for Broker {
    fn start(
        self: &Arc<Self>,
        connection: &Arc<ConnectionFacts>,
        frame: Frame,
    ) -> Result<Started, Refusal> {
        api::dispatch(self, connection, frame)
    }

    fn answered(&self, stamp: &Stamp, response_bytes: usize) {
        self.metrics().answered(stamp, response_bytes);
    }

    fn refused(&self) {
        self.metrics().refused();
    }

    fn net(&self) -> &Net {
        &self.net
    }

    fn env(&self) -> &Env {
        &self.env
    }
}
