//! API 3: brokers and topics, as the client's own listener reaches them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_core::config::listener::Endpoint;
use millrace_core::metadata::decide::create_topics::CreateTopicError;
use millrace_core::metadata::{Image, Partition, Topic, is_internal};
use millrace_types::{BrokerId, ErrorCode, PartitionIndex, TopicName, Uuid};
use millrace_wire::messages::metadata::{
    Request, RequestTopic, Response, ResponseBroker, ResponseTopic, ResponseTopicPartition,
};

use super::once::once;
use super::{RequestContext, authorized};
use crate::net::ListenerName;
use crate::refusal::Refusal;

/// The first version in which a topic may be asked for by its id.
const BY_ID_FROM: i16 = 12;

/// Answers with the image of this moment.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let not_created = create_missing(context, &request).await;
    let image = context.broker.image();
    let view = View {
        context,
        image: &image,
        not_created,
        wants_operations: request.include_topic_authorized_operations,
    };
    let brokers = brokers_on(&image, &context.connection.listener)
        .map(|(id, rack, endpoint)| ResponseBroker {
            node_id: id.to_wire(),
            host: endpoint.host.clone().into(),
            port: endpoint.port.into(),
            rack: rack.map(|rack| rack.to_owned().into()),
        })
        .collect();
    let asked = request.topics.filter(|topics| context.version > 0 || !topics.is_empty());
    let topics = match asked {
        None => image.topics().map(|topic| view.known(topic)).collect(),
        Some(topics) => {
            let topics = once(&topics, |&topic| key(topic));
            topics.into_iter().map(|topic| view.asked(topic)).collect()
        }
    };
    Ok(Response {
        brokers,
        cluster_id: image.cluster_id().map(|id| id.to_owned().into()),
        // Any broker takes what is for the controller.
        controller_id: context.broker.id().to_wire(),
        topics,
        cluster_authorized_operations: authorized::cluster(
            request.include_cluster_authorized_operations,
        ),
        ..Response::default()
    })
}

/// What a topic is asked for by: its id, or its name if it has none.
fn key<'a>(asked: &'a RequestTopic<'_>) -> (Uuid, Option<&'a str>) {
    let name = if asked.topic_id.is_zero() { asked.name.as_deref() } else { None };
    (asked.topic_id, name)
}

/// The brokers that a listener reaches, with their racks.
pub(super) fn brokers_on<'a>(
    image: &'a Image,
    listener: &'a ListenerName,
) -> impl Iterator<Item = (BrokerId, Option<&'a str>, &'a Endpoint)> {
    image.brokers().iter().filter_map(|(id, broker)| {
        let endpoint = broker.endpoints.iter().find(|it| *it.listener == *listener.0)?;
        Some((*id, broker.rack.as_deref(), endpoint))
    })
}

/// The wire's leader of a partition, and why there is none that this listener reaches.
pub(super) fn leader_on(
    image: &Image,
    partition: &Partition,
    listener: &ListenerName,
) -> (i32, ErrorCode) {
    let Some(leader) = partition.leader else { return (-1, ErrorCode::LeaderNotAvailable) };
    if brokers_on(image, listener).any(|(id, ..)| id == leader) {
        (leader.to_wire(), ErrorCode::None)
    } else if image.brokers().contains_key(&leader) {
        (-1, ErrorCode::ListenerNotFound)
    } else {
        (-1, ErrorCode::LeaderNotAvailable)
    }
}

/// Replicas of a partition whose broker is not there.
pub(super) fn offline(image: &Image, partition: &Partition) -> Vec<i32> {
    let is_gone = |id: &&BrokerId| !image.brokers().contains_key(id);
    partition.replicas.iter().filter(is_gone).map(|id| id.to_wire()).collect()
}

/// Broker ids for the wire.
pub(super) fn ids(brokers: &[BrokerId]) -> Vec<i32> {
    brokers.iter().map(|id| id.to_wire()).collect()
}

/// Creates the topics that are asked for and not there, if client and broker want that; returns
/// why some were not. Differs from Kafka: the answer has the new topics in it, where Kafka's says
/// that they are unknown and leaves it to the client to ask again.
async fn create_missing(
    context: &RequestContext,
    request: &Request<'_>,
) -> BTreeMap<String, ErrorCode> {
    let is_wanted =
        request.allow_auto_topic_creation && context.broker.config().topics.is_auto_create_enabled;
    let image = context.broker.image();
    let is_missing = |name: &&str| image.topic(name).is_none() && TopicName::parse(name).is_ok();
    let names: BTreeSet<&str> = request
        .topics
        .iter()
        .flatten()
        .filter(|asked| is_wanted && asked.topic_id.is_zero())
        .filter_map(|asked| asked.name.as_deref())
        .filter(is_missing)
        .collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    if names.is_empty() {
        return BTreeMap::new();
    }
    let random = &context.broker.env().random;
    let created = context.broker.metadata().create_automatically(names.clone(), random).await;
    let codes: Vec<ErrorCode> = match created {
        Ok(reply) => reply
            .iter()
            .map(|result| result.as_ref().err().map_or(ErrorCode::None, code_of))
            .collect(),
        // The client asks again.
        Err(_) => vec![ErrorCode::UnknownTopicOrPartition; names.len()],
    };
    names.into_iter().zip(codes).filter(|(_, code)| !code.is_none()).collect()
}

fn code_of(error: &CreateTopicError) -> ErrorCode {
    // Somebody else was faster; the topic is there.
    if matches!(error, CreateTopicError::Exists { .. }) { ErrorCode::None } else { error.code() }
}

struct View<'a> {
    context: &'a RequestContext,
    image: &'a Image,
    /// Topics that were to be created and could not be.
    not_created: BTreeMap<String, ErrorCode>,
    wants_operations: bool,
}

impl View<'_> {
    /// One topic of the request.
    fn asked(&self, asked: &RequestTopic<'_>) -> ResponseTopic<'static> {
        let version = self.context.version;
        if version < BY_ID_FROM && (!asked.topic_id.is_zero() || asked.name.is_none()) {
            return self.refused(asked, ErrorCode::InvalidRequest);
        }
        if !asked.topic_id.is_zero() {
            return match self.image.topic_by_id(asked.topic_id) {
                Some(topic) => self.known(topic),
                None => self.refused(asked, ErrorCode::UnknownTopicId),
            };
        }
        let name = asked.name.as_deref().unwrap_or_default();
        match (self.image.topic(name), TopicName::parse(name)) {
            (Some(topic), _) => self.known(topic),
            (None, Ok(_)) => {
                let error = self.not_created.get(name);
                self.refused(asked, error.copied().unwrap_or(ErrorCode::UnknownTopicOrPartition))
            }
            (None, Err(_)) => self.refused(asked, ErrorCode::InvalidTopicException),
        }
    }

    fn refused(&self, asked: &RequestTopic<'_>, error: ErrorCode) -> ResponseTopic<'static> {
        self.context.count(error);
        let name = asked.name.as_deref().map(str::to_owned);
        ResponseTopic {
            error_code: error.code(),
            // Only the versions that know ids have a null name.
            name: if self.context.version < BY_ID_FROM {
                Some(Cow::Owned(name.unwrap_or_default()))
            } else {
                name.map(Cow::Owned)
            },
            topic_id: asked.topic_id,
            ..ResponseTopic::default()
        }
    }

    fn known(&self, topic: &Arc<Topic>) -> ResponseTopic<'static> {
        ResponseTopic {
            error_code: ErrorCode::None.code(),
            name: Some(topic.name.as_str().to_owned().into()),
            topic_id: topic.id,
            is_internal: is_internal(topic.name.as_str()),
            partitions: topic.indexed().map(|(index, it)| self.partition(index, it)).collect(),
            topic_authorized_operations: authorized::topic(self.wants_operations),
        }
    }

    fn partition(&self, index: PartitionIndex, partition: &Partition) -> ResponseTopicPartition {
        let listener = &self.context.connection.listener;
        let (leader_id, mut error) = leader_on(self.image, partition, listener);
        if error == ErrorCode::ListenerNotFound && self.context.version < 6 {
            error = ErrorCode::LeaderNotAvailable;
        }
        ResponseTopicPartition {
            error_code: error.code(),
            partition_index: index.to_wire(),
            leader_id,
            leader_epoch: partition.leader_epoch.to_wire(),
            replica_nodes: ids(&partition.replicas),
            isr_nodes: ids(&partition.isr),
            offline_replicas: offline(self.image, partition),
        }
    }
}
