//! `Cluster`: a set of brokers that answer as one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::listener::{Listener, default_listeners};
use crate::pod::{PodTemplate, Resources};
use crate::{ConfigValue, DeletionPolicy, Metadata};

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
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.deletionPolicy != 'Retain' || self.storage.deletionPolicy == 'Retain'",
    "message": "deletionPolicy Retain keeps the brokers running, so storage.deletionPolicy must \
                be Retain, too"
}]))]
pub struct ClusterSpec {
    /// Number of brokers. More than 1 is refused until brokers replicate to each other.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: i32,
    /// The broker's image; by default the one that goes with the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// When the image is pulled; by default what Kubernetes does for its tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Where the records are kept.
    #[serde(default)]
    pub storage: Storage,
    /// Where clients connect. By default one listener within Kubernetes, on port 9092.
    #[serde(default = "default_listeners")]
    #[schemars(length(min = 1, max = 8))]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"],
        "x-kubernetes-validations" = [
            {
                "rule": "self.exists_one(it, it.type == 'Internal')",
                "message": "exactly one listener must be of type Internal: brokers and operator \
                            use it"
            },
            {
                "rule": "self.all(a, self.exists_one(b, b.port == a.port))",
                "message": "each listener must have a port of its own"
            }
        ]
    ))]
    pub listeners: Vec<Listener>,
    /// Broker configs by Kafka's names, such as `log.retention.ms`. They are the truth: what is set
    /// on the cluster by hand is taken back. What Kafka can change at run time is, the rest comes
    /// with a restart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 200))]
    pub config: BTreeMap<String, ConfigValue>,
    /// Processor and memory of each broker.
    #[serde(default, skip_serializing_if = "Resources::is_empty")]
    pub resources: Resources,
    /// What else the brokers' pods are to be.
    #[serde(default, skip_serializing_if = "PodTemplate::is_empty")]
    pub pod: PodTemplate,
    /// Namespaces, besides the cluster's own, whose `Topic`s may name this cluster; `*` for all. A
    /// topic that has a `Topic` already keeps it, however old those are that are let in later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub topic_namespaces: Vec<String>,
    /// Whether the operator leaves everything of this cluster as it is.
    #[serde(default)]
    pub paused: bool,
    /// Whether the brokers go with this resource, or run on without it.
    #[serde(default = "delete")]
    pub deletion_policy: DeletionPolicy,
}

impl Default for ClusterSpec {
    fn default() -> ClusterSpec {
        ClusterSpec {
            replicas: one(),
            image: None,
            image_pull_policy: None,
            storage: Storage::default(),
            listeners: default_listeners(),
            config: BTreeMap::new(),
            resources: Resources::default(),
            pod: PodTemplate::default(),
            topic_namespaces: Vec::new(),
            paused: false,
            deletion_policy: delete(),
        }
    }
}

/// When an image is pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    /// At each start.
    Always,
    /// If the node does not have it.
    IfNotPresent,
    /// Never: the node must have it.
    Never,
}

/// Where a broker keeps its records: a volume of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
        "message": "a volume can grow but not shrink",
        "fieldPath": ".size"
    },
    {
        "rule": "has(self.className) == has(oldSelf.className) && \
                 (!has(self.className) || self.className == oldSelf.className)",
        "message": "the class of a volume cannot change",
        "fieldPath": ".className"
    }
]))]
pub struct Storage {
    /// Size of each broker's volume; can be raised where the storage class allows it.
    #[serde(default = "ten_gibibytes")]
    #[schemars(length(max = 20), regex(pattern = r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$"))]
    pub size: String,
    /// The storage class; by default that of Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
    /// Whether volumes, and the records in them, go with the cluster.
    #[serde(default = "retain")]
    pub deletion_policy: DeletionPolicy,
}

impl Default for Storage {
    fn default() -> Storage {
        Storage { size: ten_gibibytes(), class_name: None, deletion_policy: retain() }
    }
}

fn one() -> i32 {
    1
}

fn ten_gibibytes() -> String {
    "10Gi".to_owned()
}

fn delete() -> DeletionPolicy {
    DeletionPolicy::Delete
}

fn retain() -> DeletionPolicy {
    DeletionPolicy::Retain
}
