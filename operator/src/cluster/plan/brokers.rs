//! What brokers start from, configs and pod template, and how it changes: only after a trial has
//! shown that brokers can start from it.
//!
//! Until then a broker that goes, by a crash, a drain or somebody's hand, comes back as it was.

use serde_json::Value;

use super::{
    Action, Plan, Step, Wait, apply, external_addresses, is_going, name_of, storage, uid_of,
};
use crate::cluster::build::{config, stateful_set, with_pod_metadata_of};
use crate::cluster::problem::Problem;
use crate::cluster::seen::{Seen, annotation, mounted_configs};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::{names, ownership, same};

/// What `kubectl rollout restart` sets on a pod template.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

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
            stateful_set: stateful_set(wanted, seen, cluster_id),
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

/// The set. Where it is made anew it has the restart that somebody has asked for, as the pods say.
fn stateful_set(wanted: &Wanted, seen: &Seen, cluster_id: &str) -> Value {
    let mut set = stateful_set::stateful_set(wanted, cluster_id);
    let field = "/f:spec/f:template/f:metadata/f:annotations/f:kubectl.kubernetes.io~1restartedAt";
    let mut pods = wanted.brokers().filter_map(|id| seen.pod(&wanted.key.name, id));
    let last = match seen.object(Kind::StatefulSet, &name_of(&set)) {
        None => pods.next().map(|pod| pod.object),
        Some(there) if ownership::has_applied(there, field) => there.pointer("/spec/template"),
        Some(_) => None,
    };
    if let Some(when) = last.and_then(|last| annotation(last, RESTARTED_AT)) {
        set["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT] = Value::from(when);
    }
    set
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
    let are_configs_refused = || seen.refused.keys().any(|(kind, _)| *kind == Kind::ConfigMap);
    if step.is_some() || are_configs_refused() {
        return step.map(tried);
    }
    let name = name_of(&origin.stateful_set);
    let Some(there) = seen.object(Kind::StatefulSet, &name) else {
        if is_volume_going(wanted, seen, plan) {
            return None;
        }
        return apply(Kind::StatefulSet, origin.stateful_set.clone(), seen, plan).map(tried);
    };
    if mounted_configs(&there["spec"]["template"]).is_some_and(|name| is_lost(seen, name)) {
        let message = format!(
            "StatefulSet {name} names configs that somebody has deleted: a broker that stops now \
             does not start again until what is wanted can be tried"
        );
        plan.problems.push(Problem { reason: "ConfigsLost", message });
    }
    let step = replace(origin, there)
        .or_else(|| apply(Kind::StatefulSet, origin.stateful_set.clone(), seen, plan))
        .or_else(|| take_back(origin, there, seen, plan));
    let is_untried = !keeps_template(origin, there) && !is_proven(wanted, seen, origin);
    if is_untried && ownership::is_template_edited(there) {
        let message = format!(
            "somebody has edited the pod template of StatefulSet {name}: a broker that stops now \
             comes back from that, until what is wanted has been tried"
        );
        plan.problems.push(Problem { reason: "TemplateEdited", message });
    }
    let keep = is_untried.then(|| keep_running(origin, there, seen, plan)).flatten();
    keep.map(tried).or(step.map(|step| Change { step, is_untried }))
}

fn is_lost(seen: &Seen, config_map: &str) -> bool {
    seen.object(Kind::ConfigMap, config_map).is_none()
}

/// The step that has brokers run as they did where somebody has changed how many there are or who
/// restarts them: that does not wait for a trial of what is wanted.
fn keep_running(origin: &Origin, there: &Value, seen: &Seen, plan: &mut Plan) -> Option<Step> {
    let (kind, name) = (Kind::StatefulSet, name_of(there));
    let mut spec = there.get("spec")?.clone();
    let fields = ["replicas", "updateStrategy"];
    let wanted = &origin.stateful_set["spec"];
    let differs = |field: &&str| same::difference(&wanted[*field], &spec[*field]).is_some();
    let changed = fields.iter().find(|field| differs(field)).filter(|_| !is_going(there))?;
    let reason = format!("spec.{changed} is not what it is to be");
    for field in fields {
        spec[field] = wanted[field].clone();
    }
    let mut object = origin.stateful_set.clone();
    object["spec"] = spec;
    if is_refused(seen, &object, &format!("{reason}, and cannot be put right"), plan) {
        return None;
    }
    Some(Step { action: Action::Apply { kind, name, object }, reason })
}

/// Whether the API has refused this very set; if so it is told, after `what`.
fn is_refused(seen: &Seen, object: &Value, what: &str, plan: &mut Plan) -> bool {
    let name = name_of(object);
    let told = seen.refusal(Kind::StatefulSet, &name, object).map(|words| Problem {
        reason: "Refused",
        message: format!("StatefulSet {name}: {what}: {words}"),
    });
    let is_refused = told.is_some();
    plan.problems.extend(told);
    is_refused
}

/// The step that makes room for a set where the one that is there cannot become it.
fn replace(origin: &Origin, there: &Value) -> Option<Step> {
    let field = storage::frozen_difference(&origin.stateful_set, there)?;
    let (name, uid) = (name_of(there), uid_of(there));
    let reason = format!("{field} cannot be changed in place; the pods stay as they are");
    let action = Action::Delete { kind: Kind::StatefulSet, name, uid, keeps_children: true };
    (!is_going(there)).then_some(Step { action, reason })
}

/// The step that takes out what somebody has added to the set: pods would be made with it. Labels and
/// annotations of pods stay, or taking out would restart brokers.
fn take_back(origin: &Origin, there: &Value, seen: &Seen, plan: &mut Plan) -> Option<Step> {
    let (kind, name) = (Kind::StatefulSet, name_of(there));
    let reason = ownership::foreign(&origin.stateful_set, there).filter(|_| !is_going(there))?;
    let object = with_pod_metadata_of(there, origin.stateful_set.clone());
    if is_refused(seen, &object, &format!("{reason}, and cannot be taken back"), plan) {
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
        claim.is_some_and(is_going)
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
