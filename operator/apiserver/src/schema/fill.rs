//! What the server does to a value before it looks at it: drops unknown fields and stray nulls,
//! fills in defaults, and writes amounts in their canonical form.

use serde_json::{Map, Value};

use super::{Kind, Schema, quantity};

/// Drops fields that the schema does not know; returns their paths.
pub fn prune(value: &mut Value, schema: &Schema) -> Vec<String> {
    let mut dropped = Vec::new();
    prune_at(value, schema, "", &mut dropped);
    dropped
}

fn prune_at(value: &mut Value, schema: &Schema, path: &str, dropped: &mut Vec<String>) {
    match value {
        Value::Object(map) if schema.kind != Kind::Any || !schema.fields.is_empty() => {
            let takes_any = schema.takes_any_field();
            map.retain(|key, _| {
                let keep = takes_any || schema.fields.contains_key(key);
                if !keep {
                    dropped.push(joined(path, key));
                }
                keep
            });
            for (key, child) in map.iter_mut() {
                prune_at(child, schema.field(key).0, &joined(path, key), dropped);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune_at(item, schema.item(), &format!("{path}[{index}]"), dropped);
            }
        }
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fills in a custom resource's defaults; null counts as absent where null is no value.
pub fn fill_defaults(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (key, field) in &schema.fields {
                let stray_null = !field.is_nullable && map.get(key).is_some_and(Value::is_null);
                if stray_null && schema.checks.is_some() {
                    map.remove(key);
                }
                if let (Some(default), true) = (&field.default, schema.checks.is_some())
                    && !map.contains_key(key)
                {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, child) in map.iter_mut() {
                fill_defaults(child, schema.field(key).0);
            }
        }
        Value::Array(items) => {
            for item in items {
                fill_defaults(item, schema.item());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Writes a built-in object as the server's types would: amounts canonical, nulls gone, empty lists
/// and maps gone.
pub fn canonize(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (key, child) in map.iter_mut() {
                canonize(child, schema.field(key).0);
            }
            // A struct leaves out its empty lists and maps; a map keeps what it was given.
            let is_struct = !schema.fields.is_empty();
            map.retain(|key, child| !(child.is_null() || is_struct && is_gone(key, child, schema)));
        }
        Value::Array(items) => {
            for item in items {
                canonize(item, schema.item());
            }
        }
        Value::String(text) if schema.kind == Kind::Quantity => {
            if let Some(canonical) = quantity::canonical(text) {
                *text = canonical;
            }
        }
        Value::Number(number) if schema.kind == Kind::Quantity => {
            if let Some(canonical) = quantity::canonical(&number.to_string()) {
                *value = Value::from(canonical);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_gone(key: &str, child: &Value, schema: &Schema) -> bool {
    let below = schema.field(key).0;
    match child {
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() && below.values.is_some(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The first value of a wrong type in a built-in object: its path and what it is.
pub fn mistyped(value: &Value, schema: &Schema, path: &str) -> Option<String> {
    let is_right = match (schema.kind, value) {
        (_, Value::Null) => true,
        (Kind::Any, _) => return None,
        (Kind::Object, Value::Object(_)) | (Kind::Array, Value::Array(_)) => true,
        (Kind::String, value) => value.is_string(),
        (Kind::Integer | Kind::Number, value) => value.is_number(),
        (Kind::Boolean, value) => value.is_boolean(),
        (Kind::IntOrString, value) => value.is_number() || value.is_string(),
        (Kind::Quantity, Value::String(text)) => quantity::parse(text).is_some(),
        (Kind::Quantity, value) => value.is_number(),
        (Kind::Object | Kind::Array, _) => false,
    };
    if !is_right {
        return Some(path.to_owned());
    }
    match value {
        Value::Object(map) => map
            .iter()
            .find_map(|(key, child)| mistyped(child, schema.field(key).0, &joined(path, key))),
        Value::Array(items) => items.iter().find_map(|item| mistyped(item, schema.item(), path)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// A path with one more field.
pub fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Fields that are not there, from a table of defaults: an object laid under the value.
pub fn lay_under(value: &mut Value, defaults: &Value) {
    let Value::Object(defaults) = defaults else { return };
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    let Value::Object(map) = value else { return };
    for (key, default) in defaults {
        match map.get_mut(key) {
            Some(child) if child.is_object() && default.is_object() => lay_under(child, default),
            Some(child) if !child.is_null() => {}
            _ => {
                map.insert(key.clone(), default.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{canonize, prune};
    use crate::schema::core;
    use serde_json::json;

    #[test]
    fn writes_built_in_objects_as_their_types_would() {
        let mut claim = json!({
            "spec": {
                "resources": {"requests": {"storage": "1024Mi"}},
                "accessModes": [],
                "storageClassName": null,
                "nonsense": 1,
            },
        });
        let schema = core::named("PersistentVolumeClaim");
        assert_eq!(prune(&mut claim, &schema), ["spec.nonsense"]);
        canonize(&mut claim, &schema);
        assert_eq!(claim, json!({"spec": {"resources": {"requests": {"storage": "1Gi"}}}}));
    }
}
