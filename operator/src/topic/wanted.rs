//! What is wanted of a topic, validated: beyond this file nobody reads the resource's spec.

use std::sync::Arc;

use millrace_client::Configs;
use millrace_core::config::{StaticConfig, topic as topic_config};
use millrace_core::metadata::is_internal;
use millrace_crds::{Management, TopicSpec, TopicStatus, schema};
use millrace_types::TopicName;

use super::owner::Owner;
use crate::clock;
use crate::resource::{Key, Topic};

/// A topic resource as the operator keeps it: read once, small, and never changed.
#[derive(Clone, Debug, PartialEq)]
pub struct WantedTopic {
    /// Where the resource is.
    pub key: Key,
    /// The resource's uid.
    pub uid: String,
    /// The generation of what is wanted.
    pub generation: i64,
    /// The version of the resource, to tell an older reading.
    pub resource_version: String,
    /// When the resource was made, in milliseconds since 1970: the oldest of several wins.
    pub created_ms: i64,
    /// The cluster that it names.
    pub cluster: Key,
    /// The name that Kafka's clients use.
    pub topic: String,
    /// What is wanted, or everything that is wrong with it.
    pub spec: Result<Spec, String>,
    /// What was told last.
    pub status: Arc<TopicStatus>,
}

/// What is wanted of a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// How many partitions.
    pub partitions: i32,
    /// All configs that are to be set.
    pub configs: Configs,
    /// Whether a topic without owner is taken over.
    pub adopts: bool,
    /// What the operator does.
    pub management: Management,
    /// The owner that the resource is.
    pub owner: Owner,
}

impl WantedTopic {
    /// Reads a resource; none if it does not even name a cluster.
    pub fn read(resource: &Topic) -> WantedTopic {
        let key = resource.key();
        let metadata = &resource.metadata;
        let uid = metadata.uid.clone().unwrap_or_default();
        let text = |path: &str| resource.spec.pointer(path).and_then(|it| it.as_str());
        let created = metadata.creation_timestamp.as_ref();
        WantedTopic {
            generation: metadata.generation.unwrap_or(0),
            resource_version: metadata.resource_version.clone().unwrap_or_default(),
            created_ms: created.and_then(|it| clock::parse_ms(&it.0.to_string())).unwrap_or(0),
            cluster: Key {
                namespace: text("/clusterRef/namespace").unwrap_or(&key.namespace).to_owned(),
                name: text("/clusterRef/name").unwrap_or_default().to_owned(),
            },
            topic: text("/topicName").unwrap_or(&key.name).to_owned(),
            spec: read(resource, &key, &uid),
            status: Arc::new(serde_json::from_value(resource.status.clone()).unwrap_or_default()),
            key,
            uid,
        }
    }

    /// The order of those who want one topic: the oldest first.
    pub fn seniority(&self) -> (i64, &Key, &str) {
        (self.created_ms, &self.key, &self.uid)
    }
}

fn read(resource: &Topic, key: &Key, uid: &str) -> Result<Spec, String> {
    thread_local! {
        static SCHEMA: serde_json::Value = schema::of::<TopicSpec>();
    }
    let violations = SCHEMA.with(|schema| schema::validate(schema, &resource.spec));
    if !violations.is_empty() {
        let lines: Vec<String> = violations.iter().map(|it| format!("spec.{it}")).collect();
        return Err(lines.join("; "));
    }
    let spec: TopicSpec =
        serde_json::from_value(resource.spec.clone()).map_err(|error| format!("spec: {error}"))?;
    let name = spec.topic_name.as_deref().unwrap_or(&key.name);
    TopicName::parse(name).map_err(|error| format!("spec.topicName: {error}"))?;
    if is_internal(name) {
        return Err(format!("spec.topicName: {name:?} is a topic of the brokers' own"));
    }
    let owner = Owner::of(key, uid, &spec);
    let configs: Configs =
        spec.config.iter().map(|(name, value)| (name.clone(), value.to_string())).collect();
    let nothing = StaticConfig::default();
    topic_config::check(&configs, &nothing.layers())
        .map_err(|error| format!("spec.config: {error}"))?;
    Ok(Spec {
        partitions: spec.partitions,
        configs,
        adopts: spec.adopt,
        management: spec.management,
        owner,
    })
}
