//! The scale endpoint: an object seen as a number of replicas.

use serde_json::{Value, json};

use super::patch::merge_patched;
use super::scope::Scope;
use super::update::replace;
use super::{Answer, decode};
use crate::object::{self, at_path, set_at_path, set_meta};
use crate::request::{Request, Verb};
use crate::resource::Scale;
use crate::status::{ApiError, FieldError};
use crate::world::World;

/// Reads or changes an object's scale.
///
/// # Errors
/// As for the object itself; 422 for a number below zero.
pub fn scale(world: &mut World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    let Some(paths) = scope.version.scale.clone() else { return Err(scope.not_found()) };
    let old = scope.existing(world)?;
    let before = view(&old, &paths);
    if request.verb == Verb::Get {
        return Ok(Answer::ok(before));
    }
    let is_patch = request.verb == Verb::Patch;
    let wanted =
        if is_patch { merge_patched(&before, &request.body) } else { request.body.clone() };
    let replicas = wanted["spec"]["replicas"].as_i64().unwrap_or(0);
    if replicas < 0 {
        let why = "must be greater than or equal to 0";
        let error = FieldError::invalid("spec.replicas", Some(&Value::from(replicas)), why);
        return Err(ApiError::invalid("autoscaling", "Scale", &scope.name, &[error]));
    }
    let mut new = scope.shown(&old);
    set_at_path(&mut new, &paths.spec_replicas, Value::from(replicas));
    set_meta(&mut new, "resourceVersion", wanted["metadata"]["resourceVersion"].clone());
    decode::settle(scope, &mut new, request)?;
    let kept = replace(world, scope, request, &old, new)?;
    Ok(Answer::ok(view(&kept, &paths)))
}

fn view(of: &Value, paths: &Scale) -> Value {
    let number = |path: &str| at_path(of, path).as_i64().unwrap_or(0);
    let mut status = json!({ "replicas": number(&paths.status_replicas) });
    if let Some(selector) = at_path(of, &paths.selector).as_str() {
        status["selector"] = Value::from(selector);
    }
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": object::name(of),
            "namespace": object::namespace(of),
            "uid": object::meta(of, "uid"),
            "resourceVersion": object::meta(of, "resourceVersion"),
            "creationTimestamp": object::meta(of, "creationTimestamp"),
        },
        "spec": { "replicas": number(&paths.spec_replicas) },
        "status": status,
    })
}
