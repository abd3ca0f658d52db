//! PATCH with `application/apply-patch+yaml`: server-side apply.

use serde_json::{Value, json};

use super::create::{check_namespace, make, refuse_invalid};
use super::scope::Scope;
use super::update::{carry_over, commit, wrong_uid};
use super::{Answer, decode};
use crate::apply::managers::Managers;
use crate::apply::{self, Context};
use crate::object::{self, set_meta, take_managed_fields};
use crate::request::Request;
use crate::schema::fill;
use crate::status::{ApiError, FieldError};
use crate::world::World;

/// Applies a configuration: makes the object, or changes what the configuration says.
///
/// # Errors
/// As a real server; 409 names each field that another manager owns.
pub fn apply(world: &mut World, scope: &Scope, request: &Request) -> Result<Answer, ApiError> {
    let mut config = request.body.clone();
    check(scope, request, &config)?;
    set_meta(&mut config, "name", scope.name.clone());
    set_meta(&mut config, "namespace", non_empty(&scope.namespace));
    let found = world.store.get(&scope.id(), &scope.key()).cloned();
    let Some(old) = found else {
        return create(world, scope, request, &config);
    };
    let resource = &scope.resource;
    for (key, word) in [("uid", "UID"), ("resourceVersion", "")] {
        let given = object::meta(&config, key);
        if given.is_empty() || given == object::meta(&old, key) {
            continue;
        }
        return Err(if word.is_empty() {
            ApiError::modified(&resource.group, &resource.plural, &scope.name)
        } else {
            let why = wrong_uid(scope, given, &old);
            ApiError::conflict(&resource.group, &resource.plural, &scope.name, &why)
        });
    }
    for key in ["uid", "resourceVersion"] {
        set_meta(&mut config, key, Value::Null);
    }
    let mut live = scope.shown(&old);
    let managed = Managers::read(&take_managed_fields(&mut live));
    let (mut new, managed) = merged(world, scope, request, &live, &config, managed)?;
    let warnings = decode::settle(scope, &mut new, request)?;
    carry_over(scope, &live, &mut new);
    let kept = commit(world, scope, &old, new, managed, request.is_dry_run())?;
    Ok(Answer { code: 200, body: scope.shown(&kept), warnings })
}

fn create(
    world: &mut World,
    scope: &Scope,
    request: &Request,
    config: &Value,
) -> Result<Answer, ApiError> {
    let uid = object::meta(config, "uid");
    if !uid.is_empty() {
        let resource = &scope.resource;
        let why = format!(
            "uid mismatch: the provided object specified uid {uid}, and no existing \
                           object was found"
        );
        return Err(ApiError::conflict(&resource.group, &resource.plural, &scope.name, &why));
    }
    if !scope.subresource.is_empty() {
        return Err(scope.not_found());
    }
    let live = json!({
        "apiVersion": scope.api_version,
        "kind": scope.resource.kind,
        "metadata": {},
    });
    let (mut new, managed) = merged(world, scope, request, &live, config, Managers::default())?;
    let warnings = decode::settle(scope, &mut new, request)?;
    let made = make(world, scope, new, managed, None, request.is_dry_run())?;
    Ok(Answer { code: 201, body: scope.shown(&made), warnings })
}

fn merged(
    world: &World,
    scope: &Scope,
    request: &Request,
    live: &Value,
    config: &Value,
    managed: Managers,
) -> Result<(Value, Managers), ApiError> {
    let (now, ignored) = (world.clock.now(), scope.ignored());
    let writer = scope.writer(request, true);
    let schema = &scope.version.schema;
    let context = Context { schema, writer: &writer, ignored: &ignored, now: &now };
    apply::applied(context, live, config, managed, request.flag("force"))
}

fn check(scope: &Scope, request: &Request, config: &Value) -> Result<(), ApiError> {
    if request.option("fieldManager").is_empty() {
        let why = "is required for apply patch";
        let error = FieldError::required("fieldManager", why);
        return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    if config["apiVersion"].is_null() || config["kind"].is_null() {
        let why = "Object 'apiVersion' or 'kind' is missing";
        return Err(ApiError::bad_request(format!("error decoding YAML: {why}")));
    }
    decode::check_type(scope, config)?;
    check_namespace(scope, config)?;
    if config["metadata"]["managedFields"].is_array() {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let given = object::name(config);
    if !given.is_empty() && given != scope.name {
        let message = format!(
            "the name of the object ({given}) does not match the name on the URL \
                               ({})",
            scope.name
        );
        return Err(ApiError::bad_request(message));
    }
    if scope.name.is_empty() {
        refuse_invalid(scope, &[FieldError::required("metadata.name", "name is required")])?;
    }
    check_fields(scope, config)
}

/// An apply that names fields which the schema does not know cannot be merged.
fn check_fields(scope: &Scope, config: &Value) -> Result<(), ApiError> {
    let resource = &scope.resource;
    let mut known = config.clone();
    let schema = &scope.version.schema;
    let unknown = fill::prune(&mut known, schema);
    let wrong = fill::mistyped(config, schema, "");
    let why = match (unknown.first(), wrong) {
        (Some(path), _) => format!(".{path}: field not declared in schema"),
        (None, Some(path)) => format!(".{path}: expected another type"),
        (None, None) => return Ok(()),
    };
    Err(ApiError::unknown(format!(
        "failed to create typed patch object ({}/{}; {}, Kind={}): {why}",
        object::namespace(config),
        object::name(config),
        scope.api_version,
        resource.kind,
    )))
}

fn non_empty(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::from(text) }
}
