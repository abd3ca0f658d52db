//! Who set which field of an object, as the API server notes in `metadata.managedFields`.
//!
//! Values alone do not tell all: somebody may have put a field next to ours, or into a list of ours
//! that the API server takes as a whole. Paths in `managedFields` are written as in the API
//! server's package `fieldpath`: `f:name`, `k:{"key":"of a list"}`, `v:"of a set"`.

use serde_json::Value;

use crate::names::MANAGER;

/// Labels and annotations of pods may be others', too: they change nothing in how a broker runs, and
/// `kubectl rollout restart` sets one.
const USERS: &str = "spec.template.metadata";

/// The first field of `wanted`, as a path, that somebody else has changed since it was applied; none
/// where nobody has, or nothing is noted.
pub fn lost(wanted: &Value, there: &Value) -> Option<String> {
    let mut entries = entries(there).peekable();
    entries.peek()?;
    let ours: Vec<&Value> =
        entries.filter(|entry| is_ours(entry)).filter_map(|entry| entry.get("fieldsV1")).collect();
    // Of labels and annotations the values tell all.
    let is_said = |name: &String| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
    let mut said = wanted.as_object()?.iter().filter(|(name, _)| is_said(name));
    said.find_map(|(name, value)| lost_field(name, value, &ours, &mut Vec::new()))
}

/// `owned` is what several entries of ours have at this place.
fn lost_field(
    name: &str,
    wanted: &Value,
    owned: &[&Value],
    path: &mut Vec<String>,
) -> Option<String> {
    // What is empty may be left out.
    let is_empty = wanted.is_null()
        || wanted.as_object().is_some_and(serde_json::Map::is_empty)
        || wanted.as_array().is_some_and(Vec::is_empty);
    if is_empty {
        return None;
    }
    path.push(name.to_owned());
    let member = format!("f:{name}");
    let owned: Vec<&Value> = owned.iter().filter_map(|owned| owned.get(&member)).collect();
    let found = lost_below(wanted, &owned, path);
    path.pop();
    found
}

fn lost_below(wanted: &Value, owned: &[&Value], path: &mut Vec<String>) -> Option<String> {
    if owned.is_empty() {
        return Some(path.join("."));
    }
    if owned.iter().any(|owned| is_leaf(owned)) {
        return None;
    }
    match wanted {
        Value::Object(fields) => {
            fields.iter().find_map(|(name, value)| lost_field(name, value, owned, path))
        }
        Value::Array(elements) => elements.iter().find_map(|element| {
            let members = owned.iter().filter_map(|owned| owned.as_object()).flatten();
            let of_element = members.filter(|(member, _)| is_member(member, element));
            let owned: Vec<&Value> = of_element.map(|(_, owned)| owned).collect();
            lost_below(element, &owned, path)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// The first field of a spec that somebody else has set beside those that are wanted, and who.
pub fn foreign(wanted: &Value, there: &Value) -> Option<String> {
    let wanted = wanted.get("spec").unwrap_or(&Value::Null);
    others(there).find_map(|entry| {
        let fields = entry.pointer("/fieldsV1/f:spec")?;
        let path = foreign_below(wanted, fields, &mut vec!["spec".to_owned()])?;
        Some(format!("{path} was set by {}", text(entry, "manager").unwrap_or("somebody")))
    })
}

/// What an object notes of what we have applied, and of nobody else: as `managedFields`. Where there is
/// nothing of ours, what makes the API server forget all: an empty list would change nothing.
pub fn ours(there: &Value) -> Vec<Value> {
    let ours: Vec<Value> = entries(there).filter(|entry| is_ours(entry)).cloned().collect();
    if ours.is_empty() { vec![Value::Object(serde_json::Map::new())] } else { ours }
}

/// Whether a field is one that we have applied; its path is a pointer into `fieldsV1`.
pub fn has_applied(there: &Value, field: &str) -> bool {
    let fields = entries(there).filter(|entry| is_ours(entry)).filter_map(|it| it.get("fieldsV1"));
    fields.into_iter().any(|fields| fields.pointer(field).is_some())
}

/// Whether somebody else has set anything in the pods' template but their labels and annotations.
pub fn is_template_edited(there: &Value) -> bool {
    let path = "/fieldsV1/f:spec/f:template/f:spec";
    others(there).any(|entry| entry.pointer(path).is_some())
}

fn foreign_below(wanted: &Value, fields: &Value, path: &mut Vec<String>) -> Option<String> {
    fields.as_object()?.iter().find_map(|(member, below)| {
        if member == "." {
            return None;
        }
        let (name, part) = match member.strip_prefix("f:") {
            Some(name) => (name, wanted.get(name)),
            None => {
                let mut elements = wanted.as_array().into_iter().flatten();
                (member.as_str(), elements.find(|element| is_member(member, element)))
            }
        };
        path.push(shown(name));
        let found = match part.filter(|part| !part.is_null()) {
            _ if path.join(".") == USERS => None,
            None => Some(path.join(".")),
            Some(part) => foreign_below(part, below, path),
        };
        path.pop();
        found
    })
}

/// What we have applied. What we have written in another way counts as somebody else's: applying does
/// not take it out again.
fn is_ours(entry: &Value) -> bool {
    text(entry, "manager") == Some(MANAGER)
        && text(entry, "operation") == Some("Apply")
        && text(entry, "subresource").is_none()
}

fn others(object: &Value) -> impl Iterator<Item = &Value> {
    let is_others =
        |entry: &&Value| !is_ours(entry) && text(entry, "subresource") != Some("status");
    entries(object).filter(is_others)
}

fn entries(object: &Value) -> impl Iterator<Item = &Value> {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten()
}

fn text<'a>(entry: &'a Value, field: &str) -> Option<&'a str> {
    entry.get(field).and_then(Value::as_str)
}

/// Whether all below belongs to whoever has this.
fn is_leaf(owned: &Value) -> bool {
    owned.as_object().is_none_or(serde_json::Map::is_empty)
}

/// A member as people read it: `k:{"name":"broker"}` as `broker`.
fn shown(member: &str) -> String {
    let keys = member.strip_prefix("k:").and_then(|it| serde_json::from_str::<Value>(it).ok());
    let Some(Value::Object(keys)) = keys else { return member.to_owned() };
    let values = keys.values().map(|value| match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
        }
    });
    values.collect::<Vec<_>>().join(" ")
}

/// Whether `k:{...}` or `v:...` names an element; keys that it does not give have a default.
fn is_member(member: &str, element: &Value) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    if let Some(value) = member.strip_prefix("v:").and_then(parsed) {
        return value == *element;
    }
    let Some(Value::Object(keys)) = member.strip_prefix("k:").and_then(parsed) else {
        return false;
    };
    keys.iter().all(|(key, value)| element.get(key).is_none_or(|given| given == value))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{foreign, lost};

    fn object(entries: &Value) -> Value {
        json!({ "metadata": { "name": "x", "managedFields": entries } })
    }

    fn wanted() -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": { "name": "x", "labels": { "a": "b" } },
            "spec": { "replicas": 1, "template": { "spec": {
                "containers": [{
                    "name": "broker", "args": ["start"], "ports": [{ "containerPort": 9092 }],
                }],
                "tolerations": [],
            } } },
        })
    }

    fn ours() -> Value {
        json!({ "manager": "millrace-operator", "operation": "Apply", "fieldsV1": {
            "f:metadata": { "f:labels": { "f:a": {} } },
            "f:spec": { "f:replicas": {}, "f:template": { "f:spec": { "f:containers": {
                "k:{\"name\":\"broker\"}": {
                    ".": {}, "f:name": {}, "f:args": {},
                    "f:ports": { "k:{\"containerPort\":9092,\"protocol\":\"TCP\"}": {
                        ".": {}, "f:containerPort": {},
                    } },
                },
            } } } },
        } })
    }

    #[test]
    fn what_is_ours_is_not_lost() {
        assert_eq!(lost(&wanted(), &object(&json!([ours()]))), None);
        assert_eq!(lost(&wanted(), &object(&json!([]))), None, "nothing is noted");
    }

    #[test]
    fn what_others_took_is_lost() {
        let containers = "/fieldsV1/f:spec/f:template/f:spec/f:containers";
        let mut entry = ours();
        let fields = entry.pointer_mut(containers).unwrap().as_object_mut().unwrap();
        fields.values_mut().next().unwrap().as_object_mut().unwrap().remove("f:args");
        let expected = "spec.template.spec.containers.args";
        assert_eq!(lost(&wanted(), &object(&json!([entry]))).as_deref(), Some(expected));
        let other = json!([{ "manager": "kubectl", "operation": "Update", "fieldsV1": {} }]);
        assert_eq!(lost(&wanted(), &object(&other)).as_deref(), Some("spec"));
    }

    #[test]
    fn what_others_added_is_foreign() {
        let added = |fields: Value| {
            let entry = json!({
                "manager": "kubectl-patch", "operation": "Update", "fieldsV1": { "f:spec": fields },
            });
            foreign(&wanted(), &object(&json!([ours(), entry])))
        };
        assert_eq!(added(json!({ "f:replicas": {} })), None, "somebody sets what we set");
        let template = |fields: Value| json!({ "f:template": { "f:spec": fields } });
        assert_eq!(
            added(template(json!({ "f:hostNetwork": {} }))).as_deref(),
            Some("spec.template.spec.hostNetwork was set by kubectl-patch")
        );
        let container =
            json!({ "f:containers": { "k:{\"name\":\"broker\"}": { "f:command": {} } } });
        let expected = "spec.template.spec.containers.broker.command was set by kubectl-patch";
        assert_eq!(added(template(container)).as_deref(), Some(expected));
        let sidecar = json!({ "f:containers": { "k:{\"name\":\"spy\"}": { ".": {} } } });
        assert!(added(template(sidecar)).is_some());
        let restarted = json!({ "f:template": { "f:metadata": { "f:annotations": {
            ".": {}, "f:kubectl.kubernetes.io/restartedAt": {},
        } } } });
        assert_eq!(added(restarted), None, "kubectl rollout restart");
    }
}
