//! API 75: topics page by page. Source: KIP-966, Kafka's `DescribeTopicPartitionsRequestHandler`.

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_core::metadata::{Image, Topic, is_internal};
use millrace_types::{ErrorCode, TopicName};
use millrace_wire::messages::describe_topic_partitions::{
    Request, Response, ResponseNextCursor, ResponseTopic, ResponseTopicPartition,
};

use super::{RequestContext, authorized, metadata};
use crate::refusal::Refusal;

/// Answers with as many partitions as one page may have, by name of topic and number.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let image = context.broker.image();
    let cursor = request.cursor.as_ref();
    if cursor.is_some_and(|cursor| cursor.partition_index < 0) {
        let topics = request.topics.iter();
        let topics = topics.map(|topic| refused(context, &topic.name, ErrorCode::InvalidRequest));
        return Ok(Response { topics: topics.collect(), ..Response::default() });
    }
    let (first, first_partition) = match cursor {
        Some(cursor) => (cursor.topic_name.to_string(), cursor.partition_index),
        None => (String::new(), 0),
    };
    let names: BTreeSet<String> = if request.topics.is_empty() {
        image.topics().map(|topic| topic.name.to_string()).collect()
    } else {
        request.topics.iter().map(|topic| topic.name.to_string()).collect()
    };
    let allowed = context.broker.config().network.described_partitions_max;
    let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
    let mut page =
        Page { context, image: &image, room: limit.clamp(1, allowed), topics: Vec::new() };
    for name in names.range(first.clone()..) {
        let from = if *name == first { usize::try_from(first_partition).unwrap_or(0) } else { 0 };
        if let Some(partition) = page.add(name, from) {
            let next_cursor = ResponseNextCursor {
                topic_name: name.clone().into(),
                partition_index: i32::try_from(partition).unwrap_or(i32::MAX),
            };
            let topics = page.topics;
            return Ok(Response { topics, next_cursor: Some(next_cursor), ..Response::default() });
        }
    }
    Ok(Response { topics: page.topics, next_cursor: None, ..Response::default() })
}

fn refused(context: &RequestContext, name: &str, error: ErrorCode) -> ResponseTopic<'static> {
    context.count(error);
    ResponseTopic {
        error_code: error.code(),
        name: Some(name.to_owned().into()),
        topic_authorized_operations: authorized::NOT_ASKED,
        ..ResponseTopic::default()
    }
}

struct Page<'a> {
    context: &'a RequestContext,
    image: &'a Image,
    room: usize,
    topics: Vec<ResponseTopic<'static>>,
}

impl Page<'_> {
    /// Adds a topic from a partition on; answers with the first partition that has no room.
    fn add(&mut self, name: &str, from: usize) -> Option<usize> {
        let Some(topic) = self.image.topic(name) else {
            let error = match TopicName::parse(name) {
                Ok(_) => ErrorCode::UnknownTopicOrPartition,
                Err(_) => ErrorCode::InvalidTopicException,
            };
            self.topics.push(refused(self.context, name, error));
            return None;
        };
        if self.room == 0 {
            return Some(from);
        }
        let partitions = self.partitions(topic, from);
        let end = from.saturating_add(partitions.len());
        self.room -= partitions.len();
        self.topics.push(ResponseTopic {
            error_code: ErrorCode::None.code(),
            name: Some(name.to_owned().into()),
            topic_id: topic.id,
            is_internal: is_internal(topic.name.as_str()),
            partitions,
            topic_authorized_operations: authorized::topic(true),
        });
        (end < topic.partitions.len()).then_some(end)
    }

    fn partitions(&self, topic: &Arc<Topic>, from: usize) -> Vec<ResponseTopicPartition> {
        let listener = &self.context.connection.listener;
        topic
            .indexed()
            .skip(from)
            .take(self.room)
            .map(|(index, partition)| {
                let (leader_id, error) = metadata::leader_on(self.image, partition, listener);
                ResponseTopicPartition {
                    error_code: error.code(),
                    partition_index: index.to_wire(),
                    leader_id,
                    leader_epoch: partition.leader_epoch.to_wire(),
                    replica_nodes: metadata::ids(&partition.replicas),
                    isr_nodes: metadata::ids(&partition.isr),
                    eligible_leader_replicas: Some(Vec::new()),
                    last_known_elr: Some(Vec::new()),
                    offline_replicas: metadata::offline(self.image, partition),
                }
            })
            .collect()
    }
}
