//! Events have two faces: `events.k8s.io`, in which they are kept, and the older one of the core.

use serde_json::Value;

/// Names of the same fields: in `events.k8s.io`, and in the core.
const NAMES: [(&str, &str); 7] = [
    ("deprecatedCount", "count"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedSource", "source"),
    ("note", "message"),
    ("regarding", "involvedObject"),
    ("reportingController", "reportingComponent"),
];

/// Renames the fields to those of the core.
pub fn to_core(event: &mut Value) {
    for (new, old) in NAMES {
        rename(event, new, old);
    }
}

/// Renames the core's fields to those of `events.k8s.io`.
pub fn from_core(event: &mut Value) {
    for (new, old) in NAMES {
        rename(event, old, new);
    }
}

fn rename(event: &mut Value, from: &str, to: &str) {
    if let Some(map) = event.as_object_mut()
        && let Some(value) = map.remove(from)
    {
        map.insert(to.to_owned(), value);
    }
}
