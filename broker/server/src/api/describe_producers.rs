//! API 61: which producers a partition remembers. `kafka-transactions` finds hanging ones with it.
//!
//! Source: KIP-664.

use std::collections::BTreeSet;

use millrace_core::replication::fetch_session::TopicRef;
use millrace_log::producer_state::ProducerEntry;
use millrace_types::{ErrorCode, ProducerId};
use millrace_wire::messages::describe_producers::{
    Request, Response, ResponseTopic, ResponseTopicPartition, ResponseTopicPartitionActiveProducer,
};

use super::RequestContext;
use super::once::fresh;
use crate::partition::Partition;
use crate::refusal::Refusal;

/// Answers from the state that the leader keeps.
pub async fn handle<'a>(
    context: &RequestContext,
    request: Request<'a>,
) -> Result<Response<'a>, Refusal> {
    let mut seen = BTreeSet::new();
    let topics = request.topics.into_iter().filter_map(|topic| {
        let name = TopicRef::Name(topic.name.as_ref().into());
        let indexes = fresh(&mut seen, &name, &topic.partition_indexes)?;
        let partitions = indexes.into_iter().map(|index| {
            let found = context.broker.partitions().find(&name, index);
            let described = found.and_then(|partition| describe(&partition, index));
            described.unwrap_or_else(|error| {
                context.count(error);
                ResponseTopicPartition {
                    partition_index: index,
                    error_code: error.code(),
                    ..ResponseTopicPartition::default()
                }
            })
        });
        let partitions = partitions.collect();
        Some(ResponseTopic { name: topic.name, partitions })
    });
    Ok(Response { topics: topics.collect(), ..Response::default() })
}

fn describe(
    partition: &Partition,
    index: i32,
) -> Result<ResponseTopicPartition<'static>, ErrorCode> {
    partition.check_leader(None).map_err(|error| error.error_code())?;
    let producers = partition.producers();
    Ok(ResponseTopicPartition {
        partition_index: index,
        active_producers: producers.iter().map(|(id, entry)| active(*id, entry)).collect(),
        ..ResponseTopicPartition::default()
    })
}

fn active(id: ProducerId, entry: &ProducerEntry) -> ResponseTopicPartitionActiveProducer {
    let last = entry.batches().last();
    ResponseTopicPartitionActiveProducer {
        producer_id: id.to_wire(),
        producer_epoch: entry.epoch.map_or(-1, |epoch| epoch.to_wire().into()),
        last_sequence: last
            .and_then(|batch| batch.last_sequence)
            .map_or(-1, |sequence| sequence.to_wire()),
        last_timestamp: last
            .and_then(|batch| batch.timestamp)
            .map_or(-1, |timestamp| timestamp.to_wire()),
        coordinator_epoch: entry
            .coordinator_epoch
            .map_or(-1, |epoch| i32::try_from(epoch).unwrap_or(i32::MAX)),
        current_txn_start_offset: entry
            .transaction_first_offset
            .map_or(-1, |offset| offset.to_wire()),
    }
}
