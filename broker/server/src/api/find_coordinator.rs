//! API 10: which broker coordinates a group.

use millrace_core::group::partition_for;
use millrace_core::metadata::decide::Decision;
use millrace_core::metadata::decide::automatic_topics::automatic_topic;
use millrace_core::metadata::decide::create_topics::{self, CreateTopics};
use millrace_core::metadata::{CONSUMER_OFFSETS, Image};
use millrace_types::{ErrorCode, GroupId};
use millrace_wire::messages::find_coordinator::{Request, Response, ResponseCoordinator};

use super::RequestContext;
use super::group_fields::text;
use super::metadata::{brokers_on, leader_on};
use super::once::once;
use crate::refusal::Refusal;

/// From this version on a request names several keys.
const SEVERAL_FROM: i16 = 4;
/// The kind of key that is the name of a group.
const GROUP: i8 = 0;

/// Finds the coordinator of each key; the first search creates the offsets topic.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    if context.version >= SEVERAL_FROM {
        let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
        for key in once(&request.coordinator_keys, |key| *key) {
            coordinators.push(find(context, request.key_type, key).await);
        }
        return Ok(Response { coordinators, ..Response::default() });
    }
    let found = find(context, request.key_type, &request.key).await;
    Ok(Response {
        error_code: found.error_code,
        // Source: `Errors.NONE.message()`, which Kafka answers old clients with.
        error_message: match found.error_code {
            0 => Some("NONE".into()),
            _ => found.error_message,
        },
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..Response::default()
    })
}

async fn find(context: &RequestContext, kind: i8, key: &str) -> ResponseCoordinator<'static> {
    let found = if kind == GROUP {
        match ensure_offsets_topic(context).await {
            Ok(()) => locate(context, key),
            Err(refused) => Err(refused),
        }
    } else {
        let message = format!("coordinators of key type {kind} are not served, only of groups (0)");
        Err((ErrorCode::InvalidRequest, message))
    };
    found.unwrap_or_else(|(error, message)| {
        context.count(error);
        ResponseCoordinator {
            key: text(key),
            node_id: -1,
            port: -1,
            error_code: error.code(),
            error_message: Some(message.into()),
            ..ResponseCoordinator::default()
        }
    })
}

/// A key whose coordinator is not found: the code and the reason.
type Refused = (ErrorCode, String);

async fn ensure_offsets_topic(context: &RequestContext) -> Result<(), Refused> {
    let is_there = |image: &Image| image.topic(CONSUMER_OFFSETS).is_some();
    if is_there(&context.broker.image()) {
        return Ok(());
    }
    let id = context.broker.env().random.uuid();
    let created = context.broker.metadata().run(move |image, change| {
        if is_there(image) {
            return Decision { records: Vec::new(), reply: Vec::new() };
        }
        let mut topic = automatic_topic(CONSUMER_OFFSETS, id, change.config);
        // Differs from Kafka: where nobody asked for a number of replicas, a cluster with fewer
        // brokers than the default of three makes do with those it has, and groups work.
        if !change.file.values().contains_key("offsets.topic.replication.factor") {
            let brokers = i16::try_from(image.brokers().len()).unwrap_or(i16::MAX);
            topic.replication_factor = topic.replication_factor.min(brokers.max(1));
        }
        let topics = vec![topic];
        create_topics::decide(image, &CreateTopics { topics, is_validate_only: false }, change)
    });
    let refused = match created.await {
        Ok(topics) => topics.into_iter().find_map(Result::err).map(|error| error.to_string()),
        Err(error) => Some(error.to_string()),
    };
    match refused {
        None => Ok(()),
        Some(reason) => {
            tracing::error!(topic = CONSUMER_OFFSETS, reason, "cannot be created");
            let message = format!("{CONSUMER_OFFSETS} cannot be created: {reason}");
            Err((ErrorCode::CoordinatorNotAvailable, message))
        }
    }
}

fn locate(context: &RequestContext, key: &str) -> Result<ResponseCoordinator<'static>, Refused> {
    let image = context.broker.image();
    let listener = &context.connection.listener;
    let unavailable = |reason: &str| {
        let message = format!("the coordinator of {key:?} {reason}");
        (ErrorCode::CoordinatorNotAvailable, message)
    };
    let topic = image.topic(CONSUMER_OFFSETS).ok_or_else(|| unavailable("has no log"))?;
    let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
    let partition = topic
        .partition(partition_for(&GroupId::new(key), partitions))
        .ok_or_else(|| unavailable("has no log"))?;
    let (leader, _) = leader_on(&image, partition, listener);
    let (node, _, endpoint) = brokers_on(&image, listener)
        .find(|(id, ..)| id.to_wire() == leader)
        .ok_or_else(|| unavailable("is not reached by this listener"))?;
    Ok(ResponseCoordinator {
        key: text(key),
        node_id: node.to_wire(),
        host: endpoint.host.clone().into(),
        port: endpoint.port.into(),
        ..ResponseCoordinator::default()
    })
}
