//! API 32: the configs of topics and brokers, each with where its value comes from.

use std::borrow::Cow;

use millrace_core::config::describe::{self, Entry};
use millrace_core::metadata::Image;
use millrace_types::{BrokerId, ErrorCode, TopicName};
use millrace_wire::messages::describe_configs::{
    Request, RequestResource, Response, ResponseResult, ResponseResultConfig,
    ResponseResultConfigSynonym,
};

use super::RequestContext;
use super::once::once;
use crate::refusal::Refusal;

/// `ConfigResource.Type` of Kafka.
pub(super) const TOPIC: i8 = 2;
/// `ConfigResource.Type` of Kafka.
pub(super) const BROKER: i8 = 4;

/// A resource that cannot be described: its code and the reason.
type Refused = (ErrorCode, String);

/// Answers with the image of this moment.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let image = context.broker.image();
    let results = once(&request.resources, |&resource| key(resource))
        .into_iter()
        .map(|resource| {
            let mut result = ResponseResult {
                resource_type: resource.resource_type,
                resource_name: resource.resource_name.to_string().into(),
                ..ResponseResult::default()
            };
            match describe(context, &image, &request, resource) {
                Ok(configs) => result.configs = configs,
                Err((error, message)) => {
                    context.count(error);
                    result.error_code = error.code();
                    result.error_message = Some(message.into());
                }
            }
            result
        })
        .collect();
    Ok(Response { results, ..Response::default() })
}

/// What a resource is: a number may be written in many ways.
fn key<'a>(resource: &'a RequestResource<'_>) -> (i8, Option<i32>, &'a str) {
    let name = resource.resource_name.as_ref();
    match name.parse::<i32>() {
        Ok(id) if resource.resource_type == BROKER => (BROKER, Some(id), ""),
        Ok(_) | Err(_) => (resource.resource_type, None, name),
    }
}

fn describe(
    context: &RequestContext,
    image: &Image,
    request: &Request<'_>,
    resource: &RequestResource<'_>,
) -> Result<Vec<ResponseResultConfig<'static>>, Refused> {
    let own = context.broker.id();
    let layers = image.layers(own, context.broker.static_config());
    let name = resource.resource_name.as_ref();
    let found = match resource.resource_type {
        TOPIC => match (TopicName::parse(name), image.topic(name)) {
            (Err(error), _) => return Err((ErrorCode::InvalidTopicException, error.to_string())),
            (Ok(_), None) => {
                let message = format!("topic {name} does not exist");
                return Err((ErrorCode::UnknownTopicOrPartition, message));
            }
            (Ok(_), Some(topic)) => describe::topic(&topic.values, &layers),
        },
        BROKER if name.is_empty() => describe::cluster(image.cluster_values()),
        BROKER if name.parse().ok().and_then(BrokerId::from_wire) == Some(own) => {
            describe::broker(&layers)
        }
        BROKER => {
            let message = format!("broker is {own}, the resource is {name:?}");
            return Err((ErrorCode::InvalidRequest, message));
        }
        other => {
            let message =
                format!("resource type is {other}, must be {TOPIC} (topic) or {BROKER} (broker)");
            return Err((ErrorCode::InvalidRequest, message));
        }
    };
    Ok(entries(request, resource, found))
}

/// Those that are asked for, as the wire has them.
fn entries(
    request: &Request<'_>,
    resource: &RequestResource<'_>,
    entries: Vec<Entry<'_>>,
) -> Vec<ResponseResultConfig<'static>> {
    // No keys are all keys, as in Kafka's `ConfigHelper`.
    let keys = resource.configuration_keys.as_deref().filter(|keys| !keys.is_empty());
    let is_asked =
        |entry: &Entry<'_>| keys.is_none_or(|keys| keys.iter().any(|key| key == entry.name));
    entries.into_iter().filter(is_asked).map(|entry| told(request, &entry)).collect()
}

fn told(request: &Request<'_>, entry: &Entry<'_>) -> ResponseResultConfig<'static> {
    let synonyms = entry.synonyms.iter().filter(|_| request.include_synonyms);
    ResponseResultConfig {
        name: entry.name.into(),
        value: entry.value.clone().map(Cow::Owned),
        read_only: entry.is_read_only,
        config_source: entry.source.to_wire(),
        is_sensitive: false,
        synonyms: synonyms
            .map(|setting| ResponseResultConfigSynonym {
                name: setting.name.into(),
                value: Some(setting.text.to_owned().into()),
                source: setting.source.to_wire(),
            })
            .collect(),
        config_type: entry.kind.to_wire(),
        documentation: request.include_documentation.then(|| entry.documentation.into()),
    }
}
