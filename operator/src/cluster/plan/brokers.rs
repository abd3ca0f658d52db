//! What brokers start from, configs and pod template, and how it changes: only after a trial has
//! shown that brokers can start from it.
//!
//! Until then a broker that goes, by a crash, a drain or somebody's hand, comes back as it was.

use serde_json::Value;

use super::{
    Action, Plan, Step, Wait, apply, external_addresses, is_going, name_of, storage, uid_of,
};
use crate::cluster::build::{config, stateful_set};
use crate::cluster::problem::Problem;
use crate::cluster::seen::{Seen, annotation, text};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::{names, ownership, same};

/// What brokers are to start from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// Their configs.
    pub config_map: Value,
    /// What makes their pods.
    pub stateful_set: Value,
}

impl Origin {
    pub(super) fn of(wanted: &Wanted, seen: &Seen, cluster_id: &str) -> Origin {
        Origin {
            config_map: config::config_map(wanted, seen, cluster_id),
            stateful_set: stateful_set::stateful_set(wanted, cluster_id),
        }
    }

    /// The template of the pods.
    pub(super) fn template(&self) -> &Value {
        &self.stateful_set["spec"]["template"]
    }

    /// Whether a pod, or a template, was made of the template that is wanted.
    pub(super) fn is_of(&self, pod: &Value) -> bool {
        annotation(pod, names::TEMPLATE_DIGEST)
            == annotation(self.template(), names::TEMPLATE_DIGEST)
    }
}

/// A change of what brokers start from.
pub(super) struct Change {
    /// The step.
    pub step: Step,
    /// Whether nothing has shown yet that brokers could start after it.
    pub is_untried: bool,
}

/// The next change of the configs and the set; none if both are as wanted, or have to wait.
pub(super) fn change(
    wanted: &Wanted,
    seen: &Seen,
    origin: &Origin,
    plan: &mut Plan,
) -> Option<Change> {
    let tried = |step| Change { step, is_untried: false };
    // A plan that waits for addresses must not start brokers that do not know them.
    if plan.waits.iter().any(|wait| wait.reason == external_addresses::REASON) {
        return None;
    }
    let step = apply(Kind::ConfigMap, origin.config_map.clone(), seen, plan);
    if step.is_some() || super::are_pods_refused(seen) {
        return step.map(tried);
    }
    let name = name_of(&origin.stateful_set);
    let Some(there) = seen.object(Kind::StatefulSet, &name) else {
        if is_volume_going(wanted, seen, plan) {
            return None;
        }
        return apply(Kind::StatefulSet, origin.stateful_set.clone(), seen, plan).map(tried);
    };
    let step = replace(origin, there)
        .or_else(|| apply(Kind::StatefulSet, origin.stateful_set.clone(), seen, plan))
        .or_else(|| take_back(origin, there, seen, plan))?;
    let is_untried = !keeps_template(origin, there) && !is_proven(wanted, seen, origin);
    Some(Change { step, is_untried })
}

/// The step that makes room for a set where the one that is there cannot become it.
fn replace(origin: &Origin, there: &Value) -> Option<Step> {
    let field = storage::frozen_difference(&origin.stateful_set, there)?;
    let (name, uid) = (name_of(there), uid_of(there));
    let reason = format!("{field} cannot be changed in place; the pods stay as they are");
    let action = Action::Delete { kind: Kind::StatefulSet, name, uid, keeps_children: true };
    (!is_going(there)).then_some(Step { action, reason })
}

/// The step that takes out what somebody has added to the set: pods would be made with it.
fn take_back(origin: &Origin, there: &Value, seen: &Seen, plan: &mut Plan) -> Option<Step> {
    let (kind, name, object) = (Kind::StatefulSet, name_of(there), origin.stateful_set.clone());
    let reason = ownership::foreign(&object, there).filter(|_| !is_going(there))?;
    if let Some(words) = seen.refused.get(&(kind, name.clone())) {
        let message = format!("{reason}, and cannot be taken back: {words}");
        plan.problems.push(Problem { reason: "Refused", message });
        return None;
    }
    Some(Step { action: Action::Replace { kind, name, object }, reason })
}

/// Whether the set's template is the wanted one already.
fn keeps_template(origin: &Origin, there: &Value) -> bool {
    let template = there.pointer("/spec/template").unwrap_or(&Value::Null);
    origin.is_of(template)
        && same::difference(origin.template(), template).is_none()
        && ownership::foreign(&origin.stateful_set, there).is_none()
}

/// Whether a broker serves from the wanted template.
fn is_proven(wanted: &Wanted, seen: &Seen, origin: &Origin) -> bool {
    let mut pods = wanted.brokers().filter_map(|broker| seen.pod(&wanted.key.name, broker));
    pods.any(|pod| pod.is_ready() && origin.is_of(pod.object))
}

/// Notes that a volume of an earlier cluster is about to go: brokers that started on it would lose
/// it, or those after them find another.
fn is_volume_going(wanted: &Wanted, seen: &Seen, plan: &mut Plan) -> bool {
    let claims = wanted.brokers().map(|broker| names::claim(&wanted.key.name, broker));
    let mut going = claims.filter(|name| {
        let claim = seen.object(Kind::PersistentVolumeClaim, name);
        claim.is_some_and(|claim| text(claim, "/metadata/deletionTimestamp").is_some())
    });
    let Some(name) = going.next() else { return false };
    plan.waits.push(Wait {
        reason: "ObjectGoing",
        step: "start the brokers".to_owned(),
        message: format!("PersistentVolumeClaim {name} of earlier ones is still being deleted"),
        again_ms: Some(1_000),
    });
    true
}
