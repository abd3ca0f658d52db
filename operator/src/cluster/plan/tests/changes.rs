//! How a cluster is made, and how what changed is put right.

use expect_test::expect;
use serde_json::json;

use super::world::World;
use crate::brokers::BrokerSeen;
use crate::kind::Kind;

#[test]
fn a_new_cluster_is_made_in_order() {
    let mut world = World::new(json!({ "config": { "log.retention.ms": 5 } }));
    world.run().say("Kubernetes starts the pod").start().run().check(&expect![[r#"
        next   apply ServiceAccount shop-brokers: it is not there
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
fn configs_change_while_brokers_run_where_they_can() {
    let mut world = World::running(json!({ "config": { "log.retention.ms": 5 } }));
    world.spec = json!({ "config": { "log.segment.bytes": 1_048_576 } });
    world.run().check(&expect![[r#"
        next   set log.retention.ms=(default) log.segment.bytes=1048576: the brokers have other values than spec.config
    "#]]);
}

#[test]
fn brokers_that_nobody_can_ask_are_not_as_specified() {
    let mut world = World::running(json!({}));
    let silence = BrokerSeen::Silent("describe state: no answer in 10 s".to_owned());
    world.seen.brokers.insert(0, silence);
    world.run().check(&expect![[r#"
        waits  ask the brokers (BrokerSilent): no broker can be asked: describe state: no answer in 10 s
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
fn what_the_api_refuses_is_told_and_the_rest_goes_on() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "storage": { "size": "20Gi" }, "config": { "log.retention.ms": 5 } });
    world.refuses.push((Kind::PersistentVolumeClaim, "the class does not support resize"));
    world.run().check(&expect![[r#"
        next   delete StatefulSet shop, not what belongs to it: spec.volumeClaimTemplates cannot be changed in place; the pods stay as they are
        next   apply StatefulSet shop: it is not there
        next   apply PersistentVolumeClaim data-shop-0: spec.resources.requests.storage is not what it is to be
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
fn a_set_that_is_refused_is_told() {
    let mut world = World::new(json!({}));
    world.refuses.push((Kind::StatefulSet, "exceeded quota"));
    world.run().say("the quota is raised");
    world.refuses.clear();
    world.seen.refused.clear();
    world.run().start().run().told.clear();
    world.refuses.push((Kind::StatefulSet, "a webhook says no"));
    world.spec = json!({ "image": "millrace-broker:next" });
    world.run().trial(json!({ "phase": "Succeeded" })).run().check(&expect![[r#"
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        next   apply StatefulSet shop: its image is millrace-broker:test instead of millrace-broker:next, and a trial has shown that brokers can start from it
        wrong  Refused: StatefulSet shop: a webhook says no
    "#]]);
}

#[test]
fn replicas_that_somebody_changes_come_back_while_a_change_is_blocked() {
    let mut world = World::running(json!({}));
    world.spec = json!({ "image": "millrace-broker:next" });
    let waiting = json!({ "waiting": { "reason": "ImagePullBackOff" } });
    world.run().pod("shop-trial", &waiting).run().told.clear();
    let set = (Kind::StatefulSet, "shop".to_owned());
    world.seen.objects.get_mut(&set).unwrap()["spec"]["replicas"] = json!(0);
    world.run();
    let set = world.seen.object(Kind::StatefulSet, "shop").unwrap();
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        (&set["spec"]["replicas"], &container["image"]),
        (&json!(1), &json!("millrace-broker:test"))
    );
    world.check(&expect![[r#"
        next   apply StatefulSet shop: spec.replicas is not what it is to be
        wrong  RestartBlocked: broker 0 is left as it is: its image is millrace-broker:test instead of millrace-broker:next, but from what is wanted it would not start: ImagePullBackOff
    "#]]);
}

#[test]
fn two_changes_that_are_refused_do_not_take_turns() {
    let mut world = World::running(json!({}));
    let set = (Kind::StatefulSet, "shop".to_owned());
    let there = world.seen.objects.get_mut(&set).unwrap();
    there["spec"]["updateStrategy"]["type"] = json!("RollingUpdate");
    world.spec = json!({ "image": "millrace-broker:next" });
    world.refuses.push((Kind::StatefulSet, "a webhook says no"));
    world.run().trial(json!({ "phase": "Succeeded" })).run().check(&expect![[r#"
        next   apply StatefulSet shop: spec.updateStrategy is not what it is to be
        next   apply Pod shop-trial: broker 0 is to start anew, because its image is millrace-broker:test instead of millrace-broker:next; this shows whether it could
        wrong  Refused: StatefulSet shop: spec.updateStrategy is not what it is to be, and cannot be put right: a webhook says no
        waits  restart broker 0 (Restarting): pod shop-trial tries whether it could start
        wrong  Refused: StatefulSet shop: spec.updateStrategy is not what it is to be, and cannot be put right: a webhook says no
        next   apply StatefulSet shop: its image is millrace-broker:test instead of millrace-broker:next, and a trial has shown that brokers can start from it
        wrong  Refused: StatefulSet shop: spec.updateStrategy is not what it is to be, and cannot be put right: a webhook says no
        wrong  Refused: StatefulSet shop: a webhook says no
        wrong  Refused: StatefulSet shop: spec.updateStrategy is not what it is to be, and cannot be put right: a webhook says no
    "#]]);
}
