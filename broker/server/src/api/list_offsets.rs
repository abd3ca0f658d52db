//! ListOffsets: places in a log by name or by time. What is asked is decided in
//! `core::replication::list_offsets`.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_core::replication::fetch_session::TopicRef;
use millrace_core::replication::last_stable::{Isolation, Reader};
use millrace_core::replication::list_offsets::{FoundOffset, Lookup, OffsetSpec};
use millrace_log::LOOK_UP_BYTES_MAX;
use millrace_types::{ErrorCode, LeaderEpoch, Offset, TimestampMs};
use millrace_wire::messages::list_offsets::{
    Request, RequestTopicPartition, Response, ResponseTopic, ResponseTopicPartition,
};

use super::RequestContext;
use crate::partition::{Partition, PartitionError};
use crate::refusal::Refusal;

/// Answers a ListOffsets.
///
/// # Errors
/// None: each partition is answered by itself.
pub async fn handle<'a>(
    context: &RequestContext,
    request: Request<'a>,
) -> Result<Response<'a>, Refusal> {
    let reader = match request.replica_id {
        -1 => Reader::Consumer(Isolation::from_wire(request.isolation_level)),
        _ => Reader::Follower,
    };
    let mut named: BTreeMap<(&str, i32), u32> = BTreeMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *named.entry((&topic.name, partition.partition_index)).or_default() += 1;
        }
    }
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let name = TopicRef::Name(Arc::from(&*topic.name));
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let found = match named.insert((&topic.name, index), 0) {
                Some(0) => continue,
                Some(1) => look_up(context, &name, partition, reader).await,
                // Named twice: refused, and told once. Source: `ReplicaManager.fetchOffset`.
                Some(_) | None => Err(ErrorCode::InvalidRequest),
            };
            context.count(found.err().unwrap_or_default());
            partitions.push(answer(index, found));
        }
        topics.push(ResponseTopic { name: topic.name.clone(), partitions });
    }
    Ok(Response { topics, ..Response::default() })
}

async fn look_up(
    context: &RequestContext,
    topic: &TopicRef,
    asked: &RequestTopicPartition,
    reader: Reader,
) -> Result<FoundOffset, ErrorCode> {
    let spec = OffsetSpec::from_wire(asked.timestamp, context.version)
        .map_err(|error| error.error_code())?;
    let partition = context.broker.partitions().find(topic, asked.partition_index)?;
    let given = LeaderEpoch::from_wire(asked.current_leader_epoch);
    let epoch = partition.check_leader(given).map_err(|error| error.error_code())?;
    let view = partition.view(epoch);
    let lookup = spec.decide(&view, reader).map_err(|error| error.error_code())?;
    if let Lookup::Known(found) = lookup {
        return Ok(found);
    }
    let env = context.broker.env();
    let search = move || search(&partition, lookup);
    let found = env.unpacking.run(env.blocking, LOOK_UP_BYTES_MAX, search).await;
    match found.map_err(|error| error.error_code())? {
        Some(found) => Ok(found),
        None => {
            view.check_available().map_err(|error| error.error_code())?;
            Ok(FoundOffset::default())
        }
    }
}

fn search(partition: &Partition, lookup: Lookup) -> Result<Option<FoundOffset>, PartitionError> {
    let reader = partition.reader();
    let found = match lookup {
        Lookup::Known(found) => return Ok(Some(found)),
        Lookup::ByTime { timestamp, upper_bound } => {
            reader.offset_by_timestamp(timestamp, upper_bound)?
        }
        Lookup::ByMaxTime { upper_bound } => reader.max_timestamp(upper_bound)?,
    };
    Ok(found.map(|found| FoundOffset {
        offset: Some(found.offset),
        timestamp: Some(found.timestamp),
        leader_epoch: found.leader_epoch,
    }))
}

fn answer(index: i32, found: Result<FoundOffset, ErrorCode>) -> ResponseTopicPartition {
    let (code, found) = match found {
        Ok(found) => (ErrorCode::None, found),
        Err(code) => (code, FoundOffset::default()),
    };
    ResponseTopicPartition {
        partition_index: index,
        error_code: code.code(),
        timestamp: found.timestamp.map_or(-1, TimestampMs::to_wire),
        offset: found.offset.map_or(-1, Offset::to_wire),
        leader_epoch: found.leader_epoch.map_or(-1, LeaderEpoch::to_wire),
    }
}
