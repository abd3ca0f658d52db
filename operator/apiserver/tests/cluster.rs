//! The controllers beside the server: StatefulSets get pods and claims, pods live as the test wants.

use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use millrace_apiserver::{ApiServer, Fate};
use serde_json::{Value, json};

fn set(replicas: u32, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": { "name": "b" },
        "spec": {
            "serviceName": "b",
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "updateStrategy": { "type": "OnDelete" },
            "selector": { "matchLabels": { "app": "b" } },
            "template": {
                "metadata": { "labels": { "app": "b" } },
                "spec": {
                    "terminationGracePeriodSeconds": 60,
                    "containers": [{
                        "name": "c",
                        "image": image,
                        "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
                    }],
                },
            },
            "volumeClaimTemplates": [{
                "metadata": { "name": "data" },
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "storageClassName": "standard",
                    "resources": { "requests": { "storage": "1Gi" } },
                },
            }],
        },
    })
}

struct Cluster {
    server: ApiServer,
    client: Client,
}

impl Cluster {
    fn new() -> Cluster {
        let server = ApiServer::new(1);
        server.run_controllers();
        Cluster { client: server.client("default"), server }
    }

    async fn apply(&self, object: &Value) {
        let sets: Api<StatefulSet> = Api::namespaced(self.client.clone(), "default");
        let params = PatchParams::apply("test").force();
        sets.patch("b", &params, &Patch::Apply(object)).await.expect("an apply");
        self.pause().await;
    }

    /// Lets the controllers see what happened.
    async fn pause(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "default")
    }

    async fn status(&self) -> (i32, i32, i32) {
        let sets: Api<StatefulSet> = Api::namespaced(self.client.clone(), "default");
        let status = sets.get("b").await.expect("a set").status.expect("a status");
        let number = |value: Option<i32>| value.unwrap_or(0);
        (status.replicas, number(status.ready_replicas), number(status.updated_replicas))
    }
}

#[tokio::test(start_paused = true)]
async fn a_set_gets_its_pods_and_claims() {
    let cluster = Cluster::new();
    cluster.apply(&set(2, "x:1")).await;
    assert_eq!(cluster.status().await, (2, 2, 2));
    let pod = cluster.pods().get("b-1").await.expect("a pod");
    assert_eq!(pod.labels()["statefulset.kubernetes.io/pod-name"], "b-1");
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client.clone(), "default");
    let claim = claims.get("data-b-1").await.expect("a claim");
    assert_eq!(claim.status.and_then(|status| status.phase).as_deref(), Some("Bound"));
    // Once all is as it should be, nothing is written any more.
    let before = cluster.server.revision();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(cluster.server.revision(), before);
}

#[tokio::test(start_paused = true)]
async fn on_delete_leaves_pods_alone_until_they_are_deleted() {
    let cluster = Cluster::new();
    cluster.apply(&set(2, "x:1")).await;
    let uid = cluster.pods().get("b-0").await.expect("a pod").uid();
    cluster.apply(&set(2, "x:2")).await;
    assert_eq!(cluster.status().await, (2, 2, 0));
    assert_eq!(cluster.pods().get("b-0").await.expect("a pod").uid(), uid);
    cluster.pods().delete("b-0", &DeleteParams::default()).await.expect("a delete");
    cluster.pause().await;
    assert_eq!(cluster.status().await, (2, 2, 1));
    let pod = cluster.pods().get("b-0").await.expect("a pod");
    assert_eq!(pod.spec.expect("a spec").containers[0].image.as_deref(), Some("x:2"));
}

#[tokio::test(start_paused = true)]
async fn pods_fail_as_the_test_wants() {
    let cluster = Cluster::new();
    cluster.server.with_fates(|fates| {
        fates.set("default", "b-0", Some(Fate::Unschedulable("no node is free".to_owned())));
        fates.set_by_image("x:bad", Some(Fate::ImagePullFails("no such image".to_owned())));
    });
    cluster.apply(&set(2, "x:1")).await;
    assert_eq!(cluster.status().await, (2, 1, 2));
    let status = cluster.pods().get("b-0").await.expect("a pod").status.expect("a status");
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    let scheduled = status.conditions.expect("conditions").remove(0);
    assert_eq!(scheduled.reason.as_deref(), Some("Unschedulable"));
    cluster.server.with_fates(|fates| fates.set("default", "b-0", None));
    cluster.pause().await;
    assert_eq!(cluster.status().await, (2, 2, 2));
    cluster.apply(&set(2, "x:bad")).await;
    cluster.pods().delete("b-1", &DeleteParams::default()).await.expect("a delete");
    cluster.pause().await;
    assert_eq!(cluster.status().await, (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_pod_takes_its_time_to_end_and_a_lost_node_for_ever() {
    let cluster = Cluster::new();
    cluster.server.with_fates(|fates| fates.stops_in = Duration::from_secs(20));
    cluster.apply(&set(1, "x:1")).await;
    let uid = cluster.pods().get("b-0").await.expect("a pod").uid();
    cluster.pods().delete("b-0", &DeleteParams::default()).await.expect("a delete");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let pod = cluster.pods().get("b-0").await.expect("still there");
    assert!(pod.metadata.deletion_timestamp.is_some() && pod.uid() == uid);
    tokio::time::sleep(Duration::from_secs(15)).await;
    let next = cluster.pods().get("b-0").await.expect("the next one").uid();
    assert_ne!(next, uid);
    cluster.server.with_fates(|fates| fates.set("default", "b-0", Some(Fate::NodeLost)));
    cluster.pods().delete("b-0", &DeleteParams::default()).await.expect("a delete");
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(cluster.pods().get("b-0").await.expect("the same").uid(), next);
    cluster.server.with_fates(|fates| fates.set("default", "b-0", None));
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_ne!(cluster.pods().get("b-0").await.expect("another").uid(), next);
}

#[tokio::test(start_paused = true)]
async fn claims_outlive_their_set_and_wait_for_their_pod() {
    let cluster = Cluster::new();
    cluster.server.with_fates(|fates| fates.stops_in = Duration::from_secs(20));
    cluster.apply(&set(1, "x:1")).await;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client.clone(), "default");
    claims.delete("data-b-0", &DeleteParams::default()).await.expect("a delete");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let claim = claims.get("data-b-0").await.expect("a claim in use stays");
    assert!(claim.metadata.deletion_timestamp.is_some());
    let sets: Api<StatefulSet> = Api::namespaced(cluster.client.clone(), "default");
    sets.delete("b", &DeleteParams::default()).await.expect("a delete");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(cluster.pods().get_opt("b-0").await.expect("an answer").is_none());
    assert!(claims.get_opt("data-b-0").await.expect("an answer").is_none());
}

#[tokio::test(start_paused = true)]
async fn a_budget_says_what_may_go() {
    let cluster = Cluster::new();
    let budget = json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": "b" },
        "spec": { "maxUnavailable": 1, "selector": { "matchLabels": { "app": "b" } } },
    });
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(cluster.client.clone(), "default");
    let params = PatchParams::apply("test");
    budgets.patch("b", &params, &Patch::Apply(&budget)).await.expect("an apply");
    cluster.apply(&set(3, "x:1")).await;
    let allowed = async || {
        let status = budgets.get("b").await.expect("a budget").status.expect("a status");
        (status.current_healthy, status.desired_healthy, status.disruptions_allowed)
    };
    assert_eq!(allowed().await, (3, 2, 1));
    cluster.server.with_fates(|fates| fates.set("default", "b-1", Some(Fate::Running)));
    cluster.pause().await;
    assert_eq!(allowed().await, (2, 2, 0));
    let refused = cluster.pods().evict("b-0", &Default::default()).await;
    assert!(matches!(refused, Err(kube::Error::Api(status)) if status.code == 429));
}
