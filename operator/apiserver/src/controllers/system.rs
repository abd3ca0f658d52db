//! How the server's own controllers write: past the endpoints, by the same rules for what goes.

use std::sync::Arc;

use serde_json::Value;

use crate::object::{self, is_terminating, set_meta};
use crate::resource::{Resource, ResourceId};
use crate::store::Key;
use crate::verbs::delete::{Options, remove};
use crate::verbs::scope::Scope;
use crate::world::World;

/// The store's key of a resource.
pub fn id(group: &str, plural: &str) -> ResourceId {
    ResourceId::new(group, plural)
}

/// Deletes an object with a propagation policy; what is gone already is good.
pub fn delete(world: &mut World, resource: &Arc<Resource>, key: &Key, policy: &str) {
    let options = Options { propagation: policy.to_owned(), ..Options::default() };
    // Without preconditions a delete can only find nothing.
    let _ = remove(world, &Scope::of(resource, key), &options);
}

/// Writes an object again, or removes it if it waited for this only.
pub fn put(world: &mut World, resource: &Arc<Resource>, key: &Key, object: Value) {
    let waits = !object::finalizers(&object).is_empty()
        || object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) > 0
        || object["spec"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if is_terminating(&object) && !waits {
        world.remove(resource, key);
    } else {
        world.put(resource, key.clone(), object);
    }
}

/// Takes a finalizer off an object.
pub fn drop_finalizer(world: &mut World, resource: &Arc<Resource>, key: &Key, name: &str) {
    let Some(object) = world.store.get(&resource.id(), key).cloned() else { return };
    let all = object::finalizers(&object);
    if !all.contains(&name) {
        return;
    }
    let left: Vec<Value> = all.into_iter().filter(|one| *one != name).map(Value::from).collect();
    let mut free = (*object).clone();
    set_meta(&mut free, "finalizers", if left.is_empty() { Value::Null } else { left.into() });
    put(world, resource, key, free);
}

/// Ends a pod that was asked to.
pub fn end_pod(world: &mut World, resource: &Arc<Resource>, key: &Key) {
    let Some(pod) = world.store.get(&resource.id(), key).cloned() else { return };
    let mut ended = (*pod).clone();
    set_meta(&mut ended, "deletionGracePeriodSeconds", 0);
    if ended != *pod || object::finalizers(&ended).is_empty() {
        put(world, resource, key, ended);
    }
}
