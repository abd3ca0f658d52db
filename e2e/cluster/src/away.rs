//! A node that nobody reaches for a while, though nothing on it has ended: what must hold then.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cluster::{BOOTSTRAP, CLUSTERS, shop};
use crate::inside::Inside;
use crate::namespace::Namespace;
use crate::node::{self, Fault};
use crate::records::{Writer, consume};
use crate::wait;

/// Lets a broker's node be away, while a client writes, and come back: the broker is on the same
/// volume again, nothing that was acknowledged is lost, and groups go on where they were.
///
/// The broker of a node that does not answer may still write. So its pod has to stay the only one
/// until the node itself says that it has ended, and the status has to tell of it meanwhile.
///
/// # Errors
/// A promise is broken.
pub fn ride_out(namespace: &Namespace, begin: impl Fn(&str) -> Result<Fault>) -> Result<()> {
    shop(namespace, &json!({}))?;
    let pod = namespace.get("pod", "shop-0")?;
    let node = pod["spec"]["nodeName"].as_str().context("no node")?;
    let disk = disk(namespace)?;
    let inside = Inside::away_from(namespace, node)?;
    let member = |group: &str| inside.verb("member", &[BOOTSTRAP, group, "orders"]);
    let mut writer = Writer::start(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 3);
    let before = writer.write(100)?;
    consume(member("steady")?, &before)?;

    let fault = begin(node)?;
    writer.send(200)?;
    told(namespace, node, &pod)?;
    fault.heal()?;
    namespace.wait_for_restart(&pod)?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    let during = writer.acknowledged(200)?;
    let after = writer.write(100)?;
    writer.end()?;
    let later = during.union(&after).cloned().collect();
    consume(member("steady")?, &later)?;
    consume(member("late")?, &before.union(&later).cloned().collect())?;
    let now = self::disk(namespace)?;
    ensure!(now == disk, "the disk was {disk} and is {now}");
    Ok(())
}

/// Waits until Kubernetes gives up on the pod, and looks that status and pod are as they must be.
fn told(namespace: &Namespace, node: &str, pod: &Value) -> Result<()> {
    node::wait_until_missed(node)?;
    // The operator may have been on that node, too.
    wait::until("the broker told as missed", wait::MAX, || {
        let status = namespace.get(CLUSTERS, "shop")?["status"].take();
        let conditions = status["conditions"].as_array().context("no conditions")?;
        let ready = conditions.iter().find(|it| it["type"] == "Ready").context("no Ready")?;
        let is_told = ready["status"] == "False"
            && ready["reason"] == "BrokerNotServing"
            && status["readyReplicas"] == 0
            && status["brokers"][0]["state"] != "Serving";
        Ok(if is_told { Ok(()) } else { Err(status.to_string()) })
    })?;
    wait::until("the pod given up", wait::MAX, || {
        let now = namespace.get("pod", "shop-0")?;
        let is_going = !now["metadata"]["deletionTimestamp"].is_null();
        Ok(if is_going { Ok(()) } else { Err(now["status"]["conditions"].to_string()) })
    })?;
    let brokers = namespace.list("pods", "millrace.io/cluster=shop")?;
    let uids: Vec<_> = brokers.iter().map(|it| &it["metadata"]["uid"]).collect();
    ensure!(uids == [&pod["metadata"]["uid"]], "another broker while one may write: {uids:?}");
    Ok(())
}

/// What tells a broker's disk from any other: the volume, and the directory on it.
fn disk(namespace: &Namespace) -> Result<Value> {
    let claim = namespace.get("pvc", "data-shop-0")?;
    let broker = namespace.get(CLUSTERS, "shop")?["status"]["brokers"][0].take();
    ensure!(broker["directoryId"].is_string(), "no directory in {broker}");
    Ok(json!([claim["spec"]["volumeName"], broker["directoryId"]]))
}
