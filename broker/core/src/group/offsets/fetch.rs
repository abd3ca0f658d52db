//! OffsetFetch: what is committed.
//!
//! The answer may hold what is still on its way to the log; `group.rs` holds it back until then,
//! so that no offset is told that a failed append could take back.

use millrace_types::{PartitionIndex, TopicId, TopicName};

use crate::group::committed::{CommittedOffset, Offsets, Partitions};
use crate::group::reply::FetchedTopic;
use crate::group::request::{OffsetFetchRequest, TopicToFetch};
use crate::group::state::Group;

/// The offsets that are asked for. A group that does not exist has none, which is no error.
pub(crate) fn fetch(group: Option<&Group>, request: &OffsetFetchRequest) -> Vec<FetchedTopic> {
    let offsets = group.map(|group| &group.offsets);
    match &request.topics {
        Some(topics) => topics.iter().map(|topic| fetch_topic(offsets, topic)).collect(),
        None => offsets.map(fetch_all).unwrap_or_default(),
    }
}

fn fetch_topic(offsets: Option<&Offsets>, wanted: &TopicToFetch) -> FetchedTopic {
    let find = |partition: i32| {
        let offset = offsets?.get(&wanted.topic, PartitionIndex::from_wire(partition)?)?;
        is_of_topic(offset, wanted.topic_id).then(|| offset.clone())
    };
    let partitions = wanted.partitions.iter().map(|&partition| (partition, find(partition)));
    FetchedTopic { topic: wanted.topic.clone(), partitions: partitions.collect() }
}

/// Whether an offset belongs to the topic of that id. One without id, as old brokers wrote, does.
fn is_of_topic(offset: &CommittedOffset, wanted: Option<TopicId>) -> bool {
    offset.topic_id.is_zero() || wanted.is_none_or(|wanted| offset.topic_id == wanted)
}

fn fetch_all(offsets: &Offsets) -> Vec<FetchedTopic> {
    let topic = |(topic, partitions): (&TopicName, &Partitions)| {
        let partitions = partitions.iter();
        let partitions = partitions.map(|(index, offset)| (index.to_wire(), Some(offset.clone())));
        FetchedTopic { topic: topic.as_str().into(), partitions: partitions.collect() }
    };
    offsets.topics().map(topic).collect()
}
