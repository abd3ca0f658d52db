//! API 20: topics that go, by name or id. What is allowed is decided in
//! `core::metadata::decide::delete_topics`.

use std::borrow::Cow;

use millrace_core::metadata::decide::delete_topics::{
    self, DeleteTopicError, DeleteTopics, DeletedTopic, TopicKey,
};
use millrace_types::{ErrorCode, TopicId};
use millrace_wire::messages::delete_topics::{Request, Response, ResponseResponse};

use super::RequestContext;
use super::once::once;
use crate::refusal::Refusal;

/// The first version in which topics may be named by their ids.
const BY_ID_FROM: i16 = 6;
/// The first version that knows the error of a broker that deletes nothing.
const DISABLED_FROM: i16 = 3;

/// Answers once the topics are gone.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let topics: Vec<TopicKey> = if context.version < BY_ID_FROM {
        request.topic_names.into_iter().map(|name| TopicKey::Name(name.into_owned())).collect()
    } else {
        let topics = request.topics.into_iter();
        topics.map(|topic| key(topic.name.map(Cow::into_owned), topic.topic_id)).collect()
    };
    let command = DeleteTopics { topics: topics.clone() };
    let reply = context
        .broker
        .metadata()
        .run(move |image, with| delete_topics::decide(image, &command, with))
        .await;
    let responses: Vec<ResponseResponse<'_>> = match reply {
        Ok(reply) => topics
            .iter()
            .zip(reply)
            .map(|(key, result)| match result {
                Ok(deleted) => gone(&deleted),
                Err(error) => failed(context, key, code(context, &error), error.to_string()),
            })
            .collect(),
        Err(error) => {
            topics.iter().map(|key| failed(context, key, error.code(), error.to_string())).collect()
        }
    };
    let responses = once(responses, |topic| (topic.name.clone(), topic.topic_id));
    Ok(Response { responses, ..Response::default() })
}

fn key(name: Option<String>, id: TopicId) -> TopicKey {
    match (name, id.is_zero()) {
        (Some(name), true) => TopicKey::Name(name),
        (None, false) => TopicKey::Id(id),
        (Some(name), false) => TopicKey::Both(name, id),
        (None, true) => TopicKey::Neither,
    }
}

fn code(context: &RequestContext, error: &DeleteTopicError) -> ErrorCode {
    if *error == DeleteTopicError::Disabled && context.version < DISABLED_FROM {
        return ErrorCode::InvalidRequest;
    }
    error.code()
}

fn gone(deleted: &DeletedTopic) -> ResponseResponse<'static> {
    ResponseResponse {
        name: Some(deleted.name.to_string().into()),
        topic_id: deleted.id,
        ..ResponseResponse::default()
    }
}

fn failed(
    context: &RequestContext,
    key: &TopicKey,
    code: ErrorCode,
    message: String,
) -> ResponseResponse<'static> {
    context.count(code);
    let (name, topic_id) = match key {
        TopicKey::Name(name) => (Some(name.clone()), TopicId::ZERO),
        TopicKey::Id(id) => (None, *id),
        TopicKey::Both(name, id) => (Some(name.clone()), *id),
        TopicKey::Neither => (None, TopicId::ZERO),
    };
    ResponseResponse {
        name: name.map(Cow::Owned),
        topic_id,
        error_code: code.code(),
        error_message: Some(message.into()),
    }
}
