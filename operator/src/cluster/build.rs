//! The child objects of a cluster as they are to be. Pure: what is wanted in, JSON out.
//!
//! A test of this module reads each object into Kubernetes' own types and back, so that no field
//! is misspelt.

use millrace_crds::DeletionPolicy;
use serde_json::{Value, json};

use super::wanted::Wanted;
use crate::kind::Kind;
use crate::names;

pub mod claim;
pub mod config;
pub mod external;
pub mod pod;
pub mod policies;
pub mod services;
pub mod stateful_set;
pub mod trial;

#[cfg(test)]
pub mod tests;

/// An object with what all children have: labels, and an owner if they are to go with it.
fn child(wanted: &Wanted, kind: Kind, name: &str, rest: Value) -> Value {
    let cluster = &wanted.key.name;
    let mut object = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": {
            "name": name,
            "namespace": wanted.key.namespace,
            "labels": names::labels(cluster),
        },
    });
    if wanted.spec.deletion_policy == DeletionPolicy::Delete {
        object["metadata"]["ownerReferences"] = owner(wanted);
    }
    merge(&mut object, rest);
    object
}

/// The reference to the resource: what has it is deleted after it.
fn owner(wanted: &Wanted) -> Value {
    json!([{
        "apiVersion": millrace_crds::API_VERSION,
        "kind": "Cluster",
        "name": wanted.key.name,
        "uid": wanted.uid,
        "controller": true,
    }])
}

/// Puts the fields of `from` into `into`; where both have an object, its fields.
pub(crate) fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A `StatefulSet` with the labels and annotations that others have put on the pods of one, too: to
/// take them out would be to restart brokers.
pub(crate) fn with_pod_metadata_of(there: &Value, mut set: Value) -> Value {
    let mut metadata = there["spec"]["template"]["metadata"].clone();
    merge(&mut metadata, set["spec"]["template"]["metadata"].take());
    set["spec"]["template"]["metadata"] = metadata;
    set
}

/// Puts a field in, unless it says nothing.
fn put(into: &mut Value, name: &str, value: impl serde::Serialize) {
    let value = json!(value);
    let is_empty = value.is_null()
        || value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty);
    if !is_empty {
        into[name] = value;
    }
}
