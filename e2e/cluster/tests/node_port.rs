//! Clients outside of Kubernetes reach every broker through node ports, and those inside, too.

use anyhow::{Context, Result, ensure};
use millrace_e2e::client::Client;
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{Values, consume, feed};
use millrace_e2e_cluster::wait;

const MANIFEST: &str = "
apiVersion: millrace.io/v1alpha1
kind: Cluster
metadata:
  name: reached
spec:
  listeners:
  - {name: plain, type: Internal, port: 9092}
  - {name: nodes, type: NodePort, port: 9094}
---
apiVersion: millrace.io/v1alpha1
kind: Topic
metadata:
  name: orders
spec:
  clusterRef: {name: reached}
  partitions: 3
";

/// A service that somebody deletes comes back with the port that clients know.
fn keeps_port(namespace: &Namespace, name: &str) -> Result<()> {
    let port = || {
        let service = namespace.get("service", name)?;
        anyhow::Ok(service.pointer("/spec/ports/0/nodePort").cloned().unwrap_or_default())
    };
    let (before, uid) = (port()?, namespace.uid("service", name)?);
    namespace.kubectl(&["delete", "service", name])?;
    wait::until(&format!("service {name} there again"), wait::MAX, || {
        let now = namespace.uid("service", name)?;
        Ok(if now == uid { Err("the old one".to_owned()) } else { Ok(()) })
    })?;
    let now = port()?;
    ensure!(now == before, "service {name} had port {before} and has {now}");
    Ok(())
}

fn body(namespace: &Namespace) -> Result<()> {
    namespace.apply(MANIFEST)?;
    namespace.wait_for("clusters.millrace.io", "reached", "Ready")?;
    namespace.wait_for("topics.millrace.io", "orders", "Ready")?;
    let outside = wait::until("an address for clients outside", wait::MAX, || {
        let cluster = namespace.get("clusters.millrace.io", "reached")?;
        let listeners = cluster["status"]["listeners"].as_array().context("no listeners")?;
        let nodes = listeners.iter().find(|listener| listener["name"] == "nodes");
        let address = nodes.and_then(|nodes| nodes["bootstrap"].as_str());
        Ok(address.map(str::to_owned).ok_or_else(|| cluster["status"].to_string()))
    })?;
    for name in ["reached-nodes-bootstrap", "reached-nodes-0"] {
        keeps_port(namespace, name)?;
    }
    let inside = Inside::start(namespace)?;
    let bootstrap = "reached-bootstrap:9092";
    let here = |client: &Client| client.toolchain().is_here_for("node_port: a client outside");
    let clients = [Client::ConfluentKafka, Client::Java, Client::Kafkajs];
    let mut written = Values::new();
    for client in clients.into_iter().filter(here) {
        let words = [outside.as_str(), "orders"];
        written.extend(feed(client.verb("outside", "feed", &words)?, client.name(), 100, 3)?);
        let words = [outside.as_str(), client.name(), "orders"];
        consume(client.verb("outside", "member", &words)?, &written)?;
    }
    consume(inside.verb("member", &[bootstrap, "inside", "orders"])?, &written)
}

#[test]
fn clients_outside_are_led_to_each_broker() -> Result<()> {
    check_with_operator("node_port", body)
}
