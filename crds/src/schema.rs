//! The structural schema of each kind, and the check of a value against it.
//!
//! Only the words that Kubernetes' structural schemas have and ours use are known: `type`,
//! `properties`, `required`, `additionalProperties`, `items`, `minimum`, `maximum`, `minLength`,
//! `maxLength`, `pattern`, `nullable`, `x-kubernetes-preserve-unknown-fields`. A general JSON Schema
//! library brings seventy crates into a broker that is to start in milliseconds.

use std::fmt;

use regex_lite::Regex;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The schema of a type, references inlined, as a `CustomResourceDefinition` wants it.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
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
    if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
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
                let names: Vec<&str> =
                    known.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
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
