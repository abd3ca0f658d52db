//! POST: a new object.

use std::sync::Arc;

use serde_json::{Value, json};

use super::scope::Scope;
use super::{Answer, decode};
use crate::apply::managers::{Managers, Writer};
use crate::apply::{self, Context};
use crate::kinds;
use crate::object::{self, is_terminating, set_meta, take_managed_fields};
use crate::request::Request;
use crate::resource::ResourceId;
use crate::schema::validate::validate;
use crate::status::{ApiError, FieldError};
use crate::world::World;

/// Makes an object from the body.
///
/// # Errors
/// As a real server: 400, 403, 404, 409, 422.
pub fn create(world: &mut World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    if !scope.name.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    let (mut object, warnings) = decode::decode(scope, request)?;
    let managed = Managers::read(&take_managed_fields(&mut object));
    let writer = scope.writer(request, false);
    let made = make(world, scope, object, managed, Some(&writer), request.is_dry_run())?;
    Ok(Answer { code: 201, body: scope.shown(&made), warnings })
}

/// Makes an object that is decoded and has its defaults; `managed` already knows who owns it unless
/// there is a `writer` to note.
///
/// # Errors
/// As a real server.
pub fn make(
    world: &mut World,
    scope: &Scope,
    mut object: Value,
    mut managed: Managers,
    writer: Option<&Writer>,
    is_dry_run: bool,
) -> Result<Arc<Value>, ApiError> {
    let resource = &scope.resource;
    settle_place(world, scope, &mut object)?;
    if object::revision(&object) != 0 {
        let message = "resourceVersion should not be set on objects to be created";
        return Err(ApiError::unknown(message));
    }
    let scope = &Scope { name: object::name(&object).to_owned(), ..scope.clone() };
    if let Some(writer) = writer {
        let live =
            json!({ "apiVersion": scope.api_version, "kind": resource.kind, "metadata": {} });
        let (now, ignored) = (world.clock.now(), scope.ignored());
        let schema = &scope.version.schema;
        let context = Context { schema, writer, ignored: &ignored, now: &now };
        managed = apply::updated(context, &live, &object, managed);
    }
    for gone in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        set_meta(&mut object, gone, Value::Null);
    }
    set_meta(&mut object, "uid", world.uid());
    set_meta(&mut object, "creationTimestamp", world.clock.now());
    if resource.habits.counts_generations {
        set_meta(&mut object, "generation", 1);
    }
    if scope.version.has_status
        && let Some(map) = object.as_object_mut()
    {
        map.remove("status");
    }
    kinds::prepare_new(world, resource, &mut object);
    let mut errors = if resource.is_custom {
        validate(&object, None, &scope.version.schema)
    } else {
        kinds::validate(resource, &object, None)
    };
    errors.extend(kinds::metadata::validate(resource, &object));
    refuse_invalid(scope, &errors)?;
    if let Some(taken) = world.store.get(&scope.id(), &scope.key()) {
        let refuse =
            if is_terminating(taken) { ApiError::still_exists } else { ApiError::already_exists };
        return Err(refuse(&resource.group, &resource.plural, &scope.name));
    }
    set_meta(&mut object, "managedFields", managed.write());
    if object["metadata"]["managedFields"].as_array().is_some_and(Vec::is_empty) {
        take_managed_fields(&mut object);
    }
    let kept = scope.kept(object);
    if is_dry_run {
        return Ok(Arc::new(kept));
    }
    Ok(world.put(resource, scope.key(), kept))
}

/// 422 if anything is wrong.
pub fn refuse_invalid(scope: &Scope, errors: &[FieldError]) -> Result<(), ApiError> {
    if errors.is_empty() {
        return Ok(());
    }
    let resource = &scope.resource;
    Err(ApiError::invalid(&resource.group, &resource.kind, &scope.name, errors))
}

/// Gives the object its namespace and name.
fn settle_place(world: &mut World, scope: &Scope, object: &mut Value) -> Result<(), ApiError> {
    check_namespace(scope, object)?;
    let resource = &scope.resource;
    if resource.is_namespaced {
        set_meta(object, "namespace", scope.namespace.clone());
    } else {
        set_meta(object, "namespace", Value::Null);
    }
    if object::name(object).is_empty() {
        let prefix = object::meta(object, "generateName").to_owned();
        if prefix.is_empty() {
            let why = "name or generateName is required";
            let error = FieldError::required("metadata.name", why);
            return Err(ApiError::invalid(&resource.group, &resource.kind, "", &[error]));
        }
        let kept = prefix.len().min(58);
        let name = format!("{}{}", &prefix[..kept], world.suffix());
        set_meta(object, "name", name);
    }
    if resource.is_namespaced {
        check_namespace_lives(world, scope, object::name(object))?;
    }
    Ok(())
}

/// 400 if the object names another namespace than the URL.
pub fn check_namespace(scope: &Scope, object: &Value) -> Result<(), ApiError> {
    let given = object::namespace(object);
    if given.is_empty() || given == scope.namespace {
        return Ok(());
    }
    Err(ApiError::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request",
    ))
}

fn check_namespace_lives(world: &World, scope: &Scope, name: &str) -> Result<(), ApiError> {
    let namespaces = ResourceId::new("", "namespaces");
    let key = (String::new(), scope.namespace.clone());
    let Some(namespace) = world.store.get(&namespaces, &key) else {
        return Err(ApiError::not_found("", "namespaces", &scope.namespace));
    };
    if object::is_terminating(namespace) {
        let resource = &scope.resource;
        let named = &scope.namespace;
        let why = format!(
            "unable to create new content in namespace {named} because it is being terminated"
        );
        let message = format!("namespace {named} is being terminated");
        return Err(ApiError::forbidden(&resource.group, &resource.plural, name, &why).with_cause(
            "NamespaceTerminating",
            &message,
            "metadata.namespace",
        ));
    }
    Ok(())
}
