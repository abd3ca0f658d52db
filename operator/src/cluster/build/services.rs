//! Services: a name for each pod, and one address to begin with.

use serde_json::{Value, json};

use super::child;
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names::{self, HTTP_PORT_NAME};
use millrace_crds::listener::{HTTP_PORT, ListenerKind};

/// Names lead to brokers by IPv4 and IPv6 where Kubernetes has both. What is reached from outside is
/// left with one family: not every load balancer has addresses of both.
const FAMILIES: &str = "PreferDualStack";

/// The headless service: each pod has a name of its own, from its start on. A broker must be found
/// before it is ready, or those that start together never would be.
pub fn headless(wanted: &Wanted) -> Value {
    let mut ports: Vec<Value> =
        wanted.spec.listeners.iter().map(|it| port(&it.name, it.port)).collect();
    ports.push(port(HTTP_PORT_NAME, HTTP_PORT));
    let spec = json!({
        "clusterIP": "None",
        "publishNotReadyAddresses": true,
        "ipFamilyPolicy": FAMILIES,
        "selector": names::selector(&wanted.key.name),
        "ports": ports,
    });
    let name = names::headless(&wanted.key.name);
    child(wanted, Kind::Service, &name, json!({ "spec": spec }))
}

/// The service that leads clients within Kubernetes to any broker that serves.
pub fn bootstrap(wanted: &Wanted) -> Value {
    let internal = wanted.spec.listeners.iter().filter(|it| it.kind == ListenerKind::Internal);
    let spec = json!({
        "type": "ClusterIP",
        "ipFamilyPolicy": FAMILIES,
        "selector": names::selector(&wanted.key.name),
        "ports": internal.map(|it| port(&it.name, it.port)).collect::<Vec<_>>(),
    });
    let name = names::bootstrap(&wanted.key.name);
    child(wanted, Kind::Service, &name, json!({ "spec": spec }))
}

fn port(name: &str, number: i32) -> Value {
    // By its name: a broker that does not have a changed number yet is reached all the same.
    json!({ "name": name, "port": number, "targetPort": name, "protocol": "TCP" })
}
