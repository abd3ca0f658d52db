//! Makes the broker what the metadata says: partitions first, then what handlers see.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use millrace_core::config::{BrokerConfig, StaticConfig, TopicConfig};
use millrace_core::metadata::{Image, Topic};
use millrace_types::BrokerId;

use crate::group::Groups;
use crate::metadata::{Change, Follow};
use crate::net::NetOptions;
use crate::net::admission::Admission;
use crate::partitions::{OpeningProgress, Partitions};
use crate::readiness::Readiness;

/// What handlers see of the metadata: the image and the configs of this moment.
#[derive(Clone)]
pub struct Published {
    /// What the cluster knows about itself.
    pub image: Arc<ArcSwap<Image>>,
    /// The configs in force.
    pub config: Arc<ArcSwap<BrokerConfig>>,
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").finish_non_exhaustive()
    }
}

/// Follows the metadata for one broker.
#[derive(Debug)]
pub struct Follower {
    /// This broker.
    pub node_id: BrokerId,
    /// The configs that the broker was started with.
    pub file: StaticConfig,
    /// The partitions to open and close.
    pub partitions: Arc<Partitions>,
    /// The groups to load and let go.
    pub groups: Arc<Groups>,
    /// Who may connect.
    pub admission: Arc<Admission>,
    /// Where progress is told.
    pub readiness: Arc<Readiness>,
    /// Where the result is put.
    pub published: Published,
    /// Whether the first image was followed.
    pub has_started: bool,
}

impl Follow for Follower {
    async fn follow(&mut self, change: Change) {
        let Change { image, delta, config } = change;
        if let Some(config) = config {
            let network = &config.network;
            let bounds = NetOptions::of(network);
            self.admission.set_limits(bounds.connections_max, bounds.connections_per_ip_max);
            self.published.config.store(config);
        }
        let configs = |topic: &Topic| {
            TopicConfig::resolve(&topic.values, &image.layers(self.node_id, &self.file))
        };
        let tell = |progress: OpeningProgress| self.tell(progress);
        self.partitions.follow(&delta, &image, &configs, &tell).await;
        self.published.image.store(Arc::clone(&image));
        self.groups.follow(&delta, &image, &self.partitions);
        self.has_started = true;
        self.readiness.is_done(LOGS);
    }

    fn hear(&mut self, trouble: Option<&str>) {
        match trouble {
            Some(reason) => self.readiness.wait_for(METADATA, reason.to_owned()),
            None => self.readiness.is_done(METADATA),
        }
    }
}

/// What the broker waits for while logs are opened.
const LOGS: &str = "logs";

/// What the broker waits for while no change of the metadata can be made durable.
const METADATA: &str = "metadata";

impl Follower {
    /// Tells how far the start is. Later, topics come and go while the broker serves.
    fn tell(&self, progress: OpeningProgress) {
        if self.has_started {
            return;
        }
        let OpeningProgress { done, total, scanned } = progress;
        let mut reason = format!("{done} of {total} opened");
        if scanned.bytes_total > 0 {
            let (done, total) = (scanned.bytes_done >> 20, scanned.bytes_total >> 20);
            reason += &format!(", {done} of {total} MiB looked through after an unclean end");
        }
        self.readiness.wait_for(LOGS, reason);
    }
}
