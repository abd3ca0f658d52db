//! A node loses its power and comes back: the broker is on the same volume again, nothing that was
//! acknowledged is lost, and groups go on where they were.

use anyhow::{Context, Result, ensure};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check};
use millrace_e2e_cluster::node::{self, Fault};
use millrace_e2e_cluster::records::{consume, feed};

const MANIFEST: &str = include_str!("../manifests/broker.yaml");
const BOOTSTRAP: &str = "broker:9092";
const TEST: &str = "power_cut";

fn body(namespace: &Namespace) -> Result<()> {
    namespace.apply(MANIFEST)?;
    let pod = namespace.wait_for("pod", "broker-0", "Ready")?;
    let node = pod["spec"]["nodeName"].as_str().context("no node")?;
    let inside = Inside::away_from(namespace, node)?;
    let member = |group: &str| inside.verb("member", &[BOOTSTRAP, group, "orders"]);
    let before = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "before", 300, 3)?;
    consume(member("steady")?, &before)?;
    let claim = namespace.get("pvc", "data-broker-0")?;

    let fault = Fault::power_cut(node)?;
    node::wait_until_missed(node)?;
    fault.heal()?;
    namespace.wait_for_restart(&pod)?;
    let after = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "after", 100, 3)?;
    // The one that had read all reads only what is new.
    consume(member("steady")?, &after)?;
    consume(member("late")?, &before.union(&after).cloned().collect())?;
    let now = namespace.get("pvc", "data-broker-0")?;
    ensure!(now["spec"]["volumeName"] == claim["spec"]["volumeName"], "another volume");
    Ok(())
}

#[test]
fn nothing_is_lost_when_a_node_loses_its_power() -> Result<()> {
    if !node::can_break(TEST) && std::env::var_os("MILLRACE_E2E_CLUSTER").is_some() {
        return Ok(());
    }
    check(TEST, body)
}
