//! Volumes: whose they are, how they grow, and whether they go with the cluster.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Plan, Step, Wait, is_going, uid_of};
use crate::cluster::build::claim;
use crate::cluster::problem::Problem;
use crate::cluster::seen::{Seen, annotation, label, text};
use crate::cluster::wanted::{Wanted, new_cluster_id};
use crate::kind::Kind;
use crate::{clock, names, quantity, same};

/// How long a new claim is left to those who bind it.
const BINDS_MS: i64 = 10_000;

/// The id of the cluster: that on its volumes, if it has any.
///
/// Never guessed from a name: a volume that carries another id, or none, is not this cluster's.
///
/// # Errors
/// The volumes disagree, or one has no id.
pub fn cluster_id(wanted: &Wanted, seen: &Seen) -> Result<String, Problem> {
    let mut ids = BTreeSet::new();
    for broker in wanted.brokers() {
        let name = names::claim(&wanted.key.name, broker);
        let Some(claim) = seen.object(Kind::PersistentVolumeClaim, &name) else { continue };
        match annotation(claim, names::CLUSTER_ID).or_else(|| id_of_set(wanted, seen, claim)) {
            Some(id) => ids.insert(id.to_owned()),
            None => {
                let message = format!(
                    "PersistentVolumeClaim {name} was not made for a cluster: it has no annotation \
                     {}. Set it to the cluster's id to use the volume, or delete the claim",
                    names::CLUSTER_ID
                );
                return Err(Problem { reason: "ForeignVolume", message });
            }
        };
    }
    if ids.len() > 1 {
        let message = format!("the volumes belong to different clusters: {ids:?}");
        return Err(Problem { reason: "ForeignVolume", message });
    }
    Ok(ids.pop_first().unwrap_or_else(|| new_cluster_id(&wanted.uid)))
}

/// The id that a running cluster gave its claims, where somebody has taken it off one.
fn id_of_set<'a>(wanted: &Wanted, seen: &'a Seen, claim: &Value) -> Option<&'a str> {
    label(claim, names::CLUSTER_LABEL).filter(|cluster| *cluster == wanted.key.name)?;
    let set = seen.object(Kind::StatefulSet, &names::brokers(&wanted.key.name))?;
    annotation(set.pointer("/spec/volumeClaimTemplates/0")?, names::CLUSTER_ID)
}

/// The directory that a broker is known by, where it runs on another and nobody has said that this is
/// as it should be.
pub fn replaced_directory<'a>(cluster: &str, seen: &'a Seen, broker: i32) -> Option<&'a str> {
    let claim = seen.object(Kind::PersistentVolumeClaim, &names::claim(cluster, broker))?;
    let known = seen.before.brokers.iter().find(|it| it.id == broker)?.directory_id.as_deref()?;
    let is_accepted = annotation(claim, names::DIRECTORY_ID).is_some();
    let told = seen.state(broker)?.directory_id.to_string();
    (!is_accepted && known != told).then_some(known)
}

/// The field of a `StatefulSet` that differs and that Kubernetes never changes in place.
pub(super) fn frozen_difference(wanted: &Value, there: &Value) -> Option<&'static str> {
    let fields = [
        ("/spec/volumeClaimTemplates", "spec.volumeClaimTemplates"),
        ("/spec/serviceName", "spec.serviceName"),
        ("/spec/podManagementPolicy", "spec.podManagementPolicy"),
        ("/spec/selector", "spec.selector"),
    ];
    let differs = |path: &str| {
        let part = |object: &Value| object.pointer(path).cloned().unwrap_or(Value::Null);
        // The template of a claim has its name inside its metadata.
        match (part(wanted), part(there)) {
            (Value::Array(wanted), Value::Array(there)) => {
                wanted.len() != there.len()
                    || wanted.iter().zip(&there).any(|(a, b)| same::difference(a, b).is_some())
            }
            (wanted, there) => same::difference(&wanted, &there).is_some(),
        }
    };
    fields.iter().find(|(path, _)| differs(path)).map(|(_, field)| *field)
}

/// Brings each claim to what it is to be, and notes growth that is on its way.
pub(super) fn look_after(
    wanted: &Wanted,
    seen: &Seen,
    cluster_id: &str,
    plan: &mut Plan,
) -> Option<Step> {
    for broker in wanted.brokers() {
        let name = names::claim(&wanted.key.name, broker);
        let Some(there) = seen.object(Kind::PersistentVolumeClaim, &name) else { continue };
        if is_going(there) {
            let message = format!("PersistentVolumeClaim {name} is being deleted by somebody");
            plan.problems.push(Problem { reason: "VolumeDeleted", message });
            continue;
        }
        if let Some(wait) = being_bound(&name, there, seen.now_ms) {
            plan.waits.push(wait);
            continue;
        }
        if let Some(step) = bring(wanted, seen, broker, there, cluster_id, plan) {
            return Some(step);
        }
        note_growth(wanted, &name, there, plan);
    }
    None
}

/// Waits for a new claim's volume. Who writes to the claim in its first moments gets in the way of
/// scheduler and provisioner, which begin anew then; nothing of ours is needed before.
fn being_bound(name: &str, there: &Value, now_ms: i64) -> Option<Wait> {
    let made_ms = text(there, "/metadata/creationTimestamp").and_then(clock::parse_ms)?;
    let left_ms = made_ms.saturating_add(BINDS_MS).saturating_sub(now_ms);
    let is_new = text(there, "/status/phase") == Some("Pending") && left_ms > 0;
    is_new.then(|| Wait {
        reason: "VolumePending",
        step: format!("look after PersistentVolumeClaim {name}"),
        message: "its volume is not bound yet".to_owned(),
        again_ms: Some(left_ms.min(BINDS_MS).unsigned_abs()),
    })
}

fn bring(
    wanted: &Wanted,
    seen: &Seen,
    broker: i32,
    there: &Value,
    cluster_id: &str,
    plan: &mut Plan,
) -> Option<Step> {
    let name = names::claim(&wanted.key.name, broker);
    let known = annotation(there, names::DIRECTORY_ID).map(str::to_owned);
    let mut told = seen.state(broker).map(|state| state.directory_id.to_string());
    if let Some(before) = replaced_directory(&wanted.key.name, seen, broker)
        && let Some(told) = told.take()
    {
        let message = format!(
            "broker {broker} ran on the directory {before} and now runs on {told}: the volume of \
             PersistentVolumeClaim {name} is another, without its records. Set the claim's \
             annotation {} to {told} to go on with it",
            names::DIRECTORY_ID
        );
        plan.problems.push(Problem { reason: "VolumeReplaced", message });
    }
    if let (Some(known), Some(told)) = (&known, &told)
        && known != told
    {
        let message = format!(
            "broker {broker} runs on the directory {told}, but PersistentVolumeClaim {name} was \
             known to hold {known}: its records are not those that were there"
        );
        plan.problems.push(Problem { reason: "ForeignDirectory", message });
    }
    // A volume that is larger, from an earlier cluster perhaps, stays so: none can shrink.
    let size = text(there, "/spec/resources/requests/storage").unwrap_or("0");
    let wanted_size = wanted.spec.storage.size.as_str();
    let is_larger = quantity::thousandths(size) > quantity::thousandths(wanted_size);
    let found = claim::Found {
        uid: &uid_of(there),
        cluster_id,
        directory_id: known.or(told),
        size: if is_larger { size } else { wanted_size },
    };
    let object = claim::claim(wanted, broker, &found);
    super::apply(Kind::PersistentVolumeClaim, object, seen, plan)
}

fn note_growth(wanted: &Wanted, name: &str, there: &Value, plan: &mut Plan) {
    let Some(capacity) = text(there, "/status/capacity/storage") else { return };
    let size = &wanted.spec.storage.size;
    let is_refused = plan.problems.iter().any(|problem| problem.message.contains(name));
    if !is_refused && quantity::thousandths(capacity) < quantity::thousandths(size) {
        plan.waits.push(Wait {
            reason: "VolumeGrows",
            step: format!("grow PersistentVolumeClaim {name} to {size}"),
            message: format!("it has {capacity} so far"),
            again_ms: None,
        });
    }
}
