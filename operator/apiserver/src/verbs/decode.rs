//! From a body to an object: type and version, unknown fields, defaults.

use serde_json::Value;

use super::scope::Scope;
use crate::kinds;
use crate::object;
use crate::request::Request;
use crate::schema::fill;
use crate::status::{ApiError, FieldError};

/// Reads the body of a create or update.
///
/// Returns the object with its defaults, and what there is to warn of.
///
/// # Errors
/// 400 if the body is no object of this kind, or has unknown fields and the client is strict.
pub fn decode(scope: &Scope, request: &Request) -> Result<(Value, Vec<String>), ApiError> {
    let mut object = request.body.clone();
    check_type(scope, &object)?;
    let warnings = settle(scope, &mut object, request)?;
    Ok((object, warnings))
}

/// Refuses a body of another kind or version.
pub fn check_type(scope: &Scope, object: &Value) -> Result<(), ApiError> {
    if !object.is_object() {
        let message = "the object provided is unrecognized (must be of type object)";
        return Err(ApiError::bad_request(message));
    }
    let kind = &scope.resource.kind;
    let (given_version, given_kind) = (&object["apiVersion"], &object["kind"]);
    if given_kind.as_str().unwrap_or_default().is_empty() && scope.resource.is_custom {
        let message = format!("Object 'Kind' is missing in '{object}'");
        return Err(ApiError::bad_request(message));
    }
    if scope.resource.is_custom {
        return check_custom_type(scope, object);
    }
    let is_kind = given_kind.is_null() || given_kind == kind.as_str();
    if !is_kind || !(given_version.is_null() || given_version == scope.api_version.as_str()) {
        let given =
            format!("{} in version {given_version}", given_kind.as_str().unwrap_or_default(),);
        let message = format!(
            "{given} cannot be handled as a {kind}: converting {given} to \
                               {}.{kind}: unknown conversion",
            scope.api_version
        );
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

fn check_custom_type(scope: &Scope, object: &Value) -> Result<(), ApiError> {
    let resource = &scope.resource;
    let mut errors = Vec::new();
    for (field, expected) in [("apiVersion", &scope.api_version), ("kind", &resource.kind)] {
        if object[field] != expected.as_str() {
            let why = format!("must be {expected}");
            errors.push(FieldError::invalid(field, Some(&object[field]), &why));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    let kind = object["kind"].as_str().unwrap_or_default();
    Err(ApiError::invalid(&resource.group, kind, object::name(object), &errors))
}

/// Drops what the shape does not know, fills in defaults, and brings values into their usual form.
///
/// # Errors
/// 400 for a value of a wrong type in a built-in object, or an unknown field if the client is
/// strict.
pub fn settle(
    scope: &Scope,
    object: &mut Value,
    request: &Request,
) -> Result<Vec<String>, ApiError> {
    let resource = &scope.resource;
    object["apiVersion"] = Value::from(scope.api_version.clone());
    object["kind"] = Value::from(resource.kind.clone());
    object::metadata(object);
    let schema = &scope.version.schema;
    if !resource.is_custom
        && let Some(path) = fill::mistyped(object, schema, "")
    {
        let message = format!(
            "{} in version {:?} cannot be handled as a {}: json: cannot unmarshal value into Go \
             struct field {}.{path}",
            resource.kind, request.target.version, resource.kind, resource.kind,
        );
        return Err(ApiError::bad_request(message));
    }
    let unknown: Vec<String> =
        fill::prune(object, schema).iter().map(|path| format!("unknown field {path:?}")).collect();
    if resource.is_custom {
        fill::canonize(&mut object["metadata"], schema.field("metadata").0);
        fill::fill_defaults(object, schema);
    } else {
        fill::canonize(object, schema);
        kinds::fill_defaults(resource, object);
    }
    match request.option("fieldValidation") {
        "Strict" if !unknown.is_empty() => {
            let message = format!("strict decoding error: {}", unknown.join(", "));
            Err(ApiError::bad_request(message))
        }
        "Ignore" => Ok(Vec::new()),
        _ => Ok(unknown),
    }
}
