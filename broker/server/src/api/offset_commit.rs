//! API 8: a consumer's progress is kept. Answers when it is durable.

use std::sync::Arc;

use millrace_core::group::{GroupError, OffsetCommitRequest, OffsetToCommit};
use millrace_core::metadata::{Image, Topic};
use millrace_types::{ErrorCode, LeaderEpoch, PartitionIndex};
use millrace_wire::messages::offset_commit::{
    Request, RequestTopic, RequestTopicPartition, Response, ResponseTopic, ResponseTopicPartition,
};

use super::RequestContext;
use super::group_fields::{ask, generation, group, instance, member, text};
use crate::refusal::Refusal;

/// The first version whose clients know GROUP_ID_NOT_FOUND. Source: KIP-848.
const NOT_FOUND_FROM: i16 = 9;
/// The first version in which topics are named by their ids.
const BY_ID_FROM: i16 = 10;

/// What each partition is refused with before the coordinator is asked, topic by topic.
type Refused = Vec<Vec<Option<ErrorCode>>>;

/// Commits the offsets of partitions that exist; the others are refused one by one.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let image = context.broker.image();
    let mut offsets = Vec::new();
    let mut refused: Refused = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let found = find(context, &image, topic);
        let partitions = topic.partitions.iter().map(|partition| {
            match found.and_then(|found| offset(found, partition)) {
                Ok(offset) => {
                    offsets.push(offset);
                    None
                }
                Err(code) => Some(code),
            }
        });
        refused.push(partitions.collect());
    }
    let results = if offsets.is_empty() {
        Ok(Vec::new())
    } else {
        ask(context, command(&request, offsets)).await
    };
    Ok(respond(context, &request, refused, results))
}

fn command(request: &Request<'_>, offsets: Vec<OffsetToCommit>) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group: group(&request.group_id),
        generation: generation(request.generation_id_or_member_epoch),
        member: member(&request.member_id),
        instance: instance(request.group_instance_id.as_ref()),
        retention_ms: (request.retention_time_ms >= 0).then_some(request.retention_time_ms),
        offsets,
    }
}

fn find<'a>(
    context: &RequestContext,
    image: &'a Image,
    topic: &RequestTopic<'_>,
) -> Result<&'a Arc<Topic>, ErrorCode> {
    if context.version >= BY_ID_FROM {
        image.topic_by_id(topic.topic_id).ok_or(ErrorCode::UnknownTopicId)
    } else {
        image.topic(&topic.name).ok_or(ErrorCode::UnknownTopicOrPartition)
    }
}

fn offset(
    topic: &Arc<Topic>,
    asked: &RequestTopicPartition<'_>,
) -> Result<OffsetToCommit, ErrorCode> {
    let partition = PartitionIndex::from_wire(asked.partition_index)
        .filter(|index| topic.partition(*index).is_some())
        .ok_or(ErrorCode::UnknownTopicOrPartition)?;
    Ok(OffsetToCommit {
        topic: topic.name.clone(),
        topic_id: topic.id,
        partition,
        offset: asked.committed_offset,
        leader_epoch: LeaderEpoch::from_wire(asked.committed_leader_epoch),
        metadata: asked.committed_metadata.as_deref().unwrap_or_default().into(),
    })
}

fn respond(
    context: &RequestContext,
    request: &Request<'_>,
    refused: Refused,
    results: Result<Vec<Result<(), GroupError>>, GroupError>,
) -> Response<'static> {
    let mut codes = Codes::of(context, results);
    let topics = request.topics.iter().zip(refused).map(|(topic, refused)| {
        let partitions = topic.partitions.iter().zip(refused).map(|(partition, refused)| {
            let code = refused.unwrap_or_else(|| codes.next());
            context.count(code);
            ResponseTopicPartition {
                partition_index: partition.partition_index,
                error_code: code.code(),
            }
        });
        ResponseTopic {
            name: text(&topic.name),
            topic_id: topic.topic_id,
            partitions: partitions.collect(),
        }
    });
    Response { topics: topics.collect(), ..Response::default() }
}

/// What the coordinator says of each offset, in order.
enum Codes {
    Each(std::vec::IntoIter<Result<(), GroupError>>),
    All(ErrorCode),
}

impl Codes {
    fn of(
        context: &RequestContext,
        results: Result<Vec<Result<(), GroupError>>, GroupError>,
    ) -> Codes {
        match results {
            Ok(results) => Codes::Each(results.into_iter()),
            Err(GroupError::GroupNotFound { .. }) if context.version < NOT_FOUND_FROM => {
                Codes::All(ErrorCode::IllegalGeneration)
            }
            Err(error) => Codes::All(ErrorCode::from(&error)),
        }
    }

    fn next(&mut self) -> ErrorCode {
        match self {
            Codes::All(code) => *code,
            Codes::Each(results) => match results.next() {
                Some(Err(error)) => ErrorCode::from(&error),
                Some(Ok(())) | None => ErrorCode::None,
            },
        }
    }
}
