//! The resources of group `millrace.io`, version `v1alpha1`: what a user writes, as types, with the
//! schema that follows from them and the validation that follows from the schema.
//!
//! Laptop mode and Kubernetes take the same manifests, so both read them here. What a config key
//! may hold is not known here: the broker's own config parser is the only one that knows. Nor is
//! anything of a Kubernetes client: the operator adds that.

pub mod affinity;
pub mod cluster;
pub mod definition;
pub mod listener;
pub mod manifest;
pub mod pod;
pub mod schema;
pub mod status;
pub mod topic;

mod config;
mod deletion;
mod metadata;

pub use cluster::{Cluster, ClusterSpec};
pub use config::ConfigValue;
pub use deletion::DeletionPolicy;
pub use listener::{Listener, ListenerKind};
pub use manifest::{Manifest, ManifestError};
pub use metadata::Metadata;
pub use status::{ClusterStatus, Condition, TopicStatus};
pub use topic::{ClusterRef, Management, Topic, TopicSpec};

/// The API group of the resources.
pub const GROUP: &str = "millrace.io";
/// The version of the resources.
pub const VERSION: &str = "v1alpha1";
/// The group and version that stand as `apiVersion` in a manifest.
pub const API_VERSION: &str = "millrace.io/v1alpha1";
