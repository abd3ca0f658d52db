//! A custom resource held to its schema, with the real server's refusals.
//!
//! Source: `k8s.io/kube-openapi/pkg/validation` and
//! `k8s.io/apiextensions-apiserver/pkg/apiserver/{validation,schema/cel,schema/listtype}`.
//! An unchanged value is not refused on update (validation ratcheting).

use std::collections::BTreeSet;

use regex_lite::Regex;
use serde_json::{Map, Value};

use super::fill::joined;
use super::step::Step;
use super::{Checks, Kind, ListKind, Schema};
use crate::status::FieldError;

/// Everything that is wrong with an object; `old` is what an update replaces.
pub fn validate(value: &Value, old: Option<&Value>, schema: &Schema) -> Vec<FieldError> {
    let mut errors = Vec::new();
    node(value, old, schema, "", &mut errors);
    lists(value, schema, "", &mut errors);
    if !has_rules(schema) {
        return errors;
    }
    // Rules rely on the shape, so that a real server runs them on well-shaped objects only.
    let is_blocking = |error: &FieldError| BLOCKING.contains(&error.reason);
    if errors.iter().any(is_blocking) {
        let why = "some validation rules were not checked because the object was invalid; correct \
                   the existing errors to complete validation";
        errors.push(FieldError::invalid("<nil>", Some(&Value::Null), why));
    } else {
        rules(value, old, schema, "", &mut errors);
    }
    errors
}

/// Refusals after which no rule is run.
const BLOCKING: [&str; 5] = [
    "FieldValueNotSupported",
    "FieldValueRequired",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueTypeInvalid",
];

fn has_rules(schema: &Schema) -> bool {
    schema.checks.as_ref().is_some_and(|checks| !checks.rules.is_empty())
        || schema.fields.values().any(|field| has_rules(field))
        || schema.values.as_ref().is_some_and(|values| has_rules(values))
        || schema.items.as_ref().is_some_and(|items| has_rules(items))
}

fn node(
    value: &Value,
    old: Option<&Value>,
    schema: &Schema,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if old == Some(value) || schema.checks.is_none() {
        return;
    }
    if value.is_null() && (schema.is_nullable || schema.kind == Kind::Any) {
        return;
    }
    if let Some(expected) = wrong_kind(value, schema) {
        let (shown, actual) = match value {
            Value::Object(_) => (Value::from("object"), "object"),
            Value::Array(_) => (Value::from("array"), "array"),
            Value::Null => (Value::from("null"), "null"),
            Value::Bool(_) => (Value::from("boolean"), "boolean"),
            Value::Number(number) if number.is_f64() => (Value::from("number"), "number"),
            Value::Number(_) => (Value::from("integer"), "integer"),
            Value::String(_) => (Value::from("string"), "string"),
        };
        let place = place(path);
        let why = format!("{place} must be of type {expected}: \"{actual}\"");
        errors.push(FieldError::wrong_type(path, &shown, &why));
        return;
    }
    if let Some(checks) = &schema.checks {
        scalar(value, checks, path, errors);
        combined(value, checks, path, errors);
    }
    match value {
        Value::Object(map) => object(map, old, schema, path, errors),
        Value::Array(items) => {
            if let Some(checks) = &schema.checks {
                sized(items.len(), checks, path, errors);
            }
            for (index, item) in items.iter().enumerate() {
                let old = old_item(item, old, schema);
                node(item, old, schema.item(), &format!("{path}[{index}]"), errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn wrong_kind(value: &Value, schema: &Schema) -> Option<&'static str> {
    let is_whole = || value.as_f64().is_some_and(|number| number.fract() == 0.0);
    let (is_right, expected) = match schema.kind {
        Kind::Object => (value.is_object(), "object"),
        Kind::Array => (value.is_array(), "array"),
        Kind::String | Kind::Quantity => (value.is_string(), "string"),
        Kind::Integer => (is_whole(), "integer"),
        Kind::Number => (value.is_number(), "number"),
        Kind::Boolean => (value.is_boolean(), "boolean"),
        Kind::IntOrString => (is_whole() || value.is_string(), "integer,string"),
        Kind::Any => (true, ""),
    };
    (!is_right).then_some(expected)
}

fn object(
    map: &Map<String, Value>,
    old: Option<&Value>,
    schema: &Schema,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if let Some(checks) = &schema.checks {
        for key in checks.required.iter().filter(|key| !map.contains_key(*key)) {
            errors.push(FieldError::required(&joined(path, key), ""));
        }
        if let Some(max) = checks.max_properties.filter(|max| count(map.len()) > *max) {
            errors.push(FieldError::too_many(path, map.len(), max));
        }
        if let Some(min) = checks.min_properties.filter(|min| count(map.len()) < *min) {
            let why = format!("{} should have at least {min} properties", place(path));
            let shown = Value::from(map.len());
            errors.push(FieldError::invalid(path, Some(&shown), &why));
        }
    }
    for (key, child) in map {
        let old = old.and_then(|old| old.get(key));
        node(child, old, schema.field(key).0, &joined(path, key), errors);
    }
}

fn sized(length: usize, checks: &Checks, path: &str, errors: &mut Vec<FieldError>) {
    if let Some(max) = checks.max_items.filter(|max| count(length) > *max) {
        errors.push(FieldError::too_many(path, length, max));
    }
    if let Some(min) = checks.min_items.filter(|min| count(length) < *min) {
        let why = format!("{} should have at least {min} items", place(path));
        errors.push(FieldError::invalid(path, Some(&Value::from(length)), &why));
    }
}

fn scalar(value: &Value, checks: &Checks, path: &str, errors: &mut Vec<FieldError>) {
    let place = place(path);
    let mut refuse = |why: String| errors.push(FieldError::invalid(path, Some(value), &why));
    if let Some(number) = value.as_f64() {
        match checks.maximum {
            Some((max, true)) if number >= max => {
                refuse(format!("{place} should be less than {max}"));
            }
            Some((max, false)) if number > max => {
                refuse(format!("{place} should be less than or equal to {max}"));
            }
            _ => {}
        }
        match checks.minimum {
            Some((min, true)) if number <= min => {
                refuse(format!("{place} should be greater than {min}"));
            }
            Some((min, false)) if number < min => {
                refuse(format!("{place} should be greater than or equal to {min}"));
            }
            _ => {}
        }
        if let Some(factor) = checks.multiple_of.filter(|factor| (number / factor).fract() != 0.0) {
            refuse(format!("{place} should be a multiple of {factor}"));
        }
    }
    if let Some(text) = value.as_str() {
        let length = count(text.chars().count());
        if checks.max_length.is_some_and(|max| length > max) {
            errors.push(FieldError::too_long(path, checks.max_length.unwrap_or_default()));
        }
        let mut refuse = |why: String| errors.push(FieldError::invalid(path, Some(value), &why));
        if let Some(min) = checks.min_length.filter(|min| length < *min) {
            refuse(format!("{place} should be at least {min} chars long"));
        }
        if let Some(pattern) = &checks.pattern
            && !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
        {
            refuse(format!("{place} should match '{pattern}'"));
        }
    }
    if !checks.one_of.is_empty() && !checks.one_of.contains(value) {
        errors.push(FieldError::not_supported(path, value, &checks.one_of));
    }
}

fn combined(value: &Value, checks: &Checks, path: &str, errors: &mut Vec<FieldError>) {
    let holds = |schema: &Schema| {
        let mut refused = Vec::new();
        node(value, None, schema, path, &mut refused);
        refused
    };
    for schema in &checks.all_of {
        errors.extend(holds(schema));
    }
    let shown = (!value.is_object() && !value.is_array()).then_some(value);
    let place = place(path);
    let mut refuse = |why: &str| {
        errors.push(FieldError::invalid(path, shown, &format!("{place} {why}")));
    };
    if !checks.any_of.is_empty() && !checks.any_of.iter().any(|one| holds(one).is_empty()) {
        refuse("must validate at least one schema (anyOf)");
    }
    let fitting = checks.exactly_one_of.iter().filter(|one| holds(one).is_empty()).count();
    if !checks.exactly_one_of.is_empty() && fitting != 1 {
        let found = if fitting == 0 {
            "Found none valid".to_owned()
        } else {
            format!("Found {fitting} valid alternatives")
        };
        refuse(&format!("must validate one and only one schema (oneOf). {found}"));
    }
    if checks.not.as_ref().is_some_and(|not| holds(not).is_empty()) {
        refuse("must not validate the schema (not)");
    }
}

/// Sets hold a value once, lists with keys hold a key once.
fn lists(value: &Value, schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                lists(child, schema.field(key).0, &joined(path, key), errors);
            }
        }
        Value::Array(items) => {
            let mut seen = BTreeSet::new();
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                if let Some(step) = Step::to_item(item, schema)
                    && !seen.insert(step)
                {
                    errors.push(FieldError::duplicate(&path, &key_of(item, schema)));
                }
                lists(item, schema.item(), &path, errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn key_of(item: &Value, list: &Schema) -> Value {
    match &list.list {
        ListKind::Map(keys) => {
            keys.iter().map(|key| (key.clone(), item[key].clone())).collect::<Map<_, _>>().into()
        }
        ListKind::Set | ListKind::Atomic => item.clone(),
    }
}

fn rules(
    value: &Value,
    old: Option<&Value>,
    schema: &Schema,
    path: &str,
    errors: &mut Vec<FieldError>,
) {
    if value.is_null() {
        return;
    }
    for rule in schema.checks.iter().flat_map(|checks| &checks.rules) {
        let is_unchanged = old == Some(value);
        if let Some(error) = rule.check(value, old, schema, path)
            && (rule.is_transition || !is_unchanged)
        {
            errors.push(error);
        }
    }
    match value {
        Value::Object(map) => {
            for (key, child) in map {
                let old = old.and_then(|old| old.get(key));
                rules(child, old, schema.field(key).0, &joined(path, key), errors);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let old = old_item(item, old, schema);
                rules(item, old, schema.item(), &format!("{path}[{index}]"), errors);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The old item with the same keys; only lists with keys have one.
fn old_item<'a>(item: &Value, old: Option<&'a Value>, list: &Schema) -> Option<&'a Value> {
    let ListKind::Map(_) = &list.list else { return None };
    let step = Step::to_item(item, list)?;
    old?.as_array()?.iter().find(|old| Step::to_item(old, list).as_ref() == Some(&step))
}

/// `spec.partitions in body`, and `""` for the root.
fn place(path: &str) -> String {
    if path.is_empty() { "in body".to_owned() } else { format!("{path} in body") }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
