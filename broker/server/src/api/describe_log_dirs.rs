//! API 35: where the logs are and how large.
//!
//! Source: KIP-113, KIP-827; Kafka's `ReplicaManager.describeLogDirs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_types::ErrorCode;
use millrace_wire::messages::describe_log_dirs::{
    Request, RequestTopic, Response, ResponseResult, ResponseResultTopic,
    ResponseResultTopicPartition,
};

use super::RequestContext;
use crate::partition::Partition;
use crate::refusal::Refusal;

/// Answers for the one directory that a broker has.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let partitions = context.broker.partitions();
    let topics = topics(partitions.all(), request.topics.as_deref());
    let dir = Arc::clone(partitions.dir());
    let log_dir = dir.root().display().to_string().into();
    let result = match context.broker.env().blocking.run(move || dir.space()).await {
        Ok(space) => ResponseResult {
            log_dir,
            topics,
            total_bytes: to_wire(space.total_bytes),
            usable_bytes: to_wire(space.usable_bytes),
            ..ResponseResult::default()
        },
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "the size of the volume cannot be told");
            context.count(ErrorCode::KafkaStorageError);
            let error_code = ErrorCode::KafkaStorageError.code();
            ResponseResult { error_code, log_dir, ..ResponseResult::default() }
        }
    };
    Ok(Response { results: vec![result], ..Response::default() })
}

/// The sizes of the partitions that are asked for: all if no topic is named.
fn topics(
    partitions: Vec<Arc<Partition>>,
    asked: Option<&[RequestTopic<'_>]>,
) -> Vec<ResponseResultTopic<'static>> {
    let asked: Option<BTreeSet<(&str, i32)>> = asked.map(|topics| {
        let all = |topic: &'_ RequestTopic<'_>| -> Vec<i32> { topic.partitions.clone() };
        let pairs = topics
            .iter()
            .flat_map(|topic| all(topic).into_iter().map(|index| (topic.topic.as_ref(), index)));
        pairs.collect()
    });
    let mut topics: BTreeMap<String, Vec<ResponseResultTopicPartition>> = BTreeMap::new();
    for partition in partitions {
        let (name, index) = (partition.id().topic.as_str(), partition.id().partition.to_wire());
        if asked.as_ref().is_none_or(|asked| asked.contains(&(name, index))) {
            let described = ResponseResultTopicPartition {
                partition_index: index,
                partition_size: to_wire(partition.reader().size_bytes()),
                ..ResponseResultTopicPartition::default()
            };
            topics.entry(name.to_owned()).or_default().push(described);
        }
    }
    let topic =
        |(name, partitions): (String, _)| ResponseResultTopic { name: name.into(), partitions };
    topics.into_iter().map(topic).collect()
}

fn to_wire(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
