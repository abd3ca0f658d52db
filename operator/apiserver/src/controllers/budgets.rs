//! The disruption controller: how many pods of a budget may go now.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kubelet::is_ready;
use super::system::{self, id};
use crate::selector::Selector;
use crate::store::Key;
use crate::world::World;

/// One round.
pub fn step(world: &mut World) {
    let budgets = id("policy", "poddisruptionbudgets");
    let Some(resource) = world.registry.get(&budgets).cloned() else { return };
    let all: Vec<(Key, Arc<Value>)> =
        world.store.all(&budgets).map(|(key, budget)| (key.clone(), budget.clone())).collect();
    for (key, budget) in all {
        let status = status(world, &key, &budget);
        if budget["status"] != status {
            let mut object = (*budget).clone();
            object["status"] = status;
            system::put(world, &resource, &key, object);
        }
    }
}

/// Differs from Kubernetes: the pods that are there are the pods that are expected.
fn status(world: &World, key: &Key, budget: &Value) -> Value {
    let spec = &budget["spec"];
    let selector = Selector::of_object(&spec["selector"]);
    let resource = id("", "pods");
    let pods: Vec<&Arc<Value>> = world
        .store
        .all(&resource)
        .filter(|(place, pod)| place.0 == key.0 && selector.matches(pod))
        .map(|(_, pod)| pod)
        .collect();
    let expected = u64::try_from(pods.len()).unwrap_or(u64::MAX);
    let healthy = pods.iter().filter(|pod| is_ready(pod)).count();
    let healthy = u64::try_from(healthy).unwrap_or(u64::MAX);
    let desired = match (&spec["minAvailable"], &spec["maxUnavailable"]) {
        (Value::Null, Value::Null) => expected,
        (Value::Null, most) => expected.saturating_sub(amount(most, expected)),
        (least, _) => amount(least, expected),
    };
    json!({
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": healthy.saturating_sub(desired),
        "expectedPods": expected,
        "observedGeneration": budget["metadata"]["generation"],
    })
}

/// A number, or a percentage of the pods, rounded up.
fn amount(value: &Value, of: u64) -> u64 {
    let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse::<u64>().ok());
    percent.map_or_else(|| value.as_u64().unwrap_or(0), |percent| (of * percent).div_ceil(100))
}
