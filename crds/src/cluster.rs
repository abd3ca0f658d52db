//! `Cluster`: a set of brokers that answer as one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ConfigValue, Metadata};

/// A cluster of brokers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cluster {
    /// Group and version; see [`crate::API_VERSION`].
    pub api_version: String,
    /// `Cluster`.
    pub kind: String,
    /// Name, labels and annotations.
    pub metadata: Metadata,
    /// What is wanted.
    #[serde(default)]
    pub spec: ClusterSpec,
}

/// What a user wants of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterSpec {
    /// Number of brokers.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: i32,
    /// Broker configs by Kafka's names, such as `auto.create.topics.enable`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, ConfigValue>,
}

impl Default for ClusterSpec {
    fn default() -> ClusterSpec {
        ClusterSpec { replicas: one(), config: BTreeMap::new() }
    }
}

fn one() -> i32 {
    1
}
