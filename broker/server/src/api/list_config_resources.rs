//! API 74: which resources have configs. Source: KIP-1142.

use millrace_types::ErrorCode;
use millrace_wire::messages::list_config_resources::{Request, Response, ResponseConfigResource};

use super::RequestContext;
use super::describe_configs::{BROKER, TOPIC};
use crate::refusal::Refusal;

/// `ConfigResource.Type` of Kafka: of these there are none here.
const CLIENT_METRICS: i8 = 16;
/// `ConfigResource.Type` of Kafka: levels of logging, which are not configs here.
const BROKER_LOGGER: i8 = 8;
/// `ConfigResource.Type` of Kafka: of these there are none here.
const GROUP: i8 = 32;

/// Answers with the image of this moment.
pub async fn handle(
    context: &RequestContext,
    request: Request,
) -> Result<Response<'static>, Refusal> {
    // Version 0 asks for client metrics and nothing else.
    let all = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let asked = match request.resource_types.as_slice() {
        _ if context.version == 0 => vec![CLIENT_METRICS],
        [] => all.to_vec(),
        types => types.to_vec(),
    };
    if asked.iter().any(|kind| !all.contains(kind)) {
        context.count(ErrorCode::UnsupportedVersion);
        let error_code = ErrorCode::UnsupportedVersion.code();
        return Ok(Response { error_code, ..Response::default() });
    }
    let image = context.broker.image();
    let resource = |resource_type: i8, name: String| ResponseConfigResource {
        resource_name: name.into(),
        resource_type,
    };
    let mut config_resources = Vec::new();
    if asked.contains(&TOPIC) {
        config_resources
            .extend(image.topics().map(|topic| resource(TOPIC, topic.name.to_string())));
    }
    if asked.contains(&BROKER) {
        let brokers = image.brokers().keys();
        config_resources.extend(brokers.map(|id| resource(BROKER, id.to_string())));
    }
    Ok(Response { config_resources, ..Response::default() })
}
