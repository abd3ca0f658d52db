//! PUT, and the end of every other change of an object: checks, ownership, generation, the write.

use std::sync::Arc;

use serde_json::Value;

use super::create::{check_namespace, make, refuse_invalid};
use super::scope::Scope;
use super::{Answer, decode};
use crate::apply::managers::Managers;
use crate::apply::{self, Context};
use crate::kinds;
use crate::object::{self, is_terminating, set_meta, take_managed_fields};
use crate::request::Request;
use crate::schema::validate::validate;
use crate::status::{ApiError, FieldError};
use crate::world::World;

/// Replaces an object by the body.
///
/// # Errors
/// As a real server: 400, 404, 409, 422.
pub fn update(world: &mut World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    let (mut object, warnings) = decode::decode(scope, request)?;
    check_namespace(scope, &object)?;
    let given = object::name(&object);
    if given != scope.name {
        let message = format!(
            "the name of the object ({given}) does not match the name on the URL ({})",
            scope.name
        );
        return Err(ApiError::bad_request(message));
    }
    let found = world.store.get(&scope.id(), &scope.key()).cloned();
    let Some(old) = found else {
        let may_create = ["leases", "services", "events"].contains(&&*scope.resource.plural);
        if may_create && scope.subresource.is_empty() && !scope.resource.is_custom {
            let uid = object::meta(&object, "uid");
            if !uid.is_empty() {
                let resource = &scope.resource;
                let why = wrong_uid(scope, uid, &Value::Null);
                let (group, plural) = (&resource.group, &resource.plural);
                return Err(ApiError::conflict(group, plural, &scope.name, &why));
            }
            // What is made has no version yet, whatever its writer took it for.
            set_meta(&mut object, "resourceVersion", Value::Null);
            let writer = scope.writer(request, false);
            let dry = request.is_dry_run();
            let made = make(world, scope, object, Managers::default(), Some(&writer), dry)?;
            return Ok(Answer { code: 201, body: scope.shown(&made), warnings });
        }
        return Err(scope.not_found());
    };
    let has_version = object::revision(&object) != 0;
    if !has_version && scope.resource.habits.needs_version_to_update {
        let resource = &scope.resource;
        let why = "must be specified for an update";
        let error = FieldError::invalid("metadata.resourceVersion", Some(&Value::from(0)), why);
        // The store refuses this one, and it knows the resource's name only.
        let (group, plural) = (&resource.group, &resource.plural);
        return Err(ApiError::invalid(group, plural, &scope.name, &[error]));
    }
    let kept = replace(world, scope, request, &old, object)?;
    Ok(Answer { code: 200, body: scope.shown(&kept), warnings })
}

/// Replaces an object by a decoded one, noting who owns what changed.
///
/// # Errors
/// As a real server.
pub fn replace(
    world: &mut World,
    scope: &Scope,
    request: &Request,
    old: &Arc<Value>,
    mut new: Value,
) -> Result<Arc<Value>, ApiError> {
    check_preconditions(scope, old, &new)?;
    let mut old_bare = scope.shown(old);
    let old_managed = take_managed_fields(&mut old_bare);
    carry_over(scope, &old_bare, &mut new);
    let given = take_managed_fields(&mut new);
    let managed = match given.as_array() {
        // An empty list, or one empty entry, asks for a clean start.
        Some(list) if list.is_empty() || list.iter().all(|one| one["fieldsV1"].is_null()) => {
            Managers::default()
        }
        Some(_) => Managers::read(&given),
        None => Managers::read(&old_managed),
    };
    let writer = scope.writer(request, false);
    let (now, ignored) = (world.clock.now(), scope.ignored());
    let schema = &scope.version.schema;
    let context = Context { schema, writer: &writer, ignored: &ignored, now: &now };
    let managed = apply::updated(context, &old_bare, &new, managed);
    commit(world, scope, old, new, managed, request.is_dry_run())
}

/// Writes the new state of an object; `new` comes without managed fields. Writes nothing if nothing
/// changed. Removes the object if that was all it waited for.
///
/// # Errors
/// 422.
pub fn commit(
    world: &mut World,
    scope: &Scope,
    old: &Arc<Value>,
    mut new: Value,
    managed: Managers,
    is_dry_run: bool,
) -> Result<Arc<Value>, ApiError> {
    let resource = &scope.resource;
    let mut old_bare = scope.shown(old);
    let old_managed = take_managed_fields(&mut old_bare);
    kinds::prepare_change(world, resource, &old_bare, &mut new);
    if resource.habits.counts_generations && has_new_intent(scope, &old_bare, &new) {
        let generation = old_bare["metadata"]["generation"].as_u64().unwrap_or(0);
        set_meta(&mut new, "generation", generation + 1);
    }
    let mut errors = kinds::metadata::validate(resource, &new);
    errors.extend(kinds::metadata::validate_change(&old_bare, &new));
    errors.extend(if resource.is_custom {
        validate(&new, Some(&old_bare), schema_of(scope))
    } else {
        kinds::validate(resource, &new, Some(&old_bare))
    });
    refuse_invalid(scope, &errors)?;
    kinds::admit_change(world, resource, &old_bare, &new)?;
    let managed = managed.write();
    let is_same = new == old_bare && same_but_times(&managed, &old_managed);
    if is_same {
        return Ok(old.clone());
    }
    if managed.as_array().is_some_and(|list| !list.is_empty()) {
        set_meta(&mut new, "managedFields", managed);
    }
    let is_gone =
        is_terminating(&new) && object::finalizers(&new).is_empty() && waits_no_more(&new);
    let kept = scope.kept(new);
    if is_dry_run {
        return Ok(Arc::new(kept));
    }
    if is_gone {
        return Ok(world.remove(resource, &scope.key()).unwrap_or_else(|| Arc::new(kept)));
    }
    Ok(world.put(resource, scope.key(), kept))
}

fn schema_of(scope: &Scope) -> &crate::schema::Schema {
    &scope.version.schema
}

/// Whether a terminating object waits for nothing but its finalizers.
fn waits_no_more(object: &Value) -> bool {
    object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
        && object["spec"]["finalizers"].as_array().is_none_or(Vec::is_empty)
}

/// 409 if the writer took the object for another or an older one.
fn check_preconditions(scope: &Scope, old: &Value, new: &Value) -> Result<(), ApiError> {
    let resource = &scope.resource;
    let (group, plural, name) = (&resource.group, &resource.plural, &scope.name);
    let uid = object::meta(new, "uid");
    if !uid.is_empty() && uid != object::meta(old, "uid") {
        return Err(ApiError::conflict(group, plural, name, &wrong_uid(scope, uid, old)));
    }
    let version = object::meta(new, "resourceVersion");
    if !version.is_empty() && version != object::meta(old, "resourceVersion") {
        return Err(ApiError::modified(group, plural, name));
    }
    Ok(())
}

/// What the store says of a uid that is not the object's.
pub fn wrong_uid(scope: &Scope, given: &str, old: &Value) -> String {
    let resource = &scope.resource;
    let head = if resource.is_custom { format!("{}/", resource.group) } else { String::new() };
    let (plural, namespace, name) = (&resource.plural, &scope.namespace, &scope.name);
    let actual = object::meta(old, "uid");
    format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{head}{plural}/{namespace}/{name}, \
         ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {given}, \
         UID in object meta: {actual}"
    )
}

/// What no client writes, and what this endpoint does not write, stays as it was.
pub fn carry_over(scope: &Scope, old: &Value, new: &mut Value) {
    scope.isolate(old, new);
    let is_terminating = is_terminating(old);
    let kept = [
        "uid",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "selfLink",
        "name",
        "namespace",
    ];
    for key in kept {
        set_meta(new, key, old["metadata"][key].clone());
    }
    // Only a delete sets the time; a change that tries is refused later.
    if is_terminating {
        set_meta(new, "deletionTimestamp", old["metadata"]["deletionTimestamp"].clone());
    }
}

/// Whether anything changed but metadata and status.
fn has_new_intent(scope: &Scope, old: &Value, new: &Value) -> bool {
    let intent = |object: &Value| {
        let mut object = object.clone();
        if let Some(map) = object.as_object_mut() {
            map.remove("metadata");
            if scope.version.has_status {
                map.remove("status");
            }
        }
        object
    };
    intent(old) != intent(new)
}

/// Whether two lists of managed fields say the same, whenever it was said.
fn same_but_times(new: &Value, old: &Value) -> bool {
    let timeless = |list: &Value| -> Vec<Value> {
        let all = list.as_array().cloned().unwrap_or_default();
        let mut all: Vec<Value> = all
            .into_iter()
            .map(|mut entry| {
                if let Some(map) = entry.as_object_mut() {
                    map.remove("time");
                }
                entry
            })
            .collect();
        all.sort_by_key(ToString::to_string);
        all
    };
    timeless(new) == timeless(old)
}
