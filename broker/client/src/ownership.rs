//! The verbs of the operator: all that a broker is and has in one answer, and topics by owner.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millrace_types::{ErrorCode, TopicId, Uuid};
use millrace_wire::ApiKey;
use millrace_wire::messages::{
    apply_topics, delete_topics, describe_state, incremental_alter_configs,
};

use crate::admin::TIMEOUT_MS;
use crate::connection::refuse;
use crate::{Admin, ClientError, Configs, Connect};

/// `ConfigResource.Type.BROKER` of Kafka; with an empty name, all brokers.
const BROKER_RESOURCE: i8 = 4;
/// `AlterConfigOp.OpType` of Kafka.
const SET: i8 = 0;
/// `AlterConfigOp.OpType` of Kafka.
const DELETE: i8 = 1;

/// What a broker is and has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The cluster's id.
    pub cluster_id: String,
    /// The broker's number.
    pub node_id: i32,
    /// The id of its log directory.
    pub directory_id: Uuid,
    /// The version of its software.
    pub version: String,
    /// Where clients are told to find the broker, as `NAME://host:port`.
    pub listeners: Vec<String>,
    /// The configs that are set on all brokers while they run.
    pub configs: Configs,
    /// The topics that were asked for, by name.
    pub topics: BTreeMap<String, OwnedTopic>,
}

/// A topic as the cluster has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnedTopic {
    /// Its id, which no later topic of the same name has.
    pub id: TopicId,
    /// Number of partitions.
    pub partitions: i32,
    /// Whose it is, in the owner's words.
    pub owner: Option<String>,
    /// The configs that are set on the topic itself; topics that have the same share them.
    pub configs: Arc<Configs>,
}

/// A topic as it is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicChange {
    /// Its name.
    pub name: String,
    /// Its id as it was seen; `None` to make it.
    pub seen: Option<TopicId>,
    /// The owner that it had when it was seen.
    pub expected_owner: Option<String>,
    /// Whose it is from now on.
    pub owner: Option<String>,
    /// How many partitions it is to have; `None` for those that it has.
    pub partitions: Option<i32>,
    /// All configs that are to be set on it; `None` for those that are.
    pub configs: Option<Arc<Configs>>,
}

/// What became of one thing of a batch: its topic's id, or the broker's reason and words.
pub type Outcome = Result<TopicId, ClientError>;

impl<C: Connect> Admin<C> {
    /// What the broker is and has, with these topics, or all but internal ones.
    ///
    /// # Errors
    /// If the broker cannot be asked or is none of ours.
    pub async fn state(&mut self, topics: Option<&[String]>) -> Result<State, ClientError> {
        let topics = topics.map(|names| names.iter().map(|name| name.as_str().into()).collect());
        let request = describe_state::Request { topics };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<describe_state::Request<'_>>()?;
        // Of 10,000 topics most have the same few configs.
        let mut known: BTreeSet<Arc<Configs>> = BTreeSet::new();
        let topic = |topic: describe_state::ResponseTopic<'_>| {
            let configs = topic.configs.into_iter();
            let configs: Configs = configs
                .map(|config| (config.name.into_owned(), config.value.into_owned()))
                .collect();
            let configs = known.get(&configs).cloned().unwrap_or_else(|| {
                let configs = Arc::new(configs);
                known.insert(Arc::clone(&configs));
                configs
            });
            let state = OwnedTopic {
                id: topic.topic_id,
                partitions: topic.partitions,
                owner: topic.owner.map(|owner| owner.into_owned()),
                configs,
            };
            (topic.name.into_owned(), state)
        };
        Ok(State {
            cluster_id: response.cluster_id.into_owned(),
            node_id: response.node_id,
            directory_id: response.directory_id,
            version: response.software_version.into_owned(),
            listeners: response.listeners.into_iter().map(|it| it.into_owned()).collect(),
            configs: response
                .configs
                .into_iter()
                .map(|config| (config.name.into_owned(), config.value.into_owned()))
                .collect(),
            topics: response.topics.into_iter().map(topic).collect(),
        })
    }

    /// Makes topics what they are to be, each in one change; what became of each, in its order.
    ///
    /// # Errors
    /// If the broker cannot be asked; whether anything was done is unknown then.
    pub async fn apply_topics(
        &mut self,
        changes: &[TopicChange],
    ) -> Result<Vec<Outcome>, ClientError> {
        let topic = |change: &TopicChange| apply_topics::RequestTopic {
            name: change.name.clone().into(),
            topic_id: change.seen.unwrap_or_default(),
            expected_owner: change.expected_owner.clone().map(Into::into),
            owner: change.owner.clone().map(Into::into),
            partitions: change.partitions.unwrap_or(0),
            configs: change.configs.as_ref().map(|configs| {
                let config = |(name, value): (&String, &String)| apply_topics::RequestTopicConfig {
                    name: name.clone().into(),
                    value: value.clone().into(),
                };
                configs.iter().map(config).collect()
            }),
        };
        let request = apply_topics::Request { topics: changes.iter().map(topic).collect() };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<apply_topics::Request<'_>>()?;
        let mut answers = response.topics.into_iter();
        let outcomes = changes.iter().map(|_| {
            let answer = answers.next();
            let (code, message, id) = answer
                .map_or((ErrorCode::UnknownServerError.code(), None, TopicId::ZERO), |answer| {
                    (answer.error_code, answer.error_message, answer.topic_id)
                });
            outcome(ApiKey::ApplyTopics, code, message.as_deref()).map(|()| id)
        });
        Ok(outcomes.collect())
    }

    /// Deletes topics by their ids; what became of each, in its order.
    ///
    /// # Errors
    /// If the broker cannot be asked; whether anything was done is unknown then.
    pub async fn delete_topics(&mut self, ids: &[TopicId]) -> Result<Vec<Outcome>, ClientError> {
        let topic = |id: &TopicId| delete_topics::RequestTopic { name: None, topic_id: *id };
        let request = delete_topics::Request {
            topics: ids.iter().map(topic).collect(),
            topic_names: Vec::new(),
            timeout_ms: TIMEOUT_MS,
        };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<delete_topics::Request<'_>>()?;
        let mut answers = response.responses.into_iter();
        let outcomes = ids.iter().map(|id| {
            let answer = answers.next();
            let (code, message) = answer
                .map_or((ErrorCode::UnknownServerError.code(), None), |answer| {
                    (answer.error_code, answer.error_message)
                });
            outcome(ApiKey::DeleteTopics, code, message.as_deref()).map(|()| *id)
        });
        Ok(outcomes.collect())
    }

    /// Sets configs on all brokers while they run, and takes others (`None`) back.
    ///
    /// # Errors
    /// If the broker cannot be asked or refuses; nothing is changed in the latter case.
    pub async fn alter_cluster_configs(
        &mut self,
        changes: &BTreeMap<String, Option<String>>,
    ) -> Result<(), ClientError> {
        let config = |(name, value): (&String, &Option<String>)| {
            incremental_alter_configs::RequestResourceConfig {
                name: name.clone().into(),
                config_operation: if value.is_some() { SET } else { DELETE },
                value: value.clone().map(Into::into),
            }
        };
        let resource = incremental_alter_configs::RequestResource {
            resource_type: BROKER_RESOURCE,
            resource_name: "".into(),
            configs: changes.iter().map(config).collect(),
        };
        let request =
            incremental_alter_configs::Request { resources: vec![resource], validate_only: false };
        let reply = self.router.any().await?.call(&request).await?;
        let response = reply.read::<incremental_alter_configs::Request<'_>>()?;
        let (code, message) = response
            .responses
            .first()
            .map_or((ErrorCode::UnknownServerError.code(), None), |answer| {
                (answer.error_code, answer.error_message.as_deref())
            });
        outcome(ApiKey::IncrementalAlterConfigs, code, message)
    }
}

fn outcome(api: ApiKey, code: i16, message: Option<&str>) -> Result<(), ClientError> {
    refuse(api, code).map_err(|refusal| refusal.because(message))
}
