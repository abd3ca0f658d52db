//! PATCH in the three forms that change what is there: JSON merge, JSON patch, strategic merge.

use serde_json::{Value, json};

use super::scope::Scope;
use super::update::replace;
use super::{Answer, decode};
use crate::request::Request;
use crate::schema::{ListKind, Schema};
use crate::status::ApiError;
use crate::world::World;

const JSON: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Changes an object in part.
///
/// # Errors
/// As a real server: 400, 404, 409, 415, 422.
pub fn patch(world: &mut World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    let old = scope.existing(world)?;
    let before = scope.shown(&old);
    let mut new = match request.content_type.as_str() {
        MERGE => merge_patched(&before, &request.body),
        JSON => json_patched(before.clone(), &request.body)?,
        STRATEGIC if !scope.resource.is_custom => {
            strategic_patched(&before, &request.body, &scope.version.schema)
        }
        other => {
            let custom = [JSON, MERGE, APPLY];
            let all = [JSON, MERGE, STRATEGIC, APPLY];
            let supported: &[&str] = if scope.resource.is_custom { &custom } else { &all };
            return Err(ApiError::unsupported_patch(other, supported));
        }
    };
    if new["metadata"]["name"] != before["metadata"]["name"] {
        let message = format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            crate::object::name(&new),
            scope.name
        );
        return Err(ApiError::bad_request(message));
    }
    decode::check_type(scope, &new)?;
    let warnings = decode::settle(scope, &mut new, request)?;
    let kept = replace(world, scope, request, &old, new)?;
    Ok(Answer { code: 200, body: scope.shown(&kept), warnings })
}

/// RFC 7386.
pub fn merge_patched(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut out = target.as_object().cloned().unwrap_or_default();
    for (key, value) in patch {
        if value.is_null() {
            out.remove(key);
        } else {
            let merged = merge_patched(out.get(key).unwrap_or(&Value::Null), value);
            out.insert(key.clone(), merged);
        }
    }
    Value::Object(out)
}

/// RFC 6902.
fn json_patched(mut target: Value, patch: &Value) -> Result<Value, ApiError> {
    let Some(operations) = patch.as_array() else {
        return Err(ApiError::bad_request("error decoding patch: not a list of operations"));
    };
    for operation in operations {
        operate(&mut target, operation).map_err(|_| {
            // A real server answers 422 for a patch that does not fit, without causes.
            let mut error = ApiError::invalid("", "", "", &[]);
            error.message =
                "the server rejected our request due to an error in our request".to_owned();
            error.details = json!({});
            error
        })?;
    }
    Ok(target)
}

fn operate(target: &mut Value, operation: &Value) -> Result<(), String> {
    let text = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
    let (path, value) = (text("path"), operation["value"].clone());
    match text("op").as_str() {
        "add" => add(target, &path, value),
        "remove" => remove(target, &path).map(drop),
        // The real server's library makes the field that it should replace.
        "replace" => match target.pointer_mut(&path) {
            Some(at) => {
                *at = value;
                Ok(())
            }
            None => add(target, &path, value),
        },
        "move" => {
            let moved = remove(target, &text("from"))?;
            add(target, &path, moved)
        }
        "copy" => {
            let copied = target.pointer(&text("from")).cloned();
            add(target, &path, copied.ok_or_else(|| missing(&text("from")))?)
        }
        "test" => {
            let actual = target.pointer(&path).unwrap_or(&Value::Null);
            if *actual == value {
                return Ok(());
            }
            Err(format!("testing value {path} failed"))
        }
        other => Err(format!("unexpected kind: {other}")),
    }
}

fn missing(path: &str) -> String {
    format!("operation does not apply: doc is missing path: {path}: missing value")
}

/// Splits a pointer into its parent and the last step.
fn parted(path: &str) -> Option<(&str, String)> {
    let (parent, last) = path.rsplit_once('/')?;
    Some((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let Some((parent, last)) = parted(path) else {
        *target = value;
        return Ok(());
    };
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(last, value);
            Ok(())
        }
        Some(Value::Array(items)) if last == "-" => {
            items.push(value);
            Ok(())
        }
        Some(Value::Array(items)) => {
            let index: usize = last.parse().map_err(|_| missing(path))?;
            if index > items.len() {
                return Err(missing(path));
            }
            items.insert(index, value);
            Ok(())
        }
        _ => Err(missing(path)),
    }
}

fn remove(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, last) = parted(path).ok_or_else(|| missing(path))?;
    match target.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&last).ok_or_else(|| missing(path)),
        Some(Value::Array(items)) => {
            let index = last.parse().ok().filter(|index| *index < items.len());
            index.map(|index: usize| items.remove(index)).ok_or_else(|| missing(path))
        }
        _ => Err(missing(path)),
    }
}

/// A strategic merge: lists with keys are merged by their first key, `$patch: delete` removes an
/// item, `$patch: replace` and `$retainKeys` are not known.
fn strategic_patched(target: &Value, patch: &Value, schema: &Schema) -> Value {
    match (target, patch, &schema.list) {
        (_, Value::Object(patch), _) => {
            let mut out = target.as_object().cloned().unwrap_or_default();
            for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
                let below = schema.field(key).0;
                if value.is_null() {
                    out.remove(key);
                } else {
                    let before = out.get(key).unwrap_or(&Value::Null);
                    let merged = strategic_patched(before, value, below);
                    out.insert(key.clone(), merged);
                }
            }
            Value::Object(out)
        }
        (Value::Array(old), Value::Array(new), ListKind::Map(keys)) => {
            let Some(key) = keys.first() else { return patch.clone() };
            let mut out = old.clone();
            for item in new {
                let found = out.iter().position(|one| one[key] == item[key]);
                let is_deleted = item["$patch"] == "delete";
                match found {
                    Some(at) if is_deleted => {
                        out.remove(at);
                    }
                    Some(at) => out[at] = strategic_patched(&out[at], item, schema.item()),
                    None if is_deleted => {}
                    None => out.push(item.clone()),
                }
            }
            Value::Array(out)
        }
        (Value::Array(old), Value::Array(new), ListKind::Set) => {
            let mut out = old.clone();
            out.extend(new.iter().filter(|item| !old.contains(item)).cloned());
            Value::Array(out)
        }
        _ => patch.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{json_patched, merge_patched};
    use serde_json::json;

    #[test]
    fn merges_as_rfc_7386_says() {
        let merged = merge_patched(&json!({"a": {"b": 1, "c": 2}}), &json!({"a": {"b": null}}));
        assert_eq!(merged, json!({"a": {"c": 2}}));
    }

    #[test]
    fn patches_as_rfc_6902_says() {
        let patch = json!([
            {"op": "test", "path": "/a/0", "value": 1},
            {"op": "add", "path": "/a/1", "value": 5},
            {"op": "add", "path": "/a/-", "value": 9},
            {"op": "remove", "path": "/b~1c"},
            {"op": "replace", "path": "/d", "value": {}},
            {"op": "move", "from": "/a/0", "path": "/e"},
        ]);
        let target = json!({"a": [1, 2], "b/c": 1, "d": 1});
        let expected = json!({"a": [5, 2, 9], "d": {}, "e": 1});
        assert_eq!(json_patched(target.clone(), &patch), Ok(expected));
        for bad in [
            json!([{"op": "replace", "path": "/x/y", "value": 1}]),
            json!([{"op": "test", "path": "/d", "value": 2}]),
            json!([{"op": "remove", "path": "/a/9"}]),
        ] {
            assert_eq!(json_patched(target.clone(), &bad).map_err(|error| error.code), Err(422));
        }
    }
}
