//! The brokers' configs as files: one for all of them, and a small one for each.
//!
//! What may differ between brokers stands in the small ones, so that a further broker, or another
//! address of one, does not change the file of all. That file names the `ConfigMap` of both, so the
//! addresses always fit the listeners.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{child, external};
use crate::cluster::seen::Seen;
use crate::cluster::wanted::Wanted;
use crate::kind::Kind;
use crate::names;
use millrace_crds::listener::ListenerKind;

/// The name of the file that all brokers read.
pub const SHARED: &str = "server.properties";

/// The files of all brokers.
pub fn config_map(wanted: &Wanted, seen: &Seen, cluster_id: &str) -> Value {
    let mut files = BTreeMap::from([(SHARED.to_owned(), shared(wanted, cluster_id))]);
    for broker in wanted.brokers() {
        files.insert(names::own_file(&broker.to_string()), own(wanted, seen, broker));
    }
    child(wanted, Kind::ConfigMap, &name(wanted, cluster_id), json!({ "data": files }))
}

/// What the files' `ConfigMap` is called.
pub fn name(wanted: &Wanted, cluster_id: &str) -> String {
    names::config(&wanted.key.name, &names::digest(&shared(wanted, cluster_id)))
}

/// What all brokers start with.
pub fn shared(wanted: &Wanted, cluster_id: &str) -> String {
    let listeners = &wanted.spec.listeners;
    let list = |show: &dyn Fn(&str, i32) -> String| {
        let names = listeners.iter().map(|it| show(&it.name.to_uppercase(), it.port));
        names.collect::<Vec<_>>().join(",")
    };
    let mut values: BTreeMap<String, String> = wanted.file.clone();
    let own = [
        ("cluster.id", cluster_id.to_owned()),
        ("listeners", list(&|name, port| format!("{name}://:{port}"))),
        ("listener.security.protocol.map", list(&|name, _| format!("{name}:PLAINTEXT"))),
        ("log.dirs", "/data/records".to_owned()),
        ("broker.rack", "${env:MILLRACE_POD_ZONE}".to_owned()),
    ];
    values.extend(own.map(|(name, value)| (name.to_owned(), value)));
    properties(&values)
}

fn own(wanted: &Wanted, seen: &Seen, broker: i32) -> String {
    let values = [
        ("node.id".to_owned(), broker.to_string()),
        ("advertised.listeners".to_owned(), advertised(wanted, seen, broker).join(",")),
    ];
    properties(&values.into())
}

/// The addresses that a broker tells clients, as far as they are known.
pub fn advertised(wanted: &Wanted, seen: &Seen, broker: i32) -> Vec<String> {
    let cluster = &wanted.key.name;
    let mut all = Vec::new();
    for listener in &wanted.spec.listeners {
        let address = match listener.kind {
            ListenerKind::Internal => {
                let (pod, service) = (names::pod(cluster, broker), names::headless(cluster));
                Some((format!("{pod}.{service}.{}.svc", wanted.key.namespace), listener.port))
            }
            ListenerKind::NodePort | ListenerKind::LoadBalancer => {
                external::address(wanted, seen, listener, Some(broker))
            }
        };
        let name = listener.name.to_uppercase();
        let address = address.map(|(host, port)| format!("{name}://{host}:{port}"));
        // A load balancer that has lost its address for a while is no reason to restart brokers.
        let last = || match listener.kind {
            ListenerKind::LoadBalancer => seen.last_advertised(cluster, broker, &name),
            ListenerKind::Internal | ListenerKind::NodePort => None,
        };
        all.extend(address.or_else(last));
    }
    all
}

/// Writes values in the syntax of Java's `Properties`.
fn properties(values: &BTreeMap<String, String>) -> String {
    let line = |(name, value): (&String, &String)| {
        let value = value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        format!("{name}={value}\n")
    };
    values.iter().map(line).collect()
}
