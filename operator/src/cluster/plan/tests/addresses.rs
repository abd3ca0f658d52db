//! Services, and what clients outside of Kubernetes are told.

use expect_test::expect;
use millrace_crds::status::ListenerStatus;
use serde_json::json;

use super::world::World;
use crate::kind::Kind;

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
        next   apply ServiceAccount shop-brokers: it is not there
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
