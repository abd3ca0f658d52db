//! What a resource is: its names, its shape, and the habits of its kind.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::schema::Schema;

/// One resource of one group, in all its served versions.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The API group; empty for the core.
    pub group: String,
    /// The kind, as `StatefulSet`.
    pub kind: String,
    /// The name in URLs, as `statefulsets`.
    pub plural: String,
    /// The short names and the singular.
    pub aliases: Vec<String>,
    /// Whether objects live in namespaces.
    pub is_namespaced: bool,
    /// The version that objects are kept in.
    pub storage_version: String,
    /// The served versions.
    pub versions: BTreeMap<String, Version>,
    /// Whether a `CustomResourceDefinition` made it.
    pub is_custom: bool,
    /// The habits of the kind.
    pub habits: Habits,
}

/// One served version of a resource.
#[derive(Clone, Debug)]
pub struct Version {
    /// The shape of an object.
    pub schema: Arc<Schema>,
    /// Whether `status` is written by its own endpoint only.
    pub has_status: bool,
    /// Where the scale endpoint finds its numbers.
    pub scale: Option<Scale>,
}

/// The paths behind the scale endpoint.
#[derive(Clone, Debug)]
pub struct Scale {
    /// As `.spec.replicas`.
    pub spec_replicas: String,
    /// As `.status.replicas`.
    pub status_replicas: String,
    /// As `.status.labelSelector`; empty if there is none.
    pub selector: String,
}

/// How the server treats objects of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Habits {
    /// Whether `metadata.generation` counts the changes of the spec.
    pub counts_generations: bool,
    /// Whether an update must name the `resourceVersion` that it changes.
    pub needs_version_to_update: bool,
    /// Whether a delete answers with the object instead of a `Status`.
    pub answers_deleted_object: bool,
}

impl Resource {
    /// The resource's key in the store.
    pub fn id(&self) -> ResourceId {
        if self.is_core_event() {
            return ResourceId::new("events.k8s.io", "events");
        }
        ResourceId { group: self.group.clone(), plural: self.plural.clone() }
    }

    /// Whether this is the older face of events, which are kept in the form of `events.k8s.io`.
    pub fn is_core_event(&self) -> bool {
        self.group.is_empty() && self.plural == "events"
    }

    /// `apps/v1`, or `v1` in the core.
    pub fn api_version(&self, version: &str) -> String {
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// `topics.millrace.io`, or `pods` in the core.
    pub fn qualified(&self) -> String {
        crate::status::qualified(&self.plural, &self.group)
    }

    /// The version that objects are kept in.
    ///
    /// # Panics
    /// Never: a resource is registered with its storage version.
    pub fn stored(&self) -> &Version {
        self.versions
            .get(&self.storage_version)
            .unwrap_or_else(|| panic!("{} keeps no {}", self.plural, self.storage_version))
    }
}

/// A resource whatever the version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResourceId {
    /// The API group.
    pub group: String,
    /// The name in URLs.
    pub plural: String,
}

impl ResourceId {
    /// A resource of a group; the core's is empty.
    pub fn new(group: &str, plural: &str) -> ResourceId {
        ResourceId { group: group.to_owned(), plural: plural.to_owned() }
    }
}
