//! Topics are what their resources say: made, changed, grown, taken over, fought over, taken back.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, TOPICS, shop, topic};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::records::{consume, feed};
use serde_json::{Value, json};

struct Shop<'a> {
    namespace: &'a Namespace,
    inside: Inside,
}

impl Shop<'_> {
    fn apply(&self, name: &str, more: &Value) -> Result<()> {
        self.namespace.apply(&topic(name, more))?;
        self.namespace.wait_for(TOPICS, name, "Ready").map(drop)
    }

    fn refused(&self, name: &str, more: &Value, reason: &str, words: &str) -> Result<()> {
        self.namespace.apply(&topic(name, more))?;
        let told = self.namespace.wait_for_refusal(TOPICS, name, reason)?;
        ensure!(told.contains(words), "{words:?} is not in {told:?}");
        Ok(())
    }

    fn configs_and_growth(&self) -> Result<()> {
        let before = self.inside.describe(BOOTSTRAP)?;
        let id = &before.topic("orders")?.id;
        let written = feed(self.inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 30, 3)?;
        let config = json!({ "partitions": 5, "config": { "retention.ms": 3_600_000 } });
        self.apply("orders", &config)?;
        let seen = self.inside.describe(BOOTSTRAP)?;
        let orders = seen.topic("orders")?;
        ensure!(orders.id == *id, "the topic was made anew");
        ensure!(orders.partitions == 5 && orders.configs == "retention.ms=3600000", "{orders:?}");

        self.inside.set(BOOTSTRAP, "orders", "retention.ms=1")?;
        self.inside.wait_until(BOOTSTRAP, "what was set by hand taken back", |seen| {
            seen.topics["orders"].configs == "retention.ms=3600000"
        })?;
        self.apply("orders", &json!({ "partitions": 5 }))?;
        let seen = self.inside.describe(BOOTSTRAP)?;
        ensure!(seen.topic("orders")?.configs.is_empty(), "a config outlived its line");
        self.refused(
            "orders",
            &json!({ "partitions": 5, "config": { "retention.ms": "soon" } }),
            "InvalidSpec",
            "retention.ms",
        )?;
        self.apply("orders", &json!({ "partitions": 5 }))?;
        consume(self.inside.verb("member", &[BOOTSTRAP, "all", "orders"])?, &written)
    }

    fn rivals(&self) -> Result<()> {
        self.inside.create(BOOTSTRAP, "found", 2)?;
        self.refused("found", &json!({ "partitions": 2 }), "TopicExists", "spec.adopt")?;
        let id = self.inside.describe(BOOTSTRAP)?.topic("found")?.id.clone();
        self.apply("found", &json!({ "partitions": 4, "adopt": true }))?;
        let seen = self.inside.describe(BOOTSTRAP)?;
        let found = seen.topic("found")?;
        ensure!(found.id == id && found.partitions == 4, "{found:?}");

        let rival = json!({ "topicName": "found", "partitions": 9 });
        self.refused("rival", &rival, "Conflict", "found")?;
        ensure!(self.inside.describe(BOOTSTRAP)?.topic("found")?.partitions == 4);
        // The older lets go: the other has it.
        let free = json!({ "partitions": 4, "adopt": true, "management": "Unmanaged" });
        self.namespace.apply(&topic("found", &free))?;
        self.namespace.wait_for(TOPICS, "rival", "Ready")?;
        let seen = self.inside.describe(BOOTSTRAP)?;
        let found = seen.topic("found")?;
        ensure!(found.id == id && found.partitions == 9, "{found:?}");
        Ok(())
    }

    fn pause(&self) -> Result<()> {
        self.apply("still", &json!({ "partitions": 1 }))?;
        let paused = json!({ "partitions": 2, "management": "Paused" });
        self.refused("still", &paused, "Paused", "Paused")?;
        ensure!(self.inside.describe(BOOTSTRAP)?.topic("still")?.partitions == 1);
        self.apply("still", &json!({ "partitions": 2 }))?;
        ensure!(self.inside.describe(BOOTSTRAP)?.topic("still")?.partitions == 2);
        let lost = json!({ "clusterRef": { "name": "nowhere" } });
        self.refused("lost", &lost, "ClusterNotFound", "nowhere")
    }
}

#[test]
fn topics_follow_their_resources() -> Result<()> {
    check_with_operator("topic_changes", |namespace| {
        shop(namespace, &json!({}))?;
        let shop = Shop { namespace, inside: Inside::start(namespace)? };
        shop.configs_and_growth()?;
        shop.rivals()?;
        shop.pause()
    })
}
