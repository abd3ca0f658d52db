//! A change that would not start never takes a running broker down, nor keeps one from coming back,
//! and the status names the cause.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, CLUSTERS, cluster, shop};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{consume, feed};
use serde_json::json;

/// A broker that goes while a change would not start comes back as it was; its new uid.
fn drained(namespace: &Namespace, uid: &str) -> Result<String> {
    let spec = json!({
        "image": "docker.io/millrace/broker:none",
        "imagePullPolicy": "Never",
        "config": { "num.partitions": 3 },
    });
    namespace.apply(&cluster("shop", &spec))?;
    namespace.wait_for_refusal(CLUSTERS, "shop", "RestartBlocked")?;
    namespace.kubectl(&["delete", "pod", "shop-0"])?;
    namespace.wait_for("pod", "shop-0", "Ready")?;
    let now = namespace.uid("pod", "shop-0")?;
    ensure!(now != uid, "pod shop-0 was not deleted");
    namespace.wait_for_refusal(CLUSTERS, "shop", "RestartBlocked")?;
    namespace.ensure_unharmed("shop-0", &now)?;
    namespace.apply(&cluster("shop", &json!({})))?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    namespace.ensure_unharmed("shop-0", &now)?;
    Ok(now)
}

fn body(namespace: &Namespace) -> Result<()> {
    shop(namespace, &json!({}))?;
    let uid = namespace.uid("pod", "shop-0")?;
    let inside = Inside::start(namespace)?;
    let feeder = |prefix| feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, prefix, 10, 3);
    let mut written = feeder("before")?;
    for (name, spec, reason, words) in [
        (
            "image",
            json!({ "image": "docker.io/millrace/broker:none", "imagePullPolicy": "Never" }),
            "RestartBlocked",
            "ErrImageNeverPull",
        ),
        ("config", json!({ "config": { "num.partition": 1 } }), "InvalidSpec", "num.partition"),
        (
            "place",
            json!({ "pod": { "nodeSelector": { "disk": "none" } } }),
            "Unschedulable",
            "node",
        ),
        (
            "size",
            json!({ "resources": { "requests": { "memory": "900Gi" } } }),
            "Unschedulable",
            "memory",
        ),
    ] {
        namespace.apply(&cluster("shop", &spec))?;
        let told = namespace.wait_for_refusal(CLUSTERS, "shop", reason)?;
        ensure!(told.contains(words), "{name}: {words:?} is not in {told:?}");
        namespace.ensure_unharmed("shop-0", &uid)?;
        written.extend(feeder(name)?);
        namespace.apply(&cluster("shop", &json!({})))?;
        namespace.wait_for(CLUSTERS, "shop", "Ready")?;
        namespace.ensure_unharmed("shop-0", &uid)?;
    }
    let uid = drained(namespace, &uid)?;
    written.extend(feeder("drained")?);
    // The last one, because a volume cannot shrink again. The class of these volumes lets none grow.
    namespace.apply(&cluster("shop", &json!({ "storage": { "size": "20Gi" } })))?;
    let told = namespace.wait_for_refusal(CLUSTERS, "shop", "Refused")?;
    ensure!(told.contains("data-shop-0"), "the volume is not named in {told:?}");
    namespace.ensure_unharmed("shop-0", &uid)?;
    consume(inside.verb("member", &[BOOTSTRAP, "all", "orders"])?, &written)
}

#[test]
fn a_change_that_cannot_start_leaves_the_broker_running() -> Result<()> {
    check_with_operator("unharmed", body)
}
