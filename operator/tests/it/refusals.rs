//! Bad input is refused with its field, by the API or by the operator, and nothing that runs is
//! touched.

use millrace_apiserver::Fate;
use serde_json::{Value, json};

use crate::support::{Operator, World, cluster, topic};

/// Tries a manifest; what the API says, or what the operator says of it.
async fn told(world: &World, object: &Value) -> String {
    let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
    let (kind, name) = (kind.as_str().expect("a kind"), name.as_str().expect("a name"));
    match world.try_apply(object).await {
        Err(kube::Error::Api(status)) => format!("{}: {}", status.code, status.message),
        Err(error) => panic!("{object}: {error}"),
        Ok(_) => {
            let has_told = |it: &World| {
                let told = it.ready(kind, name);
                !told.is_empty() && !told.starts_with("(old)") && !told.contains("Cluster")
            };
            world.until("told", has_told).await;
            world.ready(kind, name)
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_field() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.apply(&topic("t", "c", json!({ "partitions": 3 }))).await;
    world.until("ready", |it| it.are_ready("c", &["t"])).await;
    let pod = world.get("Pod", "c-0")["metadata"]["uid"].clone();
    let clusters = [
        (json!({ "replicas": 3 }), "spec.replicas"),
        (json!({ "replicas": 0 }), "spec.replicas"),
        (json!({ "config": { "log.retention.ms": "1h" } }), "log.retention.ms"),
        (json!({ "config": { "nod.id": 1 } }), "nod.id"),
        (json!({ "config": { "log.dirs": "/x" } }), "log.dirs"),
        (json!({ "storage": { "size": "1Gi" } }), "spec.storage.size"),
        (json!({ "storage": { "className": "fast" } }), "spec.storage.className"),
        (json!({ "storage": { "size": "ten" } }), "spec.storage.size"),
        (json!({ "storage": { "sise": "10Gi" } }), "spec.storage.sise"),
        (json!({ "listeners": [] }), "spec.listeners"),
        (
            json!({ "listeners": [{ "name": "a", "type": "NodePort", "port": 9092 }] }),
            "spec.listeners",
        ),
        (json!({ "deletionPolicy": "Retain", "storage": { "deletionPolicy": "Delete" } }), "spec"),
    ];
    for (spec, field) in clusters {
        // Applied to a cluster that has some, a list of listeners adds to them.
        let name = if spec["listeners"].is_array() { "d" } else { "c" };
        let words = told(&world, &cluster(name, spec.clone())).await;
        assert!(words.contains(field), "{spec}: {words}");
        assert!(!words.starts_with("True"), "{spec}: {words}");
        world.apply(&cluster("c", json!({}))).await;
        world.until("ready again", |it| it.are_ready("c", &["t"])).await;
    }
    assert_eq!(world.get("Pod", "c-0")["metadata"]["uid"], pod, "the broker was left alone");
    let topics = [
        (json!({ "partitions": 2 }), "spec.partitions"),
        (json!({ "partitions": 0 }), "spec.partitions"),
        (json!({ "partitions": 3, "config": { "retention": 5 } }), "retention"),
        (json!({ "partitions": 3, "config": { "retention.ms": "5s" } }), "retention.ms"),
        (json!({ "partitions": 3, "topicName": "other" }), "spec.topicName"),
        (json!({ "partitions": 3, "deletionGracePeriod": "soon" }), "spec.deletionGracePeriod"),
        (json!({ "partitions": 3, "clusterRef": { "name": "d" } }), "spec.clusterRef"),
        (json!({ "partitions": 3, "replicas": 2 }), "spec.replicas"),
    ];
    for (rest, field) in topics {
        let words = told(&world, &topic("t", "c", rest.clone())).await;
        assert!(words.contains(field), "{rest}: {words}");
        assert!(!words.starts_with("True"), "{rest}: {words}");
        world.apply(&topic("t", "c", json!({ "partitions": 3 }))).await;
        world.until("ready again", |it| it.are_ready("c", &["t"])).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_keeps_its_class_of_load_balancers() {
    let world = World::new(1).await;
    let listeners = |name: &str, kind: &str, class: Option<&str>| {
        let mut external = json!({ "name": name, "type": kind, "port": 9094 });
        if let Some(class) = class {
            external["loadBalancerClass"] = json!(class);
        }
        let internal = json!({ "name": "internal", "type": "Internal", "port": 9092 });
        cluster("c", json!({ "listeners": [internal, external] }))
    };
    let (cloud, of) = (|class| listeners("out", "LoadBalancer", class), Some("example.com/a"));
    world.apply(&cloud(of)).await;
    for class in [Some("example.com/b"), None] {
        let error = world.replace(&cloud(class)).await.expect_err("another class");
        assert!(error.to_string().contains("].loadBalancerClass: Invalid value"), "{error}");
    }
    for changed in [listeners("out", "NodePort", None), cloud(Some("example.com/b"))] {
        world.replace(&changed).await.expect("another kind of service is made anew");
    }
    world.replace(&listeners("other", "LoadBalancer", of)).await.expect("another name");
}

#[tokio::test(start_paused = true)]
async fn what_others_own_is_not_touched() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    let foreign = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": "c", "namespace": "default" },
        "spec": { "minAvailable": 7, "selector": { "matchLabels": { "mine": "yes" } } },
    });
    world.apply(&foreign).await;
    world.apply(&cluster("c", json!({}))).await;
    let told = |it: &World| it.ready("Cluster", "c");
    world.until("refused", |it| told(it).contains("does not belong to this cluster")).await;
    assert_eq!(world.get("PodDisruptionBudget", "c")["spec"]["minAvailable"], 7);
    world.delete("PodDisruptionBudget", "default", "c").await;
    // Nobody tells the operator of objects that are not its own; it looks again by itself.
    world.until("ready", |it| it.are_ready("c", &[])).await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_of_another_cluster_is_not_used() {
    let world = World::new(1).await;
    let claim = |id: Option<&str>| {
        let mut claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {
                "name": "data-c-0",
                "namespace": "default",
                "labels": { "millrace.io/cluster": "c" },
            },
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": { "requests": { "storage": "10Gi" } },
            },
        });
        if let Some(id) = id {
            claim["metadata"]["annotations"] = json!({ "millrace.io/cluster-id": id });
        }
        claim
    };
    world.apply(&claim(None)).await;
    let _operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.until("refused", |it| it.ready("Cluster", "c").contains("ForeignVolume")).await;
    assert_eq!(world.object("StatefulSet", "default", "c"), None);
    // Who says what the volume is gets it used.
    let id = "AAAAAAAAAAAAAAAAAAAA_w";
    world.apply(&claim(Some(id))).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    assert_eq!(world.get("Cluster", "c")["status"]["clusterId"], json!(id));
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_cannot_start_says_why() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    world.server.with_fates(|fates| {
        let message = "log directory /data/records: it belongs to another cluster".to_owned();
        fates.set("default", "c-0", Some(Fate::Crashes { exit_code: 1, message }));
    });
    world.apply(&cluster("c", json!({}))).await;
    let told = |it: &World| it.condition("Cluster", "default", "c", "Degraded");
    world.until("told", |it| told(it).contains("it belongs to another cluster")).await;
    world.server.with_fates(|fates| fates.set("default", "c-0", None));
    world.until("ready", |it| it.are_ready("c", &[])).await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_whose_node_does_not_start_it_says_why() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    world.server.with_fates(|fates| fates.set("default", "c-0", Some(Fate::Coming)));
    world.apply(&cluster("c", json!({}))).await;
    world.until("there", |it| it.object("Pod", "default", "c-0").is_some()).await;
    let pod = world.get("Pod", "c-0");
    let words = [("Warning", "FailedMount", "no such volume"), ("Normal", "Pulled", "all is well")];
    for (number, (kind, reason, note)) in words.into_iter().enumerate() {
        let event = json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": { "name": format!("c-0.{number}"), "namespace": "default" },
            "regarding": {
                "apiVersion": "v1", "kind": "Pod", "namespace": "default", "name": "c-0",
                "uid": pod["metadata"]["uid"],
            },
            "eventTime": "2026-11-23T10:00:00.000000Z",
            "reportingController": "kubelet",
            "reportingInstance": "node-1",
            "action": "Mount",
            "type": kind,
            "reason": reason,
            "note": note,
        });
        world.apply(&event).await;
    }
    let words = "FailedMount: no such volume";
    let told = |it: &World, kind: &str| it.condition("Cluster", "default", "c", kind);
    world.until("told", |it| told(it, "Progressing").contains(words)).await;
    assert!(told(&world, "Degraded").starts_with("False"), "{}", told(&world, "Degraded"));
    world.until("wrong", |it| told(it, "Degraded").contains(words)).await;
    world.server.with_fates(|fates| fates.set("default", "c-0", None));
    world.until("ready", |it| it.are_ready("c", &[])).await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_was_replaced_is_told_until_it_is_accepted() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    world.apply(&cluster("c", json!({}))).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    let directory = world.get("Cluster", "c")["status"]["brokers"][0]["directoryId"].clone();
    world.delete("PersistentVolumeClaim", "default", "data-c-0").await;
    world.delete("Pod", "default", "c-0").await;
    world.until("told", |it| it.ready("Cluster", "c").contains("VolumeReplaced")).await;
    world.settle().await;
    assert!(world.ready("Cluster", "c").contains("VolumeReplaced"));
    let told = &world.get("Cluster", "c")["status"]["brokers"][0]["directoryId"];
    assert_eq!(*told, directory, "the directory that it was known by");
    let words = world.ready("Cluster", "c");
    let (_, rest) = words.split_once("now runs on ").expect("the new one");
    let (new, _) = rest.split_once(':').expect("the new one");
    let patch = json!({ "metadata": { "annotations": { "millrace.io/directory-id": new } } });
    world.patch("PersistentVolumeClaim", "default", "data-c-0", &patch).await;
    world.until("ready", |it| it.are_ready("c", &[])).await;
    world.settle().await;
    let told = &world.get("Cluster", "c")["status"]["brokers"][0]["directoryId"];
    assert_eq!(told, new);
}
