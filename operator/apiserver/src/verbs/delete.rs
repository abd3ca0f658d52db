//! DELETE: at once, after finalizers, or after a grace; and eviction.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::scope::Scope;
use super::{Answer, read};
use crate::kinds;
use crate::object::{self, is_terminating, set_meta};
use crate::request::Request;
use crate::resource::ResourceId;
use crate::selector::Selector;
use crate::status::ApiError;
use crate::store::Key;
use crate::world::World;

/// What a client asks of a delete.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The uid that the object must have.
    pub uid: Option<String>,
    /// The version that the object must have.
    pub version: Option<String>,
    /// Seconds that a pod may take.
    pub grace_seconds: Option<u64>,
    /// `Foreground`, `Background`, `Orphan`, or empty.
    pub propagation: String,
    /// Whether nothing is to be kept.
    pub is_dry_run: bool,
}

impl Options {
    fn read(request: &Request) -> Options {
        let body = &request.body;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let grace = body["gracePeriodSeconds"].as_u64();
        let propagation = body["propagationPolicy"].as_str().unwrap_or_default();
        let propagation =
            if propagation.is_empty() { request.option("propagationPolicy") } else { propagation };
        Options {
            uid: text(&body["preconditions"]["uid"]),
            version: text(&body["preconditions"]["resourceVersion"]),
            grace_seconds: grace.or_else(|| request.option("gracePeriodSeconds").parse().ok()),
            propagation: propagation.to_owned(),
            is_dry_run: request.is_dry_run(),
        }
    }
}

/// Deletes an object.
///
/// # Errors
/// 404, 409 if a precondition does not hold.
pub fn delete(world: &mut World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    let options = Options::read(request);
    let (last, is_gone) = remove(world, scope, &options)?;
    let resource = &scope.resource;
    if !is_gone || resource.habits.answers_deleted_object {
        return Ok(Answer::ok(scope.shown(&last)));
    }
    let mut details = json!({
        "name": scope.name,
        "kind": resource.plural,
        "uid": object::meta(&last, "uid"),
    });
    if !resource.group.is_empty() {
        details["group"] = Value::from(resource.group.clone());
    }
    Ok(Answer::ok(json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })))
}

/// Deletes each object of a list.
///
/// # Errors
/// As a list, and as each delete.
pub fn delete_collection(
    world: &mut World,
    scope: &Scope,
    request: &Request,
) -> Result<Answer, ApiError> {
    let answer = read::list(world, scope, request)?;
    let options = Options::read(request);
    for item in answer.body["items"].as_array().into_iter().flatten() {
        let one = Scope {
            name: object::name(item).to_owned(),
            namespace: object::namespace(item).to_owned(),
            ..scope.clone()
        };
        remove(world, &one, &options)?;
    }
    Ok(answer)
}

/// Removes an object, or marks it as on its way out; says whether it is gone.
///
/// # Errors
/// 404, 409.
pub fn remove(
    world: &mut World,
    scope: &Scope,
    options: &Options,
) -> Result<(Arc<Value>, bool), ApiError> {
    let old = scope.existing(world)?;
    check_preconditions(scope, &old, options)?;
    let mut new = (*old).clone();
    add_finalizer_of(&mut new, &options.propagation);
    let grace = kinds::grace_seconds(&scope.resource, &old, options.grace_seconds);
    let was_terminating = is_terminating(&old);
    let grace = match old["metadata"]["deletionGracePeriodSeconds"].as_u64() {
        // A grace that runs can only be shortened.
        Some(running) if was_terminating && options.grace_seconds.is_none() => running,
        Some(running) if was_terminating => running.min(grace),
        _ => grace,
    };
    let waits = grace > 0
        || !object::finalizers(&new).is_empty()
        || new["spec"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if !waits {
        if options.is_dry_run {
            return Ok((old, true));
        }
        let last = world.remove(&scope.resource, &scope.key());
        return Ok((last.unwrap_or(old), true));
    }
    if !was_terminating {
        let until = world.clock.after(Duration::from_secs(grace));
        set_meta(&mut new, "deletionTimestamp", until);
        if let Some(generation) = new["metadata"]["generation"].as_u64() {
            set_meta(&mut new, "generation", generation + 1);
        }
    }
    set_meta(&mut new, "deletionGracePeriodSeconds", grace);
    if scope.resource.plural == "namespaces" {
        new["status"] = json!({ "phase": "Terminating" });
    }
    if new == *old || options.is_dry_run {
        return Ok((old, false));
    }
    Ok((world.put(&scope.resource, scope.key(), new), false))
}

fn check_preconditions(scope: &Scope, old: &Value, options: &Options) -> Result<(), ApiError> {
    let resource = &scope.resource;
    let actual = object::meta(old, "uid");
    if let Some(uid) = options.uid.as_deref().filter(|uid| *uid != actual) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({actual}). The \
             object might have been deleted and then recreated"
        );
        return Err(ApiError::conflict(&resource.group, &resource.kind, &scope.name, &why));
    }
    let actual = object::meta(old, "resourceVersion");
    if let Some(version) = options.version.as_deref().filter(|version| *version != actual) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the \
             ResourceVersion in record ({actual}). The object might have been modified"
        );
        return Err(ApiError::conflict(&resource.group, &resource.kind, &scope.name, &why));
    }
    Ok(())
}

/// The garbage collector takes part in a delete by a finalizer of its own.
fn add_finalizer_of(object: &mut Value, propagation: &str) {
    let name = match propagation {
        "Foreground" => "foregroundDeletion",
        "Orphan" => "orphan",
        _ => return,
    };
    let mut all: Vec<Value> = object::finalizers(object).into_iter().map(Value::from).collect();
    if !all.contains(&Value::from(name)) {
        all.push(Value::from(name));
    }
    set_meta(object, "finalizers", all);
}

/// POST to a pod's `eviction`: a delete that a disruption budget may refuse.
///
/// # Errors
/// 429 if a budget allows no disruption now.
pub fn evict(world: &mut World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    let pod = scope.existing(world)?;
    let budgets = ResourceId::new("policy", "poddisruptionbudgets");
    let found: Vec<(Key, Arc<Value>)> = world
        .store
        .all(&budgets)
        .filter(|(key, budget)| {
            key.0 == scope.namespace
                && Selector::of_object(&budget["spec"]["selector"]).matches(&pod)
        })
        .map(|(key, budget)| (key.clone(), budget.clone()))
        .collect();
    for (key, budget) in &found {
        if budget["status"]["disruptionsAllowed"].as_u64().unwrap_or(0) == 0 {
            let message = "Cannot evict pod as it would violate the pod's disruption budget.";
            let cause = format!(
                "The disruption budget {} needs {} healthy pods and has {} currently",
                key.1,
                budget["status"]["desiredHealthy"].as_u64().unwrap_or(0),
                budget["status"]["currentHealthy"].as_u64().unwrap_or(0),
            );
            return Err(ApiError::too_many_requests(message, 0).with_cause(
                "DisruptionBudget",
                &cause,
                "",
            ));
        }
    }
    let mut inner = request.clone();
    inner.body = request.body["deleteOptions"].clone();
    let options = Options::read(&inner);
    remove(world, &Scope { subresource: String::new(), ..scope.clone() }, &options)?;
    let body = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    });
    Ok(Answer { code: 201, body, warnings: Vec::new() })
}
