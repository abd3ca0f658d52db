//! GET: one object, or a list with its page and version.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Answer;
use super::scope::Scope;
use crate::request::Request;
use crate::selector::Selector;
use crate::status::ApiError;
use crate::store::{Key, Objects};
use crate::world::World;

/// Answers one object; with a `resourceVersion` from the cache, which may lag.
///
/// # Errors
/// 404; 504 if the version is not known yet.
pub fn get(world: &World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    let Some(wanted) = asked_version(request)? else {
        return Ok(Answer::ok(scope.shown(scope.existing(world)?.as_ref())));
    };
    let objects = cached(world, scope, wanted)?;
    let found = objects.get(&scope.key()).ok_or_else(|| scope.not_found())?;
    Ok(Answer::ok(scope.shown(found)))
}

/// Answers a list.
///
/// # Errors
/// 400 for a selector or token that cannot be read, 410 for a version that is forgotten, 504 for
/// one that is not known yet.
pub fn list(world: &World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    let selector = selector(scope, request)?;
    let limit: usize = request.option("limit").parse().unwrap_or(0);
    let (objects, revision, after) = page(world, scope, request)?;
    let in_scope = |key: &Key| scope.namespace.is_empty() || key.0 == scope.namespace;
    let mut shown = objects.iter().filter(|(key, object)| {
        in_scope(key) && after.as_ref().is_none_or(|after| *key > after) && selector.matches(object)
    });
    let mut items = Vec::new();
    let mut last: Option<&Key> = None;
    for (key, object) in shown.by_ref() {
        items.push(scope.shown(object));
        last = Some(key);
        if limit != 0 && items.len() == limit {
            break;
        }
    }
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    let left = shown.count();
    if let (Some(last), true) = (last, left > 0) {
        metadata["continue"] = Value::from(token(revision, last));
        metadata["remainingItemCount"] = Value::from(left);
    }
    Ok(Answer::ok(json!({
        "kind": format!("{}List", scope.resource.kind),
        "apiVersion": scope.api_version,
        "metadata": metadata,
        "items": items,
    })))
}

/// Reads both selectors of a request.
///
/// # Errors
/// 400.
pub fn selector(scope: &Scope, request: &Request) -> Result<Selector, ApiError> {
    let known = |field: &str| {
        matches!(field, "metadata.name" | "metadata.namespace")
            || match scope.resource.plural.as_str() {
                "pods" => matches!(
                    field,
                    "spec.nodeName"
                        | "spec.restartPolicy"
                        | "spec.schedulerName"
                        | "spec.serviceAccountName"
                        | "status.phase"
                        | "status.podIP"
                ),
                "events" => {
                    matches!(field, "reason" | "type")
                        || field.starts_with("involvedObject.")
                        || field.starts_with("regarding.")
                }
                "namespaces" => field == "status.phase",
                "secrets" => field == "type",
                _ => false,
            }
    };
    // Events are kept in their newer form.
    let fields = request.option("fieldSelector").replace("involvedObject.", "regarding.");
    let selector = Selector::read(request.option("labelSelector"), &fields, known)?;
    if scope.name.is_empty() {
        return Ok(selector);
    }
    let named = format!("metadata.name={}", scope.name);
    Selector::read(request.option("labelSelector"), &named, known)
}

/// The objects that a list shows, their revision, and the key behind which its page begins.
fn page(
    world: &World,
    scope: &Scope,
    request: &Request,
) -> Result<(Objects, u64, Option<Key>), ApiError> {
    let id = scope.id();
    let from = request.option("continue");
    if !from.is_empty() {
        let (revision, key) = read_token(from).ok_or_else(|| {
            ApiError::bad_request("continue key is not valid: it cannot be decoded")
        })?;
        let objects = world.store.at(&id, revision).ok_or_else(ApiError::expired_page)?;
        return Ok((objects, revision, Some(key)));
    }
    let newest = world.store.revision();
    let is_exact = request.option("resourceVersionMatch") == "Exact";
    match asked_version(request)? {
        Some(wanted) if is_exact => {
            if wanted > newest {
                return Err(ApiError::too_large_version(wanted, newest));
            }
            let objects = world.store.at(&id, wanted).ok_or_else(too_old)?;
            Ok((objects, wanted, None))
        }
        Some(wanted) => {
            let revision = world.cached_revision().max(wanted);
            Ok((cached(world, scope, wanted)?, revision, None))
        }
        None => {
            let objects = world.store.all(&id).map(|(key, one)| (key.clone(), Arc::clone(one)));
            Ok((objects.collect(), newest, None))
        }
    }
}

/// The objects as the cache has them, at least as new as a revision.
fn cached(world: &World, scope: &Scope, wanted: u64) -> Result<Objects, ApiError> {
    let newest = world.store.revision();
    if wanted > newest {
        return Err(ApiError::too_large_version(wanted, newest));
    }
    let revision = world.cached_revision().max(wanted);
    world.store.at(&scope.id(), revision).ok_or_else(too_old)
}

/// The `resourceVersion` parameter: `None` if there is none, which asks for the newest.
///
/// # Errors
/// 400 if it is no number.
pub fn asked_version(request: &Request) -> Result<Option<u64>, ApiError> {
    let text = request.option("resourceVersion");
    if text.is_empty() {
        return Ok(None);
    }
    let wanted = text.parse();
    wanted.map(Some).map_err(|_| {
        ApiError::bad_request(format!("resourceVersion: Invalid value: {text:?}: must be a number"))
    })
}

fn too_old() -> ApiError {
    ApiError::expired("The resourceVersion for the provided list is too old.")
}

fn token(revision: u64, last: &Key) -> String {
    let text = json!([revision, last.0, last.1]).to_string();
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_token(token: &str) -> Option<(u64, Key)> {
    let hex = |at: usize| u8::from_str_radix(token.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..token.len()).step_by(2).map(hex).collect();
    let json: Value = serde_json::from_slice(&bytes?).ok()?;
    let text = |index: usize| json[index].as_str().map(str::to_owned);
    Some((json[0].as_u64()?, (text(1)?, text(2)?)))
}
