//! A topic outlives its resource by its grace, within which the deletion can be undone; then it goes.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, TOPICS, shop, topic};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{consume, feed};
use serde_json::json;

fn body(namespace: &Namespace) -> Result<()> {
    shop(namespace, &json!({}))?;
    let inside = Inside::start(namespace)?;
    let written = feed(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 30, 3)?;
    let short = topic("short", &json!({ "deletionGracePeriod": "1s" }));
    namespace.apply(&short)?;
    namespace.wait_for(TOPICS, "short", "Ready")?;
    let before = inside.describe(BOOTSTRAP)?;

    // The grace of `orders` is an hour, that of `short` is over when this is seen.
    namespace.delete(TOPICS, "orders")?;
    namespace.delete(TOPICS, "short")?;
    inside.wait_until(BOOTSTRAP, "a topic gone after its grace", |seen| {
        !seen.topics.contains_key("short")
    })?;
    consume(inside.verb("member", &[BOOTSTRAP, "first", "orders"])?, &written)?;
    namespace.apply(&topic("orders", &json!({ "partitions": 3 })))?;
    namespace.wait_for(TOPICS, "orders", "Ready")?;
    namespace.apply(&short)?;
    namespace.wait_for(TOPICS, "short", "Ready")?;
    let after = inside.describe(BOOTSTRAP)?;
    ensure!(after.topic("orders")?.id == before.topic("orders")?.id, "not undone");
    ensure!(after.topic("short")?.id != before.topic("short")?.id, "the same topic again");
    consume(inside.verb("member", &[BOOTSTRAP, "second", "orders"])?, &written)
}

#[test]
fn a_deletion_can_be_undone_within_its_grace() -> Result<()> {
    check_with_operator("topic_deletion", body)
}
