//! A file of manifests: one `Cluster` and its `Topic`s.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::schema::{self, Violation};
use crate::{API_VERSION, Cluster, ClusterRef, Topic};

/// One cluster with its topics, each checked against its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// The cluster.
    pub cluster: Cluster,
    /// Its topics, in the order of the file.
    pub topics: Vec<Topic>,
}

/// Why a file is not a manifest that can be run. Each text starts with the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file is not YAML.
    #[error("{file}: not valid YAML")]
    Yaml {
        /// The file's name.
        file: String,
        /// Where and why.
        #[source]
        source: serde_yaml::Error,
    },
    /// A document is of a kind that nothing here knows.
    #[error(
        "{file}: document {number}: apiVersion {api_version:?}, kind {kind:?} is unknown; \
         known are Cluster and Topic of {API_VERSION}"
    )]
    UnknownKind {
        /// The file's name.
        file: String,
        /// The document's place in the file, from 1.
        number: usize,
        /// What the document says.
        api_version: String,
        /// What the document says.
        kind: String,
    },
    /// Fields of a document break its schema.
    #[error("{file}: {resource}: {}", list(violations))]
    Invalid {
        /// The file's name.
        file: String,
        /// Kind and name, such as `Topic/orders`.
        resource: String,
        /// What is wrong, never empty.
        violations: Vec<Violation>,
    },
    /// The file has no cluster, or more than one.
    #[error("{file}: holds {count} Cluster resources, must hold exactly 1")]
    ClusterCount {
        /// The file's name.
        file: String,
        /// How many there are.
        count: usize,
    },
}

impl Manifest {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Names the file, the resource, the field, the value and the limit.
    pub fn parse(file: &str, text: &str) -> Result<Manifest, ManifestError> {
        let mut clusters: Vec<Cluster> = Vec::new();
        let mut topics: Vec<Topic> = Vec::new();
        for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
            // By way of YAML's own value, which refuses a key that stands twice.
            let value = serde_yaml::Value::deserialize(document)
                .and_then(serde_yaml::from_value::<Value>)
                .map_err(|source| ManifestError::Yaml { file: file.to_owned(), source })?;
            if value.is_null() {
                continue;
            }
            match kind_of(&value) {
                (API_VERSION, "Cluster") => clusters.push(read(file, "Cluster", value)?),
                (API_VERSION, "Topic") => topics.push(read(file, "Topic", value)?),
                (api_version, kind) => {
                    return Err(ManifestError::UnknownKind {
                        file: file.to_owned(),
                        number: index + 1,
                        api_version: api_version.to_owned(),
                        kind: kind.to_owned(),
                    });
                }
            }
        }
        let count = clusters.len();
        let Some(cluster) = clusters.pop().filter(|_| count == 1) else {
            return Err(ManifestError::ClusterCount { file: file.to_owned(), count });
        };
        let manifest = Manifest { cluster, topics };
        manifest.check_references(file)?;
        Ok(manifest)
    }

    /// Topics name the cluster of the file, and no name twice.
    fn check_references(&self, file: &str) -> Result<(), ManifestError> {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        for topic in &self.topics {
            let refuse = |field: &str, problem: String| ManifestError::Invalid {
                file: file.to_owned(),
                resource: format!("Topic/{}", topic.metadata.name),
                violations: vec![Violation { field: field.to_owned(), problem }],
            };
            let ClusterRef { name: cluster, namespace } = &topic.spec.cluster_ref;
            let own = &self.cluster.metadata.namespace;
            if namespace.is_some() && namespace != own {
                let problem = format!("{namespace:?} is not that of the cluster, {own:?}");
                return Err(refuse("spec.clusterRef.namespace", problem));
            }
            if *cluster != self.cluster.metadata.name {
                let known = &self.cluster.metadata.name;
                let problem = format!("{cluster:?} is not in this file, which has {known:?}");
                return Err(refuse("spec.clusterRef.name", problem));
            }
            if let Some(other) = seen.insert(topic.topic_name(), &topic.metadata.name) {
                let problem = format!("{:?} is already Topic/{other}", topic.topic_name());
                return Err(refuse("spec.topicName", problem));
            }
        }
        Ok(())
    }
}

fn kind_of(value: &Value) -> (&str, &str) {
    let text = |field| value.get(field).and_then(Value::as_str).unwrap_or_default();
    (text("apiVersion"), text("kind"))
}

fn read<T>(file: &str, kind: &str, value: Value) -> Result<T, ManifestError>
where
    T: DeserializeOwned + schemars::JsonSchema,
{
    let name = value.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("?");
    let resource = format!("{kind}/{name}");
    let mut violations = schema::validate(&schema::of::<T>(), &value);
    if violations.is_empty() {
        match serde_json::from_value(value) {
            Ok(resource) => return Ok(resource),
            // The schema follows from the type, so this is a gap between the two; say it all the same.
            Err(error) => {
                violations
                    .push(Violation { field: "resource".to_owned(), problem: error.to_string() });
            }
        }
    }
    Err(ManifestError::Invalid { file: file.to_owned(), resource, violations })
}

fn list(violations: &[Violation]) -> String {
    violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::{Manifest, Topic};

    const CLUSTER: &str =
        "apiVersion: millrace.io/v1alpha1\nkind: Cluster\nmetadata: {name: one}\n---\n";

    fn refusal(text: &str) -> String {
        let error = Manifest::parse("f.yaml", text).unwrap_err();
        match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }
    }

    fn topic(spec: &str) -> String {
        format!(
            "{CLUSTER}apiVersion: millrace.io/v1alpha1\nkind: Topic\nmetadata: {{name: orders}}\n\
             spec: {spec}\n"
        )
    }

    #[test]
    fn the_quickstart_is_a_manifest() {
        let text = include_str!("../../examples/quickstart.yaml");
        let manifest = Manifest::parse("quickstart.yaml", text).unwrap();
        let names: Vec<&str> = manifest.topics.iter().map(Topic::topic_name).collect();
        assert_eq!(names, ["orders", "customers", "Web_Clicks"]);
    }

    #[test]
    fn a_manifest_with_defaults_is_complete() {
        let manifest = Manifest::parse("f.yaml", &topic("{clusterRef: {name: one}}")).unwrap();
        assert_eq!(manifest.cluster.spec.replicas, 1);
        assert_eq!(manifest.topics[0].topic_name(), "orders");
        assert_eq!(manifest.topics[0].spec.partitions, 1);
    }

    #[test]
    fn config_values_may_be_written_as_yaml_scalars() {
        let spec = "{clusterRef: {name: one}, config: {retention.ms: 1000, a: true, b: 0.5, c: x}}";
        let manifest = Manifest::parse("f.yaml", &topic(spec)).unwrap();
        let texts: Vec<String> = manifest.topics[0]
            .spec
            .config
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        assert_eq!(texts, ["a=true", "b=0.5", "c=x", "retention.ms=1000"]);
    }

    #[test]
    fn a_refusal_names_file_field_value_and_limit() {
        for (spec, expected) in [
            (
                "{clusterRef: {name: one}, partitions: 0}",
                "f.yaml: Topic/orders: spec.partitions: 0 is below the minimum of 1",
            ),
            (
                "{clusterRef: {name: one}, partitions: many}",
                "f.yaml: Topic/orders: spec.partitions: \"many\" must be of type integer",
            ),
            ("{partitions: 1}", "f.yaml: Topic/orders: spec.clusterRef: is missing"),
            (
                "{clusterRef: {name: one}, partition: 1}",
                "f.yaml: Topic/orders: spec.partition: unknown field; known here: adopt, \
                 clusterRef, config, deletionGracePeriod, deletionPolicy, management, partitions, \
                 topicName",
            ),
            (
                "{clusterRef: {name: one}, config: {retention.ms: [1]}}",
                "f.yaml: Topic/orders: spec.config[\"retention.ms\"]: a list must be a string, a \
                 number or a boolean",
            ),
            (
                "{clusterRef: {name: two}}",
                "f.yaml: Topic/orders: spec.clusterRef.name: \"two\" is not in this file, which \
                 has \"one\"",
            ),
            (
                "{clusterRef: {name: one}, topicName: a b}",
                "f.yaml: Topic/orders: spec.topicName: \"a b\" does not match ^[a-zA-Z0-9._-]+$",
            ),
        ] {
            assert_eq!(refusal(&topic(spec)), expected);
        }
    }

    #[test]
    fn a_file_without_a_cluster_or_of_another_kind_is_refused() {
        assert_eq!(refusal(""), "f.yaml: holds 0 Cluster resources, must hold exactly 1");
        assert_eq!(
            refusal("kind: Pod\napiVersion: v1\n"),
            "f.yaml: document 1: apiVersion \"v1\", kind \"Pod\" is unknown; known are Cluster and \
             Topic of millrace.io/v1alpha1"
        );
        assert!(refusal("a: [").starts_with("f.yaml: not valid YAML: "));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let text = format!("{CLUSTER}kind: Topic\nkind: Topic\n");
        assert!(refusal(&text).contains("duplicate"), "{}", refusal(&text));
    }
}
