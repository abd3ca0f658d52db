//! Volume claims: bound when a pod uses them, grown when asked, and protected while in use.

use std::sync::Arc;

use serde_json::{Value, json};

use super::system::{self, id};
use crate::kinds::claim::PROTECTION;
use crate::object::{self, at_path, is_terminating};
use crate::store::Key;
use crate::world::World;

const SIZE: &str = ".spec.resources.requests.storage";

/// One round.
pub fn step(world: &mut World) {
    let claims = id("", "persistentvolumeclaims");
    let Some(resource) = world.registry.get(&claims).cloned() else { return };
    let all: Vec<(Key, Arc<Value>)> =
        world.store.all(&claims).map(|(key, claim)| (key.clone(), claim.clone())).collect();
    for (key, claim) in all {
        let is_used = users(world, &key);
        if is_terminating(&claim) && !is_used {
            system::drop_finalizer(world, &resource, &key, PROTECTION);
            continue;
        }
        let is_bound = claim["status"]["phase"] == "Bound";
        let wanted = at_path(&claim, SIZE).clone();
        if is_used && !is_bound || is_bound && claim["status"]["capacity"]["storage"] != wanted {
            let mut bound = (*claim).clone();
            let volume = format!("pvc-{}", object::meta(&claim, "uid"));
            bound["spec"]["volumeName"] = Value::from(volume);
            bound["status"] = json!({
                "accessModes": claim["spec"]["accessModes"],
                "capacity": { "storage": wanted },
                "phase": "Bound",
            });
            system::put(world, &resource, &key, bound);
        }
    }
}

/// Whether a pod uses a claim.
fn users(world: &World, claim: &Key) -> bool {
    world.store.all(&id("", "pods")).any(|(key, pod)| {
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        key.0 == claim.0
            && volumes
                .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
                .any(|name| name == claim.1)
    })
}
