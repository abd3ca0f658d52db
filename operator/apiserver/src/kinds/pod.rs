//! Pods, and the pod templates in other kinds.

use serde_json::{Value, json};

use super::drop_null;
use crate::schema::fill::lay_under;
use crate::status::FieldError;

/// Fills in a pod spec's defaults.
pub fn fill_defaults(spec: &mut Value) {
    let defaults = json!({
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    });
    lay_under(spec, &defaults);
    if let Some(account) = spec["serviceAccountName"].as_str().map(str::to_owned) {
        spec["serviceAccount"] = Value::from(account);
    }
    drop_null(spec, "serviceAccountName");
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            container_defaults(container);
        }
        drop_null(spec, list);
    }
    for volume in spec["volumes"].as_array_mut().into_iter().flatten() {
        volume_defaults(volume);
    }
    drop_null(spec, "volumes");
}

fn container_defaults(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().unwrap_or_default();
    let is_latest = !image.contains('@') && (!tag.contains(':') || tag.ends_with(":latest"));
    let policy = if is_latest { "Always" } else { "IfNotPresent" };
    let defaults = json!({
        "imagePullPolicy": policy,
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    });
    drop_null(container, "image");
    lay_under(container, &defaults);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            let defaults = json!({
                "failureThreshold": 3,
                "periodSeconds": 10,
                "successThreshold": 1,
                "timeoutSeconds": 1,
            });
            lay_under(probe, &defaults);
            handler_defaults(probe);
        }
    }
    for port in list_of(container, "ports") {
        lay_under(port, &json!({ "protocol": "TCP" }));
    }
    for variable in list_of(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            lay_under(field, &json!({ "apiVersion": "v1" }));
        }
    }
    if let Some(hooks) = container.get_mut("lifecycle").and_then(Value::as_object_mut) {
        hooks.values_mut().for_each(handler_defaults);
    }
}

fn handler_defaults(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet") {
        lay_under(get, &json!({ "path": "/", "scheme": "HTTP" }));
    }
    if let Some(grpc) = handler.get_mut("grpc") {
        lay_under(grpc, &json!({ "service": "" }));
    }
}

fn volume_defaults(volume: &mut Value) {
    if volume.as_object().is_some_and(|map| map.len() == 1) {
        volume["emptyDir"] = json!({});
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source) {
            lay_under(source, &json!({ "defaultMode": 420 }));
        }
    }
    if let Some(sources) = volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut) {
        for source in sources {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                lay_under(token, &json!({ "expirationSeconds": 3600 }));
            }
        }
    }
}

fn list_of<'a>(object: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

/// A new pod is pending.
pub fn prepare_new(object: &mut Value) {
    let spec = &mut object["spec"];
    let defaults = json!({ "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
        "priority": 0 });
    lay_under(spec, &defaults);
    if spec["serviceAccountName"].is_null() {
        spec["serviceAccountName"] = Value::from("default");
        spec["serviceAccount"] = Value::from("default");
    }
    object["status"] = json!({ "phase": "Pending", "qosClass": "BestEffort" });
}

/// What is wrong with a pod spec at a path.
pub fn validate_spec(spec: &Value, path: &str) -> Vec<FieldError> {
    let containers = spec["containers"].as_array().cloned().unwrap_or_default();
    if containers.is_empty() {
        return vec![FieldError::required(&format!("{path}.containers"), "")];
    }
    let mut errors = Vec::new();
    let volumes = spec["volumes"].as_array().cloned().unwrap_or_default();
    for (index, container) in containers.iter().enumerate() {
        let path = format!("{path}.containers[{index}]");
        let text = |key: &str| container[key].as_str().unwrap_or_default();
        if text("name").is_empty() {
            errors.push(FieldError::required(&format!("{path}.name"), ""));
        }
        if text("image").is_empty() {
            errors.push(FieldError::required(&format!("{path}.image"), ""));
        }
        if containers[..index].iter().any(|other| other["name"] == container["name"]) {
            errors.push(FieldError::duplicate(&format!("{path}.name"), &container["name"]));
        }
        for (at, mount) in container["volumeMounts"].as_array().into_iter().flatten().enumerate() {
            if !volumes.iter().any(|volume| volume["name"] == mount["name"]) {
                let path = format!("{path}.volumeMounts[{at}].name");
                errors.push(FieldError {
                    field: path,
                    reason: "FieldValueNotFound",
                    body: format!("Not found: {}", mount["name"]),
                });
            }
        }
    }
    errors
}

/// What is wrong with a pod; almost nothing of its spec may change.
pub fn validate(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = validate_spec(&object["spec"], "spec");
    let Some(old) = old else { return errors };
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(map) = spec.as_object_mut() {
            for free in ["activeDeadlineSeconds", "tolerations", "nodeName", "schedulingGates"] {
                map.remove(free);
            }
            map.remove("terminationGracePeriodSeconds");
        }
        for list in ["containers", "initContainers"] {
            for container in list_of(&mut spec, list) {
                container["image"] = Value::Null;
            }
        }
        spec
    };
    if fixed(&old["spec"]) != fixed(&object["spec"]) {
        let why = "pod updates may not change fields other than `spec.containers[*].image`, \
                   `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, \
                   `spec.tolerations` (only additions to existing tolerations), \
                   `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                   previously negative)";
        errors.push(FieldError::forbidden("spec", why));
    }
    errors
}
