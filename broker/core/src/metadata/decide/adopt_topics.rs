//! Takes over the partitions that lie in a log directory of Apache Kafka, at the first start on it.
//!
//! The directory names every partition, and its `partition.metadata` the id of its topic. Configs
//! lie in Kafka's own metadata and are not taken over; only what groups keep is compacted again.

use std::collections::{BTreeMap, BTreeSet};

use millrace_types::{BrokerId, LeaderEpoch, PartitionIndex, TopicId, TopicName};

use super::Decision;
use crate::metadata::image::Image;
use crate::metadata::record::{ConfigOwner, Record, is_reserved};
use crate::metadata::state::Partition;
use crate::metadata::topic_rules::{CLUSTER_METADATA, CONSUMER_OFFSETS};

/// A partition that was found on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundPartition {
    /// The topic's name.
    pub name: TopicName,
    /// The partition.
    pub partition: PartitionIndex,
    /// The topic's id.
    pub topic_id: TopicId,
    /// The latest leader epoch in its log; it is led in the next one.
    pub leader_epoch: LeaderEpoch,
}

/// A topic that was not taken over, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdoptError {
    /// Not all of its partitions are there.
    #[error("topic {name} has partition {highest} on this disk but only {found} partition(s)")]
    Gap {
        /// The topic.
        name: TopicName,
        /// Its highest partition on the disk.
        highest: PartitionIndex,
        /// How many there are.
        found: usize,
    },
    /// Its partitions say different ids.
    #[error("partitions of topic {name} are of the topic ids {one} and {other}")]
    Ids {
        /// The topic.
        name: TopicName,
        /// One id.
        one: TopicId,
        /// Another.
        other: TopicId,
    },
    /// The id cannot be that of a topic.
    #[error("topic {name} has the id {id}, which is taken or reserved")]
    Id {
        /// The topic.
        name: TopicName,
        /// The id.
        id: TopicId,
    },
}

/// Decides which topics are taken over, and tells which are not.
///
/// The caller makes sure that this is the first start on the directory: later, a directory that no
/// topic stands for is what a deleted topic left.
pub fn decide(
    image: &Image,
    found: &[FoundPartition],
    broker: BrokerId,
) -> Decision<Vec<AdoptError>> {
    let mut topics: BTreeMap<&TopicName, BTreeMap<PartitionIndex, &FoundPartition>> =
        BTreeMap::new();
    // Kafka's own metadata lies among its partitions and is none of ours.
    for partition in found.iter().filter(|found| found.name.as_str() != CLUSTER_METADATA) {
        topics.entry(&partition.name).or_default().insert(partition.partition, partition);
    }
    let mut names_of: BTreeMap<TopicId, BTreeSet<&TopicName>> = BTreeMap::new();
    for partition in found {
        names_of.entry(partition.topic_id).or_default().insert(&partition.name);
    }
    let mut records = Vec::new();
    let mut errors = Vec::new();
    for (name, partitions) in topics {
        let adopted = adopt(image, name, &partitions, broker).and_then(|(topic_id, record)| {
            // A directory that was copied under another name still says the id of the original.
            match names_of.get(&topic_id) {
                Some(names) if names.len() > 1 => {
                    Err(AdoptError::Id { name: name.clone(), id: topic_id })
                }
                Some(_) | None => Ok((topic_id, record)),
            }
        });
        match adopted {
            Ok((topic_id, record)) => {
                records.push(record);
                if name.as_str() == CONSUMER_OFFSETS {
                    records.push(Record::ConfigChanged {
                        owner: ConfigOwner::Topic(topic_id),
                        name: "cleanup.policy".to_owned(),
                        value: Some("compact".to_owned()),
                    });
                }
            }
            Err(error) => errors.push(error),
        }
    }
    if !records.is_empty() {
        let next_producer_id = image.next_producer_id().max(PRODUCER_IDS_AFTER_ADOPTION);
        records.push(Record::ProducerIdsAllocated { broker_id: broker, next_producer_id });
    }
    Decision { records, reply: errors }
}

/// Where producer ids go on: the logs remember those of the other cluster, which counted from 0 and
/// gave out a block of 1,000 to each broker at each start.
const PRODUCER_IDS_AFTER_ADOPTION: u64 = 1 << 40;

fn adopt(
    image: &Image,
    name: &TopicName,
    partitions: &BTreeMap<PartitionIndex, &FoundPartition>,
    broker: BrokerId,
) -> Result<(TopicId, Record), AdoptError> {
    let mut ids = partitions.values().map(|partition| partition.topic_id);
    let one = ids.next().unwrap_or_default();
    if let Some(other) = ids.find(|id| *id != one) {
        return Err(AdoptError::Ids { name: name.clone(), one, other });
    }
    if is_reserved(one) || image.topic_by_id(one).is_some() {
        return Err(AdoptError::Id { name: name.clone(), id: one });
    }
    let highest = partitions.last_key_value().map(|(index, _)| *index).unwrap_or_default();
    let found = partitions.len();
    if u64::from(highest.get()) + 1 != found as u64 {
        return Err(AdoptError::Gap { name: name.clone(), highest, found });
    }
    let partitions = partitions
        .values()
        .map(|partition| Partition {
            replicas: vec![broker],
            isr: vec![broker],
            leader: Some(broker),
            leader_epoch: partition.leader_epoch.next(),
            partition_epoch: 0,
        })
        .collect();
    Ok((one, Record::TopicCreated { topic_id: one, name: name.clone(), partitions }))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use millrace_types::{LeaderEpoch, PartitionIndex, TopicName, Uuid};

    use super::{FoundPartition, decide};
    use crate::metadata::fixture::{Fixture, broker, id};

    fn found(name: &str, partition: i32, topic_id: Uuid) -> FoundPartition {
        FoundPartition {
            name: TopicName::parse(name).unwrap(),
            partition: PartitionIndex::from_wire(partition).unwrap(),
            topic_id,
            leader_epoch: LeaderEpoch::from_wire(4).unwrap(),
        }
    }

    #[test]
    fn whole_topics_are_taken_over_with_their_ids() {
        let mut fixture = Fixture::new(1, &[]);
        let partitions = [
            found("a", 1, id(1)),
            found("a", 0, id(1)),
            found("gap", 1, id(2)),
            found("mixed", 0, id(3)),
            found("mixed", 1, id(4)),
            found("unnamed", 0, Uuid::ZERO),
            found("__cluster_metadata", 0, id(6)),
            found("__consumer_offsets", 0, id(5)),
            found("copied", 0, id(6)),
            found("copy", 0, id(6)),
        ];
        let decision = decide(&fixture.image, &partitions, broker(1));
        let refused: Vec<String> = decision.reply.iter().map(ToString::to_string).collect();
        expect![[r#"
            [
                "topic copied has the id BgYGBgYGBgYGBgYGBgYGBg, which is taken or reserved",
                "topic copy has the id BgYGBgYGBgYGBgYGBgYGBg, which is taken or reserved",
                "topic gap has partition 1 on this disk but only 1 partition(s)",
                "partitions of topic mixed are of the topic ids AwMDAwMDAwMDAwMDAwMDAw and BAQEBAQEBAQEBAQEBAQEBA",
                "topic unnamed has the id AAAAAAAAAAAAAAAAAAAAAA, which is taken or reserved",
            ]
        "#]]
        .assert_debug_eq(&refused);
        fixture.apply(&decision.records);
        assert_eq!(fixture.image.next_producer_id(), 1 << 40);
        let topic = fixture.image.topic("a").unwrap();
        assert_eq!((topic.id, topic.partitions.len()), (id(1), 2));
        assert!(topic.partitions.iter().all(|partition| partition.leader_epoch.to_wire() == 5));
        let offsets = fixture.image.topic("__consumer_offsets").unwrap();
        assert_eq!(offsets.values.get("cleanup.policy").map(String::as_str), Some("compact"));
    }
}
