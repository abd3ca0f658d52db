//! API 9: the progress of consumers, as it was committed.

use std::collections::BTreeSet;

use millrace_core::group::{
    CommittedOffset, FetchedTopic, GroupError, OffsetFetchRequest, TopicToFetch,
};
use millrace_core::metadata::Image;
use millrace_types::{ErrorCode, LeaderEpoch, TopicId};
use millrace_wire::messages::offset_fetch::{
    Request, RequestGroup, RequestGroupTopic, RequestTopic, Response, ResponseGroup,
    ResponseGroupTopic, ResponseGroupTopicPartition, ResponseTopic, ResponseTopicPartition,
};

use super::RequestContext;
use super::group_fields::{ask, group, refusal, text};
use super::once::{fresh, once};
use crate::refusal::Refusal;

/// From this version on a request names several groups.
const SEVERAL_FROM: i16 = 8;
/// The first version that can refuse a group as a whole.
const GROUP_ERROR_FROM: i16 = 2;
/// The first version in which topics are named by their ids.
const BY_ID_FROM: i16 = 10;

/// Answers with what is committed. That is always stable: nothing is told before it is durable, and
/// there are no transactions whose offsets could be pending, so `require_stable` changes nothing.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    if context.version >= SEVERAL_FROM {
        let mut groups = Vec::with_capacity(request.groups.len());
        for asked in once(request.groups, |asked| asked.group_id.clone()) {
            groups.push(fetch(context, asked).await);
        }
        return Ok(Response { groups, ..Response::default() });
    }
    let topics = request.topics.as_ref();
    let topics = topics.map(|topics| topics.iter().map(new_form).collect());
    let asked = RequestGroup { group_id: request.group_id, topics, ..RequestGroup::default() };
    let fetched = fetch(context, asked).await;
    Ok(Response {
        topics: fetched.topics.into_iter().map(old_form).collect(),
        error_code: fetched.error_code,
        ..Response::default()
    })
}

async fn fetch(context: &RequestContext, asked: RequestGroup<'_>) -> ResponseGroup<'static> {
    let asked = without_repetitions(asked);
    let image = context.broker.image();
    let known = |topic: &&RequestGroupTopic<'_>| name_of(context, &image, topic).is_some();
    let wanted = |topic: &RequestGroupTopic<'_>| TopicToFetch {
        topic: name_of(context, &image, topic).unwrap_or_default().into(),
        topic_id: (context.version >= BY_ID_FROM).then_some(topic.topic_id),
        partitions: topic.partition_indexes.clone(),
    };
    let topics = asked.topics.as_ref();
    let topics = topics.map(|topics| topics.iter().filter(known).map(wanted).collect());
    let command = OffsetFetchRequest { group: group(&asked.group_id), topics };
    let mut response =
        ResponseGroup { group_id: text(&asked.group_id), ..ResponseGroup::default() };
    match (ask(context, command).await, &asked.topics) {
        (Ok(fetched), Some(topics)) => {
            let mut fetched = fetched.into_iter();
            let each = |topic: &RequestGroupTopic<'_>| {
                let found = known(&topic).then(|| fetched.next()).flatten();
                match found {
                    Some(found) => topic_of(&found, text(&topic.name), topic.topic_id),
                    None => refused(topic, count(context, ErrorCode::UnknownTopicId)),
                }
            };
            response.topics = topics.iter().map(each).collect();
        }
        (Ok(fetched), None) => {
            let all = fetched.iter().filter_map(|found| everything(context, &image, found));
            response.topics = all.collect();
        }
        (Err(error), topics) => fail(context, &mut response, topics.as_deref(), &error),
    }
    response
}

/// Each partition once: what is committed with an offset may be long.
fn without_repetitions(mut asked: RequestGroup<'_>) -> RequestGroup<'_> {
    let mut seen = BTreeSet::new();
    if let Some(topics) = &mut asked.topics {
        topics.retain_mut(|topic| {
            let key = (topic.topic_id, topic.name.clone());
            let indexes = fresh(&mut seen, &key, &topic.partition_indexes);
            let is_new = indexes.is_some();
            topic.partition_indexes = indexes.unwrap_or_default();
            is_new
        });
    }
    asked
}

/// The name of a topic that is asked for; `None` if its id is unknown. Names need not exist.
fn name_of<'a>(
    context: &RequestContext,
    image: &'a Image,
    topic: &'a RequestGroupTopic<'_>,
) -> Option<&'a str> {
    if context.version >= BY_ID_FROM {
        image.topic_by_id(topic.topic_id).map(|topic| topic.name.as_str())
    } else {
        Some(&topic.name)
    }
}

/// A topic of the answer to who asks for everything; one without id cannot be told by id.
fn everything(
    context: &RequestContext,
    image: &Image,
    found: &FetchedTopic,
) -> Option<ResponseGroupTopic<'static>> {
    let id = image.topic(&found.topic).map(|topic| topic.id);
    let id = if context.version >= BY_ID_FROM { id? } else { TopicId::default() };
    Some(topic_of(found, text(&found.topic), id))
}

fn topic_of(
    found: &FetchedTopic,
    name: std::borrow::Cow<'static, str>,
    topic_id: TopicId,
) -> ResponseGroupTopic<'static> {
    let partitions = found.partitions.iter();
    let partitions = partitions.map(|(index, offset)| partition(*index, offset.as_ref()));
    ResponseGroupTopic { name, topic_id, partitions: partitions.collect() }
}

fn partition(
    partition_index: i32,
    offset: Option<&CommittedOffset>,
) -> ResponseGroupTopicPartition<'static> {
    ResponseGroupTopicPartition {
        partition_index,
        committed_offset: offset.map_or(-1, |offset| offset.offset),
        committed_leader_epoch: offset
            .and_then(|offset| offset.leader_epoch)
            .map_or(-1, LeaderEpoch::to_wire),
        metadata: Some(text(offset.map_or("", |offset| &offset.metadata))),
        error_code: ErrorCode::None.code(),
    }
}

fn refused(topic: &RequestGroupTopic<'_>, code: ErrorCode) -> ResponseGroupTopic<'static> {
    let partitions = topic.partition_indexes.iter().map(|index| ResponseGroupTopicPartition {
        error_code: code.code(),
        ..partition(*index, None)
    });
    ResponseGroupTopic {
        name: text(&topic.name),
        topic_id: topic.topic_id,
        partitions: partitions.collect(),
    }
}

fn fail(
    context: &RequestContext,
    response: &mut ResponseGroup<'static>,
    topics: Option<&[RequestGroupTopic<'_>]>,
    error: &GroupError,
) {
    let code = refusal(context, error);
    if context.version >= GROUP_ERROR_FROM {
        response.error_code = code.code();
    } else {
        let topics = topics.unwrap_or_default();
        response.topics = topics.iter().map(|topic| refused(topic, code)).collect();
    }
}

fn count(context: &RequestContext, code: ErrorCode) -> ErrorCode {
    context.count(code);
    code
}

fn new_form<'a>(topic: &RequestTopic<'a>) -> RequestGroupTopic<'a> {
    RequestGroupTopic {
        name: topic.name.clone(),
        partition_indexes: topic.partition_indexes.clone(),
        ..RequestGroupTopic::default()
    }
}

fn old_form(topic: ResponseGroupTopic<'static>) -> ResponseTopic<'static> {
    let partitions = topic.partitions.into_iter().map(|partition| ResponseTopicPartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    });
    ResponseTopic { name: topic.name, partitions: partitions.collect() }
}
