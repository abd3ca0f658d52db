//! `Topic`: a topic of one cluster.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigValue, DeletionPolicy, Metadata};

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
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "self.clusterRef == oldSelf.clusterRef",
        "message": "a topic cannot move to another cluster",
        "fieldPath": ".clusterRef"
    },
    {
        "rule": "has(self.topicName) == has(oldSelf.topicName) && \
                 (!has(self.topicName) || self.topicName == oldSelf.topicName)",
        "message": "a topic cannot be renamed",
        "fieldPath": ".topicName"
    },
    {
        "rule": "self.partitions >= oldSelf.partitions",
        "message": "partitions can be added but not taken away",
        "fieldPath": ".partitions"
    }
]))]
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
    /// Topic configs by Kafka's names, such as `retention.ms`. They are the truth: what is set on
    /// the topic by hand is taken back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 100))]
    pub config: BTreeMap<String, ConfigValue>,
    /// Whether a topic that is there already, and that no resource owns, is taken over.
    #[serde(default)]
    pub adopt: bool,
    /// Whether the operator changes the topic, leaves it alone for a while, or lets it go.
    #[serde(default = "managed")]
    pub management: Management,
    /// Whether the topic, and the records in it, go with this resource.
    #[serde(default = "delete")]
    pub deletion_policy: DeletionPolicy,
    /// How long the topic outlives this resource, such as `30s`, `15m`, `1h` or `7d`. A resource
    /// of the same name that comes back meanwhile undoes the deletion.
    #[serde(default = "one_hour")]
    #[schemars(length(max = 8), regex(pattern = r"^[0-9]+(s|m|h|d)$"))]
    pub deletion_grace_period: String,
}

/// What the operator does with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Management {
    /// Makes it what the resource says.
    Managed,
    /// Leaves it as it is for now; it still belongs to the resource.
    Paused,
    /// Lets it go: it stays as it is, also when the resource is deleted.
    Unmanaged,
}

/// Names a `Cluster`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterRef {
    /// The name of the `Cluster` resource.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace; by default the topic's. Another one must let this one in with
    /// `spec.topicNamespaces`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

fn one() -> i32 {
    1
}

fn managed() -> Management {
    Management::Managed
}

fn delete() -> DeletionPolicy {
    DeletionPolicy::Delete
}

fn one_hour() -> String {
    "1h".to_owned()
}
