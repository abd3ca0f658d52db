//! The garbage collector: what is owned goes with its owners, by the policy of their delete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::system;
use crate::object::{self, is_owned_by, is_terminating, owners, set_meta};
use crate::resource::Resource;
use crate::store::{Change, Key};
use crate::world::World;

/// An object with its place.
type Placed = (Arc<Resource>, Key, Arc<Value>);

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What is alive, by uid: the kind, name and namespace of a reference may lie.
type Alive<'a> = BTreeMap<&'a str, &'a Value>;

/// One round; nothing to do unless something that matters here has changed since the last one.
pub fn step(world: &mut World) {
    let since = std::mem::replace(&mut world.collected, world.store.revision());
    let matters = |change: &Change| {
        change.after.as_ref().is_none_or(|it| is_terminating(it) || owners(it).next().is_some())
    };
    if since >= world.store.compacted() && !world.store.changes_after(since).any(matters) {
        return;
    }
    let all = everything(world);
    let alive: Alive<'_> =
        all.iter().map(|(_, _, object)| (object::meta(object, "uid"), &**object)).collect();
    for (resource, key, object) in &all {
        if owners(object).next().is_some() {
            collect(world, resource, key, object, &alive);
        }
    }
    for (resource, key, object) in everything(world) {
        if is_terminating(&object) {
            release(world, &resource, &key, &object);
        }
    }
}

fn everything(world: &World) -> Vec<Placed> {
    let placed = world.store.everything().filter_map(|(id, key, object)| {
        Some((world.registry.get(id)?.clone(), key.clone(), object.clone()))
    });
    placed.collect()
}

/// Deletes an object whose owners are all gone; takes gone owners off its list otherwise.
fn collect(
    world: &mut World,
    resource: &Arc<Resource>,
    key: &Key,
    object: &Value,
    alive: &Alive<'_>,
) {
    let waits = |owner: &Value| object::finalizers(owner).contains(&FOREGROUND);
    let (mut solid, mut gone, mut waiting) = (0, BTreeSet::new(), 0);
    for owner in owners(object) {
        match alive.get(owner["uid"].as_str().unwrap_or_default()) {
            None => {
                gone.insert(owner["uid"].as_str().unwrap_or_default().to_owned());
            }
            Some(alive) if waits(alive) => waiting += 1,
            Some(_) => solid += 1,
        }
    }
    if solid == 0 {
        if !is_terminating(object) {
            let policy = if waiting > 0 { "Foreground" } else { "" };
            system::delete(world, resource, key, policy);
        }
    } else if !gone.is_empty() {
        let mut kept = object.clone();
        if let Some(list) = kept["metadata"]["ownerReferences"].as_array_mut() {
            list.retain(|one| !gone.contains(one["uid"].as_str().unwrap_or_default()));
        }
        system::put(world, resource, key, kept);
    }
}

/// Takes the collector's own finalizers off once they have done their work.
fn release(world: &mut World, resource: &Arc<Resource>, key: &Key, object: &Value) {
    let uid = object::meta(object, "uid").to_owned();
    let has = |name: &str| object::finalizers(object).contains(&name);
    let owned: Vec<Placed> =
        everything(world).into_iter().filter(|(_, _, other)| is_owned_by(other, &uid)).collect();
    if has(ORPHAN) {
        for (resource, key, object) in &owned {
            let mut free = (**object).clone();
            let list: Vec<Value> =
                owners(object).filter(|one| one["uid"] != uid.as_str()).cloned().collect();
            let list = if list.is_empty() { Value::Null } else { Value::Array(list) };
            set_meta(&mut free, "ownerReferences", list);
            system::put(world, resource, key, free);
        }
        system::drop_finalizer(world, resource, key, ORPHAN);
    } else if has(FOREGROUND) {
        let blocks = |object: &Value| {
            owners(object)
                .any(|one| one["uid"] == uid.as_str() && one["blockOwnerDeletion"] == true)
        };
        if !owned.iter().any(|(_, _, object)| blocks(object)) {
            system::drop_finalizer(world, resource, key, FOREGROUND);
        }
    }
}
