//! The trial: a pod that shows whether a new pod template could start, before a broker that serves
//! is taken down for it.
//!
//! It has the new image, configs and constraints, checks the configs and ends. It asks for what the
//! new template takes beyond the old one, since the rest becomes free; it leaves neighbours aside,
//! because the broker itself is still there; and it stands on the broker's node if the broker could
//! come back to it, because its volume may only be had there.

use std::collections::BTreeMap;

use millrace_crds::pod::Quantity;
use serde_json::{Value, json};

use super::pod::amounts;
use super::{child, owner, pod, put};
use crate::cluster::seen::Pod;
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::{names, quantity};

/// Tells which template, for which pod, a trial is of.
pub const TRIAL_OF: &str = "millrace.io/trial-of";

/// The trial of a template for a broker; `what` is all that it starts from, `config_map` the name of
/// its configs, `current` the pod that it has.
pub fn trial(
    wanted: &Wanted,
    config_map: &str,
    what: &str,
    broker: i32,
    current: Option<Pod<'_>>,
) -> Value {
    let cluster = &wanted.key.name;
    let mut spec = pod::common(wanted);
    let mut container = pod::container(wanted, "check", &broker.to_string());
    put(&mut container, "resources", resources(wanted, current));
    spec["containers"] = json!([container]);
    spec["volumes"] = json!([pod::config_volume(config_map)]);
    spec["restartPolicy"] = json!("Never");
    // It has nothing to lose, and the next trial waits for its name.
    spec["terminationGracePeriodSeconds"] = json!(0);
    let nodes = wanted.spec.pod.affinity.as_ref().and_then(|it| it.node_affinity.as_ref());
    let mut affinity = json!({});
    put(&mut affinity, "nodeAffinity", nodes);
    put(&mut spec, "affinity", &affinity);
    if let Some(current) = current
        && let Some(node) = current.text("/spec/nodeName")
        && has_same_constraints(&spec, current)
    {
        pin(&mut spec, node);
    }
    let uid = current.map_or_else(|| "none".to_owned(), Pod::uid);
    let of = format!("{} {uid}", names::digest(&format!("{what} {spec}")));
    // What users put on pods, to keep sidecars away perhaps, is to be on this one.
    let mut labels = wanted.spec.pod.labels.clone();
    labels.extend(names::labels(cluster));
    labels.insert("app.kubernetes.io/component".to_owned(), "trial".to_owned());
    let mut annotations = wanted.spec.pod.annotations.clone();
    annotations.insert(TRIAL_OF.to_owned(), of);
    let rest = json!({
        "metadata": {
            "labels": labels, "annotations": annotations, "ownerReferences": owner(wanted),
        },
        "spec": spec,
    });
    child(wanted, Kind::Pod, &names::trial(cluster), rest)
}

/// A trial that asks for all that a broker does: where rules of the namespace want no less.
pub fn with_all_resources(mut trial: Value, wanted: &Wanted) -> Value {
    trial["spec"]["containers"][0]["resources"] = pod::resources(wanted);
    trial
}

/// Adds to all other wishes that it is this node. By its name: the label `kubernetes.io/hostname` may
/// be another.
fn pin(spec: &mut Value, node: &str) {
    let this = json!({ "key": "metadata.name", "operator": "In", "values": [node] });
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let terms = &mut spec["affinity"]["nodeAffinity"][required]["nodeSelectorTerms"];
    match terms.as_array_mut() {
        None => *terms = json!([{ "matchFields": [this] }]),
        Some(terms) => {
            for term in terms {
                match term["matchFields"].as_array_mut() {
                    None => term["matchFields"] = json!([this]),
                    Some(fields) => fields.push(this.clone()),
                }
            }
        }
    }
}

/// Whether the broker may come back to where it is, as far as the template says.
fn has_same_constraints(spec: &Value, current: Pod<'_>) -> bool {
    let of = |pod: &Value, path: &str| pod.pointer(path).cloned().unwrap_or(json!({}));
    let current = current.object.get("spec").unwrap_or(&Value::Null);
    ["/nodeSelector", "/affinity/nodeAffinity"]
        .iter()
        .all(|path| of(spec, path) == of(current, path))
}

/// What the new template asks for beyond the old one; limits as they are.
fn resources(wanted: &Wanted, current: Option<Pod<'_>>) -> Value {
    let mut requests: BTreeMap<String, String> = BTreeMap::new();
    let given = &wanted.spec.resources;
    // Where only a limit is given Kubernetes asks for as much.
    for (name, Quantity(amount)) in given.limits.iter().chain(&given.requests) {
        let before = current
            .and_then(|pod| pod.container()?.pointer("/resources/requests"))
            .and_then(|requests| requests.get(name));
        let before = before.map(amount_text).and_then(|it| quantity::thousandths(&it));
        let after = quantity::thousandths(&amount.to_string());
        let more = after.unwrap_or(0).saturating_sub(before.unwrap_or(0)).max(0);
        requests.insert(name.clone(), quantity::text(more));
    }
    let mut resources = json!({});
    put(&mut resources, "requests", requests);
    put(&mut resources, "limits", amounts(&wanted.spec.resources.limits));
    resources
}

fn amount_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
