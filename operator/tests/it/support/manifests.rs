//! What a user writes.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

/// The resources of a text in YAML; those without a namespace go to `default`.
pub fn manifests(text: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(text)
        .map(|document| {
            let mut object = Value::deserialize(document).expect("YAML");
            if object["metadata"]["namespace"].is_null() {
                object["metadata"]["namespace"] = json!("default");
            }
            object
        })
        .collect()
}

/// The resources of a file under `examples/`.
pub fn example(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
    manifests(&std::fs::read_to_string(path).expect("an example"))
}

/// A cluster in `default`.
pub fn cluster(name: &str, spec: Value) -> Value {
    resource("Cluster", name, spec)
}

/// A topic in `default` of a cluster there; `rest` goes over what its spec has anyway.
pub fn topic(name: &str, cluster: &str, rest: Value) -> Value {
    let mut spec = json!({ "clusterRef": { "name": cluster } });
    let Value::Object(rest) = rest else { panic!("fields, not {rest}") };
    for (key, value) in rest {
        spec[key] = value;
    }
    resource("Topic", name, spec)
}

fn resource(kind: &str, name: &str, spec: Value) -> Value {
    let mut object = json!({
        "apiVersion": "millrace.io/v1alpha1",
        "kind": kind,
        "metadata": { "name": name, "namespace": "default" },
    });
    object["spec"] = spec;
    object
}
