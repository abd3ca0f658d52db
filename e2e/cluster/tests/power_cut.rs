//! A node loses its power and comes back: the broker is on the same volume again, nothing that was
//! acknowledged is lost, and groups go on where they were.

use anyhow::{Context, Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, CLUSTERS, shop};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::node::{self, Fault};
use millrace_e2e_cluster::records::{consume, feed};
use millrace_e2e_cluster::wait;
use serde_json::json;

const TEST: &str = "power_cut";

fn body(namespace: &Namespace) -> Result<()> {
    shop(namespace, &json!({}))?;
    let pod = namespace.get("pod", "shop-0")?;
    let node = pod["spec"]["nodeName"].as_str().context("no node")?;
    let inside = Inside::away_from(namespace, node)?;
    let member = |group: &str| inside.verb("member", &[BOOTSTRAP, group, "orders"]);
    let before = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "before", 300, 3)?;
    consume(member("steady")?, &before)?;
    let claim = namespace.get("pvc", "data-shop-0")?;

    let fault = Fault::power_cut(node)?;
    node::wait_until_missed(node)?;
    // The status tells, wherever the operator runs; it may have lost its node, too.
    wait::until("the broker told as missed", wait::MAX, || {
        let cluster = namespace.get(CLUSTERS, "shop")?;
        let conditions = cluster["status"]["conditions"].as_array().context("no conditions")?;
        let is_told = conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "False");
        Ok(if is_told { Ok(()) } else { Err(cluster["status"].to_string()) })
    })?;
    fault.heal()?;
    namespace.wait_for_restart(&pod)?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    let after = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "after", 100, 3)?;
    // The one that had read all reads only what is new.
    consume(member("steady")?, &after)?;
    consume(member("late")?, &before.union(&after).cloned().collect())?;
    let now = namespace.get("pvc", "data-shop-0")?;
    ensure!(now["spec"]["volumeName"] == claim["spec"]["volumeName"], "another volume");
    Ok(())
}

#[test]
fn nothing_is_lost_when_a_node_loses_its_power() -> Result<()> {
    if std::env::var_os("MILLRACE_E2E_CLUSTER").is_some() && !node::can_break(TEST) {
        return Ok(());
    }
    check_with_operator(TEST, body)
}
