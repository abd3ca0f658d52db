//! What child objects are called, how they are labelled, and who writes them.

use std::collections::BTreeMap;

/// The one field manager of the operator's server-side applies.
pub const MANAGER: &str = "millrace-operator";
/// Names the cluster that an object belongs to.
pub const CLUSTER_LABEL: &str = "millrace.io/cluster";
/// Tells an external service which broker it is for; the bootstrap service has none.
pub const BROKER_LABEL: &str = "millrace.io/broker";
/// Tells which listener an external service is for.
pub const LISTENER_LABEL: &str = "millrace.io/listener";
/// The id of the cluster whose records are on a volume.
pub const CLUSTER_ID: &str = "millrace.io/cluster-id";
/// The id of the log directory on a volume.
pub const DIRECTORY_ID: &str = "millrace.io/directory-id";
/// A digest of the pod template that a pod was made from, configs included.
pub const TEMPLATE_DIGEST: &str = "millrace.io/template-digest";
/// A digest of what was last applied, to see fields that were taken out.
pub const APPLIED_DIGEST: &str = "millrace.io/applied-digest";
/// The name of the brokers' volume in their pods.
pub const VOLUME: &str = "data";
/// The name of the port of probes and metrics; longer than that of any listener.
pub const HTTP_PORT_NAME: &str = "millrace-http";
/// The name of the volume of the brokers' configs in their pods.
pub const CONFIG_VOLUME: &str = "config";
/// The name of the brokers' container.
pub const CONTAINER: &str = "broker";

/// The name of the `StatefulSet`, and of what there is one of: `NetworkPolicy`,
/// `PodDisruptionBudget`.
pub fn brokers(cluster: &str) -> String {
    cluster.to_owned()
}

/// The brokers' account: not the cluster's name, which may be `default`.
pub fn account(cluster: &str) -> String {
    format!("{cluster}-brokers")
}

/// The pod of one broker.
pub fn pod(cluster: &str, broker: i32) -> String {
    format!("{cluster}-{broker}")
}

/// The volume claim of one broker.
pub fn claim(cluster: &str, broker: i32) -> String {
    format!("{VOLUME}-{cluster}-{broker}")
}

/// The headless service that gives each pod a name of its own.
pub fn headless(cluster: &str) -> String {
    format!("{cluster}-brokers")
}

/// The service that leads to any broker, within Kubernetes.
pub fn bootstrap(cluster: &str) -> String {
    format!("{cluster}-bootstrap")
}

/// The service that leads to any broker from outside, or to one.
pub fn external(cluster: &str, listener: &str, broker: Option<i32>) -> String {
    match broker {
        None => format!("{cluster}-{listener}-bootstrap"),
        Some(broker) => format!("{cluster}-{listener}-{broker}"),
    }
}

/// The `ConfigMap` with the brokers' configs. Other configs are another object: a broker that is
/// started again finds those that it ran with, until the operator has it run with others.
pub fn config(cluster: &str, digest: &str) -> String {
    format!("{cluster}-config-{digest}")
}

/// The file of configs that only one broker reads; `broker` is its number or what stands for it.
pub fn own_file(broker: &str) -> String {
    format!("broker-{broker}.properties")
}

/// The pod that tries whether a new pod template could start.
pub fn trial(cluster: &str) -> String {
    format!("{cluster}-trial")
}

/// The labels of every child object.
pub fn labels(cluster: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "millrace"),
        ("app.kubernetes.io/instance", cluster),
        ("app.kubernetes.io/managed-by", MANAGER),
        (CLUSTER_LABEL, cluster),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// The labels that select the brokers' pods.
pub fn selector(cluster: &str) -> BTreeMap<String, String> {
    [("app.kubernetes.io/component", "broker"), (CLUSTER_LABEL, cluster)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// A digest of a text: FNV-1a, 64 bits. It tells changes apart, it keeps no secret.
pub fn digest(text: &str) -> String {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
}
