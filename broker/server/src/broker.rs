//! The broker: what it is made of, and the order in which that is opened and closed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use millrace_core::config::listener::Endpoint;
use millrace_core::config::{BrokerConfig, ConfigError, StaticConfig};
use millrace_core::limits;
use millrace_core::metadata::Image;
use millrace_core::replication::fetch_session::FetchSessions;
use millrace_log::{LogDir, LogDirError, LogDirOptions, LogError, MetaProperties};
use millrace_types::BrokerId;

use crate::api;
use crate::env::Env;
use crate::health::Probes;
use crate::metrics::{Metrics, gauge_value};
use crate::net::frame::Frame;
use crate::net::service::{ConnectionFacts, Service, Stamp, Started};
use crate::net::{Net, NetOptions};
use crate::partitions::{Partitions, UpkeepIntervals};
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
    /// The directory of the data is another's, in use or damaged.
    #[error(transparent)]
    LogDir(#[from] LogDirError),
    /// The disk failed.
    #[error(transparent)]
    Log(#[from] LogError),
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
    partitions: Arc<Partitions>,
    fetch_sessions: Mutex<FetchSessions>,
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
        let dir = open_log_dir(&env, &config).await?;
        let partitions = Arc::new(Partitions::new(env.clone(), config.node_id, dir)?);
        let upkeep = Arc::clone(&partitions).look_after(UpkeepIntervals::of(&config.logs));
        env.tasks.spawn("upkeep", upkeep);
        let slots = usize::try_from(config.network.fetch_session_slots).unwrap_or(0);
        Ok(Arc::new(Broker {
            env,
            options,
            config: ArcSwap::from_pointee(config),
            image,
            net,
            partitions,
            fetch_sessions: Mutex::new(FetchSessions::new(slots)),
        }))
    }

    /// Closes in order: when this returns no connection is left, no task runs, all is flushed.
    pub async fn close(&self) {
        self.net.close().await;
        self.partitions.close(None).await;
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

    /// The partitions that this broker holds.
    pub fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// The fetch sessions; held only as long as one request is looked up.
    pub fn fetch_sessions(&self) -> MutexGuard<'_, FetchSessions> {
        self.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Locks the directory of the data and checks whose it is.
async fn open_log_dir(env: &Env, config: &BrokerConfig) -> Result<Arc<LogDir>, OpenError> {
    let (disk, random) = (Arc::clone(&env.disk), Arc::clone(&env.random));
    let (root, node_id) = (config.log_dir.clone(), config.node_id);
    let producer_id_expiration_ms = config.logs.producer_id_expiration_ms;
    let open = move || {
        let found = LogDir::identify(&*disk, &root)?;
        let meta = found.unwrap_or_else(|| MetaProperties {
            cluster_id: random.uuid().to_string(),
            node_id,
            directory_id: random.uuid(),
        });
        let options = LogDirOptions {
            root,
            meta: MetaProperties { node_id, ..meta },
            checks_directory_id: false,
            open_files_max: limits::OPEN_FILES_MAX,
            producer_id_expiration_ms,
        };
        LogDir::open(disk, options)
    };
    Ok(Arc::new(env.blocking.run(open).await?))
}
