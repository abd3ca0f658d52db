//! Who the brokers are, who may connect, and how many may be evicted at once.

use serde_json::{Value, json};

use super::child;
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names::{self, HTTP_PORT_NAME};

/// The brokers' account: without rights, and without a token in their pods.
pub fn service_account(wanted: &Wanted) -> Value {
    let name = names::account(&wanted.key.name);
    child(wanted, Kind::ServiceAccount, &name, json!({ "automountServiceAccountToken": false }))
}

/// Where DNS is asked: its own port, and the one that OpenShift's pods of DNS listen on, since a
/// policy is judged behind the service. Only ports, as each distribution has other labels on those
/// pods, and a cache on the node is no pod that could be selected.
const DNS_PORTS: [i32; 2] = [53, 5353];

/// Lets clients in on the listeners, and brokers out to each other and to DNS. Whether it is
/// enforced is up to the network of Kubernetes; that could not be tried where this was written.
pub fn network_policy(wanted: &Wanted) -> Value {
    // By their names: a broker that does not have a changed number yet is reached all the same.
    let tcp = |port: &str| json!({ "protocol": "TCP", "port": port });
    let mut ports: Vec<Value> = wanted.spec.listeners.iter().map(|it| tcp(&it.name)).collect();
    ports.push(tcp(HTTP_PORT_NAME));
    let dns: Vec<Value> = DNS_PORTS
        .iter()
        .flat_map(|port| ["UDP", "TCP"].map(|it| json!({ "protocol": it, "port": port })))
        .collect();
    let brokers = json!({ "matchLabels": names::selector(&wanted.key.name) });
    let spec = json!({
        "podSelector": brokers,
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{ "ports": ports }],
        "egress": [
            { "to": [{ "podSelector": brokers }] },
            { "ports": dns },
        ],
    });
    let name = names::brokers(&wanted.key.name);
    child(wanted, Kind::NetworkPolicy, &name, json!({ "spec": spec }))
}

/// Lets one broker be evicted at a time.
pub fn disruption_budget(wanted: &Wanted) -> Value {
    let spec = json!({
        "maxUnavailable": 1,
        "selector": { "matchLabels": names::selector(&wanted.key.name) },
    });
    let name = names::brokers(&wanted.key.name);
    child(wanted, Kind::PodDisruptionBudget, &name, json!({ "spec": spec }))
}
