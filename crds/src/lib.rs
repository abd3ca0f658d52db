//! The resources of group `millrace.io`, version `v1alpha1`: what a user writes, as types, with the
//! schema that follows from them and the validation that follows from the schema.
//!
//! Laptop mode and Kubernetes take the same manifests, so both read them here. What a config key
//! may hold is not known here: the broker's own config parser is the only one that knows.

pub mod cluster;
pub mod manifest;
pub mod schema;
pub mod topic;

mod config;
mod metadata;

pub use cluster::{Cluster, ClusterSpec};
pub use config::ConfigValue;
pub use manifest::{Manifest, ManifestError};
pub use metadata::Metadata;
pub use topic::{ClusterRef, Topic, TopicSpec};

/// The group and version that stand as `apiVersion` in a manifest.
pub const API_VERSION: &str = "millrace.io/v1alpha1";
