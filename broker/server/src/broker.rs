//! The broker: what it is made of, and the order in which that is opened and closed.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use millrace_core::config::listener::Endpoint;
use millrace_core::config::{BrokerConfig, ConfigError, StaticConfig};
use millrace_core::group::GroupConfig;
use millrace_core::metadata::decide::adopt_topics::FoundPartition;
use millrace_core::metadata::{CONSUMER_OFFSETS, Image};
use millrace_core::replication::fetch_session::FetchSessions;
use millrace_log::raft_log::{METADATA_PREFIX, RaftLog};
use millrace_log::{LogDir, LogDirError, LogDirOptions, LogError};
use millrace_types::{BrokerId, TopicPartition};

use crate::env::Env;
use crate::follower::{Follower, Published};
use crate::group::Groups;
use crate::health::Probes;
use crate::metadata::{self, Metadata, MetadataOptions};
use crate::metrics::{Metrics, gauge_value};
use crate::net::{Net, NetOptions};
use crate::partition::Partition;
use crate::partitions::{Partitions, UpkeepIntervals};
use crate::readiness::Readiness;

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
    /// The directory of the data cannot be used.
    #[error(transparent)]
    Dir(#[from] LogDirError),
    /// What is in the directory cannot be looked at.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The metadata cannot be used.
    #[error(transparent)]
    Metadata(#[from] metadata::OpenError),
}

/// One running broker.
///
/// Opened from the inside out and closed from the outside in: connections end first, then groups,
/// partitions and, last, the metadata.
pub struct Broker {
    env: Env,
    options: BrokerOptions,
    node_id: BrokerId,
    net: Net,
    published: Published,
    metadata: Metadata,
    partitions: Arc<Partitions>,
    fetch_sessions: Arc<Mutex<FetchSessions>>,
    groups: Arc<Groups>,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

impl Broker {
    /// Opens all that is behind the connections. [`crate::net::listener`] opens the doors.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(env: Env, options: BrokerOptions) -> Result<Arc<Broker>, OpenError> {
        let config = BrokerConfig::resolve(&options.config.layers())?;
        let net = Net::new(NetOptions::of(&config.network), env.descriptors.connections_max);
        measure(&env, &net, &options.probes.metrics);
        let (dir, found) = open_dir(&env, &config).await?;
        let meta = dir.meta().clone();
        let partitions = Arc::new(Partitions::new(env.clone(), config.node_id, dir)?);
        let published = Published {
            image: Arc::default(),
            config: Arc::new(ArcSwap::from_pointee(config.clone())),
        };
        let node_id = config.node_id;
        let slots = usize::try_from(config.network.fetch_session_slots).unwrap_or(0);
        let fetch_sessions = Arc::new(Mutex::new(FetchSessions::new(slots)));
        let groups = Arc::new(Groups::new(env.clone(), GroupConfig::from(&config.groups)));
        let follower = Follower {
            node_id,
            file: options.config.clone(),
            partitions: Arc::clone(&partitions),
            groups: Arc::clone(&groups),
            admission: Arc::clone(net.admission()),
            readiness: Arc::clone(&options.probes.readiness),
            published: published.clone(),
            has_started: false,
        };
        let metadata_options = MetadataOptions {
            dir: config.log_dir.clone(),
            meta,
            file: options.config.clone(),
            config,
            advertised: options.advertised.clone(),
            found,
        };
        let metadata = Metadata::open(env.clone(), metadata_options, follower).await?;
        let broker = Broker {
            env,
            options,
            node_id,
            net,
            published,
            metadata,
            partitions,
            fetch_sessions,
            groups,
        };
        broker.measure_logs();
        broker.measure_clients();
        broker.tell_what_is_missing();
        broker.start_upkeep();
        Ok(Arc::new(broker))
    }

    /// Has the metrics tell of the logs.
    fn measure_logs(&self) {
        let (partitions, env) = (Arc::clone(&self.partitions), self.env.clone());
        self.metrics().sample_with(move |sampled| {
            sampled.partitions_offline.set(gauge_value(env.ailing.all().len()));
            let all = partitions.all();
            let bytes: u64 = all.iter().map(|partition| partition.reader().size_bytes()).sum();
            let space = partitions.dir().space().map_or(0, |space| space.usable_bytes);
            sampled.partitions.set(gauge_value(all.len()));
            sampled.partitions_uncompactable.set(gauge_value(partitions.uncompactable()));
            sampled.logs_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
            sampled.usable_bytes.set(i64::try_from(space).unwrap_or(i64::MAX));
        });
    }

    /// Has `/readyz` tell of partitions and groups.
    fn tell_what_is_missing(&self) {
        let ailing = Arc::clone(&self.env.ailing);
        self.readiness().ask("partitions", move || ailing.text());
        let groups = Arc::clone(&self.groups);
        self.readiness().ask("groups", move || groups.loading());
    }

    /// Has the metrics tell what is kept for clients.
    fn measure_clients(&self) {
        let (groups, sessions) = (Arc::clone(&self.groups), Arc::clone(&self.fetch_sessions));
        self.metrics().sample_with(move |sampled| {
            sampled.groups.set(gauge_value(groups.count()));
            sampled.coordinators_loading.set(gauge_value(groups.loading_count()));
            let sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner).len();
            sampled.fetch_sessions.set(gauge_value(sessions));
        });
    }

    /// Starts what is done from time to time.
    fn start_upkeep(&self) {
        let config = Arc::clone(&self.published.config);
        let intervals = move || UpkeepIntervals::of(&config.load().logs);
        let partitions = Arc::clone(&self.partitions);
        self.env.tasks.spawn("upkeep", partitions.look_after(intervals));
        let partitions = Arc::clone(&self.partitions);
        let (groups, image) = (Arc::clone(&self.groups), Arc::clone(&self.published.image));
        let opened = move |partition: &Arc<Partition>| {
            if partition.id().topic.as_str() == CONSUMER_OFFSETS
                && partition.terms().leadership.is_some()
            {
                groups.lead(partition, &image.load_full());
            }
        };
        self.env.tasks.spawn("healing", partitions.keep_well(opened));
        let config = Arc::clone(&self.published.config);
        let cleaner = move || config.load().cleaner.clone();
        let partitions = Arc::clone(&self.partitions);
        self.env.tasks.spawn("compaction", partitions.keep_compact(cleaner));
    }

    /// Closes in order: when this returns no connection is left, no task runs, all is flushed, and
    /// the directory is marked clean.
    pub async fn close(&self) {
        self.net.close().await;
        self.groups.close_all();
        self.env.tasks.stop().await;
        let epoch = self.image().brokers().get(&self.node_id).map(|broker| broker.epoch);
        self.partitions.close(epoch.and_then(|epoch| i64::try_from(epoch).ok())).await;
    }

    /// The world of this broker.
    pub fn env(&self) -> &Env {
        &self.env
    }

    /// The number of this broker.
    pub fn id(&self) -> BrokerId {
        self.node_id
    }

    /// What the cluster knows about itself at this moment.
    pub fn image(&self) -> Arc<Image> {
        self.published.image.load_full()
    }

    /// The configs in force; dynamic ones change while the broker runs.
    pub fn config(&self) -> Arc<BrokerConfig> {
        self.published.config.load_full()
    }

    /// The configs that the broker was started with.
    pub fn static_config(&self) -> &StaticConfig {
        &self.options.config
    }

    /// Where clients find the broker, for each listener.
    pub fn advertised(&self) -> &[Endpoint] {
        &self.options.advertised
    }

    /// Where changes of the metadata are asked for.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The partitions that this broker holds.
    pub fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// The fetch sessions; held only as long as one request is looked up.
    pub fn fetch_sessions(&self) -> MutexGuard<'_, FetchSessions> {
        self.fetch_sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The groups that this broker coordinates.
    pub fn groups(&self) -> &Arc<Groups> {
        &self.groups
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
}

/// Locks the directory and looks at what is in it.
async fn open_dir(
    env: &Env,
    config: &BrokerConfig,
) -> Result<(Arc<LogDir>, Vec<FoundPartition>), OpenError> {
    let (world, root) = (env.clone(), config.log_dir.clone());
    let cluster_id = config.cluster_id.clone();
    let (node_id, producer_id_expiration_ms) =
        (config.node_id, config.logs.producer_id_expiration_ms);
    let opened = env.blocking.run(move || {
        let options = LogDirOptions {
            meta: metadata::identity(&world, &root, node_id, cluster_id.as_deref())?,
            root,
            checks_directory_id: false,
            open_files_max: world.descriptors.files_max,
            producer_id_expiration_ms,
        };
        let dir = LogDir::open(Arc::clone(&world.disk), options)?;
        let found = found_in(&*world.disk, &dir)?;
        Ok((Arc::new(dir), found))
    });
    opened.await
}

/// The partitions in a directory without metadata: Apache Kafka may have written them.
fn found_in(
    disk: &dyn millrace_log::disk::Disk,
    dir: &LogDir,
) -> Result<Vec<FoundPartition>, LogError> {
    if RaftLog::exists(disk, dir.root(), METADATA_PREFIX)? {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for found in dir.partitions()? {
        let Some(topic_id) = found.topic_id else { continue };
        let leader_epoch = dir.latest_epoch(&found.partition)?.unwrap_or_default();
        let TopicPartition { topic: name, partition } = found.partition;
        all.push(FoundPartition { name, partition, topic_id, leader_epoch });
    }
    Ok(all)
}

/// Has `metrics` read what the broker takes.
fn measure(env: &Env, net: &Net, metrics: &Metrics) {
    net.measure(metrics);
    let tasks = env.tasks.clone();
    metrics.sample_with(move |sampled| {
        sampled.tasks.set(gauge_value(tasks.running()));
    });
}
