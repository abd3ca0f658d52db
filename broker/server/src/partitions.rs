//! The partitions that this broker holds: found by name or id, opened and closed as the metadata's
//! image changes, looked after together.
//!
//! Which there must be is decided in `core::metadata`; [`Partitions::follow`] makes it so. What one
//! partition does is in [`crate::partition`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use millrace_core::config::TopicConfig;
use millrace_core::metadata::{Delta, Image, PartitionState, Topic};
use millrace_core::replication::fetch_session::TopicRef;
use millrace_log::{Deletion, LogDir, LogError, RecoveryProgress};
use millrace_types::{BrokerId, ErrorCode, PartitionIndex, TopicId, TopicName, TopicPartition};

use crate::env::Env;
use crate::partition::{Partition, Terms};

mod compacting;
mod healing;
mod opening;
#[cfg(test)]
mod tests;
mod upkeep;

pub use upkeep::UpkeepIntervals;

use opening::Opening;

/// All partitions of one broker.
pub struct Partitions {
    env: Env,
    node_id: BrokerId,
    dir: Arc<LogDir>,
    /// What was on disk at the start and is not open yet.
    found: Mutex<BTreeMap<TopicPartition, Option<TopicId>>>,
    directory: RwLock<Directory>,
    /// Files that are out of use and wait to be removed.
    deletions: Mutex<Vec<Deletion>>,
    /// Of all logs that were opened so far.
    scanned: Mutex<RecoveryProgress>,
    /// How many logs could not be compacted when they were tried last.
    uncompactable: AtomicUsize,
    /// Held while an image is followed.
    following: tokio::sync::Mutex<()>,
}

/// The partitions by their names.
#[derive(Debug, Default)]
struct Directory {
    ids: BTreeMap<TopicName, TopicId>,
    topics: BTreeMap<TopicId, BTreeMap<PartitionIndex, Slot>>,
}

/// Where a partition should be.
#[derive(Clone, Debug)]
enum Slot {
    Open(Arc<Partition>),
    /// Its log cannot be opened yet.
    Failed(Box<Opening>),
}

/// How far the opening of partitions is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpeningProgress {
    /// Partitions that are open.
    pub done: usize,
    /// Partitions to open in all.
    pub total: usize,
    /// What was read of logs that were not closed, in bytes.
    pub scanned: RecoveryProgress,
}

/// Whoever gives a topic's config: the image's values over the broker's.
pub type TopicConfigs<'a> = dyn Fn(&Topic) -> TopicConfig + Sync + 'a;

impl Partitions {
    /// The partitions in `dir`, none of them open.
    ///
    /// # Errors
    /// The disk failed.
    pub fn new(env: Env, node_id: BrokerId, dir: Arc<LogDir>) -> Result<Partitions, LogError> {
        let found = dir.partitions()?.into_iter().map(|one| (one.partition, one.topic_id));
        let found = Mutex::new(found.collect());
        let deletions = Mutex::new(vec![dir.leftovers()?]);
        Ok(Partitions {
            env,
            node_id,
            dir,
            found,
            directory: RwLock::default(),
            deletions,
            scanned: Mutex::default(),
            uncompactable: AtomicUsize::new(0),
            following: tokio::sync::Mutex::default(),
        })
    }

    /// The directory of their logs.
    pub const fn dir(&self) -> &Arc<LogDir> {
        &self.dir
    }

    /// Looks a partition up as a client names it.
    ///
    /// # Errors
    /// The code for the client if it is not here.
    pub fn find(&self, topic: &TopicRef, partition: i32) -> Result<Arc<Partition>, ErrorCode> {
        let directory = self.read();
        let partitions = match topic {
            TopicRef::Name(name) => directory
                .ids
                .get(&**name)
                .and_then(|id| directory.topics.get(id))
                .ok_or(ErrorCode::UnknownTopicOrPartition)?,
            TopicRef::Id(id) => directory.topics.get(id).ok_or(ErrorCode::UnknownTopicId)?,
        };
        let index = PartitionIndex::from_wire(partition);
        match index.and_then(|index| partitions.get(&index)) {
            Some(Slot::Open(partition)) => Ok(Arc::clone(partition)),
            Some(Slot::Failed(_)) => Err(ErrorCode::KafkaStorageError),
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    /// Looks a partition up by its name.
    pub fn get(&self, partition: &TopicPartition) -> Option<Arc<Partition>> {
        let directory = self.read();
        let topic = directory.topics.get(directory.ids.get(&partition.topic)?)?;
        match topic.get(&partition.partition)? {
            Slot::Open(partition) => Some(Arc::clone(partition)),
            Slot::Failed(_) => None,
        }
    }

    /// All that are open, by topic id and number.
    pub fn all(&self) -> Vec<Arc<Partition>> {
        let directory = self.read();
        let slots = directory.topics.values().flat_map(BTreeMap::values);
        slots
            .filter_map(|slot| match slot {
                Slot::Open(partition) => Some(Arc::clone(partition)),
                Slot::Failed(_) => None,
            })
            .collect()
    }

    /// Opens, closes and changes partitions, so that they are those of `image`, which differs by
    /// `delta` from the one before. `configs` gives a topic's config.
    ///
    /// A partition that cannot be opened answers with a storage error and is tried again later; the
    /// others are not affected.
    pub async fn follow(
        self: &Arc<Self>,
        delta: &Delta,
        image: &Image,
        configs: &TopicConfigs<'_>,
        progress: &(dyn Fn(OpeningProgress) + Sync),
    ) {
        let _alone = self.following.lock().await;
        self.delete_all(&delta.closed).await;
        self.open_all(&delta.opened, image, configs, progress).await;
        for state in &delta.changed {
            if let Some(partition) = self.get(&state.partition) {
                let config = Arc::clone(&partition.terms().config);
                partition.set_terms(&self.terms(state, image, config));
            }
            self.amend_failed(&state.partition, |opening| {
                let config = Arc::clone(&opening.terms.config);
                *opening =
                    Opening { state: state.clone(), terms: self.terms(state, image, config) };
            });
        }
        let touched: Vec<_> = if delta.is_broker_reconfigured {
            image.topics().cloned().collect()
        } else {
            delta
                .reconfigured
                .iter()
                .filter_map(|name| image.topic(name.as_str()).cloned())
                .collect()
        };
        for topic in touched {
            let config = Arc::new(configs(&topic));
            for (index, _) in topic.indexed() {
                let id = TopicPartition { topic: topic.name.clone(), partition: index };
                if let Some(partition) = self.get(&id) {
                    partition.reconfigure(&config);
                }
                self.amend_failed(&id, |opening| {
                    opening.terms = opening.terms.with_config(&config);
                });
            }
        }
    }

    fn terms(&self, state: &PartitionState, image: &Image, config: Arc<TopicConfig>) -> Terms {
        let leads = state.leader == Some(self.node_id);
        let partition = &state.partition;
        let replicas = image
            .topic(partition.topic.as_str())
            .and_then(|topic| topic.partition(partition.partition))
            .map_or(1, |found| found.replicas.len());
        Terms::of(config, leads.then_some(state.leader_epoch), replicas, state.isr_count)
    }

    /// Changes what a partition is to be opened with that could not be opened yet.
    fn amend_failed(&self, id: &TopicPartition, amend: impl FnOnce(&mut Opening)) {
        let mut directory = self.write();
        let Some(topic_id) = directory.ids.get(&id.topic).copied() else { return };
        let topic = directory.topics.get_mut(&topic_id);
        if let Some(Slot::Failed(opening)) = topic.and_then(|topic| topic.get_mut(&id.partition)) {
            amend(opening);
        }
    }

    /// Those that could not be opened yet.
    fn failed(&self) -> Vec<TopicPartition> {
        let directory = self.read();
        let slots = directory.topics.values().flat_map(BTreeMap::values);
        slots
            .filter_map(|slot| match slot {
                Slot::Open(_) => None,
                Slot::Failed(opening) => Some(opening.state.partition.clone()),
            })
            .collect()
    }

    fn put(&self, id: &TopicPartition, topic_id: TopicId, slot: Slot) {
        let mut directory = self.write();
        directory.ids.insert(id.topic.clone(), topic_id);
        directory.topics.entry(topic_id).or_default().insert(id.partition, slot);
    }

    fn take(&self, id: &TopicPartition, topic_id: TopicId) -> Option<Slot> {
        let mut directory = self.write();
        let topic = directory.topics.get_mut(&topic_id)?;
        let slot = topic.remove(&id.partition);
        if topic.is_empty() {
            directory.topics.remove(&topic_id);
            if directory.ids.get(&id.topic) == Some(&topic_id) {
                directory.ids.remove(&id.topic);
            }
        }
        slot
    }

    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_found(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Option<TopicId>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_scanned(&self) -> MutexGuard<'_, RecoveryProgress> {
        self.scanned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_deletions(&self) -> MutexGuard<'_, Vec<Deletion>> {
        self.deletions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Partitions").field("dir", &self.dir.root()).finish_non_exhaustive()
    }
}
