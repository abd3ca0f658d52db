//! What happened at the API, revision by revision, and what must never have.

use std::collections::{BTreeMap, BTreeSet};

use millrace_apiserver::store::Change;
use serde_json::Value;
use tokio::time::Instant;

use super::world::World;

/// What a change of a world may include.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allowed {
    /// How many pods of brokers may be taken down.
    pub restarts: usize,
    /// Whether volumes may go.
    pub volumes_go: bool,
    /// The topics that may be deleted.
    pub topics: &'static [&'static str],
}

/// Nothing that serves is touched.
pub const PEACE: Allowed = Allowed { restarts: 0, volumes_go: false, topics: &[] };
/// A broker is restarted once.
pub const ONE_RESTART: Allowed = Allowed { restarts: 1, ..PEACE };

/// A change in one line.
pub fn line(change: &Change, origin: Instant) -> String {
    let what = match (&change.before, &change.after) {
        (None, Some(_)) => "made",
        (Some(_), Some(_)) => "changed",
        (_, None) => "gone",
    };
    let at = change.at.saturating_duration_since(origin);
    let (namespace, name) = &change.key;
    format!("{:>8.3} {} {namespace}/{name} {what}", at.as_secs_f64(), change.resource.plural)
}

/// What happened after a revision that must not have.
pub fn forbidden(world: &World, after: u64, allowed: Allowed) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut taken_down = BTreeSet::new();
    for change in world.server.changes_after(after) {
        let is_going = |object: &Value| object["metadata"]["deletionTimestamp"].is_string();
        let was_there = change.before.as_ref().is_some_and(|it| !is_going(it));
        let goes = was_there && change.after.as_ref().is_none_or(|it| is_going(it));
        if !goes {
            continue;
        }
        let before = change.before.as_deref().unwrap_or(&Value::Null);
        let text = line(&change, world.origin);
        match change.resource.plural.as_str() {
            "persistentvolumeclaims" if !allowed.volumes_go => {
                wrong.push(format!("a volume goes that is to stay: {text}"));
            }
            "pods" if before["metadata"]["labels"]["app.kubernetes.io/component"] == "broker" => {
                taken_down.insert(before["metadata"]["uid"].to_string());
            }
            _ => {}
        }
    }
    if taken_down.len() > allowed.restarts {
        wrong.push(format!(
            "{} brokers were taken down, and {} had to be",
            taken_down.len(),
            allowed.restarts
        ));
    }
    for deleted in world.network.deleted() {
        if let Some(by) = &deleted.wanted_by {
            wrong.push(format!("topic {} was deleted, but Topic {by} wants it", deleted.topic));
        }
        if !allowed.topics.contains(&deleted.topic.as_str()) {
            wrong.push(format!("topic {} was deleted and is to stay", deleted.topic));
        }
    }
    wrong
}

/// Events that were told more often than once. A cluster may come to be ready several times.
pub fn repeated_events(world: &World, ready_max: usize) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in world.server.objects("events.k8s.io", "events") {
        let text = format!("{} {}: {}", event["regarding"]["name"], event["reason"], event["note"]);
        *counts.entry(text).or_default() += 1;
    }
    let max = |text: &str| if text.contains(" \"Ready\": ") { ready_max } else { 1 };
    counts
        .into_iter()
        .filter(|(text, count)| *count > max(text))
        .map(|(text, count)| format!("told {count} times: {text}"))
        .collect()
}
