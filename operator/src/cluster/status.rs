//! What is told of a cluster. Pure: what is wanted, seen and planned in, the status out.

use millrace_crds::listener::ListenerKind;
use millrace_crds::status::{BrokerStatus, ListenerStatus, Pending};
use millrace_crds::{ClusterStatus, Condition};

use super::build::external;
use super::plan::{Plan, cluster_id, replaced_directory};
use super::problem::Problem;
use super::seen::{Pod, Run, Seen, label};
use super::wanted::Wanted;
use crate::brokers::BrokerSeen;
use crate::conditions::{Statement, condition};
use crate::names;

/// What is known of the resource itself.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its generation.
    pub generation: i64,
    /// What was told last.
    pub before: &'a ClusterStatus,
    /// Now, in milliseconds since 1970.
    pub now_ms: i64,
}

/// The status of a cluster whose resource is sound.
pub fn status(wanted: &Wanted, seen: &Seen, plan: &Plan, told: Told<'_>) -> ClusterStatus {
    let cluster = &wanted.key.name;
    let one = |id| broker(cluster, id, seen, told.before);
    let brokers: Vec<BrokerStatus> = wanted.brokers().map(one).collect();
    let selector = names::selector(cluster);
    let selector: Vec<String> =
        selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    ClusterStatus {
        observed_generation: told.generation,
        replicas: count(&brokers, |it| it.state != "Missing"),
        ready_replicas: count(&brokers, |it| it.state == "Serving"),
        selector: selector.join(","),
        cluster_id: cluster_id(wanted, seen).ok(),
        bootstrap: internal_bootstrap(wanted),
        conditions: conditions(wanted.spec.paused, plan, &told),
        listeners: listeners(wanted, seen),
        pending: pending(wanted, plan),
        brokers,
    }
}

/// The status of a cluster whose resource is refused: what runs goes on, and is told as before.
pub fn refused(problems: &[Problem], seen: &Seen, cluster: &str, told: Told<'_>) -> ClusterStatus {
    let known = told.before.brokers.iter().map(|it| broker(cluster, it.id, seen, told.before));
    let brokers: Vec<BrokerStatus> = known.collect();
    let plan = Plan { problems: problems.to_vec(), ..Plan::default() };
    ClusterStatus {
        observed_generation: told.generation,
        replicas: count(&brokers, |it| it.state != "Missing"),
        ready_replicas: count(&brokers, |it| it.state == "Serving"),
        conditions: conditions(false, &plan, &told),
        pending: Vec::new(),
        brokers,
        ..told.before.clone()
    }
}

fn conditions(is_paused: bool, plan: &Plan, told: &Told<'_>) -> Vec<Condition> {
    let problems: Vec<&str> = plan.problems.iter().map(|it| it.message.as_str()).collect();
    let waits: Vec<String> =
        plan.waits.iter().map(|it| format!("{}: {}", it.step, it.message)).collect();
    let first_problem = plan.problems.first().map(|it| it.reason);
    let first_wait = plan.waits.first().map(|it| it.reason);
    let is_moving = plan.step.is_some() || first_wait.is_some();
    let (reason, message) = match (first_problem, &plan.step, first_wait) {
        (Some(reason), ..) => (reason, problems.join("; ")),
        (None, Some(step), _) if is_paused => ("Paused", format!("not done: {step}")),
        (None, Some(step), _) => ("Progressing", step.to_string()),
        (None, None, Some(reason)) => (reason, waits.join("; ")),
        (None, None, None) => ("AsSpecified", "all brokers serve, all is as specified".to_owned()),
    };
    let progress = match (is_paused, is_moving) {
        (true, _) => (false, "Paused", "spec.paused is true".to_owned()),
        (false, true) => (true, first_wait.unwrap_or("Progressing"), waits.join("; ")),
        (false, false) => (false, "Idle", "there is nothing to do".to_owned()),
    };
    let statement = |kind, (holds, reason, message)| {
        let statement = Statement { kind, holds, reason, message };
        condition(statement, &told.before.conditions, told.generation, told.now_ms)
    };
    let degraded = (
        first_problem.is_some(),
        first_problem.unwrap_or("AsExpected"),
        if problems.is_empty() { "nothing is wrong".to_owned() } else { problems.join("; ") },
    );
    let is_ready = first_problem.is_none() && !is_moving;
    vec![
        statement("Ready", (is_ready, reason, message)),
        statement("Progressing", progress),
        statement("Degraded", degraded),
    ]
}

fn pending(wanted: &Wanted, plan: &Plan) -> Vec<Pending> {
    let step = plan.step.iter().map(|step| Pending {
        step: step.action.to_string(),
        reason: if wanted.spec.paused {
            "spec.paused is true".to_owned()
        } else {
            step.reason.clone()
        },
    });
    let waits = plan.waits.iter();
    let waits = waits.map(|it| Pending { step: it.step.clone(), reason: it.message.clone() });
    step.chain(waits).take(100).collect()
}

fn count(brokers: &[BrokerStatus], which: impl Fn(&BrokerStatus) -> bool) -> i32 {
    i32::try_from(brokers.iter().filter(|it| which(it)).count()).unwrap_or(i32::MAX)
}

fn broker(cluster: &str, id: i32, seen: &Seen, before: &ClusterStatus) -> BrokerStatus {
    let name = names::pod(cluster, id);
    let state = seen.state(id);
    let known = before.brokers.iter().find(|it| it.id == id);
    let known_directory = known.and_then(|it| it.directory_id.clone());
    let told_directory = state.map(|it| it.directory_id.to_string());
    // Who lost a volume must hear of it until it is accepted, so the one that was is not forgotten.
    let directory_id = match replaced_directory(cluster, seen, id) {
        Some(_) => known_directory,
        None => told_directory.or(known_directory),
    };
    let mut status = BrokerStatus {
        id,
        pod: name,
        state: "Missing".to_owned(),
        version: state.map(|it| it.version.clone()),
        directory_id,
        ..BrokerStatus::default()
    };
    let Some(pod) = seen.pod(cluster, id) else { return status };
    status.node = pod.text("/spec/nodeName").map(str::to_owned);
    status.zone = label(pod.object, "topology.kubernetes.io/zone").map(str::to_owned);
    let (state, message) = state_of(id, pod, seen);
    status.state = state.to_owned();
    status.message = message;
    // A broker that serves and was not heard for once is what it was.
    let known = known.filter(|_| state == "Serving");
    status.version = status.version.or_else(|| known?.version.clone());
    status
}

fn state_of(id: i32, pod: Pod<'_>, seen: &Seen) -> (&'static str, Option<String>) {
    if pod.is_deleting() {
        return ("Stopping", None);
    }
    match (pod.is_ready(), pod.run(), seen.brokers.get(&id)) {
        (true, ..) => ("Serving", None),
        (false, Run::Failing(reason, words), _) => ("Failing", Some(format!("{reason}: {words}"))),
        (false, Run::Unschedulable(words), _) => ("Pending", Some(words)),
        (false, Run::Coming, _) => ("Pending", None),
        (false, _, Some(BrokerSeen::Starts(reasons))) => ("Starting", Some(reasons.clone())),
        (false, _, _) => ("Starting", None),
    }
}

fn internal_bootstrap(wanted: &Wanted) -> Option<String> {
    let service = names::bootstrap(&wanted.key.name);
    Some(format!("{service}.{}.svc:{}", wanted.key.namespace, wanted.internal_port()))
}

fn listeners(wanted: &Wanted, seen: &Seen) -> Vec<ListenerStatus> {
    // A node port is the same on each node; one that has a broker is there for sure.
    let pods = wanted.brokers().filter_map(|id| seen.pod(&wanted.key.name, id));
    let node = pods.into_iter().find_map(|pod| pod.text("/status/hostIP"));
    let bootstrap = |listener: &millrace_crds::Listener| match listener.kind {
        ListenerKind::Internal => internal_bootstrap(wanted),
        ListenerKind::NodePort | ListenerKind::LoadBalancer => {
            let (host, port) = external::address(wanted, seen, listener, None)?;
            let is_node = host == external::NODE_ADDRESS;
            let host = if is_node { external::bracketed(node?) } else { host };
            Some(format!("{host}:{port}"))
        }
    };
    wanted
        .spec
        .listeners
        .iter()
        .map(|listener| ListenerStatus {
            name: listener.name.clone(),
            kind: format!("{:?}", listener.kind),
            bootstrap: bootstrap(listener),
        })
        .collect()
}
