//! The structural schema of each kind, and the check of a value against it.
//!
//! Only the words that Kubernetes' structural schemas have and ours use are known: `type`,
//! `properties`, `required`, `additionalProperties`, `items`, `enum`, `minimum`, `maximum`,
//! `minLength`, `maxLength`, `minItems`, `maxItems`, `maxProperties`, `pattern`,
//! `x-kubernetes-int-or-string`, `x-kubernetes-preserve-unknown-fields`. Rules in CEL
//! (`x-kubernetes-validations`) are for Kubernetes alone. A general JSON Schema library brings
//! seventy crates into a broker that is to start in milliseconds.

use std::fmt;

use regex_lite::Regex;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The schema of a type, references inlined, as a `CustomResourceDefinition` wants it.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    schema
}

/// Brings what schemars writes into the form that Kubernetes asks for: an enum is a list of its
/// values, and a field that may be left out is not also `null`.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(words) => {
            let parts = ["allOf", "anyOf"].iter().find_map(|word| words.get(*word)?.as_array());
            // Of two parts of an optional value one says `null`.
            let told = parts.map(|parts| parts.iter().filter(|part| !says_null(part)));
            let only = told.and_then(|mut told| told.next().filter(|_| told.next().is_none()));
            if let Some(Value::Object(inner)) = only.cloned() {
                words.retain(|word, _| word != "allOf" && word != "anyOf");
                inner.into_iter().for_each(|(word, value)| {
                    words.entry(word).or_insert(value);
                });
            }
            let values: Option<Vec<Value>> = words
                .get("oneOf")
                .and_then(Value::as_array)
                .map(|variants| variants.iter().flat_map(only_values).collect());
            if let Some(values) = values.filter(|values| !values.is_empty()) {
                words.remove("oneOf");
                words.insert("type".to_owned(), Value::from("string"));
                words.insert("enum".to_owned(), Value::from(values));
            }
            if let Some(Value::Array(values)) = words.get_mut("enum") {
                values.retain(|value| !value.is_null());
            }
            words.remove("nullable");
            words.values_mut().for_each(simplify);
        }
        Value::Array(values) => values.iter_mut().for_each(simplify),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a schema allows nothing but `null`.
fn says_null(schema: &Value) -> bool {
    let only_null = |values: &Vec<Value>| values.iter().all(Value::is_null);
    schema.get("type").and_then(Value::as_str) == Some("null")
        || schema.get("enum").and_then(Value::as_array).is_some_and(only_null)
}

/// The values that a variant of an enum stands for.
fn only_values(variant: &Value) -> Vec<Value> {
    match (variant.get("const"), variant.get("enum").and_then(Value::as_array)) {
        (Some(value), _) => vec![value.clone()],
        (None, Some(values)) => values.clone(),
        (None, None) => Vec::new(),
    }
}

/// The same value with all its fields in the order of their names, whatever features others in the
/// build have switched on.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<&String> = fields.keys().collect();
            names.sort();
            names.into_iter().map(|name| (name.clone(), sorted(&fields[name]))).collect()
        }
        Value::Array(elements) => elements.iter().map(sorted).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// One thing that is wrong with a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where: `spec.partitions`, `spec.config["retention.ms"]`.
    pub field: String,
    /// What is there and what may be.
    pub problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.problem)
    }
}

/// Everything in `value` that `schema` does not allow, in the order of the fields.
pub fn validate(schema: &Value, value: &Value) -> Vec<Violation> {
    let mut violations = Vec::new();
    check(schema, value, "", &mut violations);
    violations
}

fn check(schema: &Value, value: &Value, field: &str, violations: &mut Vec<Violation>) {
    let mut refuse = |problem: String| {
        violations.push(Violation { field: field.to_owned(), problem });
    };
    if schema.get("x-kubernetes-preserve-unknown-fields").is_some() {
        if value.is_object() || value.is_array() || value.is_null() {
            refuse(format!("{} must be a string, a number or a boolean", show(value)));
        }
        return;
    }
    if schema.get("x-kubernetes-int-or-string").is_some() {
        if !(value.is_string() || has_type(value, "integer")) {
            refuse(format!("{} must be a whole number or a text", show(value)));
        }
        check_text(schema, value, &mut refuse);
        return;
    }
    if let Some(wanted) = schema.get("type").and_then(Value::as_str)
        && !has_type(value, wanted)
    {
        refuse(format!("{} must be of type {wanted}", show(value)));
        return;
    }
    check_number(schema, value, &mut refuse);
    check_text(schema, value, &mut refuse);
    check_choice(schema, value, &mut refuse);
    check_size(schema, value, &mut refuse);
    if let (Some(items), Value::Array(elements)) = (schema.get("items"), value) {
        for (index, element) in elements.iter().enumerate() {
            check(items, element, &format!("{field}[{index}]"), violations);
        }
    }
    if let Value::Object(fields) = value {
        check_fields(schema, fields, field, violations);
    }
}

fn has_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => false,
    }
}

fn check_number(schema: &Value, value: &Value, refuse: &mut impl FnMut(String)) {
    let Some(number) = value.as_f64() else { return };
    if let Some(limit) = schema.get("minimum").filter(|limit| limit.as_f64() > Some(number)) {
        refuse(format!("{value} is below the minimum of {}", plain(limit)));
    }
    if let Some(limit) = schema.get("maximum").filter(|limit| limit.as_f64() < Some(number)) {
        refuse(format!("{value} is above the maximum of {}", plain(limit)));
    }
}

fn check_text(schema: &Value, value: &Value, refuse: &mut impl FnMut(String)) {
    let Some(text) = value.as_str() else { return };
    let length = text.chars().count() as u64;
    let limit = |word| schema.get(word).and_then(Value::as_u64);
    if let Some(limit) = limit("minLength").filter(|&limit| length < limit) {
        refuse(format!("{value} has {length} characters, the minimum is {limit}"));
    }
    if let Some(limit) = limit("maxLength").filter(|&limit| length > limit) {
        refuse(format!("text of {length} characters exceeds the limit of {limit}"));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text))
    {
        refuse(format!("{value} does not match {pattern}"));
    }
}

fn check_choice(schema: &Value, value: &Value, refuse: &mut impl FnMut(String)) {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array)
        && !choices.contains(value)
    {
        let choices: Vec<String> =
            choices.iter().map(|it| it.as_str().map_or(it.to_string(), str::to_owned)).collect();
        refuse(format!("{} must be one of {}", show(value), choices.join(", ")));
    }
}

fn check_size(schema: &Value, value: &Value, refuse: &mut impl FnMut(String)) {
    let (count, words) = match value {
        Value::Array(elements) => (elements.len() as u64, ["minItems", "maxItems"]),
        Value::Object(fields) => (fields.len() as u64, ["minProperties", "maxProperties"]),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return,
    };
    let limit = |word| schema.get(word).and_then(Value::as_u64);
    if let Some(limit) = limit(words[0]).filter(|&limit| count < limit) {
        refuse(format!("{} of {count} is below the minimum of {limit}", show(value)));
    }
    if let Some(limit) = limit(words[1]).filter(|&limit| count > limit) {
        refuse(format!("{} of {count} is above the maximum of {limit}", show(value)));
    }
}

fn check_fields(
    schema: &Value,
    fields: &Map<String, Value>,
    parent: &str,
    violations: &mut Vec<Violation>,
) {
    let known = schema.get("properties").and_then(Value::as_object);
    let open = schema.get("additionalProperties").filter(|open| open.is_object());
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if let Some(name) = name.as_str().filter(|name| !fields.contains_key(*name)) {
            let problem = "is missing".to_owned();
            violations.push(Violation { field: join(parent, name), problem });
        }
    }
    for (name, value) in fields {
        let field = join(parent, name);
        match (known.and_then(|known| known.get(name)), open) {
            (Some(schema), _) | (None, Some(schema)) => check(schema, value, &field, violations),
            (None, None) => {
                let mut names: Vec<&str> =
                    known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
                names.sort_unstable();
                let problem = format!("unknown field; known here: {}", names.join(", "));
                violations.push(Violation { field, problem });
            }
        }
    }
}

fn join(parent: &str, name: &str) -> String {
    if name.contains('.') {
        format!("{parent}[{name:?}]")
    } else if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

fn plain(limit: &Value) -> String {
    match limit.as_f64() {
        Some(number) if number.fract() == 0.0 => format!("{number:.0}"),
        _ => limit.to_string(),
    }
}

fn show(value: &Value) -> String {
    match value {
        Value::Object(_) => "a map".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
