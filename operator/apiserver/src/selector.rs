//! Label and field selectors.

use serde_json::Value;

use crate::object::at_path;
use crate::status::ApiError;

/// Which objects a list or watch shows.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    /// Path, value, and whether it must be that value (or must not).
    fields: Vec<(String, String, bool)>,
}

#[derive(Clone, Debug)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl Selector {
    /// Reads both selectors; `is_known_field` says which fields the resource can be asked by.
    ///
    /// # Errors
    /// 400 if one of them cannot be read, or a field cannot be asked by.
    pub fn read(
        labels: &str,
        fields: &str,
        is_known_field: impl Fn(&str) -> bool,
    ) -> Result<Selector, ApiError> {
        let mut selector = Selector::default();
        for part in split(labels) {
            let requirement = requirement(part).ok_or_else(|| {
                ApiError::bad_request(format!(
                    "unable to parse requirement: found '{part}', in selector '{labels}'"
                ))
            })?;
            selector.labels.push(requirement);
        }
        for part in fields.split(',').filter(|part| !part.is_empty()) {
            let (field, value, is_equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = part.split_once("==") {
                (field, value, true)
            } else if let Some((field, value)) = part.split_once('=') {
                (field, value, true)
            } else {
                let message = format!("invalid field selector {fields}; can't understand '{part}'");
                return Err(ApiError::bad_request(message));
            };
            if !is_known_field(field) {
                return Err(ApiError::bad_request(format!("field label not supported: {field}")));
            }
            selector.fields.push((field.to_owned(), value.to_owned(), is_equal));
        }
        Ok(selector)
    }

    /// The selector of a `LabelSelector` object, as a StatefulSet's `spec.selector`.
    pub fn of_object(selector: &Value) -> Selector {
        let mut labels = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap_or_default().to_owned();
            labels.push(Requirement::In(key.clone(), vec![value]));
        }
        for one in selector["matchExpressions"].as_array().into_iter().flatten() {
            let key = one["key"].as_str().unwrap_or_default().to_owned();
            let values = one["values"].as_array().into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(str::to_owned).collect();
            labels.push(match one["operator"].as_str().unwrap_or_default() {
                "In" => Requirement::In(key, values),
                "NotIn" => Requirement::NotIn(key, values),
                "DoesNotExist" => Requirement::Absent(key),
                _ => Requirement::Exists(key),
            });
        }
        Selector { labels, fields: Vec::new() }
    }

    /// Whether the selector shows an object.
    pub fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str();
        let holds = |requirement: &Requirement| match requirement {
            Requirement::In(key, values) => {
                label(key).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Requirement::NotIn(key, values) => {
                !label(key).is_some_and(|value| values.iter().any(|one| one == value))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
        };
        self.labels.iter().all(holds)
            && self.fields.iter().all(|(path, value, is_equal)| {
                let at = at_path(object, path);
                let number = if at.is_null() { String::new() } else { at.to_string() };
                let actual = at.as_str().map_or(number, str::to_owned);
                (actual == *value) == *is_equal
            })
    }
}

/// Splits at the commas that are not in parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn requirement(part: &str) -> Option<Requirement> {
    let owned = |text: &str| text.trim().to_owned();
    let is_word = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
    };
    if let Some((head, values)) = part.split_once('(') {
        let values = values.strip_suffix(')')?.split(',').map(owned).collect();
        let (key, operator) = head.trim().rsplit_once(' ')?;
        return match operator {
            "in" => Some(Requirement::In(owned(key), values)),
            "notin" => Some(Requirement::NotIn(owned(key), values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Requirement::NotIn(owned(key), vec![owned(value)]));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return is_word(key.trim()).then(|| Requirement::In(owned(key), vec![owned(value)]));
    }
    if let Some(key) = part.strip_prefix('!') {
        return is_word(key.trim()).then(|| Requirement::Absent(owned(key)));
    }
    is_word(part).then(|| Requirement::Exists(owned(part)))
}

#[cfg(test)]
mod tests {
    use super::Selector;
    use serde_json::json;

    #[test]
    fn selects_by_labels_and_fields() {
        let object = json!({"metadata": {"name": "x", "labels": {"app": "a", "tier": "web"}}});
        let rows = [
            ("app=a", "", true),
            ("app==a,tier!=db", "", true),
            ("app in (a, b),tier", "", true),
            ("app notin (a,b)", "", false),
            ("!app", "", false),
            ("none!=x", "", true),
            ("", "metadata.name=x", true),
            ("", "metadata.name!=x", false),
            ("app=b", "", false),
        ];
        for (labels, fields, expected) in rows {
            let selector = Selector::read(labels, fields, |_| true).expect("a selector");
            assert_eq!(selector.matches(&object), expected, "{labels} {fields}");
        }
        assert!(Selector::read("a b", "", |_| true).is_err());
        assert!(Selector::read("", "spec.x=1", |_| false).is_err());
    }
}
