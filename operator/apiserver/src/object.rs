//! Objects as JSON: where their names, versions and times stand.

use serde_json::{Map, Value};

/// A text below `metadata`; empty if it is not there.
pub fn meta<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"][key].as_str().unwrap_or_default()
}

/// `metadata.name`.
pub fn name(object: &Value) -> &str {
    meta(object, "name")
}

/// `metadata.namespace`.
pub fn namespace(object: &Value) -> &str {
    meta(object, "namespace")
}

/// `metadata.resourceVersion` as a number; 0 if there is none or it is no number.
pub fn revision(object: &Value) -> u64 {
    meta(object, "resourceVersion").parse().unwrap_or(0)
}

/// `metadata`, made if it is not there.
pub fn metadata(object: &mut Value) -> &mut Map<String, Value> {
    map_at(object, "metadata")
}

/// The object below a key, made if it is not there.
///
/// # Panics
/// If the value itself is no object.
pub fn map_at<'a>(object: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    if !object[key].is_object() {
        object[key] = Value::Object(Map::new());
    }
    object[key].as_object_mut().unwrap_or_else(|| panic!("{key} was just made an object"))
}

/// Sets a field below `metadata`, or takes it away where the value is null.
pub fn set_meta(object: &mut Value, key: &str, value: impl Into<Value>) {
    let value = value.into();
    if value.is_null() {
        metadata(object).remove(key);
    } else {
        metadata(object).insert(key.to_owned(), value);
    }
}

/// Copies a top-level field from one object to another; absent stays absent.
pub fn copy_field(from: &Value, to: &mut Value, key: &str) {
    let Some(map) = to.as_object_mut() else { return };
    match from.get(key) {
        Some(value) => {
            map.insert(key.to_owned(), value.clone());
        }
        None => {
            map.remove(key);
        }
    }
}

/// Takes `managedFields` out of an object.
pub fn take_managed_fields(object: &mut Value) -> Value {
    object["metadata"]
        .as_object_mut()
        .and_then(|metadata| metadata.remove("managedFields"))
        .unwrap_or(Value::Null)
}

/// The finalizers' names.
pub fn finalizers(object: &Value) -> Vec<&str> {
    let all = object["metadata"]["finalizers"].as_array();
    all.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Whether the object is on its way out.
pub fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether an `ownerReferences` entry of the object has this uid.
pub fn is_owned_by(object: &Value, uid: &str) -> bool {
    owners(object).any(|owner| owner["uid"] == uid)
}

/// The `ownerReferences`.
pub fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

/// A value by a path such as `.spec.replicas`; null if it is not there.
pub fn at_path<'a>(object: &'a Value, path: &str) -> &'a Value {
    path.split('.').filter(|step| !step.is_empty()).fold(object, |at, step| &at[step])
}

/// Sets a value by a path such as `.spec.replicas`.
pub fn set_at_path(object: &mut Value, path: &str, value: Value) {
    let mut at = object;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        at = &mut at[step];
    }
    *at = value;
}
