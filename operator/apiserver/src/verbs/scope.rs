//! What a request is about: the resource in one version, and the object's place in the store.

use std::sync::Arc;

use serde_json::Value;

use crate::apply::managers::Writer;
use crate::apply::set::FieldSet;
use crate::kinds::event;
use crate::object::{self, set_meta};
use crate::request::Request;
use crate::resource::{Resource, ResourceId, Version};
use crate::status::ApiError;
use crate::store::Key;
use crate::world::World;

/// The resource, version and place of a request.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The resource.
    pub resource: Arc<Resource>,
    /// The version that the client speaks.
    pub version: Version,
    /// `apps/v1`.
    pub api_version: String,
    /// The namespace of the URL.
    pub namespace: String,
    /// The name of the URL.
    pub name: String,
    /// `status`, `scale`, or empty.
    pub subresource: String,
}

impl Scope {
    /// Finds what a request is about.
    ///
    /// # Errors
    /// 404 if nothing is served there.
    pub fn find(world: &World, request: &Request) -> Result<Scope, ApiError> {
        let target = &request.target;
        let is_built_in = world
            .registry
            .iter()
            .any(|resource| resource.group == target.group && !resource.is_custom);
        let missing = || if is_built_in { ApiError::no_such_resource() } else { no_such_page() };
        let found = world.registry.find(&target.group, &target.version, &target.plural);
        let resource = found.ok_or_else(missing)?;
        let version = resource.versions.get(&target.version).ok_or_else(missing)?;
        let is_there = match target.subresource.as_str() {
            "" => true,
            "status" => version.has_status,
            "scale" => version.scale.is_some(),
            "eviction" => target.plural == "pods",
            _ => false,
        };
        if !is_there || (!resource.is_namespaced && !target.namespace.is_empty()) {
            return Err(missing());
        }
        Ok(Scope {
            resource: resource.clone(),
            version: version.clone(),
            api_version: resource.api_version(&target.version),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            subresource: target.subresource.clone(),
        })
    }

    /// The scope of an object in the version that its resource is kept in.
    pub fn of(resource: &Arc<Resource>, key: &Key) -> Scope {
        Scope {
            resource: resource.clone(),
            version: resource.stored().clone(),
            api_version: resource.api_version(&resource.storage_version),
            namespace: key.0.clone(),
            name: key.1.clone(),
            subresource: String::new(),
        }
    }

    /// The resource's key in the store.
    pub fn id(&self) -> ResourceId {
        self.resource.id()
    }

    /// The object's key in the store.
    pub fn key(&self) -> Key {
        (self.namespace.clone(), self.name.clone())
    }

    /// The object.
    ///
    /// # Errors
    /// 404.
    pub fn existing(&self, world: &World) -> Result<Arc<Value>, ApiError> {
        let found = world.store.get(&self.id(), &self.key()).cloned();
        found.ok_or_else(|| self.not_found())
    }

    /// 404 for the object.
    pub fn not_found(&self) -> ApiError {
        ApiError::not_found(&self.resource.group, &self.resource.plural, &self.name)
    }

    /// The object as the client sees it: in the version that it speaks.
    pub fn shown(&self, object: &Value) -> Value {
        let mut shown = object.clone();
        if self.resource.is_core_event() {
            event::to_core(&mut shown);
        }
        shown["apiVersion"] = Value::from(self.api_version.clone());
        shown
    }

    /// The object as it is kept.
    pub fn kept(&self, mut object: Value) -> Value {
        let api_version = if self.resource.is_core_event() {
            event::from_core(&mut object);
            "events.k8s.io/v1".to_owned()
        } else {
            self.resource.api_version(&self.resource.storage_version)
        };
        object["apiVersion"] = Value::from(api_version);
        object
    }

    /// Who writes.
    pub fn writer(&self, request: &Request, is_apply: bool) -> Writer {
        let named = request.option("fieldManager");
        let agent = request.user_agent.split('/').next().unwrap_or_default();
        let name = match (named, agent) {
            ("", "") => "unknown",
            ("", agent) => agent,
            (named, _) => named,
        };
        Writer {
            name: name.to_owned(),
            is_apply,
            api_version: self.api_version.clone(),
            subresource: self.subresource.clone(),
        }
    }

    /// The fields that this endpoint takes no notice of.
    pub fn ignored(&self) -> FieldSet {
        match self.subresource.as_str() {
            "status" if self.resource.is_custom => FieldSet::of(&[&["metadata"], &["spec"]]),
            "status" => FieldSet::of(&[&["spec"]]),
            _ if self.version.has_status => FieldSet::of(&[&["status"]]),
            _ => FieldSet::default(),
        }
    }

    /// Refuses the fields that this endpoint may not write: they stay as they were.
    pub fn isolate(&self, old: &Value, new: &mut Value) {
        match self.subresource.as_str() {
            "status" if self.resource.is_custom => {
                let mut isolated = old.clone();
                object::copy_field(new, &mut isolated, "status");
                let managed = new["metadata"]["managedFields"].clone();
                set_meta(&mut isolated, "managedFields", managed);
                let version = new["metadata"]["resourceVersion"].clone();
                set_meta(&mut isolated, "resourceVersion", version);
                isolated["apiVersion"] = new["apiVersion"].clone();
                *new = isolated;
            }
            "status" => object::copy_field(old, new, "spec"),
            _ if self.version.has_status => object::copy_field(old, new, "status"),
            _ => {}
        }
    }
}

/// What a server says where nothing is served.
pub fn no_such_page() -> ApiError {
    ApiError {
        code: 404,
        reason: "",
        message: "404 page not found".to_owned(),
        details: Value::Null,
    }
}
