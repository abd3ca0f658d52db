//! A custom resource's shape and checks, read from the structural schema of its definition.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::{Checks, Kind, ListKind, Schema, cel, core};
use crate::status::FieldError;

/// Reads a version's whole schema; `path` says where it stands, for refusals.
///
/// # Errors
/// Where the schema is not structural, or a rule does not compile.
pub fn root(schema: &Value, path: &str) -> Result<Schema, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut read = read(schema, path, true, &mut errors);
    embed(&mut read);
    if read.kind != Kind::Object {
        let why = "must be object at the root";
        errors.push(FieldError::invalid(&format!("{path}.type"), Some(&schema["type"]), why));
    }
    if errors.is_empty() { Ok(read) } else { Err(errors) }
}

/// Gives a whole object the fields that every object has.
fn embed(schema: &mut Schema) {
    let text = Arc::new(Schema::of(Kind::String));
    schema.fields.insert("apiVersion".to_owned(), text.clone());
    schema.fields.insert("kind".to_owned(), text);
    schema.fields.insert("metadata".to_owned(), core::named("ObjectMeta"));
}

/// Reads one node. Below `allOf` and its like there is only value validation, without types.
fn read(schema: &Value, path: &str, is_structural: bool, errors: &mut Vec<FieldError>) -> Schema {
    let int_or_string = schema["x-kubernetes-int-or-string"] == true;
    let keeps_unknown = schema["x-kubernetes-preserve-unknown-fields"] == true;
    let kind = match schema["type"].as_str().unwrap_or_default() {
        "object" => Kind::Object,
        "array" => Kind::Array,
        "string" => Kind::String,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        _ if int_or_string => Kind::IntOrString,
        "" => Kind::Any,
        _ => {
            let why = "must be array, boolean, integer, number, object or string";
            errors.push(FieldError::invalid(&format!("{path}.type"), Some(&schema["type"]), why));
            Kind::Any
        }
    };
    if kind == Kind::Any && is_structural && !keeps_unknown {
        let why = "must not be empty for specified object fields";
        errors.push(FieldError::required(&format!("{path}.type"), why));
    }
    let mut fields = BTreeMap::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let below = read(field, &format!("{path}.properties[{name}]"), is_structural, errors);
        fields.insert(name.clone(), Arc::new(below));
    }
    let additional = &schema["additionalProperties"];
    let values = if additional.is_object() {
        Some(read(additional, &format!("{path}.additionalProperties"), is_structural, errors))
    } else {
        (*additional == true).then(|| super::ANY.clone())
    };
    let items = schema["items"]
        .is_object()
        .then(|| read(&schema["items"], &format!("{path}.items"), is_structural, errors));
    let is_embedded = schema["x-kubernetes-embedded-resource"] == true;
    let mut node = Schema {
        kind,
        fields,
        values: values.map(Arc::new),
        items: items.map(Arc::new),
        list: list_kind(schema),
        is_atomic: schema["x-kubernetes-map-type"] == "atomic",
        keeps_unknown,
        is_nullable: schema["nullable"] == true,
        is_embedded,
        default: schema.get("default").cloned(),
        checks: Some(Box::new(checks(schema, path, is_structural, errors))),
    };
    if is_embedded {
        embed(&mut node);
    }
    node
}

fn list_kind(schema: &Value) -> ListKind {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => ListKind::Set,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            let keys = keys.into_iter().flatten().filter_map(Value::as_str);
            ListKind::Map(keys.map(str::to_owned).collect())
        }
        _ => ListKind::Atomic,
    }
}

fn checks(schema: &Value, path: &str, is_structural: bool, errors: &mut Vec<FieldError>) -> Checks {
    let list = |key: &str| schema[key].as_array().cloned().unwrap_or_default();
    let bound =
        |key: &str, exclusive: &str| Some((schema[key].as_f64()?, schema[exclusive] == true));
    let mut branches = |key: &str| -> Vec<Schema> {
        let all = list(key);
        all.iter().map(|one| read(one, &format!("{path}.{key}"), false, errors)).collect()
    };
    let (all_of, any_of, exactly_one_of) =
        (branches("allOf"), branches("anyOf"), branches("oneOf"));
    let not = schema["not"]
        .is_object()
        .then(|| read(&schema["not"], &format!("{path}.not"), false, errors));
    let mut rules = Vec::new();
    for (index, rule) in list("x-kubernetes-validations").iter().enumerate() {
        let at = format!("{path}.x-kubernetes-validations[{index}]");
        match cel::Rule::read(rule, &at) {
            Ok(rule) if is_structural => rules.push(rule),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    let required = list("required");
    Checks {
        required: required.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        one_of: list("enum"),
        minimum: bound("minimum", "exclusiveMinimum"),
        maximum: bound("maximum", "exclusiveMaximum"),
        multiple_of: schema["multipleOf"].as_f64(),
        pattern: schema["pattern"].as_str().map(str::to_owned),
        min_length: schema["minLength"].as_u64(),
        max_length: schema["maxLength"].as_u64(),
        min_items: schema["minItems"].as_u64(),
        max_items: schema["maxItems"].as_u64(),
        min_properties: schema["minProperties"].as_u64(),
        max_properties: schema["maxProperties"].as_u64(),
        all_of,
        any_of,
        exactly_one_of,
        not,
        rules,
    }
}
