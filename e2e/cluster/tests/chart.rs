//! The chart through its life: upgraded with new definitions, rolled back, uninstalled, installed
//! again; clusters and what they hold stay all the while.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{consume, feed};
use millrace_e2e_cluster::{evidence, helm, kubectl, wait};
use millrace_peers::run;

const MANIFEST: &str = include_str!("../../../examples/quickstart.yaml");
const BOOTSTRAP: &str = "quickstart-bootstrap:9092";
/// What the next version's definition has.
const NEXT: &str = "the definition of the next version";

/// A copy of the chart with another definition of `Cluster`.
fn next_version(dir: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(dir);
    run(std::process::Command::new("cp").arg("-r").arg(helm::chart()).arg(dir))?;
    let path = dir.join("files/crds/clusters.yaml");
    let text = fs::read_to_string(&path)?;
    let (before, after) = text.split_once("description: ").context("no description")?;
    fs::write(path, format!("{before}description: {NEXT} - {after}"))?;
    Ok(())
}

fn has_next_definition() -> Result<bool> {
    Ok(kubectl::run(&["get", "crd", "clusters.millrace.io", "--output=yaml"])?.contains(NEXT))
}

fn body(namespace: &Namespace) -> Result<()> {
    namespace.apply(MANIFEST)?;
    namespace.wait_for("clusters.millrace.io", "quickstart", "Ready")?;
    namespace.wait_for("topics.millrace.io", "orders", "Ready")?;
    let pod = namespace.get("pod", "quickstart-0")?["metadata"]["uid"].clone();
    let inside = Inside::start(namespace)?;
    let orders = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 100, 3)?;

    let installed = helm::Installed;
    // It makes a cluster of its own and takes it away again.
    helm::helm(&["test", helm::RELEASE, "--timeout=5m"])?;
    let left = kubectl::run(&["get", "clusters.millrace.io,pods", "--all-namespaces"])?;
    ensure!(!left.contains("millrace-test-client"), "the test left something: {left}");
    wait::until("the test's volume gone", wait::MAX, || {
        let words = ["get", "pvc", "--namespace=millrace-system", "--output=name"];
        let left = kubectl::run(&words)?;
        Ok(if left.contains("millrace-test") { Err(left) } else { Ok(()) })
    })?;
    let next = evidence::dir().join("next-chart");
    next_version(&next)?;
    let next = next.display().to_string();
    helm::helm(&["upgrade", helm::RELEASE, &next, "--reuse-values", "--wait", "--timeout=3m"])?;
    ensure!(has_next_definition()?, "an upgrade left the old definition");
    helm::helm(&["rollback", helm::RELEASE, "--wait", "--timeout=3m"])?;
    ensure!(!has_next_definition()?, "a rollback left the new definition");

    helm::helm(&["uninstall", helm::RELEASE, "--wait"])?;
    wait::until("the operator gone", wait::MAX, || {
        let words = ["get", "pods", "--namespace=millrace-system", "--output=name"];
        let pods = kubectl::run(&words)?;
        Ok(if pods.is_empty() { Ok(()) } else { Err(pods) })
    })?;
    // Without the operator everything serves on.
    consume(inside.verb("member", &[BOOTSTRAP, "without", "orders"])?, &orders)?;
    drop(installed);
    feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "later", 100, 3)?;
    namespace.wait_for("clusters.millrace.io", "quickstart", "Ready")?;
    let now = namespace.get("pod", "quickstart-0")?["metadata"]["uid"].clone();
    ensure!(now == pod, "the broker was restarted");
    Ok(())
}

#[test]
fn clusters_outlive_what_happens_to_the_release() -> Result<()> {
    check_with_operator("chart", body)
}
