//! What is held of every object's metadata: its name, labels, owners and finalizers.

use std::sync::LazyLock;

use regex_lite::Regex;
use serde_json::Value;

use crate::object::{self, finalizers, is_terminating};
use crate::resource::Resource;
use crate::schema::entries;
use crate::status::FieldError;

const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9\
    ]*[a-z0-9])?)*')";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SERVICE_LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or \
    '-', start with an alphabetic character, and end with an alphanumeric character (e.g. \
    'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. \
    'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

struct Forms {
    subdomain: Regex,
    label: Regex,
    service: Regex,
    label_value: Regex,
}

static FORMS: LazyLock<Forms> = LazyLock::new(|| {
    let form = |text: &str| Regex::new(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    Forms {
        subdomain: form(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
        label: form(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        service: form(r"^[a-z]([-a-z0-9]*[a-z0-9])?$"),
        label_value: form(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"),
    }
});

/// What is wrong with an object's metadata in itself.
pub fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let name = object::name(object);
    let (form, why, max) = match (resource.is_custom, resource.plural.as_str()) {
        (false, "services") => (&FORMS.service, SERVICE_LABEL, 63),
        (false, "namespaces" | "statefulsets") => (&FORMS.label, LABEL, 63),
        _ => (&FORMS.subdomain, SUBDOMAIN, 253),
    };
    let refuse = |why: &str| FieldError::invalid("metadata.name", Some(&Value::from(name)), why);
    if name.len() > max {
        errors.push(refuse(&format!("must be no more than {max} bytes")));
    }
    if !form.is_match(name) {
        errors.push(refuse(why));
    }
    for (key, value) in entries(&object["metadata"]["labels"]) {
        let text = value.as_str().unwrap_or_default();
        let mut refuse = |why: &str| {
            errors.push(FieldError::invalid("metadata.labels", Some(value), why));
        };
        if text.len() > 63 {
            refuse("must be no more than 63 bytes");
        }
        if !FORMS.label_value.is_match(text) {
            refuse(LABEL_VALUE);
        }
        if key.is_empty() {
            refuse("name part must be non-empty");
        }
    }
    let controllers = object::owners(object).filter(|owner| owner["controller"] == true).count();
    if controllers > 1 {
        let why = "Only one reference can have Controller set to true.";
        errors.push(FieldError::invalid("metadata.ownerReferences", None, why));
    }
    for (index, owner) in object::owners(object).enumerate() {
        for key in ["apiVersion", "kind", "name", "uid"] {
            if owner[key].as_str().unwrap_or_default().is_empty() {
                let field = format!("metadata.ownerReferences[{index}].{key}");
                let shown = Value::from("");
                errors.push(FieldError::invalid(&field, Some(&shown), "must not be empty"));
            }
        }
    }
    errors
}

/// What is wrong with a change of metadata.
pub fn validate_change(old: &Value, new: &Value) -> Vec<FieldError> {
    if !is_terminating(old) {
        let given = &new["metadata"]["deletionTimestamp"];
        if given.is_null() {
            return Vec::new();
        }
        let field = "metadata.deletionTimestamp";
        return vec![FieldError::invalid(field, Some(given), "field is immutable")];
    }
    let (before, after) = (finalizers(old), finalizers(new));
    let added: Vec<&str> = after.into_iter().filter(|name| !before.contains(name)).collect();
    if added.is_empty() {
        return Vec::new();
    }
    let texts: Vec<String> = added.iter().map(|name| format!("{name:?}")).collect();
    let why = format!(
        "no new finalizers can be added if the object is being deleted, found new finalizers \
         []string{{{}}}",
        texts.join(", ")
    );
    vec![FieldError::forbidden("metadata.finalizers", &why)]
}
