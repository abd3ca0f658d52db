//! The built-in resources: one table.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::resource::{Habits, Resource, Scale, Version};
use crate::schema::{Kind, Schema, core};

/// What stands in the table's last column.
#[derive(Clone, Copy)]
enum Habit {
    /// Objects are not in namespaces.
    Cluster,
    /// `status` has its own endpoint.
    Status,
    /// There is a scale endpoint at `.spec.replicas`.
    Scale,
    /// `metadata.generation` counts.
    Generation,
    /// Updates must name a `resourceVersion`.
    Versioned,
    /// Deletes answer with the object.
    Returns,
}

use Habit::{Cluster, Generation, Returns, Scale as Scaled, Status, Versioned};

type Row = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static [Habit]);

/// Group/version, plural, kind, aliases, type in the table of shapes, habits.
const TABLE: &[Row] = &[
    ("v1", "namespaces", "Namespace", "ns", "Namespace", &[Cluster, Status]),
    ("v1", "services", "Service", "svc", "Service", &[Status, Returns]),
    ("v1", "configmaps", "ConfigMap", "cm", "ConfigMap", &[]),
    ("v1", "secrets", "Secret", "", "Secret", &[]),
    ("v1", "serviceaccounts", "ServiceAccount", "sa", "ServiceAccount", &[Returns]),
    ("v1", "pods", "Pod", "po", "Pod", &[Status, Returns, Generation]),
    (
        "v1",
        "persistentvolumeclaims",
        "PersistentVolumeClaim",
        "pvc",
        "PersistentVolumeClaim",
        &[Status, Returns],
    ),
    (
        "v1",
        "persistentvolumes",
        "PersistentVolume",
        "pv",
        "PersistentVolume",
        &[Cluster, Status, Returns],
    ),
    ("v1", "nodes", "Node", "no", "Node", &[Cluster, Status]),
    ("v1", "events", "Event", "ev", "Event", &[]),
    ("events.k8s.io/v1", "events", "Event", "ev", "events.Event", &[]),
    (
        "apps/v1",
        "statefulsets",
        "StatefulSet",
        "sts",
        "apps.StatefulSet",
        &[Status, Scaled, Generation],
    ),
    ("apps/v1", "controllerrevisions", "ControllerRevision", "", "apps.ControllerRevision", &[]),
    (
        "policy/v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        "pdb",
        "policy.PodDisruptionBudget",
        &[Status, Generation, Versioned],
    ),
    (
        "networking.k8s.io/v1",
        "networkpolicies",
        "NetworkPolicy",
        "netpol",
        "networking.NetworkPolicy",
        &[Generation],
    ),
    ("coordination.k8s.io/v1", "leases", "Lease", "", "coordination.Lease", &[Versioned]),
    (
        "storage.k8s.io/v1",
        "storageclasses",
        "StorageClass",
        "sc",
        "storage.StorageClass",
        &[Cluster, Returns],
    ),
    (
        "discovery.k8s.io/v1",
        "endpointslices",
        "EndpointSlice",
        "",
        "discovery.EndpointSlice",
        &[Generation],
    ),
    (
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "crd",
        "",
        &[Cluster, Status, Generation, Versioned],
    ),
];

/// The table as resources.
pub fn resources() -> Vec<Resource> {
    TABLE.iter().map(resource).collect()
}

fn resource(row: &Row) -> Resource {
    let (group_version, plural, kind, alias, shape, habits) = *row;
    let (group, version) = group_version.split_once('/').unwrap_or(("", group_version));
    let has = |wanted: fn(&Habit) -> bool| habits.iter().any(wanted);
    let scale = has(|habit| matches!(habit, Scaled)).then(|| Scale {
        spec_replicas: ".spec.replicas".to_owned(),
        status_replicas: ".status.replicas".to_owned(),
        selector: String::new(),
    });
    let schema = if shape.is_empty() { definition_shape() } else { core::named(shape) };
    let has_status = has(|habit| matches!(habit, Status));
    let mut aliases = vec![kind.to_lowercase()];
    aliases.extend((!alias.is_empty()).then(|| alias.to_owned()));
    Resource {
        group: group.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        aliases,
        is_namespaced: !has(|habit| matches!(habit, Cluster)),
        storage_version: version.to_owned(),
        versions: BTreeMap::from([(version.to_owned(), Version { schema, has_status, scale })]),
        is_custom: false,
        habits: Habits {
            counts_generations: has(|habit| matches!(habit, Generation)),
            needs_version_to_update: has(|habit| matches!(habit, Versioned)),
            answers_deleted_object: has(|habit| matches!(habit, Returns)),
        },
    }
}

/// Definitions themselves: metadata as everywhere, the rest as it comes.
fn definition_shape() -> Arc<Schema> {
    let any = Arc::new(Schema { keeps_unknown: true, ..Schema::of(Kind::Any) });
    let fields = [
        ("apiVersion", any.clone()),
        ("kind", any.clone()),
        ("metadata", core::named("ObjectMeta")),
        ("spec", any.clone()),
        ("status", any),
    ];
    let fields = fields.into_iter().map(|(name, shape)| (name.to_owned(), shape));
    Arc::new(Schema { fields: fields.collect(), ..Schema::of(Kind::Object) })
}
