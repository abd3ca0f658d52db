//! The kinds of objects that make up a cluster, and where the API has them.

use kube::core::ApiResource;

/// A kind of child object, in the order in which children are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Whose rights the pods have: none.
    ServiceAccount,
    /// Names and addresses.
    Service,
    /// Who may connect.
    NetworkPolicy,
    /// How many brokers may be evicted.
    PodDisruptionBudget,
    /// The brokers' configs.
    ConfigMap,
    /// The brokers' pods, as a template.
    StatefulSet,
    /// A broker's volume.
    PersistentVolumeClaim,
    /// A broker, or a trial of one.
    Pod,
}

impl Kind {
    /// All kinds, in the order in which children are made.
    pub const ALL: [Kind; 8] = [
        Kind::ServiceAccount,
        Kind::Service,
        Kind::NetworkPolicy,
        Kind::PodDisruptionBudget,
        Kind::ConfigMap,
        Kind::StatefulSet,
        Kind::PersistentVolumeClaim,
        Kind::Pod,
    ];

    /// The name of the kind.
    pub const fn name(self) -> &'static str {
        self.facts().0
    }

    /// The group and version that stand as `apiVersion`.
    pub const fn api_version(self) -> &'static str {
        self.facts().1
    }

    /// Where the API has it.
    pub fn resource(self) -> ApiResource {
        let (kind, api_version, plural) = self.facts();
        api_resource(kind, api_version, plural)
    }

    const fn facts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::ServiceAccount => ("ServiceAccount", "v1", "serviceaccounts"),
            Kind::Service => ("Service", "v1", "services"),
            Kind::NetworkPolicy => ("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
            Kind::PodDisruptionBudget => {
                ("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets")
            }
            Kind::ConfigMap => ("ConfigMap", "v1", "configmaps"),
            Kind::StatefulSet => ("StatefulSet", "apps/v1", "statefulsets"),
            Kind::PersistentVolumeClaim => {
                ("PersistentVolumeClaim", "v1", "persistentvolumeclaims")
            }
            Kind::Pod => ("Pod", "v1", "pods"),
        }
    }
}

/// Where the API has a kind.
pub fn api_resource(kind: &str, api_version: &str, plural: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}
