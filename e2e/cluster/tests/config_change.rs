//! Configs that a broker can take while it runs reach it without a restart; the others come with
//! one, and what is set past the resource is taken back.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, CLUSTERS, cluster, shop};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{consume, feed};
use serde_json::{Value, json};

fn change(namespace: &Namespace, config: &Value) -> Result<()> {
    namespace.apply(&cluster("shop", &json!({ "config": config })))?;
    namespace.wait_for(CLUSTERS, "shop", "Ready").map(drop)
}

fn body(namespace: &Namespace) -> Result<()> {
    shop(namespace, &json!({}))?;
    let uid = namespace.uid("pod", "shop-0")?;
    let inside = Inside::start(namespace)?;
    let written = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 30, 3)?;
    let is = |key: &str, value: &str| {
        let seen = inside.describe(BOOTSTRAP)?.broker;
        ensure!(seen[key] == value, "{key} is {} at the broker, not {value}", seen[key]);
        Ok(())
    };

    change(namespace, &json!({ "log.retention.ms": 7_200_000 }))?;
    is("log.retention.ms", "7200000")?;
    namespace.ensure_unharmed("shop-0", &uid)?;

    inside.set(BOOTSTRAP, "-", "log.retention.ms=1000000")?;
    inside.wait_until(BOOTSTRAP, "what was set by hand taken back", |seen| {
        seen.broker["log.retention.ms"] == "7200000"
    })?;
    namespace.ensure_unharmed("shop-0", &uid)?;

    change(namespace, &json!({ "log.retention.ms": 7_200_000, "num.partitions": 5 }))?;
    is("num.partitions", "5")?;
    is("log.retention.ms", "7200000")?;
    let next = namespace.uid("pod", "shop-0")?;
    ensure!(next != uid, "a config that is read at a start came without one");

    change(namespace, &json!({ "num.partitions": 5 }))?;
    // Its default is none: `log.retention.hours` counts then.
    is("log.retention.ms", "")?;
    namespace.ensure_unharmed("shop-0", &next)?;
    consume(inside.verb("member", &[BOOTSTRAP, "all", "orders"])?, &written)
}

#[test]
fn configs_come_with_a_restart_only_where_they_must() -> Result<()> {
    check_with_operator("config_change", body)
}
