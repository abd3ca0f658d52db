//! Refusals: the `Status` bodies that a real API server answers with, to the letter.
//!
//! Source: `k8s.io/apimachinery/pkg/api/errors` and `.../util/validation/field`.

use serde_json::{Map, Value, json};

/// A refused request: the HTTP code and the `Status` object of its body.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code} {reason}: {message}")]
pub struct ApiError {
    /// The HTTP status code.
    pub code: u16,
    /// The machine's word, such as `NotFound`; empty where a real server leaves it out.
    pub reason: &'static str,
    /// The sentence for people.
    pub message: String,
    /// `details` of the `Status`; null if there are none.
    pub details: Value,
}

/// One thing that is wrong with one field of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// The field's path, as `spec.listeners[0].name`.
    pub field: String,
    /// The machine's word, such as `FieldValueInvalid`.
    pub reason: &'static str,
    /// What is wrong, without the field's name.
    pub body: String,
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> ApiError {
        ApiError { code, reason, message: message.into(), details: Value::Null }
    }

    fn about(mut self, group: &str, kind: &str, name: &str) -> ApiError {
        let mut details = Map::new();
        for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
            if !value.is_empty() {
                details.insert(key.to_owned(), Value::from(value));
            }
        }
        self.details = Value::Object(details);
        self
    }

    /// 404: no such object.
    pub fn not_found(group: &str, plural: &str, name: &str) -> ApiError {
        let message = format!("{} {} not found", qualified(plural, group), quoted(name));
        ApiError::new(404, "NotFound", message).about(group, plural, name)
    }

    /// 404: a group that is served has no such resource.
    pub fn no_such_resource() -> ApiError {
        let message = "the server could not find the requested resource";
        let mut error = ApiError::new(404, "NotFound", message);
        error.details = json!({});
        error
    }

    /// 409: the name is taken.
    pub fn already_exists(group: &str, plural: &str, name: &str) -> ApiError {
        let message = format!("{} {} already exists", qualified(plural, group), quoted(name));
        ApiError::new(409, "AlreadyExists", message).about(group, plural, name)
    }

    /// 409: the name is taken by an object that is on its way out.
    pub fn still_exists(group: &str, plural: &str, name: &str) -> ApiError {
        let mut error = ApiError::already_exists(group, plural, name);
        error.message = format!("object is being deleted: {}", error.message);
        error
    }

    /// 409: the object is not what the writer took it for.
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> ApiError {
        let what = qualified(plural, group);
        let message = format!("Operation cannot be fulfilled on {what} {}: {why}", quoted(name));
        ApiError::new(409, "Conflict", message).about(group, plural, name)
    }

    /// 409: a write that names a `resourceVersion` which is not the newest.
    pub fn modified(group: &str, plural: &str, name: &str) -> ApiError {
        let why = "the object has been modified; please apply your changes to the latest version \
                   and try again";
        ApiError::conflict(group, plural, name, why)
    }

    /// 409: fields that others own; `conflicts` holds manager text and field.
    pub fn apply_conflict(message: String, conflicts: &[(String, String)]) -> ApiError {
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(manager, field)| {
                json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {manager}"),
                    "field": field,
                })
            })
            .collect();
        let mut error = ApiError::new(409, "Conflict", message);
        error.details = json!({ "causes": causes });
        error
    }

    /// 403.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> ApiError {
        let what = qualified(plural, group);
        let message = format!("{what} {} is forbidden: {why}", quoted(name));
        ApiError::new(403, "Forbidden", message).about(group, plural, name)
    }

    /// 422: one or more fields are wrong.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> ApiError {
        let mut texts: Vec<String> = Vec::new();
        for error in errors {
            let text = format!("{}: {}", error.field, error.body);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let all = match texts.as_slice() {
            [one] => one.clone(),
            more => format!("[{}]", more.join(", ")),
        };
        let what = qualified(kind, group);
        let message = format!("{what} {} is invalid: {all}", quoted(name));
        let mut error = ApiError::new(422, "Invalid", message).about(group, kind, name);
        let causes = errors.iter().map(
            |error| json!({ "reason": error.reason, "message": error.body, "field": error.field }),
        );
        error.details["causes"] = causes.collect();
        error
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> ApiError {
        ApiError::new(400, "BadRequest", message)
    }

    /// 410: the revision is no longer known.
    pub fn expired(message: impl Into<String>) -> ApiError {
        ApiError::new(410, "Expired", message)
    }

    /// 410 of a list page that was asked for too late.
    pub fn expired_page() -> ApiError {
        ApiError::expired(
            "The provided continue parameter is too old to display a consistent list result. You \
             must start a new list without the continue parameter.",
        )
    }

    /// 504: the server does not know that revision yet.
    pub fn too_large_version(asked: u64, current: u64) -> ApiError {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let mut error = ApiError::new(504, "Timeout", message);
        error.details = json!({
            "causes": [{
                "reason": "ResourceVersionTooLarge",
                "message": "Too large resource version",
            }],
            "retryAfterSeconds": 1,
        });
        error
    }

    /// 405.
    pub fn method_not_allowed() -> ApiError {
        let message = "the server does not allow this method on the requested resource";
        let mut error = ApiError::new(405, "MethodNotAllowed", message);
        error.details = json!({});
        error
    }

    /// 415: a patch of a kind that the resource does not take.
    pub fn unsupported_patch(content_type: &str, supported: &[&str]) -> ApiError {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            supported.join(", ")
        );
        let mut error = ApiError::new(415, "UnsupportedMediaType", message);
        error.details = json!({ "unsupported": content_type });
        error
    }

    /// 500.
    pub fn internal(why: &str) -> ApiError {
        let message = format!("Internal error occurred: {why}");
        let mut error = ApiError::new(500, "InternalError", message);
        error.details = json!({ "causes": [{ "message": why }] });
        error
    }

    /// 500 with no reason: what the store itself refuses.
    pub fn unknown(message: impl Into<String>) -> ApiError {
        ApiError::new(500, "", message)
    }

    /// 503: the server cannot answer now.
    pub fn unavailable(why: &str) -> ApiError {
        ApiError::new(503, "ServiceUnavailable", why)
    }

    /// 429: the server asks for patience.
    pub fn too_many_requests(message: &str, retry_after_seconds: u32) -> ApiError {
        let mut error = ApiError::new(429, "TooManyRequests", message);
        error.details = json!({ "retryAfterSeconds": retry_after_seconds });
        error
    }

    /// The same refusal with one more cause in its details.
    pub fn with_cause(mut self, reason: &str, message: &str, field: &str) -> ApiError {
        let cause = json!({ "reason": reason, "message": message, "field": field });
        match self.details["causes"].as_array_mut() {
            Some(causes) => causes.push(cause),
            None => self.details["causes"] = json!([cause]),
        }
        self
    }

    /// The `Status` object.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = Value::from(self.reason);
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

impl FieldError {
    fn new(field: &str, reason: &'static str, body: String) -> FieldError {
        FieldError { field: field.to_owned(), reason, body }
    }

    /// `Invalid value: VALUE: DETAIL`; the value is left out if it is none that people read.
    pub fn invalid(field: &str, value: Option<&Value>, detail: &str) -> FieldError {
        let body = match value {
            Some(value) => format!("Invalid value: {}: {detail}", printed(value)),
            None => format!("Invalid value: {detail}"),
        };
        FieldError::new(field, "FieldValueInvalid", body)
    }

    /// `Invalid value: VALUE: DETAIL`, of a wrong type.
    pub fn wrong_type(field: &str, value: &Value, detail: &str) -> FieldError {
        let body = format!("Invalid value: {}: {detail}", printed(value));
        FieldError::new(field, "FieldValueTypeInvalid", body)
    }

    /// `Required value`, with a detail if there is one.
    pub fn required(field: &str, detail: &str) -> FieldError {
        FieldError::new(field, "FieldValueRequired", joined("Required value", detail))
    }

    /// `Forbidden: DETAIL`.
    pub fn forbidden(field: &str, detail: &str) -> FieldError {
        FieldError::new(field, "FieldValueForbidden", joined("Forbidden", detail))
    }

    /// `Duplicate value: VALUE`.
    pub fn duplicate(field: &str, value: &Value) -> FieldError {
        let body = format!("Duplicate value: {}", printed(value));
        FieldError::new(field, "FieldValueDuplicate", body)
    }

    /// `Unsupported value: VALUE: supported values: "a", "b"`.
    pub fn not_supported(field: &str, value: &Value, supported: &[Value]) -> FieldError {
        let supported: Vec<String> = supported
            .iter()
            .map(|value| quoted(value.as_str().unwrap_or(&value.to_string())))
            .collect();
        let supported = supported.join(", ");
        let body = format!("Unsupported value: {}: supported values: {supported}", printed(value));
        FieldError::new(field, "FieldValueNotSupported", body)
    }

    /// `Too long: may not be more than MAX bytes`.
    pub fn too_long(field: &str, max: u64) -> FieldError {
        let unit = if max == 1 { "byte" } else { "bytes" };
        let body = format!("Too long: may not be more than {max} {unit}");
        FieldError::new(field, "FieldValueTooLong", body)
    }

    /// `Too many: ACTUAL: must have at most MAX items`.
    pub fn too_many(field: &str, actual: usize, max: u64) -> FieldError {
        let unit = if max == 1 { "item" } else { "items" };
        let body = format!("Too many: {actual}: must have at most {max} {unit}");
        FieldError::new(field, "FieldValueTooMany", body)
    }
}

fn joined(what: &str, detail: &str) -> String {
    if detail.is_empty() { what.to_owned() } else { format!("{what}: {detail}") }
}

/// `topics.millrace.io`; core resources stand alone.
pub fn qualified(plural: &str, group: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}

/// A text as Go's `%q` prints it.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A value as `field.Error` prints it: texts quoted, numbers plain, the rest as JSON.
fn printed(value: &Value) -> String {
    value.to_string()
}
