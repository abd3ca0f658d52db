//! API 20001, our own: topics as their owner wants them. What is allowed is decided in
//! `core::metadata::decide::apply_topics`.

use std::borrow::Cow;

use millrace_core::metadata::decide::apply_topics::{
    self, AppliedTopic, ApplyTopicError, ApplyTopics,
};
use millrace_types::{ErrorCode, TopicId};
use millrace_wire::messages::apply_topics::{Request, RequestTopic, Response, ResponseTopic};

use super::RequestContext;
use crate::refusal::Refusal;

/// Answers once the topics can be written to.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    let random = &context.broker.env().random;
    let command = ApplyTopics {
        topics: request.topics.into_iter().map(|topic| wanted(topic, random.uuid())).collect(),
    };
    let reply = context
        .broker
        .metadata()
        .run(move |image, with| apply_topics::decide(image, &command, with))
        .await;
    let told = |(name, result): (String, Result<TopicId, ApplyTopicError>)| match result {
        Ok(topic_id) => ResponseTopic { name: name.into(), topic_id, ..ResponseTopic::default() },
        Err(error) => failed(context, name, error.code(), error.to_string()),
    };
    let topics = match reply {
        Ok(reply) => names.into_iter().zip(reply).map(told).collect(),
        Err(error) => names
            .into_iter()
            .map(|name| failed(context, name, error.code(), error.to_string()))
            .collect(),
    };
    Ok(Response { topics, ..Response::default() })
}

fn wanted(topic: RequestTopic<'_>, new_id: TopicId) -> AppliedTopic {
    AppliedTopic {
        name: topic.name.into_owned(),
        seen: Some(topic.topic_id).filter(|id| !id.is_zero()),
        new_id,
        expected_owner: topic.expected_owner.map(Cow::into_owned),
        owner: topic.owner.map(Cow::into_owned),
        partitions: Some(topic.partitions).filter(|count| *count != 0),
        configs: topic.configs.map(|configs| {
            let pair = |config: millrace_wire::messages::apply_topics::RequestTopicConfig<'_>| {
                (config.name.into_owned(), config.value.into_owned())
            };
            configs.into_iter().map(pair).collect()
        }),
    }
}

fn failed(
    context: &RequestContext,
    name: String,
    code: ErrorCode,
    message: String,
) -> ResponseTopic<'static> {
    context.count(code);
    ResponseTopic {
        name: name.into(),
        error_code: code.code(),
        error_message: Some(message.into()),
        ..ResponseTopic::default()
    }
}
