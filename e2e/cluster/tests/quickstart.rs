//! The manifest that laptop mode takes, unchanged: applied, ready, written to and read from.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{consume, feed};

const MANIFEST: &str = include_str!("../../../examples/quickstart.yaml");
const BOOTSTRAP: &str = "quickstart-bootstrap:9092";

fn body(namespace: &Namespace) -> Result<()> {
    namespace.apply(MANIFEST)?;
    let cluster = namespace.wait_for("clusters.millrace.io", "quickstart", "Ready")?;
    for topic in ["orders", "customers", "clicks"] {
        namespace.wait_for("topics.millrace.io", topic, "Ready")?;
    }
    let told = cluster["status"]["bootstrap"].as_str().unwrap_or_default();
    ensure!(told.starts_with("quickstart-bootstrap."), "status.bootstrap is {told:?}");
    let inside = Inside::start(namespace)?;
    let orders = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 100, 3)?;
    consume(inside.verb("member", &[BOOTSTRAP, "readers", "orders"])?, &orders)?;
    let clicks = feed(inside.verb("feed", &[BOOTSTRAP, "Web_Clicks"])?, "click", 60, 6)?;
    consume(inside.verb("member", &[BOOTSTRAP, "clickers", "Web_Clicks"])?, &clicks)
}

#[test]
fn the_quickstart_manifest_runs_as_it_is() -> Result<()> {
    check_with_operator("quickstart", body)
}
