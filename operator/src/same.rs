//! Whether an object is what it is to be, so that nothing is written when nothing changed.
//!
//! The API server adds defaults, so the wanted object is never equal to the one that is there:
//! every field that is wanted must be there with that value, and more may be. What was wanted
//! before and is not any more does not show that way; a digest of the wanted object, kept as an
//! annotation on it, does.

use serde_json::{Value, json};

use crate::names::{APPLIED_DIGEST, digest};
use crate::quantity;

/// The first field, as a path, in which `there` is not what is `wanted`; `None` if it is.
pub fn difference(wanted: &Value, there: &Value) -> Option<String> {
    differs(wanted, there, &mut String::new())
}

/// Notes on a wanted object what it is.
pub fn stamped(mut object: Value) -> Value {
    let stamp = digest(&millrace_crds::schema::sorted(&object).to_string());
    if let Some(annotations) = object
        .pointer_mut("/metadata")
        .and_then(Value::as_object_mut)
        .map(|metadata| metadata.entry("annotations").or_insert_with(|| json!({})))
        .and_then(Value::as_object_mut)
    {
        annotations.insert(APPLIED_DIGEST.to_owned(), Value::from(stamp));
    }
    object
}

fn differs(wanted: &Value, there: &Value, path: &mut String) -> Option<String> {
    let length = path.len();
    match (wanted, there) {
        (Value::Object(wanted), Value::Object(there)) => {
            for (name, wanted) in wanted {
                path.push('.');
                path.push_str(name);
                let found = differs(wanted, there.get(name).unwrap_or(&Value::Null), path);
                if found.is_some() {
                    return found;
                }
                path.truncate(length);
            }
            None
        }
        (Value::Array(wanted), Value::Array(there)) => {
            for (index, wanted) in wanted.iter().enumerate() {
                path.push_str(&format!("[{index}]"));
                let found = differs(wanted, counterpart(wanted, index, there), path);
                if found.is_some() {
                    return found;
                }
                path.truncate(length);
            }
            // Of a list without names all is ours; others may have put more into one with names.
            let is_whole = wanted.len() == there.len() || wanted.iter().any(is_named);
            (!is_whole).then(|| path.trim_start_matches('.').to_owned())
        }
        _ => (!is_same(wanted, there)).then(|| path.trim_start_matches('.').to_owned()),
    }
}

fn is_named(element: &Value) -> bool {
    element.get("name").is_some()
}

/// The element of the same name, or at the same place.
fn counterpart<'a>(wanted: &Value, index: usize, there: &'a [Value]) -> &'a Value {
    let found = match wanted.get("name") {
        Some(name) => there.iter().find(|element| element.get("name") == Some(name)),
        None => there.get(index),
    };
    found.unwrap_or(&Value::Null)
}

fn is_same(wanted: &Value, there: &Value) -> bool {
    match (wanted, there) {
        (Value::String(wanted), Value::String(there)) => quantity::is_same(wanted, there),
        // What is empty may be left out.
        (Value::Object(wanted), Value::Null) => wanted.is_empty(),
        (Value::Array(wanted), Value::Null) => wanted.is_empty(),
        _ => wanted == there,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{difference, stamped};

    fn check(wanted: &Value, there: &Value, expected: Option<&str>) {
        assert_eq!(difference(wanted, there).as_deref(), expected, "{wanted} {there}");
    }

    #[test]
    fn only_what_is_wanted_counts() {
        let there = json!({
            "a": 1, "b": { "c": "1Gi", "d": [1, 2] },
            "list": [{ "name": "y", "v": 2 }, { "name": "x", "v": 1, "w": 3 }],
        });
        check(&json!({ "a": 1 }), &there, None);
        check(&json!({ "b": { "c": "1024Mi" } }), &there, None);
        check(&json!({ "list": [{ "name": "x", "v": 1 }] }), &there, None);
        check(&json!({ "empty": {}, "none": [] }), &there, None);
        check(&json!({ "a": 2 }), &there, Some("a"));
        check(&json!({ "b": { "d": [1] } }), &there, Some("b.d"));
        check(&json!({ "b": { "e": true } }), &there, Some("b.e"));
        check(&json!({ "list": [{ "name": "x", "v": 2 }] }), &there, Some("list[0].v"));
        check(&json!({ "list": [{ "name": "z" }] }), &there, Some("list[0]"));
    }

    #[test]
    fn a_stamp_shows_fields_that_were_taken_out() {
        let before = stamped(json!({ "metadata": { "name": "a" }, "x": 1, "y": 2 }));
        let after = stamped(json!({ "metadata": { "name": "a" }, "x": 1 }));
        let expected = "metadata.annotations.millrace.io/applied-digest";
        assert_eq!(difference(&after, &before).as_deref(), Some(expected));
    }
}
