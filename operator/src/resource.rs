//! The resources as the API has them, read with care.
//!
//! `spec` and `status` stay JSON until they are validated: one resource that cannot be read, stored
//! under another schema, must not keep the operator from reading all others.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube::api::Api;
use kube::core::{NamespaceResourceScope, Resource};
use millrace_crds::{API_VERSION, GROUP, VERSION};
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! resource {
    ($(#[$doc:meta])* $name:ident, $plural:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            /// `millrace.io/v1alpha1`.
            #[serde(default)]
            pub api_version: String,
            /// The kind.
            #[serde(default)]
            pub kind: String,
            /// Name, uid, labels and so on.
            pub metadata: ObjectMeta,
            /// What is wanted, as it is stored.
            #[serde(default)]
            pub spec: Value,
            /// What was told last, as it is stored.
            #[serde(default, skip_serializing_if = "Value::is_null")]
            pub status: Value,
        }

        impl Resource for $name {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind((): &()) -> Cow<'_, str> {
                stringify!($name).into()
            }

            fn group((): &()) -> Cow<'_, str> {
                GROUP.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                VERSION.into()
            }

            fn api_version((): &()) -> Cow<'_, str> {
                API_VERSION.into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }

        impl $name {
            /// Where it is.
            pub fn key(&self) -> Key {
                Key::of(&self.metadata)
            }
        }
    };
}

resource! {
    /// A `Cluster` as the API has it.
    Cluster, "clusters"
}

resource! {
    /// A `Topic` as the API has it.
    Topic, "topics"
}

/// The resources of a namespace, or of all if it is empty.
pub fn api<K>(client: Client, scope: &str) -> Api<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    if scope.is_empty() { Api::all(client) } else { Api::namespaced(client, scope) }
}

/// Where a resource is: its namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// That of an object.
    pub fn of(metadata: &ObjectMeta) -> Key {
        Key {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
