//! Which broker may be restarted now, and whether it has to be.
//!
//! A broker that serves is taken down only when all others serve and a trial has shown that its
//! new pod template could start. One that cannot run anyway is replaced at once; one that recovers
//! is left alone, however long it takes.

use serde_json::Value;

use super::{Action, Plan, Step, Wait, apply, delete};
use crate::brokers::BrokerSeen;
use crate::cluster::build::{config, external, trial};
use crate::cluster::problem::Problem;
use crate::cluster::seen::{Pod, Run, Seen, annotation, text};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names;

/// The next restart, or a step towards it.
pub(super) fn next(wanted: &Wanted, seen: &Seen, plan: &mut Plan) -> Option<Step> {
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
    let mut outdated = None;
    for broker in wanted.brokers() {
        let Some(pod) = seen.pod(cluster, broker) else {
            wait_for(broker, "its pod is not there yet", None, plan);
            continue;
        };
        let why = outdated_for(wanted, seen, broker, pod, revision);
        let why = why.filter(|_| !is_volume_going(wanted, seen, broker, pod, plan));
        if let Some(step) = look_at(broker, pod, why.as_deref(), seen, plan) {
            return Some(step);
        }
        if let Some(why) = why.filter(|_| pod.is_ready()) {
            outdated = outdated.or(Some((broker, pod, why)));
        }
    }
    let name = names::trial(cluster);
    let trial = seen.object(Kind::Pod, &name);
    let Some((broker, pod, why)) = outdated else {
        let done = || "no broker is to be restarted".to_owned();
        return trial.map(|it| delete(Kind::Pod, &name, it, done()));
    };
    let others_serve = plan.waits.iter().all(|wait| wait.reason != "BrokerNotServing");
    if !others_serve {
        plan.waits.push(restart(broker, "all other brokers must serve first".to_owned()));
        return None;
    }
    let wanted_trial = trial::trial(wanted, &revision_of(revision, &why), broker, pod);
    match trial {
        None => apply(Kind::Pod, wanted_trial, seen, plan).map(|step| Step {
            reason: format!(
                "broker {broker} is to be restarted, because {why}; \
                 this shows whether it could start again"
            ),
            ..step
        }),
        Some(there) => judge(broker, pod, &why, there, &wanted_trial, seen.now_ms, plan),
    }
}

/// The template's revision does not cover what only one broker has.
fn revision_of(revision: &str, why: &str) -> String {
    format!("{revision} {}", names::digest(why))
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
        Run::Failing(reason, words) if words.is_empty() => ("BrokerFailing", reason),
        Run::Failing(reason, words) => ("BrokerFailing", format!("{reason}: {words}")),
        Run::Unschedulable(words) => ("Unschedulable", words),
        Run::Coming => {
            wait_for(broker, "its pod is on its way", None, plan);
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
    broker: i32,
    pod: Pod<'_>,
    revision: &str,
) -> Option<String> {
    if pod.revision() != Some(revision) {
        return Some(template_change(wanted, seen, pod));
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
    let is_going = seen
        .object(Kind::PersistentVolumeClaim, &name)
        .is_some_and(|claim| text(claim, "/metadata/deletionTimestamp").is_some());
    let holds = is_going && pod.text("/spec/nodeName").is_some();
    if holds {
        let message = format!(
            "PersistentVolumeClaim {name} is being deleted and would go, with its records, as \
             soon as the pod does"
        );
        plan.waits.push(restart(broker, message));
    }
    holds
}

/// What is new in the template, in the words of the resource.
fn template_change(wanted: &Wanted, seen: &Seen, pod: Pod<'_>) -> String {
    let set = seen.object(Kind::StatefulSet, &names::brokers(&wanted.key.name));
    let template = set.and_then(|set| set.pointer("/spec/template")).unwrap_or(&Value::Null);
    let image = pod.text("/spec/containers/0/image").unwrap_or_default();
    if image != wanted.image {
        return format!("its image is {image} instead of {}", wanted.image);
    }
    if annotation(pod.object, names::CONFIG_DIGEST) != annotation(template, names::CONFIG_DIGEST) {
        return "configs changed that are read only at a start".to_owned();
    }
    "its pod template changed".to_owned()
}

/// What the trial says about the restart.
fn judge(
    broker: i32,
    pod: Pod<'_>,
    why: &str,
    there: &Value,
    wanted: &Value,
    now_ms: i64,
    plan: &mut Plan,
) -> Option<Step> {
    let seen = Pod { object: there };
    let name = seen.text("/metadata/name").unwrap_or_default();
    if seen.is_deleting() {
        plan.waits.push(restart(broker, format!("pod {name} of an earlier trial is going")));
        return None;
    }
    if annotation(there, trial::TRIAL_OF) != annotation(wanted, trial::TRIAL_OF) {
        let reason = "it tried something else than what is wanted now".to_owned();
        return Some(delete(Kind::Pod, name, there, reason));
    }
    let blocked = |reason, words: String| Problem {
        reason,
        message: format!(
            "broker {broker} keeps running as it is, because {why}, but that would \
             not start: {words}"
        ),
    };
    match seen.run() {
        Run::Succeeded => {
            let broker_pod = pod.text("/metadata/name").unwrap_or_default();
            let reason = format!("{why}, and a trial has shown that it can start again");
            return Some(delete(Kind::Pod, broker_pod, pod.object, reason));
        }
        Run::Failing(reason, words) => {
            let left_ms = given_up(seen).map(|at_ms| at_ms + TRIAL_AGAIN_MS - now_ms);
            if left_ms.is_some_and(|left_ms| left_ms <= 0) {
                let reason = format!("its node gave it up ({reason}), not the template");
                return Some(delete(Kind::Pod, name, there, reason));
            }
            plan.problems.push(blocked("RestartBlocked", format!("{reason}: {words}")));
            if let Some(left_ms) = left_ms {
                let again_ms = Some(left_ms.unsigned_abs());
                let step = restart(broker, "a trial that its node gave up is repeated".to_owned());
                plan.waits.push(Wait { again_ms, ..step });
            }
        }
        Run::Unschedulable(words) => plan.problems.push(blocked("Unschedulable", words)),
        Run::Coming | Run::Running => {
            plan.waits.push(restart(broker, format!("pod {name} tries whether it could start")));
        }
    }
    None
}

/// How old a trial is that is repeated because its node gave it up.
const TRIAL_AGAIN_MS: i64 = 60_000;

/// When a trial was made that its node gave up (evicted, shut down, out of memory), in milliseconds
/// since 1970; none for one that failed by itself.
fn given_up(trial: Pod<'_>) -> Option<i64> {
    trial.text("/status/reason").filter(|_| trial.text("/status/phase") == Some("Failed"))?;
    trial.text("/metadata/creationTimestamp").and_then(crate::clock::parse_ms)
}

fn restart(broker: i32, message: String) -> Wait {
    Wait { reason: "Restarting", step: format!("restart broker {broker}"), message, again_ms: None }
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
