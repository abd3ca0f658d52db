//! What is to outlive its cluster is let go of before anything else is done, and whatever keeps the
//! rest from being done: what still has an owner is deleted by Kubernetes, which asks nobody.

use millrace_crds::{ClusterSpec, DeletionPolicy};
use serde_json::Value;

use super::{Action, Step, is_going, uid_of};
use crate::cluster::seen::{Seen, text};
use crate::kind::Kind;

/// What outlives a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// All but trials.
    all: bool,
    /// The volumes.
    volumes: bool,
}

impl Kept {
    /// As a spec says that is sound.
    pub fn of(spec: &ClusterSpec) -> Kept {
        let stays = |policy| policy == DeletionPolicy::Retain;
        Kept { all: stays(spec.deletion_policy), volumes: stays(spec.storage.deletion_policy) }
    }

    /// As a spec says that may be wrong elsewhere.
    pub fn read(spec: &Value) -> Kept {
        let default = ClusterSpec::default();
        let stays = |path: &str, default| match text(spec, path) {
            Some(policy) => policy == "Retain",
            None => default == DeletionPolicy::Retain,
        };
        Kept {
            all: stays("/deletionPolicy", default.deletion_policy),
            volumes: stays("/storage/deletionPolicy", default.storage.deletion_policy),
        }
    }
}

/// The step that lets go of the next object that still goes with the cluster of this uid.
pub fn next(owner: &str, kept: Kept, seen: &Seen) -> Option<Step> {
    let is_kept = |kind: Kind| match kind {
        Kind::Pod => false,
        Kind::PersistentVolumeClaim => kept.all || kept.volumes,
        Kind::ServiceAccount
        | Kind::Service
        | Kind::NetworkPolicy
        | Kind::PodDisruptionBudget
        | Kind::ConfigMap
        | Kind::StatefulSet => kept.all,
    };
    let is_owned = |object: &Value| {
        let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
        owners.into_iter().flatten().any(|it| text(it, "/uid") == Some(owner))
    };
    let mut owned = seen
        .objects
        .iter()
        .filter(|((kind, _), object)| is_kept(*kind) && !is_going(object) && is_owned(object));
    let ((kind, name), object) = owned.next()?;
    let (name, uid, owner) = (name.clone(), uid_of(object), owner.to_owned());
    let reason = "it is to stay when the Cluster goes".to_owned();
    Some(Step { action: Action::LetGo { kind: *kind, name, uid, owner }, reason })
}
