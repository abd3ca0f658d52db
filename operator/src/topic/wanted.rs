//! What is wanted of a topic, validated: beyond this file nobody reads the resource's spec.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use millrace_client::Configs;
use millrace_core::config::{StaticConfig, topic as topic_config};
use millrace_core::metadata::is_internal;
use millrace_crds::{DeletionPolicy, Management, TopicSpec, TopicStatus, schema};
use millrace_types::TopicName;
use serde::Deserialize;

use super::owner::{Owner, seconds};
use super::told::Told;
use crate::resource::{Key, Topic};

/// A topic resource as the operator keeps it: read once, small, and never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedTopic {
    /// Where the resource is.
    pub key: Key,
    /// The resource's uid.
    pub uid: Box<str>,
    /// The generation of what is wanted.
    pub generation: i64,
    /// The version of the resource, to tell an older reading; 0 if it has none.
    pub version: u64,
    /// When the resource was made, in milliseconds since 1970: the oldest of several wins.
    pub created_ms: i64,
    /// The cluster that it names.
    pub cluster: Arc<Key>,
    /// The name that Kafka's clients use, if it is not the resource's.
    named: Option<Box<str>>,
    /// Whether the topic is to stay whatever becomes of the resource, which may be wrong elsewhere.
    pub is_kept: bool,
    /// What is wanted, or everything that is wrong with it.
    pub spec: Result<Spec, String>,
    /// What was told last.
    pub told: Told,
}

/// What is wanted of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// How many partitions.
    pub partitions: i32,
    /// All configs that are to be set.
    pub configs: Arc<Configs>,
    /// Whether a topic without owner is taken over.
    pub adopts: bool,
    /// What the operator does.
    pub management: Management,
    /// What becomes of the topic when the resource is deleted.
    pub policy: DeletionPolicy,
    /// How long the topic outlives the resource, in seconds.
    pub grace_seconds: u64,
}

impl WantedTopic {
    /// Reads a resource; none if it does not even name a cluster.
    pub fn read(resource: &Topic) -> WantedTopic {
        let key = resource.key();
        let metadata = &resource.metadata;
        let text = |path: &str| resource.spec.pointer(path).and_then(|it| it.as_str());
        let created = metadata.creation_timestamp.as_ref();
        let named = text("/topicName").filter(|name| *name != key.name);
        let status = TopicStatus::deserialize(&resource.status).unwrap_or_default();
        let cluster = Key {
            namespace: text("/clusterRef/namespace").unwrap_or(&key.namespace).to_owned(),
            name: text("/clusterRef/name").unwrap_or_default().to_owned(),
        };
        WantedTopic {
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or(0),
            version: version(metadata),
            is_kept: text("/deletionPolicy") == Some("Retain")
                || text("/management") == Some("Unmanaged"),
            created_ms: created.map_or(0, |it| it.0.as_millisecond()),
            cluster: Arc::new(cluster),
            spec: read(resource, &key),
            told: Told::read(&status, named.unwrap_or(&key.name)),
            named: named.map(Into::into),
            key,
        }
    }

    /// The name that Kafka's clients use.
    pub fn topic(&self) -> &str {
        self.named.as_deref().unwrap_or(&self.key.name)
    }

    /// The owner that the resource is, where this is wanted of it.
    pub fn owner(&self, spec: &Spec) -> Owner {
        Owner {
            uid: self.uid.to_string(),
            namespace: self.key.namespace.clone(),
            name: self.key.name.clone(),
            policy: spec.policy,
            grace_seconds: spec.grace_seconds,
            missed_at_ms: None,
        }
    }

    /// The order of those who want one topic: the oldest first.
    pub fn seniority(&self) -> (i64, &Key, &str) {
        (self.created_ms, &self.key, &self.uid)
    }
}

/// The version of a resource as a number, which it is wherever versions can be compared; else 0.
pub fn version(metadata: &ObjectMeta) -> u64 {
    metadata.resource_version.as_deref().and_then(|it| it.parse().ok()).unwrap_or(0)
}

fn read(resource: &Topic, key: &Key) -> Result<Spec, String> {
    thread_local! {
        static SCHEMA: serde_json::Value = schema::of::<TopicSpec>();
    }
    let violations = SCHEMA.with(|schema| schema::validate(schema, &resource.spec));
    if !violations.is_empty() {
        let lines: Vec<String> = violations.iter().map(|it| format!("spec.{it}")).collect();
        return Err(lines.join("; "));
    }
    let spec = TopicSpec::deserialize(&resource.spec).map_err(|error| format!("spec: {error}"))?;
    let name = spec.topic_name.as_deref().unwrap_or(&key.name);
    TopicName::parse(name).map_err(|error| format!("spec.topicName: {error}"))?;
    if is_internal(name) {
        return Err(format!("spec.topicName: {name:?} is a topic of the brokers' own"));
    }
    let configs: Configs =
        spec.config.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
    let nothing = StaticConfig::default();
    topic_config::check(&configs, &nothing.layers())
        .map_err(|error| format!("spec.config: {error}"))?;
    Ok(Spec {
        partitions: spec.partitions,
        configs: Arc::new(configs),
        adopts: spec.adopt,
        management: spec.management,
        policy: spec.deletion_policy,
        grace_seconds: seconds(&spec.deletion_grace_period).unwrap_or(u64::MAX),
    })
}
