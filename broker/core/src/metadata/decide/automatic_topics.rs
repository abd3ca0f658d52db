//! How a topic looks that is created because somebody asked for it.
//!
//! Source: Kafka's `DefaultAutoTopicCreationManager` and
//! `GroupCoordinatorService.groupMetadataTopicConfigs`.

use millrace_types::TopicId;

use super::create_topics::NewTopic;
use crate::config::BrokerConfig;
use crate::metadata::topic_rules::CONSUMER_OFFSETS;

/// The topic with the defaults of the broker, or with those of the offsets topic.
pub fn automatic_topic(name: &str, id: TopicId, config: &BrokerConfig) -> NewTopic {
    let ordinary = NewTopic {
        name: name.to_owned(),
        id,
        partitions: -1,
        replication_factor: -1,
        assignments: Vec::new(),
        configs: Vec::new(),
    };
    if name != CONSUMER_OFFSETS {
        return ordinary;
    }
    let groups = &config.groups;
    let set = |name: &str, value: String| (name.to_owned(), Some(value));
    NewTopic {
        partitions: i32::try_from(groups.offsets_topic_partitions).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(groups.offsets_topic_replication_factor)
            .unwrap_or(i16::MAX),
        configs: vec![
            set("cleanup.policy", "compact".to_owned()),
            set("compression.type", "producer".to_owned()),
            set("segment.bytes", groups.offsets_topic_segment_bytes.to_string()),
        ],
        ..ordinary
    }
}

#[cfg(test)]
mod tests {
    use super::automatic_topic;
    use crate::metadata::decide::create_topics::{CreateTopics, decide};
    use crate::metadata::fixture::{Fixture, id};

    #[test]
    fn the_offsets_topic_is_compacted_and_has_counts_of_its_own() {
        let configs = [
            ("offsets.topic.num.partitions", "7"),
            ("offsets.topic.replication.factor", "2"),
            ("num.partitions", "3"),
        ];
        let fixture = Fixture::new(2, &configs);
        let topics = ["__consumer_offsets", "a"].map(|name| {
            automatic_topic(name, id(u8::try_from(name.len()).unwrap()), &fixture.config)
        });
        let command = CreateTopics { topics: topics.to_vec(), is_validate_only: false };
        let decision = decide(&fixture.image, &command, fixture.context());
        let counts: Vec<(usize, usize)> = decision
            .reply
            .iter()
            .flatten()
            .map(|created| (created.partitions, created.replication_factor))
            .collect();
        assert_eq!(counts, [(7, 2), (3, 1)]);
    }
}
