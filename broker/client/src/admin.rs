//! The verbs of an administrator, typed: topics as they are, and the changes to them.

use std::collections::BTreeMap;

use millrace_types::ErrorCode;
use millrace_wire::ApiKey;
use millrace_wire::messages::{
    alter_configs, create_partitions, create_topics, delete_topics, describe_configs, metadata,
};

use crate::connection::refuse;
use crate::{ClientError, Connect, Router};

/// `ConfigResource.Type.TOPIC` of Kafka.
const TOPIC_RESOURCE: i8 = 2;

/// `ConfigSource.DYNAMIC_TOPIC_CONFIG` of Kafka: set on the topic itself.
const DYNAMIC_TOPIC_CONFIG: i8 = 1;

/// How long the broker may take over a change.
pub(crate) const TIMEOUT_MS: i32 = 30_000;

/// Config keys with their values.
pub type Configs = BTreeMap<String, String>;

/// A topic as the cluster has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicState {
    /// Number of partitions.
    pub partitions: i32,
    /// The configs that were set on the topic itself.
    pub configs: Configs,
}

/// An administrator of one cluster.
pub struct Admin<C: Connect> {
    pub(crate) router: Router<C>,
}

impl<C: Connect> Admin<C> {
    /// Makes an administrator that asks through `router`.
    pub fn new(router: Router<C>) -> Admin<C> {
        Admin { router }
    }

    /// Drops all connections; to be called after an error.
    pub fn forget(&mut self) {
        self.router.forget();
    }

    /// All topics but the internal ones.
    ///
    /// # Errors
    /// If the cluster cannot be asked or refuses.
    pub async fn topics(&mut self) -> Result<BTreeMap<String, TopicState>, ClientError> {
        let request = metadata::Request { topics: None, ..Default::default() };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<metadata::Request<'_>>()?;
        let mut topics = BTreeMap::new();
        for topic in response.topics.iter().filter(|topic| !topic.is_internal) {
            refuse(ApiKey::Metadata, topic.error_code)?;
            let name = topic.name.clone().unwrap_or_default().into_owned();
            let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            topics.insert(name, TopicState { partitions, configs: Configs::new() });
        }
        self.read_configs(&mut topics).await?;
        Ok(topics)
    }

    async fn read_configs(
        &mut self,
        topics: &mut BTreeMap<String, TopicState>,
    ) -> Result<(), ClientError> {
        let resource = |name: &String| describe_configs::RequestResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: name.clone().into(),
            configuration_keys: None,
        };
        let resources = topics.keys().map(resource).collect();
        let request = describe_configs::Request { resources, ..Default::default() };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<describe_configs::Request<'_>>()?;
        for result in &response.results {
            refuse(ApiKey::DescribeConfigs, result.error_code)?;
            let Some(topic) = topics.get_mut(result.resource_name.as_ref()) else { continue };
            for config in &result.configs {
                if config.config_source == DYNAMIC_TOPIC_CONFIG {
                    let value = config.value.clone().unwrap_or_default().into_owned();
                    topic.configs.insert(config.name.to_string(), value);
                }
            }
        }
        Ok(())
    }

    /// Makes a topic, with the cluster's default replication factor.
    ///
    /// # Errors
    /// If the cluster cannot be asked or refuses, with `TOPIC_ALREADY_EXISTS` for one.
    pub async fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &Configs,
    ) -> Result<(), ClientError> {
        let config = |(name, value): (&String, &String)| create_topics::RequestTopicConfig {
            name: name.clone().into(),
            value: Some(value.clone().into()),
        };
        let topic = create_topics::RequestTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: -1,
            configs: configs.iter().map(config).collect(),
            ..Default::default()
        };
        let request = create_topics::Request {
            topics: vec![topic],
            timeout_ms: TIMEOUT_MS,
            validate_only: false,
        };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<create_topics::Request<'_>>()?;
        let answer = response.topics.first().map(|it| (it.error_code, it.error_message.as_deref()));
        judge(ApiKey::CreateTopics, answer)
    }

    /// Adds partitions to a topic until it has `partitions`.
    ///
    /// # Errors
    /// If the cluster cannot be asked or refuses, with `INVALID_PARTITIONS` if it has as many.
    pub async fn grow_topic(&mut self, name: &str, partitions: i32) -> Result<(), ClientError> {
        let topic = create_partitions::RequestTopic {
            name: name.into(),
            count: partitions,
            assignments: None,
        };
        let request = create_partitions::Request {
            topics: vec![topic],
            timeout_ms: TIMEOUT_MS,
            validate_only: false,
        };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<create_partitions::Request<'_>>()?;
        let answer =
            response.results.first().map(|it| (it.error_code, it.error_message.as_deref()));
        judge(ApiKey::CreatePartitions, answer)
    }

    /// Makes these the only configs that are set on a topic.
    ///
    /// # Errors
    /// If the cluster cannot be asked or refuses.
    pub async fn set_topic_configs(
        &mut self,
        name: &str,
        configs: &Configs,
    ) -> Result<(), ClientError> {
        let config = |(name, value): (&String, &String)| alter_configs::RequestResourceConfig {
            name: name.clone().into(),
            value: Some(value.clone().into()),
        };
        let resource = alter_configs::RequestResource {
            resource_type: TOPIC_RESOURCE,
            resource_name: name.into(),
            configs: configs.iter().map(config).collect(),
        };
        let request = alter_configs::Request { resources: vec![resource], validate_only: false };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<alter_configs::Request<'_>>()?;
        let answer =
            response.responses.first().map(|it| (it.error_code, it.error_message.as_deref()));
        judge(ApiKey::AlterConfigs, answer)
    }

    /// Deletes a topic.
    ///
    /// # Errors
    /// If the cluster cannot be asked or refuses, with `UNKNOWN_TOPIC_OR_PARTITION` if there is no
    /// such topic.
    pub async fn delete_topic(&mut self, name: &str) -> Result<(), ClientError> {
        let topic = delete_topics::RequestTopic { name: Some(name.into()), ..Default::default() };
        let request = delete_topics::Request {
            topics: vec![topic],
            topic_names: vec![name.into()],
            timeout_ms: TIMEOUT_MS,
        };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<delete_topics::Request<'_>>()?;
        let answer =
            response.responses.first().map(|it| (it.error_code, it.error_message.as_deref()));
        judge(ApiKey::DeleteTopics, answer)
    }
}

/// One answer for one thing asked; none at all is the broker's mistake.
fn judge(api: ApiKey, answer: Option<(i16, Option<&str>)>) -> Result<(), ClientError> {
    let (code, message) = answer.unwrap_or((ErrorCode::UnknownServerError.code(), None));
    refuse(api, code).map_err(|refusal| refusal.because(message))
}
