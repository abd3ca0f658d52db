//! The pod template of the brokers.

use std::collections::BTreeMap;

use millrace_crds::listener::HTTP_PORT;
use millrace_crds::pod::Quantity;
use millrace_crds::schema::sorted;
use serde_json::{Value, json};

use super::config::{self, SHARED};
use super::put;
use crate::cluster::wanted::Wanted;
use crate::names::{self, HTTP_PORT_NAME};

/// Who brokers run and write to their volumes as, whatever their image says: another image must find
/// its volume writable. Left out where the platform chooses.
const USER: i64 = 65_532;
/// Where the configs are in a pod.
const CONFIG_PATH: &str = "/etc/millrace";

/// The template of the brokers' pods.
pub fn template(wanted: &Wanted, cluster_id: &str) -> Value {
    let cluster = &wanted.key.name;
    let pod = &wanted.spec.pod;
    let mut labels = pod.labels.clone();
    labels.extend(names::labels(cluster));
    labels.extend(names::selector(cluster));
    let mut spec = common(wanted);
    spec["containers"] = json!([broker(wanted)]);
    spec["volumes"] = json!([config_volume(&config::name(wanted, cluster_id))]);
    put(&mut spec, "affinity", &pod.affinity);
    put(&mut spec, "topologySpreadConstraints", spread(wanted));
    let mut template = json!({
        "metadata": { "labels": labels, "annotations": pod.annotations }, "spec": spec,
    });
    let digest = names::digest(&sorted(&template).to_string());
    template["metadata"]["annotations"][names::TEMPLATE_DIGEST] = json!(digest);
    template
}

/// What a broker's pod and its trial have in common: where they may run, and as whom.
pub fn common(wanted: &Wanted) -> Value {
    let pod = &wanted.spec.pod;
    let mut spec = json!({
        "serviceAccountName": names::account(&wanted.key.name),
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": pod.termination_grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": true,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": { "type": "RuntimeDefault" },
        },
    });
    let user = wanted.are_users_set.then_some(USER);
    for field in ["runAsUser", "runAsGroup", "fsGroup"] {
        put(&mut spec["securityContext"], field, user);
    }
    put(&mut spec, "nodeSelector", &pod.node_selector);
    put(&mut spec, "tolerations", &pod.tolerations);
    put(&mut spec, "priorityClassName", &pod.priority_class_name);
    put(&mut spec, "imagePullSecrets", &pod.image_pull_secrets);
    spec
}

/// The container, as far as a trial has it, too. `broker` is the number or what stands for it.
pub fn container(wanted: &Wanted, command: &str, broker: &str) -> Value {
    let own = names::own_file(broker);
    let mut container = json!({
        "name": names::CONTAINER,
        "image": wanted.image,
        "args": [
            command,
            format!("--config={CONFIG_PATH}/{SHARED}"),
            format!("--config={CONFIG_PATH}/{own}"),
            format!("--http=[::]:{HTTP_PORT}"),
        ],
        "env": environment(wanted),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": { "drop": ["ALL"] },
        },
        "volumeMounts": [{ "name": names::CONFIG_VOLUME, "mountPath": CONFIG_PATH, "readOnly": true }],
    });
    put(&mut container, "imagePullPolicy", wanted.spec.image_pull_policy);
    container
}

fn broker(wanted: &Wanted) -> Value {
    let mut container = container(wanted, "start", "$(MILLRACE_POD_INDEX)");
    put(&mut container, "resources", resources(wanted));
    let listeners = wanted.spec.listeners.iter();
    let mut ports: Vec<Value> =
        listeners.map(|it| json!({ "name": it.name, "containerPort": it.port })).collect();
    ports.push(json!({ "name": HTTP_PORT_NAME, "containerPort": HTTP_PORT }));
    container["ports"] = json!(ports);
    let mount = json!({ "name": names::VOLUME, "mountPath": "/data" });
    if let Some(mounts) = container["volumeMounts"].as_array_mut() {
        mounts.push(mount);
    }
    let get = |path: &str| json!({ "path": path, "port": HTTP_PORT_NAME });
    // A broker that recovers answers /livez as long as its recovery moves on, so no probe counts
    // how long it takes.
    container["startupProbe"] = json!({
        "httpGet": get("/livez"), "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 120,
    });
    container["livenessProbe"] = json!({
        "httpGet": get("/livez"), "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6,
    });
    container["readinessProbe"] = json!({
        "httpGet": get("/readyz"), "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 3,
    });
    container
}

/// What a broker asks for, and what it may take.
pub fn resources(wanted: &Wanted) -> Value {
    let mut resources = json!({});
    put(&mut resources, "requests", amounts(&wanted.spec.resources.requests));
    put(&mut resources, "limits", amounts(&wanted.spec.resources.limits));
    resources
}

/// Amounts as texts, which is what Kubernetes makes of them.
pub fn amounts(given: &BTreeMap<String, Quantity>) -> BTreeMap<String, String> {
    given.iter().map(|(name, Quantity(amount))| (name.clone(), amount.to_string())).collect()
}

/// The volume with the configs of a `ConfigMap`.
pub fn config_volume(config_map: &str) -> Value {
    json!({ "name": names::CONFIG_VOLUME, "configMap": { "name": config_map } })
}

/// What a broker learns of its pod. `MILLRACE_POD_ZONE` is empty before Kubernetes 1.35, which first
/// puts the node's zone on pods.
fn environment(wanted: &Wanted) -> Vec<Value> {
    let field = |name: &str, path: &str| json!({ "name": name, "valueFrom": { "fieldRef": { "fieldPath": path } } });
    let mut all = vec![
        field("MILLRACE_POD_INDEX", "metadata.labels['apps.kubernetes.io/pod-index']"),
        field("MILLRACE_POD_NODE_ADDRESS", "status.hostIP"),
        field("MILLRACE_POD_ZONE", "metadata.labels['topology.kubernetes.io/zone']"),
        json!({ "name": "MILLRACE_LOG_FORMAT", "value": "json" }),
    ];
    all.extend(wanted.spec.pod.env.iter().map(|it| json!(it)));
    all
}

/// Over zones and nodes, as far as possible, unless the user says otherwise.
fn spread(wanted: &Wanted) -> Vec<Value> {
    let selector = json!({ "matchLabels": names::selector(&wanted.key.name) });
    let given = &wanted.spec.pod.topology_spread_constraints;
    let mut all: Vec<Value> = if given.is_empty() {
        ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
            .map(|key| {
                json!({
                    "maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": "ScheduleAnyway",
                })
            })
            .into()
    } else {
        given.iter().map(|it| json!(it)).collect()
    };
    all.iter_mut().for_each(|it| it["labelSelector"] = selector.clone());
    all
}
