//! OffsetForLeaderEpoch: where the records of a leader end, so that a reader sees whether it has any
//! that no later leader knows. Source: KIP-101, KIP-320.

use std::sync::Arc;

use millrace_core::replication::fetch_session::TopicRef;
use millrace_types::{ErrorCode, LeaderEpoch, Offset};
use millrace_wire::messages::offset_for_leader_epoch::{
    Request, RequestTopicPartition, Response, ResponseTopic, ResponseTopicPartition,
};

use super::RequestContext;
use crate::refusal::Refusal;

/// Answers an OffsetForLeaderEpoch.
///
/// # Errors
/// None: each partition is answered by itself.
pub async fn handle<'a>(
    context: &RequestContext,
    request: Request<'a>,
) -> Result<Response<'a>, Refusal> {
    let answer = |name: &Arc<str>, asked: &RequestTopicPartition| {
        let topic = TopicRef::Name(Arc::clone(name));
        let found = look_up(context, &topic, asked);
        let (code, end) = match found {
            Ok(end) => (ErrorCode::None, end),
            Err(code) => (code, None),
        };
        context.count(code);
        ResponseTopicPartition {
            partition: asked.partition,
            error_code: code.code(),
            leader_epoch: end.map_or(-1, |(epoch, _)| epoch.to_wire()),
            end_offset: end.map_or(-1, |(_, offset)| offset.to_wire()),
        }
    };
    let topics = request.topics.into_iter().map(|topic| {
        let name: Arc<str> = Arc::from(&*topic.topic);
        let partitions = topic.partitions.iter().map(|asked| answer(&name, asked)).collect();
        ResponseTopic { topic: topic.topic, partitions }
    });
    Ok(Response { topics: topics.collect(), ..Response::default() })
}

fn look_up(
    context: &RequestContext,
    topic: &TopicRef,
    asked: &RequestTopicPartition,
) -> Result<Option<(LeaderEpoch, Offset)>, ErrorCode> {
    let partition = context.broker.partitions().find(topic, asked.partition)?;
    let given = LeaderEpoch::from_wire(asked.current_leader_epoch);
    partition.check_leader(given).map_err(|error| error.error_code())?;
    let wanted = LeaderEpoch::from_wire(asked.leader_epoch);
    Ok(wanted.and_then(|wanted| partition.reader().epoch_end(wanted)))
}
