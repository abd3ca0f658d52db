//! `status` of both kinds: what the operator tells.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One statement about a resource, by the conventions of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about: `Ready`, `Progressing`, `Degraded`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// Why, in one word for machines.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// The generation of the resource that this was said of.
    pub observed_generation: i64,
    /// When `status` last changed.
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,
}

/// What the operator tells of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The generation of the resource that all this is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// Brokers whose pods are there.
    #[serde(default)]
    pub replicas: i32,
    /// Brokers that serve.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Selects the brokers' pods.
    #[serde(default)]
    pub selector: String,
    /// The id that Kafka's clients see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// The first address for clients within Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<String>,
    /// What holds.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Each broker.
    #[serde(default)]
    pub brokers: Vec<BrokerStatus>,
    /// Each listener.
    #[serde(default)]
    pub listeners: Vec<ListenerStatus>,
    /// What is still to be done, or waited for, and why.
    #[serde(default)]
    pub pending: Vec<Pending>,
}

/// One broker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerStatus {
    /// Its number among the brokers.
    pub id: i32,
    /// Its pod.
    pub pod: String,
    /// The node of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The zone of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// `Serving`, `Starting`, `Pending`, `Failing`, `Stopping` or `Missing`.
    pub state: String,
    /// Why, where it does not serve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The version that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The id of its log directory, as it was known last: whose disk it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_id: Option<String>,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The address that clients begin with, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<String>,
}

/// Something that is still to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// What.
    pub step: String,
    /// What it waits for, or why it is done.
    pub reason: String,
}

/// What the operator tells of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopicStatus {
    /// The generation of the resource that all this is about.
    #[serde(default)]
    pub observed_generation: i64,
    /// The name that Kafka's clients use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_name: Option<String>,
    /// The topic's id, which no later topic of the same name has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic_id: Option<String>,
    /// How many partitions the topic has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<i32>,
    /// What holds.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
