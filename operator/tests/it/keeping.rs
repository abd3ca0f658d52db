//! What is to stay stays, also where nothing else of its resource can be done: paused, or wrong.

use std::time::Duration;

use millrace_apiserver::request::Verb;
use millrace_apiserver::{ApiError, Fault, Rule};
use serde_json::json;
use tokio::time::sleep;

use crate::support::small::edit;
use crate::support::{Operator, World, cluster, topic};

/// Specs with which a cluster is left as it is.
fn standstills() -> [serde_json::Value; 3] {
    [json!({ "paused": true }), json!({ "config": { "nod.id": 1 } }), json!({ "replicas": 2 })]
}

#[tokio::test(start_paused = true)]
async fn a_volume_stays_though_its_cluster_is_left_as_it_is() {
    for mut spec in standstills() {
        let world = World::new(1).await;
        let _operator = Operator::start(&world);
        world.apply(&cluster("c", json!({ "storage": { "deletionPolicy": "Delete" } }))).await;
        world.until("ready", |it| it.are_ready("c", &[])).await;
        world.settle().await;
        let uid = world.get("PersistentVolumeClaim", "data-c-0")["metadata"]["uid"].clone();
        spec["storage"] = json!({ "deletionPolicy": "Retain" });
        edit(&world, spec.clone()).await;
        world.settle().await;
        world.delete("Cluster", "default", "c").await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.object("Pod", "default", "c-0"), None, "{spec}");
        let claim = world.get("PersistentVolumeClaim", "data-c-0");
        assert_eq!(claim["metadata"]["uid"], uid, "{spec}");
        assert!(claim["metadata"]["deletionTimestamp"].is_null(), "{spec}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_told_though_a_volume_cannot_be_let_go_of() {
    for spec in standstills() {
        let world = World::new(1).await;
        let operator = Operator::start(&world);
        world.apply(&cluster("c", json!({ "storage": { "deletionPolicy": "Delete" } }))).await;
        world.until("ready", |it| it.are_ready("c", &[])).await;
        world.settle().await;
        let error = ApiError::forbidden("", "persistentvolumeclaims", "data-c-0", "not today");
        let rule = Rule::once(Verb::Patch, "persistentvolumeclaims", Fault::Refuse(error));
        operator.faults.add(rule.times(usize::MAX));
        let kept = json!({ "storage": { "deletionPolicy": "Retain" } });
        edit(&world, spec.clone()).await;
        edit(&world, kept).await;
        world.settle().await;
        let told = world.ready("Cluster", "c");
        let reasons = ["Refused", "InvalidSpec", "ReplicationMissing"];
        let is_told = reasons.iter().any(|reason| told.starts_with(&format!("False {reason}")));
        assert!(is_told, "{spec}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_left_as_it_is_runs_on_without_its_resource() {
    for mut spec in standstills() {
        let world = World::new(1).await;
        let _operator = Operator::start(&world);
        world.apply(&cluster("c", json!({}))).await;
        world.until("ready", |it| it.are_ready("c", &[])).await;
        world.settle().await;
        spec["deletionPolicy"] = json!("Retain");
        edit(&world, spec.clone()).await;
        world.settle().await;
        let pod = world.get("Pod", "c-0");
        world.delete("Cluster", "default", "c").await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.get("Pod", "c-0")["metadata"]["uid"], pod["metadata"]["uid"], "{spec}");
        for (kind, name) in [("Service", "c-bootstrap"), ("StatefulSet", "c")] {
            assert!(world.object(kind, "default", name).is_some(), "{spec}: {kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_stays_though_its_cluster_is_left_as_it_is() {
    let kept = [json!({ "deletionPolicy": "Retain" }), json!({ "management": "Unmanaged" })];
    for (standstill, kept) in standstills().iter().zip(kept.iter().cycle()) {
        let world = World::new(1).await;
        let _operator = Operator::start(&world);
        world.apply(&cluster("c", json!({}))).await;
        world.apply(&topic("t", "c", json!({ "deletionGracePeriod": "5s" }))).await;
        world.until("ready", |it| it.are_ready("c", &["t"])).await;
        edit(&world, standstill.clone()).await;
        world.settle().await;
        world.patch("Topic", "default", "t", &json!({ "spec": kept })).await;
        world.settle().await;
        world.delete("Topic", "default", "t").await;
        sleep(Duration::from_secs(10)).await;
        edit(&world, json!({ "paused": false, "config": null, "replicas": 1 })).await;
        world.until("ready", |it| it.are_ready("c", &[])).await;
        sleep(Duration::from_secs(60)).await;
        let state = world.admin("c-0").state(None).await.expect("an answer");
        assert!(state.topics.contains_key("t"), "{standstill} {kept}");
    }
}

/// Topics are told what they wait for now, not what they waited for before.
#[tokio::test(start_paused = true)]
async fn a_topic_that_waits_is_told_what_for() {
    let world = World::new(1).await;
    let _operator = Operator::start(&world);
    world.apply(&topic("t", "c", json!({}))).await;
    world.until("told", |it| it.ready("Topic", "t").contains("ClusterNotFound")).await;
    world.server.with_fates(|fates| {
        let nowhere = millrace_apiserver::Fate::Unschedulable("0/3 nodes".to_owned());
        fates.set("default", "c-0", Some(nowhere));
    });
    world.apply(&cluster("c", json!({ "config": { "nod.id": 1 } }))).await;
    world.until("told", |it| it.ready("Topic", "t").contains("ClusterInvalid")).await;
    edit(&world, json!({ "config": null })).await;
    world.until("told", |it| it.ready("Topic", "t").contains("ClusterNotReady")).await;
}
