//! A larger `storage.size` reaches the volume while the broker serves on: without a restart, and with
//! the status telling how far it is.
//!
//! kind's volumes are folders, which cannot grow: the test plays the resizer of a storage driver.

use anyhow::{Context, Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, CLUSTERS, cluster, shop};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::kubectl;
use millrace_e2e_cluster::namespace::{CLUSTER_VARIABLE, Namespace, check_with_operator};
use millrace_e2e_cluster::records::{Writer, consume};
use millrace_e2e_cluster::wait;
use millrace_peers::toolchain;
use serde_json::{Value, json};

const TEST: &str = "volume_growth";

/// A storage class whose volumes may grow; removed when dropped.
struct Class(String);

impl Class {
    fn make(namespace: &Namespace) -> Result<Class> {
        let name = namespace.name.clone();
        let object = json!({
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": { "name": name },
            "provisioner": "rancher.io/local-path",
            "volumeBindingMode": "WaitForFirstConsumer",
            "reclaimPolicy": "Delete",
            "allowVolumeExpansion": true,
        });
        kubectl::run_with(&["apply", "--filename=-"], &object.to_string())?;
        Ok(Class(name))
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        // Nobody else has volumes of it.
        let _ = kubectl::run(&["delete", "storageclass", &self.0, "--ignore-not-found"]);
    }
}

/// What the resizer of a storage driver says when it is done, in its order: the volume, the claim.
fn resize(namespace: &Namespace, claim: &Value, size: &str) -> Result<()> {
    let volume = claim["spec"]["volumeName"].as_str().context("no volume")?;
    let capacity = json!({ "capacity": { "storage": size } });
    let patch = |part: &str| format!("--patch={}", json!({ part: capacity }));
    kubectl::run(&["patch", "pv", volume, "--type=merge", &patch("spec")])?;
    let claim = ["patch", "pvc", "data-shop-0", "--subresource=status", "--type=merge"];
    namespace.kubectl(&[claim.as_slice(), &[&patch("status")]].concat()).map(drop)
}

fn is_growing(namespace: &Namespace) -> Result<()> {
    wait::until("the growth told", wait::MAX, || {
        let status = namespace.get(CLUSTERS, "shop")?["status"].take();
        let conditions = status["conditions"].as_array().context("no conditions")?;
        let is_told = |it: &Value| {
            it["type"] == "Progressing"
                && it["status"] == "True"
                && it["reason"] == "VolumeGrows"
                && it["message"].to_string().contains("data-shop-0 to 2Gi")
        };
        let is_well = |it: &Value| it["type"] == "Degraded" && it["status"] == "False";
        let is_so = conditions.iter().any(is_told) && conditions.iter().any(is_well);
        Ok(if is_so { Ok(()) } else { Err(status.to_string()) })
    })
}

fn body(namespace: &Namespace) -> Result<()> {
    let class = Class::make(namespace)?;
    let spec = |size: &str| json!({ "storage": { "size": size, "className": class.0 } });
    shop(namespace, &spec("1Gi"))?;
    let uid = namespace.uid("pod", "shop-0")?;
    let volume = namespace.get("pvc", "data-shop-0")?["spec"]["volumeName"].clone();
    let inside = Inside::start(namespace)?;
    let mut writer = Writer::start(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 3);
    let mut written = writer.write(50)?;

    namespace.apply(&cluster("shop", &spec("2Gi")))?;
    is_growing(namespace)?;
    let claim = namespace.get("pvc", "data-shop-0")?;
    ensure!(claim["spec"]["resources"]["requests"]["storage"] == "2Gi", "{claim}");
    namespace.ensure_unharmed("shop-0", &uid)?;
    written.extend(writer.write(50)?);

    resize(namespace, &claim, "2Gi")?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    namespace.ensure_unharmed("shop-0", &uid)?;
    let claim = namespace.get("pvc", "data-shop-0")?;
    ensure!(claim["status"]["capacity"]["storage"] == "2Gi", "{claim}");
    ensure!(claim["spec"]["volumeName"] == volume, "the volume was {volume}: {claim}");
    // A broker more would have a volume of that size from the start.
    let set = namespace.get("statefulset", "shop")?;
    let template = &set["spec"]["volumeClaimTemplates"][0]["spec"];
    ensure!(template["resources"]["requests"]["storage"] == "2Gi", "{template}");
    written.extend(writer.write(50)?);
    writer.end()?;
    told_once(namespace)?;
    consume(inside.verb("member", &[BOOTSTRAP, "all", "orders"])?, &written)
}

/// The events of the cluster name no trouble, and none is told again and again.
fn told_once(namespace: &Namespace) -> Result<()> {
    let events = namespace.list("events.events.k8s.io", "")?;
    let mine = events.iter().filter(|it| it["regarding"]["kind"] == "Cluster");
    let warnings: Vec<_> = mine.clone().filter(|it| it["type"] == "Warning").collect();
    ensure!(warnings.is_empty(), "warnings of a growth that works: {warnings:?}");
    ensure!(mine.clone().count() < 20, "{} events of one growth", mine.count());
    Ok(())
}

#[test]
fn a_volume_grows_while_the_broker_serves() -> Result<()> {
    let cluster = std::env::var(CLUSTER_VARIABLE).unwrap_or_default();
    if !cluster.is_empty() && !cluster.starts_with("kind:") {
        toolchain::leave_out(TEST, "it plays the storage driver, and that of KUBECONFIG is real");
        return Ok(());
    }
    check_with_operator(TEST, body)
}
