//! API 19: new topics. What is allowed is decided in `core::metadata::decide::create_topics`.

use std::borrow::Cow;

use millrace_core::config::describe;
use millrace_core::metadata::decide::create_topics::{
    self, CreateTopicError, CreateTopics, CreatedTopic, NewAssignment, NewTopic,
};
use millrace_types::{ErrorCode, TopicId};
use millrace_wire::messages::create_topics::{
    Request, RequestTopic, Response, ResponseTopic, ResponseTopicConfig,
};

use super::RequestContext;
use super::once::once;
use crate::metadata::Unavailable;
use crate::refusal::Refusal;

/// Answers once the topics can be written to.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    let random = &context.broker.env().random;
    let command = CreateTopics {
        topics: request.topics.into_iter().map(|topic| wanted(topic, random.uuid())).collect(),
        is_validate_only: request.validate_only,
    };
    let reply = context
        .broker
        .metadata()
        .run(move |image, with| create_topics::decide(image, &command, with))
        .await;
    let topics: Vec<ResponseTopic<'_>> = match reply {
        Ok(reply) => {
            let results = names.into_iter().zip(reply);
            results.map(|(name, result)| told(context, name, result)).collect()
        }
        Err(error) => names.into_iter().map(|name| unavailable(context, name, &error)).collect(),
    };
    let topics = once(topics, |topic| topic.name.clone());
    Ok(Response { topics, ..Response::default() })
}

fn wanted(topic: RequestTopic<'_>, id: TopicId) -> NewTopic {
    NewTopic {
        name: topic.name.into_owned(),
        id,
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: topic
            .assignments
            .into_iter()
            .map(|assignment| NewAssignment {
                partition: assignment.partition_index,
                brokers: assignment.broker_ids,
            })
            .collect(),
        configs: topic
            .configs
            .into_iter()
            .map(|config| (config.name.into_owned(), config.value.map(Cow::into_owned)))
            .collect(),
    }
}

fn told(
    context: &RequestContext,
    name: String,
    result: Result<CreatedTopic, CreateTopicError>,
) -> ResponseTopic<'static> {
    let created = match result {
        Ok(created) => created,
        Err(error) => {
            context.count(error.code());
            return failed(name, error.code(), error.to_string());
        }
    };
    let image = context.broker.image();
    let layers = image.layers(context.broker.id(), context.broker.static_config());
    let configs = describe::topic(&created.values, &layers)
        .into_iter()
        .map(|entry| ResponseTopicConfig {
            name: entry.name.into(),
            value: entry.value.map(Cow::Owned),
            read_only: entry.is_read_only,
            config_source: entry.source.to_wire(),
            is_sensitive: false,
        })
        .collect();
    ResponseTopic {
        name: name.into(),
        topic_id: created.id,
        error_message: None,
        num_partitions: i32::try_from(created.partitions).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(created.replication_factor).unwrap_or(i16::MAX),
        configs: Some(configs),
        ..ResponseTopic::default()
    }
}

fn unavailable(
    context: &RequestContext,
    name: String,
    error: &Unavailable,
) -> ResponseTopic<'static> {
    context.count(error.code());
    failed(name, error.code(), error.to_string())
}

fn failed(name: String, code: ErrorCode, message: String) -> ResponseTopic<'static> {
    ResponseTopic {
        name: name.into(),
        error_code: code.code(),
        error_message: Some(message.into()),
        ..ResponseTopic::default()
    }
}
