//! Plans as people read them: what happens to a cluster, step by step, in a world that does what
//! Kubernetes would.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use millrace_client::State;
use millrace_crds::status::{BrokerStatus, ListenerStatus};
use serde_json::{Value, json};

use super::{Action, plan};
use crate::brokers::BrokerSeen;
use crate::cluster::build::tests::wanted;
use crate::cluster::build::{config, external};
use crate::cluster::seen::Seen;
use crate::kind::Kind;
use crate::{clock, names};

/// A world of one cluster: what is seen, and what has been done.
struct World {
    seen: Seen,
    spec: Value,
    told: String,
}

impl World {
    fn new(spec: Value) -> World {
        let seen = Seen { now_ms: 1_764_000_000_000, ..Seen::default() };
        World { seen, spec, told: String::new() }
    }

    /// Does all steps that can be done now, and tells them.
    fn run(&mut self) -> &mut World {
        let wanted = wanted(self.spec.clone());
        for _ in 0..50 {
            let plan = plan(&wanted, &self.seen);
            self.told += &plan.to_string();
            let Some(step) = plan.step else { return self };
            match step.action {
                Action::Apply { kind, name, object } | Action::Replace { kind, name, object } => {
                    self.apply(kind, &name, object);
                }
                Action::Delete { kind, name, .. } => {
                    self.seen.objects.remove(&(kind, name));
                }
                Action::Release { name, .. } => {
                    self.seen.objects.remove(&(Kind::Pod, name));
                }
                Action::SetConfigs(changes) => self.configure(changes),
            }
        }
        panic!("no end of steps:\n{}", self.told);
    }

    fn apply(&mut self, kind: Kind, name: &str, mut object: Value) {
        let before = self.seen.objects.remove(&(kind, name.to_owned()));
        object["metadata"]["uid"] = json!(format!("uid of {name}"));
        object["metadata"]["creationTimestamp"] = json!(clock::show(self.seen.now_ms));
        if kind == Kind::StatefulSet {
            let template = object["spec"]["template"].to_string();
            object["status"] = json!({ "updateRevision": names::digest(&template) });
        }
        if object["spec"]["type"] == "NodePort" && object["spec"]["ports"][0]["nodePort"].is_null()
        {
            let given = json!(31_000 + self.seen.objects.len());
            let had = before.as_ref().map(|it| it["spec"]["ports"][0]["nodePort"].clone());
            object["spec"]["ports"][0]["nodePort"] = had.unwrap_or(given);
        }
        if let Some(mut before) = before {
            crate::cluster::build::merge(&mut before, object);
            object = before;
        }
        self.seen.objects.insert((kind, name.to_owned()), object);
    }

    fn configure(&mut self, changes: BTreeMap<String, Option<String>>) {
        let Some(BrokerSeen::Serves(state)) = self.seen.brokers.get_mut(&0) else { return };
        for (name, value) in changes {
            match value {
                Some(value) => state.configs.insert(name, value),
                None => state.configs.remove(&name),
            };
        }
    }

    /// What the `StatefulSet` controller and the kubelet do: a pod of the newest template, with its
    /// volume, that serves.
    fn start(&mut self) -> &mut World {
        let set = self.seen.object(Kind::StatefulSet, "shop").expect("a set").clone();
        let mut pod = set["spec"]["template"].clone();
        pod["metadata"]["name"] = json!("shop-0");
        pod["metadata"]["uid"] = json!("uid of shop-0");
        pod["metadata"]["labels"]["controller-revision-hash"] =
            set["status"]["updateRevision"].clone();
        pod["spec"]["nodeName"] = json!("worker");
        pod["status"] = json!({
            "phase": "Running", "podIP": "10.0.0.1", "hostIP": "192.168.0.1",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "containerStatuses": [{ "state": { "running": {} } }],
        });
        self.seen.objects.insert((Kind::Pod, "shop-0".to_owned()), pod);
        let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
        self.seen.objects.entry(claim).or_insert_with(|| {
            let template = &set["spec"]["volumeClaimTemplates"][0];
            json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": "data-shop-0", "uid": "uid of claim",
                    "annotations": template["metadata"]["annotations"],
                },
                "spec": template["spec"],
                "status": { "capacity": { "storage": "10Gi" } },
            })
        });
        let wanted = wanted(self.spec.clone());
        let listeners = config::advertised(&wanted, &self.seen, 0);
        let node = external::NODE_ADDRESS;
        let listeners = listeners.iter().map(|it| it.replace(node, "192.168.0.1")).collect();
        let configs = self.seen.state(0).map(|it| it.configs.clone()).unwrap_or_default();
        let state = State { version: "1".to_owned(), listeners, configs, ..State::default() };
        self.seen.brokers.insert(0, BrokerSeen::Serves(state));
        self
    }

    /// The pod's container does this instead of serving.
    fn pod(&mut self, name: &str, state: &Value) -> &mut World {
        let pod = self.seen.objects.get_mut(&(Kind::Pod, name.to_owned())).expect("a pod");
        pod["status"] = json!({ "phase": "Pending", "containerStatuses": [{ "state": state }] });
        self
    }

    fn say(&mut self, words: &str) -> &mut World {
        self.told += &format!("-- {words}\n");
        self
    }

    /// Compares what was told, with names of configs by their order instead of a digest.
    fn check(&mut self, expected: &Expect) {
        let prefix = "shop-config-";
        let mut told = String::new();
        let mut digests: Vec<&str> = Vec::new();
        for (index, part) in self.told.split(prefix).enumerate() {
            if index == 0 {
                told += part;
                continue;
            }
            let (digest, rest) = part.split_at(16);
            let known = digests.iter().position(|it| *it == digest);
            let number = known.unwrap_or_else(|| {
                digests.push(digest);
                digests.len() - 1
            });
            told += &format!("{prefix}{}{rest}", number + 1);
        }
        expected.assert_eq(&told);
        self.told.clear();
    }

    /// The trial has come to this.
    fn trial(&mut self, status: Value) -> &mut World {
        let trial = (Kind::Pod, "shop-trial".to_owned());
        self.seen.objects.get_mut(&trial).expect("a trial")["status"] = status;
        self
    }

    /// A cluster that runs, of which nothing is told.
    fn running(spec: Value) -> World {
        let mut world = World::new(spec);
        world.run().start().run().told.clear();
        world
    }
}

#[test]
fn a_new_cluster_is_made_in_order() {
    let mut world = World::new(json!({ "config": { "log.retention.ms": 5 } }));
    world.run().say("Kubernetes starts the pod").start().run().check(&expect![[r#"
        next   apply ServiceAccount shop: it is not there
        next   apply Service shop-brokers: it is not there
        next   apply Service shop-bootstrap: it is not there
        next   apply NetworkPolicy shop: it is not there
        next   apply PodDisruptionBudget shop: it is not there
        next   apply ConfigMap shop-config-1: it is not there
        next   apply StatefulSet shop: it is not there
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        -- Kubernetes starts the pod
        next   apply PersistentVolumeClaim data-shop-0: metadata.annotations.millrace.io/directory-id is not what it is to be
        next   apply PersistentVolumeClaim data-shop-0: something that was wanted is not any more
        next   set log.retention.ms=5: the brokers have other values than spec.config
    "#]]);
}

#[test]
fn nothing_is_done_when_nothing_changed() {
    World::running(json!({})).run().check(&expect![""]);
}

#[test]
fn a_broker_is_restarted_only_after_a_trial() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "image": "millrace-broker:next" });
    world.run().say("the image cannot be pulled");
    let waiting = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "not found" } });
    world.pod("shop-trial", &waiting).run().say("the image is mended");
    world.spec = json!({ "image": "millrace-broker:good" });
    world.run().say("the trial ends well").trial(json!({ "phase": "Succeeded" }));
    world.run().say("Kubernetes starts the pod").start().run().check(&expect![[r#"
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        -- the image cannot be pulled
        wrong  RestartBlocked: broker 0 stays as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff: not found
        -- the image is mended
        next   delete Pod shop-trial: it tried something else than what is wanted now
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:good; this shows whether it could
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        -- the trial ends well
        next   apply StatefulSet shop: its image is millrace-broker:test instead of millrace-broker:good, and a trial has shown that brokers can start from it
        next   delete Pod shop-0: its image is millrace-broker:test instead of millrace-broker:good, and a trial has shown that it can start again
        next   delete Pod shop-trial: no broker is to be restarted
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        -- Kubernetes starts the pod
    "#]]);
}

#[test]
fn a_broker_that_goes_while_a_trial_fails_comes_back_as_it_was() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "image": "millrace-broker:next", "config": { "num.partitions": 3 } });
    let waiting = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "not found" } });
    world.run().pod("shop-trial", &waiting).run().say("its container crashes");
    world.pod("shop-0", &json!({ "terminated": { "reason": "OOMKilled" } }));
    world.run().say("its node is drained");
    world.seen.objects.remove(&(Kind::Pod, "shop-0".to_owned()));
    world.run().pod("shop-trial", &waiting).run().say("Kubernetes makes it anew").start().run();
    let pod = world.seen.object(Kind::Pod, "shop-0").unwrap();
    assert_eq!(pod["spec"]["containers"][0]["image"], "millrace-broker:test");
    let configs = pod["spec"]["volumes"][0]["configMap"]["name"].as_str().unwrap();
    assert!(world.seen.object(Kind::ConfigMap, configs).is_some(), "{configs}");
    world.check(&expect![[r#"
        next   apply ConfigMap shop-config-1: it is not there
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        wrong  RestartBlocked: broker 0 stays as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff: not found
        -- its container crashes
        waits  have broker 0 serve (BrokerNotServing): OOMKilled
        wrong  BrokerFailing: pod shop-0: OOMKilled
        wrong  RestartBlocked: broker 0 stays as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff: not found
        -- its node is drained
        next   delete Pod shop-trial: it tried something else than what is wanted now
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        wrong  RestartBlocked: broker 0 stays as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff: not found
        -- Kubernetes makes it anew
        next   delete Pod shop-trial: it tried something else than what is wanted now
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
    "#]]);
}

#[test]
fn a_trial_that_does_not_end_is_told() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "image": "registry.example/sleeps" });
    world.run().told.clear();
    let since = clock::show(world.seen.now_ms);
    let running = json!({ "state": { "running": { "startedAt": since } } });
    world.trial(json!({ "phase": "Running", "containerStatuses": [running] }));
    world.run().say("a minute later").seen.now_ms += 60_000;
    world.run().check(&expect![[r#"
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        -- a minute later
        wrong  RestartBlocked: broker 0 stays as it is: its image is millrace-broker:test instead of registry.example/sleeps, but from what is wanted it would not start: its trial should end at once and runs for 60000 ms
    "#]]);
}

#[test]
fn a_template_that_somebody_edits_is_put_right_at_once() {
    let mut world = World::running(json!({}));
    let set = (Kind::StatefulSet, "shop".to_owned());
    let template = &mut world.seen.objects.get_mut(&set).unwrap()["spec"]["template"];
    template["spec"]["containers"][0]["image"] = json!("mine");
    world.run().check(&expect![[r#"
        next   apply StatefulSet shop: spec.template.spec.containers[0].image is not what it is to be
    "#]]);
}

#[test]
fn a_broker_whose_volume_is_being_deleted_is_not_restarted() {
    let mut world = World::running(json!({}));
    let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
    let claim = world.seen.objects.get_mut(&claim).unwrap();
    claim["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
    world.spec = json!({ "image": "millrace-broker:next" });
    world.run().trial(json!({ "phase": "Succeeded" })).run().say("it does not run");
    let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    world.pod("shop-0", &waiting).run().check(&expect![[r#"
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        wrong  VolumeDeleted: PersistentVolumeClaim data-shop-0 is being deleted by somebody
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        wrong  VolumeDeleted: PersistentVolumeClaim data-shop-0 is being deleted by somebody
        next   apply StatefulSet shop: its image is millrace-broker:test instead of millrace-broker:next, and a trial has shown that brokers can start from it
        wrong  VolumeDeleted: PersistentVolumeClaim data-shop-0 is being deleted by somebody
        next   delete Pod shop-trial: no broker is to be restarted
        waits  restart broker 0 (Restarting): PersistentVolumeClaim data-shop-0 is being deleted and would go, with its records, as soon as the pod does
        wrong  VolumeDeleted: PersistentVolumeClaim data-shop-0 is being deleted by somebody
        waits  restart broker 0 (Restarting): PersistentVolumeClaim data-shop-0 is being deleted and would go, with its records, as soon as the pod does
        wrong  VolumeDeleted: PersistentVolumeClaim data-shop-0 is being deleted by somebody
        -- it does not run
        waits  restart broker 0 (Restarting): PersistentVolumeClaim data-shop-0 is being deleted and would go, with its records, as soon as the pod does
        waits  have broker 0 serve (BrokerNotServing): CrashLoopBackOff
        wrong  VolumeDeleted: PersistentVolumeClaim data-shop-0 is being deleted by somebody
        wrong  BrokerFailing: pod shop-0: CrashLoopBackOff
    "#]]);
}

#[test]
fn a_pod_that_cannot_run_is_replaced_at_once_and_one_that_recovers_is_not() {
    let mut world = World::running(json!({}));
    let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    world.pod("shop-0", &waiting).run().say("its configs change");
    world.spec = json!({ "config": { "num.partitions": 3 } });
    world.run().say("a trial ends well").trial(json!({ "phase": "Succeeded" }));
    world.run().say("Kubernetes starts the pod").start();
    world.pod("shop-0", &json!({ "running": {} }));
    world.seen.brokers.insert(0, BrokerSeen::Starts("logs: 3 of 10 opened".to_owned()));
    world.spec = json!({ "config": { "num.partitions": 4 } });
    world.run().trial(json!({ "phase": "Succeeded" })).run().check(&expect![[r#"
        waits  have broker 0 serve (BrokerNotServing): CrashLoopBackOff
        wrong  BrokerFailing: pod shop-0: CrashLoopBackOff
        -- its configs change
        next   apply ConfigMap shop-config-1: it is not there
        next   apply Pod shop-trial: broker 0 is to start anew, because configs changed that are read only at a start; this shows whether it could
        waits  have broker 0 serve (BrokerNotServing): CrashLoopBackOff
        wrong  BrokerFailing: pod shop-0: CrashLoopBackOff
        waits  have broker 0 serve (BrokerNotServing): CrashLoopBackOff
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        wrong  BrokerFailing: pod shop-0: CrashLoopBackOff
        -- a trial ends well
        next   apply StatefulSet shop: configs changed that are read only at a start, and a trial has shown that brokers can start from it
        waits  have broker 0 serve (BrokerNotServing): CrashLoopBackOff
        wrong  BrokerFailing: pod shop-0: CrashLoopBackOff
        next   delete Pod shop-0: configs changed that are read only at a start and it does not run anyway (CrashLoopBackOff)
        waits  have broker 0 serve (BrokerNotServing): CrashLoopBackOff
        wrong  BrokerFailing: pod shop-0: CrashLoopBackOff
        next   delete Pod shop-trial: no broker is to be restarted
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        next   delete ConfigMap shop-config-2: no broker reads it any more
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        -- Kubernetes starts the pod
        next   apply ConfigMap shop-config-3: it is not there
        next   apply Pod shop-trial: broker 0 is to start anew, because configs changed that are read only at a start; this shows whether it could
        waits  have broker 0 serve (BrokerNotServing): it starts: logs: 3 of 10 opened
        waits  have broker 0 serve (BrokerNotServing): it starts: logs: 3 of 10 opened
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        next   apply StatefulSet shop: configs changed that are read only at a start, and a trial has shown that brokers can start from it
        waits  have broker 0 serve (BrokerNotServing): it starts: logs: 3 of 10 opened
        next   delete Pod shop-trial: no broker is to be restarted
        waits  have broker 0 serve (BrokerNotServing): it starts: logs: 3 of 10 opened
        waits  have broker 0 serve (BrokerNotServing): it starts: logs: 3 of 10 opened
    "#]]);
}

#[test]
fn a_pod_that_stops_is_let_go_only_once_it_has_ended() {
    let mut world = World::running(json!({}));
    let key = (Kind::Pod, "shop-0".to_owned());
    let change = |world: &mut World, path: &str, value: Value| {
        let pod = world.seen.objects.get_mut(&key).expect("a pod");
        pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        *pod.pointer_mut(path).expect("a field") = value;
    };
    change(&mut world, "/metadata/name", json!("shop-0"));
    world.run().say("somebody calls it over, its containers still run");
    change(&mut world, "/status/phase", json!("Failed"));
    world.run().say("its container has ended");
    change(&mut world, "/status/containerStatuses/0/state", json!({ "terminated": {} }));
    world.run().check(&expect![[r#"
        waits  have broker 0 serve (BrokerNotServing): its pod is stopping
        -- somebody calls it over, its containers still run
        waits  have broker 0 serve (BrokerNotServing): its pod is stopping
        -- its container has ended
        next   let go of Pod shop-0: it has ended, and the next one needs its name
        waits  have broker 0 serve (BrokerNotServing): its pod is stopping
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
    "#]]);
}

#[test]
fn configs_change_while_brokers_run_where_they_can() {
    let mut world = World::running(json!({ "config": { "log.retention.ms": 5 } }));
    world.spec = json!({ "config": { "log.segment.bytes": 1_048_576 } });
    world.run().check(&expect![[r#"
        next   set log.retention.ms=(default) log.segment.bytes=1048576: the brokers have other values than spec.config
    "#]]);
}

#[test]
fn what_others_change_is_put_right() {
    let mut world = World::running(json!({}));
    world.seen.objects.remove(&(Kind::Service, "shop-bootstrap".to_owned()));
    let set = (Kind::StatefulSet, "shop".to_owned());
    world.seen.objects.get_mut(&set).unwrap()["spec"]["replicas"] = json!(0);
    world.run().check(&expect![[r#"
        next   apply Service shop-bootstrap: it is not there
        next   apply StatefulSet shop: spec.replicas is not what it is to be
    "#]]);
}

#[test]
fn a_volume_grows_and_the_set_is_made_anew_around_the_pods() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "storage": { "size": "20Gi" } });
    world.run().check(&expect![[r#"
        next   delete StatefulSet shop, not what belongs to it: spec.volumeClaimTemplates cannot be changed in place; the pods stay as they are
        next   apply StatefulSet shop: it is not there
        next   apply PersistentVolumeClaim data-shop-0: spec.resources.requests.storage is not what it is to be
        waits  grow PersistentVolumeClaim data-shop-0 to 20Gi (VolumeGrows): it has 10Gi so far
    "#]]);
}

#[test]
fn a_volume_that_goes_with_the_cluster_has_an_owner_and_one_that_stays_has_none() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "storage": { "deletionPolicy": "Delete" } });
    world.run();
    let claim = world.seen.object(Kind::PersistentVolumeClaim, "data-shop-0").unwrap();
    assert_eq!(claim["metadata"]["ownerReferences"][0]["kind"], "Cluster");
    world.check(&expect![[r#"
        next   apply PersistentVolumeClaim data-shop-0: metadata.ownerReferences is not what it is to be
    "#]]);
}

#[test]
fn a_volume_of_another_cluster_stops_everything() {
    let mut world = World::new(json!({}));
    let claim = json!({ "metadata": { "name": "data-shop-0", "uid": "u" } });
    world.seen.objects.insert((Kind::PersistentVolumeClaim, "data-shop-0".to_owned()), claim);
    world.run().check(&expect![[r#"
        wrong  ForeignVolume: PersistentVolumeClaim data-shop-0 was not made for a cluster: it has no annotation millrace.io/cluster-id. Set it to the cluster's id to use the volume, or delete the claim
    "#]]);
}

#[test]
fn a_cluster_that_is_made_anew_keeps_the_id_on_its_volume() {
    let mut world = World::running(json!({}));
    let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
    let annotations = &mut world.seen.objects.get_mut(&claim).unwrap()["metadata"]["annotations"];
    annotations[names::CLUSTER_ID] = json!("the-id-of-old");
    world.seen.objects.retain(|(kind, _), _| *kind == Kind::PersistentVolumeClaim);
    world.seen.brokers.clear();
    world.run();
    let (_, files) = world.seen.all(Kind::ConfigMap).next().unwrap();
    let text = files["data"]["server.properties"].as_str().unwrap();
    assert!(text.contains("cluster.id=the-id-of-old\n"), "{text}");
}

#[test]
fn a_disk_that_is_another_is_told() {
    let mut world = World::running(json!({}));
    let Some(BrokerSeen::Serves(state)) = world.seen.brokers.get_mut(&0) else { panic!() };
    state.directory_id = millrace_types::Uuid::from_bytes([7; 16]);
    world.run().check(&expect![[r#"
        wrong  ForeignDirectory: broker 0 runs on the directory BwcHBwcHBwcHBwcHBwcHBw, but PersistentVolumeClaim data-shop-0 was known to hold AAAAAAAAAAAAAAAAAAAAAA: its records are not those that were there
    "#]]);
}

#[test]
fn a_volume_that_is_another_is_told_until_somebody_accepts_it() {
    let mut world = World::running(json!({}));
    let known = BrokerStatus { directory_id: Some("old".to_owned()), ..BrokerStatus::default() };
    world.seen.before.brokers.push(known);
    let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
    let annotations = |world: &mut World| {
        world.seen.objects.get_mut(&claim).unwrap()["metadata"]["annotations"].take()
    };
    annotations(&mut world);
    world.run().say("somebody accepts it");
    let accepted = json!({ (names::DIRECTORY_ID): "AAAAAAAAAAAAAAAAAAAAAA" });
    world.seen.objects.get_mut(&claim).unwrap()["metadata"]["annotations"] = accepted;
    world.run().check(&expect![[r#"
        next   apply PersistentVolumeClaim data-shop-0: metadata.annotations is not what it is to be
        wrong  VolumeReplaced: broker 0 ran on the directory old and now runs on AAAAAAAAAAAAAAAAAAAAAA: the volume of PersistentVolumeClaim data-shop-0 is another, without its records. Set the claim's annotation millrace.io/directory-id to AAAAAAAAAAAAAAAAAAAAAA to go on with it
        wrong  VolumeReplaced: broker 0 ran on the directory old and now runs on AAAAAAAAAAAAAAAAAAAAAA: the volume of PersistentVolumeClaim data-shop-0 is another, without its records. Set the claim's annotation millrace.io/directory-id to AAAAAAAAAAAAAAAAAAAAAA to go on with it
        -- somebody accepts it
        next   apply PersistentVolumeClaim data-shop-0: metadata.annotations.millrace.io/cluster-id is not what it is to be
    "#]]);
}

#[test]
fn no_broker_starts_on_a_volume_that_goes() {
    let mut world = World::running(json!({}));
    world.seen.objects.retain(|(kind, _), _| *kind == Kind::PersistentVolumeClaim);
    let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
    let metadata = &mut world.seen.objects.get_mut(&claim).unwrap()["metadata"];
    metadata["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
    world.run().say("it has gone");
    world.seen.objects.remove(&claim);
    world.run().check(&expect![[r#"
        next   apply ServiceAccount shop: it is not there
        next   apply Service shop-brokers: it is not there
        next   apply Service shop-bootstrap: it is not there
        next   apply NetworkPolicy shop: it is not there
        next   apply PodDisruptionBudget shop: it is not there
        next   apply ConfigMap shop-config-1: it is not there
        waits  start the brokers (ObjectGoing): PersistentVolumeClaim data-shop-0 of earlier ones is still being deleted
        wrong  VolumeDeleted: PersistentVolumeClaim data-shop-0 is being deleted by somebody
        -- it has gone
        next   apply StatefulSet shop: it is not there
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
    "#]]);
}

#[test]
fn a_node_port_that_clients_know_comes_back() {
    let listeners = json!([
        { "name": "internal", "type": "Internal", "port": 9092 },
        { "name": "outside", "type": "NodePort", "port": 9094 },
    ]);
    let mut world = World::running(json!({ "listeners": listeners }));
    let port = |world: &World, name: &str| {
        let service = world.seen.object(Kind::Service, name).expect("a service");
        service["spec"]["ports"][0]["nodePort"].clone()
    };
    let told = ListenerStatus {
        name: "outside".to_owned(),
        kind: "NodePort".to_owned(),
        bootstrap: Some(format!("192.168.0.1:{}", port(&world, "shop-outside-bootstrap"))),
    };
    world.seen.before.listeners.push(told);
    for name in ["shop-outside-0", "shop-outside-bootstrap"] {
        let before = port(&world, name);
        world.seen.objects.remove(&(Kind::Service, name.to_owned()));
        world.run();
        assert_eq!(port(&world, name), before, "{name}\n{}", world.told);
    }
}

#[test]
fn external_listeners_get_services_and_addresses_and_lose_them() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "listeners": [
        { "name": "internal", "type": "Internal", "port": 9092 },
        { "name": "outside", "type": "NodePort", "port": 9094 },
    ] });
    world.run().say("the listener goes again");
    world.spec = json!({});
    world.run().check(&expect![[r#"
        next   apply Service shop-brokers: spec.ports[1] is not what it is to be
        next   apply Service shop-outside-bootstrap: it is not there
        next   apply Service shop-outside-0: it is not there
        next   apply NetworkPolicy shop: spec.ingress[0].ports[1].port is not what it is to be
        next   apply ConfigMap shop-config-1: it is not there
        next   apply Pod shop-trial: broker 0 is to start anew, because configs changed that are read only at a start; this shows whether it could
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        -- the listener goes again
        next   apply Service shop-brokers: something that was wanted is not any more
        next   apply NetworkPolicy shop: spec.ingress[0].ports[1].port is not what it is to be
        next   delete Pod shop-trial: no broker is to be restarted
        next   delete Service shop-outside-0: no listener needs it any more
        next   delete Service shop-outside-bootstrap: no listener needs it any more
        next   delete ConfigMap shop-config-1: no broker reads it any more
    "#]]);
}

#[test]
fn a_first_start_waits_for_a_load_balancer_but_not_for_ever() {
    let mut world = World::new(json!({ "listeners": [
        { "name": "internal", "type": "Internal", "port": 9092 },
        { "name": "cloud", "type": "LoadBalancer", "port": 9094 },
    ] }));
    world.run().say("a minute later");
    world.seen.now_ms += 60_000;
    world.run().check(&expect![[r#"
        next   apply ServiceAccount shop: it is not there
        next   apply Service shop-brokers: it is not there
        next   apply Service shop-bootstrap: it is not there
        next   apply Service shop-cloud-bootstrap: it is not there
        next   apply Service shop-cloud-0: it is not there
        next   apply NetworkPolicy shop: it is not there
        next   apply PodDisruptionBudget shop: it is not there
        waits  tell clients of listener cloud (WaitingForAddress): Service shop-cloud-0 has no address yet
        waits  tell clients of listener cloud (WaitingForAddress): Service shop-cloud-bootstrap has no address yet
        -- a minute later
        next   apply ConfigMap shop-config-1: it is not there
        waits  tell clients of listener cloud (AddressMissing): Service shop-cloud-0 has no address yet
        waits  tell clients of listener cloud (AddressMissing): Service shop-cloud-bootstrap has no address yet
        next   apply StatefulSet shop: it is not there
        waits  tell clients of listener cloud (AddressMissing): Service shop-cloud-0 has no address yet
        waits  tell clients of listener cloud (AddressMissing): Service shop-cloud-bootstrap has no address yet
        waits  tell clients of listener cloud (AddressMissing): Service shop-cloud-0 has no address yet
        waits  tell clients of listener cloud (AddressMissing): Service shop-cloud-bootstrap has no address yet
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
    "#]]);
}

#[test]
fn what_the_api_refuses_is_told_and_the_rest_goes_on() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "storage": { "size": "20Gi" }, "config": { "log.retention.ms": 5 } });
    let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
    world.seen.refused.insert(claim, "the class does not support resize".to_owned());
    world.run().check(&expect![[r#"
        next   delete StatefulSet shop, not what belongs to it: spec.volumeClaimTemplates cannot be changed in place; the pods stay as they are
        next   apply StatefulSet shop: it is not there
        next   set log.retention.ms=5: the brokers have other values than spec.config
        wrong  Refused: PersistentVolumeClaim data-shop-0: the class does not support resize
        wrong  Refused: PersistentVolumeClaim data-shop-0: the class does not support resize
    "#]]);
}

#[test]
fn configs_that_brokers_refuse_are_told() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "config": { "log.retention.ms": 5 } });
    world.seen.refused_configs = Some("unknown config".to_owned());
    world.run().check(&expect![[r#"
        wrong  ConfigRefused: the brokers refuse spec.config: unknown config
    "#]]);
}

#[test]
fn a_load_balancer_that_loses_its_address_restarts_nothing() {
    let outside = json!({ "name": "outside", "type": "LoadBalancer", "port": 9094 });
    let internal = json!({ "name": "internal", "type": "Internal", "port": 9092 });
    let mut world = World::new(json!({ "listeners": [internal, outside] }));
    world.run();
    for name in ["shop-outside-bootstrap", "shop-outside-0"] {
        let service = world.seen.objects.get_mut(&(Kind::Service, name.to_owned())).unwrap();
        service["status"] = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.1" }] } });
    }
    world.run().start().run().told.clear();
    for ((kind, _), object) in &mut world.seen.objects {
        if *kind == Kind::Service {
            object["status"] = json!({});
        }
    }
    world.run().check(&expect![[r#"
        waits  tell clients of listener outside (AddressMissing): Service shop-outside-0 has no address yet
        waits  tell clients of listener outside (AddressMissing): Service shop-outside-bootstrap has no address yet
    "#]]);
}

#[test]
fn a_trial_that_its_node_gave_up_is_repeated() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "image": "millrace-broker:next" });
    world.run().told.clear();
    world.trial(json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }));
    world.run().say("a minute later").seen.now_ms += 60_000;
    let plan = plan(&wanted(world.spec.clone()), &world.seen);
    world.told += &plan.to_string();
    world.check(&expect![[r#"
        waits  restart broker 0 (Restarting): a trial that its node gave up is repeated
        wrong  RestartBlocked: broker 0 stays as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: Evicted: low on memory
        -- a minute later
        next   delete Pod shop-trial: its node gave it up (Evicted), not the template
    "#]]);
}
