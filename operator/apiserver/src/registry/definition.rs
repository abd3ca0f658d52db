//! From a `CustomResourceDefinition` to the resource that it makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::resource::{Habits, Resource, Scale, Version};
use crate::schema::custom;
use crate::status::FieldError;

/// Reads the resource that a definition makes.
///
/// # Errors
/// What a real server refuses in the definition: a name that does not fit, no storage version, a
/// schema that is not structural, a rule that does not compile.
pub fn resource(definition: &Value) -> Result<Resource, Vec<FieldError>> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let mut errors = Vec::new();
    for (field, value) in [
        ("spec.group", &group),
        ("spec.names.plural", &plural),
        ("spec.names.kind", &text(&spec["names"]["kind"])),
    ] {
        if value.is_empty() {
            errors.push(FieldError::required(field, ""));
        }
    }
    let name = definition["metadata"]["name"].clone();
    if name != format!("{plural}.{group}") {
        let why = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", Some(&name), why));
    }
    let mut versions = BTreeMap::new();
    let mut storage_version = String::new();
    for (index, version) in spec["versions"].as_array().into_iter().flatten().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        let schema = &version["schema"]["openAPIV3Schema"];
        if !schema.is_object() {
            errors.push(FieldError::required(&path, "schemas are required"));
            continue;
        }
        let name = text(&version["name"]);
        if version["storage"] == true {
            storage_version.clone_from(&name);
        }
        match custom::root(schema, &path) {
            Ok(schema) => {
                let served = version["served"] != false;
                if served || version["storage"] == true {
                    versions.insert(name, read_version(version, Arc::new(schema)));
                }
            }
            Err(more) => errors.extend(more),
        }
    }
    if !versions.contains_key(&storage_version) && errors.is_empty() {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid("spec.versions", None, why));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut aliases = vec![text(&spec["names"]["singular"])];
    aliases.extend(spec["names"]["shortNames"].as_array().into_iter().flatten().map(text));
    Ok(Resource {
        group,
        kind: text(&spec["names"]["kind"]),
        plural,
        aliases,
        is_namespaced: spec["scope"] == "Namespaced",
        storage_version,
        versions,
        is_custom: true,
        habits: Habits {
            counts_generations: true,
            needs_version_to_update: true,
            answers_deleted_object: false,
        },
    })
}

fn read_version(version: &Value, schema: Arc<crate::schema::Schema>) -> Version {
    let subresources = &version["subresources"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let scale = subresources.get("scale").map(|scale| Scale {
        spec_replicas: text(&scale["specReplicasPath"]),
        status_replicas: text(&scale["statusReplicasPath"]),
        selector: text(&scale["labelSelectorPath"]),
    });
    Version { schema, has_status: subresources.get("status").is_some(), scale }
}
