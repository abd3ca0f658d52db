//! API 20000, our own: whose broker this is, what is set on the cluster, and what its topics are.
//!
//! One small answer where Kafka's APIs need three large ones: with 10,000 topics, Metadata tells of
//! every replica and DescribeConfigs of every default.

use std::sync::Arc;

use millrace_core::config::Values;
use millrace_core::metadata::{Topic, is_internal};
use millrace_wire::messages::describe_state::{
    Request, Response, ResponseConfig, ResponseTopic, ResponseTopicConfig,
};

use super::RequestContext;
use crate::refusal::Refusal;

/// Answers with the image of this moment; internal topics are left out.
pub async fn handle(
    context: &RequestContext,
    request: Request<'_>,
) -> Result<Response<'static>, Refusal> {
    let broker = &context.broker;
    let image = broker.image();
    let topics = match request.topics {
        None => {
            image.topics().filter(|topic| !is_internal(topic.name.as_str())).map(told).collect()
        }
        Some(names) => {
            names.iter().filter_map(|name| image.topic(name.as_ref())).map(told).collect()
        }
    };
    let directory_id = image.brokers().get(&broker.id()).map(|broker| broker.directory_id);
    Ok(Response {
        cluster_id: image.cluster_id().unwrap_or_default().to_owned().into(),
        node_id: broker.id().to_wire(),
        directory_id: directory_id.unwrap_or_default(),
        software_version: env!("CARGO_PKG_VERSION").into(),
        listeners: broker.advertised().iter().map(|it| it.to_string().into()).collect(),
        configs: pairs(image.cluster_values())
            .map(|(name, value)| ResponseConfig { name: name.into(), value: value.into() })
            .collect(),
        topics,
        ..Response::default()
    })
}

fn told(topic: &Arc<Topic>) -> ResponseTopic<'static> {
    ResponseTopic {
        name: topic.name.to_string().into(),
        topic_id: topic.id,
        partitions: i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX),
        owner: topic.owner.clone().map(Into::into),
        configs: pairs(&topic.values)
            .map(|(name, value)| ResponseTopicConfig { name: name.into(), value: value.into() })
            .collect(),
    }
}

fn pairs(values: &Values) -> impl Iterator<Item = (String, String)> + '_ {
    values.iter().map(|(name, value)| (name.clone(), value.clone()))
}
