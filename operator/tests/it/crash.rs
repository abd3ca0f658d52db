//! The operator may die before and after each of its writes: another one that remembers nothing
//! comes to the same end, and on the way nothing happens that must not.

use futures::FutureExt;
use futures::future::BoxFuture;
use millrace_apiserver::Fate;
use serde_json::json;

use crate::support::history::{Allowed, ONE_RESTART, PEACE};
use crate::support::manifests::example;
use crate::support::scenario::{Scenario, survives_crashes};
use crate::support::small::{edit, is_ready, small};
use crate::support::{World, cluster, topic};

fn nothing(_: &World) -> BoxFuture<'_, ()> {
    async {}.boxed()
}

fn at_once(_: &World) -> bool {
    true
}

#[test]
fn making_a_cluster_with_topics() {
    survives_crashes(&Scenario {
        before: nothing,
        is_before: at_once,
        change: |world| async { world.apply_all(&example("quickstart.yaml")).await }.boxed(),
        is_done: |world| world.are_ready("quickstart", &["orders", "customers", "clicks"]),
        allowed: PEACE,
    });
}

#[test]
fn changing_configs_while_brokers_run() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| edit(world, json!({ "config": { "log.retention.ms": 5_000_000 } })).boxed(),
        is_done: is_ready,
        allowed: PEACE,
    });
}

#[test]
fn changing_configs_by_a_restart() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| edit(world, json!({ "config": { "num.partitions": 3 } })).boxed(),
        is_done: is_ready,
        allowed: ONE_RESTART,
    });
}

#[test]
fn changing_the_image() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| edit(world, json!({ "image": "millrace-broker:2" })).boxed(),
        is_done: is_ready,
        allowed: ONE_RESTART,
    });
}

#[test]
fn an_image_that_cannot_be_pulled_takes_no_broker_down() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| {
            async {
                world.server.with_fates(|fates| {
                    let fate = Fate::ImagePullFails("no such image".to_owned());
                    fates.set_by_image("millrace-broker:3", Some(fate));
                });
                edit(world, json!({ "image": "millrace-broker:3" })).await;
            }
            .boxed()
        },
        is_done: |world| {
            world.condition("Cluster", "default", "c", "Degraded").contains("no such image")
        },
        allowed: PEACE,
    });
}

#[test]
fn a_pod_that_no_node_takes_takes_no_broker_down() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| {
            async {
                world.server.with_fates(|fates| {
                    let fate = Fate::Unschedulable("0/3 nodes are available".to_owned());
                    fates.set("default", "c-trial", Some(fate));
                });
                edit(world, json!({ "resources": { "requests": { "cpu": 900 } } })).await;
            }
            .boxed()
        },
        is_done: |world| world.ready("Cluster", "c").contains("0/3 nodes are available"),
        allowed: PEACE,
    });
}

/// A cluster that is to have an image that is not there.
fn misled(world: &World) -> BoxFuture<'_, ()> {
    async {
        small(world).await;
        world.until("ready", is_ready).await;
        world.server.with_fates(|fates| {
            let fate = Fate::ImagePullFails("no such image".to_owned());
            fates.set_by_image("millrace-broker:3", Some(fate));
        });
        let spec = json!({ "image": "millrace-broker:3", "config": { "num.partitions": 3 } });
        edit(world, spec).await;
    }
    .boxed()
}

fn is_misled(world: &World) -> bool {
    world.ready("Cluster", "c").contains("no such image")
}

#[test]
fn a_change_that_would_not_start_can_be_taken_back() {
    survives_crashes(&Scenario {
        before: misled,
        is_before: is_misled,
        change: |world| {
            let spec = json!({ "image": "millrace-broker:1", "config": null });
            edit(world, spec).boxed()
        },
        is_done: is_ready,
        allowed: PEACE,
    });
}

#[test]
fn a_broker_that_goes_while_a_change_would_not_start_comes_back_as_it_was() {
    survives_crashes(&Scenario {
        before: misled,
        is_before: is_misled,
        change: |world| world.delete("Pod", "default", "c-0").boxed(),
        is_done: |world| {
            let serves = world.get("Cluster", "c")["status"]["readyReplicas"] == 1;
            let pod = world.object("Pod", "default", "c-0").unwrap_or_default();
            let image = &pod["spec"]["containers"][0]["image"];
            is_misled(world) && serves && image == "millrace-broker:1"
        },
        allowed: ONE_RESTART,
    });
}

#[test]
fn growing_volumes() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| edit(world, json!({ "storage": { "size": "20Gi" } })).boxed(),
        is_done: |world| {
            let claim = world.get("PersistentVolumeClaim", "data-c-0");
            is_ready(world) && claim["status"]["capacity"]["storage"] == "20Gi"
        },
        allowed: PEACE,
    });
}

#[test]
fn adding_a_listener_for_clients_outside() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| {
            let listeners = json!([
                { "name": "internal", "type": "Internal", "port": 9092 },
                { "name": "outside", "type": "NodePort", "port": 9094 },
            ]);
            edit(world, json!({ "listeners": listeners })).boxed()
        },
        is_done: is_ready,
        allowed: ONE_RESTART,
    });
}

#[test]
fn deleting_a_cluster_keeps_its_volumes() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| world.delete("Cluster", "default", "c").boxed(),
        is_done: |world| {
            world.object("Pod", "default", "c-0").is_none()
                && world.object("Service", "default", "c-bootstrap").is_none()
                && world.ready("Topic", "t").contains("ClusterNotFound")
        },
        allowed: ONE_RESTART,
    });
}

#[test]
fn deleting_a_cluster_deletes_its_volumes_where_that_is_wanted() {
    survives_crashes(&Scenario {
        before: |world| {
            let spec = json!({ "storage": { "deletionPolicy": "Delete" } });
            async { drop(world.apply(&cluster("c", spec)).await) }.boxed()
        },
        is_before: |world| world.are_ready("c", &[]),
        change: |world| world.delete("Cluster", "default", "c").boxed(),
        is_done: |world| {
            world.object("PersistentVolumeClaim", "default", "data-c-0").is_none()
                && world.object("Pod", "default", "c-0").is_none()
        },
        allowed: Allowed { volumes_go: true, ..ONE_RESTART },
    });
}

#[test]
fn deleting_a_cluster_leaves_its_brokers_running_where_that_is_wanted() {
    survives_crashes(&Scenario {
        before: |world| {
            async { drop(world.apply(&cluster("c", json!({ "deletionPolicy": "Retain" }))).await) }
                .boxed()
        },
        is_before: |world| world.are_ready("c", &[]),
        change: |world| world.delete("Cluster", "default", "c").boxed(),
        is_done: |world| world.object("Cluster", "default", "c").is_none(),
        allowed: PEACE,
    });
}

#[test]
fn a_cluster_that_is_made_again_finds_its_records() {
    survives_crashes(&Scenario {
        before: |world| {
            async {
                small(world).await;
                world.until("ready", is_ready).await;
                world.delete("Cluster", "default", "c").await;
            }
            .boxed()
        },
        is_before: |world| world.object("Pod", "default", "c-0").is_none(),
        change: |world| {
            let spec = json!({ "image": "millrace-broker:1" });
            async { drop(world.apply(&cluster("c", spec)).await) }.boxed()
        },
        is_done: is_ready,
        allowed: PEACE,
    });
}

#[test]
fn making_growing_and_configuring_a_topic() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| {
            async { drop(world.apply(&topic("u", "c", json!({ "partitions": 4 }))).await) }.boxed()
        },
        is_done: |world| world.are_ready("c", &["t", "u"]),
        allowed: PEACE,
    });
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| {
            let rest = json!({ "partitions": 7, "config": { "retention.ms": 1_000 },
                "deletionGracePeriod": "30s" });
            async { drop(world.apply(&topic("t", "c", rest)).await) }.boxed()
        },
        is_done: is_ready,
        allowed: PEACE,
    });
}

#[test]
fn deleting_a_topic() {
    survives_crashes(&Scenario {
        before: small,
        is_before: is_ready,
        change: |world| world.delete("Topic", "default", "t").boxed(),
        is_done: |world| !has_topic(world, "t"),
        allowed: Allowed { topics: &["t"], ..PEACE },
    });
}

#[test]
fn undoing_the_deletion_of_a_topic() {
    survives_crashes(&Scenario {
        before: |world| {
            async {
                small(world).await;
                world.until("ready", is_ready).await;
                world.delete("Topic", "default", "t").await;
            }
            .boxed()
        },
        is_before: |world| owner_of(world, "t").is_some_and(|it| it.contains("missedAtMs")),
        change: small,
        is_done: is_ready,
        allowed: PEACE,
    });
}

/// The owner of a topic at the broker of cluster `c`, as it is stored.
fn owner_of(world: &World, name: &str) -> Option<String> {
    broker_topic(world, name)?
}

fn has_topic(world: &World, name: &str) -> bool {
    broker_topic(world, name).is_some()
}

fn broker_topic(world: &World, name: &str) -> Option<Option<String>> {
    world.broker("c-0")?.image().topic(name).map(|topic| topic.owner.clone())
}
