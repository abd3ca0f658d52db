//! The habits of the built-in kinds that an operator meets: defaults, what is set on creation, what
//! may not change. Each kind that has more than a line has a file.
//!
//! Differs from Kubernetes: of the validation of built-in kinds there is only what an operator can
//! run into (required fields, immutable fields, selectors, volume sizes, ports).

pub mod claim;
pub mod event;
pub mod metadata;
pub mod pod;
pub mod service;
pub mod stateful_set;

use serde_json::{Value, json};

use crate::object::{self, set_meta};
use crate::resource::Resource;
use crate::schema::fill::lay_under;
use crate::status::{ApiError, FieldError};
use crate::world::World;

/// Fills in a built-in object's defaults.
pub fn fill_defaults(resource: &Resource, object: &mut Value) {
    match resource.plural.as_str() {
        "pods" => pod::fill_defaults(&mut object["spec"]),
        "services" => service::fill_defaults(object),
        "statefulsets" => stateful_set::fill_defaults(object),
        "persistentvolumeclaims" => claim::fill_defaults(object),
        "namespaces" => {
            let name = object::name(object).to_owned();
            if !name.is_empty() {
                let labels = json!({ "kubernetes.io/metadata.name": name });
                lay_under(&mut object["metadata"]["labels"], &labels);
            }
        }
        "networkpolicies" => network_policy(object),
        "secrets" => lay_under(object, &json!({ "type": "Opaque" })),
        "storageclasses" => lay_under(
            object,
            &json!({ "reclaimPolicy": "Delete", "volumeBindingMode": "Immediate" }),
        ),
        "customresourcedefinitions" => definition(object),
        _ => {}
    }
}

fn network_policy(object: &mut Value) {
    lay_under(&mut object["spec"], &json!({ "podSelector": {} }));
    let mut types = vec!["Ingress"];
    if object["spec"]["egress"].is_array() {
        types.push("Egress");
    }
    lay_under(&mut object["spec"], &json!({ "policyTypes": types }));
    for side in ["ingress", "egress"] {
        for rule in object["spec"][side].as_array_mut().into_iter().flatten() {
            for port in rule["ports"].as_array_mut().into_iter().flatten() {
                lay_under(port, &json!({ "protocol": "TCP" }));
            }
        }
        // Reading `spec[side]` above leaves a null where there was nothing.
        if object["spec"][side].is_null()
            && let Some(spec) = object["spec"].as_object_mut()
        {
            spec.remove(side);
        }
    }
}

fn definition(object: &mut Value) {
    let names = &object["spec"]["names"];
    let kind = names["kind"].as_str().unwrap_or_default();
    let defaults = json!({
        "conversion": { "strategy": "None" },
        "names": { "singular": kind.to_lowercase(), "listKind": format!("{kind}List") },
    });
    lay_under(&mut object["spec"], &defaults);
}

/// What the server itself writes into a new object, and into its first status.
pub fn prepare_new(world: &mut World, resource: &Resource, object: &mut Value) {
    match resource.plural.as_str() {
        "services" => service::prepare_new(world, object),
        "pods" => pod::prepare_new(object),
        "persistentvolumeclaims" => claim::prepare_new(world, object),
        "namespaces" => {
            object["spec"] = json!({ "finalizers": ["kubernetes"] });
            object["status"] = json!({ "phase": "Active" });
        }
        "statefulsets" => object["status"] = json!({ "replicas": 0, "availableReplicas": 0 }),
        "customresourcedefinitions" => established(world, object),
        _ => {}
    }
}

/// A definition is established at once; on a real server that takes a moment.
fn established(world: &World, object: &mut Value) {
    let now = world.clock.now();
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": now,
        })
    };
    let versions = object["spec"]["versions"].as_array().into_iter().flatten();
    let stored: Vec<Value> =
        versions.filter(|one| one["storage"] == true).map(|one| one["name"].clone()).collect();
    object["status"] = json!({
        "acceptedNames": object["spec"]["names"],
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "storedVersions": stored,
    });
}

/// What the server keeps as it was when an object changes.
pub fn prepare_change(world: &mut World, resource: &Resource, old: &Value, new: &mut Value) {
    match resource.plural.as_str() {
        "services" => service::prepare_change(world, old, new),
        "persistentvolumeclaims" => claim::prepare_change(old, new),
        "namespaces" => object::copy_field(old, new, "spec"),
        _ => {}
    }
}

/// What is wrong with a built-in object; `old` is what a change replaces.
pub fn validate(resource: &Resource, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    match resource.plural.as_str() {
        "pods" => pod::validate(object, old),
        "services" => service::validate(object, old),
        "statefulsets" => stateful_set::validate(object, old),
        "persistentvolumeclaims" => claim::validate(object, old),
        "configmaps" | "secrets" => immutable_data(object, old),
        "customresourcedefinitions" => {
            crate::registry::definition::resource(object).err().unwrap_or_default()
        }
        "poddisruptionbudgets" => disruption_budget(object),
        _ => Vec::new(),
    }
}

fn disruption_budget(object: &Value) -> Vec<FieldError> {
    let spec = &object["spec"];
    if spec["minAvailable"].is_null() || spec["maxUnavailable"].is_null() {
        return Vec::new();
    }
    let why = "minAvailable and maxUnavailable cannot be both set";
    vec![FieldError::invalid("spec", None, why)]
}

fn immutable_data(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Some(old) = old.filter(|old| old["immutable"] == true) else { return Vec::new() };
    let why = "field is immutable when `immutable` is set";
    let mut errors = Vec::new();
    if object["immutable"] != true {
        errors.push(FieldError::forbidden("immutable", why));
    }
    for key in ["data", "binaryData"] {
        if object[key] != old[key] {
            errors.push(FieldError::forbidden(key, why));
        }
    }
    errors
}

/// What admission refuses of a change that is valid in itself.
///
/// # Errors
/// 403 where a volume would grow whose class does not allow it.
pub fn admit_change(
    world: &World,
    resource: &Resource,
    old: &Value,
    new: &Value,
) -> Result<(), ApiError> {
    match resource.plural.as_str() {
        "persistentvolumeclaims" => claim::admit_growth(world, old, new),
        _ => Ok(()),
    }
}

/// The seconds that an object may take to go: pods on a node have a grace, all others none.
pub fn grace_seconds(resource: &Resource, object: &Value, asked: Option<u64>) -> u64 {
    if resource.plural != "pods" {
        return 0;
    }
    let is_done = matches!(object["status"]["phase"].as_str(), Some("Failed" | "Succeeded"));
    if object["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() || is_done {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
    asked.unwrap_or(own)
}

/// Removes a null that reading a missing field by index left behind.
pub fn drop_null(object: &mut Value, key: &str) {
    if object[key].is_null()
        && let Some(map) = object.as_object_mut()
    {
        map.remove(key);
    }
}

/// Adds a finalizer to a new object.
pub fn add_finalizer(object: &mut Value, name: &str) {
    let mut all: Vec<Value> = object::finalizers(object).into_iter().map(Value::from).collect();
    if !all.contains(&Value::from(name)) {
        all.push(Value::from(name));
        set_meta(object, "finalizers", all);
    }
}
