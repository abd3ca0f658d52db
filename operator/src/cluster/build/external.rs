//! What clients outside of Kubernetes connect to: a service to begin with and one for each broker,
//! because a client must reach the very broker that leads a partition.

use std::net::Ipv6Addr;

use millrace_crds::listener::{Listener, ListenerKind};
use serde_json::{Value, json};

use super::{child, put};
use crate::cluster::seen::{Seen, text};
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names;

/// Stands in a broker's configs for the address of the node that it runs on.
pub const NODE_ADDRESS: &str = "${env:MILLRACE_POD_NODE_ADDRESS}";

/// The listeners that need services of their own.
pub fn listeners(wanted: &Wanted) -> impl Iterator<Item = &Listener> {
    wanted.spec.listeners.iter().filter(|it| it.kind != ListenerKind::Internal)
}

/// The services of all external listeners.
pub fn services(wanted: &Wanted, seen: &Seen) -> Vec<Value> {
    let mut all = Vec::new();
    for listener in listeners(wanted) {
        all.push(service(wanted, seen, listener, None));
        all.extend(wanted.brokers().map(|broker| service(wanted, seen, listener, Some(broker))));
    }
    all
}

fn service(wanted: &Wanted, seen: &Seen, listener: &Listener, broker: Option<i32>) -> Value {
    let cluster = &wanted.key.name;
    let name = names::external(cluster, &listener.name, broker);
    let mut selector = names::selector(cluster);
    let mut labels = names::labels(cluster);
    labels.insert(names::LISTENER_LABEL.to_owned(), listener.name.clone());
    if let Some(broker) = broker {
        let pod = names::pod(cluster, broker);
        selector.insert("statefulset.kubernetes.io/pod-name".to_owned(), pod);
        labels.insert(names::BROKER_LABEL.to_owned(), broker.to_string());
    }
    let mut port = json!({
        "name": listener.name, "port": listener.port, "targetPort": listener.name, "protocol": "TCP",
    });
    let given = listener.node_port.map(|first| first + broker.map_or(0, |it| it + 1));
    let before = || last_node_port(wanted, seen, listener, broker);
    put(&mut port, "nodePort", given.or_else(before));
    let mut spec = json!({
        "type": match listener.kind {
            ListenerKind::LoadBalancer => "LoadBalancer",
            ListenerKind::NodePort | ListenerKind::Internal => "NodePort",
        },
        "selector": selector,
        "ports": [port],
    });
    // A broker's own address must not depend on its being ready: a client that knows it waits.
    // The API server keeps no `false`, so it is not said.
    put(&mut spec, "publishNotReadyAddresses", broker.map(|_| true));
    put(&mut spec, "loadBalancerClass", &listener.load_balancer_class);
    put(&mut spec, "loadBalancerSourceRanges", &listener.source_ranges);
    let mut rest = json!({ "metadata": { "labels": labels }, "spec": spec });
    put(&mut rest["metadata"], "annotations", &listener.annotations);
    child(wanted, Kind::Service, &name, rest)
}

/// The port of a service that somebody has deleted: clients know it. None once the API has said that
/// it is another's.
fn last_node_port(
    wanted: &Wanted,
    seen: &Seen,
    listener: &Listener,
    broker: Option<i32>,
) -> Option<i32> {
    let (cluster, kind) = (&wanted.key.name, Kind::Service);
    let service = names::external(cluster, &listener.name, broker);
    let is_free = !seen.refused.contains_key(&(kind, service.clone()));
    if listener.kind != ListenerKind::NodePort || seen.object(kind, &service).is_some() || !is_free
    {
        return None;
    }
    let address = match broker {
        Some(id) => seen.last_advertised(cluster, id, &listener.name.to_uppercase()),
        None => {
            let told = seen.before.listeners.iter().find(|it| it.name == listener.name);
            told.filter(|it| it.kind == "NodePort")?.bootstrap.clone()
        }
    };
    address?.rsplit_once(':')?.1.parse().ok()
}

/// Host and port under which clients reach a broker, or any (`None`), once that is known. An address
/// of IPv6 stands in brackets.
pub fn address(
    wanted: &Wanted,
    seen: &Seen,
    listener: &Listener,
    broker: Option<i32>,
) -> Option<(String, i32)> {
    let name = names::external(&wanted.key.name, &listener.name, broker);
    let service = seen.object(Kind::Service, &name)?;
    let given = listener.advertised_host.as_deref().map(bracketed);
    match listener.kind {
        ListenerKind::Internal => None,
        ListenerKind::NodePort => {
            let port = service.pointer("/spec/ports/0/nodePort")?.as_i64()?;
            let host = given.unwrap_or_else(|| NODE_ADDRESS.to_owned());
            Some((host, i32::try_from(port).ok()?))
        }
        ListenerKind::LoadBalancer => {
            let ingress = service.pointer("/status/loadBalancer/ingress/0");
            let found = ingress.and_then(|it| text(it, "/hostname").or_else(|| text(it, "/ip")));
            Some((given.or_else(|| found.map(bracketed))?, listener.port))
        }
    }
}

/// A host as it stands before a port.
pub fn bracketed(host: &str) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() }
}
