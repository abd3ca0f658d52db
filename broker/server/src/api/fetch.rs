//! Fetch: the session says which partitions are read, the poll reads them and waits, and the answer
//! is written around the records, which go from their files to the socket.
//!
//! What a reader may see is decided in `core::replication`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use millrace_core::replication::fetch_session::{
    FetchTarget, FetchWant, Moment, SessionRequest, TopicRef,
};
use millrace_core::replication::last_stable::{Isolation, Reader};
use millrace_types::{ErrorCode, LeaderEpoch, Offset, Uuid};
use millrace_wire::messages::fetch::{Request, Response};
use tokio::time::Instant;

use super::RequestContext;
use crate::net::frame::Frame;
use crate::refusal::Refusal;
use crate::reply::Outcome;

mod answer;
mod poll;

use poll::{Limits, Poll};

/// Answers a Fetch.
///
/// # Errors
/// The request cannot be read.
pub async fn handle(context: RequestContext, frame: Frame) -> Result<Outcome, Refusal> {
    let request: Request<'_> = context.decode(&frame.bytes)?;
    let limits = limits(&context, &request);
    let (named, forgotten) =
        (named(&request, context.version), forgotten(&request, context.version));
    let session = SessionRequest {
        id: request.session_id,
        epoch: request.session_epoch,
        uses_topic_ids: context.version >= TOPIC_ID_MIN,
        is_follower: false,
    };
    drop(request);
    drop(frame);
    let now = context.broker.env().clock.now();
    let begun = context.broker.fetch_sessions().begin(session, named, &forgotten, now);
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => return refuse(&context, error.error_code()),
    };
    let partitions = context.broker.partitions();
    let find = |(target, want): &(FetchTarget, FetchWant)| {
        let found = partitions.find(&target.topic, target.partition);
        poll::Target { partition: found, want: *want }
    };
    let targets = begun.partitions.iter().map(find).collect();
    let mut poll = Poll::new(context.broker.env().clone(), limits, targets);
    if poll.read_from_memory() && poll.is_satisfied() {
        return answer::reply(&context, &begun, &poll).map(Outcome::Reply);
    }
    Ok(Outcome::Wait(Box::pin(async move {
        poll.wait().await;
        answer::reply(&context, &begun, &poll)
    })))
}

/// The first version that names topics by id.
const TOPIC_ID_MIN: i16 = 13;

fn refuse(context: &RequestContext, code: ErrorCode) -> Result<Outcome, Refusal> {
    context.count(code);
    let response = Response { error_code: code.code(), ..Response::default() };
    context.reply(&response).map(Outcome::Reply)
}

fn limits(context: &RequestContext, request: &Request<'_>) -> Limits {
    let config = context.broker.config();
    let broker_max = usize::try_from(config.network.fetch_bytes_max).unwrap_or(usize::MAX);
    let isolation = Isolation::from_wire(request.isolation_level);
    let replica_id = match context.version {
        ..=14 => request.replica_id,
        _ => request.replica_state.replica_id,
    };
    let bytes_max = usize::try_from(request.max_bytes).unwrap_or(0).min(broker_max);
    Limits {
        reader: match replica_id {
            // A tool that looks at what is not committed yet.
            DEBUGGING_REPLICA => Some(Reader::Follower),
            ..0 => Some(Reader::Consumer(isolation)),
            // No other broker replicates from this one.
            0.. => None,
        },
        // More than may be answered is never there. Source: `KafkaApis.handleFetchRequest`.
        bytes_min: i64::from(request.min_bytes).min(i64::try_from(bytes_max).unwrap_or(i64::MAX)),
        bytes_max,
        deadline: {
            let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
            let now = Instant::now();
            now.checked_add(wait).unwrap_or(now)
        },
        waits: request.max_wait_ms > 0,
    }
}

/// Kafka's `FetchRequest.DEBUGGING_CONSUMER_ID`.
const DEBUGGING_REPLICA: i32 = -2;

/// The partitions that are named. One that is named again is read as the last one says, in the place
/// of the first. Source: `FetchRequest.fetchData`.
fn named(request: &Request<'_>, version: i16) -> Vec<(FetchTarget, FetchWant)> {
    let mut named: Vec<(FetchTarget, FetchWant)> = Vec::new();
    let mut places: BTreeMap<FetchTarget, usize> = BTreeMap::new();
    for topic in &request.topics {
        let topic_ref = topic_ref(&topic.topic, topic.topic_id, version);
        for partition in &topic.partitions {
            let target = FetchTarget { topic: topic_ref.clone(), partition: partition.partition };
            let want = FetchWant {
                offset: Offset::from_wire(partition.fetch_offset),
                bytes_max: partition.partition_max_bytes,
                current_leader_epoch: LeaderEpoch::from_wire(partition.current_leader_epoch),
                last_fetched_epoch: LeaderEpoch::from_wire(partition.last_fetched_epoch),
            };
            let place = *places.entry(target.clone()).or_insert(named.len());
            match named.get_mut(place) {
                Some((_, before)) => *before = want,
                None => named.push((target, want)),
            }
        }
    }
    named
}

fn forgotten(request: &Request<'_>, version: i16) -> Vec<FetchTarget> {
    let topics = request.forgotten_topics_data.iter();
    topics
        .flat_map(|topic| {
            let topic_ref = topic_ref(&topic.topic, topic.topic_id, version);
            topic
                .partitions
                .iter()
                .map(move |&partition| FetchTarget { topic: topic_ref.clone(), partition })
        })
        .collect()
}

fn topic_ref(name: &str, id: Uuid, version: i16) -> TopicRef {
    if version >= TOPIC_ID_MIN { TopicRef::Id(id) } else { TopicRef::Name(Arc::from(name)) }
}

/// Where the id of a new session comes from.
fn moment(context: &RequestContext) -> Moment {
    let env = context.broker.env();
    let random = u32::try_from(env.random.bits() >> 32).unwrap_or(0);
    Moment { now: env.clock.now(), random }
}
