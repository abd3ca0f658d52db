//! The namespace controller: a terminating namespace takes all in it along, then goes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::system::{self, id};
use crate::object::is_terminating;
use crate::resource::Resource;
use crate::store::Key;
use crate::world::World;

/// One round.
pub fn step(world: &mut World) {
    let namespaces = id("", "namespaces");
    let leaving: Vec<(Key, Arc<Value>)> = world
        .store
        .all(&namespaces)
        .filter(|(_, namespace)| is_terminating(namespace))
        .map(|(key, namespace)| (key.clone(), namespace.clone()))
        .collect();
    let Some(resource) = world.registry.get(&namespaces).cloned() else { return };
    for (key, namespace) in leaving {
        let content: Vec<(Arc<Resource>, Key, Arc<Value>)> = world
            .store
            .everything()
            .filter(|(_, place, _)| place.0 == key.1)
            .filter_map(|(id, place, object)| {
                Some((world.registry.get(id)?.clone(), place.clone(), object.clone()))
            })
            .collect();
        for (resource, key, object) in &content {
            if !is_terminating(object) {
                system::delete(world, resource, key, "");
            }
        }
        let is_empty = !world.store.everything().any(|(_, place, _)| place.0 == key.1);
        if is_empty {
            let mut free = (*namespace).clone();
            free["spec"] = json!({});
            system::put(world, &resource, &key, free);
        }
    }
}
