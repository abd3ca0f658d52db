//! What somebody deletes or edits of a cluster's child objects becomes what it was, also if the
//! operator dies over it.

use futures::FutureExt;
use serde_json::{Value, json};

use crate::support::history::{Allowed, ONE_RESTART, PEACE};
use crate::support::scenario::{Act, Scenario, survives_crashes};
use crate::support::small::{is_ready, small};
use crate::support::{Operator, World};

/// A child object that somebody deletes comes back.
fn comes_back(delete: Act, restarts: usize) {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: delete,
        is_done: |world| {
            let children = [
                ("ServiceAccount", "c-brokers"),
                ("Service", "c-brokers"),
                ("Service", "c-bootstrap"),
                ("NetworkPolicy", "c"),
                ("PodDisruptionBudget", "c"),
                ("StatefulSet", "c"),
                ("Pod", "c-0"),
            ];
            let is_there = |(kind, name): (&str, &str)| {
                let object = world.object(kind, "default", name);
                object.is_some_and(|it| it["metadata"]["deletionTimestamp"].is_null())
            };
            let has_all = children.into_iter().all(is_there);
            is_ready(world) && has_all && is_there(("ConfigMap", &configs(world)))
        },
        allowed: Allowed { restarts, ..PEACE },
    });
}

#[test]
fn children_that_are_deleted_come_back() {
    comes_back(|world| world.delete("ServiceAccount", "default", "c-brokers").boxed(), 0);
    comes_back(|world| world.delete("Service", "default", "c-brokers").boxed(), 0);
    comes_back(|world| world.delete("Service", "default", "c-bootstrap").boxed(), 0);
    comes_back(|world| world.delete("NetworkPolicy", "default", "c").boxed(), 0);
    comes_back(|world| world.delete("PodDisruptionBudget", "default", "c").boxed(), 0);
    comes_back(
        |world| async { world.delete("ConfigMap", "default", &configs(world)).await }.boxed(),
        0,
    );
    // These take the broker along, as the one who deletes them must know.
    comes_back(|world| world.delete("StatefulSet", "default", "c").boxed(), 1);
    comes_back(|world| world.delete("Pod", "default", "c-0").boxed(), 1);
}

/// A child object that somebody edits becomes what it was.
fn is_undone(change: Act, restarts: usize) {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change,
        is_done: |world| {
            let service = world.get("Service", "c-bootstrap");
            let budget = world.get("PodDisruptionBudget", "c");
            let set = world.get("StatefulSet", "c");
            let map = world.get("ConfigMap", &configs(world));
            let policy = world.get("NetworkPolicy", "c");
            let account = world.get("ServiceAccount", "c-brokers");
            let pod = &set["spec"]["template"]["spec"];
            is_ready(world)
                && pod["hostNetwork"].is_null()
                && pod["containers"][0]["command"].is_null()
                && policy["spec"]["ingress"][0]["from"].is_null()
                && service["spec"]["ports"][0]["port"] == 9092
                && budget["spec"]["maxUnavailable"] == 1
                && set["spec"]["replicas"] == 1
                && map["data"]["server.properties"].as_str().is_some_and(|it| it.len() > 9)
                && policy["spec"]["egress"].as_array().is_some_and(|it| it.len() == 2)
                && account["automountServiceAccountToken"] == false
        },
        allowed: Allowed { restarts, ..PEACE },
    });
}

#[test]
fn children_that_are_edited_become_what_they_were() {
    is_undone(
        |world| {
            let patch = json!({ "spec": { "ports": [{ "name": "internal", "port": 1 }] } });
            edit_child(world, "Service", "c-bootstrap", patch).boxed()
        },
        0,
    );
    is_undone(
        |world| {
            let patch = json!({ "spec": { "maxUnavailable": 0 } });
            edit_child(world, "PodDisruptionBudget", "c", patch).boxed()
        },
        0,
    );
    is_undone(
        |world| {
            let patch = json!({ "data": { "server.properties": "x" } });
            async { edit_child(world, "ConfigMap", &configs(world), patch).await }.boxed()
        },
        0,
    );
    is_undone(
        |world| {
            let patch = json!({ "spec": { "egress": null } });
            edit_child(world, "NetworkPolicy", "c", patch).boxed()
        },
        0,
    );
    is_undone(
        |world| {
            let patch = json!({ "automountServiceAccountToken": true });
            edit_child(world, "ServiceAccount", "c-brokers", patch).boxed()
        },
        0,
    );
    // Two fields that exclude each other.
    is_undone(
        |world| {
            let patch = json!({ "spec": { "maxUnavailable": null, "minAvailable": 1 } });
            edit_child(world, "PodDisruptionBudget", "c", patch).boxed()
        },
        0,
    );
    // Who scales the set to nothing takes the broker down.
    is_undone(
        |world| {
            let patch = json!({ "spec": { "replicas": 0 } });
            edit_child(world, "StatefulSet", "c", patch).boxed()
        },
        1,
    );
}

/// In a list that is ours as a whole, in the template, in a container.
#[test]
fn what_is_put_beside_ours_goes() {
    is_undone(
        |world| {
            let from = json!([{ "ipBlock": { "cidr": "10.0.0.0/8" } }]);
            async move {
                let mut rule = world.get("NetworkPolicy", "c")["spec"]["ingress"][0].clone();
                rule["from"] = from;
                let patch = json!({ "spec": { "ingress": [rule] } });
                edit_child(world, "NetworkPolicy", "c", patch).await;
            }
            .boxed()
        },
        0,
    );
    is_undone(
        |world| {
            let patch = json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } });
            edit_child(world, "StatefulSet", "c", patch).boxed()
        },
        0,
    );
    is_undone(
        |world| {
            async {
                let set = world.get("StatefulSet", "c");
                let mut containers = set["spec"]["template"]["spec"]["containers"].clone();
                containers[0]["command"] = json!(["sleep"]);
                let spec = json!({ "template": { "spec": { "containers": containers } } });
                edit_child(world, "StatefulSet", "c", json!({ "spec": spec })).await;
            }
            .boxed()
        },
        0,
    );
}

/// By its labels the set and the services find a pod.
#[tokio::test(start_paused = true)]
async fn a_pod_gets_labels_back_that_somebody_took_off() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    small(&world).await;
    world.until("ready", is_ready).await;
    let pod = world.get("Pod", "c-0");
    for label in
        ["app.kubernetes.io/component", "app.kubernetes.io/managed-by", "millrace.io/cluster"]
    {
        let patch = json!({ "metadata": { "labels": { (label): null } } });
        world.patch("Pod", "default", "c-0", &patch).await;
        let labels = |it: &World| it.get("Pod", "c-0")["metadata"]["labels"].clone();
        world.until(label, |it| labels(it) == pod["metadata"]["labels"]).await;
        world.settle().await;
        assert!(is_ready(&world), "{label}");
        assert_eq!(world.get("Pod", "c-0")["metadata"]["uid"], pod["metadata"]["uid"], "{label}");
    }
}

/// The second time it is seen as well as the first.
#[tokio::test(start_paused = true)]
async fn what_is_put_beside_ours_again_and_again_goes() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    small(&world).await;
    world.until("ready", is_ready).await;
    let pod = world.get("Pod", "c-0")["metadata"]["uid"].clone();
    for _ in 0..3 {
        let patch = json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } });
        edit_child(&world, "StatefulSet", "c", patch).await;
        world
            .until("taken back", |it| {
                let set = it.get("StatefulSet", "c");
                is_ready(it) && set["spec"]["template"]["spec"]["hostNetwork"].is_null()
            })
            .await;
        world.settle().await;
        let set = world.get("StatefulSet", "c");
        let entries = set["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        assert!(entries.iter().any(|it| it["operation"] == "Apply"), "{entries:?}");
    }
    assert_eq!(world.get("Pod", "c-0")["metadata"]["uid"], pod, "the broker was left alone");
}

/// `kubectl rollout restart`: an annotation of the template, which is nobody's field but the user's.
#[test]
fn a_restart_that_somebody_asks_for_is_done() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| {
            let annotations = json!({ "kubectl.kubernetes.io/restartedAt": "now" });
            let template = json!({ "metadata": { "annotations": annotations } });
            edit_child(world, "StatefulSet", "c", json!({ "spec": { "template": template } }))
                .boxed()
        },
        is_done: |world| {
            let pod = world.object("Pod", "default", "c-0").unwrap_or_default();
            let annotations = &pod["metadata"]["annotations"];
            is_ready(world) && annotations["kubectl.kubernetes.io/restartedAt"] == "now"
        },
        allowed: ONE_RESTART,
    });
}

/// The name of the brokers' configs.
fn configs(world: &World) -> String {
    let set = world.get("StatefulSet", "c");
    let name = set["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"].as_str();
    name.expect("a name").to_owned()
}

async fn edit_child(world: &World, kind: &str, name: &str, patch: Value) {
    world.patch(kind, "default", name, &patch).await;
}
