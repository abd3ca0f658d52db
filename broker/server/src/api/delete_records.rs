//! DeleteRecords: moves the start of logs. What may be removed is decided in
//! `core::replication::delete_records`.

use std::sync::Arc;

use millrace_core::replication::fetch_session::TopicRef;
use millrace_types::{ErrorCode, Offset};
use millrace_wire::messages::delete_records::{
    Request, RequestTopicPartition, Response, ResponseTopic, ResponseTopicPartition,
};

use super::RequestContext;
use crate::refusal::Refusal;

/// Answers a DeleteRecords.
///
/// # Errors
/// None: each partition is answered by itself.
pub async fn handle<'a>(
    context: &RequestContext,
    request: Request<'a>,
) -> Result<Response<'a>, Refusal> {
    let answer = |name: &Arc<str>, asked: &RequestTopicPartition| {
        let deleted = delete(context, name, asked);
        context.count(deleted.err().unwrap_or_default());
        ResponseTopicPartition {
            partition_index: asked.partition_index,
            low_watermark: deleted.map_or(-1, Offset::to_wire),
            error_code: deleted.err().unwrap_or_default().code(),
        }
    };
    let topics = request.topics.into_iter().map(|topic| {
        let name: Arc<str> = Arc::from(&*topic.name);
        let partitions = topic.partitions.iter().map(|asked| answer(&name, asked)).collect();
        ResponseTopic { name: topic.name, partitions }
    });
    Ok(Response { topics: topics.collect(), ..Response::default() })
}

fn delete(
    context: &RequestContext,
    name: &Arc<str>,
    asked: &RequestTopicPartition,
) -> Result<Offset, ErrorCode> {
    let topic = TopicRef::Name(Arc::clone(name));
    let partition = context.broker.partitions().find(&topic, asked.partition_index)?;
    partition.delete_records(asked.offset).map_err(|error| error.error_code())
}
