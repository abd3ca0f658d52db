//! The StatefulSet controller: pods and claims by ordinal, revisions, status.
//!
//! Differs from Kubernetes: pods are always made in parallel, there are no ControllerRevision
//! objects (a revision is a hash of the template), and `RollingUpdate` replaces one pod at a time
//! from the highest ordinal down, without partitions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::system::{self, id};
use crate::object::{self, is_terminating, set_meta};
use crate::resource::Resource;
use crate::store::Key;
use crate::verbs::create::make;
use crate::verbs::scope::Scope;
use crate::world::World;

/// The label that names a pod's revision.
const REVISION: &str = "controller-revision-hash";

/// One round.
pub fn step(world: &mut World) {
    let sets: Vec<(Key, Arc<Value>)> = world
        .store
        .all(&id("apps", "statefulsets"))
        .map(|(key, set)| (key.clone(), set.clone()))
        .collect();
    for (key, set) in sets {
        if !is_terminating(&set) {
            adopt(world, &key, &set);
            make_missing(world, &key, &set);
            drop_surplus(world, &key, &set);
            replace_outdated(world, &key, &set);
        }
        write_status(world, &key, &set);
    }
}

fn replicas(set: &Value) -> u64 {
    set["spec"]["replicas"].as_u64().unwrap_or(0)
}

/// The revision of a template: a short hash of it.
pub(crate) fn revision(set: &Value) -> String {
    // FNV-1a: stable between builds, unlike the hasher of the standard library.
    let text = set["spec"]["template"].to_string();
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{}-{:010x}", object::name(set), hash >> 24)
}

/// The pods that a set controls, by ordinal.
fn pods(world: &World, key: &Key, set: &Value) -> Vec<(u64, Key, Arc<Value>)> {
    let uid = object::meta(set, "uid");
    let mut all: Vec<(u64, Key, Arc<Value>)> = world
        .store
        .all(&id("", "pods"))
        .filter(|(place, pod)| place.0 == key.0 && object::is_owned_by(pod, uid))
        .filter_map(|(place, pod)| {
            let ordinal = place.1.strip_prefix(&format!("{}-", key.1))?.parse().ok()?;
            Some((ordinal, place.clone(), pod.clone()))
        })
        .collect();
    all.sort_by_key(|(ordinal, _, _)| *ordinal);
    all
}

fn first(set: &Value) -> u64 {
    set["spec"]["ordinals"]["start"].as_u64().unwrap_or(0)
}

/// Takes over pods of its names that have no owner: an earlier set left them behind.
fn adopt(world: &mut World, key: &Key, set: &Value) {
    let Some(resource) = resource_of(world, "", "pods") else { return };
    for ordinal in first(set)..first(set) + replicas(set) {
        let place = (key.0.clone(), format!("{}-{ordinal}", key.1));
        let Some(pod) = world.store.get(&resource.id(), &place).cloned() else { continue };
        if object::owners(&pod).next().is_none() && !is_terminating(&pod) {
            let mut adopted = (*pod).clone();
            set_meta(&mut adopted, "ownerReferences", reference(set));
            system::put(world, &resource, &place, adopted);
        }
    }
}

fn reference(set: &Value) -> Value {
    json!([{
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": object::name(set),
        "uid": object::meta(set, "uid"),
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

fn make_missing(world: &mut World, key: &Key, set: &Value) {
    for ordinal in first(set)..first(set) + replicas(set) {
        let name = format!("{}-{ordinal}", key.1);
        let place = (key.0.clone(), name.clone());
        if world.store.get(&id("", "pods"), &place).is_some() {
            continue;
        }
        for template in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
            let claim = format!("{}-{name}", object::name(template));
            let place = (key.0.clone(), claim.clone());
            if world.store.get(&id("", "persistentvolumeclaims"), &place).is_none() {
                let mut object = template.clone();
                set_meta(&mut object, "name", claim);
                let labels = set["spec"]["selector"]["matchLabels"].clone();
                merge_labels(&mut object, &labels);
                make_object(world, "", "persistentvolumeclaims", &key.0, object);
            }
        }
        let pod = pod_of(set, &name, ordinal);
        make_object(world, "", "pods", &key.0, pod);
    }
}

fn merge_labels(object: &mut Value, labels: &Value) {
    let mut all = object["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    for (key, value) in labels.as_object().into_iter().flatten() {
        all.entry(key.clone()).or_insert_with(|| value.clone());
    }
    set_meta(object, "labels", all);
}

fn pod_of(set: &Value, name: &str, ordinal: u64) -> Value {
    let template = &set["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": template["metadata"],
        "spec": template["spec"],
    });
    set_meta(&mut pod, "name", name);
    let labels = json!({
        "apps.kubernetes.io/pod-index": ordinal.to_string(),
        "statefulset.kubernetes.io/pod-name": name,
        REVISION: revision(set),
    });
    merge_labels(&mut pod, &labels);
    set_meta(&mut pod, "ownerReferences", reference(set));
    pod["spec"]["hostname"] = Value::from(name);
    pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
    let mut volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    for claim in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let of = object::name(claim);
        let claim_name = format!("{of}-{name}");
        volumes.retain(|volume| volume["name"] != of);
        volumes.push(json!({ "name": of, "persistentVolumeClaim": { "claimName": claim_name } }));
    }
    if !volumes.is_empty() {
        pod["spec"]["volumes"] = Value::Array(volumes);
    }
    pod
}

fn make_object(world: &mut World, group: &str, plural: &str, namespace: &str, object: Value) {
    let Some(resource) = world.registry.get(&id(group, plural)).cloned() else { return };
    let scope = Scope::of(&resource, &(namespace.to_owned(), String::new()));
    // A refusal (a namespace that is going, a name that is taken) is tried again next time.
    let _ = make(world, &scope, object, crate::apply::managers::Managers::default(), None, false);
}

fn resource_of(world: &World, group: &str, plural: &str) -> Option<Arc<Resource>> {
    world.registry.get(&id(group, plural)).cloned()
}

fn drop_surplus(world: &mut World, key: &Key, set: &Value) {
    let Some(resource) = resource_of(world, "", "pods") else { return };
    let wanted = first(set)..first(set) + replicas(set);
    for (ordinal, place, pod) in pods(world, key, set).into_iter().rev() {
        if wanted.contains(&ordinal) || is_terminating(&pod) {
            continue;
        }
        system::delete(world, &resource, &place, "");
        if set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"] == "Delete"
            && let Some(claims) = resource_of(world, "", "persistentvolumeclaims")
        {
            for template in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
                let claim = format!("{}-{}", object::name(template), place.1);
                system::delete(world, &claims, &(key.0.clone(), claim), "");
            }
        }
    }
}

/// `RollingUpdate`: one pod at a time, and only while all others are ready. `OnDelete`: never.
fn replace_outdated(world: &mut World, key: &Key, set: &Value) {
    if set["spec"]["updateStrategy"]["type"] != "RollingUpdate" {
        return;
    }
    let Some(resource) = resource_of(world, "", "pods") else { return };
    let newest = revision(set);
    let all = pods(world, key, set);
    for (_, place, pod) in all.into_iter().rev() {
        if is_terminating(&pod) {
            return;
        }
        if pod["metadata"]["labels"][REVISION] != newest.as_str() {
            system::delete(world, &resource, &place, "");
            return;
        }
        if !super::kubelet::is_ready(&pod) {
            return;
        }
    }
}

fn write_status(world: &mut World, key: &Key, set: &Value) {
    let Some(resource) = resource_of(world, "apps", "statefulsets") else { return };
    let Some(now) = world.store.get(&resource.id(), key).cloned() else { return };
    let all = pods(world, key, set);
    let count = |test: &dyn Fn(&Value) -> bool| all.iter().filter(|(_, _, pod)| test(pod)).count();
    let newest = revision(set);
    let of = |revision: &str, pod: &Value| pod["metadata"]["labels"][REVISION] == revision;
    let updated = count(&|pod| of(&newest, pod));
    let before = now["status"]["currentRevision"].as_str().unwrap_or(&newest).to_owned();
    // The newest revision becomes the current one when every pod has it.
    let current = if updated == all.len() { newest.clone() } else { before };
    let status = json!({
        "availableReplicas": count(&super::kubelet::is_ready),
        "collisionCount": 0,
        "currentReplicas": count(&|pod| of(&current, pod)),
        "currentRevision": current,
        "observedGeneration": set["metadata"]["generation"],
        "readyReplicas": count(&super::kubelet::is_ready),
        "replicas": all.len(),
        "updateRevision": newest,
        "updatedReplicas": updated,
    });
    if now["status"] != status {
        let mut object = (*now).clone();
        object["status"] = status;
        system::put(world, &resource, key, object);
    }
}
