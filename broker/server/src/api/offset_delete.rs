//! API 47: offsets that nobody uses are deleted. Source: KIP-496.

use std::sync::Arc;

use millrace_core::group::{GroupError, OffsetDeleteRequest};
use millrace_core::metadata::Image;
use millrace_types::{ErrorCode, PartitionIndex};
use millrace_wire::messages::offset_delete::{
    Request, RequestTopic, Response, ResponseTopic, ResponseTopicPartition,
};

use super::RequestContext;
use super::group_fields::{ask, code, group, text};
use crate::refusal::Refusal;

/// Deletes offsets of partitions that exist.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let image = context.broker.image();
    let topics = request.topics.iter().map(|topic| {
        let asked = topic.partitions.iter().map(|partition| partition.partition_index);
        let known = asked.filter(|index| exists(&image, &topic.name, *index));
        (Arc::from(&*topic.name), known.collect())
    });
    let command = OffsetDeleteRequest { group: group(&request.group_id), topics: topics.collect() };
    let results = match ask(context, command).await {
        Ok(results) => results,
        Err(error) => {
            let error_code = code::<()>(context, &Err(error));
            return Ok(Response { error_code, ..Response::default() });
        }
    };
    let topics = request.topics.iter().zip(&results);
    let topics = topics.map(|(topic, result)| answer(context, &image, topic, result));
    Ok(Response { topics: topics.collect(), ..Response::default() })
}

fn exists(image: &Image, topic: &str, index: i32) -> bool {
    let partition = PartitionIndex::from_wire(index);
    let topic = image.topic(topic);
    partition.zip(topic).is_some_and(|(index, topic)| topic.partition(index).is_some())
}

fn answer(
    context: &RequestContext,
    image: &Image,
    topic: &RequestTopic<'_>,
    result: &Result<(), GroupError>,
) -> ResponseTopic<'static> {
    let partitions = topic.partitions.iter().map(|partition| {
        let partition_index = partition.partition_index;
        let error_code = if exists(image, &topic.name, partition_index) {
            code(context, result)
        } else {
            context.count(ErrorCode::UnknownTopicOrPartition);
            ErrorCode::UnknownTopicOrPartition.code()
        };
        ResponseTopicPartition { partition_index, error_code }
    });
    ResponseTopic { name: text(&topic.name), partitions: partitions.collect() }
}
