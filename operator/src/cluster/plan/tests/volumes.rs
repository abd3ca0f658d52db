//! Whose volumes are, how they grow, and what is told of those that are others.

use expect_test::expect;
use millrace_crds::status::BrokerStatus;
use serde_json::json;

use super::world::World;
use crate::brokers::BrokerSeen;
use crate::kind::Kind;
use crate::{clock, names};

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
        next   apply ServiceAccount shop-brokers: it is not there
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
fn a_claim_is_left_to_those_who_bind_it() {
    let mut world = World::new(json!({ "storage": { "deletionPolicy": "Delete" } }));
    world.run().start().told.clear();
    let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
    let made = world.seen.now_ms;
    let pending = world.seen.objects.get_mut(&claim).unwrap();
    pending["metadata"]["creationTimestamp"] = json!(clock::show(made));
    pending["status"] = json!({ "phase": "Pending" });
    world.run().say("it takes long").seen.now_ms = made + 10_000;
    world.run().check(&expect![[r#"
        waits  look after PersistentVolumeClaim data-shop-0 (VolumePending): its volume is not bound yet
        -- it takes long
        next   apply PersistentVolumeClaim data-shop-0: metadata.annotations.millrace.io/directory-id is not what it is to be
        next   apply PersistentVolumeClaim data-shop-0: something that was wanted is not any more
    "#]]);
    let bound = world.seen.objects.get_mut(&claim).unwrap();
    bound["metadata"]["ownerReferences"].take();
    bound["status"] = json!({ "phase": "Bound", "capacity": { "storage": "10Gi" } });
    world.seen.now_ms = made;
    world.run().check(&expect![[r#"
        next   apply PersistentVolumeClaim data-shop-0: metadata.ownerReferences is not what it is to be
    "#]]);
}

#[test]
fn what_is_to_stay_is_let_go_of_whatever_else_is_wrong() {
    let mut world = World::running(json!({ "storage": { "deletionPolicy": "Delete" } }));
    let claim = (Kind::PersistentVolumeClaim, "data-shop-0".to_owned());
    world.run().say("the volume is to stay");
    world.spec = json!({ "storage": { "deletionPolicy": "Retain" } });
    let claim = world.seen.objects.get_mut(&claim).unwrap();
    claim["metadata"]["annotations"].as_object_mut().unwrap().remove(names::CLUSTER_ID);
    claim["metadata"]["labels"].take();
    world.run().say("all is to stay");
    world.spec = json!({ "deletionPolicy": "Retain" });
    world.run().check(&expect![[r#"
        -- the volume is to stay
        next   take PersistentVolumeClaim data-shop-0 from its owner: it is to stay when the Cluster goes
        wrong  ForeignVolume: PersistentVolumeClaim data-shop-0 was not made for a cluster: it has no annotation millrace.io/cluster-id. Set it to the cluster's id to use the volume, or delete the claim
        -- all is to stay
        next   take ServiceAccount shop-brokers from its owner: it is to stay when the Cluster goes
        next   take Service shop-bootstrap from its owner: it is to stay when the Cluster goes
        next   take Service shop-brokers from its owner: it is to stay when the Cluster goes
        next   take NetworkPolicy shop from its owner: it is to stay when the Cluster goes
        next   take PodDisruptionBudget shop from its owner: it is to stay when the Cluster goes
        next   take ConfigMap shop-config-1 from its owner: it is to stay when the Cluster goes
        next   take StatefulSet shop from its owner: it is to stay when the Cluster goes
        wrong  ForeignVolume: PersistentVolumeClaim data-shop-0 was not made for a cluster: it has no annotation millrace.io/cluster-id. Set it to the cluster's id to use the volume, or delete the claim
    "#]]);
    let is_owned = |it: &&serde_json::Value| it["metadata"]["ownerReferences"][0].is_object();
    assert_eq!(world.seen.objects.values().filter(is_owned).count(), 0);
}
