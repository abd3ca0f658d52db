//! What a world has come to, with all that may differ between two ways to it taken out: ids, times,
//! versions, addresses.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::world::World;

/// Fields that say how something came about, not what it is.
const FLEETING: [&str; 15] = [
    "observedGeneration",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "lastTransitionTime",
    "startTime",
    "podIP",
    "podIPs",
    "clusterIP",
    "clusterIPs",
    "collisionCount",
    "millrace.io/applied-digest",
    "millrace.io/trial-of",
    "millrace.io/directory-id",
];
/// Resources that tell of the way, or belong to the server.
const ASIDE: [&str; 4] = ["events", "leases", "customresourcedefinitions", "namespaces"];

/// The end state of a world.
pub fn end_state(world: &World) -> Value {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut all = Map::new();
    let brokers = brokers(world, &mut names);
    let everything = world.server.everything();
    for (resource, object) in &everything {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (uid, name) = (text("/metadata/uid"), text("/metadata/name"));
        names.insert(uid.to_owned(), format!("<uid of {} {name}>", resource.plural));
        if let Some(directory) = object.pointer("/status/brokers/0/directoryId") {
            names.insert(directory.as_str().unwrap_or_default().to_owned(), "<directory>".into());
        }
    }
    for (resource, object) in everything {
        if !ASIDE.contains(&resource.plural.as_str()) {
            let text = |path: &str| object.pointer(path).and_then(Value::as_str);
            let place = format!(
                "{} {}/{}",
                resource.plural,
                text("/metadata/namespace").unwrap_or_default(),
                text("/metadata/name").unwrap_or_default()
            );
            all.insert(place, cleaned(object, &names));
        }
    }
    all.insert("brokers".to_owned(), cleaned(brokers, &names));
    Value::Object(all)
}

/// What the brokers have, by pod; topics' ids get names.
fn brokers(world: &World, names: &mut BTreeMap<String, String>) -> Value {
    let mut all = Map::new();
    for pod in world.server.objects("", "pods") {
        let address = pod["status"]["podIP"].as_str().unwrap_or_default();
        let Some(broker) = world.network.broker(address) else { continue };
        let image = broker.image();
        let mut topics = Map::new();
        for topic in image.topics() {
            names.insert(topic.id.to_string(), format!("<id of {}>", topic.name));
            let mut owner: Value = topic
                .owner
                .as_deref()
                .map_or(Value::Null, |it| serde_json::from_str(it).unwrap_or(json!(it)));
            if owner["missedAtMs"].is_i64() {
                owner["missedAtMs"] = json!("<a time>");
            }
            let entry = json!({
                "partitions": topic.partitions.len(), "configs": topic.values, "owner": owner,
            });
            topics.insert(topic.name.to_string(), entry);
        }
        let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let state = json!({
            "clusterId": image.cluster_id(), "configs": image.cluster_values(), "topics": topics,
        });
        all.insert(name, state);
    }
    Value::Object(all)
}

fn cleaned(value: Value, names: &BTreeMap<String, String>) -> Value {
    match value {
        Value::Object(map) => map
            .into_iter()
            .filter(|(key, _)| !FLEETING.contains(&key.as_str()))
            .map(|(key, value)| (key, cleaned(value, names)))
            .collect(),
        Value::Array(list) => list.into_iter().map(|it| cleaned(it, names)).collect(),
        Value::String(text) => {
            let volume = text.strip_prefix("pvc-").unwrap_or(&text);
            Value::String(names.get(volume).cloned().unwrap_or(text))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// The first differences between two end states, a line each.
pub fn differences(expected: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare(expected, found, "", &mut lines);
    lines.truncate(20);
    lines
}

fn compare(expected: &Value, found: &Value, path: &str, lines: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let at = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
                compare(&at(a), &at(b), &format!("{path} > {key}"), lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(a, b, &format!("{path}[{index}]"), lines);
            }
        }
        (a, b) if a != b => lines.push(format!("{path}: {a} became {b}")),
        _ => {}
    }
}
