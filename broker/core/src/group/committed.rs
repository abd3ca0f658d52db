//! The committed offsets of one group. What is done with them is in `offsets/*`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_types::{LeaderEpoch, PartitionIndex, TimestampMs, TopicId, TopicName};

/// The progress that was committed for one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next record to read, as the client said.
    pub offset: i64,
    /// The epoch of the last record that was read.
    pub leader_epoch: Option<LeaderEpoch>,
    /// A text of the client's own.
    pub metadata: Arc<str>,
    /// When it was committed.
    pub committed_at: TimestampMs,
    /// When it shall be forgotten, if the client said so (versions 2 to 4 of OffsetCommit).
    pub expires_at: Option<TimestampMs>,
    /// The id of the topic; zero in records of old brokers.
    pub topic_id: TopicId,
}

/// The offsets of one topic.
pub(super) type Partitions = BTreeMap<PartitionIndex, CommittedOffset>;

/// Where an offset belongs.
pub(super) type Place = (TopicName, PartitionIndex);

/// The committed offsets of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    topics: BTreeMap<TopicName, Partitions>,
}

impl Offsets {
    /// Whether nothing is committed.
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty()
    }

    /// The offset of one partition.
    pub(super) fn get(&self, topic: &str, partition: PartitionIndex) -> Option<&CommittedOffset> {
        self.topics.get(topic)?.get(&partition)
    }

    /// All offsets, topic by topic.
    pub(super) fn topics(&self) -> impl Iterator<Item = (&TopicName, &Partitions)> {
        self.topics.iter()
    }

    /// Sets the offset of one partition, or with `None` takes it away.
    pub(super) fn set(
        &mut self,
        topic: &TopicName,
        partition: PartitionIndex,
        offset: Option<CommittedOffset>,
    ) {
        match offset {
            Some(offset) => {
                self.topics.entry(topic.clone()).or_default().insert(partition, offset);
            }
            None => {
                if let Some(partitions) = self.topics.get_mut(topic) {
                    partitions.remove(&partition);
                    if partitions.is_empty() {
                        self.topics.remove(topic);
                    }
                }
            }
        }
    }

    /// The places whose offset fulfils a condition.
    pub(super) fn find(
        &self,
        condition: impl Fn(&TopicName, &CommittedOffset) -> bool,
    ) -> Vec<Place> {
        let all = self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, offset)| (topic, *partition, offset))
        });
        all.filter(|(topic, _, offset)| condition(topic, offset))
            .map(|(topic, partition, _)| (topic.clone(), partition))
            .collect()
    }

    /// The partitions among `asked` of one topic that have an offset, each once.
    pub(super) fn places(&self, topic: &str, asked: &[i32]) -> Vec<Place> {
        let Some((topic, partitions)) = self.topics.get_key_value(topic) else { return Vec::new() };
        let asked = asked.iter().copied().filter_map(PartitionIndex::from_wire);
        let asked: BTreeSet<_> = asked.filter(|index| partitions.contains_key(index)).collect();
        asked.into_iter().map(|partition| (topic.clone(), partition)).collect()
    }
}
