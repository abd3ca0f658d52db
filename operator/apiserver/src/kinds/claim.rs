//! Persistent volume claims: protected while in use, growing only where the class allows it.

use serde_json::{Value, json};

use super::add_finalizer;
use crate::object::{self, at_path, copy_field, set_at_path};
use crate::resource::ResourceId;
use crate::schema::fill::lay_under;
use crate::schema::quantity;
use crate::status::{ApiError, FieldError};
use crate::world::World;

/// The finalizer that keeps a claim while a pod uses it.
pub const PROTECTION: &str = "kubernetes.io/pvc-protection";

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

const SIZE: &str = ".spec.resources.requests.storage";

/// Fills in a claim's defaults.
pub fn fill_defaults(object: &mut Value) {
    lay_under(&mut object["spec"], &json!({ "volumeMode": "Filesystem" }));
}

/// A new claim is pending and protected, and of the default class if it names none.
pub fn prepare_new(world: &World, object: &mut Value) {
    add_finalizer(object, PROTECTION);
    object["status"] = json!({ "phase": "Pending" });
    let classes = ResourceId::new("storage.k8s.io", "storageclasses");
    let is_default = |class: &Value| class["metadata"]["annotations"][DEFAULT_CLASS] == "true";
    let usual = world.store.all(&classes).find(|(_, class)| is_default(class));
    if let (true, Some(((_, name), _))) = (object["spec"]["storageClassName"].is_null(), usual) {
        object["spec"]["storageClassName"] = Value::from(name.clone());
    }
}

/// A class that was given by the server stays.
pub fn prepare_change(old: &Value, new: &mut Value) {
    for key in ["volumeName", "storageClassName"] {
        if new["spec"].get(key).is_none() {
            copy_field(&old["spec"], &mut new["spec"], key);
        }
    }
}

/// What is wrong with a claim.
pub fn validate(object: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let spec = &object["spec"];
    if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
        let why = "at least 1 access mode is required";
        errors.push(FieldError::required("spec.accessModes", why));
    }
    let size = milli(at_path(object, SIZE));
    if size.is_none() {
        errors.push(FieldError::required("spec.resources[storage]", ""));
    }
    let Some(old) = old else { return errors };
    let is_bound = object["status"]["phase"] == "Bound";
    let mut fixed = object.clone();
    if is_bound {
        set_at_path(&mut fixed, SIZE, at_path(old, SIZE).clone());
    }
    if old["spec"]["volumeName"].as_str().unwrap_or_default().is_empty() {
        copy_field(&old["spec"], &mut fixed["spec"], "volumeName");
    }
    if fixed["spec"] != old["spec"] {
        let why = "spec is immutable after creation except resources.requests and \
                   volumeAttributesClassName for bound claims";
        errors.push(FieldError::forbidden("spec", why));
    }
    let capacity = milli(&old["status"]["capacity"]["storage"]).unwrap_or(0);
    if size < milli(at_path(old, SIZE)) && size.is_some_and(|size| size <= capacity) {
        let field = SIZE.trim_start_matches('.');
        errors.push(FieldError::forbidden(field, "field can not be less than status.capacity"));
    }
    errors
}

/// 403 where a volume would grow whose class does not allow it.
///
/// # Errors
/// As said.
pub fn admit_growth(world: &World, old: &Value, new: &Value) -> Result<(), ApiError> {
    if milli(at_path(new, SIZE)) <= milli(at_path(old, SIZE)) {
        return Ok(());
    }
    let name = object::name(new);
    let refuse = |why: &str| Err(ApiError::forbidden("", "persistentvolumeclaims", name, why));
    if old["status"]["phase"] != "Bound" {
        return refuse("Only bound persistent volume claims can be expanded");
    }
    let class = new["spec"]["storageClassName"].as_str().unwrap_or_default();
    let classes = ResourceId::new("storage.k8s.io", "storageclasses");
    let found = world.store.get(&classes, &(String::new(), class.to_owned()));
    if found.is_some_and(|class| class["allowVolumeExpansion"] == true) {
        return Ok(());
    }
    refuse(
        "only dynamically provisioned pvc can be resized and the storageclass that provisions the \
         pvc must support resize",
    )
}

fn milli(size: &Value) -> Option<i128> {
    quantity::parse(size.as_str()?).map(|size| size.milli)
}
