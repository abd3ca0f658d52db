//! What is wanted of a cluster, validated: beyond this file nobody reads the resource's spec.

use millrace_core::config::definition::Update;
use millrace_core::config::{BROKER_CONFIGS, StaticConfig, Values};
use millrace_crds::listener::{Listener, ListenerKind};
use millrace_crds::{ClusterSpec, schema};
use millrace_types::Uuid;

use super::problem::Problem;
use crate::names::digest;
use crate::resource::{Cluster, Key};

/// How many brokers a cluster may have until brokers replicate to each other.
const REPLICAS_MAX: i32 = 1;

/// Configs that the operator sets itself, and what to use instead.
const OWN_CONFIGS: [(&str, &str); 8] = [
    ("node.id", "brokers are numbered by their pods"),
    ("cluster.id", "the cluster's id comes from this resource"),
    ("listeners", "use spec.listeners"),
    ("advertised.listeners", "use spec.listeners"),
    ("listener.security.protocol.map", "use spec.listeners"),
    ("log.dir", "use spec.storage"),
    ("log.dirs", "use spec.storage"),
    ("broker.rack", "a broker's rack is the zone of its node"),
];

/// A cluster as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Where the resource is.
    pub key: Key,
    /// The resource's uid.
    pub uid: String,
    /// What is wanted, with all defaults.
    pub spec: ClusterSpec,
    /// The brokers' image.
    pub image: String,
    /// Whether brokers get a user and a group of our choice; else the platform chooses.
    pub are_users_set: bool,
    /// The configs that a broker reads when it starts.
    pub file: Values,
    /// The configs that are set while brokers run.
    pub dynamic: Values,
}

impl Wanted {
    /// The numbers of the brokers.
    pub fn brokers(&self) -> std::ops::Range<i32> {
        0..self.spec.replicas
    }

    /// The port within Kubernetes, which the operator uses, too.
    pub fn internal_port(&self) -> i32 {
        self.internal().map_or(9092, |listener| listener.port)
    }

    /// Whether brokers delete topics at all.
    pub fn deletes_topics(&self) -> bool {
        let value = self.file.get("delete.topic.enable");
        !value.is_some_and(|value| value.trim().eq_ignore_ascii_case("false"))
    }

    /// The listener within Kubernetes.
    pub fn internal(&self) -> Option<&Listener> {
        self.spec.listeners.iter().find(|it| it.kind == ListenerKind::Internal)
    }
}

/// Reads a resource's spec and checks it.
///
/// # Errors
/// Everything that is wrong, each with its field.
pub fn validate(cluster: &Cluster, default_image: &str) -> Result<Wanted, Vec<Problem>> {
    let spec: ClusterSpec = read(cluster)?;
    let mut problems = Vec::new();
    let name = &cluster.key().name;
    if name.len() > 40 || name.contains('.') || !name.starts_with(|c: char| c.is_ascii_lowercase())
    {
        problems.push(Problem::invalid(format!(
            "metadata.name: {name:?} must be at most 40 lower case letters, digits and hyphens, \
             and begin with a letter"
        )));
    }
    if spec.replicas > REPLICAS_MAX {
        problems.push(Problem {
            reason: "ReplicationMissing",
            message: format!(
                "spec.replicas: {} is above the maximum of {REPLICAS_MAX}: brokers do not \
                 replicate to each other yet",
                spec.replicas
            ),
        });
    }
    check_listeners(&spec, &mut problems);
    let (file, dynamic) = configs(&spec, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Wanted {
        key: cluster.key(),
        uid: cluster.metadata.uid.clone().unwrap_or_default(),
        image: spec.image.clone().unwrap_or_else(|| default_image.to_owned()),
        spec,
        are_users_set: true,
        file,
        dynamic,
    })
}

/// The API server checks the schema, too; but a resource may be older than the schema.
fn read(cluster: &Cluster) -> Result<ClusterSpec, Vec<Problem>> {
    let spec = if cluster.spec.is_null() { serde_json::json!({}) } else { cluster.spec.clone() };
    let violations = schema::validate(&schema::of::<ClusterSpec>(), &spec);
    if !violations.is_empty() {
        let problem = |it: &schema::Violation| Problem::invalid(format!("spec.{it}"));
        return Err(violations.iter().map(problem).collect());
    }
    serde_json::from_value(spec).map_err(|error| vec![Problem::invalid(format!("spec: {error}"))])
}

fn check_listeners(spec: &ClusterSpec, problems: &mut Vec<Problem>) {
    let internal = spec.listeners.iter().filter(|it| it.kind == ListenerKind::Internal).count();
    if internal != 1 {
        problems.push(Problem::invalid(format!(
            "spec.listeners: {internal} listeners are of type Internal, exactly 1 must be"
        )));
    }
    for (index, listener) in spec.listeners.iter().enumerate() {
        let earlier = spec.listeners.iter().take(index);
        let is_taken = listener.port == millrace_crds::listener::HTTP_PORT
            || earlier.clone().any(|other| other.port == listener.port);
        if is_taken {
            problems.push(Problem::invalid(format!(
                "spec.listeners[{index}].port: {} is taken",
                listener.port
            )));
        }
        if earlier.clone().any(|other| other.name == listener.name) {
            problems.push(Problem::invalid(format!(
                "spec.listeners[{index}].name: {:?} stands twice",
                listener.name
            )));
        }
    }
}

/// The configs by when a broker takes them; what is wrong is told by the broker's own parser.
fn configs(spec: &ClusterSpec, problems: &mut Vec<Problem>) -> (Values, Values) {
    let (mut file, mut dynamic) = (Values::new(), Values::new());
    for (name, value) in &spec.config {
        if let Some((_, instead)) = OWN_CONFIGS.iter().find(|(own, _)| own == name) {
            problems.push(Problem::invalid(format!("spec.config[{name:?}]: {instead}")));
            continue;
        }
        let definition = BROKER_CONFIGS.iter().find(|definition| definition.name == name);
        let is_dynamic = definition.is_some_and(|it| it.update == Update::Dynamic);
        let values = if is_dynamic { &mut dynamic } else { &mut file };
        values.insert(name.clone(), value.to_string());
    }
    let all = file.iter().chain(&dynamic).map(|(name, value)| (name.clone(), value.clone()));
    let own = [("node.id".to_owned(), "0".to_owned())];
    if let Err(errors) = StaticConfig::new(all.chain(own)) {
        let told = |error| Problem::invalid(format!("spec.config: {error}"));
        problems.extend(errors.iter().map(told));
    }
    (file, dynamic)
}

/// The id of a cluster that has no volume yet: the resource's uid, in Kafka's way of writing.
pub fn new_cluster_id(uid: &str) -> String {
    let hex: String = uid.chars().filter(char::is_ascii_hexdigit).collect();
    // What is no uid all the same gets an id of its own.
    let hex = if hex.len() == 32 { hex } else { digest(uid) + &digest(&digest(uid)) };
    let number = u128::from_str_radix(&hex, 16).unwrap_or_default();
    Uuid::from_bytes(number.to_be_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::{new_cluster_id, validate};
    use crate::resource::Cluster;

    fn check(name: &str, spec: Value, expected: &Expect) {
        let mut cluster = Cluster { spec, ..Cluster::default() };
        cluster.metadata.name = Some(name.to_owned());
        let told = match validate(&cluster, "millrace-broker:1") {
            Ok(wanted) => format!("{} {:?} {:?}", wanted.image, wanted.file, wanted.dynamic),
            Err(problems) => {
                let lines: Vec<String> =
                    problems.iter().map(|it| format!("{}: {}", it.reason, it.message)).collect();
                lines.join("\n")
            }
        };
        expected.assert_eq(&told);
    }

    #[test]
    fn configs_are_split_by_when_a_broker_takes_them() {
        check(
            "one",
            json!({ "config": { "log.retention.ms": 5, "num.partitions": 3 } }),
            &expect![[r#"millrace-broker:1 {"num.partitions": "3"} {"log.retention.ms": "5"}"#]],
        );
        check("one", Value::Null, &expect!["millrace-broker:1 {} {}"]);
    }

    #[test]
    fn a_refusal_names_field_value_and_limit() {
        check(
            "one",
            json!({
                "replicas": 3,
                "config": { "log.dirs": "/x", "log.retention.ms": "1h", "nod.id": 1 },
                "listeners": [
                    { "name": "a", "type": "NodePort", "port": 9092 },
                    { "name": "a", "type": "NodePort", "port": 9092 },
                ],
            }),
            &expect![[r#"
                ReplicationMissing: spec.replicas: 3 is above the maximum of 1: brokers do not replicate to each other yet
                InvalidSpec: spec.listeners: 0 listeners are of type Internal, exactly 1 must be
                InvalidSpec: spec.listeners[1].port: 9092 is taken
                InvalidSpec: spec.listeners[1].name: "a" stands twice
                InvalidSpec: spec.config["log.dirs"]: use spec.storage
                InvalidSpec: spec.config: invalid value "1h" for config log.retention.ms: expected a whole number from -9223372036854775808 to 9223372036854775807
                InvalidSpec: spec.config: unknown config "nod.id"; did you mean node.id?"#]],
        );
        check(
            "a.b",
            json!({ "replica": 1 }),
            &expect![
                "InvalidSpec: spec.replica: unknown field; known here: config, deletionPolicy, image, imagePullPolicy, listeners, paused, pod, replicas, resources, storage, topicNamespaces"
            ],
        );
        check(
            "a.b",
            json!({}),
            &expect![[
                r#"InvalidSpec: metadata.name: "a.b" must be at most 40 lower case letters, digits and hyphens, and begin with a letter"#
            ]],
        );
    }

    #[test]
    fn the_id_of_a_new_cluster_is_the_uid_of_its_resource() {
        let id = new_cluster_id("00000000-0000-0000-0000-0000000000ff");
        assert_eq!(id, "AAAAAAAAAAAAAAAAAAAA_w");
        assert_eq!(new_cluster_id("x").len(), 22);
        assert_ne!(new_cluster_id("x"), new_cluster_id("y"));
    }
}
