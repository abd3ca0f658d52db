//! Which resources the server serves: the built-in ones, and those that definitions add.

pub mod builtin;
pub mod definition;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resource::{Resource, ResourceId};

/// The served resources.
#[derive(Clone, Debug)]
pub struct Registry {
    resources: BTreeMap<ResourceId, Arc<Resource>>,
}

impl Registry {
    /// The built-in resources.
    pub fn new() -> Registry {
        let mut registry = Registry { resources: BTreeMap::new() };
        builtin::resources().into_iter().for_each(|resource| registry.add(resource));
        registry
    }

    /// Serves a resource, or serves it anew.
    pub fn add(&mut self, resource: Resource) {
        let key = ResourceId::new(&resource.group, &resource.plural);
        self.resources.insert(key, Arc::new(resource));
    }

    /// Serves a resource no longer.
    pub fn remove(&mut self, id: &ResourceId) {
        self.resources.remove(id);
    }

    /// The resource behind a URL's group, version and name.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Resource>> {
        let resource = self.get(&ResourceId::new(group, plural))?;
        resource.versions.contains_key(version).then_some(resource)
    }

    /// A resource whatever the version.
    pub fn get(&self, id: &ResourceId) -> Option<&Arc<Resource>> {
        self.resources.get(id)
    }

    /// The resource of a kind in an `apiVersion`, as owner references name it.
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Arc<Resource>> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.iter().find(|resource| resource.group == group && resource.kind == kind)
    }

    /// All resources, by group and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.values()
    }
}

impl Default for Registry {
    fn default() -> Registry {
        Registry::new()
    }
}
