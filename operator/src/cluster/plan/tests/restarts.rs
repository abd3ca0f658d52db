//! When brokers are restarted, and when not.

use expect_test::expect;
use millrace_crds::Condition;
use serde_json::{Value, json};

use super::super::plan;
use super::world::World;
use crate::brokers::BrokerSeen;
use crate::cluster::build::tests::wanted;
use crate::cluster::seen::Refusal;
use crate::kind::Kind;
use crate::objects::Warning;
use crate::{clock, names};

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
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff: not found
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
fn what_is_going_is_not_deleted_again() {
    let mut world = World::running(json!({}));
    let metadata = |name: &str| {
        json!({
            "name": name, "uid": format!("uid of {name}"),
            "labels": { "app.kubernetes.io/managed-by": names::MANAGER },
        })
    };
    for (kind, name) in [(Kind::Pod, "shop-trial"), (Kind::Service, "shop-external-7")] {
        let object = json!({ "metadata": metadata(name), "spec": {} });
        world.seen.objects.insert((kind, name.to_owned()), object);
    }
    let mut same = World::running(json!({}));
    same.seen = world.seen.clone();
    for object in same.seen.objects.values_mut().filter(|it| it["spec"] == json!({})) {
        object["metadata"]["deletionTimestamp"] = json!("2025-11-24T00:00:00Z");
    }
    world.run().check(&expect![[r#"
        next   delete Pod shop-trial: no broker is to be restarted
        next   delete Service shop-external-7: no listener needs it any more
    "#]]);
    same.run().check(&expect![""]);
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
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff: not found
        -- its container crashes
        waits  have broker 0 serve (BrokerNotServing): OOMKilled
        wrong  BrokerFailing: pod shop-0: OOMKilled
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff: not found
        -- its node is drained
        next   delete Pod shop-trial: it tried something else than what is wanted now
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff: not found
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
    world.trial(
        json!({ "phase": "Running", "containerStatuses": [{ "state": { "running": {} } }] }),
    );
    world.run().say("later").seen.now_ms += 300_000;
    world.run().check(&expect![[r#"
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        -- later
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of registry.example/sleeps, but from what is wanted it would not start: its trial takes longer than 300 s
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
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        -- Kubernetes starts the pod
        next   apply ConfigMap shop-config-2: it is not there
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
        next   let Pod shop-0 go: it has ended, and the next one needs its name
        waits  have broker 0 serve (BrokerNotServing): its pod is stopping
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
    "#]]);
}

#[test]
fn a_trial_that_its_node_gave_up_is_repeated() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "image": "millrace-broker:next" });
    world.run().told.clear();
    world.trial(json!({ "phase": "Failed", "reason": "Evicted", "message": "low on memory" }));
    world.run().say("later").seen.now_ms += 300_000;
    let plan = plan(&wanted(world.spec.clone()), &world.seen);
    world.told += &plan.to_string();
    world.check(&expect![[r#"
        waits  restart broker 0 (Restarting): a trial that was given up is repeated
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: Evicted: low on memory
        -- later
        next   delete Pod shop-trial: it was given up (Evicted), which says nothing of the template
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: Evicted: low on memory
    "#]]);
}

#[test]
fn a_trial_with_containers_of_others_is_judged_by_its_own() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "image": "millrace-broker:next" });
    let statuses = |code: i64| {
        json!([
            { "name": "a-proxy", "state": { "running": {} } },
            { "name": "broker", "state": { "terminated": { "exitCode": code, "reason": "x" } } },
        ])
    };
    world.run().told.clear();
    world.trial(json!({ "phase": "Running", "containerStatuses": statuses(1) }));
    world.run().say("and one that ends well");
    world.trial(json!({ "phase": "Running", "containerStatuses": statuses(0) }));
    world.run().check(&expect![[r#"
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: x
        -- and one that ends well
        next   apply StatefulSet shop: its image is millrace-broker:test instead of millrace-broker:next, and a trial has shown that brokers can start from it
        next   delete Pod shop-0: its image is millrace-broker:test instead of millrace-broker:next, and a trial has shown that it can start again
        next   delete Pod shop-trial: no broker is to be restarted
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
    "#]]);
}

#[test]
fn a_trial_that_is_refused_as_too_small_asks_for_all() {
    let mut world = World::running(json!({ "resources": { "requests": { "cpu": 1 } } }));
    world.spec =
        json!({ "image": "millrace-broker:next", "resources": { "requests": { "cpu": 1 } } });
    world.refuses.push((Kind::Pod, "minimum cpu usage per Container is 100m"));
    world.run().say("more is allowed");
    // What was refused is known until the end of a look.
    world.refuses.clear();
    world.seen.refused.clear();
    let name = (Kind::Pod, "shop-trial".to_owned());
    let refusal = Refusal { object: "the smaller one".to_owned(), words: "too small".to_owned() };
    world.seen.refused.insert(name, vec![refusal]);
    world.run();
    let trial = world.seen.object(Kind::Pod, "shop-trial").unwrap();
    assert_eq!(trial["spec"]["containers"][0]["resources"]["requests"]["cpu"], "1");
    world.seen.refused.clear();
    world.run().check(&expect![[r#"
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        wrong  Refused: Pod shop-trial: minimum cpu usage per Container is 100m
        -- more is allowed
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
    "#]]);
}

#[test]
fn a_pod_that_does_not_arrive_is_told_with_the_words_of_its_node() {
    let mut world = World::running(json!({}));
    let creating = json!({ "waiting": { "reason": "ContainerCreating" } });
    let made = world.seen.now_ms;
    world.pod("shop-0", &creating);
    let pod = (Kind::Pod, "shop-0".to_owned());
    let metadata = &mut world.seen.objects.get_mut(&pod).unwrap()["metadata"];
    metadata["creationTimestamp"] = json!(clock::show(made));
    world.run().say("its node cannot").seen.now_ms = made + 20_000;
    let words = "FailedCreatePodSandBox: memory limit too low?".to_owned();
    let warning = Warning { at_ms: made, words };
    world.seen.warnings.insert((Kind::Pod, "shop-0".to_owned()), warning);
    world.run().say("still").seen.now_ms = made + 60_000;
    world.run().say("nothing is said").seen.warnings.clear();
    world.run().say("for long").seen.now_ms = made + 300_000;
    world.run().say("it is mended").start().run().check(&expect![[r#"
        waits  have broker 0 serve (BrokerNotServing): its pod is on its way
        -- its node cannot
        waits  have broker 0 serve (BrokerNotServing): its pod is on its way, but FailedCreatePodSandBox: memory limit too low?
        -- still
        waits  have broker 0 serve (BrokerNotServing): its pod is on its way, but FailedCreatePodSandBox: memory limit too low?
        wrong  BrokerNotStarting: pod shop-0: FailedCreatePodSandBox: memory limit too low?
        -- nothing is said
        waits  have broker 0 serve (BrokerNotServing): its pod is on its way
        -- for long
        waits  have broker 0 serve (BrokerNotServing): its pod is on its way
        wrong  BrokerNotStarting: pod shop-0: its node has not started it within 300 s
        -- it is mended
    "#]]);
}

#[test]
fn a_trial_that_does_not_arrive_is_told_with_the_words_of_its_node() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "resources": { "limits": { "memory": "1Mi" } } });
    world.run().say("its node cannot").seen.now_ms += 20_000;
    let words = "FailedCreatePodSandBox: memory limit too low?".to_owned();
    let warning = Warning { at_ms: world.seen.now_ms, words };
    world.seen.warnings.insert((Kind::Pod, "shop-trial".to_owned()), warning);
    world.run().say("still").seen.now_ms += 40_000;
    world.run().check(&expect![[r#"
        next   apply Pod shop-trial: broker 0 is to start anew, because its pod template changed; this shows whether it could
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        -- its node cannot
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start, but FailedCreatePodSandBox: memory limit too low?
        -- still
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start, but FailedCreatePodSandBox: memory limit too low?
        wrong  RestartBlocked: broker 0 is left as it is: its pod template changed, but from what is wanted it would not start: FailedCreatePodSandBox: memory limit too low?
    "#]]);
}

#[test]
fn a_pod_that_the_set_cannot_make_is_told_with_its_words() {
    let mut world = World::running(json!({}));
    world.seen.objects.remove(&(Kind::Pod, "shop-0".to_owned()));
    world.seen.brokers.clear();
    let since = world.seen.now_ms;
    let words = |words: &str| format!("FailedCreate: create Pod shop-0 failed: {words}");
    let warn = |world: &mut World, at_ms: i64, why: &str| {
        let warning = Warning { at_ms, words: words(why) };
        world.seen.warnings.insert((Kind::StatefulSet, "shop".to_owned()), warning);
    };
    let mut ready = Condition {
        kind: "Ready".to_owned(),
        status: "True".to_owned(),
        observed_generation: 1,
        last_transition_time: clock::show(since - 3_600_000),
        reason: "AsSpecified".to_owned(),
        message: String::new(),
    };
    world.seen.before.conditions = vec![ready.clone()];
    warn(&mut world, since - 3_000_000, "that was long ago");
    world.run().say("it is told not to be ready");
    ready.status = "False".to_owned();
    ready.last_transition_time = clock::show(since);
    world.seen.before.conditions = vec![ready];
    world.run().say("a quota refuses");
    warn(&mut world, since, "exceeded quota");
    world.run().say("later").seen.now_ms = since + 15_000;
    world.run().check(&expect![[r#"
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        -- it is told not to be ready
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet
        -- a quota refuses
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet, but FailedCreate: create Pod shop-0 failed: exceeded quota
        -- later
        waits  have broker 0 serve (BrokerNotServing): its pod is not there yet, but FailedCreate: create Pod shop-0 failed: exceeded quota
        wrong  Refused: StatefulSet shop: FailedCreate: create Pod shop-0 failed: exceeded quota
    "#]]);
}

#[test]
fn a_pod_that_nobody_finds_gets_its_labels_back() {
    let mut world = World::running(json!({}));
    let pod = (Kind::Pod, "shop-0".to_owned());
    let labels = &mut world.seen.objects.get_mut(&pod).unwrap()["metadata"]["labels"];
    labels["app.kubernetes.io/component"].take();
    world.run().check(&expect![[r#"
        next   apply Pod shop-0: without its label app.kubernetes.io/component nobody finds the broker
    "#]]);
}
