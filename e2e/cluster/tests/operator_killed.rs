//! The operator is killed again and again while it works: brokers serve on, and in the end all is as
//! the resources say.

use anyhow::{Result, ensure};
use millrace_e2e_cluster::cluster::{BOOTSTRAP, CLUSTERS, TOPICS, cluster, shop, topic};
use millrace_e2e_cluster::inside::Inside;
use millrace_e2e_cluster::namespace::{Namespace, check_with_operator};
use millrace_e2e_cluster::operator;
use millrace_e2e_cluster::records::{Writer, consume};
use serde_json::json;

/// How often it is killed.
const ROUNDS: usize = 5;
/// How many topics each round makes.
const TOPICS_A_ROUND: usize = 20;

fn body(namespace: &Namespace) -> Result<()> {
    shop(namespace, &json!({}))?;
    let uid = namespace.uid("pod", "shop-0")?;
    let inside = Inside::start(namespace)?;
    let mut writer = Writer::start(inside.verb("feed", &[BOOTSTRAP, "orders"])?, "order", 3);
    let mut written = writer.write(50)?;
    for round in 0..ROUNDS {
        let more = (0..TOPICS_A_ROUND).map(|number| {
            topic(&format!("round-{round}-{number}"), &json!({ "partitions": round + 1 }))
        });
        let config = json!({ "config": { "log.retention.ms": 1_000_000 + round } });
        // Where it is in its work when it dies is up to chance: the requests and the kill race.
        namespace.apply(&format!("{}{}", cluster("shop", &config), more.collect::<String>()))?;
        operator::kill()?;
        written.extend(writer.write(50)?);
        if round % 2 == 1 {
            operator::wait_until_ready()?;
        }
    }
    operator::wait_until_ready()?;
    namespace.wait_for(CLUSTERS, "shop", "Ready")?;
    for round in 0..ROUNDS {
        for number in 0..TOPICS_A_ROUND {
            namespace.wait_for(TOPICS, &format!("round-{round}-{number}"), "Ready")?;
        }
    }
    let seen = inside.describe(BOOTSTRAP)?;
    for round in 0..ROUNDS {
        for number in 0..TOPICS_A_ROUND {
            let found = seen.topic(&format!("round-{round}-{number}"))?;
            ensure!(found.partitions == round + 1, "{found:?}");
        }
    }
    let retention = format!("{}", 1_000_000 + ROUNDS - 1);
    ensure!(seen.broker["log.retention.ms"] == retention);
    namespace.ensure_unharmed("shop-0", &uid)?;
    written.extend(writer.write(50)?);
    writer.end()?;
    consume(inside.verb("member", &[BOOTSTRAP, "all", "orders"])?, &written)
}

#[test]
fn an_operator_that_dies_anywhere_is_no_harm() -> Result<()> {
    check_with_operator("operator_killed", body)
}
