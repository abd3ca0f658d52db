//! A broker's volume claim: made by the `StatefulSet`, then looked after by the operator.

use std::collections::BTreeMap;

use millrace_crds::DeletionPolicy;
use serde_json::{Value, json};

use super::owner;
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names;

/// A claim that is there.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    /// Its uid.
    pub uid: &'a str,
    /// The cluster whose records are on it.
    pub cluster_id: &'a str,
    /// Whose disk it is, once its broker has said so.
    pub directory_id: Option<String>,
    /// The size to ask for.
    pub size: &'a str,
}

/// The labels of a claim.
pub fn labels(wanted: &Wanted) -> BTreeMap<String, String> {
    let cluster = &wanted.key.name;
    let mut labels = names::labels(cluster);
    labels.extend(names::selector(cluster));
    labels
}

/// What the operator wants of a claim that is there. With its uid: if the claim has gone meanwhile
/// the API refuses to make it anew.
pub fn claim(wanted: &Wanted, broker: i32, found: &Found<'_>) -> Value {
    let Found { uid, cluster_id, directory_id, size } = found;
    let mut annotations = json!({ (names::CLUSTER_ID): cluster_id });
    if let Some(directory_id) = directory_id {
        annotations[names::DIRECTORY_ID] = json!(directory_id);
    }
    let mut metadata = json!({
        "name": names::claim(&wanted.key.name, broker),
        "namespace": wanted.key.namespace,
        "uid": uid,
        "labels": labels(wanted),
        "annotations": annotations,
    });
    if wanted.spec.storage.deletion_policy == DeletionPolicy::Delete {
        metadata["ownerReferences"] = owner(wanted);
    }
    json!({
        "apiVersion": Kind::PersistentVolumeClaim.api_version(),
        "kind": Kind::PersistentVolumeClaim.name(),
        "metadata": metadata,
        "spec": { "resources": { "requests": { "storage": size } } },
    })
}
