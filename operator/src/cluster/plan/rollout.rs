//! Which broker may be restarted now, and whether it has to be.
//!
//! A broker that serves is taken down only when all others serve and a trial has shown that its
//! new pod template could start. One that cannot run anyway is replaced at once; one that recovers
//! is left alone, however long it takes.

use serde_json::{Value, json};

use super::brokers::Origin;
use super::coming::{coming, missing};
use super::trial::{self, Attempt, Outcome, restart};
use super::{Action, Plan, Step, Wait, delete, is_going};
use crate::brokers::BrokerSeen;
use crate::cluster::build::{claim, config, external};
use crate::cluster::problem::Problem;
use crate::cluster::seen::{Pod, Run, Seen, mounted_configs, text};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::{names, ownership, same};

/// The next restart, or a step towards it; `untried` is a change of what brokers start from that a
/// trial has to allow first.
pub(super) fn next(
    wanted: &Wanted,
    seen: &Seen,
    origin: &Origin,
    untried: Option<Step>,
    plan: &mut Plan,
) -> Option<Step> {
    let cluster = &wanted.key.name;
    let set = seen.object(Kind::StatefulSet, &names::brokers(cluster))?;
    let generation = |path: &str| set.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    if generation("/status/observedGeneration") < generation("/metadata/generation") {
        plan.waits.push(Wait {
            reason: "StatefulSetPending",
            step: "compare the pods with their template".to_owned(),
            message: "Kubernetes has not looked at the StatefulSet yet".to_owned(),
            again_ms: None,
        });
        return None;
    }
    let revision = text(set, "/status/updateRevision").unwrap_or_default();
    // A pod is replaced only by what the operator wrote.
    let is_edited = untried.is_some() && ownership::is_template_edited(set);
    let mut outdated = None;
    for broker in wanted.brokers() {
        let Some(pod) = seen.pod(cluster, broker) else {
            let missing = missing(&names::brokers(cluster), seen);
            let but = missing.words.map(|words| format!(", but {words}")).unwrap_or_default();
            let message = format!("its pod is not there yet{but}");
            wait_for(broker, &message, Some(missing.again_ms), plan);
            plan.problems.extend(missing.stuck.map(|words| Problem {
                reason: "Refused",
                message: format!("StatefulSet {}: {words}", names::brokers(cluster)),
            }));
            continue;
        };
        if let Some(step) = label(wanted, broker, pod, seen, plan) {
            return Some(step);
        }
        let why = outdated_for(wanted, seen, origin, broker, pod, revision);
        let why = why.filter(|_| !is_volume_going(wanted, seen, broker, pod, plan));
        let replaced_for = why.as_deref().filter(|_| !is_edited);
        if let Some(step) = look_at(broker, pod, replaced_for, seen, plan) {
            return Some(step);
        }
        if let Some(why) = why.filter(|_| pod.is_ready()) {
            outdated = outdated.or(Some((broker, pod, why)));
        }
    }
    if let Some(change) = untried {
        return allow(wanted, seen, origin, set, change, plan);
    }
    let Some((broker, pod, why)) = outdated else {
        let name = names::trial(cluster);
        let reason = "no broker is to be restarted".to_owned();
        // What the API refuses to change is asked for again later, and needs its trial then.
        let is_done = set.pointer("/spec/template").is_some_and(|it| origin.is_of(it));
        let trial = seen.object(Kind::Pod, &name).filter(|it| is_done && !is_going(it));
        return trial.map(|it| delete(Kind::Pod, &name, it, reason));
    };
    let others_serve = plan.waits.iter().all(|wait| wait.reason != "BrokerNotServing");
    if !others_serve {
        plan.waits.push(restart(broker, "all other brokers must serve first".to_owned()));
        return None;
    }
    let attempt = Attempt { broker, pod: Some(pod), why: &why };
    match trial::attempt(wanted, seen, origin, attempt, plan) {
        Outcome::Starts => {
            let name = pod.text("/metadata/name").unwrap_or_default();
            let reason = format!("{why}, and a trial has shown that it can start again");
            Some(delete(Kind::Pod, name, pod.object, reason))
        }
        Outcome::Step(step) => Some(step),
        Outcome::Waits => None,
    }
}

/// The step that puts back the labels by which the set and the services find a broker's pod.
fn label(wanted: &Wanted, broker: i32, pod: Pod<'_>, seen: &Seen, plan: &mut Plan) -> Option<Step> {
    let (kind, name) = (Kind::Pod, names::pod(&wanted.key.name, broker));
    let is_ours = pod.mounts(&names::claim(&wanted.key.name, broker)) && !pod.is_deleting();
    let labels = json!(claim::labels(wanted));
    let there = pod.object.pointer("/metadata/labels").unwrap_or(&Value::Null);
    let label = same::difference(&labels, there).filter(|_| is_ours)?;
    let object = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": {
            "name": name,
            "namespace": wanted.key.namespace,
            "uid": pod.uid(),
            "labels": labels,
        },
    });
    if let Some(words) = seen.refusal(kind, &name, &object) {
        let message = format!("Pod {name}: its label {label} is not what it is to be: {words}");
        plan.problems.push(Problem { reason: "Refused", message });
        return None;
    }
    let reason = format!("without its label {label} nobody finds the broker");
    Some(Step { action: Action::Apply { kind, name, object }, reason })
}

/// The change of what brokers start from, once a trial has shown that they can.
fn allow(
    wanted: &Wanted,
    seen: &Seen,
    origin: &Origin,
    set: &Value,
    change: Step,
    plan: &mut Plan,
) -> Option<Step> {
    let mut pods = wanted.brokers().filter_map(|id| Some((id, seen.pod(&wanted.key.name, id)?)));
    let (broker, pod) = pods.next().map_or((0, None), |(id, pod)| (id, Some(pod)));
    let template = set.pointer("/spec/template").unwrap_or(&Value::Null);
    let why = template_change(wanted, origin, pod.map_or(template, |pod| pod.object));
    match trial::attempt(wanted, seen, origin, Attempt { broker, pod, why: &why }, plan) {
        Outcome::Starts => {
            let what = match &change.action {
                Action::Apply { .. } | Action::Replace { .. } => why,
                Action::Delete { .. }
                | Action::LetGo { .. }
                | Action::Release { .. }
                | Action::SetConfigs(_) => change.reason,
            };
            let reason = format!("{what}, and a trial has shown that brokers can start from it");
            Some(Step { action: change.action, reason })
        }
        Outcome::Step(step) => Some(step),
        Outcome::Waits => None,
    }
}

/// Notes what keeps a broker from serving; the step that replaces a pod that cannot run anyway.
fn look_at(
    broker: i32,
    pod: Pod<'_>,
    why: Option<&str>,
    seen: &Seen,
    plan: &mut Plan,
) -> Option<Step> {
    if pod.is_deleting() {
        wait_for(broker, "its pod is stopping", None, plan);
        // Its kubelet takes a second or more to clear up, and only then would the next one come. No
        // two brokers write: the volume itself is still given from one pod to the next.
        return pod.has_ended().then(|| release(pod));
    }
    if pod.is_ready() {
        return None;
    }
    let name = pod.text("/metadata/name").unwrap_or_default();
    let (reason, message) = match pod.run() {
        Run::Failing(reason, words) => ("BrokerFailing", trial::told(&reason, &words)),
        Run::Unschedulable(words) => ("Unschedulable", words),
        Run::Coming => {
            let coming = coming(pod, seen);
            let but = coming.words.map(|words| format!(", but {words}")).unwrap_or_default();
            let message = format!("its pod is on its way{but}");
            wait_for(broker, &message, Some(coming.again_ms), plan);
            plan.problems.extend(coming.stuck.map(|words| Problem {
                reason: "BrokerNotStarting",
                message: format!("pod {name}: {words}"),
            }));
            return cannot_run(pod, why, "has not started");
        }
        Run::Running | Run::Succeeded => {
            wait_for(broker, &starting(broker, seen), Some(1_000), plan);
            return None;
        }
    };
    wait_for(broker, &message, None, plan);
    plan.problems.push(Problem { reason, message: format!("pod {name}: {message}") });
    cannot_run(pod, why, &message)
}

/// The step that makes room for the pod that comes after one that has ended.
fn release(pod: Pod<'_>) -> Step {
    let name = pod.text("/metadata/name").unwrap_or_default().to_owned();
    let reason = "it has ended, and the next one needs its name".to_owned();
    Step { action: Action::Release { name, uid: pod.uid() }, reason }
}

/// A pod that does not run loses nothing by being replaced with one that may.
fn cannot_run(pod: Pod<'_>, why: Option<&str>, message: &str) -> Option<Step> {
    let name = pod.text("/metadata/name").unwrap_or_default();
    let reason = format!("{} and it does not run anyway ({message})", why?);
    Some(delete(Kind::Pod, name, pod.object, reason))
}

fn starting(broker: i32, seen: &Seen) -> String {
    match seen.brokers.get(&broker) {
        Some(BrokerSeen::Starts(reasons)) => format!("it starts: {reasons}"),
        Some(BrokerSeen::Silent(error)) => format!("it does not answer: {error}"),
        Some(BrokerSeen::Serves(_)) | None => "its pod is not ready".to_owned(),
    }
}

/// Why a broker does not run what it is to run; none if it does.
fn outdated_for(
    wanted: &Wanted,
    seen: &Seen,
    origin: &Origin,
    broker: i32,
    pod: Pod<'_>,
    revision: &str,
) -> Option<String> {
    if pod.revision() != Some(revision) {
        return Some(template_change(wanted, origin, pod.object));
    }
    if !origin.is_of(pod.object) {
        return None;
    }
    // Addresses stand in a file of the broker's own, so no template changes with them.
    let told = &seen.state(broker)?.listeners;
    let node = pod.text("/status/hostIP").unwrap_or_default();
    let node = if node.contains(':') { format!("[{node}]") } else { node.to_owned() };
    let expected: Vec<String> = config::advertised(wanted, seen, broker)
        .into_iter()
        .map(|address| address.replace(external::NODE_ADDRESS, &node))
        .collect();
    (*told != expected && !node.is_empty())
        .then(|| format!("it tells clients {} instead of {}", told.join(","), expected.join(",")))
}

/// Whether a broker must not be restarted because its volume would go with its pod: a claim that is
/// deleted stays only as long as a pod on a node has it.
fn is_volume_going(
    wanted: &Wanted,
    seen: &Seen,
    broker: i32,
    pod: Pod<'_>,
    plan: &mut Plan,
) -> bool {
    let name = names::claim(&wanted.key.name, broker);
    let claim = seen.object(Kind::PersistentVolumeClaim, &name);
    let holds = claim.is_some_and(is_going) && pod.text("/spec/nodeName").is_some();
    if holds {
        let message = format!(
            "PersistentVolumeClaim {name} is being deleted and would go, with its records, as \
             soon as the pod does"
        );
        plan.waits.push(restart(broker, message));
    }
    holds
}

/// What is new in the template for a pod, in the words of the resource.
fn template_change(wanted: &Wanted, origin: &Origin, pod: &Value) -> String {
    let image = Pod { object: pod }.container().and_then(|it| text(it, "/image"));
    let image = image.unwrap_or_default();
    if image != wanted.image {
        return format!("its image is {image} instead of {}", wanted.image);
    }
    if mounted_configs(pod) != mounted_configs(origin.template()) {
        return "configs changed that are read only at a start".to_owned();
    }
    "its pod template changed".to_owned()
}

/// Notes that a broker does not serve; looks again soon only where no object would change.
fn wait_for(broker: i32, message: &str, again_ms: Option<u64>, plan: &mut Plan) {
    plan.waits.push(Wait {
        reason: "BrokerNotServing",
        step: format!("have broker {broker} serve"),
        message: message.to_owned(),
        again_ms,
    });
}
