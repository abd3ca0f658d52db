//! Whatever somebody edits or deletes is put right, and the broker serves on all the while.

use anyhow::{Context, Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, CLUSTERS, shop};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{consume, feed};
use millrace_e2e_cluster::wait;
use serde_json::{Value, json};

/// Stands for the name of the brokers' configs, which holds a digest of them.
const CONFIGS: &str = "(configs)";

const CHILDREN: [(&str, &str); 7] = [
    ("serviceaccount", "shop-brokers"),
    ("service", "shop-brokers"),
    ("service", "shop-bootstrap"),
    ("networkpolicy", "shop"),
    ("poddisruptionbudget", "shop"),
    ("configmap", CONFIGS),
    ("statefulset", "shop"),
];

/// Edits: object, patch, and where its effect shows.
const EDITS: [(&str, &str, &str, &str); 11] = [
    (
        "service",
        "shop-bootstrap",
        r#"{"spec":{"selector":{"millrace.io/cluster":"other"}}}"#,
        "/spec/selector",
    ),
    (
        "service",
        "shop-brokers",
        r#"{"metadata":{"labels":{"millrace.io/cluster":null}}}"#,
        "/metadata/labels",
    ),
    ("networkpolicy", "shop", r#"{"spec":{"ingress":[]}}"#, "/spec/ingress"),
    ("poddisruptionbudget", "shop", r#"{"spec":{"maxUnavailable":0}}"#, "/spec/maxUnavailable"),
    (
        "poddisruptionbudget",
        "shop",
        r#"{"spec":{"maxUnavailable":null,"minAvailable":1}}"#,
        "/spec/maxUnavailable",
    ),
    (
        "service",
        "shop-bootstrap",
        r#"{"spec":{"type":"ExternalName","externalName":"example.com"}}"#,
        "/spec/type",
    ),
    (
        "pod",
        "shop-0",
        r#"{"metadata":{"labels":{"app.kubernetes.io/component":null}}}"#,
        "/metadata/labels",
    ),
    ("configmap", CONFIGS, r#"{"data":{"server.properties":"broken"}}"#, "/data"),
    (
        "networkpolicy",
        "shop",
        r#"{"spec":{"ingress":[{"from":[{"ipBlock":{"cidr":"192.0.2.0/24"}}]}]}}"#,
        "/spec/ingress",
    ),
    (
        "statefulset",
        "shop",
        r#"{"spec":{"template":{"spec":{"hostNetwork":true,"hostPID":true}}}}"#,
        "/spec/template/spec",
    ),
    ("statefulset", "shop", r#"{"spec":{"replicas":0}}"#, "/spec/replicas"),
];

fn name_of(namespace: &Namespace, name: &str) -> Result<String> {
    if name != CONFIGS {
        return Ok(name.to_owned());
    }
    let set = namespace.get("statefulset", "shop")?;
    let name = set.pointer("/spec/template/spec/volumes/0/configMap/name");
    Ok(name.and_then(Value::as_str).context("no configs in the template")?.to_owned())
}

fn deleted(namespace: &Namespace) -> Result<()> {
    for (kind, name) in CHILDREN {
        let name = &name_of(namespace, name)?;
        let before = namespace.uid(kind, name)?;
        // Pods of a StatefulSet stay, as with somebody who knows a little.
        namespace.kubectl(&["delete", kind, name, "--cascade=orphan"])?;
        wait::until(&format!("{kind} {name} there again"), wait::MAX, || {
            let now = namespace.uid(kind, name)?;
            Ok(if now == before { Err("the old one".to_owned()) } else { Ok(()) })
        })?;
    }
    Ok(())
}

fn edited(namespace: &Namespace) -> Result<()> {
    for (kind, name, patch, place) in EDITS {
        let name = &name_of(namespace, name)?;
        let part = || {
            let object = namespace.get(kind, name)?;
            anyhow::Ok(object.pointer(place).cloned().unwrap_or_default())
        };
        let before = part()?;
        namespace.kubectl(&["patch", kind, name, "--type=merge", &format!("--patch={patch}")])?;
        wait::until(&format!("{place} of {kind} {name} put right"), wait::MAX, || {
            let now = part()?;
            Ok(if now == before { Ok(()) } else { Err(now.to_string()) })
        })?;
    }
    Ok(())
}

fn body(namespace: &Namespace) -> Result<()> {
    shop(namespace, &json!({}))?;
    let uid = namespace.uid("pod", "shop-0")?;
    let inside = Inside::start(namespace)?;
    let mut written = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "before", 30, 3)?;
    deleted(namespace)?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    namespace.ensure_unharmed("shop-0", &uid)?;
    written.extend(feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "between", 30, 3)?);
    edited(namespace)?;
    // A StatefulSet without replicas takes the pod along; it comes back to its volume.
    namespace.wait_for("pod", "shop-0", "Ready")?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    written.extend(feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "after", 30, 3)?);
    let events = namespace.list("events.events.k8s.io", "")?;
    ensure!(events.len() < 200, "{} events of a few repairs", events.len());
    consume(inside.verb("member", &[BOOTSTRAP, "all", "orders"])?, &written)
}

#[test]
fn what_somebody_changes_is_put_right() -> Result<()> {
    check_with_operator("drift", body)
}
