//! StatefulSets: defaults, and what may not change.

use serde_json::{Value, json};

use super::{claim, pod};
use crate::schema::fill::lay_under;
use crate::selector::Selector;
use crate::status::FieldError;

/// The fields of the spec that may change.
const FREE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

/// Fills in a StatefulSet's defaults.
pub fn fill_defaults(object: &mut Value) {
    let defaults = json!({
        "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Retain", "whenScaled": "Retain" },
        "podManagementPolicy": "OrderedReady",
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "serviceName": "",
    });
    let spec = &mut object["spec"];
    lay_under(spec, &defaults);
    if spec["updateStrategy"]["type"].is_null() {
        lay_under(
            spec,
            &json!({ "updateStrategy": { "type": "RollingUpdate",
            "rollingUpdate": {} } }),
        );
    }
    if spec["updateStrategy"]["type"] == "RollingUpdate"
        && let Some(rolling) = spec["updateStrategy"].get_mut("rollingUpdate")
    {
        lay_under(rolling, &json!({ "partition": 0 }));
    }
    lay_under(&mut spec["template"], &json!({ "metadata": {}, "spec": {} }));
    pod::fill_defaults(&mut spec["template"]["spec"]);
    if let Some(templates) = spec.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut) {
        for template in templates {
            lay_under(template, &json!({ "apiVersion": "v1", "kind": "PersistentVolumeClaim" }));
            claim::fill_defaults(template);
            lay_under(template, &json!({ "status": { "phase": "Pending" } }));
        }
    }
}

/// What is wrong with a StatefulSet.
pub fn validate(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let spec = &object["spec"];
    let mut errors = Vec::new();
    if spec["replicas"].as_i64().unwrap_or(0) < 0 {
        let why = "must be greater than or equal to 0";
        errors.push(FieldError::invalid("spec.replicas", Some(&spec["replicas"]), why));
    }
    let selector = &spec["selector"];
    if selector.is_null() {
        errors.push(FieldError::required("spec.selector", ""));
    } else if !Selector::of_object(selector).matches(&spec["template"]) {
        let labels = &spec["template"]["metadata"]["labels"];
        let why = "`selector` does not match template `labels`";
        errors.push(FieldError::invalid("spec.template.metadata.labels", Some(labels), why));
    }
    let mut template = spec["template"]["spec"].clone();
    add_claimed_volumes(&mut template, spec);
    errors.extend(pod::validate_spec(&template, "spec.template.spec"));
    let policies = ["OrderedReady", "Parallel"];
    if !policies.iter().any(|one| spec["podManagementPolicy"] == *one) {
        let why = format!("must be '{}' or '{}'", policies[0], policies[1]);
        let shown = &spec["podManagementPolicy"];
        errors.push(FieldError::invalid("spec.podManagementPolicy", Some(shown), &why));
    }
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            map.retain(|key, _| !FREE.contains(&key.as_str()));
        }
        spec
    };
    if old.is_some_and(|old| fixed(old) != fixed(object)) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', \
                   'template', 'updateStrategy', 'revisionHistoryLimit', \
                   'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        errors.push(FieldError::forbidden("spec", why));
    }
    errors
}

/// The volumes that a pod gets from the claim templates count as its own.
fn add_claimed_volumes(template: &mut Value, spec: &Value) {
    let claims = spec["volumeClaimTemplates"].as_array().into_iter().flatten();
    let claimed: Vec<Value> =
        claims.map(|claim| json!({ "name": claim["metadata"]["name"] })).collect();
    match template.get_mut("volumes").and_then(Value::as_array_mut) {
        Some(volumes) => volumes.extend(claimed),
        None => template["volumes"] = Value::Array(claimed),
    }
}
