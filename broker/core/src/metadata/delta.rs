//! What differs between two images, for those who must act on it.

use std::collections::BTreeMap;

use millrace_types::{BrokerId, LeaderEpoch, PartitionIndex, TopicId, TopicName, TopicPartition};

use super::image::Image;
use super::record::ConfigOwner;
use super::state::{Partition, Topic};
use super::touched::Touched;

/// What a broker must do to follow a change of the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Partitions that this broker holds from now on. To be opened after `closed` are closed: a
    /// topic may have been deleted and created again.
    pub opened: Vec<PartitionState>,
    /// Partitions that this broker holds no more, with the id of their topic: their data goes.
    pub closed: Vec<(TopicPartition, TopicId)>,
    /// Partitions that this broker goes on holding, under another leader, epoch or ISR.
    pub changed: Vec<PartitionState>,
    /// Topics that were there before and whose own configs have changed.
    pub reconfigured: Vec<TopicName>,
    /// Whether configs of this broker may have changed, and with them the defaults of all topics.
    pub is_broker_reconfigured: bool,
}

/// One partition that this broker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionState {
    /// Its name.
    pub partition: TopicPartition,
    /// The id of its topic.
    pub topic_id: TopicId,
    /// Who leads it.
    pub leader: Option<BrokerId>,
    /// Counts the leaders.
    pub leader_epoch: LeaderEpoch,
    /// How many replicas have all that is committed.
    pub isr_count: usize,
}

impl Delta {
    /// What changes for `broker` from one image to a later one.
    ///
    /// `touched` must be what was noted while the records between the two were applied.
    pub fn between(before: &Image, after: &Image, touched: &Touched, broker: BrokerId) -> Delta {
        let mut delta = Delta::default();
        for id in &touched.topics {
            let held_before = held(before.topic_by_id(*id).map(AsRef::as_ref), broker);
            let held_after = held(after.topic_by_id(*id).map(AsRef::as_ref), broker);
            for (key, state) in &held_before {
                match held_after.get(key) {
                    None => delta.closed.push((state.partition.clone(), *id)),
                    Some(later) if later != state => delta.changed.push(later.clone()),
                    Some(_) => {}
                }
            }
            let is_new = |key: &PartitionIndex| !held_before.contains_key(key);
            delta.opened.extend(
                held_after.into_iter().filter(|(key, _)| is_new(key)).map(|(_, state)| state),
            );
        }
        for owner in &touched.configs {
            match owner {
                ConfigOwner::Cluster => delta.is_broker_reconfigured = true,
                ConfigOwner::Broker(id) => delta.is_broker_reconfigured |= *id == broker,
                ConfigOwner::Topic(id) => {
                    let values = |image: &Image| image.topic_by_id(*id).map(|t| t.values.clone());
                    if let (Some(earlier), Some(topic)) = (values(before), after.topic_by_id(*id))
                        && earlier != topic.values
                    {
                        delta.reconfigured.push(topic.name.clone());
                    }
                }
            }
        }
        delta
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        *self == Delta::default()
    }
}

fn held(topic: Option<&Topic>, broker: BrokerId) -> BTreeMap<PartitionIndex, PartitionState> {
    let Some(topic) = topic else { return BTreeMap::new() };
    let is_held = |partition: &Partition| partition.replicas.contains(&broker);
    topic
        .indexed()
        .filter(|(_, partition)| is_held(partition))
        .map(|(index, partition)| {
            let state = PartitionState {
                partition: TopicPartition { topic: topic.name.clone(), partition: index },
                topic_id: topic.id,
                leader: partition.leader,
                leader_epoch: partition.leader_epoch,
                isr_count: partition.isr.len(),
            };
            (index, state)
        })
        .collect()
}
