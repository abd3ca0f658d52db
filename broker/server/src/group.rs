//! The driver of `core::group`: one `Shard` for each partition of `__consumer_offsets` that this
//! broker leads, and the way from a request to the shard of its group.

mod command;
mod shard;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use millrace_core::group::{
    Client, DeletedTopic, GroupConfig, GroupError, ListRequest, ListedGroup, Reply, Request,
    partition_for,
};
use millrace_core::metadata::{CONSUMER_OFFSETS, Delta, Image};
use millrace_types::{GroupId, PartitionIndex, TopicId, TopicName, TopicPartition};

use crate::coordinator_log::CoordinatorLog;
use crate::env::Env;
use crate::partition::Partition;
use crate::partitions::Partitions;

pub use command::{Command, Delete, Describe};
use shard::Shard;

/// The groups that this broker coordinates.
pub struct Groups {
    env: Env,
    config: GroupConfig,
    shards: RwLock<BTreeMap<PartitionIndex, Arc<Shard>>>,
}

impl Groups {
    /// No groups yet: partitions of the offsets topic bring them.
    pub fn new(env: Env, config: GroupConfig) -> Groups {
        Groups { env, config, shards: RwLock::default() }
    }

    /// Follows a change of the metadata: coordinates what this broker leads of the offsets topic, and
    /// forgets offsets in topics that are gone. To be called when `partitions` has followed it.
    pub fn follow(&self, delta: &Delta, image: &Arc<Image>, partitions: &Partitions) {
        let is_ours = |id: &TopicPartition| id.topic.as_str() == CONSUMER_OFFSETS;
        for (id, _) in delta.closed.iter().filter(|(id, _)| is_ours(id)) {
            self.close(id.partition);
        }
        for state in delta.opened.iter().chain(&delta.changed) {
            let id = &state.partition;
            let partition = partitions.get(id).filter(|_| is_ours(id));
            match partition {
                Some(partition) if partition.terms().leadership.is_some() => {
                    self.lead(&partition, image);
                }
                Some(_) => self.close(id.partition),
                None => {}
            }
        }
        let gone = delta.closed.iter().filter(|(_, id)| image.topic_by_id(*id).is_none());
        let gone: BTreeMap<TopicId, &TopicName> =
            gone.map(|(partition, id)| (*id, &partition.topic)).collect();
        if !gone.is_empty() {
            let topics = gone.into_iter().map(|(id, name)| DeletedTopic { name: name.clone(), id });
            self.forget_topics(&topics.collect::<Vec<_>>());
        }
    }

    /// Coordinates the groups of a partition that this broker leads, if it does not do so already.
    pub fn lead(&self, partition: &Arc<Partition>, image: &Arc<Image>) {
        let index = partition.id().partition;
        let is_known = self.read().get(&index).is_some_and(|shard| shard.is_of(partition));
        if !is_known {
            self.open(partition, image);
        }
    }

    /// This broker leads a partition of the offsets topic from now on: its groups are read from it.
    pub fn open(&self, partition: &Arc<Partition>, image: &Arc<Image>) {
        let index = partition.id().partition;
        let log = CoordinatorLog::new(Arc::clone(partition));
        let shard =
            Shard::open(self.env.clone(), index, log, self.config.clone(), Arc::clone(image));
        if let Some(before) = self.write().insert(index, shard) {
            before.close();
        }
    }

    /// This broker no longer leads a partition of the offsets topic: who waits is told.
    pub fn close(&self, index: PartitionIndex) {
        let shard = self.write().remove(&index);
        if let Some(shard) = shard {
            shard.close();
        }
    }

    /// The same for all: the broker stops.
    pub fn close_all(&self) {
        let shards = std::mem::take(&mut *self.write());
        shards.into_values().for_each(|shard| shard.close());
    }

    /// Topics are gone, and with them the offsets that groups have in them.
    pub fn forget_topics(&self, topics: &[DeletedTopic]) {
        for shard in self.shards() {
            shard.forget_topics(topics.to_vec());
        }
    }

    /// Asks the coordinator of the command's group. `image` tells how many coordinators there are.
    pub async fn ask<C: Command>(&self, image: &Image, client: Client, command: C) -> C::Answer {
        let shard = match self.shard_of(image, command.group()) {
            Ok(shard) => shard,
            Err(error) => return C::refused(error),
        };
        let answer = shard.ask(client, command.into_request());
        // A shard that goes away has told everybody before.
        answer
            .await
            .ok()
            .and_then(C::answer)
            .unwrap_or_else(|| C::refused(GroupError::NotAvailable))
    }

    /// The groups that pass the filters, of all coordinators on this broker.
    ///
    /// # Errors
    /// One of them cannot tell, because it is loading.
    pub async fn list(
        &self,
        client: &Client,
        filters: &ListRequest,
    ) -> Result<Vec<ListedGroup>, GroupError> {
        let mut groups = Vec::new();
        for shard in self.shards() {
            let answer = shard.ask(client.clone(), Request::List(filters.clone())).await;
            let Ok(Reply::List(listed)) = answer else { return Err(GroupError::NotAvailable) };
            groups.extend(listed?);
        }
        Ok(groups)
    }

    /// How many coordinators are still reading their logs, of how many; `None` if none is.
    pub fn loading(&self) -> Option<String> {
        let (count, all) = (self.loading_count(), self.read().len());
        (count > 0).then(|| format!("{count} of {all} coordinators read their logs"))
    }

    /// How many coordinators are still reading their logs.
    pub fn loading_count(&self) -> usize {
        self.read().values().filter(|shard| shard.is_loading()).count()
    }

    /// How many groups are known.
    pub fn count(&self) -> usize {
        self.read().values().map(|shard| shard.groups_count()).sum()
    }

    fn shard_of(&self, image: &Image, group: &GroupId) -> Result<Arc<Shard>, GroupError> {
        let topic = image.topic(CONSUMER_OFFSETS).ok_or(GroupError::NotAvailable)?;
        let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
        let index = partition_for(group, partitions);
        self.read().get(&index).cloned().ok_or(GroupError::NotCoordinator)
    }

    fn shards(&self) -> Vec<Arc<Shard>> {
        self.read().values().cloned().collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<PartitionIndex, Arc<Shard>>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<PartitionIndex, Arc<Shard>>> {
        self.shards.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("shards", &self.read().len()).finish_non_exhaustive()
    }
}
