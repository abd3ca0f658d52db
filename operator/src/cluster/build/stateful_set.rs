//! The `StatefulSet` of the brokers. It makes all pods at once and never replaces one: when a
//! broker may stop is the operator's decision.

use serde_json::{Value, json};

use super::{child, claim, pod, put};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names;

/// The `StatefulSet`.
pub fn stateful_set(wanted: &Wanted, cluster_id: &str) -> Value {
    let cluster = &wanted.key.name;
    let storage = &wanted.spec.storage;
    let mut claim_spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": { "requests": { "storage": storage.size } },
    });
    put(&mut claim_spec, "storageClassName", &storage.class_name);
    let spec = json!({
        "replicas": wanted.spec.replicas,
        "serviceName": names::headless(cluster),
        "podManagementPolicy": "Parallel",
        "updateStrategy": { "type": "OnDelete" },
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "selector": { "matchLabels": names::selector(cluster) },
        "template": pod::template(wanted, cluster_id),
        "volumeClaimTemplates": [{
            "apiVersion": Kind::PersistentVolumeClaim.api_version(),
            "kind": Kind::PersistentVolumeClaim.name(),
            "metadata": {
                "name": names::VOLUME,
                "labels": claim::labels(wanted),
                "annotations": { (names::CLUSTER_ID): cluster_id },
            },
            "spec": claim_spec,
        }],
    });
    child(wanted, Kind::StatefulSet, &names::brokers(cluster), json!({ "spec": spec }))
}
