//! The start: whose disk it is, what the log says, and that this broker is there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_core::config::listener::Endpoint;
use millrace_core::config::{BrokerConfig, StaticConfig};
use millrace_core::metadata::decide::adopt_topics::{self, FoundPartition};
use millrace_core::metadata::decide::name_cluster::{self, ForeignCluster};
use millrace_core::metadata::decide::register_broker::{self, ForeignDirectory, RegisterBroker};
use millrace_core::metadata::{Delta, Image, Touched};
use millrace_log::{LogDir, LogDirError, MetaProperties};
use millrace_types::BrokerId;

use super::driver::Driver;
use super::store::{Store, StoreError};
use super::{Follow, Metadata};
use crate::env::Env;

/// What the metadata is opened with.
#[derive(Clone, Debug)]
pub struct MetadataOptions {
    /// The directory of the data, which is open.
    pub dir: PathBuf,
    /// Whose it is.
    pub meta: MetaProperties,
    /// The configs that the broker was started with.
    pub file: StaticConfig,
    /// What they come to.
    pub config: BrokerConfig,
    /// Where clients find the broker.
    pub advertised: Vec<Endpoint>,
    /// The partitions in the directory: Apache Kafka may have written them.
    pub found: Vec<FoundPartition>,
}

/// Why the metadata cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The log is damaged, or the disk fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is of another cluster than the directory.
    #[error(transparent)]
    Cluster(#[from] ForeignCluster),
    /// The directory is another than the broker had.
    #[error(transparent)]
    Directory(#[from] ForeignDirectory),
}

/// Whose a directory is, or is to be: a fresh one gets ids by chance, unless the cluster's is
/// given. A directory of another cluster is refused when it is opened.
///
/// # Errors
/// If what is written there cannot be read.
pub fn identity(
    env: &Env,
    dir: &Path,
    node_id: BrokerId,
    cluster_id: Option<&str>,
) -> Result<MetaProperties, LogDirError> {
    let found = LogDir::identify(&*env.disk, dir)?;
    Ok(MetaProperties {
        cluster_id: match (cluster_id, &found) {
            (Some(given), _) => given.to_owned(),
            (None, Some(meta)) => meta.cluster_id.clone(),
            (None, None) => env.random.uuid().to_string(),
        },
        // A directory of another node is refused when it is opened.
        node_id,
        directory_id: found.map_or_else(|| env.random.uuid(), |meta| meta.directory_id),
    })
}

impl Metadata {
    /// Replays the log, registers the broker, and lets the follower open what it holds; then
    /// serves commands in a task of its own.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open<F: Follow>(
        env: Env,
        options: MetadataOptions,
        follower: F,
    ) -> Result<Metadata, OpenError> {
        let MetadataOptions { dir, meta, file, config, advertised, found } = options;
        let broker = config.node_id;
        let snapshot_bytes = config.metadata_bytes_between_snapshots;
        let (store, image) = Store::open(env.clone(), dir, broker, snapshot_bytes).await?;
        let rack = config.rack.clone();
        let is_first_start = image.cluster_id().is_none();
        let config = Arc::new(config);
        let mut driver = Driver { broker, file, config, image, store, follower, is_failing: false };
        let named = name_cluster::decide(&driver.image, &meta.cluster_id)?;
        let registration = RegisterBroker {
            broker_id: broker,
            incarnation: env.random.uuid(),
            directory_id: meta.directory_id,
            rack,
            endpoints: advertised,
        };
        let registered = register_broker::decide(&driver.image, &registration)?;
        let mut decisions = vec![named.records, registered.records];
        if is_first_start {
            let adopted = adopt_topics::decide(&driver.image, &found, broker);
            for error in &adopted.reply {
                tracing::warn!(%error, "left a topic on the disk aside");
            }
            decisions.push(adopted.records);
        }
        let committed = driver.store.commit(&decisions).await?;
        for record in &committed {
            driver.image.apply(record, &mut Touched::default());
        }
        let nothing = Image::default();
        let touched = driver.image.everything();
        let delta = Delta::between(&nothing, &driver.image, &touched, broker);
        driver.follow(delta).await;
        let (metadata, jobs) = Metadata::new(broker);
        let stopping = env.tasks.stopping().clone();
        env.tasks.spawn("metadata", driver.drive(jobs, stopping));
        Ok(metadata)
    }
}
