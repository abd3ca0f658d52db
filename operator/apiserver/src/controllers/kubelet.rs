//! A kubelet and scheduler of one node: pods run at once unless a test says otherwise.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::system::{self, id};
use crate::fates::Fate;
use crate::object::{is_terminating, meta};
use crate::store::Key;
use crate::world::World;

/// The address of the one node.
const NODE_ADDRESS: &str = "172.18.0.2";

/// Whether a pod is ready.
pub fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
        && !is_terminating(pod)
}

/// When the next pod ends.
pub(crate) fn next_end(world: &World) -> Option<Instant> {
    world.fates.ends.values().min().copied()
}

/// One round.
pub fn step(world: &mut World) {
    let pods = id("", "pods");
    let Some(resource) = world.registry.get(&pods).cloned() else { return };
    let all: Vec<(Key, Arc<Value>)> =
        world.store.all(&pods).map(|(key, pod)| (key.clone(), pod.clone())).collect();
    world
        .fates
        .ends
        .retain(|(key, uid), _| all.iter().any(|(at, pod)| at == key && meta(pod, "uid") == uid));
    for (key, pod) in all {
        let fate = world.fates.of(&key, &pod);
        if fate == Fate::NodeLost {
            world.fates.ends.remove(&(key.clone(), meta(&pod, "uid").to_owned()));
            continue;
        }
        if is_terminating(&pod) {
            if has_ended(world, &key, &pod) {
                system::end_pod(world, &resource, &key);
            }
            continue;
        }
        let mut run = (*pod).clone();
        if !matches!(fate, Fate::Unschedulable(_)) && run["spec"].get("nodeName").is_none() {
            run["spec"]["nodeName"] = Value::from("node-1");
        }
        set_status(world, &mut run, &fate);
        if run != *pod {
            system::put(world, &resource, &key, run);
        }
    }
}

/// Whether a terminating pod has ended by now: after the time that it takes, or its grace.
fn has_ended(world: &mut World, key: &Key, pod: &Value) -> bool {
    let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
    let wait = world.fates.stops_in.min(Duration::from_secs(grace));
    let entry = (key.clone(), meta(pod, "uid").to_owned());
    let end = *world.fates.ends.entry(entry.clone()).or_insert_with(|| Instant::now() + wait);
    let is_over = Instant::now() >= end;
    if is_over {
        world.fates.ends.remove(&entry);
    }
    is_over
}

fn set_status(world: &mut World, pod: &mut Value, fate: &Fate) {
    let now = &*world.clock.now();
    let old = pod["status"].clone();
    let is_scheduled = !matches!(fate, Fate::Unschedulable(_));
    let (phase, is_ready) = match fate {
        Fate::Ready => ("Running", true),
        Fate::Running | Fate::Crashes { .. } => ("Running", false),
        Fate::Succeeds => ("Succeeded", false),
        Fate::Fails { .. } => ("Failed", false),
        Fate::Coming | Fate::Unschedulable(_) | Fate::ImagePullFails(_) | Fate::NodeLost => {
            ("Pending", false)
        }
    };
    let mut scheduled = condition(&old, "PodScheduled", is_scheduled, now);
    if let Fate::Unschedulable(why) = fate {
        scheduled["reason"] = Value::from("Unschedulable");
        scheduled["message"] = Value::from(why.clone());
    }
    let conditions = if is_scheduled {
        json!([
            condition(&old, "PodScheduled", true, now),
            condition(&old, "Initialized", true, now),
            condition(&old, "ContainersReady", is_ready, now),
            condition(&old, "Ready", is_ready, now),
        ])
    } else {
        json!([scheduled])
    };
    pod["status"]["phase"] = Value::from(phase);
    pod["status"]["conditions"] = conditions;
    if !is_scheduled {
        return;
    }
    if phase != "Pending" && old["podIP"].is_null() {
        pod["status"]["podIP"] = Value::from(world.fates.next_address());
        pod["status"]["hostIP"] = Value::from(NODE_ADDRESS);
        pod["status"]["startTime"] = Value::from(now);
    }
    let containers: Vec<Value> = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|container| container_status(container, &old, fate, is_ready))
        .collect();
    pod["status"]["containerStatuses"] = Value::Array(containers);
}

/// A condition that keeps its time while it says the same.
fn condition(old: &Value, kind: &str, is_true: bool, now: &str) -> Value {
    let status = if is_true { "True" } else { "False" };
    let same = old["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["type"] == kind && one["status"] == status);
    let since = same.map_or(Value::from(now), |one| one["lastTransitionTime"].clone());
    json!({ "type": kind, "status": status, "lastTransitionTime": since })
}

fn container_status(container: &Value, old: &Value, fate: &Fate, is_ready: bool) -> Value {
    let name = &container["name"];
    let before = old["containerStatuses"].as_array().into_iter().flatten();
    let before = before.clone().find(|one| one["name"] == *name);
    let restarts = before.and_then(|one| one["restartCount"].as_u64()).unwrap_or(0);
    let waiting = |reason: &str, message: &str| json!({ "waiting": { "reason": reason, "message": message } });
    let (state, restarts) = match fate {
        Fate::Coming => (json!({ "waiting": { "reason": "ContainerCreating" } }), restarts),
        Fate::ImagePullFails(why) => (waiting("ImagePullBackOff", why), restarts),
        Fate::Crashes { .. } => {
            let why = "back-off 10s restarting failed container";
            (waiting("CrashLoopBackOff", why), restarts.max(1))
        }
        Fate::Succeeds => (terminated(0, "Completed", ""), restarts),
        Fate::Fails { exit_code, message } => (terminated(*exit_code, "Error", message), restarts),
        Fate::Ready | Fate::Running | Fate::Unschedulable(_) | Fate::NodeLost => {
            (json!({ "running": {} }), restarts)
        }
    };
    let mut status = json!({
        "name": name,
        "image": container["image"],
        "imageID": "",
        "ready": is_ready,
        "restartCount": restarts,
        "started": is_ready,
        "state": state,
    });
    if let Fate::Crashes { exit_code, message } = fate {
        status["lastState"] = terminated(*exit_code, "Error", message);
    }
    status
}

fn terminated(exit_code: i32, reason: &str, message: &str) -> Value {
    let mut ended = json!({ "exitCode": exit_code, "reason": reason });
    if !message.is_empty() {
        ended["message"] = Value::from(message);
    }
    json!({ "terminated": ended })
}
