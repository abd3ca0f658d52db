//! A broker that crashes, and one whose pod is deleted: it is back on the same volume, nothing that
//! was acknowledged is lost, and groups go on where they were.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, CLUSTERS, shop};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::node;
use millrace_e2e_cluster::records::{Writer, consume};
use serde_json::{Value, json};

fn harmed(namespace: &Namespace, harm: impl FnOnce(&Value) -> Result<()>) -> Result<()> {
    shop(namespace, &json!({}))?;
    let pod = namespace.get("pod", "shop-0")?;
    let volume = namespace.get("pvc", "data-shop-0")?["spec"]["volumeName"].clone();
    let inside = Inside::start(namespace)?;
    let member = |group: &str| inside.verb("member", &[BOOTSTRAP, group, "orders"]);
    let mut writer = Writer::start(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 3);
    let before = writer.write(100)?;
    consume(member("steady")?, &before)?;

    harm(&pod)?;
    // The client goes on all the while; what it is told as acknowledged must be there.
    let during = writer.write(100)?;
    namespace.wait_for_restart(&pod)?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    let after = writer.write(100)?;
    writer.end()?;
    let later = during.union(&after).cloned().collect();
    consume(member("steady")?, &later)?;
    consume(member("late")?, &before.union(&later).cloned().collect())?;
    let now = namespace.get("pvc", "data-shop-0")?["spec"]["volumeName"].clone();
    ensure!(now == volume, "the volume was {volume} and is {now}");
    Ok(())
}

#[test]
fn a_broker_that_crashes_loses_nothing() -> Result<()> {
    let test = "broker_killed";
    if std::env::var_os("MILLRACE_E2E_CLUSTER").is_some() && !node::can_break(test) {
        return Ok(());
    }
    check_with_operator(test, |namespace| harmed(namespace, node::kill_process))
}

#[test]
fn a_pod_that_is_deleted_loses_nothing() -> Result<()> {
    check_with_operator("pod_deleted", |namespace| {
        harmed(namespace, |_| {
            namespace.kubectl(&["delete", "pod", "shop-0", "--wait=false"]).map(drop)
        })
    })
}
