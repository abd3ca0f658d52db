//! `Topic`: a topic of one cluster.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigValue, Metadata};

/// A topic of one cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Topic {
    /// Group and version; see [`crate::API_VERSION`].
    pub api_version: String,
    /// `Topic`.
    pub kind: String,
    /// Name, labels and annotations.
    pub metadata: Metadata,
    /// What is wanted.
    pub spec: TopicSpec,
}

impl Topic {
    /// The name that Kafka's clients use: `spec.topicName`, else the name of the resource.
    pub fn topic_name(&self) -> &str {
        self.spec.topic_name.as_deref().unwrap_or(&self.metadata.name)
    }
}

/// What a user wants of a topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopicSpec {
    /// The cluster that the topic lives in.
    pub cluster_ref: ClusterRef,
    /// The topic's name for Kafka's clients, where it cannot be the resource's (`My_Topic`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 249))]
    #[schemars(regex(pattern = r"^[a-zA-Z0-9._-]+$"))]
    pub topic_name: Option<String>,
    /// Number of partitions; can be raised, never lowered.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100_000))]
    pub partitions: i32,
    /// Topic configs by Kafka's names, such as `retention.ms`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, ConfigValue>,
}

/// Names a `Cluster`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterRef {
    /// The name of the `Cluster` resource.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

fn one() -> i32 {
    1
}
